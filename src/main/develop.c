/* SPDX-License-Identifier: Apache-2.0 */
/* See develop.h. All is made in DATA/dev.new, under the lock of the store, and gets its name at the end in one step: a start that is
 * killed half way leaves nothing that a later one would take for whole. Keys and rows that it left in the sealed file and the table are
 * replaced then. */
#include "main/develop.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rand.h"
#include "core/keys.h"
#include "main/credential.h"
#include "main/develop_cert.h"
#include "secenv/secret.h"
#include "store/store.h"
#include "tls/credential_id.h"

static const struct slice cse_key = { "dev-cse", 7 };
enum { PSK_BYTES = 32 };

/* --- listeners --- */

void develop_defaults(struct settings *s)
{
	s->c.https.address = s->c.coap.address = s->c.coaps.address = "127.0.0.1";
	s->c.coap.open = true;
}

static bool port_free(const char *address, uint16_t port, bool udp)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = udp ? SOCK_DGRAM : SOCK_STREAM };
	struct addrinfo *a;
	const int one = 1;
	char text[8];
	bool is = true; /* opening the listener tells what is wrong otherwise */

	snprintf(text, sizeof(text), "%u", port);
	if (getaddrinfo(address, text, &hints, &a) != 0)
		return true;
	const int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		if (!udp) /* connections that have ended do not count */
			(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		is = bind(fd, a->ai_addr, a->ai_addrlen) == 0 || errno != EADDRINUSE;
		close(fd);
	}
	freeaddrinfo(a);
	return is;
}

static bool chosen(const struct settings *s, const char *option)
{
	const int i = option_find(slice_str(option));
	return i >= 0 && s->from[i] != FROM_DEFAULT;
}

static void choose_port(const struct settings *s, const char *option, const char *address, uint16_t *port, bool udp)
{
	struct config defaults;

	if (!address || chosen(s, option))
		return;
	config_defaults(&defaults);
	const int moved = *port + (int)s->c.http.port - (int)defaults.http.port;
	*port = s->c.http.port && moved > 0 && moved <= 65535 ? (uint16_t)moved : 0;
	if (*port && !port_free(address, *port, udp)) {
		log_warn("main", "port %u is in use: --%s N chooses another one, now the system does", *port, option);
		*port = 0;
	}
}

void develop_ports(struct settings *s)
{
	choose_port(s, "https.port", s->c.https.address, &s->c.https.port, false);
	choose_port(s, "coap.port", s->c.coap.address, &s->c.coap.port, true);
	choose_port(s, "coaps.port", s->c.coaps.address, &s->c.coaps.port, true);
}

/* --- files --- */

static const char *path_of(struct settings *s, const char *folder, const char *name)
{
	const struct slice p = arena_printf(&s->memory, "%s/%s%s%s%c", s->c.data, folder, *name ? "/" : "", name, '\0');
	return p.p ? p.p : "";
}

const char *develop_file(struct settings *s, const char *name)
{
	const char *p = path_of(s, "dev", name);
	return access(p, R_OK) == 0 ? p : NULL;
}

static enum reeve_rc cannot(char why[256], const char *path)
{
	snprintf(why, 256, "development credentials: %.150s cannot be written: %s", path, strerror(errno));
	return RC_IO;
}

static enum reeve_rc write_file(struct settings *s, const char *name, struct slice text, char why[256])
{
	const char *path = path_of(s, "dev.new", name);
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return cannot(why, path);
	while (text.n) {
		const ssize_t n = write(fd, text.p, text.n);
		if (n <= 0)
			break;
		text = slice_skip(text, (size_t)n);
	}
	const bool ok = !text.n && fsync(fd) == 0;
	const enum reeve_rc rc = ok ? RC_OK : cannot(why, path);
	close(fd);
	return rc;
}

/* --- certificates --- */

/* Anew: what a start that was killed left has no certificate. */
static enum reeve_rc make_key(const struct config *c, struct key_ref **key, char why[256])
{
	const struct key_spec spec = { .kid = cse_key, .alg = ALG_TLS_ES256, .label = S("development: the CSE's certificate") };
	struct secenv *keys;
	enum reeve_rc rc = keys_open(c, true, &keys, why);

	if (rc != RC_OK)
		return rc;
	rc = secenv_delete(keys, cse_key, why);
	if (rc == RC_OK || rc == RC_NOTFOUND)
		rc = secenv_generate(keys, &spec, key, why);
	secenv_close(keys);
	return rc;
}

static enum reeve_rc make_certificates(struct settings *s, char why[256])
{
	const struct slice sp = slice_skip(s->c.sp_id, 2);
	const struct slice made = arena_printf(&s->memory, "%.*s.%.*s", SF(slice_skip(s->c.cse_id, 1)), SF(sp));
	const struct develop_names names = { .sp = sp, .domain = s->c.tls.domain.n ? s->c.tls.domain : made };
	struct develop_pem pem = { 0 };
	struct key_ref *key = NULL;
	enum reeve_rc rc;

	if (!fqdn_valid(names.domain) || !fqdn_valid(sp)) {
		log_warn("main", "no development certificate: %.*s is no domain name; tls.domain chooses one", SF(names.domain));
		return RC_OK;
	}
	if ((rc = make_key(&s->c, &key, why)) != RC_OK)
		return rc;
	if ((rc = develop_certify(&names, key, &pem)) != RC_OK)
		snprintf(why, 256, "development credentials: OpenSSL cannot make a certificate");
	if (rc == RC_OK && (rc = write_file(s, "ca.pem", buf_view(&pem.ca), why)) == RC_OK &&
	    (rc = write_file(s, "ca.key", buf_view(&pem.ca_key), why)) == RC_OK)
		rc = write_file(s, "cse.pem", buf_view(&pem.cse), why);
	develop_pem_free(&pem);
	key_put(key);
	return rc;
}

