/* SPDX-License-Identifier: Apache-2.0 */
/* A session: bytes in, bytes out, a state. See tls.h and docs/internals/tls.md.
 *
 * GnuTLS pulls from `in` and pushes to the caller's buffer; it never sees a socket. While a client's flights are in clear, GnuTLS gets them
 * record by record (datagram by datagram), each after look.c has looked at it: so the handshake stops exactly in front of the message
 * that names a key which is not here yet. Afterwards everything that comes is deciphered at once into `plain`, so that `in` is empty and
 * given back whenever a connection is idle. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tls/tls_int.h"

enum {
	OUT_OF_IP = 48,                 /* IPv6 and UDP */
	MTU = 1280,
	HELD_MAX = 20480,               /* bytes that may come while a handshake is held: a flight, and a first record behind it */
	IN_MAX = HELD_MAX + 2 * LOOK_RECORD_MAX + (1 << 20), PLAIN_MAX = 1 << 24,
	MEMORY_MAX = 1 << 18,
	RETRANSMIT_MS = 1000,           /* RFC 6347 4.2.4.1 */
	READ_ROOM = TLS_RECORD_MAX,
};

void tls_because(struct tls *t, const char *fmt, ...)
{
	va_list ap;

	if (t->why[0])
		return;
	va_start(ap, fmt);
	vsnprintf(t->why, sizeof(t->why), fmt, ap);
	va_end(ap);
}

/* --- a clock for the handshake --- */

struct watch {
	uv_timer_t timer;
	struct tls *t; /* NULL: it is gone */
};

static void watch_free(uv_handle_t *h) { free(h->data); }

static void watch_end(struct tls *t)
{
	struct watch *w = t->watch;

	if (!w)
		return;
	t->watch = NULL;
	w->t = NULL;
	if (!uv_is_closing((uv_handle_t *)&w->timer)) /* else the loop has ended before its sessions */
		uv_close((uv_handle_t *)&w->timer, watch_free);
}

static void watch_rang(uv_timer_t *timer)
{
	struct watch *w = timer->data;

	w->t->late = true;
	w->t->woken(w->t->owner);
}

static void watch_set(struct tls *t, usec span)
{
	if (t->watch && span > 0)
		uv_timer_start(&t->watch->timer, watch_rang, (uint64_t)(span / USEC_MS), 0);
}

static bool watch_begin(struct tls *t)
{
	t->watch = calloc(1, sizeof(*t->watch));
	if (!t->watch)
		return false;
	t->watch->t = t;
	uv_timer_init(&t->loop->uv, &t->watch->timer);
	t->watch->timer.data = t->watch;
	watch_set(t, t->setup->o.handshake_time);
	return true;
}

/* --- what GnuTLS reads and writes --- */

static bool is_datagram(const struct tls *t) { return t->setup->o.datagram; }

static ssize_t pull(gnutls_transport_ptr_t ptr, void *room, size_t n)
{
	struct tls *t = ptr;
	struct slice left = slice_of(t->in.p + t->in_read, t->in_good - t->in_read), one = left;

	if (!left.n) {
		t->starved = true;
		gnutls_transport_set_errno(t->session, EAGAIN);
		return -1;
	}
	if (is_datagram(t)) {
		if (!tls_datagram(&left, &one))
			one = S(""); /* never: `in` is ours */
		t->in_read = t->in_good - left.n;
		n = one.n < n ? one.n : n;
	} else {
		n = left.n < n ? left.n : n;
		t->in_read += n;
	}
	memcpy(room, one.p, n);
	return (ssize_t)n;
}

static int pull_ready(gnutls_transport_ptr_t ptr, unsigned ms)
{
	struct tls *t = ptr;

	t->starved |= t->in_good == t->in_read;
	return t->in_good > t->in_read;
}

static ssize_t push(gnutls_transport_ptr_t ptr, const void *p, size_t n)
{
	struct tls *t = ptr;

	if (t->out && is_datagram(t))
		datagram_add(t->out, p, n);
	else if (t->out)
		buf_add(t->out, p, n);
	if (t->out && !t->out->failed)
		return (ssize_t)n;
	gnutls_transport_set_errno(t->session, ENOBUFS);
	return -1;
}

