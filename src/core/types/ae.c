/* SPDX-License-Identifier: Apache-2.0 */
/* <AE>: registration (TS-0001 10.2.2.2, TS-0004 7.4.5). The Originator's wish decides the kind of AE-ID-Stem; who may register is a matter
 * of the operator's lists here, not of policies. */
#include "base/rand.h"
#include "core/audited.h"
#include "core/notify.h"
#include "core/pattern.h"
#include "core/rights/tokens.h"
#include "core/types.h"
#include "core/work.h"

static enum reeve_rc assign(struct exec *x, struct req *r, char kind, struct slice *stem)
{
	static const char alphabet[] = "0123456789abcdefghijklmnopqrstuv";
	struct res other;
	unsigned char bytes[12];
	char text[13];

	do {
		rand_bytes(bytes, sizeof(bytes));
		text[0] = kind;
		for (size_t i = 0; i < sizeof(bytes); i++)
			text[i + 1] = alphabet[bytes[i] & 31];
		*stem = arena_dup(&r->arena, slice_of(text, sizeof(text)));
	} while (stem->p && tree_stem(x->tx, *stem, &other) == RC_OK);
	return stem->p ? RC_OK : RC_NOMEM;
}

/* A stem of the CSE's choice is no way around the lists: it has to be in them, or the wish for one ("C", "S"). */
static enum reeve_rc assign_admitted(struct exec *x, struct req *r, char kind, struct slice *stem)
{
	const struct config *cfg = x->core->cfg;
	struct slice wish = slice_of(&kind, 1);
	enum reeve_rc rc = assign(x, r, kind, stem);

	if (rc != RC_OK)
		return rc;
	if ((cfg->allow_ae.n && !pattern_listed(&cfg->allow_ae, wish) && !pattern_listed(&cfg->allow_ae, *stem)) ||
	    pattern_listed(&cfg->deny_ae, wish) || pattern_listed(&cfg->deny_ae, *stem))
		return req_refuse(r, 4126, "no AE-ID-Stem of that kind may register here (access.allow-ae, access.deny-ae)");
	return RC_OK;
}

/* From tells what stem is wanted: nothing or "C", "S", or a whole stem. */
static enum reeve_rc choose_stem(struct exec *x, struct req *r, struct slice *stem)
{
	const struct config *cfg = x->core->cfg;
	char kind = r->fr.n ? r->fr.p[0] : 'C';
	struct res other;

	if (r->fr.n && kind != 'C' && kind != 'S')
		return req_refuse(r, 4000, "From of a registration is absent, \"C\", \"S\", or an AE-ID-Stem beginning with C or S");
	if (kind == 'S' && cfg->type != CSE_IN)
		return req_refuse(
			r, 5001,
			"AE-IDs assigned by the service provider need <AEAnnc> at the IN-CSE, which is not supported yet");
	if (r->fr.n <= 1)
		return assign_admitted(x, r, kind, stem);
	if (!ident_stem(r->fr) || r->fr.n > cfg->limits.name)
		return req_refuse(r, 4000, "From is no AE-ID-Stem");
	if (!pattern_admits(&cfg->allow_ae, &cfg->deny_ae, r->fr))
		return req_refuse(r, 4126, "this AE-ID may not register here (access.allow-ae, access.deny-ae)");
	if (tree_stem(x->tx, r->fr, &other) == RC_OK)
		return req_refuse(r, 4117, "an AE with the AE-ID-Stem %.*s is registered already", SF(r->fr));
	*stem = r->fr;
	return RC_OK;
}

/* Registration: no access decision (TS-0004 7.4.5.2). */
static enum reeve_rc admit(struct exec *x, struct req *r, const struct res *parent)
{
	(void)x, (void)r, (void)parent;
	return RC_OK;
}

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	const struct config *cfg = x->core->cfg;
	struct slice api = draft_string(d, S("api")), stem, quoted;
	enum ident_kind kind;
	enum ident_form form;
	enum reeve_rc rc;

	(void)parent;
	if (old)
		return RC_OK;
	if (!ident_app(api))
		return req_refuse(r, 4000, "api: an App-ID begins with R (registered) or N (not registered)");
	if (!pattern_admits(&cfg->allow_app, &cfg->deny_app, api))
		return req_refuse(r, 4126, "this App-ID may not register here (access.allow-app, access.deny-app)");
	if ((rc = choose_stem(x, r, &stem)) != RC_OK)
		return rc;
	if ((rc = ident_parse(d->arena, &x->core->home, stem, &kind, &form, &d->nw.creator)) != RC_OK)
		return rc;
	d->nw.stem = stem;
	quoted = arena_printf(d->arena, "\"%.*s\"", SF(stem));
	if (!draft_set(d, S("aei"), quoted) || (draft_given(d, S("cr")) && !draft_set(d, S("cr"), quoted)))
		return RC_NOMEM;
	return RC_OK;
}

/* Groups in policies name AEs by resource; who they stand for may have changed. */
static enum reeve_rc created(struct exec *x, struct req *r, const struct res *parent, const struct res *nw)
{
	const struct slice api = res_member(nw, S("api")); /* with its quotes */

	(void)r, (void)parent;
	audited(x, &(struct audit_what){ .kind = AUDIT_REGISTRATION, .action = "create", .who = nw->creator, .target = res_ri(nw),
					 .detail = slice_of(api.p + 1, api.n - 2) });
	writer_policies_changed(x);
	return RC_OK;
}

/* A new point of access: what waits for this AE is tried again now (TS-0001 10.2.2.4). */
static enum reeve_rc updated(struct exec *x, struct req *r, const struct res *old, const struct res *nw)
{
	(void)old;
	for (size_t i = 0; i < r->work->n_attrs; i++)
		if (slice_eq(slice_str(r->work->attrs[i].a->sn), S("poa")))
			notifier_moved(x, nw->key);
	return RC_OK;
}

static enum reeve_rc removing(struct exec *x, const struct res *res)
{
	audited(x, &(struct audit_what){ .kind = AUDIT_REGISTRATION, .action = "delete", .target = res_ri(res) });
	writer_policies_changed(x);
	tokens_forget(x, res->creator); /* */
	return RC_OK;
}

const struct type_hooks type_ae = { .ty = 2, .admit = admit, .check = check, .created = created, .updated = updated, .removing = removing };
