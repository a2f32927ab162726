/* SPDX-License-Identifier: Apache-2.0 */
/* A token taken apart by our interface, and the bare primitives of OpenSSL on the same bytes: context, key, data, as a program without key
 * handles calls them for a token, with the algorithm looked up before and the parts decoded before. What we do more is reading text
 * (parts, base64url, the header); what we do less is setting the key, which a handle keeps.
 *
 *   bench_jose [samples]     prints one JSON object: case -> { "ours", "bare", "keyed": nanoseconds, "ratio": median of ours / bare }
 *
 * "keyed" is the primitive alone, in a context that has its key already. The sides take turns, sample by sample. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/base64.h"
#include "jose/jose.h"

enum { SAMPLES = 301 };

struct subject {
	const char *name;
	unsigned inner;          /* tokens per sample */
	struct key_ref *key;
	struct buf token;
	struct jose t;           /* parsed once, for the bare side's bytes */
	EVP_MAC *hmac;
	EVP_CIPHER *aes;
	EVP_MAC_CTX *mac;
	EVP_PKEY *pkey;
	EVP_CIPHER_CTX *cipher;
	uint8_t der[128];
	size_t n_der;
};

static void die(const char *what)
{
	fprintf(stderr, "bench_jose: %s\n", what);
	exit(1);
}

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Claims as a token of oneM2M has them. */
static const char claims[] = "{\"tkvr\":\"1.0.0\",\"jti\":\"t1@das.sp.example\",\"iss\":\"//sp.example/Sdas\",\"azp\":\"//sp.example/gw7/CAE1\","
			     "\"nbf\":1700000000,\"exp\":1800000000,\"tknm\":\"door\",\"aud\":[\"//sp.example/gw7\"],\"tkps\":[{\"ris\":"
			     "[\"//sp.example/gw7/base/door\"],\"pvs\":{\"acr\":[{\"acor\":[\"//sp.example/gw7/CAE1\"],\"acop\":34}]},"
			     "\"rids\":[\"01-x@das.sp.example\"]}]}";

static void ours(struct subject *s)
{
	char first[8192];
	struct arena a;
	struct jose t;
	struct slice payload;
	const char *why;

	arena_init(&a, first, sizeof(first), 1 << 20);
	if (jose_parse(&a, buf_view(&s->token), &jose_default_limits, &t, &why) != RC_OK ||
	    (t.encrypted ? jose_decrypt(&a, &t, s->key, ALGS_ONEM2M_JWE, &payload, &why)
			 : jose_verify(&t, s->key, ALGS_ONEM2M_JWS, &payload, &why)) != RC_OK || payload.n != sizeof(claims) - 1)
		die(why);
	arena_reset(&a);
}

static const uint8_t zeros[32]; /* the key */
static OSSL_PARAM sha256[2];

static void hmac(struct subject *s, EVP_MAC_CTX *ctx, const uint8_t *key, size_t n_key)
{
	uint8_t mac[32];
	size_t n;

	if (!EVP_MAC_init(ctx, key, n_key, key ? sha256 : NULL) ||
	    !EVP_MAC_update(ctx, (const uint8_t *)s->t.input.p, s->t.input.n) || !EVP_MAC_final(ctx, mac, &n, sizeof(mac)) ||
	    CRYPTO_memcmp(mac, s->t.raw[2].p, 32))
		die("HMAC");
}

static void keyed_hs256(struct subject *s) { hmac(s, s->mac, NULL, 0); }

static void bare_hs256(struct subject *s)
{
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(s->hmac);
	hmac(s, ctx, zeros, sizeof(zeros));
	EVP_MAC_CTX_free(ctx);
}

static void bare_es256(struct subject *s)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!EVP_DigestVerifyInit_ex(ctx, NULL, "SHA2-256", NULL, NULL, s->pkey, NULL) ||
	    EVP_DigestVerify(ctx, s->der, s->n_der, (const uint8_t *)s->t.input.p, s->t.input.n) != 1)
		die("ECDSA");
	EVP_MD_CTX_free(ctx);
}

static void gcm(struct subject *s, EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const uint8_t *key)
{
	uint8_t out[4096];
	int n, rest;

	if (!EVP_DecryptInit_ex2(ctx, cipher, key, (const uint8_t *)s->t.raw[2].p, NULL) ||
	    !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, (void *)(uintptr_t)s->t.raw[4].p) ||
	    !EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *)s->t.input.p, (int)s->t.input.n) ||
	    !EVP_DecryptUpdate(ctx, out, &n, (const uint8_t *)s->t.raw[3].p, (int)s->t.raw[3].n) || EVP_DecryptFinal_ex(ctx, out + n, &rest) <= 0)
		die("GCM");
}

