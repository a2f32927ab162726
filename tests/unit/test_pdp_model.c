/* SPDX-License-Identifier: Apache-2.0 */
/* The decision against a naive one, written straight from the reference algorithm (authorization.md 2.8, 2.3, 2.5, 2.6)
 * over plain structures: no hashing, no masks, no bit sets, no compilation. Policies and requests are drawn from small
 * pools with a fixed seed, so that matches are frequent. AUTHZ-059, 060, 062 to 072, 075, 076, 078, 085 to 087, 089 to 094, 098 to 104. */
#include "authz_support.h"

#include <math.h>

static uint64_t seed = 0x9e3779b97f4a7c15u;

static unsigned pick(unsigned n)
{
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}
#define PICK(pool) (pool)[pick(sizeof(pool) / sizeof(*(pool)))]

/* --- pools --- */

static const char *const entries[] = {
	"all", "CAE1", "CAE2", "S12", "/S12", "/gw7", "/in1", "/in1/CAE1", "//sp.example", "//other.example", "//other.example/in9",
	"//sp.example/gw7/CAE2", "C*", "S*", "CA*1", "/*", "/gw*", "/*/C*", "//*/in*", "//*.example", "//other.example/*/C*",
	"nurse@r.example", "cook@r.example", "*@r.example", "base/grp", "base/none", "base/*", "?", "*",
};
static const char *const whos[] = {
	"//sp.example/gw7/CAE1", "//sp.example/gw7/CAE2", "//sp.example/in1/CAE1", "//sp.example/S12", "//sp.example/gw7",
	"//sp.example/in1", "//other.example/in9", "//other.example/in9/CAE1", "//other.example/S12", "//sp.example.org/gw7",
};
static const char *const role_pool[] = { "nurse@r.example", "cook@r.example", "*@r.example" };
static const char *const windows[] = {
	"* * 8-17 * * 1-5 *", "* 0-29 * * * * *", "* * * 1 * 0 *", "*/2 */3 * * * * *", "* * * * 3,6-9/3 * *", "* * * * * * 2024-2030/2",
	"* * * * * 0,6 2026",
};
static const char *const nets4[] = { "10.0.0.0/8", "10.1.2.3", "192.0.2.0/25", "0.0.0.0/0", "10.1.2.0/31" };
static const uint8_t sources[][4] = { { 10, 1, 2, 3 }, { 10, 1, 2, 1 }, { 192, 0, 2, 127 }, { 192, 0, 2, 128 }, { 11, 0, 0, 0 } };
static const double circles[][3] = { { 48.8566, 2.3522, 1500 }, { 0, 179.9, 50000 }, { 0, 0, 1e8 } };
static const double positions[][2] = { { 48.8606, 2.3376 }, { 48.8584, 2.2945 }, { 0.1, -179.9 }, { -33, 151 } };
static const char *const countries[] = { "FR", "BE", "DE" };
static const int types[] = { 2, 3, 4, 13, 23, 28 };
static const char *const cnds[] = { "org.example.lamp", "org.example.fan" };

/* --- a policy as a reader of the standard would write it down --- */

struct n_context { const char *actw[2]; int n_actw; const char *ipv4[2]; int n_ipv4; const double *accr; const char *accc[2]; int n_accc; };
struct n_detail { int ty, mgd; const char *cnd; int chty[2], n_chty; };
struct n_rule { const char *acor[3]; int n_acor; unsigned acop; bool acaf; struct n_context acco[2]; int n_acco; struct n_detail acod[2]; int n_acod; };

static void draw_context(struct n_context *c)
{
	*c = (struct n_context){ 0 };
	do {
		if (pick(2)) {
			c->n_actw = 1 + (int)pick(2);
			c->actw[0] = PICK(windows), c->actw[1] = PICK(windows);
		}
		if (pick(3) == 0) {
			c->n_ipv4 = 1 + (int)pick(2);
			c->ipv4[0] = PICK(nets4), c->ipv4[1] = PICK(nets4);
		}
		if (pick(4) == 0)
			c->accr = PICK(circles);
		else if (pick(4) == 0) {
			c->n_accc = 1 + (int)pick(2);
			c->accc[0] = PICK(countries), c->accc[1] = PICK(countries);
		}
	} while (!c->n_actw && !c->n_ipv4 && !c->accr && !c->n_accc);
}

