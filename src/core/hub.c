/* SPDX-License-Identifier: Apache-2.0 */
/* Moving requests to the hub, and their timers there. What they wait for is the business of who parked them; their number is bounded
 * here (limits.parked, and for each Originator parked_per_originator), and so is their time when the requester goes.
 *
 * A requester goes on the loop of his connection, and what happens to his request meanwhile is not known there. So the request has a
 * ticket, a number that is never used again: that is what the message to the hub names, and where nobody waits with it
 * any more, nothing happens. */
#include "core/hub.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/alarm.h"
#include "core/share.h"
#include "core/work.h"

enum { WAIT_BUCKETS = 1024 };

struct hub {
	struct alarms alarms;
	atomic_uint parked;
	struct shares *shares;
	_Atomic uint64_t tickets;
	struct hub_waiting *waiting[WAIT_BUCKETS]; /* by ticket */
};

enum reeve_rc hub_new(struct core *c, struct hub **out)
{
	struct hub *h = calloc(1, sizeof(*h));
	enum reeve_rc rc;

	if (!h)
		return RC_NOMEM;
	h->shares = shares_new();
	rc = h->shares ? alarms_init(&h->alarms, &c->loops[0].uv) : RC_NOMEM;
	if (rc != RC_OK) {
		hub_free(h);
		return rc;
	}
	*out = h;
	return RC_OK;
}

void hub_free(struct hub *h)
{
	if (!h)
		return;
	shares_free(h->shares);
	free(h);
}

/* --- how many --- */

unsigned hub_parked(const struct hub *h) { return atomic_load_explicit(&((struct hub *)(uintptr_t)h)->parked, memory_order_relaxed); }

/* The CSE's own requests, and who is not known yet (registering), are not told apart. */
static bool take_share(struct core *c, struct req *r)
{
	struct req_work *w = r->work;

	if (w->internal)
		return true;
	w->share = share_take(c->hub->shares, w->who, c->cfg->limits.parked_per_originator);
	return w->share != NULL;
}

bool hub_enter(struct core *c, struct req *r)
{
	if (r->work->parked)
		return true;
	if (atomic_fetch_add(&c->hub->parked, 1) >= c->cfg->limits.parked) {
		atomic_fetch_sub(&c->hub->parked, 1);
		metrics_inc(&c->metrics, limit_parked);
		req_refuse(r, 5000, "too many requests are waiting (limits.parked); try again later");
		return false;
	}
	if (!take_share(c, r)) {
		atomic_fetch_sub(&c->hub->parked, 1);
		metrics_inc(&c->metrics, limit_parked);
		req_refuse(r, 5000, "too many requests of this Originator are waiting (limits.parked_per_originator); try again later");
		return false;
	}
	r->work->parked = true;
	return true;
}

void hub_keep(struct core *c, struct req *r)
{
	if (!r->work->parked)
		atomic_fetch_add(&c->hub->parked, 1);
	r->work->parked = true;
}

static bool enter(struct core *c, struct req *r)
{
	if (hub_enter(c, r))
		return true;
	answer(c, r);
	return false;
}

void hub_leave(struct core *c, struct req *r)
{
	if (r->work && r->work->parked) {
		r->work->parked = false;
		atomic_fetch_sub(&c->hub->parked, 1);
		if (r->work->share)
			share_give(c->hub->shares, r->work->share);
		r->work->share = NULL;
	}
}

/* --- for whom --- */

void hub_ticket(struct core *c, struct req *r)
{
	if (!r->work->ticket)
		r->work->ticket = atomic_fetch_add(&c->hub->tickets, 1) + 1;
}

bool hub_wait(struct core *c, struct req *r, void (*release)(struct core *c, struct req *r, void *owner), void *owner)
{
	struct hub_waiting *w = &r->work->waiting, **head = &c->hub->waiting[r->work->ticket % WAIT_BUCKETS];

	if (atomic_load(&r->gone))
		return false;
	if (!r->work->ticket) /* nobody is told when that one goes */
		return true;
	*w = (struct hub_waiting){ .r = r, .release = release, .owner = owner, .next = *head, .link = head };
	if (w->next)
		w->next->link = &w->next;
	*head = w;
	return true;
}

void hub_waited(struct req *r)
{
	struct hub_waiting *w = &r->work->waiting;

	if (!w->link)
		return;
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	w->link = NULL;
}

void hub_refuse_gone(struct req *r)
{
	req_refuse(r, 4008, "the requester went away before anything was done");
}

struct gone_msg { struct loop_msg msg; struct core *c; uint64_t ticket; };

static void requester_gone(struct loop *l, struct loop_msg *m)
{
	struct gone_msg g = *(struct gone_msg *)m;
	struct hub_waiting *w = g.c->hub->waiting[g.ticket % WAIT_BUCKETS];

	(void)l;
	free(m);
	while (w && w->r->work->ticket != g.ticket)
		w = w->next;
	if (!w)
		return;
	hub_waited(w->r);
	w->release(g.c, w->r, w->owner);
}

void core_abandon(struct core *c, struct req *r)
{
	struct gone_msg *g;

	atomic_store(&r->gone, true);
	if (!r->work || !r->work->ticket || !(g = malloc(sizeof(*g))))
		return;
	*g = (struct gone_msg){ .msg.fn = requester_gone, .c = c, .ticket = r->work->ticket };
	loop_post(&c->loops[0], &g->msg);
}

/* --- moving --- */

static void arrived(struct loop *l, struct loop_msg *m)
{
	struct req *r = (struct req *)((char *)m - offsetof(struct req, msg));
	(void)l;
	r->work->then(r->work->core, r);
}

void hub_run(struct core *c, struct req *r, void (*then)(struct core *c, struct req *r))
{
	if (!enter(c, r))
		return;
	r->work->then = then;
	r->msg.fn = arrived;
	loop_post(&c->loops[0], &r->msg);
}

static void rang(struct alarm *a, usec now)
{
	struct req_work *w = (struct req_work *)((char *)a - offsetof(struct req_work, alarm));
	(void)now;
	hub_waited(w->r);
	w->then(w->core, w->r);
}

static void alarm_released(struct core *c, struct req *r, void *owner)
{
	(void)owner;
	alarm_clear(&c->hub->alarms, &r->work->alarm);
	hub_refuse_gone(r);
	answer(c, r);
}

static void set_alarm(struct loop *l, struct loop_msg *m)
{
	struct req *r = (struct req *)((char *)m - offsetof(struct req, msg));
	struct core *c = r->work->core;

	(void)l;
	r->work->alarm = (struct alarm){ .fn = rang };
	if (!hub_wait(c, r, alarm_released, NULL)) {
		hub_refuse_gone(r);
		answer(c, r);
		return;
	}
	alarm_set(&c->hub->alarms, &r->work->alarm, r->work->wake_at);
}

void hub_again(struct core *c, struct req *r, usec when, void (*then)(struct core *c, struct req *r))
{
	r->work->then = then;
	r->work->alarm = (struct alarm){ .fn = rang };
	alarm_set(&c->hub->alarms, &r->work->alarm, when);
}

void hub_run_at(struct core *c, struct req *r, usec when, void (*then)(struct core *c, struct req *r))
{
	if (!enter(c, r))
		return;
	r->work->then = then;
	r->work->wake_at = when;
	r->msg.fn = set_alarm;
	loop_post(&c->loops[0], &r->msg);
}

void hub_stop(struct hub *h)
{
	alarms_stop(&h->alarms);
}
