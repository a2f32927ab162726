/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR to JSON text and back.
 *
 * In: a recursive reader whose depth is that of the JSON limits; it appends to the output as it goes and looks at
 * each input byte once. Counts are never trusted for memory: an array that claims 2^64 items just runs into the end
 * of the input. Out: JSON tokens stand in the order CBOR wants, so one loop over them is enough. */
#include "codec/cbor.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/json_text.h"

enum { M_UINT, M_NINT, M_BYTES, M_TEXT, M_ARRAY, M_MAP, M_TAG, M_SIMPLE };
enum { BREAK = 0xff, INDEFINITE = 31 };

struct reader {
	const uint8_t *base, *p, *end;
	struct buf *out;
	struct arena *arena;
	const struct json_limits *limits;
	uint32_t items;
	char *joined; /* chunks of indefinite strings are put together here */
	struct slice *why;
};

struct head {
	unsigned major, info;
	uint64_t v; /* argument; 0 when indefinite */
};

static enum reeve_rc fail_at(struct reader *r, const uint8_t *p, const char *text)
{
	*r->why = arena_printf(r->arena, "CBOR: %s at byte %zu", text, (size_t)(p - r->base));
	return RC_SYNTAX;
}

static enum reeve_rc head_at(struct reader *r, struct head *h)
{
	const uint8_t *start = r->p;
	size_t n;

	if (r->p == r->end)
		return fail_at(r, r->p, "an item is missing");
	h->major = *r->p >> 5;
	h->info = *r->p++ & 31;
	h->v = h->info < 24 ? h->info : 0;
	if (h->info < 24 || h->info == INDEFINITE)
		return RC_OK;
	if (h->info > 27)
		return fail_at(r, start, "a reserved length");
	n = (size_t)1 << (h->info - 24);
	if ((size_t)(r->end - r->p) < n)
		return fail_at(r, start, "an item without end");
	while (n--)
		h->v = h->v << 8 | *r->p++;
	return RC_OK;
}

/* ---- CBOR to JSON ---- */

static void put_negative(struct buf *b, uint64_t v)
{
	if (v == UINT64_MAX) {
		buf_lit(b, "-18446744073709551616");
		return;
	}
	buf_char(b, '-');
	buf_u64(b, v + 1);
}

/* The shortest decimal that reads back as d, always with a fraction or an exponent. */
static void put_double(struct buf *b, double d)
{
	char text[40];

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	buf_slice(b, slice_str(text));
	if (!strpbrk(text, ".e"))
		buf_lit(b, ".0");
}

static double half(uint64_t v)
{
	int exponent = (int)(v >> 10 & 31);
	double mantissa = (double)(v & 1023), d;

	if (exponent == 31)
		d = mantissa != 0 ? (double)NAN : (double)INFINITY;
	else
		d = exponent ? ldexp(mantissa + 1024, exponent - 25) : ldexp(mantissa, -24);
	return v & 0x8000 ? -d : d;
}

static double float_of(const struct head *h)
{
	uint32_t bits = (uint32_t)h->v;
	float single;
	double d;

	if (h->info == 25)
		return half(h->v);
	if (h->info == 26) {
		memcpy(&single, &bits, sizeof(single));
		return (double)single;
	}
	memcpy(&d, &h->v, sizeof(d));
	return d;
}

static enum reeve_rc simple(struct reader *r, const struct head *h, const uint8_t *start)
{
	double d;

	switch (h->info) {
	case 20:
		buf_lit(r->out, "false");
		return RC_OK;
	case 21:
		buf_lit(r->out, "true");
		return RC_OK;
	case 22:
		buf_lit(r->out, "null");
		return RC_OK;
	case 25: case 26: case 27:
		d = float_of(h);
		if (!isfinite(d))
			return fail_at(r, start, "a float that is no number");
		put_double(r->out, d);
		return RC_OK;
	case INDEFINITE:
		return fail_at(r, start, "a break out of place");
	default:
		return fail_at(r, start, "a simple value that JSON does not have");
	}
}

/* The content of a definite string; its head is read. */
static enum reeve_rc chunk(struct reader *r, const struct head *h, const uint8_t *start, struct slice *s)
{
	if (h->v > (uint64_t)(r->end - r->p))
		return fail_at(r, start, "a string without end");
	*s = slice_of((const char *)r->p, (size_t)h->v);
	r->p += h->v;
	if (h->major == M_TEXT && !slice_utf8(*s))
		return fail_at(r, start, "no UTF-8");
	return RC_OK;
}

