/* SPDX-License-Identifier: Apache-2.0 */
/* The claim set of a token: as payload of a JWT, as attributes of a <token> resource, and the small languages in it.
 *
 * Reading is strict: a claim that is there must be what the table says, for a time or an audience that is skipped would widen what the
 * token permits. Reasons name the claim, never what stands in it. */
#include <math.h>
#include <stdio.h>

#include "authz/policy_int.h"
#include "authz/token.h"
#include "codec/json.h"
#include "codec/model.h"
#include "codec/text.h"

/* The rows of TS-0003 table 7.3.2.6.2-1. */
enum claim { C_VERSION, C_ID, C_ISSUER, C_HOLDER, C_FROM, C_UNTIL, C_NAME, C_AUDIENCE, C_PERMISSIONS, C_EXTENSION, CLAIMS };

static const struct { const char *jwt, *resource; } names[CLAIMS] = {
	[C_VERSION] = { "tkvr", "vr" },
	[C_ID] = { "jti", "tkid" },
	[C_ISSUER] = { "iss", "tkis" },
	[C_HOLDER] = { "azp", "tkhd" },
	[C_FROM] = { "nbf", "tknb" },
	[C_UNTIL] = { "exp", "tkna" },
	[C_NAME] = { "tknm", "tknm" },
	[C_AUDIENCE] = { "aud", "tkau" },
	[C_PERMISSIONS] = { "tkps", "tkps" },
	[C_EXTENSION] = { "tkex", "tkex" },
};

struct reading {
	struct arena *a;
	const struct ident_home *home;
	const struct json *j;
	const char *const *name; /* of each claim, for reasons */
	bool jwt;
	struct slice *why;
};

static enum reeve_rc wrong(struct reading *r, const char *claim, const char *expected)
{
	*r->why = arena_printf(r->a, "%s: %s", claim, expected);
	return r->why->p ? RC_INVALID : RC_NOMEM;
}

/* --- times --- */

bool token_numeric_date(const struct json *j, uint32_t i, usec *out)
{
	struct slice text, whole;
	uint64_t seconds, micro = 0;
	double d;

	if (json_kind(j, i) != J_NUMBER)
		return false;
	text = json_raw(j, i);
	if (memchr(text.p, 'e', text.n) || memchr(text.p, 'E', text.n)) {
		if (!json_double(j, i, &d) || !(d >= 0) || d > (double)(TIMESTAMP_MOST / USEC_S))
			return false;
		*out = (usec)llround(d * 1e6);
		return *out <= TIMESTAMP_MOST;
	}
	whole = slice_cut(&text, '.');
	if (!slice_u64(whole, &seconds) || seconds > TIMESTAMP_MOST / USEC_S)
		return false; /* as well when it is negative */
	for (size_t k = 0; k < 6; k++) /* what is finer than a microsecond is cut off */
		micro = micro * 10 + (text.p && k < text.n ? (uint64_t)(text.p[k] - '0') : 0);
	*out = (usec)seconds * USEC_S + (usec)micro;
	return *out <= TIMESTAMP_MOST;
}

void token_numeric_date_write(struct buf *b, usec t)
{
	int64_t micro = t % USEC_S;
	int digits = 6;

	buf_i64(b, t / USEC_S);
	if (!micro)
		return;
	while (micro % 10 == 0) {
		micro /= 10;
		digits--;
	}
	buf_printf(b, ".%0*lld", digits, (long long)micro);
}

/* --- identifiers --- */

/* Only absolute ones: what is relative means something else at another service provider. */
static enum reeve_rc entity(struct reading *r, struct slice s, const char *claim, struct slice *out)
{
	enum ident_kind kind;
	enum ident_form form;

	if (ident_parse(r->a, r->home, s, &kind, &form, out) != RC_OK)
		return RC_NOMEM;
	if (kind == ID_NONE || kind == ID_SP || (r->jwt && form != ID_ABSOLUTE))
		return wrong(r, claim, r->jwt ? "must be an absolute AE-ID or CSE-ID (//sp/...)" : "must be an AE-ID or CSE-ID");
	return RC_OK;
}

/* name@fqdn; the model knows the grammar. */
static bool token_id(const struct json *j, uint32_t i)
{
	struct slice why;
	char mem[512];
	struct arena a;
	bool good;

	arena_init(&a, mem, sizeof(mem), 4096);
	good = json_kind(j, i) == J_STRING && model_check(model_type("m2m:tokenID"), false, j, i, &a, &why) == RC_OK;
	arena_reset(&a);
	return good;
}

/* The domain of an absolute identifier in lower case; wildcards stay. */
static struct slice lower_domain(struct arena *a, struct slice s)
{
	struct slice out = arena_dup(a, s);
	char *p = (char *)out.p;

	for (size_t i = 2; p && slice_starts(s, S("//")) && i < s.n && p[i] != '/'; i++)
		if (p[i] >= 'A' && p[i] <= 'Z')
			p[i] = (char)(p[i] + ('a' - 'A'));
	return out;
}

