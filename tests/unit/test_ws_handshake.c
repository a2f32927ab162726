/* SPDX-License-Identifier: Apache-2.0 */
/* The opening handshake, either end (RFC 6455 4; TS-0020 6.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "binding/ws/handshake.h"

static struct buf out;
static enum serial serial;

#define GOOD "upgrade:WebSocket\nConnection:keep-alive, Upgrade\nSec-WebSocket-Version:13\nSec-WebSocket-Key:ud63env87LQLd4uIV20/oQ==\n"

static enum ws_asked ask(const char *method, const char *target, const char *headers)
{
	const struct ws_ask a = { .method = method, .target = slice_str(target), .headers = slice_str(headers) };

	buf_clear(&out);
	serial = SERIAL_NONE;
	return ws_answer(&a, &out, &serial);
}

static bool said(const char *text) { return memmem(out.p, out.n, text, strlen(text)) != NULL; }

static bool starts(const char *text) { return slice_starts(buf_view(&out), slice_str(text)); }

/* The example of RFC 6455 1.3. That of TS-0020 5.2 is not made by its rule. */
static void test_accept(void **state)
{
	char accept[WS_ACCEPT_LEN];

	ws_accept_of(S("dGhlIHNhbXBsZSBub25jZQ=="), accept);
	assert_memory_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", WS_ACCEPT_LEN);
}

/* CORE-305: exactly one that we support, the first of the client's. */
static void test_subprotocol(void **state)
{
	static const struct { const char *offer, *chosen; enum serial serial; } v[] = {
		{ "Sec-WebSocket-Protocol:oneM2M.json\n", "oneM2M.json\r\n", SERIAL_JSON },
		{ "Sec-WebSocket-Protocol:oneM2M.cbor\n", "oneM2M.cbor\r\n", SERIAL_CBOR },
		{ "Sec-WebSocket-Protocol:oneM2M.xml, oneM2M.cbor , oneM2M.json\n", "oneM2M.cbor\r\n", SERIAL_CBOR },
		{ "Sec-WebSocket-Protocol:oneM2M.xml\nsec-websocket-protocol:oneM2M.json\n", "oneM2M.json\r\n", SERIAL_JSON },
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		char headers[512], line[64];

		snprintf(headers, sizeof(headers), GOOD "%s", v[i].offer);
		assert_int_equal(ask("GET", "/", headers), WS_ACCEPTED);
		assert_int_equal(serial, v[i].serial);
		assert_true(starts("HTTP/1.1 101 "));
		assert_true(said("Sec-WebSocket-Accept: 5thN0mVgdTFTgHSjknHQ8H0EtnM=\r\n"));
		snprintf(line, sizeof(line), "Sec-WebSocket-Protocol: %s", v[i].chosen);
		assert_true(said(line));
		assert_false(said("Extensions"));
	}
	assert_int_equal(ask("GET", "/", GOOD "Sec-WebSocket-Protocol:oneM2M.xml\n"), WS_REFUSED);
	assert_true(starts("HTTP/1.1 400 "));
	assert_int_equal(ask("GET", "/", GOOD), WS_REFUSED);
	assert_true(starts("HTTP/1.1 400 "));
}

/* A page of somebody else must not speak as who is on this machine, or with the certificate of its reader. */
static void test_origin(void **state)
{
	static const struct { const char *header; bool good; } v[] = {
		{ "Origin:https://console.example\n", true }, { "origin: HTTPS://console.example \n", true }, { "Origin:http://h:3000\n", true },
		{ "Origin:https://console.example.evil.example\n", false }, { "Origin:http://console.example\n", false }, { "Origin:null\n", false },
		{ "Origin:\n", false }, { "Origin:http://h\n", false }, { "Origin:http://h:3000\nOrigin:http://h:3000\n", false },
		{ "Origin:http://evil.example\nOrigin:http://h:3000\n", false },
	};
	const struct slice origins[] = { S("https://console.example"), S("http://h:3000") };

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		char headers[512];
		const int n = snprintf(headers, sizeof(headers), GOOD "Sec-WebSocket-Protocol:oneM2M.json\n%s", v[i].header);
		struct ws_ask a = { .method = "GET", .target = S("/"), .headers = slice_of(headers, (size_t)n), .origins = origins, .n_origins = 2 };

		buf_clear(&out);
		assert_int_equal(ws_answer(&a, &out, &serial), v[i].good ? WS_ACCEPTED : WS_REFUSED);
		assert_true(starts(v[i].good ? "HTTP/1.1 101 " : "HTTP/1.1 403 "));
		a.n_origins = 0;
		assert_int_equal(ws_answer(&a, &out, &serial), WS_REFUSED);
	}
}

static void test_not_asked(void **state)
{
	assert_int_equal(ask("POST", "/", GOOD), WS_NOT_ASKED);
	assert_int_equal(ask("GET", "/", "Upgrade:h2c\nConnection:Upgrade\n"), WS_NOT_ASKED);
	assert_int_equal(ask("GET", "/", "Upgrade:websocket\nConnection:keep-alive\n"), WS_NOT_ASKED);
	assert_int_equal(ask("GET", "/", "Connection:Upgrade\n"), WS_NOT_ASKED);
	assert_int_equal(out.n, 0);
}

