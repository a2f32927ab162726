/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client and the sending side of the binding against a server that does what a script tells it. Everything runs on one loop in one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <http_parser.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "binding/http/http.h"

/* --- a server --- */

struct peer_conn {
	uv_tcp_t tcp;
	http_parser parser;
	struct buf got;       /* the request as it came */
	unsigned nth;         /* requests on this connection */
	struct peer_conn *next, **link;
};

/* What to answer; returns false to say nothing. `out` is sent as it stands; `end`: close afterwards. */
typedef bool (*script)(struct peer_conn *c, struct slice request, struct buf *out, bool *end);

static struct {
	uv_tcp_t listener;
	int port;
	script answer;
	bool byte_by_byte;
	unsigned accepted, open, most_open, requests;
	struct peer_conn *conns;
	char last[8192];      /* the last request */
} server;

static struct loop loop;
static struct http_client *client;

static void conn_closed(uv_handle_t *h)
{
	struct peer_conn *c = (struct peer_conn *)h;

	server.open--;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	buf_free(&c->got);
	free(c);
}

static void conn_end(struct peer_conn *c)
{
	if (!uv_is_closing((uv_handle_t *)&c->tcp))
		uv_close((uv_handle_t *)&c->tcp, conn_closed);
}

static void put_all(struct peer_conn *c, struct slice s)
{
	size_t step = server.byte_by_byte ? 1 : s.n;

	while (s.n) {
		uv_buf_t b = uv_buf_init((char *)s.p, (unsigned)(s.n < step ? s.n : step));
		int n = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
		if (n < 0)
			return; /* gone, or more than a test sends */
		s = slice_skip(s, (size_t)n);
	}
}

static int request_complete(http_parser *p)
{
	http_parser_pause(p, 1);
	return 0;
}

static const http_parser_settings peer_settings = { .on_message_complete = request_complete };

static void give_memory(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	static char mem[65536];

	*b = uv_buf_init(mem, sizeof(mem));
}

static void got_bytes(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct peer_conn *c = (struct peer_conn *)s;
	struct buf out;
	bool end = false;

	if (n < 0) {
		conn_end(c);
		return;
	}
	buf_add(&c->got, b->base, (size_t)n);
	http_parser_execute(&c->parser, &peer_settings, b->base, (size_t)n);
	if (HTTP_PARSER_ERRNO(&c->parser) != HPE_PAUSED) {
		assert_int_equal(HTTP_PARSER_ERRNO(&c->parser), HPE_OK);
		return;
	}
	http_parser_pause(&c->parser, 0);
	server.requests++;
	c->nth++;
	snprintf(server.last, sizeof(server.last), "%.*s", SF(buf_view(&c->got)));
	buf_init(&out, 1 << 20);
	if (server.answer(c, buf_view(&c->got), &out, &end))
		put_all(c, buf_view(&out));
	buf_free(&out);
	buf_clear(&c->got);
	if (end)
		conn_end(c);
}

static void got_connection(uv_stream_t *s, int status)
{
	struct peer_conn *c = calloc(1, sizeof(*c));

	assert_int_equal(status, 0);
	uv_tcp_init(&loop.uv, &c->tcp);
	assert_int_equal(uv_accept(s, (uv_stream_t *)&c->tcp), 0);
	uv_tcp_nodelay(&c->tcp, 1);
	buf_init(&c->got, 1 << 20);
	http_parser_init(&c->parser, HTTP_REQUEST);
	c->link = &server.conns;
	c->next = server.conns;
	if (c->next)
		c->next->link = &c->next;
	server.conns = c;
	server.accepted++;
	server.open++;
	if (server.open > server.most_open)
		server.most_open = server.open;
	uv_read_start((uv_stream_t *)&c->tcp, give_memory, got_bytes);
}

static struct loop_hook at_stop;

static void stop_all(struct loop *l, struct loop_hook *h)
{
	http_client_stop(client);
	for (struct peer_conn *c = server.conns; c; c = c->next)
		conn_end(c);
}

