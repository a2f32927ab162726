/* SPDX-License-Identifier: Apache-2.0 */
/* Targets of notifications: who an entry of nu is, Notify passed on to an <AE>, verification as its receiver, and targets that
 * leave a subscription (TS-0004 7.3.3.9, 7.5.1.2.3, 7.4.33). */
#include <stdlib.h>

#include "base/hash.h"
#include "codec/text.h"
#include "core/notify/notify_int.h"
#include "core/cse/outbound.h"
#include "core/own.h"
#include "core/registration/moved.h"
#include "core/work.h"

/* --- who --- */

struct slice target_entity(struct exec *x, struct arena *a, struct slice target)
{
	enum serial serial = SERIAL_NONE;
	struct slice bare = target_strip(target, &serial), canon = { NULL, 0 };
	enum ident_kind kind;
	enum ident_form form;
	struct target t;

	if (target_is_url(bare))
		return canon;
	if (exec_lookup(x, bare, &t) == RC_OK) {
		if (t.virt || (t.res.h.ty != TYPE_AE && t.res.h.ty != TYPE_CSEBASE))
			return canon;
		if (t.res.h.ty == TYPE_CSEBASE)
			return x->core->home.abs;
		bare = arena_dup(a, res_ri(&t.res));
	}
	if (ident_parse(a, &x->core->home, bare, &kind, &form, &canon) != RC_OK || kind == ID_NONE || kind == ID_SP)
		return (struct slice){ NULL, 0 };
	return canon;
}

struct slice originator_of(struct exec *x, struct req *r)
{
	struct slice canon = { NULL, 0 };
	enum ident_kind kind;
	enum ident_form form;

	if (r->work && r->work->who.n)
		return r->work->who;
	if (!r->fr.n || ident_parse(&r->arena, &x->core->home, r->fr, &kind, &form, &canon) != RC_OK)
		return (struct slice){ NULL, 0 };
	return canon;
}

/* --- Notify to an <AE> or to us --- */

struct passed_on {
	struct outbound out;
	struct core *core;
	struct req *r;
};

static void passed(struct outbound *o, const struct rsp *rsp)
{
	struct passed_on *p = o->owner;
	struct req *r = p->r;

	if (rsp->rsc >= 4000) {
		req_refuse(r, rsp->rsc,
			   rsp->rsc == 5103 ? "the AE cannot be reached at any point of access"
				       : "the AE answered with an error, or not in time");
	} else {
		r->rsc = rsp->rsc;
		if (rsp->pc.n)
			buf_slice(&r->out, rsp->pc);
	}
	core_resume(p->core, r);
}

static void pass_on(struct core *c, struct req *r)
{
	struct passed_on *p = arena_zalloc(&r->arena, sizeof(*p));
	usec left = r->work->rqet ? r->work->rqet - clock_wall() : 0;

	if (!p || left < 0) {
		req_refuse(r, p ? 4008 : 5000, p ? "the request expired" : "out of memory");
		core_resume(c, r);
		return;
	}
	p->core = c;
	p->r = r;
	p->out = (struct outbound){
		.target = r->to,
		.fr = r->fr,
		.pc = r->pc,
		.op = OP_NOTIFY,
		.ec = r->has & HAS_EC ? r->ec : 0,
		.timeout = left,
		.done = passed,
		.owner = p,
	};
	outbound_send(c, &p->out);
}

static void receive_seci(struct core *c, struct req *r, const struct json *j, uint32_t seci)
{
	int64_t sit = 0;

	if (!json_i64(j, json_member(j, seci, S("sit")), &sit) || sit < 1 || sit >= SECI_TYPES)
		req_refuse(r, 4000, "m2m:seci: sit (1 to 8) tells which security information it is");
	else if (!c->seci[sit])
		req_refuse(r, 5001, "security information of type %d is not processed by this CSE", (int)sit);
	if (r->rsc)
		core_resume(c, r);
	else
		c->seci[sit](c, r, j, seci);
}

/* What a <CSEBase> does with a Notify depends on its content (TS-0004 7.5.1). Code for content that fits nothing: CORE-205. */
static void receive(struct core *c, struct req *r, const struct json *j)
{
	uint32_t seci = json_member(j, 0, S("m2m:seci")), sgn = json_member(j, 0, S("m2m:sgn"));

	if (seci) {
		receive_seci(c, r, j, seci);
		return;
	}
	if (sgn && moved_notified(c, r, j, sgn))
		return;
	if (sgn || json_member(j, 0, S("m2m:agn")) || json_member(j, 0, S("m2m:rsp")))
		r->rsc = 2000; /* nobody here subscribed: taken note of */
	else
		req_refuse(r, 4000, "content of a Notify: m2m:sgn, m2m:agn, m2m:rsp or m2m:seci");
	core_resume(c, r);
}

