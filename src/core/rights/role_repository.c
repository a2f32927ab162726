/* SPDX-License-Identifier: Apache-2.0 */
/* Asking repositories (on the hub), and the table of their answers (any thread, under a lock that is held for a comparison and a copy).
 *
 * An answer never changes: a new one takes the place of an old one. What a repository says is as hostile as any input: sizes are
 * bounded, and whether a role counts is decided by role_fault each time it is claimed. */
#include "core/rights/role_repository.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "core/cse/outbound.h"
#include "core/own.h"
#include "core/references.h"

enum {
	ROLES_MOST = 32,      /* of one holder in one repository */
	TEXT_MOST = 512,      /* bytes of an identifier or address */
	FETCH_MEMORY = 1 << 18,
	FORMS = 3,            /* how a holder may be spelt */
	BUCKETS_MOST = 1 << 16,
};

/* --- answers --- */

struct entry {
	struct entry *chain;
	struct entry *older, *newer;
	uint64_t hash;
	usec since;              /* monotonic */
	bool answered;
	struct slice repository, holder;
	size_t n;
	struct role_seen v[ROLES_MOST];
	struct arena a;
};

struct role_repository {
	pthread_mutex_t lock;    /* of the table; the rest belongs to the hub */
	struct entry **bucket;
	size_t mask, n;
	struct entry *oldest, *newest;
	struct role_fetch *fetches;
	size_t n_fetches;
};

enum reeve_rc role_repository_new(struct core *c)
{
	struct role_repository *t = calloc(1, sizeof(*t));
	size_t buckets = 16;

	if (!t)
		return RC_NOMEM;
	while (buckets < c->cfg->roles.cache && buckets < BUCKETS_MOST)
		buckets *= 2;
	t->mask = buckets - 1;
	if (!(t->bucket = calloc(buckets, sizeof(struct entry *)))) {
		free(t);
		return RC_NOMEM;
	}
	pthread_mutex_init(&t->lock, NULL);
	c->role_repository = t;
	return RC_OK;
}

static void entry_free(struct entry *e)
{
	arena_reset(&e->a);
	free(e);
}

static uint64_t hash_of(struct slice repository, struct slice holder)
{
	uint64_t part[2] = { hash_slice(repository), hash_slice(holder) };
	return hash_mem(part, sizeof(part));
}

static struct entry **place(struct role_repository *t, uint64_t hash, struct slice repository, struct slice holder)
{
	struct entry **at = &t->bucket[hash & t->mask];

	while (*at && !((*at)->hash == hash && slice_eq((*at)->holder, holder) && slice_eq((*at)->repository, repository)))
		at = &(*at)->chain;
	return at;
}

static void take_out(struct role_repository *t, struct entry **at)
{
	struct entry *e = *at;

	*at = e->chain;
	*(e->older ? &e->older->newer : &t->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &t->newest) = e->older;
	t->n--;
	entry_free(e);
}

static void enter(struct role_repository *t, struct entry *e, size_t most)
{
	struct entry **at;

	pthread_mutex_lock(&t->lock);
	if (*(at = place(t, e->hash, e->repository, e->holder)))
		take_out(t, at);
	while (t->n >= most)
		take_out(t, place(t, t->oldest->hash, t->oldest->repository, t->oldest->holder));
	at = &t->bucket[e->hash & t->mask];
	e->chain = *at;
	*at = e;
	e->older = t->newest;
	*(t->newest ? &t->newest->newer : &t->oldest) = e;
	t->newest = e;
	t->n++;
	pthread_mutex_unlock(&t->lock);
}

static struct role_seen seen_copy(struct arena *a, const struct role_seen *s)
{
	struct role_seen out = *s;

	out.role.id = arena_dup(a, s->role.id);
	out.role.issuer = arena_dup(a, s->role.issuer);
	out.role.holder = arena_dup(a, s->role.holder);
	out.address = arena_dup(a, s->address);
	return out;
}

enum role_answer role_repository_look(struct core *c, struct slice repository, struct slice holder, struct slice id, struct arena *a,
				      struct role_seen *out, size_t most, size_t *n)
{
	struct role_repository *t = c->role_repository;
	enum role_answer answer = ROLE_NOT_ASKED;
	usec now = clock_mono();
	const struct entry *e;

	*n = 0;
	if (!t)
		return ROLE_NOT_ASKED;
	pthread_mutex_lock(&t->lock);
	e = *place(t, hash_of(repository, holder), repository, holder);
	if (e && now - e->since < c->cfg->roles.cache_time) {
		for (size_t i = 0; i < e->n && *n < most; i++)
			if (slice_eq(e->v[i].role.id, id))
				out[(*n)++] = seen_copy(a, &e->v[i]);
		if (*n || now - e->since < c->cfg->roles.refusal_time) /* what is not there may come any moment */
			answer = e->answered ? ROLE_ANSWERED : ROLE_NO_ANSWER;
	}
	pthread_mutex_unlock(&t->lock);
	return answer;
}

/* --- asking --- */

