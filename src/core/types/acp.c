/* SPDX-License-Identifier: Apache-2.0 */
/* <accessControlPolicy> (TS-0004 7.4.2): what a rule may say is checked before it is stored; a policy that this program
 * could not apply whole is refused, never stored half understood. */
#include "core/audited.h"
#include "core/types.h"
#include "core/work.h"

static enum reeve_rc check_rules(struct exec *x, struct req *r, const struct draft *d, struct slice sn, uint32_t *rules)
{
	struct slice why = { NULL, 0 };
	struct json j;
	enum reeve_rc rc = draft_json(d, sn, &j);

	*rules = 0;
	if (rc != RC_OK)
		return rc == RC_NOTFOUND ? req_refuse(r, 4000, "%.*s is mandatory", SF(sn)) : rc;
	uint32_t acr = json_member(&j, 0, S("acr"));
	if (acr)
		*rules = j.tok[acr].count;
	rc = policy_check(&x->core->policy_options, &j, 0, d->arena, &why);
	if (rc == RC_INVALID)
		return req_refuse(r, 4000, "%.*s: %.*s", SF(sn), SF(why));
	if (rc == RC_UNSUPPORTED)
		return req_refuse(r, 5001, "%.*s: %.*s", SF(sn), SF(why));
	return rc;
}

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	bool adri = draft_get(d, S("adri")).p, apri = draft_get(d, S("apri")).p;
	uint32_t rules, self;
	enum reeve_rc rc;

	(void)parent, (void)old;
	if ((rc = check_rules(x, r, d, S("pv"), &rules)) != RC_OK || (rc = check_rules(x, r, d, S("pvs"), &self)) != RC_OK)
		return rc;
	if (!self)
		return req_refuse(r, 4000, "pvs: at least one rule is needed, or nobody could ever change this policy");
	if (adri && apri)
		return req_refuse(r, 4000, "adri and apri exclude each other");
	if ((adri || apri) && rules)
		return req_refuse(r, 4000, "adri and apri need a pv without rules");
	return RC_OK;
}

static enum reeve_rc changed(struct exec *x, struct req *r, const struct res *before, const struct res *nw)
{
	(void)r, (void)before;
	audited(x, &(struct audit_what){ .kind = AUDIT_POLICY, .action = "change", .target = res_ri(nw), .detail = res_rn(nw) });
	writer_policies_changed(x);
	return RC_OK;
}

static enum reeve_rc created(struct exec *x, struct req *r, const struct res *parent, const struct res *nw)
{
	(void)r, (void)parent;
	audited(x, &(struct audit_what){ .kind = AUDIT_POLICY, .action = "create", .target = res_ri(nw), .detail = res_rn(nw) });
	writer_policies_changed(x);
	return RC_OK;
}

static enum reeve_rc removing(struct exec *x, const struct res *res)
{
	audited(x, &(struct audit_what){ .kind = AUDIT_POLICY, .action = "delete", .target = res_ri(res), .detail = res_rn(res) });
	writer_policies_changed(x);
	return RC_OK;
}

const struct type_hooks type_acp = { .ty = TYPE_ACP, .check = check, .created = created, .updated = changed, .removing = removing };
