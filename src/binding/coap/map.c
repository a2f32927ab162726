/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers of the receiving side (TS-0008 6.2). Pure.
 *
 * An option that stands more often than it may, or that is longer than its definition allows, is taken as one that is not known (RFC 7252
 * 5.4.3, 5.4.5). Shorter ones are taken: times may be relative, and their values are checked where they are used. */
#include "binding/coap/map.h"

#include "binding/claims.h"
#include "binding/content.h"
#include "binding/query.h"
#include "codec/json_text.h"
#include "codec/model.h"
#include "codec/text.h"

enum { FIRST_VENDOR_FORMAT = 10001, STRING_MAX = 255, GTM_MAX = 512 };

enum serial coap_map_serial(uint32_t format)
{
	switch (format) {
	case 50: case 10001: case 10003: case 10007: case 10009: return SERIAL_JSON;
	case 60: case 10010: case 10011: case 10012: case 10013: return SERIAL_CBOR;
	case 41: case 10014: case 10002: case 10006: case 10008: return SERIAL_XML;
	default: return SERIAL_NONE;
	}
}

/* --- options of a request --- */

/* What the definition of an option allows. */
struct kind { uint16_t number, most; bool repeats; };

static const struct kind kinds[] = {
	{ OPT_URI_HOST, STRING_MAX, false }, { OPT_URI_PORT, 2, false },         { OPT_URI_PATH, STRING_MAX, true },
	{ OPT_CONTENT_FORMAT, 2, false },    { OPT_URI_QUERY, UINT16_MAX, true }, { OPT_ACCEPT, 2, false },
	{ OPT_BLOCK2, 3, false },            { OPT_BLOCK1, 3, false },           { OPT_OT, STRING_MAX, false },
	{ OPT_RTURI, STRING_MAX, false },    { OPT_TY, 2, false },               { OPT_RVI, STRING_MAX, false },
	{ OPT_ASRI, STRING_MAX, false },     { OPT_FR, STRING_MAX, false },      { OPT_RQI, STRING_MAX, false },
	{ OPT_RQET, STRING_MAX, false },     { OPT_RSET, STRING_MAX, false },    { OPT_OET, STRING_MAX, false },
	{ OPT_EC, 2, false },                { OPT_RSC, 2, false },              { OPT_GID, STRING_MAX, false },
	{ OPT_CTO, 4, false },               { OPT_CTS, 2, false },              { OPT_ATI, STRING_MAX, false },
	{ OPT_VSI, STRING_MAX, false },      { OPT_GTM, GTM_MAX, false },        { OPT_AUS, STRING_MAX, false },
};

