/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that somebody else has to agree to first: a blocking update (TS-0004 7.5.1.2.19), the verification of a new
 * subscription (7.5.1.2.3), and a target whose leaving the creator is asked about (7.4.33.2.4).
 *
 * A request is asked about only when it looks permitted; one that is not goes on to the writer, which refuses it properly.
 * How many may wait is bounded where requests enter the hub (limits.parked).
 * While one Update of a resource is being decided, later Updates and Deletes of it queue behind (a "hold"). Order is kept by the
 * writer's queue: the next is looked at when the decided one was handed to the writer. */
#include <stdlib.h>

#include "base/rand.h"
#include "core/notify/notify_int.h"
#include "core/cse/outbound.h"
#include "core/work.h"

struct waiter { struct waiter *next; struct req *r; };

struct hold {
	struct hold *next;
	struct core *core;
	struct res_key key;
	struct req *r;            /* being asked about */
	struct waiter *first, *last;
	struct outbound out;
};

struct holds {
	struct hold *list;
};

struct holds *holds_new(void) { return calloc(1, sizeof(struct holds)); }

void holds_free(struct holds *h)
{
	if (!h)
		return;
	while (h->list) {
		struct hold *one = h->list;

		h->list = one->next;
		free(one); /* the requests are their bindings' */
	}
	free(h);
}

static struct hold *find(struct holds *h, uint64_t n)
{
	struct hold *one = h->list;

	while (one && one->key.n != n)
		one = one->next;
	return one;
}

static void drop(struct holds *h, struct hold *one)
{
	struct hold **at = &h->list;

	while (*at != one)
		at = &(*at)->next;
	*at = one->next;
	free(one);
}

static usec time_left(const struct req *r, usec now)
{
	usec left = r->work && r->work->rqet ? r->work->rqet - now : 0;
	return left < 0 ? 1 : left;
}

/* --- blocking update --- */

static bool touches(const struct req *r, const struct sub *s)
{
	if (!s->n_atr)
		return true;
	for (size_t i = 0; i < s->n_atr; i++)
		for (size_t k = 0; k < r->work->n_attrs; k++)
			if (slice_eq(s->atr[i], slice_str(r->work->attrs[k].a->sn)))
				return true;
	return false;
}

/* The request that asks the target of s for r: target and content into memory of r. */
static bool compose(struct req *r, const struct sub *s, struct slice *target, struct slice *pc)
{
	struct slice why;
	struct json j;
	struct buf b;

	if (json_parse(&r->arena, s->nu, &json_default_limits, &j, &why) != RC_OK || !j.tok[0].count)
		return false;
	*target = arena_dup(&r->arena, json_string(&r->arena, &j, 1));
	buf_init(&b, r->pc.n + s->tail.n + 128);
	buf_lit(&b, "{\"m2m:sgn\":{\"nev\":{\"rep\":");
	buf_slice(&b, r->pc);
	buf_printf(&b, ",\"net\":%d},", NE_BLOCKING_UPDATE);
	buf_slice(&b, s->tail);
	buf_lit(&b, "}}");
	*pc = b.failed ? (struct slice){ NULL, 0 } : arena_dup(&r->arena, buf_view(&b));
	buf_free(&b);
	return target->p && pc->p;
}

/* The request came through a group, or the subscription is younger than the look at it: it cannot be asked now. */
bool notify_blocks(struct exec *x, const struct req *r, const struct res *at)
{
	struct sub_list *l;
	bool yes = false;

	if (x->internal || r->work->internal || r->work->preluded || !at->h.n_subs)
		return false;
	if (sub_list_get(notifier_cache(x->core->notifier), x, at->key.n, &l) != RC_OK)
		return true;
	for (size_t i = 0; !yes && i < l->n; i++)
		yes = l->v[i].events & 1u << NE_BLOCKING_UPDATE && l->v[i].et > x->now && touches(r, &l->v[i]);
	sub_list_put(l);
	return yes;
}

