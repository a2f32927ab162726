/* SPDX-License-Identifier: Apache-2.0 */
/* A container whose limits are lowered: what is too much is gone at once for everybody who asks, and is taken away in portions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core_util.h"

enum { MANY = 5000 };

static uint64_t entries(struct cse *t, enum st_table table)
{
	struct st_tx *tx;
	uint64_t n;

	assert_int_equal(st_reader_new(t->core->store, &tx), RC_OK);
	assert_int_equal(st_renew(tx), RC_OK);
	n = st_entries(tx, table);
	st_release(tx);
	st_reader_free(tx);
	return n;
}

/* MANY instances of one byte: each tenth with a name (n0, n10, ...), each hundredth with a label. */
static void fill(struct cse *t)
{
	struct call *k[50];

	container(t, "cse", "c");
	for (int i = 0; i < MANY; i += 50) {
		for (int j = 0; j < 50; j++) {
			char *pc = NULL;
			int n = (i + j) % 100 == 0 ? asprintf(&pc, "{\"m2m:cin\":{\"rn\":\"n%d\",\"con\":\"x\",\"lbl\":[\"l\"]}}", i + j)
				: (i + j) % 10 == 0 ? asprintf(&pc, "{\"m2m:cin\":{\"rn\":\"n%d\",\"con\":\"x\"}}", i + j)
						    : asprintf(&pc, "{\"m2m:cin\":{\"con\":\"x\"}}");
			assert_true(n > 0);
			k[j] = call_new(t, OP_CREATE, ME, "cse/c", 4, NULL);
			k[j]->r.pc = arena_dup(&k[j]->r.arena, slice_str(pc)); /* before it runs: it must outlive pc */
			free(pc);
			call_go(k[j]);
		}
		for (int j = 0; j < 50; j++)
			must(call_end(k[j], NULL), 2001);
	}
}

/* What is below cse/c, found from `at` by one condition (NULL: all): below <CSEBase> an index is used, else mostly none. */
static size_t found(struct cse *t, const char *at, const char *condition, const char *value)
{
	struct call *k = call_new(t, OP_RETRIEVE, ME, at, 0, NULL);
	struct slice why;
	char *out;
	size_t n;

	k->r.fc.fu = 1;
	k->r.has |= HAS_FC;
	if (condition)
		assert_int_equal(filter_add(&k->r.fc, &k->r.arena, slice_str(condition), slice_str(value), &why), RC_OK);
	must(call_end(call_go(k), &out), 2000);
	n = count(out, "cse/c/");
	free(out);
	return n;
}

static void swept(struct cse *t)
{
	for (usec until = clock_wall() + WAIT_S * USEC_S; entries(t, ST_TRASH); sched_yield())
		if (clock_wall() > until)
			fail_msg("what is too much stays in the store");
}

/* What is to be seen of the newest 20, n4980 and n4990 among them. */
static void check_newest(struct cse *t)
{
	expect_at(t, ME, "cse/c", "\"cni\":20,\"cbs\":20");
	expect_at(t, ME, "cse/c/ol", "\"rn\":\"n4980\"");
	must(call(t, OP_RETRIEVE, ME, "cse/c/n4970", 0, NULL), 4004);
	must(call(t, OP_RETRIEVE, ME, "cse/c/n0", 0, NULL), 4004);
	must(call(t, OP_RETRIEVE, ME, "cse/c/n4990", 0, NULL), 2000);
	must(call(t, OP_DELETE, ME, "cse/c/n10", 0, NULL), 4004);
	assert_int_equal(found(t, "cse/c", NULL, NULL), 20);
	assert_int_equal(found(t, "cse/c", "lbl", "l"), 0);
}

/* CORE-146: at once for who asks, in the transaction of the Update; the rest later, and it goes on after a restart */
static void lowered(void **state)
{
	struct cse *t = *state;

	fill(t);
	must(call(t, OP_UPDATE, ME, "cse/c", 0, "{\"m2m:cnt\":{\"mni\":20}}"), 2004);
	check_newest(t);
	core_stop(t->core);
	cse_start(t);
	check_newest(t);
	swept(t);
	check_newest(t);
	assert_int_equal(entries(t, ST_RES), 1 + 1 + 1 + 20);
	instance(t, "cse/c", "new");
	expect_at(t, ME, "cse/c", "\"cni\":20,\"cbs\":22");
}

