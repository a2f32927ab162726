/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a setOfAcrs: one reader for the check of a request and for compilation, so that the two cannot disagree.
 *
 * Whatever is present must be understood: unknown members, empty lists and empty contexts are faults, because ignoring
 * a restriction widens access (AUTHZ-048). */
#include "authz/policy_read_int.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "codec/model.h"

/* At most n bytes of s, not ending inside a character, for messages. */
static struct slice clip(struct slice s, size_t n)
{
	if (s.n <= n)
		return s;
	while (n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return slice_of(s.p, n);
}

bool policy_fault(struct reader *r, const char *fmt, ...)
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

bool policy_no_memory(struct reader *r)
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
		return policy_fault(r, "%s must be an object", place);
	for (uint32_t k = i + 1; k < j->tok[i].next; k = j->tok[k + 1].next) {
		const char *const *name = allowed;
		struct slice key = clip(json_inner(j, k), 60);
		while (*name && !json_string_is(j, k, slice_str(*name)))
			name++;
		if (!*name)
			return policy_fault(r, "%s has a member \"%.*s\" that this release does not know; remove it", place, SF(key));
	}
	return true;
}

bool policy_array(struct reader *r, uint32_t i, const char *place, bool may_be_empty)
{
	if (!i || json_kind(r->j, i) != J_ARRAY)
		return policy_fault(r, "%s must be an array", place);
	if (r->j->tok[i].count == 0 && !may_be_empty)
		return policy_fault(r, "%s must not be empty; leave it out when nothing is to be restricted", place);
	return true;
}

bool policy_string(struct reader *r, uint32_t i, const char *place, struct slice *out)
{
	if (json_kind(r->j, i) != J_STRING)
		return policy_fault(r, "%s must hold strings", place);
	*out = json_string(r->a, r->j, i);
	return out->p || policy_no_memory(r);
}

/* --- contexts --- */

static bool read_windows(struct reader *r, uint32_t i, uint32_t at, struct context *c)
{
	struct text_schedule *w;
	char place[40];
	struct slice s;

	snprintf(place, sizeof(place), "acco[%u].actw", at);
	if (!policy_array(r, i, place, false))
		return false;
	w = arena_array(r->a, r->j->tok[i].count, sizeof(*w));
	if (!w)
		return policy_no_memory(r);
	for (uint32_t k = i + 1; k < r->j->tok[i].next; k = r->j->tok[k].next) {
		if (!policy_string(r, k, place, &s))
			return false;
		if (!text_schedule(s, &w[c->n_windows]))
			return policy_fault(r, "%s[%u] \"%.*s\" must be seven fields: second minute hour day month weekday year, "
					       "each *, */n, or a list of numbers and ranges", place, c->n_windows, SF(clip(s, 60)));
		c->n_windows++;
	}
	c->window = w;
	return true;
}

static bool read_nets(struct reader *r, uint32_t i, const char *place, bool v4, struct net *nets, uint32_t *n)
{
	struct slice s;

	if (!policy_array(r, i, place, false))
		return false;
	for (uint32_t k = i + 1; k < r->j->tok[i].next; k = r->j->tok[k].next) {
		if (!policy_string(r, k, place, &s))
			return false;
		if (!policy_net(s, v4, &nets[*n]))
			return policy_fault(r, "%s: \"%.*s\" must be an %s address with an optional /prefix of at most %d", place,
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
		return policy_fault(r, "%s must hold ipv4 or ipv6", place);
	nets = arena_array(r->a, (size_t)r->j->tok[v4].count * (v4 != 0) + (size_t)r->j->tok[v6].count * (v6 != 0),
			   sizeof(*nets));
	if (!nets)
		return policy_no_memory(r);
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
		return policy_no_memory(r);
	if (json_kind(r->j, i) == J_ARRAY && r->j->tok[i].count == 3)
		for (uint32_t k = i + 1; k < r->j->tok[i].next && json_double(r->j, k, &v[n]); k = r->j->tok[k].next)
			n++;
	if (n != 3 || !(fabs(v[0]) <= 90) || !(fabs(v[1]) <= 180) || !(v[2] >= 0) || !isfinite(v[2]))
		return policy_fault(r, "%s.accr must be [latitude within 90, longitude within 180, radius in metres]", place);
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

	if (!policy_array(r, i, place, false))
		return false;
	codes = arena_array(r->a, r->j->tok[i].count, sizeof(*codes));
	if (!codes)
		return policy_no_memory(r);
	for (uint32_t k = i + 1; k < r->j->tok[i].next; k = r->j->tok[k].next) {
		if (!policy_string(r, k, place, &s))
			return false;
		if (!policy_country(s))
			return policy_fault(r, "%s.accc: \"%.*s\" must be two upper-case letters of ISO 3166-1", place, SF(clip(s, 60)));
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
		return policy_fault(r, "%s must hold exactly one of accc and accr", place);
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
		return policy_fault(r, "%s must hold actw, acip or aclr", place);
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
	if (!policy_array(r, i, "acco", false))
		return false;
	c = arena_array(r->a, r->j->tok[i].count, sizeof(*c));
	if (!c)
		return policy_no_memory(r);
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
		return policy_fault(r, "%s must be the number of a resource type", place);
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
			return policy_fault(r, "%s must hold exactly one of cnd and mgd", place);
		if (cnd && !policy_string(r, cnd, place, &d->cnd))
			return false;
		d->has_cnd = cnd != 0;
		if (mgd && (!json_u64(r->j, mgd, &v) || v > INT32_MAX))
			return policy_fault(r, "%s.mgd must be the number of a mgmtDefinition", place);
		if (mgd)
			d->mgd = (int64_t)v;
	}
	if (d->ty == TYPE_MGMT_OBJ && d->mgd < 0)
		return policy_fault(r, "%s with mgd is needed beside ty 13 (mgmtObj)", place);
	if (d->ty == TYPE_FLEX_CONTAINER && !d->has_cnd)
		return policy_fault(r, "%s with cnd is needed beside ty 28 (flexContainer)", place);
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
		return policy_fault(r, "%s: chty is missing: list the types that may be created", place);
	snprintf(place, sizeof(place), "acod[%u].ty", at);
	if (ty && !type_number(r, ty, place, &d->ty))
		return false;
	snprintf(place, sizeof(place), "acod[%u].chty", at);
	if (!policy_array(r, chty, place, false))
		return false;
	child = arena_array(r->a, r->j->tok[chty].count, sizeof(*child));
	if (!child)
		return policy_no_memory(r);
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
	if (!policy_array(r, i, "acod", false))
		return false;
	d = arena_array(r->a, r->j->tok[i].count, sizeof(*d));
	if (!d)
		return policy_no_memory(r);
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
		return policy_fault(r, "acop is missing: name the operations allowed");
	if (!json_u64(r->j, acop, &ops) || ops < 1 || ops > 63)
		return policy_fault(r, "acop must be a sum of 1 create, 2 retrieve, 4 update, 8 delete, 16 notify, 32 discovery (1 to 63)");
	out->ops = (uint8_t)ops;
	if (acaf && !json_bool(r->j, acaf, &out->acaf))
		return policy_fault(r, "acaf must be true or false");
	return policy_read_originators(r, json_member(r->j, i, S("acor")), out) &&
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
