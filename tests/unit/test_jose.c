/* SPDX-License-Identifier: Apache-2.0 */
/* JWS and JWE: the vectors of the RFCs, every algorithm there and back, and what must be refused. Against other implementations:
 * tests/e2e/test_jose.py. */
#include "jose_util.h"

#include "codec/base64.h"
#include "jose/jose.h"

static struct slice file(struct arena *a, const char *path)
{
	FILE *f = fopen(path, "re");
	char *p = arena_alloc(a, 1 << 20);
	size_t n = f ? fread(p, 1, 1 << 20, f) : 0;

	assert_true(n > 0 && n < 1 << 20);
	fclose(f);
	return slice_of(p, n);
}

/* Parse, then verify or decrypt. */
static enum reeve_rc take(struct arena *a, struct slice token, struct key_ref *key, alg_set permitted, struct slice *payload)
{
	const char *why = NULL;
	struct jose t;
	enum reeve_rc rc = jose_parse(a, token, &jose_default_limits, &t, &why);

	*payload = slice_of(NULL, 0);
	if (rc == RC_OK)
		rc = t.encrypted ? jose_decrypt(a, &t, key, permitted, payload, &why) : jose_verify(&t, key, permitted, payload, &why);
	assert_true(rc == RC_OK ? payload->p != NULL : why != NULL && payload->p == NULL);
	return rc;
}

static enum reeve_rc code(struct slice name)
{
	for (int i = RC_OK; i <= RC_FORGED; i++)
		if (slice_eq(slice_str(rc_name((enum reeve_rc)i)), name))
			return (enum reeve_rc)i;
	fail_msg("no such code");
	return RC_OK;
}

static void vectors(void **state)
{
	struct arena a;
	struct json j;
	unsigned n = 0;

	test_arena(&a);
	j = parsed(&a, file(&a, "tests/vectors/jose.json"));
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next, n++) {
		const struct slice name = json_string(&a, &j, json_member(&j, i, S("name")));
		const struct slice token = json_string(&a, &j, json_member(&j, i, S("token")));
		const enum key_alg alg = alg_find(json_string(&a, &j, json_member(&j, i, S("alg"))));
		const uint32_t refused = json_member(&j, i, S("code"));
		struct slice payload;
		struct key_ref *key;
		enum reeve_rc rc = imported(json_raw(&j, json_member(&j, i, S("key"))), alg, &key);

		if (rc != RC_OK)
			fail_msg("%.*s: the key is not taken", SF(name));
		rc = take(&a, token, key, ANY_ALG, &payload);
		if (rc != (refused ? code(json_string(&a, &j, refused)) : RC_OK))
			fail_msg("%.*s: %s", SF(name), rc_name(rc));
		if (!refused)
			assert_true(slice_eq(payload, json_string(&a, &j, json_member(&j, i, S("payload")))));
		key_put(key);
	}
	assert_int_equal(n, 18);
	arena_reset(&a);
}

/* A token with `key`, and its content encryption when it needs one. */
static void make(struct buf *out, struct key_ref *key, enum key_alg enc, struct slice payload)
{
	const char *why = NULL;
	const enum key_alg alg = key_info(key)->alg;
	const enum reeve_rc rc = alg_in(alg, ALGS_SIGN) ? jose_sign(key, NULL, payload, out, &why)
							: jose_encrypt(key, enc, NULL, payload, out, &why);
	if (rc != RC_OK)
		fail_msg("%.*s: %s", SF(alg_name(alg)), why);
}

static bool fits(enum key_alg alg, enum key_alg enc)
{
	return alg_in(alg, ALGS_SIGN) ? enc == ALG_A128GCM : !alg_in(alg, ALGS_CONTENT) || alg == enc;
}

