/* SPDX-License-Identifier: Apache-2.0 */
/* base64url, see base64.h. One loop for both decoders; they differ in how a character becomes its value: through a table (fast; which
 * cache lines are touched depends on the text) or by arithmetic alone (for key material). What is no digit has a bit above the lowest
 * six set, and these bits are gathered and looked at once at the end. */
#include "codec/base64.h"

#define BAD 0xc0

static const uint8_t values[256] = {
#define X4 BAD, BAD, BAD, BAD
#define X16 X4, X4, X4, X4
	X16, X16,
	X4, X4, X4, BAD, 62, BAD, BAD,                                      /* '-' */
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, BAD, BAD, X4,               /* '0' */
	BAD, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,              /* 'A' */
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, BAD, BAD, BAD, BAD, 63, /* 'P', '_' */
	BAD, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,    /* 'a' */
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, BAD, BAD, BAD, BAD, BAD,
	X16, X16, X16, X16, X16, X16, X16, X16,
#undef X16
#undef X4
};

static inline unsigned value_by_table(unsigned char c) { return values[c]; }

/* All ones when from <= c <= to, else 0: one of the differences below zero sets the sign bit. */
static inline unsigned between(unsigned c, unsigned from, unsigned to) { return (((c - from) | (to - c)) >> 31) - 1; }

static inline unsigned value_by_arithmetic(unsigned char c)
{
	const unsigned upper = between(c, 'A', 'Z'), lower = between(c, 'a', 'z'), digit = between(c, '0', '9');
	const unsigned minus = between(c, '-', '-'), under = between(c, '_', '_');

	return (upper & (c - 'A')) | (lower & (c - 'a' + 26u)) | (digit & (c - '0' + 52u)) | (minus & 62) | (under & 63) |
	       (~(upper | lower | digit | minus | under) & BAD);
}

static inline bool decode(struct slice s, uint8_t *out, unsigned (*value)(unsigned char c))
{
	const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n / 4 * 4;
	const size_t rest = s.n % 4;
	unsigned bad = 0;

	for (; p < end; p += 4, out += 3) {
		const unsigned a = value(p[0]), b = value(p[1]), c = value(p[2]), d = value(p[3]);
		bad |= a | b | c | d;
		out[0] = (uint8_t)(a << 2 | b >> 4);
		out[1] = (uint8_t)(b << 4 | c >> 2);
		out[2] = (uint8_t)(c << 6 | d);
	}
	if (rest == 1)
		return false;
	if (rest) {
		const unsigned a = value(p[0]), b = value(p[1]), c = rest == 3 ? value(p[2]) : 0;
		bad |= a | b | c;
		out[0] = (uint8_t)(a << 2 | b >> 4);
		if (rest == 3)
			out[1] = (uint8_t)(b << 4 | c >> 2);
		bad |= (rest == 3 ? c & 3 : b & 15) << 6; /* bits behind the last byte: they reach BAD or above */
	}
	return !(bad >> 6);
}

bool base64url_decode(struct slice s, uint8_t *out) { return decode(s, out, value_by_table); }
bool base64url_decode_secret(struct slice s, uint8_t *out) { return decode(s, out, value_by_arithmetic); }

void base64url_encode(struct buf *b, const void *p, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const uint8_t *in = p;
	const size_t length = n / 3 * 4 + (n % 3 ? n % 3 + 1 : 0);
	char *out = buf_room(b, length);

	if (!out)
		return;
	for (; n >= 3; n -= 3, in += 3, out += 4) {
		out[0] = digits[in[0] >> 2];
		out[1] = digits[(in[0] & 3) << 4 | in[1] >> 4];
		out[2] = digits[(in[1] & 15) << 2 | in[2] >> 6];
		out[3] = digits[in[2] & 63];
	}
	if (n) {
		out[0] = digits[in[0] >> 2];
		out[1] = digits[(in[0] & 3) << 4 | (n == 2 ? in[1] >> 4 : 0)];
		if (n == 2)
			out[2] = digits[(in[1] & 15) << 2];
	}
	b->n += length;
}
