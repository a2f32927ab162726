/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a connection from hostile hands: reader, mapping, answer. The first two bytes say how the stream is cut. Beyond not crashing:
 * however it is cut, the same messages are read with the same meaning and the same one is refused; and whatever was asked, the answer is one
 * HTTP message that ends where it says. */
#include "../tests/unit/http_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MESSAGES_MOST = 16 };

static void require(bool ok)
{
	if (!ok)
		abort();
}

static int on_complete(http_parser *p)
{
	http_parser_pause(p, 1);
	return 0;
}

/* Exactly one response, without a byte too many. */
static void check_answer(struct reading *r)
{
	static const http_parser_settings settings = { .on_message_complete = on_complete };
	http_parser p;
	struct buf b;

	buf_init(&b, 1 << 20);
	if (r->verdict == HTTP_BAD) {
		http_map_refusal(&b, r->in.status, r->in.rsc, r->req.rqi, slice_str(r->in.why));
	} else {
		if (!r->req.rsc && r->req.bad.p)
			req_refuse(&r->req, 4000, "%.*s", SF(r->req.bad));
		else if (!r->req.rsc)
			r->req.rsc = 2001, r->req.location = r->req.to;
		if (r->req.rsc < 4000 && r->req.rvi.n)
			buf_json(&r->req.out, r->req.rvi);
		http_map_response(&b, &r->req, r->in.keep_alive);
	}
	require(!b.failed);
	http_parser_init(&p, HTTP_RESPONSE);
	require(http_parser_execute(&p, &settings, b.p, b.n) == b.n);
	require(HTTP_PARSER_ERRNO(&p) == HPE_PAUSED);
	buf_free(&b);
}

static void compare(struct reading *a, struct reading *b)
{
	struct buf ta, tb;

	require(a->verdict == b->verdict);
	/* where a message is both too long and malformed, it depends on the pieces which of the two is seen first */
	if (a->verdict == HTTP_BAD && !a->in.over_header && !b->in.over_header)
		require(a->in.status == b->in.status && a->in.rsc == b->in.rsc);
	if (a->verdict != HTTP_DONE)
		return;
	require(a->used == b->used && a->in.keep_alive == b->in.keep_alive && slice_eq(a->in.body, b->in.body));
	buf_init(&ta, 1 << 22);
	buf_init(&tb, 1 << 22);
	tell(&ta, &a->req);
	tell(&tb, &b->req);
	require(slice_eq(buf_view(&ta), buf_view(&tb)));
	buf_free(&ta);
	buf_free(&tb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct reading *whole, *cut;
	struct slice m;

	if (n < 2)
		return 0;
	whole = reading_new();
	cut = reading_new();
	m = slice_of((const char *)data + 2, n - 2);
	for (int i = 0; i < MESSAGES_MOST && m.n; i++) {
		reading_feed(whole, m, 0, 0);
		reading_feed(cut, m, data[0], data[1]);
		compare(whole, cut);
		if (whole->verdict == HTTP_MORE)
			break;
		m = slice_skip(m, whole->used);
		check_answer(whole);
		if (whole->verdict == HTTP_BAD)
			break;
		reading_next(whole);
		reading_next(cut);
	}
	reading_free(whole);
	reading_free(cut);
	return 0;
}
