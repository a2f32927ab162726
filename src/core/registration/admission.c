/* SPDX-License-Identifier: Apache-2.0 */
/* From of a registration is a wish: nothing, "C" or "S" for a stem of that kind, or a whole stem. A stem that the CSE chooses is no
 * way around the rules and lists: it is one that they allow. */
#include "core/registration/admission.h"

#include "base/rand.h"
#include "core/association/credential.h"
#include "core/pattern.h"
#include "core/registration/profile.h"
#include "core/work.h"

enum { TRIES = 16 }; /* random stems, before a pattern counts as used up */

static bool is_admin(const struct exec *x, const struct req *r)
{
	return r->fr.n && slice_eq(r->fr, x->core->cfg->admin);
}

/* NULL: the subscription has nothing to say. */
static enum reeve_rc rules_of(struct exec *x, struct req *r, struct profile *p, bool *open)
{
	enum reeve_rc rc;

	*open = true;
	if (x->internal || r->work->internal || is_admin(x, r))
		return RC_OK;
	if ((rc = profile_of(x, r, p)) == RC_AGAIN)
		*p = (struct profile){ .state = PROFILE_NO_ANSWER };
	else if (rc != RC_OK)
		return rc;
	return profile_check(x, r, p, open);
}

enum reeve_rc admission_open(struct exec *x, struct req *r)
{
	struct profile p;
	bool open;

	return rules_of(x, r, &p, &open);
}

/* --- choosing a stem --- */

struct choice {
	struct exec *x;
	struct req *r;
	bool far;                /* for another CSE: the lists of this one say nothing */
	bool allowed, listed;    /* some stem of that kind: by a rule; and by the lists */
	struct slice stem;       /* p == NULL: none yet */
};

/* The lists may name the wish ("C", "S") as well as the stem. */
static bool lists_admit(const struct config *cfg, char kind, struct slice stem)
{
	struct slice wish = slice_of(&kind, 1);

	return (!cfg->allow_ae.n || pattern_listed(&cfg->allow_ae, wish) || pattern_listed(&cfg->allow_ae, stem)) &&
	       !pattern_listed(&cfg->deny_ae, wish) && !pattern_listed(&cfg->deny_ae, stem);
}

static void random_text(char out[STEM_RANDOM])
{
	static const char alphabet[] = "0123456789abcdefghijklmnopqrstuv";
	unsigned char bytes[STEM_RANDOM];

	rand_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < STEM_RANDOM; i++)
		out[i] = alphabet[bytes[i] & 31];
}

static enum reeve_rc try_pattern(struct choice *c, struct slice pattern, char kind)
{
	const struct config *cfg = c->x->core->cfg;
	unsigned tries = slice_find(pattern, '*') < 0 ? 1 : TRIES;
	char random[STEM_RANDOM], *text = arena_alloc(&c->r->arena, cfg->limits.name);
	struct slice stem;
	struct res other;

	if (!text)
		return RC_NOMEM;
	while (!c->stem.p && tries--) {
		random_text(random);
		stem = slice_of(text, stem_from(pattern, kind, random, text, cfg->limits.name));
		if (!stem.n)
			return RC_OK;
		c->allowed = true;
		if (!c->far && !lists_admit(cfg, kind, stem))
			continue;
		c->listed = true;
		if (tree_stem(c->x->tx, stem, &other) == RC_NOTFOUND)
			c->stem = stem;
	}
	return RC_OK;
}

static enum reeve_rc try_rules(struct choice *c, const struct profile *p, const struct applicant *who, char kind)
{
	enum reeve_rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && !c->stem.p && i < p->n; i++)
		for (size_t k = 0; rc == RC_OK && !c->stem.p && app_rule_applies(&p->rules[i], who) && k < p->rules[i].stems.n; k++)
			rc = try_pattern(c, p->rules[i].stems.v[k], kind);
	return rc;
}

static enum reeve_rc assign(struct exec *x, struct req *r, const struct profile *p, const struct applicant *who, struct slice *stem)
{
	struct choice c = { .x = x, .r = r };
	const char *kinds = r->fr.n ? (r->fr.p[0] == 'S' ? "S" : "C") : p ? "CS" : "C";
	enum reeve_rc rc = RC_OK;

