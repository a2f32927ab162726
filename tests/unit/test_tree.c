/* SPDX-License-Identifier: Apache-2.0 */
/* The tree: each promise of tree.h by itself. Random histories against a model are in test_tree_random.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "store_util.h"
#include "tree_util.h"

static const usec T0 = INT64_C(1700000000) * USEC_S;

static void the_base_is_the_root(void **state)
{
	struct test_tree t;
	struct res r, p;

	test_tree_begin(&t, *state);
	assert_ok(tree_get(t.tx, (struct res_key){ 0, RES_ROOT }, &r));
	assert_slice(res_rn(&r), S("cse"));
	assert_slice(res_ri(&r), S("id-in"));
	assert_slice(res_member(&r, S("pi")), S("\"\""));
	assert_rc(tree_parent(t.tx, &r, &p), RC_NOTFOUND);
	assert_true(tree_alive(t.tx, &r, T0));
	assert_rc(tree_insert(t.tx, &t.seq, NULL, &(struct res_new){ .h = { .ty = 5 }, .name = S("x"), .ri = S("y") }, &r), RC_EXISTS);
	test_tree_end(&t);
}

static void children_are_found_by_key_name_and_generated_name(void **state)
{
	struct test_tree t;
	struct res base, named, unnamed, cin, r;

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	named = test_add(&t, &base, 3, "room");
	unnamed = test_add(&t, &base, 3, "");
	cin = test_add(&t, &named, 4, "");
	assert_ok(tree_child(t.tx, RES_ROOT, S("room"), &r));
	assert_int_equal(r.key.n, named.key.n);
	named = r;
	assert_slice(res_member(&r, S("pi")), S("\"id-in\"")); /* pi is the parent's ri */
	assert_rc(tree_child(t.tx, RES_ROOT, res_ri(&r), &named), RC_NOTFOUND); /* the id of a named one is no name */
	assert_ok(tree_get(t.tx, unnamed.key, &unnamed));
	assert_slice(res_rn(&unnamed), res_ri(&unnamed));
	assert_ok(tree_child(t.tx, RES_ROOT, res_rn(&unnamed), &r));
	assert_int_equal(r.key.n, unnamed.key.n);
	assert_rc(tree_child(t.tx, named.key.n, res_rn(&unnamed), &r), RC_NOTFOUND); /* nor under another parent */
	assert_rc(tree_child(t.tx, RES_ROOT, S(""), &r), RC_NOTFOUND);
	assert_ok(tree_get(t.tx, cin.key, &cin));
	assert_true(res_is_instance(&cin));
	assert_slice(res_ri(&cin), res_rn(&cin));
	assert_ok(tree_parent(t.tx, &cin, &r));
	assert_slice(res_rn(&r), S("room"));
	assert_int_equal(cin.h.grandparent, RES_ROOT);
	test_tree_end(&t);
}

static void an_instance_is_one_entry(void **state)
{
	struct test_tree t;
	struct res base, cnt;
	uint64_t before[ST_TABLES], changes;

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	cnt = test_add(&t, &base, 3, "room");
	cnt = test_get(&t, cnt.key);
	test_add(&t, &cnt, 4, ""); /* the first marks its parent */
	cnt = test_get(&t, cnt.key);
	test_counts(&t, before);
	changes = st_changes(t.tx);
	test_add(&t, &cnt, 4, "");
	assert_int_equal(st_changes(t.tx) - changes, 1);
	for (int i = 0; i < ST_TABLES; i++)
		assert_int_equal(st_entries(t.tx, (enum st_table)i) - before[i], i == ST_RES);
	test_tree_end(&t);
}

static void names_are_taken_once(void **state)
{
	struct test_tree t;
	struct res base, a, b, r;
	struct res_new nw = test_new(3, "room");

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	a = test_add(&t, &base, 3, "room");
	assert_rc(tree_insert(t.tx, &t.seq, &base, &nw, &r), RC_EXISTS);
	test_add(&t, &a, 3, "room"); /* elsewhere it is free */
	b = test_add(&t, &base, 3, "");
	b = test_get(&t, b.key);
	nw.name = res_rn(&b); /* a client asks for the generated name of another */
	assert_rc(tree_insert(t.tx, &t.seq, &base, &nw, &r), RC_EXISTS);
	assert_ok(tree_remove(t.tx, &a));
	nw.name = S("room");
	assert_ok(tree_insert(t.tx, &t.seq, &base, &nw, &r)); /* free again at once */
	assert_int_equal(st_entries(t.tx, ST_TRASH), 1);
	test_tree_end(&t);
}

