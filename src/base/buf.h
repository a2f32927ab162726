/* SPDX-License-Identifier: Apache-2.0 */
/* A growing output buffer with a ceiling and a sticky error: append freely, check `failed` once. */
#ifndef REEVE_BASE_BUF_H
#define REEVE_BASE_BUF_H

#include "base/rc.h"
#include "base/slice.h"

struct buf {
	char *p;         /* owned, malloc'ed; NULL while empty */
	size_t n, cap;
	size_t max;      /* never more than this many bytes */
	bool failed;     /* ceiling met or memory out: content is incomplete */
};

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b);
/* Forget the content, keep the memory. */
static inline void buf_clear(struct buf *b)
{
	b->n = 0;
	b->failed = false;
}

/* Make room for n more bytes; returns where they go, or NULL (sticky). The caller then advances b->n. */
char *buf_room(struct buf *b, size_t n);

static inline void buf_add(struct buf *b, const void *p, size_t n)
{
	if (b->cap - b->n < n && !buf_room(b, n))
		return;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

static inline void buf_slice(struct buf *b, struct slice s) { buf_add(b, s.p, s.n); }
static inline void buf_char(struct buf *b, char c) { buf_add(b, &c, 1); }
#define buf_lit(b, lit) buf_add((b), (lit), sizeof(lit) - 1)

void buf_u64(struct buf *b, uint64_t v);
void buf_i64(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* s as a JSON string with its quotes; control characters, '"' and '\' escaped, UTF-8 passed through, what is
 * no UTF-8 replaced by U+FFFD. */
void buf_json(struct buf *b, struct slice s);

static inline struct slice buf_view(const struct buf *b) { return (struct slice){ b->p, b->n }; }

#endif
