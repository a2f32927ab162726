/* SPDX-License-Identifier: Apache-2.0 */
/* Key handles: made, counted, checked. A handle never changes after it was made, but for its counts and idle contexts. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "codec/base64.h"
#include "secenv/key_int.h"
#include "secenv/ossl_int.h"

enum reeve_rc key_why(char *why, enum reeve_rc rc, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, KEY_WHY_MAX, fmt, ap);
	va_end(ap);
	return rc;
}

/* --- curves --- */

static const struct { struct slice name; const char *group; size_t size; } curves[] = {
	[CURVE_P256] = { S("P-256"), "prime256v1", 32 },
	[CURVE_P384] = { S("P-384"), "secp384r1", 48 },
	[CURVE_P521] = { S("P-521"), "secp521r1", 66 },
};
enum { N_CURVES = sizeof(curves) / sizeof(curves[0]) };

size_t curve_size(enum key_curve curve) { return curves[curve].size; }
const char *curve_group(enum key_curve curve) { return curves[curve].group; }
struct slice curve_name(enum key_curve curve) { return curves[curve].name; }

enum key_curve curve_find(struct slice name)
{
	for (int i = CURVE_P256; i < N_CURVES; i++)
		if (slice_eq(curves[i].name, name))
			return (enum key_curve)i;
	return CURVE_NONE;
}

enum key_curve curve_of(const EVP_PKEY *pkey)
{
	char group[32] = "";

	if (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group), NULL))
		for (int i = CURVE_P256; i < N_CURVES; i++)
			if (!strcmp(group, curves[i].group))
				return (enum key_curve)i;
	return CURVE_NONE;
}

bool curve_point(const EVP_PKEY *pkey, enum key_curve curve, uint8_t out[2 * KEY_COORDINATE_MAX])
{
	const int size = (int)curve_size(curve);
	BIGNUM *x = NULL, *y = NULL;
	const bool ok = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) &&
			EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) &&
			BN_bn2binpad(x, out, size) == size && BN_bn2binpad(y, out + size, size) == size;
	BN_free(x);
	BN_free(y);
	return ok;
}

/* --- made and counted --- */

void key_material_free(struct key_material *m)
{
	secret_free(m->oct);
	EVP_PKEY_free(m->pkey);
	*m = (struct key_material){ 0 };
}

static bool kid_ok(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\')
			return false;
	return s.n <= KEY_KID_MAX;
}

static bool label_ok(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.n <= KEY_LABEL_MAX && slice_utf8(s);
}

/* RSA: strong enough, small enough, and with an exponent that makes verifying cheap (RFC 7518 3.3). */
static enum reeve_rc check_rsa(const EVP_PKEY *pkey, char *why)
{
	const int bits = EVP_PKEY_get_bits(pkey);
	BIGNUM *e = NULL;
	bool ok;

	if (bits < KEY_RSA_MIN || bits > KEY_RSA_MAX)
		return key_why(why, RC_INVALID, "an RSA key of %d bits; %d to %d are possible", bits, KEY_RSA_MIN, KEY_RSA_MAX);
	ok = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) && BN_is_odd(e) && !BN_is_one(e) && BN_num_bits(e) <= 64;
	BN_free(e);
	return ok ? RC_OK : key_why(why, RC_INVALID, "the public exponent of the RSA key must be odd, at least 3 and at most 64 bits long");
}

static enum reeve_rc suits(const struct alg *alg, const struct key_material *m, struct key_info *info, char *why)
{
	static const char *const kinds[] = { "a symmetric", "an EC", "an RSA" };
	const enum key_kind kind = !m->pkey ? KEY_OCT : EVP_PKEY_is_a(m->pkey, "EC") ? KEY_EC : KEY_RSA;

