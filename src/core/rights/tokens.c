/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of a request, when the local rules said no (TS-0003 7.3.2.3; authorization.md 1.3, 4.5, 5.4).
 *
 * Every token that the request brings or names has to be right, or it is refused, whatever the others permit (AUTHZ-169): who sends a
 * token that does not count should hear of it. Then rules and roles of all of them join the decision. What a DAS delivered for this
 * Originator joins without being named, and refuses nothing.
 *
 * A token is verified once, on a loop: before a change is handed to the writer (tokens_prepare), and kept in the cache. The
 * writer finds it in the request's state. Only a Token-ID that neither the cache nor a <token> here knows makes the request wait. */
#include "core/rights/tokens_int.h"

#include <stdlib.h>

#include "core/draft.h"
#include "core/notify/notify_int.h"
#include "core/rights/relation.h"

enum reeve_rc tokens_new(struct core *c)
{
	const struct limits *l = &c->cfg->limits;
	struct tokens *t = calloc(1, sizeof(*t));

	if (!t)
		return RC_NOMEM;
	pthread_mutex_init(&t->lock, NULL);
	t->cache = token_cache_new(l->tokens_cached, l->token_memory);
	t->fetches = fetches_new();
	c->tokens = t;
	return t->cache && t->fetches ? RC_OK : RC_NOMEM;
}

void tokens_free(struct core *c)
{
	struct tokens *t = c->tokens;

	if (!t)
		return;
	fetches_free(t->fetches);
	token_cache_free(t->cache);
	pthread_mutex_destroy(&t->lock);
	free(t);
	c->tokens = NULL;
}

struct token_cache *tokens_cache(struct core *c) { return c->tokens ? c->tokens->cache : NULL; }

/* --- verifying --- */

/* The token of a text, from the cache or opened; *t is a reference. */
static enum token_fault open_text(struct core *c, struct arena *a, struct slice text, const uint8_t hash[TOKEN_HASH], usec now,
				  struct token **t, struct slice *why)
{
	const struct token_entry *e = token_cache_by_hash(c->tokens->cache, hash, now);
	struct token_limits limits = token_default_limits;
	struct token_open_options o = { .policies = &c->policy_options, .limits = &limits };
	enum token_fault f;

	if (e) {
		*t = token_get(e->token);
		token_entry_put(c->tokens->cache, e);
		return TOKEN_GOOD;
	}
	limits.jose.token = c->cfg->limits.token;
	o.issuers = trust_issuers(c);
	f = token_open(&o, a, text, t, why);
	issuers_put((struct issuers *)o.issuers);
	if (f == TOKEN_GOOD)
		metrics_inc(&c->metrics, tokens_verified);
	else
		metrics_inc(&c->metrics, tokens_refused);
	return f;
}

enum token_fault tokens_verify(struct core *c, struct arena *a, struct slice text, const struct token_new *how, usec now,
			       const struct token_entry **out, struct slice *why)
{
	struct token_new n = *how;
	uint8_t hash[TOKEN_HASH];
	uint64_t generation;
	enum token_fault f;

	token_hash(text, hash);
	if ((*out = token_cache_by_hash(c->tokens->cache, hash, now)) && !n.direct && !n.holder.n && ((*out)->mapped || !n.mapped))
		return TOKEN_GOOD;
	token_entry_put(c->tokens->cache, *out);
	*out = NULL;
	generation = token_cache_generation(c->tokens->cache);
	if ((f = open_text(c, a, text, hash, now, &n.token, why)) != TOKEN_GOOD)
		return f;
	if (n.from && !issuer_may_deliver(n.from, token_claims(n.token)->issuer)) {
		token_put(n.token);
		return TOKEN_ISSUER;
	}
	n.hash = hash;
	*out = token_cache_put(c->tokens->cache, &n, generation, now);
	token_put(n.token);
	return *out ? TOKEN_GOOD : TOKEN_NO_MEMORY;
}

static struct token_facts facts_of(struct core *c, const struct req *r, const struct issuer *das, usec now)
{
	return (struct token_facts){ .now = now, .who = r->work->who, .cse = c->home.abs, .das = das };
}

