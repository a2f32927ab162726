/* SPDX-License-Identifier: Apache-2.0 */
/* The tree: insert, touch, replace, remove, with the index entries that go along.
 *
 * A record is put together in memory of its own before anything is changed, because what it is made of may be views into
 * the store. Index entries come first and the record last, so that the view handed out is still valid.
 * An instance without name, labels and et of its own is exactly one entry of ST_RES. */
#include "resource/tree_int.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/hash.h"
#include "codec/text.h"

enum { RI_MOST = 255 }; /* of an AE-ID-Stem or the CSEBase; generated ones are short */

enum reeve_rc tree_seq_load(struct st_tx *tx, struct tree_seq *seq)
{
	struct slice v;
	enum reeve_rc rc = st_get(tx, ST_META, S("seq"), &v);

	seq->next = RES_ROOT + 1;
	if (rc == RC_NOTFOUND)
		return RC_OK;
	if (rc == RC_OK && v.n != 8)
		return RC_INVALID;
	if (rc == RC_OK)
		seq->next = tkey_get_u64(v.p);
	return rc;
}

enum reeve_rc tree_seq_save(struct st_tx *tx, const struct tree_seq *seq)
{
	struct tkey k = { 0 };

	tkey_u64(&k, seq->next);
	return st_put(tx, ST_META, S("seq"), tkey_slice(&k));
}

enum reeve_rc res_labels(struct arena *a, const struct res *r, struct slice **out, size_t *n)
{
	struct slice raw = res_member(r, S("lbl")), why;
	struct json j;
	enum reeve_rc rc;
	size_t got = 0;

	*out = NULL;
	*n = 0;
	if (!raw.p)
		return RC_OK;
	rc = json_parse(a, raw, &json_default_limits, &j, &why);
	if (rc != RC_OK || json_kind(&j, 0) != J_ARRAY || j.tok[0].count == 0)
		return rc;
	*out = arena_array(a, j.tok[0].count, sizeof(**out));
	if (!*out)
		return RC_NOMEM;
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next) {
		struct slice label = json_string(a, &j, i);
		if (!label.p)
			return a->failed ? RC_NOMEM : RC_INVALID;
		(*out)[got++] = label;
	}
	*n = got;
	return RC_OK;
}

/* --- what a record is made of --- */

struct parts {
	struct slice rn, ri, pi;
	struct res_key key;
	const struct rec_head *h;
	const struct res_new *nw;
};

static bool plain(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == 0x7f)
			return false;
	return true;
}

/* The bytes of a record in *value, malloc'ed. */
static enum reeve_rc assemble(const struct parts *f, struct slice *value)
{
	const struct res_new *nw = f->nw;
	char ct[TEXT_TIMESTAMP_MAX];
	struct slice time = slice_of(ct, text_timestamp_write(f->h->ct, ct));
	struct buf b;
	struct rec_head h = *f->h;
	size_t text_at;

	if (f->rn.n > UINT16_MAX || f->ri.n > UINT16_MAX || nw->creator.n > UINT16_MAX || nw->n_acps > UINT16_MAX)
		return RC_INVALID;
	h.rn_len = (uint16_t)f->rn.n;
	h.ri_len = (uint16_t)f->ri.n;
	h.creator_len = (uint16_t)nw->creator.n;
	h.n_acps = (uint16_t)nw->n_acps;
	buf_init(&b, UINT32_MAX);
	if (!buf_room(&b, sizeof(h) + nw->n_acps * RES_KEY_LEN + nw->creator.n + nw->attrs.n + f->rn.n + f->ri.n + f->pi.n + 128))
		goto nomem;
	b.n = sizeof(h);
	for (size_t i = 0; i < nw->n_acps; i++, b.n += RES_KEY_LEN)
		res_key_write(nw->acps[i], b.p + b.n);
	buf_slice(&b, nw->creator);
	text_at = b.n;
	buf_lit(&b, "\"rn\":\"");
	buf_slice(&b, f->rn);
	buf_lit(&b, "\",\"ri\":\"");
	buf_slice(&b, f->ri);
	buf_lit(&b, "\",\"ty\":");
	buf_u64(&b, h.ty);
	buf_lit(&b, ",\"pi\":\"");
	buf_slice(&b, f->pi);
	buf_lit(&b, "\",\"ct\":\"");
	buf_slice(&b, time);
	buf_char(&b, '"');
	if (nw->attrs.n) {
		buf_char(&b, ',');
		buf_slice(&b, nw->attrs);
	}
	if (b.failed)
		goto nomem;
	h.text_len = (uint32_t)(b.n - text_at);
	memcpy(b.p, &h, sizeof(h));
	*value = slice_of(b.p, b.n);
	return RC_OK;
nomem:
	buf_free(&b);
	return RC_NOMEM;
}

