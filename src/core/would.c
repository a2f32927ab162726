/* SPDX-License-Identifier: Apache-2.0 */
/* A request that is not made: identity, address and access decision of the real procedure, from a snapshot of the store.
 *
 * It runs the same functions as a request that arrives (check_originator, exec_resolve, the rules of access.c), so that it
 * cannot tell another story; it only never comes to execution. */
#include "core/would.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/work.h"

static unsigned bit_of(const struct would *w)
{
	static const unsigned bits[] = { [OP_CREATE] = ACOP_CREATE, [OP_RETRIEVE] = ACOP_RETRIEVE, [OP_UPDATE] = ACOP_UPDATE,
					 [OP_DELETE] = ACOP_DELETE, [OP_NOTIFY] = ACOP_NOTIFY };
	return w->discovery ? ACOP_DISCOVERY : bits[w->op];
}

static void ask(struct req *r, const struct would *w)
{
	r->op = w->op;
	r->fr = w->from;
	r->to = w->to;
	r->rqi = S("explain");
	r->rvi = S("3");
	r->ty = w->op == OP_CREATE ? w->ty : -1;
	r->has = w->op == OP_CREATE ? HAS_TY : 0;
	r->received = w->when;
	r->peer.open = true; /* whether From is believed at all is not the question */
	r->peer.ip_known = w->ip_known;
	memcpy(r->peer.ip, w->ip, sizeof(r->peer.ip));
}

/* What the question itself knows of the Originator. */
static void told(struct req *r, const struct would *w)
{
	struct facts *f = &r->work->facts;

	if (w->authenticated)
		f->authenticated = true;
	if (w->n_roles) {
		f->roles = w->roles;
		f->n_roles = w->n_roles;
	}
	if (w->position_known) {
		f->position_known = true;
		f->latitude = w->latitude;
		f->longitude = w->longitude;
	}
	if (w->country[0])
		memcpy(f->country, w->country, sizeof(f->country));
}

static enum reeve_rc judge(struct exec *x, struct req *r, const struct would *w, struct buf *json, bool *permitted)
{
	struct target t;
	enum reeve_rc rc = check_originator(x, r);

	if (rc != RC_OK || (rc = exec_resolve(x, r, &t)) != RC_OK)
		return rc;
	told(r, w);
	exec_explain(x, r, &t.res, bit_of(w), w->ty, json, permitted);
	return RC_OK;
}

void look_close(struct look *l)
{
	if (l->x.tx) {
		st_release(l->x.tx);
		st_reader_free(l->x.tx);
	}
	policy_cache_free(l->x.policies);
	if (l->core)
		core_look_end(l->core);
	*l = (struct look){ .core = NULL };
}

enum reeve_rc look_open(const struct config *cfg, size_t policies_cached, struct look *out, char why[256])
{
	enum reeve_rc rc;

	*out = (struct look){ .core = NULL };
	if ((rc = core_look(cfg, &out->core, why)) != RC_OK)
		return rc;
	out->x.core = out->core;
	out->x.policies = policy_cache_new(policies_cached);
	rc = out->x.policies ? st_reader_new(out->core->store, &out->x.tx) : RC_NOMEM;
	if (rc == RC_OK && (rc = st_renew(out->x.tx)) == RC_OK)
		return RC_OK;
	snprintf(why, 256, "%s: %s", rc_name(rc), st_why(out->core->store));
	if (out->x.tx) /* there is no snapshot to release */
		st_reader_free(out->x.tx);
	out->x.tx = NULL;
	look_close(out);
	return rc;
}

enum reeve_rc look_would(struct look *l, const struct would *w, struct buf *json, bool *permitted, char why[256])
{
	struct req *r = calloc(1, sizeof(*r));
	enum reeve_rc rc;

	*permitted = false;
	if (!r)
		return RC_NOMEM;
	req_init(r, NULL, l->core->cfg->limits.request_memory, 65536);
	ask(r, w);
	l->x.now = w->when;
	rc = judge(&l->x, r, w, json, permitted);
	if (rc == RC_REFUSED)
		snprintf(why, 256, "%d: %.*s", r->rsc, r->dbg.n > 200 ? 200 : (int)r->dbg.n, r->dbg.p ? r->dbg.p : "");
	else if (rc != RC_OK)
		snprintf(why, 256, "%s: %s", rc_name(rc), st_why(l->core->store));
	req_free(r);
	free(r);
	return rc;
}

enum reeve_rc core_would(const struct config *cfg, const struct would *w, struct buf *json, bool *permitted, char why[256])
{
	struct look l;
	enum reeve_rc rc = look_open(cfg, 64, &l, why);

	*permitted = false;
	if (rc != RC_OK)
		return rc;
	rc = look_would(&l, w, json, permitted, why);
	look_close(&l);
	return rc;
}
