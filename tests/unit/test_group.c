/* SPDX-License-Identifier: Apache-2.0 */
/* <group> and <fanOutPoint> in a whole CSE. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ask_util.h"
#include "core/group/fanout.h"

#define ADMIN "CAdmin"
#define OPS(who, n) "{\"acor\":[\"" who "\"],\"acop\":" #n "}"

static void group(struct cse *t, const char *rn, const char *members, const char *more)
{
	char pc[2048];

	snprintf(pc, sizeof(pc), "{\"m2m:grp\":{\"rn\":\"%s\",\"mnm\":20,\"mid\":[%s]%s}}", rn, members, more ? more : "");
	made(t, ADMIN, "cse", 9, pc);
}

/* acp "open": `who` may do `ops` besides the administrator. */
#define POLICY(rn, who, ops) \
	"{\"m2m:acp\":{\"rn\":\"" rn "\",\"pv\":{\"acr\":[" OPS(who, ops) "," OPS(ADMIN, 63) "]},\"pvs\":{\"acr\":[" OPS(ADMIN, 63) "]}}}"

/* Containers a, b, c and an <accessControlPolicy> p. */
static void stock(struct cse *t)
{
	made(t, ADMIN, "cse", 1, POLICY("p", "/Sguest", 63));
	made(t, ADMIN, "cse", 3, "{\"m2m:cnt\":{\"rn\":\"a\",\"acpi\":[\"cse/p\"]}}");
	made(t, ADMIN, "cse", 3, "{\"m2m:cnt\":{\"rn\":\"b\",\"acpi\":[\"cse/p\"]}}");
	made(t, ADMIN, "cse", 3, "{\"m2m:cnt\":{\"rn\":\"c\"}}");
}

/* --- members --- */

static void numbers_of_members(void **state)
{
	struct cse *t = *state;
	char *ri, query[256];

	stock(t);
	/* CORE-211 */
	must(call(t, OP_CREATE, ADMIN, "cse", 9, "{\"m2m:grp\":{\"mnm\":1,\"mid\":[\"cse/a\",\"cse/b\"]}}"), 6010);
	made(t, ADMIN, "cse", 9, "{\"m2m:grp\":{\"rn\":\"g\",\"mnm\":3,\"mid\":[\"cse/a\",\"cse/b\",\"cse/a\"]}}");
	expect_at(t, ADMIN, "cse/g", "\"mid\":[\"cse/a\",\"cse/b\"]");
	expect_at(t, ADMIN, "cse/g", "\"cnm\":2");
	must(call(t, OP_UPDATE, ADMIN, "cse/g", 0, "{\"m2m:grp\":{\"mnm\":1}}"), 6010);
	must(call(t, OP_UPDATE, ADMIN, "cse/g", 0, "{\"m2m:grp\":{\"mid\":[\"a\",\"b\",\"c\",\"d\"]}}"), 6010);
	must(call(t, OP_UPDATE, ADMIN, "cse/g", 0, "{\"m2m:grp\":{\"mnm\":2}}"), 2004);
	must(call(t, OP_UPDATE, ADMIN, "cse/g", 0, "{\"m2m:grp\":{\"mid\":[]}}"), 2004);
	expect_at(t, ADMIN, "cse/g", "\"cnm\":0");
	/* another spelling is the same member */
	ri = get(t, ADMIN, "cse/a");
	snprintf(query, sizeof(query), "{\"m2m:grp\":{\"mid\":[\"cse/a\",\"%.*s\"]}}", (int)strcspn(strstr(ri, "\"ri\":\"") + 6, "\""),
		 strstr(ri, "\"ri\":\"") + 6);
	free(ri);
	must(call(t, OP_UPDATE, ADMIN, "cse/g", 0, query), 2004);
	expect_at(t, ADMIN, "cse/g", "\"mid\":[\"cse/a\"]");
	/* but not what is below it */
	must(call(t, OP_UPDATE, ADMIN, "cse/g", 0, "{\"m2m:grp\":{\"mid\":[\"cse/a\",\"cse/a/la\"]}}"), 2004);
	expect_at(t, ADMIN, "cse/g", "\"cnm\":2");
	/* CORE-215 */
	must(call(t, OP_UPDATE, ADMIN, "cse/g", 0, "{\"m2m:grp\":{\"mt\":3}}"), 4000);
	must(call(t, OP_UPDATE, ADMIN, "cse/g", 0, "{\"m2m:grp\":{\"csy\":2}}"), 4000);
	must(call(t, OP_CREATE, ADMIN, "cse", 9, "{\"m2m:grp\":{\"mnm\":1,\"mid\":[],\"cnm\":1}}"), 4000);
	must(call(t, OP_CREATE, ADMIN, "cse", 9, "{\"m2m:grp\":{\"mnm\":0,\"mid\":[]}}"), 4000);
}

