/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve key`: the keys of the Secure Environment from the shell. Nothing here can print a secret: there is no call that gives one. */
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "codec/base64.h"
#include "codec/text.h"
#include "core/keys.h"
#include "jose/jose.h"
#include "main/commands.h"
#include "main/settings.h"
#include "secenv/secret.h"

static const char *help =
	"The keys of the Secure Environment: made, imported, listed, deleted, used. Secrets go in and never come out.\n"
	"\n"
	"usage: reeve key generate --alg ALG [--kid KID] [--label TEXT] [--curve CURVE] [--bits N]\n"
	"       reeve key import FILE [--alg ALG] [--kid KID] [--label TEXT] [--form jwk|pem|hex]\n"
	"       reeve key list\n"
	"       reeve key show KID\n"
	"       reeve key export KID [--form jwk|pem]\n"
	"       reeve key delete KID\n"
	"       reeve key sign|encrypt|verify|decrypt KID [--enc ENC] [--typ TYP]\n"
	"\n"
	"A key is made for one algorithm and refused for everything else:\n"
	"  HS256 HS384 HS512                      message authentication codes, with a symmetric key\n"
	"  RS256 RS384 RS512 ES256 ES384 ES512    signatures, with an RSA or EC key\n"
	"  A128GCM A192GCM A256GCM                encryption with a symmetric key itself (dir)\n"
	"  A128CBC-HS256 A192CBC-HS384 A256CBC-HS512\n"
	"  A128KW A192KW A256KW                   encryption with a fresh key under a symmetric key\n"
	"  RSA-OAEP-256 ECDH-ES ECDH-ES+A128KW ECDH-ES+A192KW ECDH-ES+A256KW\n"
	"                                         encryption to an RSA or EC key\n"
	"  TLS-PSK TLS-ES256                      security associations: a pre-shared key of 16 to 64 bytes; an EC key on P-256 of a\n"
	"                                         certificate or a raw public key\n"
	"  DERIVE                                 an enrolment key of 32 bytes, from which others are derived\n"
	"\n"
	"FILE is a JWK, a PEM file (private key, public key, certificate) or hexadecimal digits; - is standard input. Without --kid the\n"
	"name is that of the JWK, or the thumbprint. export gives the public part of an RSA or EC key. Instead of KID, --kid KID is\n"
	"understood too.\n"
	"sign and encrypt make a JWS or JWE in compact form of standard input, verify and decrypt take one apart.\n"
	"\n"
	"  --json             answer as JSON\n"
	"  --keys.file FILE, --keys.seal FILE, --store.data FOLDER, --config FILE\n"
	"                     where the keys are; generate and import make what is absent\n"
	"\n"
	"Exit status: 0 done; 1 there is no such key, or it is there already, or what was read is not right; 2 the command line is wrong;\n"
	"3 the file of keys cannot be used.\n";

enum { INPUT_MAX = 1 << 20 };

struct asked {
	struct settings s;
	const char *verb, *operand;
	struct key_spec spec;
	enum key_alg enc;
	struct slice typ;
	const char *form;
	bool json, bad;
	struct secenv *se;
};

/* --- command line --- */

static bool wrong(struct asked *q, const char *flag, const char *value, const char *expected)
{
	usage_error("key", "%s %s: expected %s", flag, value, expected);
	q->bad = true;
	return true;
}

static bool take_alg(struct asked *q, const char *flag, const char *value, alg_set among, enum key_alg *out)
{
	*out = alg_find(slice_str(value));
	return alg_in(*out, among) || wrong(q, flag, value, "an algorithm that the help names");
}

static bool take_curve(struct asked *q, const char *flag, const char *value)
{
	static const char *const names[] = { [CURVE_P256] = "P-256", [CURVE_P384] = "P-384", [CURVE_P521] = "P-521" };
	for (int i = CURVE_P256; i <= CURVE_P521; i++)
		if (!strcmp(value, names[i])) {
			q->spec.curve = (enum key_curve)i;
			return true;
		}
	return wrong(q, flag, value, "P-256, P-384 or P-521");
}

static bool take_bits(struct asked *q, const char *flag, const char *value)
{
	uint64_t n;
	if (!slice_u64(slice_str(value), &n) || n < 1 || n > KEY_RSA_MAX)
		return wrong(q, flag, value, "a number of bits");
	q->spec.bits = (unsigned)n;
	return true;
}

/* What is no option of the configuration. */
static bool take(void *ctx, int argc, char **argv, int *i)
{
	struct asked *q = ctx;
	const char *flag = argv[*i], *value = *i + 1 < argc ? argv[*i + 1] : NULL;
	const alg_set keys = ~ALG_SET(ALG_DIR);

	if (strncmp(flag, "--", 2)) { /* also a name that begins with one '-': a thumbprint may */
		const char **at = q->verb ? &q->operand : &q->verb;
		if (*at)
			return false;
		*at = flag;
		++*i;
		return true;
	}
	if (!strcmp(flag, "--json")) {
		q->json = true;
		++*i;
		return true;
	}
	if (!value)
		return false;
	*i += 2;
	if (!strcmp(flag, "--kid"))
		q->spec.kid = slice_str(value);
	else if (!strcmp(flag, "--label"))
		q->spec.label = slice_str(value);
	else if (!strcmp(flag, "--alg"))
		return take_alg(q, flag, value, keys, &q->spec.alg);
	else if (!strcmp(flag, "--enc"))
		return take_alg(q, flag, value, ALGS_CONTENT, &q->enc);
	else if (!strcmp(flag, "--typ"))
		q->typ = slice_str(value);
	else if (!strcmp(flag, "--curve"))
		return take_curve(q, flag, value);
	else if (!strcmp(flag, "--bits"))
		return take_bits(q, flag, value);
	else if (!strcmp(flag, "--form"))
		q->form = value;
	else {
		*i -= 2;
		return false;
	}
	return true;
}

/* --- told --- */

static void write_json(const struct key_info *k, const char *thumbprint, struct buf *b)
{
	static const char *const kty[] = { "oct", "EC", "RSA" };
	char created[TEXT_TIMESTAMP_MAX];
	const size_t n = text_timestamp_write(k->created, created);

	buf_lit(b, "{\"kid\":");
	buf_json(b, k->kid);
	buf_printf(b, ",\"alg\":\"%.*s\",\"kty\":\"%s\",\"bits\":%u,\"secret\":%s,\"created\":\"%.*s\"", SF(alg_name(k->alg)), kty[k->kind],
		   k->bits, k->secret ? "true" : "false", (int)n, created);
	if (k->label.n) {
		buf_lit(b, ",\"label\":");
		buf_json(b, k->label);
	}
	if (thumbprint)
		buf_printf(b, ",\"thumbprint\":\"%s\"", thumbprint);
	buf_char(b, '}');
}

static const char *kind_text(const struct key_info *k)
{
	static const char *const secret[] = { "symmetric", "EC private", "RSA private" }, *const open[] = { "", "EC public", "RSA public" };
	return k->secret ? secret[k->kind] : open[k->kind];
}

static void print(struct buf *b)
{
	buf_char(b, '\n');
	fwrite(b->p, 1, b->n, stdout);
	buf_free(b);
}

static int show(const struct asked *q, const struct key_ref *key)
{
	const struct key_info *k = key_info(key);
	char created[TEXT_TIMESTAMP_MAX], thumbprint[64] = "";
	const size_t n = text_timestamp_write(k->created, created);
	uint8_t digest[32];
	struct buf b;

	buf_init(&b, 4096);
	if (key_thumbprint(key, digest) == RC_OK) {
		base64url_encode(&b, digest, sizeof(digest));
		snprintf(thumbprint, sizeof(thumbprint), "%.*s", SF(b));
		buf_clear(&b);
	}
	if (q->json) {
		write_json(k, *thumbprint ? thumbprint : NULL, &b);
	} else {
		buf_printf(&b, "kid         %.*s\nalgorithm   %.*s\nkey         %s, %u bits\ncreated     %.*s", SF(k->kid),
			   SF(alg_name(k->alg)), kind_text(k), k->bits, (int)n, created);
		if (k->label.n)
			buf_printf(&b, "\nlabel       %.*s", SF(k->label));
		if (*thumbprint)
			buf_printf(&b, "\nthumbprint  %s", thumbprint);
	}
	print(&b);
	return EXIT_OK;
}

static int failed(const struct asked *q, enum reeve_rc rc, const char *why)
{
	fprintf(stderr, "reeve key %s: %s\n", q->verb, why);
	switch (rc) {
	case RC_NOTFOUND: case RC_EXISTS: case RC_INVALID: case RC_SYNTAX: case RC_DENIED: case RC_FORGED: case RC_LIMIT:
		return EXIT_REFUSED;
	default: return EXIT_UNREACHABLE;
	}
}

/* --- read --- */

/* A file, or standard input, into secret memory; *n is its length. NULL: told. */
static char *read_input(const struct asked *q, const char *path, size_t max, size_t *n)
{
	const bool standard = !path || !strcmp(path, "-");
	FILE *f = standard ? stdin : fopen(path, "re");
	char *p = f ? secret_alloc(max) : NULL;
	bool ok;

	if (f)
		setvbuf(f, NULL, _IONBF, 0); /* no copy in a buffer that nobody wipes */
	*n = p ? fread(p, 1, max, f) : 0;
	ok = p && !ferror(f) && *n < max;
	if (!ok)
		fprintf(stderr, "reeve key %s: %s: %s\n", q->verb, standard ? "standard input" : path,
			f ? "cannot be read, or is too long" : "cannot be opened");
	if (f && !standard)
		fclose(f);
	if (ok)
		return p;
	secret_free(p);
	return NULL;
}

static bool form_of(struct asked *q, struct slice text, enum key_form *out)
{
	static const struct { const char *name; enum key_form form; } names[] = {
		{ "jwk", KEY_JWK }, { "pem", KEY_PEM }, { "hex", KEY_HEX },
	};

	while (text.n && strchr(" \t\r\n", text.p[0]))
		text = slice_skip(text, 1);
	*out = slice_starts(text, S("{")) ? KEY_JWK : memmem(text.p, text.n, "-----BEGIN ", 11) ? KEY_PEM : KEY_HEX;
	if (!q->form)
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(q->form, names[i].name)) {
			*out = names[i].form;
			return true;
		}
	return false;
}

/* --- verbs --- */

static int generate(struct asked *q)
{
	char why[KEY_WHY_MAX];
	struct key_ref *key;
	enum reeve_rc rc;

	if (!q->spec.alg)
		return usage_error("key generate", "--alg is missing: what the key is for");
	rc = secenv_generate(q->se, &q->spec, &key, why);
	if (rc != RC_OK)
		return failed(q, rc, why);
	show(q, key);
	key_put(key);
	return EXIT_OK;
}

static int import(struct asked *q)
{
	char why[KEY_WHY_MAX];
	struct key_ref *key;
	enum key_form form;
	size_t n;
	char *p = read_input(q, q->operand, 65536, &n);
	enum reeve_rc rc;

	if (!p)
		return EXIT_UNREACHABLE;
	if (!form_of(q, slice_of(p, n), &form)) {
		secret_free(p);
		return usage_error("key import", "--form is jwk, pem or hex");
	}
	rc = secenv_import(q->se, form, slice_of(p, n), &q->spec, &key, why);
	secret_free(p);
	if (rc != RC_OK)
		return failed(q, rc, why);
	show(q, key);
	key_put(key);
	return EXIT_OK;
}

struct listing { struct buf b; bool json, first; };

static void list_one(void *ctx, const struct key_info *k)
{
	struct listing *l = ctx;

	if (l->json) {
		buf_char(&l->b, l->first ? '[' : ',');
		write_json(k, NULL, &l->b);
	} else {
		buf_printf(&l->b, "%s%-44.*s %-15.*s %s, %u bits%s%.*s", l->first ? "" : "\n", SF(k->kid), SF(alg_name(k->alg)),
			   kind_text(k), k->bits, k->label.n ? "  " : "", SF(k->label));
	}
	l->first = false;
}

static int list(struct asked *q)
{
	struct listing l = { .json = q->json, .first = true };

	buf_init(&l.b, 64 << 20);
	secenv_list(q->se, list_one, &l);
	if (q->json && l.first)
		buf_char(&l.b, '[');
	if (q->json)
		buf_char(&l.b, ']');
	if (l.b.n)
		print(&l.b);
	return EXIT_OK;
}

static int export(struct asked *q, struct key_ref *key)
{
	const bool pem = q->form && !strcmp(q->form, "pem");
	struct buf b;
	enum reeve_rc rc;

	if (q->form && !pem && strcmp(q->form, "jwk"))
		return usage_error("key export", "--form is jwk or pem");
	buf_init(&b, 65536);
	rc = key_export_public(key, pem ? KEY_PEM : KEY_JWK, &b);
	if (rc == RC_OK && pem)
		b.n--; /* it ends its own line */
	if (rc == RC_OK)
		print(&b);
	else
		buf_free(&b);
	return rc == RC_OK ? EXIT_OK : failed(q, rc, "a symmetric key has no public part, and a secret does not leave");
}

static int delete(struct asked *q)
{
	char why[KEY_WHY_MAX];
	const enum reeve_rc rc = secenv_delete(q->se, slice_str(q->operand), why);
	return rc == RC_OK ? EXIT_OK : failed(q, rc, why);
}

/* Standard input through the key. */
static int use(struct asked *q, struct key_ref *key)
{
	static const struct jose_limits limits = { .token = INPUT_MAX, .header = 16384 };
	const struct jose_params params = { .typ = q->typ };
	const bool makes = q->verb[0] == 's' || q->verb[0] == 'e';
	const char *why = "";
	struct arena a;
	struct jose t;
	struct slice in, plain = { 0 };
	struct buf out;
	size_t n;
	char *p = read_input(q, NULL, INPUT_MAX, &n);
	enum reeve_rc rc;

	if (!p)
		return EXIT_UNREACHABLE;
	in = slice_of(p, n);
	arena_init(&a, NULL, 0, 8 * INPUT_MAX);
	buf_init(&out, 2 * INPUT_MAX);
	if (makes) {
		const enum key_alg usual = alg_in(key_info(key)->alg, ALGS_CONTENT) ? ALG_NONE : ALG_A128GCM;
		rc = q->verb[0] == 's' ? jose_sign(key, &params, in, &out, &why)
				       : jose_encrypt(key, q->enc ? q->enc : usual, &params, in, &out, &why);
		buf_char(&out, '\n');
	} else {
		while (in.n && (in.p[in.n - 1] == '\n' || in.p[in.n - 1] == '\r'))
			in.n--;
		rc = jose_parse(&a, in, &limits, &t, &why);
		if (rc == RC_OK)
			rc = q->verb[0] == 'v' ? jose_verify(&t, key, ALGS_SIGN, &plain, &why)
					       : jose_decrypt(&a, &t, key, ~ALGS_SIGN, &plain, &why);
		buf_slice(&out, plain);
	}
	if (rc == RC_OK && out.n)
		fwrite(out.p, 1, out.n, stdout);
	secret_free(p);
	buf_free(&out);
	arena_reset(&a);
	return rc == RC_OK ? EXIT_OK : failed(q, rc, why);
}

/* A verb that takes a key by its name. */
static int with_key(struct asked *q, int (*run)(struct asked *q, struct key_ref *key))
{
	struct key_ref *key = secenv_find(q->se, slice_str(q->operand));
	int status;

	if (!key)
		return failed(q, RC_NOTFOUND, "there is no such key; reeve key list tells which there are");
	status = run(q, key);
	key_put(key);
	return status;
}

static int show_one(struct asked *q, struct key_ref *key) { return show(q, key); }

static const struct verb {
	const char *name;
	bool operand, create;
	int (*run)(struct asked *q);
	int (*run_key)(struct asked *q, struct key_ref *key);
} verbs[] = {
	{ "generate", false, true, generate, NULL }, { "import", true, true, import, NULL }, { "list", false, false, list, NULL },
	{ "show", true, false, NULL, show_one }, { "export", true, false, NULL, export }, { "delete", true, false, delete, NULL },
	{ "sign", true, false, NULL, use }, { "verify", true, false, NULL, use }, { "encrypt", true, false, NULL, use },
	{ "decrypt", true, false, NULL, use },
};

static int run(struct asked *q)
{
	const struct verb *v = verbs, *end = verbs + sizeof(verbs) / sizeof(verbs[0]);
	char why[KEY_WHY_MAX];
	int status;

	if (!q->verb)
		return usage_error("key", "what is to be done is missing");
	while (v < end && strcmp(v->name, q->verb))
		v++;
	if (v == end)
		return usage_error("key", "there is no \"%s\" for keys", q->verb);
	if (v->operand && v->run != import && !q->operand && q->spec.kid.n)
		q->operand = q->spec.kid.p; /* --kid NAME, for a name that looks like a flag */
	if (v->operand != (q->operand != NULL))
		return usage_error("key", v->operand ? "%s needs the name of a key, or of a file" : "%s takes no name; --kid names a key",
				   v->name);
	if (keys_open(&q->s.c, v->create, &q->se, why) != RC_OK) {
		fprintf(stderr, "reeve key %s: %s\n", v->name, why);
		return EXIT_UNREACHABLE;
	}
	status = v->run ? v->run(q) : with_key(q, v->run_key);
	secenv_close(q->se);
	return status;
}

int cmd_key(int argc, char **argv)
{
	struct asked q = { 0 };
	int status;

	if (told_help(help, argc, argv, &status))
		return status;
	log_setup(LOG_WARN, false);
	settings_init(&q.s);
	status = settings_arguments(&q.s, "key", true, argc, argv, take, &q);
	status = status != EXIT_OK || q.bad ? EXIT_USAGE : run(&q);
	settings_free(&q.s);
	return status;
}
