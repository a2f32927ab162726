/* SPDX-License-Identifier: Apache-2.0 */
/* A borrowed run of bytes: valid until its named owner dies; not terminated by NUL. */
#ifndef REEVE_BASE_SLICE_H
#define REEVE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *p;
	size_t n;
};

/* Slice of a string literal. */
#define S(lit) ((struct slice){ (lit), sizeof(lit) - 1 })
/* For printf: "%.*s", SF(s). */
#define SF(s) (int)(s).n, (s).p

static inline struct slice slice_of(const char *p, size_t n)
{
	return (struct slice){ p, n };
}

static inline struct slice slice_str(const char *cstr)
{
	return (struct slice){ cstr, cstr ? strlen(cstr) : 0 };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool slice_ends(struct slice s, struct slice suffix)
{
	return s.n >= suffix.n && (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* s without its first n bytes (empty when n is beyond the end). */
static inline struct slice slice_skip(struct slice s, size_t n)
{
	return n >= s.n ? (struct slice){ s.n ? s.p + s.n : s.p, 0 } : (struct slice){ s.p + n, s.n - n };
}

/* Index of byte c in s, or -1. */
static inline ptrdiff_t slice_find(struct slice s, char c)
{
	const char *q = s.n ? memchr(s.p, c, s.n) : NULL;
	return q ? q - s.p : -1;
}

/* Cut the part before the first sep off *rest and return it; *rest becomes what follows (p == NULL when
 * nothing does, so that an empty last part is still seen). */
struct slice slice_cut(struct slice *rest, char sep);

/* Bytes of the well-formed UTF-8 character at the start of s (RFC 3629: shortest form, no surrogates, up to U+10FFFF); 0 when
 * there is none. */
size_t slice_utf8_char(struct slice s);
/* All of s is well-formed UTF-8. */
bool slice_utf8(struct slice s);

/* s without bytes that stand in `blanks` at its ends. */
struct slice slice_trim(struct slice s, struct slice blanks);

/* Does the pattern fit the whole of s? '*' stands for any run of bytes without `wall`; wall < 0: for any run. */
bool slice_like(struct slice pattern, struct slice s, int wall);

/* Value of a hexadecimal digit of either case, or -1. */
static inline int slice_hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Equality without regard to ASCII case. */
bool slice_ieq(struct slice a, struct slice b);

/* Decimal number without sign or blanks, whole slice. False when malformed or out of range. */
bool slice_u64(struct slice s, uint64_t *out);
/* The same with an optional leading '-'. */
bool slice_i64(struct slice s, int64_t *out);

#endif
