/* SPDX-License-Identifier: Apache-2.0 */
/* The Policy Decision Point for other CSEs (TS-0003 7.5.2, TS-0004 7.4.43.2.3).
 *
 * It decides as this CSE decides for itself, with the facts that the question tells: about a resource of this CSE by the same
 * function (access.c), about one elsewhere by policies of the operator, by rules from a retrieval point, or by what another decision
 * point says. A denial for want of a fact is told as such (MISSING_ATTRIBUTE); the answer is a permission only with status OK. */
#include "core/points/points_int.h"

#include "base/hash.h"
#include "core/audited.h"
#include "core/own.h"
#include "core/pattern.h"
#include "core/rights/information.h"
#include "core/types.h"

struct decider {
	struct exec *x;
	struct req *r;           /* the question */
	struct decision_request d;
	struct point_who who;
	struct point_rules rules;
	struct facts facts;
	bool failed;             /* somebody who might know could not be asked */
	int dec, sus;            /* sus SUS_NONE: not known yet */
};

/* A decision that somebody else acts upon. */
static void remember(struct decider *k)
{
	if (k->sus != SUS_OK)
		return;
	audited(k->x, &(struct audit_what){ .kind = k->dec == DECISION_PERMIT ? AUDIT_PERMITTED : AUDIT_DENIED,
					    .action = acop_name(k->facts.op), .who = k->who.id, .target = k->rules.address,
					    .ground = S("decision for another CSE"), .detail = k->r->work->who,
					    .ip = k->d.ip_known ? k->d.ip : NULL });
}

static enum reeve_rc give(struct decider *k)
{
	struct req *r = k->r;
	struct slice members = k->sus == SUS_OK ? arena_printf(&r->arena, "\"dec\":%d,\"sus\":%d", k->dec, k->sus)
						: arena_printf(&r->arena, "\"sus\":%d", k->sus);

	remember(k);
	return members.p ? point_answer(r, POINT_PDP, members) : RC_NOMEM;
}

/* Does a requester's word stand for rq_authn? Only when we know who it is. */
static bool vouched_for(struct decider *k)
{
	return k->r->work->facts.authenticated &&
	       pattern_listed(&k->x->core->cfg->distributed.authenticated, k->r->work->who);
}

static void gather_facts(struct decider *k)
{
	const struct decision_request *d = &k->d;
	struct facts *f = &k->facts;

	*f = (struct facts){ .who = k->who.id, .who_hash = hash_slice(k->who.id), .authenticated = vouched_for(k),
			     .op = decision_request_bit(d), .child_ty = d->op == OP_CREATE && d->rrt >= 0 ? (int32_t)d->rrt : 0,
			     .target_mgd = -1, .ip_known = d->ip_known };
	memcpy(f->ip, d->ip, sizeof(f->ip));
	text_time_of(d->rtm ? d->rtm : k->r->received, &f->time);
	if (!d->olo_given) { /* we may know ourselves */
		core_locate(k->x->core, f);
		return;
	}
	f->position_known = d->position_known;
	f->latitude = d->latitude;
	f->longitude = d->longitude;
	memcpy(f->country, d->country, sizeof(f->country));
}

/* A request as the Originator would have made it here, to be judged and never executed. */
static struct req *as_asked(struct decider *k)
{
	const struct decision_request *d = &k->d;
	struct req *n = own_request(k->x->core);

	if (!n || !work_of(k->x->core, n)) {
		if (n)
			own_drop(k->x->core, n);
		return NULL;
	}
	n->op = (enum op)d->op;
	n->to = d->to;
	n->fr = d->fr;
	n->rqi = k->r->rqi;
	n->rvi = S("3");
	n->ty = d->rrt;
	n->rids = d->rids.v;
	n->n_rids = d->rids.n;
	n->tids = d->tids.v;
	n->n_tids = d->tids.n;
	n->tkns = d->tkns.v;
	n->n_tkns = d->tkns.n;
	n->has = (d->rids.n ? HAS_ROLES : 0) | (d->tids.n ? HAS_TOKEN_IDS : 0) | (d->tkns.n ? HAS_TOKENS : 0) | (d->rrt >= 0 ? HAS_TY : 0);
	n->received = d->rtm ? d->rtm : k->r->received;
	n->work->who = k->who.id;
	n->work->who_kind = k->who.kind;
	n->work->who_form = k->who.form;
	n->work->facts = k->facts;
	n->work->member = true; /* it waits for nothing */
	return n;
}