/* Is r a permitted Update that a blocking subscription of `at` wants to hear of? */
static bool must_ask(struct exec *x, struct req *r, const struct res *at, struct slice *target, struct slice *pc)
{
	struct sub_list *l;
	bool ask = false, acpi = false;

	for (size_t i = 0; i < r->work->n_attrs; i++)
		acpi |= slice_eq(slice_str(r->work->attrs[i].a->sn), S("acpi"));
	if (r->op != OP_UPDATE || r->work->content_rsc || !r->pc.p || !at->h.n_subs ||
	    !(acpi ? exec_permitted_self(x, r, at) : exec_permitted(x, r, at, ACOP_UPDATE, 0)) ||
	    sub_list_get(NULL, x, at->key.n, &l) != RC_OK)
		return false;
	for (size_t i = 0; !ask && i < l->n; i++)
		ask = l->v[i].events & 1u << NE_BLOCKING_UPDATE && l->v[i].et > x->now && touches(r, &l->v[i]) &&
		      compose(r, &l->v[i], target, pc);
	sub_list_put(l);
	return ask;
}

static void decided(struct outbound *o, const struct rsp *rsp);

static void ask(struct hold *h, struct req *r, struct slice target, struct slice pc)
{
	h->r = r;
	h->out = (struct outbound){
		.target = target,
		.pc = pc,
		.op = OP_NOTIFY,
		.timeout = time_left(r, clock_wall()),
		.done = decided,
		.owner = h,
	};
	outbound_send(h->core, &h->out);
}

/* Let those that queue behind h go on, up to the next that has to be asked about. */
static void advance(struct hold *h)
{
	struct core *c = h->core;
	struct holds *all = notifier_holds(c->notifier);
	struct slice target, pc;
	struct waiter *w;
	struct exec x;
	struct res at;

	while ((w = h->first)) {
		struct req *r = w->r;
		bool must = false;

		if (!(h->first = w->next))
			h->last = NULL;
		if (hub_snapshot_begin(c, &x)) {
			must = tree_get(x.tx, h->key, &at) == RC_OK && must_ask(&x, r, &at, &target, &pc);
			hub_snapshot_end(&x);
		}
		if (must) {
			ask(h, r, target, pc);
			return;
		}
		core_resume(c, r);
	}
	drop(all, h);
}

static void decided(struct outbound *o, const struct rsp *rsp)
{
	struct hold *h = o->owner;
	struct req *r = h->r;

	/* codes other than for 5103 and 4005 are not specified (CORE-201) */
	if (rsp->rsc == 5103 || rsp->rsc == 4008)
		req_refuse(r, 5107, "the target of the blocking subscription cannot be reached, or did not answer in time");
	else if (rsp->rsc < 2000 || rsp->rsc >= 3000)
		req_refuse(r, 4127, "the target of the blocking subscription did not permit the update (%d)", rsp->rsc);
	core_resume(h->core, r);
	advance(h);
}

static enum reeve_rc hold_back(struct exec *x, struct req *r, const struct res *at)
{
	struct core *c = x->core;
	struct holds *all = notifier_holds(c->notifier);
	struct hold *h = find(all, at->key.n);
	struct slice target, pc;
	struct waiter *w;

	if (h) {
		if (!(w = arena_zalloc(&r->arena, sizeof(*w))))
			return req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
		w->r = r;
		if (h->last)
			h->last->next = w;
		else
			h->first = w;
		h->last = w;
		return RC_AGAIN;
	}
	if (!must_ask(x, r, at, &target, &pc))
		return RC_OK;
	if (!(h = calloc(1, sizeof(*h))))
		return req_refuse(r, 5000, "out of memory");
	h->core = c;
	h->key = at->key;
	h->next = all->list;
	all->list = h;
	ask(h, r, target, pc);
	return RC_AGAIN;
}

/* --- verification --- */

struct verification {
	struct core *core;
	struct req *r;
	size_t pending;
	struct outbound out[];
};

static void verified(struct outbound *o, const struct rsp *rsp)
{
	struct verification *v = o->owner;

	if (rsp->rsc != 2000)
		req_refuse(v->r, 5204, "the target %.*s did not confirm the subscription (%d)", SF(o->target), rsp->rsc);
	if (--v->pending == 0)
		core_resume(v->core, v->r);
}

/* The subscription needs a name to be spoken of before it exists: one is chosen when the request has none. */
static enum reeve_rc name_it(struct req *r, struct slice *name)
{
	struct req_work *w = r->work;
	const struct model_attr *rn = model_attr(w->m, S("rn"));
	struct draft_attr *more;
	struct slice raw;

