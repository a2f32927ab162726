/* SPDX-License-Identifier: Apache-2.0 */
/* Drafts: attributes of a resource before it is stored, and the checks that Create and Update share. */
#include "core/draft.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/cse/announce.h"
#include "core/types.h"
#include "core/work.h"

static struct draft_attr *find(const struct draft *d, struct slice sn)
{
	for (size_t i = 0; i < d->n; i++)
		if (slice_eq(slice_str(d->v[i].a->sn), sn))
			return &d->v[i];
	return NULL;
}

struct slice draft_get(const struct draft *d, struct slice sn)
{
	struct draft_attr *v = find(d, sn);
	return v ? v->raw : (struct slice){ NULL, 0 };
}

bool draft_given(const struct draft *d, struct slice sn)
{
	struct draft_attr *v = find(d, sn);
	return v && v->given;
}

enum reeve_rc draft_json(const struct draft *d, struct slice sn, struct json *j)
{
	struct slice raw = draft_get(d, sn), why;
	return raw.p ? json_parse(d->arena, raw, &json_default_limits, j, &why) : RC_NOTFOUND;
}

bool draft_u64(const struct draft *d, struct slice sn, uint64_t *out)
{
	struct slice raw = draft_get(d, sn);
	return raw.p && slice_u64(raw, out);
}

bool draft_bool(const struct draft *d, struct slice sn, bool *out)
{
	struct slice raw = draft_get(d, sn);
	if (!raw.p)
		return false;
	*out = slice_eq(raw, S("true"));
	return *out || slice_eq(raw, S("false"));
}

struct slice draft_string(const struct draft *d, struct slice sn)
{
	struct slice raw = draft_get(d, sn), why;
	struct json j;

	/* in a list, because token 0 is "no value" to json_string */
	if (!raw.p || json_parse(d->arena, arena_printf(d->arena, "[%.*s]", SF(raw)), &json_default_limits, &j, &why) != RC_OK)
		return (struct slice){ NULL, 0 };
	return json_string(d->arena, &j, 1);
}

static struct draft_attr *add(struct draft *d, const struct model_attr *a)
{
	if (d->n == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 16;
		struct draft_attr *v = arena_array(d->arena, cap, sizeof(*v));
		if (!v)
			return NULL;
		if (d->n)
			memcpy(v, d->v, d->n * sizeof(*v));
		d->v = v;
		d->cap = cap;
	}
	d->v[d->n] = (struct draft_attr){ .a = a };
	return &d->v[d->n++];
}

bool draft_set(struct draft *d, struct slice sn, struct slice raw)
{
	struct draft_attr *v = find(d, sn);
	const struct model_attr *a = v ? v->a : model_attr(d->m, sn);

	if (!v && (!a || !(v = add(d, a))))
		return false;
	v->raw = raw;
	return true;
}

void draft_remove(struct draft *d, struct slice sn)
{
	struct draft_attr *v = find(d, sn);
	if (v)
		v->raw = (struct slice){ NULL, 0 };
}

/* --- stored resources --- */

enum reeve_rc res_json(struct arena *a, const struct res *r, struct json *j)
{
	struct slice why;
	struct buf b;
	enum reeve_rc rc;

	buf_init(&b, r->text.n + 512);
	buf_char(&b, '{');
	res_render(&b, r);
	buf_char(&b, '}');
	if (b.failed) {
		buf_free(&b);
		return RC_NOMEM;
	}
	struct slice text = arena_dup(a, buf_view(&b));
	buf_free(&b);
	if (!text.p)
		return RC_NOMEM;
	rc = json_parse(a, text, &json_default_limits, j, &why);
	return rc == RC_SYNTAX ? RC_INVALID : rc;
}

struct slice res_attr(struct arena *a, const struct res *r, struct slice sn)
{
	struct json j;
	uint32_t i;

	if (res_json(a, r, &j) != RC_OK || !(i = json_member(&j, 0, sn)))
		return (struct slice){ NULL, 0 };
	return json_raw(&j, i);
}

/* --- Create and Update --- */

/* Parse {"m2m:cnt":{...}} and check every member against the model. Whatever is wrong is kept for step 6.4. */
static enum reeve_rc content(struct req *r, struct req_work *w, const struct json_limits *limits, struct slice *why)
{
	struct arena *a = &r->arena;
	struct json *j = &w->json;
	enum reeve_rc rc = json_parse(a, r->pc, limits, j, why);