static void a_name_cannot_break_the_text(void **state)
{
	static const char *const bad[] = { "a\"b", "a\\b", "a b", "a\nb", "\x7f" };
	struct test_tree t;
	struct res base, r;
	char name[600];
	struct res_new nw = test_new(3, "");

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		nw.name = slice_str(bad[i]);
		assert_rc(tree_insert(t.tx, &t.seq, &base, &nw, &r), RC_INVALID);
		nw.name = S("");
		nw.stem = slice_str(bad[i]);
		assert_rc(tree_insert(t.tx, &t.seq, &base, &nw, &r), RC_INVALID);
		nw.stem = S("");
	}
	memset(name, 'n', sizeof(name));
	nw.name = slice_of(name, ST_KEY_MAX - 8);
	assert_ok(tree_insert(t.tx, &t.seq, &base, &nw, &r));
	nw.name = slice_of(name, ST_KEY_MAX - 7);
	assert_rc(tree_insert(t.tx, &t.seq, &base, &nw, &r), RC_INVALID);
	nw = test_new(3, "big");
	nw.creator = slice_of(name, (size_t)UINT16_MAX + 1); /* only its length is looked at */
	assert_rc(tree_insert(t.tx, &t.seq, &base, &nw, &r), RC_INVALID);
	test_tree_end(&t);
}

/* A client names children as the tree would name the next ones. */
static void odd_names_are_stepped_over(void **state)
{
	struct test_tree t;
	struct res base, cnt, r;
	char id[RES_ID_MAX];
	struct res_new nw = test_new(4, "");
	uint64_t next;

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	cnt = test_add(&t, &base, 3, "room");
	next = t.seq.next;
	for (uint64_t i = 1; i <= 3; i++) { /* each takes an ordinal itself */
		struct res_key want = { cnt.key.n, RES_INSTANCE | (next + 3 + i) };
		nw.name = slice_of(id, res_id_write(want, id));
		cnt = test_get(&t, cnt.key);
		assert_ok(tree_insert(t.tx, &t.seq, &cnt, &nw, &r));
	}
	cnt = test_get(&t, cnt.key);
	assert_true(cnt.h.marks & TREE_ODD_NAMES);
	cnt.h.marks = 0;
	cnt.h.st = 99;
	assert_ok(tree_touch(t.tx, &cnt)); /* the mark is the tree's */
	cnt = test_get(&t, cnt.key);
	assert_true(cnt.h.marks & TREE_ODD_NAMES);
	assert_int_equal(cnt.h.st, 99);
	assert_int_equal(t.seq.next, next + 3);
	for (int i = 0; i < 4; i++) {
		struct res_key key;
		cnt = test_get(&t, cnt.key);
		r = test_add(&t, &cnt, 4, "");
		key = r.key;
		r = test_get(&t, key);
		assert_ok(tree_child(t.tx, cnt.key.n, res_rn(&r), &r));
		assert_int_equal(r.key.n, key.n); /* its name leads to itself */
	}
	assert_int_equal(t.seq.next, next + 3 + 4 + 3);
	test_tree_end(&t);
}

static void stems_lead_to_entities(void **state)
{
	struct test_tree t;
	struct res base, cnt, r;
	struct res_new nw = test_new(2, "app");

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	nw.stem = S("Csensor");
	assert_ok(tree_insert(t.tx, &t.seq, &base, &nw, &r));
	assert_ok(tree_stem(t.tx, S("Csensor"), &r));
	assert_slice(res_ri(&r), S("Csensor"));
	assert_slice(res_rn(&r), S("app"));
	assert_ok(tree_child(t.tx, RES_ROOT, S("app"), &r));
	cnt = test_add(&t, &r, 3, "data");
	cnt = test_get(&t, cnt.key);
	assert_slice(res_member(&cnt, S("pi")), S("\"Csensor\"")); /* pi of an AE's child is the stem */
	nw.name = S("app2");
	assert_rc(tree_insert(t.tx, &t.seq, &base, &nw, &r), RC_EXISTS);
	assert_rc(tree_child(t.tx, RES_ROOT, S("app2"), &r), RC_NOTFOUND); /* a refused one leaves nothing */
	assert_ok(tree_stem(t.tx, S("Csensor"), &r));
	assert_ok(tree_remove(t.tx, &r));
	assert_rc(tree_stem(t.tx, S("Csensor"), &r), RC_NOTFOUND);
	assert_rc(tree_child(t.tx, RES_ROOT, S("app"), &r), RC_NOTFOUND);
	assert_ok(tree_insert(t.tx, &t.seq, &base, &nw, &r));
	test_tree_end(&t);
}

