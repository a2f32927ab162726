/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that wait for somebody: blocking updates, verification, targets that leave, Notify passed on, polling channels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "notify_util.h"

/* An <AE> that is reached at test://stem (poa NULL: nowhere). */
static void ae(struct cse *t, const char *stem, const char *poa)
{
	char pc[512];

	snprintf(pc, sizeof(pc), "{\"m2m:ae\":{\"rn\":\"ae-%s\",\"api\":\"Nx\",\"rr\":true,\"srv\":[\"3\"]%s%s%s}}", stem, poa ? ",\"poa\":[" : "",
		 poa ? poa : "", poa ? "]" : "");
	must(call(t, OP_CREATE, stem, "cse", 2, pc), 2001);
}

/* A policy that lets `who` do `acop` with what it is linked to; CAdmin may do everything. */
static void policy(struct cse *t, const char *name, const char *who, int acop)
{
	char pc[512];

	snprintf(pc, sizeof(pc), "{\"m2m:acp\":{\"rn\":\"%s\",\"pv\":{\"acr\":[{\"acor\":[\"%s\"],\"acop\":%d},{\"acor\":[\"CAdmin\"],\"acop\":63}]},"
		 "\"pvs\":{\"acr\":[{\"acor\":[\"CAdmin\"],\"acop\":63}]}}}", name, who, acop);
	must(call(t, OP_CREATE, ME, "cse", 1, pc), 2001);
}

static struct send *held(struct cse *t, size_t n)
{
	struct send *s = nth_sent(t, n)->s;

	assert_non_null(s);
	return s;
}

static int hold_all(struct cse *t, const char *url, size_t nth)
{
	(void)t, (void)url, (void)nth;
	return HOLD;
}

/* --- blocking update --- */

static void block(struct cse *t)
{
	container(t, "cse", "a");
	ae(t, "CJudge", "\"test://judge\"");
	must(call(t, OP_CREATE, ME, "cse/a", 23,
		  "{\"m2m:sub\":{\"rn\":\"s\",\"nu\":[\"CJudge\"],\"enc\":{\"net\":[7],\"atr\":[\"mni\"]}}}"), 2001);
	t->answer = hold_all;
}

/* CORE-199: held, asked with the wanted representation, done after 2000; Updates and Deletes that come meanwhile wait in order. */
static void blocking_update(void **state)
{
	struct cse *t = *state;
	struct call *first, *second, *gone;
	char *got;

	block(t);
	must(call(t, OP_UPDATE, ME, "cse/a", 0, "{\"m2m:cnt\":{\"lbl\":[\"free\"]}}"), 2004); /* not in atr */
	first = call_begin(t, OP_UPDATE, ME, "cse/a", 0, "{\"m2m:cnt\":{\"mni\":5}}", NULL);
	expect_part(nth_sent(t, 0)->pc, "{\"m2m:sgn\":{\"nev\":{\"rep\":{\"m2m:cnt\":{\"mni\":5}},\"net\":7},\"sur\":\"/reeve/cse/a/s\"");
	second = call_begin(t, OP_UPDATE, ME, "cse/a", 0, "{\"m2m:cnt\":{\"mni\":6}}", NULL);
	gone = call_begin(t, OP_DELETE, ME, "cse/a", 0, NULL, NULL);
	got = get(t, ME, "cse/a");
	expect_no_part(got, "\"mni\"");
	free(got);
	assert_true(call_pending(first) && call_pending(second) && call_pending(gone));
	reply(t, held(t, 0), 2000, NULL);
	must(call_end(first, NULL), 2004);
	expect_part(nth_sent(t, 1)->pc, "\"mni\":6");
	got = get(t, ME, "cse/a");
	expect_part(got, "\"mni\":5");
	free(got);
	assert_true(call_pending(second) && call_pending(gone));
	reply(t, held(t, 1), 2000, NULL);
	must(call_end(second, NULL), 2004);
	must(call_end(gone, NULL), 2002);
}