bool token_audience_fits(struct slice pattern, struct slice cse)
{
	return pattern.n <= ORIGINATOR_MAX && policy_glob(pattern, cse);
}

/* --- one claim each --- */

static enum reeve_rc read_string(struct reading *r, uint32_t i, const char *claim, struct slice *out)
{
	if (json_kind(r->j, i) != J_STRING)
		return wrong(r, claim, "must be a string");
	*out = json_string(r->a, r->j, i);
	return out->p ? RC_OK : RC_NOMEM;
}

static enum reeve_rc read_audience(struct reading *r, uint32_t i, const char *claim, struct token_claims *c)
{
	bool one = r->jwt && json_kind(r->j, i) == J_STRING; /* RFC 7519 4.1.3 */
	struct slice *v, s;
	enum reeve_rc rc;

	if (!one && json_kind(r->j, i) != J_ARRAY)
		return wrong(r, claim, "must be a list of CSE-IDs");
	if (!(v = arena_array(r->a, one ? 1 : r->j->tok[i].count + 1u, sizeof(*v))))
		return RC_NOMEM;
	for (uint32_t k = one ? i : i + 1; k < r->j->tok[i].next; k = r->j->tok[k].next) {
		if ((rc = read_string(r, k, claim, &s)) != RC_OK)
			return rc;
		v[c->n_audience] = lower_domain(r->a, s);
		if (!v[c->n_audience++].p)
			return RC_NOMEM;
	}
	c->audience = v;
	return RC_OK;
}

static enum reeve_rc read_time(struct reading *r, uint32_t i, const char *claim, usec *out)
{
	struct slice s;

	if (r->jwt)
		return token_numeric_date(r->j, i, out) ? RC_OK : wrong(r, claim, "must be a number of seconds since 1970 (NumericDate)");
	if (json_kind(r->j, i) != J_STRING || !(s = json_string(r->a, r->j, i)).p || !text_timestamp(s, out))
		return wrong(r, claim, "must be a timestamp YYYYMMDDThhmmss");
	return RC_OK;
}

static enum reeve_rc read_permissions(struct reading *r, uint32_t i, const char *claim, struct slice *out)
{
	struct slice why;
	enum reeve_rc rc = model_check(model_type("m2m:tokenPermissions"), false, r->j, i, r->a, &why);

	if (rc == RC_NOMEM)
		return rc;
	if (rc != RC_OK)
		return wrong(r, claim, "must be {\"pm\":[{\"ris\":[...],\"pv\":{\"acr\":[...]},\"rids\":[...]}]} (TS-0004 6.3.5.53)");
	*out = json_raw(r->j, i);
	return RC_OK;
}

static enum reeve_rc read_claim(struct reading *r, enum claim which, uint32_t i, struct token_claims *c)
{
	const char *name = r->name[which];
	enum reeve_rc rc = RC_OK;
	struct slice s;

	switch (which) {
	case C_VERSION:
		return read_string(r, i, name, &c->version);
	case C_ID:
		if (!token_id(r->j, i))
			return wrong(r, name, "must be a Token-ID, name@fqdn");
		return read_string(r, i, name, &c->id);
	case C_ISSUER:
	case C_HOLDER:
		if ((rc = read_string(r, i, name, &s)) != RC_OK)
			return rc;
		return entity(r, s, name, which == C_ISSUER ? &c->issuer : &c->holder);
	case C_FROM:
		return read_time(r, i, name, &c->not_before);
	case C_UNTIL:
		return read_time(r, i, name, &c->not_after);
	case C_NAME:
		return read_string(r, i, name, &c->name);
	case C_EXTENSION:
		return read_string(r, i, name, &c->extension);
	case C_AUDIENCE:
		return read_audience(r, i, name, c);
	default:
		return read_permissions(r, i, name, &c->permissions);
	}
}

/* --- claim sets --- */

enum reeve_rc token_claims_read(struct arena *a, const struct ident_home *home, struct slice json, const struct token_limits *limits,
				struct token_claims *out, struct slice *why)
{
	const char *name[CLAIMS];
	struct json j;
	struct reading r = { .a = a, .home = home, .j = &j, .name = name, .jwt = true, .why = why };
	enum reeve_rc rc = json_parse(a, json, &limits->json, &j, why);

	*out = (struct token_claims){ .not_before = 0 };
	if (rc != RC_OK) {
		*why = rc == RC_LIMIT ? S("the claims are nested too deeply or are too many") : S("the claims are no JSON");
		return rc == RC_SYNTAX ? RC_INVALID : rc;
	}
	if (json_kind(&j, 0) != J_OBJECT) {
		*why = S("the claims must be a JSON object");
		return RC_INVALID;
	}
	for (int k = 0; k < CLAIMS; k++) {
		uint32_t i = json_member(&j, 0, slice_str(name[k] = names[k].jwt)), other;

		if (k == C_VERSION && (other = json_member(&j, 0, S("vr")))) { /* */
			if (i && !json_equal(&j, i, &j, other))
				return wrong(&r, "tkvr", "differs from vr");
			i = other;
		}
		if (!i && k <= C_UNTIL)
			return wrong(&r, name[k], "is missing");
		if (i && (rc = read_claim(&r, (enum claim)k, i, out)) != RC_OK)
			return rc;
	}
	return a->failed ? RC_NOMEM : RC_OK;
}

