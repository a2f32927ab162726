/* SPDX-License-Identifier: Apache-2.0 */
/* JWS and JWE in compact serialization (RFC 7515, 7516, 7518) over key handles.
 *
 * Reading takes two steps. jose_parse looks at the text: parts, strict base64url, the header; nothing is trusted yet, but the caller
 * sees `kid`, `alg` and `enc` and chooses key and permitted algorithms by its own knowledge. jose_verify or jose_decrypt then works
 * only if the header's algorithm is in the caller's set and is the one the key is made for: the header alone never chooses.
 *
 * Refused always: "none", `crit` (we understand no extension that it could name), `zip`, members given twice, an empty signature
 * or ciphertext (m2m:e2eCompactJWS, m2m:e2eCompactJWE). Members that would bring a key along (jwk, jku, x5c, ...) are not looked at.
 *
 * Codes: RC_SYNTAX it is no such token; RC_LIMIT it is too long; RC_DENIED the algorithm is not permitted or the key is not for
 * it; RC_FORGED signature, tag or wrapped key is not right; RC_NOMEM the arena is full. *why is a fixed English text, never one with
 * parts of the token. Pure functions but for the cryptography behind the handle. */
#ifndef REEVE_JOSE_JOSE_H
#define REEVE_JOSE_JOSE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/rc.h"
#include "codec/json.h"
#include "secenv/secenv.h"

struct jose_limits {
	size_t token;  /* bytes of the whole */
	size_t header; /* bytes of the decoded header */
};
extern const struct jose_limits jose_default_limits; /* 64 KiB, 4 KiB */

struct jose_header {
	enum key_alg alg; /* ALG_NONE: none, or unknown */
	enum key_alg enc; /* the same; always ALG_NONE in a JWS */
	struct slice kid, typ, cty; /* p == NULL when absent */
	struct json json; /* all members, for those who define more (ESPrim's) */
};

struct jose {
	bool encrypted;       /* JWE; else JWS */
	struct jose_header h;
	/* What follows is for jose*.c: nobody else looks at what is not verified. */
	struct slice input;       /* text that is signed (header and payload) or authenticated (header) */
	struct slice raw[5];      /* the parts, decoded */
};

/* Read a token's outside. *out borrows from `token` and `a`. */
REEVE_MUST_CHECK enum reeve_rc jose_parse(struct arena *a, struct slice token, const struct jose_limits *limits, struct jose *out,
					  const char **why);

/* Verify a JWS; *payload is set only when the signature is right, and lives as long as *t. `permitted` holds JWS algorithms. */
REEVE_MUST_CHECK enum reeve_rc jose_verify(const struct jose *t, struct key_ref *key, alg_set permitted, struct slice *payload,
					   const char **why);
/* Decrypt a JWE. `permitted` holds key management algorithms and content encryption algorithms; for `dir` ALG_DIR and that of the key. */
REEVE_MUST_CHECK enum reeve_rc jose_decrypt(struct arena *a, const struct jose *t, struct key_ref *key, alg_set permitted,
					    struct slice *plain, const char **why);

/* What a new token's header shall hold besides alg and enc. */
struct jose_params {
	struct slice typ, cty; /* p == NULL: absent */
	struct slice kid;      /* p == NULL: the key's own; empty with p != NULL: absent */
	struct slice more;     /* further members as JSON text without the braces, "\"ori\":\"C1\""; p == NULL: none */
};

/* Append a JWS over payload to out, with the key's algorithm. p may be NULL. */
REEVE_MUST_CHECK enum reeve_rc jose_sign(struct key_ref *key, const struct jose_params *p, struct slice payload, struct buf *out,
					 const char **why);
/* Append a JWE. A key for content encryption is used directly and `enc` must be its algorithm (or ALG_NONE); with any other key the
 * content key is fresh. plain may not be empty. */
REEVE_MUST_CHECK enum reeve_rc jose_encrypt(struct key_ref *key, enum key_alg enc, const struct jose_params *p, struct slice plain,
					    struct buf *out, const char **why);

#endif