/* Store the record (its last change) and view it. */
static enum reeve_rc store_record(struct st_tx *tx, struct res_key key, struct slice value, struct res *out)
{
	struct tkey k;
	void *room;
	enum reeve_rc rc;

	tkey_res(&k, key);
	rc = st_reserve(tx, ST_RES, tkey_slice(&k), value.n, &room);
	if (rc != RC_OK)
		return rc;
	memcpy(room, value.p, value.n);
	return res_view(key, slice_of(room, value.n), out);
}

enum reeve_rc tree_set_mark(struct st_tx *tx, struct res_key key, uint8_t mark)
{
	struct tkey k;
	struct res now;
	uint8_t marks;
	enum reeve_rc rc = tree_get(tx, key, &now);

	if (rc != RC_OK)
		return rc;
	marks = now.h.marks | mark;
	tkey_res(&k, key);
	return st_patch(tx, ST_RES, tkey_slice(&k), offsetof(struct rec_head, marks), &marks, 1);
}

/* --- index entries --- */

static enum reeve_rc no_matter(enum reeve_rc rc) { return rc == RC_NOTFOUND ? RC_OK : rc; }

static enum reeve_rc labels_add(struct st_tx *tx, struct res_key key, const struct slice *labels, size_t n)
{
	struct tkey k;
	enum reeve_rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		tkey_label(&k, labels[i], key);
		rc = st_put(tx, ST_LABEL, tkey_slice(&k), S(""));
	}
	return rc;
}

/* The labels to be kept, by hash: an Update may replace tens of thousands by as many others. */
struct kept { const struct slice **slot; size_t mask; };

static bool kept_init(struct kept *k, struct arena *a, const struct slice *keep, size_t n)
{
	size_t size = 16;

	while (size < 2 * n)
		size *= 2;
	k->mask = size - 1;
	k->slot = arena_array(a, size, sizeof(*k->slot));
	for (size_t i = 0; k->slot && i < n; i++) {
		size_t at = (size_t)hash_slice(keep[i]) & k->mask;
		while (k->slot[at])
			at = (at + 1) & k->mask;
		k->slot[at] = &keep[i];
	}
	return k->slot != NULL;
}

static bool is_kept(const struct kept *k, struct slice label)
{
	size_t at = (size_t)hash_slice(label) & k->mask;

	while (k->slot[at] && !slice_eq(*k->slot[at], label))
		at = (at + 1) & k->mask;
	return k->slot[at] != NULL;
}

/* Remove the label entries of r but for those of `keep`. */
static enum reeve_rc labels_remove(struct st_tx *tx, const struct res *r, const struct slice *keep, size_t n_keep)
{
	_Alignas(16) char first[2048];
	struct arena a;
	struct slice *labels;
	struct kept kept;
	struct tkey k;
	size_t n;
	enum reeve_rc rc;

