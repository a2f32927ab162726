/* SPDX-License-Identifier: Apache-2.0 */
/* The two small languages inside Filter Criteria: labelsQuery (TS-0004 7.3.3.17.16) and contentFilterQuery in its
 * "jsonpath" syntax (TS-0001 J.2).
 *
 * Both are evaluated while they are read: an expression is short and nothing is kept between resources. The whole is
 * always read, so that the answer to "is it well formed" does not depend on the data; the syntax checks
 * are the evaluators without data. No recursion: the grammars do not nest. */
#include "core/discover/filter.h"

#include <math.h>
#include <stdlib.h>

#include "core/discover/filter_int.h"

static bool blank(char c) { return c == ' ' || c == '\t'; }

static struct slice trim(struct slice s) { return slice_trim(s, S(" \t")); }

/* Cut the next run of bytes without blanks off *rest; empty at the end. */
static struct slice word(struct slice *rest)
{
	struct slice w;

	*rest = trim(*rest);
	w = *rest;
	for (w.n = 0; w.n < rest->n && !blank(w.p[w.n]); w.n++)
		;
	*rest = slice_skip(*rest, w.n);
	return w;
}

/* --- labelsQuery --- */

enum label_op { L_HAS, L_PAIR, L_NT, L_EQ, L_NE, L_IN, L_NI };

struct label_query {
	enum label_op op;
	struct slice key;     /* L_PAIR: key and value as one label */
	struct slice value[FILTER_TERMS];
	size_t n;
};

static bool no_marks(struct slice s)
{
	return s.n && slice_find(s, '(') < 0 && slice_find(s, ')') < 0;
}

/* "(v1, v2)" */
static bool value_list(struct slice s, struct label_query *q)
{
	struct slice rest;

	if (s.n < 2 || s.p[0] != '(' || s.p[s.n - 1] != ')')
		return false;
	rest = slice_of(s.p + 1, s.n - 2);
	while (rest.p) {
		struct slice v = trim(slice_cut(&rest, ','));

		if (!no_marks(v) || q->n == FILTER_TERMS)
			return false;
		q->value[q->n++] = v;
	}
	return q->n > 0;
}

static bool label_keyword(struct slice w, enum label_op *op)
{
	static const char names[][3] = { "NT", "EQ", "NE", "IN", "NI" };

	for (size_t i = 0; i < 5; i++)
		if (slice_eq(w, slice_str(names[i]))) {
			*op = L_NT + (enum label_op)i;
			return true;
		}
	return false;
}

/* A key is one word, so that "color LIKE red" is no key with blanks but a mistake. */
static bool label_key(struct slice s) { return no_marks(s) && slice_find(s, ' ') < 0 && slice_find(s, '\t') < 0; }

/* Keywords are upper case and stand alone between blanks; a value may contain blanks, but no keyword. */
static bool label_parse(struct slice expr, struct label_query *q)
{
	struct slice rest = trim(expr), left, w;
	enum label_op op;
	bool first = true;

	*q = (struct label_query){ .op = L_HAS };
	if (!rest.n || rest.n > FILTER_EXPR)
		return false;
	left = rest;
	for (w = word(&rest); w.n; w = word(&rest), first = false) {
		if (!label_keyword(w, &op))
			continue;
		if (q->op != L_HAS || (op == L_NT) != first)
			return false;
		q->op = op;
		if (op != L_NT)
			q->key = trim(slice_of(left.p, (size_t)(w.p - left.p)));
		left = trim(rest);
	}
	switch (q->op) {
	case L_HAS:
		q->key = left;
		if (slice_find(left, ':') > 0)
			q->op = L_PAIR;
		left.n = q->op == L_PAIR ? (size_t)slice_find(left, ':') : left.n;
		return label_key(left) && left.p[0] != ':' && no_marks(q->key) && q->key.p[q->key.n - 1] != ':';
	case L_NT:
		q->key = left;
		break;
	case L_EQ: case L_NE:
		q->value[0] = left;
		q->n = 1;
		if (!no_marks(left))
			return false;
		break;
	default:
		if (!value_list(left, q))
			return false;
		break;
	}
	return label_key(q->key) && slice_find(q->key, ':') < 0;
}

/* Value of a "key:value" label with this key; p == NULL when the label is "key" alone. False for another key. */
static bool label_of_key(struct slice label, struct slice key, struct slice *value)
{
	*value = (struct slice){ NULL, 0 };
	if (!slice_starts(label, key))
		return false;
	if (label.n == key.n)
		return true;
	if (label.p[key.n] != ':')
		return false;
	*value = slice_skip(label, key.n + 1);
	return true;
}