	*name = json_string(&r->arena, &w->json, json_member(&w->json, w->obj, S("rn")));
	if (name->p)
		return RC_OK;
	more = arena_array(&r->arena, w->n_attrs + 1, sizeof(*more));
	raw = arena_printf(&r->arena, "\"sub-%012llx\"", (unsigned long long)(rand_u64() & 0xffffffffffff));
	if (!rn || !more || !raw.p)
		return RC_NOMEM;
	memcpy(more, w->attrs, w->n_attrs * sizeof(*more));
	more[w->n_attrs] = (struct draft_attr){ .a = rn, .raw = raw };
	w->attrs = more;
	w->n_attrs++;
	*name = slice_of(raw.p + 1, raw.n - 2);
	return RC_OK;
}

static enum reeve_rc verification_content(struct exec *x, struct req *r, const struct res *parent, struct slice *pc)
{
	struct slice address, name;
	struct buf b;
	enum reeve_rc rc = notify_address(x, &r->arena, parent, &address);

	if (rc != RC_OK || (rc = name_it(r, &name)) != RC_OK)
		return rc;
	buf_init(&b, 1 << 20);
	buf_lit(&b, "{\"m2m:sgn\":{\"vrq\":true,\"sur\":");
	buf_add(&b, address.p, address.n - 1);
	buf_char(&b, '/');
	buf_slice(&b, name);
	buf_lit(&b, "\",\"cr\":");
	buf_json(&b, r->fr);
	buf_lit(&b, "}}");
	*pc = b.failed ? (struct slice){ NULL, 0 } : arena_dup(&r->arena, buf_view(&b));
	buf_free(&b);
	return pc->p ? RC_OK : RC_NOMEM;
}

/* Has somebody to confirm? A local <AE> has to grant its creator Notify as well, as the CSE that hosts the target would check. */
static enum reeve_rc to_confirm(struct exec *x, struct req *r, struct slice target, bool *wanted)
{
	enum serial serial = SERIAL_NONE;
	struct slice bare = target_strip(target, &serial), me = originator_of(x, r), who;
	struct target t;
	bool may;
	enum reeve_rc rc;

	*wanted = false;
	if (target_is_url(bare))
		return RC_OK;
	who = target_entity(x, &r->arena, bare);
	if (who.n && slice_eq(who, me))
		return RC_OK;
	*wanted = true;
	if (exec_lookup(x, bare, &t) != RC_OK || t.virt)
		return RC_OK; /* sending will tell */
	if ((rc = notify_may(x, r, &t.res, me, &may)) != RC_OK)
		return rc;
	return may ? RC_OK : req_refuse(r, 5204, "the Originator has no Notify privilege on the target %.*s", SF(target));
}

/* What the writer will refuse is refused before anybody is asked: the checks of a Create, on a draft that is thrown away. */
static enum reeve_rc check_first(struct exec *x, struct req *r, const struct res *parent)
{
	struct req_work *w = r->work;
	struct draft d = { .arena = &r->arena, .m = w->m, .n = w->n_attrs, .cap = w->n_attrs };
	enum reeve_rc rc = draft_check_given(x, r, true);

	if (rc != RC_OK)
		return rc;
	if (!(d.v = arena_array(&r->arena, w->n_attrs + 1, sizeof(*d.v))))
		return req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
	memcpy(d.v, w->attrs, w->n_attrs * sizeof(*d.v));
	rc = type_subscription.check(x, r, parent, NULL, &d);
	return rc == RC_OK || r->rsc ? rc : req_refuse(r, 5000, "internal error (%s)", rc_name(rc));
}

static enum reeve_rc verify(struct exec *x, struct req *r, const struct res *parent)
{
	struct req_work *w = r->work;
	struct verification *v;
	struct slice pc = { NULL, 0 };
	uint32_t nu;
	size_t n = 0;
	enum reeve_rc rc;

