/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are sent, and their answers (TS-0008 6.2): the opposite of map.c; what that reads from this is what was meant. Pure. */
#include "binding/claims.h"
#include "binding/coap/map.h"
#include "binding/content.h"
#include "binding/query.h"

enum { STRING_MAX = 255, GTM_MAX = 512 };

/* --- URL --- */

bool coap_map_url(struct slice url, struct slice *host, uint16_t *port, struct slice *rest)
{
	const ptrdiff_t fragment = slice_find(url, '#');
	size_t at = 0;
	ptrdiff_t colon;
	uint64_t n;

	if (fragment >= 0)
		url.n = (size_t)fragment;
	if (url.n > 8 && slice_ieq(slice_of(url.p, 8), S("coaps://"))) {
		*port = 5684;
		url = slice_skip(url, 8);
	} else if (url.n > 7 && slice_ieq(slice_of(url.p, 7), S("coap://"))) {
		*port = 5683;
		url = slice_skip(url, 7);
	} else {
		return false;
	}
	while (at < url.n && url.p[at] != '/' && url.p[at] != '?')
		at++;
	*host = slice_of(url.p, at);
	*rest = slice_skip(url, at);
	if (host->n && host->p[0] == '[') { /* an IPv6 address */
		const ptrdiff_t end = slice_find(*host, ']');
		struct slice behind;

		if (end < 0)
			return false;
		behind = slice_skip(*host, (size_t)end + 1);
		*host = slice_of(host->p + 1, (size_t)end - 1);
		if (!behind.n)
			return host->n > 0;
		if (behind.p[0] != ':' || !slice_u64(slice_skip(behind, 1), &n) || n < 1 || n > UINT16_MAX)
			return false;
		*port = (uint16_t)n;
		return host->n > 0;
	}
	colon = slice_find(*host, ':');
	if (colon >= 0) {
		if (!slice_u64(slice_skip(*host, (size_t)colon + 1), &n) || n < 1 || n > UINT16_MAX)
			return false;
		*port = (uint16_t)n;
		host->n = (size_t)colon;
	}
	return host->n > 0;
}

/* --- options --- */

struct writing {
	struct coap_writer w;
	struct arena a;
};

static void limited(struct writing *o, unsigned number, struct slice v, size_t most)
{
	if (v.n > most)
		o->w.b->failed = true;
	else
		coap_write_option(&o->w, number, v);
}

static void string(struct writing *o, unsigned number, struct slice v)
{
	if (v.p)
		limited(o, number, v, STRING_MAX);
}

/* The path of the URL, then To. */
static void path(struct writing *o, struct slice url_path, struct slice to)
{
	struct slice rest = slice_skip(url_path, 1); /* without its '/' */
	const char *why;

	while (rest.p && rest.n) {
		struct slice part = slice_cut(&rest, '/'), v = query_unescape(&o->a, part, &why);

		if (!v.p)
			o->w.b->failed = true;
		else if (part.n || rest.p)
			string(o, OPT_URI_PATH, v);
	}
	if (to.n)
		coap_write_address(&o->w, OPT_URI_PATH, to);
}

/* The byte that an escape at s[i] stands for, when it may stand for itself in Uri-Query: '+' and '%' would be read otherwise there, and
 * control characters are refused. -1: it stays as it is. */
static int unescaped(struct slice s, size_t i)
{
	const int hi = s.p[i] == '%' && i + 2 < s.n ? slice_hex(s.p[i + 1]) : -1, lo = hi >= 0 ? slice_hex(s.p[i + 2]) : -1;
	const int c = lo >= 0 ? hi << 4 | lo : -1;

	return c < 0x20 || c == 0x7f || c == '+' || c == '%' ? -1 : c;
}

/* One field of a query as it stands in a URL. */
static void query_option(struct writing *o, struct slice field)
{
	struct buf b;

	buf_init(&b, field.n);
	for (size_t i = 0; i < field.n; i++) {
		const int c = unescaped(field, i);

		buf_char(&b, c < 0 ? field.p[i] : (char)c);
		if (c >= 0)
			i += 2;
	}
	if (b.n && !b.failed)
		coap_write_option(&o->w, OPT_URI_QUERY, buf_view(&b));
	buf_free(&b);
}

