/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's cache of parsed subscriptions: a direct-mapped table by parent.
 *
 * A create of a contentInstance below a container with subscriptions must not parse them again. What may not happen is that a
 * list read in a transaction that then fails stays: a transaction that touched any subscription reads lists anew, without keeping them,
 * until the next one (st_version tells them apart; a failed transaction is repeated under the same number, and again keeps nothing). */
#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "core/notify/notify_int.h"

enum {
	SLOTS = 1024,
	LIST_MEMORY = 64 << 20,
	LARGE = 8192,            /* bytes of text: such subscriptions get what memory the others leave */
	CACHE_MEMORY = 256 << 20 /* of all lists; when there is more, all are forgotten */
};

struct sub_cache {
	uint64_t dirty;  /* version of the last transaction that changed a subscription */
	size_t used;
	struct sub_list *slot[SLOTS];
};

struct sub_cache *sub_cache_new(void) { return calloc(1, sizeof(struct sub_cache)); }

static void list_free(struct sub_list *l)
{
	if (!l)
		return;
	arena_reset(&l->arena);
	free(l);
}

void sub_cache_free(struct sub_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		list_free(c->slot[i]);
	free(c);
}

static struct sub_list **slot_of(struct sub_cache *c, uint64_t parent)
{
	return &c->slot[hash_mem(&parent, sizeof(parent)) % SLOTS];
}

void sub_cache_changed(struct sub_cache *c, struct exec *x, uint64_t parent)
{
	struct sub_list **slot;

	if (!c)
		return;
	c->dirty = st_version(x->tx);
	slot = slot_of(c, parent);
	if (*slot && (*slot)->parent == parent) {
		c->used -= (*slot)->arena.used;
		list_free(*slot);
		*slot = NULL;
	}
}

/* Room for every subscription of the parent, whose count the caller knows only roughly. */
static enum reeve_rc grow(struct sub_list *l, size_t *cap)
{
	size_t more = *cap ? *cap * 2 : 4;
	struct sub *v;

	if (l->n < *cap)
		return RC_OK;
	if (!(v = arena_array(&l->arena, more, sizeof(*v))))
		return RC_NOMEM;
	if (l->n)
		memcpy(v, l->v, l->n * sizeof(*v));
	l->v = v;
	*cap = more;
	return RC_OK;
}

/* Read the small or the large ones. One that does not fit is left out: it must not keep the others from being told. */
static enum reeve_rc fill(struct exec *x, struct sub_list *l, bool large, size_t *cap, bool *any_large, unsigned *left_out)
{
	struct tree_iter it;
	struct res r;
	enum reeve_rc rc = tree_children_of_type(x->tx, l->parent, TYPE_SUBSCRIPTION, &it);

	if (rc != RC_OK)
		return rc;
	while ((rc = tree_next(&it, &r)) == RC_OK) {
		*any_large |= r.text.n > LARGE;
		if ((r.text.n > LARGE) != large)
			continue;
		rc = grow(l, cap);
		if (rc == RC_OK)
			rc = sub_read(x, &l->arena, &r, &l->v[l->n]);
		if (rc == RC_OK)
			l->n++;
		else if (rc == RC_NOMEM)
			++*left_out;
		else if (rc != RC_INVALID)
			break;
		l->arena.failed = false;
	}
	tree_end(&it);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

static enum reeve_rc fill_all(struct exec *x, struct sub_list *l)
{
	bool any_large = false;
	unsigned left_out = 0;
	size_t cap = 0;
	enum reeve_rc rc = fill(x, l, false, &cap, &any_large, &left_out);

	if (rc == RC_OK && any_large)
		rc = fill(x, l, true, &cap, &any_large, &left_out);
	if (left_out) {
		log_warn("notify", "%u subscriptions of one resource are too large together, and are not told", left_out);
		metrics_inc(&x->core->metrics, notifications_dropped);
	}
	return rc;
}

static void forget_all(struct sub_cache *c)
{
	for (size_t i = 0; i < SLOTS; i++) {
		list_free(c->slot[i]);
		c->slot[i] = NULL;
	}
	c->used = 0;
}

static void keep(struct sub_cache *c, struct sub_list **slot, struct sub_list *l)
{
	if (*slot)
		c->used -= (*slot)->arena.used;
	list_free(*slot);
	*slot = NULL;
	if (c->used + l->arena.used > CACHE_MEMORY)
		forget_all(c);
	c->used += l->arena.used;
	*slot = l;
	l->cached = true;
}

enum reeve_rc sub_list_get(struct sub_cache *c, struct exec *x, uint64_t parent, struct sub_list **out)
{
	struct sub_list **slot = c ? slot_of(c, parent) : NULL, *l;
	enum reeve_rc rc;

	if (slot && *slot && (*slot)->parent == parent) {
		*out = *slot;
		return RC_OK;
	}
	if (!(l = calloc(1, sizeof(*l))))
		return RC_NOMEM;
	l->parent = parent;
	arena_init(&l->arena, NULL, 0, LIST_MEMORY);
	if ((rc = fill_all(x, l)) != RC_OK) {
		list_free(l);
		return rc;
	}
	if (slot && st_version(x->tx) != c->dirty)
		keep(c, slot, l);
	*out = l;
	return RC_OK;
}

void sub_list_put(struct sub_list *l)
{
	if (l && !l->cached)
		list_free(l);
}
