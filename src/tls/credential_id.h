/* SPDX-License-Identifier: Apache-2.0 */
/* Names of credentials: Credential-IDs (TS-0003 10.4), symmetric key identifiers (10.3.4, 10.3.5, 10.5, 10.6) and public key identifiers
 * (10.1.2, RFC 6920). Pure functions over text. */
#ifndef REEVE_TLS_CREDENTIAL_ID_H
#define REEVE_TLS_CREDENTIAL_ID_H

#include "base/rc.h"
#include "base/slice.h"

/* The type-ID of a Credential-ID (TS-0003 12.3.2.1), of those that a (D)TLS association can have. */
enum credential_type {
	CREDENTIAL_NONE = 0,
	CREDENTIAL_PSK_MEF = 10, CREDENTIAL_PSK_MAF = 11, CREDENTIAL_PSK = 12, CREDENTIAL_PSK_ESPRIM = 13,
	CREDENTIAL_PSK_ENCRYPT = 14, CREDENTIAL_PSK_WRAP = 15, CREDENTIAL_PSK_MAC = 16,
	CREDENTIAL_RAW = 30, CREDENTIAL_DEVICE = 31, CREDENTIAL_CSE = 32, CREDENTIAL_AE = 33, CREDENTIAL_NODE = 34,
	CREDENTIAL_MANAGE_RAW = 41, CREDENTIAL_MANAGE_DEVICE, CREDENTIAL_MANAGE_CSE, CREDENTIAL_MANAGE_AE, CREDENTIAL_MANAGE_NODE,
	CREDENTIAL_SIGN_RAW = 51, CREDENTIAL_SIGN_DEVICE, CREDENTIAL_SIGN_CSE, CREDENTIAL_SIGN_AE, CREDENTIAL_SIGN_NODE,
};

enum { CREDENTIAL_ID_MAX = 512, PSK_IDENTITY_MAX = 128, PSK_MAX = 64 /* RFC 4279 5.3 */ };

/* "12-pump-01@issuer.example.org": split at the first '-'. False: no type of the table above, an empty value, a byte that is a control
 * character or blank, or longer than CREDENTIAL_ID_MAX. */
bool credential_id_parse(struct slice text, enum credential_type *type, struct slice *value);

/* `relative@FQDN`, the form of KpsaID, KmID and Key Identifiers: exactly one '@', both sides not empty, the left one of letters,
 * digits, '.', '_' and '-', the right one a domain name. At most PSK_IDENTITY_MAX bytes. */
bool key_identifier_parse(struct slice text, struct slice *relative, struct slice *fqdn);
/* Are these the same KmID or domain name (ASCII case does not count: TS-0003 10.6)? */
bool fqdn_same(struct slice a, struct slice b);
/* Is s a domain name: labels of letters, digits and '-', none empty, no wildcard, at most 253 bytes? */
bool fqdn_valid(struct slice s);

enum { PUBLIC_KEY_ID_MAX = 80 };
/* "ni:///sha-256;..." of a DER SubjectPublicKeyInfo, with bits 256, 128 or 120. Returns the bytes written. */
size_t public_key_id(struct slice spki, unsigned bits, char out[PUBLIC_KEY_ID_MAX]);
/* Does the trusted identifier name this key? The algorithm and length are those of the identifier; an unknown one never matches. */
bool public_key_id_matches(struct slice id, struct slice spki);

#endif
