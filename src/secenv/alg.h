/* SPDX-License-Identifier: Apache-2.0 */
/* Algorithms by the names of RFC 7518, a few of our own for what JOSE does not do, and sets of them.
 *
 * A key is made for exactly one algorithm and is good for nothing else, so there is no way to use a public key as a MAC
 * key or one key for signing and deciphering (TS-0003 annex L.4.5.1). A key of a content encryption algorithm (A128GCM)
 * is what JOSE calls `dir`. */
#ifndef REEVE_SECENV_ALG_H
#define REEVE_SECENV_ALG_H

#include "base/slice.h"

enum key_alg {
	ALG_NONE,  /* no algorithm, or one this program does not know; never permitted */
	/* signatures and message authentication codes: JWS "alg" */
	ALG_HS256, ALG_HS384, ALG_HS512,
	ALG_RS256, ALG_RS384, ALG_RS512,
	ALG_ES256, ALG_ES384, ALG_ES512,
	/* key management: JWE "alg" */
	ALG_A128KW, ALG_A192KW, ALG_A256KW,
	ALG_RSA_OAEP_256,
	ALG_ECDH_ES, ALG_ECDH_ES_A128KW, ALG_ECDH_ES_A192KW, ALG_ECDH_ES_A256KW,
	/* content encryption: JWE "enc" */
	ALG_A128GCM, ALG_A192GCM, ALG_A256GCM,
	ALG_A128CBC_HS256, ALG_A192CBC_HS384, ALG_A256CBC_HS512,
	/* JWE "alg" only: no key is made for it */
	ALG_DIR,
	/* security associations: names of our own, not of JOSE */
	ALG_TLS_PSK, ALG_TLS_ES256,
	/* HMAC-SHA-256 whose result is a key (TS-0003 10.3) */
	ALG_DERIVE,
	ALG_COUNT
};

/* ALG_SET(ALG_HS256) | ALG_SET(ALG_ES256) */
typedef uint32_t alg_set;
#define ALG_SET(alg) ((alg_set)1 << (alg))
static inline bool alg_in(enum key_alg alg, alg_set set) { return alg != ALG_NONE && (set & ALG_SET(alg)); }

#define ALGS_HMAC (ALG_SET(ALG_HS256) | ALG_SET(ALG_HS384) | ALG_SET(ALG_HS512))
#define ALGS_RSA_SIGN (ALG_SET(ALG_RS256) | ALG_SET(ALG_RS384) | ALG_SET(ALG_RS512))
#define ALGS_ECDSA (ALG_SET(ALG_ES256) | ALG_SET(ALG_ES384) | ALG_SET(ALG_ES512))
#define ALGS_SIGN (ALGS_HMAC | ALGS_RSA_SIGN | ALGS_ECDSA)
#define ALGS_AES_KW (ALG_SET(ALG_A128KW) | ALG_SET(ALG_A192KW) | ALG_SET(ALG_A256KW))
#define ALGS_ECDH_KW (ALG_SET(ALG_ECDH_ES_A128KW) | ALG_SET(ALG_ECDH_ES_A192KW) | ALG_SET(ALG_ECDH_ES_A256KW))
#define ALGS_ECDH (ALGS_ECDH_KW | ALG_SET(ALG_ECDH_ES))
#define ALGS_GCM (ALG_SET(ALG_A128GCM) | ALG_SET(ALG_A192GCM) | ALG_SET(ALG_A256GCM))
#define ALGS_CBC (ALG_SET(ALG_A128CBC_HS256) | ALG_SET(ALG_A192CBC_HS384) | ALG_SET(ALG_A256CBC_HS512))
#define ALGS_CONTENT (ALGS_GCM | ALGS_CBC)

/* What TS-0003 8.5.3 permits in tokens and ESData; neither plain ECDH-ES nor AES-CBC. */
#define ALGS_ONEM2M_JWS ALGS_SIGN
#define ALGS_ONEM2M_JWE (ALG_SET(ALG_DIR) | ALGS_AES_KW | ALG_SET(ALG_RSA_OAEP_256) | ALGS_ECDH_KW | ALGS_GCM)

/* "HS256"; "" for ALG_NONE. */
struct slice alg_name(enum key_alg alg);
/* ALG_NONE when there is none of this name; names are case-sensitive. */
enum key_alg alg_find(struct slice name);

#endif
