/* SPDX-License-Identifier: Apache-2.0 */
/* Making copies at other CSEs, one after the other, while the request that wants them waits; and fetching originals.
 *
 *   copy ── parent known? ── Create below it ── its address into at
 *     └─ else our <CSEBaseAnnc> there ── known (ST_META)? ── Create below it ── 4004: it is gone, and made anew
 *                                            └─ else Create <CSEBaseAnnc> first
 *
 * A copy that could not be made does not stand in at; the request has succeeded all the same. */
#include "core/cse/announce.h"

#include "base/log.h"
#include "codec/text.h"
#include "core/cse/announce_int.h"
#include "core/cse/forward.h"
#include "core/notify/notify_int.h"
#include "core/cse/outbound.h"
#include "core/own.h"
#include "core/cse/way.h"
#include "core/work.h"

enum { TIMES_MOST = 2, CONTENT_MOST = 64 << 20 };

struct announcing {
	struct outbound out;
	struct core *core;
	struct req *r;
	struct plan *plan;
	size_t at;               /* the copy under way */
	struct names made;       /* addresses, kept ones before them */
	struct slice base;       /* our <CSEBaseAnnc> at the CSE of the copy under way; p == NULL: none is known */
	struct names bases;      /* those that were made: CSE, address, CSE, address ... */
	unsigned times;          /* <CSEBaseAnnc> was made for this copy */
};

static void next(struct announcing *g);

/* --- the end: in the writer --- */

static struct slice meta_key(struct slice cse, char room[512])
{
	int n = snprintf(room, 512, "annc:%.*s", SF(cse));
	return slice_of(room, n > 0 && n < 512 ? (size_t)n : 0);
}

static enum reeve_rc set_at(struct exec *x, struct announcing *g, struct res *nw)
{
	static const char *const sn[] = { "at" };
	struct buf b;
	enum reeve_rc rc;

	buf_init(&b, CONTENT_MOST);
	if (g->made.n) {
		buf_lit(&b, "\"at\":");
		names_write(&b, &g->made);
	}
	rc = b.failed ? RC_NOMEM : res_put(x->tx, g->plan->key, sn, 1, buf_view(&b), 0, CONTENT_MOST, nw);
	buf_free(&b);
	return rc;
}

/* {"m2m:cnt":{...}} of modified attributes, with at as it is now. */
static void show_modified(struct req *r, const struct res *nw, const struct names *at)
{
	struct slice was = arena_dup(&r->arena, buf_view(&r->out)), why;
	struct json j;

	buf_clear(&r->out);
	buf_printf(&r->out, "{\"%s\":{", res_model(nw)->root);
	if (was.n && json_parse(&r->arena, was, &json_default_limits, &j, &why) == RC_OK && j.n > 2)
		for (uint32_t i = 3; i < j.tok[2].next; i = j.tok[i + 1].next)
			if (!slice_eq(json_inner(&j, i), S("at"))) {
				buf_slice(&r->out, json_raw(&j, i));
				buf_char(&r->out, ':');
				buf_slice(&r->out, json_raw(&j, i + 1));
				buf_char(&r->out, ',');
			}
	buf_lit(&r->out, "\"at\":");
	if (at->n)
		names_write(&r->out, at);
	else
		buf_lit(&r->out, "null");
	buf_lit(&r->out, "}}");
}

/* The answer shows at (CORE-233). */
static void show(struct req *r, const struct res *nw, const struct names *at)
{
	int rcn = r->has & HAS_RCN ? r->rcn : 1;

	if (rcn == 1) {
		buf_clear(&r->out);
		res_render_rooted(&r->out, nw);
	} else if (rcn == 9) {
		show_modified(r, nw, at);
	}
}

static enum reeve_rc run_end(struct write_job *j, struct exec *x)
{
	struct req *r = ((struct req_work *)j)->r;
	struct announcing *g = r->work->announcing;
	char room[512];
	struct res nw;
	enum reeve_rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i + 1 < g->bases.n; i += 2)
		rc = st_put(x->tx, ST_META, meta_key(g->bases.v[i], room), g->bases.v[i + 1]);
	if (rc == RC_OK)
		rc = set_at(x, g, &nw);
	if (rc == RC_OK)
		show(r, &nw, &g->made);
	else if (rc == RC_NOTFOUND) /* deleted meanwhile */
		rc = RC_OK;
	return rc == RC_OK && r->work->request.n ? nonblocking_enter(x, r) : rc; /* the result again, with at */
}

