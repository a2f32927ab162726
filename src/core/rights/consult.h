/* SPDX-License-Identifier: Apache-2.0 */
/* Direct and indirect dynamic authorization at the Hosting CSE (TS-0003 7.3.2.2, 7.3.2.3; TS-0001 11.5; docs/dynamic-authorization.md).
 *
 * A request that everything at hand denied, and whose target is linked to an enabled <dynamicAuthorizationConsultation>, waits while the
 * Dynamic Authorization System named there is asked. What that grants becomes a dynamic policy (grants.h) or a token in the cache, and the
 * request starts again. Requests with the same question share one consultation, and a question that brought nothing is not asked again
 * for seconds. All of it lives on the hub. */
#ifndef REEVE_CORE_RIGHTS_CONSULT_H
#define REEVE_CORE_RIGHTS_CONSULT_H

#include "base/rc.h"

struct core;
struct exec;
struct req;
struct consult;

/* Before the loops run. */
REEVE_MUST_CHECK enum reeve_rc consult_new(struct core *c, struct consult **out);
/* On the hub: nothing is asked any more; who waits is not answered. */
void consult_stop(struct consult *k);
/* After the loops. NULL is fine. */
void consult_free(struct consult *k);

/* r is permitted in the end: what the DAS wanted to be told to its Originator, where the operator wants that. */
void consult_permitted(struct exec *x, struct req *r);

#endif
