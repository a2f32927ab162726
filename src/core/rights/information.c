/* SPDX-License-Identifier: Apache-2.0 */
/* A PIP is believed no more than whoever makes a request: what it gives passes the tests that a <role> here, or a token in a request,
 * passes. Identifiers must not be relative: the names of another CSE's entities are not ours. */
#include "core/rights/information.h"

#include "core/own.h"
#include "core/rights/role.h"
#include "core/rights/roles.h"
#include "core/trust.h"
#include "core/work.h"

bool information_ask(struct req *r, const struct slice *at, size_t n, struct enquiry *q)
{
	const struct slice_list rids = { r->rids, r->n_rids }, tids = { r->tids, r->n_tids };
	struct buf b;
	bool made;

	if (!n || !(rids.n + tids.n))
		return false;
	buf_init(&b, r->arena.ceiling);
	information_request_write(&b, r->work->who, &rids, &tids);
	made = enquiry_make(r, POINT_PIP, at, n, &b, b.n, q);
	buf_free(&b);
	q->secret = tids.n > 0;
	return made;
}

static bool listed(const struct slice *v, size_t n, struct slice s)
{
	for (size_t i = 0; i < n; i++)
		if (slice_eq(v[i], s))
			return true;
	return false;
}

static bool whole(const struct json *j, uint32_t obj, struct slice sn)
{
	uint32_t i = json_member(j, obj, sn);
	return i && json_kind(j, i) == J_STRING && slice_starts(json_inner(j, i), S("/"));
}

static void tell(struct req *r, struct slice role, struct slice by, const char *fault)
{
	struct buf b;

	buf_init(&b, 4096);
	buf_lit(&b, "{\"role\":");
	buf_json(&b, role);
	buf_lit(&b, ",\"at\":");
	buf_json(&b, by);
	buf_lit(&b, ",\"why\":");
	buf_json(&b, slice_str(fault ? fault : "used"));
	buf_char(&b, '}');
	if (!b.failed)
		rights_tell(r, buf_view(&b));
	buf_free(&b);
}

static size_t roles_of(struct exec *x, struct req *r, const struct enquiry_told *t, const struct json *j, uint32_t obj, struct slice *v)
{
	struct issuers *is = trust_issuers(x->core);
	struct role role;
	size_t n = 0;

	for (uint32_t i = 0; n < r->n_rids && information_next(j, obj, S("m2m:rol"), &i);) {
		const char *fault;

		if (!whole(j, i, S("tkis")) || !whole(j, i, S("tkhd")) || role_read(&x->core->home, &r->arena, j, i, &role) != RC_OK ||
		    !listed(r->rids, r->n_rids, role.id) || listed(v, n, role.id))
			continue;
		fault = role_fault(&role, is, r->work->who, x->now);
		if (!fault)
			fault = roles_refused(x, r, role.id);
		tell(r, role.id, t->by, fault);
		if (!fault)
			v[n++] = role.id;
	}
	issuers_put(is);
	return n;
}

bool information_bad_token(struct exec *x, struct req *r, const struct rights_question *q)
{
	struct rights_question hard = *q;

	hard.final = true; /* r is nobody's request: that it is refused is only noticed */
	return rights_judge(x, r, &hard) == RC_REFUSED;
}

/* As if the Originator had brought them. */
static struct information judge_tokens(struct exec *x, struct req *r, const struct rights_question *q, const struct json *j, uint32_t obj)
{
	struct slice *v = arena_array(&r->arena, r->n_tids + 1, sizeof(*v));
	struct rights_question soft = *q;
	struct req *n;
	struct information said = { .permits = false };
	size_t k = 0;

	for (uint32_t i = 0; v && k < r->n_tids && information_next(j, obj, S("m2m:tk"), &i);) {
		v[k] = json_string(&r->arena, j, json_member(j, i, S("tkob")));
		k += v[k].n && v[k].n <= x->core->cfg->limits.token &&
		     listed(r->tids, r->n_tids, json_string(&r->arena, j, json_member(j, i, S("tkid"))));
	}
	said.tokens = k;
	if (!k || !(n = own_request(x->core)))
		return said;
	if (!work_of(x->core, n)) {
		own_drop(x->core, n);
		return said;
	}
	n->op = r->op;
	n->to = r->to;
	n->fr = r->fr;
	n->tkns = v;
	n->n_tkns = k;
	n->has = HAS_TOKENS;
	n->received = r->received;
	n->work->who = r->work->who;
	n->work->who_kind = r->work->who_kind;
	n->work->who_form = r->work->who_form;
	n->work->facts = r->work->facts;
	n->work->member = true; /* it waits for nothing */
	soft.final = false;
	said.permits = rights_judge(x, n, &soft) == RC_OK;
	said.bad_token = !said.permits && information_bad_token(x, n, q);
	own_drop(x->core, n);
	return said;
}

struct information information_judge(struct exec *x, struct req *r, const struct rights_question *q, const struct enquiry_told *t)
{
	struct slice *v = arena_array(&r->arena, r->n_rids + 1, sizeof(*v));
	struct json j;
	uint32_t obj;
	size_t n;

	if (!t->answered || !v || point_answer_read(&r->arena, t->content, POINT_PIP, &j, &obj) != SUS_OK)
		return (struct information){ .permits = false };
	n = roles_of(x, r, t, &j, obj, v);
	if (n && rights_by(r, q, NULL, 0, v, n))
		return (struct information){ .permits = true };
	return q->own_only ? (struct information){ .permits = false } : judge_tokens(x, r, q, &j, obj);
}