static void types_of_members(void **state)
{
	struct cse *t = *state;

	stock(t);
	/* CORE-212 */
	group(t, "g1", "\"cse/a\",\"cse/p\",\"cse/none\"", ",\"mt\":3,\"csy\":1");
	expect_at(t, ADMIN, "cse/g1", "\"mid\":[\"cse/a\"]");
	expect_at(t, ADMIN, "cse/g1", "\"mtv\":true");
	expect_at(t, ADMIN, "cse/g1", "\"cnm\":1");
	must(call(t, OP_CREATE, ADMIN, "cse", 9, "{\"m2m:grp\":{\"mnm\":5,\"mid\":[\"cse/a\",\"cse/p\"],\"mt\":3,\"csy\":2}}"), 4110);
	must(call(t, OP_CREATE, ADMIN, "cse", 9, "{\"m2m:grp\":{\"mnm\":5,\"mid\":[\"cse/a\",\"/else/cse/x\"],\"mt\":3,\"csy\":2}}"), 4110);
	group(t, "g3", "\"cse/a\",\"cse/p\"", ",\"mt\":3,\"csy\":3");
	expect_at(t, ADMIN, "cse/g3", "\"mid\":[\"cse/a\",\"cse/p\"]");
	expect_at(t, ADMIN, "cse/g3", "\"mt\":0");
	expect_at(t, ADMIN, "cse/g3", "\"mtv\":true");
	group(t, "g0", "\"cse/a\",\"cse/p\",\"cse/none\"", NULL); /* mixed: nothing is looked at */
	expect_at(t, ADMIN, "cse/g0", "\"cnm\":3");
	expect_at(t, ADMIN, "cse/g0", "\"mt\":0");
	expect_at(t, ADMIN, "cse/g0", "\"csy\":1");
	/* virtual members have types of their own; a sub-group has that of its members */
	group(t, "gl", "\"cse/a/la\",\"cse/a\",\"cse/a/ol\"", ",\"mt\":20002");
	expect_at(t, ADMIN, "cse/gl", "\"mid\":[\"cse/a/la\"]");
	group(t, "gs", "\"cse/g1/fopt\",\"cse/g0/fopt\",\"cse/g1\",\"cse/b\"", ",\"mt\":3");
	expect_at(t, ADMIN, "cse/gs", "\"mid\":[\"cse/g1/fopt\",\"cse/b\"]");
	/* Update */
	must(call(t, OP_UPDATE, ADMIN, "cse/g1", 0, "{\"m2m:grp\":{\"mid\":[\"cse/b\",\"cse/p\"]}}"), 2004);
	expect_at(t, ADMIN, "cse/g1", "\"mid\":[\"cse/b\"]");
	must(call(t, OP_UPDATE, ADMIN, "cse/g1", 0, "{\"m2m:grp\":{\"gn\":\"x\"}}"), 2004);
	expect_at(t, ADMIN, "cse/g1", "\"mid\":[\"cse/b\"]");
	must(call(t, OP_CREATE, ADMIN, "cse", 9, "{\"m2m:grp\":{\"mnm\":5,\"mid\":[],\"spty\":{\"mgd\":1001}}}"), 5001);
}