/* CORE-200, CORE-201: refused, unreachable, other errors, silence; nothing changes. An Originator without the right never gets that far. */
static void blocking_update_fails(void **state)
{
	static const struct { int answer, rsc; } cases[] = {
		{ NO_CONNECTION, 5107 }, { 5103, 5107 }, { 4005, 4127 }, { 4000, 4127 }, { 5000, 4127 }, { NO_ANSWER, 5107 },
	};
	struct cse *t = *state;
	char *got;

	block(t);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct call *k = call_begin(t, OP_UPDATE, ME, "cse/a", 0, "{\"m2m:cnt\":{\"mni\":5}}", NULL);
		reply(t, held(t, i), cases[i].answer, NULL);
		must(call_end(k, NULL), cases[i].rsc);
	}
	must(call(t, OP_UPDATE, "CNobody", "cse/a", 0, "{\"m2m:cnt\":{\"mni\":5}}"), 4103);
	assert_int_equal(t->n_sent, 6);
	got = get(t, ME, "cse/a");
	expect_no_part(got, "\"mni\"");
	free(got);
}

/* --- verification --- */

static void with_verification(struct cse *t)
{
	core_stop(t->core);
	t->cfg.verify_subscriptions = true;
	cse_start(t);
}

/* CORE-177: asked are resource identifiers other than the Originator, not URLs, with vrq, sur and cr. CORE-178: 5204 unless 2000. */
static void verification(void **state)
{
	struct cse *t = *state;
	struct call *k;
	char *sur, *got;

	with_verification(t);
	container(t, "cse", "a");
	ae(t, "CTarget", "\"test://target\"");
	policy(t, "p", "CSomebody", 16);
	must(call(t, OP_UPDATE, "CTarget", "CTarget", 0, "{\"m2m:ae\":{\"acpi\":[\"cse/p\"]}}"), 2004);
	t->answer = hold_all;
	must(call(t, OP_CREATE, ME, "cse/a", 23, "{\"m2m:sub\":{\"nu\":[\"test://u\",\"CAdmin\"]}}"), 2001);
	k = call_begin(t, OP_CREATE, ME, "cse/a", 23, "{\"m2m:sub\":{\"rn\":\"s\",\"nu\":[\"/reeve/CTarget\",\"test://u\"]}}", NULL);
	assert_string_equal(nth_sent(t, 0)->url, "test://target");
	assert_string_equal(nth_sent(t, 0)->pc, "{\"m2m:sgn\":{\"vrq\":true,\"sur\":\"/reeve/cse/a/s\",\"cr\":\"CAdmin\"}}");
	must(call(t, OP_RETRIEVE, ME, "cse/a/s", 0, NULL), 4004);
	reply(t, held(t, 0), 2000, NULL);
	must(call_end(k, NULL), 2001);
	k = call_begin(t, OP_CREATE, ME, "cse/a", 23, "{\"m2m:sub\":{\"rn\":\"s2\",\"nu\":[\"cse/ae-CTarget\"]}}", NULL);
	reply(t, held(t, 1), 4000, NULL);
	must(call_end(k, NULL), 5204);
	must(call(t, OP_RETRIEVE, ME, "cse/a/s2", 0, NULL), 4004);
	must(call(t, OP_CREATE, ME, "cse/a", 23, "{\"m2m:sub\":{\"nu\":[\"CNowhere\"]}}"), 5204);
	must(call(t, OP_CREATE, ME, "cse/a", 23, "{\"m2m:sub\":{\"nu\":[\"CNowhere\"],\"nct\":5}}"), 4000); /* refused anyway: nobody is asked */
	/* without a name one is chosen, so that sur is true */
	k = call_begin(t, OP_CREATE, ME, "cse/a", 23, "{\"m2m:sub\":{\"nu\":[\"CTarget\"]}}", NULL);
	sur = strstr(nth_sent(t, 2)->pc, "\"sur\":\"/reeve/") + 14;
	*strchr(sur, '"') = '\0';
	reply(t, held(t, 2), 2000, NULL);
	must(call_end(k, NULL), 2001);
	got = get(t, ME, sur);
	free(got);
}

