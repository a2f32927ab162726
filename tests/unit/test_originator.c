/* SPDX-License-Identifier: Apache-2.0 */
/* From against the security association the request came through (TS-0004 7.3.2.1). Nothing here makes associations: the test says what was
 * proven about the peer, as a binding would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core/writer.h"
#include "notify_util.h"

#define HOME "//reeve.local"

static const struct slice one_ae[] = { { HOME "/reeve/CA", sizeof(HOME "/reeve/CA") - 1 } };
static const struct slice two_aes[] = { { HOME "/reeve/CA", sizeof(HOME "/reeve/CA") - 1 }, { HOME "/SB", sizeof(HOME "/SB") - 1 } };

static const struct peer of_one_ae = { .association = true, .ae_ids = one_ae, .n_ae_ids = 1 };
static const struct peer of_two_aes = { .association = true, .ae_ids = two_aes, .n_ae_ids = 2 };
static const struct peer of_unknown = { .association = true };
static const struct peer of_p = { .association = true, .cse_id = { HOME "/p", sizeof(HOME "/p") - 1 } };
static const struct peer of_none = { .ip = { [15] = 1 }, .ip_known = true }; /* ::1 */
static const struct peer of_loopback = { .ip = { [10] = 0xff, 0xff, 127, 0, 0, 9 }, .ip_known = true };
static const struct peer of_elsewhere = { .ip = { [10] = 0xff, 0xff, 192, 0, 2, 1 }, .ip_known = true };
static const struct peer of_elsewhere_v6 = { .ip = { 0x20, 1, 0xd, 0xb8, [15] = 1 }, .ip_known = true };
static const struct peer of_nowhere = { .ip_known = false };

static int ask_as(struct cse *t, const struct peer *p, enum op op, const char *fr, const char *to, int ty, const char *pc)
{
	struct call *k = call_new(t, op, fr, to, ty, pc);

	k->r.peer = *p;
	k->r.peer.open = t->cfg.http.open;
	return call_end(call_go(k), NULL);
}

static int retrieve(struct cse *t, const struct peer *p, const char *fr, const char *to)
{
	return ask_as(t, p, OP_RETRIEVE, fr, to, 0, NULL);
}

#define RULE(who, more) "{\"acor\":[\"" who "\"],\"acop\":63" more "}"
#define POLICY(rn, rule) "{\"m2m:acp\":{\"rn\":\"" rn "\",\"pv\":{\"acr\":[" rule "]},\"pvs\":{\"acr\":[" RULE("CAdmin", "") "]}}}"

static void stock(struct cse *t)
{
	must(call(t, OP_CREATE, "CA", "cse", 2, "{\"m2m:ae\":{\"api\":\"Na\",\"rr\":false,\"srv\":[\"3\"]}}"), 2001);
	must(call(t, OP_CREATE, "CB", "cse", 2, "{\"m2m:ae\":{\"api\":\"Na\",\"rr\":false,\"srv\":[\"3\"]}}"), 2001);
	must(call(t, OP_CREATE, ME, "cse", 1, POLICY("all", RULE("all", ""))), 2001);
	must(call(t, OP_CREATE, ME, "cse", 1, POLICY("proven", RULE("all", ",\"acaf\":true"))), 2001);
	must(call(t, OP_CREATE, ME, "cse", 3, "{\"m2m:cnt\":{\"rn\":\"open\",\"acpi\":[\"cse/all\"]}}"), 2001);
	must(call(t, OP_CREATE, ME, "cse", 3, "{\"m2m:cnt\":{\"rn\":\"strict\",\"acpi\":[\"cse/proven\"]}}"), 2001);
	t->cfg.http.open = false; /* from here on: what is not proven is not believed */
}

/* --- CSEs registered here --- */

struct registration {
	struct write_job job;
	const char *csi;
	usec et;
	sem_t done;
};

static enum reeve_rc insert_remote(struct write_job *j, struct exec *x)
{
	struct registration *g = (struct registration *)j;
	struct res_new nw = { .h = { .ty = 16, .ct = x->now, .lt = x->now, .et = g->et, .mni = UINT64_MAX, .mbs = UINT64_MAX,
				     .mia = UINT64_MAX } };
	struct res base, out;
	char attrs[128];
	enum reeve_rc rc = tree_get(x->tx, (struct res_key){ 0, RES_ROOT }, &base);

	snprintf(attrs, sizeof(attrs), "\"csi\":\"%s\",\"cb\":\"%s/base\",\"rr\":false", g->csi, g->csi);
	nw.attrs = slice_str(attrs);
	return rc == RC_OK ? tree_insert(x->tx, x->seq, &base, &nw, &out) : rc;
}

static void inserted(struct write_job *j, enum reeve_rc rc)
{
	if (rc != RC_OK)
		abort();
	sem_post(&((struct registration *)j)->done);
}

