/* SPDX-License-Identifier: Apache-2.0 */
/* What only a store can tell about policies: links that lead nowhere, policies that nothing is linked to, and resources on which
 * nobody is permitted anything. */
#include "core/survey/survey.h"

#include <stdlib.h>

#include "core/survey/survey_int.h"

enum { MEMORY = 1 << 30, MEMORY_ONE = 256 << 20 };

/* A policy that was looked at: is it linked, does its pv permit anybody anything? */
struct known { struct known *chain; uint64_t n; bool linked, alive, there; };

struct survey {
	struct look *k;
	struct lint l;               /* with the registered ones; tells through `outer` */
	const struct lint *outer;
	struct slice at;             /* address of the policy at work */
	struct arena a, one;         /* of everything; of one policy */
	struct gathering_sets sets;
	struct known *known[BUCKETS];
};

static struct known *known_of(struct survey *s, uint64_t n)
{
	struct known **at = &s->known[n % BUCKETS], *p;

	for (p = *at; p; p = p->chain)
		if (p->n == n)
			return p;
	if ((p = arena_zalloc(&s->a, sizeof(*p)))) {
		p->n = n;
		p->chain = *at;
		*at = p;
	}
	return p;
}

static void tell(void *ctx, const struct lint_finding *f)
{
	struct survey *s = ctx;
	struct lint_finding with = *f;

	if (!with.resource.n)
		with.resource = s->at;
	s->outer->tell(s->outer->ctx, &with);
}

/* --- links --- */

static enum reeve_rc link_by_id(struct survey *s, struct slice id)
{
	struct target t;
	struct known *p;

	if (exec_lookup(&s->k->x, id, &t) != RC_OK || t.virt || t.res.h.ty != TYPE_ACP)
		return RC_OK;
	if (!(p = known_of(s, t.res.key.n)))
		return RC_NOMEM;
	p->linked = true;
	return RC_OK;
}

/* macp of a group, daci and the like: policies are linked there, too. */
static enum reeve_rc link_members(struct survey *s, const struct res *r, struct slice sn)
{
	_Alignas(16) char first[4096];
	struct slice list = res_member(r, sn), why;
	enum reeve_rc rc = RC_OK;
	struct arena a;
	struct json j;

	if (!list.p)
		return RC_OK;
	arena_init(&a, first, sizeof(first), 16 << 20);
	if (json_parse(&a, list, &json_default_limits, &j, &why) == RC_OK && json_kind(&j, 0) == J_ARRAY)
		for (uint32_t i = 1; rc == RC_OK && i < j.tok[0].next; i = j.tok[i].next)
			rc = link_by_id(s, json_string(&a, &j, i));
	arena_reset(&a);
	return rc;
}

static enum reeve_rc each(void *ctx, const struct res *r)
{
	struct survey *s = ctx;
	struct known *p;

	for (size_t i = 0; i < r->h.n_acps; i++) {
		if (!(p = known_of(s, res_acp(r, i).n)))
			return RC_NOMEM;
		p->linked = true;
	}
	if (r->h.ty == TYPE_GROUP && link_members(s, r, S("macp")) != RC_OK)
		return RC_NOMEM;
	return r->h.flags & REC_ACPI ? gather_links(&s->sets, r) : RC_OK;
}

/* --- policies --- */

static enum reeve_rc look_at_policy(void *ctx, const struct res *r)
{
	struct survey *s = ctx;
	const struct policy *p = r->h.ty == TYPE_ACP ? access_policy(&s->k->x, r->key) : NULL;
	struct known *known;
	enum reeve_rc rc;

	if (r->h.ty != TYPE_ACP)
		return RC_OK;
	if (!(known = known_of(s, r->key.n)))
		return RC_NOMEM;
	s->at = survey_path(s->k, &s->one, r);
	known->there = true;
	if (!p) {
		lint_tell(&s->l, LINT_ERROR, "malformed", res_ri(r), s->at, S("the policy cannot be read: it permits nothing"),
			  S("write it again"));
		rc = RC_OK;
	} else if ((rc = lint_policy(&s->l, p, slice_eq(r->creator, s->k->core->home.abs), &s->one)) == RC_OK) {
		rc = lint_alive(&s->l, p, POLICY_PV, ~0u, &s->one, &known->alive);
	}
	if (rc == RC_OK && !known->linked)
		lint_tell(&s->l, LINT_WARNING, "unused", res_ri(r), s->at, S("nothing is linked to it: it protects nothing"),
			  S("link it (accessControlPolicyIDs), or remove it"));
	s->at = (struct slice){ NULL, 0 };
	arena_reset(&s->one);
	return rc;
}

