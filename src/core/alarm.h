/* SPDX-License-Identifier: Apache-2.0 */
/* Moments at which something on the hub has to happen: retries, ends of windows, expiry of what waits.
 *
 * One libuv timer serves a heap of embedded alarms, so that ten thousand subscriptions need neither ten
 * thousand handles nor any memory at the moment an alarm is set. Times are wall time, because what is waited for (schedules, rqet,
 * durations that must survive a restart) is wall time. Hub only. */
#ifndef REEVE_CORE_ALARM_H
#define REEVE_CORE_ALARM_H

#include <stdbool.h>
#include <uv.h>

#include "base/clock.h"
#include "base/rc.h"

struct alarm {
	usec at;
	void (*fn)(struct alarm *a, usec now); /* once; may set it again, or free what it is part of */
	/* private: a pairing heap */
	struct alarm *child, *next, *prev;     /* prev: elder sibling, or the parent of an eldest child */
	bool set;
};

struct alarms {
	struct alarm *root;
	uv_timer_t timer;
	usec armed; /* what the timer is set for; USEC_NEVER when it is not */
	bool stopped;
};

REEVE_MUST_CHECK enum reeve_rc alarms_init(struct alarms *s, uv_loop_t *l);
/* Nothing rings any more; the timer is closed. */
void alarms_stop(struct alarms *s);
/* Set, or set anew. USEC_NEVER clears. a->fn must be there. */
void alarm_set(struct alarms *s, struct alarm *a, usec at);
void alarm_clear(struct alarms *s, struct alarm *a);

#endif
