/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures, MACs, and the two operations of security associations that are not JOSE's: derived keys and lent ones. A context with the key
 * already in it is kept between two uses of a MAC key: setting a key costs as much as the MAC of a token. Signatures are dominated by the
 * arithmetic, their contexts are made anew. */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "secenv/key_int.h"
#include "secenv/ossl_int.h"

static EVP_MAC_CTX *mac_context(struct key_ref *key)
{
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)key->alg->hash, 0), OSSL_PARAM_construct_end(),
	};
	EVP_MAC_CTX *ctx = key_idle_take(key);

	if (ctx) {
		if (EVP_MAC_init(ctx, NULL, 0, NULL))
			return ctx;
	} else {
		ctx = EVP_MAC_CTX_new(ossl()->hmac);
		if (ctx && EVP_MAC_init(ctx, key->oct, key->n_oct, params))
			return ctx;
	}
	EVP_MAC_CTX_free(ctx);
	return NULL;
}

static enum reeve_rc mac(struct key_ref *key, struct slice data, uint8_t *out)
{
	EVP_MAC_CTX *ctx = mac_context(key);
	size_t n;

	if (!ctx)
		return RC_NOMEM;
	if (!EVP_MAC_update(ctx, (const uint8_t *)data.p, data.n) || !EVP_MAC_final(ctx, out, &n, key->alg->size)) {
		EVP_MAC_CTX_free(ctx);
		return RC_IO;
	}
	key_idle_leave(key, ctx);
	return RC_OK;
}

/* ECDSA between r||s (RFC 7518 3.4) and DER. */
static bool ecdsa_to_raw(const uint8_t *der, size_t n_der, int size, uint8_t *out)
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n_der);
	const bool ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, size) == size &&
			BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + size, size) == size;
	ECDSA_SIG_free(sig);
	return ok;
}

static int ecdsa_to_der(struct slice raw, uint8_t *out)
{
	const int size = (int)raw.n / 2;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn((const uint8_t *)raw.p, size, NULL), *s = BN_bin2bn((const uint8_t *)raw.p + size, size, NULL);
	int n = 0;

	if (sig && r && s && ECDSA_SIG_set0(sig, r, s)) {
		r = s = NULL;
		n = i2d_ECDSA_SIG(sig, &out);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return n;
}

enum { ECDSA_DER_MAX = 2 * (KEY_COORDINATE_MAX + 4) + 8 };

static enum reeve_rc sign(struct key_ref *key, struct slice data, uint8_t *out, size_t *n)
{
	const size_t size = key->info.kind == KEY_EC ? curve_size(key->info.curve) : 0;
	uint8_t der[ECDSA_DER_MAX];
	size_t got = size ? sizeof(der) : KEY_SIGNATURE_MAX;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestSignInit_ex(ctx, NULL, key->alg->hash, NULL, NULL, key->pkey, NULL) &&
		  EVP_DigestSign(ctx, size ? der : out, &got, (const uint8_t *)data.p, data.n);

	if (ok && size)
		ok = ecdsa_to_raw(der, got, (int)size, out);
	*n = size ? 2 * size : got;
	EVP_MD_CTX_free(ctx);
	return ok ? RC_OK : RC_IO;
}

static enum reeve_rc verify(struct key_ref *key, struct slice data, struct slice signature)
{
	uint8_t der[ECDSA_DER_MAX];
	const uint8_t *sig = (const uint8_t *)signature.p;
	size_t n = signature.n;
	EVP_MD_CTX *ctx;
	int ok;

	if (key->info.kind == KEY_EC) {
		if (n != 2 * curve_size(key->info.curve))
			return RC_FORGED;
		n = (size_t)ecdsa_to_der(signature, der);
		sig = der;
		if (!n)
			return RC_NOMEM;
	}
	ctx = EVP_MD_CTX_new();
	if (!ctx || !EVP_DigestVerifyInit_ex(ctx, NULL, key->alg->hash, NULL, NULL, key->pkey, NULL)) {
		EVP_MD_CTX_free(ctx);
		return RC_NOMEM;
	}
	ok = EVP_DigestVerify(ctx, sig, n, (const uint8_t *)data.p, data.n);
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok == 1 ? RC_OK : RC_FORGED;
}

enum reeve_rc key_sign(struct key_ref *key, enum key_alg alg, struct slice data, uint8_t out[KEY_SIGNATURE_MAX], size_t *n)
{
	if (key_check(key, alg, WORK_MAC, true) == RC_OK) {
		*n = key->alg->size;
		return mac(key, data, out);
	}
	return key_check(key, alg, WORK_SIGN, true) == RC_OK ? sign(key, data, out, n) : RC_DENIED;
}

enum reeve_rc key_verify(struct key_ref *key, enum key_alg alg, struct slice data, struct slice signature)
{
	uint8_t expected[EVP_MAX_MD_SIZE];
	enum reeve_rc rc;

	if (key_check(key, alg, WORK_MAC, true) != RC_OK)
		return key_check(key, alg, WORK_SIGN, false) == RC_OK ? verify(key, data, signature) : RC_DENIED;
	rc = mac(key, data, expected);
	if (rc == RC_OK && (signature.n != key->alg->size || !secret_equal(expected, signature.p, signature.n)))
		rc = RC_FORGED;
	secret_wipe(expected, sizeof(expected)); /* it is the right MAC of what may be a forgery */
	return rc;
}

enum reeve_rc key_sign_digest(struct key_ref *key, const uint8_t digest[32], uint8_t out[KEY_SIGNATURE_MAX], size_t *n)
{
	const int size = 32;
	uint8_t der[ECDSA_DER_MAX];
	size_t got = sizeof(der);
	EVP_PKEY_CTX *ctx;
	bool ok;

	if (key_check(key, ALG_TLS_ES256, WORK_SIGN, true) != RC_OK)
		return RC_DENIED;
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	ok = ctx && EVP_PKEY_sign_init(ctx) > 0 && EVP_PKEY_sign(ctx, der, &got, digest, (size_t)size) > 0 &&
	     ecdsa_to_raw(der, got, size, out);
	EVP_PKEY_CTX_free(ctx);
	*n = 2 * (size_t)size;
	return ok ? RC_OK : RC_IO;
}

enum reeve_rc key_derive(struct key_ref *key, struct slice data, enum key_alg derived_alg, struct key_ref **out)
{
	const struct alg *derived = &alg_table[derived_alg < ALG_COUNT ? derived_alg : ALG_NONE];
	uint8_t bytes[32];
	const size_t n = sizeof(bytes);
	const bool fits = derived->most ? derived->least <= n && n <= derived->most : derived->size == n;
	enum reeve_rc rc = key_check(key, ALG_DERIVE, WORK_DERIVE, true);

	if (rc == RC_OK && (derived->work == WORK_NONE || derived->kind != KEY_OCT || !fits))
		rc = RC_INVALID;
	if (rc == RC_OK)
		rc = mac(key, data, bytes);
	if (rc == RC_OK)
		rc = key_make_oct(derived_alg, bytes, n, out);
	secret_wipe(bytes, n);
	return rc;
}

enum reeve_rc key_lend(struct key_ref *key, uint8_t out[KEY_LENT_MAX], size_t *n)
{
	const enum reeve_rc rc = key_check(key, ALG_TLS_PSK, WORK_LEND, true);

	if (rc == RC_OK) {
		*n = key->n_oct;
		memcpy(out, key->oct, key->n_oct);
	}
	return rc;
}
