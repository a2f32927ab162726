/* SPDX-License-Identifier: Apache-2.0 */
/* Associations between two ends of our own: what no independent peer can show (tests/e2e/test_tls_*.py has those). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls_util.h"

static void talk(struct pair *p, bool datagram)
{
	char room[64];

	assert_int_equal(tls_write(p->client.t, "hello", 5, &p->client.out), RC_OK);
	pump(p, datagram);
	assert_int_equal(tls_read(p->server.t, room, sizeof(room)), 5);
	assert_memory_equal(room, "hello", 5);
	assert_int_equal(tls_write(p->server.t, "world", 5, &p->server.out), RC_OK);
	pump(p, datagram);
	assert_int_equal(tls_read(p->client.t, room, sizeof(room)), 5);
	assert_memory_equal(room, "world", 5);
}

static void must_open(struct pair *p)
{
	if (tls_state(p->client.t) != TLS_OPEN || tls_state(p->server.t) != TLS_OPEN)
		fail_msg("client %d (%s), server %d (%s)", tls_state(p->client.t), tls_why(p->client.t), tls_state(p->server.t), tls_why(p->server.t));
}

static void psk(void **state)
{
	for (int datagram = 0; datagram < 2; datagram++) {
		struct source src = { .known = { { S("a@b.example"), psk_of('k', 32), 0 } } };
		struct tls_options so = listener_options(&src), co = { .client = true, .psk = true, .datagram = datagram };
		so.datagram = datagram;
		struct tls_setup *server = setup_of(&so), *client = setup_of(&co);
		const struct tls_want want = { .psk_identity = S("a@b.example"), .psk = src.known[0].key };
		struct pair p;

		pair_open(&p, client, server, &want);
		pump(&p, datagram);
		must_open(&p);
		assert_string_equal(tls_suite(p.server.t), datagram ? "PSK-AES128-CCM8" : "PSK-AES128-CBC-SHA256");
		assert_true(slice_eq(tls_peer(p.server.t)->credential, S("12-a@b.example")));
		talk(&p, datagram);
		tls_bye(p.client.t, &p.client.out);
		pump(&p, datagram);
		assert_int_equal(tls_state(p.server.t), TLS_CLOSED);
		pair_close(&p);
		tls_setup_put(server);
		tls_setup_put(client);
		key_put(src.known[0].key);
	}
}

static void raw(void **state)
{
	for (int datagram = 0; datagram < 2; datagram++) {
		struct source src = { 0 };
		struct key_ref *mine = ec_key(), *theirs = ec_key();
		const struct tls_own own = { .key = mine }, other = { .key = theirs };
		struct tls_options so = listener_options(&src), co = { .client = true, .raw = true, .own = &other, .n_own = 1, .datagram = datagram };
		so.raw = true;
		so.own = &own;
		so.n_own = 1;
		so.datagram = datagram;
		struct tls_setup *server = setup_of(&so), *client = setup_of(&co);
		char id[PUBLIC_KEY_ID_MAX];
		const struct tls_want want = { .public_key = slice_of(id, public_key_id(slice_of((char *)server->own[0].chain->cert.data, server->own[0].chain->cert.size), 128, id)) };
		struct pair p;

		pair_open(&p, client, server, &want);
		pump(&p, datagram);
		must_open(&p);
		assert_string_equal(tls_suite(p.server.t), datagram ? "ECDHE-ECDSA-AES128-CCM8" : "ECDHE-ECDSA-AES128-SHA256");
		assert_int_equal(tls_peer(p.server.t)->type, CREDENTIAL_RAW);
		talk(&p, datagram);
		pair_close(&p);
		tls_setup_put(server);
		tls_setup_put(client);
		key_put(mine);
		key_put(theirs);
	}
}

/* --- holding --- */

struct held {
	struct source src;
	struct tls_setup *server, *client;
	struct tls_want want;
	struct pair p;
	bool datagram;
};

