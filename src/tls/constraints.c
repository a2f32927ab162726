/* SPDX-License-Identifier: Apache-2.0 */
/* Name constraints (RFC 5280 4.2.1.10) as oneM2M uses them.
 *
 * For every CA of a path and every certificate below it:
 * - names that are object identifiers (device identifiers, Node-IDs): subtrees are prefixes at an arc, whether they stand as otherName
 *   (type and rest of the arcs, TS-0003 10.1.1.4.2) or as registeredID. No library knows these, so they are checked here;
 * - all other names: OpenSSL's NAME_CONSTRAINTS_check on the rest of the constraints. It has seen them already while it built the path, but
 *   for those that stood beside one that it does not know.
 * An AE-ID certificate's issuer must constrain its host (10.1.1.5; SEC-076), as a URI or as a domain name. Constraints of domain names are
 * held against the host here; no library would, because by RFC 5280 they are for dNSName alone. */
#include "tls/profile_int.h"

#include <openssl/err.h>

static bool is_oid_subtree(const GENERAL_SUBTREE *s)
{
	return s->base->type == GEN_OTHERNAME || s->base->type == GEN_RID;
}

static bool below(struct slice name, struct slice tree)
{
	return slice_starts(name, tree) && (name.n == tree.n || name.p[tree.n] == '.');
}

/* Does one of the subtrees contain the object identifier? *any: are there any at all? A subtree that cannot be read contains nothing. */
static bool oid_in(struct slice name, STACK_OF(GENERAL_SUBTREE) *trees, struct arena *a, bool *any, bool *unreadable)
{
	bool in = false;

	*any = false;
	for (int i = 0; i < sk_GENERAL_SUBTREE_num(trees); i++) {
		const GENERAL_SUBTREE *s = sk_GENERAL_SUBTREE_value(trees, i);
		struct slice tree;
		if (!is_oid_subtree(s))
			continue;
		*any = true;
		if (!cert_oid_name(s->base, a, &tree))
			*unreadable = true;
		else if (below(name, tree))
			in = true;
	}
	return in;
}

static bool oid_permitted(const GENERAL_NAME *g, const NAME_CONSTRAINTS *nc, struct arena *a)
{
	bool any, unreadable = false;
	struct slice name;

	if (!cert_oid_name(g, a, &name))
		return true; /* an otherName of some other kind */
	if (oid_in(name, nc->excludedSubtrees, a, &any, &unreadable) || (any && unreadable))
		return false; /* what is excluded must be understood */
	return oid_in(name, nc->permittedSubtrees, a, &any, &unreadable) || !any;
}

static bool oids_permitted(X509 *x, const NAME_CONSTRAINTS *nc, struct arena *a)
{
	GENERAL_NAMES *san = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	bool ok = true;

	for (int i = 0; ok && i < sk_GENERAL_NAME_num(san); i++)
		ok = oid_permitted(sk_GENERAL_NAME_value(san, i), nc, a);
	GENERAL_NAMES_free(san);
	return ok;
}

/* What OpenSSL can judge stays. */
static void without_oids(STACK_OF(GENERAL_SUBTREE) *trees)
{
	for (int i = sk_GENERAL_SUBTREE_num(trees) - 1; i >= 0; i--)
		if (is_oid_subtree(sk_GENERAL_SUBTREE_value(trees, i)))
			GENERAL_SUBTREE_free(sk_GENERAL_SUBTREE_delete(trees, i));
}

static bool in_domain(struct slice host, struct slice domain)
{
	if (!domain.n || slice_ieq(host, domain))
		return true;
	const bool dot = domain.p[0] == '.';
	if (host.n <= domain.n || !slice_ieq(slice_skip(host, host.n - domain.n), domain))
		return false;
	return dot || host.p[host.n - domain.n - 1] == '.';
}

/* Are there subtrees of a type, and is the host in one of them? */
static bool host_in(struct slice host, STACK_OF(GENERAL_SUBTREE) *trees, bool *any)
{
	bool in = false;

	*any = false;
	for (int i = 0; i < sk_GENERAL_SUBTREE_num(trees); i++) {
		const GENERAL_NAME *base = sk_GENERAL_SUBTREE_value(trees, i)->base;
		if (base->type != GEN_DNS)
			continue;
		*any = true;
		in |= in_domain(host, slice_of((const char *)ASN1_STRING_get0_data(base->d.dNSName),
					       (size_t)ASN1_STRING_length(base->d.dNSName)));
	}
	return in;
}

