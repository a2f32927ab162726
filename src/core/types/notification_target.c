/* SPDX-License-Identifier: Apache-2.0 */
/* <notificationTargetMgmtPolicyRef> (TS-0004 7.4.30) and <notificationTargetPolicy> (7.4.31): who may take himself off a
 * subscription, and how. What they mean is in notify_target.c. */
#include "core/draft.h"
#include "core/group/fanout.h"
#include "core/notify/notify_int.h"

/* The targets of one list, as written and as the entities they name. */
struct targets { struct ident_set text, entity; };

static enum reeve_rc read_targets(struct exec *x, struct arena *a, const struct json *list, struct targets *t)
{
	if (!ident_set_init(&t->text, a, list->tok[0].count) || !ident_set_init(&t->entity, a, list->tok[0].count))
		return RC_NOMEM;
	for (uint32_t i = 1; i < list->tok[0].next; i = list->tok[i].next) {
		struct slice s = json_string(a, list, i), who = target_entity(x, a, s);

		if (s.n)
			ident_set_add(&t->text, s);
		if (who.n)
			ident_set_add(&t->entity, who);
	}
	return a->failed ? RC_NOMEM : RC_OK;
}

/* Does the list ntu of another policy reference name one of them? */
static bool overlaps(struct exec *x, const struct res *ref, const struct targets *mine)
{
	struct json j;
	struct arena a;
	uint32_t ntu;
	bool yes = false;

	arena_init(&a, NULL, 0, x->core->cfg->limits.request_memory);
	if (res_json(&a, ref, &j) == RC_OK && (ntu = json_member(&j, 0, S("ntu"))) && json_kind(&j, ntu) == J_ARRAY)
		for (uint32_t i = ntu + 1; !yes && i < j.tok[ntu].next; i = j.tok[i].next) {
			struct slice s = json_string(&a, &j, i), who = target_entity(x, &a, s);

			yes = (s.n && ident_set_has(&mine->text, s)) || (who.n && ident_set_has(&mine->entity, who));
		}
	arena_reset(&a);
	return yes;
}

/* How many there are, and how long their lists, is bounded: each is looked at whenever another one comes. */
static enum reeve_rc check_number(struct exec *x, struct req *r, const struct json *mine, unsigned refs)
{
	const struct limits *l = &x->core->cfg->limits;

	if (mine->tok[0].count <= l->targets && refs < l->targets)
		return RC_OK;
	metrics_inc(&x->core->metrics, limit_subscriptions);
	return req_refuse(r, 5000, "at most %u policy references of a subscription, with at most as many targets (limits.targets)",
			  l->targets);
}

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct targets targets;
	struct json mine;
	struct tree_iter it;
	struct res ref;
	unsigned refs = 0;
	bool taken = false;
	enum reeve_rc rc = draft_json(d, S("ntu"), &mine);

	if (rc != RC_OK || json_kind(&mine, 0) != J_ARRAY)
		return req_refuse(r, 4000, "ntu: a list of targets");
	if ((rc = check_number(x, r, &mine, 0)) != RC_OK || (rc = read_targets(x, d->arena, &mine, &targets)) != RC_OK)
		return rc;
	if ((rc = tree_children_of_type(x->tx, parent->key.n, TYPE_TARGET_POLICY_REF, &it)) != RC_OK)
		return rc;
	while (!taken && (rc = tree_next(&it, &ref)) == RC_OK)
		if ((!old || ref.key.n != old->key.n) && ref.h.et > x->now) {
			refs++;
			taken = overlaps(x, &ref, &targets);
		}
	tree_end(&it);
	if (taken) /* CORE-197 */
		return req_refuse(r, 4105, "ntu: a target is named by another policy reference of this subscription");
	return rc == RC_NOTFOUND ? check_number(x, r, &mine, refs) : rc;
}

const struct type_hooks type_notification_target_mgmt_policy_ref = { .ty = TYPE_TARGET_POLICY_REF, .check = check };

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

const struct type_hooks type_notification_target_policy = { .ty = TYPE_TARGET_POLICY, .check = complete };
