/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve check cert`: would this certificate be taken, as what, and if not, what is all wrong with it? The check is the one of a handshake
 * (tls/profile.h). */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "codec/text.h"
#include "main/check.h"
#include "main/commands.h"
#include "main/settings.h"
#include "tls/profile.h"

enum { CHAIN_MAX = 16, ANCHORS_MAX = 64, FILE_MAX_BYTES = 1 << 20 };

struct asked {
	const char *file, *as, *at;
	struct slice name;
	struct slice anchors[ANCHORS_MAX];
	const char *crls[ANCHORS_MAX];
	size_t n_anchors, n_crls;
	bool crl_required, json;
};

static bool take(void *ctx, int argc, char **argv, int *i)
{
	struct asked *q = ctx;
	const char *a = argv[*i], *value = *i + 1 < argc ? argv[*i + 1] : NULL;

	if (!strcmp(a, "--json") || !strcmp(a, "--crl-required")) {
		*(a[2] == 'j' ? &q->json : &q->crl_required) = true;
	} else if (a[0] != '-' && !q->file) {
		q->file = a;
	} else if (value && a[0] == '-') {
		++*i;
		if (!strcmp(a, "--as"))
			q->as = value;
		else if (!strcmp(a, "--at"))
			q->at = value;
		else if (!strcmp(a, "--name"))
			q->name = slice_str(value);
		else if (!strcmp(a, "--anchor") && q->n_anchors < ANCHORS_MAX)
			q->anchors[q->n_anchors++] = slice_str(value);
		else if (!strcmp(a, "--crl") && q->n_crls < ANCHORS_MAX)
			q->crls[q->n_crls++] = value;
		else
			return false;
	} else {
		return false;
	}
	++*i;
	return true;
}

static bool flavour_of(struct slice word, enum tls_flavour *f)
{
	for (int i = 0; i < TLS_FLAVOURS; i++)
		if (slice_eq(word, slice_str(tls_flavour_names[i]))) {
			*f = (enum tls_flavour)i;
			return true;
		}
	return false;
}

/* --- the chain in a file: PEM, or one certificate as it is (DER) --- */

struct chain { struct slice of[CHAIN_MAX]; size_t n; };

static void chain_free(struct chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		OPENSSL_free((void *)c->of[i].p);
}

static void read_pem(BIO *bio, struct chain *c)
{
	char *kind, *header;
	unsigned char *der;
	long n;

	while (PEM_read_bio(bio, &kind, &header, &der, &n)) {
		const bool take = !strcmp(kind, "CERTIFICATE") || !strcmp(kind, "PUBLIC KEY"); /* the check says what a raw key is */
		if (take && c->n < CHAIN_MAX)
			c->of[c->n++] = slice_of((const char *)der, (size_t)n);
		else
			OPENSSL_clear_free(der, (size_t)n);
		OPENSSL_free(kind);
		OPENSSL_free(header);
	}
	ERR_clear_error();
}

static bool read_chain(const char *path, struct chain *c)
{
	char reason[FILE_WHY_MAX];
	struct buf b;
	BIO *bio;

	c->n = 0;
	if (file_read(path, FILE_MAX_BYTES, &b, reason) != RC_OK) {
		fprintf(stderr, "reeve check: %s: %s\n", path, reason);
		buf_free(&b);
		return false;
	}
	bio = b.n ? BIO_new_mem_buf(b.p, (int)b.n) : NULL;
	if (bio)
		read_pem(bio, c);
	BIO_free(bio);
	if (!c->n && b.n)
		c->of[c->n++] = slice_of(OPENSSL_memdup(b.p, b.n), b.n);
	buf_free(&b);
	return true;
}

/* --- what was found --- */

static void print_text(const struct cert_report *r, const struct tls_peer *peer, bool ok)
{
	char end[TEXT_TIMESTAMP_MAX];

	for (unsigned i = 0; i < r->n; i++)
		printf("%s  %-16s  %s\n", r->step[i].ok ? "ok   " : "WRONG", r->step[i].what, r->step[i].text);
	if (!ok)
		printf("refused\n");
	else
		printf("accepted until %.*s\n", (int)text_timestamp_write(peer->expires, end), end);
}

static const char *flavour_name(enum credential_type t)
{
	return tls_flavour_names[t == CREDENTIAL_DEVICE ? TLS_FLAVOUR_DEVICE : t == CREDENTIAL_CSE ? TLS_FLAVOUR_CSE :
				 t == CREDENTIAL_AE ? TLS_FLAVOUR_AE : t == CREDENTIAL_NODE ? TLS_FLAVOUR_NODE : TLS_FLAVOUR_FQDN];
}

static void member(struct buf *b, const char *name, struct slice text)
{
	if (!text.n)
		return;
	buf_printf(b, ",\"%s\":", name);
	buf_json(b, text);
}

static void print_json(const struct cert_report *r, const struct tls_peer *peer, bool ok)
{
	char end[TEXT_TIMESTAMP_MAX];
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_printf(&b, "{\"accepted\":%s", ok ? "true" : "false");
	if (ok) {
		member(&b, "flavour", slice_str(flavour_name(peer->type)));
		member(&b, "credential", peer->credential);
		member(&b, "name", peer->name);
		member(&b, "appId", peer->app_id);
		member(&b, "expires", slice_of(end, text_timestamp_write(peer->expires, end)));
	}
	buf_lit(&b, ",\"steps\":[");
	for (unsigned i = 0; i < r->n; i++) {
		buf_printf(&b, "%s{\"step\":\"%s\",\"ok\":%s,\"text\":", i ? "," : "", r->step[i].what, r->step[i].ok ? "true" : "false");
		buf_json(&b, slice_str(r->step[i].text));
		buf_char(&b, '}');
	}
	buf_lit(&b, "]}\n");
	fwrite(b.p, 1, b.n, stdout);
	buf_free(&b);
}

/* --- putting it together --- */

/* "FLAVOUR:FILE" of the configuration and of --anchor. */
static bool add_anchor(struct slice text, struct tls_anchor *out)
{
	struct slice rest = text;
	const struct slice word = slice_cut(&rest, ':');

	if (rest.n && flavour_of(word, &out->flavour)) {
		out->file = rest.p; /* the end of a text that ends with NUL */
		return true;
	}
	fprintf(stderr, "reeve check: anchor \"%.*s\": expected FLAVOUR:FILE with device, cse, ae, node or fqdn\n", SF(text));
	return false;
}

static int check(const struct asked *q, const struct config *c, usec now)
{
	struct tls_anchor anchors[2 * ANCHORS_MAX];
	const char *crls[2 * ANCHORS_MAX];
	struct tls_options o = { .anchors = anchors, .crls = crls, .depth = c->tls.depth,
				 .crl_required = q->crl_required || c->tls.crl_required };
	struct cert_want want = { .any_flavour = !q->as, .name = q->name };
	struct cert_report *report = calloc(1, sizeof(*report));
	struct cert_anchors *trusted = NULL;
	struct tls_peer peer;
	struct chain chain = { .n = 0 };
	struct arena a;
	char why[TLS_WHY_MAX] = "";
	bool right = report != NULL, accepted;

	for (size_t i = 0; right && i < q->n_anchors; i++)
		right = add_anchor(q->anchors[i], &anchors[o.n_anchors++]);
	for (size_t i = 0; right && i < c->tls.anchors.n && i < ANCHORS_MAX; i++)
		right = add_anchor(c->tls.anchors.v[i], &anchors[o.n_anchors++]);
	for (size_t i = 0; i < q->n_crls; i++)
		crls[o.n_crls++] = q->crls[i];
	for (size_t i = 0; i < c->tls.crls.n && i < ANCHORS_MAX; i++)
		crls[o.n_crls++] = c->tls.crls.v[i].p;
	if (!right || (q->as && !flavour_of(slice_str(q->as), &want.flavour))) {
		free(report);
		return right ? usage_error("check", "--as %s: expected device, cse, ae, node or fqdn", q->as) : EXIT_USAGE;
	}
	arena_init(&a, NULL, 0, 1 << 20);
	int status = EXIT_UNREACHABLE;
	if (cert_anchors_new(&o, &trusted, why) != RC_OK) {
		fprintf(stderr, "reeve check: %s\n", why);
	} else if (read_chain(q->file, &chain)) {
		accepted = cert_check(trusted, chain.of, chain.n, &want, now, &a, &peer, why, report) == RC_OK;
		(q->json ? print_json : print_text)(report, &peer, accepted);
		status = accepted ? EXIT_OK : EXIT_REFUSED;
	}
	chain_free(&chain);
	cert_anchors_free(trusted);
	arena_reset(&a);
	free(report);
	return status;
}

int check_cert(int argc, char **argv)
{
	struct asked q = { 0 };
	struct settings s;
	bool system = true;
	usec now = clock_wall();

	for (int i = 0; i < argc; i++) /* who names anchors means these */
		if (!strcmp(argv[i], "--anchor"))
			system = false;
	settings_init(&s);
	int status = settings_arguments(&s, "check cert", system, argc, argv, take, &q);
	if (status == EXIT_OK && !q.file)
		status = usage_error("check", "cert needs the file of a certificate");
	if (status == EXIT_OK && q.at && !text_timestamp(slice_str(q.at), &now))
		status = usage_error("check", "--at %s: expected YYYYMMDDThhmmss", q.at);
	if (status == EXIT_OK)
		status = check(&q, &s.c, now);
	settings_free(&s);
	return status;
}
