/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets, peers and time of the message layer. What waits for acknowledgements and what is remembered: reliable.c. */
#include "binding/coap/endpoint_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/rand.h"

enum { INPUT_DATAGRAMS = 16, INPUT_BYTES = 65536 /* of each: what libuv reserves */, TABLE = 4096 };

/* --- time --- */

static void ticked(uv_timer_t *t);

static void set_timer(struct coap_endpoint *e)
{
	const uint64_t now = uv_now(&e->loop->uv);

	if (e->closing)
		return;
	if (e->due.next == &e->due)
		uv_timer_stop(&e->timer);
	else
		uv_timer_start(&e->timer, ticked, e->due.next->when > now ? e->due.next->when - now : 0, 0);
}

static void ticked(uv_timer_t *t)
{
	struct coap_endpoint *e = t->data;
	const uint64_t now = uv_now(&e->loop->uv);

	while (e->due.next != &e->due && e->due.next->when <= now) {
		struct coap_due *d = e->due.next;
		coap_due_cancel(d);
		d->fn(d);
	}
	coap_flush(e);
	set_timer(e);
}

/* Most are due later than all others, so the place is looked for from the end. */
void coap_due_at(struct coap_endpoint *e, struct coap_due *d, uint64_t when)
{
	struct coap_due *after = e->due.prev;

	coap_due_cancel(d);
	d->when = when ? when : 1;
	while (after != &e->due && after->when > d->when)
		after = after->prev;
	d->prev = after;
	d->next = after->next;
	after->next->prev = d;
	after->next = d;
	if (e->due.next == d)
		set_timer(e);
}

void coap_due_cancel(struct coap_due *d)
{
	if (!d->when)
		return;
	d->prev->next = d->next;
	d->next->prev = d->prev;
	d->when = 0;
}

/* --- peers --- */

static uint64_t hash_of(const union coap_address *a, struct slice entity)
{
	struct { uint8_t ip[16]; uint16_t port; uint32_t scope; uint64_t entity; } key;

	memset(&key, 0, sizeof(key));
	if (a->any.sa_family == AF_INET6) {
		memcpy(key.ip, &a->v6.sin6_addr, 16);
		key.port = a->v6.sin6_port;
		key.scope = a->v6.sin6_scope_id;
	} else {
		memcpy(key.ip, &a->v4.sin_addr, 4);
		key.port = a->v4.sin_port;
	}
	key.entity = entity.n ? hash_slice(entity) : 0;
	return hash_mem(&key, sizeof(key));
}

static bool same_address(const union coap_address *a, const union coap_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->v6.sin6_port == b->v6.sin6_port && a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
	       memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0;
}

/* One form for each address: IPv4 through an IPv6 socket is IPv4. */
static void copy_address(union coap_address *to, const struct sockaddr *a)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;

	memset(to, 0, sizeof(*to));
	if (a->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		to->v4.sin_family = AF_INET;
		to->v4.sin_port = v6->sin6_port;
		memcpy(&to->v4.sin_addr, &v6->sin6_addr.s6_addr[12], 4);
	} else {
		memcpy(to, a, a->sa_family == AF_INET ? sizeof(to->v4) : sizeof(to->v6));
	}
}

static void unring(struct coap_peer *p)
{
	p->newer->older = p->older;
	p->older->newer = p->newer;
}

/* Heard of just now. */
static void touch(struct coap_peer *p)
{
	struct coap_peer *ring = &p->endpoint->ring;

	if (p->newer)
		unring(p);
	p->newer = ring;
	p->older = ring->older;
	ring->older->newer = p;
	ring->older = p;
}

static void peer_free(struct coap_peer *p)
{
	struct coap_endpoint *e = p->endpoint;
	struct coap_peer **at = e->table ? &e->table[p->hash & (e->table_n - 1)] : NULL; /* NULL: closed */

	while (at && *at && *at != p)
		at = &(*at)->hash_next;
	if (at && *at)
		*at = p->hash_next;
	unring(p);
	e->n_peers--;
	coap_forget_all(p);
	if (p->association) {
		association_leave(p->association);
		association_put(p->association);
	}
	buf_free(&p->entity);
	free(p);
}

void coap_peer_put(struct coap_peer *p)
{
	if (!--p->refs && p->gone)
		peer_free(p);
}

/* Room for one more: somebody goes who was not heard of for longest and whom nothing needs. */
static void make_room(struct coap_endpoint *e)
{
	struct coap_peer *p = e->ring.newer;
	const size_t most = e->core->cfg->limits.unread;

	if (e->n_peers < e->peers_most && e->remembered < most)
		return;
	metrics_inc(&e->core->metrics, limit_coap_peers);
	while (p != &e->ring && (e->n_peers >= e->peers_most || e->remembered >= most)) {
		struct coap_peer *next = p->newer;
		if (!p->refs && !p->session)
			peer_free(p);
		p = next;
	}
}

