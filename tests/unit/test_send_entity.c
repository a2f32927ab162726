/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of what a CSE sends (send.entity): by that the security association is chosen, so it has to be the next hop,
 * whose point of access the URL is, and nobody for a URL that is nobody's here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core/cse/registrar.h"
#include "notify_util.h"

#define HOME "//reeve.local"

static void ae(struct cse *t, const char *stem)
{
	char pc[256];

	snprintf(pc, sizeof(pc), "{\"m2m:ae\":{\"rn\":\"ae-%s\",\"api\":\"Nx\",\"rr\":true,\"srv\":[\"3\"],\"poa\":[\"test://%s-1\",\"test://%s\"]}}", stem,
		 stem, stem);
	must(call(t, OP_CREATE, stem, "cse", 2, pc), 2001);
}

/* A CSE that registers here, with another one behind it. */
static void csr(struct cse *t, const char *csi, const char *below)
{
	char pc[256];

	snprintf(pc, sizeof(pc), "{\"m2m:csr\":{\"rn\":\"%s\",\"cb\":\"%s/base\",\"rr\":true,\"srv\":[\"3\"],\"poa\":[\"test:/%s\"],\"dcse\":[\"%s\"]}}",
		 csi + 1, csi, csi, below);
	must(call(t, OP_CREATE, csi, "cse", 16, pc), 2001);
}

static int first_is_away(struct cse *t, const char *url, size_t nth)
{
	(void)t, (void)nth;
	return url[strlen(url) - 1] == '1' ? NO_CONNECTION : 2000;
}

static int created_or_updated(struct cse *t, const char *url, size_t nth)
{
	(void)t, (void)url;
	return nth == 2 ? 2000 : 2001; /* our <remoteCSE>, the registrar's <CSEBase>, and what comes then */
}

static void expect_entity(struct cse *t, const char *url, const char *entity)
{
	assert_string_equal(nth_sent_to(t, url, 0)->entity, entity);
}

static void notification(struct cse *t, const char *name, const char *nu)
{
	char pc[256];

	snprintf(pc, sizeof(pc), "{\"m2m:sub\":{\"rn\":\"%s\",\"nu\":[\"%s\"],\"enc\":{\"net\":[3]}}}", name, nu);
	must(call(t, OP_CREATE, ME, "cse/a", 23, pc), 2001);
}

static void of_notifications(void **state)
{
	struct cse *t = *state;

	container(t, "cse", "a");
	ae(t, "COne");
	ae(t, "STwo");
	csr(t, "/p", "/below");
	t->answer = first_is_away;
	notification(t, "s1", "COne");
	notification(t, "s2", "/STwo"); /* has the form of a CSE-ID */
	notification(t, "s3", "/reeve/cse/ae-COne?ct=json");
	notification(t, "s4", "/below/base/CFar");
	notification(t, "s5", "test://nobody");
	instance(t, "cse/a", "1");
	expect_entity(t, "test://COne-1", HOME "/reeve/COne");
	expect_entity(t, "test://COne", HOME "/reeve/COne"); /* and at the next point of access */
	assert_string_equal(nth_sent_to(t, "test://COne", 1)->entity, HOME "/reeve/COne");
	expect_entity(t, "test://STwo", HOME "/STwo");
	expect_entity(t, "test://p", HOME "/p"); /* the next hop, not the last */
	expect_entity(t, "test://nobody", "");
}

static void of_requests_in_transit(void **state)
{
	struct cse *t = *state;

	csr(t, "/p", "/below");
	must(call(t, OP_RETRIEVE, ME, "/p/base/x", 0, NULL), 2000);
	must(call(t, OP_RETRIEVE, ME, "//reeve.local/below/base/x", 0, NULL), 2000);
	assert_string_equal(nth_sent(t, 0)->entity, HOME "/p");
	assert_string_equal(nth_sent(t, 1)->entity, HOME "/p");
	assert_int_equal(t->n_sent, 2);
}

/* What no <remoteCSE> leads to goes to the registrar, by the configured address. */
static void of_what_goes_up(void **state)
{
	static struct slice poa[] = { { "test://up", 9 } };
	struct cse *t = *state;

	core_stop(t->core);
	t->cfg.type = CSE_MN;
	t->cfg.registrar.cse_id = S("/in");
	t->cfg.registrar.poa = (struct config_list){ poa, 1 };
	cse_start(t);
	must(call(t, OP_RETRIEVE, ME, "/else/base/x", 0, NULL), 2000);
	assert_string_equal(nth_sent(t, 0)->url, "test://up");
	assert_string_equal(nth_sent(t, 0)->entity, HOME "/in");
}

/* SEC-121: the Credential-ID of the association that an S-type AE came through, as the IN-CSE hears it; asked at the registrar. */
static void of_registrations(void **state)
{
	static const struct peer key = { .association = true, .credential = { "33-key@x.example", 16 } };
	static struct slice poa[] = { { "test://up", 9 } };
	struct cse *t = *state;
	struct call *k;
	struct sent *s;

	core_stop(t->core);
	t->cfg.type = CSE_MN;
	t->cfg.registrar.cse_id = S("/in");
	t->cfg.registrar.poa = (struct config_list){ poa, 1 };
	t->content = "{\"m2m:aeA\":{\"ri\":\"S9\"}}";
	t->answer = created_or_updated;
	cse_start(t);
	assert_int_equal(registrar_start(t->core), RC_OK);
	for (int i = 0; !registrar_registered(t->core) && i < WAIT_S * 100; i++)
		usleep(10000);
	k = call_new(t, OP_CREATE, "S", "cse", 2, "{\"m2m:ae\":{\"api\":\"Na\",\"rr\":false,\"srv\":[\"3\"]}}");
	k->r.peer = key;
	must(call_end(call_go(k), NULL), 2001);
	s = nth_sent(t, t->n_sent - 1);
	assert_string_equal(s->fr, "/reeve/S");
	assert_string_equal(s->entity, HOME "/in");
	expect_part(s->pc, "\"lbl\":[\"Credential-ID:33-key@x.example\"]");
	expect_at(t, "S9", "S9", "\"aei\":\"S9\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cse_test(of_notifications),
		cse_test(of_requests_in_transit),
		cse_test(of_what_goes_up),
		cse_test(of_registrations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
