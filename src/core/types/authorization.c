/* SPDX-License-Identifier: Apache-2.0 */
/* <authorizationDecision>, <authorizationPolicy>, <authorizationInformation> (TS-0004 7.4.43 to 45). What makes them more than
 * data when the operator has bound them is in core/points/points.h. */
#include "authz/distributed.h"
#include "core/points/points.h"
#include "core/types.h"
#include "core/work.h"

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct json j;
	int fu;
	enum reeve_rc rc;

	/* a bound one never holds a question; it begins without (TS-0001 9.6.41) */
	if (!old && parent->key.n == RES_ROOT && d->nw.name.p && points_bound(x->core, d->m->ty, d->nw.name))
		for (size_t i = 0; i < d->n; i++)
			if (d->v[i].a->kind == 's' && d->v[i].raw.p)
				return req_refuse(r, 4000, "%s: a bound resource is created without it", d->v[i].a->sn);
	if (d->m->ty != TYPE_AUTHORIZATION_DECISION || !draft_get(d, S("fu")).p)
		return RC_OK;
	if ((rc = draft_json(d, S("fu"), &j)) != RC_OK)
		return rc;
	return filter_usage_read(&j, 0, &fu) ? RC_OK : req_refuse(r, 4000, "fu: 1, 2 or 3 is expected, or {\"fu\":1}");
}

const struct type_hooks type_authorization_decision = { .ty = TYPE_AUTHORIZATION_DECISION, .check = check, .procedure = points_update };
const struct type_hooks type_authorization_policy = { .ty = TYPE_AUTHORIZATION_POLICY, .check = check, .procedure = points_update };
const struct type_hooks type_authorization_information = { .ty = TYPE_AUTHORIZATION_INFORMATION, .check = check,
							    .procedure = points_update };