static void there_and_back(void **state)
{
	static char text[5000];
	static const size_t sizes[] = { 1, 15, 16, 17, 64, 4999 };
	struct arena a;
	struct slice payload;
	unsigned pairs = 0;

	memset(text, 'x', sizeof(text));
	test_arena(&a);
	for (enum key_alg alg = ALG_HS256; alg < ALG_DIR; alg++) {
		struct key_ref *key = made(alg), *other = made(alg);
		struct key_ref *pub = key_info(key)->kind == KEY_OCT ? key_get(key) : public_of(key, alg);
		const bool signs = alg_in(alg, ALGS_SIGN);
		for (enum key_alg enc = ALG_A128GCM; enc < ALG_DIR; enc++) {
			for (size_t i = 0; fits(alg, enc) && i < ROWS(sizes); i++, pairs += i == 1) {
				struct buf token;
				buf_init(&token, 16384);
				/* the public part verifies what the private one signed, and encrypts what it decrypts */
				make(&token, signs ? key : pub, enc, slice_of(text, sizes[i]));
				assert_int_equal(take(&a, buf_view(&token), signs ? pub : key, ANY_ALG, &payload), RC_OK);
				assert_true(slice_eq(payload, slice_of(text, sizes[i])));
				assert_int_equal(take(&a, buf_view(&token), other, ANY_ALG, &payload), RC_FORGED);
				buf_free(&token);
				arena_reset(&a);
			}
		}
		key_put(pub);
		key_put(key);
		key_put(other);
	}
	assert_int_equal(pairs, 9 + 8 * 6 + 6);
}

/* --- refused --- */

static void header_token(struct buf *out, const char *header, const char *rest)
{
	buf_clear(out);
	base64url_encode(out, header, strlen(header));
	buf_lit(out, ".");
	buf_add(out, rest, strlen(rest));
}

static void headers(void **state)
{
	static const char jws[] = "e30.AAAA", jwe[] = ".AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA";
	static const struct { const char *header, *rest; enum reeve_rc parse; } t[] = {
		{ "{\"alg\":\"HS256\"}", jws, RC_OK },
		{ "{\"alg\":\"HS256\",\"unknown\":{\"a\":[1]}}", jws, RC_OK },
		{ "{\"alg\":\"dir\",\"enc\":\"A128GCM\"}", jwe, RC_OK },
		{ "{\"alg\":\"HS256\",\"alg\":\"none\"}", jws, RC_SYNTAX }, /* a member twice */
		{ "{\"alg\":\"HS256\",\"x\":1,\"x\":1}", jws, RC_SYNTAX },
		{ "{\"alg\":\"HS256\",\"\\u0061lg\":\"ES256\"}", jws, RC_SYNTAX },
		{ "{\"alg\":1}", jws, RC_SYNTAX },
		{ "{}", jws, RC_SYNTAX },
		{ "[]", jws, RC_SYNTAX },
		{ "\"alg\"", jws, RC_SYNTAX },
		{ "{\"alg\":\"HS256\"", jws, RC_SYNTAX },
		{ "{\"alg\":\"HS256\"} x", jws, RC_SYNTAX },
		{ "{\"alg\":\"HS256\",\"kid\":7}", jws, RC_SYNTAX },
		{ "{\"alg\":\"HS256\",\"typ\":null}", jws, RC_SYNTAX },
		{ "{\"alg\":\"HS256\",\"cty\":[]}", jws, RC_SYNTAX },
		{ "{\"alg\":\"HS256\",\"enc\":\"A128GCM\"}", jws, RC_SYNTAX },
		{ "{\"alg\":\"dir\"}", jwe, RC_SYNTAX },
		{ "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", jws, RC_DENIED },
		{ "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", jws, RC_DENIED },
		{ "{\"alg\":\"HS256\",\"crit\":[]}", jws, RC_DENIED },
		{ "{\"alg\":\"dir\",\"enc\":\"A128GCM\",\"zip\":\"DEF\"}", jwe, RC_DENIED },
		{ "{\"alg\":\"dir\",\"enc\":\"A128GCM\"}", "AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA", RC_SYNTAX },
		{ "{\"alg\":\"ECDH-ES\",\"enc\":\"A128GCM\"}", "AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA", RC_SYNTAX },
		{ "{\"alg\":\"A128KW\",\"enc\":\"A128GCM\"}", jwe, RC_SYNTAX },
		{ "{\"alg\":\"dir\",\"enc\":\"A128GCM\"}", ".AAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA", RC_SYNTAX }, /* iv of 9 bytes */
		{ "{\"alg\":\"dir\",\"enc\":\"A128GCM\"}", ".AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAA", RC_SYNTAX }, /* tag of 12 */
		{ "{\"alg\":\"dir\",\"enc\":\"A128CBC-HS256\"}", jwe, RC_SYNTAX },
		{ "{\"alg\":\"dir\",\"enc\":\"A128GCM\"}", ".AAAAAAAAAAAAAAAA..AAAAAAAAAAAAAAAAAAAAAA", RC_SYNTAX },
		{ "{\"alg\":\"none\"}", "e30.", RC_SYNTAX },
	};
	struct arena a;
	struct jose j;
	struct buf b;

	test_arena(&a);
	buf_init(&b, 4096);
	for (size_t i = 0; i < ROWS(t); i++) {
		const char *why = "";
		header_token(&b, t[i].header, t[i].rest);
		if (jose_parse(&a, buf_view(&b), &jose_default_limits, &j, &why) != t[i].parse)
			fail_msg("%s %s: %s", t[i].header, t[i].rest, why);
	}
	/* E2E-123: what the parser lets through with an unknown algorithm no key and no permission makes good. */
	static const char *const unknown[] = { "none", "None", "NONE", "nOnE", "HS1", "PS256", "EdDSA", "dir", "A128GCM", "hs256", "" };
	struct key_ref *key = made(ALG_HS256);
	for (size_t i = 0; i < ROWS(unknown); i++) {
		char header[64];
		struct slice payload;
		snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", unknown[i]);
		header_token(&b, header, jws);
		assert_int_equal(take(&a, buf_view(&b), key, ANY_ALG, &payload), RC_DENIED);
	}
	key_put(key);
	buf_free(&b);
	arena_reset(&a);
}

