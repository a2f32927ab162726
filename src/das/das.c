/* SPDX-License-Identifier: Apache-2.0 */
/* Start of the DAS, and who may ask it: a CSE that the policy names, for a request that came to it (direct), or an Originator for
 * himself (indirect). */
#include "das/das_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "core/own.h"
#include "core/trust.h"
#include "core/work.h"
#include "jose/jose.h"

/* The CSE-ID in a canonical address: //sp/cse of //sp/cse/... */
static struct slice cse_part(struct slice address)
{
	struct slice rest = slice_skip(address, 2), sp, cse;

	sp = slice_cut(&rest, '/');
	cse = rest.p ? slice_cut(&rest, '/') : (struct slice){ NULL, 0 };
	return slice_of(address.p, cse.n ? 2 + sp.n + 1 + cse.n : 0);
}

static enum reeve_rc who_asks(struct das_ask *a)
{
	const struct ident_home *home = &a->das->core->home;
	const struct req_work *w = a->r->work;

	a->direct = w->who_kind == ID_CSE;
	if (a->direct) {
		if (!(a->cse = das_policy_cse(a->das->policy, w->who)))
			return req_refuse(a->r, 4103, "this CSE is not among those that may ask");
		a->resource = das_address(&a->r->arena, home, w->who, a->trid);
		if (a->trid.n && !slice_eq(cse_part(a->resource), w->who))
			return req_refuse(a->r, 4103, "dreq.trid: a CSE asks about resources that it hosts");
	} else {
		if (!slice_eq(w->who, a->facts.who))
			return req_refuse(a->r, 4103, "dreq.or: an AE asks for itself only");
		if (a->trid.n && a->trid.p[0] != '/')
			return req_refuse(a->r, 4000, "dreq.trid: with the CSE-ID before it");
		a->resource = das_address(&a->r->arena, home, home->abs, a->trid);
		a->cse = das_policy_cse(a->das->policy, cse_part(a->resource));
		if (!a->cse && !a->n_tids)
			return req_refuse(a->r, 4103, "no tokens are issued for the CSE of dreq.trid");
	}
	return RC_OK;
}

/* In clear (dreq), or as the Hosting CSE secured it against the Originator who carries it (sdr, securedDasRequest). */
static enum reeve_rc read_request(struct das_ask *a, const struct json *j, uint32_t seci)
{
	const struct das_server *d = a->das;
	struct slice sdr = json_string(&a->r->arena, j, json_member(j, seci, S("sdr"))), text, why;
	alg_set may = ALGS_AES_KW | ALGS_ECDH | ALG_SET(ALG_RSA_OAEP_256) | ALG_SET(ALG_DIR) | ALGS_CONTENT;
	uint32_t dreq = json_member(j, seci, S("dreq"));
	const char *fault = "";
	struct jose t;
	struct json inner;

	if (dreq)
		return das_ask_read(a, j, dreq);
	if (!sdr.n)
		return req_refuse(a->r, 4000, "m2m:seci of type 1 needs dreq");
	if (!d->decrypt)
		return req_refuse(a->r, 5001, "m2m:seci.sdr: this DAS has no key for secured requests (\"decrypt\" of its policy)");
	if (jose_parse(&a->r->arena, sdr, &jose_default_limits, &t, &fault) != RC_OK || !t.encrypted ||
	    jose_decrypt(&a->r->arena, &t, d->decrypt, may, &text, &fault) != RC_OK ||
	    json_parse(&a->r->arena, text, &a->das->core->cfg->limits.json, &inner, &why) != RC_OK)
		return req_refuse(a->r, 4000, "m2m:seci.sdr: not secured for this DAS, or changed on the way");
	return das_ask_read(a, &inner, 0);
}

static void asked(struct core *c, struct req *r, const struct json *j, uint32_t seci)
{
	struct das_ask *a = arena_zalloc(&r->arena, sizeof(*a));

	if (!a) {
		req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
	} else {
		a->das = c->das;
		a->r = r;
		if (read_request(a, j, seci) == RC_OK && who_asks(a) == RC_OK) {
			if (a->n_tids)
				das_fetch(a);
			else
				das_grant(a);
			return;
		}
	}
	core_resume(c, r);
}

static enum reeve_rc find_key(struct das_server *d, struct slice kid, const char *what, alg_set may, struct key_ref **out, char *why)
{
	struct secenv *se = trust_keys(d->core);

	*out = NULL;
	if (!kid.n)
		return RC_OK;
	if (!se) {
		snprintf(why, DAS_WHY_MAX, "%s \"%.*s\": no sealed key file is configured (secenv.file)", what, SF(kid));
		return RC_NOTFOUND;
	}
	if (!(*out = secenv_find(se, kid))) {
		snprintf(why, DAS_WHY_MAX, "%s \"%.*s\": there is no such key; reeve key generate --kid %.*s makes one", what, SF(kid),
			 SF(kid));
		return RC_NOTFOUND;
	}
	if (!alg_in(key_info(*out)->alg, may)) {
		snprintf(why, DAS_WHY_MAX, "%s \"%.*s\": a key for %.*s cannot do that", what, SF(kid), SF(alg_name(key_info(*out)->alg)));
		return RC_INVALID;
	}
	return RC_OK;
}

