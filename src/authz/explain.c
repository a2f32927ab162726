/* SPDX-License-Identifier: Apache-2.0 */
/* Offline explanation: the same check, compilation, decision and story as in the CSE, one after the other. */
#include "authz/explain.h"

#include <stdlib.h>

#include "base/hash.h"
#include "codec/model.h"

static void error(struct buf *b, struct slice name, const char *part, struct slice why)
{
	struct buf t;

	buf_init(&t, 4096);
	buf_printf(&t, "%s: %.*s", part, SF(why));
	buf_lit(b, "{\"policy\":");
	buf_json(b, name);
	buf_lit(b, ",\"error\":");
	buf_json(b, buf_view(&t));
	buf_char(b, '}');
	buf_free(&t);
}

static enum reeve_rc check_part(const struct policy_options *o, struct arena *a, struct slice name, const char *part,
				struct slice text, struct buf *out)
{
	struct slice why = { NULL, 0 };
	struct json j;
	enum reeve_rc rc;

	if (text.n == 0)
		return RC_OK;
	rc = json_parse(a, text, &json_default_limits, &j, &why);
	if (!rc)
		rc = policy_check(o, &j, 0, a, &why);
	if (rc)
		error(out, name, part, why);
	return rc;
}

struct explain_set {
	const struct policy_options *o;
	size_t n;
	struct policy *policy[];
};

void explain_set_free(struct explain_set *s)
{
	for (size_t i = 0; s && i < s->n; i++)
		policy_free(s->policy[i]);
	free(s);
}

size_t explain_set_policies(const struct explain_set *s, const struct policy *const **out)
{
	*out = (const struct policy *const *)s->policy;
	return s->n;
}

enum reeve_rc explain_compile(const struct policy_options *o, struct arena *a, const struct explain_policy *policies, size_t n,
			      struct buf *json_out, struct explain_set **out)
{
	struct explain_set *s = calloc(1, sizeof(*s) + n * sizeof(s->policy[0]));
	enum reeve_rc rc = s ? RC_OK : RC_NOMEM;

	*out = NULL;
	if (!s)
		return rc;
	s->o = o;
	s->n = n;
	for (size_t i = 0; i < n && !rc; i++) {
		rc = check_part(o, a, policies[i].name, "pv", policies[i].pv, json_out);
		if (!rc)
			rc = check_part(o, a, policies[i].name, "pvs", policies[i].pvs, json_out);
		if (!rc)
			rc = policy_compile(o, policies[i].name, policies[i].pv, policies[i].pvs, NULL, NULL, &s->policy[i]);
	}
	if (rc)
		explain_set_free(s);
	else
		*out = s;
	return rc;
}

/* The policies that are named. */
static enum reeve_rc choose(const struct explain_set *s, const struct slice *names, size_t n_names, const struct policy **out, size_t *n)
{
	*n = 0;
	for (size_t i = 0; i < n_names; i++) {
		size_t before = *n;

		for (size_t k = 0; k < s->n && *n < s->n; k++)
			if (slice_eq(policy_name(s->policy[k]), names[i]))
				out[(*n)++] = s->policy[k];
		if (*n == before)
			return RC_NOTFOUND;
	}
	return RC_OK;
}

enum reeve_rc explain_judge(const struct explain_set *s, struct arena *a, const struct slice *names, size_t n_names,
			    const struct facts *facts, struct buf *json_out, bool *permitted)
{
	struct facts f = *facts;
	struct decision what = { .ground = "policy", .policies = (const struct policy *const *)s->policy, .n_policies = s->n, .facts = &f };
	const struct policy **chosen = n_names ? arena_array(a, s->n + 1, sizeof(*chosen)) : NULL;
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon;

	*permitted = false;
	if (n_names) {
		if (!chosen)
			return RC_NOMEM;
		if (choose(s, names, n_names, chosen, &what.n_policies))
			return RC_NOTFOUND;
		what.policies = chosen;
	}
	if (ident_parse(a, s->o->home, f.who, &kind, &form, &canon))
		return RC_NOMEM;
	if (kind != ID_NONE)
		f.who = canon;
	f.who_hash = hash_slice(f.who);
	what.part = f.target_ty == TYPE_ACP ? POLICY_PVS : POLICY_PV;
	*permitted = pdp_decide(what.policies, what.n_policies, what.part, &f, NULL, NULL, NULL);
	decision_write_json(json_out, &what, S("offline"), *permitted);
	return json_out->failed ? RC_LIMIT : RC_OK;
}

enum reeve_rc explain_offline(const struct policy_options *o, struct arena *a, const struct explain_policy *policies, size_t n,
			      const struct facts *facts, struct buf *json_out, bool *permitted)
{
	struct explain_set *s;
	enum reeve_rc rc = explain_compile(o, a, policies, n, json_out, &s);

	*permitted = false;
	if (rc)
		return rc;
	rc = explain_judge(s, a, NULL, 0, facts, json_out, permitted);
	explain_set_free(s);
	return rc;
}
