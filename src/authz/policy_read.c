/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a setOfAcrs: one reader for the check of a request and for compilation, so that the two cannot disagree.
 *
 * Whatever is present must be understood: unknown members, empty lists and empty contexts are faults, because ignoring
 * a restriction widens access (AUTHZ-048). */
#include "authz/policy_int.h"
#include "base/hash.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct reader {
	const struct policy_reading *how;
	const struct json *j;
	struct arena *a;
	uint32_t rule;           /* index of the one being read */
	enum reeve_rc rc;        /* of the first fault in it */
	struct slice why;
	struct slice unsupported; /* first thing that is right and cannot be served */
};

/* At most n bytes of s, not ending inside a character, for messages. */
static struct slice clip(struct slice s, size_t n)
{
	if (s.n <= n)
		return s;
	while (n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return slice_of(s.p, n);
}

__attribute__((format(printf, 2, 3))) static bool bad(struct reader *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (r->rc)
		return false;
	r->rc = r->a->failed ? RC_NOMEM : RC_INVALID;
	if (!r->how->check)
		return false;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->why = arena_printf(r->a, "acr[%u]%s%s", r->rule, text[0] == ' ' ? "" : ".", text);
	return false;
}

static bool no_memory(struct reader *r)
{
	if (!r->rc)
		r->rc = RC_NOMEM;
	return false;
}

/* Object with no members but the named ones. */
static bool members(struct reader *r, uint32_t i, const char *place, const char *const *allowed)
{
	const struct json *j = r->j;

	if (!i || json_kind(j, i) != J_OBJECT)
		return bad(r, "%s must be an object", place);
	for (uint32_t k = i + 1; k < j->tok[i].next; k = j->tok[k + 1].next) {
		const char *const *name = allowed;
		struct slice key = clip(json_inner(j, k), 60);
		while (*name && !json_string_is(j, k, slice_str(*name)))
			name++;
		if (!*name)
			return bad(r, "%s has a member \"%.*s\" that this release does not know; remove it", place, SF(key));
	}
	return true;
}

/* Array with at least one element (may_be_empty: or none). */
static bool array(struct reader *r, uint32_t i, const char *place, bool may_be_empty)
{
	if (!i || json_kind(r->j, i) != J_ARRAY)
		return bad(r, "%s must be an array", place);
	if (r->j->tok[i].count == 0 && !may_be_empty)
		return bad(r, "%s must not be empty; leave it out when nothing is to be restricted", place);
	return true;
}

static bool string(struct reader *r, uint32_t i, const char *place, struct slice *out)
{
	if (json_kind(r->j, i) != J_STRING)
		return bad(r, "%s must hold strings", place);
	*out = json_string(r->a, r->j, i);
	return out->p || no_memory(r);
}

/* --- originators --- */

struct member { uint64_t hash; struct slice id; };
struct members { struct member *v; size_t n, cap; };

static bool add_member(struct reader *r, struct members *m, struct slice id)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 8;
		struct member *v = arena_array(r->a, cap, sizeof(*v));
		if (!v)
			return no_memory(r);
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
			return no_memory(r);
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
		o->role[out->n_roles++] = s;
		return true;
	}
	if (slice_find(s, '*') >= 0)
		return add_pattern(r, s, o, out);
	if (ident_parse(r->a, r->how->o->home, s, &kind, &form, &canon))
		return no_memory(r);
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
		return no_memory(r);
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

static bool read_originators(struct reader *r, uint32_t i, struct rule *out)
{
	struct originators o = { 0 };
	const struct json *j = r->j;
	struct slice s;
	uint32_t n;

	if (!i)
		return bad(r, "acor is missing: name who is allowed");
	if (!array(r, i, "acor", true))
		return false;
	n = j->tok[i].count;
	o.domain = arena_array(r->a, n, sizeof(*o.domain));
	o.glob = arena_array(r->a, (size_t)n * 2, sizeof(*o.glob));
	o.role = arena_array(r->a, n, sizeof(*o.role));
	if (!o.domain || !o.glob || !o.role)
		return no_memory(r);
	for (uint32_t k = i + 1; k < j->tok[i].next; k = j->tok[k].next)
		if (!string(r, k, "acor", &s) || !add_originator(r, s, &o, out))
			return false;
	out->domain = o.domain;
	out->glob = o.glob;
	out->role = o.role;
	return id_set(r, &o.exact, &out->exact);
}

/* --- contexts --- */

