/* SPDX-License-Identifier: Apache-2.0 */
/* The decision of another CSE: this CSE as Policy Enforcement Point (TS-0003 7.5.2; authorization.md 7.5).
 *
 * A policy that governs the target, has no rules and names decision points (adri) or retrieval points (apri) delegates: the PDPs are asked
 * in order, or the rules of a PRP are applied here. The first policy for which somebody has an answer decides. For what a request
 * claims, a policy may name information points (airi), also beside rules. Whatever goes wrong denies: no answer, an answer that cannot be
 * read, a status other than OK, time over.
 *
 * The questions a request has are worked out anew each time it is judged, and an answer counts only for the very same text of a
 * question, addresses included: when target, policy or request have become others meanwhile, it is asked again. */
#include "core/access.h"
#include "core/notify/notify_int.h"
#include "core/pattern.h"
#include "core/rights/information.h"
#include "core/work.h"

/* What came of looking at one policy. */
enum outcome { NOT_APPLICABLE, PERMIT, DENY, ASK };

struct remote {
	struct exec *x;
	struct req *r;
	const struct rights_question *q;
	unsigned bit;
	int32_t child_ty;
	struct enquiry ask;      /* with ASK: what to ask */
};

/* --- what is asked --- */

/* Whoever may write a policy names the points in it. At other CSEs they are found by the ways the operator set up; a URL could be
 * anything that this machine reaches, so it has to be one the operator lists. */
static bool may_ask(struct remote *m, struct slice address)
{
	return !target_is_url(address) || pattern_listed(&m->x->core->cfg->distributed.points, address);
}

/* Tokens are other people's secrets: they go only to points that the operator lists. */
static bool may_tell(struct remote *m, const struct slice_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!pattern_listed(&m->x->core->cfg->distributed.points, l->v[i]))
			return false;
	return true;
}

/* Addresses in a list attribute of an ACP that may be asked, in the request's arena. */
static struct slice_list addresses(struct remote *m, const struct res *acp, struct slice sn)
{
	struct arena *a = &m->r->arena;
	struct slice raw = res_member(acp, sn), why, *v;
	struct slice_list l = { NULL, 0 };
	struct json j;

	/* the text moves when the store changes, and the addresses are used after that */
	if (!raw.p || json_parse(a, arena_dup(a, raw), &json_default_limits, &j, &why) != RC_OK || json_kind(&j, 0) != J_ARRAY ||
	    !(v = arena_array(a, j.tok[0].count + 1u, sizeof(*v))))
		return l;
	l.v = v;
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next) {
		v[l.n] = json_string(a, &j, i);
		l.n += v[l.n].n > 0 && may_ask(m, v[l.n]);
	}
	return l;
}

/* SP-relative and structured: one resource has one spelling, so that another CSE can have policies by address. */
static struct slice address_of(struct remote *m)
{
	struct slice out = { NULL, 0 };
	struct buf b;

	buf_init(&b, 8192);
	buf_slice(&b, m->x->core->home.cse_id);
	buf_char(&b, '/');
	if (tree_path(m->x->tx, m->q->target, &b) == RC_OK && !b.failed)
		out = arena_dup(&m->r->arena, buf_view(&b));
	buf_free(&b);
	return out;
}

static int op_of(unsigned bit)
{
	static const uint8_t ops[] = { OP_CREATE, OP_RETRIEVE, OP_UPDATE, OP_DELETE, OP_NOTIFY, OP_RETRIEVE };
	return ops[__builtin_ctz(bit) % 6];
}

static struct decision_request request_of(struct remote *m)
{
	const struct req *r = m->r;
	const struct facts *f = &r->work->facts;
	struct decision_request d = {
		.to = address_of(m),
		.fr = r->work->who,
		.op = op_of(m->bit),
		.rrt = m->bit == ACOP_CREATE ? m->child_ty : -1,
		.fu = m->bit == ACOP_DISCOVERY ? 1 : 0,
		.rids = { r->rids, r->n_rids },
		.tids = { r->tids, r->n_tids },
		.tkns = { r->tkns, r->n_tkns },
		.rtm = r->received,
		.ip_known = f->ip_known,
		.position_known = f->position_known,
		.latitude = f->latitude,
		.longitude = f->longitude,
	};