	arena_init(&a, first, sizeof(first), 16u << 20);
	rc = res_labels(&a, r, &labels, &n);
	for (size_t i = 0; rc == RC_OK && i < n; i++) /* they are views of the text: no change must come between */
		labels[i] = arena_dup(&a, labels[i]);
	if (a.failed || (rc == RC_OK && n && !kept_init(&kept, &a, keep, n_keep)))
		rc = RC_NOMEM;
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		if (is_kept(&kept, labels[i]))
			continue;
		tkey_label(&k, labels[i], r->key);
		rc = no_matter(st_del(tx, ST_LABEL, tkey_slice(&k)));
	}
	arena_reset(&a);
	return rc;
}

/* r expires before its parent: give it an entry. With its parent: note at the parent that such children exist. */
static enum reeve_rc due_enter(struct st_tx *tx, struct res_key key, usec et, const struct res *parent)
{
	if (et == USEC_NEVER || !parent)
		return RC_OK;
	if (et < parent->h.et)
		return tree_due_add(tx, key, et);
	if (parent->h.marks & TREE_TIED)
		return RC_OK;
	return tree_set_mark(tx, parent->key, TREE_TIED);
}

/* A name that happens to be the generated one needs no entry: removing tells by the name whether there is one. */
static enum reeve_rc index_names(struct st_tx *tx, const struct parts *f)
{
	char id[RES_ID_MAX];
	struct tkey k, v = { 0 };
	enum reeve_rc rc = RC_OK;

	if (f->key.parent && !slice_eq(f->rn, slice_of(id, res_id_write(f->key, id)))) {
		if (!tkey_name(&k, f->key.parent, f->rn))
			return RC_INVALID;
		tkey_u64(&v, f->key.n);
		rc = st_put(tx, ST_NAME, tkey_slice(&k), tkey_slice(&v));
	}
	if (rc == RC_OK && f->nw->stem.n) {
		if (!tkey_name(&k, 0, f->ri))
			return RC_INVALID;
		tkey_res(&v, f->key);
		rc = st_put(tx, ST_NAME, tkey_slice(&k), tkey_slice(&v));
	}
	return rc;
}

/* --- insert --- */

/* Is the wanted name free under the parent? */
static enum reeve_rc name_free(struct st_tx *tx, const struct res *parent, struct slice name, bool *odd)
{
	struct res_key key;
	struct res there;
	enum reeve_rc rc;

	if (name.n > NAME_MOST || !plain(name))
		return RC_INVALID;
	*odd = res_id_read(name, &key) && key.parent == parent->key.n;
	rc = tree_child(tx, parent->key.n, name, &there);
	return rc == RC_OK ? RC_EXISTS : no_matter(rc);
}

static enum reeve_rc stem_free(struct st_tx *tx, struct slice stem)
{
	struct res_key key;
	struct res there;
	enum reeve_rc rc;

	if (stem.n > RI_MOST || !plain(stem) || res_id_read(stem, &key))
		return RC_INVALID;
	rc = tree_stem(tx, stem, &there);
	return rc == RC_OK ? RC_EXISTS : no_matter(rc);
}

/* The next ordinal whose text is nobody's name under this parent. */
static enum reeve_rc next_key(struct st_tx *tx, struct tree_seq *seq, const struct res *parent, uint16_t ty, struct res_key *key)
{
	char id[RES_ID_MAX];
	struct tkey k;
	struct slice v;
	enum reeve_rc rc;

	do {
		*key = (struct res_key){ parent->key.n, seq->next++ | (res_ty_is_instance(ty) ? RES_INSTANCE : 0) };
		if (!(parent->h.marks & TREE_ODD_NAMES))
			return RC_OK;
		if (!tkey_name(&k, key->parent, slice_of(id, res_id_write(*key, id))))
			return RC_INVALID;
		rc = st_get(tx, ST_NAME, tkey_slice(&k), &v);
	} while (rc == RC_OK);
	return no_matter(rc);
}

static enum reeve_rc insert(struct st_tx *tx, const struct res *parent, struct parts *f, struct res *out)
{
	struct tkey k;
	struct slice value;
	enum reeve_rc rc = assemble(f, &value);

