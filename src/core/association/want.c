/* SPDX-License-Identifier: Apache-2.0 */
/* SA2: with what to go to somebody who is registered here, or to the registrar (TS-0003 8.2.1): the credentials of the association that the
 * registration came through, roles swapped, and nothing else (SEC-024 to SEC-028). */
#include "core/association/association_int.h"
#include "core/trust.h"

static enum reeve_rc with_key(struct core *c, struct slice id, struct tls_want *out)
{
	struct secenv *keys = trust_keys(c);
	enum credential_type type;
	struct slice value;

	if (!credential_id_parse(id, &type, &value) || !keys || !(out->psk = secenv_find(keys, id)))
		return RC_NOTFOUND;
	out->psk_identity = value;
	return RC_OK;
}

static enum reeve_rc with_certificate(struct core *c, enum tls_flavour flavour, struct slice name, struct tls_want *out)
{
	if (!name.n || !c->cfg->tls.certificate || !c->cfg->tls.anchors.n || !(c->cfg->tls.certificates.n || c->cfg->tls.raw_key.n))
		return RC_NOTFOUND;
	out->flavour = flavour;
	out->name = name;
	return RC_OK;
}

/* By the credential that the other end came with. */
static enum reeve_rc by_credential(struct core *c, struct slice id, struct tls_want *out)
{
	enum credential_type type;
	struct slice value;

	if (!credential_id_parse(id, &type, &value))
		return RC_NOTFOUND;
	switch (type) {
	case CREDENTIAL_RAW: out->public_key = value; return RC_OK;
	case CREDENTIAL_DEVICE: return with_certificate(c, TLS_FLAVOUR_DEVICE, value, out);
	case CREDENTIAL_CSE: return with_certificate(c, TLS_FLAVOUR_CSE, value, out);
	case CREDENTIAL_AE: return with_certificate(c, TLS_FLAVOUR_AE, value, out);
	case CREDENTIAL_NODE: return with_certificate(c, TLS_FLAVOUR_NODE, value, out);
	default: return with_key(c, id, out);
	}
}

static enum reeve_rc to_registrar(struct core *c, struct arena *a, struct slice entity, struct tls_want *out)
{
	const struct config *cfg = c->cfg;

	out->server_name = domain_of(c, a, entity); /* SEC-016 */
	if (cfg->registrar.credential.n)
		return with_key(c, cfg->registrar.credential, out);
	if (cfg->registrar.public_key.n) {
		out->public_key = cfg->registrar.public_key;
		return RC_OK;
	}
	return with_certificate(c, TLS_FLAVOUR_CSE, out->server_name, out);
}

static bool is_cse(const struct core *c, struct arena *a, struct slice entity)
{
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon;

	return ident_parse(a, &c->home, entity, &kind, &form, &canon) == RC_OK && kind == ID_CSE;
}

static enum reeve_rc to_registree(struct core *c, struct arena *a, struct slice entity, struct tls_want *out)
{
	struct credential row = { 0 };
	struct slice bound = S("");
	struct st_tx *tx = snapshot_begin(c->associations);
	enum reeve_rc rc;

	if (!tx)
		return RC_IO;
	/* who registered under a credential is met with that one */
	rc = credential_of(tx, a, entity, &bound);
	if (rc == RC_OK && credential_get(tx, a, bound, &row) == RC_OK && !credential_good(&row, clock_wall()))
		rc = RC_DENIED;
	else if (rc == RC_NOTFOUND && (rc = credential_named(tx, a, entity, clock_wall(), &row)) == RC_OK)
		bound = row.id;
	snapshot_end(c->associations);
	if (is_cse(c, a, entity))
		out->server_name = row.domain.n ? row.domain : domain_of(c, a, entity);
	if (rc == RC_OK)
		rc = by_credential(c, bound, out);
	else if (rc == RC_NOTFOUND && out->server_name.n)
		rc = with_certificate(c, TLS_FLAVOUR_CSE, out->server_name, out);
	return rc == RC_DENIED ? RC_NOTFOUND : rc;
}

enum reeve_rc association_want(struct core *c, struct slice entity, struct arena *a, struct tls_want *out)
{
	struct slice registrar;
	enum reeve_rc rc;

	*out = (struct tls_want){ 0 };
	if (!c->associations || !entity.n)
		return RC_NOTFOUND;
	registrar = registrar_of(c, a);
	rc = registrar.n && slice_eq(entity, registrar) ? to_registrar(c, a, entity, out) : to_registree(c, a, entity, out);
	if (rc == RC_OK && out->server_name.n && !fqdn_valid(out->server_name))
		out->server_name = S("");
	return a->failed ? RC_NOMEM : rc;
}

void association_want_done(struct tls_want *w)
{
	key_put(w->psk);
	w->psk = NULL;
}