static void held_setup(struct held *h, bool datagram, const struct tls_options *o)
{
	struct tls_options so = o ? *o : listener_options(&h->src), co = { .client = true, .psk = true, .datagram = datagram };

	so.source.ctx = &h->src;
	so.datagram = h->datagram = datagram;
	h->src = (struct source){ .known = { { S("a@b.example"), psk_of('k', 32), 0 } } };
	h->server = setup_of(&so);
	h->client = setup_of(&co);
	h->want = (struct tls_want){ .psk_identity = S("a@b.example"), .psk = h->src.known[0].key };
}

static void held_open(struct held *h, bool datagram, const struct tls_options *o)
{
	held_setup(h, datagram, o);
	h->src.again = true;
	pair_open(&h->p, h->client, h->server, &h->want);
	pump(&h->p, datagram);
	assert_int_equal(tls_state(h->p.server.t), TLS_HELD);
	assert_int_equal(tls_setup_counts(h->server)->holding, 1);
	assert_int_equal(h->src.tickets, 1);
}

static void held_close(struct held *h)
{
	pair_close(&h->p);
	assert_int_equal(tls_setup_counts(h->server)->holding, 0);
	tls_setup_put(h->server);
	tls_setup_put(h->client);
	key_put(h->src.known[0].key);
}

static void wait_woken(struct end *e)
{
	while (!e->woken)
		uv_run(&test_loop.uv, UV_RUN_DEFAULT); /* woken ends it */
	tls_input(e->t, NULL, 0, &e->out);
}

struct answer { struct tls_hold *ticket; enum reeve_rc rc; struct key_ref *key; };

static void *answer_it(void *arg)
{
	const struct answer *a = arg;
	tls_hold_end(a->ticket, a->rc, a->key ? key_get(a->key) : NULL, 0);
	return NULL;
}

/* From a thread of its own, as those who fetch keys do. */
static void answer(struct held *h, enum reeve_rc rc, struct key_ref *key)
{
	struct answer a = { h->src.ticket[0], rc, key };
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, answer_it, &a), 0);
	pthread_join(t, NULL);
}

static void held_until_the_key_comes(void **state)
{
	for (int datagram = 0; datagram < 2; datagram++) {
		struct held h;
		held_open(&h, datagram, NULL);
		assert_int_equal(h.p.server.out.n, 0); /* nothing is answered meanwhile */
		answer(&h, RC_OK, h.src.known[0].key);
		wait_woken(&h.p.server);
		pump(&h.p, datagram);
		must_open(&h.p);
		talk(&h.p, datagram);
		assert_int_equal(h.src.asked, 1);
		held_close(&h);
	}
}

/* SEC-039: no key, a wrong key, a key for something else, one that has expired: the client sees the same. */
static void no_key_ends_as_a_wrong_one(void **state)
{
	struct key_ref *wrong = psk_of('x', 32);
	char bytes[32] = "another purpose";
	struct key_ref *mac = key_of(ALG_HS256, bytes, sizeof(bytes));
	const struct { enum reeve_rc rc; struct key_ref *key; } t[] = {
		{ RC_OK, wrong }, { RC_NOTFOUND, NULL }, { RC_IO, NULL }, { RC_OK, mac }, { RC_OK, NULL },
	};
	char first[TLS_WHY_MAX] = "";

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct held h;
		held_open(&h, false, NULL);
		answer(&h, t[i].rc, t[i].key);
		wait_woken(&h.p.server);
		pump(&h.p, false);
		assert_int_equal(tls_state(h.p.server.t), TLS_FAILED);
		assert_int_equal(tls_state(h.p.client.t), TLS_FAILED);
		if (!i)
			snprintf(first, sizeof(first), "%s", tls_why(h.p.client.t));
		assert_string_equal(tls_why(h.p.client.t), first);
		assert_int_equal(h.src.permits, 0);
		held_close(&h);
	}
	key_put(wrong);
	key_put(mac);
}

/* SEC-030: a key whose end is over opens nothing. */
static void expired_key(void **state)
{
	for (int expired = 0; expired < 2; expired++) {
		struct held h;
		held_setup(&h, false, NULL);
		h.src.known[0].expires = expired ? clock_wall() - 1 : clock_wall() + 3600 * USEC_S;
		pair_open(&h.p, h.client, h.server, &h.want);
		pump(&h.p, false);
		assert_int_equal(tls_state(h.p.server.t), expired ? TLS_FAILED : TLS_OPEN);
		if (!expired)
			assert_true(tls_peer(h.p.server.t)->expires == h.src.known[0].expires);
		held_close(&h);
	}
}

