/* SPDX-License-Identifier: Apache-2.0 */
/* Role IDs of a request (TS-0003 7.4): the first of the methods beyond local rules. */
#ifndef REEVE_CORE_RIGHTS_ROLES_H
#define REEVE_CORE_RIGHTS_ROLES_H

#include "core/rights/rights.h"

extern const struct rights_method rights_roles;

#endif
