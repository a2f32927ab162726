/* SPDX-License-Identifier: Apache-2.0 */
/* Is a chain a oneM2M certificate, of which flavour, and whom does it name (TS-0003 8.1.2.5, 10.1.1)?
 *
 * What can be said of the leaf alone comes first: it is cheap, and who sends rubbish gets no path built. Then the path (path.c), once for
 * each flavour whose form the names have and for which anchors are configured; the first that leads to an anchor is the flavour. With a
 * report, checks go on after a failure, so that an operator sees all that is wrong at once. */
#include "tls/profile_int.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdlib.h>

bool cert_step(struct checking *c, const char *what, bool ok, const char *fmt, ...)
{
	char text[TLS_WHY_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!ok && !c->failed) {
		c->failed = true;
		memcpy(c->why, text, sizeof(text));
	}
	if (c->report && c->report->n < CERT_STEPS) {
		struct cert_step *s = &c->report->step[c->report->n++];
		s->what = what;
		s->ok = ok;
		memcpy(s->text, text, sizeof(text));
	}
	return ok || c->report;
}

const char *cert_shown(struct arena *a, struct slice s)
{
	enum { SHOWN = 100 };
	const struct slice copy = arena_dup(a, slice_of(s.p, s.n < SHOWN ? s.n : SHOWN));

	if (!copy.p)
		return "";
	for (char *p = (char *)copy.p; p < copy.p + copy.n; p++)
		if (*p < ' ' || *p >= 0x7f || *p == '"')
			*p = '?';
	return copy.p;
}

const char *cert_subject(struct arena *a, X509 *x)
{
	char room[256] = "";

	X509_NAME_oneline(X509_get_subject_name(x), room, sizeof(room));
	return cert_shown(a, slice_str(room));
}

/* --- the chain as it came --- */

static X509 *certificate(struct slice der)
{
	const unsigned char *p = (const unsigned char *)der.p;
	X509 *x = der.n <= CERT_DER_MAX ? d2i_X509(NULL, &p, (long)der.n) : NULL;

	if (x && p != (const unsigned char *)der.p + der.n) { /* bytes behind it */
		X509_free(x);
		x = NULL;
	}
	ERR_clear_error();
	return x;
}

static bool is_raw_key(struct slice der)
{
	const unsigned char *p = (const unsigned char *)der.p;
	X509_PUBKEY *k = d2i_X509_PUBKEY(NULL, &p, (long)der.n);

	X509_PUBKEY_free(k);
	ERR_clear_error();
	return k != NULL;
}

static STACK_OF(X509) *certificates(struct checking *c, const struct slice *chain, size_t n)
{
	STACK_OF(X509) *all = sk_X509_new_null();

	if (!n)
		cert_step(c, "chain", false, "there is no certificate");
	else if (n > c->anchors->depth)
		cert_step(c, "chain", false, "%zu certificates; at most %u are taken (tls.depth)", n, c->anchors->depth);
	for (size_t i = 0; all && !c->failed && i < n; i++) {
		X509 *x = certificate(chain[i]);
		if (!x)
			cert_step(c, "chain", false, i == 0 && chain[0].n <= CERT_DER_MAX && is_raw_key(chain[0]) ?
				  "it is a raw public key, and a certificate is wanted" : "certificate %zu cannot be read", i + 1);
		else if (!sk_X509_push(all, x))
			X509_free(x);
	}
	if (all && !c->failed && sk_X509_num(all) == (int)n) {
		cert_step(c, "chain", true, "%zu certificate%s; %s", n, n == 1 ? "" : "s", cert_subject(c->a, sk_X509_value(all, 0)));
		return all;
	}
	sk_X509_pop_free(all, X509_free);
	return NULL;
}

/* --- the leaf alone --- */

static bool leaf_fits(struct checking *c, X509 *x)
{
	char why[TLS_WHY_MAX];
	const bool key = cert_key_fits(x, why);
	const int signature = X509_get_signature_nid(x);
	const uint32_t usage = X509_get_key_usage(x), extended = X509_get_extended_key_usage(x); /* all bits set: absent */

	if (!cert_step(c, "key", key, "%s", key ? "P-256, uncompressed" : why))
		return false;
	if (signature != NID_ecdsa_with_SHA256) {
		if (!cert_step(c, "signature", false, "it is signed with %s; only ECDSA with SHA-256 is permitted", OBJ_nid2sn(signature)))
			return false;
	} else {
		cert_step(c, "signature", true, "ECDSA with SHA-256");
	}
	if (usage == UINT32_MAX || !(usage & KU_DIGITAL_SIGNATURE))
		return cert_step(c, "key usage", false, usage == UINT32_MAX ? "it has no keyUsage; digitalSignature must be there" :
				 "its keyUsage lacks digitalSignature");
	if (extended != UINT32_MAX && !(extended & (XKU_SSL_SERVER | XKU_SSL_CLIENT | XKU_ANYEKU)))
		return cert_step(c, "key usage", false, "its extendedKeyUsage permits neither TLS servers nor TLS clients");
	return cert_step(c, "key usage", true, "digitalSignature");
}

