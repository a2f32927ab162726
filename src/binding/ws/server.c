/* SPDX-License-Identifier: Apache-2.0 */
/* Listening side: connections of HTTP that ask for WebSocket. An association is made before HTTP sees a byte, so who has no valid
 * credential never gets here (SEC-020, CORE-310). */
#include <stdlib.h>

#include "binding/ws/handshake.h"
#include "binding/ws/ws_int.h"

struct accepted {
	struct http_taken taken; /* first */
	struct ws *ws;
	struct ws_conn *conn;    /* NULL: it could not be made */
	enum serial serial;
};

static void close_it(struct ws_conn *c) { http_taken_close(c->owner); }

static void begin(struct http_taken *t)
{
	static const struct ws_owner how = { .close = close_it, .takes_requests = true, .attach = true };
	struct accepted *a = (struct accepted *)t;

	if (ws_conn_new(a->ws, t->loop, t->stream, &how, t, a->serial, &t->peer, t->association, &a->conn) != RC_OK)
		http_taken_close(t);
}

static void received(struct http_taken *t, const char *p, ssize_t n) { ws_conn_read(((struct accepted *)t)->conn, p, n); }

static void drained(struct http_taken *t, int status) { ws_conn_drained(((struct accepted *)t)->conn, status); }

static void stop(struct http_taken *t, bool now)
{
	struct ws_conn *c = ((struct accepted *)t)->conn;

	ws_conn_stop(c, WS_AWAY, now ? "this connection is not served any longer" : "", now);
	if (now) /* nobody is waited for */
		ws_conn_end(c);
}

static void closed(struct http_taken *t)
{
	struct accepted *a = (struct accepted *)t;

	if (a->conn)
		ws_conn_free(a->conn);
	free(a);
}

static enum http_upgraded ask(void *ctx, const char *method, struct slice target, struct slice headers, struct buf *out,
			      struct http_taken **taken)
{
	const struct config_list *origins = &((struct ws *)ctx)->core->cfg->ws.origins;
	const struct ws_ask question = { .method = method, .target = target, .headers = headers,
					 .origins = origins->v, .n_origins = origins->n };
	struct accepted *a;
	enum serial serial;

	switch (ws_answer(&question, out, &serial)) {
	case WS_NOT_ASKED:
		return HTTP_NOT_UPGRADED;
	case WS_REFUSED:
		return HTTP_UPGRADE_REFUSED;
	default:
		break;
	}
	a = calloc(1, sizeof(*a));
	if (!a)
		abort(); /* a few hundred bytes: nothing can go on */
	*a = (struct accepted){ .taken = { .begin = begin, .read = received, .drained = drained, .stop = stop, .closed = closed },
				.ws = ctx, .serial = serial };
	*taken = &a->taken;
	return HTTP_UPGRADED;
}

void ws_upgrade_init(struct ws *w) { w->upgrade = (struct http_upgrade){ .ctx = w, .ask = ask }; }

void ws_serve(struct ws *w, struct http_server *s)
{
	http_server_upgrade(s, &w->upgrade);
}
