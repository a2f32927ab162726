/* SPDX-License-Identifier: Apache-2.0 */
/* The receiver procedure (TS-0004 7.2.2.2), from reception to the place where a request is executed.
 *
 *   loop of the connection   reception checks, identity (originator.c), Hosting or transit, parsing of content;
 *                            Retrieve is executed here, from a snapshot
 *   hub                      what has to wait: oet, blocking updates, verification, long polls, Notify
 *   writer                   identity once more, then steps 6.2 to 6.7 inside the transaction
 */
#include "core/cse/announce.h"
#include "core/group/fanout.h"
#include "core/cse/forward.h"
#include "core/hub.h"
#include "core/discover/ipe.h"
#include "core/notify/notify.h"
#include "core/pending.h"
#include "core/points/points.h"
#include "core/notify/polling.h"
#include "core/registration/confirm.h"
#include "core/registration/profile.h"
#include "core/rights/claims.h"
#include "core/rights/rights.h"
#include "core/rights/tokens.h"
#include "core/work.h"

struct req_work *work_of(struct core *c, struct req *r)
{
	if (r->work)
		return r->work;
	r->work = arena_zalloc(&r->arena, sizeof(*r->work));
	if (!r->work) {
		metrics_inc(&c->metrics, limit_memory);
		req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
		return NULL;
	}
	r->work->r = r;
	r->work->core = c;
	return r->work;
}

/* --- step 1.0: what needs no store --- */

static bool rcn_valid(const struct req *r)
{
	/* bit n: rcn n; core.md section 5 */
	static const unsigned valid[] = {
		[OP_CREATE] = 1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 9,
		[OP_RETRIEVE] = 1u << 1 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 10,
		[OP_UPDATE] = 1u << 0 | 1u << 1 | 1u << 9,
		[OP_DELETE] = 1u << 0 | 1u << 1 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 8,
		[OP_NOTIFY] = 0,
	};
	if (!(r->has & HAS_RCN))
		return true;
	if (r->op == OP_RETRIEVE && (r->fc.fu == 1 || r->fc.fu == 3))
		return r->rcn == 6;
	return r->rcn >= 0 && r->rcn < 32 && valid[r->op] >> r->rcn & 1;
}

/* Parameters that are not permitted with the operation (NP in model/parameters.json). */
static enum reeve_rc check_permitted(struct req *r)
{
	if (r->op == OP_CREATE && r->has & HAS_FC)
		return req_refuse(r, 4000, "filter criteria are not permitted in Create");
	if (r->op != OP_RETRIEVE && r->has & HAS_DRT)
		return req_refuse(r, 4000, "drt is permitted in Retrieve only");
	if (r->op == OP_NOTIFY && r->has & (HAS_ASI | HAS_AUS | HAS_AURI | HAS_FC | HAS_RP | HAS_GRTM))
		return req_refuse(r, 4000, "fc, rp, grtm, asi, aus and auri are not permitted in Notify");
	if (!rcn_valid(r))
		return req_refuse(r, 4000, "rcn %d is not valid for this operation", r->rcn);
	if (r->has & HAS_DRT && r->drt != 1 && r->drt != 2)
		return req_refuse(r, 4000, "drt: 1 (structured) or 2 (unstructured)");
	if (r->op == OP_CREATE && !(r->has & HAS_TY))
		return req_refuse(r, 4000, "ty is missing: Create needs a resource type");
	if (r->op == OP_CREATE && !model_is_type(r->ty))
		return req_refuse(r, 4000, "ty: not a resource type");
	return RC_OK;
}

static enum reeve_rc check_supported(struct req *r)
{
	if (r->has & HAS_SQI || (r->has & HAS_RCN && r->rcn == 10) || r->fc.smf.n)
		return req_refuse(r, 5001, "semantic queries are not supported");
	if (r->rt == RT_NO_RESPONSE)
		return req_refuse(r, 5001, "rt 5 (noResponse) is not supported");
	return RC_OK;
}

/* Step 1.0 of TS-0004 7.3.2.1 as far as it needs no store; the checks of From come first (check_originator). */
enum reeve_rc check_reception(struct core *c, struct req *r)
{
	struct req_work *w = work_of(c, r);

	if (!w)
		return RC_REFUSED;
	if (r->bad.p)
		return req_refuse(r, 4000, "%.*s", SF(r->bad));
	if (!r->rqi.p || !r->rqi.n)
		return req_refuse(r, 4000, "the request identifier is missing");
	if (check_permitted(r) != RC_OK)
		return RC_REFUSED;
	if (r->want == SERIAL_NONE || r->want == SERIAL_XML)
		return req_refuse(r, 5207, "none of the serializations asked for is supported: json and cbor are");
	if (r->pc_bad_serial || r->pc_serial == SERIAL_XML)
		return req_refuse(r, 4015, "the serialization of the content is not supported: json and cbor are");
	return RC_OK;
}

