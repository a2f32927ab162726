/* SPDX-License-Identifier: Apache-2.0 */
/* The policy file of the DAS: what it refuses to take for a policy, and which rule gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/hash.h"
#include "das/policy.h"

static const struct ident_home home = { { "//iot.example", 13 }, { "/das1", 5 }, { "das", 3 }, { "//iot.example/das1", 18 } };
static const struct policy_options options = { .home = &home };

#define HEAD "{\"issuer\":\"//iot.example/Sdas1\",\"domain\":\"das.iot.example\",\"sign\":\"k1\",\"cses\":[{\"id\":\"/gw7\"}],\"rules\":["

static struct das_policy *read_ok(const char *rules)
{
	char text[4096], why[DAS_WHY_MAX];
	struct das_policy *p;

	snprintf(text, sizeof(text), HEAD "%s]}", rules);
	if (das_policy_read(slice_str(text), &options, &p, why) != RC_OK)
		fail_msg("%s", why);
	return p;
}

static void refused(const char *text, const char *says)
{
	char why[DAS_WHY_MAX];
	struct das_policy *p;

	if (das_policy_read(slice_str(text), &options, &p, why) == RC_OK)
		fail_msg("taken for a policy: %s", text);
	assert_null(p);
	if (!strstr(why, says))
		fail_msg("\"%s\" does not say \"%s\"", why, says);
}

static void refused_rule(const char *rule, const char *says)
{
	char text[4096];

	snprintf(text, sizeof(text), HEAD "%s]}", rule);
	refused(text, says);
}

static struct facts facts(const char *who, unsigned op, int32_t ty)
{
	return (struct facts){ .who = slice_str(who), .who_hash = hash_slice(slice_str(who)), .op = op, .target_ty = ty, .target_mgd = -1 };
}

static const char *given(const struct das_policy *p, const char *who, unsigned op, const char *at, bool direct)
{
	struct facts f = facts(who, op, 3);
	struct das_question q = { .facts = &f, .resource = slice_str(at), .direct = direct };
	const struct das_rule *r = das_policy_match(p, &q);
	static char name[64];

	snprintf(name, sizeof(name), "%.*s", r ? (int)r->name.n : 0, r ? r->name.p : "");
	return name;
}

static void what_is_no_policy(void **state)
{
	(void)state;
	refused("[]", "must be an object");
	refused("{\"issuer\":\"/x\"}", "issuer");
	refused("{\"issuer\":\"//iot.example/Sdas1\",\"domain\":\"D\",\"sign\":\"k\",\"cses\":[{\"id\":\"/g\"}],\"rules\":[]}", "domain");
	refused("{\"issuer\":\"//iot.example/Sdas1\",\"domain\":\"d\",\"sign\":\"k\",\"cses\":[{\"id\":\"Cae\"}],\"rules\":[]}", "cses[0].id");
	refused("{\"issuer\":\"//iot.example/Sdas1\",\"domain\":\"d\",\"sign\":\"k\",\"cses\":[{\"id\":\"/g\",\"encrypt\":\"e\",\"enc\":\"HS256\"}],"
		"\"rules\":[]}", "cses[0].enc");
	refused(HEAD "],\"rule\":[]}", "\"rule\" is not known");
	refused_rule("{\"name\":\"a\"}", "rules[0].at");
	/* a misspelt restriction is no restriction: so it is no policy */
	refused_rule("{\"name\":\"a\",\"att\":[\"**\"]}", "\"att\" is not known");
	refused_rule("{\"name\":\"a\",\"at\":[\"cse/x\"]}", "must begin with the CSE-ID");
	refused_rule("{\"name\":\"a\",\"at\":[\"**\"]}", "rules[0].give");
	refused_rule("{\"name\":\"a\",\"at\":[\"**\"],\"give\":{}}", "gives nothing");
	refused_rule("{\"name\":\"a\",\"at\":[\"**\"],\"give\":{\"token\":true}}", "permits nothing");
	refused_rule("{\"name\":\"a\",\"at\":[\"**\"],\"give\":{\"privileges\":true}}", "operations");
	refused_rule("{\"name\":\"a\",\"at\":[\"**\"],\"give\":{\"roles\":[\"r@x\"],\"privileges\":true,\"operations\":2}}", "by a token");
	refused_rule("{\"name\":\"a\",\"at\":[\"**\"],\"give\":{\"token\":true,\"operations\":64}}", "operations");
	refused_rule("{\"name\":\"a\",\"at\":[\"**\"],\"give\":{\"token\":true,\"roles\":[\"nurse\"]}}", "no Role-ID");
	refused_rule("{\"name\":\"a\",\"at\":[\"**\"],\"give\":{\"token\":true,\"operations\":2,\"lifetime\":0}}", "lifetime");
	refused_rule("{\"name\":\"a\",\"at\":[\"**\"],\"give\":{\"token\":true,\"operations\":2},\"via\":[\"x\"]}", "via");
	refused_rule("{\"name\":\"a\",\"at\":[\"**\"],\"give\":{\"privileges\":true,\"operations\":2},\"via\":[\"indirect\"]}", "via");
	refused_rule("{\"name\":\"a\",\"at\":[\"**\"],\"give\":{\"token\":true,\"operations\":2}}", "rules[0].for");
	refused_rule("{\"name\":\"a\",\"at\":[\"**\"],\"give\":{\"token\":true,\"operations\":2},\"for\":[{\"acor\":[\"Ca\"],\"acop\":99}]}",
		     "acop");
}

