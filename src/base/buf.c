/* SPDX-License-Identifier: Apache-2.0 */
/* Growing output buffer. Capacity doubles; the ceiling is checked before memory is asked for. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .max = b->max };
}

char *buf_room(struct buf *b, size_t n)
{
	size_t need, cap;
	char *p;

	if (b->cap - b->n >= n)
		return b->p + b->n;
	if (b->failed || __builtin_add_overflow(b->n, n, &need) || need > b->max) {
		b->failed = true;
		return NULL;
	}
	cap = b->cap ? b->cap : 512;
	while (cap < need)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	p = realloc(b->p, cap);
	if (!p) {
		b->failed = true;
		return NULL;
	}
	b->p = p;
	b->cap = cap;
	return b->p + b->n;
}

void buf_u64(struct buf *b, uint64_t v)
{
	char tmp[20];
	size_t i = sizeof(tmp);

	do
		tmp[--i] = (char)('0' + v % 10);
	while (v /= 10);
	buf_add(b, tmp + i, sizeof(tmp) - i);
}

void buf_i64(struct buf *b, int64_t v)
{
	if (v < 0)
		buf_char(b, '-');
	buf_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !(p = buf_room(b, (size_t)n + 1))) /* vsnprintf wants room for its NUL */
		return;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

/* What stands for byte c of a string; 0 bytes: itself. */
static size_t escape(unsigned char c, char out[6])
{
	static const char hex[] = "0123456789abcdef";

	out[0] = '\\';
	switch (c) {
	case '"':
	case '\\':
		out[1] = (char)c;
		return 2;
	case '\n':
		out[1] = 'n';
		return 2;
	case '\t':
		out[1] = 't';
		return 2;
	case '\r':
		out[1] = 'r';
		return 2;
	default:
		if (c >= 0x20)
			return 0;
		out[1] = 'u';
		out[2] = out[3] = '0';
		out[4] = hex[c >> 4];
		out[5] = hex[c & 15];
		return 6;
	}
}

void buf_json(struct buf *b, struct slice s)
{
	size_t start = 0, i = 0;
	char esc[6];

	buf_char(b, '"');
	while (i < s.n) {
		size_t skip = 1, n;
		if ((unsigned char)s.p[i] < 0x80) {
			n = escape((unsigned char)s.p[i], esc);
		} else if ((skip = slice_utf8_char(slice_skip(s, i))) != 0) {
			n = 0;
		} else { /* what a peer sent need not be text: U+FFFD, so that our answer is */
			memcpy(esc, "\\ufffd", n = 6);
			skip = 1;
		}
		if (n) {
			buf_add(b, s.p + start, i - start);
			buf_add(b, esc, n);
			start = i + skip;
		}
		i += skip;
	}
	if (start < s.n)
		buf_add(b, s.p + start, s.n - start);
	buf_char(b, '"');
}
