/* SPDX-License-Identifier: Apache-2.0 */
/* The text inside JSON strings and numbers: private to json*.c and cbor.c. */
#ifndef REEVE_CODEC_JSON_TEXT_H
#define REEVE_CODEC_JSON_TEXT_H

#include "base/slice.h"

/* First byte at or behind p that is no plain ASCII character of a string: '"', '\', a control character, or a
 * byte of a longer UTF-8 sequence; end when there is none. Eight bytes at a time. */
static inline const char *json_plain(const char *p, const char *end)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
	uint64_t v, quote, slash, hit;

	while (end - p >= 8) {
		memcpy(&v, p, 8);
		quote = v ^ ones * '"';
		slash = v ^ ones * '\\';
		/* A borrow may mark bytes above a real hit; the lowest mark is always real. */
		hit = ((v - ones * 0x20) | (quote - ones) | (slash - ones) | v) & high;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		if (hit)
			return p + (__builtin_ctzll(hit) >> 3);
#else
		if (hit)
			break;
#endif
		p += 8;
	}
	while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* Four hexadecimal digits at p. */
bool json_hex4(const char *p, uint32_t *out);
/* The character that \c stands for; 0 when there is no such escape ('u' is none of them). */
char json_escape_char(char c);

/* The functions below take the inside of a string that the parser accepted. */

/* Resolve escapes into out, which has room for s.n bytes; returns the length. */
size_t json_unescape(struct slice s, char *out);
/* s with its escapes resolved equals plain. */
bool json_escaped_is(struct slice s, struct slice plain);
/* Both with their escapes resolved. */
bool json_escaped_same(struct slice a, struct slice b);
/* Two numbers of JSON's grammar have the same value. */
bool json_same_number(struct slice a, struct slice b);

#endif
