/* SPDX-License-Identifier: Apache-2.0 */
/* Places in the tree and the walk of a subtree. A place is worked out once, from its parent's: a listing of n resources
 * under m parents costs m lookups, however deep they lie. */
#include "core/discover/listing.h"

#include "core/core.h"

enum { DEPTH_MOST = 1024, SLOTS_FIRST = 32, SLOTS_MOST = 1 << 16, PATHS_MOST = 8 << 20 };

/* --- places --- */

static struct place *slot_of(struct places *p, uint64_t n)
{
	size_t i = (size_t)((n * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (p->cap - 1);

	while (p->slot[i].n && p->slot[i].n != n)
		i = (i + 1) & (p->cap - 1);
	return &p->slot[i];
}

/* Half full: twice the room; at the ceiling everything is forgotten, which costs time, not correctness. */
static bool make_room(struct places *p)
{
	struct place *old = p->slot;
	size_t n = p->cap;

	if (p->n * 2 < p->cap)
		return true;
	if (p->cap < SLOTS_MOST) {
		p->slot = arena_array(&p->mem, p->cap * 2, sizeof(*p->slot));
		if (p->slot)
			p->cap *= 2;
	} else {
		p->slot = NULL;
	}
	if (!p->slot) {
		p->slot = old;
		p->mem.failed = false;
		memset(p->slot, 0, p->cap * sizeof(*p->slot));
		p->n = 0;
		buf_clear(&p->paths);
		return true;
	}
	for (size_t i = 0; i < n; i++)
		if (old[i].n)
			*slot_of(p, old[i].n) = old[i];
	return true;
}

bool place_inactive(const struct res *r) { return r->h.ty == TYPE_AE && slice_eq(res_member(r, S("regs")), S("2")); }

/* The place of the resource with `key`, whose parent's place is `up` (NULL for <CSEBase>). */
static struct place work_out(struct places *p, struct res_key key, const struct place *up)
{
	struct place at = { .n = key.n, .depth = PLACE_OUTSIDE };
	struct res r;

	if (up)
		at = (struct place){ .n = key.n, .depth = up->depth, .dead = up->dead, .inactive = up->inactive };
	if (at.depth != PLACE_OUTSIDE)
		at.depth++;
	if (key.n == p->root)
		at.depth = 0;
	if (tree_get(p->x->tx, key, &r) != RC_OK || r.h.et <= p->x->now || tree_dropped(p->x->tx, key))
		at.dead = true;
	else
		at.inactive |= place_inactive(&r);
	return at;
}

/* Up to a place that is known, then down again. */
const struct place *places_get(struct places *p, struct res_key key)
{
	struct res_key way[DEPTH_MOST];
	struct place at = { .n = 0 }, *known;
	size_t n = 0;
	bool have = false;

	known = slot_of(p, key.n);
	if (known->n)
		return known;
	for (struct res_key k = key; k.n && n < DEPTH_MOST;) {
		struct res r;

		known = slot_of(p, k.n);
		if (known->n) {
			at = *known;
			have = true;
			break;
		}
		way[n++] = k;
		if (!k.parent)
			break;
		if (tree_get(p->x->tx, k, &r) != RC_OK) { /* an ancestor is gone: all below it is on its way out */
			at = (struct place){ .depth = PLACE_OUTSIDE, .dead = true };
			have = true;
			break;
		}
		k = res_parent_key(&r);
	}
	while (n--) {
		at = work_out(p, way[n], have ? &at : NULL);
		have = true;
		if (!make_room(p))
			return NULL;
		known = slot_of(p, at.n);
		*known = at;
		p->n++;
	}
	return slot_of(p, key.n);
}

enum reeve_rc places_init(struct places *p, struct exec *x, const struct res *root)
{
	p->x = x;
	p->root = root->key.n;
	p->n = 0;
	p->cap = SLOTS_FIRST;
	arena_init(&p->mem, p->first, sizeof(p->first), x->core->cfg->limits.request_memory);
	buf_init(&p->paths, PATHS_MOST);
	p->slot = arena_array(&p->mem, p->cap, sizeof(*p->slot));
	return p->slot && places_get(p, root->key) ? RC_OK : RC_NOMEM;
}

void places_free(struct places *p)
{
	buf_free(&p->paths);
	arena_reset(&p->mem);
}

/* "cse/a/b" of the parent of r, written once. Empty for <CSEBase>, and when it cannot be had. */
static struct slice parent_path(struct places *p, const struct res *r)
{
	struct place *at;
	struct res up;
	size_t from;

	if (!r->key.parent || !places_get(p, res_parent_key(r)))
		return S("");
	at = slot_of(p, r->key.parent);
	if (!at->path_n) {
		if (p->paths.n > PATHS_MOST / 2)
			for (size_t i = 0; i < p->cap; i++)
				p->slot[i].path_n = 0;
		if (p->paths.n > PATHS_MOST / 2)
			buf_clear(&p->paths);
		from = p->paths.n;
		if (tree_parent(p->x->tx, r, &up) != RC_OK || tree_path(p->x->tx, &up, &p->paths) != RC_OK)
			return S("");
		at->path_at = (uint32_t)from;
		at->path_n = (uint32_t)(p->paths.n - from);
	}
	return slice_of(p->paths.p + at->path_at, at->path_n);
}

void places_address(struct places *p, struct buf *b, const struct res *r, bool structured)
{
	struct slice up;

	buf_char(b, '"');
	if (structured) {
		up = parent_path(p, r);
		buf_slice(b, up);
		if (up.n)
			buf_char(b, '/');
		buf_slice(b, res_rn(r));
	} else {
		buf_slice(b, res_ri(r));
	}
	buf_char(b, '"');
}

void places_reference(struct places *p, struct buf *b, const struct res *r, bool structured)
{
	buf_lit(b, "{\"nm\":\"");
	buf_slice(b, res_rn(r));
	buf_lit(b, "\",\"typ\":");
	buf_u64(b, r->h.ty);
	buf_lit(b, ",\"val\":");
	places_address(p, b, r, structured);
	buf_char(b, '}');
}

/* --- walk --- */

static enum reeve_rc push(struct walk *w, uint64_t parent)
{
	enum reeve_rc rc;

	if (w->n == DEPTH_MOST)
		return RC_LIMIT;
	if (w->n == w->cap) {
		unsigned cap = w->cap ? w->cap * 2 : 8;
		struct tree_iter *v = arena_array(w->a, cap, sizeof(*v));

		if (!v)
			return RC_NOMEM;
		if (w->n)
			memcpy(v, w->v, w->n * sizeof(*v));
		w->v = v;
		w->cap = cap;
	}
	rc = tree_children(w->tx, parent, w->what, &w->v[w->n]);
	if (!rc)
		w->n++;
	return rc;
}

static void pop(struct walk *w) { tree_end(&w->v[--w->n]); }

enum reeve_rc walk_begin(struct walk *w, struct st_tx *tx, struct arena *a, uint64_t root, enum tree_walk what)
{
	*w = (struct walk){ .tx = tx, .a = a, .what = what };
	return push(w, root);
}

enum reeve_rc walk_next(struct walk *w, struct res *out, unsigned *level)
{
	while (w->n) {
		enum reeve_rc rc = tree_next(&w->v[w->n - 1], out);

		*level = w->n;
		if (rc != RC_NOTFOUND)
			return rc;
		pop(w);
	}
	return RC_NOTFOUND;
}

enum reeve_rc walk_below(struct walk *w, const struct res *r)
{
	/* an instance has children so seldom that it pays to ask */
	if (w->n && res_is_instance(r) && !r->h.n_children && !r->h.n_subs)
		return RC_OK;
	return push(w, r->key.n);
}

void walk_leave(struct walk *w)
{
	while (w->n > 1)
		pop(w);
}

void walk_end(struct walk *w)
{
	while (w->n)
		pop(w);
}
