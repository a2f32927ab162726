/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories: the tree does what a simple list of nodes in memory does, over commits, aborts and restarts, and when everything
 * is removed nothing is left in any table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "store_util.h"
#include "tree_util.h"

enum { NODES = 600, NAMES = 12, LABELS = 5, NEVER = 1 << 20 };

struct node {
	struct res_key key;
	int parent;          /* index; -1 for the base */
	uint16_t ty;
	char name[RES_ID_MAX + 1];
	bool named, stem, removed;
	int et;              /* seconds after TEST_T0, NEVER */
	unsigned labels;     /* bits */
	uint64_t st;
};

struct world {
	struct test_tree t;
	struct node v[NODES];
	int n, now;
	uint64_t random;
};

static unsigned pick(struct world *w, unsigned n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (unsigned)(w->random >> 33) % n;
}

static usec at(int s) { return s == NEVER ? USEC_NEVER : TEST_T0 + s * USEC_S; }

static bool node_alive(const struct world *w, int i)
{
	for (; i >= 0; i = w->v[i].parent)
		if (w->v[i].removed || (w->v[i].et != NEVER && w->v[i].et <= w->now))
			return false;
	return true;
}

/* Not removed, nor an ancestor; maybe past its et. */
static bool node_there(const struct world *w, int i)
{
	for (; i >= 0; i = w->v[i].parent)
		if (w->v[i].removed)
			return false;
	return true;
}

static int pick_alive(struct world *w, bool container)
{
	for (int tries = 0; tries < 50; tries++) {
		int i = (int)pick(w, (unsigned)w->n);
		if (node_alive(w, i) && (!container || w->v[i].ty == 3 || w->v[i].ty == 5))
			return i;
	}
	return 0;
}

/* Labels of a node as text and as list. */
static struct slice labels_of(unsigned bits, struct slice list[LABELS], size_t *n, char *text)
{
	static const char *const names[LABELS] = { "a", "b:1", "b:2", "long long label", "e" };
	char *p = text + 6;

	*n = 0;
	memcpy(text, "\"lbl\":", 6);
	for (int i = 0; i < LABELS; i++) {
		if (!(bits >> i & 1))
			continue;
		list[*n] = slice_str(names[i]);
		*p++ = *n ? ',' : '[';
		*p++ = '"';
		memcpy(p, list[*n].p, list[*n].n);
		p += list[(*n)++].n;
		*p++ = '"';
	}
	*p++ = ']';
	return *n ? slice_of(text, (size_t)(p - text)) : S("");
}

/* The name a client might choose: plain, or read from the book of generated names. */
static void choose_name(struct world *w, int parent, struct node *nd)
{
	struct res_key guess = { w->v[parent].key.n, w->t.seq.next + pick(w, 6) };

	if (pick(w, 3) == 0)
		return;
	nd->named = true;
	if (pick(w, 4) == 0) {
		guess.n |= pick(w, 2) ? RES_INSTANCE : 0;
		nd->name[res_id_write(guess, nd->name)] = '\0';
	} else {
		snprintf(nd->name, sizeof(nd->name), "name%u", pick(w, NAMES));
	}
}

static bool name_taken(const struct world *w, int parent, const struct node *nd)
{
	for (int i = 1; i < w->n; i++)
		if (w->v[i].parent == parent && !w->v[i].removed && strcmp(w->v[i].name, nd->name) == 0)
			return true;
	return false;
}

static int random_et(struct world *w, int parent)
{
	int most = w->v[parent].et;

	switch (pick(w, 4)) {
	case 0:
		return most; /* with the parent */
	case 1:
		return NEVER;
	default:
		return w->now + 1 + (int)pick(w, 60);
	}
}

