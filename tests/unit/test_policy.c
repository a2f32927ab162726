/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: what is accepted, what is refused with which reason, and the cache of compiled ones. */
#include "authz_support.h"

struct check_case {
	const char *rule; /* one rule */
	enum reeve_rc rc;
	const char *why;  /* must be in the reason */
};

static enum reeve_rc check_text(const struct policy_options *o, const char *text, char why[512])
{
	struct slice s = { NULL, 0 };
	enum reeve_rc rc;
	struct arena a;
	struct json j;

	arena_init(&a, NULL, 0, 1 << 20);
	assert_int_equal(json_parse(&a, SLICE(text), &json_default_limits, &j, &s), RC_OK);
	s = (struct slice){ NULL, 0 };
	rc = policy_check(o, &j, 0, &a, &s);
	snprintf(why, 512, "%.*s", SF(s));
	arena_reset(&a);
	return rc;
}

static void check_cases(const struct policy_options *o, const struct check_case *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char text[2048], why[512];
		enum reeve_rc rc;

		/* a good rule before it: the reason must name the second */
		snprintf(text, sizeof(text), "{\"acr\":[{\"acor\":[\"all\"],\"acop\":2},%s]}", c[i].rule);
		rc = check_text(o, text, why);
		if (rc != c[i].rc)
			fail_msg("%s: %s (%s)", c[i].rule, rc_name(rc), why);
		if (rc && (!strstr(why, c[i].why) || strncmp(why, "acr[1]", 6) != 0))
			fail_msg("%s: reason is: %s", c[i].rule, why);
		if (rc != RC_INVALID)
			continue;
		/* AUTHZ-062: were it stored all the same, the rule is false and its neighbour still stands */
		struct policy *p = compile_with(o, c[i].rule, NULL);
		for (unsigned op = 1; op < 64; op *= 2) {
			struct facts f = facts_of(NULL, op);
			assert_false(decide(p, &f));
		}
		policy_free(p);
	}
}
#define CHECK(o, t) check_cases((o), (t), sizeof(t) / sizeof(*(t)))

#define BODY "\"acor\":[\"all\"],\"acop\":63"

static void rules(void **state)
{
	static const struct check_case t[] = {
		/* AUTHZ-037 */
		{ "{\"acop\":2}", RC_INVALID, "acor is missing" },
		{ "{\"acor\":[\"all\"]}", RC_INVALID, "acop is missing" },
		{ "{\"acor\":\"all\",\"acop\":2}", RC_INVALID, "acor must be an array" },
		{ "{\"acor\":[1],\"acop\":2}", RC_INVALID, "acor must hold strings" },
		{ "{\"acor\":null,\"acop\":2}", RC_INVALID, "acor must be an array" },
		{ "[]", RC_INVALID, "must be an object" },
		/* AUTHZ-038 */
		{ "{\"acor\":[\"all\"],\"acop\":0}", RC_INVALID, "acop must be" },
		{ "{\"acor\":[\"all\"],\"acop\":64}", RC_INVALID, "acop must be" },
		{ "{\"acor\":[\"all\"],\"acop\":-1}", RC_INVALID, "acop must be" },
		{ "{\"acor\":[\"all\"],\"acop\":1.5}", RC_INVALID, "acop must be" },
		{ "{\"acor\":[\"all\"],\"acop\":\"2\"}", RC_INVALID, "acop must be" },
		{ "{\"acor\":[\"all\"],\"acop\":18446744073709551618}", RC_INVALID, "acop must be" },
		{ "{\"acor\":[\"all\"],\"acop\":1}", RC_OK, "" },
		{ "{\"acor\":[\"all\"],\"acop\":63}", RC_OK, "" },
		/* AUTHZ-048 */
		{ "{" BODY ",\"acul\":[1]}", RC_INVALID, "\"acul\"" },
		{ "{" BODY ",\"Acaf\":true}", RC_INVALID, "\"Acaf\"" },
		{ "{" BODY ",\"acco\":[{\"actw\":[\"* * * * * * *\"],\"x\":1}]}", RC_INVALID, "\"x\"" },
		{ "{" BODY ",\"acco\":[{\"acip\":{\"ip4\":[\"10.0.0.1\"]}}]}", RC_INVALID, "\"ip4\"" },
		{ "{" BODY ",\"acod\":[{\"chty\":[3],\"x\":1}]}", RC_INVALID, "\"x\"" },
		{ "{" BODY ",\"acaf\":\"true\"}", RC_INVALID, "acaf must be" },
		{ "{" BODY ",\"acaf\":true}", RC_OK, "" },
		/* AUTHZ-079: an entry of unknown form is no fault */
		{ "{\"acor\":[\"?what\",\"base/none\",\"\"],\"acop\":2}", RC_OK, "" },
		{ "{\"acor\":[],\"acop\":2}", RC_OK, "" },
	};
	CHECK(&plain, t);
}

