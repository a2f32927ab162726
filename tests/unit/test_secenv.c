/* SPDX-License-Identifier: Apache-2.0 */
/* The Secure Environment: keys by handle, the sealed file under bad luck and bad intentions, several threads and processes. */
#include "jose_util.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec/base64.h"
#include "secenv/sealed_int.h"

static char folder[] = "/tmp/reeve-secenv-XXXXXX";
static char path[64], seal_path[64], new_path[64], lock_path[64];
static char why[KEY_WHY_MAX];

static void remove_files(void)
{
	unlink(path);
	unlink(seal_path);
	unlink(new_path);
	unlink(lock_path);
}

static int set_up(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/keys", folder);
	snprintf(seal_path, sizeof(seal_path), "%s/keys.seal", folder);
	snprintf(new_path, sizeof(new_path), "%s/keys.new", folder);
	snprintf(lock_path, sizeof(lock_path), "%s/keys.lock", folder);
	return 0;
}

static int tear_down(void **state)
{
	remove_files();
	return rmdir(folder);
}

static int afresh(void **state)
{
	remove_files();
	return 0;
}

static enum reeve_rc opened(bool create, struct secenv **se)
{
	const struct secenv_options o = { .file = path, .create = create };
	*why = 0;
	return secenv_open(&o, se, why);
}

static struct secenv *must_open(bool create)
{
	struct secenv *se;
	if (opened(create, &se) != RC_OK)
		fail_msg("%s", why);
	return se;
}

static struct key_ref *must_generate(struct secenv *se, const char *kid, enum key_alg alg)
{
	const struct key_spec spec = { .kid = slice_str(kid), .alg = alg, .bits = alg_in(alg, ALGS_RSA_SIGN) ? 2048 : 0, .label = S("Schlüssel") };
	struct key_ref *key;
	if (secenv_generate(se, &spec, &key, why) != RC_OK)
		fail_msg("%s", why);
	return key;
}

static struct slice bytes_of(const char *name, char *p, size_t max)
{
	const int fd = open(name, O_RDONLY);
	const ssize_t n = fd < 0 ? -1 : read(fd, p, max);
	assert_true(n >= 0);
	close(fd);
	return slice_of(p, (size_t)n);
}

static void put_bytes(const char *name, struct slice s)
{
	const int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0 && write(fd, s.p, s.n) == (ssize_t)s.n);
	close(fd);
}

/* --- keys and operations --- */

/* RFC 7518 B.1 to B.3 */
static void cbc_vectors(void **state)
{
	static const char cipher[3][400] = {
		"c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9a94ac9b47ad2655c5f10f9aef71427e2"
		"fc6f9b3f399a221489f16362c703233609d45ac69864e3321cf82935ac4096c86e133314c54019e8ca7980dfa4b9cf1b"
		"384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade54b8851ffb598f7f80074b9473c82e2db"
		"652c3fa36b0a7c5b3219fab3a30bc1c4",
		"ea65da6b59e61edb419be62d19712ae5d303eeb50052d0dfd6697f77224c8edb000d279bdc14c1072654bd30944230c6"
		"57bed4ca0c9f4a8466f22b226d1746214bf8cfc2400add9f5126e479663fc90b3bed787a2f0ffcbf3904be2a641d5c21"
		"05bfe591bae23b1d7449e532eef60a9ac8bb6c6b01d35d49787bcd57ef484927f280adc91ac0c4e79c7b11efc60054e3"
		"8490ac0e58949bfe51875d733f93ac2075168039ccc733d7",
		"4affaaadb78c31c5da4b1b590d10ffbd3dd8d5d302423526912da037ecbcc7bd822c301dd67c373bccb584ad3e9279c2"
		"e6d12a1374b77f077553df829410446b36ebd97066296ae6427ea75c2e0846a11a09ccf5370dc80bfecbad28c73f09b3"
		"a3b75e662a2594410ae496b2e2e6609e31e6e02cc837f053d21f37ff4f51950bbe2638d09dd7a4930930806d0703b1f6"
		"4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5",
	};
	static const uint8_t iv[] = { 0x1a, 0xf3, 0x8c, 0x2d, 0xc2, 0xb9, 0x6f, 0xfd, 0xd8, 0x66, 0x94, 0x09, 0x23, 0x41, 0xbc, 0x04 };
	static const enum key_alg algs[] = { ALG_A128CBC_HS256, ALG_A192CBC_HS384, ALG_A256CBC_HS512 };
	static const char text[] = "A cipher system must not be required to be secret, and it must be able to fall into the hands of the "
				   "enemy without inconvenience";

	for (int i = 0; i < 3; i++) {
		const size_t n_key = 32 + 16 * (size_t)i, n_tag = n_key / 2, n_all = strlen(cipher[i]) / 2, n_cipher = n_all - n_tag;
		uint8_t key_bytes[64], all[200], out[200];
		struct key_ref *key;
		size_t n;
		for (size_t k = 0; k < n_key; k++)
			key_bytes[k] = (uint8_t)k;
		for (size_t k = 0; k < n_all; k++)
			assert_int_equal(sscanf(cipher[i] + 2 * k, "%2hhx", &all[k]), 1);
		assert_int_equal(key_make_oct(algs[i], key_bytes, n_key, &key), RC_OK);
		assert_int_equal(key_open(key, algs[i], slice_of((const char *)iv, sizeof(iv)), S("The second principle of Auguste Kerckhoffs"),
					  slice_of((const char *)all, n_cipher), slice_of((const char *)all + n_cipher, n_tag), out, &n), RC_OK);
		assert_true(slice_eq(slice_of((const char *)out, n), slice_str(text)));
		key_put(key);
	}
}

