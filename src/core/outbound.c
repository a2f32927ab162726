/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the CSE on their way: which address, which transport, which serialization.
 *
 * A URL goes to the transport of its scheme. A resource identifier is looked up when the loop is back at its top (no other
 * snapshot of the hub is open then): an <AE> with <pollingChannel> gets the request there, any other one at its points of access,
 * one after the other until one answers (CORE-203, CORE-204); what is for a <group> is gathered there (gather.h). */
#include "core/outbound.h"

#include <stdlib.h>

#include "core/draft.h"
#include "core/gather.h"
#include "core/notify_int.h"
#include "core/notifier_int.h"
#include "core/polling.h"

enum { TYPE_AE = 2, TYPE_CSEBASE = 5, TYPE_GROUP = 9, TYPE_CHANNEL = 15, POA_MOST = 8 };

struct call {
	struct send send;        /* first: comes back from the transport */
	struct loop_msg msg;
	struct call *next, *prev; /* of the notifier, which frees them at the end */
	struct core *core;
	struct outbound *o;
	struct polled polled;
	struct gathered gathered;
	struct slice target, fr, pc;
	enum serial serial;
	char *poa;               /* addresses, each with a NUL behind */
	char *at;                /* the next one to try */
	char *primitive;
	bool silent;             /* one was reached and did not answer in time */
	int rsc;                 /* for a deferred end */
	char rqi[40];
	char text[];
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
	free(k->poa);
	free(k->primitive);
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

static void finish(struct call *k, int rsc, struct slice pc)
{
	struct outbound *o = k->o;

	if (k->prev)
		k->prev->next = k->next;
	else
		*notifier_calls(k->core->notifier) = k->next;
	if (k->next)
		k->next->prev = k->prev;
	o->done(o, rsc, pc);
	call_free(k);
}

static void deferred(struct loop *l, struct loop_msg *m)
{
	struct call *k = (struct call *)((char *)m - offsetof(struct call, msg));
	(void)l;
	finish(k, k->rsc, (struct slice){ NULL, 0 });
}

static void finish_later(struct call *k, int rsc)
{
	k->rsc = rsc;
	k->msg.fn = deferred;
	loop_post(&k->core->loops[0], &k->msg);
}

/* --- addresses --- */

static bool try_next(struct call *k);

static void sent(struct send *s, int rsc, struct slice pc)
{
	struct call *k = (struct call *)s;

	if (rsc >= 1000) {
		finish(k, rsc, pc);
		return;
	}
	if (rsc == 1)
		k->silent = true;
	if (!try_next(k))
		finish(k, k->silent ? 4008 : 5103, (struct slice){ NULL, 0 });
}

static bool send_to(struct call *k, struct slice url)
{
	const struct config *cfg = k->core->cfg;
	enum serial serial = k->serial;
	struct slice bare = target_strip(url, &serial);
	const struct transport *t = core_transport(k->core, bare);

	if (!t || k->core->notifier->stopped) /* the transports end now */
		return false;
	if (serial != SERIAL_CBOR) /* XML is not written by this CSE */
		serial = SERIAL_JSON;
	k->send = (struct send){
		.url = bare,
		.fr = k->fr,
		.rqi = slice_str(k->rqi),
		.op = k->o->op,
		.ec = k->o->ec,
		.pc = k->pc,
		.serial = serial,
		.timeout = k->o->timeout ? k->o->timeout : cfg->notify.timeout,
		.done = sent,
		.owner = k,
	};
	t->send(t->ctx, &k->send);
	return true;
}

/* The next point of access that has a transport. False: there is none. */
static bool try_next(struct call *k)
{
	while (k->at && *k->at) {
		struct slice url = slice_str(k->at);

		k->at += url.n + 1;
		if (send_to(k, url))
			return true;
	}
	return false;
}

/* --- resource identifiers --- */

static void polled_done(struct polled *p, int rsc, struct slice pc)
{
	struct call *k = (struct call *)((char *)p - offsetof(struct call, polled));
	finish(k, rsc, pc);
}

static void enqueue(struct call *k, uint64_t channel)
{
	const struct config *cfg = k->core->cfg;
	struct buf b;
	enum reeve_rc rc;

	buf_init(&b, cfg->limits.response);
	buf_printf(&b, "\"op\":%d,\"to\":", (int)k->o->op);
	buf_json(&b, k->target);
	buf_lit(&b, ",\"fr\":");
	buf_json(&b, k->fr);
	buf_printf(&b, ",\"rqi\":\"%s\",\"rvi\":\"3\"", k->rqi);
	if (k->o->ec)
		buf_printf(&b, ",\"ec\":%d", k->o->ec);
	if (k->pc.n) {
		buf_lit(&b, ",\"pc\":");
		buf_slice(&b, k->pc);
	}
	if (b.failed) {
		buf_free(&b);
		finish(k, 5103, (struct slice){ NULL, 0 });
		return;
	}
	k->primitive = b.p;
	k->polled = (struct polled){ .rqi = slice_str(k->rqi), .primitive = buf_view(&b), .done = polled_done };
	rc = polling_enqueue(k->core, channel, &k->polled, clock_wall() + (k->o->timeout ? k->o->timeout : cfg->request_expiry));
	if (rc != RC_OK)
		finish(k, 5103, (struct slice){ NULL, 0 });
}

/* Points of access of an <AE>, copied behind each other. */
static void copy_poa(struct call *k, struct arena *a, const struct res *ae)
{
	struct slice raw = res_attr(a, ae, S("poa")), why;
	struct json j;
	char *q;
	int n = 0;

	if (!raw.p || json_parse(a, raw, &json_default_limits, &j, &why) != RC_OK || json_kind(&j, 0) != J_ARRAY)
		return;
	if (!(k->poa = q = calloc(1, raw.n + POA_MOST + 1)))
		return;
	for (uint32_t i = 1; i < j.tok[0].next && n < POA_MOST; i = j.tok[i].next) {
		struct slice url = json_string(a, &j, i);
		if (!url.n || memchr(url.p, 0, url.n))
			continue;
		memcpy(q, url.p, url.n);
		q += url.n + 1;
		n++;
	}
	k->at = k->poa;
}

/* One of the serializations the AE understands (csz); any when it names none. */
static enum serial serial_of(struct arena *a, const struct res *ae)
{
	struct slice raw = res_attr(a, ae, S("csz"));

