/* SPDX-License-Identifier: Apache-2.0 */
/* The policy file of the DAS, and a question to what was read.
 *
 * Invariants: what is refused says why; a rule that gives is one that gives something, and gives nothing to nobody. */
#include <stdlib.h>

#include "base/hash.h"
#include "das/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ident_home home = {
	.sp_id = { "//iot.example", 13 }, .cse_id = { "/das1", 5 }, .base_name = { "das", 3 }, .abs = { "//iot.example/das1", 18 },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct policy_options options = { .home = &home };
	struct facts f = { .who = { "//iot.example/gw7/Ctablet2", 26 }, .op = ACOP_RETRIEVE, .target_ty = 3, .target_mgd = -1 };
	struct das_question q = { .facts = &f, .resource = { "//iot.example/gw7/cse/ward9/bed1", 32 }, .direct = size & 1 };
	const struct das_rule *r;
	char why[DAS_WHY_MAX];
	struct das_policy *p;

	if (das_policy_read(slice_of((const char *)data, size), &options, &p, why) != RC_OK) {
		if (!why[0] && !p)
			abort();
		return 0;
	}
	f.who_hash = hash_slice(f.who);
	r = das_policy_match(p, &q);
	if (r && ((!r->privileges && !r->token) || (!q.direct && !r->token) || r->lifetime <= 0))
		abort();
	f.who = S("");
	if (das_policy_match(p, &q))
		abort();
	for (size_t i = 0; i < p->n_rules; i++)
		for (size_t k = 0; k < p->rules[i].n_at; k++)
			(void)das_glob(p->rules[i].at[k], q.resource);
	das_policy_free(p);
	return 0;
}
