/* SPDX-License-Identifier: Apache-2.0 */
/* The options of [tls] as setups of TLS and DTLS, for listeners and for clients. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/association/association_int.h"

static enum reeve_rc wrong(char why[TLS_WHY_MAX], enum reeve_rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static enum reeve_rc wrong(char why[TLS_WHY_MAX], enum reeve_rc rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, TLS_WHY_MAX, fmt, ap);
	va_end(ap);
	return rc;
}

/* What the options are made of. */
struct reading {
	const struct config *cfg;
	struct secenv *keys;
	struct arena a;
	struct tls_own *own; size_t n_own;
	struct tls_anchor *anchors; size_t n_anchors;
	const char **crls;
	struct slice domain;
};

static bool protected_url(struct slice url)
{
	return slice_starts(url, S("https:")) || slice_starts(url, S("coaps:")) || slice_starts(url, S("wss:")) ||
	       slice_starts(url, S("mqtts:"));
}

bool setups_wanted(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->registrar.poa.n; i++)
		if (protected_url(cfg->registrar.poa.v[i]))
			return true;
	return cfg->https.address || cfg->coaps.address || cfg->tls.certificates.n || cfg->tls.raw_key.n || cfg->tls.anchors.n ||
	       cfg->registrar.credential.n || protected_url(slice_str(cfg->mqtt.broker));
}

static enum reeve_rc take_key(struct reading *r, const char *option, struct slice kid, struct tls_own *own, char why[TLS_WHY_MAX])
{
	own->key = r->keys ? secenv_find(r->keys, kid) : NULL;
	if (!own->key)
		return wrong(why, RC_INVALID, "%s: there is no key %.*s: reeve key list shows them, reeve key import --alg TLS-ES256 adds "
			     "one", option, SF(kid));
	if (key_info(own->key)->alg != ALG_TLS_ES256)
		return wrong(why, RC_INVALID, "%s: the key %.*s is for %.*s, it has to be for TLS-ES256", option, SF(kid),
			     SF(alg_name(key_info(own->key)->alg)));
	return RC_OK;
}

static enum reeve_rc read_own(struct reading *r, char why[TLS_WHY_MAX])
{
	const struct config_list *list = &r->cfg->tls.certificates;
	enum reeve_rc rc = RC_OK;

	if (!(r->own = arena_array(&r->a, list->n + 1, sizeof(*r->own))))
		return RC_NOMEM;
	for (size_t i = 0; i < list->n && rc == RC_OK; i++) {
		const ptrdiff_t colon = slice_find(list->v[i], ':');

		if (colon <= 0 || (size_t)colon + 1 == list->v[i].n)
			return wrong(why, RC_INVALID, "tls.certificates: %.*s: KEY:FILE is expected", SF(list->v[i]));
		r->own[i].chain = arena_dup(&r->a, slice_skip(list->v[i], (size_t)colon + 1)).p;
		r->n_own++;
		rc = take_key(r, "tls.certificates", slice_of(list->v[i].p, (size_t)colon), &r->own[i], why);
	}
	if (rc == RC_OK && r->cfg->tls.raw_key.n)
		rc = take_key(r, "tls.raw_key", r->cfg->tls.raw_key, &r->own[r->n_own++], why);
	return rc;
}

static enum reeve_rc read_anchors(struct reading *r, char why[TLS_WHY_MAX])
{
	const struct config_list *list = &r->cfg->tls.anchors;

