/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the IN-CSE, which is the registrar of this CSE, while the registration waits on the hub:
 *
 *   a stem of its own ── Update of its <AEAnnc> ── 4004: Create ── the stem is confirmed
 *   "S" ──────────────── Create ── the stem is what the IN-CSE chose
 *
 * From is this CSE's CSE-ID with the stem, or "S", behind it; a new <AEAnnc> goes below the <remoteCSE> of this CSE there. Whatever would
 * refuse the registration here is looked at first. If it is refused afterwards all the same, and when the <AE> goes, lnk becomes
 * "INACTIVE": the <AEAnnc> stays, for the AE-ID is the AE's (CORE-124). */
#include "core/registration/confirm.h"

#include "codec/text.h"
#include "core/cse/outbound.h"
#include "core/cse/registrar.h"
#include "core/cse/way.h"
#include "core/notify/outbox.h"
#include "core/registration/admission.h"
#include "core/rights/rights.h"
#include "core/work.h"

enum { CONTENT_MOST = 65536 };

struct confirming {
	struct outbound out;
	struct core *core;
	struct req *r;
};

/* The CSE-ID of the IN-CSE as one writes it: where the service subscription is, else the registrar. */
static struct slice in_cse(const struct config *cfg)
{
	struct slice at = cfg->profile.at, rest = at;

	if (!at.n)
		return cfg->registrar.cse_id;
	rest = slice_skip(rest, slice_starts(at, S("//")) ? 2 : 1);
	if (slice_starts(at, S("//")))
		(void)slice_cut(&rest, '/');
	(void)slice_cut(&rest, '/');
	return slice_of(at.p, rest.p ? (size_t)(rest.p - 1 - at.p) : at.n);
}

/* The text of an attribute that the request sent. */
static struct slice sent_string(struct req *r, const char *sn)
{
	struct slice why;
	struct json j;

	for (size_t i = 0; i < r->work->n_attrs; i++)
		if (slice_eq(slice_str(r->work->attrs[i].a->sn), slice_str(sn)) && r->work->attrs[i].raw.p &&
		    json_parse(&r->arena, r->work->attrs[i].raw, &json_default_limits, &j, &why) == RC_OK)
			return json_string(&r->arena, &j, 0);
	return (struct slice){ NULL, 0 };
}

static bool tracked(const struct req *r)
{
	for (size_t i = 0; i < r->work->n_attrs; i++)
		if (slice_eq(slice_str(r->work->attrs[i].a->sn), S("trps")))
			return slice_eq(r->work->attrs[i].raw, S("true"));
	return false;
}

static bool name_taken(struct exec *x, struct slice name)
{
	struct res other;
	return name.n && tree_child(x->tx, RES_ROOT, name, &other) == RC_OK;
}

bool confirm_lacks(struct exec *x, struct req *r, struct slice stem, struct slice name)
{
	return stem.p[0] == 'S' && x->core->cfg->type != CSE_IN && !r->work->confirmed.n && !x->internal && !r->work->internal &&
	       !name_taken(x, name);
}

/* Will step 6.4 refuse it? Then that says why. */
static bool in_vain(struct exec *x, struct req *r)
{
	struct target t;

	return r->work->content_rsc || !r->work->m || r->work->m->ty != TYPE_AE || exec_lookup(x, r->to, &t) != RC_OK || t.virt ||
	       t.res.h.ty != TYPE_CSEBASE || name_taken(x, sent_string(r, "rn")) || !ident_app(sent_string(r, "api"));
}

enum reeve_rc confirm_asks(struct exec *x, struct req *r)
{
	const struct config *cfg = x->core->cfg;
	struct slice stem;
	enum reeve_rc rc;

	if (cfg->type == CSE_IN || x->internal || r->work->internal || r->work->confirmed.n || (r->fr.n && r->fr.p[0] != 'S') ||
	    in_vain(x, r))
		return RC_OK;
	if ((rc = admission_stem(x, r, sent_string(r, "api"), &stem)) != RC_OK || stem.p[0] != 'S')
		return rc;
	if (!cfg->registrar.cse_id.n || !slice_eq(in_cse(cfg), cfg->registrar.cse_id))
		return req_refuse(r, 5001, "S-type AE-IDs are given by the IN-CSE, which has to be the registrar of this CSE");
	r->work->wish = r->fr.n > 1 || (r->peer.association && r->peer.n_ae_ids) ? stem : S("S"); /* not one that was made up here */
	r->work->asks_confirm = true;
	return RC_AGAIN;
}

/* --- asking --- */

static void ask(struct confirming *g, enum op op, struct slice to, struct slice stem, struct slice pc,
		void (*done)(struct outbound *o, const struct rsp *rsp))
{
	struct core *c = g->core;

	g->out = (struct outbound){ .target = to, .op = op, .ty = op == OP_CREATE ? TYPE_AE_ANNC : 0, .pc = pc,
				    .fr = arena_printf(&g->r->arena, "%.*s/%.*s", SF(c->cfg->cse_id), SF(stem)),
				    .timeout = rights_time_left(g->r, c->cfg->profile.timeout), .done = done, .owner = g };
	outbound_send(c, &g->out);
}

