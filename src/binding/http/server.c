/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP listener: connections, parsing, limits, answers.
 *
 * Each loop has its own listening socket (SO_REUSEPORT) and owns what it accepts. A connection works on one request at a time; what a
 * client pipelines behind it waits in `pending`. While a connection is idle it has no request and no buffers: struct exchange is
 * taken from a pool when the first byte of a request arrives. Answers to everything in one read leave in one write. A connection may
 * vanish while its request is with the core: the exchange then has no connection and is dropped when the answer comes. */
#include "binding/http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <http_parser.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "binding/http/map.h"

enum { READ_BYTES = 65536, PENDING_MOST = 65536, LINGER_S = 2, STOP_S = 3 };

struct conn;

struct exchange {
	struct req req;           /* first: done finds us */
	struct lane *lane;
	struct conn *conn;        /* NULL: the client has gone */
	struct exchange *next;    /* in the pool */
	struct exchange *all;     /* every one, to free them at the end */
	struct buf url, name, value, body;
	size_t header_bytes;
	bool in_value, expects, keep_alive;
};

struct conn {
	uv_tcp_t tcp;             /* first */
	struct lane *lane;
	struct conn *next, **link;
	struct exchange *ex;      /* NULL while idle */
	http_parser parser;
	struct buf pending;       /* read and not parsed yet */
	uint32_t deadline;        /* second of the lane's clock; 0 none */
	uint8_t ip[16];
	bool busy;                /* the core has the request */
	bool eof, closing, dead, draining, in_read, reading;
};

/* What one loop has. */
struct lane {
	struct http_server *server;
	struct loop *loop;
	uv_tcp_t listener;
	uv_timer_t tick;
	struct conn *conns;
	struct exchange *pool, *all;
	struct buf out;           /* answers of the connection being served */
	uint32_t now_s;
	unsigned n_conns;
	bool stopping, told;
	uv_sem_t *gone;
	char input[READ_BYTES];
};

struct http_server {
	struct core *core;
	http_page page;
	struct lane *lanes;
	unsigned n_lanes;
	uint16_t port;
	atomic_uint open;
};

/* --- exchanges --- */

static void request_done(struct req *r);

static struct exchange *exchange_get(struct lane *l, struct conn *c)
{
	const struct limits *lim = &l->server->core->cfg->limits;
	struct exchange *ex = l->pool;

	if (ex) {
		l->pool = ex->next;
	} else {
		ex = aligned_alloc(16, (sizeof(*ex) + 15) & ~(size_t)15);
		if (!ex)
			return NULL;
		req_init(&ex->req, l->loop, lim->request_memory, lim->response);
		buf_init(&ex->url, lim->header);
		buf_init(&ex->name, lim->header);
		buf_init(&ex->value, lim->header);
		buf_init(&ex->body, lim->body);
		ex->all = l->all;
		l->all = ex;
	}
	ex->lane = l;
	ex->conn = c;
	ex->header_bytes = 0;
	ex->in_value = ex->expects = false;
	ex->req.owner = ex;
	ex->req.done = request_done;
	memcpy(ex->req.peer.ip, c->ip, sizeof(c->ip));
	ex->req.peer.ip_known = true;
	return ex;
}

/* A pool keeps no large buffers: one big message must not cost memory for ever. */
static void shrink(struct buf *b)
{
	if (b->cap > 16384)
		buf_free(b);
	buf_clear(b);
}

static void exchange_put(struct lane *l, struct exchange *ex)
{
	req_reset(&ex->req);
	shrink(&ex->req.out);
	shrink(&ex->url);
	shrink(&ex->name);
	shrink(&ex->value);
	shrink(&ex->body);
	ex->conn = NULL;
	ex->next = l->pool;
	l->pool = ex;
}

/* --- connections --- */

static void closed(uv_handle_t *h)
{
	struct conn *c = (struct conn *)h;
	struct lane *l = c->lane;

	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	buf_free(&c->pending);
	free(c);
	l->n_conns--;
	atomic_fetch_sub(&l->server->open, 1);
	metrics_inc(&l->server->core->metrics, connections_closed);
	if (l->stopping && !l->n_conns && !l->told) {
		l->told = true;
		uv_sem_post(l->gone);
	}
}

