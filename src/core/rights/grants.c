/* SPDX-License-Identifier: Apache-2.0 */
/* Dynamic policies: made and removed in the writer, looked at by every decision that the local rules denied. See grants.h. */
#include "core/rights/grants.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "codec/text.h"
#include "core/access.h"
#include "core/audited.h"
#include "core/own.h"
#include "core/rights/rights.h"
#include "core/work.h"

enum { LOOKED_AT = 64, CHUNK = 32, KEY = 17, HALF = 9 };

/* --- keys --- */

static void put_u64(char *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (char)(v & 0xff);
}

static uint64_t get_u64(const char *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

static struct slice key_of(char room[KEY], char kind, uint64_t first, uint64_t second)
{
	room[0] = kind;
	put_u64(room + 1, first);
	put_u64(room + HALF, second);
	return slice_of(room, KEY);
}

static struct slice policy_key(char room[KEY], uint64_t acp)
{
	return slice_of(key_of(room, 'P', acp, 0).p, HALF);
}

/* The policies entered under (kind, first), at most so many. */
static enum reeve_rc entries(struct st_tx *tx, char kind, uint64_t first, struct res_key *out, size_t most, size_t *n)
{
	char room[KEY];
	struct slice prefix = slice_of(key_of(room, kind, first, 0).p, HALF);
	struct st_cursor c;
	enum reeve_rc rc = st_cursor_open(tx, ST_GRANT, &c);

	*n = 0;
	if (rc != RC_OK)
		return rc;
	for (rc = st_seek(&c, prefix); rc == RC_OK && *n < most && slice_starts(c.key, prefix); rc = st_next(&c))
		if (c.key.n == KEY && c.value.n == RES_KEY_LEN)
			out[(*n)++] = res_key_read(c.value.p);
	st_cursor_close(&c);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

/* --- the decision --- */

static void tell(struct req *r, const struct res *acp, bool permits)
{
	char when[TEXT_TIMESTAMP_MAX], text[256];
	size_t len = text_timestamp_write(acp->h.et, when);
	int n = snprintf(text, sizeof(text), "{\"grant\":\"%.*s\",\"until\":\"%.*s\",\"permits\":%s}", SF(res_ri(acp)), (int)len, when,
			 permits ? "true" : "false");

	if (n > 0 && (size_t)n < sizeof(text))
		rights_tell(r, slice_of(text, (size_t)n));
}

static bool permitted_by(struct exec *x, struct req *r, struct res_key key)
{
	const struct policy *p = access_policy(x, key); /* NULL also when its et has passed */
	struct res acp;
	bool yes;

	if (!p || tree_get(x->tx, key, &acp) != RC_OK)
		return false;
	yes = pdp_decide(&p, 1, POLICY_PV, &r->work->facts, NULL, NULL, NULL);
	tell(r, &acp, yes);
	return yes;
}

static enum reeve_rc judge(struct exec *x, struct req *r, const struct rights_question *q)
{
	struct res at = *q->target;
	struct res_key acp[LOOKED_AT];
	size_t n;

	if (q->by_list || q->own_only || st_entries(x->tx, ST_GRANT) == 0)
		return RC_NOTFOUND;
	for (;;) { /* a type without policies of its own has those of its parent, granted ones as well */
		const struct model_res *m = res_model(&at);

		if (entries(x->tx, 'T', at.key.n, acp, LOOKED_AT, &n) != RC_OK)
			return RC_NOTFOUND;
		for (size_t i = 0; i < n; i++)
			if (permitted_by(x, r, acp[i]))
				return RC_OK;
		if (!m || m->acpi || at.key.parent == 0 || tree_parent(x->tx, &at, &at) != RC_OK)
			return RC_NOTFOUND;
	}
}

const struct rights_method rights_grants = { .name = "dynamic policy", .judge = judge };

/* --- removal --- */

static enum reeve_rc gone_is_fine(enum reeve_rc rc)
{
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

/* The three entries of one policy. */
static enum reeve_rc unlink_policy(struct exec *x, uint64_t acp)
{
	char room[KEY];
	struct slice v;
	uint64_t target, who;
	enum reeve_rc rc = st_get(x->tx, ST_GRANT, policy_key(room, acp), &v);

	if (rc != RC_OK || v.n != 16)
		return gone_is_fine(rc);
	target = get_u64(v.p);
	who = get_u64(v.p + 8);
	rc = st_del(x->tx, ST_GRANT, policy_key(room, acp));
	if (rc == RC_OK)
		rc = gone_is_fine(st_del(x->tx, ST_GRANT, key_of(room, 'T', target, acp)));
	if (rc == RC_OK)
		rc = gone_is_fine(st_del(x->tx, ST_GRANT, key_of(room, 'O', who, acp)));
	return rc;
}

/* One that is below something removed is swept with that; any other one goes now. */
static enum reeve_rc remove_policy(struct exec *x, struct res_key key)
{
	struct res acp;
	enum reeve_rc rc = tree_get(x->tx, key, &acp);

	if (rc == RC_OK && tree_alive(x->tx, &acp, x->now))
		rc = exec_delete(x, &acp, false);
	return gone_is_fine(rc) == RC_OK ? unlink_policy(x, key.n) : rc;
}

static enum reeve_rc remove_all(struct exec *x, char kind, uint64_t first)
{
	struct res_key acp[CHUNK];
	size_t n;
	enum reeve_rc rc;

	do {
		rc = entries(x->tx, kind, first, acp, CHUNK, &n);
		for (size_t i = 0; rc == RC_OK && i < n; i++)
			rc = remove_policy(x, acp[i]);
	} while (rc == RC_OK && n == CHUNK);
	return rc;
}

enum reeve_rc grants_removing(struct exec *x, const struct res *r)
{
	enum reeve_rc rc;

	if (st_entries(x->tx, ST_GRANT) == 0)
		return RC_OK;
	if (r->h.ty == TYPE_ACP)
		return unlink_policy(x, r->key.n);
	rc = remove_all(x, 'T', r->key.n);
	if (rc == RC_OK && r->h.ty == TYPE_AE)
		rc = remove_all(x, 'O', hash_stable(r->creator.p, r->creator.n));
	return rc;
}

/* --- checking --- */

/* Do the three entries of this policy, and its record, fit each other? */
static const char *policy_fault(struct st_tx *tx, struct res_key acp)
{
	char room[KEY], where[RES_KEY_LEN];
	struct slice back, v;
	struct res r;

	res_key_write(acp, where);
	if (st_get(tx, ST_GRANT, policy_key(room, acp.n), &back) != RC_OK || back.n != 16)
		return "the policy does not know which resource it was granted for";
	if (st_get(tx, ST_GRANT, key_of(room, 'T', get_u64(back.p), acp.n), &v) != RC_OK || !slice_eq(v, slice_of(where, sizeof(where))))
		return "the resource it was granted for is not connected with it";
	if (st_get(tx, ST_GRANT, key_of(room, 'O', get_u64(back.p + 8), acp.n), &v) != RC_OK ||
	    !slice_eq(v, slice_of(where, sizeof(where))))
		return "it is not counted for its Originator";
	return tree_get(tx, acp, &r) == RC_OK && r.h.ty == TYPE_ACP ? NULL : "there is no such policy";
}

const char *grant_fault(struct st_tx *tx, struct slice key, struct slice value)
{
	char room[KEY];
	struct slice v;

	if (key.n == HALF && key.p[0] == 'P' && value.n == 16) {
		if (st_get(tx, ST_GRANT, key_of(room, 'T', get_u64(value.p), get_u64(key.p + 1)), &v) != RC_OK || v.n != RES_KEY_LEN)
			return "the resource it was granted for is not connected with it";
		return policy_fault(tx, res_key_read(v.p));
	}
	if (key.n != KEY || (key.p[0] != 'T' && key.p[0] != 'O') || value.n != RES_KEY_LEN)
		return "is no entry of this program";
	return res_key_read(value.p).n == get_u64(key.p + HALF) ? policy_fault(tx, res_key_read(value.p)) : "is no entry of this program";
}

/* --- making --- */

static enum reeve_rc room_for(struct exec *x, uint64_t who)
{
	const struct config *cfg = x->core->cfg;
	struct res_key *there;
	size_t n = 0;
	enum reeve_rc rc;

	if (st_entries(x->tx, ST_GRANT) / 3 >= cfg->dynamic.grants)
		return RC_LIMIT;
	if (!(there = calloc(cfg->dynamic.grants_each, sizeof(*there))))
		return RC_NOMEM;
	rc = entries(x->tx, 'O', who, there, cfg->dynamic.grants_each, &n);
	free(there);
	return rc == RC_OK && n >= cfg->dynamic.grants_each ? RC_LIMIT : rc;
}

/* The target itself where its type may have policies below, else the nearest ancestor whose type may. */
static enum reeve_rc place_for(struct exec *x, const struct res *target, struct res *out)
{
	enum reeve_rc rc = RC_OK;

	*out = *target;
	while (rc == RC_OK && !model_child_allowed(res_model(out), TYPE_ACP))
		rc = tree_parent(x->tx, out, out);
	return rc;
}

static struct slice content_of(struct exec *x, const struct grant *g, struct arena *a)
{
	char et[TEXT_TIMESTAMP_MAX];
	size_t n = text_timestamp_write(g->until, et);

	return arena_printf(a, "{\"m2m:acp\":{\"et\":\"%.*s\",\"pv\":%.*s,\"pvs\":{\"acr\":[{\"acor\":[\"%.*s\"],\"acop\":14}]}}}",
			    (int)n, et, SF(g->privileges), SF(x->core->home.cse_id));
}

/* Create as any other, by the CSE for itself: checks, indices, events. */
static enum reeve_rc create(struct exec *x, const struct res *parent, struct slice content, struct arena *a, struct slice *ri)
{
	struct req *r = own_request(x->core);
	struct slice why;
	struct json j;
	enum reeve_rc rc;

	if (!r)
		return RC_NOMEM;
	own_to_self(x->core, r, OP_CREATE, TYPE_ACP, arena_dup(&r->arena, res_ri(parent)), content, x->now);
	rc = own_exec(x, r);
	if (rc == RC_OK && json_parse(a, buf_view(&r->out), &json_default_limits, &j, &why) == RC_OK)
		*ri = arena_dup(a, json_string(a, &j, json_member(&j, 2, S("ri"))));
	own_drop(x->core, r);
	return rc == RC_OK && !ri->p ? RC_NOMEM : rc;
}

static enum reeve_rc link_policy(struct exec *x, const struct grant *g, struct res_key acp, uint64_t who)
{
	char room[KEY], where[RES_KEY_LEN], back[16];
	enum reeve_rc rc;

	res_key_write(acp, where);
	put_u64(back, g->target.n);
	put_u64(back + 8, who);
	rc = st_put(x->tx, ST_GRANT, key_of(room, 'T', g->target.n, acp.n), slice_of(where, sizeof(where)));
	if (rc == RC_OK)
		rc = st_put(x->tx, ST_GRANT, policy_key(room, acp.n), slice_of(back, sizeof(back)));
	if (rc == RC_OK)
		rc = st_put(x->tx, ST_GRANT, key_of(room, 'O', who, acp.n), slice_of(where, sizeof(where)));
	return rc;
}

/* Is the AE that asked still registered? Whoever is not registered here has no registration that could end. */
static enum reeve_rc still_registered(struct exec *x, const struct grant *g)
{
	struct res_key key = { .parent = RES_ROOT, .n = g->ae };
	struct res ae;
	enum reeve_rc rc;

	if (!g->ae)
		return RC_OK;
	rc = tree_get(x->tx, key, &ae);
	return rc == RC_OK && !tree_alive(x->tx, &ae, x->now) ? RC_NOTFOUND : rc;
}

enum reeve_rc grant_make(struct exec *x, const struct grant *g, struct arena *a, struct slice *ri)
{
	uint64_t who = hash_stable(g->who.p, g->who.n);
	struct res target, parent;
	struct target made;
	enum reeve_rc rc;

	*ri = (struct slice){ NULL, 0 };
	rc = tree_get(x->tx, g->target, &target);
	if (rc != RC_OK || !tree_alive(x->tx, &target, x->now))
		return rc == RC_OK ? RC_NOTFOUND : rc;
	if ((rc = still_registered(x, g)) != RC_OK || (rc = room_for(x, who)) != RC_OK || (rc = place_for(x, &target, &parent)) != RC_OK ||
	    (rc = create(x, &parent, content_of(x, g, a), a, ri)) != RC_OK)
		return rc;
	rc = exec_lookup(x, *ri, &made);
	if (rc == RC_OK)
		rc = link_policy(x, g, made.res.key, who);
	if (rc == RC_OK && tree_get(x->tx, g->target, &target) == RC_OK)
		audited(x, &(struct audit_what){ .kind = AUDIT_CONSULTATION, .action = "grant", .who = g->who, .target = res_ri(&target),
						 .ground = *ri, .detail = g->das });
	return rc == RC_NOTFOUND || rc == RC_INVALID ? RC_UNDO : rc; /* the policy is there, and must not be without its link */
}
