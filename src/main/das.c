/* SPDX-License-Identifier: Apache-2.0 */
/* reeve das: run a Dynamic Authorization System (serve.c does, with its defaults), check its policy file, and look after the tokens of a
 * running one. That part speaks to it as any entity would: a token is a <token> resource there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authz/token.h"
#include "codec/json.h"
#include "codec/text.h"
#include "das/policy.h"
#include "main/ae.h"
#include "main/commands.h"
#include "main/settings.h"

static const char *help =
	"Run a Dynamic Authorization System, or look after the tokens of a running one.\n"
	"\n"
	"usage: reeve das --das.policy FILE [--config FILE] [--SECTION.KEY VALUE]...\n"
	"       reeve das check FILE [--config FILE]          is the policy file right?\n"
	"       reeve das list [--holder ORIGINATOR]          tokens that were issued and are valid\n"
	"       reeve das show TOKEN-ID                       the claims of one of them\n"
	"       reeve das revoke TOKEN-ID                     it is not given to any CSE from now on\n"
	"\n"
	"  --das URL          of the running one [http://127.0.0.1:8090, or $REEVE_DAS]\n"
	"  --base NAME        resource name of its CSEBase [das]\n"
	"  --from ORIGINATOR  its administrator (cse.admin) [$REEVE_FROM]\n"
	"  --json             print what came as JSON\n"
	"\n"
	"A CSE that has verified a revoked token keeps it until it expires: let tokens live shortly.\n"
	"Options for running are those of reeve cse (reeve cse --help); das.policy is needed.\n"
	"Exit status: 0 done, 1 refused or not right, 2 the command line is wrong, 3 nobody answered.\n";

struct admin {
	struct ae ae;
	const char *base;
	struct slice holder;
	bool all;
};

/* --- answers --- */

static int call(struct admin *a, enum op op, struct slice address, struct client_answer *out)
{
	if (!ae_call(&a->ae, op, address, 0, (struct slice){ NULL, 0 }, out))
		return EXIT_UNREACHABLE;
	return out->rsc >= 2000 && out->rsc < 3000 ? EXIT_OK : ae_answer(&a->ae, out);
}

/* Members of a <token> in the order of a reader, without the token itself. */
static const char *const shown[] = { "tkid", "tkhd", "tkis", "tknb", "tkna", "tknm", "tkau", "tkps", "tkex" };

static void print_token(struct admin *a, const struct json *j, uint32_t t, bool long_form)
{
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		uint32_t at = json_member(j, t, slice_str(shown[i]));
		struct slice text = json_string(&a->ae.memory, j, at);

		if (!at || (!long_form && i > 4 && i != 6))
			continue;
		if (!text.p)
			text = json_raw(j, at);
		if (long_form)
			printf("%s  %.*s\n", shown[i], SF(text));
		else
			printf("%s%.*s", i ? "  " : "", SF(text));
	}
	if (!long_form)
		putchar('\n');
}

static void print_json(const struct json *j, uint32_t t, bool first)
{
	bool comma = false;

	fputs(first ? "[\n {" : ",\n {", stdout);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		uint32_t at = json_member(j, t, slice_str(shown[i]));

		if (!at)
			continue;
		printf("%s\"%s\":%.*s", comma ? "," : "", shown[i], SF(json_raw(j, at)));
		comma = true;
	}
	putchar('}');
}

/* --- operations --- */

/* The tokens of an answer with children, those of --holder when it is given. Returns how many. */
static size_t print_list(struct admin *a, struct slice body)
{
	static const struct json_limits limits = { .depth = 32, .tokens = 1 << 22 };
	uint32_t root, all;
	struct slice why;
	struct json j;
	size_t n = 0;

	if (json_parse(&a->ae.memory, body, &limits, &j, &why) != RC_OK || json_kind(&j, 0) != J_OBJECT || j.n < 3)
		return 0;
	root = 2;
	all = json_member(&j, root, S("m2m:tk"));
	for (uint32_t i = all + 1; all && json_kind(&j, all) == J_ARRAY && i < j.tok[all].next; i = j.tok[i].next) {
		if (a->holder.n && !json_string_is(&j, json_member(&j, i, S("tkhd")), a->holder))
			continue;
		if (a->ae.json)
			print_json(&j, i, n == 0);
		else
			print_token(a, &j, i, false);
		n++;
	}
	return n;
}

