/* SPDX-License-Identifier: Apache-2.0 */
/* <fanOutPoint>: one request becomes one for each member of a <group> (TS-0004 7.4.14). */
#ifndef REEVE_CORE_FANOUT_H
#define REEVE_CORE_FANOUT_H

#include "core/exec.h"

/* r addresses the fanOutPoint of t->res, t->rest follows "/fopt/". Runs each member's request in the same exec: for changes that is
 * the writer's transaction; what one member refuses does not undo what others did. The answer is in r; RC_FULL, RC_IO as exec_request. */
enum reeve_rc fanout_request(struct exec *x, struct req *r, const struct target *t);

/* Group Request Identifiers seen lately, to end loops of groups (CORE-223). One per CSE, safe from every thread. */
struct fanout_seen;
struct fanout_seen *fanout_seen_new(size_t most);
void fanout_seen_free(struct fanout_seen *s);
/* False when (gid, fanOutPoint of the group with this ordinal) was entered before and has not expired; else enters it. When the table is full the oldest
 * entry goes. */
bool fanout_seen_enter(struct fanout_seen *s, struct slice gid, uint64_t group, usec now, usec until);

#endif
