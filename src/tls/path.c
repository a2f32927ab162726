/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 5280 path validation to the anchors of one flavour, and what TS-0003 10.1.1.3 asks of every certificate on the path.
 *
 * The engine is OpenSSL's X509_verify_cert, not GnuTLS: it takes the time as a parameter, tells every error with the certificate it is
 * about (GnuTLS: a set of bits for the whole chain), checks revocation lists along the path, and does name constraints of domain names,
 * URIs, addresses and directory names. What it does not know are constraints on object identifiers (otherName, registeredID): it reports
 * them as of an unsupported type, which is passed over here because constraints.c looks at all constraints of every path again. */
#include "tls/profile_int.h"

#include <openssl/err.h>
#include <stdarg.h>

/* Which certificate of the path, for people. */
static const char *which(struct checking *c, X509 *x, int depth)
{
	if (!depth)
		return "the certificate";
	return arena_printf(c->a, "CA certificate %d (%s)", depth, x ? cert_subject(c->a, x) : "?").p;
}

static const char *when(struct checking *c, const ASN1_TIME *t)
{
	struct tm tm;

	if (!t || !ASN1_TIME_to_tm(t, &tm))
		return "?";
	return arena_printf(c->a, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			    tm.tm_sec).p;
}

static void tell_path_error(struct checking *c, int error, X509 *x, int depth, X509_CRL *crl)
{
	const char *who = which(c, x, depth);

	who = who ? who : "a certificate";
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		cert_step(c, "validity", false, "%s has expired on %s", who, when(c, x ? X509_get0_notAfter(x) : NULL));
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		cert_step(c, "validity", false, "%s is valid from %s on", who, when(c, x ? X509_get0_notBefore(x) : NULL));
		break;
	case X509_V_ERR_INVALID_CA:
	case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
		cert_step(c, "path", false, "%s has signed another and is no CA (basicConstraints CA:TRUE, keyUsage with keyCertSign)",
			  who);
		break;
	case X509_V_ERR_PATH_LENGTH_EXCEEDED:
		cert_step(c, "path", false, "there are more CAs below %s than its path length permits", who);
		break;
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		cert_step(c, "path", false, "the signature of %s is not that of its issuer", who);
		break;
	case X509_V_ERR_PERMITTED_VIOLATION:
	case X509_V_ERR_EXCLUDED_VIOLATION:
		cert_step(c, "name constraints", false, "%s has a name outside of what a CA above may certify", who);
		break;
	case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
		cert_step(c, "name constraints", false, "%s has a name without a host where a CA above constrains URIs (write "
			  "\"https://host/...\")", who);
		break;
	case X509_V_ERR_CERT_REVOKED:
		cert_step(c, "revocation", false, "%s was revoked by its issuer", who);
		break;
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		cert_step(c, "revocation", false, "there is no revocation list of the issuer of %s", who);
		break;
	case X509_V_ERR_CRL_HAS_EXPIRED:
		cert_step(c, "revocation", false, "the revocation list of the issuer of %s has expired on %s", who,
			  when(c, crl ? X509_CRL_get0_nextUpdate(crl) : NULL));
		break;
	default:
		cert_step(c, "path", false, "%s: %s", who, X509_verify_cert_error_string(error));
	}
}

static bool nowhere(int error)
{
	return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT || error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
	       error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE || error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
	       error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT || error == X509_V_ERR_CERT_UNTRUSTED;
}

struct run { struct checking *c; enum cert_end end; };

/* Is a list that is missing or too old no reason to refuse? The anchor is trusted as it is, whatever its issuer says of it. */
static bool list_not_needed(const struct checking *c, X509_STORE_CTX *ctx, int error, int depth)
{
	if (error != X509_V_ERR_UNABLE_TO_GET_CRL && error != X509_V_ERR_CRL_HAS_EXPIRED && error != X509_V_ERR_CRL_NOT_YET_VALID)
		return false;
	return !c->anchors->crl_required || depth == sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) - 1;
}

/* Called by OpenSSL at each error (and each certificate that is right): 1 goes on. */
static int judged(int ok, X509_STORE_CTX *ctx)
{
	struct run *r = X509_STORE_CTX_get_app_data(ctx);
	const int error = X509_STORE_CTX_get_error(ctx), depth = X509_STORE_CTX_get_error_depth(ctx);

	if (ok || error == X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE || list_not_needed(r->c, ctx, error, depth))
		return 1;
	if (nowhere(error)) {
		r->end = PATH_NOWHERE;
		return 0;
	}
	r->end = PATH_BAD;
	tell_path_error(r->c, error, X509_STORE_CTX_get_current_cert(ctx), depth, X509_STORE_CTX_get0_current_crl(ctx));
	return r->c->report != NULL;
}

