/* SPDX-License-Identifier: Apache-2.0 */
/* Registrations that move: what the IN-CSE tells, whom a CSE believes, and what it rewrites. The test says what was proven about the peer, as
 * a binding would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "notify_util.h"

#define HOME "//reeve.local"
#define PEER(id) { .association = true, .cse_id = { HOME id, sizeof(HOME id) - 1 } }
static const struct peer of_in = PEER("/in"), of_up = PEER("/up"), of_mn2 = PEER("/mn2"), of_none = { .association = false };

#define CSR(rn) "{\"m2m:csr\":{\"rn\":\"" rn "\",\"cb\":\"/" rn "/base\",\"rr\":true,\"srv\":[\"3\"],\"poa\":[\"test://" rn "\"]}}"
#define ALL "{\"acor\":[\"all\"],\"acop\":63}"

/* granted: what registered CSEs may do on <CSEBase>, besides */
static void restart_with(struct cse *t, enum cse_type type, unsigned granted)
{
	core_stop(t->core);
	t->cfg.type = type;
	t->cfg.base.registree |= granted;
	t->cfg.registrar.cse_id = type == CSE_IN ? S("") : S("/up");
	t->cfg.profile.at = type == CSE_IN ? S("") : S("/in");
	t->cfg.profile.open = true;
	cse_start(t);
}

static void restart(struct cse *t, enum cse_type type) { restart_with(t, type, 0); }

static struct call *notify(struct cse *t, const struct peer *p, const char *fr, const char *pc)
{
	struct call *k = call_new(t, OP_NOTIFY, fr, "cse", 0, pc);

	k->r.peer = *p;
	k->r.peer.open = true;
	return k;
}

static int tell(struct cse *t, const struct peer *p, const char *fr, const char *from, const char *to)
{
	char pc[256];

	snprintf(pc, sizeof(pc), "{\"m2m:sgn\":{\"aerp\":true,\"tid1\":\"%s\",\"tid2\":\"%s\",\"sur\":\"/in/x\"}}", from, to);
	return call_end(call_go(notify(t, p, fr, pc)), NULL);
}

/* AUTHZ-239: the IN-CSE, inside an association of its own or of the registrar. */
static void who_is_believed(void **state)
{
	struct cse *t = *state;

	restart(t, CSE_MN);
	must(call(t, OP_CREATE, "/in", "cse", 16, CSR("in")), 2001);
	must(call(t, OP_CREATE, "/up", "cse", 16, CSR("up")), 2001);
	must(call(t, OP_CREATE, "/mn2", "cse", 16, CSR("mn2")), 2001);
	must(call(t, OP_CREATE, ME, "cse", 1, "{\"m2m:acp\":{\"rn\":\"p\",\"pv\":{\"acr\":[{\"acor\":[\"/mn1/C1\"],\"acop\":63}]},\"pvs\":{\"acr\":[" ALL
		  "]}}}"), 2001);
	must(tell(t, &of_none, "/in", "/mn1/C1", "/mn2/C1"), 4103);
	must(tell(t, &of_mn2, "/mn2", "/mn1/C1", "/mn2/C1"), 4103);
	must(tell(t, &of_up, "/up", "/mn1/C1", "/mn2/C1"), 4103); /* the registrar, but not the IN-CSE */
	must(tell(t, &of_mn2, "/in", "/mn1/C1", "/mn2/C1"), 4106);
	must(tell(t, &of_in, "/in", "/mn1/C1", "/mn2/C2"), 4000); /* one AE does not become another */
	must(tell(t, &of_in, "/in", "C1", "/mn2/C1"), 4000);
	must(tell(t, &of_in, "/in", "/mn1/C1", ""), 4000);
	expect_at(t, ME, "cse/p", "\"acor\":[\"/mn1/C1\"]");
	must(tell(t, &of_in, "/in", "/mn1/C1", "/mn2/C1"), 2000);
	expect_at(t, ME, "cse/p", "\"acor\":[\"/mn2/C1\"]");
	must(tell(t, &of_in, "/in", "/mn2/C1", "/mn3/C1"), 2000);
	/* this needs no privilege; anything else that the IN-CSE would notify does */
	must(call_end(call_go(notify(t, &of_in, "/in", "{\"m2m:sgn\":{\"aerp\":false,\"sur\":\"/in/x\"}}")), NULL), 4103);
	restart_with(t, CSE_MN, 16);
	must(tell(t, &of_none, "/in", "/mn1/C1", "/mn2/C1"), 4107); /* nor does a privilege make anybody the IN-CSE */
	must(tell(t, &of_mn2, "/mn2", "/mn1/C1", "/mn2/C1"), 4103);
	expect_at(t, ME, "cse/p", "\"acor\":[\"/mn3/C1\"]");
}

