/* SPDX-License-Identifier: Apache-2.0 */
/* Create, Retrieve, Update and Delete of one resource (TS-0004 7.3.3.3 to 7.3.3.8), after it was found and access granted. */
#include "core/audited.h"
#include "core/cse/announce.h"
#include "core/discover/children.h"
#include "core/notify/notify.h"
#include "core/types.h"
#include "core/work.h"

static bool rcn_is(const struct req *r, int def, int value)
{
	return (r->has & HAS_RCN ? r->rcn : def) == value;
}

static enum reeve_rc store_failed(struct exec *x, struct req *r, enum reeve_rc rc)
{
	if (rc == RC_FULL || rc == RC_IO || rc == RC_UNDO || r->rsc)
		return rc;
	return req_refuse(r, 5000, "the store refused the change (%s)", rc_name(rc));
}

/* --- answers --- */

/* What the request sent for sn; NULL when it did not. */
static const struct draft_attr *sent(const struct req *r, struct slice sn)
{
	for (size_t i = 0; i < r->work->n_attrs; i++)
		if (slice_eq(sn, slice_str(r->work->attrs[i].a->sn)))
			return &r->work->attrs[i];
	return NULL;
}

static void add_modified(struct req *r, struct slice sn, struct slice raw, bool *first)
{
	if (!*first)
		buf_char(&r->out, ',');
	*first = false;
	buf_json(&r->out, sn);
	buf_char(&r->out, ':');
	buf_slice(&r->out, raw);
}

/* Attributes that differ from what the request sent, and those it did not speak of but that changed; removed ones as null (rcn 9,
 * TS-0004 7.3.3.12). old: the resource before an Update; NULL: it was created. */
static enum reeve_rc render_modified(struct req *r, const struct res *nw, const struct res *old)
{
	struct json j, was = { .n = 0 };
	bool first = true;

	if (res_json(&r->arena, nw, &j) != RC_OK || (old && res_json(&r->arena, old, &was) != RC_OK))
		return RC_NOMEM;
	buf_printf(&r->out, "{\"%s\":{", r->work->m->root);
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i + 1].next) {
		struct slice sn = json_inner(&j, i), raw = json_raw(&j, i + 1);
		const struct draft_attr *v = sent(r, sn);
		/* lt was set, be it to the same second */
		uint32_t before = old && !v && !slice_eq(sn, S("lt")) ? json_member(&was, 0, sn) : 0;

		if (v ? !v->raw.p || !slice_eq(v->raw, raw) : !before || !slice_eq(json_raw(&was, before), raw))
			add_modified(r, sn, raw, &first);
	}
	for (uint32_t i = 1; old && i < was.tok[0].next; i = was.tok[i + 1].next)
		if (!json_member(&j, 0, json_inner(&was, i)) && !sent(r, json_inner(&was, i)))
			add_modified(r, json_inner(&was, i), S("null"), &first);
	buf_lit(&r->out, "}}");
	if (first)
		buf_clear(&r->out);
	return RC_OK;
}

static enum reeve_rc answer_create(struct exec *x, struct req *r, const struct res *nw)
{
	struct buf path;

	r->rsc = 2001;
	r->created = nw->key.n;
	if (!rcn_is(r, 1, 0) && !rcn_is(r, 1, 1) && !rcn_is(r, 1, 9)) {
		buf_init(&path, 8192);
		if (tree_path(x->tx, nw, &path) != RC_OK || path.failed) {
			buf_free(&path);
			return req_refuse(r, 5000, "the address of the new resource is too long");
		}
		r->location = arena_dup(&r->arena, buf_view(&path));
		buf_free(&path);
	}
	if (rcn_is(r, 1, 1)) {
		res_render_rooted(&r->out, nw);
	} else if (rcn_is(r, 1, 2)) {
		buf_lit(&r->out, "{\"m2m:uri\":");
		buf_json(&r->out, r->location);
		buf_char(&r->out, '}');
	} else if (rcn_is(r, 1, 3)) {
		struct buf inner = r->out;
		buf_lit(&inner, "{\"m2m:rce\":{\"uri\":");
		buf_json(&inner, r->location);
		buf_char(&inner, ',');
		size_t at = inner.n;
		res_render_rooted(&inner, nw);
		if (!inner.failed && inner.n > at) { /* the rooted form without its outer braces */
			memmove(inner.p + at, inner.p + at + 1, inner.n - at - 1);
			inner.n -= 2;
		}
		buf_lit(&inner, "}}");
		r->out = inner;
	} else if (rcn_is(r, 1, 9)) {
		return render_modified(r, nw, NULL);
	}
	return RC_OK;
}

