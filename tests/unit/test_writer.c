/* SPDX-License-Identifier: Apache-2.0 */
/* The writer: order, durability before the answer, one bad job among good ones, limits, background work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <semaphore.h>
#include <time.h>

#include "authz/policy.h"
#include "core/core.h"
#include "core/notify/notify.h"
#include "core/writer.h"
#include "loop/loop.h"
#include "store_util.h"
#include "tree_util.h"

static struct {
	struct test_store *store;
	struct config cfg;
	struct core core;
	struct loop loop;
	sem_t reported, entered, go, swept, woken;
	enum reeve_rc swept_rc;
	unsigned swept_n, expired_n;
	pthread_t loop_thread;
} w;

/* Stand-ins for what the core does in the background. */
enum reeve_rc exec_swept(struct exec *x, const struct res *r)
{
	assert_true(x->write && x->internal);
	w.swept_n++;
	sem_post(&w.swept);
	return w.swept_rc;
}
enum reeve_rc exec_expired(struct exec *x, const struct res *r)
{
	w.expired_n++;
	sem_post(&w.swept);
	return tree_remove(x->tx, r);
}
void notifier_wake(struct notifier *n) { sem_post(&w.woken); }

static void await(sem_t *s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	assert_int_equal(sem_timedwait(s, &until), 0);
}

struct job {
	struct write_job job;
	const char *key;
	enum reeve_rc answer;    /* of run */
	unsigned runs, order;
	uint64_t version;
	bool block, policies, outbox, seen_committed;
	enum reeve_rc rc;        /* that done was told */
};
static unsigned order;

static enum reeve_rc run(struct write_job *j, struct exec *x)
{
	struct job *t = (struct job *)j;

	if (t->block) {
		sem_post(&w.entered);
		await(&w.go);
	}
	t->runs++;
	t->version = st_version(x->tx);
	if (t->key && st_put(x->tx, ST_OUTBOX, slice_str(t->key), S("v")) != RC_OK)
		return RC_IO;
	if (t->key)
		x->seq->next++;
	if (t->policies)
		writer_policies_changed(x);
	if (t->outbox)
		writer_outbox_changed(x);
	return t->answer;
}

static bool there(const char *key)
{
	struct st_tx *tx;
	struct slice v;
	bool yes;

	assert_ok(st_reader_new(w.store->s, &tx));
	assert_ok(st_renew(tx));
	yes = st_get(tx, ST_OUTBOX, slice_str(key), &v) == RC_OK;
	st_release(tx);
	st_reader_free(tx);
	return yes;
}

static void done(struct write_job *j, enum reeve_rc rc)
{
	struct job *t = (struct job *)j;

	t->rc = rc;
	t->order = order++;
	t->seen_committed = t->key && there(t->key);
	w.loop_thread = pthread_self();
	sem_post(&w.reported);
}

static void submit(struct job *t)
{
	t->job.run = run;
	t->job.done = done;
	t->job.home = &w.loop;
	assert_ok(writer_submit(w.core.writer, &t->job));
}

static void start(void) { assert_ok(writer_start(&w.core, &w.core.writer)); }

static int setup(void **state)
{
	memset(&w, 0, sizeof(w));
	if (test_store_setup((void **)&w.store))
		return -1;
	w.cfg.limits.write_queue = 100;
	w.cfg.limits.policies_cached = 8;
	w.cfg.expiry_scan = 3600 * USEC_S;
	w.core.cfg = &w.cfg;
	w.core.store = w.store->s;
	w.core.notifier = (struct notifier *)&w;
	order = 0;
	sem_init(&w.reported, 0, 0);
	sem_init(&w.entered, 0, 0);
	sem_init(&w.go, 0, 0);
	sem_init(&w.swept, 0, 0);
	sem_init(&w.woken, 0, 0);
	return loop_init(&w.loop, 0) || loop_start(&w.loop);
}

static int teardown(void **state)
{
	writer_stop(w.core.writer);
	writer_free(w.core.writer);
	loop_stop(&w.loop);
	loop_join(&w.loop);
	loop_close(&w.loop);
	return test_store_teardown((void **)&w.store);
}

