/* SPDX-License-Identifier: Apache-2.0 */
/* The writer when the disk fails: each job is told, the CSE knows that it is not healthy, and knows when it is again without anybody
 * having written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <semaphore.h>
#include <time.h>

#include "../unit/store_util.h"
#include "core/core.h"
#include "core/notify/notify.h"
#include "core/writer.h"
#include "failio.h"
#include "loop/loop.h"

enum { JOBS = 20 };

static struct {
	struct test_store *store;
	struct config cfg;
	struct core core;
	struct loop loop;
	sem_t reported;
} w;

enum reeve_rc exec_swept(struct exec *x, const struct res *r) { return RC_OK; }
enum reeve_rc exec_expired(struct exec *x, const struct res *r) { return RC_OK; }
void notifier_wake(struct notifier *n) { (void)n; }

struct job { struct write_job job; uint32_t key; enum reeve_rc rc; };

static enum reeve_rc run(struct write_job *j, struct exec *x)
{
	struct job *t = (struct job *)j;
	return st_put(x->tx, ST_OUTBOX, slice_of((const char *)&t->key, sizeof(t->key)), S("v"));
}

static void done(struct write_job *j, enum reeve_rc rc)
{
	((struct job *)j)->rc = rc;
	sem_post(&w.reported);
}

static void run_all(struct job t[JOBS], uint32_t first)
{
	struct timespec until;

	for (uint32_t i = 0; i < JOBS; i++) {
		t[i] = (struct job){ .job = { .run = run, .done = done, .home = &w.loop }, .key = first + i };
		assert_ok(writer_submit(w.core.writer, &t[i].job));
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	for (int i = 0; i < JOBS; i++)
		assert_int_equal(sem_timedwait(&w.reported, &until), 0);
}

static uint64_t stored(void)
{
	struct store_stat st;
	store_stat(w.store->s, &st);
	return st.entries[ST_OUTBOX];
}

static int setup(void **state)
{
	struct store_options o;

	memset(&w, 0, sizeof(w));
	failio_clear();
	if (test_store_setup((void **)&w.store))
		return -1;
	test_store_close(w.store);
	o = (struct store_options){ .path = w.store->path, .readers = 16 };
	if (store_open(&o, &w.store->s, w.store->why) != RC_OK || st_reader_new(w.store->s, &w.store->reader) != RC_OK)
		return -1;
	w.cfg.limits.write_queue = 100;
	w.cfg.limits.policies_cached = 8;
	w.cfg.expiry_scan = 3600 * USEC_S;
	w.core.cfg = &w.cfg;
	w.core.store = w.store->s;
	sem_init(&w.reported, 0, 0);
	return loop_init(&w.loop, 0) || loop_start(&w.loop) || writer_start(&w.core, &w.core.writer);
}

static int teardown(void **state)
{
	failio_clear();
	writer_stop(w.core.writer);
	writer_free(w.core.writer);
	loop_stop(&w.loop);
	loop_join(&w.loop);
	loop_close(&w.loop);
	return test_store_teardown((void **)&w.store);
}

static void failing_and_coming_back(void **state)
{
	static const struct { enum failio_call call; int err; enum reeve_rc rc; } kinds[] = {
		{ FAILIO_SYNC, EIO, RC_IO }, { FAILIO_META, EIO, RC_IO }, { FAILIO_WRITE, ENOSPC, RC_FULL },
	};
	static const struct timespec pause = { 0, 2000000 };
	struct job t[JOBS];
	uint32_t key = 0, good = 0;

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		run_all(t, key);
		key += JOBS;
		good += JOBS;
		assert_int_equal(stored(), good);
		assert_false(atomic_load(&w.core.store_failed));
		failio_set(kinds[k].call, kinds[k].err, 0, -1);
		run_all(t, key);
		key += JOBS;
		for (int i = 0; i < JOBS; i++)
			assert_rc(t[i].rc, kinds[k].rc);
		assert_true(atomic_load(&w.core.store_failed));
		assert_true(atomic_load(&w.core.metrics.commit_failures) > 0);
		assert_int_equal(stored(), good); /* reading goes on, and shows nothing of it */
		failio_clear();
		for (int i = 0; atomic_load(&w.core.store_failed); i++) { /* there is no event to wait for */
			assert_true(i < 30000);
			nanosleep(&pause, NULL);
		}
		assert_int_equal(stored(), good);
	}
}

/* One commit fails: the batch is done again job by job, and nothing is there twice. */
static void one_failure_is_got_over(void **state)
{
	struct job t[JOBS];

	for (int kind = 0; kind < FAILIO_CALLS; kind++) {
		failio_set((enum failio_call)kind, EIO, 0, 1);
		run_all(t, (uint32_t)kind * JOBS);
		for (int i = 1; i < JOBS; i++) /* the first may have been alone in its batch */
			assert_rc(t[i].rc, RC_OK);
		assert_true(stored() >= ((uint64_t)kind + 1) * (JOBS - 1));
	}
}

int main(void)
{
#define fault_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { fault_test(failing_and_coming_back), fault_test(one_failure_is_got_over) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
