/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: claims, whole tokens with test keys, attributes of <token>, and the file of issuers.
 *
 * The first byte chooses. 0: the rest is the payload of a JWT. Claims that are accepted, written and read again are the same. 1: it is signed
 * with the issuer's key, and opened: what is refused has a reason, what is permitted is bounded. 2: it is a token itself; no input
 * can be one that counts. 3: it is the attributes of a <token>. 4: it is a file of issuers. */
#include "authz/token.h"

#include <stdlib.h>

#include "heap_root.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ident_home home = {
	.sp_id = { "//sp.example", 12 }, .cse_id = { "/gw7", 4 }, .base_name = { "base", 4 }, .abs = { "//sp.example/gw7", 16 },
};
static const struct policy_options policies = { .home = &home };
static struct key_ref *key;
static struct issuers *issuers;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void prepare(void)
{
	const struct key_spec spec = { .alg = ALG_ES256, .kid = { "k", 1 } };
	char why[ISSUERS_WHY_MAX];
	struct buf b;

	check(secenv_generate(NULL, &spec, &key, why) == RC_OK);
	buf_init(&b, 65536);
	buf_lit(&b, "{\"issuers\":[{\"id\":\"//sp.example/Sdas\",\"domains\":[\"das.example\"],\"keys\":[{\"kid\":\"k\",\"alg\":\"ES256\",\"jwk\":");
	check(key_export_public(key, KEY_JWK_BARE, &b) == RC_OK);
	buf_lit(&b, "}]}]}");
	check(issuers_read(buf_view(&b), NULL, &home, NULL, &issuers, why) == RC_OK);
	buf_free(&b);
	heap_is_root();
}

static void claims(struct arena *a, struct slice text)
{
	struct token_claims c, again;
	struct slice why = { NULL, 0 };
	struct buf b;
	enum reeve_rc rc = token_claims_read(a, &home, text, &token_default_limits, &c, &why);

	if (rc != RC_OK) {
		check(why.n || rc == RC_NOMEM);
		return;
	}
	buf_init(&b, 1 << 22);
	token_claims_write_jwt(&b, &c);
	if (!b.failed) {
		check(token_claims_read(a, &home, buf_view(&b), &token_default_limits, &again, &why) == RC_OK);
		check(!token_claims_differ(a, &again, &c) && !token_claims_differ(a, &c, &again));
	}
	buf_free(&b);
}

static void whole(struct arena *a, struct slice text, bool ours)
{
	const struct token_open_options o = { .issuers = issuers, .policies = &policies };
	struct slice why = { NULL, 0 };
	struct token *t;
	size_t n;

	if (token_open(&o, a, text, &t, &why) != TOKEN_GOOD) {
		check(why.n && !t);
		return;
	}
	check(ours && slice_eq(token_claims(t)->issuer, S("//sp.example/Sdas")) && slice_ends(token_claims(t)->id, S("@das.example")));
	token_permissions(t, &n);
	check(n <= token_default_limits.permissions);
	token_put(t);
}

static void sign(struct arena *a, struct slice payload)
{
	const struct jose_params p = { .typ = { "JWT", 3 } };
	const char *why;
	struct buf b;

	buf_init(&b, 1 << 20);
	if (jose_sign(key, &p, payload, &b, &why) == RC_OK)
		whole(a, buf_view(&b), true);
	buf_free(&b);
}

static void resource(struct arena *a, struct slice text)
{
	struct token_claims c;
	struct slice why;
	struct json j;

	if (json_parse(a, text, &json_default_limits, &j, &why) == RC_OK && json_kind(&j, 0) == J_OBJECT)
		(void)!token_claims_from_resource(a, &home, &j, 0, &c, &why);
}

static void trusted(struct slice text)
{
	char why[ISSUERS_WHY_MAX] = "";
	struct issuers *is;

	if (issuers_read(text, NULL, &home, NULL, &is, why) != RC_OK)
		check(why[0] && !is);
	issuers_put(is);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of((const char *)data + 1, size ? size - 1 : 0);
	struct arena a;

	if (!size)
		return 0;
	if (!key)
		prepare();
	arena_init(&a, NULL, 0, 16 << 20);
	switch (data[0] % 5) {
	case 0: claims(&a, rest); break;
	case 1: sign(&a, rest); break;
	case 2: whole(&a, rest, false); break;
	case 3: resource(&a, rest); break;
	default: trusted(rest);
	}
	arena_reset(&a);
	return 0;
}
