/* SPDX-License-Identifier: Apache-2.0 */
/* Dynamic policies: what a Dynamic Authorization System granted for a resource for a while (AUTHZ-191, 192; Q-13).
 *
 * Each is a real <accessControlPolicy>, created by the CSE for itself under the nearest ancestor of the target that may have one, and a
 * link from the target to it that only this module knows: the target's accessControlPolicyIDs stay as they are, and so does the
 * default right of its creator. The link is an entry of ST_GRANT, so it survives a restart; it goes with the policy (which ends at its
 * et), and the policy goes with the target, and with the registration of the AE it was granted to. It is looked for only after
 * the local rules said no.
 *
 *   ST_GRANT  'T' target, policy         -> key of the policy       found by a decision
 *             'P' policy                 -> target, hash of who     found when the policy goes
 *             'O' hash of who, policy    -> key of the policy       counted, and found when the AE goes */
#ifndef REEVE_CORE_RIGHTS_GRANTS_H
#define REEVE_CORE_RIGHTS_GRANTS_H

#include "core/exec.h"

struct grant {
	struct res_key target;
	struct slice who;        /* the Originator whose request it was asked for, canonical */
	uint64_t ae;             /* rights_registration of who when he asked: a grant is not for who registers under this name later */
	struct slice privileges; /* m2m:setOfAcrs, checked (policy_check) */
	usec until;
	struct slice das;        /* the address it was granted from */
};

/* Writer: the policy and its link. *ri from a. RC_NOTFOUND: the target or the registration is gone. RC_LIMIT: dynamic.grants or
 * grants_each. RC_INVALID: the policy was refused. RC_FULL, RC_IO, RC_UNDO: the transaction is lost. */
REEVE_MUST_CHECK enum reeve_rc grant_make(struct exec *x, const struct grant *g, struct arena *a, struct slice *ri);

/* Writer: r is about to go, and so does what hangs on it. */
REEVE_MUST_CHECK enum reeve_rc grants_removing(struct exec *x, const struct res *r);

/* What is wrong with an entry of ST_GRANT; NULL when nothing is (`reeve check store`). */
const char *grant_fault(struct st_tx *tx, struct slice key, struct slice value);

#endif