static void ended(struct write_job *j, enum reeve_rc rc)
{
	struct req *r = ((struct req_work *)j)->r;

	if (rc != RC_OK)
		log_warn("announce", "announceTo could not be stored (%s): copies of %.*s stay unknown", rc_name(rc), SF(r->to));
	answer(r->work->core, r);
}

static void end(struct announcing *g)
{
	struct req *r = g->r;

	r->work->announcing = g;
	r->work->job = (struct write_job){ .run = run_end, .done = ended, .home = r->home };
	if (writer_submit(g->core->writer, &r->work->job) != RC_OK)
		core_resume(g->core, r);
}

/* --- copies --- */

/* The address of what was created: ri in the answer (CSE-relative), else its Content-Location. Nothing when it is not at the CSE that was
 * asked: what is there is changed and deleted later in our name, and at this CSE as by ourselves. */
static struct slice address_of(struct announcing *g, const struct rsp *rsp, struct slice cse)
{
	struct arena *a = &g->r->arena;
	struct slice why, ri = { NULL, 0 };
	struct json j;

	if (rsp->pc.n && json_parse(a, arena_dup(a, rsp->pc), &json_default_limits, &j, &why) == RC_OK && j.n > 2 &&
	    json_kind(&j, 2) == J_OBJECT)
		ri = json_string(a, &j, json_member(&j, 2, S("ri")));
	if (!ri.n)
		ri = arena_dup(a, rsp->location);
	if (ri.n && ri.p[0] == '/' && !slice_eq(announce_cse_of(g->core, a, ri), cse))
		ri.n = 0;
	if (!ri.n || ri.p[0] == '/')
		return ri;
	if (!way_foreign(g->core, cse))
		cse = slice_skip(cse, g->core->home.sp_id.n);
	return arena_printf(a, "%.*s/%.*s", SF(cse), SF(ri));
}

static void create(struct announcing *g, struct slice to, int64_t ty, struct slice pc,
		   void (*done)(struct outbound *o, const struct rsp *rsp))
{
	g->out = (struct outbound){ .target = to, .op = OP_CREATE, .ty = ty, .pc = pc, .timeout = g->core->cfg->notify.timeout,
				    .done = done, .owner = g };
	outbound_send(g->core, &g->out);
}

static void try_copy(struct announcing *g);

static void failed(struct announcing *g, const struct rsp *rsp)
{
	const struct copy *k = &g->plan->v[g->at];

	log_warn("announce", "%.*s was not announced at %.*s (%d)", SF(g->r->to), SF(k->target), rsp->rsc);
	g->at++;
	next(g);
}

static void copied(struct outbound *o, const struct rsp *rsp)
{
	struct announcing *g = o->owner;
	const struct copy *k = &g->plan->v[g->at];
	struct slice address;

	if (rsp->rsc == 4004 && !rsp->ours && !k->parent.p && g->times < TIMES_MOST) {
		g->base = (struct slice){ NULL, 0 }; /* our <CSEBaseAnnc> is gone there */
		try_copy(g);
		return;
	}
	address = rsp->rsc == 2001 ? address_of(g, rsp, k->cse) : (struct slice){ NULL, 0 };
	if (!address.n) {
		failed(g, rsp);
		return;
	}
	g->made.v[g->made.n++] = address;
	g->at++;
	next(g);
}

static void based(struct outbound *o, const struct rsp *rsp)
{
	struct announcing *g = o->owner;
	const struct copy *k = &g->plan->v[g->at];

	g->base = rsp->rsc == 2001 ? address_of(g, rsp, k->cse) : (struct slice){ NULL, 0 };
	if (!g->base.n) {
		failed(g, rsp);
		return;
	}
	g->bases.v[g->bases.n++] = k->cse;
	g->bases.v[g->bases.n++] = g->base;
	try_copy(g);
}

