/* SPDX-License-Identifier: Apache-2.0 */
/* Execution at the Hosting CSE: address resolution and the order of steps 6.2 to 6.5 (TS-0004 7.2.2.2).
 *
 * Existence is told before access is judged (AUTHZ-013): that is the standard's order. */
#include "core/exec.h"

#include "core/cse/announce.h"
#include "core/discover/children.h"
#include "core/group/fanout.h"
#include "core/discover/ipe.h"
#include "core/notify/notify.h"
#include "core/rights/grants.h"
#include "core/types.h"
#include "core/work.h"

static const struct { const char *name; enum virtual_res virt; int32_t parents[3]; } virtuals[] = {
	{ "la", VIRT_LATEST, { 3, 29 } },
	{ "ol", VIRT_OLDEST, { 3, 29 } },
	{ "fopt", VIRT_FOPT, { 9 } },
	{ "sfop", VIRT_SFOP, { 9 } },
	{ "pcu", VIRT_PCU, { 15 } },
	{ "ntsr", VIRT_NTSR, { 23 } },
	{ "smv", VIRT_SMV, { 39 } },
	{ "msp", VIRT_MSP, { 42 } },
};

enum virtual_res exec_virtual(int32_t parent_ty, struct slice name)
{
	for (size_t i = 0; i < sizeof(virtuals) / sizeof(virtuals[0]); i++)
		if (slice_eq(name, slice_str(virtuals[i].name)))
			for (int k = 0; k < 3; k++)
				if (virtuals[i].parents[k] == parent_ty)
					return virtuals[i].virt;
	return VIRT_NONE;
}

static bool is_virtual_name(struct slice name)
{
	for (size_t i = 0; i < sizeof(virtuals) / sizeof(virtuals[0]); i++)
		if (slice_eq(name, slice_str(virtuals[i].name)))
			return true;
	return false;
}

/* One step down to `seg`; `rest` is what follows it. On the way only ordinals are needed: records are read where the address ends, and
 * where a virtual name may follow, which depends on the type. */
static enum reeve_rc step_down(struct exec *x, struct slice seg, struct slice rest, struct res *r)
{
	uint64_t n;

	if (rest.p && !is_virtual_name(slice_cut(&rest, '/')) && tree_child_ordinal(x->tx, r->key.n, seg, &n) == RC_OK) {
		*r = (struct res){ .key = { r->key.n, n } };
		return RC_OK;
	}
	return tree_child(x->tx, r->key.n, seg, r);
}

/* First segment of a structured address, or an unstructured id. */
static enum reeve_rc first_segment(struct exec *x, struct slice seg, bool last, struct res *out)
{
	const struct ident_home *home = &x->core->home;
	struct res_key key;

	if (slice_eq(seg, home->base_name) || slice_eq(seg, S("-")) || slice_eq(seg, slice_skip(home->cse_id, 1))) {
		*out = (struct res){ .key = { 0, RES_ROOT }, .h = { .ty = TYPE_CSEBASE } };
		if (!last)
			return RC_OK;
		return tree_get(x->tx, (struct res_key){ 0, RES_ROOT }, out);
	}
	if (seg.n && (seg.p[0] == 'C' || seg.p[0] == 'S'))
		return tree_stem(x->tx, seg, out);
	return res_id_read(seg, &key) && key.n != RES_ROOT ? tree_get(x->tx, key, out) : RC_NOTFOUND;
}

static enum reeve_rc lookup_local(struct exec *x, struct slice id, struct target *t)
{
	ptrdiff_t hash = slice_find(id, '#');
	struct slice seg;
	enum reeve_rc rc;

	*t = (struct target){ .virt = VIRT_NONE };
	if (hash >= 0) {
		t->attr = slice_skip(id, (size_t)hash + 1);
		id.n = (size_t)hash;
	}
	seg = slice_cut(&id, '/');
	if ((rc = first_segment(x, seg, !id.p, &t->res)) != RC_OK)
		return rc;
	while (id.p) {
		if (t->virt) /* a virtual resource has no children, but fopt takes the rest along */
			return RC_NOTFOUND;
		seg = slice_cut(&id, '/');
		t->virt = exec_virtual(t->res.h.ty, seg);
		if (t->virt == VIRT_FOPT) {
			t->rest = id.p ? id : (struct slice){ NULL, 0 };
			break;
		}
		if (!t->virt && (rc = step_down(x, seg, id, &t->res)) != RC_OK)
			return rc;
	}
	return tree_alive(x->tx, &t->res, x->now) ? RC_OK : RC_NOTFOUND;
}

