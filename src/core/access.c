/* SPDX-License-Identifier: Apache-2.0 */
/* The access decision at the Hosting CSE: which rules govern a target (TS-0001 9.6.1.3.2; authorization.md 2.9), what is known
 * about the request, and the word of the PDP. */
#include "core/access.h"
#include "core/audited.h"
#include "core/types.h"
#include "core/cse/way.h"
#include "core/work.h"

#include "authz/decisions.h"
#include "codec/text.h"

enum reeve_rc access_members(void *ctx, struct slice id, struct arena *a, struct slice **ids, size_t *n)
{
	struct exec *x = ctx;
	struct target g, t;
	struct json j;
	struct slice mid, why;
	enum ident_kind kind;
	enum ident_form form;

	if (exec_lookup(x, id, &g) != RC_OK || g.virt || g.res.h.ty != TYPE_GROUP)
		return RC_NOTFOUND;
	mid = res_attr(a, &g.res, S("mid"));
	if (!mid.p || json_parse(a, mid, &json_default_limits, &j, &why) != RC_OK)
		return RC_NOTFOUND;
	*ids = arena_array(a, j.tok[0].count + 1u, sizeof(**ids));
	*n = 0;
	if (!*ids)
		return RC_NOMEM;
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next) {
		struct slice who = json_string(a, &j, i), canon;
		if (exec_lookup(x, who, &t) == RC_OK && !t.virt) {
			if (t.res.h.ty == TYPE_AE)
				who = arena_dup(a, res_ri(&t.res));
			else if (t.res.h.ty == TYPE_REMOTE_CSE)
				who = way_cse_id(a, &t.res);
			else if (t.res.h.ty == TYPE_CSEBASE)
				who = x->core->home.cse_id;
			else
				continue;
		}
		if (ident_parse(a, &x->core->home, who, &kind, &form, &canon) == RC_OK && kind != ID_NONE && kind != ID_SP)
			(*ids)[(*n)++] = canon;
	}
	return RC_OK;
}

static const struct policy *load(struct exec *x, struct res_key key)
{
	struct core *c = x->core;
	uint64_t snapshot = st_version(x->tx), changed = atomic_load(&c->policies_changed);
	const struct policy *hit = policy_cache_get(x->policies, key.n, snapshot, changed);
	struct policy *p = NULL;
	struct arena a;
	struct res acp;
	char mem[4096];

	/* the record is looked at even on a hit: a policy past its et counts as deleted at once (AUTHZ-058) */
	if (tree_get(x->tx, key, &acp) != RC_OK || acp.h.ty != TYPE_ACP || !tree_alive(x->tx, &acp, x->now))
		return NULL;
	if (hit)
		return hit;
	arena_init(&a, mem, sizeof(mem), c->cfg->limits.request_memory);
	if (policy_compile(&c->policy_options, res_ri(&acp), res_attr(&a, &acp, S("pv")), res_attr(&a, &acp, S("pvs")), access_members, x,
			   &p) == RC_OK)
		policy_cache_put(x->policies, key.n, snapshot, p);
	arena_reset(&a);
	return p;
}

const struct policy *access_policy(struct exec *x, struct res_key key) { return load(x, key); }

void access_add_policy(struct exec *x, struct governing *g, struct res_key key)
{
	const struct policy *p = g->n < POLICIES_MOST ? load(x, key) : NULL;
	if (!p)
		return;
	g->key[g->n] = key;
	g->p[g->n++] = p;
}

bool access_governing(struct exec *x, const struct res *target, struct governing *g)
{
	struct res up = *target;

	*g = (struct governing){ .part = POLICY_PV, .ground = "policy" };
	for (;;) {
		const struct model_res *m = res_model(&up);
		if (up.h.ty == TYPE_ACP) { /* <accessControlPolicy>: its selfPrivileges */
			g->part = POLICY_PVS;
			g->ground = "selfPrivileges";
			access_add_policy(x, g, up.key);
			return true;
		}
		if (m && m->acpi) {
			if (up.h.flags & REC_ACPI) {
				for (size_t i = 0; i < up.h.n_acps; i++)
					access_add_policy(x, g, res_acp(&up, i));
				return true;
			}
			g->default_policy = true;
			g->ground = "default policy: the creator only, for accessControlPolicyIDs is not set";
			g->creator = up.creator;
			return true;
		}
		if (up.key.parent == 0 || tree_parent(x->tx, &up, &up) != RC_OK)
			return false;
	}
}

