/* SPDX-License-Identifier: Apache-2.0 */
/* The table of algorithms: what kind of key each wants and what OpenSSL calls its parts. */
#include "secenv/alg_int.h"

const struct alg alg_table[ALG_COUNT] = {
	[ALG_HS256] = { S("HS256"), WORK_MAC, KEY_OCT, .hash = "SHA2-256", .size = 32, .least = 32, .most = KEY_OCT_MAX },
	[ALG_HS384] = { S("HS384"), WORK_MAC, KEY_OCT, .hash = "SHA2-384", .size = 48, .least = 48, .most = KEY_OCT_MAX },
	[ALG_HS512] = { S("HS512"), WORK_MAC, KEY_OCT, .hash = "SHA2-512", .size = 64, .least = 64, .most = KEY_OCT_MAX },
	[ALG_RS256] = { S("RS256"), WORK_SIGN, KEY_RSA, .hash = "SHA2-256" },
	[ALG_RS384] = { S("RS384"), WORK_SIGN, KEY_RSA, .hash = "SHA2-384" },
	[ALG_RS512] = { S("RS512"), WORK_SIGN, KEY_RSA, .hash = "SHA2-512" },
	[ALG_ES256] = { S("ES256"), WORK_SIGN, KEY_EC, .hash = "SHA2-256", .curve = CURVE_P256 },
	[ALG_ES384] = { S("ES384"), WORK_SIGN, KEY_EC, .hash = "SHA2-384", .curve = CURVE_P384 },
	[ALG_ES512] = { S("ES512"), WORK_SIGN, KEY_EC, .hash = "SHA2-512", .curve = CURVE_P521 },
	[ALG_A128KW] = { S("A128KW"), WORK_WRAP, KEY_OCT, .cipher = "AES-128-WRAP", .size = 16 },
	[ALG_A192KW] = { S("A192KW"), WORK_WRAP, KEY_OCT, .cipher = "AES-192-WRAP", .size = 24 },
	[ALG_A256KW] = { S("A256KW"), WORK_WRAP, KEY_OCT, .cipher = "AES-256-WRAP", .size = 32 },
	[ALG_RSA_OAEP_256] = { S("RSA-OAEP-256"), WORK_WRAP, KEY_RSA, .hash = "SHA2-256" },
	[ALG_ECDH_ES] = { S("ECDH-ES"), WORK_AGREE, KEY_EC, .wrap = ALG_NONE },
	[ALG_ECDH_ES_A128KW] = { S("ECDH-ES+A128KW"), WORK_AGREE, KEY_EC, .wrap = ALG_A128KW },
	[ALG_ECDH_ES_A192KW] = { S("ECDH-ES+A192KW"), WORK_AGREE, KEY_EC, .wrap = ALG_A192KW },
	[ALG_ECDH_ES_A256KW] = { S("ECDH-ES+A256KW"), WORK_AGREE, KEY_EC, .wrap = ALG_A256KW },
	[ALG_A128GCM] = { S("A128GCM"), WORK_CONTENT, KEY_OCT, .cipher = "AES-128-GCM", .size = 16 },
	[ALG_A192GCM] = { S("A192GCM"), WORK_CONTENT, KEY_OCT, .cipher = "AES-192-GCM", .size = 24 },
	[ALG_A256GCM] = { S("A256GCM"), WORK_CONTENT, KEY_OCT, .cipher = "AES-256-GCM", .size = 32 },
	[ALG_A128CBC_HS256] = { S("A128CBC-HS256"), WORK_CONTENT, KEY_OCT, .hash = "SHA2-256", .cipher = "AES-128-CBC", .size = 32 },
	[ALG_A192CBC_HS384] = { S("A192CBC-HS384"), WORK_CONTENT, KEY_OCT, .hash = "SHA2-384", .cipher = "AES-192-CBC", .size = 48 },
	[ALG_A256CBC_HS512] = { S("A256CBC-HS512"), WORK_CONTENT, KEY_OCT, .hash = "SHA2-512", .cipher = "AES-256-CBC", .size = 64 },
	[ALG_DIR] = { S("dir"), WORK_NONE, KEY_OCT, .wrap = ALG_NONE },
	[ALG_TLS_PSK] = { S("TLS-PSK"), WORK_LEND, KEY_OCT, .size = 32, .least = KEY_OCT_MIN, .most = KEY_LENT_MAX },
	[ALG_TLS_ES256] = { S("TLS-ES256"), WORK_SIGN, KEY_EC, .hash = "SHA2-256", .curve = CURVE_P256 },
	[ALG_DERIVE] = { S("DERIVE"), WORK_DERIVE, KEY_OCT, .hash = "SHA2-256", .size = 32 },
};

struct slice alg_name(enum key_alg alg)
{
	return (unsigned)alg < ALG_COUNT && alg_table[alg].name.p ? alg_table[alg].name : S("");
}

enum key_alg alg_find(struct slice name)
{
	for (int i = ALG_NONE + 1; i < ALG_COUNT; i++)
		if (slice_eq(alg_table[i].name, name))
			return (enum key_alg)i;
	return ALG_NONE;
}
