/* SPDX-License-Identifier: Apache-2.0 */
/* JWE (RFC 7516): the content key is the key itself (dir), or found by the key, and then opens the rest. */
#include "codec/base64.h"
#include "jose/jose_int.h"

enum { HEADER_MAX = 8192, EPK_CURVES = 3 };

/* --- the content key of a received token --- */

/* A member in base64url; empty when it is not there. */
static enum reeve_rc bytes_member(struct arena *a, const struct jose *t, struct slice name, struct slice *out)
{
	const uint32_t i = json_member(&t->h.json, 0, name);
	struct slice s = S("");
	uint8_t *p;

	*out = S("");
	if (!i)
		return RC_OK;
	s = json_string(a, &t->h.json, i);
	p = s.p ? arena_alloc(a, base64url_size(s.n) + 1) : NULL;
	if (!p)
		return a->failed ? RC_NOMEM : RC_SYNTAX;
	*out = slice_of((const char *)p, base64url_size(s.n));
	return base64url_decode(s, p) ? RC_OK : RC_SYNTAX;
}

/* What own and the sender's ephemeral key (epk) agree upon. */
static enum reeve_rc agreed(struct arena *a, const struct jose *t, struct key_ref *own, enum key_alg derived, struct key_ref **out,
			    const char **why)
{
	const struct key_spec spec = { .alg = t->h.alg, .kid = S("epk") };
	const uint32_t i = json_member(&t->h.json, 0, S("epk"));
	char detail[KEY_WHY_MAX];
	struct key_ref *epk = NULL;
	struct slice apu, apv;
	enum reeve_rc rc = i && json_kind(&t->h.json, i) == J_OBJECT ? RC_OK : RC_SYNTAX;

	if (rc == RC_OK)
		rc = bytes_member(a, t, S("apu"), &apu);
	if (rc == RC_OK)
		rc = bytes_member(a, t, S("apv"), &apv);
	if (rc == RC_OK && secenv_import(NULL, KEY_JWK, json_raw(&t->h.json, i), &spec, &epk, detail) != RC_OK)
		rc = RC_SYNTAX;
	if (rc == RC_OK && (key_info(epk)->secret || key_info(epk)->curve != key_info(own)->curve))
		rc = RC_SYNTAX;
	if (rc == RC_SYNTAX)
		*why = "epk must be a public EC key on the curve of the key, apu and apv base64url";
	else if (rc == RC_OK)
		rc = jose_told(key_agree(own, t->h.alg, epk, derived, apu, apv, out), why);
	else
		rc = jose_told(rc, why);
	key_put(epk);
	return rc;
}

static enum key_alg wrap_of(enum key_alg alg)
{
	return alg == ALG_ECDH_ES_A128KW ? ALG_A128KW : alg == ALG_ECDH_ES_A192KW ? ALG_A192KW : ALG_A256KW;
}

static enum reeve_rc content_key(struct arena *a, const struct jose *t, struct key_ref *key, struct key_ref **out, const char **why)
{
	struct key_ref *kek;
	enum reeve_rc rc;

	if (t->h.alg == ALG_DIR) {
		*out = key_get(key);
		return RC_OK;
	}
	if (key_info(key)->alg != t->h.alg)
		return jose_told(RC_DENIED, why);
	if (t->h.alg == ALG_ECDH_ES)
		return agreed(a, t, key, t->h.enc, out, why);
	if (!alg_in(t->h.alg, ALGS_ECDH_KW))
		return jose_told(key_unwrap(key, t->h.alg, t->raw[JWE_KEY], t->h.enc, out), why);
	rc = agreed(a, t, key, wrap_of(t->h.alg), &kek, why);
	if (rc != RC_OK)
		return rc;
	rc = key_unwrap(kek, wrap_of(t->h.alg), t->raw[JWE_KEY], t->h.enc, out);
	key_put(kek);
	return jose_told(rc, why);
}

enum reeve_rc jose_decrypt(struct arena *a, const struct jose *t, struct key_ref *key, alg_set permitted, struct slice *plain,
			   const char **why)
{
	const struct slice cipher = t->raw[JWE_CIPHERTEXT];
	struct key_ref *cek = NULL;
	uint8_t *out;
	size_t n;
	enum reeve_rc rc;

	*plain = slice_of(NULL, 0);
	if (!t->encrypted || !alg_in(t->h.alg, permitted & JOSE_KEY_MANAGEMENT) || !alg_in(t->h.enc, permitted & ALGS_CONTENT)) {
		*why = "the algorithm is not permitted here";
		return RC_DENIED;
	}
	out = arena_alloc(a, cipher.n);
	if (!out)
		return jose_told(RC_NOMEM, why);
	rc = content_key(a, t, key, &cek, why);
	if (rc != RC_OK)
		return rc;
	rc = key_open(cek, t->h.enc, t->raw[JWE_IV], t->input, cipher, t->raw[JWE_TAG], out, &n);
	key_put(cek);
	if (rc == RC_OK)
		*plain = slice_of((const char *)out, n);
	return jose_told(rc, why);
}

