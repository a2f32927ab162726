/* SPDX-License-Identifier: Apache-2.0 */
/* What answers with many resources share (discover.c, children.c): a walk of a subtree, and what is known about places in the
 * tree, remembered for the length of one answer so that the cost per resource does not grow with its depth. */
#ifndef REEVE_CORE_LISTING_H
#define REEVE_CORE_LISTING_H

#include "core/exec.h"

/* --- places --- */

/* A resource that has listed ones below it. */
struct place {
	uint64_t n;        /* ordinal; 0: free slot */
	uint32_t depth;    /* levels below the root of the listing; PLACE_OUTSIDE */
	uint32_t path_at, path_n; /* structured address in places.paths; path_n 0: not written yet */
	bool dead;         /* gone or past its et, itself or an ancestor */
	bool inactive;     /* at or below an <AE> whose registrationStatus is INACTIVE */
};
#define PLACE_OUTSIDE UINT32_MAX

struct places {
	struct exec *x;
	uint64_t root;
	struct place *slot;
	size_t cap, n;
	struct buf paths;
	struct arena mem;
	_Alignas(16) char first[4096];
};

REEVE_MUST_CHECK enum reeve_rc places_init(struct places *p, struct exec *x, const struct res *root);
void places_free(struct places *p);
/* The place with this key; NULL when memory is out. Valid until the next call. */
const struct place *places_get(struct places *p, struct res_key key);
/* <AE> with registrationStatus INACTIVE. */
bool place_inactive(const struct res *r);
/* The address of r as a JSON string: structured, or the unstructured id. */
void places_address(struct places *p, struct buf *b, const struct res *r, bool structured);
/* {"nm":..,"typ":..,"val":..} */
void places_reference(struct places *p, struct buf *b, const struct res *r, bool structured);

/* --- walk --- */

/* Pre-order, in key order among siblings; goes below a resource only when told to. */
struct walk {
	struct st_tx *tx;
	enum tree_walk what;
	struct tree_iter *v; /* one per level */
	unsigned n, cap;
	struct arena *a;
};

REEVE_MUST_CHECK enum reeve_rc walk_begin(struct walk *w, struct st_tx *tx, struct arena *a, uint64_t root, enum tree_walk what);
/* *level: 1 for direct children. RC_NOTFOUND at the end. */
enum reeve_rc walk_next(struct walk *w, struct res *out, unsigned *level);
/* The resource just returned: its children come next. RC_LIMIT: too deep. */
REEVE_MUST_CHECK enum reeve_rc walk_below(struct walk *w, const struct res *r);
/* No more of what is below the direct child we are in. */
void walk_leave(struct walk *w);
void walk_end(struct walk *w);

#endif
