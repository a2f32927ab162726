/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking HTTP requests over getaddrinfo and sockets; see client.h. The answer is parsed by http_parser.
 *
 * With TLS the session (tls/tls.h) stands between: it wants a loop for its timer, and has one that never runs, as every wait here has
 * an end of its own. */
#include "main/client.h"

#include <errno.h>
#include <fcntl.h>
#include <http_parser.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/rand.h"

enum reeve_rc client_url(struct client *c, const char *url, char why[256])
{
	struct slice s = slice_str(url);
	struct http_parser_url u;
	uint16_t port;

	c->https = slice_starts(s, S("https://"));
	port = c->https ? 443 : 80;
	http_parser_url_init(&u);
	if ((!c->https && !slice_starts(s, S("http://"))) || s.n > 1000 || http_parser_parse_url(s.p, s.n, 0, &u) != 0 ||
	    !(u.field_set & (1 << UF_HOST)) || u.field_data[UF_HOST].len >= sizeof(c->host)) {
		snprintf(why, 256, "\"%.100s\" is no address of a CSE: write http://HOST:PORT or https://HOST:PORT", url);
		return RC_SYNTAX;
	}
	if (u.field_set & (1 << UF_PORT))
		port = u.port;
	snprintf(c->host, sizeof(c->host), "%.*s", (int)u.field_data[UF_HOST].len, url + u.field_data[UF_HOST].off);
	snprintf(c->port, sizeof(c->port), "%u", port);
	return RC_OK;
}

static enum reeve_rc wait_for(int fd, short events, usec until, char why[256])
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		usec left = until - clock_mono();
		int n = poll(&p, 1, left > 0 ? (int)(left / USEC_MS) + 1 : 0);
		if (n > 0)
			return RC_OK;
		if (n < 0 && errno == EINTR)
			continue;
		snprintf(why, 256, "%s", n == 0 ? "no answer in time" : strerror(errno));
		return RC_IO;
	}
}

static int try_connect(const struct addrinfo *a, usec until, char why[256])
{
	int fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol), err = 0;
	socklen_t len = sizeof(err);

	if (fd < 0) {
		snprintf(why, 256, "%s", strerror(errno));
		return -1;
	}
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return fd;
	if (errno == EINPROGRESS) {
		if (wait_for(fd, POLLOUT, until, why) == RC_OK && getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0) {
			if (err == 0)
				return fd;
			snprintf(why, 256, "%s", strerror(err));
		}
	} else {
		snprintf(why, 256, "%s", strerror(errno));
	}
	close(fd);
	return -1;
}

/* Through the descriptor of its folder: a path may be longer than an address of a socket. */
static int dial_socket(const char *path, usec until, char why[256])
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const struct addrinfo a = { .ai_family = AF_UNIX, .ai_socktype = SOCK_STREAM, .ai_addr = (struct sockaddr *)&sa,
				    .ai_addrlen = sizeof(sa) };
	const char *name = strrchr(path, '/');
	char *folder = strndup(path, name ? (size_t)(name - path) : 0);
	const int dir = folder ? open(*folder ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	int fd = -1;

	free(folder);
	if (dir < 0) {
		snprintf(why, 256, "%s", strerror(errno));
		return -1;
	}
	if (snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dir, name ? name + 1 : path) < (int)sizeof(sa.sun_path))
		fd = try_connect(&a, until, why);
	close(dir);
	return fd;
}

static int dial(const struct client *c, usec until, char why[256])
{
	if (c->socket)
		return dial_socket(c->socket, until, why);
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	int fd = -1, n = getaddrinfo(c->host, c->port, &hints, &list);

	if (n) {
		snprintf(why, 256, "%.150s: %s", c->host, gai_strerror(n));
		return -1;
	}
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
		fd = try_connect(a, until, why);
	freeaddrinfo(list);
	return fd;
}

/* What the parser's callbacks need. */
struct parsing {
	struct client_answer *out;
	struct buf field, value;
	bool in_value, done;
};

static void take_header(struct parsing *p)
{
	const struct slice name = buf_view(&p->field), value = buf_view(&p->value);
	uint64_t u;
	if (slice_ieq(name, S("x-m2m-rsc")) && slice_u64(value, &u) && u < 10000)
		p->out->rsc = (int)u;
	else if (slice_ieq(name, S("content-location")))
		buf_slice(&p->out->location, value);
	else if (slice_ieq(name, S("x-m2m-cts")))
		p->out->partial = slice_eq(value, S("1"));
	else if (slice_ieq(name, S("x-m2m-cto")) && slice_u64(value, &u) && u < UINT32_MAX)
		p->out->offset = (unsigned)u;
	else if (slice_ieq(name, S("x-m2m-ati")))
		buf_slice(&p->out->tokens, value);
	else if (slice_ieq(name, S("x-m2m-asri")))
		p->out->sign = slice_eq(value, S("true")) || slice_eq(value, S("1"));
	buf_clear(&p->field);
	buf_clear(&p->value);
	p->in_value = false;
}

