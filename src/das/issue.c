/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule gives: temporary privileges, and tokens, which are kept as <token> resources before they leave.
 *
 * Direct: the holder is the Originator and the audience exactly the CSE that asked (TS-0003 7.3.2.2 step 3). A grant is for the operation
 * asked at the resource asked: rules give at most what was asked for. */
#include "das/das_int.h"

#include <stdlib.h>

#include "authz/decisions.h"
#include "base/log.h"
#include "base/rand.h"
#include "codec/text.h"
#include "core/draft.h"
#include "core/hub.h"
#include "core/own.h"
#include "core/work.h"

enum { TOKEN_BYTES = 64 << 10, ID_HEX = 24 };

struct issuing {
	struct das_ask *ask;
	const struct das_rule *rule;
	struct token_claims claims;
	const struct slice *roles; size_t n_roles;
	char hex[ID_HEX + 1];
	usec until;
	struct slice token;
	struct req *keep;        /* that creates the <token> */
};

/* Nothing is granted: no Content at all (TS-0001 11.5.2 step 3.2). */
static void nothing(struct das_ask *a)
{
	a->r->rsc = 2000;
	core_resume(a->das->core, a->r);
}

static void add_time(struct buf *b, usec t)
{
	char text[TEXT_TIMESTAMP_MAX];
	buf_json(b, slice_of(text, text_timestamp_write(t, text)));
}

static void add_rule(struct buf *b, const struct das_ask *a, unsigned acop)
{
	buf_lit(b, "{\"acr\":[{\"acor\":[");
	buf_json(b, a->facts.who);
	buf_printf(b, "],\"acop\":%u}]}", acop);
}

static void answer_granted(struct issuing *g)
{
	struct das_ask *a = g->ask;
	struct buf *b = &a->r->out;
	bool comma = false;

	buf_clear(b);
	buf_lit(b, "{\"m2m:seci\":{\"sit\":2,\"dres\":{");
	if (a->direct && g->rule->privileges) {
		buf_lit(b, "\"dai\":{\"gp\":");
		add_rule(b, a, g->rule->acop);
		buf_lit(b, ",\"pl\":");
		add_time(b, g->until);
		buf_char(b, '}');
		comma = true;
	}
	if (g->token.n) {
		buf_slice(b, comma ? S(",\"tkns\":[") : S("\"tkns\":["));
		buf_json(b, g->token);
		buf_char(b, ']');
		comma = true;
	}
	if (a->asi) /* relationships are kept here (map.c) */
		buf_slice(b, comma ? S(",\"asri\":true") : S("\"asri\":true"));
	buf_lit(b, "}}}");
	a->r->rsc = 2000;
	core_resume(a->das->core, a->r);
}

/* --- a token --- */

/* Those of the rule that would open the door, when the CSE says which would. */
static bool choose_roles(struct issuing *g)
{
	const struct das_ask *a = g->ask;
	struct slice *v;

	if (!a->has_rfa) {
		g->roles = g->rule->roles;
		g->n_roles = g->rule->n_roles;
		return true;
	}
	if (!(v = arena_array(&a->r->arena, g->rule->n_roles + 1, sizeof(*v))))
		return false;
	for (size_t i = 0; i < g->rule->n_roles; i++)
		for (size_t k = 0; k < a->n_rfa; k++)
			if (slice_eq(g->rule->roles[i], a->rfa[k])) {
				v[g->n_roles++] = g->rule->roles[i];
				break;
			}
	g->roles = v;
	return true;
}

static struct slice permissions(struct issuing *g)
{
	const struct das_ask *a = g->ask;
	struct slice out;
	struct buf b;

	buf_init(&b, TOKEN_BYTES);
	buf_lit(&b, "{\"pm\":[");
	if (g->rule->acop) {
		buf_lit(&b, "{\"ris\":[");
		buf_json(&b, a->resource);
		buf_lit(&b, "],\"pv\":");
		add_rule(&b, a, g->rule->acop);
		buf_char(&b, '}');
	}
	if (g->n_roles) {
		buf_slice(&b, g->rule->acop ? S(",{\"rids\":[") : S("{\"rids\":["));
		for (size_t i = 0; i < g->n_roles; i++) {
			if (i)
				buf_char(&b, ',');
			buf_json(&b, g->roles[i]);
		}
		buf_lit(&b, "]}");
	}
	buf_lit(&b, "]}");
	out = b.failed ? (struct slice){ NULL, 0 } : arena_dup(&a->r->arena, buf_view(&b));
	buf_free(&b);
	return out;
}