/* RFC 7518 C: the derived key is VqqN6vgjbSBcIijNcacQGg */
static void agreement(void **state)
{
	static const char alice[] = "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0\","
				    "\"y\":\"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps\",\"d\":\"0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo\"}";
	static const char bob[] = "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\","
				  "\"y\":\"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck\",\"d\":\"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw\"}";
	struct key_ref *a, *b, *pub, *derived;
	uint8_t want[16];

	assert_int_equal(imported(slice_str(alice), ALG_ECDH_ES, &a), RC_OK);
	assert_int_equal(imported(slice_str(bob), ALG_ECDH_ES, &b), RC_OK);
	assert_true(base64url_decode(S("VqqN6vgjbSBcIijNcacQGg"), want));
	for (int i = 0; i < 2; i++) { /* both sides */
		pub = public_of(i ? a : b, ALG_ECDH_ES);
		assert_int_equal(key_agree(i ? b : a, ALG_ECDH_ES, pub, ALG_A128GCM, S("Alice"), S("Bob"), &derived), RC_OK);
		assert_memory_equal(derived->oct, want, sizeof(want));
		key_put(derived);
		key_put(pub);
	}
	/* only a content encryption key comes out of plain ECDH-ES, and only by who has a secret */
	assert_int_equal(key_agree(a, ALG_ECDH_ES, b, ALG_A128KW, S(""), S(""), &derived), RC_DENIED);
	pub = public_of(a, ALG_ECDH_ES);
	assert_int_equal(key_agree(pub, ALG_ECDH_ES, b, ALG_A128GCM, S(""), S(""), &derived), RC_DENIED);
	key_put(pub);
	key_put(a);
	key_put(b);
}

static void thumbprint(void **state)
{
	/* RFC 7638 3.1; with kid and alg, which do not count */
	static const char jwk[] = "{\"kty\":\"RSA\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP"
				  "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9"
				  "c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
				  "kEgU8awapJzKnqDKgw\",\"e\":\"AQAB\",\"alg\":\"RS256\"}";
	struct key_ref *key;

	assert_int_equal(imported(slice_str(jwk), ALG_NONE, &key), RC_OK);
	assert_slice(key_info(key)->kid, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
	assert_false(key_info(key)->secret);
	key_put(key);
}

static void imports(void **state)
{
#define EC "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define K32 "\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""
	static const struct { const char *jwk; enum key_alg alg; enum reeve_rc rc; } t[] = {
		{ "{" EC "}", ALG_ES256, RC_OK },
		{ "{" EC ",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}", ALG_ES256, RC_OK },
		{ "{" EC "}", ALG_NONE, RC_INVALID },                 /* what for? */
		{ "{" EC ",\"alg\":\"ES256\"}", ALG_NONE, RC_OK },
		{ "{" EC ",\"alg\":\"ES256\"}", ALG_ECDH_ES, RC_INVALID },
		{ "{" EC ",\"use\":\"sig\",\"key_ops\":[\"verify\"]}", ALG_ES256, RC_OK },
		{ "{" EC ",\"use\":\"enc\"}", ALG_ES256, RC_INVALID },
		{ "{" EC ",\"use\":\"sig\"}", ALG_ECDH_ES, RC_INVALID },
		{ "{" EC ",\"key_ops\":[\"deriveBits\"]}", ALG_ES256, RC_INVALID },
		{ "{" EC ",\"key_ops\":\"verify\"}", ALG_ES256, RC_INVALID },
		{ "{" EC "}", ALG_ES384, RC_INVALID },                /* another curve */
		{ "{" EC "}", ALG_HS256, RC_INVALID },                /* another kind */
		{ "{" EC "}", ALG_RS256, RC_INVALID },
		{ "{" EC ",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LM\"}", ALG_ES256, RC_INVALID }, /* not its private part */
		{ "{" EC ",\"d\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", ALG_ES256, RC_INVALID },
		{ "{" EC ",\"d\":\"AQ\"}", ALG_ES256, RC_INVALID },
		{ "{" EC ",\"d\":7}", ALG_ES256, RC_INVALID },
		{ "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"\",\"y\":\"\"}", ALG_ES256, RC_INVALID },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}", ALG_ES256, RC_INVALID },
		{ "{\"kty\":\"oct\"," K32 "}", ALG_HS256, RC_OK },
		{ "{\"kty\":\"oct\"," K32 "}", ALG_A256GCM, RC_OK },
		{ "{\"kty\":\"oct\"," K32 "}", ALG_A128GCM, RC_INVALID }, /* too long */
		{ "{\"kty\":\"oct\"," K32 "}", ALG_HS384, RC_INVALID },   /* too short (RFC 7518 3.2) */
		{ "{\"kty\":\"oct\"," K32 ",\"alg\":\"dir\"}", ALG_NONE, RC_INVALID },
		{ "{\"kty\":\"oct\"," K32 ",\"alg\":\"none\"}", ALG_NONE, RC_INVALID },
		{ "{\"kty\":\"oct\"," K32 ",\"alg\":\"HS2\\u00356\"}", ALG_NONE, RC_INVALID },
		{ "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\"}", ALG_HS256, RC_INVALID }, /* bits at the end */
		{ "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}", ALG_HS256, RC_INVALID },
		{ "{\"kty\":\"oct\",\"k\":\"\\u0041AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", ALG_HS256, RC_INVALID },
		{ "{\"kty\":\"oct\",\"k\":\"\"}", ALG_HS256, RC_INVALID },
		{ "{\"kty\":\"oct\"," K32 ",\"kty\":\"oct\"}", ALG_HS256, RC_SYNTAX },
		{ "{\"kty\":\"oct\"," K32 ",\"kid\":\"a b\"}", ALG_HS256, RC_INVALID },
		{ "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"\"}", ALG_ES256, RC_INVALID },
		{ "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", ALG_RS256, RC_INVALID }, /* 17 bits */
		{ "{}", ALG_HS256, RC_INVALID }, { "[]", ALG_HS256, RC_SYNTAX }, { "", ALG_HS256, RC_SYNTAX }, { "{", ALG_HS256, RC_SYNTAX },
	};
	for (size_t i = 0; i < ROWS(t); i++) {
		struct key_ref *key;
		if (imported(slice_str(t[i].jwk), t[i].alg, &key) != t[i].rc)
			fail_msg("%s for %.*s", t[i].jwk, SF(alg_name(t[i].alg)));
		key_put(key);
	}
	static const struct { const char *hex; enum reeve_rc rc; } h[] = {
		{ "000102030405060708090a0b0c0d0e0F", RC_OK }, { "000102030405060708090a0b0c0d0e0f\r\n \t", RC_OK },
		{ "000102030405060708090a0b0c0d0e0", RC_INVALID }, { "000102030405060708090a0b0c0d0e", RC_INVALID },
		{ "0001020304050607 08090a0b0c0d0e0f", RC_SYNTAX }, { "0x0102030405060708090a0b0c0d0e0f", RC_SYNTAX }, { " ", RC_INVALID },
	};
	for (size_t i = 0; i < ROWS(h); i++) {
		const struct key_spec spec = { .alg = ALG_A128KW };
		struct key_ref *key = NULL;
		if (secenv_import(NULL, KEY_HEX, slice_str(h[i].hex), &spec, &key, why) != h[i].rc)
			fail_msg("%s: %s", h[i].hex, why);
		assert_true(!key || (key->n_oct == 16 && key->oct[0] == 0 && key->oct[10] == 10 && key->oct[15] == 15));
		key_put(key);
	}
}

