/* SPDX-License-Identifier: Apache-2.0 */
/* Derivations from an enrolment key: the vectors of docs/requirements/security-frameworks.md 10.2, which two other implementations made. */
#include "tls/derive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct key_ref *import(const char *hex, enum key_alg alg)
{
	const struct key_spec spec = { .alg = alg };
	struct key_ref *key;
	char why[KEY_WHY_MAX];

	assert_int_equal(secenv_import(NULL, KEY_HEX, slice_str(hex), &spec, &key, why), RC_OK);
	return key;
}

static struct key_ref *enrolment_key(void)
{
	return import("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", ALG_DERIVE);
}

enum { KM, KPSA, CONSTRAINED };

static enum reeve_rc make(struct key_ref *ke, int what, unsigned suid, struct slice id, enum key_alg alg, struct key_ref **out)
{
	return what == KM ? derive_km(ke, id, alg, out) : what == KPSA ? derive_kpsa(ke, id, alg, out) : derive_constrained(ke, suid, id, alg, out);
}

static void vectors(void **state)
{
	/* SEC-135, and SEC-136 in the second: MAF-ID with U+FF41 for its "a" */
	static const struct { int what; unsigned suid; const char *id, *hex; } t[] = {
		{ KM, 0, "maf.example.org", "3c84807f737a531c808f78cfddbf8f474644de4a8b32147836cc2a0aa86c5fc4" },
		{ KM, 0, "m\xef\xbd\x81" "f.example.org", "3c84807f737a531c808f78cfddbf8f474644de4a8b32147836cc2a0aa86c5fc4" },
		{ KPSA, 0, "//m2m.example.com/in-cse1", "0b5072007eb1420dfa2c4ab5211f1a506dc1fb7b89b54bfef3437d65de3459f4" },
		{ CONSTRAINED, 21, "maf.example.org", "c2a552413ed3e6fc950c0c3b5b95cc532b8cdb0b09b614dfab7f5f3507cb3be7" },
		{ CONSTRAINED, 22, "in-cse1.m2m.example.com", "89f196340b88e245327a847a22c3d689c54f77302df7f9dfe437e30c60f6e317" },
		{ CONSTRAINED, 22, "mn-cse7.in-cse1.m2m.example.com", "a63eae9fa6d9d716c160d14ca82758593806c96fe2e300764ddca51ae153d62f" },
	};
	struct key_ref *ke = enrolment_key();

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct key_ref *psk;
		uint8_t bytes[KEY_LENT_MAX];
		char hex[65];
		size_t n;

		assert_int_equal(make(ke, t[i].what, t[i].suid, slice_str(t[i].id), ALG_TLS_PSK, &psk), RC_OK);
		assert_int_equal(key_lend(psk, bytes, &n), RC_OK);
		assert_int_equal(n, 32);
		for (size_t k = 0; k < n; k++)
			snprintf(hex + 2 * k, 3, "%02x", bytes[k]);
		assert_string_equal(hex, t[i].hex);
		key_put(psk);
	}
	key_put(ke);
}

/* Do two identifiers lead to the same key? */
static bool same(const char *a, const char *b)
{
	struct key_ref *ke = enrolment_key(), *one, *two;
	uint8_t mac[KEY_SIGNATURE_MAX];
	size_t n;
	bool equal = true;

	for (int what = KM; what <= CONSTRAINED; what++) {
		assert_int_equal(make(ke, what, 22, slice_str(a), ALG_HS256, &one), RC_OK);
		assert_int_equal(make(ke, what, 22, slice_str(b), ALG_HS256, &two), RC_OK);
		assert_int_equal(key_sign(one, ALG_HS256, S("x"), mac, &n), RC_OK);
		equal = equal && key_verify(two, ALG_HS256, S("x"), slice_of((const char *)mac, n)) == RC_OK;
		key_put(one);
		key_put(two);
	}
	key_put(ke);
	return equal;
}

static void normalization(void **state)
{
	/* SEC-136: composed and decomposed, compatible forms, order of marks; case and other letters count */
	assert_true(same("caf\xc3\xa9.example", "cafe\xcc\x81.example"));
	assert_true(same("\xef\xac\x81.example", "fi.example"));
	assert_true(same("a\xcc\xa3\xcc\x87", "a\xcc\x87\xcc\xa3"));
	assert_true(same("\xe2\x84\xa6", "\xce\xa9"));
	assert_false(same("caf\xc3\xa9.example", "cafe.example"));
	assert_false(same("A", "a"));
	/* the longest expansion there is, of the longest identifier */
	char longest[1024];
	struct key_ref *ke = enrolment_key(), *key;
	for (size_t i = 0; i + 3 <= sizeof(longest); i += 3)
		memcpy(longest + i, "\xef\xb7\xba", 3);
	assert_int_equal(derive_km(ke, slice_of(longest, 1023), ALG_TLS_PSK, &key), RC_OK);
	key_put(key);
	key_put(ke);
}

static void refusals(void **state)
{
	static const char *const bad[] = { "", "\xff", "a\xc3", "\xed\xa0\x80" };
	struct key_ref *ke = enrolment_key(), *other = import("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", ALG_HS256), *key;
	char longer[1025];

	memset(longer, 'a', sizeof(longer));
	for (int what = KM; what <= CONSTRAINED; what++) {
		for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
			assert_int_equal(make(ke, what, 22, slice_str(bad[i]), ALG_TLS_PSK, &key), RC_INVALID);
			assert_null(key);
		}
		assert_int_equal(make(ke, what, 22, slice_of(longer, sizeof(longer)), ALG_TLS_PSK, &key), RC_INVALID);
		assert_int_equal(make(other, what, 22, S("a"), ALG_TLS_PSK, &key), RC_DENIED);
		assert_null(key);
	}
	key_put(other);
	key_put(ke);
}

static void identifiers(void **state)
{
	char out[PSK_IDENTITY_MAX], longest[PSK_IDENTITY_MAX];
	const struct slice hex = S("00112233445566778899aabbccddeeff");
	size_t n = derive_key_identifier(hex, S("mef.example.org"), out);

	/* SEC-126, SEC-127: KeID and Key Identifier */
	assert_true(slice_eq(slice_of(out, n), S("00112233445566778899aabbccddeeff@mef.example.org")));
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(derive_key_identifier(hex, slice_of(longest, PSK_IDENTITY_MAX - 33), out), 0); /* one label */
	longest[40] = '.';
	longest[90] = '.';
	assert_int_equal(derive_key_identifier(hex, slice_of(longest, PSK_IDENTITY_MAX - 33), out), PSK_IDENTITY_MAX);
	assert_int_equal(derive_key_identifier(hex, slice_of(longest, PSK_IDENTITY_MAX - 32), out), 0);
	assert_int_equal(derive_key_identifier(hex, S("a@b"), out), 0);
	assert_int_equal(derive_key_identifier(S("a b"), S("b.c"), out), 0);
	assert_int_equal(derive_key_identifier(hex, S(""), out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors), cmocka_unit_test(normalization), cmocka_unit_test(refusals), cmocka_unit_test(identifiers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
