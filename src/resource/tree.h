/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of resources over the tables of the store: find, walk, insert, replace, remove, and every index that goes
 * with it. It knows records, not requests: no access control, no validation, no notifications. */
#ifndef REEVE_RESOURCE_TREE_H
#define REEVE_RESOURCE_TREE_H

#include "resource/record.h"
#include "store/store.h"

/* Each finder returns RC_NOTFOUND when there is no such resource, whether or not it is a moment past its et: the
 * caller compares h.et with its own clock (tree_alive). */
REEVE_MUST_CHECK enum reeve_rc tree_get(struct st_tx *tx, struct res_key key, struct res *out);
REEVE_MUST_CHECK enum reeve_rc tree_parent(struct st_tx *tx, const struct res *r, struct res *out);
/* Child by name: the name index, then a name that is a generated id under this parent. */
REEVE_MUST_CHECK enum reeve_rc tree_child(struct st_tx *tx, uint64_t parent, struct slice name, struct res *out);
/* Only the ordinal of a child that was given this name: enough to go on to its children. RC_NOTFOUND also for a generated name. */
REEVE_MUST_CHECK enum reeve_rc tree_child_ordinal(struct st_tx *tx, uint64_t parent, struct slice name, uint64_t *n);
/* <AE> by AE-ID-Stem. */
REEVE_MUST_CHECK enum reeve_rc tree_stem(struct st_tx *tx, struct slice stem, struct res *out);
/* Newest or oldest live instance below `parent` (et > now). */
REEVE_MUST_CHECK enum reeve_rc tree_latest(struct st_tx *tx, uint64_t parent, usec now, struct res *out);
REEVE_MUST_CHECK enum reeve_rc tree_oldest(struct st_tx *tx, uint64_t parent, usec now, struct res *out);

/* False when r or, while subtrees are being removed in the background, one of its ancestors is gone, dropped or past its et. */
bool tree_alive(struct st_tx *tx, const struct res *r, usec now);
/* True when `ancestor` (an ordinal) is r itself or above it. */
bool tree_below(struct st_tx *tx, const struct res *r, uint64_t ancestor);
/* How many ancestors r has; `most` when there are more, or one is missing. */
unsigned tree_depth(struct st_tx *tx, const struct res *r, unsigned most);
/* Structured CSE-relative address "cse/a/b" appended to b. */
REEVE_MUST_CHECK enum reeve_rc tree_path(struct st_tx *tx, const struct res *r, struct buf *b);

/* Walk the children of a parent in key order: all (ty 0), of one type, or only/except instances. A writer may change
 * the tree between two steps, the child it stands on included; it must not keep views over a change. */
struct tree_iter {
	struct st_cursor c;
	struct st_tx *tx;
	uint64_t parent;
	int32_t ty;       /* 0: all */
	struct res_key last; /* where we are, to find the place again after a change */
	uint64_t floor;      /* instances before it are dropped; 0: none */
	uint64_t changes;
	bool begun, by_type, instances_only, no_instances;
};
enum tree_walk { TREE_ALL, TREE_NO_INSTANCES, TREE_INSTANCES };
REEVE_MUST_CHECK enum reeve_rc tree_children(struct st_tx *tx, uint64_t parent, enum tree_walk what, struct tree_iter *it);
REEVE_MUST_CHECK enum reeve_rc tree_children_of_type(struct st_tx *tx, uint64_t parent, int32_t ty, struct tree_iter *it);
enum reeve_rc tree_next(struct tree_iter *it, struct res *out); /* RC_NOTFOUND at the end */
void tree_end(struct tree_iter *it);

/* Candidates from an index over the whole tree, in the order of their keys; the caller checks the subtree (tree_below). Labels
 * are compared on the record, so a hash collision is never seen. */
struct tree_find {
	struct st_cursor c;
	struct st_tx *tx;
	struct slice label;   /* must live as long as the search */
	char prefix[10], last[26];
	uint8_t prefix_len;
	bool begun;
	uint64_t changes;
};
REEVE_MUST_CHECK enum reeve_rc tree_find_label(struct st_tx *tx, struct slice label, struct tree_find *f);
REEVE_MUST_CHECK enum reeve_rc tree_find_type(struct st_tx *tx, int32_t ty, struct tree_find *f); /* not for instances */
/* Go on behind `last`, where an earlier search of the same kind ended. */
void tree_find_after(struct tree_find *f, struct res_key last);
enum reeve_rc tree_find_next(struct tree_find *f, struct res *out);
void tree_find_end(struct tree_find *f);

/* --- changes: writer only --- */

