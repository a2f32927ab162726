/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `reeve ae` share. */
#ifndef REEVE_MAIN_AE_H
#define REEVE_MAIN_AE_H

#include "codec/model.h"
#include "main/client.h"

enum ae_claims { AE_ROLES, AE_TOKEN_IDS, AE_LOCAL_TOKENS, AE_TOKENS, AE_SIGNATURES, AE_CLAIMS };

struct ae {
	struct client client;
	struct arena memory;
	bool json;               /* print content as it came */
	bool quiet;
	/* operands: address, then what the operation takes */
	const char *op;
	char **args; int n_args;
	struct slice name;       /* --name */
	struct slice content;    /* --content: JSON text */
	struct buf query;        /* "?rcn=4&lbl=x" */
	struct buf claims[AE_CLAIMS]; /* values with '+' between, as they go into query or header */
	const char *events;      /* watch: net */
};

/* Resource type by short name, long name or number; NULL when there is none. */
const struct model_res *ae_type(struct slice text);
/* {"m2m:cnt":{...}} from arguments "sn=value" (as the model types it) and "sn:=JSON". RC_INVALID with the reason. `m` may be NULL
 * for an Update of a resource whose type is not known: then values are JSON when they read as JSON. */
REEVE_MUST_CHECK enum reeve_rc ae_content(struct ae *ae, const struct model_res *m, struct slice root, char **args, int n,
					  struct buf *out, char why[256]);

/* One request. On failure the reason is told on standard error and false returned. The answer is to be freed in any case. */
bool ae_call(struct ae *ae, enum op op, struct slice address, int64_t ty, struct slice content, struct client_answer *a);

/* A flag that says what the request claims about its rights (ae_claims.c): takes `flag` and its value. False: it is none of these, or
 * why[0] tells what is wrong with it. */
bool ae_claim(struct ae *ae, const char *flag, const char *value, char why[256]);
/* The same for flags without a value. */
bool ae_claim_flag(struct ae *ae, const char *flag);
/* When all flags are read: into the query and the client. */
void ae_claims_finish(struct ae *ae);
/* What an answer says about rights, on standard error. True: its body was about that and is told. */
bool ae_rights_told(const struct ae *ae, const struct client_answer *a);

/* Append name=value to the query, escaped. */
void ae_escape(struct buf *b, struct slice s);
void ae_query(struct ae *ae, const char *name, struct slice value);

/* Content for people: one attribute per line, nested resources indented. */
void ae_print(struct slice content);
/* An answer: on success the content and EXIT_OK, else the reason on standard error and EXIT_REFUSED. */
int ae_answer(const struct ae *ae, const struct client_answer *a);

int ae_watch(struct ae *ae);
int ae_listen(struct ae *ae);

#endif