/* --- made --- */

static bool dup_text(struct tls *t, struct slice from, struct slice *to)
{
	*to = arena_dup(&t->memory, from);
	return to->p != NULL;
}

/* Whose key and what kind of server: a client says so before it begins. */
static gnutls_priority_t client_wants(struct tls *t, const struct tls_want *want)
{
	const struct tls_setup *s = t->setup;

	t->want.flavour = want->flavour;
	if (!dup_text(t, want->server_name, &t->want.server_name) || !dup_text(t, want->name, &t->want.name) ||
	    !dup_text(t, want->public_key, &t->want.public_key) || !dup_text(t, want->psk_identity, &t->identity))
		return NULL;
	if (want->psk) {
		t->psk = key_get(want->psk);
		return s->p_psk;
	}
	const int their = want->public_key.n ? KIND_RAW : KIND_X509;
	for (size_t i = 0; i < s->n_own; i++) {
		const struct own *own = &s->own[i];
		gnutls_priority_t priority = s->p_cert[own->raw ? KIND_RAW : KIND_X509][their];
		if (priority && (!want->own || (own->key == want->own->key && own->raw == !want->own->chain))) {
			t->own = own;
			return priority;
		}
	}
	return NULL;
}

static bool set_up_client(struct tls *t, const struct tls_want *want)
{
	gnutls_priority_t priority = want ? client_wants(t, want) : NULL;
	struct slice name = want ? t->want.server_name : S("");

	return priority && gnutls_priority_set(t->session, priority) == 0 &&
	       (!t->psk || gnutls_credentials_set(t->session, GNUTLS_CRD_PSK, t->setup->psk_client) == 0) &&
	       (t->psk || gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->setup->cert) == 0) &&
	       (!name.n || gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, name.p, name.n) == 0);
}

static bool set_up_listener(struct tls *t)
{
	struct tls_setup *s = t->setup;

	t->look = malloc(sizeof(*t->look));
	if (!t->look)
		return false;
	look_init(t->look, is_datagram(t));
	gnutls_certificate_server_set_request(t->session, GNUTLS_CERT_REQUIRE);
	gnutls_handshake_set_post_client_hello_function(t->session, prove_hello);
	gnutls_handshake_set_hook_function(t->session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_BOTH, prove_finished);
	if (s->resumable)
		resumable_attach(t);
	return gnutls_priority_set(t->session, s->p12) == 0 &&
	       (!s->o.psk || gnutls_credentials_set(t->session, GNUTLS_CRD_PSK, s->psk_server) == 0) &&
	       (!s->n_own || gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, s->cert) == 0);
}

static bool set_up(struct tls *t, const struct tls_want *want)
{
	const struct tls_options *o = &t->setup->o;
	const unsigned flags = (o->client ? GNUTLS_CLIENT : GNUTLS_SERVER) | (o->datagram ? GNUTLS_DATAGRAM : 0) |
			       GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS | GNUTLS_ENABLE_RAWPK;

	if (gnutls_init(&t->session, flags) != 0)
		return false;
	gnutls_session_set_ptr(t->session, t);
	gnutls_transport_set_ptr(t->session, t);
	gnutls_transport_set_pull_function(t->session, pull);
	gnutls_transport_set_pull_timeout_function(t->session, pull_ready);
	gnutls_transport_set_push_function(t->session, push);
	gnutls_handshake_set_max_packet_length(t->session, 1 << 17);
	if (o->datagram) {
		const usec whole = o->handshake_time + o->hold_time;
		const bool sane = whole > 0 && whole < USEC_S * 3600;
		gnutls_dtls_set_mtu(t->session, (unsigned)((o->mtu ? o->mtu : MTU) - OUT_OF_IP));
		gnutls_dtls_set_timeouts(t->session, RETRANSMIT_MS, sane ? (unsigned)(whole / USEC_MS) : 60000);
	}
	return (o->client ? set_up_client(t, want) : set_up_listener(t)) && watch_begin(t);
}

