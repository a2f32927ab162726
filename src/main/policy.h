/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve policy`: what its words share, one file each. Arguments are those behind the word; the exit status is returned. */
#ifndef REEVE_MAIN_POLICY_H
#define REEVE_MAIN_POLICY_H

#include "core/would.h"
#include "main/policy_file.h"

enum { POLICY_FILES_MAX = 256, POLICY_ROLES_MAX = 32, POLICY_MEMORY = 512 << 20 };

int policy_test(int argc, char **argv);
int policy_lint(int argc, char **argv);
int policy_who_can(int argc, char **argv);
int policy_what_can(int argc, char **argv);

/* Flags that several take. */
struct policy_asked {
	const char *command;         /* "policy test" */
	const char *operand[2]; size_t n_operands, max_operands;
	const char *files[POLICY_FILES_MAX]; size_t n_files; /* --policy */
	struct slice roles[POLICY_ROLES_MAX]; size_t n_roles; /* --role */
	bool json, tap, quiet, strict;
	int32_t type;                /* --type, 0: not given */
	uint64_t limit, offset;
	bool bad;                    /* a value was wrong and told */
	unsigned takes;              /* enum policy_takes */
};
enum policy_takes { TAKES_FILES = 1, TAKES_TAP = 2, TAKES_QUIET = 4, TAKES_TYPE = 8, TAKES_PAGES = 16, TAKES_ROLES = 32,
		    TAKES_STRICT = 64 };
/* The command line and the configuration; EXIT_OK, or the status to end with. Finds the folder of the store. */
int policy_arguments(struct settings *s, struct policy_asked *q, int argc, char **argv);

/* The policies of the files (paths as given), compiled. NULL when one would be refused: told. */
struct explain_set *policy_compile_files(struct arena *a, const struct policy_options *o, const char *command, const char *const *files,
					 size_t n);
/* Open the store; told when it cannot be. */
bool policy_look(struct settings *s, const char *command, struct look *l);
/* Text from a store or a peer onto the terminal: control characters become '?'. */
void policy_print(struct slice s);

#endif