static void permit(struct decider *k)
{
	k->dec = DECISION_PERMIT;
	k->sus = SUS_OK;
}

/* The rules said no: because of them, or because something is not known? */
static void deny(struct decider *k, const struct policy *const *p, size_t n, bool broken)
{
	const struct pdp_unknown u = { .child = k->d.op == OP_CREATE && k->d.rrt < 0, .target = !k->rules.here,
				       .roles = k->d.rids.v, .n_roles = k->d.rids.n };

	for (size_t i = 0; i < n && !broken; i++)
		broken = policy_unreadable(p[i], k->rules.g.part);
	k->dec = DECISION_DENY;
	k->sus = broken ? SUS_SYNTAX_ERROR : pdp_undecided(p, n, k->rules.g.part, &k->facts, &u) ? SUS_MISSING_ATTRIBUTE : SUS_OK;
}

/* The roles and tokens that other information points have for what the Originator claims. */
static enum reeve_rc by_information(struct decider *k, struct req *n, const struct rights_question *q,
				     struct information *said)
{
	const struct enquiry_told *t;
	struct buf b;
	enum reeve_rc rc;

	*said = (struct information){ .permits = false };
	if (!(k->d.rids.n + k->d.tids.n))
		return RC_OK;
	buf_init(&b, k->x->core->cfg->limits.body);
	information_request_write(&b, k->who.id, &k->d.rids, &k->d.tids);
	rc = point_ask(k->x, k->r, POINT_PIP, &b, b.n, k->d.tids.n > 0, &t);
	buf_free(&b);
	if (rc == RC_OK && t)
		*said = information_judge(k->x, n, q, t);
	return rc;
}

static enum reeve_rc conclude(struct decider *k, struct req *n, const struct rights_question *q, bool yes, bool broken)
{
	struct information said = { .permits = yes };
	enum reeve_rc rc = yes ? RC_OK : by_information(k, n, q, &said);

	if (rc == RC_OK && said.permits) {
		permit(k);
	} else if (rc == RC_OK) {
		bool refused = !q->own_only && k->d.tkns.n + k->d.tids.n && information_bad_token(k->x, n, q);

		deny(k, q->policies, q->n_policies, broken || said.bad_token || (refused && k->d.tkns.n));
		if (refused && !said.tokens && k->sus == SUS_OK) /* a token that is only named, and that nobody has */
			k->sus = SUS_MISSING_ATTRIBUTE;
	}
	own_drop(k->x->core, n);
	return rc;
}

static enum reeve_rc decide_here(struct decider *k)
{
	const struct res *target = &k->rules.t.res;
	const struct type_hooks *hooks = type_hooks(target->h.ty);
	const struct governing *g = &k->rules.g;
	struct rights_question q = { .target = target, .policies = g->p, .n_policies = g->n, .part = g->part,
				     .by_creator = g->default_policy, .own_only = g->part == POLICY_PVS,
				     .bit = k->facts.op, .child_ty = k->facts.child_ty };
	struct req *n = as_asked(k);

	if (!n)
		return RC_NOMEM;
	k->facts.target_ty = target->h.ty;
	if (hooks && hooks->permitted && k->facts.op != ACOP_DISCOVERY) { /* a rule of the type, which comes before policies */
		bool yes = hooks->permitted(k->x, n, target, k->facts.op);

		own_drop(k->x->core, n);
		if (yes)
			permit(k);
		else
			deny(k, NULL, 0, false);
		return RC_OK;
	}
	return conclude(k, n, &q, access_decide(k->x, n, target, g, q.bit, q.child_ty, false) == RC_OK, false);
}

