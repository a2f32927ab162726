/* SPDX-License-Identifier: Apache-2.0 */
/* Filter Criteria against a resource (TS-0004 7.3.3.17).
 *
 * Each condition tag is one test; cheap ones (numbers of the head) come first, those that look at other resources
 * or parse content last, so that an AND ends early. A tag given several times is one test that holds when
 * any of its values does (CORE-090). Everything here may be asked for by anybody for every resource of a tree: time is
 * linear in the size of a resource, and at most FILTER_CHILDREN children of one are looked at. */
#include "core/discover/filter.h"

#include "codec/model.h"
#include "core/discover/filter_int.h"
#include "resource/tree.h"

enum { FILTER_CHILDREN = 10000, CONTENT_INSTANCE = 4 };

struct match {
	const struct filter *f;
	struct arena *a;
	struct st_tx *tx;
	const struct res *r;
	bool discovery;
	struct res up;        /* the parent, when have_up */
	bool have_up, no_up;
};

/* --- values --- */

bool filter_wildcard(struct slice pattern, struct slice text)
{
	struct slice rest = pattern, part;
	bool first = true;

	for (; rest.p; first = false) {
		bool last;
		const char *at;

		part = slice_cut(&rest, '*');
		last = !rest.p;
		if (first && last)
			return slice_eq(part, text);
		if (first ? !slice_starts(text, part) : last && !slice_ends(text, part))
			return false;
		if (last)
			return true;
		if (first) {
			text = slice_skip(text, part.n);
			continue;
		}
		at = part.n ? memmem(text.p, text.n, part.p, part.n) : text.p;
		if (!at)
			return false;
		text = slice_skip(text, (size_t)(at - text.p) + part.n);
	}
	return true;
}

static bool text_is(const struct match *m, struct slice text, struct slice wanted)
{
	return m->discovery && slice_find(wanted, '*') >= 0 ? filter_wildcard(wanted, text) : slice_eq(text, wanted);
}

static bool json_value_is(const struct match *m, const struct json *j, uint32_t i, struct slice wanted)
{
	struct slice text;

	switch (json_kind(j, i)) {
	case J_STRING:
		text = json_string(m->a, j, i);
		return text.p && text_is(m, text, wanted);
	case J_NUMBER: case J_TRUE: case J_FALSE:
		return text_is(m, json_raw(j, i), wanted);
	default:
		return false;
	}
}

/* raw: the attribute as JSON text. A list matches when one of its elements does. */
static bool value_is(const struct match *m, struct slice raw, struct slice wanted)
{
	struct slice why;
	struct json j;

	if (raw.n >= 2 && raw.p[0] == '"' && slice_find(raw, '\\') < 0)
		return text_is(m, slice_of(raw.p + 1, raw.n - 2), wanted);
	if (!raw.n || json_parse(m->a, raw, &json_default_limits, &j, &why))
		return false;
	if (json_kind(&j, 0) != J_ARRAY)
		return json_value_is(m, &j, 0, wanted);
	for (uint32_t e = 1; e < j.tok[0].next; e = j.tok[e].next)
		if (json_value_is(m, &j, e, wanted))
			return true;
	return false;
}

/* cni and cbs change with every instance and are kept in the head. */
static struct slice from_head(const struct match *m, const struct res *r, struct slice name)
{
	const struct model_res *model = res_model(r);
	bool count = slice_eq(name, S("cni"));

	if ((!count && !slice_eq(name, S("cbs"))) || !model || !model_attr(model, name))
		return (struct slice){ NULL, 0 };
	return arena_printf(m->a, "%llu", (unsigned long long)(count ? r->h.cni : r->h.cbs));
}

static bool attrs_match(const struct match *m, const struct res *r, const struct filter_attr *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct slice raw = res_member(r, v[i].name);

		if (slice_eq(v[i].name, S("tkob")) || slice_eq(v[i].name, S("tkns")))
			continue; /* who may find a token may not therefore read it, and here could guess it letter by letter */
		if (!raw.p)
			raw = from_head(m, r, v[i].name);
		if (raw.p && value_is(m, raw, v[i].value))
			return true;
	}
	return false;
}

