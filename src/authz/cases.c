/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of case files: a table of members, each with the function that reads its value. */
#include "authz/cases.h"

#include <arpa/inet.h>
#include <math.h>

#include "codec/json.h"
#include "codec/model.h"

enum { TEXT_MAX = 1024, TYPES_MAX = 10000 };
static const struct json_limits limits = { .depth = 16, .tokens = 4 << 20 };

/* What a case may be a list of. */
struct many { struct slice from[64]; unsigned op[6]; size_t n_from, n_op; };

struct reader {
	struct arena *a;
	const struct json *j;
	struct slice why;
	const char *where;   /* "defaults", "cases" */
	size_t index;
	struct many many;
	bool expect_given;
};

static bool fault(struct reader *r, const char *member, const char *expected)
{
	if (!r->why.p && r->where)
		r->why = arena_printf(r->a, "%s[%zu].%s: expected %s", r->where, r->index, member, expected);
	return false;
}

/* --- values --- */

static bool text(struct reader *r, uint32_t i, struct slice *out)
{
	*out = json_kind(r->j, i) == J_STRING ? json_string(r->a, r->j, i) : (struct slice){ NULL, 0 };
	return out->p && out->n && out->n <= TEXT_MAX && !memchr(out->p, 0, out->n);
}

/* A string, or a list of at least one. */
static bool texts(struct reader *r, uint32_t i, const struct slice **out, size_t *n)
{
	bool list = json_kind(r->j, i) == J_ARRAY;
	struct slice *v = arena_array(r->a, list ? r->j->tok[i].count + 1u : 1, sizeof(*v));

	*n = 0;
	*out = v;
	if (!v)
		return false;
	if (!list)
		return text(r, i, &v[(*n)++]);
	for (uint32_t k = i + 1; k < r->j->tok[i].next; k = r->j->tok[k].next)
		if (!text(r, k, &v[(*n)++]))
			return false;
	return true;
}

static bool read_name(struct reader *r, struct policy_case *c, uint32_t i) { return text(r, i, &c->name); }
static bool read_to(struct reader *r, struct policy_case *c, uint32_t i) { return text(r, i, &c->to); }
static bool read_cnd(struct reader *r, struct policy_case *c, uint32_t i) { return text(r, i, &c->target_cnd); }
static bool read_roles(struct reader *r, struct policy_case *c, uint32_t i) { return texts(r, i, &c->roles, &c->n_roles); }
static bool read_policies(struct reader *r, struct policy_case *c, uint32_t i) { return texts(r, i, &c->policies, &c->n_policies); }
static bool read_authenticated(struct reader *r, struct policy_case *c, uint32_t i) { return json_bool(r->j, i, &c->authenticated); }

static bool read_from(struct reader *r, struct policy_case *c, uint32_t i)
{
	const struct slice *v;
	size_t n;

	if (!texts(r, i, &v, &n) || n == 0 || n > sizeof(r->many.from) / sizeof(r->many.from[0]))
		return false;
	memcpy(r->many.from, v, n * sizeof(*v));
	r->many.n_from = n;
	c->from = v[0];
	return true;
}

static bool read_op(struct reader *r, struct policy_case *c, uint32_t i)
{
	const struct slice *v;
	size_t n;

	if (!texts(r, i, &v, &n) || n == 0 || n > 6)
		return false;
	for (size_t k = 0; k < n; k++)
		if (!(r->many.op[k] = case_operation(v[k])))
			return false;
	r->many.n_op = n;
	c->op = r->many.op[0];
	return true;
}

static bool type(struct reader *r, uint32_t i, int32_t *out)
{
	struct slice s;

	if (json_kind(r->j, i) == J_NUMBER)
		s = json_raw(r->j, i);
	else if (!text(r, i, &s))
		return false;
	return (*out = case_type(s)) != 0;
}

static bool read_type(struct reader *r, struct policy_case *c, uint32_t i) { return type(r, i, &c->child_ty); }
static bool read_target_type(struct reader *r, struct policy_case *c, uint32_t i) { return type(r, i, &c->target_ty); }

static bool read_mgd(struct reader *r, struct policy_case *c, uint32_t i)
{
	uint64_t v;

	if (!json_u64(r->j, i, &v) || v > INT32_MAX)
		return false;
	c->target_mgd = (int64_t)v;
	return true;
}

static bool read_time(struct reader *r, struct policy_case *c, uint32_t i)
{
	struct slice s;

	c->time_given = text(r, i, &s) && text_timestamp(s, &c->time);
	return c->time_given;
}

