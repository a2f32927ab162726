/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP listener: a listening socket and a set of connections per loop, their deadlines, start and stop.
 *
 * Each loop has its own listening socket (SO_REUSEPORT) and owns what it accepts. Connections stand in one queue per kind of
 * waiting; as all that wait for the same thing have the same span, each queue is in order of deadlines and a tick looks at
 * the heads only. */
#include "binding/http/server_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

/* --- time --- */

void lane_leave(struct conn *c)
{
	struct wait_queue *q;

	if (c->wait >= WAITS)
		return;
	q = &c->lane->queue[c->wait];
	*(c->prev ? &c->prev->next : &q->first) = c->next;
	*(c->next ? &c->next->prev : &q->last) = c->prev;
	c->wait = WAITS;
}

void lane_wait(struct conn *c, enum wait w)
{
	struct wait_queue *q = &c->lane->queue[w];

	if (c->wait == w && (w == WAIT_HEADER || w == WAIT_BODY || w == WAIT_LINGER || w == WAIT_WRITE))
		return; /* the time runs on: a byte now and then is no excuse */
	c->since = uv_now(&c->lane->loop->uv);
	if (c->wait == w && q->last == c)
		return;
	lane_leave(c);
	if (w == WAIT_WRITE)
		c->pending = 0;
	c->wait = (uint8_t)w;
	c->prev = q->last;
	c->next = NULL;
	*(q->last ? &q->last->next : &q->first) = c;
	q->last = c;
}

/* A handshake has a time of its own (tls.handshake_time), the core answers when it can, and who has taken a connection over sees to it. */
static bool has_time(enum wait w) { return w != WAIT_HANDSHAKE && w != WAIT_CORE && w != WAIT_TAKEN; }

static void ticked(uv_timer_t *t)
{
	struct lane *l = t->data;
	uint64_t now = uv_now(&l->loop->uv);

	for (unsigned w = 0; w < WAITS; w++)
		while (has_time(w) && l->queue[w].first && now - l->queue[w].first->since >= l->span[w])
			conn_expired(l->queue[w].first);
	if (!l->n_conns)
		uv_timer_stop(t); /* a server nobody talks to sleeps */
}

static void accepted(uv_stream_t *s, int status)
{
	struct lane *l = s->data;

	if (status < 0) {
		log_warn("http", "a connection could not be accepted: %s", uv_strerror(status));
		return;
	}
	conn_accept(l);
	if (l->n_conns && !uv_is_active((uv_handle_t *)&l->tick))
		uv_timer_start(&l->tick, ticked, TICK_MS, TICK_MS);
}

void lane_report(struct lane *l, int failed)
{
	struct http_server *s = l->server;

	uv_mutex_lock(&s->mutex);
	s->waiting_for--;
	if (failed && !s->failed)
		s->failed = failed;
	uv_cond_broadcast(&s->changed);
	uv_mutex_unlock(&s->mutex);
}

void lane_conn_gone(struct lane *l)
{
	struct http_server *s = l->server;

	l->n_conns--;
	atomic_fetch_sub_explicit(&s->core->shared.connections, 1, memory_order_relaxed);
	metrics_inc(&s->core->metrics, connections_closed);
	if (l->stopping && !l->n_conns && !l->told) {
		l->told = true;
		lane_report(l, 0);
	}
}

/* --- start --- */

static int address_of(const char *address, uint16_t port, struct sockaddr_storage *room, socklen_t *n)
{
	*room = (struct sockaddr_storage){ 0 };
	if (uv_ip4_addr(address, port, (struct sockaddr_in *)room) == 0) {
		*n = sizeof(struct sockaddr_in);
		return 0;
	}
	*n = sizeof(struct sockaddr_in6);
	return uv_ip6_addr(address, port, (struct sockaddr_in6 *)room);
}

