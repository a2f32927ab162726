/* SPDX-License-Identifier: Apache-2.0 */
/* The store behind its journal when the disk fails: what is refused leaves nothing, also after a power loss; when data.mdb cannot be flushed the store
 * repairs itself, and nothing that was acknowledged is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "../unit/store_util.h"
#include "base/file.h"
#include "failio.h"

enum { JOURNAL = 1 << 20 };

static void open_again(struct test_store *t, bool power_lost, size_t journal)
{
	struct store_options o = { .path = t->path, .readers = 16, .journal = journal, .power_lost = power_lost };
	enum reeve_rc rc = store_open(&o, &t->s, t->why);

	if (rc != RC_OK)
		print_error("%s\n", t->why);
	assert_ok(rc);
	assert_ok(st_reader_new(t->s, &t->reader));
}

static enum reeve_rc put(struct store *s, uint64_t v, struct slice more)
{
	struct st_tx *tx;
	enum reeve_rc rc = st_begin(s, &tx);

	if (rc != RC_OK)
		return rc;
	rc = st_put(tx, ST_RES, S("value"), slice_of((const char *)&v, sizeof(v)));
	if (rc == RC_OK)
		rc = st_put(tx, ST_OUTBOX, S("more"), more);
	if (rc == RC_OK)
		return st_commit(tx);
	st_abort(tx);
	return rc;
}

static uint64_t value(struct test_store *t)
{
	struct slice v;
	uint64_t out;

	assert_ok(st_renew(t->reader));
	assert_ok(st_get(t->reader, ST_RES, S("value"), &v));
	memcpy(&out, v.p, sizeof(out));
	st_release(t->reader);
	return out;
}

/* Does journal file i have a head? */
static bool has_head(const struct test_store *t, unsigned i)
{
	char file[128], mark[8] = "";
	int fd;

	snprintf(file, sizeof(file), "%s/journal.%u", t->path, i);
	fd = open(file, O_RDONLY);
	if (fd < 0)
		return false;
	assert_true(read(fd, mark, sizeof(mark)) >= 0);
	close(fd);
	return mark[0] == 'R';
}

/* Until the journal is in use: its files are made in the background. */
static void await_use(struct test_store *t)
{
	static const struct timespec pause = { 0, 1000000 };

	for (uint64_t v = 1; !has_head(t, 0) && !has_head(t, 1); v++) {
		nanosleep(&pause, NULL);
		assert_ok(put(t->s, v, S("")));
	}
}

static int setup(void **state)
{
	struct test_store *t;

	failio_clear();
	if (test_store_setup(state))
		return -1;
	t = *state;
	test_store_close(t);
	open_again(t, false, JOURNAL);
	await_use(t);
	return 0;
}

static int teardown(void **state)
{
	failio_clear();
	return test_store_teardown(state);
}

static void a_failed_commit_leaves_nothing(void **state)
{
	static const struct { enum failio_call call; int err; enum reeve_rc rc; } failures[] = {
		{ FAILIO_JOURNAL, EIO, RC_IO }, { FAILIO_JOURNAL, ENOSPC, RC_FULL }, { FAILIO_JOURNAL_SYNC, EIO, RC_IO },
		{ FAILIO_JOURNAL_SYNC, EDQUOT, RC_FULL }, { FAILIO_WRITE, EIO, RC_IO }, { FAILIO_WRITE, ENOSPC, RC_FULL },
	};
	struct test_store *t = *state;

	for (unsigned i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		assert_ok(put(t->s, 10 + i, S("")));
		failio_set(failures[i].call, failures[i].err, 0, -1);
		for (int again = 0; again < 3; again++)
			assert_rc(put(t->s, 1000, S("refused")), failures[i].rc);
		assert_int_equal(value(t), 10 + i);
		failio_clear();
		if (i % 2) /* else: nothing is written after what was refused */
			assert_ok(put(t->s, 20 + i, S("")));
		/* as if the power went now: what is there is played again, and what was refused is not there */
		failio_set(FAILIO_SYNC, EIO, 0, -1); /* so that the end cannot be in order */
		test_store_close(t);
		failio_clear();
		open_again(t, true, JOURNAL);
		assert_int_equal(value(t), i % 2 ? 20 + i : 10 + i);
		await_use(t);
	}
}

/* LMDB's commit fails behind a record that cannot be struck out; then data.mdb cannot be flushed either. What was refused is not played. */
static void what_cannot_be_struck_is_not_played(void **state)
{
	static char large[100000];
	struct test_store *t = *state;
	uint64_t i;

	assert_ok(put(t->s, 10, S("")));
	failio_set(FAILIO_WRITE, EIO, 0, -1);
	failio_set(FAILIO_JOURNAL, EIO, 1, -1); /* the record itself is written */
	assert_rc(put(t->s, 1000, S("refused")), RC_IO);
	assert_rc(put(t->s, 1000, S("refused")), RC_IO);
	failio_clear();
	failio_set(FAILIO_SYNC, EIO, 0, -1);
	for (i = 20; put(t->s, i, slice_of(large, sizeof(large))) == RC_OK; i++)
		assert_true(i < 1000);
	failio_clear();
	assert_ok(put(t->s, 2000, S("")));
	assert_int_equal(value(t), 2000);
	failio_set(FAILIO_WRITE, EIO, 0, -1);
	failio_set(FAILIO_JOURNAL, EIO, 1, -1);
	assert_rc(put(t->s, 1000, S("refused")), RC_IO);
	failio_clear();
	failio_set(FAILIO_SYNC, EIO, 0, -1);
	test_store_close(t); /* struck or not, it is no end in order */
	failio_clear();
	open_again(t, true, JOURNAL);
	assert_int_equal(value(t), 2000);
}

