/* SPDX-License-Identifier: Apache-2.0 */
/* Delivery to one target of one subscription: one message at a time and in order; a failing target is tried again with growing
 * pauses and holds up nobody else. */
#include <stdlib.h>

#include "base/log.h"
#include "base/rand.h"
#include "core/notify/notifier_int.h"
#include "core/cse/way.h"

enum { CONTENT_MOST = 64 << 20 };

/* --- lists --- */

static struct lane *lane_of(struct feed *f, struct slice target)
{
	struct lane *l;

	for (l = f->lanes; l; l = l->next)
		if (slice_eq(slice_of(l->target, l->target_n), target))
			return l;
	if (!(l = calloc(1, sizeof(*l) + target.n)))
		return NULL;
	l->feed = f;
	l->target_n = target.n;
	if (target.n)
		memcpy(l->target, target.p, target.n);
	l->next = f->lanes;
	f->lanes = l;
	return l;
}

/* The last target is through with u: its entries leave the outbox. */
static void settle(struct unit *u)
{
	struct feed *f = u->feed;
	struct item *i;

	if (u->event && f->events_out)
		f->events_out--;
	if (!u->taken)
		feed_discard(f, &u->items);
	while ((i = u->items.first)) {
		bool counted = u->event && !i->next && f->policy && f->policy->counted;

		u->items.first = i->next;
		notifier_remove(f, i->seq, i->size, counted);
		f->held--;
		if (i->to && --i->to->refs == 0)
			free(i->to);
		free(i);
	}
	f->units--;
	free(u);
	feed_touch(f);
}

static void through(struct unit *u)
{
	if (u->pending && --u->pending == 0)
		settle(u);
}

static struct unit *take_first(struct lane *l)
{
	struct delivery *d = l->first;
	struct unit *u = d->unit;

	l->first = d->next;
	if (!l->first)
		l->last = NULL;
	free(d);
	return u;
}

/* --- when --- */

static void make_ready(struct lane *l)
{
	struct notifier *n = l->feed->n;

	if (l->ready)
		return;
	l->ready = true;
	l->next_ready = n->ready;
	n->ready = l;
}

static void ring(struct alarm *a, usec now)
{
	struct lane *l = (struct lane *)((char *)a - offsetof(struct lane, alarm));
	(void)now;
	make_ready(l);
	notifier_pump(l->feed->n);
}

static void wait_until(struct lane *l, usec at)
{
	l->alarm.fn = ring;
	alarm_set(&l->feed->n->alarms, &l->alarm, at);
}

/* Exponential, with a quarter of spread, so that subscriptions that failed together do not come back together. */
static usec back_off(const struct config *cfg, unsigned failures)
{
	usec pause = cfg->notify.retry_first > 0 ? cfg->notify.retry_first : USEC_S;

	while (--failures && pause < cfg->notify.retry_most)
		pause *= 2;
	if (pause > cfg->notify.retry_most && cfg->notify.retry_most > 0)
		pause = cfg->notify.retry_most;
	return pause - pause / 8 + (usec)(rand_u64() % ((uint64_t)pause / 4 + 1));
}

/* --- one message --- */

static bool add_content(struct exec *x, struct feed *f, const struct item *i, struct buf *b)
{
	char key[OUTBOX_KEY_LEN];
	struct outbox_entry e;
	struct slice v;

	outbox_key(i->seq, f->key, key);
	if (st_get(x->tx, ST_OUTBOX, slice_of(key, sizeof(key)), &v) != RC_OK || !outbox_view(slice_of(key, sizeof(key)), v, &e))
		return false;
	buf_slice(b, e.sgn);
	return true;
}

static bool compose(struct exec *x, const struct unit *u, struct buf *b)
{
	if (u->items.first->kind >= OB_RESULT)
		return add_content(x, u->feed, u->items.first, b) && !b->failed;
	if (!u->aggregated) {
		buf_lit(b, "{\"m2m:sgn\":");
		if (!add_content(x, u->feed, u->items.first, b))
			return false;
		buf_char(b, '}');
		return !b->failed;
	}
	buf_lit(b, "{\"m2m:agn\":{\"m2m:sgn\":[");
	for (const struct item *i = u->items.first; i; i = i->next) {
		if (i != u->items.first)
			buf_char(b, ',');
		if (!add_content(x, u->feed, i, b))
			return false;
	}
	buf_lit(b, "]}}");
	return !b->failed;
}

static void give_up(struct lane *l, const char *why, int rsc)
{
	log_warn("notify", "notification to %.*s dropped: %s (last answer %d)", (int)l->target_n, l->target, why, rsc);
	through(take_first(l));
}

/* Whatever has been due for too long is not worth another try. */
static void drop_old(struct lane *l, usec now, int rsc)
{
	usec limit = l->feed->n->core->cfg->notify.give_up;

	while (l->first && (l->first->unit->doomed || (limit > 0 && now - l->first->unit->released > limit)))
		give_up(l,
			l->first->unit->doomed ? "the subscription is gone"
					       : "it could not be delivered for too long (notify.give_up)",
			rsc);
}

static void answered(struct outbound *o, const struct rsp *rsp)
{
	struct lane *l = o->owner;
	struct notifier *n = l->feed->n;
	struct core *c = n->core;
	usec now = clock_wall();
	int rsc = rsp->rsc;

	l->busy = false;
	if (rsc >= 2000 && rsc < 3000) {
		struct unit *u = take_first(l);

		metrics_inc(&c->metrics, notifications_sent);
		l->failures = 0;
		l->retry_at = 0;
		u->taken = true;
		through(u);
	} else {
		metrics_inc(&c->metrics, notifications_failed);
		if (rsc >= 4000 && rsc < 5000 && rsc != 4008) {
			give_up(l, "the target refused it", rsc);
		} else {
			l->failures++;
			l->retry_at = l->moved ? 0 : now + back_off(c->cfg, l->failures);
			drop_old(l, now, rsc);
		}
	}
	if (l->first)
		make_ready(l);
	notifier_pump(n);
}