static void walks_are_in_order_and_by_kind(void **state)
{
	struct test_tree t;
	struct res base, cnt, other, r;
	struct tree_iter it;
	uint64_t cin[3], sub[2];

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	cnt = test_add(&t, &base, 3, "room");
	other = test_add(&t, &base, 3, "next");
	cin[0] = test_add(&t, &cnt, 4, "").key.n;
	sub[0] = test_add(&t, &cnt, 3, "").key.n;
	cin[1] = test_add(&t, &cnt, 4, "").key.n;
	test_add(&t, &other, 4, "");
	sub[1] = test_add(&t, &cnt, 3, "").key.n;
	test_add(&t, &cnt, 2, "ae");
	cin[2] = test_add(&t, &cnt, 4, "").key.n;

	assert_int_equal(test_walk(&t, cnt.key.n, TREE_ALL, 0), 6);
	assert_int_equal(test_walk(&t, cnt.key.n, TREE_NO_INSTANCES, 0), 3);
	assert_int_equal(test_walk(&t, cnt.key.n, TREE_INSTANCES, 0), 3);
	assert_int_equal(test_walk(&t, cnt.key.n, TREE_ALL, 3), 2);
	assert_int_equal(test_walk(&t, cnt.key.n, TREE_ALL, 4), 3);
	assert_int_equal(test_walk(&t, cnt.key.n, TREE_ALL, 23), 0);
	assert_ok(tree_children(t.tx, cnt.key.n, TREE_INSTANCES, &it));
	for (int i = 0; i < 3; i++) {
		assert_ok(tree_next(&it, &r));
		assert_int_equal(r.key.n, cin[i]);
	}
	assert_rc(tree_next(&it, &r), RC_NOTFOUND);
	tree_end(&it);
	assert_ok(tree_children_of_type(t.tx, cnt.key.n, 3, &it));
	for (int i = 0; i < 2; i++) {
		assert_ok(tree_next(&it, &r));
		assert_int_equal(r.key.n, sub[i]);
	}
	tree_end(&it);
	assert_ok(tree_latest(t.tx, cnt.key.n, T0, &r));
	assert_int_equal(r.key.n, cin[2]);
	assert_ok(tree_oldest(t.tx, cnt.key.n, T0, &r));
	assert_int_equal(r.key.n, cin[0]);
	assert_rc(tree_latest(t.tx, sub[0], T0, &r), RC_NOTFOUND);
	assert_rc(tree_oldest(t.tx, sub[0], T0, &r), RC_NOTFOUND);
	assert_rc(tree_latest(t.tx, cin[2], T0, &r), RC_NOTFOUND); /* the end of the table */
	test_tree_end(&t);
}

static void latest_and_oldest_are_alive(void **state)
{
	struct test_tree t;
	struct res base, cnt, r;
	struct res_new nw = test_new(4, "");
	uint64_t n[4];

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	cnt = test_add(&t, &base, 3, "room");
	for (int i = 0; i < 4; i++) {
		nw.h.et = i == 1 || i == 2 ? T0 + 10 : T0;
		assert_ok(tree_insert(t.tx, &t.seq, &cnt, &nw, &r));
		n[i] = r.key.n;
	}
	assert_ok(tree_latest(t.tx, cnt.key.n, T0, &r));
	assert_int_equal(r.key.n, n[2]);
	assert_ok(tree_oldest(t.tx, cnt.key.n, T0, &r));
	assert_int_equal(r.key.n, n[1]);
	assert_rc(tree_latest(t.tx, cnt.key.n, T0 + 10, &r), RC_NOTFOUND);
	assert_rc(tree_oldest(t.tx, cnt.key.n, T0 + 10, &r), RC_NOTFOUND);
	test_tree_end(&t);
}

/* A walk goes on behind what was removed and sees what was added. */
static void a_walk_survives_changes(void **state)
{
	struct test_tree t;
	struct res base, cnt, r;
	struct tree_iter it;
	unsigned seen = 0;

	for (int by_type = 0; by_type < 2; by_type++) {
		test_tree_begin(&t, *state);
		test_base(&t, &base);
		cnt = test_add(&t, &base, 3, "");
		for (int i = 0; i < 500; i++)
			test_add(&t, &cnt, 3, "");
		assert_ok(by_type ? tree_children_of_type(t.tx, cnt.key.n, 3, &it) : tree_children(t.tx, cnt.key.n, TREE_ALL, &it));
		for (seen = 0; tree_next(&it, &r) == RC_OK; seen++) {
			assert_ok(tree_remove(t.tx, &r));
			if (seen % 3 == 0)
				test_add(&t, &base, 3, "");
		}
		tree_end(&it);
		assert_int_equal(seen, 500);
		assert_int_equal(test_walk(&t, cnt.key.n, TREE_ALL, 0), 0);
		test_tree_end(&t);
	}
}