	if (raw.p && !memmem(raw.p, raw.n, "json", 4) && memmem(raw.p, raw.n, "cbor", 4))
		return SERIAL_CBOR;
	return SERIAL_JSON;
}

static bool find_channel(struct exec *x, const struct res *ae, uint64_t *n)
{
	struct tree_iter it;
	struct res ch;
	bool found = false;

	if (tree_children_of_type(x->tx, ae->key.n, TYPE_CHANNEL, &it) != RC_OK)
		return false;
	while (!found && tree_next(&it, &ch) == RC_OK) {
		found = ch.h.et > x->now;
		*n = ch.key.n;
	}
	tree_end(&it);
	return found;
}

static void gathered_done(struct gathered *g, int rsc, struct slice pc)
{
	struct call *k = (struct call *)((char *)g - offsetof(struct call, gathered));
	finish(k, rsc, pc);
}

static void gather(struct call *k, const struct gather_rule *rule)
{
	k->gathered.done = gathered_done;
	if (!gather_add(k->core, rule, k->pc, &k->gathered))
		finish(k, 5103, (struct slice){ NULL, 0 });
}

static void resolve(struct loop *l, struct loop_msg *m)
{
	struct call *k = (struct call *)((char *)m - offsetof(struct call, msg));
	uint64_t channel = 0;
	bool polls = false, self = false, gathers = false;
	struct gather_rule rule;
	struct target t;
	struct arena a;
	struct exec x;

	(void)l;
	if (!hub_snapshot_begin(k->core, &x)) {
		finish(k, 5103, (struct slice){ NULL, 0 });
		return;
	}
	arena_init(&a, NULL, 0, 1 << 20);
	if (!k->core->notifier->stopped && exec_lookup(&x, k->target, &t) == RC_OK && !t.virt) {
		self = t.res.h.ty == TYPE_CSEBASE;
		gathers = t.res.h.ty == TYPE_GROUP;
		if (gathers)
			gather_rule_read(&x, &a, &t.res, &rule);
		if (t.res.h.ty == TYPE_AE && !(polls = find_channel(&x, &t.res, &channel))) {
			if (k->serial == SERIAL_NONE)
				k->serial = serial_of(&a, &t.res);
			copy_poa(k, &a, &t.res);
		}
	}
	arena_reset(&a);
	hub_snapshot_end(&x);
	if (self) /* what we would tell ourselves we know */
		finish(k, 2000, (struct slice){ NULL, 0 });
	else if (gathers)
		gather(k, &rule);
	else if (polls)
		enqueue(k, channel);
	else if (!try_next(k))
		finish(k, 5103, (struct slice){ NULL, 0 });
}

/* --- the entrance --- */

static struct slice place(char **at, struct slice s)
{
	struct slice out = slice_of(*at, s.n);

	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return out;
}

void outbound_send(struct core *c, struct outbound *o)
{
	struct slice fr = o->fr.n ? o->fr : c->cfg->cse_id;
	struct call *k = calloc(1, sizeof(*k) + o->target.n + fr.n + o->pc.n);
	struct call **all = notifier_calls(c->notifier);
	char *at;

	if (!k) {
		o->done(o, 5103, (struct slice){ NULL, 0 });
		return;
	}
	at = k->text;
	k->core = c;
	k->o = o;
	k->serial = o->serial;
	k->target = target_strip(place(&at, o->target), &k->serial);
	k->fr = place(&at, fr);
	k->pc = place(&at, o->pc);
	notifier_request_id(c->notifier, k->rqi, sizeof(k->rqi));
	k->next = *all;
	if (k->next)
		k->next->prev = k;
	*all = k;
	if (!target_is_url(k->target)) {
		k->msg.fn = resolve;
		loop_post(&c->loops[0], &k->msg);
	} else if (!send_to(k, k->target)) {
		finish_later(k, 5103);
	}
}
