/* SPDX-License-Identifier: Apache-2.0 */
/* Notify through a <fanOutPoint>: members answer when they like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ask_util.h"

#define RULE(who, ops) "{\"acor\":[\"" who "\"],\"acop\":" #ops "}"
#define POLICY(rn, rule) \
	"{\"m2m:acp\":{\"rn\":\"" rn "\",\"pv\":{\"acr\":[" rule "," RULE("CAdmin", 63) "]},\"pvs\":{\"acr\":[" RULE("CAdmin", 63) "]}}}"
#define NOTE "{\"m2m:sgn\":{\"sur\":\"cse/x\"}}"

static void entity(struct cse *t, const char *name, const char *acp)
{
	char pc[256], stem[32];

	snprintf(stem, sizeof(stem), "C%s", name);
	snprintf(pc, sizeof(pc), "{\"m2m:ae\":{\"rn\":\"%s\",\"api\":\"Na\",\"rr\":true,\"srv\":[\"3\"],\"poa\":[\"test://%s\"],"
		 "\"acpi\":[\"cse/%s\"]}}", name, name, acp);
	made(t, stem, "cse", 2, pc);
}

static void group(struct cse *t, const char *rn, const char *members, const char *more)
{
	char pc[512];

	snprintf(pc, sizeof(pc), "{\"m2m:grp\":{\"rn\":\"%s\",\"mnm\":20,\"mid\":[%s],\"acpi\":[\"cse/let\"]%s}}", rn, members, more);
	made(t, ME, "cse", 9, pc);
}

/* AEs a, b, c that let CN notify them, and d that does not; a container k. */
static void stock(struct cse *t)
{
	made(t, ME, "cse", 1, POLICY("let", RULE("CN", 16)));
	made(t, ME, "cse", 1, POLICY("not", RULE("CN", 2)));
	entity(t, "a", "let");
	entity(t, "b", "let");
	entity(t, "c", "let");
	entity(t, "d", "not");
	made(t, ME, "cse", 3, "{\"m2m:cnt\":{\"rn\":\"k\",\"acpi\":[\"cse/let\"]}}");
}

static struct call *notify(struct cse *t, const char *to, const char *rset)
{
	struct call *k = call_new(t, OP_NOTIFY, "CN", to, 0, NOTE);

	if (rset)
		k->r.rset = slice_str(rset);
	return call_go(k);
}

static int hold(struct cse *t, const char *url, size_t nth)
{
	(void)t, (void)url, (void)nth;
	return HOLD;
}

/* a, b and c answer; in whatever way. */
static int variously(struct cse *t, const char *url, size_t nth)
{
	(void)t, (void)nth;
	return !strcmp(url, "test://a") ? 2000 : !strcmp(url, "test://b") ? 4000 : NO_CONNECTION;
}

static void in_order(const char *text, const char *const *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *at = strstr(text, parts[i]);

		if (!at)
			fail_msg("%s\nis not there, or not in this place:\n%s", parts[i], text);
		text = at + strlen(parts[i]);
	}
}

static void each_member_answers(void **state)
{
	static const char *const entries[] = {
		"{\"m2m:agr\":{\"m2m:rsp\":[{\"rsc\":5103,", "\"fr\":\"cse/c\"},{\"rsc\":2000,", "\"fr\":\"Ca\"},{\"rsc\":4103,",
		"\"fr\":\"cse/d\"},{\"rsc\":4000,", "\"fr\":\"cse/b\"},{\"rsc\":4005,", "\"fr\":\"cse/k\"},{\"rsc\":4004,",
		"\"fr\":\"cse/none\"},{\"rsc\":4004,", "\"fr\":\"/other/Cx\"}]}}",
	};
	struct cse *t = *state;
	char *out;

	t->answer = variously;
	stock(t);
	group(t, "g", "\"cse/c\",\"Ca\",\"cse/d\",\"cse/b\",\"cse/k\",\"cse/none\",\"/other/Cx\"", "");
	/* CORE-220: one entry per member, in the order of mid; CORE-219: decided by each (AUTHZ-127) */
	must(call_end(notify(t, "cse/g/fopt", NULL), &out), 2000);
	in_order(out, entries, sizeof(entries) / sizeof(entries[0]));
	assert_int_equal(count(out, "\"rsc\":"), 7);
	free(out);
	assert_int_equal(t->n_sent, 3);
	for (size_t i = 0; i < 3; i++) { /* CORE-219: the request as it was */
		struct sent *s = nth_sent(t, i);
		assert_string_equal(s->fr, "CN");
		assert_string_equal(s->pc, NOTE);
	}
	assert_int_equal(sent_to(t, "test://d"), 0);
}

