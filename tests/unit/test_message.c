/* SPDX-License-Identifier: Apache-2.0 */
/* Whole primitives: bytes to requests and responses, and back (TS-0004 8.4, 8.5; TS-0010 6.5; TS-0020 6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "binding/primitive/message.h"
#include "codec/cbor.h"
#include "http_util.h"

static const struct limits limits = { .body = 1024, .header = 2048, .json = { 8, 256 } };

static struct req *fresh(void)
{
	struct req *r = aligned_alloc(16, (sizeof(*r) + 15) & ~(size_t)15);

	assert_non_null(r);
	req_init(r, NULL, 1 << 20, 1 << 20);
	return r;
}

static void drop(struct req *r)
{
	req_free(r);
	free(r);
}

static struct buf told_text;

/* What the request says as JSON, and the same when it came as CBOR. */
static const char *told(const char *json)
{
	struct req *r = fresh(), *c = fresh();
	struct buf cbor, other;
	struct message m;
	struct slice why;
	struct json j;

	buf_free(&told_text);
	buf_init(&told_text, 1 << 20);
	message_read(&m, &r->arena, SERIAL_JSON, slice_str(json), &limits);
	assert_true(message_request(r, &m, &limits));
	tell(&told_text, r);
	buf_init(&cbor, 1 << 20);
	buf_init(&other, 1 << 20);
	assert_int_equal(json_parse(&c->arena, slice_str(json), &json_default_limits, &j, &why), RC_OK);
	assert_int_equal(json_to_cbor(&j, 0, &cbor), RC_OK);
	message_read(&m, &c->arena, SERIAL_CBOR, buf_view(&cbor), &limits);
	assert_true(message_request(c, &m, &limits));
	assert_int_equal(c->want, SERIAL_CBOR);
	c->want = SERIAL_JSON;
	c->pc_serial = r->pc_serial;
	tell(&other, c);
	buf_char(&told_text, '\0');
	buf_char(&other, '\0');
	assert_string_equal(other.p, told_text.p);
	buf_free(&cbor);
	buf_free(&other);
	drop(r);
	drop(c);
	return told_text.p;
}

static void assert_has(const char *haystack, const char *needle)
{
	if (!haystack || !strstr(haystack, needle))
		fail_msg("expected <%s> in <%s>", needle, haystack ? haystack : "");
}

#define HEAD "\"to\":\"cse/a\",\"fr\":\"C1\",\"rqi\":\"r1\",\"rvi\":\"3\""

