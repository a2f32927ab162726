/* SPDX-License-Identifier: Apache-2.0 */
/* The writer runs every job of a batch again when the batch failed. Whatever a request does, it is there once afterwards, and its
 * answer is that of the second run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core_util.h"

/* The failures after which a batch is run again. */
static const enum reeve_rc causes[] = { RC_FULL, RC_IO, RC_UNDO };
enum { CAUSES = sizeof(causes) / sizeof(causes[0]) };

static void number(struct cse *t, const char *to, const char *attr, unsigned value)
{
	char part[64];

	snprintf(part, sizeof(part), "\"%s\":%u", attr, value);
	expect_at(t, ME, to, part);
}

/* CORE-142, CORE-146: two instances, one without a name: two are counted, not four */
static void instances(void **state)
{
	struct cse *t = *state;
	struct batch b;
	struct call *k[2];

	for (int i = 0; i < CAUSES; i++) {
		char name[16], to[32];

		snprintf(name, sizeof(name), "c%d", i);
		snprintf(to, sizeof(to), "cse/c%d", i);
		container(t, "cse", name);
		batch_begin(&b, t);
		k[0] = call_begin(t, OP_CREATE, ME, to, 4, "{\"m2m:cin\":{\"rn\":\"i\",\"con\":\"abc\"}}", NULL);
		k[1] = call_begin(t, OP_CREATE, ME, to, 4, "{\"m2m:cin\":{\"con\":\"de\"}}", NULL);
		batch_end(&b, t, causes[i], k, 2);
		must(call_end(k[0], NULL), 2001);
		must(call_end(k[1], NULL), 2001);
		number(t, to, "cni", 2);
		number(t, to, "cbs", 5);
		number(t, to, "st", 2);
	}
}

/* CORE-065, CORE-069: stateTag of an Update, counters after a Delete */
static void update_and_delete(void **state)
{
	struct cse *t = *state;
	struct batch b;
	struct call *k[3];
	char *out;

	container(t, "cse", "c");
	instance(t, "cse/c", "one");
	instance(t, "cse/c", "three");
	batch_begin(&b, t);
	k[0] = call_begin(t, OP_UPDATE, ME, "cse/c", 0, "{\"m2m:cnt\":{\"lbl\":[\"x\"]}}", NULL);
	k[1] = call_begin(t, OP_DELETE, ME, "cse/c/ol", 0, NULL, NULL);
	k[2] = call_begin(t, OP_UPDATE, ME, "cse/c", 0, "{\"m2m:cnt\":{\"lbl\":null}}", NULL);
	batch_end(&b, t, RC_FULL, k, 3);
	must(call_end(k[0], &out), 2004);
	expect_part(out, "\"st\":3,");
	free(out);
	must(call_end(k[1], NULL), 2002);
	must(call_end(k[2], &out), 2004);
	expect_part(out, "\"st\":4,");
	expect_no_part(out, "\"lbl\"");
	assert_int_equal(count(out, "m2m:cnt"), 1);
	free(out);
	number(t, "cse/c", "cni", 1);
	number(t, "cse/c", "cbs", 5);
}

/* CORE-009, CORE-072: one resource without a name, one answer, with the name it has */
static void no_name(void **state)
{
	struct cse *t = *state;
	struct how with_address = { .rcn = 3 };
	struct batch b;
	struct call *k;
	char *out, *all, *ri;

	container(t, "cse", "c");
	batch_begin(&b, t);
	k = begin_how(t, OP_CREATE, ME, "cse/c", 3, "{\"m2m:cnt\":{}}", &with_address);
	batch_end(&b, t, RC_IO, &k, 1);
	must(call_end(k, &out), 2001);
	assert_int_equal(count(out, "m2m:rce"), 1);
	must(call_how(t, OP_RETRIEVE, ME, "cse/c", 0, NULL, &(struct how){ .rcn = 6 }, &all), 2000);
	assert_int_equal(count(all, "\"nm\":"), 1);
	ri = strstr(out, "\"uri\":");
	assert_non_null(ri);
	ri += 6;
	*strchr(ri + 1, '"') = '\0';
	expect_part(all, ri);
	free(all);
	free(out);
}

/* CORE-115: one registration, under the stem the answer names */
static void registration(void **state)
{
	struct cse *t = *state;
	struct batch b;
	struct call *k;
	char *out, *all, *aei;

	batch_begin(&b, t);
	k = call_begin(t, OP_CREATE, "C", "cse", 2, "{\"m2m:ae\":{\"api\":\"Ntest\",\"rr\":false,\"srv\":[\"3\"]}}", NULL);
	batch_end(&b, t, RC_FULL, &k, 1);
	must(call_end(k, &out), 2001);
	must(call_how(t, OP_RETRIEVE, ME, "cse", 0, NULL, &(struct how){ .rcn = 5 }, &all), 2000);
	aei = strstr(out, "\"aei\":\"");
	assert_non_null(aei);
	aei += 7;
	*strchr(aei, '"') = '\0';
	free(get(t, aei, aei));
	free(all);
	free(out);
}