	for (; *kinds && !c.stem.p && rc == RC_OK; kinds++)
		rc = p ? try_rules(&c, p, who, *kinds) : try_pattern(&c, S("*"), *kinds);
	if (rc != RC_OK)
		return rc;
	*stem = c.stem;
	if (c.stem.p)
		return RC_OK;
	if (!c.allowed)
		return req_refuse(r, 4126, "no rule of the service subscription allows this App-ID an AE-ID-Stem of that kind");
	if (!c.listed)
		return req_refuse(r, 4126, "no AE-ID-Stem of that kind may register here (access.allow-ae, access.deny-ae)");
	return req_refuse(r, 4126, "all AE-ID-Stems that the service subscription allows are in use");
}

/* --- judging one --- */

/* One rule has to allow credential, App-ID and stem together. */
static bool rules_admit(const struct profile *p, const struct applicant *who, struct slice stem)
{
	for (size_t i = 0; i < p->n; i++)
		if (app_rule_applies(&p->rules[i], who) && pattern_listed(&p->rules[i].stems, stem))
			return true;
	return false;
}

/* At the IN-CSE: an S-type AE that was registered at another CSE, and is no more, comes here. Its <AEAnnc> makes room. */
static enum reeve_rc make_room(struct exec *x, struct req *r, const struct res *annc)
{
	if (annc->h.ty != TYPE_AE_ANNC || !slice_eq(res_member(annc, S("lnk")), S("\"INACTIVE\"")))
		return req_refuse(r, 4117, "an AE with this AE-ID-Stem is registered already");
	return x->write ? exec_delete(x, annc, true) : RC_OK;
}

static enum reeve_rc check_stem(struct exec *x, struct req *r, const struct profile *p, const struct applicant *who,
				struct slice stem)
{
	const struct config *cfg = x->core->cfg;
	struct res other;

	if (!ident_stem(stem) || stem.n > cfg->limits.name)
		return req_refuse(r, 4000, "From is no AE-ID-Stem");
	if (p && !rules_admit(p, who, stem))
		return req_refuse(r, 4126, "no rule of the service subscription allows this App-ID this AE-ID-Stem, coming this way");
	if (!pattern_admits(&cfg->allow_ae, &cfg->deny_ae, stem))
		return req_refuse(r, 4126, "this AE-ID may not register here (access.allow-ae, access.deny-ae)");
	return tree_stem(x->tx, stem, &other) == RC_OK ? make_room(x, r, &other) : RC_OK;
}

static enum reeve_rc check_wish(struct req *r)
{
	char kind = r->fr.n ? r->fr.p[0] : 'C';

	if (kind != 'C' && kind != 'S')
		return req_refuse(r, 4000, "From of a registration is absent, \"C\", \"S\", or an AE-ID-Stem beginning with C or S");
	return RC_OK;
}

/* A certificate with App-ID and AE-ID is for that registration alone. That the AE-ID is From was seen by check_originator. */
static enum reeve_rc check_certificate(struct req *r, struct slice app)
{
	if (!r->peer.association || !r->peer.app_id.n)
		return RC_OK;
	if (!slice_eq(r->peer.app_id, app))
		return req_refuse(r, 4126, "the certificate is for another App-ID");
	return r->fr.n > 1 ? RC_OK : req_refuse(r, 4126, "From has to be the AE-ID-Stem that the certificate carries");
}

/* --- what came with the security association --- */

/* A credential that is in no table and under no anchor that names its holder counts only where a rule names it (SEC-053). */
static enum reeve_rc check_known(struct exec *x, struct req *r, bool open)
{
	const enum credential_type type = credential_type_of(r->peer.credential);
	struct credential row;
	enum reeve_rc rc;

	if (!open || r->peer.n_ae_ids || type == CREDENTIAL_AE)
		return RC_OK;
	if ((rc = credential_get(x->tx, &r->arena, r->peer.credential, &row)) != RC_NOTFOUND)
		return rc;
	return req_refuse(r, 4126, "the credential of this security association is not known here, and no rule of a service subscription "
			  "names it");
}

/* From "C", "S" or none, from somebody whose AE-ID is known: that is what he gets, unless he has it already. */
static enum reeve_rc take_proven(struct exec *x, struct req *r, struct slice *stem)
{
	struct res other;

