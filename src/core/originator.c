/* SPDX-License-Identifier: Apache-2.0 */
/* Who sent it, and may he say so? The first checks of the receiver procedure (TS-0004 7.3.2.1; authorization.md 1.2, steps 1 to 7).
 *
 * From is a claim. Inside a security association it is held against what was proven about the peer; outside, an AE is believed when it is
 * registered here, and a CSE never, unless the operator opened the listener. What is believed is not yet authenticated: rules with
 * accessControlAuthenticationFlag want From to be the peer's own, proven identity. */
#include "core/association/credential.h"
#include "core/cse/way.h"
#include "core/work.h"

#include "base/hash.h"
#include "codec/text.h"

static enum reeve_rc parse_time(struct req *r, const char *name, struct slice s, usec *out)
{
	if (!s.p)
		return RC_OK;
	if (!text_absrel(s, r->received, out) || *out == 0)
		return req_refuse(r, 4000, "%s: neither a timestamp nor a number of milliseconds", name);
	return RC_OK;
}

static enum reeve_rc check_times(struct req *r, struct req_work *w)
{
	/* of the parameters that CMDH looks at (TS-0004 H.1), the one that is not supported: <delivery> is not */
	if (r->has & HAS_DA && !r->bad.p)
		return req_refuse(r, 5001, "da: requests are not aggregated on their way to other CSEs; leave it out");
	if (parse_time(r, "rqet", r->rqet, &w->rqet) != RC_OK || parse_time(r, "rset", r->rset, &w->rset) != RC_OK ||
	    parse_time(r, "oet", r->oet, &w->oet) != RC_OK || parse_time(r, "rp", r->rp, &w->rp) != RC_OK)
		return RC_REFUSED;
	if (w->rqet && w->rqet <= r->received)
		return req_refuse(r, 4008, "rqet: the request has expired");
	if (w->rqet && w->rset && w->rset <= w->rqet)
		return req_refuse(r, 4000, "rset: must be later than rqet");
	return RC_OK;
}

static enum reeve_rc fill_facts(struct exec *x, struct req *r)
{
	struct req_work *w = r->work;
	struct facts *f = &w->facts;

	f->who = w->who;
	f->who_hash = hash_slice(w->who);
	f->roles = NULL; /* verified anew under each snapshot */
	f->n_roles = 0;
	f->target_mgd = -1;
	/* what a CSE passes on comes from an address of its own, not of the Originator's */
	f->ip_known = r->peer.ip_known && (r->peer.cse_id.n == 0 || slice_eq(r->peer.cse_id, w->who));
	memcpy(f->ip, r->peer.ip, sizeof(f->ip));
	text_time_of(r->received, &f->time);
	core_locate(x->core, f);
	return RC_OK;
}

/* The CSE that an Originator (canonical) is, or that gave it its C-type AE-ID. An S-type AE-ID may be spelt like a CSE-ID. */
static struct slice cse_of(const struct req_work *w)
{
	struct slice id = w->who;

	if (w->who_kind != ID_AE_C)
		return id;
	while (id.n && id.p[id.n - 1] != '/')
		id.n--;
	id.n -= id.n > 0;
	return id;
}

/* An AE that registered elsewhere with an S-type AE-ID may have an <AEAnnc> by that name here. */
static bool registered_here(struct exec *x, struct slice stem)
{
	struct res ae;
	return tree_stem(x->tx, stem, &ae) == RC_OK && ae.h.ty == TYPE_AE && ae.h.et > x->now;
}

/* Is it an AE that registered here under the credential of this association (SEC-036)? */
static bool registered_under(struct exec *x, struct req *r, struct slice ae)
{
	struct slice credential;

	return r->peer.credential.n && credential_of(x->tx, &r->arena, ae, &credential) == RC_OK &&
	       slice_eq(credential, r->peer.credential);
}

/* Nothing says yet who this is. A credential that can be one AE's only, and is, does not become another one (SEC-051). */
static bool may_become(struct exec *x, struct req *r)
{
	struct slice *aes;
	size_t n;

	if (!r->peer.credential.n || r->peer.n_ae_ids)
		return false;
	return credential_of_many(credential_type_of(r->peer.credential)) ||
	       (credential_bound(x->tx, &r->arena, r->peer.credential, 1, &aes, &n) == RC_OK && !n);
}

/* From an AE, From is one of the identities that were proven, or one that came with this credential. Authenticated is who is registered as
 * well (TS-0003 7.1.2). Whom nothing names yet may register: the rules decide as whom (core/registration/admission.h). */
static enum reeve_rc check_association_ae(struct exec *x, struct req *r)
{
	struct req_work *w = r->work;
	bool proven = false;

	if (w->who_form != ID_STEM)
		return req_refuse(r, 4000, "From of an AE is its AE-ID-Stem, without a CSE-ID");
	for (size_t i = 0; i < r->peer.n_ae_ids && !proven; i++)
		proven = slice_eq(r->peer.ae_ids[i], w->who);
	if (proven || registered_under(x, r, w->who)) {
		w->facts.authenticated = registered_here(x, r->fr);
		return RC_OK;
	}
	if (r->op == OP_CREATE && r->ty == TYPE_AE && may_become(x, r))
		return RC_OK;
	return req_refuse(r, 4106, "From is not among the AE-IDs of this security association");
}

/* A CSE speaks for itself, and passes on what others ask: those below it, or reachable through it. For whom another CSE
 * registered here would speak, or what only an AE's own Registrar may hear (a bare C-type stem), it cannot pass on. */
static enum reeve_rc check_association_cse(struct exec *x, struct req *r)
{
	struct req_work *w = r->work;
	struct slice cse = cse_of(w);
	struct res other;

