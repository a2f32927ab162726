/* SPDX-License-Identifier: Apache-2.0 */
/* What is announced, decided in the writer along with the change itself.
 *
 * A change of an announced attribute, and the end of a copy, become entries of the outbox in the same transaction, so no copy is
 * forgotten, and a CSE that is away hears of it later. at has the addresses of copies that exist, and nothing else: what is to be
 * made is made after the commit (announce_send.c), and entered then. */
#include "core/cse/announce.h"

#include "core/cse/announce_int.h"
#include "core/notify/outbox.h"
#include "core/types.h"
#include "core/work.h"

enum { TARGETS_MOST = 100, CONTENT_MOST = 64 << 20 };

/* --- lists --- */

static bool has(const struct names *l, struct slice s)
{
	for (size_t i = 0; i < l->n; i++)
		if (slice_eq(l->v[i], s))
			return true;
	return false;
}

static enum reeve_rc read_list(struct arena *a, struct slice raw, struct names *l)
{
	struct slice why;
	struct json j;

	*l = (struct names){ .n = 0 };
	if (!raw.p || !raw.n)
		return RC_OK;
	if (json_parse(a, arena_dup(a, raw), &json_default_limits, &j, &why) != RC_OK || json_kind(&j, 0) != J_ARRAY)
		return a->failed ? RC_NOMEM : RC_OK;
	if (!(l->v = arena_array(a, j.tok[0].count + 1u, sizeof(*l->v))))
		return RC_NOMEM;
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next) {
		struct slice s = json_string(a, &j, i);
		if (s.n && !has(l, s))
			l->v[l->n++] = s;
	}
	return a->failed ? RC_NOMEM : RC_OK;
}

void names_write(struct buf *b, const struct names *l)
{
	buf_char(b, '[');
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			buf_char(b, ',');
		buf_json(b, l->v[i]);
	}
	buf_char(b, ']');
}

static struct slice names_text(struct arena *a, const struct names *l)
{
	struct slice s;
	struct buf b;

	buf_init(&b, SIZE_MAX / 2);
	names_write(&b, l);
	s = b.failed ? (struct slice){ NULL, 0 } : arena_dup(a, buf_view(&b));
	buf_free(&b);
	return s;
}

static const struct model_res *copy_model(const struct model_res *m) { return model_by_ty(m->ty + 10000); }

/* --- before it is stored --- */

/* Only what the type allows may be announced beside what always is. */
static enum reeve_rc check_names(struct req *r, const struct draft *d)
{
	struct names aa;
	enum reeve_rc rc;

	if (!draft_given(d, S("aa")))
		return RC_OK;
	if ((rc = read_list(d->arena, draft_get(d, S("aa")), &aa)) != RC_OK)
		return rc;
	for (size_t i = 0; i < aa.n; i++) {
		const struct model_attr *a = model_attr(d->m, aa.v[i]);
		if (!a || a->annc != 'O')
			return req_refuse(r, 4000, "aa: \"%.*s\" is no attribute of %s that may be announced", SF(aa.v[i]), d->m->name);
	}
	return RC_OK;
}

/* Is the target a CSE (where to is our business), or the address of the parent of the copy? */
static bool is_cse(struct exec *x, struct arena *a, struct slice target)
{
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon;

	return ident_parse(a, &x->core->home, target, &kind, &form, &canon) == RC_OK && form != ID_STEM &&
	       (kind == ID_CSE || kind == ID_AE_S);
}

struct slice announce_cse_of(struct core *c, struct arena *a, struct slice address)
{
	struct slice local, cse;
	return ident_route(a, &c->home, address, &local, &cse) == WHERE_TRANSIT ? cse : (struct slice){ NULL, 0 };
}

/* The copy of the parent at that CSE; empty when there is none. */
static struct slice parent_copy(struct exec *x, struct arena *a, const struct res *parent, struct slice cse)
{
	struct names at;

	if (read_list(a, res_member(parent, S("at")), &at) != RC_OK)
		return (struct slice){ NULL, 0 };
	for (size_t i = 0; i < at.n; i++)
		if (slice_eq(announce_cse_of(x->core, a, at.v[i]), cse))
			return at.v[i];
	return (struct slice){ NULL, 0 };
}