static struct coap_peer *peer_new(struct coap_endpoint *e, const union coap_address *a, uint64_t hash)
{
	struct coap_peer *p;

	if (e->closing)
		return NULL;
	make_room(e);
	p = e->n_peers < 2 * e->peers_most ? calloc(1, sizeof(*p)) : NULL;
	if (!p)
		return NULL;
	p->endpoint = e;
	p->address = *a;
	p->hash = hash;
	p->calls_end = &p->calls;
	p->mid = (uint16_t)rand_u64();
	buf_init(&p->entity, 4096);
	p->hash_next = e->table[hash & (e->table_n - 1)];
	e->table[hash & (e->table_n - 1)] = p;
	e->n_peers++;
	touch(p);
	return p;
}

static struct coap_peer *peer_find(struct coap_endpoint *e, const union coap_address *a, uint64_t hash, struct slice entity)
{
	struct coap_peer *p = e->table[hash & (e->table_n - 1)];

	while (p && (p->hash != hash || p->gone || !same_address(&p->address, a) || !slice_eq(buf_view(&p->entity), entity)))
		p = p->hash_next;
	if (p)
		touch(p);
	return p;
}

struct coap_peer *coap_peer_at(struct coap_endpoint *e, const struct sockaddr *sa)
{
	union coap_address a;
	struct coap_peer *p;
	uint64_t hash;

	copy_address(&a, sa);
	hash = hash_of(&a, S(""));
	p = peer_find(e, &a, hash, S(""));
	return p ? p : peer_new(e, &a, hash);
}

struct coap_peer *coap_peer_secure(struct coap_endpoint *e, const struct sockaddr *sa, struct slice entity, const struct tls_want *want)
{
	union coap_address a;
	struct tls_setup *setup;
	struct coap_peer *p;
	uint64_t hash;

	copy_address(&a, sa);
	hash = hash_of(&a, entity);
	if ((p = peer_find(e, &a, hash, entity)))
		return p;
	setup = association_setup(e->core, true, true);
	p = setup ? peer_new(e, &a, hash) : NULL;
	if (p) {
		buf_slice(&p->entity, entity);
		coap_peer_get(p); /* of the session */
		p->session = dtls_connect(e->dtls, sa, setup, want);
		if (p->session) {
			dtls_set_owner(p->session, p);
		} else {
			p->gone = true;
			coap_peer_put(p);
			p = NULL;
		}
	}
	tls_setup_put(setup);
	return p;
}

void coap_peer_ip(const struct coap_peer *p, uint8_t out[16])
{
	memset(out, 0, 16);
	if (p->address.any.sa_family == AF_INET6) {
		memcpy(out, &p->address.v6.sin6_addr, 16);
	} else {
		out[10] = out[11] = 0xff;
		memcpy(out + 12, &p->address.v4.sin_addr, 4);
	}
}

/* --- out --- */

void coap_flush(struct coap_endpoint *e)
{
	struct mmsghdr m[COAP_BATCH];
	struct iovec v[COAP_BATCH];
	uv_os_fd_t fd;

	if (e->n_batch && !e->out.failed && uv_fileno((uv_handle_t *)&e->udp, &fd) == 0) {
		memset(m, 0, e->n_batch * sizeof(m[0]));
		for (unsigned i = 0; i < e->n_batch; i++) {
			const bool v6 = e->batch[i].to.any.sa_family == AF_INET6;
			v[i] = (struct iovec){ e->out.p + e->batch[i].from, e->batch[i].n };
			m[i].msg_hdr = (struct msghdr){ .msg_name = &e->batch[i].to, .msg_iov = &v[i], .msg_iovlen = 1,
							.msg_namelen = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in) };
		}
		for (unsigned at = 0; at < e->n_batch;) { /* one that cannot be sent must not keep others back */
			const int n = sendmmsg(fd, m + at, e->n_batch - at, MSG_DONTWAIT);
			at += n > 0 ? (unsigned)n : 1;
		}
	}
	e->n_batch = 0;
	buf_clear(&e->out);
}

void coap_send_once(struct coap_peer *p, struct slice message)
{
	struct coap_endpoint *e = p->endpoint;

	if (p->gone || e->closing || !message.n)
		return;
	if (e->dtls) {
		if (p->opened && dtls_write(p->session, message.p, message.n) != RC_OK)
			log_debug("coap", "a message is too long for its DTLS session");
		return;
	}
	if (e->n_batch == COAP_BATCH || e->out.failed)
		coap_flush(e);
	e->batch[e->n_batch].to = p->address;
	e->batch[e->n_batch].from = e->out.n;
	e->batch[e->n_batch].n = message.n;
	e->n_batch++;
	buf_slice(&e->out, message);
}

