/* SPDX-License-Identifier: Apache-2.0 */
/* Claimed Role-IDs: which of them may be used, and what they permit (TS-0003 7.4.3; authorization.md 3.2).
 *
 * Nothing is looked at unless the local rules said no. Then each claim is held against the <role> resources here (role_index.h: one
 * look-up, however many roles there are), and what is not here against what the repositories of its authority are known to have
 * (role_repository.h). They are asked only when the roles that could come from there would make the difference, once per request.
 *
 * A <role> here counts when its issuer made it (or the administrator, or the CSE itself): who may create a resource somewhere cannot give
 * roles in the name of somebody else. What a repository keeps is the repository's affair; that it is trusted is in authz.issuers. */
#include "core/rights/roles.h"

#include "core/discover/filter_int.h"
#include "core/hub.h"
#include "core/notify/notify_int.h"
#include "core/registration/profile.h"
#include "core/rights/role_index.h"
#include "core/rights/role_repository.h"
#include "core/trust.h"
#include "core/work.h"

enum {
	LOOKS_MOST = 256,        /* <role> resources of one Role-ID and holder */
	SEEN_MOST = 8,           /* the same, in one repository */
	REPOSITORIES_MOST = 8,   /* asked for one request */
};

struct asked { struct waiter wait; struct state *s; struct slice repository; };

/* What a request keeps about its claims; of one run under one snapshot. */
struct state {
	struct req *r;           /* whose it is: parts of a group request begin with a copy of the pointer */
	bool judged;
	uint64_t version;
	uint32_t run;
	struct slice *usable; size_t n_usable;
	struct slice *hoped; size_t n_hoped; /* could come from a repository that was not asked */
	struct asked ask[REPOSITORIES_MOST]; size_t n_ask;
	bool ask_profile;        /* which roles the Originator may use */
	/* on the hub */
	struct waiter profile;
	size_t pending;
	struct alarm alarm;      /* rqet */
};

static void tell(struct req *r, struct slice role, bool used, const char *why, struct slice where)
{
	struct buf b;

	buf_init(&b, 4096);
	buf_lit(&b, "{\"role\":");
	buf_json(&b, role);
	buf_printf(&b, ",\"is\":\"%s\",\"%s\":", used ? "used" : "not used", why ? "because" : "by");
	buf_json(&b, why ? slice_str(why) : where);
	if (why && where.p) {
		buf_lit(&b, ",\"at\":");
		buf_json(&b, where);
	}
	buf_char(&b, '}');
	if (!b.failed)
		rights_tell(r, buf_view(&b));
	buf_free(&b);
}

/* What follows `above` and a slash in a canonical id, the slash included or not; empty when it is not below. */
static struct slice below(struct slice id, struct slice above, size_t skip)
{
	bool is = id.n > above.n && id.p[above.n] == '/' && slice_starts(id, above);

	return is ? slice_skip(id, above.n + skip) : (struct slice){ NULL, 0 };
}

/* Entries of roles.allowed are "Originator=Role-ID", both patterns. */
static bool configured(const struct core *c, struct slice who, struct slice id)
{
	const struct config_list *l = &c->cfg->roles.allowed;
	struct slice sp_relative = below(who, c->home.sp_id, 0), stem = below(who, c->home.abs, 1);

	for (size_t i = 0; i < l->n; i++) {
		struct slice role = l->v[i], pattern = slice_cut(&role, '=');

		if (role.p && filter_wildcard(role, id) &&
		    (filter_wildcard(pattern, who) || (sp_relative.n && filter_wildcard(pattern, sp_relative)) ||
		     (stem.n && filter_wildcard(pattern, stem))))
			return true;
	}
	return l->n == 0;
}

const char ROLE_UNTOLD[] = "the IN-CSE was not asked which roles this Originator may use";

const char *roles_refused(struct exec *x, struct req *r, struct slice id)
{
	enum profile_roles which;
	struct config_list roles;

	if (!configured(x->core, r->work->who, id))
		return "this Originator may not use it (roles.allowed)";
	if (profile_roles(x, r, &which, &roles) != RC_OK)
		return "the service subscription could not be read";
	if (which == ROLES_ASK)
		return ROLE_UNTOLD;
	for (size_t i = 0; which == ROLES_LISTED && i < roles.n; i++)
		if (slice_eq(roles.v[i], id))
			return NULL;
	return which == ROLES_ANY ? NULL : "this Originator may not use it (allowedRole-IDs of the service subscription)";
}