static void do_insert(struct world *w)
{
	int parent = pick_alive(w, true);
	struct node nd = { .parent = parent, .ty = pick(w, 3) ? 3 : 4, .labels = pick(w, 3) ? 0 : pick(w, 1 << LABELS) };
	struct slice list[LABELS];
	char text[128], stem[16] = "";
	struct res_new nw;
	struct res p, r;
	enum reeve_rc rc;

	if (w->n == NODES)
		return;
	choose_name(w, parent, &nd);
	nd.et = random_et(w, parent);
	if (nd.ty == 3 && parent == 0 && pick(w, 4) == 0) {
		nd.stem = true;
		snprintf(stem, sizeof(stem), "C%u", (unsigned)w->n);
	}
	nw = test_new(nd.ty, nd.name);
	nw.h.et = at(nd.et);
	nw.stem = slice_str(stem);
	nw.attrs = labels_of(nd.labels, list, &nw.n_labels, text);
	nw.labels = list;
	p = test_get(&w->t, w->v[parent].key);
	rc = tree_insert(w->t.tx, &w->t.seq, &p, &nw, &r);
	if (nd.named && name_taken(w, parent, &nd)) {
		assert_rc(rc, RC_EXISTS);
		return;
	}
	assert_ok(rc);
	assert_slice(nd.named ? res_rn(&r) : res_ri(&r), nd.named ? slice_str(nd.name) : nd.stem ? slice_str(stem) : res_rn(&r));
	if (!nd.named)
		memcpy(nd.name, res_rn(&r).p, res_rn(&r).n);
	nd.key = r.key;
	w->v[w->n++] = nd;
}

static void do_replace(struct world *w)
{
	int i = pick_alive(w, false);
	struct node *nd = &w->v[i];
	struct slice list[LABELS];
	char text[128];
	struct res_new nw;
	struct res r;

	if (i == 0)
		return;
	if (pick(w, 2))
		nd->et = random_et(w, nd->parent);
	if (pick(w, 2))
		nd->labels = pick(w, 1 << LABELS);
	r = test_get(&w->t, nd->key);
	nw = (struct res_new){ .h = r.h, .creator = r.creator };
	nw.h.et = at(nd->et);
	nw.attrs = labels_of(nd->labels, list, &nw.n_labels, text);
	nw.labels = list;
	assert_ok(tree_replace(w->t.tx, &r, &nw, &r));
}

static void do_touch(struct world *w)
{
	int i = pick_alive(w, false);
	struct res r = test_get(&w->t, w->v[i].key);

	r.h.st = ++w->v[i].st;
	assert_ok(tree_touch(w->t.tx, &r));
}

static void do_remove(struct world *w)
{
	int i = pick_alive(w, false);
	struct res r = test_get(&w->t, w->v[i].key);

	if (i == 0)
		return;
	assert_ok(tree_remove(w->t.tx, &r));
	w->v[i].removed = true;
}

struct due { struct world *w; };

static enum reeve_rc expired(void *ctx, const struct res *r)
{
	struct world *w = ((struct due *)ctx)->w;

	for (int i = 0; i < w->n; i++)
		if (w->v[i].key.n == r->key.n) {
			assert_true(w->v[i].et != NEVER && w->v[i].et <= w->now);
			assert_true(node_there(w, i));
			w->v[i].removed = true;
			return tree_remove(w->t.tx, r);
		}
	fail_msg("an unknown resource expires");
	return RC_INVALID;
}

static enum reeve_rc swept(void *ctx, const struct res *r)
{
	struct world *w = ((struct due *)ctx)->w;

	for (int i = 0; i < w->n; i++)
		if (w->v[i].key.n == r->key.n) {
			assert_false(node_there(w, i));
			return RC_OK;
		}
	fail_msg("an unknown resource is swept");
	return RC_INVALID;
}

static void do_background(struct world *w, bool all)
{
	struct due d = { w };
	bool more = true;

	if (all || pick(w, 2)) {
		do
			assert_ok(tree_due(w->t.tx, at(w->now), 1 + pick(w, 20), expired, &d, &more));
		while (all && more);
	}
	more = true;
	do
		assert_ok(tree_sweep(w->t.tx, 1 + pick(w, 20), swept, &d, &more));
	while (all && more);
}