/* What hangs below an instance goes with it, also for the indices of labels and types */
static void below(void **state)
{
	static const char smd[] = "{\"m2m:smd\":{\"rn\":\"d\",\"dcrp\":5,\"dsp\":\"\",\"lbl\":[\"d\"]}}";
	struct cse *t = *state;

	fill(t);
	must(call(t, OP_CREATE, ME, "cse/c/n4970", 24, smd), 2001);
	must(call(t, OP_CREATE, ME, "cse/c/n4990", 24, smd), 2001);
	assert_int_equal(found(t, "cse/c", "lbl", "d"), 2);
	assert_int_equal(found(t, "cse", "lbl", "d"), 2);
	assert_int_equal(found(t, "cse/c", "ty", "24"), 2);
	assert_int_equal(found(t, "cse", "ty", "24"), 2);
	assert_int_equal(found(t, "cse", "clbl", "d"), 2);
	must(call(t, OP_UPDATE, ME, "cse/c", 0, "{\"m2m:cnt\":{\"mni\":20}}"), 2004);
	assert_int_equal(found(t, "cse/c", "lbl", "d"), 1);
	assert_int_equal(found(t, "cse", "lbl", "d"), 1);
	assert_int_equal(found(t, "cse/c", "ty", "24"), 1);
	assert_int_equal(found(t, "cse", "ty", "24"), 1);
	assert_int_equal(found(t, "cse", "clbl", "d"), 1);
	must(call(t, OP_RETRIEVE, ME, "cse/c/n4970/d", 0, NULL), 4004);
	must(call(t, OP_RETRIEVE, ME, "cse/c/n4990/d", 0, NULL), 2000);
	swept(t);
	assert_int_equal(found(t, "cse/c", "ty", "24"), 1);
	assert_int_equal(found(t, "cse", "ty", "24"), 1);
	assert_int_equal(entries(t, ST_RES), 1 + 1 + 1 + 20 + 1);
}

/* A name of one that is gone is free, and may be given while it is still in the store; counters stay right */
static void name_is_free(void **state)
{
	struct cse *t = *state;
	struct call *k[5];
	struct batch b;

	fill(t);
	batch_begin(&b, t);
	k[0] = call_begin(t, OP_UPDATE, ME, "cse/c", 0, "{\"m2m:cnt\":{\"mbs\":30}}", NULL);
	k[1] = call_begin(t, OP_CREATE, ME, "cse/c", 4, "{\"m2m:cin\":{\"rn\":\"n4000\",\"con\":\"again\"}}", NULL);
	k[2] = call_begin(t, OP_CREATE, ME, "cse/c", 4, "{\"m2m:cin\":{\"rn\":\"n4990\",\"con\":\"taken\"}}", NULL);
	k[3] = call_begin(t, OP_DELETE, ME, "cse/c/n10", 0, NULL, NULL);
	k[4] = call_begin(t, OP_UPDATE, ME, "cse/c/n10", 0, "{\"m2m:cin\":{\"lbl\":[\"y\"]}}", NULL);
	batch_end(&b, t, RC_IO, k, 5); /* nothing is swept between them; run twice */
	must(call_end(k[0], NULL), 2004);
	must(call_end(k[1], NULL), 2001);
	must(call_end(k[2], NULL), 4105);
	must(call_end(k[3], NULL), 4004);
	must(call_end(k[4], NULL), 4004);
	expect_at(t, ME, "cse/c", "\"cni\":26,\"cbs\":30");
	expect_at(t, ME, "cse/c/la", "\"again\"");
	swept(t);
	expect_at(t, ME, "cse/c", "\"cni\":26,\"cbs\":30");
	expect_at(t, ME, "cse/c/n4000", "\"again\"");
	assert_int_equal(entries(t, ST_RES), 1 + 1 + 1 + 26);
}

/* TS-0001 9.6.6: all go when disableRetrieval becomes false */
static void retrieval_enabled(void **state)
{
	struct cse *t = *state;

	fill(t);
	must(call(t, OP_UPDATE, ME, "cse/c", 0, "{\"m2m:cnt\":{\"disr\":true}}"), 2004);
	must(call(t, OP_UPDATE, ME, "cse/c", 0, "{\"m2m:cnt\":{\"disr\":false}}"), 2004);
	expect_at(t, ME, "cse/c", "\"cni\":0,\"cbs\":0");
	must(call(t, OP_RETRIEVE, ME, "cse/c/la", 0, NULL), 4004);
	instance(t, "cse/c", "one");
	expect_at(t, ME, "cse/c/ol", "\"one\"");
	expect_at(t, ME, "cse/c", "\"cni\":1,\"cbs\":3");
	swept(t);
	expect_at(t, ME, "cse/c", "\"cni\":1,\"cbs\":3");
	assert_int_equal(entries(t, ST_RES), 1 + 1 + 1 + 1);
}

/* One large instance for which thousands of small ones have to go */
static void large_one_comes(void **state)
{
	struct cse *t = *state;
	char *pc, *con = calloc(1, MANY);

	fill(t);
	must(call(t, OP_UPDATE, ME, "cse/c", 0, "{\"m2m:cnt\":{\"mbs\":5000}}"), 2004);
	memset(con, 'y', MANY - 10);
	assert_true(asprintf(&pc, "{\"m2m:cin\":{\"con\":\"%s\"}}", con) > 0);
	must(call(t, OP_CREATE, ME, "cse/c", 4, pc), 2001);
	expect_at(t, ME, "cse/c", "\"cni\":11,\"cbs\":5000");
	swept(t);
	expect_at(t, ME, "cse/c", "\"cni\":11,\"cbs\":5000");
	free(pc);
	free(con);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cse_test(lowered), cse_test(below), cse_test(name_is_free),
		cse_test(retrieval_enabled), cse_test(large_one_comes) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
