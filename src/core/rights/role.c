/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a <role>, and the tests it has to pass (TS-0003 7.4.3; AUTHZ-146 to 148). */
#include "core/rights/role.h"

#include "codec/text.h"
#include "core/draft.h"

static bool entity(const struct ident_home *home, struct arena *a, struct slice s, struct slice *canon)
{
	enum ident_kind kind;
	enum ident_form form;

	return s.p && ident_parse(a, home, s, &kind, &form, canon) == RC_OK && kind != ID_NONE && kind != ID_SP;
}

enum reeve_rc role_read(const struct ident_home *home, struct arena *a, const struct json *j, uint32_t obj, struct role *out)
{
	out->id = json_string(a, j, json_member(j, obj, S("rlid")));
	if (!out->id.p || !entity(home, a, json_string(a, j, json_member(j, obj, S("tkis"))), &out->issuer) ||
	    !entity(home, a, json_string(a, j, json_member(j, obj, S("tkhd"))), &out->holder) ||
	    !text_timestamp(json_string(a, j, json_member(j, obj, S("tknb"))), &out->from) ||
	    !text_timestamp(json_string(a, j, json_member(j, obj, S("tkna"))), &out->until))
		return a->failed ? RC_NOMEM : RC_INVALID;
	return RC_OK;
}

enum reeve_rc role_of(const struct ident_home *home, struct arena *a, const struct res *res, struct role *out)
{
	struct json j;
	enum reeve_rc rc = res_json(a, res, &j);

	return rc == RC_OK ? role_read(home, a, &j, 0, out) : rc;
}

const char *role_fault(const struct role *role, const struct issuers *is, struct slice holder, usec now)
{
	const struct issuer *issuer = issuers_by_id(is, role->issuer);

	if (!slice_eq(role->holder, holder))
		return "its holder is somebody else";
	if (!issuer || !issuer->roles)
		return "its issuer is not an Authorization Authority of this CSE (authz.issuers)";
	if (!issuer_may_name(issuer, role->id))
		return "its issuer may not give roles of this domain (authz.issuers)";
	if (now < role->from)
		return "its notBefore is to come";
	if (now > role->until)
		return "its notAfter has passed";
	return NULL;
}

const struct issuer *role_authority(const struct issuers *is, struct slice id)
{
	for (size_t i = 0; i < issuers_count(is); i++) {
		const struct issuer *one = issuers_at(is, i);
		if (one->roles && one->n_repositories && issuer_may_name(one, id))
			return one;
	}
	return NULL;
}