/* An indefinite string: its chunks one after the other. What is left of the input when the first one comes is room
 * enough for that one and all later ones. */
static enum reeve_rc chunks(struct reader *r, unsigned major, struct slice *s)
{
	size_t n = 0;

	if (!r->joined)
		r->joined = arena_alloc(r->arena, (size_t)(r->end - r->p));
	if (!r->joined)
		return RC_NOMEM;
	for (;;) {
		const uint8_t *start = r->p;
		struct slice part;
		struct head h;
		enum reeve_rc rc = head_at(r, &h);

		if (rc)
			return rc;
		if (h.major == M_SIMPLE && h.info == INDEFINITE)
			break;
		if (h.major != major || h.info == INDEFINITE)
			return fail_at(r, start, "something else than a chunk of the string");
		rc = chunk(r, &h, start, &part);
		if (rc)
			return rc;
		if (part.n)
			memcpy(r->joined + n, part.p, part.n);
		n += part.n;
	}
	*s = slice_of(r->joined, n);
	return RC_OK;
}

static enum reeve_rc string(struct reader *r, const struct head *h, const uint8_t *start)
{
	struct slice s;
	enum reeve_rc rc = h->info == INDEFINITE ? chunks(r, h->major, &s) : chunk(r, h, start, &s);

	if (rc)
		return rc;
	if (h->major == M_BYTES && !slice_utf8(s))
		return fail_at(r, start, "a byte string that holds no text");
	buf_json(r->out, s);
	return RC_OK;
}

/* The head of the next item behind any tags. */
static enum reeve_rc next_head(struct reader *r, struct head *h, const uint8_t **start)
{
	enum reeve_rc rc;

	do {
		*start = r->p;
		rc = head_at(r, h);
		if (!rc && h->info == INDEFINITE && (h->major < M_BYTES || h->major == M_TAG))
			rc = fail_at(r, *start, "a reserved length");
	} while (!rc && h->major == M_TAG);
	if (rc)
		return rc;
	if (r->items++ >= r->limits->tokens) {
		*r->why = arena_printf(r->arena, "CBOR: more than %u values", r->limits->tokens);
		return RC_LIMIT;
	}
	if (r->out->failed) { /* no use to go on */
		*r->why = arena_printf(r->arena, "CBOR: more than %zu bytes as JSON", r->out->max);
		return RC_LIMIT;
	}
	return RC_OK;
}

static enum reeve_rc map_key(struct reader *r)
{
	const uint8_t *start;
	struct head h;
	enum reeve_rc rc = next_head(r, &h, &start);

	if (rc)
		return rc;
	if (h.major != M_TEXT && h.major != M_BYTES)
		return fail_at(r, start, "a member name that is no text");
	rc = string(r, &h, start);
	buf_char(r->out, ':');
	return rc;
}

static enum reeve_rc item(struct reader *r, uint32_t depth);

static enum reeve_rc container(struct reader *r, const struct head *h, uint32_t depth)
{
	bool map = h->major == M_MAP, endless = h->info == INDEFINITE;
	enum reeve_rc rc = RC_OK;

	if (depth == r->limits->depth) {
		*r->why = arena_printf(r->arena, "CBOR: more than %u levels of nesting", depth);
		return RC_LIMIT;
	}
	buf_char(r->out, map ? '{' : '[');
	for (uint64_t i = 0; endless || i < h->v; i++) {
		if (endless && r->p < r->end && *r->p == BREAK) {
			r->p++;
			break;
		}
		if (i)
			buf_char(r->out, ',');
		if (map)
			rc = map_key(r);
		if (!rc)
			rc = item(r, depth + 1);
		if (rc)
			return rc;
	}
	buf_char(r->out, map ? '}' : ']');
	return RC_OK;
}

static enum reeve_rc item(struct reader *r, uint32_t depth)
{
	const uint8_t *start;
	struct head h;
	enum reeve_rc rc = next_head(r, &h, &start);

	if (rc)
		return rc;
	switch (h.major) {
	case M_UINT:
		buf_u64(r->out, h.v);
		return RC_OK;
	case M_NINT:
		put_negative(r->out, h.v);
		return RC_OK;
	case M_BYTES: case M_TEXT:
		return string(r, &h, start);
	case M_ARRAY: case M_MAP:
		return container(r, &h, depth);
	default:
		return simple(r, &h, start);
	}
}