/* The target grants its creator no Notify privilege: nobody is asked. */
static void verification_needs_privilege(void **state)
{
	struct cse *t = *state;

	with_verification(t);
	container(t, "cse", "a");
	ae(t, "CTarget", "\"test://target\"");
	must(call(t, OP_CREATE, ME, "cse/a", 23, "{\"m2m:sub\":{\"nu\":[\"CTarget\"]}}"), 5204);
	assert_int_equal(t->n_sent, 0);
}

/* CORE-179, AUTHZ-134: as the receiver of a verification. */
static void verification_received(void **state)
{
	struct cse *t = *state;
	const char *vrq = "{\"m2m:sgn\":{\"vrq\":true,\"sur\":\"/other/x\",\"cr\":\"/other/CMaker\"}}";

	ae(t, "CTarget", "\"test://target\"");
	policy(t, "p", "/other/CMaker", 16);
	must(call(t, OP_NOTIFY, "/other", "CTarget", 0, vrq), 4101);
	must(call(t, OP_UPDATE, "CTarget", "CTarget", 0, "{\"m2m:ae\":{\"acpi\":[\"cse/p\"]}}"), 2004);
	must(call(t, OP_NOTIFY, "/other", "CTarget", 0, vrq), 5205);
	policy(t, "q", "/other", 16);
	must(call(t, OP_UPDATE, ME, "cse/p", 0, "{\"m2m:acp\":{\"pv\":{\"acr\":[{\"acor\":[\"/other\",\"/other/CMaker\"],\"acop\":16}]}}}"), 2004);
	must(call(t, OP_NOTIFY, "/other", "CTarget", 0, vrq), 2000);
	assert_int_equal(t->n_sent, 0);
}

/* --- Notify to an <AE> --- */

static int second_works(struct cse *t, const char *url, size_t nth)
{
	(void)t, (void)nth;
	return strcmp(url, "test://one") == 0 ? NO_CONNECTION : 2000;
}

static int none_works(struct cse *t, const char *url, size_t nth)
{
	(void)t, (void)url, (void)nth;
	return NO_CONNECTION;
}

/* CORE-203, AUTHZ-135: points of access in order; 5103; not without the privilege. CORE-205: to <CSEBase>. */
static void notify_an_ae(void **state)
{
	struct cse *t = *state;
	const char *sgn = "{\"m2m:sgn\":{\"sur\":\"/other/x\"}}";

	ae(t, "CTarget", "\"test://one\",\"unknown://x\",\"test://two\"");
	ae(t, "CNoPoa", NULL);
	must(call(t, OP_NOTIFY, "CSender", "CTarget", 0, sgn), 4103);
	assert_int_equal(t->n_sent, 0);
	policy(t, "p", "CSender", 16);
	must(call(t, OP_UPDATE, "CTarget", "CTarget", 0, "{\"m2m:ae\":{\"acpi\":[\"cse/p\"]}}"), 2004);
	must(call(t, OP_UPDATE, "CNoPoa", "CNoPoa", 0, "{\"m2m:ae\":{\"acpi\":[\"cse/p\"]}}"), 2004);
	t->answer = second_works;
	must(call(t, OP_NOTIFY, "CSender", "cse/ae-CTarget", 0, sgn), 2000);
	assert_string_equal(nth_sent(t, 0)->url, "test://one");
	assert_string_equal(nth_sent(t, 1)->url, "test://two");
	assert_string_equal(nth_sent(t, 1)->pc, sgn);
	assert_string_equal(nth_sent(t, 1)->fr, "CSender");
	assert_int_equal(t->n_sent, 2);
	must(call(t, OP_NOTIFY, "CSender", "CNoPoa", 0, sgn), 5103);
	t->answer = none_works;
	must(call(t, OP_NOTIFY, "CSender", "CTarget", 0, sgn), 5103);
	must(call(t, OP_NOTIFY, ME, "cse", 0, sgn), 2000);
	must(call(t, OP_NOTIFY, ME, "cse", 0, "{\"m2m:cnt\":{}}"), 4000);
}

/* --- targets that leave --- */