static void drop(struct conn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	if (c->ex) {
		c->ex->conn = NULL;
		if (!c->busy)
			exchange_put(c->lane, c->ex);
		c->ex = NULL;
	}
	uv_close((uv_handle_t *)&c->tcp, closed);
}

static void shut(uv_shutdown_t *s, int status)
{
	(void)status;
	free(s);
}

/* No more answers: tell the client, and read on for a moment so that it sees the last one. */
static void finish(struct conn *c)
{
	uv_shutdown_t *s;

	if (c->dead || c->draining)
		return;
	if (c->eof || !(s = malloc(sizeof(*s)))) {
		drop(c);
		return;
	}
	c->closing = c->draining = true;
	c->deadline = c->lane->now_s + LINGER_S;
	if (uv_shutdown(s, (uv_stream_t *)&c->tcp, shut) != 0) {
		free(s);
		drop(c);
	}
}

struct out_write {
	uv_write_t w;
	struct conn *c;
	char bytes[];
};

static void serve(struct conn *c);

static void written(uv_write_t *w, int status)
{
	struct conn *c = ((struct out_write *)w)->c;

	free(w);
	if (c->dead)
		return;
	if (status < 0)
		drop(c);
	else if (c->closing && !c->draining)
		finish(c);
	else
		serve(c);
}

/* Send what stands in lane->out; what the socket does not take waits in a copy, and the connection with it. */
static bool flush(struct conn *c)
{
	struct lane *l = c->lane;
	uv_buf_t b = uv_buf_init(l->out.p, (unsigned)l->out.n);
	struct out_write *w;
	int n = 0;

	if (!l->out.n || c->dead)
		return !c->dead;
	if (!uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp))
		n = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
	if (n == UV_EAGAIN)
		n = 0;
	if (n < 0) {
		buf_clear(&l->out);
		drop(c);
		return false;
	}
	if ((size_t)n < l->out.n) {
		size_t left = l->out.n - (size_t)n;
		w = malloc(sizeof(*w) + left);
		if (!w) {
			drop(c);
			return false;
		}
		memcpy(w->bytes, l->out.p + n, left);
		w->c = c;
		b = uv_buf_init(w->bytes, (unsigned)left);
		if (uv_write(&w->w, (uv_stream_t *)&c->tcp, &b, 1, written) != 0) {
			free(w);
			drop(c);
		}
	}
	if (l->out.cap > 1 << 20)
		buf_free(&l->out);
	buf_clear(&l->out);
	return !c->dead;
}

/* An answer without a request that could be read: bad HTTP, too large, too many. */
static void plain_answer(struct conn *c, unsigned status, int rsc, const char *text)
{
	struct buf *b = &c->lane->out, body;
	struct slice rqi = c->ex ? c->ex->req.rqi : (struct slice){ NULL, 0 };

	buf_init(&body, 4096);
	buf_lit(&body, "{\"m2m:dbg\":");
	buf_json(&body, slice_str(text));
	buf_char(&body, '}');
	buf_printf(b, "HTTP/1.1 %u \r\nX-M2M-RSC: %d\r\n", status, rsc);
	if (rqi.p)
		buf_printf(b, "X-M2M-RI: %.*s\r\n", SF(rqi));
	buf_printf(b, "Content-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", body.n);
	buf_slice(b, buf_view(&body));
	buf_free(&body);
	c->closing = true;
}

/* --- parsing --- */

static int refuse(struct conn *c, unsigned status, const char *text)
{
	if (!c->closing)
		plain_answer(c, status, 4000, text);
	return 1; /* ends the parser */
}

static int on_begin(http_parser *p)
{
	struct conn *c = p->data;
	struct lane *l = c->lane;

	if (!c->ex)
		c->ex = exchange_get(l, c);
	c->deadline = l->now_s + 1 + (uint32_t)(l->server->core->cfg->limits.header_time / USEC_S);
	return c->ex ? 0 : 1;
}

static int over_header(struct conn *c, size_t n)
{
	c->ex->header_bytes += n;
	if (c->ex->header_bytes <= c->lane->server->core->cfg->limits.header)
		return 0;
	metrics_inc(&c->lane->server->core->metrics, limit_header);
	return refuse(c, 431, "request line and headers are larger than limits.header");
}