static bool make_claims(struct issuing *g)
{
	static const char digits[] = "0123456789abcdef";
	struct das_ask *a = g->ask;
	uint8_t random[ID_HEX / 2];
	struct slice *audience = arena_array(&a->r->arena, 1, sizeof(*audience));
	usec now = a->r->received - a->r->received % USEC_S;

	rand_bytes(random, sizeof(random));
	for (size_t i = 0; i < ID_HEX; i++)
		g->hex[i] = digits[random[i / 2] >> (i % 2 ? 0 : 4) & 15];
	g->until = now + g->rule->lifetime;
	if (a->most && now + a->most < g->until)
		g->until = now + a->most;
	if (!audience || !choose_roles(g))
		return false;
	audience[0] = a->cse->id;
	g->claims = (struct token_claims){
		.version = S("3"),
		.id = arena_printf(&a->r->arena, "t-%s@%.*s", g->hex, SF(a->das->policy->domain)),
		.issuer = a->das->policy->issuer,
		.holder = a->facts.who,
		.not_before = now,
		.not_after = g->until,
		.name = g->rule->name,
		.audience = audience,
		.n_audience = 1,
		.permissions = permissions(g),
	};
	return g->claims.id.p && g->claims.permissions.p;
}

static bool protect(struct issuing *g)
{
	struct das_ask *a = g->ask;
	const struct das_server *d = a->das;
	struct key_ref *to = d->encrypt[a->cse - d->policy->cses];
	const char *why = "";
	struct buf b;
	enum reeve_rc rc;

	buf_init(&b, TOKEN_BYTES);
	rc = token_protect(&g->claims, d->sign, to, a->cse->enc, &b, &why);
	if (rc == RC_OK && !b.failed)
		g->token = arena_dup(&a->r->arena, buf_view(&b));
	else
		log_warn("das", "a token for %.*s could not be made: %s", SF(a->cse->id), rc == RC_OK ? "it is too long" : why);
	buf_free(&b);
	return g->token.n != 0;
}

static void kept(struct req *n)
{
	struct issuing *g = n->owner;
	struct das_ask *a = g->ask;
	struct core *c = a->das->core;

	if (n->rsc == 2001) {
		log_info("das", "token %.*s for %.*s at %.*s by rule \"%.*s\"", SF(g->claims.id), SF(a->facts.who), SF(a->cse->id),
			 SF(g->rule->name));
	} else {
		log_warn("das", "a token could not be kept: %d %.*s", n->rsc, SF(n->dbg));
		req_refuse(a->r, 5000, "the token could not be kept, and is not issued");
	}
	own_drop(c, n);
	if (a->r->rsc)
		core_resume(c, a->r);
	else
		answer_granted(g);
}

/* A token that nobody could list or revoke must not leave: it is kept first. */
static void keep(struct issuing *g)
{
	struct das_ask *a = g->ask;
	struct core *c = a->das->core;
	struct req *n = own_request(c);
	struct buf b;

	if (!n) {
		req_refuse(a->r, 5000, "out of memory");
		core_resume(c, a->r);
		return;
	}
	buf_init(&b, 2 * TOKEN_BYTES);
	buf_printf(&b, "{\"m2m:tk\":{\"rn\":\"tok-%s\",\"lbl\":[\"das\"],\"acpi\":[\"%.*s/acp-das\"],\"et\":", g->hex,
		   SF(c->home.base_name));
	add_time(&b, g->until);
	buf_lit(&b, ",\"tkid\":");
	buf_json(&b, g->claims.id);
	buf_lit(&b, ",\"tkob\":");
	buf_json(&b, g->token);
	buf_char(&b, ',');
	token_claims_write_resource(&b, &g->claims);
	buf_lit(&b, "}}");
	own_to_self(c, n, OP_CREATE, TYPE_TOKEN, c->home.base_name, arena_dup(&n->arena, buf_view(&b)), clock_wall());
	n->has |= HAS_RCN;
	n->rcn = 0;
	n->done = kept;
	n->owner = g;
	buf_free(&b);
	core_submit_internal(c, n);
}