static void shapes(void **state)
{
	/* Parts, padding, alphabet, bits behind the last byte. The header is {"alg":"HS256"}. */
	static const char *const bad[] = {
		"", ".", "..", "...", "....", ".....", "eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJIUzI1NiJ9.e30",
		"eyJhbGciOiJIUzI1NiJ9.e30.AAAA.AAAA", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA.AAAA.AAAA.AAAA", ".e30.AAAA",
		"eyJhbGciOiJIUzI1NiJ9=.e30.AAAA", "eyJhbGciOiJIUzI1NiJ9.e30=.AAAA", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA=",
		"eyJhbGciOiJIUzI1NiJ9.e30.AA==", "eyJhbGciOiJIUzI1NiJ9.e30.AAA+", "eyJhbGciOiJIUzI1NiJ9.e30.AAA/", "eyJhbGciOiJIUzI1NiJ9.e30.AAA ",
		" eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA\n", "eyJhbGciOiJIUzI1NiJ9.e3\n0.AAAA",
		"eyJhbGciOiJIUzI1NiJ9.e30.A", "eyJhbGciOiJIUzI1NiJ9.e30.AAAAA", "eyJhbGciOiJIUzI1NiJ9.e30.AB", "eyJhbGciOiJIUzI1NiJ9.e31.AAAA",
		"eyJhbGciOiJIUzI1NiJ9.e30.AAB", "eyJhbGciOiJIUzI1NiJ9.e30.\xc3\xa9\xc3\xa9",
	};
	struct arena a;
	struct jose j;
	const char *why;

	test_arena(&a);
	for (size_t i = 0; i < ROWS(bad); i++)
		if (jose_parse(&a, slice_str(bad[i]), &jose_default_limits, &j, &why) != RC_SYNTAX)
			fail_msg("taken: \"%s\"", bad[i]);
	assert_int_equal(jose_parse(&a, S("eyJhbGciOiJIUzI1NiJ9.e30.AA"), &jose_default_limits, &j, &why), RC_OK);
	assert_int_equal(jose_parse(&a, S("eyJhbGciOiJIUzI1NiJ9.e30\0.AA"), &jose_default_limits, &j, &why), RC_SYNTAX);
	arena_reset(&a);
}