/* One key, one purpose: every operation with every key, allowed only where it belongs. SE-025 */
static void purposes(void **state)
{
	uint8_t out[KEY_SIGNATURE_MAX], iv[KEY_IV_MAX], tag[KEY_TAG_MAX] = { 0 };
	struct key_ref *inner = made(ALG_A128GCM), *got;
	size_t n;

	for (enum key_alg k = ALG_HS256; k < ALG_COUNT; k++) {
		if (k == ALG_DIR || (alg_in(k, ALGS_RSA_SIGN) && k != ALG_RS256))
			continue;
		struct key_ref *key = made(k);
		assert_int_equal(key_lend(key, out, &n), k == ALG_TLS_PSK ? RC_OK : RC_DENIED);
		const enum reeve_rc derived = key_derive(key, S("x"), ALG_TLS_PSK, &got);
		assert_int_equal(derived, k == ALG_DERIVE ? RC_OK : RC_DENIED);
		if (derived == RC_OK)
			key_put(got);
		assert_int_equal(key_sign_digest(key, tag, out, &n), k == ALG_TLS_ES256 ? RC_OK : RC_DENIED);
		for (enum key_alg alg = ALG_NONE; alg < ALG_COUNT; alg++) {
			const bool same = alg == k, signs = alg_in(k, ALGS_SIGN | ALG_SET(ALG_TLS_ES256));
			assert_int_equal(key_sign(key, alg, S("x"), out, &n), same && signs ? RC_OK : RC_DENIED);
			assert_int_equal(key_verify(key, alg, S("x"), S("bad")), same && signs ? RC_FORGED : RC_DENIED);
			assert_int_equal(key_seal(key, alg, S(""), S("x"), iv, out, tag), same && alg_in(k, ALGS_CONTENT) ? RC_OK : RC_DENIED);
			assert_int_equal(key_open(key, alg, S(""), S(""), S("x"), S(""), out, &n), same && alg_in(k, ALGS_CONTENT) ? RC_SYNTAX : RC_DENIED);
			const bool wraps = same && alg_in(k, ALGS_AES_KW | ALG_SET(ALG_RSA_OAEP_256));
			assert_int_equal(key_wrap(key, alg, inner, out, &n), wraps ? RC_OK : RC_DENIED);
			if (wraps) {
				assert_int_equal(key_unwrap(key, alg, slice_of((char *)out, n), ALG_A128GCM, &got), RC_OK);
				assert_memory_equal(got->oct, inner->oct, 16);
				key_put(got);
				assert_int_equal(key_unwrap(key, alg, slice_of((char *)out, n), ALG_A128KW, &got), RC_DENIED);
			} else {
				assert_int_equal(key_unwrap(key, alg, S("x"), ALG_A128GCM, &got), RC_DENIED);
			}
		}
		key_put(key);
	}
	key_put(inner);
}

