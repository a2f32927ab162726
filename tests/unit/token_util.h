/* SPDX-License-Identifier: Apache-2.0 */
/* An issuer with a key of its own, whose tokens count. Include after cmocka.h. */
#ifndef TESTS_TOKEN_UTIL_H
#define TESTS_TOKEN_UTIL_H

#include "jose_util.h"

#include "authz/token.h"

static const struct ident_home token_home = {
	.sp_id = { "//sp.example", 12 }, .cse_id = { "/gw7", 4 }, .base_name = { "base", 4 }, .abs = { "//sp.example/gw7", 16 },
};
static const struct policy_options token_policies = { .home = &token_home };

#define DAS "//sp.example/Sdas"
#define HOLDER "//sp.example/gw7/C1"

struct maker { struct key_ref *key; struct issuers *issuers; };

static inline struct maker maker_new(const char *more)
{
	struct maker m = { .key = made(ALG_ES256) };
	char why[ISSUERS_WHY_MAX];
	struct buf b;

	buf_init(&b, 65536);
	buf_lit(&b, "{\"issuers\":[{\"id\":\"" DAS "\",\"domains\":[\"das.example\"],\"keys\":[{\"kid\":\"k\",\"alg\":\"ES256\",\"jwk\":");
	assert_int_equal(key_export_public(m.key, KEY_JWK_BARE, &b), RC_OK);
	buf_printf(&b, "}]%s}]}", more);
	if (issuers_read(buf_view(&b), NULL, &token_home, NULL, &m.issuers, why) != RC_OK)
		fail_msg("%s", why);
	buf_free(&b);
	return m;
}

static inline void maker_free(struct maker *m)
{
	issuers_put(m->issuers);
	key_put(m->key);
}

/* A token over any payload. */
static inline struct slice sign_over(struct maker *m, struct arena *a, struct slice claims)
{
	const struct jose_params p = { .typ = S("JWT"), .kid = S("k") };
	const char *why;
	struct slice out;
	struct buf b;

	buf_init(&b, 1 << 20);
	assert_int_equal(jose_sign(m->key, &p, claims, &b, &why), RC_OK);
	out = arena_dup(a, buf_view(&b));
	buf_free(&b);
	return out;
}

static inline enum token_fault open_token(struct maker *m, struct arena *a, struct slice text, struct token **t)
{
	struct token_open_options o = { .issuers = m->issuers, .policies = &token_policies };
	struct slice why;

	return token_open(&o, a, text, t, &why);
}

/* A token with this Token-ID that is right until `until`. */
static inline struct token *right_token(struct maker *m, struct arena *a, const char *id, const char *holder, int64_t until, const char *more)
{
	struct token *t;
	struct slice claims = arena_printf(a, "{\"tkvr\":\"1\",\"jti\":\"%s@das.example\",\"iss\":\"" DAS "\",\"azp\":\"%s\",\"nbf\":100,"
					      "\"exp\":%lld%s}", id, holder, (long long)until, more);

	assert_int_equal(open_token(m, a, sign_over(m, a, claims), &t), TOKEN_GOOD);
	return t;
}

#endif
