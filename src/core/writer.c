/* SPDX-License-Identifier: Apache-2.0 */
/* The writer thread: gathers jobs, runs them in one transaction, commits, reports (see writer.h).
 *
 * Batches grow by themselves: what arrives during a commit is the next batch. After an answer, clients that work in lock step send
 * again almost at once; taking the first of them alone would cost a commit for one job, so after a large batch the writer waits
 * for a fraction of the last commit's time until about as many have gathered again.
 *
 * What lives in memory and belongs to a transaction - the counter of ordinals, compiled policies, the number of the last change
 * of a policy - is put back when the transaction fails. While the store fails, the writer tries a small transaction now and then, so that
 * the CSE is healthy again when the cause has gone, even when nobody dares to write. */
#include "core/writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "authz/audit.h"
#include "base/log.h"
#include "core/core.h"
#include "core/notify/notify.h"
#include "loop/loop.h"

enum {
	BATCH = 512,            /* jobs in one transaction at most */
	BUDGET_BUSY = 200,      /* background removals along with jobs */
	BUDGET_IDLE = 2000,     /* and without */
	AUDIT_BYTES = 8 << 20,  /* of the events of one transaction */
	GIVE_UP_ALONE = 3,      /* failed commits in a row after which the rest of a batch is not tried */
};
static const usec gather_most = 500;             /* never wait longer than this for more jobs */
static const usec background_rest = 10 * USEC_S; /* after background work failed */
static const usec probe_pause = USEC_S;          /* between attempts while the store fails */

struct writer {
	struct core *core;
	pthread_t thread;
	/* shared, under lock */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct write_job *head, **tail;
	unsigned waiting, wanted; /* wanted: wake the writer when so many wait */
	bool stopping;
	/* of the thread */
	struct write_job *job[BATCH];
	struct tree_seq seq;
	struct policy_cache *policies;
	struct buf audit;         /* events of the current transaction */
	bool policies_changed, outbox_changed; /* in the current transaction */
	bool trash;               /* subtrees are left to be swept */
	usec next_due;            /* wall clock */
	usec background_after;    /* monotonic: not before */
	usec last_commit;         /* how long it took */
	unsigned last_batch;
};

/* --- called by others --- */

enum reeve_rc writer_submit(struct writer *w, struct write_job *j)
{
	enum reeve_rc rc = RC_OK;

	j->next = NULL;
	pthread_mutex_lock(&w->lock);
	if (w->waiting >= w->core->cfg->limits.write_queue || w->stopping) {
		rc = RC_LIMIT;
	} else {
		*w->tail = j;
		w->tail = &j->next;
		if (++w->waiting == w->wanted)
			pthread_cond_signal(&w->wake);
	}
	pthread_mutex_unlock(&w->lock);
	if (rc != RC_OK)
		metrics_inc(&w->core->metrics, limit_write_queue);
	return rc;
}

void writer_policies_changed(struct exec *x)
{
	struct writer *w = x->core->writer;

	w->policies_changed = true;
	policy_cache_clear(w->policies); /* what was compiled before in this same transaction */
}

void writer_outbox_changed(struct exec *x) { x->core->writer->outbox_changed = true; }

/* --- gathering --- */

static struct timespec mono_after(usec span)
{
	usec t = clock_mono() + span;
	return (struct timespec){ .tv_sec = t / USEC_S, .tv_nsec = (long)(t % USEC_S) * 1000 };
}

/* With the lock: sleep until so many jobs wait, the writer is to stop, or the time is over. */
static void sleep_for(struct writer *w, unsigned wanted, usec span)
{
	struct timespec until = mono_after(span);

	w->wanted = wanted;
	while (w->waiting < wanted && !w->stopping)
		if (pthread_cond_timedwait(&w->wake, &w->lock, &until))
			break;
	w->wanted = 0;
}

static bool background_waits(const struct writer *w)
{
	return (w->trash || w->next_due <= clock_wall()) && clock_mono() >= w->background_after;
}

/* How long there is nothing to do but wait for jobs. */
static usec idle_span(const struct writer *w)
{
	usec span = w->core->cfg->expiry_scan, due, rest;

	if (atomic_load(&w->core->store_failed))
		return probe_pause;
	due = w->next_due == USEC_NEVER ? span : w->trash ? 0 : w->next_due - clock_wall();
	rest = w->background_after - clock_mono();
	if (due < rest)
		due = rest;
	if (due < span)
		span = due;
	return span < USEC_MS ? USEC_MS : span;
}

