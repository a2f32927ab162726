/* SPDX-License-Identifier: Apache-2.0 */
/* TCP with or without TLS; see stream.h.
 *
 * In clear this adds one call to libuv's: what is written is tried at once and copied only when the socket is full, what is read lies
 * in the loop's one buffer. With TLS the bytes go through the session on the way; both buffers are the loop's, as everything that is
 * encrypted is handed on before anybody else is called. libuv reads while the owner does, and during a handshake. */
#include "tls/stream.h"

#include <stdlib.h>
#include <sys/socket.h>

/* --- out --- */

struct out_write {
	uv_write_t w;
	struct stream *s;
	char bytes[];
};

static int shut_socket(struct stream *s)
{
	uv_os_fd_t fd;
	int rc = uv_fileno((uv_handle_t *)&s->tcp, &fd);

	if (rc == 0 && shutdown(fd, SHUT_WR) != 0)
		rc = UV_ENOTCONN;
	return rc;
}

static void written(uv_write_t *w, int status)
{
	struct stream *s = ((struct out_write *)w)->s;

	free(w);
	s->writes--;
	if (s->dead || (s->writes && status == 0))
		return;
	if (status == 0 && s->shut)
		status = shut_socket(s);
	s->on->drained(s, status);
}

static int send_bytes(struct stream *s, const char *p, size_t n)
{
	uv_buf_t b = uv_buf_init((char *)p, (unsigned)n);
	struct out_write *w;
	int rc;

	rc = uv_try_write((uv_stream_t *)&s->tcp, &b, 1);
	if (rc == (int)n)
		return 0;
	if (rc < 0 && rc != UV_EAGAIN)
		return rc;
	if (rc > 0) {
		p += rc;
		n -= (size_t)rc;
	}
	w = malloc(sizeof(*w) + n);
	if (!w)
		return UV_ENOMEM;
	w->s = s;
	memcpy(w->bytes, p, n);
	b = uv_buf_init(w->bytes, (unsigned)n);
	rc = uv_write(&w->w, (uv_stream_t *)&s->tcp, &b, 1, written);
	if (rc == 0)
		s->writes++;
	else
		free(w);
	return rc;
}

int stream_write(struct stream *s, const char *p, size_t n)
{
	if (s->dead || s->shut)
		return UV_EPIPE;
	return send_bytes(s, p, n);
}

size_t stream_unsent(const struct stream *s)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&s->tcp);
}

/* --- in --- */

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct stream *s = (struct stream *)h;

	if (n == 0 || s->dead)
		return;
	if (n < 0) {
		uv_read_stop(h);
		s->reading = s->listening = false;
	}
	s->on->read(s, s->drop ? NULL : b->base, n);
}

static void allocate(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	*b = uv_buf_init(((struct stream *)h)->loop->input, LOOP_INPUT);
}

int stream_read_start(struct stream *s)
{
	int rc = uv_read_start((uv_stream_t *)&s->tcp, allocate, on_read);

	s->reading = s->listening = rc == 0;
	return rc;
}

void stream_read_stop(struct stream *s)
{
	uv_read_stop((uv_stream_t *)&s->tcp);
	s->reading = s->listening = false;
}

/* --- beginning and end --- */

static int prepare(struct stream *s, struct loop *l, struct tls_setup *setup, const struct stream_events *on)
{
	*s = (struct stream){ .loop = l, .on = on };
	uv_tcp_init(&l->uv, &s->tcp); /* makes no socket yet: cannot fail */
	return setup ? UV_ENOTSUP : 0;
}

int stream_accept(struct stream *s, struct loop *l, uv_stream_t *listener, struct tls_setup *setup, const struct stream_events *on)
{
	int made = prepare(s, l, setup, on), rc = uv_accept(listener, (uv_stream_t *)&s->tcp);

	if (rc == 0)
		rc = made;
	if (rc == 0)
		uv_tcp_nodelay(&s->tcp, 1);
	return rc;
}

static void connected(uv_connect_t *q, int status)
{
	struct stream *s = q->data;

	if (s->dead)
		return;
	if (status < 0) {
		s->on->read(s, NULL, status);
		return;
	}
	uv_tcp_nodelay(&s->tcp, 1);
	s->opened = true;
	s->on->open(s);
}

int stream_connect(struct stream *s, struct loop *l, const struct sockaddr *to, struct tls_setup *setup, const struct tls_want *want,
		   const struct stream_events *on)
{
	int rc = prepare(s, l, setup, on);

	s->connect.data = s;
	return rc ? rc : uv_tcp_connect(&s->connect, &s->tcp, to, connected);
}

int stream_shutdown(struct stream *s)
{
	if (s->dead || s->shut)
		return UV_EPIPE;
	s->shut = s->drop = true;
	return s->writes ? 0 : shut_socket(s);
}

static void gone(uv_handle_t *h)
{
	struct stream *s = (struct stream *)h;

	s->on->closed(s);
}

void stream_close(struct stream *s)
{
	if (s->dead)
		return;
	s->dead = true;
	uv_close((uv_handle_t *)&s->tcp, gone);
}

bool stream_address(const struct stream *s, uint8_t out[16])
{
	union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; struct sockaddr_storage room; } a;
	int n = sizeof(a);

	memset(out, 0, 16);
	if (uv_tcp_getpeername(&s->tcp, &a.any, &n) != 0)
		return false;
	if (a.any.sa_family == AF_INET6) {
		memcpy(out, &a.v6.sin6_addr, 16);
	} else if (a.any.sa_family == AF_INET) {
		out[10] = out[11] = 0xff;
		memcpy(out + 12, &a.v4.sin_addr, 4);
	} else {
		return false;
	}
	return true;
}

const char *stream_why(const struct stream *s) { return ""; }
