/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that this CSE opens: to its registrar, to CSEs of other domains, to who is named by a ws:// URL. On the hub.
 *
 * A target is a URL and who is to be found there; it has one connection at a time. What is to be sent while there is none waits for the
 * attempt that it starts, and fails with it. The connection to the registrar is kept: it is opened again, with growing pauses, without
 * waiting for something to send, as the registrar may have something for us (TS-0020 5.2). Others end when they have not been used.
 *
 * Requests are taken over a connection only where we know who is at the other end: by an association, or because the address is the one
 * that is configured for the registrar. Anybody can have us connect to him by naming a URL in a subscription. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/rand.h"
#include "binding/ws/handshake.h"
#include "binding/ws/ws_int.h"
#include "core/cse/registrar.h"

enum { ADDRESSES = 8, HOST_MOST = 256, OPEN_MS = 10000 };

enum target_state { TARGET_IDLE, TARGET_RESOLVING, TARGET_OPENING, TARGET_OPEN, TARGET_CLOSING };

struct ws_target {
	struct stream stream;      /* first */
	struct ws_target *next;
	struct ws *ws;
	enum target_state state;
	struct ws_calls waiting;
	struct ws_conn *conn;      /* TARGET_OPEN; to its end */
	struct association *association;
	uv_getaddrinfo_t lookup;
	struct sockaddr_storage address[ADDRESSES];
	unsigned n_addresses, at;
	uint64_t deadline;         /* ms: of the attempt */
	uint64_t retry_at;         /* of the next one; 0: none is planned */
	unsigned failures;
	char key[WS_KEY_LEN];
	struct buf answer;         /* to the handshake, as far as it came */
	char host[HOST_MOST], port[6];
	enum serial serial;        /* preferred */
	bool tls, registrar;
	char *url, *entity;
};

static void attempt(struct ws_target *t);

static uint64_t ms(usec t) { return t > USEC_MS ? (uint64_t)(t / USEC_MS) : 1; }

/* --- ends --- */

static void fail_waiting(struct ws_target *t)
{
	struct ws_call *k;

	while ((k = t->waiting.first)) {
		ws_calls_take(&t->waiting, k);
		ws_call_done(k, 0, S(""));
	}
}

static void target_free(struct ws_target *t)
{
	struct ws_target **at = &t->ws->targets;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	buf_free(&t->answer);
	free(t->url);
	free(t->entity);
	free(t);
}

/* There is no connection now: what next? */
static void rest(struct ws_target *t)
{
	const struct config *cfg = t->ws->core->cfg;
	usec pause = cfg->registrar.retry_first;

	t->state = TARGET_IDLE;
	if (t->ws->stopped) {
		fail_waiting(t);
		return;
	}
	if (t->waiting.n) {
		attempt(t);
		return;
	}
	if (!t->registrar)
		return; /* the tick lets it go */
	for (unsigned i = 0; i < t->failures && pause < cfg->registrar.retry_most; i++)
		pause *= 2;
	if (pause > cfg->registrar.retry_most)
		pause = cfg->registrar.retry_most;
	t->failures++;
	t->retry_at = ws_now() + ms(pause - pause / 8 + (usec)(rand_u64() % ((uint64_t)pause / 4 + 1)));
}

/* The attempt, or all of it (`last`), has failed. */
static void failed(struct ws_target *t, const char *why, bool last)
{
	log_info("ws", "%s: no connection: %s", t->url, why);
	if (last || t->at >= t->n_addresses) {
		t->at = t->n_addresses;
		fail_waiting(t);
	}
	t->state = TARGET_CLOSING;
	stream_close(&t->stream);
}

/* --- a connection --- */

static void close_it(struct ws_conn *c)
{
	struct ws_target *t = c->owner;

	t->state = TARGET_CLOSING;
	stream_close(&t->stream);
}

static void association_ended(void *owner)
{
	struct ws_target *t = owner;

	if (t->conn)
		ws_conn_stop(t->conn, WS_POLICY, "the security association has ended", true);
}

static void closed(struct stream *s)
{
	struct ws_target *t = (struct ws_target *)s;

	if (t->conn)
		ws_conn_free(t->conn);
	t->conn = NULL;
	if (t->association) {
		association_leave(t->association);
		association_put(t->association);
	}
	t->association = NULL;
	buf_free(&t->answer);
	if (t->at < t->n_addresses && t->waiting.n && !t->ws->stopped)
		attempt(t);
	else
		rest(t);
}

