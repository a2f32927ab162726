/* SPDX-License-Identifier: Apache-2.0 */
/* Keys from JWK, PEM and hexadecimal text.
 *
 * The text is hostile (a header's epk, a key of somebody's configuration): bounded, checked, and a key whose parts contradict each other
 * (a point beside its curve, a private part of another key) never becomes a handle. Private numbers go from the text straight into secret
 * memory; the arena of the JSON reader holds positions, and escapes are refused where key material is read, so none are resolved. */
#include <ctype.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "codec/base64.h"
#include "codec/json.h"
#include "secenv/key_int.h"
#include "secenv/ossl_int.h"

enum { TEXT_MAX = 32768, TOKENS_MAX = 256, ARENA_MAX = 65536 };

/* --- building keys of OpenSSL --- */

static EVP_PKEY *build(const char *type, bool secret, OSSL_PARAM_BLD *bld)
{
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);

	if (ctx && params && EVP_PKEY_fromdata_init(ctx) > 0 &&
	    EVP_PKEY_fromdata(ctx, &pkey, secret ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) <= 0)
		pkey = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/* The public part is one, and the private part, if any, is its other half. */
static bool consistent(EVP_PKEY *pkey, bool secret)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool ok = ctx && EVP_PKEY_public_check(ctx) > 0;

	if (ok && secret && EVP_PKEY_is_a(pkey, "EC"))
		ok = EVP_PKEY_private_check(ctx) > 0 && EVP_PKEY_pairwise_check(ctx) > 0;
	EVP_PKEY_CTX_free(ctx);
	if (ok && secret && EVP_PKEY_is_a(pkey, "RSA")) { /* checking primes takes seconds; a signature shows as much */
		uint8_t sig[KEY_SIGNATURE_MAX];
		size_t n = sizeof(sig);
		EVP_MD_CTX *md = EVP_MD_CTX_new(), *md2 = EVP_MD_CTX_new();
		ok = md && md2 && EVP_DigestSignInit_ex(md, NULL, "SHA2-256", NULL, NULL, pkey, NULL) &&
		     EVP_DigestSign(md, sig, &n, (const uint8_t *)"consistent", 10) > 0 &&
		     EVP_DigestVerifyInit_ex(md2, NULL, "SHA2-256", NULL, NULL, pkey, NULL) &&
		     EVP_DigestVerify(md2, sig, n, (const uint8_t *)"consistent", 10) == 1;
		EVP_MD_CTX_free(md);
		EVP_MD_CTX_free(md2);
	}
	ERR_clear_error();
	return ok;
}

/* An RSA key that was built from numbers has them on the ordinary heap; one that was read from DER has them in secret memory. */
static EVP_PKEY *rehome(EVP_PKEY *pkey)
{
	const int n = i2d_PrivateKey(pkey, NULL);
	uint8_t *der = n > 0 ? secret_alloc((size_t)n) : NULL, *p = der;
	const uint8_t *q = der;
	EVP_PKEY *other = der && i2d_PrivateKey(pkey, &p) == n ? d2i_AutoPrivateKey(NULL, &q, n) : NULL;

	secret_free(der);
	EVP_PKEY_free(pkey);
	return other;
}

/* --- JWK --- */

struct jwk {
	struct json j;
	/* The builder reads these at its end. */
	BIGNUM *number[8];
	uint8_t point[1 + 2 * KEY_COORDINATE_MAX];
	size_t n_numbers;
	bool bad;
};

/* The inside of a string member; p == NULL when it is not there. */
static struct slice jwk_text(struct jwk *w, struct slice name)
{
	const uint32_t i = json_member(&w->j, 0, name);

	if (!i)
		return slice_of(NULL, 0);
	if (json_kind(&w->j, i) != J_STRING || w->j.tok[i].escaped) {
		w->bad = true;
		return slice_of(NULL, 0);
	}
	return json_inner(&w->j, i);
}

/* A base64url member as bytes in secret memory; NULL and w->bad when it is none or not of `size` bytes (0: any up to KEY_RSA_MAX / 8). */
static uint8_t *jwk_bytes(struct jwk *w, struct slice name, size_t size, size_t *n)
{
	const struct slice s = jwk_text(w, name);
	uint8_t *p = NULL;

	*n = base64url_size(s.n);
	if (s.p && *n && (size ? *n == size : *n <= KEY_RSA_MAX / 8))
		p = secret_alloc(*n);
	if (p && base64url_decode(s, p))
		return p;
	secret_free(p);
	w->bad = true;
	return NULL;
}

