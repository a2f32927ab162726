/* SPDX-License-Identifier: Apache-2.0 */
/* Authorization points of this CSE: <authorizationDecision>, <authorizationPolicy> and <authorizationInformation> resources that are
 * bound to the Policy Decision, Retrieval and Information Point here (TS-0003 7.5, TS-0004 7.4.43 to 45; authorization.md 7).
 *
 * An Update of a bound resource is a question, and its response the answer. Nothing of it is ever stored: the question lives in its
 * request, so questions cannot see each other (AUTHZ-222) and leave nothing behind (AUTHZ-217). It needs no writer, and is answered on
 * the loop it came in by, from a snapshot, as a Retrieve is; only what has to be asked of others waits, on the hub. */
#ifndef REEVE_CORE_POINTS_H
#define REEVE_CORE_POINTS_H

#include "core/exec.h"

/* Is r an Update that only asks, and can be answered under a snapshot? */
bool points_asks(struct exec *x, struct req *r);
/* The Update r of res, authorized and checked against the model. RC_NOTFOUND: res is not bound; it is data like any other. RC_AGAIN: r
 * has to wait (rights_wait). Otherwise the answer stands. */
REEVE_MUST_CHECK enum reeve_rc points_update(struct exec *x, struct req *r, const struct res *res);
/* Is the resource of this type with this name below <CSEBase> bound? */
bool points_bound(const struct core *c, int32_t ty, struct slice rn);

#endif