struct tls *tls_new(struct tls_setup *s, struct loop *l, const struct tls_want *want, void (*woken)(void *owner), void *owner)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->setup = tls_setup_get(s);
	t->loop = l;
	t->woken = woken;
	t->owner = owner;
	buf_init(&t->in, IN_MAX);
	buf_init(&t->plain, PLAIN_MAX);
	arena_init(&t->memory, t->texts, sizeof(t->texts), MEMORY_MAX);
	atomic_fetch_add_explicit(&s->counts.begun, 1, memory_order_relaxed);
	if (set_up(t, want))
		return t;
	tls_free(t);
	return NULL;
}

/* What only the handshake needed. */
static void handshake_done(struct tls *t)
{
	hold_leave(t);
	watch_end(t);
	free(t->look);
	t->look = NULL;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	handshake_done(t);
	key_put(t->psk);
	if (t->session)
		gnutls_deinit(t->session);
	buf_free(&t->in);
	buf_free(&t->plain);
	arena_reset(&t->memory);
	tls_setup_put(t->setup);
	free(t);
}

/* --- failed --- */

static void explain(struct tls *t, int r)
{
	const bool wrong_key = r == GNUTLS_E_DECRYPTION_FAILED || r == GNUTLS_E_ERROR_IN_FINISHED_PACKET ||
			       r == GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER;

	if (r == GNUTLS_E_FATAL_ALERT_RECEIVED)
		tls_because(t, "the peer's alert: %s", gnutls_alert_get_name(gnutls_alert_get(t->session)));
	else if (t->asked && wrong_key && t->psk)
		tls_because(t, "the client's key is not the one of identity %.*s", SF(t->identity));
	else if (t->asked && wrong_key)
		tls_because(t, "identity %.*s: no key of it is known", SF(t->identity));
	else
		tls_because(t, "%s", gnutls_strerror(r));
}

/* With the alert that goes with r, or t->alert. */
static enum tls_state fail(struct tls *t, int r)
{
	explain(t, r);
	if (t->alert)
		(void)gnutls_alert_send(t->session, GNUTLS_AL_FATAL, (gnutls_alert_description_t)t->alert);
	else if (r != GNUTLS_E_FATAL_ALERT_RECEIVED && r != GNUTLS_E_PUSH_ERROR)
		(void)gnutls_alert_send_appropriate(t->session, r);
	if (t->state == TLS_HANDSHAKE || t->state == TLS_HELD)
		atomic_fetch_add_explicit(&t->setup->counts.failed, 1, memory_order_relaxed);
	handshake_done(t);
	buf_free(&t->in);
	t->in_read = t->in_good = 0;
	return t->state = TLS_FAILED;
}

static enum tls_state fail_with(struct tls *t, gnutls_alert_description_t alert, const char *why)
{
	tls_because(t, "%s", why);
	t->alert = alert;
	return fail(t, GNUTLS_E_INTERNAL_ERROR);
}

/* --- the handshake --- */

static void opened(struct tls *t)
{
	const bool resumed = gnutls_session_is_resumed(t->session) != 0;

	if (!prove_whole(t)) {
		(void)fail_with(t, GNUTLS_A_HANDSHAKE_FAILURE, "the peer has proven nothing");
		return;
	}
	atomic_fetch_add_explicit(&t->setup->counts.done, 1, memory_order_relaxed);
	if (resumed)
		atomic_fetch_add_explicit(&t->setup->counts.resumed, 1, memory_order_relaxed);
	handshake_done(t);
	t->state = TLS_OPEN;
}

