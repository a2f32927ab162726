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
		cmocka_unit_test(psk), cmocka_unit_test(raw),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
