/* SPDX-License-Identifier: Apache-2.0 */
/* <m2mServiceSubscriptionProfile>, <serviceSubscribedNode> and <serviceSubscribedAppRule> (TS-0001 9.6.19, 9.6.20, 9.6.29; TS-0004
 * 7.4.19, 7.4.20, 7.4.29): data of the service provider. What they mean for a registration is in core/registration/profile.h. */
#include "core/audited.h"
#include "core/core.h"
#include "core/registration/profile.h"
#include "core/types.h"

static void tell(struct exec *x, const struct res *res, const char *action)
{
	audited(x, &(struct audit_what){ .kind = AUDIT_REGISTRATION, .action = action, .target = res_ri(res), .detail = res_rn(res) });
}

static enum reeve_rc created(struct exec *x, struct req *r, const struct res *parent, const struct res *nw)
{
	(void)r, (void)parent;
	tell(x, nw, "rule-create");
	return RC_OK;
}

static enum reeve_rc updated(struct exec *x, struct req *r, const struct res *old, const struct res *nw)
{
	(void)r, (void)old;
	tell(x, nw, "rule-change");
	return RC_OK;
}

static enum reeve_rc removing(struct exec *x, const struct res *res)
{
	tell(x, res, "rule-delete");
	return RC_OK;
}

const struct type_hooks type_m2m_service_subscription_profile = {
	.ty = TYPE_SERVICE_PROFILE, .created = created, .updated = updated, .removing = removing,
};

/* --- <serviceSubscribedNode> --- */

static enum reeve_rc check_node(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct slice csi = draft_string(d, S("csi")), canon;
	enum ident_kind kind;
	enum ident_form form;

	(void)parent, (void)old;
	if (!csi.p && !draft_get(d, S("rlk")).p)
		return RC_OK;
	if (!csi.p)
		return req_refuse(r, 4000, "rlk: rules are for the AEs of a CSE, and csi does not say which");
	if (ident_parse(d->arena, &x->core->home, csi, &kind, &form, &canon) != RC_OK)
		return RC_NOMEM;
	if (form == ID_STEM || (kind != ID_CSE && kind != ID_AE_S)) /* "/Sx" may be either */
		return req_refuse(r, 4000, "csi: \"%.*s\" is no CSE-ID", SF(csi));
	return RC_OK;
}

static enum reeve_rc index_node(struct exec *x, const struct res *res, bool add)
{
	struct slice csi, raw, why, canon = { NULL, 0 };
	enum ident_kind kind;
	enum ident_form form;
	struct arena a;
	struct json j;
	char mem[2048];
	enum reeve_rc rc = RC_OK;

	arena_init(&a, mem, sizeof(mem), x->core->cfg->limits.request_memory);
	if ((raw = res_attr(&a, res, S("csi"))).p && (rc = json_parse(&a, raw, &json_default_limits, &j, &why)) == RC_OK) {
		csi = json_string(&a, &j, 0);
		rc = ident_parse(&a, &x->core->home, csi, &kind, &form, &canon);
		canon = arena_dup(&a, canon); /* views into the store end with the change */
		if (rc == RC_OK && !a.failed)
			rc = add ? profile_node_add(x->tx, canon, res->key) : profile_node_remove(x->tx, canon, res->key);
	}
	if (a.failed && rc == RC_OK)
		rc = RC_NOMEM;
	arena_reset(&a);
	return rc;
}

static enum reeve_rc created_node(struct exec *x, struct req *r, const struct res *parent, const struct res *nw)
{
	(void)created(x, r, parent, nw);
	return index_node(x, nw, true);
}

static enum reeve_rc removing_node(struct exec *x, const struct res *res)
{
	(void)removing(x, res);
	return index_node(x, res, false);
}

const struct type_hooks type_service_subscribed_node = {
	.ty = TYPE_SERVICE_NODE, .check = check_node, .created = created_node, .updated = updated, .removing = removing_node,
};

/* --- <serviceSubscribedAppRule> --- */

static enum reeve_rc check_rule(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct slice s;
	struct json j;
	enum reeve_rc rc;

	(void)x, (void)parent, (void)old;
	if (!draft_get(d, S("aai")).p)
		return RC_OK;
	if ((rc = draft_json(d, S("aai"), &j)) != RC_OK)
		return rc;
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next) {
		s = json_string(d->arena, &j, i);
		if (!s.n || (s.p[0] != '*' && s.p[0] != 'R' && s.p[0] != 'N'))
			return req_refuse(r, 4000, "aai: \"%.*s\" matches no App-ID: a pattern begins with *, R or N", SF(s));
	}
	return RC_OK;
}

const struct type_hooks type_service_subscribed_app_rule = {
	.ty = TYPE_SERVICE_RULE, .check = check_rule, .created = created, .updated = updated, .removing = removing,
};
