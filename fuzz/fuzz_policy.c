/* SPDX-License-Identifier: Apache-2.0 */
/* A policy's JSON all the way: parse, model_check, policy_check, compile, decide, tell.
 *
 * The first bytes are facts, the rest is a setOfAcrs. Invariants: what policy_check accepts has no unreadable rule; what
 * it refuses as invalid never permits by the rule at fault when it is the only one; a permit names a rule that has the
 * operation; the story is JSON. */
#include "authz/decisions.h"
#include "authz/policy_int.h"
#include "base/hash.h"
#include "codec/model.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ident_home home = {
	.sp_id = { "//sp.example", 12 }, .cse_id = { "/gw7", 4 }, .base_name = { "base", 4 }, .abs = { "//sp.example/gw7", 16 },
};
enum { N_FACTS = 12 };

static void check(bool ok)
{
	if (!ok)
		abort();
}

static enum reeve_rc group(void *ctx, struct slice id, struct arena *a, struct slice **ids, size_t *n)
{
	if (id.n % 3 == 0)
		return RC_NOTFOUND;
	*n = id.n % 5;
	*ids = arena_array(a, *n, sizeof(**ids));
	for (size_t i = 0; *ids && i < *n; i++)
		(*ids)[i] = S("//sp.example/gw7/CAE1");
	return *ids ? RC_OK : RC_NOMEM;
}

static struct facts facts_of(const uint8_t *d)
{
	static const struct slice whos[] = { { "//sp.example/gw7/CAE1", 21 }, { "//sp.example/S12", 16 }, { "//sp.example/in1", 16 },
					     { "//other.example/in9/CAE1", 24 }, { NULL, 0 } };
	static const struct slice role = { "nurse@roles.example", 19 };
	struct facts f = { .who = whos[d[0] % 5], .authenticated = d[1] & 1, .op = 1u << d[2] % 6, .target_ty = d[3] % 32,
			   .child_ty = d[4] % 32, .target_mgd = d[5] & 1 ? 1001 : -1, .ip_known = d[5] & 2, .position_known = d[5] & 4,
			   .latitude = d[6] / 2.0 - 63, .longitude = d[7] - 128, .roles = &role, .n_roles = d[5] >> 3 & 1,
			   .time = { .second = d[8] % 60, .minute = d[9] % 60, .hour = d[8] % 24, .mday = (uint8_t)(1 + d[9] % 31),
				     .month = (uint8_t)(1 + d[10] % 12), .wday = d[10] % 7, .year = (uint16_t)(2000 + d[11]) } };

	f.ip[10] = f.ip[11] = d[5] & 16 ? 0xff : 0;
	f.ip[12] = d[6], f.ip[15] = d[7];
	if (d[5] & 32)
		memcpy(f.country, "FR", 3);
	if (d[5] & 64)
		f.target_cnd = S("org.example.lamp");
	f.who_hash = hash_slice(f.who);
	return f;
}

static void tell(const struct policy *p, const struct facts *f, bool permitted)
{
	struct decision d = { .ground = "policy", .policies = &p, .n_policies = 1, .facts = f };
	struct buf json, text;
	struct slice why;
	struct arena a;
	struct json j;

	arena_init(&a, NULL, 0, 64 << 20);
	buf_init(&json, 1 << 20);
	buf_init(&text, 1 << 22);
	decision_write_json(&json, &d, S("fuzz"), permitted);
	check(!json.failed && json_parse(&a, buf_view(&json), &json_default_limits, &j, &why) == RC_OK);
	decision_write_text(&text, buf_view(&json));
	for (size_t i = 0; i < text.n; i++)
		check(text.p[i] == '\n' || ((unsigned char)text.p[i] >= 0x20 && text.p[i] != 0x7f));
	buf_free(&json);
	buf_free(&text);
	arena_reset(&a);
}

static void run(const struct facts *f, struct slice text, struct arena *a)
{
	const struct policy_options o = { .home = &home, .positions = true, .countries = true };
	enum reeve_rc model, rc;
	struct policy *p = NULL;
	struct slice why = { NULL, 0 };
	unsigned index = 0;
	bool permitted;
	struct json j;

	if (json_parse(a, text, &json_default_limits, &j, &why))
		return;
	model = model_type("m2m:setOfAcrs") ? model_check(model_type("m2m:setOfAcrs"), false, &j, 0, a, &why) : RC_OK;
	(void)model;
	rc = policy_check(&o, &j, 0, a, &why);
	check(rc == RC_OK || rc == RC_NOMEM || why.p);
	if (policy_compile(&o, S("p"), text, S("{}"), group, NULL, &p)) {
		check(rc != RC_OK);
		return;
	}
	for (size_t i = 0; rc == RC_OK && i < p->part[0].n; i++)
		check(!p->part[0].rule[i].unreadable);
	check(rc != RC_INVALID || p->part[0].n > 0);
	permitted = pdp_decide((const struct policy *const *)&p, 1, POLICY_PV, f, NULL, NULL, &index);
	check(!permitted || (!p->part[0].rule[index].unreadable && (p->part[0].rule[index].ops & f->op)));
	check(!permitted || rc != RC_INVALID || p->part[0].n > 1);
	tell(p, f, permitted);
	policy_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct facts f;
	struct arena a;
	char *text;

	if (size < N_FACTS)
		return 0;
	f = facts_of(data);
	size -= N_FACTS;
	text = malloc(size ? size : 1);
	if (!text)
		return 0;
	memcpy(text, data + N_FACTS, size);
	arena_init(&a, NULL, 0, 64 << 20);
	run(&f, slice_of(text, size), &a);
	arena_reset(&a);
	free(text);
	return 0;
}
