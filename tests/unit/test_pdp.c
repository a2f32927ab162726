/* SPDX-License-Identifier: Apache-2.0 */
/* The decision, requirement by requirement. test_pdp_model.c compares it with a naive reading of the algorithm. */
#include "authz_support.h"

#include <math.h>

#define ACOR(x) "{\"acor\":[" x "],\"acop\":63}"
#define ALL "\"acor\":[\"all\"],\"acop\":63"

struct who_case {
	const char *entry, *who;
	bool yes;
};

static void who_cases(const struct policy_options *o, const struct who_case *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char rule[256];
		struct facts f = facts_of(c[i].who, ACOP_RETRIEVE);

		snprintf(rule, sizeof(rule), "{\"acor\":[\"%s\"],\"acop\":2}", c[i].entry);
		if (allows(o, rule, &f) != c[i].yes)
			fail_msg("%s %s %s", c[i].entry, c[i].yes ? "must match" : "must not match", c[i].who);
	}
}
#define WHO(o, t) who_cases((o), (t), sizeof(t) / sizeof(*(t)))

#define SP "//sp.example"

static void entities(void **state)
{
	static const struct who_case t[] = {
		/* AUTHZ-063 */
		{ "all", SP "/gw7/CAE1", true }, { "all", "//other.example/S1", true }, { "all", "", true }, { "All", SP "/gw7/CAE1", false },
		/* AUTHZ-064 */
		{ SP, SP "/gw7/CAE1", true }, { SP, SP "/S1", true }, { SP, SP "/gw7", true }, { "//SP.Example", SP "/gw7", true },
		{ SP, "//other.example/gw7", false }, { SP, "//sp.example.org/gw7", false }, { SP, "//sub.sp.example/gw7", false },
		{ SP, SP, false },
		/* AUTHZ-065 */
		{ "/gw7", SP "/gw7", true }, { "/gw7", SP "/gw7/CAE1", false }, { "/gw7", SP "/gw70", false }, { "/gw7", "//other.example/gw7", false },
		{ SP "/in1", SP "/in1", true }, { SP "/in1", SP "/in1/CAE1", false },
		/* AUTHZ-066 */
		{ "CAE1", SP "/gw7/CAE1", true }, { "/gw7/CAE1", SP "/gw7/CAE1", true }, { SP "/gw7/CAE1", SP "/gw7/CAE1", true },
		{ "S12", SP "/S12", true }, { "/S12", SP "/S12", true }, { SP "/S12", SP "/S12", true }, { "//SP.EXAMPLE/S12", SP "/S12", true },
		{ "CAE1", SP "/gw7/CAE2", false }, { "CAE1", SP "/gw7/CAE", false }, { "CAE1", SP "/gw7/CAE11", false }, { "cae1", SP "/gw7/CAE1", false },
		/* AUTHZ-067: an S-type AE is the same whoever its registrar is; as a resource address it is nobody */
		{ "/gw7/S12", SP "/S12", false }, { "/in1/CAE1", SP "/in1/CAE1", true }, { "/in1/CAE1", SP "/gw7/CAE1", false },
		/* AUTHZ-068 */
		{ "CAE1", SP "/in1/CAE1", false }, { "CAE1", "//other.example/gw7/CAE1", false }, { "S12", "//other.example/S12", false },
		/* AUTHZ-079 */
		{ "?", SP "/gw7/CAE1", false }, { "", "", false }, { "*", SP "/gw7/CAE1", false }, { "XAE1", SP "/gw7/XAE1", false },
		{ "/", SP "/", false }, { "//", "//", false },
	};
	WHO(&plain, t);
}

