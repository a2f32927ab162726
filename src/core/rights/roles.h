/* SPDX-License-Identifier: Apache-2.0 */
/* Role IDs of a request (TS-0003 7.4): the first of the methods beyond local rules. */
#ifndef REEVE_CORE_RIGHTS_ROLES_H
#define REEVE_CORE_RIGHTS_ROLES_H

#include "core/rights/rights.h"

extern const struct rights_method rights_roles;

/* May r's Originator use the role at all (AUTHZ-150)? By allowedRole-IDs of the service subscription, where there is one, and by
 * roles.allowed. NULL, or why not; ROLE_UNTOLD: the IN-CSE was not asked yet (profile_ask). */
const char *roles_refused(struct exec *x, struct req *r, struct slice id);
extern const char ROLE_UNTOLD[];

#endif