static int set_up(void **state)
{
	struct sockaddr_in a;
	int n = sizeof(a);

	memset(&server, 0, sizeof(server));
	assert_int_equal(loop_init(&loop, 0), RC_OK);
	uv_ip4_addr("127.0.0.1", 0, &a);
	uv_tcp_init(&loop.uv, &server.listener);
	/* below the range the system chooses from */
	for (int port = 20000 + (int)(getpid() % 10000); ; port++) {
		a.sin_port = htons((uint16_t)port);
		if (uv_tcp_bind(&server.listener, (struct sockaddr *)&a, 0) == 0 && uv_listen((uv_stream_t *)&server.listener, 64, got_connection) == 0)
			break;
		uv_close((uv_handle_t *)&server.listener, NULL);
		uv_run(&loop.uv, UV_RUN_NOWAIT);
		uv_tcp_init(&loop.uv, &server.listener);
	}
	uv_tcp_getsockname(&server.listener, (struct sockaddr *)&a, &n);
	server.port = ntohs(a.sin_port);
	client = http_client_new(&loop, NULL, 2, 1000);
	at_stop.fn = stop_all;
	loop_at_stop(&loop, &at_stop);
	return 0;
}

/* After loop_run. */
static int tear_down(void **state)
{
	loop_close(&loop);
	http_client_free(client);
	return 0;
}

/* --- calls --- */

struct ask {
	struct http_call call;
	char url[256], body[2048], type[128];
	int status, rsc;
	unsigned done, *left;      /* when *left has come to 0 the loop ends */
	bool returned;             /* http_client_call has */
	void (*then)(struct ask *a);
	struct ask *next;
};

static void ask_done(struct http_call *call, const struct http_answer *answer)
{
	struct ask *a = call->owner;

	assert_true(a->returned);
	a->done++;
	a->status = answer->status;
	a->rsc = answer->rsc;
	snprintf(a->type, sizeof(a->type), "%.*s", SF(answer->type));
	snprintf(a->body, sizeof(a->body), "%.*s", SF(answer->body));
	if (a->then)
		a->then(a);
	if (!--*a->left)
		loop_stop(&loop);
}

static void ask_at(struct ask *a, const char *host, const char *path, unsigned *left)
{
	snprintf(a->url, sizeof(a->url), "http://%s:%d%s", host, server.port, path);
	a->call.method = "POST";
	a->call.url = slice_str(a->url);
	a->call.timeout = 3600 * USEC_S;
	a->call.repeatable = true;
	a->call.done = ask_done;
	a->call.owner = a;
	a->left = left;
}

static void ask_now(struct ask *a)
{
	http_client_call(client, &a->call);
	a->returned = true;
}

static void ask_next(struct ask *a) { ask_now(a->next); }

#define OK "HTTP/1.1 200 \r\nX-M2M-RSC: 2000\r\n"

static bool echo(struct peer_conn *c, struct slice request, struct buf *out, bool *end)
{
	ptrdiff_t sp = slice_find(request, ' ');
	struct slice path = slice_skip(request, (size_t)sp + 1);

	path = slice_of(path.p, (size_t)slice_find(path, ' '));
	buf_printf(out, OK "Content-Type: application/json; x=y\r\nContent-Length: %zu\r\n\r\n", path.n);
	buf_slice(out, path);
	return true;
}

static void kept_alive(void **state)
{
	struct ask a[3] = { 0 };
	unsigned left = 3;

	server.answer = echo;
	for (int i = 0; i < 3; i++) {
		ask_at(&a[i], "127.0.0.1", i == 0 ? "/one" : i == 1 ? "?two" : "/three#part", &left);
		a[i].call.body = S("body");
		a[i].next = i < 2 ? &a[i + 1] : NULL;
		a[i].then = i < 2 ? ask_next : NULL;
	}
	ask_now(&a[0]);
	loop_run(&loop);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(a[i].done, 1);
		assert_int_equal(a[i].status, 200);
		assert_int_equal(a[i].rsc, 2000);
		assert_string_equal(a[i].type, "application/json; x=y");
	}
	assert_string_equal(a[0].body, "/one");
	assert_string_equal(a[1].body, "/?two");
	assert_string_equal(a[2].body, "/three");
	assert_int_equal(server.accepted, 1);
	assert_non_null(strstr(server.last, "\r\nContent-Length: 4\r\n\r\nbody"));
	assert_non_null(strstr(server.last, "\r\nHost: 127.0.0.1:"));
}