/* --- the flavour --- */

static bool wanted_flavour(const struct cert_want *w, int f)
{
	/* A certificate of a MAF or MEF identifies a server; it is no credential of a CSE or AE, and has no Credential-ID. */
	return w->any_flavour ? f != TLS_FLAVOUR_FQDN : f == (int)w->flavour;
}

/* Does the path lead to an anchor of this flavour, without a word? */
static enum cert_end try(struct checking *c, int f, STACK_OF(X509) *all)
{
	char unheard[TLS_WHY_MAX];
	struct checking quiet = *c;
	STACK_OF(X509) *path = NULL;

	quiet.report = NULL;
	quiet.why = unheard;
	quiet.failed = false;
	const enum cert_end end = cert_path(&quiet, (enum tls_flavour)f, sk_X509_value(all, 0), all, &path);
	sk_X509_pop_free(path, X509_free);
	return end;
}

/* The flavour whose names it has and whose anchors it leads to; failing that, one that it comes nearest to. -1: told why not. */
static int choose_flavour(struct checking *c, STACK_OF(X509) *all, struct cert_names *names)
{
	char why[TLS_WHY_MAX] = "there is no name in it of a flavour for which trust anchors are configured", reason[TLS_WHY_MAX];
	struct cert_names its;
	int best = -1, wanted = 0;
	enum cert_end best_end = PATH_NOWHERE;

	for (int f = 0; f < TLS_FLAVOURS; f++) {
		if (!wanted_flavour(c->want, f))
			continue;
		if (!c->anchors->store[f]) {
			if (!c->want->any_flavour)
				snprintf(why, sizeof(why), "no trust anchors of flavour %s are configured", tls_flavour_names[f]);
			continue;
		}
		if (!cert_names(sk_X509_value(all, 0), (enum tls_flavour)f, c->a, &its, reason)) {
			if (*reason)
				memcpy(why, reason, sizeof(why));
			else if (!c->want->any_flavour)
				snprintf(why, sizeof(why), "subjectAltName has %s", cert_form((enum tls_flavour)f));
			continue;
		}
		wanted++;
		const enum cert_end end = c->want->any_flavour ? try(c, f, all) : PATH_NOWHERE;
		if (best < 0 || (end != PATH_NOWHERE && best_end == PATH_NOWHERE) || (end == PATH_OK && best_end != PATH_OK)) {
			best = f;
			best_end = end;
			*names = its;
		}
	}
	if (!wanted)
		cert_step(c, "name", false, "%s", why);
	return best;
}

/* --- which name --- */

static bool choose_name(struct checking *c, enum tls_flavour f, const struct cert_names *names, struct slice *name)
{
	const struct slice wanted = c->want->name;

	*name = names->of[0];
	if (wanted.n) {
		for (size_t i = 0; i < names->n; i++)
			if (cert_name_is(f, names->of[i], wanted)) {
				*name = names->of[i];
				return cert_step(c, "name", true, "%.*s, as wanted", SF(*name));
			}
		return cert_step(c, "name", false, "it names \"%s\", wanted is \"%s\"", cert_shown(c->a, *name), cert_shown(c->a, wanted));
	}
	if (names->n > 1 && f != TLS_FLAVOUR_DEVICE)
		return cert_step(c, "name", false, "it has %zu names (\"%s\", \"%s\"), so that it is not known who it is", names->n,
				 cert_shown(c->a, names->of[0]), cert_shown(c->a, names->of[1]));
	return cert_step(c, "name", true, "%s", cert_shown(c->a, *name));
}

/* --- what it proves --- */

static usec earliest_end(STACK_OF(X509) *path)
{
	usec least = 0;

	for (int i = 0; i < sk_X509_num(path); i++) {
		struct tm tm;
		if (!ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(path, i)), &tm))
			continue;
		const usec end = (usec)timegm(&tm) * USEC_S;
		if (!least || end < least)
			least = end;
	}
	return least;
}

