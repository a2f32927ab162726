/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of distributed authorization: answers, and policies that travel. */
#include "authz/distributed.h"
#include "authz/policy_int.h"

int64_t point_answer_read(struct arena *a, struct slice content, enum point p, struct json *j, uint32_t *obj)
{
	struct slice why;
	int64_t sus;

	*obj = 0;
	if (!content.n || json_parse(a, content, &json_default_limits, j, &why) != RC_OK || json_kind(j, 0) != J_OBJECT ||
	    j->tok[0].count != 1)
		return SUS_NONE;
	*obj = json_member(j, 0, point_root(p));
	if (!*obj || json_kind(j, *obj) != J_OBJECT || !json_i64(j, json_member(j, *obj, S("sus")), &sus) || sus < SUS_OK ||
	    sus > SUS_PROCESSING_ERROR)
		return SUS_NONE;
	return sus;
}

int64_t decision_answer_dec(const struct json *j, uint32_t obj)
{
	int64_t dec;

	if (!json_i64(j, json_member(j, obj, S("dec")), &dec) || (dec != DECISION_PERMIT && dec != DECISION_DENY))
		return 0;
	return dec;
}

/* --- policies that came --- */

static enum reeve_rc policy_take(const struct policy_options *o, policy_group group, void *ctx, struct arena *a, const struct json *j,
				 uint32_t i, struct answered_policies *out)
{
	struct slice why = { NULL, 0 };
	enum reeve_rc rc = policy_check(o, j, i, a, &why);

	if (rc == RC_OK)
		rc = policy_compile(o, S("from a policy retrieval point"), json_raw(j, i), (struct slice){ NULL, 0 }, group, ctx,
				    &out->p[out->n]);
	if (rc == RC_OK)
		out->n++;
	else if (rc != RC_NOMEM)
		out->broken = true;
	return rc == RC_NOMEM ? rc : RC_OK;
}

enum reeve_rc policies_answer_read(const struct policy_options *o, policy_group group, void *ctx, struct arena *a, const struct json *j,
				   uint32_t obj, struct answered_policies *out)
{
	uint32_t ps = json_member(j, obj, S("ps")), ca = json_member(j, obj, S("ca")), pv;
	int64_t how = PERMIT_OVERRIDES;
	enum reeve_rc rc;

	*out = (struct answered_policies){ .broken = false };
	pv = ps ? json_member(j, ps, S("pv")) : 0;
	/* rules that are to be combined in a way we do not know permit nothing */
	if ((ca && (!json_i64(j, ca, &how) || how != PERMIT_OVERRIDES)) || !pv || json_kind(j, pv) != J_ARRAY ||
	    j->tok[pv].count > POLICIES_ANSWERED_MOST) {
		out->broken = true;
		return RC_OK;
	}
	for (uint32_t i = pv + 1; i < j->tok[pv].next; i = j->tok[i].next)
		if ((rc = policy_take(o, group, ctx, a, j, i, out)) != RC_OK) {
			answered_policies_free(out);
			return rc;
		}
	return RC_OK;
}

void answered_policies_free(struct answered_policies *p)
{
	for (size_t i = 0; i < p->n; i++)
		policy_free(p->p[i]);
	p->n = 0;
}

/* --- policies that go --- */

struct absolute {
	struct buf *b;
	const struct policy_options *o;
	policy_group group;
	void *ctx;
	struct arena *a;
	bool first;
};

static void entry_write(struct absolute *w, struct slice s)
{
	if (!w->first)
		buf_char(w->b, ',');
	w->first = false;
	buf_json(w->b, s);
}

static enum reeve_rc identifier_write(struct absolute *w, struct slice s)
{
	struct slice canon, *ids = NULL;
	enum ident_kind kind = ID_NONE;
	enum ident_form form;
	enum reeve_rc rc = ident_parse(w->a, w->o->home, s, &kind, &form, &canon);
	size_t n = 0;

	if (rc == RC_OK && kind != ID_NONE)
		entry_write(w, canon);
	if (rc != RC_OK || kind == ID_SP || !w->group)
		return rc;
	rc = w->group(w->ctx, s, w->a, &ids, &n);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		entry_write(w, ids[i]);
	return rc == RC_NOTFOUND || rc == RC_LIMIT ? RC_OK : rc;
}

static enum reeve_rc originator_write(struct absolute *w, struct slice s)
{
	struct slice canon;
	enum reeve_rc rc;

	if (!s.n || s.n > ORIGINATOR_MAX)
		return RC_OK;
	if (slice_eq(s, S("all")) || slice_find(s, '@') >= 0) {
		entry_write(w, s);
		return RC_OK;
	}
	if (slice_find(s, '*') < 0)
		return identifier_write(w, s);
	if (slice_starts(s, S("//")) && slice_find(slice_skip(s, 2), '/') < 0) { /* whether that means anything is the reader's option */
		if (w->o->domain_wildcards)
			entry_write(w, s);
		return RC_OK;
	}
	if ((rc = policy_pattern(w->o->home, s, w->a, &canon)) == RC_OK && canon.p)
		entry_write(w, canon);
	return rc;
}

static enum reeve_rc rule_write(struct absolute *w, const struct json *j, uint32_t rule)
{
	bool first = true;
	enum reeve_rc rc;

	buf_char(w->b, '{');
	for (uint32_t i = rule + 1; i < j->tok[rule].next; i = j->tok[i + 1].next) {
		if (!first)
			buf_char(w->b, ',');
		first = false;
		buf_slice(w->b, json_raw(j, i));
		buf_char(w->b, ':');
		if (!slice_eq(json_inner(j, i), S("acor")) || json_kind(j, i + 1) != J_ARRAY) {
			json_compact(w->b, j, i + 1);
			continue;
		}
		buf_char(w->b, '[');
		w->first = true;
		for (uint32_t k = i + 2; k < j->tok[i + 1].next; k = j->tok[k].next)
			if ((rc = originator_write(w, json_string(w->a, j, k))) != RC_OK)
				return rc;
		buf_char(w->b, ']');
	}
	buf_char(w->b, '}');
	return RC_OK;
}

enum reeve_rc policy_write_absolute(struct buf *b, const struct policy_options *o, policy_group group, void *ctx, struct arena *a,
				    const struct json *j, uint32_t i)
{
	struct absolute w = { .b = b, .o = o, .group = group, .ctx = ctx, .a = a };
	uint32_t acr = json_member(j, i, S("acr"));
	enum reeve_rc rc;

	buf_lit(b, "{\"acr\":[");
	for (uint32_t k = acr + 1; acr && k < j->tok[acr].next; k = j->tok[k].next) {
		if (k > acr + 1)
			buf_char(b, ',');
		if (json_kind(j, k) != J_OBJECT)
			return RC_INVALID;
		if ((rc = rule_write(&w, j, k)) != RC_OK)
			return rc;
	}
	buf_lit(b, "]}");
	return a->failed || b->failed ? RC_NOMEM : RC_OK;
}

/* --- roles and tokens --- */

bool information_next(const struct json *j, uint32_t obj, struct slice sn, uint32_t *i)
{
	uint32_t list = json_member(j, obj, sn);

	if (!list)
		return false;
	if (json_kind(j, list) == J_OBJECT) {
		if (*i)
			return false;
		*i = list;
		return true;
	}
	*i = *i ? j->tok[*i].next : list + 1;
	return json_kind(j, list) == J_ARRAY && *i < j->tok[list].next && json_kind(j, *i) == J_OBJECT;
}
