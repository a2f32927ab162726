/* SPDX-License-Identifier: Apache-2.0 */
/* DTLS over one UDP socket; see dtls.h.
 *
 * A datagram finds its session by the address it came from. One that finds none is a ClientHello, and answered with a cookie or taken with
 * one (tls_hello), or it is nothing. The same is done with every ClientHello of a known address, so that a client that lost its state is
 * not kept out by it: a hello with a good cookie and another random number than the session's begins a new session in its place; the
 * same number is the old hello once more, and goes to the session, which knows what to do.
 *
 * An open session costs its entry here and what GnuTLS keeps: its timer is given back after the handshake. Idle ones are found at the old
 * end of a ring in the order of last use, by one timer of the socket.
 *
 * A session that ends leaves the table at once; its owner is told and its memory given back in a turn of its own (reap), so that no
 * callback runs below a call of the owner's. */
#include "tls/dtls.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"

enum { FIRST_BUCKETS = 64, RECORD_HEAD = 13, HELLO_RANDOM = 27, HELLO_LEAST = 59, RETRANSMIT_LEAST_MS = 20, HANDLES = 3 };

union address { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; };
struct peer_key { uint8_t ip[16], port[2], none[2]; uint32_t scope; }; /* compared as bytes: no holes */

/* A handshake's timer outlives its session until libuv lets it go. */
struct retransmit { uv_timer_t timer; struct dtls_session *s; };

struct dtls_session {
	struct dtls *d;
	struct tls *tls;
	void *owner;
	struct dtls_session *next;          /* in its bucket, or of those that are over */
	struct dtls_session *newer, *older; /* the ring */
	struct retransmit *retransmit;      /* during the handshake */
	uint64_t active;                    /* ms of the loop's clock */
	uint64_t hash, hello;               /* of the address; of the random number of its ClientHello */
	struct peer_key key;
	union address address;
	bool client, opened, over, busy, dead;
};

struct dtls {
	uv_udp_t udp;
	uv_timer_t idle, reaper;
	struct loop *loop;
	struct tls_setup *setup;
	const struct dtls_events *on;
	void *ctx;
	struct dtls_limits limits;
	struct dtls_counts counts;
	struct dtls_session **buckets;
	size_t n_buckets;                   /* a power of two */
	struct dtls_session ring;           /* newer: the one that was used longest ago */
	struct dtls_session *over;
	bool six, closing;
	unsigned handles;
	struct buf out;
	char plain[TLS_RECORD_MAX];
};

#define COUNT(d, what) atomic_fetch_add_explicit(&(d)->counts.what, 1, memory_order_relaxed)
#define UNCOUNT(d, what) atomic_fetch_sub_explicit(&(d)->counts.what, 1, memory_order_relaxed)
#define NOW(d, what) atomic_load_explicit(&(d)->counts.what, memory_order_relaxed)

/* --- addresses --- */

/* IPv4 in IPv6 becomes IPv4: a peer is the same over both kinds of sockets. False: neither. */
static bool address_of(const struct sockaddr *from, union address *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memset(out, 0, sizeof(*out));
	if (from->sa_family == AF_INET) {
		memcpy(&out->v4, from, sizeof(out->v4));
		return true;
	}
	if (from->sa_family != AF_INET6)
		return false;
	memcpy(&out->v6, from, sizeof(out->v6));
	if (!memcmp(&out->v6.sin6_addr, mapped, sizeof(mapped))) {
		struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = out->v6.sin6_port };
		memcpy(&v4.sin_addr, (const char *)&out->v6.sin6_addr + 12, 4);
		memset(out, 0, sizeof(*out));
		out->v4 = v4;
	}
	return true;
}

/* The other way, for a socket of IPv6. */
static union address on_wire(const struct dtls *d, const union address *a)
{
	union address out = *a;

	if (d->six && a->any.sa_family == AF_INET) {
		memset(&out, 0, sizeof(out));
		out.v6.sin6_family = AF_INET6;
		out.v6.sin6_port = a->v4.sin_port;
		memset((char *)&out.v6.sin6_addr + 10, 0xff, 2);
		memcpy((char *)&out.v6.sin6_addr + 12, &a->v4.sin_addr, 4);
	}
	return out;
}

