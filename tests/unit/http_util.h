/* SPDX-License-Identifier: Apache-2.0 */
/* Reading of HTTP messages in pieces, and a text that tells all a request says: for the tests and fuzz targets of the HTTP binding. */
#ifndef REEVE_TESTS_HTTP_UTIL_H
#define REEVE_TESTS_HTTP_UTIL_H

#include <stdlib.h>

#include "binding/http/reader.h"

enum { HEADER_MAX = 4096, BODY_MAX = 2048 };

struct reading {
	struct req req;
	struct http_in in;
	http_parser parser;
	enum http_verdict verdict;
	size_t used;
};

static inline struct reading *reading_new(void)
{
	struct reading *r = aligned_alloc(16, (sizeof(*r) + 15) & ~(size_t)15);

	if (!r)
		abort();
	memset(r, 0, sizeof(*r));
	req_init(&r->req, NULL, 1 << 20, 1 << 20);
	http_in_init(&r->in, &r->req, HEADER_MAX, BODY_MAX);
	http_parser_init(&r->parser, HTTP_REQUEST);
	return r;
}

static inline void reading_free(struct reading *r)
{
	req_free(&r->req);
	http_in_free(&r->in);
	free(r);
}

/* Make ready for the next message of the same connection. */
static inline void reading_next(struct reading *r)
{
	req_reset(&r->req);
	http_in_reset(&r->in);
}

/* Feed m in pieces that end at `cut` (and at every multiple of `step`, if that is not 0). Each piece lies in memory of its own that is gone
 * afterwards, so that a borrowed byte is noticed. Stops at the end of one message. */
static inline void reading_feed(struct reading *r, struct slice m, size_t cut, size_t step)
{
	r->verdict = HTTP_MORE;
	r->used = 0;
	while (r->used < m.n && r->verdict == HTTP_MORE) {
		size_t end = m.n, size, used;
		char *piece;

		if (cut > r->used && cut < end)
			end = cut;
		if (step && r->used + step < end)
			end = r->used + step;
		size = end - r->used;
		piece = malloc(size);
		if (!piece)
			abort();
		memcpy(piece, m.p + r->used, size);
		r->verdict = http_in_feed(&r->in, &r->parser, piece, size, &used);
		r->used += used;
		if (r->verdict == HTTP_DONE)
			http_in_finish(&r->in, &json_default_limits);
		memset(piece, '#', size);
		free(piece);
	}
}

static inline void tell_text(struct buf *b, const char *name, struct slice s)
{
	if (!s.p)
		return;
	buf_printf(b, " %s=", name);
	buf_json(b, s);
}

static inline void tell_list(struct buf *b, const char *name, const struct slice *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tell_text(b, name, v[i]);
}

static inline void tell_conditions(struct buf *b, const char *name, const struct filter_attr *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(b, " %s:%.*s=%.*s", name, SF(v[i].name), SF(v[i].value));
}

static inline void tell_numbers(struct buf *b, const char *name, const struct filter_nums *l)
{
	for (size_t i = 0; i < l->n; i++)
		buf_printf(b, " %s=%lld", name, (long long)l->v[i]);
}

/* What the request says, e.g. `op=2 to="cse/a" fr="C1" ...`. */
static inline void tell(struct buf *b, const struct req *r)
{
	const struct filter *f = &r->fc;

	buf_printf(b, "op=%d", (int)r->op);
	tell_text(b, "to", r->to);
	tell_text(b, "fr", r->fr);
	tell_text(b, "rqi", r->rqi);
	tell_text(b, "rvi", r->rvi);
	tell_text(b, "vsi", r->vsi);
	tell_text(b, "gid", r->gid);
	tell_text(b, "ot", r->ot);
	tell_text(b, "rqet", r->rqet);
	tell_text(b, "rset", r->rset);
	tell_text(b, "oet", r->oet);
	tell_text(b, "rp", r->rp);
	if (r->has & HAS_TY)
		buf_printf(b, " ty=%lld", (long long)r->ty);
	if (r->has & HAS_RCN)
		buf_printf(b, " rcn=%d", r->rcn);
	if (r->has & HAS_DRT)
		buf_printf(b, " drt=%d", r->drt);
	if (r->has & HAS_EC)
		buf_printf(b, " ec=%d", r->ec);
	if (r->rt)
		buf_printf(b, " rt=%d", (int)r->rt);
	if (r->has & HAS_RTU)
		buf_lit(b, " rtu");
	tell_list(b, "nu", r->rtu, r->n_rtu);
	tell_list(b, "atrl", r->atrl, r->n_atrl);
	tell_list(b, "grtm", r->grtm, r->n_grtm);
	tell_list(b, "rids", r->rids, r->n_rids);
	tell_list(b, "tkns", r->tkns, r->n_tkns);
	tell_list(b, "tids", r->tids, r->n_tids);
	tell_list(b, "ltids", r->ltids, r->n_ltids);
	tell_list(b, "aus", r->aus, r->n_aus);
	if (r->has & (HAS_TQI | HAS_ASI | HAS_AURI))
		buf_printf(b, " tqi=%d asi=%d auri=%d", r->tqi, r->asi, r->auri);
	tell_list(b, "lbl", f->lbl.v, f->lbl.n);
	tell_list(b, "clbl", f->clbl.v, f->clbl.n);
	tell_list(b, "lbq", f->lbq.v, f->lbq.n);
	tell_list(b, "cty", f->cty.v, f->cty.n);
	tell_numbers(b, "fty", &f->ty);
	tell_numbers(b, "chty", &f->chty);
	tell_conditions(b, "atr", f->atr, f->n_atr);
	tell_conditions(b, "catr", f->catr, f->n_catr);
	tell_conditions(b, "patr", f->patr, f->n_patr);
	if (f->fu)
		buf_printf(b, " fu=%d", f->fu);
	if (f->lim >= 0)
		buf_printf(b, " lim=%lld", (long long)f->lim);
	tell_text(b, "arp", f->arp);
	if (r->pc.p)
		tell_text(b, "pc", r->pc);
	buf_printf(b, " has=%x", (unsigned)(r->has & ~(HAS_TY | HAS_RCN | HAS_DRT | HAS_EC | HAS_RTU)));
	buf_printf(b, " in=%d%s want=%d%s", (int)r->pc_serial, r->pc_bad_serial ? "!" : "", (int)r->want, r->want_vendor ? "v" : "");
	tell_text(b, "bad", r->bad);
}

#endif
