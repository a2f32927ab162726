/* SPDX-License-Identifier: Apache-2.0 */
/* <remoteCSE>: registration of a CSE (TS-0004 7.4.4, TS-0001 10.2.2.7). Who may register is a matter of its security association and of the
 * operator's lists, not of policies. The <remoteCSE> for the own registrar is made by the CSE itself (registrar.c).
 *
 * Requests are sent where <remoteCSE> say (way.h), so what a CSE may claim is checked: its CSE-ID is its From, and it has no
 * descendants that are registered here themselves. */
#include "core/audited.h"
#include "core/notify/notify.h"
#include "core/pattern.h"
#include "core/cse/registrar.h"
#include "core/types.h"
#include "core/cse/way.h"
#include "core/work.h"
#include "core/writer.h"

/* Is the Originator a CSE? A CSE-ID that begins with S reads like an AE-ID; an AE that is registered here says its stem. */
static bool is_cse(const struct req_work *w)
{
	return w->who_kind == ID_CSE || (w->who_kind == ID_AE_S && w->who_form != ID_STEM);
}

/* A canonical CSE-ID as the operator's lists name it. */
static struct slice as_listed(struct exec *x, struct slice id)
{
	return way_foreign(x->core, id) ? id : slice_skip(id, x->core->home.sp_id.n);
}

/* Instead of the access decision (TS-0004 7.4.4.2.1). */
static enum reeve_rc admit(struct exec *x, struct req *r, const struct res *parent)
{
	const struct config *cfg = x->core->cfg;
	const struct req_work *w = r->work;

	(void)parent;
	if (x->internal || w->internal)
		return RC_OK;
	if (!is_cse(w))
		return req_refuse(r, 4005, "From is an AE-ID: only a CSE registers with a <remoteCSE>");
	if (r->peer.association && !slice_eq(r->peer.cse_id, w->who))
		return req_refuse(r, 4107, "a CSE registers over a security association of its own");
	if (!pattern_admits(&cfg->allow_cse, &cfg->deny_cse, as_listed(x, w->who)))
		return req_refuse(r, 4103, "this CSE-ID may not register here (access.allow_cse, access.deny_cse)");
	return RC_OK;
}

/* CSEBase: an address at the CSE that registers. */
static enum reeve_rc check_base(struct exec *x, struct req *r, struct draft *d, struct slice who)
{
	struct slice cb = draft_string(d, S("cb")), local, cse;

	if (!cb.n || cb.p[0] != '/')
		return RC_OK;
	if (ident_route(d->arena, &x->core->home, cb, &local, &cse) != WHERE_TRANSIT || !slice_eq(cse, who))
		return req_refuse(r, 4000, "cb: \"%.*s\" is not at the CSE that registers", SF(cb));
	return RC_OK;
}

static enum reeve_rc check_descendants(struct exec *x, struct req *r, struct draft *d, struct slice who)
{
	struct slice id, canon;
	enum ident_kind kind;
	enum ident_form form;
	struct res other;
	struct json j;

	if (!draft_given(d, S("dcse")) || draft_json(d, S("dcse"), &j) != RC_OK || json_kind(&j, 0) != J_ARRAY)
		return RC_OK;
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next) {
		id = json_string(d->arena, &j, i);
		if (ident_parse(d->arena, &x->core->home, id, &kind, &form, &canon) != RC_OK)
			return RC_NOMEM;
		if (form == ID_STEM || (kind != ID_CSE && kind != ID_AE_S))
			return req_refuse(r, 4000, "dcse: \"%.*s\" is no CSE-ID", SF(id));
		if (slice_eq(canon, x->core->home.abs) || slice_eq(canon, who) || way_neighbour(x, canon, &other) == RC_OK)
			return req_refuse(r, 4000, "dcse: %.*s is no descendant of this CSE", SF(id));
		if (pattern_listed(&x->core->cfg->deny_cse, as_listed(x, canon))) /* nor by way of another one */
			return req_refuse(r, 4103, "dcse: %.*s may not register here (access.deny_cse)", SF(id));
	}
	return RC_OK;
}

static enum reeve_rc identify(struct exec *x, struct req *r, struct draft *d, struct slice *who)
{
	enum ident_kind kind;
	enum ident_form form;
	struct slice csi = x->internal || r->work->internal ? draft_string(d, S("csi")) : r->fr;
	struct buf b;
	bool ok;

	if (ident_parse(d->arena, &x->core->home, csi, &kind, &form, who) != RC_OK)
		return RC_NOMEM;
	buf_init(&b, 4096);
	buf_json(&b, csi);
	ok = !b.failed && draft_set(d, S("csi"), arena_dup(d->arena, buf_view(&b)));
	buf_free(&b);
	return ok ? RC_OK : RC_NOMEM;
}

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct slice who;
	struct res other;
	enum ident_kind kind;
	enum ident_form form;
	enum reeve_rc rc;

	(void)parent;
	if (old) {
		if (ident_parse(d->arena, &x->core->home, draft_string(d, S("csi")), &kind, &form, &who) != RC_OK)
			return RC_NOMEM;
		return check_descendants(x, r, d, who);
	}
	if (x->core->cfg->type == CSE_ASN && !x->internal && !r->work->internal)
		return req_refuse(r, 4005, "no CSE registers at an ASN-CSE");
	if ((rc = identify(x, r, d, &who)) != RC_OK)
		return rc;
	if (way_neighbour(x, who, &other) == RC_OK)
		return req_refuse(r, 4117, "%.*s is registered already", SF(r->fr));
	if ((rc = check_base(x, r, d, who)) != RC_OK)
		return rc;
	return check_descendants(x, r, d, who);
}

/* Groups in policies name CSEs by resource; and the registrar is to know who can be reached through this CSE. */
static enum reeve_rc created(struct exec *x, struct req *r, const struct res *parent, const struct res *nw)
{
	(void)r, (void)parent;
	audited(x, &(struct audit_what){ .kind = AUDIT_REGISTRATION, .action = "create", .target = res_ri(nw),
					 .detail = res_member(nw, S("csi")) });
	notifier_moved(x, nw->key);
	writer_policies_changed(x);
	registrar_descendants_changed(x);
	return RC_OK;
}

static enum reeve_rc updated(struct exec *x, struct req *r, const struct res *old, const struct res *nw)
{
	(void)r;
	if (!slice_eq(res_member(old, S("poa")), res_member(nw, S("poa"))))
		notifier_moved(x, nw->key); /* what waits for it is tried again now (TS-0001 10.2.2.9) */
	if (!slice_eq(res_member(old, S("dcse")), res_member(nw, S("dcse"))))
		registrar_descendants_changed(x);
	return RC_OK;
}

static enum reeve_rc removing(struct exec *x, const struct res *res)
{
	audited(x, &(struct audit_what){ .kind = AUDIT_REGISTRATION, .action = "delete", .target = res_ri(res),
					 .detail = res_member(res, S("csi")) });
	writer_policies_changed(x);
	registrar_descendants_changed(x);
	return RC_OK;
}

static enum reeve_rc check_access(struct exec *x, struct req *r, const struct res *res)
{
	(void)x, (void)res;
	if (r->op != OP_RETRIEVE && !r->work->internal && !is_cse(r->work))
		return req_refuse(r, 4005, "an AE neither changes nor deletes a <remoteCSE>");
	return RC_OK;
}

const struct type_hooks type_remote_cse = { .ty = TYPE_REMOTE_CSE, .admit = admit, .check = check, .created = created, .updated = updated,
					    .removing = removing, .access = check_access };
