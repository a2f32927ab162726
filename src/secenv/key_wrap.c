/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that travel or are agreed upon: AES key wrap (RFC 3394), RSA-OAEP with SHA-256, ECDH-ES with the Concat KDF (RFC 7518 4). What
 * comes out is a handle in memory; its bytes pass through this file only, on the stack, and are wiped. */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "base/rand.h"
#include "secenv/key_int.h"
#include "secenv/ossl_int.h"

enum { INNER_MAX = 64, KW_MORE = 8 };

/* --- AES key wrap --- */

static bool aes_kw(const struct key_ref *key, int encrypt, const uint8_t *in, size_t n_in, uint8_t *out, size_t *n)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int got = 0, rest = 0;
	bool ok = ctx != NULL;

	if (ok) {
		EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
		ok = EVP_CipherInit_ex2(ctx, ossl()->cipher[key->info.alg], key->oct, NULL, encrypt, NULL) &&
		     EVP_CipherUpdate(ctx, out, &got, in, (int)n_in) && EVP_CipherFinal_ex(ctx, out + got, &rest);
	}
	EVP_CIPHER_CTX_free(ctx);
	*n = (size_t)got + (size_t)rest;
	return ok && *n;
}

/* --- RSA-OAEP-256 --- */

static EVP_PKEY_CTX *oaep_context(EVP_PKEY *pkey, bool encrypt)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, (char[]){ OSSL_PKEY_RSA_PAD_MODE_OAEP }, 0),
		OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, (char[]){ "SHA2-256" }, 0),
		OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, (char[]){ "SHA2-256" }, 0),
		OSSL_PARAM_construct_end(),
	};
	if (ctx && (encrypt ? EVP_PKEY_encrypt_init_ex(ctx, params) : EVP_PKEY_decrypt_init_ex(ctx, params)) > 0)
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

/* The content key, or on whatever failure a random one: the tag will not be right, and that is all a sender can see. */
static enum reeve_rc oaep_unwrap(struct key_ref *key, struct slice wrapped, uint8_t *out, size_t size)
{
	uint8_t got[KEY_WRAPPED_MAX], other[INNER_MAX];
	size_t n = sizeof(got);
	EVP_PKEY_CTX *ctx = oaep_context(key->pkey, false);
	bool ok;

	if (!ctx)
		return RC_NOMEM;
	rand_bytes(other, sizeof(other));
	ok = EVP_PKEY_decrypt(ctx, got, &n, (const uint8_t *)wrapped.p, wrapped.n) > 0;
	ok = ok && n == size;
	memcpy(out, ok ? got : other, size);
	secret_wipe(got, sizeof(got));
	EVP_PKEY_CTX_free(ctx);
	return RC_OK;
}

