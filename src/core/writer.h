/* SPDX-License-Identifier: Apache-2.0 */
/* The writer: one thread, one transaction at a time, many jobs in each.
 *
 * Takes every job that is waiting, runs them in order in one transaction, commits once, and only then tells each
 * job's loop. While a commit waits for the disk the next batch gathers. When a batch fails (disk full, write error), each
 * job is run again in a transaction of its own, so that one that does not fit does not harm the others.
 *
 * Background work (sweeping removed subtrees, expiry) is done in small portions at the end of a batch, or alone when
 * there are no jobs. When it fails it rests for a while, and the jobs are run without it. */
#ifndef REEVE_CORE_WRITER_H
#define REEVE_CORE_WRITER_H

#include "core/exec.h"

struct writer;

struct write_job {
	struct loop_msg msg;      /* first: travels back as a message */
	struct write_job *next;
	/* In the writer's thread; may run twice (see above), so it starts from what it was given. With RC_OK or RC_REFUSED
	 * what it changed is kept; with any other code it is taken back. RC_FULL, RC_IO and RC_UNDO spoil the transaction. */
	enum reeve_rc (*run)(struct write_job *j, struct exec *x);
	/* On `home` after the commit (or its failure). */
	void (*done)(struct write_job *j, enum reeve_rc rc);
	struct loop *home;
	enum reeve_rc rc;
};

/* Pass &c->writer: code under exec finds the writer there. Needs cfg, store, notifier (may be NULL). Background work may begin at once. */
REEVE_MUST_CHECK enum reeve_rc writer_start(struct core *c, struct writer **out);
/* From any thread. RC_LIMIT when the queue is full: the job was not taken. */
REEVE_MUST_CHECK enum reeve_rc writer_submit(struct writer *w, struct write_job *j);
/* Finish what was submitted, then end the thread. Later submissions find the queue full. */
void writer_stop(struct writer *w);
/* After writer_stop, when nobody can submit any more. NULL is fine. */
void writer_free(struct writer *w);

/* For code under exec: this transaction changed a policy or a group; every cached policy is stale from it on. */
void writer_policies_changed(struct exec *x);
/* For code under exec: it put entries into the outbox; the notifier is woken after the commit. */
void writer_outbox_changed(struct exec *x);

#endif
