/* SPDX-License-Identifier: Apache-2.0 */
/* Headers and body to primitive (TS-0009 6.4). Pure.
 *
 * A parameter that has one value and comes twice is refused, whatever the values: two readers would see two requests. */
#include "binding/http/map.h"

#include "binding/claims.h"
#include "binding/content.h"
#include "codec/text.h"

/* --- media types --- */

enum serial http_map_serial(struct slice type)
{
	static const struct slice vendor = { "application/vnd.onem2m-", 23 },
				  kinds[] = { { "res+", 4 }, { "ntfy+", 5 }, { "preq+", 5 }, { "prsp+", 5 } };
	struct slice rest = slice_skip(type, 12);

	if (type.n < 15 || !slice_ieq(slice_of(type.p, 12), S("application/")))
		return SERIAL_NONE;
	if (type.n > vendor.n && slice_ieq(slice_of(type.p, vendor.n), vendor)) {
		rest = slice_skip(type, vendor.n);
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (rest.n > kinds[i].n && slice_ieq(slice_of(rest.p, kinds[i].n), kinds[i])) {
				rest = slice_skip(rest, kinds[i].n);
				goto suffix;
			}
		return SERIAL_NONE;
	}
suffix:
	return slice_ieq(rest, S("json")) ? SERIAL_JSON : slice_ieq(rest, S("cbor")) ? SERIAL_CBOR :
	       slice_ieq(rest, S("xml"))  ? SERIAL_XML : SERIAL_NONE;
}

static bool is_vendor(struct slice type) { return type.n > 16; }

static struct slice unquote(struct slice s)
{
	return s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"' ? slice_of(s.p + 1, s.n - 2) : s;
}

/* "application/vnd.onem2m-res+json; ty=3" */
static void content_type(struct req *r, struct slice name, struct slice v)
{
	struct slice rest = v, type = query_trim(slice_cut(&rest, ';'));
	bool ty = false;

	if (r->pc_serial != SERIAL_NONE || r->pc_bad_serial)
		map_bad(r, "header stands twice", name);
	r->pc_serial = http_map_serial(type);
	r->pc_bad_serial = r->pc_serial == SERIAL_NONE || r->pc_serial == SERIAL_XML;
	while (rest.p) {
		struct slice value = slice_cut(&rest, ';'), key = query_trim(slice_cut(&value, '='));
		uint64_t n;
		if (!slice_ieq(key, S("ty")))
			continue;
		if (ty)
			map_bad(r, "ty stands twice", v);
		ty = true;
		r->has |= HAS_TY;
		r->ty = value.p && slice_u64(unquote(query_trim(value)), &n) && n <= INT32_MAX ? (int64_t)n : -1;
	}
}

/* Weight of a media range in thousandths, from its parameters (RFC 7231 5.3.1). */
static unsigned weight(struct slice params)
{
	while (params.p) {
		struct slice value = slice_cut(&params, ';'), name = query_trim(slice_cut(&value, '='));
		unsigned q = 0, scale = 1000;

		if (!slice_ieq(name, S("q")))
			continue;
		value = query_trim(value);
		for (size_t i = 0; i < value.n && scale; i++) {
			if (value.p[i] == '.')
				continue;
			if (value.p[i] < '0' || value.p[i] > '9')
				return 1000;
			q += (unsigned)(value.p[i] - '0') * scale;
			scale /= 10;
		}
		return q > 1000 ? 1000 : q;
	}
	return 1000;
}

/* The supported type of the greatest weight, among equals the one listed first; a second Accept only counts when the first named nothing
 * supported. Until http_map_finish, SERIAL_XML in r->want stands for "anything": what that is depends on the Content-Type, which may
 * come later. */
static void accept_types(struct req *r, struct slice v)
{
	unsigned best = 0;

	if (r->wanted && r->want != SERIAL_NONE)
		return;
	r->want = SERIAL_NONE;
	r->wanted = true;
	while (v.p) {
		struct slice item = slice_cut(&v, ','), type = query_trim(slice_cut(&item, ';'));
		enum serial s = http_map_serial(type);
		bool any = slice_eq(type, S("*/*")) || slice_ieq(type, S("application/*"));
		unsigned q = weight(item);

		if (q <= best || (!any && s != SERIAL_JSON && s != SERIAL_CBOR))
			continue;
		best = q;
		r->want = any ? SERIAL_XML : s;
		r->want_vendor = !any && is_vendor(type);
	}
}

/* --- headers --- */

enum header {
	H_ORIGIN, H_RI, H_RVI, H_VSI, H_GID, H_OT, H_RET, H_RST, H_OET, H_RTU, H_EC, H_AS, H_ACCEPT, H_CONTENT_TYPE, H_AUTHORIZATION, H_NONE
};

/* Two or three letters in either case as a number: the names behind "X-M2M-" are told apart by one comparison. */
#define KEY(a, b, c) ((unsigned)(a) << 16 | (unsigned)(b) << 8 | (unsigned)(c))

static enum header header_of(struct slice name)
{
	const unsigned char *p = (const unsigned char *)name.p;