	if (rc != RC_OK)
		return rc;
	if (json_kind(j, 0) != J_OBJECT || j->tok[0].count != 1 || json_kind(j, 2) != J_OBJECT) {
		*why = S("content must be one object with one member, the resource's root element");
		return RC_INVALID;
	}
	w->obj = 2;
	w->m = model_by_root(json_inner(j, 1));
	if (!w->m) {
		*why = arena_printf(a, "unknown root element \"%.*s\"", SF(json_inner(j, 1)));
		return RC_INVALID;
	}
	w->attrs = arena_array(a, j->tok[2].count + 1u, sizeof(*w->attrs));
	if (!w->attrs)
		return RC_NOMEM;
	for (uint32_t i = 3; i < j->tok[2].next; i = j->tok[i + 1].next) {
		struct draft_attr *v = &w->attrs[w->n_attrs];
		v->a = model_attr(w->m, json_inner(j, i));
		if (!v->a) {
			*why = arena_printf(a, "\"%.*s\" is no attribute of %s (short names are wanted)", SF(json_inner(j, i)),
					    w->m->name);
			return RC_INVALID;
		}
		v->given = true;
		if (json_kind(j, i + 1) != J_NULL) {
			rc = model_check(v->a->type, v->a->many, j, i + 1, a, why);
			if (rc != RC_OK) {
				*why = arena_printf(a, "%s: %.*s", v->a->sn, SF(*why));
				return rc;
			}
			v->raw = json_raw(j, i + 1);
			if (json_kind(j, i + 1) >= J_ARRAY) {
				struct buf b;
				buf_init(&b, v->raw.n + 1);
				json_compact(&b, j, i + 1);
				v->raw = arena_dup(a, buf_view(&b));
				buf_free(&b);
				if (!v->raw.p)
					return RC_NOMEM;
			}
		}
		w->n_attrs++;
	}
	return RC_OK;
}

void check_content(struct core *c, struct req *r)
{
	struct req_work *w = r->work;
	struct slice why = { NULL, 0 };

	w->n_attrs = 0; /* a request that waited comes here again */
	w->content_rsc = 0;
	if (!r->pc.p) {
		w->content_rsc = 4000;
		w->content_why = S("the request needs content: the representation of the resource");
		return;
	}
	switch (content(r, w, &c->cfg->limits.json, &why)) {
	case RC_OK:
		return;
	case RC_NOMEM:
		metrics_inc(&c->metrics, limit_memory);
		w->content_rsc = 5000;
		w->content_why = S("the request needs more memory than limits.request_memory");
		return;
	case RC_LIMIT:
		metrics_inc(&c->metrics, limit_json);
		__attribute__((fallthrough));
	default:
		w->content_rsc = 4000;
		w->content_why = why.p ? why : S("malformed content");
	}
}

/* What the request may carry at all: rows of the model (TS-0004 7.3.3.3, 7.3.3.4). */
enum reeve_rc draft_check_given(struct exec *x, struct req *r, bool create)
{
	struct req_work *w = r->work;
	const struct type_hooks *hooks = w->m ? type_hooks(w->m->ty) : NULL;
	const char *late = hooks ? hooks->late : NULL;

	for (size_t i = 0; i < w->n_attrs; i++) {
		const struct draft_attr *v = &w->attrs[i];
		struct slice sn = slice_str(v->a->sn);

		if (create && slice_eq(sn, S("cr"))) {
			if (v->raw.p)
				return req_refuse(r, 4000, "cr: only null may be sent; the CSE fills it in");
			continue;
		}
		if (!x->internal && (create ? v->a->create : v->a->update) == MODEL_NP &&
		    (create || !late || !slice_eq(sn, slice_str(late))))
			return req_refuse(r, 4000, "%s: not permitted in %s", v->a->sn, create ? "Create" : "Update");
		if (!v->raw.p && create)
			return req_refuse(r, 4000, "%s: null makes no sense in Create", v->a->sn);
		if (!v->raw.p && v->a->single && !slice_eq(sn, S("et")))
			return req_refuse(r, 4000, "%s: has multiplicity 1 and cannot be removed", v->a->sn);
	}
	if (create)
		for (size_t i = 0; i < w->m->n_attrs; i++) {
			const struct model_attr *a = &w->m->attrs[i];
			bool there = false;
			for (size_t k = 0; k < w->n_attrs && !there; k++)
				there = w->attrs[k].a == a;
			if (a->create == MODEL_M && !there && !x->internal)
				return req_refuse(r, 4000, "%s (%s) is mandatory", a->sn, a->name);
		}
	return RC_OK;
}

