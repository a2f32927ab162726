/* SPDX-License-Identifier: Apache-2.0 */
/* <notificationTargetMgmtPolicyRef> (TS-0004 7.4.30) and <notificationTargetPolicy> (7.4.31): who may take himself off a
 * subscription, and how. What they mean is in notify_target.c. */
#include "core/draft.h"
#include "core/notify_int.h"

enum { TYPE_POLICY_REF = 25, TYPE_POLICY = 26 };

/* Does the list at `ntu` of j name one of the targets in `mine`? */
static bool overlaps(struct exec *x, struct arena *a, const struct json *j, uint32_t ntu, const struct json *mine)
{
	for (uint32_t i = ntu + 1; json_kind(j, ntu) == J_ARRAY && i < j->tok[ntu].next; i = j->tok[i].next) {
		struct slice s = json_string(a, j, i), who = target_entity(x, a, s);

		for (uint32_t k = 1; k < mine->tok[0].next; k = mine->tok[k].next) {
			struct slice t = json_string(a, mine, k), whom = target_entity(x, a, t);
			if (slice_eq(s, t) || (who.n && slice_eq(who, whom)))
				return true;
		}
	}
	return false;
}

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct json mine, j;
	struct tree_iter it;
	struct res ref;
	uint32_t ntu;
	bool taken = false;
	enum reeve_rc rc = draft_json(d, S("ntu"), &mine);

	if (rc != RC_OK || json_kind(&mine, 0) != J_ARRAY)
		return req_refuse(r, 4000, "ntu: a list of targets");
	if ((rc = tree_children_of_type(x->tx, parent->key.n, TYPE_POLICY_REF, &it)) != RC_OK)
		return rc;
	while (!taken && (rc = tree_next(&it, &ref)) == RC_OK)
		if ((!old || ref.key.n != old->key.n) && ref.h.et > x->now && res_json(d->arena, &ref, &j) == RC_OK &&
		    (ntu = json_member(&j, 0, S("ntu"))))
			taken = overlaps(x, d->arena, &j, ntu, &mine);
	tree_end(&it);
	if (taken) /* CORE-197 */
		return req_refuse(r, 4105, "ntu: a target is named by another policy reference of this subscription");
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

const struct type_hooks type_notification_target_mgmt_policy_ref = { .ty = TYPE_POLICY_REF, .check = check };

/* action and policyLabel have multiplicity 1 and may be left out of a Create: the standard names no default. */
static enum reeve_rc complete(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	(void)x;
	(void)r;
	(void)parent;
	if (!old && !draft_get(d, S("acn")).p && !draft_set(d, S("acn"), S("1")))
		return RC_NOMEM;
	if (!old && !draft_get(d, S("plbl")).p && !draft_set(d, S("plbl"), S("\"\"")))
		return RC_NOMEM;
	return RC_OK;
}

const struct type_hooks type_notification_target_policy = { .ty = TYPE_POLICY, .check = complete };
