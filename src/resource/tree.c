/* SPDX-License-Identifier: Apache-2.0 */
/* The tree: finding and walking. Changes are in tree_change.c, background work in tree_sweep.c.
 *
 * A resource is found by its key in one step; a name takes one step more, unless it is a generated one, which is the
 * key in text. Going up costs one lookup per level, and none for the two levels that a record names itself.
 * Every walk upwards is bounded, so that a damaged store cannot make it run in circles. */
#include "resource/tree_int.h"

#include "base/hash.h"

enum { DEPTH_MOST = 1024 };

void tkey_label(struct tkey *k, struct slice label, struct res_key r)
{
	k->n = 0;
	tkey_u64(k, hash_stable(label.p, label.n));
	tkey_key(k, r);
}

enum reeve_rc tree_get(struct st_tx *tx, struct res_key key, struct res *out)
{
	char k[RES_KEY_LEN];
	struct slice v;
	enum reeve_rc rc;

	res_key_write(key, k);
	rc = st_get(tx, ST_RES, slice_of(k, sizeof(k)), &v);
	return rc == RC_OK ? res_view(key, v, out) : rc;
}

enum reeve_rc tree_parent(struct st_tx *tx, const struct res *r, struct res *out)
{
	return r->key.parent ? tree_get(tx, res_parent_key(r), out) : RC_NOTFOUND;
}

enum reeve_rc tree_child_ordinal(struct st_tx *tx, uint64_t parent, struct slice name, uint64_t *n)
{
	struct tkey k;
	struct slice v;
	enum reeve_rc rc;

	if (!tkey_name(&k, parent, name))
		return RC_NOTFOUND;
	rc = st_get(tx, ST_NAME, tkey_slice(&k), &v);
	if (rc == RC_OK && v.n != 8)
		return RC_INVALID;
	if (rc == RC_OK)
		*n = tkey_get_u64(v.p);
	return rc;
}

enum reeve_rc tree_child(struct st_tx *tx, uint64_t parent, struct slice name, struct res *out)
{
	struct tkey k;
	struct slice v;
	struct res_key key;
	enum reeve_rc rc;

	if (!tkey_name(&k, parent, name))
		return RC_NOTFOUND;
	rc = st_get(tx, ST_NAME, tkey_slice(&k), &v);
	if (rc == RC_OK)
		return v.n == 8 ? tree_get(tx, (struct res_key){ parent, tkey_get_u64(v.p) }, out) : RC_INVALID;
	if (rc != RC_NOTFOUND || !res_id_read(name, &key) || key.parent != parent)
		return rc;
	rc = tree_get(tx, key, out);
	/* the id of a resource that was given a name is no name */
	return rc == RC_OK && !slice_eq(res_rn(out), name) ? RC_NOTFOUND : rc;
}

enum reeve_rc tree_stem(struct st_tx *tx, struct slice stem, struct res *out)
{
	struct tkey k;
	struct slice v;
	enum reeve_rc rc;

	if (!tkey_name(&k, 0, stem))
		return RC_NOTFOUND;
	rc = st_get(tx, ST_NAME, tkey_slice(&k), &v);
	if (rc != RC_OK)
		return rc;
	return v.n == RES_KEY_LEN ? tree_get(tx, res_key_read(v.p), out) : RC_INVALID;
}

/* First live instance from one end of the instances of a parent. */
static enum reeve_rc end_instance(struct st_tx *tx, uint64_t parent, usec now, bool newest, struct res *out)
{
	struct st_cursor c;
	struct tkey k;
	struct res_key key;
	uint64_t floor;
	enum reeve_rc rc;

	floor = tree_floor(tx, parent);
	tkey_res(&k, (struct res_key){ newest ? parent + 1 : parent, newest ? 0 : floor ? floor : RES_INSTANCE });
	rc = st_cursor_open(tx, ST_RES, &c);
	if (rc != RC_OK)
		return rc;
	rc = newest ? st_seek_before(&c, tkey_slice(&k)) : st_seek(&c, tkey_slice(&k));
	for (; rc == RC_OK; rc = newest ? st_prev(&c) : st_next(&c)) {
		key = c.key.n == RES_KEY_LEN ? res_key_read(c.key.p) : (struct res_key){ 0, 0 };
		if (key.parent != parent || !(key.n & RES_INSTANCE) || key.n < floor) {
			rc = RC_NOTFOUND;
			break;
		}
		rc = res_view(key, c.value, out);
		if (rc != RC_OK || out->h.et > now)
			break;
	}
	st_cursor_close(&c);
	return rc;
}

