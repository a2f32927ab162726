/* SPDX-License-Identifier: Apache-2.0 */
/* Authenticated encryption: AES-GCM (RFC 7518 5.3), and AES-CBC with HMAC (5.2), in which the tag is checked before anything is
 * decrypted. A GCM context with the key in it is kept between two uses, as in key_sign.c. */
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "base/rand.h"
#include "secenv/key_int.h"
#include "secenv/ossl_int.h"

enum { GCM_IV = 12, GCM_TAG = 16, CBC_BLOCK = 16 };

struct key_sizes key_sizes(enum key_alg alg, size_t plain)
{
	if (alg_in(alg, ALGS_GCM))
		return (struct key_sizes){ .iv = GCM_IV, .tag = GCM_TAG, .cipher = plain };
	if (alg_in(alg, ALGS_CBC))
		return (struct key_sizes){ .iv = CBC_BLOCK, .tag = alg_table[alg].size / 2, .cipher = (plain / CBC_BLOCK + 1) * CBC_BLOCK };
	return (struct key_sizes){ 0 };
}

static bool is_gcm(const struct key_ref *key) { return alg_in(key->info.alg, ALGS_GCM); }

/* --- GCM --- */

static EVP_CIPHER_CTX *gcm_context(struct key_ref *key, const uint8_t *iv, int encrypt)
{
	EVP_CIPHER_CTX *ctx = key_idle_take(key);

	if (ctx) {
		if (EVP_CipherInit_ex2(ctx, NULL, NULL, iv, encrypt, NULL))
			return ctx;
	} else {
		ctx = EVP_CIPHER_CTX_new();
		if (ctx && EVP_CipherInit_ex2(ctx, ossl()->cipher[key->info.alg], key->oct, iv, encrypt, NULL))
			return ctx;
	}
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

/* One more encryption under this key. */
static enum reeve_rc count_use(struct key_ref *key)
{
	uint_least64_t n = atomic_load_explicit(&key->uses, memory_order_relaxed);

	while (n < atomic_load_explicit(&key->granted, memory_order_acquire))
		if (atomic_compare_exchange_weak_explicit(&key->uses, &n, n + 1, memory_order_relaxed, memory_order_relaxed))
			return RC_OK;
	return key->home ? secenv_grant(key) : RC_LIMIT;
}

static enum reeve_rc gcm_seal(struct key_ref *key, struct slice aad, struct slice plain, const uint8_t *iv, uint8_t *out, uint8_t *tag)
{
	EVP_CIPHER_CTX *ctx = gcm_context(key, iv, 1);
	int n;

	if (!ctx)
		return RC_NOMEM;
	if (!EVP_EncryptUpdate(ctx, NULL, &n, (const uint8_t *)aad.p, (int)aad.n) ||
	    !EVP_EncryptUpdate(ctx, out, &n, (const uint8_t *)plain.p, (int)plain.n) || !EVP_EncryptFinal_ex(ctx, out + n, &n) ||
	    !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, GCM_TAG, tag)) {
		EVP_CIPHER_CTX_free(ctx);
		return RC_IO;
	}
	key_idle_leave(key, ctx);
	return RC_OK;
}

static enum reeve_rc gcm_open(struct key_ref *key, struct slice iv, struct slice aad, struct slice cipher, struct slice tag, uint8_t *out,
			      size_t *n_out)
{
	EVP_CIPHER_CTX *ctx = gcm_context(key, (const uint8_t *)iv.p, 0);
	int n, rest;

	if (!ctx)
		return RC_NOMEM;
	if (!EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, GCM_TAG, (void *)(uintptr_t)tag.p) ||
	    !EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *)aad.p, (int)aad.n) ||
	    !EVP_DecryptUpdate(ctx, out, &n, (const uint8_t *)cipher.p, (int)cipher.n)) {
		EVP_CIPHER_CTX_free(ctx);
		return RC_IO;
	}
	const bool ok = EVP_DecryptFinal_ex(ctx, out + n, &rest) > 0;
	key_idle_leave(key, ctx);
	*n_out = cipher.n;
	return ok ? RC_OK : RC_FORGED;
}

/* --- CBC with HMAC: the first half of the key is for the MAC, the second for the cipher --- */

