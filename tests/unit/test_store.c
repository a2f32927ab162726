/* SPDX-License-Identifier: Apache-2.0 */
/* The store: tables, snapshots, what is kept over a restart, and what happens when it is locked, full, newer or no store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store_util.h"

static void put1(struct test_store *t, enum st_table table, struct slice k, struct slice v)
{
	struct st_tx *tx;

	assert_ok(st_begin(t->s, &tx));
	assert_ok(st_put(tx, table, k, v));
	assert_ok(st_commit(tx));
}

static void put_get_del(void **state)
{
	struct test_store *t = *state;
	struct st_tx *tx;
	struct slice v;

	assert_ok(st_begin(t->s, &tx));
	assert_rc(st_get(tx, ST_RES, S("a"), &v), RC_NOTFOUND);
	assert_ok(st_put(tx, ST_RES, S("a"), S("one")));
	assert_ok(st_get(tx, ST_RES, S("a"), &v));
	assert_slice(v, S("one"));
	assert_ok(st_put(tx, ST_RES, S("a"), S("another")));
	assert_rc(st_get(tx, ST_NAME, S("a"), &v), RC_NOTFOUND); /* tables are apart */
	assert_ok(st_put(tx, ST_NAME, S("a"), S("")));
	assert_int_equal(st_entries(tx, ST_RES), 1);
	assert_ok(st_commit(tx));
	test_store_reopen(t, 0);
	assert_ok(st_renew(t->reader));
	assert_ok(st_get(t->reader, ST_RES, S("a"), &v));
	assert_slice(v, S("another"));
	assert_ok(st_get(t->reader, ST_NAME, S("a"), &v));
	assert_int_equal(v.n, 0);
	st_release(t->reader);
	assert_ok(st_begin(t->s, &tx));
	assert_ok(st_del(tx, ST_RES, S("a")));
	assert_rc(st_del(tx, ST_RES, S("a")), RC_NOTFOUND);
	assert_ok(st_commit(tx));
	assert_ok(st_renew(t->reader));
	assert_rc(st_get(t->reader, ST_RES, S("a"), &v), RC_NOTFOUND);
	assert_int_equal(st_entries(t->reader, ST_RES), 0);
	st_release(t->reader);
}

static void keys_have_a_limit(void **state)
{
	struct test_store *t = *state;
	char big[ST_KEY_MAX + 1];
	struct st_tx *tx;
	struct slice v;

	memset(big, 'k', sizeof(big));
	assert_ok(st_begin(t->s, &tx));
	assert_ok(st_put(tx, ST_NAME, slice_of(big, ST_KEY_MAX), S("v")));
	assert_ok(st_get(tx, ST_NAME, slice_of(big, ST_KEY_MAX), &v));
	assert_rc(st_put(tx, ST_NAME, slice_of(big, ST_KEY_MAX + 1), S("v")), RC_INVALID);
	assert_rc(st_put(tx, ST_NAME, S(""), S("v")), RC_INVALID);
	assert_rc(st_get(tx, ST_NAME, slice_of(big, ST_KEY_MAX + 1), &v), RC_NOTFOUND);
	assert_rc(st_get(tx, ST_NAME, S(""), &v), RC_NOTFOUND);
	assert_rc(st_del(tx, ST_NAME, S("")), RC_NOTFOUND);
	assert_ok(st_commit(tx)); /* a key that does not fit spoils nothing */
}