enum token_fault tokens_take(struct core *c, struct arena *a, struct slice who, uint64_t ae, const struct issuer *das, struct slice text,
			     bool mapped, struct slice *id, struct slice *why)
{
	uint64_t generation = token_cache_generation(c->tokens->cache);
	usec now = clock_wall();
	struct token_facts facts = { .now = now, .who = who, .cse = c->home.abs, .das = das };
	struct token_new n = { .direct = true, .ae = ae, .mapped = mapped };
	uint8_t hash[TOKEN_HASH];
	enum token_fault f;

	token_hash(text, hash);
	n.hash = hash;
	if ((f = open_text(c, a, text, hash, now, &n.token, why)) != TOKEN_GOOD)
		return f;
	f = token_check(n.token, token_claims(n.token)->holder, &facts);
	if (f == TOKEN_GOOD) {
		*id = arena_dup(a, token_claims(n.token)->id);
		token_entry_put(c->tokens->cache, token_cache_put(c->tokens->cache, &n, generation, now));
	} else {
		*why = slice_str(token_fault_text(f));
	}
	token_put(n.token);
	return f;
}

void tokens_forget(struct exec *x, struct slice holder)
{
	if (x->core->tokens)
		token_cache_forget_holder(x->core->tokens->cache, holder);
}

/* --- the tokens of a request --- */

static void name_all(struct tokens_state *s, enum named_kind kind, const struct slice *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s->v[s->n++] = (struct named){ .kind = kind, .index = (uint32_t)i, .text = v[i] };
}

static struct tokens_state *state_of(struct req *r)
{
	struct tokens_state *s = r->work->rights.state[RIGHTS_TOKENS];

	if (s)
		return s;
	if (!(s = arena_zalloc(&r->arena, sizeof(*s))) ||
	    !(s->v = arena_array(&r->arena, r->n_tkns + r->n_tids + r->n_ltids + 1, sizeof(*s->v))))
		return NULL;
	name_all(s, NAMED_TOKEN, r->tkns, r->n_tkns);
	name_all(s, NAMED_ID, r->tids, r->n_tids);
	name_all(s, NAMED_LOCAL, r->ltids, r->n_ltids);
	r->work->rights.state[RIGHTS_TOKENS] = s;
	return s;
}

void tokens_end(struct req *r)
{
	struct tokens_state *s = r->work ? r->work->rights.state[RIGHTS_TOKENS] : NULL;
	struct token_cache *cache;

	if (!s)
		return;
	cache = r->work->core->tokens->cache;
	for (size_t i = 0; i < s->n; i++)
		token_entry_put(cache, s->v[i].e);
	for (size_t i = 0; i < s->n_direct; i++)
		token_entry_put(cache, s->direct[i]);
	token_put(s->opened);
	r->work->rights.state[RIGHTS_TOKENS] = NULL;
}

/* Of a JSON string that has no escapes. */
static struct slice inside(struct slice s) { return s.n > 2 ? slice_of(s.p + 1, s.n - 2) : S(""); }

/* The <token> here with this Token-ID: its text and, when its issuer changed it (AUTHZ-205), its holder. */
static bool find_local(struct exec *x, struct arena *a, struct slice id, unsigned *looked, struct slice *text, struct slice *holder)
{
	struct slice want = arena_printf(a, "\"%.*s\"", SF(id));
	enum ident_kind kind;
	enum ident_form form;
	struct tree_find it;
	struct res tk;
	bool found = false;

	if (!want.p || tree_find_type(x->tx, TYPE_TOKEN, &it) != RC_OK)
		return false;
	while (!found && (*looked)++ < x->core->cfg->limits.discovery_visits && tree_find_next(&it, &tk) == RC_OK)
		found = slice_eq(res_member(&tk, S("tkid")), want) && tree_alive(x->tx, &tk, x->now);
	if (found) {
		*text = arena_dup(a, inside(res_member(&tk, S("tkob"))));
		*holder = arena_dup(a, inside(res_member(&tk, S("tkhd"))));
		if (!(tk.h.flags & REC_REHELD))
			*holder = (struct slice){ NULL, 0 }; /* the claim's */
		else
			found = ident_parse(a, &x->core->home, *holder, &kind, &form, holder) == RC_OK;
	}
	tree_find_end(&it);
	return found && text->n;
}

static void fail(struct named *n, enum token_fault f, struct slice why)
{
	n->way = WAY_DONE;
	n->fault = f;
	n->why = why;
}

/* Not a part of another request, and not a second time. */
static bool may_wait(const struct exec *x, const struct req *r)
{
	return !r->work->member && !x->depth && !r->work->rights.waited[RIGHTS_TOKENS];
}

/* The writer leaves public-key cryptography to the loops, unless that has been tried. */
static bool may_verify(const struct exec *x, const struct req *r)
{
	return !x->write || !may_wait(x, r);
}