/* Jobs of the next batch into w->job. 0 with *end false: there is time for background work. */
static unsigned take(struct writer *w, bool *end)
{
	unsigned n = 0;
	usec pause = w->last_commit / 4 < gather_most ? w->last_commit / 4 : gather_most;

	pthread_mutex_lock(&w->lock);
	if (w->waiting == 0 && !w->stopping && !background_waits(w))
		sleep_for(w, 1, idle_span(w));
	if (w->waiting > 0 && w->waiting < w->last_batch / 4 * 3)
		sleep_for(w, w->last_batch / 4 * 3, pause);
	while (w->head && n < BATCH) {
		w->job[n++] = w->head;
		w->head = w->head->next;
	}
	if (!w->head)
		w->tail = &w->head;
	w->waiting -= n;
	*end = w->stopping && n == 0;
	pthread_mutex_unlock(&w->lock);
	return n;
}

/* --- background work --- */

static enum reeve_rc on_swept(void *ctx, const struct res *r) { return exec_swept(ctx, r); }

static enum reeve_rc on_expired(void *ctx, const struct res *r)
{
	struct exec *x = ctx;
	enum reeve_rc rc = exec_expired(x, r);

	if (rc == RC_OK)
		metrics_inc(&x->core->metrics, expired);
	return rc;
}

static enum reeve_rc background(struct writer *w, struct exec *x, size_t budget)
{
	bool more = false;
	enum reeve_rc rc = RC_OK;

	x->internal = true;
	x->now = clock_wall();
	if (st_entries(x->tx, ST_TRASH) > 0)
		rc = tree_sweep(x->tx, budget, on_swept, x, &more);
	if (rc == RC_OK && tree_next_due(x->tx) <= x->now)
		rc = tree_due(x->tx, x->now, budget, on_expired, x, &more);
	x->internal = false;
	return rc;
}

/* --- transactions --- */

/* RC_OK when the transaction may go on. */
static enum reeve_rc run_job(struct write_job *j, struct exec *x)
{
	uint64_t changes = st_changes(x->tx);

	x->now = clock_wall();
	j->rc = j->run(j, x);
	metrics_inc(&x->core->metrics, written);
	if (j->rc == RC_OK || j->rc == RC_REFUSED)
		return RC_OK;
	if (j->rc == RC_FULL || j->rc == RC_IO || j->rc == RC_UNDO || st_changes(x->tx) != changes)
		return j->rc;
	return RC_OK;
}

/* Everything up to the commit. */
static enum reeve_rc fill(struct writer *w, struct exec *x, struct write_job **jobs, unsigned n, size_t budget, bool *by_background)
{
	uint64_t seq = w->seq.next;
	enum reeve_rc rc = RC_OK;

	for (unsigned i = 0; rc == RC_OK && i < n; i++)
		rc = run_job(jobs[i], x);
	if (rc == RC_OK && budget) {
		rc = background(w, x, budget);
		*by_background = rc != RC_OK;
	}
	if (rc == RC_OK && (w->seq.next != seq || (n == 0 && budget == 0)))
		rc = tree_seq_save(x->tx, &w->seq);
	if (rc == RC_OK) {
		w->trash = st_entries(x->tx, ST_TRASH) > 0;
		w->next_due = tree_next_due(x->tx);
	}
	return rc;
}

static enum reeve_rc commit(struct writer *w, struct st_tx *tx)
{
	usec begun = clock_mono();
	enum reeve_rc rc;

	if (st_changes(tx) == 0) {
		st_abort(tx);
		return RC_OK;
	}
	rc = st_commit(tx);
	w->last_commit = clock_mono() - begun;
	if (rc == RC_OK) {
		metrics_inc(&w->core->metrics, commits);
		if (atomic_exchange(&w->core->store_failed, false))
			log_info("store", "writing works again");
	}
	return rc;
}

static void failed(struct writer *w, enum reeve_rc rc)
{
	if (rc == RC_UNDO) /* a matter of one request, not of the store */
		return;
	metrics_inc(&w->core->metrics, commit_failures);
	if ((rc == RC_IO || rc == RC_FULL) && !atomic_exchange(&w->core->store_failed, true))
		log_error("store", "cannot be written (%s): %s", rc_name(rc), st_why(w->core->store));
}

/* What the commit made true, before anybody is answered. */
static void tell_audit(struct writer *w)
{
	if (w->audit.failed)
		log_error("audit", "events of one commit need more than %zu bytes: some are missing", w->audit.max);
	if (!w->audit.n)
		return;
	audit_add(w->core->audit, buf_view(&w->audit));
	audit_commit(w->core->audit);
}

/* Run n jobs and up to `budget` background removals in one transaction; n and budget 0: only try whether writing works. */
static enum reeve_rc transaction(struct writer *w, struct write_job **jobs, unsigned n, size_t budget, bool *by_background)
{
	struct exec x = { .core = w->core, .policies = w->policies, .seq = &w->seq, .write = true,
			  .audit = &w->audit };
	uint64_t seq = w->seq.next, changed = atomic_load(&w->core->policies_changed);
	enum reeve_rc rc = st_begin(w->core->store, &x.tx);

