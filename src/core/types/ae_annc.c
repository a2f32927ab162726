/* SPDX-License-Identifier: Apache-2.0 */
/* <AEAnnc>: the copy of an <AE>; and at the IN-CSE what says that a CSE registered an AE by an AE-ID of the service provider (TS-0001
 * 10.2.2.2; authorization.md 8.4).
 *
 * The latter has the AE-ID-Stem as its resource id. Its registrar creates it before it creates the <AE>, and updates it when the AE comes
 * back; "INACTIVE" in lnk says that it is registered nowhere. Whatever makes lnk an address is held against the service subscription of
 * the CSE it is at: its rules have to allow App-ID, AE-ID-Stem and the Credential-ID in the labels together. */
#include "core/core.h"
#include "core/registration/admission.h"
#include "core/registration/moved.h"
#include "core/types/announced.h"
#include "core/work.h"

#define CREDENTIAL "Credential-ID:"

static bool is_registration(const struct res *res) { return res_ri(res).p[0] == 'S'; }

/* The one label that tells the credential. RC_REFUSED: there is none, or several. */
static enum reeve_rc credential_of(struct req *r, const struct draft *d, struct slice *out)
{
	unsigned found = 0;
	struct slice label;
	struct json j;

	if (draft_json(d, S("lbl"), &j) == RC_OK && json_kind(&j, 0) == J_ARRAY)
		for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next)
			if (slice_starts(label = json_string(d->arena, &j, i), S(CREDENTIAL))) {
				*out = slice_skip(label, sizeof(CREDENTIAL) - 1);
				found++;
			}
	return found == 1 ? RC_OK : req_refuse(r, 4000, "lbl: one label begins with \"" CREDENTIAL "\"");
}

/* Labels of an Update: the credential takes the place of the one that was there, the others stay (TS-0001 10.2.2.2, step 005b). */
static enum reeve_rc keep_labels(struct draft *d, const struct res *old)
{
	struct slice raw = res_attr(d->arena, old, S("lbl")), why, text;
	struct json was, is;
	struct buf b;

	if (!draft_given(d, S("lbl")) || !raw.p)
		return RC_OK;
	if (json_parse(d->arena, raw, &json_default_limits, &was, &why) != RC_OK || draft_json(d, S("lbl"), &is) != RC_OK)
		return d->arena->failed ? RC_NOMEM : RC_OK;
	buf_init(&b, SIZE_MAX / 4);
	buf_char(&b, '[');
	for (uint32_t i = 1; i < was.tok[0].next; i = was.tok[i].next)
		if (!slice_starts(json_string(d->arena, &was, i), S(CREDENTIAL))) {
			buf_slice(&b, json_raw(&was, i));
			buf_char(&b, ',');
		}
	for (uint32_t i = 1; i < is.tok[0].next; i = is.tok[i].next) {
		buf_slice(&b, json_raw(&is, i));
		buf_char(&b, ',');
	}
	b.n--;
	buf_char(&b, ']');
	text = b.failed ? (struct slice){ NULL, 0 } : arena_dup(d->arena, buf_view(&b));
	buf_free(&b);
	return text.p && draft_set(d, S("lbl"), text) ? RC_OK : RC_NOMEM;
}

/* The CSE-ID of the Originator, and `wish` behind it. */
static bool is_link(struct exec *x, struct req *r, struct slice lnk, struct slice wish)
{
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon;

	if (lnk.n < wish.n + 2 || !slice_ends(lnk, wish) || lnk.p[lnk.n - wish.n - 1] != '/')
		return false;
	lnk.n -= wish.n + 1;
	return ident_parse(&r->arena, &x->core->home, lnk, &kind, &form, &canon) == RC_OK && form != ID_STEM &&
	       slice_eq(canon, r->work->who);
}

/* lnk, and what the rules say of it. wish: "S" or the stem. */
static enum reeve_rc confirm(struct exec *x, struct req *r, struct draft *d, struct slice wish, struct slice *stem)
{
	struct applicant who = { .app = draft_string(d, S("api")) };
	struct slice credential;
	enum reeve_rc rc;

