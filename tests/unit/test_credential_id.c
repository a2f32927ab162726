/* SPDX-License-Identifier: Apache-2.0 */
/* Names of credentials: the examples and malformed ones of docs/requirements/security-frameworks.md 10.1, the identifiers of 10.2. */
#include "tls/credential_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <openssl/evp.h>

static void credential_ids(void **state)
{
	static const struct { const char *text; enum credential_type type; const char *value; } good[] = {
		{ "12-pump-01@issuer.example.org", CREDENTIAL_PSK, "pump-01@issuer.example.org" }, /* SEC-125: the first '-' */
		{ "10-dev_4711@mef.example.org", CREDENTIAL_PSK_MEF, "dev_4711@mef.example.org" },
		{ "11-mn7-a@maf.example.org", CREDENTIAL_PSK_MAF, "mn7-a@maf.example.org" },
		{ "16-x", CREDENTIAL_PSK_MAC, "x" }, { "12--", CREDENTIAL_PSK, "-" },
		{ "30-ni:///sha-256;C1naFlHoBOyvvl0WNLqRoGIEak5fw5V5LCc5a7jsO90", CREDENTIAL_RAW, "ni:///sha-256;C1naFlHoBOyvvl0WNLqRoGIEak5fw5V5LCc5a7jsO90" },
		{ "31-0.2.481.1.100.3030.10011", CREDENTIAL_DEVICE, "0.2.481.1.100.3030.10011" },
		{ "33-//m2m.example.com/Smeter9", CREDENTIAL_AE, "//m2m.example.com/Smeter9" },
		{ "34-urn:gsma:imei:90420156-025763-0;svn=42", CREDENTIAL_NODE, "urn:gsma:imei:90420156-025763-0;svn=42" },
		{ "41-a", CREDENTIAL_MANAGE_RAW, "a" }, { "45-a", CREDENTIAL_MANAGE_NODE, "a" }, { "55-a", CREDENTIAL_SIGN_NODE, "a" },
		{ "12-\xc3\xbc", CREDENTIAL_PSK, "\xc3\xbc" },
	};
	static const char *const bad[] = {
		"", "12", "12-", "-x", "99-x@y.z", "00-x", "9-x", "17-x", "29-x", "35-x", "40-x", "46-x", "50-x", "56-x", "012-x", "120-x", "+12-x",
		" 12-x", "1 -x", "12x", "12_x", "0x12-x", "12-a b", "12-a\n", "12-a\x7f", "12-\xff", "12-\xc3", "ab-x", "12 -x",
	};
	char longest[CREDENTIAL_ID_MAX + 1];
	enum credential_type type;
	struct slice value;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(credential_id_parse(slice_str(good[i].text), &type, &value)); /* SEC-125 */
		assert_int_equal(type, good[i].type);
		assert_true(slice_eq(value, slice_str(good[i].value)));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (credential_id_parse(slice_str(bad[i]), &type, &value)) /* SEC-125 */
			fail_msg("%s is taken", bad[i]);
	assert_false(credential_id_parse(slice_of("12-a\0b", 6), &type, &value));
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "12-", 3);
	assert_true(credential_id_parse(slice_of(longest, CREDENTIAL_ID_MAX), &type, &value));
	assert_false(credential_id_parse(slice_of(longest, CREDENTIAL_ID_MAX + 1), &type, &value));
}

static void key_identifiers(void **state)
{
	static const struct { const char *text, *relative, *fqdn; } good[] = {
		{ "pump-01@issuer.example.org", "pump-01", "issuer.example.org" }, /* SEC-032 */
		{ "dev_4711@mef.example.org", "dev_4711", "mef.example.org" },
		{ "00112233445566778899aabbccddeeff@mef.example.org", "00112233445566778899aabbccddeeff", "mef.example.org" },
		{ "A.b_c-9@x", "A.b_c-9", "x" },
	};
	static const char *const bad[] = { /* SEC-033 */
		"", "@", "pump-01", "@issuer.example.org", "pump-01@", "pump 01@issuer.example.org", "a@b@c", "a@@b", "p/1@b.c", "p:1@b.c",
		"p\xc3\xbc@b.c", "a@b..c", "a@.b", "a@b.", "a@*.b", "a@b_c", "a@-b.c", "a@b-.c", "a@b c", "a@b.c\n", "a\n@b.c", "a@b/c", "a+b@c.d",
	};
	char longest[PSK_IDENTITY_MAX + 1];
	struct slice relative, fqdn;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(key_identifier_parse(slice_str(good[i].text), &relative, &fqdn));
		assert_true(slice_eq(relative, slice_str(good[i].relative)) && slice_eq(fqdn, slice_str(good[i].fqdn)));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (key_identifier_parse(slice_str(bad[i]), &relative, &fqdn))
			fail_msg("%s is taken", bad[i]);
	assert_false(key_identifier_parse(slice_of("a\0b@c.d", 7), &relative, &fqdn));
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + 100, "@b.c", 4); /* 100 and a label of 24 */
	assert_true(key_identifier_parse(slice_of(longest, PSK_IDENTITY_MAX), &relative, &fqdn));
	assert_false(key_identifier_parse(slice_of(longest, PSK_IDENTITY_MAX + 1), &relative, &fqdn));
}