/* After the handshake of TLS: who is it? False: nobody who may be talked to. */
static bool know_peer(struct ws_target *t)
{
	char why[TLS_WHY_MAX] = "";

	if (!t->tls)
		return true;
	t->association = association_new(t->ws->core, tls_peer(t->stream.tls), t->stream.loop, association_ended, t, why);
	if (t->association && !association_with(t->association, slice_str(t->entity)))
		snprintf(why, sizeof(why), "the credential is somebody else's");
	if (why[0])
		failed(t, why, true);
	return !why[0];
}

static void say_hello(struct stream *s)
{
	struct ws_target *t = (struct ws_target *)s;
	struct slice authority = slice_str(strstr(t->url, "://") + 3);
	struct buf b;

	if (!know_peer(t))
		return;
	buf_init(&t->answer, WS_ANSWER_MOST);
	buf_init(&b, 4096);
	ws_request(&b, authority, t->serial, t->key);
	if (b.failed || stream_write(s, b.p, b.n) != 0 || stream_read_start(s) != 0)
		failed(t, "the handshake could not be sent", false);
	buf_free(&b);
}

static void start(struct ws_target *t, enum serial serial, struct slice behind)
{
	struct ws_owner how = { .close = close_it, .client = true, .takes_requests = t->registrar || t->association,
				.idle_ends = !t->registrar };
	struct peer peer = { .open = t->registrar && t->ws->core->cfg->http.open };
	struct ws_call *k;

	stream_read_stop(&t->stream);
	peer.ip_known = stream_address(&t->stream, peer.ip);
	if (ws_conn_new(t->ws, t->stream.loop, &t->stream, &how, t, serial, &peer, t->association, &t->conn) != RC_OK) {
		failed(t, "out of memory", true);
		return;
	}
	t->state = TARGET_OPEN;
	t->failures = 0;
	t->retry_at = 0;
	while ((k = t->waiting.first)) {
		ws_calls_take(&t->waiting, k);
		ws_call_give(k, t->conn->link);
	}
	if (t->registrar)
		registrar_renew(t->ws->core);
	if (*t->entity) /* what could not be sent to him is tried again */
		ws_reached(t->ws, slice_str(t->entity));
	if (behind.n)
		ws_conn_read(t->conn, behind.p, (ssize_t)behind.n);
}

static void take_answer(struct ws_target *t, const char *p, size_t n)
{
	struct ws_answer a;
	struct buf whole;
	size_t used;

	buf_add(&t->answer, p, n < WS_ANSWER_MOST - t->answer.n ? n : WS_ANSWER_MOST - t->answer.n);
	a = ws_answered(buf_view(&t->answer), t->key, &used);
	if (a.bad || t->answer.failed) {
		failed(t, a.bad ? a.why : "out of memory", true);
	} else if (a.done) {
		size_t before = used - (t->answer.n - (n < WS_ANSWER_MOST ? n : WS_ANSWER_MOST)); /* bytes of p that are of the answer */

		whole = t->answer;
		buf_init(&t->answer, WS_ANSWER_MOST);
		start(t, a.serial, slice_skip(slice_of(p, n), before));
		buf_free(&whole);
	}
}

static void received(struct stream *s, const char *p, ssize_t n)
{
	struct ws_target *t = (struct ws_target *)s;
	const char *why = stream_why(s);

	if (t->conn)
		ws_conn_read(t->conn, p, n);
	else if (n < 0)
		failed(t, *why ? why : uv_strerror((int)n), false);
	else if (p)
		take_answer(t, p, (size_t)n);
}

static void drained(struct stream *s, int status)
{
	struct ws_target *t = (struct ws_target *)s;

	if (t->conn)
		ws_conn_drained(t->conn, status);
	else if (status < 0)
		failed(t, uv_strerror(status), false);
}

static const struct stream_events events = { .open = say_hello, .read = received, .drained = drained, .closed = closed };

/* --- opening --- */

static int connect_clear(struct ws_target *t, const struct sockaddr *to)
{
	return stream_connect(&t->stream, &t->ws->core->loops[0], to, NULL, NULL, &events);
}