static void cursor_walks_both_ways(void **state)
{
	struct test_store *t = *state;
	struct st_cursor c;
	struct st_tx *tx;

	assert_ok(st_begin(t->s, &tx));
	assert_ok(st_cursor_open(tx, ST_TYPE, &c));
	assert_rc(st_seek(&c, S("a")), RC_NOTFOUND);
	assert_rc(st_seek_before(&c, S("a")), RC_NOTFOUND);
	st_cursor_close(&c);
	assert_ok(st_put(tx, ST_TYPE, S("b"), S("1")));
	assert_ok(st_put(tx, ST_TYPE, S("d"), S("2")));
	assert_ok(st_put(tx, ST_TYPE, S("d\xff"), S("3")));
	assert_ok(st_commit(tx));

	assert_ok(st_renew(t->reader));
	assert_ok(st_cursor_open(t->reader, ST_TYPE, &c));
	assert_ok(st_seek(&c, S("")));
	assert_slice(c.key, S("b"));
	assert_ok(st_seek(&c, S("c")));
	assert_slice(c.key, S("d"));
	assert_slice(c.value, S("2"));
	assert_ok(st_next(&c));
	assert_slice(c.key, S("d\xff"));
	assert_rc(st_next(&c), RC_NOTFOUND);
	assert_rc(st_seek(&c, S("e")), RC_NOTFOUND);
	assert_ok(st_seek_before(&c, S("e")));
	assert_slice(c.key, S("d\xff"));
	assert_ok(st_prev(&c));
	assert_slice(c.key, S("d"));
	assert_ok(st_seek_before(&c, S("d")));
	assert_slice(c.key, S("b"));
	assert_rc(st_prev(&c), RC_NOTFOUND);
	assert_rc(st_seek_before(&c, S("b")), RC_NOTFOUND);
	st_cursor_close(&c);
	st_release(t->reader);
}

static void a_reader_sees_one_state(void **state)
{
	struct test_store *t = *state;
	uint64_t before;
	struct st_tx *tx;
	struct slice v;

	put1(t, ST_META, S("x"), S("old"));
	assert_ok(st_renew(t->reader));
	before = st_version(t->reader);
	assert_ok(st_begin(t->s, &tx));
	assert_true(st_version(tx) > before);
	assert_ok(st_put(tx, ST_META, S("x"), S("new")));
	assert_ok(st_get(t->reader, ST_META, S("x"), &v));
	assert_slice(v, S("old")); /* not committed */
	before = st_version(tx);
	assert_ok(st_commit(tx));
	assert_ok(st_get(t->reader, ST_META, S("x"), &v));
	assert_slice(v, S("old")); /* committed after the snapshot */
	st_release(t->reader);
	assert_ok(st_renew(t->reader));
	assert_int_equal(st_version(t->reader), before); /* the writer's number becomes the readers' */
	assert_ok(st_get(t->reader, ST_META, S("x"), &v));
	assert_slice(v, S("new"));
	st_release(t->reader);
}

static void an_aborted_transaction_leaves_nothing(void **state)
{
	struct test_store *t = *state;
	struct st_tx *tx;
	struct slice v;

	assert_ok(st_begin(t->s, &tx));
	assert_ok(st_put(tx, ST_RES, S("a"), S("1")));
	assert_int_equal(st_changes(tx), 1);
	st_abort(tx);
	assert_ok(st_begin(t->s, &tx));
	assert_int_equal(st_changes(tx), 0);
	assert_rc(st_get(tx, ST_RES, S("a"), &v), RC_NOTFOUND);
	st_abort(tx);
}

static void a_reader_cannot_write(void **state)
{
	struct test_store *t = *state;

	assert_ok(st_renew(t->reader));
	assert_rc(st_put(t->reader, ST_RES, S("a"), S("1")), RC_INVALID);
	st_release(t->reader);
}

/* Values inside a page and on pages of their own, patched once in the transaction that made them and once in a later one. */
static void patch_keeps_the_rest(void **state)
{
	static const size_t sizes[] = { 1, 100, 1700, 1790, 1800, 1900, 2040, 4096, 100000 };
	struct test_store *t = *state;
	static char value[100000];
	struct st_tx *tx;
	struct slice v;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = sizes[i], at = n / 2;
		for (size_t j = 0; j < n; j++)
			value[j] = (char)('a' + j % 23);
		assert_ok(st_begin(t->s, &tx));
		assert_ok(st_put(tx, ST_RES, S("key"), slice_of(value, n)));
		assert_ok(st_patch(tx, ST_RES, S("key"), 0, "!", 1));
		value[0] = '!';
		assert_ok(st_commit(tx));
		assert_ok(st_begin(t->s, &tx));
		assert_ok(st_patch(tx, ST_RES, S("key"), at, "?", 1));
		assert_rc(st_patch(tx, ST_RES, S("key"), n, "?", 1), RC_INVALID);
		assert_rc(st_patch(tx, ST_RES, S("key"), SIZE_MAX, "??", 2), RC_INVALID);
		assert_rc(st_patch(tx, ST_RES, S("none"), 0, "?", 1), RC_NOTFOUND);
		value[at] = '?';
		assert_ok(st_commit(tx));
		assert_ok(st_renew(t->reader));
		assert_ok(st_get(t->reader, ST_RES, S("key"), &v));
		assert_slice(v, slice_of(value, n));
		st_release(t->reader);
	}
}

