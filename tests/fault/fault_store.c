/* SPDX-License-Identifier: Apache-2.0 */
/* The store when the disk fails: commits that fail leave nothing, reading goes on, writing comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "../unit/store_util.h"
#include "failio.h"

static int setup(void **state)
{
	struct test_store *t;
	struct store_options o;

	failio_clear();
	if (test_store_setup(state))
		return -1;
	t = *state; /* once more, with syncs */
	test_store_close(t);
	o = (struct store_options){ .path = t->path, .readers = 16 };
	if (store_open(&o, &t->s, t->why) != RC_OK)
		return -1;
	return st_reader_new(t->s, &t->reader) != RC_OK;
}

static int teardown(void **state)
{
	struct test_store *t = *state;

	failio_clear();
	umount2(t->path, MNT_DETACH); /* a test that failed may have left it */
	return test_store_teardown(state);
}

/* Two values that are always changed together. */
static enum reeve_rc put_pair(struct store *s, uint64_t v)
{
	struct slice bytes = slice_of((const char *)&v, sizeof(v));
	struct st_tx *tx;
	enum reeve_rc rc = st_begin(s, &tx);

	if (rc != RC_OK)
		return rc;
	rc = st_put(tx, ST_RES, S("left"), bytes);
	if (rc == RC_OK)
		rc = st_put(tx, ST_OUTBOX, S("right"), bytes);
	if (rc == RC_OK)
		return st_commit(tx);
	st_abort(tx);
	return rc;
}

static uint64_t read_pair(struct st_tx *tx)
{
	uint64_t left, right;
	struct slice v;

	assert_ok(st_get(tx, ST_RES, S("left"), &v));
	memcpy(&left, v.p, sizeof(left));
	assert_ok(st_get(tx, ST_OUTBOX, S("right"), &v));
	memcpy(&right, v.p, sizeof(right));
	assert_int_equal(left, right);
	return left;
}

static uint64_t now(struct st_tx *reader)
{
	uint64_t v;

	assert_ok(st_renew(reader));
	v = read_pair(reader);
	st_release(reader);
	return v;
}

static unsigned open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

struct failure { enum failio_call call; int err; enum reeve_rc rc; const char *why; };
static const struct failure failures[] = {
	{ FAILIO_SYNC, EIO, RC_IO, "Input/output error" },
	{ FAILIO_SYNC, ENOSPC, RC_FULL, "No space left on device" },
	{ FAILIO_WRITE, EIO, RC_IO, "Input/output error" },
	{ FAILIO_WRITE, ENOSPC, RC_FULL, "No space left on device" },
	{ FAILIO_WRITE, EDQUOT, RC_FULL, "quota" },
	{ FAILIO_META, EIO, RC_IO, "Input/output error" },
	{ FAILIO_META, ENOSPC, RC_FULL, "No space left on device" },
};
enum { FAILURES = sizeof(failures) / sizeof(failures[0]) };

static void a_failed_commit_leaves_nothing(void **state)
{
	struct test_store *t = *state;
	struct st_tx *before;
	unsigned files;
	uint64_t version;

	assert_ok(put_pair(t->s, 1));
	assert_ok(st_reader_new(t->s, &before));
	files = open_files();
	for (unsigned i = 0; i < FAILURES; i++) {
		const struct failure *f = &failures[i];

		assert_ok(st_renew(t->reader)); /* held over the failure */
		version = st_version(t->reader);
		failio_set(f->call, f->err, 0, -1);
		for (int again = 0; again < 3; again++) { /* also while it lasts */
			if (again == 1)
				st_release(t->reader);
			assert_rc(put_pair(t->s, 1000), f->rc);
			assert_non_null(strstr(st_why(t->s), f->why));
			if (again == 0)
				assert_int_equal(read_pair(t->reader), i + 1);
			assert_int_equal(now(before), i + 1); /* reading goes on */
		}
		failio_clear();
		assert_ok(put_pair(t->s, i + 2)); /* the cause is gone */
		assert_int_equal(now(before), i + 2);
		assert_ok(st_renew(t->reader));
		assert_true(st_version(t->reader) > version);
		st_release(t->reader);
	}
	st_reader_free(before);
	test_store_reopen(t, 0);
	assert_int_equal(now(t->reader), FAILURES + 1);
	assert_true(open_files() <= files + 1);
}