/* --- comparing --- */

static void check_node(struct world *w, struct st_tx *tx, int i)
{
	const struct node *nd = &w->v[i];
	struct res r;
	enum reeve_rc rc = tree_get(tx, nd->key, &r);

	if (!node_alive(w, i)) {
		/* what is not removed itself may still lie there, but is known to be dead, as soon as due has run */
		assert_true(rc == RC_NOTFOUND || !nd->removed);
		return;
	}
	assert_ok(rc);
	assert_true(tree_alive(tx, &r, at(w->now)));
	assert_slice(res_rn(&r), i ? slice_str(nd->name) : S("cse"));
	assert_int_equal(r.h.et, at(nd->et));
	assert_int_equal(r.h.st, nd->st);
	if (i == 0)
		return;
	assert_int_equal(r.h.grandparent, w->v[nd->parent].key.parent);
	assert_ok(tree_child(tx, nd->key.parent, slice_str(nd->name), &r));
	assert_int_equal(r.key.n, nd->key.n);
	for (int up = i; up >= 0; up = w->v[up].parent)
		assert_true(tree_below(tx, &r, w->v[up].key.n));
	if (nd->stem) {
		assert_ok(tree_stem(tx, res_ri(&r), &r));
		assert_int_equal(r.key.n, nd->key.n);
	}
}

static void check_indices(struct world *w, struct st_tx *tx)
{
	unsigned want[LABELS] = { 0 }, containers = 0, found;
	struct slice list[LABELS];
	struct tree_find f;
	struct res r;
	char text[128];
	size_t n;

	labels_of((1 << LABELS) - 1, list, &n, text);
	for (int i = 0; i < w->n; i++) {
		bool alive = node_alive(w, i);
		for (int l = 0; l < LABELS; l++)
			want[l] += alive && w->v[i].labels >> l & 1;
		containers += alive && w->v[i].ty == 3;
	}
	for (int l = 0; l < LABELS; l++) {
		assert_ok(tree_find_label(tx, list[l], &f));
		for (found = 0; tree_find_next(&f, &r) == RC_OK;)
			found += tree_alive(tx, &r, at(w->now));
		tree_find_end(&f);
		assert_int_equal(found, want[l]);
	}
	assert_ok(tree_find_type(tx, 3, &f));
	for (found = 0; tree_find_next(&f, &r) == RC_OK;)
		found += tree_alive(tx, &r, at(w->now));
	tree_find_end(&f);
	assert_int_equal(found, containers);
}

static void check_children(struct world *w, struct st_tx *tx, int parent)
{
	uint64_t newest = 0, oldest = 0;
	unsigned want = 0, found = 0;
	struct tree_iter it;
	struct res r;
	enum reeve_rc rc;

	for (int i = 1; i < w->n; i++)
		if (w->v[i].parent == parent && node_alive(w, i)) {
			want++;
			if (w->v[i].ty != 4)
				continue;
			newest = w->v[i].key.n;
			oldest = oldest ? oldest : newest;
		}
	assert_ok(tree_children(tx, w->v[parent].key.n, TREE_ALL, &it));
	while (tree_next(&it, &r) == RC_OK)
		found += r.h.et > at(w->now);
	tree_end(&it);
	assert_int_equal(found, want);
	rc = tree_latest(tx, w->v[parent].key.n, at(w->now), &r);
	assert_rc(rc, newest ? RC_OK : RC_NOTFOUND);
	assert_true(!newest || r.key.n == newest);
	rc = tree_oldest(tx, w->v[parent].key.n, at(w->now), &r);
	assert_rc(rc, oldest ? RC_OK : RC_NOTFOUND);
	assert_true(!oldest || r.key.n == oldest);
}

