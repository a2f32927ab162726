/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that come out of an association, and out of an enrolment key (TS-0003 10.3). */
#ifndef REEVE_TLS_DERIVE_H
#define REEVE_TLS_DERIVE_H

#include "tls/tls.h"

/* TLS exporter (10.3.1): 48 octets without context, of which the first 16 are the identifier and the last 32 the key. */
enum exported { EXPORT_BOOTSTRAP /* RelativeKeID, Ke */, EXPORT_CONNECTION /* KcID, Kc */, EXPORT_ESCERTKE };
enum { EXPORTED_ID = 16, EXPORTED_KEY = 32, EXPORTED_ID_HEX = 2 * EXPORTED_ID };
/* id: 32 hexadecimal digits, lower case; the key lives in memory alone, good for `alg`. */
REEVE_MUST_CHECK enum reeve_rc derive_exported(struct tls *t, enum exported what, enum key_alg alg, char id[EXPORTED_ID_HEX + 1],
				struct key_ref **key);
/* hex(id) "@" FQDN: KeID (10.3.4) and Key Identifier (10.3.5). Returns the bytes written; 0: does not fit. */
size_t derive_key_identifier(struct slice hex, struct slice fqdn, char out[PSK_IDENTITY_MAX]);

/* From an enrolment key Ke (a key for ALG_DERIVE); identifiers are normalized to NFKC. Keys in memory, for `alg`. RC_INVALID: not UTF-8. */
REEVE_MUST_CHECK enum reeve_rc derive_km(struct key_ref *ke, struct slice maf_id, enum key_alg alg, struct key_ref **out);
REEVE_MUST_CHECK enum reeve_rc derive_kpsa(struct key_ref *ke, struct slice enrolee_b, enum key_alg alg, struct key_ref **out);
REEVE_MUST_CHECK enum reeve_rc derive_constrained(struct key_ref *ke, unsigned suid, struct slice target, enum key_alg alg,
				struct key_ref **out);

#endif
