/* SPDX-License-Identifier: Apache-2.0 */
/* A tree under a write transaction, for tests. Include after store_util.h. */
#ifndef REEVE_TESTS_TREE_UTIL_H
#define REEVE_TESTS_TREE_UTIL_H

#include "resource/tree.h"
#include "store_util.h"

struct test_tree {
	struct test_store *store;
	struct st_tx *tx;
	struct tree_seq seq;
};

#define TEST_T0 (INT64_C(1700000000) * USEC_S)

static inline struct res_new test_new(uint16_t ty, const char *name)
{
	return (struct res_new){
		.h = { .ty = ty, .ct = TEST_T0, .lt = TEST_T0, .et = TEST_T0 + 1000000 * USEC_S, .mni = UINT64_MAX },
		.name = slice_str(name),
	};
}

/* Begin a transaction; the base is there from the first. */
static inline void test_tree_begin(struct test_tree *t, struct test_store *s)
{
	struct res_new nw = test_new(5, "cse");
	struct res r;

	t->store = s;
	assert_ok(st_begin(s->s, &t->tx));
	assert_ok(tree_seq_load(t->tx, &t->seq));
	nw.h.et = USEC_NEVER;
	nw.ri = S("id-in");
	if (tree_get(t->tx, (struct res_key){ 0, RES_ROOT }, &r) == RC_NOTFOUND)
		assert_ok(tree_insert(t->tx, &t->seq, NULL, &nw, &r));
}

static inline void test_tree_end(struct test_tree *t)
{
	assert_ok(tree_seq_save(t->tx, &t->seq));
	assert_ok(st_commit(t->tx));
	t->tx = NULL;
}

static inline void test_tree_commit(struct test_tree *t)
{
	test_tree_end(t);
	assert_ok(st_begin(t->store->s, &t->tx));
}

static inline struct res test_get(struct test_tree *t, struct res_key key)
{
	struct res r;
	assert_ok(tree_get(t->tx, key, &r));
	return r;
}

static inline void test_base(struct test_tree *t, struct res *out)
{
	*out = test_get(t, (struct res_key){ 0, RES_ROOT });
}

/* The parent may be an old view: it is read again. */
static inline struct res test_add(struct test_tree *t, const struct res *parent, uint16_t ty, const char *name)
{
	struct res_new nw = test_new(ty, name);
	struct res p = test_get(t, parent->key), r;

	assert_ok(tree_insert(t->tx, &t->seq, &p, &nw, &r));
	return r;
}

static inline void test_counts(struct test_tree *t, uint64_t out[ST_TABLES])
{
	for (int i = 0; i < ST_TABLES; i++)
		out[i] = st_entries(t->tx, (enum st_table)i);
}

static inline unsigned test_walk(struct test_tree *t, uint64_t parent, enum tree_walk what, int32_t ty)
{
	struct tree_iter it;
	struct res_key last = { parent, 0 };
	struct res r;
	unsigned n = 0;

	assert_ok(ty ? tree_children_of_type(t->tx, parent, ty, &it) : tree_children(t->tx, parent, what, &it));
	for (; tree_next(&it, &r) == RC_OK; n++) {
		assert_int_equal(r.key.parent, parent);
		assert_true(r.key.n > last.n);
		assert_true(ty == 0 || r.h.ty == ty);
		last = r.key;
	}
	tree_end(&it);
	return n;
}

static inline unsigned test_find(struct tree_find *f)
{
	struct res r;
	unsigned n = 0;

	while (tree_find_next(f, &r) == RC_OK)
		n++;
	tree_find_end(f);
	return n;
}

static inline unsigned test_find_label(struct test_tree *t, struct slice label)
{
	struct tree_find f;
	assert_ok(tree_find_label(t->tx, label, &f));
	return test_find(&f);
}

#endif
