/* SPDX-License-Identifier: Apache-2.0 */
/* A connection, whoever opened it: requests of the peer go to the core and are answered as their answers come, our requests go out and
 * their answers are found by rqi (CORE-307).
 *
 * Bounds. At most ws.requests of the peer are with the core, and as many of ours are with the peer. What he sends beyond is kept up to
 * PENDING_BYTES, then reading stops; answers to our own requests are taken out before, so that neither side waits for the other.
 * While UNSENT_BYTES wait for the socket nothing is read or begun; all connections together keep limits.unread.
 *
 * Work is done with `busy` set, and what follows from it (writing, pausing, closing) once, in settle. */
#include "binding/ws/ws_int.h"

#include <stdlib.h>

#include "base/hash.h"
#include "codec/model.h"

static void settle(struct ws_conn *c);

static struct core *core_of(const struct ws_conn *c) { return c->lane->ws->core; }
static const struct config *cfg_of(const struct ws_conn *c) { return core_of(c)->cfg; }

uint64_t ws_now(void) { return uv_hrtime() / 1000000; }

static uint64_t ms(usec t) { return t > USEC_MS ? (uint64_t)(t / USEC_MS) : 1; }

void ws_calls_push(struct ws_calls *l, struct ws_call *k)
{
	k->next = NULL;
	k->prev = l->last;
	*(l->last ? &l->last->next : &l->first) = k;
	l->last = k;
	l->n++;
}

void ws_calls_take(struct ws_calls *l, struct ws_call *k)
{
	*(k->prev ? &k->prev->next : &l->first) = k->next;
	*(k->next ? &k->next->prev : &l->last) = k->prev;
	k->next = k->prev = NULL;
	l->n--;
}

/* --- exchanges --- */

static void request_done(struct req *r);

static struct ws_exchange *exchange_new(struct ws_lane *l)
{
	const struct limits *lim = &l->ws->core->cfg->limits;
	struct ws_exchange *ex = aligned_alloc(16, (sizeof(*ex) + 15) & ~(size_t)15);

	if (!ex)
		return NULL;
	req_init(&ex->req, l->loop, lim->request_memory, lim->response);
	ex->lane = l;
	ex->all_next = l->all;
	ex->all_link = &l->all;
	if (l->all)
		l->all->all_link = &ex->all_next;
	l->all = ex;
	return ex;
}

static void exchange_free(struct ws_exchange *ex)
{
	*ex->all_link = ex->all_next;
	if (ex->all_next)
		ex->all_next->all_link = ex->all_link;
	req_free(&ex->req);
	free(ex);
}

static struct ws_exchange *exchange_get(struct ws_conn *c)
{
	struct ws_lane *l = c->lane;
	struct ws_exchange *ex = l->pool;

	if (ex) {
		l->pool = ex->next;
		l->n_pool--;
	} else if (!(ex = exchange_new(l))) {
		return NULL;
	}
	ex->submitting = ex->answered = false;
	ex->req.owner = ex;
	ex->req.done = request_done;
	ex->req.peer = c->peer;
	ex->association = c->association ? association_get(c->association) : NULL;
	if (ex->association)
		association_peer(ex->association, &ex->req.peer);
	ex->conn = c;
	ex->prev = NULL;
	ex->next = c->exchanges;
	if (ex->next)
		ex->next->prev = ex;
	c->exchanges = ex;
	c->n_exchanges++;
	return ex;
}

/* It is not the connection's any more. */
static void exchange_leave(struct ws_exchange *ex)
{
	struct ws_conn *c = ex->conn;

	*(ex->prev ? &ex->prev->next : &c->exchanges) = ex->next;
	if (ex->next)
		ex->next->prev = ex->prev;
	c->n_exchanges--;
	ex->conn = NULL;
}

static void exchange_put(struct ws_exchange *ex)
{
	struct ws_lane *l = ex->lane;

	association_put(ex->association);
	ex->association = NULL;
	if (l->n_pool >= POOL_MOST) {
		exchange_free(ex);
		return;
	}
	req_reset(&ex->req);
	if (ex->req.out.cap > UNSENT_BYTES) /* one large answer must not cost memory for ever */
		buf_free(&ex->req.out);
	ex->next = l->pool;
	l->pool = ex;
	l->n_pool++;
}

void ws_lane_free(struct ws_lane *l)
{
	while (l->all)
		exchange_free(l->all);
}

/* --- who is it? (docs/deviations.md, WebSocket) --- */

