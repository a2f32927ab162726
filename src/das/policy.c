/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the policy file, with the place of each mistake, and finding the rule that fits. */
#include "das/policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "codec/text.h"
#include "secenv/secenv.h"

enum { FILE_MOST = 4 << 20, RULES_MAX = 4096, CSES_MAX = 4096, LIST_MAX = 1024 };
static const usec LIFETIME_DEFAULT = 3600 * USEC_S, LIFETIME_MOST = 366 * 86400 * USEC_S;

struct reader {
	const struct policy_options *o;
	const struct json *j;
	struct das_policy *p;
	char *why;
	char place[128];         /* of the object that is read: "rules[3]" */
	enum reeve_rc rc;
};

static bool fail(struct reader *r, const char *member, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool fail(struct reader *r, const char *member, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(r->why, DAS_WHY_MAX, "%s%s%s: %s", r->place, r->place[0] && member[0] ? "." : "", member, text);
	r->rc = RC_INVALID;
	return false;
}

/* Only members that mean something: a misspelt restriction must not be taken for none. */
static bool only(struct reader *r, uint32_t obj, const char *const *names)
{
	const struct json *j = r->j;

	if (json_kind(j, obj) != J_OBJECT)
		return fail(r, "", "must be an object");
	for (uint32_t i = obj + 1; i < j->tok[obj].next; i = j->tok[i + 1].next) {
		const char *const *n = names;

		while (*n && !json_string_is(j, i, slice_str(*n)))
			n++;
		if (!*n)
			return fail(r, "", "\"%.*s\" is not known here", SF(json_inner(j, i)));
	}
	return true;
}

static bool string(struct reader *r, uint32_t obj, const char *name, bool wanted, struct slice *out)
{
	uint32_t i = json_member(r->j, obj, slice_str(name));

	*out = (struct slice){ NULL, 0 };
	if (!i)
		return wanted ? fail(r, name, "is missing") : true;
	*out = json_string(&r->p->memory, r->j, i);
	return out->n ? true : fail(r, name, "must be a text");
}

static bool flag(struct reader *r, uint32_t obj, const char *name, bool *out)
{
	uint32_t i = json_member(r->j, obj, slice_str(name));

	return !i || json_bool(r->j, i, out) ? true : fail(r, name, "must be true or false");
}

static bool strings(struct reader *r, uint32_t obj, const char *name, const struct slice **v, size_t *n)
{
	uint32_t i = json_member(r->j, obj, slice_str(name)), k;
	struct slice *out;

	*v = NULL;
	*n = 0;
	if (!i)
		return true;
	if (json_kind(r->j, i) != J_ARRAY || !r->j->tok[i].count || r->j->tok[i].count > LIST_MAX)
		return fail(r, name, "must be a list of 1 to %d texts", LIST_MAX);
	if (!(out = arena_array(&r->p->memory, r->j->tok[i].count, sizeof(*out))))
		return fail(r, name, "out of memory");
	for (k = i + 1; k < r->j->tok[i].next; k = r->j->tok[k].next)
		if (!(out[(*n)++] = json_string(&r->p->memory, r->j, k)).n)
			return fail(r, name, "must be a list of texts");
	*v = out;
	return true;
}

/* --- identifiers --- */

static bool entity(struct reader *r, const char *name, struct slice s, bool cse, struct slice *canon)
{
	enum ident_kind kind;
	enum ident_form form;

	if (ident_parse(&r->p->memory, r->o->home, s, &kind, &form, canon) != RC_OK)
		return fail(r, name, "out of memory");
	if (cse && kind != ID_CSE)
		return fail(r, name, "\"%.*s\" is no CSE-ID (/name or //domain/name)", SF(s));
	if (!cse && kind != ID_AE_S && kind != ID_AE_C)
		return fail(r, name, "\"%.*s\" is no AE-ID", SF(s));
	return true;
}

/* Addresses in the absolute form, as the resource of a question. */
static bool places(struct reader *r, uint32_t obj, struct das_rule *rule)
{
	const struct slice *v;
	struct slice *out;

	if (!strings(r, obj, "at", &v, &rule->n_at))
		return false;
	if (!v)
		return fail(r, "at", "is missing: a list of addresses, \"/cse01/cse/ward9/**\"; \"**\" for all");
	if (!(out = arena_array(&r->p->memory, rule->n_at, sizeof(*out))))
		return fail(r, "at", "out of memory");
	for (size_t i = 0; i < rule->n_at; i++) {
		if (slice_eq(v[i], S("**")) || slice_starts(v[i], S("//")))
			out[i] = v[i];
		else if (slice_starts(v[i], S("/")))
			out[i] = arena_printf(&r->p->memory, "%.*s%.*s", SF(r->o->home->sp_id), SF(v[i]));
		else
			return fail(r, "at", "\"%.*s\" must begin with the CSE-ID (/cse01/...)", SF(v[i]));
	}
	rule->at = out;
	return true;
}

/* --- CSEs --- */

static bool read_cse(struct reader *r, uint32_t i, struct das_cse *c)
{
	static const char *const names[] = { "id", "encrypt", "enc", "poa", "base", NULL };
	struct slice id, enc;

	if (!only(r, i, names) || !string(r, i, "id", true, &id) || !entity(r, "id", id, true, &c->id) ||
	    !string(r, i, "encrypt", false, &c->encrypt) || !string(r, i, "enc", false, &enc) || !string(r, i, "poa", false, &c->poa) ||
	    !string(r, i, "base", false, &c->base))
		return false;
	if (!c->encrypt.n)
		return enc.n ? fail(r, "enc", "has no meaning without \"encrypt\"") : true;
	c->enc = enc.n ? alg_find(enc) : ALG_A128GCM;
	return alg_in(c->enc, ALGS_CONTENT) ? true : fail(r, "enc", "A128GCM, A192GCM or A256GCM");
}

static bool read_cses(struct reader *r)
{
	uint32_t all = json_member(r->j, 0, S("cses")), i;
	struct das_cse *v;
	size_t n = 0;

	if (!all || json_kind(r->j, all) != J_ARRAY || !r->j->tok[all].count || r->j->tok[all].count > CSES_MAX)
		return fail(r, "cses", "must be a list of the CSEs that may ask, [{\"id\":\"/cse01\"}]");
	if (!(v = arena_array(&r->p->memory, r->j->tok[all].count, sizeof(*v))))
		return fail(r, "cses", "out of memory");
	for (i = all + 1; i < r->j->tok[all].next; i = r->j->tok[i].next, n++) {
		snprintf(r->place, sizeof(r->place), "cses[%zu]", n);
		if (!read_cse(r, i, &v[n]))
			return false;
	}
	r->place[0] = '\0';
	r->p->cses = v;
	r->p->n_cses = n;
	return true;
}

/* --- rules --- */

static bool read_who(struct reader *r, uint32_t obj, struct das_rule *rule)
{
	uint32_t who = json_member(r->j, obj, S("for"));
	char mem[4096];
	struct arena a;
	struct buf acrs;
	struct json j;
	struct slice why = { NULL, 0 };
	enum reeve_rc rc;

	if (!who || json_kind(r->j, who) != J_ARRAY || !r->j->tok[who].count)
		return fail(r, "for", "must be a list of accessControlRules, [{\"acor\":[\"C-tablet*\"],\"acop\":2}]");
	arena_init(&a, mem, sizeof(mem), 64 << 20);
	buf_init(&acrs, FILE_MOST);
	buf_lit(&acrs, "{\"acr\":");
	buf_slice(&acrs, json_raw(r->j, who));
	buf_char(&acrs, '}');
	rc = acrs.failed ? RC_NOMEM : json_parse(&a, buf_view(&acrs), &json_default_limits, &j, &why);
	if (rc == RC_OK)
		rc = policy_check(r->o, &j, 0, &a, &why);
	if (rc == RC_OK)
		rc = policy_compile(r->o, rule->name, buf_view(&acrs), S("{\"acr\":[]}"), NULL, NULL, &rule->who);
	if (rc != RC_OK)
		fail(r, "for", "%.*s", why.p ? (int)why.n : 13, why.p ? why.p : "out of memory");
	buf_free(&acrs);
	arena_reset(&a);
	return rc == RC_OK;
}

static bool read_types(struct reader *r, uint32_t obj, struct das_rule *rule)
{
	uint32_t i = json_member(r->j, obj, S("types"));
	int64_t *v;

	if (!i)
		return true;
	if (json_kind(r->j, i) != J_ARRAY || !r->j->tok[i].count || r->j->tok[i].count > LIST_MAX ||
	    !(v = arena_array(&r->p->memory, r->j->tok[i].count, sizeof(*v))))
		return fail(r, "types", "must be a list of resource types (numbers)");
	for (uint32_t k = i + 1; k < r->j->tok[i].next; k = r->j->tok[k].next)
		if (!json_i64(r->j, k, &v[rule->n_types++]))
			return fail(r, "types", "must be a list of resource types (numbers)");
	rule->types = v;
	return true;
}

static bool role_id(struct slice s)
{
	ptrdiff_t at = slice_find(s, '@');

	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f || s.p[i] == '"' || s.p[i] == '\\')
			return false;
	return at > 0 && (size_t)at + 1 < s.n;
}