/* CORE-213, AUTHZ-129: whose type the Originator may not read */
static void types_that_may_not_be_read(void **state)
{
	struct cse *t = *state;

	stock(t);
	must(call(t, OP_CREATE, ADMIN, "cse", 1, POLICY("reg", "/Sguest", 63)), 2001);
	made(t, ADMIN, "cse", 9, "{\"m2m:grp\":{\"rn\":\"g\",\"mnm\":5,\"mt\":3,\"csy\":1,\"mid\":[\"cse/a\"],\"acpi\":[\"cse/p\"]}}");
	must(call(t, OP_UPDATE, "/Sguest", "cse/g", 0, "{\"m2m:grp\":{\"mid\":[\"cse/a\",\"cse/b\"]}}"), 2004);
	must(call(t, OP_UPDATE, "/Sguest", "cse/g", 0, "{\"m2m:grp\":{\"mid\":[\"cse/a\",\"cse/c\"]}}"), 5105);
	expect_at(t, ADMIN, "cse/g", "\"mid\":[\"cse/a\",\"cse/b\"]");
}

/* --- fan-out --- */

static void every_member_answers_for_itself(void **state)
{
	struct cse *t = *state;
	struct asked a = { .out = NULL };

	stock(t);
	group(t, "g", "\"cse/a\",\"cse/none\",\"cse/c\"", ",\"acpi\":[\"cse/p\"]");
	/* CORE-220: one response per member with its id and its own code */
	must(ask(t, ADMIN, "cse/g/fopt", NULL, &a), 2000);
	assert_true(strncmp(a.out, "{\"m2m:agr\":{\"m2m:rsp\":[{", 24) == 0);
	assert_int_equal(count(a.out, "\"rsc\":2000"), 2);
	assert_int_equal(count(a.out, "\"rsc\":4004"), 1);
	expect_part(a.out, "\"fr\":\"cse/a\"");
	expect_part(a.out, "\"fr\":\"cse/none\"");
	expect_part(a.out, "\"pc\":{\"m2m:cnt\":{\"rn\":\"a\"");
	expect_part(a.out, "\"rqi\":\"t1\"");
	/* CORE-219, AUTHZ-127: From stays what it was, so c refuses the guest */
	must(ask(t, "/Sguest", "cse/g/fopt", NULL, &a), 2000);
	assert_int_equal(count(a.out, "\"rsc\":2000"), 1);
	assert_int_equal(count(a.out, "\"rsc\":4103"), 1);
	/* CORE-219: the rest of the path */
	must(ask_full(t, OP_CREATE, ADMIN, "cse/g/fopt", 4, "{\"m2m:cin\":{\"con\":\"hello\"}}", NULL, &a), 2000);
	assert_int_equal(count(a.out, "\"rsc\":2001"), 2);
	must(ask(t, ADMIN, "cse/g/fopt/la", NULL, &a), 2000);
	assert_int_equal(count(a.out, "\"con\":\"hello\""), 2);
	must(ask(t, ADMIN, "cse/g/fopt/none/x", NULL, &a), 2000);
	assert_int_equal(count(a.out, "\"rsc\":4004"), 3);
	must(ask_full(t, OP_UPDATE, "/Sguest", "cse/g/fopt", 0, "{\"m2m:cnt\":{\"mni\":7}}", NULL, &a), 2000);
	assert_int_equal(count(a.out, "\"rsc\":2004"), 1);
	expect_at(t, ADMIN, "cse/a", "\"mni\":7");
	/* parameters go along */
	must(ask(t, ADMIN, "cse/g/fopt", "fu=1&ty=4&drt=2", &a), 2000);
	assert_int_equal(count(a.out, "m2m:uril"), 2);
	expect_no_part(a.out, "[\"cse/");
	/* AUTHZ-128: all deny, and still it is an answer */
	group(t, "h", "\"cse/c\"", ",\"acpi\":[\"cse/p\"]");
	must(ask(t, "/Sguest", "cse/h/fopt", NULL, &a), 2000);
	assert_int_equal(count(a.out, "\"rsc\":4103"), 1);
	assert_int_equal(count(a.out, "\"rsc\":2000"), 0);
	/* CORE-216 */
	group(t, "empty", "", NULL);
	must(ask(t, ADMIN, "cse/empty/fopt", NULL, &a), 4109);
	/* CORE-217 */
	group(t, "typed", "\"cse/a\"", ",\"mt\":3");
	must(ask_full(t, OP_CREATE, ADMIN, "cse/typed/fopt", 9, "{\"m2m:grp\":{\"mnm\":1,\"mid\":[]}}", NULL, &a), 4108);
	must(ask_full(t, OP_CREATE, ADMIN, "cse/typed/fopt", 3, "{\"m2m:cnt\":{}}", NULL, &a), 2000);
	/* members elsewhere: no way leads there (with one: tests/e2e/test_cse_group.py) */
	group(t, "far", "\"/else/cse/x\"", NULL);
	must(ask(t, ADMIN, "cse/far/fopt", NULL, &a), 2000);
	assert_int_equal(count(a.out, "\"rsc\":4004"), 1);
	free(a.out);
}