static void object_details(void **state)
{
	static const struct check_case t[] = {
		/* AUTHZ-040 */
		{ "{" BODY ",\"acod\":[{\"ty\":3}]}", RC_INVALID, "acod[0]: chty is missing" },
		{ "{" BODY ",\"acod\":[{\"chty\":[4]},{\"ty\":3}]}", RC_INVALID, "acod[1]: chty is missing" },
		{ "{" BODY ",\"acod\":[{\"chty\":[]}]}", RC_INVALID, "chty must not be empty" },
		{ "{" BODY ",\"acod\":[{\"chty\":4}]}", RC_INVALID, "chty must be an array" },
		{ "{" BODY ",\"acod\":[{\"chty\":[\"4\"]}]}", RC_INVALID, "number of a resource type" },
		{ "{" BODY ",\"acod\":[]}", RC_INVALID, "acod must not be empty" },
		{ "{" BODY ",\"acod\":{\"chty\":[4]}}", RC_INVALID, "acod must be an array" },
		{ "{" BODY ",\"acod\":[{\"chty\":[4]}]}", RC_OK, "" },
		/* AUTHZ-041 */
		{ "{" BODY ",\"acod\":[{\"ty\":13,\"chty\":[4]}]}", RC_INVALID, "mgd is needed" },
		{ "{" BODY ",\"acod\":[{\"ty\":28,\"chty\":[4]}]}", RC_INVALID, "cnd is needed" },
		{ "{" BODY ",\"acod\":[{\"ty\":28,\"spty\":{\"mgd\":1001},\"chty\":[4]}]}", RC_INVALID, "cnd is needed" },
		{ "{" BODY ",\"acod\":[{\"ty\":13,\"spty\":{\"mgd\":1001},\"chty\":[4]}]}", RC_OK, "" },
		{ "{" BODY ",\"acod\":[{\"ty\":28,\"spty\":{\"cnd\":\"org.example.lamp\"},\"chty\":[4]}]}", RC_OK, "" },
		/* AUTHZ-042 */
		{ "{" BODY ",\"acod\":[{\"spty\":{},\"chty\":[4]}]}", RC_INVALID, "exactly one of cnd and mgd" },
		{ "{" BODY ",\"acod\":[{\"spty\":{\"cnd\":\"a\",\"mgd\":1001},\"chty\":[4]}]}", RC_INVALID, "exactly one of cnd and mgd" },
	};
	CHECK(&plain, t);
}

static void locations(void **state)
{
	static const struct check_case t[] = {
		/* AUTHZ-043 */
		{ "{" BODY ",\"acco\":[{\"aclr\":{}}]}", RC_INVALID, "exactly one of accc and accr" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accc\":[\"FR\"],\"accr\":[1,2,3]}}]}", RC_INVALID, "exactly one of accc and accr" },
		/* AUTHZ-044 */
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accr\":[1,2]}}]}", RC_INVALID, "accr must be" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accr\":[1,2,3,4]}}]}", RC_INVALID, "accr must be" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accr\":[90.01,2,3]}}]}", RC_INVALID, "accr must be" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accr\":[1,-180.5,3]}}]}", RC_INVALID, "accr must be" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accr\":[1,2,-0.5]}}]}", RC_INVALID, "accr must be" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accr\":[1,2,1e999]}}]}", RC_INVALID, "accr must be" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accr\":[1,2,\"3\"]}}]}", RC_INVALID, "accr must be" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accr\":[-90,180,0]}}]}", RC_OK, "" },
		/* AUTHZ-045 */
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accc\":[\"F\"]}}]}", RC_INVALID, "ISO 3166-1" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accc\":[\"FRA\"]}}]}", RC_INVALID, "ISO 3166-1" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accc\":[\"fr\"]}}]}", RC_INVALID, "ISO 3166-1" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accc\":[\"FR\",\"UK\"]}}]}", RC_INVALID, "\"UK\"" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accc\":[\"F1\"]}}]}", RC_INVALID, "ISO 3166-1" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accc\":[]}}]}", RC_INVALID, "must not be empty" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accc\":[\"FR\",\"GB\",\"AA\",\"QM\",\"XK\",\"ZZ\"]}}]}", RC_OK, "" },
	};
	/* AUTHZ-097: without the facts the restriction is refused, not dropped; what is wrong anyway is wrong first */
	static const struct check_case without[] = {
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accr\":[1,2,3]}}]}", RC_UNSUPPORTED, "positions" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accc\":[\"FR\"]}}]}", RC_UNSUPPORTED, "country" },
		{ "{" BODY ",\"acco\":[{\"aclr\":{\"accc\":[\"FR\"]}},{}]}", RC_INVALID, "acco[1]" },
	};
	struct policy_options half = located;

	CHECK(&located, t);
	CHECK(&plain, without);
	half.positions = false;
	check_cases(&half, without, 1);
	half.positions = true;
	half.countries = false;
	check_cases(&half, without + 1, 1);
}