static X509_STORE_CTX *context(struct run *r, enum tls_flavour f, X509 *leaf, STACK_OF(X509) *given)
{
	const struct cert_anchors *an = r->c->anchors;
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	if (!ctx || !X509_STORE_CTX_init(ctx, an->store[f], leaf, given)) {
		X509_STORE_CTX_free(ctx);
		return NULL;
	}
	X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN; /* an anchor need not be self-signed */
	if (an->crls || an->crl_required)
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	X509_VERIFY_PARAM_set_flags(p, flags);
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT); /* a common name is no name, not even to be constrained */
	X509_VERIFY_PARAM_set_depth(p, (int)an->depth);
	X509_VERIFY_PARAM_set_time(p, (time_t)(r->c->now / USEC_S));
	X509_STORE_CTX_set_app_data(ctx, r);
	X509_STORE_CTX_set_verify_cb(ctx, judged);
	return ctx;
}

/* Keys and signatures above the leaf, whose own profile.c has looked at. The anchor's signature says nothing: it is trusted as it is. */
static bool authorities_fit(struct checking *c, STACK_OF(X509) *path)
{
	char why[TLS_WHY_MAX];
	const int n = sk_X509_num(path);

	for (int i = 1; i < n; i++) {
		X509 *x = sk_X509_value(path, i);
		if (!cert_key_fits(x, why)) {
			cert_step(c, "authorities", false, "CA certificate %d: %.180s", i, why);
			return false;
		}
		if (i < n - 1 && X509_get_signature_nid(x) != NID_ecdsa_with_SHA256) {
			cert_step(c, "authorities", false, "CA certificate %d is signed with %s; only ECDSA with SHA-256 is permitted", i,
				  OBJ_nid2sn(X509_get_signature_nid(x)));
			return false;
		}
	}
	return true;
}

enum cert_end cert_path(struct checking *c, enum tls_flavour f, X509 *leaf, STACK_OF(X509) *given, STACK_OF(X509) **path)
{
	struct run r = { c, PATH_OK };
	X509_STORE_CTX *ctx = context(&r, f, leaf, given);
	const int ok = ctx ? X509_verify_cert(ctx) : 0;

	*path = NULL;
	if (r.end == PATH_OK && ok != 1) {
		r.end = PATH_BAD;
		cert_step(c, "path", false, "%s", ctx ? X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)) : "no memory");
	}
	if (r.end == PATH_OK && !authorities_fit(c, X509_STORE_CTX_get0_chain(ctx)))
		r.end = PATH_BAD;
	if (r.end == PATH_OK && !(*path = X509_STORE_CTX_get1_chain(ctx)))
		r.end = PATH_BAD;
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return r.end;
}

bool cert_key_fits(X509 *x, char why[TLS_WHY_MAX])
{
	const X509_PUBKEY *pub = X509_get_X509_PUBKEY(x);
	const unsigned char *point = NULL;
	ASN1_OBJECT *algorithm = NULL;
	X509_ALGOR *full = NULL;
	const void *curve = NULL;
	int n = 0, kind = V_ASN1_UNDEF;
	const char *wrong = NULL;

	if (!pub || !X509_PUBKEY_get0_param(&algorithm, &point, &n, &full, pub))
		wrong = "its key cannot be read";
	else
		X509_ALGOR_get0(NULL, &kind, &curve, full);
	if (!wrong && OBJ_obj2nid(algorithm) != NID_X9_62_id_ecPublicKey)
		wrong = "its key is not an elliptic curve key (id-ecPublicKey)";
	else if (!wrong && (kind != V_ASN1_OBJECT || OBJ_obj2nid(curve) != NID_X9_62_prime256v1))
		wrong = "its key is not on P-256 (secp256r1), the one curve that is permitted";
	else if (!wrong && n > 0 && (point[0] == 2 || point[0] == 3))
		wrong = "the point of its key is compressed; only uncompressed points are permitted";
	else if (!wrong && (n != 65 || point[0] != 4 || !X509_get0_pubkey(x)))
		wrong = "the point of its key is malformed";
	if (wrong)
		snprintf(why, TLS_WHY_MAX, "%s", wrong);
	return !wrong;
}
