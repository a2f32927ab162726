/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.2 (1.3 with certificates, when [tls] has it) by PSK or by certificates (TS-0003 8.2, 10.2). The anchors are those of mqtt.ca and
 * no others. A PSK is lent by the secure environment for the moment in which OpenSSL asks for it; a private key never leaves its handle
 * but for OpenSSL itself (secenv/key_ssl.h).
 *
 * libmosquitto puts the numeric address it connects to into SNI; the name is put in its place before ClientHello is written. */
#include "binding/mqtt/secure.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "core/core.h"
#include "core/trust.h"
#include "secenv/key_ssl.h"
#include "secenv/secret.h"
#include "tls/credential_id.h"

/* With forward secrecy first (SEC-007...); OpenSSL's names. */
static const char psk_suites[] = "ECDHE-PSK-AES128-CBC-SHA256:PSK-AES128-GCM-SHA256:PSK-AES128-CBC-SHA256";
static const char certificate_suites[] =
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-CCM:ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES128-SHA256:"
	"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

struct secure {
	const struct mqtt_secure_options *o;
	const char *host;
	bool numeric;
};

static enum reeve_rc fail(char why[MQTT_WHY_MAX], enum reeve_rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static enum reeve_rc fail(char why[MQTT_WHY_MAX], enum reeve_rc rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, MQTT_WHY_MAX, fmt, ap);
	va_end(ap);
	ERR_clear_error();
	return rc;
}

static struct secure *secure_of(SSL_CTX *ctx) { return SSL_CTX_get_app_data(ctx); }

/* SEC-021: the identity is the value of the Credential-ID, as in every other association. */
static unsigned psk(SSL *ssl, const char *hint, char *identity, unsigned identity_max, unsigned char *key, unsigned key_max)
{
	const struct secure *s = secure_of(SSL_get_SSL_CTX(ssl));
	struct secenv *keys = trust_keys(s->o->core);
	struct key_ref *ref = keys ? secenv_find(keys, s->o->credential) : NULL;
	uint8_t lent[KEY_LENT_MAX];
	enum credential_type type;
	struct slice name;
	size_t n = 0;

	if (!ref || !credential_id_parse(s->o->credential, &type, &name) || name.n >= identity_max ||
	    key_lend(ref, lent, &n) != RC_OK || n > key_max) {
		n = 0;
	} else {
		memcpy(identity, name.p, name.n);
		identity[name.n] = '\0';
		memcpy(key, lent, n);
	}
	secret_wipe(lent, sizeof(lent));
	key_put(ref);
	return (unsigned)n;
}

static void on_info(const SSL *ssl, int where, int value)
{
	const struct secure *s = secure_of(SSL_get_SSL_CTX(ssl));

	if (where == SSL_CB_HANDSHAKE_START && !SSL_is_init_finished(ssl)) /* RFC 6066 3: an address is no name */
		SSL_set_tlsext_host_name((SSL *)(uintptr_t)ssl, s->numeric ? NULL : (char *)(uintptr_t)s->host);
}

SSL_CTX *mqtt_secure_new(const struct mqtt_secure_options *o, const char *host)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct secure *s = calloc(1, sizeof(*s));
	bool by_psk = o->credential.n > 0;
	char number[16];

	if (!ctx || !s) {
		SSL_CTX_free(ctx);
		free(s);
		return NULL;
	}
	*s = (struct secure){ .o = o, .host = host };
	s->numeric = uv_inet_pton(AF_INET, host, number) == 0 || uv_inet_pton(AF_INET6, host, number) == 0;
	SSL_CTX_set_app_data(ctx, s);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(ctx, by_psk || !o->core->cfg->tls.tls13 ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_info_callback(ctx, on_info);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (by_psk) {
		SSL_CTX_set_psk_client_callback(ctx, psk);
	} else {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		if (s->numeric)
			X509_VERIFY_PARAM_set1_ip_asc(SSL_CTX_get0_param(ctx), host);
		else
			X509_VERIFY_PARAM_set1_host(SSL_CTX_get0_param(ctx), host, 0);
		X509_VERIFY_PARAM_set_hostflags(SSL_CTX_get0_param(ctx), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	}
	if (!SSL_CTX_set_cipher_list(ctx, by_psk ? psk_suites : certificate_suites)) {
		mqtt_secure_free(ctx);
		return NULL;
	}
	return ctx;
}

void mqtt_secure_free(SSL_CTX *ctx)
{
	struct secure *s = ctx ? secure_of(ctx) : NULL;

	SSL_CTX_free(ctx);
	free(s);
}

/* Our certificate: the first of tls.certificates, "KEY:CHAINFILE". */
static enum reeve_rc show_own(SSL_CTX *ctx, const struct config *cfg, struct secenv *keys, char why[MQTT_WHY_MAX])
{
	struct slice file, kid;
	struct key_ref *key;
	enum reeve_rc rc;
	char path[4096];

	if (!cfg->tls.certificates.n)
		return RC_OK;
	file = cfg->tls.certificates.v[0];
	kid = slice_cut(&file, ':');
	if (!file.n || snprintf(path, sizeof(path), "%.*s", SF(file)) >= (int)sizeof(path))
		return fail(why, RC_INVALID, "tls.certificates: \"%.*s\" is not KEY:CHAINFILE", SF(cfg->tls.certificates.v[0]));
	if (!SSL_CTX_use_certificate_chain_file(ctx, path))
		return fail(why, RC_IO, "tls.certificates: %s holds no chain of certificates in PEM", path);
	key = keys ? secenv_find(keys, kid) : NULL;
	rc = key ? key_ssl_use(key, ctx) : RC_NOTFOUND;
	key_put(key);
	if (rc == RC_NOTFOUND)
		return fail(why, rc, "tls.certificates: there is no key \"%.*s\" in the sealed file", SF(kid));
	return rc == RC_OK ? RC_OK : fail(why, rc, "tls.certificates: the key \"%.*s\" is not that of %s", SF(kid), path);
}

enum reeve_rc mqtt_secure_refresh(SSL_CTX *ctx, char why[MQTT_WHY_MAX])
{
	const struct secure *s = secure_of(ctx);
	const struct config *cfg = s->o->core->cfg;
	struct secenv *keys = trust_keys(s->o->core);
	struct key_ref *key;
	X509_STORE *store;

	if (s->o->credential.n) {
		key = keys ? secenv_find(keys, s->o->credential) : NULL;
		key_put(key);
		return key ? RC_OK
			   : fail(why, RC_NOTFOUND, "mqtt.credential: there is no key \"%.*s\" in the sealed file", SF(s->o->credential));
	}
	if (!cfg->mqtt.ca)
		return fail(why, RC_INVALID, "mqtt.ca: trust anchors are needed for a broker behind TLS, or a key (mqtt.credential)");
	if (!(store = X509_STORE_new()) || !X509_STORE_load_file(store, cfg->mqtt.ca)) {
		X509_STORE_free(store);
		return fail(why, RC_IO, "mqtt.ca: %s holds no certificates in PEM", cfg->mqtt.ca);
	}
	SSL_CTX_set_cert_store(ctx, store); /* and no other: what the system trusts has no part in this */
	return show_own(ctx, cfg, keys, why);
}

const char *mqtt_secure_why(const SSL *ssl)
{
	long v = SSL_get_verify_result(ssl);

	return v == X509_V_OK ? "" : X509_verify_cert_error_string(v);
}