/* A reader that keeps its snapshot over the replacement of a failed environment sees it unchanged, and nothing is written meanwhile. */
static void a_held_snapshot_outlives_the_failure(void **state)
{
	struct test_store *t = *state;

	for (uint64_t i = 1; i < 20; i++)
		assert_ok(put_pair(t->s, i));
	assert_ok(st_renew(t->reader));
	failio_set(FAILIO_META, EIO, 0, 1);
	assert_rc(put_pair(t->s, 1000), RC_IO);
	assert_int_equal(read_pair(t->reader), 19);
	for (int i = 0; i < 3; i++) {
		assert_rc(put_pair(t->s, 20), RC_IO); /* the reader is in the way: its pages must not be used again */
		assert_int_equal(read_pair(t->reader), 19);
	}
	st_release(t->reader);
	for (uint64_t i = 20; i < 40; i++) {
		assert_ok(put_pair(t->s, i));
		assert_int_equal(now(t->reader), i);
	}
}

static void replaced_environments_are_given_back(void **state)
{
	struct test_store *t = *state;
	struct st_tx *idle;
	unsigned files;

	assert_ok(put_pair(t->s, 0));
	assert_ok(st_reader_new(t->s, &idle));
	assert_int_equal(now(idle), 0);
	files = open_files();
	for (uint64_t i = 1; i <= 30; i++) {
		failio_set(FAILIO_META, EIO, 0, 1);
		assert_rc(put_pair(t->s, 1000), RC_IO);
		assert_ok(put_pair(t->s, i));
		assert_int_equal(now(t->reader), i);
		if (i % 10 == 0)
			assert_int_equal(now(idle), i); /* it kept its old one until now */
		assert_true(open_files() <= files + 3 * 2);
	}
	st_reader_free(idle);
	assert_ok(put_pair(t->s, 31));
	assert_true(open_files() <= files);
}