/* Checks that apply at the Hosting CSE only. */
static enum reeve_rc check_hosting(struct core *c, struct req *r)
{
	static const char *const served[] = { "1", "2", "2a", "3" };

	for (size_t i = 0; r->rvi.p && i <= sizeof(served) / sizeof(served[0]); i++) {
		if (i == sizeof(served) / sizeof(served[0]))
			return req_refuse(r, 4001, "rvi \"%.*s\": releases 2a and 3 are served", SF(r->rvi));
		if (slice_eq(r->rvi, slice_str(served[i])))
			break;
	}
	return claims_check(c, r) == RC_OK ? check_supported(r) : RC_REFUSED;
}

/* --- ways --- */

static void count(struct core *c, const struct req *r)
{
	static const size_t at[] = {
		[OP_NONE] = offsetof(struct metrics, requests_notify),
		[OP_CREATE] = offsetof(struct metrics, requests_create),
		[OP_RETRIEVE] = offsetof(struct metrics, requests_retrieve),
		[OP_UPDATE] = offsetof(struct metrics, requests_update),
		[OP_DELETE] = offsetof(struct metrics, requests_delete),
		[OP_NOTIFY] = offsetof(struct metrics, requests_notify),
	};
	_Atomic uint64_t *counter = (void *)((char *)&c->metrics + at[r->op]);

	if (r->work && r->work->member)
		return;
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
	if (r->rsc >= 5000)
		metrics_inc(&c->metrics, answers_5xxx);
	else if (r->rsc >= 4000)
		metrics_inc(&c->metrics, answers_4xxx);
	else
		metrics_inc(&c->metrics, answers_2xxx);
}

static void arrive(struct loop *l, struct loop_msg *m)
{
	struct req *r = (struct req *)((char *)m - offsetof(struct req, msg));
	(void)l;
	r->done(r);
}

void answer(struct core *c, struct req *r)
{
	if (!r->rsc)
		req_refuse(r, 5000, "the request ended without an answer");
	if (r->rsc >= 4000 && !r->passed)
		buf_clear(&r->out);
	if (r->work && r->work->pending) { /* refused before the writer, or a Notify */
		pending_answer(c, r);
		return;
	}
	hub_leave(c, r);
	tokens_end(r);
	count(c, r);
	r->msg.fn = arrive;
	loop_post(r->home, &r->msg);
}

void answer_here(struct core *c, struct req *r)
{
	if (r->rsc >= 4000 && !r->passed)
		buf_clear(&r->out);
	hub_leave(c, r);
	tokens_end(r);
	count(c, r);
	r->done(r);
}

static enum reeve_rc run_write(struct write_job *j, struct exec *x)
{
	struct req *r = ((struct req_work *)j)->r;
	struct exec mine = *x;
	enum reeve_rc rc;

	mine.internal = r->work->internal;
	r->rsc = 0; /* a second run starts anew */
	r->dbg = r->location = r->tqf = (struct slice){ NULL, 0 };
	r->asri = false;
	r->cnst = 0;
	r->cnot = 0;
	r->created = 0;
	buf_clear(&r->out);
	r->work->rights.waits = NULL;
	r->work->rights.run++;
	r->work->far = NULL;
	r->work->announced = NULL;
	if (r->work->pending && !pending_wanted(&mine, r))
		return RC_OK; /* cancelled */
	rc = check_originator(&mine, r);
	if (rc == RC_OK)
		rc = exec_request(&mine, r);
	if (rc == RC_AGAIN && rights_waits(r)) /* nothing is changed before the access decision */
		return RC_OK;
	if (rc == RC_AGAIN)
		rc = req_refuse(r, 5001, "this operation is not possible here");
	if (rc == RC_FULL || rc == RC_IO || rc == RC_UNDO)
		return rc;
	if (r->rsc >= 4000) {
		r->work->far = NULL;
		r->work->announced = NULL;
	}
	return r->work->pending && !r->work->far ? pending_finish(&mine, r) : RC_OK;
}

static void wrote(struct write_job *j, enum reeve_rc rc)
{
	struct req *r = ((struct req_work *)j)->r;
	struct core *c = r->work->core;

	if (rc == RC_OK && rights_waits(r)) {
		hub_run(c, r, rights_wait);
		return;
	}
	if (rc == RC_OK && (r->work->far || r->work->announced)) {
		if (!r->work->far)
			r->work->pending = 0; /* it has happened, whatever becomes of its copies */
		hub_run(c, r, r->work->far ? fanout_far : announce);
		return;
	}
	if (rc != RC_OK && (rc != RC_UNDO || r->rsc < 4000)) {
		r->rsc = 0;
		buf_clear(&r->out);
		req_refuse(r, 5000, "nothing was changed: the store could not be written (%s: %s)", rc_name(rc), st_why(c->store));
	}
	if (rc != RC_OK && r->work->pending) { /* its result was taken back along with it, or there was no room for it */
		answer(c, r);
		return;
	}
	r->work->pending = 0;
	if (!r->rsc)
		r->rsc = 5000;
	if (r->rsc >= 4000 && r->work->confirmed.n) {
		hub_run(c, r, confirm_undo);
		return;
	}
	answer_here(c, r);
}

