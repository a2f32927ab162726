/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between authorization points, policies that travel, and denials for want of facts. */
#include "authz_support.h"

#include "authz/distributed.h"

static struct arena a;

static int setup(void **state)
{
	(void)state;
	arena_init(&a, NULL, 0, 16 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_reset(&a);
	return 0;
}

static struct json parsed(const char *text)
{
	struct slice why;
	struct json j;

	if (json_parse(&a, slice_str(text), &json_default_limits, &j, &why) != RC_OK)
		fail_msg("%s: %.*s", text, SF(why));
	return j;
}

#define assert_slice(s, text)                                              \
	do {                                                               \
		struct slice s_ = (s);                                     \
		if (!slice_eq(s_, slice_str(text)))                        \
			fail_msg("%.*s instead of %s", SF(s_), text);      \
	} while (0)

/* --- decision requests --- */

static enum reeve_rc request(const char *text, struct decision_request *d)
{
	struct json j = parsed(text);
	struct slice why;

	return decision_request_read(&a, &j, 0, d, &why);
}

static void test_request_read(void **state)
{
	const uint8_t v4[16] = { [10] = 0xff, [11] = 0xff, 10, 20, 3, 9 }, v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 };
	struct decision_request d;

	(void)state;
	assert_int_equal(request("{\"to\":\"/gw7/x\",\"fr\":\"//sp.example/gw7/C1\",\"op\":1,\"rrt\":4,\"rids\":[\"n@r.e\",\"d@r.e\"],"
				 "\"tids\":[\"t@r.e\"],\"rtm\":\"20260301T091500\",\"oip\":{\"ip4\":\"10.20.3.9\"},\"olo\":{\"accc\":[\"FR\"]}}", &d),
			 RC_OK);
	assert_slice(d.to, "/gw7/x");
	assert_slice(d.fr, "//sp.example/gw7/C1");
	assert_int_equal(d.op, 1);
	assert_int_equal(d.rrt, 4);
	assert_int_equal(decision_request_bit(&d), ACOP_CREATE);
	assert_int_equal(d.rids.n, 2);
	assert_slice(d.rids.v[1], "d@r.e");
	assert_int_equal(d.tids.n, 1);
	assert_int_equal(d.tkns.n, 0);
	assert_true(d.ip_known && memcmp(d.ip, v4, 16) == 0);
	assert_string_equal(d.country, "FR");
	assert_true(d.olo_given && !d.position_known);
	assert_int_equal(request("{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"fu\":{\"fu\":1},\"oip\":{\"ip6\":\"2001:db8::7\"},"
				 "\"olo\":{\"accr\":[48.5,-2.25,0]}}", &d), RC_OK);
	assert_int_equal(decision_request_bit(&d), ACOP_DISCOVERY);
	assert_true(memcmp(d.ip, v6, 16) == 0 && d.position_known && d.latitude == 48.5 && d.longitude == -2.25 && d.rrt == -1);
	/* a region is no place */
	assert_int_equal(request("{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"olo\":{\"accr\":[48.5,-2.25,10]}}", &d), RC_OK);
	assert_true(d.olo_given && !d.position_known);
	assert_int_equal(request("{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"olo\":{\"accc\":[\"FR\",\"BE\"]}}", &d), RC_OK);
	assert_true(d.olo_given && !d.country[0]);
}

static void test_request_faults(void **state)
{
	static const char *const bad[] = {
		"{}", "[]", "\"x\"", "{\"to\":\"x\",\"fr\":\"C1\"}", "{\"to\":\"\",\"fr\":\"C1\",\"op\":2}", "{\"to\":\"x\",\"fr\":1,\"op\":2}",
		"{\"to\":\"x\",\"fr\":\"C1\",\"op\":0}", "{\"to\":\"x\",\"fr\":\"C1\",\"op\":6}", "{\"to\":\"x\",\"fr\":\"C1\",\"op\":2.0}",
		"{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"rrt\":-1}", "{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"rrt\":4294967300}",
		"{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"fu\":0}", "{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"fu\":{\"fu\":1,\"lim\":1}}",
		"{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"rids\":\"a\"}", "{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"tkns\":[1]}",
		"{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"rtm\":\"today\"}", "{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"oip\":{}}",
		"{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"oip\":{\"ip4\":\"1.2.3.4\",\"ip6\":\"::1\"}}",
		"{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"oip\":{\"ip4\":\"::1\"}}", "{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"olo\":{}}",
		"{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"olo\":{\"accr\":[1,2]}}", "{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"olo\":{\"accr\":[1,1e9,2]}}",
		"{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"olo\":{\"accr\":[1e999,1,0]}}",
		"{\"to\":\"x\",\"fr\":\"C1\",\"op\":2,\"olo\":{\"accr\":[1,1,0],\"accc\":[\"FR\"]}}",
	};
	struct decision_request d;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (request(bad[i], &d) != RC_INVALID)
			fail_msg("accepted: %s", bad[i]);
}

