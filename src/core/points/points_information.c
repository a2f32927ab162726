/* SPDX-License-Identifier: Apache-2.0 */
/* The Policy Information Point for other CSEs (TS-0003 7.5.4, TS-0004 7.4.45.2.3): the <role> and <token> resources of an Originator that
 * are kept here.
 *
 * Of tokens only those are given that were asked for by their Token-ID and whose plaintext copy says that the Originator holds them:
 * a token is a bearer's secret. Whether roles and tokens are to be believed is for the decision point to find out. */
#include "core/points/points_int.h"

#include "core/draft.h"

struct informer {
	struct exec *x;
	struct req *r;
	struct point_who who;
	struct slice_list rids, tids;
	struct buf roles, tokens;
	unsigned seen, found;
};

static struct slice_list list_of(struct req *r, struct slice sn)
{
	const struct json *j = &r->work->json;
	uint32_t at = json_member(j, r->work->obj, sn);
	struct slice_list l = { NULL, 0 };
	struct slice *v;

	if (!at || !(v = arena_array(&r->arena, j->tok[at].count + 1u, sizeof(*v))))
		return l;
	l.v = v;
	for (uint32_t i = at + 1; i < j->tok[at].next; i = j->tok[i].next)
		v[l.n++] = json_string(&r->arena, j, i);
	return l;
}

static bool listed(const struct slice_list *l, struct slice s)
{
	for (size_t i = 0; i < l->n; i++)
		if (slice_eq(l->v[i], s))
			return true;
	return false;
}

static bool held_by(struct informer *f, const struct json *j)
{
	struct slice holder = json_string(&f->r->arena, j, json_member(j, 0, S("tkhd"))), canon;
	enum ident_kind kind;
	enum ident_form form;

	return holder.n && ident_parse(&f->r->arena, &f->x->core->home, holder, &kind, &form, &canon) == RC_OK && kind != ID_NONE &&
	       slice_eq(canon, f->who.id);
}

static bool lasts(struct informer *f, const struct json *j)
{
	uint32_t at = json_member(j, 0, S("tkna"));
	usec until;

	return !at || (text_timestamp(json_string(&f->r->arena, j, at), &until) && until > f->x->now);
}

/* Entities by their absolute identifiers: relative ones mean others elsewhere. */
static bool add_entity(struct informer *f, struct buf *b, struct slice sn, struct slice id)
{
	struct slice canon;
	enum ident_kind kind;
	enum ident_form form;

	if (!slice_eq(sn, S("tkhd")) && !slice_eq(sn, S("tkis")))
		return false;
	if (!id.p || ident_parse(&f->r->arena, &f->x->core->home, id, &kind, &form, &canon) != RC_OK || kind == ID_NONE)
		buf_lit(b, "\"\"");
	else
		buf_json(b, canon);
	return true;
}

/* The attributes that are the role's or token's own. */
static void add(struct informer *f, struct buf *b, const struct model_res *m, const struct json *j)
{
	bool first = true;

	if (b->n)
		buf_char(b, ',');
	buf_char(b, '{');
	for (size_t i = 0; i < m->n_attrs; i++) {
		struct slice sn = slice_str(m->attrs[i].sn);
		uint32_t at = m->attrs[i].kind == 's' ? json_member(j, 0, sn) : 0;

		if (!at)
			continue;
		buf_printf(b, "%s\"%s\":", first ? "" : ",", m->attrs[i].sn);
		if (!add_entity(f, b, sn, json_string(&f->r->arena, j, at)))
			buf_slice(b, json_raw(j, at));
		first = false;
	}
	buf_char(b, '}');
}

static enum reeve_rc look_at(struct informer *f, const struct res *c)
{
	bool role = c->h.ty == TYPE_ROLE;
	const struct slice_list *asked = role ? &f->rids : &f->tids;
	struct slice id;
	struct json j;
	enum reeve_rc rc = res_json(&f->r->arena, c, &j);

	if (rc != RC_OK)
		return rc;
	id = json_string(&f->r->arena, &j, json_member(&j, 0, role ? S("rlid") : S("tkid")));
	/* without Role-IDs: all roles; without Token-IDs: no tokens */
	if (!id.n || !(asked->n ? listed(asked, id) : role && !f->tids.n) || !held_by(f, &j) || !lasts(f, &j))
		return RC_OK;
	add(f, role ? &f->roles : &f->tokens, res_model(c), &j);
	return ++f->found > f->x->core->cfg->limits.results ? RC_LIMIT : RC_OK;
}

