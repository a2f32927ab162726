/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that meet a ceiling on their way: memory of the request (limits.request_memory), size of the answer (limits.response). Wherever
 * that happens the answer is 5000 and nothing was changed, to the last byte of the store; with enough of it the request does
 * what it should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core_util.h"

struct op_case {
	const char *name;
	enum op op;
	const char *to;
	int ty;
	const char *pc;
	int rcn, rsc;
};

#define RULE(who, ops) "{\"acor\":[\"" who "\"],\"acop\":" #ops "}"
#define LONG "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TEXT LONG LONG LONG LONG LONG LONG LONG LONG

/* Each succeeds on the stock below, once. */
static const struct op_case changes[] = {
	{ "container", OP_CREATE, "cse/c", 3, "{\"m2m:cnt\":{\"rn\":\"n\",\"lbl\":[\"" LONG "\",\"b\\u0041\"],\"acpi\":[\"cse/p\"],\"cr\":null}}", 3, 2001 },
	{ "container without a name", OP_CREATE, "cse/c", 3, "{\"m2m:cnt\":{\"or\":\"" LONG "\"}}", 9, 2001 },
	{ "instance", OP_CREATE, "cse/c", 4, "{\"m2m:cin\":{\"rn\":\"i\",\"con\":\"" TEXT "\\n\",\"cnf\":\"text/plain:0\"}}", -1, 2001 },
	{ "instance that makes others go", OP_CREATE, "cse/full", 4, "{\"m2m:cin\":{\"con\":\"" TEXT "\"}}", 1, 2001 },
	{ "policy", OP_CREATE, "cse", 1,
	  "{\"m2m:acp\":{\"rn\":\"n\",\"pv\":{\"acr\":[" RULE("Ca", 1) "," RULE("Cb", 2) "," RULE("cse/g", 63) "]},\"pvs\":{\"acr\":[" RULE("CAdmin", 63) "]}}}",
	  1, 2001 },
	{ "group", OP_CREATE, "cse", 9, "{\"m2m:grp\":{\"rn\":\"n\",\"mnm\":9,\"mt\":3,\"csy\":1,\"mid\":[\"cse/c\",\"cse/c\",\"cse/p\",\"cse/d\"]}}", 1, 2001 },
	{ "subscription", OP_CREATE, "cse/c", 23,
	  "{\"m2m:sub\":{\"rn\":\"n\",\"nu\":[\"test://x\",\"test://y?ct=json\"],\"enc\":{\"net\":[1,3],\"atr\":[\"lbl\"],\"chty\":[4]},\"bn\":{\"num\":3}}}", 1, 2001 },
	{ "registration", OP_CREATE, "cse", 2, "{\"m2m:ae\":{\"rn\":\"n\",\"api\":\"Ntest\",\"rr\":false,\"srv\":[\"3\"],\"apn\":\"" LONG "\"}}", 1, 2001 },
	{ "polling channel", OP_CREATE, "cse/ae", 15, "{\"m2m:pch\":{\"rn\":\"n\"}}", 3, 2001 },
	{ "update", OP_UPDATE, "cse/c", 0, "{\"m2m:cnt\":{\"lbl\":[\"x\",\"" LONG "\"],\"or\":\"" LONG "\",\"mni\":4}}", 1, 2004 },
	{ "update that makes instances go", OP_UPDATE, "cse/full", 0, "{\"m2m:cnt\":{\"mni\":1}}", 9, 2004 },
	{ "update of acpi", OP_UPDATE, "cse/c", 0, "{\"m2m:cnt\":{\"acpi\":[\"cse/p\",\"cse/p\"]}}", 1, 2004 },
	{ "update of a policy", OP_UPDATE, "cse/p", 0, "{\"m2m:acp\":{\"pv\":{\"acr\":[" RULE("Ca", 1) "," RULE("CAdmin", 63) "]}}}", 1, 2004 },
	{ "update of a group", OP_UPDATE, "cse/g", 0, "{\"m2m:grp\":{\"mid\":[\"cse/c\",\"cse/d\",\"cse/full\"]}}", 9, 2004 },
	{ "update of a subscription", OP_UPDATE, "cse/watched/s", 0, "{\"m2m:sub\":{\"nu\":[\"test://z\"],\"enc\":{\"net\":[2]}}}", 1, 2004 },
	{ "update of what is subscribed to", OP_UPDATE, "cse/watched", 0, "{\"m2m:cnt\":{\"lbl\":[\"" LONG "\"]}}", 1, 2004 },
	{ "instance in what is subscribed to", OP_CREATE, "cse/watched", 4, "{\"m2m:cin\":{\"con\":\"" LONG "\"}}", 1, 2001 },
	{ "delete", OP_DELETE, "cse/tree", 0, NULL, 4, 2002 },
	{ "delete with references", OP_DELETE, "cse/tree", 0, NULL, 6, 2002 },
	{ "delete of what is subscribed to", OP_DELETE, "cse/watched", 0, NULL, 1, 2002 },
	{ "delete of the latest", OP_DELETE, "cse/full/la", 0, NULL, 1, 2002 },
	{ "create through a group", OP_CREATE, "cse/g/fopt", 4, "{\"m2m:cin\":{\"con\":\"" LONG "\"}}", 1, 2000 },
	{ "update through a group", OP_UPDATE, "cse/g/fopt", 0, "{\"m2m:cnt\":{\"lbl\":[\"" LONG "\"]}}", 1, 2000 },
	{ "delete through a group", OP_DELETE, "cse/g/fopt", 0, NULL, 1, 2000 },
	{ "subscription through a group", OP_CREATE, "cse/g/fopt", 23, "{\"m2m:sub\":{\"rn\":\"n\",\"nu\":[\"test://x\"],\"nfu\":\"test://y\"}}", 1, 2000 },
};
enum { CHANGES = sizeof(changes) / sizeof(changes[0]) };