/* AUTHZ-238, CORE-125: every acor, and the other places; what only looks like the old one stays. */
static void what_is_rewritten(void **state)
{
	struct cse *t = *state;

	restart(t, CSE_MN);
	must(call(t, OP_CREATE, "/in", "cse", 16, CSR("in")), 2001);
	t->cfg.profile.at = S("");
	must(call(t, OP_CREATE, "C1", "cse", 2, "{\"m2m:ae\":{\"rn\":\"ae\",\"api\":\"Na\",\"rr\":false,\"srv\":[\"3\"],\"trps\":true}}"), 2001);
	t->cfg.profile.at = S("/in");
	must(call(t, OP_CREATE, ME, "cse", 1,
		  "{\"m2m:acp\":{\"rn\":\"p\",\"pv\":{\"acr\":[{\"acor\":[\"C1\",\"/reeve/C2\",\"/mn1/C1\"],\"acop\":63},{\"acor\":[\"" HOME
		  "/reeve/C1\"],\"acop\":2}]},\"pvs\":{\"acr\":[" ALL ",{\"acor\":[\"/reeve/C1\"],\"acop\":4}]}}}"), 2001);
	container(t, "cse", "a");
	must(call(t, OP_CREATE, ME, "cse", 9, "{\"m2m:grp\":{\"rn\":\"g\",\"mnm\":5,\"mid\":[\"/mn1/C1\",\"/reeve/C1\",\"cse/a\"]}}"), 2001);
	must(call(t, OP_CREATE, ME, "cse/a", 23, "{\"m2m:sub\":{\"rn\":\"s\",\"nu\":[\"/reeve/C1?ct=cbor\",\"test://reeve/C1\"],\"enc\":{\"net\":[1]}}}"), 2001);
	must(tell(t, &of_in, "/in", "/reeve/C1", "/mn2/C1"), 2000);
	expect_at(t, ME, "cse/p", "\"acor\":[\"/mn2/C1\",\"/reeve/C2\",\"/mn1/C1\"]");
	expect_at(t, ME, "cse/p", "{\"acor\":[\"/mn2/C1\"],\"acop\":2}");
	expect_at(t, ME, "cse/p", "{\"acor\":[\"/mn2/C1\"],\"acop\":4}");
	expect_at(t, ME, "cse/g", "\"mid\":[\"/mn1/C1\",\"/mn2/C1\",\"cse/a\"]");
	expect_at(t, ME, "cse/a/s", "\"nu\":[\"/mn2/C1?ct=cbor\",\"test://reeve/C1\"]");
	expect_at(t, "C1", "cse/ae", "\"regs\":2"); /* CORE-125: the old registration */
	/* an S-type AE-ID does not change with the registrar; the address does */
	must(call(t, OP_CREATE, ME, "cse", 1,
		  "{\"m2m:acp\":{\"rn\":\"q\",\"pv\":{\"acr\":[{\"acor\":[\"S1\",\"/S1\",\"/reeve/S1\",\"" HOME "/reeve/S1\"],\"acop\":63}]},"
		  "\"pvs\":{\"acr\":[" ALL "]}}}"), 2001);
	must(tell(t, &of_in, "/in", "/reeve/S1", "/mn2/S1"), 2000);
	expect_at(t, ME, "cse/q", "\"acor\":[\"S1\",\"/S1\",\"/mn2/S1\",\"/mn2/S1\"]");
}

