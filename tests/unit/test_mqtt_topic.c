/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and topics of the MQTT binding (TS-0010 6.4, 6.6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "binding/mqtt/topic.h"

static struct arena arena;

/* CORE-304 */
static void test_addresses(void **state)
{
	static const struct { const char *url; bool tls; const char *host; unsigned port; const char *path; } good[] = {
		{ "mqtt://h", false, "h", 1883, "" }, { "mqtts://Host.Example/", true, "host.example", 8883, "" },
		{ "mqtt://1.2.3.4:9/a/b", false, "1.2.3.4", 9, "a/b" }, { "mqtt://[::1]:9//a", false, "::1", 9, "/a" },
		{ "MQTT://h/a%20b", false, "h", 1883, "a b" }, { "mqtt://h/%C3%BC", false, "h", 1883, "\xc3\xbc" },
	};
	static const char *const bad[] = {
		"", "mqtt:", "mqtt://", "mqtt:///a", "http://h", "mqtt://h:", "mqtt://h:0", "mqtt://h:65536", "mqtt://h:x", "mqtt://u@h",
		"mqtt://[::1", "mqtt://h/a+b", "mqtt://h/%23", "mqtt://h/%0a", "mqtt://h/%00", "mqtt://h/%4", "mqtt://h/%ff", "mqtt://h?x",
	};
	struct mqtt_url u;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(mqtt_url_read(&arena, slice_str(good[i].url), &u));
		assert_int_equal(u.tls, good[i].tls);
		assert_string_equal(u.host, good[i].host);
		assert_int_equal(u.port, good[i].port);
		assert_true(slice_eq(u.path, slice_str(good[i].path)));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (mqtt_url_read(&arena, slice_str(bad[i]), &u))
			fail_msg("%s is an address", bad[i]);
}

/* CORE-296, CORE-299 */
static void test_topics(void **state)
{
	static const char *const good[] = {
		"/oneM2M/req/a/b/json", "/oneM2M/resp/a/b/cbor", "p/q/oneM2M/reg_req/12-x@y/b/xml", "/oneM2M/oneM2M/reg_resp/a/b/json",
	};
	static const char *const bad[] = {
		"", "/oneM2M/req/a/b", "oneM2M/req/a/b/json", "/oneM2M/Req/a/b/json", "/onem2m/req/a/b/json", "/oneM2M/req/a/b/json/",
		"/oneM2M/req//b/json", "/oneM2M/req/a//json", "/oneM2M/req/a/b/",
	};
	struct mqtt_topic t;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(mqtt_topic_read(slice_str(good[i]), &t));
		assert_int_equal(t.kind, i);
		buf_clear(&b);
		mqtt_topic_write(&b, &t);
		assert_true(slice_eq(buf_view(&b), slice_str(good[i])));
	}
	assert_true(slice_eq(t.prefix, S("/oneM2M")));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (mqtt_topic_read(slice_str(bad[i]), &t))
			fail_msg("%s is a topic", bad[i]);
	buf_free(&b);
}

/* CORE-297, SEC-124 */
static void test_ids(void **state)
{
	static const struct { const char *canon, *near, *far; } ids[] = {
		{ "//sp.example/cse", "cse", ":sp.example:cse" }, { "//sp.example/cse/C1", "cse:C1", ":sp.example:cse:C1" },
		{ "//sp.example/S1", "S1", ":sp.example:S1" }, { "//sp.example.org/cse", ":sp.example.org:cse", ":sp.example.org:cse" },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		for (unsigned far = 0; far < 2; far++) {
			buf_clear(&b);
			mqtt_id_write(&b, slice_str(ids[i].canon), S("//sp.example"), far);
			assert_true(slice_eq(buf_view(&b), slice_str(far ? ids[i].far : ids[i].near)));
		}
	assert_true(slice_eq(mqtt_id_read(&arena, S("cse:C1")), S("/cse/C1")));
	assert_true(slice_eq(mqtt_id_read(&arena, S(":sp.example:cse")), S("//sp.example/cse")));
	assert_true(slice_eq(mqtt_credential_read(&arena, S("30-ni::::sha-256;x")), S("30-ni:///sha-256;x")));
	assert_true(slice_eq(mqtt_credential_read(&arena, S("33-::sp.example:cse:C1")), S("33-//sp.example/cse/C1")));
	assert_true(slice_eq(mqtt_credential_read(&arena, S("12-a:b")), S("12-a:b")));
	assert_true(slice_eq(mqtt_credential_read(&arena, S("34-urn:a::b")), S("34-urn:a::b")));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_addresses), cmocka_unit_test(test_topics), cmocka_unit_test(test_ids) };
	int failed;

	arena_init(&arena, NULL, 0, 1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_reset(&arena);
	return failed;
}