static void keyed_gcm(struct subject *s) { gcm(s, s->cipher, NULL, NULL); }

static void bare_gcm(struct subject *s)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	gcm(s, ctx, s->aes, zeros);
	EVP_CIPHER_CTX_free(ctx);
}

static double sample(struct subject *s, void (*fn)(struct subject *s))
{
	const double begin = now_ns();
	for (unsigned i = 0; i < s->inner; i++)
		fn(s);
	return (now_ns() - begin) / s->inner;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_value);
	return v[n / 2];
}

static void measure(struct subject *s, void (*bare)(struct subject *s), void (*keyed)(struct subject *s), int samples, bool last)
{
	double *a = calloc((size_t)samples * 4, sizeof(*a)), *b = a + samples, *c = b + samples, *r = c + samples;

	if (!a)
		die("no memory");
	for (int i = 0; i < 10; i++) { /* warm */
		sample(s, ours);
		sample(s, bare);
	}
	for (int i = 0; i < samples; i++) {
		a[i] = sample(s, ours);
		b[i] = sample(s, bare);
		c[i] = sample(s, keyed);
		r[i] = a[i] / b[i];
	}
	printf("\"%s\":{\"ours\":%.0f,\"bare\":%.0f,\"keyed\":%.0f,\"ratio\":%.3f}%s", s->name, median(a, samples), median(b, samples),
	       median(c, samples), median(r, samples), last ? "" : ",");
	free(a);
}

/* A key that both sides know, and a token under it. */
static void prepare(struct subject *s, struct arena *a, enum key_alg alg, const char *jwk)
{
	const struct key_spec spec = { .alg = alg, .kid = S("das-1") };
	const struct jose_params p = { .typ = S("JWT") };
	char why[KEY_WHY_MAX];
	const char *told;

	if (secenv_import(NULL, KEY_JWK, slice_str(jwk), &spec, &s->key, why) != RC_OK)
		die(why);
	buf_init(&s->token, 65536);
	if ((alg_in(alg, ALGS_SIGN) ? jose_sign(s->key, &p, S(claims), &s->token, &told)
				    : jose_encrypt(s->key, ALG_NONE, &p, S(claims), &s->token, &told)) != RC_OK ||
	    jose_parse(a, buf_view(&s->token), &jose_default_limits, &s->t, &told) != RC_OK)
		die(told);
}

static void prepare_hs256(struct subject *s, struct arena *a)
{
	static char name[] = "SHA2-256";

	sha256[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0);
	sha256[1] = OSSL_PARAM_construct_end();
	prepare(s, a, ALG_HS256, "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}");
	s->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	s->mac = EVP_MAC_CTX_new(s->hmac);
	if (!s->mac || !EVP_MAC_init(s->mac, zeros, sizeof(zeros), sha256))
		die("HMAC");
}

static void prepare_gcm(struct subject *s, struct arena *a)
{
	prepare(s, a, ALG_A128GCM, "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAA\"}");
	s->aes = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	s->cipher = EVP_CIPHER_CTX_new();
	if (!s->cipher || !EVP_DecryptInit_ex2(s->cipher, s->aes, zeros, zeros, NULL))
		die("GCM");
}

/* OpenSSL's own pair signs the same input for the bare side. */
static void prepare_es256(struct subject *s, struct arena *a)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	prepare(s, a, ALG_ES256, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
				 "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}");
	s->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	s->n_der = sizeof(s->der);
	if (!s->pkey || !EVP_DigestSignInit_ex(ctx, NULL, "SHA2-256", NULL, NULL, s->pkey, NULL) ||
	    EVP_DigestSign(ctx, s->der, &s->n_der, (const uint8_t *)s->t.input.p, s->t.input.n) != 1)
		die("ECDSA");
	EVP_MD_CTX_free(ctx);
}

int main(int argc, char **argv)
{
	const int asked = argc > 1 ? (int)strtol(argv[1], NULL, 10) : SAMPLES, samples = asked < 1 ? 1 : asked;
	struct subject hs = { .name = "hs256", .inner = 500 }, es = { .name = "es256", .inner = 10 }, jwe = { .name = "dir_a128gcm", .inner = 500 };
	struct arena a;

	arena_init(&a, NULL, 0, 1 << 20);
	prepare_hs256(&hs, &a);
	prepare_es256(&es, &a);
	prepare_gcm(&jwe, &a);
	printf("{");
	measure(&hs, bare_hs256, keyed_hs256, samples, false);
	measure(&es, bare_es256, bare_es256, samples, false);
	measure(&jwe, bare_gcm, keyed_gcm, samples, true);
	puts("}");
	return 0;
}