static bool labels_match(const struct match *m, const struct res *r, const struct filter_list *wanted)
{
	struct slice *labels;
	size_t n;

	if (res_labels(m->a, r, &labels, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < wanted->n; k++)
			if (slice_eq(labels[i], wanted->v[k]))
				return true;
	return false;
}

static bool label_queries_match(const struct match *m)
{
	struct slice *labels;
	size_t n;
	bool yes;

	if (res_labels(m->a, m->r, &labels, &n))
		return false;
	for (size_t i = 0; i < m->f->lbq.n; i++)
		if (!filter_labels_query(m->f->lbq.v[i], labels, n, &yes) && yes)
			return true;
	return false;
}

static bool type_listed(const struct filter_nums *l, int32_t ty)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i] == ty)
			return true;
	return false;
}

/* --- content --- */

/* contentInfo is "media type:encoding[:security]". */
static struct slice content_info(const struct match *m, struct slice *encoding)
{
	struct slice raw = res_member(m->r, S("cnf")), info, why;
	struct json j;

	*encoding = (struct slice){ NULL, 0 };
	if (!raw.p || json_parse(m->a, raw, &json_default_limits, &j, &why))
		return *encoding;
	info = json_string(m->a, &j, 0);
	if (!info.p)
		return *encoding;
	*encoding = info;
	info = slice_cut(encoding, ':');
	if (encoding->p)
		*encoding = slice_cut(encoding, ':');
	return info;
}

static bool content_type_matches(const struct match *m)
{
	struct slice encoding, type = content_info(m, &encoding);

	if (m->r->h.ty != CONTENT_INSTANCE || !type.p)
		return false;
	for (size_t i = 0; i < m->f->cty.n; i++)
		if (slice_ieq(type, m->f->cty.v[i]))
			return true;
	return false;
}

/* Content that calls itself something else than JSON, or is encoded, has no JSON content to be asked. */
static bool content_query_matches(const struct match *m)
{
	struct slice encoding, type, text, why;
	struct json j;
	bool yes;

	if (m->r->h.ty != CONTENT_INSTANCE)
		return false;
	type = content_info(m, &encoding);
	if (type.p && !memmem(type.p, type.n, "json", 4))
		return false;
	if (encoding.p && !slice_eq(encoding, S("0")))
		return false;
	text = res_member(m->r, S("con"));
	if (!text.p || json_parse(m->a, text, &json_default_limits, &j, &why))
		return false;
	if (json_kind(&j, 0) == J_STRING) {
		text = json_string(m->a, &j, 0);
		if (!text.p || json_parse(m->a, text, &json_default_limits, &j, &why))
			return false;
	}
	return !filter_content_query(m->a, m->f->cfq, &j, &yes) && yes;
}

/* --- relatives --- */

static const struct res *parent(struct match *m)
{
	if (!m->have_up && !m->no_up) {
		m->have_up = tree_parent(m->tx, m->r, &m->up) == RC_OK;
		m->no_up = !m->have_up;
	}
	return m->have_up ? &m->up : NULL;
}

/* The looks that a child costs, or false when none are left. */
static bool look(const struct filter *f, const struct res *child)
{
	uint64_t cost = FILTER_COST(child);

	if (!f->looks)
		return true;
	if (*f->looks < cost) {
		*f->looks = 0;
		return false;
	}
	*f->looks -= cost;
	return true;
}

/* Some child that lives has a label, an attribute, or (neither given) just is there: `ty` 0 for any type. */
static bool child_matches(struct match *m, int32_t ty, const struct filter_list *labels, bool attrs)
{
	struct tree_iter it;
	struct res child;
	bool found = false;

	if (ty ? tree_children_of_type(m->tx, m->r->key.n, ty, &it) : tree_children(m->tx, m->r->key.n, TREE_ALL, &it))
		return false;
	for (int seen = 0; !found && seen < FILTER_CHILDREN && tree_next(&it, &child) == RC_OK; seen++) {
		if (!look(m->f, &child))
			break;
		if (child.h.et <= m->f->now)
			continue;
		found = labels ? labels_match(m, &child, labels) : !attrs || attrs_match(m, &child, m->f->catr, m->f->n_catr);
	}
	tree_end(&it);
	return found;
}

static bool child_type_matches(struct match *m)
{
	for (size_t i = 0; i < m->f->chty.n; i++)
		if (child_matches(m, (int32_t)m->f->chty.v[i], NULL, false))
			return true;
	return false;
}

/* --- the tests --- */

enum verdict { NOT_ASKED, HOLDS, FAILS };

static enum verdict verdict(bool asked, bool holds) { return !asked ? NOT_ASKED : holds ? HOLDS : FAILS; }