/* Keys of security associations: how long they may be, that what is lent is the key, that what is derived is the MAC. */
static void association_keys(void **state)
{
	static const struct { enum key_alg alg; size_t n; bool ok; } sizes[] = {
		{ ALG_TLS_PSK, 15, false }, { ALG_TLS_PSK, 16, true }, { ALG_TLS_PSK, 64, true }, { ALG_TLS_PSK, 65, false },
		{ ALG_DERIVE, 31, false }, { ALG_DERIVE, 32, true }, { ALG_DERIVE, 33, false },
	};
	char bytes[80];
	uint8_t out[KEY_SIGNATURE_MAX];
	struct key_ref *key, *mac, *got;
	size_t n;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	for (size_t i = 0; i < ROWS(sizes); i++) {
		const struct key_spec spec = { .alg = sizes[i].alg };
		const enum reeve_rc rc = secenv_import(NULL, KEY_BYTES, slice_of(bytes, sizes[i].n), &spec, &key, why);
		assert_int_equal(rc, sizes[i].ok ? RC_OK : RC_INVALID);
		if (rc != RC_OK)
			continue;
		if (sizes[i].alg == ALG_TLS_PSK) {
			assert_int_equal(key_lend(key, out, &n), RC_OK);
			assert_int_equal(n, sizes[i].n);
			assert_memory_equal(out, bytes, n);
		}
		key_put(key);
	}
	const struct key_spec derive = { .alg = ALG_DERIVE }, hs256 = { .alg = ALG_HS256 };
	assert_int_equal(secenv_import(NULL, KEY_BYTES, slice_of(bytes, 32), &derive, &key, why), RC_OK);
	assert_int_equal(secenv_import(NULL, KEY_BYTES, slice_of(bytes, 32), &hs256, &mac, why), RC_OK);
	assert_int_equal(key_sign(mac, ALG_HS256, S("label"), out, &n), RC_OK);
	assert_int_equal(key_derive(key, S("label"), ALG_TLS_PSK, &got), RC_OK);
	assert_true(got->n_oct == 32 && !memcmp(got->oct, out, 32) && key_info(got)->alg == ALG_TLS_PSK);
	key_put(got);
	assert_int_equal(key_derive(key, S("label"), ALG_A128GCM, &got), RC_INVALID); /* takes 16 bytes */
	assert_int_equal(key_derive(key, S("label"), ALG_TLS_ES256, &got), RC_INVALID);
	assert_int_equal(key_derive(key, S("label"), ALG_NONE, &got), RC_INVALID);
	key_put(key);
	key_put(mac);
	/* of a digest or of the text: the same signature */
	static const uint8_t abc[32] = "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23"
				       "\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad"; /* FIPS 180-4 */
	key = made(ALG_TLS_ES256);
	assert_int_equal(key_sign_digest(key, abc, out, &n), RC_OK);
	assert_int_equal(key_verify(key, ALG_TLS_ES256, S("abc"), slice_of((char *)out, n)), RC_OK);
	key_put(key);
}

/* What comes under RSA-OAEP-256 and is no key of ours gives a key, not an error: a padding oracle would need the difference. */
static void oaep_tells_nothing(void **state)
{
	struct key_ref *rsa = made(ALG_RSA_OAEP_256), *inner = made(ALG_A256GCM), *a, *b;
	uint8_t wrapped[KEY_WRAPPED_MAX];
	size_t n;

	assert_int_equal(key_wrap(rsa, ALG_RSA_OAEP_256, inner, wrapped, &n), RC_OK);
	assert_int_equal(n, 256);
	assert_int_equal(key_unwrap(rsa, ALG_RSA_OAEP_256, slice_of((char *)wrapped, n), ALG_A128GCM, &a), RC_OK); /* 32 bytes, not 16 */
	assert_memory_not_equal(a->oct, inner->oct, 16);
	key_put(a);
	wrapped[40] ^= 1;
	assert_int_equal(key_unwrap(rsa, ALG_RSA_OAEP_256, slice_of((char *)wrapped, n), ALG_A256GCM, &a), RC_OK);
	assert_int_equal(key_unwrap(rsa, ALG_RSA_OAEP_256, slice_of((char *)wrapped, n), ALG_A256GCM, &b), RC_OK);
	assert_memory_not_equal(a->oct, b->oct, 32);
	key_put(a);
	key_put(b);
	assert_int_equal(key_unwrap(rsa, ALG_RSA_OAEP_256, S("short"), ALG_A256GCM, &a), RC_OK);
	key_put(a);
	key_put(rsa);
	key_put(inner);
}

static void public_only(void **state)
{
	struct key_ref *key = made(ALG_ES256), *oct = made(ALG_HS256);
	struct buf b;
	uint8_t print[32];

	buf_init(&b, 4096);
	assert_int_equal(key_export_public(key, KEY_JWK, &b), RC_OK); /* SE-024 */
	assert_null(memmem(b.p, b.n, "\"d\":", 4));
	buf_clear(&b);
	assert_int_equal(key_export_public(key, KEY_PEM, &b), RC_OK);
	assert_non_null(memmem(b.p, b.n, "BEGIN PUBLIC KEY", 16));
	assert_null(memmem(b.p, b.n, "PRIVATE", 7));
	buf_clear(&b);
	assert_int_equal(key_export_public(key, KEY_HEX, &b), RC_INVALID);
	assert_int_equal(key_export_public(oct, KEY_JWK, &b), RC_DENIED);
	assert_int_equal(key_export_public(oct, KEY_PEM, &b), RC_DENIED);
	assert_int_equal(key_thumbprint(oct, print), RC_DENIED);
	assert_int_equal(b.n, 0);
	buf_free(&b);
	key_put(key);
	key_put(oct);
}

/* --- the file --- */

static void count_one(void *ctx, const struct key_info *info) { ++*(unsigned *)ctx; }

static unsigned count(struct secenv *se)
{
	unsigned n = 0;
	secenv_list(se, count_one, &n);
	return n;
}