static void wildcards(void **state)
{
	static const struct who_case t[] = {
		/* AUTHZ-069 */
		{ "C98*", SP "/gw7/C98", true }, { "C98*", SP "/gw7/C9876", true }, { "C98*", SP "/in1/C9876", false }, { "C98*", SP "/gw7/C97", false },
		{ "C*8", SP "/gw7/C98", true }, { "C*8", SP "/gw7/C88x8", true }, { "C*8", SP "/gw7/C989", false },
		{ "/*", SP "/gw7", true }, { "/*", SP "/S12", true }, { "/*", SP "/gw7/CAE1", false }, { "/*", "//other.example/gw7", false },
		{ "/gw*/C*", SP "/gw7/CAE1", true }, { "/gw*/C*", SP "/gw7", false }, { "/gw*/C*", SP "/in1/CAE1", false },
		{ "/gw*", SP "/gw7/CAE1", false }, { "/*/*", SP "/gw7/CAE1", true }, { "/*/*", SP "/gw7", false },
		{ "S*", SP "/S12", true }, { "S*", SP "/gw7/S12", false }, { "C*", SP "/gw7/CAE1", true }, { "C*", SP "/S12", false },
		{ "/*/*/*", SP "/gw7/CAE1", false }, { "S*/C*", SP "/Shed/C1", false }, { "C*/C*", SP "/gw7/CAE1", false }, { "/gw7/**", SP "/gw7/CAE1", true }, { "/gw7/C*A*1", SP "/gw7/CxAyA1", true },
		{ "/gw7/C*A*1", SP "/gw7/Cx1", false },
		/* AUTHZ-070 */
		{ "//*/gw*", SP "/gw7", true }, { "//*/gw*", "//other.example/gw9", true }, { "//*/gw*", "//other.example/gw9/C1", false },
		{ "//Other.*/gw*", "//other.example/gw9", true }, { "/gw*", "//other.example/gw9", false }, { "/gw*", SP "/gw9", true },
		/* AUTHZ-072: a domain entry has no wildcard by default */
		{ "//*", SP "/gw7", false }, { "//*.example", SP "/gw7", false }, { "//sp.*", SP "/gw7/CAE1", false },
	};
	static const struct who_case on[] = {
		{ "//*.example", SP "/gw7", true }, { "//*.Example", SP "/gw7/CAE1", true }, { "//*.example", "//sp.exampl/gw7", false },
		{ "//*.example", "//sp.example.org/S1", false }, { "//*", "//any.org/S1", true },
	};
	WHO(&plain, t);
	WHO(&domains, on);
}

static void hostile_wildcards(void **state)
{
	/* many stars against a long identifier: quadratic at most, and bounded by ORIGINATOR_MAX */
	char entry[2000] = "C", who[2000] = SP "/gw7/C";

	for (int i = 0; i < 300; i++)
		memcpy(entry + strlen(entry), "*a", 3);
	memset(who + strlen(who), 'a', 900);
	char rule[2200];
	struct facts f = facts_of(who, ACOP_RETRIEVE);
	snprintf(rule, sizeof(rule), "{\"acor\":[\"%s\"],\"acop\":2}", entry);
	assert_true(allows(&plain, rule, &f));
	snprintf(rule, sizeof(rule), "{\"acor\":[\"%sb\"],\"acop\":2}", entry);
	assert_false(allows(&plain, rule, &f));
	memset(who + strlen(who), 'a', 500);
	f = facts_of(who, ACOP_RETRIEVE);
	snprintf(rule, sizeof(rule), "{\"acor\":[\"C*\"],\"acop\":2}");
	assert_false(allows(&plain, rule, &f));
}