/* <remoteCSE> for a CSE, as its registration would make one. */
static void register_cse(struct cse *t, const char *csi, usec et)
{
	struct registration g = { .job = { .run = insert_remote, .done = inserted, .home = &t->core->loops[0] }, .csi = csi, .et = et };

	sem_init(&g.done, 0, 0);
	assert_int_equal(writer_submit(t->core->writer, &g.job), RC_OK);
	while (sem_wait(&g.done) != 0)
		;
	sem_destroy(&g.done);
}

/* --- AEs --- */

static void ae_of_one_id(void **state)
{
	struct cse *t = *state;

	stock(t);
	must(retrieve(t, &of_one_ae, "CA", "cse/open"), 2000);
	/* CORE-019, AUTHZ-004, SEC-102; CB is registered, and no less refused */
	must(retrieve(t, &of_one_ae, "CB", "cse/open"), 4106);
	must(retrieve(t, &of_one_ae, "SX", "cse/open"), 4106);
	must(retrieve(t, &of_one_ae, "CB", "cse/nothing"), 4106);
	must(ask_as(t, &of_one_ae, OP_CREATE, "CB", "cse/open", 3, "{\"m2m:cnt\":{}}"), 4106);
	must(ask_as(t, &of_one_ae, OP_NOTIFY, "CB", "CA", 0, "{\"m2m:sgn\":{}}"), 4106);
	/* AUTHZ-003, SEC-101 also here: the form is judged first */
	must(retrieve(t, &of_one_ae, "/reeve/CA", "cse/open"), 4000);
	must(retrieve(t, &of_one_ae, "/p", "cse/open"), 4000);
	/* of whom nothing but the association is known, nothing is believed */
	must(retrieve(t, &of_unknown, "CA", "cse/open"), 4106);
}

static void ae_of_several_ids(void **state)
{
	struct cse *t = *state;

	stock(t);
	/* AUTHZ-005 */
	must(retrieve(t, &of_two_aes, "CA", "cse/open"), 2000);
	must(retrieve(t, &of_two_aes, "SB", "cse/open"), 2000);
	must(retrieve(t, &of_two_aes, "CB", "cse/open"), 4106);
	must(retrieve(t, &of_two_aes, "SA", "cse/open"), 4106);
	/* proven, but registered elsewhere or not at all: not authenticated here */
	must(retrieve(t, &of_two_aes, "CA", "cse/strict"), 2000);
	must(retrieve(t, &of_two_aes, "SB", "cse/strict"), 4103);
}

static void registration(void **state)
{
	static const char ae[] = "{\"m2m:ae\":{\"api\":\"Na\",\"rr\":false,\"srv\":[\"3\"]}}";
	struct cse *t = *state;

	stock(t);
	/* CORE-019: a stem is no less an AE-ID because it is not registered yet */
	must(ask_as(t, &of_two_aes, OP_CREATE, "CNew", "cse", 2, ae), 4106);
	must(ask_as(t, &of_two_aes, OP_CREATE, "SB", "cse", 2, ae), 2001);
	must(ask_as(t, &of_unknown, OP_CREATE, "C", "cse", 2, ae), 2001);
	must(retrieve(t, &of_two_aes, "SB", "cse/strict"), 2000);
}

/* In clear, only who is on this machine is believed. */
static void in_clear(void **state)
{
	static const char ae[] = "{\"m2m:ae\":{\"api\":\"Na\",\"rr\":false,\"srv\":[\"3\"]}}";
	struct cse *t = *state;

	stock(t);
	must(retrieve(t, &of_none, "CA", "cse/open"), 2000);
	must(retrieve(t, &of_loopback, "CA", "cse/open"), 2000);
	/* AUTHZ-240, SEC-001, SEC-002, SEC-003: others need an association, also to register */
	must(retrieve(t, &of_elsewhere, "CA", "cse/open"), 4107);
	must(retrieve(t, &of_elsewhere_v6, "CA", "cse/open"), 4107);
	must(retrieve(t, &of_nowhere, "CA", "cse/open"), 4107);
	must(ask_as(t, &of_elsewhere, OP_CREATE, "C", "cse", 2, ae), 4107);
	must(ask_as(t, &of_elsewhere, OP_CREATE, "/p", "cse", 16, "{}"), 4107);
	/* SEC-100 comes first: there is nobody to be told what he lacks */
	must(retrieve(t, &of_elsewhere, "", "cse/open"), 4000);
	t->cfg.http.open = true;
	must(retrieve(t, &of_elsewhere, "CA", "cse/open"), 2000);
	must(ask_as(t, &of_elsewhere, OP_CREATE, "C", "cse", 2, ae), 2001);
}

/* --- CSEs --- */