static void an_answer_follows_its_commit(void **state)
{
	struct job t = { .key = "a" };

	start();
	submit(&t);
	await(&w.reported);
	assert_rc(t.rc, RC_OK);
	assert_true(t.seen_committed);
	assert_int_equal(t.runs, 1);
	assert_false(pthread_equal(w.loop_thread, pthread_self()));
	assert_int_equal(atomic_load(&w.core.metrics.commits), 1);
	assert_int_equal(atomic_load(&w.core.metrics.written), 1);
}

/* What arrives while a transaction runs is one more transaction. */
static void what_waits_is_committed_together(void **state)
{
	struct job first = { .key = "first", .block = true }, t[50];
	char key[50][8];

	start();
	submit(&first);
	for (unsigned i = 0; i < 50; i++) {
		snprintf(key[i], sizeof(key[i]), "k%02u", i);
		t[i] = (struct job){ .key = key[i] };
	}
	await(&w.entered);
	for (unsigned i = 0; i < 50; i++)
		submit(&t[i]);
	sem_post(&w.go);
	for (unsigned i = 0; i < 51; i++)
		await(&w.reported);
	for (unsigned i = 0; i < 50; i++) {
		assert_true(t[i].seen_committed);
		assert_int_equal(t[i].order, i + 1);
		assert_int_equal(t[i].version, first.version + 1);
	}
	assert_int_equal(atomic_load(&w.core.metrics.commits), 2);
}

static void one_that_does_not_fit_harms_no_other(void **state)
{
	struct job first = { .key = "first", .block = true }, a = { .key = "a" }, full = { .key = "full", .answer = RC_FULL },
		   b = { .key = "b" }, refused = { .key = "refused", .answer = RC_REFUSED }, broken = { .key = "broken", .answer = RC_NOMEM },
		   nothing = { .answer = RC_NOTFOUND };
	struct job *all[] = { &first, &a, &full, &b, &refused, &broken, &nothing };
	struct tree_seq seq;

	start();
	submit(&first);
	await(&w.entered);
	for (size_t i = 1; i < 7; i++)
		submit(all[i]);
	sem_post(&w.go);
	for (int i = 0; i < 7; i++)
		await(&w.reported);
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(all[i]->order, i);
	assert_rc(a.rc, RC_OK);
	assert_rc(b.rc, RC_OK);
	assert_rc(full.rc, RC_FULL);
	assert_rc(refused.rc, RC_REFUSED);
	assert_rc(broken.rc, RC_NOMEM);
	assert_rc(nothing.rc, RC_NOTFOUND);
	assert_true(a.seen_committed && b.seen_committed && refused.seen_committed);
	assert_false(there("full"));
	assert_false(there("broken"));
	assert_ok(st_renew(w.store->reader));
	assert_ok(tree_seq_load(w.store->reader, &seq));
	st_release(w.store->reader);
	assert_int_equal(seq.next, RES_ROOT + 1 + 4); /* taken back ordinals are used again */
	assert_false(atomic_load(&w.core.store_failed)); /* the last commit was good */
}

static void the_queue_has_an_end(void **state)
{
	struct job first = { .block = true }, t[12] = { 0 };
	unsigned taken = 0, refused = 0;

	w.cfg.limits.write_queue = 5;
	start();
	submit(&first);
	await(&w.entered);
	for (unsigned i = 0; i < 12; i++) {
		t[i].job = (struct write_job){ .run = run, .done = done, .home = &w.loop };
		if (writer_submit(w.core.writer, &t[i].job) == RC_OK)
			taken++;
		else
			refused++;
	}
	assert_int_equal(taken, 5);
	assert_int_equal(atomic_load(&w.core.metrics.limit_write_queue), refused);
	sem_post(&w.go);
	for (unsigned i = 0; i < taken + 1; i++)
		await(&w.reported);
}

