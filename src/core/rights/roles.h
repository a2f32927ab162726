/* SPDX-License-Identifier: Apache-2.0 */
/* Role IDs of a request (TS-0003 7.4): the first of the methods beyond local rules. */
#ifndef REEVE_CORE_RIGHTS_ROLES_H
#define REEVE_CORE_RIGHTS_ROLES_H

#include "core/rights/rights.h"

extern const struct rights_method rights_roles;

/* May this Originator (canonical) use the role at all (roles.allowed; AUTHZ-150)? */
bool roles_allowed(const struct core *c, struct slice who, struct slice id);

#endif
