/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve policy`: its words, and the flags they share. */
#include "main/policy.h"

#include <stdio.h>

#include "authz/cases.h"
#include "base/log.h"
#include "main/commands.h"

static const char *help =
	"Work with access control policies: test them, find what is wrong with them, ask who can do what.\n"
	"\n"
	"usage: reeve policy test CASES [--policy FILE]... [--json | --tap] [--quiet]\n"
	"       reeve policy lint [--policy FILE]... [--json] [--strict]\n"
	"       reeve policy who-can OPERATION ADDRESS [--type T] [--json] [--limit N] [--offset N]\n"
	"       reeve policy what-can ORIGINATOR [--role R]... [--json] [--limit N]\n"
	"\n"
	"test judges the cases of a file (who, operation, on what, when, from where: permit or deny) and tells every surprise with\n"
	"the rule that matched, or the first test that each rule failed. Made for CI: reeve-policy(1) has the format.\n"
	"lint finds rules that are too wide, can never match, have no effect, and policies that lock everybody out or are not used.\n"
	"who-can lists who may do OPERATION (create, retrieve, update, delete, notify, discovery) on a resource, by which rule.\n"
	"what-can lists what an Originator may do, on which resources.\n"
	"\n"
	"  --policy FILE   an accessControlPolicy as JSON, as `reeve ae retrieve --json` prints it; several. Without one, the\n"
	"                  store is read, also while a CSE is running on it\n"
	"  --json          as JSON\n"
	"  --tap           test: in the Test Anything Protocol\n"
	"  --quiet         test: surprises only\n"
	"  --strict        lint: notes count as well\n"
	"  --type T        who-can create: of this resource type only\n"
	"  --role R        what-can: a role the Originator has\n"
	"  --limit N       who-can: lines at most [1000]; what-can: addresses for each set of policies [10], 0: all\n"
	"  --offset N      who-can: leave out the first N\n"
	"\n"
	"Options of the configuration file are taken too: --config FILE, --cse.id, --cse.sp, ... Without --store.data the folder\n"
	"is $REEVE_DATA, or the first there is of ./reeve-data, ./build/data and /var/lib/reeve.\n"
	"\n"
	"Exit status: 0 all as expected, nothing found; 1 a surprise, a finding; 2 the command line is wrong; 3 something cannot\n"
	"be read.\n";

static bool take_number(struct policy_asked *q, const char *flag, const char *value, uint64_t *out)
{
	if (slice_u64(slice_str(value), out))
		return true;
	usage_error(q->command, "%s %s: expected a number", flag, value);
	q->bad = true;
	return true;
}

static bool take_type(struct policy_asked *q, const char *value)
{
	q->type = case_type(slice_str(value));
	if (q->type)
		return true;
	usage_error(q->command, "--type %s: expected a resource type", value);
	q->bad = true;
	return true;
}

static bool take_switch(struct policy_asked *q, const char *flag)
{
	const struct { const char *name; unsigned takes; bool *at; } switches[] = {
		{ "--json", 0, &q->json }, { "--tap", TAKES_TAP, &q->tap }, { "--quiet", TAKES_QUIET, &q->quiet },
		{ "--strict", TAKES_STRICT, &q->strict },
	};

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (!strcmp(flag, switches[i].name) && (q->takes & switches[i].takes) == switches[i].takes)
			return *switches[i].at = true;
	return false;
}

static bool take_value(struct policy_asked *q, const char *flag, const char *value)
{
	if (!strcmp(flag, "--policy") && q->takes & TAKES_FILES && q->n_files < POLICY_FILES_MAX)
		q->files[q->n_files++] = value;
	else if (!strcmp(flag, "--role") && q->takes & TAKES_ROLES && q->n_roles < POLICY_ROLES_MAX)
		q->roles[q->n_roles++] = slice_str(value);
	else if (!strcmp(flag, "--type") && q->takes & TAKES_TYPE)
		return take_type(q, value);
	else if (!strcmp(flag, "--limit") && q->takes & TAKES_PAGES)
		return take_number(q, flag, value, &q->limit);
	else if (!strcmp(flag, "--offset") && q->takes & TAKES_PAGES)
		return take_number(q, flag, value, &q->offset);
	else
		return false;
	return true;
}

/* What is no option of the configuration. */
static bool take(void *ctx, int argc, char **argv, int *i)
{
	struct policy_asked *q = ctx;
	const char *flag = argv[*i];

	if (flag[0] != '-') {
		if (q->n_operands == q->max_operands)
			return false;
		q->operand[q->n_operands++] = flag;
	} else if (!take_switch(q, flag)) {
		if (*i + 1 >= argc || !take_value(q, flag, argv[*i + 1]))
			return false;
		++*i;
	}
	++*i;
	return true;
}

int policy_arguments(struct settings *s, struct policy_asked *q, int argc, char **argv)
{
	int status;

	log_setup(LOG_WARN, false);
	settings_init(s);
	status = settings_arguments(s, q->command, true, argc, argv, take, q);
	if (status != EXIT_OK || q->bad)
		return EXIT_USAGE;
	policy_find_data(s);
	return EXIT_OK;
}

struct explain_set *policy_compile_files(struct arena *a, const struct policy_options *o, const char *command, const char *const *files,
					 size_t n)
{
	struct explain_policy *policies = arena_array(a, n + 1, sizeof(*policies));
	struct explain_set *set = NULL;
	struct buf error;

	if (!policies)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!policy_file_read(a, command, files[i], &policies[i]))
			return NULL;
	buf_init(&error, 65536);
	if (explain_compile(o, a, policies, n, &error, &set) != RC_OK)
		fprintf(stderr, "reeve %s: the policy would be refused: %.*s\n", command, SF(buf_view(&error)));
	buf_free(&error);
	return set;
}

bool policy_look(struct settings *s, const char *command, struct look *l)
{
	char why[256] = "";

	if (look_open(&s->c, 65536, l, why) == RC_OK) {
		l->x.now = clock_wall();
		return true;
	}
	fprintf(stderr, "reeve %s: %s; --store.data names the folder of the store, --policy FILE does without\n", command, why);
	return false;
}

void policy_print(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool c1 = c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0; /* U+0080 to U+009F */
		putchar(c < 0x20 || c == 0x7f || c1 ? '?' : c);
		i += c1;
	}
}

int cmd_policy(int argc, char **argv)
{
	static const struct { const char *name; int (*run)(int argc, char **argv); } words[] = {
		{ "test", policy_test }, { "lint", policy_lint }, { "who-can", policy_who_can }, { "what-can", policy_what_can },
	};

	for (int i = 0; i < argc; i++)
		if (wants_help(argv[i])) {
			fputs(help, stdout);
			return EXIT_OK;
		}
	for (size_t i = 0; argc && i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(argv[0], words[i].name))
			return words[i].run(argc - 1, argv + 1);
	if (argc)
		return usage_error("policy", "\"%s\": expected test, lint, who-can or what-can", argv[0]);
	fputs(help, stderr);
	return EXIT_USAGE;
}
