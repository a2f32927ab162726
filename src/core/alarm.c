/* SPDX-License-Identifier: Apache-2.0 */
/* A pairing heap of alarms over one libuv timer. */
#include "core/alarm.h"

/* The wall clock may be set while the timer runs on the monotonic one: look again at least this often. */
#define LONGEST_SLEEP (60 * USEC_S)

static struct alarm *meld(struct alarm *a, struct alarm *b)
{
	struct alarm *t;

	if (!a || !b)
		return a ? a : b;
	if (b->at < a->at) {
		t = a;
		a = b;
		b = t;
	}
	b->prev = a;
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	a->child = b;
	return a;
}

/* Merge a list of siblings: pairs from the left, then all pairs. */
static struct alarm *merge(struct alarm *list)
{
	struct alarm *pairs = NULL, *root = NULL;

	while (list) {
		struct alarm *a = list, *b = a->next;

		list = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct alarm *a = pairs;

		pairs = a->next;
		a->next = NULL;
		root = meld(root, a);
	}
	return root;
}

static void take_out(struct alarms *s, struct alarm *a)
{
	struct alarm *below = merge(a->child);

	if (a == s->root) {
		s->root = below;
	} else {
		if (a->prev->child == a)
			a->prev->child = a->next;
		else
			a->prev->next = a->next;
		if (a->next)
			a->next->prev = a->prev;
		s->root = meld(s->root, below);
	}
	a->child = a->next = a->prev = NULL;
	a->set = false;
}

static void rearm(struct alarms *s);

static void ring(uv_timer_t *t)
{
	struct alarms *s = t->data;
	usec now = clock_wall();

	s->armed = USEC_NEVER;
	while (s->root && s->root->at <= now && !s->stopped) {
		struct alarm *a = s->root;

		take_out(s, a);
		a->fn(a, now);
	}
	rearm(s);
}

static void rearm(struct alarms *s)
{
	usec at = s->root ? s->root->at : USEC_NEVER, now, wait;

	if (s->stopped || at >= s->armed)
		return; /* rings early at worst, and looks again then */
	now = clock_wall();
	wait = at <= now ? 0 : at - now;
	if (wait > LONGEST_SLEEP)
		wait = LONGEST_SLEEP;
	s->armed = at;
	uv_timer_start(&s->timer, ring, (uint64_t)((wait + USEC_MS - 1) / USEC_MS), 0);
}

enum reeve_rc alarms_init(struct alarms *s, uv_loop_t *l)
{
	*s = (struct alarms){ .armed = USEC_NEVER };
	if (uv_timer_init(l, &s->timer) != 0)
		return RC_NOMEM;
	s->timer.data = s;
	return RC_OK;
}

void alarms_stop(struct alarms *s)
{
	if (s->stopped)
		return;
	s->stopped = true;
	s->root = NULL;
	uv_timer_stop(&s->timer);
	if (!uv_is_closing((uv_handle_t *)&s->timer))
		uv_close((uv_handle_t *)&s->timer, NULL);
}

void alarm_set(struct alarms *s, struct alarm *a, usec at)
{
	if (a->set)
		take_out(s, a);
	if (at == USEC_NEVER || s->stopped)
		return;
	a->at = at;
	a->set = true;
	s->root = meld(s->root, a);
	rearm(s);
}

void alarm_clear(struct alarms *s, struct alarm *a)
{
	if (a->set && !s->stopped)
		take_out(s, a);
}
