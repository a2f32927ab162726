/* SPDX-License-Identifier: Apache-2.0 */
/* Application rules: reading and matching (TS-0001 table 9.6.29-2; authorization.md 8.2). */
#include "core/registration/app_rule.h"

#include "authz/ident.h"
#include "core/pattern.h"

static enum reeve_rc read_list(struct arena *a, const struct json *j, uint32_t at, struct config_list *out)
{
	*out = (struct config_list){ NULL, 0 };
	if (!at || json_kind(j, at) != J_ARRAY)
		return RC_OK;
	if (!(out->v = arena_array(a, j->tok[at].count + 1u, sizeof(*out->v))))
		return RC_NOMEM;
	for (uint32_t i = at + 1; i < j->tok[at].next; i = j->tok[i].next) {
		struct slice s = json_string(a, j, i);
		if (s.n)
			out->v[out->n++] = arena_dup(a, s);
	}
	return a->failed ? RC_NOMEM : RC_OK;
}

enum reeve_rc app_rule_read(struct arena *a, const struct json *j, uint32_t obj, struct app_rule *out)
{
	uint32_t creds = json_member(j, obj, S("apci"));

	out->unsecured = !creds;
	if (read_list(a, j, creds, &out->creds) != RC_OK || read_list(a, j, json_member(j, obj, S("aai")), &out->apps) != RC_OK ||
	    read_list(a, j, json_member(j, obj, S("aae")), &out->stems) != RC_OK)
		return RC_NOMEM;
	return read_list(a, j, json_member(j, obj, S("ari")), &out->roles);
}

static enum reeve_rc copy_list(struct arena *a, const struct config_list *from, struct config_list *out)
{
	*out = (struct config_list){ .v = arena_array(a, from->n + 1, sizeof(*out->v)) };
	for (size_t i = 0; out->v && i < from->n; i++)
		out->v[out->n++] = arena_dup(a, from->v[i]);
	return a->failed ? RC_NOMEM : RC_OK;
}

enum reeve_rc app_rule_copy(struct arena *a, const struct app_rule *rule, struct app_rule *out)
{
	out->unsecured = rule->unsecured;
	if (copy_list(a, &rule->creds, &out->creds) != RC_OK || copy_list(a, &rule->apps, &out->apps) != RC_OK ||
	    copy_list(a, &rule->stems, &out->stems) != RC_OK)
		return RC_NOMEM;
	return copy_list(a, &rule->roles, &out->roles);
}

bool app_rule_applies(const struct app_rule *rule, const struct applicant *who)
{
	bool known = who->association ? pattern_listed(&rule->creds, who->credential) : rule->unsecured;

	return known && pattern_listed(&rule->apps, who->app);
}

size_t stem_from(struct slice pattern, char kind, const char random[STEM_RANDOM], char *out, size_t cap)
{
	bool filled = false;
	size_t n = 0;

	if (!pattern.n || !cap || (pattern.p[0] != '*' && pattern.p[0] != kind))
		return 0;
	if (pattern.p[0] == '*')
		out[n++] = kind;
	for (size_t i = 0; i < pattern.n; i++) {
		bool star = pattern.p[i] == '*', fill = star && !filled;
		struct slice part = fill ? slice_of(random, STEM_RANDOM) : slice_of(pattern.p + i, star ? 0 : 1);

		if (part.n > cap - n)
			return 0;
		memcpy(out + n, part.p, part.n);
		n += part.n;
		filled |= fill;
	}
	return ident_stem(slice_of(out, n)) ? n : 0;
}