static void gone_before_the_key(void **state)
{
	struct held h;

	held_open(&h, false, NULL);
	end_close(&h.p.server);
	assert_int_equal(tls_setup_counts(h.server)->holding, 0);
	answer(&h, RC_OK, h.src.known[0].key);
	turn(); /* the ticket finds nobody */
	held_close(&h);
}

/* What the client sends again under DTLS changes nothing, and is not kept without measure. */
static void sent_again_while_held(void **state)
{
	struct held h;
	struct slice left, one;
	struct buf again;

	held_setup(&h, true, NULL);
	h.src.again = true;
	pair_open(&h.p, h.client, h.server, &h.want);
	buf_init(&again, 1 << 16);
	while (tls_state(h.p.server.t) != TLS_HELD) {
		buf_clear(&again);
		buf_slice(&again, buf_view(&h.p.client.out));
		carry(&h.p.client, &h.p.server, true);
		carry(&h.p.server, &h.p.client, true);
	}
	for (int i = 0; i < 1000; i++)
		for (left = buf_view(&again); tls_datagram(&left, &one);)
			assert_int_equal(tls_input(h.p.server.t, one.p, one.n, &h.p.server.out), TLS_HELD);
	assert_true(h.p.server.t->in.n < 32768);
	assert_int_equal(h.src.asked, 1);
	answer(&h, RC_OK, h.src.known[0].key);
	wait_woken(&h.p.server);
	pump(&h.p, true);
	must_open(&h.p);
	buf_free(&again);
	held_close(&h);
}

static void too_much_while_held(void **state)
{
	static char record[16384 + 5] = { 23, 3, 3, 0x40, 0 };
	struct held h;

	held_open(&h, false, NULL);
	assert_int_equal(tls_input(h.p.server.t, record, sizeof(record), &h.p.server.out), TLS_HELD);
	assert_int_equal(tls_input(h.p.server.t, record, sizeof(record), &h.p.server.out), TLS_FAILED);
	answer(&h, RC_OK, h.src.known[0].key);
	turn();
	held_close(&h);
}

/* No more handshakes are held than are allowed; the source is not made to look for more. */
static void too_many_held(void **state)
{
	enum { MAX = 4 };
	struct held h;
	struct pair more[MAX];

	held_open(&h, false, NULL);
	for (int i = 0; i < MAX; i++) {
		pair_open(&more[i], h.client, h.server, &h.want);
		pump(&more[i], false);
		assert_int_equal(tls_state(more[i].server.t), i < MAX - 1 ? TLS_HELD : TLS_FAILED);
	}
	assert_int_equal(tls_setup_counts(h.server)->hold_limit, 1);
	assert_int_equal(h.src.tickets, MAX);
	assert_int_equal(h.src.refused_tickets, 1);
	for (int i = 0; i < MAX; i++) {
		tls_hold_end(h.src.ticket[i], RC_NOTFOUND, NULL, 0);
		pair_close(&more[i]);
	}
	turn();
	held_close(&h);
}

static void the_key_is_late(void **state)
{
	struct held h;
	struct tls_options o = listener_options(&h.src);

	o.hold_time = USEC_MS;
	held_open(&h, false, &o);
	wait_woken(&h.p.server);
	assert_int_equal(tls_state(h.p.server.t), TLS_FAILED);
	assert_int_equal(tls_setup_counts(h.server)->hold_timeout, 1);
	answer(&h, RC_OK, h.src.known[0].key);
	turn();
	held_close(&h);
}

static void the_client_is_late(void **state)
{
	struct held h;
	struct tls_options o = listener_options(&h.src);

	o.handshake_time = USEC_MS;
	held_setup(&h, false, &o);
	pair_open(&h.p, h.client, h.server, &h.want);
	wait_woken(&h.p.server);
	assert_int_equal(tls_state(h.p.server.t), TLS_FAILED);
	assert_int_equal(tls_setup_counts(h.server)->failed, 1);
	held_close(&h);
}