	if (kind != alg->kind)
		return key_why(why, RC_INVALID, "%.*s needs %s key, this is %s one", SF(alg->name), kinds[alg->kind], kinds[kind]);
	info->kind = kind;
	info->secret = kind == KEY_OCT || m->secret;
	if (kind == KEY_OCT) {
		info->bits = (unsigned)(8 * m->n_oct);
		if (alg->most && (m->n_oct < alg->least || m->n_oct > alg->most))
			return key_why(why, RC_INVALID, "a key of %zu bytes; %.*s needs at least %zu and at most %zu", m->n_oct,
				       SF(alg->name), alg->least, alg->most);
		if (!alg->most && m->n_oct != alg->size)
			return key_why(why, RC_INVALID, "a key of %zu bytes; %.*s needs %zu", m->n_oct, SF(alg->name), alg->size);
		return RC_OK;
	}
	info->bits = (unsigned)EVP_PKEY_get_bits(m->pkey);
	if (kind == KEY_RSA)
		return check_rsa(m->pkey, why);
	const struct slice expected = alg->curve ? curve_name(alg->curve) : S("P-256, P-384 or P-521");
	info->curve = curve_of(m->pkey);
	if (info->curve == CURVE_NONE || (alg->curve && info->curve != alg->curve))
		return key_why(why, RC_INVALID, "%.*s needs a key on another curve: %.*s", SF(alg->name), SF(expected));
	return RC_OK;
}

/* A name for a key that came without: its thumbprint when it has a public part. */
static enum reeve_rc name_it(struct key_ref *k)
{
	uint8_t id[32];
	struct buf b;
	enum reeve_rc rc = RC_OK;

	if (k->info.kind == KEY_OCT)
		rand_bytes(id, 16);
	else
		rc = key_thumbprint(k, id);
	buf_init(&b, KEY_KID_MAX);
	base64url_encode(&b, id, k->info.kind == KEY_OCT ? 16 : 32);
	if (rc == RC_OK && b.failed)
		rc = RC_NOMEM;
	if (rc == RC_OK) {
		memcpy(k->kid, b.p, b.n);
		k->info.kid = slice_of(k->kid, b.n);
	}
	buf_free(&b);
	return rc;
}

static struct key_ref *key_new(enum key_alg alg, struct key_material *m)
{
	struct key_ref *k = calloc(1, sizeof(*k));

	if (!k) {
		key_material_free(m);
		return NULL;
	}
	atomic_init(&k->refs, 1);
	atomic_init(&k->granted, KEY_GCM_USES);
	k->alg = &alg_table[alg];
	k->info = (struct key_info){ .kid = S(""), .label = S(""), .alg = alg };
	k->oct = m->oct;
	k->n_oct = m->n_oct;
	k->pkey = m->pkey;
	*m = (struct key_material){ 0 };
	return k;
}

enum reeve_rc key_make(const struct key_spec *spec, struct key_material *m, struct key_ref **out, char *why)
{
	struct key_ref *k;
	struct key_info info = { 0 };
	enum reeve_rc rc;

	if (spec->alg == ALG_NONE || spec->alg >= ALG_COUNT || spec->alg == ALG_DIR)
		rc = key_why(why, RC_INVALID, "what the key is for is missing: an algorithm like HS256, ES256, A128GCM or ECDH-ES+A128KW");
	else if (!kid_ok(spec->kid))
		rc = key_why(why, RC_INVALID, "a key identifier is at most %d printable characters without blank, '\"' and '\\'",
			     KEY_KID_MAX);
	else if (!label_ok(spec->label))
		rc = key_why(why, RC_INVALID, "the label must be at most %d bytes of text without control characters", KEY_LABEL_MAX);
	else
		rc = suits(&alg_table[spec->alg], m, &info, why);
	if (rc != RC_OK) {
		key_material_free(m);
		return rc;
	}
	k = key_new(spec->alg, m);
	if (!k)
		return key_why(why, RC_NOMEM, "out of memory");
	info.alg = spec->alg;
	info.created = clock_wall();
	k->info = info;
	rand_bytes(k->uid, sizeof(k->uid));
	if (spec->label.n)
		memcpy(k->label, spec->label.p, spec->label.n);
	k->info.label = slice_of(k->label, spec->label.n);
	if (spec->kid.n)
		memcpy(k->kid, spec->kid.p, spec->kid.n);
	k->info.kid = slice_of(k->kid, spec->kid.n);
	rc = spec->kid.n ? RC_OK : name_it(k);
	if (rc != RC_OK) {
		key_put(k);
		return key_why(why, rc, "the key cannot be given a name");
	}
	*out = k;
	return RC_OK;
}

enum reeve_rc key_make_oct(enum key_alg alg, const uint8_t *p, size_t n, struct key_ref **out)
{
	struct key_material m = { .oct = secret_alloc(n), .n_oct = n };
	struct key_ref *k;