enum reeve_rc exec_lookup(struct exec *x, struct slice id, struct target *t)
{
	struct slice local, cse;
	char mem[1024];
	struct arena a;
	enum reeve_rc rc = RC_NOTFOUND;

	arena_init(&a, mem, sizeof(mem), 4096);
	if (ident_route(&a, &x->core->home, id, &local, &cse) == WHERE_HERE)
		rc = lookup_local(x, local, t);
	if (rc == RC_OK && (t->rest.p || t->attr.p)) {
		/* they must outlive this function: they are parts of id, at its end */
		if (t->attr.p)
			t->attr = slice_of(id.p + id.n - t->attr.n, t->attr.n);
		if (t->rest.p)
			t->rest = slice_of(id.p + id.n - t->rest.n - (t->attr.p ? t->attr.n + 1 : 0), t->rest.n);
	}
	arena_reset(&a);
	return rc;
}

enum reeve_rc exec_resolve(struct exec *x, struct req *r, struct target *t)
{
	switch (exec_lookup(x, r->to, t)) {
	case RC_OK:
		if (t->attr.p && r->op != OP_RETRIEVE) /* it must not stand for the whole resource */
			return req_refuse(r, 4000, "To: a single attribute (#) can be retrieved only");
		return RC_OK;
	case RC_NOTFOUND:
		return req_refuse(r, 4004, "no resource at \"%.*s\"", SF(r->to));
	default:
		return req_refuse(r, 5000, "the store could not be read: %s", st_why(x->core->store));
	}
}

/* latest and oldest become the instance itself, after the decision on the parent. */
static enum reeve_rc step_to_instance(struct exec *x, struct req *r, struct target *t)
{
	enum reeve_rc rc;
	struct res inst;

	if (r->op != OP_RETRIEVE && r->op != OP_DELETE)
		return req_refuse(r, 4005, "%s allows only Retrieve and Delete", t->virt == VIRT_LATEST ? "latest" : "oldest");
	if ((rc = exec_authorize(x, r, &t->res, r->op == OP_RETRIEVE ? ACOP_RETRIEVE : ACOP_DELETE, 0)) != RC_OK)
		return rc;
	if (t->res.h.flags & REC_NO_RETRIEVE)
		return req_refuse(r, 4005, "disableRetrieval is true for this container");
	rc = t->virt == VIRT_LATEST ? tree_latest(x->tx, t->res.key.n, x->now, &inst)
				    : tree_oldest(x->tx, t->res.key.n, x->now, &inst);
	if (rc == RC_NOTFOUND)
		return req_refuse(r, 4004, "the container has no instance");
	if (rc != RC_OK)
		return req_refuse(r, 5000, "the store could not be read: %s", st_why(x->core->store));
	t->res = inst;
	t->virt = VIRT_NONE;
	return r->op == OP_RETRIEVE ? op_retrieve(x, r, t) : op_delete(x, r, t);
}

static enum reeve_rc virtual_request(struct exec *x, struct req *r, struct target *t)
{
	switch (t->virt) {
	case VIRT_LATEST:
	case VIRT_OLDEST:
		return step_to_instance(x, r, t);
	case VIRT_FOPT:
		return fanout_request(x, r, t);
	case VIRT_PCU:
		if (r->op == OP_UPDATE || r->op == OP_DELETE || r->op == OP_CREATE)
			return req_refuse(r, 4005, "pollingChannelURI allows only Retrieve and Notify");
		return RC_AGAIN; /* the hub answers */
	case VIRT_NTSR:
		if (r->op != OP_DELETE)
			return req_refuse(r, 4005, "notificationTargetSelfReference allows only Delete");
		return notify_target_leaves(x, r, &t->res);
	case VIRT_SFOP: /* TS-0004 7.4.35.2 */
		if (r->op != OP_RETRIEVE)
			return req_refuse(r, 4005, "semanticFanOutPoint allows only Retrieve");
		return req_refuse(r, 5001, "semantic queries and semantic discovery are not supported");
	default:
		return req_refuse(r, 5001, "this virtual resource is not implemented");
	}
}

static unsigned acop_of(enum op op)
{
	static const unsigned bits[] = { 0, ACOP_CREATE, ACOP_RETRIEVE, ACOP_UPDATE, ACOP_DELETE, ACOP_NOTIFY };
	return bits[op];
}

/* Refusals that the type's row of the model states for the operation (TS-0004 7.4.x). */
static enum reeve_rc refused_by_type(struct exec *x, struct req *r, const struct target *t)
{
	const struct model_res *m = r->op == OP_CREATE ? model_by_ty(r->ty) : res_model(&t->res);

