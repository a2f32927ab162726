/* SPDX-License-Identifier: Apache-2.0 */
/* An AE hands over its signatures for tokens (TS-0003 7.3.2.2 steps 6 and 7, TS-0004 7.5.1.2.14): checked, and sent on to the DAS of the
 * issuer with the AE-ID added.
 *
 * Only who holds a token may say which signature stands for it: otherwise anybody could make himself its next holder. And only
 * signatures go this way: an AE that asks for the one that is kept (asri) would learn what it is to prove. */
#include "core/rights/relation.h"

#include "authz/seci.h"
#include "core/cse/outbound.h"
#include "core/rights/consult_int.h"
#include "core/rights/tokens.h"
#include "core/trust.h"
#include "core/work.h"

struct forward {
	struct core *core;
	struct req *r;
	struct outbound out;
	struct slice address[ADDRESSES_MOST]; size_t n, at;
	struct slice content;
};

/* All of one request go to one DAS. */
static bool one_issuer(struct req *r, const struct issuer *i, const struct issuer **all)
{
	if (!i || !i->n_das)
		return req_refuse(r, 4004, "no Dynamic Authorization System is known for a token of this request") == RC_OK;
	if (*all && *all != i)
		return req_refuse(r, 4000, "darq: the tokens are of different issuers; send one Notify for each") == RC_OK;
	*all = i;
	return true;
}

/* NULL: it is not in the cache, and nobody here knows whose it is. */
static bool held(struct req *r, const struct token_entry *e)
{
	if (e && slice_eq(e->holder, r->work->who))
		return true;
	return req_refuse(r, 4103, e ? "darq: the Originator is not the holder of the token"
				     : "darq: tids: a token that is not known here; send it whole, as one of tkns") == RC_OK;
}

static bool check_ids(struct core *c, struct req *r, const struct issuers *issuers, const struct seci_relation *d,
		      const struct issuer **all)
{
	for (size_t i = 0; i < d->n_ids; i++) {
		const struct token_entry *e = token_cache_by_id(tokens_cache(c), d->ids[i], clock_wall());
		bool ok = one_issuer(r, issuers_by_domain(issuers, issuer_domain_of(d->ids[i])), all) && held(r, e);

		token_entry_put(tokens_cache(c), e);
		if (!ok)
			return false;
	}
	return true;
}

static bool check_tokens(struct core *c, struct req *r, const struct issuers *issuers, const struct seci_relation *d,
			 const struct issuer **all)
{
	for (size_t i = 0; i < d->n_tokens; i++) {
		const struct token_new how = { .mapped = true };
		const struct token_entry *e = NULL;
		struct slice why = { NULL, 0 };
		enum token_fault f = tokens_verify(c, &r->arena, d->tokens[i], &how, clock_wall(), &e, &why);
		bool ok;

		if (f != TOKEN_GOOD) {
			req_refuse(r, 4103, "darq: tkns[%zu]: %.*s", i, SF(why.n ? why : slice_str(token_fault_text(f))));
			return false;
		}
		ok = held(r, e) && one_issuer(r, issuers_by_id(issuers, token_claims(e->token)->issuer), all);
		token_entry_put(tokens_cache(c), e);
		if (!ok)
			return false;
	}
	return true;
}

static void send_on(struct forward *f);

static void was_sent(struct outbound *o, const struct rsp *rsp)
{
	struct forward *f = o->owner;

	if ((rsp->rsc == 4008 || rsp->rsc >= 5000) && ++f->at < f->n) {
		send_on(f);
		return;
	}
	if (rsp->rsc >= 2000 && rsp->rsc < 3000)
		f->r->rsc = 2000; /* what it keeps is not for the AE to know */
	else
		req_refuse(f->r, rsp->rsc >= 4000 ? rsp->rsc : 5103, "the Dynamic Authorization System did not take the signatures");
	core_resume(f->core, f->r);
}

static void send_on(struct forward *f)
{
	f->out = (struct outbound){
		.op = OP_NOTIFY,
		.target = f->address[f->at],
		.pc = f->content,
		.timeout = rights_time_left(f->r, f->core->cfg->dynamic.timeout),
		.done = was_sent,
		.owner = f,
	};
	outbound_send(f->core, &f->out);
}

static struct slice content_of(struct req *r, struct seci_relation *d)
{
	struct slice out = { NULL, 0 };
	struct buf b;

	d->originator = r->work->who;
	d->asri = false;
	buf_init(&b, r->pc.n + 4096);
	seci_write_darq(&b, d);
	if (!b.failed)
		out = arena_dup(&r->arena, buf_view(&b));
	buf_free(&b);
	return out;
}

/* Everything of the Notify is in order: whom to send what. False: refused. */
static bool prepare(struct core *c, struct req *r, const struct json *j, uint32_t seci, struct forward *f)
{
	struct issuers *issuers = trust_issuers(c);
	const struct issuer *to = NULL;
	struct seci_relation d;
	struct slice why = { NULL, 0 };

	if (!c->tokens || (r->work->who_kind != ID_AE_C && r->work->who_kind != ID_AE_S))
		req_refuse(r, 4103, "signatures for tokens are an AE's to send");
	else if (seci_read_darq(&r->arena, j, seci, &d, &why) != RC_OK)
		req_refuse(r, 4000, "m2m:seci: darq: %.*s", SF(why));
	else if (!d.n_signs)
		req_refuse(r, 4000, "m2m:seci: darq: aus is needed: the signatures the Dynamic Authorization System shall keep");
	else if (check_ids(c, r, issuers, &d, &to) && check_tokens(c, r, issuers, &d, &to)) {
		while (f->n < to->n_das && f->n < ADDRESSES_MOST) {
			f->address[f->n] = arena_dup(&r->arena, to->das[f->n]);
			f->n++;
		}
		f->content = content_of(r, &d);
		if (!f->content.p || r->arena.failed)
			req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
	}
	issuers_put(issuers);
	return !r->rsc;
}

void relation_notified(struct core *c, struct req *r, const struct json *j, uint32_t seci)
{
	struct forward *f = arena_zalloc(&r->arena, sizeof(*f));

	if (!f) {
		req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
	} else if (prepare(c, r, j, seci, f)) {
		f->core = c;
		f->r = r;
		send_on(f);
		return;
	}
	core_resume(c, r);
}