static bool nonblocking(const struct send *s)
{
	const struct req *r = s->with;

	return r && !s->blocking && (r->rt == RT_NONBLOCK_SYNC || r->rt == RT_NONBLOCK_ASYNC || r->rt == RT_FLEX);
}

static void query(struct writing *o, const struct send *s, struct slice of_url)
{
	struct slice rest = slice_skip(of_url, 1); /* without its '?' */
	struct buf b;

	while (rest.p && rest.n)
		query_option(o, slice_cut(&rest, '&'));
	if (nonblocking(s))
		coap_write_option(&o->w, OPT_URI_QUERY, arena_printf(&o->a, "op=%d", (int)s->op));
	if (!s->with)
		return;
	buf_init(&b, 1 << 20);
	query_write(&b, s->with, s->blocking, '?');
	for (rest = slice_skip(buf_view(&b), 1); rest.p && rest.n;) {
		struct slice field = slice_cut(&rest, '&');
		if (!slice_starts(field, S("grtm=")))
			query_option(o, field);
	}
	if (s->with->has & HAS_TOKENS) {
		buf_clear(&b);
		buf_lit(&b, "tkns=");
		claim_join(&b, s->with->tkns, s->with->n_tkns);
		coap_write_option(&o->w, OPT_URI_QUERY, buf_view(&b));
	}
	o->w.b->failed |= b.failed;
	buf_free(&b);
}

/* Values in one option. With '+' between them they are read as a list of a query is. */
static void joined(struct writing *o, unsigned number, const struct slice *v, size_t n, char sign, size_t most)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_char(&b, sign);
		for (size_t k = 0; k < v[i].n; k++)
			if (number == OPT_GTM && (v[i].p[k] == '+' || v[i].p[k] == '%'))
				buf_printf(&b, "%%%02X", (unsigned)(unsigned char)v[i].p[k]);
			else
				buf_char(&b, v[i].p[k]);
	}
	limited(o, number, b.n ? buf_view(&b) : S(""), most);
	o->w.b->failed |= b.failed;
	buf_free(&b);
}

static void parameters(struct writing *o, const struct send *s, int64_t ty)
{
	static const struct req nothing;
	const struct req *r = s->with ? s->with : &nothing;

	string(o, OPT_OT, r->ot);
	if (r->has & HAS_RTU && !s->blocking)
		joined(o, OPT_RTURI, r->rtu, r->n_rtu, '&', STRING_MAX);
	if (ty > 0 && ty <= UINT16_MAX)
		coap_write_uint(&o->w, OPT_TY, (uint32_t)ty);
	string(o, OPT_RVI, s->rvi);
	string(o, OPT_FR, s->fr);
	string(o, OPT_RQI, s->rqi);
	string(o, OPT_RQET, r->rqet);
	string(o, OPT_RSET, r->rset);
	string(o, OPT_OET, r->oet);
	if (s->ec)
		coap_write_uint(&o->w, OPT_EC, (uint32_t)s->ec);
	string(o, OPT_GID, r->gid);
	string(o, OPT_VSI, s->vsi);
	if (r->has & HAS_GRTM)
		joined(o, OPT_GTM, r->grtm, r->n_grtm, '+', GTM_MAX);
	if (r->has & HAS_AUS)
		joined(o, OPT_AUS, r->aus, r->n_aus, '+', STRING_MAX);
}

static bool is_name(struct slice host)
{
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] == ':')
			return false;
		else if (host.p[i] != '.' && (host.p[i] < '0' || host.p[i] > '9'))
			return true;
	return false;
}

uint8_t coap_map_send(const struct send *s, struct slice host, struct slice rest, struct buf *opts, struct buf *payload)
{
	static const uint8_t methods[] = { COAP_POST, COAP_POST, COAP_GET, COAP_PUT, COAP_DELETE, COAP_POST };
	struct slice url_query = rest, url_path = slice_cut(&url_query, '?');
	struct writing o;
	int64_t ty;
	bool cbor;

	if (url_query.p) /* with its sign, for query() */
		url_query = slice_of(url_query.p - 1, url_query.n + 1);
	arena_init(&o.a, NULL, 0, 1 << 20);
	coap_write_options(&o.w, opts);
	cbor = content_send(payload, s, &ty);
	if (is_name(host))
		string(&o, OPT_URI_HOST, host);
	path(&o, url_path, s->to);
	if (payload->n)
		coap_write_uint(&o.w, OPT_CONTENT_FORMAT, cbor ? 60 : 50);
	query(&o, s, url_query);
	coap_write_uint(&o.w, OPT_ACCEPT, s->serial == SERIAL_CBOR ? 60 : 50);
	parameters(&o, s, ty);
	opts->failed |= o.a.failed || payload->failed;
	arena_reset(&o.a);
	return nonblocking(s) ? COAP_POST : methods[s->op];
}

