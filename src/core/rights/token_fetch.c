/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that a request only names: the DAS of their domain is asked (TS-0001 11.5.3 step 6; authorization.md 5.4, 10.10; AUTHZ-201).
 *
 * The Token-IDs of one DAS go in one Notify. Requests of one Originator that want the same Token-ID share it; those of another do not,
 * because the DAS is told who asks and may answer nothing to him. What led nowhere is remembered for seconds, so that it costs
 * neither us nor the DAS a message each time. All of it lives on the hub. */
#include "core/rights/tokens_int.h"

#include <stdlib.h>

#include "base/hash.h"
#include "core/hub.h"
#include "core/cse/outbound.h"

enum { CONTENT_MOST = 1 << 20, MISSED = sizeof(((struct tokens *)0)->missed) / sizeof(((struct tokens *)0)->missed[0]) };

struct waiter { struct waiter *next; struct req *r; };

/* One DAS and what it is asked for. Its texts are in its arena. */
struct fetch {
	struct outbound out;
	struct fetch *next, **link;
	struct core *core;
	struct issuers *issuers;
	const struct issuer *das;
	size_t address;          /* the next one to try */
	usec until;
	struct slice who;
	struct slice *ids; size_t n_ids, room;
	bool sent;
	struct waiter *waiters;
	struct arena a;
};

struct fetches { struct fetch *all; size_t n; };

struct fetches *fetches_new(void) { return calloc(1, sizeof(struct fetches)); }

static void fetch_free(struct fetches *all, struct fetch *f)
{
	*f->link = f->next;
	if (f->next)
		f->next->link = f->link;
	all->n--;
	issuers_put(f->issuers);
	arena_reset(&f->a);
	free(f);
}

void fetches_free(struct fetches *all)
{
	while (all && all->all)
		fetch_free(all, all->all);
	free(all);
}

/* --- what led nowhere --- */

static uint64_t miss_key(struct slice who, struct slice id)
{
	uint64_t both[2] = { hash_slice(who), hash_slice(id) };
	uint64_t key = hash_mem(both, sizeof(both));
	return key ? key : 1;
}

static bool missed(struct core *c, struct slice who, struct slice id, usec now)
{
	uint64_t key = miss_key(who, id);
	struct tokens *t = c->tokens;
	bool yes;

	pthread_mutex_lock(&t->lock);
	yes = t->missed[key % MISSED].key == key && t->missed[key % MISSED].until > now;
	pthread_mutex_unlock(&t->lock);
	return yes;
}

static void miss(struct core *c, struct slice who, struct slice id)
{
	uint64_t key = miss_key(who, id);
	struct tokens *t = c->tokens;

	pthread_mutex_lock(&t->lock);
	t->missed[key % MISSED].key = key;
	t->missed[key % MISSED].until = clock_wall() + c->cfg->authz.unknown_kept;
	pthread_mutex_unlock(&t->lock);
}

/* The DAS for a Token-ID of r; *is is a reference then. No loops: a DAS is not asked about its own requests (AUTHZ-203). */
static const struct issuer *das_for(struct core *c, const struct req *r, struct slice id, struct issuers **is)
{
	const struct issuer *das;

	*is = trust_issuers(c);
	das = issuers_by_domain(*is, issuer_domain_of(id));
	if (das && das->n_das && !slice_eq(das->id, r->work->who))
		return das;
	issuers_put(*is);
	*is = NULL;
	return NULL;
}

bool tokens_askable(struct core *c, const struct req *r, struct slice id)
{
	struct issuers *is;
	bool yes = das_for(c, r, id, &is) && !missed(c, r->work->who, id, clock_wall());

	issuers_put(is);
	return yes;
}

/* --- the question --- */

static struct slice question(struct fetch *f, const struct req *r, const struct tokens_state *s)
{
	char now[TEXT_TIMESTAMP_MAX];
	struct slice text = { NULL, 0 };
	struct buf b;

