/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of a request: bounds, forms, and their JSON. Tokens and signatures never stand in a debug text. */
#include "core/rights/claims.h"

#include "codec/model.h"

/* m2m:signatureList: base64url, the padding may be left out. */
static bool is_signature(struct slice s)
{
	while (s.n && s.p[s.n - 1] == '=')
		s.n--;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
	}
	return s.n > 0 && s.n % 4 != 1;
}

/* The lists of r, in the order of TS-0004 table 8.2.2-1. `base`: how a string of it looks; MB_STRING: any. */
struct claim_list {
	const char *sn;
	uint32_t has;
	const struct slice *v;
	size_t n;
	enum model_base base;
};
enum { LISTS = 5 };

static void lists_of(const struct req *r, struct claim_list out[LISTS])
{
	const struct claim_list all[LISTS] = {
		{ "rids", HAS_ROLES, r->rids, r->n_rids, MB_ROLE_ID },
		{ "tkns", HAS_TOKENS, r->tkns, r->n_tkns, MB_STRING },
		{ "tids", HAS_TOKEN_IDS, r->tids, r->n_tids, MB_ROLE_ID },
		{ "ltids", HAS_LOCAL_TOKENS, r->ltids, r->n_ltids, MB_NCNAME },
		{ "aus", HAS_AUS, r->aus, r->n_aus, MB_STRING },
	};
	memcpy(out, all, sizeof(all));
}

static enum reeve_rc check_forms(struct req *r, const struct claim_list *l)
{
	const struct model_type type = { .base = l->base };

	for (size_t i = 0; i < l->n; i++) {
		const char *fault = l->base == MB_STRING ? NULL : model_text_fault(&type, l->v[i]);
		if (fault)
			return req_refuse(r, 4000, "%s: \"%.*s\" is not %s", l->sn, (int)(l->v[i].n < 80 ? l->v[i].n : 80),
					  l->v[i].p, fault);
		if (l->has == HAS_AUS && !is_signature(l->v[i]))
			return req_refuse(r, 4000, "aus: signature %zu is not base64url", i + 1);
	}
	return RC_OK;
}

enum reeve_rc claims_check(struct core *c, struct req *r)
{
	const struct limits *most = &c->cfg->limits;
	struct claim_list l[LISTS];
	size_t count = 0, bytes = 0;

	if (!(r->has & (HAS_ROLES | HAS_TOKENS | HAS_TOKEN_IDS | HAS_LOCAL_TOKENS | HAS_AUS)))
		return RC_OK;
	lists_of(r, l);
	for (size_t k = 0; k < LISTS; k++) {
		if (r->has & l[k].has && !l[k].n)
			return req_refuse(r, 4000, "%s: a list without entries; leave the parameter out", l[k].sn);
		count += l[k].n;
		for (size_t i = 0; i < l[k].n; i++)
			bytes += l[k].v[i].n;
	}
	if (count > most->claims || bytes > most->claim_bytes) {
		metrics_inc(&c->metrics, limit_claims);
		return req_refuse(r, 4000, "rids, tkns, tids, ltids and aus together: more than %u entries or %zu bytes "
				  "(limits.claims, limits.claim_bytes)", most->claims, most->claim_bytes);
	}
	for (size_t k = 0; k < LISTS; k++)
		if (check_forms(r, &l[k]) != RC_OK)
			return RC_REFUSED;
	return RC_OK;
}

void claims_write(struct buf *b, const struct req *r)
{
	const struct { const char *sn; uint32_t has; bool yes; } flags[] = {
		{ "tqi", HAS_TQI, r->tqi }, { "asi", HAS_ASI, r->asi }, { "auri", HAS_AURI, r->auri },
	};
	struct claim_list l[LISTS];

	if (!(r->has & (HAS_ROLES | HAS_TOKENS | HAS_TOKEN_IDS | HAS_LOCAL_TOKENS | HAS_AUS | HAS_TQI | HAS_ASI | HAS_AURI)))
		return;
	lists_of(r, l);
	for (size_t k = 0; k < LISTS; k++) {
		for (size_t i = 0; r->has & l[k].has && i < l[k].n; i++) {
			if (i)
				buf_char(b, ',');
			else
				buf_printf(b, ",\"%s\":[", l[k].sn);
			buf_json(b, l[k].v[i]);
		}
		if (r->has & l[k].has && l[k].n)
			buf_char(b, ']');
	}
	for (size_t k = 0; k < sizeof(flags) / sizeof(flags[0]); k++)
		if (r->has & flags[k].has)
			buf_printf(b, ",\"%s\":%s", flags[k].sn, flags[k].yes ? "true" : "false");
}

void claims_write_answer(struct buf *b, const struct req *r)
{
	if (r->ati.n) {
		buf_lit(b, ",\"ati\":");
		buf_slice(b, r->ati);
	}
	if (r->tqf.n && r->rsc >= 4000) {
		buf_lit(b, ",\"tqf\":");
		buf_slice(b, r->tqf);
	}
	if (r->asri)
		buf_lit(b, ",\"asri\":true");
}