static enum reeve_rc plan_copy(struct exec *x, struct req *r, const struct res *parent, const struct draft *d, struct slice target)
{
	struct plan *p = r->work->announced;
	struct copy *k = &p->v[p->n];
	bool instance = d->m->ty == TYPE_CONTENT_INSTANCE || d->m->ty == TYPE_TIME_SERIES_INSTANCE;

	*k = (struct copy){ .target = target, .cse = announce_cse_of(x->core, d->arena, target) };
	if (!k->cse.n)
		return req_refuse(r, 4000, "at: \"%.*s\" is neither another CSE's CSE-ID nor an address there", SF(target));
	k->parent = is_cse(x, d->arena, target) ? parent_copy(x, d->arena, parent, k->cse) : target;
	if (!k->parent.p && instance)
		return req_refuse(r, 4005, "at: the parent is not announced at %.*s", SF(target));
	p->n++;
	return RC_OK;
}

static enum reeve_rc plan(struct exec *x, struct req *r, const struct res *parent, struct draft *d, const struct names *was,
			  const struct names *wanted)
{
	struct plan *p = arena_zalloc(d->arena, sizeof(*p));
	struct names kept = { arena_array(d->arena, was->n + 1, sizeof(struct slice)), 0 };
	bool any = false;
	enum reeve_rc rc;

	if (!p || !kept.v || !(p->v = arena_array(d->arena, wanted->n + 1, sizeof(*p->v))))
		return RC_NOMEM;
	r->work->announced = p;
	for (size_t i = 0; i < wanted->n; i++) {
		if (has(was, wanted->v[i]))
			continue;
		any = true;
		if (x->depth)
			return req_refuse(r, 5001, "at: resources are not announced through a group");
		if ((rc = plan_copy(x, r, parent, d, wanted->v[i])) != RC_OK)
			return rc;
	}
	for (size_t i = 0; i < was->n; i++)
		if (has(wanted, was->v[i]))
			kept.v[kept.n++] = was->v[i];
	p->kept = kept;
	if (!any)
		r->work->announced = NULL;
	if (!kept.n) {
		draft_remove(d, S("at"));
		return RC_OK;
	}
	return draft_set(d, S("at"), names_text(d->arena, &kept)) ? RC_OK : RC_NOMEM;
}

enum reeve_rc announce_check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct names was = { .n = 0 }, wanted;
	enum reeve_rc rc;

	r->work->announced = NULL;
	if (x->internal || r->work->internal || !model_attr(d->m, S("at")))
		return RC_OK;
	if ((rc = check_names(r, d)) != RC_OK || !draft_given(d, S("at")))
		return rc;
	if (!copy_model(d->m) || !type_hooks(d->m->ty + 10000))
		return req_refuse(r, 5001, "at: %s is not announced by this CSE", d->m->name);
	if ((old && (rc = read_list(d->arena, res_member(old, S("at")), &was)) != RC_OK) ||
	    (rc = read_list(d->arena, draft_get(d, S("at")), &wanted)) != RC_OK)
		return rc;
	if (wanted.n > TARGETS_MOST)
		return req_refuse(r, 4000, "at: at most %d targets", TARGETS_MOST);
	return plan(x, r, parent, d, &was, &wanted);
}

/* --- representations --- */

/* Identifiers of ours, as they are valid elsewhere: with our CSE-ID. */
static void add_id(struct exec *x, struct buf *b, struct slice id)
{
	char room[512];
	int n;

	if (!id.n || id.p[0] == '/' || memmem(id.p, id.n, "://", 3)) {
		buf_json(b, id);
		return;
	}
	n = snprintf(room, sizeof(room), "%.*s/%.*s", SF(x->core->home.cse_id), SF(id));
	buf_json(b, n > 0 && (size_t)n < sizeof(room) ? slice_of(room, (size_t)n) : id);
}

