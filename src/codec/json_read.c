/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what json_parse made: members, strings, numbers, comparison, compact text. */
#include <math.h>
#include <stdlib.h>

#include "codec/json_names.h"
#include "codec/json_text.h"

uint32_t json_member(const struct json *j, uint32_t obj, struct slice key)
{
	if (j->tok[obj].kind != J_OBJECT)
		return 0;
	for (uint32_t i = obj + 1; i < j->tok[obj].next; i = j->tok[i + 1].next)
		if (json_string_is(j, i, key))
			return i + 1;
	return 0;
}

struct slice json_string(struct arena *a, const struct json *j, uint32_t i)
{
	struct slice s;
	char *out;

	if (j->tok[i].kind != J_STRING)
		return slice_of(NULL, 0);
	s = json_inner(j, i);
	if (!j->tok[i].escaped)
		return s;
	out = arena_alloc(a, s.n);
	return out ? slice_of(out, json_unescape(s, out)) : slice_of(NULL, 0);
}

bool json_string_is(const struct json *j, uint32_t i, struct slice s)
{
	if (j->tok[i].kind != J_STRING)
		return false;
	return j->tok[i].escaped ? json_escaped_is(json_inner(j, i), s) : slice_eq(json_inner(j, i), s);
}

bool json_u64(const struct json *j, uint32_t i, uint64_t *out)
{
	return j->tok[i].kind == J_NUMBER && j->tok[i].integer && slice_u64(json_raw(j, i), out);
}

bool json_i64(const struct json *j, uint32_t i, int64_t *out)
{
	return j->tok[i].kind == J_NUMBER && j->tok[i].integer && slice_i64(json_raw(j, i), out);
}

bool json_double(const struct json *j, uint32_t i, double *out)
{
	struct slice s = json_raw(j, i);
	char text[400]; /* more digits than that change no double, and nobody writes them */

	if (j->tok[i].kind != J_NUMBER || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	*out = strtod(text, NULL);
	return isfinite(*out);
}

bool json_bool(const struct json *j, uint32_t i, bool *out)
{
	*out = j->tok[i].kind == J_TRUE;
	return j->tok[i].kind == J_TRUE || j->tok[i].kind == J_FALSE;
}

/* Text between tokens, from p to end, without blanks. */
static void punctuation(struct buf *b, const char *p, const char *end)
{
	for (; p < end; p++)
		if (*p != ' ' && *p != '\n' && *p != '\r' && *p != '\t')
			buf_char(b, *p);
}

void json_compact(struct buf *b, const struct json *j, uint32_t i)
{
	const char *p = j->text.p + j->tok[i].at;

	for (uint32_t k = i; k < j->tok[i].next; k++) {
		if (j->tok[k].kind >= J_ARRAY)
			continue;
		punctuation(b, p, j->text.p + j->tok[k].at);
		buf_slice(b, json_raw(j, k));
		p = j->text.p + j->tok[k].end;
	}
	punctuation(b, p, j->text.p + j->tok[i].end);
}

/* ---- comparison ---- */

static bool keys_of(struct json_keys *k, const struct json *j, uint32_t obj)
{
	if (!json_keys_init(k, j->tok[obj].count))
		return false;
	for (uint32_t i = obj + 1; i < j->tok[obj].next; i = j->tok[i + 1].next) {
		uint32_t *slot = json_keys_slot(k, j, j, i);
		if (!slot)
			return false;
		*slot = i;
	}
	return true;
}

static bool equal_by_hash(const struct json *ja, uint32_t a, const struct json *jb, uint32_t b)
{
	struct json_keys k;
	bool ok = keys_of(&k, jb, b);

	for (uint32_t i = a + 1; ok && i < ja->tok[a].next; i = ja->tok[i + 1].next) {
		uint32_t *slot = json_keys_slot(&k, jb, ja, i);
		ok = slot && *slot && json_equal(ja, i + 1, jb, *slot + 1);
	}
	json_keys_free(&k);
	return ok;
}

static bool equal_objects(const struct json *ja, uint32_t a, const struct json *jb, uint32_t b)
{
	if (jb->tok[b].count > JSON_FEW_KEYS)
		return equal_by_hash(ja, a, jb, b);
	for (uint32_t i = a + 1; i < ja->tok[a].next; i = ja->tok[i + 1].next) {
		uint32_t at = json_find_key(jb, b + 1, jb->tok[b].next, ja, i);
		if (!at || !json_equal(ja, i + 1, jb, at + 1))
			return false;
	}
	return true;
}

static bool equal_arrays(const struct json *ja, uint32_t a, const struct json *jb, uint32_t b)
{
	uint32_t i = a + 1, k = b + 1;

	for (; i < ja->tok[a].next; i = ja->tok[i].next, k = jb->tok[k].next)
		if (!json_equal(ja, i, jb, k))
			return false;
	return true;
}

bool json_equal(const struct json *ja, uint32_t a, const struct json *jb, uint32_t b)
{
	if (ja->tok[a].kind != jb->tok[b].kind || ja->tok[a].count != jb->tok[b].count)
		return false;
	switch (json_kind(ja, a)) {
	case J_STRING:
		return json_same_string(ja, a, jb, b);
	case J_NUMBER:
		return json_same_number(json_raw(ja, a), json_raw(jb, b));
	case J_ARRAY:
		return equal_arrays(ja, a, jb, b);
	case J_OBJECT:
		return equal_objects(ja, a, jb, b);
	default:
		return true;
	}
}
