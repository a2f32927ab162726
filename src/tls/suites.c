/* SPDX-License-Identifier: Apache-2.0 */
/* Which suites are negotiated (TS-0003 10.2): the standard's four, and with forward_secrecy their ECDHE_PSK and authenticated-encryption
 * relatives, before them. Everything is listed by hand, on top of GnuTLS's empty set: no SHA-1, no RSA, no curve but P-256. */
#include <stdio.h>

#include "tls/tls_int.h"

enum { PRIORITY_MAX = 768 };

static void add(char *text, const char *item)
{
	const size_t n = strlen(text);

	snprintf(text + n, PRIORITY_MAX - n, ":%s", item);
}

static void add_if(char *text, bool really, const char *item)
{
	if (really)
		add(text, item);
}

static void add_types(char *text, const bool kinds[KINDS], const char *side)
{
	static const char *const names[KINDS] = { [KIND_X509] = "X509", [KIND_RAW] = "RAWPK" };
	char item[32];

	for (int i = 0; i < KINDS; i++) {
		snprintf(item, sizeof(item), "+CTYPE-%s-%s", side, names[i]);
		add_if(text, kinds[i], item);
	}
}

/* Order is preference. */
static void add_ciphers(char *text, const struct suites *s)
{
	const bool modern = s->v13 || s->forward_secrecy;

	add_if(text, modern, "+AES-128-GCM");
	add_if(text, modern, "+CHACHA20-POLY1305");
	add_if(text, s->datagram, "+AES-128-CCM-8");
	add_if(text, !s->datagram && !s->v13, "+AES-128-CBC");
	/* there is no ECDHE_PSK with CCM-8 in GnuTLS, and with CBC there is */
	add_if(text, s->datagram && s->forward_secrecy, "+AES-128-CBC");
	add_if(text, modern || s->datagram, "+AEAD");
	add(text, "+SHA256");
}

enum reeve_rc suites_priority(const struct suites *s, gnutls_priority_t *out)
{
	char text[PRIORITY_MAX] = "NONE";

	add(text, s->datagram ? "+VERS-DTLS1.2" : s->v13 ? "+VERS-TLS1.3" : "+VERS-TLS1.2");
	add(text, "+COMP-NULL");
	add_if(text, s->psk && (s->forward_secrecy || s->v13), "+ECDHE-PSK");
	add_if(text, s->cert, "+ECDHE-ECDSA");
	add_if(text, s->psk, "+PSK");
	add_ciphers(text, s);
	add(text, "+GROUP-SECP256R1");
	add_if(text, s->v13, "+SIGN-ECDSA-SECP256R1-SHA256");
	add(text, "+SIGN-ECDSA-SHA256");
	if (s->cert) {
		add_types(text, s->client ? s->theirs : s->ours, "SRV");
		add_types(text, s->client ? s->ours : s->theirs, "CLI");
	}
	add_if(text, !s->client, "%SERVER_PRECEDENCE");
	return gnutls_priority_init(out, text, NULL) == 0 ? RC_OK : RC_INVALID;
}

const char *suites_name(const char *gnutls_name)
{
	static const struct { const char *gnutls, *openssl; } names[] = {
		{ "TLS_PSK_WITH_AES_128_CBC_SHA256", "PSK-AES128-CBC-SHA256" },
		{ "TLS_PSK_WITH_AES_128_CCM_8", "PSK-AES128-CCM8" },
		{ "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256" },
		{ "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "ECDHE-ECDSA-AES128-CCM8" },
		{ "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256", "ECDHE-PSK-AES128-CBC-SHA256" },
		{ "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-PSK-CHACHA20-POLY1305" },
		{ "TLS_PSK_WITH_AES_128_GCM_SHA256", "PSK-AES128-GCM-SHA256" },
		{ "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256", "PSK-CHACHA20-POLY1305" },
		{ "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256" },
		{ "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305" },
	};

	for (size_t i = 0; gnutls_name && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i].gnutls, gnutls_name))
			return names[i].openssl;
	return gnutls_name ? gnutls_name : "";
}
