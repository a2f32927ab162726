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
};

/* What `to` addresses. */
struct target {
	struct res res;          /* the resource; for a virtual one its parent */
	int32_t virtual_ty;      /* 0, or 20001 oldest, 20002 latest, 10001.. see enum virtual_res */
	struct slice rest;       /* what follows /fopt */
	struct slice attr;       /* after '#' */
};

/* Resolve the address of r->to among local resources. RC_REFUSED (4004, 4000) is recorded in r. */
REEVE_MUST_CHECK enum reeve_rc exec_resolve(struct exec *x, struct req *r, struct target *t);
/* Resolve any identifier without recording anything. */
REEVE_MUST_CHECK enum reeve_rc exec_lookup(struct exec *x, struct slice id, struct target *t);

/* The access decision for `bit` (1 C 2 R 4 U 8 D 16 N 32 discovery) on target for the Originator of r; child_ty for Create. */
bool exec_permitted(struct exec *x, struct req *r, const struct res *target, unsigned bit, int32_t child_ty);
/* The same, recording 4103 with a decision id. */
REEVE_MUST_CHECK enum reeve_rc exec_authorize(struct exec *x, struct req *r, const struct res *target, unsigned bit, int32_t child_ty);

/* Steps 6.2 to 6.7. The answer is in r afterwards (r->rsc != 0), whatever the return code. RC_FULL, RC_IO: the transaction is lost. */
enum reeve_rc exec_request(struct exec *x, struct req *r);

/* Remove target and its subtree with every consequence (events, hooks, indices). Writer only. quiet: no "delete of child"
 * event (removal by mni and mbs). */
REEVE_MUST_CHECK enum reeve_rc exec_delete(struct exec *x, const struct res *target, bool quiet);

#endif