/* CORE-302: the payload is the whole primitive */
static void test_every_parameter(void **state)
{
	const char *t = told("{\"op\":2," HEAD ",\"rcn\":4,\"drt\":2,\"ec\":100,\"gid\":\"g\",\"vsi\":\"v\",\"ot\":\"20200101T000000\","
			     "\"rqet\":5000,\"rset\":\"6000\",\"oet\":\"20300101T000000\",\"rp\":\"7\",\"rt\":{\"rtv\":2,\"nu\":[\"http://x\",\"C2\"]},"
			     "\"rids\":[\"r@x.y\"],\"tkns\":[\"a.b.c\"],\"tids\":[\"t@x.y\"],\"ltids\":[\"l1\",\"l2\"],\"aus\":[\"AAAA\"],"
			     "\"tqi\":true,\"asi\":true,\"auri\":true,\"grtm\":[\"m1\"],"
			     "\"fc\":{\"lbl\":[\"x\"],\"ty\":[3,4],\"fu\":2,\"lim\":5,\"atr\":[{\"nm\":\"or\",\"val\":\"u\"}]}}");

	(void)state;
	assert_has(t, "op=2 to=\"cse/a\" fr=\"C1\" rqi=\"r1\" rvi=\"3\" vsi=\"v\" gid=\"g\" ot=\"20200101T000000\" rqet=\"5000\" rset=\"6000\" "
		      "oet=\"20300101T000000\" rp=\"7\" rcn=4 drt=2 ec=100 rt=2 rtu nu=\"http://x\" nu=\"C2\" grtm=\"m1\" rids=\"r@x.y\" "
		      "tkns=\"a.b.c\" tids=\"t@x.y\" ltids=\"l1\" ltids=\"l2\" aus=\"AAAA\" tqi=1 asi=1 auri=1");
	assert_has(t, " lbl=\"x\" fty=3 fty=4 atr:or=u fu=2 lim=5");
	assert_null(strstr(t, "bad="));
	t = told("{\"op\":1," HEAD ",\"ty\":3,\"pc\":{\"m2m:cnt\":{\"rn\":\"d\"}}}");
	assert_has(t, "ty=3 pc=\"{\\\"m2m:cnt\\\":{\\\"rn\\\":\\\"d\\\"}}\" has=0 in=1 want=1");
	assert_has(told("{\"op\":2," HEAD ",\"pc\":{\"m2m:atrl\":[\"rn\",\"mni\"]}}"), "atrl=\"rn\" atrl=\"mni\" has=0 in=0");
	assert_has(told("{\"op\":5," HEAD ",\"sqi\":false,\"pc\":{}}"), "pc=\"{}\" has=0");
	assert_has(told("{\"op\":5,\"to\":\"x\",\"fr\":\"\",\"rqi\":\"1\"}"), "op=5 to=\"x\" rqi");
	assert_has(told("{\"op\":5," HEAD ",\"da\":false}"), "has=10000");
}

