/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of src/authz share: one CSE's names, policies from text, facts with defaults, groups from a table. */
#ifndef REEVE_TESTS_AUTHZ_SUPPORT_H
#define REEVE_TESTS_AUTHZ_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "authz/policy.h"
#include "base/hash.h"

#define SLICE(cstr) slice_str(cstr)

static const struct ident_home home = {
	.sp_id = { "//sp.example", 12 }, .cse_id = { "/gw7", 4 }, .base_name = { "base", 4 }, .abs = { "//sp.example/gw7", 16 },
};
__attribute__((unused)) static const struct policy_options plain = { .home = &home };
__attribute__((unused)) static const struct policy_options located = { .home = &home, .positions = true, .countries = true };
__attribute__((unused)) static const struct policy_options domains = { .home = &home, .domain_wildcards = true };

/* Groups by name; members are canonical and NULL-terminated. `broken`: what the look-up answers instead. */
struct test_group {
	const char *id;
	const char *members[8];
	enum reeve_rc broken;
};

__attribute__((unused)) static enum reeve_rc test_groups(void *ctx, struct slice id, struct arena *a, struct slice **ids, size_t *n)
{
	for (const struct test_group *g = ctx; g->id; g++) {
		if (!slice_eq(id, slice_str(g->id)))
			continue;
		if (g->broken)
			return g->broken;
		*ids = arena_array(a, 8, sizeof(**ids));
		for (*n = 0; *n < 8 && g->members[*n]; ++*n)
			(*ids)[*n] = arena_dup(a, slice_str(g->members[*n]));
		return RC_OK;
	}
	return RC_NOTFOUND;
}

/* Policy with the given rules (the inside of acr) as pv. */
__attribute__((unused)) static struct policy *compile_with(const struct policy_options *o, const char *rules, const struct test_group *groups)
{
	size_t size = strlen(rules) + 16;
	char *pv = malloc(size);
	struct policy *p = NULL;

	snprintf(pv, size, "{\"acr\":[%s]}", rules);
	assert_int_equal(policy_compile(o, S("test"), slice_str(pv), S("{\"acr\":[]}"), groups ? test_groups : NULL, (void *)groups, &p),
			 RC_OK);
	free(pv); /* the policy keeps nothing of it */
	return p;
}

__attribute__((unused)) static void set_who(struct facts *f, const char *who)
{
	f->who = slice_str(who);
	f->who_hash = hash_slice(f->who);
}

/* CAE1 retrieves a container on Sunday 2026-03-01 12:00:00 from nowhere. */
__attribute__((unused)) static struct facts facts_of(const char *who, unsigned op)
{
	struct facts f = { .op = op, .target_ty = 3, .target_mgd = -1,
			   .time = { .hour = 12, .mday = 1, .month = 3, .wday = 0, .year = 2026 } };

	set_who(&f, who ? who : "//sp.example/gw7/CAE1");
	return f;
}

__attribute__((unused)) static bool decide(const struct policy *p, const struct facts *f)
{
	return pdp_decide(&p, 1, POLICY_PV, f, NULL, NULL, NULL);
}

/* Compile the rules, decide, free. */
__attribute__((unused)) static bool allows(const struct policy_options *o, const char *rules, const struct facts *f)
{
	struct policy *p = compile_with(o, rules, NULL);
	bool yes = decide(p, f);

	policy_free(p);
	return yes;
}

#endif
