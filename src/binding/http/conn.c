/* SPDX-License-Identifier: Apache-2.0 */
/* A connection: bytes in, requests to the core, answers out.
 *
 * One request at a time; what a client pipelines behind it is parsed when its answer stands. All answers that come out of one read leave in
 * one write. Reading goes on while the core has the request, so that a client that goes away is noticed, but what arrives then is kept
 * (once, at most LOOP_INPUT bytes) and reading stops: nothing is buffered for a client that does not read its answers.
 *
 * The core may call request_done inside core_submit, and it may answer requests of other connections while it works on one. lane->serving
 * is the connection whose answers are in lane->out; answers to others wait in lane->late until that one is through. */
#include "binding/http/server_int.h"

#include <stdlib.h>

#include "base/log.h"

static void request_done(struct req *r);
static void settle(struct conn *c);
static void handshake_failed(struct conn *c, int code);
static void serve(struct conn *c, const char *p, size_t n);

static struct core *core_of(const struct lane *l) { return l->server->core; }

/* --- exchanges --- */

static struct exchange *exchange_new(struct lane *l)
{
	const struct limits *lim = &core_of(l)->cfg->limits;
	struct exchange *ex = aligned_alloc(16, (sizeof(*ex) + 15) & ~(size_t)15);

	if (!ex)
		return NULL;
	req_init(&ex->req, l->loop, lim->request_memory, lim->response);
	http_in_init(&ex->in, &ex->req, lim->header, lim->body);
	ex->lane = l;
	ex->association = NULL;
	ex->all_next = l->all;
	ex->all_link = &l->all;
	if (l->all)
		l->all->all_link = &ex->all_next;
	l->all = ex;
	return ex;
}

void exchange_free(struct exchange *ex)
{
	association_put(ex->association);
	*ex->all_link = ex->all_next;
	if (ex->all_next)
		ex->all_next->all_link = ex->all_link;
	req_free(&ex->req);
	http_in_free(&ex->in);
	free(ex);
}

struct peer conn_peer(const struct conn *c)
{
	struct peer p = { .ip_known = c->ip_known, .open = !c->lane->server->tls && core_of(c->lane)->cfg->http.open };

	memcpy(p.ip, c->ip, sizeof(p.ip));
	return p;
}

static struct exchange *exchange_get(struct conn *c)
{
	struct lane *l = c->lane;
	struct exchange *ex = l->pool;

	if (ex) {
		l->pool = ex->next;
		l->n_pool--;
	} else if (!(ex = exchange_new(l))) {
		return NULL;
	}
	ex->conn = c;
	ex->submitting = ex->answered = ex->paging = false;
	ex->req.owner = ex;
	ex->req.done = request_done;
	ex->req.peer = conn_peer(c);
	if (c->association) {
		ex->association = association_get(c->association);
		association_peer(ex->association, &ex->req.peer);
	}
	return ex;
}

static void exchange_put(struct exchange *ex)
{
	struct lane *l = ex->lane;

	ex->conn = NULL;
	association_put(ex->association);
	ex->association = NULL;
	if (l->n_pool >= POOL_MOST) {
		exchange_free(ex);
		return;
	}
	req_reset(&ex->req);
	http_in_reset(&ex->in);
	if (ex->req.out.cap > OUT_BYTES) /* one large answer must not cost memory for ever */
		buf_free(&ex->req.out);
	ex->next = l->pool;
	l->pool = ex;
	l->n_pool++;
}

/* --- the end of a connection --- */

void conn_closed(struct stream *s)
{
	struct conn *c = (struct conn *)s;
	struct lane *l = c->lane;

	free(c->rest);
	free(c);
	lane_conn_gone(l);
}

static void handshake_over(struct conn *c)
{
	if (c->shaking)
		atomic_fetch_sub_explicit(&core_of(c->lane)->shared.handshakes, 1, memory_order_relaxed);
	c->shaking = false;
}

void conn_close(struct conn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	lane_leave(c);
	if (c->ex) {
		c->ex->conn = NULL;
		if (!c->busy)
			exchange_put(c->ex);
		else if (!c->ex->paging)
			core_abandon(core_of(c->lane), &c->ex->req);
		c->ex = NULL; /* the core's or the page's: request_done, page_done give it back */
	}
	handshake_over(c);
	if (c->association)
		association_leave(c->association);
	association_put(c->association);
	c->association = NULL;
	atomic_fetch_sub(&core_of(c->lane)->shared.unread, c->unread);
	stream_close(&c->stream);
}