static bool read_windows(struct reader *r, uint32_t i, uint32_t at, struct context *c)
{
	struct text_schedule *w;
	char place[40];
	struct slice s;

	snprintf(place, sizeof(place), "acco[%u].actw", at);
	if (!array(r, i, place, false))
		return false;
	w = arena_array(r->a, r->j->tok[i].count, sizeof(*w));
	if (!w)
		return no_memory(r);
	for (uint32_t k = i + 1; k < r->j->tok[i].next; k = r->j->tok[k].next) {
		if (!string(r, k, place, &s))
			return false;
		if (!text_schedule(s, &w[c->n_windows]))
			return bad(r, "%s[%u] \"%.*s\" must be seven fields: second minute hour day month weekday year, each *, */n, "
				   "or a list of numbers and ranges", place, c->n_windows, SF(clip(s, 60)));
		c->n_windows++;
	}
	c->window = w;
	return true;
}

static bool read_nets(struct reader *r, uint32_t i, const char *place, bool v4, struct net *nets, uint32_t *n)
{
	struct slice s;

	if (!array(r, i, place, false))
		return false;
	for (uint32_t k = i + 1; k < r->j->tok[i].next; k = r->j->tok[k].next) {
		if (!string(r, k, place, &s))
			return false;
		if (!policy_net(s, v4, &nets[*n]))
			return bad(r, "%s: \"%.*s\" must be an %s address with an optional /prefix of at most %d", place,
				   SF(clip(s, 60)), v4 ? "IPv4" : "IPv6", v4 ? 32 : 128);
		++*n;
	}
	return true;
}

static bool read_addresses(struct reader *r, uint32_t i, uint32_t at, struct context *c)
{
	static const char *const allowed[] = { "ipv4", "ipv6", NULL };
	uint32_t v4, v6, n = 0;
	struct net *nets;
	char place[40];

	snprintf(place, sizeof(place), "acco[%u].acip", at);
	if (!members(r, i, place, allowed))
		return false;
	v4 = json_member(r->j, i, S("ipv4"));
	v6 = json_member(r->j, i, S("ipv6"));
	if (!v4 && !v6)
		return bad(r, "%s must hold ipv4 or ipv6", place);
	nets = arena_array(r->a, (size_t)r->j->tok[v4].count * (v4 != 0) + (size_t)r->j->tok[v6].count * (v6 != 0),
			   sizeof(*nets));
	if (!nets)
		return no_memory(r);
	snprintf(place, sizeof(place), "acco[%u].acip.ipv4", at);
	if (v4 && !read_nets(r, v4, place, true, nets, &n))
		return false;
	snprintf(place, sizeof(place), "acco[%u].acip.ipv6", at);
	if (v6 && !read_nets(r, v6, place, false, nets, &n))
		return false;
	c->net = nets;
	c->n_nets = n;
	return true;
}

static void unsupported(struct reader *r, const char *place, const char *what, const char *remedy)
{
	if (r->how->check && !r->unsupported.p)
		r->unsupported = arena_printf(r->a, "acr[%u].%s: %s; %s", r->rule, place, what, remedy);
}

static bool read_circle(struct reader *r, uint32_t i, const char *place, struct context *c)
{
	struct circle *circle = arena_zalloc(r->a, sizeof(*circle));
	double v[3] = { 0 };
	unsigned n = 0;

	if (!circle)
		return no_memory(r);
	if (json_kind(r->j, i) == J_ARRAY && r->j->tok[i].count == 3)
		for (uint32_t k = i + 1; k < r->j->tok[i].next && json_double(r->j, k, &v[n]); k = r->j->tok[k].next)
			n++;
	if (n != 3 || !(fabs(v[0]) <= 90) || !(fabs(v[1]) <= 180) || !(v[2] >= 0) || !isfinite(v[2]))
		return bad(r, "%s.accr must be [latitude within 90, longitude within 180, radius in metres]", place);
	circle->latitude = v[0];
	circle->degrees = v[2] / EARTH_RADIUS_M * 180 / M_PI * 1.000001 + 1e-9;
	policy_vector(v[0], v[1], &circle->x, &circle->y, &circle->z);
	if (v[2] >= M_PI * EARTH_RADIUS_M)
		circle->chord2 = 5; /* beyond the antipodes */
	else
		circle->chord2 = 4 * pow(sin(v[2] / (2.0 * EARTH_RADIUS_M)), 2);
	c->circle = circle;
	if (!r->how->o->positions)
		unsupported(r, place, "this CSE does not know the positions of Originators",
			    "remove accr or have the operator configure them");
	return true;
}

