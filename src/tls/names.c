/* SPDX-License-Identifier: Apache-2.0 */
/* What a certificate of a flavour names (TS-0003 10.1.1.4 to 10.1.1.8), from subjectAltName alone; the subject never counts (SEC-067).
 *
 *   cse     dNSName                                          the domain name, in lower case
 *   fqdn    dNSName, or a URI that is the domain name or     the same
 *           "scheme://" before it
 *   ae      URI, "//host/..." or any scheme before it the absolute AE-ID, its host in lower case
 *   node    URI that is a URN, registeredID           the URN as it stands; the object identifier with dots
 *   device  registeredID, otherName with the rest of the     the object identifier with dots
 *           arcs as UTF8String
 *
 * Beside an AE-ID, a directoryName "UID=..." is the App-ID (docs/deviations.md).
 * Names of other forms may stand beside. A name of the form that is malformed or has a wildcard refuses the certificate. */
#include "tls/profile_int.h"

#include <ctype.h>

enum fit { FITS_NOT, FITS, MALFORMED };

static struct slice asn1_slice(const ASN1_STRING *s)
{
	return slice_of((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static struct slice lower(struct arena *a, struct slice s)
{
	struct slice out = arena_dup(a, s);
	for (char *p = (char *)out.p; p && p < out.p + out.n; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return out;
}

/* "scheme:" at the start of a URI is skipped. */
static struct slice without_scheme(struct slice uri)
{
	const ptrdiff_t colon = slice_find(uri, ':');

	if (colon <= 0 || !isalpha((unsigned char)uri.p[0]))
		return uri;
	for (ptrdiff_t i = 1; i < colon; i++)
		if (!isalnum((unsigned char)uri.p[i]) && !memchr("+-.", uri.p[i], 3))
			return uri;
	return slice_skip(uri, (size_t)colon + 1);
}

static bool unreserved(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80 || (!isalnum((unsigned char)s.p[i]) && !memchr("-._~", s.p[i], 4)))
			return false;
	return s.n > 0;
}

struct slice cert_ae_host(struct slice ae_id)
{
	struct slice rest = slice_skip(ae_id, 2);
	return slice_cut(&rest, '/');
}

/* "//host/Sstem" or "//host/cse/Cstem". */
static bool absolute_ae_id(struct slice s)
{
	struct slice rest = slice_skip(s, 2), first, stem;

	if (!slice_starts(s, S("//")) || !fqdn_valid(slice_cut(&rest, '/')) || !rest.p)
		return false;
	first = slice_cut(&rest, '/');
	if (!rest.p)
		return first.n > 1 && first.p[0] == 'S' && unreserved(first);
	stem = slice_cut(&rest, '/');
	return !rest.p && unreserved(first) && stem.n > 1 && stem.p[0] == 'C' && unreserved(stem);
}

static enum fit domain_name(struct slice s, struct arena *a, struct slice *out)
{
	*out = lower(a, s);
	return fqdn_valid(s) ? FITS : MALFORMED;
}

static enum fit fqdn_uri(struct slice s, struct arena *a, struct slice *out)
{
	const struct slice rest = without_scheme(s), host = slice_starts(rest, S("//")) ? slice_skip(rest, 2) : s;
	*out = lower(a, host);
	return fqdn_valid(host) ? FITS : FITS_NOT;
}

static enum fit ae_uri(struct slice s, struct arena *a, struct slice *out)
{
	const struct slice id = without_scheme(s);

	if (!absolute_ae_id(id))
		return FITS_NOT;
	const struct slice host = cert_ae_host(id);
	*out = arena_printf(a, "//%.*s%.*s", SF(lower(a, host)), SF(slice_skip(id, 2 + host.n)));
	return FITS;
}

static enum fit urn(struct slice s, struct slice *out)
{
	*out = s;
	if (s.n < 5 || !slice_ieq(slice_of(s.p, 4), S("urn:")))
		return FITS_NOT;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return MALFORMED;
	return FITS;
}

static bool oid_text(const ASN1_OBJECT *o, char room[CREDENTIAL_ID_MAX], struct slice *out)
{
	const int n = OBJ_obj2txt(room, CREDENTIAL_ID_MAX, o, 1);
	*out = slice_of(room, n > 0 ? (size_t)n : 0);
	return n > 0 && n < CREDENTIAL_ID_MAX;
}

/* Arcs "100.3030": numbers without leading zeros, dots between. */
static bool arcs(struct slice s)
{
	for (struct slice rest = s; rest.p; ) {
		const struct slice arc = slice_cut(&rest, '.');
		if (!arc.n || (arc.n > 1 && arc.p[0] == '0'))
			return false;
		for (size_t i = 0; i < arc.n; i++)
			if (arc.p[i] < '0' || arc.p[i] > '9')
				return false;
	}
	return true;
}

bool cert_oid_name(const GENERAL_NAME *g, struct arena *a, struct slice *out)
{
	char room[CREDENTIAL_ID_MAX];
	struct slice oid;

	if (g->type == GEN_RID && oid_text(g->d.registeredID, room, &oid)) {
		*out = arena_dup(a, oid);
		return true;
	}
	if (g->type != GEN_OTHERNAME || g->d.otherName->value->type != V_ASN1_UTF8STRING ||
	    !oid_text(g->d.otherName->type_id, room, &oid))
		return false;
	const struct slice rest = asn1_slice(g->d.otherName->value->value.utf8string);
	*out = rest.n ? arena_printf(a, "%.*s.%.*s", SF(oid), SF(rest)) : arena_dup(a, oid);
	return !rest.n || arcs(rest);
}

static enum fit fit_uri(struct slice s, enum tls_flavour f, struct arena *a, struct slice *out)
{
	switch (f) {
	case TLS_FLAVOUR_AE:
		return ae_uri(s, a, out);
	case TLS_FLAVOUR_NODE:
		return urn(s, out);
	case TLS_FLAVOUR_FQDN:
		return fqdn_uri(s, a, out);
	default:
		return FITS_NOT;
	}
}

static enum fit fit(const GENERAL_NAME *g, enum tls_flavour f, struct arena *a, struct slice *out)
{
	const bool oids = f == TLS_FLAVOUR_DEVICE || f == TLS_FLAVOUR_NODE;

	if (g->type == GEN_DNS && (f == TLS_FLAVOUR_CSE || f == TLS_FLAVOUR_FQDN))
		return domain_name(asn1_slice(g->d.dNSName), a, out);
	if (g->type == GEN_URI)
		return fit_uri(asn1_slice(g->d.uniformResourceIdentifier), f, a, out);
	if (oids && (g->type == GEN_RID || (g->type == GEN_OTHERNAME && f == TLS_FLAVOUR_DEVICE))) {
		if (g->type == GEN_OTHERNAME && !(g->d.otherName->value->type == V_ASN1_UTF8STRING &&
						  ASN1_STRING_length(g->d.otherName->value->value.utf8string) > 0))
			return FITS_NOT; /* an empty rest would make the arc of all devices the name of one */
		return cert_oid_name(g, a, out) ? FITS : FITS_NOT;
	}
	return FITS_NOT;
}

const char *cert_form(enum tls_flavour f)
{
	static const char *const forms[TLS_FLAVOURS] = {
		[TLS_FLAVOUR_DEVICE] = "no device identifier: registeredID, or otherName with the remaining arcs as UTF8String",
		[TLS_FLAVOUR_CSE] = "no domain name of a CSE (dNSName)",
		[TLS_FLAVOUR_AE] = "no absolute AE-ID as URI, like https://m2m.example.com/Smeter9 or https://m2m.example.com/cse/Cpump1",
		[TLS_FLAVOUR_NODE] = "no Node-ID: a URI that is a URN, or registeredID",
		[TLS_FLAVOUR_FQDN] = "no domain name of a MAF or MEF (dNSName or URI)",
	};
	return forms[f];
}

static bool known(const struct cert_names *n, struct slice name)
{
	for (size_t i = 0; i < n->n; i++)
		if (slice_eq(n->of[i], name))
			return true;
	return false;
}

/* One entry of subjectAltName. */
static bool take_name(const GENERAL_NAME *g, enum tls_flavour f, struct arena *a, struct cert_names *out, char why[TLS_WHY_MAX])
{
	const bool text = g->type == GEN_DNS || g->type == GEN_URI;
	const struct slice raw = text ? asn1_slice(g->d.ia5) : S("");
	struct slice name = { NULL, 0 };

	if (slice_find(raw, '*') >= 0 && f != TLS_FLAVOUR_DEVICE) {
		snprintf(why, TLS_WHY_MAX, "\"%s\" has a wildcard, which no certificate of oneM2M may have", cert_shown(a, raw));
		return false;
	}
	switch (fit(g, f, a, &name)) {
	case FITS_NOT:
		return true;
	case MALFORMED:
		snprintf(why, TLS_WHY_MAX, "\"%s\" is no %s", cert_shown(a, raw), f == TLS_FLAVOUR_NODE ? "URN" : "domain name");
		return false;
	case FITS:
		break;
	}
	if (!name.p || name.n > CREDENTIAL_ID_MAX - 3) {
		snprintf(why, TLS_WHY_MAX, "a name in it is longer than %d bytes", CREDENTIAL_ID_MAX - 3);
		return false;
	}
	if (known(out, name))
		return true;
	if (out->n == CERT_NAMES_MAX) {
		snprintf(why, TLS_WHY_MAX, "it has more than %d names", CERT_NAMES_MAX);
		return false;
	}
	out->of[out->n++] = arena_dup(a, name);
	return true;
}

bool cert_names(X509 *x, enum tls_flavour f, struct arena *a, struct cert_names *out, char why[TLS_WHY_MAX])
{
	int critical;
	GENERAL_NAMES *san = X509_get_ext_d2i(x, NID_subject_alt_name, &critical, NULL);
	bool ok = san != NULL;

	*why = '\0';
	out->n = 0;
	if (!san)
		snprintf(why, TLS_WHY_MAX, "it has %s (the subject does not count)",
			 critical == -1 ? "no subjectAltName" : "a subjectAltName that cannot be read, or two");
	for (int i = 0; ok && i < sk_GENERAL_NAME_num(san); i++)
		ok = take_name(sk_GENERAL_NAME_value(san, i), f, a, out, why);
	GENERAL_NAMES_free(san);
	return ok && out->n;
}

bool cert_name_is(enum tls_flavour f, struct slice name, struct slice wanted)
{
	if (f == TLS_FLAVOUR_CSE || f == TLS_FLAVOUR_FQDN)
		return fqdn_same(name, wanted);
	if (f != TLS_FLAVOUR_AE || !slice_starts(wanted, S("//")))
		return slice_eq(name, wanted);
	const struct slice host = cert_ae_host(wanted); /* the rest is exact (SEC-061) */
	return fqdn_same(cert_ae_host(name), host) && slice_eq(slice_skip(name, 2 + host.n), slice_skip(wanted, 2 + host.n));
}

/* A directoryName that is one UID (RFC 4519 2.39) and nothing else: no form of a oneM2M name, and any tool can write it. */
static bool lone_uid(const GENERAL_NAME *g, struct slice *out)
{
	const X509_NAME *name = g->type == GEN_DIRNAME ? g->d.directoryName : NULL;
	const X509_NAME_ENTRY *e = name && X509_NAME_entry_count(name) == 1 ? X509_NAME_get_entry(name, 0) : NULL;

	if (!e || OBJ_obj2nid(X509_NAME_ENTRY_get_object(e)) != NID_userId)
		return false;
	*out = asn1_slice(X509_NAME_ENTRY_get_data(e));
	return true;
}

bool cert_app_id(X509 *x, struct arena *a, struct slice *out)
{
	GENERAL_NAMES *san = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	struct slice text;
	bool ok = true;

	*out = S("");
	for (int i = 0; ok && i < sk_GENERAL_NAME_num(san); i++) {
		if (!lone_uid(sk_GENERAL_NAME_value(san, i), &text))
			continue;
		ok = !out->n && text.n <= 128 && unreserved(text);
		*out = ok ? arena_dup(a, text) : S("");
	}
	GENERAL_NAMES_free(san);
	return ok;
}
