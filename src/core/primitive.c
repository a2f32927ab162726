/* SPDX-License-Identifier: Apache-2.0 */
/* Primitives in short names (TS-0004 8.2.2, 8.2.3). A parameter that was not given is left out. */
#include "core/primitive.h"

#include "codec/model.h"
#include "core/rights/claims.h"

static void text(struct buf *b, const char *sn, struct slice v)
{
	if (!v.p)
		return;
	buf_printf(b, ",\"%s\":", sn);
	buf_json(b, v);
}

static void list(struct buf *b, const char *sn, const struct slice *v, size_t n)
{
	buf_printf(b, ",\"%s\":[", sn);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_char(b, ',');
		buf_json(b, v[i]);
	}
	buf_char(b, ']');
}

/* Parameters of which `send` has no copy. */
static void further(struct buf *b, const struct req *r, bool blocking)
{
	const struct { const char *sn; struct slice v; } texts[] = {
		{ "gid", r->gid }, { "ot", r->ot }, { "rqet", r->rqet }, { "rset", r->rset }, { "oet", r->oet }, { "rp", r->rp },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		text(b, texts[i].sn, texts[i].v);
	if (r->has & HAS_RCN)
		buf_printf(b, ",\"rcn\":%d", r->rcn);
	if (r->has & HAS_DRT)
		buf_printf(b, ",\"drt\":%d", r->drt);
	claims_write(b, r);
	if (r->has & HAS_SQI)
		buf_lit(b, ",\"sqi\":true");
	if (r->has & HAS_GRTM)
		list(b, "grtm", r->grtm, r->n_grtm);
	if (r->rt && !blocking) {
		buf_printf(b, ",\"rt\":{\"rtv\":%d", (int)r->rt);
		if (r->has & HAS_RTU)
			list(b, "nu", r->rtu, r->n_rtu);
		buf_char(b, '}');
	}
	if (r->has & HAS_FC) {
		buf_lit(b, ",\"fc\":");
		filter_to_json(b, &r->fc);
	}
}

static void content(struct buf *b, const struct send *s)
{
	if (s->pc.n) {
		buf_lit(b, ",\"pc\":");
		buf_slice(b, s->pc);
	} else if (s->with && s->with->n_atrl) {
		buf_lit(b, ",\"pc\":{\"m2m:atrl\"");
		buf_char(b, ':');
		buf_char(b, '[');
		for (size_t i = 0; i < s->with->n_atrl; i++) {
			if (i)
				buf_char(b, ',');
			buf_json(b, s->with->atrl[i]);
		}
		buf_lit(b, "]}");
	}
}

/* ty of a Create: told, or as the root of the content says; 0: it has none. */
static int64_t type_of(const struct send *s)
{
	struct slice root = slice_skip(s->pc, 1);
	const struct model_res *m = NULL;

	if (s->op != OP_CREATE || s->ty)
		return s->ty;
	root = slice_trim(root, S(" \t\r\n"));
	if (root.n && root.p[0] == '"') {
		root = slice_skip(root, 1);
		m = model_by_root(slice_cut(&root, '"'));
	}
	return m ? m->ty : 0;
}

void primitive_write(struct buf *b, const struct send *s)
{
	int64_t ty = type_of(s);

	buf_printf(b, "\"op\":%d,\"to\":", (int)s->op);
	buf_json(b, s->to);
	text(b, "fr", s->fr);
	text(b, "rqi", s->rqi);
	text(b, "rvi", s->rvi);
	text(b, "vsi", s->vsi);
	if (ty)
		buf_printf(b, ",\"ty\":%lld", (long long)ty);
	if (s->ec)
		buf_printf(b, ",\"ec\":%d", s->ec);
	if (s->with)
		further(b, s->with, s->blocking);
	content(b, s);
}

static struct slice object(const struct json *j, uint32_t i)
{
	return i && json_kind(j, i) == J_OBJECT ? json_raw(j, i) : (struct slice){ NULL, 0 };
}

static uint64_t number(const struct json *j, uint32_t i, uint64_t most)
{
	uint64_t n;
	return i && json_u64(j, i, &n) && n <= most ? n : 0;
}

/* Parameters become headers again: what could not be one is left out. */
static struct slice printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return (struct slice){ NULL, 0 };
	return s;
}

bool primitive_read(struct arena *a, const struct json *j, uint32_t i, struct rsp *rsp, struct slice *rqi)
{
	struct { struct slice *to; struct slice sn; } texts[] = {
		{ &rsp->fr, S("fr") }, { &rsp->ot, S("ot") }, { &rsp->rset, S("rset") }, { &rsp->rvi, S("rvi") }, { &rsp->vsi, S("vsi") },
	};
	uint32_t asri = json_member(j, i, S("asri"));

	*rsp = (struct rsp){
		.rsc = (int)number(j, json_member(j, i, S("rsc")), 9999),
		.cnst = (int)number(j, json_member(j, i, S("cnst")), 2),
		.cnot = (uint32_t)number(j, json_member(j, i, S("cnot")), UINT32_MAX),
		.ec = (int)number(j, json_member(j, i, S("ec")), 999),
		.pc = object(j, json_member(j, i, S("pc"))),
		.ati = object(j, json_member(j, i, S("ati"))),
		.tqf = object(j, json_member(j, i, S("tqf"))),
	};
	for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
		*texts[k].to = printable(json_string(a, j, json_member(j, i, texts[k].sn)));
	if (asri)
		(void)json_bool(j, asri, &rsp->asri);
	*rqi = json_string(a, j, json_member(j, i, S("rqi")));
	return rsp->rsc >= 1000 && rqi->p;
}
