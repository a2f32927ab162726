/* SPDX-License-Identifier: Apache-2.0 */
/* Findings about one policy: each rule by itself, then against its neighbours, then the policy as a whole. */
#include "authz/lint_int.h"

#include <stdarg.h>
#include <stdlib.h>

enum { NEIGHBOURS_MOST = 2000 }; /* more rules in one policy are not compared with each other */
enum { CHANGES = ACOP_CREATE | ACOP_UPDATE | ACOP_DELETE };

const char *lint_severity_name(enum lint_severity s)
{
	static const char *const names[] = { "note", "warning", "error" };
	return names[s];
}

/* What is known of one part of a policy while it is looked at. */
struct part {
	const struct lint *l;
	const struct policy *p;
	enum policy_part part;
	struct arena *a;
	bool provisioned;
	struct survey_rule *rule;
	bool *dead;             /* can never match anybody */
	size_t n;
};

static void finding(const struct part *t, enum lint_severity s, const char *code, int rule, struct slice why, struct slice remedy)
{
	const struct lint_finding f = {
		.severity = s,
		.code = code,
		.policy = policy_name(t->p),
		.part = t->part == POLICY_PV ? "pv" : "pvs",
		.rule = rule,
		.why = why,
		.remedy = t->provisioned ? S("this policy is made from the configuration (access.*) at each start: change that") : remedy,
	};

	t->l->tell(t->l->ctx, &f);
}

void lint_tell(const struct lint *l, enum lint_severity s, const char *code, struct slice policy, struct slice resource,
	       struct slice why, struct slice remedy)
{
	const struct lint_finding f = { .severity = s, .code = code, .policy = policy, .rule = -1, .resource = resource, .why = why,
					.remedy = remedy };
	l->tell(l->ctx, &f);
}

static struct slice ops_text(struct arena *a, unsigned ops)
{
	struct slice s = S("");

	for (unsigned bit = ACOP_CREATE; bit <= ACOP_DISCOVERY; bit <<= 1)
		if (ops & bit)
			s = arena_printf(a, "%.*s%s%s", SF(s), s.n ? ", " : "", acop_name(bit));
	return s;
}

/* --- who is there --- */

int lint_compare(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	size_t n = x->n < y->n ? x->n : y->n;
	int c = n ? memcmp(x->p, y->p, n) : 0;

	return c ? c : x->n < y->n ? -1 : x->n > y->n;
}

/* An id that this CSE assigned, or would: whether it is there is known here. One with S may be registered elsewhere. */
static bool known_here(const struct lint *l, struct slice id)
{
	const struct slice abs = l->reading.o->home->abs;

	return slice_starts(id, abs) && id.n > abs.n && id.p[abs.n] == '/';
}

static bool registered(const struct lint *l, struct slice id)
{
	return bsearch(&id, l->registered->v, l->registered->n, sizeof(id), lint_compare) != NULL;
}

/* Without a store, what is nothing else may be the address of a group. */
static bool maybe_group(const struct lint *l, const struct survey_entry *e)
{
	return e->form == SURVEY_NOBODY && !l->reading.group && slice_find(e->text, '*') < 0;
}

/* May the entry stand for somebody who is there? An id of another CSE may. */
static bool somebody(const struct part *t, const struct survey_entry *e)
{
	const struct lint *l = t->l;

	if (maybe_group(l, e))
		return true;
	if (e->form == SURVEY_NOBODY || (e->form == SURVEY_GROUP && e->n_ids == 0))
		return false;
	if (!l->registered || t->provisioned || (e->form != SURVEY_NAMED && e->form != SURVEY_GROUP))
		return true;
	for (size_t i = 0; i < e->n_ids; i++)
		if (!known_here(l, e->ids[i]) || registered(l, e->ids[i]))
			return true;
	return false;
}

