/* SPDX-License-Identifier: Apache-2.0 */
/* The policies of a subscription between an event and its notification, and delivery: batches, rates, schedules, counters,
 * deletion, failing targets, restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "notify_util.h"

#define ON_CHILD "\"enc\":{\"net\":[3],\"chty\":[4]}"

static void schedule(struct cse *t, const char *to, const char *entry)
{
	char pc[256];
	snprintf(pc, sizeof(pc), "{\"m2m:sch\":{\"se\":{\"sce\":[\"%s\"]}}}", entry);
	must(call(t, OP_CREATE, ME, to, 18, pc), 2001);
}

static void reschedule(struct cse *t, const char *to, const char *entry)
{
	char pc[256];
	snprintf(pc, sizeof(pc), "{\"m2m:sch\":{\"se\":{\"sce\":[\"%s\"]}}}", entry);
	must(call(t, OP_UPDATE, ME, to, 0, pc), 2004);
}

#define NEVER "* * * * * * 2001"
#define ALWAYS "* * * * * * *"

/* CORE-190: one m2m:agn of num events, in order, and nothing before. */
static void batch_by_number(void **state)
{
	struct cse *t = *state;
	struct sent *s;
	char *one, *two, *three;

	container(t, "cse", "a");
	subscribe(t, "cse/a", "s", ON_CHILD ",\"bn\":{\"num\":3,\"dur\":\"PT1H\"}");
	instance(t, "cse/a", "one");
	instance(t, "cse/a", "two");
	instance(t, "cse/a", "three");
	s = next_sent(t);
	expect_part(s->pc, "{\"m2m:agn\":{\"m2m:sgn\":[{\"nev\":");
	one = strstr(s->pc, "\"con\":\"one\"");
	two = strstr(s->pc, "\"con\":\"two\"");
	three = strstr(s->pc, "\"con\":\"three\"");
	assert_true(one && two && three && one < two && two < three);
	assert_int_equal(t->n_sent, 1);
}

/* CORE-190: the duration ends a batch too, counted from its first event. CORE-191: with ln the newest alone is sent, as latest. */
static void batch_by_duration(void **state)
{
	struct cse *t = *state;
	struct sent *s;
	usec begun;

	container(t, "cse", "a");
	subscribe(t, "cse/a", "s", ON_CHILD ",\"bn\":{\"num\":100,\"dur\":\"PT0.3S\"},\"ln\":true");
	begun = clock_wall();
	instance(t, "cse/a", "one");
	instance(t, "cse/a", "two");
	s = next_sent(t);
	assert_true(s->when >= begun + 300 * USEC_MS);
	expect_part(s->pc, "\"con\":\"two\"");
	expect_no_part(s->pc, "\"con\":\"one\"");
	assert_int_equal(s->ec, 4);
}

/* CORE-192: mnn per window, the rest in the next. */
static void rate(void **state)
{
	struct cse *t = *state;

	container(t, "cse", "a");
	subscribe(t, "cse/a", "s", ON_CHILD ",\"rl\":{\"mnn\":2,\"tww\":\"PT0.4S\"}");
	for (int i = 0; i < 5; i++)
		instance(t, "cse/a", "x");
	struct sent *first = nth_sent(t, 0), *third = nth_sent(t, 2), *fifth = nth_sent(t, 4);
	assert_true(third->when >= first->when + 300 * USEC_MS); /* the window began a moment before the first went out */
	assert_true(fifth->when >= third->when + 300 * USEC_MS);
}

