/* SPDX-License-Identifier: Apache-2.0 */
/* Loop threads and their inboxes.
 *
 * The inbox is a lock-free stack: senders push, the loop takes the whole stack at once and turns it around, so messages
 * of one sender arrive in the order they were sent. Only the sender that finds the inbox empty wakes the loop: the others know that
 * a wake-up is on its way that will see their message too. */
#include "loop/loop.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

/* Deliver what is in the inbox now; true when there was something. */
static bool drain(struct loop *l)
{
	struct loop_msg *m = atomic_exchange_explicit(&l->inbox, NULL, memory_order_acquire), *in_order = NULL;
	bool any = m != NULL;

	while (m) {
		struct loop_msg *next = m->next;
		m->next = in_order;
		in_order = m;
		m = next;
	}
	while (in_order) {
		struct loop_msg *next = in_order->next; /* the message is the receiver's from here on */
		in_order->fn(l, in_order);
		in_order = next;
	}
	return any;
}

static void close_one(uv_handle_t *h, void *unused)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void on_wake(uv_async_t *wake)
{
	struct loop *l = wake->data;

	drain(l);
	if (!atomic_load_explicit(&l->stop, memory_order_acquire) || uv_is_closing((uv_handle_t *)wake))
		return;
	while (drain(l))
		;
	while (l->hooks) {
		struct loop_hook *h = l->hooks;
		l->hooks = h->next;
		h->fn(l, h);
	}
	uv_walk(&l->uv, close_one, NULL);
}

enum reeve_rc loop_init(struct loop *l, unsigned index)
{
	memset(l, 0, sizeof(*l));
	l->index = index;
	buf_init(&l->output, 2 * LOOP_INPUT);
	if (uv_loop_init(&l->uv))
		return RC_IO;
	if (uv_async_init(&l->uv, &l->wake, on_wake)) {
		uv_loop_close(&l->uv);
		return RC_IO;
	}
	l->wake.data = l;
	l->uv.data = l;
	return RC_OK;
}

void loop_run(struct loop *l)
{
	sigset_t pipe;

	/* libuv writes to sockets without MSG_NOSIGNAL: a peer that has gone must be an error code, not the end of the process. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	/* What was posted while the handles closed still reaches its receiver, which may have opened a handle upon it. */
	while (drain(l)) {
		uv_walk(&l->uv, close_one, NULL);
		uv_run(&l->uv, UV_RUN_DEFAULT);
	}
}

static void *thread_main(void *arg)
{
	struct loop *l = arg;
	char name[16];

	snprintf(name, sizeof(name), "loop-%u", l->index);
	pthread_setname_np(pthread_self(), name);
	loop_run(l);
	return NULL;
}

enum reeve_rc loop_start(struct loop *l)
{
	sigset_t all, old;
	int rc;

	/* Signals are for the thread that started the program. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&l->thread, NULL, thread_main, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc ? RC_NOMEM : RC_OK;
}

void loop_stop(struct loop *l)
{
	atomic_store_explicit(&l->stop, true, memory_order_release);
	uv_async_send(&l->wake);
}

void loop_join(struct loop *l)
{
	pthread_join(l->thread, NULL);
}

void loop_close(struct loop *l)
{
	uv_walk(&l->uv, close_one, NULL);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	uv_loop_close(&l->uv);
	buf_free(&l->output);
}

void loop_post(struct loop *to, struct loop_msg *m)
{
	struct loop_msg *head = atomic_load_explicit(&to->inbox, memory_order_relaxed);

	do
		m->next = head;
	while (!atomic_compare_exchange_weak_explicit(&to->inbox, &head, m, memory_order_release, memory_order_relaxed));
	if (!head)
		uv_async_send(&to->wake);
}

void loop_at_stop(struct loop *l, struct loop_hook *h)
{
	h->next = l->hooks;
	l->hooks = h;
}
