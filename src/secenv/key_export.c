/* SPDX-License-Identifier: Apache-2.0 */
/* Public parts, as JWK or PEM, and the thumbprint of RFC 7638. Nothing here reads a private number. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>

#include "codec/base64.h"
#include "secenv/key_int.h"
#include "secenv/ossl_int.h"

static void member(struct buf *b, const char *name, const uint8_t *p, size_t n)
{
	buf_printf(b, ",\"%s\":\"", name);
	base64url_encode(b, p, n);
	buf_char(b, '"');
}

/* A number of the key as few bytes as possible; 0 on failure. */
static size_t number(const struct key_ref *key, const char *param, uint8_t out[KEY_RSA_MAX / 8])
{
	BIGNUM *v = NULL;
	size_t n = 0;

	if (EVP_PKEY_get_bn_param(key->pkey, param, &v) && BN_num_bytes(v) <= KEY_RSA_MAX / 8)
		n = (size_t)BN_bn2bin(v, out);
	BN_free(v);
	return n;
}

/* The members that RFC 7638 takes, in its order. */
static enum reeve_rc required(const struct key_ref *key, struct buf *b)
{
	if (key->info.kind == KEY_EC) {
		uint8_t point[2 * KEY_COORDINATE_MAX];
		const size_t size = curve_size(key->info.curve);
		if (!curve_point(key->pkey, key->info.curve, point))
			return RC_IO;
		buf_printf(b, "\"crv\":\"%.*s\",\"kty\":\"EC\"", SF(curve_name(key->info.curve)));
		member(b, "x", point, size);
		member(b, "y", point + size, size);
		return RC_OK;
	}
	uint8_t n[KEY_RSA_MAX / 8], e[KEY_RSA_MAX / 8];
	const size_t size_n = number(key, OSSL_PKEY_PARAM_RSA_N, n), size_e = number(key, OSSL_PKEY_PARAM_RSA_E, e);
	if (!size_n || !size_e)
		return RC_IO;
	buf_lit(b, "\"e\":\"");
	base64url_encode(b, e, size_e);
	buf_lit(b, "\",\"kty\":\"RSA\"");
	member(b, "n", n, size_n);
	return RC_OK;
}

static enum reeve_rc export_pem(const struct key_ref *key, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p = NULL;
	long n = bio && PEM_write_bio_PUBKEY(bio, key->pkey) ? BIO_get_mem_data(bio, &p) : 0;

	if (n > 0)
		buf_add(out, p, (size_t)n);
	BIO_free(bio);
	return n <= 0 ? RC_IO : out->failed ? RC_LIMIT : RC_OK;
}

enum reeve_rc key_export_public(const struct key_ref *key, enum key_form form, struct buf *out)
{
	enum reeve_rc rc;

	if (key->info.kind == KEY_OCT)
		return RC_DENIED;
	if (form == KEY_PEM)
		return export_pem(key, out);
	if (form != KEY_JWK && form != KEY_JWK_BARE)
		return RC_INVALID;
	buf_char(out, '{');
	rc = required(key, out);
	if (form == KEY_JWK)
		buf_printf(out, ",\"kid\":\"%.*s\",\"alg\":\"%.*s\",\"use\":\"%s\"", SF(key->info.kid), SF(key->alg->name),
			   key->alg->work == WORK_SIGN ? "sig" : "enc");
	buf_char(out, '}');
	return rc == RC_OK && out->failed ? RC_LIMIT : rc;
}

enum reeve_rc key_thumbprint(const struct key_ref *key, uint8_t out[32])
{
	struct buf b;
	enum reeve_rc rc;

	buf_init(&b, 4096);
	rc = key_export_public(key, KEY_JWK_BARE, &b);
	if (rc == RC_OK && !EVP_Digest(b.p, b.n, out, NULL, ossl()->sha256, NULL))
		rc = RC_IO;
	buf_free(&b);
	return rc;
}