static struct peer_key key_of(const union address *a)
{
	struct peer_key k;

	memset(&k, 0, sizeof(k));
	if (a->any.sa_family == AF_INET) {
		k.ip[10] = k.ip[11] = 0xff;
		memcpy(k.ip + 12, &a->v4.sin_addr, 4);
		memcpy(k.port, &a->v4.sin_port, 2);
	} else {
		memcpy(k.ip, &a->v6.sin6_addr, 16);
		memcpy(k.port, &a->v6.sin6_port, 2);
		k.scope = a->v6.sin6_scope_id;
	}
	return k;
}

/* --- the table --- */

static struct dtls_session *find(const struct dtls *d, const struct peer_key *key)
{
	const uint64_t hash = hash_mem(key, sizeof(*key));
	struct dtls_session *s = d->buckets[hash & (d->n_buckets - 1)];

	while (s && (s->hash != hash || memcmp(&s->key, key, sizeof(*key)) != 0))
		s = s->next;
	return s;
}

static void grow(struct dtls *d)
{
	const size_t n = d->n_buckets * 2;
	struct dtls_session **b = calloc(n, sizeof(struct dtls_session *)), *next;

	if (!b)
		return; /* chains become longer */
	for (size_t i = 0; i < d->n_buckets; i++)
		for (struct dtls_session *s = d->buckets[i]; s; s = next) {
			next = s->next;
			s->next = b[s->hash & (n - 1)];
			b[s->hash & (n - 1)] = s;
		}
	free(d->buckets);
	d->buckets = b;
	d->n_buckets = n;
}

static void ring_leave(struct dtls_session *s)
{
	s->older->newer = s->newer;
	s->newer->older = s->older;
}

static void ring_enter(struct dtls_session *s)
{
	struct dtls *d = s->d;

	s->active = uv_now(&d->loop->uv);
	s->newer = &d->ring;
	s->older = d->ring.older;
	s->older->newer = d->ring.older = s;
}

static void table_enter(struct dtls_session *s)
{
	struct dtls *d = s->d;

	if (COUNT(d, sessions) >= d->n_buckets)
		grow(d);
	s->hash = hash_mem(&s->key, sizeof(s->key));
	s->next = d->buckets[s->hash & (d->n_buckets - 1)];
	d->buckets[s->hash & (d->n_buckets - 1)] = s;
	ring_enter(s);
}

static void table_leave(struct dtls_session *s)
{
	struct dtls_session **at = &s->d->buckets[s->hash & (s->d->n_buckets - 1)];

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	ring_leave(s);
	UNCOUNT(s->d, sessions);
}

/* --- out --- */

/* Everything in d->out. The answer to a stranger has no session. */
static void flush(struct dtls *d, const union address *to)
{
	const union address wire = on_wire(d, to);
	struct slice rest = buf_view(&d->out), one;

	while (tls_datagram(&rest, &one)) {
		const uv_buf_t b = uv_buf_init((char *)(uintptr_t)one.p, (unsigned)one.n);
		if (uv_udp_try_send(&d->udp, &b, 1, &wire.any) < 0)
			COUNT(d, unsent);
	}
	buf_clear(&d->out);
}

/* --- the end of a session --- */

static void let_go(uv_handle_t *h) { free(h->data); }

static void stop_retransmit(struct dtls_session *s)
{
	struct retransmit *r = s->retransmit;

	s->retransmit = NULL;
	if (r && !uv_is_closing((uv_handle_t *)&r->timer)) /* else the loop has ended before its sessions */
		uv_close((uv_handle_t *)&r->timer, let_go);
}

static void session_free(struct dtls_session *s)
{
	tls_free(s->tls);
	free(s);
}

/* Tell the owners of those that are over. */
static void reap(struct dtls *d)
{
	while (d->over) {
		struct dtls_session *s = d->over;
		d->over = s->next;
		if (s->opened || s->client)
			d->on->closed(d->ctx, s);
		s->dead = true;
		if (!s->busy)
			session_free(s);
	}
}

static void reap_now(uv_timer_t *t) { reap(t->data); }

