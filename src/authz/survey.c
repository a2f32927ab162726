/* SPDX-License-Identifier: Apache-2.0 */
/* Rules taken apart. */
#include "authz/survey.h"

#include "authz/policy_int.h"
#include "base/hash.h"

static const struct json_limits limits = { .depth = 64, .tokens = 4 << 20 };

const char *survey_form_name(enum survey_form f)
{
	static const char *const names[] = { "nobody", "named", "group", "pattern", "domain", "role", "all" };
	return names[f];
}

/* --- entries --- */

/* The look-up of groups, noting whether there was one. */
struct noting { const struct survey_reading *how; bool found; };

static enum reeve_rc note_group(void *ctx, struct slice id, struct arena *a, struct slice **ids, size_t *n)
{
	struct noting *g = ctx;
	enum reeve_rc rc = g->how->group ? g->how->group(g->how->ctx, id, a, ids, n) : RC_NOTFOUND;

	g->found |= rc == RC_OK;
	return rc;
}

static enum survey_form form_of(const struct rule *r, bool group)
{
	if (r->all)
		return SURVEY_ALL;
	if (group)
		return SURVEY_GROUP;
	if (r->exact.n)
		return SURVEY_NAMED;
	if (r->n_domains)
		return SURVEY_DOMAIN;
	if (r->n_roles)
		return SURVEY_ROLE;
	return r->n_globs ? SURVEY_PATTERN : SURVEY_NOBODY;
}

/* The reader of policies reads a rule with this entry alone. */
static enum reeve_rc read_entry(const struct survey_reading *how, const struct json *j, uint32_t i, struct arena *a,
				struct survey_entry *out)
{
	struct noting note = { .how = how };
	struct policy_reading reading = { .o = how->o, .group = note_group, .ctx = &note };
	struct slice text = arena_printf(a, "{\"acr\":[{\"acor\":[%.*s],\"acop\":63}]}", SF(json_raw(j, i))), why;
	struct json *one = arena_alloc(a, sizeof(*one));
	struct rules rules;
	enum reeve_rc rc;

	out->text = json_string(a, j, i);
	if (!text.p || !one || !out->text.p)
		return RC_NOMEM;
	if ((rc = json_parse(a, text, &limits, one, &why)) || (rc = policy_read(&reading, one, 0, a, &rules, &why)))
		return rc;
	out->rule = &rules.rule[0];
	out->form = form_of(out->rule, note.found);
	out->ids = out->rule->exact.id;
	out->n_ids = out->rule->exact.n;
	return RC_OK;
}

static enum reeve_rc read_entries(const struct survey_reading *how, const struct json *j, uint32_t acor, struct arena *a,
				  struct survey_rule *out)
{
	enum reeve_rc rc;

	out->entry = arena_array(a, j->tok[acor].count + 1u, sizeof(*out->entry));
	if (!out->entry)
		return RC_NOMEM;
	for (uint32_t i = acor + 1; i < j->tok[acor].next; i = j->tok[i].next)
		if ((rc = read_entry(how, j, i, a, &out->entry[out->n++])) != RC_OK)
			return rc;
	return RC_OK;
}

enum reeve_rc survey_rule(const struct survey_reading *how, const struct policy *p, enum policy_part part, unsigned index,
			  struct arena *a, struct survey_rule *out)
{
	const struct rule *rule = &p->part[part].rule[index];
	struct json j;
	struct slice why;
	uint32_t acco, acod;
	enum reeve_rc rc;

	*out = (struct survey_rule){ .policy = p, .part = part, .index = index, .ops = rule->ops, .acaf = rule->acaf, .rule = rule };
	if (rule->unreadable)
		return RC_OK;
	if ((rc = json_parse(a, rule->text, &limits, &j, &why)) != RC_OK)
		return rc;
	acco = json_member(&j, 0, S("acco"));
	acod = json_member(&j, 0, S("acod"));
	if (acco)
		out->acco = json_raw(&j, acco);
	if (acod)
		out->acod = json_raw(&j, acod);
	return read_entries(how, &j, json_member(&j, 0, S("acor")), a, out);
}

/* --- matching --- */

bool survey_is(const struct survey_entry *e, struct slice who, const struct slice *roles, size_t n_roles)
{
	struct facts f = { .who = who, .who_hash = hash_slice(who), .authenticated = true, .op = ACOP_RETRIEVE, .target_mgd = -1,
			   .roles = roles, .n_roles = n_roles };
	struct derived d = { 0 };

	return pdp_rule(e->rule, &f, &d) == PDP_MATCH;
}

bool survey_permits_object(const struct survey_rule *r, const struct facts *f)
{
	struct rule bare = *r->rule;
	struct derived d = { 0 };

	bare.n_contexts = 0;
	bare.acaf = false;
	bare.all = true;
	return pdp_rule(&bare, f, &d) == PDP_MATCH;
}

bool survey_unconditional(const struct survey_rule *r, unsigned op)
{
	return !r->acaf && !r->rule->n_contexts && (op != ACOP_CREATE || !r->rule->n_details);
}

/* --- conditions --- */

void survey_conditions_json(struct buf *b, const struct survey_rule *r)
{
	buf_printf(b, "\"acaf\":%s", r->acaf ? "true" : "false");
	if (r->acco.p)
		buf_printf(b, ",\"acco\":%.*s", SF(r->acco));
	if (r->acod.p)
		buf_printf(b, ",\"acod\":%.*s", SF(r->acod));
}

void survey_conditions_text(struct buf *b, const struct survey_rule *r)
{
	const char *before = " if ";

	if (r->acaf) {
		buf_printf(b, "%sauthenticated", before);
		before = " and ";
	}
	if (r->acco.p) {
		buf_printf(b, "%sin a context of %.*s", before, SF(r->acco));
		before = " and ";
	}
	if (r->acod.p)
		buf_printf(b, "%s(create) for %.*s", before, SF(r->acod));
}
