/* SPDX-License-Identifier: Apache-2.0 */
/* Trust anchors by flavour, and revocation lists.
 *
 * Only what an operator named counts: no store of the operating system is ever opened (TS-0003 8.1.2.2; SEC-071). What could never be the
 * end of a right path (no CA, another curve than P-256) is refused here, where the operator sees it, and not at each handshake. */
#include "tls/profile_int.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/file.h"

enum { ANCHORS_MAX_BYTES = 1 << 20, CRL_MAX_BYTES = 16 << 20 };

const char *const tls_flavour_names[TLS_FLAVOURS] = { "device", "cse", "ae", "node", "fqdn" };

static int no_passphrase(char *room, int n, int writing, void *ctx)
{
	return 0;
}

/* The end of a PEM file is an error of OpenSSL's like any other; this tells it apart from a block that cannot be read. */
static bool ended(void)
{
	const unsigned long e = ERR_peek_last_error();
	ERR_clear_error();
	return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static enum reeve_rc open_file(const char *path, size_t max, struct buf *b, BIO **bio, char why[TLS_WHY_MAX])
{
	char reason[FILE_WHY_MAX];
	const enum reeve_rc rc = file_read(path, max, b, reason);

	*bio = NULL;
	if (rc != RC_OK) {
		snprintf(why, TLS_WHY_MAX, "%.120s: %s", path, reason);
		return rc;
	}
	*bio = BIO_new_mem_buf(b->n ? b->p : "", (int)b->n);
	if (!*bio)
		snprintf(why, TLS_WHY_MAX, "no memory for %.120s", path);
	return *bio ? RC_OK : RC_NOMEM;
}

static bool anchor_fits(X509 *x, char why[TLS_WHY_MAX])
{
	if (X509_check_ca(x) == 1)
		return cert_key_fits(x, why);
	snprintf(why, TLS_WHY_MAX, "it is no CA certificate (basicConstraints CA:TRUE, keyUsage with keyCertSign)");
	return false;
}

static enum reeve_rc add_anchor(X509_STORE *store, const struct tls_anchor *from, char why[TLS_WHY_MAX])
{
	char wrong[TLS_WHY_MAX];
	unsigned n = 0;
	struct buf b;
	BIO *bio;
	enum reeve_rc rc = open_file(from->file, ANCHORS_MAX_BYTES, &b, &bio, why);

	while (rc == RC_OK) {
		X509 *x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
		if (!x) {
			if (ended() && n)
				break;
			rc = RC_INVALID;
			snprintf(why, TLS_WHY_MAX, "%.120s: %s certificate %u cannot be read: it should be PEM (BEGIN CERTIFICATE)",
				 from->file, n ? "after the first," : "its", n + 1);
		} else if (!anchor_fits(x, wrong)) {
			rc = RC_INVALID;
			snprintf(why, TLS_WHY_MAX, "%.80s: certificate %u cannot be a trust anchor: %.120s", from->file, n + 1, wrong);
		} else if (!X509_STORE_add_cert(store, x)) {
			rc = RC_NOMEM;
		}
		n++;
		X509_free(x);
	}
	BIO_free(bio);
	buf_free(&b);
	return rc;
}

static enum reeve_rc add_crls(struct cert_anchors *a, const char *path, char why[TLS_WHY_MAX])
{
	unsigned n = 0;
	struct buf b;
	BIO *bio;
	enum reeve_rc rc = open_file(path, CRL_MAX_BYTES, &b, &bio, why);

	while (rc == RC_OK) {
		X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL);
		if (!crl) {
			if (ended() && n)
				break;
			rc = RC_INVALID;
			snprintf(why, TLS_WHY_MAX, "%.120s: revocation list %u cannot be read: it should be PEM (BEGIN X509 CRL)", path,
				 n + 1);
		}
		n++;
		for (int f = 0; rc == RC_OK && f < TLS_FLAVOURS; f++)
			if (a->store[f] && !X509_STORE_add_crl(a->store[f], crl))
				rc = RC_NOMEM;
		X509_CRL_free(crl);
	}
	BIO_free(bio);
	buf_free(&b);
	return rc;
}

static enum reeve_rc read_all(struct cert_anchors *a, const struct tls_options *o, char why[TLS_WHY_MAX])
{
	enum reeve_rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < o->n_anchors; i++) {
		X509_STORE **store = &a->store[o->anchors[i].flavour];
		if (!*store && !(*store = X509_STORE_new()))
			rc = RC_NOMEM;
		else
			rc = add_anchor(*store, &o->anchors[i], why);
	}
	for (size_t i = 0; rc == RC_OK && i < o->n_crls; i++)
		rc = add_crls(a, o->crls[i], why);
	return rc;
}

enum reeve_rc cert_anchors_new(const struct tls_options *o, struct cert_anchors **out, char why[TLS_WHY_MAX])
{
	struct cert_anchors *a = calloc(1, sizeof(*a));
	enum reeve_rc rc = RC_NOMEM;

	*why = '\0';
	if (a) {
		a->depth = o->depth && o->depth < CERT_DEPTH_MAX ? o->depth : CERT_DEPTH_MAX;
		a->crls = o->n_crls > 0;
		a->crl_required = o->crl_required;
		rc = read_all(a, o, why);
	}
	if (rc != RC_OK) {
		if (!*why)
			snprintf(why, TLS_WHY_MAX, "no memory for trust anchors");
		cert_anchors_free(a);
		a = NULL;
	}
	*out = a;
	return rc;
}

void cert_anchors_free(struct cert_anchors *a)
{
	if (!a)
		return;
	for (int f = 0; f < TLS_FLAVOURS; f++)
		X509_STORE_free(a->store[f]);
	free(a);
}