void notify_retarget(struct core *c, struct req *r, const struct target *t)
{
	struct json *j = arena_zalloc(&r->arena, sizeof(*j));
	struct slice why;

	if (!r->pc.p)
		req_refuse(r, 4000, "a Notify needs content");
	else if (!j || json_parse(&r->arena, r->pc, &c->cfg->limits.json, j, &why) != RC_OK || json_kind(j, 0) != J_OBJECT ||
		 j->tok[0].count != 1)
		req_refuse(r, 4000, "the content of a Notify is an object with one member");
	else if (t->res.h.ty != TYPE_AE && t->res.h.ty != TYPE_CSEBASE && t->res.h.ty != TYPE_GROUP)
		req_refuse(r, 4005, "only an AE, a group or CSEBase can be notified");
	if (r->rsc)
		core_resume(c, r);
	else if (t->res.h.ty == TYPE_CSEBASE)
		receive(c, r, j);
	else
		pass_on(c, r);
}

/* --- verification, as its receiver --- */

enum reeve_rc notify_may(struct exec *x, struct req *r, const struct res *target, struct slice who, bool *yes)
{
	struct req *as = malloc(sizeof(*as));

	*yes = false;
	if (!as)
		return RC_NOMEM;
	req_init(as, r->home, 1 << 20, 4096);
	as->op = OP_NOTIFY;
	as->to = r->to;
	as->rqi = r->rqi;
	as->rvi = r->rvi;
	as->received = x->now;
	as->fr = who;
	if (work_of(x->core, as)) {
		as->work->who = who;
		as->work->facts.who = who;
		as->work->facts.who_hash = hash_slice(who);
		as->work->facts.target_mgd = -1;
		text_time_of(x->now, &as->work->facts.time);
		*yes = exec_permitted(x, as, target, ACOP_NOTIFY, 0);
	}
	req_free(as);
	free(as);
	return RC_OK;
}

enum reeve_rc notify_verification(struct exec *x, struct req *r, const struct res *target)
{
	enum ident_kind kind;
	enum ident_form form;
	struct slice why, creator;
	struct json j;
	uint32_t sgn, vrq, cr;
	bool wanted = false, yes;
	enum reeve_rc rc;

	if (r->op != OP_NOTIFY || !r->pc.p || !memmem(r->pc.p, r->pc.n, "\"vrq\"", 5))
		return RC_AGAIN;
	if (json_parse(&r->arena, r->pc, &x->core->cfg->limits.json, &j, &why) != RC_OK)
		return RC_AGAIN;
	sgn = json_member(&j, 0, S("m2m:sgn"));
	vrq = sgn ? json_member(&j, sgn, S("vrq")) : 0;
	if (!vrq || !json_bool(&j, vrq, &wanted) || !wanted)
		return RC_AGAIN;
	cr = json_member(&j, sgn, S("cr"));
	if (!cr)
		return req_refuse(r, 4000, "m2m:sgn: a verification request needs cr");
	rc = ident_parse(&r->arena, &x->core->home, json_string(&r->arena, &j, cr), &kind, &form, &creator);
	if (rc != RC_OK)
		return rc;
	if (kind == ID_NONE || kind == ID_SP)
		return req_refuse(r, 4000, "m2m:sgn: cr is not the identifier of an AE or CSE");
	if ((rc = notify_may(x, r, target, creator, &yes)) != RC_OK)
		return rc;
	if (!yes)
		return req_refuse(r, 4101, "the creator of the subscription has no Notify privilege here");
	if (!exec_permitted(x, r, target, ACOP_NOTIFY, 0))
		return req_refuse(r, 5205, "the sender of the verification has no Notify privilege here");
	r->rsc = 2000;
	return RC_OK;
}

/* --- targets that leave (notificationTargetSelfReference) --- */

enum reeve_rc notify_update_internal(struct exec *x, const struct res *target, struct slice content)
{
	struct req *r = own_request(x->core);
	enum reeve_rc rc;