/* CORE-218, AUTHZ-125, AUTHZ-126 */
static void who_may_fan_out(void **state)
{
	struct cse *t = *state;
	struct asked a = { .out = NULL };

	stock(t);
	made(t, ADMIN, "cse", 1, POLICY("read", "/Sguest", 2));
	made(t, ADMIN, "cse", 1, POLICY("other", "/Sother", 63));
	group(t, "closed", "\"cse/a\"", NULL);
	group(t, "by-acpi", "\"cse/a\"", ",\"acpi\":[\"cse/read\"]");
	group(t, "by-macp", "\"cse/a\"", ",\"acpi\":[\"cse/other\"],\"macp\":[\"cse/read\"]");
	group(t, "not-by-acpi", "\"cse/a\"", ",\"acpi\":[\"cse/read\"],\"macp\":[\"cse/other\"]");
	group(t, "dangling", "\"cse/a\"", ",\"acpi\":[\"cse/read\"],\"macp\":[\"cse/gone\"]");
	must(ask(t, "/Sguest", "cse/closed/fopt", NULL, &a), 4103);
	must(ask(t, "/Sguest", "cse/by-acpi/fopt", NULL, &a), 2000);
	must(ask(t, "/Sguest", "cse/by-macp/fopt", NULL, &a), 2000);
	must(ask(t, "/Sguest", "cse/not-by-acpi/fopt", NULL, &a), 4103);
	must(ask(t, "/Sguest", "cse/dangling/fopt", NULL, &a), 4103);
	/* by operation */
	must(ask_full(t, OP_UPDATE, "/Sguest", "cse/by-acpi/fopt", 0, "{\"m2m:cnt\":{\"mni\":7}}", NULL, &a), 4103);
	must(ask_full(t, OP_DELETE, "/Sguest", "cse/by-macp/fopt", 0, NULL, NULL, &a), 4103);
	must(ask_full(t, OP_CREATE, "/Sguest", "cse/by-macp/fopt", 4, "{\"m2m:cin\":{\"con\":\"1\"}}", NULL, &a), 4103);
	expect_at(t, ADMIN, "cse/a", "\"cni\":0");
	free(a.out);
}

