/* SPDX-License-Identifier: Apache-2.0 */
/* The sealed file's format, see sealed_int.h. What is read has passed the seal's check, and still every length is checked: the seal may
 * have been made by a program with other bounds. */
#include <endian.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "secenv/ossl_int.h"
#include "secenv/sealed_int.h"

static const char magic[8] = "REEVEKEY";
enum { VERSION = 1, AT_VERSION = 8, AT_CHECK = 12, AT_NONCE = 20 };
enum material_kind { MATERIAL_BYTES, MATERIAL_PRIVATE, MATERIAL_PUBLIC };

/* --- sets --- */

void key_set_free(struct key_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		key_put(s->of[i].key);
	free(s->of);
	*s = (struct key_set){ 0 };
}

static int compare(struct slice a, struct slice b)
{
	const int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
	return c ? c : (a.n > b.n) - (a.n < b.n);
}

ptrdiff_t key_set_find(const struct key_set *s, struct slice kid)
{
	size_t from = 0, to = s->n;

	if (!kid.n)
		return ~(ptrdiff_t)0;
	while (from < to) {
		const size_t middle = (from + to) / 2;
		const int c = compare(s->of[middle].key->info.kid, kid);
		if (!c)
			return (ptrdiff_t)middle;
		if (c < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return ~(ptrdiff_t)from;
}

enum reeve_rc key_set_add(struct key_set *s, struct key_ref *key, uint64_t uses)
{
	const ptrdiff_t at = key_set_find(s, key->info.kid);
	const size_t i = (size_t)~at;
	struct stored *more;

	if (at >= 0)
		return RC_EXISTS;
	if (!(s->n & (s->n - 1))) { /* room for a power of two */
		more = reallocarray(s->of, s->n ? s->n * 2 : 1, sizeof(*more));
		if (!more)
			return RC_NOMEM;
		s->of = more;
	}
	memmove(s->of + i + 1, s->of + i, (s->n - i) * sizeof(*s->of));
	s->of[i] = (struct stored){ key, uses };
	s->n++;
	return RC_OK;
}

void key_set_remove(struct key_set *s, size_t i)
{
	key_put(s->of[i].key);
	s->n--;
	memmove(s->of + i, s->of + i + 1, (s->n - i) * sizeof(*s->of));
}

/* --- the seal --- */

enum reeve_rc sealing_from(const uint8_t key[SEALING_KEY], struct sealing *out)
{
	static const char label[] = "reeve sealed key file 1";
	uint8_t d[64];
	size_t n;
	enum reeve_rc rc = RC_IO;

	(void)ossl();
	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA2-512", NULL, key, SEALING_KEY, (const uint8_t *)label, sizeof(label) - 1, d, sizeof(d),
		      &n)) {
		memcpy(out->check, d + sizeof(d) - SEALED_CHECK, SEALED_CHECK);
		rc = key_make_oct(ALG_A256GCM, d, 32, &out->key);
	}
	secret_wipe(d, sizeof(d));
	return rc;
}

/* --- reading --- */

struct cursor { const uint8_t *p, *end; bool bad; };

static const uint8_t *take(struct cursor *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->bad || (size_t)(c->end - c->p) < n) {
		c->bad = true;
		return NULL;
	}
	c->p += n;
	return p;
}