/* More than the journal's files hold: commits over many checkpoints, and one that fits in no file. */
static void batches_of_any_size(void **state)
{
	static char large[600000], huge[3000000];
	struct test_store *t = *state;
	struct slice v;

	memset(large, 'l', sizeof(large));
	memset(huge, 'h', sizeof(huge));
	for (uint64_t i = 100; i < 120; i++)
		assert_ok(put(t->s, i, slice_of(large, 300000 + i)));
	assert_ok(put(t->s, 120, slice_of(large, sizeof(large))));
	assert_ok(put(t->s, 121, slice_of(huge, sizeof(huge))));
	assert_ok(put(t->s, 122, S("small")));
	failio_set(FAILIO_SYNC, EIO, 0, -1);
	test_store_close(t);
	failio_clear();
	open_again(t, true, JOURNAL);
	assert_int_equal(value(t), 122);
	assert_ok(st_renew(t->reader));
	assert_ok(st_get(t->reader, ST_OUTBOX, S("more"), &v));
	assert_true(slice_eq(v, S("small")));
	st_release(t->reader);
}

static void what_cannot_be_flushed_is_played_again(void **state)
{
	static char large[100000];
	struct test_store *t = *state;
	uint64_t acknowledged = 0;
	unsigned refused = 0;

	for (uint64_t i = 1000; i < 1100; i++) {
		enum reeve_rc rc;
		if (i % 20 == 0)
			failio_set(FAILIO_SYNC, EIO, 0, 1); /* the next checkpoint */
		rc = put(t->s, i, slice_of(large, sizeof(large)));
		if (rc == RC_OK)
			acknowledged = i;
		else
			refused++;
		assert_int_equal(value(t), acknowledged);
	}
	assert_true(failio_failed() >= 4 && refused < 20);
	failio_clear();
	assert_ok(put(t->s, 2000, S("")));
	test_store_close(t);
	open_again(t, false, JOURNAL);
	assert_int_equal(value(t), 2000);
}

/* A held snapshot is in the way of a repair; nothing is written until it is given back. */
static void a_repair_waits_for_readers(void **state)
{
	static char large[100000];
	struct test_store *t = *state;
	struct slice v;
	uint64_t i = 1;

	failio_set(FAILIO_SYNC, EIO, 0, -1);
	while (put(t->s, i, slice_of(large, sizeof(large))) == RC_OK)
		assert_true(++i < 1000);
	failio_clear();
	assert_ok(put(t->s, i, S(""))); /* repaired */
	assert_ok(st_renew(t->reader));
	failio_set(FAILIO_SYNC, EIO, 0, -1);
	for (i = 5000; put(t->s, i, slice_of(large, sizeof(large))) == RC_OK; i++)
		assert_true(i < 6000);
	failio_clear();
	assert_rc(put(t->s, 1, S("")), RC_IO);
	assert_ok(st_get(t->reader, ST_OUTBOX, S("more"), &v));
	assert_int_equal(v.n, 0); /* as it was */
	st_release(t->reader);
	assert_ok(put(t->s, 7000, S("")));
	assert_int_equal(value(t), 7000);
}

static void in_order_nothing_is_left_to_play(void **state)
{
	struct test_store *t = *state;

	assert_ok(put(t->s, 42, S("")));
	test_store_close(t);
	assert_false(has_head(t, 0) || has_head(t, 1));
	open_again(t, true, 0); /* without a journal, and its files go */
	assert_int_equal(value(t), 42);
	assert_ok(put(t->s, 43, S("")));
	test_store_close(t);
	open_again(t, true, JOURNAL);
	assert_int_equal(value(t), 43);
}

static void write_file(const char *path, struct slice s)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, s.p, s.n), s.n);
	close(fd);
}

/* data.mdb put back from a copy, beside a journal of later: refused with what to do, and nothing is changed. */
static void a_foreign_journal_is_refused(void **state)
{
	struct store_options o;
	struct test_store *t = *state;
	char large[300] = "", data[128], copy[128];
	struct store *s;
	struct buf b;

	snprintf(data, sizeof(data), "%s/data.mdb", t->path);
	snprintf(copy, sizeof(copy), "%s/copy", t->path);
	assert_ok(file_read(data, 1 << 26, &b, t->why));
	write_file(copy, buf_view(&b));
	buf_free(&b);
	for (uint64_t i = 0; i < 200; i++)
		assert_ok(put(t->s, i, slice_of(large, sizeof(large))));
	test_store_close(t);
	open_again(t, false, JOURNAL);
	assert_ok(put(t->s, 1, S("")));
	failio_set(FAILIO_SYNC, EIO, 0, -1);
	test_store_close(t);
	failio_clear();
	assert_int_equal(rename(copy, data), 0);
	o = (struct store_options){ .path = t->path, .readers = 4, .journal = JOURNAL, .power_lost = true };
	assert_rc(store_open(&o, &s, t->why), RC_VERSION);
	assert_non_null(strstr(t->why, "older than the journal"));
	for (unsigned i = 0; i < 2; i++) {
		snprintf(data, sizeof(data), "%s/journal.%u", t->path, i);
		assert_int_equal(unlink(data), 0);
	}
	open_again(t, true, JOURNAL);
}

int main(void)
{
#define journal_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		journal_test(a_failed_commit_leaves_nothing),
		journal_test(what_cannot_be_struck_is_not_played),
		journal_test(batches_of_any_size),
		journal_test(what_cannot_be_flushed_is_played_again),
		journal_test(a_repair_waits_for_readers),
		journal_test(in_order_nothing_is_left_to_play),
		journal_test(a_foreign_journal_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
