/* SPDX-License-Identifier: Apache-2.0 */
/* Loops: messages of many senders arrive once each and in order per sender, stopping delivers what was posted before it, hooks run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>

#include "loop/loop.h"

enum { SENDERS = 4, EACH = 20000 };

struct note {
	struct loop_msg msg;
	unsigned sender, number;
};

static unsigned next_of[SENDERS], out_of_order, received;
static struct loop target;

static void receive(struct loop *to, struct loop_msg *m)
{
	struct note *n = (struct note *)m;

	if (to != &target || n->number != next_of[n->sender])
		out_of_order++;
	next_of[n->sender] = n->number + 1;
	received++;
	free(n); /* the message belongs to its receiver */
}

static void *send_all(void *arg)
{
	unsigned sender = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < EACH; i++) {
		struct note *n = malloc(sizeof(*n));
		if (!n)
			abort();
		*n = (struct note){ .msg.fn = receive, .sender = sender, .number = i };
		loop_post(&target, &n->msg);
	}
	return NULL;
}

static void many_senders(void **state)
{
	pthread_t t[SENDERS];

	assert_int_equal(loop_init(&target, 3), RC_OK);
	assert_int_equal(loop_start(&target), RC_OK);
	for (unsigned i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, send_all, (void *)(uintptr_t)i), 0);
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(t[i], NULL);
	loop_stop(&target); /* everything posted before must still arrive */
	loop_join(&target);
	loop_close(&target);
	assert_int_equal(received, SENDERS * EACH);
	assert_int_equal(out_of_order, 0);
}

/* A message posted by a receiver to its own loop, then the loop stops itself from within. */
static unsigned bounced;
static struct note ball;
static char hook_order[3];
static unsigned hooks_run;

static void bounce(struct loop *to, struct loop_msg *m)
{
	if (++bounced < 10)
		loop_post(to, m);
	else
		loop_stop(to);
}

static void hook_a(struct loop *l, struct loop_hook *h) { hook_order[hooks_run++] = 'a'; }
static void hook_b(struct loop *l, struct loop_hook *h) { hook_order[hooks_run++] = 'b'; }

static void never(uv_timer_t *t) { abort(); }

static void own_loop(void **state)
{
	struct loop_hook a = { .fn = hook_a }, b = { .fn = hook_b };
	uv_timer_t left_open;
	struct loop l;

	assert_int_equal(loop_init(&l, 0), RC_OK);
	loop_at_stop(&l, &a);
	loop_at_stop(&l, &b);
	uv_timer_init(&l.uv, &left_open); /* must not keep the loop alive */
	uv_timer_start(&left_open, never, 1000 * 3600, 0);
	ball.msg.fn = bounce;
	loop_post(&l, &ball.msg);
	loop_run(&l);
	loop_close(&l);
	assert_int_equal(bounced, 10);
	assert_int_equal(hooks_run, 2);
	assert_memory_equal(hook_order, "ba", 2);
}

static void never_run(void **state)
{
	struct loop l;

	assert_int_equal(loop_init(&l, 1), RC_OK);
	assert_int_equal(l.index, 1);
	loop_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_senders),
		cmocka_unit_test(own_loop),
		cmocka_unit_test(never_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
