/* SPDX-License-Identifier: Apache-2.0 */
/* Filter Criteria: from query fields and from JSON into struct filter.
 *
 * One table row per condition says its short name, how its values look and where they go; both ways in end in
 * add_value, so that a value is checked the same way however it came. Everything that can be refused is
 * refused here (TS-0004 7.3.3.17): matching (filter_match.c) never meets a malformed condition. */
#include "core/discover/filter.h"

#include <stddef.h>

#include "codec/model.h"
#include "codec/text.h"
#include "core/discover/filter_int.h"

enum kind { TIME, NUMBER, TYPES, TEXTS, TEXT, SMALL };

struct cond {
	const char *name;
	enum kind kind;
	bool matching;       /* a matching condition, not one about handling */
	size_t at;           /* offset in struct filter */
	int64_t least, most; /* NUMBER, SMALL */
};

#define AT(member) offsetof(struct filter, member)
static const struct cond conds[] = {
	{ "crb", TIME, true, AT(crb), 0, 0 },
	{ "cra", TIME, true, AT(cra), 0, 0 },
	{ "ms", TIME, true, AT(ms), 0, 0 },
	{ "us", TIME, true, AT(us), 0, 0 },
	{ "exb", TIME, true, AT(exb), 0, 0 },
	{ "exa", TIME, true, AT(exa), 0, 0 },
	{ "sts", NUMBER, true, AT(sts), 1, INT64_MAX },
	{ "stb", NUMBER, true, AT(stb), 0, INT64_MAX },
	{ "sza", NUMBER, true, AT(sza), 0, INT64_MAX },
	{ "szb", NUMBER, true, AT(szb), 1, INT64_MAX },
	{ "lbl", TEXTS, true, AT(lbl), 0, 0 },
	{ "clbl", TEXTS, true, AT(clbl), 0, 0 },
	{ "palb", TEXTS, true, AT(palb), 0, 0 },
	{ "lbq", TEXTS, true, AT(lbq), 0, 0 },
	{ "cty", TEXTS, true, AT(cty), 0, 0 },
	{ "smf", TEXTS, true, AT(smf), 0, 0 },
	{ "ty", TYPES, true, AT(ty), 0, 0 },
	{ "chty", TYPES, true, AT(chty), 0, 0 },
	{ "pty", TYPES, true, AT(pty), 0, 0 },
	{ "cfq", TEXT, true, AT(cfq), 0, 0 },
	{ "cfs", SMALL, false, AT(cfs), 1, 1 },
	{ "fu", SMALL, false, AT(fu), 1, 3 },
	{ "fo", SMALL, false, AT(fo), 1, 2 },
	{ "lim", NUMBER, false, AT(lim), 0, INT64_MAX },
	{ "lvl", NUMBER, false, AT(lvl), 1, INT64_MAX },
	{ "ofst", NUMBER, false, AT(ofst), 1, INT64_MAX },
	{ "arp", TEXT, false, AT(arp), 0, 0 },
};

void filter_init(struct filter *f)
{
	*f = (struct filter){
		.crb = USEC_NEVER, .cra = USEC_NEVER, .ms = USEC_NEVER, .us = USEC_NEVER, .exb = USEC_NEVER, .exa = USEC_NEVER,
		.sts = -1, .stb = -1, .sza = -1, .szb = -1, .lim = -1, .lvl = -1, .ofst = -1,
	};
}

static const struct cond *find_cond(struct slice name)
{
	for (size_t i = 0; i < sizeof(conds) / sizeof(conds[0]); i++)
		if (slice_eq(name, slice_str(conds[i].name)))
			return &conds[i];
	return NULL;
}

/* Room for one more of `size` in a list that grows by doubling: capacity is the power of two at or above n. */
static enum reeve_rc grow(struct arena *a, void **v, size_t n, size_t size)
{
	void *more;

	if (n >= FILTER_VALUES)
		return RC_INVALID;
	if (n & (n - 1) || n == 1) /* room is left: capacity starts at 2 */
		return RC_OK;
	more = arena_array(a, n ? 2 * n : 2, size);
	if (!more)
		return RC_NOMEM;
	if (n)
		memcpy(more, *v, n * size);
	*v = more;
	return RC_OK;
}

static enum reeve_rc add_text(struct filter_list *l, struct arena *a, struct slice s)
{
	void *v = l->v;
	enum reeve_rc rc = grow(a, &v, l->n, sizeof(*l->v));

	l->v = v;
	if (rc)
		return rc;
	s = arena_dup(a, s);
	if (!s.p)
		return RC_NOMEM;
	l->v[l->n++] = s;
	return RC_OK;
}

static enum reeve_rc add_number(struct filter_nums *l, struct arena *a, int64_t n)
{
	void *v = l->v;
	enum reeve_rc rc = grow(a, &v, l->n, sizeof(*l->v));