/* By rules that are not those of a resource here: of what may be claimed, only roles count, for what else there is, is about resources. */
static enum reeve_rc decide_by(struct decider *k, const struct policy *const *p, size_t n_p, bool broken)
{
	struct rights_question q = { .target = &k->rules.t.res, .policies = p, .n_policies = n_p, .part = k->rules.g.part, .own_only = true,
				     .bit = k->facts.op, .child_ty = k->facts.child_ty };
	struct req *n = as_asked(k);

	if (!n)
		return RC_NOMEM;
	return conclude(k, n, &q, pdp_decide(p, n_p, q.part, &k->facts, NULL, NULL, NULL) || rights_judge(k->x, n, &q) == RC_OK, broken);
}

/* --- with the help of others --- */

/* Rules from a retrieval point, in the meaning they have at the target's Hosting CSE. */
static enum reeve_rc by_retrieval(struct decider *k)
{
	struct policy_options o = k->x->core->policy_options;
	const struct enquiry_told *t;
	struct answered_policies ps;
	struct json j;
	struct buf b;
	uint32_t obj;
	enum reeve_rc rc;

	buf_init(&b, k->x->core->cfg->limits.body);
	policy_request_write(&b, k->rules.address);
	rc = point_ask(k->x, k->r, POINT_PRP, &b, b.n, false, &t);
	buf_free(&b);
	if (rc != RC_OK || !t)
		return rc;
	k->failed |= t->failed || (t->answered && t->sus != SUS_OK);
	if (!t->answered || point_answer_read(&k->r->arena, t->content, POINT_PRP, &j, &obj) != SUS_OK)
		return RC_OK;
	o.home = &k->rules.home;
	rc = policies_answer_read(&o, k->rules.here ? access_members : NULL, k->x, &k->r->arena, &j, obj, &ps);
	if (rc != RC_OK)
		return rc;
	k->rules.g.part = POLICY_PV;
	rc = decide_by(k, (const struct policy *const *)ps.p, ps.n, ps.broken);
	answered_policies_free(&ps);
	return rc;
}

/* The same question to another decision point; what it says is our answer. */
static enum reeve_rc by_other(struct decider *k)
{
	struct decision_request d = k->d;
	const struct enquiry_told *t;
	struct json j;
	struct buf b;
	uint32_t obj;
	size_t same;
	enum reeve_rc rc;

	d.to = k->rules.address;
	d.fr = k->who.id;
	buf_init(&b, k->x->core->cfg->limits.body);
	decision_request_write(&b, &d, &same);
	rc = point_ask(k->x, k->r, POINT_PDP, &b, same, d.tkns.n > 0, &t);
	buf_free(&b);
	if (rc != RC_OK || !t)
		return rc;
	k->failed |= t->failed;
	if (!t->answered)
		return RC_OK;
	k->sus = (int)point_answer_read(&k->r->arena, t->content, POINT_PDP, &j, &obj);
	k->dec = k->sus == SUS_OK ? (int)decision_answer_dec(&j, obj) : 0;
	if (k->sus == SUS_NONE || (k->sus == SUS_OK && !k->dec))
		k->sus = SUS_PROCESSING_ERROR;
	return RC_OK;
}

enum reeve_rc point_decide(struct exec *x, struct req *r)
{
	struct decider k = { .x = x, .r = r };
	struct slice why;
	enum reeve_rc rc;

	if (decision_request_read(&r->arena, &r->work->json, r->work->obj, &k.d, &why) != RC_OK)
		return req_refuse(r, 4000, "%.*s", SF(why));
	if ((rc = point_who_read(x, r, k.d.fr, &k.who)) != RC_OK || (rc = point_rules_find(x, r, k.d.to, &k.rules)) != RC_OK)
		return rc;
	gather_facts(&k);
	if (k.rules.any && k.rules.here)
		rc = decide_here(&k);
	else if (k.rules.any)
		rc = decide_by(&k, k.rules.g.p, k.rules.g.n, false);
	if (rc == RC_OK && k.sus == SUS_NONE)
		rc = by_retrieval(&k);
	if (rc == RC_OK && k.sus == SUS_NONE)
		rc = by_other(&k);
	if (rc != RC_OK)
		return rc;
	if (k.sus == SUS_NONE)
		k.sus = k.failed ? SUS_PROCESSING_ERROR : SUS_NOT_APPLICABLE;
	return give(&k);
}