static bool chunked(struct peer_conn *c, struct slice request, struct buf *out, bool *end)
{
	buf_lit(out, "HTTP/1.1 100 \r\nX-M2M-RSC: 4444\r\nContent-Type: wrong\r\n\r\nHTTP/1.1 403 \r\nx-m2m-rsc:4103 \r\nTransfer-Encoding: chunked\r\n\r\n"
		     "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n");
	return true;
}

/* A name to resolve, where the machine knows any: a bare chroot has no /etc/hosts. */
static const char *own_name(void)
{
	struct addrinfo *list = NULL;
	const bool known = getaddrinfo("localhost", NULL, NULL, &list) == 0;

	if (known)
		freeaddrinfo(list);
	return known ? "localhost" : "127.0.0.1";
}

static void in_pieces(void **state)
{
	struct ask a[2] = { 0 };
	unsigned left = 2;

	server.answer = chunked;
	server.byte_by_byte = true;
	for (int i = 0; i < 2; i++)
		ask_at(&a[i], own_name(), "/", &left);
	a[0].then = ask_next;
	a[0].next = &a[1];
	ask_now(&a[0]);
	loop_run(&loop);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(a[i].status, 403);
		assert_int_equal(a[i].rsc, 4103);
		assert_string_equal(a[i].body, "abcde");
		assert_string_equal(a[i].type, "");
	}
	assert_int_equal(server.accepted, 1);
}

static bool once_per_connection(struct peer_conn *c, struct slice request, struct buf *out, bool *end)
{
	if (c->nth > 1) {
		*end = true; /* as if it had closed a moment before the request came */
		return false;
	}
	return echo(c, request, out, end);
}

static void stale_connection(void **state)
{
	struct ask a[3] = { 0 };
	unsigned left = 3;

	server.answer = once_per_connection;
	for (int i = 0; i < 3; i++) {
		ask_at(&a[i], "127.0.0.1", "/", &left);
		a[i].then = i < 2 ? ask_next : NULL;
		a[i].next = i < 2 ? &a[i + 1] : NULL;
	}
	a[2].call.repeatable = false;
	ask_now(&a[0]);
	loop_run(&loop);
	assert_int_equal(a[0].status, 200);
	assert_int_equal(a[1].status, 200); /* sent again on a new connection */
	assert_int_equal(a[2].status, 0);   /* must not be sent twice */
	assert_int_equal(server.requests, 4);
	assert_int_equal(server.accepted, 2);
}

static bool hang_up(struct peer_conn *c, struct slice request, struct buf *out, bool *end)
{
	*end = true;
	return false;
}

static void fresh_connection_fails(void **state)
{
	struct ask a = { 0 };
	unsigned left = 1;

	server.answer = hang_up;
	ask_at(&a, "127.0.0.1", "/", &left);
	ask_now(&a);
	loop_run(&loop);
	assert_int_equal(a.status, 0);
	assert_int_equal(server.requests, 1); /* no endless attempts */
}

static bool silence(struct peer_conn *c, struct slice request, struct buf *out, bool *end) { return false; }

static bool silent_later(struct peer_conn *c, struct slice request, struct buf *out, bool *end)
{
	return c->nth == 1 && echo(c, request, out, end);
}

static void ask_two_next(struct ask *a)
{
	ask_now(a->next);
	ask_now(a->next + 1);
}

static void stop_now(struct ask *a) { loop_stop(&loop); }