/* True once in a while for each. */
static bool look(struct ws_conn *c, struct slice id)
{
	uint64_t hash = hash_slice(id), now = ws_now();
	unsigned i = 0;

	while (i < ORIGINATORS_SEEN && !(c->seen[i].at && c->seen[i].hash == hash))
		i++;
	if (i < ORIGINATORS_SEEN && now - c->seen[i].at < LOOK_AGAIN_MS)
		return false;
	if (i == ORIGINATORS_SEEN)
		i = c->n_seen++ % ORIGINATORS_SEEN;
	c->seen[i].hash = hash;
	c->seen[i].at = now;
	return true;
}

/* The request was believed and not refused: what the core has for its Originator goes over this connection from now on. Whom the peer
 * says it passes something on for is not at its other end; and where nobody proves anything and not everybody is believed, only who
 * has registered over it is. */
static void identify(struct ws_conn *c, const struct req *r)
{
	struct slice id = r->peer.association ? r->peer.cse_id.n ? r->peer.cse_id : r->fr : r->peer.open ? r->fr : S("");

	if (!c->how.attach || r->rsc >= 4000)
		return;
	if (r->created && r->op == OP_CREATE && r->ty == TYPE_AE && !r->peer.cse_id.n)
		ws_attach(c, r->created, S(""));
	else if (r->created && r->op == OP_CREATE && r->ty == TYPE_REMOTE_CSE && id.n)
		ws_attach(c, 0, id);
	else if (id.n && look(c, id))
		ws_attach(c, 0, id);
}

/* --- requests of the peer --- */

static void answer(struct ws_exchange *ex)
{
	struct ws_conn *c = ex->conn;
	struct buf b;

	identify(c, &ex->req);
	buf_init(&b, 2 * cfg_of(c)->limits.response + 65536);
	(void)message_answer(&b, &ex->req);
	if (c->frames.state == WS_OPEN && (b.failed || ws_frames_send(&c->frames, buf_view(&b)) != RC_OK))
		ws_frames_close(&c->frames, WS_INTERNAL, "an answer could not be written");
	buf_free(&b);
	exchange_leave(ex);
	exchange_put(ex);
	c->used = ws_now();
}

static void request_done(struct req *r)
{
	struct ws_exchange *ex = r->owner;
	struct ws_conn *c = ex->conn;

	if (!c) {
		exchange_put(ex);
	} else if (ex->submitting) {
		ex->answered = true;
	} else {
		answer(ex);
		settle(c);
	}
}

static void submit(struct ws_conn *c, struct ws_exchange *ex)
{
	ex->req.received = clock_wall();
	ex->submitting = true;
	core_submit(core_of(c), &ex->req);
	ex->submitting = false;
	if (ex->answered)
		answer(ex);
}

/* --- answers of the peer --- */

/* One that nobody waits for (any more) is of no interest. */
static void take_response(struct ws_conn *c, const struct message *m, struct slice text)
{
	for (struct ws_call *k = c->calls.first; k; k = k->next)
		if (m->rqi.p && slice_eq(k->rqi, m->rqi)) {
			ws_calls_take(&c->calls, k);
			ws_call_done(k, 2000, text);
			return;
		}
}

/* --- messages --- */

static void count(struct ws_conn *c, const struct message *m)
{
	if (m->over_json)
		metrics_inc(&core_of(c)->metrics, limit_json);
	if (m->over_size)
		metrics_inc(&core_of(c)->metrics, limit_body);
}

static void receive(struct ws_conn *c, struct slice text)
{
	const struct limits *lim = &cfg_of(c)->limits;
	struct ws_exchange *ex = exchange_get(c);
	struct message m;
	struct slice copy;
	struct req *r;

	if (!ex) {
		ws_frames_close(&c->frames, WS_INTERNAL, "out of memory");
		return;
	}
	r = &ex->req;
	r->want = c->serial;
	copy = arena_dup(&r->arena, text);
	if (!copy.p) {
		req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
		answer(ex);
		return;
	}
	message_read(&m, &r->arena, c->serial, copy, lim);
	count(c, &m);
	if (m.kind == MESSAGE_RESPONSE) {
		take_response(c, &m, text);
		exchange_leave(ex);
		exchange_put(ex);
	} else if (!message_request(r, &m, lim)) {
		answer(ex);
	} else if (!c->how.takes_requests) {
		req_refuse(r, 4005, "this connection was opened to send notifications: requests are not taken over it");
		answer(ex);
	} else {
		submit(c, ex);
	}
}

static bool full(const struct ws_conn *c)
{
	return c->n_exchanges >= cfg_of(c)->ws.requests || c->stopping || stream_unsent(c->stream) >= UNSENT_BYTES;
}

