/* SPDX-License-Identifier: Apache-2.0 */
/* <policyDeletionRules> (TS-0004 7.4.32): at most two below one <notificationTargetPolicy> (CORE-198, core.md X13). */
#include "core/draft.h"
#include "core/notify/notify.h"

enum { RULES_MOST = 2 };

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct tree_iter it;
	struct res other;
	int n = 0;
	enum reeve_rc rc;

	if (!old && !draft_get(d, S("drr")).p && !draft_set(d, S("drr"), S("2")))
		return RC_NOMEM;
	if (old)
		return RC_OK;
	if ((rc = tree_children_of_type(x->tx, parent->key.n, TYPE_DELETION_RULES, &it)) != RC_OK)
		return rc;
	while ((rc = tree_next(&it, &other)) == RC_OK)
		n += other.h.et > x->now;
	tree_end(&it);
	if (n >= RULES_MOST)
		return req_refuse(r, 4105, "this policy has two policyDeletionRules already");
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

const struct type_hooks type_policy_deletion_rules = { .ty = TYPE_DELETION_RULES, .check = check };
