/* SPDX-License-Identifier: Apache-2.0 */
/* The tree: work in the background. Removing what hangs below a removed resource, and finding what expires.
 *
 * Both do a bounded amount per call, so that the writer can serve requests in between, and both continue from
 * what the tables say, so a crash loses nothing. The cost of removing a subtree is linear in its size: each parent's children are
 * one range of keys, taken in order; a child that has children itself is entered in the trash in turn. */
#include "resource/tree_int.h"

enum {
	CHUNK = 64,                  /* children noted at once */
	OWN = RES_KEY_LEN,           /* value of an entry: key */
	HINT = RES_KEY_LEN + 8,      /* key, and the ordinal from which to go on */
};
static const usec again_after = 60 * USEC_S;

/* --- removed subtrees --- */

/* What an entry of the trash is about: the children of ordinal n from `from` on, and before `floor`. */
struct trash { uint64_t n, from, floor; };

/* Keys of the first children it is about. */
static enum reeve_rc first_children(struct st_tx *tx, const struct trash *t, struct res_key *keys, size_t most, size_t *got)
{
	struct st_cursor c;
	struct tkey k;
	enum reeve_rc rc = st_cursor_open(tx, ST_RES, &c);

	*got = 0;
	if (rc != RC_OK)
		return rc;
	tkey_res(&k, (struct res_key){ t->n, t->from });
	for (rc = st_seek(&c, tkey_slice(&k)); rc == RC_OK && *got < most; rc = st_next(&c)) {
		if (c.key.n != RES_KEY_LEN || res_key_read(c.key.p).parent != t->n || res_key_read(c.key.p).n >= t->floor)
			break;
		keys[(*got)++] = res_key_read(c.key.p);
	}
	st_cursor_close(&c);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

static enum reeve_rc sweep_one(struct st_tx *tx, struct res_key key, tree_each each, void *ctx)
{
	struct res r;
	enum reeve_rc rc = tree_get(tx, key, &r);

	if (rc == RC_NOTFOUND) /* a hook took it along */
		return RC_OK;
	if (rc == RC_OK && each && (rc = each(ctx, &r)) == RC_OK)
		rc = tree_get(tx, key, &r); /* what the hook wrote may have moved the record */
	if (rc == RC_OK)
		rc = tree_remove(tx, &r);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

enum reeve_rc tree_drop_before(struct st_tx *tx, struct res_key parent, uint64_t floor)
{
	struct tkey k, v;

	if (floor <= tree_floor(tx, parent.n))
		return RC_OK;
	tkey_trash(&k, parent.n);
	tkey_res(&v, parent);
	tkey_u64(&v, floor);
	return st_put(tx, ST_TRASH, tkey_slice(&k), tkey_slice(&v));
}

/* The first entry of the trash. */
static enum reeve_rc first_trash(struct st_tx *tx, struct trash *t)
{
	struct st_cursor c;
	enum reeve_rc rc = st_cursor_open(tx, ST_TRASH, &c);

	if (rc != RC_OK)
		return rc;
	rc = st_seek(&c, S(""));
	if (rc == RC_OK && (c.key.n != 8 || (c.value.n != TRASH_ALL && c.value.n != TRASH_FLOOR)))
		rc = RC_INVALID;
	if (rc == RC_OK)
		*t = (struct trash){ .n = tkey_get_u64(c.key.p), .floor = UINT64_MAX };
	if (rc == RC_OK && c.value.n == TRASH_FLOOR) {
		t->from = RES_INSTANCE;
		t->floor = tkey_get_u64(c.value.p + RES_KEY_LEN);
	}
	st_cursor_close(&c);
	return rc;
}

enum reeve_rc tree_sweep(struct st_tx *tx, size_t budget, tree_each each, void *ctx, bool *more)
{
	struct res_key keys[CHUNK];
	struct tkey k;
	struct trash t;
	size_t got;
	enum reeve_rc rc;

	*more = false;
	while (budget > 0) {
		rc = first_trash(tx, &t);
		if (rc != RC_OK)
			return rc == RC_NOTFOUND ? RC_OK : rc;
		rc = first_children(tx, &t, keys, budget < CHUNK ? budget : CHUNK, &got);
		for (size_t i = 0; rc == RC_OK && i < got; i++)
			rc = sweep_one(tx, keys[i], each, ctx);
		if (rc == RC_OK && got == 0) {
			tkey_trash(&k, t.n);
			rc = st_del(tx, ST_TRASH, tkey_slice(&k));
			got = 1;
		}
		if (rc != RC_OK)
			return rc;
		budget -= got;
	}
	*more = st_entries(tx, ST_TRASH) > 0;
	return RC_OK;
}

/* --- what expires --- */

enum reeve_rc tree_due_add(struct st_tx *tx, struct res_key key, usec et)
{
	struct tkey k, v;
	struct slice there;

	tkey_due(&k, et, key.n);
	if (st_get(tx, ST_DUE, tkey_slice(&k), &there) == RC_OK)
		return RC_OK; /* also when it is a hint: a hint looks at the resource itself first */
	tkey_res(&v, key);
	return st_put(tx, ST_DUE, tkey_slice(&k), tkey_slice(&v));
}

enum reeve_rc tree_due_remove(struct st_tx *tx, struct res_key key, usec et)
{
	struct tkey k;
	struct slice v;
	enum reeve_rc rc;

