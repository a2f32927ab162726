/* SPDX-License-Identifier: Apache-2.0 */
/* What `reeve credential add` makes a row of: a name that is given or made, a public key in a file, a secret in a file. */
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "base/file.h"
#include "main/commands.h"
#include "main/credential.h"
#include "secenv/secret.h"
#include "tls/credential_id.h"

/* The public key of a PUBLIC KEY, CERTIFICATE or PRIVATE KEY, as its identifier. */
static bool key_name(const char *path, char out[PUBLIC_KEY_ID_MAX + 1])
{
	char why[FILE_WHY_MAX] = "it holds no key in PEM form";
	struct buf text;
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	BIO *b = NULL;
	unsigned char *der = NULL;
	int n = 0;

	if (file_read(strcmp(path, "-") ? path : NULL, 65536, &text, why) == RC_OK && (b = BIO_new_mem_buf(text.p, (int)text.n))) {
		key = PEM_read_bio_PUBKEY(b, NULL, NULL, NULL);
		if (!key && BIO_reset(b) == 1 && (cert = PEM_read_bio_X509(b, NULL, NULL, NULL)))
			key = X509_get_pubkey(cert);
		if (!key && BIO_reset(b) == 1)
			key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	}
	if (key && (n = i2d_PUBKEY(key, &der)) > 0)
		out[public_key_id(slice_of((const char *)der, (size_t)n), 256, out)] = '\0';
	else
		fprintf(stderr, "reeve credential: %s: %s\n", path, why);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	X509_free(cert);
	BIO_free(b);
	secret_wipe(text.p, text.p ? text.cap : 0);
	buf_free(&text);
	return n > 0;
}

/* Cpump becomes Cpump@ the domain of the service provider. */
static bool made_name(struct credential_args *q, struct slice *id)
{
	struct slice s = q->n_aes ? slice_str(q->ae[0]) : q->as_cse ? slice_str(q->as_cse) : S(""), relative, fqdn;

	while (slice_find(s, '/') >= 0)
		s = slice_skip(s, (size_t)slice_find(s, '/') + 1);
	s = arena_printf(&q->memory, "%.*s@%.*s", SF(s), SF(slice_skip(q->s.c.sp_id, 2)));
	if (!key_identifier_parse(s, &relative, &fqdn)) {
		usage_error("credential", "--psk: name the key, NAME@DOMAIN, or whom it is for (--as-ae, --as-cse)");
		return false;
	}
	*id = arena_printf(&q->memory, "12-%.*s", SF(s));
	return true;
}

bool credential_id_of(struct credential_args *q, struct slice *id)
{
	static const struct { const char *kind; int type; } kinds[] = {
		{ "psk", CREDENTIAL_PSK }, { "device", CREDENTIAL_DEVICE }, { "cse", CREDENTIAL_CSE }, { "ae", CREDENTIAL_AE },
		{ "node", CREDENTIAL_NODE },
	};
	char name[PUBLIC_KEY_ID_MAX + 1];

	if (q->raw_key) {
		if (!key_name(q->raw_key, name))
			return false;
		*id = arena_printf(&q->memory, "30-%s", name);
		return true;
	}
	if (q->kind && !strcmp(q->kind, "psk") && !q->operand)
		return made_name(q, id);
	for (size_t i = 0; q->kind && q->operand && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(q->kind, kinds[i].kind)) {
			*id = arena_printf(&q->memory, "%d-%s", kinds[i].type, q->operand);
			return true;
		}
	if (!q->kind && q->operand && slice_find(slice_str(q->operand), '-') == 2) {
		*id = slice_str(q->operand); /* a Credential-ID itself */
		return true;
	}
	usage_error("credential", "add: what is it? --psk NAME@DOMAIN, --raw-key FILE, or --certificate-of cse|ae|node|device NAME");
	return false;
}

bool credential_secret(struct credential_args *q, struct buf *body)
{
	char why[FILE_WHY_MAX];
	struct buf text;
	struct slice s;
	bool good;

	if (!q->file) {
		buf_lit(body, ",\"generate\":true");
		return true;
	}
	good = file_read(strcmp(q->file, "-") ? q->file : NULL, 4096, &text, why) == RC_OK;
	s = slice_trim(buf_view(&text), S(" \t\r\n"));
	if (!good)
		fprintf(stderr, "reeve credential: %s: %s\n", q->file, why);
	for (size_t i = 0; good && i < s.n; i++)
		if (slice_hex(s.p[i]) < 0) {
			fprintf(stderr, "reeve credential: %s: the secret is expected as hexadecimal digits\n", q->file);
			good = false;
		}
	if (good)
		buf_printf(body, ",\"secret\":\"%.*s\"", SF(s));
	secret_wipe(text.p, text.p ? text.cap : 0);
	buf_free(&text);
	return good;
}

static void member(struct buf *b, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(b, ",\"%s\":", name);
	buf_json(b, slice_str(value));
}

bool credential_body(struct credential_args *q, struct slice id, struct buf *b)
{
	buf_lit(b, "{\"id\":");
	buf_json(b, id);
	for (size_t i = 0; i < q->n_aes; i++) {
		buf_slice(b, i ? S(",") : S(",\"ae\":["));
		buf_json(b, slice_str(q->ae[i]));
	}
	if (q->n_aes)
		buf_char(b, ']');
	member(b, "cse", q->as_cse);
	member(b, "domain", q->domain);
	member(b, "label", q->label);
	member(b, "expires", q->expires);
	if (q->admin)
		buf_lit(b, ",\"admin\":true");
	if (slice_starts(id, S("12-")) && !credential_secret(q, b))
		return false;
	buf_char(b, '}');
	return !b->failed;
}