static void stored(void **state)
{
	static const enum key_alg algs[] = { ALG_HS512, ALG_RS256, ALG_ES512, ALG_A192KW, ALG_ECDH_ES_A256KW, ALG_A256CBC_HS512 };
	struct secenv *se;
	struct key_ref *key, *pub;
	char kid[8], mac[8][KEY_SIGNATURE_MAX];
	size_t n[8];
	struct stat st;

	assert_int_equal(opened(false, &se), RC_NOTFOUND); /* no silent start without */
	assert_null(se);
	se = must_open(true);
	for (size_t i = 0; i < ROWS(algs); i++) {
		snprintf(kid, sizeof(kid), "k%zu", i);
		key = must_generate(se, kid, algs[i]);
		n[i] = 0;
		if (alg_in(algs[i], ALGS_SIGN))
			assert_int_equal(key_sign(key, algs[i], S("data"), (uint8_t *)mac[i], &n[i]), RC_OK);
		const struct key_spec again = { .kid = slice_str(kid), .alg = ALG_HS256 };
		assert_int_equal(secenv_generate(se, &again, NULL, why), RC_EXISTS);
		key_put(key);
	}
	/* a public key may be stored too */
	key = secenv_find(se, S("k2"));
	struct buf b;
	buf_init(&b, 4096);
	assert_int_equal(key_export_public(key, KEY_JWK_BARE, &b), RC_OK);
	const struct key_spec spec = { .kid = S("peer"), .alg = ALG_ES512 };
	assert_int_equal(secenv_import(se, KEY_JWK, buf_view(&b), &spec, NULL, why), RC_OK);
	buf_free(&b);
	key_put(key);
	secenv_close(se);

	assert_true(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600 && stat(seal_path, &st) == 0 && (st.st_mode & 0777) == 0600);
	se = must_open(false);
	assert_int_equal(count(se), ROWS(algs) + 1);
	for (size_t i = 0; i < ROWS(algs); i++) {
		snprintf(kid, sizeof(kid), "k%zu", i);
		key = secenv_find(se, slice_str(kid));
		assert_non_null(key);
		assert_true(key_info(key)->alg == algs[i] && key_info(key)->secret && key_info(key)->created > 0);
		assert_slice(key_info(key)->label, "Schlüssel");
		if (n[i])
			assert_int_equal(key_verify(key, algs[i], S("data"), slice_of(mac[i], n[i])), RC_OK);
		key_put(key);
	}
	pub = secenv_find(se, S("peer"));
	assert_false(key_info(pub)->secret);
	assert_int_equal(key_verify(pub, ALG_ES512, S("data"), slice_of(mac[2], n[2])), RC_OK);
	assert_int_equal(key_sign(pub, ALG_ES512, S("data"), (uint8_t *)mac[0], n), RC_DENIED);
	key_put(pub);
	assert_null(secenv_find(se, S("k")));
	assert_null(secenv_find(se, S("")));
	/* a stored secret does not leave wrapped under another key */
	struct key_ref *kek = must_generate(NULL, "kek", ALG_A256KW);
	uint8_t wrapped[KEY_WRAPPED_MAX];
	size_t n_wrapped;
	key = secenv_find(se, S("k5"));
	assert_int_equal(key_wrap(kek, ALG_A256KW, key, wrapped, &n_wrapped), RC_DENIED);
	key_put(key);
	key_put(kek);
	/* SE-013: a deleted key is good for nothing, also where its handle is still held */
	key = secenv_find(se, S("k0"));
	assert_int_equal(secenv_delete(se, S("k0"), why), RC_OK);
	assert_int_equal(secenv_delete(se, S("k0"), why), RC_NOTFOUND);
	assert_null(secenv_find(se, S("k0")));
	assert_int_equal(key_verify(key, ALG_HS512, S("data"), slice_of(mac[0], 64)), RC_DENIED);
	key_put(key);
	secenv_close(se);
	se = must_open(false);
	assert_int_equal(count(se), ROWS(algs));
	secenv_close(se);
}

static void nothing_in_clear(void **state)
{
	/* the bytes of a key are not in the file */
	static const char jwk[] = "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T\"}";
	const struct key_spec spec = { .kid = S("known-key"), .alg = ALG_HS256 };
	struct secenv *se = must_open(true);
	char bytes[4096];
	struct key_ref *key;

	assert_int_equal(secenv_import(se, KEY_JWK, slice_str(jwk), &spec, &key, why), RC_OK);
	const struct slice file = bytes_of(path, bytes, sizeof(bytes));
	assert_true(file.n > 100);
	assert_true(key->oct && !memmem(file.p, file.n, key->oct, 8));
	assert_null(memmem(file.p, file.n, "known-key", 9));
	key_put(key);
	secenv_close(se);
}

static void private_files(void **state)
{
	static const mode_t modes[] = { 0644, 0640, 0604, 0620, 0602, 0610, 0660, 0777 };
	struct secenv *se = must_open(true);

	secenv_close(se);
	for (int which = 0; which < 2; which++) {
		const char *name = which ? seal_path : path;
		for (size_t i = 0; i < ROWS(modes); i++) {
			assert_int_equal(chmod(name, modes[i]), 0);
			assert_int_equal(opened(false, &se), RC_DENIED);
			assert_non_null(strstr(why, "chmod 600"));
			assert_int_equal(opened(true, &se), RC_DENIED);
		}
		assert_int_equal(chmod(name, 0400), 0);
		assert_int_equal(opened(false, &se), RC_OK);
		secenv_close(se);
		assert_int_equal(chmod(name, 0600), 0);
	}
	if (geteuid() == 0) { /* who else's it is can only be tried by root */
		assert_int_equal(chown(path, 65534, 65534), 0);
		assert_int_equal(opened(false, &se), RC_DENIED);
		assert_int_equal(chown(path, 0, 0), 0);
	}
	/* not a regular file: refused, and not waited for */
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(opened(false, &se), RC_DENIED);
}

