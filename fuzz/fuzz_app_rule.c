/* SPDX-License-Identifier: Apache-2.0 */
/* What an IN-CSE answers about a service subscription, from hostile hands: lists of what was found, and rules. A stem that a rule makes is
 * one that it allows. */
#include <stdint.h>
#include <stdlib.h>

#include "authz/ident.h"
#include "core/registration/app_rule.h"
#include "core/pattern.h"
#include "core/references.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static bool same(const struct config_list *a, const struct config_list *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (!slice_eq(a->v[i], b->v[i]))
			return false;
	return a->n == b->n;
}

static void rule(struct arena *a, const struct json *j, uint32_t obj)
{
	const struct applicant who = { .association = true, .credential = S("10-key"), .app = S("Napp") };
	struct app_rule r, c;
	char out[64];

	if (app_rule_read(a, j, obj, &r) != RC_OK || app_rule_copy(a, &r, &c) != RC_OK)
		return;
	require(same(&r.creds, &c.creds) && same(&r.apps, &c.apps) && same(&r.stems, &c.stems) && same(&r.roles, &c.roles));
	require(app_rule_applies(&r, &who) == app_rule_applies(&c, &who));
	for (size_t i = 0; i < r.stems.n; i++)
		for (const char *kind = "CS"; *kind; kind++) {
			struct slice s = slice_of(out, stem_from(r.stems.v[i], *kind, "0123456789ab", out, sizeof(out)));
			require(!s.n || (s.p[0] == *kind && ident_stem(s) && pattern_listed(&r.stems, s)));
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice why, found;
	struct arena a;
	struct json j;
	uint32_t at = 0, last = 0;

	if (n > 65536)
		return 0;
	arena_init(&a, NULL, 0, 1 << 20);
	if (json_parse(&a, slice_of((const char *)data, n), &json_default_limits, &j, &why) == RC_OK) {
		while ((found = references_next(&a, &j, &at)).p) {
			require(found.n && at > last); /* it goes on, and ends */
			last = at;
		}
		rule(&a, &j, 0);
		rule(&a, &j, json_member(&j, 0, S("m2m:asar")));
	}
	arena_reset(&a);
	return 0;
}