/* --- the end of a handshake --- */

static struct pair *watched;

static bool not_yet(void *ctx, const struct tls_peer *p)
{
	assert_int_equal(tls_state(watched->client.t), TLS_HANDSHAKE);
	assert_int_equal(tls_state(watched->server.t), TLS_HANDSHAKE);
	assert_true(slice_eq(p->credential, S("12-a@b.example")));
	((struct source *)ctx)->permits++;
	return !((struct source *)ctx)->deny;
}

/* Permission is asked while the client still waits for the answer; without it nobody has an association. */
static void permission_comes_first(void **state)
{
	for (int deny = 0; deny < 2; deny++) {
		struct held h;
		struct tls_options o = listener_options(&h.src);

		o.source.permit = not_yet;
		held_setup(&h, false, &o);
		h.src.deny = deny;
		watched = &h.p;
		pair_open(&h.p, h.client, h.server, &h.want);
		pump(&h.p, false);
		assert_int_equal(tls_state(h.p.server.t), deny ? TLS_FAILED : TLS_OPEN);
		assert_int_equal(tls_state(h.p.client.t), deny ? TLS_FAILED : TLS_OPEN);
		assert_int_equal(h.src.permits, 1);
		assert_int_equal(tls_setup_counts(h.server)->refused, deny);
		held_close(&h);
	}
}

/* Bytes one by one, datagrams in fragments: the same. */
static void in_pieces(void **state)
{
	struct held h;

	held_setup(&h, false, NULL);
	pair_open(&h.p, h.client, h.server, &h.want);
	for (int round = 0; round < 8; round++) {
		for (size_t i = 0; i < h.p.client.out.n; i++)
			tls_input(h.p.server.t, h.p.client.out.p + i, 1, &h.p.server.out);
		buf_clear(&h.p.client.out);
		for (size_t i = 0; i < h.p.server.out.n; i++)
			tls_input(h.p.client.t, h.p.server.out.p + i, 1, &h.p.client.out);
		buf_clear(&h.p.server.out);
	}
	must_open(&h.p);
	talk(&h.p, false);
	held_close(&h);
}

static void in_fragments(void **state)
{
	struct key_ref *key = psk_of('k', 64);
	char identity[PSK_IDENTITY_MAX];
	struct source src = { .known = { { slice_of(identity, sizeof(identity)), key, 0 } } };
	struct tls_options so = listener_options(&src), co = { .client = true, .psk = true, .datagram = true, .mtu = 48 + 110 }; /* no room for an identity of 128 */
	const struct tls_want want = { .psk_identity = slice_of(identity, sizeof(identity)), .psk = key };
	struct pair p;

	memset(identity, 'i', sizeof(identity));
	so.datagram = true;
	struct tls_setup *server = setup_of(&so), *client = setup_of(&co);
	struct slice left, one;
	unsigned datagrams = 0;

	pair_open(&p, client, server, &want);
	carry(&p.client, &p.server, true);
	carry(&p.server, &p.client, true);
	for (left = buf_view(&p.client.out); tls_datagram(&left, &one); datagrams++)
		assert_true(one.n <= 110);
	assert_true(datagrams >= 4); /* two of the ClientKeyExchange, ChangeCipherSpec, Finished */
	pump(&p, true);
	must_open(&p);
	talk(&p, true);
	pair_close(&p);
	tls_setup_put(server);
	tls_setup_put(client);
	key_put(key);
}

/* --- sessions that may be resumed --- */

static gnutls_datum_t look_up(struct resumable *r, struct slice id, usec now)
{
	static char room[4096];
	static struct tls_peer peer;
	struct arena a;
	gnutls_datum_t got;

	arena_init(&a, room, sizeof(room), 0);
	got = resumable_get(r, id, now, &a, &peer);
	if (got.data)
		assert_true(slice_eq(peer.credential, S("12-a@b.example")) && peer.type == CREDENTIAL_PSK);
	return got;
}