static void add_value(struct exec *x, struct arena *a, struct buf *b, struct slice sn, struct slice raw)
{
	static const char *const ids[] = { "acpi", "daci", "nl", "mid", "macp", "aei" };
	struct slice why;
	struct json j;
	bool id = false;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		id |= slice_eq(sn, slice_str(ids[i]));
	if (!id || json_parse(a, raw, &json_default_limits, &j, &why) != RC_OK) {
		buf_slice(b, raw);
	} else if (json_kind(&j, 0) == J_STRING) {
		add_id(x, b, json_string(a, &j, 0));
	} else {
		buf_char(b, '[');
		for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next) {
			if (i > 1)
				buf_char(b, ',');
			add_id(x, b, json_string(a, &j, i));
		}
		buf_char(b, ']');
	}
}

/* acpi of the nearest ancestor that has one (AUTHZ-132). */
static struct slice inherited_acpi(struct exec *x, struct arena *a, const struct res *res)
{
	struct res up = *res;
	struct slice raw;

	do {
		raw = res_member(&up, S("acpi"));
		if (raw.p)
			return arena_dup(a, raw);
	} while (up.key.parent && tree_parent(x->tx, &up, &up) == RC_OK);
	return (struct slice){ NULL, 0 };
}

static bool is_announced(const struct model_res *copy, const struct model_attr *a, const struct names *aa)
{
	return (a->annc == 'M' || (a->annc == 'O' && has(aa, slice_str(a->sn)))) && model_attr(copy, slice_str(a->sn));
}

/* Whatever is announced of res, as members with commas before them. */
static enum reeve_rc add_announced(struct exec *x, struct arena *a, const struct res *res, struct buf *b)
{
	const struct model_res *m = res_model(res), *copy = copy_model(m);
	struct slice acpi;
	struct names aa;
	struct json j;
	enum reeve_rc rc;

	if ((rc = read_list(a, res_member(res, S("aa")), &aa)) != RC_OK || (rc = res_json(a, res, &j)) != RC_OK)
		return rc;
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i + 1].next) {
		struct slice sn = json_inner(&j, i);
		const struct model_attr *at = model_attr(m, sn);
		bool et = slice_eq(sn, S("et")); /* needed in any copy, also where the tables do not announce it */

		if (!at || !(et || is_announced(copy, at, &aa)))
			continue;
		buf_printf(b, ",\"%.*s\":", SF(sn));
		add_value(x, a, b, sn, json_raw(&j, i + 1));
	}
	if (copy->acpi && !json_member(&j, 0, S("acpi")) && (acpi = inherited_acpi(x, a, res)).p) {
		buf_lit(b, ",\"acpi\":");
		add_value(x, a, b, S("acpi"), acpi);
	}
	return RC_OK;
}

static enum reeve_rc creation(struct exec *x, struct arena *a, const struct res *res, struct slice *out)
{
	struct slice ri = res_ri(res);
	struct buf b;
	enum reeve_rc rc;

	buf_init(&b, CONTENT_MOST);
	buf_printf(&b, "{\"%s\":{\"lnk\":\"%.*s/%.*s\"", copy_model(res_model(res))->root, SF(x->core->home.cse_id), SF(ri));
	rc = add_announced(x, a, res, &b);
	buf_lit(&b, "}}");
	*out = b.failed ? (struct slice){ NULL, 0 } : arena_dup(a, buf_view(&b));
	buf_free(&b);
	return rc != RC_OK ? rc : out->p ? RC_OK : RC_NOMEM;
}

/* --- it is stored --- */

static enum reeve_rc enter(struct exec *x, const struct res *res, enum outbox_kind kind, struct slice targets, struct slice content)
{
	struct outbox_entry e = { .sub = { 0, res->key.n }, .when = x->now, .kind = (uint8_t)kind, .flags = OB_PLAIN | OB_SURVIVES,
				  .targets = targets, .sgn = content };
	return outbox_put(x, &e);
}

/* What is announced now differs from what was: new values, null for what is not announced any more. Empty: nothing does. */
static enum reeve_rc difference(struct exec *x, struct arena *a, const struct res *old, const struct res *nw, struct slice *out)
{
	const struct model_res *m = res_model(nw), *copy = copy_model(m);
	struct names aa_old, aa_new;
	struct json was, is;
	bool first = true;
	struct buf b;
	enum reeve_rc rc;

