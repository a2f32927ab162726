/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that hold more than one resource: discovery, and Retrieve or Delete with rcn 4, 5, 6, 8. */
#ifndef REEVE_CORE_CHILDREN_H
#define REEVE_CORE_CHILDREN_H

#include "core/exec.h"

/* Discovery below `root` (fu 1): fills in the answer (2000, m2m:uril or m2m:rrl). TS-0004 7.3.3.14.
 * Cost grows with the candidates of the most selective index (label, type), not with the tree. */
enum reeve_rc children_discover(struct exec *x, struct req *r, const struct res *root);

/* The same for one who will go elsewhere when there is no match: *any tells. With n > 0 only the resources `ids` lead to are looked at. */
enum reeve_rc children_discover_among(struct exec *x, struct req *r, const struct res *root, const struct slice *ids, size_t n,
				      bool *any);

/* Content of rcn 4, 5, 6, 8 for `root` into r->out, with filter, lvl, lim, ofst, and Retrieve privilege per child; sets cnst, cnot. */
enum reeve_rc children_render(struct exec *x, struct req *r, const struct res *root, int rcn);

#endif
