/* SPDX-License-Identifier: Apache-2.0 */
/* AE authorization relationship update (TS-0003 7.3.2.7; authorization.md 6; AUTHZ-204, 206 to 210): an AE whose AE-ID changed goes on
 * using a token by showing the signature that the issuer's DAS keeps for it.
 *
 *   1. the AE's request brings a token that is good but for its holder        relation_of: RELATION_ASK, the request waits
 *   2. the DAS is asked what it keeps for the token (m2m:seci 7)              consult_run.c
 *   3. it answers with the signature (8)                                      relations_learn
 *   4. the request is refused with 4103 and asri                              relation_of: RELATION_REFUSED
 *   5. the AE repeats it with the signature (aus): they are equal             relation_of: RELATION_PROVEN, the holder changes
 *
 * Signatures are secrets: compared in constant time, zeroed, never told. What is learned is kept for minutes, for a bounded number of
 * tokens. */
#ifndef REEVE_CORE_RIGHTS_RELATION_H
#define REEVE_CORE_RIGHTS_RELATION_H

#include "authz/token.h"
#include "core/exec.h"

struct relations;

struct relations *relations_new(void);        /* NULL when memory is out */
void relations_free(struct relations *s);     /* NULL is fine */

/* The Originator of r is not the holder of a token with these claims, which is otherwise good. PROVEN: it stands for the holder, whose
 * place it takes. ASK: not known yet; say no, and let r wait (relation_pending). REFUSED: it does not count. Any thread. */
enum relation { RELATION_REFUSED, RELATION_ASK, RELATION_PROVEN };
enum relation relation_of(struct exec *x, struct req *r, const struct token_claims *claims);
/* Is r about to wait because of that? Then a token of another holder is no reason to refuse it yet. */
bool relation_pending(const struct req *r);

/* What a DAS keeps for a token. Any thread. */
void relations_learn(struct relations *s, struct slice token_id, const struct slice *signs, size_t n, usec now);

/* m2m:seci 7 notified to <CSEBase> by an AE: its signatures for tokens that it holds go on to the DAS, with its AE-ID (AUTHZ-209). */
void relation_notified(struct core *c, struct req *r, const struct json *j, uint32_t seci);

#endif