static void a_change_of_policy_is_told_before_it_is_seen(void **state)
{
	struct job t = { .key = "a", .policies = true }, bad = { .key = "b", .policies = true, .answer = RC_FULL };

	start();
	submit(&t);
	await(&w.reported);
	assert_int_equal(atomic_load(&w.core.policies_changed), t.version);
	submit(&bad);
	await(&w.reported);
	assert_int_equal(atomic_load(&w.core.policies_changed), t.version); /* nothing changed after all */
}

static void the_notifier_is_woken_for_its_own(void **state)
{
	struct job plain = { .key = "a" }, t = { .key = "b", .outbox = true }, bad = { .key = "c", .outbox = true, .answer = RC_FULL };
	int woken;

	start();
	submit(&plain);
	await(&w.reported);
	submit(&bad);
	await(&w.reported);
	assert_int_equal(sem_getvalue(&w.woken, &woken), 0);
	assert_int_equal(woken, 0);
	submit(&t);
	await(&w.reported);
	await(&w.woken);
}

static void stopping_finishes_what_was_taken(void **state)
{
	struct job t[60];
	char key[60][8];

	start();
	for (unsigned i = 0; i < 60; i++) {
		snprintf(key[i], sizeof(key[i]), "k%02u", i);
		t[i] = (struct job){ .key = key[i] };
		submit(&t[i]);
	}
	writer_stop(w.core.writer);
	writer_free(w.core.writer);
	w.core.writer = NULL;
	for (unsigned i = 0; i < 60; i++)
		await(&w.reported);
	for (unsigned i = 0; i < 60; i++)
		assert_true(t[i].rc == RC_OK && there(key[i]));
}

/* A tree with a removed subtree of n resources and one that is past its et. */
static void plant(unsigned n)
{
	struct res_new nw = test_new(3, "old");
	struct test_tree t;
	struct res base, top, r;

	test_tree_begin(&t, w.store);
	test_base(&t, &base);
	top = test_add(&t, &base, 3, "top");
	for (unsigned i = 0; i < n; i++)
		test_add(&t, &top, 4, "");
	top = test_get(&t, top.key);
	assert_ok(tree_remove(t.tx, &top));
	base = test_get(&t, base.key);
	assert_ok(tree_insert(t.tx, &t.seq, &base, &nw, &r)); /* et is in 2023 */
	test_tree_end(&t);
}

static void the_background_is_cleared(void **state)
{
	struct store_stat st;

	plant(5000);
	start();
	for (unsigned i = 0; i < 5001; i++)
		await(&w.swept);
	writer_stop(w.core.writer);
	writer_free(w.core.writer);
	w.core.writer = NULL;
	assert_int_equal(w.swept_n, 5000);
	assert_int_equal(w.expired_n, 1);
	assert_int_equal(atomic_load(&w.core.metrics.expired), 1);
	store_stat(w.store->s, &st);
	assert_int_equal(st.entries[ST_RES], 1);
}

static void a_failing_background_harms_no_job(void **state)
{
	struct job first = { .block = true }, t = { .key = "a" }, u = { .key = "b" };

	plant(1000);
	w.swept_rc = RC_FULL;
	start();
	submit(&first);
	await(&w.entered);
	submit(&t);
	submit(&u);
	for (int i = 0; i < 3; i++)
		sem_post(&w.go);
	for (int i = 0; i < 3; i++)
		await(&w.reported);
	assert_rc(t.rc, RC_OK);
	assert_rc(u.rc, RC_OK);
	assert_true(there("a") && there("b"));
	assert_true(w.swept_n <= 2); /* then it rests */
}

int main(void)
{
#define writer_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		writer_test(an_answer_follows_its_commit),
		writer_test(what_waits_is_committed_together),
		writer_test(one_that_does_not_fit_harms_no_other),
		writer_test(the_queue_has_an_end),
		writer_test(a_change_of_policy_is_told_before_it_is_seen),
		writer_test(the_notifier_is_woken_for_its_own),
		writer_test(stopping_finishes_what_was_taken),
		writer_test(the_background_is_cleared),
		writer_test(a_failing_background_harms_no_job),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
