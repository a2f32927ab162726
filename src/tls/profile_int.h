/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the check of a certificate (profile.c): names, path, name constraints, anchors. Files of this folder only. */
#ifndef REEVE_TLS_PROFILE_INT_H
#define REEVE_TLS_PROFILE_INT_H

#include <openssl/x509v3.h>

#include "tls/profile.h"

enum { CERT_NAMES_MAX = 16, CERT_DEPTH_MAX = 16, CERT_DER_MAX = 16384 };

struct cert_anchors {
	X509_STORE *store[TLS_FLAVOURS]; /* NULL: none of this flavour */
	unsigned depth;
	bool crls, crl_required;
};

/* A check under way. */
struct checking {
	const struct cert_anchors *anchors;
	const struct cert_want *want;
	usec now;
	struct arena *a;
	char *why;                   /* of the first failure */
	struct cert_report *report;  /* or NULL */
	bool failed;
};

/* Tell a step. False: this was a failure and nobody wants to hear more. */
bool cert_step(struct checking *c, const char *what, bool ok, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* What comes out of a certificate, fit for a log: printable ASCII, not too long; a NUL behind it. */
const char *cert_shown(struct arena *a, struct slice s);
/* The subject of a certificate, for people. */
const char *cert_subject(struct arena *a, X509 *x);

/* --- names.c --- */

struct cert_names { struct slice of[CERT_NAMES_MAX]; size_t n; };
/* The names that a certificate of this flavour has, each once and in one spelling. False: one that must not be there, as `why` tells; or
 * none of the form, and `why` is empty. */
bool cert_names(X509 *x, enum tls_flavour f, struct arena *a, struct cert_names *out, char why[TLS_WHY_MAX]);
/* "no domain name of a CSE (dNSName)": what is missing where there is none. */
const char *cert_form(enum tls_flavour f);
/* Is the name this one? What is a domain name is compared as one. */
bool cert_name_is(enum tls_flavour f, struct slice name, struct slice wanted);
/* App-ID of an AE-ID certificate; empty: none. False: malformed. */
bool cert_app_id(X509 *x, struct arena *a, struct slice *out);
/* The host of an absolute AE-ID. */
struct slice cert_ae_host(struct slice ae_id);
/* "0.2.481.1.100" of an otherName that stands for an object identifier, or of a registeredID. False: it is neither. */
bool cert_oid_name(const GENERAL_NAME *g, struct arena *a, struct slice *out);

/* --- path.c --- */

enum cert_end { PATH_OK, PATH_BAD, PATH_NOWHERE /* no anchor of this flavour at its end */ };
/* RFC 5280 6.1 to the anchors of a flavour; the steps are told. PATH_OK: *path (leaf first, anchor last) is the caller's. */
enum cert_end cert_path(struct checking *c, enum tls_flavour f, X509 *leaf, STACK_OF(X509) *given, STACK_OF(X509) **path);
/* The key is on P-256 and its point uncompressed. */
bool cert_key_fits(X509 *x, char why[TLS_WHY_MAX]);

/* --- constraints.c --- */

/* Does the path keep to the name constraints of its CAs, those on object identifiers included? AE-ID certificates need constraints. */
bool cert_constraints(STACK_OF(X509) *path, enum tls_flavour f, const struct cert_names *names, struct arena *a, char why[TLS_WHY_MAX]);

#endif
