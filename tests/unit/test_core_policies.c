/* SPDX-License-Identifier: Apache-2.0 */
/* A change of a policy or group counts for every request sent after its answer, on every thread, whatever the thread had compiled
 * before (AUTHZ-061, AUTHZ-077, AUTHZ-115); and one whose time is over counts no more (AUTHZ-058). All threads keep deciding about the same resources meanwhile, so that caches are filled from
 * snapshots of before, during and after each change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core_util.h"

enum { LOOPS = 4, ROUNDS = 150 };

#define GUEST "Cguest"
#define SELF "\"pvs\":{\"acr\":[{\"acor\":[\"CAdmin\"],\"acop\":63}]}"
#define PV_WITH(who) "\"pv\":{\"acr\":[{\"acor\":[\"CAdmin\"],\"acop\":63},{\"acor\":[\"" who "\"],\"acop\":6}]}"
#define PV_NONE "\"pv\":{\"acr\":[{\"acor\":[\"CAdmin\"],\"acop\":63}]}"

static int threads_setup(void **state)
{
	struct cse *t;

	if (cse_setup(state) != 0)
		return -1;
	t = *state;
	core_stop(t->core);
	t->cfg.threads = LOOPS;
	t->cfg.limits.policies_cached = 8; /* so that they leave and come back as well */
	cse_start(t);
	return t->core->n_loops == LOOPS ? 0 : -1;
}

/* --- noise --- */

struct noise {
	struct cse *t;
	unsigned loop;
	pthread_t thread;
	_Atomic bool stop;
	unsigned asked, odd;    /* answers that are neither yes nor no */
};

static void *make_noise(void *arg)
{
	struct noise *n = arg;
	static const char *const to[] = { "cse/c0", "cse/c1", "cse/c2", "cse/c0/la", "cse/c3", "cse/c4" };

	while (!atomic_load(&n->stop)) {
		struct how h = { .loop = n->loop, .rcn = -1 };
		struct call *k[6];

		for (unsigned i = 0; i < 6; i++)
			k[i] = i == 4 ? begin_how(n->t, OP_UPDATE, GUEST, to[i], 0, "{\"m2m:cnt\":{\"lbl\":[\"noise\"]}}", &h)
				      : begin_how(n->t, OP_RETRIEVE, GUEST, to[i], 0, NULL, &h);
		for (unsigned i = 0; i < 6; i++) {
			int rsc = quiet_end(k[i]);
			n->odd += rsc != 2000 && rsc != 2004 && rsc != 4103;
			n->asked++;
		}
	}
	return NULL;
}

static void noise_begin(struct cse *t, struct noise n[LOOPS])
{
	for (unsigned i = 0; i < LOOPS; i++) {
		n[i] = (struct noise){ .t = t, .loop = i };
		assert_int_equal(pthread_create(&n[i].thread, NULL, make_noise, &n[i]), 0);
	}
}

static void noise_end(struct noise n[LOOPS])
{
	unsigned odd = 0;

	for (unsigned i = 0; i < LOOPS; i++)
		atomic_store(&n[i].stop, true);
	for (unsigned i = 0; i < LOOPS; i++) {
		pthread_join(n[i].thread, NULL);
		odd += n[i].odd;
		assert_true(n[i].asked > 0);
	}
	assert_int_equal(odd, 0);
}

/* --- the check --- */

/* Every loop and the writer decide about cse/c0 and what is in it. */
static void everywhere(struct cse *t, bool yes, unsigned round)
{
	struct call *k[LOOPS * 3];
	unsigned n = 0;

	for (unsigned i = 0; i < LOOPS; i++) {
		struct how h = { .loop = (i + round) % LOOPS, .rcn = -1 };
		k[n++] = begin_how(t, OP_RETRIEVE, GUEST, "cse/c0", 0, NULL, &h);
		k[n++] = begin_how(t, OP_RETRIEVE, GUEST, "cse/c0/la", 0, NULL, &h);
		k[n++] = begin_how(t, OP_UPDATE, GUEST, "cse/c0", 0, "{\"m2m:cnt\":{\"lbl\":[\"x\"]}}", &h);
	}
	for (unsigned i = 0; i < n; i++) {
		int rsc = quiet_end(k[i]), want = !yes ? 4103 : i % 3 == 2 ? 2004 : 2000;
		if (rsc != want)
			fail_msg("round %u, request %u: %d instead of %d", round, i, rsc, want);
	}
}

