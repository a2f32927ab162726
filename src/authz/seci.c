/* SPDX-License-Identifier: Apache-2.0 */
/* Writing questions to a Dynamic Authorization System and reading its answers. See seci.h. */
#include "authz/seci.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "codec/model.h"
#include "codec/text.h"

enum { SIT_ANSWER = 2, SIT_MAPPED = 8, LIST_MOST = 64 };
static const struct json_limits limits = { .depth = 16, .tokens = 4096 };

/* --- writing --- */

static void name(struct buf *b, const char *sn)
{
	if (b->n && b->p[b->n - 1] != '{')
		buf_char(b, ',');
	buf_printf(b, "\"%s\":", sn);
}

static void text(struct buf *b, const char *sn, struct slice s)
{
	if (!s.n)
		return;
	name(b, sn);
	buf_json(b, s);
}

static void list(struct buf *b, const char *sn, const struct slice *v, size_t n)
{
	if (!n)
		return;
	name(b, sn);
	for (size_t i = 0; i < n; i++) {
		buf_char(b, i ? ',' : '[');
		buf_json(b, v[i]);
	}
	buf_char(b, ']');
}

/* Exactly one of ip4 and ip6 (AUTHZ-188). */
static void address(struct buf *b, const uint8_t ip[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool v4 = memcmp(ip, mapped, sizeof(mapped)) == 0;
	char s[INET6_ADDRSTRLEN];

	if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip + 12 : ip, s, sizeof(s)))
		return;
	name(b, "oip");
	buf_printf(b, "{\"%s\":\"%s\"}", v4 ? "ip4" : "ip6", s);
}

static void location(struct buf *b, const struct seci_dreq *d)
{
	if (d->country && d->country[0]) {
		name(b, "olo");
		buf_printf(b, "{\"accc\":[\"%.2s\"]}", d->country);
	} else if (d->position) {
		name(b, "olo");
		buf_printf(b, "{\"accr\":[%.6f,%.6f,0]}", d->position[0], d->position[1]);
	}
}

void seci_write_dreq(struct buf *b, const struct seci_dreq *d)
{
	buf_char(b, '{');
	text(b, "or", d->originator);
	name(b, "trt");
	buf_i64(b, d->target_ty);
	name(b, "op");
	buf_i64(b, d->op);
	if (d->ip)
		address(b, d->ip);
	location(b, d);
	list(b, "orid", d->roles, d->n_roles);
	text(b, "rts", d->received);
	text(b, "trid", d->target);
	text(b, "ppl", d->lifetime);
	list(b, "rfa", d->rules_roles, d->n_rules_roles);
	list(b, "tids", d->tokens, d->n_tokens);
	if (d->asi) {
		name(b, "asi");
		buf_lit(b, "true");
	}
	buf_char(b, '}');
}

void seci_write_darq(struct buf *b, const struct seci_relation *d)
{
	buf_lit(b, "{\"m2m:seci\":{\"sit\":7,\"darq\":{");
	text(b, "or", d->originator);
	list(b, "tids", d->ids, d->n_ids);
	list(b, "tkns", d->tokens, d->n_tokens);
	list(b, "aus", d->signs, d->n_signs);
	if (d->asri) {
		name(b, "asri");
		buf_lit(b, "true");
	}
	buf_lit(b, "}}}");
}

/* --- reading --- */

/* The object `member` of m2m:seci when its type is `sit`. */
static enum reeve_rc open_answer(struct arena *a, struct slice s, int sit, struct slice member, struct json *j, uint32_t *at,
				 struct slice *why)
{
	uint32_t seci;
	int64_t got;
	enum reeve_rc rc;

	*why = (struct slice){ NULL, 0 };
	if (!s.n)
		return RC_NOTFOUND;
	if (s.n > SECI_BYTES_MOST) {
		*why = S("the answer is too long");
		return RC_LIMIT;
	}
	if ((rc = json_parse(a, s, &limits, j, why)) != RC_OK)
		return rc;
	seci = json_member(j, 0, S("m2m:seci"));
	if (!seci || j->tok[0].count != 1 || json_kind(j, seci) != J_OBJECT) {
		*why = S("the answer is no m2m:seci");
		return RC_INVALID;
	}
	if (!json_member(j, seci, S("sit")) || !json_i64(j, json_member(j, seci, S("sit")), &got) || got != sit) {
		*why = arena_printf(a, "sit is not %d", sit);
		return RC_INVALID;
	}
	*at = json_member(j, seci, member);
	if (!*at || json_kind(j, *at) != J_OBJECT) {
		*why = arena_printf(a, "%.*s is missing", SF(member));
		return RC_INVALID;
	}
	return RC_OK;
}

/* The array of non-empty strings `sn`; absent: none. */
static bool read_list(struct arena *a, const struct json *j, uint32_t obj, struct slice sn, size_t most, const struct slice **out,
		      size_t *n)
{
	uint32_t i = json_member(j, obj, sn);
	struct slice *v;

	*out = NULL;
	*n = 0;
	if (!i)
		return true;
	if (json_kind(j, i) != J_ARRAY || j->tok[i].count > most || !(v = arena_array(a, j->tok[i].count + 1u, sizeof(*v))))
		return false;
	for (uint32_t k = i + 1; k < j->tok[i].next; k = j->tok[k].next) {
		v[*n] = json_string(a, j, k);
		if (!v[*n].n)
			return false;
		(*n)++;
	}
	*out = v;
	return true;
}

