/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that go over to another protocol. The connection stays in its lane, so that it is counted and stopped like any other, but its
 * stream's events go to who has taken it, and no deadline of HTTP concerns it. */
#include "binding/http/server_int.h"

/* --- events of its stream --- */

static void received(struct stream *s, const char *p, ssize_t n)
{
	struct http_taken *t = ((struct conn *)s)->taken;

	t->read(t, p, n);
}

static void drained(struct stream *s, int status)
{
	struct http_taken *t = ((struct conn *)s)->taken;

	t->drained(t, status);
}

static void closed(struct stream *s)
{
	struct http_taken *t = ((struct conn *)s)->taken;

	t->closed(t);
	conn_closed(s);
}

static const struct stream_events events = { .read = received, .drained = drained, .closed = closed };

/* --- taking over --- */

bool upgrade_asked(struct conn *c)
{
	struct http_server *s = c->lane->server;
	const struct http_upgrade *u = atomic_load_explicit(&s->upgrade, memory_order_acquire);
	const struct http_in *in = &c->ex->in;
	struct http_taken *taken = NULL;

	if (!u || !in->upgrade.n || c->lane->stopping)
		return false;
	switch (u->ask(u->ctx, in->method, in->target, buf_view(&in->upgrade), &c->lane->out, &taken)) {
	case HTTP_NOT_UPGRADED:
		return false;
	case HTTP_UPGRADE_REFUSED:
		c->last = true;
		return true;
	default:
		break;
	}
	taken->stream = &c->stream;
	taken->loop = c->lane->loop;
	taken->peer = conn_peer(c);
	taken->association = c->association;
	c->taken = taken;
	c->stream.on = &events;
	return true;
}

void upgrade_begin(struct conn *c, const char *rest, size_t n)
{
	struct http_taken *t = c->taken;

	if (c->wait == WAIT_TAKEN)
		return;
	atomic_fetch_sub(&c->lane->server->core->shared.unread, c->unread);
	c->unread = 0;
	lane_wait(c, WAIT_TAKEN);
	stream_read_stop(&c->stream);
	t->begin(t);
	if (n && !c->dead)
		t->read(t, rest, (ssize_t)n);
}

void http_taken_close(struct http_taken *t) { conn_close((struct conn *)t->stream); }