static bool label_eval(const struct label_query *q, const struct slice *labels, size_t n)
{
	bool has = false, pair = false, listed = false;

	for (size_t i = 0; i < n; i++) {
		struct slice value;

		if (q->op == L_PAIR) {
			if (slice_eq(labels[i], q->key))
				return true;
			continue;
		}
		if (!label_of_key(labels[i], q->key, &value))
			continue;
		has = true;
		pair |= value.p != NULL;
		for (size_t k = 0; value.p && k < q->n; k++)
			listed |= slice_eq(value, q->value[k]);
	}
	switch (q->op) {
	case L_HAS:
		return has;
	case L_NT:
		return !has;
	case L_EQ: case L_IN:
		return listed;
	case L_NE: case L_NI:
		return pair && !listed;
	default:
		return false;
	}
}

enum reeve_rc filter_labels_syntax(struct slice expr)
{
	struct label_query q;

	return label_parse(expr, &q) ? RC_OK : RC_SYNTAX;
}

enum reeve_rc filter_labels_query(struct slice expr, const struct slice *labels, size_t n, bool *match)
{
	struct label_query q;

	*match = false;
	if (!label_parse(expr, &q))
		return RC_SYNTAX;
	*match = label_eval(&q, labels, n);
	return RC_OK;
}

/* --- contentFilterQuery --- */

enum content_op { C_EQ, C_NE, C_GT, C_LT, C_GE, C_LE, C_MATCH };

struct literal {
	struct slice text;   /* escapes still in it when quoted */
	bool quoted;
};

struct content {
	struct arena *a;
	const struct json *doc; /* NULL: only the syntax is of interest */
	struct slice rest;
};

/* A quoted run: *inner without quotes; a backslash takes the next byte with it. False when it does not end. */
static bool quoted(struct slice *rest, struct slice *inner)
{
	size_t i = 1;

	while (i < rest->n && rest->p[i] != '"')
		i += rest->p[i] == '\\' ? 2 : 1;
	if (i >= rest->n)
		return false;
	*inner = slice_of(rest->p + 1, i - 1);
	*rest = slice_skip(*rest, i + 1);
	return true;
}

/* Bytes of a quoted run with \" and \\ resolved. */
static struct slice unquote(struct arena *a, struct slice s)
{
	char *p;
	size_t n = 0;

	if (slice_find(s, '\\') < 0)
		return s;
	p = arena_alloc(a, s.n);
	if (!p)
		return (struct slice){ NULL, 0 };
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		p[n++] = s.p[i];
	}
	return slice_of(p, n);
}

static uint32_t member_of(struct content *c, uint32_t at, struct slice name, bool esc)
{
	const struct json *j = c->doc;

	if (!j || at == UINT32_MAX)
		return UINT32_MAX;
	if (esc)
		name = unquote(c->a, name);
	at = name.p ? json_member(j, at, name) : 0;
	return at ? at : UINT32_MAX;
}

static uint32_t element_of(const struct json *j, uint32_t at, uint64_t n)
{
	uint32_t e;

	if (!j || at == UINT32_MAX || json_kind(j, at) != J_ARRAY || n >= j->tok[at].count)
		return UINT32_MAX;
	for (e = at + 1; n; n--)
		e = j->tok[e].next;
	return e;
}

/* "$.a[0]."odd name"". *at: the token it leads to, UINT32_MAX when it leads nowhere. */
static bool content_path(struct content *c, uint32_t *at)
{
	struct slice *r = &c->rest, name;

	*r = trim(*r);
	if (!r->n || r->p[0] != '$')
		return false;
	*r = slice_skip(*r, 1);
	*at = c->doc ? 0 : UINT32_MAX;
	for (unsigned step = 0; r->n && !blank(r->p[0]); step++) {
		char first = r->p[0];
		ptrdiff_t end;
		uint64_t n;

		if (step == FILTER_PATH_STEPS)
			return false;
		*r = slice_skip(*r, 1);
		if (first == '[') {
			end = slice_find(*r, ']');
			if (end <= 0 || !slice_u64(slice_of(r->p, (size_t)end), &n))
				return false;
			*at = element_of(c->doc, *at, n);
			*r = slice_skip(*r, (size_t)end + 1);
		} else if (first == '.' && r->n && r->p[0] == '"') {
			if (!quoted(r, &name) || !name.n)
				return false;
			*at = member_of(c, *at, name, true);
		} else if (first == '.') {
			name = *r;
			for (name.n = 0; name.n < r->n && !memchr("$. \t[]{}\"", name.p[name.n], 9); name.n++)
				;
			if (!name.n)
				return false;
			*at = member_of(c, *at, name, false);
			*r = slice_skip(*r, name.n);
		} else {
			return false;
		}
	}
	return true;
}