static void admin(struct cse *t, enum op op, const char *to, int ty, const char *pc, unsigned round)
{
	struct how h = { .loop = round % LOOPS, .rcn = 0 };
	int rsc = quiet_end(begin_how(t, op, ME, to, ty, pc, &h));

	if (rsc < 2001 || rsc > 2004)
		fail_msg("round %u: %d for the change of %s", round, rsc, to);
}

static void stock(struct cse *t, const char *acp)
{
	admin(t, OP_CREATE, "cse", 1, acp, 0);
	for (unsigned i = 0; i < 5; i++) {
		char pc[512];

		snprintf(pc, sizeof(pc), "{\"m2m:acp\":{\"rn\":\"p%u\"," PV_WITH(GUEST) "," SELF "}}", i);
		admin(t, OP_CREATE, "cse", 1, pc, 0);
		snprintf(pc, sizeof(pc), "{\"m2m:cnt\":{\"rn\":\"c%u\",\"mni\":1,\"acpi\":[\"cse/%s\"]}}", i, i == 4 ? "p4" : "p");
		admin(t, OP_CREATE, "cse", 3, pc, 0);
		snprintf(pc, sizeof(pc), "cse/c%u", i);
		admin(t, OP_CREATE, pc, 4, "{\"m2m:cin\":{\"con\":\"x\"}}", 0);
	}
}

static void rules(void **state)
{
	struct cse *t = *state;
	struct noise n[LOOPS];

	stock(t, "{\"m2m:acp\":{\"rn\":\"p\"," PV_NONE "," SELF "}}");
	noise_begin(t, n);
	for (unsigned round = 0; round < ROUNDS; round++) {
		bool yes = round % 2 == 0;

		admin(t, OP_UPDATE, "cse/p", 0, yes ? "{\"m2m:acp\":{" PV_WITH(GUEST) "}}" : "{\"m2m:acp\":{" PV_NONE "}}", round);
		everywhere(t, yes, round);
	}
	noise_end(n);
}

static void members(void **state)
{
	struct cse *t = *state;
	struct noise n[LOOPS];

	assert_int_equal(call(t, OP_CREATE, GUEST, "cse", 2, "{\"m2m:ae\":{\"rn\":\"guest\",\"api\":\"Ntest\",\"rr\":false,\"srv\":[\"3\"]}}"), 2001);
	admin(t, OP_CREATE, "cse", 9, "{\"m2m:grp\":{\"rn\":\"g\",\"mnm\":3,\"mid\":[]}}", 0);
	stock(t, "{\"m2m:acp\":{\"rn\":\"p\"," PV_WITH("cse/g") "," SELF "}}");
	noise_begin(t, n);
	for (unsigned round = 0; round < ROUNDS; round++) {
		bool yes = round % 2 == 0;

		admin(t, OP_UPDATE, "cse/g", 0, yes ? "{\"m2m:grp\":{\"mid\":[\"cse/guest\"]}}" : "{\"m2m:grp\":{\"mid\":[]}}", round);
		everywhere(t, yes, round);
	}
	noise_end(n);
}

static void links(void **state)
{
	struct cse *t = *state;
	struct noise n[LOOPS];

	stock(t, "{\"m2m:acp\":{\"rn\":\"p\"," PV_NONE "," SELF "}}");
	noise_begin(t, n);
	for (unsigned round = 0; round < ROUNDS; round++) {
		bool yes = round % 2 == 0;

		admin(t, OP_UPDATE, "cse/c0", 0, yes ? "{\"m2m:cnt\":{\"acpi\":[\"cse/p\",\"cse/p1\"]}}" : "{\"m2m:cnt\":{\"acpi\":[\"cse/p\"]}}", round);
		everywhere(t, yes, round);
	}
	noise_end(n);
}