/* It is out of the table; `closed` follows. */
static void end(struct dtls_session *s, bool bye)
{
	struct dtls *d = s->d;

	if (s->over)
		return;
	s->over = true;
	if (bye) {
		buf_clear(&d->out);
		tls_bye(s->tls, &d->out);
		flush(d, &s->address);
	}
	if (!s->opened && !s->client)
		UNCOUNT(d, handshakes);
	stop_retransmit(s);
	table_leave(s);
	s->next = d->over;
	d->over = s;
	if (!d->closing)
		uv_timer_start(&d->reaper, reap_now, 0, 0);
}

void dtls_end(struct dtls_session *s) { end(s, true); }

enum reeve_rc dtls_write(struct dtls_session *s, const char *p, size_t n)
{
	if (s->over || !s->opened)
		return RC_IO;
	buf_clear(&s->d->out);
	const enum reeve_rc rc = tls_write(s->tls, p, n, &s->d->out);
	flush(s->d, &s->address);
	if (rc == RC_OK) {
		ring_leave(s);
		ring_enter(s);
	} else if (rc != RC_LIMIT) {
		end(s, false);
	}
	return rc;
}

/* --- in --- */

static void timed_out(uv_timer_t *t);

static void arm(struct dtls_session *s)
{
	const int ms = tls_timer(s->tls);

	if (s->retransmit && ms >= 0)
		uv_timer_start(&s->retransmit->timer, timed_out, (uint64_t)(ms < RETRANSMIT_LEAST_MS ? RETRANSMIT_LEAST_MS : ms), 0);
	else if (s->retransmit)
		uv_timer_stop(&s->retransmit->timer);
}

static void opened(struct dtls_session *s)
{
	s->opened = true;
	if (!s->client)
		UNCOUNT(s->d, handshakes);
	COUNT(s->d, opened);
	stop_retransmit(s);
	s->d->on->open(s->d->ctx, s);
}

/* What follows from input: send, tell, read, end. s may be gone afterwards. */
static void follow(struct dtls_session *s, enum tls_state state)
{
	struct dtls *d = s->d;
	size_t n;

	flush(d, &s->address);
	s->busy = true;
	/* an end right behind the first bytes: these are still read */
	if (!s->opened && (state == TLS_OPEN || (state == TLS_CLOSED && tls_peer(s->tls)->name.n)))
		opened(s);
	while (s->opened && !s->over && (n = tls_read(s->tls, d->plain, sizeof(d->plain))) > 0)
		d->on->read(d->ctx, s, d->plain, n);
	if (!s->over && (state == TLS_CLOSED || state == TLS_FAILED)) {
		if (state == TLS_FAILED)
			log_debug("dtls", "a session has failed: %s", tls_why(s->tls));
		end(s, state == TLS_CLOSED);
	}
	s->busy = false;
	if (s->dead)
		session_free(s);
	else if (!s->over && !s->opened)
		arm(s);
}

static void give(struct dtls_session *s, const char *p, size_t n)
{
	buf_clear(&s->d->out);
	const enum tls_state state = tls_input(s->tls, p, n, &s->d->out);
	follow(s, state);
}

static void timed_out(uv_timer_t *t)
{
	struct dtls_session *s = ((struct retransmit *)t->data)->s;

	buf_clear(&s->d->out);
	follow(s, tls_timeout(s->tls, &s->d->out));
}

static void woken(void *owner)
{
	struct dtls_session *s = owner;

	if (!s->over)
		give(s, NULL, 0);
}

/* --- a session begins --- */

static struct dtls_session *session_new(struct dtls *d, const union address *a, struct tls_setup *setup, const struct tls_want *want)
{
	struct dtls_session *s = NOW(d, sessions) < d->limits.sessions ? calloc(1, sizeof(*s)) : NULL;

	if (!s)
		return NULL;
	s->d = d;
	s->client = want != NULL;
	s->address = *a;
	s->key = key_of(a);
	s->retransmit = calloc(1, sizeof(*s->retransmit));
	s->tls = s->retransmit ? tls_new(setup, d->loop, want, woken, s) : NULL;
	if (!s->tls) {
		free(s->retransmit);
		free(s);
		return NULL;
	}
	uv_timer_init(&d->loop->uv, &s->retransmit->timer);
	s->retransmit->timer.data = s->retransmit;
	s->retransmit->s = s;
	table_enter(s);
	return s;
}

