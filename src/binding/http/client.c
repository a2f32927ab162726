/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP client of one loop: connections kept alive per authority, calls queued when all of them are busy.
 *
 * An authority ("host:port") has at most `per_target` connections. A call that finds none free waits in the authority's queue; its
 * time runs from the start. A connection that turns out dead before the first byte of an answer (the server closed it while it was
 * idle) is replaced once without the caller noticing. Answers are bounded. */
#include "binding/http/http.h"

#include <http_parser.h>
#include <stdlib.h>

enum { IDLE_S = 30 };

struct authority;

struct pending {
	struct pending *next;
	struct http_call *call;
	struct authority *to;
	uv_timer_t timer;
	struct buf message;      /* the request as it goes out */
	bool retried, timer_open, over;
};

struct link {
	uv_tcp_t tcp;            /* first */
	struct link *next;
	struct authority *to;
	struct pending *p;       /* NULL: idle */
	http_parser parser;
	struct buf name, value, type, body;
	uv_connect_t connect;
	uv_write_t write;
	int rsc;
	bool in_value, connected, used, got_byte, complete, keep, dead;
	uint64_t idle_since;
};

struct authority {
	struct authority *next;
	struct http_client *client;
	char *name;              /* "host:port" */
	char host[256], port[6];
	struct link *links;
	struct pending *first, *last;
	unsigned n_links;
	bool resolving, resolved;
	struct sockaddr_storage addr;
	uv_getaddrinfo_t lookup;
};

struct http_client {
	struct loop *loop;
	struct authority *authorities;
	unsigned per_target;
	size_t max_body;
	bool closing;
	char input[65536];
};

static void pump(struct authority *to);

/* --- ends of calls --- */

static void pending_gone(uv_handle_t *h)
{
	struct pending *p = h->data;
	buf_free(&p->message);
	free(p);
}

static void conclude(struct pending *p, int status, int rsc, struct slice type, struct slice body)
{
	if (p->over)
		return;
	p->over = true;
	uv_timer_stop(&p->timer);
	p->call->done(p->call, status, rsc, type, body);
	uv_close((uv_handle_t *)&p->timer, pending_gone);
}

static void link_gone(uv_handle_t *h)
{
	struct link *k = (struct link *)h;
	struct authority *to = k->to;

	buf_free(&k->name);
	buf_free(&k->value);
	buf_free(&k->type);
	buf_free(&k->body);
	free(k);
	if (!to->client->closing)
		pump(to);
}

static void link_drop(struct link *k)
{
	struct link **at = &k->to->links;

	if (k->dead)
		return;
	k->dead = true;
	while (*at && *at != k)
		at = &(*at)->next;
	if (*at)
		*at = k->next;
	k->to->n_links--;
	uv_close((uv_handle_t *)k, link_gone);
}

/* The connection failed under its call: once more on a new one if it was an old connection that had gone stale. */
static void link_failed(struct link *k)
{
	struct pending *p = k->p;

	k->p = NULL;
	if (p && !p->over) {
		if (k->used && !k->got_byte && !p->retried) {
			p->retried = true;
			p->next = k->to->first;
			k->to->first = p;
			if (!p->next)
				k->to->last = p;
		} else {
			conclude(p, k->connected && k->got_byte ? 1 : 0, 0, S(""), S(""));
		}
	}
	link_drop(k);
}

/* --- parsing --- */

static void header_done(struct link *k)
{
	struct slice name = buf_view(&k->name), v = buf_view(&k->value);
	uint64_t n;

	while (v.n && v.p[v.n - 1] == ' ')
		v.n--;
	if (slice_ieq(name, S("X-M2M-RSC")) && slice_u64(v, &n) && n < 10000)
		k->rsc = (int)n;
	if (slice_ieq(name, S("Content-Type"))) {
		buf_clear(&k->type);
		buf_slice(&k->type, v);
	}
	buf_clear(&k->name);
	buf_clear(&k->value);
	k->in_value = false;
}