	buf_init(&b, CONTENT_MOST);
	buf_lit(&b, "{\"m2m:seci\":{\"sit\":1,\"dreq\":{\"or\":");
	buf_json(&b, f->who);
	buf_printf(&b, ",\"trt\":%d,\"op\":%d,\"rts\":\"%.*s\",\"trid\":", (int)s->target_ty, (int)r->op,
		   (int)text_timestamp_write(clock_wall() / USEC_S * USEC_S, now), now);
	buf_slice(&b, s->target);
	for (size_t i = 0; i < f->n_ids; i++) {
		buf_slice(&b, i ? S(",") : S(",\"tids\":["));
		buf_json(&b, f->ids[i]);
	}
	buf_lit(&b, "]}}}");
	if (!b.failed)
		text = arena_dup(&f->a, buf_view(&b));
	buf_free(&b);
	return text;
}

/* --- the answer --- */

/* The place of a Token-ID among those asked for; NULL: it was not, or has come. */
static struct slice *asked_for(const struct fetch *f, struct slice id)
{
	for (size_t i = 0; i < f->n_ids; i++)
		if (slice_eq(f->ids[i], id))
			return &f->ids[i];
	return NULL;
}

/* Give the token to those who wait for it: the cache may be full, or there may be none. */
static void hand_out(struct fetch *f, const struct token_entry *e)
{
	for (struct waiter *w = f->waiters; w; w = w->next) {
		struct tokens_state *s = w->r->work->rights.state[RIGHTS_TOKENS];

		for (size_t i = 0; i < s->n; i++) {
			struct named *n = &s->v[i];
			if (n->kind != NAMED_ID || n->way != WAY_FETCH || !slice_eq(n->text, token_claims(e->token)->id))
				continue;
			n->e = token_entry_get(e);
			n->way = WAY_DONE;
			s->built = false;
		}
	}
}

static void take(struct fetch *f, struct slice text)
{
	struct token_new how = { .from = f->das };
	const struct token_entry *e;
	struct slice why, *id;

	if (tokens_verify(f->core, &f->a, text, &how, clock_wall(), &e, &why) != TOKEN_GOOD)
		return;
	id = asked_for(f, token_claims(e->token)->id);
	if (id && issuer_may_deliver(f->das, token_claims(e->token)->issuer)) {
		hand_out(f, e);
		*id = (struct slice){ NULL, 0 };
	}
	token_entry_put(f->core->tokens->cache, e);
}

/* {"m2m:seci":{"sit":2,"dres":{"tkns":[...]}}}; anything else brings nothing (AUTHZ-189). */
static void take_all(struct fetch *f, struct slice pc)
{
	struct slice why;
	struct json j;
	uint32_t seci, dres, tkns;
	uint64_t sit;

	if (!pc.n || json_parse(&f->a, pc, &json_default_limits, &j, &why) != RC_OK || !(seci = json_member(&j, 0, S("m2m:seci"))) ||
	    !json_u64(&j, json_member(&j, seci, S("sit")), &sit) || sit != SECI_DAS_RESPONSE ||
	    !(dres = json_member(&j, seci, S("dres"))) || !(tkns = json_member(&j, dres, S("tkns"))) || json_kind(&j, tkns) != J_ARRAY)
		return;
	for (uint32_t i = tkns + 1, n = 0; i < j.tok[tkns].next && n < f->n_ids; i = j.tok[i].next, n++) {
		struct slice text = json_string(&f->a, &j, i);
		if (text.n)
			take(f, text);
	}
}

/* r does not wait for one more fetch. */
static void release(struct core *c, struct req *r)
{
	struct tokens_state *s = r->work->rights.state[RIGHTS_TOKENS];

	if (--s->waiting == 0)
		hub_run(c, r, rights_fetched);
}

static void fetch_end(struct fetch *f)
{
	struct core *c = f->core;

	for (size_t i = 0; i < f->n_ids; i++)
		if (f->ids[i].n)
			miss(c, f->who, f->ids[i]);
	for (struct waiter *w = f->waiters; w; w = w->next)
		release(c, w->r);
	fetch_free(c->tokens->fetches, f);
}

static void answered(struct outbound *o, const struct rsp *rsp);