struct dtls_session *dtls_connect(struct dtls *d, const struct sockaddr *to, struct tls_setup *setup, const struct tls_want *want)
{
	struct dtls_session *s;
	union address a;

	if (d->closing || !want || !address_of(to, &a))
		return NULL;
	const struct peer_key key = key_of(&a);
	if (find(d, &key) || !(s = session_new(d, &a, setup, want)))
		return NULL;
	buf_clear(&d->out);
	if (tls_input(s->tls, NULL, 0, &d->out) == TLS_HANDSHAKE) {
		flush(d, &s->address);
		arm(s);
		return s;
	}
	buf_clear(&d->out); /* it could not even begin: nobody has heard of it */
	table_leave(s);
	stop_retransmit(s);
	session_free(s);
	return NULL;
}

/* A stranger has shown that it receives at its address. */
static void take(struct dtls *d, const union address *a, const struct tls_accept *accept, uint64_t hello, const char *p, size_t n)
{
	const unsigned most = d->limits.handshakes ? d->limits.handshakes : d->limits.sessions;
	struct dtls_session *s = NOW(d, handshakes) < most ? session_new(d, a, d->setup, NULL) : NULL;

	if (!s) {
		COUNT(d, full);
		if (d->on->full)
			d->on->full(d->ctx);
		return;
	}
	COUNT(d, handshakes);
	s->hello = hello;
	tls_accept(s->tls, accept);
	give(s, p, n);
}

/* Could this be a ClientHello of a first handshake? Its record lies in the datagram as a whole, so no answer is longer. */
static bool may_be_hello(const char *p, size_t n)
{
	return n >= HELLO_LEAST && p[0] == 22 && !p[3] && !p[4] && p[13] == 1 &&
	       ((size_t)(unsigned char)p[11] << 8 | (unsigned char)p[12]) + RECORD_HEAD <= n;
}

/* s: who has this address now, or NULL. */
static void greet(struct dtls *d, const union address *a, struct dtls_session *s, const char *p, size_t n)
{
	const uint64_t hello = hash_mem(p + HELLO_RANDOM, HELLO_LEAST - HELLO_RANDOM);
	const struct peer_key key = key_of(a);
	struct tls_accept accept;

	if (s && s->hello == hello) { /* once more */
		give(s, p, n);
		return;
	}
	buf_clear(&d->out);
	switch (tls_hello(d->setup, slice_of((const char *)&key, sizeof(key)), p, n, &accept, &d->out)) {
	case TLS_HELLO_IGNORE:
		COUNT(d, ignored);
		break;
	case TLS_HELLO_ASK:
		flush(d, a);
		break;
	case TLS_HELLO_GOOD:
		if (s)
			end(s, false); /* its peer does not know it any more */
		take(d, a, &accept, hello, p, n);
		break;
	}
}

static void received(uv_udp_t *u, ssize_t n, const uv_buf_t *b, const struct sockaddr *from, unsigned flags)
{
	struct dtls *d = u->data;
	union address a;

	if (n <= 0 || !from || d->closing || !address_of(from, &a))
		return; /* errors are of datagrams sent before: who was meant does not answer */
	const struct peer_key key = key_of(&a);
	struct dtls_session *s = find(d, &key);
	if (flags & UV_UDP_PARTIAL) {
		COUNT(d, ignored);
	} else if (may_be_hello(b->base, (size_t)n) && d->setup && !(s && s->client)) {
		greet(d, &a, s, b->base, (size_t)n);
	} else if (s) {
		ring_leave(s);
		ring_enter(s);
		give(s, b->base, (size_t)n);
	} else {
		COUNT(d, ignored);
	}
}

static void allocate(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	*b = uv_buf_init(((struct dtls *)h->data)->loop->input, LOOP_INPUT);
}

/* --- idleness --- */

