/* SPDX-License-Identifier: Apache-2.0 */
/* <dynamicAuthorizationConsultation> (TS-0001 9.6.40, TS-0004 7.4.36): whom to ask about requests that the local rules deny. The model says
 * all there is to check (AUTHZ-182) but for addresses nobody could ever be reached at. What it is used for: core/rights/consult.c. */
#include "core/types.h"

#include "core/audited.h"
#include "core/notify/notify_int.h"

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct json dap;

	(void)x, (void)parent, (void)old;
	if (draft_json(d, S("dap"), &dap) != RC_OK)
		return req_refuse(r, 4000, "dap: at least one address of a Dynamic Authorization System");
	for (uint32_t i = 1; i < dap.tok[0].next; i = dap.tok[i].next)
		if (!target_is_url(json_string(d->arena, &dap, i)))
			return req_refuse(r, 4000, "dap: an address is a URL (scheme://host...)");
	return RC_OK;
}

static void audit(struct exec *x, const char *action, const struct res *dac)
{
	audited(x, &(struct audit_what){ .kind = AUDIT_CONSULTATION, .action = action, .target = res_ri(dac),
					 .detail = res_member(dac, S("dap")) });
}

static enum reeve_rc created(struct exec *x, struct req *r, const struct res *parent, const struct res *nw)
{
	(void)r, (void)parent;
	audit(x, "create", nw);
	return RC_OK;
}

static enum reeve_rc updated(struct exec *x, struct req *r, const struct res *old, const struct res *nw)
{
	(void)r, (void)old;
	audit(x, "change", nw);
	return RC_OK;
}

static enum reeve_rc removing(struct exec *x, const struct res *dac)
{
	audit(x, "delete", dac);
	return RC_OK;
}

const struct type_hooks type_dac = { .ty = TYPE_DAC, .check = check, .created = created, .updated = updated, .removing = removing };