/* --- Create --- */

static enum reeve_rc check_child(struct exec *x, struct req *r, const struct res *parent, const struct model_res *m)
{
	const struct model_res *pm = res_model(parent);
	struct req_work *w = r->work;

	if (m->in_cse_only && x->core->cfg->type != CSE_IN)
		return req_refuse(r, 4005, "%s may be created at an IN-CSE only", m->name);
	if (!type_hooks(m->ty) && !(m->ty == TYPE_SUBSCRIPTION))
		return req_refuse(r, 5001, "%s is not implemented by this CSE", m->name);
	if (!pm || !model_child_allowed(pm, m->ty)) {
		if (m->ty == TYPE_SUBSCRIPTION)
			return req_refuse(r, 5203, "%s cannot be subscribed to", pm ? pm->name : "the target");
		return req_refuse(r, 4108, "%s cannot be a child of %s", m->name, pm ? pm->name : "the target");
	}
	if (!res_ty_is_instance(m->ty) && tree_depth(x->tx, parent, x->core->cfg->limits.depth) >= x->core->cfg->limits.depth) {
		metrics_inc(&x->core->metrics, limit_depth);
		return req_refuse(r, 4000, "the tree is at most %u levels deep (limits.depth)", x->core->cfg->limits.depth);
	}
	if (w->content_rsc)
		return req_refuse(r, w->content_rsc, "%.*s", SF(w->content_why));
	if (w->m != m)
		return req_refuse(r, 4000, "content is a %s, but ty says %s", w->m->name, m->name);
	return RC_OK;
}

static enum reeve_rc choose_name(struct exec *x, struct req *r, const struct res *parent, struct draft *d)
{
	struct slice rn = draft_string(d, S("rn"));

	if (!draft_get(d, S("rn")).p)
		return RC_OK;
	if (!rn.n || rn.n > x->core->cfg->limits.name)
		return req_refuse(r, 4000, "rn: at most %u characters (limits.name)", x->core->cfg->limits.name);
	if (exec_virtual(parent->h.ty, rn))
		return req_refuse(r, 4105, "rn: \"%.*s\" is the name of a virtual resource here", SF(rn));
	d->nw.name = rn;
	return RC_OK;
}

static enum reeve_rc begin_create(struct exec *x, struct req *r, const struct res *parent, struct draft *d)
{
	struct req_work *w = r->work;
	enum reeve_rc rc;

	*d = (struct draft){ .arena = &r->arena, .m = w->m };
	d->cap = w->n_attrs + 8;
	d->v = arena_array(&r->arena, d->cap, sizeof(*d->v));
	if (!d->v)
		return RC_NOMEM;
	for (size_t i = 0; i < w->n_attrs; i++)
		d->v[d->n++] = w->attrs[i];
	d->nw.h = (struct rec_head){ .ty = (uint16_t)w->m->ty, .mni = UINT64_MAX, .mbs = UINT64_MAX, .mia = UINT64_MAX };
	d->nw.h.ct = d->nw.h.lt = x->now - x->now % USEC_S;
	d->nw.creator = x->internal || w->internal ? x->core->home.abs : w->who;
	if (draft_given(d, S("cr"))) {
		struct buf b;
		buf_init(&b, 4096);
		buf_json(&b, r->fr);
		if (!draft_set(d, S("cr"), arena_dup(&r->arena, buf_view(&b))))
			rc = RC_NOMEM;
		buf_free(&b);
	}
	if ((rc = choose_name(x, r, parent, d)) != RC_OK)
		return rc;
	return RC_OK;
}

/* The name may be that of an instance which nobody finds any more, and which is not swept yet: then it is, now. */
static enum reeve_rc free_name(struct exec *x, struct res *parent, struct slice name)
{
	struct res there;
	enum reeve_rc rc;

