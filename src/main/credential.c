/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve credential`: who may make security associations with this CSE, and as whom (core/association/credential.h). */
#include "main/credential.h"

#include <stdio.h>

#include "base/log.h"
#include "codec/json.h"
#include "main/commands.h"
#include "secenv/secret.h"

static const char *help =
	"Who may make security associations with a CSE, and as whom. A change counts at once, also in a CSE that runs: open\n"
	"connections by a credential that is revoked or rotated end.\n"
	"\n"
	"usage: reeve credential add --psk [NAME@DOMAIN] [--file FILE] [OPTION...]\n"
	"       reeve credential add --raw-key FILE [OPTION...]\n"
	"       reeve credential add --certificate-of cse|ae|node|device NAME [OPTION...]\n"
	"       reeve credential list\n"
	"       reeve credential show|revoke|delete ID\n"
	"       reeve credential rotate ID [--file FILE]\n"
	"\n"
	"  --as-ae AE-ID      it stands for this AE (of a node or device: for these, repeat it)\n"
	"  --as-cse CSE-ID    it stands for this CSE; without either, the rules of the service subscription decide\n"
	"  --domain NAME      public domain name of that CSE, when it does not follow from its CSE-ID\n"
	"  --file FILE        the secret of a symmetric key as hexadecimal digits (- is standard input); else one is made and shown once\n"
	"  --expires TIME     20271231T000000 (UTC)\n"
	"  --label TEXT       for people\n"
	"  --admin            its holder may administer credentials over HTTPS\n"
	"  --json             answer as JSON\n"
	"\n"
	"Certificates of CSEs and AEs under a configured anchor are good by themselves; a row for one says otherwise, or revokes it. NAME\n"
	"is the CSE's public domain name, the absolute AE-ID, the Node-ID, or the hardware identifier. --raw-key takes the file of\n"
	"a public key, certificate or private key (PEM).\n"
	"\n"
	"Where:\n"
	"  --data FOLDER, --config FILE   the CSE on this machine, running or not [that of the configuration]\n"
	"  --cse https://HOST:PORT        another one, with an administrator's credential:\n"
	"  --my-psk ID:FILE, --my-cert FILE --my-key FILE, --my-raw-key FILE, --anchor FILE, --server-name NAME,\n"
	"  --server-public-key ni:///sha-256;...    as for reeve ae, there without \"my\"\n"
	"\n"
	"Exit status: 0 done, 1 refused, or there is no such credential; 2 the command line is wrong, 3 nobody answered.\n"
	"\n"
	"  reeve credential add --psk --as-ae Cpump\n"
	"  reeve credential add --psk gw7@issuer.example --as-cse /gw7 --file secret.hex\n"
	"  reeve credential revoke 12-gw7@issuer.example\n";

/* --- command line --- */

static bool take_value(struct credential_args *q, const char *flag, const char *value)
{
	const struct { const char *flag; const char **to; } plain[] = {
		{ "--as-cse", &q->as_cse }, { "--domain", &q->domain }, { "--label", &q->label }, { "--expires", &q->expires },
		{ "--file", &q->file }, { "--raw-key", &q->raw_key }, { "--data", &q->s.c.data },
	};
	char why[256] = "", other[32];

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (!strcmp(flag, plain[i].flag)) {
			*plain[i].to = value;
			return true;
		}
	if (!strcmp(flag, "--as-ae")) {
		if (q->n_aes == CREDENTIAL_NAMES_MOST)
			return false;
		q->ae[q->n_aes++] = value;
		return true;
	}
	if (!strcmp(flag, "--cse")) {
		q->cse = value;
		if (client_url(&q->client, value, why) == RC_OK && client_is_http(&q->client))
			return true;
		if (!*why)
			snprintf(why, sizeof(why), "--cse %.100s: credentials are administered over https://", value);
		usage_error("credential", "%s", why);
		return q->bad = true;
	}
	if (!strncmp(flag, "--my-", 5) && snprintf(other, sizeof(other), "--%s", flag + 5) < (int)sizeof(other))
		return tls_flag(&q->client.tls, other, value);
	return strcmp(flag, "--psk") && strcmp(flag, "--cert") && strcmp(flag, "--key") && tls_flag(&q->client.tls, flag, value);
}

static bool take_kind(struct credential_args *q, int argc, char **argv, int *i)
{
	static const char *const kinds[] = { "cse", "ae", "node", "device" };

	for (size_t k = 0; *i + 1 < argc && k < sizeof(kinds) / sizeof(kinds[0]); k++)
		if (!strcmp(argv[*i + 1], kinds[k])) {
			q->kind = kinds[k];
			*i += 2;
			return true;
		}
	usage_error("credential", "--certificate-of: cse, ae, node or device is expected");
	return q->bad = true, *i = argc, true;
}

static bool take(void *ctx, int argc, char **argv, int *i)
{
	struct credential_args *q = ctx;
	const char *a = argv[*i];

	if (!strcmp(a, "--certificate-of"))
		return take_kind(q, argc, argv, i);
	if (strncmp(a, "--", 2)) {
		const char **at = q->verb ? &q->operand : &q->verb;
		if (*at)
			return false;
		*at = a;
	} else if (!strcmp(a, "--psk")) {
		q->kind = "psk";
	} else if (!strcmp(a, "--json")) {
		q->json = true;
	} else if (!strcmp(a, "--admin")) {
		q->admin = true;
	} else if (*i + 1 < argc && take_value(q, a, argv[*i + 1])) {
		++*i;
	} else {
		return false;
	}
	++*i;
	return true;
}

/* --- told --- */

/* Without what a terminal would obey. */
static void print_text(const char *label, struct slice s)
{
	if (!s.n)
		return;
	printf("%s", label);
	for (size_t i = 0; i < s.n; i++)
		putchar((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ? '?' : s.p[i]);
}

static struct slice text_of(struct credential_args *q, const struct json *j, uint32_t row, struct slice name)
{
	const struct slice s = json_string(&q->memory, j, json_member(j, row, name));
	return s.p ? s : S("");
}

static bool flag_of(const struct json *j, uint32_t row, struct slice name)
{
	const uint32_t at = json_member(j, row, name);
	bool is = false;
	return at && json_bool(j, at, &is) && is;
}

static void print_names(struct credential_args *q, const struct json *j, uint32_t row, struct slice name, const char *label)
{
	const uint32_t list = json_member(j, row, name);

	if (!list || json_kind(j, list) != J_ARRAY || !j->tok[list].count)
		return;
	printf("%s", label);
	for (uint32_t i = list + 1; i < j->tok[list].next; i = j->tok[i].next)
		print_text(i == list + 1 ? "" : " ", json_string(&q->memory, j, i));
}

static void print_row(struct credential_args *q, const struct json *j, uint32_t row)
{
	print_text("", text_of(q, j, row, S("id")));
	print_text("  CSE ", text_of(q, j, row, S("cse")));
	print_names(q, j, row, S("ae"), "  AE ");
	print_names(q, j, row, S("registered"), "  registered ");
	print_text("  until ", text_of(q, j, row, S("expires")));
	printf("%s%s", flag_of(j, row, S("admin")) ? "  administrator" : "", flag_of(j, row, S("revoked")) ? "  REVOKED" : "");
	print_text("  # ", text_of(q, j, row, S("label")));
	putchar('\n');
}

/* What a refusal says; else NULL in *j. */
static bool parse(struct credential_args *q, const struct buf *answer, struct json *j)
{
	struct slice why;

	return json_parse(&q->memory, buf_view(answer), &json_default_limits, j, &why) == RC_OK && json_kind(j, 0) == J_OBJECT;
}

static int refused(struct credential_args *q, const struct json *j, int status)
{
	const struct slice text = j ? text_of(q, j, 0, S("error")) : S("");

	if (text.n)
		fprintf(stderr, "reeve credential: %.*s\n", SF(text));
	else
		fprintf(stderr, "reeve credential: the answer was %d\n", status);
	return EXIT_REFUSED;
}

static void told(struct credential_args *q, const struct json *j)
{
	const uint32_t list = json_member(j, 0, S("credentials"));
	const struct slice secret = text_of(q, j, 0, S("secret"));

	if (list && json_kind(j, list) == J_ARRAY) {
		for (uint32_t i = list + 1; i < j->tok[list].next; i = j->tok[i].next)
			print_row(q, j, i);
		if (!j->tok[list].count)
			puts("no credentials yet; reeve credential add --psk --as-ae Cpump makes one");
		return;
	}
	if (json_member(j, 0, S("id")))
		print_row(q, j, 0);
	if (!secret.n)
		return;
	printf("secret %.*s\n", SF(secret));
	fflush(stdout);
	fputs("It is not shown again: give it to the holder on a safe way. His key identifier is what follows \"12-\".\n", stderr);
}

/* --- commands --- */

static int ask(struct credential_args *q, const char *method, struct slice id, struct slice body)
{
	int status = 0, result = EXIT_UNREACHABLE;
	struct buf answer = { 0 };
	struct json j;

	if (credential_ask(q, method, id, body, &status, &answer)) {
		const bool is = parse(q, &answer, &j);

		if (status < 200 || status > 299 || !is) {
			result = refused(q, is ? &j : NULL, status);
		} else {
			result = EXIT_OK;
			if (q->json)
				fwrite(answer.p, 1, answer.n, stdout);
			else
				told(q, &j);
		}
	}
	if (answer.p)
		secret_wipe(answer.p, answer.cap);
	buf_free(&answer);
	return result;
}

static int with_body(struct credential_args *q, const char *method, struct slice id, bool add)
{
	int status = EXIT_USAGE;
	struct buf body;
	bool good;

	buf_init(&body, 1 << 20);
	if (add) {
		good = credential_body(q, id, &body);
	} else {
		buf_lit(&body, "{");
		good = credential_secret(q, &body);
		if (good)
			body.p[1] = ' '; /* no member before */
		buf_char(&body, '}');
	}
	if (good)
		status = ask(q, method, add ? S("") : id, buf_view(&body));
	if (body.p)
		secret_wipe(body.p, body.cap);
	buf_free(&body);
	return status;
}

static int run(struct credential_args *q)
{
	const char *v = q->verb ? q->verb : "";
	const struct slice id = slice_str(q->operand ? q->operand : "");
	struct slice added;

	if (!strcmp(v, "add"))
		return credential_id_of(q, &added) ? with_body(q, "POST", added, true) : EXIT_USAGE;
	if (!strcmp(v, "list") && !id.n)
		return ask(q, "GET", S(""), S(""));
	if (strcmp(v, "show") && strcmp(v, "revoke") && strcmp(v, "rotate") && strcmp(v, "delete"))
		return usage_error("credential", "add, list, show, revoke, rotate or delete is expected");
	if (!id.n)
		return usage_error("credential", "%s: which one? reeve credential list shows them", v);
	if (!strcmp(v, "show"))
		return ask(q, "GET", id, S(""));
	if (!strcmp(v, "revoke"))
		return ask(q, "PATCH", id, S("{\"revoked\":true}"));
	return !strcmp(v, "rotate") ? with_body(q, "PATCH", id, false) : ask(q, "DELETE", id, S(""));
}

int cmd_credential(int argc, char **argv)
{
	struct credential_args q = { .client = { .release = "3", .timeout = 30 * USEC_S, .max_answer = 8 << 20 } };
	int status;

	if (told_help(help, argc, argv, &status))
		return status;
	log_setup(LOG_WARN, false);
	settings_init(&q.s);
	arena_init(&q.memory, NULL, 0, 64 << 20);
	status = settings_arguments(&q.s, "credential", true, argc, argv, take, &q);
	status = status != EXIT_OK || q.bad ? EXIT_USAGE : run(&q);
	client_free(&q.client);
	arena_reset(&q.memory);
	settings_free(&q.s);
	return status;
}
