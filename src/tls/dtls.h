/* SPDX-License-Identifier: Apache-2.0 */
/* DTLS 1.2 over UDP on one loop: a listener with a session per peer address, and clients.
 *
 * Nothing is kept for a stranger before cookies were exchanged (RFC 6347 4.2.1), and nothing that is sent to one is longer than what came.
 * A peer that begins anew from its old address (it was restarted) replaces its session once it has shown that it receives there (4.2.8).
 * A session ends after limits of idleness, with the notice of the peer, or when its owner says so. */
#ifndef REEVE_TLS_DTLS_H
#define REEVE_TLS_DTLS_H

#include <stdatomic.h>

#include "tls/tls.h"

struct dtls;         /* a socket with its sessions */
struct dtls_session;
/* Never called from within a function of this file that the owner called, but for dtls_close. dtls_end and dtls_write may be called from
 * each of them, dtls_close too. */
struct dtls_events {
	void (*open)(void *ctx, struct dtls_session *s);                          /* the handshake stands */
	void (*read)(void *ctx, struct dtls_session *s, const char *p, size_t n); /* one datagram */
	/* Of each that was open, and of each of dtls_connect also when it never was (tls_why(dtls_tls(s)) says why). s ends with it. */
	void (*closed)(void *ctx, struct dtls_session *s);
	void (*full)(void *ctx);                                                  /* a stranger was turned away at a limit. May be NULL */
};
struct dtls_limits {
	unsigned sessions;   /* handshakes included; what comes beyond is not answered */
	unsigned handshakes; /* under way of strangers; 0: as many as sessions */
	usec idle;           /* 0: for ever */
};
/* sessions, handshakes: now. full: strangers turned away at a limit; idle: ended for it; ignored: datagrams that belong to nothing;
 * unsent: what the socket did not take. */
struct dtls_counts { _Atomic uint64_t opened, full, idle, ignored, unsent; _Atomic unsigned sessions, handshakes; };

/* address may be NULL for a socket of clients only; setup is a listener's, or NULL then. Hub or another loop. A libuv code. */
REEVE_MUST_CHECK int dtls_open(struct loop *l, const char *address, uint16_t port, struct tls_setup *setup,
			       const struct dtls_limits *limits, const struct dtls_events *on, void *ctx, struct dtls **out);
uint16_t dtls_port(const struct dtls *d);
const struct dtls_counts *dtls_counts(const struct dtls *d); /* any thread, while d is */
/* New sessions are of this setup. */
void dtls_set_setup(struct dtls *d, struct tls_setup *setup);
/* On the loop: `closed` is called for every session, then nothing any more; d is freed when libuv lets it. */
void dtls_close(struct dtls *d);

/* Begin a client's handshake. NULL: no memory, too many, or there is a session with this address. */
struct dtls_session *dtls_connect(struct dtls *d, const struct sockaddr *to, struct tls_setup *setup, const struct tls_want *want);
/* One datagram. RC_LIMIT: too long for one. RC_IO: it is not open. What the network loses, or the socket does not take now, is lost. */
REEVE_MUST_CHECK enum reeve_rc dtls_write(struct dtls_session *s, const char *p, size_t n);
void dtls_end(struct dtls_session *s); /* with a notice to the peer; `closed` is called later */
struct tls *dtls_tls(struct dtls_session *s);
const struct sockaddr *dtls_address(const struct dtls_session *s); /* IPv4 as such, also on a socket for both */
void dtls_set_owner(struct dtls_session *s, void *owner);
void *dtls_owner(const struct dtls_session *s);

#endif