static void check(struct world *w, struct st_tx *tx)
{
	for (int i = 0; i < w->n; i++)
		check_node(w, tx, i);
	check_indices(w, tx);
	for (int i = 0; i < w->n; i++)
		if (node_alive(w, i) && w->v[i].ty != 4)
			check_children(w, tx, i);
}

static void begin(struct world *w, struct test_store *s)
{
	test_tree_begin(&w->t, s);
}

/* Some changes in one transaction; it is committed, or aborted and everything is as before. */
static void one_transaction(struct world *w, struct test_store *s)
{
	static struct world before;
	unsigned changes = 1 + pick(w, 15);
	bool keep = pick(w, 5) != 0;

	memcpy(&before, w, sizeof(before));
	begin(w, s);
	while (changes--) {
		switch (pick(w, 10)) {
		case 0: case 1: case 2: case 3:
			do_insert(w);
			break;
		case 4: case 5: case 6:
			do_replace(w);
			break;
		case 7:
			do_touch(w);
			break;
		case 8:
			do_remove(w);
			break;
		default:
			do_background(w, false);
		}
	}
	if (keep) {
		if (pick(w, 4) == 0)
			w->now += (int)pick(w, 10);
		do_background(w, pick(w, 6) == 0);
		test_tree_end(&w->t);
	} else {
		st_abort(w->t.tx);
		before.random = w->random;
		memcpy(w, &before, sizeof(before));
	}
}

/* Bring what is expired out of the way, so that the store shows exactly what lives. */
static void settle(struct world *w, struct test_store *s)
{
	begin(w, s);
	do_background(w, true);
	test_tree_end(&w->t);
	for (int i = 0; i < w->n; i++)
		assert_true(node_alive(w, i) || !node_there(w, i));
}

static void history(struct test_store *s, uint64_t seed)
{
	static struct world w;

	w = (struct world){ .random = seed, .n = 1 };
	w.v[0] = (struct node){ .key = { 0, RES_ROOT }, .parent = -1, .ty = 5, .et = NEVER };
	for (int round = 0; round < 120; round++) {
		one_transaction(&w, s);
		if (pick(&w, 4) == 0) {
			settle(&w, s);
			assert_ok(st_renew(s->reader));
			check(&w, s->reader);
			assert_int_equal(st_entries(s->reader, ST_TRASH), 0);
			st_release(s->reader);
		}
		if (pick(&w, 12) == 0)
			test_store_reopen(s, 0);
	}
	/* to the end of all times, and everything that never ends away */
	w.now = NEVER - 1;
	settle(&w, s);
	begin(&w, s);
	for (int i = 1; i < w.n; i++)
		if (node_there(&w, i) && w.v[i].parent == 0) {
			struct res r = test_get(&w.t, w.v[i].key);
			assert_ok(tree_remove(w.t.tx, &r));
			w.v[i].removed = true;
		}
	do_background(&w, true);
	assert_int_equal(st_entries(w.t.tx, ST_RES), 1);
	assert_int_equal(st_entries(w.t.tx, ST_TYPE), 1);
	assert_int_equal(st_entries(w.t.tx, ST_NAME), 0);
	assert_int_equal(st_entries(w.t.tx, ST_LABEL), 0);
	assert_int_equal(st_entries(w.t.tx, ST_TRASH), 0);
	assert_int_equal(st_entries(w.t.tx, ST_DUE), 0);
	test_tree_end(&w.t);
}

static void the_tree_does_what_the_list_does(void **state)
{
	const char *given = getenv("SEED");
	uint64_t first = given ? strtoull(given, NULL, 10) : 1;

	for (uint64_t seed = first; seed < first + (given ? 1 : 25); seed++) {
		struct test_store *s = NULL;
		print_message("seed %llu\n", (unsigned long long)seed);
		assert_int_equal(test_store_setup((void **)&s), 0);
		history(s, seed * 0x9e3779b97f4a7c15u + 1);
		test_store_teardown((void **)&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_tree_does_what_the_list_does) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
