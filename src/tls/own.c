/* SPDX-License-Identifier: Apache-2.0 */
/* What this end shows: a chain or a raw public key, and a private key that stays behind its handle. GnuTLS asks for signatures
 * (gnutls_privkey_import_ext4); nothing here sees a private number. */
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "tls/tls_int.h"

enum { CHAIN_BYTES = 1 << 18, CHAIN_LENGTH = 8, NAMES_MAX = 16 };

static enum reeve_rc refuse(char *why, enum reeve_rc rc, const char *file, const char *text)
{
	snprintf(why, TLS_WHY_MAX, "%s%s%s", file ? file : "", file ? ": " : "", text);
	return rc;
}

/* --- the key --- */

/* GnuTLS hashes what is to be signed with ECDSA before it asks. */
static int sign_hash(gnutls_privkey_t private, gnutls_sign_algorithm_t alg, void *key, unsigned flags, const gnutls_datum_t *hash,
		     gnutls_datum_t *signature)
{
	uint8_t raw[KEY_SIGNATURE_MAX];
	size_t n;

	if (alg != GNUTLS_SIGN_ECDSA_SHA256 && alg != GNUTLS_SIGN_ECDSA_SECP256R1_SHA256)
		return GNUTLS_E_UNSUPPORTED_SIGNATURE_ALGORITHM;
	if (hash->size != 32 || key_sign_digest(key, hash->data, raw, &n) != RC_OK)
		return GNUTLS_E_PK_SIGN_FAILED;
	return gnutls_encode_rs_value(signature, &(gnutls_datum_t){ raw, (unsigned)n / 2 },
				      &(gnutls_datum_t){ raw + n / 2, (unsigned)n / 2 });
}

static int describe(gnutls_privkey_t private, unsigned flags, void *key)
{
	if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO)
		return GNUTLS_PK_ECDSA;
	if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS)
		return 256;
	if (flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) {
		const gnutls_sign_algorithm_t alg = GNUTLS_FLAGS_TO_SIGN_ALGO(flags);
		return alg == GNUTLS_SIGN_ECDSA_SHA256 || alg == GNUTLS_SIGN_ECDSA_SECP256R1_SHA256;
	}
	return -1;
}

/* The public part of the handle. */
static enum reeve_rc public_part(struct key_ref *key, gnutls_pubkey_t *out)
{
	struct buf pem;
	enum reeve_rc rc;

	if (gnutls_pubkey_init(out) != 0)
		return RC_NOMEM;
	buf_init(&pem, 4096);
	rc = key_export_public(key, KEY_PEM, &pem);
	const gnutls_datum_t text = { (unsigned char *)pem.p, (unsigned)pem.n };
	if (rc == RC_OK && gnutls_pubkey_import(*out, &text, GNUTLS_X509_FMT_PEM) != 0)
		rc = RC_INVALID;
	buf_free(&pem);
	if (rc != RC_OK)
		gnutls_pubkey_deinit(*out);
	return rc;
}

/* Is the leaf's key this one? */
static bool same_key(gnutls_pubkey_t mine, gnutls_pubkey_t leaf)
{
	gnutls_datum_t a = { 0 }, b = { 0 };
	const bool same = gnutls_pubkey_export2(mine, GNUTLS_X509_FMT_DER, &a) == 0 &&
			  gnutls_pubkey_export2(leaf, GNUTLS_X509_FMT_DER, &b) == 0 && a.size == b.size && !memcmp(a.data, b.data, a.size);
	gnutls_free(a.data);
	gnutls_free(b.data);
	return same;
}

/* --- the chain --- */

static bool add_name(struct own *out, struct slice name)
{
	char *p = name.n && out->n_names < NAMES_MAX ? malloc(name.n) : NULL;

	if (!p)
		return false;
	memcpy(p, name.p, name.n);
	out->names[out->n_names++] = slice_of(p, name.n);
	return true;
}

/* SNI may ask for the domain names of the leaf. */
static void leaf_names(gnutls_x509_crt_t leaf, struct own *out)
{
	for (unsigned i = 0; i < NAMES_MAX; i++) {
		char name[256];
		size_t n = sizeof(name);
		const int type = gnutls_x509_crt_get_subject_alt_name(leaf, i, name, &n, NULL);
		if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return;
		if (type == GNUTLS_SAN_DNSNAME)
			(void)add_name(out, slice_of(name, n));
	}
}