static void the_first_rule_that_fits_gives(void **state)
{
	struct das_policy *p = read_ok(
		"{\"name\":\"ward\",\"for\":[{\"acor\":[\"/gw7/Ctablet*\"],\"acop\":2}],\"at\":[\"/gw7/cse/ward9/**\"],"
		"\"give\":{\"token\":true,\"operations\":2}},"
		"{\"name\":\"asked\",\"for\":[{\"acor\":[\"/gw7/Ctablet*\"],\"acop\":6}],\"at\":[\"/gw7/cse/*\"],\"via\":[\"direct\"],"
		"\"give\":{\"privileges\":true,\"operations\":6}},"
		"{\"name\":\"typed\",\"for\":[{\"acor\":[\"all\"],\"acop\":1}],\"at\":[\"**\"],\"types\":[28],"
		"\"give\":{\"token\":true,\"operations\":1}}");

	(void)state;
	assert_string_equal(given(p, "//iot.example/gw7/Ctablet2", ACOP_RETRIEVE, "//iot.example/gw7/cse/ward9/bed1/pulse", true), "ward");
	assert_string_equal(given(p, "//iot.example/gw7/Ctablet2", ACOP_RETRIEVE, "//iot.example/gw7/cse/ward9/bed1", false), "ward");
	/* who, what, where: each alone is not enough */
	assert_string_equal(given(p, "//iot.example/gw7/Cphone", ACOP_RETRIEVE, "//iot.example/gw7/cse/ward9/bed1", true), "");
	assert_string_equal(given(p, "//iot.example/gw7/Ctablet2", ACOP_DELETE, "//iot.example/gw7/cse/ward9/bed1", true), "");
	assert_string_equal(given(p, "//iot.example/gw7/Ctablet2", ACOP_RETRIEVE, "//iot.example/gw8/cse/ward9/bed1", true), "");
	assert_string_equal(given(p, "", ACOP_RETRIEVE, "//iot.example/gw7/cse/ward9/bed1", true), "");
	/* via */
	assert_string_equal(given(p, "//iot.example/gw7/Ctablet2", ACOP_UPDATE, "//iot.example/gw7/cse/lamp", true), "asked");
	assert_string_equal(given(p, "//iot.example/gw7/Ctablet2", ACOP_UPDATE, "//iot.example/gw7/cse/lamp", false), "");
	/* type: the questions here are about type 3 */
	assert_string_equal(given(p, "//iot.example/gw7/Cx", ACOP_CREATE, "//iot.example/gw7/cse/lamp", true), "");
	assert_non_null(das_policy_cse(p, S("//iot.example/gw7")));
	assert_null(das_policy_cse(p, S("//iot.example/gw8")));
	das_policy_free(p);
}

/* The same by trying every way, to compare with. */
static bool slow_glob(const char *p, const char *s)
{
	if (p[0] == '*' && p[1] == '*')
		return slow_glob(p + 2, s) || (*s && slow_glob(p, s + 1));
	if (*p == '*')
		return slow_glob(p + 1, s) || (*s && *s != '/' && slow_glob(p, s + 1));
	return *p ? *p == *s && slow_glob(p + 1, s + 1) : !*s;
}

static void patterns(void **state)
{
	static const char letters[] = "ab/*";
	char p[8], s[8];

	(void)state;
	assert_true(das_glob(S("//sp/cse/*/temp"), S("//sp/cse/room/temp")));
	assert_false(das_glob(S("//sp/cse/*/temp"), S("//sp/cse/room/x/temp")));
	assert_true(das_glob(S("//sp/cse/**/temp"), S("//sp/cse/room/x/temp")));
	assert_false(das_glob(S("//sp/cse/**"), S("//sp/cse")));
	for (unsigned n = 0; n < 4u * 4 * 4 * 4 * 4; n++)
		for (unsigned m = 0; m < 3u * 3 * 3 * 3 * 3; m++) {
			size_t i;
			unsigned a = n, b = m;

			for (i = 0; i < 5; i++, a /= 4)
				p[i] = letters[a % 4];
			p[5] = '\0';
			for (i = 0; i < 5; i++, b /= 3)
				s[i] = letters[b % 3];
			s[5] = '\0';
			for (size_t cut = 2; cut <= 5; cut++)
				if (das_glob(slice_of(p, 5), slice_of(s, cut)) != (s[cut] = '\0', slow_glob(p, s)))
					fail_msg("%s %s", p, s);
				else if (cut < 5)
					s[cut] = letters[(m / (cut == 2 ? 9 : cut == 3 ? 27 : 81)) % 3];
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_policy),
		cmocka_unit_test(the_first_rule_that_fits_gives),
		cmocka_unit_test(patterns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