static void verify(struct exec *x, struct req *r, struct named *n, struct slice text, struct slice holder)
{
	struct token_new how = { .holder = holder };
	struct slice why = { NULL, 0 };
	enum token_fault f;

	if (!may_verify(x, r)) {
		uint8_t hash[TOKEN_HASH];
		token_hash(text, hash);
		n->e = token_cache_by_hash(x->core->tokens->cache, hash, x->now);
		n->way = n->e ? WAY_DONE : WAY_VERIFY;
		return;
	}
	f = tokens_verify(x->core, &r->arena, text, &how, x->now, &n->e, &why);
	if (f != TOKEN_GOOD)
		fail(n, f, why);
	else
		n->way = WAY_DONE;
}

static void look_for_id(struct exec *x, struct req *r, struct tokens_state *s, struct named *n)
{
	struct slice text, holder;

	n->e = token_cache_by_id(x->core->tokens->cache, n->text, x->now);
	if (n->e) {
		n->way = WAY_DONE;
	} else if (!n->no_local && find_local(x, &r->arena, n->text, &s->looked, &text, &holder)) {
		verify(x, r, n, text, holder);
		if (n->e && !slice_eq(token_claims(n->e->token)->id, n->text)) /* its tkid is not that of its token */
			fail(n, TOKEN_UNKNOWN_ID, (struct slice){ NULL, 0 });
	} else if (may_wait(x, r) && tokens_askable(x->core, r, n->text)) {
		n->no_local = true;
		n->way = WAY_FETCH;
	} else {
		fail(n, TOKEN_UNKNOWN_ID, (struct slice){ NULL, 0 });
	}
}

static void look_for(struct exec *x, struct req *r, struct tokens_state *s, struct named *n)
{
	if (n->kind == NAMED_TOKEN)
		verify(x, r, n, n->text, (struct slice){ NULL, 0 });
	else if (n->kind == NAMED_ID)
		look_for_id(x, r, s, n);
	else if ((n->e = token_cache_by_local_id(x->core->tokens->cache, n->text, x->now)))
		n->way = WAY_DONE;
	else
		fail(n, TOKEN_UNKNOWN_ID, S("this CSE has no such Local-Token-ID (any more); send the token or its Token-ID"));
}

/* The AE says that its DAS holds a mapping record for the token (AUTHZ-202): so it is known when its AE-ID changes. */
static void note_mapping(struct core *c, const struct req *r, struct named *n, usec now)
{
	struct token_new how = { .token = n->e->token, .hash = n->e->hash, .holder = n->e->holder, .ae = n->e->ae, .mapped = true };
	const struct token_entry *e;

	if (!r->auri || n->e->mapped || n->kind == NAMED_LOCAL || r->work->who_kind == ID_CSE)
		return;
	if ((e = token_cache_put(c->tokens->cache, &how, token_cache_generation(c->tokens->cache), now))) {
		token_entry_put(c->tokens->cache, n->e);
		n->e = e;
	}
}

static void gather_direct(struct exec *x, struct req *r, struct tokens_state *s)
{
	struct token_cache *cache = x->core->tokens->cache;
	struct token_facts facts = facts_of(x->core, r, NULL, x->now);
	uint64_t ae = 0;
	size_t n = 0;

	if (s->direct_run == r->work->rights.run + 1)
		return;
	s->direct_run = r->work->rights.run + 1;
	for (size_t i = 0; i < s->n_direct; i++)
		token_entry_put(cache, s->direct[i]);
	s->n_direct = token_cache_any_direct(cache) ? token_cache_by_holder(cache, r->work->who, x->now, s->direct, DIRECT_MOST) : 0;
	if (s->n_direct)
		ae = rights_registration(x, r);
	for (size_t i = 0; i < s->n_direct; i++)
		if (s->direct[i]->ae == ae && token_check(s->direct[i]->token, s->direct[i]->holder, &facts) == TOKEN_GOOD)
			s->direct[n++] = s->direct[i];
		else
			token_entry_put(cache, s->direct[i]);
	s->n_direct = n;
	s->built = false;
}

