/* SPDX-License-Identifier: Apache-2.0 */
/* A token's outside: parts and header. Everything is decoded here, strictly, so that a malformed token is told from one that is not
 * authentic; the payload of a JWS stays inside struct jose until jose_verify hands it out. */
#include "codec/base64.h"
#include "jose/jose_int.h"

const struct jose_limits jose_default_limits = { .token = 64 << 10, .header = 4 << 10 };

static enum reeve_rc fail(const char **why, enum reeve_rc rc, const char *text)
{
	*why = text;
	return rc;
}

/* Cut the text at its dots: 3 parts or 5, else 0. */
static int cut(struct slice token, struct slice part[JOSE_PARTS])
{
	int n = 0;

	for (struct slice rest = token; rest.p; n++) {
		if (n == JOSE_PARTS)
			return 0;
		part[n] = slice_cut(&rest, '.');
	}
	return n == 3 || n == 5 ? n : 0;
}

static bool decode(struct arena *a, struct slice text, struct slice *out)
{
	const size_t n = base64url_size(text.n);
	uint8_t *p = n ? arena_alloc(a, n) : (uint8_t *)(uintptr_t)"";

	*out = slice_of((const char *)p, n);
	return p && base64url_decode(text, p);
}

/* Members that mean something here; all others are for the caller, or for nobody. */
enum member { M_ALG, M_ENC, M_KID, M_TYP, M_CTY, M_CRIT, M_ZIP, N_MEMBERS };

static int member_of(const struct json *j, uint32_t key)
{
	static const struct slice names[N_MEMBERS] = { S("alg"), S("enc"), S("kid"), S("typ"), S("cty"), S("crit"), S("zip") };

	for (int m = 0; m < N_MEMBERS; m++)
		if ((j->tok[key].escaped || json_inner(j, key).n == names[m].n) && json_string_is(j, key, names[m]))
			return m;
	return N_MEMBERS;
}

/* The members that are strings, by their place in the enumeration; p == NULL for those that are absent. */
static enum reeve_rc read_members(struct arena *a, const struct json *j, struct slice out[M_CRIT], const char **why)
{
	for (uint32_t i = 1; i < j->tok[0].next; i = j->tok[i + 1].next) {
		const int m = member_of(j, i);
		if (m == M_CRIT)
			return fail(why, RC_DENIED, "crit in the header: no extension is understood");
		if (m == M_ZIP)
			return fail(why, RC_DENIED, "zip in the header: compression is not accepted");
		if (m == N_MEMBERS)
			continue;
		if (json_kind(j, i + 1) != J_STRING)
			return fail(why, RC_SYNTAX, "alg, enc, kid, typ and cty of the header must be strings");
		out[m] = json_string(a, j, i + 1);
		if (!out[m].p)
			return fail(why, RC_NOMEM, "no memory for the header");
	}
	return RC_OK;
}

static enum reeve_rc read_header(struct arena *a, struct slice text, struct jose *t, const char **why)
{
	static const struct json_limits limits = { .depth = 8, .tokens = 256 };
	struct jose_header *h = &t->h;
	struct slice about, member[M_CRIT] = { { NULL, 0 } };
	enum reeve_rc rc = json_parse(a, text, &limits, &h->json, &about);

	if (rc != RC_OK || json_kind(&h->json, 0) != J_OBJECT)
		return fail(why, rc == RC_OK ? RC_SYNTAX : rc, "the header is no well-formed JSON object, or has a member twice");
	rc = read_members(a, &h->json, member, why);
	if (rc != RC_OK)
		return rc;
	if (!member[M_ALG].p || !member[M_ENC].p == t->encrypted)
		return fail(why, RC_SYNTAX, "the header must have alg; enc in a JWE, and only there");
	h->kid = member[M_KID];
	h->typ = member[M_TYP];
	h->cty = member[M_CTY];
	h->alg = alg_find(member[M_ALG]);
	h->enc = alg_find(member[M_ENC]);
	if (!alg_in(h->alg, t->encrypted ? JOSE_KEY_MANAGEMENT : ALGS_SIGN))
		h->alg = ALG_NONE;
	if (!alg_in(h->enc, ALGS_CONTENT))
		h->enc = ALG_NONE;
	return RC_OK;
}