static void labels_are_found_and_follow_updates(void **state)
{
	struct test_tree t;
	struct res base, a, b;
	struct slice two[] = { S("kind:lamp"), S("room") }, one[] = { S("room") };
	struct res_new nw = test_new(3, "a");

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	nw.attrs = S("\"lbl\":[\"kind:lamp\",\"room\"]");
	nw.labels = two;
	nw.n_labels = 2;
	assert_ok(tree_insert(t.tx, &t.seq, &base, &nw, &a));
	nw.name = S("b");
	nw.attrs = S("\"mni\":3,\"lbl\":[\"room\"]");
	nw.labels = one;
	nw.n_labels = 1;
	assert_ok(tree_insert(t.tx, &t.seq, &base, &nw, &b));
	assert_int_equal(test_find_label(&t, S("room")), 2);
	assert_int_equal(test_find_label(&t, S("kind:lamp")), 1);
	assert_int_equal(test_find_label(&t, S("kind")), 0);
	assert_ok(tree_replace(t.tx, &a, &nw, &a)); /* a loses kind:lamp, keeps room */
	assert_int_equal(test_find_label(&t, S("room")), 2);
	assert_int_equal(test_find_label(&t, S("kind:lamp")), 0);
	nw.labels = NULL;
	nw.n_labels = 0;
	nw.attrs = S("");
	assert_ok(tree_replace(t.tx, &a, &nw, &a));
	assert_slice(res_rn(&a), S("a"));
	assert_null(res_member(&a, S("mni")).p);
	assert_int_equal(test_find_label(&t, S("room")), 1);
	b = test_get(&t, b.key);
	assert_ok(tree_remove(t.tx, &b));
	assert_int_equal(test_find_label(&t, S("room")), 0);
	assert_int_equal(st_entries(t.tx, ST_LABEL), 0);
	test_tree_end(&t);
}

/* Two labels of one hash cannot be had; an entry of a label that the record has not stands for one. */
static void a_collision_is_not_seen(void **state)
{
	struct test_tree t;
	struct slice other[] = { S("other") };
	struct res base, r;
	struct res_new nw = test_new(3, "a");

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	nw.attrs = S("\"lbl\":[\"mine\"]");
	nw.labels = other;
	nw.n_labels = 1;
	assert_ok(tree_insert(t.tx, &t.seq, &base, &nw, &r));
	assert_int_equal(st_entries(t.tx, ST_LABEL), 1);
	assert_int_equal(test_find_label(&t, S("other")), 0);
	test_tree_end(&t);
}

static void escaped_labels_are_unescaped(void **state)
{
	_Alignas(16) char first[512];
	struct arena a;
	struct test_tree t;
	struct res base, r;
	struct slice *labels;
	size_t n;
	struct slice lbl[] = { S("say \"hi\"") };
	struct res_new nw = test_new(3, "a");

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	nw.attrs = S("\"lbl\":[\"say \\\"hi\\\"\"]");
	nw.labels = lbl;
	nw.n_labels = 1;
	assert_ok(tree_insert(t.tx, &t.seq, &base, &nw, &r));
	arena_init(&a, first, sizeof(first), 65536);
	assert_ok(res_labels(&a, &r, &labels, &n));
	assert_int_equal(n, 1);
	assert_slice(labels[0], S("say \"hi\""));
	arena_reset(&a);
	assert_int_equal(test_find_label(&t, S("say \"hi\"")), 1);
	assert_ok(tree_remove(t.tx, &r));
	assert_int_equal(st_entries(t.tx, ST_LABEL), 0);
	test_tree_end(&t);
}

