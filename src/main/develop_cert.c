/* SPDX-License-Identifier: Apache-2.0 */
/* See develop_cert.h. As TS-0003 10.1.1 profiles them: P-256, SHA-256, the domain name of the CSE as dNSName, and name constraints that
 * bound what the CA can do, for this CSE and for whoever else comes to trust it. The names are checked ones (fqdn_valid), so they may
 * stand in the notation of X509V3_EXT_conf_nid. */
#include "main/develop_cert.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "secenv/secret.h"

enum { PEM_MAX = 65536, DAYS = 3650, DAY_S = 86400 };

static bool extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	const bool ok = e && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok;
}

static bool set_serial(X509 *x)
{
	BIGNUM *n = BN_new();
	const bool ok = n && BN_rand(n, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));

	BN_free(n);
	return ok;
}

/* Everything but extensions and signature. */
static X509 *begin(struct slice name, const X509 *issuer, EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_NAME *subject = x ? X509_get_subject_name(x) : NULL;

	/* from yesterday on: clocks of devices are not always right */
	if (x && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
	    X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, (const unsigned char *)name.p, (int)name.n, -1, 0) == 1 &&
	    X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : subject) == 1 && X509_set_pubkey(x, key) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(x), -DAY_S) && X509_time_adj_ex(X509_getm_notAfter(x), DAYS, 0, NULL))
		return x;
	X509_free(x);
	return NULL;
}

static X509 *make_ca(const struct develop_names *n, EVP_PKEY *key)
{
	char permitted[600];
	X509 *x;

	snprintf(permitted, sizeof(permitted), "critical,permitted;DNS:%.*s,permitted;DNS:%.*s", SF(n->sp), SF(n->domain));
	x = begin(S("reeve development CA"), NULL, key);
	if (x && extend(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
	    extend(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") && extend(x, x, NID_name_constraints, permitted) &&
	    extend(x, x, NID_subject_key_identifier, "hash") &&
	    X509_sign(x, key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

static X509 *make_cse(const struct develop_names *n, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key)
{
	char names[300];
	X509 *x = begin(S("reeve development CSE"), ca, key);

	snprintf(names, sizeof(names), "DNS:%.*s", SF(n->domain));
	if (x && extend(x, ca, NID_basic_constraints, "critical,CA:FALSE") && extend(x, ca, NID_key_usage, "critical,digitalSignature") &&
	    extend(x, ca, NID_subject_alt_name, names) && extend(x, ca, NID_authority_key_identifier, "keyid") &&
	    X509_sign(x, ca_key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

/* The public part of a handle. */
static EVP_PKEY *public_key(const struct key_ref *key)
{
	EVP_PKEY *out = NULL;
	struct buf pem;
	BIO *b;

	buf_init(&pem, PEM_MAX);
	if (key_export_public(key, KEY_PEM, &pem) == RC_OK && (b = BIO_new_mem_buf(pem.p, (int)pem.n))) {
		out = PEM_read_bio_PUBKEY(b, NULL, NULL, NULL);
		BIO_free(b);
	}
	buf_free(&pem);
	return out;
}

static bool take(BIO *b, bool written, struct buf *out)
{
	char *p;
	const long n = written ? BIO_get_mem_data(b, &p) : 0;

	if (n > 0)
		buf_add(out, p, (size_t)n);
	BIO_free(b);
	return n > 0 && !out->failed;
}

static bool write_cert(X509 *x, struct buf *out)
{
	BIO *b = BIO_new(BIO_s_mem());

	return b && take(b, PEM_write_bio_X509(b, x) == 1, out);
}

static bool write_key(EVP_PKEY *key, struct buf *out)
{
	BIO *b = BIO_new(BIO_s_secmem());

	return b && take(b, PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) == 1, out);
}

enum reeve_rc develop_certify(const struct develop_names *n, const struct key_ref *cse, struct develop_pem *out)
{
	EVP_PKEY *own = public_key(cse), *ca_key = EVP_EC_gen("P-256");
	X509 *ca = ca_key ? make_ca(n, ca_key) : NULL, *leaf = own && ca ? make_cse(n, own, ca, ca_key) : NULL;

	buf_init(&out->ca, PEM_MAX);
	buf_init(&out->ca_key, PEM_MAX);
	buf_init(&out->cse, PEM_MAX);
	const bool ok = leaf && write_cert(ca, &out->ca) && write_key(ca_key, &out->ca_key) && write_cert(leaf, &out->cse);
	X509_free(leaf);
	X509_free(ca);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(own);
	return ok ? RC_OK : RC_NOMEM;
}

void develop_pem_free(struct develop_pem *p)
{
	if (p->ca_key.p)
		secret_wipe(p->ca_key.p, p->ca_key.cap);
	buf_free(&p->ca_key);
	buf_free(&p->ca);
	buf_free(&p->cse);
}
