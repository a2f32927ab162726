/* SPDX-License-Identifier: Apache-2.0 */
/* Indices against records. What is in both directions one line of the table in docs/internals/store.md is one function in each
 * half of this file. */
#include "resource/tree_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "resource/tree_int.h"

enum { DUE_OWN = RES_KEY_LEN, DUE_HINT = RES_KEY_LEN + 8 };

struct tree_check {
	struct st_tx *tx;
	tree_fault fault;
	void *ctx;
	struct tree_seq seq;
	uint64_t *hinted;      /* ordinals of resources with a hint, sorted */
	size_t n_hinted, cap_hinted;
	enum reeve_rc rc;      /* memory or reading failed */
};

static void fault(struct tree_check *k, struct slice id, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void fault(struct tree_check *k, struct slice id, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	k->fault(k->ctx, id, text);
}

static void fault_at(struct tree_check *k, struct res_key at, const char *text)
{
	char room[RES_ID_MAX];
	fault(k, slice_of(room, res_id_write(at, room)), "%s", text);
}

/* --- each entry has its record --- */

static void name_entry(struct tree_check *k, struct slice key, struct slice value)
{
	struct slice name = slice_skip(key, NAME_PREFIX);
	uint64_t parent;
	struct res r;

	if (key.n <= NAME_PREFIX) {
		fault(k, S("name index"), "a key of %zu bytes", key.n);
		return;
	}
	parent = tkey_get_u64(key.p);
	if (value.n != (parent ? 8 : RES_KEY_LEN))
		fault(k, name, "its entry in the name index is damaged");
	else if (parent && (tree_get(k->tx, (struct res_key){ parent, tkey_get_u64(value.p) }, &r) != RC_OK || !slice_eq(res_rn(&r), name)))
		fault(k, name, "this name leads to no resource that has it");
	else if (!parent && (tree_get(k->tx, res_key_read(value.p), &r) != RC_OK || !slice_eq(res_ri(&r), name)))
		fault(k, name, "this AE-ID leads to no resource that has it");
}

static void type_entry(struct tree_check *k, struct slice key, struct slice value)
{
	struct res_key at;
	struct res r;

	(void)value;
	if (key.n != TYPE_PREFIX + RES_KEY_LEN) {
		fault(k, S("type index"), "a key of %zu bytes", key.n);
		return;
	}
	at = res_key_read(key.p + TYPE_PREFIX);
	if (tree_get(k->tx, at, &r) != RC_OK || res_is_instance(&r) || r.h.ty != ((uint8_t)key.p[0] << 8 | (uint8_t)key.p[1]))
		fault_at(k, at, "stands in the type index under a type it is not of");
}

/* The entry that r has for one of its labels is this one. */
static bool labelled(const struct res *r, struct slice key)
{
	struct arena a;
	struct slice *labels;
	struct tkey t;
	bool yes = false;
	size_t n;

	arena_init(&a, NULL, 0, 64u << 20);
	if (res_labels(&a, r, &labels, &n) == RC_OK)
		for (size_t i = 0; i < n && !yes; i++) {
			tkey_label(&t, labels[i], r->key);
			yes = slice_eq(tkey_slice(&t), key);
		}
	arena_reset(&a);
	return yes;
}

static void label_entry(struct tree_check *k, struct slice key, struct slice value)
{
	struct res_key at;
	struct res r;

	(void)value;
	if (key.n != LABEL_PREFIX + RES_KEY_LEN) {
		fault(k, S("label index"), "a key of %zu bytes", key.n);
		return;
	}
	at = res_key_read(key.p + LABEL_PREFIX);
	if (tree_get(k->tx, at, &r) != RC_OK || !labelled(&r, key))
		fault_at(k, at, "stands in the label index under a label it has not");
}

static void note_hint(struct tree_check *k, uint64_t n)
{
	if (k->n_hinted == k->cap_hinted) {
		size_t cap = k->cap_hinted ? 2 * k->cap_hinted : 64;
		uint64_t *v = realloc(k->hinted, cap * sizeof(*v));

		if (!v) {
			k->rc = RC_NOMEM;
			return;
		}
		k->hinted = v;
		k->cap_hinted = cap;
	}
	k->hinted[k->n_hinted++] = n;
}

static void due_entry(struct tree_check *k, struct slice key, struct slice value)
{
	struct res_key at;
	struct res r;

	if (key.n != DUE_KEY || (value.n != DUE_OWN && value.n != DUE_HINT) ||
	    res_key_read(value.p).n != tkey_get_u64(key.p + 8)) {
		fault(k, S("due index"), "a damaged entry");
		return;
	}
	at = res_key_read(value.p);
	if (value.n == DUE_HINT) /* of a resource that is gone: it is dropped when its time comes */
		note_hint(k, at.n);
	else if (tree_get(k->tx, at, &r) != RC_OK || r.h.et > (usec)tkey_get_u64(key.p)) /* earlier: it is asked about again */
		fault_at(k, at, "stands in the due index at a time when it does not expire");
}

static void trash_entry(struct tree_check *k, struct slice key, struct slice value)
{
	struct res_key at;
	struct res r;
	bool there;

	if (key.n != 8 || (value.n != TRASH_ALL && value.n != TRASH_FLOOR) || res_key_read(value.p).n != tkey_get_u64(key.p)) {
		fault(k, S("trash"), "a damaged entry");
		return;
	}
	at = res_key_read(value.p);
	there = tree_get(k->tx, at, &r) == RC_OK;
	if (there && value.n == TRASH_ALL)
		fault_at(k, at, "stands in the trash and is there");
	else if (!there && value.n == TRASH_FLOOR)
		fault_at(k, at, "has dropped instances and is not there");
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void each_entry(struct tree_check *k, enum st_table t, void (*look)(struct tree_check *k, struct slice key, struct slice value))
{
	struct st_cursor c;
	enum reeve_rc rc = st_cursor_open(k->tx, t, &c);

	if (rc == RC_OK) {
		for (rc = st_seek(&c, S("")); rc == RC_OK; rc = st_next(&c))
			look(k, c.key, c.value);
		st_cursor_close(&c);
	}
	if (rc != RC_NOTFOUND && k->rc == RC_OK)
		k->rc = rc;
}

enum reeve_rc tree_check_new(struct st_tx *tx, tree_fault told, void *ctx, struct tree_check **out)
{
	struct tree_check *k = calloc(1, sizeof(*k));
	enum reeve_rc rc;

	*out = k;
	if (!k)
		return RC_NOMEM;
	*k = (struct tree_check){ .tx = tx, .fault = told, .ctx = ctx };
	if (tree_seq_load(tx, &k->seq) != RC_OK)
		fault(k, S("meta"), "the counter of ordinals is damaged");
	each_entry(k, ST_NAME, name_entry);
	each_entry(k, ST_TYPE, type_entry);
	each_entry(k, ST_LABEL, label_entry);
	each_entry(k, ST_DUE, due_entry);
	each_entry(k, ST_TRASH, trash_entry);
	if (k->n_hinted)
		qsort(k->hinted, k->n_hinted, sizeof(*k->hinted), by_number);
	if ((rc = k->rc) != RC_OK) {
		tree_check_free(k);
		*out = NULL;
	}
	return rc;
}

void tree_check_free(struct tree_check *k)
{
	if (!k)
		return;
	free(k->hinted);
	free(k);
}

/* --- each record has its entries --- */

static bool has(struct tree_check *k, enum st_table t, const struct tkey *key)
{
	struct slice v;
	return st_get(k->tx, t, tkey_slice(key), &v) == RC_OK;
}

static void names_of(struct tree_check *k, const struct res *r, struct slice id)
{
	struct res again;

	if (r->key.parent && (tree_child(k->tx, r->key.parent, res_rn(r), &again) != RC_OK || again.key.n != r->key.n))
		fault(k, id, "is not found by its name \"%.*s\"", SF(res_rn(r)));
	if ((r->h.ty == TYPE_AE || (r->h.ty == TYPE_AE_ANNC && res_ri(r).p[0] == 'S')) &&
	    (tree_stem(k->tx, res_ri(r), &again) != RC_OK || again.key.n != r->key.n))
		fault(k, id, "is not found by its AE-ID \"%.*s\"", SF(res_ri(r)));
}

static void labels_of(struct tree_check *k, const struct res *r, struct slice id)
{
	struct slice *labels;
	struct arena a;
	struct tkey t;
	size_t n;

	arena_init(&a, NULL, 0, 64u << 20);
	if (res_labels(&a, r, &labels, &n) != RC_OK)
		fault(k, id, "its labels cannot be read");
	else
		for (size_t i = 0; i < n; i++) {
			tkey_label(&t, labels[i], r->key);
			if (!has(k, ST_LABEL, &t))
				fault(k, id, "is not found by its label \"%.*s\"", SF(labels[i]));
		}
	arena_reset(&a);
}

/* It expires at its time: by an entry of its own, with its parent, or because a hint makes somebody look (tree_due). */
static void due_of(struct tree_check *k, const struct res *r, const struct res *parent, struct slice id, usec now)
{
	struct tkey t;

	if (r->h.et == USEC_NEVER || r->h.et <= now)
		return;
	tkey_due(&t, r->h.et, r->key.n);
	if (has(k, ST_DUE, &t) || (r->h.et >= parent->h.et && parent->h.marks & TREE_TIED) ||
	    (k->n_hinted && bsearch(&parent->key.n, k->hinted, k->n_hinted, sizeof(*k->hinted), by_number)))
		return;
	fault(k, id, "nothing makes it expire at its time");
}

void tree_check_record(struct tree_check *k, const struct res *r, usec now)
{
	char room[RES_ID_MAX];
	const struct slice id = slice_of(room, res_id_write(r->key, room));
	struct res parent;
	struct tkey t;

	if ((r->key.n & ~RES_INSTANCE) >= k->seq.next)
		fault(k, id, "its ordinal will be given again");
	tkey_type(&t, r->h.ty, r->key);
	if (!res_is_instance(r) && !has(k, ST_TYPE, &t))
		fault(k, id, "is not found by its type");
	names_of(k, r, id);
	labels_of(k, r, id);
	if (!r->key.parent)
		return;
	if (tree_parent(k->tx, r, &parent) == RC_OK) {
		due_of(k, r, &parent, id, now);
		return;
	}
	tkey_trash(&t, r->key.parent); /* a subtree on its way out is no fault */
	if (!has(k, ST_TRASH, &t))
		fault(k, id, "its parent is not there");
}
