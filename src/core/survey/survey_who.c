/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what on a resource: the rules that govern it, entry by entry. */
#include "core/survey/survey.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/survey/survey_int.h"
#include "core/types.h"
#include "core/work.h"

enum { MEMORY = 512 << 20 };

struct asking {
	struct look *k;
	struct survey_who *w;
	struct target t;
	struct lint_registered registered;
	struct arena a;
};

static bool is_registered(const struct asking *q, struct slice who)
{
	return bsearch(&who, q->registered.v, q->registered.n, sizeof(who), lint_compare) != NULL;
}

static void grant(struct asking *q, struct slice who, const struct survey_entry *e, const struct survey_rule *r, const char *ground)
{
	const struct survey_grant g = { .who = who, .registered = is_registered(q, who), .entry = e, .rule = r, .ground = ground };

	q->w->grant(q->w->ctx, &g);
}

/* With a type given, the rule must allow it below this target; the PDP says. Without, what acod says is a condition. */
static bool concerns(const struct asking *q, const struct survey_rule *r)
{
	const struct res *target = &q->t.res;
	struct facts f = { .op = q->w->op, .target_ty = target->h.ty, .child_ty = q->w->child_ty, .target_mgd = -1 };

	if (q->w->op != ACOP_CREATE || !q->w->child_ty)
		return r->ops & q->w->op;
	return survey_permits_object(r, &f);
}

/* An entry that is not one entity: itself, then each registered one it stands for. */
static void grant_class(struct asking *q, const struct survey_rule *r, const struct survey_entry *e)
{
	grant(q, e->text, e, r, NULL);
	if (e->form == SURVEY_ROLE)
		return;
	for (size_t i = 0; i < q->registered.n; i++)
		if (survey_is(e, q->registered.v[i], NULL, 0))
			grant(q, q->registered.v[i], e, r, NULL);
}

static void by_rule(struct asking *q, const struct survey_rule *r)
{
	for (size_t i = 0; concerns(q, r) && i < r->n; i++) {
		const struct survey_entry *e = &r->entry[i];

		if (e->form == SURVEY_NOBODY)
			continue;
		if (e->form == SURVEY_NAMED || e->form == SURVEY_GROUP)
			for (size_t n = 0; n < e->n_ids; n++)
				grant(q, e->ids[n], e, r, NULL);
		else
			grant_class(q, r, e);
	}
}

static enum reeve_rc by_policies(struct asking *q, const struct governing *g)
{
	const struct survey_reading how = { &q->k->core->policy_options, access_members, &q->k->x };

	for (size_t i = 0; i < g->n; i++)
		for (unsigned n = 0; n < policy_rules(g->p[i], g->part); n++) {
			struct survey_rule r;
			enum reeve_rc rc = survey_rule(&how, g->p[i], g->part, n, &q->a, &r);

			if (rc != RC_OK)
				return rc;
			by_rule(q, &r);
		}
	return RC_OK;
}

/* A rule of the resource type: every registered one is asked for. */
static enum reeve_rc by_type(struct asking *q)
{
	for (size_t i = 0; i < q->registered.n; i++) {
		bool yes;
		enum reeve_rc rc = survey_type_permits(q->k, q->registered.v[i], &q->t.res, q->w->op, &yes);

		if (rc != RC_OK)
			return rc;
		if (yes)
			grant(q, q->registered.v[i], NULL, NULL, q->w->ground);
	}
	return RC_OK;
}

static enum reeve_rc answer_who(struct asking *q)
{
	const struct type_hooks *hooks = type_hooks(q->t.res.h.ty);
	struct slice path = survey_path(q->k, &q->a, &q->t.res);
	struct survey_who *w = q->w;
	struct governing g;

	snprintf(w->path, sizeof(w->path), "%.*s", path.n > 500 ? 500 : (int)path.n, path.p ? path.p : "");
	w->target_ty = q->t.res.h.ty;
	if (hooks && hooks->permitted && w->op != ACOP_DISCOVERY) {
		w->ground = "a rule of the resource type, which comes before policies";
		return by_type(q);
	}
	if (!access_governing(&q->k->x, &q->t.res, &g)) {
		w->ground = "no policy governs the target";
		return RC_OK;
	}
	w->ground = g.ground;
	for (size_t i = 0; i < g.n; i++)
		w->policies[w->n_policies++] = policy_name(g.p[i]);
	if (g.default_policy) {
		if (g.creator.n)
			grant(q, g.creator, NULL, NULL, g.ground);
		return RC_OK;
	}
	return by_policies(q, &g);
}

enum reeve_rc survey_who_can(struct look *k, struct survey_who *w)
{
	struct asking q = { .k = k, .w = w };
	enum reeve_rc rc = exec_lookup(&k->x, w->to, &q.t);

	if (rc != RC_OK)
		return rc;
	arena_init(&q.a, NULL, 0, MEMORY);
	w->n_policies = 0;
	rc = survey_registered(k, &q.a, &q.registered);
	if (rc == RC_OK)
		rc = answer_who(&q);
	arena_reset(&q.a);
	return rc;
}

/* --- rules of resource types --- */

/* A local AE calls itself by its stem. */
static struct slice as_sent(const struct ident_home *home, struct slice who)
{
	const struct slice *above[] = { &home->abs, &home->sp_id };

	for (int i = 0; i < 2; i++) {
		struct slice rest = slice_skip(who, above[i]->n + 1);
		if (slice_starts(who, *above[i]) && who.n > above[i]->n && who.p[above[i]->n] == '/' && ident_stem(rest))
			return rest;
	}
	return who;
}

enum reeve_rc survey_type_permits(struct look *k, struct slice who, const struct res *target, unsigned op, bool *yes)
{
	struct req *r = calloc(1, sizeof(*r));
	enum reeve_rc rc;

	*yes = false;
	if (!r)
		return RC_NOMEM;
	req_init(r, NULL, k->core->cfg->limits.request_memory, 65536);
	r->op = OP_RETRIEVE;
	r->fr = as_sent(&k->core->home, who);
	r->to = S("-");
	r->rqi = S("survey");
	r->peer.open = true; /* whether From is believed at all is not the question */
	r->rvi = S("3");
	r->received = k->x.now;
	rc = check_originator(&k->x, r);
	if (rc == RC_OK)
		*yes = exec_permitted(&k->x, r, target, op, 0);
	req_free(r);
	free(r);
	return rc == RC_REFUSED ? RC_OK : rc; /* one who is not let in at all may nothing */
}
