/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by jose*.c. */
#ifndef REEVE_JOSE_JOSE_INT_H
#define REEVE_JOSE_JOSE_INT_H

#include "jose/jose.h"

/* Positions of the parts. */
enum { JOSE_HEADER, JWS_PAYLOAD = 1, JWS_SIGNATURE, JWE_KEY = 1, JWE_IV, JWE_CIPHERTEXT, JWE_TAG, JOSE_PARTS };

#define JOSE_KEY_MANAGEMENT (ALG_SET(ALG_DIR) | ALGS_AES_KW | ALG_SET(ALG_RSA_OAEP_256) | ALGS_ECDH)

/* *why for a code of the layer below; returns rc. */
enum reeve_rc jose_told(enum reeve_rc rc, const char **why);
/* The header without its closing brace. enc ALG_NONE: none. p may be NULL. */
void jose_header_write(struct buf *b, enum key_alg alg, enum key_alg enc, const struct key_ref *key, const struct jose_params *p);

#endif