/* Everything below <CSEBase> that is no instance is a token, but for a handful. */
static bool full(struct core *c)
{
	struct exec x;
	struct res root;
	bool yes = true;

	if (!hub_snapshot_begin(c, &x))
		return true;
	if (tree_get(x.tx, (struct res_key){ 0, RES_ROOT }, &root) == RC_OK)
		yes = root.h.n_children >= c->cfg->das_tokens;
	hub_snapshot_end(&x);
	return yes;
}

void das_grant(struct das_ask *a)
{
	struct das_question q = { .facts = &a->facts, .resource = a->resource, .direct = a->direct };
	const struct das_rule *rule = a->resource.n ? das_policy_match(a->das->policy, &q) : NULL;
	struct issuing *g = rule ? arena_zalloc(&a->r->arena, sizeof(*g)) : NULL;

	if (!rule) {
		log_info("das", "nothing for %.*s at %.*s", SF(a->facts.who), SF(a->resource));
		nothing(a);
		return;
	}
	if (!g || ((g->ask = a), (g->rule = rule), !make_claims(g))) {
		req_refuse(a->r, 5000, "the request needs more memory than limits.request_memory");
		core_resume(a->das->core, a->r);
	} else if (rule->token && (rule->acop || g->n_roles)) {
		if (full(a->das->core))
			req_refuse(a->r, 5000, "this DAS keeps no more tokens (das.tokens) until some have expired");
		else if (protect(g)) {
			keep(g);
			return;
		}
		req_refuse(a->r, 5000, "the token could not be made");
		core_resume(a->das->core, a->r);
	} else if (rule->privileges && a->direct) {
		answer_granted(g);
	} else {
		nothing(a); /* roles that would not open the door */
	}
}

/* --- tokens by id --- */

struct slice das_token_name(struct arena *a, struct slice tid)
{
	ptrdiff_t at = slice_find(tid, '@');

	if (!slice_starts(tid, S("t-")) || at < 3)
		return (struct slice){ NULL, 0 };
	return arena_printf(a, "tok-%.*s", (int)at - 2, tid.p + 2);
}

/* The <token> of a Token-ID, when it is for this CSE and holder and still valid. */
static bool find_token(struct exec *x, struct das_ask *a, struct slice tid, struct slice *token)
{
	struct slice why, name = das_token_name(&a->r->arena, tid);
	struct token_claims claims;
	struct res res;
	struct json j;
	bool audience = false;

	if (!name.p || tree_child(x->tx, RES_ROOT, name, &res) != RC_OK || res.h.ty != TYPE_TOKEN || res.h.et <= x->now ||
	    res_json(&a->r->arena, &res, &j) != RC_OK ||
	    token_claims_from_resource(&a->r->arena, &x->core->home, &j, 0, &claims, &why) != RC_OK)
		return false;
	for (size_t i = 0; i < claims.n_audience; i++)
		audience |= a->direct && token_audience_fits(claims.audience[i], a->cse->id);
	if (!slice_eq(claims.id, tid) || claims.not_after <= x->now || (a->direct ? !audience : !slice_eq(claims.holder, a->facts.who)))
		return false;
	*token = json_string(&a->r->arena, &j, json_member(&j, 0, S("tkob")));
	*token = arena_dup(&a->r->arena, *token);
	return token->n != 0;
}

void das_fetch(struct das_ask *a)
{
	struct core *c = a->das->core;
	struct buf *b = &a->r->out;
	struct slice token;
	struct exec x;
	size_t n = 0;

	buf_clear(b);
	buf_lit(b, "{\"m2m:seci\":{\"sit\":2,\"dres\":{\"tkns\":[");
	if (hub_snapshot_begin(c, &x)) {
		for (size_t i = 0; i < a->n_tids; i++)
			if (find_token(&x, a, a->tids[i], &token)) {
				if (n++)
					buf_char(b, ',');
				buf_json(b, token);
			}
		hub_snapshot_end(&x);
	}
	buf_lit(b, "]}}}");
	if (!n)
		buf_clear(b); /* nothing: no Content */
	a->r->rsc = 2000;
	core_resume(c, a->r);
}
