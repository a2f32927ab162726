/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `reeve ae` share. */
#ifndef REEVE_MAIN_AE_H
#define REEVE_MAIN_AE_H

#include "codec/model.h"
#include "main/client.h"

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
	const char *listen;      /* watch, listen: address to listen on */
	uint16_t port;           /* the same: 0 for any */
	const char *events;      /* watch: net */
};

/* Resource type by short name, long name or number; NULL when there is none. */
const struct model_res *ae_type(struct slice text);
/* {"m2m:cnt":{...}} from arguments "sn=value" (as the model types it) and "sn:=JSON". RC_INVALID with the reason. `m` may be NULL
 * for an Update of a resource whose type is not known: then values are JSON when they read as JSON. */
REEVE_MUST_CHECK enum reeve_rc ae_content(struct ae *ae, const struct model_res *m, struct slice root, char **args, int n,
					  struct buf *out, char why[256]);

/* Path of a request line from a oneM2M address, with the query. */
void ae_path(const struct ae *ae, struct slice address, struct buf *out);
/* Append name=value to the query, escaped. */
void ae_query(struct ae *ae, const char *name, struct slice value);

/* Content for people: one attribute per line, nested resources indented. */
void ae_print(struct slice content);
/* An answer: on success the content and EXIT_OK, else the reason on standard error and EXIT_REFUSED. */
int ae_answer(const struct ae *ae, const struct client_answer *a);

int ae_watch(struct ae *ae);
int ae_listen(struct ae *ae);

#endif