/* There are enough: this one waits, unless it is an answer. */
static void keep(struct ws_conn *c, struct slice text)
{
	const struct limits *lim = &cfg_of(c)->limits;
	struct ws_pending *p;
	struct message m;
	struct arena a;

	arena_init(&a, NULL, 0, lim->request_memory);
	message_read(&m, &a, c->serial, text, lim);
	if (m.kind == MESSAGE_RESPONSE) {
		take_response(c, &m, text);
		arena_reset(&a);
		return;
	}
	arena_reset(&a);
	p = malloc(sizeof(*p) + text.n);
	if (!p) {
		ws_frames_close(&c->frames, WS_INTERNAL, "out of memory");
		return;
	}
	p->next = NULL;
	p->n = text.n;
	memcpy(p->text, text.p, text.n);
	*c->pending_end = p;
	c->pending_end = &p->next;
	c->pending_bytes += text.n;
}

static void message(void *owner, struct slice text)
{
	struct ws_conn *c = owner;

	c->begun = 0;
	c->used = c->heard;
	if (c->frames.state != WS_OPEN) /* nothing could be answered */
		return;
	if (c->pending || full(c))
		keep(c, text);
	else
		receive(c, text);
}

static void take_pending(struct ws_conn *c)
{
	while (c->pending && !full(c) && c->frames.state == WS_OPEN) {
		struct ws_pending *p = c->pending;

		c->pending = p->next;
		if (!c->pending)
			c->pending_end = &c->pending;
		c->pending_bytes -= p->n;
		receive(c, slice_of(p->text, p->n));
		free(p);
	}
}

/* --- our requests --- */

static bool under_way(const struct ws_conn *c, struct slice rqi)
{
	for (const struct ws_call *k = c->calls.first; k; k = k->next)
		if (slice_eq(k->rqi, rqi))
			return true;
	return false;
}

/* Two with the same rqi (of different Originators) go one after the other: their answers could not be told apart. */
static void start_calls(struct ws_conn *c)
{
	for (struct ws_call *k = c->waiting.first, *next; k; k = next) {
		next = k->next;
		if (c->frames.state != WS_OPEN || c->stopping || c->calls.n >= cfg_of(c)->ws.requests ||
		    stream_unsent(c->stream) >= UNSENT_BYTES)
			return;
		if (under_way(c, k->rqi))
			continue;
		ws_calls_take(&c->waiting, k);
		if (ws_frames_send(&c->frames, slice_of(k->bytes, k->n)) == RC_OK) {
			ws_calls_push(&c->calls, k);
		} else {
			k->registree = 0;
			ws_call_done(k, 0, S(""));
		}
		c->used = ws_now();
	}
}

static void expire(struct ws_calls *l, int rsc, uint64_t now)
{
	for (struct ws_call *k = l->first, *next; k; k = next) {
		next = k->next;
		if (now < k->deadline)
			continue;
		ws_calls_take(l, k);
		ws_call_done(k, rsc, S(""));
	}
}

static void call_arrives(struct loop *l, struct loop_msg *m)
{
	struct ws_call *k = (struct ws_call *)((char *)m - offsetof(struct ws_call, msg));
	struct ws_conn *c = k->link->conn;

	(void)l;
	if (!c || c->frames.state != WS_OPEN) {
		ws_call_done(k, 0, S(""));
		return;
	}
	ws_calls_push(&c->waiting, k);
	settle(c);
}

void ws_call_give(struct ws_call *k, struct ws_link *link)
{
	struct send s = *k->send;
	struct buf b;

	s.serial = link->serial;
	if (!s.to.n)
		s.to = s.entity;
	buf_init(&b, 2 * (k->ws->core->cfg->limits.response + s.pc.n) + 65536);
	k->link = ws_link_get(link);
	k->n = message_send(&b, &s) == link->serial && !b.failed ? b.n : 0;
	buf_slice(&b, k->send->rqi);
	if (!k->n || b.failed) {
		buf_free(&b);
		k->registree = 0; /* another connection would not help */
		ws_call_done(k, 0, S(""));
		return;
	}
	k->bytes = b.p; /* taken */
	k->rqi = slice_of(b.p + k->n, b.n - k->n);
	k->msg.fn = call_arrives;
	loop_post(link->loop, &k->msg);
}

/* --- the end --- */