static uint64_t take_number(struct cursor *c, size_t n)
{
	const uint8_t *p = take(c, n);
	uint64_t v = 0;

	for (size_t i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static struct slice take_counted(struct cursor *c, size_t width)
{
	const size_t n = (size_t)take_number(c, width);
	const uint8_t *p = take(c, n);
	return p ? slice_of((const char *)p, n) : S("");
}

struct record {
	struct key_spec spec;
	const uint8_t *uid;
	uint64_t created, uses;
	unsigned kind;
	struct slice material;
};

static bool take_record(struct cursor *c, struct record *r)
{
	r->uid = take(c, KEY_UID);
	r->created = take_number(c, 8);
	r->uses = take_number(c, 8);
	r->spec = (struct key_spec){ .kid = take_counted(c, 1), .label = take_counted(c, 1) };
	r->spec.alg = alg_find(take_counted(c, 1));
	r->kind = (unsigned)take_number(c, 1);
	r->material = take_counted(c, 2);
	return !c->bad && r->spec.kid.n && r->created <= INT64_MAX && r->uses <= KEY_GCM_USES;
}

static enum reeve_rc material_of(const struct record *r, struct key_material *m)
{
	const uint8_t *p = (const uint8_t *)r->material.p, *end = p + r->material.n;

	if (r->kind == MATERIAL_BYTES) {
		m->oct = secret_alloc(r->material.n);
		if (!m->oct)
			return RC_NOMEM;
		m->n_oct = r->material.n;
		memcpy(m->oct, p, m->n_oct);
		return RC_OK;
	}
	if (r->kind == MATERIAL_PRIVATE)
		m->pkey = d2i_AutoPrivateKey(NULL, &p, (long)r->material.n);
	else if (r->kind == MATERIAL_PUBLIC)
		m->pkey = d2i_PUBKEY(NULL, &p, (long)r->material.n);
	m->secret = r->kind == MATERIAL_PRIVATE;
	ERR_clear_error();
	return m->pkey && p == end && (EVP_PKEY_is_a(m->pkey, "RSA") || EVP_PKEY_is_a(m->pkey, "EC")) ? RC_OK : RC_SYNTAX;
}

static enum reeve_rc key_of(const struct record *r, const struct key_set *old, struct secenv *home, struct key_ref **out, char *why)
{
	struct key_material m = { 0 };
	const ptrdiff_t at = key_set_find(old, r->spec.kid);
	enum reeve_rc rc;

	if (at >= 0 && !memcmp(old->of[at].key->uid, r->uid, KEY_UID)) {
		*out = key_get(old->of[at].key);
		return RC_OK;
	}
	rc = material_of(r, &m);
	if (rc == RC_OK)
		return key_make(&r->spec, &m, out, why) == RC_OK ? RC_OK : RC_SYNTAX;
	key_material_free(&m);
	return rc;
}

static enum reeve_rc add_record(const struct record *r, const struct key_set *old, struct secenv *home, struct key_set *out, char *why)
{
	struct key_ref *k = NULL;
	enum reeve_rc rc = key_of(r, old, home, &k, why);

	if (rc == RC_OK && !k->home && home) { /* nobody else has this handle yet */
		k->info.created = (usec)r->created;
		memcpy(k->uid, r->uid, KEY_UID);
		k->home = secenv_get(home);
		atomic_store(&k->uses, r->uses);
		atomic_store(&k->granted, r->uses);
	}
	if (rc == RC_OK && out->n && compare(out->of[out->n - 1].key->info.kid, k->info.kid) >= 0)
		rc = RC_SYNTAX;
	if (rc == RC_OK)
		rc = key_set_add(out, k, r->uses);
	if (rc != RC_OK)
		key_put(k);
	return rc;
}

enum reeve_rc sealed_parse(struct slice plain, const struct key_set *old, struct secenv *home, struct key_set *out, char *why)
{
	struct cursor c = { (const uint8_t *)plain.p, (const uint8_t *)plain.p + plain.n, false };
	struct record r;
	enum reeve_rc rc = RC_OK;

	*out = (struct key_set){ 0 };
	while (rc == RC_OK && c.p < c.end)
		rc = take_record(&c, &r) ? add_record(&r, old, home, out, why) : RC_SYNTAX;
	if (rc == RC_OK)
		return RC_OK;
	key_set_free(out);
	return key_why(why, rc, rc == RC_NOMEM ? "no memory for secrets left"
					       : "the seal is right, but not what is inside: this program cannot have written it");
}

struct slice sealed_nonce(struct slice file)
{
	return file.n < SEALED_HEAD ? slice_of(NULL, 0) : slice_of(file.p + AT_NONCE, SEALED_NONCE);
}

enum reeve_rc sealed_read(const struct sealing *s, struct slice file, const struct key_set *old, struct secenv *home, struct key_set *out,
			  char *why)
{
	uint32_t version;
	uint8_t *plain;
	size_t n;
	enum reeve_rc rc;

	if (file.n < SEALED_HEAD + SEALED_TAG || memcmp(file.p, magic, sizeof(magic)))
		return key_why(why, RC_SYNTAX, "this is no sealed key file, or its end is missing");
	memcpy(&version, file.p + AT_VERSION, sizeof(version));
	if (be32toh(version) != VERSION)
		return key_why(why, RC_VERSION, "the file is of version %u, this program reads version %d", be32toh(version), VERSION);
	if (memcmp(file.p + AT_CHECK, s->check, SEALED_CHECK))
		return key_why(why, RC_FORGED, "the file is sealed with another key");
	n = file.n - SEALED_HEAD - SEALED_TAG;
	plain = secret_alloc(n);
	if (!plain)
		return key_why(why, RC_NOMEM, "no memory for secrets left");
	rc = key_open(s->key, ALG_A256GCM, slice_of(file.p + AT_NONCE, SEALED_NONCE), slice_of(file.p, AT_NONCE),
		      slice_of(file.p + SEALED_HEAD, n), slice_of(file.p + file.n - SEALED_TAG, SEALED_TAG), plain, &n);
	rc = rc == RC_OK ? sealed_parse(slice_of((const char *)plain, n), old, home, out, why)
			 : key_why(why, rc, "the file was changed or is damaged: restore it from a backup");
	secret_free(plain);
	return rc;
}

/* --- writing --- */

/* A buffer in secret memory that only counts while p == NULL. */
struct sink { uint8_t *p; size_t n; bool bad; };

static void put(struct sink *s, const void *p, size_t n)
{
	if (s->p && n)
		memcpy(s->p + s->n, p, n);
	s->n += n;
}

static void put_number(struct sink *s, uint64_t v, size_t n)
{
	const uint64_t wide = htobe64(v);
	put(s, (const uint8_t *)&wide + sizeof(wide) - n, n);
}

static void put_counted(struct sink *s, struct slice v)
{
	put_number(s, v.n, 1);
	put(s, v.p, v.n);
}

static void put_material(struct sink *s, const struct key_ref *k)
{
	const bool pair = k->info.kind != KEY_OCT;
	const int n = !pair ? (int)k->n_oct : k->info.secret ? i2d_PrivateKey(k->pkey, NULL) : i2d_PUBKEY(k->pkey, NULL);
	uint8_t *p;

	put_number(s, !pair ? MATERIAL_BYTES : k->info.secret ? MATERIAL_PRIVATE : MATERIAL_PUBLIC, 1);
	put_number(s, (uint64_t)n, 2);
	if (n <= 0 || n > UINT16_MAX) {
		s->bad = true;
	} else if (!pair) {
		put(s, k->oct, k->n_oct);
	} else {
		p = s->p ? s->p + s->n : NULL;
		if (p && (k->info.secret ? i2d_PrivateKey(k->pkey, &p) : i2d_PUBKEY(k->pkey, &p)) != n)
			s->bad = true;
		s->n += (size_t)n;
	}
}

static void put_all(struct sink *s, const struct key_set *set)
{
	for (size_t i = 0; i < set->n && !s->bad; i++) {
		const struct key_ref *k = set->of[i].key;
		put(s, k->uid, KEY_UID);
		put_number(s, (uint64_t)k->info.created, 8);
		put_number(s, set->of[i].uses, 8);
		put_counted(s, k->info.kid);
		put_counted(s, k->info.label);
		put_counted(s, k->alg->name);
		put_material(s, k);
	}
}

enum reeve_rc sealed_write(const struct sealing *s, const struct key_set *set, struct buf *out, char *why)
{
	struct sink count = { 0 }, body = { 0 };
	const uint32_t version = htobe32(VERSION);
	uint8_t iv[KEY_IV_MAX] = { 0 }, *file;
	enum reeve_rc rc;

	put_all(&count, set);
	if (count.n > SEALED_MAX - SEALED_HEAD - SEALED_TAG)
		return key_why(why, RC_LIMIT, "the key file is full: it holds at most %d KiB", SEALED_MAX / 1024);
	body.p = secret_alloc(count.n);
	file = (uint8_t *)buf_room(out, SEALED_HEAD + count.n + SEALED_TAG);
	if (!body.p || !file) {
		secret_free(body.p);
		return key_why(why, RC_NOMEM, "no memory for secrets left");
	}
	put_all(&body, set);
	memcpy(file, magic, sizeof(magic));
	memcpy(file + AT_VERSION, &version, sizeof(version));
	memcpy(file + AT_CHECK, s->check, SEALED_CHECK);
	rc = body.bad || body.n != count.n ? RC_IO : RC_OK;
	if (rc == RC_OK)
		rc = key_seal(s->key, ALG_A256GCM, slice_of((const char *)file, AT_NONCE), slice_of((const char *)body.p, body.n), iv,
			      file + SEALED_HEAD, file + SEALED_HEAD + body.n);
	memcpy(file + AT_NONCE, iv, SEALED_NONCE);
	secret_free(body.p);
	out->n += SEALED_HEAD + count.n + SEALED_TAG;
	return rc == RC_OK ? RC_OK : key_why(why, rc, "the key file cannot be sealed: %s", rc_name(rc));
}