static int listening_socket(const char *address, uint16_t *port, bool shared)
{
	struct sockaddr_storage room;
	struct sockaddr *a = (struct sockaddr *)&room;
	socklen_t n;
	int one = 1, fd, saved;

	if (address_of(address, *port, &room, &n) != 0) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0) && bind(fd, a, n) == 0 &&
	    getsockname(fd, a, &n) == 0) {
		*port = ntohs(a->sa_family == AF_INET ? ((struct sockaddr_in *)a)->sin_port : ((struct sockaddr_in6 *)a)->sin6_port);
		return fd;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* The sockets of all lanes. SO_REUSEPORT would let a second process share our port in silence, so it is bound once without. */
static bool open_sockets(struct http_server *s, const char *address)
{
	int fd;

	if (s->port) {
		fd = listening_socket(address, &s->port, false);
		if (fd < 0)
			return false;
		close(fd);
	}
	for (unsigned i = 0; i < s->n_lanes; i++)
		if ((s->lanes[i].fd = listening_socket(address, &s->port, true)) < 0)
			return false;
	return true;
}

static void start_lane(struct loop *loop, struct loop_msg *m)
{
	struct lane *l = (struct lane *)((char *)m - offsetof(struct lane, start_msg));
	int rc;

	uv_timer_init(&loop->uv, &l->tick);
	uv_tcp_init(&loop->uv, &l->listener);
	l->tick.data = l->listener.data = l;
	rc = uv_tcp_open(&l->listener, l->fd);
	if (rc == 0) {
		l->fd = -1; /* the handle's */
		rc = uv_listen((uv_stream_t *)&l->listener, 1024, accepted);
	}
	lane_report(l, rc);
}

static uint64_t ms(usec t) { return t > USEC_MS ? (uint64_t)(t / USEC_MS) : 1; }

static void lane_init(struct lane *l, struct http_server *s, struct loop *loop)
{
	const struct limits *lim = &s->core->cfg->limits;

	l->server = s;
	l->loop = loop;
	l->fd = -1;
	l->late_end = &l->late;
	l->start_msg.fn = start_lane;
	l->span[WAIT_IDLE] = l->span[WAIT_WRITE] = ms(lim->idle);
	l->span[WAIT_HEADER] = ms(lim->header_time);
	l->span[WAIT_BODY] = ms(lim->body_time);
	l->span[WAIT_LINGER] = LINGER_MS;
	buf_init(&l->out, lim->response * 4 + (1 << 20));
}

/* Until every lane has reported, or `limit` ms have passed (0: no limit). */
static bool wait_for_lanes(struct http_server *s, uint64_t limit)
{
	uint64_t until = uv_hrtime() + limit * 1000000;
	bool all;

	uv_mutex_lock(&s->mutex);
	while (s->waiting_for) {
		uint64_t now = uv_hrtime();
		if (!limit)
			uv_cond_wait(&s->changed, &s->mutex);
		else if (now >= until || uv_cond_timedwait(&s->changed, &s->mutex, until - now) != 0)
			break;
	}
	all = s->waiting_for == 0;
	uv_mutex_unlock(&s->mutex);
	return all;
}

static struct http_server *server_new(struct core *c)
{
	struct http_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->core = c;
	s->n_lanes = c->n_loops;
	s->lanes = calloc(s->n_lanes, sizeof(*s->lanes));
	if (!s->lanes || uv_mutex_init(&s->mutex) != 0) {
		free(s->lanes);
		free(s);
		return NULL;
	}
	if (uv_cond_init(&s->changed) != 0) {
		uv_mutex_destroy(&s->mutex);
		free(s->lanes);
		free(s);
		return NULL;
	}
	for (unsigned i = 0; i < s->n_lanes; i++)
		lane_init(&s->lanes[i], s, &c->loops[i]);
	return s;
}

enum reeve_rc http_listen(struct core *c, const char *address, uint16_t port, bool tls, struct http_server **out, char why[256])
{
	struct http_server *s = server_new(c);

	if (!s) {
		snprintf(why, 256, "no memory for the HTTP listener");
		return RC_NOMEM;
	}
	s->port = port;
	s->tls = tls;
	if (!open_sockets(s, address)) {
		snprintf(why, 256, "%s:%u cannot be listened on: %s", address, port, strerror(errno));
		for (unsigned i = 0; i < s->n_lanes; i++)
			if (s->lanes[i].fd >= 0)
				close(s->lanes[i].fd);
		http_server_free(s);
		return RC_IO;
	}
	s->waiting_for = s->n_lanes;
	for (unsigned i = 0; i < s->n_lanes; i++)
		loop_post(s->lanes[i].loop, &s->lanes[i].start_msg);
	wait_for_lanes(s, 0);
	if (s->failed) {
		snprintf(why, 256, "%s:%u cannot be listened on: %s", address, s->port, uv_strerror(s->failed));
		http_server_stop(s); /* its handles belong to the loops: what is left goes with the process */
		return RC_IO;
	}
	*out = s;
	return RC_OK;
}

uint16_t http_server_port(const struct http_server *s) { return s->port; }

void http_server_upgrade(struct http_server *s, const struct http_upgrade *u)
{
	atomic_store_explicit(&s->upgrade, u, memory_order_release);
}

void http_server_pages(struct http_server *s, http_page page) { atomic_store_explicit(&s->page, page, memory_order_release); }

/* --- stop --- */

static void end_connections(struct lane *l, bool now)
{
	for (unsigned w = 0; w < WAITS; w++)
		for (struct conn *c = l->queue[w].first, *next; c; c = next) {
			next = c->next;
			conn_stop(c, now);
		}
	if (!l->n_conns && !l->told) {
		l->told = true;
		lane_report(l, 0);
	}
}

static void stop_lane(struct loop *loop, struct loop_msg *m)
{
	struct lane *l = (struct lane *)((char *)m - offsetof(struct lane, stop_msg));

	l->stopping = true;
	uv_close((uv_handle_t *)&l->listener, NULL);
	uv_close((uv_handle_t *)&l->tick, NULL);
	end_connections(l, false);
}

static void force_lane(struct loop *loop, struct loop_msg *m)
{
	end_connections((struct lane *)((char *)m - offsetof(struct lane, force_msg)), true);
}

void http_server_stop(struct http_server *s)
{
	if (!s)
		return;
	s->waiting_for = s->n_lanes;
	for (unsigned i = 0; i < s->n_lanes; i++) {
		s->lanes[i].stop_msg.fn = stop_lane;
		loop_post(s->lanes[i].loop, &s->lanes[i].stop_msg);
	}
	if (wait_for_lanes(s, STOP_MS))
		return;
	for (unsigned i = 0; i < s->n_lanes; i++) {
		s->lanes[i].force_msg.fn = force_lane;
		loop_post(s->lanes[i].loop, &s->lanes[i].force_msg);
	}
	wait_for_lanes(s, 0);
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->n_lanes; i++) {
		while (s->lanes[i].all)
			exchange_free(s->lanes[i].all);
		buf_free(&s->lanes[i].out);
	}
	uv_cond_destroy(&s->changed);
	uv_mutex_destroy(&s->mutex);
	free(s->lanes);
	free(s);
}
