/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve policy who-can`, `reeve policy what-can`: rights as they follow from the policies of a store. */
#include <stdio.h>

#include "authz/cases.h"
#include "core/survey/survey.h"
#include "main/commands.h"
#include "main/policy.h"

enum { WHO_LIMIT = 1000, EXAMPLES = 10 };

static void print_buf(struct buf *b)
{
	if (b->n)
		fwrite(b->p, 1, b->n, stdout);
	buf_free(b);
}

static const char *type_name(int32_t ty)
{
	const struct model_res *m = model_by_ty(ty);
	return m ? m->name : "unknown type";
}

static void add_rule_json(struct buf *b, const struct survey_rule *r, const struct survey_entry *e)
{
	buf_printf(b, "\"form\":\"%s\",\"entry\":", survey_form_name(e->form));
	buf_json(b, e->text);
	buf_lit(b, ",\"policy\":");
	buf_json(b, policy_name(r->policy));
	buf_printf(b, ",\"rule\":%u,\"conditions\":{", r->index);
	survey_conditions_json(b, r);
	buf_char(b, '}');
}

/* "by pattern "C*", policy 1-3 rule 0 if authenticated" */
static void add_rule_text(struct buf *b, const struct survey_rule *r, const struct survey_entry *e, bool entry)
{
	buf_printf(b, "%s", survey_form_name(e->form));
	if (entry)
		buf_printf(b, " \"%.*s\"", SF(e->text));
	buf_printf(b, ", policy %.*s rule %u", SF(policy_name(r->policy)), r->index);
	survey_conditions_text(b, r);
}

static void print_text_line(struct buf *b)
{
	policy_print(buf_view(b));
	putchar('\n');
	buf_free(b);
}

/* --- who-can --- */

struct who { struct policy_asked q; struct survey_who w; uint64_t seen, shown; bool begun; };

static void begin_who(struct who *t)
{
	const struct survey_who *w = &t->w;
	struct buf b;

	if (t->begun)
		return;
	t->begun = true;
	buf_init(&b, 1 << 20);
	if (t->q.json) {
		buf_printf(&b, "{\"operation\":\"%s\",\"target\":", acop_name(w->op));
		buf_json(&b, slice_str(w->path));
		buf_printf(&b, ",\"type\":%d,\"ground\":", w->target_ty);
		buf_json(&b, slice_str(w->ground));
		buf_lit(&b, ",\"policies\":[");
		for (size_t i = 0; i < w->n_policies; i++) {
			if (i)
				buf_char(&b, ',');
			buf_json(&b, w->policies[i]);
		}
		buf_lit(&b, "],\"grants\":[");
		print_buf(&b);
		return;
	}
	buf_printf(&b, "%s on %s (%s): %s", acop_name(w->op), w->path, type_name(w->target_ty), w->ground);
	for (size_t i = 0; i < w->n_policies; i++)
		buf_printf(&b, "%s%.*s", i ? ", " : " ", SF(w->policies[i]));
	print_text_line(&b);
}

static void on_grant(void *ctx, const struct survey_grant *g)
{
	struct who *t = ctx;
	bool itself = g->entry && g->entry->form != SURVEY_NAMED && g->entry->form != SURVEY_GROUP && slice_eq(g->who, g->entry->text);
	struct buf b;

	begin_who(t);
	if (t->seen++ < t->q.offset || t->shown >= t->q.limit)
		return;
	buf_init(&b, 8 << 20);
	if (t->q.json) {
		buf_printf(&b, "%s\n {\"who\":", t->shown ? "," : "");
		buf_json(&b, g->who);
		buf_printf(&b, ",\"registered\":%s,", g->registered ? "true" : "false");
		if (g->entry)
			add_rule_json(&b, g->rule, g->entry);
		else {
			buf_lit(&b, "\"ground\":");
			buf_json(&b, slice_str(g->ground));
		}
		buf_char(&b, '}');
		print_buf(&b);
	} else {
		buf_printf(&b, "  %-40.*s ", SF(g->who));
		if (g->entry)
			add_rule_text(&b, g->rule, g->entry, !itself);
		else
			buf_printf(&b, "%s", g->ground);
		if (!g->registered && !itself)
			buf_lit(&b, " (not registered here)");
		print_text_line(&b);
	}
	t->shown++;
}

static int ask_who(struct who *t, struct settings *s)
{
	struct look k;
	enum reeve_rc rc;

	if (!policy_look(s, "policy who-can", &k))
		return EXIT_UNREACHABLE;
	rc = survey_who_can(&k, &t->w);
	if (rc == RC_OK) {
		uint64_t more = t->seen > t->q.offset + t->shown ? t->seen - t->q.offset - t->shown : 0;

		begin_who(t);
		if (t->q.json)
			printf("\n],\"more\":%llu}\n", (unsigned long long)more);
		else if (more)
			printf("  ... %llu more: --offset %llu\n", (unsigned long long)more, (unsigned long long)(t->q.offset + t->shown));
		else if (!t->seen)
			puts("  nobody");
	} else {
		fprintf(stderr, "reeve policy who-can: %s: %s\n", t->q.operand[1],
			rc == RC_NOTFOUND ? "there is no such resource" : rc_name(rc));
	}
	look_close(&k);
	return rc == RC_OK ? EXIT_OK : rc == RC_NOTFOUND ? EXIT_REFUSED : EXIT_UNREACHABLE;
}

int policy_who_can(int argc, char **argv)
{
	struct who t = { .q = { .command = "policy who-can", .max_operands = 2, .takes = TAKES_TYPE | TAKES_PAGES, .limit = WHO_LIMIT } };
	struct settings s;
	int status = policy_arguments(&s, &t.q, argc, argv);

	if (status == EXIT_OK && t.q.n_operands != 2)
		status = usage_error(t.q.command, "name an operation and an address");
	if (status == EXIT_OK && !(t.w.op = case_operation(slice_str(t.q.operand[0]))))
		status = usage_error(t.q.command, "\"%s\": expected create, retrieve, update, delete, notify or discovery", t.q.operand[0]);
	t.w.to = slice_str(t.q.operand[1]);
	t.w.child_ty = t.q.type;
	t.w.grant = on_grant;
	t.w.ctx = &t;
	if (status == EXIT_OK)
		status = ask_who(&t, &s);
	settings_free(&s);
	return status;
}

/* --- what-can --- */

struct what { struct policy_asked q; struct survey_what w; size_t sets; };

static void add_ops(struct buf *b, unsigned ops, bool json)
{
	bool first = true;

	for (unsigned op = 1; op <= ACOP_DISCOVERY; op <<= 1) {
		if (!(ops & op))
			continue;
		buf_printf(b, json ? "%s\"%s\"" : "%s%s", first ? "" : json ? "," : ", ", acop_name(op));
		first = false;
	}
}

static const char *set_ground(const struct survey_set *s)
{
	if (s->kind == SET_CREATOR)
		return "created by it, and not linked to a policy";
	if (s->kind == SET_TYPE)
		return "a rule of the resource type";
	return s->part == POLICY_PVS ? "selfPrivileges of the policy itself" : "policies";
}

static void set_json(const struct what *t, const struct survey_set *s)
{
	struct buf b;

	buf_init(&b, 1 << 30);
	buf_printf(&b, "%s\n {\"ground\":\"%s\",\"policies\":[", t->sets ? "," : "", set_ground(s));
	for (size_t i = 0; i < s->n_policies; i++) {
		if (i)
			buf_char(&b, ',');
		buf_json(&b, policy_name(s->policy[i]));
	}
	buf_lit(&b, "],\"always\":[");
	add_ops(&b, s->always, true);
	buf_lit(&b, "],\"conditional\":[");
	add_ops(&b, s->maybe, true);
	buf_lit(&b, "],\"grants\":[");
	for (size_t i = 0; i < s->n_rules; i++) {
		buf_printf(&b, "%s{\"operations\":[", i ? "," : "");
		add_ops(&b, s->rule[i].ops, true);
		buf_lit(&b, "],");
		add_rule_json(&b, &s->rule[i], s->by[i]);
		buf_char(&b, '}');
	}
	buf_printf(&b, "],\"resources\":%llu,\"addresses\":[", (unsigned long long)s->resources);
	for (size_t i = 0; i < s->n_examples; i++) {
		if (i)
			buf_char(&b, ',');
		buf_json(&b, s->example[i]);
	}
	buf_lit(&b, "]}");
	print_buf(&b);
}

static void set_text(const struct survey_set *s)
{
	struct buf b;

	buf_init(&b, 8 << 20);
	buf_printf(&b, "%llu resource%s, %s", (unsigned long long)s->resources, s->resources == 1 ? "" : "s", set_ground(s));
	for (size_t i = 0; s->part == POLICY_PV && i < s->n_policies; i++)
		buf_printf(&b, "%s%.*s", i ? ", " : " ", SF(policy_name(s->policy[i])));
	buf_lit(&b, ": ");
	add_ops(&b, s->always, false);
	if (s->maybe) {
		buf_printf(&b, "%son conditions ", s->always ? "; " : "");
		add_ops(&b, s->maybe, false);
	}
	print_text_line(&b);
	for (size_t i = 0; i < s->n_rules; i++) {
		buf_init(&b, 8 << 20);
		buf_lit(&b, "    ");
		add_ops(&b, s->rule[i].ops, false);
		buf_lit(&b, ": ");
		add_rule_text(&b, &s->rule[i], s->by[i], true);
		print_text_line(&b);
	}
	for (size_t i = 0; i < s->n_examples; i++) {
		fputs("      ", stdout);
		policy_print(s->example[i]);
		putchar('\n');
	}
	if (s->n_examples < s->resources)
		printf("      ... %llu more: --limit 0\n", (unsigned long long)(s->resources - s->n_examples));
}

static void on_set(void *ctx, const struct survey_set *s)
{
	struct what *t = ctx;

	if (t->q.json)
		set_json(t, s);
	else
		set_text(s);
	t->sets++;
}

static int ask_what(struct what *t, struct settings *s)
{
	struct look k;
	enum reeve_rc rc;

	if (!policy_look(s, "policy what-can", &k))
		return EXIT_UNREACHABLE;
	if (t->q.json) {
		struct buf b;
		buf_init(&b, 65536);
		buf_lit(&b, "{\"originator\":");
		buf_json(&b, t->w.who);
		buf_lit(&b, ",\"sets\":[");
		print_buf(&b);
	}
	rc = survey_what_can(&k, &t->w);
	if (t->q.json)
		printf("\n],\"looked_at\":%llu}\n", (unsigned long long)t->w.looked_at);
	else if (rc == RC_OK)
		printf("%s%llu resources that can have policies of their own were looked at; what lies below one without policies of its "
		       "own follows it\n", t->sets ? "" : "nothing. ", (unsigned long long)t->w.looked_at);
	if (rc == RC_INVALID)
		fprintf(stderr, "reeve policy what-can: \"%s\" is no identifier of an AE or a CSE\n", t->q.operand[0]);
	else if (rc != RC_OK)
		fprintf(stderr, "reeve policy what-can: %s\n", rc == RC_LIMIT ? "too much to be told: use a smaller --limit" : rc_name(rc));
	look_close(&k);
	return rc == RC_OK ? EXIT_OK : rc == RC_INVALID ? EXIT_USAGE : EXIT_UNREACHABLE;
}

int policy_what_can(int argc, char **argv)
{
	struct what t = { .q = { .command = "policy what-can", .max_operands = 1, .takes = TAKES_ROLES | TAKES_PAGES,
				 .limit = EXAMPLES } };
	struct settings s;
	int status = policy_arguments(&s, &t.q, argc, argv);

	if (status == EXIT_OK && t.q.n_operands != 1)
		status = usage_error(t.q.command, "name an Originator");
	t.w = (struct survey_what){ .who = slice_str(t.q.operand[0]), .roles = t.q.roles, .n_roles = t.q.n_roles,
				    .examples = (size_t)t.q.limit, .set = on_set, .ctx = &t };
	if (status == EXIT_OK)
		status = ask_what(&t, &s);
	settings_free(&s);
	return status;
}