/* What is written is read as the same, and only the time lies behind `same`. */
static void test_request_round(void **state)
{
	static const struct slice roles[] = { { "a@b.c", 5 }, { "\"q\\", 3 } };
	struct decision_request d = { .to = S("/gw7/\"x\""), .fr = S("//sp/S1"), .op = 1, .rrt = 9, .rids = { roles, 2 }, .rtm = 1772355600000000,
				      .ip_known = true, .ip = { [10] = 0xff, [11] = 0xff, 1, 2, 3, 4 }, .position_known = true,
				      .latitude = -1.125, .longitude = 100.5, .country = "FR" }, back;
	struct slice why, text;
	struct json j;
	struct buf b;
	size_t same, other;

	(void)state;
	buf_init(&b, 4096);
	decision_request_write(&b, &d, &same);
	text = arena_dup(&a, buf_view(&b));
	d.rtm += USEC_S;
	buf_clear(&b);
	decision_request_write(&b, &d, &other);
	assert_int_equal(same, other);
	assert_memory_equal(text.p, b.p, same);
	assert_false(slice_eq(text, buf_view(&b)));
	buf_free(&b);
	assert_int_equal(json_parse(&a, text, &json_default_limits, &j, &why), RC_OK);
	assert_int_equal(decision_request_read(&a, &j, json_member(&j, 0, point_root(POINT_PDP)), &back, &why), RC_OK);
	assert_slice(back.to, "/gw7/\"x\"");
	assert_slice(back.rids.v[1], "\"q\\");
	assert_true(back.rtm == d.rtm - USEC_S && back.rrt == 9 && back.latitude == -1.125 && back.longitude == 100.5);
	assert_memory_equal(back.ip, d.ip, 16);
}

/* --- answers --- */

static void test_answers(void **state)
{
	static const struct { const char *text; int sus, dec; } rows[] = {
		{ "{\"m2m:auds\":{\"dec\":1,\"sus\":1}}", SUS_OK, 1 },     { "{\"m2m:auds\":{\"dec\":2,\"sus\":1}}", SUS_OK, 2 },
		{ "{\"m2m:auds\":{\"sus\":1}}", SUS_OK, 0 },             { "{\"m2m:auds\":{\"dec\":3,\"sus\":1}}", SUS_OK, 0 },
		{ "{\"m2m:auds\":{\"dec\":\"1\",\"sus\":1}}", SUS_OK, 0 }, { "{\"m2m:auds\":{\"dec\":1,\"sus\":2}}", 2, 1 },
		{ "{\"m2m:auds\":{\"dec\":1,\"sus\":6}}", SUS_NONE, -1 },  { "{\"m2m:auds\":{\"dec\":1,\"sus\":0}}", SUS_NONE, -1 },
		{ "{\"m2m:auds\":{\"dec\":1}}", SUS_NONE, -1 },          { "{\"m2m:aupy\":{\"dec\":1,\"sus\":1}}", SUS_NONE, -1 },
		{ "{\"m2m:auds\":[1]}", SUS_NONE, -1 },                  { "{\"m2m:auds\":{\"sus\":1},\"x\":1}", SUS_NONE, -1 },
		{ "{\"m2m:auds\":{\"sus\":1}", SUS_NONE, -1 },           { "", SUS_NONE, -1 }, { "[1]", SUS_NONE, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct json j;
		uint32_t obj;
		int64_t sus = point_answer_read(&a, slice_str(rows[i].text), POINT_PDP, &j, &obj);

		if (sus != rows[i].sus || (rows[i].dec >= 0 && decision_answer_dec(&j, obj) != rows[i].dec))
			fail_msg("%s", rows[i].text);
	}
}

static struct answered_policies policies(const struct policy_options *o, const char *text)
{
	struct answered_policies ps;
	struct json j = parsed(text);

	assert_int_equal(policies_answer_read(o, NULL, NULL, &a, &j, 0, &ps), RC_OK);
	return ps;
}

#define RULE(who, op) "{\"acr\":[{\"acor\":[\"" who "\"],\"acop\":" #op "}]}"

static void test_policies(void **state)
{
	static const char *const nothing[] = {
		"{}", "{\"ps\":{}}", "{\"ps\":[" RULE("all", 63) "]}", "{\"ps\":{\"pv\":" RULE("all", 63) "}}",
		"{\"ps\":{\"pv\":[" RULE("all", 63) "]},\"ca\":2}", "{\"ps\":{\"pv\":[" RULE("all", 63) "]},\"ca\":\"1\"}",
		"{\"ps\":{\"pv\":[{\"acr\":[{\"acor\":[\"all\"],\"acop\":63,\"else\":1}]}]}}", "{\"ps\":{\"pv\":[" RULE("all", 64) "]}}",
		"{\"ps\":{\"pv\":[{\"acr\":[{\"acor\":[\"all\"],\"acop\":63,\"acco\":[]}]}]}}",
	};
	struct facts f = facts_of("//sp.example/gw7/CAE1", ACOP_UPDATE);
	struct answered_policies ps = policies(&plain, "{\"ps\":{\"pv\":[" RULE("C2", 63) ",{\"acr\":[{\"acop\":1}]}," RULE("CAE1", 4) "]},\"ca\":1}");

	(void)state;
	assert_int_equal(ps.n, 2);
	assert_true(ps.broken && decide(ps.p[1], &f) && !decide(ps.p[0], &f));
	answered_policies_free(&ps);
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		ps = policies(&plain, nothing[i]);
		if (ps.n || !ps.broken)
			fail_msg("%s", nothing[i]);
	}
	/* location rules here where no location is known: refused as in a policy that is stored */
	ps = policies(&plain, "{\"ps\":{\"pv\":[{\"acr\":[{\"acor\":[\"all\"],\"acop\":63,\"acco\":[{\"aclr\":{\"accc\":[\"FR\"]}}]}]}]}}");
	assert_true(ps.n == 0 && ps.broken);
}