/* An unsigned number (RFC 7518 2: as few bytes as possible, or as many as size says). */
static void jwk_number(struct jwk *w, OSSL_PARAM_BLD *bld, const char *param, struct slice name, size_t size)
{
	size_t n;
	uint8_t *p = jwk_bytes(w, name, size, &n);
	BIGNUM *number = p && (size || p[0]) ? BN_secure_new() : NULL;

	if (number && BN_bin2bn(p, (int)n, number) && OSSL_PARAM_BLD_push_BN_pad(bld, param, number, n)) {
		w->number[w->n_numbers++] = number;
	} else {
		BN_clear_free(number);
		w->bad = true;
	}
	secret_free(p);
}

static void jwk_ec(struct jwk *w, OSSL_PARAM_BLD *bld, bool secret)
{
	const enum key_curve curve = curve_find(jwk_text(w, S("crv")));
	const size_t size = curve ? curve_size(curve) : 0;
	uint8_t *x, *y;
	size_t n;

	if (!curve) {
		w->bad = true;
		return;
	}
	x = jwk_bytes(w, S("x"), size, &n);
	y = jwk_bytes(w, S("y"), size, &n);
	if (x && y) {
		w->point[0] = POINT_CONVERSION_UNCOMPRESSED;
		memcpy(w->point + 1, x, size);
		memcpy(w->point + 1 + size, y, size);
		w->bad |= !OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, curve_group(curve), 0) ||
			  !OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, w->point, 1 + 2 * size);
	}
	secret_free(x);
	secret_free(y);
	if (secret)
		jwk_number(w, bld, OSSL_PKEY_PARAM_PRIV_KEY, S("d"), size);
}

static void jwk_rsa(struct jwk *w, OSSL_PARAM_BLD *bld, bool secret)
{
	static const struct { struct slice name; const char *param; } parts[] = {
		{ S("n"), OSSL_PKEY_PARAM_RSA_N }, { S("e"), OSSL_PKEY_PARAM_RSA_E }, { S("d"), OSSL_PKEY_PARAM_RSA_D },
		{ S("p"), OSSL_PKEY_PARAM_RSA_FACTOR1 }, { S("q"), OSSL_PKEY_PARAM_RSA_FACTOR2 },
		{ S("dp"), OSSL_PKEY_PARAM_RSA_EXPONENT1 }, { S("dq"), OSSL_PKEY_PARAM_RSA_EXPONENT2 },
		{ S("qi"), OSSL_PKEY_PARAM_RSA_COEFFICIENT1 },
	};
	w->bad |= json_member(&w->j, 0, S("oth")) != 0; /* more than two primes */
	for (size_t i = 0; i < (secret ? 8 : 2) && !w->bad; i++)
		jwk_number(w, bld, parts[i].param, parts[i].name, 0);
}

static enum reeve_rc jwk_pair(struct jwk *w, bool rsa, struct key_material *m, char *why)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();

	m->secret = json_member(&w->j, 0, S("d")) != 0;
	if (bld && rsa)
		jwk_rsa(w, bld, m->secret);
	else if (bld)
		jwk_ec(w, bld, m->secret);
	if (bld && !w->bad)
		m->pkey = build(rsa ? "RSA" : "EC", m->secret, bld);
	OSSL_PARAM_BLD_free(bld);
	for (size_t i = 0; i < w->n_numbers; i++)
		BN_clear_free(w->number[i]);
	if (w->bad)
		return key_why(why, RC_INVALID, "the JWK lacks a part of its key, or one is no canonical base64url of the right length");
	return m->pkey ? RC_OK : key_why(why, RC_INVALID, "the parts of the JWK are no key");
}

static enum reeve_rc jwk_oct(struct jwk *w, struct key_material *m, char *why)
{
	m->secret = true;
	m->oct = jwk_bytes(w, S("k"), 0, &m->n_oct);
	return m->oct ? RC_OK : key_why(why, RC_INVALID, "\"k\" of the JWK must be the key in base64url without padding");
}

