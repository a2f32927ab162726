/* SPDX-License-Identifier: Apache-2.0 */
/* The subscription as it is stored here, what it says about the Originator of a request, and waiting for one that is elsewhere. */
#include "core/registration/profile.h"

#include "base/hash.h"
#include "core/hash_index.h"
#include "core/notify/notify_int.h"
#include "core/pattern.h"
#include "core/work.h"

enum { LOOKS_MOST = 256 };

enum reeve_rc profile_node_add(struct st_tx *tx, struct slice cse, struct res_key key)
{
	return hash_index_add(tx, ST_NODE, hash_stable(cse.p, cse.n), key);
}

enum reeve_rc profile_node_remove(struct st_tx *tx, struct slice cse, struct res_key key)
{
	return hash_index_remove(tx, ST_NODE, hash_stable(cse.p, cse.n), key);
}

/* --- stored here --- */

static enum reeve_rc add_rule(struct exec *x, struct arena *a, struct slice link, struct profile *p)
{
	struct target t;
	struct json j;
	enum reeve_rc rc;

	if (p->n == PROFILE_RULES_MOST || !link.n || exec_lookup(x, link, &t) != RC_OK || t.virt || t.res.h.ty != TYPE_SERVICE_RULE ||
	    !tree_alive(x->tx, &t.res, x->now))
		return RC_OK;
	if ((rc = res_json(a, &t.res, &j)) != RC_OK || (rc = app_rule_read(a, &j, 0, &p->rules[p->n])) != RC_OK)
		return rc;
	p->n++;
	return RC_OK;
}

static enum reeve_rc add_node(struct exec *x, struct arena *a, struct res_key key, struct slice cse, struct profile *p)
{
	struct slice csi, canon;
	enum ident_kind kind;
	enum ident_form form;
	struct res node;
	struct json j;
	uint32_t links;
	enum reeve_rc rc = RC_OK;

	if (tree_get(x->tx, key, &node) != RC_OK || node.h.ty != TYPE_SERVICE_NODE || !tree_alive(x->tx, &node, x->now))
		return RC_OK;
	if ((rc = res_json(a, &node, &j)) != RC_OK)
		return rc;
	csi = json_string(a, &j, json_member(&j, 0, S("csi")));
	if (ident_parse(a, &x->core->home, csi, &kind, &form, &canon) != RC_OK)
		return RC_NOMEM;
	if (!slice_eq(canon, cse))
		return RC_OK; /* the same hash */
	p->state = PROFILE_FOUND;
	links = json_member(&j, 0, S("rlk"));
	for (uint32_t i = links + 1; links && rc == RC_OK && i < j.tok[links].next; i = j.tok[i].next)
		rc = add_rule(x, a, json_string(a, &j, i), p);
	return rc;
}

static bool any_profile(struct exec *x)
{
	struct tree_iter it;
	struct res profile;
	bool found = false;

	if (tree_children_of_type(x->tx, RES_ROOT, TYPE_SERVICE_PROFILE, &it) != RC_OK)
		return true; /* what cannot be read does not open a door */
	while (!found && tree_next(&it, &profile) == RC_OK)
		found = tree_alive(x->tx, &profile, x->now);
	tree_end(&it);
	return found;
}

enum reeve_rc profile_for(struct exec *x, struct arena *a, struct slice cse, struct profile *p)
{
	struct hash_find f;
	struct res_key key;
	enum reeve_rc rc;

	*p = (struct profile){ .state = PROFILE_NO_NODE, .rules = arena_array(a, PROFILE_RULES_MOST, sizeof(*p->rules)) };
	if (!p->rules)
		return RC_NOMEM;
	if ((rc = hash_find(x->tx, ST_NODE, hash_stable(cse.p, cse.n), &f)) != RC_OK)
		return rc;
	for (int n = 0; rc == RC_OK && n < LOOKS_MOST && hash_find_next(&f, &key) == RC_OK; n++)
		rc = add_node(x, a, key, cse, p);
	hash_find_end(&f);
	if (rc == RC_OK && p->state == PROFILE_NO_NODE && !any_profile(x))
		p->state = PROFILE_NONE;
	return rc;
}

enum reeve_rc profile_of(struct exec *x, struct req *r, struct profile *out)
{
	struct req_work *w = r->work;
	struct profile *kept;
	enum reeve_rc rc;

	if (x->core->cfg->type == CSE_IN)
		return profile_for(x, &r->arena, x->core->home.abs, out);
	if (!profile_is_far(x->core->cfg)) {
		*out = (struct profile){ .state = PROFILE_NONE };
		return RC_OK;
	}
	if (!w->profile) {
		if (!(kept = arena_zalloc(&r->arena, sizeof(*kept))))
			return RC_NOMEM;
		if ((rc = profile_far_look(x->core, &r->arena, kept)) != RC_OK)
			return rc;
		w->profile = kept;
	}
	*out = *w->profile;
	return RC_OK;
}

bool profile_names_credential(struct core *c, struct st_tx *tx, struct arena *a, struct slice credential)
{
	struct exec x = { .core = c, .tx = tx, .now = clock_wall() };
	struct profile p = { 0 };
	enum reeve_rc rc = RC_OK;

	if (c->cfg->type == CSE_IN)
		rc = profile_for(&x, a, c->home.abs, &p);
	else if (profile_is_far(c->cfg))
		rc = profile_far_look(c, a, &p);
	for (size_t i = 0; rc == RC_OK && i < p.n; i++)
		if (pattern_listed(&p.rules[i].creds, credential))
			return true;
	return rc == RC_AGAIN;
}