static bool read_give(struct reader *r, uint32_t obj, struct das_rule *rule)
{
	static const char *const names[] = { "privileges", "token", "operations", "roles", "lifetime", NULL };
	uint32_t give = json_member(r->j, obj, S("give")), i;
	uint64_t n = 0;

	if (!give)
		return fail(r, "give", "is missing: {\"token\":true,\"operations\":2,\"lifetime\":600}");
	if (!only(r, give, names) || !flag(r, give, "privileges", &rule->privileges) || !flag(r, give, "token", &rule->token) ||
	    !strings(r, give, "roles", &rule->roles, &rule->n_roles))
		return false;
	i = json_member(r->j, give, S("operations"));
	if (i && (!json_u64(r->j, i, &n) || n < 1 || n > 63))
		return fail(r, "give.operations", "1 to 63, the sum of 1 Create, 2 Retrieve, 4 Update, 8 Delete, 16 Notify, 32 Discovery");
	rule->acop = (unsigned)n;
	for (size_t k = 0; k < rule->n_roles; k++)
		if (!role_id(rule->roles[k]))
			return fail(r, "give.roles", "\"%.*s\" is no Role-ID (name@domain)", SF(rule->roles[k]));
	if (rule->n_roles && !rule->token)
		return fail(r, "give.roles", "roles are given by a token: \"token\":true");
	if (rule->privileges && !rule->acop)
		return fail(r, "give.operations", "is missing: which operations do the privileges permit?");
	if (!rule->privileges && !rule->token)
		return fail(r, "give", "gives nothing: \"privileges\":true or \"token\":true");
	if (rule->token && !rule->acop && !rule->n_roles)
		return fail(r, "give", "the token permits nothing: give operations or roles");
	i = json_member(r->j, give, S("lifetime"));
	if (i && (!json_u64(r->j, i, &n) || n < 1 || n > (uint64_t)(LIFETIME_MOST / USEC_S)))
		return fail(r, "give.lifetime", "seconds, 1 to %lld", (long long)(LIFETIME_MOST / USEC_S));
	rule->lifetime = i ? (usec)n * USEC_S : LIFETIME_DEFAULT;
	return true;
}

