/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a query to parameters and filter criteria (TS-0009 6.2.2, TS-0008 6.2.2.3). Pure.
 *
 * '+' is looked for before percent-decoding, so an encoded one is data. It joins the values of a list and is itself everywhere else;
 * it never stands for a blank. Fields the standard leaves open (clbl, palb, lbq, chty, pty, arp, grtm) are taken by their short names. */
#include "binding/query.h"

#include "codec/model.h"

enum { CLAIMS = QUERY_CLAIMS };

void map_bad(struct req *r, const char *text, struct slice what)
{
	if (!r->bad.p)
		r->bad = arena_printf(&r->arena, "%s: \"%.*s\"", text, (int)(what.n > 80 ? 80 : what.n), what.p ? what.p : "");
	if (!r->bad.p)
		r->bad = S("the request needs more memory than limits.request_memory");
}

struct slice query_unescape(struct arena *a, struct slice s, const char **why)
{
	char *out = arena_alloc(a, s.n + 1);
	unsigned char high = 0;
	size_t n = 0;

	*why = "too long";
	if (!out)
		return (struct slice){ NULL, 0 };
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '%') {
			int hi = i + 1 < s.n ? slice_hex(s.p[i + 1]) : -1, lo = i + 2 < s.n ? slice_hex(s.p[i + 2]) : -1;
			if (hi < 0 || lo < 0 || !(hi | lo)) {
				*why = "bad percent escape";
				return (struct slice){ NULL, 0 };
			}
			c = (char)(hi << 4 | lo);
			i += 2;
		}
		high |= (unsigned char)c;
		out[n++] = c;
	}
	out[n] = '\0';
	*why = "not UTF-8";
	return high < 0x80 || slice_utf8(slice_of(out, n)) ? slice_of(out, n) : (struct slice){ NULL, 0 };
}

struct slice query_decode(struct req *r, struct slice s)
{
	const char *why;
	struct slice out = query_unescape(&r->arena, s, &why);

	if (!out.p)
		map_bad(r, why, s);
	return out;
}

/* A '+'-separated list in encoded form: each part decoded. */
static const struct slice *split(struct req *r, struct slice s, size_t *n)
{
	struct slice rest = s, *v;
	size_t count = 1;

	for (size_t i = 0; i < s.n; i++)
		count += s.p[i] == '+';
	*n = 0;
	v = arena_array(&r->arena, count, sizeof(*v));
	if (!v)
		map_bad(r, "too long", S("request target"));
	while (v && rest.p) {
		struct slice part = query_decode(r, slice_cut(&rest, '+'));
		if (!part.p)
			break;
		if (part.n)
			v[(*n)++] = part;
	}
	return v;
}

static bool truth(struct req *r, struct slice name, struct slice v)
{
	if (slice_eq(v, S("true")) || slice_eq(v, S("1")))
		return true;
	if (!slice_eq(v, S("false")) && !slice_eq(v, S("0")))
		map_bad(r, "not a boolean (true, false, 1, 0)", name);
	return false;
}

static int small(struct req *r, struct slice name, struct slice v, int least, int most)
{
	uint64_t n;

	if (slice_u64(v, &n) && n >= (uint64_t)least && n <= (uint64_t)most)
		return (int)n;
	map_bad(r, "not a number that is known", name);
	return -1;
}

/* --- parameters that are no filter criteria --- */

enum param { P_RT, P_RP, P_RCN, P_DA, P_DRT, P_ATRL, P_GRTM, P_RIDS, P_TIDS, P_LTIDS, P_TQI, P_ASI, P_AURI, P_SQI, P_NONE };

static enum param param_of(struct slice name)
{
	static const struct slice names[] = {
		[P_RT] = { "rt", 2 },     [P_RP] = { "rp", 2 },       [P_RCN] = { "rcn", 3 },   [P_DA] = { "da", 2 },
		[P_DRT] = { "drt", 3 },   [P_ATRL] = { "atrl", 4 },   [P_GRTM] = { "grtm", 4 }, [P_RIDS] = { "rids", 4 },
		[P_TIDS] = { "tids", 4 }, [P_LTIDS] = { "ltids", 5 }, [P_TQI] = { "tqi", 3 },   [P_ASI] = { "asi", 3 },
		[P_AURI] = { "auri", 4 }, [P_SQI] = { "sqi", 3 },
	};

	for (unsigned i = 0; i < P_NONE; i++)
		if (slice_eq(name, names[i]))
			return (enum param)i;
	return P_NONE;
}

static void list_param(struct req *r, enum param p, struct slice name, struct slice raw)
{
	const struct slice *v;
	size_t n;

	v = split(r, raw, &n);
	switch (p) {
	case P_ATRL:
		r->atrl = v;
		r->n_atrl = n;
		if (!n)
			map_bad(r, "a list of attribute short names is expected", name);
		break;
	case P_GRTM:
		r->grtm = v;
		r->n_grtm = n;
		r->has |= HAS_GRTM;
		break;
	default: break;
	}
}

