/* SPDX-License-Identifier: Apache-2.0 */
/* Lint must not tell what is not so: whatever it calls covered is permitted by the other rule too, by the word of the PDP, for random
 * rules and facts; a window it calls empty has no moment in it. (Each finding, found and not found: tests/e2e/test_policy_tools.py.) */
#include "authz_support.h"

#include "authz/lint_int.h"

static uint32_t seed = 1;

static uint32_t dice(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* --- random rules --- */

static const char *const entries[] = { "CAE1", "CAE2", "CA*", "C*", "C*1", "*", "/gw7/*", "//sp.example", "//other.example", "all", "S12", "S*",
				       "//other.example/in9/C*", "//*/in9/CAE1", "a@b.example", "c@d.example", "base/grp", "/in*/C*" };
static const char *const contexts[] = {
	"{\"actw\":[\"* * 8-16 * * * *\"]}", "{\"actw\":[\"* * 8 * * * *\"]}", "{\"actw\":[\"* * * * * 1-5 *\",\"* * 8 * * * *\"]}",
	"{\"acip\":{\"ipv4\":[\"10.0.0.0/8\"]}}", "{\"acip\":{\"ipv4\":[\"10.1.0.0/16\",\"192.0.2.1\"]}}", "{\"acip\":{\"ipv6\":[\"2001:db8::/32\"]}}",
	"{\"acip\":{\"ipv6\":[\"2001:db8:1::/48\"]}}", "{\"acip\":{\"ipv6\":[\"2001:db9::/32\"]}}",
	"{\"aclr\":{\"accc\":[\"FR\",\"FI\"]}}", "{\"aclr\":{\"accc\":[\"FI\"]}}",
	"{\"actw\":[\"* * 8 * * * *\"],\"acip\":{\"ipv4\":[\"10.1.0.0/16\"]}}", "{\"actw\":[\"* * * * * * 2026-2030\"]}",
};
static const char *const details[] = { "{\"chty\":[3,4]}", "{\"chty\":[4]}", "{\"ty\":3,\"chty\":[4]}", "{\"ty\":2,\"chty\":[3,4]}" };

static void random_rule(struct buf *b)
{
	unsigned n = 1 + dice(2);

	buf_lit(b, "{\"acor\":[");
	for (unsigned i = 0; i < n; i++)
		buf_printf(b, "%s\"%s\"", i ? "," : "", entries[dice(sizeof(entries) / sizeof(entries[0]))]);
	buf_printf(b, "],\"acop\":%u", 1 + dice(63));
	if (dice(4) == 0)
		buf_lit(b, ",\"acaf\":true");
	n = dice(3);
	for (unsigned i = 0; i < n; i++)
		buf_printf(b, "%s%s%s", i ? "," : ",\"acco\":[", contexts[dice(sizeof(contexts) / sizeof(contexts[0]))], i + 1 == n ? "]" : "");
	if (dice(4) == 0)
		buf_printf(b, ",\"acod\":[%s]", details[dice(sizeof(details) / sizeof(details[0]))]);
	buf_char(b, '}');
}

static struct facts random_facts(void)
{
	static const char *const whos[] = { "//sp.example/gw7/CAE1", "//sp.example/gw7/CAE2", "//sp.example/gw7/CX1", "//sp.example/S12",
					    "//sp.example/S77", "//sp.example/gw7", "//sp.example/in9/CAE1", "//other.example/in9/CAE1",
					    "//other.example/in9", "//sp.example/gw7/SX" };
	static const struct slice roles[] = { { "a@b.example", 11 }, { "c@d.example", 11 } };
	static const uint8_t ips[][4] = { { 10, 0, 0, 1 }, { 10, 1, 2, 3 }, { 192, 0, 2, 1 }, { 192, 0, 2, 2 } };
	struct facts f = { .who = SLICE(whos[dice(sizeof(whos) / sizeof(whos[0]))]), .authenticated = dice(2), .op = 1u << dice(6),
			   .target_ty = 2 + (int)dice(2), .child_ty = 3 + (int)dice(2), .target_mgd = -1, .ip_known = dice(4),
			   .roles = roles + dice(2), .n_roles = dice(2) };
	f.who_hash = hash_slice(f.who);
	text_time_of((1772366400 + dice(86400 * 7) + dice(8) * 31536000ll) * USEC_S, &f.time);
	f.ip[10] = f.ip[11] = 0xff;
	memcpy(f.ip + 12, ips[dice(4)], 4);
	if (dice(3) == 0)
		memcpy(f.ip, (uint8_t[16]){ 0x20, 1, 0xd, 0xb8, 0, (uint8_t)dice(2), [15] = 1 }, 16);
	if (dice(2))
		memcpy(f.country, dice(2) ? "FI" : "FR", 3);
	return f;
}

static const struct test_group groups[] = { { "base/grp", { "//sp.example/gw7/CAE1", "//sp.example/S12" }, RC_OK }, { NULL, { NULL }, RC_OK } };

static bool permits(const struct survey_rule *r, const struct facts *f)
{
	struct derived d = { 0 };
	return pdp_rule(r->rule, f, &d) == PDP_MATCH;
}

/* All of it is within, as compare_rules in lint.c asks. */
static bool within(const struct survey_rule *a, const struct survey_rule *b)
{
	if (a->ops & ~b->ops || !lint_conditions_within(a, b, a->ops))
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!lint_entry_within(&a->entry[i], b))
			return false;
	return true;
}

