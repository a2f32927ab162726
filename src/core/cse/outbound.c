/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the CSE on their way: which address, which transport, which serialization.
 *
 * A URL goes to the transport of its scheme. A oneM2M identifier is looked up when the loop is back at its top (no other snapshot of
 * the hub is open then): what is here is an <AE> with <pollingChannel>, which gets the request there, or with points of access,
 * tried one after the other until one answers (CORE-203, CORE-204), or a <group>, where Notify is gathered (gather.h), or any resource,
 * where the CSE's own request is carried out; what is at another CSE goes to the next hop on the way there (way.h). */
#include "core/cse/outbound.h"

#include <stdlib.h>

#include "core/draft.h"
#include "core/notify/gather.h"
#include "core/notify/notify_int.h"
#include "core/notify/notifier_int.h"
#include "core/own.h"
#include "core/notify/polling.h"
#include "core/primitive.h"
#include "core/cse/way.h"

struct call {
	struct send send;        /* first: comes back from the transport */
	struct loop_msg msg;
	struct call *next, *prev; /* of the notifier, which frees them at the end */
	struct core *core;
	struct outbound *o;
	struct polled polled;
	struct gathered gathered;
	struct slice target, to, fr, rqi, pc;
	enum serial serial;
	struct way way;
	size_t at;               /* the next point of access to try */
	bool addressed;          /* To is told: the point of access is that of a CSE, or the caller gave To */
	bool over;               /* it was tried over a connection of the receiver */
	bool silent;             /* one was reached and did not answer in time */
	int rsc;                 /* for a deferred end */
	struct arena arena;
	_Alignas(16) char first[1024];
};

struct slice target_strip(struct slice t, enum serial *serial)
{
	static const struct { const char *tail; enum serial serial; } known[] = {
		{ "ct=json", SERIAL_JSON }, { "ct=cbor", SERIAL_CBOR }, { "ct=xml", SERIAL_XML },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t n = strlen(known[i].tail);
		if (t.n > n + 1 && slice_ends(t, slice_str(known[i].tail)) && (t.p[t.n - n - 1] == '?' || t.p[t.n - n - 1] == '&')) {
			*serial = known[i].serial;
			return slice_of(t.p, t.n - n - 1);
		}
	}
	return t;
}

/* --- ends --- */

static void call_free(struct call *k)
{
	arena_reset(&k->arena);
	free(k);
}

void outbound_abandon(struct call *all)
{
	while (all) {
		struct call *k = all;
		all = k->next;
		call_free(k);
	}
}

static void finish(struct call *k, const struct rsp *rsp)
{
	struct outbound *o = k->o;

	if (k->prev)
		k->prev->next = k->next;
	else
		*notifier_calls(k->core->notifier) = k->next;
	if (k->next)
		k->next->prev = k->prev;
	o->done(o, rsp);
	call_free(k);
}

static void fail(struct call *k, int rsc) { finish(k, &(struct rsp){ .rsc = rsc, .ours = true }); }

static void deferred(struct loop *l, struct loop_msg *m)
{
	struct call *k = (struct call *)((char *)m - offsetof(struct call, msg));
	(void)l;
	fail(k, k->rsc);
}

static void fail_later(struct call *k, int rsc)
{
	k->rsc = rsc;
	k->msg.fn = deferred;
	loop_post(&k->core->loops[0], &k->msg);
}

/* --- addresses --- */

static bool try_next(struct call *k);

static void sent(struct send *s, const struct rsp *rsp)
{
	struct call *k = (struct call *)s;

	if (rsp->rsc >= 1000) {
		finish(k, rsp);
		return;
	}
	if (rsp->rsc == 1)
		k->silent = true;
	if (!try_next(k))
		fail(k, k->silent ? 4008 : 5103);
}

static usec span(const struct call *k, usec usual) { return k->o->timeout ? k->o->timeout : usual; }

