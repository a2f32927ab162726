/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a group at other CSEs. When those here have had their request, in a snapshot or in the writer's transaction, the others
 * are sent theirs (forward.h), all at a time; their answers come behind in the aggregated response. */
#include "core/group/fanout_int.h"

#include "core/cse/forward.h"
#include "core/notify/notify_int.h"
#include "core/cse/outbound.h"
#include "core/own.h"
#include "core/work.h"

/* A member elsewhere; in the arena of the request. */
struct fan_far {
	struct fan_far *next;
	struct slice id, to, gid, pc;
	bool whole;                  /* the request is to the member itself, not to something below it */
	struct req *n;               /* its request */
	struct far_round *round;
};

struct far_round {
	struct core *core;
	struct req *r;
	struct slice group;          /* ri */
	size_t pending;
	struct outbound out;         /* the group loses members that were deleted */
};

enum reeve_rc fan_far_add(struct fan *f, const struct group_member *m)
{
	struct req *r = f->r;
	struct fan_far *far = arena_zalloc(&r->arena, sizeof(*far)), **last = &r->work->far;
	struct slice rest = f->t->rest, attr = f->t->attr;

	if (!far)
		return RC_NOMEM;
	far->id = m->id;
	far->gid = f->gid;
	far->pc = f->pc;
	far->whole = !rest.p && !attr.p;
	far->to = arena_printf(&r->arena, "%.*s%s%.*s%s%.*s", SF(m->id), rest.p ? "/" : "", SF(rest), attr.p ? "#" : "", SF(attr));
	while (*last)
		last = &(*last)->next;
	*last = far;
	r->work->far_group = f->group_ri;
	return far->to.p ? RC_OK : RC_NOMEM;
}

/* --- the end --- */

static bool late(const struct fan_far *far) { return far->n->rsc == 4008 && !far->n->passed; }

static void sum_up(struct far_round *d)
{
	struct buf *b = &d->r->out;
	const struct req_work *w = d->r->work;
	bool first;

	b->n -= 3; /* "]}}" */
	first = b->p[b->n - 1] == '[';
	for (struct fan_far *far = w->far; far; far = far->next) {
		if (late(far) && w->rset) /* who has not answered by then is left out */
			continue;
		fan_response(b, far->n, far->id, first);
		first = false;
	}
	buf_lit(b, "]}}");
	if (first) {
		d->r->rsc = 0;
		req_refuse(d->r, 5209, "no member answered before the Result Expiration Timestamp");
	} else if (b->failed) {
		metrics_inc(&d->core->metrics, limit_response);
		d->r->rsc = 0;
		req_refuse(d->r, 5000, "the answer is larger than limits.response");
	}
}

static void end(struct far_round *d)
{
	struct req_work *w = d->r->work;

	sum_up(d);
	for (struct fan_far *far = w->far; far; far = far->next)
		own_drop(d->core, far->n);
	w->far = NULL;
	core_resume(d->core, d->r);
}

static void dropped(struct outbound *o, const struct rsp *rsp)
{
	(void)rsp; /* the group may be gone itself */
	end(o->owner);
}

static bool was_deleted(const struct fan_far *all, struct slice id)
{
	for (const struct fan_far *far = all; far; far = far->next)
		if (far->whole && far->n->rsc == 2002 && slice_eq(far->id, id))
			return true;
	return false;
}

/* Deleted members leave mid (TS-0004 7.4.14.3.5). False: none were. */
static bool drop_members(struct far_round *d)
{
	struct slice mid, why, id;
	bool any = false, first = true;
	struct target t;
	struct exec x;
	struct json j;
	struct buf b;

	if (d->r->op != OP_DELETE || !hub_snapshot_begin(d->core, &x))
		return false;
	buf_init(&b, SIZE_MAX / 2);
	buf_lit(&b, "{\"m2m:grp\":{\"mid\":[");
	if (exec_lookup(&x, d->group, &t) == RC_OK && (mid = res_member(&t.res, S("mid"))).p &&
	    json_parse(&d->r->arena, mid, &json_default_limits, &j, &why) == RC_OK)
		for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next) {
			id = json_string(&d->r->arena, &j, i);
			if (was_deleted(d->r->work->far, id)) {
				any = true;
				continue;
			}
			if (!first)
				buf_char(&b, ',');
			first = false;
			buf_json(&b, id);
		}
	hub_snapshot_end(&x);
	buf_lit(&b, "]}}");
	if (any && !b.failed) {
		d->out = (struct outbound){ .op = OP_UPDATE, .target = d->group, .pc = buf_view(&b), .done = dropped, .owner = d };
		outbound_send(d->core, &d->out);
	}
	any = any && !b.failed;
	buf_free(&b);
	return any;
}

static void through(struct far_round *d)
{
	if (--d->pending == 0 && !drop_members(d))
		end(d);
}

static void answered(struct req *n) { through(((struct fan_far *)n->owner)->round); }

/* --- the beginning --- */

static struct req *compose(struct core *c, const struct req *r, struct fan_far *far)
{
	struct req *n = own_copy(c, r);
	struct req_work *w;

	if (!n)
		return NULL;
	w = n->work;
	n->to = far->to;
	n->gid = far->gid;
	if (far->pc.p)
		n->pc = far->pc;
	n->has &= ~(uint32_t)(HAS_RTU | HAS_GRTM | HAS_RP);
	n->done = answered;
	n->owner = far;
	w->who_kind = r->work->who_kind;
	w->who_form = r->work->who_form;
	w->who = r->work->who; /* r lives until the end */
	w->rqet = r->work->rqet;
	w->rset = r->work->rset;
	w->member = true;
	return n;
}

void fanout_far(struct core *c, struct req *r)
{
	struct far_round *d = arena_zalloc(&r->arena, sizeof(*d));
	struct exec x = { .core = c, .now = clock_wall() };
	size_t made = 0;

	for (struct fan_far *far = r->work->far; d && far; far = far->next) {
		if (!(far->n = compose(c, r, far)))
			break;
		far->round = d;
		made++;
		if (!far->next)
			d->pending = made + 1;
	}
	if (!d || !d->pending) {
		for (struct fan_far *far = r->work->far; far && far->n; far = far->next)
			own_drop(c, far->n);
		r->work->far = NULL;
		r->rsc = 0;
		req_refuse(r, 5000, "no memory for the members at other CSEs");
		core_resume(c, r);
		return;
	}
	d->core = c;
	d->r = r;
	d->group = r->work->far_group;
	for (struct fan_far *far = r->work->far, *next; far; far = next) {
		next = far->next;
		if (forward_check(&x, far->n) == RC_OK)
			forward(c, far->n);
		else
			core_resume(c, far->n); /* with its refusal */
	}
	through(d);
}