/* After the last answer: closing at once would make the kernel reset the connection when the client has sent more, and the client might
 * lose that answer. So our side is shut, and what still comes is read and dropped for a moment. */
static void linger(struct conn *c)
{
	if (c->eof || stream_shutdown(&c->stream) != 0) {
		conn_close(c);
		return;
	}
	c->lingering = true;
	c->pending = 0;
}

/* --- output --- */

/* Answers that clients are slow to read cost memory: over limits.unread, the connection of the next one ends. */
static bool count_unread(struct conn *c)
{
	struct core *core = core_of(c->lane);
	size_t now = stream_unsent(&c->stream), more = now - c->unread;

	c->unread = now;
	if (atomic_fetch_add(&core->shared.unread, more) + more <= core->cfg->limits.unread) /* modulo 2^64: it may have become less */
		return true;
	metrics_inc(&core->metrics, limit_unread);
	return false;
}

static void drained(struct stream *s, int status)
{
	struct conn *c = (struct conn *)s;

	atomic_fetch_sub(&core_of(c->lane)->shared.unread, c->unread);
	c->unread = 0;
	c->writing = false;
	if (status < 0)
		conn_close(c);
	else
		serve(c, NULL, 0);
}

/* Send lane->out, which is c's. While the socket does not take all of it, c waits. */
static void flush(struct conn *c)
{
	struct buf *out = &c->lane->out;

	if (!c->dead && out->n) {
		/* memory is out: an answer cut short must not look like a whole one */
		if (out->failed || stream_write(&c->stream, out->p, out->n) != 0)
			conn_close(c);
		else if (stream_unsent(&c->stream)) {
			c->writing = true;
			if (!count_unread(c))
				conn_close(c);
		}
	}
	if (out->cap > 4 * OUT_BYTES)
		buf_free(out);
	buf_clear(out);
}

/* --- requests --- */

/* The answer stands in lane->out or goes there now; the connection is free for the next request. */
static void answered(struct conn *c, bool with_primitive)
{
	struct exchange *ex = c->ex;
	bool keep = ex->in.keep_alive && !c->lane->stopping;

	if (with_primitive)
		http_map_response(&c->lane->out, &ex->req, keep);
	exchange_put(ex);
	c->ex = NULL;
	c->busy = false;
	c->last = c->last || !keep;
}

static void refuse(struct conn *c, unsigned status, int rsc, const char *text)
{
	struct slice rqi = c->ex ? c->ex->req.rqi : (struct slice){ NULL, 0 };

	http_map_refusal(&c->lane->out, status, rsc, rqi, slice_str(text));
	if (c->ex)
		exchange_put(c->ex);
	c->ex = NULL;
	c->last = true;
}

static void refuse_message(struct conn *c)
{
	const struct http_in *in = &c->ex->in;
	struct metrics *m = &core_of(c->lane)->metrics;

	if (in->over_header)
		metrics_inc(m, limit_header);
	else if (in->over_body)
		metrics_inc(m, limit_body);
	else
		metrics_inc(m, bad_http);
	refuse(c, in->status, in->rsc, in->why);
}

static void request_done(struct req *r)
{
	struct exchange *ex = r->owner;
	struct lane *l = ex->lane;
	struct conn *c = ex->conn;

	if (!c) {
		exchange_put(ex);
	} else if (ex->submitting) {
		ex->answered = true; /* submit goes on with it */
	} else if (l->serving) {
		ex->next = NULL;
		*l->late_end = ex;
		l->late_end = &ex->next;
	} else {
		l->serving = c;
		answered(c, true);
		l->serving = NULL;
		serve(c, NULL, 0);
	}
}

/* --- pages --- */

static void page_answered(struct conn *c)
{
	struct exchange *ex = c->ex;
	struct http_page_call *p = &ex->page;
	struct buf *out = &c->lane->out;

	buf_printf(out, "HTTP/1.1 %d \r\nContent-Type: %s\r\nCache-Control: no-store\r\n%sContent-Length: %zu\r\n\r\n", p->status,
		   p->type, ex->in.keep_alive && !c->lane->stopping ? "" : "Connection: close\r\n", p->out.n);
	buf_slice(out, buf_view(&p->out));
	buf_free(&p->out);
	ex->paging = false;
	answered(c, false);
}