/* The primitive, as it goes to a point of access or into a polling channel. */
static void compose(struct call *k)
{
	const struct outbound *o = k->o;

	k->send = (struct send){
		.entity = k->way.entity,
		.to = k->addressed ? k->to : (struct slice){ NULL, 0 },
		.fr = k->fr,
		.rqi = k->rqi,
		.op = o->op,
		.ty = o->ty || !o->with || !(o->with->has & HAS_TY) ? o->ty : o->with->ty,
		.ec = o->ec || !o->with || !(o->with->has & HAS_EC) ? o->ec : o->with->ec,
		.pc = k->pc,
		.with = o->with,
		.blocking = o->blocking,
		.done = sent,
		.owner = k,
	};
	if (k->way.release1)
		return;
	k->send.rvi = o->with ? o->with->rvi : S("3");
	if (o->with)
		k->send.vsi = o->with->vsi;
}

static bool send_to(struct call *k, struct slice url)
{
	enum serial serial = k->serial;
	struct slice bare = target_strip(url, &serial);
	const struct transport *t = core_transport(k->core, bare);

	if (!t || k->core->notifier->stopped) /* the transports end now */
		return false;
	compose(k);
	k->send.url = bare;
	k->send.serial = serial == SERIAL_CBOR ? SERIAL_CBOR : SERIAL_JSON; /* XML is not written by this CSE */
	k->send.timeout = span(k, k->core->cfg->notify.timeout);
	t->send(t->ctx, &k->send);
	return true;
}

/* Over a connection that the receiver has opened. False: there is none, or it was tried. */
static bool send_over_connection(struct call *k)
{
	for (unsigned i = 0; i < k->core->n_transports && !k->over && k->way.registree && !k->core->notifier->stopped; i++) {
		const struct transport *t = &k->core->transports[i];

		if (!t->connected || !t->connected(t->ctx, k->way.registree))
			continue;
		k->over = true;
		compose(k);
		k->send.registree = k->way.registree;
		k->send.to = k->to;
		k->send.timeout = span(k, k->core->cfg->notify.timeout);
		t->send(t->ctx, &k->send);
		return true;
	}
	return false;
}

/* The next point of access that has a transport; false: there is none. One whose scheme knows connections from the other side is
 * that of a server the receiver may have; he is a client here, so a connection of his is taken first (TS-0020 5.2). It is also the way to
 * who has told no point of access. */
static bool try_next(struct call *k)
{
	if (!k->way.n_poa)
		return send_over_connection(k);
	while (k->at < k->way.n_poa) {
		struct slice poa = k->way.poa[k->at++];
		const struct transport *t = core_transport(k->core, poa);

		if ((t && t->connected && send_over_connection(k)) || send_to(k, poa))
			return true;
	}
	return false;
}

/* --- polling channels --- */

static void polled_done(struct polled *p, const struct rsp *rsp)
{
	finish((struct call *)((char *)p - offsetof(struct call, polled)), rsp);
}

/* A notification of a subscription that wants the latest only takes the place of an earlier one to the same target (TS-0004 7.5.1.2.2). */
static struct slice replaces(struct call *k)
{
	struct slice why, sur;
	struct json j;

	if (k->send.op != OP_NOTIFY || k->send.ec != EC_LATEST || !k->pc.n ||
	    json_parse(&k->arena, k->pc, &json_default_limits, &j, &why) != RC_OK)
		return (struct slice){ NULL, 0 };
	sur = json_string(&k->arena, &j, json_member(&j, json_member(&j, 0, S("m2m:sgn")), S("sur")));
	return sur.n ? arena_printf(&k->arena, "%.*s %.*s", SF(k->to), SF(sur)) : (struct slice){ NULL, 0 };
}

static void enqueue(struct call *k)
{
	const struct config *cfg = k->core->cfg;
	struct slice text = { NULL, 0 };
	struct buf b;

	compose(k);
	k->send.to = k->to;
	buf_init(&b, cfg->limits.response);
	primitive_write(&b, &k->send);
	if (!b.failed)
		text = arena_dup(&k->arena, buf_view(&b));
	buf_free(&b);
	k->polled = (struct polled){ .rqi = k->rqi, .primitive = text, .replaces = replaces(k), .done = polled_done };
	if (!text.p || polling_enqueue(k->core, k->way.channel, &k->polled, clock_wall() + span(k, cfg->request_expiry)) != RC_OK)
		fail(k, 5103);
}

