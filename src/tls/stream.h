/* SPDX-License-Identifier: Apache-2.0 */
/* A TCP connection of a loop, with TLS or without: the same for who reads and writes. Listeners and clients of HTTP and WebSocket
 * stand on it.
 *
 * Writing never blocks and is bounded by the owner: what the socket does not take waits in a copy; `drained` tells when all is gone. */
#ifndef REEVE_TLS_STREAM_H
#define REEVE_TLS_STREAM_H

#include "tls/tls.h"

struct stream;
struct stream_events {
	/* The connection (and its handshake) stands. Not called for an accepted one without TLS. */
	void (*open)(struct stream *s);
	/* Bytes; they stay the stream's. n < 0: it ended: UV_EOF in order, else an error. Nothing follows. */
	void (*read)(struct stream *s, const char *p, ssize_t n);
	/* All that was written is with the system. status < 0: it is not, and the stream is of no use. */
	void (*drained)(struct stream *s, int status);
	/* After stream_close, when nothing refers to it any more. */
	void (*closed)(struct stream *s);
};

/* Embedded in its owner, first or not. */
struct stream {
	uv_tcp_t tcp;
	struct loop *loop;
	const struct stream_events *on;
	struct tls *tls;           /* NULL: in clear */
	struct stream_out *out;    /* waits for the socket */
	size_t out_bytes;          /* in all of them */
	bool reading, opened, eof, dead, lingering;
	uv_connect_t connect;
};

/* uv_accept into s. setup NULL: in clear. A libuv code; on failure `closed` comes after stream_close all the same. */
REEVE_MUST_CHECK int stream_accept(struct stream *s, struct loop *l, uv_stream_t *listener, struct tls_setup *setup,
				const struct stream_events *on);
/* want as of tls_new; setup NULL: in clear. */
REEVE_MUST_CHECK int stream_connect(struct stream *s, struct loop *l, const struct sockaddr *to, struct tls_setup *setup,
				const struct tls_want *want,
				    const struct stream_events *on);
/* Reading is off until the first of these; a handshake reads by itself. */
int stream_read_start(struct stream *s);
void stream_read_stop(struct stream *s);
/* Try at once, keep the rest. A libuv code (0: gone, or kept and `drained` will be called). stream_unsent: bytes that wait. */
REEVE_MUST_CHECK int stream_write(struct stream *s, const char *p, size_t n);
size_t stream_unsent(const struct stream *s);
/* End our side in order (close_notify, FIN), keep reading. */
int stream_shutdown(struct stream *s);
void stream_close(struct stream *s);
/* The address at the other end, IPv4 as ::ffff:a.b.c.d. False: not known. */
bool stream_address(const struct stream *s, uint8_t out[16]);

#endif