	if ((rc = read_list(a, res_member(old, S("aa")), &aa_old)) != RC_OK ||
	    (rc = read_list(a, res_member(nw, S("aa")), &aa_new)) != RC_OK ||
	    (rc = res_json(a, old, &was)) != RC_OK || (rc = res_json(a, nw, &is)) != RC_OK)
		return rc;
	buf_init(&b, CONTENT_MOST);
	buf_printf(&b, "{\"%s\":{", copy->root);
	for (size_t i = 0; i < m->n_attrs; i++) {
		struct slice sn = slice_str(m->attrs[i].sn);
		uint32_t before = is_announced(copy, &m->attrs[i], &aa_old) ? json_member(&was, 0, sn) : 0;
		uint32_t after = is_announced(copy, &m->attrs[i], &aa_new) ? json_member(&is, 0, sn) : 0;

		if (!m->attrs[i].sn || (!before && !after) || (before && after && slice_eq(json_raw(&was, before), json_raw(&is, after))))
			continue;
		buf_printf(&b, "%s\"%.*s\":", first ? "" : ",", SF(sn));
		first = false;
		if (after)
			add_value(x, a, &b, sn, json_raw(&is, after));
		else
			buf_lit(&b, "null");
	}
	buf_lit(&b, "}}");
	*out = first || b.failed ? (struct slice){ NULL, 0 } : arena_dup(a, buf_view(&b));
	rc = b.failed ? RC_NOMEM : RC_OK;
	buf_free(&b);
	return rc;
}

static enum reeve_rc tell_copies(struct exec *x, struct arena *a, const struct res *old, const struct res *nw)
{
	struct names was, is, gone;
	struct slice content = { NULL, 0 };
	enum reeve_rc rc;

	if ((rc = read_list(a, res_member(old, S("at")), &was)) != RC_OK || !was.n ||
	    (rc = read_list(a, res_member(nw, S("at")), &is)) != RC_OK ||
	    (is.n && (rc = difference(x, a, old, nw, &content)) != RC_OK)) /* before anything is written: nw is a view */
		return rc;
	gone = (struct names){ arena_array(a, was.n, sizeof(struct slice)), 0 };
	if (!gone.v)
		return RC_NOMEM;
	for (size_t i = 0; i < was.n; i++)
		if (!has(&is, was.v[i]))
			gone.v[gone.n++] = was.v[i];
	if (gone.n && (rc = enter(x, nw, OB_ANNC_DELETE, names_text(a, &gone), S(""))) != RC_OK)
		return rc;
	return content.p ? enter(x, nw, OB_ANNC_UPDATE, names_text(a, &is), content) : RC_OK;
}

enum reeve_rc announce_stored(struct exec *x, struct req *r, const struct res *parent, const struct res *old, const struct res *nw)
{
	struct plan *p = r->work->announced;
	struct res now;
	enum reeve_rc rc;

	(void)parent;
	if (!model_attr(res_model(nw), S("at")))
		return RC_OK;
	if (old && (rc = tell_copies(x, &r->arena, old, nw)) != RC_OK)
		return rc;
	if (!p)
		return RC_OK;
	if ((rc = tree_get(x->tx, nw->key, &now)) != RC_OK)
		return rc;
	p->key = now.key;
	p->ty = res_model(&now)->ty + 10000;
	return creation(x, &r->arena, &now, &p->content);
}

enum reeve_rc announce_removing(struct exec *x, const struct res *res)
{
	struct slice at = res_member(res, S("at"));
	char mem[2048];
	struct arena a;
	enum reeve_rc rc;

	if (!at.p || at.n <= 2)
		return RC_OK;
	arena_init(&a, mem, sizeof(mem), 1 << 20);
	at = arena_dup(&a, at);
	rc = at.p ? enter(x, res, OB_ANNC_DELETE, at, S("")) : RC_NOMEM;
	arena_reset(&a);
	return rc;
}