	if (!m.oct)
		return RC_NOMEM;
	memcpy(m.oct, p, n);
	k = key_new(alg, &m);
	if (!k)
		return RC_NOMEM;
	k->info.kind = KEY_OCT;
	k->info.secret = true;
	k->info.bits = (unsigned)(8 * n);
	*out = k;
	return RC_OK;
}

struct key_ref *key_get(struct key_ref *key)
{
	atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
	return key;
}

static void idle_free(const struct key_ref *key, void *ctx)
{
	if (key->alg->work == WORK_MAC || key->alg->work == WORK_DERIVE)
		EVP_MAC_CTX_free(ctx);
	else
		EVP_CIPHER_CTX_free(ctx);
}

void key_put(struct key_ref *key)
{
	if (!key || atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (int i = 0; i < KEY_IDLE; i++)
		idle_free(key, atomic_load_explicit(&key->idle[i], memory_order_relaxed));
	secret_free(key->oct);
	EVP_PKEY_free(key->pkey);
	if (key->home)
		secenv_put(key->home);
	free(key);
}

const struct key_info *key_info(const struct key_ref *key) { return &key->info; }

/* --- used --- */

enum reeve_rc key_check(const struct key_ref *key, enum key_alg alg, enum alg_work work, bool secret)
{
	return key->info.alg == alg && key->alg->work == work && (!secret || key->info.secret) &&
	       !atomic_load_explicit(&key->gone, memory_order_relaxed) ? RC_OK : RC_DENIED;
}

void *key_idle_take(struct key_ref *key)
{
	for (int i = 0; i < KEY_IDLE; i++) {
		void *ctx = atomic_exchange_explicit(&key->idle[i], NULL, memory_order_acquire);
		if (ctx)
			return ctx;
	}
	return NULL;
}

void key_idle_leave(struct key_ref *key, void *ctx)
{
	for (int i = 0; i < KEY_IDLE; i++) {
		void *none = NULL;
		if (atomic_compare_exchange_strong_explicit(&key->idle[i], &none, ctx, memory_order_release, memory_order_relaxed))
			return;
	}
	idle_free(key, ctx);
}

/* --- generated --- */

static enum reeve_rc generate_oct(const struct key_spec *spec, struct key_material *m, char *why)
{
	const struct alg *alg = &alg_table[spec->alg];
	const size_t n = spec->bits ? spec->bits / 8 : alg->size;

	if (spec->bits % 8 || n > KEY_OCT_MAX)
		return key_why(why, RC_INVALID, "a symmetric key has whole bytes, at most %d", KEY_OCT_MAX);
	m->oct = secret_alloc(n);
	if (!m->oct)
		return key_why(why, RC_NOMEM, "no memory for secrets left");
	m->n_oct = n;
	rand_bytes(m->oct, n);
	return RC_OK;
}

enum reeve_rc key_generate(const struct key_spec *spec, struct key_ref **out, char *why)
{
	const struct alg *alg = &alg_table[spec->alg < ALG_COUNT ? spec->alg : ALG_NONE];
	struct key_material m = { .secret = true };
	enum reeve_rc rc = RC_OK;

	(void)ossl();
	if (alg->work == WORK_NONE)
		return key_make(spec, &m, out, why); /* tells what is wrong */
	if (alg->kind == KEY_OCT) {
		rc = generate_oct(spec, &m, why);
	} else if (alg->kind == KEY_EC) {
		const enum key_curve curve = alg->curve ? alg->curve : spec->curve ? spec->curve : CURVE_P256;
		m.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve_group(curve));
	} else if (spec->bits && (spec->bits < KEY_RSA_MIN || spec->bits > KEY_RSA_MAX)) {
		rc = key_why(why, RC_INVALID, "an RSA key has %d to %d bits", KEY_RSA_MIN, KEY_RSA_MAX);
	} else {
		m.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", spec->bits ? (size_t)spec->bits : (size_t)3072);
	}
	if (rc == RC_OK && alg->kind != KEY_OCT && !m.pkey)
		rc = key_why(why, RC_IO, "the library cannot make such a key");
	return rc == RC_OK ? key_make(spec, &m, out, why) : rc;
}