static bool read_ip(struct reader *r, struct policy_case *c, uint32_t i)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char address[INET6_ADDRSTRLEN];
	struct slice s;

	if (!text(r, i, &s) || s.n >= sizeof(address))
		return false;
	memcpy(address, s.p, s.n);
	address[s.n] = '\0';
	c->ip_known = true;
	if (inet_pton(AF_INET6, address, c->ip) == 1)
		return true;
	memcpy(c->ip, mapped, sizeof(mapped));
	return inet_pton(AF_INET, address, c->ip + 12) == 1;
}

static bool read_position(struct reader *r, struct policy_case *c, uint32_t i)
{
	if (json_kind(r->j, i) != J_ARRAY || r->j->tok[i].count != 2 || !json_double(r->j, i + 1, &c->latitude) ||
	    !json_double(r->j, i + 2, &c->longitude))
		return false;
	c->position_known = true;
	return fabs(c->latitude) <= 90 && fabs(c->longitude) <= 180;
}

static bool read_country(struct reader *r, struct policy_case *c, uint32_t i)
{
	struct slice s;

	if (!text(r, i, &s) || s.n != 2 || s.p[0] < 'A' || s.p[0] > 'Z' || s.p[1] < 'A' || s.p[1] > 'Z')
		return false;
	memcpy(c->country, s.p, 2);
	return true;
}

static bool read_expect(struct reader *r, struct policy_case *c, uint32_t i)
{
	struct slice s;

	if (!text(r, i, &s))
		return false;
	for (int k = CASE_PERMIT; k <= CASE_REFUSE; k++)
		if (slice_eq(s, slice_str(case_outcome_name((enum case_outcome)k)))) {
			c->expect = (enum case_outcome)k;
			r->expect_given = true;
			return true;
		}
	return false;
}

static const struct member {
	const char *name;
	bool (*read)(struct reader *r, struct policy_case *c, uint32_t i);
	const char *expected;
} members[] = {
	{ "name", read_name, "text" },
	{ "from", read_from, "an Originator, or a list of up to 64" },
	{ "op", read_op, "create, retrieve, update, delete, notify or discovery, or a list of them" },
	{ "to", read_to, "an address" },
	{ "type", read_type, "a resource type, by name or number" },
	{ "target_type", read_target_type, "a resource type, by name or number" },
	{ "target_cnd", read_cnd, "a containerDefinition" },
	{ "target_mgd", read_mgd, "a number of mgmtDefinition" },
	{ "authenticated", read_authenticated, "true or false" },
	{ "roles", read_roles, "a Role-ID, or a list of them" },
	{ "time", read_time, "YYYYMMDDThhmmss in UTC" },
	{ "ip", read_ip, "a numeric address" },
	{ "position", read_position, "[latitude, longitude] in degrees" },
	{ "country", read_country, "two upper-case letters" },
	{ "policies", read_policies, "the name of a policy, or a list of them" },
	{ "expect", read_expect, "permit, deny or refuse" },
};

const char *case_outcome_name(enum case_outcome o)
{
	static const char *const names[] = { "permit", "deny", "refuse" };
	return names[o];
}

unsigned case_operation(struct slice s)
{
	static const char *const letters[] = { "C", "R", "U", "D", "N", "disc" };

	for (unsigned i = 0; i < 6; i++)
		if (slice_ieq(s, slice_str(acop_name(1u << i))) || slice_ieq(s, slice_str(letters[i])))
			return 1u << i;
	return slice_ieq(s, S("discover")) ? ACOP_DISCOVERY : 0;
}

int32_t case_type(struct slice s)
{
	uint64_t n;

	if (slice_u64(s, &n))
		return n < TYPES_MAX && model_is_type((int64_t)n) ? (int32_t)n : 0;
	for (int32_t ty = 1; ty < 100; ty++) {
		const struct model_res *m = model_by_ty(ty);
		if (m && (slice_ieq(s, slice_str(m->sn)) || slice_ieq(s, slice_str(m->name))))
			return ty;
	}
	return 0;
}

/* --- the file --- */