	memcpy(d.ip, f->ip, sizeof(d.ip));
	memcpy(d.country, f->country, sizeof(d.country));
	return d;
}

/* The answer to a question in the buffer, or NULL: it is to be asked, or cannot be (*out says which). */
static const struct enquiry_told *told(struct remote *m, enum point kind, const struct slice_list *at, const struct buf *body, size_t same,
				       bool secret, enum outcome *out)
{
	const struct enquiry_told *t;

	*out = DENY;
	if (!enquiry_make(m->r, kind, at->v, at->n, body, same, &m->ask))
		return NULL;
	m->ask.secret = secret;
	if ((t = enquiry_told(m->r, &m->ask)))
		return t;
	*out = ASK;
	return NULL;
}

static void tell(struct remote *m, const char *what, const struct enquiry_told *t, const char *result)
{
	struct buf b;

	buf_init(&b, 4096);
	buf_printf(&b, "{\"asked\":\"%s\",\"at\":", what);
	buf_json(&b, t->by);
	buf_lit(&b, ",\"why\":");
	buf_json(&b, slice_str(result));
	buf_char(&b, '}');
	if (!b.failed)
		rights_tell(m->r, buf_view(&b));
	buf_free(&b);
}

/* --- by a Policy Decision Point --- */

static enum outcome by_decision(struct remote *m, const struct slice_list *adri)
{
	struct decision_request d = request_of(m);
	const struct enquiry_told *t;
	enum outcome out;
	struct json j;
	struct buf b;
	uint32_t obj;
	size_t same;

	if (!d.to.p)
		return DENY;
	if (!may_tell(m, adri))
		d.tkns.n = 0;
	buf_init(&b, m->x->core->cfg->limits.body);
	decision_request_write(&b, &d, &same);
	t = told(m, POINT_PDP, adri, &b, same, d.tkns.n > 0, &out);
	buf_free(&b);
	if (!t)
		return out;
	if (!t->answered) {
		tell(m, "decision", t, t->failed ? "no decision point could answer" : "no decision point has a policy for this");
		return NOT_APPLICABLE;
	}
	if (point_answer_read(&m->r->arena, t->content, POINT_PDP, &j, &obj) == SUS_OK && decision_answer_dec(&j, obj) == DECISION_PERMIT) {
		tell(m, "decision", t, "permit");
		return PERMIT;
	}
	tell(m, "decision", t, t->sus == SUS_OK ? "deny" : sus_text(t->sus));
	return DENY;
}

/* --- by rules from a Policy Retrieval Point --- */

/* The roles and tokens that a PIP has for the claims of the request. */
static enum outcome by_information(struct remote *m, const struct rights_question *q, const struct slice_list *airi)
{
	const struct enquiry_told *t;

	if (!airi->n || !information_ask(m->r, airi->v, airi->n, &m->ask))
		return DENY;
	if (!(t = enquiry_told(m->r, &m->ask)))
		return ASK;
	if (information_judge(m->x, m->r, q, t).permits) {
		tell(m, "information", t, "what it has permits");
		return PERMIT;
	}
	tell(m, "information", t, t->answered ? sus_text(t->sus) : "no information point could answer");
	return DENY;
}

/* Rules, by name alone, by what the request claims, or by what a PIP has for its claims. */
static enum outcome decide(struct remote *m, const struct answered_policies *ps, const struct slice_list *airi)
{
	const struct rights_question q = { .target = m->q->target, .policies = (const struct policy *const *)ps->p, .n_policies = ps->n,
					   .part = POLICY_PV, .bit = m->bit, .child_ty = m->child_ty };
	struct facts *f = &m->r->work->facts, before = *f;
	enum outcome out = PERMIT;

	f->op = m->bit;
	f->child_ty = m->bit == ACOP_CREATE ? m->child_ty : 0;
	if (!pdp_decide(q.policies, q.n_policies, POLICY_PV, f, NULL, NULL, NULL) && rights_judge(m->x, m->r, &q) != RC_OK)
		out = by_information(m, &q, airi);
	f->op = before.op;
	f->child_ty = before.child_ty;
	return out;
}

