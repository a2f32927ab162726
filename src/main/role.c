/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve role`: what an Authorization Authority does with roles (TS-0001 9.6.38): assign, list, show, revoke. Plain oneM2M to the CSE that
 * keeps them, which may be any; what counts there is who the authority says it is (--from) and what that CSE lets it do. */
#include <stdio.h>
#include <stdlib.h>

#include "codec/text.h"
#include "main/ae.h"
#include "main/commands.h"

static const char *help =
	"Give somebody a role, see who has which, and take it away again.\n"
	"\n"
	"usage: reeve role assign ROLE HOLDER [--for TIME] [--title TEXT] [--name NAME] [--at ADDRESS]\n"
	"       reeve role list [--role ROLE] [--holder HOLDER] [--at ADDRESS]\n"
	"       reeve role show ADDRESS\n"
	"       reeve role revoke ADDRESS\n"
	"       reeve role revoke ROLE HOLDER [--at ADDRESS]\n"
	"\n"
	"A ROLE is NAME@DOMAIN: nurse@hospital.example. A HOLDER is an AE-ID or CSE-ID: Cnurse, /cse/Cnurse, //sp/cse/Cnurse.\n"
	"The domain is one of those that the CSEs in question allow the authority (option authz.issuers).\n"
	"\n"
	"  --cse URL          of the CSE that keeps the roles [http://127.0.0.1:8080, or $REEVE_CSE]\n"
	"  --from AUTHORITY   who assigns: AE-ID or CSE-ID of an Authorization Authority [$REEVE_FROM]\n"
	"  --at ADDRESS       below what they are kept: a <CSEBase> or <authorizationInformation> [cse]\n"
	"  --for TIME         how long the role lasts: 30min, 8h, 7d [8h]\n"
	"  --title TEXT       name of the role for people (roleName)\n"
	"  --name NAME        resource name of what is created\n"
	"  --timeout TIME     how long to wait for an answer, in seconds [30]\n"
	TLS_FLAGS_HELP
	"  --json             as JSON\n"
	"\n"
	"Exit status: 0 done, 1 the CSE refused, or there is no such role; 2 the command line is wrong, 3 nobody answered.\n"
	"\n"
	"  reeve role assign nurse@hospital.example Calice --for 8h --from Chead\n"
	"  reeve ae retrieve cse/ward/room7 --from Calice --role nurse@hospital.example\n"
	"  reeve role revoke nurse@hospital.example Calice --from Chead\n";

enum { LIST_MOST = 10000 };

struct asked {
	struct ae ae;
	struct slice at, role, holder, title;
	usec lasts;
};

/* 30min, 8h, 7d, 90 (seconds) */
static bool span(struct slice s, usec *out)
{
	static const struct { const char *unit; usec factor; } units[] = {
		{ "", USEC_S }, { "s", USEC_S }, { "min", 60 * USEC_S }, { "h", 3600 * USEC_S }, { "d", 86400 * USEC_S },
	};
	size_t digits = 0;
	uint64_t n;

	while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
		digits++;
	if (!slice_u64(slice_of(s.p, digits), &n) || n == 0 || n > 1000000000)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (slice_eq(slice_skip(s, digits), slice_str(units[i].unit))) {
			*out = (usec)n * units[i].factor;
			return *out < INT64_C(36600) * 86400 * USEC_S;
		}
	return false;
}

static bool take_flag(struct asked *q, const char *flag, const char *value, char why[256])
{
	struct slice v = slice_str(value);
	struct client *c = &q->ae.client;
	char *end;
	double t;

	if (!strcmp(flag, "--cse"))
		return client_url(c, value, why) == RC_OK;
	if (tls_flag(&c->tls, flag, value))
		return true;
	if (!strcmp(flag, "--from"))
		c->from = v;
	else if (!strcmp(flag, "--at"))
		q->at = v;
	else if (!strcmp(flag, "--role"))
		q->role = v;
	else if (!strcmp(flag, "--holder"))
		q->holder = v;
	else if (!strcmp(flag, "--title"))
		q->title = v;
	else if (!strcmp(flag, "--name"))
		q->ae.name = v;
	else if (!strcmp(flag, "--for")) {
		snprintf(why, 256, "--for %.100s: write a time: 30min, 8h, 7d", value);
		return span(v, &q->lasts);
	} else if (!strcmp(flag, "--timeout")) {
		t = strtod(value, &end);
		snprintf(why, 256, "--timeout %.100s: write seconds", value);
		c->timeout = (usec)(t * (double)USEC_S);
		return !*end && t > 0 && t < 86400;
	} else {
		snprintf(why, 256, "no flag \"%.100s\"", flag);
		return false;
	}
	return true;
}

static bool take_arguments(struct asked *q, int argc, char **argv, char why[256])
{
	q->ae.args = argv; /* compacted in place */
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "--", 2)) {
			q->ae.args[q->ae.n_args++] = argv[i];
		} else if (!strcmp(argv[i], "--json")) {
			q->ae.json = true;
		} else if (i + 1 >= argc) {
			snprintf(why, 256, "%.100s needs a value, or is no flag", argv[i]);
			return false;
		} else if (!take_flag(q, argv[i], argv[i + 1], why)) {
			return false;
		} else {
			i++;
		}
	}
	return true;
}

/* One request. On anything but success the reason is told and *status set. The answer is to be freed in any case. */
static bool call(struct asked *q, enum op op, struct slice address, int64_t ty, struct slice body, struct client_answer *a, int *status)
{
	if (!ae_call(&q->ae, op, address, ty, body, a))
		*status = EXIT_UNREACHABLE;
	else if (a->rsc < 2000 || a->rsc >= 3000)
		*status = ae_answer(&q->ae, a);
	else
		return true;
	return false;
}

/* --- one role --- */

struct found { struct slice address, raw, role, holder, issuer, from, until, title; };

/* A string of the role at `obj`, without what a terminal would obey. */
static struct slice text_of(struct arena *a, const struct json *j, uint32_t obj, struct slice sn)
{
	struct slice s = arena_dup(a, json_string(a, j, json_member(j, obj, sn)));

	for (size_t i = 0; s.p && i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			((char *)(uintptr_t)s.p)[i] = '?';
	return s.p ? s : S("");
}

/* Retrieve the <role> at f->address. False: told. */
static bool read_role(struct asked *q, struct found *f, int *status)
{
	struct arena *a = &q->ae.memory;
	struct client_answer answer;
	struct slice text, why;
	struct json j;
	uint32_t obj;
	bool good = call(q, OP_RETRIEVE, f->address, 0, (struct slice){ NULL, 0 }, &answer, status);

	if (good) {
		text = arena_dup(a, buf_view(&answer.body));
		good = text.p && json_parse(a, text, &json_default_limits, &j, &why) == RC_OK && (obj = json_member(&j, 0, S("m2m:rol")));
		if (!good) {
			fprintf(stderr, "reeve: %.*s is no <role>\n", SF(f->address));
			*status = EXIT_REFUSED;
		} else {
			f->raw = json_raw(&j, obj);
			f->role = text_of(a, &j, obj, S("rlid"));
			f->holder = text_of(a, &j, obj, S("tkhd"));
			f->issuer = text_of(a, &j, obj, S("tkis"));
			f->from = text_of(a, &j, obj, S("tknb"));
			f->until = text_of(a, &j, obj, S("tkna"));
			f->title = text_of(a, &j, obj, S("rlnm"));
		}
	}
	client_answer_free(&answer);
	return good;
}

static void print_json(const struct found *f)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_lit(&b, "{\"address\":");
	buf_json(&b, f->address);
	buf_lit(&b, ",\"m2m:rol\":");
	buf_slice(&b, f->raw);
	buf_char(&b, '}');
	if (!b.failed)
		printf("%.*s", SF(buf_view(&b)));
	buf_free(&b);
}

/* "20260101T120000" as 2026-01-01 12:00:00. */
static void print_time(struct slice t)
{
	const char *p = t.p;

	if (t.n < 15)
		printf("%.*s", SF(t));
	else
		printf("%.4s-%.2s-%.2s %.2s:%.2s:%.2s", p, p + 4, p + 6, p + 9, p + 11, p + 13);
}

static void print_line(const struct found *f)
{
	printf("%-32.*s %-20.*s until ", SF(f->role), SF(f->holder));
	print_time(f->until);
	printf("  %.*s\n", SF(f->address));
}

static int show(struct asked *q)
{
	struct found f = { .address = slice_str(q->ae.args[0]) };
	int status = EXIT_OK;

	if (!read_role(q, &f, &status))
		return status;
	if (q->ae.json) {
		print_json(&f);
		putchar('\n');
		return EXIT_OK;
	}
	printf("%.*s", SF(f.role));
	if (f.title.n)
		printf(" (%.*s)", SF(f.title));
	printf("\n  holder  %.*s\n  issuer  %.*s\n  from    ", SF(f.holder), SF(f.issuer));
	print_time(f.from);
	printf(" UTC\n  until   ");
	print_time(f.until);
	printf(" UTC\n  at      %.*s\n", SF(f.address));
	return EXIT_OK;
}

/* --- several --- */

/* Addresses of <role> resources below q->at: those of the holder, or with the Role-ID, or all. */
static bool addresses(struct asked *q, struct slice **out, size_t *n, int *status)
{
	struct arena *a = &q->ae.memory;
	struct client_answer answer;
	struct slice text, why;
	struct json j;
	uint32_t list;
	bool good;

	*n = 0;
	*out = NULL;
	buf_clear(&q->ae.query);
	ae_query(&q->ae, "fu", S("1"));
	ae_query(&q->ae, "ty", S("31"));
	/* several attributes would be alternatives (TS-0001 8.1.2), so one here, and the other when they are read */
	if (q->holder.n)
		ae_query(&q->ae, "tkhd", q->holder);
	else if (q->role.n)
		ae_query(&q->ae, "rlid", q->role);
	good = call(q, OP_RETRIEVE, q->at, 0, (struct slice){ NULL, 0 }, &answer, status);
	buf_clear(&q->ae.query);
	text = good ? arena_dup(a, buf_view(&answer.body)) : S("");
	if (answer.partial)
		fputs("reeve: there are more; only the first are told\n", stderr);
	client_answer_free(&answer);
	if (!good)
		return false;
	if (json_parse(a, text, &json_default_limits, &j, &why) != RC_OK || !(list = json_member(&j, 0, S("m2m:uril"))) ||
	    json_kind(&j, list) != J_ARRAY || !(*out = arena_array(a, j.tok[list].count + 1u, sizeof(**out)))) {
		fputs("reeve: the answer is no list of addresses: is this a CSE?\n", stderr);
		*status = EXIT_UNREACHABLE;
		return false;
	}
	for (uint32_t i = list + 1; i < j.tok[list].next && *n < LIST_MOST; i = j.tok[i].next)
		(*out)[(*n)++] = json_string(a, &j, i);
	return true;
}

/* `each` for the roles that were asked for; stops when it says false. */
static int for_each(struct asked *q, bool (*each)(struct asked *q, const struct found *f, size_t nth, int *status), size_t *count)
{
	struct slice *list;
	int status = EXIT_OK;
	size_t n;

	*count = 0;
	if (!addresses(q, &list, &n, &status))
		return status;
	for (size_t i = 0; i < n; i++) {
		struct found f = { .address = list[i] };

		if (!read_role(q, &f, &status))
			return status;
		if (q->role.n && !slice_eq(q->role, f.role))
			continue;
		if (!each(q, &f, (*count)++, &status))
			return status;
	}
	return EXIT_OK;
}

static bool list_one(struct asked *q, const struct found *f, size_t nth, int *status)
{
	(void)status;
	if (!q->ae.json) {
		print_line(f);
		return true;
	}
	if (nth)
		putchar(',');
	print_json(f);
	return true;
}

static int list(struct asked *q)
{
	size_t n;
	int status;

	if (q->ae.json)
		putchar('[');
	status = for_each(q, list_one, &n);
	if (q->ae.json)
		puts("]");
	return status;
}

static bool take_away_one(struct asked *q, const struct found *f, size_t nth, int *status)
{
	struct client_answer answer;
	bool good = call(q, OP_DELETE, f->address, 0, (struct slice){ NULL, 0 }, &answer, status);

	(void)nth;
	client_answer_free(&answer);
	if (good && !q->ae.json)
		printf("%.*s has %.*s no longer\n", SF(f->holder), SF(f->role));
	return good;
}

static int take_away(struct asked *q)
{
	struct found f = { .address = slice_str(q->ae.args[0]) };
	int status = EXIT_OK;
	size_t n;

	if (q->ae.n_args == 1)
		return read_role(q, &f, &status) && take_away_one(q, &f, 0, &status) ? EXIT_OK : status;
	q->role = slice_str(q->ae.args[0]);
	q->holder = slice_str(q->ae.args[1]);
	status = for_each(q, take_away_one, &n);
	if (status == EXIT_OK && !n) {
		fprintf(stderr, "reeve: %.*s has no role %.*s below %.*s\n", SF(q->holder), SF(q->role), SF(q->at));
		return EXIT_REFUSED;
	}
	return status;
}

/* --- assign --- */

static void time_member(struct buf *b, const char *sn, usec t)
{
	char text[TEXT_TIMESTAMP_MAX];

	t -= t % USEC_S;
	buf_printf(b, ",\"%s\":\"%.*s\"", sn, (int)text_timestamp_write(t, text), text);
}

static void member(struct buf *b, const char *sn, struct slice v)
{
	buf_printf(b, "%s\"%s\":", b->p[b->n - 1] == '{' ? "" : ",", sn);
	buf_json(b, v);
}

/* What the CSE made of it: {"m2m:rce":{"uri":"...","m2m:rol":{...}}} (rcn 3). */
static void assigned(struct asked *q, const struct client_answer *a)
{
	struct arena *mem = &q->ae.memory;
	struct slice why, text = arena_dup(mem, buf_view(&a->body)), address = { NULL, 0 };
	struct json j;

	if (q->ae.json) {
		printf("%.*s\n", SF(text));
		return;
	}
	if (text.p && json_parse(mem, text, &json_default_limits, &j, &why) == RC_OK)
		address = text_of(mem, &j, json_member(&j, 0, S("m2m:rce")), S("uri"));
	printf("%.*s has %.*s: %.*s\n", SF(q->holder), SF(q->role), SF(address));
}

static int assign(struct asked *q)
{
	usec now = clock_wall();
	struct client_answer a;
	struct buf b;
	int status = EXIT_OK;

	q->role = slice_str(q->ae.args[0]);
	q->holder = slice_str(q->ae.args[1]);
	ae_query(&q->ae, "rcn", S("3"));
	buf_init(&b, 65536);
	buf_lit(&b, "{\"m2m:rol\":{");
	if (q->ae.name.n)
		member(&b, "rn", q->ae.name);
	member(&b, "rlid", q->role);
	member(&b, "tkis", q->ae.client.from);
	member(&b, "tkhd", q->holder);
	if (q->title.n)
		member(&b, "rlnm", q->title);
	time_member(&b, "tknb", now);
	time_member(&b, "tkna", now + q->lasts);
	time_member(&b, "et", now + q->lasts + USEC_S); /* what is over need not be kept */
	buf_lit(&b, "}}");
	if (b.failed)
		status = usage_error("role", "too long");
	else {
		if (call(q, OP_CREATE, q->at, 31, buf_view(&b), &a, &status))
			assigned(q, &a);
		client_answer_free(&a);
	}
	buf_free(&b);
	return status;
}

/* --- the command --- */

static int dispatch(struct asked *q, const char *op)
{
	static const struct { const char *op; int least, most; int (*run)(struct asked *q); const char *needs; } ops[] = {
		{ "assign", 2, 2, assign, "a ROLE and a HOLDER" },
		{ "list", 0, 0, list, "no operands: --role, --holder" },
		{ "show", 1, 1, show, "the address of a role" },
		{ "revoke", 1, 2, take_away, "the address of a role, or a ROLE and a HOLDER" },
	};

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(op, ops[i].op))
			return q->ae.n_args >= ops[i].least && q->ae.n_args <= ops[i].most
				       ? ops[i].run(q)
				       : usage_error("role", "%s takes %s", op, ops[i].needs);
	return usage_error("role", "no operation \"%s\": assign, list, show or revoke", op);
}

static bool clean(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f)
			return false;
	return s.n > 0;
}

int cmd_role(int argc, char **argv)
{
	const char *url = getenv("REEVE_CSE"), *from = getenv("REEVE_FROM");
	struct asked q = { .ae = { .client = { .timeout = 30 * USEC_S, .release = "3", .max_answer = 16 << 20, .cse_id = "/reeve" } },
			   .at = S("cse"), .lasts = 8 * 3600 * USEC_S };
	char why[256] = "";
	int status;

	if (told_help(help, argc, argv, &status))
		return status;
	arena_init(&q.ae.memory, NULL, 0, 256 << 20);
	buf_init(&q.ae.query, 65536);
	q.ae.client.from = slice_str(from);
	if (client_url(&q.ae.client, url && *url ? url : "http://127.0.0.1:8080", why) != RC_OK ||
	    !take_arguments(&q, argc - 1, argv + 1, why))
		status = usage_error("role", "%s", why);
	else if (!clean(q.ae.client.from))
		status = usage_error("role", "--from AUTHORITY is needed: who assigns or asks");
	else
		status = dispatch(&q, argv[0]);
	buf_free(&q.ae.query);
	client_free(&q.ae.client);
	arena_reset(&q.ae.memory);
	return status;
}
