/* SPDX-License-Identifier: Apache-2.0 */
/* See tls_flags.h. Files with secrets are read into memory that is wiped, and only when nobody but their owner can read them. */
#include "main/tls_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secenv/secret.h"

enum { SECRET_FILE_MAX = 16384, HANDSHAKE_TIME = 30 };

bool tls_flag(struct tls_flags *f, const char *flag, const char *value)
{
	const struct { const char *name; const char **to; } flags[] = {
		{ "--psk", &f->psk }, { "--cert", &f->cert }, { "--key", &f->key }, { "--raw-key", &f->raw_key },
		{ "--anchor", &f->anchor },
		{ "--server-name", &f->server_name }, { "--server-public-key", &f->server_public_key },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (!strcmp(flag, flags[i].name)) {
			*flags[i].to = value;
			return true;
		}
	return false;
}

/* A file's whole content, to be given back with secret_free. NULL: why. */
static char *read_secret(const char *path, size_t *n, char why[TLS_WHY_MAX])
{
	char *p = secret_alloc(SECRET_FILE_MAX);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t got = 1;

	*n = 0;
	if (!p || fd < 0 || fstat(fd, &st) != 0) {
		snprintf(why, TLS_WHY_MAX, "%.150s cannot be read: %s", path, p ? strerror(errno) : "out of memory");
		goto bad;
	}
	if (S_ISREG(st.st_mode) && (st.st_mode & 077)) {
		snprintf(why, TLS_WHY_MAX, "%.150s: others may read or change it; chmod 600", path);
		goto bad;
	}
	while (got > 0 && *n < SECRET_FILE_MAX) {
		got = read(fd, p + *n, SECRET_FILE_MAX - *n);
		*n += got > 0 ? (size_t)got : 0;
	}
	if (got != 0) {
		snprintf(why, TLS_WHY_MAX, "%.150s cannot be read: %s", path, got < 0 ? strerror(errno) : "it is too long for a key");
		goto bad;
	}
	close(fd);
	return p;
bad:
	if (fd >= 0)
		close(fd);
	secret_free(p);
	return NULL;
}

static enum reeve_rc read_key(const char *path, enum key_form form, enum key_alg alg, struct key_ref **out, char why[TLS_WHY_MAX])
{
	const struct key_spec spec = { .kid = S("own"), .alg = alg };
	char reason[KEY_WHY_MAX] = "";
	enum reeve_rc rc;
	size_t n;
	char *p = read_secret(path, &n, why);

	if (!p)
		return RC_IO;
	rc = secenv_import(NULL, form, slice_of(p, n), &spec, out, reason);
	if (rc != RC_OK)
		snprintf(why, TLS_WHY_MAX, "%.100s: %.140s", path, reason[0] ? reason : rc_name(rc));
	secret_free(p);
	return rc;
}

static enum reeve_rc use_psk(struct tls_flags *f, char why[TLS_WHY_MAX])
{
	const char *colon = strchr(f->psk, ':');

	if (!colon || colon == f->psk || (size_t)(colon - f->psk) > PSK_IDENTITY_MAX) {
		snprintf(why, TLS_WHY_MAX, "--psk %.100s: write ID:FILE", f->psk);
		return RC_INVALID;
	}
	f->want.psk_identity = slice_of(f->psk, (size_t)(colon - f->psk));
	return read_key(colon + 1, KEY_HEX, ALG_TLS_PSK, &f->psk_key, why);
}

/* "FILE" or "FLAVOUR:FILE"; the flavour says what the server's certificate has to be, too. */
static void take_anchor(const char *text, struct tls_anchor *a)
{
	*a = (struct tls_anchor){ TLS_FLAVOUR_CSE, text };
	for (int i = 0; i < TLS_FLAVOURS; i++) {
		size_t n = strlen(tls_flavour_names[i]);
		if (!strncmp(text, tls_flavour_names[i], n) && text[n] == ':')
			*a = (struct tls_anchor){ (enum tls_flavour)i, text + n + 1 };
	}
}

/* One way to prove who we are, one to know who answers. */
static enum reeve_rc check(const struct tls_flags *f, char why[TLS_WHY_MAX])
{
	const char *wrong = NULL;

	if (!!f->psk + !!f->cert + !!f->raw_key != 1)
		wrong = "a security association needs a credential: one of --psk, --cert with --key, --raw-key";
	else if (!f->cert != !f->key)
		wrong = "--cert and --key go together";
	else if (f->psk && (f->anchor || f->server_public_key))
		wrong = "with --psk the key proves both ends: neither --anchor nor --server-public-key counts";
	else if (!f->psk && !f->anchor == !f->server_public_key)
		wrong = "who is the CSE? One of --anchor and --server-public-key tells";
	if (wrong)
		snprintf(why, TLS_WHY_MAX, "%s", wrong);
	return wrong ? RC_INVALID : RC_OK;
}

enum reeve_rc tls_flags_read(struct tls_flags *f, const char *host, char why[TLS_WHY_MAX])
{
	const char *name = f->server_name ? f->server_name : host;
	enum reeve_rc rc = check(f, why);

	if (rc == RC_OK && f->psk)
		rc = use_psk(f, why);
	else if (rc == RC_OK)
		rc = read_key(f->cert ? f->key : f->raw_key, KEY_PEM, ALG_TLS_ES256, &f->own_key, why);
	if (rc != RC_OK)
		return rc;
	f->want.psk = f->psk_key;
	if (fqdn_valid(slice_str(name)) && strspn(name, "0123456789.") != strlen(name))
		f->want.server_name = slice_str(name);
	else if (f->server_name || f->anchor) {
		snprintf(why, TLS_WHY_MAX, "\"%.100s\" is no domain name that a certificate could have: --server-name tells it", name);
		return RC_INVALID;
	}
	if (f->anchor)
		take_anchor(f->anchor, &f->anchors);
	return RC_OK;
}

enum reeve_rc tls_flags_use(struct tls_flags *f, const char *host, bool datagram, char why[TLS_WHY_MAX])
{
	struct tls_options o = { .client = true, .datagram = datagram, .psk = f->psk, .forward_secrecy = true, .depth = 8,
				 .certificate = f->cert || f->anchor, .raw = f->raw_key || f->server_public_key,
				 .handshake_time = HANDSHAKE_TIME * USEC_S };
	enum reeve_rc rc = tls_flags_read(f, host, why);

	if (rc != RC_OK)
		return rc;
	if (f->anchor) {
		f->want.flavour = f->anchors.flavour;
		f->want.name = f->want.server_name;
		o.anchors = &f->anchors;
		o.n_anchors = 1;
	}
	f->want.public_key = slice_str(f->server_public_key);
	if (!f->psk) {
		f->own = (struct tls_own){ .chain = f->cert, .key = f->own_key };
		f->want.own = &f->own;
		o.own = &f->own;
		o.n_own = 1;
	}
	return tls_setup_new(&o, &f->setup, why);
}

void tls_flags_free(struct tls_flags *f)
{
	tls_setup_put(f->setup);
	key_put(f->own_key);
	key_put(f->psk_key);
	f->setup = NULL;
	f->own_key = f->psk_key = NULL;
}