/* A pattern for this CSE's own AEs that fits none of them. */
static bool fits_none(const struct lint *l, const struct survey_entry *e)
{
	if (!l->registered || e->form != SURVEY_PATTERN || !known_here(l, e->rule->glob[0].text))
		return false;
	for (size_t i = 0; i < l->registered->n; i++)
		if (survey_is(e, l->registered->v[i], NULL, 0))
			return false;
	return true;
}

static void look_at_entries(struct part *t, size_t i)
{
	const struct survey_rule *r = &t->rule[i];
	size_t alive = 0;

	for (size_t k = 0; k < r->n; k++) {
		const struct survey_entry *e = &r->entry[k];
		bool there = somebody(t, e);

		alive += there;
		if (maybe_group(t->l, e))
			finding(t, LINT_NOTE, "nobody", (int)i,
				arena_printf(t->a, "\"%.*s\" is nobody unless it is the address of a group, which a file cannot tell",
					     SF(e->text)),
				S("ask the store"));
		else if (e->form == SURVEY_NOBODY)
			finding(t, LINT_WARNING, "nobody", (int)i,
				arena_printf(t->a, "\"%.*s\" is no identifier, pattern, domain or role, and no group known here",
					     SF(e->text)),
				S("correct the spelling, or remove the entry"));
		else if (e->form == SURVEY_GROUP && e->n_ids == 0)
			finding(t, LINT_WARNING, "nobody", (int)i,
				arena_printf(t->a, "the group \"%.*s\" has no member that is an entity", SF(e->text)),
				S("add members, or remove the entry"));
		else if (!there)
			finding(t, LINT_WARNING, "ghost", (int)i, arena_printf(t->a, "\"%.*s\" is not registered here", SF(e->text)),
				S("remove the entry; whoever registers under that name gets these rights"));
		else if (fits_none(t->l, e))
			finding(t, LINT_NOTE, "ghost", (int)i,
				arena_printf(t->a, "\"%.*s\" fits nobody who is registered now", SF(e->text)),
				S("nothing, when they are still to come; else remove the entry"));
	}
	if (alive)
		return;
	t->dead[i] = true;
	finding(t, LINT_ERROR, "never", (int)i,
		r->n ? S("none of its Originators is anybody here") : S("acor is empty: it stands for nobody"),
		S("name who is meant, or remove the rule"));
}

/* --- conditions --- */

static void look_at_contexts(struct part *t, size_t i)
{
	const struct rule *r = t->rule[i].rule;
	bool any = r->n_contexts == 0;

	for (uint32_t k = 0; k < r->n_contexts; k++) {
		const char *why;
		enum window_life life = lint_context(t->l->reading.o, &r->context[k], t->l->now, &why);

		any |= life == WINDOW_OPEN;
		if (life != WINDOW_OPEN && r->n_contexts > 1)
			finding(t, LINT_WARNING, life == WINDOW_OVER ? "over" : "never", (int)i,
				arena_printf(t->a, "acco[%u] can never be met: %s", k, why), S("correct or remove this context"));
		for (uint32_t m = 0; life == WINDOW_OPEN && m < r->n_contexts; m++)
			if (m != k && lint_context_within(&r->context[k], &r->context[m]) &&
			    (m < k || !lint_context_within(&r->context[m], &r->context[k]))) {
				finding(t, LINT_WARNING, "no-effect", (int)i,
					arena_printf(t->a, "acco[%u] has no effect: acco[%u] is met whenever it is", k, m),
					S("contexts are alternatives: to ask for both, put them into one"));
				break;
			}
		if (life != WINDOW_OPEN && r->n_contexts == 1)
			finding(t, life == WINDOW_OVER ? LINT_WARNING : LINT_ERROR, life == WINDOW_OVER ? "over" : "never", (int)i,
				arena_printf(t->a, "its context can never be met: %s", why), S("correct the context, or remove the rule"));
	}
	t->dead[i] |= !any;
}

