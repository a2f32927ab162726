/* SPDX-License-Identifier: Apache-2.0 */
/* Is an audit log whole? Reads the chain again, file after file, and says where it is broken (see audit.h for what a chain is). */
#ifndef REEVE_AUTHZ_AUDIT_CHECK_H
#define REEVE_AUTHZ_AUDIT_CHECK_H

#include "authz/audit.h"

/* Something to tell: a problem, or a note that is none (a torn line after a crash, older files that are elsewhere). */
typedef void (*audit_tell)(void *ctx, bool problem, const char *text);

struct audit_check {
	const struct audit_key *key; /* NULL: plain SHA-256; with a key, lines without one are problems */
	audit_tell tell; void *ctx;
	/* A line that is known from elsewhere: the head, or a checkpoint that was carried away. */
	struct { uint64_t seq; char sum[64]; const char *where; bool seen; } known[2];
	unsigned n_known;
	/* outcome */
	uint64_t lines, first, last, problems;
	unsigned files;
	char sum[64];               /* of the last line */
};

/* --- a chain, piece by piece; pure --- */

struct audit_chain;
/* NULL: no memory. c outlives it. */
struct audit_chain *audit_chain_new(struct audit_check *c);
void audit_chain_free(struct audit_chain *ch);
/* The lines that follow are of a file of this name. */
void audit_chain_file(struct audit_chain *ch, const char *name);
/* The next line without its newline. ended: the newline was there (else it is the end of the file). */
void audit_chain_line(struct audit_chain *ch, struct slice line, bool ended);
/* No more files: what is missing at the end? */
void audit_chain_end(struct audit_chain *ch);

/* --- files --- */

/* The file at path with the full files before it, as far as they are there. RC_IO with why: it cannot be read. c->problems tells. */
REEVE_MUST_CHECK enum reeve_rc audit_check_files(struct audit_check *c, const char *path, char why[256]);
/* Make the head at path known. RC_NOTFOUND: there is none. RC_SYNTAX: it is no head. */
REEVE_MUST_CHECK enum reeve_rc audit_check_head(struct audit_check *c, const char *path);
/* Make "SEQ:SUM" known, as the log of the process tells it. False: it is none. */
bool audit_check_known(struct audit_check *c, struct slice text);

#endif