static void target_facts(struct exec *x, struct req *r, const struct res *target, unsigned bit, int32_t child_ty)
{
	struct facts *f = &r->work->facts;

	f->op = bit;
	f->target_ty = target->h.ty;
	f->child_ty = bit == ACOP_CREATE ? child_ty : 0;
	f->target_cnd = (struct slice){ NULL, 0 };
	f->target_mgd = -1;
}

static struct rights_question question(const struct res *target, const struct governing *g, unsigned bit, int32_t child_ty, bool final)
{
	return (struct rights_question){ .target = target, .policies = g->p, .keys = g->key, .n_policies = g->n,
					 .part = g->part, .by_creator = g->default_policy, .own_only = g->part == POLICY_PVS,
					 .by_list = g->by_list, .bit = bit, .child_ty = child_ty, .final = final };
}

enum reeve_rc access_decide(struct exec *x, struct req *r, const struct res *target, const struct governing *g, unsigned bit,
			    int32_t child_ty, bool final)
{
	struct rights_question q = question(target, g, bit, child_ty, final);

	target_facts(x, r, target, bit, child_ty);
	if (g->default_policy ? r->work->who.n && slice_eq(g->creator, r->work->who)
			      : pdp_decide(g->p, g->n, g->part, &r->work->facts, NULL, NULL, NULL))
		return RC_OK;
	if (g->part == POLICY_PV && cse_base_grants(x, r, target, bit, child_ty))
		return RC_OK;
	return rights_judge(x, r, &q);
}

static bool may(struct exec *x, struct req *r, const struct res *target, const struct governing *g, unsigned bit, int32_t child_ty)
{
	return access_decide(x, r, target, g, bit, child_ty, false) == RC_OK;
}

bool exec_permitted(struct exec *x, struct req *r, const struct res *target, unsigned bit, int32_t child_ty)
{
	const struct type_hooks *hooks = type_hooks(target->h.ty);
	struct governing g;

	if (x->internal || r->work->internal)
		return true;
	if (hooks && hooks->permitted && bit != ACOP_DISCOVERY && /* that it is there may be known to whoever may discover its parent */
	    (hooks->permitted(x, r, target, bit) || !hooks->decides || hooks->decides & bit))
		return hooks->permitted(x, r, target, bit);
	return access_governing(x, target, &g) && may(x, r, target, &g, bit, child_ty);
}

static enum reeve_rc denied(struct exec *x, struct req *r, const struct res *target, const struct governing *g, unsigned bit,
			    int32_t child_ty)
{
	struct rights_question q = question(target, g, bit, child_ty, true);
	struct slice reason = r->work->rights.reason;
	char id[DECISION_ID_LEN];
	struct decision d = {
		.when = x->now,
		.request = r->rqi,
		.to = r->to,
		.target = res_ri(target),
		.ground = g->ground,
		.policies = g->p,
		.n_policies = g->n,
		.part = g->part,
		.facts = &r->work->facts,
		.story = rights_story(r),
	};

	target_facts(x, r, target, bit, child_ty);
	rights_refused(x, r, &q);
	metrics_inc(&x->core->metrics, denied);
	decisions_log(x->core->decisions, &d, id);
	audited(x, &(struct audit_what){ .kind = AUDIT_DENIED, .action = acop_name(bit), .target = d.target, .ground = slice_str(g->ground),
					 .decision = slice_of(id, DECISION_ID_LEN) });
	return req_refuse(r, 4103, "the Originator has no privilege for this operation%s%.*s (decision %.*s; see: reeve explain %.*s)",
			  reason.n ? ": " : "", SF(reason), DECISION_ID_LEN, id, DECISION_ID_LEN, id);
}

