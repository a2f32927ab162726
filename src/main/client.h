/* SPDX-License-Identifier: Apache-2.0 */
/* A small blocking HTTP client, in clear or with TLS, for the commands that act as an entity: one connection per request, bounded answers.
 *
 * Separate from the client of the CSE on purpose: it needs no loop, and a peer written twice finds mistakes. */
#ifndef REEVE_MAIN_CLIENT_H
#define REEVE_MAIN_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/rc.h"
#include "main/tls_flags.h"

struct client {
	bool https;
	struct tls_flags tls;    /* with https */
	char host[256], port[8]; /* of the CSE */
	const char *socket;      /* path of a Unix domain socket instead; NULL: none */
	struct slice from;       /* X-M2M-Origin; p == NULL: none */
	const char *release;     /* X-M2M-RVI */
	struct slice headers;    /* more of them, as lines with their ends */
	usec timeout;
	size_t max_answer;
};

struct client_answer {
	int status;              /* of HTTP */
	int rsc;                 /* X-M2M-RSC; 0 when there was none */
	struct buf body;
	struct buf location;     /* Content-Location */
	unsigned offset;         /* X-M2M-CTO, of a cut list */
	bool partial;            /* X-M2M-CTS 1 */
	struct buf tokens;       /* X-M2M-ATI */
	bool sign;               /* X-M2M-ASRI */
};

/* "http://host[:port]" or "https://..." into c. RC_SYNTAX with the reason. */
REEVE_MUST_CHECK enum reeve_rc client_url(struct client *c, const char *url, char why[256]);

static inline const char *client_scheme(const struct client *c) { return c->https ? "https" : "http"; }

/* One request: path ("/cse/a?rcn=4"), content type (NULL: no body) and body. RC_IO: nobody there or no answer, `why` says what. */
REEVE_MUST_CHECK enum reeve_rc client_call(struct client *c, const char *method, struct slice path, const char *type,
					   struct slice body, struct client_answer *out, char why[256]);
void client_answer_free(struct client_answer *a);
/* What the flags were made into. */
void client_free(struct client *c);

#endif
