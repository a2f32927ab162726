/* SPDX-License-Identifier: Apache-2.0 */
/* <fanOutPoint> (TS-0004 7.4.14, requirements CORE-216 to 224, AUTHZ-125 to 128).
 *
 * The group decides once whether the request may fan out at all (macp, else its acpi); then each member gets a request of
 * its own, with the same From, that goes through the whole of exec_request: existence, access and validity are the
 * member's business, and its refusal is an entry of the answer. All of it happens in the exec of the original request: for a change
 * that is one transaction. A change makes every view of the store stale, so what is needed of the group is copied first.
 * A Notify waits for its members and goes another way (fanout_notify.c).
 *
 * Groups may hold fanOutPoints of groups, in circles too. Three things bound that: a gid is seen at a target once, nesting ends at
 * limits.fanout_depth, and all requests that come of one are at most limits.fanout_members. */
#include "core/group/fanout_int.h"

#include "base/hash.h"
#include "base/rand.h"
#include "core/core.h"
#include "core/rights/tokens.h"
#include "core/work.h"

enum { RSP_OVERHEAD = 1024 };

/* --- group request identifiers --- */

static enum reeve_rc enter(struct exec *x, struct req *r, struct slice gid, const struct target *t)
{
	const struct req_work *w = r->work;
	usec until = w->rset ? w->rset : w->rqet ? w->rqet : x->now + x->core->cfg->request_expiry;
	struct { const void *r; usec received; uint64_t rqi; } id = { r, r->received, hash_slice(r->rqi) };

	if (!gid.p || !x->core->fanout_seen)
		return RC_OK;
	if (!x->fan_pass) {
		x->fan_request = hash_mem(&id, sizeof(id));
		x->fan_pass = rand_u64() | 1;
	}
	if (until <= x->now)
		until = x->now + USEC_S;
	if (fanout_seen_enter(x->core->fanout_seen, &(struct fanout_run){ x->fan_request, x->fan_pass }, gid, t, x->now, until))
		return RC_OK;
	return req_refuse(r, 4104, "a request with this group request identifier was here before");
}

enum reeve_rc fanout_check_gid(struct exec *x, struct req *r, const struct target *t) { return enter(x, r, r->gid, t); }

/* Needed when a member is a fanOutPoint; made anew in each run of the request, so never kept in it. */
static enum reeve_rc choose_gid(struct fan *f)
{
	bool sub_groups = false;

	f->gid = f->r->gid;
	for (size_t i = 0; i < f->n; i++)
		sub_groups |= f->v[i].wanted && (f->v[i].elsewhere || (f->v[i].found && f->v[i].t.virt == VIRT_FOPT));
	if (f->gid.p || !sub_groups)
		return RC_OK;
	f->gid = arena_printf(&f->r->arena, "%016llx%016llx", (unsigned long long)rand_u64(), (unsigned long long)rand_u64());
	return f->gid.p ? enter(f->x, f->r, f->gid, f->t) : RC_NOMEM;
}

/* --- the group --- */

/* Strings of a list attribute of the group, copied. */
static enum reeve_rc list_of(struct arena *a, const struct res *group, struct slice sn, struct slice **v, size_t *n)
{
	struct slice raw = res_member(group, sn), why;
	struct json j;
	enum reeve_rc rc;

	*n = 0;
	*v = NULL;
	if (!raw.p)
		return RC_OK;
	raw = arena_dup(a, raw);
	rc = raw.p ? json_parse(a, raw, &json_default_limits, &j, &why) : RC_NOMEM;
	if (rc)
		return rc;
	*v = arena_array(a, j.tok[0].count + 1u, sizeof(**v));
	if (!*v)
		return RC_NOMEM;
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next) {
		(*v)[*n] = json_string(a, &j, i);
		if ((*v)[*n].p)
			++*n;
	}
	return a->failed ? RC_NOMEM : RC_OK;
}

static enum reeve_rc members_of(struct exec *x, struct arena *a, const struct res *group, struct group_member **v, size_t *n)
{
	struct slice *ids;
	enum reeve_rc rc = list_of(a, group, S("mid"), &ids, n);

