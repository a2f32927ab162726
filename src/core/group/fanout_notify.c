/* SPDX-License-Identifier: Apache-2.0 */
/* Notify through a <fanOutPoint>: each member <AE> is sent a request of its own, and answers when it likes (CORE-219 to 221).
 *
 * In one snapshot it is settled who gets what: the group decides, each member decides (exec_request), and members that are
 * fanOutPoints themselves are opened in the same way, one level below. What is left to be sent is sent at once to all. When the
 * last answer is in, or at the Result Expiration Timestamp, the levels are summed up from below; who has not answered by then
 * is left out, and later answers are dropped.
 *
 * The binding takes its request back as soon as it is answered, so the work is done on a copy of it. Copy and members' requests stay
 * until the last answer or timeout has come: they are cheap to keep, and nobody has to ask whether what he points to is still there. */
#include "core/group/fanout_int.h"
#include "core/notify/notifier_int.h"
#include "core/cse/forward.h"
#include "core/hub.h"
#include "core/own.h"
#include "core/notify/polling.h"
#include "core/work.h"

struct level;

/* A member. */
struct leaf {
	struct leaf *next;        /* in the order of the group */
	struct req *r;
	struct slice id;          /* as in mid */
	struct level *in;
	struct level *below;      /* of a group */
	struct res_key key;       /* to be sent: the target, */
	uint16_t ty;
	enum virtual_res virt;
	bool send;
	bool elsewhere;           /* at another CSE */
	bool answered;
};

/* The members of one group. */
struct level {
	struct round *round;
	struct leaf *of;          /* the group as a member; NULL at the top */
	struct req *r;            /* the request to its fanOutPoint */
	struct leaf *first, **last;
	size_t pending;
};

/* A request and all that comes of it. Lives in the copy's arena. */
struct round {
	struct core *core;
	struct req *r;            /* NULL when it is answered */
	struct req *copy;
	struct level top;
	struct alarm alarm;       /* rset */
	size_t out;               /* on their way */
	bool entering, more;      /* a part of the result is being written into the <request>; more has come meanwhile */
};

/* --- the end --- */

static void forget_level(struct core *c, struct level *l)
{
	for (struct leaf *m = l->first; m; m = m->next) {
		if (m->below)
			forget_level(c, m->below);
		hub_leave(c, m->r); /* when it was never sent */
		own_drop(c, m->r);
	}
}

static void forget(struct round *d)
{
	struct core *c = d->core;

	if (d->r || d->out)
		return;
	forget_level(c, &d->top);
	own_drop(c, d->copy); /* d is in there */
}

/* What the members have answered so far. False: none has. */
static bool sum_up(struct level *l)
{
	struct req *r = l->r;
	bool any = false;

	buf_clear(&r->out);
	buf_lit(&r->out, "{\"m2m:agr\":{\"m2m:rsp\":[");
	for (struct leaf *m = l->first; m; m = m->next) {
		if (!m->answered && !(m->below && sum_up(m->below)))
			continue;
		fan_response(&r->out, m->r, m->id, !any);
		any = true;
	}
	buf_lit(&r->out, "]}}");
	r->rsc = any ? 2000 : 0;
	if (r->out.failed && any) {
		metrics_inc(&l->round->core->metrics, limit_response);
		r->rsc = 0;
		req_refuse(r, 5000, "the answer is larger than limits.response");
	}
	return any;
}

/* The copy's answer is that of the request. */
static void hand_over(struct round *d)
{
	struct req *r = d->r, *copy = d->copy;

	alarm_clear(&d->core->notifier->alarms, &d->alarm);
	if (copy->rsc >= 4000) {
		req_refuse(r, copy->rsc, "%.*s", SF(copy->dbg));
	} else {
		r->rsc = copy->rsc;
		buf_slice(&r->out, buf_view(&copy->out));
		if (r->out.failed) {
			r->rsc = 0;
			req_refuse(r, 5000, "the answer is larger than limits.response");
		}
	}
	d->r = NULL;
	core_resume(d->core, r);
}

static void time_is_up(struct alarm *a, usec now)
{
	struct round *d = (struct round *)((char *)a - offsetof(struct round, alarm));

	(void)now;
	if (!sum_up(&d->top))
		req_refuse(d->copy, 5209, "no member answered before the Result Expiration Timestamp");
	hand_over(d);
	forget(d);
}

/* m is through, and maybe its group with it, and the group that holds that. */
static void through(struct leaf *m)
{
	for (;;) {
		struct level *l = m->in;

		m->answered = true;
		if (--l->pending)
			return;
		(void)sum_up(l);
		if (!l->of)
			break;
		m = l->of;
	}
	hand_over(m->in->round);
}

static void part_entered(struct req *n);

/* Who asked without waiting sees in the <request> what there is so far (CORE-228). */
static void enter_part(struct round *d)
{
	d->more = d->entering;
	if (d->entering || !d->r->work->request.n || !sum_up(&d->top))
		return;
	d->entering = nonblocking_partial(d->core, d->r, buf_view(&d->copy->out), part_entered, d);
	d->out += d->entering;
}

static void part_entered(struct req *n)
{
	struct round *d = n->owner;

	own_drop(d->core, n);
	d->entering = false;
	d->out--;
	if (d->r && d->more)
		enter_part(d);
	forget(d);
}

static void member_answered(struct req *s)
{
	struct leaf *m = s->owner;
	struct round *d = m->in->round;

	d->out--;
	if (d->r)
		through(m);
	if (d->r)
		enter_part(d);
	forget(d);
}

