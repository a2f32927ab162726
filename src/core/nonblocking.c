/* SPDX-License-Identifier: Apache-2.0 */
/* Non-blocking requests (TS-0004 7.3.2.2, 7.3.2.5, 7.4.12): <request>, acknowledgement, and the work behind it.
 *
 * The request that asked is answered as soon as its <request> is committed, or, when the operator wants no <request>, at least the
 * request itself (pending.h); a copy does the work on the hub and in the writer. A change and its result in the <request> are one
 * transaction, so a <request> that still says PENDING can always be cancelled by deleting it. */
#include <stdlib.h>

#include "core/hub.h"
#include "core/own.h"
#include "core/rights/claims.h"
#include "core/pending.h"
#include "core/types.h"
#include "core/work.h"

enum { COMPLETED = 1, FAILED = 2, FORWARDED = 4, PARTIALLY_COMPLETED = 5 }; /* m2m:requestStatus */

/* --- <request> --- */

static enum reeve_rc insert(struct exec *x, const struct res *parent, const struct res_new *nw, struct res *out)
{
	struct res p;
	enum reeve_rc rc = tree_insert(x->tx, x->seq, parent, nw, out);

	if (rc != RC_OK || (rc = tree_get(x->tx, parent->key, &p)) != RC_OK)
		return rc;
	p.h.n_children++;
	if ((rc = tree_touch(x->tx, &p)) != RC_OK)
		return rc;
	return tree_get(x->tx, out->key, out);
}

static usec lifetime(struct exec *x, const struct req *r)
{
	const struct req_work *w = r->work;
	usec end = x->now + x->core->cfg->request_lifetime;

	if (w->rp && w->rp > x->now)
		return w->rp;
	if (w->rset && w->rset > end)
		end = w->rset;
	if (w->oet && w->oet + x->core->cfg->request_lifetime > end)
		end = w->oet + x->core->cfg->request_lifetime;
	return end;
}

/* Access for the Hosting CSE and the Originator only; the Originator may change that (TS-0004 7.3.2.2). */
static enum reeve_rc make_policy(struct exec *x, const struct req *r, const struct res *base, usec et, struct res *out)
{
	struct res_new nw = { .h = { .ty = TYPE_ACP, .ct = x->now, .lt = x->now, .et = et,
				     .mni = UINT64_MAX, .mbs = UINT64_MAX, .mia = UINT64_MAX },
			      .creator = x->core->home.abs };
	enum reeve_rc rc;
	struct buf b;

	nw.h.ct = nw.h.lt = x->now - x->now % USEC_S;
	buf_init(&b, 16384);
	buf_lit(&b, "\"pv\":{\"acr\":[{\"acor\":[");
	buf_json(&b, x->core->home.abs);
	buf_lit(&b, "],\"acop\":14},{\"acor\":[");
	buf_json(&b, r->work->who);
	buf_lit(&b, "],\"acop\":10}]},\"pvs\":{\"acr\":[{\"acor\":[");
	buf_json(&b, r->work->who);
	buf_lit(&b, "],\"acop\":4}]}");
	nw.attrs = buf_view(&b);
	rc = b.failed ? RC_NOMEM : insert(x, base, &nw, out);
	buf_free(&b);
	return rc;
}

static void request_attributes(struct buf *b, const struct req *r, struct slice acp_id)
{
	buf_lit(b, "\"acpi\":[");
	buf_json(b, acp_id);
	buf_lit(b, "],\"lbl\":[");
	buf_json(b, r->fr);
	buf_printf(b, "],\"op\":%d,\"tg\":", (int)r->op);
	buf_json(b, r->to);
	buf_lit(b, ",\"org\":");
	buf_json(b, r->fr);
	buf_lit(b, ",\"rid\":");
	buf_json(b, r->rqi);
	buf_printf(b, ",\"mi\":{\"rt\":{\"rtv\":%d}", (int)r->rt);
	if (r->has & HAS_TY)
		buf_printf(b, ",\"ty\":%lld", (long long)r->ty);
	if (r->has & HAS_RCN)
		buf_printf(b, ",\"rcn\":%d", r->rcn);
	const struct { const char *sn; struct slice v; } texts[] = {
		{ "ot", r->ot }, { "rqet", r->rqet }, { "rset", r->rset }, { "oet", r->oet }, { "rp", r->rp }, { "gid", r->gid },
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].v.p) {
			buf_printf(b, ",\"%s\":", texts[i].sn);
			buf_json(b, texts[i].v);
		}
	claims_write(b, r); /* tokens among them: nobody but the two of the policy reads this resource */
	buf_char(b, '}');
	if (r->pc.p) {
		buf_lit(b, ",\"pc\":");
		buf_slice(b, r->pc);
	}
	buf_lit(b, ",\"rs\":3,\"ors\":{\"rsc\":1000,\"rqi\":");
	buf_json(b, r->rqi);
	buf_lit(b, ",\"to\":");
	buf_json(b, r->fr);
	buf_lit(b, "}");
}