/* A stem stands for an AE of the CSE whose names it is read with. */
static void test_policies_of_another_cse(void **state)
{
	static const struct ident_home there = { .sp_id = { "//sp.example", 12 }, .cse_id = { "/in1", 4 }, .base_name = { "-", 1 },
						 .abs = { "//sp.example/in1", 16 } };
	const struct policy_options o = { .home = &there };
	struct facts here = facts_of("//sp.example/gw7/CAE1", ACOP_UPDATE), elsewhere = facts_of("//sp.example/in1/CAE1", ACOP_UPDATE);
	struct answered_policies ps = policies(&o, "{\"ps\":{\"pv\":[" RULE("CAE1", 4) "]}}");

	(void)state;
	assert_true(ps.n == 1 && !decide(ps.p[0], &here) && decide(ps.p[0], &elsewhere));
	answered_policies_free(&ps);
}

/* --- policies that travel --- */

static void test_absolute(void **state)
{
	static const struct test_group groups[] = { { "base/grp", { "//sp.example/gw7/C8", "//sp.example/S9" }, RC_OK }, { NULL, { NULL }, RC_OK } };
	static const struct { const char *from, *to; } rows[] = {
		{ "\"all\"", "\"all\"" }, { "\"CAE1\"", "\"//sp.example/gw7/CAE1\"" }, { "\"/SAE1\"", "\"//sp.example/SAE1\"" },
		{ "\"S*\"", "\"//sp.example/S*\"" }, { "\"C9*\"", "\"//sp.example/gw7/C9*\"" }, { "\"/in1\"", "\"//sp.example/in1\"" },
		{ "\"//Other.Example/c*\"", "\"//other.example/c*\"" }, { "\"//other.example\"", "\"//other.example\"" },
		{ "\"n@r.e\"", "\"n@r.e\"" }, { "\"base/grp\"", "\"//sp.example/gw7/C8\",\"//sp.example/S9\"" },
		/* who stands for nobody here must not stand for somebody elsewhere */
		{ "\"*AE1\"", "" }, { "\"base/none\"", "" }, { "\"//*.example\"", "" }, { "\"\"", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice from = arena_printf(&a, "{\"acr\":[{\"acop\":63,\"acor\":[%s],\"acaf\":true}]}", rows[i].from);
		struct slice to = arena_printf(&a, "{\"acr\":[{\"acop\":63,\"acor\":[%s],\"acaf\":true}]}", rows[i].to);
		struct json j = parsed(from.p);
		struct buf b;

		buf_init(&b, 4096);
		assert_int_equal(policy_write_absolute(&b, &plain, test_groups, (void *)groups, &a, &j, 0), RC_OK);
		assert_slice(buf_view(&b), to.p);
		buf_free(&b);
	}
}

/* --- want of facts --- */

static bool undecided(const char *rules, const struct facts *f, const struct pdp_unknown *u)
{
	struct policy *p = compile_with(&located, rules, NULL);
	const struct policy *const v[] = { p };
	bool yes = pdp_undecided(v, 1, POLICY_PV, f, u);

	assert_false(decide(p, f));
	policy_free(p);
	return yes;
}

/* AUTHZ-216: MISSING_ATTRIBUTE only where what is missing would make the difference. */
static void test_undecided(void **state)
{
	static const struct slice role = { "n@r.e", 5 };
	const struct pdp_unknown none = { .child = false }, roles = { .roles = &role, .n_roles = 1 }, child = { .child = true },
				 target = { .target = true };
	struct facts f = facts_of(NULL, ACOP_CREATE), known = f;

	(void)state;
	f.child_ty = 3;
	known.ip_known = known.position_known = true;
	memcpy(known.country, "BE", 3);
	assert_true(undecided("{\"acor\":[\"all\"],\"acop\":1,\"acco\":[{\"acip\":{\"ipv4\":[\"10.0.0.0/8\"]}}]}", &f, &none));
	assert_false(undecided("{\"acor\":[\"all\"],\"acop\":1,\"acco\":[{\"acip\":{\"ipv4\":[\"10.0.0.0/8\"]}}]}", &known, &none));
	assert_false(undecided("{\"acor\":[\"all\"],\"acop\":2,\"acco\":[{\"acip\":{\"ipv4\":[\"10.0.0.0/8\"]}}]}", &f, &none));
	assert_false(undecided("{\"acor\":[\"C2\"],\"acop\":1,\"acco\":[{\"acip\":{\"ipv4\":[\"10.0.0.0/8\"]}}]}", &f, &none));
	assert_false(undecided("{\"acor\":[\"all\"],\"acop\":1,\"acaf\":true,\"acco\":[{\"acip\":{\"ipv4\":[\"10.0.0.0/8\"]}}]}", &f, &none));
	assert_true(undecided("{\"acor\":[\"all\"],\"acop\":1,\"acco\":[{\"actw\":[\"* * * * * * 2001\"]},{\"aclr\":{\"accc\":[\"FR\"]}}]}", &f,
			      &none));
	assert_false(undecided("{\"acor\":[\"all\"],\"acop\":1,\"acco\":[{\"actw\":[\"* * * * * * 2001\"],\"aclr\":{\"accc\":[\"FR\"]}}]}", &f,
			       &none));
	assert_true(undecided("{\"acor\":[\"all\"],\"acop\":1,\"acco\":[{\"aclr\":{\"accr\":[1,1,1]}}]}", &f, &none));
	assert_false(undecided("{\"acor\":[\"all\"],\"acop\":1,\"acco\":[{\"aclr\":{\"accr\":[1,1,1]}}]}", &known, &none));
	assert_true(undecided("{\"acor\":[\"n@r.e\"],\"acop\":1}", &f, &roles));
	assert_false(undecided("{\"acor\":[\"d@r.e\"],\"acop\":1}", &f, &roles));
	assert_false(undecided("{\"acor\":[\"n@r.e\"],\"acop\":1}", &f, &none));
	assert_true(undecided("{\"acor\":[\"all\"],\"acop\":1,\"acod\":[{\"chty\":[4]}]}", &f, &child));
	assert_false(undecided("{\"acor\":[\"all\"],\"acop\":1,\"acod\":[{\"chty\":[4]}]}", &f, &target));
	assert_true(undecided("{\"acor\":[\"all\"],\"acop\":1,\"acod\":[{\"ty\":2,\"chty\":[3]}]}", &f, &target));
	assert_false(undecided("{\"acor\":[\"all\"],\"acop\":1,\"acod\":[{\"ty\":2,\"chty\":[4]}]}", &f, &target));
	assert_false(undecided("{\"acor\":[\"all\"],\"acop\":1,\"acod\":[{\"ty\":2,\"chty\":[3]}]}", &f, &none));
}

static void test_small_things(void **state)
{
	struct json j = parsed("{\"m2m:rol\":[{\"a\":[{}]},{},1,{}],\"m2m:tk\":{\"b\":1},\"x\":[],\"y\":1}");
	uint32_t i = 0, n = 0;

	(void)state;
	while (information_next(&j, 0, S("m2m:rol"), &i))
		n++;
	assert_int_equal(n, 2); /* what is no object ends it */
	for (i = 0, n = 0; information_next(&j, 0, S("m2m:tk"), &i); n++)
		assert_int_equal(json_kind(&j, i), J_OBJECT);
	assert_int_equal(n, 1);
	i = 0;
	assert_false(information_next(&j, 0, S("x"), &i));
	i = 0;
	assert_false(information_next(&j, 0, S("y"), &i));
	i = 0;
	assert_false(information_next(&j, 0, S("z"), &i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_request_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_request_faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_request_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_policies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_policies_of_another_cse, setup, teardown),
		cmocka_unit_test_setup_teardown(test_absolute, setup, teardown),
		cmocka_unit_test_setup_teardown(test_undecided, setup, teardown),
		cmocka_unit_test_setup_teardown(test_small_things, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