static void groups(void **state)
{
	static const struct test_group g[] = {
		{ "base/grp", { SP "/gw7/CAE1", SP "/S12", SP "/in1", "//other.example/in9/C7", SP "/gw7/CAE1" }, 0 },
		{ "/gw7/base/grp", { SP "/gw7/CAE5" }, 0 },
		{ "base/*", { SP "/gw7/CAE6" }, 0 },
		{ "base/empty", { NULL }, 0 },
		{ "base/huge", { NULL }, RC_LIMIT },
		{ "CAE9", { SP "/gw7/CAE8" }, 0 },
		{ NULL, { NULL }, 0 },
	};
	static const struct { const char *rule, *who; bool yes; } t[] = {
		/* AUTHZ-075; that the members are the right ones (073, 074) is for the look-up to prove */
		{ ACOR("\"base/grp\""), SP "/gw7/CAE1", true }, { ACOR("\"base/grp\""), SP "/S12", true },
		{ ACOR("\"base/grp\""), SP "/in1", true }, { ACOR("\"base/grp\""), "//other.example/in9/C7", true },
		{ ACOR("\"base/grp\""), SP "/gw7/CAE2", false }, { ACOR("\"base/grp\""), SP "/in1/C1", false },
		{ ACOR("\"/gw7/base/grp\""), SP "/gw7/CAE5", true }, { ACOR("\"base/empty\""), SP "/gw7/CAE1", false },
		{ ACOR("\"base/empty\""), "", false },
		/* AUTHZ-071: no group is found by a pattern */
		{ ACOR("\"base/*\""), SP "/gw7/CAE6", false },
		/* AUTHZ-076: what is missing or too large matches nobody, and the entry beside it still counts */
		{ ACOR("\"base/none\""), SP "/gw7/CAE1", false }, { ACOR("\"base/huge\""), SP "/gw7/CAE1", false },
		{ ACOR("\"base/none\",\"CAE1\""), SP "/gw7/CAE1", true },
		/* an entry that is both an identifier and a group's address is both */
		{ ACOR("\"CAE9\""), SP "/gw7/CAE9", true }, { ACOR("\"CAE9\""), SP "/gw7/CAE8", true },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct policy *p = compile_with(&plain, t[i].rule, g);
		struct facts f = facts_of(t[i].who, ACOP_RETRIEVE);
		if (decide(p, &f) != t[i].yes)
			fail_msg("%s with %s", t[i].rule, t[i].who);
		policy_free(p);
	}
	struct facts f = facts_of(NULL, ACOP_RETRIEVE);
	assert_false(allows(&plain, ACOR("\"base/grp\""), &f)); /* no look-up at all */
}

static enum reeve_rc many_members(void *ctx, struct slice id, struct arena *a, struct slice **ids, size_t *n)
{
	*n = 5000;
	*ids = arena_array(a, *n, sizeof(**ids));
	for (size_t i = 0; i < *n; i++)
		(*ids)[i] = arena_printf(a, SP "/gw7/C%zu", i * 2);
	return RC_OK;
}

static void large_group(void **state)
{
	struct policy *p = NULL;

	assert_int_equal(policy_compile(&plain, S("g"), S("{\"acr\":[" ACOR("\"base/g\"") "]}"), S(""), many_members, NULL, &p), RC_OK);
	for (unsigned i = 0; i < 10100; i++) {
		struct facts f = facts_of(NULL, ACOP_RETRIEVE);
		char who[64];

		snprintf(who, sizeof(who), SP "/gw7/C%u", i);
		set_who(&f, who);
		assert_int_equal(decide(p, &f), i % 2 == 0 && i < 10000);
	}
	policy_free(p);
}

static void roles(void **state)
{
	static const char rule[] = ACOR("\"nurse@roles.example\",\"*@roles.example\"");
	const struct slice mine[] = { S("cook@roles.example"), S("nurse@roles.example") };
	struct facts f = facts_of(NULL, ACOP_RETRIEVE);

	/* AUTHZ-078: only what was verified counts; AUTHZ-071: no wildcard in a role */
	assert_false(allows(&plain, rule, &f));
	f.roles = mine;
	f.n_roles = 1;
	assert_false(allows(&plain, rule, &f));
	f.n_roles = 2;
	assert_true(allows(&plain, rule, &f));
	set_who(&f, "nurse@roles.example"); /* an Originator cannot name itself into a role */
	f.n_roles = 0;
	assert_false(allows(&plain, rule, &f));
}