/* --- the beginning --- */

static enum reeve_rc open_group(struct exec *x, struct level *l);

/* Exists it, and may he? What has to be sent is marked. */
static enum reeve_rc settle(struct exec *x, struct leaf *m, bool elsewhere)
{
	struct req *s = m->r;
	struct target t;
	enum reeve_rc rc;

	if (elsewhere) {
		m->elsewhere = forward_check(x, s) == RC_OK;
		m->send = m->elsewhere && hub_enter(x->core, s);
		return s->rsc ? RC_REFUSED : RC_OK;
	}
	x->depth++;
	rc = exec_request(x, s);
	x->depth--;
	if (rc != RC_AGAIN)
		return rc;
	if ((rc = exec_resolve(x, s, &t)) != RC_OK)
		return rc;
	if (t.virt == VIRT_FOPT) {
		m->below = arena_zalloc(&s->arena, sizeof(*m->below));
		if (!m->below)
			return RC_NOMEM;
		*m->below = (struct level){ .round = m->in->round, .of = m, .r = s };
		x->depth++;
		rc = open_group(x, m->below);
		x->depth--;
		return rc;
	}
	m->key = t.res.key;
	m->ty = t.res.h.ty;
	m->virt = t.virt;
	m->send = hub_enter(x->core, s);
	return RC_OK;
}

static struct leaf *leaf_new(struct core *c, struct level *l, struct slice id)
{
	struct leaf *m = arena_zalloc(&l->round->copy->arena, sizeof(*m));

	if (!m || !(m->r = own_request(c)))
		return NULL;
	m->id = id;
	m->in = l;
	m->r->done = member_answered;
	m->r->owner = m;
	*l->last = m;
	l->last = &m->next;
	l->pending++;
	return m;
}

/* A level whose request is refused has no members. With RC_OK at least one is pending, be it only for a moment. */
static enum reeve_rc open_group(struct exec *x, struct level *l)
{
	struct target t;
	struct fan f = { .x = x, .r = l->r, .t = &t };
	enum reeve_rc rc = exec_resolve(x, l->r, &t);

	l->last = &l->first;
	if (rc != RC_OK || (rc = fan_begin(&f)) != RC_OK)
		return rc;
	for (size_t i = 0; i < f.n; i++) {
		struct leaf *m;

		if (!f.v[i].wanted)
			continue;
		if (!(m = leaf_new(x->core, l, f.v[i].id)) || fan_compose(&f, m->r, &f.v[i]) != RC_OK)
			return RC_NOMEM;
		m->r->work->member = true;
		rc = settle(x, m, f.v[i].elsewhere);
		if (rc != RC_OK && !m->r->rsc)
			req_refuse(m->r, 5000, "internal error (%s)", rc_name(rc));
	}
	return RC_OK;
}

/* Those that are answered already, from below; then the rest is sent. A member's answer comes by way of the loop, never at once. */
static void start_level(struct core *c, struct level *l)
{
	for (struct leaf *m = l->first; m; m = m->next) {
		struct target t = { .res = { .key = m->key, .h = { .ty = m->ty } }, .virt = m->virt };

		if (m->below && !m->r->rsc) {
			start_level(c, m->below);
		} else if (!m->send) {
			m->answered = true;
			l->pending--;
		} else {
			l->round->out++;
			if (m->elsewhere)
				forward(c, m->r);
			else if (m->virt == VIRT_PCU)
				polling_notify(c, m->r, &t);
			else
				notify_retarget(c, m->r, &t);
		}
		if (m->below && !m->r->rsc && !m->below->pending) {
			(void)sum_up(m->below);
			m->answered = true;
			l->pending--;
		}
	}
}

static struct round *round_new(struct core *c, struct req *r)
{
	struct req *copy = own_copy(c, r);
	struct round *d = copy ? arena_zalloc(&copy->arena, sizeof(*d)) : NULL;
	struct req_work *w;

	if (!d) {
		if (copy)
			own_drop(c, copy);
		return NULL;
	}
	w = copy->work;
	w->who_kind = r->work->who_kind;
	w->who_form = r->work->who_form;
	w->who = arena_dup(&copy->arena, r->work->who);
	w->facts = r->work->facts;
	w->facts.who = w->who;
	w->rqet = r->work->rqet;
	w->rset = r->work->rset;
	w->internal = r->work->internal;
	*d = (struct round){ .core = c, .r = r, .copy = copy, .top = { .round = d, .r = copy }, .alarm = { .fn = time_is_up } };
	d->top.last = &d->top.first;
	return d;
}

void fanout_notify(struct core *c, struct req *r)
{
	struct round *d = round_new(c, r);
	enum reeve_rc rc = RC_NOMEM;
	struct exec x;

	if (!d || !hub_snapshot_begin(c, &x)) {
		req_refuse(r, 5000, "the request needs more memory than there is");
		core_resume(c, r);
		if (d) {
			d->r = NULL;
			forget(d);
		}
		return;
	}
	x.internal = r->work->internal;
	rc = open_group(&x, &d->top);
	hub_snapshot_end(&x);
	if (rc != RC_OK && !d->copy->rsc)
		req_refuse(d->copy, 5000, "the request needs more memory than limits.request_memory");
	if (!d->copy->rsc) {
		start_level(c, &d->top);
		if (d->top.pending && r->work->rset)
			alarm_set(&c->notifier->alarms, &d->alarm, r->work->rset);
		if (d->top.pending)
			return;
		(void)sum_up(&d->top);
	}
	hand_over(d);
	forget(d);
}
