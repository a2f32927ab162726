/* SPDX-License-Identifier: Apache-2.0 */
/* Headers and body to primitive, and the response message (TS-0009 6.3, 6.4). Pure. */
#include "binding/http/map.h"

#include "binding/http/map_int.h"
#include "codec/cbor.h"
#include "codec/model.h"
#include "codec/text.h"

/* --- media types --- */

static enum serial serial_of(struct slice type)
{
	ptrdiff_t plus;

	if (slice_ieq(type, S("application/json")))
		return SERIAL_JSON;
	if (slice_ieq(type, S("application/cbor")))
		return SERIAL_CBOR;
	if (slice_ieq(type, S("application/xml")) || slice_ieq(type, S("text/xml")))
		return SERIAL_XML;
	plus = slice_find(type, '+');
	if (plus < 0 || !slice_ieq(slice_of(type.p, type.n < 23 ? type.n : 23), S("application/vnd.onem2m-")))
		return SERIAL_NONE;
	static const char *const kinds[] = { "application/vnd.onem2m-res", "application/vnd.onem2m-ntfy", "application/vnd.onem2m-preq",
					     "application/vnd.onem2m-prsp" };
	for (size_t i = 0; i < 4; i++)
		if (slice_ieq(slice_of(type.p, (size_t)plus), slice_str(kinds[i]))) {
			struct slice s = slice_skip(type, (size_t)plus + 1);
			return slice_ieq(s, S("json")) ? SERIAL_JSON : slice_ieq(s, S("cbor")) ? SERIAL_CBOR :
			       slice_ieq(s, S("xml"))  ? SERIAL_XML : SERIAL_NONE;
		}
	return SERIAL_NONE;
}