static int op_list(struct admin *a)
{
	struct client_answer out;
	size_t n = 0;
	int status;

	for (unsigned offset = 0;;) {
		buf_clear(&a->ae.query);
		buf_lit(&a->ae.query, "?rcn=4&ty=32&lvl=1");
		if (offset)
			buf_printf(&a->ae.query, "&ofst=%u", offset);
		status = call(a, OP_RETRIEVE, slice_str(a->base), &out);
		if (status != EXIT_OK)
			break;
		n += print_list(a, buf_view(&out.body));
		if (!out.partial || out.offset <= offset)
			break;
		offset = out.offset;
		client_answer_free(&out);
	}
	client_answer_free(&out);
	if (status == EXIT_OK && a->ae.json)
		puts(n ? "\n]" : "[]");
	else if (status == EXIT_OK && !n)
		fputs("no tokens\n", stderr);
	return status;
}

/* Address of the <token> of a Token-ID, from a discovery. */
static int find(struct admin *a, struct slice id, struct slice *path)
{
	struct client_answer out;
	struct slice why;
	struct json j;
	uint32_t list;
	int status;

	ae_query(&a->ae, "fu", S("1"));
	ae_query(&a->ae, "ty", S("32"));
	ae_query(&a->ae, "tkid", id);
	status = call(a, OP_RETRIEVE, slice_str(a->base), &out);
	buf_clear(&a->ae.query);
	*path = (struct slice){ NULL, 0 };
	if (status == EXIT_OK) {
		struct slice body = arena_dup(&a->ae.memory, buf_view(&out.body));

		if (json_parse(&a->ae.memory, body, &json_default_limits, &j, &why) == RC_OK &&
		    (list = json_member(&j, 0, S("m2m:uril"))) && json_kind(&j, list) == J_ARRAY && j.tok[list].count)
			*path = json_string(&a->ae.memory, &j, list + 1);
		if (!path->n) {
			fprintf(stderr, "reeve das: there is no token \"%.*s\"\n", SF(id));
			status = EXIT_REFUSED;
		}
	}
	client_answer_free(&out);
	return status;
}

static int op_one(struct admin *a, enum op op)
{
	struct client_answer out;
	struct slice address, why;
	struct json j;
	int status;

	if (a->ae.n_args != 1)
		return usage_error("das", "%s needs a Token-ID (name@domain)", a->ae.op);
	if ((status = find(a, slice_str(a->ae.args[0]), &address)) != EXIT_OK)
		return status;
	status = call(a, op, address, &out);
	if (status == EXIT_OK && op == OP_DELETE)
		printf("revoked %s\n", a->ae.args[0]);
	else if (status == EXIT_OK && json_parse(&a->ae.memory, buf_view(&out.body), &json_default_limits, &j, &why) == RC_OK && j.n > 2) {
		if (a->ae.json) {
			print_json(&j, 2, true);
			puts("\n]");
		} else {
			print_token(a, &j, 2, true);
		}
	}
	client_answer_free(&out);
	return status;
}

/* --- the policy file --- */