/* --- sets --- */

static struct slice and_more(struct survey *s, const struct gathered_set *g)
{
	if (g->resources < 2)
		return S("");
	return arena_printf(&s->one, " (and %llu more with the same links)", (unsigned long long)g->resources - 1);
}

/* Links of the set as they are written: those that lead nowhere are told; those to other CSEs are counted. */
static size_t look_at_links(struct survey *s, const struct gathered_set *g)
{
	struct slice why, local, cse;
	size_t away = 0;
	struct json j;

	if (!g->acpi.p || json_parse(&s->one, g->acpi, &json_default_limits, &j, &why) != RC_OK)
		return 0;
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next) {
		struct slice id = json_string(&s->one, &j, i);
		struct target t;

		if (!id.p)
			continue;
		if (ident_route(&s->one, &s->k->core->home, id, &local, &cse) == WHERE_TRANSIT) {
			away++;
			continue;
		}
		if (exec_lookup(&s->k->x, id, &t) == RC_OK && !t.virt && t.res.h.ty == TYPE_ACP) {
			bool linked = false;
			for (size_t n = 0; n < g->n_acps; n++)
				linked |= g->acps[n].n == t.res.key.n;
			if (linked)
				continue;
		}
		lint_tell(&s->l, LINT_WARNING, "dangling", S(""), g->n_examples ? g->example[0] : S(""),
			  arena_printf(&s->one, "accessControlPolicyIDs name \"%.*s\", and no such policy is linked%.*s", SF(id),
				       SF(and_more(s, g))),
			  S("write accessControlPolicyIDs again; a policy made under the same name later is another one"));
	}
	return away;
}

static void look_at_set(struct survey *s, const struct gathered_set *g)
{
	size_t away = look_at_links(s, g);
	bool alive = false;

	for (size_t i = 0; i < g->n_acps && !alive; i++) {
		const struct known *p = known_of(s, g->acps[i].n);
		alive = p && p->there && p->alive;
	}
	if (away)
		lint_tell(&s->l, LINT_NOTE, "away", S(""), g->n_examples ? g->example[0] : S(""),
			  arena_printf(&s->one, "%zu linked polic%s on another CSE, and count only while they can be had%.*s", away,
				       away == 1 ? "y is" : "ies are", SF(and_more(s, g))),
			  S("keep a policy here as well"));
	if (!alive && !away)
		lint_tell(&s->l, LINT_ERROR, "locks-out", S(""), g->n_examples ? g->example[0] : S(""),
			  arena_printf(&s->one, "its policies permit nobody anything%.*s", SF(and_more(s, g))),
			  S("the creator of the resource has no right beyond them: link a policy whose rules stand for somebody"));
	arena_reset(&s->one);
}

static enum reeve_rc run(struct survey *s, struct lint_registered *registered)
{
	enum reeve_rc rc = survey_registered(s->k, &s->a, registered);

	s->l.registered = registered;
	if (rc == RC_OK)
		rc = survey_resources(s->k, each, s);
	if (rc == RC_OK)
		rc = survey_resources(s->k, look_at_policy, s);
	for (const struct gathered_set *g = s->sets.first; rc == RC_OK && g; g = g->next)
		look_at_set(s, g);
	return rc;
}

enum reeve_rc survey_lint(struct look *k, const struct lint *l)
{
	struct survey *s = calloc(1, sizeof(*s));
	struct lint_registered registered;
	enum reeve_rc rc;

	if (!s)
		return RC_NOMEM;
	s->k = k;
	s->outer = l;
	s->l = *l;
	s->l.tell = tell;
	s->l.ctx = s;
	s->l.reading = (struct survey_reading){ &k->core->policy_options, access_members, &k->x };
	arena_init(&s->a, NULL, 0, MEMORY);
	arena_init(&s->one, NULL, 0, MEMORY_ONE);
	gather_begin(&s->sets, k, &s->a, 1);
	rc = run(s, &registered);
	arena_reset(&s->a);
	arena_reset(&s->one);
	free(s);
	return rc;
}