static int on_url(http_parser *p, const char *at, size_t n)
{
	struct conn *c = p->data;
	buf_add(&c->ex->url, at, n);
	return over_header(c, n);
}

static void header_complete(struct exchange *ex)
{
	struct slice name = buf_view(&ex->name);

	if (!name.n)
		return;
	http_map_header(&ex->req, name, ex->value.n ? buf_view(&ex->value) : S(""));
	if (slice_ieq(name, S("Expect")) && slice_ieq(buf_view(&ex->value), S("100-continue")))
		ex->expects = true;
	buf_clear(&ex->name);
	buf_clear(&ex->value);
	ex->in_value = false;
}

static int on_field(http_parser *p, const char *at, size_t n)
{
	struct conn *c = p->data;
	if (c->ex->in_value)
		header_complete(c->ex);
	buf_add(&c->ex->name, at, n);
	return over_header(c, n);
}

static int on_value(http_parser *p, const char *at, size_t n)
{
	struct conn *c = p->data;
	c->ex->in_value = true;
	buf_add(&c->ex->value, at, n);
	return over_header(c, n);
}

static int over_body(struct conn *c)
{
	metrics_inc(&c->lane->server->core->metrics, limit_body);
	return refuse(c, 413, "the content is larger than limits.body");
}

static int on_headers(http_parser *p)
{
	struct conn *c = p->data;
	const struct limits *lim = &c->lane->server->core->cfg->limits;

	header_complete(c->ex);
	c->deadline = c->lane->now_s + 1 + (uint32_t)(lim->body_time / USEC_S);
	/* both lengths at once are how requests are smuggled past a proxy (RFC 9112 6.3) */
	if (p->flags & F_CHUNKED && p->flags & F_CONTENTLENGTH)
		return refuse(c, 400, "Content-Length and Transfer-Encoding exclude each other"), -1;
	if (p->content_length != UINT64_MAX && p->content_length > lim->body)
		return over_body(c), -1;
	if (c->ex->expects && p->http_minor >= 1)
		buf_lit(&c->lane->out, "HTTP/1.1 100 Continue\r\n\r\n");
	return 0;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
	struct conn *c = p->data;
	buf_add(&c->ex->body, at, n);
	return c->ex->body.failed ? over_body(c) : 0;
}

