/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve ae`: content from arguments, and content and answers for people.
 *
 * "lbl=room,kitchen" is turned into what the data model says lbl is (here a list of strings), so that a shell needs no
 * JSON for the usual; "acr:=[...]" is JSON as it stands. */
#include <stdio.h>
#include <stdlib.h>

#include "main/ae.h"
#include "main/commands.h"

enum { TYPES_MAX = 100 };

const struct model_res *ae_type(struct slice text)
{
	uint64_t n;
	if (slice_u64(text, &n) && n < INT32_MAX)
		return model_by_ty((int64_t)n);
	for (int64_t ty = 1; ty < TYPES_MAX; ty++) {
		const struct model_res *m = model_by_ty(ty);
		if (m && (slice_ieq(text, slice_str(m->sn)) || slice_ieq(text, slice_str(m->name))))
			return m;
	}
	return NULL;
}

static bool is_json(struct arena *a, struct slice text)
{
	struct json j;
	struct slice why;
	return json_parse(a, text, &json_default_limits, &j, &why) == RC_OK;
}

static bool raw_base(enum model_base b)
{
	return (b >= MB_BOOL && b <= MB_BITS) || b == MB_EVENTCAT || b == MB_COMPLEX || b == MB_CONTENT;
}

static void add_scalar(struct buf *out, const struct model_type *t, struct slice v)
{
	if (raw_base(t->base))
		buf_slice(out, v);
	else
		buf_json(out, v);
}

/* One value as the model types it. t == NULL: the attribute is not known, so JSON when it reads as JSON. */
static void add_value(struct ae *ae, struct buf *out, const struct model_attr *at, struct slice v)
{
	if (!at) {
		if (is_json(&ae->memory, v))
			buf_slice(out, v);
		else
			buf_json(out, v);
		return;
	}
	if (!at->many && !at->type->list) {
		add_scalar(out, at->type, v);
		return;
	}
	if (v.n && v.p[0] == '[') {
		buf_slice(out, v);
		return;
	}
	buf_char(out, '[');
	for (const char *between = ""; v.p; between = ",") {
		buf_slice(out, slice_str(between));
		add_scalar(out, at->type, slice_cut(&v, ','));
	}
	buf_char(out, ']');
}

static enum reeve_rc add_argument(struct ae *ae, const struct model_res *m, struct slice arg, struct buf *out, char why[256])
{
	const ptrdiff_t eq = slice_find(arg, '=');
	const bool json = eq > 0 && arg.p[eq - 1] == ':';
	const struct slice name = slice_of(arg.p, eq < 0 ? 0 : (size_t)eq - json), value = slice_skip(arg, (size_t)eq + 1);
	const struct model_attr *at = m ? model_attr(m, name) : NULL;

	if (eq < 0 || name.n == 0) {
		snprintf(why, 256, "\"%.100s\" is no attribute: write name=value or name:=JSON", arg.p);
		return RC_INVALID;
	}
	if (json && !is_json(&ae->memory, value)) {
		snprintf(why, 256, "%.*s: what stands behind := is no JSON", SF(name));
		return RC_INVALID;
	}
	buf_json(out, name);
	buf_char(out, ':');
	if (json)
		buf_slice(out, value);
	else
		add_value(ae, out, at, value);
	return RC_OK;
}

enum reeve_rc ae_content(struct ae *ae, const struct model_res *m, struct slice root, char **args, int n, struct buf *out,
			 char why[256])
{
	buf_char(out, '{');
	buf_json(out, root);
	buf_lit(out, ":{");
	if (ae->name.p) {
		buf_lit(out, "\"rn\":");
		buf_json(out, ae->name);
	}
	for (int i = 0; i < n; i++) {
		if (i || ae->name.p)
			buf_char(out, ',');
		if (add_argument(ae, m, slice_str(args[i]), out, why) != RC_OK)
			return RC_INVALID;
	}
	buf_lit(out, "}}");
	if (is_json(&ae->memory, buf_view(out)))
		return RC_OK;
	snprintf(why, 256, "the attributes make no JSON: %.150s; quote what should be text, or use name:=JSON",
		 out->n ? "look at numbers, true and false" : "");
	return RC_INVALID;
}

void ae_escape(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		const unsigned char c = (unsigned char)s.p[i];
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~/:*", c))
			buf_char(b, (char)c);
		else
			buf_printf(b, "%%%02X", c);
	}
}

void ae_query(struct ae *ae, const char *name, struct slice value)
{
	buf_printf(&ae->query, "%s%s=", ae->query.n ? "&" : "?", name);
	ae_escape(&ae->query, value);
}

bool ae_call(struct ae *ae, enum op op, struct slice address, int64_t ty, struct slice content, struct client_answer *a)
{
	const struct client_request q = { .op = op, .to = address, .query = buf_view(&ae->query), .ty = ty, .content = content };
	const struct client *c = &ae->client;
	char why[CLIENT_WHY_MAX] = "";

	if (client_call(&ae->client, &q, a, why) == RC_OK)
		return true;
	fprintf(stderr, "reeve: %s://%s:%s: %s\n", client_scheme(c), c->host, c->port, why);
	return false;
}

/* --- for people --- */

static void print_string(struct arena *a, const struct json *j, uint32_t i)
{
	struct slice s = json_string(a, j, i);
	for (size_t k = 0; s.p && k < s.n; k++) /* a terminal obeys control characters: do not pass them on */
		putchar((unsigned char)s.p[k] < 0x20 || s.p[k] == 0x7f ? '?' : s.p[k]);
}

static bool simple_list(const struct json *j, uint32_t i)
{
	if (json_kind(j, i) != J_ARRAY)
		return false;
	for (uint32_t k = i + 1; k < j->tok[i].next; k = j->tok[k].next)
		if (json_kind(j, k) >= J_ARRAY)
			return false;
	return true;
}

static void print_value(struct arena *a, const struct json *j, uint32_t i)
{
	const char *between = "";
	if (json_kind(j, i) == J_STRING) {
		print_string(a, j, i);
		return;
	}
	if (!simple_list(j, i)) {
		printf("%.*s", SF(json_raw(j, i)));
		return;
	}
	for (uint32_t k = i + 1; k < j->tok[i].next; k = j->tok[k].next) {
		fputs(between, stdout);
		print_value(a, j, k);
		between = ", ";
	}
}

static void print_resource(struct arena *a, const struct json *j, uint32_t root_key, uint32_t obj, int indent);

static void print_member(struct arena *a, const struct json *j, const struct model_res *m, uint32_t k, int indent)
{
	const struct slice sn = json_inner(j, k);
	const struct model_attr *at = m ? model_attr(m, sn) : NULL;
	const uint32_t v = k + 1;

	if (slice_find(sn, ':') >= 0 && json_kind(j, v) == J_ARRAY) { /* children: "m2m:cin":[{...}] */
		for (uint32_t c = v + 1; c < j->tok[v].next; c = j->tok[c].next)
			if (json_kind(j, c) == J_OBJECT)
				print_resource(a, j, k, c, indent);
		return;
	}
	if (slice_find(sn, ':') >= 0 && json_kind(j, v) == J_OBJECT) {
		print_resource(a, j, k, v, indent);
		return;
	}
	printf("%*s%-5.*s %-28s ", indent, "", SF(sn), at ? at->name : "");
	print_value(a, j, v);
	putchar('\n');
}

static void print_resource(struct arena *a, const struct json *j, uint32_t root_key, uint32_t obj, int indent)
{
	const struct slice root = json_inner(j, root_key);
	const struct model_res *m = model_by_root(root);
	printf("%*s%s\n", indent, "", m ? m->name : "");
	for (uint32_t k = obj + 1; k < j->tok[obj].next; k = j->tok[k + 1].next)
		print_member(a, j, m, k, indent + 2);
}

/* References: [{"nm":"x","typ":3,"val":"cse/x"}] or ["cse/x"]. */
static void print_references(struct arena *a, const struct json *j, uint32_t list)
{
	for (uint32_t k = list + 1; k < j->tok[list].next; k = j->tok[k].next) {
		const uint32_t val = json_member(j, k, S("val")), typ = json_member(j, k, S("typ"));
		uint64_t ty = 0;
		if (!val) {
			print_value(a, j, k);
			putchar('\n');
			continue;
		}
		if (typ && json_u64(j, typ, &ty)) {
			const struct model_res *m = model_by_ty((int64_t)ty);
			printf("%-24s ", m ? m->name : "");
		}
		print_value(a, j, val);
		putchar('\n');
	}
}

void ae_print(struct slice content)
{
	struct arena a;
	struct json j;
	struct slice why;
	uint32_t v = 2;

	arena_init(&a, NULL, 0, 64 << 20);
	if (json_parse(&a, content, &json_default_limits, &j, &why) != RC_OK || json_kind(&j, 0) != J_OBJECT || j.tok[0].count != 1)
		printf("%.*s\n", SF(content));
	else if (json_kind(&j, v) == J_OBJECT)
		{
			const uint32_t rrf = json_member(&j, v, S("rrf"));
			if (rrf && json_kind(&j, rrf) == J_ARRAY)
				print_references(&a, &j, rrf);
			else
				print_resource(&a, &j, 1, v, 0);
		}
	else if (json_kind(&j, v) == J_ARRAY)
		print_references(&a, &j, v);
	else {
		print_value(&a, &j, v);
		putchar('\n');
	}
	arena_reset(&a);
}

int ae_answer(const struct ae *ae, const struct client_answer *a)
{
	const struct model_code *code = model_code(a->rsc);
	const struct slice body = buf_view(&a->body);

	if (ae->json && body.n)
		printf("%.*s\n", SF(body));
	if (a->rsc >= 1000 && a->rsc < 3000) {
		if (!ae->json && !ae->quiet && body.n)
			ae_print(body);
		if (a->partial)
			fprintf(stderr, "reeve: there is more: go on with --offset %u\n", a->offset);
		(void)ae_rights_told(ae, a);
		return EXIT_OK;
	}
	if (a->rsc == 0)
		fprintf(stderr, "reeve: the answer is HTTP %d without a response status code: is this a CSE?\n", a->status);
	else
		fprintf(stderr, "reeve: %d %s\n", a->rsc, code ? code->name : "");
	if (!ae_rights_told(ae, a) && body.n && !ae->json) {
		struct arena mem;
		struct json j;
		struct slice why;
		uint32_t dbg;
		arena_init(&mem, NULL, 0, 1 << 20);
		if (json_parse(&mem, body, &json_default_limits, &j, &why) == RC_OK && (dbg = json_member(&j, 0, S("m2m:dbg"))) != 0) {
			struct slice s = json_string(&mem, &j, dbg);
			fprintf(stderr, "  %.*s\n", SF(s));
		}
		arena_reset(&mem);
	}
	return EXIT_REFUSED;
}
