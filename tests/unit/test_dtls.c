/* SPDX-License-Identifier: Apache-2.0 */
/* DTLS over real sockets of this machine: a listener and clients of our own with a relay between them that loses, doubles and changes the
 * order of datagrams, and sends what nobody sent. Independent peers: tests/e2e/test_dtls.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>

#include "tls/dtls.h"

static struct loop loop;
static char why[TLS_WHY_MAX];

/* --- both ends --- */

struct side {
	struct dtls *d;
	struct dtls_session *last;
	unsigned opened, closed, read;
	char text[64];
	size_t n;
	bool echo, end_on_open, end_on_read, close_on_read;
};

static void on_open(void *ctx, struct dtls_session *s)
{
	struct side *x = ctx;

	x->opened++;
	x->last = s;
	if (x->end_on_open)
		dtls_end(s);
}

static void on_read(void *ctx, struct dtls_session *s, const char *p, size_t n)
{
	struct side *x = ctx;

	x->read++;
	x->last = s;
	x->n = n < sizeof(x->text) ? n : sizeof(x->text);
	memcpy(x->text, p, x->n);
	if (x->echo)
		assert_int_equal(dtls_write(s, p, n), RC_OK);
	if (x->end_on_read) {
		dtls_end(s);
		dtls_end(s);
		assert_int_equal(dtls_write(s, p, n), RC_IO);
	}
	if (x->close_on_read) {
		dtls_close(x->d);
		x->d = NULL;
	}
}

static void on_closed(void *ctx, struct dtls_session *s)
{
	struct side *x = ctx;

	x->closed++;
	if (x->last == s)
		x->last = NULL;
}

static const struct dtls_events events = { on_open, on_read, on_closed, NULL };

/* --- keys --- */

static struct { bool again; struct tls_hold *ticket[8]; unsigned tickets; struct key_ref *key; } source;

static enum reeve_rc source_psk(void *ctx, struct slice identity, struct tls_hold *ticket, struct key_ref **key, usec *expires)
{
	if (source.again && ticket && source.tickets < 8)
		source.ticket[source.tickets++] = ticket;
	if (source.again)
		return RC_AGAIN;
	if (!slice_starts(identity, S("a@")))
		return RC_NOTFOUND;
	*key = key_get(source.key);
	*expires = 0;
	return RC_OK;
}

static bool source_permit(void *ctx, const struct tls_peer *p) { return true; }

static struct tls_setup *setup_of(bool client, usec handshake_time)
{
	const struct tls_options o = { .client = client, .datagram = true, .psk = true, .handshake_time = handshake_time, .hold_time = 20 * USEC_S,
				       .held = 8, .source = { NULL, source_psk, source_permit } };
	struct tls_setup *s;

	if (tls_setup_new(&o, &s, why) != RC_OK)
		fail_msg("%s", why);
	return s;
}

/* --- a relay between a client's socket and the listener --- */

struct relay {
	uv_udp_t front, back;     /* clients send to front; the listener hears back */
	struct sockaddr_in client, server;
	unsigned from_client, from_server; /* datagrams so far */
	uint64_t lose_client, lose_server; /* bits of their numbers */
	bool twice, swap;
	char kept[2][8][2048];    /* what came first, by direction */
	size_t n_kept[2][8];
	char waiting[2048];
	size_t n_waiting;
};

static struct relay relay;
static char room[65536];

static void give_room(uv_handle_t *h, size_t hint, uv_buf_t *b) { *b = uv_buf_init(room, sizeof(room)); }

static void put(uv_udp_t *via, const struct sockaddr_in *to, const char *p, size_t n)
{
	const uv_buf_t b = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);

	assert_int_equal(uv_udp_try_send(via, &b, 1, (const struct sockaddr *)to), n);
}

static void pass(uv_udp_t *via, const struct sockaddr_in *to, const char *p, size_t n, bool swap)
{
	if (swap && !relay.n_waiting) {
		memcpy(relay.waiting, p, n);
		relay.n_waiting = n;
		return;
	}
	for (int i = 0; i < (relay.twice ? 2 : 1); i++)
		put(via, to, p, n);
	if (swap) {
		put(via, to, relay.waiting, relay.n_waiting);
		relay.n_waiting = 0;
	}
}

static void keep(int direction, unsigned number, const char *p, size_t n)
{
	assert_true(n <= 2048);
	if (number < 8) {
		memcpy(relay.kept[direction][number], p, n);
		relay.n_kept[direction][number] = n;
	}
}