/* AUTHZ-078: whichever of the Originator's roles and of the rule's it is, and however many there are: every number of roles up to beyond the
 * one for which the decision has a short way, every place of the one that fits, and never one that is not there. */
static void many_roles(void **state)
{
	enum { MOST = 40 };
	struct facts f = facts_of(NULL, ACOP_RETRIEVE);
	struct slice mine[MOST];
	char text[MOST][32], rule[256];

	(void)state;
	for (int i = 0; i < MOST; i++)
		mine[i] = slice_of(text[i], (size_t)snprintf(text[i], sizeof(text[i]), "role-%d@roles.example", i));
	f.roles = mine;
	for (int n = 0; n <= MOST; n++) {
		f.n_roles = (size_t)n;
		for (int k = 0; k < MOST; k++) {
			snprintf(rule, sizeof(rule), ACOR("\"x@roles.example\",\"role-%d@roles.example\""), k);
			assert_int_equal(allows(&plain, rule, &f), k < n);
		}
	}
}

static void operations(void **state)
{
	/* AUTHZ-039 */
	for (unsigned acop = 1; acop < 64; acop++)
		for (unsigned op = 1; op < 64; op *= 2) {
			char rule[64];
			struct facts f = facts_of(NULL, op);
			snprintf(rule, sizeof(rule), "{\"acor\":[\"all\"],\"acop\":%u}", acop);
			assert_int_equal(allows(&plain, rule, &f), (acop & op) != 0);
		}
	assert_int_equal(ACOP_CREATE, 1);
	assert_int_equal(ACOP_RETRIEVE, 2);
	assert_int_equal(ACOP_UPDATE, 4);
	assert_int_equal(ACOP_DELETE, 8);
	assert_int_equal(ACOP_NOTIFY, 16);
	assert_int_equal(ACOP_DISCOVERY, 32);
}

static void combining(void **state)
{
	struct facts f = facts_of(NULL, ACOP_UPDATE);
	struct policy *p[3];
	const struct policy *list[4];
	size_t which = 9;
	unsigned index = 9;

	/* AUTHZ-060: one rule has the operation, another the Originator, a third neither; together they grant nothing */
	assert_false(allows(&plain, "{\"acor\":[\"CAE1\"],\"acop\":2},{\"acor\":[\"CAE2\"],\"acop\":4}", &f));
	assert_false(allows(&plain, "{\"acor\":[\"CAE1\"],\"acop\":4,\"acaf\":true},{\"acor\":[\"CAE2\"],\"acop\":4}", &f));
	/* AUTHZ-059, 106: one rule in one policy suffices, and a policy that could not be had does not stop it */
	p[0] = compile_with(&plain, "{\"acor\":[\"CAE2\"],\"acop\":63}", NULL);
	p[1] = compile_with(&plain, "", NULL);
	p[2] = compile_with(&plain, "{\"acor\":[\"CAE2\"],\"acop\":63},{\"acor\":[\"CAE1\"],\"acop\":4}", NULL);
	list[0] = p[0], list[1] = NULL, list[2] = p[1], list[3] = p[2];
	assert_true(pdp_decide(list, 4, POLICY_PV, &f, NULL, &which, &index));
	assert_int_equal(which, 3);
	assert_int_equal(index, 1);
	assert_false(pdp_decide(list, 3, POLICY_PV, &f, NULL, NULL, NULL));
	assert_false(pdp_decide(list, 0, POLICY_PV, &f, NULL, NULL, NULL));
	assert_false(pdp_decide(list, 4, POLICY_PVS, &f, NULL, NULL, NULL)); /* the other half does not count */
	assert_false(decide(p[1], &f)); /* AUTHZ-034: no rules, nothing granted */
	for (int i = 0; i < 3; i++)
		policy_free(p[i]);
}