static bool trusted_creator(const struct exec *x, struct arena *a, const struct res *res, const struct role *role)
{
	struct slice admin = x->core->cfg->admin, canon;
	enum ident_kind kind;
	enum ident_form form;

	if (slice_eq(res->creator, role->issuer) || slice_eq(res->creator, x->core->home.abs))
		return true;
	return admin.n && ident_parse(a, &x->core->home, admin, &kind, &form, &canon) == RC_OK && slice_eq(res->creator, canon);
}

/* One <role> here. NULL: usable. */
static const char *local_fault(struct exec *x, struct arena *a, const struct issuers *is, struct res_key key, struct slice who,
			       struct slice id, struct slice *where)
{
	const char *fault;
	struct role role;
	struct res res;

	*where = (struct slice){ NULL, 0 };
	if (tree_get(x->tx, key, &res) != RC_OK || res.h.ty != TYPE_ROLE || !tree_alive(x->tx, &res, x->now) ||
	    role_of(&x->core->home, a, &res, &role) != RC_OK || !slice_eq(role.id, id) || !slice_eq(role.holder, who))
		return ""; /* not what was looked for */
	*where = arena_dup(a, res_ri(&res));
	fault = role_fault(&role, is, who, x->now);
	if (!fault && !trusted_creator(x, a, &res, &role))
		fault = "the <role> was not created by its issuer";
	return fault;
}

static bool usable_here(struct exec *x, struct req *r, const struct issuers *is, struct slice id, const char **why, struct slice *where)
{
	struct hash_find f;
	struct res_key key;
	bool found = false;

	if (role_find(x->tx, id, r->work->who, &f) != RC_OK)
		return false;
	for (int n = 0; !found && n < LOOKS_MOST && hash_find_next(&f, &key) == RC_OK; n++) {
		struct slice at;
		const char *fault = local_fault(x, &r->arena, is, key, r->work->who, id, &at);

		if (fault && !*fault)
			continue;
		*why = fault;
		*where = at;
		found = !fault;
	}
	hash_find_end(&f);
	return found;
}

static void ask_later(struct state *s, struct slice repository)
{
	for (size_t i = 0; i < s->n_ask; i++)
		if (slice_eq(s->ask[i].repository, repository))
			return;
	if (s->n_ask == REPOSITORIES_MOST || !(repository = arena_dup(&s->r->arena, repository)).p)
		return;
	s->ask[s->n_ask++] = (struct asked){ .s = s, .repository = repository };
}

/* The same in the repositories of its authority. *hope: one was not asked yet. */
static bool usable_there(struct exec *x, struct state *s, const struct issuers *is, struct slice id, const char **why, struct slice *where,
			 bool *hope)
{
	const struct issuer *authority = role_authority(is, id);
	struct req *r = s->r;

	for (size_t i = 0; authority && i < authority->n_repositories; i++) {
		struct role_seen seen[SEEN_MOST];
		size_t n;
		enum role_answer answer = role_repository_look(x->core, authority->repositories[i], r->work->who, id, &r->arena, seen,
							       SEEN_MOST, &n);

		if (answer == ROLE_NOT_ASKED) {
			*hope = true;
			ask_later(s, authority->repositories[i]);
			*why = "its repository was not asked";
		} else if (answer == ROLE_NO_ANSWER) {
			*why = "its repository gave no answer";
		}
		for (size_t k = 0; k < n; k++) {
			*why = role_fault(&seen[k].role, is, r->work->who, x->now);
			*where = seen[k].address;
			if (!*why)
				return true;
		}
	}
	return false;
}

static void judge_claim(struct exec *x, struct state *s, const struct issuers *is, struct slice id)
{
	const char *why = "no <role> says that this Originator has it";
	struct slice where = { NULL, 0 };
	struct req *r = s->r;
	const char *refused = r->work->who.n ? roles_refused(x, r, id) : "the Originator has no name yet";
	bool hope = false, usable = false;

	if (!refused || refused == ROLE_UNTOLD)
		usable = usable_here(x, r, is, id, &why, &where) || usable_there(x, s, is, id, &why, &where, &hope);
	if (refused == ROLE_UNTOLD && (usable || hope)) {
		s->ask_profile = hope = true;
		usable = false;
	}
	if (refused && (hope || refused != ROLE_UNTOLD))
		why = refused;
	if (usable)
		s->usable[s->n_usable++] = id;
	else if (hope)
		s->hoped[s->n_hoped++] = id;
	if (!hope || usable || x->core->role_repository == NULL || r->work->rights.waited[RIGHTS_ROLES])
		tell(r, id, usable, usable ? NULL : why, where);
}

/* The state of r under this snapshot. NULL: memory is out. */
static struct state *judged(struct exec *x, struct req *r)
{
	struct state *s = r->work->rights.state[RIGHTS_ROLES];
	struct issuers *is;

