/* SPDX-License-Identifier: Apache-2.0 */
/* Reading accessControlOriginators: each entry becomes an identifier, a domain, a pattern, a role, or the members of a group.
 *
 * What an entry may stand for besides is tried too: an identifier can be the address of a group. An entry that stands for nobody is
 * counted, so that the story of a decision can say so, and never refused (AUTHZ-076, 079). */
#include "authz/policy_read_int.h"
#include "base/hash.h"

#include <stdlib.h>

struct member { uint64_t hash; struct slice id; };
struct members { struct member *v; size_t n, cap; };

static bool add_member(struct reader *r, struct members *m, struct slice id)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 8;
		struct member *v = arena_array(r->a, cap, sizeof(*v));
		if (!v)
			return policy_no_memory(r);
		if (m->n)
			memcpy(v, m->v, m->n * sizeof(*v));
		m->v = v;
		m->cap = cap;
	}
	m->v[m->n++] = (struct member){ hash_slice(id), id };
	return true;
}

/* Adds the members when s is a group here; true as well when it is none. */
static bool add_group(struct reader *r, struct slice s, struct members *m, bool *found)
{
	struct slice *ids = NULL;
	enum reeve_rc rc;
	size_t n = 0;

	*found = false;
	if (!r->how->group)
		return true;
	rc = r->how->group(r->how->ctx, s, r->a, &ids, &n);
	if (rc == RC_NOTFOUND || rc == RC_LIMIT)
		return true;
	if (rc) {
		r->rc = rc;
		return false;
	}
	*found = true;
	for (size_t i = 0; i < n; i++)
		if (!add_member(r, m, ids[i]))
			return false;
	return true;
}

struct originators {
	struct members exact;
	struct slice *domain, *role;
	uint64_t *role_hash;
	struct glob *glob;
};

static bool add_pattern(struct reader *r, struct slice s, struct originators *o, struct rule *out)
{
	const struct ident_home *home = r->how->o->home;
	bool domain = slice_starts(s, S("//")) && slice_find(slice_skip(s, 2), '/') < 0;
	struct slice canon;

	/* a domain with a wildcard (AUTHZ-072) becomes two patterns: its CSEs and S-type AEs, and its C-type AEs */
	for (int i = 0; i < (domain ? 2 : 1); i++) {
		struct slice p = s;
		if (domain)
			p = arena_printf(r->a, "%.*s%s", SF(s), i ? "/*/*" : "/*");
		if (!p.p || policy_pattern(home, p, r->a, &canon))
			return policy_no_memory(r);
		if (!canon.p || (domain && !r->how->o->domain_wildcards)) {
			out->n_nobody++;
			return true;
		}
		o->glob[out->n_globs++] = policy_glob_of(canon);
	}
	return true;
}

static bool add_originator(struct reader *r, struct slice s, struct originators *o, struct rule *out)
{
	enum ident_kind kind = ID_NONE;
	enum ident_form form;
	struct slice canon;
	bool group;

	if (slice_eq(s, S("all"))) {
		out->all = true;
		return true;
	}
	if (s.n == 0 || s.n > ORIGINATOR_MAX) {
		out->n_nobody++;
		return true;
	}
	if (slice_find(s, '@') >= 0) {
		o->role_hash[out->n_roles] = policy_role_hash(s);
		out->role_bits |= UINT64_C(1) << (o->role_hash[out->n_roles] & 63);
		o->role[out->n_roles++] = s;
		return true;
	}
	if (slice_find(s, '*') >= 0)
		return add_pattern(r, s, o, out);
	if (ident_parse(r->a, r->how->o->home, s, &kind, &form, &canon))
		return policy_no_memory(r);
	if (kind == ID_SP) {
		o->domain[out->n_domains++] = canon;
		return true;
	}
	if (kind != ID_NONE && !add_member(r, &o->exact, canon))
		return false;
	if (!add_group(r, s, &o->exact, &group))
		return false;
	if (kind == ID_NONE && !group)
		out->n_nobody++;
	return true;
}

static int by_hash(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static bool id_set(struct reader *r, struct members *m, struct id_set *out)
{
	uint64_t *hash = arena_array(r->a, m->n, sizeof(*hash));
	struct slice *id = arena_array(r->a, m->n, sizeof(*id));

	if (!hash || !id)
		return policy_no_memory(r);
	if (m->n)
		qsort(m->v, m->n, sizeof(*m->v), by_hash);
	for (size_t i = 0; i < m->n; i++) {
		if (i && m->v[i].hash == m->v[i - 1].hash && slice_eq(m->v[i].id, m->v[i - 1].id))
			continue;
		hash[out->n] = m->v[i].hash;
		id[out->n++] = m->v[i].id;
	}
	out->hash = hash;
	out->id = id;
	return true;
}

bool policy_read_originators(struct reader *r, uint32_t i, struct rule *out)
{
	struct originators o = { 0 };
	const struct json *j = r->j;
	struct slice s;
	uint32_t n;

	if (!i)
		return policy_fault(r, "acor is missing: name who is allowed");
	if (!policy_array(r, i, "acor", true))
		return false;
	n = j->tok[i].count;
	o.domain = arena_array(r->a, n, sizeof(*o.domain));
	o.glob = arena_array(r->a, (size_t)n * 2, sizeof(*o.glob));
	o.role = arena_array(r->a, n, sizeof(*o.role));
	o.role_hash = arena_array(r->a, n, sizeof(*o.role_hash));
	if (!o.domain || !o.glob || !o.role || !o.role_hash)
		return policy_no_memory(r);
	for (uint32_t k = i + 1; k < j->tok[i].next; k = j->tok[k].next)
		if (!policy_string(r, k, "acor", &s) || !add_originator(r, s, &o, out))
			return false;
	out->domain = o.domain;
	out->glob = o.glob;
	out->role = o.role;
	out->role_hash = o.role_hash;
	return id_set(r, &o.exact, &out->exact);
}
