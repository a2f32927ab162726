/* SPDX-License-Identifier: Apache-2.0 */
/* What another CSE says about authorization: answers of all three points, and questions.
 *
 * The first byte is the kind, the rest the content. Invariants: rules that were taken are ones policy_check accepts, and stay so when they
 * are written with absolute identifiers; written so a second time they are the same; a question that was read is written and read as
 * the same. */
#include "authz/distributed.h"
#include "authz/policy_int.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ident_home home = {
	.sp_id = { "//sp.example", 12 }, .cse_id = { "/gw7", 4 }, .base_name = { "base", 4 }, .abs = { "//sp.example/gw7", 16 },
};
static const struct policy_options options = { .home = &home, .positions = true, .countries = true };

static void check(bool ok)
{
	if (!ok)
		abort();
}

static enum reeve_rc group(void *ctx, struct slice id, struct arena *a, struct slice **ids, size_t *n)
{
	(void)ctx;
	if (id.n % 3)
		return RC_NOTFOUND;
	*n = 1;
	if (!(*ids = arena_array(a, 1, sizeof(**ids))))
		return RC_NOMEM;
	**ids = S("//sp.example/gw7/CAE1");
	return RC_OK;
}

static struct slice absolute(struct arena *a, const struct json *j, uint32_t i, policy_group g)
{
	struct slice out;
	struct buf b;

	buf_init(&b, 4 << 20);
	check(policy_write_absolute(&b, &options, g, NULL, a, j, i) != RC_INVALID);
	out = arena_dup(a, buf_view(&b));
	buf_free(&b);
	return out;
}

static void travel(struct arena *a, const struct policy *p)
{
	struct slice text = p->part[POLICY_PV].text, why, once, twice;
	struct json j, k;

	if (json_parse(a, text, &json_default_limits, &j, &why) != RC_OK)
		return;
	once = absolute(a, &j, 0, group);
	if (json_parse(a, once, &json_default_limits, &k, &why) != RC_OK) {
		check(false);
		return;
	}
	check(policy_check(&options, &k, 0, a, &why) == RC_OK);
	twice = absolute(a, &k, 0, NULL);
	check(slice_eq(once, twice));
}

static void policies(struct arena *a, const struct json *j, uint32_t obj)
{
	struct answered_policies ps;

	if (policies_answer_read(&options, group, NULL, a, j, obj, &ps) != RC_OK)
		return;
	for (size_t i = 0; i < ps.n; i++)
		if (ps.p[i]->part[POLICY_PV].text.n < 4096)
			travel(a, ps.p[i]);
	answered_policies_free(&ps);
}

static void question(struct arena *a, struct slice text)
{
	struct decision_request d, again;
	struct slice why = { NULL, 0 };
	struct json j;
	struct buf b;
	size_t same;

	if (json_parse(a, text, &json_default_limits, &j, &why) != RC_OK)
		return;
	if (decision_request_read(a, &j, 0, &d, &why) != RC_OK) {
		check(why.p != NULL);
		return;
	}
	buf_init(&b, 4 << 20);
	decision_request_write(&b, &d, &same);
	check(!b.failed && same <= b.n && json_parse(a, buf_view(&b), &json_default_limits, &j, &why) == RC_OK);
	check(decision_request_read(a, &j, json_member(&j, 0, S("m2m:auds")), &again, &why) == RC_OK);
	check(slice_eq(d.to, again.to) && slice_eq(d.fr, again.fr) && d.op == again.op && d.rids.n == again.rids.n && d.ip_known == again.ip_known);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct slice text;
	struct json j;
	uint32_t obj;

	if (!size)
		return 0;
	arena_init(&a, NULL, 0, 64 << 20);
	text = arena_dup(&a, slice_of((const char *)data + 1, size - 1));
	if (data[0] % 4 == POINTS)
		question(&a, text);
	else if (point_answer_read(&a, text, (enum point)(data[0] % 4), &j, &obj) != SUS_NONE) {
		check(decision_answer_dec(&j, obj) >= 0);
		for (uint32_t i = 0; information_next(&j, obj, S("m2m:rol"), &i);)
			check(json_kind(&j, i) == J_OBJECT);
		if (data[0] % 4 == POINT_PRP)
			policies(&a, &j, obj);
	}
	arena_reset(&a);
	return 0;
}
