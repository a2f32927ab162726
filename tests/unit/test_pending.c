/* SPDX-License-Identifier: Apache-2.0 */
/* The result of what was acknowledged is entered, however long the writer or the store is not ready for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core_util.h"

static int hold(struct cse *t, const char *url, size_t nth)
{
	(void)t, (void)url, (void)nth;
	return HOLD;
}

static const struct how later = { .rcn = -1, .rt = RT_NONBLOCK_SYNC };

/* The address of the <request> in an acknowledgement; to be freed. */
static char *acknowledged(struct call *k)
{
	char *out, *uri, *end;

	must(call_end(k, &out), 1001);
	uri = strstr(out, "cse/");
	assert_non_null(uri);
	end = strchr(uri, '"');
	uri = copy(slice_of(uri, (size_t)(end - uri)));
	free(out);
	return uri;
}

static void expect_completed(struct cse *t, const char *uri, const char *part)
{
	for (usec until = clock_wall() + WAIT_S * USEC_S; clock_wall() < until; sched_yield()) {
		char *req = get(t, "Cae", uri);
		bool over = strstr(req, "\"rs\":1,") != NULL;

		if (over)
			expect_part(req, part);
		free(req);
		if (over)
			return;
	}
	fail_msg("%s stays PENDING", uri);
}

/* An AE that gets a Notify which was not waited for, and holds its answer back. */
static char *notify_somebody(struct cse *t)
{
	char *uri;

	must(call(t, OP_CREATE, "Cae", "cse", 2,
		  "{\"m2m:ae\":{\"rn\":\"ae\",\"api\":\"Nx\",\"rr\":true,\"srv\":[\"3\"],\"poa\":[\"test://ae\"]}}"), 2001);
	t->answer = hold;
	uri = acknowledged(begin_how(t, OP_NOTIFY, "Cae", "cse/ae", 0, "{\"m2m:sgn\":{\"sur\":\"x\"}}", &later));
	nth_sent_to(t, "test://ae", 0);
	return uri;
}

/* CORE-107: the queue of the writer is full when the result comes */
static void queue_full(void **state)
{
	struct cse *t = *state;
	struct own_job held, filler = { .first = RC_OK };
	unsigned most = t->cfg.limits.write_queue;
	char *uri = notify_somebody(t);

	own_init(&held, t, hold_run);
	own_submit(&held);
	own_init(&filler, t, own_run);
	own_submit(&filler);
	t->cfg.limits.write_queue = 1;
	reply(t, nth_sent_to(t, "test://ae", 0)->s, 2000, NULL);
	for (usec until = clock_wall() + WAIT_S * USEC_S; !atomic_load(&t->core->metrics.limit_write_queue); sched_yield())
		if (clock_wall() > until)
			fail_msg("the full queue was not met");
	t->cfg.limits.write_queue = most;
	sem_post(&held.go);
	own_end(&held);
	own_end(&filler);
	expect_completed(t, uri, "\"rsc\":2000");
	free(uri);
}

/* The same when the store cannot be written: the batch fails, and, after three that fail alone, the rest of it is not tried */
static void store_fails(void **state)
{
	struct cse *t = *state;
	struct own_job held, failing[4], last = { .first = RC_OK };
	char *uri = notify_somebody(t);

	own_init(&held, t, hold_run);
	own_submit(&held);
	for (int i = 0; i < 4; i++) {
		failing[i] = (struct own_job){ .first = RC_IO };
		own_init(&failing[i], t, own_run);
		own_submit(&failing[i]);
	}
	reply(t, nth_sent_to(t, "test://ae", 0)->s, 2000, NULL);
	own_init(&last, t, own_run);
	own_submit(&last); /* behind the job that enters the result */
	sem_post(&held.go);
	own_end(&held);
	for (int i = 0; i < 4; i++)
		own_end(&failing[i]);
	own_end(&last);
	assert_int_equal(last.job.rc, RC_IO);
	assert_int_equal(last.runs, 0);
	expect_completed(t, uri, "\"rsc\":2000");
	free(uri);
}

/* Over limits.parked a request is refused, and not acknowledged to be refused later */
static void no_room_to_wait(void **state)
{
	struct cse *t = *state;
	unsigned most = t->cfg.limits.parked;

	t->cfg.limits.parked = 0;
	must(call_how(t, OP_CREATE, ME, "cse", 3, "{\"m2m:cnt\":{\"rn\":\"c\"}}", &later, NULL), 5000);
	expect_part(last_refusal, "limits.parked");
	t->cfg.limits.parked = most;
	must(call(t, OP_RETRIEVE, ME, "cse/c", 0, NULL), 4004);
	free(acknowledged(begin_how(t, OP_CREATE, ME, "cse", 3, "{\"m2m:cnt\":{\"rn\":\"c\"}}", &later)));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cse_test(queue_full), cse_test(store_fails), cse_test(no_room_to_wait) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
