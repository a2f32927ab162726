/* SPDX-License-Identifier: Apache-2.0 */
/* The Policy Retrieval Point for other CSEs (TS-0003 7.5.3, TS-0004 7.4.44.2.3): the rules that govern a target.
 *
 * Rules leave this CSE with absolute identifiers, so that they mean elsewhere whom they mean here. The default policy (the creator
 * only) leaves as the rule it amounts to. */
#include "core/points/points_int.h"

#include "core/draft.h"
#include "core/types.h"

static enum reeve_rc policy_add(struct exec *x, struct req *r, const struct governing *g, size_t i, struct buf *b)
{
	struct slice raw, why;
	struct res acp;
	struct json j;
	enum reeve_rc rc = tree_get(x->tx, g->key[i], &acp);

	if (rc != RC_OK)
		return rc == RC_NOTFOUND ? RC_OK : rc;
	raw = res_attr(&r->arena, &acp, g->part == POLICY_PVS ? S("pvs") : S("pv"));
	if (!raw.p || json_parse(&r->arena, raw, &json_default_limits, &j, &why) != RC_OK)
		return RC_INVALID;
	if (b->n)
		buf_char(b, ',');
	return policy_write_absolute(b, &x->core->policy_options, access_members, x, &r->arena, &j, 0);
}

static enum reeve_rc rules_write(struct exec *x, struct req *r, const struct point_rules *rules, struct buf *b)
{
	enum reeve_rc rc = RC_OK;

	if (rules->g.default_policy && rules->g.creator.n) {
		buf_lit(b, "{\"acr\":[{\"acor\":[");
		buf_json(b, rules->g.creator);
		buf_lit(b, "],\"acop\":63}]}");
	}
	for (size_t i = 0; i < rules->g.n && rc == RC_OK; i++)
		rc = policy_add(x, r, &rules->g, i, b);
	return rc == RC_OK && b->failed ? RC_NOMEM : rc;
}

static enum reeve_rc give(struct req *r, enum sus sus, struct slice policies)
{
	struct buf b;
	enum reeve_rc rc = RC_NOMEM;

	buf_init(&b, r->out.max);
	if (sus == SUS_OK) {
		buf_lit(&b, "\"ps\":");
		buf_slice(&b, policies);
		buf_printf(&b, ",\"ca\":%d,", PERMIT_OVERRIDES);
	}
	buf_printf(&b, "\"sus\":%d", (int)sus);
	if (!b.failed)
		rc = point_answer(r, POINT_PRP, buf_view(&b));
	buf_free(&b);
	return rc;
}

/* What another retrieval point has, if it is what it should be. */
static enum reeve_rc by_other(struct exec *x, struct req *r, const struct point_rules *rules)
{
	const struct enquiry_told *t;
	struct slice why;
	struct json j;
	struct buf b;
	uint32_t obj, ps;
	int64_t sus, ca = PERMIT_OVERRIDES;
	enum reeve_rc rc;

	buf_init(&b, x->core->cfg->limits.body);
	policy_request_write(&b, rules->address);
	rc = point_ask(x, r, POINT_PRP, &b, b.n, false, &t);
	buf_free(&b);
	if (rc != RC_OK)
		return rc;
	if (!t || !t->answered)
		return give(r, t && t->failed ? SUS_PROCESSING_ERROR : SUS_NOT_APPLICABLE, S(""));
	sus = point_answer_read(&r->arena, t->content, POINT_PRP, &j, &obj);
	ps = obj ? json_member(&j, obj, S("ps")) : 0;
	if (sus != SUS_OK || !ps || model_check(model_type("m2m:setOfPermissions"), false, &j, ps, &r->arena, &why) != RC_OK ||
	    (json_member(&j, obj, S("ca")) && (!json_i64(&j, json_member(&j, obj, S("ca")), &ca) || ca != PERMIT_OVERRIDES)))
		return give(r, SUS_PROCESSING_ERROR, S(""));
	return give(r, SUS_OK, json_raw(&j, ps));
}

enum reeve_rc point_policies(struct exec *x, struct req *r)
{
	struct slice to = json_string(&r->arena, &r->work->json, json_member(&r->work->json, r->work->obj, S("to")));
	struct point_rules rules;
	struct buf b, whole;
	enum reeve_rc rc;

	if (!to.n)
		return req_refuse(r, 4000, "to: the address of a resource is expected");
	if ((rc = point_rules_find(x, r, to, &rules)) != RC_OK)
		return rc;
	if (!rules.any)
		return by_other(x, r, &rules);
	buf_init(&b, r->out.max);
	buf_init(&whole, r->out.max);
	rc = rules_write(x, r, &rules, &b);
	buf_lit(&whole, "{\"pv\":[");
	buf_slice(&whole, buf_view(&b));
	buf_lit(&whole, "]}");
	rc = give(r, rc == RC_OK && !whole.failed ? SUS_OK : SUS_PROCESSING_ERROR, buf_view(&whole));
	buf_free(&whole);
	buf_free(&b);
	return rc;
}
