/* SPDX-License-Identifier: Apache-2.0 */
/* The decision: rules one after the other, the cheapest tests first, until one matches.
 *
 * Each rule is judged alone, so parts of different rules never combine (AUTHZ-060). A test that cannot be carried out
 * for want of a fact fails. Nothing here allocates, waits or reads a clock. */
#include "authz/policy_int.h"

#include <endian.h>
#include <math.h>

/* One decision is thousands of tests of a few instructions each: the compiler's own choice of what to inline costs a third
 * more (bench_pdp). */
#define HOT static inline __attribute__((always_inline))

/* slice_eq without a call: most identifiers are shorter than four words. */
HOT bool same(struct slice a, struct slice b)
{
	uint64_t x, y;
	size_t i = 0;

	if (a.n != b.n || a.n < sizeof(x))
		return slice_eq(a, b);
	for (; i + sizeof(x) < a.n; i += sizeof(x)) {
		memcpy(&x, a.p + i, sizeof(x));
		memcpy(&y, b.p + i, sizeof(y));
		if (x != y)
			return false;
	}
	memcpy(&x, a.p + a.n - sizeof(x), sizeof(x)); /* the last word overlaps the one before */
	memcpy(&y, b.p + b.n - sizeof(y), sizeof(y));
	return x == y;
}

static bool in_large_set(const struct id_set *s, uint64_t hash, struct slice who)
{
	uint32_t from = 0, n = s->n;

	while (n > 1) { /* everything before `from` is smaller than hash; the first equal one is in [from, from + n) if there is any */
		uint32_t half = n / 2;
		if (s->hash[from + half - 1] < hash) {
			from += half;
			n -= half;
		} else {
			n = half;
		}
	}
	for (uint32_t i = from; i < s->n && s->hash[i] <= hash; i++)
		if (s->hash[i] == hash && same(s->id[i], who))
			return true;
	return false;
}

HOT bool in_set(const struct id_set *s, uint64_t hash, struct slice who)
{
	if (s->n > 8)
		return in_large_set(s, hash, who);
	for (uint32_t i = 0; i < s->n; i++)
		if (s->hash[i] == hash && same(s->id[i], who))
			return true;
	return false;
}

HOT bool in_domain(struct slice domain, struct slice who)
{
	return who.n > domain.n && who.p[domain.n] == '/' && memcmp(who.p, domain.p, domain.n) == 0;
}

HOT bool fits(const struct glob *g, struct slice who)
{
	uint64_t tail = 0;

	if (who.n < g->least || who.n > ORIGINATOR_MAX)
		return false;
	if (g->literal >= sizeof(tail))
		memcpy(&tail, who.p + g->literal - sizeof(tail), sizeof(tail));
	return tail == g->tail && memcmp(who.p, g->text.p, g->literal) == 0 &&
	       policy_glob(slice_skip(g->text, g->literal), slice_skip(who, g->literal));
}

static void derive_roles(struct derived *d, const struct facts *f, uint64_t hash[DERIVED_ROLES])
{
	for (size_t k = 0; k < f->n_roles && k < DERIVED_ROLES; k++) {
		hash[k] = policy_role_hash(f->roles[k]);
		d->role_bits[0] |= UINT64_C(1) << (hash[k] & 63);
		d->role_bits[1] |= UINT64_C(1) << (hash[k] >> 6 & 63);
	}
	if (f->n_roles <= DERIVED_ROLES)
		d->role_hash = hash;
	else
		d->role_bits[0] = UINT64_MAX;
}

static __attribute__((noinline)) bool has_role(struct slice role, uint64_t hash, const struct facts *f, const struct derived *d)
{
	for (size_t k = 0; k < f->n_roles; k++)
		if ((!d->role_hash || hash == d->role_hash[k]) && slice_eq(role, f->roles[k]))
			return true;
	return false;
}

HOT bool role_ok(const struct rule *r, const struct facts *f, const struct derived *d)
{
	for (uint32_t i = 0; i < r->n_roles; i++) {
		uint64_t h = r->role_hash[i];
		bool maybe = !d->role_hash || (d->role_bits[0] >> (h & 63) & d->role_bits[1] >> (h >> 6 & 63) & 1);

		if (maybe && has_role(r->role[i], h, f, d))
			return true;
	}
	return false;
}

