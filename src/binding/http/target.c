/* SPDX-License-Identifier: Apache-2.0 */
/* Request target to primitive, and To to a path (TS-0009 6.2.2). Pure.
 *
 * Separators ('/', '?', '&', '=') are looked for before percent-decoding, so an encoded one is data. */
#include "binding/http/map.h"
#include "binding/query.h"

/* absolute-form, which is what a proxy would get (RFC 7230 5.3.2) */
static struct slice without_authority(struct slice target)
{
	struct slice rest;
	size_t at = 0;

	if (target.n < 7 || !slice_ieq(slice_of(target.p, 7), S("http://")))
		return target;
	rest = slice_skip(target, 7);
	while (at < rest.n && rest.p[at] != '/' && rest.p[at] != '?')
		at++;
	return slice_skip(rest, at);
}

static void path(struct req *r, struct slice p)
{
	struct slice to = query_decode(r, p);

	r->to = to.p ? query_address(to) : S("");
	if (to.p && !r->to.n)
		map_bad(r, "the path is no oneM2M address", p);
}

struct slice http_map_address(struct arena *a, struct slice path_)
{
	const char *why;
	struct slice to = query_unescape(a, without_authority(path_), &why);

	return to.p ? query_address(to) : S("");
}

void http_map_target(struct req *r, struct slice target)
{
	struct slice rest = without_authority(target);
	struct query_in q = { .r = r };

	for (size_t i = 0; i < target.n; i++)
		if ((unsigned char)target.p[i] <= 0x20 || target.p[i] == 0x7f) {
			map_bad(r, "control character in the request target", S(""));
			break;
		}
	path(r, slice_cut(&rest, '?'));
	while (rest.p) {
		struct slice pair = slice_cut(&rest, '&'), name;

		if (!pair.n)
			continue;
		name = query_decode(r, slice_cut(&pair, '='));
		if (!name.p)
			continue;
		if (!pair.p) {
			map_bad(r, "a query field without a value", name);
			continue;
		}
		query_field(&q, name, pair);
	}
}

void http_map_path(struct buf *b, struct slice to)
{
	static const char hexits[] = "0123456789ABCDEF", free_signs[] = "-._~!$&'()*+,;=:@/";

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
		char escaped[3] = { '%', hexits[c >> 4], hexits[c & 15] };
		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr(free_signs, c)))
			buf_char(b, (char)c);
		else
			buf_add(b, escaped, 3);
	}
}
