/* SPDX-License-Identifier: Apache-2.0 */
/* The message layer of CoAP (RFC 7252 section 4) over one UDP socket, or over the DTLS sessions of one, on one loop: who is at the other
 * end, what was sent and is not acknowledged, what came before and comes again. Listener (server.c) and client (client.c) stand on it.
 *
 * Everything that is kept is bounded: peers (least recently heard go first), messages that wait for their acknowledgement, answers that are
 * remembered. Datagrams are sent in one go at the end of what was read; what the socket does not take is lost, as datagrams are. */
#ifndef REEVE_BINDING_COAP_ENDPOINT_H
#define REEVE_BINDING_COAP_ENDPOINT_H

#include "binding/coap/message.h"
#include "core/association/association.h"
#include "core/core.h"
#include "tls/dtls.h"


enum {
	COAP_RUNNING_MOST = 32,      /* requests of one peer under way or remembered */
	COAP_UNACKED_EACH = 16,      /* confirmable answers to one peer that wait for their acknowledgement; more go unconfirmed */
	COAP_UNACKED_MOST = 4096,
	COAP_ACK_MS = 2000,          /* ACK_TIMEOUT, times up to 1.5 */
	COAP_RETRANSMIT = 4,         /* MAX_RETRANSMIT */
	COAP_EXCHANGE_MS = 247000,   /* EXCHANGE_LIFETIME: so long a message id means the same message */
};

/* Something that is due at a time; embedded in it. */
struct coap_due {
	struct coap_due *prev, *next;
	uint64_t when;               /* ms of the loop's clock; 0: not waiting */
	void (*fn)(struct coap_due *d);
};

/* A request that is remembered by its message id. */
struct coap_recent {
	uint64_t when;               /* 0: free */
	struct slice reply;          /* what to answer to a repetition (malloc'ed); empty: an empty acknowledgement */
	uint16_t mid;
	bool running;                /* it is not answered yet */
};

struct coap_unacked;
struct coap_call;
union coap_address { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; };

struct coap_peer {
	struct coap_endpoint *endpoint;
	struct coap_peer *hash_next;
	struct coap_peer *newer, *older;
	uint64_t hash;
	union coap_address address;
	struct dtls_session *session; /* NULL: none, or it has ended */
	struct association *association; /* of the session */
	bool opened, gone;           /* session: its handshake stands; it has ended */
	unsigned refs;               /* exchanges, transfers, calls and messages that need it */
	uint16_t mid;                /* the last one we used */
	struct coap_recent *recent;  /* [COAP_RUNNING_MOST], once needed */
	struct coap_unacked *unacked;
	unsigned n_unacked;
	struct coap_call *calls, **calls_end; /* of the client, in order */
	struct buf entity;           /* of a client's session: with whom it was made */
};

struct coap_handler {
	/* A request, response or (peer's) reset came in. */
	void (*request)(struct coap_endpoint *e, struct coap_peer *p, const struct coap_message *m);
	void (*response)(struct coap_endpoint *e, struct coap_peer *p, const struct coap_message *m);
	/* A confirmable message of `call` was acknowledged (and no answer with it), or was not (reset, or nobody there). May be NULL. */
	void (*acknowledged)(struct coap_call *call);
	void (*lost)(struct coap_call *call);
	/* DTLS only: the session stands; has ended. May be NULL. */
	void (*opened)(struct coap_peer *p);
	void (*ended)(struct coap_peer *p);
};

enum { COAP_BATCH = 32 };
struct coap_endpoint {
	struct core *core;
	struct loop *loop;
	const struct coap_handler *on;
	void *ctx;
	unsigned peers_most;
	/* private */
	uv_udp_t udp;
	struct dtls *dtls;           /* NULL: in clear */
	uv_timer_t timer;
	struct coap_due due;         /* ring, soonest first */
	struct coap_peer **table; size_t table_n; /* a power of two */
	struct coap_peer ring;       /* .newer: the least recently heard */
	unsigned n_peers, n_unacked;
	size_t remembered;           /* bytes of replies */
	struct { union coap_address to; size_t from, n; } batch[COAP_BATCH];
	unsigned n_batch;
	struct buf out;
	char *input;
	uint16_t port;
	bool closing;
	unsigned handles;            /* open ones */
	void (*closed)(struct coap_endpoint *e);
};

/* On the loop (or before it runs). In clear: address NULL binds to a port of the system's choice in `family` order (IPv6 that speaks IPv4).
 * With a setup: DTLS. A libuv code. */
REEVE_MUST_CHECK int coap_endpoint_open(struct coap_endpoint *e, struct core *c, struct loop *l, const char *address, uint16_t port,
					struct tls_setup *setup, const struct coap_handler *on, void *ctx);
/* On the loop: nothing is sent or heard any more; `closed` is called when libuv has let go of it. */
void coap_endpoint_close(struct coap_endpoint *e, void (*closed)(struct coap_endpoint *e));

/* The peer at an address (made when it is new; NULL: no memory). */
struct coap_peer *coap_peer_at(struct coap_endpoint *e, const struct sockaddr *a);
/* A client's session with `entity` at an address, begun when there is none. NULL: it cannot be. */
struct coap_peer *coap_peer_secure(struct coap_endpoint *e, const struct sockaddr *a, struct slice entity, const struct tls_want *want);
static inline void coap_peer_get(struct coap_peer *p) { p->refs++; }
void coap_peer_put(struct coap_peer *p);
/* Address as ::ffff:a.b.c.d. */
void coap_peer_ip(const struct coap_peer *p, uint8_t out[16]);

/* Send a message once. */
void coap_send_once(struct coap_peer *p, struct slice message);
uint16_t coap_next_mid(struct coap_peer *p);
/* Send a CON and again until it is acknowledged; `call` (NULL: an answer) is told. False: too many wait already; nothing was sent. */
bool coap_send_confirmed(struct coap_peer *p, struct slice message, uint16_t mid, struct coap_call *call);
/* The call has ended or goes on with something else. */
void coap_unack_call(struct coap_peer *p, const struct coap_call *call);
/* What was gathered leaves. At the end of what runs apart from reading. */
void coap_flush(struct coap_endpoint *e);

/* Was this message id seen? Then it is answered again, and true. */
bool coap_repeated(struct coap_peer *p, const struct coap_message *m);
/* Remember it: it runs. NULL: too much is under way with this peer. */
struct coap_recent *coap_remember(struct coap_peer *p, uint16_t mid);
/* It was answered with these bytes (empty: it was acknowledged and is answered apart). */
void coap_remember_reply(struct coap_peer *p, uint16_t mid, struct slice reply);

void coap_due_at(struct coap_endpoint *e, struct coap_due *d, uint64_t when);
void coap_due_cancel(struct coap_due *d);

#endif
