/* SPDX-License-Identifier: Apache-2.0 */
/* What this folder needs of OpenSSL, looked up once: a look-up by name costs more than a MAC. */
#ifndef REEVE_SECENV_OSSL_INT_H
#define REEVE_SECENV_OSSL_INT_H

#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "secenv/alg.h"

struct ossl {
	EVP_MAC *hmac;
	EVP_KDF *concat;
	EVP_MD *sha256;
	EVP_CIPHER *cipher[ALG_COUNT]; /* of the algorithms that have one */
};

/* Prepares the library on first use; a library without these is no library we can run with. */
const struct ossl *ossl(void);

#endif