/* --- what is here --- */

static void gathered_done(struct gathered *g, const struct rsp *rsp)
{
	finish((struct call *)((char *)g - offsetof(struct call, gathered)), rsp);
}

static void gather(struct call *k, const struct gather_rule *rule)
{
	k->gathered.done = gathered_done;
	if (!gather_add(k->core, rule, k->pc, &k->gathered))
		fail(k, 5103);
}

static void carried_out(struct req *n)
{
	struct call *k = n->owner;
	struct core *c = k->core;
	struct rsp rsp = { .rsc = n->rsc, .pc = buf_view(&n->out), .cnst = n->cnst, .cnot = n->cnot, .location = n->location };

	finish(k, &rsp);
	own_drop(c, n);
}

/* A request of the CSE itself to a resource of its own. */
static void carry_out(struct call *k)
{
	const struct outbound *o = k->o;
	struct req *n = o->with ? own_copy(k->core, o->with) : own_request(k->core);

	if (!n || !slice_eq(k->fr, k->core->cfg->cse_id)) { /* others do not send from here to here */
		if (n)
			own_drop(k->core, n);
		fail(k, n ? 5001 : 5000);
		return;
	}
	n->op = o->op;
	n->to = k->to;
	n->fr = k->fr;
	n->rqi = k->rqi;
	n->rvi = S("3");
	n->pc = k->pc;
	n->pc_serial = SERIAL_JSON;
	if (o->ty) {
		n->ty = o->ty;
		n->has |= HAS_TY;
	}
	n->received = clock_wall();
	n->done = carried_out;
	n->owner = k;
	core_submit_internal(k->core, n);
}

/* --- oneM2M identifiers --- */

enum found { NOBODY, SELF, GROUP, CHANNEL, POA, OWN };

/* From, as the next CSE is to see it (TS-0004 7.3.2.6). */
static struct slice from_for(struct call *k, bool foreign)
{
	const struct ident_home *home = &k->core->home;
	struct slice fr = k->fr;

	if (ident_stem(fr))
		fr = arena_printf(&k->arena, "%.*s/%.*s", SF(fr.p[0] == 'C' ? home->cse_id : S("")), SF(fr));
	if (foreign && k->core->cfg->type == CSE_IN && !slice_starts(fr, S("//")))
		fr = arena_printf(&k->arena, "%.*s%.*s", SF(home->sp_id), SF(fr));
	return fr;
}

static enum found look_here(struct call *k, struct exec *x, const struct res *r, struct gather_rule *rule)
{
	if (r->h.ty == TYPE_AE && k->o->op == OP_NOTIFY) {
		way_of(x, &k->arena, r, &k->way);
		return k->way.channel ? CHANNEL : POA;
	}
	if (k->o->op != OP_NOTIFY)
		return OWN;
	if (r->h.ty == TYPE_GROUP)
		gather_rule_read(x, &k->arena, r, rule);
	return r->h.ty == TYPE_CSEBASE ? (k->o->to_self ? OWN : SELF) : r->h.ty == TYPE_GROUP ? GROUP : NOBODY;
}

static enum found look_elsewhere(struct call *k, struct exec *x, struct slice cse)
{
	if (way_to(x, &k->arena, cse, k->o->from_registrar, &k->way) != RC_OK) {
		k->rsc = 4004;
		return NOBODY;
	}
	k->addressed = true;
	k->fr = from_for(k, way_foreign(k->core, cse));
	return k->way.channel ? CHANNEL : POA;
}

/* The AE is registered elsewhere: its <AEAnnc> tells where (TS-0001 10.2.13.12). False: nowhere. */
static bool original_of(struct call *k, struct exec *x, const struct res *annc, struct slice *cse)
{
	struct slice lnk = res_member(annc, S("lnk")), local;

	if (lnk.n < 3)
		return false;
	lnk = arena_dup(&k->arena, slice_of(lnk.p + 1, lnk.n - 2));
	if (ident_route(&k->arena, &x->core->home, lnk, &local, cse) != WHERE_TRANSIT)
		return false;
	if (!k->addressed)
		k->to = lnk;
	return true;
}