static bool has_uri(STACK_OF(GENERAL_SUBTREE) *trees)
{
	for (int i = 0; i < sk_GENERAL_SUBTREE_num(trees); i++)
		if (sk_GENERAL_SUBTREE_value(trees, i)->base->type == GEN_URI)
			return true;
	return false;
}

/* The host of an AE-ID against the domain names of one CA; those of URIs OpenSSL does. *constrained: this CA permits some hosts only. */
static bool ae_host_permitted(struct slice host, const NAME_CONSTRAINTS *nc, bool *constrained)
{
	const bool uri = has_uri(nc->permittedSubtrees);
	bool any;

	if (host_in(host, nc->excludedSubtrees, &any))
		return false;
	const bool in = host_in(host, nc->permittedSubtrees, &any);
	*constrained = uri || any;
	return uri || !any || in;
}

static bool self_issued(X509 *x)
{
	return X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0;
}

/* One CA against all certificates below it. nc is changed. */
static bool keeps_to(STACK_OF(X509) *path, int ca, NAME_CONSTRAINTS *nc, struct arena *a, char why[TLS_WHY_MAX])
{
	const char *wrong = NULL;
	int i = 0;

	for (i = 0; !wrong && i < ca; i++)
		if (!oids_permitted(sk_X509_value(path, i), nc, a))
			wrong = "an object identifier outside of what";
	without_oids(nc->permittedSubtrees);
	without_oids(nc->excludedSubtrees);
	for (i = 0; !wrong && i < ca; i++) {
		X509 *x = sk_X509_value(path, i);
		if ((i == 0 || !self_issued(x)) && NAME_CONSTRAINTS_check(x, nc) != X509_V_OK)
			wrong = "a name outside of what";
	}
	if (wrong)
		snprintf(why, TLS_WHY_MAX, "a certificate below CA certificate %d (%.60s) has %s that CA may certify", ca,
			 cert_subject(a, sk_X509_value(path, ca)), wrong);
	return !wrong;
}

static bool ae_hosts_permitted(const struct cert_names *names, const NAME_CONSTRAINTS *nc, bool *constrained, char why[TLS_WHY_MAX])
{
	for (size_t i = 0; i < names->n; i++) {
		const struct slice host = cert_ae_host(names->of[i]);
		if (!ae_host_permitted(host, nc, constrained)) {
			snprintf(why, TLS_WHY_MAX, "the host %.*s of its AE-ID is outside of what a CA above may certify", SF(host));
			return false;
		}
	}
	return true;
}

bool cert_constraints(STACK_OF(X509) *path, enum tls_flavour f, const struct cert_names *names, struct arena *a, char why[TLS_WHY_MAX])
{
	bool ok = true, issuer_constrains = false;

	for (int i = 1; ok && i < sk_X509_num(path); i++) {
		int critical;
		bool constrained = false;
		NAME_CONSTRAINTS *nc = X509_get_ext_d2i(sk_X509_value(path, i), NID_name_constraints, &critical, NULL);
		if (!nc && critical == -1)
			continue;
		ok = nc != NULL;
		if (!ok)
			snprintf(why, TLS_WHY_MAX, "the name constraints of CA certificate %d cannot be read", i);
		if (ok && f == TLS_FLAVOUR_AE)
			ok = ae_hosts_permitted(names, nc, &constrained, why);
		issuer_constrains |= i == 1 && constrained;
		ok = ok && keeps_to(path, i, nc, a, why);
		NAME_CONSTRAINTS_free(nc);
	}
	ERR_clear_error();
	if (ok && f == TLS_FLAVOUR_AE && !issuer_constrains) {
		snprintf(why, TLS_WHY_MAX, "the CA of an AE-ID certificate must have name constraints that permit hosts (URI or DNS); its "
			 "issuer has none");
		ok = false;
	}
	return ok;
}