static int on_complete(http_parser *p)
{
	struct conn *c = p->data;
	header_complete(c->ex); /* trailers of a chunked body count like headers */
	c->ex->keep_alive = http_should_keep_alive(p);
	http_parser_pause(p, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_message_begin = on_begin,
	.on_url = on_url,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_headers,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

/* --- requests --- */

static void answered(struct conn *c)
{
	bool keep = c->ex->keep_alive && !c->lane->stopping;

	exchange_put(c->lane, c->ex);
	c->ex = NULL;
	c->busy = false;
	c->deadline = c->lane->now_s + 1 + (uint32_t)(c->lane->server->core->cfg->limits.idle / USEC_S);
	if (!keep)
		c->closing = true;
}

static void request_done(struct req *r)
{
	struct exchange *ex = r->owner;
	struct conn *c = ex->conn;
	struct lane *l;

	if (!c) {
		exchange_put(ex->lane, ex);
		return;
	}
	l = c->lane;
	http_map_response(&l->out, r, ex->keep_alive && !l->stopping);
	if (l->out.failed) {
		buf_clear(&l->out);
		drop(c);
		return;
	}
	answered(c);
	if (!c->in_read)
		serve(c);
}

static bool page(struct conn *c, struct exchange *ex)
{
	struct http_server *s = c->lane->server;
	struct slice url = buf_view(&ex->url), path = slice_cut(&url, '?');
	const char *type = "text/plain";
	struct buf body, *b = &c->lane->out;
	int status = 200;
	bool is;

	if (!s->page || c->parser.method != HTTP_GET || ex->req.fr.p)
		return false;
	buf_init(&body, 1 << 20);
	is = s->page(s->core, path, &status, &type, &body);
	if (is) {
		buf_printf(b, "HTTP/1.1 %d \r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n", status, type, body.n,
			   ex->keep_alive ? "" : "Connection: close\r\n");
		buf_slice(b, buf_view(&body));
		answered(c);
	}
	buf_free(&body);
	return is;
}

static void dispatch(struct conn *c)
{
	struct exchange *ex = c->ex;
	struct core *core = c->lane->server->core;
	const char *method = http_method_str(c->parser.method);
	struct req *r = &ex->req;

	c->deadline = 0;
	if (page(c, ex))
		return;
	r->received = clock_wall();
	http_map_target(r, buf_view(&ex->url));
	http_map_finish(r, slice_str(method), buf_view(&ex->body), &core->cfg->limits.json);
	c->busy = true;
	if (r->op == OP_NONE) {
		req_refuse(r, 4005, "the method %s is no oneM2M operation", method);
		request_done(r);
		return;
	}
	core_submit(core, r);
}

/* Parse and serve `n` bytes until they are used up or something has to wait; returns how many were used. */
static size_t feed(struct conn *c, const char *p, size_t n)
{
	size_t used = 0;

	while (used < n && !c->busy && !c->closing && !c->dead) {
		size_t k = http_parser_execute(&c->parser, &settings, p + used, n - used);
		enum http_errno e = HTTP_PARSER_ERRNO(&c->parser);
		used += k;
		if (e == HPE_PAUSED) {
			http_parser_pause(&c->parser, 0);
			dispatch(c);
		} else if (e != HPE_OK && !c->closing) {
			metrics_inc(&c->lane->server->core->metrics, bad_http);
			plain_answer(c, e == HPE_INVALID_METHOD ? 405 : 400, e == HPE_INVALID_METHOD ? 4005 : 4000,
				     http_errno_description(e));
		} else if (e == HPE_OK && !k) {
			break;
		}
	}
	return c->closing ? n : used;
}

static void allocate(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	(void)hint;
	*b = uv_buf_init(((struct conn *)h)->lane->input, READ_BYTES);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b);

/* After something changed: parse what waits, send what stands, read on or end. */
static void settle(struct conn *c)
{
	if (!flush(c))
		return;
	if (c->closing && !c->busy) {
		if (!uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp))
			finish(c);
		return;
	}
	if (c->eof && !c->busy && !c->pending.n) {
		if (!uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp))
			drop(c);
		return;
	}
	bool want = !c->eof && c->pending.n < PENDING_MOST && uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp) < PENDING_MOST;
	if (want && !c->reading && uv_read_start((uv_stream_t *)&c->tcp, allocate, on_read) == 0)
		c->reading = true;
	else if (!want && c->reading && uv_read_stop((uv_stream_t *)&c->tcp) == 0)
		c->reading = false;
}

static void serve(struct conn *c)
{
	c->in_read = true;
	if (c->pending.n && !c->busy && !c->closing && !uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp)) {
		size_t used = feed(c, c->pending.p, c->pending.n);
		memmove(c->pending.p, c->pending.p + used, c->pending.n - used);
		c->pending.n -= used;
		if (!c->pending.n)
			buf_free(&c->pending);
	}
	c->in_read = false;
	settle(c);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct conn *c = (struct conn *)s;
	size_t used = 0;

	if (n == 0 || c->dead)
		return;
	if (n < 0) {
		c->eof = true;
		if (n != UV_EOF || c->draining || !c->busy) {
			if (c->ex && !c->busy && n == UV_EOF && !c->draining)
				metrics_inc(&c->lane->server->core->metrics, bad_http);
			drop(c);
			return;
		}
		uv_read_stop(s);
		c->reading = false;
		return;
	}
	if (c->draining)
		return;
	c->in_read = true;
	if (!c->busy && !c->pending.n && !uv_stream_get_write_queue_size(s))
		used = feed(c, b->base, (size_t)n);
	c->in_read = false;
	if (c->dead)
		return;
	if (used < (size_t)n && !c->closing)
		buf_add(&c->pending, b->base + used, (size_t)n - used);
	if (c->pending.failed) {
		drop(c);
		return;
	}
	settle(c);
}

/* --- accepting --- */