static void the_group_decides_first(void **state)
{
	struct cse *t = *state;

	stock(t);
	group(t, "g", "\"cse/a\"", "");
	group(t, "m", "\"cse/a\"", ",\"macp\":[\"cse/not\"]");
	group(t, "empty", "", "");
	/* CORE-218, CORE-216 */
	must(call(t, OP_NOTIFY, "CX", "cse/g/fopt", 0, NOTE), 4103);
	must(call_end(notify(t, "cse/m/fopt", NULL), NULL), 4103);
	must(call_end(notify(t, "cse/empty/fopt", NULL), NULL), 4109);
	assert_int_equal(t->n_sent, 0);
}

/* CORE-221 */
static void nobody_answers(void **state)
{
	struct cse *t = *state;
	struct send *late[2];
	char *out;

	t->answer = hold;
	stock(t);
	group(t, "g", "\"cse/a\",\"cse/b\"", "");
	must(call_end(notify(t, "cse/g/fopt", "100"), NULL), 5209);
	late[0] = nth_sent(t, 0)->s;
	late[1] = nth_sent(t, 1)->s;
	must(call_end(notify(t, "cse/g/fopt", "-1"), NULL), 5209);
	assert_int_equal(t->n_sent, 2);
	/* the late ones go nowhere, */
	reply(t, late[0], 2000, NULL);
	reply(t, late[1], 4103, "{\"m2m:dbg\":\"no\"}");
	/* and do not answer for later ones */
	t->answer = variously;
	must(call_end(notify(t, "cse/g/fopt", "60000"), &out), 2000);
	assert_int_equal(count(out, "\"rsc\":"), 2);
	free(out);
}

/* CORE-221: what has come by then counts. */
static void some_answer(void **state)
{
	struct cse *t = *state;
	struct call *k;
	char *out;

	t->answer = hold;
	stock(t);
	group(t, "g", "\"cse/a\",\"cse/b\",\"cse/c\"", "");
	k = notify(t, "cse/g/fopt", "500");
	reply(t, nth_sent_to(t, "test://b", 0)->s, 2000, "{\"m2m:any\":1}");
	must(call_end(k, &out), 2000);
	expect_part(out, "{\"m2m:agr\":{\"m2m:rsp\":[{\"rsc\":2000,\"rqi\":\"t1\",\"rvi\":\"3\"");
	expect_part(out, "\"pc\":{\"m2m:any\":1},\"fr\":\"cse/b\"}]}}");
	free(out);
	/* without rset it waits for all */
	k = notify(t, "cse/g/fopt", NULL);
	reply(t, nth_sent_to(t, "test://c", 1)->s, 2000, NULL);
	reply(t, nth_sent_to(t, "test://b", 1)->s, 2000, NULL);
	reply(t, nth_sent_to(t, "test://c", 0)->s, 2000, NULL); /* late, of the first round */
	must(call(t, OP_NOTIFY, "CN", "cse", 0, NOTE), 4103); /* by then the hub has seen those answers */
	assert_true(call_pending(k));
	reply(t, nth_sent_to(t, "test://a", 1)->s, 2000, NULL);
	must(call_end(k, &out), 2000);
	assert_int_equal(count(out, "\"rsc\":2000"), 3);
	free(out);
}

static void groups_of_groups(void **state)
{
	static const char *const whole[] = {
		"{\"m2m:agr\":{\"m2m:rsp\":[{\"rsc\":2000,", "\"pc\":{\"m2m:agr\":{\"m2m:rsp\":[{\"rsc\":2000,", "\"fr\":\"cse/a\"},{\"rsc\":4000,",
		"\"fr\":\"cse/b\"}]}},\"fr\":\"cse/in/fopt\"},{\"rsc\":5103,", "\"fr\":\"cse/c\"}]}}",
	};
	static const char *const part[] = {
		"{\"m2m:agr\":{\"m2m:rsp\":[{\"rsc\":2000,", "\"pc\":{\"m2m:agr\":{\"m2m:rsp\":[{\"rsc\":2000,", "\"fr\":\"cse/b\"}]}},\"fr\":\"cse/in/fopt\"}]}}",
	};
	struct cse *t = *state;
	struct call *k;
	char *out;

	t->answer = variously;
	stock(t);
	group(t, "in", "\"cse/a\",\"cse/b\"", "");
	group(t, "out", "\"cse/in/fopt\",\"cse/c\"", "");
	must(call_end(notify(t, "cse/out/fopt", NULL), &out), 2000);
	in_order(out, whole, 5);
	free(out);
	/* one below has answered when time is up */
	t->answer = hold;
	k = notify(t, "cse/out/fopt", "500");
	reply(t, nth_sent_to(t, "test://b", 1)->s, 2000, NULL);
	must(call_end(k, &out), 2000);
	in_order(out, part, 3);
	expect_no_part(out, "cse/a\"");
	free(out);
	must(call_end(notify(t, "cse/out/fopt", "100"), NULL), 5209);
}

