/* SPDX-License-Identifier: Apache-2.0 */
/* Keys from an enrolment key (TS-0003 10.3.2, 10.3.3, 10.3.7): HMAC-SHA-256 over a fixed text and who the key is for.
 *
 * The secret never comes here: the secure environment makes a key of a key. Identifiers are UTF-8 in NFKC, so that two ends whose
 * keyboards spell a name differently have the same key. What the standard leaves open is in docs/deviations.md. */
#include "tls/derive.h"

#include <stdlib.h>
#include <uninorm.h>

enum { IDENTIFIER_MAX = 1024, NORMALIZED_MAX = 20 * IDENTIFIER_MAX /* U+FDFA becomes eleven times as long */ };

/* Append id in NFKC. */
static enum reeve_rc add_normalized(struct buf *b, struct slice id)
{
	if (!id.n || id.n > IDENTIFIER_MAX || !slice_utf8(id))
		return RC_INVALID;
	size_t n = 0;
	uint8_t *normal = u8_normalize(UNINORM_NFKC, (const uint8_t *)id.p, id.n, NULL, &n);
	if (!normal)
		return RC_NOMEM;
	buf_add(b, normal, n);
	free(normal);
	return b->failed ? RC_NOMEM : RC_OK;
}

static enum reeve_rc derive(struct key_ref *ke, struct slice label, struct slice between, struct slice id, enum key_alg alg,
			    struct key_ref **out)
{
	struct buf b;
	enum reeve_rc rc;

	*out = NULL;
	buf_init(&b, NORMALIZED_MAX + 256);
	buf_slice(&b, label);
	buf_slice(&b, between);
	rc = add_normalized(&b, id);
	if (rc == RC_OK)
		rc = key_derive(ke, buf_view(&b), alg, out);
	buf_free(&b);
	return rc;
}

enum reeve_rc derive_km(struct key_ref *ke, struct slice maf_id, enum key_alg alg, struct key_ref **out)
{
	return derive(ke, S("oneM2M Enrolment Key to Master Credential derivation"), S(""), maf_id, alg, out);
}

enum reeve_rc derive_kpsa(struct key_ref *ke, struct slice enrolee_b, enum key_alg alg, struct key_ref **out)
{
	return derive(ke, S("oneM2M Enrolment Key to Provisioned Secure Connection Key derivation"), S(""), enrolee_b, alg, out);
}

enum reeve_rc derive_constrained(struct key_ref *ke, unsigned suid, struct slice target, enum key_alg alg, struct key_ref **out)
{
	char text[16];
	const int n = snprintf(text, sizeof(text), "%u", suid);

	return derive(ke, S("oneM2M Enrolment Key to Usage-Constrained Symmetric Key derivation"), slice_of(text, (size_t)n), target, alg,
		      out);
}

size_t derive_key_identifier(struct slice hex, struct slice fqdn, char out[PSK_IDENTITY_MAX])
{
	struct slice relative, domain;

	if (hex.n + 1 + fqdn.n > PSK_IDENTITY_MAX)
		return 0;
	memcpy(out, hex.p, hex.n);
	out[hex.n] = '@';
	memcpy(out + hex.n + 1, fqdn.p, fqdn.n);
	const size_t n = hex.n + 1 + fqdn.n;
	return key_identifier_parse(slice_of(out, n), &relative, &domain) ? n : 0;
}