static void at_front(uv_udp_t *u, ssize_t n, const uv_buf_t *b, const struct sockaddr *from, unsigned flags)
{
	if (n <= 0 || !from)
		return;
	memcpy(&relay.client, from, sizeof(relay.client));
	keep(0, relay.from_client, b->base, (size_t)n);
	if (relay.from_client++ < 64 && relay.lose_client >> (relay.from_client - 1) & 1)
		return;
	pass(&relay.back, &relay.server, b->base, (size_t)n, false);
}

static void at_back(uv_udp_t *u, ssize_t n, const uv_buf_t *b, const struct sockaddr *from, unsigned flags)
{
	if (n <= 0 || !from)
		return;
	keep(1, relay.from_server, b->base, (size_t)n);
	if (relay.from_server++ < 64 && relay.lose_server >> (relay.from_server - 1) & 1)
		return;
	pass(&relay.front, &relay.client, b->base, (size_t)n, relay.swap && n > 60);
}

static struct sockaddr_in here(uint16_t port)
{
	struct sockaddr_in a;

	assert_int_equal(uv_ip4_addr("127.0.0.1", port, &a), 0);
	return a;
}

static struct sockaddr_in bound(uv_udp_t *u, uv_udp_recv_cb cb)
{
	struct sockaddr_in a = here(0);
	int n = sizeof(a);

	assert_int_equal(uv_udp_init(&loop.uv, u), 0);
	assert_int_equal(uv_udp_bind(u, (struct sockaddr *)&a, 0), 0);
	assert_int_equal(uv_udp_recv_start(u, give_room, cb), 0);
	assert_int_equal(uv_udp_getsockname(u, (struct sockaddr *)&a, &n), 0);
	return a;
}

/* --- waiting --- */

static uv_timer_t watchdog;
static bool late;

static void too_late(uv_timer_t *t) { late = true; }

/* Turn the loop until *what is at least n. */
#define WAIT(what, n) wait_for(&(what), (n), __LINE__)
static void wait_for(const unsigned *what, unsigned n, int line)
{
	late = false;
	uv_timer_start(&watchdog, too_late, 30000, 0);
	while (*what < n && !late)
		uv_run(&loop.uv, UV_RUN_ONCE);
	uv_timer_stop(&watchdog);
	if (late)
		fail_msg("line %d waits in vain for %u, has %u", line, n, *what);
}

static void ended(uv_handle_t *h) { ++*(unsigned *)h->data; }

/* --- a scene: a listener, a socket of clients, the relay --- */

static struct side server, client;
static usec patience = 20 * USEC_S; /* with a handshake */
static struct tls_setup *ours, *theirs;
static struct sockaddr_in to_server, to_relay;

static void scene(unsigned sessions, unsigned handshakes, usec idle)
{
	const struct dtls_limits limits = { sessions, handshakes, idle }, many = { 100000, 0, 0 };
	const struct key_spec spec = { .alg = ALG_TLS_PSK };

	memset(&server, 0, sizeof(server));
	memset(&client, 0, sizeof(client));
	memset(&relay, 0, sizeof(relay));
	memset(&source, 0, sizeof(source));
	assert_int_equal(secenv_import(NULL, KEY_HEX, S("000102030405060708090a0b0c0d0e0f"), &spec, &source.key, why), RC_OK);
	ours = setup_of(false, patience);
	theirs = setup_of(true, patience);
	server.echo = true;
	assert_int_equal(dtls_open(&loop, "127.0.0.1", 0, ours, &limits, &events, &server, &server.d), 0);
	assert_int_equal(dtls_open(&loop, NULL, 0, NULL, &many, &events, &client, &client.d), 0);
	to_server = here(dtls_port(server.d));
	relay.server = to_server;
	to_relay = bound(&relay.front, at_front);
	bound(&relay.back, at_back);
}

static void scene_end(void)
{
	unsigned gone = 0;

	dtls_close(server.d);
	dtls_close(client.d);
	relay.front.data = relay.back.data = &gone;
	uv_close((uv_handle_t *)&relay.front, ended);
	uv_close((uv_handle_t *)&relay.back, ended);
	WAIT(gone, 2);
	assert_int_equal(server.opened, server.closed);
	tls_setup_put(ours);
	tls_setup_put(theirs);
	key_put(source.key);
}

static struct dtls_session *connect_to(const struct sockaddr_in *to, const char *identity)
{
	const struct tls_want want = { .psk_identity = slice_str(identity), .psk = source.key };
	struct dtls_session *s = dtls_connect(client.d, (const struct sockaddr *)to, theirs, &want);

	assert_non_null(s);
	return s;
}

