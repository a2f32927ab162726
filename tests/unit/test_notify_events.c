/* SPDX-License-Identifier: Apache-2.0 */
/* Which event leads to which notification: event types, conditions, content types, operation monitors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "notify_util.h"

/* CORE-180, CORE-181: without enc, Updates notify and creation of children does not. CORE-185: nct 1. */
static void updates_by_default(void **state)
{
	struct cse *t = *state;
	struct sent *s;

	container(t, "cse", "a");
	subscribe(t, "cse/a", "s", "");
	instance(t, "cse/a", "x");
	must(call(t, OP_UPDATE, ME, "cse/a", 0, "{\"m2m:cnt\":{\"lbl\":[\"one\"]}}"), 2004);
	s = next_sent(t);
	assert_string_equal(s->url, "test://s");
	expect_part(s->pc, "{\"m2m:sgn\":{\"nev\":{\"rep\":{\"m2m:cnt\":{");
	expect_part(s->pc, "\"net\":1");
	expect_part(s->pc, "\"lbl\":[\"one\"]");
	expect_part(s->pc, "\"rn\":\"a\"");
	expect_part(s->pc, "\"cni\":1");
	expect_part(s->pc, "\"sur\":\"/reeve/cse/a/s\"");
	expect_part(s->pc, "\"cr\":\"CAdmin\"");
	assert_string_equal(s->fr, "/reeve");
}

/* CORE-181: atr narrows; CORE-185: nct 2 shows what changed and nothing else, nct 3 the address. CORE-187: each entry of nu. */
static void attributes_and_content(void **state)
{
	struct cse *t = *state;
	struct sent *s;

	container(t, "cse", "a");
	subscribe(t, "cse/a", "s", "\"enc\":{\"net\":[1],\"atr\":[\"mni\"]},\"nct\":2");
	must(call(t, OP_UPDATE, ME, "cse/a", 0, "{\"m2m:cnt\":{\"lbl\":[\"one\"]}}"), 2004);
	must(call(t, OP_UPDATE, ME, "cse/a", 0, "{\"m2m:cnt\":{\"mni\":7,\"lbl\":null}}"), 2004);
	s = next_sent(t);
	expect_part(s->pc, "\"rep\":{\"m2m:cnt\":{");
	expect_part(s->pc, "\"mni\":7");
	expect_no_part(s->pc, "\"rn\"");
	must(call(t, OP_UPDATE, ME, "cse/a/s", 0, "{\"m2m:sub\":{\"nct\":3,\"nu\":[\"test://p\",\"test://q\"]}}"), 2004);
	must(call(t, OP_UPDATE, ME, "cse/a", 0, "{\"m2m:cnt\":{\"mni\":8}}"), 2004);
	bool p = false, q = false;
	for (int i = 0; i < 2; i++) {
		s = next_sent(t);
		expect_part(s->pc, "\"rep\":{\"m2m:uri\":\"cse/a\"}");
		p |= strcmp(s->url, "test://p") == 0;
		q |= strcmp(s->url, "test://q") == 0;
	}
	assert_true(p && q);
}

/* CORE-182, CORE-183: children are reported by 3 and 4, of the types in chty only, grandchildren never; 2 tells of the end. */
static void children_and_the_end(void **state)
{
	struct cse *t = *state;
	struct sent *s;

	container(t, "cse", "a");
	subscribe(t, "cse/a", "s", "\"enc\":{\"net\":[2,3,4],\"chty\":[3]}");
	container(t, "cse/a", "b");
	s = next_sent(t);
	expect_part(s->pc, "\"net\":3");
	expect_part(s->pc, "\"rn\":\"b\"");
	instance(t, "cse/a", "not of the type");
	container(t, "cse/a/b", "grandchild");
	must(call(t, OP_DELETE, ME, "cse/a/b", 0, NULL), 2002);
	s = next_sent(t);
	expect_part(s->pc, "\"net\":4");
	expect_part(s->pc, "\"rn\":\"b\"");
	must(call(t, OP_DELETE, ME, "cse/a", 0, NULL), 2002);
	s = next_sent(t);
	expect_part(s->pc, "\"net\":2");
	expect_part(s->pc, "\"rn\":\"a\"");
	assert_int_equal(t->n_sent, 3);
}