	if (!r)
		return RC_NOMEM;
	own_to_self(x->core, r, OP_UPDATE, 0, arena_dup(&r->arena, res_ri(target)), content, x->now);
	r->has |= HAS_RCN;
	r->rcn = 0;
	rc = own_exec(x, r);
	own_drop(x->core, r);
	return rc;
}

struct leaving {
	struct arena *a;
	struct slice who;
	struct slice entry;     /* of nu, as written there: the first that names who */
	struct slice nu;        /* what is left, a JSON array */
	struct slice creator;   /* cr of the subscription, unescaped */
	int action;             /* m2m:notificationTargetPolicyAction */
	bool apply;             /* the rules of the policy are met, or there are none */
};

/* nu without the entries that name the Originator. False: it is no target. */
static bool without(struct exec *x, const struct json *j, uint32_t nu, struct leaving *l)
{
	struct buf b;
	bool found = false;

	buf_init(&b, j->text.n + 16);
	buf_char(&b, '[');
	for (uint32_t i = nu + 1; i < j->tok[nu].next; i = j->tok[i].next) {
		struct slice s = json_string(l->a, j, i), who = target_entity(x, l->a, s);

		if (who.n && slice_eq(who, l->who)) {
			if (!found)
				l->entry = s;
			found = true;
			continue;
		}
		if (b.n > 1)
			buf_char(&b, ',');
		buf_slice(&b, json_raw(j, i));
	}
	buf_char(&b, ']');
	l->nu = arena_dup(l->a, buf_view(&b));
	buf_free(&b);
	return found && l->nu.p;
}

/* Does one <policyDeletionRules> hold now? Only times can be determined here; a place that cannot is not met. */
static bool rules_hold(struct exec *x, struct arena *a, const struct res *pdr)
{
	struct text_schedule sch;
	struct text_time now;
	struct json j;
	uint32_t dr, tod, lr, drr;
	bool time_ok = false;
	uint64_t relation = 2;

	if (res_json(a, pdr, &j) != RC_OK || !(dr = json_member(&j, 0, S("dr"))))
		return true; /* no rule: nothing to hold back */
	tod = json_member(&j, dr, S("tod"));
	lr = json_member(&j, dr, S("lr"));
	drr = json_member(&j, 0, S("drr"));
	if (drr)
		(void)json_u64(&j, drr, &relation);
	text_time_of(x->now, &now);
	for (uint32_t i = tod + 1; tod && json_kind(&j, tod) == J_ARRAY && i < j.tok[tod].next; i = j.tok[i].next)
		time_ok |= text_schedule(json_string(a, &j, i), &sch) && text_schedule_match(&sch, &now);
	if (!tod && !lr)
		return true;
	return lr && relation != 2 ? false : time_ok;
}

static void judge(struct exec *x, struct leaving *l, const struct res *policy)
{
	struct tree_iter it;
	struct res pdr;
	struct slice acn = res_attr(l->a, policy, S("acn")), rrs = res_attr(l->a, policy, S("rrs"));
	uint64_t action = 1;
	bool all = true, any = false;
	size_t n = 0;

	if (acn.p)
		(void)slice_u64(acn, &action);
	l->action = (int)action;
	if (tree_children_of_type(x->tx, policy->key.n, TYPE_DELETION_RULES, &it) != RC_OK)
		return;
	while (tree_next(&it, &pdr) == RC_OK) {
		bool holds = rules_hold(x, l->a, &pdr);

		all &= holds;
		any |= holds;
		n++;
	}
	tree_end(&it);
	l->apply = n == 0 || (slice_eq(rrs, S("2")) ? any : all);
}

/* The policy a <notificationTargetMgmtPolicyRef> of the subscription names for the Originator. */
static bool named_policy(struct exec *x, struct leaving *l, const struct res *sub, struct res *out)
{
	struct tree_iter it;
	struct res ref;
	struct json j;
	struct target t;
	bool found = false;

	if (tree_children_of_type(x->tx, sub->key.n, TYPE_TARGET_POLICY_REF, &it) != RC_OK)
		return false;
	while (!found && tree_next(&it, &ref) == RC_OK) {
		uint32_t ntu, npi;

		if (ref.h.et <= x->now || res_json(l->a, &ref, &j) != RC_OK || !(ntu = json_member(&j, 0, S("ntu"))) ||
		    !(npi = json_member(&j, 0, S("npi"))) || json_kind(&j, ntu) != J_ARRAY)
			continue;
		for (uint32_t i = ntu + 1; !found && i < j.tok[ntu].next; i = j.tok[i].next) {
			struct slice s = json_string(l->a, &j, i), who = target_entity(x, l->a, s);

			found = slice_eq(s, l->entry) || (who.n && slice_eq(who, l->who));
		}
		if (found && (exec_lookup(x, json_string(l->a, &j, npi), &t) != RC_OK || t.virt || t.res.h.ty != TYPE_TARGET_POLICY))
			found = false;
	}
	tree_end(&it);
	if (found)
		*out = t.res;
	return found;
}