static bool read_via(struct reader *r, uint32_t obj, struct das_rule *rule)
{
	const struct slice *v;
	size_t n;

	if (!strings(r, obj, "via", &v, &n))
		return false;
	rule->direct = rule->indirect = !v;
	for (size_t i = 0; i < n; i++) {
		if (slice_eq(v[i], S("direct")))
			rule->direct = true;
		else if (slice_eq(v[i], S("indirect")))
			rule->indirect = true;
		else
			return fail(r, "via", "\"direct\" (the CSE asks) and \"indirect\" (the Originator asks)");
	}
	return rule->privileges && !rule->direct ? fail(r, "via", "privileges are given to a CSE that asks: \"direct\"") : true;
}

static bool read_rule(struct reader *r, uint32_t i, struct das_rule *rule)
{
	static const char *const names[] = { "name", "for", "at", "types", "via", "give", NULL };

	return only(r, i, names) && string(r, i, "name", true, &rule->name) && places(r, i, rule) && read_types(r, i, rule) &&
	       read_give(r, i, rule) && read_via(r, i, rule) && read_who(r, i, rule);
}

static bool read_rules(struct reader *r)
{
	uint32_t all = json_member(r->j, 0, S("rules")), i;
	struct das_rule *v;

	if (!all || json_kind(r->j, all) != J_ARRAY || r->j->tok[all].count > RULES_MAX)
		return fail(r, "rules", "must be a list of rules, at most %d", RULES_MAX);
	if (!(v = arena_array(&r->p->memory, r->j->tok[all].count + 1u, sizeof(*v))))
		return fail(r, "rules", "out of memory");
	r->p->rules = v;
	for (i = all + 1; i < r->j->tok[all].next; i = r->j->tok[i].next) {
		snprintf(r->place, sizeof(r->place), "rules[%zu]", r->p->n_rules);
		if (!read_rule(r, i, &v[r->p->n_rules++]))
			return false;
	}
	r->place[0] = '\0';
	return true;
}

