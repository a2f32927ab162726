/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers: the canonical form is canonical (parsing it again gives itself and the same kind), and the parts of a
 * routed address lie inside it. */
#include "authz/ident.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ident_home home = {
	.sp_id = { "//sp.example", 12 }, .cse_id = { "/gw7", 4 }, .base_name = { "base", 4 }, .abs = { "//sp.example/gw7", 16 },
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1); /* exact size: a read beyond the end is seen */
	struct slice s = { copy, size }, canon, again, local, cse;
	enum ident_kind kind, kind2;
	enum ident_form form;
	struct arena a;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	arena_init(&a, NULL, 0, 1 << 20);
	if (ident_parse(&a, &home, s, &kind, &form, &canon) == RC_OK) {
		check((kind == ID_NONE) == (canon.p == NULL));
		if (kind != ID_NONE) {
			check(ident_parse(&a, &home, canon, &kind2, &form, &again) == RC_OK);
			check(kind2 == kind && form == ID_ABSOLUTE && slice_eq(canon, again));
		}
		check(!ident_stem(s) || kind == ID_AE_C || kind == ID_AE_S);
		check(!ident_sp(s) || kind == ID_SP);
		check(!ident_cse(s) || kind == ID_CSE || kind == ID_AE_S);
	}
	(void)ident_app(s);
	switch (ident_route(&a, &home, s, &local, &cse)) {
	case WHERE_HERE:
		check(local.n > 0 && local.p[0] != '/');
		check(slice_eq(local, home.base_name) || (local.p >= s.p && local.p + local.n == s.p + s.n));
		break;
	case WHERE_TRANSIT:
		check(ident_parse(&a, &home, cse, &kind, &form, &again) == RC_OK && slice_eq(cse, again));
		check(!slice_eq(cse, home.abs));
		break;
	case WHERE_BAD:
		break;
	}
	arena_reset(&a);
	free(copy);
	return 0;
}