/* As whom and with whom is the registration's to say: a URL alone does not tell (SEC-020). UV_EACCES: nothing was begun. */
static int connect_secured(struct ws_target *t, const struct sockaddr *to)
{
	struct core *c = t->ws->core;
	struct tls_setup *setup = association_setup(c, true, false);
	struct tls_want want = { .name = { NULL, 0 } };
	int rc = UV_EACCES;
	struct arena a;

	arena_init(&a, NULL, 0, 1 << 20);
	if (setup && *t->entity && association_want(c, slice_str(t->entity), &a, &want) == RC_OK) {
		rc = stream_connect(&t->stream, &c->loops[0], to, setup, &want, &events);
		association_want_done(&want);
	}
	tls_setup_put(setup);
	arena_reset(&a);
	return rc;
}

static void open_next(struct ws_target *t)
{
	const struct sockaddr *to = (const struct sockaddr *)&t->address[t->at++];
	int rc;

	t->state = TARGET_OPENING;
	t->deadline = ws_now() + OPEN_MS;
	rc = t->tls ? connect_secured(t, to) : connect_clear(t, to);
	if (rc == UV_EACCES) {
		log_info("ws", "%s: no connection: there is no credential for it", t->url);
		t->at = t->n_addresses;
		fail_waiting(t);
		rest(t);
	} else if (rc != 0) {
		failed(t, uv_strerror(rc), false);
	}
}

static void found(uv_getaddrinfo_t *q, int status, struct addrinfo *list)
{
	struct ws_target *t = q->data;

	t->n_addresses = t->at = 0;
	for (struct addrinfo *a = list; status == 0 && a && t->n_addresses < ADDRESSES; a = a->ai_next)
		if (a->ai_addrlen <= sizeof(t->address[0]))
			memcpy(&t->address[t->n_addresses++], a->ai_addr, a->ai_addrlen);
	uv_freeaddrinfo(list);
	t->state = TARGET_IDLE;
	if (t->n_addresses && !t->ws->stopped) {
		open_next(t);
		return;
	}
	fail_waiting(t);
	rest(t);
}

static void attempt(struct ws_target *t)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };

	t->retry_at = 0;
	if (t->at < t->n_addresses) {
		open_next(t);
		return;
	}
	t->lookup.data = t;
	t->state = TARGET_RESOLVING;
	if (uv_getaddrinfo(&t->ws->core->loops[0].uv, &t->lookup, found, t->host, t->port, &hints) != 0) {
		t->state = TARGET_IDLE;
		fail_waiting(t);
	}
}

/* --- time --- */

static void look_at(struct ws_target *t, uint64_t now)
{
	for (struct ws_call *k = t->waiting.first, *next; k; k = next) {
		next = k->next;
		if (now < k->deadline)
			continue;
		ws_calls_take(&t->waiting, k);
		ws_call_done(k, 0, S(""));
	}
	if (t->state == TARGET_OPENING && now >= t->deadline)
		failed(t, "it did not answer in time", false);
	else if (t->state == TARGET_IDLE && t->retry_at && now >= t->retry_at)
		attempt(t);
	else if (t->state == TARGET_IDLE && !t->waiting.n && !t->registrar)
		target_free(t);
}

static void ticked(uv_timer_t *timer)
{
	struct ws *w = timer->data;
	uint64_t now = ws_now();

	for (struct ws_target *t = w->targets, *next; t; t = next) {
		next = t->next;
		look_at(t, now);
	}
	if (!w->targets)
		uv_timer_stop(timer);
}

static void tick(struct ws *w)
{
	if (!w->ticking) {
		uv_timer_init(&w->core->loops[0].uv, &w->tick);
		w->tick.data = w;
		w->ticking = true;
	}
	if (!uv_is_active((uv_handle_t *)&w->tick))
		uv_timer_start(&w->tick, ticked, TICK_MS, TICK_MS);
}

/* --- targets --- */

