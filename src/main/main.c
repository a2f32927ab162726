/* SPDX-License-Identifier: Apache-2.0 */
/* reeve: the subcommands by name. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "main/commands.h"

static const struct { const char *name, *what; int (*run)(int argc, char **argv); } commands[] = {
	{ "up", "a whole system on this machine, for trying things out", cmd_up },
	{ "cse", "a Common Services Entity", cmd_cse },
	{ "ae", "act as an entity: create, retrieve, update, delete, discover, notify, watch", cmd_ae },
	{ "das", "a Dynamic Authorization System, and its tokens", cmd_das },
	{ "role", "give somebody a role, see who has which, take it away", cmd_role },
	{ "explain", "why a request was or would be permitted or denied", cmd_explain },
	{ "token", "make, read and judge oneM2M tokens", cmd_token },
	{ "credential", "who may make security associations with a CSE, and as whom", cmd_credential },
	{ "key", "make, import, list and use keys", cmd_key },
	{ "policy", "test access control policies, find what is wrong with them, ask who can do what", cmd_policy },
	{ "check", "check a configuration file, a store or an audit log", cmd_check },
};

bool wants_help(const char *arg)
{
	return !strcmp(arg, "--help") || !strcmp(arg, "-h") || !strcmp(arg, "help");
}

bool told_help(const char *help, int argc, char **argv, int *status)
{
	bool wanted = false;

	for (int i = 0; i < argc; i++)
		wanted |= wants_help(argv[i]);
	if (argc && !wanted)
		return false;
	fputs(help, wanted ? stdout : stderr);
	*status = wanted ? EXIT_OK : EXIT_USAGE;
	return true;
}

int usage_error(const char *command, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "reeve %s: ", command);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; see reeve %s --help\n", command);
	return EXIT_USAGE;
}

static void help(FILE *f)
{
	fputs("usage: reeve COMMAND [OPTION...]\n\n", f);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].what);
	fputs("\nreeve COMMAND --help tells more. reeve --version tells the version.\n", f);
}

/* A command that begins as `given` does, or the other way round. */
static const char *nearest(const char *given)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const char *name = commands[i].name;
		if (!strncmp(name, given, strlen(given)) || !strncmp(name, given, strlen(name)) || !strncmp(name, given, 3))
			return name;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		help(stderr);
		return EXIT_USAGE;
	}
	if (wants_help(argv[1])) {
		help(stdout);
		return EXIT_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("reeve " REEVE_VERSION);
		return EXIT_OK;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 2, argv + 2);
	const char *near = nearest(argv[1]);
	if (near)
		fprintf(stderr, "reeve: there is no command \"%s\"; did you mean \"%s\"?\n", argv[1], near);
	else
		fprintf(stderr, "reeve: there is no command \"%s\"; see reeve --help\n", argv[1]);
	return EXIT_USAGE;
}