/* CORE-193: a closed schedule drops without pn, keeps the newest with 1 and all in order with 2; nec immediate ignores it. */
static void closed_schedule(void **state)
{
	struct cse *t = *state;
	static const char *const names[] = { "drop", "newest", "all", "now" };
	struct sent *s;
	char at[64];

	container(t, "cse", "a");
	subscribe(t, "cse/a", "drop", ON_CHILD);
	subscribe(t, "cse/a", "newest", ON_CHILD ",\"pn\":1");
	subscribe(t, "cse/a", "all", ON_CHILD ",\"pn\":2");
	subscribe(t, "cse/a", "now", ON_CHILD ",\"nec\":2");
	for (int i = 0; i < 4; i++) {
		snprintf(at, sizeof(at), "cse/a/%s", names[i]);
		schedule(t, at, NEVER);
	}
	for (int i = 1; i <= 3; i++)
		instance(t, "cse/a", (const char *[]){ "", "one", "two", "three" }[i]);
	for (size_t i = 0; i < 3; i++) {
		s = next_sent(t);
		assert_string_equal(s->url, "test://now");
		assert_int_equal(s->ec, 2);
	}
	for (int i = 0; i < 3; i++) {
		snprintf(at, sizeof(at), "cse/a/%s/notificationSchedule", names[i]);
		reschedule(t, at, ALWAYS);
	}
	s = nth_sent_to(t, "test://newest", 0);
	expect_part(s->pc, "\"con\":\"three\"");
	assert_int_equal(s->ec, 4);
	expect_part(nth_sent_to(t, "test://all", 0)->pc, "\"con\":\"one\"");
	expect_part(nth_sent_to(t, "test://all", 1)->pc, "\"con\":\"two\"");
	expect_part(nth_sent_to(t, "test://all", 2)->pc, "\"con\":\"three\"");
	instance(t, "cse/a", "four");
	s = nth_sent_to(t, "test://drop", 0);
	expect_part(s->pc, "\"con\":\"four\"");
	expect_part(nth_sent_to(t, "test://newest", 1)->pc, "\"con\":\"four\"");
}

/* CORE-193: pn taken away drops what was kept; 2 changed to 1 leaves the newest. */
static void pending_policy_changes(void **state)
{
	struct cse *t = *state;

	container(t, "cse", "a");
	subscribe(t, "cse/a", "gone", ON_CHILD ",\"pn\":2");
	subscribe(t, "cse/a", "fewer", ON_CHILD ",\"pn\":2");
	schedule(t, "cse/a/gone", NEVER);
	schedule(t, "cse/a/fewer", NEVER);
	instance(t, "cse/a", "one");
	instance(t, "cse/a", "two");
	must(call(t, OP_UPDATE, ME, "cse/a/gone", 0, "{\"m2m:sub\":{\"pn\":null}}"), 2004);
	must(call(t, OP_UPDATE, ME, "cse/a/fewer", 0, "{\"m2m:sub\":{\"pn\":1}}"), 2004);
	must(call(t, OP_UPDATE, ME, "cse/a/gone", 0, "{\"m2m:sub\":{\"pn\":2}}"), 2004);
	must(call(t, OP_UPDATE, ME, "cse/a/fewer", 0, "{\"m2m:sub\":{\"pn\":2}}"), 2004);
	must(call(t, OP_DELETE, ME, "cse/a/gone/notificationSchedule", 0, NULL), 2002);
	must(call(t, OP_DELETE, ME, "cse/a/fewer/notificationSchedule", 0, NULL), 2002);
	instance(t, "cse/a", "three");
	expect_part(nth_sent_to(t, "test://gone", 0)->pc, "\"con\":\"three\"");
	expect_part(nth_sent_to(t, "test://fewer", 0)->pc, "\"con\":\"two\"");
	expect_part(nth_sent_to(t, "test://fewer", 1)->pc, "\"con\":\"three\"");
}

/* CORE-189: exc counts down with successes and ends the subscription; su is told (CORE-194). */
static void counter(void **state)
{
	struct cse *t = *state;
	struct sent *s;
	char *got;

	container(t, "cse", "a");
	subscribe(t, "cse/a", "s", ON_CHILD ",\"exc\":2,\"su\":\"test://su\"");
	instance(t, "cse/a", "one");
	nth_sent_to(t, "test://s", 0);
	for (;;) { /* the count follows the answer */
		got = get(t, ME, "cse/a/s");
		bool counted = strstr(got, "\"exc\":1") != NULL;
		free(got);
		if (counted)
			break;
	}
	for (int i = 0; i < 5; i++)
		instance(t, "cse/a", "more");
	s = nth_sent_to(t, "test://su", 0);
	expect_part(s->pc, "\"sud\":true");
	expect_part(s->pc, "\"sur\":\"/reeve/cse/a/s\"");
	assert_int_equal(sent_to(t, "test://s"), 2);
	must(call(t, OP_RETRIEVE, ME, "cse/a/s", 0, NULL), 4004);
}