/* Somebody looks at the store from another process with the old table of readers: recovery waits for him. */
static void recovery_waits_for_who_looks(void **state)
{
	struct test_store *t = *state;
	struct store_options o = { .path = t->path, .readers = 4, .read_only = true };
	struct store *looker;
	int ready[2], go[2], status;
	char c = 0;
	pid_t child;

	assert_ok(put_pair(t->s, 1));
	assert_int_equal(pipe(ready) + pipe(go), 0);
	child = fork();
	if (child == 0) {
		struct st_tx *tx;
		char why[256];
		close(go[1]);
		if (store_open(&o, &looker, why) != RC_OK || st_reader_new(looker, &tx) != RC_OK || st_renew(tx) != RC_OK)
			_exit(1);
		if (write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(2);
		_exit(read_pair(tx) == 1 ? 0 : 3);
	}
	close(ready[1]);
	close(go[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	failio_set(FAILIO_META, EIO, 0, 1);
	assert_rc(put_pair(t->s, 1000), RC_IO);
	assert_rc(put_pair(t->s, 1000), RC_IO);
	assert_int_equal(now(t->reader), 1); /* reading goes on here, too */
	assert_int_equal(write(go[1], &c, 1), 1);
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	assert_ok(put_pair(t->s, 2));
	assert_int_equal(now(t->reader), 2);
	close(ready[0]);
	close(go[1]);
}

/* Readers in threads of their own while commits fail at random: each snapshot is whole, not older than what was acknowledged before it
 * was taken, and never what was refused. */
struct crowd {
	struct store *s;
	_Atomic uint64_t acknowledged;
	atomic_bool end, bad;
	_Atomic unsigned reads;
};

static void *read_on(void *arg)
{
	struct crowd *c = arg;
	struct st_tx *tx;
	uint64_t last = 0;

	if (st_reader_new(c->s, &tx) != RC_OK)
		return NULL;
	while (!atomic_load(&c->end)) {
		uint64_t least = atomic_load(&c->acknowledged), left = 0, right = 0;
		struct slice v;
		uint64_t before = last;
		bool good = false;

		if (st_renew(tx) != RC_OK) {
			atomic_store(&c->bad, true);
			break;
		}
		if (st_get(tx, ST_RES, S("left"), &v) == RC_OK) {
			memcpy(&left, v.p, sizeof(left));
			if (st_get(tx, ST_OUTBOX, S("right"), &v) == RC_OK) {
				memcpy(&right, v.p, sizeof(right));
				good = left == right && left >= least && left >= last && left < 1000000;
				last = left;
			}
		}
		st_release(tx);
		atomic_fetch_add(&c->reads, 1);
		if (!good) {
			if (!atomic_load(&c->bad))
				print_error("%llu and %llu, at least %llu, before %llu\n", (unsigned long long)left,
								(unsigned long long)right,
					    (unsigned long long)least, (unsigned long long)before);
			atomic_store(&c->bad, true);
		}
	}
	st_reader_free(tx);
	return NULL;
}

static void readers_see_only_what_was_acknowledged(void **state)
{
	struct test_store *t = *state;
	struct crowd c = { .s = t->s };
	pthread_t thread[3];
	uint64_t random = 88172645463325252u, v = 1;
	unsigned refused = 0;
	bool wrong = false;

	assert_ok(put_pair(t->s, v));
	atomic_store(&c.acknowledged, v);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, read_on, &c), 0);
	for (int i = 0; i < 400; i++) {
		enum reeve_rc rc;
		bool inject;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		inject = (random >> 20) % 2;
		if (inject)
			failio_set(failures[(random >> 30) % FAILURES].call, EIO, 0, 1);
		rc = put_pair(t->s, inject ? 1000000 + v : v + 1);
		failio_clear();
		if (rc == RC_OK) {
			wrong |= inject; /* told below: the threads must end first */
			atomic_store(&c.acknowledged, ++v);
		} else {
			refused++;
			wrong |= rc != RC_IO;
		}
	}
	atomic_store(&c.end, true);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	assert_false(wrong);
	assert_false(atomic_load(&c.bad));
	assert_true(atomic_load(&c.reads) > 0 && refused > 100 && v > 100);
	test_store_reopen(t, 0);
	assert_int_equal(now(t->reader), v);
}

/* A real disk that is full, where the test may mount one. */
static void a_full_disk_still_removes(void **state)
{
	struct test_store *t = *state;
	struct store_options o = { .path = t->path, .readers = 4 };
	char value[20000] = { 1 }, key[16];
	unsigned stored = 0, removed;
	enum reeve_rc rc = RC_OK;
	struct st_tx *tx;

	test_store_close(t);
	if (mount("none", t->path, "tmpfs", 0, "size=8m") < 0) {
		test_store_open(t, 0);
		skip();
	}
	assert_ok(store_open(&o, &t->s, t->why));
	assert_ok(st_reader_new(t->s, &t->reader));
	for (; rc == RC_OK; stored += rc == RC_OK) { /* as the tree does, and then without heed */
		assert_true(stored < 400);
		snprintf(key, sizeof(key), "%08u", stored);
		assert_ok(st_begin(t->s, &tx));
		rc = st_tight(tx) ? RC_FULL : st_put(tx, ST_RES, slice_str(key), slice_of(value, sizeof(value)));
		if (rc == RC_OK)
			rc = st_commit(tx);
		else
			st_abort(tx);
	}
	assert_rc(rc, RC_FULL);
	assert_true(stored > 200);
	for (unsigned i = 0; rc == RC_FULL && i < 3; i++) {
		assert_ok(st_begin(t->s, &tx));
		for (unsigned j = 0; j < 400; j++) {
			snprintf(key, sizeof(key), "x%u", j);
			assert_ok(st_put(tx, ST_RES, slice_str(key), slice_of(value, sizeof(value))));
		}
		rc = st_commit(tx);
		assert_rc(rc, RC_FULL);
		assert_non_null(strstr(st_why(t->s), "No space left on device"));
	}
	for (removed = 0; removed < stored / 2; removed++) {
		snprintf(key, sizeof(key), "%08u", removed);
		assert_ok(st_begin(t->s, &tx));
		assert_ok(st_del(tx, ST_RES, slice_str(key)));
		assert_ok(st_commit(tx));
	}
	assert_ok(st_begin(t->s, &tx));
	assert_false(st_tight(tx));
	assert_int_equal(st_entries(tx, ST_RES), stored - removed);
	assert_ok(st_put(tx, ST_RES, S("again"), slice_of(value, sizeof(value))));
	assert_ok(st_commit(tx));
	test_store_close(t);
	assert_int_equal(umount(t->path), 0);
	test_store_open(t, 0);
}

int main(void)
{
#define fault_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		fault_test(a_failed_commit_leaves_nothing),
		fault_test(a_held_snapshot_outlives_the_failure),
		fault_test(replaced_environments_are_given_back),
		fault_test(recovery_waits_for_who_looks),
		fault_test(readers_see_only_what_was_acknowledged),
		fault_test(a_full_disk_still_removes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