/* ws://host[:port][/...]: TS-0020 has no path, so one is not looked at. */
static bool split(struct ws_target *t, struct slice url)
{
	struct slice rest = url, host, port = { NULL, 0 };
	uint64_t n = 0;

	t->tls = slice_ieq(slice_cut(&rest, ':'), S("wss"));
	rest = slice_skip(rest, 2);
	for (size_t i = 0; i < rest.n; i++)
		if (rest.p[i] == '/' || rest.p[i] == '?' || rest.p[i] == '#') {
			rest.n = i;
			break;
		}
	host = rest;
	if (rest.n && rest.p[0] == '[') {
		ptrdiff_t end = slice_find(rest, ']');

		if (end < 0)
			return false;
		host = slice_of(rest.p + 1, (size_t)end - 1);
		rest = slice_skip(rest, (size_t)end + 1);
		if (rest.n && rest.p[0] != ':')
			return false;
		port = slice_skip(rest, 1);
	} else if (slice_find(rest, ':') >= 0) {
		host = slice_cut(&rest, ':');
		port = rest;
	}
	if (!port.n)
		port = t->tls ? S("443") : S("80"); /* CORE-310 */
	for (size_t i = 0; i < host.n; i++)
		if ((unsigned char)host.p[i] <= 0x20 || (unsigned char)host.p[i] >= 0x7f || strchr("@\\%", host.p[i]))
			return false;
	if (!host.n || host.n >= HOST_MOST || port.n >= sizeof(t->port) || !slice_u64(port, &n) || n == 0 || n > 65535)
		return false;
	memcpy(t->host, host.p, host.n);
	memcpy(t->port, port.p, port.n);
	return true;
}

/* The URL without what stands behind the authority. */
static struct slice bare(struct slice url)
{
	for (size_t i = (size_t)slice_find(url, ':') + 3; i < url.n; i++)
		if (url.p[i] == '/' || url.p[i] == '?' || url.p[i] == '#')
			return slice_of(url.p, i);
	return url;
}

static bool is_registrar(const struct config *cfg, struct slice url)
{
	for (size_t i = 0; i < cfg->registrar.poa.n; i++) {
		struct slice poa = cfg->registrar.poa.v[i];

		if ((slice_starts(poa, S("ws://")) || slice_starts(poa, S("wss://"))) && slice_eq(bare(poa), url))
			return true;
	}
	return false;
}

static struct ws_target *target_get(struct ws *w, struct slice url, struct slice entity, enum serial serial)
{
	struct ws_target *t;

	url = bare(url);
	for (t = w->targets; t; t = t->next)
		if (slice_eq(slice_str(t->url), url) && slice_eq(slice_str(t->entity), entity))
			return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->ws = w;
	t->url = strndup(url.p, url.n);
	t->entity = strndup(entity.n ? entity.p : "", entity.n);
	t->serial = serial;
	if (!t->url || !t->entity || !split(t, url)) {
		free(t->url);
		free(t->entity);
		free(t);
		return NULL;
	}
	t->registrar = is_registrar(w->core->cfg, url);
	t->next = w->targets;
	w->targets = t;
	return t;
}

void ws_client_send(struct ws *w, struct ws_call *k)
{
	struct ws_target *t = target_get(w, k->send->url, k->send->entity, k->send->serial);

	if (!t) {
		ws_call_done(k, 0, S(""));
		return;
	}
	tick(w);
	if (t->state == TARGET_OPEN && t->conn->frames.state == WS_OPEN && !t->conn->stopping) {
		ws_call_give(k, t->conn->link);
		return;
	}
	ws_calls_push(&t->waiting, k);
	if (t->state == TARGET_IDLE)
		attempt(t);
}

/* --- the end of the process --- */

void ws_client_stop(struct ws *w)
{
	if (w->ticking)
		uv_close((uv_handle_t *)&w->tick, NULL);
	for (struct ws_target *t = w->targets; t; t = t->next) {
		fail_waiting(t);
		if (t->state == TARGET_RESOLVING)
			uv_cancel((uv_req_t *)&t->lookup);
		else if (t->state == TARGET_OPENING)
			failed(t, "this CSE stops", true);
		else if (t->state == TARGET_OPEN) {
			ws_conn_stop(t->conn, WS_AWAY, "", true);
			ws_conn_end(t->conn);
		}
	}
}

void ws_client_free(struct ws *w)
{
	while (w->targets) {
		struct ws_target *t = w->targets;

		if (t->conn)
			ws_conn_free(t->conn);
		association_put(t->association);
		target_free(t);
	}
}
