/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of tokens, what of a token counts, and its checks against a request: pure functions, at their edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "token_util.h"

static struct json json_of(struct arena *a, const char *text)
{
	struct slice why;
	struct json j;

	assert_int_equal(json_parse(a, slice_str(text), &json_default_limits, &j, &why), RC_OK);
	return j;
}

/* AUTHZ-163: without loss of a second, to the microsecond, and nothing beyond what a timestamp can tell */
static void numeric_dates(void **state)
{
	static const struct { const char *text; bool ok; usec t; const char *back; } rows[] = {
		{ "0", true, 0, "0" }, { "1772352000", true, 1772352000 * USEC_S, "1772352000" }, { "1.5", true, 1500000, "1.5" },
		{ "1772352000.000001", true, 1772352000 * USEC_S + 1, "1772352000.000001" }, { "1.0000009", true, USEC_S, "1" },
		{ "1.000", true, USEC_S, "1" }, { "253402300799", true, TIMESTAMP_MOST, "253402300799" }, { "253402300800", false, 0, NULL },
		{ "253402300799.5", false, 0, NULL }, { "-1", false, 0, NULL }, { "-0.5", false, 0, NULL }, { "1e3", true, 1000 * USEC_S, "1000" },
		{ "1.5E1", true, 15 * USEC_S, "15" }, { "1e300", false, 0, NULL }, { "1e-3", true, 1000, "0.001" }, { "-1e3", false, 0, NULL },
		{ "99999999999999999999999", false, 0, NULL }, { "\"1\"", false, 0, NULL }, { "true", false, 0, NULL }, { "null", false, 0, NULL },
		{ "2.534023007999e11", false, 0, NULL },
	};
	struct arena a;
	struct buf b;

	(void)state;
	arena_init(&a, NULL, 0, 1 << 20);
	buf_init(&b, 64);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct json j = json_of(&a, rows[i].text);
		usec t = -1;

		if (token_numeric_date(&j, 0, &t) != rows[i].ok || (rows[i].ok && t != rows[i].t))
			fail_msg("%s gives %lld", rows[i].text, (long long)t);
		if (!rows[i].ok)
			continue;
		buf_clear(&b);
		token_numeric_date_write(&b, t);
		assert_true(slice_eq(buf_view(&b), slice_str(rows[i].back)));
	}
	buf_free(&b);
	arena_reset(&a);
}

#define CLAIMS "{\"tkvr\":\"1\",\"jti\":\"t-1@das.example\",\"iss\":\"" DAS "\",\"azp\":\"" HOLDER "\",\"nbf\":1772352000,\"exp\":1772395200.25," \
	"\"tknm\":\"n\\\"\",\"aud\":[\"//SP.example/gw7\",\"//*/x\"],\"tkps\":{\"pm\":[{\"rids\":[\"a@das.example\"]}]},\"tkex\":\"\\u00e9\"}"

/* AUTHZ-163, E2E-121: each claim by its JWT name and its short name, there and back */
static void both_ways(void **state)
{
	struct token_claims c, again, copy;
	struct slice why;
	struct arena a;
	struct buf b;
	struct json j;

	(void)state;
	arena_init(&a, NULL, 0, 1 << 20);
	buf_init(&b, 4096);
	assert_int_equal(token_claims_read(&a, &token_home, S(CLAIMS), &token_default_limits, &c, &why), RC_OK);
	assert_true(slice_eq(c.audience[0], S("//sp.example/gw7")) && c.n_audience == 2 && slice_eq(c.name, S("n\"")));
	token_claims_write_jwt(&b, &c);
	assert_int_equal(token_claims_read(&a, &token_home, arena_dup(&a, buf_view(&b)), &token_default_limits, &again, &why), RC_OK);
	assert_null(token_claims_differ(&a, &again, &c));
	assert_null(token_claims_differ(&a, &c, &again));
	buf_clear(&b);
	buf_lit(&b, "{\"tkid\":\"t-1@das.example\",");
	token_claims_write_resource(&b, &c);
	buf_char(&b, '}');
	j = json_of(&a, arena_dup(&a, buf_view(&b)).p);
	assert_true(slice_eq(json_string(&a, &j, json_member(&j, 0, S("tkna"))), S("20260301T200000,25")));
	assert_int_equal(token_claims_from_resource(&a, &token_home, &j, 0, &copy, &why), RC_OK);
	assert_null(token_claims_differ(&a, &copy, &c));
	copy.not_after++;
	assert_string_equal(token_claims_differ(&a, &copy, &c), "tkna");
	buf_free(&b);
	arena_reset(&a);
}

