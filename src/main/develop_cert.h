/* SPDX-License-Identifier: Apache-2.0 */
/* The two certificates of development: a CA, and what it says of the CSE. Only for develop.c. */
#ifndef REEVE_MAIN_DEVELOP_CERT_H
#define REEVE_MAIN_DEVELOP_CERT_H

#include "base/buf.h"
#include "secenv/secenv.h"

struct develop_names {
	struct slice sp;     /* the CA certifies names here and below, */
	struct slice domain; /* and this one: the CSE's */
};
/* PEM. ca_key is a secret: wiped by who frees it; that of `cse` stays behind its handle. RC_NOMEM: the library failed. */
struct develop_pem { struct buf ca, ca_key, cse; };
REEVE_MUST_CHECK enum reeve_rc develop_certify(const struct develop_names *n, const struct key_ref *cse, struct develop_pem *out);
void develop_pem_free(struct develop_pem *p);

#endif
