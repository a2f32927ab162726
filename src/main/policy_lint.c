/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve policy lint`: findings about policies of files or of a store, one line each with what to do. */
#include <stdio.h>

#include "core/survey/survey.h"
#include "main/commands.h"
#include "main/policy.h"

struct run {
	struct settings s;
	struct policy_asked q;
	struct arena memory;
	size_t counts[LINT_ERROR + 1];
};

static void place(const struct lint_finding *f)
{
	if (f->resource.n) {
		policy_print(f->resource);
		if (f->policy.n)
			putchar(' ');
	}
	if (f->policy.n) {
		printf(f->resource.n ? "(" : "");
		policy_print(f->policy);
		printf(f->resource.n ? ")" : "");
	}
	if (f->part)
		printf(" %s", f->part);
	if (f->rule >= 0)
		printf(" rule %d", f->rule);
}

static void tell_text(const struct lint_finding *f)
{
	printf("%-8s %s: ", lint_severity_name(f->severity), f->code);
	place(f);
	fputs(": ", stdout);
	policy_print(f->why);
	fputs("\n         ", stdout);
	policy_print(f->remedy);
	putchar('\n');
}

static void member(struct buf *b, const char *name, struct slice s)
{
	if (!s.n)
		return;
	buf_printf(b, ",\"%s\":", name);
	buf_json(b, s);
}

static void tell_json(const struct lint_finding *f, bool first)
{
	struct buf b;

	buf_init(&b, 65536);
	buf_printf(&b, "%s\n {\"severity\":\"%s\",\"code\":\"%s\"", first ? "" : ",", lint_severity_name(f->severity), f->code);
	member(&b, "resource", f->resource);
	member(&b, "policy", f->policy);
	member(&b, "part", slice_str(f->part));
	if (f->rule >= 0)
		buf_printf(&b, ",\"rule\":%d", f->rule);
	member(&b, "why", f->why);
	member(&b, "remedy", f->remedy);
	buf_char(&b, '}');
	if (b.n)
		fwrite(b.p, 1, b.n, stdout);
	buf_free(&b);
}

static void tell(void *ctx, const struct lint_finding *f)
{
	struct run *t = ctx;
	bool first = t->counts[0] + t->counts[1] + t->counts[2] == 0;

	t->counts[f->severity]++;
	if (t->q.json)
		tell_json(f, first);
	else
		tell_text(f);
}

static bool by_files(struct run *t, struct lint *l)
{
	const struct config *c = &t->s.c;
	const struct ident_home home = policy_home(c, &t->memory);
	const struct policy_options o = { .home = &home, .domain_wildcards = c->domain_wildcards, .positions = true, .countries = true };
	struct explain_set *set = policy_compile_files(&t->memory, &o, "policy lint", t->q.files, t->q.n_files);
	const struct policy *const *v;
	bool ok = set != NULL;
	size_t n = set ? explain_set_policies(set, &v) : 0;

	l->reading.o = &o;
	for (size_t i = 0; i < n && ok; i++)
		ok = lint_policy(l, v[i], false, &t->memory) == RC_OK;
	explain_set_free(set);
	return ok;
}

static bool by_store(struct run *t, struct lint *l)
{
	struct look k;
	enum reeve_rc rc;

	if (!policy_look(&t->s, "policy lint", &k))
		return false;
	rc = survey_lint(&k, l);
	if (rc != RC_OK)
		fprintf(stderr, "reeve policy lint: the store cannot be read: %s\n", rc_name(rc));
	look_close(&k);
	return rc == RC_OK;
}

static int run(struct run *t)
{
	struct lint l = { .now = clock_wall(), .tell = tell, .ctx = t };
	bool ok;

	if (t->q.json)
		printf("{\"findings\":[");
	ok = t->q.n_files ? by_files(t, &l) : by_store(t, &l);
	if (t->q.json)
		printf("\n],\"errors\":%zu,\"warnings\":%zu,\"notes\":%zu}\n", t->counts[LINT_ERROR], t->counts[LINT_WARNING],
		       t->counts[LINT_NOTE]);
	else if (ok)
		printf("%zu error%s, %zu warning%s, %zu note%s\n", t->counts[LINT_ERROR], t->counts[LINT_ERROR] == 1 ? "" : "s",
		       t->counts[LINT_WARNING], t->counts[LINT_WARNING] == 1 ? "" : "s", t->counts[LINT_NOTE],
		       t->counts[LINT_NOTE] == 1 ? "" : "s");
	if (!ok)
		return EXIT_UNREACHABLE;
	return t->counts[LINT_ERROR] || t->counts[LINT_WARNING] || (t->q.strict && t->counts[LINT_NOTE]) ? EXIT_REFUSED : EXIT_OK;
}

int policy_lint(int argc, char **argv)
{
	struct run t = { .q = { .command = "policy lint", .takes = TAKES_FILES | TAKES_STRICT } };
	int status = policy_arguments(&t.s, &t.q, argc, argv);

	arena_init(&t.memory, NULL, 0, POLICY_MEMORY);
	if (status == EXIT_OK)
		status = run(&t);
	arena_reset(&t.memory);
	settings_free(&t.s);
	return status;
}