/* CORE-194: su and every acrs hear of the end, by Delete and with the parent; an acrs taken out hears it too. */
static void deletion_notices(void **state)
{
	struct cse *t = *state;
	struct sent *s;

	container(t, "cse", "a");
	subscribe(t, "cse/a", "s", "\"su\":\"test://su\",\"acrs\":[\"test://x\",\"test://y\"]");
	must(call(t, OP_UPDATE, ME, "cse/a/s", 0, "{\"m2m:sub\":{\"acrs\":[\"test://y\"]}}"), 2004);
	s = next_sent(t);
	assert_string_equal(s->url, "test://x");
	expect_part(s->pc, "\"sud\":true");
	expect_part(s->pc, "\"sur\":\"/reeve/cse/a/s\"");
	must(call(t, OP_DELETE, ME, "cse/a/s", 0, NULL), 2002);
	expect_part(nth_sent_to(t, "test://su", 0)->pc, "\"sud\":true");
	expect_part(nth_sent_to(t, "test://y", 0)->pc, "\"sud\":true");
	subscribe(t, "cse/a", "s2", "\"su\":\"test://su2\"");
	must(call(t, OP_DELETE, ME, "cse/a", 0, NULL), 2002);
	expect_part(nth_sent_to(t, "test://su2", 0)->pc, "\"sud\":true");
	assert_int_equal(t->n_sent, 4);
}

/* CORE-195: what a subscription kept back goes with it. */
static void kept_ones_go(void **state)
{
	struct cse *t = *state;

	container(t, "cse", "a");
	subscribe(t, "cse/a", "s", ON_CHILD ",\"pn\":2,\"su\":\"test://su\"");
	schedule(t, "cse/a/s", NEVER);
	instance(t, "cse/a", "one");
	must(call(t, OP_DELETE, ME, "cse/a/s", 0, NULL), 2002);
	nth_sent_to(t, "test://su", 0);
	subscribe(t, "cse/a", "s", ON_CHILD); /* same name, same target */
	instance(t, "cse/a", "two");
	expect_part(nth_sent_to(t, "test://s", 0)->pc, "\"con\":\"two\"");
}

/* --- delivery --- */

static int fails_at_first(struct cse *t, const char *url, size_t nth)
{
	size_t tries = 0;

	(void)nth;
	for (size_t i = 0; i < t->n_sent; i++)
		tries += strcmp(t->sent[i].url, url) == 0;
	if (strcmp(url, "test://bad") == 0 && tries <= 3)
		return tries == 1 ? NO_CONNECTION : tries == 2 ? NO_ANSWER : 5000;
	return 2000;
}

/* A failing target is tried again, in order, and holds up no other subscription. */
static void retries(void **state)
{
	struct cse *t = *state;

	t->answer = fails_at_first;
	container(t, "cse", "a");
	subscribe(t, "cse/a", "bad", ON_CHILD);
	subscribe(t, "cse/a", "good", ON_CHILD);
	instance(t, "cse/a", "one");
	instance(t, "cse/a", "two");
	nth_sent_to(t, "test://good", 1);
	for (size_t i = 0; i < 4; i++)
		expect_part(nth_sent_to(t, "test://bad", i)->pc, "\"con\":\"one\"");
	expect_part(nth_sent_to(t, "test://bad", 4)->pc, "\"con\":\"two\"");
	assert_int_equal(atomic_load(&t->core->metrics.notifications_failed), 3);
}

static int refuses(struct cse *t, const char *url, size_t nth)
{
	(void)t, (void)url;
	return nth == 1 ? 4103 : 2000;
}

/* A target that refuses got the message: it is not sent again. */
static void refused_ones_are_not_repeated(void **state)
{
	struct cse *t = *state;

	t->answer = refuses;
	container(t, "cse", "a");
	subscribe(t, "cse/a", "s", ON_CHILD);
	instance(t, "cse/a", "one");
	instance(t, "cse/a", "two");
	expect_part(next_sent(t)->pc, "\"con\":\"one\"");
	expect_part(next_sent(t)->pc, "\"con\":\"two\"");
}