enum reeve_rc token_claims_from_resource(struct arena *a, const struct ident_home *home, const struct json *j, uint32_t i,
					 struct token_claims *out, struct slice *why)
{
	const char *name[CLAIMS];
	struct reading r = { .a = a, .home = home, .j = j, .name = name, .why = why };
	enum reeve_rc rc;

	*out = (struct token_claims){ .not_before = 0 };
	for (int k = 0; k < CLAIMS; k++) {
		uint32_t at = json_member(j, i, slice_str(name[k] = names[k].resource));
		if (at && (rc = read_claim(&r, (enum claim)k, at, out)) != RC_OK)
			return rc;
	}
	return a->failed ? RC_NOMEM : RC_OK;
}

/* --- comparing --- */

static bool same_audience(const struct token_claims *a, const struct token_claims *b)
{
	if (a->n_audience != b->n_audience)
		return false;
	for (size_t i = 0; i < a->n_audience; i++)
		if (!slice_eq(a->audience[i], b->audience[i]))
			return false;
	return true;
}

static bool same_json(struct arena *a, struct slice one, struct slice two)
{
	struct json j, k;
	struct slice why;

	return json_parse(a, one, &json_default_limits, &j, &why) == RC_OK && json_parse(a, two, &json_default_limits, &k, &why) == RC_OK &&
	       json_equal(&j, 0, &k, 0);
}

const char *token_claims_differ(struct arena *a, const struct token_claims *copy, const struct token_claims *c)
{
	const struct { struct slice one, two; enum claim which; } text[] = {
		{ copy->version, c->version, C_VERSION }, { copy->id, c->id, C_ID }, { copy->issuer, c->issuer, C_ISSUER },
		{ copy->holder, c->holder, C_HOLDER }, { copy->name, c->name, C_NAME }, { copy->extension, c->extension, C_EXTENSION },
	};

	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		if (text[i].one.p && (!text[i].two.p || !slice_eq(text[i].one, text[i].two)))
			return names[text[i].which].resource;
	if (copy->not_before && copy->not_before != c->not_before)
		return names[C_FROM].resource;
	if (copy->not_after && copy->not_after != c->not_after)
		return names[C_UNTIL].resource;
	if (copy->audience && !same_audience(copy, c))
		return names[C_AUDIENCE].resource;
	if (copy->permissions.p && (!c->permissions.p || !same_json(a, copy->permissions, c->permissions)))
		return names[C_PERMISSIONS].resource;
	return NULL;
}

/* --- writing --- */

static void put_name(struct buf *b, enum claim c, bool jwt, bool first)
{
	buf_printf(b, "%s\"%s\":", first ? "" : ",", jwt ? names[c].jwt : names[c].resource);
}

static void put_string(struct buf *b, enum claim c, bool jwt, struct slice s)
{
	if (!s.p)
		return;
	put_name(b, c, jwt, c == C_VERSION);
	buf_json(b, s);
}

static void put_time(struct buf *b, enum claim c, bool jwt, usec t)
{
	char text[TEXT_TIMESTAMP_MAX];

	put_name(b, c, jwt, false);
	if (jwt) {
		token_numeric_date_write(b, t);
		return;
	}
	buf_char(b, '"');
	buf_add(b, text, text_timestamp_write(t, text));
	buf_char(b, '"');
}

static void write_claims(struct buf *b, const struct token_claims *c, bool jwt)
{
	put_string(b, C_VERSION, jwt, c->version.p ? c->version : S(""));
	if (jwt)
		put_string(b, C_ID, jwt, c->id);
	put_string(b, C_ISSUER, jwt, c->issuer);
	put_string(b, C_HOLDER, jwt, c->holder);
	put_time(b, C_FROM, jwt, c->not_before);
	put_time(b, C_UNTIL, jwt, c->not_after);
	put_string(b, C_NAME, jwt, c->name);
	if (c->n_audience) {
		put_name(b, C_AUDIENCE, jwt, false);
		for (size_t i = 0; i < c->n_audience; i++) {
			buf_char(b, i ? ',' : '[');
			buf_json(b, c->audience[i]);
		}
		buf_char(b, ']');
	}
	if (c->permissions.p) {
		put_name(b, C_PERMISSIONS, jwt, false);
		buf_slice(b, c->permissions);
	}
	put_string(b, C_EXTENSION, jwt, c->extension);
}

void token_claims_write_jwt(struct buf *b, const struct token_claims *c)
{
	buf_char(b, '{');
	write_claims(b, c, true);
	buf_char(b, '}');
}

void token_claims_write_resource(struct buf *b, const struct token_claims *c) { write_claims(b, c, false); }