static void no_answer(void **state)
{
	struct ask a[2] = { 0 };
	unsigned left = 2;

	/* the connection stands: that is not "could not connect" */
	server.answer = silent_later;
	for (int i = 0; i < 2; i++)
		ask_at(&a[i], "127.0.0.1", "/", &left);
	a[0].then = ask_next;
	a[0].next = &a[1];
	a[1].call.timeout = 30 * USEC_MS;
	ask_now(&a[0]);
	loop_run(&loop);
	assert_int_equal(a[1].done, 1);
	assert_int_equal(a[1].status, 1);
}

static void no_connection_free(void **state)
{
	struct ask a[5] = { 0 };
	unsigned left = 100;

	/* both connections wait for an answer for ever, and one call for a connection: its time runs too */
	server.answer = silent_later;
	for (int i = 0; i < 5; i++)
		ask_at(&a[i], "127.0.0.1", "/", &left);
	a[0].then = ask_next;
	a[0].next = &a[2];
	a[1].then = ask_two_next;
	a[1].next = &a[3];
	a[4].call.timeout = 30 * USEC_MS;
	a[4].then = stop_now;
	ask_now(&a[0]);
	ask_now(&a[1]);
	loop_run(&loop);
	for (int i = 0; i < 5; i++)
		assert_int_equal(a[i].done, 1);
	assert_int_equal(a[4].status, 1);
	assert_int_equal(server.accepted, 2);
}

static void nobody_there(void **state)
{
	static const char *const urls[] = { "http://127.0.0.1:1/", "http://[::1]:1/", "http://", "http:///x", "https://127.0.0.1/", "ftp://x", "", "http://h:0/",
					    "http://h:65536/", "http://h:x/", "http://a b/", "http://a\r\nb/", "http://[::1", "http://[]:1/",
					    "http://user@127.0.0.1:1/", "http://nobody.invalid/" };
	enum { N = sizeof(urls) / sizeof(urls[0]) };
	struct ask a[N] = { 0 };
	unsigned left = N;

	server.answer = echo;
	for (int i = 0; i < N; i++) {
		ask_at(&a[i], "x", "", &left);
		a[i].call.url = slice_str(urls[i]);
	}
	for (int i = 0; i < N; i++)
		ask_now(&a[i]);
	loop_run(&loop);
	for (int i = 0; i < N; i++) {
		assert_int_equal(a[i].done, 1);
		assert_int_equal(a[i].status, 0);
	}
	assert_int_equal(server.requests, 0);
}

static void bounded_connections(void **state)
{
	struct ask a[20] = { 0 };
	unsigned left = 20;

	server.answer = echo;
	for (int i = 0; i < 20; i++) {
		char path[16];
		snprintf(path, sizeof(path), "/%d", i);
		ask_at(&a[i], "127.0.0.1", path, &left);
		ask_now(&a[i]);
	}
	loop_run(&loop);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(a[i].status, 200);
		assert_int_equal(atoll(a[i].body + 1), i); /* each its own answer */
	}
	assert_int_equal(server.most_open, 2);
}

static bool odd_answers(struct peer_conn *c, struct slice request, struct buf *out, bool *end)
{
	static const char *const answers[] = {
		OK "Connection: close\r\n\r\nuntil the end",
		OK "Content-Length: 10\r\n\r\nshort",
		"SSH-2.0-x\r\n",
		OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"HTTP/1.1 204 \r\n\r\n",
		OK "Content-Length: 2\r\n\r\nokgarbage",
	};
	struct slice path = slice_skip(request, 6);
	unsigned i = (unsigned)(path.p[0] - '0');

	if (i == 6) {
		buf_lit(out, OK "Content-Length: 1001\r\n\r\n");
		for (int k = 0; k < 1001; k++)
			buf_char(out, 'x');
		return true;
	}
	buf_slice(out, slice_str(answers[i]));
	*end = i < 2;
	return true;
}

