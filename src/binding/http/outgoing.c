/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are sent, and their answers: parameters to the query, headers of the answer to response parameters (TS-0009 6.2.2, 6.4).
 * The opposite of query.c and map.c: what those read from this is what was meant. Pure. */
#include "binding/http/map.h"
#include "binding/http/map_int.h"
#include "codec/text.h"

/* --- query --- */

struct query {
	struct buf *b;
	char sign; /* before the next field */
};

static void field(struct query *q, struct slice name)
{
	buf_char(q->b, q->sign);
	q->sign = '&';
	buf_slice(q->b, name);
	buf_char(q->b, '=');
}

/* Everything but unreserved characters is escaped: '+', '&' and '=' have a meaning in a query. */
static void value(struct query *q, struct slice v)
{
	static const char hexits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		char escaped[3] = { '%', hexits[c >> 4], hexits[c & 15] };

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("-._~", c)))
			buf_char(q->b, (char)c);
		else
			buf_add(q->b, escaped, 3);
	}
}

static void text(struct query *q, struct slice name, struct slice v)
{
	field(q, name);
	value(q, v);
}

static void number(struct query *q, struct slice name, int64_t n)
{
	field(q, name);
	buf_i64(q->b, n);
}

static void list(struct query *q, struct slice name, const struct slice *v, size_t n)
{
	field(q, name);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_char(q->b, '+');
		value(q, v[i]);
	}
}

/* One condition of the filter as filter_to_json wrote it. */
static void condition(struct query *q, struct arena *a, const struct json *j, uint32_t name, uint32_t v)
{
	struct slice sn = json_inner(j, name);
	bool attributes = slice_eq(sn, S("atr")) || slice_eq(sn, S("catr")) || slice_eq(sn, S("patr"));
	bool apart = slice_eq(sn, S("lbq")) || slice_eq(sn, S("smf")); /* expressions: a field for each */

	if (json_kind(j, v) != J_ARRAY) {
		text(q, sn, json_kind(j, v) == J_STRING ? json_string(a, j, v) : json_raw(j, v));
		return;
	}
	if (!attributes && !apart)
		field(q, sn);
	for (uint32_t i = v + 1; i < j->tok[v].next; i = j->tok[i].next) {
		if (attributes) { /* of a child, of the parent: CORE-278 */
			struct slice nm = json_string(a, j, json_member(j, i, S("nm")));

			if (sn.p[0] != 'a')
				nm = arena_printf(a, "%c.%.*s", sn.p[0], SF(nm));
			text(q, nm, json_string(a, j, json_member(j, i, S("val"))));
			continue;
		}
		if (apart)
			field(q, sn);
		else if (i > v + 1)
			buf_char(q->b, '+');
		value(q, json_kind(j, i) == J_STRING ? json_string(a, j, i) : json_raw(j, i));
	}
}

static void filter(struct query *q, const struct filter *f)
{
	struct slice why;
	struct arena a;
	struct json j;
	struct buf b;

	arena_init(&a, NULL, 0, SIZE_MAX / 4);
	buf_init(&b, q->b->max);
	filter_to_json(&b, f);
	if (b.failed || json_parse(&a, buf_view(&b), &json_default_limits, &j, &why) != RC_OK)
		q->b->failed = true; /* rather no request than another one */
	else
		for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i + 1].next)
			condition(q, &a, &j, i, i + 1);
	buf_free(&b);
	arena_reset(&a);
}

/* Tokens and signatures stand in headers. */
static void claims(struct query *q, const struct req *r)
{
	const struct { struct slice name; uint32_t has; bool yes; } flags[] = {
		{ S("tqi"), HAS_TQI, r->tqi }, { S("asi"), HAS_ASI, r->asi }, { S("auri"), HAS_AURI, r->auri },
	};

	if (r->has & HAS_ROLES)
		list(q, S("rids"), r->rids, r->n_rids);
	if (r->has & HAS_TOKEN_IDS)
		list(q, S("tids"), r->tids, r->n_tids);
	if (r->has & HAS_LOCAL_TOKENS)
		list(q, S("ltids"), r->ltids, r->n_ltids);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (r->has & flags[i].has)
			text(q, flags[i].name, flags[i].yes ? S("true") : S("false"));
}

void http_map_query(struct buf *b, const struct req *r, bool blocking, char first)
{
	struct query q = { .b = b, .sign = first };

	if (r->rt && !blocking)
		number(&q, S("rt"), r->rt);
	if (r->has & HAS_RCN)
		number(&q, S("rcn"), r->rcn);
	if (r->has & HAS_DRT)
		number(&q, S("drt"), r->drt);
	if (r->has & HAS_RP)
		text(&q, S("rp"), r->rp);
	if (r->n_atrl)
		list(&q, S("atrl"), r->atrl, r->n_atrl);
	if (r->has & HAS_GRTM)
		list(&q, S("grtm"), r->grtm, r->n_grtm);
	claims(&q, r);
	if (r->has & HAS_SQI)
		text(&q, S("sqi"), S("true"));
	if (r->has & HAS_FC)
		filter(&q, &r->fc);
}

/* --- answers --- */

static void kept(struct arena *a, struct slice *to, struct slice v)
{
	if (!to->p)
		*to = arena_dup(a, v);
}

void http_map_answer(struct rsp *rsp, struct arena *a, struct slice name, struct slice v)
{
	uint64_t n;

	v = map_trim(v);
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f)
			return;
	if (!slice_utf8(v))
		return;
	if (slice_ieq(name, S("Content-Location")))
		rsp->location = http_map_address(a, v);
	else if (slice_ieq(name, S("X-M2M-Origin")))
		kept(a, &rsp->fr, v);
	else if (slice_ieq(name, S("X-M2M-OT")))
		kept(a, &rsp->ot, v);
	else if (slice_ieq(name, S("X-M2M-RST")))
		kept(a, &rsp->rset, v);
	else if (slice_ieq(name, S("X-M2M-RVI")))
		kept(a, &rsp->rvi, v);
	else if (slice_ieq(name, S("X-M2M-VSI")))
		kept(a, &rsp->vsi, v);
	else if (slice_ieq(name, S("X-M2M-EC")) && slice_u64(v, &n) && n <= 999)
		rsp->ec = (int)n;
	else if (slice_ieq(name, S("X-M2M-CTS")) && slice_u64(v, &n) && n <= 2)
		rsp->cnst = (int)n;
	else if (slice_ieq(name, S("X-M2M-CTO")) && slice_u64(v, &n) && n <= UINT32_MAX)
		rsp->cnot = (uint32_t)n;
	else if (slice_ieq(name, S("X-M2M-ATI")))
		rsp->ati = http_map_ati_read(a, v);
	else if (slice_ieq(name, S("X-M2M-ASRI")))
		rsp->asri = slice_eq(v, S("true")) || slice_eq(v, S("1"));
}
