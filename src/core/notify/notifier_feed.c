/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of one subscription (TS-0004 7.5.1.2.2 steps 2.2 to 5.0, TS-0001 10.2.10.7): what of its waiting entries may go out now,
 * as how many messages, and when to look again. Order: latestNotify, batch, schedule, expirationCounter, rate limit. */
#include <stdlib.h>

#include "base/log.h"
#include "core/notify/notifier_int.h"

enum { POLICY_MEMORY = 8 << 20 };

/* --- items --- */

static void push(struct item_list *l, struct item *i)
{
	i->next = NULL;
	if (l->last)
		l->last->next = i;
	else
		l->first = i;
	l->last = i;
	l->n++;
}

static struct item *pop(struct item_list *l)
{
	struct item *i = l->first;

	if (!i)
		return NULL;
	l->first = i->next;
	if (!l->first)
		l->last = NULL;
	l->n--;
	return i;
}

static void item_free(struct item *i)
{
	if (i->to && --i->to->refs == 0)
		free(i->to);
	free(i);
}

static void discard(struct feed *f, struct item *i)
{
	metrics_inc(&f->n->core->metrics, notifications_dropped);
	notifier_remove(f, i->seq, i->size, false);
	f->held--;
	item_free(i);
}

void feed_discard(struct feed *f, struct item_list *l)
{
	struct item *i;

	while ((i = pop(l)))
		discard(f, i);
}

static void discard_all_but(struct feed *f, struct item_list *l, size_t keep)
{
	while (l->n > keep)
		discard(f, pop(l));
}

static struct targets *targets_get(struct feed *f, struct slice text)
{
	struct targets *t = f->waiting.last ? f->waiting.last->to : NULL;

	if (t && slice_eq(slice_of(t->text, t->n), text)) {
		t->refs++;
		return t;
	}
	if (!(t = malloc(sizeof(*t) + text.n)))
		return NULL;
	t->refs = 1;
	t->n = text.n;
	if (text.n)
		memcpy(t->text, text.p, text.n);
	return t;
}

/* --- taking in --- */

void feed_touch(struct feed *f)
{
	if (f->dirty)
		return;
	f->dirty = true;
	f->next_dirty = f->n->dirty;
	f->n->dirty = f;
}

/* May an entry be delivered although its subscription is gone? */
static bool outlives(const struct item *i, bool keep_plain)
{
	return i->flags & OB_SURVIVES || (keep_plain && i->flags & OB_PLAIN);
}

static void subscription_deleted(struct feed *f, bool keep_plain)
{
	struct item_list all = f->waiting;
	struct item *i;

	f->waiting = (struct item_list){ 0 };
	while ((i = pop(&all)))
		if (outlives(i, keep_plain))
			push(&f->waiting, i);
		else
			discard(f, i);
	lanes_prune(f, keep_plain);
}

void feed_accept(struct feed *f, const struct outbox_entry *e)
{
	struct core *c = f->n->core;
	struct item *i;

	feed_touch(f);
	if (e->kind == OB_UPDATED || e->kind == OB_DELETED) {
		f->fresh = false;
		if (e->flags & OB_DROP_KEPT)
			feed_discard(f, &f->waiting);
		if (e->flags & OB_KEEP_ONE)
			discard_all_but(f, &f->waiting, 1);
		if (e->kind == OB_DELETED)
			subscription_deleted(f, e->flags & OB_KEEP_PLAIN);
		notifier_remove(f, e->seq, e->size, false);
		return;
	}
	if (f->held >= c->cfg->limits.outbox_per_sub) {
		metrics_inc(&c->metrics, limit_outbox);
		notifier_remove(f, e->seq, e->size, false);
		return;
	}
	i = calloc(1, sizeof(*i));
	if (i)
		*i = (struct item){ .seq = e->seq, .size = e->size, .when = e->when, .kind = e->kind, .flags = e->flags, .ec = e->ec,
				    .to = targets_get(f, e->targets) };
	if (!i || !i->to) { /* no memory: it is left in the store for the next start */
		notifier_forget(f->n, e->size);
		free(i);
		return;
	}
	push(&f->waiting, i);
	f->held++;
}

/* --- policy --- */

static void read_policy(struct feed *f, struct exec *x)
{
	enum reeve_rc rc;
	struct res r;

	arena_reset(&f->arena);
	arena_init(&f->arena, NULL, 0, POLICY_MEMORY);
	f->policy = NULL;
	f->fresh = true;
	if (tree_get(x->tx, f->key, &r) != RC_OK || !(f->policy = arena_zalloc(&f->arena, sizeof(*f->policy))))
		return;
	rc = sub_read(x, &f->arena, &r, f->policy);
	if (rc != RC_OK)
		f->policy = NULL;
	if (rc != RC_OK && rc != RC_NOTFOUND) /* not found: an ancestor is gone, and it is about to be swept */
		log_warn("notify", "the subscription %.*s cannot be read (%s)", SF(res_ri(&r)), rc_name(rc));
}

static bool open_now(const struct sub *s, usec now)
{
	return !s || s->category == EC_IMMEDIATE || sub_open(s, now);
}

bool feed_open(const struct feed *f, usec now) { return open_now(f->policy, now); }

/* --- letting out --- */

