/* SPDX-License-Identifier: Apache-2.0 */
/* On-demand discovery: an interworking proxy is asked when nothing matches (TS-0004 7.3.3.14, 7.5.1.2.8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ask_util.h"

#define RULE(who, ops) "{\"acor\":[\"" who "\"],\"acop\":" #ops "}"
#define OPEN "cse/open"

/* <AE> "ipe" at test://ipe; who finds things there depends on their policies: "open" lets CSeeker discover, "shut" nobody but the admin. */
static void stock(struct cse *t)
{
	made(t, ME, "cse", 1, "{\"m2m:acp\":{\"rn\":\"open\",\"pv\":{\"acr\":[" RULE("CSeeker", 34) "," RULE("CAdmin", 63) "]},"
	     "\"pvs\":{\"acr\":[" RULE("CAdmin", 63) "]}}}");
	made(t, ME, "cse", 1, "{\"m2m:acp\":{\"rn\":\"shut\",\"pv\":{\"acr\":[" RULE("CAdmin", 63) "]},"
	     "\"pvs\":{\"acr\":[" RULE("CAdmin", 63) "]}}}");
	made(t, "CIpe", "cse", 2, "{\"m2m:ae\":{\"rn\":\"ipe\",\"api\":\"Nipe\",\"rr\":true,\"srv\":[\"3\"],\"poa\":[\"test://ipe\"]}}");
	must(call(t, OP_UPDATE, "CIpe", "cse/ipe", 0, "{\"m2m:ae\":{\"acpi\":[\"" OPEN "\"]}}"), 2004);
}

/* What the proxy finds. */
static void find(struct cse *t, const char *rn, const char *label, const char *acp)
{
	char pc[256];

	snprintf(pc, sizeof(pc), "{\"m2m:cnt\":{\"rn\":\"%s\",\"lbl\":[\"%s\"],\"acpi\":[\"cse/%s\"]}}", rn, label, acp);
	made(t, ME, "cse/ipe", 3, pc);
}

static struct call *seek(struct cse *t, const char *to, const char *query, enum resp_type rt)
{
	struct call *k = call_new(t, OP_RETRIEVE, "CSeeker", to, 0, NULL);
	struct slice rest = slice_str(query);

	while (rest.p && rest.n) {
		struct slice value = slice_cut(&rest, '&'), name = slice_cut(&value, '=');
		ask_parameter(&k->r, name, value);
	}
	k->r.rt = rt;
	return call_go(k);
}

static void expect_found(struct call *k, const char *want)
{
	char *out;

	must(call_end(k, &out), 2000);
	assert_string_equal(out, want);
	free(out);
}

static int hold(struct cse *t, const char *url, size_t nth)
{
	(void)t, (void)url, (void)nth;
	return HOLD;
}

static void what_is_there_needs_no_question(void **state)
{
	struct cse *t = *state;

	stock(t);
	find(t, "a", "lamp", "open");
	/* CORE-097: asked only when nothing matches */
	expect_found(seek(t, "cse/ipe", "fu=3&lbl=lamp", RT_NONE), "{\"m2m:uril\":[\"cse/ipe/a\"]}");
	assert_int_equal(t->n_sent, 0);
	/* without fu=3 nobody is asked at all */
	expect_found(seek(t, "cse/ipe", "fu=1&lbl=fan", RT_NONE), "{\"m2m:uril\":[]}");
	assert_int_equal(t->n_sent, 0);
}

static void the_proxy_finds_more(void **state)
{
	struct cse *t = *state;
	struct call *k;
	struct sent *s;

	stock(t);
	t->answer = hold;
	find(t, "old", "lamp", "open");
	/* CORE-097: who seeks what */
	k = seek(t, "cse/ipe", "fu=3&lbl=fan&ty=3&atr=x&lim=9", RT_NONE);
	s = next_sent(t);
	assert_string_equal(s->url, "test://ipe");
	assert_string_equal(s->fr, "/reeve");
	assert_string_equal(s->pc, "{\"m2m:sgn\":{\"sur\":\"/reeve/cse/ipe\",\"idr\":{\"or\":\"CSeeker\",\"fc\":{\"lbl\":[\"fan\"],\"ty\":[3],"
			    "\"fu\":3,\"lim\":9,\"atr\":[{\"nm\":\"atr\",\"val\":\"x\"}]}}}}");
	reply(t, s->s, 2000, NULL);
	expect_found(k, "{\"m2m:uril\":[]}");

	k = seek(t, "cse/ipe", "fu=3&lbl=fan", RT_NONE);
	s = next_sent(t);
	assert_true(call_pending(k));
	find(t, "b", "fan", "open");
	find(t, "c", "fan", "open");
	find(t, "d", "lamp", "open");
	made(t, ME, "cse", 3, "{\"m2m:cnt\":{\"rn\":\"e\",\"lbl\":[\"fan\"],\"acpi\":[\"cse/open\"]}}");
	/* only those it names, by any address, once; that match; and that are below it */
	reply(t, s->s, 2001, "{\"m2m:uril\":[\"cse/ipe/c\",\"/reeve/cse/ipe/c\",\"cse/ipe/d\",\"cse/e\",\"cse/none\",\"/other/x\"]}");
	expect_found(k, "{\"m2m:uril\":[\"cse/ipe/c\"]}");
	/* now there is a match */
	expect_found(seek(t, "cse/ipe", "fu=3&lbl=fan", RT_NONE), "{\"m2m:uril\":[\"cse/ipe/b\",\"cse/ipe/c\"]}");
	assert_int_equal(t->n_sent, 2);
}