/* Is it left to us to record the denial? */
static bool undecided(const struct req *r, enum reeve_rc rc)
{
	return rc == RC_NOTFOUND || (rc == RC_REFUSED && !r->rsc);
}

enum reeve_rc exec_denied(struct exec *x, struct req *r, const struct res *target, unsigned bit, int32_t child_ty)
{
	struct governing g;

	access_governing(x, target, &g);
	return denied(x, r, target, &g, bit, child_ty);
}

enum reeve_rc exec_authorize_by(struct exec *x, struct req *r, const struct slice *ids, size_t n, const struct res *target, unsigned bit,
				int32_t child_ty)
{
	struct governing g = { .part = POLICY_PV, .ground = "policy" };
	struct target t;
	enum reeve_rc rc;

	if (x->internal || r->work->internal)
		return RC_OK;
	for (size_t i = 0; i < n; i++)
		if (exec_lookup(x, ids[i], &t) == RC_OK && !t.virt && t.res.h.ty == TYPE_ACP)
			access_add_policy(x, &g, t.res.key);
	g.by_list = true;
	rc = access_decide(x, r, target, &g, bit, child_ty, true);
	return undecided(r, rc) ? denied(x, r, target, &g, bit, child_ty) : rc;
}

enum reeve_rc exec_authorize(struct exec *x, struct req *r, const struct res *target, unsigned bit, int32_t child_ty)
{
	const struct type_hooks *hooks = type_hooks(target->h.ty);
	struct governing g;
	enum reeve_rc rc;

	if (x->internal || r->work->internal)
		return RC_OK;
	if (hooks && hooks->decide && (rc = hooks->decide(x, r, target, bit)) != RC_AGAIN)
		return rc;
	if (!access_governing(x, target, &g))
		g.ground = "no policy governs the target";
	else if (!undecided(r, rc = access_decide(x, r, target, &g, bit, child_ty, true)))
		return rc;
	return denied(x, r, target, &g, bit, child_ty);
}

static bool permitted_self(struct exec *x, struct req *r, const struct res *target, struct governing *g)
{
	access_governing(x, target, g);
	g->part = POLICY_PVS;
	if (!g->default_policy)
		g->ground = "selfPrivileges of the linked policies (update of accessControlPolicyIDs)";
	return x->internal || r->work->internal || may(x, r, target, g, ACOP_UPDATE, 0);
}

bool exec_permitted_self(struct exec *x, struct req *r, const struct res *target)
{
	struct governing g;
	return permitted_self(x, r, target, &g);
}

enum reeve_rc exec_authorize_self(struct exec *x, struct req *r, const struct res *target)
{
	struct governing g;
	return permitted_self(x, r, target, &g) ? RC_OK : denied(x, r, target, &g, ACOP_UPDATE, 0);
}

void exec_explain(struct exec *x, struct req *r, const struct res *target, unsigned bit, int32_t child_ty, struct buf *json,
		  bool *permitted)
{
	const struct type_hooks *hooks = type_hooks(target->h.ty);
	enum reeve_rc rc = hooks && hooks->decide ? hooks->decide(x, r, target, bit) : RC_AGAIN;
	struct governing g;
	struct decision d = { .when = x->now, .request = r->rqi, .to = r->to, .target = res_ri(target), .facts = &r->work->facts };

	if (!access_governing(x, target, &g))
		g.ground = "no policy governs the target";
	target_facts(x, r, target, bit, child_ty);
	*permitted = rc == RC_AGAIN ? may(x, r, target, &g, bit, child_ty) : rc == RC_OK;
	d.story = rights_story(r);
	if (rc == RC_AGAIN) {
		d.policies = g.p;
		d.n_policies = g.n;
		d.part = g.part;
	}
	d.ground = rc == RC_AGAIN ? g.ground : "a rule of the resource type, which comes before policies";
	decision_write_json(json, &d, S("live"), *permitted);
}