/* --- symmetric keys --- */

/* One row, with what `reeve credential` would do on the store of a CSE that does not run. */
static enum reeve_rc add_row(struct settings *s, struct store *store, const char *method, struct slice path, struct slice body, int *status,
			     char why[256])
{
	struct buf answer;
	bool asked;

	*status = 0;
	buf_init(&answer, 65536);
	asked = credential_on_store(&s->c, store, method, path, body, status, &answer, why);
	if (asked && *status >= 300 && *status != 409)
		snprintf(why, 256, "development credentials: %.*s", (int)(answer.n < 180 ? answer.n : 180), answer.p);
	buf_free(&answer);
	return asked && (*status < 300 || *status == 409) ? RC_OK : RC_IO;
}

static enum reeve_rc make_row(struct settings *s, struct store *store, const char *ae, bool admin, struct slice secret, char why[256])
{
	const struct slice id = arena_printf(&s->memory, "12-%s@%.*s", ae, SF(slice_skip(s->c.sp_id, 2)));
	struct buf body;
	int status;
	enum reeve_rc rc;

	buf_init(&body, 4096);
	buf_printf(&body, "{\"id\":\"%.*s\",\"ae\":[\"%s\"],\"label\":\"development\",\"admin\":%s,\"secret\":\"%.*s\"}", SF(id), ae,
		   admin ? "true" : "false", SF(secret));
	rc = body.failed ? RC_NOMEM : add_row(s, store, "POST", S("/credentials"), buf_view(&body), &status, why);
	if (rc == RC_OK && status == 409)
		rc = add_row(s, store, "PATCH", arena_printf(&s->memory, "/credentials/%.*s", SF(id)), buf_view(&body), &status, why);
	if (body.p)
		secret_wipe(body.p, body.cap);
	buf_free(&body);
	return rc;
}

static enum reeve_rc make_psk(struct settings *s, struct store *store, const char *ae, bool admin, char why[256])
{
	const size_t digits = 2 * PSK_BYTES;
	uint8_t bytes[PSK_BYTES];
	char name[64], *hex = secret_alloc(digits + 2);
	enum reeve_rc rc;

	if (!hex)
		return RC_NOMEM;
	rand_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	secret_wipe(bytes, sizeof(bytes));
	rc = make_row(s, store, ae, admin, slice_of(hex, digits), why);
	hex[digits] = '\n';
	snprintf(name, sizeof(name), "%s.psk", ae);
	if (rc == RC_OK)
		rc = write_file(s, name, slice_of(hex, digits + 1), why);
	secret_free(hex);
	return rc;
}

/* --- all of it --- */

static enum reeve_rc make(struct settings *s, struct store *store, char why[256])
{
	const char *fresh = path_of(s, "dev.new", ""), *folder = path_of(s, "dev", "");
	enum reeve_rc rc;

	if (mkdir(fresh, 0700) != 0 && errno != EEXIST)
		return cannot(why, fresh);
	if ((rc = make_certificates(s, why)) != RC_OK || (rc = make_psk(s, store, "Cdevice", false, why)) != RC_OK ||
	    (rc = make_psk(s, store, "Cadmin", true, why)) != RC_OK)
		return rc;
	if (rename(fresh, folder) != 0)
		return cannot(why, folder);
	log_info("main", "development credentials made in %s", folder);
	return RC_OK;
}

static enum reeve_rc use(struct settings *s)
{
	struct config *c = &s->c;
	const char *cse = develop_file(s, "cse.pem"), *ca = develop_file(s, "ca.pem");

	if (!cse || !ca)
		return RC_OK;
	if (!(c->tls.certificates.v = arena_array(&s->memory, 1, sizeof(struct slice))) ||
	    !(c->tls.anchors.v = arena_array(&s->memory, 2, sizeof(struct slice))))
		return RC_NOMEM;
	c->tls.certificates.v[c->tls.certificates.n++] = arena_printf(&s->memory, "%.*s:%s", SF(cse_key), cse);
	c->tls.anchors.v[c->tls.anchors.n++] = arena_printf(&s->memory, "cse:%s", ca);
	c->tls.anchors.v[c->tls.anchors.n++] = arena_printf(&s->memory, "ae:%s", ca);
	return s->memory.failed ? RC_NOMEM : RC_OK;
}

enum reeve_rc develop_credentials(struct settings *s, char why[256])
{
	const struct config *c = &s->c;
	const struct store_options o = { .path = c->data, .max_bytes = c->store_max, .readers = 8 };
	struct store *store;
	struct stat st;
	enum reeve_rc rc;

	if ((!c->https.address && !c->coaps.address) || c->tls.certificates.n || c->tls.anchors.n || c->tls.raw_key.n)
		return RC_OK;
	if (stat(path_of(s, "dev", ""), &st) == 0) {
		log_info("main", "development credentials in %s stay as they are", path_of(s, "dev", ""));
		return use(s);
	}
	if ((rc = store_open(&o, &store, why)) != RC_OK)
		return rc;
	rc = make(s, store, why);
	store_close(store);
	if (rc != RC_OK && !why[0])
		snprintf(why, 256, "development credentials cannot be made: %s", rc_name(rc));
	return rc == RC_OK ? use(s) : rc;
}