static enum reeve_rc make_request(struct exec *x, struct req *r, struct res *req)
{
	struct res base, acp;
	struct res_new nw = { .creator = x->core->home.abs };
	struct buf b;
	enum reeve_rc rc;

	nw.h = (struct rec_head){ .ty = TYPE_REQUEST, .flags = REC_ACPI, .mni = UINT64_MAX, .mbs = UINT64_MAX, .mia = UINT64_MAX };
	nw.h.ct = nw.h.lt = x->now - x->now % USEC_S;
	nw.h.et = lifetime(x, r);
	if ((rc = tree_get(x->tx, (struct res_key){ 0, RES_ROOT }, &base)) != RC_OK ||
	    (rc = make_policy(x, r, &base, nw.h.et, &acp)) != RC_OK)
		return rc;
	nw.acps = &acp.key;
	nw.n_acps = 1;
	nw.labels = &r->fr;
	nw.n_labels = 1;
	buf_init(&b, x->core->cfg->limits.request_memory);
	request_attributes(&b, r, res_ri(&acp));
	nw.attrs = buf_view(&b);
	rc = b.failed ? RC_NOMEM : tree_get(x->tx, base.key, &base);
	if (rc == RC_OK)
		rc = insert(x, &base, &nw, req);
	buf_free(&b);
	return rc;
}

/* --- the acknowledgement --- */

static enum reeve_rc run_accept(struct write_job *j, struct exec *x)
{
	struct req *r = ((struct req_work *)j)->r;
	struct req_work *bg = r->work->background->work;
	struct res req;
	enum reeve_rc rc;

	buf_clear(&r->out);
	if (x->core->cfg->nonblocking) {
		if ((rc = make_request(x, r, &req)) != RC_OK)
			return rc;
		bg->request = req.key;
		bg->pending = req.key.n;
		buf_lit(&r->out, "{\"m2m:uri\":\"");
		rc = tree_path(x->tx, &req, &r->out);
		buf_lit(&r->out, "\"}");
		if (rc != RC_OK)
			return rc;
	} else {
		bg->pending = x->seq->next++;
	}
	return pending_put(x, bg->pending, r);
}

void nonblocking_work(struct core *c, struct req *n) { core_submit(c, n); }

static void worked(struct req *n) { own_drop(n->work->core, n); }

void nonblocking_adopt(struct req *n) { n->done = worked; }

static void accepted(struct write_job *j, enum reeve_rc rc)
{
	struct req *r = ((struct req_work *)j)->r, *bg = r->work->background;
	struct core *c = r->work->core;

	if (rc != RC_OK) {
		own_drop(c, bg);
		req_refuse(r, 5000, "the <request> could not be stored (%s)", rc_name(rc));
		answer_here(c, r);
		return;
	}
	r->rsc = r->rt == RT_NONBLOCK_SYNC ? 1001 : 1002;
	hub_run(c, bg, nonblocking_work);
	answer_here(c, r);
}

/* From here on nothing but the store can hinder the work: what is acknowledged is done. */
void nonblocking_begin(struct core *c, struct req *r)
{
	struct req *bg = own_copy(c, r);

	if (!bg) {
		req_refuse(r, 5000, "no memory for a non-blocking request");
		answer(c, r);
		return;
	}
	nonblocking_adopt(bg);
	bg->work->who = arena_dup(&bg->arena, r->work->who); /* whose share it is; for itself it finds out again */
	r->work->background = bg;
	r->work->job = (struct write_job){ .run = run_accept, .done = accepted, .home = r->home };
	if (!hub_enter(c, bg))
		req_refuse(r, bg->rsc, "%.*s", SF(bg->dbg));
	else if (writer_submit(c->writer, &r->work->job) == RC_OK)
		return;
	else
		req_refuse(r, 5000, "too many changes are waiting (limits.write_queue); try again later");
	own_drop(c, bg);
	answer(c, r);
}