static void idle_turn(uv_timer_t *t)
{
	struct dtls *d = t->data;
	const uint64_t now = uv_now(&d->loop->uv), span = (uint64_t)(d->limits.idle / USEC_MS);
	struct dtls_session *s;

	while ((s = d->ring.newer) != &d->ring && now - s->active >= span) {
		COUNT(d, idle);
		end(s, true);
	}
	const uint64_t wait = s == &d->ring ? span : s->active + span - now;
	uv_timer_start(&d->idle, idle_turn, wait ? wait : 1, 0);
}

/* --- the socket --- */

static int bind_to(struct dtls *d, const char *address, uint16_t port)
{
	union address a;
	int rc;

	memset(&a, 0, sizeof(a));
	if (address && (rc = uv_ip4_addr(address, port, &a.v4)) == 0)
		return uv_udp_bind(&d->udp, &a.any, 0);
	rc = uv_ip6_addr(address ? address : "::", port, &a.v6);
	if (rc == 0)
		rc = uv_udp_bind(&d->udp, &a.any, 0);
	d->six = rc == 0;
	if (rc == 0 || address)
		return rc;
	if ((rc = uv_ip4_addr("0.0.0.0", port, &a.v4)) == 0) /* a system without IPv6 */
		rc = uv_udp_bind(&d->udp, &a.any, 0);
	return rc;
}

static void handle_closed(uv_handle_t *h)
{
	struct dtls *d = h->data;

	if (--d->handles)
		return;
	buf_free(&d->out);
	free(d->buckets);
	tls_setup_put(d->setup);
	free(d);
}

void dtls_close(struct dtls *d)
{
	if (!d || d->closing)
		return;
	d->closing = true;
	while (d->ring.newer != &d->ring)
		end(d->ring.newer, true);
	reap(d);
	uv_close((uv_handle_t *)&d->udp, handle_closed);
	uv_close((uv_handle_t *)&d->idle, handle_closed);
	uv_close((uv_handle_t *)&d->reaper, handle_closed);
}

int dtls_open(struct loop *l, const char *address, uint16_t port, struct tls_setup *setup, const struct dtls_limits *limits,
	      const struct dtls_events *on, void *ctx, struct dtls **out)
{
	struct dtls *d = calloc(1, sizeof(*d));
	int rc;

	*out = NULL;
	if (!d || !(d->buckets = calloc(FIRST_BUCKETS, sizeof(struct dtls_session *)))) {
		free(d);
		return UV_ENOMEM;
	}
	d->n_buckets = FIRST_BUCKETS;
	d->loop = l;
	d->setup = setup ? tls_setup_get(setup) : NULL;
	d->limits = *limits;
	d->on = on;
	d->ctx = ctx;
	d->ring.newer = d->ring.older = &d->ring;
	d->handles = HANDLES;
	buf_init(&d->out, 1 << 20);
	uv_udp_init(&l->uv, &d->udp); /* makes no socket yet: cannot fail */
	uv_timer_init(&l->uv, &d->idle);
	uv_timer_init(&l->uv, &d->reaper);
	d->udp.data = d->idle.data = d->reaper.data = d;
	rc = bind_to(d, address, port);
	if (rc == 0)
		rc = uv_udp_recv_start(&d->udp, allocate, received);
	if (rc != 0) {
		dtls_close(d);
		return rc;
	}
	if (limits->idle > 0)
		idle_turn(&d->idle);
	*out = d;
	return 0;
}

uint16_t dtls_port(const struct dtls *d)
{
	union address a;
	int n = sizeof(a);

	if (uv_udp_getsockname(&d->udp, &a.any, &n) != 0)
		return 0;
	return ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
}

void dtls_set_setup(struct dtls *d, struct tls_setup *setup)
{
	struct tls_setup *old = d->setup;

	d->setup = setup ? tls_setup_get(setup) : NULL;
	tls_setup_put(old);
}

const struct dtls_counts *dtls_counts(const struct dtls *d) { return &d->counts; }
struct tls *dtls_tls(struct dtls_session *s) { return s->tls; }
const struct sockaddr *dtls_address(const struct dtls_session *s) { return &s->address.any; }
void dtls_set_owner(struct dtls_session *s, void *owner) { s->owner = owner; }
void *dtls_owner(const struct dtls_session *s) { return s->owner; }
