/* SPDX-License-Identifier: Apache-2.0 */
/* oneM2M JWT without its claims (TS-0003 7.3.2.6.2, 8.5.3): the three classes of protection and their header rules.
 *
 *   signed     JWS                    typ JWT, no cty
 *   encrypted  JWE                    typ JWT, no cty
 *   nested     JWE around a JWS       JWE: typ JWT, cty JWT; JWS: typ JWT, no cty, RSA or ECDSA (8.5.3.4)
 *
 * What the claims say, and whether issuer and class fit together, is for src/authz. */
#ifndef REEVE_JOSE_JWT_H
#define REEVE_JOSE_JWT_H

#include "jose/jose.h"

enum jwt_class { JWT_SIGNED, JWT_ENCRYPTED, JWT_NESTED };

/* The key for a layer and what may be done with it. Called once for a JWS or JWE, twice for a nested token: first for the outer JWE
 * (inner == false), then for the JWS inside (inner == true). The header is not yet verified. Returns RC_OK with a handle that jwt_open
 * gives back, RC_NOTFOUND when there is no key, or another code that jwt_open passes on; may set *why. */
typedef enum reeve_rc (*jwt_key_fn)(void *ctx, const struct jose *t, bool inner, struct key_ref **key, alg_set *permitted,
				    const char **why);

struct jwt {
	enum jwt_class class;
	struct jose outer; /* signed, encrypted, nested */
	struct jose inner; /* nested only: the JWS */
	struct slice claims; /* JSON text, from the arena; not parsed yet */
};

/* Which class a token will turn out to be, by its outer header: JWS, JWE without cty, JWE with cty JWT. RC_SYNTAX when the
 * header breaks a rule of the table above. */
REEVE_MUST_CHECK enum reeve_rc jwt_class_of(const struct jose *t, enum jwt_class *class, const char **why);

/* Take a token apart, verifying and decrypting every layer. */
REEVE_MUST_CHECK enum reeve_rc jwt_open(struct arena *a, struct slice token, const struct jose_limits *limits, jwt_key_fn key, void *ctx,
					struct jwt *out, const char **why);

/* Append a token with these claims to out. Signed: sign_with. Encrypted: encrypt_to. Nested: both; sign_with must not be HMAC then. */
REEVE_MUST_CHECK enum reeve_rc jwt_make(struct key_ref *sign_with, struct key_ref *encrypt_to, enum key_alg enc, struct slice claims,
					struct buf *out, const char **why);

#endif