/* The holder is somebody else; the Originator may be the same AE with another AE-ID (AUTHZ-204, 207). */
static void ask_relation(struct exec *x, struct req *r, struct tokens_state *s, struct named *n, const struct token_facts *facts)
{
	struct token_cache *cache = x->core->tokens->cache;
	const struct token_claims *c = token_claims(n->e->token);
	struct token_new how = { .token = n->e->token, .hash = n->e->hash, .holder = facts->who, .direct = n->e->direct,
				 .ae = n->e->direct ? rights_registration(x, r) : 0, .mapped = true };
	const struct token_entry *e;

	if (token_check(n->e->token, facts->who, facts) != TOKEN_GOOD)
		return;
	switch (relation_of(x, r, c)) {
	case RELATION_PROVEN:
		if (!(e = token_cache_put(cache, &how, token_cache_generation(cache), x->now)))
			return;
		token_entry_put(cache, n->e);
		n->e = e;
		n->fault = TOKEN_GOOD;
		break;
	case RELATION_ASK:
		s->relation = true;
		break;
	default:
		break;
	}
}

/* It may have been revoked while the request waited: as if it were named now. */
static void look_again(struct token_cache *cache, struct named *n)
{
	if (!n->e || !token_entry_withdrawn(n->e))
		return;
	token_entry_put(cache, n->e);
	*n = (struct named){ .kind = n->kind, .index = n->index, .text = n->text };
}

/* Look for every token, and hold those that are there against the request. */
static void gather(struct exec *x, struct req *r, struct tokens_state *s)
{
	struct token_facts facts = facts_of(x->core, r, NULL, x->now);

	gather_direct(x, r, s);
	if (s->checked == x->now && !x->write)
		return;
	s->checked = x->now;
	s->relation = false;
	for (size_t i = 0; i < s->n; i++) {
		struct named *n = &s->v[i];

		look_again(x->core->tokens->cache, n);
		if (n->way != WAY_DONE) {
			look_for(x, r, s, n);
			s->built = false;
		}
		if (!n->e || (n->fault && n->fault != TOKEN_HOLDER))
			continue;
		n->fault = token_check(n->e->token, n->e->holder, &facts);
		if (n->fault == TOKEN_HOLDER)
			ask_relation(x, r, s, n, &facts);
		if (!n->fault)
			note_mapping(x->core, r, n, x->now);
	}
}

static const struct named *first_bad(const struct tokens_state *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].way == WAY_DONE && s->v[i].fault)
			return &s->v[i];
	return NULL;
}

static bool pending(const struct tokens_state *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].way != WAY_DONE)
			return true;
	return false;
}

/* --- telling --- */

static const char *parameter(const struct named *n)
{
	static const char *const names[] = { [NAMED_TOKEN] = "tkns", [NAMED_ID] = "tids", [NAMED_LOCAL] = "ltids" };
	return names[n->kind];
}

static void tell(struct req *r, const struct token_entry *e, const struct named *n)
{
	const struct token_claims *c = e ? token_claims(e->token) : NULL;
	struct buf b;

	buf_init(&b, 4096);
	buf_lit(&b, "{\"token\":");
	if (c)
		buf_json(&b, c->id);
	else if (n->kind == NAMED_TOKEN)
		buf_printf(&b, "\"tkns[%u]\"", n->index);
	else
		buf_json(&b, n->text);
	if (c) {
		buf_lit(&b, ",\"issuer\":");
		buf_json(&b, c->issuer);
	}
	buf_printf(&b, ",\"verdict\":\"%s\"", token_fault_name(n ? n->fault : TOKEN_GOOD));
	if (e && token_unused(e->token).n) {
		buf_lit(&b, ",\"unused\":");
		buf_json(&b, token_unused(e->token));
	}
	buf_char(&b, '}');
	if (!b.failed)
		rights_tell(r, buf_view(&b));
	buf_free(&b);
}

static void tell_all(struct req *r, const struct tokens_state *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].way == WAY_DONE)
			tell(r, s->v[i].e, &s->v[i]);
	for (size_t i = 0; i < s->n_direct; i++)
		tell(r, s->direct[i], NULL);
}

/* Assigned Token Identifiers: for tokens that came whole or by Token-ID, so that next time their short name does (AUTHZ-178). */
static void assign(const struct exec *x, struct req *r, const struct tokens_state *s)
{
	struct buf b;
	size_t n = 0;

	if (r->ati.n || !(r->n_tkns + r->n_tids))
		return;
	buf_init(&b, 65536);
	for (size_t i = 0; i < s->n; i++) {
		const struct token_entry *e = s->v[i].e;
		if (!e || s->v[i].fault || s->v[i].kind == NAMED_LOCAL || !token_entry_tell(e, x->now))
			continue;
		if (!n)
			buf_lit(&b, "{\"ltia\":[");
		buf_printf(&b, "%s{\"lti\":\"%s\",\"tkid\":", n++ ? "," : "", e->local_id);
		buf_json(&b, token_claims(e->token)->id);
		buf_char(&b, '}');
	}
	buf_lit(&b, "]}");
	if (n && !b.failed)
		r->ati = arena_dup(&r->arena, buf_view(&b));
	buf_free(&b);
}

