/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve token`: oneM2M tokens from the shell. This file: the command line, and issuing with a key of the sealed key file. */
#include "main/token.h"

#include <stdarg.h>
#include <stdlib.h>

#include "authz/pdp.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rand.h"
#include "codec/text.h"
#include "core/keys.h"
#include "main/commands.h"

static const char *help =
	"oneM2M tokens (TS-0003 7.3.2.4 to 7.3.2.6): made, read, and judged as a CSE would.\n"
	"\n"
	"usage: reeve token issue --holder ID --issuer ID --id TOKEN-ID --sign KID [OPTION]...\n"
	"       reeve token inspect [FILE]\n"
	"       reeve token verify [FILE] --authz.issuers FILE [--holder ID] [--at TIME]\n"
	"\n"
	"issue writes a token to standard output, protected with keys of the sealed key file (reeve key):\n"
	"  --id NAME@DOMAIN   Token-ID; @DOMAIN: a random name\n"
	"  --permit RESOURCE=OPERATIONS   the holder may do these on it: create, retrieve, update, delete, notify, discovery, or all\n"
	"  --role ROLE        a Role-ID of the holder\n"
	"  --permissions JSON the claim tkps as it is; @FILE: from a file\n"
	"  --audience CSE-ID  who may accept it; * stands for any text without /\n"
	"  --from TIME, --until TIME, --lifetime N[s|m|h|d]   default: from now, for one hour\n"
	"  --name TEXT, --extension TEXT\n"
	"  --sign KID, --encrypt KID [--enc ENC]   with both it is nested\n"
	"inspect shows what stands in a token, without keys: nothing of it is verified.\n"
	"verify opens it with the issuers and keys that a CSE has, and tells the first rule that it breaks. --holder is the Originator,\n"
	"else the token's own holder. TIME is YYYYMMDDThhmmss in UTC.\n"
	"\n"
	"Tokens are read from FILE or standard input, not from the command line, where others could see them.\n"
	"  --json             answer as JSON\n"
	"  --cse.sp, --cse.id, --keys.file, --config FILE ...   as for reeve cse\n"
	"\n"
	"Exit status: 0 done, or right; 1 not right; 2 the command line is wrong; 3 a file cannot be used.\n";

int token_refused(const struct token_asked *q, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "reeve token %s: ", q->verb);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_REFUSED;
}

/* --- command line --- */

static bool add(struct token_asked *q, const char *flag, const char **list, unsigned *n, const char *value)
{
	if (*n == TOKEN_LIST_MOST) {
		usage_error("token", "%s: at most %d", flag, TOKEN_LIST_MOST);
		q->bad = true;
		return true;
	}
	list[(*n)++] = value;
	return true;
}

static bool take(void *ctx, int argc, char **argv, int *i)
{
	struct token_asked *q = ctx;
	const char *flag = argv[*i], *value = *i + 1 < argc ? argv[*i + 1] : NULL;
	const struct { const char *flag, **to; } texts[] = {
		{ "--holder", &q->holder }, { "--issuer", &q->issuer }, { "--id", &q->id }, { "--name", &q->name },
		{ "--extension", &q->extension }, { "--sign", &q->sign }, { "--encrypt", &q->encrypt },
		{ "--permissions", &q->permissions },
		{ "--from", &q->from }, { "--until", &q->until }, { "--lifetime", &q->lifetime }, { "--at", &q->at },
	};

	if (strncmp(flag, "--", 2)) {
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
	for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
		if (!strcmp(flag, texts[k].flag)) {
			*texts[k].to = value;
			return true;
		}
	if (!strcmp(flag, "--audience"))
		return add(q, flag, q->audience, &q->n_audience, value);
	if (!strcmp(flag, "--role"))
		return add(q, flag, q->role, &q->n_role, value);
	if (!strcmp(flag, "--permit"))
		return add(q, flag, q->permit, &q->n_permit, value);
	if (!strcmp(flag, "--enc")) {
		q->enc = alg_find(slice_str(value));
		if (!alg_in(q->enc, ALGS_CONTENT)) {
			usage_error("token", "%s %s: expected A128GCM, A192GCM, A256GCM or A128CBC-HS256 ...", flag, value);
			q->bad = true;
		}
		return true;
	}
	*i -= 2;
	return false;
}

struct slice token_input(struct token_asked *q, const char *path)
{
	const char *file = path && strcmp(path, "-") ? path : NULL;
	char why[FILE_WHY_MAX];
	struct slice s = { NULL, 0 };
	struct buf b;

	if (file_read(file, 1 << 20, &b, why) == RC_OK)
		s = arena_dup(&q->a, buf_view(&b));
	else
		token_refused(q, "%s: %s", file ? file : "standard input", why);
	buf_free(&b);
	return slice_trim(s, S(" \t\r\n"));
}

/* --- issue --- */

/* "retrieve,update" */
static bool operations(struct slice s, unsigned *out)
{
	static const char *const words[] = { "create", "retrieve", "update", "delete", "notify", "discovery" };

	*out = 0;
	if (slice_eq(s, S("all"))) {
		*out = 63;
		return true;
	}
	while (s.p) {
		struct slice word = slice_cut(&s, ',');
		size_t k = 0;

		while (k < 6 && !slice_eq(word, slice_str(words[k])))
			k++;
		if (k == 6)
			return false;
		*out |= 1u << k;
	}
	return *out != 0;
}

static bool put_permit(struct token_asked *q, struct buf *b, struct slice permit)
{
	struct slice resource = slice_cut(&permit, '=');
	unsigned ops;

	if (!resource.n || !permit.p || !operations(permit, &ops)) {
		token_refused(q, "--permit: expected RESOURCE=OPERATIONS, of create, retrieve, update, delete, notify, discovery with "
			      "commas between, or all");
		return false;
	}
	buf_lit(b, "{\"ris\":[");
	buf_json(b, resource);
	buf_lit(b, "],\"pv\":{\"acr\":[{\"acor\":[");
	buf_json(b, slice_str(q->holder));
	buf_printf(b, "],\"acop\":%u}]}}", ops);
	return true;
}

/* tkps from --permissions, or from --permit and --role; p == NULL: none. False: told. */
static bool permissions(struct token_asked *q, struct slice *out)
{
	struct buf b;
	bool good = true;

	*out = (struct slice){ NULL, 0 };
	if (q->permissions) {
		*out = q->permissions[0] == '@' ? token_input(q, q->permissions + 1) : slice_str(q->permissions);
		return out->p != NULL;
	}
	if (!q->n_permit && !q->n_role)
		return true;
	buf_init(&b, 1 << 20);
	buf_lit(&b, "{\"pm\":[");
	for (unsigned i = 0; good && i < q->n_permit; i++) {
		if (i)
			buf_char(&b, ',');
		good = put_permit(q, &b, slice_str(q->permit[i]));
	}
	for (unsigned i = 0; i < q->n_role; i++) {
		buf_slice(&b, i ? S(",") : q->n_permit ? S(",{\"rids\":[") : S("{\"rids\":["));
		buf_json(&b, slice_str(q->role[i]));
	}
	buf_slice(&b, q->n_role ? S("]}]}") : S("]}"));
	*out = arena_dup(&q->a, buf_view(&b));
	buf_free(&b);
	return good && out->p;
}

static bool time_of(struct token_asked *q, const char *flag, const char *text, usec *out)
{
	if (!text || text_timestamp(slice_str(text), out))
		return true;
	token_refused(q, "%s %s: expected YYYYMMDDThhmmss", flag, text);
	return false;
}

static bool span_of(struct token_asked *q, const char *text, usec *out)
{
	static const struct { char unit; int64_t seconds; } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	struct slice s = slice_str(text);
	int64_t seconds = 1;
	uint64_t n;

	for (size_t i = 0; s.n && i < 4; i++)
		if (s.p[s.n - 1] == units[i].unit) {
			seconds = units[i].seconds;
			s.n--;
			break;
		}
	if (!slice_u64(s, &n) || n == 0 || n > 100000000) {
		token_refused(q, "--lifetime %s: expected a number with s, m, h or d behind it", text);
		return false;
	}
	*out = (usec)n * seconds * USEC_S;
	return true;
}

static struct slice id_of(struct token_asked *q)
{
	static const char alphabet[] = "0123456789abcdefghijklmnopqrstuv";
	uint8_t random[16];
	char name[17] = "";

	if (q->id[0] != '@')
		return slice_str(q->id);
	rand_bytes(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		name[i] = alphabet[random[i] & 31];
	return arena_printf(&q->a, "%s%s", name, q->id);
}

/* The claims as the command line has them; false: told. */
static bool compose(struct token_asked *q, struct token_claims *c)
{
	usec now = clock_wall() / USEC_S * USEC_S, span = 3600 * USEC_S;
	struct slice *audience = arena_array(&q->a, q->n_audience + 1, sizeof(*audience));

	if (!audience || !time_of(q, "--from", q->from, &now))
		return false;
	if (q->lifetime && !span_of(q, q->lifetime, &span))
		return false;
	*c = (struct token_claims){ .version = S("1"), .id = id_of(q), .issuer = slice_str(q->issuer), .holder = slice_str(q->holder),
				    .not_before = now, .not_after = now + span, .name = slice_str(q->name),
				    .extension = slice_str(q->extension), .audience = audience, .n_audience = q->n_audience };
	for (unsigned i = 0; i < q->n_audience; i++)
		audience[i] = slice_str(q->audience[i]);
	return time_of(q, "--until", q->until, &c->not_after) && permissions(q, &c->permissions);
}

/* A CSE has to be able to read what is written. */
static bool readable(struct token_asked *q, const struct token_claims *c)
{
	struct token_claims read;
	struct slice why = { NULL, 0 }, text;
	struct buf b;

	buf_init(&b, 1 << 20);
	token_claims_write_jwt(&b, c);
	text = arena_dup(&q->a, buf_view(&b));
	buf_free(&b);
	if (token_claims_read(&q->a, &q->home, text, &token_default_limits, &read, &why) != RC_OK) {
		token_refused(q, "%.*s", SF(why));
		return false;
	}
	if (read.not_after <= read.not_before) {
		token_refused(q, "it would end before it begins");
		return false;
	}
	return true;
}

static struct key_ref *key_of(struct token_asked *q, struct secenv *se, const char *kid)
{
	struct key_ref *k = kid ? secenv_find(se, slice_str(kid)) : NULL;

	if (kid && !k)
		token_refused(q, "there is no key \"%s\"; reeve key list tells which there are", kid);
	return k;
}

int token_issue(struct token_asked *q)
{
	struct key_ref *sign = NULL, *encrypt = NULL;
	struct secenv *se = NULL;
	struct token_claims c;
	char why[KEY_WHY_MAX] = "";
	const char *said = "";
	int status = EXIT_REFUSED;
	struct buf out;

	if (!q->holder || !q->issuer || !q->id || (!q->sign && !q->encrypt) || q->operand)
		return usage_error("token", "issue needs --holder, --issuer, --id, and --sign or --encrypt");
	if (!compose(q, &c) || !readable(q, &c))
		return EXIT_REFUSED;
	if (keys_open(&q->s.c, false, &se, why) != RC_OK) {
		token_refused(q, "%s", why);
		return EXIT_UNREACHABLE;
	}
	buf_init(&out, 1 << 20);
	sign = key_of(q, se, q->sign);
	encrypt = key_of(q, se, q->encrypt);
	if ((!q->sign || sign) && (!q->encrypt || encrypt)) {
		enum key_alg enc = q->enc != ALG_NONE || !encrypt || alg_in(key_info(encrypt)->alg, ALGS_CONTENT) ? q->enc : ALG_A128GCM;
		if (token_protect(&c, sign, encrypt, enc, &out, &said) == RC_OK) {
			buf_char(&out, '\n');
			fwrite(out.p, 1, out.n, stdout);
			status = EXIT_OK;
		} else {
			token_refused(q, "%s", said);
		}
	}
	key_put(sign);
	key_put(encrypt);
	secenv_close(se);
	buf_free(&out);
	return status;
}

int cmd_token(int argc, char **argv)
{
	static const struct { const char *name; int (*run)(struct token_asked *q); } verbs[] = {
		{ "issue", token_issue }, { "inspect", token_inspect }, { "verify", token_verify },
	};
	struct token_asked *q;
	int status;

	if (told_help(help, argc, argv, &status))
		return status;
	if (!(q = calloc(1, sizeof(*q))))
		return EXIT_UNREACHABLE;
	log_setup(LOG_WARN, false);
	arena_init(&q->a, NULL, 0, 64 << 20);
	settings_init(&q->s);
	status = settings_arguments(&q->s, "token", true, argc, argv, take, q);
	q->home = (struct ident_home){ .sp_id = q->s.c.sp_id, .cse_id = q->s.c.cse_id, .base_name = q->s.c.base_name };
	snprintf(q->abs, sizeof(q->abs), "%.*s%.*s", SF(q->s.c.sp_id), SF(q->s.c.cse_id));
	q->home.abs = slice_str(q->abs);
	if (status == EXIT_OK && q->bad)
		status = EXIT_USAGE;
	for (size_t i = 0; status == EXIT_OK; i++) {
		if (i == sizeof(verbs) / sizeof(verbs[0])) {
			status = usage_error("token", "there is no \"%s\" for tokens: issue, inspect or verify", q->verb ? q->verb : "");
		} else if (q->verb && !strcmp(q->verb, verbs[i].name)) {
			status = verbs[i].run(q);
			break;
		}
	}
	settings_free(&q->s);
	arena_reset(&q->a);
	free(q);
	return status;
}