	if (tree_child(x->tx, parent->key.n, name, &there) != RC_OK || !tree_dropped(x->tx, there.key))
		return RC_EXISTS;
	if ((rc = exec_delete(x, &there, true)) != RC_OK)
		return rc;
	return tree_get(x->tx, parent->key, parent);
}

enum reeve_rc op_create(struct exec *x, struct req *r, const struct target *t)
{
	const struct model_res *m = model_by_ty(r->ty);
	const struct type_hooks *hooks;
	struct res parent = t->res, nw;
	struct draft d;
	enum reeve_rc rc;

	if (!m || m->virtual_)
		return req_refuse(r, 4108, "resource type %lld cannot be created", (long long)r->ty);
	if ((rc = check_child(x, r, &parent, m)) != RC_OK || (rc = draft_check_given(x, r, true)) != RC_OK)
		return rc;
	hooks = type_hooks(m->ty);
	if ((rc = begin_create(x, r, &parent, &d)) != RC_OK || (rc = draft_finish(x, r, &parent, NULL, &d)) != RC_OK)
		return rc;
	rc = tree_insert(x->tx, x->seq, &parent, &d.nw, &nw);
	if (rc == RC_EXISTS && (rc = free_name(x, &parent, d.nw.name)) == RC_OK)
		rc = tree_insert(x->tx, x->seq, &parent, &d.nw, &nw);
	if (rc == RC_EXISTS)
		return req_refuse(r, 4105, "the name \"%.*s\" is taken by a sibling", SF(d.nw.name));
	if (rc != RC_OK)
		return store_failed(x, r, rc);
	if (!res_is_instance(&nw)) {
		if ((rc = tree_get(x->tx, parent.key, &parent)) != RC_OK)
			return store_failed(x, r, rc);
		parent.h.n_children++;
		if ((rc = tree_touch(x->tx, &parent)) != RC_OK)
			return store_failed(x, r, rc);
	}
	if (hooks->created && (rc = hooks->created(x, r, &parent, &nw)) != RC_OK)
		return rc;
	if ((rc = tree_get(x->tx, nw.key, &nw)) != RC_OK || (rc = tree_get(x->tx, t->res.key, &parent)) != RC_OK)
		return store_failed(x, r, rc);
	if ((rc = announce_stored(x, r, &parent, NULL, &nw)) != RC_OK)
		return store_failed(x, r, rc);
	if (parent.h.n_subs) {
		if ((rc = notify_happened(x, NE_CHILD_CREATE, &parent, &nw, (struct slice){ NULL, 0 })) != RC_OK ||
		    (rc = tree_get(x->tx, nw.key, &nw)) != RC_OK)
			return store_failed(x, r, rc);
	}
	return answer_create(x, r, &nw);
}

/* --- Retrieve --- */

static enum reeve_rc partial(struct req *r, const struct res *res, const struct slice *names, size_t n)
{
	const struct model_res *m = res_model(res);
	struct json j;
	bool first = true;

	if (res_json(&r->arena, res, &j) != RC_OK)
		return RC_NOMEM;
	buf_printf(&r->out, "{\"%s\":{", m->root);
	for (size_t i = 0; i < n; i++) {
		uint32_t at;
		bool again = false;

		if (!model_attr(m, names[i]))
			return req_refuse(r, 4000, "\"%.*s\" is no attribute of %s (short names are wanted)", SF(names[i]), m->name);
		for (size_t k = 0; k < i; k++)
			again |= slice_eq(names[i], names[k]);
		if (!(at = json_member(&j, 0, names[i])) || again) {
			if (n == 1 && !again)
				return req_refuse(r, 4004, "the resource has no attribute \"%.*s\" now", SF(names[i]));
			continue;
		}
		if (!first)
			buf_char(&r->out, ',');
		first = false;
		buf_json(&r->out, names[i]);
		buf_char(&r->out, ':');
		buf_slice(&r->out, json_raw(&j, at));
	}
	buf_lit(&r->out, "}}");
	r->rsc = 2000;
	return RC_OK;
}

/* rcn 7: the hub fetches it (announce.c). */
static enum reeve_rc original_of(struct req *r, const struct res *res)
{
	struct slice lnk = res_member(res, S("lnk"));