void submit_write(struct core *c, struct req *r)
{
	struct req_work *w = r->work;

	w->job = (struct write_job){ .run = run_write, .done = wrote, .home = r->home };
	if (writer_submit(c->writer, &w->job) == RC_OK)
		return;
	if (w->pending) { /* acknowledged, so it cannot be told to try again */
		hub_again(c, r, clock_wall() + QUEUE_PAUSE, submit_write);
		return;
	}
	req_refuse(r, 5000, "too many changes are waiting (limits.write_queue); try again later");
	answer(c, r);
}

/* --- on the hub --- */

static void hub_exec(struct core *c, struct exec *x)
{
	struct core_loop *l = &c->per_loop[0];
	*x = (struct exec){ .core = c, .tx = l->reader, .policies = l->policies, .now = clock_wall() };
}

static void after_hub(struct core *c, struct req *r)
{
	struct exec x;
	struct target t;
	enum reeve_rc rc;

	if (st_renew(c->per_loop[0].reader) != RC_OK) {
		req_refuse(r, 5000, "the store could not be read");
		answer(c, r);
		return;
	}
	hub_exec(c, &x);
	x.internal = r->work->internal;
	rc = exec_resolve(&x, r, &t);
	if (rc == RC_OK && r->op >= OP_CREATE && r->op <= OP_DELETE && r->op != OP_RETRIEVE) {
		r->work->preluded = true;
		rc = notify_prelude(&x, r, &t);
		st_release(c->per_loop[0].reader);
		if (rc == RC_OK)
			submit_write(c, r);
		else if (rc != RC_AGAIN)
			answer(c, r);
		return;
	}
	st_release(c->per_loop[0].reader);
	if (rc != RC_OK)
		answer(c, r);
	else if (t.virt == VIRT_PCU && r->op == OP_RETRIEVE)
		polling_retrieve(c, r, &t);
	else if (t.virt == VIRT_PCU)
		polling_notify(c, r, &t);
	else if (t.virt == VIRT_FOPT && r->op == OP_NOTIFY)
		fanout_notify(c, r);
	else if (r->op == OP_RETRIEVE && r->fc.fu == 3)
		ipe_ask(c, r);
	else if (r->op == OP_RETRIEVE)
		notify_await(c, r, &t);
	else
		notify_retarget(c, r, &t);
}

void core_resume(struct core *c, struct req *r)
{
	if (r->rsc)
		answer(c, r);
	else
		submit_write(c, r);
}

/* --- the entrance --- */

/* Does a change have to ask somebody first? Only resources with subscriptions, and subscriptions to be verified, do. */
static bool needs_prelude(struct exec *x, struct req *r)
{
	struct target t;

	if (r->op == OP_CREATE)
		return r->ty == TYPE_SUBSCRIPTION && x->core->cfg->verify_subscriptions;
	return exec_lookup(x, r->to, &t) == RC_OK && (t.virt ? t.virt == VIRT_NTSR : t.res.h.n_subs > 0);
}

static enum reeve_rc route(struct exec *x, struct req *r)
{
	struct slice local, cse;

	switch (ident_route(&r->arena, &x->core->home, r->to, &local, &cse)) {
	case WHERE_HERE:
		return check_hosting(x->core, r);
	case WHERE_TRANSIT:
		return forward_check(x, r);
	default:
		return req_refuse(r, 4000, "To is not a resource address");
	}
}

/* Non-blocking access to a <request> makes no sense (TS-0004 7.4.12.2). */
static bool about_request(struct exec *x, struct req *r)
{
	struct target t;
	return r->op != OP_CREATE && exec_lookup(x, r->to, &t) == RC_OK && t.res.h.ty == TYPE_REQUEST;
}

/* May r be answered with an acknowledgement? Its content becomes an attribute of the <request> as it stands, so it must be JSON. */
static enum reeve_rc to_background(struct exec *x, struct req *r)
{
	struct slice why = S("malformed");
	struct json j;
	enum reeve_rc rc = RC_OK;

	if (about_request(x, r))
		return req_refuse(r, 4000, "a <request> is accessed with blocking requests");
	if (r->pc.p && !r->work->json.n) /* not parsed, or in vain */
		rc = json_parse(&r->arena, r->pc, &x->core->cfg->limits.json, &j, &why);
	if (rc == RC_NOMEM)
		return req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
	return rc == RC_OK ? RC_BUSY : req_refuse(r, 4000, "content: %.*s", SF(why));
}

