/* SPDX-License-Identifier: Apache-2.0 */
/* Moving requests to the hub, and their timers there. What they wait for is the business of who parked them; only
 * their number is bounded here (limits.parked). */
#include "core/hub.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/alarm.h"
#include "core/work.h"

struct hub {
	struct alarms alarms;
	atomic_uint parked;
};

enum reeve_rc hub_new(struct core *c, struct hub **out)
{
	struct hub *h = calloc(1, sizeof(*h));
	enum reeve_rc rc;

	if (!h)
		return RC_NOMEM;
	if ((rc = alarms_init(&h->alarms, &c->loops[0].uv)) != RC_OK) {
		free(h);
		return rc;
	}
	*out = h;
	return RC_OK;
}

void hub_free(struct hub *h)
{
	free(h);
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
	}
}

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
	w->then(w->core, w->r);
}

static void set_alarm(struct loop *l, struct loop_msg *m)
{
	struct req *r = (struct req *)((char *)m - offsetof(struct req, msg));
	(void)l;
	r->work->alarm = (struct alarm){ .fn = rang };
	alarm_set(&r->work->core->hub->alarms, &r->work->alarm, r->work->wake_at);
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