/* A policy, or the group it names, that is removed and made again: under the same name it is another one. */
static void removal(void **state)
{
	struct cse *t = *state;
	struct noise n[LOOPS];

	assert_int_equal(call(t, OP_CREATE, GUEST, "cse", 2, "{\"m2m:ae\":{\"rn\":\"guest\",\"api\":\"Ntest\",\"rr\":false,\"srv\":[\"3\"]}}"), 2001);
	admin(t, OP_CREATE, "cse", 9, "{\"m2m:grp\":{\"rn\":\"g\",\"mnm\":3,\"mid\":[\"cse/guest\"]}}", 0);
	stock(t, "{\"m2m:acp\":{\"rn\":\"p\"," PV_WITH("cse/g") "," SELF "}}");
	noise_begin(t, n);
	for (unsigned round = 0; round < ROUNDS / 3; round++) {
		everywhere(t, true, round);
		admin(t, OP_DELETE, "cse/g", 0, NULL, round);
		everywhere(t, false, round);
		admin(t, OP_CREATE, "cse", 9, "{\"m2m:grp\":{\"rn\":\"g\",\"mnm\":3,\"mid\":[\"cse/guest\"]}}", round);
	}
	everywhere(t, true, 0);
	admin(t, OP_DELETE, "cse/p", 0, NULL, 0);
	everywhere(t, false, 0); /* AUTHZ-057 */
	admin(t, OP_CREATE, "cse", 1, "{\"m2m:acp\":{\"rn\":\"p\"," PV_WITH(GUEST) "," SELF "}}", 0);
	everywhere(t, false, 0);
	noise_end(n);
}

#define threads_test(f) cmocka_unit_test_setup_teardown(f, threads_setup, cse_teardown)

/* --- the end of a policy --- */

/* What is decided at `now`, with the same compiled policies as before. */
static bool permitted_at(struct exec *x, const char *who, usec now)
{
	struct req *r = calloc(1, sizeof(*r));
	struct target t;
	bool yes;

	x->now = now;
	req_init(r, &x->core->loops[0], 1 << 20, 1 << 20);
	r->op = OP_RETRIEVE;
	r->fr = slice_str(who);
	r->to = S("cse/guarded");
	r->rqi = S("t");
	r->peer.open = true;
	r->rvi = S("3");
	r->received = now;
	assert_non_null(work_of(x->core, r));
	assert_int_equal(check_originator(x, r), RC_OK);
	assert_int_equal(exec_resolve(x, r, &t), RC_OK);
	yes = exec_permitted(x, r, &t.res, ACOP_RETRIEVE, 0);
	req_free(r);
	free(r);
	return yes;
}

/* AUTHZ-058: a policy past its et is as if it were deleted, also while its record is still there and it has been compiled. */
static void expired(void **state)
{
	struct cse *t = *state;
	struct exec x = { .core = t->core };
	const usec now = clock_wall(), hour = 3600 * USEC_S;
	char et[TEXT_TIMESTAMP_MAX], pc[512];
	usec end = now - now % USEC_S + hour;
	int n = (int)text_timestamp_write(end, et);

	snprintf(pc, sizeof(pc), "{\"m2m:acp\":{\"rn\":\"short\",\"et\":\"%.*s\"," PV_WITH(GUEST) "," SELF "}}", n, et);
	assert_int_equal(call(t, OP_CREATE, "CAdmin", "cse", 1, pc), 2001);
	assert_int_equal(call(t, OP_CREATE, "CAdmin", "cse", 1, "{\"m2m:acp\":{\"rn\":\"long\"," PV_NONE "," SELF "}}"), 2001);
	assert_int_equal(call(t, OP_CREATE, "CAdmin", "cse", 3,
			      "{\"m2m:cnt\":{\"rn\":\"guarded\",\"acpi\":[\"cse/short\",\"cse/long\"]}}"), 2001);
	x.policies = policy_cache_new(64);
	assert_int_equal(st_reader_new(t->core->store, &x.tx), RC_OK);
	assert_int_equal(st_renew(x.tx), RC_OK);
	for (int again = 0; again < 2; again++) {
		assert_true(permitted_at(&x, GUEST, now));
		assert_true(permitted_at(&x, GUEST, end - USEC_S));
		assert_false(permitted_at(&x, GUEST, end));
		assert_false(permitted_at(&x, GUEST, end + USEC_S));
		assert_true(permitted_at(&x, "CAdmin", end + USEC_S)); /* by the other one */
	}
	st_release(x.tx);
	st_reader_free(x.tx);
	policy_cache_free(x.policies);
}

int main(void)
{
	const struct CMUnitTest tests[] = { threads_test(rules), threads_test(members), threads_test(links), threads_test(removal),
		threads_test(expired) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