static void leaving(struct cse *t, const char *acn)
{
	char pc[256];

	container(t, "cse", "a");
	ae(t, "CMaker", "\"test://maker\"");
	ae(t, "CGuest", NULL);
	policy(t, "p", "CMaker", 63);
	must(call(t, OP_UPDATE, ME, "cse/a", 0, "{\"m2m:cnt\":{\"acpi\":[\"cse/p\"]}}"), 2004);
	must(call(t, OP_CREATE, "CMaker", "cse/a", 23, "{\"m2m:sub\":{\"rn\":\"s\",\"nu\":[\"test://u\",\"/reeve/CGuest\"]}}"), 2001);
	snprintf(pc, sizeof(pc), "{\"m2m:ntp\":{\"rn\":\"ntp\",\"acn\":%s,\"plbl\":\"house rule\"}}", acn);
	must(call(t, OP_CREATE, ME, "cse", 26, pc), 2001);
	must(call(t, OP_CREATE, "CMaker", "cse/a/s", 25, "{\"m2m:ntpr\":{\"rn\":\"ref\",\"ntu\":[\"CGuest\"],\"npi\":\"cse/ntp\"}}"), 2001);
}

static void expect_nu(struct cse *t, const char *nu)
{
	char *got = get(t, "CMaker", "cse/a/s");
	expect_part(got, nu);
	free(got);
}

#define BOTH "\"nu\":[\"test://u\",\"/reeve/CGuest\"]"
#define ALONE "\"nu\":[\"test://u\"]"

/* CORE-196: action 1; somebody who is no target is refused; rules that do not hold now keep the target. */
static void leave_accepted(void **state)
{
	struct cse *t = *state;

	leaving(t, "1");
	must(call(t, OP_DELETE, "CStranger", "cse/a/s/ntsr", 0, NULL), 4103);
	must(call(t, OP_CREATE, ME, "cse/ntp", 27, "{\"m2m:pdr\":{\"rn\":\"r\",\"dr\":{\"tod\":[\"* * * * * * 2001\"]}}}"), 2001);
	must(call(t, OP_DELETE, "CGuest", "cse/a/s/ntsr", 0, NULL), 4103);
	expect_nu(t, BOTH);
	must(call(t, OP_DELETE, ME, "cse/ntp/r", 0, NULL), 2002);
	must(call(t, OP_DELETE, "CGuest", "cse/a/s/ntsr", 0, NULL), 2002);
	expect_nu(t, ALONE);
}

/* CORE-196: action 2. */
static void leave_rejected(void **state)
{
	struct cse *t = *state;

	leaving(t, "2");
	must(call(t, OP_DELETE, "CGuest", "cse/a/s/ntsr", 0, NULL), 4103);
	expect_nu(t, BOTH);
	assert_int_equal(t->n_sent, 0);
}

/* CORE-196: action 3. */
static void leave_asked(void **state)
{
	struct cse *t = *state;

	leaving(t, "3");
	must(call(t, OP_DELETE, "CGuest", "cse/a/s/ntsr", 0, NULL), 4103); /* answered without allowance */
	expect_part(nth_sent(t, 0)->pc, "{\"m2m:sgn\":{\"trr\":true,\"ntt\":\"CGuest\",\"sur\":\"/reeve/cse/a/s\"}}");
	assert_string_equal(nth_sent(t, 0)->url, "test://maker");
	expect_nu(t, BOTH);
	t->content = "{\"m2m:sgn\":{\"sur\":\"/reeve/cse/a/s\",\"tra\":true}}";
	must(call(t, OP_DELETE, "CGuest", "cse/a/s/ntsr", 0, NULL), 2002);
	expect_nu(t, ALONE);
}

/* CORE-196: action 4 (X11). */
static void leave_told(void **state)
{
	struct cse *t = *state;

	leaving(t, "4");
	must(call(t, OP_DELETE, "CGuest", "cse/a/s/ntsr", 0, NULL), 4103);
	expect_part(nth_sent(t, 0)->pc, "\"trr\":true,\"ntt\":\"CGuest\"");
	expect_nu(t, BOTH);
}

/* --- polling channel --- */