static void draw_rule(struct n_rule *r)
{
	*r = (struct n_rule){ .n_acor = 1 + (int)pick(3), .acop = 1 + pick(63), .acaf = pick(5) == 0 };
	for (int i = 0; i < r->n_acor; i++)
		r->acor[i] = PICK(entries);
	r->n_acco = pick(2) ? (int)pick(3) : 0;
	for (int i = 0; i < r->n_acco; i++)
		draw_context(&r->acco[i]);
	r->n_acod = pick(2) ? (int)pick(3) : 0;
	for (int i = 0; i < r->n_acod; i++) {
		struct n_detail *d = &r->acod[i];
		int ty = PICK(types);
		*d = (struct n_detail){ .ty = pick(2) ? ty : -1, .mgd = -1, .n_chty = 1 + (int)pick(2) };
		if (d->ty == 13 || (d->ty != 28 && pick(6) == 0))
			d->mgd = 1001 + (int)pick(2);
		else if (d->ty == 28 || pick(6) == 0)
			d->cnd = PICK(cnds);
		d->chty[0] = PICK(types), d->chty[1] = PICK(types);
	}
}

static void print_strings(struct buf *b, const char *name, const char *const *v, int n)
{
	buf_printf(b, "\"%s\":[", name);
	for (int i = 0; i < n; i++)
		buf_printf(b, "%s\"%s\"", i ? "," : "", v[i]);
	buf_char(b, ']');
}

static void print_context(struct buf *b, const struct n_context *c)
{
	const char *sep = "";

	buf_char(b, '{');
	if (c->n_actw) {
		print_strings(b, "actw", c->actw, c->n_actw);
		sep = ",";
	}
	if (c->n_ipv4) {
		buf_printf(b, "%s\"acip\":{", sep);
		print_strings(b, "ipv4", c->ipv4, c->n_ipv4);
		buf_char(b, '}');
		sep = ",";
	}
	if (c->accr)
		buf_printf(b, "%s\"aclr\":{\"accr\":[%.17g,%.17g,%.17g]}", sep, c->accr[0], c->accr[1], c->accr[2]);
	if (c->n_accc) {
		buf_printf(b, "%s\"aclr\":{", sep);
		print_strings(b, "accc", c->accc, c->n_accc);
		buf_char(b, '}');
	}
	buf_char(b, '}');
}

static void print_rule(struct buf *b, const struct n_rule *r)
{
	buf_char(b, '{');
	print_strings(b, "acor", r->acor, r->n_acor);
	buf_printf(b, ",\"acop\":%u", r->acop);
	if (r->acaf)
		buf_lit(b, ",\"acaf\":true");
	for (int i = 0; i < r->n_acco; i++) {
		buf_slice(b, i ? S(",") : S(",\"acco\":["));
		print_context(b, &r->acco[i]);
	}
	if (r->n_acco)
		buf_char(b, ']');
	for (int i = 0; i < r->n_acod; i++) {
		const struct n_detail *d = &r->acod[i];
		buf_slice(b, i ? S(",{") : S(",\"acod\":[{"));
		if (d->ty >= 0)
			buf_printf(b, "\"ty\":%d,", d->ty);
		if (d->mgd >= 0)
			buf_printf(b, "\"spty\":{\"mgd\":%d},", d->mgd);
		if (d->cnd)
			buf_printf(b, "\"spty\":{\"cnd\":\"%s\"},", d->cnd);
		buf_printf(b, "\"chty\":[%d", d->chty[0]);
		if (d->n_chty == 2)
			buf_printf(b, ",%d", d->chty[1]);
		buf_lit(b, "]}");
	}
	if (r->n_acod)
		buf_char(b, ']');
	buf_char(b, '}');
}

/* --- the naive decision --- */

static const struct test_group group_table[] = {
	{ "base/grp", { "//sp.example/S12", "//other.example/in9" }, 0 }, { NULL, { NULL }, 0 },
};

static bool n_glob(const char *p, const char *s)
{
	if (*p == '*')
		return n_glob(p + 1, s) || (*s && *s != '/' && n_glob(p, s + 1));
	return *p == '\0' ? *s == '\0' : *p == *s && n_glob(p + 1, s + 1);
}

