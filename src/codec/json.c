/* SPDX-License-Identifier: Apache-2.0 */
/* JSON tokenizer: one pass over the bytes, tokens in document order, no recursion.
 *
 * The state between two tokens is the container that is open (an index) and whether a
 * value or a separator is due. While a container is open its token's `next` holds its parent, so no stack is
 * needed and depth costs nothing. A container's member names are compared when it closes: cheaply while there are
 * few, with a keyed hash when there are many, so that hostile input cannot make the comparison quadratic. */
#include "codec/json.h"

#include "codec/json_names.h"
#include "codec/json_text.h"

const struct json_limits json_default_limits = { .depth = 32, .tokens = 65536 };

#define NONE UINT32_MAX /* no container is open */

struct parser {
	const char *base, *p, *end;
	struct arena *arena;
	const struct json_limits *limits;
	struct json_tok *tok;
	uint32_t n, cap;
	uint32_t open, depth;
	struct slice *why;
};

static enum reeve_rc fail_at(struct parser *ps, const char *p, const char *text)
{
	*ps->why = arena_printf(ps->arena, "JSON: %s at byte %zu", text, (size_t)(p - ps->base));
	return RC_SYNTAX;
}

static enum reeve_rc over_limit(struct parser *ps, const char *text, uint32_t limit)
{
	*ps->why = arena_printf(ps->arena, "JSON: more than %u %s at byte %zu", limit, text, (size_t)(ps->p - ps->base));
	return RC_LIMIT;
}

/* ---- tokens ---- */

static enum reeve_rc grow(struct parser *ps)
{
	uint32_t cap = ps->cap > UINT32_MAX / 4 ? UINT32_MAX / 2 : ps->cap * 2;
	struct json_tok *t;

	if (ps->n >= ps->limits->tokens)
		return over_limit(ps, "values", ps->limits->tokens);
	t = arena_alloc(ps->arena, (size_t)cap * sizeof(*t));
	if (!t)
		return RC_NOMEM;
	memcpy(t, ps->tok, ps->n * sizeof(*t));
	ps->tok = t;
	ps->cap = cap < ps->limits->tokens ? cap : ps->limits->tokens;
	return RC_OK;
}

/* A token that starts at ps->p and has no end yet. */
static inline enum reeve_rc add(struct parser *ps, enum json_kind kind)
{
	if (ps->n == ps->cap) {
		enum reeve_rc rc = grow(ps);
		if (rc)
			return rc;
	}
	ps->tok[ps->n] = (struct json_tok){ .kind = (uint8_t)kind, .at = (uint32_t)(ps->p - ps->base), .next = ps->n + 1 };
	ps->n++;
	return RC_OK;
}

