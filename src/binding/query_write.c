/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters to a query, for requests that are sent. The opposite of query.c: what that reads from this is what was meant. Pure. */
#include "binding/query.h"
#include "codec/json.h"

struct query_out {
	struct buf *b;
	char sign; /* before the next field */
};

static void field(struct query_out *q, struct slice name)
{
	buf_char(q->b, q->sign);
	q->sign = '&';
	buf_slice(q->b, name);
	buf_char(q->b, '=');
}

/* Everything but unreserved characters is escaped: '+', '&' and '=' have a meaning in a query. */
static void value(struct query_out *q, struct slice v)
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

static void text(struct query_out *q, struct slice name, struct slice v)
{
	field(q, name);
	value(q, v);
}

static void number(struct query_out *q, struct slice name, int64_t n)
{
	field(q, name);
	buf_i64(q->b, n);
}

static void list(struct query_out *q, struct slice name, const struct slice *v, size_t n)
{
	field(q, name);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_char(q->b, '+');
		value(q, v[i]);
	}
}

/* One condition of the filter as filter_to_json wrote it. */
static void condition(struct query_out *q, struct arena *a, const struct json *j, uint32_t name, uint32_t v)
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

static void filter(struct query_out *q, const struct filter *f)
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
static void claims(struct query_out *q, const struct req *r)
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

void query_write(struct buf *b, const struct req *r, bool blocking, char first)
{
	struct query_out q = { .b = b, .sign = first };

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