/* TS-0004 7.4.14.3.5 */
static void deleted_members_leave(void **state)
{
	struct cse *t = *state;
	struct asked a = { .out = NULL };

	stock(t);
	must(call(t, OP_CREATE, ADMIN, "cse/a", 4, "{\"m2m:cin\":{\"con\":\"1\"}}"), 2001);
	must(call(t, OP_CREATE, ADMIN, "cse/a", 3, "{\"m2m:cnt\":{\"rn\":\"x\"}}"), 2001);
	group(t, "g", "\"cse/a\",\"cse/c\",\"cse/none\",\"cse/a/la\"", ",\"acpi\":[\"cse/p\"]");
	must(ask_full(t, OP_DELETE, ADMIN, "cse/g/fopt/x", 0, NULL, NULL, &a), 2000); /* not a member itself */
	assert_int_equal(count(a.out, "\"rsc\":2002"), 1);
	expect_at(t, ADMIN, "cse/g", "\"cnm\":4");
	must(ask_full(t, OP_DELETE, ADMIN, "cse/g/fopt", 0, NULL, "grtm=cse/a/la", &a), 2000); /* a virtual one stays */
	assert_int_equal(count(a.out, "\"rsc\":2002"), 1);
	expect_at(t, ADMIN, "cse/g", "\"cnm\":4");
	must(ask_full(t, OP_DELETE, "/Sguest", "cse/g/fopt", 0, NULL, NULL, &a), 2000);
	assert_int_equal(count(a.out, "\"rsc\":2002"), 1);
	assert_int_equal(count(a.out, "\"rsc\":4103"), 1);
	expect_at(t, ADMIN, "cse/g", "\"mid\":[\"cse/c\",\"cse/none\",\"cse/a/la\"]");
	expect_at(t, ADMIN, "cse/g", "\"cnm\":3");
	must(call(t, OP_RETRIEVE, ADMIN, "cse/a", 0, NULL), 4004);
	free(a.out);
}

/* --- groups of groups --- */

static void sub_groups(void **state)
{
	struct cse *t = *state;
	struct asked a = { .out = NULL };

	stock(t);
	group(t, "low", "\"cse/a\",\"cse/b\"", ",\"acpi\":[\"cse/p\"]");
	group(t, "high", "\"cse/low/fopt\",\"cse/c\"", ",\"acpi\":[\"cse/p\"]");
	must(ask(t, ADMIN, "cse/high/fopt", NULL, &a), 2000);
	assert_int_equal(count(a.out, "m2m:agr"), 2);
	assert_int_equal(count(a.out, "m2m:cnt"), 3);
	expect_part(a.out, "\"fr\":\"cse/low/fopt\"");
	must(ask_full(t, OP_CREATE, ADMIN, "cse/high/fopt", 4, "{\"m2m:cin\":{\"con\":\"1\"}}", NULL, &a), 2000);
	assert_int_equal(count(a.out, "\"rsc\":2001"), 3);
	/* CORE-223: one resource by two ways is asked once */
	group(t, "twice", "\"cse/low/fopt\",\"cse/a\"", NULL);
	must(ask_full(t, OP_CREATE, ADMIN, "cse/twice/fopt", 4, "{\"m2m:cin\":{\"con\":\"2\"}}", NULL, &a), 2000);
	assert_int_equal(count(a.out, "\"rsc\":4104"), 1);
	expect_at(t, ADMIN, "cse/a", "\"cni\":2");
	/* a loop of groups ends */
	group(t, "one", "\"cse/a\"", NULL);
	group(t, "two", "\"cse/one/fopt\",\"cse/b\"", NULL);
	must(call(t, OP_UPDATE, ADMIN, "cse/one", 0, "{\"m2m:grp\":{\"mid\":[\"cse/a\",\"cse/two/fopt\",\"cse/one/fopt\"]}}"), 2004);
	must(ask(t, ADMIN, "cse/one/fopt", NULL, &a), 2000);
	assert_int_equal(count(a.out, "m2m:cnt"), 2);
	assert_int_equal(count(a.out, "\"rsc\":4104"), 2);
	free(a.out);
}

