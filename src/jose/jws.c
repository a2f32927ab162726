/* SPDX-License-Identifier: Apache-2.0 */
/* JWS (RFC 7515): verify and sign. */
#include "codec/base64.h"
#include "jose/jose_int.h"

enum { HEADER_MAX = 8192 };

enum reeve_rc jose_verify(const struct jose *t, struct key_ref *key, alg_set permitted, struct slice *payload, const char **why)
{
	enum reeve_rc rc;

	*payload = slice_of(NULL, 0);
	if (t->encrypted || !alg_in(t->h.alg, permitted & ALGS_SIGN)) {
		*why = "the algorithm is not permitted here";
		return RC_DENIED;
	}
	rc = key_verify(key, t->h.alg, t->input, t->raw[JWS_SIGNATURE]);
	if (rc == RC_OK)
		*payload = t->raw[JWS_PAYLOAD];
	return jose_told(rc, why);
}

enum reeve_rc jose_sign(struct key_ref *key, const struct jose_params *p, struct slice payload, struct buf *out, const char **why)
{
	const enum key_alg alg = key_info(key)->alg;
	const size_t start = out->n;
	uint8_t signature[KEY_SIGNATURE_MAX];
	struct buf header;
	size_t n;
	enum reeve_rc rc = RC_LIMIT;

	if (!alg_in(alg, ALGS_SIGN))
		return jose_told(RC_DENIED, why);
	buf_init(&header, HEADER_MAX);
	jose_header_write(&header, alg, ALG_NONE, key, p);
	buf_char(&header, '}');
	base64url_encode(out, header.p, header.n);
	buf_char(out, '.');
	base64url_encode(out, payload.p, payload.n);
	if (!header.failed && !out->failed)
		rc = key_sign(key, alg, slice_of(out->p + start, out->n - start), signature, &n);
	if (rc == RC_OK) {
		buf_char(out, '.');
		base64url_encode(out, signature, n);
		rc = out->failed ? RC_LIMIT : RC_OK;
	}
	if (rc != RC_OK)
		out->n = start;
	buf_free(&header);
	return jose_told(rc, why);
}