static bool read_countries(struct reader *r, uint32_t i, const char *place, struct context *c)
{
	char (*codes)[2];
	struct slice s;

	if (!array(r, i, place, false))
		return false;
	codes = arena_array(r->a, r->j->tok[i].count, sizeof(*codes));
	if (!codes)
		return no_memory(r);
	for (uint32_t k = i + 1; k < r->j->tok[i].next; k = r->j->tok[k].next) {
		if (!string(r, k, place, &s))
			return false;
		if (!policy_country(s))
			return bad(r, "%s.accc: \"%.*s\" must be two upper-case letters of ISO 3166-1", place, SF(clip(s, 60)));
		memcpy(codes[c->n_countries++], s.p, 2);
	}
	c->country = (const char (*)[2])codes;
	if (!r->how->o->countries)
		unsupported(r, place, "this CSE cannot tell the country of an address",
			    "remove accc or have the operator configure a table of countries");
	return true;
}

static bool read_location(struct reader *r, uint32_t i, uint32_t at, struct context *c)
{
	static const char *const allowed[] = { "accc", "accr", NULL };
	uint32_t accc, accr;
	char place[40];

	snprintf(place, sizeof(place), "acco[%u].aclr", at);
	if (!members(r, i, place, allowed))
		return false;
	accc = json_member(r->j, i, S("accc"));
	accr = json_member(r->j, i, S("accr"));
	if (!accc == !accr)
		return bad(r, "%s must hold exactly one of accc and accr", place);
	return accr ? read_circle(r, accr, place, c) : read_countries(r, accc, place, c);
}

static bool read_context(struct reader *r, uint32_t i, uint32_t at, struct context *c)
{
	static const char *const allowed[] = { "actw", "acip", "aclr", NULL };
	uint32_t actw, acip, aclr;
	char place[40];

	snprintf(place, sizeof(place), "acco[%u]", at);
	if (!members(r, i, place, allowed))
		return false;
	if (r->j->tok[i].count == 0)
		return bad(r, "%s must hold actw, acip or aclr", place);
	actw = json_member(r->j, i, S("actw"));
	acip = json_member(r->j, i, S("acip"));
	aclr = json_member(r->j, i, S("aclr"));
	return (!actw || read_windows(r, actw, at, c)) && (!acip || read_addresses(r, acip, at, c)) &&
	       (!aclr || read_location(r, aclr, at, c));
}

static bool read_contexts(struct reader *r, uint32_t i, struct rule *out)
{
	struct context *c;

	if (!i)
		return true;
	if (!array(r, i, "acco", false))
		return false;
	c = arena_array(r->a, r->j->tok[i].count, sizeof(*c));
	if (!c)
		return no_memory(r);
	for (uint32_t k = i + 1; k < r->j->tok[i].next; k = r->j->tok[k].next) {
		if (!read_context(r, k, out->n_contexts, &c[out->n_contexts]))
			return false;
		out->n_contexts++;
	}
	out->context = c;
	return true;
}

/* --- object details --- */

static bool type_number(struct reader *r, uint32_t i, const char *place, int32_t *out)
{
	uint64_t v;

	if (!json_u64(r->j, i, &v) || v == 0 || v > INT32_MAX)
		return bad(r, "%s must be the number of a resource type", place);
	*out = (int32_t)v;
	return true;
}

static bool read_specialization(struct reader *r, uint32_t i, const char *place, struct detail *d)
{
	static const char *const allowed[] = { "cnd", "mgd", NULL };
	uint32_t cnd, mgd;
	uint64_t v;

	if (i) {
		if (!members(r, i, place, allowed))
			return false;
		cnd = json_member(r->j, i, S("cnd"));
		mgd = json_member(r->j, i, S("mgd"));
		if (!cnd == !mgd)
			return bad(r, "%s must hold exactly one of cnd and mgd", place);
		if (cnd && !string(r, cnd, place, &d->cnd))
			return false;
		d->has_cnd = cnd != 0;
		if (mgd && (!json_u64(r->j, mgd, &v) || v > INT32_MAX))
			return bad(r, "%s.mgd must be the number of a mgmtDefinition", place);
		if (mgd)
			d->mgd = (int64_t)v;
	}
	if (d->ty == 13 && d->mgd < 0)
		return bad(r, "%s with mgd is needed beside ty 13 (mgmtObj)", place);
	if (d->ty == 28 && !d->has_cnd)
		return bad(r, "%s with cnd is needed beside ty 28 (flexContainer)", place);
	return true;
}

