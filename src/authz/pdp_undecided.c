/* SPDX-License-Identifier: Apache-2.0 */
/* Was a denial for want of facts? A PDP that decides for another CSE knows only what that one told (MISSING_ATTRIBUTE, TS-0003 7.5.2).
 *
 * Each rule is tried once more by the PDP's own test, on a copy without the conditions on what is unknown: so this cannot read a rule in
 * another way than the decision did. It never permits anything. */
#include "authz/policy_int.h"

/* Does the rule match with one of its contexts and one of its object details, both relaxed? */
static bool match(const struct rule *r, const struct context *c, const struct detail *d, const struct facts *f)
{
	struct rule only = *r;
	struct derived derived = { 0 };

	only.context = c;
	only.n_contexts = c != NULL;
	only.detail = d;
	only.n_details = d != NULL;
	return pdp_rule(&only, f, &derived) == PDP_MATCH;
}

static bool match_details(const struct rule *r, const struct context *c, const struct facts *f, const struct pdp_unknown *u)
{
	if (!r->n_details || u->child)
		return match(r, c, NULL, f);
	for (uint32_t i = 0; i < r->n_details; i++) {
		struct detail d = r->detail[i];

		if (u->target) {
			d.ty = -1;
			d.has_cnd = false;
			d.mgd = -1;
		}
		if (match(r, c, &d, f))
			return true;
	}
	return false;
}

static bool match_contexts(const struct rule *r, const struct facts *f, const struct pdp_unknown *u)
{
	if (!r->n_contexts)
		return match_details(r, NULL, f, u);
	for (uint32_t i = 0; i < r->n_contexts; i++) {
		struct context c = r->context[i];

		if (!f->ip_known)
			c.n_nets = 0;
		if (!f->position_known)
			c.circle = NULL;
		if (!f->country[0])
			c.n_countries = 0;
		if (match_details(r, &c, f, u))
			return true;
	}
	return false;
}

static bool may_be(const struct rule *r, const struct pdp_unknown *u)
{
	for (uint32_t i = 0; i < r->n_roles; i++)
		for (size_t k = 0; k < u->n_roles; k++)
			if (slice_eq(r->role[i], u->roles[k]))
				return true;
	return false;
}

bool pdp_undecided(const struct policy *const *policies, size_t n, enum policy_part part, const struct facts *f,
		   const struct pdp_unknown *u)
{
	for (size_t i = 0; i < n; i++)
		for (uint32_t k = 0; policies[i] && k < policies[i]->part[part].n; k++) {
			struct rule r = policies[i]->part[part].rule[k];

			r.all = r.all || may_be(&r, u);
			if (match_contexts(&r, f, u))
				return true;
		}
	return false;
}
