/* SPDX-License-Identifier: Apache-2.0 */
/* What the core keeps about a request while it works on it. Lives in the request's arena, private to src/core. */
#ifndef REEVE_CORE_WORK_H
#define REEVE_CORE_WORK_H

#include "core/alarm.h"
#include "core/core.h"
#include "core/draft.h"
#include "core/rights/rights.h"
#include "core/writer.h"

/* A request that waits on the hub, and nothing was begun for it (hub_wait). */
struct hub_waiting {
	struct hub_waiting *next, **link; /* link == NULL: it does not wait so */
	struct req *r;
	void (*release)(struct core *c, struct req *r, void *owner);
	void *owner;
};

struct req_work {
	struct write_job job;
	struct req *r;
	struct core *core;
	/* who: canonical absolute id of the Originator (empty while it has none: Create <AE>) */
	enum ident_kind who_kind;
	enum ident_form who_form;
	struct slice who;
	struct facts facts;       /* all but op and target */
	struct rights rights;     /* what it may rely on beside its name */
	const struct enquiry *enquiry; /* what is asked next at an authorization point elsewhere, and what was answered so far */
	struct enquiry_told *told;
	/* parsed times; 0 when not given */
	usec rqet, rset, oet, rp;
	/* content of Create and Update, parsed and checked against the model before it is known whether the request gets that far;
	 * a problem is told at step 6.4 only */
	const struct model_res *m;
	struct json json;
	uint32_t obj;             /* token of the resource's object */
	struct draft_attr *attrs;
	size_t n_attrs;
	int content_rsc;
	struct slice content_why;
	/* waiting on the hub */
	struct alarm alarm;
	usec wake_at;
	void (*then)(struct core *c, struct req *r);
	bool parked;              /* counts against limits.parked, */
	struct share *share;      /* and against that of its Originator */
	uint64_t ticket;          /* by which it is found on the hub when its requester goes (hub.c); 0: none is there who could */
	struct hub_waiting waiting;
	/* non-blocking (pending.h) */
	struct req *background;   /* of the request that asked: the copy that does the work */
	uint64_t pending;         /* such a copy: its key in ST_PENDING until it has a result; 0 */
	struct res_key request;   /* its <request>; n == 0: there is none */
	bool transit;             /* To is at another CSE */
	struct fan_far *far;      /* members of its group at other CSEs, still to be sent to (fanout_far.c) */
	struct slice far_group;
	struct plan *announced;   /* copies to be made at other CSEs (announce.c) */
	struct announcing *announcing;
	const struct profile *profile; /* what the IN-CSE said of the service subscription (profile.h) */
	bool asks_profile;        /* and is to be asked */
	bool asks_confirm;        /* registration of an S-type AE: the IN-CSE is to be asked (confirm.h) */
	struct slice wish;        /* for this AE-ID-Stem, or "S": it chooses one */
	struct slice confirmed;   /* the AE-ID-Stem that it confirmed */
	struct slice registree;   /* at the IN-CSE: From is a registrar's CSE-ID with this behind it: S, or an S-type stem (originator.c) */
	struct slice original;    /* rcn 7: the address of what is to be fetched */
	bool member;              /* a part of another request: not counted */
	bool internal;            /* the CSE's own: no checks of the Originator */
	bool preluded;            /* notify_prelude let it pass */
	bool awaited;             /* waited for an instance already (notify_await.c), or for an IPE */
	bool ipe_asked;           /* fu 3: the IPE was asked, and this is what it named (ipe.c) */
	const struct slice *named; size_t n_named;
	bool resumed;
	bool keeps;               /* refused, and what was written along with that is meant to stay */
};

/* The work of r, made on first use; NULL when the arena is full (5000 is recorded then). */
struct req_work *work_of(struct core *c, struct req *r);

/* Reception checks that need no store (dispatch.c), and the parsing of content. */
enum reeve_rc check_reception(struct core *c, struct req *r);
void check_content(struct core *c, struct req *r);
/* Who is it, and may he speak to us at all (originator.c)? Needs a snapshot. Steps 1.0 of TS-0004 7.3.2.1. */
enum reeve_rc check_originator(struct exec *x, struct req *r);

/* Operations (one file each): after resolution and the access decision. */
enum reeve_rc op_create(struct exec *x, struct req *r, const struct target *t);
enum reeve_rc op_retrieve(struct exec *x, struct req *r, const struct target *t);
enum reeve_rc op_update(struct exec *x, struct req *r, const struct target *t);
enum reeve_rc op_delete(struct exec *x, struct req *r, const struct target *t);

/* Steps shared by Create and Update (draft.c). */
enum reeve_rc draft_check_given(struct exec *x, struct req *r, bool create);
enum reeve_rc draft_finish(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d);

/* Non-blocking requests (nonblocking.c): make <request>, acknowledge, run the operation later. Runs on the loop of r. */
void nonblocking_begin(struct core *c, struct req *r);
/* Writer: the answer r has goes into its <request>. */
enum reeve_rc nonblocking_enter(struct exec *x, struct req *r);
/* n is a copy that does the work: it is dropped when it has its result. */
void nonblocking_adopt(struct req *n);
/* Begin its work, on the hub. */
void nonblocking_work(struct core *c, struct req *n);
/* The operation of r was handed over to another CSE: its <request> says FORWARDED. */
void nonblocking_forwarded(struct core *c, const struct req *r);
/* Enter a part of the result ({"m2m:agr":...}) into the <request> of r. done(n), with n->owner, on the hub when that is written; it
 * calls own_drop(n). False: it could not be begun, and done is not called. */
bool nonblocking_partial(struct core *c, const struct req *r, struct slice out, void (*done)(struct req *n), void *owner);

/* Send r back to its binding, from any thread. What was acknowledged before has its result entered first (pending.h). */
void answer(struct core *c, struct req *r);
/* The same when already on the loop of r and with nothing to enter. */
void answer_here(struct core *c, struct req *r);
/* Hand r to the writer. */
void submit_write(struct core *c, struct req *r);

#endif