static bool read_all(struct reader *r)
{
	static const char *const names[] = { "issuer", "domain", "sign", "decrypt", "cses", "rules", NULL };
	struct slice issuer;

	if (!only(r, 0, names) || !string(r, 0, "issuer", true, &issuer) || !entity(r, "issuer", issuer, false, &r->p->issuer) ||
	    !string(r, 0, "domain", true, &r->p->domain) || !string(r, 0, "sign", true, &r->p->sign) ||
	    !string(r, 0, "decrypt", false, &r->p->decrypt))
		return false;
	for (size_t i = 0; i < r->p->domain.n; i++)
		if (!memchr("abcdefghijklmnopqrstuvwxyz0123456789.-", r->p->domain.p[i], 38))
			return fail(r, "domain", "a lower-case domain name");
	return read_cses(r) && read_rules(r);
}

enum reeve_rc das_policy_read(struct slice text, const struct policy_options *o, struct das_policy **out, char why[DAS_WHY_MAX])
{
	static const struct json_limits limits = { .depth = 16, .tokens = 1 << 20 };
	struct das_policy *p = calloc(1, sizeof(*p));
	struct reader r = { .o = o, .p = p, .why = why };
	struct slice say = { NULL, 0 }, own;
	struct json j;

	*out = NULL;
	why[0] = '\0';
	if (!p)
		return RC_NOMEM;
	arena_init(&p->memory, NULL, 0, 256 << 20);
	own = arena_dup(&p->memory, text);
	r.rc = own.p ? json_parse(&p->memory, own, &limits, &j, &say) : RC_NOMEM;
	r.j = &j;
	if (r.rc != RC_OK)
		snprintf(why, DAS_WHY_MAX, "%.*s", say.p ? (int)say.n : 13, say.p ? say.p : "out of memory");
	else if (read_all(&r) && !p->memory.failed) {
		*out = p;
		return RC_OK;
	}
	if (p->memory.failed)
		r.rc = RC_NOMEM;
	das_policy_free(p);
	return r.rc;
}

enum reeve_rc das_policy_load(const char *path, const struct policy_options *o, struct das_policy **out, char why[DAS_WHY_MAX])
{
	struct buf b;
	enum reeve_rc rc = file_read(path, FILE_MOST, &b, why);

	*out = NULL;
	if (rc == RC_OK)
		rc = das_policy_read(buf_view(&b), o, out, why);
	buf_free(&b);
	return rc;
}

void das_policy_free(struct das_policy *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i].who)
			policy_free(p->rules[i].who);
	arena_reset(&p->memory);
	free(p);
}

/* --- deciding --- */

const struct das_cse *das_policy_cse(const struct das_policy *p, struct slice canonical_id)
{
	for (size_t i = 0; i < p->n_cses; i++)
		if (slice_eq(p->cses[i].id, canonical_id))
			return &p->cses[i];
	return NULL;
}

bool das_glob(struct slice pattern, struct slice s)
{
	/* Where to go on when what follows a star does not fit: the last `*`, or the last `**` when that one ran into a '/'. */
	size_t p = 0, i = 0, one_p = SIZE_MAX, one_i = 0, all_p = SIZE_MAX, all_i = 0;

	for (;;) {
		if (p + 1 < pattern.n && pattern.p[p] == '*' && pattern.p[p + 1] == '*') {
			all_p = p += 2;
			all_i = i;
			one_p = SIZE_MAX;
			continue;
		}
		if (p < pattern.n && pattern.p[p] == '*') {
			one_p = ++p;
			one_i = i;
			continue;
		}
		if (p == pattern.n && i == s.n)
			return true;
		if (p < pattern.n && i < s.n && pattern.p[p] == s.p[i]) {
			p++;
			i++;
			continue;
		}
		if (one_p != SIZE_MAX && one_i < s.n && s.p[one_i] != '/') {
			p = one_p;
			i = ++one_i;
		} else if (all_p != SIZE_MAX && all_i < s.n) {
			p = all_p;
			i = ++all_i;
			one_p = SIZE_MAX;
		} else {
			return false;
		}
	}
}

static bool fits(const struct das_rule *r, const struct das_question *q)
{
	const struct policy *who = r->who;
	bool there = false, type = r->n_types == 0;

	if (!(q->direct ? r->direct : r->indirect) || (!q->direct && !r->token))
		return false;
	for (size_t i = 0; !there && i < r->n_at; i++)
		there = das_glob(r->at[i], q->resource);
	for (size_t i = 0; !type && i < r->n_types; i++)
		type = r->types[i] == q->facts->target_ty;
	return there && type && pdp_decide(&who, 1, POLICY_PV, q->facts, NULL, NULL, NULL);
}

const struct das_rule *das_policy_match(const struct das_policy *p, const struct das_question *q)
{
	for (size_t i = 0; q->facts->who.n && i < p->n_rules; i++)
		if (fits(&p->rules[i], q))
			return &p->rules[i];
	return NULL;
}