static __attribute__((noinline)) bool domain_or_role_ok(const struct rule *r, const struct facts *f, const struct derived *d)
{
	for (uint32_t i = 0; i < r->n_domains; i++)
		if (in_domain(r->domain[i], f->who))
			return true;
	return role_ok(r, f, d);
}

HOT bool originator_ok(const struct rule *r, const struct facts *f, const struct derived *d)
{
	if (r->all || in_set(&r->exact, f->who_hash, f->who))
		return true;
	for (uint32_t i = 0; i < r->n_globs; i++)
		if (fits(&r->glob[i], f->who))
			return true;
	return (r->n_domains | (r->role_bits & d->role_bits[0])) && domain_or_role_ok(r, f, d);
}

HOT bool detail_ok(const struct detail *d, const struct facts *f)
{
	if (d->ty >= 0 && d->ty != f->target_ty)
		return false;
	if (d->has_cnd && (f->target_cnd.n == 0 || !slice_eq(d->cnd, f->target_cnd)))
		return false;
	if (d->mgd >= 0 && d->mgd != f->target_mgd)
		return false;
	for (uint32_t i = 0; i < d->n_child; i++)
		if (d->child[i] == f->child_ty)
			return true;
	return false;
}

/* acod speaks of Create only (AUTHZ-104). */
HOT bool object_ok(const struct rule *r, const struct facts *f)
{
	if (r->n_details == 0 || f->op != ACOP_CREATE)
		return true;
	for (uint32_t i = 0; i < r->n_details; i++)
		if (detail_ok(&r->detail[i], f))
			return true;
	return false;
}

/* Hour and minute first, and here: most windows end with them, and a call costs more than the test. */
HOT bool in_window(const struct text_schedule *w, const struct text_time *t)
{
	return (w->hour >> t->hour & 1) && (w->minute >> t->minute & 1) && text_schedule_match(w, t);
}

HOT bool time_ok(const struct context *c, const struct facts *f)
{
	for (uint32_t i = 0; i < c->n_windows; i++)
		if (in_window(&c->window[i], &f->time))
			return true;
	return c->n_windows == 0;
}

static void derive_ip(struct derived *d, const struct facts *f)
{
	if (d->have_ip)
		return;
	memcpy(&d->hi, f->ip, sizeof(d->hi));
	memcpy(&d->lo, f->ip + 8, sizeof(d->lo));
	d->hi = be64toh(d->hi);
	d->lo = be64toh(d->lo);
	d->v4 = d->hi == 0 && d->lo >> 32 == 0xffff;
	d->have_ip = true;
}

HOT bool address_ok(const struct context *c, const struct facts *f, struct derived *d)
{
	if (c->n_nets == 0)
		return true;
	if (!f->ip_known)
		return false;
	derive_ip(d, f);
	for (uint32_t i = 0; i < c->n_nets; i++) {
		const struct net *n = &c->net[i];
		if ((d->hi & n->mask_hi) == n->hi && (d->lo & n->mask_lo) == n->lo && d->v4 == n->v4)
			return true;
	}
	return false;
}

HOT bool in_circle(const struct circle *c, const struct facts *f, struct derived *d)
{
	double dx, dy, dz;

	if (!f->position_known || !(fabs(f->latitude - c->latitude) <= c->degrees))
		return false; /* as well for a latitude that is no number */
	if (!d->have_place)
		policy_vector(f->latitude, f->longitude, &d->x, &d->y, &d->z);
	d->have_place = true;
	dx = c->x - d->x;
	dy = c->y - d->y;
	dz = c->z - d->z;
	return dx * dx + dy * dy + dz * dz <= c->chord2;
}

HOT bool location_ok(const struct context *c, const struct facts *f, struct derived *d)
{
	if (c->circle)
		return in_circle(c->circle, f, d);
	for (uint32_t i = 0; i < c->n_countries; i++)
		if (c->country[i][0] == f->country[0] && c->country[i][1] == f->country[1])
			return true;
	return c->n_countries == 0;
}

