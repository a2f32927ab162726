/* SPDX-License-Identifier: Apache-2.0 */
/* TLS towards a broker, the way libmosquitto wants it: an OpenSSL context (TS-0010 7.3; the broker is Entity B of a SAEF). Hub only. */
#ifndef REEVE_BINDING_MQTT_SECURE_H
#define REEVE_BINDING_MQTT_SECURE_H

#include <openssl/ssl.h>

#include "base/rc.h"
#include "base/slice.h"

struct core;

enum { MQTT_WHY_MAX = 256 };

struct mqtt_secure_options {
	struct core *core;
	struct slice credential; /* Credential-ID of the PSK to show; empty: the certificate of [tls], when there is one */
};

/* Contexts last as long as a link, what is in them is read anew before each connection: certificate, key, trust anchors. `host` lives as
 * long as the context; the broker's certificate has to be good for it. RC_INVALID, RC_NOTFOUND, RC_IO: `why` says what is missing. */
SSL_CTX *mqtt_secure_new(const struct mqtt_secure_options *o, const char *host);
REEVE_MUST_CHECK enum reeve_rc mqtt_secure_refresh(SSL_CTX *ctx, char why[MQTT_WHY_MAX]);
void mqtt_secure_free(SSL_CTX *ctx);
/* Why the handshake of ssl failed; "" when it did not. */
const char *mqtt_secure_why(const SSL *ssl);

#endif