/* What is said comes back. */
static void echo(struct dtls_session *s, const char *text)
{
	const unsigned before = client.read;

	assert_int_equal(dtls_write(s, text, strlen(text)), RC_OK);
	WAIT(client.read, before + 1);
	assert_int_equal(client.n, strlen(text));
	assert_memory_equal(client.text, text, client.n);
}

/* --- tests --- */

static void plain(void **state)
{
	char big[2000] = { 0 };

	scene(10, 0, 0);
	struct dtls_session *s = connect_to(&to_server, "a@b.example");
	assert_int_equal(dtls_write(s, "x", 1), RC_IO); /* not before it stands */
	WAIT(client.opened, 1);
	WAIT(server.opened, 1);
	echo(s, "hello");
	echo(s, "world");
	assert_int_equal(dtls_write(s, big, sizeof(big)), RC_LIMIT);
	echo(s, "again");
	assert_int_equal(dtls_address(s)->sa_family, AF_INET); /* over a socket of IPv6 */
	assert_true(slice_eq(tls_peer(dtls_tls(server.last))->credential, S("12-a@b.example")));
	assert_null(dtls_connect(client.d, (const struct sockaddr *)&to_server, theirs, &(struct tls_want){ .psk_identity = S("a@b"), .psk = source.key }));
	dtls_end(s);
	assert_int_equal(client.closed, 0); /* not from within */
	WAIT(client.closed, 1);
	WAIT(server.closed, 1); /* the notice has come */
	assert_int_equal(dtls_counts(server.d)->sessions, 0);
	assert_int_equal(dtls_counts(server.d)->handshakes, 0);
	scene_end();
}

static void refused_client(void **state)
{
	/* A key that is not known or wrong shows in a record that does not decipher, and such are dropped under DTLS (RFC 6347 4.1.2.7): the
	 * handshake takes too long at both ends, and nothing is left of it. */
	patience = USEC_S / 4;
	scene(10, 0, 0);
	connect_to(&to_server, "b@b.example");
	WAIT(client.closed, 1);
	while (dtls_counts(server.d)->sessions)
		uv_run(&loop.uv, UV_RUN_ONCE);
	assert_int_equal(client.opened + server.opened + server.closed, 0);
	assert_int_equal(dtls_counts(server.d)->handshakes, 0);
	scene_end();
	patience = 20 * USEC_S;
}

static void strangers(void **state)
{
	static const char *const rubbish[] = { "x", "GET / HTTP/1.1\r\n\r\n", "\x16\xfe\xfd", "\x17\xfe\xfd\0\1\0\0\0\0\0\1\0\20" };
	char hello[2048];
	size_t n;

	scene(10, 0, 0);
	relay.lose_client = ~(uint64_t)0; /* the client's hellos come to us alone */
	connect_to(&to_relay, "a@b.example");
	WAIT(relay.from_client, 1);
	n = relay.n_kept[0][0];
	memcpy(hello, relay.kept[0][0], n);
	/* nothing is kept and nothing is answered; then the hello, cut short everywhere */
	for (size_t i = 0; i < sizeof(rubbish) / sizeof(*rubbish); i++)
		put(&relay.back, &to_server, rubbish[i], i == 3 ? 13 : strlen(rubbish[i]));
	for (size_t cut = 1; cut < n; cut++)
		put(&relay.back, &to_server, hello, cut);
	for (int i = 0; i < 100; i++)
		put(&relay.back, &to_server, hello, n);
	WAIT(relay.from_server, 100);
	assert_int_equal(relay.from_server, 100);
	assert_int_equal(dtls_counts(server.d)->sessions, 0);
	assert_true(relay.n_kept[1][0] > 0 && relay.n_kept[1][0] < n); /* no amplification */
	scene_end();
}

static void somebody_elses_cookie(void **state)
{
	/* a cookie that was given to the relay does not open from another address */
	uv_udp_t other;
	unsigned gone = 0;
	const uint64_t *begun;

	scene(10, 0, 0);
	relay.lose_client = 2; /* the hello with the cookie */
	connect_to(&to_relay, "a@b.example");
	WAIT(relay.from_client, 2);
	bound(&other, at_back);
	begun = (const uint64_t *)&tls_setup_counts(ours)->begun;
	for (int i = 0; i < 10; i++)
		put(&other, &to_server, relay.kept[0][1], relay.n_kept[0][1]);
	WAIT(relay.from_server, 11);
	assert_int_equal(*begun, 0);
	assert_int_equal(dtls_counts(server.d)->sessions, 0);
	other.data = &gone;
	uv_close((uv_handle_t *)&other, ended);
	WAIT(gone, 1);
	scene_end();
}

