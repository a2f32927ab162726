/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP client of one loop: connections kept alive per target, calls queued when all of them are busy.
 *
 * A target is "host:port" in clear, or protected and expected to be somebody: what was proven for one is not used for another. It has
 * at most `per_target` connections and exists as long as it has calls, connections or a lookup under way. A call waits in the
 * target's queue until a connection is free; its time runs from the start. Whatever fails while a call is being handed over is told
 * in a later turn of the loop. A kept connection that turns out dead before the first byte of an answer (the server closed it while
 * it was idle) is replaced once, if the call may be repeated. Answers are bounded: of one that is too long, only status and rsc
 * are told. */
#include "binding/http/http.h"

#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "core/association/association.h"
#include "tls/stream.h"

enum { IDLE_MS = 30000, SWEEP_MS = 5000, ADDRESSES = 4, ADDRESSES_MS = 30000, HEADER_BYTES = 16384 };

struct job {
	struct job *next;        /* in the queue of its target */
	struct http_call *call;
	struct target *to;       /* NULL: the URL was none */
	struct link *on;         /* NULL: in the queue, or about to fail */
	uv_timer_t timer;
	struct buf message;      /* the request as it goes out */
	unsigned address;        /* of the target's, to be tried next */
	bool retried, over;
};

struct link {
	struct stream stream;    /* first */
	struct link *next;
	struct target *to;
	struct job *job;         /* NULL: idle */
	struct association *association; /* NULL: in clear, or not yet */
	http_parser parser;
	struct buf name, value, type, headers, body;
	uint64_t idle_since;
	int rsc;
	bool in_value, connected, used, got_byte, complete, cut, dead;
};

struct target {
	struct target *next;
	struct http_client *client;
	char *name;              /* "host:port" as in the URL */
	char *whom;              /* who must be there; NULL: in clear */
	char host[256], port[6];
	struct link *links;
	struct job *first, **end; /* the queue */
	unsigned n_links, n_closing;
	bool resolving, pumping;
	unsigned n_addresses;
	uint64_t addresses_until;
	struct sockaddr_storage address[ADDRESSES];
	uv_getaddrinfo_t lookup;
};

struct http_client {
	struct loop *loop;
	struct core *core;       /* NULL: there are no security associations */
	struct target *targets;
	uv_timer_t sweep;
	unsigned per_target;
	size_t max_body;
	bool started, closing;
};

static void pump(struct target *to);

static uint64_t now_of(const struct http_client *c) { return uv_now(&c->loop->uv); }

/* --- calls --- */

static void job_free(uv_handle_t *h)
{
	struct job *j = h->data;

	buf_free(&j->message);
	free(j);
}

/* Tell the caller; the job is gone afterwards. */
static void conclude(struct job *j, const struct http_answer *answer)
{
	if (j->over)
		return;
	j->over = true;
	uv_timer_stop(&j->timer);
	uv_close((uv_handle_t *)&j->timer, job_free);
	j->call->done(j->call, answer);
}

static void unreachable(uv_timer_t *t)
{
	conclude(t->data, &(struct http_answer){ .status = 0 });
}

/* The same in a later turn: we may be inside http_client_call. */
static void fail_later(struct job *j)
{
	j->on = NULL;
	uv_timer_start(&j->timer, unreachable, 0, 0);
}

static void enqueue(struct target *to, struct job *j, bool front)
{
	j->on = NULL;
	j->next = front ? to->first : NULL;
	if (front) {
		if (!to->first)
			to->end = &j->next;
		to->first = j;
	} else {
		*to->end = j;
		to->end = &j->next;
	}
}

static struct job *take(struct target *to)
{
	struct job *j = to->first;

	if (j) {
		to->first = j->next;
		if (!to->first)
			to->end = &to->first;
		j->next = NULL;
	}
	return j;
}

static void unqueue(struct target *to, struct job *j)
{
	for (struct job **at = &to->first; *at; at = &(*at)->next)
		if (*at == j) {
			*at = j->next;
			if (to->end == &j->next)
				to->end = at;
			return;
		}
}

/* --- targets --- */

static void target_free(struct target *to)
{
	free(to->name);
	free(to->whom);
	free(to);
}

static void target_check(struct target *to)
{
	struct target **at = &to->client->targets;

	if (to->links || to->first || to->resolving || to->n_closing)
		return;
	while (*at != to)
		at = &(*at)->next;
	*at = to->next;
	target_free(to);
}

