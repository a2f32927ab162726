/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an access decision (access.c), for who decides about requests that are not made here: the policy decision and retrieval
 * points (points.h). Private to src/core. */
#ifndef REEVE_CORE_ACCESS_H
#define REEVE_CORE_ACCESS_H

#include "authz/policy.h"
#include "core/rights/rights.h"

enum { POLICIES_MOST = 64 }; /* linked policies looked at for one decision; further links grant nothing */

/* Which rules decide about a target. */
struct governing {
	const struct policy *p[POLICIES_MOST];
	struct res_key key[POLICIES_MOST]; /* of each p */
	size_t n;
	enum policy_part part;
	bool default_policy;   /* only the creating Originator */
	bool by_list;          /* exec_authorize_by */
	struct slice creator;
	const char *ground;
};

/* False: none at all. */
bool access_governing(struct exec *x, const struct res *target, struct governing *g);
/* The compiled <accessControlPolicy> at key, valid for this decision; NULL when there is none that is alive. */
const struct policy *access_policy(struct exec *x, struct res_key key);
/* One policy more, if it is there. */
void access_add_policy(struct exec *x, struct governing *g, struct res_key key);
/* The local rules, then what else the Originator may rely on. RC_OK, RC_NOTFOUND (no); when final also RC_REFUSED and RC_AGAIN, see
 * rights_judge. */
REEVE_MUST_CHECK enum reeve_rc access_decide(struct exec *x, struct req *r, const struct res *target, const struct governing *g,
					     unsigned bit, int32_t child_ty, bool final);
/* Members of a group as canonical ids, for the compiler of policies (AUTHZ-073 to 077); ctx is a struct exec. */
REEVE_MUST_CHECK enum reeve_rc access_members(void *ctx, struct slice id, struct arena *a, struct slice **ids, size_t *n);

#endif
