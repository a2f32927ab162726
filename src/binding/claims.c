/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of a request and what a response tells about rights, between the text of HTTP headers or CoAP options and primitives (TS-0009
 * 6.2.2.2, 6.4.18, 6.4.19, 6.4.24, 6.4.25, 6.5; TS-0008 6.2.2.4), in both directions. Pure. What is read here are secrets partly: no
 * value gets into a debug text. */
#include "binding/claims.h"
#include "codec/json_text.h"

/* Values joined by '+', blanks around it ignored. */
static void joined(struct req *r, uint32_t has, const struct slice **out, size_t *n, struct slice name, struct slice v)
{
	struct slice *list, rest;
	size_t count = 1;

	if (r->has & has) {
		map_bad(r, "header stands twice", name);
		return;
	}
	r->has |= has;
	for (const char *at = v.p, *end = v.p + v.n; at && (at = memchr(at, '+', (size_t)(end - at))); at++)
		count++;
	list = arena_array(&r->arena, count, sizeof(*list));
	rest = arena_dup(&r->arena, v);
	*out = list;
	while (list && rest.p) {
		struct slice part = query_trim(slice_cut(&rest, '+'));
		if (!part.n) {
			map_bad(r, "an empty value between '+'", name);
			break;
		}
		list[(*n)++] = part;
	}
	if (!list || !*n)
		map_bad(r, "no value that can be used", name);
}

/* A Tokens parameter begins with a JWS or JWE and has blanks beside '+' only. What begins with a word and a blank is a credential of some
 * scheme of HTTP (Basic, Digest, Bearer), which is none of ours (TS-0009 7.1). */
static bool is_tokens(struct slice v)
{
	struct slice rest = v, part = query_trim(slice_cut(&rest, '+'));

	if (slice_find(part, '.') < 0)
		return false;
	for (rest = v; rest.p;) {
		part = query_trim(slice_cut(&rest, '+'));
		if (slice_find(part, ' ') >= 0)
			return false;
	}
	return true;
}

void claim_authorization(struct req *r, struct slice name, struct slice v)
{
	if (is_tokens(v))
		joined(r, HAS_TOKENS, &r->tkns, &r->n_tkns, name, v);
}

void claim_tokens(struct req *r, struct slice name, struct slice v) { joined(r, HAS_TOKENS, &r->tkns, &r->n_tkns, name, v); }

void claim_signatures(struct req *r, struct slice name, struct slice v)
{
	joined(r, HAS_AUS, &r->aus, &r->n_aus, name, v);
}

/* --- what we send --- */

void claim_join(struct buf *b, const struct slice *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_char(b, '+');
		buf_slice(b, v[i]);
	}
}

/* --- what an answer says --- */

static bool printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f || s.p[i] == '+')
			return false;
	return s.n > 0;
}

void claim_ati(struct buf *b, struct slice ati)
{
	static const struct json_limits any = { .depth = 8, .tokens = UINT32_MAX };
	struct slice why;
	struct arena a;
	struct json j;
	uint32_t list;
	size_t n = 0;

	arena_init(&a, NULL, 0, SIZE_MAX / 4);
	if (json_parse(&a, ati, &any, &j, &why) == RC_OK && (list = json_member(&j, 0, S("ltia"))) && json_kind(&j, list) == J_ARRAY)
		for (uint32_t i = list + 1; i < j.tok[list].next; i = j.tok[i].next) {
			struct slice lti = json_string(&a, &j, json_member(&j, i, S("lti"))),
				     tkid = json_string(&a, &j, json_member(&j, i, S("tkid")));
			if (!printable(lti) || !printable(tkid))
				continue;
			if (n++)
				buf_char(b, '+');
			buf_slice(b, lti);
			buf_char(b, ':');
			buf_slice(b, tkid);
		}
	arena_reset(&a);
}

struct slice claim_ati_read(struct arena *a, struct slice value)
{
	struct slice rest = value, out = { NULL, 0 };
	size_t n = 0;
	struct buf b;

	buf_init(&b, 16 * value.n + 64);
	buf_lit(&b, "{\"ltia\":[");
	while (rest.p) {
		struct slice tkid = query_trim(slice_cut(&rest, '+')), lti = query_trim(slice_cut(&tkid, ':'));

		tkid = query_trim(tkid);
		if (!lti.n || !tkid.n)
			continue;
		if (n++)
			buf_char(&b, ',');
		buf_lit(&b, "{\"lti\":");
		buf_json(&b, lti);
		buf_lit(&b, ",\"tkid\":");
		buf_json(&b, tkid);
		buf_char(&b, '}');
	}
	buf_lit(&b, "]}");
	if (n && !b.failed)
		out = arena_dup(a, buf_view(&b));
	buf_free(&b);
	return out;
}

struct slice claim_tqf_read(struct slice body)
{
	static const struct json_limits any = { .depth = 32, .tokens = 65536 };
	struct slice why, out = { NULL, 0 };
	struct arena a;
	struct json j;
	uint32_t at;

	arena_init(&a, NULL, 0, 64 * body.n + 4096);
	if (json_parse(&a, body, &any, &j, &why) == RC_OK) {
		at = json_member(&j, 0, S("m2m:tqf"));
		if (!at)
			at = json_member(&j, 0, S("tqf"));
		if (at && json_member(&j, at, S("dasi")))
			out = json_raw(&j, at);
		else if (json_member(&j, 0, S("dasi")))
			out = json_raw(&j, 0);
	}
	arena_reset(&a);
	return out;
}
