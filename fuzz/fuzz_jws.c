/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens from hostile hands, with keys behind the parser. The first byte chooses the way in:
 *   0  the rest is a token; every key is tried
 *   1  the rest is a header: signed as it is with HS256, so that what is behind the signature is reached
 *   2  the rest is put into a right nested JWE as the inner token
 *   3  the rest is a header for ECDH-ES: epk, apu and apv
 * Beyond not crashing: a reason is told for every refusal and no payload with it, nothing outside the permitted set is ever accepted, and
 * what was made here is taken when its header is. */
#include <stdlib.h>

#include "codec/base64.h"
#include "heap_root.h"
#include "jose/jwt.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { HS, ES, GCM, KW, ECDH, CBC, N_KEYS };
static struct key_ref *keys[N_KEYS];

static void require(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
#define EC "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
	      "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}"
	static const struct { enum key_alg alg; enum key_form form; struct slice material; } made[N_KEYS] = {
		[HS] = { ALG_HS256, KEY_HEX, S("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f") },
		[ES] = { ALG_ES256, KEY_JWK, S(EC) },
		[GCM] = { ALG_A128GCM, KEY_HEX, S("000102030405060708090a0b0c0d0e0f") },
		[KW] = { ALG_A128KW, KEY_HEX, S("000102030405060708090a0b0c0d0e0f") },
		[ECDH] = { ALG_ECDH_ES, KEY_JWK, S(EC) },
		[CBC] = { ALG_A128CBC_HS256, KEY_HEX, S("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f") },
	};
	char why[KEY_WHY_MAX];

	heap_is_root();
	for (int i = 0; i < N_KEYS; i++) {
		const struct key_spec spec = { .alg = made[i].alg, .kid = alg_name(made[i].alg) };
		require(secenv_import(NULL, made[i].form, made[i].material, &spec, &keys[i], why) == RC_OK);
	}
	return 0;
}

static enum reeve_rc take(struct arena *a, const struct jose *t, struct key_ref *key, alg_set permitted, struct slice *payload)
{
	const char *why = NULL;
	const enum reeve_rc rc = t->encrypted ? jose_decrypt(a, t, key, permitted, payload, &why) : jose_verify(t, key, permitted, payload, &why);
	require(rc == RC_OK ? payload->p != NULL : why != NULL && !payload->p);
	return rc;
}

static void any_token(struct arena *a, struct slice token)
{
	struct jose t;
	struct slice payload;
	const char *why = NULL;

	if (jose_parse(a, token, &jose_default_limits, &t, &why) != RC_OK) {
		require(why != NULL);
		return;
	}
	require(t.encrypted == (t.raw[4].p != NULL));
	for (int i = 0; i < N_KEYS; i++) {
		const enum reeve_rc rc = take(a, &t, keys[i], ~(alg_set)0, &payload);
		require(rc != RC_OK || t.h.alg == key_info(keys[i])->alg || (t.h.alg == ALG_DIR && t.h.enc == key_info(keys[i])->alg));
		require(take(a, &t, keys[i], ~(ALG_SET(t.h.alg) | ALG_SET(t.h.enc)), &payload) == RC_DENIED);
	}
}

static void signed_header(struct arena *a, struct slice header)
{
	struct buf b;
	struct jose t;
	struct slice payload;
	const char *why;
	uint8_t mac[KEY_SIGNATURE_MAX];
	size_t n;

	buf_init(&b, 1 << 20);
	base64url_encode(&b, header.p, header.n);
	buf_lit(&b, ".e30");
	require(key_sign(keys[HS], ALG_HS256, buf_view(&b), mac, &n) == RC_OK);
	buf_lit(&b, ".");
	base64url_encode(&b, mac, n);
	if (!b.failed && jose_parse(a, buf_view(&b), &jose_default_limits, &t, &why) == RC_OK)
		require(take(a, &t, keys[HS], ALGS_SIGN, &payload) == (t.h.alg == ALG_HS256 ? RC_OK : RC_DENIED));
	buf_free(&b);
}

static enum reeve_rc find(void *ctx, const struct jose *t, bool inner, struct key_ref **key, alg_set *permitted, const char **why)
{
	for (int i = 0; i < N_KEYS; i++)
		if (key_info(keys[i])->alg == (t->h.alg == ALG_DIR ? t->h.enc : t->h.alg)) {
			*key = key_get(keys[i]);
			*permitted = ALGS_ONEM2M_JWS | ALGS_ONEM2M_JWE;
			return RC_OK;
		}
	return RC_NOTFOUND;
}

static void nested(struct arena *a, struct slice inner)
{
	const struct jose_params p = { .typ = S("JWT"), .cty = S("JWT") };
	struct buf b;
	struct jwt j;
	const char *why = NULL;

	buf_init(&b, 1 << 20);
	if (inner.n && jose_encrypt(keys[GCM], ALG_NONE, &p, inner, &b, &why) == RC_OK) {
		why = NULL;
		const enum reeve_rc rc = jwt_open(a, buf_view(&b), &jose_default_limits, find, NULL, &j, &why);
		require(rc == RC_OK ? j.class == JWT_NESTED && !alg_in(j.inner.h.alg, ALGS_HMAC) && j.claims.p : why && !j.claims.p);
	}
	buf_free(&b);
}

static void agreement(struct arena *a, struct slice members)
{
	struct buf header, b;
	struct jose t;
	struct slice payload;
	const char *why;

	buf_init(&header, 1 << 16);
	buf_init(&b, 1 << 17);
	buf_lit(&header, "{\"alg\":\"ECDH-ES\",\"enc\":\"A128GCM\",");
	buf_slice(&header, members);
	buf_lit(&header, "}");
	base64url_encode(&b, header.p, header.n);
	buf_lit(&b, "..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA");
	if (!header.failed && !b.failed && jose_parse(a, buf_view(&b), &jose_default_limits, &t, &why) == RC_OK)
		require(take(a, &t, keys[ECDH], ALG_SET(ALG_ECDH_ES) | ALGS_GCM, &payload) != RC_OK);
	buf_free(&header);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a;
	const struct slice rest = n ? slice_of((const char *)data + 1, n - 1) : S("");

	if (!n)
		return 0;
	arena_init(&a, NULL, 0, 1 << 20);
	if (data[0] % 4 == 0)
		any_token(&a, rest);
	else if (data[0] % 4 == 1)
		signed_header(&a, rest);
	else if (data[0] % 4 == 2)
		nested(&a, rest);
	else
		agreement(&a, rest);
	arena_reset(&a);
	return 0;
}