static bool read_bool(const struct json *j, uint32_t obj, struct slice sn, bool *out)
{
	uint32_t i = json_member(j, obj, sn);

	*out = false;
	return !i || json_bool(j, i, out);
}

/* A moment, or milliseconds from now, as a string or a number. */
static bool read_lifetime(struct arena *a, const struct json *j, uint32_t i, usec now, usec *out)
{
	struct slice s = json_kind(j, i) == J_NUMBER ? json_raw(j, i) : json_string(a, j, i);

	return s.n && text_absrel(s, now, out) && *out > 0;
}

static enum reeve_rc read_policy(struct arena *a, const struct json *j, uint32_t dai, usec now, struct seci_dres *out, struct slice *why)
{
	uint32_t gp, pl;
	struct buf b;

	if (json_kind(j, dai) != J_OBJECT) {
		*why = S("dai is no object");
		return RC_INVALID;
	}
	if ((pl = json_member(j, dai, S("pl"))) && !read_lifetime(a, j, pl, now, &out->until)) {
		*why = S("dai.pl is neither a timestamp nor a number of milliseconds");
		return RC_INVALID;
	}
	if (!(gp = json_member(j, dai, S("gp"))))
		return RC_OK;
	buf_init(&b, SECI_BYTES_MOST);
	json_compact(&b, j, gp);
	out->privileges = b.failed ? (struct slice){ NULL, 0 } : arena_dup(a, buf_view(&b));
	buf_free(&b);
	return out->privileges.p ? RC_OK : RC_NOMEM;
}

enum reeve_rc seci_read_dres(struct arena *a, struct slice s, usec now, struct seci_dres *out, struct slice *why)
{
	struct json j;
	uint32_t at, dai;
	enum reeve_rc rc = open_answer(a, s, SIT_ANSWER, S("dres"), &j, &at, why);

	*out = (struct seci_dres){ .until = 0 };
	if (rc != RC_OK)
		return rc;
	if (!read_list(a, &j, at, S("tkns"), SECI_TOKENS_MOST, &out->tokens, &out->n_tokens)) {
		*why = arena_printf(a, "dres.tkns is no list of at most %d tokens", SECI_TOKENS_MOST);
		return RC_INVALID;
	}
	if (!read_bool(&j, at, S("asri"), &out->asri)) {
		*why = S("dres.asri is neither true nor false");
		return RC_INVALID;
	}
	if ((dai = json_member(&j, at, S("dai"))) && (rc = read_policy(a, &j, dai, now, out, why)) != RC_OK)
		return rc;
	return out->privileges.p || out->n_tokens ? RC_OK : RC_NOTFOUND;
}

/* What darq and dars have in common. */
static enum reeve_rc read_relation(struct arena *a, const struct json *j, uint32_t at, struct slice signs, struct seci_relation *out,
				   struct slice *why)
{
	if (!read_list(a, j, at, S("tids"), LIST_MOST, &out->ids, &out->n_ids) ||
	    !read_list(a, j, at, S("tkns"), SECI_TOKENS_MOST, &out->tokens, &out->n_tokens) ||
	    !read_list(a, j, at, signs, LIST_MOST, &out->signs, &out->n_signs) || !read_bool(j, at, S("asri"), &out->asri)) {
		*why = S("tids, tkns or a list of signatures is no list of texts, or too long, or asri is neither true nor false");
		return RC_INVALID;
	}
	if (!out->n_ids && !out->n_tokens) {
		*why = S("tids or tkns is needed: which token is it about?");
		return RC_INVALID;
	}
	return RC_OK;
}

enum reeve_rc seci_read_darq(struct arena *a, const struct json *j, uint32_t seci, struct seci_relation *out, struct slice *why)
{
	uint32_t at = json_member(j, seci, S("darq"));
	enum reeve_rc rc;

	*out = (struct seci_relation){ .n_ids = 0 };
	if (!at) {
		*why = S("darq is missing");
		return RC_INVALID;
	}
	if ((rc = model_check(model_type("m2m:dynAuthRelMapRequest"), false, j, at, a, why)) != RC_OK)
		return rc;
	return read_relation(a, j, at, S("aus"), out, why);
}

enum reeve_rc seci_read_dars(struct arena *a, struct slice s, struct seci_relation *out, struct slice *why)
{
	struct json j;
	uint32_t at;
	enum reeve_rc rc = open_answer(a, s, SIT_MAPPED, S("dars"), &j, &at, why);

	*out = (struct seci_relation){ .n_ids = 0 };
	if (rc != RC_OK)
		return rc;
	if ((rc = read_relation(a, &j, at, S("signature"), out, why)) != RC_OK)
		return rc;
	return out->n_signs ? RC_OK : RC_NOTFOUND;
}