static void damaged(void **state)
{
	static char good[4096], bad[4096];
	struct secenv *se = must_open(true);
	struct slice file;

	key_put(must_generate(se, "k", ALG_HS256));
	secenv_close(se);
	file = bytes_of(path, good, sizeof(good));
	for (size_t n = 0; n < file.n; n++) { /* truncated: every length */
		put_bytes(path, slice_of(good, n));
		const enum reeve_rc rc = opened(false, &se);
		if (rc != (n < SEALED_HEAD + SEALED_TAG ? RC_SYNTAX : RC_FORGED))
			fail_msg("%zu bytes: %s", n, rc_name(rc));
		assert_non_null(strstr(why, "keys"));
	}
	for (size_t i = 0; i < file.n; i++) { /* changed: every byte */
		memcpy(bad, good, file.n);
		bad[i] ^= 0x20;
		put_bytes(path, slice_of(bad, file.n));
		const enum reeve_rc rc = opened(false, &se);
		if (rc != (i < 8 ? RC_SYNTAX : i < 12 ? RC_VERSION : RC_FORGED))
			fail_msg("byte %zu: %s", i, rc_name(rc));
	}
	memcpy(bad, good, file.n); /* longer */
	put_bytes(path, slice_of(bad, file.n + 1));
	assert_int_equal(opened(false, &se), RC_FORGED);
	/* what is damaged is never overwritten by opening it with create */
	assert_int_equal(opened(true, &se), RC_FORGED);
	assert_int_equal(bytes_of(path, bad, sizeof(bad)).n, file.n + 1);
	put_bytes(path, file);
	/* another sealing key, none, and one that is no key */
	put_bytes(seal_path, S("0000000000000000000000000000000000000000000000000000000000000000\n"));
	assert_int_equal(opened(false, &se), RC_FORGED);
	assert_non_null(strstr(why, "another key"));
	put_bytes(seal_path, S("00000000000000000000000000000000000000000000000000000000000000\n"));
	assert_int_equal(opened(false, &se), RC_SYNTAX);
	put_bytes(seal_path, S(""));
	assert_int_equal(opened(false, &se), RC_SYNTAX);
	unlink(seal_path);
	assert_int_equal(opened(false, &se), RC_NOTFOUND);
	assert_int_equal(opened(true, &se), RC_NOTFOUND); /* never a new sealing key beside the old file */
	assert_int_equal(access(seal_path, F_OK), -1);
}

/* What another process changes is kept by our changes, and seen after a refresh; who has a key keeps its handle. */
static void two_processes(void **state)
{
	struct secenv *a = must_open(true), *b = must_open(false);
	struct key_ref *k1 = must_generate(a, "k1", ALG_HS256), *k2, *again;

	assert_null(secenv_find(b, S("k1")));
	k2 = must_generate(b, "k2", ALG_HS256);
	again = secenv_find(b, S("k1")); /* b read the file before it changed it */
	assert_non_null(again);
	key_put(again);
	assert_int_equal(secenv_refresh(a, why), RC_OK);
	again = secenv_find(a, S("k1"));
	assert_ptr_equal(again, k1);
	key_put(again);
	assert_int_equal(count(a), 2);
	assert_int_equal(secenv_delete(b, S("k1"), why), RC_OK);
	const struct key_spec spec = { .kid = S("k1"), .alg = ALG_HS256 };
	assert_int_equal(secenv_generate(b, &spec, NULL, why), RC_OK); /* another key of the same name */
	assert_int_equal(secenv_refresh(a, why), RC_OK);
	again = secenv_find(a, S("k1"));
	assert_ptr_not_equal(again, k1);
	uint8_t mac[KEY_SIGNATURE_MAX];
	size_t n;
	assert_int_equal(key_sign(k1, ALG_HS256, S("x"), mac, &n), RC_DENIED);
	assert_int_equal(key_sign(again, ALG_HS256, S("x"), mac, &n), RC_OK);
	key_put(again);
	/* a refresh that fails changes nothing */
	put_bytes(path, S("rubbish"));
	assert_int_equal(secenv_refresh(a, why), RC_SYNTAX);
	assert_int_equal(secenv_delete(a, S("k2"), why), RC_SYNTAX);
	assert_int_equal(count(a), 2);
	key_put(k1);
	key_put(k2);
	secenv_close(a);
	secenv_close(b);
}

/* Killed at whatever moment while it rewrites: the file is the old one or the new one, and at most the last key is missing. */
static void killed(void **state)
{
	secenv_close(must_open(true));
	unsigned before = 0;
	for (int round = 0; round < 25; round++) {
		int told[2];
		assert_int_equal(pipe(told), 0);
		const pid_t pid = fork();
		if (pid == 0) {
			struct secenv *se;
			if (opened(false, &se) != RC_OK)
				_exit(1);
			for (unsigned i = 0;; i++) {
				char kid[32];
				snprintf(kid, sizeof(kid), "r%d-%u", round, i);
				const struct key_spec spec = { .kid = slice_str(kid), .alg = ALG_HS256 };
				if (secenv_generate(se, &spec, NULL, why) != RC_OK || write(told[1], "+", 1) != 1)
					_exit(1);
			}
		}
		close(told[1]);
		char acknowledged[256];
		ssize_t n = 0;
		for (int i = 0; i <= round % 4; i++) /* so many acknowledged at least, then without warning */
			n += read(told[0], acknowledged, 1);
		for (volatile int spin = 0; spin < round * 3000; spin++)
			;
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		for (ssize_t more; (more = read(told[0], acknowledged, sizeof(acknowledged))) > 0;)
			n += more;
		close(told[0]);
		struct secenv *se = must_open(false);
		const unsigned now = count(se);
		assert_in_range(now, before + (unsigned)n, before + (unsigned)n + 1);
		before = now;
		secenv_close(se);
	}
}

/* A disk without room: the change fails, nothing is lost, and the next one works. */
static void no_room(void **state)
{
	struct secenv *se = must_open(true);
	struct rlimit was;

	key_put(must_generate(se, "k1", ALG_HS256));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	const struct rlimit small = { 100, was.rlim_max };
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	const struct key_spec spec = { .kid = S("k2"), .alg = ALG_HS256 };
	const enum reeve_rc rc = secenv_generate(se, &spec, NULL, why);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, handler);
	assert_int_equal(rc, RC_IO);
	assert_null(secenv_find(se, S("k2")));
	assert_int_equal(access(new_path, F_OK), -1);
	key_put(must_generate(se, "k2", ALG_HS256));
	secenv_close(se);
	se = must_open(false);
	assert_int_equal(count(se), 2);
	secenv_close(se);
}

