/* SPDX-License-Identifier: Apache-2.0 */
/* On-demand discovery (CORE-097, CORE-098, AUTHZ-139): first as any discovery; when nothing matches, the AE is told who
 * looks for what, may create resources, and names them in its answer. They pass the same filter and the same access
 * decisions as any others, so an AE cannot show somebody what he may not discover; nor anything that is not below it. */
#include "core/discover/ipe.h"

#include "core/discover/children.h"
#include "core/notify/notify_int.h"
#include "core/cse/outbound.h"
#include "core/work.h"

enum { CONTENT_MOST = 1 << 20 };

struct asking {
	struct core *core;
	struct req *r;
	struct outbound out;
};

/* Has it a point of access or a polling channel? */
static bool reachable(struct exec *x, struct req *r, const struct res *ae)
{
	struct tree_iter it;
	struct res channel;
	bool found = res_attr(&r->arena, ae, S("poa")).n > sizeof("[]") - 1;

	if (found || tree_children_of_type(x->tx, ae->key.n, TYPE_POLLING_CHANNEL, &it) != RC_OK)
		return found;
	found = tree_next(&it, &channel) == RC_OK;
	tree_end(&it);
	return found;
}

enum reeve_rc ipe_discover(struct exec *x, struct req *r, const struct res *ae)
{
	struct req_work *w = r->work;
	enum reeve_rc rc;
	bool any;

	if (ae->h.ty != TYPE_AE)
		return req_refuse(r, 4000, "fu=3 (on-demand discovery) is for the <AE> of an interworking proxy");
	rc = children_discover_among(x, r, ae, w->named, w->n_named, &any);
	if (rc != RC_OK || any || w->ipe_asked || !reachable(x, r, ae))
		return rc;
	r->rsc = 0;
	r->cnst = 0;
	r->cnot = 0;
	buf_clear(&r->out);
	return RC_AGAIN;
}

/* --- on the hub --- */

static enum reeve_rc look(struct exec *x, struct req *r)
{
	enum reeve_rc rc = exec_request(x, r);

	r->work->awaited = true; /* what monitors Retrieve has heard of it */
	if (rc != RC_AGAIN && !r->rsc)
		req_refuse(r, 5000, "internal error (%s)", rc_name(rc));
	return rc;
}

/* {"m2m:uril":[...]}, copied. Other content names nothing. */
static void read_named(struct req *r, struct slice pc)
{
	struct slice why, *v;
	struct json j;
	uint32_t list;
	size_t n = 0;

	if (!pc.n || json_parse(&r->arena, pc, &json_default_limits, &j, &why) != RC_OK)
		return;
	list = json_member(&j, 0, S("m2m:uril"));
	if (!list || json_kind(&j, list) != J_ARRAY || !(v = arena_array(&r->arena, j.tok[list].count + 1u, sizeof(*v))))
		return;
	for (uint32_t i = list + 1; i < j.tok[list].next; i = j.tok[i].next) {
		v[n] = arena_dup(&r->arena, json_string(&r->arena, &j, i));
		n += v[n].n > 0;
	}
	r->work->named = v;
	r->work->n_named = n;
}

static void asked(struct outbound *o, const struct rsp *rsp)
{
	struct asking *a = o->owner;
	struct req *r = a->r;
	struct exec x;

	if (rsp->rsc < 2000 || rsp->rsc >= 3000) {
		req_refuse(r, rsp->rsc >= 4000 ? rsp->rsc : 5103, "the interworking proxy did not look for more (%d)", rsp->rsc);
	} else {
		read_named(r, rsp->pc);
		if (hub_snapshot_begin(a->core, &x)) {
			(void)look(&x, r);
			hub_snapshot_end(&x);
		}
		if (!r->rsc)
			req_refuse(r, 5000, "the store could not be read");
	}
	core_resume(a->core, r);
}

/* The Notify to the <AE> that r addresses. There is no subscription to refer to: sur is the <AE> itself. */
static enum reeve_rc compose(struct exec *x, struct req *r, struct asking *a)
{
	struct slice address;
	struct target t;
	struct buf b;
	enum reeve_rc rc = exec_resolve(x, r, &t);

	if (rc != RC_OK || (rc = notify_address(x, &r->arena, &t.res, &address)) != RC_OK)
		return rc;
	buf_init(&b, CONTENT_MOST);
	buf_lit(&b, "{\"m2m:sgn\":{\"sur\":");
	buf_slice(&b, address);
	buf_lit(&b, ",\"idr\":{\"or\":");
	buf_json(&b, r->fr);
	buf_lit(&b, ",\"fc\":");
	filter_to_json(&b, &r->fc);
	buf_lit(&b, "}}}");
	a->out.pc = b.failed ? (struct slice){ NULL, 0 } : arena_dup(&r->arena, buf_view(&b));
	a->out.target = arena_dup(&r->arena, res_ri(&t.res));
	buf_free(&b);
	return a->out.pc.p && a->out.target.p ? RC_OK : RC_NOMEM;
}

void ipe_ask(struct core *c, struct req *r)
{
	struct asking *a = arena_zalloc(&r->arena, sizeof(*a));
	enum reeve_rc rc = RC_NOMEM;
	struct exec x;

	if (a && hub_snapshot_begin(c, &x)) {
		r->work->awaited = !r->work->pending; /* then the loop has had a look before */
		rc = look(&x, r);
		if (rc == RC_AGAIN)
			rc = compose(&x, r, a);
		hub_snapshot_end(&x);
	}
	if (rc != RC_OK && !r->rsc)
		req_refuse(r, 5000, "the interworking proxy could not be asked (%s)", rc_name(rc));
	if (r->rsc) {
		core_resume(c, r);
		return;
	}
	r->work->ipe_asked = true;
	a->core = c;
	a->r = r;
	a->out.op = OP_NOTIFY;
	a->out.timeout = r->work->rqet ? r->work->rqet - clock_wall() : 0;
	if (a->out.timeout < 0)
		a->out.timeout = 1;
	a->out.done = asked;
	a->out.owner = a;
	outbound_send(c, &a->out);
}