static enum found look(struct call *k, struct exec *x, struct gather_rule *rule)
{
	struct slice local, cse, stem;
	struct target t;

	k->rsc = 5103;
	switch (ident_route(&k->arena, &x->core->home, k->target, &local, &cse)) {
	case WHERE_HERE:
		if (exec_lookup(x, k->target, &t) != RC_OK)
			return NOBODY;
		return t.virt && k->o->op == OP_NOTIFY ? NOBODY : look_here(k, x, &t.res, rule);
	case WHERE_TRANSIT:
		stem = slice_skip(k->target, 1); /* an S-type AE-ID has the form of a CSE-ID */
		if (ident_stem(stem) && tree_stem(x->tx, stem, &t.res) == RC_OK && t.res.h.et > x->now) {
			if (t.res.h.ty != TYPE_AE_ANNC)
				return look_here(k, x, &t.res, rule);
			if (!original_of(k, x, &t.res, &cse))
				return NOBODY;
		}
		return look_elsewhere(k, x, cse);
	default:
		return NOBODY;
	}
}

static void resolve(struct loop *l, struct loop_msg *m)
{
	struct call *k = (struct call *)((char *)m - offsetof(struct call, msg));
	enum found found = NOBODY;
	struct gather_rule rule;
	struct exec x;

	(void)l;
	if (k->core->notifier->stopped || !hub_snapshot_begin(k->core, &x)) {
		fail(k, 5103);
		return;
	}
	found = look(k, &x, &rule);
	hub_snapshot_end(&x);
	if (k->serial == SERIAL_NONE)
		k->serial = k->way.serial;
	switch (k->arena.failed ? NOBODY : found) {
	case SELF: /* what we would tell ourselves we know */
		fail(k, 2000);
		break;
	case GROUP:
		gather(k, &rule);
		break;
	case CHANNEL:
		enqueue(k);
		break;
	case OWN:
		carry_out(k);
		break;
	case POA:
		if (!try_next(k))
			fail(k, 5103);
		break;
	case NOBODY:
		fail(k, k->rsc);
	}
}

/* --- the entrance --- */

void outbound_send(struct core *c, struct outbound *o)
{
	struct call **all = notifier_calls(c->notifier);
	struct call *k = calloc(1, sizeof(*k));
	struct slice local;
	char rqi[40];

	if (!k) {
		o->done(o, &(struct rsp){ .rsc = 5103, .ours = true });
		return;
	}
	arena_init(&k->arena, k->first, sizeof(k->first), SIZE_MAX / 4);
	notifier_request_id(c->notifier, rqi, sizeof(rqi));
	k->core = c;
	k->o = o;
	k->serial = o->serial;
	k->target = target_strip(arena_dup(&k->arena, o->target), &k->serial);
	k->addressed = o->to.n > 0;
	k->to = k->addressed ? arena_dup(&k->arena, o->to) : k->target;
	k->fr = arena_dup(&k->arena, o->fr.n ? o->fr : c->cfg->cse_id);
	k->rqi = arena_dup(&k->arena, o->rqi.n ? o->rqi : slice_str(rqi));
	if (o->pc.n)
		k->pc = arena_dup(&k->arena, o->pc);
	k->next = *all;
	if (k->next)
		k->next->prev = k;
	*all = k;
	if (k->arena.failed) {
		fail_later(k, 5103);
	} else if (!target_is_url(k->target)) {
		k->msg.fn = resolve;
		loop_post(&c->loops[0], &k->msg);
	} else {
		(void)ident_route(&k->arena, &c->home, o->to, &local, &k->way.entity); /* a URL alone does not tell whose it is */
		if (k->arena.failed || !send_to(k, k->target))
			fail_later(k, 5103);
	}
}
