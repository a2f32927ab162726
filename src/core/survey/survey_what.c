/* SPDX-License-Identifier: Apache-2.0 */
/* What may an Originator do: resources gathered by what governs them, then one judgement for each set. */
#include "core/survey/survey.h"

#include <stdlib.h>

#include "core/survey/survey_int.h"
#include "core/types.h"

enum { MEMORY = 1 << 30, MEMORY_ONE = 256 << 20, ALL_OPS = 63 };

struct asking {
	struct look *k;
	struct survey_what *w;
	struct arena a, one;
	struct gathering_sets sets;
	struct gathering_sets own, by_type; /* of which it is the creator; that a rule of their type lets it have */
};

/* --- gathering --- */

static enum reeve_rc each(void *ctx, const struct res *r)
{
	struct asking *q = ctx;
	const struct type_hooks *hooks = type_hooks(r->h.ty);
	enum reeve_rc rc;
	bool yes;

	q->w->looked_at++;
	if (hooks && hooks->permitted) {
		rc = survey_type_permits(q->k, q->w->who, r, ACOP_RETRIEVE, &yes);
		return rc == RC_OK && yes ? gather_plain(&q->by_type, r) : rc;
	}
	if (r->h.ty == TYPE_ACP)
		return gather_self(&q->sets, r);
	if (r->h.flags & REC_ACPI)
		return gather_links(&q->sets, r);
	return slice_eq(r->creator, q->w->canon) ? gather_plain(&q->own, r) : RC_OK;
}

/* --- judging --- */

static enum reeve_rc add_rule(struct asking *q, struct survey_set *s, const struct survey_rule *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (!survey_is(&r->entry[i], q->w->canon, q->w->roles, q->w->n_roles))
			continue;
		((struct survey_rule *)s->rule)[s->n_rules] = *r;
		s->by[s->n_rules++] = &r->entry[i];
		for (unsigned op = 1; op <= ALL_OPS; op <<= 1)
			if (r->ops & op)
				*(survey_unconditional(r, op) ? &s->always : &s->maybe) |= op;
		return RC_OK;
	}
	return RC_OK;
}

static enum reeve_rc judge(struct asking *q, const struct gathered_set *g, struct survey_set *s)
{
	const struct survey_reading how = { &q->k->core->policy_options, access_members, &q->k->x };
	size_t rules = 0;
	enum reeve_rc rc;

	s->n_policies = gather_policies(q->k, g, s->policy);
	for (size_t i = 0; i < s->n_policies; i++)
		rules += policy_rules(s->policy[i], g->part);
	s->rule = arena_array(&q->one, rules + 1, sizeof(*s->rule));
	s->by = arena_array(&q->one, rules + 1, sizeof(*s->by));
	if (!s->rule || !s->by)
		return RC_NOMEM;
	for (size_t i = 0; i < s->n_policies; i++)
		for (unsigned n = 0; n < policy_rules(s->policy[i], g->part); n++) {
			struct survey_rule r;

			if ((rc = survey_rule(&how, s->policy[i], g->part, n, &q->one, &r)) != RC_OK || (rc = add_rule(q, s, &r)) != RC_OK)
				return rc;
		}
	s->maybe &= ~s->always;
	return RC_OK;
}

static void hand_over(struct asking *q, const struct gathered_set *g, struct survey_set *s)
{
	s->part = g->part;
	s->resources = g->resources;
	s->example = g->example;
	s->n_examples = g->n_examples;
	q->w->set(q->w->ctx, s);
}

static enum reeve_rc tell_all(struct asking *q)
{
	struct survey_set s;
	enum reeve_rc rc;

	if (q->own.first) {
		s = (struct survey_set){ .kind = SET_CREATOR, .always = ALL_OPS };
		hand_over(q, q->own.first, &s);
	}
	if (q->by_type.first) {
		s = (struct survey_set){ .kind = SET_TYPE, .always = ALL_OPS & ~ACOP_DISCOVERY };
		hand_over(q, q->by_type.first, &s);
	}
	for (const struct gathered_set *g = q->sets.first; g; g = g->next) {
		s = (struct survey_set){ .kind = SET_POLICIES };
		if ((rc = judge(q, g, &s)) != RC_OK)
			return rc;
		if (s.n_rules)
			hand_over(q, g, &s);
		arena_reset(&q->one);
	}
	return RC_OK;
}

enum reeve_rc survey_what_can(struct look *k, struct survey_what *w)
{
	struct asking *q = calloc(1, sizeof(*q));
	enum ident_kind kind;
	enum ident_form form;
	enum reeve_rc rc;

	if (!q)
		return RC_NOMEM;
	q->k = k;
	q->w = w;
	arena_init(&q->a, NULL, 0, MEMORY);
	arena_init(&q->one, NULL, 0, MEMORY_ONE);
	gather_begin(&q->sets, k, &q->a, w->examples);
	gather_begin(&q->own, k, &q->a, w->examples);
	gather_begin(&q->by_type, k, &q->a, w->examples);
	rc = ident_parse(&q->a, &k->core->home, w->who, &kind, &form, &w->canon);
	if (rc == RC_OK && (kind == ID_NONE || kind == ID_SP))
		rc = RC_INVALID;
	if (rc == RC_OK)
		rc = survey_resources(k, each, q);
	if (rc == RC_OK)
		rc = tell_all(q);
	arena_reset(&q->a);
	arena_reset(&q->one);
	free(q);
	return rc;
}
