/* SPDX-License-Identifier: Apache-2.0 */
/* TCP with or without TLS; see stream.h.
 *
 * In clear this adds one call to libuv's: what is written is tried at once and copied only when the socket is full, what is read lies
 * in the loop's one buffer. With TLS the bytes go through the session on the way; both buffers are the loop's, as everything that is
 * encrypted is handed on before anybody else is called. libuv reads while the owner does, and during a handshake.
 *
 * An end is told after the bytes before it. A TLS stream that ends without close_notify was cut, by whom is not known: that is an
 * error and never UV_EOF. */
#include "tls/stream.h"

#include <stdlib.h>
#include <sys/socket.h>

enum { WRITE_BYTES = 4 * TLS_RECORD_MAX }; /* encrypted at a time */

static void tell_end(struct stream *s);

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

/* The loop's buffer, to be filled by a session: which may ask others for a key meanwhile, who then use one of their own. */
static struct buf output_take(struct loop *l)
{
	struct buf b = l->output;

	buf_init(&l->output, b.max);
	return b;
}

static int output_send(struct stream *s, struct buf *b)
{
	int rc = b->failed ? UV_ENOMEM : b->n ? send_bytes(s, b->p, b->n) : 0;

	buf_clear(b);
	buf_free(&s->loop->output);
	s->loop->output = *b;
	return rc;
}

int stream_write(struct stream *s, const char *p, size_t n)
{
	int rc = 0;

	if (s->dead || s->shut)
		return UV_EPIPE;
	if (!s->tls)
		return send_bytes(s, p, n);
	if (!s->opened)
		return UV_ENOTCONN;
	while (n && rc == 0) {
		size_t some = n < WRITE_BYTES ? n : WRITE_BYTES;
		struct buf out = output_take(s->loop);
		enum reeve_rc done = tls_write(s->tls, p, some, &out);
		rc = output_send(s, &out);
		if (done != RC_OK)
			return UV_EPIPE;
		p += some;
		n -= some;
	}
	return rc;
}

size_t stream_unsent(const struct stream *s)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&s->tcp);
}

/* --- in --- */

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b);

static void allocate(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	*b = uv_buf_init(((struct stream *)h)->loop->input, LOOP_INPUT);
}

/* Let libuv read while somebody wants it. */
static int listen_or_not(struct stream *s)
{
	bool want = !s->end && !s->eof && (s->reading || (s->tls && !s->opened && !s->drop));
	int rc = 0;

	if (want && !s->listening)
		rc = uv_read_start((uv_stream_t *)&s->tcp, allocate, on_read);
	else if (!want && s->listening)
		uv_read_stop((uv_stream_t *)&s->tcp);
	s->listening = want && rc == 0;
	return rc;
}

static void end_with(struct stream *s, int code)
{
	if (!s->end)
		s->end = code;
	listen_or_not(s);
}

/* Give the owner what is decrypted, as long as he wants it, and the end behind it. */
static void deliver(struct stream *s)
{
	while (s->tls && s->opened && s->reading && !s->dead && !s->shut) {
		size_t n = tls_read(s->tls, s->loop->input, LOOP_INPUT);
		if (!n)
			break;
		s->on->read(s, s->loop->input, (ssize_t)n);
	}
	tell_end(s);
}

/* Once; of a handshake also to an owner that does not read yet. */
static void tell_end(struct stream *s)
{
	if (s->dead || s->told || !s->end || (!s->reading && (s->opened || !s->tls)))
		return;
	s->told = true;
	s->reading = false;
	s->on->read(s, NULL, s->end);
}

static void deliver_again(struct loop *l, struct loop_msg *m)
{
	struct stream *s = (struct stream *)((char *)m - offsetof(struct stream, again));

	s->again_sent = false;
	if (s->gone)
		s->on->closed(s);
	else
		deliver(s);
}

/* Bytes of the network (or none: something has happened) for the session. */
static void advance(struct stream *s, const char *p, size_t n)
{
	struct buf out = output_take(s->loop);
	enum tls_state state = tls_input(s->tls, p, n, &out);
	int rc = output_send(s, &out);

	if (state == TLS_FAILED)
		end_with(s, UV_EPROTO);
	else if (state == TLS_CLOSED)
		end_with(s, s->opened ? UV_EOF : UV_EPROTO);
	else if (rc != 0)
		end_with(s, rc);
	if (state == TLS_OPEN && !s->end && !s->opened) {
		s->opened = true;
		listen_or_not(s);
		s->on->open(s);
	}
	deliver(s);
}