static void n_absolute(const char *entry, char out[128])
{
	if (entry[0] == 'C')
		snprintf(out, 128, "//sp.example/gw7/%s", entry);
	else if (entry[0] == 'S')
		snprintf(out, 128, "//sp.example/%s", entry);
	else if (strncmp(entry, "//", 2) == 0)
		snprintf(out, 128, "%s", entry);
	else if (entry[0] == '/')
		snprintf(out, 128, "//sp.example%s", entry);
	else
		out[0] = '\0'; /* no identifier of an entity */
}

static bool n_originator(const char *entry, const struct facts *f)
{
	char e[128], o[128], host[128];

	snprintf(o, sizeof(o), "%.*s", SF(f->who));
	if (strcmp(entry, "all") == 0)
		return true;
	if (strchr(entry, '@')) {
		for (size_t i = 0; i < f->n_roles; i++)
			if (slice_eq(f->roles[i], SLICE(entry)))
				return true;
		return false;
	}
	n_absolute(entry, e);
	if (e[0] && !strchr(e + 2, '/')) {
		snprintf(host, sizeof(host), "%.*s", (int)strcspn(o + 2, "/") + 2, o);
		return strchr(e, '*') ? false : strcmp(e, host) == 0;
	}
	if (strchr(entry, '*'))
		return e[0] && n_glob(e, o);
	if (strcmp(e, o) == 0)
		return true;
	for (const struct test_group *g = group_table; g->id; g++)
		for (int i = 0; strcmp(g->id, entry) == 0 && g->members[i]; i++)
			if (strcmp(g->members[i], o) == 0)
				return true;
	return false;
}