static enum reeve_rc link_policies(struct exec *x, struct req *r, struct draft *d)
{
	struct json j;
	struct res_key *keys;
	enum reeve_rc rc = draft_json(d, S("acpi"), &j);

	d->nw.h.flags = (uint8_t)(d->nw.h.flags & ~REC_ACPI);
	d->nw.acps = NULL;
	d->nw.n_acps = 0;
	if (rc == RC_NOTFOUND)
		return RC_OK;
	if (rc != RC_OK)
		return req_refuse(r, 5000, "out of memory");
	if (j.tok[0].count == 0)
		return req_refuse(r, 4000, "acpi: the list needs at least one member");
	if (j.tok[0].count > UINT16_MAX || !(keys = arena_array(d->arena, j.tok[0].count, sizeof(*keys))))
		return req_refuse(r, 4000, "acpi: too many members");
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next) {
		struct slice id = json_string(d->arena, &j, i), local, cse;
		struct target t;

		/* a policy on another CSE is kept as a link and grants nothing until it can be fetched (AUTHZ-106) */
		if (ident_route(d->arena, &x->core->home, id, &local, &cse) == WHERE_TRANSIT)
			continue;
		if (exec_lookup(x, id, &t) != RC_OK || t.virt || t.res.h.ty != TYPE_ACP) {
			/* links that dangle already may stay in an Update of something else */
			if (draft_given(d, S("acpi")))
				return req_refuse(r, 4000, "acpi: \"%.*s\" is no accessControlPolicy here", SF(id));
			continue;
		}
		keys[d->nw.n_acps++] = t.res.key;
	}
	d->nw.h.flags |= REC_ACPI;
	d->nw.acps = keys;
	return RC_OK;
}

/* daci: one that leads nowhere counts as unset when it is needed (TS-0001 9.6.1.3.2), but whoever writes one is told. */
static enum reeve_rc check_consultations(struct exec *x, struct req *r, struct draft *d)
{
	struct json j;
	struct target t;
	enum reeve_rc rc;

	if (!draft_given(d, S("daci")) || (rc = draft_json(d, S("daci"), &j)) == RC_NOTFOUND)
		return RC_OK;
	if (rc != RC_OK)
		return req_refuse(r, 5000, "out of memory");
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next) {
		struct slice id = json_string(d->arena, &j, i), local, cse;

		if (ident_route(d->arena, &x->core->home, id, &local, &cse) == WHERE_TRANSIT)
			continue;
		if (exec_lookup(x, id, &t) != RC_OK || t.virt || t.res.h.ty != TYPE_DAC)
			return req_refuse(r, 4000, "daci: \"%.*s\" is no dynamicAuthorizationConsultation here", SF(id));
	}
	return RC_OK;
}

static enum reeve_rc index_labels(struct req *r, struct draft *d)
{
	struct json j;
	struct slice *v;
	enum reeve_rc rc = draft_json(d, S("lbl"), &j);

	d->nw.labels = NULL;
	d->nw.n_labels = 0;
	if (rc == RC_NOTFOUND)
		return RC_OK;
	if (rc != RC_OK || !(v = arena_array(d->arena, j.tok[0].count + 1u, sizeof(*v))))
		return req_refuse(r, 5000, "out of memory");
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next)
		v[d->nw.n_labels++] = json_string(d->arena, &j, i);
	d->nw.labels = v;
	return RC_OK;
}

static enum reeve_rc expiration(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	bool given = draft_given(d, S("et"));
	struct slice raw = draft_get(d, S("et"));
	usec most = parent->h.et < TIMESTAMP_MOST ? parent->h.et : TIMESTAMP_MOST, t;

	if (x->core->cfg->max_lifetime && x->now + x->core->cfg->max_lifetime < most && !x->internal)
		most = x->now + x->core->cfg->max_lifetime;
	if (old && !given) {
		d->nw.h.et = old->h.et;
		return RC_OK;
	}
	if (!raw.p) {
		d->nw.h.et = most;
		return RC_OK;
	}
	if (!text_timestamp(slice_of(raw.p + 1, raw.n - 2), &t))
		return req_refuse(r, 4000, "et: not a timestamp of the form YYYYMMDDThhmmss");
	if (t <= x->now)
		return req_refuse(r, 4000, "et: lies in the past");
	d->nw.h.et = t < most ? t : most;
	return RC_OK;
}