enum reeve_rc tree_newest(struct st_tx *tx, uint64_t parent, uint64_t most, uint64_t most_bytes, struct tree_kept *out)
{
	uint64_t floor = tree_floor(tx, parent);
	struct st_cursor c;
	struct tkey k;
	struct res r;
	enum reeve_rc rc;

	*out = (struct tree_kept){ .floor = UINT64_MAX };
	tkey_res(&k, (struct res_key){ parent + 1, 0 });
	if ((rc = st_cursor_open(tx, ST_RES, &c)) != RC_OK)
		return rc;
	for (rc = st_seek_before(&c, tkey_slice(&k)); rc == RC_OK; rc = st_prev(&c)) {
		struct res_key key = c.key.n == RES_KEY_LEN ? res_key_read(c.key.p) : (struct res_key){ 0, 0 };

		if (key.parent != parent || !(key.n & RES_INSTANCE) || key.n < floor)
			break;
		if (out->floor == UINT64_MAX) /* nothing newer is there; what comes is */
			out->floor = key.n + 1;
		if ((rc = res_view(key, c.value, &r)) != RC_OK || out->n == most || r.h.cs > most_bytes - out->bytes)
			break;
		out->n++;
		out->bytes += r.h.cs;
		out->floor = key.n;
	}
	st_cursor_close(&c);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

enum reeve_rc tree_latest(struct st_tx *tx, uint64_t parent, usec now, struct res *out)
{
	return end_instance(tx, parent, now, true, out);
}

enum reeve_rc tree_oldest(struct st_tx *tx, uint64_t parent, usec now, struct res *out)
{
	return end_instance(tx, parent, now, false, out);
}

/* --- upwards --- */

uint64_t tree_floor(struct st_tx *tx, uint64_t n)
{
	struct tkey k;
	struct slice v;

	if (st_entries(tx, ST_TRASH) == 0)
		return 0;
	tkey_trash(&k, n);
	return st_get(tx, ST_TRASH, tkey_slice(&k), &v) == RC_OK && v.n == TRASH_FLOOR ? tkey_get_u64(v.p + RES_KEY_LEN) : 0;
}

bool tree_dropped(struct st_tx *tx, struct res_key key)
{
	return key.n & RES_INSTANCE && key.n < tree_floor(tx, key.parent);
}

/* Every ancestor is there and not past its et, and neither r nor one of them is dropped. */
static bool ancestors_alive(struct st_tx *tx, const struct res *r, usec now)
{
	struct res_key up = res_parent_key(r);
	struct res a;

	if (tree_dropped(tx, r->key))
		return false;
	for (int depth = 0; up.n && depth < DEPTH_MOST; depth++) {
		if (tree_get(tx, up, &a) != RC_OK || a.h.et <= now || tree_dropped(tx, up))
			return false;
		up = res_parent_key(&a);
	}
	return up.n == 0;
}

bool tree_alive(struct st_tx *tx, const struct res *r, usec now)
{
	return r->h.et > now && (st_entries(tx, ST_TRASH) == 0 || ancestors_alive(tx, r, now));
}

bool tree_attached(struct st_tx *tx, const struct res *r)
{
	return st_entries(tx, ST_TRASH) == 0 || ancestors_alive(tx, r, INT64_MIN);
}

bool tree_below(struct st_tx *tx, const struct res *r, uint64_t ancestor)
{
	struct res_key up = res_parent_key(r);
	struct res a;

	if (r->key.n == ancestor)
		return true;
	for (int depth = 0; up.n && depth < DEPTH_MOST; depth++) {
		if (up.n == ancestor || up.parent == ancestor)
			return true;
		if (up.parent == 0 || tree_get(tx, up, &a) != RC_OK)
			return false;
		up = (struct res_key){ a.h.grandparent, a.key.parent };
	}
	return false;
}

unsigned tree_depth(struct st_tx *tx, const struct res *r, unsigned most)
{
	struct res_key up = res_parent_key(r);
	unsigned depth = 0;
	struct res a;

	while (up.n && depth < most) {
		depth++;
		if (up.n == RES_ROOT)
			break;
		if (tree_get(tx, up, &a) != RC_OK)
			return most;
		up = res_parent_key(&a);
	}
	return depth;
}

enum reeve_rc tree_path(struct st_tx *tx, const struct res *r, struct buf *b)
{
	struct res up = *r;
	size_t total = res_rn(r).n, at;
	enum reeve_rc rc = RC_OK;
	char *p;