/* AUTHZ-167: '*' is any run of characters but '/' */
static void audiences(void **state)
{
	static const struct { const char *pattern, *cse; bool fits; } rows[] = {
		{ "//sp.example/gw7", "//sp.example/gw7", true }, { "//*/gw7", "//sp.example/gw7", true }, { "//sp.example/*", "//sp.example/gw7", true },
		{ "//sp.example/*7", "//sp.example/gw7", true }, { "//*.example/g*7", "//sp.example/gw7", true }, { "*", "//sp.example/gw7", false },
		{ "//*", "//sp.example/gw7", false }, { "//sp.example/gw", "//sp.example/gw7", false }, { "//sp.example/gw77", "//sp.example/gw7", false },
		{ "", "//sp.example/gw7", false }, { "//sp.example/**", "//sp.example/gw7", true },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (token_audience_fits(slice_str(rows[i].pattern), slice_str(rows[i].cse)) != rows[i].fits)
			fail_msg("%s", rows[i].pattern);
}

/* AUTHZ-165, AUTHZ-166, AUTHZ-193: holder, DAS, time to the microsecond, in this order */
static void checks(void **state)
{
	struct maker m = maker_new(",\"das\":[\"http://d:1/\"],\"delegates\":[\"//sp.example/Sother\"]");
	const struct issuer *das = issuers_by_das(m.issuers, S("http://d:1/"));
	struct issuer stranger = { .id = S("//sp.example/Sstranger") };
	struct token_facts f = { .now = 500 * USEC_S, .who = S(HOLDER), .cse = token_home.abs };
	struct arena a;
	struct token *t;

	(void)state;
	arena_init(&a, NULL, 0, 1 << 20);
	t = right_token(&m, &a, "t", HOLDER, 1000, ",\"aud\":[\"//sp.example/gw7\"]");
	assert_non_null(das);
	assert_int_equal(token_check(t, S(HOLDER), &f), TOKEN_GOOD);
	assert_int_equal(token_check(t, S("//sp.example/gw7/C2"), &f), TOKEN_HOLDER);
	f.das = das;
	assert_int_equal(token_check(t, S(HOLDER), &f), TOKEN_GOOD);
	f.das = &stranger;
	assert_int_equal(token_check(t, S(HOLDER), &f), TOKEN_ISSUER);
	f.das = NULL;
	f.now = 100 * USEC_S - 1;
	assert_int_equal(token_check(t, S(HOLDER), &f), TOKEN_EARLY);
	f.now++;
	assert_int_equal(token_check(t, S(HOLDER), &f), TOKEN_GOOD);
	f.now = 1000 * USEC_S - 1;
	assert_int_equal(token_check(t, S(HOLDER), &f), TOKEN_GOOD);
	f.now++;
	assert_int_equal(token_check(t, S(HOLDER), &f), TOKEN_EXPIRED);
	f.now = 500 * USEC_S;
	f.cse = S("//sp.example/gw8");
	assert_int_equal(token_check(t, S(HOLDER), &f), TOKEN_AUDIENCE);
	assert_true(issuer_may_deliver(das, S("//sp.example/Sother")) && !issuer_may_deliver(das, S("//sp.example/Sstranger")));
	token_put(t);
	arena_reset(&a);
	maker_free(&m);
}

/* AUTHZ-172: a permission that does not count leaves the next one as it is */
static void permissions(void **state)
{
	struct maker m = maker_new("");
	const struct token_permission *p;
	struct arena a;
	struct token *t;
	size_t n;

	(void)state;
	arena_init(&a, NULL, 0, 1 << 20);
	t = right_token(&m, &a, "t", HOLDER, 1000, ",\"tkps\":{\"pm\":[{\"ris\":[\"x\",\"y\"],\"rids\":[\"r@foreign.example\"]},{},{\"pv\":{\"acr\":[]}},"
			"{\"rids\":[\"r@das.example\",\"s@foreign.example\"]},{\"ris\":[\"z\"],\"pv\":{\"acr\":[{\"acor\":[\"all\"],\"acop\":2}]}}]}");
	p = token_permissions(t, &n);
	assert_int_equal(n, 2);
	assert_true(p[0].n_ris == 0 && p[0].n_roles == 1 && !p[0].rules && slice_eq(p[0].roles[0], S("r@das.example")));
	assert_true(p[1].n_ris == 1 && p[1].n_roles == 0 && p[1].rules && policy_rules(p[1].rules, POLICY_PV) == 1);
	assert_true(token_unused(t).n > 0 && memmem(token_unused(t).p, token_unused(t).n, "pm[2]: pv without ris", 21));
	token_put(t);
	arena_reset(&a);
	maker_free(&m);
}

/* Two issuers may use one kid: the signature tells whose token it is, and it has to be the one that is named (AUTHZ-168) */
static void same_kid(void **state)
{
	struct key_ref *one = made(ALG_ES256), *two = made(ALG_ES256);
	struct maker m = { .key = two };
	char why[ISSUERS_WHY_MAX];
	struct arena a;
	struct token *t;
	struct buf b;

	(void)state;
	arena_init(&a, NULL, 0, 1 << 20);
	buf_init(&b, 65536);
	buf_lit(&b, "{\"issuers\":[{\"id\":\"//sp.example/Sone\",\"domains\":[\"one.example\"],\"keys\":[{\"kid\":\"k\",\"alg\":\"ES256\",\"jwk\":");
	assert_int_equal(key_export_public(one, KEY_JWK_BARE, &b), RC_OK);
	buf_lit(&b, "}]},{\"id\":\"" DAS "\",\"domains\":[\"das.example\"],\"keys\":[{\"kid\":\"k\",\"alg\":\"ES256\",\"jwk\":");
	assert_int_equal(key_export_public(two, KEY_JWK_BARE, &b), RC_OK);
	buf_lit(&b, "}]}]}");
	assert_int_equal(issuers_read(buf_view(&b), NULL, &token_home, NULL, &m.issuers, why), RC_OK);
	t = right_token(&m, &a, "t", HOLDER, 1000, "");
	token_put(t);
	m.key = one;
	assert_int_equal(open_token(&m, &a, sign_over(&m, &a, S(CLAIMS)), &t), TOKEN_ISSUER);
	m.key = made(ALG_ES256);
	assert_int_equal(open_token(&m, &a, sign_over(&m, &a, S(CLAIMS)), &t), TOKEN_FORGED);
	key_put(m.key);
	key_put(one);
	key_put(two);
	issuers_put(m.issuers);
	buf_free(&b);
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numeric_dates), cmocka_unit_test(both_ways), cmocka_unit_test(audiences), cmocka_unit_test(checks),
		cmocka_unit_test(permissions), cmocka_unit_test(same_kid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
