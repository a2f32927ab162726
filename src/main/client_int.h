/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the client share: a binding is a row of the table in client.c, and a file. */
#ifndef REEVE_MAIN_CLIENT_INT_H
#define REEVE_MAIN_CLIENT_INT_H

#include "core/core.h"
#include "main/client.h"

/* A binding keeps what lasts longer than a request in c->link, which it defines, makes and, in `close`, frees. */
struct client_protocol {
	enum reeve_rc (*call)(struct client *c, const struct client_request *q, struct client_answer *out, char why[CLIENT_WHY_MAX]);
	void (*close)(struct client *c);
	/* NULL: no notifications come this way. */
	enum reeve_rc (*listen)(struct client *c, struct buf *target, char why[CLIENT_WHY_MAX]);
	int (*listening)(const struct client *c);
	enum reeve_rc (*hear)(struct client *c, char why[CLIENT_WHY_MAX]);
};
extern const struct client_protocol client_over_http, client_over_coap, client_over_mqtt, client_over_ws;

struct client_binding {
	const char *scheme;
	uint16_t port;
	bool tls;
	const struct client_protocol *protocol;
};

/* --- primitives (client_primitive.c) --- */

/* The request as a primitive; what *s points to lies in r, which is to be freed with client_primitive_free in any case. RC_INVALID: why. */
REEVE_MUST_CHECK enum reeve_rc client_primitive(const struct client *c, const struct client_request *q, struct req **r, struct send *s,
						char why[CLIENT_WHY_MAX]);
void client_primitive_free(struct req *r);
/* The same as JSON text, for bindings that carry nothing else, and its request identifier. */
enum { CLIENT_RQI_LEN = 16 };
REEVE_MUST_CHECK enum reeve_rc client_primitive_text(const struct client *c, const struct client_request *q, struct buf *out,
						     char rqi[CLIENT_RQI_LEN + 1], char why[CLIENT_WHY_MAX]);
void client_take_answer(struct client_answer *out, const struct rsp *rsp);
/* A message that came: the answer with this rqi into out, and true (rqi NULL: none is waited for). A request is a notification: c->told is
 * told, and what answers it is appended to `reply`. Anything else is dropped. */
bool client_primitive_came(struct client *c, struct slice text, const char *rqi, struct client_answer *out, struct buf *reply);

/* --- bytes on the way (client_wire.c) --- */

struct wire {
	int fd;                  /* -1: not open */
	bool datagram;
	usec until;              /* when waiting ends; in the past: nothing is waited for */
	struct loop *loop;       /* of tls */
	struct tls *tls;         /* NULL: in clear */
	struct buf out;          /* what tls has to send */
};
/* Connect, and shake hands where the binding does. On failure, too, it is to be closed. */
REEVE_MUST_CHECK enum reeve_rc wire_open(struct wire *w, struct client *c, bool datagram, char why[CLIENT_WHY_MAX]);
/* All of s; at once as one datagram. */
REEVE_MUST_CHECK enum reeve_rc wire_send(struct wire *w, struct slice s, char why[CLIENT_WHY_MAX]);
/* At least one byte, or one datagram; *n == 0: the peer has ended. RC_AGAIN: nothing came in time. */
REEVE_MUST_CHECK enum reeve_rc wire_receive(struct wire *w, char *room, size_t max, size_t *n, char why[CLIENT_WHY_MAX]);
void wire_close(struct wire *w);

/* Wait until fd is ready for `events`. RC_AGAIN: not in time. */
REEVE_MUST_CHECK enum reeve_rc wait_for(int fd, short events, usec until, char why[CLIENT_WHY_MAX]);

#endif
