/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a WebSocket connection as bytes: what RFC 6455 says must fail does, with its code, and what may come in pieces may. The bytes
 * are written here by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "binding/ws/frames.h"

enum { MOST = 1000, FIN = 0x80, CONT = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

static struct ws_frames f;
static struct buf told, wire;

static void message(void *owner, struct slice text)
{
	assert_ptr_equal(owner, &told);
	buf_slice(&told, text);
	buf_char(&told, '|');
}

static int begin(void **state)
{
	(void)state;
	assert_int_equal(ws_frames_init(&f, false, false, MOST, message, &told), RC_OK);
	buf_init(&told, 1 << 20);
	buf_init(&wire, 1 << 20);
	return 0;
}

static int end(void **state)
{
	(void)state;
	ws_frames_free(&f);
	buf_free(&told);
	buf_free(&wire);
	return 0;
}

/* A frame with its length in the shortest form; masked when it is a client's. */
static void frame(uint8_t first, struct slice body, bool masked)
{
	static const uint8_t mask[4] = { 0x12, 0x34, 0x56, 0x78 };
	uint8_t bit = masked ? 0x80 : 0;

	buf_char(&wire, (char)first);
	if (body.n < 126) {
		buf_char(&wire, (char)(bit | body.n));
	} else {
		buf_char(&wire, (char)(bit | 126));
		buf_char(&wire, (char)(body.n >> 8));
		buf_char(&wire, (char)body.n);
	}
	if (masked)
		buf_add(&wire, mask, 4);
	for (size_t i = 0; i < body.n; i++)
		buf_char(&wire, (char)(body.p[i] ^ (masked ? mask[i % 4] : 0)));
}

static void feed(void)
{
	ws_frames_read(&f, wire.p, wire.n);
	buf_clear(&wire);
}

static uint16_t close_code(void)
{
	assert_true(f.out.n >= 4 && (uint8_t)f.out.p[0] == (FIN | CLOSE));
	return (uint16_t)((uint8_t)f.out.p[2] << 8 | (uint8_t)f.out.p[3]);
}

static void assert_failed(uint16_t code)
{
	feed();
	assert_int_equal(f.state, WS_CLOSED);
	assert_true(f.refused);
	assert_int_equal(f.code, code);
	assert_int_equal(close_code(), code);
	assert_int_equal(told.n, 0);
}

static void assert_told(const char *text) { assert_memory_equal(told.p, text, strlen(text)); assert_int_equal(told.n, strlen(text)); }

static void test_whole_message(void **state)
{
	frame(FIN | TEXT, S("{\"op\":2}"), true);
	feed();
	assert_told("{\"op\":2}|");
	assert_int_equal(f.out.n, 0);
	assert_int_equal(f.state, WS_OPEN);
}

/* However the bytes are cut. */
static void test_every_cut(void **state)
{
	char text[300];

	memset(text, 'x', sizeof(text));
	for (size_t step = 1; step < 40; step++) {
		buf_clear(&wire);
		buf_clear(&told);
		frame(TEXT, slice_of(text, 200), true);
		frame(FIN | PING, S("hey"), true);
		frame(CONT, S(""), true);
		frame(FIN | CONT, slice_of(text, 100), true);
		for (size_t at = 0; at < wire.n; at += step)
			ws_frames_read(&f, wire.p + at, wire.n - at < step ? wire.n - at : step);
		assert_int_equal(told.n, 301);
		assert_memory_equal(told.p, text, 300);
		assert_false(ws_frames_partial(&f));
	}
}

/* Control frames may stand between fragments; a ping is answered with its bytes (RFC 6455 5.4, 5.5.2). */
static void test_ping_between_fragments(void **state)
{
	frame(TEXT, S("{\"op\""), true);
	frame(FIN | PING, S("sign"), true);
	feed();
	assert_true(ws_frames_partial(&f));
	assert_int_equal(told.n, 0);
	assert_memory_equal(f.out.p, "\x8a\x04sign", 6);
	frame(FIN | PONG, S("unasked"), true);
	frame(FIN | CONT, S(":2}"), true);
	feed();
	assert_told("{\"op\":2}|");
}

static void test_unmasked(void **state)
{
	frame(FIN | TEXT, S("{}"), false);
	assert_failed(WS_PROTOCOL);
}

static void test_reserved_bits(void **state)
{
	frame(FIN | 0x40 | TEXT, S("{}"), true);
	assert_failed(WS_PROTOCOL);
}

static void test_unknown_opcodes(void **state)
{
	static const uint8_t bad[] = { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 };

	for (size_t i = 0; i < sizeof(bad); i++) {
		end(NULL);
		begin(NULL);
		frame((uint8_t)(FIN | bad[i]), S(""), true);
		assert_failed(WS_PROTOCOL);
	}
}

static void test_control_frames(void **state)
{
	char text[126];

	memset(text, 'x', sizeof(text));
	frame(FIN | PING, slice_of(text, sizeof(text)), true);
	assert_failed(WS_PROTOCOL);
	end(NULL);
	begin(NULL);
	frame(PING, S("in pieces"), true);
	assert_failed(WS_PROTOCOL);
}

static void test_fragments_out_of_order(void **state)
{
	frame(FIN | CONT, S("{}"), true);
	assert_failed(WS_PROTOCOL);
	end(NULL);
	begin(NULL);
	frame(TEXT, S("{"), true);
	frame(FIN | TEXT, S("}"), true);
	assert_failed(WS_PROTOCOL);
}

/* RFC 6455 5.2: the minimal number of bytes, and no length with its highest bit set. */
static void test_lengths(void **state)
{
	buf_add(&wire, "\x81\xfe\x00\x02\x00\x00\x00\x00{}", 10);
	assert_failed(WS_PROTOCOL);
	end(NULL);
	begin(NULL);
	buf_add(&wire, "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00{}", 16);
	assert_failed(WS_PROTOCOL);
}

/* Also when the character is cut by a fragment, and at the end of the message (RFC 6455 8.1). */
static void test_utf8(void **state)
{
	frame(TEXT, S("\"\xc3"), true);
	frame(FIN | CONT, S("\xa9\""), true);
	feed();
	assert_told("\"\xc3\xa9\"|");
	buf_clear(&told);
	frame(FIN | TEXT, S("\"\xc3\x28\""), true);
	assert_failed(WS_INVALID);
	end(NULL);
	begin(NULL);
	frame(FIN | TEXT, S("\"\xc3"), true);
	assert_failed(WS_INVALID);
	end(NULL);
	begin(NULL);
	frame(FIN | TEXT, S("\xed\xa0\x80"), true); /* a surrogate */
	assert_failed(WS_INVALID);
}

/* CORE-306: text messages for JSON, and no others. */
static void test_kind(void **state)
{
	frame(FIN | BINARY, S("{}"), true);
	assert_failed(WS_UNSUPPORTED);
	ws_frames_free(&f);
	assert_int_equal(ws_frames_init(&f, false, true, MOST, message, &told), RC_OK);
	frame(FIN | BINARY, S("\xa0\xff"), true);
	feed();
	assert_told("\xa0\xff|");
	assert_int_equal(ws_frames_send(&f, S("\xa1")), RC_OK);
	assert_memory_equal(f.out.p, "\x82\x01\xa1", 3);
}

static void test_too_long(void **state)
{
	char text[MOST];

	memset(text, 'x', sizeof(text));
	frame(FIN | TEXT, slice_of(text, MOST), true);
	feed();
	assert_int_equal(told.n, MOST + 1);
	buf_clear(&told);
	frame(TEXT, slice_of(text, MOST), true);
	frame(FIN | CONT, S("x"), true);
	assert_failed(WS_TOO_BIG);
	assert_true(f.over);
}

/* The length alone is enough: nothing is kept for it. */
static void test_length_alone(void **state)
{
	buf_add(&wire, "\x81\xff\x00\x00\x00\x7f\x00\x00\x00\x00\x00\x00\x00\x00x", 15);
	assert_failed(WS_TOO_BIG);
	assert_int_equal(f.in.cap, 0);
}

/* Many empty fragments cost nothing. */
static void test_empty_fragments(void **state)
{
	frame(TEXT, S(""), true);
	for (int i = 0; i < 10000; i++)
		frame(CONT, S(""), true);
	feed();
	assert_int_equal(f.in.cap, 0);
	frame(FIN | CONT, S("{}"), true);
	feed();
	assert_told("{}|");
}

static void test_close(void **state)
{
	frame(FIN | CLOSE, S("\x03\xe8" "bye"), true);
	frame(FIN | TEXT, S("{}"), true); /* nothing behind it is read */
	feed();
	assert_int_equal(f.state, WS_CLOSED);
	assert_int_equal(f.code, WS_NORMAL);
	assert_false(f.refused);
	assert_int_equal(close_code(), WS_NORMAL);
	assert_int_equal(told.n, 0);
	assert_int_equal(ws_frames_send(&f, S("{}")), RC_IO);
}

static void test_close_without_code(void **state)
{
	frame(FIN | CLOSE, S(""), true);
	feed();
	assert_int_equal(f.state, WS_CLOSED);
	assert_memory_equal(f.out.p, "\x88\x00", 2);
}

/* RFC 6455 5.5.1, 7.4: a code of one byte, codes that must not be sent, a reason that is no UTF-8. */
static void test_bad_close(void **state)
{
	static const char *const bad[] = { "\x03\xe7", "\x03\xec", "\x03\xed", "\x03\xee", "\x03\xf7", "\x07\xcf", "\x13\x88" };

	frame(FIN | CLOSE, S("\x03"), true);
	assert_failed(WS_PROTOCOL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		end(NULL);
		begin(NULL);
		frame(FIN | CLOSE, slice_of(bad[i], 2), true);
		assert_failed(WS_PROTOCOL);
	}
	end(NULL);
	begin(NULL);
	frame(FIN | CLOSE, S("\x03\xe8\xff"), true);
	assert_failed(WS_INVALID);
}

/* We close: the peer's answer ends it, and what he said before is still read. */
static void test_we_close(void **state)
{
	ws_frames_close(&f, WS_AWAY, "stopping");
	assert_int_equal(f.state, WS_CLOSING);
	assert_memory_equal(f.out.p, "\x88\x0a\x03\xe9stopping", 12);
	assert_int_equal(ws_frames_send(&f, S("{}")), RC_IO);
	frame(FIN | TEXT, S("{}"), true);
	feed();
	assert_told("{}|");
	assert_int_equal(f.state, WS_CLOSING);
	frame(FIN | CLOSE, S("\x03\xe9"), true);
	feed();
	assert_int_equal(f.state, WS_CLOSED);
	assert_int_equal(f.out.n, 12);
}

/* A client masks what it sends, with another mask each time, and takes no masked frames (RFC 6455 5.1, 5.3). */
static void test_client(void **state)
{
	uint8_t *p;

	ws_frames_free(&f);
	assert_int_equal(ws_frames_init(&f, true, false, MOST, message, &told), RC_OK);
	assert_int_equal(ws_frames_send(&f, S("abcd")), RC_OK);
	assert_int_equal(ws_frames_send(&f, S("abcd")), RC_OK);
	p = (uint8_t *)f.out.p;
	assert_int_equal(f.out.n, 20);
	assert_int_equal(p[1], 0x84);
	assert_memory_not_equal(p + 2, p + 12, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(p[6 + i] ^ p[2 + i], "abcd"[i]);
	frame(FIN | TEXT, S("{}"), false);
	feed();
	assert_told("{}|");
	buf_clear(&f.out);
	frame(FIN | TEXT, S("{}"), true);
	feed();
	assert_int_equal(f.state, WS_CLOSED);
	p = (uint8_t *)f.out.p;
	assert_int_equal(p[0], FIN | CLOSE);
	assert_true(p[1] & 0x80);
	assert_int_equal((p[6] ^ p[2]) << 8 | (p[7] ^ p[3]), WS_PROTOCOL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_whole_message), T(test_every_cut), T(test_ping_between_fragments), T(test_unmasked), T(test_reserved_bits),
		T(test_unknown_opcodes), T(test_control_frames), T(test_fragments_out_of_order), T(test_lengths), T(test_utf8),
		T(test_kind), T(test_too_long), T(test_length_alone), T(test_empty_fragments), T(test_close), T(test_close_without_code),
		T(test_bad_close), T(test_we_close), T(test_client),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