	for (int depth = 0; up.key.parent; depth++) {
		rc = depth < DEPTH_MOST ? tree_parent(tx, &up, &up) : RC_INVALID;
		if (rc != RC_OK)
			return rc;
		total += res_rn(&up).n + 1;
	}
	p = buf_room(b, total);
	if (!p)
		return RC_NOMEM;
	up = *r;
	for (at = total;;) { /* the same way again, writing from the end */
		at -= res_rn(&up).n;
		memcpy(p + at, res_rn(&up).p, res_rn(&up).n);
		if (at == 0)
			break;
		p[--at] = '/';
		rc = tree_parent(tx, &up, &up);
		if (rc != RC_OK)
			return rc;
	}
	b->n += total;
	return RC_OK;
}

/* --- children --- */

static void first_key(const struct tree_iter *it, struct tkey *k)
{
	struct res_key from = { it->parent, it->instances_only ? RES_INSTANCE : 0 };

	if (it->by_type)
		tkey_type(k, (uint16_t)it->ty, from);
	else
		tkey_res(k, from);
}

enum reeve_rc tree_children(struct st_tx *tx, uint64_t parent, enum tree_walk what, struct tree_iter *it)
{
	*it = (struct tree_iter){ .tx = tx, .parent = parent, .instances_only = what == TREE_INSTANCES,
				  .no_instances = what == TREE_NO_INSTANCES, .floor = tree_floor(tx, parent) };
	return st_cursor_open(tx, ST_RES, &it->c);
}

enum reeve_rc tree_children_of_type(struct st_tx *tx, uint64_t parent, int32_t ty, struct tree_iter *it)
{
	*it = (struct tree_iter){ .tx = tx, .parent = parent, .ty = ty, .floor = tree_floor(tx, parent) };
	it->instances_only = res_ty_is_instance(ty);
	it->by_type = !it->instances_only;
	return st_cursor_open(tx, it->by_type ? ST_TYPE : ST_RES, &it->c);
}

/* To the next entry; after a change the place is sought again, because the cursor may stand on what is gone. */
static enum reeve_rc step(struct tree_iter *it)
{
	struct tkey k, last;
	enum reeve_rc rc;

	if (it->begun && it->changes == st_changes(it->tx))
		return st_next(&it->c);
	it->changes = st_changes(it->tx);
	if (!it->begun) {
		it->begun = true;
		first_key(it, &k);
		return st_seek(&it->c, tkey_slice(&k));
	}
	if (it->by_type)
		tkey_type(&last, (uint16_t)it->ty, it->last);
	else
		tkey_res(&last, it->last);
	rc = st_seek(&it->c, tkey_slice(&last));
	return rc == RC_OK && slice_eq(it->c.key, tkey_slice(&last)) ? st_next(&it->c) : rc;
}

enum reeve_rc tree_next(struct tree_iter *it, struct res *out)
{
	size_t prefix = it->by_type ? TYPE_PREFIX : 0;
	enum reeve_rc rc;

	for (;;) {
		rc = step(it);
		if (rc != RC_OK)
			return rc;
		if (it->c.key.n != prefix + RES_KEY_LEN)
			return RC_INVALID;
		it->last = res_key_read(it->c.key.p + prefix);
		if (it->last.parent != it->parent || (it->no_instances && it->last.n & RES_INSTANCE))
			return RC_NOTFOUND;
		if (it->last.n & RES_INSTANCE && it->last.n < it->floor) { /* go on where the others begin */
			it->last.n = it->floor - 1;
			it->changes = UINT64_MAX;
			continue;
		}
		if (it->by_type) {
			if (((uint8_t)it->c.key.p[0] << 8 | (uint8_t)it->c.key.p[1]) != it->ty)
				return RC_NOTFOUND;
			return tree_get(it->tx, it->last, out);
		}
		rc = res_view(it->last, it->c.value, out);
		if (rc != RC_OK || it->ty == 0 || out->h.ty == it->ty)
			return rc;
	}
}

void tree_end(struct tree_iter *it) { st_cursor_close(&it->c); }

enum reeve_rc tree_has_below(struct st_tx *tx, uint64_t n, bool *yes)
{
	struct st_cursor c;
	struct tkey k;
	enum reeve_rc rc = st_cursor_open(tx, ST_RES, &c);

