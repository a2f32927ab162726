/* SPDX-License-Identifier: Apache-2.0 */
/* The Secure Environment (TS-0003 6.2, TS-0016): all long-term secrets, behind handles.
 *
 * A caller says "verify this with the key named K"; it never holds the bytes of a secret. A handle (struct key_ref) is
 * counted, immutable and good for one algorithm; using it for another is RC_DENIED. What an operation derives or unwraps
 * is again a handle, one that is never stored. So a back end may keep its secrets where no process can read them.
 *
 * Back end today: a sealed file (docs/internals/keys.md). Keys that are no secrets (verification keys, encryption targets)
 * may be stored in it or be imported for use in memory alone.
 *
 * Thread-safe: every function may be called from every thread, with the same handle at the same time. A change is on the
 * disk before anybody sees it. Only secenv_open, secenv_refresh and what changes keys do
 * file I/O, and key_seal before the first of every 65536 uses of a stored GCM key.
 *
 * No text given in `why` ever contains key material. */
#ifndef REEVE_SECENV_SECENV_H
#define REEVE_SECENV_SECENV_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/rc.h"
#include "secenv/alg.h"

struct secenv;
struct key_ref;

enum key_kind { KEY_OCT, KEY_EC, KEY_RSA };
enum key_curve { CURVE_NONE, CURVE_P256, CURVE_P384, CURVE_P521 };

enum {
	KEY_KID_MAX = 160,      /* bytes of a key identifier: printable ASCII without blank, '"' and '\' */
	KEY_LABEL_MAX = 128,    /* bytes of a label: UTF-8 without control characters */
	KEY_OCT_MIN = 16, KEY_OCT_MAX = 512,
	KEY_LENT_MAX = 64,      /* bytes of a TLS-PSK key (RFC 4279 5.3) */
	KEY_RSA_MIN = 2048, KEY_RSA_MAX = 8192,
	KEY_SIGNATURE_MAX = KEY_RSA_MAX / 8,
	KEY_WRAPPED_MAX = KEY_RSA_MAX / 8,
	KEY_IV_MAX = 16, KEY_TAG_MAX = 32,
	KEY_WHY_MAX = 256,
};
/* Encryptions with one AES-GCM key under random IVs (TS-0003 8.5.2.2.1). */
#define KEY_GCM_USES (UINT64_C(1) << 32)

struct key_info {
	struct slice kid, label;
	enum key_alg alg;      /* the one purpose */
	enum key_kind kind;
	enum key_curve curve;  /* KEY_EC */
	unsigned bits;         /* of the symmetric key, the curve, the modulus */
	bool secret;           /* false: public part only */
	usec created;
};

/* What a new key shall be. */
struct key_spec {
	struct slice kid;     /* empty: that of the JWK; else made: the thumbprint (RFC 7638), of a symmetric key a random one */
	enum key_alg alg;     /* ALG_NONE: that of the JWK (RC_INVALID without one) */
	struct slice label;   /* optional */
	enum key_curve curve; /* generate for ECDH-ES*: CURVE_NONE is P-256 */
	unsigned bits;        /* generate: of a symmetric HS* key or an RSA modulus; 0: as many as the algorithm asks for (RSA: 3072) */
	bool replace;         /* a stored key of this kid gives way, as if deleted, but in the same change: there is always one of them */
};

enum key_form {
	KEY_JWK,  /* RFC 7517, one key; private or public */
	KEY_JWK_BARE, /* export: kty and its numbers alone */
	KEY_PEM,  /* PRIVATE KEY (PKCS#8, also EC and RSA PRIVATE KEY) without passphrase, PUBLIC KEY, or CERTIFICATE (its public key) */
	KEY_HEX,  /* a symmetric key as hexadecimal digits, blanks at the end allowed */
	KEY_BYTES, /* import: a symmetric key itself, as a protocol (the TLS exporter) made it; the bytes stay the caller's, to be wiped */
};

/* --- the environment --- */

struct secenv_options {
	const char *file;     /* the sealed file */
	const char *key_file; /* the file with its sealing key; NULL: `file` with ".seal" behind */
	bool create;          /* make what is absent, with mode 0600 */
};

/* RC_NOTFOUND: no such file, and !create. RC_DENIED: a file may be read or changed by others (mode or owner).
 * RC_FORGED: the file was changed or is not sealed with this key. RC_VERSION, RC_SYNTAX, RC_IO. `why` says what to do. */
REEVE_MUST_CHECK enum reeve_rc secenv_open(const struct secenv_options *o, struct secenv **out, char why[KEY_WHY_MAX]);
/* Handles that were given out stay usable, but for what must be counted in the file (key_seal with GCM). */
void secenv_close(struct secenv *se);
/* See what another process (reeve key ...) changed: the file is read, and unsealed when it is not the one seen last. On an error
 * everything stays as it was. */
REEVE_MUST_CHECK enum reeve_rc secenv_refresh(struct secenv *se, char why[KEY_WHY_MAX]);

/* --- keys --- */

/* A handle of the key, to be given back with key_put; NULL when there is none. Never touches the disk. */
struct key_ref *secenv_find(struct secenv *se, struct slice kid);
/* Every key in order of kid; `each` must not call the environment. */
void secenv_list(struct secenv *se, void (*each)(void *ctx, const struct key_info *info), void *ctx);

/* Make a key. With se == NULL it lives in memory only, until its last handle is given back. *out may be NULL when se is not.
 * RC_EXISTS: a key of this kid is there, and shall not be replaced. RC_INVALID: the material or the spec makes no sense, `why` says
 * which part. */