/* CORE-222, CORE-223 */
static void group_request_identifiers(void **state)
{
	struct cse *t = *state;
	struct asked a = { .out = NULL };

	stock(t);
	group(t, "low", "\"cse/a\"", NULL);
	group(t, "high", "\"cse/low/fopt\"", NULL);
	must(ask(t, ADMIN, "cse/high/fopt", NULL, &a), 2000);
	assert_int_equal(count(a.out, "m2m:cnt"), 1);
	must(ask(t, ADMIN, "cse/high/fopt", NULL, &a), 2000); /* a new one each time */
	assert_int_equal(count(a.out, "m2m:cnt"), 1);
	must(ask(t, ADMIN, "cse/high/fopt", "gid=mine", &a), 2000);
	assert_int_equal(count(a.out, "m2m:cnt"), 1);
	must(ask(t, ADMIN, "cse/high/fopt", "gid=mine", &a), 4104);
	must(ask(t, ADMIN, "cse/low/fopt", "gid=mine", &a), 4104); /* passed on unchanged */
	must(ask(t, ADMIN, "cse/a", "gid=mine", &a), 4104);
	must(ask(t, ADMIN, "cse/b", "gid=mine", &a), 2000);
	must(ask(t, ADMIN, "cse/b", "gid=mine", &a), 4104);
	must(ask(t, ADMIN, "cse/high/fopt", "gid=other", &a), 2000);
	free(a.out);
}

/* CORE-224 */
static void chosen_members(void **state)
{
	struct cse *t = *state;
	struct asked a = { .out = NULL };

	stock(t);
	group(t, "low", "\"cse/a\",\"cse/b\"", NULL);
	group(t, "high", "\"cse/low/fopt\",\"cse/c\"", NULL);
	must(ask(t, ADMIN, "cse/low/fopt", "grtm=cse/b", &a), 2000);
	assert_int_equal(count(a.out, "m2m:cnt"), 1);
	expect_part(a.out, "\"fr\":\"cse/b\"");
	must(ask(t, ADMIN, "cse/low/fopt", "grtm=cse/b+cse/c", &a), 4000);
	must(ask(t, ADMIN, "cse/high/fopt", "grtm=cse/c+cse/a", &a), 2000); /* members of sub-groups are reached through them */
	assert_int_equal(count(a.out, "m2m:cnt"), 2);
	expect_part(a.out, "\"fr\":\"cse/a\"");
	expect_no_part(a.out, "\"fr\":\"cse/b\"");
	must(ask(t, ADMIN, "cse/high/fopt", "grtm=cse/low/fopt", &a), 2000);
	assert_int_equal(count(a.out, "m2m:cnt"), 2);
	expect_no_part(a.out, "\"fr\":\"cse/c\"");
	must(ask(t, ADMIN, "cse/high/fopt", "grtm=cse/c", &a), 2000);
	assert_int_equal(count(a.out, "m2m:cnt"), 1);
	expect_no_part(a.out, "low");
	must(ask(t, ADMIN, "cse/high/fopt", "grtm=cse/p", &a), 4000);
	free(a.out);
}

/* --- notifications through a group --- */

static void subscribe_all(struct cse *t, const char *fopt, const char *nfu)
{
	struct asked a = { .out = NULL };
	char pc[256];

	snprintf(pc, sizeof(pc), "{\"m2m:sub\":{\"rn\":\"s\",\"nu\":[\"test://direct\"]%s%s%s}}", nfu ? ",\"nfu\":\"" : "", nfu ? nfu : "",
		 nfu ? "\"" : "");
	must(ask_full(t, OP_CREATE, ADMIN, fopt, 23, pc, NULL, &a), 2000);
	expect_no_part(a.out, "\"rsc\":4");
	free(a.out);
}

