/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that the core makes itself, beside those of the bindings: the work behind a non-blocking request, the members of a
 * group. Their home is the hub. */
#ifndef REEVE_CORE_OWN_H
#define REEVE_CORE_OWN_H

#include "core/core.h"
#include "core/exec.h"

/* An empty one; NULL when memory is out. Any thread, as for the others. */
struct req *own_request(struct core *c);
/* With the parameters of r, which need not outlive it, and work of its own. */
struct req *own_copy(struct core *c, const struct req *r);
void own_drop(struct core *c, struct req *n);

/* An empty r becomes a request of this CSE to itself, now received: a Create of type ty, or ty is 0. to and pc (JSON) are borrowed. */
void own_to_self(struct core *c, struct req *r, enum op op, int32_t ty, struct slice to, struct slice pc, usec now);
/* In the writer: that request done at once, inside the change that runs, with the checks, indices and events of any other. RC_OK: it
 * succeeded, and what it answers stands in r->out. RC_INVALID: refused, as r->rsc says. RC_UNDO, RC_FULL, RC_IO: the change cannot go on;
 * RC_NOMEM, also when to or pc has no memory. */
REEVE_MUST_CHECK enum reeve_rc own_exec(struct exec *x, struct req *r);

/* When no loop runs any more: those that still wait. */
void own_end(struct core *c);

#endif