/* --- answers --- */

/* The rsc that a code stands for when no option says it; a target that is no CSE or AE (a plain server) sends none. */
static int rsc_of(uint8_t code, enum op op)
{
	switch (code) {
	case COAP_CODE(2, 1): return 2001;
	case COAP_CODE(2, 2): return 2002;
	case COAP_CODE(2, 4): return op == OP_NOTIFY ? 2000 : 2004;
	case COAP_CODE(4, 3): return 4103;
	case COAP_CODE(4, 4): return 4004;
	case COAP_CODE(4, 5): return 4005;
	case COAP_CODE(4, 6): return 5207;
	case COAP_CODE(4, 15): return 4015;
	case COAP_CODE(5, 1): return 5001;
	}
	return code >> 5 == 2 ? 2000 : code >> 5 == 4 ? 4000 : 5000;
}

static void kept(struct arena *a, struct slice *to, struct slice v)
{
	if (!to->p && query_printable(v))
		*to = arena_dup(a, v);
}

static bool received(struct rsp *rsp, unsigned number, struct slice v, struct arena *a, struct buf *location)
{
	uint32_t n = 0;

	switch (number) {
	case OPT_LOCATION_PATH:
		buf_char(location, '/');
		buf_slice(location, v);
		return true;
	case OPT_RSC:
		if (coap_uint(v, &n) && n >= 1000 && n <= 9999)
			rsp->rsc = (int)n;
		return true;
	case OPT_EC:
		if (coap_uint(v, &n) && n <= 999)
			rsp->ec = (int)n;
		return true;
	case OPT_CTS:
		if (coap_uint(v, &n) && n <= 2)
			rsp->cnst = (int)n;
		return true;
	case OPT_CTO:
		if (coap_uint(v, &n))
			rsp->cnot = n;
		return true;
	case OPT_ATI:
		if (query_printable(v))
			rsp->ati = claim_ati_read(a, v);
		return true;
	case OPT_ASRI: rsp->asri = !slice_eq(v, S("false")) && !slice_eq(v, S("0")); return true;
	case OPT_FR: kept(a, &rsp->fr, v); return true;
	case OPT_OT: kept(a, &rsp->ot, v); return true;
	case OPT_RSET: kept(a, &rsp->rset, v); return true;
	case OPT_RVI: kept(a, &rsp->rvi, v); return true;
	case OPT_VSI: kept(a, &rsp->vsi, v); return true;
	case OPT_RQI: case OPT_TY: case OPT_RQET: case OPT_OET: case OPT_RTURI: case OPT_GID: case OPT_GTM: case OPT_AUS:
	case OPT_BLOCK1: case OPT_BLOCK2: return true;
	}
	return !(number & 1);
}

bool coap_map_received(struct rsp *rsp, const struct coap_message *m, struct slice body, enum op op, struct arena *a, struct buf *json)
{
	struct coap_walk w = { m->options, 0, { NULL, 0 } };
	enum serial serial = SERIAL_NONE;
	struct buf location;
	bool good = true;
	uint32_t format;

	*rsp = (struct rsp){ 0 };
	buf_init(&location, 65536);
	while (good && coap_walk(&w)) {
		if (w.number == OPT_CONTENT_FORMAT && coap_uint(w.value, &format))
			serial = coap_map_serial(format);
		good = received(rsp, w.number, w.value, a, &location);
	}
	if (!rsp->rsc)
		rsp->rsc = rsc_of(m->code, op);
	if (location.n && !location.failed && query_printable(buf_view(&location)))
		rsp->location = query_address(arena_dup(a, buf_view(&location)));
	buf_free(&location);
	rsp->pc = content_received(a, json, serial, body);
	if (rsp->rsc >= 4000 && rsp->pc.n && (rsp->tqf = claim_tqf_read(rsp->pc)).n)
		rsp->pc = (struct slice){ NULL, 0 };
	return good;
}
