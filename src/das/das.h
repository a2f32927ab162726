/* SPDX-License-Identifier: Apache-2.0 */
/* Dynamic Authorization System (TS-0003 7.3, TS-0001 11.5): a DAS Server that speaks only the standard.
 *
 * It lives in a CSE of its own (`reeve das`), so that it has that CSE's bindings, store, access control and audit log. Requests come
 * as Notify with m2m:seci to its <CSEBase>; the tokens it issues are <token> resources there, where an operator lists and revokes them and
 * a Hosting CSE or holder retrieves them. */
#ifndef REEVE_DAS_DAS_H
#define REEVE_DAS_DAS_H

#include "core/core.h"
#include "das/policy.h"

struct das_server;

/* Make c a DAS by the policy file at `path`, with keys of c (core/trust.h). Before the first request. RC_INVALID, RC_NOTFOUND,
 * RC_IO, RC_NOMEM: `why` says what to change. */
REEVE_MUST_CHECK enum reeve_rc das_start(struct core *c, const char *path, struct das_server **out, char why[DAS_WHY_MAX]);
/* After core_stop. NULL is fine. */
void das_free(struct das_server *d);

#endif