static void halves(void **state)
{
	struct facts f = facts_of(NULL, ACOP_UPDATE);
	struct policy *p = NULL;
	const struct policy *list;

	assert_int_equal(policy_compile(&plain, S("x"), S("{\"acr\":[{\"acor\":[\"CAE2\"],\"acop\":63}]}"),
					S("{\"acr\":[{\"acor\":[\"CAE1\"],\"acop\":63}]}"), NULL, NULL, &p), RC_OK);
	list = p;
	assert_false(pdp_decide(&list, 1, POLICY_PV, &f, NULL, NULL, NULL));
	assert_true(pdp_decide(&list, 1, POLICY_PVS, &f, NULL, NULL, NULL));
	policy_free(p);
}

static void authentication(void **state)
{
	struct facts f = facts_of(NULL, ACOP_RETRIEVE);

	/* AUTHZ-098, 099 */
	assert_false(allows(&plain, "{" ALL ",\"acaf\":true}", &f));
	assert_true(allows(&plain, "{" ALL ",\"acaf\":false}", &f));
	assert_true(allows(&plain, "{" ALL "}", &f));
	f.authenticated = true;
	assert_true(allows(&plain, "{" ALL ",\"acaf\":true}", &f));
	assert_true(allows(&plain, "{" ALL "}", &f));
}

static bool at(const char *window, const char *time)
{
	struct facts f = facts_of(NULL, ACOP_RETRIEVE);
	char rule[256];
	usec t;

	assert_true(text_timestamp(SLICE(time), &t));
	text_time_of(t, &f.time);
	snprintf(rule, sizeof(rule), "{" ALL ",\"acco\":[{\"actw\":[\"%s\"]}]}", window);
	return allows(&plain, rule, &f);
}

static void windows(void **state)
{
	/* AUTHZ-090; 2026-03-01 is a Sunday */
	assert_true(at("* 0-5 2,6,10 * * * *", "20260301T020000"));
	assert_true(at("* 0-5 2,6,10 * * * *", "20260301T060559"));
	assert_false(at("* 0-5 2,6,10 * * * *", "20260301T020600"));
	assert_false(at("* 0-5 2,6,10 * * * *", "20260301T030000"));
	assert_true(at("*/15 * * * * * *", "20260301T030045"));
	assert_false(at("*/15 * * * * * *", "20260301T030046"));
	assert_true(at("* * 8-17/3 * * * *", "20260301T110000"));
	assert_false(at("* * 8-17/3 * * * *", "20260301T120000"));
	assert_false(at("* * 8-17/3 * * * *", "20260301T200000"));
	assert_true(at("* * * * * * 2024-2030/2", "20260301T200000"));
	assert_false(at("* * * * * * 2024-2030/2", "20270301T200000"));
	/* AUTHZ-089: day of month AND day of week */
	assert_true(at("* * * 1 * 0 *", "20260301T000000"));
	assert_false(at("* * * 1 * 1 *", "20260301T000000"));
	assert_false(at("* * * 2 * 0 *", "20260301T000000"));
	assert_false(at("* * * * 4 * *", "20260301T000000"));
}

static struct facts from(const char *address, bool v4)
{
	struct facts f = facts_of(NULL, ACOP_RETRIEVE);
	unsigned b[4];

	f.ip_known = true;
	if (v4) {
		assert_int_equal(sscanf(address, "%u.%u.%u.%u", &b[0], &b[1], &b[2], &b[3]), 4);
		f.ip[10] = f.ip[11] = 0xff;
		for (int i = 0; i < 4; i++)
			f.ip[12 + i] = (uint8_t)b[i];
	} else {
		for (int i = 0; i < 16; i++)
			assert_int_equal(sscanf(address + 2 * i, "%2hhx", &f.ip[i]), 1);
	}
	return f;
}

