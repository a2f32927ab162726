/* SPDX-License-Identifier: Apache-2.0 */
/* Execution of one request at the Hosting CSE under one transaction: steps 6.2 to 6.7 of TS-0004 7.2.2.2.
 *
 * Reads run on the loop the request came in on, from a snapshot; everything that changes something runs
 * in the writer, inside the transaction that will be committed. The functions are the same; exec.write tells. */
#ifndef REEVE_CORE_EXEC_H
#define REEVE_CORE_EXEC_H

#include "authz/pdp.h"
#include "core/request.h"
#include "resource/tree.h"

struct core;

struct exec {
	struct core *core;
	struct st_tx *tx;
	struct policy_cache *policies; /* of this thread */
	struct tree_seq *seq;    /* writer only */
	usec now;
	bool write;
	bool internal;           /* the CSE acts for itself: no access decision */
	unsigned depth;          /* nesting of group fan-outs */
	unsigned fanned;         /* members' requests so far, all levels together (fanout.c) */
	uint64_t fan_request, fan_pass; /* which request this is, and which run of it (fanout.c) */
	const struct req *by;    /* the request at work; NULL: the CSE's own doing */
	struct buf *audit;       /* writer only: lines that are written after the commit (audited.h) */
};

/* Virtual resources have no record; they are addressed by a fixed name below their parent (TS-0004 6.8). */
enum virtual_res { VIRT_NONE, VIRT_LATEST, VIRT_OLDEST, VIRT_FOPT, VIRT_SFOP, VIRT_PCU, VIRT_NTSR, VIRT_SMV, VIRT_MSP };

/* What `to` addresses. */
struct target {
	struct res res;          /* the resource; for a virtual one its parent */
	enum virtual_res virt;
	struct slice rest;       /* what follows /fopt */
	struct slice attr;       /* after '#' */
};

/* The virtual resource `name` below a parent of this type; VIRT_NONE when there is none. */
enum virtual_res exec_virtual(int32_t parent_ty, struct slice name);
/* Resolve the address of r->to among local resources. RC_REFUSED (4004, 4000) is recorded in r. */
REEVE_MUST_CHECK enum reeve_rc exec_resolve(struct exec *x, struct req *r, struct target *t);
/* Resolve any identifier without recording anything. */
REEVE_MUST_CHECK enum reeve_rc exec_lookup(struct exec *x, struct slice id, struct target *t);

/* The access decision for `bit` (1 C 2 R 4 U 8 D 16 N 32 discovery) on target for the Originator of r; child_ty for Create. */
bool exec_permitted(struct exec *x, struct req *r, const struct res *target, unsigned bit, int32_t child_ty);
/* The same, recording 4103 with a decision id. RC_AGAIN: not yet known, r has to wait for a right (rights.h). */
REEVE_MUST_CHECK enum reeve_rc exec_authorize(struct exec *x, struct req *r, const struct res *target, unsigned bit, int32_t child_ty);

/* exec_authorize by an explicit list of policies (ids as in acpi), e.g. membersAccessControlPolicyIDs. Ids that lead nowhere
 * grant nothing. */
REEVE_MUST_CHECK enum reeve_rc exec_authorize_by(struct exec *x, struct req *r, const struct slice *ids, size_t n,
						 const struct res *target, unsigned bit, int32_t child_ty);
/* Update of accessControlPolicyIDs: decided by the selfPrivileges of the policies linked now (TS-0001 9.6.1.3.2). */
REEVE_MUST_CHECK enum reeve_rc exec_authorize_self(struct exec *x, struct req *r, const struct res *target);
bool exec_permitted_self(struct exec *x, struct req *r, const struct res *target);
/* Record 4103 for r with a decision id, after a decision said no. */
enum reeve_rc exec_denied(struct exec *x, struct req *r, const struct res *target, unsigned bit, int32_t child_ty);

/* The decision told instead of taken: its story as JSON (authz/decisions.h). A rule of the resource type itself is told as its ground. */
void exec_explain(struct exec *x, struct req *r, const struct res *target, unsigned bit, int32_t child_ty, struct buf *json,
		  bool *permitted);

/* Steps 6.2 to 6.7. The answer is in r afterwards (r->rsc != 0), whatever the return code. RC_FULL, RC_IO: the transaction is lost.
 * RC_UNDO: r is refused after something was changed, and the transaction must not be committed. */
enum reeve_rc exec_request(struct exec *x, struct req *r);

/* The access decision alone, of a request that is executed later. RC_AGAIN: it waits for a right (rights.h). What is judged for each
 * resource that is met (discovery, the members of a group, a polling channel) is not judged here. */
REEVE_MUST_CHECK enum reeve_rc exec_judge(struct exec *x, struct req *r);

/* Remove target and its subtree with every consequence (events, hooks, indices). Writer only. quiet: no "delete of child"
 * event (removal by mni and mbs). */
REEVE_MUST_CHECK enum reeve_rc exec_delete(struct exec *x, const struct res *target, bool quiet);

/* Called by the writer's background work: r is about to be swept with its removed ancestor (hooks, events, nothing else);
 * r is past its et (removed with everything below, as by Delete). */
REEVE_MUST_CHECK enum reeve_rc exec_swept(struct exec *x, const struct res *r);
REEVE_MUST_CHECK enum reeve_rc exec_expired(struct exec *x, const struct res *r);

#endif