/* What a new or changed resource consists of. */
struct res_new {
	struct rec_head h;         /* ty, times, counters, flags; lengths, marks and grandparent are filled in by the tree */
	struct slice name;         /* given by the client, or empty: the generated id becomes the name */
	struct slice stem;         /* <AE>, and <AEAnnc> of an S-type one: the ri and the alias; else empty */
	struct slice ri;           /* <CSEBase>: its ri; else empty */
	const struct res_key *acps; size_t n_acps;
	struct slice creator;
	struct slice attrs;        /* JSON members without braces and without rn, ri, ty, pi, ct, lt, et, st, cni, cbs */
	const struct slice *labels; size_t n_labels; /* unescaped, for the index */
};

/* Next free ordinal; the writer holds the counter in memory and stores it at commit. */
struct tree_seq { uint64_t next; };
REEVE_MUST_CHECK enum reeve_rc tree_seq_load(struct st_tx *tx, struct tree_seq *seq);
REEVE_MUST_CHECK enum reeve_rc tree_seq_save(struct st_tx *tx, const struct tree_seq *seq);

/* Insert below `parent`, NULL for <CSEBase>, whose counters (n_children, n_subs, cni, ...) are adjusted by the caller through
 * tree_touch; it was read in this transaction after the last insert below it. RC_EXISTS when the name or the stem is taken.
 * RC_INVALID when a name, stem or ri could not stand in an address or a list is too long. RC_FULL also when only removals
 * find room (st_tight): this transaction is not spoilt then. *out views the new record. */
REEVE_MUST_CHECK enum reeve_rc tree_insert(struct st_tx *tx, struct tree_seq *seq, const struct res *parent,
					   const struct res_new *nw, struct res *out);
/* Write back a changed head (counters, lt, flags): r->h as the caller changed it. Lengths and et must be as they were; tree_replace
 * changes those. */
REEVE_MUST_CHECK enum reeve_rc tree_touch(struct st_tx *tx, const struct res *r);
/* Replace everything changeable: attrs, acps, labels, creator, and the head but for ty, ct and what belongs to the tree. Name,
 * identifiers and place stay. Index entries follow. *out views the new record. */
REEVE_MUST_CHECK enum reeve_rc tree_replace(struct st_tx *tx, const struct res *old, const struct res_new *nw, struct res *out);
/* Remove r itself and its index entries (for an instance with children, h.n_children or n_subs must be true). Descendants are
 * not reachable any more, and are entered in the trash when there are any. */
REEVE_MUST_CHECK enum reeve_rc tree_remove(struct st_tx *tx, const struct res *r);

/* The oldest instances below a resource, all at once: those with an ordinal before `floor` are not found from now on, and swept like
 * what hangs below a removed resource. Counters are the caller's business, now; `each` of tree_sweep must leave them alone for these. */
REEVE_MUST_CHECK enum reeve_rc tree_drop_before(struct st_tx *tx, struct res_key parent, uint64_t floor);
/* Is the resource with this key one of those? */
bool tree_dropped(struct st_tx *tx, struct res_key key);
/* How many of the newest instances below `parent` are `most` at most and have `most_bytes` at most, and where they begin. */
struct tree_kept { uint64_t n, bytes, floor; };
REEVE_MUST_CHECK enum reeve_rc tree_newest(struct st_tx *tx, uint64_t parent, uint64_t most, uint64_t most_bytes, struct tree_kept *out);

/* Remove up to `budget` descendants of trashed subtrees; `each` is called before a record goes (events, hooks).
 * *more tells whether some are left. */
typedef enum reeve_rc (*tree_each)(void *ctx, const struct res *r);
REEVE_MUST_CHECK enum reeve_rc tree_sweep(struct st_tx *tx, size_t budget, tree_each each, void *ctx, bool *more);
/* The earliest moment at which something expires; USEC_NEVER when nothing does. */
usec tree_next_due(struct st_tx *tx);
/* Call `each` for up to `budget` resources whose et is at or before now; it removes them (tree_remove) or leaves them, and then is asked
 * again a minute later.
 *
 * ST_DUE has an entry only for a resource that expires before its parent; the others go with it. When a parent
 * gets another et by an Update, the children that would have gone with it need a look at the old time: the entry at the old time
 * stays, as a hint. When a hint is due, the children of its resource are looked at: what has expired is given to `each`, what expires
 * before its parent now gets an entry of its own. */
REEVE_MUST_CHECK enum reeve_rc tree_due(struct st_tx *tx, usec now, size_t budget, tree_each each, void *ctx, bool *more);

/* Labels of r, unescaped, from its text; *out from a. */
REEVE_MUST_CHECK enum reeve_rc res_labels(struct arena *a, const struct res *r, struct slice **out, size_t *n);

#endif
