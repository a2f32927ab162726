/* SPDX-License-Identifier: Apache-2.0 */
/* The index of roles, and what role repositories say: asked once for all who wait, kept within bounds, read by every thread while the hub changes it (the
 * ThreadSanitizer step runs this). What a claim is worth is tested end to end (tests/e2e/test_roles.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/rights/role_repository.h"
#include "notify_util.h"

#define REPOSITORY "/far/base"
enum { HOLDERS = 64, READERS = 3, ROUNDS = 400 };

/* One text for the answer to the Discovery and to the Retrieve. */
static const char *const both = "{\"m2m:uril\":[\"base/r1\"],\"m2m:rol\":{\"rlid\":\"guest@far.example\",\"tkis\":\"Cauthority\",\"tkhd\":\"/reeve/C1\","
				"\"tknb\":\"20200101T000000\",\"tkna\":\"20990101T000000\"}}";

static void far_registers(struct cse *t)
{
	t->content = both;
	must(call(t, OP_CREATE, "/far", "cse", 16, "{\"m2m:csr\":{\"rn\":\"far\",\"cb\":\"/far/base\",\"rr\":true,\"srv\":[\"3\"],\"poa\":[\"test://far\"]}}"), 2001);
}

static struct slice holder(char out[64], unsigned i)
{
	return slice_of(out, (size_t)snprintf(out, 64, "//reeve.local/reeve/C%u", i));
}

/* --- asking, on the hub --- */

struct question {
	struct loop_msg msg;
	struct waiter wait;
	struct cse *t;
	char who[64];
	struct slice holder;
	sem_t begun, done;
	bool asked, leave;
};

static void told(struct waiter *w)
{
	sem_post(&((struct question *)((char *)w - offsetof(struct question, wait)))->done);
}

static void ask(struct loop *l, struct loop_msg *m)
{
	struct question *q = (struct question *)m;

	(void)l;
	if (q->leave)
		waiter_leave(&q->wait);
	else
		q->asked = role_repository_ask(q->t->core, S(REPOSITORY), q->holder, &q->wait);
	sem_post(&q->begun);
}

static void wait_sem(sem_t *s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	if (sem_timedwait(s, &until) != 0)
		fail_msg("nothing came");
}

static struct question *begin(struct cse *t, unsigned who)
{
	struct question *q = calloc(1, sizeof(*q));

	q->t = t;
	q->holder = holder(q->who, who);
	q->wait.done = told;
	q->msg.fn = ask;
	sem_init(&q->begun, 0, 0);
	sem_init(&q->done, 0, 0);
	loop_post(&t->core->loops[0], &q->msg);
	wait_sem(&q->begun);
	return q;
}

static void leave(struct question *q)
{
	q->leave = true;
	loop_post(&q->t->core->loops[0], &q->msg);
	wait_sem(&q->begun);
}

static void end(struct question *q, bool wait)
{
	if (wait)
		wait_sem(&q->done);
	sem_destroy(&q->begun);
	sem_destroy(&q->done);
	free(q);
}

static enum role_answer look(struct cse *t, unsigned who, size_t *n)
{
	struct role_seen seen[4];
	enum role_answer answer;
	struct arena a;
	char text[64];

	arena_init(&a, NULL, 0, 1 << 16);
	answer = role_repository_look(t->core, S(REPOSITORY), holder(text, who), S("guest@far.example"), &a, seen, 4, n);
	for (size_t i = 0; i < *n; i++)
		if (!slice_eq(seen[i].role.issuer, S("//reeve.local/far/Cauthority")) || !slice_eq(seen[i].role.holder, S("//reeve.local/reeve/C1")) ||
		    !slice_eq(seen[i].address, S("/far/base/r1")))
			abort();
	arena_reset(&a);
	return answer;
}

/* --- tests --- */

static int hold(struct cse *t, const char *url, size_t nth)
{
	(void)t, (void)url, (void)nth;
	return HOLD;
}

/* AUTHZ-151: the same question is asked once; From is this CSE. What is asked at a time is bounded. */
static void shared(void **state)
{
	struct cse *t = *state;
	struct question *one, *two, *other;
	struct send *s;
	size_t n;

	far_registers(t);
	t->cfg.roles.fetches = 1;
	t->answer = hold;
	one = begin(t, 1);
	two = begin(t, 1);
	other = begin(t, 2);
	assert_true(one->asked && two->asked);
	assert_false(other->asked);
	assert_int_equal(atomic_load(&t->core->metrics.role_fetches), 1);
	assert_int_equal(atomic_load(&t->core->metrics.limit_role_fetches), 1);
	assert_int_equal(look(t, 1, &n), ROLE_NOT_ASKED);
	assert_string_equal(nth_sent(t, 0)->fr, "/reeve");
	leave(two); /* its request expired */
	pthread_mutex_lock(&t->lock);
	s = t->sent[0].s;
	t->sent[0].s = NULL;
	t->answer = NULL;
	pthread_mutex_unlock(&t->lock);
	reply(t, s, 2000, both);
	wait_sem(&one->done);
	assert_int_equal(t->n_sent, 2);
	assert_int_equal(look(t, 1, &n), ROLE_ANSWERED);
	assert_int_equal(n, 1);
	assert_int_equal(sem_trywait(&two->done), -1);
	end(one, false);
	end(two, false);
	end(other, false);
}

