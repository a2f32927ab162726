/* SPDX-License-Identifier: Apache-2.0 */
/* Roles and tokens that a Policy Information Point gave (TS-0003 7.5.4), made use of in a decision. */
#ifndef REEVE_CORE_RIGHTS_INFORMATION_H
#define REEVE_CORE_RIGHTS_INFORMATION_H

#include "core/points/enquiry.h"

/* The question about the claims of r, or false: it claims nothing that a PIP could know. */
REEVE_MUST_CHECK bool information_ask(struct req *r, const struct slice *at, size_t n, struct enquiry *q);
/* Do the rules of q permit r with what the answer t says? Of roles those count that were claimed and pass the tests of a <role> here; of
 * tokens those that were asked for and could have come with the request. The facts of r are about q. */
struct information { bool permits; size_t tokens; /* that it had */ bool bad_token; };
struct information information_judge(struct exec *x, struct req *r, const struct rights_question *q, const struct enquiry_told *t);
/* Is there a token among the claims of r, which the rules do not permit, that does not count? */
bool information_bad_token(struct exec *x, struct req *r, const struct rights_question *q);

#endif
