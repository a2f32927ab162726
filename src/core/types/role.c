/* SPDX-License-Identifier: Apache-2.0 */
/* <role> (TS-0001 9.6.38, TS-0004 7.4.40): that somebody has a role, as an Authorization Authority has assigned it. What it takes
 * for one to count in a decision is looked at when it is claimed: core/rights/roles.c. */
#include "core/audited.h"
#include "codec/text.h"
#include "core/rights/role.h"
#include "core/rights/role_index.h"
#include "core/types.h"
#include "core/work.h"

/* The attribute as a canonical entity identifier. */
static enum reeve_rc entity(struct exec *x, struct req *r, const struct draft *d, struct slice sn, struct slice *canon)
{
	struct slice s = draft_string(d, sn);
	enum ident_kind kind;
	enum ident_form form;

	if (!s.p)
		return req_refuse(r, 4000, "%.*s is mandatory", SF(sn));
	if (ident_parse(d->arena, &x->core->home, s, &kind, &form, canon) != RC_OK)
		return RC_NOMEM;
	if (kind == ID_NONE || kind == ID_SP)
		return req_refuse(r, 4000, "%.*s: expected an AE-ID or a CSE-ID", SF(sn));
	return RC_OK;
}

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct slice issuer, holder, nb = draft_string(d, S("tknb")), na = draft_string(d, S("tkna"));
	usec from, until;
	enum reeve_rc rc;

	(void)parent;
	if (old) /* nothing of this can change (AUTHZ-143) */
		return RC_OK;
	if ((rc = entity(x, r, d, S("tkis"), &issuer)) != RC_OK || (rc = entity(x, r, d, S("tkhd"), &holder)) != RC_OK)
		return rc;
	if (text_timestamp(nb, &from) && text_timestamp(na, &until) && until < from)
		return req_refuse(r, 4000, "tkna: the role would end before it begins (tknb)");
	return RC_OK;
}

static enum reeve_rc index_it(struct exec *x, const struct res *res, bool add)
{
	struct role role;
	struct arena a;
	char mem[4096];
	enum reeve_rc rc;

	arena_init(&a, mem, sizeof(mem), x->core->cfg->limits.request_memory);
	rc = role_of(&x->core->home, &a, res, &role);
	if (rc == RC_OK) {
		role.id = arena_dup(&a, role.id); /* views into the store end with the change */
		rc = a.failed ? RC_NOMEM : add ? role_index_add(x->tx, role.id, role.holder, res->key)
					       : role_index_remove(x->tx, role.id, role.holder, res->key);
	}
	arena_reset(&a);
	return rc;
}

static void tell(struct exec *x, const struct res *res, const char *action)
{
	audited(x, &(struct audit_what){ .kind = AUDIT_ROLE, .action = action, .target = res_ri(res), .detail = res_rn(res) });
}

static enum reeve_rc created(struct exec *x, struct req *r, const struct res *parent, const struct res *nw)
{
	(void)r, (void)parent;
	tell(x, nw, "create");
	return index_it(x, nw, true);
}

static enum reeve_rc updated(struct exec *x, struct req *r, const struct res *old, const struct res *nw)
{
	(void)r, (void)old;
	tell(x, nw, "change");
	return RC_OK;
}

static enum reeve_rc removing(struct exec *x, const struct res *res)
{
	enum reeve_rc rc;

	tell(x, res, "delete");
	rc = index_it(x, res, false);
	return rc == RC_INVALID ? RC_OK : rc; /* one that another program stored was never entered */
}

const struct type_hooks type_role = { .ty = TYPE_ROLE, .check = check, .created = created, .updated = updated, .removing = removing };