/* The <AEAnnc> as it is to be. */
static void request(struct confirming *g, enum op op, void (*done)(struct outbound *o, const struct rsp *rsp))
{
	const struct config *cfg = g->core->cfg;
	struct req *r = g->r;
	struct slice stem = r->work->wish;
	char et[TEXT_TIMESTAMP_MAX];
	struct buf b;

	buf_init(&b, CONTENT_MOST);
	buf_printf(&b, "{\"m2m:aeA\":{\"lnk\":\"%.*s/%.*s\",\"api\":", SF(cfg->cse_id), SF(stem));
	buf_json(&b, sent_string(r, "api"));
	buf_lit(&b, ",\"lbl\":[");
	buf_json(&b, arena_printf(&r->arena, "Credential-ID:%.*s", SF(r->peer.association ? r->peer.credential : S(""))));
	buf_printf(&b, "],\"et\":\"%.*s\"%s}}", (int)text_timestamp_write(TIMESTAMP_MOST, et), et, tracked(r) ? ",\"trps\":true" : "");
	ask(g, op, op == OP_CREATE ? registrar_place(g->core) : arena_printf(&r->arena, "%.*s/%.*s", SF(cfg->registrar.cse_id), SF(stem)),
	    stem, b.failed ? S("") : buf_view(&b), done);
	buf_free(&b);
}

static void refuse(struct confirming *g, const struct rsp *rsp)
{
	if (rsp->ours || rsp->rsc < 4000)
		req_refuse(g->r, rsp->ours ? rsp->rsc : 5000, "the IN-CSE, which gives or confirms S-type AE-IDs, did not answer");
	else
		req_refuse(g->r, rsp->rsc, "the IN-CSE refused the registration of this S-type AE-ID");
	core_resume(g->core, g->r);
}

static void confirmed(struct confirming *g, struct slice stem)
{
	struct req *r = g->r;

	if (!ident_stem(stem) || stem.p[0] != 'S' || (r->work->wish.n > 1 && !slice_eq(stem, r->work->wish))) {
		req_refuse(r, 5000, "the IN-CSE's answer names no S-type AE-ID-Stem, or another than was asked for");
		core_resume(g->core, r);
		return;
	}
	r->work->confirmed = arena_dup(&r->arena, stem);
	r->work->asks_confirm = false;
	r->work->resumed = true;
	if (r->work->confirmed.p) {
		core_submit(g->core, r);
		return;
	}
	req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
	core_resume(g->core, r);
}

/* The stem is the resource id of what was created. */
static void created(struct outbound *o, const struct rsp *rsp)
{
	struct confirming *g = o->owner;
	struct arena *a = &g->r->arena;
	struct slice ri = { NULL, 0 }, why;
	struct json j;

	if (rsp->rsc != 2001) {
		refuse(g, rsp);
		return;
	}
	if (rsp->pc.n && json_parse(a, arena_dup(a, rsp->pc), &json_default_limits, &j, &why) == RC_OK)
		ri = json_string(a, &j, json_member(&j, json_member(&j, 0, S("m2m:aeA")), S("ri")));
	while (slice_find(ri, '/') >= 0)
		ri = slice_skip(ri, (size_t)slice_find(ri, '/') + 1);
	confirmed(g, ri);
}

static void updated(struct outbound *o, const struct rsp *rsp)
{
	struct confirming *g = o->owner;

	if (rsp->rsc == 2004)
		confirmed(g, g->r->work->wish);
	else if (rsp->rsc == 4004 && !rsp->ours)
		request(g, OP_CREATE, created);
	else
		refuse(g, rsp);
}

static struct confirming *begin(struct core *c, struct req *r)
{
	struct confirming *g = arena_zalloc(&r->arena, sizeof(*g));

	if (g)
		*g = (struct confirming){ .core = c, .r = r };
	return g;
}

void confirm_wait(struct core *c, struct req *r)
{
	struct confirming *g = begin(c, r);

	if (!g)
		req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
	else if (!registrar_registered(c))
		req_refuse(r, 5103, "S-type AE-IDs are given by the IN-CSE, and this CSE is not registered there now");
	if (r->rsc)
		core_resume(c, r);
	else if (r->work->wish.n > 1)
		request(g, OP_UPDATE, updated);
	else
		request(g, OP_CREATE, created);
}

/* --- the end of a registration --- */

static const char inactive[] = "{\"m2m:aeA\":{\"lnk\":\"INACTIVE\"}}";

static void undone(struct outbound *o, const struct rsp *rsp)
{
	struct confirming *g = o->owner;

	(void)rsp;
	core_resume(g->core, g->r);
}

void confirm_undo(struct core *c, struct req *r)
{
	struct slice stem = r->work->confirmed;
	struct confirming *g = begin(c, r);

	r->work->confirmed = (struct slice){ NULL, 0 };
	if (g)
		ask(g, OP_UPDATE, arena_printf(&r->arena, "%.*s/%.*s", SF(c->cfg->registrar.cse_id), SF(stem)), stem, slice_str(inactive),
		    undone);
	else
		core_resume(c, r);
}

enum reeve_rc confirm_removing(struct exec *x, const struct res *ae)
{
	const struct config *cfg = x->core->cfg;
	struct outbox_entry e = { .sub = { 0, ae->key.n }, .when = x->now, .kind = OB_AE_LEFT, .flags = OB_PLAIN | OB_SURVIVES,
				  .sgn = slice_str(inactive) };
	char targets[512];
	int n;

	if (cfg->type == CSE_IN || !cfg->registrar.cse_id.n || res_ri(ae).p[0] != 'S')
		return RC_OK;
	n = snprintf(targets, sizeof(targets), "[\"%.*s/%.*s\"]", SF(cfg->registrar.cse_id), SF(res_ri(ae)));
	if (n < 0 || (size_t)n >= sizeof(targets))
		return RC_OK;
	e.targets = slice_of(targets, (size_t)n);
	return outbox_put(x, &e);
}
