/* SPDX-License-Identifier: Apache-2.0 */
/* Offline explanations; the examples of docs/access-control.md are the vectors. */
#include "authz_support.h"

#include <arpa/inet.h>

#include "authz/explain.h"

struct story {
	bool permitted;
	struct buf out;
	char tests[256]; /* "operation, originator": of each rule shown */
};

static struct slice read_page(const char *path)
{
	FILE *f = fopen(path, "re");
	char *p = malloc(1 << 18);
	size_t n;

	assert_non_null(f);
	assert_non_null(p);
	n = fread(p, 1, 1 << 18, f);
	assert_in_range(n, 1, (1 << 18) - 1);
	fclose(f);
	return slice_of(p, n);
}

static struct slice line_of(struct slice *rest) { return slice_cut(rest, '\n'); }

/* The inside of the next fence ```kind, or p == NULL. */
static struct slice fence(struct slice *rest, const char *kind)
{
	char open[32];
	const char *from;

	snprintf(open, sizeof(open), "```%s", kind);
	while (rest->p)
		if (slice_eq(line_of(rest), SLICE(open)))
			break;
	if (!rest->p)
		return (struct slice){ NULL, 0 };
	from = rest->p;
	for (;;) {
		struct slice line = line_of(rest);
		assert_non_null(rest->p);
		if (slice_eq(line, S("```")))
			return slice_of(from, (size_t)(line.p - from));
	}
}

static void word(struct facts *f, char *w, struct slice *role)
{
	static const char *const ops[] = { "create", "retrieve", "update", "delete", "notify", "discovery" };
	usec t;

	for (unsigned i = 0; i < 6; i++)
		if (strcmp(w, ops[i]) == 0) {
			f->op = 1u << i;
			return;
		}
	if (strcmp(w, "authenticated") == 0) {
		f->authenticated = true;
	} else if (sscanf(w, "target=%d", &f->target_ty) == 1 || sscanf(w, "child=%d", &f->child_ty) == 1) {
	} else if (strncmp(w, "cnd=", 4) == 0) {
		f->target_cnd = SLICE(w + 4);
	} else if (strncmp(w, "time=", 5) == 0) {
		assert_true(text_timestamp(SLICE(w + 5), &t));
		text_time_of(t, &f->time);
	} else if (strncmp(w, "from=", 5) == 0) {
		f->ip_known = true;
		memset(f->ip + 10, 0xff, 2);
		if (inet_pton(AF_INET, w + 5, f->ip + 12) != 1)
			assert_int_equal(inet_pton(AF_INET6, w + 5, f->ip), 1);
	} else if (sscanf(w, "at=%lf,%lf", &f->latitude, &f->longitude) == 2) {
		f->position_known = true;
	} else if (strncmp(w, "country=", 8) == 0) {
		memcpy(f->country, w + 8, 3);
	} else if (strncmp(w, "role=", 5) == 0) {
		*role = SLICE(w + 5);
		f->roles = role;
		f->n_roles = 1;
	} else {
		fail_msg("the test does not know \"%s\"", w);
	}
}

static void tests_of(struct story *s)
{
	struct slice why;
	struct arena a;
	struct json j;
	uint32_t rules;
	size_t n = 0;

	arena_init(&a, NULL, 0, 1 << 20);
	assert_int_equal(json_parse(&a, buf_view(&s->out), &json_default_limits, &j, &why), RC_OK);
	rules = json_member(&j, json_member(&j, 0, S("policies")) + 1, S("rules"));
	assert_int_not_equal(rules, 0);
	for (uint32_t i = rules + 1; i < j.tok[rules].next; i = j.tok[i].next) {
		struct slice t = json_string(&a, &j, json_member(&j, i, S("test")));
		n += (size_t)snprintf(s->tests + n, sizeof(s->tests) - n, "%s%.*s", n ? ", " : "", SF(t));
	}
	arena_reset(&a);
}

