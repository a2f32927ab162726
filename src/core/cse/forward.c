/* SPDX-License-Identifier: Apache-2.0 */
/* A forwarded request waits on the hub until the next hop has answered; then its answer is the request's.
 *
 * It goes on as a blocking request, whatever it was here: a non-blocking one has its <request> at the first CSE, which acknowledges it and
 * does the rest in the background, so no CSE further on has to reach the Originator (CORE-113).
 *
 * oneM2M has no hop count. A request that comes back to a CSE it passed through has the same Originator, identifier, operation and To as
 * one that is under way there, and is refused: that ends circles. */
#include "core/cse/forward.h"

#include <stdlib.h>

#include "base/hash.h"
#include "core/hub.h"
#include "core/notify/notify_int.h"
#include "core/cse/outbound.h"
#include "core/cse/way.h"
#include "core/work.h"

enum { BUCKETS = 1024 };

struct passing {
	struct outbound out;
	struct passing *next, **link; /* of its bucket */
	struct core *core;
	struct req *r;
	uint64_t hash;
};

struct forwards { struct passing *bucket[BUCKETS]; };

struct forwards *forwards_new(void) { return calloc(1, sizeof(struct forwards)); }
void forwards_free(struct forwards *f) { free(f); } /* what is under way lives in its request */

/* --- before --- */

enum reeve_rc forward_check(struct exec *x, struct req *r)
{
	const struct req_work *w = r->work;
	usec now = x->now;

	if (r->op == OP_CREATE && (r->ty == 2 || r->ty == 16))
		return req_refuse(r, 4000, "a registration is not forwarded: send it to the Registrar CSE itself");
	if (w->internal)
		return req_refuse(r, 5000, "internal error (transit)");
	if ((w->rqet && w->rqet <= now) || (w->rset && w->rset <= now) || (w->oet && w->oet <= now))
		return req_refuse(r, 4008, "rqet, rset or oet is over: the request is not forwarded");
	if (r->rt == RT_NO_RESPONSE)
		return req_refuse(r, 5001, "rt 5 (noResponse) is not supported");
	r->work->transit = true;
	return RC_OK;
}

static uint64_t hash_of(const struct req *r)
{
	uint64_t part[] = { hash_slice(r->work->who), hash_slice(r->rqi), hash_slice(r->to), (uint64_t)r->op };
	return hash_mem(part, sizeof(part));
}

static bool same(const struct req *a, const struct req *b)
{
	return a->op == b->op && slice_eq(a->work->who, b->work->who) && slice_eq(a->rqi, b->rqi) && slice_eq(a->to, b->to);
}

/* False: the same request is under way already. */
static bool enter(struct forwards *all, struct passing *p)
{
	struct passing **at = &all->bucket[p->hash % BUCKETS];

	for (struct passing *q = *at; q; q = q->next)
		if (q->hash == p->hash && same(q->r, p->r))
			return false;
	p->next = *at;
	p->link = at;
	if (p->next)
		p->next->link = &p->next;
	*at = p;
	return true;
}

static void leave(struct passing *p)
{
	*p->link = p->next;
	if (p->next)
		p->next->link = p->link;
}

/* The CSE that an Originator is, or that its AE-ID names. */
static struct slice cse_of(const struct req_work *w)
{
	struct slice id = w->who;

	while (w->who_kind == ID_AE_C && id.n && id.p[id.n - 1] != '/')
		id.n--;
	id.n -= w->who_kind == ID_AE_C && id.n;
	return id;
}

/* Requests from above are not sent up again (CORE-133). Where no association tells who sent it, its Originator has to. */
static bool from_above(struct exec *x, const struct req *r)
{
	const struct req_work *w = r->work;

	if (r->peer.association)
		return way_is_registrar(x->core, r->peer.cse_id);
	if (w->who_form == ID_STEM || w->who_kind == ID_AE_S)
		return false;
	return !way_below(x, cse_of(w));
}

/* --- after --- */

static struct slice keep(struct req *r, struct slice s) { return s.p ? arena_dup(&r->arena, s) : s; }

/* The address of what was created, as seen from here. */
static struct slice location_of(struct core *c, struct req *r, struct slice at)
{
	struct slice local, cse;

