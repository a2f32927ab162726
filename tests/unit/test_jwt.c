/* SPDX-License-Identifier: Apache-2.0 */
/* oneM2M's JWT without its claims: classes, header rules, which key is asked for. */
#include "jose_util.h"

#include "jose/jwt.h"

struct ring {
	struct key_ref *outer, *inner;
	alg_set permitted;
	unsigned asked;
};

static enum reeve_rc find(void *ctx, const struct jose *t, bool inner, struct key_ref **key, alg_set *permitted, const char **why)
{
	struct ring *r = ctx;

	r->asked++;
	*key = inner ? r->inner : r->outer;
	if (!*key)
		return RC_NOTFOUND;
	(void)key_get(*key);
	*permitted = r->permitted;
	return RC_OK;
}

static enum reeve_rc opened(struct arena *a, struct slice token, struct ring *r, struct jwt *out)
{
	const char *why = NULL;
	const enum reeve_rc rc = jwt_open(a, token, &jose_default_limits, find, r, out, &why);

	r->asked = r->asked & 3;
	assert_true(rc == RC_OK ? out->claims.p != NULL : why && !out->claims.p);
	return rc;
}

static void classes(void **state)
{
	struct key_ref *hs = made(ALG_HS256), *es = made(ALG_ES256), *gcm = made(ALG_A128GCM), *kw = made(ALG_ECDH_ES_A128KW);
	struct ring r = { .permitted = ALGS_ONEM2M_JWS | ALGS_ONEM2M_JWE };
	struct arena a;
	struct buf b;
	struct jwt j;
	const char *why;

	test_arena(&a);
	buf_init(&b, 8192);
	/* E2E-120: signed */
	assert_int_equal(jwt_make(hs, NULL, ALG_NONE, S("{\"iss\":1}"), &b, &why), RC_OK);
	r.outer = hs;
	assert_int_equal(opened(&a, buf_view(&b), &r, &j), RC_OK);
	assert_int_equal(j.class, JWT_SIGNED);
	assert_slice(j.claims, "{\"iss\":1}");
	assert_true(slice_eq(j.outer.h.typ, S("JWT")) && !j.outer.h.cty.p && r.asked == 1);
	/* encrypted */
	buf_clear(&b);
	assert_int_equal(jwt_make(NULL, gcm, ALG_NONE, S("{\"iss\":2}"), &b, &why), RC_OK);
	r = (struct ring){ .outer = gcm, .permitted = r.permitted };
	assert_int_equal(opened(&a, buf_view(&b), &r, &j), RC_OK);
	assert_int_equal(j.class, JWT_ENCRYPTED);
	assert_slice(j.claims, "{\"iss\":2}");
	assert_true(!j.outer.h.cty.p && r.asked == 1);
	/* nested */
	buf_clear(&b);
	assert_int_equal(jwt_make(es, kw, ALG_A128GCM, S("{\"iss\":3}"), &b, &why), RC_OK);
	r = (struct ring){ .outer = kw, .inner = es, .permitted = r.permitted };
	assert_int_equal(opened(&a, buf_view(&b), &r, &j), RC_OK);
	assert_int_equal(j.class, JWT_NESTED);
	assert_slice(j.claims, "{\"iss\":3}");
	assert_true(slice_eq(j.outer.h.cty, S("JWT")) && slice_eq(j.inner.h.typ, S("JWT")) && !j.inner.h.cty.p && r.asked == 2);
	/* both layers count */
	struct key_ref *other = made(ALG_ES256);
	r = (struct ring){ .outer = kw, .inner = other, .permitted = r.permitted };
	assert_int_equal(opened(&a, buf_view(&b), &r, &j), RC_FORGED);
	r.inner = NULL;
	assert_int_equal(opened(&a, buf_view(&b), &r, &j), RC_NOTFOUND);
	r = (struct ring){ .inner = es, .permitted = r.permitted };
	assert_int_equal(opened(&a, buf_view(&b), &r, &j), RC_NOTFOUND);
	/* no HMAC inside, neither made nor taken; something must protect */
	buf_clear(&b);
	assert_int_equal(jwt_make(hs, kw, ALG_A128GCM, S("{}"), &b, &why), RC_DENIED);
	assert_int_equal(jwt_make(NULL, NULL, ALG_NONE, S("{}"), &b, &why), RC_DENIED);
	const struct jose_params nested = { .typ = S("JWT"), .cty = S("JWT") };
	struct buf inner;
	buf_init(&inner, 4096);
	assert_int_equal(jwt_make(hs, NULL, ALG_NONE, S("{}"), &inner, &why), RC_OK);
	assert_int_equal(jose_encrypt(kw, ALG_A128GCM, &nested, buf_view(&inner), &b, &why), RC_OK);
	r = (struct ring){ .outer = kw, .inner = hs, .permitted = r.permitted };
	assert_int_equal(opened(&a, buf_view(&b), &r, &j), RC_DENIED);
	buf_free(&inner);
	buf_free(&b);
	key_put(other);
	key_put(hs);
	key_put(es);
	key_put(gcm);
	key_put(kw);
	arena_reset(&a);
}

static void header_rules(void **state)
{
	struct key_ref *hs = made(ALG_HS256), *gcm = made(ALG_A128GCM);
	static const struct { const char *typ, *cty; bool encrypted; enum reeve_rc rc; } t[] = {
		/* AUTHZ-160, E2E-120: cty in a JWS or in a JWE that is not nested, another typ, none */
		{ "JWT", NULL, false, RC_OK }, { "JWT", NULL, true, RC_OK },
		{ "JWT", "JWT", false, RC_SYNTAX }, { "JWT", "json", true, RC_SYNTAX }, { "JWT", "", true, RC_SYNTAX },
		{ "JWT", "JWT", true, RC_SYNTAX }, /* nested, but what is inside is no token */
		{ "jwt", NULL, false, RC_SYNTAX }, { "JWS", NULL, false, RC_SYNTAX }, { NULL, NULL, false, RC_SYNTAX },
		{ NULL, NULL, true, RC_SYNTAX }, { "", NULL, true, RC_SYNTAX },
	};
	struct arena a;
	struct buf b;
	struct jwt j;
	const char *why;

	test_arena(&a);
	buf_init(&b, 4096);
	for (size_t i = 0; i < ROWS(t); i++) {
		const struct jose_params p = { .typ = slice_str(t[i].typ), .cty = slice_str(t[i].cty) };
		struct ring r = { .outer = t[i].encrypted ? gcm : hs, .inner = hs, .permitted = ANY_ALG };
		buf_clear(&b);
		assert_int_equal(t[i].encrypted ? jose_encrypt(gcm, ALG_NONE, &p, S("{}"), &b, &why) : jose_sign(hs, &p, S("{}"), &b, &why),
				 RC_OK);
		if (opened(&a, buf_view(&b), &r, &j) != t[i].rc)
			fail_msg("typ %s, cty %s", t[i].typ ? t[i].typ : "-", t[i].cty ? t[i].cty : "-");
		assert_true(t[i].rc == RC_OK || (t[i].cty && !strcmp(t[i].cty, "JWT") && t[i].encrypted) || r.asked == 0);
	}
	buf_free(&b);
	key_put(hs);
	key_put(gcm);
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(classes), cmocka_unit_test(header_rules) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
