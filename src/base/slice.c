/* SPDX-License-Identifier: Apache-2.0 */
/* Slices: the few operations that are not worth inlining. */
#include "base/slice.h"

struct slice slice_cut(struct slice *rest, char sep)
{
	ptrdiff_t at = slice_find(*rest, sep);
	struct slice head = *rest;

	if (at < 0) {
		*rest = (struct slice){ NULL, 0 };
		return head;
	}
	head.n = (size_t)at;
	*rest = slice_skip(*rest, (size_t)at + 1);
	return head;
}

size_t slice_utf8_char(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n;
	unsigned char least = 0x80, most = 0xbf; /* of the second byte */

	if (!s.n)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		least = 0xa0;
	else if (p[0] == 0xed)
		most = 0x9f;
	else if (p[0] == 0xf0)
		least = 0x90;
	else if (p[0] == 0xf4)
		most = 0x8f;
	if (s.n < n || p[1] < least || p[1] > most)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return n;
}

bool slice_utf8(struct slice s)
{
	while (s.n) {
		size_t n = slice_utf8_char(s);
		if (!n)
			return false;
		s = slice_skip(s, n);
	}
	return true;
}

struct slice slice_trim(struct slice s, struct slice blanks)
{
	while (s.n && slice_find(blanks, s.p[0]) >= 0)
		s = slice_skip(s, 1);
	while (s.n && slice_find(blanks, s.p[s.n - 1]) >= 0)
		s.n--;
	return s;
}

/* Parts between walls align one to one because no '*' crosses a wall, and within a part the earliest place for what follows a '*' is
 * never worse than a later one: so only the last '*' needs to be remembered. Never worse than the product of both lengths. */
bool slice_like(struct slice pattern, struct slice s, int wall)
{
	size_t i = 0, k = 0, star = SIZE_MAX, from = 0;

	while (k < s.n) {
		if (i < pattern.n && pattern.p[i] == '*') {
			star = i++;
			from = k;
		} else if (i < pattern.n && pattern.p[i] == s.p[k]) {
			i++;
			k++;
		} else if (star != SIZE_MAX && (unsigned char)s.p[from] != wall) {
			i = star + 1;
			k = ++from;
		} else {
			return false;
		}
	}
	while (i < pattern.n && pattern.p[i] == '*')
		i++;
	return i == pattern.n;
}

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool slice_ieq(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

bool slice_u64(struct slice s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 20)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned)(s.p[i] - '0');
		if (d > 9 || __builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, d, &v))
			return false;
	}
	*out = v;
	return true;
}

bool slice_i64(struct slice s, int64_t *out)
{
	bool neg = s.n && s.p[0] == '-';
	uint64_t v;

	if (!slice_u64(neg ? slice_skip(s, 1) : s, &v))
		return false;
	if (v > (uint64_t)INT64_MAX + (neg ? 1u : 0u))
		return false;
	*out = neg ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}