	if (!s || s->r != r) {
		if (!(s = arena_zalloc(&r->arena, sizeof(*s))))
			return NULL;
		s->r = r;
		s->usable = arena_array(&r->arena, r->n_rids + 1, sizeof(*s->usable));
		s->hoped = arena_array(&r->arena, r->n_rids + 1, sizeof(*s->hoped));
		if (!s->usable || !s->hoped)
			return NULL;
		r->work->rights.state[RIGHTS_ROLES] = s;
	}
	/* also when nothing was stored meanwhile: time passes, and the number of a transaction that was taken back is used again */
	if (!s->judged || s->version != st_version(x->tx) || s->run != r->work->rights.run) {
		s->n_usable = s->n_hoped = s->n_ask = 0;
		s->ask_profile = false;
		is = trust_issuers(x->core);
		for (size_t i = 0; i < r->n_rids; i++)
			judge_claim(x, s, is, r->rids[i]);
		issuers_put(is);
		s->judged = true;
		s->version = st_version(x->tx);
		s->run = r->work->rights.run;
	}
	r->work->facts.roles = s->usable;
	r->work->facts.n_roles = s->n_usable;
	return s;
}

static enum reeve_rc judge(struct exec *x, struct req *r, const struct rights_question *q)
{
	struct state *s;

	if (!(r->has & HAS_ROLES) || !(s = judged(x, r)) || !s->n_usable)
		return RC_NOTFOUND;
	return rights_by(r, q, NULL, 0, s->usable, s->n_usable) ? RC_OK : RC_NOTFOUND;
}

/* Repositories are asked when what they could say would permit the request. */
static bool wants(struct exec *x, struct req *r, const struct rights_question *q)
{
	struct state *s = r->has & HAS_ROLES ? judged(x, r) : NULL;
	struct slice *all;

	if (!s || !s->n_hoped || (!s->n_ask && !s->ask_profile))
		return false;
	if (!q)
		return true;
	if (!(all = arena_array(&r->arena, s->n_usable + s->n_hoped, sizeof(*all))))
		return false;
	memcpy(all, s->usable, s->n_usable * sizeof(*all));
	memcpy(all + s->n_usable, s->hoped, s->n_hoped * sizeof(*all));
	if (rights_by(r, q, NULL, 0, all, s->n_usable + s->n_hoped))
		return true;
	for (size_t i = 0; i < s->n_hoped; i++)
		tell(r, s->hoped[i], false, "no rule permits this to it, so that its repository was not asked", (struct slice){ NULL, 0 });
	return false;
}

/* --- on the hub --- */

static void ended(struct state *s)
{
	alarm_clear(notifier_alarms(s->r->work->core->notifier), &s->alarm);
	s->judged = false; /* there is more to know now */
	rights_fetched(s->r->work->core, s->r);
}

static void answered(struct waiter *w)
{
	struct state *s = ((struct asked *)w)->s;

	if (--s->pending == 0)
		ended(s);
}

static void profile_answered(struct waiter *w)
{
	struct state *s = (struct state *)((char *)w - offsetof(struct state, profile));

	if (--s->pending == 0)
		ended(s);
}

static void expired(struct alarm *a, usec now)
{
	struct state *s = (struct state *)((char *)a - offsetof(struct state, alarm));

	(void)now;
	for (size_t i = 0; i < s->n_ask; i++)
		waiter_leave(&s->ask[i].wait);
	waiter_leave(&s->profile);
	ended(s);
}

static void nothing_asked(struct core *c, struct req *r)
{
	(void)c;
	ended(r->work->rights.state[RIGHTS_ROLES]);
}

static void fetch(struct core *c, struct req *r)
{
	struct state *s = r->work->rights.state[RIGHTS_ROLES];

	s->profile = (struct waiter){ .done = profile_answered };
	s->pending = s->ask_profile && profile_ask(c, &s->profile);
	s->alarm = (struct alarm){ .fn = expired };
	for (size_t i = 0; i < s->n_ask; i++) {
		s->ask[i].wait = (struct waiter){ .done = answered };
		s->pending += role_repository_ask(c, s->ask[i].repository, r->work->who, &s->ask[i].wait);
	}
	if (!s->pending)
		hub_run(c, r, nothing_asked);
	else if (r->work->rqet)
		alarm_set(notifier_alarms(c->notifier), &s->alarm, r->work->rqet);
}

const struct rights_method rights_roles = { .name = "role", .prepares = true, .judge = judge, .wants = wants, .fetch = fetch };