/* The key of the identity that was named: at once, or the handshake is held. */
static void ask_key(struct tls *t, struct slice identity, size_t unit)
{
	if (t->asked)
		return; /* a second ClientHello names it again; another one is refused where GnuTLS asks */
	if (!dup_text(t, identity, &t->identity)) {
		(void)fail_with(t, GNUTLS_A_INTERNAL_ERROR, "out of memory");
		return;
	}
	switch (hold_ask(t)) {
	case RC_OK:
		return;
	case RC_AGAIN:
		t->hold_unit = unit;
		t->state = TLS_HELD;
		watch_set(t, t->setup->o.hold_time);
		return;
	default:
		(void)fail_with(t, GNUTLS_A_INTERNAL_ERROR, "too many handshakes wait for their keys");
	}
}

static void see_hello(struct tls *t, size_t unit)
{
	struct tls_setup *s = t->setup;
	struct look_hello hello;

	if (!look_hello(look_message(t->look), is_datagram(t), &hello))
		return; /* GnuTLS says what is wrong with it */
	if (hello.v12 || !hello.v13)
		return;
	if (!s->p13) { /* GnuTLS would overlook what is offered, and miss a suite */
		(void)fail_with(t, GNUTLS_A_PROTOCOL_VERSION, "the client offers TLS 1.3 alone, which is off here");
		return;
	}
	if (!t->look->v13) /* else: the answer to a HelloRetryRequest */
		(void)gnutls_priority_set(t->session, s->p13);
	t->look->v13 = true;
	if (hello.identity.n && hello.identity.n <= PSK_IDENTITY_MAX && s->o.psk)
		ask_key(t, hello.identity, unit);
}

static void see_key(struct tls *t, size_t unit)
{
	const gnutls_kx_algorithm_t kx = gnutls_kx_get(t->session);
	struct slice identity;

	if ((kx == GNUTLS_KX_PSK || kx == GNUTLS_KX_ECDHE_PSK) && look_identity(look_message(t->look), &identity))
		ask_key(t, identity, unit);
}

/* The next whole record or datagram behind what GnuTLS may read. 0: there is none. */
static size_t next_unit(const struct tls *t, struct slice *unit)
{
	struct slice left = slice_of(t->in.p + t->in_good, t->in.n - t->in_good), rest = left;
	size_t n;

	if (is_datagram(t))
		return tls_datagram(&rest, unit) ? left.n - rest.n : 0;
	n = look_record_size(left);
	if (n != SIZE_MAX && n > left.n)
		n = 0;
	*unit = slice_of(left.p, n);
	return n;
}

static void drop_unit(struct tls *t, size_t n)
{
	memmove(t->in.p + t->in_good, t->in.p + t->in_good + n, t->in.n - t->in_good - n);
	t->in.n -= n;
}

/* Let GnuTLS read one more unit, if there is one that it may have. False: there is none for now. */
static bool admit(struct tls *t)
{
	struct slice unit;
	size_t n;
	unsigned signs;

	if (!t->look || t->look->changed) {
		const bool more = t->in_good < t->in.n;
		t->in_good = t->in.n;
		return more;
	}
	n = next_unit(t, &unit);
	if (!n)
		return false;
	t->look->resumed = gnutls_session_is_resumed(t->session) != 0;
	signs = n == SIZE_MAX ? LOOK_BAD : look_at(t->look, unit);
	if (signs & LOOK_BAD) {
		(void)fail_with(t, GNUTLS_A_UNEXPECTED_MESSAGE, t->look->hello_seen ? "no handshake of a client" : "this is no TLS");
		return false;
	}
	if (signs & LOOK_DROP) {
		drop_unit(t, n);
		return true;
	}
	if (signs & LOOK_HELLO)
		see_hello(t, n);
	else if (signs & LOOK_KEY)
		see_key(t, n);
	if (t->state != TLS_HANDSHAKE)
		return false;
	t->in_good += n;
	return true;
}

static void shake(struct tls *t)
{
	bool more = true;

	while (more && t->state == TLS_HANDSHAKE) {
		int r;
		more = admit(t);
		if (t->state != TLS_HANDSHAKE)
			return;
		/* a listener's has nothing to say before it has heard something */
		if (!more && t->look && !t->look->hello_seen)
			return;
		r = gnutls_handshake(t->session);
		if (r == 0)
			opened(t);
		else if (r != GNUTLS_E_AGAIN && gnutls_error_is_fatal(r))
			(void)fail(t, r);
		else if (r != GNUTLS_E_AGAIN)
			more = true; /* a warning */
	}
}

