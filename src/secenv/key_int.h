/* SPDX-License-Identifier: Apache-2.0 */
/* A key from the inside: for the files of this folder. */
#ifndef REEVE_SECENV_KEY_INT_H
#define REEVE_SECENV_KEY_INT_H

#include <openssl/evp.h>
#include <stdatomic.h>

#include "secenv/alg_int.h"
#include "secenv/secenv.h"
#include "secenv/secret.h"

enum { KEY_IDLE = 4, KEY_UID = 16, KEY_COORDINATE_MAX = 66 };

struct key_ref {
	atomic_uint refs;
	struct key_info info;
	const struct alg *alg;
	uint8_t *oct;           /* KEY_OCT: secret memory */
	size_t n_oct;
	EVP_PKEY *pkey;         /* KEY_EC, KEY_RSA */
	_Atomic(void *) idle[KEY_IDLE]; /* contexts with this key in them, between two uses: EVP_MAC_CTX or EVP_CIPHER_CTX */
	atomic_uint_least64_t uses, granted; /* GCM encryptions done, and how many may be done before asking the home again */
	atomic_bool gone;       /* deleted: good for nothing any more */
	struct secenv *home;    /* counted; NULL: in memory alone */
	uint8_t uid[KEY_UID];   /* tells a key from one of the same kid that came later */
	char kid[KEY_KID_MAX], label[KEY_LABEL_MAX];
};

/* What a key is made of; owned. */
struct key_material {
	uint8_t *oct;
	size_t n_oct;
	EVP_PKEY *pkey;
	bool secret; /* pkey has its private part */
};
void key_material_free(struct key_material *m);

/* A handle over m, which it takes also when it fails. spec->alg decides and m must suit it; a kid is made when spec has none. */
REEVE_MUST_CHECK enum reeve_rc key_make(const struct key_spec *spec, struct key_material *m, struct key_ref **out, char *why);
/* A symmetric key without name, in memory alone, from bytes that stay the caller's. */
REEVE_MUST_CHECK enum reeve_rc key_make_oct(enum key_alg alg, const uint8_t *p, size_t n, struct key_ref **out);
/* In memory alone. */
REEVE_MUST_CHECK enum reeve_rc key_generate(const struct key_spec *spec, struct key_ref **out, char *why);
REEVE_MUST_CHECK enum reeve_rc key_import(enum key_form form, struct slice material, const struct key_spec *spec,
					  struct key_ref **out, char *why);

/* RC_DENIED unless the key is for this and has what it takes. */
REEVE_MUST_CHECK enum reeve_rc key_check(const struct key_ref *key, enum key_alg alg, enum alg_work work, bool secret);

/* A context that was left here, or NULL; and leave one (or free it when there are enough). */
void *key_idle_take(struct key_ref *key);
void key_idle_leave(struct key_ref *key, void *ctx);

/* Count one more encryption of a stored key beyond what was granted (secenv.c). */
REEVE_MUST_CHECK enum reeve_rc secenv_grant(struct key_ref *key);
struct secenv *secenv_get(struct secenv *se);
void secenv_put(struct secenv *se);

/* Of a pkey: bytes of a coordinate, its curve, its name for OpenSSL and JWK. */
size_t curve_size(enum key_curve curve);
const char *curve_group(enum key_curve curve);
struct slice curve_name(enum key_curve curve);
enum key_curve curve_find(struct slice name);  /* "P-256" */
enum key_curve curve_of(const EVP_PKEY *pkey); /* CURVE_NONE: another, or no EC key */
/* x and y of an EC key's public point, each curve_size bytes. */
bool curve_point(const EVP_PKEY *pkey, enum key_curve curve, uint8_t out[2 * KEY_COORDINATE_MAX]);

/* Format into why[KEY_WHY_MAX] and return rc. */
enum reeve_rc key_why(char *why, enum reeve_rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
