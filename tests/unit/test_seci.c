/* SPDX-License-Identifier: Apache-2.0 */
/* What is said to a Dynamic Authorization System, byte for byte, and what is made of its answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "authz/seci.h"

static const usec now = INT64_C(1772356500) * USEC_S; /* 2026-03-01T09:15:00Z */

static void written(const struct seci_dreq *d, const char *want)
{
	struct buf b;

	buf_init(&b, 65536);
	seci_write_dreq(&b, d);
	buf_char(&b, '\0');
	assert_string_equal(b.p, want);
	buf_free(&b);
}

static void question(void **state)
{
	const struct slice nurse[] = { S("nurse@roles.iot.example") }, ids[] = { S("t-1@d.example"), S("t-2@d.example") };
	const uint8_t v4[16] = { [10] = 0xff, [11] = 0xff, 10, 20, 3, 9 }, v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 };
	const double position[] = { 48.8566, 2.3522 };
	struct seci_dreq d = { .originator = S("//iot.example/gw7/Ctablet2"), .target_ty = 3, .op = 2, .target = S("/gw7/cnt33") };

	(void)state;
	/* AUTHZ-185 */
	written(&d, "{\"or\":\"//iot.example/gw7/Ctablet2\",\"trt\":3,\"op\":2,\"trid\":\"/gw7/cnt33\"}");
	/* AUTHZ-188: exactly one of ip4 and ip6 */
	d.ip = v4;
	written(&d, "{\"or\":\"//iot.example/gw7/Ctablet2\",\"trt\":3,\"op\":2,\"oip\":{\"ip4\":\"10.20.3.9\"},\"trid\":\"/gw7/cnt33\"}");
	d.ip = v6;
	written(&d, "{\"or\":\"//iot.example/gw7/Ctablet2\",\"trt\":3,\"op\":2,\"oip\":{\"ip6\":\"2001:db8::7\"},\"trid\":\"/gw7/cnt33\"}");
	d.ip = NULL;
	d.position = position;
	written(&d, "{\"or\":\"//iot.example/gw7/Ctablet2\",\"trt\":3,\"op\":2,\"olo\":{\"accr\":[48.856600,2.352200,0]},\"trid\":\"/gw7/cnt33\"}");
	/* AUTHZ-186, AUTHZ-187, and the rest of the catalogue's example 10.8 */
	d.country = "FR";
	d.ip = v4;
	d.roles = d.rules_roles = nurse;
	d.n_roles = d.n_rules_roles = 1;
	d.tokens = ids;
	d.n_tokens = 2;
	d.received = S("20260301T091500");
	d.lifetime = S("20260301T200000");
	d.asi = true;
	written(&d, "{\"or\":\"//iot.example/gw7/Ctablet2\",\"trt\":3,\"op\":2,\"oip\":{\"ip4\":\"10.20.3.9\"},\"olo\":{\"accc\":[\"FR\"]},"
		    "\"orid\":[\"nurse@roles.iot.example\"],\"rts\":\"20260301T091500\",\"trid\":\"/gw7/cnt33\",\"ppl\":\"20260301T200000\","
		    "\"rfa\":[\"nurse@roles.iot.example\"],\"tids\":[\"t-1@d.example\",\"t-2@d.example\"],\"asi\":true}");
}

static enum reeve_rc answer(struct arena *a, const char *text, struct seci_dres *d)
{
	struct slice why;
	enum reeve_rc rc = seci_read_dres(a, slice_str(text), now, d, &why);

	assert_int_equal(rc == RC_OK || rc == RC_NOTFOUND, !why.p);
	return rc;
}

#define DRES(members) "{\"m2m:seci\":{\"sit\":2,\"dres\":{" members "}}}"
#define GP "\"gp\":{\"acr\":[{\"acor\":[\"all\"], \"acop\":2}]}"