static bool oaep_wrap(struct key_ref *key, const struct key_ref *inner, uint8_t *out, size_t *n)
{
	EVP_PKEY_CTX *ctx = oaep_context(key->pkey, true);
	bool ok;

	*n = KEY_WRAPPED_MAX;
	ok = ctx && EVP_PKEY_encrypt(ctx, out, n, inner->oct, inner->n_oct) > 0;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

/* --- both --- */

enum reeve_rc key_wrap(struct key_ref *key, enum key_alg alg, struct key_ref *inner, uint8_t out[KEY_WRAPPED_MAX], size_t *n)
{
	const bool rsa = alg == ALG_RSA_OAEP_256;
	enum reeve_rc rc = key_check(key, alg, WORK_WRAP, !rsa);

	if (rc != RC_OK)
		return rc;
	if (inner->home || inner->info.kind != KEY_OCT || inner->n_oct > INNER_MAX)
		return RC_DENIED;
	return (rsa ? oaep_wrap(key, inner, out, n) : aes_kw(key, 1, inner->oct, inner->n_oct, out, n)) ? RC_OK : RC_IO;
}

enum reeve_rc key_unwrap(struct key_ref *key, enum key_alg alg, struct slice wrapped, enum key_alg inner_alg, struct key_ref **inner)
{
	uint8_t bytes[INNER_MAX + KW_MORE];
	const size_t size = alg_table[inner_alg].size;
	size_t n;
	enum reeve_rc rc = key_check(key, alg, WORK_WRAP, true);

	if (rc != RC_OK)
		return rc;
	if (alg_table[inner_alg].work != WORK_CONTENT)
		return RC_DENIED;
	if (alg == ALG_RSA_OAEP_256)
		rc = oaep_unwrap(key, wrapped, bytes, size);
	else if (wrapped.n != size + KW_MORE || !aes_kw(key, 0, (const uint8_t *)wrapped.p, wrapped.n, bytes, &n) || n != size)
		rc = RC_FORGED;
	if (rc == RC_OK)
		rc = key_make_oct(inner_alg, bytes, size, inner);
	secret_wipe(bytes, sizeof(bytes));
	ERR_clear_error();
	return rc;
}

/* --- ECDH-ES --- */

static void put_u32(struct buf *b, size_t v)
{
	const uint8_t p[] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
	buf_add(b, p, sizeof(p));
}

static void put_counted(struct buf *b, struct slice s)
{
	put_u32(b, s.n);
	buf_slice(b, s);
}

/* Concat KDF of NIST SP 800-56A with SHA-256 over z; size bytes into out. */
static enum reeve_rc concat_kdf(const uint8_t *z, size_t n_z, struct slice id, struct slice apu, struct slice apv, uint8_t *out,
			       size_t size)
{
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(ossl()->concat);
	struct buf info;
	bool ok;

	buf_init(&info, 64 + apu.n + apv.n);
	put_counted(&info, id);
	put_counted(&info, apu);
	put_counted(&info, apv);
	put_u32(&info, size * 8);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){ "SHA2-256" }, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)z, n_z),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.p, info.n),
		OSSL_PARAM_construct_end(),
	};
	ok = ctx && !info.failed && EVP_KDF_derive(ctx, out, size, params) > 0;
	EVP_KDF_CTX_free(ctx);
	buf_free(&info);
	return ok ? RC_OK : RC_NOMEM;
}

enum reeve_rc key_agree(struct key_ref *own, enum key_alg alg, struct key_ref *peer, enum key_alg derived_alg, struct slice apu,
			struct slice apv, struct key_ref **out)
{
	uint8_t z[KEY_COORDINATE_MAX], bytes[INNER_MAX];
	size_t n_z = sizeof(z);
	const struct alg *derived = &alg_table[derived_alg];
	EVP_PKEY_CTX *ctx;
	enum reeve_rc rc = key_check(own, alg, WORK_AGREE, true);

	if (rc == RC_OK)
		rc = key_check(peer, alg, WORK_AGREE, false);
	if (rc == RC_OK && (own->info.curve != peer->info.curve ||
			    (own->alg->wrap ? derived_alg != own->alg->wrap : derived->work != WORK_CONTENT)))
		rc = RC_DENIED;
	if (rc != RC_OK)
		return rc;
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own->pkey, NULL);
	/* Setting the peer checks that its point is on the curve. */
	if (!ctx || EVP_PKEY_derive_init(ctx) <= 0)
		rc = RC_NOMEM;
	else if (EVP_PKEY_derive_set_peer(ctx, peer->pkey) <= 0 || EVP_PKEY_derive(ctx, z, &n_z) <= 0)
		rc = RC_FORGED;
	EVP_PKEY_CTX_free(ctx);
	if (rc == RC_OK)
		rc = concat_kdf(z, n_z, own->alg->wrap ? own->alg->name : derived->name, apu, apv, bytes, derived->size);
	if (rc == RC_OK)
		rc = key_make_oct(derived_alg, bytes, derived->size, out);
	secret_wipe(z, sizeof(z));
	secret_wipe(bytes, sizeof(bytes));
	ERR_clear_error();
	return rc;
}
