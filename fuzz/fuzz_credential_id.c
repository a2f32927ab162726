/* SPDX-License-Identifier: Apache-2.0 */
/* Names of credentials: parts lie where they should in the text and put together give it again; what is a key identifier has a domain
 * name; an identifier made for a key matches it. */
#include "tls/credential_id.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1), id[PUBLIC_KEY_ID_MAX]; /* exact size: a read beyond the end is seen */
	const struct slice s = { copy, size };
	struct slice left, right;
	enum credential_type type;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	if (credential_id_parse(s, &type, &right)) {
		check(right.n && right.p == s.p + 3 && right.p + right.n == s.p + s.n && s.p[2] == '-');
		check((unsigned)type == (unsigned)(s.p[0] - '0') * 10 + (unsigned)(s.p[1] - '0'));
	}
	if (key_identifier_parse(s, &left, &right)) {
		check(left.n && left.p == s.p && right.p == left.p + left.n + 1 && right.p + right.n == s.p + s.n);
		check(fqdn_valid(right) && fqdn_same(s, s) && s.n <= PSK_IDENTITY_MAX);
	}
	check(!fqdn_valid(s) || (s.n <= 253 && slice_find(s, '*') < 0 && slice_find(s, 0) < 0));
	for (unsigned i = 0; i < 3; i++) {
		const size_t n = public_key_id(s, i == 0 ? 256 : i == 1 ? 128 : 120, id);
		check(n && public_key_id_matches(slice_of(id, n), s));
	}
	(void)public_key_id_matches(s, S("key"));
	free(copy);
	return 0;
}