static void look_at_width(struct part *t, size_t i)
{
	const struct survey_rule *r = &t->rule[i];
	const bool self = t->part == POLICY_PVS;
	const unsigned changes = r->ops & CHANGES;

	for (size_t k = 0; k < r->n; k++) {
		const struct survey_entry *e = &r->entry[k];
		const char *whom = e->form == SURVEY_ALL ? "everybody" : e->form == SURVEY_DOMAIN ? "everybody of a whole domain" : NULL;

		if (e->form == SURVEY_PATTERN) { /* nothing but '*' behind the last '/', or a kind of stem and '*' */
			struct slice p = e->rule->glob[0].text, last = p;
			for (ptrdiff_t at; (at = slice_find(last, '/')) >= 0;)
				last = slice_skip(last, (size_t)at + 1);
			if (slice_eq(last, S("*")) || slice_eq(last, S("C*")) || slice_eq(last, S("S*")))
				whom = "every AE of a whole CSE or domain";
		}
		if (!whom)
			continue;
		if (changes)
			finding(t, self && e->form == SURVEY_ALL && !r->acaf && !r->rule->n_contexts ? LINT_ERROR :
				   r->rule->n_contexts ? LINT_NOTE : LINT_WARNING,
				"wide", (int)i,
				arena_printf(t->a, "\"%.*s\" lets %s %.*s%s%s", SF(e->text), whom, SF(ops_text(t->a, changes)),
					     self ? " the policy itself" : "", r->rule->n_contexts ? ", under its contexts" : ""),
				S("name who needs it, or a group of them"));
		if (!r->acaf && e->form != SURVEY_DOMAIN && (changes || e->form == SURVEY_ALL))
			finding(t, changes ? LINT_WARNING : LINT_NOTE, "no-acaf", (int)i,
				arena_printf(t->a, "\"%.*s\" without acaf: it holds also for Originators that nobody has authenticated",
					     SF(e->text)),
				S("set acaf to true, unless strangers are meant"));
	}
}

/* --- neighbours --- */

/* Entries of i whose whole meaning r has, too. */
static size_t covered_entries(const struct survey_rule *i, const struct survey_rule *r, struct arena *a, struct slice *names)
{
	size_t n = 0;

	*names = S("");
	for (size_t k = 0; k < i->n; k++)
		if (lint_entry_within(&i->entry[k], r)) {
			n++;
			if (names->n < 200)
				*names = arena_printf(a, "%.*s%s%.*s", SF(*names), n > 1 ? ", " : "", SF(i->entry[k].text));
		}
	return n;
}

/* True when i says nothing that r does not say. */
static bool within(const struct survey_rule *i, const struct survey_rule *r, struct arena *a)
{
	struct slice names;

	return !(i->ops & ~r->ops) && lint_conditions_within(i, r, i->ops) && covered_entries(i, r, a, &names) == i->n;
}

/* What rule k makes of rule i. True: i is settled. */
static bool compare_rules(struct part *t, size_t i, size_t k)
{
	const struct survey_rule *a = &t->rule[i], *b = &t->rule[k];
	unsigned both = a->ops & b->ops;
	bool more = lint_has_more_conditions(a, b);
	struct slice names;
	size_t n;

	if (!both)
		return false;
	if (within(a, b, t->a)) {
		if (i < k && within(b, a, t->a))
			return false; /* the same twice: told of the later */
		finding(t, LINT_WARNING, more ? "no-effect" : "covered", (int)i,
			more ? arena_printf(t->a, "its conditions have no effect: rule %zu permits the same without them", k)
			     : arena_printf(t->a, "contributes nothing: rule %zu permits all of it", k),
			more ? arena_printf(t->a, "remove it, or narrow rule %zu", k) : S("remove it"));
		return true;
	}
	if (!more || !lint_conditions_within(a, b, both) || !(n = covered_entries(a, b, t->a, &names)))
		return false;
	finding(t, LINT_WARNING, "no-effect", (int)i,
		arena_printf(t->a, "its conditions have no effect on %.*s for %.*s: rule %zu permits that without them",
			     SF(ops_text(t->a, both)), SF(names), k),
		arena_printf(t->a, "narrow rule %zu, if the conditions are meant", k));
	return false;
}