/* CORE-182: the end by expiry is an end too. */
static void expiry_is_a_delete(void **state)
{
	struct cse *t = *state;
	char pc[256], et[TEXT_TIMESTAMP_MAX + 1] = "";
	struct sent *s;

	et[text_timestamp_write(clock_wall() + 2 * USEC_S, et)] = '\0';
	snprintf(pc, sizeof(pc), "{\"m2m:cnt\":{\"rn\":\"a\",\"et\":\"%s\"}}", et);
	must(call(t, OP_CREATE, ME, "cse", 3, pc), 2001);
	subscribe(t, "cse/a", "s", "\"enc\":{\"net\":[2]}");
	s = next_sent(t);
	expect_part(s->pc, "\"net\":2");
}

/* CORE-184: further conditions look at the child, joined by fo. */
static void conditions(void **state)
{
	struct cse *t = *state;

	container(t, "cse", "a");
	subscribe(t, "cse/a", "and", "\"enc\":{\"net\":[3],\"sza\":3,\"szb\":6}");
	subscribe(t, "cse/a", "or", "\"enc\":{\"net\":[3],\"sza\":6,\"szb\":3,\"fo\":2,\"chty\":[4]}");
	instance(t, "cse/a", "1");          /* or */
	instance(t, "cse/a", "1234");       /* and */
	instance(t, "cse/a", "12345678");   /* or */
	size_t n_and = 0, n_or = 0;
	for (int i = 0; i < 4; i++) { /* the fourth: "and" hears of the creation of "or", which has no size */
		struct sent *s;
		if (i == 3)
			instance(t, "cse/a", "12345");
		s = next_sent(t);
		if (strcmp(s->url, "test://and") == 0) {
			n_and++;
			assert_true(strstr(s->pc, "\"con\":\"1234\"") || strstr(s->pc, "\"con\":\"12345\""));
		} else {
			n_or++;
			assert_true(strstr(s->pc, "\"con\":\"1\"") || strstr(s->pc, "\"con\":\"12345678\""));
		}
	}
	assert_int_equal(n_and, 2);
	assert_int_equal(n_or, 2);
}

/* CORE-186: operations are reported by whom and whether or not they succeed. */
static void operation_monitor(void **state)
{
	struct cse *t = *state;
	struct sent *s;
	char *got;

	container(t, "cse", "a");
	subscribe(t, "cse/a", "who", "\"enc\":{\"om\":[{\"or\":\"CStranger\"}]}");
	subscribe(t, "cse/a", "what", "\"enc\":{\"om\":[{\"ops\":4}]}");
	must(call(t, OP_RETRIEVE, "CStranger", "cse/a", 0, NULL), 4103);
	s = next_sent(t);
	assert_string_equal(s->url, "test://who");
	expect_part(s->pc, "\"om\":{\"op\":2,\"or\":\"CStranger\"}");
	must(call(t, OP_DELETE, "CStranger", "cse/a", 0, NULL), 4103);
	s = next_sent(t);
	assert_string_equal(s->url, "test://who");
	expect_part(s->pc, "\"op\":4");
	got = get(t, ME, "cse/a");
	free(got);
	must(call(t, OP_UPDATE, ME, "cse/a", 0, "{\"m2m:cnt\":{\"lbl\":[\"x\"]}}"), 2004);
	s = next_sent(t);
	assert_string_equal(s->url, "test://what");
	expect_part(s->pc, "\"om\":{\"op\":3,\"or\":\"CAdmin\"}");
	must(call(t, OP_UPDATE, ME, "cse/a/what", 0, "{\"m2m:sub\":{\"enc\":{\"om\":[{\"ops\":8}]}}}"), 2004);
	must(call(t, OP_DELETE, ME, "cse/a", 0, NULL), 2002);
	s = next_sent(t);
	assert_string_equal(s->url, "test://what");
	expect_part(s->pc, "\"om\":{\"op\":4,\"or\":\"CAdmin\"}");
	assert_int_equal(t->n_sent, 4);
}

/* CORE-188: the suffix selects the serialization and is not sent. */
static void serialization_suffix(void **state)
{
	struct cse *t = *state;
	struct sent *s;

	container(t, "cse", "a");
	must(call(t, OP_CREATE, ME, "cse/a", 23, "{\"m2m:sub\":{\"rn\":\"s\",\"nu\":[\"test://x/p?q=1&ct=cbor\"]}}"), 2001);
	must(call(t, OP_UPDATE, ME, "cse/a", 0, "{\"m2m:cnt\":{\"lbl\":[\"x\"]}}"), 2004);
	s = next_sent(t);
	assert_string_equal(s->url, "test://x/p?q=1");
	assert_int_equal(s->serial, SERIAL_CBOR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cse_test(updates_by_default), cse_test(attributes_and_content), cse_test(children_and_the_end),
		cse_test(expiry_is_a_delete), cse_test(conditions), cse_test(operation_monitor), cse_test(serialization_suffix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