/* --- after it --- */

/* One record. False: there is none now, or it is over. */
static bool decipher(struct tls *t)
{
	const size_t head = is_datagram(t) ? 2 : 0;
	char *room = buf_room(&t->plain, READ_ROOM + head);
	ssize_t r;

	if (!room) {
		(void)fail_with(t, GNUTLS_A_INTERNAL_ERROR, "more was received than there is room for");
		return false;
	}
	do { /* under DTLS each call throws one record away that is old or not the peer's, and there may be more in the datagram */
		t->starved = false;
		r = gnutls_record_recv(t->session, room + head, READ_ROOM);
	} while (r == GNUTLS_E_AGAIN && !t->starved && is_datagram(t));
	if (r > 0) {
		if (head) {
			room[0] = (char)(r >> 8);
			room[1] = (char)r;
		}
		t->plain.n += (size_t)r + head;
		return true;
	}
	if (r == 0)
		t->state = TLS_CLOSED;
	else if (r == GNUTLS_E_REHANDSHAKE)
		(void)fail_with(t, GNUTLS_A_NO_RENEGOTIATION, "the peer wants to negotiate anew, which is not done here");
	else if (r != GNUTLS_E_AGAIN && gnutls_error_is_fatal((int)r))
		(void)fail(t, (int)r);
	else if (r != GNUTLS_E_AGAIN)
		return t->in_read < t->in_good; /* a warning */
	return false;
}

/* What GnuTLS has read is forgotten; an empty buffer is given back. */
static void tidy(struct tls *t)
{
	if (t->in_read == t->in.n) {
		buf_free(&t->in);
		buf_init(&t->in, IN_MAX);
		t->in_read = t->in_good = 0;
	} else if (t->in_read) {
		memmove(t->in.p, t->in.p + t->in_read, t->in.n - t->in_read);
		t->in.n -= t->in_read;
		t->in_good -= t->in_read;
		t->in_read = 0;
	}
	if (t->plain_read == t->plain.n) {
		buf_free(&t->plain);
		buf_init(&t->plain, PLAIN_MAX);
		t->plain_read = 0;
	}
}

/* Keep what came. What comes under DTLS beyond measure while a handshake is held comes again. */
static void keep(struct tls *t, const char *p, size_t n)
{
	const bool full = t->state == TLS_HELD && t->in.n + n > HELD_MAX;

	if (!n || (full && is_datagram(t)))
		return;
	if (full)
		(void)fail_with(t, GNUTLS_A_UNEXPECTED_MESSAGE, "the client sent on while its handshake is held");
	else if (!is_datagram(t))
		buf_add(&t->in, p, n);
	else if (n <= UINT16_MAX)
		datagram_add(&t->in, p, n);
	if (t->in.failed)
		(void)fail_with(t, GNUTLS_A_INTERNAL_ERROR, "out of memory");
}

/* A key came, or the time is over. */
static void go_on(struct tls *t)
{
	if (t->late) {
		if (t->state == TLS_HELD)
			atomic_fetch_add_explicit(&t->setup->counts.hold_timeout, 1, memory_order_relaxed);
		(void)fail_with(t, GNUTLS_A_INTERNAL_ERROR,
				t->state == TLS_HELD ? "the key did not come in time" : "the handshake took too long");
	} else if (t->state == TLS_HELD && !t->hold) {
		t->state = TLS_HANDSHAKE;
		t->in_good += t->hold_unit;
		watch_set(t, t->setup->o.handshake_time);
	}
}