/* --- a new token --- */

/* A fresh pair on key's curve: its public part goes into the header. */
static enum reeve_rc agree_new(struct key_ref *key, enum key_alg derived, struct buf *header, struct key_ref **out)
{
	const struct key_info *i = key_info(key);
	const struct key_spec spec = { .alg = i->alg, .curve = i->curve, .kid = S("epk") };
	char detail[KEY_WHY_MAX];
	struct key_ref *epk;
	enum reeve_rc rc = secenv_generate(NULL, &spec, &epk, detail);

	if (rc != RC_OK)
		return rc;
	buf_lit(header, ",\"epk\":");
	rc = key_export_public(epk, KEY_JWK_BARE, header);
	if (rc == RC_OK)
		rc = key_agree(epk, i->alg, key, derived, S(""), S(""), out);
	key_put(epk);
	return rc;
}

static enum reeve_rc new_content_key(enum key_alg enc, struct key_ref **cek)
{
	const struct key_spec spec = { .alg = enc, .kid = S("cek") };
	char detail[KEY_WHY_MAX];
	return secenv_generate(NULL, &spec, cek, detail);
}

/* The content key, its wrapping if any, and what the header tells of it. */
static enum reeve_rc make_content_key(struct key_ref *key, enum key_alg enc, struct buf *header, struct key_ref **cek,
				      uint8_t wrapped[KEY_WRAPPED_MAX], size_t *n)
{
	const enum key_alg alg = key_info(key)->alg;
	const bool agree = alg_in(alg, ALGS_ECDH);
	struct key_ref *kek = NULL;
	enum reeve_rc rc;

	*n = 0;
	if (alg == enc) {
		*cek = key_get(key);
		return RC_OK;
	}
	if (alg == ALG_ECDH_ES)
		return agree_new(key, enc, header, cek);
	rc = agree ? agree_new(key, wrap_of(alg), header, &kek) : RC_OK;
	if (rc == RC_OK)
		rc = new_content_key(enc, cek);
	if (rc == RC_OK)
		rc = key_wrap(agree ? kek : key, agree ? wrap_of(alg) : alg, *cek, wrapped, n);
	key_put(kek);
	return rc;
}

/* Header, content key and initialisation vector are known: write the five parts. */
static enum reeve_rc write_parts(struct key_ref *cek, enum key_alg enc, struct slice header, struct slice wrapped, struct slice plain,
				 struct buf *out)
{
	const struct key_sizes sizes = key_sizes(enc, plain.n);
	uint8_t iv[KEY_IV_MAX], tag[KEY_TAG_MAX];
	struct buf cipher;
	const size_t start = out->n;
	char *p;
	enum reeve_rc rc = RC_LIMIT;

	buf_init(&cipher, sizes.cipher);
	p = buf_room(&cipher, sizes.cipher);
	base64url_encode(out, header.p, header.n);
	if (p && !out->failed)
		rc = key_seal(cek, enc, slice_of(out->p + start, out->n - start), plain, iv, (uint8_t *)p, tag);
	if (rc == RC_OK) {
		buf_char(out, '.');
		base64url_encode(out, wrapped.p, wrapped.n);
		buf_char(out, '.');
		base64url_encode(out, iv, sizes.iv);
		buf_char(out, '.');
		base64url_encode(out, p, sizes.cipher);
		buf_char(out, '.');
		base64url_encode(out, tag, sizes.tag);
		rc = out->failed ? RC_LIMIT : RC_OK;
	}
	if (rc != RC_OK)
		out->n = start;
	buf_free(&cipher);
	return rc;
}

enum reeve_rc jose_encrypt(struct key_ref *key, enum key_alg enc, const struct jose_params *p, struct slice plain, struct buf *out,
			   const char **why)
{
	const enum key_alg alg = key_info(key)->alg;
	const bool direct = alg_in(alg, ALGS_CONTENT);
	uint8_t wrapped[KEY_WRAPPED_MAX];
	struct key_ref *cek = NULL;
	struct buf header;
	size_t n;
	enum reeve_rc rc;

	if (direct && enc == ALG_NONE)
		enc = alg;
	if (!alg_in(enc, ALGS_CONTENT) || (direct ? alg != enc : !alg_in(alg, JOSE_KEY_MANAGEMENT)))
		return jose_told(RC_DENIED, why);
	if (!plain.n) {
		*why = "there is nothing to encrypt";
		return RC_INVALID;
	}
	buf_init(&header, HEADER_MAX);
	jose_header_write(&header, direct ? ALG_DIR : alg, enc, key, p);
	rc = make_content_key(key, enc, &header, &cek, wrapped, &n);
	buf_char(&header, '}');
	if (rc == RC_OK)
		rc = header.failed ? RC_LIMIT : write_parts(cek, enc, buf_view(&header), slice_of((const char *)wrapped, n), plain, out);
	key_put(cek);
	buf_free(&header);
	return jose_told(rc, why);
}
