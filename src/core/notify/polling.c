/* SPDX-License-Identifier: Apache-2.0 */
/* Channels, what waits in them, and who waits for it.
 *
 * A channel exists in memory while something is in it. It holds three lists, each in order of arrival: requests nobody
 * fetched yet, requests that were fetched and have no answer yet, and long polls without a request. The first and the last
 * are never both filled. */
#include "core/notify/polling.h"

#include <stdlib.h>

#include "base/hash.h"
#include "core/hub.h"
#include "core/notify/notify_int.h"
#include "core/primitive.h"
#include "core/work.h"

enum { BUCKETS = 1024 };

struct poll {
	struct alarm alarm;
	struct poll *next, *prev;
	struct channel *channel;
	struct req *r;
};

struct polled_list { struct polled *first, *last; size_t n; };

struct channel {
	struct channel *next;      /* in its bucket */
	struct polling *of;
	struct core *core;
	uint64_t n;                /* ordinal of <pollingChannel> */
	struct polled_list waiting, handed;
	struct poll *first, *last; /* long polls */
	size_t n_polls;
};

struct polling {
	struct channel *bucket[BUCKETS];
};

struct polling *polling_new(void) { return calloc(1, sizeof(struct polling)); }

void polling_free(struct polling *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (p->bucket[i]) {
			struct channel *ch = p->bucket[i];

			p->bucket[i] = ch->next;
			free(ch); /* requests and polls belong to others */
		}
	free(p);
}

static struct channel **place(struct polling *p, uint64_t n)
{
	struct channel **at = &p->bucket[hash_mem(&n, sizeof(n)) % BUCKETS];

	while (*at && (*at)->n != n)
		at = &(*at)->next;
	return at;
}

static struct channel *channel_of(struct core *c, uint64_t n)
{
	struct polling *p = notifier_polling(c->notifier);
	struct channel **at = place(p, n);

	if (!*at && (*at = calloc(1, sizeof(**at)))) {
		(*at)->of = p;
		(*at)->core = c;
		(*at)->n = n;
	}
	return *at;
}

static void release_if_empty(struct channel *ch)
{
	struct channel **at;

	if (ch->waiting.n || ch->handed.n || ch->n_polls)
		return;
	at = place(ch->of, ch->n);
	*at = ch->next;
	free(ch);
}

static void push(struct polled_list *l, struct polled *p)
{
	p->next = NULL;
	p->prev = l->last;
	if (l->last)
		l->last->next = p;
	else
		l->first = p;
	l->last = p;
	l->n++;
}

static void take(struct polled_list *l, struct polled *p)
{
	if (p->prev)
		p->prev->next = p->next;
	else
		l->first = p->next;
	if (p->next)
		p->next->prev = p->prev;
	else
		l->last = p->prev;
	p->next = p->prev = NULL;
	l->n--;
}

/* The exchange of p is over. */
static void conclude(struct polled *p, const struct rsp *rsp)
{
	struct channel *ch = p->channel;

	take(p->handed ? &ch->handed : &ch->waiting, p);
	alarm_clear(notifier_alarms(ch->core->notifier), &p->alarm);
	p->channel = NULL;
	release_if_empty(ch);
	p->done(p, rsp);
}

static void too_late(struct alarm *a, usec now)
{
	struct polled *p = (struct polled *)((char *)a - offsetof(struct polled, alarm));
	(void)now;
	conclude(p, &(struct rsp){ .rsc = 4008, .ours = true });
}

/* p becomes the answer of the long poll r. */
static void hand_over(struct channel *ch, struct polled *p, struct req *r)
{
	p->handed = true;
	push(&ch->handed, p);
	buf_lit(&r->out, "{\"m2m:rqp\":{");
	buf_slice(&r->out, p->primitive);
	buf_lit(&r->out, "}}");
	r->rsc = 2000;
	if (r->out.failed)
		req_refuse(r, 5000, "the waiting request is larger than limits.response");
}

static struct req *unpark(struct poll *w)
{
	struct channel *ch = w->channel;

	if (w->prev)
		w->prev->next = w->next;
	else
		ch->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		ch->last = w->prev;
	ch->n_polls--;
	alarm_clear(notifier_alarms(ch->core->notifier), &w->alarm);
	hub_waited(w->r);
	return w->r;
}

static void poller_gone(struct core *c, struct req *r, void *owner)
{
	struct poll *w = owner;
	struct channel *ch = w->channel;

	unpark(w);
	release_if_empty(ch);
	hub_refuse_gone(r);
	core_resume(c, r);
}

/* What p makes out of date (CORE-202). */
static struct polled *older(const struct channel *ch, const struct polled *p)
{
	struct polled *q = p->replaces.n ? ch->waiting.first : NULL;

	while (q && !slice_eq(q->replaces, p->replaces))
		q = q->next;
	return q;
}

enum reeve_rc polling_enqueue(struct core *c, uint64_t n, struct polled *p, usec deadline)
{
	struct channel *ch = channel_of(c, n);
	struct polled *old;
	struct req *r;

