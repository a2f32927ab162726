/* SPDX-License-Identifier: Apache-2.0 */
/* What a request claims about its rights, as parameters (TS-0001 8.1.2): Role IDs, Tokens, Token IDs, Local Token IDs, Authorization
 * Signatures, and the indicators of what its sender can do. Bindings fill them in as they came; here they are bounded, looked at for
 * their form, and written as members of a primitive. Nothing here believes a claim. */
#ifndef REEVE_CORE_RIGHTS_CLAIMS_H
#define REEVE_CORE_RIGHTS_CLAIMS_H

#include "core/core.h"

/* Number, size and form; 4000 is recorded. A token's form is not looked at: whether it matters at all is known later. */
REEVE_MUST_CHECK enum reeve_rc claims_check(struct core *c, struct req *r);
/* The claims of r as members of its primitive, each with a comma before it: ,"rids":["x@y.z"],"tqi":true */
void claims_write(struct buf *b, const struct req *r);
/* The same for what a response tells about rights: ati, tqf, asri. */
void claims_write_answer(struct buf *b, const struct req *r);

#endif