static enum reeve_rc find_keys(struct das_server *d, char *why)
{
	const struct das_policy *p = d->policy;
	enum reeve_rc rc = find_key(d, p->sign, "sign", ALGS_SIGN, &d->sign, why);

	if (rc == RC_OK)
		rc = find_key(d, p->decrypt, "decrypt", ALGS_AES_KW | ALGS_ECDH | ALG_SET(ALG_RSA_OAEP_256) | ALGS_CONTENT, &d->decrypt,
			      why);
	if (rc == RC_OK && !(d->encrypt = calloc(p->n_cses, sizeof(struct key_ref *))))
		rc = RC_NOMEM;
	for (size_t i = 0; rc == RC_OK && i < p->n_cses; i++)
		rc = find_key(d, p->cses[i].encrypt, "encrypt", ALGS_AES_KW | ALGS_ECDH | ALG_SET(ALG_RSA_OAEP_256) | ALGS_CONTENT,
			      &d->encrypt[i], why);
	if (rc == RC_OK && alg_in(key_info(d->sign)->alg, ALGS_HMAC))
		for (size_t i = 0; rc == RC_OK && i < p->n_cses; i++)
			if (d->encrypt[i]) { /* TS-0003 8.5.3.4: the inner signature of a nested token is RSA or ECDSA */
				snprintf(why, DAS_WHY_MAX, "sign \"%.*s\": a token that is signed and encrypted needs an RS* or ES* key",
					 SF(p->sign));
				rc = RC_INVALID;
			}
	return rc;
}

/* --- the policy of the tokens --- */

struct provisioning { struct loop_msg msg; struct core *c; };

static void put_policy(struct core *c, enum op op);

static void policy_put(struct req *n)
{
	struct core *c = n->work->core;
	bool there = n->op == OP_CREATE && n->rsc == 4105; /* from a former run, maybe with another administrator */

	if (n->rsc >= 4000 && !there)
		log_warn("das", "the policy of the tokens could not be written: %d %.*s", n->rsc, SF(n->dbg));
	own_drop(c, n);
	if (there)
		put_policy(c, OP_UPDATE);
}

/* The administrator lists and revokes; nobody else may even see the tokens. */
static void put_policy(struct core *c, enum op op)
{
	static const char *const begin[] = { "\"pv\":{\"acr\":[{\"acor\":[", ",\"pvs\":{\"acr\":[{\"acor\":[" };
	struct req *n = own_request(c);
	struct buf b;

	if (!n)
		return;
	buf_init(&b, 8192);
	buf_slice(&b, op == OP_CREATE ? S("{\"m2m:acp\":{\"rn\":\"acp-das\",") : S("{\"m2m:acp\":{"));
	for (int i = 0; i < 2; i++) {
		buf_slice(&b, slice_str(begin[i]));
		buf_json(&b, c->home.cse_id);
		if (c->cfg->admin.n) {
			buf_char(&b, ',');
			buf_json(&b, c->cfg->admin);
		}
		buf_lit(&b, "],\"acop\":63}]}");
	}
	buf_lit(&b, "}}");
	own_to_self(c, n, op, op == OP_CREATE ? TYPE_ACP : 0, op == OP_CREATE ? c->home.base_name :
		    arena_printf(&n->arena, "%.*s/acp-das", SF(c->home.base_name)), arena_dup(&n->arena, buf_view(&b)), clock_wall());
	n->has |= HAS_RCN;
	n->rcn = 0;
	n->done = policy_put;
	buf_free(&b);
	core_submit_internal(c, n);
}

static void provision(struct loop *l, struct loop_msg *m)
{
	struct core *c = ((struct provisioning *)m)->c;

	(void)l;
	free(m);
	put_policy(c, OP_CREATE);
}

enum reeve_rc das_start(struct core *c, const char *path, struct das_server **out, char why[DAS_WHY_MAX])
{
	struct das_server *d = calloc(1, sizeof(*d));
	char text[DAS_WHY_MAX] = "";
	enum reeve_rc rc;

	*out = NULL;
	if (!d)
		return RC_NOMEM;
	d->core = c;
	if ((rc = das_policy_load(path, &c->policy_options, &d->policy, text)) != RC_OK || (rc = find_keys(d, text)) != RC_OK) {
		snprintf(why, DAS_WHY_MAX, "%.200s: %.280s", path, text[0] ? text : rc_name(rc));
		das_free(d);
		return rc;
	}
	struct provisioning *p = malloc(sizeof(*p));
	if (!p) {
		das_free(d);
		return RC_NOMEM;
	}
	*p = (struct provisioning){ .msg = { .fn = provision }, .c = c };
	loop_post(&c->loops[0], &p->msg);
	c->das = d;
	c->seci[SECI_DAS_REQUEST] = asked;
	c->seci[SECI_MAP_REQUEST] = das_map;
	*out = d;
	return RC_OK;
}

void das_free(struct das_server *d)
{
	if (!d)
		return;
	key_put(d->sign);
	key_put(d->decrypt);
	for (size_t i = 0; d->encrypt && d->policy && i < d->policy->n_cses; i++)
		key_put(d->encrypt[i]);
	free(d->encrypt);
	das_policy_free(d->policy);
	free(d);
}