/* What the JWK says of its use must not contradict the algorithm. */
static bool jwk_use_ok(struct jwk *w, enum key_alg alg)
{
	static const char *const ops[][5] = {
		[WORK_MAC] = { "sign", "verify" }, [WORK_SIGN] = { "sign", "verify" },
		[WORK_WRAP] = { "wrapKey", "unwrapKey", "encrypt", "decrypt" }, [WORK_AGREE] = { "deriveKey", "deriveBits" },
		[WORK_CONTENT] = { "encrypt", "decrypt" }, [WORK_LEND] = { "deriveKey", "deriveBits" },
		[WORK_DERIVE] = { "deriveKey", "deriveBits" },
	};
	const enum alg_work work = alg_table[alg].work;
	const struct slice use = jwk_text(w, S("use"));
	const uint32_t list = json_member(&w->j, 0, S("key_ops"));

	if (use.p && !slice_eq(use, work == WORK_MAC || work == WORK_SIGN ? S("sig") : S("enc")))
		return false;
	if (!list)
		return true;
	if (json_kind(&w->j, list) != J_ARRAY)
		return false;
	for (uint32_t i = list + 1; i < w->j.tok[list].next; i = w->j.tok[i].next)
		for (int k = 0; k < 4 && ops[work][k]; k++)
			if (json_kind(&w->j, i) == J_STRING && json_string_is(&w->j, i, slice_str(ops[work][k])))
				return true;
	return false;
}

static enum reeve_rc jwk_spec(struct jwk *w, struct key_spec *spec, char *why)
{
	const struct slice alg = jwk_text(w, S("alg")), kid = jwk_text(w, S("kid"));

	if (w->bad)
		return key_why(why, RC_INVALID, "\"alg\" and \"kid\" of the JWK must be strings without escapes");
	if (alg.p && spec->alg && !slice_eq(alg, alg_name(spec->alg)))
		return key_why(why, RC_INVALID, "the JWK is for another algorithm");
	if (!spec->alg && alg.p) {
		spec->alg = alg_find(alg);
		if (spec->alg == ALG_NONE || spec->alg == ALG_DIR)
			return key_why(why, RC_INVALID, "\"alg\" of the JWK is unknown here (for dir it is the content encryption's)");
	}
	if (!spec->kid.n && kid.p)
		spec->kid = kid;
	if (spec->alg && !jwk_use_ok(w, spec->alg))
		return key_why(why, RC_INVALID, "\"use\" or \"key_ops\" of the JWK does not fit %.*s", SF(alg_name(spec->alg)));
	return RC_OK;
}

static enum reeve_rc read_jwk(struct arena *a, struct slice text, struct key_spec *spec, struct key_material *m, char *why)
{
	static const struct json_limits limits = { .depth = 4, .tokens = TOKENS_MAX };
	struct jwk w = { 0 };
	struct slice kty, about;
	enum reeve_rc rc = json_parse(a, text, &limits, &w.j, &about);

	if (rc != RC_OK || json_kind(&w.j, 0) != J_OBJECT)
		return key_why(why, rc == RC_NOMEM ? rc : RC_SYNTAX, "the JWK is no well-formed JSON object");
	rc = jwk_spec(&w, spec, why);
	if (rc != RC_OK)
		return rc;
	kty = jwk_text(&w, S("kty"));
	if (slice_eq(kty, S("oct")))
		return jwk_oct(&w, m, why);
	if (slice_eq(kty, S("EC")) || slice_eq(kty, S("RSA")))
		return jwk_pair(&w, kty.n == 3, m, why);
	return key_why(why, RC_INVALID, "\"kty\" of the JWK must be oct, EC or RSA");
}

/* --- PEM --- */

static int no_passphrase(char *buf, int size, int writing, void *ctx) { return -1; }

static bool has(struct slice text, const char *word)
{
	return text.p && memmem(text.p, text.n, word, strlen(word)) != NULL;
}

static EVP_PKEY *pem_certificate(BIO *bio)
{
	X509 *x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	EVP_PKEY *pkey = x ? X509_get_pubkey(x) : NULL;
	X509_free(x);
	return pkey;
}