/* Numbers of the head. */
static enum verdict test_head(const struct match *m, unsigned which)
{
	const struct filter *f = m->f;
	const struct rec_head *h = &m->r->h;
	const struct model_res *model = f->sts >= 0 || f->stb >= 0 ? res_model(m->r) : NULL;
	bool tagged = model && model->state_tag, sized = h->ty == CONTENT_INSTANCE, expires = h->et != USEC_NEVER;

	switch (which) {
	case 0:
		return verdict(f->crb != USEC_NEVER, h->ct < f->crb);
	case 1:
		return verdict(f->cra != USEC_NEVER, f->cra <= h->ct);
	case 2:
		return verdict(f->us != USEC_NEVER, h->lt < f->us);
	case 3:
		return verdict(f->ms != USEC_NEVER, f->ms <= h->lt);
	case 4:
		return verdict(f->exb != USEC_NEVER, expires && h->et < f->exb);
	case 5:
		return verdict(f->exa != USEC_NEVER, expires && f->exa <= h->et);
	case 6:
		return verdict(f->sts >= 0, tagged && h->st < (uint64_t)f->sts);
	case 7:
		return verdict(f->stb >= 0, tagged && h->st >= (uint64_t)f->stb);
	case 8:
		return verdict(f->szb >= 0, sized && h->cs < (uint64_t)f->szb);
	default:
		return verdict(f->sza >= 0, sized && h->cs >= (uint64_t)f->sza);
	}
}

/* Everything else, in order of cost. `known`: conditions that the caller knows to hold. */
static enum verdict test_rest(struct match *m, unsigned which, unsigned known)
{
	const struct filter *f = m->f;

	switch (which) {
	case 0:
		return f->ty.n ? verdict(true, known & FC_TY || type_listed(&f->ty, m->r->h.ty)) : NOT_ASKED;
	case 1:
		return f->lbl.n ? verdict(true, known & FC_LBL || labels_match(m, m->r, &f->lbl)) : NOT_ASKED;
	case 2:
		return f->lbq.n ? verdict(true, label_queries_match(m)) : NOT_ASKED;
	case 3:
		return f->n_atr ? verdict(true, attrs_match(m, m->r, f->atr, f->n_atr)) : NOT_ASKED;
	case 4:
		return f->cty.n ? verdict(true, content_type_matches(m)) : NOT_ASKED;
	case 5:
		return f->pty.n ? verdict(true, parent(m) && type_listed(&f->pty, m->up.h.ty)) : NOT_ASKED;
	case 6:
		return f->palb.n ? verdict(true, parent(m) && labels_match(m, &m->up, &f->palb)) : NOT_ASKED;
	case 7:
		return f->n_patr ? verdict(true, parent(m) && attrs_match(m, &m->up, f->patr, f->n_patr)) : NOT_ASKED;
	case 8:
		return f->chty.n ? verdict(true, child_type_matches(m)) : NOT_ASKED;
	case 9:
		return f->clbl.n ? verdict(true, known & FC_CLBL || child_matches(m, 0, &f->clbl, false)) : NOT_ASKED;
	case 10:
		return f->n_catr ? verdict(true, child_matches(m, 0, NULL, true)) : NOT_ASKED;
	case 11:
		return f->cfq.p ? verdict(true, content_query_matches(m)) : NOT_ASKED;
	default:
		return f->smf.n ? FAILS : NOT_ASKED;
	}
}

enum { HEAD_TESTS = 10, REST_TESTS = 13 };

bool filter_match_rest(const struct filter *f, struct arena *a, struct st_tx *tx, const struct res *r, bool discovery, unsigned known)
{
	struct match m = { .f = f, .a = a, .tx = tx, .r = r, .discovery = discovery };
	bool any = f->fo == 2, asked = false;

	if (!f->any)
		return true;
	for (unsigned i = 0; i < HEAD_TESTS + REST_TESTS; i++) {
		enum verdict v = i < HEAD_TESTS ? test_head(&m, i) : test_rest(&m, i - HEAD_TESTS, known);

		if (v == NOT_ASKED)
			continue;
		if (any == (v == HOLDS))
			return any;
		asked = true;
	}
	return !asked || !any;
}

bool filter_match(const struct filter *f, struct arena *a, struct st_tx *tx, const struct res *r, bool discovery)
{
	return filter_match_rest(f, a, tx, r, discovery, 0);
}
