/* SPDX-License-Identifier: Apache-2.0 */
/* The indirect relationship update (TS-0003 7.3.2.7.2): an AE whose AE-ID changed shows the DAS the AuthorSign of its token; the DAS
 * asks the CSE that the token is for to enter the new AE-ID as holder, as the issuer it is.
 *
 * How a DAS learns the resource of the token there is left open: it discovers it below the <CSEBase> that its policy names for the
 * CSE. Where there is none, the CSE asks the DAS itself when the token is presented (the direct update), and nothing is lost. */
#include "das/das_int.h"

#include "core/cse/outbound.h"
#include "core/own.h"
#include "core/work.h"

struct rehold {
	struct das_server *das;
	struct req *r;
	const struct das_cse *cse;
	struct slice tid, holder, fr;
	struct req *with;        /* parameters of the discovery */
	struct outbound out;
};

/* An AE-ID in the form others take it in: relative to our service provider when it is of ours. */
static struct slice relative(const struct ident_home *home, struct slice canonical)
{
	if (slice_starts(canonical, home->sp_id) && canonical.n > home->sp_id.n && canonical.p[home->sp_id.n] == '/')
		return slice_skip(canonical, home->sp_id.n);
	return canonical;
}

/* An address that the CSE of the token told, absolute. Nothing when it is not its own: as the issuer we could do harm elsewhere. */
static struct slice address_of(struct rehold *h, struct slice uri)
{
	const struct ident_home *home = &h->das->core->home;
	struct slice local, cse;

	if (uri.n && uri.p[0] != '/')
		return arena_printf(&h->r->arena, "%.*s/%.*s", SF(relative(home, h->cse->id)), SF(uri));
	if (!uri.n || ident_route(&h->r->arena, home, uri, &local, &cse) != WHERE_TRANSIT || !slice_eq(cse, h->cse->id))
		return (struct slice){ NULL, 0 };
	return uri;
}

static void end(struct rehold *h, int rsc, const char *why)
{
	if (h->with)
		own_drop(h->das->core, h->with);
	if (rsc == 2000)
		h->r->rsc = 2000;
	else
		req_refuse(h->r, rsc, "%s", why);
	core_resume(h->das->core, h->r);
}

static void changed(struct outbound *o, const struct rsp *rsp)
{
	struct rehold *h = o->owner;

	if (rsp->rsc == 2004)
		end(h, 2000, "");
	else
		end(h, 5000, "the CSE of the token did not change its holder; present the token there, and it asks for the signature");
}

static void found(struct outbound *o, const struct rsp *rsp)
{
	struct rehold *h = o->owner;
	struct req *r = h->r;
	struct slice uri = { NULL, 0 }, why;
	uint32_t list = 0;
	struct buf pc;
	struct json j;

	if (rsp->rsc == 2000 && rsp->pc.n && json_parse(&r->arena, arena_dup(&r->arena, rsp->pc), &json_default_limits, &j, &why) == RC_OK)
		list = json_member(&j, 0, S("m2m:uril"));
	if (list && json_kind(&j, list) == J_ARRAY && j.tok[list].count)
		uri = address_of(h, json_string(&r->arena, &j, list + 1));
	if (!uri.n) {
		end(h, 4004, "the CSE of the token keeps no resource of it; present the token there, and it asks for the signature");
		return;
	}
	buf_init(&pc, 4096);
	buf_lit(&pc, "{\"m2m:tk\":{\"tkhd\":");
	buf_json(&pc, h->holder);
	buf_lit(&pc, "}}");
	h->out = (struct outbound){ .target = h->cse->poa.n ? h->cse->poa : uri, .to = uri, .fr = h->fr, .pc = buf_view(&pc),
				    .op = OP_UPDATE, .timeout = 10 * USEC_S, .done = changed, .owner = h };
	outbound_send(h->das->core, &h->out);
	buf_free(&pc);
}

bool das_rehold(struct das_server *d, struct req *r, const struct das_cse *cse, struct slice tid, struct slice holder)
{
	struct rehold *h = arena_zalloc(&r->arena, sizeof(*h));
	struct req *with = h && cse->base.n ? own_request(d->core) : NULL;
	struct slice why;

	if (!with)
		return req_refuse(r, h ? 4004 : 5000, "%s",
				  h ? "the policy of this DAS does not say where the CSE of the token is" : "out of memory") && false;
	*h = (struct rehold){ .das = d, .r = r, .cse = cse, .tid = tid, .holder = holder, .with = with,
			      .fr = relative(&d->core->home, d->policy->issuer) };
	filter_init(&with->fc);
	with->has = HAS_FC | HAS_RCN;
	with->rcn = 6;
	with->fc.fu = 1;
	if (filter_add(&with->fc, &with->arena, S("ty"), S("32"), &why) != RC_OK ||
	    filter_attr_add(&with->fc, &with->arena, S("tkid"), tid) != RC_OK) {
		own_drop(d->core, with);
		return req_refuse(r, 5000, "the request needs more memory than limits.request_memory") && false;
	}
	h->out = (struct outbound){ .target = cse->poa.n ? cse->poa : cse->base, .to = cse->base, .fr = h->fr, .op = OP_RETRIEVE,
				    .timeout = 10 * USEC_S, .with = with, .done = found, .owner = h };
	outbound_send(d->core, &h->out);
	return true;
}