static void addresses(void **state)
{
	static const struct { const char *nets, *address; bool v4, yes; } t[] = {
		/* AUTHZ-091 */
		{ "\"ipv4\":[\"10.20.0.0/16\"]", "10.20.255.1", true, true }, { "\"ipv4\":[\"10.20.0.0/16\"]", "10.21.0.1", true, false },
		{ "\"ipv4\":[\"10.20.7.7/16\"]", "10.20.255.1", true, true }, { "\"ipv4\":[\"10.20.0.7\"]", "10.20.0.7", true, true },
		{ "\"ipv4\":[\"10.20.0.7\"]", "10.20.0.8", true, false }, { "\"ipv4\":[\"10.0.0.0/31\"]", "10.0.0.1", true, true },
		{ "\"ipv4\":[\"10.0.0.0/31\"]", "10.0.0.2", true, false }, { "\"ipv4\":[\"0.0.0.0/0\"]", "203.0.113.9", true, true },
		{ "\"ipv4\":[\"1.1.1.1\",\"10.0.0.0/8\"]", "10.0.0.2", true, true },
		{ "\"ipv6\":[\"2001:db8:7::/48\"]", "20010db80007000000000000000000ff", false, true },
		{ "\"ipv6\":[\"2001:db8:7::/48\"]", "20010db80008000000000000000000ff", false, false },
		{ "\"ipv6\":[\"2001:db8::1\"]", "20010db8000000000000000000000001", false, true },
		{ "\"ipv6\":[\"2001:db8::1\"]", "20010db8000000000000000000000002", false, false },
		{ "\"ipv6\":[\"2001:db8::/65\"]", "20010db8000000007000000000000002", false, true },
		{ "\"ipv6\":[\"2001:db8::/65\"]", "20010db8000000008000000000000002", false, false },
		{ "\"ipv6\":[\"2001:db8::/64\"]", "20010db8000000008000000000000002", false, true },
		/* AUTHZ-092: an IPv4 source is IPv4, whichever way it came in, and "any IPv6" is not "any IPv4" */
		{ "\"ipv6\":[\"::ffff:10.1.2.0/120\"]", "10.1.2.3", true, true }, { "\"ipv6\":[\"::/0\"]", "10.1.2.3", true, false },
		{ "\"ipv4\":[\"0.0.0.0/0\"]", "20010db8000000000000000000000001", false, false },
		{ "\"ipv6\":[\"::/0\"]", "20010db8000000000000000000000001", false, true },
		{ "\"ipv4\":[\"1.2.3.4\"],\"ipv6\":[\"2001:db8::1\"]", "20010db8000000000000000000000001", false, true },
		{ "\"ipv4\":[\"1.2.3.4\"],\"ipv6\":[\"2001:db8::1\"]", "1.2.3.4", true, true },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct facts f = from(t[i].address, t[i].v4);
		char rule[256];

		snprintf(rule, sizeof(rule), "{" ALL ",\"acco\":[{\"acip\":{%s}}]}", t[i].nets);
		if (allows(&plain, rule, &f) != t[i].yes)
			fail_msg("%s with %s", t[i].nets, t[i].address);
		f.ip_known = false; /* AUTHZ-093 */
		assert_false(allows(&plain, rule, &f));
	}
}