	if (et == USEC_NEVER)
		return RC_OK;
	tkey_due(&k, et, key.n);
	rc = st_get(tx, ST_DUE, tkey_slice(&k), &v);
	if (rc == RC_NOTFOUND || (rc == RC_OK && v.n != OWN))
		return RC_OK; /* a hint for a resource that is gone is dropped when its time comes */
	return rc == RC_OK ? st_del(tx, ST_DUE, tkey_slice(&k)) : rc;
}

static enum reeve_rc put_hint(struct st_tx *tx, struct res_key key, usec at, uint64_t from)
{
	struct tkey k, v;

	tkey_due(&k, at, key.n);
	tkey_res(&v, key);
	tkey_u64(&v, from);
	return st_put(tx, ST_DUE, tkey_slice(&k), tkey_slice(&v));
}

enum reeve_rc tree_due_hint(struct st_tx *tx, struct res_key key, usec at) { return put_hint(tx, key, at, 0); }

struct due { usec at; struct res_key key; bool hint; uint64_t from; };

/* The first entry; RC_NOTFOUND when there is none. */
static enum reeve_rc first_due(struct st_tx *tx, struct due *d)
{
	struct st_cursor c;
	enum reeve_rc rc = st_cursor_open(tx, ST_DUE, &c);

	if (rc != RC_OK)
		return rc;
	rc = st_seek(&c, S(""));
	if (rc == RC_OK && c.key.n == DUE_KEY && (c.value.n == OWN || c.value.n == HINT)) {
		*d = (struct due){ .at = (usec)tkey_get_u64(c.key.p), .key = res_key_read(c.value.p), .hint = c.value.n == HINT };
		if (d->hint)
			d->from = tkey_get_u64(c.value.p + RES_KEY_LEN);
	} else if (rc == RC_OK) {
		rc = RC_INVALID;
	}
	st_cursor_close(&c);
	return rc;
}

usec tree_next_due(struct st_tx *tx)
{
	struct due d;
	return first_due(tx, &d) == RC_OK ? d.at : USEC_NEVER;
}

static enum reeve_rc drop(struct st_tx *tx, const struct due *d)
{
	struct tkey k;
	enum reeve_rc rc;

	tkey_due(&k, d->at, d->key.n);
	rc = st_del(tx, ST_DUE, tkey_slice(&k));
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

/* r is past its et. When `each` leaves it, ask again later. */
static enum reeve_rc expire(struct st_tx *tx, const struct res *r, usec now, tree_each each, void *ctx)
{
	struct res_key key = r->key;
	struct res again;
	struct tkey k, v;
	enum reeve_rc rc = each(ctx, r);

	if (rc == RC_OK)
		rc = tree_get(tx, key, &again);
	if (rc != RC_OK)
		return rc == RC_NOTFOUND ? RC_OK : rc;
	if (again.h.et > now)
		return RC_OK; /* it was given more time, and an entry with it */
	tkey_due(&k, now + again_after, key.n);
	tkey_res(&v, key);
	return st_put(tx, ST_DUE, tkey_slice(&k), tkey_slice(&v));
}

/* Look at the children of a hint's resource, from where the last look ended. */
static enum reeve_rc look_below(struct st_tx *tx, const struct due *d, const struct res *parent, usec now, size_t *budget,
				tree_each each, void *ctx)
{
	bool tied = parent->h.marks & TREE_TIED;
	usec parent_et = parent->h.et;
	struct tree_iter it;
	struct res r;
	enum reeve_rc rc = tree_children(tx, d->key.n, TREE_ALL, &it);

	if (rc != RC_OK)
		return rc;
	if (d->from) {
		it.begun = true; /* as after a change: go on behind `last` */
		it.changes = UINT64_MAX;
		it.last = (struct res_key){ d->key.n, d->from };
	}
	while ((rc = tree_next(&it, &r)) == RC_OK) {
		if (r.h.et <= now)
			rc = expire(tx, &r, now, each, ctx);
		else if (r.h.et < parent_et)
			rc = tree_due_add(tx, r.key, r.h.et);
		else if (r.h.et != USEC_NEVER && !tied) { /* once more, for the next Update of the parent */
			rc = tree_set_mark(tx, res_parent_key(&r), TREE_TIED);
			tied = true;
		}
		if (rc != RC_OK)
			break;
		if (--*budget == 0) {
			rc = put_hint(tx, d->key, d->at, it.last.n);
			break;
		}
	}
	tree_end(&it);
	return rc == RC_NOTFOUND ? drop(tx, d) : rc;
}

enum reeve_rc tree_due(struct st_tx *tx, usec now, size_t budget, tree_each each, void *ctx, bool *more)
{
	struct due d;
	struct res r;
	enum reeve_rc rc;

	for (;;) {
		*more = false;
		rc = first_due(tx, &d);
		if (rc != RC_OK || d.at > now)
			return rc == RC_NOTFOUND ? RC_OK : rc;
		*more = true;
		if (budget == 0)
			return RC_OK;
		rc = tree_get(tx, d.key, &r);
		if (rc == RC_OK && !tree_attached(tx, &r))
			rc = RC_NOTFOUND; /* it is being swept */
		if (rc == RC_OK && r.h.et > now && d.hint) {
			rc = look_below(tx, &d, &r, now, &budget, each, ctx);
			if (rc != RC_OK)
				return rc;
			continue;
		}
		budget--;
		if (rc != RC_OK && rc != RC_NOTFOUND)
			return rc;
		if (rc == RC_OK && r.h.et <= now) {
			rc = drop(tx, &d);
			if (rc == RC_OK)
				rc = tree_get(tx, d.key, &r);
			if (rc == RC_OK)
				rc = expire(tx, &r, now, each, ctx);
		} else {
			rc = drop(tx, &d);
		}
		if (rc != RC_OK)
			return rc;
	}
}
