/* SPDX-License-Identifier: Apache-2.0 */
/* A whole CSE in the test's process, pushed to its limits: requests with little memory, on any loop, run twice by the writer. Include
 * after cmocka.h. */
#ifndef REEVE_TESTS_CORE_UTIL_H
#define REEVE_TESTS_CORE_UTIL_H

#include <sched.h>

#include "notify_util.h"

#include "base/hash.h"
#include "core/work.h"
#include "store/store.h"

/* How a request differs from those of call_begin. Zero: as there. */
struct how {
	unsigned loop;
	size_t arena, out;       /* ceilings; arena counts from nothing */
	bool small;              /* arena and out are meant, even 0 */
	int rcn;                 /* -1: none given */
	enum resp_type rt;
	const char *gid;
};
static const struct how plainly = { .rcn = -1 };

static inline struct call *begin_how(struct cse *t, enum op op, const char *fr, const char *to, int ty, const char *pc, const struct how *h)
{
	struct call *k = calloc(1, sizeof(*k));
	struct req *r = &k->r;
	struct loop *l = &t->core->loops[h->loop];

	k->t = t;
	sem_init(&k->done, 0, 0);
	req_init(r, l, h->small ? h->arena : 1 << 20, h->small ? h->out : 1 << 20);
	if (h->small) /* the first block is used up */
		r->arena.cur = r->arena.end;
	r->op = op;
	r->fr = slice_str(fr);
	r->to = slice_str(to);
	r->rqi = S("t1");
	r->peer = (struct peer){ .ip = { [15] = 1 }, .ip_known = true, .open = t->cfg.http.open }; /* from this machine */
	r->rvi = S("3");
	if (ty) {
		r->ty = ty;
		r->has |= HAS_TY;
	}
	if (h->rcn >= 0) {
		r->rcn = h->rcn;
		r->has |= HAS_RCN;
	}
	r->rt = h->rt;
	if (h->gid)
		r->gid = slice_str(h->gid);
	r->pc = slice_str(pc);
	r->pc_serial = SERIAL_JSON;
	r->received = clock_wall();
	r->done = call_over;
	r->owner = k;
	k->msg.fn = call_on_loop;
	loop_post(l, &k->msg);
	return k;
}

static inline int call_how(struct cse *t, enum op op, const char *fr, const char *to, int ty, const char *pc, const struct how *h, char **out)
{
	return call_end(begin_how(t, op, fr, to, ty, pc, h), out);
}

/* As call_end, for several threads at a time: the answer's code only; 0 when there is none. */
static inline int quiet_end(struct call *k)
{
	struct timespec until;
	int rsc;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	if (sem_timedwait(&k->done, &until) != 0)
		return 0;
	rsc = k->r.rsc;
	req_free(&k->r);
	sem_destroy(&k->done);
	free(k);
	return rsc;
}

/* --- what the store holds --- */

/* A number that changes when any entry of any table does. */
static inline uint64_t store_print(struct cse *t)
{
	uint64_t print = 0;
	struct st_tx *tx;

	assert_int_equal(st_reader_new(t->core->store, &tx), RC_OK);
	assert_int_equal(st_renew(tx), RC_OK);
	for (int table = 0; table < ST_TABLES; table++) {
		struct st_cursor c;
		enum reeve_rc rc;

		assert_int_equal(st_cursor_open(tx, (enum st_table)table, &c), RC_OK);
		for (rc = st_seek(&c, (struct slice){ NULL, 0 }); rc == RC_OK; rc = st_next(&c)) {
			uint64_t parts[3] = { print, hash_slice(c.key), hash_slice(c.value) };
			print = hash_mem(parts, sizeof(parts)) + (uint64_t)table;
		}
		st_cursor_close(&c);
	}
	st_release(tx);
	st_reader_free(tx);
	return print;
}

/* Wait until the notifier is done with what making subscriptions gave it to do. */
static inline void outbox_settle(struct cse *t)
{
	struct st_tx *tx;
	uint64_t left = 1;

	assert_int_equal(st_reader_new(t->core->store, &tx), RC_OK);
	for (usec until = clock_wall() + WAIT_S * USEC_S; left && clock_wall() < until;) {
		assert_int_equal(st_renew(tx), RC_OK);
		left = st_entries(tx, ST_OUTBOX);
		st_release(tx);
		sched_yield();
	}
	st_reader_free(tx);
	assert_int_equal(left, 0);
}

