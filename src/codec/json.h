/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text and a flat index over it.
 *
 * Inside Reeve a representation is JSON text: what arrives as JSON is checked and kept as it is, CBOR (and
 * later XML) is transcoded at the edge. Parsing writes one token per value into an array, in document order;
 * no tree, no copies. A token knows where its text is and the index just behind its subtree, so a reader
 * skips what it does not want.
 *
 *   {"a":[1,2],"b":"x"}   tokens: 0 object, 1 key a, 2 array, 3 1, 4 2, 5 key b, 6 "x"
 *
 * Refused: duplicate member names (two readers would see two requests), NUL and control characters in
 * strings, bad UTF-8, lone surrogates, numbers outside JSON's grammar, nesting or size beyond the limits,
 * anything but blanks after the value. (TS-0004 8.4, RFC 8259) */
#ifndef REEVE_CODEC_JSON_H
#define REEVE_CODEC_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/rc.h"

enum json_kind { J_NULL, J_FALSE, J_TRUE, J_NUMBER, J_STRING, J_ARRAY, J_OBJECT };

struct json_tok {
	uint8_t kind;     /* enum json_kind */
	bool escaped;     /* string with at least one backslash */
	bool integer;     /* number without fraction and exponent */
	uint32_t at, end; /* the value's text in `text`; strings with their quotes */
	uint32_t next;    /* index of the first token behind this value and all inside it */
	uint32_t count;   /* members of an object, elements of an array */
};

struct json {
	struct slice text;
	struct json_tok *tok; /* tok[0] is the whole value */
	uint32_t n;
};

struct json_limits {
	uint32_t depth;  /* nesting of arrays and objects */
	uint32_t tokens; /* tokens in all */
};

extern const struct json_limits json_default_limits; /* 32 deep, 65536 tokens */

/* Parse the whole of `text`. Tokens come from `a`; strings stay in `text`, which must outlive *out.
 * On RC_SYNTAX or RC_LIMIT *why says what is wrong and at which byte. RC_NOMEM when the arena is full. */
REEVE_MUST_CHECK enum reeve_rc json_parse(struct arena *a, struct slice text, const struct json_limits *limits,
					  struct json *out, struct slice *why);

/* Walk an object: for (i = obj + 1; i < j->tok[obj].next; i = j->tok[i + 1].next) key i, value i + 1.
 * Walk an array:  for (i = arr + 1; i < j->tok[arr].next; i = j->tok[i].next). */

/* Text of the value at i as it stands in the input. */
static inline struct slice json_raw(const struct json *j, uint32_t i)
{
	return slice_of(j->text.p + j->tok[i].at, j->tok[i].end - j->tok[i].at);
}
/* The inside of the string (or key) at i, escapes untouched. */
static inline struct slice json_inner(const struct json *j, uint32_t i)
{
	return slice_of(j->text.p + j->tok[i].at + 1, j->tok[i].end - j->tok[i].at - 2);
}
static inline enum json_kind json_kind(const struct json *j, uint32_t i) { return (enum json_kind)j->tok[i].kind; }

/* Value of the member `key` of the object at `obj`; 0 when obj is no object or has no such member
 * (0 is never the index of a member's value). */
uint32_t json_member(const struct json *j, uint32_t obj, struct slice key);
/* The string at i with escapes resolved; borrowed from the text when there are none, else from `a`.
 * p == NULL when it is no string, or memory is out; so also for the 0 of a
 * member that is not there, unless the whole text is a string. */
struct slice json_string(struct arena *a, const struct json *j, uint32_t i);
/* True when the string at i equals s (escapes resolved). */
bool json_string_is(const struct json *j, uint32_t i, struct slice s);
/* Integer at i; false when it is no number, has a fraction, or is out of range. */
bool json_u64(const struct json *j, uint32_t i, uint64_t *out);
bool json_i64(const struct json *j, uint32_t i, int64_t *out);
bool json_double(const struct json *j, uint32_t i, double *out);
/* Boolean at i; false when it is neither. */
bool json_bool(const struct json *j, uint32_t i, bool *out);

/* The value at i without blanks between tokens. */
void json_compact(struct buf *b, const struct json *j, uint32_t i);
/* Same value: member order and spelling of strings and numbers aside. */
bool json_equal(const struct json *ja, uint32_t ia, const struct json *jb, uint32_t ib);

#endif
