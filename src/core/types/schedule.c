/* SPDX-License-Identifier: Apache-2.0 */
/* <schedule> (TS-0004 7.4.9). Its entries are checked by the model; under a <subscription> it is the notification schedule,
 * and the notifier hears of every change. */
#include "core/draft.h"
#include "core/notify/notify_int.h"

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct json se;
	uint32_t list;
	struct text_schedule parsed;

	if (draft_get(d, S("nco")).p && draft_given(d, S("nco")) && parent->h.ty != TYPE_NODE) /* CORE-240 */
		return req_refuse(r, 4102, "nco: only for a schedule under a node");
	if (draft_json(d, S("se"), &se) != RC_OK || !(list = json_member(&se, 0, S("sce"))) || json_kind(&se, list) != J_ARRAY ||
	    !se.tok[list].count)
		return req_refuse(r, 4000, "se: at least one entry in sce");
	for (uint32_t i = list + 1; i < se.tok[list].next; i = se.tok[i].next)
		if (!text_schedule(json_string(d->arena, &se, i), &parsed))
			return req_refuse(r, 4000, "se: an entry has seven fields: second minute hour day month weekday year");
	if (old || parent->h.ty != TYPE_SUBSCRIPTION)
		return RC_OK;
	/* the name is fixed here (TS-0004 table 7.4.8.1-3) */
	if (d->nw.name.n && !slice_eq(d->nw.name, S("notificationSchedule")))
		return req_refuse(r, 4000, "rn: the schedule of a subscription is named notificationSchedule");
	d->nw.name = S("notificationSchedule");
	(void)x;
	return RC_OK;
}

/* The subscription above sch, if it is one. */
static enum reeve_rc tell(struct exec *x, const struct res *sch)
{
	struct res sub;
	enum reeve_rc rc = tree_parent(x->tx, sch, &sub);

	if (rc != RC_OK)
		return rc == RC_NOTFOUND ? RC_OK : rc;
	return sub.h.ty == TYPE_SUBSCRIPTION ? notify_sub_updated(x, &sub, 0) : RC_OK;
}

static enum reeve_rc created(struct exec *x, struct req *r, const struct res *parent, const struct res *nw)
{
	(void)r;
	(void)parent;
	return tell(x, nw);
}

static enum reeve_rc updated(struct exec *x, struct req *r, const struct res *old, const struct res *nw)
{
	(void)r;
	(void)old;
	return tell(x, nw);
}

static enum reeve_rc removing(struct exec *x, const struct res *sch) { return tell(x, sch); }

const struct type_hooks type_schedule = {
	.ty = TYPE_SCHEDULE, .check = check, .created = created, .updated = updated, .removing = removing,
};