enum reeve_rc profile_check(struct exec *x, struct req *r, const struct profile *p, bool *open)
{
	const struct config *cfg = x->core->cfg;

	*open = false;
	switch (p->state) {
	case PROFILE_FOUND:
		return RC_OK;
	case PROFILE_NO_NODE:
		return req_refuse(r, 4128, "the service subscription has no <serviceSubscribedNode> with the CSE-ID of the registrar");
	case PROFILE_NO_ANSWER:
		*open = cfg->profile.open;
		return *open ? RC_OK : req_refuse(r, 4128, "the IN-CSE did not tell the service subscription of this CSE; try again later");
	default:
		*open = !cfg->profile.required;
		return *open ? RC_OK : req_refuse(r, 4128, "there is no <m2mServiceSubscriptionProfile> (profile.required)");
	}
}

/* --- roles --- */

/* The App-ID of r's Originator. RC_NOTFOUND: he is no AE that is registered here. */
static enum reeve_rc app_of(struct exec *x, struct req *r, struct slice *app)
{
	struct slice raw, why;
	struct json j;
	struct res ae;

	if (r->work->who_form != ID_STEM || tree_stem(x->tx, r->fr, &ae) != RC_OK || ae.h.ty != TYPE_AE)
		return RC_NOTFOUND;
	raw = res_attr(&r->arena, &ae, S("api"));
	if (!raw.p || json_parse(&r->arena, raw, &json_default_limits, &j, &why) != RC_OK)
		return RC_NOMEM;
	*app = json_string(&r->arena, &j, 0);
	return RC_OK;
}

enum reeve_rc profile_roles(struct exec *x, struct req *r, enum profile_roles *which, struct config_list *roles)
{
	struct applicant who = { .association = r->peer.association, .credential = r->peer.credential };
	struct profile p;
	size_t most = 0;
	enum reeve_rc rc = app_of(x, r, &who.app);

	*which = ROLES_ANY;
	if (rc != RC_OK || slice_eq(r->fr, x->core->cfg->admin))
		return rc == RC_NOTFOUND ? RC_OK : rc;
	if ((rc = profile_of(x, r, &p)) == RC_AGAIN)
		*which = ROLES_ASK;
	if (rc != RC_OK || p.state == PROFILE_NONE || (p.state == PROFILE_NO_ANSWER && x->core->cfg->profile.open))
		return rc == RC_AGAIN ? RC_OK : rc;
	*which = ROLES_LISTED;
	for (size_t i = 0; i < p.n; i++)
		most += p.rules[i].roles.n;
	*roles = (struct config_list){ .v = arena_array(&r->arena, most + 1, sizeof(*roles->v)) };
	for (size_t i = 0; roles->v && i < p.n; i++)
		if (app_rule_applies(&p.rules[i], &who) && pattern_listed(&p.rules[i].stems, r->fr))
			for (size_t k = 0; k < p.rules[i].roles.n; k++)
				roles->v[roles->n++] = p.rules[i].roles.v[k];
	return roles->v ? RC_OK : RC_NOMEM;
}

/* --- a registration that waits for the IN-CSE, on the hub --- */

struct asking {
	struct waiter wait;
	struct core *core;
	struct req *r;
	struct alarm alarm;      /* rqet */
};

bool profile_asks(struct exec *x, struct req *r)
{
	const struct config *cfg = x->core->cfg;
	struct profile p;

	r->work->asks_profile = !x->internal && profile_is_far(cfg) && !slice_eq(r->fr, cfg->admin) && profile_of(x, r, &p) == RC_AGAIN;
	return r->work->asks_profile;
}

/* r goes on with what was said; or without, if that is gone again or nothing came. */
static void go_on(struct asking *a)
{
	struct req *r = a->r;
	struct profile *p = arena_zalloc(&r->arena, sizeof(*p));

	alarm_clear(notifier_alarms(a->core->notifier), &a->alarm);
	if (p && profile_far_look(a->core, &r->arena, p) != RC_OK)
		*p = (struct profile){ .state = PROFILE_NO_ANSWER };
	r->work->profile = p;
	r->work->asks_profile = false;
	r->work->resumed = true;
	if (!p)
		req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
	if (p)
		core_submit(a->core, r);
	else
		core_resume(a->core, r);
}

static void answered(struct waiter *w)
{
	go_on((struct asking *)w);
}

static void expired(struct alarm *alarm, usec now)
{
	struct asking *a = (struct asking *)((char *)alarm - offsetof(struct asking, alarm));

	(void)now;
	waiter_leave(&a->wait);
	req_refuse(a->r, 4008, "rqet: the request expired while the IN-CSE was asked for the service subscription");
	core_resume(a->core, a->r);
}

void profile_wait(struct core *c, struct req *r)
{
	struct asking *a = arena_zalloc(&r->arena, sizeof(*a));

	if (!a) {
		req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
		core_resume(c, r);
		return;
	}
	*a = (struct asking){ .wait = { .done = answered }, .core = c, .r = r, .alarm = { .fn = expired } };
	if (!profile_ask(c, &a->wait))
		go_on(a);
	else if (r->work->rqet)
		alarm_set(notifier_alarms(c->notifier), &a->alarm, r->work->rqet);
}
