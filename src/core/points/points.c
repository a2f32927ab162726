/* SPDX-License-Identifier: Apache-2.0 */
/* Authorization points: what is bound, what a question must look like, and what the procedures share. */
#include "core/points/points_int.h"

#include "core/notify/notify_int.h"
#include "core/types.h"

/* --- what is bound --- */

bool points_bound(const struct core *c, int32_t ty, struct slice rn)
{
	const struct config_list *l;

	if (ty < TYPE_AUTHORIZATION_DECISION || ty > TYPE_AUTHORIZATION_INFORMATION)
		return false;
	l = &c->cfg->distributed.point[ty - TYPE_AUTHORIZATION_DECISION];
	for (size_t i = 0; i < l->n; i++)
		if (slice_eq(l->v[i], rn))
			return true;
	return false;
}

static bool bound(struct exec *x, const struct res *res)
{
	return res->key.parent == RES_ROOT && points_bound(x->core, res->h.ty, res_rn(res));
}

/* Of a time when it was not bound: attributes of its type, and roles or tokens below it. */
static bool left_over(struct exec *x, const struct res *res)
{
	const struct model_res *m = res_model(res);
	struct tree_iter it;
	struct res child;
	bool found = false;

	for (size_t i = 0; i < m->n_attrs; i++)
		if (m->attrs[i].kind == 's' && res_member(res, slice_str(m->attrs[i].sn)).p)
			return true;
	for (int32_t ty = TYPE_ROLE; ty <= TYPE_TOKEN && res->h.n_children && !found; ty++) {
		if (tree_children_of_type(x->tx, res->key.n, ty, &it) != RC_OK)
			continue;
		found = tree_next(&it, &child) == RC_OK;
		tree_end(&it);
	}
	return found;
}

bool points_asks(struct exec *x, struct req *r)
{
	const struct model_res *m = r->work->m;
	struct target t;

	if (r->op != OP_UPDATE || !m || m->ty < TYPE_AUTHORIZATION_DECISION || m->ty > TYPE_AUTHORIZATION_INFORMATION)
		return false;
	return exec_lookup(x, r->to, &t) == RC_OK && !t.virt && bound(x, &t.res) && !left_over(x, &t.res);
}

/* Remove what is left over (TS-0004 7.4.43.2.3, step 2). In the writer. */
static enum reeve_rc wipe(struct exec *x, const struct res *res)
{
	const struct model_res *m = res_model(res);
	struct tree_iter it;
	struct res child, now;
	struct buf b;
	enum reeve_rc rc = RC_OK;

	for (int32_t ty = TYPE_ROLE; ty <= TYPE_TOKEN && rc == RC_OK; ty++) {
		if ((rc = tree_children_of_type(x->tx, res->key.n, ty, &it)) != RC_OK)
			return rc;
		while ((rc = tree_next(&it, &child)) == RC_OK && (rc = exec_delete(x, &child, true)) == RC_OK)
			;
		tree_end(&it);
		rc = rc == RC_NOTFOUND ? RC_OK : rc;
	}
	if (rc != RC_OK || (rc = tree_get(x->tx, res->key, &now)) != RC_OK)
		return rc;
	buf_init(&b, 8192);
	buf_printf(&b, "{\"%s\":{", m->root);
	for (size_t i = 0, n = 0; i < m->n_attrs; i++)
		if (m->attrs[i].kind == 's')
			buf_printf(&b, "%s\"%s\":null", n++ ? "," : "", m->attrs[i].sn);
	buf_lit(&b, "}}");
	rc = notify_update_internal(x, &now, buf_view(&b));
	buf_free(&b);
	return rc;
}

/* --- the question --- */

static bool attribute(const struct req *r, struct slice sn)
{
	for (size_t i = 0; i < r->work->n_attrs; i++)
		if (slice_eq(slice_str(r->work->attrs[i].a->sn), sn))
			return r->work->attrs[i].raw.p != NULL;
	return false;
}

/* Only the attributes that a question has, all that it must have, and none removed (AUTHZ-213, 214). */
static enum reeve_rc check(struct req *r, enum point p)
{
	static const char *const must[] = { "to fr op", "to", "fr" };
	struct slice rest = slice_str(must[p]);

	for (size_t i = 0; i < r->work->n_attrs; i++) {
		const struct draft_attr *v = &r->work->attrs[i];

		if (v->a->kind != 's')
			return req_refuse(r, 4000, "%s: a bound resource takes questions only (options distributed.pdp, prp, pip)",
					  v->a->sn);
		if (!v->raw.p)
			return req_refuse(r, 4000, "%s: null makes no sense in a question", v->a->sn);
	}
	while (rest.p) {
		struct slice sn = slice_cut(&rest, ' ');
		if (!attribute(r, sn))
			return req_refuse(r, 4000, "%.*s: is mandatory in a question", SF(sn));
	}
	return RC_OK;
}

static bool removes_all(const struct req *r)
{
	for (size_t i = 0; i < r->work->n_attrs; i++)
		if (r->work->attrs[i].raw.p)
			return false;
	return true;
}

enum reeve_rc points_update(struct exec *x, struct req *r, const struct res *res)
{
	enum point p = (enum point)(res->h.ty - TYPE_AUTHORIZATION_DECISION);
	enum reeve_rc rc;

	if (r->work->internal && removes_all(r)) /* wipe() */
		return RC_NOTFOUND;
	if (!bound(x, res)) /* who names it in a policy of his does not get the CSE to write there for him */
		return r->work->internal && enquiry_hops(r) ? req_refuse(r, 4005, "no authorization point is bound here") : RC_NOTFOUND;
	if ((rc = check(r, p)) != RC_OK)
		return rc;
	if (x->write && left_over(x, res) && (rc = wipe(x, res)) != RC_OK)
		return rc == RC_FULL || rc == RC_IO ? rc : req_refuse(r, 5000, "what was left here could not be removed");
	metrics_inc(&x->core->metrics, points_asked);
	return p == POINT_PDP ? point_decide(x, r) : p == POINT_PRP ? point_policies(x, r) : point_information(x, r);
}