/* A name of a parameter or its value that cannot be is told by its name: CORE-270 */
static void test_malformed(void **state)
{
	static const struct { const char *more, *why; } cases[] = {
		{ ",\"rcn\":\"4\"", "rcn: expected a number" }, { ",\"rcn\":4.0", "rcn: expected a number" }, { ",\"drt\":3", "drt: expected a number from 1 to 2" },
		{ ",\"ec\":5", "ec: expected 2, 3, 4" }, { ",\"ec\":1000", "ec: expected a number" }, { ",\"tqi\":1", "tqi: expected true or false" },
		{ ",\"gid\":\"\"", "gid: a value is missing" }, { ",\"vsi\":\"a\\nb\"", "vsi: control characters" }, { ",\"vsi\":7", "vsi: expected a string" },
		{ ",\"ot\":\"yesterday\"", "ot: expected a timestamp" }, { ",\"rqet\":1.5", "rqet: expected a timestamp, or a whole number" },
		{ ",\"rqet\":null", "rqet: expected a string" }, { ",\"rt\":3", "rt: expected an object" }, { ",\"rt\":{\"nu\":[]}", "rt: expected an object" },
		{ ",\"rt\":{\"rtv\":6}", "rt.rtv: expected a number from 1 to 5" }, { ",\"rt\":{\"rtv\":1,\"x\":1}", "rt: expected an object" },
		{ ",\"rt\":{\"rtv\":1,\"nu\":\"x\"}", "rt.nu: expected a list" }, { ",\"rids\":\"x\"", "rids: expected a list" },
		{ ",\"rids\":[1]", "rids: expected strings" }, { ",\"grtm\":[\"\"]", "grtm: expected strings" }, { ",\"tkns\":[\"s3cr\\net\"]", "tkns: expected strings" },
		{ ",\"fc\":[]", "expected an object" }, { ",\"fc\":{\"x\":1}", "x: no filter condition" }, { ",\"fc\":{\"om\":{}}", "om: no filter condition" },
		{ ",\"fc\":{\"lbl\":\"x\"}", "lbl: expected a list" }, { ",\"fc\":{\"atr\":[\"x\"]}", "atr: expected a list" },
		{ ",\"ty\":3", "ty: permitted in Create only" }, { ",\"nonsense\":3", "nonsense\\\": no parameter" }, { ",\"rsn\":3", "rsn\\\": no parameter" },
		{ ",\"resultContent\":3", "resultContent\\\": no parameter" }, { ",\"pc\":{\"m2m:cnt\":{}}", "pc: the content of a Retrieve" },
		{ ",\"pc\":{\"m2m:atrl\":[]}", "m2m:atrl: a list" }, { ",\"pc\":{\"m2m:atrl\":[1]}", "pc: expected strings" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[512];

		snprintf(text, sizeof(text), "{\"op\":2," HEAD "%s}", cases[i].more);
		assert_has(strstr(told(text), " bad="), cases[i].why);
		assert_null(strstr(told_text.p, "s3cr"));
	}
	assert_has(told("{\"op\":6," HEAD "}"), "op: expected a number from 1 to 5");
	assert_has(told("{\"op\":2,\"fr\":\"C1\",\"rqi\":\"1\"}"), "to: the address");
	assert_has(told("{\"op\":2,\"fr\":\"C1\",\"to\":\"x\"}"), "rqi: the request identifier");
	assert_has(told("{\"op\":1," HEAD ",\"ty\":\"3\"}"), "ty: expected the number");
	assert_has(told("{\"op\":1," HEAD ",\"ty\":99999999999}"), "ty: expected the number");
}

static void refused(enum serial serial, struct slice bytes, int rsc, const char *why, bool size, bool json)
{
	struct req *r = fresh();
	struct message m;

	message_read(&m, &r->arena, serial, bytes, &limits);
	assert_false(message_request(r, &m, &limits));
	assert_int_equal(r->rsc, rsc);
	assert_int_equal(m.over_size, size);
	assert_int_equal(r->over_json, json);
	assert_has(r->dbg.p, why);
	drop(r);
}

/* What is no request is answered without being looked at further. CORE-302, CORE-268, CORE-272 */
static void test_no_request(void **state)
{
	static char large[4096];

	(void)state;
	refused(SERIAL_JSON, S(""), 4000, "", false, false);
	refused(SERIAL_JSON, S("[]"), 4000, "a primitive is an object", false, false);
	refused(SERIAL_JSON, S("{\"rqi\":\"1\"}"), 4000, "neither op nor rsc", false, false);
	refused(SERIAL_JSON, S("{\"op\":2,\"rsc\":2000,\"rqi\":\"1\"}"), 4000, "op and rsc", false, false);
	refused(SERIAL_JSON, S("{\"rsc\":2000,\"rqi\":\"1\"}"), 4000, "op is missing", false, false);
	refused(SERIAL_JSON, S("{\"m2m:rqp\":{\"op\":2}}"), 4000, "without m2m:rqp", false, false);
	refused(SERIAL_JSON, S("{\"op\":2,\"op\":4,\"rqi\":\"1\"}"), 4000, "there already", false, false); /* two readers would see two requests */
	refused(SERIAL_JSON, S("{\"op\":2,\"\\u006fp\":4}"), 4000, "", false, false);
	refused(SERIAL_CBOR, S("\xa2\x62op\x02\x62op\x04"), 4000, "", false, false);
	refused(SERIAL_CBOR, S("\xa1\x62op"), 4000, "CBOR", false, false);
	refused(SERIAL_CBOR, S("{\"op\":2}"), 4000, "CBOR", false, false);
	refused(SERIAL_XML, S("<m2m:rqp/>"), 4015, "json and cbor", false, false);
	refused(SERIAL_JSON, S("{\"op\":[[[[[[[[[[[1]]]]]]]]]]]}"), 4000, "", false, true);
	refused(SERIAL_JSON, slice_of(large, sizeof(large)), 4000, "limits.header and limits.body", true, false);
}

static void test_sizes(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 16);
	buf_lit(&b, "{\"op\":5," HEAD ",\"pc\":{\"x\":\"");
	while (b.n < 1100)
		buf_char(&b, 'x');
	buf_add(&b, "\"}}", 4);
	assert_has(told(b.p), "pc: the content is larger than limits.body");
	buf_clear(&b);
	buf_lit(&b, "{\"op\":5," HEAD ",\"vsi\":\"");
	while (b.n < 2100)
		buf_char(&b, 'x');
	buf_add(&b, "\"}", 3);
	assert_has(told(b.p), "the parameters besides pc are larger than limits.header");
	buf_free(&b);
}