/* CORE-219, CORE-223: through a group within a group, with a gid given and one made up: each member once, and no 4104 in the second run */
static void fan_out(void **state)
{
	struct cse *t = *state;
	static const struct how plain = { .rcn = -1 }, given = { .rcn = -1, .gid = "my-gid" };
	const struct how *hows[] = { &plain, &given };

	container(t, "cse", "c");
	container(t, "cse", "d");
	must(call(t, OP_CREATE, ME, "cse", 9, "{\"m2m:grp\":{\"rn\":\"h\",\"mnm\":5,\"mid\":[\"cse/d\"]}}"), 2001);
	must(call(t, OP_CREATE, ME, "cse", 9, "{\"m2m:grp\":{\"rn\":\"g\",\"mnm\":5,\"mid\":[\"cse/c\",\"cse/h/fopt\"]}}"), 2001);
	for (unsigned i = 0; i < 2; i++) {
		struct batch b;
		struct call *k;
		char *out;

		batch_begin(&b, t);
		k = begin_how(t, OP_CREATE, ME, "cse/g/fopt", 4, "{\"m2m:cin\":{\"con\":\"x\"}}", hows[i]);
		batch_end(&b, t, RC_UNDO, &k, 1);
		must(call_end(k, &out), 2000);
		assert_int_equal(count(out, "\"rsc\":2001"), 2);
		assert_int_equal(count(out, "\"rsc\":4104"), 0);
		assert_int_equal(count(out, "m2m:agr"), 2);
		free(out);
		number(t, "cse/c", "cni", i + 1);
		number(t, "cse/d", "cni", i + 1);
	}
	/* and the given one is known from now on */
	must(call_how(t, OP_CREATE, ME, "cse/g/fopt", 4, "{\"m2m:cin\":{\"con\":\"x\"}}", &given, NULL), 4104);
}

/* Delete through a group: the members leave it once */
static void fan_out_delete(void **state)
{
	struct cse *t = *state;
	struct batch b;
	struct call *k;
	char *out;

	container(t, "cse", "c");
	container(t, "cse", "d");
	must(call(t, OP_CREATE, ME, "cse", 9, "{\"m2m:grp\":{\"rn\":\"g\",\"mnm\":5,\"mid\":[\"cse/c\",\"cse/none\",\"cse/d\"]}}"), 2001);
	batch_begin(&b, t);
	k = begin_how(t, OP_DELETE, ME, "cse/g/fopt", 0, NULL, &plainly);
	batch_end(&b, t, RC_FULL, &k, 1);
	must(call_end(k, &out), 2000);
	assert_int_equal(count(out, "\"rsc\":2002"), 2);
	free(out);
	expect_at(t, ME, "cse/g", "\"mid\":[\"cse/none\"]");
	number(t, "cse/g", "cnm", 1);
}

/* CORE-183, CORE-187: one event, one notification */
static void notification(void **state)
{
	struct cse *t = *state;
	struct batch b;
	struct call *k;

	container(t, "cse", "c");
	container(t, "cse", "marker");
	subscribe(t, "cse/c", "s", "\"enc\":{\"net\":[3]}");
	subscribe(t, "cse/marker", "m", "\"enc\":{\"net\":[3]}");
	batch_begin(&b, t);
	k = call_begin(t, OP_CREATE, ME, "cse/c", 4, "{\"m2m:cin\":{\"con\":\"event\"}}", NULL);
	batch_end(&b, t, RC_FULL, &k, 1);
	must(call_end(k, NULL), 2001);
	expect_part(nth_sent_to(t, "test://s", 0)->pc, "\"event\"");
	instance(t, "cse/c", "second");
	expect_part(nth_sent_to(t, "test://s", 1)->pc, "\"second\"");
	instance(t, "cse/marker", "x");
	nth_sent_to(t, "test://m", 0);
	assert_int_equal(sent_to(t, "test://s"), 2);
}

/* CORE-102, CORE-106: one <request>, and one resource made by it */
static void non_blocking(void **state)
{
	struct cse *t = *state;
	struct how later = { .rcn = -1, .rt = RT_NONBLOCK_SYNC };
	struct batch b;
	struct call *k;
	char *out, *all, *uri;

	container(t, "cse", "c");
	batch_begin(&b, t);
	k = begin_how(t, OP_CREATE, ME, "cse/c", 4, "{\"m2m:cin\":{\"con\":\"x\"}}", &later);
	batch_end(&b, t, RC_IO, &k, 1);
	must(call_end(k, &out), 1001);
	assert_int_equal(count(out, "m2m:uri"), 1);
	uri = strstr(out, "\"cse/");
	assert_non_null(uri);
	*strchr(++uri, '"') = '\0';
	for (bool over = false; !over;) { /* the operation runs on its own */
		char *req = get(t, ME, uri);

		over = strstr(req, "\"rs\":1") != NULL;
		if (over)
			expect_part(req, "\"rsc\":2001");
		free(req);
	}
	number(t, "cse/c", "cni", 1);
	must(call_how(t, OP_RETRIEVE, ME, "cse", 0, NULL, &(struct how){ .rcn = 6 }, &all), 2000);
	assert_int_equal(count(all, "\"typ\":17"), 1);
	free(all);
	free(out);
}