/* Role, token and local token identifiers: the field may come again (TS-0009 table 6.2.2.2-1), and its values join the others. */
static void claim(struct query_in *s, enum param p, struct slice raw)
{
	struct req *r = s->r;
	const struct { uint32_t has; const struct slice **v; size_t *n; } to[CLAIMS] = {
		{ HAS_ROLES, &r->rids, &r->n_rids }, { HAS_TOKEN_IDS, &r->tids, &r->n_tids }, { HAS_LOCAL_TOKENS, &r->ltids, &r->n_ltids },
	};
	size_t k = (size_t)p - P_RIDS, n, old = *to[k].n;
	const struct slice *v = split(r, raw, &n);
	struct slice *all = s->claim[k];

	r->has |= to[k].has;
	if (!n)
		return;
	if (old + n > s->room[k]) {
		s->room[k] = 2 * (old + n);
		if (!(all = arena_array(&r->arena, s->room[k], sizeof(*all)))) {
			map_bad(r, "too long", S("request target"));
			s->room[k] = old;
			return;
		}
		if (old)
			memcpy(all, s->claim[k], old * sizeof(*all));
		s->claim[k] = all;
	}
	memcpy(all + old, v, n * sizeof(*all));
	*to[k].v = all;
	*to[k].n = old + n;
}

static void single_param(struct req *r, enum param p, struct slice name, struct slice v)
{
	switch (p) {
	case P_RT: r->rt = (enum resp_type)small(r, name, v, 1, 5); break;
	case P_RCN:
		r->rcn = small(r, name, v, 0, 1000);
		r->has |= HAS_RCN;
		break;
	case P_DRT:
		r->drt = small(r, name, v, 1, 2);
		r->has |= HAS_DRT;
		break;
	case P_RP:
		r->rp = v;
		r->has |= HAS_RP;
		break;
	case P_DA:
		truth(r, name, v);
		r->has |= HAS_DA;
		break;
	case P_ASI:
		r->asi = truth(r, name, v);
		r->has |= HAS_ASI;
		break;
	case P_AURI:
		r->auri = truth(r, name, v);
		r->has |= HAS_AURI;
		break;
	case P_TQI:
		r->tqi = truth(r, name, v);
		r->has |= HAS_TQI;
		break;
	default: r->has |= truth(r, name, v) ? HAS_SQI : 0; break;
	}
}

static void parameter(struct query_in *s, enum param p, struct slice name, struct slice raw)
{
	struct slice v;

	if (p == P_RIDS || p == P_TIDS || p == P_LTIDS) {
		claim(s, p, raw);
		return;
	}
	if (s->seen & 1u << p)
		map_bad(s->r, "query field stands twice", name);
	s->seen |= 1u << p;
	if (p == P_ATRL || p == P_GRTM) {
		list_param(s->r, p, name, raw);
		return;
	}
	v = query_decode(s->r, raw);
	if (v.p)
		single_param(s->r, p, name, v);
}

/* --- filter criteria --- */

static bool is_list(struct slice name)
{
	static const struct slice lists[] = { { "ty", 2 },   { "lbl", 3 },  { "cty", 3 }, { "pty", 3 },
					      { "clbl", 4 }, { "palb", 4 }, { "chty", 4 } };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (slice_eq(name, lists[i]))
			return true;
	return false;
}

/* {attribute}=value, c.{attribute}=value of a child, p.{attribute}=value of the parent; each of several values is a condition. */
static void attribute(struct req *r, struct slice name, struct slice raw)
{
	struct slice rest = raw, bare = name;

	if (slice_starts(name, S("c.")) || slice_starts(name, S("p.")))
		bare = slice_skip(name, 2);
	if (!model_is_attr(bare)) {
		map_bad(r, "unknown query field", name);
		return;
	}
	while (rest.p) {
		struct slice v = query_decode(r, slice_cut(&rest, '+'));
		if (!v.p)
			return;
		if (filter_attr_add(&r->fc, &r->arena, name, v) != RC_OK)
			map_bad(r, "this attribute cannot be a condition", name);
	}
	r->has |= HAS_FC;
}

static void condition(struct req *r, struct slice name, struct slice raw)
{
	bool list = is_list(name);
	struct slice rest = raw;

	do {
		struct slice why = { NULL, 0 }, v = query_decode(r, list ? slice_cut(&rest, '+') : raw);
		enum reeve_rc rc;

		if (!v.p)
			return;
		rc = filter_add(&r->fc, &r->arena, name, v, &why);
		if (rc == RC_NOTFOUND) {
			attribute(r, name, raw);
			return;
		}
		if (rc != RC_OK && !r->bad.p)
			r->bad = why.n ? why : S("filter criteria: too much for limits.request_memory");
		r->has |= HAS_FC;
	} while (list && rest.p);
}

void query_field(struct query_in *s, struct slice name, struct slice value)
{
	enum param p = param_of(name);

	if (p != P_NONE)
		parameter(s, p, name, value);
	else
		condition(s->r, name, value);
}

bool query_printable(struct slice v)
{
	unsigned char high = 0;

	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		if (c < 0x20 || c == 0x7f)
			return false;
		high |= c;
	}
	return high < 0x80 || slice_utf8(v);
}

struct slice query_address(struct slice to)
{
	char *q = (char *)to.p; /* ours to change */

	if (slice_starts(to, S("/~/")))
		return slice_skip(to, 2);
	if (slice_starts(to, S("/_/"))) {
		/* the path is one byte longer than the address: "/_/" becomes "//" */
		q[1] = '/';
		return slice_skip(to, 1);
	}
	return slice_starts(to, S("/")) && !slice_starts(to, S("//")) ? slice_skip(to, 1) : S("");
}
