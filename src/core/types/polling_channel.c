/* SPDX-License-Identifier: Apache-2.0 */
/* <pollingChannel> (TS-0004 7.4.21): belongs to the AE or CSE of its parent and to nobody else (CORE-206, AUTHZ-122). */
#include "core/notify/notify_int.h"
#include "core/notify/polling.h"
#include "core/work.h"

/* Is the Originator the entity that `parent` (an <AE> or <remoteCSE>) stands for? */
static bool is_owner(struct exec *x, struct req *r, const struct res *parent)
{
	struct slice id = { NULL, 0 }, who, raw;
	enum ident_kind kind;
	enum ident_form form;

	if (parent->h.ty == TYPE_AE) {
		id = res_ri(parent);
	} else if (parent->h.ty == TYPE_REMOTE_CSE) {
		raw = res_attr(&r->arena, parent, S("csi"));
		if (raw.n > 2)
			id = slice_of(raw.p + 1, raw.n - 2);
	}
	if (!id.n || ident_parse(&r->arena, &x->core->home, id, &kind, &form, &who) != RC_OK || kind == ID_NONE)
		return false;
	return slice_eq(who, originator_of(x, r));
}

static enum reeve_rc decide(struct exec *x, struct req *r, const struct res *channel, unsigned bit)
{
	struct res parent;
	enum reeve_rc rc = tree_parent(x->tx, channel, &parent);

	if (rc != RC_OK && rc != RC_NOTFOUND)
		return rc;
	return rc == RC_OK && is_owner(x, r, &parent) ? RC_OK : exec_denied(x, r, channel, bit, 0);
}

static bool permitted(struct exec *x, struct req *r, const struct res *channel, unsigned bit)
{
	struct res parent;

	(void)bit;
	return tree_parent(x->tx, channel, &parent) == RC_OK && is_owner(x, r, &parent);
}

/* The code for a second channel is not specified (CORE-207): a conflict with what is there, as for a taken name. */
static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct tree_iter it;
	struct res other;
	enum reeve_rc rc;
	bool taken = false;

	(void)d;
	if (old || x->internal)
		return RC_OK;
	if (!is_owner(x, r, parent))
		return exec_denied(x, r, parent, ACOP_CREATE, TYPE_POLLING_CHANNEL);
	if ((rc = tree_children_of_type(x->tx, parent->key.n, TYPE_POLLING_CHANNEL, &it)) != RC_OK)
		return rc;
	while (!taken && (rc = tree_next(&it, &other)) == RC_OK)
		taken = other.h.et > x->now;
	tree_end(&it);
	if (taken)
		return req_refuse(r, 4105, "this parent has a pollingChannel already, and may have one only");
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

const struct type_hooks type_polling_channel = { .ty = TYPE_POLLING_CHANNEL, .check = check, .decide = decide, .permitted = permitted };