	l->v = v;
	if (!rc)
		l->v[l->n++] = n;
	return rc;
}

/* An applyRelativePath is names, "." and ".." between slashes; what it leads to is looked up later. */
static bool relative_path(struct slice s)
{
	struct slice rest = s;

	if (!s.n || s.n > FILTER_EXPR)
		return false;
	while (rest.p) {
		struct slice part = slice_cut(&rest, '/');
		if (!slice_eq(part, S(".")) && !slice_eq(part, S("..")) && !text_name(part, FILTER_EXPR))
			return false;
	}
	return true;
}

static enum reeve_rc wrong(struct slice *why, struct arena *a, const struct cond *c, const char *expected)
{
	*why = arena_printf(a, "%s: %s", c->name, expected);
	return RC_INVALID;
}

/* Text values: what is not an expression is only bounded by the size of the message. */
static enum reeve_rc check_text(const struct cond *c, struct arena *a, struct slice value, struct slice *why)
{
	if (!value.n)
		return wrong(why, a, c, "a value is missing");
	if (!strcmp(c->name, "lbq") && filter_labels_syntax(value))
		return wrong(why, a, c, "expected \"key\", \"NT key\", \"key EQ value\", \"key:value\", \"key NE value\", "
				"\"key IN (v1, v2)\" or \"key NI (v1, v2)\"");
	if (!strcmp(c->name, "cfq") && filter_content_syntax(value))
		return wrong(why, a, c, "expected conditions like $.name EQ value, joined by AND or OR");
	if (!strcmp(c->name, "arp") && !relative_path(value))
		return wrong(why, a, c, "expected a relative path of resource names");
	return RC_OK;
}

static enum reeve_rc add_single(struct filter *f, struct arena *a, const struct cond *c, struct slice value, struct slice *why)
{
	char *at = (char *)f + c->at;
	int64_t n;

	switch (c->kind) {
	case TIME:
		if (*(usec *)(void *)at != USEC_NEVER)
			return wrong(why, a, c, "given twice");
		if (!text_timestamp(value, (usec *)(void *)at)) {
			*(usec *)(void *)at = USEC_NEVER;
			return wrong(why, a, c, "expected a timestamp YYYYMMDDThhmmss");
		}
		return RC_OK;
	case TEXT:
		if (((struct slice *)(void *)at)->p)
			return wrong(why, a, c, "given twice");
		*(struct slice *)(void *)at = arena_dup(a, value);
		return ((struct slice *)(void *)at)->p ? RC_OK : RC_NOMEM;
	default:
		break;
	}
	if (c->kind == NUMBER ? *(int64_t *)(void *)at != -1 : *(int *)(void *)at != 0)
		return wrong(why, a, c, "given twice");
	if (!slice_i64(value, &n) || n < c->least || n > c->most) {
		*why = c->most == INT64_MAX ? arena_printf(a, "%s: expected a number from %d up", c->name, (int)c->least)
			: arena_printf(a, "%s: expected a number from %d to %d", c->name, (int)c->least, (int)c->most);
		return RC_INVALID;
	}
	if (c->kind == NUMBER)
		*(int64_t *)(void *)at = n;
	else
		*(int *)(void *)at = (int)n;
	return RC_OK;
}

static enum reeve_rc add_value(struct filter *f, struct arena *a, const struct cond *c, struct slice value, struct slice *why)
{
	char *at = (char *)f + c->at;
	enum reeve_rc rc = RC_OK;
	int64_t n;

	if (c->kind == TEXTS || c->kind == TEXT)
		rc = check_text(c, a, value, why);
	if (rc)
		return rc;
	if (c->kind == TEXTS) {
		rc = add_text((struct filter_list *)(void *)at, a, value);
		if (rc == RC_INVALID)
			wrong(why, a, c, "too many values");
	} else if (c->kind == TYPES) {
		if (!slice_i64(value, &n) || !model_is_type(n))
			return wrong(why, a, c, "expected the number of a resource type");
		rc = add_number((struct filter_nums *)(void *)at, a, n);
		if (rc == RC_INVALID)
			wrong(why, a, c, "too many values");
	} else {
		rc = add_single(f, a, c, value, why);
	}
	if (!rc && c->matching)
		f->any = true;
	return rc;
}

enum reeve_rc filter_add(struct filter *f, struct arena *a, struct slice name, struct slice value, struct slice *why)
{
	const struct cond *c = find_cond(name);

	*why = S("");
	return c ? add_value(f, a, c, value, why) : RC_NOTFOUND;
}

/* --- attribute conditions --- */

