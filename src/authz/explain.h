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

/* The same for many questions: checked and compiled once. */
struct explain_set;
REEVE_MUST_CHECK enum reeve_rc explain_compile(const struct policy_options *o, struct arena *a, const struct explain_policy *policies,
					       size_t n, struct buf *json_out, struct explain_set **out);
void explain_set_free(struct explain_set *s);
size_t explain_set_policies(const struct explain_set *s, const struct policy *const **out);
/* Judge by the policies with these names, or by all when n_names is 0. RC_NOTFOUND: there is no policy of a name. */
REEVE_MUST_CHECK enum reeve_rc explain_judge(const struct explain_set *s, struct arena *a, const struct slice *names, size_t n_names,
					     const struct facts *facts, struct buf *json_out, bool *permitted);

#endif
