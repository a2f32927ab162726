/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that the core makes itself, beside those of the bindings: the work behind a non-blocking request, the members of a
 * group. Their home is the hub. */
#ifndef REEVE_CORE_OWN_H
#define REEVE_CORE_OWN_H

#include "core/core.h"

/* An empty one; NULL when memory is out. Any thread, as for the others. */
struct req *own_request(struct core *c);
/* With the parameters of r, which need not outlive it, and work of its own. */
struct req *own_copy(struct core *c, const struct req *r);
void own_drop(struct core *c, struct req *n);
/* When no loop runs any more: those that still wait. */
void own_end(struct core *c);

#endif
