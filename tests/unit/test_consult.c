/* SPDX-License-Identifier: Apache-2.0 */
/* Consultation inside one process: what a DAS is told when addresses have names, and requests of all loops that wait together. The flow
 * itself is tested end to end (tests/e2e/test_dynamic.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_util.h"

#include "core/rights/relation.h"
#include "core/work.h"

#define GRANT "{\"m2m:seci\":{\"sit\":2,\"dres\":{\"dai\":{\"gp\":{\"acr\":[{\"acor\":[\"all\"],\"acop\":63}]}}}}}"
#define DAS "test://das.example:8/x"

static struct slice trusted[] = { { "test://*", 8 } };

static int setup(void **state, unsigned threads)
{
	struct cse *t;
	int rc = cse_setup(state);

	if (rc)
		return rc;
	t = *state;
	core_stop(t->core);
	t->cfg.threads = threads;
	t->cfg.dynamic.das.v = trusted;
	t->cfg.dynamic.das.n = 1;
	t->cfg.dynamic.refusal_kept = 0;
	t->cfg.dynamic.timeout = WAIT_S * USEC_S;
	cse_start(t);
	return 0;
}

static int one_loop(void **state) { return setup(state, 1); }
static int four_loops(void **state) { return setup(state, 4); }

static void make(struct cse *t, const char *dac)
{
	must(call(t, OP_CREATE, "COwner", "cse", 2, "{\"m2m:ae\":{\"rn\":\"owner\",\"api\":\"Nx\",\"rr\":false,\"srv\":[\"3\"]}}"), 2001);
	must(call(t, OP_CREATE, "COwner", "cse/owner", 34, dac), 2001);
	must(call(t, OP_CREATE, "COwner", "cse/owner", 3, "{\"m2m:cnt\":{\"rn\":\"c\",\"daci\":[\"cse/owner/dac\"]}}"), 2001);
}

#define DAC(more) "{\"m2m:dac\":{\"rn\":\"dac\",\"dae\":true,\"dap\":[\"" DAS "\"]" more "}}"

static void nothing_of(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("%s\nis in\n%s", part, text);
}

/* AUTHZ-186: Role-IDs of rules whose operation and context fit and that this DAS assigns, each once, whoever else the rules name. */
static void roles(void **state)
{
	struct cse *t = *state;
	struct sent *s;

	make(t, DAC(""));
	must(call(t, OP_CREATE, "COwner", "cse/owner", 1,
		  "{\"m2m:acp\":{\"rn\":\"p\",\"pvs\":{\"acr\":[{\"acor\":[\"COwner\"],\"acop\":63}]},\"pv\":{\"acr\":["
		  "{\"acor\":[\"COwner\",\"fits@das.example\",\"stranger@other.example\"],\"acop\":63},"
		  "{\"acor\":[\"operation@das.example\"],\"acop\":1},"
		  "{\"acor\":[\"time@das.example\"],\"acop\":63,\"acco\":[{\"actw\":[\"* * * * * * 2001\"]}]},"
		  "{\"acor\":[\"authn@das.example\"],\"acop\":63,\"acaf\":true},"
		  "{\"acor\":[\"too@das.example\",\"fits@das.example\"],\"acop\":2,\"acco\":[{\"actw\":[\"* * * * * * *\"]}]}]}}}"),
	     2001);
	must(call(t, OP_UPDATE, "COwner", "cse/owner/c", 0, "{\"m2m:cnt\":{\"acpi\":[\"cse/owner/p\"]}}"), 2004);
	must(call(t, OP_RETRIEVE, "COther", "cse/owner/c", 0, NULL), 4103);
	s = nth_sent_to(t, DAS, 0);
	expect_part(s->pc, "\"rfa\":[\"fits@das.example\",\"too@das.example\"]");
	nothing_of(s->pc, "other.example");
	must(call(t, OP_CREATE, "COther", "cse/owner/c", 4, "{\"m2m:cin\":{\"con\":\"x\"}}"), 4103);
	expect_part(nth_sent_to(t, DAS, 1)->pc, "\"rfa\":[\"fits@das.example\",\"operation@das.example\"]");
}