/* --- the writer runs things twice --- */

/* A job that is none of a request. */
struct own_job {
	struct write_job job;
	struct cse *t;
	sem_t entered, go, done;
	unsigned runs, ran;      /* ran: how many of `calls` had been run before the first run */
	struct call **calls; unsigned n_calls;
	enum reeve_rc first;     /* of the first run; the others are RC_OK */
	void (*second)(struct own_job *j, struct exec *x); /* done in the second run */
};

static inline void own_wait(sem_t *s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	if (sem_timedwait(s, &until) != 0)
		fail_msg("a job of the test was never run");
}

static inline void own_done(struct write_job *j, enum reeve_rc rc)
{
	(void)rc;
	sem_post(&((struct own_job *)j)->done);
}

static inline enum reeve_rc hold_run(struct write_job *j, struct exec *x)
{
	struct own_job *o = (struct own_job *)j;

	(void)x;
	sem_post(&o->entered);
	while (sem_wait(&o->go) != 0)
		;
	return RC_OK;
}

static inline enum reeve_rc own_run(struct write_job *j, struct exec *x)
{
	struct own_job *o = (struct own_job *)j;

	if (++o->runs == 1) {
		for (unsigned i = 0; i < o->n_calls; i++)
			o->ran += o->calls[i]->r.rsc || o->calls[i]->r.out.n;
		return o->first;
	}
	if (o->runs == 2 && o->second)
		o->second(o, x);
	return RC_OK;
}

static inline void own_init(struct own_job *o, struct cse *t, enum reeve_rc (*run)(struct write_job *, struct exec *))
{
	sem_init(&o->entered, 0, 0);
	sem_init(&o->go, 0, 0);
	sem_init(&o->done, 0, 0);
	o->t = t;
	o->job = (struct write_job){ .run = run, .done = own_done, .home = &t->core->loops[0] };
}

struct own_msg { struct loop_msg msg; struct own_job *o; };

static inline void own_on_loop(struct loop *l, struct loop_msg *m)
{
	struct own_job *o = ((struct own_msg *)m)->o;

	(void)l;
	free(m);
	if (writer_submit(o->t->core->writer, &o->job) != RC_OK)
		abort();
	if (o->job.run == own_run)
		sem_post(&o->entered);
}

/* Submit o behind everything that was posted to the first loop before; waits until it is in the queue (own_run), or running (hold_run). */
static inline void own_submit(struct own_job *o)
{
	struct own_msg *m = calloc(1, sizeof(*m));

	*m = (struct own_msg){ .msg.fn = own_on_loop, .o = o };
	loop_post(&o->t->core->loops[0], &m->msg);
	own_wait(&o->entered);
}

static inline void own_end(struct own_job *o)
{
	own_wait(&o->done);
	sem_destroy(&o->entered);
	sem_destroy(&o->go);
	sem_destroy(&o->done);
}

/* From batch_begin to batch_end, what goes to the writer gathers in one batch. That batch fails at its last job, with `why`, after
 * everything in it was run; then each is run again. */
struct batch { struct own_job hold, spoil; };

static inline void batch_begin(struct batch *b, struct cse *t)
{
	*b = (struct batch){ .hold.runs = 0 };
	own_init(&b->hold, t, hold_run);
	own_submit(&b->hold);
}

/* k: requests in the batch; each was run before it failed, or the test would prove nothing. */
static inline void batch_end(struct batch *b, struct cse *t, enum reeve_rc why, struct call **k, unsigned n)
{
	own_init(&b->spoil, t, own_run);
	b->spoil.first = why;
	b->spoil.calls = k;
	b->spoil.n_calls = n;
	own_submit(&b->spoil);
	sem_post(&b->hold.go);
	own_end(&b->hold);
	own_end(&b->spoil);
	assert_int_equal(b->spoil.runs, 2);
	assert_int_equal(b->spoil.ran, n);
}

#endif