	if (slice_eq(w->who, r->peer.cse_id)) {
		w->facts.authenticated = true;
		return RC_OK;
	}
	if (slice_eq(w->who, x->core->home.abs))
		return req_refuse(r, 4106, "From is the identifier of this CSE");
	if (r->op == OP_CREATE && r->ty == TYPE_REMOTE_CSE) /* SEC-040 */
		return req_refuse(r, 4106, "the credential of this security association is another CSE's: it registers that one alone");
	if (w->who_kind == ID_AE_C && w->who_form == ID_STEM)
		return req_refuse(r, 4106, "From of an AE that is registered elsewhere has the CSE-ID of its Registrar before the stem");
	if (!slice_eq(cse, r->peer.cse_id) && way_neighbour(x, cse, &other) == RC_OK)
		return req_refuse(r, 4106, "From belongs to another CSE that is registered here");
	return RC_OK;
}

/* Inside a security association (authorization.md 1.2, steps 3 to 5; TS-0004 7.3.2.1). */
static enum reeve_rc check_association(struct exec *x, struct req *r)
{
	return r->peer.cse_id.n ? check_association_cse(x, r) : check_association_ae(x, r);
}

/* Does it come in clear from another machine? There a security association is needed (AUTHZ-240, SEC-001...003; docs/deviations.md), unless
 * the operator opened the listener. */
static bool exposed(const struct peer *p)
{
	static const uint8_t v4[13] = { [10] = 0xff, 0xff, 127 }, v6[16] = { [15] = 1 };

	return !p->association && !p->open && !p->local && !(p->ip_known && (!memcmp(p->ip, v4, 13) || !memcmp(p->ip, v6, 16)));
}

static enum reeve_rc check_plain(struct exec *x, struct req *r)
{
	const bool proven = x->core->cfg->local_authenticated;
	struct req_work *w = r->work;
	struct slice stem = r->fr;
	bool home = w->who_kind == ID_AE_S;

	if (slice_eq(w->who, x->core->home.abs))
		return req_refuse(r, 4107, "From is the identifier of this CSE");
	if (w->who_kind == ID_CSE)
		return r->peer.open ? RC_OK : req_refuse(r, 4107, "a CSE needs a security association");
	if (w->who_form != ID_STEM) {
		if (w->who_kind == ID_AE_C && slice_starts(w->who, x->core->home.abs) && w->who.n > x->core->home.abs.n &&
		    w->who.p[x->core->home.abs.n] == '/')
			home = true;
		while (slice_find(stem, '/') >= 0)
			stem = slice_skip(stem, (size_t)slice_find(stem, '/') + 1);
		if (home && registered_here(x, stem))
			return req_refuse(r, 4000, "From of an AE registered here is its AE-ID-Stem (%.*s)", SF(stem));
		return r->peer.open ? RC_OK : req_refuse(r, 4106, "the Originator is not registered here");
	}
	if (r->peer.open && !proven)
		return RC_OK; /* believed, registered or not */
	if (registered_here(x, stem)) {
		w->facts.authenticated = proven;
		return RC_OK;
	}
	return r->peer.open ? RC_OK : req_refuse(r, 4106, "the Originator is not registered here");
}

/* A registrar that creates or updates the <AEAnnc> of an S-type AE at the IN-CSE writes it into From: /mn1/S, /mn1/S123 (TS-0001
 * 10.2.2.2). It is the registrar that speaks. Gives From without that. */
static struct slice without_registree(struct exec *x, struct req *r)
{
	struct slice cse = r->fr, stem;
	enum ident_kind kind;
	enum ident_form form;

	r->work->registree = (struct slice){ NULL, 0 };
	while (cse.n && cse.p[cse.n - 1] != '/')
		cse.n--;
	stem = slice_skip(r->fr, cse.n);
	if (x->core->cfg->type != CSE_IN || cse.n < 2 || !stem.n || stem.p[0] != 'S' || (stem.n > 1 && !ident_stem(stem)) ||
	    !(r->op == OP_UPDATE || (r->op == OP_CREATE && r->ty == TYPE_AE_ANNC)))
		return r->fr;
	cse.n--;
	if (ident_parse(&r->arena, &x->core->home, cse, &kind, &form, &r->work->who) != RC_OK || kind != ID_CSE || form == ID_STEM)
		return r->fr;
	r->work->registree = stem;
	return cse;
}

enum reeve_rc check_originator(struct exec *x, struct req *r)
{
	struct req_work *w = work_of(x->core, r);
	bool registering = r->op == OP_CREATE && r->ty == TYPE_AE;

	if (!w)
		return RC_REFUSED;
	if (check_times(r, w) != RC_OK)
		return RC_REFUSED;
	if (w->internal) {
		w->who = x->core->home.abs;
		w->who_kind = ID_CSE;
		return fill_facts(x, r);
	}
	if (!r->fr.n && !registering)
		return req_refuse(r, 4000, "From is missing");
	if (exposed(&r->peer))
		return req_refuse(r, 4107, "from another machine a security association is needed: use the listener with TLS or DTLS");
	if (registering && r->peer.association && r->peer.cse_id.n) /* SEC-052 */
		return req_refuse(r, 4106, "the credential of this security association is a CSE's: it does not register an AE");
	if (registering && !(r->peer.association && ident_stem(r->fr)))
		return fill_facts(x, r); /* the type's hook looks at From */
	if (ident_parse(&r->arena, &x->core->home, without_registree(x, r), &w->who_kind, &w->who_form, &w->who) != RC_OK)
		return req_refuse(r, 5000, "out of memory");
	if (w->who_kind == ID_NONE || w->who_kind == ID_SP)
		return req_refuse(r, 4000, "From is neither an AE-ID nor a CSE-ID");
	fill_facts(x, r);
	return r->peer.association ? check_association(x, r) : check_plain(x, r);
}