	if (rc)
		return rc;
	*v = arena_array(a, *n + 1, sizeof(**v));
	if (!*v)
		return RC_NOMEM;
	for (size_t i = 0; i < *n; i++)
		group_member_find(x, a, ids[i], &(*v)[i]);
	return a->failed ? RC_NOMEM : RC_OK;
}

/* macp when there is one, else acpi (AUTHZ-125, 126). */
static enum reeve_rc authorize(struct exec *x, struct req *r, const struct target *t)
{
	static const unsigned bits[] = { 0, ACOP_CREATE, ACOP_RETRIEVE, ACOP_UPDATE, ACOP_DELETE, ACOP_NOTIFY };
	int32_t child = r->op == OP_CREATE ? (int32_t)r->ty : 0;
	struct slice *macp;
	size_t n;
	enum reeve_rc rc = list_of(&r->arena, &t->res, S("macp"), &macp, &n);

	if (rc)
		return rc;
	if (!macp)
		return exec_authorize(x, r, &t->res, bits[r->op], child);
	return exec_authorize_by(x, r, macp, n, &t->res, bits[r->op], child);
}

/* CORE-217: no member can hold what is to be created. */
static enum reeve_rc check_child_type(struct req *r, const struct target *t)
{
	const struct model_res *m;
	int64_t mt;

	if (r->op != OP_CREATE || t->rest.p || !slice_i64(res_member(&t->res, S("mt")), &mt) || mt == 0)
		return RC_OK;
	m = model_by_ty(mt);
	if (m && !m->virtual_ && !model_child_allowed(m, r->ty))
		return req_refuse(r, 4108, "the members are of type %s, which cannot hold type %lld", m->name, (long long)r->ty);
	return RC_OK;
}

/* --- groupRequestTargetMembers --- */

struct wish {
	struct slice id, ident;
	bool found;    /* a member of the group or of a sub-group */
	bool below;    /* of the sub-group that is looked at */
};

/* Mark the wishes that are members of `group` or of sub-groups below it. `budget`: members to look at. */
static enum reeve_rc mark_below(struct fan *f, struct res_key group, struct wish *w, size_t n, unsigned depth, size_t *budget)
{
	struct group_member *v;
	struct res g;
	size_t nv;
	enum reeve_rc rc = tree_get(f->x->tx, group, &g);

	if (rc)
		return rc == RC_NOTFOUND ? RC_OK : rc;
	rc = members_of(f->x, &f->r->arena, &g, &v, &nv);
	for (size_t i = 0; i < nv && !rc && *budget; i++, --*budget) {
		for (size_t k = 0; k < n; k++)
			if (slice_eq(w[k].ident, v[i].ident))
				w[k].found = w[k].below = true;
		if (v[i].found && v[i].t.virt == VIRT_FOPT && depth < f->x->core->cfg->limits.fanout_depth)
			rc = mark_below(f, v[i].t.res.key, w, n, depth + 1, budget);
	}
	return rc;
}

/* A sub-group that is not wished for itself gets those wishes that are below it. */
static enum reeve_rc pass_on(struct fan *f, struct group_member *m, struct wish *w, size_t n, size_t *budget)
{
	struct slice *list = arena_array(&f->r->arena, n, sizeof(*list));
	enum reeve_rc rc;

	if (!list)
		return RC_NOMEM;
	for (size_t k = 0; k < n; k++)
		w[k].below = false;
	rc = mark_below(f, m->t.res.key, w, n, f->x->depth, budget);
	if (rc)
		return rc;
	for (size_t k = 0; k < n; k++)
		if (w[k].below)
			list[m->n_grtm++] = w[k].id;
	m->grtm = list;
	m->wanted = m->n_grtm > 0;
	return RC_OK;
}

/* Which members does the request go to? (CORE-224) */
static enum reeve_rc choose_members(struct fan *f)
{
	struct req *r = f->r;
	size_t n = r->n_grtm, budget = f->x->core->cfg->limits.fanout_members;
	struct wish *w;
	enum reeve_rc rc = RC_OK;