static struct slice trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_skip(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* "application/vnd.onem2m-res+json; ty=3" */
static void content_type(struct req *r, struct slice v)
{
	struct slice rest = v, type = trim(slice_cut(&rest, ';'));

	if (r->pc_serial != SERIAL_NONE || r->pc_bad_serial)
		map_bad(r, "header stands twice", S("Content-Type"));
	r->pc_serial = serial_of(type);
	r->pc_bad_serial = r->pc_serial == SERIAL_NONE || r->pc_serial == SERIAL_XML;
	while (rest.p) {
		struct slice value = trim(slice_cut(&rest, ';')), name = trim(slice_cut(&value, '='));
		uint64_t n;
		if (!slice_ieq(name, S("ty")))
			continue;
		r->has |= HAS_TY;
		value = trim(value);
		if (value.n > 1 && value.p[0] == '"' && value.p[value.n - 1] == '"') /* a quoted string is the same value */
			value = slice_of(value.p + 1, value.n - 2);
		r->ty = value.p && slice_u64(value, &n) && n <= INT32_MAX ? (int64_t)n : -1;
	}
}

/* Weight of a media range in thousandths, from its parameters (RFC 7231 5.3.1). */
static unsigned weight(struct slice params)
{
	while (params.p) {
		struct slice value = trim(slice_cut(&params, ';')), name = trim(slice_cut(&value, '='));
		unsigned q = 0, scale = 1000;
		if (!slice_ieq(name, S("q")))
			continue;
		value = trim(value);
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

/* The type of the greatest weight that is supported, among equals the one listed first. "Any" is what the request came in (see
 * http_map_finish). */
static void accept_types(struct req *r, struct slice v)
{
	unsigned best = 0;

	if (r->wanted && r->want != SERIAL_NONE) /* a second Accept only adds what is wanted less */
		return;
	r->want = SERIAL_NONE;
	r->wanted = true;
	while (v.p) {
		struct slice item = slice_cut(&v, ','), type = trim(slice_cut(&item, ';'));
		enum serial s = serial_of(type);
		bool any = slice_eq(type, S("*/*")) || slice_ieq(type, S("application/*"));
		unsigned q = weight(item);
		if (q <= best || (!any && s != SERIAL_JSON && s != SERIAL_CBOR))
			continue;
		best = q;
		r->want = any ? SERIAL_JSON : s;
		r->wanted = !any;
	}
}

/* --- headers --- */

enum header {
	H_ORIGIN, H_RI, H_RVI, H_VSI, H_GID, H_OT, H_RET, H_RST, H_OET, H_RTU, H_EC, H_AS, H_ACCEPT, H_CONTENT_TYPE, H_AUTHORIZATION, H_NONE
};

static enum header header_of(struct slice name)
{
	static const struct { const char *name; enum header h; } known[] = {
		{ "X-M2M-Origin", H_ORIGIN }, { "X-M2M-RI", H_RI },	 { "X-M2M-RVI", H_RVI },   { "X-M2M-VSI", H_VSI },
		{ "X-M2M-GID", H_GID },	      { "X-M2M-OT", H_OT },	 { "X-M2M-RET", H_RET },   { "X-M2M-RST", H_RST },
		{ "X-M2M-OET", H_OET },	      { "X-M2M-RTU", H_RTU },	 { "X-M2M-EC", H_EC },	   { "X-M2M-AS", H_AS },
		{ "Accept", H_ACCEPT },	      { "Content-Type", H_CONTENT_TYPE }, { "Authorization", H_AUTHORIZATION },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_ieq(name, slice_str(known[i].name)))
			return known[i].h;
	return H_NONE;
}

static void list(struct req *r, struct slice v)
{
	size_t count = 1;
	struct slice *out;

	if (r->has & HAS_RTU) {
		map_bad(r, "header stands twice", S("X-M2M-RTU"));
		return;
	}
	for (size_t i = 0; i < v.n; i++)
		count += v.p[i] == '&';
	out = arena_array(&r->arena, count, sizeof(*out));
	r->has |= HAS_RTU;
	r->rtu = out;
	while (out && v.p) {
		struct slice part = trim(slice_cut(&v, '&'));
		if (part.n)
			out[r->n_rtu++] = arena_dup(&r->arena, part);
	}
}

static void once(struct req *r, struct slice *to, struct slice name, struct slice v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f) {
			map_bad(r, "control character in header", name);
			return;
		}
	if (to->p && !slice_eq(*to, v)) {
		map_bad(r, "header stands twice", name);
		if (to == &r->fr) /* neither of them is believed */
			*to = (struct slice){ NULL, 0 };
		return;
	}
	*to = arena_dup(&r->arena, v);
	if (!to->p)
		map_bad(r, "too long", name);
}

void http_map_header(struct req *r, struct slice name, struct slice value)
{
	struct slice v = trim(value);
	uint64_t n;
	usec t;

	switch (header_of(name)) {
	case H_ORIGIN: once(r, &r->fr, name, v); break;
	case H_RI: once(r, &r->rqi, name, v); break;
	case H_RVI: once(r, &r->rvi, name, v); break;
	case H_VSI: once(r, &r->vsi, name, v); break;
	case H_GID: once(r, &r->gid, name, v); break;
	case H_OT:
		once(r, &r->ot, name, v);
		if (!text_timestamp(v, &t))
			map_bad(r, "X-M2M-OT is a timestamp", v);
		break;
	case H_RET: once(r, &r->rqet, name, v); break;
	case H_RST: once(r, &r->rset, name, v); break;
	case H_OET: once(r, &r->oet, name, v); break;
	case H_RTU: list(r, v); break;
	case H_EC:
		if (!slice_u64(v, &n) || n < 2 || n > 999 || (n > 4 && n < 100)) /* m2m:eventCat */
			map_bad(r, "X-M2M-EC is 2, 3, 4, or a number from 100 to 999", v);
		else
			r->ec = (int)n, r->has |= HAS_EC;
		break;
	case H_AS: r->has |= HAS_AUS; break;
	case H_ACCEPT: accept_types(r, v); break;
	case H_CONTENT_TYPE: content_type(r, v); break;
	case H_AUTHORIZATION:
		/* Bearer is a foreign token, Basic and Digest are credentials: none of them is a Tokens parameter (TS-0009 7.1) */
		if (slice_find(v, ' ') < 0 && slice_find(v, '.') >= 0)
			r->has |= HAS_TOKENS;
		break;
	case H_NONE: break;
	}
}

static void body_in(struct req *r, struct slice body, const struct json_limits *limits)
{
	struct slice why = { NULL, 0 };
	struct buf b;
	enum reeve_rc rc;

	if (!body.n)
		return;
	if (r->pc_serial == SERIAL_NONE)
		r->pc_bad_serial = true;
	if (r->pc_serial != SERIAL_CBOR) {
		r->pc = body;
		return;
	}
	buf_init(&b, body.n * 6 + 4096);
	rc = cbor_to_json(body, limits, &b, &r->arena, &why);
	if (rc == RC_OK && !b.failed)
		r->pc = arena_dup(&r->arena, buf_view(&b));
	if (!r->pc.p)
		map_bad(r, "the content is no CBOR that fits the model", why.p ? why : S("too large"));
	buf_free(&b);
}

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
	if (r->op != OP_CREATE)
		r->has &= ~(uint32_t)HAS_TY;
	if (r->op == OP_CREATE || r->op == OP_UPDATE || r->op == OP_NOTIFY)
		body_in(r, body, limits);
	else
		r->pc_bad_serial = false; /* content makes no difference there */
	if (!body.n)
		r->pc_bad_serial = false;
	/* no Accept: the serialization of the request */
	if (r->want == SERIAL_JSON && r->pc_serial == SERIAL_CBOR && !r->wanted)
		r->want = SERIAL_CBOR;
}

/* --- response --- */

static void line(struct buf *b, const char *name, size_t n, struct slice v)
{
	if (!v.p)
		return;
	buf_add(b, name, n);
	buf_slice(b, v);
	buf_lit(b, "\r\n");
}
#define LINE(b, name, v) line((b), (name), sizeof(name) - 1, (v))

/* The body, and which media type it has. */
static struct slice body_out(const struct req *r, struct buf *tmp, struct slice *type)
{
	static const struct slice json = { "application/json", 16 }, cbor = { "application/cbor", 16 };
	char mem[8192];
	struct arena a;
	struct slice why, text = buf_view(&r->out);
	struct json j;
	enum reeve_rc rc;

	*type = json;
	if (!text.n && r->dbg.p && r->rsc >= 4000) {
		buf_lit(tmp, "{\"m2m:dbg\":");
		buf_json(tmp, r->dbg);
		buf_char(tmp, '}');
		text = buf_view(tmp);
	}
	if (!text.n || r->want != SERIAL_CBOR)
		return text;
	struct buf out;
	buf_init(&out, r->out.max + 4096);
	arena_init(&a, mem, sizeof(mem), SIZE_MAX / 4);
	struct json_limits any = { .depth = 64, .tokens = UINT32_MAX };
	rc = json_parse(&a, text, &any, &j, &why);
	if (rc == RC_OK)
		rc = json_to_cbor(&j, 0, &out);
	arena_reset(&a);
	if (rc != RC_OK) {
		buf_free(&out);
		return text; /* as JSON rather than not at all */
	}
	buf_free(tmp);
	*tmp = out;
	*type = cbor;
	return buf_view(tmp);
}

void http_map_response(struct buf *b, const struct req *r, bool keep_alive)
{
	const struct model_code *code = model_code(r->rsc);
	unsigned status = code ? code->http : 500;
	struct slice type, body;
	struct buf tmp;

	buf_init(&tmp, r->out.max + 4096);
	body = body_out(r, &tmp, &type);
	buf_lit(b, "HTTP/1.1 ");
	buf_u64(b, status ? status : 403); /* 4128 has no mapping: deviations X17 */
	buf_lit(b, " \r\nX-M2M-RSC: ");
	buf_u64(b, (uint64_t)r->rsc);
	buf_lit(b, "\r\n");
	LINE(b, "X-M2M-RI: ", r->rqi);
	LINE(b, "X-M2M-RVI: ", r->rvi);
	LINE(b, "X-M2M-RST: ", r->rset);
	if (r->cnst) {
		buf_lit(b, "X-M2M-CTS: ");
		buf_u64(b, (uint64_t)r->cnst);
		buf_lit(b, "\r\n");
	}
	if (r->cnot) {
		buf_lit(b, "X-M2M-CTO: ");
		buf_u64(b, r->cnot);
		buf_lit(b, "\r\n");
	}
	if (r->location.n && r->rsc == 2001)
		LINE(b, "Content-Location: ", r->location);
	if (body.n)
		LINE(b, "Content-Type: ", type);
	buf_lit(b, "Content-Length: ");
	buf_u64(b, body.n);
	if (!keep_alive)
		buf_lit(b, "\r\nConnection: close");
	buf_lit(b, "\r\n\r\n");
	buf_slice(b, body);
	buf_free(&tmp);
}