	if (m && r->op <= OP_DELETE && m->refuse[r->op])
		return req_refuse(r, m->refuse[r->op], "%s: this operation is not allowed", m->name);
	if (r->op == OP_NOTIFY && t->res.h.ty == TYPE_GROUP) /* those of members here do not come as requests */
		return group_hosted_by(x, r, &t->res) ? RC_OK
						      : req_refuse(r, 4103, "notifications for a group come from the CSEs of its members");
	if (r->op == OP_NOTIFY && t->res.h.ty != TYPE_AE && t->res.h.ty != TYPE_CSEBASE && t->res.h.ty != TYPE_SUBSCRIPTION)
		return req_refuse(r, 4005, "%s cannot be notified", m ? m->name : "the resource");
	return RC_OK;
}

/* An Update of acpi is decided by the selfPrivileges of the policies linked now (AUTHZ-115). One that mixes acpi with
 * others will be refused, but not to somebody who has neither right. */
static enum reeve_rc authorize(struct exec *x, struct req *r, const struct res *target)
{
	bool acpi = false;

	for (size_t i = 0; r->op == OP_UPDATE && i < r->work->n_attrs; i++)
		acpi |= slice_eq(slice_str(r->work->attrs[i].a->sn), S("acpi"));
	if (!acpi)
		return exec_authorize(x, r, target, acop_of(r->op), (int32_t)(r->op == OP_CREATE ? r->ty : 0));
	if (r->work->n_attrs > 1 && exec_permitted(x, r, target, ACOP_UPDATE, 0))
		return RC_OK;
	return exec_authorize_self(x, r, target);
}

/* Create of a type that has an admission of its own instead of an access decision. */
static const struct type_hooks *registration_of(const struct req *r)
{
	const struct type_hooks *born = r->op == OP_CREATE ? type_hooks((int32_t)r->ty) : NULL;
	return born && born->admit ? born : NULL;
}

static enum reeve_rc operate(struct exec *x, struct req *r, struct target *t)
{
	const struct type_hooks *hooks = type_hooks(t->res.h.ty), *born = registration_of(r);
	enum reeve_rc rc;

	if (t->virt)
		return virtual_request(x, r, t);
	if ((rc = refused_by_type(x, r, t)) != RC_OK)
		return rc;
	if (r->op == OP_RETRIEVE && (r->fc.fu == 1))
		return (rc = rights_prepare(x, r)) != RC_OK ? rc : children_discover(x, r, &t->res);
	if (r->op == OP_RETRIEVE && r->fc.fu == 3)
		return ipe_discover(x, r, &t->res);
	if (born)
		return (rc = born->admit(x, r, &t->res)) != RC_OK ? rc : op_create(x, r, t);
	if (r->op == OP_NOTIFY && t->res.h.ty == TYPE_GROUP)
		return RC_AGAIN; /* who hosts a member needs no other right */
	if (r->op == OP_NOTIFY && (rc = notify_verification(x, r, &t->res)) != RC_AGAIN)
		return rc;
	if ((rc = authorize(x, r, &t->res)) != RC_OK)
		return rc;
	if (hooks && hooks->access && r->op >= OP_RETRIEVE && r->op <= OP_DELETE && (rc = hooks->access(x, r, &t->res)) != RC_OK)
		return rc;
	switch (r->op) {
	case OP_CREATE:
		return op_create(x, r, t);
	case OP_RETRIEVE:
		if (notify_awaits(x, r, &t->res))
			return RC_AGAIN;
		return op_retrieve(x, r, t);
	case OP_UPDATE:
		return op_update(x, r, t);
	case OP_DELETE:
		return op_delete(x, r, t);
	default:
		return RC_AGAIN; /* Notify: the hub passes it on */
	}
}

enum reeve_rc exec_judge(struct exec *x, struct req *r)
{
	struct target t;
	enum reeve_rc rc = exec_resolve(x, r, &t);

	if (rc != RC_OK)
		return rc;
	if (t.virt == VIRT_LATEST || t.virt == VIRT_OLDEST)
		return exec_authorize(x, r, &t.res, acop_of(r->op), 0);
	if (t.virt || registration_of(r) || (r->op == OP_RETRIEVE && (r->fc.fu == 1 || r->fc.fu == 3)))
		return RC_OK;
	if ((rc = refused_by_type(x, r, &t)) != RC_OK)
		return rc;
	return authorize(x, r, &t.res);
}