static void page_done(struct http_page_call *p)
{
	struct exchange *ex = (struct exchange *)((char *)p - offsetof(struct exchange, page));
	struct conn *c = ex->conn;

	if (!c) {
		buf_free(&p->out);
		ex->paging = false;
		exchange_put(ex);
		return;
	}
	c->lane->serving = c;
	page_answered(c);
	c->lane->serving = NULL;
	serve(c, NULL, 0);
}

/* Pages are for who does not speak oneM2M: a request with an Originator goes to the tree even if a resource has such a name. */
static bool page(struct conn *c)
{
	struct exchange *ex = c->ex;
	struct slice target = ex->in.target;
	http_page ask = atomic_load_explicit(&c->lane->server->page, memory_order_acquire);
	enum http_page_result made;

	if (ex->req.fr.p || !ask)
		return false;
	ex->page = (struct http_page_call){ .core = core_of(c->lane), .home = c->lane->loop, .method = ex->in.method,
					    .path = slice_cut(&target, '?'), .query = target, .body = ex->in.body, .peer = &ex->req.peer,
					    .status = 200, .type = "text/plain", .done = page_done };
	buf_init(&ex->page.out, 1 << 20);
	made = ask(&ex->page);
	if (made == PAGE_LATER)
		c->busy = ex->paging = true;
	else if (made == PAGE_DONE)
		page_answered(c);
	return made != PAGE_NONE;
}

/* --- submitting --- */

static void submit(struct conn *c)
{
	struct exchange *ex = c->ex;
	struct core *core = core_of(c->lane);

	if (page(c))
		return;
	if (upgrade_asked(c)) {
		exchange_put(ex);
		c->ex = NULL;
		return;
	}
	ex->req.received = clock_wall();
	http_in_finish(&ex->in, &core->cfg->limits.json);
	if (ex->req.over_json)
		metrics_inc(&core->metrics, limit_json);
	if (ex->req.op == OP_NONE) {
		answered(c, true);
		return;
	}
	c->busy = true;
	ex->submitting = true;
	core_submit(core, &ex->req);
	ex->submitting = false;
	if (ex->answered)
		answered(c, true);
}

/* Parse and submit until the bytes are used up or something has to wait; tells how many were used. */
static size_t parse(struct conn *c, const char *p, size_t n)
{
	size_t at = 0;

	while (at < n && !c->busy && !c->writing && !c->last && !c->taken && !c->dead) {
		enum http_verdict v;
		size_t used;

		if (!c->ex && !(c->ex = exchange_get(c))) {
			refuse(c, 503, 5000, "out of memory");
			break;
		}
		v = http_in_feed(&c->ex->in, &c->parser, p + at, n - at, &used);
		at += used;
		if (v == HTTP_DONE) {
			submit(c);
			if (c->lane->out.n >= OUT_BYTES)
				flush(c);
		} else if (v == HTTP_BAD) {
			if (*p == STREAM_TLS && !c->ex->in.headers_done)
				c->ex->in.why = "this is TLS at the port for HTTP in clear: use http://, or the port of [https]";
			refuse_message(c);
		} else if (!c->ex->in.begun) { /* blank lines between requests */
			exchange_put(c->ex);
			c->ex = NULL;
		} else if (c->ex->in.wants_continue) {
			c->ex->in.wants_continue = false;
			buf_lit(&c->lane->out, "HTTP/1.1 100 Continue\r\n\r\n");
		}
	}
	return at;
}

/* --- input --- */

static void keep_rest(struct conn *c, const char *p, size_t n)
{
	if (!n || c->last || c->dead)
		return;
	c->rest = malloc(n);
	if (!c->rest) {
		conn_close(c);
		return;
	}
	memcpy(c->rest, p, n);
	c->rest_n = (uint32_t)n;
	c->rest_at = 0;
}

static void drop_rest(struct conn *c)
{
	free(c->rest);
	c->rest = NULL;
	c->rest_n = c->rest_at = 0;
}

/* Work on what waits and on what was just read (n may be 0), send the answers, and see what to wait for next. Then the same for
 * connections whose answer came meanwhile. */