static void paths_and_ancestors(void **state)
{
	struct test_tree t;
	struct res base, r, cut;
	uint64_t chain[12];
	struct buf b;

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	r = base;
	for (int i = 0; i < 12; i++) {
		char name[16];
		snprintf(name, sizeof(name), "n%d", i);
		r = test_add(&t, &r, 3, name);
		r = test_get(&t, r.key);
		chain[i] = r.key.n;
	}
	buf_init(&b, 4096);
	buf_lit(&b, "=");
	assert_ok(tree_path(t.tx, &r, &b));
	assert_slice(buf_view(&b), S("=cse/n0/n1/n2/n3/n4/n5/n6/n7/n8/n9/n10/n11"));
	buf_clear(&b);
	assert_ok(tree_path(t.tx, &base, &b));
	assert_slice(buf_view(&b), S("cse"));
	buf_free(&b);
	buf_init(&b, 10);
	assert_rc(tree_path(t.tx, &r, &b), RC_NOMEM);
	buf_free(&b);
	for (int i = 0; i < 12; i++)
		assert_true(tree_below(t.tx, &r, chain[i]));
	assert_true(tree_below(t.tx, &r, RES_ROOT));
	assert_false(tree_below(t.tx, &base, chain[0]));
	assert_false(tree_below(t.tx, &r, 4711));
	assert_ok(tree_get(t.tx, (struct res_key){ chain[4], chain[5] }, &cut));
	assert_ok(tree_remove(t.tx, &cut));
	assert_false(tree_below(t.tx, &r, chain[2]));
	assert_false(tree_alive(t.tx, &r, T0));
	assert_true(tree_alive(t.tx, &base, T0));
	test_tree_end(&t);
}

struct count { struct st_tx *tx; unsigned n; bool leave; };
static enum reeve_rc counting(void *ctx, const struct res *r)
{
	struct count *c = ctx;
	struct res again;

	assert_ok(tree_get(c->tx, r->key, &again)); /* it is still there */
	c->n++;
	return RC_OK;
}
static enum reeve_rc removing(void *ctx, const struct res *r)
{
	struct count *c = ctx;

	c->n++;
	return c->leave ? RC_OK : tree_remove(c->tx, r);
}

/* CORE: a deleted subtree is unreachable at once, and gone after the sweep, whatever its shape. */
static void a_subtree_goes_in_bounded_steps(void **state)
{
	struct test_tree t;
	struct res base, top, mid, leaf;
	uint64_t before[ST_TABLES], after[ST_TABLES];
	unsigned rounds = 0;
	struct count c;
	bool more = true;

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	test_add(&t, &base, 3, "stays");
	base = test_get(&t, base.key);
	test_counts(&t, before);
	top = test_add(&t, &base, 3, "top");
	for (int i = 0; i < 20; i++) {
		mid = test_add(&t, &top, 3, i % 2 ? "" : (char[]){ 'm', (char)('a' + i), 0 });
		for (int j = 0; j < 30; j++)
			test_add(&t, &mid, 4, "");
	}
	leaf = test_add(&t, &mid, 3, "deep");
	leaf = test_get(&t, leaf.key);
	top = test_get(&t, top.key);
	assert_true(tree_alive(t.tx, &leaf, T0));
	assert_ok(tree_remove(t.tx, &top));
	leaf = test_get(&t, leaf.key);
	assert_false(tree_alive(t.tx, &leaf, T0));
	c = (struct count){ .tx = t.tx };
	for (; more; rounds++) {
		unsigned was = c.n;
		test_tree_commit(&t);
		c.tx = t.tx;
		assert_ok(tree_sweep(t.tx, 50, counting, &c, &more));
		assert_true(c.n - was <= 50);
	}
	assert_int_equal(c.n, 20 + 20 * 30 + 1);
	assert_true(rounds > 12);
	test_counts(&t, after);
	for (int i = 0; i < ST_TABLES; i++)
		if (i != ST_META)
			assert_int_equal(before[i], after[i]);
	test_tree_end(&t);
}

static usec et_of(struct test_tree *t, struct res_key key)
{
	struct res r = test_get(t, key);
	return r.h.et;
}

static void set_et(struct test_tree *t, struct res_key key, usec et)
{
	struct res r = test_get(t, key);
	struct res_new nw = { .h = r.h };

	nw.h.et = et;
	assert_ok(tree_replace(t->tx, &r, &nw, &r));
	assert_int_equal(et_of(t, key), et);
}

static unsigned run_due(struct test_tree *t, usec now, size_t budget)
{
	struct count c = { .tx = t->tx };
	bool more = true;

	while (more)
		assert_ok(tree_due(t->tx, now, budget, removing, &c, &more));
	return c.n;
}