static enum reeve_rc read_pem(struct slice text, struct key_material *m, char *why)
{
	BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);

	if (!bio)
		return key_why(why, RC_NOMEM, "out of memory");
	if (has(text, "ENCRYPTED")) {
		BIO_free(bio);
		return key_why(why, RC_INVALID, "the PEM is protected by a passphrase: decrypt it first (openssl pkey)");
	}
	m->secret = has(text, "PRIVATE KEY-----");
	m->pkey = m->secret ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
		: has(text, "BEGIN CERTIFICATE-----") ? pem_certificate(bio)
		: PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (!m->pkey)
		return key_why(why, RC_SYNTAX, "no PRIVATE KEY, PUBLIC KEY or CERTIFICATE can be read from the PEM");
	if (!EVP_PKEY_is_a(m->pkey, "RSA") && !EVP_PKEY_is_a(m->pkey, "EC"))
		return key_why(why, RC_INVALID, "the key is neither RSA nor EC");
	return RC_OK;
}

/* --- hexadecimal --- */

static int hex_value(unsigned char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }

static enum reeve_rc read_hex(struct slice text, struct key_material *m, char *why)
{
	while (text.n && isspace((unsigned char)text.p[text.n - 1]))
		text.n--;
	for (size_t i = 0; i < text.n; i++)
		if (!isxdigit((unsigned char)text.p[i]))
			return key_why(why, RC_SYNTAX, "the key must be hexadecimal digits only");
	if (!text.n || text.n % 2 || text.n > 2 * KEY_OCT_MAX)
		return key_why(why, RC_INVALID, "the key must be an even number of hexadecimal digits, at most %d", 2 * KEY_OCT_MAX);
	m->secret = true;
	m->n_oct = text.n / 2;
	m->oct = secret_alloc(m->n_oct);
	if (!m->oct)
		return key_why(why, RC_NOMEM, "no memory for secrets left");
	for (size_t i = 0; i < m->n_oct; i++)
		m->oct[i] = (uint8_t)(hex_value((unsigned char)text.p[2 * i]) << 4 | hex_value((unsigned char)text.p[2 * i + 1]));
	return RC_OK;
}

/* --- bytes --- */

static enum reeve_rc read_bytes(struct slice bytes, struct key_material *m, char *why)
{
	if (bytes.n > KEY_OCT_MAX)
		return key_why(why, RC_INVALID, "a symmetric key has at most %d bytes", KEY_OCT_MAX);
	m->secret = true;
	m->n_oct = bytes.n;
	m->oct = secret_alloc(bytes.n);
	if (!m->oct)
		return key_why(why, RC_NOMEM, "no memory for secrets left");
	memcpy(m->oct, bytes.p, bytes.n);
	return RC_OK;
}

/* --- all --- */

enum reeve_rc key_import(enum key_form form, struct slice material, const struct key_spec *wanted, struct key_ref **out, char *why)
{
	struct key_spec spec = *wanted;
	struct key_material m = { 0 };
	struct arena a;
	enum reeve_rc rc;

	(void)ossl();
	if (material.n > TEXT_MAX)
		return key_why(why, RC_LIMIT, "the key is longer than %d bytes", TEXT_MAX);
	if (!material.n)
		return key_why(why, RC_SYNTAX, "the key is empty");
	arena_init(&a, NULL, 0, ARENA_MAX);
	rc = form == KEY_JWK ? read_jwk(&a, material, &spec, &m, why)
	     : form == KEY_PEM ? read_pem(material, &m, why)
	     : form == KEY_HEX ? read_hex(material, &m, why)
	     : form == KEY_BYTES ? read_bytes(material, &m, why)
	     : key_why(why, RC_INVALID, "keys are not read from this form");
	if (rc == RC_OK && m.pkey && EVP_PKEY_get_bits(m.pkey) <= KEY_RSA_MAX && !consistent(m.pkey, m.secret))
		rc = key_why(why, RC_INVALID, "the parts of the key contradict each other");
	if (rc == RC_OK && m.secret && form == KEY_JWK && m.pkey && EVP_PKEY_is_a(m.pkey, "RSA")) {
		m.pkey = rehome(m.pkey);
		if (!m.pkey)
			rc = key_why(why, RC_NOMEM, "no memory for secrets left");
	}
	if (rc == RC_OK)
		rc = key_make(&spec, &m, out, why);
	key_material_free(&m);
	arena_reset(&a);
	return rc;
}