REEVE_MUST_CHECK enum reeve_rc secenv_generate(struct secenv *se, const struct key_spec *spec, struct key_ref **out,
					       char why[KEY_WHY_MAX]);
REEVE_MUST_CHECK enum reeve_rc secenv_import(struct secenv *se, enum key_form form, struct slice material,
					     const struct key_spec *spec, struct key_ref **out, char why[KEY_WHY_MAX]);
/* Handles that were given out are refused from now on (RC_DENIED). RC_NOTFOUND: there is none. */
REEVE_MUST_CHECK enum reeve_rc secenv_delete(struct secenv *se, struct slice kid, char why[KEY_WHY_MAX]);

struct key_ref *key_get(struct key_ref *key); /* one more handle; returns key */
void key_put(struct key_ref *key);            /* NULL is legal */
/* Valid as long as the handle. */
const struct key_info *key_info(const struct key_ref *key);
/* Append the public part as KEY_JWK, KEY_JWK_BARE (one line) or KEY_PEM (PUBLIC KEY). RC_DENIED for a symmetric key. */
REEVE_MUST_CHECK enum reeve_rc key_export_public(const struct key_ref *key, enum key_form form, struct buf *out);
/* RFC 7638 with SHA-256, of the public part. RC_DENIED for a symmetric key. */
REEVE_MUST_CHECK enum reeve_rc key_thumbprint(const struct key_ref *key, uint8_t out[32]);

/* --- operations ---
 *
 * `alg` is what the caller wants to do. RC_DENIED: the key is not for it, or has no secret part and needs one.
 * RC_FORGED: the cryptographic check failed. RC_NOMEM, RC_IO: the library failed. */

/* A signature (ECDSA as r||s) or MAC; *n is its length. */
REEVE_MUST_CHECK enum reeve_rc key_sign(struct key_ref *key, enum key_alg alg, struct slice data,
					uint8_t out[KEY_SIGNATURE_MAX], size_t *n);
/* Compares MACs in constant time. */
REEVE_MUST_CHECK enum reeve_rc key_verify(struct key_ref *key, enum key_alg alg, struct slice data, struct slice signature);

/* Lengths of initialisation vector, tag and, for `plain` bytes, ciphertext of a content encryption algorithm. */
struct key_sizes { size_t iv, tag, cipher; };
struct key_sizes key_sizes(enum key_alg alg, size_t plain);

/* Authenticated encryption. The initialisation vector is made inside, at random. out has room for key_sizes().cipher bytes.
 * RC_LIMIT: a GCM key has been used KEY_GCM_USES times; the count of a stored key survives restarts. Others that secenv_open returns:
 * the count could not be written. */
REEVE_MUST_CHECK enum reeve_rc key_seal(struct key_ref *key, enum key_alg alg, struct slice aad, struct slice plain,
					uint8_t iv[KEY_IV_MAX], uint8_t *out, uint8_t tag[KEY_TAG_MAX]);
/* out has room for cipher.n bytes; *n is the length of the plaintext, and nothing of it is left in out on failure. RC_SYNTAX: iv, tag
 * or cipher has not the length it must have. */
REEVE_MUST_CHECK enum reeve_rc key_open(struct key_ref *key, enum key_alg alg, struct slice iv, struct slice aad, struct slice cipher,
					struct slice tag, uint8_t *out, size_t *n);

/* Wrap the symmetric key `inner` under a key for A*KW or RSA-OAEP-256. Only keys that are in memory alone can be wrapped. */
REEVE_MUST_CHECK enum reeve_rc key_wrap(struct key_ref *key, enum key_alg alg, struct key_ref *inner,
					uint8_t out[KEY_WRAPPED_MAX], size_t *n);
/* The other way: a key in memory, for `inner_alg`. What does not unwrap under RSA-OAEP-256 gives a random key, so that a sender
 * cannot tell a bad padding from a bad tag. */
REEVE_MUST_CHECK enum reeve_rc key_unwrap(struct key_ref *key, enum key_alg alg, struct slice wrapped, enum key_alg inner_alg,
					  struct key_ref **inner);
/* ECDH-ES (RFC 7518 4.6): the secret of `own` and the public part of `peer`, both for `alg` and on one curve, through the Concat
 * KDF: a key in memory for derived_alg, which is a content encryption algorithm for ALG_ECDH_ES, else the A*KW in alg's name. */
REEVE_MUST_CHECK enum reeve_rc key_agree(struct key_ref *own, enum key_alg alg, struct key_ref *peer, enum key_alg derived_alg,
					 struct slice apu, struct slice apv, struct key_ref **out);

/* key_sign for ALG_TLS_ES256 where the library has made the SHA-256 already, as GnuTLS does. */
REEVE_MUST_CHECK enum reeve_rc key_sign_digest(struct key_ref *key, const uint8_t digest[32], uint8_t out[KEY_SIGNATURE_MAX], size_t *n);

/* HMAC-SHA-256 of data under a key for ALG_DERIVE (TS-0003 10.3): a key in memory for derived_alg, which takes symmetric keys of
 * 32 bytes (RC_INVALID: it does not). */
REEVE_MUST_CHECK enum reeve_rc key_derive(struct key_ref *key, struct slice data, enum key_alg derived_alg, struct key_ref **out);

/* The bytes of a key for ALG_TLS_PSK: the one door through which a secret leaves, because a TLS library takes a PSK by value
 * (docs/internals/keys.md). The caller wipes them (secret_wipe) once they are given on. */
REEVE_MUST_CHECK enum reeve_rc key_lend(struct key_ref *key, uint8_t out[KEY_LENT_MAX], size_t *n);

#endif
