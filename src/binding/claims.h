/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens, signatures and what answers say about rights, as HTTP headers and CoAP options carry them. Pure. */
#ifndef REEVE_BINDING_CLAIMS_H
#define REEVE_BINDING_CLAIMS_H

#include "binding/query.h"

/* Values joined by '+' into r; `name` is who carries them, for the debug text. A value of Authorization that is no Tokens parameter is
 * ignored, one of claim_tokens is always one. */
void claim_authorization(struct req *r, struct slice name, struct slice v);
void claim_tokens(struct req *r, struct slice name, struct slice v);
void claim_signatures(struct req *r, struct slice name, struct slice v);
/* And back. */
void claim_join(struct buf *b, const struct slice *v, size_t n);

/* Assigned Token Identifiers ({"ltia":[...]}) as text "lti:tkid+lti:tkid", and back from it (empty: none). */
void claim_ati(struct buf *b, struct slice ati);
struct slice claim_ati_read(struct arena *a, struct slice value);
/* Token Request Information ({"dasi":[...]}) in the body of a refusal; a part of it; empty: none. */
struct slice claim_tqf_read(struct slice body);

#endif