	if (!is_link(x, r, draft_string(d, S("lnk")), wish))
		return req_refuse(r, 4000, "lnk: the AE-ID-Stem, with the CSE-ID of the registrar, which this request comes from");
	if (!ident_app(who.app))
		return req_refuse(r, 4000, "api: the App-ID of the AE, which begins with R or N");
	if ((rc = credential_of(r, d, &credential)) != RC_OK)
		return rc;
	who.association = credential.n > 0;
	who.credential = credential;
	return admission_confirm(x, r, r->work->who, &who, wish, stem);
}

static enum reeve_rc check_created(struct exec *x, struct req *r, struct draft *d)
{
	struct slice wish = r->work->registree, lnk = draft_string(d, S("lnk")), stem;
	struct res other;
	enum reeve_rc rc = confirm(x, r, d, wish, &stem);

	if (rc != RC_OK)
		return rc;
	if (tree_stem(x->tx, stem, &other) == RC_OK)
		return req_refuse(r, 4117, "an AE with the AE-ID-Stem %.*s is known already", SF(stem));
	d->nw.stem = stem;
	lnk = arena_printf(d->arena, "\"%.*s%.*s\"", (int)(lnk.n - wish.n), lnk.p, SF(stem));
	return lnk.p && draft_set(d, S("lnk"), lnk) ? RC_OK : RC_NOMEM;
}

static enum reeve_rc check_updated(struct exec *x, struct req *r, const struct res *old, struct draft *d)
{
	struct slice stem = res_ri(old), was = res_member(old, S("lnk")), cse;
	bool track = false;
	enum reeve_rc rc;

	if (r->work->registree.n && !slice_eq(r->work->registree, stem))
		return req_refuse(r, 4000, "From names another AE-ID-Stem than To");
	if (slice_eq(draft_string(d, S("lnk")), S("INACTIVE")))
		return announced_owner(x, r, old) ? RC_OK : exec_denied(x, r, old, ACOP_UPDATE, 0);
	if ((rc = keep_labels(d, old)) != RC_OK || (rc = confirm(x, r, d, arena_dup(d->arena, stem), &stem)) != RC_OK)
		return rc;
	cse = was.n > 2 ? announced_cse(x, d->arena, slice_of(was.p + 1, was.n - 2)) : (struct slice){ NULL, 0 };
	if (cse.n && !slice_eq(cse, r->work->who) && !(draft_bool(d, S("trps"), &track) && track))
		return req_refuse(r, 4117, "this AE is registered at %.*s; with trps it may move", SF(cse));
	return RC_OK;
}

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	enum reeve_rc rc = announced_check(x, r, parent, old, d);

	if (rc != RC_OK)
		return rc;
	if (old)
		return is_registration(old) ? check_updated(x, r, old, d) : RC_OK;
	return r->work->registree.n ? check_created(x, r, d) : RC_OK;
}

/* The CSE that lnk of res leads to, and lnk itself without its quotes, copied. */
static struct slice registrar_of(struct exec *x, struct arena *a, const struct res *res, struct slice *lnk)
{
	struct slice raw = res_member(res, S("lnk"));

	*lnk = raw.n > 2 ? arena_dup(a, slice_of(raw.p + 1, raw.n - 2)) : (struct slice){ NULL, 0 };
	return announced_cse(x, a, *lnk);
}

/* Linked to another registrar: the AE has moved. */
static enum reeve_rc updated(struct exec *x, struct req *r, const struct res *old, const struct res *nw)
{
	struct slice from, to, was = registrar_of(x, &r->arena, old, &from), is = registrar_of(x, &r->arena, nw, &to);

	return is_registration(nw) && was.n && is.n && !slice_eq(was, is) ? moved_tell(x, nw, from, to) : RC_OK;
}

/* Whoever registers the AE may say so; check looks at what he says. */
static enum reeve_rc decide(struct exec *x, struct req *r, const struct res *res, unsigned bit)
{
	if (bit == ACOP_UPDATE && r->work->registree.n && is_registration(res))
		return RC_OK;
	return announced_decide(x, r, res, bit);
}

const struct type_hooks type_ae_annc = { .ty = TYPE_AE_ANNC, .check = check, .updated = updated, .decide = decide,
					 .permitted = announced_permits, .decides = ACOP_UPDATE | ACOP_DELETE };