static enum reeve_rc seal_once(struct key_ref *key)
{
	uint8_t iv[KEY_IV_MAX], out[4], tag[KEY_TAG_MAX];
	return key_seal(key, ALG_A128GCM, S(""), S("x"), iv, out, tag);
}

/* How many encryptions the file says were granted. */
static uint64_t granted(const char *kid)
{
	struct secenv *se = must_open(false);
	struct key_ref *key = secenv_find(se, slice_str(kid));
	const uint64_t n = atomic_load(&key->granted);
	key_put(key);
	secenv_close(se);
	return n;
}

static void use_count(void **state)
{
	struct secenv *se = must_open(true), *other;
	struct key_ref *key = must_generate(se, "k", ALG_A128GCM), *same;

	assert_int_equal(granted("k"), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(seal_once(key), RC_OK);
	assert_int_equal(granted("k"), 65536); /* ahead of time, so that a crash does not forget */
	other = must_open(false);
	same = secenv_find(other, S("k"));
	assert_int_equal(seal_once(same), RC_OK); /* another process has another share */
	assert_int_equal(granted("k"), 2 * 65536);
	atomic_store(&key->uses, 65536 - 1);
	assert_int_equal(seal_once(key), RC_OK);
	assert_int_equal(granted("k"), 2 * 65536);
	assert_int_equal(seal_once(key), RC_OK); /* the 65537th */
	assert_int_equal(granted("k"), 3 * 65536);
	assert_int_equal(atomic_load(&key->uses), 2 * 65536 + 1);
	/* deleted elsewhere: no new share */
	assert_int_equal(secenv_delete(other, S("k"), why), RC_OK);
	assert_int_equal(seal_once(same), RC_DENIED);
	atomic_store(&key->uses, atomic_load(&key->granted));
	assert_int_equal(seal_once(key), RC_DENIED);
	key_put(same);
	key_put(key);
	/* the end: 2^32, in memory alone or stored */
	key = made(ALG_A128GCM);
	atomic_store(&key->uses, KEY_GCM_USES - 1);
	assert_int_equal(seal_once(key), RC_OK);
	assert_int_equal(seal_once(key), RC_LIMIT);
	key_put(key);
	key = must_generate(se, "e", ALG_A128GCM);
	secenv_close(se);
	assert_int_equal(seal_once(key), RC_DENIED); /* closed: it cannot be counted */
	key_put(key);
	secenv_close(other);
}

static void used_up(void **state)
{
	/* the same key, with a file that says it is all but used up */
	struct secenv *se = must_open(true);
	struct key_ref *key = must_generate(se, "k", ALG_A128GCM);
	struct stored entry = { key, KEY_GCM_USES - 3 };
	struct key_set set = { &entry, 1 };
	struct sealing s;
	struct buf b;
	char text[80];
	uint8_t raw[SEALING_KEY];

	const struct slice seal = bytes_of(seal_path, text, sizeof(text));
	for (size_t i = 0; i < sizeof(raw); i++)
		assert_int_equal(sscanf(seal.p + 2 * i, "%2hhx", &raw[i]), 1);
	assert_int_equal(sealing_from(raw, &s), RC_OK);
	buf_init(&b, 4096);
	assert_int_equal(sealed_write(&s, &set, &b, why), RC_OK);
	put_bytes(path, buf_view(&b));
	for (int i = 0; i < 3; i++)
		assert_int_equal(seal_once(key), RC_OK);
	assert_int_equal(seal_once(key), RC_LIMIT);
	secenv_close(se);
	assert_int_equal(granted("k"), KEY_GCM_USES);
	buf_free(&b);
	key_put(s.key);
	key_put(key);
}

/* One text for one set: records in another order are none. */
static void order(void **state)
{
	struct key_ref *a = must_generate(NULL, "a", ALG_HS256), *b = must_generate(NULL, "b", ALG_HS256);
	struct stored right[] = { { a, 0 }, { b, 0 } }, wrong[] = { { b, 0 }, { a, 0 } }, twice[] = { { a, 0 }, { a, 0 } };
	const struct { struct stored *of; enum reeve_rc rc; } t[] = { { right, RC_OK }, { wrong, RC_SYNTAX }, { twice, RC_SYNTAX } };
	const uint8_t raw[SEALING_KEY] = { 7 };
	struct sealing s;

	assert_int_equal(sealing_from(raw, &s), RC_OK);
	for (size_t i = 0; i < ROWS(t); i++) {
		const struct key_set set = { t[i].of, 2 };
		struct key_set got;
		struct buf file;
		buf_init(&file, 4096);
		assert_int_equal(sealed_write(&s, &set, &file, why), RC_OK);
		assert_int_equal(sealed_read(&s, buf_view(&file), &(struct key_set){ 0 }, NULL, &got, why), t[i].rc);
		if (t[i].rc == RC_OK)
			key_set_free(&got);
		buf_free(&file);
	}
	key_put(s.key);
	key_put(a);
	key_put(b);
}

/* Several threads with the same keys while keys come and go. */
static atomic_bool stop;

static void *user(void *ctx)
{
	struct secenv *se = ctx;
	uint8_t mac[KEY_SIGNATURE_MAX], iv[KEY_IV_MAX], out[4], plain[4], tag[KEY_TAG_MAX];
	size_t n;
	uintptr_t done = 0;

	while (!atomic_load(&stop)) {
		struct key_ref *hs = secenv_find(se, S("hs")), *gcm = secenv_find(se, S("gcm")), *es = secenv_find(se, S("es"));
		const bool ok = key_sign(hs, ALG_HS256, S("x"), mac, &n) == RC_OK &&
				key_verify(hs, ALG_HS256, S("x"), slice_of((char *)mac, n)) == RC_OK &&
				key_seal(gcm, ALG_A128GCM, S(""), S("x"), iv, out, tag) == RC_OK &&
				key_open(gcm, ALG_A128GCM, slice_of((char *)iv, 12), S(""), slice_of((char *)out, 1), slice_of((char *)tag, 16),
					 plain, &n) == RC_OK && plain[0] == 'x' &&
				key_sign(es, ALG_ES256, S("x"), mac, &n) == RC_OK &&
				key_verify(es, ALG_ES256, S("x"), slice_of((char *)mac, n)) == RC_OK;
		key_put(hs);
		key_put(gcm);
		key_put(es);
		if (!ok)
			return NULL;
		done++;
	}
	return (void *)(done + 1);
}

static void threads(void **state)
{
	struct secenv *se = must_open(true);
	pthread_t t[4];
	void *done;

	key_put(must_generate(se, "hs", ALG_HS256));
	key_put(must_generate(se, "gcm", ALG_A128GCM));
	key_put(must_generate(se, "es", ALG_ES256));
	for (size_t i = 0; i < ROWS(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, user, se), 0);
	for (int i = 0; i < 20; i++) {
		key_put(must_generate(se, "temporary", ALG_ES256));
		assert_int_equal(secenv_refresh(se, why), RC_OK);
		assert_int_equal(secenv_delete(se, S("temporary"), why), RC_OK);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < ROWS(t); i++) {
		pthread_join(t[i], &done);
		assert_non_null(done);
	}
	secenv_close(se);
}

static void secrets_are_locked(void **state)
{
	/* SE-051: in the secure heap, which is locked ("lo" in smaps) and left out of core dumps ("dd"), and gone when given back */
	struct key_ref *key = made(ALG_HS256);
	const uintptr_t at = (uintptr_t)key->oct;
	char line[512];
	bool inside = false, undumped = false, locked = false;
	struct rlimit limit;
	FILE *f = fopen("/proc/self/smaps", "re");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long from, to;
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = at >= from && at < to;
		if (inside && !strncmp(line, "VmFlags:", 8))
			undumped = strstr(line, " dd"), locked = strstr(line, " lo");
	}
	fclose(f);
	assert_true(undumped);
	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
	assert_true(locked || limit.rlim_cur < 8 << 20); /* a machine that does not let us is warned about */
	uint8_t *p = secret_alloc(32);
	memset(p, 'S', 32);
	secret_free(p);
	uint8_t *q = secret_alloc(32);
	assert_ptr_equal(p, q);
	for (int i = 0; i < 32; i++)
		assert_int_equal(q[i], 0);
	secret_free(q);
	key_put(key);
}