	if (!res_model(res)->announced || lnk.n < 3)
		return req_refuse(r, 4000, "rcn 7 is for announced resources");
	r->work->original = arena_dup(&r->arena, slice_of(lnk.p + 1, lnk.n - 2));
	return r->work->original.p ? RC_AGAIN : RC_NOMEM;
}

enum reeve_rc op_retrieve(struct exec *x, struct req *r, const struct target *t)
{
	int rcn = r->has & HAS_RCN ? r->rcn : 1;

	if (t->attr.p)
		return partial(r, &t->res, &t->attr, 1);
	if (r->n_atrl)
		return partial(r, &t->res, r->atrl, r->n_atrl);
	if (rcn == 7)
		return original_of(r, &t->res);
	if (rcn != 1)
		return children_render(x, r, &t->res, rcn);
	if (r->fc.any && !filter_match(&r->fc, &r->arena, x->tx, &t->res, false))
		return req_refuse(r, 4004, "the resource does not match the filter criteria");
	r->rsc = 2000;
	res_render_rooted(&r->out, &t->res);
	return RC_OK;
}

/* --- Update --- */

/* The outcome: what is stored, with the request's changes on top. */
static enum reeve_rc begin_update(struct exec *x, struct req *r, const struct res *old, struct draft *d)
{
	struct req_work *w = r->work;
	struct json j;

	*d = (struct draft){ .arena = &r->arena, .m = w->m };
	d->nw.h = old->h;
	d->nw.h.lt = x->now - x->now % USEC_S;
	d->nw.h.st += w->m->state_tag;
	d->nw.creator = old->creator;
	if (res_json(&r->arena, old, &j) != RC_OK)
		return RC_NOMEM;
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i + 1].next)
		if (!draft_set(d, json_inner(&j, i), json_raw(&j, i + 1)) && r->arena.failed)
			return RC_NOMEM;
	for (size_t i = 0; i < w->n_attrs; i++) {
		struct slice sn = slice_str(w->attrs[i].a->sn);
		if (!draft_set(d, sn, w->attrs[i].raw))
			return RC_NOMEM;
		for (size_t k = 0; k < d->n; k++)
			if (d->v[k].a == w->attrs[i].a)
				d->v[k].given = true;
	}
	return RC_OK;
}

/* A shorter life must not end before a child's does (TS-0004 7.3.3.4). */
static enum reeve_rc check_children_et(struct exec *x, struct req *r, const struct res *old, const struct draft *d)
{
	struct tree_iter it;
	struct res child;
	enum reeve_rc rc;

	if (d->nw.h.et >= old->h.et)
		return RC_OK;
	if ((rc = tree_children(x->tx, old->key.n, TREE_ALL, &it)) != RC_OK)
		return rc;
	while ((rc = tree_next(&it, &child)) == RC_OK)
		if (child.h.et > d->nw.h.et && child.h.et > x->now) {
			rc = req_refuse(r, 4000, "et: a child (%.*s) lives longer", SF(res_ri(&child)));
			break;
		}
	tree_end(&it);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

static struct slice changed_members(struct req *r)
{
	struct buf b;
	struct slice s;

	buf_init(&b, r->pc.n * 2 + 256);
	for (size_t i = 0; i < r->work->n_attrs; i++) {
		if (b.n)
			buf_char(&b, ',');
		buf_printf(&b, "\"%s\":", r->work->attrs[i].a->sn);
		buf_slice(&b, r->work->attrs[i].raw.p ? r->work->attrs[i].raw : S("null"));
	}
	s = arena_dup(&r->arena, buf_view(&b));
	buf_free(&b);
	return s;
}

static enum reeve_rc check_update(struct exec *x, struct req *r, const struct res *old)
{
	struct req_work *w = r->work;
	bool acpi = false;