static void contexts(void **state)
{
	static const struct check_case t[] = {
		/* Q-4, AUTHZ-049 */
		{ "{" BODY ",\"acco\":[{}]}", RC_INVALID, "acco[0] must hold" },
		{ "{" BODY ",\"acco\":[]}", RC_INVALID, "acco must not be empty" },
		{ "{" BODY ",\"acco\":{\"actw\":[\"* * * * * * *\"]}}", RC_INVALID, "acco must be an array" },
		{ "{" BODY ",\"acco\":null}", RC_INVALID, "acco must be an array" },
		{ "{" BODY ",\"acco\":[{\"actw\":[]}]}", RC_INVALID, "actw must not be empty" },
		{ "{" BODY ",\"acco\":[{\"actw\":\"* * * * * * *\"}]}", RC_INVALID, "actw must be an array" },
		{ "{" BODY ",\"acco\":[{\"acip\":{}}]}", RC_INVALID, "must hold ipv4 or ipv6" },
		{ "{" BODY ",\"acco\":[{\"acip\":{\"ipv4\":[]}}]}", RC_INVALID, "must not be empty" },
		/* AUTHZ-046 */
		{ "{" BODY ",\"acco\":[{\"actw\":[\"* * * * * *\"]}]}", RC_INVALID, "seven fields" },
		{ "{" BODY ",\"acco\":[{\"actw\":[\"* * * * * * * *\"]}]}", RC_INVALID, "seven fields" },
		{ "{" BODY ",\"acco\":[{\"actw\":[\"60 * * * * * *\"]}]}", RC_INVALID, "seven fields" },
		{ "{" BODY ",\"acco\":[{\"actw\":[\"* * 24 * * * *\"]}]}", RC_INVALID, "seven fields" },
		{ "{" BODY ",\"acco\":[{\"actw\":[\"* * * 0 * * *\"]}]}", RC_INVALID, "seven fields" },
		{ "{" BODY ",\"acco\":[{\"actw\":[\"* * * * 13 * *\"]}]}", RC_INVALID, "seven fields" },
		{ "{" BODY ",\"acco\":[{\"actw\":[\"* * * * * 7 *\"]}]}", RC_INVALID, "seven fields" },
		{ "{" BODY ",\"acco\":[{\"actw\":[\"* * * * * * 1999\"]}]}", RC_INVALID, "seven fields" },
		{ "{" BODY ",\"acco\":[{\"actw\":[\"* * 8- * * * *\"]}]}", RC_INVALID, "seven fields" },
		{ "{" BODY ",\"acco\":[{\"actw\":[\"* * 8-17/2,20 * * 1-5 2026\"]}]}", RC_OK, "" },
		/* AUTHZ-047 */
		{ "{" BODY ",\"acco\":[{\"acip\":{\"ipv4\":[\"10.0.0\"]}}]}", RC_INVALID, "IPv4" },
		{ "{" BODY ",\"acco\":[{\"acip\":{\"ipv4\":[\"10.0.0.256\"]}}]}", RC_INVALID, "IPv4" },
		{ "{" BODY ",\"acco\":[{\"acip\":{\"ipv4\":[\"10.0.0.1/33\"]}}]}", RC_INVALID, "at most 32" },
		{ "{" BODY ",\"acco\":[{\"acip\":{\"ipv4\":[\"10.0.0.1/\"]}}]}", RC_INVALID, "IPv4" },
		{ "{" BODY ",\"acco\":[{\"acip\":{\"ipv4\":[\"10.0.0.1/+8\"]}}]}", RC_INVALID, "IPv4" },
		{ "{" BODY ",\"acco\":[{\"acip\":{\"ipv4\":[\"::1\"]}}]}", RC_INVALID, "IPv4" },
		{ "{" BODY ",\"acco\":[{\"acip\":{\"ipv6\":[\"2001:db8::/129\"]}}]}", RC_INVALID, "at most 128" },
		{ "{" BODY ",\"acco\":[{\"acip\":{\"ipv6\":[\"2001:db8:::1\"]}}]}", RC_INVALID, "IPv6" },
		{ "{" BODY ",\"acco\":[{\"acip\":{\"ipv6\":[\"10.0.0.1\"]}}]}", RC_INVALID, "IPv6" },
		{ "{" BODY ",\"acco\":[{\"acip\":{\"ipv6\":[\"fe80::1%eth0\"]}}]}", RC_INVALID, "IPv6" },
		{ "{" BODY ",\"acco\":[{\"acip\":{\"ipv4\":[\"10.0.0.1\",\"0.0.0.0/0\"],\"ipv6\":[\"::/0\",\"2001:db8::1/128\"]}}]}", RC_OK, "" },
	};
	CHECK(&plain, t);
}

