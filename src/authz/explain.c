/* SPDX-License-Identifier: Apache-2.0 */
/* Offline explanation: the same check, compilation, decision and story as in the CSE, one after the other. */
#include "authz/explain.h"

#include "base/hash.h"

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

enum reeve_rc explain_offline(const struct policy_options *o, struct arena *a, const struct explain_policy *policies, size_t n,
			      const struct facts *facts, struct buf *json_out, bool *permitted)
{
	struct policy **compiled = arena_array(a, n, sizeof(struct policy *));
	struct facts f = *facts;
	struct decision what = { .ground = "policy", .n_policies = n, .facts = &f };
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon;
	enum reeve_rc rc;

	*permitted = false;
	if (!compiled || (rc = ident_parse(a, o->home, f.who, &kind, &form, &canon)))
		return RC_NOMEM;
	if (kind != ID_NONE)
		f.who = canon;
	f.who_hash = hash_slice(f.who);
	what.part = f.target_ty == 1 ? POLICY_PVS : POLICY_PV;
	for (size_t i = 0; i < n && !rc; i++) {
		rc = check_part(o, a, policies[i].name, "pv", policies[i].pv, json_out);
		if (!rc)
			rc = check_part(o, a, policies[i].name, "pvs", policies[i].pvs, json_out);
		if (!rc)
			rc = policy_compile(o, policies[i].name, policies[i].pv, policies[i].pvs, NULL, NULL, &compiled[i]);
	}
	if (!rc) {
		what.policies = (const struct policy *const *)compiled;
		*permitted = pdp_decide(what.policies, n, what.part, &f, NULL, NULL, NULL);
		decision_write_json(json_out, &what, S("offline"), *permitted);
		rc = json_out->failed ? RC_LIMIT : RC_OK;
	}
	for (size_t i = 0; i < n; i++)
		policy_free(compiled[i]);
	return rc;
}