/* Nothing goes over it any more: what is under way is concluded. */
static void conclude(struct ws_conn *c)
{
	struct ws_call *k;

	ws_link_end(c); /* the hub hears of it before it gets calls back, and may use another connection for them */
	while (c->exchanges) {
		struct ws_exchange *ex = c->exchanges;

		exchange_leave(ex);
		core_abandon(core_of(c), &ex->req); /* the core's: request_done gives it back */
	}
	while (c->pending) {
		struct ws_pending *p = c->pending;

		c->pending = p->next;
		free(p);
	}
	c->pending_end = &c->pending;
	c->pending_bytes = 0;
	while ((k = c->calls.first)) {
		ws_calls_take(&c->calls, k);
		if (!k->repeatable)
			k->registree = 0;
		ws_call_done(k, k->repeatable ? 0 : 1, S(""));
	}
	while ((k = c->waiting.first)) {
		ws_calls_take(&c->waiting, k);
		ws_call_done(k, 0, S(""));
	}
}

static void account(struct ws_conn *c, size_t unsent)
{
	_Atomic size_t *all = &core_of(c)->shared.unread;

	atomic_fetch_add(all, unsent - c->unsent); /* modulo 2^n: also downwards */
	c->unsent = unsent;
}

void ws_conn_end(struct ws_conn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	conclude(c);
	account(c, 0);
	*(c->prev ? &c->prev->next : &c->lane->conns) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->how.close(c);
}

void ws_conn_free(struct ws_conn *c)
{
	ws_frames_free(&c->frames);
	association_put(c->association);
	if (c->link)
		ws_link_put(c->link);
	free(c);
}

void ws_conn_stop(struct ws_conn *c, uint16_t code, const char *reason, bool now)
{
	if (c->dead || c->frames.state != WS_OPEN)
		return;
	c->stopping = true;
	if (now || (!c->n_exchanges && !c->calls.n))
		ws_frames_close(&c->frames, code, reason);
	settle(c);
}

/* --- what follows from it --- */

static void flush(struct ws_conn *c)
{
	struct buf *out = &c->frames.out;
	struct core *core = core_of(c);
	int rc = 0;

	if (out->n)
		rc = out->failed ? UV_ENOMEM : stream_write(c->stream, out->p, out->n);
	if (out->cap > UNSENT_BYTES)
		buf_free(out);
	buf_clear(out);
	account(c, rc == 0 ? stream_unsent(c->stream) : 0);
	if (rc == 0 && c->unsent && atomic_load(&core->shared.unread) > core->cfg->limits.unread) {
		metrics_inc(&core->metrics, limit_unread);
		rc = UV_ENOBUFS;
	}
	if (rc != 0)
		ws_conn_end(c);
}

static void close_step(struct ws_conn *c)
{
	if (c->frames.state == WS_OPEN && c->stopping && !c->n_exchanges && !c->calls.n) {
		ws_frames_close(&c->frames, WS_AWAY, "");
		flush(c);
	}
	if (c->dead || c->frames.state == WS_OPEN)
		return;
	if (!c->deadline)
		c->deadline = ws_now() + CLOSE_MS;
	conclude(c);
	if (c->frames.state != WS_CLOSED || c->shut)
		return;
	c->shut = true;
	if (c->frames.over)
		metrics_inc(&core_of(c)->metrics, limit_body);
	else if (c->frames.refused)
		metrics_inc(&core_of(c)->metrics, bad_websocket);
	if (stream_shutdown(c->stream) != 0)
		ws_conn_end(c);
}

/* Read on, or let him wait? */
static void pause_or_not(struct ws_conn *c)
{
	bool pause = c->frames.state == WS_OPEN &&
		     (c->pending_bytes >= PENDING_BYTES || stream_unsent(c->stream) >= UNSENT_BYTES);

	if (pause == c->paused)
		return;
	c->paused = pause;
	c->heard = ws_now(); /* he was not listened to */
	if (pause)
		stream_read_stop(c->stream);
	else if (stream_read_start(c->stream) != 0)
		ws_conn_end(c);
}

static void settle(struct ws_conn *c)
{
	if (c->dead || c->busy)
		return;
	c->busy = true;
	take_pending(c);
	start_calls(c);
	c->busy = false;
	flush(c);
	if (!c->dead)
		close_step(c);
	if (!c->dead)
		pause_or_not(c);
}

void ws_conn_read(struct ws_conn *c, const char *p, ssize_t n)
{
	if (c->dead)
		return;
	if (n < 0) {
		ws_conn_end(c);
		return;
	}
	if (!p) /* behind our last word */
		return;
	c->heard = ws_now();
	c->pinged = false;
	c->busy = true;
	ws_frames_read(&c->frames, p, (size_t)n);
	c->busy = false;
	if (ws_frames_partial(&c->frames) && !c->begun)
		c->begun = c->heard;
	settle(c);
}