	for (size_t i = 0; i < r->peer.n_ae_ids; i++) {
		struct slice s = r->peer.ae_ids[i];
		enum ident_kind kind;
		enum ident_form form;
		struct slice canon;

		while (slice_find(s, '/') >= 0)
			s = slice_skip(s, (size_t)slice_find(s, '/') + 1);
		if (!ident_stem(s) || (r->fr.n && s.p[0] != r->fr.p[0]))
			continue;
		if (ident_parse(&r->arena, &x->core->home, s, &kind, &form, &canon) != RC_OK)
			return RC_NOMEM;
		if (!slice_eq(canon, r->peer.ae_ids[i])) /* an AE of another CSE */
			continue;
		if (tree_stem(x->tx, s, &other) != RC_OK) {
			*stem = s;
			return RC_OK;
		}
	}
	return req_refuse(r, 4117, "no AE-ID of this security association is left to register by");
}

/* SEC-051: a symmetric or raw key stands for one AE at most. (Who names another AE-ID-Stem was refused before, as an impostor.) */
static enum reeve_rc check_single(struct exec *x, struct req *r)
{
	struct slice *aes;
	size_t n;
	enum reeve_rc rc;

	if (!r->peer.credential.n || r->peer.n_ae_ids || credential_of_many(credential_type_of(r->peer.credential)))
		return RC_OK;
	if ((rc = credential_bound(x->tx, &r->arena, r->peer.credential, 1, &aes, &n)) != RC_OK)
		return rc;
	return n ? req_refuse(r, 4117, "this credential stands for %.*s, which is registered", SF(aes[0])) : RC_OK;
}

enum reeve_rc admission_stem(struct exec *x, struct req *r, struct slice app, struct slice *stem)
{
	const struct config *cfg = x->core->cfg;
	struct applicant who = { .association = r->peer.association, .credential = r->peer.credential, .app = app };
	struct profile p;
	bool open;
	enum reeve_rc rc;

	if ((rc = check_wish(r)) != RC_OK || (rc = rules_of(x, r, &p, &open)) != RC_OK || (rc = check_certificate(r, app)) != RC_OK)
		return rc;
	if (!pattern_admits(&cfg->allow_app, &cfg->deny_app, app))
		return req_refuse(r, 4126, "this App-ID may not register here (access.allow-app, access.deny-app)");
	if (r->peer.association && r->peer.credential.n && (rc = check_known(x, r, open)) != RC_OK)
		return rc;
	*stem = r->work->confirmed.n ? r->work->confirmed : r->fr;
	if (stem->n <= 1 && r->peer.association && r->peer.n_ae_ids)
		rc = take_proven(x, r, stem);
	else if (stem->n <= 1)
		rc = assign(x, r, open ? NULL : &p, &who, stem);
	if (rc == RC_OK)
		rc = check_stem(x, r, open ? NULL : &p, &who, *stem);
	return rc == RC_OK && r->fr.n <= 1 && r->peer.association ? check_single(x, r) : rc;
}

enum reeve_rc admission_confirm(struct exec *x, struct req *r, struct slice cse, const struct applicant *who, struct slice wish,
				struct slice *stem)
{
	struct choice c = { .x = x, .r = r, .far = true };
	struct profile p;
	bool open;
	enum reeve_rc rc;

	if ((rc = profile_for(x, &r->arena, cse, &p)) != RC_OK || (rc = profile_check(x, r, &p, &open)) != RC_OK)
		return rc;
	if (wish.n > x->core->cfg->limits.name)
		return req_refuse(r, 4000, "From is no AE-ID-Stem");
	*stem = wish;
	if (wish.n > 1)
		return open || rules_admit(&p, who, wish)
			       ? RC_OK
			       : req_refuse(r, 4126, "no rule for the registrar allows this App-ID, AE-ID-Stem and Credential-ID together");
	if ((rc = open ? try_pattern(&c, S("*"), 'S') : try_rules(&c, &p, who, 'S')) != RC_OK)
		return rc;
	*stem = c.stem;
	return c.stem.p ? RC_OK
			: req_refuse(r, 4126, "no rule for the registrar has a free S-type AE-ID-Stem for this App-ID and Credential-ID");
}