	if (!(r->anchors = arena_array(&r->a, list->n + 1, sizeof(*r->anchors))) ||
	    !(r->crls = arena_array(&r->a, r->cfg->tls.crls.n + 1, sizeof(*r->crls))))
		return RC_NOMEM;
	for (size_t i = 0; i < list->n; i++) {
		struct slice file = list->v[i], flavour = slice_cut(&file, ':');
		int f = 0;

		while (f < TLS_FLAVOURS && !slice_eq(flavour, slice_str(tls_flavour_names[f])))
			f++;
		if (f == TLS_FLAVOURS || !file.n)
			return wrong(why, RC_INVALID, "tls.anchors: %.*s: FLAVOUR:FILE is expected, FLAVOUR being device, cse, ae, "
				     "node or fqdn", SF(list->v[i]));
		r->anchors[r->n_anchors++] = (struct tls_anchor){ (enum tls_flavour)f, arena_dup(&r->a, file).p };
	}
	for (size_t i = 0; i < r->cfg->tls.crls.n; i++)
		r->crls[i] = arena_dup(&r->a, r->cfg->tls.crls.v[i]).p;
	return r->a.failed ? RC_NOMEM : RC_OK;
}

/* SEC-013 */
static enum reeve_rc check_suites(const struct reading *r, char why[TLS_WHY_MAX])
{
	const struct config *cfg = r->cfg;

	if (cfg->tls.psk || (cfg->tls.certificate && r->n_anchors && r->n_own) || (cfg->tls.raw && r->n_own))
		return RC_OK;
	if (!cfg->tls.certificate && !cfg->tls.raw)
		return wrong(why, RC_INVALID, "tls.psk, tls.certificate and tls.raw are all off: no suite is left (TS-0003 10.2.1)");
	return wrong(why, RC_INVALID, "without tls.psk a key of one's own is needed (tls.certificates, tls.raw_key), and for certificates "
		     "tls.anchors: no suite is left (TS-0003 10.2.1)");
}

static struct tls_options options_of(const struct reading *r, bool client, bool datagram, const struct tls_source *source)
{
	const struct config *cfg = r->cfg;
	const bool named = fqdn_valid(r->domain);

	return (struct tls_options){
		.client = client, .datagram = datagram, .tls13 = cfg->tls.tls13, .psk = cfg->tls.psk,
		.certificate = cfg->tls.certificate && r->n_anchors, .raw = cfg->tls.raw && r->n_own,
		.forward_secrecy = cfg->tls.forward_secrecy,
		.own = r->own, .n_own = r->n_own, .server_names = named ? &r->domain : NULL, .n_server_names = named,
		.anchors = r->anchors, .n_anchors = r->n_anchors, .crls = r->crls, .n_crls = cfg->tls.crls.n,
		.crl_required = cfg->tls.crl_required, .depth = cfg->tls.depth, .handshake_time = cfg->tls.handshake_time,
		.hold_time = cfg->tls.hold_time, .held = cfg->tls.held, .resumption = cfg->tls.resumption,
		.source = client ? (struct tls_source){ 0 } : *source,
	};
}

enum reeve_rc setups_new(const struct config *cfg, struct secenv *keys, const struct tls_source *source, struct setups *out,
			 char why[TLS_WHY_MAX])
{
	struct reading r = { .cfg = cfg, .keys = keys };
	enum reeve_rc rc;

	*out = (struct setups){ 0 };
	arena_init(&r.a, NULL, 0, 1 << 20);
	r.domain = own_domain(cfg, &r.a);
	if ((rc = read_own(&r, why)) == RC_OK && (rc = read_anchors(&r, why)) == RC_OK)
		rc = check_suites(&r, why);
	for (int i = 0; i < SETUPS && rc == RC_OK; i++) {
		const struct tls_options o = options_of(&r, i / 2, i % 2, source);
		rc = tls_setup_new(&o, &out->of[setup_index(i / 2, i % 2)], why);
	}
	for (size_t i = 0; i < r.n_own; i++)
		key_put(r.own[i].key);
	arena_reset(&r.a);
	if (rc != RC_OK)
		setups_free(out);
	return rc;
}

void setups_free(struct setups *s)
{
	for (unsigned i = 0; i < SETUPS; i++)
		tls_setup_put(s->of[i]);
	*s = (struct setups){ 0 };
}