static const struct op_case reads[] = {
	{ "retrieve", OP_RETRIEVE, "cse/p", 0, NULL, 1, 2000 },
	{ "retrieve one attribute", OP_RETRIEVE, "cse/tree#lbl", 0, NULL, -1, 2000 },
	{ "children", OP_RETRIEVE, "cse/tree", 0, NULL, 4, 2000 },
	{ "references", OP_RETRIEVE, "cse/tree", 0, NULL, 6, 2000 },
	{ "latest", OP_RETRIEVE, "cse/full/la", 0, NULL, -1, 2000 },
	{ "through a group", OP_RETRIEVE, "cse/g/fopt", 0, NULL, -1, 2000 },
};
enum { READS = sizeof(reads) / sizeof(reads[0]) };

static void make(struct cse *t, const char *to, int ty, const char *pc)
{
	must(call(t, OP_CREATE, ME, to, ty, pc), 2001);
}

static void stock(struct cse *t)
{
	make(t, "cse", 1, "{\"m2m:acp\":{\"rn\":\"p\",\"pv\":{\"acr\":[" RULE("CAdmin", 63) "," RULE("cse/g", 2) "]},\"pvs\":{\"acr\":[" RULE("CAdmin", 63) "]}}}");
	make(t, "cse", 3, "{\"m2m:cnt\":{\"rn\":\"c\",\"acpi\":[\"cse/p\"]}}");
	make(t, "cse", 3, "{\"m2m:cnt\":{\"rn\":\"d\"}}");
	make(t, "cse", 3, "{\"m2m:cnt\":{\"rn\":\"full\",\"mni\":2}}");
	instance(t, "cse/full", LONG);
	instance(t, "cse/full", LONG);
	make(t, "cse", 9, "{\"m2m:grp\":{\"rn\":\"h\",\"mnm\":5,\"mid\":[\"cse/d\"]}}");
	make(t, "cse", 9, "{\"m2m:grp\":{\"rn\":\"g\",\"mnm\":5,\"mid\":[\"cse/c\",\"cse/h/fopt\"]}}");
	container(t, "cse", "watched");
	subscribe(t, "cse/watched", "s", "\"enc\":{\"net\":[1,2,3]},\"su\":\"test://s\",\"bn\":{\"num\":50,\"dur\":\"P1D\"}");
	make(t, "cse", 3, "{\"m2m:cnt\":{\"rn\":\"tree\",\"lbl\":[\"" LONG "\"]}}");
	make(t, "cse/tree", 3, "{\"m2m:cnt\":{\"rn\":\"a\",\"lbl\":[\"" LONG "\"]}}");
	make(t, "cse/tree/a", 3, "{\"m2m:cnt\":{\"rn\":\"b\",\"lbl\":[\"" LONG "\"]}}");
	instance(t, "cse/tree/a", LONG);
	must(call(t, OP_CREATE, "CAdmin", "cse", 2, "{\"m2m:ae\":{\"rn\":\"ae\",\"api\":\"Ntest\",\"rr\":false,\"srv\":[\"3\"]}}"), 2001);
}

static int ask_op(struct cse *t, const struct op_case *c, const struct how *h, char **out)
{
	return call_how(t, c->op, c->op == OP_CREATE && c->ty == 2 ? "C" : ME, c->to, c->ty, c->pc, h, out);
}

/* The request with ever more of what it lacks, until it succeeds. Returns how often it was refused. */
static unsigned until_enough(struct cse *t, const struct op_case *c, bool memory, size_t step, size_t most)
{
	uint64_t before = store_print(t);
	bool read = c->op == OP_RETRIEVE;

	for (unsigned n = 0;; n++) {
		struct how h = { .rcn = c->rcn, .small = true, .arena = memory ? n * step : most, .out = memory ? most : n * step };
		char *out;
		int rsc = ask_op(t, c, &h, &out);

		if (n * step > most)
			fail_msg("%s: never enough", c->name);
		if (rsc == c->rsc) {
			if (!read && store_print(t) == before)
				fail_msg("%s: success with %zu, and nothing was changed: %s", c->name, n * step, out);
			free(out);
			return n;
		}
		if (rsc != 5000)
			fail_msg("%s with %zu of %s: %d instead of 5000 (%s)", c->name, n * step, memory ? "memory" : "answer", rsc, out);
		free(out);
		if (store_print(t) != before)
			fail_msg("%s with %zu of %s: refused, and something was changed", c->name, n * step, memory ? "memory" : "answer");
	}
}

static void sweep(const struct op_case *c, size_t n, bool memory, size_t step, size_t most)
{
	for (size_t i = 0; i < n; i++) {
		void *state = NULL;

		assert_int_equal(cse_setup(&state), 0);
		stock(state);
		outbox_settle(state); /* from here on the store changes by requests alone */
		if (until_enough(state, &c[i], memory, step, most) == 0)
			fail_msg("%s: needs nothing", c[i].name);
		cse_teardown(&state);
	}
}

static void memory_of_changes(void **state)
{
	(void)state;
	sweep(changes, CHANGES, true, 56, 1 << 20);
}

static void memory_of_reads(void **state)
{
	(void)state;
	sweep(reads, READS, true, 56, 1 << 20);
}

static void answers_of_changes(void **state)
{
	(void)state;
	sweep(changes, CHANGES, false, 16, 1 << 20);
}

static void answers_of_reads(void **state)
{
	(void)state;
	sweep(reads, READS, false, 16, 1 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_of_reads),
		cmocka_unit_test(memory_of_changes),
		cmocka_unit_test(answers_of_reads),
		cmocka_unit_test(answers_of_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