static void places(void **state)
{
	static const char circle[] = "{" ALL ",\"acco\":[{\"aclr\":{\"accr\":[48.8566,2.3522,1500]}}]}";
	static const char date_line[] = "{" ALL ",\"acco\":[{\"aclr\":{\"accr\":[0,179.99,5000]}}]}";
	static const char pole[] = "{" ALL ",\"acco\":[{\"aclr\":{\"accr\":[89.99,0,5000]}}]}";
	static const char world[] = "{" ALL ",\"acco\":[{\"aclr\":{\"accr\":[0,0,30000000]}}]}";
	static const char land[] = "{" ALL ",\"acco\":[{\"aclr\":{\"accc\":[\"FR\",\"BE\"]}}]}";
	struct facts f = facts_of(NULL, ACOP_RETRIEVE);

	/* AUTHZ-094: unknown is outside */
	assert_false(allows(&located, circle, &f));
	assert_false(allows(&located, world, &f));
	f.position_known = true;
	f.latitude = 48.8606, f.longitude = 2.3376; /* 1.16 km away */
	assert_true(allows(&located, circle, &f));
	f.latitude = 48.8584, f.longitude = 2.2945; /* 4.2 km away */
	assert_false(allows(&located, circle, &f));
	f.latitude = 48.8566 + 0.01348, f.longitude = 2.3522; /* 1499 m north */
	assert_true(allows(&located, circle, &f));
	f.latitude = 48.8566 + 0.01351; /* 1502 m */
	assert_false(allows(&located, circle, &f));
	f.latitude = 48.8566, f.longitude = 2.3522 + 0.020489; /* 1499 m east */
	assert_true(allows(&located, circle, &f));
	f.longitude = 2.3522 + 0.020530; /* 1502 m */
	assert_false(allows(&located, circle, &f));
	f.latitude = 0, f.longitude = -179.99; /* across the date line: 2.2 km */
	assert_true(allows(&located, date_line, &f));
	f.latitude = 89.99, f.longitude = 180; /* across the pole: 2.2 km */
	assert_true(allows(&located, pole, &f));
	assert_true(allows(&located, world, &f));
	f.latitude = (double)NAN;
	assert_false(allows(&located, circle, &f));
	/* an unknown country is none */
	assert_false(allows(&located, land, &f));
	memcpy(f.country, "BE", 3);
	assert_true(allows(&located, land, &f));
	memcpy(f.country, "DE", 3);
	assert_false(allows(&located, land, &f));
}

static void context_logic(void **state)
{
	static const char two[] = "{" ALL ",\"acco\":[{\"actw\":[\"* * 8 * * * *\"]},{\"acip\":{\"ipv4\":[\"10.0.0.0/8\"]}}]}";
	static const char both[] = "{" ALL ",\"acco\":[{\"actw\":[\"* * 8 * * * *\",\"* * 12 * * * *\"],"
				   "\"acip\":{\"ipv4\":[\"10.0.0.0/8\"]},\"aclr\":{\"accc\":[\"FR\"]}}]}";
	struct facts f = from("10.1.1.1", true);

	/* AUTHZ-085 */
	assert_true(allows(&plain, "{" ALL "}", &f));
	/* AUTHZ-086: it is 12 o'clock, the address is right */
	assert_true(allows(&plain, two, &f));
	f.time.hour = 8, f.ip_known = false;
	assert_true(allows(&plain, two, &f));
	f.time.hour = 9;
	assert_false(allows(&plain, two, &f));
	/* AUTHZ-087 */
	f = from("10.1.1.1", true);
	assert_false(allows(&located, both, &f));
	memcpy(f.country, "FR", 3);
	assert_true(allows(&located, both, &f));
	f.time.hour = 9;
	assert_false(allows(&located, both, &f));
	f.time.hour = 8;
	assert_true(allows(&located, both, &f));
	f.ip[12] = 11;
	assert_false(allows(&located, both, &f));
}

static void details(void **state)
{
	static const char rule[] = "{" ALL ",\"acod\":[{\"ty\":3,\"chty\":[3,4]},{\"ty\":28,\"spty\":{\"cnd\":\"org.example.lamp\"},\"chty\":[23]},"
				   "{\"ty\":13,\"spty\":{\"mgd\":1001},\"chty\":[23]}]}";
	struct facts f = facts_of(NULL, ACOP_CREATE);

	f.child_ty = 4;
	assert_true(allows(&plain, rule, &f));
	f.child_ty = 23; /* AUTHZ-100 */
	assert_false(allows(&plain, rule, &f));
	f.child_ty = 4;
	f.target_ty = 2; /* AUTHZ-101 */
	assert_false(allows(&plain, rule, &f));
	/* AUTHZ-102, 103 */
	f.target_ty = 28;
	f.child_ty = 23;
	assert_false(allows(&plain, rule, &f));
	f.target_cnd = S("org.example.fan");
	assert_false(allows(&plain, rule, &f));
	f.target_cnd = S("org.example.lamp");
	assert_true(allows(&plain, rule, &f));
	f.child_ty = 3;
	assert_false(allows(&plain, rule, &f));
	f = facts_of(NULL, ACOP_CREATE);
	f.target_ty = 13;
	f.child_ty = 23;
	assert_false(allows(&plain, rule, &f));
	f.target_mgd = 1002;
	assert_false(allows(&plain, rule, &f));
	f.target_mgd = 1001;
	assert_true(allows(&plain, rule, &f));
	/* AUTHZ-104 */
	for (unsigned op = 2; op < 64; op *= 2) {
		f = facts_of(NULL, op);
		f.target_ty = 2;
		assert_true(allows(&plain, rule, &f));
	}
	f = facts_of(NULL, ACOP_CREATE);
	f.target_ty = 2;
	f.child_ty = 9;
	assert_true(allows(&plain, "{" ALL ",\"acod\":[{\"chty\":[1,9]}]}", &f)); /* ty absent: any target */
}