	if (!at.n || at.p[0] == '/' || ident_route(&r->arena, &c->home, r->to, &local, &cse) != WHERE_TRANSIT)
		return keep(r, at);
	if (!way_foreign(c, cse))
		cse = slice_skip(cse, c->home.sp_id.n);
	return arena_printf(&r->arena, "%.*s/%.*s", SF(cse), SF(at));
}

static void take_over(struct core *c, struct req *r, const struct rsp *rsp)
{
	struct rsp *own = arena_alloc(&r->arena, sizeof(*own));

	r->rsc = rsp->rsc;
	if (rsp->pc.n)
		buf_slice(&r->out, rsp->pc);
	if (own) {
		*own = *rsp;
		own->pc = (struct slice){ NULL, 0 };
		struct slice *texts[] = { &own->fr, &own->ot, &own->rset, &own->rvi, &own->vsi, &own->ati, &own->tqf };
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			*texts[i] = keep(r, *texts[i]);
		own->location = r->location = location_of(c, r, rsp->location);
		r->rset = own->rset;
		r->cnst = rsp->cnst;
		r->cnot = rsp->cnot;
		r->ati = own->ati;
		r->tqf = own->tqf;
		r->asri = own->asri;
		r->passed = own;
	}
	if (!own || r->arena.failed || r->out.failed) {
		r->passed = NULL;
		r->rsc = 0;
		req_refuse(r, 5000, "the answer of the other CSE is larger than limits.response or limits.request_memory");
	}
}

static void returned(struct outbound *o, const struct rsp *rsp)
{
	struct passing *p = o->owner;
	struct core *c = p->core;
	struct req *r = p->r;

	leave(p);
	if (!rsp->ours)
		take_over(c, r, rsp);
	else if (rsp->rsc == 4004)
		req_refuse(r, 4004, "no way leads to the CSE of \"%.*s\"", SF(r->to));
	else if (rsp->rsc == 4008)
		req_refuse(r, 4008, "the CSE of \"%.*s\", or one on the way there, did not answer in time", SF(r->to));
	else
		req_refuse(r, rsp->rsc, "the next CSE on the way to \"%.*s\" cannot be reached", SF(r->to));
	core_resume(c, r);
}

/* --- on its way --- */

static usec time_left(const struct core *c, const struct req *r)
{
	const struct req_work *w = r->work;
	usec now = clock_wall(), until = (w->oet > now ? w->oet : now) + c->cfg->request_expiry;

	if (w->rqet)
		until = w->rqet;
	else if (w->rset)
		until = w->rset;
	return until > now ? until - now : 1;
}

static enum reeve_rc prepare(struct core *c, struct req *r, struct passing *p)
{
	const struct req_work *w = r->work;
	struct slice why = S("malformed");
	struct exec x;
	struct json j;

	if (r->pc.n && json_parse(&r->arena, r->pc, &c->cfg->limits.json, &j, &why) != RC_OK)
		return req_refuse(r, 4000, "content: %.*s", SF(why));
	if (!hub_snapshot_begin(c, &x))
		return req_refuse(r, 5000, "the store could not be read");
	*p = (struct passing){ .core = c, .r = r, .hash = hash_of(r) };
	p->out = (struct outbound){ .target = r->to, .fr = r->fr, .rqi = r->rqi, .pc = r->pc, .op = r->op, .timeout = time_left(c, r),
				    .with = r, .blocking = true, .from_registrar = from_above(&x, r), .done = returned, .owner = p };
	hub_snapshot_end(&x);
	if (w->who_form == ID_STEM) /* two AEs may use the same identifier (CORE-015) */
		p->out.rqi = arena_printf(&r->arena, "%.*s/%.*s", SF(r->fr), SF(r->rqi));
	return r->arena.failed ? req_refuse(r, 5000, "the request needs more memory than limits.request_memory") : RC_OK;
}

void forward(struct core *c, struct req *r)
{
	struct passing *p = arena_zalloc(&r->arena, sizeof(*p));

	if (!p)
		req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
	else if (prepare(c, r, p) == RC_OK && !enter(c->forwards, p))
		req_refuse(r, 4000, "this request is under way to \"%.*s\" already: it went in a circle, or was sent twice", SF(r->to));
	if (r->rsc) {
		core_resume(c, r);
		return;
	}
	metrics_inc(&c->metrics, requests_forwarded);
	if (r->work->request.n)
		nonblocking_forwarded(c, r);
	outbound_send(c, &p->out);
}
