/* SPDX-License-Identifier: Apache-2.0 */
/* Requests the CSE sends: notifications, verification, what it asks of other CSEs, and what it forwards. Runs on the hub loop only.
 *
 *   NOTIFY to a URL             { .op = OP_NOTIFY, .target = S("http://das:8080/x"), .pc = ... }
 *   NOTIFY to an <AE>           { .op = OP_NOTIFY, .target = S("C123") } or S("/in1/C123")
 *   RETRIEVE at another CSE     { .op = OP_RETRIEVE, .target = S("/in1/inbase/role7") }
 *   UPDATE at a known address   { .op = OP_UPDATE, .target = S("http://in:8080"), .to = S("/in1/inbase/pdp1"), .pc = ... }
 *   further parameters (discovery, Role IDs ...): fill in an own_request (own.h) and give it as .with */
#ifndef REEVE_CORE_OUTBOUND_H
#define REEVE_CORE_OUTBOUND_H

#include "core/request.h"

struct core;

struct outbound {
	/* Who gets it: a URL; or the oneM2M identifier of an <AE> here (its poa in order, or its polling channel), or of anything at
	 * another CSE: the <remoteCSE> with that CSE-ID, else the Registrar CSE, is asked to pass it on. */
	struct slice target;
	struct slice to;         /* To; empty: target itself. With a URL, it also tells which CSE is there (send.entity) */
	struct slice fr;         /* From; empty: the CSE-ID */
	struct slice rqi;        /* empty: a new one */
	struct slice pc;         /* content as JSON text: {"m2m:sgn":{...}}; empty: none */
	enum op op;
	int64_t ty;              /* of Create; 0: as the content says */
	enum serial serial;      /* SERIAL_NONE: by csz of the target or ct= of the URL, else JSON */
	int ec;                  /* 0 none */
	usec timeout;            /* span; 0: the configured one */
	const struct req *with;  /* NULL, or what has the parameters not named here (rcn, fc, rids, rt, times ...); lives until done */
	bool blocking;           /* not its Response Type, however: this is a blocking request */
	bool to_self;            /* Notify: this CSE tells itself, too; it knows most things already */
	bool from_registrar;     /* it came from there and must not go back: without another way the answer is 4004 */
	/* called once on the hub, maybe before outbound_send returns: the answer; 5103 when nobody could be reached, 4008 when nobody
	 * answered in time, 4004 when no way leads there. The text of rsp ends with the call. */
	void (*done)(struct outbound *o, const struct rsp *rsp);
	void *owner;
};

/* Copies target, to, fr, rqi and pc; *o itself must live until done. */
void outbound_send(struct core *c, struct outbound *o);

#endif
