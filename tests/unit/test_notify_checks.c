/* SPDX-License-Identifier: Apache-2.0 */
/* What a <subscription> and the types around it may say: Create, Update, and what the CSE fills in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "notify_util.h"

static int try_sub(struct cse *t, const char *to, const char *members)
{
	char pc[2048];
	snprintf(pc, sizeof(pc), "{\"m2m:sub\":{%s}}", members);
	return call(t, OP_CREATE, ME, to, 23, pc);
}

static int change(struct cse *t, const char *to, const char *members)
{
	char pc[2048];
	snprintf(pc, sizeof(pc), "{\"m2m:sub\":{%s}}", members);
	return call(t, OP_UPDATE, ME, to, 0, pc);
}

#define URL "\"nu\":[\"test://u\"]"

static void criteria(void **state)
{
	static const struct { const char *members; int rsc; } cases[] = {
		{ URL ",\"enc\":{\"net\":[8]}", 4000 },                                          /* CORE-173 */
		{ URL ",\"enc\":{\"net\":[8],\"md\":{\"num\":1,\"dur\":\"PT1S\"}}", 4000 },      /* no timeSeries */
		{ URL ",\"enc\":{\"md\":{\"num\":1,\"dur\":\"PT1S\"}}", 4000 },
		{ URL ",\"enc\":{\"net\":[3],\"chty\":[2]}", 4000 },                             /* an AE is no child of a container */
		{ URL ",\"enc\":{\"net\":[3],\"chty\":[4]}", 2001 },
		{ URL ",\"enc\":{\"net\":[1],\"om\":[{\"ops\":2}]}", 4000 },
		{ URL ",\"enc\":{\"om\":[{\"ops\":2}]}", 2001 },
		{ URL ",\"enc\":{\"om\":[{}]}", 4000 },
		{ URL ",\"enc\":{\"net\":[6]}", 4000 },
		{ URL ",\"enc\":{\"net\":[5]}", 2001 },
		{ URL ",\"enc\":{\"net\":[9]}", 4000 },
		{ URL ",\"enc\":{\"net\":[3]},\"nct\":2", 4000 },                                /* CORE-174 */
		{ URL ",\"enc\":{\"net\":[1,3]},\"nct\":2", 4000 },
		{ URL ",\"enc\":{\"net\":[1]},\"nct\":4", 4000 },
		{ URL ",\"enc\":{\"net\":[1]},\"nct\":2", 2001 },
		{ URL ",\"enc\":{\"net\":[2]},\"nct\":3", 2001 },
		{ URL ",\"enc\":{\"net\":[2]},\"nct\":1", 2001 },
		{ URL ",\"enc\":{\"net\":[7]}", 4000 },                                          /* CORE-172: a URL */
		{ "\"nu\":[\"CA\",\"CB\"],\"enc\":{\"net\":[7]}", 4000 },
		{ "\"nu\":[\"CA\"],\"enc\":{\"net\":[7],\"sza\":1}", 4000 },
		{ "\"nu\":[\"CA\"],\"enc\":{\"net\":[7]},\"pn\":1", 4000 },
		{ "\"nu\":[\"CA\"],\"enc\":{\"net\":[7]},\"nct\":2", 4000 },
		{ "\"nu\":[\"CA\"],\"enc\":{\"net\":[1,7]}", 4000 },
		{ "\"nu\":[\"CA\"],\"enc\":{\"net\":[7],\"atr\":[\"mni\"]},\"rn\":\"b\"", 2001 },
		{ "\"nu\":[\"CA\"],\"enc\":{\"net\":[7]}", 4124 },                               /* CORE-171 */
		{ URL ",\"bn\":{\"num\":2,\"dur\":\"PT0S\"}", 4000 },
		{ URL ",\"rl\":{\"mnn\":2,\"tww\":\"PT0S\"}", 4000 },
		{ "\"enc\":{\"net\":[1]}", 4000 },                                               /* nu is mandatory */
		{ "\"nu\":[]", 4000 },
	};
	struct cse *t = *state;

	container(t, "cse", "a");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rsc = try_sub(t, "cse/a", cases[i].members);
		if (rsc != cases[i].rsc)
			fail_msg("%s: %d instead of %d (%s)", cases[i].members, rsc, cases[i].rsc, last_refusal);
	}
}