	if (!(r->has & HAS_GRTM)) {
		for (size_t i = 0; i < f->n; i++)
			f->v[i].wanted = true;
		return RC_OK;
	}
	if (!n || n > budget)
		return req_refuse(r, 4000, "grtm: expected members of the group, at most %zu", budget);
	w = arena_array(&r->arena, n, sizeof(*w));
	if (!w)
		return RC_NOMEM;
	for (size_t k = 0; k < n; k++) {
		struct group_member m;

		group_member_find(f->x, &r->arena, r->grtm[k], &m);
		if (!m.ident.p)
			return RC_NOMEM;
		w[k] = (struct wish){ .id = r->grtm[k], .ident = m.ident };
		for (size_t i = 0; i < f->n; i++)
			if (slice_eq(f->v[i].ident, m.ident))
				f->v[i].wanted = w[k].found = true;
	}
	for (size_t i = 0; i < f->n && !rc; i++)
		if (!f->v[i].wanted && f->v[i].found && f->v[i].t.virt == VIRT_FOPT)
			rc = pass_on(f, &f->v[i], w, n, &budget);
	for (size_t k = 0; k < n && !rc; k++)
		if (!w[k].found)
			rc = req_refuse(r, 4000, "grtm: \"%.*s\" is no member of the group", SF(w[k].id));
	return rc;
}

/* --- subscriptions through a group --- */

/* With notificationForwardingURI the notifications come to this CSE, at the group's address, which gathers them (CORE-225, gather.c). */
static enum reeve_rc redirect(struct fan *f)
{
	const struct req_work *w = f->r->work;
	const struct json *j = &w->json;
	struct slice address;
	struct buf b;

	if (f->r->op != OP_CREATE || f->r->ty != TYPE_SUBSCRIPTION || w->content_rsc || !w->m || !json_member(j, w->obj, S("nfu")))
		return RC_OK;
	address = arena_printf(&f->r->arena, "%.*s/%.*s", SF(f->x->core->home.cse_id), SF(f->group_ri));
	buf_init(&b, f->r->pc.n + 2 * address.n + 128);
	buf_lit(&b, "{\"m2m:sub\":{\"nu\":[");
	buf_json(&b, address);
	buf_lit(&b, "],\"gpi\":");
	buf_json(&b, address);
	for (uint32_t k = w->obj + 1; k < j->tok[w->obj].next; k = j->tok[k + 1].next) {
		if (json_string_is(j, k, S("nu")) || json_string_is(j, k, S("gpi")))
			continue;
		buf_char(&b, ',');
		buf_slice(&b, json_raw(j, k));
		buf_char(&b, ':');
		buf_slice(&b, json_raw(j, k + 1));
	}
	buf_lit(&b, "}}");
	f->pc = b.failed ? (struct slice){ NULL, 0 } : arena_dup(&f->r->arena, buf_view(&b));
	buf_free(&b);
	return f->pc.p ? RC_OK : RC_NOMEM;
}

/* --- one member --- */

/* What is known about the Originator and the content; not what the request is waiting for. */
static void copy_work(struct req_work *to, const struct req_work *from)
{
	to->who_kind = from->who_kind;
	to->who_form = from->who_form;
	to->who = from->who;
	to->facts = from->facts;
	to->rights = from->rights; /* what was verified for the request holds for its parts */
	to->rights.state[RIGHTS_TOKENS] = NULL; /* depends on the address; from the cache it is cheap */
	to->rights.first = to->rights.last = NULL; /* what is told of a part ends with its arena */
	to->rights.n_told = 0;
	to->rqet = from->rqet;
	to->rset = from->rset;
	to->m = from->m;
	to->json = from->json;
	to->obj = from->obj;
	to->attrs = from->attrs;
	to->n_attrs = from->n_attrs;
	to->content_rsc = from->content_rsc;
	to->content_why = from->content_why;
	to->internal = from->internal;
	to->member = true; /* it waits for nothing of its own */
}

enum reeve_rc fan_compose(struct fan *f, struct req *s, const struct group_member *m)
{
	const struct req *r = f->r;
	struct slice rest = f->t->rest, attr = f->t->attr;