enum reeve_rc point_answer(struct req *r, enum point kind, struct slice members)
{
	r->rsc = 2004;
	if (r->has & HAS_RCN && r->rcn == 0)
		return RC_OK;
	buf_lit(&r->out, "{\"");
	buf_slice(&r->out, point_root(kind));
	buf_lit(&r->out, "\":{");
	buf_slice(&r->out, members);
	buf_lit(&r->out, "}}");
	return RC_OK;
}

/* --- rules --- */

/* A policy without rules that names other points says nothing itself. */
static bool delegates(struct exec *x, const struct policy *p, struct res_key key, enum policy_part part)
{
	struct res acp;

	return part == POLICY_PV && !policy_rules(p, part) && tree_get(x->tx, key, &acp) == RC_OK &&
	       (res_member(&acp, S("adri")).p || res_member(&acp, S("apri")).p);
}

static void leave_out_delegates(struct exec *x, struct governing *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++) {
		if (delegates(x, g->p[i], g->key[i], g->part))
			continue;
		g->p[n] = g->p[i];
		g->key[n++] = g->key[i];
	}
	g->n = n;
}

static enum reeve_rc rules_here(struct exec *x, struct slice to, struct point_rules *out)
{
	const struct ident_home *home = &x->core->home;

	out->home = *home;
	if (exec_lookup(x, to, &out->t) != RC_OK || (out->t.virt && out->t.virt != VIRT_LATEST && out->t.virt != VIRT_OLDEST))
		return RC_OK;
	out->here = true;
	out->any = access_governing(x, &out->t.res, &out->g);
	leave_out_delegates(x, &out->g);
	out->any = out->any && (out->g.n || out->g.default_policy);
	return RC_OK;
}

/* "PATTERN POLICY" lines of the operator. */
static void rules_elsewhere(struct exec *x, struct point_rules *out)
{
	const struct config_list *l = &x->core->cfg->distributed.policies;
	struct target t;

	out->g = (struct governing){ .part = POLICY_PV, .ground = "policy for a target at another CSE" };
	for (size_t i = 0; i < l->n; i++) {
		struct slice id = l->v[i], pattern = slice_cut(&id, ' ');

		while (id.n && id.p[0] == ' ')
			id = slice_skip(id, 1);
		if (slice_like(pattern, out->address, -1) && exec_lookup(x, id, &t) == RC_OK && !t.virt && t.res.h.ty == TYPE_ACP)
			access_add_policy(x, &out->g, t.res.key);
	}
	leave_out_delegates(x, &out->g);
	out->any = out->g.n > 0;
}

enum reeve_rc point_rules_find(struct exec *x, struct req *r, struct slice to, struct point_rules *out)
{
	const struct ident_home *home = &x->core->home;
	struct slice local, cse, sp;

	*out = (struct point_rules){ .here = false };
	switch (ident_route(&r->arena, home, to, &local, &cse)) {
	case WHERE_HERE:
		out->address = arena_printf(&r->arena, "%.*s/%.*s", SF(home->cse_id), SF(local));
		return rules_here(x, to, out);
	case WHERE_TRANSIT:
		sp = slice_of(cse.p, cse.n);
		while (sp.n && sp.p[sp.n - 1] != '/')
			sp.n--;
		sp.n -= sp.n > 0;
		out->home = (struct ident_home){ .sp_id = sp, .cse_id = slice_skip(cse, sp.n), .base_name = S("-"), .abs = cse };
		out->address = slice_starts(to, S("//")) && slice_ieq(sp, home->sp_id) ? slice_skip(to, sp.n) : to;
		rules_elsewhere(x, out);
		return RC_OK;
	default:
		return req_refuse(r, 4000, "to: is no resource address");
	}
}

/* --- whom a question is about --- */

enum reeve_rc point_who_read(struct exec *x, struct req *r, struct slice fr, struct point_who *out)
{
	const struct ident_home *home = &x->core->home;

	/* a stem without a CSE is one of the CSE that says it, never one of ours that happens to be called alike */
	if (ident_stem(fr) && fr.p[0] == 'C' && r->work->who_kind == ID_CSE)
		fr = arena_printf(&r->arena, "%.*s/%.*s", SF(r->work->who), SF(fr));
	if (!fr.p || ident_parse(&r->arena, home, fr, &out->kind, &out->form, &out->id) != RC_OK)
		return req_refuse(r, 5000, "out of memory");
	if (out->kind == ID_NONE || out->kind == ID_SP)
		return req_refuse(r, 4000, "fr: is neither an AE-ID nor a CSE-ID");
	return RC_OK;
}

/* --- others who may know --- */

static const struct rights_method points_wait = { .name = "another authorization point", .fetch = enquiry_fetch };

enum reeve_rc point_ask(struct exec *x, struct req *r, enum point kind, const struct buf *body, size_t same, bool secret,
			const struct enquiry_told **told)
{
	const struct config_list *l = &x->core->cfg->distributed.ask[kind];
	struct enquiry q;

	*told = NULL;
	if (!l->n || enquiry_hops(r) >= x->core->cfg->distributed.hops || !enquiry_make(r, kind, l->v, l->n, body, same, &q))
		return RC_OK;
	q.secret = secret;
	if ((*told = enquiry_told(r, &q)) || r->work->member || !enquiry_next(r, &q))
		return RC_OK;
	r->work->rights.waits = &points_wait;
	return RC_AGAIN;
}