/* --- in --- */

static void arrived(struct coap_peer *p, struct slice datagram)
{
	struct coap_endpoint *e = p->endpoint;
	struct coap_message m;
	enum coap_verdict v = coap_parse(datagram, &m);

	if (v != COAP_OK)
		metrics_inc(&e->core->metrics, bad_coap);
	if (v == COAP_SILENCE)
		return;
	coap_peer_get(p);
	if (v == COAP_REJECT || (m.type == COAP_CON && m.code == COAP_EMPTY)) { /* the latter is a ping */
		if (m.type == COAP_CON)
			coap_send_empty(p, COAP_RST, m.mid);
	} else if (m.type == COAP_ACK || m.type == COAP_RST) {
		coap_answered(p, &m);
		if (m.type == COAP_ACK && m.code != COAP_EMPTY)
			e->on->response(e, p, &m);
	} else if (coap_is_request(m.code)) {
		e->on->request(e, p, &m);
	} else if (coap_is_response(m.code)) {
		e->on->response(e, p, &m);
	}
	coap_peer_put(p);
}

static void allocate(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	struct coap_endpoint *e = h->data;
	*b = uv_buf_init(e->input, INPUT_DATAGRAMS * INPUT_BYTES);
}

/* The network said that a datagram of ours found nobody (ICMP): messages to that address that wait for their acknowledgement are lost. The
 * kernel tells only what belongs to this socket. */
static void refused(struct coap_endpoint *e)
{
	union coap_address a, to;
	char rest[64], control[512];
	struct iovec v = { rest, sizeof(rest) };
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)&e->udp, &fd) != 0)
		return;
	for (unsigned i = 0; i < COAP_BATCH; i++) {
		struct msghdr m = { .msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = &v, .msg_iovlen = 1, .msg_control = control,
				    .msg_controllen = sizeof(control) };
		struct coap_peer *p;

		memset(&a, 0, sizeof(a));
		if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		if (m.msg_namelen < sizeof(a.v4))
			continue;
		copy_address(&to, &a.any);
		p = peer_find(e, &to, hash_of(&to, S("")), S(""));
		if (p)
			coap_lose_all(p);
	}
}

static void on_datagram(uv_udp_t *u, ssize_t n, const uv_buf_t *b, const struct sockaddr *from, unsigned flags)
{
	struct coap_endpoint *e = u->data;
	struct coap_peer *p;

	if (n > 0 && from && !e->closing) {
		if (n > COAP_DATAGRAM_MAX || flags & UV_UDP_PARTIAL)
			metrics_inc(&e->core->metrics, bad_coap);
		else if ((p = coap_peer_at(e, from)))
			arrived(p, slice_of(b->base, (size_t)n));
	}
	if (n < 0)
		refused(e);
	if (!(flags & UV_UDP_MMSG_CHUNK)) /* the last of what was read at once */
		coap_flush(e);
}

/* --- DTLS --- */

static void association_over(void *owner)
{
	struct coap_peer *p = owner;

	if (p->session)
		dtls_end(p->session);
}

static void turned_away(void *ctx)
{
	struct coap_endpoint *e = ctx;

	metrics_inc(&e->core->metrics, limit_coap_sessions);
}

static void session_open(void *ctx, struct dtls_session *s)
{
	struct coap_endpoint *e = ctx;
	struct coap_peer *p = dtls_owner(s);
	char why[TLS_WHY_MAX] = "";
	union coap_address a;

	if (!p) { /* a listener's */
		copy_address(&a, dtls_address(s));
		p = peer_new(e, &a, hash_of(&a, S("")));
		if (!p) {
			dtls_end(s);
			return;
		}
		coap_peer_get(p);
		p->session = s;
		dtls_set_owner(s, p);
	}
	p->association = association_new(e->core, tls_peer(dtls_tls(s)), e->loop, association_over, p, why);
	if (p->association && p->entity.n && !association_with(p->association, buf_view(&p->entity)))
		snprintf(why, sizeof(why), "the credential is somebody else's");
	if (why[0]) {
		log_info("coap", "a DTLS session ends: %s", why);
		dtls_end(s);
		return;
	}
	p->opened = true;
	if (e->on->opened)
		e->on->opened(p);
}

static void session_read(void *ctx, struct dtls_session *s, const char *bytes, size_t n)
{
	struct coap_peer *p = dtls_owner(s);

	if (p && p->opened) {
		touch(p);
		arrived(p, slice_of(bytes, n));
	}
}