static enum reeve_rc cbc_tag(const struct key_ref *key, struct slice aad, struct slice iv, struct slice cipher, uint8_t *tag)
{
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)key->alg->hash, 0), OSSL_PARAM_construct_end(),
	};
	const uint64_t bits = __builtin_bswap64((uint64_t)aad.n * 8);
	uint8_t whole[EVP_MAX_MD_SIZE];
	size_t n;
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(ossl()->hmac);
	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the length is written big-endian");
	const bool ok = ctx && EVP_MAC_init(ctx, key->oct, key->n_oct / 2, params) &&
			EVP_MAC_update(ctx, (const uint8_t *)aad.p, aad.n) && EVP_MAC_update(ctx, (const uint8_t *)iv.p, iv.n) &&
			EVP_MAC_update(ctx, (const uint8_t *)cipher.p, cipher.n) &&
			EVP_MAC_update(ctx, (const uint8_t *)&bits, sizeof(bits)) && EVP_MAC_final(ctx, whole, &n, sizeof(whole));

	if (ok)
		memcpy(tag, whole, key->alg->size / 2);
	secret_wipe(whole, sizeof(whole));
	EVP_MAC_CTX_free(ctx);
	return ok ? RC_OK : RC_IO;
}

static enum reeve_rc cbc(const struct key_ref *key, const uint8_t *iv, int encrypt, struct slice in, uint8_t *out, size_t *n_out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, rest = 0;
	const bool ok = ctx && EVP_CipherInit_ex2(ctx, ossl()->cipher[key->info.alg], key->oct + key->n_oct / 2, iv, encrypt, NULL) &&
			EVP_CipherUpdate(ctx, out, &n, (const uint8_t *)in.p, (int)in.n) && EVP_CipherFinal_ex(ctx, out + n, &rest);

	EVP_CIPHER_CTX_free(ctx);
	*n_out = (size_t)n + (size_t)rest;
	return ok ? RC_OK : RC_FORGED;
}

static enum reeve_rc cbc_open(const struct key_ref *key, struct slice iv, struct slice aad, struct slice cipher, struct slice tag,
			      uint8_t *out, size_t *n)
{
	uint8_t expected[KEY_TAG_MAX];
	enum reeve_rc rc = cbc_tag(key, aad, iv, cipher, expected);

	if (rc == RC_OK && !secret_equal(expected, tag.p, tag.n))
		rc = RC_FORGED;
	secret_wipe(expected, sizeof(expected));
	return rc == RC_OK ? cbc(key, (const uint8_t *)iv.p, 0, cipher, out, n) : rc;
}

/* --- both --- */

static bool too_long(size_t n) { return n > INT_MAX - 2 * CBC_BLOCK; }

enum reeve_rc key_seal(struct key_ref *key, enum key_alg alg, struct slice aad, struct slice plain, uint8_t iv[KEY_IV_MAX], uint8_t *out,
		       uint8_t tag[KEY_TAG_MAX])
{
	const struct key_sizes sizes = key_sizes(alg, plain.n);
	size_t n;
	enum reeve_rc rc = key_check(key, alg, WORK_CONTENT, true);

	if (rc == RC_OK && (too_long(plain.n) || too_long(aad.n)))
		rc = RC_LIMIT;
	if (rc == RC_OK && is_gcm(key))
		rc = count_use(key);
	if (rc != RC_OK)
		return rc;
	rand_bytes(iv, sizes.iv);
	if (is_gcm(key))
		return gcm_seal(key, aad, plain, iv, out, tag);
	rc = cbc(key, iv, 1, plain, out, &n);
	return rc == RC_OK ? cbc_tag(key, aad, slice_of((const char *)iv, sizes.iv), slice_of((const char *)out, n), tag) : RC_IO;
}

enum reeve_rc key_open(struct key_ref *key, enum key_alg alg, struct slice iv, struct slice aad, struct slice cipher, struct slice tag,
		       uint8_t *out, size_t *n)
{
	const struct key_sizes sizes = key_sizes(alg, cipher.n);
	enum reeve_rc rc = key_check(key, alg, WORK_CONTENT, true);

	if (rc != RC_OK)
		return rc;
	if (too_long(cipher.n) || too_long(aad.n))
		return RC_LIMIT;
	if (iv.n != sizes.iv || tag.n != sizes.tag || (!is_gcm(key) && (!cipher.n || cipher.n % CBC_BLOCK)))
		return RC_SYNTAX;
	rc = is_gcm(key) ? gcm_open(key, iv, aad, cipher, tag, out, n) : cbc_open(key, iv, aad, cipher, tag, out, n);
	if (rc != RC_OK) {
		secret_wipe(out, cipher.n);
		ERR_clear_error();
	}
	return rc;
}