static void example(struct slice policy, const char *line)
{
	struct facts f = facts_of(NULL, 0);
	struct explain_policy p = { S("example"), policy, S("{\"acr\":[]}") };
	struct slice role;
	char text[256], *save, *arrow, *w;
	struct story s = { 0 };
	struct arena a;

	snprintf(text, sizeof(text), "%s", line);
	arrow = strstr(text, "->");
	assert_non_null(arrow);
	*arrow = '\0';
	f.who = SLICE(strtok_r(text, " ", &save)); /* not canonical, no hash: explain_offline does it */
	f.who_hash = 0;
	while ((w = strtok_r(NULL, " ", &save)))
		word(&f, w, &role);
	arena_init(&a, NULL, 0, 1 << 20);
	buf_init(&s.out, 1 << 20);
	assert_int_equal(explain_offline(&located, &a, &p, 1, &f, &s.out, &s.permitted), RC_OK);
	tests_of(&s);
	arrow += 3;
	if (strncmp(arrow, "permitted", 9) == 0 ? !s.permitted : s.permitted)
		fail_msg("%s: is %s (%s)", line, s.permitted ? "permitted" : "denied", s.tests);
	if (!s.permitted && (strncmp(arrow, "denied: ", 8) != 0 || strcmp(arrow + 8, s.tests) != 0))
		fail_msg("%s: the tests are %s", line, s.tests);
	buf_free(&s.out);
	arena_reset(&a);
}

static void examples(void **state)
{
	struct slice page = read_page("docs/access-control.md"), rest = page, policy, lines;
	unsigned n = 0;

	while ((policy = fence(&rest, "json")).p) {
		lines = fence(&rest, "decisions");
		assert_non_null(lines.p);
		while (lines.n) {
			char line[256];
			struct slice l = line_of(&lines);
			snprintf(line, sizeof(line), "%.*s", SF(l));
			example(policy, line);
			n++;
		}
	}
	assert_in_range(n, 30, 1000);
	free((char *)page.p);
}

static void self_privileges(void **state)
{
	struct explain_policy p = { S("acp"), S("{\"acr\":[{\"acor\":[\"CAE1\"],\"acop\":63}]}"), S("{\"acr\":[{\"acor\":[\"CAdmin\"],\"acop\":4}]}") };
	struct facts f = facts_of("CAE1", ACOP_UPDATE);
	bool permitted;
	struct arena a;
	struct buf b;

	arena_init(&a, NULL, 0, 1 << 20);
	buf_init(&b, 1 << 20);
	assert_int_equal(explain_offline(&plain, &a, &p, 1, &f, &b, &permitted), RC_OK);
	assert_true(permitted);
	f.target_ty = 1; /* AUTHZ-053: pv says nothing about the policy itself */
	buf_clear(&b);
	assert_int_equal(explain_offline(&plain, &a, &p, 1, &f, &b, &permitted), RC_OK);
	assert_false(permitted);
	f.who = S("CAdmin");
	buf_clear(&b);
	assert_int_equal(explain_offline(&plain, &a, &p, 1, &f, &b, &permitted), RC_OK);
	assert_true(permitted);
	buf_free(&b);
	arena_reset(&a);
}

static void faults(void **state)
{
	static const struct { const char *pv, *pvs; enum reeve_rc rc; const char *text; } t[] = {
		{ "{\"acr\":[{\"acor\":[\"all\"],\"acop\":0}]}", "", RC_INVALID, "\"error\":\"pv: acr[0].acop must be" },
		{ "", "{\"acr\":[{\"acor\":[\"all\"]}]}", RC_INVALID, "\"error\":\"pvs: acr[0].acop is missing" },
		{ "{\"acr\":", "", RC_SYNTAX, "\"policy\":\"x\",\"error\":\"pv: " },
		{ "{\"acr\":[{\"acor\":[\"all\"],\"acop\":2,\"acco\":[{\"aclr\":{\"accc\":[\"FR\"]}}]}]}", "", RC_UNSUPPORTED, "country" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct explain_policy p = { S("x"), SLICE(t[i].pv), SLICE(t[i].pvs) };
		struct facts f = facts_of("CAE1", ACOP_RETRIEVE);
		bool permitted = true;
		struct arena a;
		struct buf b;

		arena_init(&a, NULL, 0, 1 << 20);
		buf_init(&b, 1 << 20);
		assert_int_equal(explain_offline(&plain, &a, &p, 1, &f, &b, &permitted), t[i].rc);
		assert_false(permitted);
		buf_char(&b, '\0');
		if (!strstr(b.p, t[i].text))
			fail_msg("%s", b.p);
		buf_free(&b);
		arena_reset(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(examples), cmocka_unit_test(self_privileges), cmocka_unit_test(faults) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
