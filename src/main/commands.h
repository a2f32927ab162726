/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands: each takes what follows its name and returns the exit status. */
#ifndef REEVE_MAIN_COMMANDS_H
#define REEVE_MAIN_COMMANDS_H

#include <stdbool.h>

enum exit_status {
	EXIT_OK = 0,
	EXIT_REFUSED = 1,    /* the CSE refused, or what was checked is not right */
	EXIT_USAGE = 2,      /* the command line is not understood */
	EXIT_UNREACHABLE = 3 /* nobody answered; a store or file cannot be used */
};

int cmd_cse(int argc, char **argv);
int cmd_up(int argc, char **argv);
int cmd_ae(int argc, char **argv);
int cmd_role(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_key(int argc, char **argv);
int cmd_credential(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_das(int argc, char **argv);
int serve_das(int argc, char **argv); /* running one (serve.c) */

/* True for --help, -h, help. */
bool wants_help(const char *arg);
/* When one of the arguments is such a word, or there are none: help on standard output or standard error, and the exit status. */
bool told_help(const char *help, int argc, char **argv, int *status);
/* "reeve CMD: ARG: text; see reeve CMD --help" on standard error; EXIT_USAGE. */
int usage_error(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