static void limits(void **state)
{
	static const char good_kid[] = "!#$%&'()*+,-./:;<=>?@[]^_`{|}~AZaz09";
	struct key_spec spec = { .alg = ALG_HS256 };
	char long_text[170];
	struct key_ref *key;

	memset(long_text, 'k', sizeof(long_text));
	const struct { struct slice kid, label; unsigned bits; enum reeve_rc rc; } t[] = {
		{ slice_str(good_kid), S("Ein Schlüssel"), 0, RC_OK }, { slice_of(long_text, 160), slice_of(long_text, 128), 4096, RC_OK },
		{ slice_of(long_text, 161), S(""), 0, RC_INVALID }, { S("k"), slice_of(long_text, 129), 0, RC_INVALID },
		{ S("a b"), S(""), 0, RC_INVALID }, { S("a\"b"), S(""), 0, RC_INVALID }, { S("a\\b"), S(""), 0, RC_INVALID },
		{ S("a\nb"), S(""), 0, RC_INVALID }, { S("\xc3\xa9"), S(""), 0, RC_INVALID }, { S("k"), S("a\nb"), 0, RC_INVALID },
		{ S("k"), S("\xff"), 0, RC_INVALID }, { S("k"), S(""), 4104, RC_INVALID }, { S("k"), S(""), 248, RC_INVALID },
		{ S("k"), S(""), 257, RC_INVALID },
	};
	for (size_t i = 0; i < ROWS(t); i++) {
		spec.kid = t[i].kid;
		spec.label = t[i].label;
		spec.bits = t[i].bits;
		key = NULL;
		assert_int_equal(secenv_generate(NULL, &spec, &key, why), t[i].rc);
		key_put(key);
	}
	const struct key_spec rsa[] = { { .alg = ALG_RS256, .bits = 1024 }, { .alg = ALG_RS256, .bits = 16384 }, { .alg = ALG_DIR },
					{ .alg = ALG_NONE } };
	for (size_t i = 0; i < ROWS(rsa); i++)
		assert_int_equal(secenv_generate(NULL, &rsa[i], &key, why), RC_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cbc_vectors), cmocka_unit_test(agreement), cmocka_unit_test(thumbprint), cmocka_unit_test(imports),
		cmocka_unit_test(purposes), cmocka_unit_test(association_keys), cmocka_unit_test(oaep_tells_nothing), cmocka_unit_test(public_only), cmocka_unit_test(limits),
		cmocka_unit_test(secrets_are_locked), cmocka_unit_test(order),
		cmocka_unit_test_setup(stored, afresh), cmocka_unit_test_setup(nothing_in_clear, afresh),
		cmocka_unit_test_setup(private_files, afresh), cmocka_unit_test_setup(damaged, afresh),
		cmocka_unit_test_setup(two_processes, afresh), cmocka_unit_test_setup(killed, afresh), cmocka_unit_test_setup(no_room, afresh),
		cmocka_unit_test_setup(use_count, afresh), cmocka_unit_test_setup(used_up, afresh), cmocka_unit_test_setup(threads, afresh),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