/* Attributes with a condition of their own (TS-0004 7.3.3.17.9). */
static bool usable(struct slice name)
{
	static const char *const others[] = { "ct", "lt", "st", "et", "lbl", "ty", "cs", "cnf" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (slice_eq(name, slice_str(others[i])))
			return false;
	if (!name.n || name.n > 64)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

		if (!letter && (i == 0 || ((c < '0' || c > '9') && c != '-' && c != '.')))
			return false;
	}
	return true;
}

static enum reeve_rc add_attr(struct filter_attr **v, size_t *n, struct arena *a, struct slice name, struct slice value)
{
	void *list = *v;
	enum reeve_rc rc;

	if (!usable(name))
		return RC_INVALID;
	rc = grow(a, &list, *n, sizeof(**v));
	*v = list;
	if (rc)
		return rc;
	(*v)[*n] = (struct filter_attr){ arena_dup(a, name), arena_dup(a, value) };
	if (!(*v)[*n].name.p || !(*v)[*n].value.p)
		return RC_NOMEM;
	++*n;
	return RC_OK;
}

enum reeve_rc filter_attr_add(struct filter *f, struct arena *a, struct slice name, struct slice value)
{
	enum reeve_rc rc;

	if (slice_starts(name, S("c.")))
		rc = add_attr(&f->catr, &f->n_catr, a, slice_skip(name, 2), value);
	else if (slice_starts(name, S("p.")))
		rc = add_attr(&f->patr, &f->n_patr, a, slice_skip(name, 2), value);
	else
		rc = add_attr(&f->atr, &f->n_atr, a, name, value);
	if (!rc)
		f->any = true;
	return rc;
}

/* --- JSON --- */

/* A scalar as text: strings unescaped, numbers and booleans as written. p == NULL for anything else. */
static struct slice scalar(struct arena *a, const struct json *j, uint32_t i)
{
	switch (json_kind(j, i)) {
	case J_STRING:
		return json_string(a, j, i);
	case J_NUMBER: case J_TRUE: case J_FALSE:
		return json_raw(j, i);
	default:
		return (struct slice){ NULL, 0 };
	}
}

/* [{"nm":..,"val":..}, ...]. An eventNotificationCriteria has a list of names under the same key: not a condition. */
static enum reeve_rc attrs_from_json(struct filter *f, struct arena *a, struct slice key, const struct json *j, uint32_t i,
				     struct slice *why)
{
	struct filter_attr **v = slice_eq(key, S("atr")) ? &f->atr : slice_eq(key, S("catr")) ? &f->catr : &f->patr;
	size_t *n = slice_eq(key, S("atr")) ? &f->n_atr : slice_eq(key, S("catr")) ? &f->n_catr : &f->n_patr;

	*why = arena_printf(a, "%.*s: expected a list of {\"nm\":name,\"val\":value}, without ct, lt, st, et, lbl, ty, cs, cnf",
			    SF(key));
	if (json_kind(j, i) != J_ARRAY)
		return RC_INVALID;
	for (uint32_t e = i + 1; e < j->tok[i].next; e = j->tok[e].next) {
		uint32_t nm = json_member(j, e, S("nm")), val = json_member(j, e, S("val"));
		struct slice name, value;
		enum reeve_rc rc;

		if (json_kind(j, e) == J_STRING && slice_eq(key, S("atr")))
			continue;
		if (!nm || !val || j->tok[e].count != 2 || json_kind(j, nm) != J_STRING)
			return RC_INVALID;
		name = scalar(a, j, nm);
		value = scalar(a, j, val);
		if (a->failed)
			return RC_NOMEM;
		if (!name.p || !value.p)
			return RC_INVALID;
		rc = add_attr(v, n, a, name, value);
		if (rc)
			return rc;
		f->any = true;
	}
	*why = S("");
	return RC_OK;
}

/* Types and numbers are JSON numbers, the rest strings; what may come several times is an array. */
static enum reeve_rc cond_from_json(struct filter *f, struct arena *a, const struct cond *c, const struct json *j, uint32_t i,
				    struct slice *why)
{
	bool list = c->kind == TEXTS || c->kind == TYPES;
	enum json_kind want = c->kind == TYPES || c->kind == NUMBER || c->kind == SMALL ? J_NUMBER : J_STRING;
	uint32_t e = i, end = j->tok[i].next;

	if (list && json_kind(j, i) == J_ARRAY)
		e = i + 1;
	else if (list && strcmp(c->name, "lbq") != 0) /* one string in the data model, a list in the text of the standard */
		return wrong(why, a, c, "expected a list");
	for (; e < end; e = j->tok[e].next) {
		struct slice value;
		enum reeve_rc rc;

		if (json_kind(j, e) != want)
			return wrong(why, a, c, want == J_NUMBER ? "expected a number" : "expected a string");
		value = scalar(a, j, e);
		if (!value.p)
			return RC_NOMEM;
		rc = add_value(f, a, c, value, why);
		if (rc)
			return rc;
	}
	return RC_OK;
}