static void update(struct cse *t, const char *to)
{
	must(call(t, OP_UPDATE, ADMIN, to, 0, "{\"m2m:cnt\":{\"lbl\":[\"x\"]}}"), 2004);
}

/* CORE-225, CORE-226 */
static void notifications_are_gathered(void **state)
{
	struct cse *t = *state;
	struct sent *s;
	char *out;

	stock(t);
	group(t, "g", "\"cse/a\",\"cse/b\"", NULL);
	subscribe_all(t, "cse/g/fopt", "test://forward");
	out = get(t, ADMIN, "cse/a/s");
	expect_no_part(out, "test://direct");
	expect_part(out, "\"nu\":[\"/reeve/");
	expect_part(out, "\"gpi\":\"/reeve/");
	expect_part(out, "\"nfu\":\"test://forward\"");
	free(out);
	/* without nar: as many as there are members */
	update(t, "cse/a");
	update(t, "cse/b");
	s = next_sent(t);
	assert_string_equal(s->url, "test://forward");
	assert_true(strncmp(s->pc, "{\"m2m:agn\":{\"m2m:sgn\":[{", 24) == 0);
	assert_int_equal(count(s->pc, "\"sur\":"), 2);
	assert_int_equal(count(s->pc, "m2m:agn"), 1);
	/* one at a time */
	must(call(t, OP_UPDATE, ADMIN, "cse/g", 0, "{\"m2m:grp\":{\"nar\":{\"num\":1}}}"), 2004);
	update(t, "cse/a");
	assert_int_equal(count(next_sent(t)->pc, "\"sur\":"), 1);
	update(t, "cse/b");
	assert_int_equal(count(next_sent(t)->pc, "\"sur\":"), 1);
	/* by time, though the number is not reached */
	must(call(t, OP_UPDATE, ADMIN, "cse/g", 0, "{\"m2m:grp\":{\"nar\":{\"num\":50,\"dur\":\"PT0.2S\"}}}"), 2004);
	update(t, "cse/a");
	s = next_sent(t);
	assert_string_equal(s->url, "test://forward");
	assert_int_equal(count(s->pc, "\"sur\":"), 1);
}

static int first_fails(struct cse *t, const char *url, size_t nth) { return nth == 1 ? NO_CONNECTION : 2000; }

/* What the subscriber did not take stays due for each member. */
static void gathered_notifications_are_not_lost(void **state)
{
	struct cse *t = *state;
	struct sent *s;

	t->answer = first_fails;
	stock(t);
	group(t, "g", "\"cse/a\",\"cse/b\"", NULL);
	subscribe_all(t, "cse/g/fopt", "test://forward");
	update(t, "cse/a");
	update(t, "cse/b");
	assert_int_equal(count(next_sent(t)->pc, "\"sur\":"), 2);
	s = next_sent(t);
	assert_int_equal(count(s->pc, "\"sur\":"), 2);
}

static void without_forwarding_nothing_is_changed(void **state)
{
	struct cse *t = *state;

	/* CORE-225 */
	stock(t);
	group(t, "g", "\"cse/a\",\"cse/b\"", NULL);
	subscribe_all(t, "cse/g/fopt", NULL);
	update(t, "cse/a");
	assert_string_equal(next_sent(t)->url, "test://direct");
	/* CORE-227, AUTHZ-130 */
	must(call(t, OP_NOTIFY, "/other", "cse/g", 0, "{\"m2m:sgn\":{}}"), 4103);
	must(call(t, OP_NOTIFY, ADMIN, "cse/g", 0, "{\"m2m:sgn\":{}}"), 4103);
}

static int narrow(void **state)
{
	struct cse *t;

	if (cse_setup(state) != 0)
		return -1;
	t = *state;
	t->cfg.limits.fanout_members = 4;
	t->cfg.limits.fanout_depth = 2;
	return 0;
}