	tokens_end(s); /* of the member before */
	req_reset(s);
	s->op = r->op;
	s->to = arena_printf(&s->arena, "%.*s%s%.*s%s%.*s", SF(m->id), rest.p ? "/" : "", SF(rest), attr.p ? "#" : "", SF(attr));
	s->fr = r->fr;
	s->rqi = r->rqi;
	s->rvi = r->rvi;
	s->vsi = r->vsi;
	s->gid = f->gid;
	s->ty = r->ty;
	s->rcn = r->rcn;
	s->drt = r->drt;
	s->ec = r->ec;
	s->rt = RT_BLOCKING;
	s->atrl = r->atrl;
	s->n_atrl = r->n_atrl;
	s->rids = r->rids;
	s->n_rids = r->n_rids;
	s->tkns = r->tkns;
	s->n_tkns = r->n_tkns;
	s->tids = r->tids;
	s->n_tids = r->n_tids;
	s->ltids = r->ltids;
	s->n_ltids = r->n_ltids;
	s->aus = r->aus;
	s->n_aus = r->n_aus;
	s->tqi = r->tqi;
	s->asi = r->asi;
	s->auri = r->auri;
	s->grtm = m->grtm;
	s->n_grtm = m->n_grtm;
	s->fc = r->fc;
	s->has = (r->has & ~(uint32_t)(HAS_RTU | HAS_GRTM | HAS_RP)) | (m->n_grtm ? HAS_GRTM : 0u);
	s->pc = r->pc;
	s->pc_serial = r->pc_serial;
	s->want = r->want;
	s->peer = r->peer;
	s->received = r->received;
	if (!s->to.p || !work_of(f->x->core, s))
		return RC_NOMEM;
	copy_work(s->work, r->work);
	if (f->pc.p) {
		s->pc = f->pc;
		s->work->attrs = NULL;
		s->work->n_attrs = 0;
		check_content(f->x->core, s);
	}
	return RC_OK;
}

static enum reeve_rc run(struct fan *f, const struct group_member *m)
{
	struct req *s = f->sub;
	enum reeve_rc rc;

	if (m->elsewhere)
		return req_refuse(s, 5001, "members at other CSEs are reached through a group itself, not through a group within it");
	f->x->depth++;
	rc = exec_request(f->x, s);
	f->x->depth--;
	if (rc == RC_AGAIN)
		rc = req_refuse(s, 5001, "this operation is not possible through a group");
	if (rc == RC_UNDO) {
		f->r->rsc = 0;
		req_refuse(f->r, 5000, "nothing was changed: the request to %.*s failed half way: %.*s", SF(m->id), SF(s->dbg));
	}
	if (!s->rsc && rc != RC_FULL && rc != RC_IO)
		rc = req_refuse(s, 5000, "the request ended without an answer");
	return rc;
}

void fan_response(struct buf *b, struct req *s, struct slice id, bool first)
{
	if (s->rsc >= 4000 && !s->passed)
		buf_clear(&s->out);
	buf_slice(b, first ? S("{") : S(",{"));
	rsp_primitive(b, s);
	buf_lit(b, ",\"fr\":");
	buf_json(b, id);
	buf_char(b, '}');
}

/* Deleted members leave mid (TS-0004 7.4.14.3.5). The Update is the CSE's own, but is one: events and counters follow. */
static enum reeve_rc drop_members(struct fan *f)
{
	struct req *s = f->sub;
	bool internal = f->x->internal, any = false, first = true;
	enum reeve_rc rc;
	struct buf b;

	for (size_t i = 0; i < f->n; i++)
		any |= f->v[i].gone;
	if (!any)
		return RC_OK;
	tokens_end(s);
	req_reset(s);
	buf_init(&b, SIZE_MAX / 2);
	buf_lit(&b, "{\"m2m:grp\":{\"mid\":[");
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].gone)
			continue;
		if (!first)
			buf_char(&b, ',');
		first = false;
		buf_json(&b, f->v[i].id);
	}
	buf_lit(&b, "]}}");
	s->op = OP_UPDATE;
	s->to = f->group_ri;
	s->fr = f->x->core->home.cse_id;
	s->rqi = f->r->rqi;
	s->pc = b.failed ? (struct slice){ NULL, 0 } : arena_dup(&s->arena, buf_view(&b));
	s->pc_serial = SERIAL_JSON;
	buf_free(&b);
	if (!s->pc.p || !work_of(f->x->core, s))
		return RC_NOMEM;
	s->work->internal = true;
	check_content(f->x->core, s);
	f->x->internal = true;
	rc = exec_request(f->x, s);
	f->x->internal = internal;
	return rc == RC_FULL || rc == RC_IO || rc == RC_UNDO ? rc : RC_OK; /* the group may be gone itself */
}