static int on_field(http_parser *hp, const char *at, size_t n)
{
	struct parsing *p = hp->data;
	if (p->in_value)
		take_header(p);
	buf_add(&p->field, at, n);
	return p->field.failed;
}

static int on_value(http_parser *hp, const char *at, size_t n)
{
	struct parsing *p = hp->data;
	p->in_value = true;
	buf_add(&p->value, at, n);
	return p->value.failed;
}

static int on_headers(http_parser *hp)
{
	struct parsing *p = hp->data;
	if (p->in_value)
		take_header(p);
	p->out->status = (int)hp->status_code;
	return 0;
}

static int on_body(http_parser *hp, const char *at, size_t n)
{
	struct parsing *p = hp->data;
	buf_add(&p->out->body, at, n);
	return p->out->body.failed;
}

static int on_complete(http_parser *hp)
{
	((struct parsing *)hp->data)->done = true;
	return 0;
}

/* --- bytes on the way --- */

struct wire {
	int fd;
	usec until;
	struct loop *loop;       /* of tls */
	struct tls *tls;         /* NULL: in clear */
	struct buf out;          /* what tls has to send */
};

static enum reeve_rc send_raw(struct wire *w, struct slice s, char why[256])
{
	while (s.n) {
		ssize_t n = send(w->fd, s.p, s.n, MSG_NOSIGNAL);
		if (n >= 0)
			s = slice_skip(s, (size_t)n);
		else if (errno == EPIPE || errno == ECONNRESET)
			return RC_OK; /* the peer may have answered before it read everything: look */
		else if (errno != EAGAIN && errno != EINTR) {
			snprintf(why, 256, "%s", strerror(errno));
			return RC_IO;
		} else if (wait_for(w->fd, POLLOUT, w->until, why) != RC_OK)
			return RC_IO;
	}
	return RC_OK;
}

/* At least one byte; *n == 0: the peer has ended. */
static enum reeve_rc receive_raw(struct wire *w, char *room, size_t max, size_t *n, char why[256])
{
	ssize_t got;

	while ((got = recv(w->fd, room, max, 0)) < 0) {
		if (errno != EAGAIN && errno != EINTR) {
			snprintf(why, 256, "%s", strerror(errno));
			return RC_IO;
		}
		if (wait_for(w->fd, POLLIN, w->until, why) != RC_OK)
			return RC_IO;
	}
	*n = (size_t)got;
	return RC_OK;
}

/* Take n bytes into the session (none: begin) and send what it has to say. */
static enum reeve_rc advance(struct wire *w, const char *p, size_t n, enum tls_state *state, char why[256])
{
	enum reeve_rc rc;

	*state = tls_input(w->tls, p, n, &w->out);
	rc = w->out.failed ? RC_NOMEM : send_raw(w, buf_view(&w->out), why);
	buf_clear(&w->out);
	if (*state == TLS_FAILED) {
		snprintf(why, 256, "no security association: %.200s", tls_why(w->tls));
		return RC_IO;
	}
	return rc;
}

static enum reeve_rc more(struct wire *w, char *room, size_t max, enum tls_state *state, char why[256])
{
	size_t n;
	enum reeve_rc rc = receive_raw(w, room, max, &n, why);

	if (rc == RC_OK && n == 0) {
		snprintf(why, 256, "the connection was cut%s", *state == TLS_OPEN ? "" : " while the security association was made");
		return RC_IO;
	}
	return rc == RC_OK ? advance(w, room, n, state, why) : rc;
}

static enum reeve_rc send_all(struct wire *w, struct slice s, char why[256])
{
	enum reeve_rc rc = RC_OK;

	if (!w->tls)
		return send_raw(w, s, why);
	while (s.n && rc == RC_OK) {
		size_t n = s.n < TLS_RECORD_MAX ? s.n : TLS_RECORD_MAX;
		rc = tls_write(w->tls, s.p, n, &w->out);
		if (rc == RC_OK)
			rc = send_raw(w, buf_view(&w->out), why);
		buf_clear(&w->out);
		s = slice_skip(s, n);
	}
	return rc;
}

static enum reeve_rc receive_some(struct wire *w, char *room, size_t max, size_t *n, char why[256])
{
	enum tls_state state;
	enum reeve_rc rc = RC_OK;

	if (!w->tls)
		return receive_raw(w, room, max, n, why);
	state = tls_state(w->tls);
	while ((*n = tls_read(w->tls, room, max)) == 0 && state == TLS_OPEN && rc == RC_OK)
		rc = more(w, room, max, &state, why);
	return rc;
}

static enum reeve_rc shake_hands(struct client *c, struct wire *w, char why[256])
{
	enum tls_state state = TLS_HANDSHAKE;
	char room[16384];
	enum reeve_rc rc = RC_OK;