static void peer_address(struct conn *c)
{
	struct sockaddr_storage a;
	int n = sizeof(a);

	memset(c->ip, 0, sizeof(c->ip));
	if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &n) != 0)
		return;
	if (a.ss_family == AF_INET6) {
		memcpy(c->ip, &((struct sockaddr_in6 *)&a)->sin6_addr, 16);
	} else {
		c->ip[10] = c->ip[11] = 0xff;
		memcpy(c->ip + 12, &((struct sockaddr_in *)&a)->sin_addr, 4);
	}
}

static void accepted(uv_stream_t *s, int status)
{
	struct lane *l = (struct lane *)((char *)s - offsetof(struct lane, listener));
	struct core *core = l->server->core;
	struct conn *c;

	if (status < 0 || !(c = calloc(1, sizeof(*c))))
		return;
	uv_tcp_init(&l->loop->uv, &c->tcp);
	c->lane = l;
	c->link = &l->conns;
	c->next = l->conns;
	if (c->next)
		c->next->link = &c->next;
	l->conns = c;
	l->n_conns++;
	buf_init(&c->pending, PENDING_MOST + READ_BYTES);
	metrics_inc(&core->metrics, connections_opened);
	unsigned open = atomic_fetch_add(&l->server->open, 1);
	if (uv_accept(s, (uv_stream_t *)&c->tcp) != 0) {
		drop(c);
		return;
	}
	uv_tcp_nodelay(&c->tcp, 1);
	peer_address(c);
	http_parser_init(&c->parser, HTTP_REQUEST);
	c->parser.data = c;
	c->deadline = l->now_s + 1 + (uint32_t)(core->cfg->limits.idle / USEC_S);
	if (open >= core->cfg->limits.connections) {
		metrics_inc(&core->metrics, limit_connections);
		plain_answer(c, 503, 5000, "too many connections (limits.connections)");
	}
	settle(c);
}

static void ticked(uv_timer_t *t)
{
	struct lane *l = t->data;
	struct core *core = l->server->core;

	l->now_s++;
	for (struct conn *c = l->conns, *next; c; c = next) {
		next = c->next;
		if (!c->deadline || c->busy || c->dead || l->now_s < c->deadline)
			continue;
		if (c->draining || c->closing) {
			drop(c);
		} else if (c->ex) {
			metrics_inc(&core->metrics, timeout_header);
			plain_answer(c, 408, 4008, "the request did not arrive in time (limits.header_time, limits.body_time)");
			settle(c);
		} else {
			metrics_inc(&core->metrics, timeout_idle);
			drop(c);
		}
	}
}

/* --- start and stop --- */

static int listening_socket(const char *address, uint16_t *port)
{
	union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; struct sockaddr_storage room; } a = { 0 };
	socklen_t n = sizeof(a);
	int one = 1, fd;

	if (uv_ip4_addr(address, *port, &a.v4) != 0 && uv_ip6_addr(address, *port, &a.v6) != 0) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	n = a.any.sa_family == AF_INET ? sizeof(a.v4) : sizeof(a.v6);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) ||
	    bind(fd, &a.any, n)) {
		int e = errno;
		close(fd);
		errno = e;
		return -1;
	}
	n = sizeof(a);
	if (getsockname(fd, &a.any, &n) == 0)
		*port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
	return fd;
}

/* SO_REUSEPORT would let a second process share our port in silence: try once without it. */
static bool port_is_free(const char *address, uint16_t port)
{
	union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; } a = { 0 };
	int one = 1, fd;
	bool ok;

	if (!port || (uv_ip4_addr(address, port, &a.v4) != 0 && uv_ip6_addr(address, port, &a.v6) != 0))
		return true;
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	ok = fd >= 0 && bind(fd, &a.any, a.any.sa_family == AF_INET ? sizeof(a.v4) : sizeof(a.v6)) == 0;
	int e = errno;
	if (fd >= 0)
		close(fd);
	errno = e;
	return ok;
}

struct start_msg { struct loop_msg msg; struct lane *lane; int fd; uv_sem_t *done; int failed; };

static void start_lane(struct loop *loop, struct loop_msg *m)
{
	struct start_msg *s = (struct start_msg *)m;
	struct lane *l = s->lane;

	uv_tcp_init(&loop->uv, &l->listener);
	uv_timer_init(&loop->uv, &l->tick);
	l->tick.data = l;
	s->failed = uv_tcp_open(&l->listener, s->fd);
	if (!s->failed)
		s->failed = uv_listen((uv_stream_t *)&l->listener, 1024, accepted);
	if (!s->failed)
		s->failed = uv_timer_start(&l->tick, ticked, 1000, 1000);
	uv_sem_post(s->done);
}

