/* SPDX-License-Identifier: Apache-2.0 */
/* base64url, see base64.h. Sixteen characters at a time become their values by arithmetic, not through a table: that is as fast as a
 * table, and neither time nor cache tells anything of the text, so that key material goes the same way as everything else. What is no
 * digit is gathered and looked at once, at the end. */
#include "codec/base64.h"

#include <endian.h>

typedef int8_t chars __attribute__((vector_size(16)));
typedef uint8_t octets __attribute__((vector_size(16))); /* for sums, that may wrap around */
enum { STEP = sizeof(chars), STEP_BYTES = STEP / 4 * 3 };

#define ALL(c) ((chars){ c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c })
#define BETWEEN(v, from, to) ((v > ALL(from - 1)) & (v < ALL(to + 1))) /* all ones where it is so; bytes above 127 are negative */

static inline octets values_of(chars c, octets *bad)
{
	const octets upper = (octets)BETWEEN(c, 'A', 'Z'), lower = (octets)BETWEEN(c, 'a', 'z'), digit = (octets)BETWEEN(c, '0', '9');
	const octets minus = (octets)(c == ALL('-')), under = (octets)(c == ALL('_')), u = (octets)c;

	*bad |= ~(upper | lower | digit | minus | under);
	return (upper & (u - 'A')) | (lower & (u - ('a' - 26))) | (digit & (u + (52 - '0'))) | (minus & 62) | (under & 63);
}

typedef uint16_t twos __attribute__((vector_size(16)));
typedef uint32_t fours __attribute__((vector_size(16)));
typedef uint64_t eights __attribute__((vector_size(16)));

/* Twice eight values of six bits, the first in the lowest byte: each half becomes a number of 48 bits, the first on top. */
static inline void squeeze(octets values, uint64_t out[2])
{
	twos two = (twos)values;
	fours four;
	eights eight;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "the first character is the lowest byte here"
#endif
	two = (two & 0x3f) << 6 | two >> 8;
	four = (fours)two;
	four = (four & 0xfff) << 12 | four >> 16;
	eight = (eights)four;
	eight = (eight & 0xffffff) << 24 | eight >> 32;
	memcpy(out, &eight, sizeof(eight));
}

/* Writes STEP_BYTES and two more, which the next step writes again. */
static inline void step(const char *p, uint8_t *out, octets *bad)
{
	chars c;
	uint64_t half[2];

	memcpy(&c, p, sizeof(c));
	squeeze(values_of(c, bad), half);
	for (int i = 0; i < 2; i++) {
		const uint64_t bytes = htobe64(half[i] << 16);
		memcpy(out + 6 * i, &bytes, sizeof(bytes));
	}
}

bool base64url_decode(struct slice s, uint8_t *out)
{
	octets bad = { 0 };
	uint64_t any[2];
	char last[2 * STEP];
	uint8_t tail[2 * STEP_BYTES + 2];
	size_t n;

	if (s.n % 4 == 1)
		return false;
	for (; s.n >= STEP + 4; s = slice_of(s.p + STEP, s.n - STEP), out += STEP_BYTES)
		step(s.p, out, &bad);
	memset(last, 'A', sizeof(last)); /* zero bits */
	if (s.n)
		memcpy(last, s.p, s.n);
	for (size_t i = 0; i == 0 || i * STEP < s.n; i++)
		step(last + i * STEP, tail + i * STEP_BYTES, &bad);
	n = base64url_size(s.n);
	if (n)
		memcpy(out, tail, n);
	memcpy(any, &bad, sizeof(any));
	/* bits behind the last byte have come into the next one */
	return !(any[0] | any[1] | tail[n]);
}

void base64url_encode(struct buf *b, const void *p, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const uint8_t *in = p;
	const size_t length = n / 3 * 4 + (n % 3 ? n % 3 + 1 : 0);
	char *out = n ? buf_room(b, length) : NULL;

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