static void look_at_neighbours(struct part *t, size_t i)
{
	for (size_t k = 0; k < t->n && t->n <= NEIGHBOURS_MOST; k++)
		if (k != i && !t->dead[k] && compare_rules(t, i, k))
			return;
}

/* --- the policy --- */

static enum reeve_rc read_part(struct part *t)
{
	enum reeve_rc rc = RC_OK;

	t->n = policy_rules(t->p, t->part);
	t->rule = arena_array(t->a, t->n + 1, sizeof(*t->rule));
	t->dead = arena_array(t->a, t->n + 1, sizeof(*t->dead));
	if (!t->rule || !t->dead)
		return RC_NOMEM;
	for (size_t i = 0; i < t->n && rc == RC_OK; i++)
		rc = survey_rule(&t->l->reading, t->p, t->part, (unsigned)i, t->a, &t->rule[i]);
	return rc;
}

static void look_at_rules(struct part *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (!t->rule[i].ops) {
			t->dead[i] = true;
			finding(t, LINT_ERROR, "malformed", (int)i, S("the rule is malformed and matches nothing"),
				S("write the policy again: it was stored by another version"));
			continue;
		}
		look_at_entries(t, i);
		look_at_contexts(t, i);
		if (!t->dead[i])
			look_at_width(t, i);
	}
	if (t->n > NEIGHBOURS_MOST)
		finding(t, LINT_NOTE, "many", -1, arena_printf(t->a, "%zu rules: they were not compared with each other", t->n),
			S("split the policy, or name groups and roles instead of single Originators"));
	for (size_t i = 0; i < t->n; i++)
		if (!t->dead[i])
			look_at_neighbours(t, i);
}

static bool alive(const struct part *t, unsigned ops)
{
	for (size_t i = 0; i < t->n; i++)
		if (!t->dead[i] && t->rule[i].ops & ops)
			return true;
	return false;
}

static void look_at_whole(const struct part *t)
{
	if (t->part == POLICY_PV) {
		if (t->n == 0)
			finding(t, LINT_NOTE, "empty", -1, S("no rules: it permits nothing"), S("add rules, or remove the policy"));
		else if (!alive(t, ~0u))
			finding(t, LINT_ERROR, "locks-out", -1, S("none of its rules can ever match: it permits nobody anything"),
				S("see the findings about its rules"));
		return;
	}
	if (!alive(t, ACOP_UPDATE))
		finding(t, LINT_ERROR, "locked", -1,
			t->n ? S("no rule of selfPrivileges lets anybody who is there update the policy: it can never be changed")
			     : S("selfPrivileges have no rules: nobody can ever change the policy"),
			S("add a rule with update for whoever looks after it"));
}

static void silent(void *ctx, const struct lint_finding *f) { (void)ctx, (void)f; }

static enum reeve_rc look(struct part *t)
{
	enum reeve_rc rc = read_part(t);

	if (rc == RC_OK)
		look_at_rules(t);
	return t->a->failed ? RC_NOMEM : rc;
}

enum reeve_rc lint_alive(const struct lint *l, const struct policy *p, enum policy_part part, unsigned ops, struct arena *a, bool *out)
{
	struct lint quiet = *l;
	struct part t = { .l = &quiet, .p = p, .part = part, .a = a };
	enum reeve_rc rc;

	quiet.tell = silent;
	rc = look(&t);
	*out = rc == RC_OK && alive(&t, ops);
	return rc;
}

enum reeve_rc lint_policy(const struct lint *l, const struct policy *p, bool provisioned, struct arena *a)
{
	for (int i = POLICY_PV; i <= POLICY_PVS; i++) {
		struct part t = { .l = l, .p = p, .part = (enum policy_part)i, .a = a, .provisioned = provisioned };
		enum reeve_rc rc = look(&t);

		if (rc != RC_OK)
			return rc;
		look_at_whole(&t);
	}
	return RC_OK;
}