struct retrieving { struct outbound out; struct role_fetch *f; struct slice to; };

struct role_fetch {
	struct role_fetch *next, *prev;
	struct core *core;
	struct entry *e;         /* the answer in the making */
	struct ident_home there; /* names are relative to the CSE of the repository */
	struct slice form[FORMS]; size_t n_forms, next_form;
	struct req *with;        /* parameters of the Discovery */
	struct outbound discovery;
	struct retrieving get[ROLES_MOST];
	size_t n_get, pending;
	bool failed, starting, over;
	struct waiter *waits;
	struct loop_msg msg;
};

static void discover(struct role_fetch *f);

static void fetch_free(struct role_fetch *f)
{
	struct role_repository *t = f->core->role_repository;

	*(f->prev ? &f->prev->next : &t->fetches) = f->next;
	if (f->next)
		f->next->prev = f->prev;
	t->n_fetches--;
	if (f->with)
		own_drop(f->core, f->with);
	if (f->e)
		entry_free(f->e);
	free(f);
}

/* The answer is complete: enter it, then tell who waits. Those may ask again at once. */
static void finish(struct role_fetch *f)
{
	const struct config *cfg = f->core->cfg;

	f->e->answered = !f->failed;
	f->e->since = clock_mono();
	if (f->e->a.failed)
		entry_free(f->e);
	else
		enter(f->core->role_repository, f->e, cfg->roles.cache);
	f->e = NULL;
	waiters_tell(&f->waits);
	fetch_free(f);
}

static void finish_later(struct loop *l, struct loop_msg *m)
{
	(void)l;
	finish((struct role_fetch *)((char *)m - offsetof(struct role_fetch, msg)));
}

static void over(struct role_fetch *f)
{
	f->over = true;
	if (!f->starting)
		finish(f);
}

/* An address as the repository told it: relative ones are of its own CSE. */
static struct slice address_of(struct role_fetch *f, struct slice told)
{
	struct slice cse;

	if (!told.n || told.n > TEXT_MOST)
		return (struct slice){ NULL, 0 };
	if (told.p[0] == '/')
		return arena_dup(&f->e->a, told);
	cse = slice_eq(f->there.sp_id, f->core->home.sp_id) ? f->there.cse_id : f->there.abs;
	return arena_printf(&f->e->a, "%.*s/%.*s", SF(cse), SF(told));
}

static bool fits(const struct role *r)
{
	return r->id.n <= TEXT_MOST && r->issuer.n <= TEXT_MOST && r->holder.n <= TEXT_MOST;
}

static void retrieved(struct outbound *o, const struct rsp *rsp)
{
	struct retrieving *g = o->owner;
	struct role_fetch *f = g->f;
	struct role_seen seen = { .address = g->to };
	struct slice why;
	struct arena a;
	struct json j;
	uint32_t obj;

	arena_init(&a, NULL, 0, FETCH_MEMORY);
	if (rsp->rsc == 2000 && rsp->pc.n && json_parse(&a, rsp->pc, &json_default_limits, &j, &why) == RC_OK &&
	    (obj = json_member(&j, 0, S("m2m:rol"))) && role_read(&f->there, &a, &j, obj, &seen.role) == RC_OK && fits(&seen.role))
		f->e->v[f->e->n++] = seen_copy(&f->e->a, &seen);
	arena_reset(&a);
	if (--f->pending == 0)
		over(f);
}

static void retrieve_all(struct role_fetch *f)
{
	f->pending = f->n_get + 1;
	for (size_t i = 0; i < f->n_get; i++) {
		struct retrieving *g = &f->get[i];

		g->f = f;
		g->out = (struct outbound){ .target = g->to, .op = OP_RETRIEVE, .timeout = f->core->cfg->roles.timeout, .done = retrieved,
					    .owner = g };
		outbound_send(f->core, &g->out);
	}
	if (--f->pending == 0)
		over(f);
}

/* The list of addresses in the answer to a Discovery. */
static void read_list(struct role_fetch *f, struct slice pc)
{
	struct slice why, found, to;
	struct arena a;
	struct json j;
	uint32_t at = 0;

	arena_init(&a, NULL, 0, FETCH_MEMORY);
	if (pc.n && json_parse(&a, pc, &json_default_limits, &j, &why) == RC_OK)
		while (f->n_get < ROLES_MOST && (found = references_next(&a, &j, &at)).p)
			if ((to = address_of(f, found)).p)
				f->get[f->n_get++].to = to;
	arena_reset(&a);
}

static void discovered(struct outbound *o, const struct rsp *rsp)
{
	struct role_fetch *f = o->owner;

	if (rsp->rsc == 2000)
		read_list(f, rsp->pc);
	else /* where nothing is found, the answer is an empty list */
		f->failed = true;
	if (f->n_get)
		retrieve_all(f);
	else if (!f->failed && f->next_form < f->n_forms)
		discover(f);
	else
		over(f);
}

