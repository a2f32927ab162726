/* SPDX-License-Identifier: Apache-2.0 */
/* Does one rule permit all that another does? Conservative: a yes is certain, a no may be a yes that is not seen.
 *
 * Whether a rule stands for whoever an entry stands for is asked of the PDP: for a pattern with its text as Originator, because a '*' of
 * a rule is the only thing that matches a '*'. */
#include "authz/lint_int.h"

#include "base/hash.h"

/* --- conditions --- */

static bool years_within(const struct text_schedule *a, const struct text_schedule *b)
{
	if (b->any_year)
		return true;
	if (a->any_year || a->n_years != b->n_years)
		return false;
	for (unsigned i = 0; i < a->n_years; i++)
		if (a->year[i].from != b->year[i].from || a->year[i].to != b->year[i].to || a->year[i].step != b->year[i].step)
			return false;
	return true;
}

static bool window_within(const struct text_schedule *a, const struct text_schedule *b)
{
	return !(a->second & ~b->second) && !(a->minute & ~b->minute) && !(a->hour & ~b->hour) && !(a->mday & ~b->mday) &&
	       !(a->month & ~b->month) && !(a->wday & ~b->wday) && years_within(a, b);
}

static bool net_within(const struct net *a, const struct net *b)
{
	return a->v4 == b->v4 && (a->mask_hi & b->mask_hi) == b->mask_hi && (a->mask_lo & b->mask_lo) == b->mask_lo &&
	       (a->hi & b->mask_hi) == b->hi && (a->lo & b->mask_lo) == b->lo;
}

static bool location_within(const struct context *a, const struct context *b)
{
	if (b->circle)
		return a->circle && memcmp(a->circle, b->circle, sizeof(*a->circle)) == 0;
	if (!b->n_countries)
		return true;
	for (uint32_t i = 0; i < a->n_countries; i++) {
		bool found = false;
		for (uint32_t k = 0; k < b->n_countries; k++)
			found |= memcmp(a->country[i], b->country[k], 2) == 0;
		if (!found)
			return false;
	}
	return a->n_countries > 0;
}

bool lint_context_within(const struct context *a, const struct context *b)
{
	bool ok = b->n_windows == 0 || a->n_windows > 0;

	for (uint32_t i = 0; ok && b->n_windows && i < a->n_windows; i++) {
		ok = false;
		for (uint32_t k = 0; k < b->n_windows && !ok; k++)
			ok = window_within(&a->window[i], &b->window[k]);
	}
	ok = ok && (b->n_nets == 0 || a->n_nets > 0);
	for (uint32_t i = 0; ok && b->n_nets && i < a->n_nets; i++) {
		ok = false;
		for (uint32_t k = 0; k < b->n_nets && !ok; k++)
			ok = net_within(&a->net[i], &b->net[k]);
	}
	return ok && location_within(a, b);
}

static bool contexts_within(const struct rule *a, const struct rule *b)
{
	bool ok = b->n_contexts == 0 || a->n_contexts > 0;

	for (uint32_t i = 0; ok && b->n_contexts && i < a->n_contexts; i++) {
		ok = false;
		for (uint32_t k = 0; k < b->n_contexts && !ok; k++)
			ok = lint_context_within(&a->context[i], &b->context[k]);
	}
	return ok;
}

static bool detail_within(const struct detail *a, const struct detail *b)
{
	if ((b->ty >= 0 && b->ty != a->ty) || (b->has_cnd && (!a->has_cnd || !slice_eq(a->cnd, b->cnd))) ||
	    (b->mgd >= 0 && b->mgd != a->mgd))
		return false;
	for (uint32_t i = 0; i < a->n_child; i++) {
		bool found = false;
		for (uint32_t k = 0; k < b->n_child; k++)
			found |= a->child[i] == b->child[k];
		if (!found)
			return false;
	}
	return true;
}

static bool details_within(const struct rule *a, const struct rule *b)
{
	bool ok = b->n_details == 0 || a->n_details > 0;

	for (uint32_t i = 0; ok && b->n_details && i < a->n_details; i++) {
		ok = false;
		for (uint32_t k = 0; k < b->n_details && !ok; k++)
			ok = detail_within(&a->detail[i], &b->detail[k]);
	}
	return ok;
}

bool lint_conditions_within(const struct survey_rule *i, const struct survey_rule *r, unsigned ops)
{
	return (!r->acaf || i->acaf) && contexts_within(i->rule, r->rule) &&
	       (!(ops & ACOP_CREATE) || details_within(i->rule, r->rule));
}

bool lint_has_more_conditions(const struct survey_rule *i, const struct survey_rule *r)
{
	return (i->acaf && !r->acaf) || (i->rule->n_contexts && !r->rule->n_contexts) ||
	       (i->ops & r->ops & ACOP_CREATE && i->rule->n_details && !r->rule->n_details);
}

/* --- Originators --- */

static bool stands_for(const struct rule *r, struct slice who, const struct slice *role)
{
	struct rule bare = *r;
	struct facts f = { .who = who, .who_hash = hash_slice(who), .authenticated = true, .target_mgd = -1, .roles = role,
			   .n_roles = role != NULL };
	struct derived d = { 0 };

	f.op = bare.ops = ACOP_RETRIEVE;
	bare.n_contexts = bare.n_details = 0;
	return pdp_rule(&bare, &f, &d) == PDP_MATCH;
}

static bool domain_in(struct slice domain, const struct rule *r)
{
	for (uint32_t i = 0; i < r->n_domains; i++)
		if (slice_eq(domain, r->domain[i]))
			return true;
	return r->all;
}

bool lint_entry_within(const struct survey_entry *e, const struct survey_rule *r)
{
	const struct rule *a = e->rule;

	if (a->all || r->rule->all)
		return r->rule->all;
	if (e->form == SURVEY_NOBODY)
		return false;
	for (uint32_t i = 0; i < a->exact.n; i++)
		if (!stands_for(r->rule, a->exact.id[i], NULL))
			return false;
	for (uint32_t i = 0; i < a->n_globs; i++)
		if (!stands_for(r->rule, a->glob[i].text, NULL))
			return false;
	for (uint32_t i = 0; i < a->n_domains; i++)
		if (!domain_in(a->domain[i], r->rule))
			return false;
	for (uint32_t i = 0; i < a->n_roles; i++)
		if (!stands_for(r->rule, S(""), &a->role[i]))
			return false;
	return a->exact.n + a->n_globs + a->n_domains + a->n_roles > 0;
}