/* More than one portion, and each is changed. */
static void many(void **state)
{
	struct cse *t = *state;
	char pc[256], at[32];

	restart(t, CSE_MN);
	must(call(t, OP_CREATE, "/in", "cse", 16, CSR("in")), 2001);
	for (unsigned i = 0; i < 600; i++) {
		snprintf(pc, sizeof(pc), "{\"m2m:acp\":{\"rn\":\"p%u\",\"pv\":{\"acr\":[{\"acor\":[\"/mn1/C1\"],\"acop\":63}]},\"pvs\":{\"acr\":[" ALL "]}}}", i);
		must(call(t, OP_CREATE, ME, "cse", 1, pc), 2001);
	}
	must(tell(t, &of_in, "/in", "/mn1/C1", "/mn2/C1"), 2000);
	for (unsigned i = 0; i < 600; i++) {
		snprintf(at, sizeof(at), "cse/p%u", i);
		expect_at(t, ME, at, "/mn2/C1");
	}
}

static void annc(struct cse *t, enum op op, const char *fr, const char *to, const char *members, int rsc)
{
	char pc[256];

	snprintf(pc, sizeof(pc), "{\"m2m:aeA\":{\"api\":\"Na\",\"lbl\":[\"Credential-ID:\"],%s}}", members);
	must(call(t, op, fr, to, op == OP_CREATE ? 10002 : 0, pc), rsc);
}

/* CORE-125: the IN-CSE tells all CSEs, those behind others too, and changes what it has itself. */
static void what_is_told(void **state)
{
	static const char told[] = "{\"m2m:sgn\":{\"aerp\":true,\"tid1\":\"/mn1/S1\",\"tid2\":\"/mn2/S1\",\"sur\":\"/reeve/S1\"}}";
	struct cse *t = *state;

	restart(t, CSE_IN);
	must(call(t, OP_CREATE, "/mn1", "cse", 16, CSR("mn1")), 2001);
	must(call(t, OP_CREATE, "/mn2", "cse", 16,
		  "{\"m2m:csr\":{\"rn\":\"mn2\",\"cb\":\"/mn2/base\",\"rr\":true,\"srv\":[\"3\"],\"poa\":[\"test://mn2\"],\"dcse\":[\"/asn\"]}}"), 2001);
	must(call(t, OP_CREATE, ME, "cse", 9, "{\"m2m:grp\":{\"rn\":\"g\",\"mnm\":5,\"mid\":[\"/mn1/S1\",\"/mn1/S2\"]}}"), 2001);
	annc(t, OP_CREATE, "/mn1/S1", "cse/mn1", "\"lnk\":\"/mn1/S1\",\"et\":\"20990101T000000\"", 2001);
	annc(t, OP_UPDATE, "/mn1/S1", "S1", "\"lnk\":\"/mn1/S1\",\"trps\":true", 2004);
	annc(t, OP_UPDATE, "/mn2/S1", "S1", "\"lnk\":\"/mn2/S1\",\"trps\":null", 4117);
	assert_int_equal(t->n_sent, 0);
	annc(t, OP_UPDATE, "/mn2/S1", "S1", "\"lnk\":\"/mn2/S1\",\"trps\":true", 2004);
	assert_string_equal(nth_sent_to(t, "test://mn1", 0)->pc, told);
	assert_string_equal(nth_sent_to(t, "test://mn2", 0)->pc, told);
	assert_string_equal(nth_sent_to(t, "test://mn2", 1)->pc, told); /* by way of it */
	for (int i = 0; i < WAIT_S * 100; i++) { /* it tells itself in the background */
		char *got = get(t, ME, "cse/g");
		bool there = strstr(got, "\"mid\":[\"/mn2/S1\",\"/mn1/S2\"]") != NULL;

		free(got);
		if (there)
			return;
		usleep(10000);
	}
	fail_msg("the IN-CSE did not rewrite its own references");
}

/* AUTHZ-239: the IN-CSE itself believes nobody: it looks at <AEAnnc>. */
static void told_to_the_in_cse(void **state)
{
	struct cse *t = *state;

	restart_with(t, CSE_IN, 16);
	must(call(t, OP_CREATE, "/mn2", "cse", 16, CSR("mn2")), 2001);
	must(tell(t, &of_mn2, "/mn2", "/mn1/C1", "/mn2/C1"), 5001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cse_test(who_is_believed), cse_test(what_is_rewritten), cse_test(many), cse_test(what_is_told), cse_test(told_to_the_in_cse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