/* Discovery of the roles of the holder, spelt in one of its forms. */
static void discover(struct role_fetch *f)
{
	struct req *q = f->with;
	int64_t *ty = arena_alloc(&q->arena, sizeof(*ty));

	filter_init(&q->fc);
	q->has = HAS_RCN | HAS_FC;
	q->rcn = 6;
	q->fc.fu = 1;
	q->fc.lim = ROLES_MOST;
	if (ty) {
		*ty = TYPE_ROLE;
		q->fc.ty = (struct filter_nums){ ty, 1 };
	}
	if (!ty || filter_attr_add(&q->fc, &q->arena, S("tkhd"), f->form[f->next_form++]) != RC_OK) {
		f->failed = true;
		over(f);
		return;
	}
	f->discovery = (struct outbound){ .target = f->e->repository, .op = OP_RETRIEVE, .timeout = f->core->cfg->roles.timeout, .with = q,
					  .done = discovered, .owner = f };
	outbound_send(f->core, &f->discovery);
}

/* The names of the CSE a repository is at: "/in1/inbase" or "//sp.example/in1/inbase". */
static bool names_of(struct role_fetch *f)
{
	struct slice at = f->e->repository, sp = f->core->home.sp_id, rest;
	struct arena *a = &f->e->a;

	if (slice_starts(at, S("//"))) {
		rest = slice_skip(at, 2);
		(void)slice_cut(&rest, '/');
		if (!rest.n)
			return false;
		sp = slice_of(at.p, (size_t)(rest.p - 1 - at.p));
		at = slice_of(rest.p - 1, rest.n + 1);
	}
	if (at.n < 2 || at.p[0] != '/')
		return false;
	rest = slice_skip(at, 1);
	(void)slice_cut(&rest, '/');
	f->there.sp_id = sp;
	f->there.cse_id = slice_of(at.p, rest.p ? (size_t)(rest.p - 1 - at.p) : at.n);
	f->there.abs = arena_printf(a, "%.*s%.*s", SF(sp), SF(f->there.cse_id));
	return f->there.abs.p != NULL;
}

/* Absolute; relative to the service provider; relative to the CSE of the repository. */
static void forms_of(struct role_fetch *f)
{
	struct slice who = f->e->holder, sp = f->there.sp_id, cse = f->there.abs;

	f->form[f->n_forms++] = who;
	if (who.n > sp.n && slice_starts(who, sp) && who.p[sp.n] == '/')
		f->form[f->n_forms++] = slice_skip(who, sp.n);
	if (who.n > cse.n && slice_starts(who, cse) && who.p[cse.n] == '/')
		f->form[f->n_forms++] = slice_skip(who, cse.n + 1);
}

static struct role_fetch *fetch_new(struct core *c, struct slice repository, struct slice holder)
{
	struct role_repository *t = c->role_repository;
	struct role_fetch *f = calloc(1, sizeof(*f));
	struct entry *e = f ? calloc(1, sizeof(*e)) : NULL;

	if (!e) {
		free(f);
		return NULL;
	}
	arena_init(&e->a, NULL, 0, FETCH_MEMORY);
	e->repository = arena_dup(&e->a, repository);
	e->holder = arena_dup(&e->a, holder);
	e->hash = hash_of(repository, holder);
	f->core = c;
	f->e = e;
	f->next = t->fetches;
	if (f->next)
		f->next->prev = f;
	t->fetches = f;
	t->n_fetches++;
	if (e->a.failed || !names_of(f) || !(f->with = own_request(c))) {
		fetch_free(f);
		return NULL;
	}
	forms_of(f);
	return f;
}

bool role_repository_ask(struct core *c, struct slice repository, struct slice holder, struct waiter *w)
{
	struct role_repository *t = c->role_repository;
	struct role_fetch *f = t->fetches;
	bool fresh;

	if (repository.n > TEXT_MOST || holder.n > TEXT_MOST)
		return false;
	while (f && (f->over || !slice_eq(f->e->holder, holder) || !slice_eq(f->e->repository, repository)))
		f = f->next;
	if ((fresh = !f)) {
		if (t->n_fetches >= c->cfg->roles.fetches) {
			metrics_inc(&c->metrics, limit_role_fetches);
			return false;
		}
		if (!(f = fetch_new(c, repository, holder)))
			return false;
	}
	waiter_join(&f->waits, w);
	if (!fresh)
		return true;
	metrics_inc(&c->metrics, role_fetches);
	f->starting = true; /* an end that comes at once is told in a later turn */
	discover(f);
	f->starting = false;
	if (f->over) {
		f->msg.fn = finish_later;
		loop_post(&c->loops[0], &f->msg);
	}
	return true;
}

void role_repository_free(struct core *c)
{
	struct role_repository *t = c->role_repository;

	if (!t)
		return;
	while (t->fetches)
		fetch_free(t->fetches);
	while (t->oldest)
		take_out(t, place(t, t->oldest->hash, t->oldest->repository, t->oldest->holder));
	pthread_mutex_destroy(&t->lock);
	free(t->bucket);
	free(t);
	c->role_repository = NULL;
}