enum reeve_rc exec_request(struct exec *x, struct req *r)
{
	uint64_t changes = st_changes(x->tx);
	const struct req *by = x->by; /* r may be a part of it */
	struct target t;
	enum reeve_rc rc, told;

	if (!work_of(x->core, r))
		return RC_REFUSED;
	r->work->keeps = false;
	if (r->work->rqet && r->work->rqet <= x->now)
		return req_refuse(r, 4008, "the request expired before it was executed");
	if ((rc = exec_resolve(x, r, &t)) != RC_OK)
		return rc;
	if (t.virt != VIRT_FOPT && (rc = fanout_check_gid(x, r, &t)) != RC_OK) /* fopt does it after its access decision */
		return rc;
	x->by = r;
	rc = operate(x, r, &t);
	x->by = by;
	if (rc == RC_FULL || rc == RC_IO || rc == RC_UNDO)
		return rc;
	if (rc == RC_NOMEM || rc == RC_LIMIT)
		rc = req_refuse(r, 5000, "the request needs more memory than this CSE allows");
	else if (rc != RC_OK && rc != RC_AGAIN && !r->rsc)
		rc = req_refuse(r, 5000, "internal error (%s)", rc_name(rc));
	rc = req_starved(r, rc);
	if (r->out.failed && r->rsc < 4000) {
		metrics_inc(&x->core->metrics, limit_response);
		rc = req_refuse(r, 5000, "the answer is larger than limits.response");
	}
	if (!x->write) {
		notify_retrieved(x, &t.res, r);
		return rc;
	}
	if (r->rsc >= 4000 && !r->work->keeps && st_changes(x->tx) != changes)
		return RC_UNDO;
	if (rc != RC_AGAIN && t.res.h.n_subs && (told = notify_operation(x, &t.res, r)) != RC_OK)
		return told == RC_FULL ? told : RC_IO;
	return rc;
}

/* --- removal --- */

static enum reeve_rc before_removal(struct exec *x, const struct res *r)
{
	const struct type_hooks *hooks = type_hooks(r->h.ty);
	enum reeve_rc rc;

	if (r->h.n_subs && (rc = notify_happened(x, NE_DELETE, r, r, (struct slice){ NULL, 0 })) != RC_OK)
		return rc;
	if ((rc = grants_removing(x, r)) != RC_OK)
		return rc;
	if ((rc = announce_removing(x, r)) != RC_OK)
		return rc;
	return hooks && hooks->removing ? hooks->removing(x, r) : RC_OK;
}

/* r is a view into the store, and the first change to the store may move what it points to. */
static enum reeve_rc own_copy(struct arena *a, const struct res *r, struct res *out)
{
	*out = *r;
	out->acps = arena_dup(a, r->acps);
	out->creator = arena_dup(a, r->creator);
	out->text = arena_dup(a, r->text);
	return a->failed ? RC_NOMEM : RC_OK;
}

enum reeve_rc exec_swept(struct exec *x, const struct res *swept)
{
	struct res r;
	char mem[2048];
	struct arena a;
	enum reeve_rc rc;

	arena_init(&a, mem, sizeof(mem), SIZE_MAX / 2);
	if ((rc = own_copy(&a, swept, &r)) == RC_OK)
		rc = before_removal(x, &r);
	arena_reset(&a);
	return rc;
}

enum reeve_rc exec_delete(struct exec *x, const struct res *target, bool quiet)
{
	struct res parent, r;
	char mem[2048];
	struct arena a;
	enum reeve_rc rc;

	arena_init(&a, mem, sizeof(mem), SIZE_MAX / 2);
	if ((rc = own_copy(&a, target, &r)) != RC_OK)
		goto out;
	if ((rc = before_removal(x, &r)) != RC_OK)
		goto out;
	if ((rc = tree_parent(x->tx, &r, &parent)) != RC_OK)
		goto out;
	if (!quiet && parent.h.n_subs) {
		rc = notify_happened(x, NE_CHILD_DELETE, &parent, &r, (struct slice){ NULL, 0 });
		if (rc != RC_OK || (rc = tree_parent(x->tx, &r, &parent)) != RC_OK)
			goto out;
	}
	if (!res_is_instance(&r) && parent.h.n_children) {
		parent.h.n_children--;
		if ((rc = tree_touch(x->tx, &parent)) != RC_OK)
			goto out;
	}
	rc = tree_remove(x->tx, &r);
out:
	arena_reset(&a);
	return rc;
}

enum reeve_rc exec_expired(struct exec *x, const struct res *r)
{
	return exec_delete(x, r, false);
}