static void ring(struct alarm *a, usec now)
{
	struct feed *f = (struct feed *)((char *)a - offsetof(struct feed, alarm));
	(void)now;
	feed_touch(f);
	notifier_pump(f->n);
}

static void look_at(struct feed *f, usec at)
{
	f->alarm.fn = ring;
	alarm_set(&f->n->alarms, &f->alarm, at);
}

static struct unit *unit_new(struct feed *f, usec now)
{
	struct unit *u = calloc(1, sizeof(*u));

	if (!u) {
		look_at(f, now + USEC_S);
		return NULL;
	}
	u->feed = f;
	u->released = now;
	f->units++;
	return u;
}

/* Entries that no policy concerns: notices, and what outlived its subscription. */
static void release_free(struct feed *f, usec now)
{
	struct item_list all = f->waiting;
	struct item *i;

	f->waiting = (struct item_list){ 0 };
	while ((i = pop(&all))) {
		struct unit *u;

		if (i->kind == OB_EVENT && f->policy && !(i->flags & OB_SURVIVES)) {
			push(&f->waiting, i);
		} else if (!f->policy && !(i->flags & (OB_PLAIN | OB_SURVIVES))) {
			discard(f, i);
		} else if ((u = unit_new(f, now))) {
			u->survives = i->flags & OB_SURVIVES;
			u->plain = i->flags & OB_PLAIN;
			u->ec = i->ec;
			push(&u->items, i);
			lane_submit(f, u);
		} else {
			push(&f->waiting, i);
		}
	}
}

/* How many of the waiting entries make up the next message; 0: not yet. */
static size_t next_size(struct feed *f, const struct sub *s, usec now)
{
	usec due;

	if (!s->batch)
		return 1;
	if (s->batch_num && f->waiting.n >= s->batch_num)
		return (size_t)s->batch_num;
	due = f->waiting.first->when + s->batch_dur;
	if (now >= due)
		return f->waiting.n;
	look_at(f, due);
	return 0;
}

/* The schedule is closed: pendingNotification says what becomes of the next n (step 4.0). True: there may be more to look at. */
static bool closed(struct feed *f, const struct sub *s, size_t n, usec now)
{
	if (!s->pending) {
		while (n--)
			discard(f, pop(&f->waiting));
		return true;
	}
	if (s->pending == 1) {
		discard_all_but(f, &f->waiting, 1);
		f->kept = true;
	}
	look_at(f, sub_next_change(s, now));
	return false;
}

static bool rate_allows(struct feed *f, const struct sub *s, usec now)
{
	if (!s->rate)
		return true;
	if (!f->window) {
		f->window = now;
		f->in_window = 0;
	} else if (now >= f->window + s->rate_window) {
		f->window += (now - f->window) / s->rate_window * s->rate_window;
		f->in_window = 0;
	}
	if (f->in_window < s->rate_num)
		return true;
	look_at(f, f->window + s->rate_window);
	return false;
}

static bool release(struct feed *f, const struct sub *s, size_t n, usec now)
{
	struct unit *u = unit_new(f, now);

	if (!u)
		return false;
	u->event = true;
	u->aggregated = s->batch;
	u->ec = (uint8_t)(s->latest || f->kept ? EC_LATEST : s->category <= UINT8_MAX ? s->category : 0);
	u->plain = f->waiting.first->flags & OB_PLAIN;
	while (n--)
		push(&u->items, pop(&f->waiting));
	if (s->latest)
		discard_all_but(f, &u->items, 1);
	f->kept = false;
	f->in_window++;
	f->events_out++;
	lane_submit(f, u);
	return true;
}

/* One message, or one step of discarding. False: nothing more now. */
static bool release_next(struct feed *f, usec now)
{
	const struct sub *s = f->policy;
	size_t n;

	if (s->latest && f->events_out) /* whatever comes meanwhile replaces what waits */
		return false;
	if (s->latest && !s->batch)
		discard_all_but(f, &f->waiting, 1);
	if (!(n = next_size(f, s, now)))
		return false;
	if (!open_now(s, now))
		return closed(f, s, n, now);
	if (s->counted && f->events_out + f->uncommitted >= s->exc)
		return false;
	return rate_allows(f, s, now) && release(f, s, n, now);
}

void feed_run(struct feed *f, struct exec *x)
{
	alarm_clear(&f->n->alarms, &f->alarm);
	if (!f->fresh)
		read_policy(f, x);
	if (f->waiting.first)
		release_free(f, x->now);
	while (f->waiting.first && f->policy && release_next(f, x->now))
		;
	if (!f->waiting.first && f->window && f->policy && f->policy->rate && x->now < f->window + f->policy->rate_window)
		look_at(f, f->window + f->policy->rate_window); /* the count of this window must not be forgotten before its end */
}

bool feed_idle(const struct feed *f)
{
	for (const struct lane *l = f->lanes; l; l = l->next)
		if (l->ready)
			return false;
	return !f->waiting.first && !f->units && !f->uncommitted && !f->alarm.set && !f->dirty;
}

void feed_free(struct feed *f)
{
	struct item *i;

	alarm_clear(&f->n->alarms, &f->alarm);
	lanes_free(f);
	while ((i = pop(&f->waiting)))
		item_free(i);
	arena_reset(&f->arena);
	free(f);
}
