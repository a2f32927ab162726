/* SPDX-License-Identifier: Apache-2.0 */
/* Loop threads over libuv, and messages between them.
 *
 * Connections belong to the loop that accepted them; work crosses threads only as messages. Loop 0 is the hub:
 * everything that waits on the network for somebody else (notifications, polling channels, timers of requests) lives there. */
#ifndef REEVE_LOOP_LOOP_H
#define REEVE_LOOP_LOOP_H

#include <pthread.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/rc.h"

struct loop;

/* Embedded in what travels. Delivered in order per sender. */
struct loop_msg {
	struct loop_msg *next;
	void (*fn)(struct loop *to, struct loop_msg *m); /* runs on the receiving loop */
};

/* Embedded in what has to clean up on its loop before the loop ends. */
struct loop_hook {
	struct loop_hook *next;
	void (*fn)(struct loop *l, struct loop_hook *h);
};

enum { LOOP_INPUT = 65536 };

struct loop {
	uv_loop_t uv;
	unsigned index;
	void *data;        /* the core's per-loop state */
	/* Room for whoever runs on this loop, until it returns or calls out: one for all connections, as one is worked on at a time. */
	char input[LOOP_INPUT];
	struct buf output;
	/* private */
	pthread_t thread;
	uv_async_t wake;
	_Atomic(struct loop_msg *) inbox; /* newest first */
	_Atomic _Bool stop;
	struct loop_hook *hooks;
};

REEVE_MUST_CHECK enum reeve_rc loop_init(struct loop *l, unsigned index);
/* Run in a thread of its own until loop_stop. */
REEVE_MUST_CHECK enum reeve_rc loop_start(struct loop *l);
/* Run in the calling thread until loop_stop. */
void loop_run(struct loop *l);
/* From any thread: the loop delivers what was posted before, runs its stop hooks, closes its remaining handles (without telling their
 * owners: who must know uses a hook) and returns. */
void loop_stop(struct loop *l);
void loop_join(struct loop *l);
/* After the loop has ended (or was never run). Nobody may post any more. Messages nobody received are not delivered. */
void loop_close(struct loop *l);

/* From any thread, also the loop's own (then it is delivered in a later turn). */
void loop_post(struct loop *to, struct loop_msg *m);

/* On the loop only: call h->fn once when the loop stops, last registered first, while handles may still be closed with callbacks. */
void loop_at_stop(struct loop *l, struct loop_hook *h);

#endif