/* --- the result --- */

/* The response r has, as the result, and requestStatus. Memory is this function's own: that of r may be used up. */
static enum reeve_rc enter_result(struct exec *x, struct req *r, int status)
{
	static const char *const sn[] = { "rs", "ors" };
	const struct limits *l = &x->core->cfg->limits;
	const size_t most = 8 * l->body + l->response + 65536;
	struct res nw;
	struct buf b;
	enum reeve_rc rc;

	buf_init(&b, most);
	buf_printf(&b, "\"rs\":%d,\"ors\":{", status);
	rsp_primitive(&b, r);
	buf_lit(&b, ",\"to\":");
	buf_json(&b, r->fr);
	buf_char(&b, '}');
	rc = b.failed ? RC_NOMEM : res_put(x->tx, r->work->request, sn, 2, buf_view(&b), x->now - x->now % USEC_S, most, &nw);
	buf_free(&b);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

/* A transit CSE tells what became of the request further on. */
enum reeve_rc nonblocking_enter(struct exec *x, struct req *r)
{
	return enter_result(x, r, r->work->transit && r->rsc >= 4000 ? FAILED : COMPLETED);
}

/* --- before the end --- */

static enum reeve_rc run_partial(struct write_job *j, struct exec *x)
{
	return enter_result(x, ((struct req_work *)j)->r, PARTIALLY_COMPLETED);
}

static enum reeve_rc run_forwarded(struct write_job *j, struct exec *x)
{
	return enter_result(x, ((struct req_work *)j)->r, FORWARDED);
}

static void entered(struct write_job *j, enum reeve_rc rc)
{
	struct req *n = ((struct req_work *)j)->r;
	(void)rc; /* the whole will come */
	n->done(n);
}

/* Enter what n has into the <request> of r. */
static bool enter_before(struct core *c, const struct req *r, struct req *n, enum reeve_rc (*run)(struct write_job *j, struct exec *x))
{
	n->work->request = r->work->request;
	n->work->job = (struct write_job){ .run = run, .done = entered, .home = n->home };
	if (!n->out.failed && writer_submit(c->writer, &n->work->job) == RC_OK)
		return true;
	own_drop(c, n);
	return false;
}

bool nonblocking_partial(struct core *c, const struct req *r, struct slice out, void (*done)(struct req *n), void *owner)
{
	struct req *n = own_copy(c, r);

	if (!n)
		return false;
	n->rsc = 2000;
	buf_slice(&n->out, out);
	n->done = done;
	n->owner = owner;
	return enter_before(c, r, n, run_partial);
}

static void forwarded(struct req *n) { own_drop(n->work->core, n); }

void nonblocking_forwarded(struct core *c, const struct req *r)
{
	struct req *n = own_copy(c, r);

	if (!n)
		return;
	n->rsc = 1000;
	n->done = forwarded;
	(void)enter_before(c, r, n, run_forwarded);
}

/* --- hooks --- */

/* The work goes with a <request>, and the policy made with it. That has the ordinal before; what acpi says now does not matter, for the
 * Originator may have pointed that anywhere. */
static enum reeve_rc removing(struct exec *x, const struct res *res)
{
	struct res acp;
	enum reeve_rc rc = pending_drop(x, res->key.n);

	if (rc != RC_OK)
		return rc;
	rc = tree_get(x->tx, (struct res_key){ res->key.parent, res->key.n - 1 }, &acp);
	if (rc != RC_OK || acp.h.ty != TYPE_ACP || !slice_eq(acp.creator, x->core->home.abs))
		return rc == RC_NOTFOUND ? RC_OK : rc;
	return exec_delete(x, &acp, true);
}

/* What has begun to answer cannot be called back (TS-0004 7.4.12.2.4). */
static enum reeve_rc check_access(struct exec *x, struct req *r, const struct res *res)
{
	struct slice rs = res_member(res, S("rs"));

	if (r->op == OP_DELETE && slice_eq(rs, S("5")))
		return req_refuse(r, 5220, "some members of the group have answered already: the request cannot be called back");
	if (r->op == OP_DELETE && slice_eq(rs, S("4")))
		return req_refuse(r, 5220, "the request was passed on to another CSE and cannot be called back");
	return RC_OK;
}

const struct type_hooks type_request = { .ty = TYPE_REQUEST, .removing = removing, .access = check_access };