	if (rc != RC_OK)
		return rc;
	rc = index_names(tx, f);
	if (rc == RC_OK && !(f->key.n & RES_INSTANCE)) {
		tkey_type(&k, f->h->ty, f->key);
		rc = st_put(tx, ST_TYPE, tkey_slice(&k), S(""));
	}
	if (rc == RC_OK)
		rc = labels_add(tx, f->key, f->nw->labels, f->nw->n_labels);
	if (rc == RC_OK)
		rc = due_enter(tx, f->key, f->h->et, parent);
	if (rc == RC_OK)
		rc = store_record(tx, f->key, value, out);
	free((void *)(uintptr_t)value.p);
	return rc;
}

static enum reeve_rc insert_base(struct st_tx *tx, const struct res_new *nw, struct res *out)
{
	struct rec_head h = nw->h;
	struct parts f = { .rn = nw->name, .ri = nw->ri, .key = { 0, RES_ROOT }, .h = &h, .nw = nw };
	enum reeve_rc rc = tree_get(tx, f.key, out);

	if (rc != RC_NOTFOUND)
		return rc == RC_OK ? RC_EXISTS : rc;
	if (!plain(f.rn) || !plain(f.ri) || f.rn.n > NAME_MOST || f.ri.n > RI_MOST)
		return RC_INVALID;
	h.grandparent = 0;
	h.marks = 0;
	return insert(tx, NULL, &f, out);
}

enum reeve_rc tree_insert(struct st_tx *tx, struct tree_seq *seq, const struct res *parent, const struct res_new *nw,
			  struct res *out)
{
	struct rec_head h = nw->h;
	struct parts f = { .h = &h, .nw = nw };
	struct res up;
	char id[RES_ID_MAX];
	bool odd = false;
	enum reeve_rc rc;

	if (st_tight(tx))
		return RC_FULL;
	if (!parent)
		return insert_base(tx, nw, out);
	rc = nw->name.n ? name_free(tx, parent, nw->name, &odd) : RC_OK;
	if (rc == RC_OK && nw->stem.n)
		rc = stem_free(tx, nw->stem);
	if (rc == RC_OK)
		rc = next_key(tx, seq, parent, h.ty, &f.key);
	if (rc != RC_OK)
		return rc;
	h.grandparent = parent->key.parent;
	h.marks = 0;
	f.ri = nw->stem.n ? nw->stem : slice_of(id, res_id_write(f.key, id));
	f.rn = nw->name.n ? nw->name : slice_of(id, res_id_write(f.key, id));
	f.pi = res_ri(parent);
	up = *parent; /* its text is not looked at after the first change */
	rc = insert(tx, &up, &f, out);
	if (rc == RC_OK && odd) {
		rc = tree_set_mark(tx, parent->key, TREE_ODD_NAMES);
		if (rc == RC_OK)
			rc = tree_get(tx, f.key, out);
	}
	return rc;
}

/* --- change and remove --- */

enum reeve_rc tree_touch(struct st_tx *tx, const struct res *r)
{
	struct tkey k;

	tkey_res(&k, r->key);
	return st_patch(tx, ST_RES, tkey_slice(&k), 0, &r->h, offsetof(struct rec_head, marks));
}

/* The due entries of a resource whose et changes from old->h.et to et. A hint takes over from TREE_TIED. */
static enum reeve_rc due_move(struct st_tx *tx, const struct res *old, usec et)
{
	struct res parent;
	enum reeve_rc rc;

	if (et == old->h.et)
		return RC_OK;
	rc = old->h.marks & TREE_TIED ? tree_due_hint(tx, old->key, old->h.et) : tree_due_remove(tx, old->key, old->h.et);
	if (rc != RC_OK || old->key.parent == 0)
		return rc;
	rc = tree_parent(tx, old, &parent);
	return rc == RC_OK ? due_enter(tx, old->key, et, &parent) : no_matter(rc);
}

enum reeve_rc tree_replace(struct st_tx *tx, const struct res *old, const struct res_new *nw, struct res *out)
{
	struct rec_head h = nw->h;
	struct parts f = { .key = old->key, .h = &h, .nw = nw };
	struct res now, parent;
	struct slice value;
	enum reeve_rc rc = tree_get(tx, old->key, &now); /* views in `old` may be of before a change */

