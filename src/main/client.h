/* SPDX-License-Identifier: Apache-2.0 */
/* A small blocking client for the commands that act as an entity: a request primitive goes in, its answer comes out, over whatever binding
 * the URL names; notifications over those that bring them. Answers are bounded.
 *
 * Separate from the clients of the CSE on purpose: it needs no loop, and a peer written twice finds mistakes. Shared with the CSE are only
 * pure mappings between primitives and messages. */
#ifndef REEVE_MAIN_CLIENT_H
#define REEVE_MAIN_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/rc.h"
#include "core/request.h"
#include "main/tls_flags.h"

enum { CLIENT_WHY_MAX = TLS_WHY_MAX };

struct client_binding;
struct client_link;

struct client {
	const struct client_binding *binding;
	struct tls_flags tls;    /* of https, coaps, mqtts, wss */
	char host[256], port[8]; /* of the CSE, or of the broker */
	char prefix[128];        /* mqtt: what the topics begin with */
	const char *cse_id;      /* mqtt: whose topics */
	const char *credential;  /* mqtt: Credential-ID for a registration without an id; NULL: that of the PSK */
	const char *socket;      /* path of a Unix domain socket with HTTP instead of a URL; NULL: none */
	struct slice from;       /* p == NULL: none */
	const char *release;     /* release version indicator */
	struct slice tokens, signatures; /* values with '+' between; empty: none */
	usec timeout;
	size_t max_answer;

	/* Where notifications come to (client_listen): each content, as JSON text. */
	const char *listen; uint16_t listen_port; /* coap: where the CSE reaches us; 0: any port */
	void (*told)(void *ctx, struct slice content);
	void *told_ctx;

	struct client_link *link; /* of the binding: kept from the first request until client_free */
};

struct client_request {
	enum op op;
	struct slice to;         /* a oneM2M address */
	struct slice query;      /* further parameters as in a query, "?rcn=4&lbl=x"; empty: none */
	int64_t ty;              /* of Create */
	struct slice content;    /* JSON text; p == NULL: none */
};

struct client_answer {
	int status;              /* of HTTP */
	int rsc;                 /* response status code; 0 when there was none */
	struct buf body;         /* content as JSON text */
	unsigned offset;         /* where to go on, of a cut list */
	bool partial;
	struct buf tokens;       /* Assigned Token Identifiers: "lti:tkid+lti:tkid" */
	struct buf systems;      /* Token Request Information, JSON; empty: none */
	bool sign;               /* a signature is asked for */
};

/* "http://host[:port]" and so on into c. RC_SYNTAX with the reason. */
REEVE_MUST_CHECK enum reeve_rc client_url(struct client *c, const char *url, char why[CLIENT_WHY_MAX]);
const char *client_scheme(const struct client *c);

/* One request. RC_INVALID: the binding cannot say it; other codes: nobody there or no answer; `why` says what. The answer is to be freed in
 * any case. */
REEVE_MUST_CHECK enum reeve_rc client_call(struct client *c, const struct client_request *q, struct client_answer *out,
					   char why[CLIENT_WHY_MAX]);
void client_answer_free(struct client_answer *a);
/* The connection, and what the flags were made into. */
void client_free(struct client *c);

/* From now on notifications can come: appends what reaches us as notification target to `target`, that of the entity aei where its own
 * connection does. RC_UNSUPPORTED: this binding has no way for them (HTTP: main/ae_watch.c is one). */
REEVE_MUST_CHECK enum reeve_rc client_listen(struct client *c, struct buf *target, char why[CLIENT_WHY_MAX]);
/* The descriptor to wait at, a second at most at a time; then client_hear takes what has come. RC_IO: no more will. */
int client_listening(const struct client *c);
REEVE_MUST_CHECK enum reeve_rc client_hear(struct client *c, char why[CLIENT_WHY_MAX]);

/* A socket bound to a numeric address of this machine; *port 0 becomes the one it got. -1: why. */
int client_socket(const char *address, uint16_t *port, bool datagram, char why[CLIENT_WHY_MAX]);

/* HTTP as it is, for what is no oneM2M request: path ("/credentials"), content type (NULL: no body) and body. */
bool client_is_http(const struct client *c);
REEVE_MUST_CHECK enum reeve_rc client_http(struct client *c, const char *method, struct slice path, const char *type, struct slice body,
					   struct client_answer *out, char why[CLIENT_WHY_MAX]);

#endif
