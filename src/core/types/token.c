/* SPDX-License-Identifier: Apache-2.0 */
/* <token> (TS-0001 9.6.39, TS-0004 7.4.41): a token kept for those who know its Token-ID only. What counts is tokenObject; the other
 * attributes are a copy for readers, which has to agree with it as far as this CSE can open it (AUTHZ-153 to 155).
 *
 * All of it is written once, but for the holder, which the issuer of the token may change when its AE has got another AE-ID (AUTHZ-205,
 * Opening needs cryptography, so it was done on the loop before (tokens_prepare); here the result is used. */
#include "core/audited.h"
#include "core/rights/tokens.h"
#include "core/types.h"
#include "core/work.h"

/* Of a JSON string that has no escapes, as the model sees to for what is asked here. */
static struct slice inside(struct slice s) { return s.n > 2 ? slice_of(s.p + 1, s.n - 2) : S(""); }

static enum reeve_rc whole(const struct draft *d, struct json *j)
{
	struct slice text, why;
	struct buf b;

	buf_init(&b, SIZE_MAX / 2);
	buf_char(&b, '{');
	for (size_t i = 0; i < d->n; i++) {
		if (!d->v[i].raw.p)
			continue;
		buf_printf(&b, "%s\"%s\":", b.n > 1 ? "," : "", d->v[i].a->sn);
		buf_slice(&b, d->v[i].raw);
	}
	buf_char(&b, '}');
	text = b.failed ? (struct slice){ NULL, 0 } : arena_dup(d->arena, buf_view(&b));
	buf_free(&b);
	return text.p ? json_parse(d->arena, text, &json_default_limits, j, &why) : RC_NOMEM;
}

static enum reeve_rc check_copy(struct exec *x, struct req *r, const struct draft *d)
{
	const struct token *t = tokens_opened(r);
	struct token_claims copy;
	const char *differs;
	struct slice why;
	struct json j;
	enum reeve_rc rc = whole(d, &j);

	if (rc == RC_OK)
		rc = token_claims_from_resource(d->arena, &x->core->home, &j, 0, &copy, &why);
	if (rc == RC_INVALID)
		return req_refuse(r, 4000, "%.*s", SF(why));
	if (rc != RC_OK)
		return rc;
	differs = t ? token_claims_differ(d->arena, &copy, token_claims(t)) : NULL;
	if (differs)
		return req_refuse(r, 4000, "%s: says something else than the token; leave it out, or copy it", differs);
	return RC_OK;
}

/* Nobody but the issuer of the token changes its holder, and he nothing else. */
static enum reeve_rc check_holder(struct exec *x, struct req *r, struct draft *d)
{
	const struct token *t = tokens_opened(r);
	struct slice holder = draft_string(d, S("tkhd")), canon = { NULL, 0 };
	enum ident_kind kind = ID_NONE;
	enum ident_form form;

	for (size_t i = 0; i < r->work->n_attrs; i++)
		if (!slice_eq(slice_str(r->work->attrs[i].a->sn), S("tkhd")))
			return req_refuse(r, 4000, "tkhd: not permitted in Update together with other attributes");
	if (!t || !slice_eq(token_claims(t)->issuer, r->work->who))
		return req_refuse(r, 4000, "tkhd: not permitted in Update, but for the issuer of a token that this CSE can open");
	if (holder.p && ident_parse(d->arena, &x->core->home, holder, &kind, &form, &canon) != RC_OK)
		return RC_NOMEM;
	if (kind != ID_AE_C && kind != ID_AE_S)
		return req_refuse(r, 4000, "tkhd: must be an AE-ID");
	d->nw.h.flags |= REC_REHELD;
	return draft_set(d, S("tkhd"), arena_printf(d->arena, "\"%.*s\"", SF(canon))) ? RC_OK : RC_NOMEM;
}

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	(void)parent;
	if (!old)
		return check_copy(x, r, d);
	return draft_given(d, S("tkhd")) ? check_holder(x, r, d) : RC_OK;
}

static void audit(struct exec *x, const char *action, const struct res *res)
{
	audited(x, &(struct audit_what){ .kind = AUDIT_TOKEN, .action = action, .target = res_ri(res),
					 .detail = inside(res_member(res, S("tkid"))) });
}

static enum reeve_rc created(struct exec *x, struct req *r, const struct res *parent, const struct res *nw)
{
	(void)r, (void)parent;
	audit(x, "create", nw);
	return RC_OK;
}

static enum reeve_rc updated(struct exec *x, struct req *r, const struct res *old, const struct res *nw)
{
	const struct token *t = tokens_opened(r);

	(void)old;
	if (!t || !(nw->h.flags & REC_REHELD))
		return RC_OK;
	audit(x, "change", nw);
	token_cache_rehold(tokens_cache(x->core), token_claims(t)->id, token_claims(t)->issuer, inside(res_member(nw, S("tkhd"))), x->now);
	return RC_OK;
}

static enum reeve_rc removing(struct exec *x, const struct res *res)
{
	audit(x, "delete", res);
	if (tokens_cache(x->core))
		token_cache_forget_id(tokens_cache(x->core), inside(res_member(res, S("tkid"))));
	return RC_OK;
}

const struct type_hooks type_token = {
	.ty = TYPE_TOKEN, .late = "tkhd", .check = check, .created = created, .updated = updated, .removing = removing,
};