/* CORE-302: a response has rsc and rqi at least */
static void test_answers(void **state)
{
	struct req *r = fresh();
	struct message m;
	struct slice rqi;
	struct rsp rsp;
	struct buf b;

	(void)state;
	r->rqi = S("r1");
	r->rvi = S("3");
	r->rsc = 2000;
	r->want = SERIAL_JSON;
	buf_lit(&r->out, "{\"m2m:cnt\":{\"mni\":1}}");
	buf_init(&b, 1 << 16);
	assert_int_equal(message_answer(&b, r), SERIAL_JSON);
	buf_char(&b, '\0');
	assert_string_equal(b.p, "{\"rsc\":2000,\"rqi\":\"r1\",\"rvi\":\"3\",\"pc\":{\"m2m:cnt\":{\"mni\":1}}}");
	buf_clear(&b);
	r->want = SERIAL_CBOR;
	r->passed = &(struct rsp){ .fr = S("/x"), .ot = S("20200101T000000"), .vsi = S("v"), .ec = 4 };
	assert_int_equal(message_answer(&b, r), SERIAL_CBOR);
	assert_int_equal((unsigned char)b.p[0], 0xa8);
	message_read(&m, &r->arena, SERIAL_CBOR, buf_view(&b), &limits);
	assert_int_equal(m.kind, MESSAGE_RESPONSE);
	assert_true(message_response(&r->arena, &m, &rsp, &rqi));
	assert_int_equal(rsp.rsc, 2000);
	assert_int_equal(rsp.ec, 4);
	assert_true(slice_eq(rqi, S("r1")) && slice_eq(rsp.fr, S("/x")) && slice_eq(rsp.vsi, S("v")));
	assert_true(slice_eq(rsp.pc, S("{\"m2m:cnt\":{\"mni\":1}}")));
	message_read(&m, &r->arena, SERIAL_JSON, S("{\"rsc\":2000}"), &limits);
	assert_false(message_response(&r->arena, &m, &rsp, &rqi));
	message_read(&m, &r->arena, SERIAL_JSON, S("{\"rsc\":2,\"rqi\":\"1\"}"), &limits);
	assert_false(message_response(&r->arena, &m, &rsp, &rqi));
	/* what has no form in CBOR is told as JSON, and said so */
	buf_clear(&r->out);
	buf_lit(&r->out, "{\"x\":1e999}");
	buf_clear(&b);
	assert_int_equal(message_answer(&b, r), SERIAL_JSON);
	assert_int_equal(b.p[0], '{');
	buf_free(&b);
	drop(r);
}

static void test_sent(void **state)
{
	const struct send s = { .url = S("mqtt://h/t"), .fr = S("/reeve"), .rqi = S("1"), .rvi = S("3"), .op = OP_CREATE,
				.pc = S("{ \"m2m:cnt\":{}}"), .serial = SERIAL_JSON };
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 16);
	assert_int_equal(message_send(&b, &s), SERIAL_JSON);
	buf_char(&b, '\0');
	assert_string_equal(b.p, "{\"op\":1,\"to\":\"mqtt://h/t\",\"fr\":\"/reeve\",\"rqi\":\"1\",\"rvi\":\"3\",\"ty\":3,\"pc\":{ \"m2m:cnt\":{}}}");
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_parameter), cmocka_unit_test(test_malformed), cmocka_unit_test(test_no_request),
		cmocka_unit_test(test_sizes), cmocka_unit_test(test_answers), cmocka_unit_test(test_sent),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	buf_free(&told_text);
	return failed;
}