static void sizes(void **state)
{
	const struct jose_limits small = { .token = 40, .header = 15 };
	struct arena a;
	struct jose j;
	const char *why;

	test_arena(&a);
	/* the header has 15 bytes, the token 34 */
	assert_int_equal(jose_parse(&a, S("eyJhbGciOiJIUzI1NiJ9.AAAAAA.AAAAAA"), &small, &j, &why), RC_OK);
	assert_int_equal(jose_parse(&a, S("eyJhbGciOiJIUzI1NiIg.AAAAAA.AAAAAA"), &small, &j, &why), RC_SYNTAX);
	assert_int_equal(jose_parse(&a, S("eyJhbGciOiJIUzI1NiJ9IA.AAAA.AAAAAA"), &small, &j, &why), RC_LIMIT);
	assert_int_equal(jose_parse(&a, S("eyJhbGciOiJIUzI1NiJ9.AAAAAA.AAAAAAAAAAAAA"), &small, &j, &why), RC_LIMIT);
	arena_reset(&a);
	arena_init(&a, NULL, 0, 4096);
	char *big = calloc(1, 60000);
	assert_non_null(big);
	memset(big, 'A', 59999);
	memcpy(big, "eyJhbGciOiJIUzI1NiJ9.AA.", 24);
	assert_int_equal(jose_parse(&a, slice_of(big, 59998), &jose_default_limits, &j, &why), RC_NOMEM);
	free(big);
	arena_reset(&a);
}

/* Change every character of every token in turn: nothing is accepted, and nothing but these three answers is given. */
static void tampering(void **state)
{
	static const enum key_alg algs[] = { ALG_HS256, ALG_ES256, ALG_RS256, ALG_A128GCM, ALG_A256KW, ALG_RSA_OAEP_256, ALG_ECDH_ES_A128KW,
					     ALG_A128CBC_HS256, ALG_ECDH_ES };
	struct arena a;
	struct buf token;
	struct slice payload;

	test_arena(&a);
	buf_init(&token, 8192);
	for (size_t i = 0; i < ROWS(algs); i++) {
		struct key_ref *key = made(algs[i]);
		buf_clear(&token);
		make(&token, key, alg_in(algs[i], ALGS_CONTENT) ? algs[i] : ALG_A128GCM, S("{\"iss\":\"das\"}"));
		for (size_t k = 0; k < token.n; k += algs[i] == ALG_RSA_OAEP_256 || algs[i] == ALG_RS256 ? 7 : 1) {
			const char was = token.p[k];
			if (was == '.')
				continue;
			token.p[k] = was == 'A' ? 'B' : was == 'w' ? 'x' : 'A';
			const enum reeve_rc rc = take(&a, buf_view(&token), key, ANY_ALG, &payload);
			if (rc != RC_SYNTAX && rc != RC_DENIED && rc != RC_FORGED)
				fail_msg("%.*s: byte %zu: %s", SF(alg_name(algs[i])), k, rc_name(rc));
			token.p[k] = was;
			arena_reset(&a);
		}
		assert_int_equal(take(&a, buf_view(&token), key, ANY_ALG, &payload), RC_OK);
		for (size_t k = 0; k < token.n; k += 5) /* truncated */
			assert_int_not_equal(take(&a, slice_of(token.p, k), key, ANY_ALG, &payload), RC_OK);
		key_put(key);
		arena_reset(&a);
	}
	buf_free(&token);
}