static void cse_speaks_for_itself(void **state)
{
	struct cse *t = *state;

	stock(t);
	register_cse(t, "/p", USEC_NEVER);
	/* AUTHZ-027: authenticated as long as there is an association, and not by its name alone */
	must(retrieve(t, &of_p, "/p", "cse/open"), 2000);
	must(retrieve(t, &of_p, "/p", "cse/strict"), 2000);
	must(retrieve(t, &of_p, HOME "/p", "cse/strict"), 2000);
	must(retrieve(t, &of_none, "/p", "cse/open"), 4107);
	t->cfg.http.open = true;
	must(retrieve(t, &of_none, "/p", "cse/open"), 2000);
	must(retrieve(t, &of_none, "/p", "cse/strict"), 4103);
}

static void cse_speaks_for_another(void **state)
{
	struct cse *t = *state;

	stock(t);
	must(retrieve(t, &of_p, "/q", "cse/open"), 2000);
	register_cse(t, "/p", USEC_NEVER);
	register_cse(t, "/q", USEC_NEVER);
	register_cse(t, HOME "/r", USEC_NEVER);
	register_cse(t, "/gone", 1);
	/* CORE-020, AUTHZ-006, SEC-103: a CSE that is registered here speaks for itself */
	must(retrieve(t, &of_p, "/q", "cse/open"), 4106);
	must(retrieve(t, &of_p, HOME "/q", "cse/open"), 4106);
	must(retrieve(t, &of_p, "/r", "cse/open"), 4106);
	/* CORE-020, AUTHZ-007, SEC-104: a stem says nothing about where */
	must(retrieve(t, &of_p, "CA", "cse/open"), 4106);
	must(retrieve(t, &of_p, "CX", "cse/open"), 4106);
	must(ask_as(t, &of_p, OP_CREATE, "CX", "cse", 2, "{\"m2m:ae\":{\"api\":\"Na\",\"rr\":false,\"srv\":[\"3\"]}}"), 4106);
	/* CORE-020, AUTHZ-008, SEC-105: an AE below another one registered here */
	must(retrieve(t, &of_p, "/q/CX", "cse/open"), 4106);
	must(retrieve(t, &of_p, HOME "/q/CX", "cse/open"), 4106);
	must(retrieve(t, &of_p, "/r/CX", "cse/nothing"), 4106);
	/* nor for this one */
	must(retrieve(t, &of_p, "/reeve", "cse/open"), 4106);
	/* whose registration has ended, comes from wherever it is now */
	must(retrieve(t, &of_p, "/gone", "cse/open"), 2000);
}

static void cse_passes_on(void **state)
{
	static const char *const from[] = { "/p/CX", HOME "/p/CX", "/beyond", "/beyond/CX", "//other.example/cse/CX", "/SX", "SX" };
	struct cse *t = *state;

	stock(t);
	register_cse(t, "/p", USEC_NEVER);
	register_cse(t, "/q", USEC_NEVER);
	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		/* AUTHZ-009, SEC-106: believed, here and on the way to another CSE (to which none leads yet) */
		must(retrieve(t, &of_p, from[i], "cse/open"), 2000);
		must(retrieve(t, &of_p, from[i], "/elsewhere/base"), 4004);
		/* AUTHZ-026: but not authenticated by this CSE */
		must(retrieve(t, &of_p, from[i], "cse/strict"), 4103);
	}
}

#define CSR(id) "{\"m2m:csr\":{\"cb\":\"" id "/base\",\"rr\":false,\"srv\":[\"3\"]}}"

/* <remoteCSE> over a security association: of the CSE that the credential stands for, and of no other that may be passed on. */
static void cse_registers(void **state)
{
	struct cse *t = *state;

	stock(t);
	/* SEC-109, CORE-127, AUTHZ-237 */
	must(ask_as(t, &of_none, OP_CREATE, "/p", "cse", 16, CSR("/p")), 4107);
	must(ask_as(t, &of_p, OP_CREATE, "/beyond", "cse", 16, CSR("/beyond")), 4106);
	must(ask_as(t, &of_p, OP_CREATE, "//other.example/p", "cse", 16, CSR("//other.example/p")), 4106);
	must(ask_as(t, &of_unknown, OP_CREATE, "/p", "cse", 16, CSR("/p")), 4000); /* whoever it is, no CSE */
	must(ask_as(t, &of_p, OP_CREATE, "/p/CX", "cse", 16, CSR("/p")), 4106);
	must(ask_as(t, &of_p, OP_CREATE, "/p", "cse", 16, CSR("/p")), 2001);
	must(ask_as(t, &of_p, OP_CREATE, HOME "/p", "cse", 16, CSR("/p")), 4117);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cse_test(ae_of_one_id),
		cse_test(ae_of_several_ids),
		cse_test(in_clear),
		cse_test(registration),
		cse_test(cse_speaks_for_itself),
		cse_test(cse_speaks_for_another),
		cse_test(cse_passes_on),
		cse_test(cse_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
