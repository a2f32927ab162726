/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that come out of an association: both ends of one have the same, nobody else has; which octets are the identifier and which the
 * key. That the exporter itself is what others make of it: tests/e2e/test_tls_handshakes.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/derive.h"
#include "tls_util.h"

static const char *const labels[] = { "EXPORTER-oneM2M-Bootstrap", "EXPORTER-oneM2M-Connection", "EXPORTER-oneM2M-ESCertKE" };

static void lend(struct key_ref *key, uint8_t out[32])
{
	uint8_t bytes[KEY_LENT_MAX];
	size_t n;

	assert_int_equal(key_lend(key, bytes, &n), RC_OK);
	assert_int_equal(n, 32);
	memcpy(out, bytes, 32);
	key_put(key);
}

static void exported(void **state)
{
	uint8_t seen[4][3][48]; /* by association and label */

	for (int round = 0; round < 4; round++) {
		const bool datagram = round & 1;
		struct source src = { .known = { { S("a@b.example"), psk_of('k', 32), 0 } } };
		struct tls_options so = listener_options(&src), co = { .client = true, .psk = true, .datagram = datagram };
		so.datagram = datagram;
		struct tls_setup *server = setup_of(&so), *client = setup_of(&co);
		const struct tls_want want = { .psk_identity = S("a@b.example"), .psk = src.known[0].key };
		char id[EXPORTED_ID_HEX + 1], id2[EXPORTED_ID_HEX + 1], hex[EXPORTED_ID_HEX + 1];
		struct key_ref *key, *key2;
		uint8_t one[32], two[32];
		struct pair p;

		pair_open(&p, client, server, &want);
		assert_int_equal(derive_exported(p.client.t, EXPORT_BOOTSTRAP, ALG_TLS_PSK, id, &key), RC_IO); /* not before it stands */
		assert_null(key);
		pump(&p, datagram);
		for (int what = 0; what < 3; what++) {
			uint8_t *raw = seen[round][what];
			/* SEC-131: the label; SEC-132: 16 octets of identifier, then 32 of key */
			assert_int_equal(tls_export(p.server.t, slice_str(labels[what]), raw, 48), RC_OK);
			assert_int_equal(derive_exported(p.client.t, (enum exported)what, ALG_TLS_PSK, id, &key), RC_OK);
			assert_int_equal(derive_exported(p.server.t, (enum exported)what, ALG_TLS_PSK, id2, &key2), RC_OK);
			for (int i = 0; i < 16; i++)
				snprintf(hex + 2 * i, 3, "%02x", raw[i]);
			assert_string_equal(id, hex);
			assert_string_equal(id, id2); /* SEC-133 */
			assert_true(slice_eq(key_info(key)->kid, slice_str(id)));
			lend(key, one);
			lend(key2, two);
			assert_memory_equal(one, raw + 16, 32);
			assert_memory_equal(one, two, 32);
			for (int r = 0; r <= round; r++) /* SEC-133: two associations, or labels, never export the same */
				for (int w = 0; w < (r == round ? what : 3); w++)
					assert_memory_not_equal(seen[r][w], raw, 16);
		}
		pair_close(&p);
		tls_setup_put(server);
		tls_setup_put(client);
		key_put(src.known[0].key);
	}
}

static int begin(void **state) { return loop_init(&test_loop, 0) == RC_OK ? 0 : -1; }

static int finish(void **state)
{
	loop_close(&test_loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(exported) };
	return cmocka_run_group_tests(tests, begin, finish);
}