static enum reeve_rc take_chain(const struct tls_own *o, gnutls_x509_crt_t *crt, unsigned n, struct own *out, char *why)
{
	out->chain = calloc(n, sizeof(*out->chain));
	if (!out->chain)
		return RC_NOMEM;
	for (unsigned i = 0; i < n; i++, out->n_chain++)
		if (gnutls_pcert_import_x509(&out->chain[i], crt[i], 0) != 0)
			return refuse(why, RC_INVALID, o->chain, "a certificate cannot be read");
	if (!o->server_name.n)
		leaf_names(crt[0], out);
	return RC_OK;
}

static enum reeve_rc read_chain(const struct tls_own *o, gnutls_pubkey_t mine, struct own *out, char *why)
{
	gnutls_x509_crt_t *crt = NULL;
	unsigned n = 0;
	struct buf pem;
	char text[FILE_WHY_MAX];
	enum reeve_rc rc = file_read(o->chain, CHAIN_BYTES, &pem, text);

	if (rc != RC_OK) {
		(void)refuse(why, rc, o->chain, text);
	} else if (gnutls_x509_crt_list_import2(&crt, &n, &(gnutls_datum_t){ (unsigned char *)pem.p, (unsigned)pem.n }, GNUTLS_X509_FMT_PEM,
						0) < 0 || n == 0) {
		rc = refuse(why, RC_INVALID, o->chain, "no certificates in PEM");
	} else if (n > CHAIN_LENGTH) {
		rc = refuse(why, RC_INVALID, o->chain, "the chain is too long: keep it short (TS-0003 10.1.1.3)");
	} else {
		rc = take_chain(o, crt, n, out, why);
		if (rc == RC_OK && !same_key(mine, out->chain[0].pubkey))
			rc = refuse(why, RC_INVALID, o->chain, "the key is not that of the first certificate");
	}
	for (unsigned i = 0; i < n; i++)
		gnutls_x509_crt_deinit(crt[i]);
	gnutls_free(crt);
	buf_free(&pem);
	return rc;
}

static enum reeve_rc read_raw(gnutls_pubkey_t mine, struct own *out)
{
	gnutls_datum_t der = { 0 };
	enum reeve_rc rc = RC_NOMEM;

	out->raw = true;
	out->chain = calloc(1, sizeof(*out->chain));
	if (out->chain && gnutls_pubkey_export2(mine, GNUTLS_X509_FMT_DER, &der) == 0 &&
	    gnutls_pcert_import_rawpk_raw(out->chain, &der, GNUTLS_X509_FMT_DER, 0, 0) == 0) {
		out->n_chain = 1;
		rc = RC_OK;
	}
	gnutls_free(der.data);
	return rc;
}

enum reeve_rc own_read(const struct tls_own *o, struct own *out, char why[TLS_WHY_MAX])
{
	gnutls_pubkey_t mine;
	const struct key_info *info = key_info(o->key);
	enum reeve_rc rc;

	*out = (struct own){ .names = calloc(NAMES_MAX, sizeof(struct slice)) };
	if (info->alg != ALG_TLS_ES256 || !info->secret)
		return refuse(why, RC_INVALID, o->chain, "the key is not a private one for TLS-ES256");
	if (!out->names)
		return refuse(why, RC_NOMEM, NULL, "out of memory");
	rc = public_part(o->key, &mine);
	if (rc != RC_OK)
		return refuse(why, rc, o->chain, "the public part of the key cannot be used");
	out->key = key_get(o->key);
	rc = o->chain ? read_chain(o, mine, out, why) : read_raw(mine, out);
	gnutls_pubkey_deinit(mine);
	if (rc == RC_OK && o->server_name.n && !add_name(out, o->server_name))
		rc = RC_NOMEM;
	if (rc == RC_OK && (gnutls_privkey_init(&out->private) != 0 ||
			    gnutls_privkey_import_ext4(out->private, out->key, NULL, sign_hash, NULL, NULL, describe, 0) != 0))
		rc = RC_NOMEM;
	return rc == RC_NOMEM ? refuse(why, rc, o->chain, "out of memory") : rc;
}

void own_free(struct own *o)
{
	for (unsigned i = 0; i < o->n_chain; i++)
		gnutls_pcert_deinit(&o->chain[i]);
	free(o->chain);
	if (o->private)
		gnutls_privkey_deinit(o->private);
	for (size_t i = 0; i < o->n_names; i++)
		free((char *)o->names[i].p);
	free(o->names);
	key_put(o->key);
	*o = (struct own){ 0 };
}