static enum op op_of(const struct unit *u)
{
	switch (u->items.first->kind) {
	case OB_ANNC_UPDATE:
	case OB_AE_LEFT: return OP_UPDATE;
	case OB_ANNC_DELETE: return OP_DELETE;
	default: return OP_NOTIFY;
	}
}

/* The AE has come back, and the IN-CSE was told so: what is still to be said of its leaving must not come after that. */
static bool outdated(struct exec *x, const struct lane *l)
{
	struct slice stem = slice_of(l->target, l->target_n);
	struct res ae;

	if (l->first->unit->items.first->kind != OB_AE_LEFT)
		return false;
	while (slice_find(stem, '/') >= 0)
		stem = slice_skip(stem, (size_t)slice_find(stem, '/') + 1);
	return tree_stem(x->tx, stem, &ae) == RC_OK && ae.h.ty == TYPE_AE;
}

void lane_serve(struct lane *l, struct exec *x)
{
	struct core *c = x->core;
	struct feed *f = l->feed;
	struct unit *u;
	struct buf b;

	if (!l->first)
		feed_touch(f); /* maybe it was the last thing f was kept for */
	if (l->busy || !l->first)
		return;
	u = l->first->unit;
	if (x->now < l->retry_at) {
		wait_until(l, l->retry_at);
		return;
	}
	if (u->event && !feed_open(f, x->now)) {
		wait_until(l, sub_next_change(f->policy, x->now));
		return;
	}
	if (outdated(x, l)) {
		through(take_first(l));
		if (l->first)
			make_ready(l);
		return;
	}
	buf_init(&b, CONTENT_MOST);
	if (!compose(x, u, &b)) {
		give_up(l, "its content cannot be read or is too large", 0);
		if (l->first)
			make_ready(l);
	} else {
		l->busy = true;
		l->moved = false;
		l->out = (struct outbound){
			.target = slice_of(l->target, l->target_n),
			.pc = buf_view(&b),
			.op = op_of(u),
			.ec = u->ec,
			.to_self = u->items.first->kind == OB_AE_MOVED,
			.done = answered,
			.owner = l,
		};
		outbound_send(c, &l->out);
	}
	buf_free(&b);
}

/* --- units --- */

void lane_submit(struct feed *f, struct unit *u)
{
	const struct targets *to = u->items.last->to;
	struct slice why, text = slice_of(to->text, to->n);
	struct arena a;
	struct json j;

	arena_init(&a, NULL, 0, 4 << 20);
	u->pending = 1; /* held until all targets are entered */
	if (json_parse(&a, text, &json_default_limits, &j, &why) == RC_OK && json_kind(&j, 0) == J_ARRAY) {
		for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next) {
			struct slice target = json_string(&a, &j, i);
			struct lane *l = target.n ? lane_of(f, target) : NULL;
			struct delivery *d = l ? calloc(1, sizeof(*d)) : NULL;

			if (!d) {
				log_warn("notify", "a target was skipped: out of memory");
				continue;
			}
			d->unit = u;
			u->pending++;
			if (l->last)
				l->last->next = d;
			else
				l->first = d;
			l->last = d;
			make_ready(l);
		}
	}
	arena_reset(&a);
	through(u);
}

void lanes_prune(struct feed *f, bool keep_plain)
{
	for (struct lane *l = f->lanes; l; l = l->next) {
		struct delivery **at = &l->first, *d;

		l->last = NULL;
		while ((d = *at)) {
			struct unit *u = d->unit;

			if (u->survives || (keep_plain && u->plain) || (l->busy && d == l->first)) {
				u->doomed |= !u->survives && !(keep_plain && u->plain);
				l->last = d;
				at = &d->next;
				continue;
			}
			*at = d->next;
			free(d);
			through(u);
		}
	}
}

/* The <AE> that target is, or the <remoteCSE> on the way to it; 0 when it is neither. */
static uint64_t reached_by(struct exec *x, struct slice target)
{
	struct target t;
	struct res hop;

	if (target_is_url(target))
		return 0;
	if (exec_lookup(x, target, &t) == RC_OK)
		return t.virt ? 0 : t.res.key.n;
	return way_hop(x, target, &hop) == RC_OK ? hop.key.n : 0;
}

void lanes_moved(struct feed *f, struct exec *x, const struct moved *v, size_t n, bool all)
{
	for (struct lane *l = f->lanes; l; l = l->next) {
		uint64_t by = l->first && (l->busy || l->retry_at) ? reached_by(x, slice_of(l->target, l->target_n)) : 0;
		bool moved = all;

		if (!by)
			continue;
		for (size_t i = 0; i < n && !moved; i++)
			moved = v[i].key.n == by;
		if (!moved)
			continue;
		l->moved = l->busy;
		if (l->busy)
			continue;
		l->retry_at = 0;
		l->failures = 0;
		make_ready(l);
	}
}

void lanes_free(struct feed *f)
{
	while (f->lanes) {
		struct lane *l = f->lanes;

		f->lanes = l->next;
		alarm_clear(&f->n->alarms, &l->alarm);
		while (l->first) {
			struct unit *u = take_first(l);

			if (u->pending && --u->pending == 0) {
				struct item *i;
				while ((i = u->items.first)) {
					u->items.first = i->next;
					if (i->to && --i->to->refs == 0)
						free(i->to);
					free(i);
				}
				free(u);
			}
		}
		free(l);
	}
}
