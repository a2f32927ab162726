/* SPDX-License-Identifier: Apache-2.0 */
/* Names of credentials, taken apart and compared.
 *
 * A Credential-ID is split at its first "-" (SEC-125); its value has no alphabet of its own, because absolute ids, "ni:" names and URNs
 * have to fit (docs/requirements/security-frameworks.md, A-07). What is blank, a control character or no UTF-8 is refused: it would make
 * two credentials look like one in a log, or break a JSON text.
 *
 * Public key identifiers have one spelling each: "ni:///", algorithm, ';', base64url without padding. So a key is matched by making its
 * identifier with the algorithm that the trusted one names and comparing texts; there is nothing to decode. */
#include "tls/credential_id.h"

#include <openssl/sha.h>

#include "codec/base64.h"

static bool digit(char c) { return c >= '0' && c <= '9'; }
static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static bool type_known(unsigned n)
{
	return (n >= CREDENTIAL_PSK_MEF && n <= CREDENTIAL_PSK_MAC) || (n >= CREDENTIAL_RAW && n <= CREDENTIAL_NODE) ||
	       (n >= CREDENTIAL_MANAGE_RAW && n <= CREDENTIAL_MANAGE_NODE) || (n >= CREDENTIAL_SIGN_RAW && n <= CREDENTIAL_SIGN_NODE);
}

bool credential_id_parse(struct slice text, enum credential_type *type, struct slice *value)
{
	/* All types have two digits, so there is one spelling of each: "012-x" and "+12-x" are none. */
	if (text.n < 4 || text.n > CREDENTIAL_ID_MAX || !digit(text.p[0]) || !digit(text.p[1]) || text.p[2] != '-' || !slice_utf8(text))
		return false;
	const unsigned n = (unsigned)(text.p[0] - '0') * 10 + (unsigned)(text.p[1] - '0');
	if (!type_known(n))
		return false;
	const struct slice rest = slice_skip(text, 3);
	for (size_t i = 0; i < rest.n; i++)
		if ((unsigned char)rest.p[i] <= ' ' || rest.p[i] == 0x7f)
			return false;
	*type = (enum credential_type)n;
	*value = rest;
	return true;
}

bool fqdn_valid(struct slice s)
{
	if (!s.n || s.n > 253)
		return false;
	for (struct slice rest = s; rest.p; ) {
		const struct slice label = slice_cut(&rest, '.');
		if (!label.n || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!letter(label.p[i]) && !digit(label.p[i]) && label.p[i] != '-')
				return false;
	}
	return true;
}

bool fqdn_same(struct slice a, struct slice b)
{
	return a.n && slice_ieq(a, b);
}

bool key_identifier_parse(struct slice text, struct slice *relative, struct slice *fqdn)
{
	const ptrdiff_t at = slice_find(text, '@');

	if (at <= 0 || text.n > PSK_IDENTITY_MAX)
		return false;
	for (ptrdiff_t i = 0; i < at; i++)
		if (!letter(text.p[i]) && !digit(text.p[i]) && !memchr("._-", text.p[i], 3))
			return false;
	const struct slice domain = slice_skip(text, (size_t)at + 1); /* a second '@' is no byte of a domain name */
	if (!fqdn_valid(domain))
		return false;
	*relative = slice_of(text.p, (size_t)at);
	*fqdn = domain;
	return true;
}

size_t public_key_id(struct slice spki, unsigned bits, char out[PUBLIC_KEY_ID_MAX])
{
	const struct slice prefix = bits == 256 ? S("ni:///sha-256;") : bits == 128 ? S("ni:///sha-256-128;") : S("ni:///sha-256-120;");
	unsigned char hash[SHA256_DIGEST_LENGTH];
	struct buf b;
	size_t n = 0;

	SHA256((const unsigned char *)spki.p, spki.n, hash);
	buf_init(&b, PUBLIC_KEY_ID_MAX);
	buf_slice(&b, prefix);
	base64url_encode(&b, hash, bits / 8 > sizeof(hash) ? sizeof(hash) : bits / 8);
	if (!b.failed) {
		memcpy(out, b.p, b.n);
		n = b.n;
	}
	buf_free(&b);
	return n;
}

bool public_key_id_matches(struct slice id, struct slice spki)
{
	static const unsigned lengths[] = { 256, 128, 120 };
	char made[PUBLIC_KEY_ID_MAX];

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		const size_t n = public_key_id(spki, lengths[i], made);
		if (n && slice_eq(id, slice_of(made, n)))
			return true;
	}
	return false;
}
