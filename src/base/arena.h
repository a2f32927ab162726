/* SPDX-License-Identifier: Apache-2.0 */
/* Region memory: everything a request needs is taken from its arena and given back at once.
 *
 * The first block is the caller's (usually embedded in the request), so a small request never calls
 * malloc. Growth stops at a ceiling; an allocation beyond it returns NULL and sets `failed`, so that a
 * chain of writers may check once at the end. Not thread-safe: an arena belongs to one thread at a time. */
#ifndef REEVE_BASE_ARENA_H
#define REEVE_BASE_ARENA_H

#include "base/slice.h"

struct arena_block;

struct arena {
	char *cur, *end;
	char *first, *first_end;
	struct arena_block *blocks; /* malloc'ed ones, newest first */
	size_t used, ceiling;       /* bytes taken by malloc'ed blocks; their limit */
	bool failed;
};

/* Prepare a, with `n` bytes at `first` as its first block (may be 0) and at most `ceiling` bytes from malloc. */
void arena_init(struct arena *a, void *first, size_t n, size_t ceiling);
/* Give everything back; a can be used again. */
void arena_reset(struct arena *a);

/* n bytes, aligned for any object, not cleared. NULL (and a->failed) beyond the ceiling. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((alloc_size(2)));
/* The same, cleared. */
void *arena_zalloc(struct arena *a, size_t n) __attribute__((alloc_size(2)));
/* count * size with overflow check, cleared. */
void *arena_array(struct arena *a, size_t count, size_t size);
/* Copy of s, with a NUL behind it (not counted). Empty slice with p == NULL when memory is out. */
struct slice arena_dup(struct arena *a, struct slice s);
/* Formatted text in the arena. */
struct slice arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
