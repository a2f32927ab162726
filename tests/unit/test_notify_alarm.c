/* SPDX-License-Identifier: Apache-2.0 */
/* Alarms of the hub: they ring in order of time, can be moved and cleared, and may set or clear others while ringing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/alarm.h"

enum { MANY = 500 };

struct bell {
	struct alarm alarm; /* first */
	usec due;
	int rang;
};

static struct alarms set;
static usec last;
static int count;

static void rings(struct alarm *a, usec now)
{
	struct bell *b = (struct bell *)a;

	assert_true(b->due <= now);
	assert_true(b->due >= last);
	last = b->due;
	b->rang++;
	count++;
}

static void finish(uv_loop_t *l)
{
	alarms_stop(&set);
	uv_run(l, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(l), 0);
}

static void test_order(void **state)
{
	static struct bell b[MANY];
	usec now = clock_wall();
	uv_loop_t l;

	(void)state;
	uv_loop_init(&l);
	assert_int_equal(alarms_init(&set, &l), RC_OK);
	last = 0;
	count = 0;
	for (int i = 0; i < MANY; i++) {
		b[i] = (struct bell){ .alarm.fn = rings, .due = now - USEC_S + i * 7919 % 1009 };
		alarm_set(&set, &b[i].alarm, b[i].due + USEC_S * 3600); /* somewhere first, then where it belongs */
		alarm_set(&set, &b[i].alarm, b[i].due);
	}
	for (int i = 0; i < MANY; i += 3)
		alarm_clear(&set, &b[i].alarm);
	while (count < MANY - (MANY + 2) / 3)
		uv_run(&l, UV_RUN_ONCE);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(b[i].rang, i % 3 != 0);
	assert_null(set.root);
	finish(&l);
}

static struct bell first, second;

static void moves_the_other(struct alarm *a, usec now)
{
	(void)a;
	count++;
	alarm_clear(&set, &second.alarm);
	second.due = now;
	alarm_set(&set, &second.alarm, now);
}

static void test_from_within(void **state)
{
	uv_loop_t l;
	usec now = clock_wall();

	(void)state;
	uv_loop_init(&l);
	assert_int_equal(alarms_init(&set, &l), RC_OK);
	last = 0;
	count = 0;
	first = (struct bell){ .alarm.fn = moves_the_other, .due = now };
	second = (struct bell){ .alarm.fn = rings, .due = now + USEC_S * 3600 };
	alarm_set(&set, &second.alarm, second.due);
	alarm_set(&set, &first.alarm, now); /* nearer than what the timer is armed for */
	while (count < 2)
		uv_run(&l, UV_RUN_ONCE);
	assert_int_equal(second.rang, 1);
	alarm_set(&set, &first.alarm, USEC_NEVER);
	assert_false(first.alarm.set);
	finish(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_from_within),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