	if (w->content_rsc)
		return req_refuse(r, w->content_rsc, "%.*s", SF(w->content_why));
	if (w->m != res_model(old))
		return req_refuse(r, 4000, "content is a %s, the target is a %s", w->m->name, res_model(old)->name);
	for (size_t i = 0; i < w->n_attrs; i++)
		acpi |= slice_eq(slice_str(w->attrs[i].a->sn), S("acpi"));
	if (acpi && w->n_attrs > 1)
		return req_refuse(r, 4000, "acpi: must be the only attribute of an Update");
	return draft_check_given(x, r, false);
}

static enum reeve_rc answer_update(struct req *r, const struct res *old, const struct res *nw)
{
	r->rsc = 2004;
	if (rcn_is(r, 1, 1))
		res_render_rooted(&r->out, nw);
	else if (rcn_is(r, 1, 9))
		return render_modified(r, nw, old);
	return RC_OK;
}

enum reeve_rc op_update(struct exec *x, struct req *r, const struct target *t)
{
	const struct type_hooks *hooks = type_hooks(t->res.h.ty);
	struct res old = t->res, parent, nw;
	struct draft d;
	enum reeve_rc rc;

	if (!hooks)
		return req_refuse(r, 5001, "this resource type is not implemented");
	if ((rc = check_update(x, r, &old)) != RC_OK)
		return rc;
	if (r->fc.any && !filter_match(&r->fc, &r->arena, x->tx, &old, false))
		return req_refuse(r, 4004, "the resource does not match the filter criteria");
	if (hooks->procedure && (rc = hooks->procedure(x, r, &old)) != RC_NOTFOUND)
		return rc;
	if (notify_blocks(x, r, &old))
		return req_refuse(r, 5107, "the target of a blocking subscription has to be asked, and cannot be now or through a group");
	/* the old text must outlive the change: hooks compare */
	old.text = arena_dup(&r->arena, old.text);
	old.acps = arena_dup(&r->arena, old.acps);
	old.creator = arena_dup(&r->arena, old.creator);
	if (r->arena.failed)
		return RC_NOMEM;
	if ((rc = tree_parent(x->tx, &old, &parent)) != RC_OK)
		return store_failed(x, r, rc);
	if ((rc = begin_update(x, r, &old, &d)) != RC_OK || (rc = draft_finish(x, r, &parent, &old, &d)) != RC_OK ||
	    (rc = check_children_et(x, r, &old, &d)) != RC_OK)
		return rc;
	if ((rc = tree_replace(x->tx, &old, &d.nw, &nw)) != RC_OK)
		return store_failed(x, r, rc);
	if (sent(r, S("acpi")))
		audited(x, &(struct audit_what){ .kind = AUDIT_LINKS, .action = "change", .target = res_ri(&nw),
						 .detail = res_member(&nw, S("acpi")) });
	if (hooks->updated && ((rc = hooks->updated(x, r, &old, &nw)) != RC_OK || (rc = tree_get(x->tx, old.key, &nw)) != RC_OK))
		return store_failed(x, r, rc);
	if ((rc = announce_stored(x, r, &parent, &old, &nw)) != RC_OK || (rc = tree_get(x->tx, old.key, &nw)) != RC_OK)
		return store_failed(x, r, rc);
	if (nw.h.n_subs && ((rc = notify_happened(x, NE_UPDATE, &nw, &nw, changed_members(r))) != RC_OK ||
			    (rc = tree_get(x->tx, old.key, &nw)) != RC_OK))
		return store_failed(x, r, rc);
	return answer_update(r, &old, &nw);
}

/* --- Delete --- */

enum reeve_rc op_delete(struct exec *x, struct req *r, const struct target *t)
{
	int rcn = r->has & HAS_RCN ? r->rcn : 0;
	struct res res = t->res;
	enum reeve_rc rc;

	if (r->fc.any && rcn < 4 && !filter_match(&r->fc, &r->arena, x->tx, &t->res, false))
		return req_refuse(r, 4004, "the resource does not match the filter criteria");
	if (rcn == 1)
		res_render_rooted(&r->out, &t->res);
	else if (rcn >= 4 && (rc = children_render(x, r, &t->res, rcn)) != RC_OK)
		return rc;
	if (r->out.failed) { /* exec_request tells; nothing may be gone then */
		r->rsc = 2002;
		return RC_OK;
	}
	/* its operation monitors hear of it while they are there; what they enter may move the record */
	if (t->res.h.n_subs &&
	    ((rc = notify_operation(x, &t->res, r)) != RC_OK || (rc = tree_get(x->tx, t->res.key, &res)) != RC_OK))
		return store_failed(x, r, rc);
	if ((rc = exec_delete(x, &res, false)) != RC_OK)
		return store_failed(x, r, rc);
	r->rsc = 2002;
	return RC_OK;
}