/* "host", "host:port", "[v6]:port" */
static bool split_authority(struct slice name, bool tls, struct slice *host, struct slice *port)
{
	uint64_t n;

	*port = tls ? S("443") : S("80");
	*host = name;
	if (name.n && name.p[0] == '[') {
		ptrdiff_t end = slice_find(name, ']');
		if (end < 0)
			return false;
		*host = slice_of(name.p + 1, (size_t)end - 1);
		name = slice_skip(name, (size_t)end + 1);
		if (name.n && name.p[0] != ':')
			return false;
		if (name.n)
			*port = slice_skip(name, 1);
	} else if (slice_find(name, ':') >= 0) {
		*port = name;
		*host = slice_cut(port, ':');
	}
	for (size_t i = 0; i < host->n; i++)
		if ((unsigned char)host->p[i] <= 0x20 || (unsigned char)host->p[i] >= 0x7f || strchr("@/?#%\\", host->p[i]))
			return false;
	return host->n && slice_u64(*port, &n) && n > 0 && n < 65536;
}

/* whom: p == NULL in clear. */
static bool target_is(const struct target *to, struct slice name, struct slice whom)
{
	return slice_eq(slice_str(to->name), name) && !to->whom == !whom.p && (!whom.p || slice_eq(slice_str(to->whom), whom));
}

static struct target *target_get(struct http_client *c, struct slice name, struct slice whom)
{
	struct slice host, port;
	struct target *to;

	for (to = c->targets; to; to = to->next)
		if (target_is(to, name, whom))
			return to;
	if (!split_authority(name, whom.p, &host, &port) || host.n >= sizeof(to->host) || port.n >= sizeof(to->port))
		return NULL;
	to = calloc(1, sizeof(*to));
	if (!to || !(to->name = strndup(name.p, name.n)) || (whom.p && !(to->whom = strndup(whom.p, whom.n)))) {
		if (to)
			target_free(to);
		return NULL;
	}
	memcpy(to->host, host.p, host.n);
	memcpy(to->port, port.p, port.n);
	to->client = c;
	to->end = &to->first;
	to->next = c->targets;
	c->targets = to;
	return to;
}

/* --- links --- */

static void link_gone(struct stream *s)
{
	struct link *k = (struct link *)s;
	struct target *to = k->to;

	buf_free(&k->name);
	buf_free(&k->value);
	buf_free(&k->type);
	buf_free(&k->headers);
	buf_free(&k->body);
	free(k);
	to->n_closing--;
	target_check(to);
}

static void link_drop(struct link *k)
{
	struct link **at = &k->to->links;

	if (k->dead)
		return;
	k->dead = true;
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	k->to->n_links--;
	k->to->n_closing++;
	if (k->association)
		association_leave(k->association);
	association_put(k->association);
	k->association = NULL;
	stream_close(&k->stream);
}

/* The connection failed under its call: again on another one, or the end of the call. */
static void link_failed(struct link *k)
{
	struct target *to = k->to;
	struct job *j = k->job;

	k->job = NULL;
	link_drop(k);
	if (j && !k->connected && ++j->address < to->n_addresses) {
		enqueue(to, j, true);
	} else if (j && !k->connected) {
		to->n_addresses = 0; /* the next call looks the name up anew */
		fail_later(j);
	} else if (j && k->used && !k->got_byte && !j->retried && j->call->repeatable) {
		j->retried = true;
		enqueue(to, j, true);
	} else if (j) {
		fail_later(j);
	}
	pump(to);
}

/* --- answers --- */