static void answers_that_are_odd(void **state)
{
	static const int status[] = { 200, 0, 0, 0, 204, 200, 200 };
	struct ask a[8] = { 0 };
	unsigned left = 8;

	server.answer = odd_answers;
	for (int i = 0; i < 8; i++) {
		char path[16];
		snprintf(path, sizeof(path), "/%d", i < 7 ? i : 4);
		ask_at(&a[i], "127.0.0.1", path, &left);
		a[i].call.repeatable = false;
		a[i].then = i < 7 ? ask_next : NULL;
		a[i].next = i < 7 ? &a[i + 1] : NULL;
	}
	ask_now(&a[0]);
	loop_run(&loop);
	for (int i = 0; i < 7; i++)
		if (a[i].status != status[i])
			fail_msg("answer %d: status %d instead of %d", i, a[i].status, status[i]);
	assert_string_equal(a[0].body, "until the end");
	assert_string_equal(a[5].body, "ok");
	assert_string_equal(a[6].body, ""); /* longer than it may be: that it was answered, and how, is told */
	assert_int_equal(a[6].rsc, 2000);
	assert_int_equal(a[7].status, 204); /* and the next one works */
}

static void no_headers_of_their_own(void **state)
{
	struct ask a = { 0 };
	struct http_header h = { "X-M2M-Origin", S("C1\r\nX-M2M-Origin: Cadmin\r\n\r\n") };
	unsigned left = 1;

	server.answer = echo;
	ask_at(&a, "127.0.0.1", "/", &left);
	a.call.headers = &h;
	a.call.n_headers = 1;
	ask_now(&a);
	loop_run(&loop);
	assert_non_null(strstr(server.last, "\r\nX-M2M-Origin: C1??X-M2M-Origin: Cadmin????\r\n"));
}

static void stopped_under_way(void **state)
{
	struct ask a[4] = { 0 };
	unsigned left = 100;

	/* two on connections, one in the queue; the fourth, elsewhere, stops the loop */
	server.answer = silence;
	for (int i = 0; i < 4; i++)
		ask_at(&a[i], "127.0.0.1", "/", &left);
	a[3].call.url = S("http://127.0.0.1:1/");
	a[3].then = stop_now;
	for (int i = 0; i < 4; i++)
		ask_now(&a[i]);
	loop_run(&loop);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(a[i].done, 1);
		assert_in_range(a[i].status, 0, 1);
	}
}

/* --- the sender: CORE-281 towards others --- */

struct sent {
	struct send send;
	int rsc;
	char pc[256], more[256];
	const char *expect[6];
};
static struct sent *sending, *sending_end;
static struct core core;

static void send_next(void);

static void send_done(struct send *s, const struct rsp *rsp)
{
	struct sent *x = (struct sent *)s;

	x->rsc = rsp->rsc;
	snprintf(x->more, sizeof(x->more), "%d %u %.*s %.*s %.*s", rsp->cnst, rsp->cnot, SF(rsp->rset), SF(rsp->rvi), SF(rsp->location));
	snprintf(x->pc, sizeof(x->pc), "%s%.*s", rsp->pc.p ? "" : "none", SF(rsp->pc));
	for (int i = 0; i < 6 && x->expect[i]; i++)
		if (!strstr(server.last, x->expect[i]))
			fail_msg("expected <%s> in <%s>", x->expect[i], server.last);
	sending++;
	if (sending == sending_end)
		loop_stop(&loop);
	else
		send_next();
}

static void send_next(void)
{
	const struct transport *t = core_transport(&core, sending->send.url);

	assert_non_null(t);
	sending->send.timeout = 3600 * USEC_S;
	sending->send.done = send_done;
	t->send(t->ctx, &sending->send);
}

