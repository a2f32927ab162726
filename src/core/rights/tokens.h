/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of a request (RIGHTS_TOKENS; AUTHZ-155 to 181, 201, 202): those it brings (tkns), names (tids, ltids), and those a DAS delivered
 * for its Originator. See tokens.c. */
#ifndef REEVE_CORE_RIGHTS_TOKENS_H
#define REEVE_CORE_RIGHTS_TOKENS_H

#include "core/rights/rights.h"
#include "core/rights/token_cache.h"

struct core;
struct tokens;

/* Before the loops run. */
REEVE_MUST_CHECK enum reeve_rc tokens_new(struct core *c);
/* After the loops. */
void tokens_free(struct core *c);

extern const struct rights_method rights_tokens;

struct token_cache *tokens_cache(struct core *c);

/* On the loop, before a change is handed to the writer: where the local rules say no, verify what the request brings, so that the
 * writer need not. Under x's snapshot. */
void tokens_prepare(struct exec *x, struct req *r);
/* The token of the <token> that r creates or updates, where this CSE could open it; NULL otherwise. */
const struct token *tokens_opened(const struct req *r);
/* r is answered: give back what it held. Any thread. */
void tokens_end(struct req *r);

/* A token that `das` delivered for a request of `who` (direct dynamic authorization): verify it, hold it against that (AUTHZ-193), and keep
 * it for its holder, as long as that has the registration it asked with (ae; rights_registration). mapped: the DAS holds a mapping record
 * for it. *id is its Token-ID; on a fault *why is a sentence and nothing is kept; both from a. Any thread. */
enum token_fault tokens_take(struct core *c, struct arena *a, struct slice who, uint64_t ae, const struct issuer *das, struct slice text,
			     bool mapped, struct slice *id, struct slice *why);

/* Verify a token text, or find it in the cache. *out is a reference. */
enum token_fault tokens_verify(struct core *c, struct arena *a, struct slice text, const struct token_new *how, usec now,
			       const struct token_entry **out, struct slice *why);

/* An AE's registration ended: what is kept for it goes. Writer. */
void tokens_forget(struct exec *x, struct slice holder);

#endif