/* A policy that was changed in a batch that failed, and is changed again: what is decided between and after is right */
static void policies(void **state)
{
	struct cse *t = *state;
	struct batch b;
	struct call *k[3];

	must(call(t, OP_CREATE, ME, "cse", 1,
		  "{\"m2m:acp\":{\"rn\":\"p\",\"pv\":{\"acr\":[{\"acor\":[\"all\"],\"acop\":63}]},\"pvs\":{\"acr\":[{\"acor\":[\"CAdmin\"],\"acop\":63}]}}}"),
	     2001);
	must(call(t, OP_CREATE, ME, "cse", 3, "{\"m2m:cnt\":{\"rn\":\"c\",\"acpi\":[\"cse/p\"]}}"), 2001);
	must(call(t, OP_UPDATE, "Cguest", "cse/c", 0, "{\"m2m:cnt\":{\"lbl\":[\"0\"]}}"), 2004);
	batch_begin(&b, t);
	k[0] = call_begin(t, OP_UPDATE, "Cguest", "cse/c", 0, "{\"m2m:cnt\":{\"lbl\":[\"1\"]}}", NULL);
	k[1] = call_begin(t, OP_UPDATE, ME, "cse/p", 0, "{\"m2m:acp\":{\"pv\":{\"acr\":[{\"acor\":[\"CAdmin\"],\"acop\":63}]}}}", NULL);
	k[2] = call_begin(t, OP_UPDATE, "Cguest", "cse/c", 0, "{\"m2m:cnt\":{\"lbl\":[\"2\"]}}", NULL);
	batch_end(&b, t, RC_FULL, k, 3);
	must(call_end(k[0], NULL), 2004);
	must(call_end(k[1], NULL), 2004);
	must(call_end(k[2], NULL), 4103);
	must(call(t, OP_UPDATE, "Cguest", "cse/c", 0, "{\"m2m:cnt\":{\"lbl\":[\"3\"]}}"), 4103);
	must(call(t, OP_RETRIEVE, "Cguest", "cse/c", 0, NULL), 4103);
	expect_at(t, ME, "cse/c", "\"lbl\":[\"1\"]");
}

static void remove_parent(struct own_job *j, struct exec *x)
{
	struct target t;

	(void)j;
	assert_int_equal(exec_lookup(x, S("cse/c"), &t), RC_OK);
	assert_int_equal(exec_delete(x, &t.res, false), RC_OK);
}

/* Refused in the second run: nothing of the first run's answer is left */
static void another_answer(void **state)
{
	struct cse *t = *state;
	struct own_job before = { .first = RC_OK, .second = remove_parent };
	struct call *k;
	struct batch b;
	struct req *r;

	container(t, "cse", "c");
	batch_begin(&b, t);
	own_init(&before, t, own_run);
	own_submit(&before);
	k = begin_how(t, OP_CREATE, ME, "cse/c", 3, "{\"m2m:cnt\":{\"rn\":\"n\"}}", &(struct how){ .rcn = 3 });
	batch_end(&b, t, RC_FULL, &k, 1);
	own_end(&before);
	own_wait(&k->done);
	r = &k->r;
	assert_int_equal(r->rsc, 4004);
	assert_int_equal(r->out.n, 0);
	assert_int_equal(r->location.n, 0);
	assert_int_equal(r->cnst, 0);
	assert_int_equal(r->cnot, 0);
	sem_post(&k->done);
	must(call_end(k, NULL), 4004);
}

/* Refused in the first run, well in the second: nothing of the refusal is left */
static void refused_before(void **state)
{
	struct cse *t = *state;
	struct call *k[2];
	struct batch b;
	char *out;

	container(t, "cse", "c");
	batch_begin(&b, t);
	k[0] = call_begin(t, OP_CREATE, ME, "cse/c", 3, "{\"m2m:cnt\":{\"rn\":\"n\"}}", NULL);
	k[1] = call_begin(t, OP_CREATE, ME, "cse/c", 3, "{\"m2m:cnt\":{\"rn\":\"n\"}}", NULL);
	batch_end(&b, t, RC_FULL, k, 2);
	must(call_end(k[0], &out), 2001);
	expect_part(out, "\"rn\":\"n\"");
	free(out);
	must(call_end(k[1], NULL), 4105);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cse_test(instances),	cse_test(update_and_delete), cse_test(no_name),	     cse_test(registration),
		cse_test(fan_out),	cse_test(fan_out_delete),    cse_test(notification), cse_test(non_blocking),
		cse_test(policies),	cse_test(another_answer),    cse_test(refused_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