static void a_second_process_is_turned_away(void **state)
{
	struct test_store *t = *state;
	struct test_store other = *t;
	char pid[32];
	int status;
	pid_t child = fork();

	if (child == 0) /* in another process */
		_exit(test_store_try(&other, 0) == RC_BUSY ? 0 : 1);
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	assert_rc(test_store_try(&other, 0), RC_BUSY); /* in this one */
	snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	assert_non_null(strstr(other.why, pid));
	assert_non_null(strstr(other.why, t->path));
	put1(t, ST_RES, S("a"), S("1")); /* the first is not disturbed */
	test_store_reopen(t, 0);         /* and the lock goes with it */
}

static void one_may_look_beside_the_writer(void **state)
{
	struct test_store *t = *state;
	struct store_options o = { .path = t->path, .readers = 4, .read_only = true };
	struct store *looker;
	struct st_tx *tx;
	struct slice v;
	char why[256];
	int status;
	pid_t child;

	put1(t, ST_RES, S("a"), S("1"));
	child = fork();
	if (child == 0) {
		bool good = store_open(&o, &looker, why) == RC_OK && st_reader_new(looker, &tx) == RC_OK && st_renew(tx) == RC_OK &&
			    st_get(tx, ST_RES, S("a"), &v) == RC_OK && st_begin(looker, &tx) != RC_OK;
		_exit(good ? 0 : 1);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	put1(t, ST_RES, S("b"), S("1"));
}

static void set_mark(struct test_store *t, uint32_t order, uint32_t schema)
{
	uint32_t m[2] = { order, schema };

	put1(t, ST_META, S("schema"), slice_of((const char *)m, sizeof(m)));
	test_store_close(t);
}

static void a_newer_schema_is_refused(void **state)
{
	struct test_store *t = *state;

	set_mark(t, 0x01020304, ST_SCHEMA + 41);
	assert_rc(test_store_try(t, 0), RC_VERSION);
	assert_non_null(strstr(t->why, "schema 42"));
	assert_non_null(strstr(t->why, "reads schema 1"));
}

static void another_byte_order_is_refused(void **state)
{
	struct test_store *t = *state;

	set_mark(t, 0x04030201, ST_SCHEMA << 24);
	assert_rc(test_store_try(t, 0), RC_VERSION);
	assert_non_null(strstr(t->why, "byte order"));
}

static void what_is_no_store_is_refused(void **state)
{
	struct test_store *t = *state;
	char file[128], junk[8192];
	int fd;

	test_store_close(t);
	snprintf(file, sizeof(file), "%s/data.mdb", t->path);
	fd = open(file, O_WRONLY | O_TRUNC);
	memset(junk, 'j', sizeof(junk));
	assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
	close(fd);
	assert_rc(test_store_try(t, 0), RC_IO);
	assert_non_null(strstr(t->why, "no store"));
}

static void a_folder_that_cannot_be_made_is_told(void **state)
{
	struct test_store *t = *state;
	struct store_options o = { .path = "/nowhere/at/all", .readers = 1 };
	struct store *s;

	assert_rc(store_open(&o, &s, t->why), RC_IO);
	assert_non_null(strstr(t->why, "/nowhere/at/all"));
	o = (struct store_options){ .path = t->path, .readers = 1, .read_only = true };
	t->path[strlen(t->path) - 1] ^= 1;
	assert_rc(store_open(&o, &s, t->why), RC_IO);
	t->path[strlen(t->path) - 1] ^= 1;
}

/* Fill a small store until it refuses; then what was acknowledged is there, removing works, and afterwards there is room again. */
static void a_full_store_still_removes(void **state)
{
	struct test_store *t = *state;
	char value[3000] = { 1 };
	char key[16];
	unsigned stored = 0, left;
	enum reeve_rc rc;
	struct st_tx *tx;

	test_store_reopen(t, 1u << 20);
	for (;;) {
		assert_ok(st_begin(t->s, &tx));
		rc = st_tight(tx) ? RC_FULL : RC_OK;
		snprintf(key, sizeof(key), "%08u", stored);
		if (rc == RC_OK)
			rc = st_put(tx, ST_RES, slice_str(key), slice_of(value, sizeof(value)));
		if (rc != RC_OK) {
			st_abort(tx);
			break;
		}
		assert_ok(st_commit(tx));
		assert_true(++stored < 400);
	}
	assert_rc(rc, RC_FULL);
	assert_true(stored > 100);
	assert_true(strlen(st_why(t->s)) > 0);
	/* without heed of the reserve it ends at the map's end, and nothing of that transaction is kept */
	assert_ok(st_begin(t->s, &tx));
	for (unsigned i = 0; i < 400 && rc != RC_OK; i++) {
		snprintf(key, sizeof(key), "x%07u", i);
		rc = st_put(tx, ST_RES, slice_str(key), slice_of(value, sizeof(value)));
		if (rc != RC_OK)
			break;
		rc = RC_FULL;
	}
	assert_rc(rc, RC_FULL);
	assert_rc(st_commit(tx), RC_FULL);
	for (left = stored; left > stored / 2; left--) {
		assert_ok(st_begin(t->s, &tx));
		snprintf(key, sizeof(key), "%08u", left - 1);
		assert_ok(st_del(tx, ST_RES, slice_str(key)));
		assert_ok(st_commit(tx));
	}
	assert_ok(st_begin(t->s, &tx));
	assert_false(st_tight(tx));
	assert_int_equal(st_entries(tx, ST_RES), left);
	assert_ok(st_put(tx, ST_RES, S("again"), slice_of(value, sizeof(value))));
	assert_ok(st_commit(tx));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void less_address_space_is_enough(void **state)
{
	struct test_store *t = *state;
	struct store_stat st;
	int status;
	pid_t child;

	test_store_close(t);
	child = fork();
	if (child == 0) {
		struct rlimit r = { (rlim_t)6 << 30, (rlim_t)6 << 30 };
		int good = setrlimit(RLIMIT_AS, &r) == 0 && freopen("/dev/null", "w", stderr) && test_store_try(t, 0) == RC_OK;
		if (good) {
			store_stat(t->s, &st);
			good = st.bytes_max == (uint64_t)4 << 30;
		}
		_exit(good ? 0 : 1);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	test_store_open(t, 0);
}
#endif

static void stat_tells_what_is_there(void **state)
{
	struct test_store *t = *state;
	struct store_stat st;

	put1(t, ST_DUE, S("a"), S("1"));
	put1(t, ST_DUE, S("b"), S("1"));
	store_stat(t->s, &st);
	assert_int_equal(st.entries[ST_DUE], 2);
	assert_int_equal(st.entries[ST_RES], 0);
	assert_true(st.bytes_used > 0 && st.bytes_used < st.bytes_max);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(put_get_del),
		store_test(keys_have_a_limit),
		store_test(cursor_walks_both_ways),
		store_test(a_reader_sees_one_state),
		store_test(an_aborted_transaction_leaves_nothing),
		store_test(a_reader_cannot_write),
		store_test(patch_keeps_the_rest),
		store_test(a_second_process_is_turned_away),
		store_test(one_may_look_beside_the_writer),
		store_test(a_newer_schema_is_refused),
		store_test(another_byte_order_is_refused),
		store_test(what_is_no_store_is_refused),
		store_test(a_folder_that_cannot_be_made_is_told),
		store_test(a_full_store_still_removes),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
		store_test(less_address_space_is_enough),
#endif
		store_test(stat_tells_what_is_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