static bool content_op(struct content *c, enum content_op *op)
{
	static const char *const names[] = { "EQ", "NE", "GT", "LT", "GE", "LE", "MATCH" };
	struct slice w = word(&c->rest);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq(w, slice_str(names[i]))) {
			*op = (enum content_op)i;
			return true;
		}
	return false;
}

static bool content_literal(struct content *c, struct literal *l)
{
	c->rest = trim(c->rest);
	if (!c->rest.n)
		return false;
	l->quoted = c->rest.p[0] == '"';
	if (!l->quoted) {
		l->text = word(&c->rest);
		return slice_find(l->text, '"') < 0;
	}
	return quoted(&c->rest, &l->text) && (!c->rest.n || blank(c->rest.p[0]));
}

/* A decimal number as JSON writes it. */
static bool number(struct slice s, double *out)
{
	char tmp[64], *end;

	if (!s.n || s.n >= sizeof(tmp))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!memchr("0123456789+-.eE", s.p[i], 15))
			return false;
	memcpy(tmp, s.p, s.n);
	tmp[s.n] = 0;
	*out = strtod(tmp, &end);
	return *end == 0 && isfinite(*out);
}

/* -1, 0, 1; integers are compared as such, so that large ones keep their last digits. */
static int compare(struct slice a, double da, struct slice b, double db)
{
	int64_t ia, ib;

	if (slice_i64(a, &ia) && slice_i64(b, &ib))
		return ia < ib ? -1 : ia > ib;
	return da < db ? -1 : da > db;
}

/* A bare literal equals a number of the same value, and a string or boolean spelt like it; a quoted one only strings. */
static bool content_equal(struct content *c, uint32_t at, const struct literal *l)
{
	const struct json *j = c->doc;
	struct slice text = l->quoted ? unquote(c->a, l->text) : l->text;
	double a, b;

	switch (json_kind(j, at)) {
	case J_STRING:
		return text.p && json_string_is(j, at, text);
	case J_NUMBER:
		return !l->quoted && json_double(j, at, &a) && number(text, &b) && compare(json_raw(j, at), a, text, b) == 0;
	case J_TRUE: case J_FALSE: case J_NULL:
		return !l->quoted && slice_eq(json_raw(j, at), text);
	default:
		return false;
	}
}

static bool content_test(struct content *c, uint32_t at, enum content_op op, const struct literal *l)
{
	struct slice text, value;
	double a, b;
	int order;

	if (!c->doc || at == UINT32_MAX)
		return false;
	if (op == C_EQ || op == C_NE)
		return content_equal(c, at, l) == (op == C_EQ);
	if (op == C_MATCH) {
		value = json_string(c->a, c->doc, at);
		text = l->quoted ? unquote(c->a, l->text) : l->text;
		return value.p && text.p && (!text.n || memmem(value.p, value.n, text.p, text.n));
	}
	if (l->quoted || json_kind(c->doc, at) != J_NUMBER || !json_double(c->doc, at, &a) || !number(l->text, &b))
		return false;
	order = compare(json_raw(c->doc, at), a, l->text, b);
	return op == C_GT ? order > 0 : op == C_LT ? order < 0 : op == C_GE ? order >= 0 : order <= 0;
}

/* condition *( (AND | OR) condition ); AND binds closer. */
static enum reeve_rc content_eval(struct content *c, bool *match)
{
	bool any = false, all = true;

	if (c->rest.n > FILTER_EXPR)
		return RC_SYNTAX;
	for (unsigned terms = 0; terms < FILTER_TERMS; terms++) {
		enum content_op op;
		struct literal l;
		struct slice w;
		uint32_t at;
		double d;

		if (!content_path(c, &at) || !content_op(c, &op) || !content_literal(c, &l))
			return RC_SYNTAX;
		if (op >= C_GT && op <= C_LE && (l.quoted || !number(l.text, &d)))
			return RC_SYNTAX;
		all = all && content_test(c, at, op, &l);
		w = word(&c->rest);
		if (slice_eq(w, S("AND")))
			continue;
		any = any || all;
		all = true;
		if (slice_eq(w, S("OR")))
			continue;
		*match = any;
		return w.n ? RC_SYNTAX : RC_OK;
	}
	return RC_SYNTAX;
}

enum reeve_rc filter_content_syntax(struct slice expr)
{
	struct content c = { .rest = expr };
	bool match;

	return content_eval(&c, &match);
}

enum reeve_rc filter_content_query(struct arena *a, struct slice expr, const struct json *doc, bool *match)
{
	struct content c = { .a = a, .doc = doc, .rest = expr };
	enum reeve_rc rc;

	*match = false;
	rc = content_eval(&c, match);
	if (rc)
		*match = false;
	return rc;
}