static bool in_head(const struct model_res *m, struct slice sn)
{
	static const char *const always[] = { "rn", "ri", "ty", "pi", "ct", "lt", "et" };
	static const char *const counters[] = { "st", "cni", "cbs" };

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		if (slice_eq(sn, slice_str(always[i])))
			return true;
	if (m->ty == TYPE_CONTENT_INSTANCE || m->ty == TYPE_TIME_SERIES_INSTANCE) /* instances never change: their counters are text */
		return false;
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		if (slice_eq(sn, slice_str(counters[i])))
			return true;
	return false;
}

/* Common attributes, the type's own checks, and the text to be stored. */
enum reeve_rc draft_finish(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	const struct type_hooks *hooks = type_hooks(d->m->ty);
	enum reeve_rc rc;
	struct buf b;

	if ((rc = expiration(x, r, parent, old, d)) != RC_OK)
		return rc;
	if (hooks->check && (rc = hooks->check(x, r, parent, old, d)) != RC_OK)
		return rc;
	if ((rc = announce_check(x, r, parent, old, d)) != RC_OK)
		return rc;
	if ((rc = link_policies(x, r, d)) != RC_OK || (rc = check_consultations(x, r, d)) != RC_OK || (rc = index_labels(r, d)) != RC_OK)
		return rc;
	buf_init(&b, x->core->cfg->limits.request_memory);
	for (size_t i = 0; i < d->n; i++) {
		if (!d->v[i].raw.p || in_head(d->m, slice_str(d->v[i].a->sn)))
			continue;
		if (b.n)
			buf_char(&b, ',');
		buf_char(&b, '"');
		buf_slice(&b, slice_str(d->v[i].a->sn));
		buf_lit(&b, "\":");
		buf_slice(&b, d->v[i].raw);
	}
	d->nw.attrs = b.failed ? (struct slice){ NULL, 0 } : arena_dup(d->arena, buf_view(&b));
	buf_free(&b);
	if (!d->nw.attrs.p || d->arena->failed)
		return req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
	return RC_OK;
}

/* --- without an Update --- */

static void others(struct buf *b, const struct model_res *m, const struct json *j, const char *const *sn, size_t n)
{
	for (uint32_t i = 1; i < j->tok[0].next; i = j->tok[i + 1].next) {
		bool keep = !in_head(m, json_inner(j, i));

		for (size_t k = 0; k < n && keep; k++)
			keep = !slice_eq(json_inner(j, i), slice_str(sn[k]));
		if (!keep)
			continue;
		buf_slice(b, json_raw(j, i));
		buf_char(b, ':');
		buf_slice(b, json_raw(j, i + 1));
		buf_char(b, ',');
	}
}

enum reeve_rc res_put(struct st_tx *tx, struct res_key key, const char *const *sn, size_t n, struct slice members, usec lt, size_t most,
		      struct res *nw)
{
	struct res_new to = { .creator = { NULL, 0 } };
	struct res_key *acps;
	struct slice *labels;
	struct res old;
	struct arena a;
	struct json j;
	struct buf b;
	enum reeve_rc rc = tree_get(tx, key, &old);

	if (rc != RC_OK)
		return rc;
	arena_init(&a, NULL, 0, 64 * most); /* a token costs more than its text */
	buf_init(&b, most);
	to.h = old.h;
	if (lt)
		to.h.lt = lt;
	if ((rc = res_json(&a, &old, &j)) != RC_OK || (rc = res_labels(&a, &old, &labels, &to.n_labels)) != RC_OK)
		goto out;
	for (size_t i = 0; i < to.n_labels; i++)
		labels[i] = arena_dup(&a, labels[i]);
	others(&b, res_model(&old), &j, sn, n);
	buf_slice(&b, members);
	if (!members.n && b.n)
		b.n--;
	acps = arena_array(&a, old.h.n_acps + 1u, sizeof(*acps));
	for (size_t i = 0; acps && i < old.h.n_acps; i++)
		acps[i] = res_acp(&old, i);
	to.creator = arena_dup(&a, old.creator);
	to.labels = labels;
	to.acps = acps;
	to.n_acps = old.h.n_acps;
	to.attrs = buf_view(&b);
	rc = b.failed || a.failed ? RC_NOMEM : tree_replace(tx, &old, &to, nw);
out:
	buf_free(&b);
	arena_reset(&a);
	return rc;
}
