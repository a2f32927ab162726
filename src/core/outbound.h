/* SPDX-License-Identifier: Apache-2.0 */
/* Requests the CSE sends: notifications, verification, re-targeted Notify. Runs on the hub loop only. */
#ifndef REEVE_CORE_OUTBOUND_H
#define REEVE_CORE_OUTBOUND_H

#include "core/request.h"

struct core;

struct outbound {
	struct slice target;     /* URL, or the oneM2M identifier of an <AE> (its poa in order, or its polling channel) */
	struct slice fr;         /* From; empty: the CSE-ID */
	struct slice pc;         /* content as JSON text: {"m2m:sgn":{...}} */
	enum op op;              /* OP_NOTIFY */
	enum serial serial;      /* SERIAL_NONE: by csz of the target or ct= of the URL, else JSON */
	int ec;                  /* 0 none */
	usec timeout;            /* span; 0: the configured one */
	/* called once on the hub: rsc of the answer, 5103 when nobody could be reached, 4008 when nobody answered in time;
	 * answer's content or empty */
	void (*done)(struct outbound *o, int rsc, struct slice pc);
	void *owner;
};

/* Copies what it needs from target, fr and pc; *o itself must live until done. */
void outbound_send(struct core *c, struct outbound *o);

#endif