static void sets(void **state)
{
	char why[512];

	assert_int_equal(check_text(&plain, "{\"acr\":[]}", why), RC_OK); /* AUTHZ-034: accepted; test_pdp: grants nothing */
	assert_int_equal(check_text(&plain, "{}", why), RC_OK);
	assert_int_equal(check_text(&plain, "[]", why), RC_INVALID);
	assert_int_equal(check_text(&plain, "null", why), RC_INVALID);
	assert_int_equal(check_text(&plain, "{\"acr\":{}}", why), RC_INVALID);
	assert_int_equal(check_text(&plain, "{\"acr\":null}", why), RC_INVALID);
	assert_int_equal(check_text(&plain, "{\"acr\":[],\"x\":1}", why), RC_INVALID);
	assert_non_null(strstr(why, "nothing but acr"));
}

static void long_names_in_reasons(void **state)
{
	char text[2048], why[512], name[601];

	for (size_t i = 0; i < 300; i++)
		memcpy(name + 2 * i, "\xc3\xa9", 2);
	name[600] = '\0';
	snprintf(text, sizeof(text), "{\"acr\":[{" BODY ",\"%s\":1}]}", name);
	assert_int_equal(check_text(&plain, text, why), RC_INVALID);
	assert_true(strlen(why) < 200);
	/* cut between characters, not inside one */
	for (const char *p = why; *p; p++)
		if ((unsigned char)*p == 0xc3)
			assert_int_equal((unsigned char)p[1], 0xa9);
}

static void compiled(void **state)
{
	struct policy *p = NULL;

	assert_int_equal(policy_compile(&plain, S("acpLamp"), S("{ \"acr\" : [ {\"acor\":[\"all\"],\"acop\":2}, {\"acor\":[\"CX\"],\"acop\":64} ]}"),
					S("{\"acr\":[{\"acor\":[\"CAdmin\"],\"acop\":63}]}"), NULL, NULL, &p), RC_OK);
	assert_true(slice_eq(policy_name(p), S("acpLamp")));
	assert_int_equal(policy_rules(p, POLICY_PV), 2);
	assert_int_equal(policy_rules(p, POLICY_PVS), 1);
	assert_true(slice_eq(policy_rule_text(p, POLICY_PV, 1), S("{\"acor\":[\"CX\"],\"acop\":64}")));
	assert_true(slice_eq(policy_rule_text(p, POLICY_PVS, 0), S("{\"acor\":[\"CAdmin\"],\"acop\":63}")));
	assert_null(policy_rule_text(p, POLICY_PV, 2).p);
	policy_free(p);
	assert_int_equal(policy_compile(&plain, S("x"), S("{"), S(""), NULL, NULL, &p), RC_SYNTAX);
	assert_null(p);
	assert_int_equal(policy_compile(&plain, S("x"), S("[]"), S(""), NULL, NULL, &p), RC_INVALID);
	assert_int_equal(policy_compile(&plain, S("x"), S(""), S(""), NULL, NULL, &p), RC_OK);
	assert_int_equal(policy_rules(p, POLICY_PV), 0);
	policy_free(p);
}

static void failing_group(void **state)
{
	static const struct test_group io[] = { { "grp", { NULL }, RC_IO }, { NULL, { NULL }, 0 } };
	struct policy *p = NULL;

	/* a store that fails must not become a compiled policy that is kept */
	assert_int_equal(policy_compile(&plain, S("x"), S("{\"acr\":[{\"acor\":[\"grp\"],\"acop\":2}]}"), S(""), test_groups, (void *)io, &p),
			 RC_IO);
	assert_null(p);
}

