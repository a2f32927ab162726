/* SPDX-License-Identifier: Apache-2.0 */
/* The DAS from within: das.c (start, who may ask), ask.c (reading a request), issue.c (granting), map.c (authorization relationships).
 * All of it runs on the hub. */
#ifndef REEVE_DAS_DAS_INT_H
#define REEVE_DAS_DAS_INT_H

#include "authz/token.h"
#include "das/das.h"

struct das_server {
	struct core *core;
	struct das_policy *policy;
	struct key_ref *sign, *decrypt; /* decrypt: NULL when there is none */
	struct key_ref **encrypt;       /* of policy->cses; NULL: none */
};

/* dynAuthDasRequest, read and checked (TS-0004 6.3.5.46). From the arena of the request that brought it. */
struct das_ask {
	struct das_server *das;
	struct req *r;
	const struct das_cse *cse;   /* that hosts the resource: it asks, or the token is for it */
	bool direct;
	struct facts facts;          /* who: the Originator of the pending request */
	enum op op;
	struct slice trid;           /* as sent */
	struct slice resource;       /* canonical */
	const struct slice *tids; size_t n_tids;
	const struct slice *rfa; size_t n_rfa; bool has_rfa;
	usec most;                   /* proposed lifetime; 0: none */
	bool asi;
};

/* Read dreq at i. RC_REFUSED: 4000, recorded in r. */
REEVE_MUST_CHECK enum reeve_rc das_ask_read(struct das_ask *a, const struct json *j, uint32_t i);
/* id in absolute form, as an address of a resource; p == NULL when it is none. */
struct slice das_address(struct arena *a, const struct ident_home *home, struct slice cse, struct slice id);

/* Resource name of the <token> of a Token-ID of this DAS; p == NULL: it is none. */
struct slice das_token_name(struct arena *a, struct slice tid);
/* Decide, make what is granted, keep it, answer. Ends with core_resume. */
void das_grant(struct das_ask *a);
/* Answer with the tokens whose Token-IDs are in a->tids and that are for a->cse. Ends with core_resume. */
void das_fetch(struct das_ask *a);

/* Have the CSE of a token enter another holder (rehold.c). False: refused, recorded in r; else ends with core_resume. */
bool das_rehold(struct das_server *d, struct req *r, const struct das_cse *cse, struct slice tid, struct slice holder);

/* m2m:seci of type 7 (TS-0003 7.3.2.7). Ends with core_resume. */
void das_map(struct core *c, struct req *r, const struct json *j, uint32_t seci);

#endif