static int check(int argc, char **argv)
{
	char why[DAS_WHY_MAX];
	struct das_policy *p;
	struct settings s;
	struct ident_home home;
	const char *path = argc ? argv[0] : NULL;
	int status;

	if (!path || path[0] == '-')
		return usage_error("das", "check needs the policy file");
	settings_init(&s);
	status = settings_arguments(&s, "das", true, argc - 1, argv + 1, NULL, NULL);
	if (status == EXIT_OK) {
		struct slice abs = arena_printf(&s.memory, "%.*s%.*s", SF(s.c.sp_id), SF(s.c.cse_id));
		struct policy_options o = { .home = &home, .positions = true, .countries = true };

		home = (struct ident_home){ s.c.sp_id, s.c.cse_id, s.c.base_name, abs };
		if (das_policy_load(path, &o, &p, why) == RC_OK) {
			printf("%s: %zu rules for %zu CSEs, issuer %.*s\n", path, p->n_rules, p->n_cses, SF(p->issuer));
			das_policy_free(p);
		} else {
			fprintf(stderr, "%s: %s\n", path, why);
			status = EXIT_REFUSED;
		}
	}
	settings_free(&s);
	return status;
}

/* --- the command line --- */

static int arguments(struct admin *a, int argc, char **argv, const char **url)
{
	for (int i = 0; i < argc; i++) {
		const char *arg = argv[i];
		bool value = !strcmp(arg, "--das") || !strcmp(arg, "--base") || !strcmp(arg, "--from") || !strcmp(arg, "--holder");

		if (value && i + 1 >= argc)
			return usage_error("das", "%s needs a value", arg);
		if (!strcmp(arg, "--das"))
			*url = argv[++i];
		else if (!strcmp(arg, "--base"))
			a->base = argv[++i];
		else if (!strcmp(arg, "--from"))
			a->ae.client.from = slice_str(argv[++i]);
		else if (!strcmp(arg, "--holder"))
			a->holder = slice_str(argv[++i]);
		else if (!strcmp(arg, "--json"))
			a->ae.json = true;
		else if (arg[0] == '-')
			return usage_error("das", "%s: there is no such option here", arg);
		else
			a->ae.args[a->ae.n_args++] = argv[i];
	}
	return EXIT_OK;
}

static int administer(const char *op, int argc, char **argv)
{
	const char *url = getenv("REEVE_DAS"), *from = getenv("REEVE_FROM");
	struct admin a = { .base = "das" };
	char why[256];
	int status;

	a.ae.op = op;
	a.ae.client = (struct client){ .release = "3", .timeout = 30 * USEC_S, .max_answer = 64 << 20, .from = slice_str(from),
				      .cse_id = "/das" };
	arena_init(&a.ae.memory, NULL, 0, 512 << 20);
	buf_init(&a.ae.query, 4096);
	if (!(a.ae.args = calloc((size_t)argc + 1, sizeof(char *))))
		return EXIT_UNREACHABLE;
	if (!url)
		url = "http://127.0.0.1:8090";
	status = arguments(&a, argc, argv, &url);
	if (status == EXIT_OK && client_url(&a.ae.client, url, why) != RC_OK)
		status = usage_error("das", "%s: %s", url, why);
	if (status == EXIT_OK)
		status = !strcmp(op, "list") ? op_list(&a) : op_one(&a, !strcmp(op, "revoke") ? OP_DELETE : OP_RETRIEVE);
	client_free(&a.ae.client);
	buf_free(&a.ae.query);
	free(a.ae.args);
	arena_reset(&a.ae.memory);
	return status;
}

int cmd_das(int argc, char **argv)
{
	if (argc && wants_help(argv[0])) {
		fputs(help, stdout);
		return EXIT_OK;
	}
	if (argc && !strcmp(argv[0], "check"))
		return check(argc - 1, argv + 1);
	if (argc && (!strcmp(argv[0], "list") || !strcmp(argv[0], "show") || !strcmp(argv[0], "revoke")))
		return administer(argv[0], argc - 1, argv + 1);
	if (argc && argv[0][0] != '-')
		return usage_error("das", "%s: check, list, show, revoke, or options to run with", argv[0]);
	return serve_das(argc, argv);
}
