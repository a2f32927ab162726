/* SPDX-License-Identifier: Apache-2.0 */
/* A look at what a client sends in clear, before GnuTLS gets it.
 *
 * Two things must be known before GnuTLS asks for them, because it asks synchronously: the identity of a PSK (its key may have to be
 * fetched, docs/internals/tls.md), and whether the client could do with TLS 1.2. So the messages of the client's plain flights are put
 * together here from its records or datagrams: ClientHello and ClientKeyExchange are kept, others are counted through. It ends where
 * the keys change. Nothing is trusted that is read here: GnuTLS reads the same bytes again.
 *
 * Pure: no allocation, no I/O; bounded by LOOK_MAX. Under DTLS messages are taken in their order only: what comes before its turn, or
 * makes no sense, is to be dropped, so that GnuTLS never has a message that was not looked at; the client sends it again. */
#ifndef REEVE_TLS_LOOK_H
#define REEVE_TLS_LOOK_H

#include "base/slice.h"

enum { LOOK_MAX = 8192, LOOK_HEAD = 5, LOOK_RECORD_MAX = LOOK_HEAD + 16384 + 2048 };

struct look {
	bool datagram, changed; /* the keys change: nothing more to be seen */
	bool hello_seen;
	bool v13;               /* set by who reads: TLS 1.3 was chosen */
	bool key_seen, resumed; /* a ClientKeyExchange came; set by who reads: none will come */
	bool whole, moved;      /* of this call: a kept message is whole; something new was taken */
	uint16_t turn;          /* DTLS: number of the message that is being read, or comes next */
	uint8_t head[4], n_head; /* of a message that is being read */
	uint8_t type;
	bool kept;              /* is this a message whose bytes are kept? */
	uint32_t length, have, n_message;
	uint8_t bytes[LOOK_MAX];
};

enum look_sign {
	LOOK_HELLO = 1,  /* a ClientHello is whole, in look_message() */
	LOOK_KEY = 2,    /* a ClientKeyExchange is whole, in look_message() */
	LOOK_BAD = 4,    /* no handshake of a client */
	LOOK_DROP = 8,   /* DTLS: drop this datagram */
};

void look_init(struct look *l, bool datagram);
/* Bytes of the record that s begins with; 0: not enough to tell. Not more than LOOK_RECORD_MAX, or it is none (SIZE_MAX). */
size_t look_record_size(struct slice s);
/* One whole record, or one datagram: a set of enum look_sign. At most one message that is kept is whole after a call. */
unsigned look_at(struct look *l, struct slice unit);
/* Valid until the next call. */
static inline struct slice look_message(const struct look *l) { return slice_of((const char *)l->bytes, l->n_message); }

/* What a ClientHello says. Slices into it. */
struct look_hello {
	bool v12, v13;         /* versions that are offered: TLS 1.2 (or DTLS 1.2), TLS 1.3 */
	struct slice identity; /* TLS 1.3: of the PSK that is no ticket; empty: none */
};
bool look_hello(struct slice message, bool datagram, struct look_hello *out);
/* The identity in a ClientKeyExchange of (ECDHE_)PSK. */
bool look_identity(struct slice message, struct slice *identity);

#endif