static void serve(struct conn *c, const char *p, size_t n)
{
	struct lane *l = c->lane;

	l->serving = c;
	if (c->rest && !c->dead) {
		c->rest_at += (uint32_t)parse(c, c->rest + c->rest_at, c->rest_n - c->rest_at);
		if (c->rest_at == c->rest_n || c->last)
			drop_rest(c);
	} else if (n) {
		size_t used = parse(c, p, n);
		keep_rest(c, p + used, n - used);
	}
	flush(c);
	l->serving = NULL;
	if (!c->dead)
		settle(c);
	if (l->answering_late)
		return; /* the loop below, further up the stack */
	l->answering_late = true;
	while (l->late) {
		struct exchange *ex = l->late;
		l->late = ex->next;
		if (!l->late)
			l->late_end = &l->late;
		request_done(&ex->req);
	}
	l->answering_late = false;
}

/* Either the client has nothing more to say, or it is gone: that shows only when something is sent. So what was begun is answered, and
 * what only waits to begin is given up. */
static void half_closed(struct conn *c)
{
	if (c->busy && !c->ex->paging)
		core_abandon(core_of(c->lane), &c->ex->req);
}

static void received(struct stream *s, const char *p, ssize_t n)
{
	struct conn *c = (struct conn *)s;

	if (n < 0 && c->shaking) {
		handshake_failed(c, (int)n);
	} else if (n < 0) {
		c->reading = false;
		c->eof = true;
		if (c->ex && !c->busy)
			metrics_inc(&core_of(c->lane)->metrics, bad_http); /* it ended in the middle of a message */
		if (n != UV_EOF || !(c->busy || c->writing))
			conn_close(c);
		else
			half_closed(c);
	} else if (c->lingering) {
		c->pending += (uint32_t)n;
		if (c->pending > DISCARD_BYTES)
			conn_close(c);
	} else if (c->busy || c->writing) {
		keep_rest(c, p, (size_t)n);
		if (!c->dead)
			settle(c);
	} else {
		serve(c, p, (size_t)n);
	}
}

/* What happens next on this connection? */
static void settle(struct conn *c)
{
	bool want;

	if (c->taken) {
		upgrade_begin(c, c->rest ? c->rest + c->rest_at : NULL, c->rest_n - c->rest_at);
		drop_rest(c);
		return;
	}
	if (c->last && !c->busy && !c->writing && !c->lingering)
		linger(c);
	if (c->eof && !c->busy && !c->writing && !c->rest)
		conn_close(c);
	if (c->dead)
		return;
	/* a connection that is about to end reads on, so as to see its end; otherwise not beyond what is kept */
	want = !c->eof && !c->rest && !(c->writing && !c->last);
	if (want && !c->reading) {
		if (stream_read_start(&c->stream) != 0) {
			conn_close(c);
			return;
		}
		c->reading = true;
	} else if (!want && c->reading) {
		stream_read_stop(&c->stream);
		c->reading = false;
	}
	if (c->lingering)
		lane_wait(c, WAIT_LINGER);
	else if (c->writing)
		lane_wait(c, WAIT_WRITE);
	else if (c->busy)
		lane_wait(c, WAIT_CORE);
	else if (c->ex)
		lane_wait(c, c->ex->in.headers_done ? WAIT_BODY : WAIT_HEADER);
	else
		lane_wait(c, WAIT_IDLE);
}

void conn_expired(struct conn *c)
{
	struct metrics *m = &core_of(c->lane)->metrics;
	size_t left;

	switch ((enum wait)c->wait) {
	case WAIT_HEADER: case WAIT_BODY:
		metrics_inc(m, timeout_header);
		c->lane->serving = c;
		refuse(c, 408, 4008, "the request did not arrive in time (limits.header_time, limits.body_time)");
		flush(c);
		c->lane->serving = NULL;
		if (!c->dead)
			settle(c);
		return;
	case WAIT_WRITE: /* slow is allowed, standing still is not */
		left = stream_unsent(&c->stream);
		if (left < c->pending || !c->pending) {
			lane_leave(c);
			lane_wait(c, WAIT_WRITE);
			c->pending = left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
			return;
		}
		break;
	default:
		break;
	}
	if (c->wait != WAIT_LINGER)
		metrics_inc(m, timeout_idle);
	conn_close(c);
}

void conn_stop(struct conn *c, bool now)
{
	if (c->taken) {
		c->taken->stop(c->taken, now);
		return;
	}
	c->last = true;
	if (now || (!c->busy && !c->writing))
		conn_close(c);
	else
		drop_rest(c);
}

/* --- accepting --- */