struct seen { unsigned n; struct { unsigned index; enum pdp_miss miss; } at[16]; };

static void see(void *ctx, const struct policy *p, unsigned index, enum pdp_miss miss)
{
	struct seen *s = ctx;
	s->at[s->n].index = index;
	s->at[s->n++].miss = miss;
}

static void tracing(void **state)
{
	struct policy *p = compile_with(&located,
		"{\"acor\":[\"CAE1\"],\"acop\":2},"
		"{\"acor\":[\"CAE1\"],\"acop\":1,\"acaf\":true},"
		"{\"acor\":[\"CAE2\"],\"acop\":1},"
		"{\"acor\":[\"CAE1\"],\"acop\":1,\"acod\":[{\"chty\":[9]}]},"
		"{\"acor\":[\"CAE1\"],\"acop\":1,\"acco\":[{\"actw\":[\"* * 8 * * * *\"]}]},"
		"{\"acor\":[\"CAE1\"],\"acop\":1,\"acco\":[{\"actw\":[\"* * 8 * * * *\"]},{\"acip\":{\"ipv4\":[\"10.0.0.1\"]}}]},"
		"{\"acor\":[\"CAE1\"],\"acop\":1,\"acco\":[{\"aclr\":{\"accc\":[\"FR\"]}}]},"
		"{\"acor\":[\"CAE1\"],\"acop\":99},"
		"{\"acor\":[\"CAE1\"],\"acop\":1},"
		"{\"acor\":[\"all\"],\"acop\":63}", NULL);
	static const enum pdp_miss want[] = { PDP_OP, PDP_AUTHN, PDP_ORIGINATOR, PDP_OBJECT, PDP_TIME, PDP_ADDRESS, PDP_LOCATION,
					      PDP_UNREADABLE, PDP_MATCH };
	struct facts f = facts_of(NULL, ACOP_CREATE);
	const struct policy *list = p;
	struct seen s = { 0 };
	struct pdp_trace trace = { see, &s };

	f.child_ty = 4;
	assert_true(pdp_decide(&list, 1, POLICY_PV, &f, &trace, NULL, NULL));
	assert_int_equal(s.n, 9);
	for (unsigned i = 0; i < s.n; i++) {
		assert_int_equal(s.at[i].index, i);
		assert_int_equal(s.at[i].miss, want[i]);
	}
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entities), cmocka_unit_test(wildcards), cmocka_unit_test(hostile_wildcards), cmocka_unit_test(groups),
		cmocka_unit_test(large_group), cmocka_unit_test(roles), cmocka_unit_test(many_roles), cmocka_unit_test(operations), cmocka_unit_test(combining),
		cmocka_unit_test(halves), cmocka_unit_test(authentication), cmocka_unit_test(windows), cmocka_unit_test(addresses),
		cmocka_unit_test(places), cmocka_unit_test(context_logic), cmocka_unit_test(details), cmocka_unit_test(tracing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
