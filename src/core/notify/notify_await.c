/* SPDX-License-Identifier: Apache-2.0 */
/* Retrieve of an empty container with an event-5 subscription: it waits until rset for the instance the notification may bring
 * (TS-0001 10.2.4.4, CORE-153).
 *
 * The writer wakes the notifier when an instance is created below a container with subscriptions while somebody waits; the second-long
 * alarm covers the moment between the look and the entry in the list. */
#include <stdlib.h>

#include "core/hub.h"
#include "core/notify/notifier_int.h"
#include "core/work.h"

struct awaiting {
	struct awaiting *next;
	struct core *core;
	struct req *r;
	uint64_t container;
	struct alarm alarm;
};

static bool event_5(struct exec *x, const struct res *container)
{
	struct sub_list *l;
	bool found = false;

	if (sub_list_get(NULL, x, container->key.n, &l) != RC_OK)
		return false;
	for (size_t i = 0; i < l->n; i++)
		found |= l->v[i].events & 1u << NE_RETRIEVE_EMPTY && l->v[i].et > x->now;
	sub_list_put(l);
	return found;
}

bool notify_awaits(struct exec *x, const struct req *r, const struct res *res)
{
	struct res newest;

	return res->h.n_subs && res->h.ty == TYPE_CONTAINER && !x->write && !r->work->awaited && r->work->rset > x->now &&
	       r->has & HAS_RCN && (r->rcn == 4 || r->rcn == 8) &&
	       tree_latest(x->tx, res->key.n, x->now, &newest) == RC_NOTFOUND && event_5(x, res);
}

static void forget(struct awaiting *w)
{
	struct notifier *n = w->core->notifier;
	struct awaiting **at = &n->awaiting;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	atomic_fetch_sub(&n->awaited, 1);
	alarm_clear(&n->alarms, &w->alarm);
	hub_waited(w->r);
	w->r->work->awaited = true;
	memset(w->r->work->rights.waited, UINT8_MAX, sizeof(w->r->work->rights.waited)); /* permitted before: nothing is fetched again */
}

static void reader_gone(struct core *c, struct req *r, void *owner)
{
	forget(owner);
	hub_refuse_gone(r);
	core_resume(c, r);
}

static void finish(struct awaiting *w)
{
	struct req *r = w->r;
	struct exec x;

	forget(w);
	if (hub_snapshot_begin(w->core, &x)) {
		(void)exec_request(&x, r); /* the answer is in r */
		hub_snapshot_end(&x);
	}
	if (!r->rsc)
		req_refuse(r, 5000, "the store could not be read");
	core_resume(w->core, r);
}

static bool came(struct awaiting *w)
{
	struct res newest;
	struct exec x;
	bool yes;

	if (!hub_snapshot_begin(w->core, &x))
		return false;
	yes = tree_latest(x.tx, w->container, x.now, &newest) == RC_OK;
	hub_snapshot_end(&x);
	return yes;
}

static void look(struct alarm *a, usec now)
{
	struct awaiting *w = (struct awaiting *)((char *)a - offsetof(struct awaiting, alarm));
	usec end = w->r->work->rset;

	if (now >= end || came(w))
		finish(w);
	else
		alarm_set(&w->core->notifier->alarms, &w->alarm, end < now + USEC_S ? end : now + USEC_S);
}

void notify_await(struct core *c, struct req *r, const struct target *t)
{
	struct awaiting *w = arena_zalloc(&r->arena, sizeof(*w));
	struct notifier *n = c->notifier;

	if (!w) {
		req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
		core_resume(c, r);
		return;
	}
	if (!hub_wait(c, r, reader_gone, w)) {
		hub_refuse_gone(r);
		core_resume(c, r);
		return;
	}
	*w = (struct awaiting){ .next = n->awaiting, .core = c, .r = r, .container = t->res.key.n, .alarm = { .fn = look } };
	n->awaiting = w;
	atomic_fetch_add(&n->awaited, 1);
	look(&w->alarm, clock_wall());
}

void await_check(struct notifier *n)
{
	struct awaiting *w = n->awaiting, *next;

	for (; w; w = next) {
		next = w->next;
		if (came(w))
			finish(w);
	}
}

bool notifier_awaited(struct notifier *n) { return n && atomic_load(&n->awaited); }