static const struct kind *kind_of(unsigned number)
{
	size_t from = 0, to = sizeof(kinds) / sizeof(kinds[0]);

	while (from < to) {
		size_t middle = (from + to) / 2;
		if (kinds[middle].number == number)
			return &kinds[middle];
		if (kinds[middle].number < number)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

/* Is this option, the next after one numbered `before`, one that is understood? */
static bool understood(const struct coap_walk *w, unsigned before, const struct kind **out)
{
	const struct kind *k = kind_of(w->number);

	*out = k && w->value.n <= k->most && (k->repeats || w->number != before) ? k : NULL;
	return *out != NULL;
}

struct reading {
	struct req *r;
	struct query_in query;
	struct buf path;
	int op; /* of the query; 0: not given */
};

static void path_segment(struct reading *in, struct slice v)
{
	if (slice_find(v, '/') >= 0)
		map_bad(in->r, "a Uri-Path option has '/' in it", v);
	buf_char(&in->path, '/');
	buf_slice(&in->path, v);
}

/* "rcn=4". Operation and tokens stand here and not in an option. */
static void query(struct reading *in, struct slice v)
{
	struct slice value = v, raw = slice_cut(&value, '='), name = query_decode(in->r, raw);
	uint64_t n;

	if (!v.n || !name.p)
		return;
	if (!value.p) {
		map_bad(in->r, "a query field without a value", name);
	} else if (slice_eq(name, S("op"))) {
		if (in->op)
			map_bad(in->r, "query field stands twice", name);
		if (slice_u64(value, &n) && n >= OP_CREATE && n <= OP_NOTIFY)
			in->op = (int)n;
		else
			map_bad(in->r, "op is a number from 1 to 5", value);
	} else if (slice_eq(name, S("tkns"))) {
		if (in->r->has & HAS_TOKENS)
			map_bad(in->r, "query field stands twice", name);
		else
			claim_tokens(in->r, name, value);
	} else {
		query_field(&in->query, name, value);
	}
}

static void text(struct req *r, struct slice *to, struct slice v)
{
	*to = arena_dup(&r->arena, v);
	if (!to->p && !r->bad.p)
		r->bad = S("the request needs more memory than limits.request_memory");
}

/* For parameters where an empty value is none at all. */
static void filled(struct req *r, struct slice *to, const char *name, struct slice v)
{
	text(r, to, v);
	if (!v.n)
		map_bad(r, "option without a value", slice_str(name));
}

static void addresses(struct req *r, struct slice v)
{
	struct slice rest = arena_dup(&r->arena, v), *out;
	size_t count = 1;

	for (size_t i = 0; i < v.n; i++)
		count += v.p[i] == '&';
	out = arena_array(&r->arena, count, sizeof(*out));
	r->has |= HAS_RTU;
	r->rtu = out;
	if (!out || !rest.p) {
		map_bad(r, "too long", S("oneM2M-RTURI"));
		return;
	}
	while (rest.p) {
		struct slice part = query_trim(slice_cut(&rest, '&'));
		if (part.n)
			out[r->n_rtu++] = part;
	}
}

static void accept_format(struct req *r, struct slice v)
{
	uint32_t format = 0;
	enum serial s;

	s = coap_uint(v, &format) ? coap_map_serial(format) : SERIAL_NONE;
	r->wanted = true;
	r->want = s == SERIAL_XML ? SERIAL_NONE : s;
	r->want_vendor = format >= FIRST_VENDOR_FORMAT;
}

static void numbers(struct req *r, unsigned number, struct slice v)
{
	uint32_t n = 0;

	if (!coap_uint(v, &n))
		return; /* cannot be: its length was checked */
	switch (number) {
	case OPT_CONTENT_FORMAT:
		r->pc_serial = coap_map_serial(n);
		r->pc_bad_serial = r->pc_serial == SERIAL_NONE || r->pc_serial == SERIAL_XML;
		break;
	case OPT_TY:
		r->ty = n;
		r->has |= HAS_TY;
		break;
	case OPT_EC:
		if (!((n >= 2 && n <= 4) || (n >= 100 && n <= 999))) {
			map_bad(r, "oneM2M-EC is 2, 3, 4 or a number from 100 to 999", S(""));
			break;
		}
		r->ec = (int)n;
		r->has |= HAS_EC;
		break;
	}
}

static void texts(struct reading *in, unsigned number, struct slice v)
{
	struct req *r = in->r;
	usec t;

	switch (number) {
	case OPT_FR:
		if (v.n) /* some clients send it empty for "not yet known" */
			text(r, &r->fr, v);
		break;
	case OPT_RQI: filled(r, &r->rqi, "oneM2M-RQI", v); break;
	case OPT_RVI: filled(r, &r->rvi, "oneM2M-RVI", v); break;
	case OPT_GID: filled(r, &r->gid, "oneM2M-GID", v); break;
	case OPT_RQET: filled(r, &r->rqet, "oneM2M-RQET", v); break;
	case OPT_RSET: filled(r, &r->rset, "oneM2M-RSET", v); break;
	case OPT_OET: filled(r, &r->oet, "oneM2M-OET", v); break;
	case OPT_VSI: text(r, &r->vsi, v); break;
	case OPT_OT:
		text(r, &r->ot, v);
		if (!text_timestamp(v, &t))
			map_bad(r, "not a timestamp", S("oneM2M-OT"));
		break;
	case OPT_RTURI: addresses(r, v); break;
	case OPT_GTM: query_field(&in->query, S("grtm"), v); break;
	case OPT_AUS: claim_signatures(r, S("oneM2M-AUS"), v); break;
	}
}

static void option(struct reading *in, unsigned number, struct slice v)
{
	switch (number) {
	case OPT_CONTENT_FORMAT: case OPT_TY: case OPT_EC: numbers(in->r, number, v); return;
	case OPT_ACCEPT: accept_format(in->r, v); return;
	case OPT_URI_HOST: case OPT_URI_PORT: case OPT_BLOCK1: case OPT_BLOCK2: return; /* of the layers below */
	case OPT_RSC: case OPT_CTO: case OPT_CTS: case OPT_ATI: case OPT_ASRI: return;  /* of answers */
	}
	if (!query_printable(v)) {
		map_bad(in->r, "an option is not printable UTF-8", arena_printf(&in->r->arena, "%u", number));
		return;
	}
	if (number == OPT_URI_PATH)
		path_segment(in, v);
	else if (number == OPT_URI_QUERY)
		query(in, v);
	else
		texts(in, number, v);
}

static bool refuse(struct req *r, uint8_t *code, uint8_t with, int rsc, unsigned number, const char *why)
{
	(void)req_refuse(r, rsc, "CoAP option %u: %s", number, why);
	*code = with;
	return false;
}

static bool options(struct reading *in, const struct coap_message *m, uint8_t *code)
{
	struct coap_walk w = { m->options, 0, { NULL, 0 } };
	unsigned before = 0, odd = 0;
	const struct kind *k;
	bool proxy = false;

	while (coap_walk(&w)) {
		if (understood(&w, before, &k))
			option(in, w.number, w.value);
		else if (w.number == OPT_PROXY_URI || w.number == OPT_PROXY_SCHEME)
			proxy = true;
		else if (w.number & 1 && !odd)
			odd = w.number;
		before = w.number;
	}
	if (odd)
		return refuse(in->r, code, COAP_CODE(4, 2), 4000, odd,
			      "critical, and not known here, or of a length it cannot have, or there twice");
	if (proxy)
		return refuse(in->r, code, COAP_CODE(5, 5), 5001, OPT_PROXY_URI, "this is no proxy");
	return true;
}

static void address(struct reading *in)
{
	struct req *r = in->r;
	struct slice path = in->path.failed ? (struct slice){ NULL, 0 } : arena_dup(&r->arena, buf_view(&in->path));

	r->to = path.p ? query_address(path) : S("");
	if (!r->to.n)
		map_bad(r, "the Uri-Path is no oneM2M address", buf_view(&in->path));
}

/* Which operation: by method, and for POST as Uri-Query says, or by what is there (TS-0008 6.2.1). */
static bool operation(struct reading *in, uint8_t method, uint8_t *code)
{
	static const enum op ops[] = { [COAP_GET] = OP_RETRIEVE, [COAP_POST] = OP_NOTIFY, [COAP_PUT] = OP_UPDATE,
				       [COAP_DELETE] = OP_DELETE };
	struct req *r = in->r;

	if (method > COAP_DELETE) {
		(void)req_refuse(r, 4005, "the method 0.%02u is no oneM2M operation", method);
		*code = COAP_CODE(4, 5);
		return false;
	}
	r->op = ops[method];
	if (method == COAP_POST && in->op)
		r->op = (enum op)in->op;
	else if (method == COAP_POST && r->has & HAS_TY)
		r->op = OP_CREATE;
	else if (in->op && in->op != (int)r->op)
		map_bad(r, "op is not what the method says", S("op"));
	if (r->op != OP_CREATE)
		r->has &= ~(uint32_t)HAS_TY; /* without meaning elsewhere */
	return true;
}

bool coap_map_request(struct req *r, const struct coap_message *m, struct slice body, const struct json_limits *limits, uint8_t *code)
{
	struct reading in = { .r = r, .query = { .r = r } };
	bool ours;

	buf_init(&in.path, 65536);
	ours = options(&in, m, code) && operation(&in, m->code, code);
	if (ours)
		address(&in);
	if (!r->rqi.p)
		map_bad(r, "the option is missing", S("oneM2M-RQI (283)"));
	if (ours && body.n && r->op != OP_RETRIEVE && r->op != OP_DELETE)
		content_read(r, body, limits);
	else
		r->pc_bad_serial = false; /* content makes no difference there */
	if (!r->wanted)
		r->want = r->pc_serial == SERIAL_CBOR ? SERIAL_CBOR : SERIAL_JSON;
	buf_free(&in.path);
	return ours;
}

/* --- the answer --- */

/* The code of an rsc. 1001 and 1002 have two, by whether there is a <request> (6.3); OK has two, by the operation. */
static uint8_t code_of(const struct req *r, bool located)
{
	const struct model_code *code = model_code(r->rsc);

	if (r->rsc == 2000)
		return r->op == OP_NOTIFY ? COAP_CODE(2, 4) : COAP_CODE(2, 5);
	if (r->rsc > 0 && r->rsc < 2000)
		return located ? COAP_CODE(2, 1) : COAP_CODE(2, 4);
	if (!code || !code->coap)
		return COAP_CODE(5, 0);
	return (uint8_t)COAP_CODE(code->coap[0] - '0', (code->coap[2] - '0') * 10 + code->coap[3] - '0');
}

/* The <request> of an acknowledgement, {"m2m:uri":"..."}. */
static struct slice acknowledged(const struct req *r, struct arena *a)
{
	struct slice why, none = { NULL, 0 };
	struct json j;
	uint32_t at;

	if (r->rsc < 1000 || r->rsc >= 2000 || !r->out.n || json_parse(a, buf_view(&r->out), &json_default_limits, &j, &why) != RC_OK)
		return none;
	at = json_member(&j, 0, S("m2m:uri"));
	return at && json_kind(&j, at) == J_STRING ? json_string(a, &j, at) : none;
}

static void string(struct coap_writer *w, unsigned number, struct slice v)
{
	if (v.p && v.n <= STRING_MAX) /* another CSE's may be longer: then it is left out */
		coap_write_option(w, number, v);
}

static uint32_t format_of(const struct req *r, bool cbor)
{
	if (r->want_vendor && !(r->tqf.n && r->rsc >= 4000))
		return cbor ? 10010 : 10001;
	return cbor ? 60 : 50;
}

/* Options of TS-0008, in their order. */
static void parameters(struct coap_writer *w, const struct req *r, struct slice ati)
{
	static const struct rsp nothing;
	const struct rsp *passed = r->passed ? r->passed : &nothing;

	string(w, OPT_OT, passed->ot);
	string(w, OPT_RVI, r->rvi);
	if (r->asri)
		coap_write_option(w, OPT_ASRI, S("true"));
	string(w, OPT_FR, passed->fr);
	string(w, OPT_RQI, r->rqi);
	string(w, OPT_RSET, r->rset);
	if (passed->ec)
		coap_write_uint(w, OPT_EC, (uint32_t)passed->ec);
	coap_write_uint(w, OPT_RSC, (uint32_t)(r->rsc > 0 ? r->rsc : 5000));
	if (r->cnot)
		coap_write_uint(w, OPT_CTO, r->cnot);
	if (r->cnst)
		coap_write_uint(w, OPT_CTS, (uint32_t)r->cnst);
	if (ati.n)
		string(w, OPT_ATI, ati);
	string(w, OPT_VSI, passed->vsi);
}

uint8_t coap_map_answer(const struct req *r, struct buf *opts, struct buf *tmp, struct slice *payload)
{
	char mem[1024];
	struct slice location = r->rsc == 2001 ? r->location : (struct slice){ NULL, 0 };
	struct coap_writer w;
	struct arena a;
	struct buf ati;
	uint8_t code;
	bool cbor;

	arena_init(&a, mem, sizeof(mem), 65536);
	buf_init(&ati, 65536);
	if (r->rsc >= 1000 && r->rsc < 2000)
		location = acknowledged(r, &a);
	if (r->ati.n)
		claim_ati(&ati, r->ati);
	*payload = content_write(r, tmp, &cbor);
	code = code_of(r, location.n > 0);
	coap_write_options(&w, opts);
	if (location.n)
		coap_write_address(&w, OPT_LOCATION_PATH, location);
	if (payload->n)
		coap_write_uint(&w, OPT_CONTENT_FORMAT, format_of(r, cbor));
	coap_write_uint(&w, OPT_MAX_AGE, 0); /* nobody on the way keeps it (6.4) */
	parameters(&w, r, buf_view(&ati));
	buf_free(&ati);
	arena_reset(&a);
	return code;
}

void coap_map_with_blocks(struct buf *b, struct slice from, const struct coap_block *block2, const struct coap_block *block1)
{
	struct coap_walk in = { from, 0, { NULL, 0 } };
	struct coap_writer w;
	bool more;

	coap_write_options(&w, b);
	do {
		more = coap_walk(&in);
		if (block2 && (!more || in.number > OPT_BLOCK2)) {
			coap_write_block(&w, OPT_BLOCK2, block2);
			block2 = NULL;
		}
		if (block1 && (!more || in.number > OPT_BLOCK1)) {
			coap_write_block(&w, OPT_BLOCK1, block1);
			block1 = NULL;
		}
		if (more)
			coap_write_option(&w, in.number, in.value);
	} while (more);
}