	if (rc != RC_OK)
		return rc;
	tkey_res(&k, (struct res_key){ n, 0 });
	rc = st_seek(&c, tkey_slice(&k));
	*yes = rc == RC_OK && c.key.n == RES_KEY_LEN && res_key_read(c.key.p).parent == n;
	st_cursor_close(&c);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

/* --- over the whole tree --- */

static enum reeve_rc find_open(struct st_tx *tx, enum st_table t, const struct tkey *k, size_t prefix, struct tree_find *f)
{
	*f = (struct tree_find){ .tx = tx, .prefix_len = (uint8_t)prefix };
	memcpy(f->prefix, k->p, prefix);
	return st_cursor_open(tx, t, &f->c);
}

enum reeve_rc tree_find_label(struct st_tx *tx, struct slice label, struct tree_find *f)
{
	struct tkey k;
	enum reeve_rc rc;

	tkey_label(&k, label, (struct res_key){ 0, 0 });
	rc = find_open(tx, ST_LABEL, &k, LABEL_PREFIX, f);
	f->label = label;
	return rc;
}

enum reeve_rc tree_find_type(struct st_tx *tx, int32_t ty, struct tree_find *f)
{
	struct tkey k;

	tkey_type(&k, (uint16_t)ty, (struct res_key){ 0, 0 });
	return find_open(tx, ST_TYPE, &k, TYPE_PREFIX, f);
}

void tree_find_after(struct tree_find *f, struct res_key last)
{
	memcpy(f->last, f->prefix, f->prefix_len);
	res_key_write(last, f->last + f->prefix_len);
	f->begun = true;
	f->changes = ~st_changes(f->tx); /* so that the place is looked for */
}

static enum reeve_rc find_step(struct tree_find *f)
{
	struct slice last = slice_of(f->last, f->prefix_len + (size_t)RES_KEY_LEN);
	enum reeve_rc rc;

	if (f->begun && f->changes == st_changes(f->tx))
		return st_next(&f->c);
	f->changes = st_changes(f->tx);
	if (!f->begun) {
		f->begun = true;
		return st_seek(&f->c, slice_of(f->prefix, f->prefix_len));
	}
	rc = st_seek(&f->c, last);
	return rc == RC_OK && slice_eq(f->c.key, last) ? st_next(&f->c) : rc;
}

static bool has_label(const struct res *r, struct slice label)
{
	_Alignas(16) char first[2048];
	struct arena a;
	struct slice *labels;
	size_t n;
	bool found = false;

	arena_init(&a, first, sizeof(first), 1u << 20);
	if (res_labels(&a, r, &labels, &n) == RC_OK)
		for (size_t i = 0; i < n && !found; i++)
			found = slice_eq(labels[i], label);
	arena_reset(&a);
	return found;
}

enum reeve_rc tree_find_next(struct tree_find *f, struct res *out)
{
	enum reeve_rc rc;

	for (;;) {
		rc = find_step(f);
		if (rc != RC_OK)
			return rc;
		if (f->c.key.n != f->prefix_len + (size_t)RES_KEY_LEN || memcmp(f->c.key.p, f->prefix, f->prefix_len) != 0)
			return RC_NOTFOUND;
		memcpy(f->last, f->c.key.p, f->c.key.n);
		rc = tree_get(f->tx, res_key_read(f->last + f->prefix_len), out);
		if (rc == RC_NOTFOUND) /* an index entry without its resource: a damaged store, not the reader's fault */
			continue;
		if (rc == RC_OK && tree_dropped(f->tx, out->key))
			continue;
		if (rc != RC_OK || f->label.p == NULL || has_label(out, f->label))
			return rc;
	}
}

void tree_find_end(struct tree_find *f) { st_cursor_close(&f->c); }
