/* SPDX-License-Identifier: Apache-2.0 */
/* <AE>: registration (TS-0001 10.2.2.2, TS-0004 7.4.5). Who may, and by which AE-ID-Stem, is a matter of the service
 * subscription and of the operator's lists (core/registration/admission.h), not of policies. */
#include "core/association/credential.h"
#include "core/registration/admission.h"
#include "core/registration/confirm.h"
#include "core/audited.h"
#include "core/notify/notify.h"
#include "core/rights/tokens.h"
#include "core/types.h"
#include "core/work.h"

/* Instead of an access decision (TS-0004 7.4.5.2). */
static enum reeve_rc admit(struct exec *x, struct req *r, const struct res *parent)
{
	(void)parent;
	return admission_open(x, r);
}

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct slice api = draft_string(d, S("api")), stem, quoted;
	enum ident_kind kind;
	enum ident_form form;
	enum reeve_rc rc;

	(void)parent;
	if (old)
		return RC_OK;
	if (!ident_app(api))
		return req_refuse(r, 4000, "api: an App-ID begins with R (registered) or N (not registered)");
	if ((rc = admission_stem(x, r, api, &stem)) != RC_OK)
		return rc;
	if ((rc = ident_parse(d->arena, &x->core->home, stem, &kind, &form, &d->nw.creator)) != RC_OK)
		return rc;
	if (confirm_lacks(x, r, stem, d->nw.name))
		return req_refuse(r, 5000, "the IN-CSE was not asked for this S-type AE-ID; try again");
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

	(void)parent;
	audited(x, &(struct audit_what){ .kind = AUDIT_REGISTRATION, .action = "create", .who = nw->creator, .target = res_ri(nw),
					 .detail = slice_of(api.p + 1, api.n - 2) });
	writer_policies_changed(x);
	/* from now on, who comes with this credential is this AE */
	return r->peer.association && r->peer.credential.n ? credential_bind(x->tx, r->peer.credential, nw->creator) : RC_OK;
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
	enum reeve_rc rc;

	audited(x, &(struct audit_what){ .kind = AUDIT_REGISTRATION, .action = "delete", .target = res_ri(res) });
	writer_policies_changed(x);
	tokens_forget(x, res->creator); /* */
	rc = credential_unbind(x->tx, res->creator);
	return rc == RC_OK ? confirm_removing(x, res) : rc;
}

const struct type_hooks type_ae = { .ty = 2, .admit = admit, .check = check, .created = created, .updated = updated, .removing = removing };