static void covered_is_covered(void **state)
{
	const struct survey_reading how = { &located, test_groups, (void *)groups };
	unsigned claims = 0, used = 0;

	for (int round = 0; round < 40000; round++) {
		struct survey_rule r[2];
		struct policy *p;
		struct arena a;
		struct buf b;

		buf_init(&b, 8192);
		random_rule(&b);
		buf_char(&b, ',');
		random_rule(&b);
		buf_char(&b, '\0');
		p = compile_with(&located, b.p, groups);
		arena_init(&a, NULL, 0, 1 << 20);
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(survey_rule(&how, p, POLICY_PV, i, &a, &r[i]), RC_OK);
		if (within(&r[0], &r[1])) {
			claims++;
			for (int k = 0; k < 200; k++) {
				struct facts f = random_facts();
				if (!permits(&r[0], &f))
					continue;
				used++;
				if (!permits(&r[1], &f))
					fail_msg("the second does not permit what the first does: %s", b.p);
			}
		}
		arena_reset(&a);
		policy_free(p);
		buf_free(&b);
	}
	assert_true(claims > 200 && used > 1000); /* or nothing was tested */
}

/* An entry taken out of a rule stands for the same as in it: the rule permits when one of its entries does. */
static void entries_are_the_rule(void **state)
{
	const struct survey_reading how = { &located, test_groups, (void *)groups };
	unsigned yes = 0;

	for (int round = 0; round < 3000; round++) {
		struct survey_rule r;
		struct policy *p;
		struct arena a;
		struct buf b;

		buf_init(&b, 8192);
		random_rule(&b);
		buf_char(&b, '\0');
		p = compile_with(&located, b.p, groups);
		arena_init(&a, NULL, 0, 1 << 20);
		assert_int_equal(survey_rule(&how, p, POLICY_PV, 0, &a, &r), RC_OK);
		for (int k = 0; k < 30; k++) {
			struct facts f = random_facts();
			struct derived d = { 0 };
			enum pdp_miss m;
			bool one = false;

			f.authenticated = true;
			f.op = 1u << __builtin_ctz(r.ops);
			m = pdp_rule(r.rule, &f, &d);
			for (size_t i = 0; i < r.n; i++)
				one |= survey_is(&r.entry[i], f.who, f.roles, f.n_roles);
			assert_int_equal(one, m != PDP_ORIGINATOR);
			if (survey_unconditional(&r, f.op))
				assert_int_equal(one, m == PDP_MATCH);
			yes += one;
		}
		arena_reset(&a);
		policy_free(p);
		buf_free(&b);
	}
	assert_true(yes > 1000);
}

/* --- windows --- */

static enum window_life life(const char *text, const char *now)
{
	struct text_schedule w;
	usec t;

	assert_true(text_schedule(SLICE(text), &w));
	assert_true(text_timestamp(SLICE(now), &t));
	return lint_window(&w, t);
}

static void windows(void **state)
{
	static const char now[] = "20260301T120000";

	assert_int_equal(life("* * * * * * *", now), WINDOW_OPEN);
	assert_int_equal(life("* * * 30 2 * *", now), WINDOW_NEVER);
	assert_int_equal(life("* * * 29 2 * *", now), WINDOW_OPEN);
	assert_int_equal(life("* * * 29 2 3 *", now), WINDOW_OPEN);
	assert_int_equal(life("* * * 29 2 * 2025-2027", now), WINDOW_NEVER);
	assert_int_equal(life("* * * 29 2 * 2020-2027", now), WINDOW_OVER);
	assert_int_equal(life("* * * 29 2 * 2100", now), WINDOW_NEVER); /* no leap year */
	assert_int_equal(life("* * * 31 4,6,9,11 * *", now), WINDOW_NEVER);
	assert_int_equal(life("* * * 1 3 0 2026", now), WINDOW_OPEN); /* today, a Sunday */
	assert_int_equal(life("* * * 1 3 1 2026", now), WINDOW_NEVER);
	assert_int_equal(life("* * * 28 2 * 2026", now), WINDOW_OVER);
	assert_int_equal(life("* * 8 1 3 * 2026", now), WINDOW_OPEN); /* over today already: a day counts as a whole */
	assert_int_equal(life("* * * * * * 2001-2025", now), WINDOW_OVER);
	assert_int_equal(life("* * * 31 12 * 9999", "99991231T000000"), WINDOW_OPEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(covered_is_covered), cmocka_unit_test(entries_are_the_rule),
					    cmocka_unit_test(windows) };
	return cmocka_run_group_tests_name("lint", tests, NULL, NULL);
}
