/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of `reeve token`. */
#ifndef REEVE_MAIN_TOKEN_H
#define REEVE_MAIN_TOKEN_H

#include "authz/token.h"
#include "main/settings.h"

enum { TOKEN_LIST_MOST = 64 };

/* What the command line says. */
struct token_asked {
	struct settings s;
	const char *verb, *operand;
	const char *holder, *issuer, *id, *name, *extension, *sign, *encrypt, *permissions;
	const char *from, *until, *lifetime, *at;
	const char *audience[TOKEN_LIST_MOST], *role[TOKEN_LIST_MOST], *permit[TOKEN_LIST_MOST];
	unsigned n_audience, n_role, n_permit;
	enum key_alg enc;
	bool json, bad;
	struct ident_home home;
	char abs[512];
	struct arena a;
};

int token_issue(struct token_asked *q);
int token_inspect(struct token_asked *q);
int token_verify(struct token_asked *q);

/* "reeve token VERB: ..." on standard error; EXIT_REFUSED. */
int token_refused(const struct token_asked *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A file, or standard input (NULL, "-"), without the end of its last line. p == NULL: told. */
struct slice token_input(struct token_asked *q, const char *path);

#endif