static int dead(struct cse *t, const char *url, size_t nth)
{
	(void)t, (void)nth;
	return strcmp(url, "test://dead") == 0 ? NO_CONNECTION : 2000;
}

/* After notify.give_up it is dropped and counted; limits.outbox_per_sub bounds what one subscription may pile up. */
static void gives_up_and_bounds(void **state)
{
	struct cse *t = *state;

	core_stop(t->core);
	t->cfg.notify.give_up = 100 * USEC_MS;
	t->cfg.limits.outbox_per_sub = 3;
	cse_start(t);
	t->answer = dead;
	container(t, "cse", "a");
	subscribe(t, "cse/a", "dead", ON_CHILD);
	for (int i = 0; i < 10; i++)
		instance(t, "cse/a", "x");
	while (atomic_load(&t->core->metrics.notifications_dropped) == 0)
		free(get(t, ME, "cse/a"));
	assert_true(atomic_load(&t->core->metrics.limit_outbox) > 0);
}

static int holds(struct cse *t, const char *url, size_t nth)
{
	(void)t, (void)url, (void)nth;
	return HOLD;
}

/* limits.outbox_bytes: few large ones fill it; what was delivered makes room */
static void bounded_by_bytes(void **state)
{
	struct cse *t = *state;
	char con[1001];
	struct sent *first;
	size_t n;

	memset(con, 'x', 1000);
	con[1000] = 0;
	t->cfg.limits.outbox_bytes = 6000;
	t->answer = holds;
	container(t, "cse", "a");
	subscribe(t, "cse/a", "s", ON_CHILD);
	for (n = 0; !atomic_load(&t->core->metrics.limit_outbox); n++) { /* the hub may be a little behind */
		char pc[1100];

		assert_true(n < 2000);
		snprintf(pc, sizeof(pc), "{\"m2m:cin\":{\"con\":\"%s\"}}", con);
		must(call(t, OP_CREATE, ME, "cse/a", 4, pc), 2001);
	}
	assert_true(n > 3);
	first = nth_sent(t, 0);
	t->answer = NULL;
	reply(t, first->s, 2000, NULL);
	while (atomic_load(&t->core->metrics.notifications_sent) < n - 1) /* all but what was dropped */
		free(get(t, ME, "cse/a"));
	instance(t, "cse/a", "again");
	expect_part(nth_sent(t, n - 1)->pc, "\"con\":\"again\"");
}

/* What was not confirmed is sent again after a restart, in order; what was confirmed and removed is not. */
static void restart(void **state)
{
	struct cse *t = *state;

	container(t, "cse", "a");
	subscribe(t, "cse/a", "s", ON_CHILD);
	instance(t, "cse/a", "zero");
	expect_part(nth_sent(t, 0)->pc, "\"con\":\"zero\"");
	while (atomic_load(&t->core->metrics.notifications_sent) == 0)
		free(get(t, ME, "cse/a"));
	t->answer = holds;
	instance(t, "cse/a", "one");
	instance(t, "cse/a", "two");
	expect_part(nth_sent(t, 1)->pc, "\"con\":\"one\"");
	core_stop(t->core);
	cse_forget_sent(t);
	t->answer = NULL;
	cse_start(t);
	while (!strstr(nth_sent_to(t, "test://s", t->taken)->pc, "\"con\":\"one\"")) /* "zero" may come twice: at least once is promised */
		t->taken++;
	assert_true(t->taken <= 1);
	expect_part(nth_sent_to(t, "test://s", t->taken + 1)->pc, "\"con\":\"two\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cse_test(batch_by_number), cse_test(batch_by_duration), cse_test(rate), cse_test(closed_schedule),
		cse_test(pending_policy_changes), cse_test(counter), cse_test(deletion_notices), cse_test(kept_ones_go),
		cse_test(retries), cse_test(refused_ones_are_not_repeated), cse_test(gives_up_and_bounds), cse_test(bounded_by_bytes), cse_test(restart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