static void answers(void **state)
{
	static const struct { const char *text; enum reeve_rc rc; } t[] = {
		/* AUTHZ-190 */
		{ "", RC_NOTFOUND }, { DRES(""), RC_NOTFOUND }, { DRES("\"dai\":{}"), RC_NOTFOUND }, { DRES("\"tkns\":[]"), RC_NOTFOUND },
		{ DRES("\"asri\":true"), RC_NOTFOUND },
		/* AUTHZ-189 */
		{ "{\"m2m:seci\":{\"sit\":1,\"dres\":{\"dai\":{" GP "}}}}", RC_INVALID }, { "{\"m2m:seci\":{\"sit\":2.0,\"dres\":{}}}", RC_INVALID },
		{ "{\"m2m:seci\":{\"dres\":{}}}", RC_INVALID }, { "{\"m2m:seci\":{\"sit\":2}}", RC_INVALID },
		{ "{\"m2m:seci\":{\"sit\":2,\"dres\":[]}}", RC_INVALID }, { "{\"m2m:seci\":[]}", RC_INVALID }, { "[]", RC_INVALID }, { "5", RC_INVALID },
		{ "\"m2m:seci\"", RC_INVALID }, { "{\"m2m:seci\":{\"sit\":2,\"dres\":{}},\"x\":1}", RC_INVALID }, { "{", RC_SYNTAX },
		{ DRES("\"dai\":[]"), RC_INVALID }, { DRES("\"dai\":{" GP ",\"pl\":\"soon\"}"), RC_INVALID },
		{ DRES("\"dai\":{" GP ",\"pl\":1e3}"), RC_INVALID }, { DRES("\"dai\":{" GP ",\"pl\":99999999999999999}"), RC_INVALID },
		{ DRES("\"dai\":{" GP ",\"pl\":null}"), RC_INVALID }, { DRES("\"dai\":{" GP "},\"asri\":1"), RC_INVALID },
		{ DRES("\"tkns\":\"a.b.c\""), RC_INVALID }, { DRES("\"tkns\":[\"\"]"), RC_INVALID }, { DRES("\"tkns\":[[]]"), RC_INVALID },
		{ DRES("\"tkns\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"), RC_INVALID },
		{ DRES("\"dai\":{" GP "}"), RC_OK }, { DRES("\"tkns\":[\"a.b.c\"],\"later\":{}"), RC_OK },
	};
	struct seci_dres d;
	struct arena a;

	(void)state;
	arena_init(&a, NULL, 0, 1 << 20);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		if (answer(&a, t[i].text, &d) != t[i].rc)
			fail_msg("%s: not %s", t[i].text, rc_name(t[i].rc));
	}
	assert_int_equal(answer(&a, DRES("\"dai\":{" GP ",\"pl\":\"3600000\"},\"tkns\":[\"a.b.c\",\"d\\u002ee.f\"],\"asri\":true"), &d), RC_OK);
	assert_true(slice_eq(d.privileges, S("{\"acr\":[{\"acor\":[\"all\"],\"acop\":2}]}")));
	assert_int_equal(d.until, now + 3600 * USEC_S);
	assert_int_equal(d.n_tokens, 2);
	assert_true(slice_eq(d.tokens[1], S("d.e.f")) && d.asri);
	assert_int_equal(answer(&a, DRES("\"dai\":{" GP ",\"pl\":\"20260301T101500\"}"), &d), RC_OK);
	assert_int_equal(d.until, now + 3600 * USEC_S);
	assert_int_equal(answer(&a, DRES("\"dai\":{" GP ",\"pl\":-5}"), &d), RC_OK);
	assert_int_equal(d.until, now - 5000);
	assert_int_equal(answer(&a, DRES("\"dai\":{" GP "}"), &d), RC_OK);
	assert_int_equal(d.until, 0);
	arena_reset(&a);
}

static void too_long(void **state)
{
	char *text = malloc(SECI_BYTES_MOST + 64);
	struct seci_dres d;
	struct arena a;

	(void)state;
	arena_init(&a, NULL, 0, 1 << 20);
	memset(text, ' ', SECI_BYTES_MOST + 64);
	memcpy(text, DRES("\"dai\":{" GP "}"), sizeof(DRES("\"dai\":{" GP "}")) - 1);
	text[SECI_BYTES_MOST] = '\0';
	assert_int_equal(answer(&a, text, &d), RC_OK);
	text[SECI_BYTES_MOST] = ' ';
	text[SECI_BYTES_MOST + 1] = '\0';
	assert_int_equal(answer(&a, text, &d), RC_LIMIT);
	free(text);
	arena_reset(&a);
}