static void woken(void *owner)
{
	struct stream *s = owner;

	if (!s->dead && s->tls && !s->end && !s->shut)
		advance(s, NULL, 0);
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct stream *s = (struct stream *)h;
	bool first = !s->begun;

	if (n == 0 || s->dead)
		return;
	s->begun = true;
	if (n < 0) {
		s->eof = true;
		end_with(s, s->tls && n == UV_EOF && !s->drop ? UV_ECONNRESET : (int)n);
		deliver(s);
	} else if (s->drop) {
		s->on->read(s, NULL, n);
	} else if (!s->tls) {
		s->on->read(s, b->base, n);
	} else if (first && s->accepted && *b->base != STREAM_TLS && s->on->stray) {
		tls_free(s->tls);
		s->tls = NULL;
		s->drop = true;
		s->on->stray(s, b->base, (size_t)n);
	} else {
		advance(s, b->base, (size_t)n);
	}
}

int stream_read_start(struct stream *s)
{
	int rc;

	s->reading = true;
	rc = listen_or_not(s);
	if (rc == 0 && ((s->tls && s->opened) || s->end) && !s->again_sent) { /* there may be something to tell already */
		s->again.fn = deliver_again;
		s->again_sent = true;
		loop_post(s->loop, &s->again);
	}
	return rc;
}

void stream_read_stop(struct stream *s)
{
	s->reading = false;
	listen_or_not(s);
}

/* --- beginning and end --- */

static int prepare(struct stream *s, struct loop *l, struct tls_setup *setup, const struct tls_want *want, const struct stream_events *on)
{
	*s = (struct stream){ .loop = l, .on = on };
	uv_tcp_init(&l->uv, &s->tcp); /* makes no socket yet: cannot fail */
	if (setup && !(s->tls = tls_new(setup, l, want, woken, s)))
		return UV_ENOMEM;
	return 0;
}

int stream_accept(struct stream *s, struct loop *l, uv_stream_t *listener, struct tls_setup *setup, const struct stream_events *on)
{
	int made = prepare(s, l, setup, NULL, on), rc = uv_accept(listener, (uv_stream_t *)&s->tcp);

	if (rc == 0)
		rc = made;
	if (rc != 0)
		return rc;
	s->accepted = true;
	uv_tcp_nodelay(&s->tcp, 1);
	return listen_or_not(s);
}

static void connected(uv_connect_t *q, int status)
{
	struct stream *s = q->data;

	if (s->dead)
		return;
	if (status < 0) {
		s->told = true;
		s->on->read(s, NULL, status);
		return;
	}
	uv_tcp_nodelay(&s->tcp, 1);
	if (s->tls) {
		status = listen_or_not(s);
		if (status != 0)
			end_with(s, status);
		advance(s, NULL, 0);
	} else {
		s->opened = true;
		s->on->open(s);
	}
}

int stream_connect(struct stream *s, struct loop *l, const struct sockaddr *to, struct tls_setup *setup, const struct tls_want *want,
		   const struct stream_events *on)
{
	int rc = prepare(s, l, setup, want, on);

	s->connect.data = s;
	return rc ? rc : uv_tcp_connect(&s->connect, &s->tcp, to, connected);
}

int stream_shutdown(struct stream *s)
{
	int rc = 0;

	if (s->dead || s->shut)
		return UV_EPIPE;
	if (s->tls && s->opened && s->end != UV_EPROTO) {
		struct buf out = output_take(s->loop);
		tls_bye(s->tls, &out);
		rc = output_send(s, &out);
	}
	s->shut = s->drop = true;
	if (!s->eof) { /* the session's end is told; now it is the socket's that counts */
		s->end = 0;
		s->told = false;
	}
	if (rc == 0 && !s->writes)
		rc = shut_socket(s);
	return rc;
}

static void gone(uv_handle_t *h)
{
	struct stream *s = (struct stream *)h;

	s->gone = true;
	if (!s->again_sent)
		s->on->closed(s);
}

void stream_close(struct stream *s)
{
	if (s->dead)
		return;
	if (s->tls && s->opened && !s->shut && s->end != UV_EPROTO) {
		struct buf out = output_take(s->loop);
		tls_bye(s->tls, &out);
		if (output_send(s, &out) != 0)
			s->end = UV_EPIPE; /* nobody is left to be told */
	}
	s->dead = true;
	tls_free(s->tls);
	s->tls = NULL;
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

const char *stream_why(const struct stream *s) { return s->tls ? tls_why(s->tls) : ""; }
