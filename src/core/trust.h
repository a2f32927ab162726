/* SPDX-License-Identifier: Apache-2.0 */
/* The CSE's keys and the issuers it trusts, exchanged as a whole when the operator says so (SIGHUP). Any thread. */
#ifndef REEVE_CORE_TRUST_H
#define REEVE_CORE_TRUST_H

#include "authz/issuers.h"

struct core;
struct config;

/* Open what the options name: the sealed key file and the file of issuers; either may be absent. `why` says what to change. */
REEVE_MUST_CHECK enum reeve_rc trust_open(struct core *c, char why[ISSUERS_WHY_MAX]);
void trust_close(struct core *c);
/* Read both again. On an error everything stays as it was. Verified tokens are forgotten: their issuers may be none any more. */
REEVE_MUST_CHECK enum reeve_rc trust_reload(struct core *c, char why[ISSUERS_WHY_MAX]);

/* The issuers as they are now, to be given back with issuers_put; NULL when none is configured. */
struct issuers *trust_issuers(struct core *c);
/* The sealed keys; NULL when there are none. */
struct secenv *trust_keys(struct core *c);

#endif