	if (!c->tls.setup && (rc = tls_flags_use(&c->tls, c->host, false, why)) != RC_OK)
		return rc;
	if (!(w->loop = calloc(1, sizeof(*w->loop))) || loop_init(w->loop, 0) != RC_OK) {
		free(w->loop);
		w->loop = NULL;
		snprintf(why, 256, "out of memory");
		return RC_NOMEM;
	}
	w->tls = tls_new(c->tls.setup, w->loop, &c->tls.want, NULL, NULL);
	if (!w->tls) {
		snprintf(why, 256, "the credential does not do for TLS, or memory is out");
		return RC_NOMEM;
	}
	rc = advance(w, NULL, 0, &state, why);
	while (rc == RC_OK && state == TLS_HANDSHAKE)
		rc = more(w, room, sizeof(room), &state, why);
	return rc;
}

static void hang_up(struct wire *w)
{
	char unheard[256];

	if (w->tls && tls_state(w->tls) == TLS_OPEN) {
		tls_bye(w->tls, &w->out);
		if (send_raw(w, buf_view(&w->out), unheard) != RC_OK)
			w->until = 0; /* it was a courtesy */
	}
	tls_free(w->tls);
	if (w->loop)
		loop_close(w->loop);
	free(w->loop);
	buf_free(&w->out);
	close(w->fd);
}

/* --- messages --- */

static enum reeve_rc receive(struct wire *w, struct client_answer *out, char why[256])
{
	static const http_parser_settings settings = {
		.on_header_field = on_field, .on_header_value = on_value, .on_headers_complete = on_headers,
		.on_body = on_body, .on_message_complete = on_complete,
	};
	struct parsing p = { .out = out };
	http_parser hp;
	char room[16384];
	enum reeve_rc rc = RC_OK;

	buf_init(&p.field, 1024);
	buf_init(&p.value, 65536);
	http_parser_init(&hp, HTTP_RESPONSE);
	hp.data = &p;
	while (rc == RC_OK && !p.done) {
		size_t n = 0;
		rc = receive_some(w, room, sizeof(room), &n, why);
		if (rc != RC_OK)
			break;
		if (http_parser_execute(&hp, &settings, room, n) != n && n) {
			snprintf(why, 256, "%s",
				 out->body.failed ? "the answer is longer than this client takes" : "the answer is no HTTP");
			rc = RC_IO;
		} else if (n == 0 && !p.done) {
			snprintf(why, 256, "the connection was closed before the answer was complete");
			rc = RC_IO;
		}
	}
	buf_free(&p.field);
	buf_free(&p.value);
	return rc;
}

static void write_request(struct buf *b, const struct client *c, const char *method, struct slice path, const char *type,
			  struct slice body)
{
	const bool v6 = strchr(c->host, ':') != NULL;
	buf_printf(b, "%s %.*s HTTP/1.1\r\nHost: %s%s%s:%s\r\nConnection: close\r\nAccept: application/json\r\n", method, SF(path),
		   v6 ? "[" : "", c->host, v6 ? "]" : "", c->port);
	if (c->from.p)
		buf_printf(b, "X-M2M-Origin: %.*s\r\n", SF(c->from));
	buf_printf(b, "X-M2M-RI: %016llx\r\nX-M2M-RVI: %s\r\n", (unsigned long long)rand_u64(), c->release);
	buf_slice(b, c->headers);
	if (type)
		buf_printf(b, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, body.n);
	buf_lit(b, "\r\n");
	if (type)
		buf_slice(b, body);
}

enum reeve_rc client_call(struct client *c, const char *method, struct slice path, const char *type, struct slice body,
			  struct client_answer *out, char why[256])
{
	struct wire w = { .until = clock_mono() + c->timeout };
	enum reeve_rc rc = RC_OK;
	struct buf b;

	memset(out, 0, sizeof(*out));
	buf_init(&out->body, c->max_answer);
	buf_init(&out->location, 65536);
	buf_init(&out->tokens, 65536);
	w.fd = dial(c, w.until, why);
	if (w.fd < 0)
		return RC_IO;
	buf_init(&w.out, 1 << 20);
	buf_init(&b, body.n + c->headers.n + 65536);
	write_request(&b, c, method, path, type, body);
	if (b.failed) {
		snprintf(why, 256, "the request is too long");
		rc = RC_IO;
	}
	if (rc == RC_OK && c->https)
		rc = shake_hands(c, &w, why);
	if (rc == RC_OK)
		rc = send_all(&w, buf_view(&b), why);
	if (rc == RC_OK)
		rc = receive(&w, out, why);
	buf_free(&b);
	hang_up(&w);
	return rc;
}

void client_free(struct client *c) { tls_flags_free(&c->tls); }

void client_answer_free(struct client_answer *a)
{
	buf_free(&a->body);
	buf_free(&a->location);
	buf_free(&a->tokens);
}