/* The header never chooses: not the key's algorithm, or not one the caller permits. */
static void confusion(void **state)
{
	struct arena a;
	struct buf token, pem;
	struct slice payload;
	struct key_ref *rsa = made(ALG_RS256), *pub = public_of(rsa, ALG_RS256), *hmac;
	const struct key_spec spec = { .alg = ALG_HS256 };
	char why[KEY_WHY_MAX];

	test_arena(&a);
	buf_init(&token, 16384);
	buf_init(&pem, 4096);
	/* The public key's text as an HMAC key: the token is a right HS256 token, but the key is one for RS256. */
	assert_int_equal(key_export_public(rsa, KEY_PEM, &pem), RC_OK);
	struct buf jwk;
	buf_init(&jwk, 4096);
	buf_lit(&jwk, "{\"kty\":\"oct\",\"k\":\"");
	base64url_encode(&jwk, pem.p, pem.n);
	buf_lit(&jwk, "\"}");
	assert_int_equal(secenv_import(NULL, KEY_JWK, buf_view(&jwk), &spec, &hmac, why), RC_OK);
	make(&token, hmac, ALG_NONE, S("{}"));
	assert_int_equal(take(&a, buf_view(&token), hmac, ALGS_SIGN, &payload), RC_OK);
	assert_int_equal(take(&a, buf_view(&token), pub, ALGS_SIGN, &payload), RC_DENIED);
	assert_int_equal(take(&a, buf_view(&token), hmac, ALGS_RSA_SIGN, &payload), RC_DENIED);
	assert_int_equal(take(&a, buf_view(&token), hmac, 0, &payload), RC_DENIED);
	/* Every token with every key: right only with its own. */
	for (enum key_alg i = ALG_HS256; i < ALG_DIR; i++) {
		struct key_ref *key = made(i);
		buf_clear(&token);
		make(&token, key, alg_in(i, ALGS_CONTENT) ? i : ALG_A128GCM, S("{}"));
		for (enum key_alg k = ALG_HS256; k < ALG_DIR; k++) {
			if (k == i || alg_in(k, ALGS_RSA_SIGN | ALG_SET(ALG_RSA_OAEP_256)))
				continue;
			struct key_ref *other = made(k);
			assert_int_equal(take(&a, buf_view(&token), other, ANY_ALG, &payload), RC_DENIED);
			key_put(other);
		}
		/* the caller's set is what counts, for alg and for enc */
		const enum key_alg alg = alg_in(i, ALGS_CONTENT) ? ALG_DIR : i;
		assert_int_equal(take(&a, buf_view(&token), key, ANY_ALG & ~ALG_SET(alg), &payload), RC_DENIED);
		if (!alg_in(i, ALGS_SIGN))
			assert_int_equal(take(&a, buf_view(&token), key, ANY_ALG & ~ALG_SET(alg_in(i, ALGS_CONTENT) ? i : ALG_A128GCM),
					      &payload), RC_DENIED);
		key_put(key);
		arena_reset(&a);
	}
	/* A public key does not sign, a public encryption key does not decrypt. */
	const char *told;
	buf_clear(&token);
	assert_int_equal(jose_sign(pub, NULL, S("{}"), &token, &told), RC_DENIED);
	assert_int_equal(token.n, 0);
	buf_free(&jwk);
	buf_free(&pem);
	buf_free(&token);
	key_put(hmac);
	key_put(rsa);
	key_put(pub);
	arena_reset(&a);
}

/* --- ECDH-ES --- */

static void epk(void **state)
{
	static const struct { const char *epk; enum reeve_rc rc; } t[] = {
		{ "\"x\"", RC_SYNTAX },
		{ "{}", RC_SYNTAX },
		/* a point that is not on the curve */
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0\","
		  "\"y\":\"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFppw\"}", RC_SYNTAX },
		/* the point (0, 0) */
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
		  "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", RC_SYNTAX },
		/* with its private part */
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0\","
		  "\"y\":\"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps\",\"d\":\"0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo\"}", RC_SYNTAX },
		/* another curve */
		{ "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk\","
		  "\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2\"}", RC_SYNTAX },
		{ "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAA\"}", RC_SYNTAX },
		/* right, and so the tag is wrong */
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0\","
		  "\"y\":\"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps\"}", RC_FORGED },
	};
	struct key_ref *key = made(ALG_ECDH_ES);
	struct arena a;
	struct buf b;
	struct slice payload;

	test_arena(&a);
	buf_init(&b, 8192);
	for (size_t i = 0; i < ROWS(t); i++) {
		char header[1024];
		snprintf(header, sizeof(header), "{\"alg\":\"ECDH-ES\",\"enc\":\"A128GCM\",\"epk\":%s}", t[i].epk);
		header_token(&b, header, ".AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA");
		if (take(&a, buf_view(&b), key, ANY_ALG, &payload) != t[i].rc)
			fail_msg("%s", t[i].epk);
	}
	header_token(&b, "{\"alg\":\"ECDH-ES\",\"enc\":\"A128GCM\"}", ".AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA");
	assert_int_equal(take(&a, buf_view(&b), key, ANY_ALG, &payload), RC_SYNTAX);
	buf_free(&b);
	key_put(key);
	arena_reset(&a);
}