	if (!ch)
		return RC_NOMEM;
	old = older(ch, p);
	if (!old && ch->waiting.n + ch->handed.n >= c->cfg->limits.polled) {
		metrics_inc(&c->metrics, limit_polled);
		return RC_LIMIT;
	}
	p->channel = ch;
	p->handed = false;
	p->alarm.fn = too_late;
	alarm_set(notifier_alarms(c->notifier), &p->alarm, deadline);
	push(&ch->waiting, p);
	if (old)
		conclude(old, &(struct rsp){ .rsc = 2000 });
	/* p is in the list already, so that ch stays while polls that nobody waits for any more go */
	while (ch->first && atomic_load(&ch->first->r->gone))
		poller_gone(c, ch->first->r, ch->first);
	if (!ch->first)
		return RC_OK;
	take(&ch->waiting, p);
	r = unpark(ch->first);
	hand_over(ch, p, r);
	core_resume(c, r);
	return RC_OK;
}

/* --- the AE's side --- */

static void nothing_came(struct alarm *a, usec now)
{
	struct poll *w = (struct poll *)((char *)a - offsetof(struct poll, alarm));
	struct channel *ch = w->channel;
	struct core *c = ch->core;
	struct req *r = unpark(w);

	(void)now;
	release_if_empty(ch);
	req_refuse(r, 4008, "no request came before the long poll expired");
	core_resume(c, r);
}

/* How many may wait is bounded where requests enter the hub (limits.parked). */
static void park(struct core *c, struct channel *ch, struct req *r)
{
	struct poll *w = arena_zalloc(&r->arena, sizeof(*w));
	usec deadline = r->work->rqet ? r->work->rqet : clock_wall() + c->cfg->request_expiry;

	if (!w) {
		release_if_empty(ch);
		req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
		core_resume(c, r);
		return;
	}
	if (!hub_wait(c, r, poller_gone, w)) {
		release_if_empty(ch);
		hub_refuse_gone(r);
		core_resume(c, r);
		return;
	}
	*w = (struct poll){ .alarm = { .fn = nothing_came }, .channel = ch, .r = r, .prev = ch->last };
	if (ch->last)
		ch->last->next = w;
	else
		ch->first = w;
	ch->last = w;
	ch->n_polls++;
	alarm_set(notifier_alarms(c->notifier), &w->alarm, deadline);
}

/* Only the creator of the channel may use pcu (CORE-208, AUTHZ-123). False: the answer stands in r. */
static bool admitted(struct core *c, struct req *r, struct res_key key, unsigned bit)
{
	struct res pch;
	struct exec x;

	if (!hub_snapshot_begin(c, &x)) {
		req_refuse(r, 5000, "the store could not be read");
		return false;
	}
	if (tree_get(x.tx, key, &pch) != RC_OK)
		req_refuse(r, 4004, "the polling channel is gone");
	else if (!r->work->who.n || !slice_eq(r->work->who, pch.creator))
		exec_denied(&x, r, &pch, bit, 0);
	hub_snapshot_end(&x);
	return r->rsc == 0;
}

void polling_retrieve(struct core *c, struct req *r, const struct target *t)
{
	struct channel *ch;
	struct polled *p;

	if (!admitted(c, r, t->res.key, ACOP_RETRIEVE)) {
		core_resume(c, r);
		return;
	}
	if (!(ch = channel_of(c, t->res.key.n))) {
		req_refuse(r, 5000, "out of memory");
		core_resume(c, r);
		return;
	}
	if (!(p = ch->waiting.first) || atomic_load(&r->gone)) { /* nothing is handed to who has gone */
		park(c, ch, r);
		return;
	}
	take(&ch->waiting, p);
	hand_over(ch, p, r);
	core_resume(c, r);
}

/* The exchange that the m2m:rsp in r answers; its parts in *rsc and *pc. NULL: recorded in r. */
static struct polled *answered(struct core *c, struct req *r, uint64_t n, struct rsp *rsp)
{
	struct channel *ch = *place(notifier_polling(c->notifier), n);
	struct slice why, rqi;
	struct json j;
	uint32_t at;

	if (!r->pc.p || json_parse(&r->arena, r->pc, &c->cfg->limits.json, &j, &why) != RC_OK ||
	    !(at = json_member(&j, 0, S("m2m:rsp"))) || json_kind(&j, at) != J_OBJECT) {
		req_refuse(r, 4000, "a Notify to pcu carries a response primitive, m2m:rsp");
		return NULL;
	}
	if (!primitive_read(&r->arena, &j, at, rsp, &rqi)) {
		req_refuse(r, 4000, "m2m:rsp: rsc and rqi are needed");
		return NULL;
	}
	for (struct polled *p = ch ? ch->handed.first : NULL; p; p = p->next)
		if (slice_eq(p->rqi, rqi))
			return p;
	req_refuse(r, 4004, "m2m:rsp: no request \"%.*s\" waits for an answer", SF(rqi));
	return NULL;
}

void polling_notify(struct core *c, struct req *r, const struct target *t)
{
	struct polled *p;
	struct rsp rsp;

	if (admitted(c, r, t->res.key, ACOP_NOTIFY) && (p = answered(c, r, t->res.key.n, &rsp))) {
		conclude(p, &rsp);
		r->rsc = 2000;
	}
	core_resume(c, r);
}