/* AUTHZ-185, AUTHZ-187: the proposed lifetime while it lies ahead; what the request claims; asi only when it was given */
static void claims(void **state)
{
	static const struct slice claimed[] = { { "nurse@r.example", 15 } };
	struct cse *t = *state;
	struct call *k;
	struct sent *s;

	make(t, DAC(",\"dal\":\"20990101T000000\""));
	must(call(t, OP_RETRIEVE, "COther", "cse/owner/c", 0, NULL), 4103);
	s = nth_sent_to(t, DAS, 0);
	expect_part(s->pc, "\"ppl\":\"20990101T000000\"");
	nothing_of(s->pc, "\"asi\"");
	nothing_of(s->pc, "\"rfa\"");
	assert_string_equal(s->fr, "/reeve");
	k = call_new(t, OP_RETRIEVE, "COther", "cse/owner/c", 0, NULL);
	k->r.asi = true;
	k->r.has |= HAS_ASI;
	k->r.rids = claimed;
	k->r.n_rids = 1;
	must(call_end(call_go(k), NULL), 4103);
	expect_part(nth_sent_to(t, DAS, 1)->pc, "\"asi\":true");
	expect_part(nth_sent_to(t, DAS, 1)->pc, "\"orid\":[\"nurse@r.example\"]");
	must(call(t, OP_UPDATE, "COwner", "cse/owner/dac", 0, "{\"m2m:dac\":{\"dal\":\"20010101T000000\"}}"), 2004);
	must(call(t, OP_RETRIEVE, "COther", "cse/owner/c", 0, NULL), 4103);
	nothing_of(nth_sent_to(t, DAS, 2)->pc, "\"ppl\"");
}

static int hold(struct cse *t, const char *url, size_t nth)
{
	(void)t, (void)url, (void)nth;
	return HOLD;
}

/* Requests of all loops, changing and reading, with one question for each operation; all go on when it is answered. */
static void together(void **state)
{
	enum { N = 64 };
	struct cse *t = *state;
	struct call *k[N];
	struct how h = plainly;
	size_t asked;

	make(t, DAC(""));
	t->answer = hold;
	for (int i = 0; i < N; i++) {
		h.loop = (unsigned)i % 4;
		k[i] = i & 8 ? begin_how(t, OP_CREATE, "COther", "cse/owner/c", 4, "{\"m2m:cin\":{\"con\":\"x\"}}", &h)
			     : begin_how(t, OP_RETRIEVE, "COther", "cse/owner/c", 0, NULL, &h);
	}
	nth_sent_to(t, DAS, 1);
	for (usec end = clock_wall() + WAIT_S * USEC_S; atomic_load(&t->core->metrics.consultations_shared) < N - 2;) {
		assert_true(clock_wall() < end);
		sched_yield();
	}
	assert_int_equal(sent_to(t, DAS), 2);
	asked = 0;
	for (int i = 0; i < 2; i++)
		asked += strstr(nth_sent_to(t, DAS, (size_t)i)->pc, "\"op\":1") ? 1 : 10;
	assert_int_equal(asked, 11);
	for (int i = 0; i < 2; i++)
		reply(t, nth_sent_to(t, DAS, (size_t)i)->s, 2000, GRANT);
	for (int i = 0; i < N; i++)
		assert_int_equal(quiet_end(k[i]), i & 8 ? 2001 : 2000);
	assert_int_equal(atomic_load(&t->core->metrics.grants), 2);
}

/* --- what DASs keep for tokens --- */

struct learner { struct relations *s; unsigned n; };

static void *learn(void *p)
{
	struct learner *l = p;
	char id[32];

	for (unsigned i = 0; i < 20000; i++) {
		const struct slice signs[] = { S("c2lnbmF0dXJl"), S("YW5vdGhlcg") };
		int n = snprintf(id, sizeof(id), "t%u@d.example", (i + l->n) % 2000);

		relations_learn(l->s, slice_of(id, (size_t)n), signs, 2, clock_wall());
	}
	return NULL;
}

static void many_learn(void **state)
{
	struct relations *s = relations_new();
	struct learner l[4];
	pthread_t threads[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		l[i] = (struct learner){ s, i };
		assert_int_equal(pthread_create(&threads[i], NULL, learn, &l[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	relations_free(s);
}

/* A signature that the DAS told counts for five minutes. */
static void signature_ages(void **state)
{
	static const struct token_claims claims = { .id = { "t1", 2 }, .issuer = { "//das.example", 13 } };
	static struct slice sign = { "signature", 9 };
	const usec told = 1000 * USEC_S, life = 300 * USEC_S;
	struct cse *t = *state;
	struct exec x = { .core = t->core };
	struct req r;

	req_init(&r, &t->core->loops[0], 1 << 20, 1 << 20);
	assert_non_null(work_of(t->core, &r));
	r.work->who_kind = ID_AE_C;
	r.aus = &sign;
	r.n_aus = 1;
	for (usec age = life - 1; age <= life; age++) {
		relations_learn(t->core->relations, claims.id, &sign, 1, told);
		x.now = told + age;
		assert_int_equal(relation_of(&x, &r, &claims), age < life ? RELATION_PROVEN : RELATION_REFUSED);
	}
	req_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(roles, one_loop, cse_teardown), cmocka_unit_test_setup_teardown(claims, one_loop, cse_teardown),
		cmocka_unit_test_setup_teardown(together, four_loops, cse_teardown), cmocka_unit_test(many_learn),
		cmocka_unit_test_setup_teardown(signature_ages, one_loop, cse_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