/* --- cache --- */

static struct policy *named(uint64_t n)
{
	struct policy *p = NULL;
	char name[24];

	snprintf(name, sizeof(name), "p%llu", (unsigned long long)n);
	assert_int_equal(policy_compile(&plain, SLICE(name), S(""), S(""), NULL, NULL, &p), RC_OK);
	return p;
}

static bool is_named(const struct policy *p, uint64_t n)
{
	char name[24];

	snprintf(name, sizeof(name), "p%llu", (unsigned long long)n);
	return p && slice_eq(policy_name(p), SLICE(name));
}

static void cache_validity(void **state)
{
	struct policy_cache *c = policy_cache_new(4);

	assert_null(policy_cache_get(c, 1, 10, 5));
	policy_cache_put(c, 1, 10, named(1));
	assert_true(is_named(policy_cache_get(c, 1, 10, 5), 1));
	assert_true(is_named(policy_cache_get(c, 1, 12, 10), 1)); /* nothing changed since snapshot 10 */
	assert_null(policy_cache_get(c, 1, 12, 11));              /* changed after it */
	assert_true(is_named(policy_cache_get(c, 1, 10, 11), 1)); /* published, but not yet seen by the same snapshot */
	assert_null(policy_cache_get(c, 1, 9, 10));               /* an older reader must not see the newer policy */
	assert_true(is_named(policy_cache_get(c, 1, 9, 9), 1));
	policy_cache_put(c, 1, 12, named(2));
	assert_true(is_named(policy_cache_get(c, 1, 12, 11), 2));
	assert_null(policy_cache_get(c, 1, 10, 11));
	policy_cache_put(c, 7, 12, NULL);
	assert_null(policy_cache_get(c, 7, 12, 0));
	policy_cache_clear(c);
	assert_null(policy_cache_get(c, 1, 12, 11));
	policy_cache_free(c);
	policy_cache_free(NULL);
}

static void cache_eviction(void **state)
{
	struct policy_cache *c = policy_cache_new(3);
	const struct policy *held;

	for (uint64_t n = 1; n <= 3; n++)
		policy_cache_put(c, n, 1, named(n));
	held = policy_cache_get(c, 1, 1, 0); /* 2 is now the oldest */
	policy_cache_put(c, 4, 1, named(4));
	assert_null(policy_cache_get(c, 2, 1, 0));
	assert_true(is_named(policy_cache_get(c, 1, 1, 0), 1));
	assert_true(is_named(policy_cache_get(c, 3, 1, 0), 3));
	assert_true(is_named(policy_cache_get(c, 4, 1, 0), 4));
	for (uint64_t n = 10; n < 10 + POLICY_CACHE_GRACE; n++) /* the pointer outlives its eviction (address sanitizer looks) */
		policy_cache_put(c, n, 1, named(n));
	assert_null(policy_cache_get(c, 1, 1, 0));
	assert_true(is_named(held, 1));
	policy_cache_free(c);
}

/* Against a list that does the obvious. */
static void cache_random(void **state)
{
	enum { MAX = 16, KEYS = 64 };
	struct policy_cache *c = policy_cache_new(MAX);
	uint64_t recent[KEYS], n_recent = 0, x = 88172645463325252u;

	for (int step = 0; step < 20000; step++) {
		uint64_t n, at = 0;
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		n = x % KEYS * 0x100000001u;
		while (at < n_recent && recent[at] != n)
			at++;
		if (x >> 60 < 8) {
			assert_int_equal(policy_cache_get(c, n, 5, 0) != NULL, at < n_recent);
			if (at < n_recent) {
				assert_true(is_named(policy_cache_get(c, n, 5, 0), n));
				memmove(recent + 1, recent, at * sizeof(*recent));
				recent[0] = n;
			}
			continue;
		}
		policy_cache_put(c, n, 5, named(n));
		if (at == n_recent)
			at = n_recent < MAX ? n_recent++ : MAX - 1;
		memmove(recent + 1, recent, at * sizeof(*recent));
		recent[0] = n;
	}
	policy_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules), cmocka_unit_test(object_details), cmocka_unit_test(locations), cmocka_unit_test(contexts),
		cmocka_unit_test(sets), cmocka_unit_test(long_names_in_reasons), cmocka_unit_test(compiled), cmocka_unit_test(failing_group),
		cmocka_unit_test(cache_validity), cmocka_unit_test(cache_eviction), cmocka_unit_test(cache_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