/* At most one line a second for each loop: whoever can connect could fill the log otherwise. */
static void tell_failure(struct conn *c, const char *what)
{
	struct lane *l = c->lane;
	uint64_t now = uv_now(&l->loop->uv);
	const bool v4 = c->ip[10] == 0xff && c->ip[11] == 0xff;
	char from[INET6_ADDRSTRLEN] = "?";

	if (l->told_at && now - l->told_at < 1000) {
		l->untold++;
		return;
	}
	if (c->ip_known)
		uv_inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? c->ip + 12 : c->ip, from, sizeof(from));
	log_warn("http", "no security association with %s: %s%s", from, what, l->untold ? " (and others that were not told)" : "");
	l->told_at = now;
	l->untold = 0;
}

/* TLS says why by an alert, and it has to arrive: as after the last answer, the client may go on sending for a moment. */
static void handshake_failed(struct conn *c, int code)
{
	handshake_over(c);
	if (code != UV_EPROTO) { /* he went away */
		conn_close(c);
		return;
	}
	tell_failure(c, stream_why(&c->stream));
	c->last = true;
	settle(c);
}

/* The credential is good no longer (revoked, replaced, expired): what was asked under it is answered to nobody. */
static void association_ended(void *owner)
{
	struct conn *c = owner;

	conn_stop(c, true);
}

/* The handshake is complete: whom does the proven credential stand for? Not before it is known is a byte read as HTTP. */
static void opened(struct stream *s)
{
	struct conn *c = (struct conn *)s;
	char why[TLS_WHY_MAX] = "";

	handshake_over(c);
	c->association = association_new(core_of(c->lane), tls_peer(s->tls), c->lane->loop, association_ended, c, why);
	if (!c->association) {
		tell_failure(c, why[0] ? why : "out of memory");
		conn_close(c);
		return;
	}
	settle(c);
}

/* What came is no TLS. Who speaks HTTP can be told so. */
static void stray(struct stream *s, const char *p, size_t n)
{
	struct conn *c = (struct conn *)s;

	handshake_over(c);
	metrics_inc(&core_of(c->lane)->metrics, no_tls);
	if (*p < 'A' || *p > 'Z') {
		conn_close(c);
		return;
	}
	c->lane->serving = c;
	refuse(c, 400, 4000, "this port speaks HTTP over TLS only: use https:// and a credential");
	flush(c);
	c->lane->serving = NULL;
	if (!c->dead)
		settle(c);
}

static const struct stream_events events = { .open = opened, .read = received, .drained = drained, .closed = conn_closed, .stray = stray };

/* How many handshakes may be under way is bounded: they cost most of all that a stranger can ask for. */
static int accept_tls(struct conn *c)
{
	struct lane *l = c->lane;
	struct core *core = core_of(l);
	struct tls_setup *setup = association_setup(core, false, false);
	int rc = stream_accept(&c->stream, l->loop, (uv_stream_t *)&l->listener, setup, &events);

	tls_setup_put(setup);
	if (rc != 0 || !setup)
		return rc ? rc : UV_ENOTSUP;
	c->shaking = true;
	lane_wait(c, WAIT_HANDSHAKE);
	if (atomic_fetch_add_explicit(&core->shared.handshakes, 1, memory_order_relaxed) >= core->cfg->tls.handshakes) {
		metrics_inc(&core->metrics, limit_handshakes);
		return UV_EBUSY;
	}
	return 0;
}

void conn_accept(struct lane *l)
{
	struct core *core = core_of(l);
	struct conn *c = calloc(1, sizeof(*c));
	unsigned open;
	int rc;

	if (!c)
		abort(); /* a few hundred bytes: nothing can go on */
	c->lane = l;
	c->wait = WAITS;
	l->n_conns++;
	metrics_inc(&core->metrics, connections_opened);
	open = atomic_fetch_add_explicit(&core->shared.connections, 1, memory_order_relaxed);
	rc = l->server->tls ? accept_tls(c) : stream_accept(&c->stream, l->loop, (uv_stream_t *)&l->listener, NULL, &events);
	if (rc == 0 && open >= core->cfg->limits.connections) { /* without a word: it is the cheapest, and there may be very many */
		metrics_inc(&core->metrics, limit_connections);
		rc = UV_EBUSY;
	}
	if (rc != 0) {
		conn_close(c);
		return;
	}
	c->ip_known = stream_address(&c->stream, c->ip);
	http_parser_init(&c->parser, HTTP_REQUEST);
	if (!c->shaking)
		settle(c);
}