static bool read_members(struct reader *r, uint32_t obj, struct policy_case *c)
{
	const struct json *j = r->j;

	if (json_kind(j, obj) != J_OBJECT)
		return fault(r, "", "an object");
	for (uint32_t i = obj + 1; i < j->tok[obj].next; i = j->tok[i + 1].next) {
		const struct member *m = NULL;

		for (size_t k = 0; k < sizeof(members) / sizeof(members[0]); k++)
			if (json_string_is(j, i, slice_str(members[k].name)))
				m = &members[k];
		if (!m) {
			struct slice key = json_inner(j, i);
			r->why = arena_printf(r->a, "%s[%zu]: \"%.*s\" is no member of a case: see reeve-policy(1)", r->where, r->index,
					      key.n > 60 ? 60 : (int)key.n, key.p);
			return false;
		}
		if (!m->read(r, c, i + 1))
			return fault(r, m->name, m->expected);
	}
	return true;
}

static bool complete(struct reader *r, const struct policy_case *c)
{
	if (!c->from.n)
		return fault(r, "from", "an Originator: who asks?");
	if (!c->op)
		return fault(r, "op", "an operation");
	if (!r->expect_given)
		return fault(r, "expect", "permit, deny or refuse");
	return true;
}

/* One case for each Originator and operation. */
static bool expand(struct reader *r, const struct policy_case *c, struct cases *out, size_t *cap)
{
	const struct many *m = &r->many;
	const bool alone = m->n_from * m->n_op == 1;

	for (size_t i = 0; i < m->n_from; i++)
		for (size_t k = 0; k < m->n_op; k++) {
			struct policy_case one = *c;

			one.from = m->from[i];
			one.op = m->op[k];
			if (one.op == ACOP_CREATE && !one.child_ty)
				return fault(r, "type", "the type of what is created");
			if (!one.name.n || !alone)
				one.name = arena_printf(r->a, "%.*s%s%.*s %s%s%.*s", SF(c->name), c->name.n ? ": " : "", SF(one.from),
							acop_name(one.op), one.to.n ? " " : "", SF(one.to));
			if (out->n == *cap) {
				size_t more = *cap * 2;
				struct policy_case *v = more <= CASES_MAX * 2 ? arena_array(r->a, more, sizeof(*v)) : NULL;
				if (!v || out->n >= CASES_MAX)
					return fault(r, "", "fewer: there are too many cases");
				memcpy(v, out->v, out->n * sizeof(*v));
				out->v = v;
				*cap = more;
			}
			out->v[out->n++] = one;
		}
	return true;
}

static bool read_all(struct reader *r, uint32_t defaults, uint32_t list, struct cases *out)
{
	struct policy_case base = { .target_mgd = -1, .target_ty = TYPE_CONTAINER };
	struct many many;
	bool expect;
	size_t cap = r->j->tok[list].count + 8u;

	out->v = arena_array(r->a, cap, sizeof(*out->v));
	if (!out->v)
		return false;
	r->where = "defaults";
	if (defaults && !read_members(r, defaults, &base))
		return false;
	many = r->many;
	expect = r->expect_given;
	r->where = "cases";
	for (uint32_t i = list + 1; i < r->j->tok[list].next; i = r->j->tok[i].next, r->index++) {
		struct policy_case c = base;

		r->many = many;
		r->expect_given = expect;
		if (!read_members(r, i, &c) || !complete(r, &c) || !expand(r, &c, out, &cap))
			return false;
	}
	return true;
}

static bool known_parts(const struct json *j)
{
	for (uint32_t i = 1; i < j->tok[0].next; i = j->tok[i + 1].next)
		if (!json_string_is(j, i, S("policies")) && !json_string_is(j, i, S("defaults")) && !json_string_is(j, i, S("cases")))
			return false;
	return true;
}

enum reeve_rc cases_read(struct arena *a, struct slice text_, struct cases *out, struct slice *why)
{
	struct json j;
	struct reader r = { .a = a, .j = &j };
	uint32_t list, files;
	enum reeve_rc rc = json_parse(a, text_, &limits, &j, why);

	*out = (struct cases){ .n = 0 };
	if (rc)
		return rc;
	list = json_member(&j, 0, S("cases"));
	files = json_member(&j, 0, S("policies"));
	if (json_kind(&j, 0) != J_OBJECT || !list || json_kind(&j, list) != J_ARRAY || !known_parts(&j)) {
		*why = S("expected an object with \"cases\", a list, and at most \"policies\" and \"defaults\" beside it");
		return RC_INVALID;
	}
	if (files && !texts(&r, files, &out->policies, &out->n_policies)) {
		*why = S("policies: expected the name of a file, or a list of them");
		return RC_INVALID;
	}
	if (!read_all(&r, json_member(&j, 0, S("defaults")), list, out) || a->failed) {
		*why = r.why.p ? r.why : S("memory is out");
		return a->failed ? RC_NOMEM : RC_INVALID;
	}
	return RC_OK;
}
