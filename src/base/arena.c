/* SPDX-License-Identifier: Apache-2.0 */
/* Region memory. Blocks double in size up to 64 KiB; larger single wishes get a block of their own. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct arena_block {
	struct arena_block *next;
	size_t n;
};

enum { ALIGN = 16, BLOCK_MIN = 4096, BLOCK_MAX = 65536 };

void arena_init(struct arena *a, void *first, size_t n, size_t ceiling)
{
	*a = (struct arena){
		.cur = first,
		.end = first ? (char *)first + n : NULL,
		.first = first,
		.first_end = first ? (char *)first + n : NULL,
		.ceiling = ceiling,
	};
}

void arena_reset(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *b = a->blocks;
		a->blocks = b->next;
		free(b);
	}
	a->cur = a->first;
	a->end = a->first_end;
	a->used = 0;
	a->failed = false;
}

static bool grow(struct arena *a, size_t n)
{
	size_t want = a->blocks ? a->blocks->n * 2 : BLOCK_MIN;
	struct arena_block *b;

	if (want > BLOCK_MAX)
		want = BLOCK_MAX;
	if (__builtin_add_overflow(n, ALIGN, &n))
		return false;
	if (want < n)
		want = n;
	if (want > a->ceiling - a->used) {
		want = n; /* the last block may be a tight fit */
		if (want > a->ceiling - a->used)
			return false;
	}
	b = malloc(sizeof(*b) + want);
	if (!b)
		return false;
	b->next = a->blocks;
	b->n = want;
	a->blocks = b;
	a->used += want;
	a->cur = (char *)(b + 1);
	a->end = a->cur + want;
	return true;
}

void *arena_alloc(struct arena *a, size_t n)
{
	for (;;) {
		size_t pad = (size_t)(-(uintptr_t)a->cur) & (ALIGN - 1);
		size_t room = (size_t)(a->end - a->cur);
		if (a->cur && room >= pad && room - pad >= n) {
			char *p = a->cur + pad;
			a->cur = p + n;
			return p;
		}
		if (!grow(a, n)) {
			a->failed = true;
			return NULL;
		}
	}
}

void *arena_zalloc(struct arena *a, size_t n)
{
	void *p = arena_alloc(a, n);
	return p ? memset(p, 0, n) : NULL;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;
	if (__builtin_mul_overflow(count, size, &n)) {
		a->failed = true;
		return NULL;
	}
	return arena_zalloc(a, n);
}

struct slice arena_dup(struct arena *a, struct slice s)
{
	char *p = arena_alloc(a, s.n + 1);
	if (!p)
		return (struct slice){ NULL, 0 };
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return (struct slice){ p, s.n };
}

struct slice arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	p = n >= 0 ? arena_alloc(a, (size_t)n + 1) : NULL;
	if (p)
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p ? (struct slice){ p, (size_t)n } : (struct slice){ NULL, 0 };
}