	if (w->content_rsc || !w->m || w->m->ty != TYPE_SUBSCRIPTION || !(nu = json_member(&w->json, w->obj, S("nu"))) ||
	    json_kind(&w->json, nu) != J_ARRAY || !res_model(parent) || !model_child_allowed(res_model(parent), 23) ||
	    !exec_permitted(x, r, parent, ACOP_CREATE, 23) ||
	    !exec_permitted(x, r, parent, ACOP_RETRIEVE, 0))
		return RC_OK;
	if ((rc = check_first(x, r, parent)) != RC_OK)
		return rc;
	v = arena_zalloc(&r->arena, sizeof(*v) + w->json.tok[nu].count * sizeof(v->out[0]));
	if (!v)
		return req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
	v->core = x->core;
	v->r = r;
	for (uint32_t i = nu + 1; i < w->json.tok[nu].next; i = w->json.tok[i].next) {
		struct slice target = json_string(&r->arena, &w->json, i);
		bool wanted;

		if ((rc = to_confirm(x, r, target, &wanted)) != RC_OK)
			return rc;
		if (!wanted)
			continue;
		if (!pc.p && (rc = verification_content(x, r, parent, &pc)) != RC_OK)
			return req_refuse(r, 5000, "the verification could not be written (%s)", rc_name(rc));
		v->out[n++] = (struct outbound){ .target = target, .pc = pc, .op = OP_NOTIFY, .timeout = time_left(r, x->now),
						 .done = verified, .owner = v };
	}
	if (!n)
		return RC_OK;
	v->pending = n + 1; /* held until all are on their way */
	for (size_t i = 0; i < n; i++)
		outbound_send(x->core, &v->out[i]);
	if (--v->pending == 0)
		core_resume(x->core, r);
	return RC_AGAIN;
}

/* --- a target that leaves --- */

struct question {
	struct core *core;
	struct req *r;
	struct outbound out;
};

static bool allows(struct req *r, struct slice pc)
{
	struct slice why;
	struct json j;
	uint32_t sgn, tra;
	bool yes = false;

	if (!pc.n || json_parse(&r->arena, pc, &json_default_limits, &j, &why) != RC_OK)
		return false;
	sgn = json_member(&j, 0, S("m2m:sgn"));
	tra = sgn ? json_member(&j, sgn, S("tra")) : 0;
	return tra && json_bool(&j, tra, &yes) && yes;
}

static void answered(struct outbound *o, const struct rsp *rsp)
{
	struct question *q = o->owner;

	if (rsp->rsc < 2000 || rsp->rsc >= 3000 || !allows(q->r, rsp->pc))
		req_refuse(q->r, 4103, "the creator of the subscription does not let this target leave");
	core_resume(q->core, q->r);
}

static enum reeve_rc leave(struct exec *x, struct req *r, const struct res *sub)
{
	struct slice creator, sur;
	struct question *q;
	struct buf b;
	bool wanted;
	enum reeve_rc rc = notify_leave_asks(x, r, sub, &wanted, &creator);

	if (rc != RC_OK || !wanted)
		return rc;
	if (!creator.n)
		return req_refuse(r, 4103, "the policy wants the creator of the subscription asked, and none is known");
	if (!(q = arena_zalloc(&r->arena, sizeof(*q))) || notify_address(x, &r->arena, sub, &sur) != RC_OK)
		return req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
	buf_init(&b, 1 << 20);
	buf_lit(&b, "{\"m2m:sgn\":{\"trr\":true,\"ntt\":");
	buf_json(&b, r->fr);
	buf_lit(&b, ",\"sur\":");
	buf_slice(&b, sur);
	buf_lit(&b, "}}");
	q->core = x->core;
	q->r = r;
	q->out = (struct outbound){ .target = creator, .pc = buf_view(&b), .op = OP_NOTIFY, .timeout = time_left(r, x->now),
				    .done = answered, .owner = q };
	outbound_send(x->core, &q->out);
	buf_free(&b);
	return RC_AGAIN;
}

enum reeve_rc notify_prelude(struct exec *x, struct req *r, const struct target *t)
{
	if (!r->work || r->work->internal)
		return RC_OK;
	if (r->op == OP_CREATE)
		return r->ty == TYPE_SUBSCRIPTION && !t->virt && x->core->cfg->verify_subscriptions ? verify(x, r, &t->res) : RC_OK;
	if (r->op == OP_DELETE && t->virt == VIRT_NTSR)
		return leave(x, r, &t->res);
	if ((r->op == OP_UPDATE || r->op == OP_DELETE) && !t->virt)
		return hold_back(x, r, &t->res);
	return RC_OK;
}
