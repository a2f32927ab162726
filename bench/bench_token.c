/* SPDX-License-Identifier: Apache-2.0 */
/* A new token all the way - opened, its claims read, its rules compiled - beside the bare primitive on the same bytes.
 *
 *   bench_token     prints one JSON object: case -> {"ours": ns, "bare": ns, "ratio": n}
 */
#include "authz/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { INNER = 200, SAMPLES = 31 };

static const struct ident_home home = {
	.sp_id = { "//sp.example", 12 }, .cse_id = { "/gw7", 4 }, .base_name = { "base", 4 }, .abs = { "//sp.example/gw7", 16 },
};
static const struct policy_options policies = { .home = &home };
static const char claims[] = "{\"tkvr\":\"1\",\"jti\":\"t-771@das.example\",\"iss\":\"//sp.example/Sdas\",\"azp\":\"//sp.example/gw7/C1\","
			     "\"nbf\":1772352000,\"exp\":1972395200,\"aud\":[\"//sp.example/gw7\"],\"tkps\":{\"pm\":[{\"rids\":[\"n@das.example\"]},"
			     "{\"ris\":[\"/gw7/cnt33\"],\"pv\":{\"acr\":[{\"acor\":[\"//sp.example/gw7/C1\"],\"acop\":6}]}}]}}";

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

struct job { struct key_ref *key; struct issuers *issuers; struct slice token, input, signature; };

static void ours(struct job *j)
{
	const struct token_open_options o = { .issuers = j->issuers, .policies = &policies };
	_Alignas(16) char first[16384];
	struct slice why;
	struct token *t;
	struct arena a;

	arena_init(&a, first, sizeof(first), 1 << 20);
	if (token_open(&o, &a, j->token, &t, &why) != TOKEN_GOOD)
		exit(2);
	token_put(t);
	arena_reset(&a);
}

static void bare(struct job *j)
{
	if (key_verify(j->key, key_info(j->key)->alg, j->input, j->signature) != RC_OK)
		exit(3);
}

static double measure(void (*run)(struct job *j), struct job *j)
{
	double v[SAMPLES];

	for (int s = 0; s < SAMPLES; s++) {
		double begin = now_ns();
		for (int i = 0; i < INNER; i++)
			run(j);
		v[s] = (now_ns() - begin) / INNER;
	}
	qsort(v, SAMPLES, sizeof(v[0]), by_value);
	return v[SAMPLES / 2];
}

/* A sealed file of its own for the shared secret. */
static struct secenv *environment(char folder[64])
{
	struct secenv_options o = { .create = true };
	char path[96], why[KEY_WHY_MAX];
	struct secenv *se;

	snprintf(folder, 64, "/tmp/bench-token-XXXXXX");
	if (!mkdtemp(folder))
		exit(1);
	snprintf(path, sizeof(path), "%s/keys", folder);
	o.file = path;
	if (secenv_open(&o, &se, why) != RC_OK)
		exit(1);
	return se;
}

static void one(const char *name, struct secenv *se, enum key_alg alg, bool last)
{
	const struct key_spec spec = { .alg = alg, .kid = slice_str(name), .bits = alg == ALG_RS256 ? 2048 : 0 };
	const struct jose_params p = { .typ = { "JWT", 3 } };
	char why[ISSUERS_WHY_MAX], file[512];
	static uint8_t signature[KEY_SIGNATURE_MAX];
	struct job j = { 0 };
	const char *said;
	struct buf b;
	size_t n, dot = 0;
	double a, c;

	snprintf(file, sizeof(file), "{\"issuers\":[{\"id\":\"//sp.example/Sdas\",\"domains\":[\"das.example\"],"
				     "\"keys\":[{\"kid\":\"%s\",\"sealed\":\"%s\"}]}]}", name, name);
	buf_init(&b, 1 << 16);
	if (secenv_generate(se, &spec, &j.key, why) || issuers_read(slice_str(file), NULL, &home, se, &j.issuers, why) ||
	    jose_sign(j.key, &p, slice_str(claims), &b, &said))
		exit(1);
	j.token = buf_view(&b);
	for (size_t i = 0; i < j.token.n; i++)
		dot = j.token.p[i] == '.' ? i : dot;
	j.input = slice_of(j.token.p, dot);
	if (key_sign(j.key, alg, j.input, signature, &n))
		exit(1);
	j.signature = slice_of((char *)signature, n);
	a = measure(ours, &j);
	c = measure(bare, &j);
	printf("%s\"%s\":{\"ours\":%.0f,\"bare\":%.0f,\"ratio\":%.2f}%s", last ? "" : "{", name, a, c, a / c, last ? "}\n" : ",");
	issuers_put(j.issuers);
	key_put(j.key);
	buf_free(&b);
}

int main(void)
{
	char folder[64], path[96];
	struct secenv *se = environment(folder);

	one("hs256", se, ALG_HS256, false);
	one("es256", se, ALG_ES256, true);
	secenv_close(se);
	snprintf(path, sizeof(path), "%s/keys", folder);
	remove(path);
	snprintf(path, sizeof(path), "%s/keys.seal", folder);
	remove(path);
	remove(folder);
	return 0;
}
