/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of keys and tokens share. */
#ifndef TESTS_JOSE_UTIL_H
#define TESTS_JOSE_UTIL_H

#include "codec_util.h"
#include "secenv/secenv.h"

#define ANY_ALG (~(alg_set)0)

/* A key in memory, made for alg. */
static inline struct key_ref *made(enum key_alg alg)
{
	const struct key_spec spec = { .alg = alg, .bits = alg_in(alg, ALGS_RSA_SIGN | ALG_SET(ALG_RSA_OAEP_256)) ? 2048 : 0 };
	struct key_ref *key;
	char why[KEY_WHY_MAX] = "";

	if (secenv_generate(NULL, &spec, &key, why) != RC_OK)
		fail_msg("%.*s: %s", SF(alg_name(alg)), why);
	return key;
}

/* A key in memory from a JWK. */
static inline enum reeve_rc imported(struct slice jwk, enum key_alg alg, struct key_ref **out)
{
	const struct key_spec spec = { .alg = alg };
	char why[KEY_WHY_MAX] = "";
	*out = NULL;
	const enum reeve_rc rc = secenv_import(NULL, KEY_JWK, jwk, &spec, out, why);
	assert_true(rc == RC_OK || *why);
	return rc;
}

/* The public part of a pair as a key of its own, for alg. */
static inline struct key_ref *public_of(const struct key_ref *pair, enum key_alg alg)
{
	struct key_ref *key;
	struct buf b;

	buf_init(&b, 8192);
	assert_int_equal(key_export_public(pair, KEY_JWK_BARE, &b), RC_OK);
	assert_int_equal(imported(buf_view(&b), alg, &key), RC_OK);
	buf_free(&b);
	return key;
}

#endif