static enum reeve_rc refuse(struct req *r, const struct named *bad)
{
	struct slice why = bad->why.n ? bad->why : slice_str(token_fault_text(bad->fault));

	r->work->rights.reason = arena_printf(&r->arena, "%s[%u]: %.*s", parameter(bad), bad->index, SF(why));
	return RC_REFUSED;
}

/* --- the method --- */

static enum reeve_rc judge(struct exec *x, struct req *r, const struct rights_question *q)
{
	struct tokens_state *s;
	const struct named *bad;
	bool permitted;

	if (!x->core->tokens || (!(r->n_tkns + r->n_tids + r->n_ltids) && !token_cache_any_direct(x->core->tokens->cache)) ||
	    !(s = state_of(r)))
		return RC_NOTFOUND;
	gather(x, r, s);
	if ((bad = first_bad(s)) != NULL) {
		if (!q->final || (s->relation && relation_pending(r)))
			return RC_NOTFOUND;
		tell_all(r, s);
		assign(x, r, s);
		return refuse(r, bad);
	}
	if (pending(s))
		return RC_NOTFOUND;
	permitted = tokens_permit(x, r, q, s);
	assign(x, r, s);
	if (q->final && !permitted) /* nobody reads the story of what was permitted */
		tell_all(r, s);
	return permitted ? RC_OK : RC_NOTFOUND;
}

static bool wants(struct exec *x, struct req *r, const struct rights_question *q)
{
	struct tokens_state *s = r->work->rights.state[RIGHTS_TOKENS];

	if (!s || first_bad(s) || !pending(s))
		return false;
	s->target_ty = q->target->h.ty;
	return notify_address(x, &r->arena, q->target, &s->target) == RC_OK;
}

/* The <token> that r creates, or whose holder it changes: open it here, for the writer will want to know what it says. */
static void open_resource(struct exec *x, struct req *r)
{
	struct req_work *w = r->work;
	struct tokens_state *s;
	struct slice text = { NULL, 0 }, why;
	uint8_t hash[TOKEN_HASH];
	struct target t;

	if (!x->core->tokens || !w->m || w->m->ty != TYPE_TOKEN || w->content_rsc || !(s = state_of(r)) || s->opened)
		return;
	for (size_t i = 0; r->op == OP_CREATE && i < w->n_attrs; i++)
		if (slice_eq(slice_str(w->attrs[i].a->sn), S("tkob")))
			text = inside(w->attrs[i].raw);
	if (r->op == OP_UPDATE && exec_lookup(x, r->to, &t) == RC_OK && !t.virt && t.res.h.ty == TYPE_TOKEN)
		text = inside(res_member(&t.res, S("tkob")));
	if (!text.n)
		return;
	token_hash(text, hash);
	(void)open_text(x->core, &r->arena, text, hash, x->now, &s->opened, &why);
}

const struct token *tokens_opened(const struct req *r)
{
	const struct tokens_state *s = r->work->rights.state[RIGHTS_TOKENS];
	return s ? s->opened : NULL;
}

void tokens_prepare(struct exec *x, struct req *r)
{
	static const unsigned bits[] = { [OP_CREATE] = ACOP_CREATE, [OP_UPDATE] = ACOP_UPDATE, [OP_DELETE] = ACOP_DELETE };
	struct tokens_state *s;
	struct target t;

	open_resource(x, r);
	if (r->op != OP_CREATE && r->op != OP_UPDATE && r->op != OP_DELETE)
		return;
	if (!(r->n_tkns + r->n_tids) || !x->core->tokens || !r->work->who.n || exec_lookup(x, r->to, &t) != RC_OK)
		return;
	if (!t.virt)
		(void)exec_permitted(x, r, &t.res, bits[r->op], r->op == OP_CREATE ? (int32_t)r->ty : 0);
	else if ((s = state_of(r))) /* which policies will be asked is not so simple */
		gather(x, r, s);
}

const struct rights_method rights_tokens = { .name = "tokens", .judge = judge, .wants = wants, .fetch = tokens_fetch };