	w->policies_changed = w->outbox_changed = false;
	buf_clear(&w->audit);
	if (rc != RC_OK) {
		failed(w, rc);
		return rc;
	}
	rc = fill(w, &x, jobs, n, budget, by_background);
	if (rc == RC_OK && w->policies_changed) /* before the commit: no reader may see it later than the change */
		atomic_store(&w->core->policies_changed, st_version(x.tx));
	if (rc == RC_OK)
		rc = commit(w, x.tx);
	else
		st_abort(x.tx);
	if (rc == RC_OK) {
		tell_audit(w);
		if (w->outbox_changed && w->core->notifier)
			notifier_wake(w->core->notifier);
		return RC_OK;
	}
	w->seq.next = seq;
	w->trash = true; /* maybe: the next good transaction tells */
	policy_cache_clear(w->policies); /* compiled from what is not there, under a number that will be used again */
	atomic_store(&w->core->policies_changed, changed);
	failed(w, rc);
	return rc;
}

static void delivered(struct loop *to, struct loop_msg *m)
{
	struct write_job *j = (struct write_job *)m;
	(void)to;
	j->done(j, j->rc);
}

static void report(struct write_job *j)
{
	j->msg.fn = delivered;
	loop_post(j->home, &j->msg);
}

/* The batch failed: each job by itself. */
static void run_alone(struct writer *w, unsigned n)
{
	unsigned in_a_row = 0;
	bool unused;
	enum reeve_rc rc = RC_OK;

	for (unsigned i = 0; i < n; i++) {
		struct write_job *j = w->job[i];
		if (in_a_row < GIVE_UP_ALONE) {
			rc = transaction(w, &j, 1, 0, &unused);
			in_a_row = rc == RC_IO ? in_a_row + 1 : 0;
		}
		if (rc != RC_OK)
			j->rc = rc;
		report(j);
	}
}

static void run_batch(struct writer *w, unsigned n)
{
	bool try_background = background_waits(w), by_background = false;
	size_t budget = !try_background ? 0 : n ? BUDGET_BUSY : BUDGET_IDLE;
	enum reeve_rc rc;

	if (n == 0 && budget == 0 && !atomic_load(&w->core->store_failed))
		return;
	rc = transaction(w, w->job, n, budget, &by_background);
	if (by_background || (rc != RC_OK && n == 0)) {
		w->background_after = clock_mono() + background_rest;
		log_warn("store", "background work rests: %s", rc_name(rc));
	}
	if (n == 1 && rc != RC_OK && !by_background)
		w->job[0]->rc = rc; /* it was alone */
	else if (rc != RC_OK)
		run_alone(w, n);
	if (rc == RC_OK || (n == 1 && !by_background))
		for (unsigned i = 0; i < n; i++)
			report(w->job[i]);
	w->last_batch = n;
}

static void *run(void *arg)
{
	struct writer *w = arg;
	bool end = false;

	while (!end) {
		unsigned n = take(w, &end);
		if (!end)
			run_batch(w, n);
	}
	return NULL;
}

/* --- life --- */

static enum reeve_rc load_seq(struct writer *w)
{
	struct st_tx *tx;
	enum reeve_rc rc = st_reader_new(w->core->store, &tx);

	if (rc != RC_OK)
		return rc;
	rc = st_renew(tx);
	if (rc == RC_OK) {
		rc = tree_seq_load(tx, &w->seq);
		w->trash = st_entries(tx, ST_TRASH) > 0;
		w->next_due = tree_next_due(tx);
		st_release(tx);
	}
	st_reader_free(tx);
	return rc;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	policy_cache_free(w->policies);
	buf_free(&w->audit);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

enum reeve_rc writer_start(struct core *c, struct writer **out)
{
	struct writer *w = calloc(1, sizeof(*w));
	pthread_condattr_t attr;
	enum reeve_rc rc;

	if (!w)
		return RC_NOMEM;
	w->core = c;
	w->tail = &w->head;
	buf_init(&w->audit, AUDIT_BYTES);
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attr);
	pthread_condattr_destroy(&attr);
	w->policies = policy_cache_new(c->cfg->limits.policies_cached);
	rc = w->policies ? load_seq(w) : RC_NOMEM;
	if (rc == RC_OK) {
		*out = w; /* before the thread looks for it in c->writer */
		if (pthread_create(&w->thread, NULL, run, w))
			rc = RC_NOMEM;
	}
	if (rc != RC_OK) {
		*out = NULL;
		writer_free(w);
	}
	return rc;
}

void writer_stop(struct writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
}
