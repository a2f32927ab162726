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

void buf_json(struct buf *b, struct slice s)
{
	static const char hex[] = "0123456789abcdef";
	size_t start = 0;

	buf_char(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char esc[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
		size_t n = 6;

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		if (c == '"' || c == '\\')
			esc[1] = (char)c, n = 2;
		else if (c == '\n')
			esc[1] = 'n', n = 2;
		else if (c == '\t')
			esc[1] = 't', n = 2;
		else if (c == '\r')
			esc[1] = 'r', n = 2;
		if (i > start)
			buf_add(b, s.p + start, i - start);
		buf_add(b, esc, n);
		start = i + 1;
	}
	if (s.n > start) /* p may be NULL, to which nothing may be added, not even 0 */
		buf_add(b, s.p + start, s.n - start);
	buf_char(b, '"');
}