/* What the standard's types and the algorithm ask of the lengths of the other parts. */
static enum reeve_rc check_parts(const struct jose *t, const char **why)
{
	const bool no_key = t->h.alg == ALG_DIR || t->h.alg == ALG_ECDH_ES;
	struct key_sizes sizes;

	if (!t->encrypted)
		return t->raw[JWS_SIGNATURE].n ? RC_OK : fail(why, RC_SYNTAX, "the signature is empty");
	if (!t->raw[JWE_CIPHERTEXT].n)
		return fail(why, RC_SYNTAX, "the ciphertext is empty");
	if (t->h.alg != ALG_NONE && !t->raw[JWE_KEY].n != no_key)
		return fail(why, RC_SYNTAX, "the encrypted key must be empty with dir and ECDH-ES, and only with them");
	if (t->h.enc == ALG_NONE)
		return RC_OK;
	sizes = key_sizes(t->h.enc, 0);
	if (t->raw[JWE_IV].n != sizes.iv || t->raw[JWE_TAG].n != sizes.tag)
		return fail(why, RC_SYNTAX, "the initialisation vector or the tag has not the length that enc asks for");
	return RC_OK;
}

enum reeve_rc jose_parse(struct arena *a, struct slice token, const struct jose_limits *limits, struct jose *out, const char **why)
{
	struct slice part[JOSE_PARTS];
	const int n = token.n > limits->token ? -1 : token.n ? cut(token, part) : 0;
	enum reeve_rc rc;

	*out = (struct jose){ .encrypted = n == 5 };
	if (n <= 0)
		return n ? fail(why, RC_LIMIT, "the token is too long")
			 : fail(why, RC_SYNTAX, "neither three nor five parts with dots between");
	if (base64url_size(part[0].n) > limits->header)
		return fail(why, RC_LIMIT, "the header is too long");
	for (int i = 0; i < n; i++)
		if (!decode(a, part[i], &out->raw[i]))
			return a->failed ? fail(why, RC_NOMEM, "no memory for the token")
					 : fail(why, RC_SYNTAX, "a part is no base64url without padding");
	out->input = out->encrypted ? part[0] : slice_of(token.p, (size_t)(part[1].p + part[1].n - token.p));
	rc = read_header(a, out->raw[0], out, why);
	return rc == RC_OK ? check_parts(out, why) : rc;
}

/* --- common to JWS and JWE --- */

enum reeve_rc jose_told(enum reeve_rc rc, const char **why)
{
	switch (rc) {
	case RC_OK: return rc;
	case RC_DENIED: return fail(why, rc, "the key is not for this algorithm, or cannot do this");
	case RC_FORGED: return fail(why, rc, "not authentic: signature, tag or encrypted key is not right");
	case RC_SYNTAX: return fail(why, rc, "a part has not the length that the algorithm asks for");
	case RC_LIMIT: return fail(why, rc, "too long, or the key is used up");
	default: return fail(why, rc, "the cryptographic library failed");
	}
}

static void text(struct buf *b, const char *name, struct slice value)
{
	if (!value.p)
		return;
	buf_printf(b, ",\"%s\":", name);
	buf_json(b, value);
}

void jose_header_write(struct buf *b, enum key_alg alg, enum key_alg enc, const struct key_ref *key, const struct jose_params *p)
{
	static const struct jose_params none = { 0 };
	const struct jose_params *q = p ? p : &none;
	const struct slice kid = q->kid.p ? q->kid : key_info(key)->kid;

	buf_printf(b, "{\"alg\":\"%.*s\"", SF(alg_name(alg)));
	if (enc)
		text(b, "enc", alg_name(enc));
	if (kid.n)
		text(b, "kid", kid);
	text(b, "typ", q->typ);
	text(b, "cty", q->cty);
	if (q->more.n) {
		buf_char(b, ',');
		buf_slice(b, q->more);
	}
}
