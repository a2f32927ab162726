/* SPDX-License-Identifier: Apache-2.0 */
/* DTLS 1.2 over UDP on one loop: a listener with a session per peer address, and clients. Cookies are exchanged before anything is
 * kept for a
 * stranger (RFC 6347 4.2.1). A session ends after limits of idleness, or when its owner says so. */
#ifndef REEVE_TLS_DTLS_H
#define REEVE_TLS_DTLS_H

#include "tls/tls.h"

struct dtls;         /* a socket with its sessions */
struct dtls_session;
struct dtls_events {
	void (*open)(void *ctx, struct dtls_session *s);                              /* the handshake stands */
	void (*read)(void *ctx, struct dtls_session *s, const char *p, size_t n);     /* one datagram */
	/* also when it never opened (clients); s ends with the call */
	void (*closed)(void *ctx, struct dtls_session *s);
};
struct dtls_limits { unsigned sessions; usec idle; };

/* address may be NULL for a socket of clients only. Hub or another loop. A libuv code. */
REEVE_MUST_CHECK int dtls_open(struct loop *l, const char *address, uint16_t port, struct tls_setup *setup,
				const struct dtls_limits *limits,
			       const struct dtls_events *on, void *ctx, struct dtls **out);
uint16_t dtls_port(const struct dtls *d);
/* On the loop: every session is closed, then the socket; d is freed when libuv lets it. */
void dtls_close(struct dtls *d);

/* Begin a client's handshake. NULL: no memory, or too many. */
struct dtls_session *dtls_connect(struct dtls *d, const struct sockaddr *to, struct tls_setup *setup, const struct tls_want *want);
/* One datagram. RC_LIMIT: too long for one. */
REEVE_MUST_CHECK enum reeve_rc dtls_write(struct dtls_session *s, const char *p, size_t n);
void dtls_end(struct dtls_session *s); /* with a notice to the peer; `closed` is called */
struct tls *dtls_tls(struct dtls_session *s);
const struct sockaddr *dtls_address(const struct dtls_session *s);
void dtls_set_owner(struct dtls_session *s, void *owner);
void *dtls_owner(const struct dtls_session *s);

#endif
