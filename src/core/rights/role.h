/* SPDX-License-Identifier: Apache-2.0 */
/* What a <role> says (TS-0001 9.6.38), wherever it came from. */
#ifndef REEVE_CORE_RIGHTS_ROLE_H
#define REEVE_CORE_RIGHTS_ROLE_H

#include "authz/issuers.h"
#include "codec/json.h"
#include "resource/record.h"

struct role {
	struct slice id;         /* roleID */
	struct slice issuer, holder; /* canonical */
	usec from, until;
};

/* From the object of an m2m:rol at `obj`; what *out holds lies in j's text or in a. RC_INVALID: it is none. */
REEVE_MUST_CHECK enum reeve_rc role_read(const struct ident_home *home, struct arena *a, const struct json *j, uint32_t obj,
					 struct role *out);
/* The same for a resource here. */
REEVE_MUST_CHECK enum reeve_rc role_of(const struct ident_home *home, struct arena *a, const struct res *res, struct role *out);

/* Why the role does not count at `now` for `holder`; NULL: it does. */
const char *role_fault(const struct role *role, const struct issuers *is, struct slice holder, usec now);
/* The issuer that roles of this Role-ID may come from and that has repositories of them elsewhere; NULL: none. */
const struct issuer *role_authority(const struct issuers *is, struct slice id);

#endif