static void what_expires_is_found(void **state)
{
	struct test_tree t;
	struct res base, cnt, r;
	struct res_new nw = test_new(3, "");

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	assert_int_equal(tree_next_due(t.tx), USEC_NEVER);
	nw.h.et = T0 + 100;
	assert_ok(tree_insert(t.tx, &t.seq, &base, &nw, &cnt));
	cnt = test_get(&t, cnt.key);
	assert_int_equal(tree_next_due(t.tx), T0 + 100);
	nw.h.et = T0 + 100; /* goes with its parent */
	assert_ok(tree_insert(t.tx, &t.seq, &cnt, &nw, &r));
	assert_int_equal(st_entries(t.tx, ST_DUE), 1);
	cnt = test_get(&t, cnt.key);
	nw.h.et = T0 + 50;
	nw.h.ty = 4;
	assert_ok(tree_insert(t.tx, &t.seq, &cnt, &nw, &r));
	assert_int_equal(tree_next_due(t.tx), T0 + 50);
	assert_int_equal(run_due(&t, T0 + 49, 10), 0);
	assert_int_equal(run_due(&t, T0 + 50, 10), 1);
	assert_rc(tree_get(t.tx, r.key, &r), RC_NOTFOUND);
	assert_int_equal(run_due(&t, T0 + 99, 10), 0);
	assert_int_equal(run_due(&t, T0 + 100, 10), 1); /* only the top: the rest is swept */
	assert_int_equal(st_entries(t.tx, ST_DUE), 0);
	assert_int_equal(st_entries(t.tx, ST_TRASH), 1);
	test_tree_end(&t);
}

/* A child that would have gone with its parent still goes at its own time when the parent is given more. */
static void a_parent_that_lives_on_leaves_its_children_behind(void **state)
{
	static const usec moves[][3] = {
		/* the parent's et before, meanwhile, and at last; the children's is 100 */
		{ 100, 300, 300 }, { 100, 50, 300 }, { 60, 300, 300 }, { 60, 80, 300 }, { 100, 300, 100 }, { 100, 300, 200 },
	};

	for (size_t m = 0; m < sizeof(moves) / sizeof(moves[0]); m++)
		for (size_t budget = 1; budget < 20; budget += 6) {
			struct test_tree t;
			struct res base, cnt, keep;
			struct res_new nw = test_new(3, "");
			unsigned gone;

			test_tree_begin(&t, *state);
			test_base(&t, &base);
			nw.h.et = T0 + moves[m][0];
			assert_ok(tree_insert(t.tx, &t.seq, &base, &nw, &cnt));
			for (int i = 0; i < 10; i++) {
				struct res child;
				cnt = test_get(&t, cnt.key);
				nw.h.et = T0 + (i == 5 ? 1000 : 100);
				assert_ok(tree_insert(t.tx, &t.seq, &cnt, &nw, &child));
				keep = i == 5 ? child : keep;
			}
			set_et(&t, cnt.key, T0 + moves[m][1]);
			set_et(&t, cnt.key, T0 + moves[m][2]);
			assert_int_equal(run_due(&t, T0 + 99, budget), 0);
			gone = run_due(&t, T0 + 100, budget);
			if (moves[m][2] == 100) {
				assert_int_equal(gone, 1); /* all together */
				assert_rc(tree_get(t.tx, cnt.key, &cnt), RC_NOTFOUND);
			} else {
				assert_int_equal(gone, 9);
				assert_int_equal(test_walk(&t, cnt.key.n, TREE_ALL, 0), 1);
				assert_int_equal(run_due(&t, T0 + moves[m][2], budget), 1);
			}
			st_abort(t.tx);
		}
}

/* The look that a hint asks for finds children that go with their parent again: the next change of its et must not forget them. */
static void a_parent_that_lives_on_twice(void **state)
{
	struct test_tree t;
	struct res base, cnt, child;
	struct res_new nw = test_new(3, "");

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	nw.h.et = T0 + 100;
	assert_ok(tree_insert(t.tx, &t.seq, &base, &nw, &cnt));
	nw.h.et = T0 + 150;
	assert_ok(tree_insert(t.tx, &t.seq, &cnt, &nw, &child));
	set_et(&t, cnt.key, T0 + 120);
	assert_int_equal(run_due(&t, T0 + 110, 5), 0);
	set_et(&t, cnt.key, T0 + 200);
	assert_int_equal(run_due(&t, T0 + 149, 5), 0);
	assert_int_equal(run_due(&t, T0 + 150, 5), 1);
	assert_rc(tree_get(t.tx, child.key, &child), RC_NOTFOUND);
	assert_ok(tree_get(t.tx, cnt.key, &cnt));
	st_abort(t.tx);
}