/* Everything that one snapshot can tell. RC_AGAIN: to the hub. RC_UNSUPPORTED: to the writer. Else the answer stands. */
static enum reeve_rc on_loop(struct exec *x, struct req *r)
{
	enum reeve_rc rc = check_originator(x, r);

	if (rc != RC_OK || (rc = check_reception(x->core, r)) != RC_OK || (rc = route(x, r)) != RC_OK)
		return rc;
	if ((r->op == OP_CREATE || r->op == OP_UPDATE) && !r->work->transit)
		check_content(x->core, r);
	if (r->rt == RT_NONBLOCK_SYNC && !x->core->cfg->nonblocking)
		return req_refuse(r, 5206, "<request> is not supported here: rt 2 (nonBlockingRequestAsynch) or 3 (blockingRequest)");
	if ((r->rt == RT_NONBLOCK_SYNC || r->rt == RT_NONBLOCK_ASYNC) && !r->work->pending)
		return to_background(x, r);
	if (r->work->transit)
		return RC_AGAIN;
	if (r->work->rqet && r->work->rqet <= x->now) /* it waited for oet in vain */
		return req_refuse(r, 4008, "rqet: the request expired before its oet");
	if (r->work->oet > x->now) /* who may not does not wait for it; at that time the decision is made again */
		return (rc = exec_judge(x, r)) == RC_OK ? RC_LIMIT : rc;
	if (r->work->pending && r->op == OP_RETRIEVE && r->fc.fu == 3)
		return RC_AGAIN;
	if (r->op == OP_NOTIFY || (!r->work->pending && (r->op == OP_RETRIEVE || points_asks(x, r))))
		return exec_request(x, r);
	if (r->op == OP_CREATE && r->ty == TYPE_AE && profile_asks(x, r))
		return RC_AGAIN;
	if (r->op == OP_CREATE && r->ty == TYPE_AE && (rc = confirm_asks(x, r)) != RC_OK)
		return rc;
	tokens_prepare(x, r);
	return r->op != OP_RETRIEVE && needs_prelude(x, r) ? RC_AGAIN : RC_UNSUPPORTED;
}

static void again(struct core *c, struct req *r)
{
	core_submit(c, r); /* its time has come: oet, or rqet */
}

typedef void (*hub_step)(struct core *c, struct req *r);

/* Where a request goes on that has to wait. */
static hub_step on_hub(const struct req *r)
{
	if (r->work->transit)
		return forward;
	if (r->work->original.p)
		return announce_fetch;
	if (r->work->asks_profile)
		return profile_wait;
	if (r->work->asks_confirm)
		return confirm_wait;
	return rights_waits(r) ? rights_wait : after_hub;
}

void core_submit(struct core *c, struct req *r)
{
	/* work posted from the hub runs with the hub's reader */
	struct core_loop *l = r->work && r->work->resumed ? &c->per_loop[0] : r->home->data;
	struct exec x = { .core = c, .tx = l->reader, .policies = l->policies, .now = r->received };
	enum reeve_rc rc;

	if (!work_of(c, r)) {
		answer_here(c, r);
		return;
	}
	r->work->rights.run++;
	if (st_renew(l->reader) != RC_OK) {
		req_refuse(r, 5000, "the store could not be read: %s", st_why(c->store));
		answer(c, r);
		return;
	}
	if (r->work->resumed)
		x.now = clock_wall();
	x.internal = r->work->internal;
	r->work->far = NULL;
	rc = on_loop(&x, r);
	if (r->arena.failed && !r->work->content_rsc)
		rc = req_starved(r, rc);
	st_release(l->reader);
	switch (rc) {
	case RC_UNSUPPORTED:
		submit_write(c, r);
		return;
	case RC_AGAIN:
		if (!r->work->resumed)
			hub_ticket(c, r);
		hub_run(c, r, on_hub(r));
		return;
	case RC_BUSY:
		nonblocking_begin(c, r);
		return;
	case RC_LIMIT:
		if (!r->work->resumed)
			hub_ticket(c, r);
		r->work->resumed = true;
		hub_run_at(c, r, r->work->rqet && r->work->rqet < r->work->oet ? r->work->rqet : r->work->oet, again);
		return;
	default:
		if (rc == RC_OK && r->work->far && r->rsc < 4000) {
			hub_run(c, r, fanout_far);
			return;
		}
		if (!r->rsc)
			req_refuse(r, 5000, "internal error (%s)", rc_name(rc));
		if (r->work->resumed || r->work->pending)
			answer(c, r);
		else
			answer_here(c, r);
	}
}

void core_submit_internal(struct core *c, struct req *r)
{
	if (work_of(c, r))
		r->work->internal = true;
	core_submit(c, r);
}