	if (name.n >= 8 && (p[0] | 0x20) == 'x' && p[1] == '-' && (p[2] | 0x20) == 'm' && p[3] == '2' && (p[4] | 0x20) == 'm' &&
	    p[5] == '-') {
		if (name.n > 9)
			return slice_ieq(slice_skip(name, 6), S("Origin")) ? H_ORIGIN : H_NONE;
		switch (KEY(p[6] | 0x20, p[7] | 0x20, name.n == 9 ? p[8] | 0x20 : 0)) {
		case KEY('r', 'i', 0): return H_RI;
		case KEY('o', 't', 0): return H_OT;
		case KEY('e', 'c', 0): return H_EC;
		case KEY('a', 's', 0): return H_AS;
		case KEY('r', 'v', 'i'): return H_RVI;
		case KEY('v', 's', 'i'): return H_VSI;
		case KEY('g', 'i', 'd'): return H_GID;
		case KEY('r', 'e', 't'): return H_RET;
		case KEY('r', 's', 't'): return H_RST;
		case KEY('o', 'e', 't'): return H_OET;
		case KEY('r', 't', 'u'): return H_RTU;
		}
		return H_NONE;
	}
	switch (name.n) {
	case 6: return slice_ieq(name, S("Accept")) ? H_ACCEPT : H_NONE;
	case 12: return slice_ieq(name, S("Content-Type")) ? H_CONTENT_TYPE : H_NONE;
	case 13: return slice_ieq(name, S("Authorization")) ? H_AUTHORIZATION : H_NONE;
	}
	return H_NONE;
}

static void out_of_memory(struct req *r)
{
	if (!r->bad.p)
		r->bad = S("the request needs more memory than limits.request_memory");
}

static void list(struct req *r, struct slice name, struct slice v)
{
	size_t count = 1;
	struct slice *out;

	if (r->has & HAS_RTU)
		map_bad(r, "header stands twice", name);
	for (size_t i = 0; i < v.n; i++)
		count += v.p[i] == '&';
	out = arena_array(&r->arena, count, sizeof(*out));
	r->has |= HAS_RTU;
	r->rtu = out;
	r->n_rtu = 0;
	v = arena_dup(&r->arena, v);
	if (!out || !v.p) {
		out_of_memory(r);
		return;
	}
	while (v.p) {
		struct slice part = query_trim(slice_cut(&v, '&'));
		if (part.n)
			out[r->n_rtu++] = part;
	}
}

static void once(struct req *r, struct slice *to, struct slice name, struct slice v)
{
	if (to->p) {
		map_bad(r, "header stands twice", name);
		if (to == &r->fr) /* neither of them is believed */
			*to = (struct slice){ NULL, 0 };
		return;
	}
	*to = arena_dup(&r->arena, v);
	if (!to->p)
		out_of_memory(r);
}

/* The same for parameters where an empty value is none at all. */
static void filled(struct req *r, struct slice *to, struct slice name, struct slice v)
{
	once(r, to, name, v);
	if (!v.n)
		map_bad(r, "header without a value", name);
}

static void event_category(struct req *r, struct slice name, struct slice v)
{
	uint64_t n;

	if (r->has & HAS_EC)
		map_bad(r, "header stands twice", name);
	if (!slice_u64(v, &n) || !((n >= 2 && n <= 4) || (n >= 100 && n <= 999))) {
		map_bad(r, "X-M2M-EC is 2, 3, 4 or a number from 100 to 999", v);
		return;
	}
	r->ec = (int)n;
	r->has |= HAS_EC;
}

static void timestamp(struct req *r, struct slice name, struct slice v)
{
	usec t;

	once(r, &r->ot, name, v);
	if (!text_timestamp(v, &t))
		map_bad(r, "not a timestamp", name);
}

void http_map_header(struct req *r, struct slice name, struct slice value)
{
	enum header h = header_of(name);
	struct slice v = query_trim(value);

	if (h == H_NONE)
		return;
	if (!query_printable(v)) {
		map_bad(r, "header value is not printable UTF-8", name);
		return;
	}
	switch (h) {
	case H_ORIGIN:
		if (v.n || r->fr.p) /* some clients send it empty for "not yet known" */
			once(r, &r->fr, name, v);
		break;
	case H_RI: filled(r, &r->rqi, name, v); break;
	case H_RVI: filled(r, &r->rvi, name, v); break;
	case H_VSI: once(r, &r->vsi, name, v); break;
	case H_GID: filled(r, &r->gid, name, v); break;
	case H_OT: timestamp(r, name, v); break;
	case H_RET: filled(r, &r->rqet, name, v); break;
	case H_RST: filled(r, &r->rset, name, v); break;
	case H_OET: filled(r, &r->oet, name, v); break;
	case H_RTU: list(r, name, v); break;
	case H_EC: event_category(r, name, v); break;
	case H_AS: claim_signatures(r, name, v); break;
	case H_ACCEPT:
		if (v.n)
			accept_types(r, v);
		break;
	case H_CONTENT_TYPE: content_type(r, name, v); break;
	case H_AUTHORIZATION: claim_authorization(r, name, v); break;
	case H_NONE: break;
	}
}

/* --- the end --- */

void http_map_finish(struct req *r, struct slice method, struct slice body, const struct json_limits *limits)
{
	if (slice_eq(method, S("GET")))
		r->op = OP_RETRIEVE;
	else if (slice_eq(method, S("POST")))
		r->op = r->has & HAS_TY ? OP_CREATE : OP_NOTIFY;
	else if (slice_eq(method, S("PUT")))
		r->op = OP_UPDATE;
	else if (slice_eq(method, S("DELETE")))
		r->op = OP_DELETE;
	if (r->op == OP_NONE)
		req_refuse(r, 4005, "the method %.*s is no oneM2M operation", SF(method));
	if (!r->rqi.p)
		map_bad(r, "the header is missing", S("X-M2M-RI"));
	if (r->op != OP_CREATE)
		r->has &= ~(uint32_t)HAS_TY; /* a parameter of the media type, without meaning elsewhere */
	if (body.n && (r->op == OP_CREATE || r->op == OP_UPDATE || r->op == OP_NOTIFY))
		content_read(r, body, limits);
	else
		r->pc_bad_serial = false; /* content makes no difference there */
	if (!r->wanted || r->want == SERIAL_XML)
		r->want = r->pc_serial == SERIAL_CBOR ? SERIAL_CBOR : SERIAL_JSON;
}