static enum reeve_rc darq(struct arena *a, const char *text, struct seci_relation *d)
{
	struct slice why;
	struct json j;

	assert_int_equal(json_parse(a, slice_str(text), &json_default_limits, &j, &why), RC_OK);
	return seci_read_darq(a, &j, 0, d, &why);
}

static void relations(void **state)
{
	static const struct { const char *text; enum reeve_rc rc; } t[] = {
		{ "{\"sit\":7,\"darq\":{\"tids\":[\"t@d.example\"],\"aus\":[\"q83v\"]}}", RC_OK },
		{ "{\"sit\":7,\"darq\":{\"tkns\":[\"YQ.YQ.YQ\"],\"asri\":true}}", RC_OK },
		/* AUTHZ-210 */
		{ "{\"sit\":7,\"darq\":{\"aus\":[\"q83v\"]}}", RC_INVALID }, { "{\"sit\":7,\"darq\":{}}", RC_INVALID }, { "{\"sit\":7}", RC_INVALID },
		{ "{\"sit\":7,\"darq\":{\"tids\":[]}}", RC_INVALID }, { "{\"sit\":7,\"darq\":{\"tids\":\"t@d.example\"}}", RC_INVALID },
		{ "{\"sit\":7,\"darq\":{\"tids\":[\"no id\"]}}", RC_INVALID }, { "{\"sit\":7,\"darq\":{\"tids\":[\"t@d.example\"],\"x\":1}}", RC_INVALID },
	};
	const struct slice id = S("t@d.example"), sign = S("q83v");
	struct seci_relation d = { .originator = S("//s.example/gw/C1"), .ids = &id, .n_ids = 1, .signs = &sign, .n_signs = 1, .asri = true };
	struct slice why;
	struct arena a;
	struct buf b;

	(void)state;
	arena_init(&a, NULL, 0, 1 << 20);
	buf_init(&b, 4096);
	seci_write_darq(&b, &d);
	buf_char(&b, '\0');
	assert_string_equal(b.p, "{\"m2m:seci\":{\"sit\":7,\"darq\":{\"or\":\"//s.example/gw/C1\",\"tids\":[\"t@d.example\"],\"aus\":[\"q83v\"],"
				 "\"asri\":true}}}");
	buf_free(&b);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (darq(&a, t[i].text, &d) != t[i].rc)
			fail_msg("%s: not %s", t[i].text, rc_name(t[i].rc));
	/* AUTHZ-208, AUTHZ-210 */
	assert_int_equal(seci_read_dars(&a, S("{\"m2m:seci\":{\"sit\":8,\"dars\":{\"tids\":[\"t@d.example\"],\"signature\":[\"q83v\"]}}}"), &d, &why),
			 RC_OK);
	assert_true(d.n_signs == 1 && slice_eq(d.signs[0], sign) && slice_eq(d.ids[0], id));
	assert_int_equal(seci_read_dars(&a, S("{\"m2m:seci\":{\"sit\":8,\"dars\":{\"tids\":[\"t@d.example\"]}}}"), &d, &why), RC_NOTFOUND);
	assert_int_equal(seci_read_dars(&a, S("{\"m2m:seci\":{\"sit\":8,\"dars\":{\"signature\":[\"q83v\"]}}}"), &d, &why), RC_INVALID);
	assert_int_equal(seci_read_dars(&a, S("{\"m2m:seci\":{\"sit\":7,\"dars\":{\"tids\":[\"t@d.example\"],\"signature\":[\"q83v\"]}}}"), &d, &why),
			 RC_INVALID);
	assert_int_equal(seci_read_dars(&a, S(""), &d, &why), RC_NOTFOUND);
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(question), cmocka_unit_test(answers), cmocka_unit_test(too_long), cmocka_unit_test(relations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