/* --- the whole --- */

static enum reeve_rc fan_out(struct fan *f)
{
	size_t ceiling = f->x->core->cfg->limits.response;
	struct buf *b = &f->r->out;
	bool first = true;
	enum reeve_rc rc;

	buf_lit(b, "{\"m2m:agr\":{\"m2m:rsp\":[");
	for (size_t i = 0; i < f->n; i++) {
		struct group_member *m = &f->v[i];

		if (!m->wanted)
			continue;
		if (m->elsewhere && !f->x->depth) {
			if ((rc = fan_far_add(f, m)) != RC_OK)
				return rc;
			continue;
		}
		if ((rc = fan_compose(f, f->sub, m)) != RC_OK)
			return rc;
		f->sub->out.max = b->n + RSP_OVERHEAD < ceiling ? ceiling - b->n - RSP_OVERHEAD : 0;
		rc = run(f, m);
		if (rc == RC_FULL || rc == RC_IO || rc == RC_UNDO)
			return rc;
		m->gone = f->r->op == OP_DELETE && f->sub->rsc == 2002 && m->found && !m->t.virt && !m->t.attr.p && !f->t->rest.p &&
			  !f->t->attr.p;
		fan_response(b, f->sub, m->id, first);
		first = false;
	}
	buf_lit(b, "]}}");
	rc = drop_members(f);
	if (!rc)
		f->r->rsc = 2000;
	return rc;
}

static enum reeve_rc check_limits(struct fan *f)
{
	const struct limits *l = &f->x->core->cfg->limits;
	size_t wanted = 0;

	for (size_t i = 0; i < f->n; i++)
		wanted += f->v[i].wanted;
	if (f->x->depth >= l->fanout_depth || wanted > l->fanout_members - f->x->fanned) {
		metrics_inc(&f->x->core->metrics, limit_fanout);
		return req_refuse(f->r, 5000, "too many members, or groups within groups (limits.fanout_members, limits.fanout_depth)");
	}
	f->x->fanned += (unsigned)wanted;
	return RC_OK;
}

enum reeve_rc fan_begin(struct fan *f)
{
	struct req *r = f->r;
	enum reeve_rc rc;

	if (r->work->rset && r->work->rset <= f->x->now)
		return req_refuse(r, 5209, "no member answered before the Result Expiration Timestamp");
	rc = authorize(f->x, r, f->t);
	if (!rc)
		rc = rights_prepare(f->x, r);
	if (!rc)
		rc = fanout_check_gid(f->x, r, f->t);
	if (!rc)
		rc = members_of(f->x, &r->arena, &f->t->res, &f->v, &f->n);
	if (!rc && !f->n)
		return req_refuse(r, 4109, "the group has no members");
	if (!rc)
		rc = choose_members(f);
	if (!rc)
		rc = check_child_type(r, f->t);
	if (!rc)
		rc = check_limits(f);
	if (!rc)
		rc = choose_gid(f);
	return rc;
}

enum reeve_rc fanout_request(struct exec *x, struct req *r, const struct target *t)
{
	const struct limits *l = &x->core->cfg->limits;
	struct target group = *t;
	struct fan f = { .x = x, .r = r, .t = &group };
	enum reeve_rc rc;

	if (r->op == OP_NOTIFY)
		return RC_AGAIN; /* members answer when they like: fanout_notify.c, on the hub */
	rc = fan_begin(&f);
	if (rc)
		return rc;
	f.group_ri = arena_dup(&r->arena, res_ri(&t->res));
	f.sub = arena_alloc(&r->arena, sizeof(*f.sub));
	if (!f.group_ri.p || !f.sub)
		return RC_NOMEM;
	req_init(f.sub, r->home, l->request_memory, l->response);
	rc = redirect(&f);
	if (!rc)
		rc = fan_out(&f);
	tokens_end(f.sub);
	req_free(f.sub);
	return rc;
}