enum reeve_rc cbor_to_json(struct slice in, const struct json_limits *limits, struct buf *out, struct arena *a,
			   struct slice *why)
{
	const uint8_t *p = (const uint8_t *)in.p;
	struct reader r = { .base = p, .p = p, .end = p + in.n, .out = out, .arena = a, .why = why,
			    .limits = limits ? limits : &json_default_limits };
	enum reeve_rc rc;

	*why = slice_of(NULL, 0);
	rc = item(&r, 0);
	if (!rc && r.p != r.end)
		rc = fail_at(&r, r.p, "something behind the item");
	if (!rc && out->failed) {
		*why = arena_printf(a, "CBOR: more than %zu bytes as JSON", out->max);
		rc = RC_LIMIT;
	}
	return rc;
}

/* ---- JSON to CBOR ---- */

/* Write a head to p (nine bytes of room) in its shortest form; returns its length. */
static size_t make_head(uint8_t *p, unsigned major, uint64_t v)
{
	size_t n;

	if (v < 24) {
		p[0] = (uint8_t)(major << 5 | v);
		return 1;
	}
	n = v <= UINT8_MAX ? 1 : v <= UINT16_MAX ? 2 : v <= UINT32_MAX ? 4 : 8;
	p[0] = (uint8_t)(major << 5 | (24 + (unsigned)__builtin_ctzll(n)));
	for (size_t i = n; i > 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
	return n + 1;
}

static void put_head(struct buf *b, unsigned major, uint64_t v)
{
	uint8_t head[9];
	buf_add(b, head, make_head(head, major, v));
}

static void put_text(struct buf *b, const struct json *j, uint32_t i)
{
	struct slice s = json_inner(j, i);
	uint8_t head[9];
	size_t n, len;
	char *room;

	if (!j->tok[i].escaped) {
		put_head(b, M_TEXT, s.n);
		buf_slice(b, s);
		return;
	}
	room = buf_room(b, s.n + sizeof(head));
	if (!room)
		return;
	len = json_unescape(s, room + sizeof(head)); /* its length decides how long the head is */
	n = make_head(head, M_TEXT, len);
	memcpy(room, head, n);
	memmove(room + n, room + sizeof(head), len);
	b->n += n + len;
}

static void put_float(struct buf *b, double d)
{
	float single = 0;
	uint8_t out[9];
	uint64_t bits;
	uint32_t few;
	size_t n = 8;

	if (fabs(d) <= (double)FLT_MAX)
		single = (float)d;
	memcpy(&bits, &d, sizeof(bits));
	if ((double)single == d) {
		memcpy(&few, &single, sizeof(few));
		bits = few;
		n = 4;
	}
	out[0] = n == 4 ? 0xfa : 0xfb;
	for (size_t i = n; i > 0; i--, bits >>= 8)
		out[i] = (uint8_t)bits;
	buf_add(b, out, n + 1);
}

static enum reeve_rc put_number(struct buf *b, const struct json *j, uint32_t i)
{
	struct slice s = json_raw(j, i);
	bool neg = s.p[0] == '-';
	uint64_t v;
	double d;

	if (j->tok[i].integer && slice_u64(slice_skip(s, neg), &v)) {
		put_head(b, neg && v ? M_NINT : M_UINT, neg && v ? v - 1 : v);
		return RC_OK;
	}
	if (slice_eq(s, S("-18446744073709551616"))) {
		put_head(b, M_NINT, UINT64_MAX);
		return RC_OK;
	}
	if (!json_double(j, i, &d))
		return RC_INVALID;
	put_float(b, d);
	return RC_OK;
}

enum reeve_rc json_to_cbor(const struct json *j, uint32_t i, struct buf *out)
{
	static const uint8_t words[] = { [J_NULL] = 0xf6, [J_FALSE] = 0xf4, [J_TRUE] = 0xf5 };
	enum reeve_rc rc = RC_OK;

	for (uint32_t k = i; k < j->tok[i].next && !rc && !out->failed; k++) {
		switch (json_kind(j, k)) {
		case J_OBJECT:
			put_head(out, M_MAP, j->tok[k].count);
			break;
		case J_ARRAY:
			put_head(out, M_ARRAY, j->tok[k].count);
			break;
		case J_STRING:
			put_text(out, j, k);
			break;
		case J_NUMBER:
			rc = put_number(out, j, k);
			break;
		default:
			buf_add(out, &words[j->tok[k].kind], 1);
		}
	}
	return rc ? rc : out->failed ? RC_LIMIT : RC_OK;
}