static bool identify(struct checking *c, enum tls_flavour f, X509 *leaf, struct slice name, struct tls_peer *peer)
{
	static const enum credential_type types[TLS_FLAVOURS] = {
		[TLS_FLAVOUR_DEVICE] = CREDENTIAL_DEVICE, [TLS_FLAVOUR_CSE] = CREDENTIAL_CSE, [TLS_FLAVOUR_AE] = CREDENTIAL_AE,
		[TLS_FLAVOUR_NODE] = CREDENTIAL_NODE, [TLS_FLAVOUR_FQDN] = CREDENTIAL_NONE,
	};
	unsigned char *der = NULL;
	const int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);
	enum credential_type type;
	struct slice value;

	peer->type = types[f];
	peer->name = name;
	peer->spki = n > 0 ? arena_dup(c->a, slice_of((const char *)der, (size_t)n)) : S("");
	OPENSSL_free(der);
	if (f == TLS_FLAVOUR_AE && !cert_app_id(leaf, c->a, &peer->app_id))
		return cert_step(c, "App-ID", false, "the App-ID in it is malformed");
	if (peer->app_id.n)
		cert_step(c, "App-ID", true, "%.*s", SF(peer->app_id));
	if (peer->type == CREDENTIAL_NONE)
		return cert_step(c, "identity", true, "the server %.*s", SF(name));
	peer->credential = arena_printf(c->a, "%u-%.*s", (unsigned)peer->type, SF(name));
	const bool ok = credential_id_parse(peer->credential, &type, &value);
	return cert_step(c, "Credential-ID", ok, "%s", ok ? peer->credential.p : "its name makes no Credential-ID");
}

/* Everything that needs a path. */
static void walk(struct checking *c, int f, STACK_OF(X509) *all, const struct cert_names *names, struct tls_peer *peer)
{
	STACK_OF(X509) *path = NULL;
	char why[TLS_WHY_MAX] = "";
	struct slice name;
	const bool going = choose_name(c, (enum tls_flavour)f, names, &name);
	const enum cert_end end = going ? cert_path(c, (enum tls_flavour)f, sk_X509_value(all, 0), all, &path) : PATH_BAD;

	if (end == PATH_NOWHERE) {
		int other = -1; /* tell who mixed up his anchors */
		for (int i = 0; c->report && i < TLS_FLAVOURS; i++)
			if (i != f && c->anchors->store[i] && try(c, i, all) != PATH_NOWHERE)
				other = i;
		cert_step(c, "path", false, "it leads to no trust anchor of flavour %s%s%s", tls_flavour_names[f],
			  other < 0 ? "" : "; it does to one for ", other < 0 ? "" : tls_flavour_names[other]);
	}
	if (end == PATH_OK) {
		X509 *anchor = sk_X509_value(path, sk_X509_num(path) - 1);
		cert_step(c, "path", true, "%d certificate%s to the anchor %s of flavour %s", sk_X509_num(path),
			  sk_X509_num(path) == 1 ? "" : "s", cert_subject(c->a, anchor), tls_flavour_names[f]);
		const bool kept = cert_constraints(path, (enum tls_flavour)f, names, c->a, why);
		cert_step(c, "name constraints", kept, "%s", kept ? "kept" : why);
		if (c->anchors->crls && !c->failed)
			cert_step(c, "revocation", true, "on no list");
		peer->expires = earliest_end(path);
	}
	if (end == PATH_OK && (!c->failed || c->report))
		identify(c, (enum tls_flavour)f, sk_X509_value(all, 0), name, peer);
	sk_X509_pop_free(path, X509_free);
}

enum reeve_rc cert_check(const struct cert_anchors *anchors, const struct slice *chain, size_t n, const struct cert_want *want, usec now,
			 struct arena *a, struct tls_peer *peer, char why[TLS_WHY_MAX], struct cert_report *report)
{
	struct checking c = { .anchors = anchors, .want = want, .now = now, .a = a, .why = why, .report = report };
	struct cert_names names;
	STACK_OF(X509) *all;
	int f;

	*why = '\0';
	*peer = (struct tls_peer){ 0 };
	if (report)
		report->n = 0;
	all = certificates(&c, chain, n);
	if (all && leaf_fits(&c, sk_X509_value(all, 0)) && (f = choose_flavour(&c, all, &names)) >= 0)
		walk(&c, f, all, &names, peer);
	else if (!c.failed)
		cert_step(&c, "chain", false, "no memory");
	sk_X509_pop_free(all, X509_free);
	if (!c.failed && a->failed)
		cert_step(&c, "chain", false, "no memory");
	if (c.failed)
		*peer = (struct tls_peer){ 0 };
	return c.failed ? RC_DENIED : RC_OK;
}