/* RFC 6455 4.2.1, 4.4 */
static void test_refused(void **state)
{
#define P "Sec-WebSocket-Protocol:oneM2M.json\n"
#define U "Upgrade:websocket\nConnection:Upgrade\n"
#define K "Sec-WebSocket-Key:ud63env87LQLd4uIV20/oQ==\n"
	static const struct { const char *target, *headers, *status; } v[] = {
		{ "/cse", GOOD P, "404" },
		{ "/", U K P, "426" },
		{ "/", U K P "Sec-WebSocket-Version:8\n", "426" },
		{ "/", U P "Sec-WebSocket-Version:13\n", "400" },
		{ "/", U K K P "Sec-WebSocket-Version:13\n", "400" },
		{ "/", U P "Sec-WebSocket-Version:13\nSec-WebSocket-Key:ud63env87LQLd4uIV20/oQ=\n", "400" },
		{ "/", U P "Sec-WebSocket-Version:13\nSec-WebSocket-Key:ud63env87LQLd4uIV20/oR==\n", "400" }, /* 17 bytes and a bit */
		{ "/", U P "Sec-WebSocket-Version:13\nSec-WebSocket-Key:ud63env87LQLd4uI V20/oQ=\n", "400" },
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		assert_int_equal(ask("GET", v[i].target, v[i].headers), WS_REFUSED);
		assert_memory_equal(out.p + 9, v[i].status, 3);
		assert_int_equal(said("Sec-WebSocket-Version: 13\r\n"), !strcmp(v[i].status, "426"));
	}
}

static char key[WS_KEY_LEN];

/* An answer to our key; `more` are headers besides. */
static struct slice answer(char room[1024], const char *status, const char *more, bool right)
{
	char accept[WS_ACCEPT_LEN];

	ws_accept_of(slice_of(key, WS_KEY_LEN), accept);
	if (!right)
		accept[0] = accept[0] == 'A' ? 'B' : 'A';
	snprintf(room, 1024, "HTTP/1.1 %s\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n%s\r\n", status,
		 WS_ACCEPT_LEN, accept, more);
	return slice_str(room);
}

static void test_client(void **state)
{
	struct ws_answer a;
	char room[1024];
	struct slice m;
	size_t used;

	buf_clear(&out);
	ws_request(&out, S("host:80"), SERIAL_CBOR, key);
	assert_true(starts("GET / HTTP/1.1\r\nHost: host:80\r\n"));
	assert_true(said("Sec-WebSocket-Protocol: oneM2M.cbor, oneM2M.json\r\n"));
	m = answer(room, "101 Switching Protocols", "Sec-WebSocket-Protocol: oneM2M.json\r\n", true);
	for (size_t n = 0; n < m.n; n++) {
		a = ws_answered(slice_of(m.p, n), key, &used);
		assert_false(a.done || a.bad);
	}
	memcpy(room + m.n, "\x81\x02{}", 4); /* a frame right behind it */
	a = ws_answered(slice_of(m.p, m.n + 4), key, &used);
	assert_true(a.done);
	assert_int_equal(a.serial, SERIAL_JSON);
	assert_int_equal(used, m.n);
	/* a listener takes our request */
	assert_int_equal(ask("GET", "/", "Upgrade:websocket\nConnection:Upgrade\nSec-WebSocket-Version:13\n" K P), WS_ACCEPTED);
}

/* RFC 6455 4.1, what the client must fail upon. */
static void test_client_refuses(void **state)
{
	static const struct { const char *status, *more; bool right; } v[] = {
		{ "200 OK", "Sec-WebSocket-Protocol: oneM2M.json\r\n", true },
		{ "101 X", "Sec-WebSocket-Protocol: oneM2M.json\r\n", false },
		{ "101 X", "", true },
		{ "101 X", "Sec-WebSocket-Protocol: oneM2M.xml\r\n", true },
		{ "101 X", "Sec-WebSocket-Protocol: oneM2M.json, oneM2M.cbor\r\n", true },
		{ "101 X", "Sec-WebSocket-Protocol: oneM2M.json\r\nSec-WebSocket-Extensions: permessage-deflate\r\n", true },
	};
	struct ws_answer a;
	char room[1024];
	size_t used;

	buf_clear(&out);
	ws_request(&out, S("h"), SERIAL_JSON, key);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		a = ws_answered(answer(room, v[i].status, v[i].more, v[i].right), key, &used);
		assert_true(a.bad && !a.done && a.why);
	}
	a = ws_answered(S("SSH-2.0-x\r\n"), key, &used);
	assert_true(a.bad);
}

static void test_client_bounds_the_answer(void **state)
{
	static char big[WS_ANSWER_MOST + 100] = "HTTP/1.1 101 X\r\nA: ";
	size_t used;

	memset(big + strlen(big), 'x', sizeof(big) - strlen(big));
	assert_true(ws_answered(slice_of(big, sizeof(big)), key, &used).bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept), cmocka_unit_test(test_subprotocol), cmocka_unit_test(test_origin), cmocka_unit_test(test_not_asked),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_client), cmocka_unit_test(test_client_refuses),
		cmocka_unit_test(test_client_bounds_the_answer),
	};
	buf_init(&out, 65536);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
