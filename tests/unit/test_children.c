/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery and answers with children in a whole CSE: that every source of candidates brings the same, what limits do, and that
 * pages together are the whole. What one request answers is in tests/e2e. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ask_util.h"

#define ADMIN "CAdmin"

static void cnt(struct cse *t, const char *to, const char *rn, const char *more)
{
	char pc[512];

	snprintf(pc, sizeof(pc), "{\"m2m:cnt\":{\"rn\":\"%s\"%s}}", rn, more ? more : "");
	made(t, ADMIN, to, 3, pc);
}

static void cin(struct cse *t, const char *to, const char *rn, const char *more)
{
	char pc[512];

	snprintf(pc, sizeof(pc), "{\"m2m:cin\":{\"rn\":\"%s\",\"con\":\"x\"%s}}", rn, more ? more : "");
	made(t, ADMIN, to, 4, pc);
}

/* --- lists of addresses --- */

struct names { char *v[4096]; size_t n; };

static void names_free(struct names *l)
{
	while (l->n)
		free(l->v[--l->n]);
}

/* Add the strings of a m2m:uril, or the val of a m2m:rrl. */
static void take(struct names *l, const char *out)
{
	bool references = strstr(out, "m2m:rrl") != NULL;
	const char *p = references ? out : strchr(out, '[');

	if (strcmp(out, "{\"m2m:uril\":[]}") == 0)
		return;
	while ((p = references ? strstr(p, "\"val\":\"") : strchr(p, '"')) != NULL) {
		const char *end;

		p += references ? 7 : 1;
		end = strchr(p, '"');
		l->v[l->n++] = copy(slice_of(p, (size_t)(end - p)));
		p = end + 1;
	}
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void sort(struct names *l) { qsort(l->v, l->n, sizeof(l->v[0]), by_text); }

static bool same(const struct names *a, const struct names *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

static void discover(struct cse *t, const char *to, const char *query, struct names *l)
{
	struct asked a = { .out = NULL };

	must(ask(t, ADMIN, to, query, &a), 2000);
	assert_int_equal(a.cnst, 0);
	assert_int_equal(a.cnot, 0);
	take(l, a.out);
	free(a.out);
}

/* --- every source brings the same --- */

enum { NODES = 240, LABELS = 6 };

struct node { char path[256]; int parent, ty, depth; unsigned labels; };

static unsigned dice(unsigned *seed, unsigned sides)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % sides;
}

/* A random tree of containers, groups and instances below cse/r. */
static void grow(struct cse *t, struct node *v, unsigned *seed)
{
	cnt(t, "cse", "r", NULL);
	v[0] = (struct node){ .path = "cse/r", .parent = -1, .ty = 3 };
	for (int i = 1; i < NODES; i++) {
		char more[128] = "", name[16];
		int up;

		do
			up = (int)dice(seed, (unsigned)i);
		while (v[up].ty != 3);
		v[i] = (struct node){ .parent = up, .ty = dice(seed, 3) == 0 ? 4 : 3, .depth = v[up].depth + 1 };
		for (unsigned l = 0; l < LABELS; l++)
			if (dice(seed, 6) == 0)
				v[i].labels |= 1u << l;
		if (v[i].labels) {
			snprintf(more, sizeof(more), ",\"lbl\":[");
			for (unsigned l = 0; l < LABELS; l++)
				if (v[i].labels & 1u << l)
					snprintf(more + strlen(more), sizeof(more) - strlen(more), "%s\"l%u\"",
						 more[strlen(more) - 1] == '[' ? "" : ",", l);
			snprintf(more + strlen(more), sizeof(more) - strlen(more), "]");
		}
		snprintf(name, sizeof(name), "n%d", i);
		snprintf(v[i].path, sizeof(v[i].path), "%.230s/%s", v[up].path, name);
		(v[i].ty == 4 ? cin : cnt)(t, v[up].path, name, more);
	}
}

static bool is_below(const struct node *v, int i, int root)
{
	for (i = v[i].parent; i >= 0; i = v[i].parent)
		if (i == root)
			return true;
	return false;
}

/* A random question: its text, and who should be found. */
static void question(const struct node *v, unsigned *seed, int root, char *query, size_t n, struct names *want)
{
	unsigned labels = dice(seed, 3) ? dice(seed, 1u << LABELS) : 0, child_labels = dice(seed, 4) ? 0 : dice(seed, 1u << LABELS);
	unsigned types = dice(seed, 4), lvl = dice(seed, 3) ? 0 : 1 + dice(seed, 4);
	bool any = dice(seed, 4) == 0;
	unsigned tags = (labels != 0) + (child_labels != 0) + (types != 0);

	snprintf(query, n, "fu=1%s", any ? "&fo=2" : "");
	for (unsigned l = 0; l < LABELS; l++) {
		if (labels & 1u << l)
			snprintf(query + strlen(query), n - strlen(query), "&lbl=l%u", l);
		if (child_labels & 1u << l)
			snprintf(query + strlen(query), n - strlen(query), "&clbl=l%u", l);
	}
	snprintf(query + strlen(query), n - strlen(query), "%s%s", types & 1 ? "&ty=3" : "", types & 2 ? "&ty=4" : "");
	if (lvl)
		snprintf(query + strlen(query), n - strlen(query), "&lvl=%u", lvl);
	for (int i = 0; i < NODES; i++) {
		unsigned holds = 0;
		bool child = false;

		for (int k = 0; k < NODES; k++)
			child |= v[k].parent == i && v[k].labels & child_labels;
		holds += labels && v[i].labels & labels;
		holds += child_labels && child;
		holds += types && types & (v[i].ty == 3 ? 1u : 2u);
		if (is_below(v, i, root) && (!lvl || v[i].depth <= v[root].depth + (int)lvl) && (any && tags ? holds > 0 : holds == tags))
			want->v[want->n++] = copy(slice_str(v[i].path));
	}
}

/* CORE-082, CORE-090, CORE-092: index of labels, of types, small subtree, walk: the same as looking at everything. */
static void every_source_finds_the_same(void **state)
{
	struct cse *t = *state;
	static struct node v[NODES];
	unsigned seed = 20240607;

	grow(t, v, &seed);
	for (int round = 0; round < 300; round++) {
		struct names want = { .n = 0 }, got = { .n = 0 }, pages = { .n = 0 };
		struct asked a = { .out = NULL };
		char query[512], page[600];
		int root = (int)dice(&seed, 3) ? 0 : (int)dice(&seed, NODES);
		uint32_t offset = 1;

		question(v, &seed, root, query, sizeof(query), &want);
		discover(t, v[root].path, query, &got);
		/* CORE-078 for discovery: pages together are the whole, each once */
		do {
			snprintf(page, sizeof(page), "%s&lim=7&ofst=%u", query, offset);
			must(ask(t, ADMIN, v[root].path, page, &a), 2000);
			take(&pages, a.out);
			assert_true(a.cnst == 0 ? a.cnot == 0 : a.cnot == offset + 7);
			offset = a.cnot;
		} while (a.cnst);
		if (!same(&got, &pages))
			fail_msg("pages differ: %s at %s", query, v[root].path);
		sort(&want);
		sort(&got);
		if (!same(&want, &got))
			fail_msg("%zu instead of %zu: %s at %s", got.n, want.n, query, v[root].path);
		names_free(&want);
		names_free(&got);
		names_free(&pages);
		free(a.out);
	}
}

/* --- cost and limits --- */

static int few_visits(void **state)
{
	struct cse *t;

	if (cse_setup(state) != 0)
		return -1;
	t = *state;
	t->cfg.limits.discovery_visits = 100;
	return 0;
}

/* Discovery looks at matches, not at the tree: far fewer looks than resources suffice. */
static void a_question_with_an_index_is_not_paid_by_the_tree(void **state)
{
	struct cse *t = *state;
	struct names l = { .n = 0 };
	struct asked a = { .out = NULL };

	cnt(t, "cse", "r", NULL);
	cnt(t, "cse", "small", NULL);
	cnt(t, "cse/small", "one", ",\"lbl\":[\"common\"]");
	for (int i = 0; i < 300; i++) {
		char name[16];

		snprintf(name, sizeof(name), "c%d", i);
		cnt(t, "cse/r", name, i % 100 == 0 ? ",\"lbl\":[\"rare\",\"common\"]" : ",\"lbl\":[\"common\"]");
	}
	discover(t, "cse", "fu=1&lbl=rare", &l);
	assert_int_equal(l.n, 3);
	names_free(&l);
	discover(t, "cse/r", "fu=1&lbl=rare", &l);
	assert_int_equal(l.n, 3);
	names_free(&l);
	discover(t, "cse", "fu=1&ty=1", &l);
	assert_int_equal(l.n, 1);
	names_free(&l);
	discover(t, "cse/r", "fu=1&clbl=rare", &l); /* the parent is the root itself */
	assert_int_equal(l.n, 0);
	/* a popular label or type, asked for in a small place */
	discover(t, "cse/small", "fu=1&lbl=common", &l);
	assert_int_equal(l.n, 1);
	names_free(&l);
	discover(t, "cse/small", "fu=1&ty=3", &l);
	assert_int_equal(l.n, 1);
	names_free(&l);
	/* few wanted of many */
	must(ask(t, ADMIN, "cse", "fu=1&lbl=common&lim=5", &a), 2000);
	take(&l, a.out);
	assert_int_equal(l.n, 5);
	assert_int_equal(a.cnot, 6);
	names_free(&l);
	/* more looks than allowed: what was found, and that it is not all */
	must(ask(t, ADMIN, "cse", "fu=1&rn=c299", &a), 2000);
	assert_int_equal(a.cnst, 1);
	assert_string_equal(a.out, "{\"m2m:uril\":[]}");
	assert_true(atomic_load(&t->core->metrics.limit_results) > 0);
	must(ask(t, ADMIN, "cse/r", "rcn=6&rn=c299", &a), 2000);
	assert_int_equal(a.cnst, 1);
	free(a.out);
}

static int few_results(void **state)
{
	struct cse *t;

	if (cse_setup(state) != 0)
		return -1;
	t = *state;
	t->cfg.limits.results = 10;
	return 0;
}

/* CORE-095: the local limit is the lower one and shows. */
static void the_local_limit_of_results(void **state)
{
	struct cse *t = *state;
	struct names l = { .n = 0 };
	struct asked a = { .out = NULL };

	cnt(t, "cse", "r", NULL);
	for (int i = 0; i < 12; i++) {
		char name[16];

		snprintf(name, sizeof(name), "c%d", i);
		cnt(t, "cse/r", name, NULL);
	}
	for (int rcn = 0; rcn < 2; rcn++) {
		must(ask(t, ADMIN, "cse/r", rcn ? "rcn=6&lim=11" : "fu=1&lim=11", &a), 2000);
		take(&l, a.out);
		assert_int_equal(l.n, 10);
		assert_int_equal(a.cnst, 1);
		assert_int_equal(a.cnot, 11);
		must(ask(t, ADMIN, "cse/r", rcn ? "rcn=6&ofst=11" : "fu=1&ofst=11", &a), 2000);
		take(&l, a.out);
		assert_int_equal(l.n, 12);
		assert_int_equal(a.cnst, 0);
		names_free(&l);
		must(ask(t, ADMIN, "cse/r", rcn ? "rcn=6&lim=0" : "fu=1&lim=0", &a), 2000);
		take(&l, a.out);
		assert_int_equal(l.n, 0);
		assert_int_equal(a.cnst, 1);
	}
	free(a.out);
}

static int small_answers(void **state)
{
	struct cse *t;

	if (cse_setup(state) != 0)
		return -1;
	t = *state;
	t->cfg.limits.response = 1600;
	return 0;
}

/* CORE-077, CORE-078: limits.response cuts between direct children, and the rest can be had. */
static void the_size_of_an_answer_is_limited(void **state)
{
	static const char *const queries[] = { "rcn=4", "rcn=5", "rcn=6", "rcn=8", "fu=1", "fu=1&rcn=6" };
	struct cse *t = *state;
	struct asked a = { .out = NULL };

	cnt(t, "cse", "r", NULL);
	for (int i = 0; i < 50; i++) {
		char name[16], path[32];

		snprintf(name, sizeof(name), "child%d", i);
		snprintf(path, sizeof(path), "cse/r/%s", name);
		cnt(t, "cse/r", name, NULL);
		cnt(t, path, "below", NULL);
	}
	for (size_t q = 0; q < 6; q++) {
		uint32_t offset = 1, pages = 0;
		size_t seen = 0;

		do {
			char query[64];

			snprintf(query, sizeof(query), "%s&ofst=%u", queries[q], offset);
			must(ask(t, ADMIN, "cse/r", query, &a), 2000);
			assert_true(strlen(a.out) <= 1600);
			for (const char *p = a.out; (p = strstr(p, q == 4 ? "/child" : "\"child")) != NULL; p++)
				seen++;
			if (a.cnst)
				assert_true(a.cnot > offset);
			offset = a.cnot;
			pages++;
		} while (a.cnst);
		assert_true(pages > 1);
		assert_int_equal(seen, q == 4 ? 100 : 50); /* addresses have the name twice: its own and that of what is below */
	}
	free(a.out);
}

/* A direct child with more below it than lim is left out whole, and the answer says where it stopped. */
static void a_direct_child_is_not_cut(void **state)
{
	struct cse *t = *state;
	struct asked a = { .out = NULL };

	cnt(t, "cse", "r", NULL);
	cnt(t, "cse/r", "a", NULL);
	cnt(t, "cse/r", "big", NULL);
	for (int i = 0; i < 5; i++) {
		char name[16];

		snprintf(name, sizeof(name), "x%d", i);
		cnt(t, "cse/r/big", name, NULL);
	}
	/* CORE-077 */
	must(ask(t, ADMIN, "cse/r", "rcn=8&lim=4", &a), 2000);
	expect_part(a.out, "\"rn\":\"a\"");
	expect_no_part(a.out, "\"rn\":\"big\"");
	expect_no_part(a.out, "\"rn\":\"x0\"");
	assert_int_equal(a.cnst, 1);
	assert_int_equal(a.cnot, 2);
	must(ask(t, ADMIN, "cse/r", "rcn=8&lim=6&ofst=2", &a), 2000);
	expect_part(a.out, "\"rn\":\"x4\"");
	assert_int_equal(a.cnst, 0);
	free(a.out);
}

/* --- who sees what --- */

#define OPS(who, n) "{\"acor\":[\"" who "\"],\"acop\":" #n "}"

/* AUTHZ-141, AUTHZ-140, CORE-080, CORE-083: limits count what may be seen; offsets tell nothing about the rest. */
static void the_hidden_is_not_counted(void **state)
{
	struct cse *t = *state;
	struct asked a = { .out = NULL };
	struct names l = { .n = 0 };

	made(t, ADMIN, "cse", 1, "{\"m2m:acp\":{\"rn\":\"open\",\"pv\":{\"acr\":[" OPS("all", 34) "," OPS(ADMIN, 63) "]},\"pvs\":{\"acr\":["
				 OPS(ADMIN, 63) "]}}}");
	made(t, ADMIN, "cse", 1, "{\"m2m:acp\":{\"rn\":\"reg\",\"pv\":{\"acr\":[" OPS(ADMIN, 63) "]},"
				 "\"pvs\":{\"acr\":[" OPS(ADMIN, 63) "]}}}");
	made(t, "C", "cse", 2, "{\"m2m:ae\":{\"rn\":\"app\",\"api\":\"Napp\",\"rr\":false,\"srv\":[\"3\"]}}");
	must(ask(t, ADMIN, "cse", "fu=1&ty=2", &a), 2000);
	cnt(t, "cse", "r", ",\"acpi\":[\"cse/open\"]");
	for (int i = 0; i < 20; i++) {
		char name[16], path[32];

		snprintf(name, sizeof(name), "%s%d", i % 2 ? "seen" : "dark", i);
		snprintf(path, sizeof(path), "cse/r/%s", name);
		cnt(t, "cse/r", name, i % 2 ? ",\"acpi\":[\"cse/open\"],\"lbl\":[\"x\"]" : ",\"acpi\":[\"cse/reg\"],\"lbl\":[\"x\"]");
		if (i == 4)
			cnt(t, path, "lit", ",\"acpi\":[\"cse/open\"],\"lbl\":[\"x\"]");
	}
	for (int q = 0; q < 4; q++) {
		static const char *const queries[] = { "fu=1&lim=5", "fu=1&lbl=x&lim=5", "fu=1&ty=3&lim=5", "rcn=6&lim=5" };

		must(ask(t, ADMIN, "cse/r", queries[q], &a), 2000); /* the administrator sees all: 21 */
		must(ask(t, "/Sviewer", "cse/r", queries[q], &a), 2000);
		take(&l, a.out);
		assert_int_equal(l.n, 5);
		expect_no_part(a.out, "dark0");
		assert_int_equal(a.cnot, 6);
		names_free(&l);
	}
	must(ask(t, "/Sviewer", "cse/r", "fu=1", &a), 2000);
	take(&l, a.out);
	assert_int_equal(l.n, 11);
	expect_part(a.out, "cse/r/dark4/lit"); /* AUTHZ-136 */
	names_free(&l);
	must(ask(t, "/Sviewer", "cse/r", "rcn=8", &a), 2000); /* what is below a hidden one hangs under the nearest shown one */
	expect_part(a.out, "\"rn\":\"lit\"");
	expect_no_part(a.out, "dark");
	free(a.out);
}

/* What has expired is gone for every source, with what is below it, removed already or not. */
static void the_expired_is_not_found(void **state)
{
	struct cse *t = *state;
	struct names l = { .n = 0 };
	char more[128], et[TEXT_TIMESTAMP_MAX + 1];
	static const char *const queries[] = { "fu=1", "fu=1&lbl=x", "fu=1&ty=3", "fu=1&ty=4", "fu=1&clbl=x", "rcn=6" };
	usec soon = clock_wall() + 2 * USEC_S;

	et[text_timestamp_write(soon, et)] = 0;
	snprintf(more, sizeof(more), ",\"lbl\":[\"x\"],\"et\":\"%s\"", et);
	cnt(t, "cse", "r", NULL);
	cnt(t, "cse/r", "a", more);
	cnt(t, "cse/r/a", "b", ",\"lbl\":[\"x\"]");
	cin(t, "cse/r/a/b", "i", ",\"lbl\":[\"x\"]");
	for (size_t q = 0; q < 6; q++) {
		discover(t, "cse/r", queries[q], &l);
		assert_true(l.n > 0);
		names_free(&l);
	}
	while (clock_wall() < soon) {
		struct timespec pause = { .tv_nsec = 20000000 };
		nanosleep(&pause, NULL); /* for the moment itself; nothing else happens then */
	}
	for (size_t q = 0; q < 6; q++) {
		discover(t, "cse/r", queries[q], &l);
		assert_int_equal(l.n, 0);
	}
}

/* CORE-085, AUTHZ-138: for every source */
static void nothing_below_an_inactive_ae_is_found(void **state)
{
	static const char *const queries[] = { "fu=1", "fu=1&lbl=x", "fu=1&ty=2+3", "fu=1&ty=4", "fu=1&clbl=x" };
	struct cse *t = *state;
	struct names l = { .n = 0 };

	made(t, "Capp", "cse", 2, "{\"m2m:ae\":{\"rn\":\"app\",\"api\":\"Napp\",\"rr\":false,\"srv\":[\"3\"],\"lbl\":[\"x\"]}}");
	must(call(t, OP_CREATE, "Capp", "cse/app", 3, "{\"m2m:cnt\":{\"rn\":\"c\",\"lbl\":[\"x\"]}}"), 2001);
	must(call(t, OP_CREATE, "Capp", "cse/app/c", 4, "{\"m2m:cin\":{\"rn\":\"i\",\"con\":\"1\",\"lbl\":[\"x\"]}}"), 2001);
	for (int inactive = 0; inactive < 2; inactive++) {
		if (inactive)
			must(call(t, OP_UPDATE, "Capp", "cse/app", 0, "{\"m2m:ae\":{\"regs\":2}}"), 2004);
		for (size_t q = 0; q < 5; q++)
			for (int root = 0; root < 3; root++) {
				static const char *const roots[] = { "cse", "cse/app", "cse/app/c" };
				struct asked a = { .out = NULL };

				must(ask(t, "Capp", roots[root], queries[q], &a), 2000);
				take(&l, a.out);
				if (inactive)
					assert_int_equal(l.n, 0);
				else if (root == 0)
					assert_true(l.n > 0);
				names_free(&l);
				free(a.out);
			}
	}
}

/* CORE-148: instances that may not be retrieved are not shown by way of their container */
static void withheld_instances_are_not_shown(void **state)
{
	struct cse *t = *state;
	struct asked a = { .out = NULL };

	cnt(t, "cse", "r", NULL);
	cnt(t, "cse/r", "c", ",\"disr\":true");
	cnt(t, "cse/r/c", "sub", NULL);
	cin(t, "cse/r/c", "secret", NULL);
	for (int i = 0; i < 2; i++) {
		must(ask(t, ADMIN, i ? "cse/r" : "cse/r/c", "rcn=4", &a), 2000);
		expect_part(a.out, "\"rn\":\"sub\"");
		expect_no_part(a.out, "secret");
	}
	free(a.out);
}

/* CORE-096 */
static void relative_paths(void **state)
{
	struct cse *t = *state;
	struct names l = { .n = 0 };

	cnt(t, "cse", "r", NULL);
	cnt(t, "cse/r", "a", ",\"lbl\":[\"m\"]");
	cnt(t, "cse/r", "b", ",\"lbl\":[\"m\"]");
	cnt(t, "cse/r/a", "x", NULL);
	cnt(t, "cse/r/b", "x", NULL);
	cin(t, "cse/r/a/x", "i1", NULL);
	cin(t, "cse/r/a/x", "i2", NULL);
	discover(t, "cse/r", "fu=1&lbl=m&arp=x", &l);
	assert_int_equal(l.n, 2);
	names_free(&l);
	discover(t, "cse/r", "fu=1&lbl=m&arp=x/la", &l);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.v[0], "cse/r/a/x/i2");
	names_free(&l);
	discover(t, "cse/r", "fu=1&lbl=m&arp=..", &l); /* the same from both */
	assert_int_equal(l.n, 1);
	assert_string_equal(l.v[0], "cse/r");
	names_free(&l);
	discover(t, "cse/r", "fu=1&lbl=m&arp=../b/./x", &l);
	assert_int_equal(l.n, 1);
	names_free(&l);
	discover(t, "cse/r", "fu=1&lbl=m&arp=../../../..", &l);
	assert_int_equal(l.n, 0);
	discover(t, "cse/r", "fu=1&lbl=m&arp=nothing", &l);
	assert_int_equal(l.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cse_test(every_source_finds_the_same),
		cmocka_unit_test_setup_teardown(a_question_with_an_index_is_not_paid_by_the_tree, few_visits, cse_teardown),
		cmocka_unit_test_setup_teardown(the_local_limit_of_results, few_results, cse_teardown),
		cmocka_unit_test_setup_teardown(the_size_of_an_answer_is_limited, small_answers, cse_teardown),
		cse_test(a_direct_child_is_not_cut),
		cse_test(the_hidden_is_not_counted),
		cse_test(the_expired_is_not_found),
		cse_test(nothing_below_an_inactive_ae_is_found),
		cse_test(withheld_instances_are_not_shown),
		cse_test(relative_paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