static void what_is_left_is_asked_about_later(void **state)
{
	struct test_tree t;
	struct res base, r;
	struct res_new nw = test_new(3, "");
	struct count c = { .leave = true };
	bool more;

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	nw.h.et = T0;
	assert_ok(tree_insert(t.tx, &t.seq, &base, &nw, &r));
	c.tx = t.tx;
	assert_ok(tree_due(t.tx, T0, 10, removing, &c, &more));
	assert_false(more);
	assert_int_equal(c.n, 1);
	assert_int_equal(tree_next_due(t.tx), T0 + 60 * USEC_S);
	c.leave = false;
	assert_ok(tree_due(t.tx, T0 + 60 * USEC_S, 10, removing, &c, &more));
	assert_int_equal(c.n, 2);
	assert_int_equal(st_entries(t.tx, ST_DUE), 0);
	test_tree_end(&t);
}

static void ordinals_go_on_after_a_restart(void **state)
{
	struct test_store *s = *state;
	struct test_tree t;
	struct res base;
	uint64_t n;

	test_tree_begin(&t, s);
	test_base(&t, &base);
	n = test_add(&t, &base, 3, "").key.n;
	test_tree_end(&t);
	test_store_reopen(s, 0);
	test_tree_begin(&t, s);
	test_base(&t, &base);
	assert_int_equal(test_add(&t, &base, 3, "").key.n, n + 1);
	test_tree_end(&t);
}

/* Nothing is taken over from the store while it is being changed: parts of the new record are views of the old. */
static void a_record_may_be_made_of_the_old_one(void **state)
{
	struct test_tree t;
	struct res base, r;
	struct res_new nw = test_new(3, "a");
	char big[3000];

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	memset(big, 'x', sizeof(big));
	memcpy(big, "\"con\":\"", 7);
	big[sizeof(big) - 1] = '"';
	nw.attrs = slice_of(big, sizeof(big));
	nw.creator = S("/cse/Cme");
	assert_ok(tree_insert(t.tx, &t.seq, &base, &nw, &r));
	for (int i = 0; i < 5; i++) {
		const char *at;
		r = test_get(&t, r.key);
		at = memmem(r.text.p, r.text.n, "\"con\"", 5);
		nw = (struct res_new){ .h = r.h, .creator = r.creator, .attrs = slice_of(at, sizeof(big)) };
		nw.h.et = T0 + 1000 + i;
		nw.acps = &base.key;
		nw.n_acps = (size_t)i % 2;
		assert_ok(tree_replace(t.tx, &r, &nw, &r));
		assert_slice(r.creator, S("/cse/Cme"));
		assert_slice(slice_skip(r.text, r.text.n - sizeof(big)), slice_of(big, sizeof(big)));
		assert_int_equal(r.h.n_acps, i % 2);
	}
	test_tree_end(&t);
}

static unsigned instances_below(struct test_tree *t, const struct res *r) { return test_walk(t, r->key.n, TREE_INSTANCES, 0); }