static int header_done(struct link *k)
{
	struct slice name = buf_view(&k->name), v = buf_view(&k->value);
	uint64_t n;

	while (v.n && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
		v.n--;
	if (slice_ieq(name, S("X-M2M-RSC")) && slice_u64(v, &n) && n >= 1000 && n < 10000)
		k->rsc = (int)n;
	if (slice_ieq(name, S("Content-Type"))) {
		buf_clear(&k->type);
		buf_slice(&k->type, v);
	}
	if ((name.n > 6 && slice_ieq(slice_of(name.p, 6), S("X-M2M-"))) || slice_ieq(name, S("Content-Location"))) {
		buf_slice(&k->headers, name);
		buf_char(&k->headers, ':');
		buf_slice(&k->headers, v);
		buf_char(&k->headers, '\n');
	}
	buf_clear(&k->name);
	buf_clear(&k->value);
	k->in_value = false;
	return k->headers.failed;
}

static int on_field(http_parser *p, const char *at, size_t n)
{
	struct link *k = p->data;

	if (k->in_value)
		header_done(k);
	buf_add(&k->name, at, n);
	return k->name.failed || k->headers.failed;
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
	p->upgrade = 0;
	return header_done(p->data);
}

static int on_body(http_parser *p, const char *at, size_t n)
{
	struct link *k = p->data;

	buf_add(&k->body, at, n);
	k->cut = k->body.failed;
	return k->cut;
}

static int on_complete(http_parser *p)
{
	struct link *k = p->data;

	if (p->status_code >= 100 && p->status_code < 200) {
		k->rsc = 0; /* an interim answer */
		buf_clear(&k->type);
		buf_clear(&k->headers);
		return 0;
	}
	k->complete = true;
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

/* The answer is there. The link is made ready (or dropped) first: the caller may start its next call from inside `done`. */
static void answered(struct link *k, bool keep)
{
	struct target *to = k->to;
	struct buf type = k->type, headers = k->headers, body = k->body;
	struct job *j = k->job;
	struct http_answer answer = {
		.status = (int)k->parser.status_code,
		.rsc = k->rsc,
		.type = buf_view(&type),
		.headers = buf_view(&headers),
		.body = k->cut ? S("") : buf_view(&body),
	};

	buf_init(&k->type, HEADER_BYTES);
	buf_init(&k->headers, HEADER_BYTES);
	buf_init(&k->body, to->client->max_body);
	k->job = NULL;
	k->used = true;
	k->idle_since = now_of(to->client);
	/* an answer before all was sent: who answers so does not want the rest */
	if (!keep || to->client->closing || stream_unsent(&k->stream))
		link_drop(k);
	to->n_closing++; /* the callback must not make the target go away under us */
	if (j)
		conclude(j, &answer);
	to->n_closing--;
	buf_free(&type);
	buf_free(&headers);
	buf_free(&body);
	pump(to);
}

static void received(struct stream *s, const char *p, ssize_t n)
{
	struct link *k = (struct link *)s;
	size_t used;

	if (n == UV_EPROTO)
		log_warn("http", "no security association with %s at %s: %s", k->to->whom, k->to->name, stream_why(s));
	if (!k->job) { /* nothing is expected: the server closes, or talks out of turn */
		link_failed(k);
		return;
	}
	if (n > 0)
		k->got_byte = true;
	if (n < 0 && n != UV_EOF) {
		link_failed(k);
		return;
	}
	used = http_parser_execute(&k->parser, &settings, p, n > 0 ? (size_t)n : 0);
	if (k->complete)
		answered(k, n > 0 && used == (size_t)n && http_should_keep_alive(&k->parser));
	else if (k->cut)
		answered(k, false);
	else if (n < 0 || HTTP_PARSER_ERRNO(&k->parser) != HPE_OK)
		link_failed(k);
}

/* --- sending --- */

static void drained(struct stream *s, int status)
{
	if (status < 0)
		link_failed((struct link *)s);
}

static void send_on(struct link *k, struct job *j)
{
	k->job = j;
	j->on = k;
	k->got_byte = k->complete = k->cut = k->in_value = false;
	k->rsc = 0;
	buf_clear(&k->name);
	buf_clear(&k->value);
	http_parser_init(&k->parser, HTTP_RESPONSE);
	k->parser.data = k;
	if (stream_write(&k->stream, j->message.p, j->message.n) != 0)
		link_failed(k);
}

/* The credential is good no longer. */
static void association_ended(void *owner) { link_failed(owner); }

/* The handshake proved the credential that was wanted. It must not be known as somebody else's (SEC-037). */
static bool associate(struct link *k)
{
	const struct target *to = k->to;
	char why[TLS_WHY_MAX] = "";

	k->association = association_new(to->client->core, tls_peer(k->stream.tls), to->client->loop, association_ended, k, why);
	if (k->association && !association_with(k->association, slice_str(to->whom)))
		snprintf(why, sizeof(why), "the credential is somebody else's");
	if (why[0])
		log_warn("http", "no security association with %s at %s: %s", to->whom, to->name, why);
	return !why[0];
}

static void connected(struct stream *s)
{
	struct link *k = (struct link *)s;
	struct job *j = k->job;

	if ((k->to->whom && !associate(k)) || stream_read_start(s) != 0) {
		link_failed(k);
		return;
	}
	k->connected = true;
	k->idle_since = now_of(k->to->client);
	k->job = NULL;
	if (j)
		send_on(k, j);
	else
		pump(k->to); /* its call ran out of time meanwhile */
}

static const struct stream_events events = { .open = connected, .read = received, .drained = drained, .closed = link_gone };

static void open_link(struct target *to, struct job *j)
{
	struct http_client *c = to->client;
	struct link *k = calloc(1, sizeof(*k));
	struct tls_setup *setup = NULL;
	const struct sockaddr *a;
	int rc;

	if (!k) {
		fail_later(j);
		return;
	}
	k->to = to;
	k->job = j;
	j->on = k;
	k->next = to->links;
	to->links = k;
	to->n_links++;
	buf_init(&k->name, HEADER_BYTES);
	buf_init(&k->value, HEADER_BYTES);
	buf_init(&k->type, HEADER_BYTES);
	buf_init(&k->headers, HEADER_BYTES);
	buf_init(&k->body, c->max_body);
	a = (const struct sockaddr *)&to->address[j->address < to->n_addresses ? j->address : 0];
	if (to->whom)
		setup = association_setup(c->core, true, false);
	rc = stream_connect(&k->stream, c->loop, a, setup, j->call->want, &events);
	if (rc == 0 && to->whom && !setup)
		rc = UV_ENOTSUP; /* never in clear */
	tls_setup_put(setup);
	if (rc != 0)
		link_failed(k);
}

/* --- names --- */

static void no_address(struct target *to)
{
	struct job *j;

	while ((j = take(to)))
		fail_later(j);
}

static void found(uv_getaddrinfo_t *q, int status, struct addrinfo *list)
{
	struct target *to = q->data;

	to->resolving = false;
	to->n_addresses = 0;
	for (struct addrinfo *a = list; status == 0 && a && to->n_addresses < ADDRESSES; a = a->ai_next)
		if (a->ai_addrlen <= sizeof(to->address[0]))
			memcpy(&to->address[to->n_addresses++], a->ai_addr, a->ai_addrlen);
	uv_freeaddrinfo(list);
	to->addresses_until = now_of(to->client) + ADDRESSES_MS;
	if (!to->n_addresses)
		no_address(to);
	pump(to);
}

/* True when there are addresses to connect to; otherwise a lookup is on its way, or the calls have failed. */
static bool resolved(struct target *to)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct sockaddr_storage a = { 0 };
	uint64_t port = 0;

	slice_u64(slice_str(to->port), &port);
	if (to->n_addresses && now_of(to->client) < to->addresses_until)
		return true;
	if (to->resolving)
		return false;
	if (uv_ip4_addr(to->host, (int)port, (struct sockaddr_in *)&a) == 0 ||
	    uv_ip6_addr(to->host, (int)port, (struct sockaddr_in6 *)&a) == 0) {
		to->address[0] = a;
		to->n_addresses = 1;
		to->addresses_until = UINT64_MAX;
		return true;
	}
	to->lookup.data = to;
	if (uv_getaddrinfo(&to->client->loop->uv, &to->lookup, found, to->host, to->port, &hints) != 0) {
		no_address(to);
		return false;
	}
	to->resolving = true;
	return false;
}

/* Give waiting calls to idle or new connections; let the target go when nothing is left of it. */
static void pump(struct target *to)
{
	if (to->pumping)
		return; /* the loop below, further up the stack, goes on */
	to->pumping = true;
	to->n_closing++; /* stays while we look at it */
	while (to->first && !to->client->closing) {
		struct link *k = to->links;

		while (k && (k->job || !k->connected))
			k = k->next;
		if (k) {
			send_on(k, take(to));
			continue;
		}
		if (to->n_links >= to->client->per_target || !resolved(to))
			break;
		open_link(to, take(to));
	}
	to->pumping = false;
	to->n_closing--;
	target_check(to);
}

/* --- time --- */

static void timed_out(uv_timer_t *t)
{
	struct job *j = t->data;
	struct target *to = j->to;
	struct link *k = j->on;
	int status = 1;

	to->n_closing++;
	if (k) {
		status = k->connected;
		k->job = NULL;
		link_drop(k);
	} else {
		unqueue(to, j);
	}
	conclude(j, &(struct http_answer){ .status = status });
	to->n_closing--;
	pump(to);
}

static void swept(uv_timer_t *t)
{
	struct http_client *c = t->data;
	uint64_t now = now_of(c);

	for (struct target *to = c->targets, *next_to; to; to = next_to) {
		next_to = to->next; /* link_drop frees nothing before a later turn */
		for (struct link *k = to->links, *next; k; k = next) {
			next = k->next;
			if (k->connected && !k->job && now - k->idle_since >= IDLE_MS)
				link_drop(k);
		}
	}
	if (!c->targets)
		uv_timer_stop(t);
}

/* --- the interface --- */

struct http_client *http_client_new(struct loop *l, struct core *core, unsigned per_target, size_t max_body)
{
	struct http_client *c = calloc(1, sizeof(*c));

	if (c) {
		c->loop = l;
		c->core = core;
		c->per_target = per_target ? per_target : 1;
		c->max_body = max_body;
	}
	return c;
}

static void write_message(struct buf *b, const struct http_call *call, struct slice host, struct slice target)
{
	buf_slice(b, slice_str(call->method));
	buf_char(b, ' ');
	if (!target.n || target.p[0] != '/')
		buf_char(b, '/');
	buf_slice(b, target);
	buf_lit(b, " HTTP/1.1\r\nHost: ");
	buf_slice(b, host);
	buf_lit(b, "\r\n");
	for (size_t i = 0; i < call->n_headers; i++) { /* no value adds headers of its own */
		struct slice v = call->headers[i].value;
		buf_slice(b, slice_str(call->headers[i].name));
		buf_lit(b, ": ");
		for (size_t k = 0; k < v.n; k++)
			buf_char(b, (unsigned char)v.p[k] < 0x20 || v.p[k] == 0x7f ? '?' : v.p[k]);
		buf_lit(b, "\r\n");
	}
	if (call->body.n || !strcmp(call->method, "POST") || !strcmp(call->method, "PUT"))
		buf_printf(b, "Content-Length: %zu\r\n", call->body.n);
	buf_lit(b, "\r\n");
	buf_slice(b, call->body);
}

/* http://host:port/path?query#fragment, or https://; false when it is none. */
static bool split_url(struct slice url, bool *tls, struct slice *host, struct slice *target)
{
	ptrdiff_t fragment = slice_find(url, '#');
	size_t at = 0;

	if (fragment >= 0)
		url.n = (size_t)fragment;
	*tls = url.n > 8 && slice_ieq(slice_of(url.p, 8), S("https://"));
	if (!*tls && (url.n < 8 || !slice_ieq(slice_of(url.p, 7), S("http://"))))
		return false;
	url = slice_skip(url, *tls ? 8 : 7);
	for (size_t i = 0; i < url.n; i++)
		if ((unsigned char)url.p[i] <= 0x20 || url.p[i] == 0x7f)
			return false;
	while (at < url.n && url.p[at] != '/' && url.p[at] != '?')
		at++;
	*host = slice_of(url.p, at);
	*target = slice_skip(url, at);
	return true;
}

void http_client_call(struct http_client *c, struct http_call *call)
{
	struct slice host = { NULL, 0 }, target = { NULL, 0 }, clear = { NULL, 0 };
	bool tls;
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		abort(); /* a few hundred bytes: nothing can go on */
	if (!c->started) {
		uv_timer_init(&c->loop->uv, &c->sweep);
		c->sweep.data = c;
		c->started = true;
	}
	j->call = call;
	uv_timer_init(&c->loop->uv, &j->timer);
	j->timer.data = j;
	buf_init(&j->message, call->body.n + (1 << 20));
	if (!c->closing && split_url(call->url, &tls, &host, &target) && (!tls || (c->core && call->want && call->whom.n)))
		j->to = target_get(c, host, tls ? call->whom : clear);
	if (j->to)
		write_message(&j->message, call, host, target);
	if (!j->to || j->message.failed) {
		fail_later(j);
		if (j->to)
			target_check(j->to);
		return;
	}
	if (!uv_is_active((uv_handle_t *)&c->sweep))
		uv_timer_start(&c->sweep, swept, SWEEP_MS, SWEEP_MS);
	uv_timer_start(&j->timer, timed_out, call->timeout > USEC_MS ? (uint64_t)(call->timeout / USEC_MS) : 1, 0);
	enqueue(j->to, j, false);
	pump(j->to);
}

void http_client_stop(struct http_client *c)
{
	c->closing = true;
	if (c->started && !uv_is_closing((uv_handle_t *)&c->sweep))
		uv_close((uv_handle_t *)&c->sweep, NULL);
	for (struct target *to = c->targets, *next; to; to = next) {
		struct job *j;

		to->n_closing++;
		if (to->resolving)
			uv_cancel((uv_req_t *)&to->lookup);
		while ((j = take(to)))
			conclude(j, &(struct http_answer){ .status = 0 });
		while (to->links) {
			struct link *k = to->links;
			j = k->job;
			k->job = NULL;
			link_drop(k);
			if (j)
				conclude(j, &(struct http_answer){ .status = 1 });
		}
		next = to->next;
		to->n_closing--;
		target_check(to);
	}
}

/* The loop has ended: targets are gone with their connections, except for lookups that were cut off. */
void http_client_free(struct http_client *c)
{
	while (c && c->targets) {
		struct target *to = c->targets;
		c->targets = to->next;
		target_free(to);
	}
	free(c);
}
