/* SPDX-License-Identifier: Apache-2.0 */
/* Request target to primitive: path to To, query to parameters and filter criteria (TS-0009 6.2.2). Pure. */
#include "binding/http/map.h"
#include "binding/http/map_int.h"
#include "codec/model.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Percent-decoded copy. p == NULL: a bad escape, or a byte no identifier or value can have. */
static struct slice decode(struct arena *a, struct slice s, bool plus_is_blank)
{
	char *out;
	size_t n = 0;

	if (!memchr(s.p ? s.p : "", '%', s.n) && !plus_is_blank)
		return arena_dup(a, s);
	out = arena_alloc(a, s.n + 1);
	if (!out)
		return (struct slice){ NULL, 0 };
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '%') {
			int hi = i + 1 < s.n ? hex(s.p[i + 1]) : -1, lo = i + 2 < s.n ? hex(s.p[i + 2]) : -1;
			if (hi < 0 || lo < 0)
				return (struct slice){ NULL, 0 };
			c = (char)(hi << 4 | lo);
			i += 2;
		}
		if (c == '\0')
			return (struct slice){ NULL, 0 };
		out[n++] = c;
	}
	out[n] = '\0';
	return slice_of(out, n);
}

void map_bad(struct req *r, const char *text, struct slice what)
{
	if (!r->bad.p)
		r->bad = arena_printf(&r->arena, "%s: \"%.*s\"", text, (int)(what.n > 80 ? 80 : what.n), what.p);
	if (!r->bad.p)
		r->bad = S("the request needs more memory than limits.request_memory");
}

/* A '+'-separated list in encoded form: each part decoded. */
static const struct slice *split(struct req *r, struct slice s, char sep, size_t *n)
{
	struct slice rest = s, *v;
	size_t count = 1;

	for (size_t i = 0; i < s.n; i++)
		count += s.p[i] == sep;
	*n = 0;
	v = arena_array(&r->arena, count, sizeof(*v));
	while (v && rest.p) {
		struct slice part = decode(&r->arena, slice_cut(&rest, sep), false);
		if (!part.p) {
			map_bad(r, "bad percent escape", s);
			break;
		}
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

static int small(struct req *r, struct slice name, struct slice v)
{
	uint64_t n;
	if (slice_u64(v, &n) && n <= 100000)
		return (int)n;
	map_bad(r, "not a number", name);
	return -1;
}

/* Parameters that are no filter criteria. False: none of these. */
static bool parameter(struct req *r, struct slice name, struct slice raw)
{
	struct slice v = decode(&r->arena, raw, false);
	size_t n;

	if (!v.p) {
		map_bad(r, "bad percent escape", raw);
		return true;
	}
	if (slice_eq(name, S("rt"))) {
		int rt = small(r, name, v);
		if (rt < 1 || rt > 5)
			map_bad(r, "rt is a number from 1 to 5", v);
		else
			r->rt = (enum resp_type)rt;
	} else if (slice_eq(name, S("rcn"))) {
		r->rcn = small(r, name, v);
		r->has |= HAS_RCN;
	} else if (slice_eq(name, S("drt"))) {
		r->drt = small(r, name, v);
		r->has |= HAS_DRT;
	} else if (slice_eq(name, S("rp"))) {
		r->rp = v;
		r->has |= HAS_RP;
	} else if (slice_eq(name, S("da"))) {
		truth(r, name, v);
		r->has |= HAS_DA;
	} else if (slice_eq(name, S("atrl"))) {
		r->atrl = split(r, raw, '+', &r->n_atrl);
		if (!r->n_atrl)
			map_bad(r, "atrl is a list of attribute short names", raw);
	} else if (slice_eq(name, S("grtm"))) {
		r->grtm = split(r, raw, '+', &r->n_grtm);
		r->has |= HAS_GRTM;
	} else if (slice_eq(name, S("rids"))) {
		r->rids = split(r, raw, '+', &r->n_rids);
		r->has |= HAS_ROLES;
	} else if (slice_eq(name, S("tids"))) {
		split(r, raw, '+', &n);
		r->has |= HAS_TOKEN_IDS;
	} else if (slice_eq(name, S("ltids"))) {
		split(r, raw, '+', &n);
		r->has |= HAS_LOCAL_TOKENS;
	} else if (slice_eq(name, S("tqi"))) {
		r->has |= truth(r, name, v) ? HAS_TQI : 0;
	} else if (slice_eq(name, S("asi"))) {
		truth(r, name, v);
		r->has |= HAS_ASI;
	} else if (slice_eq(name, S("auri"))) {
		truth(r, name, v);
		r->has |= HAS_AURI;
	} else if (slice_eq(name, S("sqi"))) {
		r->has |= truth(r, name, v) ? HAS_SQI : 0;
	} else {
		return false;
	}
	return true;
}

static bool is_list(struct slice name)
{
	static const char *const lists[] = { "lbl", "clbl", "palb", "ty", "chty", "pty", "cty" };
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (slice_eq(name, slice_str(lists[i])))
			return true;
	return false;
}

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
		struct slice v = decode(&r->arena, slice_cut(&rest, '+'), false);
		if (!v.p)
			map_bad(r, "bad percent escape", raw);
		else if (filter_attr_add(&r->fc, &r->arena, name, v) != RC_OK)
			map_bad(r, "this attribute cannot be a condition", name);
	}
	r->has |= HAS_FC;
}