static bool read_detail(struct reader *r, uint32_t i, uint32_t at, struct detail *d)
{
	static const char *const allowed[] = { "ty", "spty", "chty", NULL };
	uint32_t ty, chty;
	int32_t *child;
	char place[40];

	*d = (struct detail){ .ty = -1, .mgd = -1 };
	snprintf(place, sizeof(place), "acod[%u]", at);
	if (!members(r, i, place, allowed))
		return false;
	ty = json_member(r->j, i, S("ty"));
	chty = json_member(r->j, i, S("chty"));
	if (!chty)
		return bad(r, "%s: chty is missing: list the types that may be created", place);
	snprintf(place, sizeof(place), "acod[%u].ty", at);
	if (ty && !type_number(r, ty, place, &d->ty))
		return false;
	snprintf(place, sizeof(place), "acod[%u].chty", at);
	if (!array(r, chty, place, false))
		return false;
	child = arena_array(r->a, r->j->tok[chty].count, sizeof(*child));
	if (!child)
		return no_memory(r);
	for (uint32_t k = chty + 1; k < r->j->tok[chty].next; k = r->j->tok[k].next)
		if (!type_number(r, k, place, &child[d->n_child++]))
			return false;
	d->child = child;
	snprintf(place, sizeof(place), "acod[%u].spty", at);
	return read_specialization(r, json_member(r->j, i, S("spty")), place, d);
}

static bool read_details(struct reader *r, uint32_t i, struct rule *out)
{
	struct detail *d;

	if (!i)
		return true;
	if (!array(r, i, "acod", false))
		return false;
	d = arena_array(r->a, r->j->tok[i].count, sizeof(*d));
	if (!d)
		return no_memory(r);
	for (uint32_t k = i + 1; k < r->j->tok[i].next; k = r->j->tok[k].next) {
		if (!read_detail(r, k, out->n_details, &d[out->n_details]))
			return false;
		out->n_details++;
	}
	out->detail = d;
	return true;
}

/* --- rules --- */

static bool read_rule(struct reader *r, uint32_t i, struct rule *out)
{
	static const char *const allowed[] = { "acor", "acop", "acco", "acaf", "acod", NULL };
	uint32_t acop, acaf;
	uint64_t ops = 0;

	if (!members(r, i, "", allowed))
		return false;
	acop = json_member(r->j, i, S("acop"));
	acaf = json_member(r->j, i, S("acaf"));
	if (!acop)
		return bad(r, "acop is missing: name the operations allowed");
	if (!json_u64(r->j, acop, &ops) || ops < 1 || ops > 63)
		return bad(r, "acop must be a sum of 1 create, 2 retrieve, 4 update, 8 delete, 16 notify, 32 discovery (1 to 63)");
	out->ops = (uint8_t)ops;
	if (acaf && !json_bool(r->j, acaf, &out->acaf))
		return bad(r, "acaf must be true or false");
	return read_originators(r, json_member(r->j, i, S("acor")), out) &&
	       read_contexts(r, json_member(r->j, i, S("acco")), out) &&
	       read_details(r, json_member(r->j, i, S("acod")), out);
}

/* The array of rules at the setOfAcrs i; 0 when there is none. */
static enum reeve_rc find_rules(const struct policy_reading *how, const struct json *j, uint32_t i, struct arena *a,
				uint32_t *acr, struct slice *why)
{
	const char *fault = NULL;

	*acr = 0;
	if (json_kind(j, i) != J_OBJECT)
		fault = "must be an object {\"acr\":[...]}";
	else if ((*acr = json_member(j, i, S("acr"))) && json_kind(j, *acr) != J_ARRAY)
		fault = "acr must be an array of rules";
	else if (j->tok[i].count > (*acr ? 1u : 0u))
		fault = "may hold nothing but acr";
	if (!fault)
		return RC_OK;
	if (how->check)
		*why = arena_printf(a, "%s", fault);
	return a->failed ? RC_NOMEM : RC_INVALID;
}

enum reeve_rc policy_read(const struct policy_reading *how, const struct json *j, uint32_t i, struct arena *a,
			  struct rules *out, struct slice *why)
{
	struct reader r = { .how = how, .j = j, .a = a };
	struct rule *rules;
	uint32_t acr;
	enum reeve_rc rc = find_rules(how, j, i, a, &acr, why);

	*out = (struct rules){ .text = json_raw(j, i) };
	if (rc || !acr)
		return rc;
	rules = arena_array(a, j->tok[acr].count, sizeof(*rules));
	if (!rules)
		return RC_NOMEM;
	out->rule = rules;
	for (uint32_t k = acr + 1; k < j->tok[acr].next; k = j->tok[k].next) {
		struct rule *rule = &rules[out->n];

		r.rule = out->n++;
		r.rc = RC_OK;
		if (!read_rule(&r, k, rule)) {
			if (r.rc != RC_INVALID || how->check) {
				*why = r.why;
				return a->failed ? RC_NOMEM : r.rc;
			}
			*rule = (struct rule){ .unreadable = true };
		}
		rule->text = json_raw(j, k);
	}
	if (r.unsupported.p) {
		*why = r.unsupported;
		return RC_UNSUPPORTED;
	}
	return a->failed ? RC_NOMEM : RC_OK;
}
