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

static enum reeve_rc judge(struct exec *x, struct req *r, const struct would *w, struct buf *json, bool *permitted)
{
	struct target t;
	enum reeve_rc rc = check_originator(x, r);

	if (rc != RC_OK || (rc = exec_resolve(x, r, &t)) != RC_OK)
		return rc;
	if (w->authenticated)
		r->work->facts.authenticated = true;
	exec_explain(x, r, &t.res, bit_of(w), w->ty, json, permitted);
	return RC_OK;
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
	r->peer.ip_known = w->ip_known;
	memcpy(r->peer.ip, w->ip, sizeof(r->peer.ip));
}

enum reeve_rc core_would(const struct config *cfg, const struct would *w, struct buf *json, bool *permitted, char why[256])
{
	struct exec x = { .now = w->when };
	struct core *c = NULL;
	struct req *r = calloc(1, sizeof(*r));
	enum reeve_rc rc;

	*permitted = false;
	if (!r)
		return RC_NOMEM;
	if ((rc = core_look(cfg, &c, why)) != RC_OK) {
		free(r);
		return rc;
	}
	x.core = c;
	x.policies = policy_cache_new(64);
	req_init(r, NULL, cfg->limits.request_memory, 65536);
	ask(r, w);
	if (!x.policies)
		rc = RC_NOMEM;
	if (rc == RC_OK && (rc = st_reader_new(c->store, &x.tx)) == RC_OK) {
		if ((rc = st_renew(x.tx)) == RC_OK) {
			rc = judge(&x, r, w, json, permitted);
			st_release(x.tx);
		}
		st_reader_free(x.tx);
	}
	if (rc == RC_REFUSED)
		snprintf(why, 256, "%d: %.*s", r->rsc, r->dbg.n > 200 ? 200 : (int)r->dbg.n, r->dbg.p ? r->dbg.p : "");
	else if (rc != RC_OK)
		snprintf(why, 256, "%s: %s", rc_name(rc), st_why(c->store));
	policy_cache_free(x.policies);
	req_free(r);
	free(r);
	core_look_end(c);
	return rc;
}