enum reeve_rc filter_from_json(struct filter *f, struct arena *a, const struct json *j, uint32_t i, struct slice *why)
{
	filter_init(f);
	*why = S("expected an object");
	if (json_kind(j, i) != J_OBJECT)
		return RC_INVALID;
	*why = S("");
	for (uint32_t k = i + 1; k < j->tok[i].next; k = j->tok[k + 1].next) {
		struct slice key = json_string(a, j, k);
		const struct cond *c;
		enum reeve_rc rc;

		if (!key.p)
			return RC_NOMEM;
		c = find_cond(key);
		if (c)
			rc = cond_from_json(f, a, c, j, k + 1, why);
		else if (slice_eq(key, S("atr")) || slice_eq(key, S("catr")) || slice_eq(key, S("patr")))
			rc = attrs_from_json(f, a, key, j, k + 1, why);
		else if (slice_eq(key, S("om")) || slice_eq(key, S("net")) || slice_eq(key, S("md")))
			rc = RC_OK; /* of eventNotificationCriteria, not filter conditions */
		else {
			*why = arena_printf(a, "%.*s: no filter condition", SF(key));
			rc = RC_INVALID;
		}
		if (rc)
			return rc;
	}
	return RC_OK;
}

static void write_list(struct buf *b, const struct cond *c, const struct filter_list *l)
{
	bool one = !strcmp(c->name, "lbq") && l->n == 1;

	for (size_t i = 0; i < l->n; i++) {
		buf_slice(b, i ? S(",") : one ? S("") : S("["));
		buf_json(b, l->v[i]);
	}
	if (!one)
		buf_char(b, ']');
}

static void write_numbers(struct buf *b, const struct filter_nums *l)
{
	for (size_t i = 0; i < l->n; i++) {
		buf_char(b, i ? ',' : '[');
		buf_i64(b, l->v[i]);
	}
	buf_char(b, ']');
}

static void write_time(struct buf *b, usec t)
{
	char text[TEXT_TIMESTAMP_MAX];
	buf_json(b, slice_of(text, text_timestamp_write(t, text)));
}

static bool given(const struct cond *c, const void *at)
{
	switch (c->kind) {
	case TIME:
		return *(const usec *)at != USEC_NEVER;
	case NUMBER:
		return *(const int64_t *)at != -1;
	case SMALL:
		return *(const int *)at != 0;
	case TEXT:
		return ((const struct slice *)at)->p;
	case TYPES:
		return ((const struct filter_nums *)at)->n;
	default:
		return ((const struct filter_list *)at)->n;
	}
}

static void write_cond(struct buf *b, const struct cond *c, const void *at)
{
	buf_printf(b, "%s\"%s\":", b->p[b->n - 1] == '{' ? "" : ",", c->name);
	switch (c->kind) {
	case TIME:
		write_time(b, *(const usec *)at);
		break;
	case NUMBER:
		buf_i64(b, *(const int64_t *)at);
		break;
	case SMALL:
		buf_i64(b, *(const int *)at);
		break;
	case TEXT:
		buf_json(b, *(const struct slice *)at);
		break;
	case TYPES:
		write_numbers(b, at);
		break;
	default:
		write_list(b, c, at);
		break;
	}
}

static void write_attrs(struct buf *b, const char *name, const struct filter_attr *v, size_t n)
{
	for (size_t i = 0; i < n && !b->failed; i++) {
		if (i)
			buf_char(b, ',');
		else
			buf_printf(b, "%s\"%s\":[", b->p[b->n - 1] == '{' ? "" : ",", name);
		buf_lit(b, "{\"nm\":");
		buf_json(b, v[i].name);
		buf_lit(b, ",\"val\":");
		buf_json(b, v[i].value);
		buf_char(b, '}');
	}
	if (n)
		buf_char(b, ']');
}

void filter_to_json(struct buf *b, const struct filter *f)
{
	buf_char(b, '{');
	for (size_t i = 0; i < sizeof(conds) / sizeof(conds[0]) && !b->failed; i++) {
		const void *at = (const char *)f + conds[i].at;

		if (given(&conds[i], at))
			write_cond(b, &conds[i], at);
	}
	write_attrs(b, "atr", f->atr, f->n_atr);
	write_attrs(b, "catr", f->catr, f->n_catr);
	write_attrs(b, "patr", f->patr, f->n_patr);
	buf_char(b, '}');
}

enum reeve_rc filter_check(const struct filter *f, struct slice *why)
{
	if ((f->cfq.p != NULL) != (f->cfs != 0)) {
		*why = S("cfs and cfq come together");
		return RC_INVALID;
	}
	if (f->smf.n) {
		*why = S("smf: semantic filters are not supported");
		return RC_UNSUPPORTED;
	}
	return RC_OK;
}