static void limits_of_a_fan_out(void **state)
{
	struct cse *t = *state;
	struct asked a = { .out = NULL };

	stock(t);
	group(t, "large", "\"cse/a\",\"cse/b\",\"cse/c\",\"cse/p\",\"cse/none\"", NULL); /* may be larger: for policies, or by grtm */
	must(ask(t, ADMIN, "cse/large/fopt", NULL, &a), 5000);
	must(ask(t, ADMIN, "cse/large/fopt", "grtm=cse/a+cse/p", &a), 2000);
	group(t, "g1", "\"cse/a\"", NULL);
	group(t, "g2", "\"cse/g1/fopt\"", NULL);
	group(t, "g3", "\"cse/g2/fopt\"", NULL);
	must(ask(t, ADMIN, "cse/g2/fopt", NULL, &a), 2000);
	assert_int_equal(count(a.out, "m2m:cnt"), 1);
	must(ask(t, ADMIN, "cse/g3/fopt", NULL, &a), 2000);
	assert_int_equal(count(a.out, "m2m:cnt"), 0);
	expect_part(a.out, "limits.fanout_depth");
	/* all levels together */
	group(t, "wide", "\"cse/a\",\"cse/b\",\"cse/c\"", NULL);
	group(t, "over", "\"cse/wide/fopt\",\"cse/p\"", NULL);
	must(ask(t, ADMIN, "cse/over/fopt", NULL, &a), 2000);
	assert_int_equal(count(a.out, "m2m:cnt"), 0);
	assert_int_equal(count(a.out, "m2m:acp"), 1);
	assert_true(atomic_load(&t->core->metrics.limit_fanout) == 3);
	free(a.out);
}

/* --- the memory of identifiers --- */

static void identifiers_are_forgotten_in_time(void **state)
{
	struct fanout_seen *s = fanout_seen_new(64);
	struct fanout_run run = { 1, 1 }, again = { 1, 2 }, other = { 2, 3 };
	struct target t = { .res = { .key = { 1, 7 } } };
	struct target virt = t;

	virt.virt = VIRT_FOPT;
	assert_true(fanout_seen_enter(s, &run, S("g"), &t, 100, 200));
	assert_false(fanout_seen_enter(s, &run, S("g"), &t, 100, 200));
	assert_false(fanout_seen_enter(s, &other, S("g"), &t, 100, 200));
	assert_true(fanout_seen_enter(s, &other, S("h"), &t, 100, 200));
	assert_true(fanout_seen_enter(s, &other, S("g"), &virt, 100, 200));
	assert_true(fanout_seen_enter(s, &again, S("g"), &t, 100, 200)); /* the writer runs the request once more */
	assert_false(fanout_seen_enter(s, &again, S("g"), &t, 100, 200));
	assert_true(fanout_seen_enter(s, &other, S("g"), &t, 200, 300)); /* forgotten */
	for (int i = 0; i < 10000; i++) { /* never full */
		char gid[16];

		snprintf(gid, sizeof(gid), "x%d", i);
		assert_true(fanout_seen_enter(s, &run, slice_str(gid), &t, 250, 300 + i));
		assert_false(fanout_seen_enter(s, &run, slice_str(gid), &t, 250, 300 + i));
	}
	fanout_seen_free(s);
	fanout_seen_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cse_test(numbers_of_members),
		cse_test(types_of_members),
		cse_test(types_that_may_not_be_read),
		cse_test(every_member_answers_for_itself),
		cse_test(who_may_fan_out),
		cse_test(deleted_members_leave),
		cse_test(sub_groups),
		cse_test(group_request_identifiers),
		cse_test(chosen_members),
		cse_test(notifications_are_gathered),
		cse_test(gathered_notifications_are_not_lost),
		cse_test(without_forwarding_nothing_is_changed),
		cmocka_unit_test_setup_teardown(limits_of_a_fan_out, narrow, cse_teardown),
		cmocka_unit_test(identifiers_are_forgotten_in_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
