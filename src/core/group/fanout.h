/* SPDX-License-Identifier: Apache-2.0 */
/* <group> and its <fanOutPoint>: one request becomes one for each member (TS-0004 7.4.13, 7.4.14). */
#ifndef REEVE_CORE_FANOUT_H
#define REEVE_CORE_FANOUT_H

#include "core/exec.h"
#include "core/types.h"

/* r addresses the fanOutPoint of t->res, t->rest follows "/fopt/". Runs each member's request in the same exec: for changes that is
 * the writer's transaction; what one member refuses does not undo what others did. The answer is in r; RC_FULL, RC_IO as exec_request. */
enum reeve_rc fanout_request(struct exec *x, struct req *r, const struct target *t);

/* Members of r's fan-out are at other CSEs (work.far), the others have answered. On the hub; ends with core_resume. */
void fanout_far(struct core *c, struct req *r);

/* A Notify to the fanOutPoint r addresses, on the hub (fanout_request left it, RC_AGAIN): to all members at a time. Ends with
 * core_resume, when all have answered or at rset. */
void fanout_notify(struct core *c, struct req *r);

/* Group Request Identifiers seen lately, to end loops of groups (TS-0004 7.3.3.2, CORE-223). One per CSE (core.fanout_seen), safe from
 * every thread. When it is full the oldest entry of a bucket goes. */
struct fanout_seen;
struct fanout_seen *fanout_seen_new(size_t most);
void fanout_seen_free(struct fanout_seen *s);

/* Who enters: the writer may run a request twice, and then must not find what its own first run entered. */
struct fanout_run {
	uint64_t request; /* the same in both runs of one request */
	uint64_t pass;    /* another one in each */
};
/* False when a request with this gid for this target was seen before `now` and is not forgotten yet; else it is remembered until
 * `until`. */
bool fanout_seen_enter(struct fanout_seen *s, const struct fanout_run *run, struct slice gid, const struct target *target, usec now,
		       usec until);
/* The check of TS-0004 7.3.3.2 for a request that came with a gid and addresses *t: records 4104. Nothing without a gid. */
REEVE_MUST_CHECK enum reeve_rc fanout_check_gid(struct exec *x, struct req *r, const struct target *t);

/* --- members, for group.c and fanout.c --- */

struct group_member {
	bool wanted;         /* in the fan-out */
	bool gone;           /* deleted by it */
	const struct slice *grtm; size_t n_grtm; /* for a sub-group */
	struct slice id;     /* as written in mid, unescaped */
	struct slice ident;  /* the same for every spelling of one target */
	bool found;          /* t is valid */
	bool elsewhere;      /* at another CSE */
	struct target t;
};

/* What id leads to. Memory from a; ident.p == NULL when that is out. */
void group_member_find(struct exec *x, struct arena *a, struct slice id, struct group_member *m);

/* Is the Originator of r a CSE that hosts a member of the group? */
bool group_hosted_by(struct exec *x, struct req *r, const struct res *group);

/* A set of identities. */
struct ident_set { struct slice *slot; size_t cap; };
bool ident_set_init(struct ident_set *s, struct arena *a, size_t n);
/* False when it is in there already. */
bool ident_set_add(struct ident_set *s, struct slice ident);
bool ident_set_has(const struct ident_set *s, struct slice ident);

extern const struct type_hooks type_group;

#endif
