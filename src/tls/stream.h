/* SPDX-License-Identifier: Apache-2.0 */
/* A TCP connection of a loop, with TLS or without: the same for who reads and writes. Listeners and clients of HTTP and WebSocket
 * stand on it.
 *
 * Writing never blocks: what the socket does not take waits in a copy, `drained` tells when all is gone, and how much may wait is the
 * owner's to bound (stream_unsent). A stream is used on its loop alone, also from inside its events; no event comes from inside a call. */
#ifndef REEVE_TLS_STREAM_H
#define REEVE_TLS_STREAM_H

#include "tls/tls.h"

enum { STREAM_TLS = 22 }; /* the first byte of TLS: a handshake record */

struct stream;
struct stream_events {
	/* The connection (and its handshake) stands. Not called for an accepted one without TLS. May be NULL where neither comes. */
	void (*open)(struct stream *s);
	/* Bytes; they stay the stream's. After stream_shutdown p is NULL: how many came, no more. n < 0: it ended: UV_EOF in order,
	 * else an error (UV_EPROTO: of TLS, see stream_why). Nothing follows. */
	void (*read)(struct stream *s, const char *p, ssize_t n);
	/* All that was kept is with the system. status < 0: it is not, and the stream is of no use. */
	void (*drained)(struct stream *s, int status);
	/* After stream_close, when nothing refers to it any more. */
	void (*closed)(struct stream *s);
	/* An accepted stream with TLS, and what came first is something else. It is in clear from here on, but all that comes is dropped:
	 * say what is wrong and shut it down. NULL: it is read as the failure of a handshake. */
	void (*stray)(struct stream *s, const char *p, size_t n);
};

/* Embedded in its owner, first or not. */
struct stream {
	uv_tcp_t tcp;              /* first */
	struct loop *loop;
	const struct stream_events *on;
	struct tls *tls;           /* NULL: in clear */
	uv_connect_t connect;
	struct loop_msg again;     /* what was decrypted while nobody read is told in a turn of its own */
	unsigned writes;           /* that wait for the socket */
	int end;                   /* what `read` is told when all bytes are told; 0: it goes on */
	bool accepted, begun;      /* by us, not connected; the first byte has come */
	bool reading;              /* the owner wants bytes */
	bool listening;            /* libuv reads */
	bool opened, eof;          /* the connection (and handshake) stands; no more comes from the socket */
	bool shut, drop;           /* our side has ended; what comes is dropped */
	bool told, again_sent, dead, gone;
};

/* uv_accept into s. setup NULL: in clear. A libuv code; s is to be closed also after a failure. */
REEVE_MUST_CHECK int stream_accept(struct stream *s, struct loop *l, uv_stream_t *listener, struct tls_setup *setup,
				   const struct stream_events *on);
/* want as of tls_new; setup NULL: in clear. Failing later is told by `read`. */
REEVE_MUST_CHECK int stream_connect(struct stream *s, struct loop *l, const struct sockaddr *to, struct tls_setup *setup,
				    const struct tls_want *want, const struct stream_events *on);
/* Reading is off until the first of these; a handshake reads by itself. */
REEVE_MUST_CHECK int stream_read_start(struct stream *s);
void stream_read_stop(struct stream *s);
/* Try at once, keep the rest. A libuv code (0: gone, or kept and `drained` will be called). stream_unsent: bytes that wait. */
REEVE_MUST_CHECK int stream_write(struct stream *s, const char *p, size_t n);
size_t stream_unsent(const struct stream *s);
/* End our side in order (close_notify, FIN), when all is gone that was written. What still comes is dropped, but not refused: a peer that
 * is in the middle of sending does not lose our last words to a reset. */
REEVE_MUST_CHECK int stream_shutdown(struct stream *s);
/* With close_notify, when it can be said. No event but `closed` follows. */
void stream_close(struct stream *s);
/* The address at the other end, IPv4 as ::ffff:a.b.c.d. False: not known. */
bool stream_address(const struct stream *s, uint8_t out[16]);
/* Why TLS failed, for a log; "" when it did not. */
const char *stream_why(const struct stream *s);

#endif