static void channel(struct cse *t)
{
	ae(t, "CPoller", "\"test://never\"");
	policy(t, "p", "CSender", 16);
	must(call(t, OP_UPDATE, "CPoller", "CPoller", 0, "{\"m2m:ae\":{\"acpi\":[\"cse/p\"]}}"), 2004);
	must(call(t, OP_CREATE, ME, "cse/ae-CPoller", 15, "{\"m2m:pch\":{\"rn\":\"no\"}}"), 4103);
	must(call(t, OP_UPDATE, ME, "cse/p", 0, "{\"m2m:acp\":{\"pv\":{\"acr\":[{\"acor\":[\"CSender\"],\"acop\":16},"
		  "{\"acor\":[\"CPoller\",\"CAdmin\"],\"acop\":63}]}}}"), 2004);
	must(call(t, OP_CREATE, "CPoller", "cse/ae-CPoller", 15, "{\"m2m:pch\":{\"rn\":\"ch\"}}"), 2001);
}

/* CORE-206, AUTHZ-122, CORE-207, CORE-208, CORE-210, AUTHZ-123: whose it is, and that there is one. */
static void channel_is_private(void **state)
{
	struct cse *t = *state;

	channel(t);
	must(call(t, OP_CREATE, ME, "cse/ae-CPoller", 15, "{\"m2m:pch\":{}}"), 4103); /* with all privileges on the parent */
	must(call(t, OP_CREATE, "CPoller", "cse/ae-CPoller", 15, "{\"m2m:pch\":{}}"), 4105);
	must(call(t, OP_RETRIEVE, ME, "cse/ae-CPoller/ch", 0, NULL), 4103);
	must(call(t, OP_UPDATE, ME, "cse/ae-CPoller/ch", 0, "{\"m2m:pch\":{\"lbl\":[\"x\"]}}"), 4103);
	must(call(t, OP_DELETE, ME, "cse/ae-CPoller/ch", 0, NULL), 4103);
	must(call(t, OP_RETRIEVE, "CPoller", "cse/ae-CPoller/ch", 0, NULL), 2000);
	must(call(t, OP_UPDATE, "CPoller", "cse/ae-CPoller/ch", 0, "{\"m2m:pch\":{\"lbl\":[\"x\"]}}"), 2004);
	must(call(t, OP_RETRIEVE, ME, "cse/ae-CPoller/ch/pcu", 0, NULL), 4103);
	must(call(t, OP_NOTIFY, ME, "cse/ae-CPoller/ch/pcu", 0, "{\"m2m:rsp\":{\"rsc\":2000,\"rqi\":\"x\"}}"), 4103);
	must(call(t, OP_UPDATE, "CPoller", "cse/ae-CPoller/ch/pcu", 0, "{\"m2m:pch\":{}}"), 4005);
	must(call(t, OP_DELETE, "CPoller", "cse/ae-CPoller/ch/pcu", 0, NULL), 4005);
	must(call(t, OP_DELETE, "CPoller", "cse/ae-CPoller/ch", 0, NULL), 2002);
}

static void answer_poll(struct cse *t, const char *polled, const char *rsc, const char *pc, int want)
{
	const char *rqi = strstr(polled, "\"rqi\":\"");
	char text[512];

	assert_non_null(rqi);
	rqi += 7;
	snprintf(text, sizeof(text), "{\"m2m:rsp\":{\"rsc\":%s,\"rqi\":\"%.*s\"%s%s}}", rsc, (int)(strchr(rqi, '"') - rqi), rqi,
		 pc ? ",\"pc\":" : "", pc ? pc : "");
	must(call(t, OP_NOTIFY, "CPoller", "cse/ae-CPoller/ch/pcu", 0, text), want);
}

#define PCU "cse/ae-CPoller/ch/pcu"