static void session_closed(void *ctx, struct dtls_session *s)
{
	struct coap_endpoint *e = ctx;
	struct coap_peer *p = dtls_owner(s);

	if (!p)
		return;
	dtls_set_owner(s, NULL);
	if (!p->opened && p->entity.n)
		log_info("coap", "no security association with %.*s: %s", SF(buf_view(&p->entity)), tls_why(dtls_tls(s)));
	p->session = NULL;
	p->opened = false;
	p->gone = true;
	if (p->association) {
		association_leave(p->association);
		association_put(p->association);
		p->association = NULL;
	}
	coap_unack_all(p);
	if (e->on->ended)
		e->on->ended(p);
	coap_peer_put(p);
}

static const struct dtls_events dtls_on = { session_open, session_read, session_closed, turned_away };

/* --- life --- */

static int open_clear(struct coap_endpoint *e, const char *address, uint16_t port)
{
	union coap_address a;
	int rc, n = sizeof(a);

	memset(&a, 0, sizeof(a));
	if (!address)
		rc = uv_ip6_addr("::", port, &a.v6);
	else if ((rc = uv_ip4_addr(address, port, &a.v4)) != 0)
		rc = uv_ip6_addr(address, port, &a.v6);
	if (rc == 0 && !(e->input = malloc((size_t)INPUT_DATAGRAMS * INPUT_BYTES)))
		rc = UV_ENOMEM;
	if (rc == 0)
		rc = uv_udp_init_ex(&e->loop->uv, &e->udp, AF_UNSPEC | UV_UDP_RECVMMSG);
	if (rc != 0)
		return rc;
	e->udp.data = e;
	e->handles++;
	rc = uv_udp_bind(&e->udp, &a.any, address ? 0 : UV_UDP_LINUX_RECVERR);
	if (rc != 0 && !address && uv_ip4_addr("0.0.0.0", port, &a.v4) == 0) /* a system without IPv6 */
		rc = uv_udp_bind(&e->udp, &a.any, UV_UDP_LINUX_RECVERR);
	if (rc == 0)
		rc = uv_udp_recv_start(&e->udp, allocate, on_datagram);
	if (rc == 0)
		rc = uv_udp_getsockname(&e->udp, &a.any, &n);
	if (rc == 0)
		e->port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
	return rc;
}

int coap_endpoint_open(struct coap_endpoint *e, struct core *c, struct loop *l, const char *address, uint16_t port, struct tls_setup *setup,
		       const struct coap_handler *on, void *ctx)
{
	const struct dtls_limits limits = { .sessions = c->cfg->tls.sessions, .handshakes = c->cfg->tls.handshakes,
					.idle = c->cfg->limits.idle };
	int rc;

	memset(e, 0, sizeof(*e));
	e->core = c;
	e->loop = l;
	e->on = on;
	e->ctx = ctx;
	e->peers_most = setup ? c->cfg->tls.sessions : c->cfg->limits.connections;
	e->due.prev = e->due.next = &e->due;
	e->ring.newer = e->ring.older = &e->ring;
	buf_init(&e->out, (size_t)COAP_BATCH * 2 * COAP_DATAGRAM_MAX);
	e->table_n = TABLE;
	e->table = calloc(e->table_n, sizeof(struct coap_peer *));
	if (!e->table)
		return UV_ENOMEM;
	rc = uv_timer_init(&l->uv, &e->timer);
	if (rc != 0)
		return rc;
	e->timer.data = e;
	e->handles++;
	if (!setup)
		return open_clear(e, address, port);
	rc = dtls_open(l, address, port, address ? setup : NULL, &limits, &dtls_on, e, &e->dtls);
	if (rc == 0)
		e->port = dtls_port(e->dtls);
	return rc;
}

static void handle_closed(uv_handle_t *h)
{
	struct coap_endpoint *e = h->data;

	if (--e->handles)
		return;
	buf_free(&e->out);
	free(e->input);
	free(e->table);
	e->table = NULL;
	if (e->closed)
		e->closed(e);
}

void coap_endpoint_close(struct coap_endpoint *e, void (*closed)(struct coap_endpoint *e))
{
	if (!e->handles) /* it was never opened */
		return;
	coap_flush(e);
	if (e->dtls)
		dtls_close(e->dtls); /* tells of each session that it has ended */
	e->closing = true;
	e->closed = closed;
	for (struct coap_peer *p = e->ring.newer, *next; p != &e->ring; p = next) {
		next = p->newer;
		coap_unack_all(p);
		p->gone = true;
		if (!p->refs)
			peer_free(p);
	}
	if (!e->dtls && e->udp.data)
		uv_close((uv_handle_t *)&e->udp, handle_closed);
	uv_close((uv_handle_t *)&e->timer, handle_closed);
}