static void circles_end(void **state)
{
	struct cse *t = *state;
	char *out;

	stock(t);
	group(t, "g1", "\"cse/a\"", "");
	group(t, "g2", "\"cse/g1/fopt\"", "");
	must(call(t, OP_UPDATE, ME, "cse/g1", 0, "{\"m2m:grp\":{\"mid\":[\"cse/g2/fopt\",\"cse/a\"]}}"), 2004);
	/* CORE-223 */
	must(call_end(notify(t, "cse/g1/fopt", NULL), &out), 2000);
	expect_part(out, "{\"rsc\":4104,");
	assert_int_equal(count(out, "\"fr\":\"cse/a\""), 1);
	free(out);
	assert_int_equal(t->n_sent, 1);
}

static void chosen_members(void **state)
{
	struct cse *t = *state;
	struct asked a = { .out = NULL };

	stock(t);
	group(t, "in", "\"cse/a\",\"cse/b\"", "");
	group(t, "out", "\"cse/in/fopt\",\"cse/c\"", "");
	/* CORE-224 is not for Notify (NP) */
	must(ask_full(t, OP_NOTIFY, "CN", "cse/out/fopt", 0, NOTE, "grtm=cse/b", &a), 4000);
	assert_int_equal(t->n_sent, 0);
	free(a.out);
}

static int narrow(void **state)
{
	struct cse *t;

	if (cse_setup(state) != 0)
		return -1;
	t = *state;
	t->cfg.limits.parked = 3;
	return 0;
}

static void waiting_members_are_counted(void **state)
{
	struct cse *t = *state;
	struct call *k;
	char *out;

	t->answer = hold;
	stock(t);
	group(t, "g", "\"cse/a\",\"cse/b\",\"cse/c\"", "");
	k = notify(t, "cse/g/fopt", NULL);
	reply(t, next_sent(t)->s, 2000, NULL);
	reply(t, next_sent(t)->s, 2000, NULL);
	must(call_end(k, &out), 2000);
	assert_int_equal(count(out, "\"rsc\":2000"), 2);
	expect_part(out, "limits.parked");
	free(out);
	/* and do not count any more */
	t->answer = variously;
	must(call_end(notify(t, "cse/g/fopt", NULL), &out), 2000);
	assert_int_equal(count(out, "limits.parked"), 1);
	free(out);
}

/* CORE-228: in the background */
static void not_blocking(void **state)
{
	struct cse *t = *state;
	struct asked a = { .out = NULL };
	struct call *k;
	char *uri, to[100];

	t->answer = hold;
	stock(t);
	group(t, "g", "\"cse/a\",\"cse/b\"", "");
	k = call_new(t, OP_NOTIFY, "CN", "cse/g/fopt", 0, NOTE);
	k->r.rt = RT_NONBLOCK_SYNC;
	must(call_end(call_go(k), &uri), 1001);
	assert_int_equal(sscanf(uri, "{\"m2m:uri\":\"%99[^\"]\"}", to), 1);
	free(uri);
	reply(t, next_sent(t)->s, 2000, NULL);
	do
		must(ask(t, "CN", to, NULL, &a), 2000);
	while (strstr(a.out, "\"rs\":3"));
	expect_part(a.out, "\"rs\":5");
	expect_part(a.out, "\"pc\":{\"m2m:agr\":{\"m2m:rsp\":[{\"rsc\":2000,");
	assert_int_equal(count(a.out, "\"fr\":\"cse/"), 1);
	/* CORE-111: it cannot be called back any more */
	must(call(t, OP_DELETE, "CN", to, 0, NULL), 5220);
	reply(t, next_sent(t)->s, 4000, NULL);
	do
		must(ask(t, "CN", to, NULL, &a), 2000);
	while (strstr(a.out, "\"rs\":5"));
	expect_part(a.out, "\"rs\":1");
	assert_int_equal(count(a.out, "\"fr\":\"cse/"), 2);
	free(a.out);
	must(call(t, OP_DELETE, "CN", to, 0, NULL), 2002);
}

/* The end may come while members are waited for; nothing is left behind (seen by a sanitizer). */
static void the_end_comes(void **state)
{
	struct cse *t = *state;
	struct call *k;

	t->answer = hold;
	stock(t);
	group(t, "in", "\"cse/a\",\"cse/b\"", "");
	group(t, "out", "\"cse/in/fopt\",\"cse/c\"", "");
	k = notify(t, "cse/out/fopt", "60000");
	nth_sent(t, 2);
	core_stop(t->core);
	t->core = NULL;
	req_free(&k->r);
	sem_destroy(&k->done);
	free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cse_test(each_member_answers),
		cse_test(the_group_decides_first),
		cse_test(nobody_answers),
		cse_test(some_answer),
		cse_test(groups_of_groups),
		cse_test(circles_end),
		cse_test(chosen_members),
		cmocka_unit_test_setup_teardown(waiting_members_are_counted, narrow, cse_teardown),
		cse_test(not_blocking),
		cse_test(the_end_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
