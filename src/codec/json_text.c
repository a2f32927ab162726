/* SPDX-License-Identifier: Apache-2.0 */
/* Strings and numbers of JSON, character by character. Numbers are compared as decimals, digit by digit, so that
 * neither size nor precision matters. */
#include "codec/json_text.h"

bool json_hex4(const char *p, uint32_t *out)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++) {
		unsigned c = (unsigned char)p[i], d = c - '0';
		if (d > 9) {
			d = (c | 0x20) - 'a';
			if (d > 5)
				return false;
			d += 10;
		}
		v = v << 4 | d;
	}
	*out = v;
	return true;
}

char json_escape_char(char c)
{
	switch (c) {
	case '"': case '\\': case '/':
		return c;
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return 0;
	}
}

static size_t put_utf8(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}

/* The escape at the front of *s (which begins with a backslash), resolved; returns its length. */
static size_t resolve(struct slice *s, char out[4])
{
	uint32_t c = 0, low = 0;

	if (s->p[1] != 'u') {
		out[0] = json_escape_char(s->p[1]);
		*s = slice_skip(*s, 2);
		return 1;
	}
	json_hex4(s->p + 2, &c);
	*s = slice_skip(*s, 6);
	if (c >= 0xd800 && c <= 0xdbff && s->n >= 6) {
		json_hex4(s->p + 2, &low);
		*s = slice_skip(*s, 6);
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	return put_utf8(c, out);
}

/* The next piece of *s: what stands before an escape, or an escape resolved into out. */
static struct slice piece(struct slice *s, char out[4])
{
	ptrdiff_t at = slice_find(*s, '\\');
	struct slice head = *s;

	if (at == 0)
		return slice_of(out, resolve(s, out));
	head.n = at < 0 ? s->n : (size_t)at;
	*s = slice_skip(*s, head.n);
	return head;
}

size_t json_unescape(struct slice s, char *out)
{
	size_t n = 0;
	char tmp[4];

	while (s.n) {
		struct slice part = piece(&s, tmp);
		memcpy(out + n, part.p, part.n);
		n += part.n;
	}
	return n;
}

bool json_escaped_is(struct slice s, struct slice plain)
{
	char tmp[4];

	while (s.n) {
		struct slice part = piece(&s, tmp);
		if (!slice_starts(plain, part))
			return false;
		plain = slice_skip(plain, part.n);
	}
	return plain.n == 0;
}

bool json_escaped_same(struct slice a, struct slice b)
{
	struct slice pa = { NULL, 0 }, pb = { NULL, 0 };
	char ta[4], tb[4];
	size_t n;

	for (;;) {
		if (!pa.n && a.n)
			pa = piece(&a, ta);
		if (!pb.n && b.n)
			pb = piece(&b, tb);
		n = pa.n < pb.n ? pa.n : pb.n;
		if (n == 0)
			return pa.n == pb.n;
		if (memcmp(pa.p, pb.p, n) != 0)
			return false;
		pa = slice_skip(pa, n);
		pb = slice_skip(pb, n);
	}
}

/* ---- numbers ---- */

/* A number as 0.d1d2d3... times ten to the exponent, without zeros at either end of the digits. */
struct decimal {
	struct slice digits; /* from the first digit that is not 0; may hold a point and zeros at the end */
	size_t n;            /* digits that count; 0 for zero */
	int64_t exponent;
	bool neg;
};

static int64_t exponent_of(struct slice s)
{
	bool neg = s.n && s.p[0] == '-';
	int64_t v = 0;

	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s = slice_skip(s, 1);
	for (size_t i = 0; i < s.n && v < INT64_MAX / 100; i++) /* saturates far beyond any text's length */
		v = v * 10 + (s.p[i] - '0');
	return neg ? -v : v;
}

static struct decimal decimal_of(struct slice s)
{
	struct decimal d = { .neg = s.n && s.p[0] == '-' };
	bool point = false;
	size_t i = d.neg, first = s.n, seen = 0;

	for (; i < s.n && (s.p[i] | 0x20) != 'e'; i++) {
		if (s.p[i] == '.') {
			point = true;
			continue;
		}
		if (s.p[i] != '0' && first == s.n)
			first = i;
		if (first == s.n) {
			d.exponent -= point; /* a zero behind the point */
			continue;
		}
		seen++;
		d.exponent += !point;
		if (s.p[i] != '0')
			d.n = seen;
	}
	d.digits = slice_skip(s, first);
	if (i < s.n)
		d.exponent += exponent_of(slice_skip(s, i + 1));
	return d;
}

bool json_same_number(struct slice a, struct slice b)
{
	struct decimal x, y;
	size_t i = 0, k = 0;

	if (slice_eq(a, b))
		return true;
	x = decimal_of(a);
	y = decimal_of(b);
	if (x.n != y.n)
		return false;
	if (x.n == 0)
		return true; /* 0, -0, 0.0e5 */
	if (x.neg != y.neg || x.exponent != y.exponent)
		return false;
	for (size_t n = 0; n < x.n; n++, i++, k++) {
		i += x.digits.p[i] == '.';
		k += y.digits.p[k] == '.';
		if (x.digits.p[i] != y.digits.p[k])
			return false;
	}
	return true;
}