/* AUTHZ-152: no answer is an answer of its own; and what is kept is bounded, the oldest goes. */
static void bounded(void **state)
{
	struct cse *t = *state;
	size_t n;

	far_registers(t);
	t->cfg.roles.cache = 2;
	for (unsigned i = 1; i <= 3; i++)
		end(begin(t, i), true);
	assert_int_equal(look(t, 1, &n), ROLE_NOT_ASKED);
	assert_int_equal(look(t, 2, &n), ROLE_ANSWERED);
	assert_int_equal(look(t, 3, &n), ROLE_ANSWERED);
	t->content = "no JSON";
	end(begin(t, 4), true);
	assert_int_equal(look(t, 4, &n), ROLE_ANSWERED);
	assert_int_equal(n, 0);
	must(call(t, OP_DELETE, "/far", "cse/far", 0, NULL), 2002);
	end(begin(t, 5), true);
	assert_int_equal(look(t, 5, &n), ROLE_NO_ANSWER);
	t->cfg.roles.refusal_time = 0; /* that there is none is kept for so long only */
	assert_int_equal(look(t, 5, &n), ROLE_NOT_ASKED);
	assert_int_equal(look(t, 4, &n), ROLE_NOT_ASKED);
}

/* The end comes while a repository is asked, and somebody waits. */
static void ends_meanwhile(void **state)
{
	struct cse *t = *state;
	struct question *q;

	far_registers(t);
	t->answer = hold;
	q = begin(t, 1);
	assert_true(q->asked);
	core_stop(t->core);
	t->core = NULL;
	end(q, false);
}

/* --- the index of the roles that are here --- */

static uint64_t entries(struct cse *t)
{
	struct st_tx *tx;
	uint64_t n;

	assert_int_equal(st_reader_new(t->core->store, &tx), RC_OK);
	assert_int_equal(st_renew(tx), RC_OK);
	n = st_entries(tx, ST_ROLE);
	st_release(tx);
	st_reader_free(tx);
	return n;
}

static void make_role(struct cse *t, const char *parent, const char *name, const char *more)
{
	char pc[512];

	snprintf(pc, sizeof(pc), "{\"m2m:rol\":{\"rn\":\"%s\",\"rlid\":\"a@b.example\",\"tkis\":\"CAdmin\",\"tkhd\":\"C\\u0031\","
		 "\"tknb\":\"20200101T000000\",\"tkna\":\"20990101T000000\"%s}}", name, more);
	must(call(t, OP_CREATE, "CAdmin", parent, 31, pc), 2001);
}

/* Entries go with their resource: by Delete, by its expiry, and with what it hangs below. */
static void index_follows(void **state)
{
	char soon[TEXT_TIMESTAMP_MAX + 1] = "", more[64];
	struct cse *t = *state;

	make_role(t, "cse", "r1", "");
	assert_int_equal(entries(t), 1);
	must(call(t, OP_UPDATE, "CAdmin", "cse/r1", 0, "{\"m2m:rol\":{\"lbl\":[\"x\"]}}"), 2004);
	assert_int_equal(entries(t), 1);
	must(call(t, OP_DELETE, "CAdmin", "cse/r1", 0, NULL), 2002);
	assert_int_equal(entries(t), 0);
	text_timestamp_write(clock_wall() + USEC_S, soon);
	snprintf(more, sizeof(more), ",\"et\":\"%s\"", soon);
	make_role(t, "cse", "r2", more);
	must(call(t, OP_CREATE, "CAdmin", "cse", 37, "{\"m2m:auif\":{\"rn\":\"all\"}}"), 2001);
	make_role(t, "cse/all", "r3", "");
	make_role(t, "cse/all", "r4", "");
	must(call(t, OP_DELETE, "CAdmin", "cse/all", 0, NULL), 2002);
	for (int i = 0; entries(t) && i < WAIT_S * 100; i++) /* expiry and sweep are background work */
		usleep(10000);
	assert_int_equal(entries(t), 0);
}

struct reader { pthread_t thread; struct cse *t; unsigned first; };
static _Atomic bool stop_reading;
static _Atomic size_t found;

static void *read_on(void *p)
{
	struct reader *r = p;
	size_t n;

	for (unsigned i = r->first; !atomic_load(&stop_reading); i++) {
		(void)look(r->t, i % HOLDERS, &n);
		atomic_fetch_add(&found, n);
	}
	return NULL;
}

static void many_threads(void **state)
{
	struct cse *t = *state;
	struct reader r[READERS] = { 0 };

	far_registers(t);
	t->cfg.roles.cache = HOLDERS / 2;
	atomic_store(&stop_reading, false);
	atomic_store(&found, 0);
	for (unsigned i = 0; i < READERS; i++) {
		r[i].t = t;
		r[i].first = i * 7;
		assert_int_equal(pthread_create(&r[i].thread, NULL, read_on, &r[i]), 0);
	}
	for (unsigned i = 0; i < ROUNDS || (!atomic_load(&found) && i < 1000u * ROUNDS); i++) { /* until a reader met one that is there */
		end(begin(t, i % HOLDERS), true);
		pthread_mutex_lock(&t->lock); /* readers may wait long for their turn, and the record of what was sent is bounded */
		cse_forget_sent(t);
		pthread_mutex_unlock(&t->lock);
	}
	atomic_store(&stop_reading, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(r[i].thread, NULL);
	assert_true(found > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cse_test(shared),
		cse_test(bounded),
		cse_test(ends_meanwhile),
		cse_test(many_threads),
		cse_test(index_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