static void writing(void **state)
{
	const struct jose_params p = { .typ = S("JWT"), .kid = S("k\"1"), .more = S("\"ori\":\"C1\"") }, no_kid = { .kid = S("") };
	struct key_ref *key = made(ALG_HS256), *gcm = made(ALG_A128GCM);
	struct arena a;
	struct buf b;
	struct jose t;
	const char *why;

	test_arena(&a);
	buf_init(&b, 300);
	assert_int_equal(jose_sign(key, &p, S(""), &b, &why), RC_OK);
	assert_int_equal(jose_parse(&a, buf_view(&b), &jose_default_limits, &t, &why), RC_OK);
	assert_slice(t.h.json.text, "{\"alg\":\"HS256\",\"kid\":\"k\\\"1\",\"typ\":\"JWT\",\"ori\":\"C1\"}");
	assert_slice(t.h.kid, "k\"1");
	assert_slice(t.h.typ, "JWT");
	assert_null(t.h.cty.p);
	buf_clear(&b);
	assert_int_equal(jose_encrypt(gcm, ALG_NONE, &no_kid, S("x"), &b, &why), RC_OK);
	assert_int_equal(jose_parse(&a, buf_view(&b), &jose_default_limits, &t, &why), RC_OK);
	assert_slice(t.h.json.text, "{\"alg\":\"dir\",\"enc\":\"A128GCM\"}");
	/* five parts, the second empty, 12 octets of initialisation vector, 16 of tag */
	assert_int_equal(t.raw[1].n, 0);
	assert_int_equal(t.raw[2].n, 12);
	assert_int_equal(t.raw[4].n, 16);
	buf_clear(&b);
	assert_int_equal(jose_encrypt(gcm, ALG_NONE, NULL, S(""), &b, &why), RC_INVALID);
	assert_int_equal(jose_encrypt(gcm, ALG_A256GCM, NULL, S("x"), &b, &why), RC_DENIED);
	assert_int_equal(jose_encrypt(key, ALG_A256GCM, NULL, S("x"), &b, &why), RC_DENIED);
	assert_int_equal(jose_sign(gcm, NULL, S("x"), &b, &why), RC_DENIED);
	buf_free(&b);
	buf_init(&b, 60);
	assert_int_equal(jose_sign(key, NULL, S("too long for this buffer"), &b, &why), RC_LIMIT);
	assert_int_equal(jose_encrypt(gcm, ALG_NONE, NULL, S("too long for this buffer"), &b, &why), RC_LIMIT);
	assert_int_equal(b.n, 0);
	buf_free(&b);
	key_put(key);
	key_put(gcm);
	arena_reset(&a);
}

static void base64url(void **state)
{
	uint64_t seed = 1;
	uint8_t in[128], out[128];

	for (int i = 0; i < 20000; i++) {
		const size_t n = next_random(&seed) % 100;
		struct buf b;
		for (size_t k = 0; k < n; k++)
			in[k] = (uint8_t)next_random(&seed);
		buf_init(&b, 200);
		base64url_encode(&b, in, n);
		assert_int_equal(base64url_size(b.n), n);
		out[n] = 'x'; /* what is behind stays */
		assert_true(base64url_decode(buf_view(&b), out));
		assert_memory_equal(in, out, n);
		assert_int_equal(out[n], 'x');
		if (n) { /* a text that is accepted is the text of what it stands for */
			const size_t at = next_random(&seed) % b.n;
			b.p[at] = (char)next_random(&seed);
			const bool yes = base64url_decode(buf_view(&b), out);
			if (yes) {
				struct buf again;
				buf_init(&again, 200);
				base64url_encode(&again, out, base64url_size(b.n));
				assert_true(slice_eq(buf_view(&again), buf_view(&b)));
				buf_free(&again);
			}
		}
		buf_free(&b);
	}
	for (int c = 0; c < 256; c++) { /* every character, at the end and inside */
		char text[18] = "AAAAAAAAAAAAAAAAAA";
		const bool want = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
		text[c % 16] = text[16] = (char)c;
		assert_int_equal(base64url_decode(slice_of(text + 16, 2), out), want);
		assert_int_equal(base64url_decode(slice_of(text, 16), out), want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),   cmocka_unit_test(there_and_back), cmocka_unit_test(headers), cmocka_unit_test(shapes),
		cmocka_unit_test(sizes),     cmocka_unit_test(tampering),      cmocka_unit_test(confusion), cmocka_unit_test(epk),
		cmocka_unit_test(writing),   cmocka_unit_test(base64url),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
