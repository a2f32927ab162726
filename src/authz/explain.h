/* SPDX-License-Identifier: Apache-2.0 */
/* Why is a request permitted or denied, from policy texts and described facts alone: no store, no CSE. */
#ifndef REEVE_AUTHZ_EXPLAIN_H
#define REEVE_AUTHZ_EXPLAIN_H

#include "authz/decisions.h"

/* One <accessControlPolicy>: JSON texts of pv and pvs, either may be empty. */
struct explain_policy {
	struct slice name, pv, pvs;
};

/* Decide and write the story as one JSON object (see decision_write_json). facts->who may be spelled in any form and
 * needs no hash. Privileges decide, or selfPrivileges when the target is itself an <accessControlPolicy>. Groups cannot
 * be looked up and match nobody. RC_SYNTAX, RC_INVALID, RC_UNSUPPORTED: *json_out is {"policy":NAME,"error":TEXT}; set
 * positions and countries in the options to allow aclr. */
REEVE_MUST_CHECK enum reeve_rc explain_offline(const struct policy_options *o, struct arena *a,
					       const struct explain_policy *policies, size_t n,
					       const struct facts *facts, struct buf *json_out, bool *permitted);

#endif