static void lossy(uint64_t lose_client, uint64_t lose_server, bool twice, bool swap)
{
	scene(10, 0, 0);
	relay.lose_client = lose_client;
	relay.lose_server = lose_server;
	relay.twice = twice;
	relay.swap = swap;
	struct dtls_session *s = connect_to(&to_relay, "a@b.example");
	WAIT(client.opened, 1);
	WAIT(server.opened, 1);
	relay.swap = false;
	echo(s, "hello");
	assert_int_equal(server.read, 1);
	echo(s, "again");
	assert_int_equal(server.read, 2); /* what came twice is read once */
	assert_int_equal(server.opened, 1);
	scene_end();
}

static void losses(void **state)
{
	lossy(1 << 2, 0, false, false); /* the ClientKeyExchange: what follows it comes too early */
	lossy(1 << 4, 0, false, false); /* Finished */
	lossy(0, 1 << 1, false, false); /* the first of the listener's flight */
}

static void doubled(void **state) { lossy(0, 0, true, false); }

static void swapped(void **state)
{
	/* of two datagrams of the listener's flight the second comes first */
	lossy(0, 0, false, true);
}

static void old_hellos(void **state)
{
	/* what began the session comes once more, long after: it stays */
	scene(10, 0, 0);
	struct dtls_session *s = connect_to(&to_relay, "a@b.example");
	WAIT(client.opened, 1);
	WAIT(server.opened, 1);
	for (int round = 0; round < 3; round++)
		for (unsigned i = 0; i < relay.from_client && i < 8; i++)
			put(&relay.back, &to_server, relay.kept[0][i], relay.n_kept[0][i]);
	echo(s, "hello");
	assert_int_equal(server.opened, 1);
	assert_int_equal(server.closed, 0);
	scene_end();
}

static void restarted_client(void **state)
{
	/* the client forgets everything and begins again from its address: the old session goes, and the owner is told */
	scene(10, 0, 0);
	connect_to(&to_relay, "a@b.example");
	WAIT(server.opened, 1);
	WAIT(client.opened, 1);
	relay.lose_client = ~(uint64_t)0; /* and does not say goodbye */
	dtls_close(client.d);
	relay.lose_client = 0;
	const struct dtls_limits many = { 10, 0, 0 };
	assert_int_equal(dtls_open(&loop, NULL, 0, NULL, &many, &events, &client, &client.d), 0);
	struct dtls_session *s = connect_to(&to_relay, "a@b.example");
	WAIT(client.opened, 2);
	WAIT(server.opened, 2);
	assert_int_equal(server.closed, 1);
	echo(s, "hello");
	assert_int_equal(dtls_counts(server.d)->sessions, 1);
	scene_end();
}

static void strangers_hello(void **state)
{
	/* a hello without cookie, with the address of an open session, does not end it */
	char forged[2048];

	scene(10, 0, 0);
	struct dtls_session *s = connect_to(&to_relay, "a@b.example");
	WAIT(client.opened, 1);
	WAIT(server.opened, 1);
	memcpy(forged, relay.kept[0][0], relay.n_kept[0][0]);
	for (int i = 0; i < 10; i++) {
		forged[40] ^= (char)(i + 1);
		put(&relay.back, &to_server, forged, relay.n_kept[0][0]);
	}
	echo(s, "hello");
	assert_int_equal(server.opened, 1);
	assert_int_equal(server.closed, 0);
	scene_end();
}

static void limits(void **state)
{
	scene(1, 0, 0);
	struct dtls_session *s = connect_to(&to_server, "a@b.example");
	WAIT(server.opened, 1);
	connect_to(&to_relay, "a@b.example");
	WAIT(relay.from_client, 3); /* hello, hello with its cookie, the same once more: nobody answered */
	assert_true(dtls_counts(server.d)->full > 0);
	assert_int_equal(dtls_counts(server.d)->sessions, 1);
	echo(s, "hello");
	dtls_end(s);
	WAIT(server.closed, 1);
	WAIT(server.opened, 2); /* and now there is room */
	scene_end();
}

static void handshakes(void **state)
{
	scene(10, 1, 0);
	source.again = true;
	connect_to(&to_server, "a@b.example");
	WAIT(source.tickets, 1);
	connect_to(&to_relay, "a@b.example");
	WAIT(relay.from_client, 3);
	assert_true(dtls_counts(server.d)->full > 0);
	assert_int_equal(source.tickets, 1);
	assert_int_equal(dtls_counts(server.d)->handshakes, 1);
	source.again = false;
	tls_hold_end(source.ticket[0], RC_OK, key_get(source.key), 0); /* and what waited for it goes on */
	WAIT(server.opened, 2);
	assert_int_equal(dtls_counts(server.d)->handshakes, 0);
	scene_end();
}