/* The same rules hold for the outcome of an Update: CORE-172, CORE-173, CORE-174. */
static void criteria_of_an_update(void **state)
{
	struct cse *t = *state;

	container(t, "cse", "a");
	must(try_sub(t, "cse/a", "\"rn\":\"s\"," URL ",\"enc\":{\"net\":[1]},\"nct\":2"), 2001);
	must(change(t, "cse/a/s", "\"enc\":{\"net\":[3]}"), 4000);
	must(change(t, "cse/a/s", "\"enc\":{\"net\":[7]}"), 4000);
	must(change(t, "cse/a/s", "\"enc\":{\"net\":[7]},\"nu\":[\"CA\"]"), 4000);
	must(change(t, "cse/a/s", "\"enc\":{\"net\":[8],\"md\":{\"num\":1,\"dur\":\"PT1S\"}}"), 4000);
	must(change(t, "cse/a/s", "\"enc\":{\"net\":[1],\"om\":[{\"ops\":2}]}"), 4000);
	must(change(t, "cse/a/s", "\"nct\":5"), 4000);
	must(change(t, "cse/a/s", "\"enc\":{\"net\":[3]},\"nct\":3"), 2004);
	must(change(t, "cse/a/s", "\"enc\":{\"net\":[3],\"chty\":[2]}"), 4000);
}

/* CORE-174: nct by the event. CORE-175: cr when nu is another. CORE-176: the configured duration of a batch. */
static void completed(void **state)
{
	static const struct { const char *members, *want, *not; } cases[] = {
		{ URL, "\"nct\":1", "\"enc\"" },
		{ URL ",\"enc\":{\"net\":[3,4]}", "\"nct\":1", NULL },
		{ "\"nu\":[\"CA\"],\"enc\":{\"net\":[7]}", "\"nct\":2", NULL },
		{ URL, "\"cr\":\"CAdmin\"", NULL },
		{ "\"nu\":[\"CAdmin\"]", "\"nu\":[\"CAdmin\"]", "\"cr\"" },
		{ "\"nu\":[\"/reeve/CAdmin?ct=json\"]", "\"nct\"", "\"cr\"" },
		{ "\"nu\":[\"CAdmin\",\"test://u\"]", "\"cr\":\"CAdmin\"", NULL },
		{ URL ",\"bn\":{\"num\":3}", "\"bn\":{\"num\":3,\"dur\":\"PT60S\"}", NULL },
	};
	struct cse *t = *state;

	container(t, "cse", "a");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char members[512], to[64], *got;

		snprintf(members, sizeof(members), "\"rn\":\"s%zu\",%s", i, cases[i].members);
		must(try_sub(t, "cse/a", members), 2001);
		snprintf(to, sizeof(to), "cse/a/s%zu", i);
		got = get(t, ME, to);
		expect_part(got, cases[i].want);
		if (cases[i].not)
			expect_no_part(got, cases[i].not);
		free(got);
	}
}

/* CORE-170: what has no such child says 5203. CORE-169, AUTHZ-124: Create without Retrieve is not enough. */
static void who_and_where(void **state)
{
	struct cse *t = *state;

	container(t, "cse", "a");
	must(call(t, OP_CREATE, ME, "cse/a", 4, "{\"m2m:cin\":{\"rn\":\"i\",\"con\":\"x\"}}"), 2001);
	must(try_sub(t, "cse/a/i", URL), 5203);
	must(call(t, OP_CREATE, ME, "cse", 1,
		  "{\"m2m:acp\":{\"rn\":\"p\",\"pv\":{\"acr\":[{\"acor\":[\"CBoth\"],\"acop\":3},{\"acor\":[\"COne\"],\"acop\":1},"
		  "{\"acor\":[\"CAdmin\"],\"acop\":63}]},\"pvs\":{\"acr\":[{\"acor\":[\"CAdmin\"],\"acop\":63}]}}}"), 2001);
	must(call(t, OP_CREATE, ME, "cse", 3, "{\"m2m:cnt\":{\"rn\":\"b\",\"acpi\":[\"cse/p\"]}}"), 2001);
	must(call(t, OP_CREATE, "COne", "cse/b", 23, "{\"m2m:sub\":{" URL "}}"), 4103);
	must(call(t, OP_CREATE, "CBoth", "cse/b", 23, "{\"m2m:sub\":{" URL "}}"), 2001);
}