/* An answer that names nothing: all that matches. */
static void the_proxy_names_nothing(void **state)
{
	static const char *const contents[] = { "", "{\"m2m:uril\":[]}", "{\"m2m:uril\":7}", "{\"m2m:uril\":[1,null]}", "[]", "{" };
	struct cse *t = *state;

	stock(t);
	t->answer = hold;
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		char rn[16], query[32], want[64];
		struct call *k;
		struct sent *s;

		snprintf(rn, sizeof(rn), "f%zu", i);
		snprintf(query, sizeof(query), "fu=3&lbl=%s", rn);
		k = seek(t, "cse/ipe", query, RT_NONE);
		s = next_sent(t);
		find(t, rn, rn, "open");
		reply(t, s->s, 2000, contents[i]);
		snprintf(want, sizeof(want), "{\"m2m:uril\":[\"cse/ipe/%s\"]}", rn);
		expect_found(k, want);
	}
}

static void discovery_right_decides(void **state)
{
	struct cse *t = *state;
	struct call *k;
	struct sent *s;

	stock(t);
	t->answer = hold;
	find(t, "hidden", "fan", "shut");
	/* AUTHZ-139: what he may not discover is no match, */
	k = seek(t, "cse/ipe", "fu=3&lbl=fan", RT_NONE);
	s = next_sent(t);
	find(t, "secret", "fan", "shut");
	find(t, "shown", "fan", "open");
	/* and the proxy cannot show it to him */
	reply(t, s->s, 2000, "{\"m2m:uril\":[\"cse/ipe/hidden\",\"cse/ipe/secret\",\"cse/ipe/shown\"]}");
	expect_found(k, "{\"m2m:uril\":[\"cse/ipe/shown\"]}");
}

static int codes(struct cse *t, const char *url, size_t nth)
{
	static const int c[] = { 5208, 4103, 5000, NO_CONNECTION, NO_ANSWER, 1000, 3000 };

	(void)t, (void)url;
	return c[nth - 1];
}

static void the_proxy_refuses(void **state)
{
	static const int want[] = { 5208, 4103, 5000, 5103, 4008, 5103, 5103 };
	struct cse *t = *state;

	stock(t);
	t->answer = codes;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) /* CORE-098 */
		must(call_end(seek(t, "cse/ipe", "fu=3&lbl=fan", RT_NONE), NULL), want[i]);
}

static void who_can_be_asked(void **state)
{
	struct cse *t = *state;

	stock(t);
	must(call_end(seek(t, "cse", "fu=3", RT_NONE), NULL), 4000);
	must(call_end(seek(t, "cse/ipe", "fu=3&rcn=4", RT_NONE), NULL), 4000);
	find(t, "c", "lamp", "open");
	must(call_end(seek(t, "cse/ipe/c", "fu=3", RT_NONE), NULL), 4000);
	must(call_end(seek(t, "cse/none", "fu=3", RT_NONE), NULL), 4004);
	/* an AE that says nowhere where it is has nothing more */
	made(t, "COther", "cse", 2, "{\"m2m:ae\":{\"rn\":\"other\",\"api\":\"Nx\",\"rr\":false,\"srv\":[\"3\"]}}");
	expect_found(seek(t, "cse/other", "fu=3", RT_NONE), "{\"m2m:uril\":[]}");
	assert_int_equal(t->n_sent, 0);
	/* references as of any discovery */
	expect_found(seek(t, "cse/ipe", "fu=3&rcn=6&lbl=lamp", RT_NONE),
		     "{\"m2m:rrl\":{\"rrf\":[{\"nm\":\"c\",\"typ\":3,\"val\":\"cse/ipe/c\"}]}}");
}

/* In the background the same happens. */
static void not_blocking(void **state)
{
	struct cse *t = *state;
	struct call *k;
	struct sent *s;

	stock(t);
	t->answer = hold;
	k = seek(t, "cse/ipe", "fu=3&lbl=fan", RT_NONBLOCK_SYNC);
	must(call_end(k, NULL), 1001);
	s = next_sent(t);
	expect_part(s->pc, "\"idr\":{\"or\":\"CSeeker\",\"fc\":{\"lbl\":[\"fan\"],\"fu\":3}}");
	find(t, "b", "fan", "open");
	reply(t, s->s, 2000, "{\"m2m:uril\":[\"cse/ipe/b\"]}");
	for (;;) { /* until the result has been entered */
		struct asked a = { .out = NULL };
		bool done;

		must(ask(t, "CSeeker", "cse", "rcn=4&ty=17", &a), 2000);
		done = !strstr(a.out, "\"rs\":3");
		if (done)
			expect_part(a.out, "\"pc\":{\"m2m:uril\":[\"cse/ipe/b\"]}");
		free(a.out);
		if (done)
			break;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cse_test(what_is_there_needs_no_question),
		cse_test(the_proxy_finds_more),
		cse_test(the_proxy_names_nothing),
		cse_test(discovery_right_decides),
		cse_test(the_proxy_refuses),
		cse_test(who_can_be_asked),
		cse_test(not_blocking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