	if (rc != RC_OK)
		return rc;
	if (st_tight(tx) && nw->attrs.n > now.text.n)
		return RC_FULL;
	h.ty = now.h.ty;
	h.ct = now.h.ct;
	h.grandparent = now.h.grandparent;
	h.marks = now.h.marks;
	f.rn = res_rn(&now);
	f.ri = res_ri(&now);
	if (now.key.parent) {
		rc = tree_parent(tx, &now, &parent);
		if (rc != RC_OK)
			return rc;
		f.pi = res_ri(&parent);
	}
	if (now.h.et != h.et && h.marks & TREE_TIED)
		h.marks &= (uint8_t)~TREE_TIED; /* due_move leaves a hint */
	rc = assemble(&f, &value);
	if (rc != RC_OK)
		return rc;
	rc = due_move(tx, &now, h.et);
	if (rc == RC_OK)
		rc = tree_get(tx, old->key, &now);
	if (rc == RC_OK)
		rc = labels_remove(tx, &now, nw->labels, nw->n_labels);
	if (rc == RC_OK)
		rc = labels_add(tx, old->key, nw->labels, nw->n_labels);
	if (rc == RC_OK)
		rc = store_record(tx, old->key, value, out);
	free((void *)(uintptr_t)value.p);
	return rc;
}

/* Names of r, from copies: the record is gone. */
static enum reeve_rc unindex_names(struct st_tx *tx, const struct res *r)
{
	char id[RES_ID_MAX];
	struct slice generated = slice_of(id, res_id_write(r->key, id));
	struct tkey name = { 0 }, stem = { 0 };
	enum reeve_rc rc = RC_OK;

	if (r->key.parent && !slice_eq(res_rn(r), generated) && !tkey_name(&name, r->key.parent, res_rn(r)))
		return RC_INVALID;
	if (r->key.parent && !slice_eq(res_ri(r), generated) && !tkey_name(&stem, 0, res_ri(r)))
		return RC_INVALID;
	if (name.n)
		rc = no_matter(st_del(tx, ST_NAME, tkey_slice(&name)));
	if (rc == RC_OK && stem.n)
		rc = no_matter(st_del(tx, ST_NAME, tkey_slice(&stem)));
	return rc;
}

static enum reeve_rc trash_below(struct st_tx *tx, const struct res *r)
{
	struct tkey k, v;
	bool yes = false;
	enum reeve_rc rc;

	if (res_is_instance(r) && r->h.n_children == 0 && r->h.n_subs == 0)
		return RC_OK;
	rc = tree_has_below(tx, r->key.n, &yes);
	if (rc != RC_OK || !yes)
		return rc;
	tkey_trash(&k, r->key.n);
	tkey_res(&v, r->key);
	return st_put(tx, ST_TRASH, tkey_slice(&k), tkey_slice(&v));
}

enum reeve_rc tree_remove(struct st_tx *tx, const struct res *r)
{
	struct res now;
	struct tkey k;
	enum reeve_rc rc = tree_get(tx, r->key, &now); /* views in `r` may be of before a change */

	if (rc == RC_OK)
		rc = labels_remove(tx, &now, NULL, 0);
	if (rc == RC_OK)
		rc = tree_get(tx, r->key, &now);
	if (rc == RC_OK)
		rc = unindex_names(tx, &now);
	if (rc == RC_OK && !res_is_instance(r)) {
		tkey_type(&k, now.h.ty, r->key);
		rc = no_matter(st_del(tx, ST_TYPE, tkey_slice(&k)));
	}
	if (rc == RC_OK)
		rc = tree_due_remove(tx, r->key, now.h.et);
	if (rc == RC_OK)
		rc = trash_below(tx, &now);
	tkey_res(&k, r->key);
	return rc == RC_OK ? st_del(tx, ST_RES, tkey_slice(&k)) : rc;
}