/* CORE-239, CORE-240, and the fixed name below a subscription. */
static void schedules(void **state)
{
	struct cse *t = *state;
	char *got;

	container(t, "cse", "a");
	must(try_sub(t, "cse/a", "\"rn\":\"s\"," URL), 2001);
	must(call(t, OP_CREATE, ME, "cse/a/s", 18, "{\"m2m:sch\":{\"se\":{\"sce\":[\"* * * * * *\"]}}}"), 4000);
	must(call(t, OP_CREATE, ME, "cse/a/s", 18, "{\"m2m:sch\":{\"se\":{\"sce\":[\"60 * * * * * *\"]}}}"), 4000);
	must(call(t, OP_CREATE, ME, "cse/a/s", 18, "{\"m2m:sch\":{\"se\":{\"sce\":[]}}}"), 4000);
	must(call(t, OP_CREATE, ME, "cse/a/s", 18, "{\"m2m:sch\":{\"se\":{\"sce\":[\"* * * * * * *\"]},\"nco\":true}}"), 4102);
	must(call(t, OP_CREATE, ME, "cse/a/s", 18, "{\"m2m:sch\":{\"rn\":\"other\",\"se\":{\"sce\":[\"* * * * * * *\"]}}}"), 4000);
	must(call(t, OP_CREATE, ME, "cse/a/s", 18, "{\"m2m:sch\":{\"se\":{\"sce\":[\"0-30/10 * * * * * *\"]}}}"), 2001);
	got = get(t, ME, "cse/a/s/notificationSchedule");
	free(got);
	must(call(t, OP_CREATE, ME, "cse/a/s", 18, "{\"m2m:sch\":{\"se\":{\"sce\":[\"* * * * * * *\"]}}}"), 4105);
	must(call(t, OP_CREATE, ME, "cse", 18, "{\"m2m:sch\":{\"rn\":\"free\",\"se\":{\"sce\":[\"* * * * * * *\"]}}}"), 2001);
	must(call(t, OP_UPDATE, ME, "cse/free", 0, "{\"m2m:sch\":{\"nco\":true}}"), 4102);
}

/* CORE-196 (first part), CORE-197, CORE-198. */
static void target_policies(void **state)
{
	struct cse *t = *state;

	container(t, "cse", "a");
	must(try_sub(t, "cse/a", "\"rn\":\"s\"," URL), 2001);
	must(call(t, OP_CREATE, ME, "cse/a/s", 25, "{\"m2m:ntpr\":{\"ntu\":[\"test://u\",\"CX\"]}}"), 2001);
	must(call(t, OP_CREATE, ME, "cse/a/s", 25, "{\"m2m:ntpr\":{\"ntu\":[\"/reeve/CX\"]}}"), 4105);
	must(call(t, OP_CREATE, ME, "cse/a/s", 25, "{\"m2m:ntpr\":{\"ntu\":[\"CY\"]}}"), 2001);
	must(call(t, OP_CREATE, ME, "cse", 26, "{\"m2m:ntp\":{\"rn\":\"p\",\"acn\":1,\"plbl\":\"x\"}}"), 2001);
	must(call(t, OP_CREATE, ME, "cse/p", 27, "{\"m2m:pdr\":{}}"), 2001);
	must(call(t, OP_CREATE, ME, "cse/p", 27, "{\"m2m:pdr\":{}}"), 2001);
	must(call(t, OP_CREATE, ME, "cse/p", 27, "{\"m2m:pdr\":{}}"), 4105);
	must(call(t, OP_RETRIEVE, ME, "cse/a/s/ntsr", 0, NULL), 4005);
	must(call(t, OP_UPDATE, ME, "cse/a/s/ntsr", 0, "{\"m2m:sub\":{}}"), 4005);
	must(call(t, OP_CREATE, ME, "cse/a/s/ntsr", 3, "{\"m2m:cnt\":{}}"), 4005);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cse_test(criteria), cse_test(criteria_of_an_update), cse_test(completed), cse_test(who_and_where), cse_test(schedules),
		cse_test(target_policies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
