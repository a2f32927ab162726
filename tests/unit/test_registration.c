/* SPDX-License-Identifier: Apache-2.0 */
/* Registration under a service subscription, as far as it needs a security association, which no binding makes yet: the test says what
 * was proven about the peer, as a binding would. And stems made from patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/registration/app_rule.h"
#include "core/pattern.h"
#include "core_util.h"

#define HOME "//reeve.local/reeve/"

/* --- stems --- */

static struct slice made(const char *pattern, char kind, char *out, size_t cap)
{
	static const char random[] = "0123456789ab";
	return slice_of(out, stem_from(slice_str(pattern), kind, random, out, cap));
}

static void stems(void **state)
{
	static const struct { const char *pattern; char kind; const char *stem; } cases[] = {
		{ "*", 'C', "C0123456789ab" },    { "*", 'S', "S0123456789ab" }, { "C*", 'C', "C0123456789ab" }, { "C*", 'S', "" },
		{ "C1*x*y", 'C', "C10123456789abxy" }, { "*-a", 'S', "S0123456789ab-a" }, { "Cme", 'C', "Cme" }, { "Cme", 'S', "" },
		{ "Cme*", 'C', "Cme0123456789ab" }, { "", 'C', "" }, { "C", 'C', "" }, { "X*", 'C', "" }, { "C a*", 'C', "" },
		{ "C/*", 'C', "" }, { "**", 'C', "C0123456789ab" }, { "C%*", 'C', "" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice got = made(cases[i].pattern, cases[i].kind, out, sizeof(out));
		if (!slice_eq(got, slice_str(cases[i].stem)))
			fail_msg("%s, %c: %.*s", cases[i].pattern, cases[i].kind, SF(got));
	}
	for (size_t cap = 0; cap < 16; cap++) /* never beyond its room */
		assert_int_equal(made("C1*x*y", 'C', out, cap).n, 0);
	assert_int_equal(made("C1*x*y", 'C', out, 16).n, 16);
}

/* Whatever comes out is matched by its pattern, and of its kind. */
static void stems_match(void **state)
{
	static const char letters[] = "**CS1x-/";
	char pattern[8], out[64];
	unsigned hits = 0;

	(void)state;
	for (unsigned n = 0; n < 1u << 18; n++) {
		struct slice p = slice_of(pattern, 1 + n % 6), got;
		struct config_list l = { .v = &p, .n = 1 };
		char kind = n % 2 ? 'C' : 'S';

		for (unsigned i = 0, x = n * 2654435761u; i < p.n; i++, x >>= 3)
			pattern[i] = letters[x & 7];
		got = slice_of(out, stem_from(p, kind, "0123456789ab", out, sizeof(out)));
		if (!got.n)
			continue;
		hits++;
		if (!pattern_listed(&l, got) || got.p[0] != kind || !ident_stem(got))
			fail_msg("%.*s made %.*s", SF(p), SF(got));
	}
	assert_true(hits > 10000);
}

/* --- credentials --- */

static int try_as(struct cse *t, const struct peer *p, const char *fr, const char *api)
{
	char pc[128];
	struct call *k;

	snprintf(pc, sizeof(pc), "{\"m2m:ae\":{\"api\":\"%s\",\"rr\":false,\"srv\":[\"3\"]}}", api);
	k = call_new(t, OP_CREATE, fr, "cse", 2, pc);
	k->r.peer = *p;
	k->r.peer.open = t->cfg.http.open;
	return call_end(call_go(k), NULL);
}

static void provide(struct cse *t, const char *rules)
{
	char pc[256];

	must(call(t, OP_CREATE, ME, "cse", 11, "{\"m2m:mssp\":{\"rn\":\"sub\"}}"), 2001);
	snprintf(pc, sizeof(pc), "{\"m2m:svsn\":{\"rn\":\"node\",\"ni\":\"urn:n\",\"csi\":\"/reeve\",\"rlk\":[%s]}}", rules);
	must(call(t, OP_CREATE, ME, "cse/sub", 20, pc), 2001);
}

static void rule(struct cse *t, const char *name, const char *attrs)
{
	char pc[512];

	snprintf(pc, sizeof(pc), "{\"m2m:asar\":{\"rn\":\"%s\",%s}}", name, attrs);
	must(call(t, OP_CREATE, ME, "cse", 19, pc), 2001);
}

#define PEER(id) { .association = true, .credential = { id, sizeof(id) - 1 } }
static const struct peer nobody = { .ip = { [15] = 1 }, .ip_known = true }, unknown = { .association = true };
static const struct peer key1 = PEER("10-key1"), key2 = PEER("10-key2"), key3 = PEER("10-key3"), other = PEER("11-key1");

static void credentials(void **state)
{
	struct cse *t = *state;

	rule(t, "r1", "\"apci\":[\"10-key1\"],\"aai\":[\"Na\"],\"aae\":[\"*\"]");
	rule(t, "r2", "\"apci\":[\"10-*2\",\"9-x\"],\"aai\":[\"Nb\"],\"aae\":[\"*\"]");
	rule(t, "r3", "\"apci\":[\"*\"],\"aai\":[\"Nc\"],\"aae\":[\"*\"]");
	rule(t, "r4", "\"aai\":[\"Nd\"],\"aae\":[\"*\"]");
	provide(t, "\"cse/r1\",\"cse/r2\",\"cse/r3\",\"cse/r4\"");
	/* AUTHZ-228, AUTHZ-229, SEC-114, SEC-117: the credential has to be allowed by the rule that allows the App-ID */
	must(try_as(t, &key1, "C", "Na"), 2001);
	must(try_as(t, &key2, "C", "Na"), 4126);
	must(try_as(t, &other, "C", "Na"), 4126);
	must(try_as(t, &unknown, "C", "Na"), 4126);
	must(try_as(t, &nobody, "C", "Na"), 4126);
	must(try_as(t, &key2, "C", "Nb"), 2001);
	must(try_as(t, &key1, "C", "Nb"), 4126);
	/* any credential is some credential */
	must(try_as(t, &key3, "C", "Nc"), 2001);
	/* SEC-051: a key that is one AE's does not become another's, whatever the rules allow */
	must(try_as(t, &key3, "C", "Nc"), 4117);
	must(try_as(t, &key3, "Cother", "Nc"), 4106);
	must(try_as(t, &unknown, "C", "Nc"), 2001);
	must(try_as(t, &nobody, "C", "Nc"), 4126);
	/* SEC-119: without applicableCredIDs: without a security association */
	must(try_as(t, &nobody, "C", "Nd"), 2001);
	must(try_as(t, &key1, "C", "Nd"), 4126);
	must(try_as(t, &unknown, "C", "Nd"), 4126);
}

static void certificate(void **state)
{
	static const struct slice ids[] = { { HOME "Cme", sizeof(HOME "Cme") - 1 } };
	const struct peer cert = { .association = true, .ae_ids = ids, .n_ae_ids = 1, .credential = S("20-cert"), .app_id = S("Na") };
	struct cse *t = *state;

	/* AUTHZ-230, SEC-116: both have to be what the certificate says, whatever the rules allow */
	rule(t, "r", "\"apci\":[\"*\"],\"aai\":[\"*\"],\"aae\":[\"*\"]");
	provide(t, "\"cse/r\"");
	must(try_as(t, &cert, "Cme", "Nb"), 4126);
	must(try_as(t, &cert, "C", "Na"), 4126);
	must(try_as(t, &cert, "", "Na"), 4126);
	must(try_as(t, &cert, "Cyou", "Na"), 4106);
	must(try_as(t, &cert, "Cme", "Na"), 2001);
	/* and the rules have to allow it */
	must(call(t, OP_DELETE, "Cme", "Cme", 0, NULL), 2002);
	must(call(t, OP_UPDATE, ME, "cse/r", 0, "{\"m2m:asar\":{\"aai\":[\"Nb\"]}}"), 2004);
	must(try_as(t, &cert, "Cme", "Na"), 4126);
}

/* --- the index of nodes --- */

static uint64_t nodes(struct cse *t)
{
	struct st_tx *tx;
	uint64_t n;

	assert_int_equal(st_reader_new(t->core->store, &tx), RC_OK);
	assert_int_equal(st_renew(tx), RC_OK);
	n = st_entries(tx, ST_NODE);
	st_release(tx);
	st_reader_free(tx);
	return n;
}

static void many_nodes(void **state)
{
	struct cse *t = *state;
	char pc[128];

	rule(t, "r", "\"aai\":[\"*\"],\"aae\":[\"*\"]");
	provide(t, "\"cse/r\"");
	for (unsigned i = 0; i < 40; i++) {
		snprintf(pc, sizeof(pc), "{\"m2m:svsn\":{\"ni\":\"urn:n\",\"csi\":\"/cse%u\",\"rlk\":[\"cse/r\"]}}", i);
		must(call(t, OP_CREATE, ME, "cse/sub", 20, i % 4 ? pc : "{\"m2m:svsn\":{\"ni\":\"urn:n\"}}"), 2001);
	}
	assert_int_equal(nodes(t), 31); /* those without a CSE-ID are not looked for */
	must(call(t, OP_CREATE, "C", "cse", 2, "{\"m2m:ae\":{\"api\":\"Na\",\"rr\":false,\"srv\":[\"3\"]}}"), 2001);
	must(call(t, OP_DELETE, ME, "cse/sub", 0, NULL), 2002);
	for (usec until = clock_wall() + WAIT_S * USEC_S; nodes(t) && clock_wall() < until;)
		sched_yield();
	assert_int_equal(nodes(t), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stems), cmocka_unit_test(stems_match), cse_test(credentials), cse_test(certificate), cse_test(many_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