static void idleness(void **state)
{
	scene(10, 0, USEC_S / 5);
	connect_to(&to_server, "a@b.example");
	WAIT(server.opened, 1);
	WAIT(server.closed, 1);
	WAIT(client.closed, 1);
	assert_int_equal(dtls_counts(server.d)->idle, 1);
	scene_end();
}

static void ends_from_within(void **state)
{
	scene(10, 0, 0);
	server.end_on_open = true;
	connect_to(&to_server, "a@b.example");
	WAIT(client.closed, 1);
	WAIT(server.closed, 1);
	server.end_on_open = false;
	server.end_on_read = true;
	struct dtls_session *s = connect_to(&to_server, "a@b.example");
	WAIT(client.opened, 2);
	WAIT(server.opened, 2);
	assert_int_equal(dtls_write(s, "x", 1), RC_OK);
	WAIT(server.closed, 2);
	WAIT(client.closed, 2);
	server.end_on_read = server.echo = false;
	server.close_on_read = true;
	s = connect_to(&to_server, "a@b.example");
	WAIT(client.opened, 3);
	assert_int_equal(dtls_write(s, "x", 1), RC_OK);
	WAIT(server.closed, 3);
	WAIT(client.closed, 3);
	scene_end();
}

static void many(void **state)
{
	/* the table grows and shrinks, and still knows everybody */
	enum { N = 200 };
	struct side each[N];
	struct dtls_session *s[N];

	memset(each, 0, sizeof(each));
	scene(N, 0, 0);
	const struct dtls_limits one = { 1, 0, 0 };
	const struct tls_want want = { .psk_identity = S("a@b.example"), .psk = source.key };
	for (int i = 0; i < N; i++) {
		assert_int_equal(dtls_open(&loop, NULL, 0, NULL, &one, &events, &each[i], &each[i].d), 0);
		s[i] = dtls_connect(each[i].d, (const struct sockaddr *)&to_server, theirs, &want);
		assert_non_null(s[i]);
	}
	WAIT(server.opened, N);
	assert_int_equal(dtls_counts(server.d)->sessions, N);
	for (int i = 0; i < N; i += 2) {
		WAIT(each[i].opened, 1);
		dtls_close(each[i].d);
	}
	WAIT(server.closed, N / 2);
	for (int i = 1; i < N; i += 2) {
		WAIT(each[i].opened, 1);
		assert_int_equal(dtls_write(s[i], "hello", 5), RC_OK);
		WAIT(each[i].read, 1);
		dtls_close(each[i].d);
	}
	WAIT(server.closed, N);
	assert_int_equal(dtls_counts(server.d)->sessions, 0);
	scene_end();
}

static void addresses(void **state)
{
	const struct dtls_limits few = { 4, 0, 0 };
	struct dtls *d;

	assert_int_not_equal(dtls_open(&loop, "localhost", 0, NULL, &few, &events, NULL, &d), 0);
	assert_null(d);
	assert_int_equal(dtls_open(&loop, "127.0.0.1", 0, NULL, &few, &events, NULL, &d), 0);
	struct dtls *again;
	assert_int_equal(dtls_open(&loop, "127.0.0.1", dtls_port(d), NULL, &few, &events, NULL, &again), UV_EADDRINUSE);
	dtls_close(d);
	uv_run(&loop.uv, UV_RUN_NOWAIT);
}

static int begin(void **state)
{
	if (loop_init(&loop, 0) != RC_OK)
		return -1;
	return uv_timer_init(&loop.uv, &watchdog);
}

static int finish(void **state)
{
	uv_close((uv_handle_t *)&watchdog, NULL);
	uv_run(&loop.uv, UV_RUN_NOWAIT);
	loop_close(&loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain), cmocka_unit_test(refused_client), cmocka_unit_test(strangers), cmocka_unit_test(somebody_elses_cookie),
		cmocka_unit_test(losses), cmocka_unit_test(doubled), cmocka_unit_test(swapped), cmocka_unit_test(old_hellos),
		cmocka_unit_test(restarted_client), cmocka_unit_test(strangers_hello), cmocka_unit_test(limits), cmocka_unit_test(handshakes),
		cmocka_unit_test(idleness), cmocka_unit_test(ends_from_within), cmocka_unit_test(many), cmocka_unit_test(addresses),
	};
	return cmocka_run_group_tests(tests, begin, finish);
}