static enum outcome apply(struct remote *m, const struct enquiry_told *t, const struct slice_list *airi)
{
	struct arena *a = &m->r->arena;
	struct answered_policies ps;
	struct json j;
	uint32_t obj;
	enum outcome out;

	if (point_answer_read(a, t->content, POINT_PRP, &j, &obj) != SUS_OK) {
		tell(m, "policies", t, sus_text(t->sus));
		return DENY;
	}
	if (policies_answer_read(&m->x->core->policy_options, access_members, m->x, a, &j, obj, &ps) != RC_OK)
		return DENY;
	out = decide(m, &ps, airi);
	if (out != ASK)
		tell(m, "policies", t,
		     out == PERMIT ? "a rule permits" : ps.broken ? "no rule permits, and some could not be read" : "no rule permits");
	answered_policies_free(&ps);
	return out;
}

static enum outcome by_policies(struct remote *m, const struct slice_list *apri, const struct slice_list *airi)
{
	struct slice to = address_of(m);
	const struct enquiry_told *t;
	enum outcome out;
	struct buf b;

	if (!to.p)
		return DENY;
	buf_init(&b, m->x->core->cfg->limits.body);
	policy_request_write(&b, to);
	t = told(m, POINT_PRP, apri, &b, b.n, false, &out);
	buf_free(&b);
	if (!t)
		return out;
	if (!t->answered) {
		tell(m, "policies", t, t->failed ? "no retrieval point could answer" : "no retrieval point has policies for this");
		return NOT_APPLICABLE;
	}
	return apply(m, t, airi);
}

/* --- the method --- */

static enum outcome by_policy(struct remote *m, size_t i)
{
	struct slice_list adri, apri, airi;
	enum outcome out;
	struct res acp;

	if (tree_get(m->x->tx, m->q->keys[i], &acp) != RC_OK)
		return NOT_APPLICABLE;
	airi = addresses(m, &acp, S("airi"));
	if (policy_rules(m->q->policies[i], POLICY_PV)) { /* local rules, and facts from elsewhere */
		out = by_information(m, m->q, &airi);
		return out == DENY ? NOT_APPLICABLE : out;
	}
	adri = addresses(m, &acp, S("adri"));
	if (adri.n)
		return by_decision(m, &adri);
	apri = addresses(m, &acp, S("apri"));
	return apri.n ? by_policies(m, &apri, &airi) : NOT_APPLICABLE;
}

static enum outcome consider(struct remote *m)
{
	enum outcome out = NOT_APPLICABLE;

	for (size_t i = 0; i < m->q->n_policies && out == NOT_APPLICABLE; i++)
		out = by_policy(m, i);
	return out;
}

/* About the question itself; and, for a subscription, whether the target may be retrieved, for that is decided when it is too late to ask
 * (AUTHZ-124). */
static enum outcome consider_all(struct remote *m)
{
	enum outcome out = consider(m);

	if (out != PERMIT || m->bit != ACOP_CREATE || m->child_ty != TYPE_SUBSCRIPTION || !m->q->final)
		return out;
	m->bit = ACOP_RETRIEVE;
	return consider(m) == ASK ? ASK : PERMIT;
}

static bool delegates(const struct rights_question *q)
{
	return !q->by_creator && !q->own_only && q->part == POLICY_PV && q->n_policies && q->keys;
}

static enum reeve_rc judge(struct exec *x, struct req *r, const struct rights_question *q)
{
	struct remote m = { .x = x, .r = r, .q = q, .bit = q->bit, .child_ty = q->child_ty };

	if (!r->work->told || !delegates(q)) /* nothing was asked: nothing is permitted */
		return RC_NOTFOUND;
	return consider_all(&m) == PERMIT ? RC_OK : RC_NOTFOUND;
}

static bool wants(struct exec *x, struct req *r, const struct rights_question *q)
{
	struct remote m = { .x = x, .r = r, .q = q, .bit = q->bit, .child_ty = q->child_ty };

	return delegates(q) && x->core->enquiries && consider_all(&m) == ASK && enquiry_next(r, &m.ask);
}

const struct rights_method rights_remote = { .name = "decision of another CSE", .waits_most = ENQUIRY_TIMES, .judge = judge, .wants = wants,
					     .fetch = enquiry_fetch };
