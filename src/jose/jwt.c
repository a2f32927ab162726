/* SPDX-License-Identifier: Apache-2.0 */
/* The three classes of oneM2M's JWT, see jwt.h. */
#include "jose/jose_int.h"
#include "jose/jwt.h"

static enum reeve_rc fail(const char **why, enum reeve_rc rc, const char *text)
{
	*why = text;
	return rc;
}

enum reeve_rc jwt_class_of(const struct jose *t, enum jwt_class *class, const char **why)
{
	const struct slice cty = t->h.cty;

	if (!slice_eq(t->h.typ, S("JWT")))
		return fail(why, RC_SYNTAX, "typ in the header must be JWT");
	if (cty.p && (!t->encrypted || !slice_eq(cty, S("JWT"))))
		return fail(why, RC_SYNTAX, "cty in the header must be JWT in the JWE of a nested token, and absent elsewhere");
	*class = !t->encrypted ? JWT_SIGNED : cty.p ? JWT_NESTED : JWT_ENCRYPTED;
	return RC_OK;
}

/* Ask for the key and take one layer off. */
static enum reeve_rc layer(struct arena *a, const struct jose *t, bool inner, jwt_key_fn find, void *ctx, struct slice *out,
			   const char **why)
{
	struct key_ref *key = NULL;
	alg_set permitted = 0;
	enum reeve_rc rc;

	*why = "there is no key for this token";
	rc = find(ctx, t, inner, &key, &permitted, why);
	if (rc != RC_OK)
		return rc;
	if (inner)
		permitted &= ~ALGS_HMAC; /* TS-0003 8.5.3.4 */
	rc = t->encrypted ? jose_decrypt(a, t, key, permitted, out, why) : jose_verify(t, key, permitted, out, why);
	key_put(key);
	return rc;
}

enum reeve_rc jwt_open(struct arena *a, struct slice token, const struct jose_limits *limits, jwt_key_fn key, void *ctx, struct jwt *out,
		       const char **why)
{
	enum jwt_class inner;
	struct slice text;
	enum reeve_rc rc;

	*out = (struct jwt){ 0 };
	rc = jose_parse(a, token, limits, &out->outer, why);
	if (rc == RC_OK)
		rc = jwt_class_of(&out->outer, &out->class, why);
	if (rc == RC_OK)
		rc = layer(a, &out->outer, false, key, ctx, &text, why);
	if (rc == RC_OK && out->class == JWT_NESTED) {
		rc = jose_parse(a, text, limits, &out->inner, why);
		if (rc == RC_OK)
			rc = jwt_class_of(&out->inner, &inner, why);
		if (rc == RC_OK && inner != JWT_SIGNED)
			rc = fail(why, RC_SYNTAX, "a nested token must hold a JWS");
		if (rc == RC_OK)
			rc = layer(a, &out->inner, true, key, ctx, &text, why);
	}
	if (rc == RC_OK)
		out->claims = text;
	return rc;
}

enum reeve_rc jwt_make(struct key_ref *sign_with, struct key_ref *encrypt_to, enum key_alg enc, struct slice claims, struct buf *out,
		       const char **why)
{
	const struct jose_params plain = { .typ = S("JWT") }, nested = { .typ = S("JWT"), .cty = S("JWT") };
	struct buf jws;
	enum reeve_rc rc;

	if (!sign_with && !encrypt_to)
		return fail(why, RC_DENIED, "a token must be signed or encrypted");
	if (!encrypt_to)
		return jose_sign(sign_with, &plain, claims, out, why);
	if (!sign_with)
		return jose_encrypt(encrypt_to, enc, &plain, claims, out, why);
	if (alg_in(key_info(sign_with)->alg, ALGS_HMAC))
		return fail(why, RC_DENIED, "the signature inside a nested token must be RSA or ECDSA");
	buf_init(&jws, out->max);
	rc = jose_sign(sign_with, &plain, claims, &jws, why);
	if (rc == RC_OK)
		rc = jose_encrypt(encrypt_to, enc, &nested, buf_view(&jws), out, why);
	buf_free(&jws);
	return rc;
}
