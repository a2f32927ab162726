/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve policy test`: every case is judged by the decision of the CSE itself, over files or a snapshot of a store; what was not
 * expected is told with its story. */
#include <stdio.h>
#include <stdlib.h>

#include "authz/cases.h"
#include "main/commands.h"
#include "main/policy.h"

struct run {
	struct settings s;
	struct policy_asked q;
	struct arena memory;         /* cases and policies */
	struct ident_home home;
	struct policy_options o;
	struct explain_set *set;     /* judged by these, or */
	struct look look;            /* by this */
	struct cases cases;
	usec now;
	size_t surprises;
};

struct verdict {
	enum case_outcome got;
	bool failed;                 /* it could not be judged at all; `why` */
	char why[256];
	struct buf story;            /* JSON; empty when access was not decided */
};

/* --- judging --- */

static void judge_by_files(struct run *t, const struct policy_case *c, struct verdict *v)
{
	struct facts f = { .who = c->from, .authenticated = c->authenticated, .op = c->op, .target_ty = c->target_ty,
			   .child_ty = c->op == ACOP_CREATE ? c->child_ty : 0, .target_cnd = c->target_cnd, .target_mgd = c->target_mgd,
			   .ip_known = c->ip_known, .position_known = c->position_known, .latitude = c->latitude,
			   .longitude = c->longitude, .roles = c->roles, .n_roles = c->n_roles };
	_Alignas(16) char first[4096];
	struct arena a;
	bool permitted;
	enum reeve_rc rc;

	memcpy(f.ip, c->ip, sizeof(f.ip));
	memcpy(f.country, c->country, sizeof(f.country));
	text_time_of(c->time_given ? c->time : t->now, &f.time);
	arena_init(&a, first, sizeof(first), 1 << 20);
	rc = explain_judge(t->set, &a, c->policies, c->n_policies, &f, &v->story, &permitted);
	arena_reset(&a);
	v->got = permitted ? CASE_PERMIT : CASE_DENY;
	v->failed = rc != RC_OK;
	if (rc == RC_NOTFOUND)
		snprintf(v->why, sizeof(v->why), "it names a policy that is in none of the files");
	else if (rc != RC_OK)
		snprintf(v->why, sizeof(v->why), "it cannot be judged: %s", rc_name(rc));
}

static void judge_by_store(struct run *t, const struct policy_case *c, struct verdict *v)
{
	static const enum op ops[] = { OP_CREATE, OP_RETRIEVE, OP_UPDATE, OP_DELETE, OP_NOTIFY, OP_RETRIEVE };
	struct would w = { .from = c->from, .to = c->to, .op = ops[__builtin_ctz(c->op)], .discovery = c->op == ACOP_DISCOVERY,
			   .ty = c->child_ty, .when = c->time_given ? c->time : t->now, .ip_known = c->ip_known,
			   .authenticated = c->authenticated, .roles = c->roles, .n_roles = c->n_roles,
			   .position_known = c->position_known, .latitude = c->latitude, .longitude = c->longitude };
	bool permitted;
	enum reeve_rc rc;

	memcpy(w.ip, c->ip, sizeof(w.ip));
	memcpy(w.country, c->country, sizeof(w.country));
	if (!c->to.n) {
		v->failed = true;
		snprintf(v->why, sizeof(v->why), "\"to\" is missing: on which resource?");
		return;
	}
	rc = look_would(&t->look, &w, &v->story, &permitted, v->why);
	v->got = rc == RC_REFUSED ? CASE_REFUSE : permitted ? CASE_PERMIT : CASE_DENY;
	v->failed = rc != RC_OK && rc != RC_REFUSED;
}

/* --- telling --- */

static void add_case_json(struct buf *b, const struct policy_case *c, const struct verdict *v, bool ok)
{
	buf_lit(b, "{\"name\":");
	buf_json(b, c->name);
	buf_printf(b, ",\"ok\":%s,\"expected\":\"%s\",\"got\":\"%s\"", ok ? "true" : "false", case_outcome_name(c->expect),
		   v->failed ? "error" : case_outcome_name(v->got));
	if (v->why[0]) {
		buf_lit(b, ",\"why\":");
		buf_json(b, slice_str(v->why));
	}
	if (!ok && v->story.n) {
		buf_lit(b, ",\"decision\":");
		buf_slice(b, buf_view(&v->story));
	}
	buf_char(b, '}');
}

static void tell_json(const struct policy_case *c, const struct verdict *v, bool ok, size_t i)
{
	struct buf b;

	buf_init(&b, 16 << 20);
	add_case_json(&b, c, v, ok);
	fputs(i ? ",\n " : "\n ", stdout);
	if (b.n)
		fwrite(b.p, 1, b.n, stdout);
	buf_free(&b);
}

/* The story as text, each line behind `before`. */
static void tell_story(const struct verdict *v, const char *before)
{
	struct slice rest;
	struct buf text;

	buf_init(&text, 16 << 20);
	if (v->story.n)
		decision_write_text(&text, buf_view(&v->story));
	rest = buf_view(&text);
	while (rest.n) {
		struct slice line = slice_cut(&rest, '\n');
		printf("%s%.*s\n", before, SF(line));
	}
	buf_free(&text);
}

static void tell_text(const struct run *t, const struct policy_case *c, const struct verdict *v, bool ok, size_t i)
{
	if (ok && t->q.quiet)
		return;
	if (t->q.tap)
		printf("%s %zu - ", ok ? "ok" : "not ok", i + 1);
	else
		printf("%-9s ", ok ? "ok" : "SURPRISE");
	policy_print(c->name);
	putchar('\n');
	if (ok)
		return;
	printf(t->q.tap ? "# " : "  ");
	printf("expected %s, got %s%s%s\n", case_outcome_name(c->expect), v->failed ? "an error" : case_outcome_name(v->got),
	       v->why[0] ? ": " : "", v->why);
	tell_story(v, t->q.tap ? "#   " : "    ");
}

static void run_case(struct run *t, size_t i)
{
	const struct policy_case *c = &t->cases.v[i];
	struct verdict v = { .why = "" };
	bool ok;

	buf_init(&v.story, 4 << 20);
	if (t->set)
		judge_by_files(t, c, &v);
	else
		judge_by_store(t, c, &v);
	ok = !v.failed && v.got == c->expect;
	t->surprises += !ok;
	if (t->q.json)
		tell_json(c, &v, ok, i);
	else
		tell_text(t, c, &v, ok, i);
	buf_free(&v.story);
}

/* --- the command --- */

/* Policies named in the file of cases lie beside it. */
static const char *beside(struct run *t, const char *file, struct slice name)
{
	const char *slash = strrchr(file, '/');

	if (!slash || name.p[0] == '/')
		return arena_dup(&t->memory, name).p;
	return arena_printf(&t->memory, "%.*s/%.*s", (int)(slash - file), file, SF(name)).p;
}

static bool read_cases(struct run *t, const char *file)
{
	struct slice text, why = S("malformed");

	if (!policy_file_text(&t->memory, "policy test", file, &text))
		return false;
	if (cases_read(&t->memory, text, &t->cases, &why) != RC_OK) {
		fprintf(stderr, "reeve policy test: %s: %.*s\n", file, SF(why));
		return false;
	}
	return true;
}

/* By files when there are any, unless the command line names a store. */
static bool prepare(struct run *t, const char *file)
{
	bool store = t->s.from[option_find(S("store.data"))] == FROM_FLAG;

	if (!read_cases(t, file))
		return false;
	for (size_t i = 0; !store && i < t->cases.n_policies && t->q.n_files < POLICY_FILES_MAX; i++)
		if (!(t->q.files[t->q.n_files++] = beside(t, file, t->cases.policies[i])))
			return false;
	if (!t->q.n_files)
		return policy_look(&t->s, "policy test", &t->look);
	t->home = policy_home(&t->s.c, &t->memory);
	t->o = (struct policy_options){ .home = &t->home, .domain_wildcards = t->s.c.domain_wildcards, .positions = true,
					.countries = true };
	t->set = policy_compile_files(&t->memory, &t->o, "policy test", t->q.files, t->q.n_files);
	return t->set != NULL;
}

static int run_all(struct run *t)
{
	if (t->q.json)
		printf("{\"cases\":[");
	else if (t->q.tap)
		printf("TAP version 13\n1..%zu\n", t->cases.n);
	for (size_t i = 0; i < t->cases.n; i++)
		run_case(t, i);
	if (t->q.json)
		printf("\n],\"surprises\":%zu}\n", t->surprises);
	else if (!t->q.tap)
		printf("%zu case%s, %zu surprise%s\n", t->cases.n, t->cases.n == 1 ? "" : "s", t->surprises, t->surprises == 1 ? "" : "s");
	return t->surprises ? EXIT_REFUSED : EXIT_OK;
}

int policy_test(int argc, char **argv)
{
	struct run t = { .q = { .command = "policy test", .max_operands = 1, .takes = TAKES_FILES | TAKES_TAP | TAKES_QUIET },
			 .now = clock_wall() };
	int status = policy_arguments(&t.s, &t.q, argc, argv);

	arena_init(&t.memory, NULL, 0, POLICY_MEMORY);
	if (status == EXIT_OK && t.q.n_operands != 1)
		status = usage_error(t.q.command, "name one file of cases");
	if (status == EXIT_OK)
		status = prepare(&t, t.q.operand[0]) ? run_all(&t) : EXIT_UNREACHABLE;
	explain_set_free(t.set);
	if (t.look.core)
		look_close(&t.look);
	arena_reset(&t.memory);
	settings_free(&t.s);
	return status;
}
