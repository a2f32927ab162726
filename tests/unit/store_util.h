/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a temporary folder, for tests. Include after cmocka.h. */
#ifndef REEVE_TESTS_STORE_UTIL_H
#define REEVE_TESTS_STORE_UTIL_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/store.h"

#define assert_rc(call, want) assert_string_equal(rc_name(call), rc_name(want))
#define assert_ok(call) assert_rc(call, RC_OK)
#define assert_slice(s, want) do { \
		struct slice got_ = (s), want_ = (want); \
		assert_int_equal(got_.n, want_.n); \
		assert_memory_equal(got_.p ? got_.p : "", want_.p ? want_.p : "", want_.n); \
	} while (0)

struct test_store {
	char path[64];
	struct store *s;
	struct st_tx *reader;
	char why[256];
};

static inline enum reeve_rc test_store_try(struct test_store *t, uint64_t max)
{
	struct store_options o = { .path = t->path, .max_bytes = max, .readers = 16, .no_sync = true };
	t->s = NULL;
	return store_open(&o, &t->s, t->why);
}

static inline void test_store_open(struct test_store *t, uint64_t max)
{
	enum reeve_rc rc = test_store_try(t, max);
	if (rc != RC_OK)
		print_error("%s\n", t->why);
	assert_ok(rc);
	assert_ok(st_reader_new(t->s, &t->reader));
}

static inline void test_store_close(struct test_store *t)
{
	st_reader_free(t->reader);
	store_close(t->s);
	t->s = NULL;
	t->reader = NULL;
}

static inline void test_store_reopen(struct test_store *t, uint64_t max)
{
	test_store_close(t);
	test_store_open(t, max);
}

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static inline int test_store_setup(void **state)
{
	struct test_store *t = calloc(1, sizeof(*t));
	const char *tmp = getenv("TMPDIR");

	snprintf(t->path, sizeof(t->path), "%.40s/reeve-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(t->path))
		return -1;
	test_store_open(t, 0);
	*state = t;
	return 0;
}

static inline int test_store_teardown(void **state)
{
	struct test_store *t = *state;

	if (t->s)
		test_store_close(t);
	nftw(t->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(t);
	return 0;
}

#define store_test(f) cmocka_unit_test_setup_teardown(f, test_store_setup, test_store_teardown)

#endif