enum reeve_rc http_listen(struct core *c, const char *address, uint16_t port, struct http_server **out, char why[256])
{
	struct http_server *s = calloc(1, sizeof(*s));
	uv_sem_t done;

	if (!s || !(s->lanes = calloc(c->n_loops, sizeof(*s->lanes))) || uv_sem_init(&done, 0) != 0)
		return RC_NOMEM;
	s->core = c;
	s->n_lanes = c->n_loops;
	s->port = port;
	if (!port_is_free(address, port)) {
		snprintf(why, 256, "%s:%u cannot be listened on: %s", address, port, strerror(errno));
		free(s->lanes);
		free(s);
		return RC_IO;
	}
	for (unsigned i = 0; i < s->n_lanes; i++) {
		struct lane *l = &s->lanes[i];
		struct start_msg m = { .msg = { .fn = start_lane }, .lane = l, .done = &done };
		l->server = s;
		l->loop = &c->loops[i];
		l->now_s = 1;
		buf_init(&l->out, c->cfg->limits.response * 2 + 65536);
		m.fd = listening_socket(address, &s->port);
		if (m.fd < 0) {
			snprintf(why, 256, "%s:%u cannot be listened on: %s", address, port, strerror(errno));
			return RC_IO; /* the process ends with this message */
		}
		loop_post(l->loop, &m.msg);
		uv_sem_wait(&done);
		if (m.failed) {
			snprintf(why, 256, "%s:%u cannot be listened on: %s", address, port, uv_strerror(m.failed));
			return RC_IO;
		}
	}
	uv_sem_destroy(&done);
	*out = s;
	return RC_OK;
}

uint16_t http_server_port(const struct http_server *s) { return s->port; }

void http_server_pages(struct http_server *s, http_page page_fn) { s->page = page_fn; }

struct stop_msg { struct loop_msg msg; struct lane *lane; bool force; };

static void stop_lane(struct loop *loop, struct loop_msg *m)
{
	struct stop_msg *s = (struct stop_msg *)m;
	struct lane *l = s->lane;

	(void)loop;
	if (!l->stopping) {
		uv_close((uv_handle_t *)&l->listener, NULL);
		uv_close((uv_handle_t *)&l->tick, NULL);
	}
	l->stopping = true;
	for (struct conn *c = l->conns, *next; c; c = next) {
		next = c->next;
		if (s->force || !c->busy)
			drop(c);
	}
	if (!l->n_conns && !l->told) {
		l->told = true;
		uv_sem_post(l->gone);
	}
	free(s);
}

static void tell(struct http_server *s, bool force)
{
	for (unsigned i = 0; i < s->n_lanes; i++) {
		struct stop_msg *m = malloc(sizeof(*m));
		if (!m)
			abort();
		*m = (struct stop_msg){ .msg = { .fn = stop_lane }, .lane = &s->lanes[i], .force = force };
		loop_post(s->lanes[i].loop, &m->msg);
	}
}

void http_server_stop(struct http_server *s)
{
	unsigned waiting = s->n_lanes;
	uv_sem_t gone;

	uv_sem_init(&gone, 0);
	for (unsigned i = 0; i < s->n_lanes; i++)
		s->lanes[i].gone = &gone;
	tell(s, false);
	for (int tenths = 0; waiting && tenths < STOP_S * 10; tenths++) {
		while (waiting && uv_sem_trywait(&gone) == 0)
			waiting--;
		if (waiting)
			usleep(100000);
	}
	if (waiting)
		tell(s, true);
	while (waiting--)
		uv_sem_wait(&gone);
	uv_sem_destroy(&gone);
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->n_lanes; i++) {
		for (struct exchange *ex = s->lanes[i].all, *next; ex; ex = next) {
			next = ex->all;
			req_free(&ex->req);
			buf_free(&ex->url);
			buf_free(&ex->name);
			buf_free(&ex->value);
			buf_free(&ex->body);
			free(ex);
		}
		buf_free(&s->lanes[i].out);
	}
	free(s->lanes);
	free(s);
}