enum tls_state tls_input(struct tls *t, const char *p, size_t n, struct buf *out)
{
	if (t->state == TLS_FAILED)
		return t->state;
	t->out = out;
	if (t->state != TLS_CLOSED)
		keep(t, p, n);
	if (t->state == TLS_HANDSHAKE || t->state == TLS_HELD)
		go_on(t);
	shake(t);
	if (t->state == TLS_OPEN) {
		t->in_good = t->in.n;
		while (decipher(t))
			;
	}
	tidy(t);
	t->out = NULL;
	return t->state;
}

enum tls_state tls_state(const struct tls *t) { return t->state; }
const char *tls_why(const struct tls *t) { return t->why; }

size_t tls_read(struct tls *t, char *room, size_t n)
{
	struct slice left = slice_of(t->plain.p + t->plain_read, t->plain.n - t->plain_read), one = left;

	if (!left.n)
		return 0;
	if (is_datagram(t)) {
		if (!tls_datagram(&left, &one))
			return 0;
		t->plain_read = t->plain.n - left.n;
		n = one.n < n ? one.n : n;
	} else {
		n = left.n < n ? left.n : n;
		t->plain_read += n;
	}
	memcpy(room, one.p, n);
	tidy(t);
	return n;
}

enum reeve_rc tls_write(struct tls *t, const char *p, size_t n, struct buf *out)
{
	enum reeve_rc rc = RC_OK;

	if ((t->state != TLS_OPEN && t->state != TLS_CLOSED) || t->said_bye)
		return RC_IO;
	if (is_datagram(t) && n > gnutls_dtls_get_data_mtu(t->session))
		return RC_LIMIT;
	t->out = out;
	while (n && rc == RC_OK) {
		const ssize_t r = gnutls_record_send(t->session, p, n);
		if (r > 0) {
			p += r;
			n -= (size_t)r;
		} else if (r != GNUTLS_E_INTERRUPTED && r != GNUTLS_E_AGAIN) {
			(void)fail(t, (int)r);
			rc = out->failed ? RC_NOMEM : RC_IO;
		}
	}
	t->out = NULL;
	return rc;
}

void tls_bye(struct tls *t, struct buf *out)
{
	if ((t->state != TLS_OPEN && t->state != TLS_CLOSED) || t->said_bye)
		return;
	t->said_bye = true;
	t->out = out;
	(void)gnutls_bye(t->session, GNUTLS_SHUT_WR);
	t->out = NULL;
}

/* --- what is known of it --- */

const struct tls_peer *tls_peer(const struct tls *t) { return &t->peer; }

struct slice tls_server_name(struct tls *t)
{
	char name[256];
	size_t n = sizeof(name);
	unsigned type;

	if (!t->want.server_name.n && !t->setup->o.client && gnutls_server_name_get(t->session, name, &n, &type, 0) == 0)
		(void)dup_text(t, slice_of(name, n), &t->want.server_name);
	return t->want.server_name.p ? t->want.server_name : S("");
}

const char *tls_suite(const struct tls *t) { return suites_name(gnutls_ciphersuite_get(t->session)); }

const char *tls_version(const struct tls *t)
{
	switch (gnutls_protocol_get_version(t->session)) {
	case GNUTLS_TLS1_2: return "TLS 1.2";
	case GNUTLS_TLS1_3: return "TLS 1.3";
	case GNUTLS_DTLS1_2: return "DTLS 1.2";
	default: return "";
	}
}

enum reeve_rc tls_export(struct tls *t, struct slice label, uint8_t *out, size_t n)
{
	if (t->state != TLS_OPEN && t->state != TLS_CLOSED)
		return RC_IO;
	return gnutls_prf_rfc5705(t->session, label.n, label.p, 0, NULL, n, (char *)out) == 0 ? RC_OK : RC_IO;
}

/* --- retransmission --- */

int tls_timer(const struct tls *t)
{
	if (!is_datagram(t) || t->state != TLS_HANDSHAKE || (t->look && !t->look->hello_seen))
		return -1;
	return (int)gnutls_dtls_get_timeout(t->session);
}

enum tls_state tls_timeout(struct tls *t, struct buf *out) { return tls_input(t, NULL, 0, out); }
