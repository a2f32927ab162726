/* SPDX-License-Identifier: Apache-2.0 */
/* From a proven credential to a CSE-ID or AE-IDs (TS-0003 8.2.1, 8.1.2.1). In this order: the row of the table; the registrar, as it is
 * configured; what stands in the certificate; the rules of the service subscription, which decide when it registers. */
#include <stdarg.h>
#include <stdio.h>

#include "core/association/association_int.h"
#include "core/registration/profile.h"

static bool nobody(char why[TLS_WHY_MAX], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool nobody(char why[TLS_WHY_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, TLS_WHY_MAX, fmt, ap);
	va_end(ap);
	return false;
}

/* --- names of CSEs --- */

static struct slice made_domain(struct arena *a, struct slice sp_id, struct slice cse_id)
{
	return arena_printf(a, "%.*s.%.*s", SF(slice_skip(cse_id, 1)), SF(slice_skip(sp_id, 2)));
}

struct slice own_domain(const struct config *cfg, struct arena *a)
{
	return cfg->tls.domain.n ? cfg->tls.domain : made_domain(a, cfg->sp_id, cfg->cse_id);
}

struct slice domain_of(const struct core *c, struct arena *a, struct slice cse)
{
	const struct slice rest = slice_skip(cse, 2); /* "//sp/cse" */
	const ptrdiff_t slash = slice_find(rest, '/');
	struct slice sp = slice_of(cse.p, slash < 0 ? 0 : (size_t)slash + 2), registrar = registrar_of(c, a), own;

	if (!sp.n)
		return S("");
	if (registrar.n && slice_eq(cse, registrar) && c->cfg->registrar.domain.n)
		return c->cfg->registrar.domain;
	own = own_domain(c->cfg, a);
	/* below an IN-CSE its registrees have its name behind theirs (TS-0001 6.5.1.1) */
	if (c->cfg->type == CSE_IN && slice_eq(sp, c->home.sp_id))
		return arena_printf(a, "%.*s.%.*s", SF(slice_skip(rest, (size_t)slash + 1)), SF(own));
	return made_domain(a, sp, slice_skip(rest, (size_t)slash));
}

struct slice registrar_of(const struct core *c, struct arena *a)
{
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon;

	if (!c->cfg->registrar.cse_id.n || ident_parse(a, &c->home, c->cfg->registrar.cse_id, &kind, &form, &canon) != RC_OK)
		return S("");
	return kind == ID_NONE ? S("") : canon;
}

/* Is name a label before this domain? */
static bool label_below(struct slice name, struct slice domain)
{
	const ptrdiff_t dot = slice_find(name, '.');

	return domain.n && dot > 0 && fqdn_same(slice_skip(name, (size_t)dot + 1), domain);
}

/* The CSE whose public domain name this is, when no row says so: its first label, below the domain of the service provider or of an
 * IN-CSE. */
static bool cse_by_domain(const struct core *c, struct arena *a, struct slice name, struct slice *cse)
{
	const struct slice registrar = registrar_of(c, a), own = own_domain(c->cfg, a);
	const struct slice above = slice_skip(own, slice_find(own, '.') < 0 ? own.n : (size_t)slice_find(own, '.') + 1);
	const struct slice in = c->cfg->type == CSE_IN ? own : registrar.n ? domain_of(c, a, registrar) : S("");

	if (registrar.n && fqdn_same(name, domain_of(c, a, registrar))) {
		*cse = registrar;
		return true;
	}
	if (!label_below(name, in) && !label_below(name, above) && !label_below(name, slice_skip(c->home.sp_id, 2)))
		return false;
	*cse = arena_printf(a, "%.*s/%.*s", SF(c->home.sp_id), (int)slice_find(name, '.'), name.p);
	return cse->p && !slice_eq(*cse, c->home.abs);
}

/* --- the peer --- */

static bool is_registrar(const struct core *c, const struct tls_peer *p)
{
	if (!c->cfg->registrar.cse_id.n)
		return false;
	if (p->type == CREDENTIAL_RAW)
		return c->cfg->registrar.public_key.n && public_key_id_matches(c->cfg->registrar.public_key, p->spki);
	return c->cfg->registrar.credential.n && slice_eq(p->credential, c->cfg->registrar.credential);
}

static bool by_certificate_of_ae(const struct core *c, struct arena *a, struct slice name, struct identity *out, char why[TLS_WHY_MAX])
{
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon;

	if (ident_parse(a, &c->home, name, &kind, &form, &canon) != RC_OK)
		return nobody(why, "out of memory");
	if ((kind != ID_AE_C && kind != ID_AE_S) || form != ID_ABSOLUTE || !(out->ae_ids = arena_array(a, 1, sizeof(*out->ae_ids))))
		return nobody(why, "the certificate carries no absolute AE-ID: %.*s", SF(name));
	out->ae_ids[out->n_ae_ids++] = canon;
	return true;
}

/* Without a row. */
static bool by_itself(struct core *c, struct st_tx *tx, struct arena *a, const struct tls_peer *p, struct identity *out,
		      char why[TLS_WHY_MAX])
{
	if (is_registrar(c, p)) {
		out->cse_id = registrar_of(c, a);
		return out->cse_id.n || nobody(why, "registrar.id is no CSE-ID");
	}
	switch (p->type) {
	case CREDENTIAL_CSE: /* SEC-045 */
		if (cse_by_domain(c, a, p->name, &out->cse_id))
			return true;
		return nobody(why, "the certificate is for %.*s, which is below neither this service provider's domain nor an IN-CSE's: "
			      "reeve credential add --certificate-of cse says which CSE that is", SF(p->name));
	case CREDENTIAL_AE: /* SEC-046 */
		return by_certificate_of_ae(c, a, p->name, out, why);
	case CREDENTIAL_NONE: /* a server of whom only the name counts */
		return true;
	case CREDENTIAL_PSK: /* its key was found: in the table, then, unless it comes from elsewhere */
		if (credential_type_of(out->credential) != CREDENTIAL_PSK)
			return true;
		return nobody(why, "the credential %.*s is in the table of credentials no longer", SF(p->credential));
	default: /* SEC-047 to SEC-049 */
		if (profile_names_credential(c, tx, a, p->credential))
			return true;
		return nobody(why, "the credential %.*s is not known here: reeve credential add makes it known", SF(p->credential));
	}
}

/* Keys that a source found have Credential-IDs of its type. */
static struct slice id_of(struct associations *as, struct st_tx *tx, struct arena *a, const struct tls_peer *p, struct credential *row,
			  enum reeve_rc *rc)
{
	struct slice relative, fqdn, id = p->credential;

	*rc = credential_get(tx, a, id, row);
	if (*rc != RC_NOTFOUND || p->type != CREDENTIAL_PSK || !as || !key_identifier_parse(p->name, &relative, &fqdn))
		return id;
	for (struct key_source *s = as->sources; s; s = s->next)
		if (s->serves(s->ctx, fqdn)) {
			id = arena_printf(a, "%d-%.*s", (int)s->type, SF(p->name));
			*rc = credential_get(tx, a, id, row);
			break;
		}
	return id;
}

bool identify(struct core *c, struct st_tx *tx, struct arena *a, const struct tls_peer *p, struct identity *out, char why[TLS_WHY_MAX])
{
	struct credential row = { 0 };
	enum reeve_rc rc;

	*out = (struct identity){ .expires = p->expires };
	out->credential = arena_dup(a, id_of(c->associations, tx, a, p, &row, &rc));
	if (rc != RC_OK && rc != RC_NOTFOUND)
		return nobody(why, "the table of credentials cannot be read: %s", rc_name(rc));
	if (rc == RC_OK && row.revoked)
		return nobody(why, "the credential %.*s is revoked", SF(row.id));
	if (rc == RC_OK && !credential_good(&row, clock_wall())) /* SEC-030 */
		return nobody(why, "the credential %.*s has expired", SF(row.id));
	if (rc == RC_OK && row.expires && (!out->expires || row.expires < out->expires))
		out->expires = row.expires;
	if (row.cse_id.n || row.n_ae_ids) {
		out->cse_id = row.cse_id;
		out->ae_ids = row.ae_ids;
		out->n_ae_ids = row.n_ae_ids;
	} else if ((rc == RC_NOTFOUND || p->type == CREDENTIAL_CSE || p->type == CREDENTIAL_AE) && !by_itself(c, tx, a, p, out, why)) {
		return false;
	}
	return !a->failed || nobody(why, "out of memory");
}

bool association_claimed(struct core *c, struct st_tx *tx, struct arena *a, struct slice credential, struct peer *peer,
			 char why[TLS_WHY_MAX])
{
	struct tls_peer p = { .credential = credential };
	struct identity who = { .credential = credential };
	struct credential row;

	if (!credential_id_parse(credential, &p.type, &p.name))
		return nobody(why, "%.*s is no Credential-ID: TYPE-VALUE", SF(credential));
	/* a certificate of a CSE or AE names its holder */
	if ((p.type == CREDENTIAL_CSE || p.type == CREDENTIAL_AE || is_registrar(c, &p) ||
	     credential_get(tx, a, credential, &row) != RC_NOTFOUND) && !identify(c, tx, a, &p, &who, why))
		return false;
	peer->association = true;
	peer->credential = who.credential;
	peer->cse_id = who.cse_id;
	peer->ae_ids = who.ae_ids;
	peer->n_ae_ids = who.n_ae_ids;
	return true;
}