/* A policy labelled "Default": of the Originator, else of anybody (X23: TS-0004's reading). */
static bool default_policy(struct exec *x, struct leaving *l, struct res *out)
{
	struct tree_iter it;
	struct res p;
	bool found = false, own = false;

	if (tree_children_of_type(x->tx, RES_ROOT, TYPE_TARGET_POLICY, &it) != RC_OK)
		return false;
	while (!own && tree_next(&it, &p) == RC_OK) {
		struct slice label = res_attr(l->a, &p, S("plbl"));

		if (p.h.et <= x->now || label.n < 2 || !slice_ieq(slice_of(label.p + 1, label.n - 2), S("default")))
			continue;
		own = slice_eq(p.creator, l->who);
		if (own || !found)
			*out = p;
		found = true;
	}
	tree_end(&it);
	return found;
}

/* Who leaves what, and what the policy says. RC_REFUSED: recorded. */
static enum reeve_rc consider(struct exec *x, struct req *r, const struct res *sub, struct leaving *l)
{
	struct res policy;
	struct json j;
	uint32_t nu, cr;

	*l = (struct leaving){ .a = &r->arena, .who = originator_of(x, r), .action = 1, .apply = true };
	if (res_json(l->a, sub, &j) != RC_OK)
		return RC_NOMEM;
	nu = json_member(&j, 0, S("nu"));
	cr = json_member(&j, 0, S("cr"));
	if (cr)
		l->creator = json_string(l->a, &j, cr);
	if (!nu || json_kind(&j, nu) != J_ARRAY || !without(x, &j, nu, l))
		return exec_denied(x, r, sub, ACOP_DELETE, 0);
	if (named_policy(x, l, sub, &policy) || default_policy(x, l, &policy))
		judge(x, l, &policy);
	return RC_OK;
}

static enum reeve_rc inform(struct exec *x, struct req *r, const struct res *sub, const struct leaving *l)
{
	struct buf to, members;
	enum reeve_rc rc = RC_OK;

	if (!l->creator.n)
		return RC_OK;
	buf_init(&to, 1 << 16);
	buf_init(&members, 1 << 16);
	buf_char(&to, '[');
	buf_json(&to, l->creator);
	buf_char(&to, ']');
	buf_lit(&members, "\"trr\":true,\"ntt\":");
	buf_json(&members, r->fr);
	if (!to.failed && !members.failed)
		rc = notify_notice(x, sub, buf_view(&to), buf_view(&members));
	buf_free(&to);
	buf_free(&members);
	return rc;
}

enum reeve_rc notify_target_leaves(struct exec *x, struct req *r, const struct res *sub)
{
	struct leaving l;
	enum reeve_rc rc = consider(x, r, sub, &l);

	if (rc != RC_OK)
		return rc;
	if (!l.apply || l.action == 2)
		return req_refuse(r, 4103, "the notificationTargetPolicy does not let this target leave");
	if (l.action == 4) { /* core.md X11: TS-0004's reading */
		rc = inform(x, r, sub, &l);
		r->work->keeps = true;
		return rc == RC_OK ? req_refuse(r, 4103, "the creator of the subscription was informed") : rc;
	}
	rc = notify_update_internal(x, sub, arena_printf(l.a, "{\"m2m:sub\":{\"nu\":%.*s}}", SF(l.nu)));
	if (rc == RC_OK)
		r->rsc = 2002;
	return rc;
}

/* For the hub: does the creator have to be asked first (action 3)? */
enum reeve_rc notify_leave_asks(struct exec *x, struct req *r, const struct res *sub, bool *ask, struct slice *creator)
{
	struct leaving l;
	enum reeve_rc rc = consider(x, r, sub, &l);

	*ask = rc == RC_OK && l.apply && l.action == 3;
	*creator = l.creator;
	return rc;
}