static void field(struct req *r, struct slice name, struct slice raw)
{
	bool list = is_list(name);
	struct slice rest = raw, why = { NULL, 0 };

	if (parameter(r, name, raw))
		return;
	do {
		struct slice v = decode(&r->arena, list ? slice_cut(&rest, '+') : raw, !list);
		enum reeve_rc rc = RC_INVALID;
		if (v.p)
			rc = filter_add(&r->fc, &r->arena, name, v, &why);
		if (rc == RC_NOTFOUND) {
			attribute(r, name, raw);
			return;
		}
		if (rc != RC_OK)
			map_bad(r, why.p ? arena_dup(&r->arena, why).p : "bad value", name);
		r->has |= HAS_FC;
	} while (list && rest.p);
}

/* "/x" -> x, "/~/cse/x" -> /cse/x, "/_/sp/cse/x" -> //sp/cse/x */
static void path(struct req *r, struct slice p)
{
	struct slice to = decode(&r->arena, p, false);

	if (!to.p || !to.n || to.p[0] != '/') {
		map_bad(r, "the path is no oneM2M address", p);
		r->to = S("");
		return;
	}
	if (slice_starts(to, S("/~/"))) {
		r->to = slice_skip(to, 2);
	} else if (slice_starts(to, S("/_/"))) {
		((char *)to.p)[1] = '/'; /* the arena's copy */
		r->to = arena_printf(&r->arena, "/%.*s", (int)(to.n - 2), to.p + 2);
	} else {
		r->to = slice_skip(to, 1);
	}
	if (r->to.n > 1 && r->to.p[r->to.n - 1] == '/')
		r->to.n--;
	if (!r->to.n)
		map_bad(r, "the path is no oneM2M address", p);
}

/* A parameter with one value may stand once: a second one would make two readers see two requests. */
static bool twice(unsigned *seen, struct slice name)
{
	static const char *const single[] = { "rt", "rcn", "drt", "rp", "da", "atrl", "grtm", "rids", "tids", "ltids", "tqi", "asi", "auri", "sqi" };

	for (unsigned i = 0; i < sizeof(single) / sizeof(single[0]); i++)
		if (slice_eq(name, slice_str(single[i]))) {
			bool before = *seen >> i & 1;
			*seen |= 1u << i;
			return before;
		}
	return false;
}

void http_map_target(struct req *r, struct slice target)
{
	struct slice rest = target, name, p;
	unsigned seen = 0;

	if (slice_starts(target, S("http://"))) { /* absolute-form: what a proxy would get */
		rest = slice_skip(target, 7);
		ptrdiff_t at = slice_find(rest, '/');
		rest = at < 0 ? S("/") : slice_skip(rest, (size_t)at);
	}
	p = slice_cut(&rest, '?');
	path(r, p);
	while (rest.p) {
		struct slice pair = slice_cut(&rest, '&');
		if (!pair.n)
			continue;
		name = decode(&r->arena, slice_cut(&pair, '='), false);
		if (!name.p)
			map_bad(r, "bad percent escape", target);
		else if (!pair.p)
			map_bad(r, "a query field without value", name);
		else if (twice(&seen, name))
			map_bad(r, "query field stands twice", name);
		else
			field(r, name, pair);
	}
}

void http_map_path(struct buf *b, struct slice to)
{
	static const char ok[] = "-._~!$&'()*+,;=:@/";

	if (slice_starts(to, S("//"))) {
		buf_lit(b, "/_/");
		to = slice_skip(to, 2);
	} else if (slice_starts(to, S("/"))) {
		buf_lit(b, "/~/");
		to = slice_skip(to, 1);
	} else {
		buf_char(b, '/');
	}
	for (size_t i = 0; i < to.n; i++) {
		unsigned char c = (unsigned char)to.p[i];
		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && memchr(ok, c, sizeof(ok) - 1)))
			buf_char(b, (char)c);
		else
			buf_printf(b, "%%%02X", c);
	}
}