static inline void skip_blanks(struct parser *ps)
{
	const char *p = ps->p;
	while (p < ps->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	ps->p = p;
}

static enum reeve_rc literal(struct parser *ps, enum json_kind kind, struct slice word)
{
	enum reeve_rc rc;

	if ((size_t)(ps->end - ps->p) < word.n || memcmp(ps->p, word.p, word.n) != 0)
		return fail_at(ps, ps->p, "no value");
	rc = add(ps, kind);
	if (rc)
		return rc;
	ps->p += word.n;
	ps->tok[ps->n - 1].end = (uint32_t)(ps->p - ps->base);
	return RC_OK;
}

static inline bool is_digit(const char *p, const char *end) { return p < end && (unsigned)(*p - '0') <= 9; }

static const char *digits(const char *p, const char *end)
{
	while (is_digit(p, end))
		p++;
	return p;
}

static enum reeve_rc number(struct parser *ps)
{
	const char *p = ps->p, *end = ps->end;
	enum reeve_rc rc = add(ps, J_NUMBER);
	struct json_tok *t;

	if (rc)
		return rc;
	t = &ps->tok[ps->n - 1];
	t->integer = true;
	p += *p == '-';
	if (!is_digit(p, end))
		return fail_at(ps, p, "a digit is missing");
	if (*p == '0' && is_digit(p + 1, end))
		return fail_at(ps, p, "a number with a leading zero");
	p = digits(p, end);
	if (p < end && *p == '.') {
		if (!is_digit(++p, end))
			return fail_at(ps, p, "a digit is missing");
		p = digits(p, end);
		t->integer = false;
	}
	if (p < end && (*p | 0x20) == 'e') {
		p++;
		p += p < end && (*p == '+' || *p == '-');
		if (!is_digit(p, end))
			return fail_at(ps, p, "a digit is missing");
		p = digits(p, end);
		t->integer = false;
	}
	ps->p = p;
	t->end = (uint32_t)(p - ps->base);
	return RC_OK;
}

/* One escape at *p (on the backslash). */
static enum reeve_rc escape(struct parser *ps, const char **p)
{
	const char *q = *p;
	uint32_t c;

	if (ps->end - q < 2)
		return fail_at(ps, q, "a string without end");
	if (q[1] != 'u') {
		if (!json_escape_char(q[1]))
			return fail_at(ps, q, "an unknown escape");
		*p = q + 2;
		return RC_OK;
	}
	if (ps->end - q < 6 || !json_hex4(q + 2, &c))
		return fail_at(ps, q, "four hexadecimal digits are missing");
	if (c == 0)
		return fail_at(ps, q, "a NUL in a string");
	if (c >= 0xd800 && c <= 0xdfff) {
		uint32_t low;
		if (c >= 0xdc00 || ps->end - q < 12 || q[6] != '\\' || q[7] != 'u' || !json_hex4(q + 8, &low) ||
		    low < 0xdc00 || low > 0xdfff)
			return fail_at(ps, q, "half of a surrogate pair");
		q += 6;
	}
	*p = q + 6;
	return RC_OK;
}

/* A string at ps->p; the token is the last one. */
static inline enum reeve_rc string(struct parser *ps)
{
	enum reeve_rc rc = add(ps, J_STRING);
	const char *p = ps->p + 1, *end = ps->end;

	if (rc)
		return rc;
	for (;;) {
		p = json_plain(p, end);
		if (p == end)
			return fail_at(ps, ps->p, "a string without end");
		if (*p == '"')
			break;
		if (*p == '\\') {
			ps->tok[ps->n - 1].escaped = true;
			rc = escape(ps, &p);
			if (rc)
				return rc;
		} else if ((unsigned char)*p < 0x20) {
			return fail_at(ps, p, "a control character in a string");
		} else {
			size_t n = slice_utf8_char(slice_of(p, (size_t)(end - p)));
			if (!n)
				return fail_at(ps, p, "no UTF-8");
			p += n;
		}
	}
	ps->p = p + 1;
	ps->tok[ps->n - 1].end = (uint32_t)(ps->p - ps->base);
	return RC_OK;
}

/* ---- duplicate member names ---- */

static enum reeve_rc duplicate(struct parser *ps, uint32_t key)
{
	return fail_at(ps, ps->base + ps->tok[key].at, "a member name that was there already");
}

static enum reeve_rc check_many(struct parser *ps, const struct json *j, uint32_t obj)
{
	enum reeve_rc rc = RC_OK;
	struct json_keys k;

	if (!json_keys_init(&k, ps->tok[obj].count))
		rc = RC_NOMEM;
	for (uint32_t i = obj + 1; !rc && i < ps->n; i = ps->tok[i + 1].next) {
		uint32_t *slot = json_keys_slot(&k, j, j, i);
		if (!slot)
			rc = RC_NOMEM;
		else if (*slot)
			rc = duplicate(ps, i);
		else
			*slot = i;
	}
	json_keys_free(&k);
	return rc;
}

/* A filter: names that differ in it differ. A name with an escape is compared with all, and all with it. */
static uint64_t name_bit(const struct json *j, uint32_t i)
{
	struct slice s = json_inner(j, i);
	size_t mix = s.n * 5;

	if (j->tok[i].escaped)
		return ~UINT64_C(0);
	if (s.n)
		mix += (unsigned char)s.p[0] * 3u + (unsigned char)s.p[s.n - 1];
	return UINT64_C(1) << (mix & 63);
}

/* All names of the object at obj, whose last token is the last of all, differ. */
static enum reeve_rc check_names(struct parser *ps, uint32_t obj)
{
	struct json j = { slice_of(ps->base, (size_t)(ps->end - ps->base)), ps->tok, ps->n };
	uint64_t seen = 0, bit;

	if (ps->tok[obj].count < 2)
		return RC_OK;
	if (ps->tok[obj].count > JSON_FEW_KEYS)
		return check_many(ps, &j, obj);
	for (uint32_t i = obj + 1; i < ps->n; i = ps->tok[i + 1].next) {
		bit = name_bit(&j, i);
		if ((seen & bit) && json_find_key(&j, obj + 1, i, &j, i))
			return duplicate(ps, i);
		seen |= bit;
	}
	return RC_OK;
}

/* ---- structure ---- */

static enum reeve_rc key(struct parser *ps)
{
	enum reeve_rc rc;

	skip_blanks(ps);
	if (ps->p == ps->end || *ps->p != '"')
		return fail_at(ps, ps->p, "a member name is missing");
	rc = string(ps);
	if (rc)
		return rc;
	skip_blanks(ps);
	if (ps->p == ps->end || *ps->p != ':')
		return fail_at(ps, ps->p, "':' is missing");
	ps->p++;
	return RC_OK;
}

/* Open a container; *value is whether a value comes next. */
static enum reeve_rc open_container(struct parser *ps, bool *value)
{
	bool object = *ps->p == '{';
	enum reeve_rc rc;

	if (ps->depth == ps->limits->depth)
		return over_limit(ps, "levels of nesting", ps->limits->depth);
	rc = add(ps, object ? J_OBJECT : J_ARRAY);
	if (rc)
		return rc;
	ps->tok[ps->n - 1].next = ps->open;
	ps->open = ps->n - 1;
	ps->depth++;
	ps->p++;
	skip_blanks(ps);
	*value = !(ps->p < ps->end && *ps->p == (object ? '}' : ']'));
	return *value && object ? key(ps) : RC_OK;
}

static enum reeve_rc close_container(struct parser *ps)
{
	struct json_tok *t = &ps->tok[ps->open];
	uint32_t self = ps->open;

	ps->p++;
	ps->open = t->next;
	ps->depth--;
	t->next = ps->n;
	t->end = (uint32_t)(ps->p - ps->base);
	return t->kind == J_OBJECT ? check_names(ps, self) : RC_OK;
}

static inline enum reeve_rc value(struct parser *ps, bool *more)
{
	skip_blanks(ps);
	*more = false;
	if (ps->p == ps->end)
		return fail_at(ps, ps->p, "a value is missing");
	if (ps->open != NONE)
		ps->tok[ps->open].count++;
	switch (*ps->p) {
	case '"':
		return string(ps);
	case '{':
	case '[':
		return open_container(ps, more);
	case 't':
		return literal(ps, J_TRUE, S("true"));
	case 'f':
		return literal(ps, J_FALSE, S("false"));
	case 'n':
		return literal(ps, J_NULL, S("null"));
	default:
		if (*ps->p == '-' || (unsigned)(*ps->p - '0') <= 9)
			return number(ps);
		return fail_at(ps, ps->p, "no value");
	}
}

/* Behind a value: a comma (and a key), or the ends of any containers. *more: a value is due. */
static inline enum reeve_rc separator(struct parser *ps, bool *more)
{
	while (ps->open != NONE) {
		bool object = ps->tok[ps->open].kind == J_OBJECT;
		enum reeve_rc rc;

		skip_blanks(ps);
		if (ps->p == ps->end)
			return fail_at(ps, ps->p, object ? "an object without end" : "an array without end");
		if (*ps->p == ',') {
			ps->p++;
			*more = true;
			return object ? key(ps) : RC_OK;
		}
		if (*ps->p != (object ? '}' : ']'))
			return fail_at(ps, ps->p, object ? "',' or '}' is missing" : "',' or ']' is missing");
		rc = close_container(ps);
		if (rc)
			return rc;
	}
	*more = false;
	return RC_OK;
}

static enum reeve_rc run(struct parser *ps)
{
	enum reeve_rc rc;
	bool more = true;

	while (more) {
		rc = value(ps, &more);
		if (!rc && !more)
			rc = separator(ps, &more);
		if (rc)
			return rc;
	}
	skip_blanks(ps);
	return ps->p == ps->end ? RC_OK : fail_at(ps, ps->p, "something behind the value");
}

enum reeve_rc json_parse(struct arena *a, struct slice text, const struct json_limits *limits, struct json *out,
			 struct slice *why)
{
	struct parser ps = { .base = text.p, .p = text.p, .end = text.p + text.n, .arena = a, .open = NONE,
			     .limits = limits ? limits : &json_default_limits, .why = why };
	size_t cap = text.n / 8 + 8;
	enum reeve_rc rc;

	*why = slice_of(NULL, 0);
	if (text.n == 0)
		return fail_at(&ps, ps.p, "a value is missing");
	if (text.n >= UINT32_MAX)
		return over_limit(&ps, "bytes", UINT32_MAX - 1);
	if (cap > ps.limits->tokens)
		cap = ps.limits->tokens;
	ps.cap = (uint32_t)cap;
	ps.tok = arena_alloc(a, cap * sizeof(*ps.tok));
	if (!ps.tok)
		return RC_NOMEM;
	rc = run(&ps);
	if (!rc)
		*out = (struct json){ text, ps.tok, ps.n };
	return rc;
}