static bool n_field(char *field, int v, int least)
{
	char *save, *item;

	for (item = strtok_r(field, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		int a, b, step = 1;
		if (item[0] == '*') {
			a = least, b = 100000;
			sscanf(item, "*/%d", &step);
		} else if (sscanf(item, "%d-%d/%d", &a, &b, &step) < 2) {
			b = a;
		}
		if (v >= a && v <= b && (v - a) % step == 0)
			return true;
	}
	return false;
}

static bool n_window(const char *text, const struct text_time *t)
{
	const int v[7] = { t->second, t->minute, t->hour, t->mday, t->month, t->wday, t->year }, least[7] = { 0, 0, 0, 1, 1, 0, 2000 };
	char copy[64], *save, *field;
	int i = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	for (field = strtok_r(copy, " ", &save); field; field = strtok_r(NULL, " ", &save), i++)
		if (!n_field(field, v[i], least[i]))
			return false;
	return i == 7;
}

static bool n_net(const char *text, const struct facts *f)
{
	unsigned b[4], bits = 32;

	assert_true(sscanf(text, "%u.%u.%u.%u/%u", &b[0], &b[1], &b[2], &b[3], &bits) >= 4);
	for (unsigned i = 0; i < bits; i++)
		if ((b[i / 8] >> (7 - i % 8) & 1) != (f->ip[12 + i / 8] >> (7 - i % 8) & 1u))
			return false;
	return true;
}

static double n_distance(double la1, double lo1, double la2, double lo2)
{
	double r = M_PI / 180, a = sin((la2 - la1) * r / 2), b = sin((lo2 - lo1) * r / 2);
	return 2 * 6371009 * asin(sqrt(a * a + cos(la1 * r) * cos(la2 * r) * b * b));
}

static bool n_context(const struct n_context *c, const struct facts *f)
{
	bool time = c->n_actw == 0, ip = c->n_ipv4 == 0, place = !c->accr && c->n_accc == 0;

	for (int i = 0; i < c->n_actw; i++)
		time = time || n_window(c->actw[i], &f->time);
	for (int i = 0; i < c->n_ipv4; i++)
		ip = ip || (f->ip_known && n_net(c->ipv4[i], f));
	if (c->accr)
		place = f->position_known && n_distance(c->accr[0], c->accr[1], f->latitude, f->longitude) <= c->accr[2];
	for (int i = 0; i < c->n_accc; i++)
		place = place || strcmp(c->accc[i], f->country) == 0;
	return time && ip && place;
}

static bool n_detail(const struct n_detail *d, const struct facts *f)
{
	bool child = false;

	for (int i = 0; i < d->n_chty; i++)
		child = child || d->chty[i] == f->child_ty;
	return (d->ty < 0 || d->ty == f->target_ty) && (d->mgd < 0 || d->mgd == f->target_mgd) &&
	       (!d->cnd || slice_eq(SLICE(d->cnd), f->target_cnd)) && child;
}

static bool n_rule(const struct n_rule *r, const struct facts *f)
{
	bool origs = false, ctxts = r->n_acco == 0, objd = f->op != ACOP_CREATE || r->n_acod == 0;

	for (int i = 0; i < r->n_acor; i++)
		origs = origs || n_originator(r->acor[i], f);
	for (int i = 0; i < r->n_acco; i++)
		ctxts = ctxts || n_context(&r->acco[i], f);
	for (int i = 0; i < r->n_acod; i++)
		objd = objd || n_detail(&r->acod[i], f);
	return (!r->acaf || f->authenticated) && origs && (r->acop & f->op) && ctxts && objd;
}

/* --- comparison --- */

static struct facts draw_facts(struct slice roles[3])
{
	struct facts f = facts_of(PICK(whos), 1u << (pick(2) ? 0 : pick(6)));

	f.authenticated = pick(2);
	f.target_ty = PICK(types);
	f.child_ty = PICK(types);
	if (f.target_ty == 28)
		f.target_cnd = SLICE(PICK(cnds));
	if (f.target_ty == 13)
		f.target_mgd = 1001 + pick(2);
	f.time = (struct text_time){ .second = (uint8_t)pick(60), .minute = (uint8_t)pick(60), .hour = (uint8_t)pick(24),
				     .mday = (uint8_t)(1 + pick(3)), .month = (uint8_t)(1 + pick(12)), .wday = (uint8_t)pick(7),
				     .year = (uint16_t)(2025 + pick(3)) };
	if ((f.ip_known = pick(4) != 0)) {
		f.ip[10] = f.ip[11] = 0xff;
		memcpy(f.ip + 12, PICK(sources), 4);
	}
	if ((f.position_known = pick(4) != 0)) {
		const double *p = PICK(positions);
		f.latitude = p[0], f.longitude = p[1];
	}
	if (pick(4))
		memcpy(f.country, PICK(countries), 3);
	f.roles = roles;
	f.n_roles = pick(3);
	for (size_t i = 0; i < f.n_roles; i++)
		roles[i] = SLICE(PICK(role_pool));
	return f;
}

static void compare(void **state)
{
	enum { POLICIES = 3, RULES = 4 };
	unsigned permitted = 0, total = 0;

	for (int round = 0; round < 6000; round++) {
		struct n_rule rules[POLICIES][RULES];
		struct policy *p[POLICIES];
		struct buf b;

		for (int i = 0; i < POLICIES; i++) {
			buf_init(&b, 1 << 16);
			for (int k = 0; k < RULES; k++) {
				draw_rule(&rules[i][k]);
				if (k)
					buf_char(&b, ',');
				print_rule(&b, &rules[i][k]);
			}
			buf_char(&b, '\0');
			p[i] = compile_with(&located, b.p, group_table);
			buf_free(&b);
		}
		for (int q = 0; q < 12; q++) {
			struct slice roles[3];
			struct facts f = draw_facts(roles);
			size_t which = 99, want_which = 99;
			unsigned index = 99, want_index = 99;
			bool want = false, got;

			for (unsigned i = 0; i < POLICIES * RULES && !want; i++)
				if ((want = n_rule(&rules[i / RULES][i % RULES], &f)))
					want_which = i / RULES, want_index = i % RULES;
			got = pdp_decide((const struct policy *const *)p, POLICIES, POLICY_PV, &f, NULL, &which, &index);
			if (got != want || which != want_which || index != want_index) {
				struct slice rule = want ? policy_rule_text(p[want_which], POLICY_PV, want_index) :
							   policy_rule_text(p[which], POLICY_PV, index);
				fail_msg("round %d: %d, policy %zu rule %u; the reference: %d, policy %zu rule %u\n%.*s\n%.*s", round, got,
					 which, index, want, want_which, want_index, SF(f.who), SF(rule));
			}
			permitted += got;
			total++;
		}
		for (int i = 0; i < POLICIES; i++)
			policy_free(p[i]);
	}
	/* both answers are exercised */
	assert_in_range(permitted, total / 10, total - total / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(compare) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