static void the_oldest_instances_go_at_once(void **state)
{
	struct test_tree t;
	struct tree_kept kept;
	struct tree_iter it;
	struct res base, cnt, other, inst[10], sub, r;
	struct res_new nw = test_new(4, "");
	struct slice label = S("x");
	uint64_t before[ST_TABLES], after[ST_TABLES];
	bool more = true;

	test_tree_begin(&t, *state);
	test_base(&t, &base);
	cnt = test_add(&t, &base, 3, "cnt");
	other = test_add(&t, &base, 3, "other");
	test_counts(&t, before);
	nw.labels = &label;
	nw.n_labels = 1;
	nw.attrs = S("\"lbl\":[\"x\"]");
	for (int i = 0; i < 10; i++) {
		char name[8];

		snprintf(name, sizeof(name), "i%d", i);
		nw.name = slice_str(i % 2 ? name : "");
		nw.h.cs = 10;
		cnt = test_get(&t, cnt.key);
		assert_ok(tree_insert(t.tx, &t.seq, &cnt, &nw, &inst[i]));
		test_add(&t, &other, 4, "");
	}
	r = test_get(&t, inst[3].key);
	sub = test_add(&t, &r, 23, "sub");
	r = test_get(&t, inst[3].key);
	r.h.n_subs = r.h.n_children = 1;
	assert_ok(tree_touch(t.tx, &r));

	assert_ok(tree_newest(t.tx, cnt.key.n, 3, UINT64_MAX, &kept));
	assert_true(kept.n == 3 && kept.bytes == 30 && kept.floor == inst[7].key.n);
	assert_ok(tree_newest(t.tx, cnt.key.n, 100, 59, &kept));
	assert_true(kept.n == 5 && kept.bytes == 50 && kept.floor == inst[5].key.n);
	assert_ok(tree_drop_before(t.tx, cnt.key, kept.floor));
	for (int i = 0; i < 10; i++) {
		r = test_get(&t, inst[i].key);
		assert_int_equal(tree_alive(t.tx, &r, T0), i >= 5);
		assert_int_equal(tree_dropped(t.tx, inst[i].key), i < 5);
	}
	sub = test_get(&t, sub.key);
	assert_false(tree_alive(t.tx, &sub, T0)); /* what hangs below one of them */
	assert_ok(tree_oldest(t.tx, cnt.key.n, T0, &r));
	assert_int_equal(r.key.n, inst[5].key.n);
	assert_ok(tree_latest(t.tx, cnt.key.n, T0, &r));
	assert_int_equal(r.key.n, inst[9].key.n);
	assert_int_equal(instances_below(&t, &cnt), 5);
	assert_int_equal(test_walk(&t, cnt.key.n, TREE_ALL, 0), 5);
	assert_int_equal(test_find_label(&t, label), 5);
	assert_int_equal(instances_below(&t, &other), 10);
	assert_ok(tree_newest(t.tx, cnt.key.n, UINT64_MAX, UINT64_MAX, &kept));
	assert_int_equal(kept.n, 5);

	/* part of them is swept, then more are dropped; less never comes back */
	assert_ok(tree_sweep(t.tx, 2, NULL, NULL, &more));
	assert_true(more);
	assert_ok(tree_drop_before(t.tx, cnt.key, inst[2].key.n));
	assert_int_equal(instances_below(&t, &cnt), 5);
	assert_ok(tree_newest(t.tx, cnt.key.n, 0, 0, &kept));
	assert_int_equal(kept.floor, inst[9].key.n + 1);
	assert_ok(tree_drop_before(t.tx, cnt.key, kept.floor));
	assert_rc(tree_latest(t.tx, cnt.key.n, T0, &r), RC_NOTFOUND);
	assert_rc(tree_oldest(t.tx, cnt.key.n, T0, &r), RC_NOTFOUND);
	assert_int_equal(test_find_label(&t, label), 0);
	test_add(&t, &cnt, 4, ""); /* what comes is not concerned */
	assert_int_equal(instances_below(&t, &cnt), 1);
	assert_ok(tree_children(t.tx, cnt.key.n, TREE_ALL, &it));
	assert_ok(tree_next(&it, &r));
	assert_rc(tree_next(&it, &r), RC_NOTFOUND);
	tree_end(&it);
	for (int i = 0; more; i++) {
		assert_true(i < 20);
		assert_ok(tree_sweep(t.tx, 2, NULL, NULL, &more));
	}
	assert_int_equal(instances_below(&t, &cnt), 1);
	assert_int_equal(instances_below(&t, &other), 10);
	test_counts(&t, after);
	before[ST_RES] += 11;
	for (int i = 0; i < ST_TABLES; i++)
		assert_int_equal(before[i], after[i]); /* nothing of them is left anywhere */

	/* the container goes while some of its instances are on their way */
	for (int i = 0; i < 5; i++)
		test_add(&t, &cnt, 4, "");
	assert_ok(tree_newest(t.tx, cnt.key.n, 1, UINT64_MAX, &kept));
	assert_ok(tree_drop_before(t.tx, cnt.key, kept.floor));
	cnt = test_get(&t, cnt.key);
	assert_ok(tree_remove(t.tx, &cnt));
	for (more = true; more;)
		assert_ok(tree_sweep(t.tx, 2, NULL, NULL, &more));
	assert_int_equal(st_entries(t.tx, ST_RES), 1 + 1 + 10);
	test_tree_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(the_base_is_the_root),
		store_test(children_are_found_by_key_name_and_generated_name),
		store_test(an_instance_is_one_entry),
		store_test(names_are_taken_once),
		store_test(a_name_cannot_break_the_text),
		store_test(odd_names_are_stepped_over),
		store_test(stems_lead_to_entities),
		store_test(walks_are_in_order_and_by_kind),
		store_test(latest_and_oldest_are_alive),
		store_test(a_walk_survives_changes),
		store_test(labels_are_found_and_follow_updates),
		store_test(a_collision_is_not_seen),
		store_test(escaped_labels_are_unescaped),
		store_test(paths_and_ancestors),
		store_test(a_subtree_goes_in_bounded_steps),
		store_test(the_oldest_instances_go_at_once),
		store_test(what_expires_is_found),
		store_test(a_parent_that_lives_on_leaves_its_children_behind),
		store_test(a_parent_that_lives_on_twice),
		store_test(what_is_left_is_asked_about_later),
		store_test(ordinals_go_on_after_a_restart),
		store_test(a_record_may_be_made_of_the_old_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
