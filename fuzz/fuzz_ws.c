/* SPDX-License-Identifier: Apache-2.0 */
/* A WebSocket connection from hostile hands: handshakes and frames. The first byte says which: a listener's end or a client's, text or
 * binary, or one of the two handshakes; the second how the bytes are cut. Beyond not crashing: however frames are cut, the same messages
 * are read and the end is the same; what is written back is frames that the other end takes; an accepted handshake is a whole answer. */
#include <stdlib.h>

#include "binding/ws/frames.h"
#include "binding/ws/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MOST = 4096 };

static void require(bool ok)
{
	if (!ok)
		abort();
}

struct end { struct ws_frames f; struct buf told; };

static void told(void *owner, struct slice text)
{
	struct end *e = owner;

	require(text.n <= MOST);
	buf_slice(&e->told, text);
	buf_char(&e->told, '|');
	if (text.n % 3 == 0)
		(void)!ws_frames_send(&e->f, text);
}

static void begin(struct end *e, bool client, bool binary)
{
	require(ws_frames_init(&e->f, client, binary, MOST, told, e) == RC_OK);
	buf_init(&e->told, 1 << 22);
}

static void finish(struct end *e)
{
	ws_frames_free(&e->f);
	buf_free(&e->told);
}

static void feed(struct end *e, const uint8_t *p, size_t n, size_t step)
{
	for (size_t at = 0; at < n; at += step) {
		size_t k = n - at < step ? n - at : step;
		char *piece = malloc(k); /* of its own, so that a borrowed byte is noticed */

		require(piece != NULL);
		memcpy(piece, p + at, k);
		ws_frames_read(&e->f, piece, k);
		free(piece);
	}
}

static void frames(bool client, bool binary, const uint8_t *p, size_t n, size_t step)
{
	struct end whole, cut, other;

	begin(&whole, client, binary);
	begin(&cut, client, binary);
	begin(&other, !client, binary);
	feed(&whole, p, n, n ? n : 1);
	feed(&cut, p, n, step);
	/* the library looks at the reason of a close frame piece by piece, so how a bad one ends depends on the pieces */
	if (whole.f.current != WSLAY_CONNECTION_CLOSE)
		require(whole.f.state == cut.f.state && whole.f.code == cut.f.code);
	require(slice_eq(buf_view(&whole.told), buf_view(&cut.told)));
	feed(&other, (const uint8_t *)whole.f.out.p, whole.f.out.n, 4096);
	require(!other.f.refused);
	require(whole.f.state != WS_CLOSED || other.f.state == WS_CLOSED);
	finish(&whole);
	finish(&cut);
	finish(&other);
}

static void listener(const uint8_t *p, size_t n)
{
	struct ws_ask ask = { .method = "GET", .target = S("/"), .headers = slice_of((const char *)p, n) };
	enum serial serial = SERIAL_NONE;
	enum ws_asked asked;
	struct buf out;

	buf_init(&out, 1 << 20);
	asked = ws_answer(&ask, &out, &serial);
	require((asked == WS_NOT_ASKED) == (out.n == 0));
	require(asked != WS_ACCEPTED || (serial != SERIAL_NONE && slice_ends(buf_view(&out), S("\r\n\r\n"))));
	buf_free(&out);
}

static void answer(const uint8_t *p, size_t n)
{
	static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
	size_t used = 0;
	struct ws_answer a = ws_answered(slice_of((const char *)p, n), key, &used);

	require(used <= n && !(a.done && a.bad) && a.bad == (a.why != NULL));
	require(!a.done || a.serial != SERIAL_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2)
		return 0;
	switch (data[0] % 6) {
	case 4:
		listener(data + 2, n - 2);
		break;
	case 5:
		answer(data + 2, n - 2);
		break;
	default:
		frames(data[0] & 1, data[0] & 2, data + 2, n - 2, data[1] ? data[1] : 1);
	}
	return 0;
}