void ws_conn_drained(struct ws_conn *c, int status)
{
	if (c->dead)
		return;
	if (status < 0)
		ws_conn_end(c);
	else
		settle(c);
}

/* --- time --- */

static void silence(struct ws_conn *c, uint64_t now)
{
	const struct config *cfg = cfg_of(c);
	uint64_t ping = ms(cfg->ws.ping);

	if (c->begun && now - c->begun >= ms(cfg->limits.body_time)) {
		metrics_inc(&core_of(c)->metrics, timeout_header);
		ws_conn_stop(c, WS_POLICY, "the message did not arrive in time (limits.body_time)", true);
	} else if (now - c->heard >= 2 * ping) {
		metrics_inc(&core_of(c)->metrics, timeout_idle);
		ws_conn_end(c);
	} else if (c->how.idle_ends && !c->n_exchanges && !c->calls.n && !c->waiting.n && now - c->used >= ms(cfg->limits.idle)) {
		ws_conn_stop(c, WS_NORMAL, "", true);
	} else if (now - c->heard >= ping && !c->pinged) {
		c->pinged = true;
		ws_frames_ping(&c->frames);
		settle(c);
	}
}

static void look_at(struct ws_conn *c, uint64_t now)
{
	size_t left = stream_unsent(c->stream);

	if (c->deadline && now >= c->deadline) {
		ws_conn_end(c);
		return;
	}
	expire(&c->calls, 1, now);
	expire(&c->waiting, 0, now);
	if (!left || left != c->left) { /* slow is allowed, standing still is not */
		c->left = left;
		c->moved = now;
	} else if (now - c->moved >= ms(cfg_of(c)->limits.idle)) {
		metrics_inc(&core_of(c)->metrics, timeout_idle);
		ws_conn_end(c);
		return;
	}
	if (!c->paused && c->frames.state == WS_OPEN)
		silence(c, now);
	if (!c->dead)
		settle(c);
}

static void ticked(uv_timer_t *t)
{
	struct ws_lane *l = t->data;
	uint64_t now = ws_now();

	for (struct ws_conn *c = l->conns, *next; c; c = next) {
		next = c->next; /* who ends is freed in a later turn, and ends nobody else */
		look_at(c, now);
	}
	if (!l->conns)
		uv_timer_stop(t);
}

static void enter(struct ws_lane *l, struct ws_conn *c)
{
	if (!l->started) {
		uv_timer_init(&l->loop->uv, &l->tick);
		l->tick.data = l;
		l->started = true;
	}
	c->next = l->conns;
	if (c->next)
		c->next->prev = c;
	l->conns = c;
	if (!uv_is_active((uv_handle_t *)&l->tick))
		uv_timer_start(&l->tick, ticked, TICK_MS, TICK_MS);
}

/* --- the beginning --- */

static struct ws_link *link_new(struct ws_conn *c)
{
	struct ws_link *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	atomic_init(&k->refs, 1);
	k->loop = c->lane->loop;
	k->serial = c->serial;
	k->conn = c;
	return k;
}

static void attach_proven(struct ws_conn *c)
{
	struct peer who = { .association = false };

	association_peer(c->association, &who);
	if (who.cse_id.n)
		ws_attach(c, 0, who.cse_id);
	for (size_t i = 0; i < who.n_ae_ids && i < REGISTREES_MOST; i++)
		ws_attach(c, 0, who.ae_ids[i]);
}

enum reeve_rc ws_conn_new(struct ws *w, struct loop *l, struct stream *s, const struct ws_owner *how, void *owner, enum serial serial,
			  const struct peer *peer, struct association *a, struct ws_conn **out)
{
	const struct limits *lim = &w->core->cfg->limits;
	struct ws_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return RC_NOMEM;
	c->lane = &w->lanes[l->index];
	c->stream = s;
	c->how = *how;
	c->owner = owner;
	c->peer = *peer;
	c->association = a ? association_get(a) : NULL;
	c->serial = serial;
	c->pending_end = &c->pending;
	c->heard = c->moved = c->used = ws_now();
	if (ws_frames_init(&c->frames, how->client, serial == SERIAL_CBOR, lim->header + lim->body, message, c) != RC_OK ||
	    !(c->link = link_new(c)) || stream_read_start(s) != 0) {
		ws_conn_free(c);
		return RC_NOMEM;
	}
	enter(c->lane, c);
	*out = c;
	if (a && how->attach)
		attach_proven(c);
	return RC_OK;
}