static int on_field(http_parser *p, const char *at, size_t n)
{
	struct link *k = p->data;
	if (k->in_value)
		header_done(k);
	buf_add(&k->name, at, n);
	return k->name.failed;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
	struct link *k = p->data;
	k->in_value = true;
	buf_add(&k->value, at, n);
	return k->value.failed;
}

static int on_headers(http_parser *p)
{
	header_done(p->data);
	return 0;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
	struct link *k = p->data;
	buf_add(&k->body, at, n);
	return k->body.failed;
}

static int on_complete(http_parser *p)
{
	struct link *k = p->data;
	if (p->status_code >= 100 && p->status_code < 200)
		return 0; /* an interim answer */
	k->complete = true;
	k->keep = http_should_keep_alive(p);
	http_parser_pause(p, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_headers,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

static void answered(struct link *k)
{
	struct pending *p = k->p;

	k->p = NULL;
	if (p)
		conclude(p, (int)k->parser.status_code, k->rsc, buf_view(&k->type), buf_view(&k->body));
	/* an answer before all was sent: the rest must not go out from memory that is given back now */
	if (!k->keep || k->to->client->closing || uv_stream_get_write_queue_size((uv_stream_t *)&k->tcp)) {
		link_drop(k);
		return;
	}
	k->used = true;
	k->idle_since = uv_now(&k->to->client->loop->uv);
	pump(k->to);
}

static void allocate(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	struct http_client *c = ((struct link *)h)->to->client;
	(void)hint;
	*b = uv_buf_init(c->input, sizeof(c->input));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct link *k = (struct link *)s;

	if (n == 0 || k->dead)
		return;
	if (!k->p) { /* nothing is expected: the server closes, or talks out of turn */
		link_drop(k);
		return;
	}
	if (n > 0)
		k->got_byte = true;
	http_parser_execute(&k->parser, &settings, b->base, n > 0 ? (size_t)n : 0);
	if (k->complete)
		answered(k);
	else if (n < 0 || HTTP_PARSER_ERRNO(&k->parser) != HPE_OK)
		link_failed(k);
}

/* --- sending --- */

static void on_written(uv_write_t *w, int status)
{
	struct link *k = w->data;
	if (status < 0 && !k->dead)
		link_failed(k);
}

static void send_on(struct link *k, struct pending *p)
{
	uv_buf_t b = uv_buf_init(p->message.p, (unsigned)p->message.n);

	k->p = p;
	k->got_byte = k->complete = k->in_value = false;
	k->rsc = 0;
	buf_clear(&k->name);
	buf_clear(&k->value);
	buf_clear(&k->type);
	buf_clear(&k->body);
	http_parser_init(&k->parser, HTTP_RESPONSE);
	k->parser.data = k;
	k->write.data = k;
	if (uv_write(&k->write, (uv_stream_t *)&k->tcp, &b, 1, on_written) != 0)
		link_failed(k);
}

static void on_connected(uv_connect_t *q, int status)
{
	struct link *k = q->data;

	if (k->dead)
		return;
	if (status < 0 || uv_read_start((uv_stream_t *)&k->tcp, allocate, on_read) != 0) {
		/* the next call looks the name up anew */
		k->to->resolved = false;
		link_failed(k);
		return;
	}
	k->connected = true;
	uv_tcp_nodelay(&k->tcp, 1);
	if (k->p)
		send_on(k, k->p);
	else
		pump(k->to);
}

static struct pending *take(struct authority *to)
{
	struct pending *p = to->first;

	while (p && p->over) { /* its time was up while it waited; pending_gone frees it */
		to->first = p->next;
		p = to->first;
	}
	if (p) {
		to->first = p->next;
		p->next = NULL;
	}
	if (!to->first)
		to->last = NULL;
	return p;
}

static void open_link(struct authority *to, struct pending *p)
{
	struct http_client *c = to->client;
	struct link *k = calloc(1, sizeof(*k));

	if (!k || uv_tcp_init(&c->loop->uv, &k->tcp) != 0) {
		free(k);
		conclude(p, 0, 0, S(""), S(""));
		return;
	}
	k->to = to;
	k->p = p;
	k->next = to->links;
	to->links = k;
	to->n_links++;
	buf_init(&k->name, 8192);
	buf_init(&k->value, 16384);
	buf_init(&k->type, 1024);
	buf_init(&k->body, c->max_body);
	k->connect.data = k;
	if (uv_tcp_connect(&k->connect, &k->tcp, (struct sockaddr *)&to->addr, on_connected) != 0)
		link_failed(k);
}

static void found(uv_getaddrinfo_t *q, int status, struct addrinfo *ai)
{
	struct authority *to = q->data;
	struct pending *p;

	to->resolving = false;
	if (status == 0 && ai && ai->ai_addrlen <= sizeof(to->addr)) {
		memcpy(&to->addr, ai->ai_addr, ai->ai_addrlen);
		to->resolved = true;
	}
	uv_freeaddrinfo(ai);
	if (to->resolved)
		pump(to);
	else
		while ((p = take(to)))
			conclude(p, 0, 0, S(""), S(""));
}

static void resolve(struct authority *to)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	uint64_t port;
	struct pending *p;

	if (slice_u64(slice_str(to->port), &port) &&
	    (uv_ip4_addr(to->host, (int)port, (struct sockaddr_in *)&to->addr) == 0 ||
	     uv_ip6_addr(to->host, (int)port, (struct sockaddr_in6 *)&to->addr) == 0)) {
		to->resolved = true;
		return;
	}
	to->lookup.data = to;
	to->resolving = true;
	if (uv_getaddrinfo(&to->client->loop->uv, &to->lookup, found, to->host, to->port, &hints) != 0) {
		to->resolving = false;
		while ((p = take(to)))
			conclude(p, 0, 0, S(""), S(""));
	}
}

/* Give waiting calls to free or new connections. */
static void pump(struct authority *to)
{
	uint64_t now = uv_now(&to->client->loop->uv);
	struct link *next;

	for (struct link *k = to->links; k; k = next) {
		next = k->next;
		if (k->p || !k->connected)
			continue;
		if (now - k->idle_since > IDLE_S * 1000) {
			link_drop(k);
			continue;
		}
		struct pending *p = take(to);
		if (!p)
			return;
		send_on(k, p);
	}
	while (to->first && to->n_links < to->client->per_target) {
		if (!to->resolved && !to->resolving)
			resolve(to);
		if (!to->resolved)
			return;
		struct pending *p = take(to);
		if (p)
			open_link(to, p);
	}
}

static void timed_out(uv_timer_t *t)
{
	struct pending *p = t->data;

	for (struct link *k = p->to->links; k; k = k->next)
		if (k->p == p) {
			k->p = NULL;
			conclude(p, k->connected ? 1 : 0, 0, S(""), S(""));
			link_drop(k);
			return;
		}
	/* still in the queue: out of it, for it is about to be freed */
	for (struct pending **at = &p->to->first, *prev = NULL; *at; prev = *at, at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			if (p->to->last == p)
				p->to->last = prev;
			break;
		}
	conclude(p, 1, 0, S(""), S(""));
}

/* --- the interface --- */

static struct authority *authority(struct http_client *c, struct slice name)
{
	struct slice host = name, port = S("80");
	struct authority *to;

	for (to = c->authorities; to; to = to->next)
		if (slice_eq(slice_str(to->name), name))
			return to;
	if (name.n && name.p[0] == '[') { /* IPv6 literal */
		ptrdiff_t end = slice_find(name, ']');
		if (end < 0)
			return NULL;
		host = slice_of(name.p + 1, (size_t)end - 1);
		if ((size_t)end + 1 < name.n && name.p[end + 1] == ':')
			port = slice_skip(name, (size_t)end + 2);
	} else if (slice_find(name, ':') >= 0) {
		port = name;
		host = slice_cut(&port, ':');
	}
	to = calloc(1, sizeof(*to));
	if (!to || !host.n || host.n >= sizeof(to->host) || !port.n || port.n >= sizeof(to->port) ||
	    !(to->name = strndup(name.p, name.n))) {
		free(to);
		return NULL;
	}
	memcpy(to->host, host.p, host.n);
	memcpy(to->port, port.p, port.n);
	to->client = c;
	to->next = c->authorities;
	c->authorities = to;
	return to;
}

struct http_client *http_client_new(struct loop *l, unsigned per_target, size_t max_body)
{
	struct http_client *c = calloc(1, sizeof(*c));
	if (c) {
		c->loop = l;
		c->per_target = per_target ? per_target : 1;
		c->max_body = max_body;
	}
	return c;
}

static void write_message(struct buf *b, const struct http_call *call, struct slice host, struct slice target)
{
	buf_slice(b, slice_str(call->method));
	buf_char(b, ' ');
	buf_slice(b, target.n ? target : S("/"));
	buf_lit(b, " HTTP/1.1\r\nHost: ");
	buf_slice(b, host);
	buf_lit(b, "\r\n");
	for (size_t i = 0; i < call->n_headers; i++) {
		buf_slice(b, slice_str(call->headers[i].name));
		buf_lit(b, ": ");
		for (size_t k = 0; k < call->headers[i].value.n; k++) {
			char ch = call->headers[i].value.p[k];
			buf_char(b, (unsigned char)ch < 0x20 || ch == 0x7f ? '?' : ch); /* nobody adds headers of his own */
		}
		buf_lit(b, "\r\n");
	}
	buf_printf(b, "Content-Length: %zu\r\n\r\n", call->body.n);
	buf_slice(b, call->body);
}

static void never(uv_timer_t *t)
{
	struct pending *p = t->data;
	conclude(p, 0, 0, S(""), S(""));
}

void http_client_call(struct http_client *c, struct http_call *call)
{
	struct slice rest = slice_skip(call->url, 7), host, target = { NULL, 0 };
	struct pending *p = calloc(1, sizeof(*p));
	ptrdiff_t at = slice_find(rest, '/');

	if (!p)
		abort(); /* a few hundred bytes: nothing can go on */
	p->call = call;
	uv_timer_init(&c->loop->uv, &p->timer);
	p->timer.data = p;
	host = at < 0 ? rest : slice_of(rest.p, (size_t)at);
	target = at < 0 ? S("/") : slice_skip(rest, (size_t)at);
	p->to = slice_ieq(slice_of(call->url.p, call->url.n < 7 ? call->url.n : 7), S("http://")) ? authority(c, host) : NULL;
	for (size_t i = 0; i < target.n; i++)
		if ((unsigned char)target.p[i] <= ' ')
			p->to = NULL;
	buf_init(&p->message, call->body.n + 65536);
	write_message(&p->message, call, host, target);
	if (!p->to || p->message.failed) {
		uv_timer_start(&p->timer, never, 0, 0);
		return;
	}
	uv_timer_start(&p->timer, timed_out, (uint64_t)(call->timeout / USEC_MS), 0);
	if (p->to->last)
		p->to->last->next = p;
	else
		p->to->first = p;
	p->to->last = p;
	pump(p->to);
}

/* The loop has ended: handles are closed, memory is given back. */
void http_client_free(struct http_client *c)
{
	while (c && c->authorities) {
		struct authority *to = c->authorities;
		c->authorities = to->next;
		free(to->name);
		free(to);
	}
	free(c);
}

void http_client_stop(struct http_client *c)
{
	c->closing = true;
	for (struct authority *to = c->authorities; to; to = to->next) {
		struct pending *p;
		if (to->resolving)
			uv_cancel((uv_req_t *)&to->lookup);
		while ((p = take(to)))
			conclude(p, 0, 0, S(""), S(""));
		while (to->links) {
			struct link *k = to->links;
			p = k->p;
			k->p = NULL;
			if (p)
				conclude(p, 1, 0, S(""), S(""));
			link_drop(k);
		}
	}
}
