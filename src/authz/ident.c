/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers of entities: one split into domain, first segment and rest; everything else looks at the parts.
 *
 * The grammar is the wider of the two the standard has (docs/deviations.md, Identifiers): stems and CSE-IDs take all
 * unreserved characters of RFC 3986. Domains are compared without regard to case, so the canonical form has them in
 * lower case; all else is case-sensitive.
 *
 * "/Sx" is the same text for an S-type AE-ID and for a CSE whose name begins with S. The canonical form is the same
 * too, so decisions do not depend on it; only the kind does: it is ID_CSE for the own CSE, ID_AE_S for all others. */
#include "authz/ident.h"

#include "codec/text.h"

static bool unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

static bool all_unreserved(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!unreserved(s.p[i]))
			return false;
	return s.n > 0;
}

bool ident_stem(struct slice s)
{
	return s.n >= 2 && (s.p[0] == 'C' || s.p[0] == 'S') && all_unreserved(s);
}

bool ident_cse(struct slice s)
{
	return s.n >= 2 && s.p[0] == '/' && all_unreserved(slice_skip(s, 1));
}

bool ident_sp(struct slice s)
{
	if (!slice_starts(s, S("//")) || !text_fqdn(slice_skip(s, 2)))
		return false;
	for (size_t i = 2; i < s.n; i++)
		if (s.p[i] >= 'A' && s.p[i] <= 'Z')
			return false;
	return true;
}

bool ident_app(struct slice s)
{
	return s.n >= 2 && (s.p[0] == 'R' || s.p[0] == 'r' || s.p[0] == 'N') && all_unreserved(s);
}

/* The parts of an address that begins with '/'. */
struct parts {
	enum ident_form form;
	struct slice sp;    /* "//fqdn" as written; empty when not absolute */
	struct slice first; /* first segment behind the domain; p == NULL: there is none */
	struct slice rest;  /* what follows its '/'; p == NULL: there is none */
};

/* False when the domain is no domain. */
static bool split(struct slice s, struct parts *out)
{
	*out = (struct parts){ .form = ID_SP_RELATIVE };
	if (slice_starts(s, S("//"))) {
		struct slice host = slice_skip(s, 2);
		ptrdiff_t at = slice_find(host, '/');

		out->form = ID_ABSOLUTE;
		if (at >= 0)
			host.n = (size_t)at;
		if (!text_fqdn(host))
			return false;
		out->sp = slice_of(s.p, host.n + 2);
		if (at < 0)
			return true;
		s = slice_skip(s, host.n + 2);
	}
	s = slice_skip(s, 1);
	out->first = slice_cut(&s, '/');
	out->rest = s;
	return true;
}

/* sp (lower case from here on) and then each of up to two segments, with '/' before it. */
static struct slice join(struct arena *a, struct slice sp, struct slice one, struct slice two)
{
	size_t n = sp.n + (one.p ? one.n + 1 : 0) + (two.p ? two.n + 1 : 0);
	char *p = arena_alloc(a, n + 1), *q = p;

	if (!p)
		return (struct slice){ NULL, 0 };
	for (size_t i = 0; i < sp.n; i++)
		*q++ = (char)(sp.p[i] >= 'A' && sp.p[i] <= 'Z' ? sp.p[i] + ('a' - 'A') : sp.p[i]);
	if (one.p) {
		*q++ = '/';
		memcpy(q, one.p, one.n);
		q += one.n;
	}
	if (two.p) {
		*q++ = '/';
		memcpy(q, two.p, two.n);
		q += two.n;
	}
	*q = '\0';
	return slice_of(p, n);
}

static bool own_sp(const struct ident_home *home, const struct parts *p)
{
	return p->form != ID_ABSOLUTE || slice_ieq(p->sp, home->sp_id);
}

static bool own_cse(const struct ident_home *home, const struct parts *p)
{
	return own_sp(home, p) && slice_eq(p->first, slice_skip(home->cse_id, 1));
}

static enum ident_kind kind_of(const struct ident_home *home, const struct parts *p)
{
	if (!p->first.p)
		return ID_SP;
	if (!all_unreserved(p->first))
		return ID_NONE;
	if (p->rest.p)
		return ident_stem(p->rest) && p->rest.p[0] == 'C' ? ID_AE_C : ID_NONE;
	if (own_cse(home, p))
		return ID_CSE;
	return ident_stem(p->first) && p->first.p[0] == 'S' ? ID_AE_S : ID_CSE;
}

enum reeve_rc ident_parse(struct arena *a, const struct ident_home *home, struct slice s, enum ident_kind *kind,
			  enum ident_form *form, struct slice *canon)
{
	struct parts p;

	*kind = ID_NONE;
	*form = ID_STEM;
	*canon = (struct slice){ NULL, 0 };
	if (ident_stem(s)) {
		*kind = s.p[0] == 'C' ? ID_AE_C : ID_AE_S;
		*canon = join(a, home->sp_id, *kind == ID_AE_C ? slice_skip(home->cse_id, 1) : s,
			      *kind == ID_AE_C ? s : (struct slice){ NULL, 0 });
		return canon->p ? RC_OK : RC_NOMEM;
	}
	if (!slice_starts(s, S("/")) || !split(s, &p))
		return RC_OK;
	*form = p.form;
	*kind = kind_of(home, &p);
	if (*kind == ID_NONE)
		return RC_OK;
	*canon = join(a, p.form == ID_ABSOLUTE ? p.sp : home->sp_id, p.first, p.rest);
	return canon->p ? RC_OK : RC_NOMEM;
}

/* A CSE-relative address: no empty segment, so that one resource has no second spelling. */
static bool relative_ok(struct slice s)
{
	while (s.p)
		if (slice_cut(&s, '/').n == 0)
			return false;
	return true;
}

enum ident_where ident_route(struct arena *a, const struct ident_home *home, struct slice to, struct slice *local,
			     struct slice *cse)
{
	struct parts p;

	*local = *cse = (struct slice){ NULL, 0 };
	if (to.n == 0)
		return WHERE_BAD;
	if (to.p[0] != '/') {
		*local = to;
		return relative_ok(to) ? WHERE_HERE : WHERE_BAD;
	}
	if (!split(to, &p) || !all_unreserved(p.first))
		return WHERE_BAD;
	if (own_cse(home, &p)) {
		*local = p.rest.p ? p.rest : home->base_name;
		return relative_ok(*local) ? WHERE_HERE : WHERE_BAD;
	}
	*cse = join(a, p.form == ID_ABSOLUTE ? p.sp : home->sp_id, p.first, (struct slice){ NULL, 0 });
	return cse->p ? WHERE_TRANSIT : WHERE_BAD;
}