static bool answer_for_path(struct peer_conn *c, struct slice request, struct buf *out, bool *end)
{
	static const struct { const char *path, *answer; } table[] = {
		{ " /json ", OK "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"a\":\"b\"}" },
		{ " /cbor ", "HTTP/1.1 201 \r\nX-M2M-RSC: 2001\r\nContent-Type: application/vnd.onem2m-res+cbor; x=y\r\nContent-Length: 4\r\n\r\n\xa1" "aa\x01" },
		{ " /badcbor ", OK "Content-Type: application/cbor\r\nContent-Length: 1\r\n\r\n\xa1" },
		{ " /html ", "HTTP/1.1 200 \r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>" },
		{ " /broken ", "HTTP/1.1 404 \r\nContent-Type: application/json\r\nContent-Length: 6\r\n\r\n{\"a\":}" },
		{ " /cse/~/in1/", OK "X-M2M-CTS: 1\r\nX-M2M-CTO: 7\r\nX-M2M-RST: 5000\r\nX-M2M-RVI: 2a\r\nContent-Type: application/json\r\n"
				    "Content-Length: 2\r\n\r\n{}" },
		{ " /mk/_/", "HTTP/1.1 201 \r\nX-M2M-RSC: 2001\r\nContent-Location: /_/sp.example/in1/a%20b\r\nContent-Length: 0\r\n\r\n" },
		{ " /403 ", "HTTP/1.1 403 \r\nContent-Length: 0\r\n\r\n" },
		{ " /500 ", "HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (memmem(request.p, request.n, table[i].path, strlen(table[i].path))) {
			buf_slice(out, slice_str(table[i].answer));
			return true;
		}
	return false;
}

static void stop_sender(struct loop *l, struct loop_hook *h) { core.transports[0].stop(core.transports[0].ctx); }

static void primitives_sent(void **state)
{
	static struct config cfg;
	static const struct slice roles[] = { { "1+2", 3 }, { "3", 1 } }, targets[] = { { "http://a", 8 }, { "/b/C1", 5 } };
	static struct slice labels[] = { { "a&b", 3 } };
	static int64_t types[] = { 2, 3 };
	static const struct slice tokens[] = { { "eyJ.x.y", 7 }, { "eyJ.a.b", 7 } };
	struct req more = { .rt = RT_NONBLOCK_SYNC, .rcn = 6, .has = HAS_RCN | HAS_FC | HAS_ROLES | HAS_RTU | HAS_TOKENS | HAS_AUS,
			    .tkns = tokens, .n_tkns = 2, .aus = roles + 1, .n_aus = 1, .rids = roles, .n_rids = 2,
			    .rtu = targets, .n_rtu = 2, .gid = S("g"), .rqet = S("20300101T000000") };
	struct sent table[] = {
		{ .send = { .op = OP_NOTIFY, .url = S("/json"), .pc = S("{\"m2m:sgn\":{}}") },
		  .expect = { "POST /json HTTP/1.1\r\n", "\r\nX-M2M-Origin: /cse1\r\n", "\r\nX-M2M-RI: r9\r\n", "\r\nX-M2M-RVI: 3\r\n",
			      "\r\nContent-Type: application/json\r\n", "\r\nContent-Length: 14\r\n\r\n{\"m2m:sgn\":{}}" } },
		{ .send = { .op = OP_NOTIFY, .url = S("/cbor"), .pc = S("{\"m2m:sgn\":{}}"), .serial = SERIAL_CBOR, .ec = 4 },
		  .expect = { "\r\nContent-Type: application/cbor\r\n", "\r\nX-M2M-EC: 4\r\n", "\r\nContent-Length: 10\r\n\r\n\xa1gm2m:sgn\xa0" } },
		{ .send = { .op = OP_CREATE, .url = S("/cbor"), .pc = S("{\"m2m:cin\":{\"con\":1}}") },
		  .expect = { "POST /cbor", "\r\nContent-Type: application/json;ty=4\r\n" } },
		{ .send = { .op = OP_RETRIEVE, .url = S("/json") }, .expect = { "GET /json", "\r\nAccept: application/json" } },
		{ .send = { .op = OP_UPDATE, .url = S("/json"), .pc = S("{\"m2m:cnt\":{}}") }, .expect = { "PUT /json", "\r\nContent-Type: application/json\r\n" } },
		{ .send = { .op = OP_DELETE, .url = S("/json") }, .expect = { "DELETE /json" } },
		{ .send = { .op = OP_RETRIEVE, .url = S("/badcbor") } },
		{ .send = { .op = OP_RETRIEVE, .url = S("/html") } },
		{ .send = { .op = OP_RETRIEVE, .url = S("/broken") } },
		{ .send = { .op = OP_NOTIFY, .url = S("/403"), .pc = S("{}") } },
		{ .send = { .op = OP_NOTIFY, .url = S("/500"), .pc = S("{}") } },
		{ .send = { .op = OP_NOTIFY, .url = S("http://127.0.0.1:1/"), .pc = S("{}") } },
		{ .send = { .op = OP_RETRIEVE, .url = S("/cse"), .to = S("/in1/inbase/a b"), .with = &more, .vsi = S("v") },
		  .expect = { "GET /cse/~/in1/inbase/a%20b?rt=1&rcn=6&rids=1%2B2+3&lbl=a%26b&ty=2+3&fu=1 HTTP/1.1\r\n", "\r\nX-M2M-VSI: v\r\n",
			      "\r\nX-M2M-GID: g\r\n", "\r\nX-M2M-RET: 20300101T000000\r\n", "\r\nX-M2M-RTU: http://a&/b/C1\r\n",
			      "\r\nAuthorization: eyJ.x.y+eyJ.a.b\r\nX-M2M-AS: 3\r\n" } },
		{ .send = { .op = OP_CREATE, .url = S("/mk/"), .to = S("//sp.example/in1/inbase"), .ty = 17, .pc = S("{}") },
		  .expect = { "POST /mk/_/sp.example/in1/inbase HTTP/1.1\r\n", ";ty=17\r\n" } },
	};
	static const struct { int rsc; const char *pc; } answers[] = {
		{ 2000, "{\"a\":\"b\"}" }, { 2001, "{\"a\":1}" }, { 2001, "{\"a\":1}" }, { 2000, "{\"a\":\"b\"}" }, { 2000, "{\"a\":\"b\"}" },
		{ 2000, "{\"a\":\"b\"}" }, { 2000, "none" }, { 2000, "none" }, { 4004, "none" }, { 4103, "none" }, { 5000, "none" }, { 0, "none" },
		{ 2000, "{}" }, { 2001, "none" },
	};
	enum { N = sizeof(table) / sizeof(table[0]) };
	char urls[N][64];
	struct loop_hook hook = { .fn = stop_sender };

	filter_init(&more.fc);
	more.fc.fu = 1;
	more.fc.lbl = (struct filter_list){ labels, 1 };
	more.fc.ty = (struct filter_nums){ types, 2 };
	config_defaults(&cfg);
	core = (struct core){ .cfg = &cfg, .loops = &loop, .n_loops = 1 };
	server.answer = answer_for_path;
	for (int i = 0; i < N; i++) {
		struct send *s = &table[i].send;
		s->fr = S("/cse1");
		s->rqi = S("r9");
		s->rvi = S("3");
		if (s->url.p[0] != '/')
			continue;
		snprintf(urls[i], sizeof(urls[i]), "http://127.0.0.1:%d%.*s", server.port, SF(s->url));
		s->url = slice_str(urls[i]);
	}
	http_sender_register(&core);
	loop_at_stop(&loop, &hook);
	sending = table;
	sending_end = table + N;
	send_next();
	loop_run(&loop);
	for (int i = 0; i < N; i++) {
		if (table[i].rsc != answers[i].rsc || strcmp(table[i].pc, answers[i].pc))
			fail_msg("answer %d: %d %s instead of %d %s", i, table[i].rsc, table[i].pc, answers[i].rsc, answers[i].pc);
	}
	assert_string_equal(table[N - 2].more, "1 7 5000 2a ");
	assert_string_equal(table[N - 1].more, "0 0   //sp.example/in1/a b");
	assert_null(core_transport(&core, S("httpx://x/")));
	core.transports[0].free(core.transports[0].ctx);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(kept_alive),
		CASE(in_pieces),
		CASE(stale_connection),
		CASE(fresh_connection_fails),
		CASE(no_answer),
		CASE(no_connection_free),
		CASE(nobody_there),
		CASE(bounded_connections),
		CASE(answers_that_are_odd),
		CASE(no_headers_of_their_own),
		CASE(stopped_under_way),
		CASE(primitives_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