HOT enum pdp_miss test_context(const struct context *c, const struct facts *f, struct derived *d)
{
	if (!time_ok(c, f))
		return PDP_TIME;
	if (!address_ok(c, f, d))
		return PDP_ADDRESS;
	return location_ok(c, f, d) ? PDP_MATCH : PDP_LOCATION;
}

enum pdp_miss pdp_context(const struct context *c, const struct facts *f, struct derived *d) { return test_context(c, f, d); }

/* The miss of the context that got furthest: the one that says most. */
HOT enum pdp_miss contexts(const struct rule *r, const struct facts *f, struct derived *d)
{
	enum pdp_miss best = PDP_MATCH;

	for (uint32_t i = 0; i < r->n_contexts; i++) {
		enum pdp_miss m = test_context(&r->context[i], f, d);
		if (m == PDP_MATCH)
			return PDP_MATCH;
		if (m > best)
			best = m;
	}
	return best;
}

HOT enum pdp_miss test_rule(const struct rule *r, const struct facts *f, struct derived *d)
{
	if (!(r->ops & f->op)) /* a malformed rule has no operations */
		return r->unreadable ? PDP_UNREADABLE : PDP_OP;
	if (r->acaf && !f->authenticated)
		return PDP_AUTHN;
	if (!originator_ok(r, f, d))
		return PDP_ORIGINATOR;
	if (!object_ok(r, f))
		return PDP_OBJECT;
	return contexts(r, f, d);
}

enum pdp_miss pdp_rule(const struct rule *r, const struct facts *f, struct derived *d)
{
	if (f->n_roles && !d->role_bits[0])
		d->role_bits[0] = d->role_bits[1] = UINT64_MAX; /* compared as text */
	return test_rule(r, f, d);
}

const char *acop_name(unsigned bit)
{
	static const char *const names[] = { "create", "retrieve", "update", "delete", "notify", "discovery" };

	return bit && bit <= ACOP_DISCOVERY ? names[__builtin_ctz(bit)] : "";
}

static const struct rules no_rules; /* of a policy that could not be had (AUTHZ-106) */

bool pdp_decide(const struct policy *const *policies, size_t n, enum policy_part part, const struct facts *f,
		const struct pdp_trace *trace, size_t *which, unsigned *index)
{
	uint64_t role_hash[DERIVED_ROLES];
	struct derived d = { 0 };

	if (f->n_roles)
		derive_roles(&d, f, role_hash);
	for (size_t i = 0; i < n; i++) {
		const struct rules *rules = policies[i] ? &policies[i]->part[part] : &no_rules;
		for (uint32_t k = 0; k < rules->n; k++) {
			enum pdp_miss m = test_rule(&rules->rule[k], f, &d);
			if (trace)
				trace->rule(trace->ctx, policies[i], k, m);
			if (m != PDP_MATCH)
				continue;
			if (which)
				*which = i;
			if (index)
				*index = k;
			return true;
		}
	}
	return false;
}

static size_t add_roles(const struct rule *r, struct slice *out, size_t n, size_t most)
{
	for (uint32_t i = 0; i < r->n_roles && n < most; i++) {
		size_t k = 0;

		while (k < n && !slice_eq(out[k], r->role[i]))
			k++;
		if (k == n)
			out[n++] = r->role[i];
	}
	return n;
}

size_t pdp_roles(const struct policy *const *policies, size_t n, enum policy_part part, const struct facts *f, struct slice *out,
		 size_t most)
{
	struct derived d = { 0 };
	size_t got = 0;

	for (size_t i = 0; i < n; i++) {
		const struct rules *rules = policies[i] ? &policies[i]->part[part] : &no_rules;

		for (uint32_t k = 0; k < rules->n; k++) {
			const struct rule *r = &rules->rule[k];

			if (r->n_roles && r->ops & f->op && (!r->acaf || f->authenticated) && object_ok(r, f) &&
			    contexts(r, f, &d) == PDP_MATCH)
				got = add_roles(r, out, got, most);
		}
	}
	return got;
}