static enum reeve_rc look(struct informer *f, int32_t ty)
{
	struct tree_iter it;
	struct res c;
	enum reeve_rc rc = tree_children_of_type(f->x->tx, RES_ROOT, ty, &it);

	if (rc != RC_OK)
		return rc;
	while ((rc = tree_next(&it, &c)) == RC_OK) {
		if (++f->seen > f->x->core->cfg->limits.discovery_visits)
			rc = RC_LIMIT;
		else if (c.h.et > f->x->now)
			rc = look_at(f, &c);
		if (rc != RC_OK)
			break;
	}
	tree_end(&it);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

static enum reeve_rc give(struct informer *f, enum sus sus, struct slice roles, struct slice tokens)
{
	struct buf b;
	enum reeve_rc rc = RC_NOMEM;

	buf_init(&b, f->r->out.max);
	buf_printf(&b, "\"sus\":%d", (int)sus);
	if (roles.n) {
		buf_lit(&b, ",\"m2m:rol\":[");
		buf_slice(&b, roles);
		buf_char(&b, ']');
	}
	if (tokens.n) {
		buf_lit(&b, ",\"m2m:tk\":[");
		buf_slice(&b, tokens);
		buf_char(&b, ']');
	}
	if (!b.failed)
		rc = point_answer(f->r, POINT_PIP, buf_view(&b));
	buf_free(&b);
	return rc;
}

/* Objects of a list as they came; they are read by who asked, as ours are. */
static void copy(const struct json *j, uint32_t obj, struct slice sn, struct buf *b)
{
	for (uint32_t i = 0; information_next(j, obj, sn, &i);) {
		if (b->n)
			buf_char(b, ',');
		json_compact(b, j, i);
	}
}

static enum reeve_rc by_other(struct informer *f)
{
	const struct enquiry_told *t;
	struct json j;
	struct buf b;
	uint32_t obj;
	enum reeve_rc rc;

	buf_init(&b, f->x->core->cfg->limits.body);
	information_request_write(&b, f->who.id, &f->rids, &f->tids);
	rc = point_ask(f->x, f->r, POINT_PIP, &b, b.n, f->tids.n > 0, &t);
	buf_free(&b);
	if (rc != RC_OK)
		return rc;
	if (!t || !t->answered)
		return give(f, t && t->failed ? SUS_PROCESSING_ERROR : SUS_NOT_APPLICABLE, S(""), S(""));
	if (point_answer_read(&f->r->arena, t->content, POINT_PIP, &j, &obj) != SUS_OK)
		return give(f, SUS_PROCESSING_ERROR, S(""), S(""));
	copy(&j, obj, S("m2m:rol"), &f->roles);
	copy(&j, obj, S("m2m:tk"), &f->tokens);
	return give(f, SUS_OK, buf_view(&f->roles), buf_view(&f->tokens));
}

enum reeve_rc point_information(struct exec *x, struct req *r)
{
	struct informer f = { .x = x, .r = r, .rids = list_of(r, S("rids")), .tids = list_of(r, S("tids")) };
	struct slice fr = json_string(&r->arena, &r->work->json, json_member(&r->work->json, r->work->obj, S("fr")));
	enum reeve_rc rc = point_who_read(x, r, fr, &f.who);

	if (rc != RC_OK)
		return rc;
	buf_init(&f.roles, r->out.max);
	buf_init(&f.tokens, r->out.max);
	if ((rc = look(&f, TYPE_ROLE)) == RC_OK && f.tids.n)
		rc = look(&f, TYPE_TOKEN);
	if (rc != RC_OK || f.roles.failed || f.tokens.failed)
		rc = give(&f, SUS_PROCESSING_ERROR, S(""), S(""));
	else if (f.roles.n || f.tokens.n)
		rc = give(&f, SUS_OK, buf_view(&f.roles), buf_view(&f.tokens));
	else
		rc = by_other(&f);
	buf_free(&f.roles);
	buf_free(&f.tokens);
	return rc;
}