static void domain_names(void **state)
{
	static const char *const good[] = { "a", "m2m.example.com", "mn-cse7.in-cse1.m2m.example.com", "X1.Y", "1a.b" };
	static const char *const bad[] = { "", ".", "a.", ".a", "a..b", "*.a", "a.*", "a_b", "a b", "a/b", "a:1", "-a", "a-", "a.-b", "\xc3\xbc.de" };
	char text[254];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(fqdn_valid(slice_str(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (fqdn_valid(slice_str(bad[i])))
			fail_msg("%s is taken", bad[i]);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? '.' : 'a';
	assert_true(fqdn_valid(slice_of(text, 253)));
	text[253] = 'a';
	assert_false(fqdn_valid(slice_of(text + 1, 253)));
	memset(text, 'a', 64);
	assert_true(fqdn_valid(slice_of(text, 63)));
	assert_false(fqdn_valid(slice_of(text, 64)));

	/* SEC-128: case does not count in a KmID */
	assert_true(fqdn_same(S("mn7-a@maf.example.org"), S("MN7-A@maf.example.org")));
	assert_false(fqdn_same(S("mn7-a@maf.example.org"), S("mn7-b@maf.example.org")));
	assert_false(fqdn_same(S("a"), S("ab")));
	assert_false(fqdn_same(S(""), S("")));
}

static void public_keys(void **state)
{
	static const char key[] = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpx0bgeqXaYo2s4iAygqM2hvkEP7yGwHYH4QZ6mM4TqgntQ/nHewC/Tt3F7NNsZApm6nb+UfHqxsbSvb+"
		"lOlH6g==";
	static const struct { unsigned bits; const char *id; } ids[] = {
		{ 256, "ni:///sha-256;C1naFlHoBOyvvl0WNLqRoGIEak5fw5V5LCc5a7jsO90" },
		{ 128, "ni:///sha-256-128;C1naFlHoBOyvvl0WNLqRoA" },
		{ 120, "ni:///sha-256-120;C1naFlHoBOyvvl0WNLqR" },
	};
	static const char *const strangers[] = { /* SEC-084: another algorithm, a length that is not the algorithm's, another key */
		"", "ni:///", "ni:///sha-256", "ni:///sha-256;", "ni:///sha-512;C1naFlHoBOyvvl0WNLqRoGIEak5fw5V5LCc5a7jsO90",
		"ni:///sha-256-64;C1naFlHoBOw", "ni:///sha-256;C1naFlHoBOyvvl0WNLqRoA", "ni:///sha-256-128;C1naFlHoBOyvvl0WNLqR",
		"ni:///sha-256-120;C1naFlHoBOyvvl0WNLqRoA", "ni:///sha-256;C1naFlHoBOyvvl0WNLqRoGIEak5fw5V5LCc5a7jsO91",
		"ni:///sha-256;C1naFlHoBOyvvl0WNLqRoGIEak5fw5V5LCc5a7jsO90=", "C1naFlHoBOyvvl0WNLqRoGIEak5fw5V5LCc5a7jsO90",
		"ni:///SHA-256;C1naFlHoBOyvvl0WNLqRoGIEak5fw5V5LCc5a7jsO90", "ni:///sha-256-120;C1naFlHoBOyvvl0WNLqQ",
	};
	unsigned char spki[128];
	char made[PUBLIC_KEY_ID_MAX];

	assert_int_equal(EVP_DecodeBlock(spki, (const unsigned char *)key, sizeof(key) - 1), 93);
	const struct slice s = slice_of((const char *)spki, 91);
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		const size_t n = public_key_id(s, ids[i].bits, made);
		assert_true(slice_eq(slice_of(made, n), slice_str(ids[i].id)));
		assert_true(public_key_id_matches(slice_str(ids[i].id), s)); /* SEC-083 */
	}
	for (size_t i = 0; i < sizeof(strangers) / sizeof(*strangers); i++)
		if (public_key_id_matches(slice_str(strangers[i]), s))
			fail_msg("%s matches", strangers[i]);
	spki[90] ^= 1;
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		assert_false(public_key_id_matches(slice_str(ids[i].id), s)); /* SEC-082, SEC-083 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(credential_ids), cmocka_unit_test(key_identifiers), cmocka_unit_test(domain_names), cmocka_unit_test(public_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