static void make_base(struct announcing *g)
{
	const struct config *cfg = g->core->cfg;
	const struct copy *k = &g->plan->v[g->at];
	struct slice to = way_foreign(g->core, k->cse) ? k->cse : slice_skip(k->cse, g->core->home.sp_id.n);
	char et[TEXT_TIMESTAMP_MAX];
	struct buf b;

	g->times++;
	buf_init(&b, 65536);
	buf_printf(&b, "{\"m2m:cbA\":{\"lnk\":\"%.*s/%.*s\",\"srv\":[\"2a\",\"3\"],\"acpi\":[\"%.*s/%.*s/acp-base\"],\"et\":\"%.*s\"}}",
		   SF(cfg->cse_id), SF(cfg->base_name), SF(cfg->cse_id), SF(cfg->base_name),
		   (int)text_timestamp_write(TIMESTAMP_MOST, et), et);
	create(g, to, TYPE_CSEBASE_ANNC, buf_view(&b), based);
	buf_free(&b);
}

static void try_copy(struct announcing *g)
{
	const struct copy *k = &g->plan->v[g->at];

	if (k->parent.p)
		create(g, k->parent, g->plan->ty, g->plan->content, copied);
	else if (g->base.p)
		create(g, g->base, g->plan->ty, g->plan->content, copied);
	else
		make_base(g);
}

/* Where our <CSEBaseAnnc> at that CSE is, as far as is known. */
static struct slice known_base(struct announcing *g, struct slice cse)
{
	struct slice v, out = { NULL, 0 };
	char room[512];
	struct exec x;

	for (size_t i = g->bases.n; i > 1; i -= 2)
		if (slice_eq(g->bases.v[i - 2], cse))
			return g->bases.v[i - 1];
	if (hub_snapshot_begin(g->core, &x)) {
		if (st_get(x.tx, ST_META, meta_key(cse, room), &v) == RC_OK)
			out = arena_dup(&g->r->arena, v);
		hub_snapshot_end(&x);
	}
	return out;
}

static void next(struct announcing *g)
{
	if (g->at == g->plan->n) {
		end(g);
		return;
	}
	g->times = 0;
	g->base = known_base(g, g->plan->v[g->at].cse);
	try_copy(g);
}

void announce(struct core *c, struct req *r)
{
	struct plan *p = r->work->announced;
	struct announcing *g = arena_zalloc(&r->arena, sizeof(*g));

	r->work->announced = NULL;
	if (g) {
		*g = (struct announcing){ .core = c, .r = r, .plan = p };
		g->made.v = arena_array(&r->arena, p->kept.n + p->n + 1, sizeof(struct slice));
		g->bases.v = arena_array(&r->arena, 2 * TIMES_MOST * (p->n + 1), sizeof(struct slice));
	}
	if (!g || !g->made.v || !g->bases.v) {
		log_warn("announce", "%.*s is not announced: the request needs more memory than limits.request_memory", SF(r->to));
		core_resume(c, r);
		return;
	}
	for (size_t i = 0; i < p->kept.n; i++)
		g->made.v[g->made.n++] = p->kept.v[i];
	next(g);
}

/* --- originals --- */

static void fetched(struct req *n)
{
	struct req *r = n->owner;
	struct core *c = r->work->core;

	r->rsc = n->rsc;
	buf_slice(&r->out, buf_view(&n->out));
	if (r->rsc >= 4000) {
		r->rsc = 0;
		req_refuse(r, n->rsc, n->passed ? "the CSE of the original (%.*s) refused" : "%.*s", SF(n->passed ? n->to : n->dbg));
	}
	own_drop(c, n);
	core_resume(c, r);
}

void announce_fetch(struct core *c, struct req *r)
{
	struct exec x = { .core = c, .now = clock_wall() };
	struct req *n = own_copy(c, r);

	if (!n) {
		req_refuse(r, 5000, "no memory for the request to the original");
		core_resume(c, r);
		return;
	}
	n->to = r->work->original;
	n->has &= ~(uint32_t)(HAS_RCN | HAS_RTU | HAS_RP);
	n->done = fetched;
	n->owner = r;
	n->work->who_kind = r->work->who_kind;
	n->work->who_form = r->work->who_form;
	n->work->who = r->work->who;
	n->work->rqet = r->work->rqet;
	n->work->member = true;
	if (forward_check(&x, n) == RC_OK)
		forward(c, n);
	else
		core_resume(c, n);
}