static bool kept(struct resumable *r, struct slice id, usec now)
{
	gnutls_datum_t got = look_up(r, id, now);
	const bool there = got.data != NULL;

	gnutls_free(got.data);
	return there;
}

/* Never longer than the time that is set, nor than the credential; never more than so many; gone when it is said to be. */
static void resumable_table(void **state)
{
	struct resumable *r = resumable_new(3);
	struct tls_peer peer = { .type = CREDENTIAL_PSK, .credential = S("12-a@b.example") };

	resumable_put(r, 0, S("one"), S("data"), &peer, 100, 10);
	assert_true(kept(r, S("one"), 99));
	assert_false(kept(r, S("two"), 99));
	assert_false(kept(r, S("one"), 100));
	assert_false(kept(r, S("one"), 99)); /* it was forgotten */
	peer.expires = 50;
	resumable_put(r, 0, S("one"), S("data"), &peer, 100, 10);
	assert_true(kept(r, S("one"), 49));
	assert_false(kept(r, S("one"), 50));
	resumable_put(r, 0, S("one"), S("data"), &peer, 100, 50); /* no longer good: not kept at all */
	assert_false(kept(r, S("one"), 0));
	peer.expires = 0;
	for (const char *id = "abcd"; *id; id++)
		resumable_put(r, 0, slice_of(id, 1), S("data"), &peer, 100, 10);
	assert_false(kept(r, S("a"), 20)); /* the oldest */
	assert_true(kept(r, S("b"), 20) && kept(r, S("c"), 20) && kept(r, S("d"), 20));
	resumable_put(r, 0, S("b"), S("other"), &peer, 100, 10);
	gnutls_datum_t got = look_up(r, S("b"), 20);
	assert_int_equal(got.size, 5);
	gnutls_free(got.data);
	resumable_remove(r, S("c"));
	assert_false(kept(r, S("c"), 20));
	resumable_clear(r);
	assert_false(kept(r, S("b"), 20) || kept(r, S("d"), 20));
	resumable_put(r, 0, S("late"), S("data"), &peer, 100, 10); /* of a handshake that began before */
	assert_false(kept(r, S("late"), 20));
	resumable_put(r, resumable_era(r), S("new"), S("data"), &peer, 100, 10);
	assert_true(kept(r, S("new"), 20));
	resumable_free(r);
}

/* --- setups that make no sense --- */

static void setups(void **state)
{
	struct source src = { 0 };
	struct tls_setup *s;
	struct key_ref *mac = psk_of('k', 32);
	const struct tls_own own = { .key = mac };
	struct tls_options o = listener_options(&src);

	o.psk = false;
	assert_int_equal(tls_setup_new(&o, &s, why), RC_INVALID); /* SEC-013: every family off */
	assert_non_null(strstr(why, "family"));
	o.raw = true;
	assert_int_equal(tls_setup_new(&o, &s, why), RC_INVALID);
	o.own = &own;
	o.n_own = 1;
	assert_int_equal(tls_setup_new(&o, &s, why), RC_INVALID); /* a key for something else */
	assert_non_null(strstr(why, "TLS-ES256"));
	key_put(mac);
}

static int begin(void **state) { return loop_init(&test_loop, 0) == RC_OK ? 0 : -1; }

static int end(void **state)
{
	uv_run(&test_loop.uv, UV_RUN_NOWAIT);
	loop_close(&test_loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(psk), cmocka_unit_test(raw), cmocka_unit_test(held_until_the_key_comes),
		cmocka_unit_test(no_key_ends_as_a_wrong_one), cmocka_unit_test(expired_key), cmocka_unit_test(gone_before_the_key),
		cmocka_unit_test(sent_again_while_held), cmocka_unit_test(too_much_while_held), cmocka_unit_test(too_many_held),
		cmocka_unit_test(the_key_is_late), cmocka_unit_test(the_client_is_late), cmocka_unit_test(permission_comes_first),
		cmocka_unit_test(in_pieces), cmocka_unit_test(in_fragments), cmocka_unit_test(resumable_table), cmocka_unit_test(setups),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