/* The next address of the DAS, in the time that is left. False: there is none. */
static bool try_next(struct fetch *f)
{
	usec left = f->until - clock_wall();

	if (f->address == f->das->n_das || left <= 0)
		return false;
	f->out.target = f->das->das[f->address++];
	f->out.timeout = left;
	f->out.done = answered;
	f->out.owner = f;
	outbound_send(f->core, &f->out);
	return true;
}

static void answered(struct outbound *o, const struct rsp *rsp)
{
	struct fetch *f = o->owner;

	if ((rsp->rsc == 5103 || rsp->rsc == 4008 || rsp->rsc == 4004) && try_next(f))
		return;
	if (rsp->rsc >= 2000 && rsp->rsc < 3000)
		take_all(f, rsp->pc);
	fetch_end(f);
}

/* --- asking --- */

static bool join(struct fetch *f, struct req *r)
{
	struct tokens_state *s = r->work->rights.state[RIGHTS_TOKENS];
	struct waiter *w;

	for (w = f->waiters; w; w = w->next)
		if (w->r == r)
			return true;
	if (!(w = arena_alloc(&f->a, sizeof(*w))))
		return false;
	*w = (struct waiter){ .next = f->waiters, .r = r };
	f->waiters = w;
	s->waiting++;
	return true;
}

static bool add_id(struct fetch *f, struct slice id)
{
	if (f->n_ids == f->room) {
		size_t room = f->room ? 2 * f->room : 8;
		struct slice *v = arena_array(&f->a, room, sizeof(*v));
		if (!v)
			return false;
		if (f->n_ids)
			memcpy(v, f->ids, f->n_ids * sizeof(*v));
		f->ids = v;
		f->room = room;
	}
	f->ids[f->n_ids] = arena_dup(&f->a, id);
	return f->ids[f->n_ids++].p != NULL;
}

static struct fetch *fetch_new(struct core *c, const struct req *r, struct issuers *is, const struct issuer *das, usec until)
{
	struct fetches *all = c->tokens->fetches;
	struct fetch *f = all->n < c->cfg->limits.token_fetches ? calloc(1, sizeof(*f)) : NULL;

	if (!f)
		return NULL;
	arena_init(&f->a, NULL, 0, 4 << 20);
	f->core = c;
	f->issuers = issuers_get(is);
	f->das = das;
	f->until = until;
	f->who = arena_dup(&f->a, r->work->who);
	f->link = &all->all;
	f->next = all->all;
	if (f->next)
		f->next->link = &f->next;
	all->all = f;
	all->n++;
	return f;
}

/* Let r wait for this Token-ID: with others of the same Originator, or by a Notify that this call will send. */
static void want(struct core *c, struct req *r, struct slice id, usec until)
{
	struct fetches *all = c->tokens->fetches;
	struct issuers *is;
	const struct issuer *das = das_for(c, r, id, &is);
	struct fetch *f, *mine = NULL;

	for (f = das ? all->all : NULL; f; f = f->next) {
		if (!slice_eq(f->who, r->work->who) || !slice_eq(f->das->id, das->id) || f->until > until)
			continue;
		if (asked_for(f, id))
			break;
		if (!f->sent)
			mine = f;
	}
	if (das && !f && (f = mine ? mine : fetch_new(c, r, is, das, until)) && !add_id(f, id))
		f = NULL;
	if (f)
		(void)join(f, r); /* without memory it does not wait, and is refused */
	issuers_put(is);
}

void tokens_fetch(struct core *c, struct req *r)
{
	struct tokens_state *s = r->work->rights.state[RIGHTS_TOKENS];
	usec until = clock_wall() + rights_time_left(r, c->cfg->authz.fetch);
	struct fetches *all = c->tokens->fetches;

	s->waiting = 1;
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].way == WAY_FETCH)
			want(c, r, s->v[i].text, until);
	for (struct fetch *f = all->all, *next; f; f = next) {
		next = f->next;
		if (f->sent)
			continue;
		f->sent = true;
		metrics_inc(&c->metrics, token_fetches);
		f->out.op = OP_NOTIFY;
		f->out.pc = question(f, r, s);
		if (!f->out.pc.p || !try_next(f))
			fetch_end(f);
	}
	release(c, r);
}
