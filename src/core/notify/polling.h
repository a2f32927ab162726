/* SPDX-License-Identifier: Apache-2.0 */
/* Polling channels (TS-0004 7.4.21, 7.4.22, 7.5.1.2.7): requests for an <AE> that cannot be reached wait here until it fetches them
 * by a long poll, and its answers come back as Notify to pcu. All of it lives on the hub and in memory:
 * who sent the request still waits for its answer, and repeats it after a restart, be it this CSE (outbox, pending.h) or another. */
#ifndef REEVE_CORE_POLLING_H
#define REEVE_CORE_POLLING_H

#include "core/alarm.h"
#include "core/exec.h"
#include "core/types.h"

/* Retrieve and Notify of pcu, on the hub. Both end with core_resume, Retrieve maybe later. Of t only the key of
 * <pollingChannel> is used. */
void polling_retrieve(struct core *c, struct req *r, const struct target *t);
void polling_notify(struct core *c, struct req *r, const struct target *t);

extern const struct type_hooks type_polling_channel;

/* --- for outbound.c --- */

struct polled {
	struct alarm alarm;      /* its deadline */
	struct polled *next, *prev;
	struct channel *channel;
	bool handed;             /* out with the AE, waiting for its answer */
	struct slice rqi;
	struct slice primitive;  /* members of m2m:rqp, without braces */
	struct slice replaces;   /* of those that have the same text here, and that nobody fetched yet, the newest is kept; empty: none */
	/* once: the answer, 4008 when the deadline came first; never before polling_enqueue returned */
	void (*done)(struct polled *p, const struct rsp *rsp);
};

/* Queue p (its rqi, primitive and done set; it must live until done). RC_LIMIT: limits.polled. */
REEVE_MUST_CHECK enum reeve_rc polling_enqueue(struct core *c, uint64_t channel, struct polled *p, usec deadline);

struct polling;
struct polling *polling_new(void);
void polling_free(struct polling *p);

#endif