/* CORE-204, CORE-209, CORE-210: a Notify waits for the poll, or the poll for a Notify; the answer goes back to the sender. */
static void long_polls(void **state)
{
	struct cse *t = *state;
	const char *sgn = "{\"m2m:sgn\":{\"sur\":\"/other/1\"}}";
	struct call *sender, *sender2, *poll;
	char *got, *back;

	channel(t);
	sender = call_begin(t, OP_NOTIFY, "CSender", "CPoller", 0, sgn, NULL);
	must(call_end(call_begin(t, OP_RETRIEVE, "CPoller", PCU, 0, NULL, NULL), &got), 2000);
	expect_part(got, "{\"m2m:rqp\":{\"op\":5,\"to\":\"CPoller\",\"fr\":\"CSender\",\"rqi\":\"");
	expect_part(got, "\"pc\":{\"m2m:sgn\":{\"sur\":\"/other/1\"}}");
	assert_true(call_pending(sender));
	answer_poll(t, got, "2000", "{\"m2m:sgn\":{\"sur\":\"back\"}}", 2000);
	must(call_end(sender, &back), 2000);
	assert_string_equal(back, "{\"m2m:sgn\":{\"sur\":\"back\"}}");
	answer_poll(t, got, "2000", NULL, 4004); /* answered already */
	free(back);
	free(got);

	poll = call_begin(t, OP_RETRIEVE, "CPoller", PCU, 0, NULL, NULL);
	free(get(t, ME, "cse")); /* the poll has arrived before this */
	assert_true(call_pending(poll));
	sender = call_begin(t, OP_NOTIFY, "CSender", "CPoller", 0, sgn, NULL);
	must(call_end(poll, &got), 2000);
	sender2 = call_begin(t, OP_NOTIFY, "CSender", "CPoller", 0, "{\"m2m:sgn\":{\"sur\":\"/other/2\"}}", NULL);
	must(call_end(call_begin(t, OP_RETRIEVE, "CPoller", PCU, 0, NULL, NULL), &back), 2000);
	expect_part(back, "/other/2");
	answer_poll(t, back, "4000", NULL, 2000); /* in the other order: matched by rqi */
	must(call_end(sender2, NULL), 4000);
	assert_true(call_pending(sender));
	answer_poll(t, got, "2000", NULL, 2000);
	must(call_end(sender, NULL), 2000);
	free(back);
	free(got);
	assert_int_equal(sent_to(t, "test://never"), 0);
}

/* CORE-209: nothing until rqet: 4008. A request nobody fetches ends with its own rqet. */
static void polls_expire(void **state)
{
	struct cse *t = *state;

	channel(t);
	must(call_end(call_begin(t, OP_RETRIEVE, "CPoller", PCU, 0, NULL, "100"), NULL), 4008);
	must(call_end(call_begin(t, OP_NOTIFY, "CSender", "CPoller", 0, "{\"m2m:sgn\":{\"sur\":\"x\"}}", "100"), NULL), 4008);
	must(call_end(call_begin(t, OP_RETRIEVE, "CPoller", PCU, 0, NULL, "100"), NULL), 4008); /* it did not stay behind */
	must(call(t, OP_NOTIFY, "CPoller", PCU, 0, "{\"m2m:sgn\":{\"sur\":\"x\"}}"), 4000);
}

/* CORE-204: notifications of a subscription reach an AE through its channel. */
static void notifications_are_polled(void **state)
{
	struct cse *t = *state;
	char *got;

	channel(t);
	container(t, "cse", "a");
	must(call(t, OP_CREATE, ME, "cse/a", 23, "{\"m2m:sub\":{\"rn\":\"s\",\"nu\":[\"CPoller\"],\"enc\":{\"net\":[3]}}}"), 2001);
	instance(t, "cse/a", "one");
	instance(t, "cse/a", "two");
	must(call_end(call_begin(t, OP_RETRIEVE, "CPoller", PCU, 0, NULL, NULL), &got), 2000);
	expect_part(got, "\"fr\":\"/reeve\"");
	expect_part(got, "\"con\":\"one\"");
	answer_poll(t, got, "2000", NULL, 2000);
	free(got);
	must(call_end(call_begin(t, OP_RETRIEVE, "CPoller", PCU, 0, NULL, NULL), &got), 2000);
	expect_part(got, "\"con\":\"two\"");
	answer_poll(t, got, "2000", NULL, 2000);
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cse_test(blocking_update), cse_test(blocking_update_fails), cse_test(verification), cse_test(verification_needs_privilege),
		cse_test(verification_received), cse_test(notify_an_ae), cse_test(leave_accepted), cse_test(leave_rejected),
		cse_test(leave_asked), cse_test(leave_told), cse_test(channel_is_private), cse_test(long_polls), cse_test(polls_expire),
		cse_test(notifications_are_polled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
