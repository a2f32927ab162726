/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the IN-CSE for the subscription of this CSE (TS-0001 10.2.2.2, TS-0004 7.3.2.7): Discovery of the <serviceSubscribedNode>
 * with the own CSE-ID, then a Retrieve of each, and of each rule it links. All with the own CSE-ID as From.
 *
 * One question is under way at a time, on the hub, and all who need its answer wait for it. An answer never changes: a new one takes its
 * place, under a lock that is held for a copy. What comes back is as hostile as any input: how many nodes and rules, and the memory of the
 * answer, are bounded. An IN-CSE that refuses has said that there is no subscription for this CSE; one that cannot be reached has
 * said nothing. */
#include <pthread.h>
#include <stdlib.h>

#include "core/cse/outbound.h"
#include "core/own.h"
#include "core/registration/profile.h"
#include "core/references.h"

enum { FORMS = 2, TEXT_MOST = 1024, ANSWER_MEMORY = 1 << 18, READ_MEMORY = 1 << 18 };

struct answer { usec since; struct profile profile; struct arena arena; };

struct profile_fetch;
typedef void reader(struct profile_fetch *f, struct arena *a, const struct json *j);
struct retrieving { struct outbound out; struct profile_fetch *f; struct slice to; reader *read; };

struct profile_fetch {
	struct core *core;
	struct answer *a;        /* in the making */
	unsigned next_form;      /* of the own CSE-ID */
	struct req *with;        /* parameters of the Discovery */
	struct outbound discovery;
	struct retrieving node[PROFILE_NODES_MOST], rule[PROFILE_RULES_MOST];
	size_t n_node, n_rule, pending;
	void (*then)(struct profile_fetch *f); /* when none is pending */
	bool starting, over, silent; /* silent: somebody did not answer */
	struct waiter *waits;
	struct loop_msg msg;
};

struct profile_far {
	pthread_mutex_t lock;    /* of the answer; the rest belongs to the hub */
	struct answer *answer;
	struct profile_fetch *fetch; /* under way; NULL: none */
};

static void discover(struct profile_fetch *f);

enum reeve_rc profile_far_new(struct core *c)
{
	struct profile_far *t = calloc(1, sizeof(*t));

	if (!t)
		return RC_NOMEM;
	pthread_mutex_init(&t->lock, NULL);
	c->profile_far = t;
	return RC_OK;
}

bool profile_is_far(const struct config *cfg)
{
	return cfg->type != CSE_IN && (cfg->profile.at.n || (cfg->profile.required && cfg->registrar.cse_id.n));
}

static struct slice where(const struct config *cfg)
{
	return cfg->profile.at.n ? cfg->profile.at : cfg->registrar.cse_id;
}

/* --- the answer --- */

static void answer_free(struct answer *a)
{
	if (!a)
		return;
	arena_reset(&a->arena);
	free(a);
}

static struct answer *answer_new(void)
{
	struct answer *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	arena_init(&a->arena, NULL, 0, ANSWER_MEMORY);
	a->profile.state = PROFILE_NO_NODE;
	a->profile.rules = arena_array(&a->arena, PROFILE_RULES_MOST, sizeof(*a->profile.rules));
	if (a->profile.rules)
		return a;
	answer_free(a);
	return NULL;
}

static enum reeve_rc copy(struct arena *a, const struct profile *from, struct profile *out)
{
	*out = (struct profile){ .state = from->state, .rules = arena_array(a, from->n + 1, sizeof(*out->rules)) };
	for (size_t i = 0; out->rules && i < from->n; i++)
		if (app_rule_copy(a, &from->rules[i], &out->rules[out->n++]) != RC_OK)
			return RC_NOMEM;
	return out->rules ? RC_OK : RC_NOMEM;
}

enum reeve_rc profile_far_look(struct core *c, struct arena *a, struct profile *out)
{
	struct profile_far *t = c->profile_far;
	const struct config *cfg = c->cfg;
	enum reeve_rc rc = RC_AGAIN;
	usec now = clock_mono(), lasts = 0;

	if (!t) {
		*out = (struct profile){ .state = PROFILE_NO_ANSWER };
		return RC_OK;
	}
	pthread_mutex_lock(&t->lock);
	if (t->answer)
		lasts = t->answer->profile.state == PROFILE_FOUND ? cfg->profile.cache_time : cfg->profile.refusal_time;
	if (t->answer && now - t->answer->since < lasts)
		rc = copy(a, &t->answer->profile, out);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

/* --- the end of a question --- */

static void fetch_free(struct profile_fetch *f)
{
	if (!f)
		return;
	if (f->with)
		own_drop(f->core, f->with);
	answer_free(f->a);
	free(f);
}

/* Those who wait may ask again at once. */
static void finish(struct profile_fetch *f)
{
	struct profile_far *t = f->core->profile_far;
	struct answer *old;

	if (f->silent || f->a->arena.failed)
		f->a->profile = (struct profile){ .state = PROFILE_NO_ANSWER };
	f->a->since = clock_mono();
	pthread_mutex_lock(&t->lock);
	old = t->answer;
	t->answer = f->a;
	pthread_mutex_unlock(&t->lock);
	answer_free(old);
	f->a = NULL;
	t->fetch = NULL;
	waiters_tell(&f->waits);
	fetch_free(f);
}

static void finish_later(struct loop *l, struct loop_msg *m)
{
	(void)l;
	finish((struct profile_fetch *)((char *)m - offsetof(struct profile_fetch, msg)));
}

static void over(struct profile_fetch *f)
{
	f->over = true;
	if (!f->starting)
		finish(f);
}

/* --- asking --- */

/* An address as the IN-CSE told it: relative ones are of itself. */
static struct slice address_of(struct profile_fetch *f, struct slice told)
{
	struct slice at = where(f->core->cfg), rest = at;

	if (!told.n || told.n > TEXT_MOST)
		return (struct slice){ NULL, 0 };
	if (told.p[0] == '/')
		return arena_dup(&f->a->arena, told);
	rest = slice_skip(rest, 1);
	if (slice_starts(at, S("//"))) {
		rest = slice_skip(at, 2);
		(void)slice_cut(&rest, '/');
	}
	(void)slice_cut(&rest, '/');
	return arena_printf(&f->a->arena, "%.*s/%.*s", (int)(rest.p ? (size_t)(rest.p - 1 - at.p) : at.n), at.p, SF(told));
}

static void add(struct profile_fetch *f, struct retrieving *list, size_t *n, size_t most, struct slice told)
{
	struct slice to = address_of(f, told);

	for (size_t i = 0; i < *n; i++)
		if (slice_eq(list[i].to, to))
			return;
	if (to.p && *n < most)
		list[(*n)++].to = to;
}

/* Nobody answered, or somebody on the way did that the IN-CSE cannot. */
static bool unanswered(const struct rsp *rsp) { return rsp->ours || rsp->rsc < 2000 || rsp->rsc >= 5000; }

static void one_less(struct profile_fetch *f)
{
	if (--f->pending == 0)
		f->then(f);
}

static void retrieved(struct outbound *o, const struct rsp *rsp)
{
	struct retrieving *g = o->owner;
	struct profile_fetch *f = g->f;
	struct slice why;
	struct arena a;
	struct json j;

	arena_init(&a, NULL, 0, READ_MEMORY);
	f->silent |= unanswered(rsp);
	if (rsp->rsc == 2000 && rsp->pc.n && json_parse(&a, rsp->pc, &json_default_limits, &j, &why) == RC_OK)
		g->read(f, &a, &j);
	arena_reset(&a);
	one_less(f);
}

static void retrieve_all(struct profile_fetch *f, struct retrieving *list, size_t n, reader *read, void (*then)(struct profile_fetch *f))
{
	f->pending = n + 1;
	f->then = then;
	for (size_t i = 0; i < n; i++) {
		list[i].f = f;
		list[i].read = read;
		list[i].out = (struct outbound){ .target = list[i].to, .op = OP_RETRIEVE, .timeout = f->core->cfg->profile.timeout,
						 .done = retrieved, .owner = &list[i] };
		outbound_send(f->core, &list[i].out);
	}
	one_less(f);
}

static void read_rule(struct profile_fetch *f, struct arena *a, const struct json *j)
{
	struct profile *p = &f->a->profile;
	uint32_t obj = json_member(j, 0, S("m2m:asar"));

	(void)a;
	if (obj && p->n < PROFILE_RULES_MOST && app_rule_read(&f->a->arena, j, obj, &p->rules[p->n]) == RC_OK)
		p->n++;
}

static void retrieve_rules(struct profile_fetch *f)
{
	retrieve_all(f, f->rule, f->n_rule, read_rule, over);
}

/* Whatever was found: it has to have the CSE-ID of this CSE. */
static void read_node(struct profile_fetch *f, struct arena *a, const struct json *j)
{
	uint32_t obj = json_member(j, 0, S("m2m:svsn")), links;
	struct slice csi = obj ? json_string(a, j, json_member(j, obj, S("csi"))) : S(""), canon;
	enum ident_kind kind;
	enum ident_form form;

	if (!csi.n || ident_parse(a, &f->core->home, csi, &kind, &form, &canon) != RC_OK || !slice_eq(canon, f->core->home.abs))
		return;
	f->a->profile.state = PROFILE_FOUND;
	links = json_member(j, obj, S("rlk"));
	for (uint32_t i = links + 1; links && json_kind(j, links) == J_ARRAY && i < j->tok[links].next; i = j->tok[i].next)
		add(f, f->rule, &f->n_rule, PROFILE_RULES_MOST, json_string(a, j, i));
}

/* The list of addresses in the answer to a Discovery. */
static void read_list(struct profile_fetch *f, struct slice pc)
{
	struct slice why, found;
	struct arena a;
	struct json j;
	uint32_t at = 0;

	arena_init(&a, NULL, 0, READ_MEMORY);
	if (pc.n && json_parse(&a, pc, &json_default_limits, &j, &why) == RC_OK)
		while ((found = references_next(&a, &j, &at)).p)
			add(f, f->node, &f->n_node, PROFILE_NODES_MOST, found);
	arena_reset(&a);
}

static void discovered(struct outbound *o, const struct rsp *rsp)
{
	struct profile_fetch *f = o->owner;

	if (rsp->rsc == 2000)
		read_list(f, rsp->pc);
	f->silent |= unanswered(rsp);
	if (f->n_node)
		retrieve_all(f, f->node, f->n_node, read_node, retrieve_rules);
	else if (rsp->rsc == 2000 && f->next_form < FORMS)
		discover(f);
	else
		over(f);
}

/* Nodes with the own CSE-ID, relative to the service provider as one writes it, then absolute. */
static void discover(struct profile_fetch *f)
{
	struct req *q = f->with;
	int64_t *ty = arena_alloc(&q->arena, sizeof(*ty));
	const struct ident_home *me = &f->core->home;

	filter_init(&q->fc);
	q->has = HAS_RCN | HAS_FC;
	q->rcn = 6;
	q->fc.fu = 1;
	q->fc.lim = PROFILE_NODES_MOST;
	if (ty) {
		*ty = TYPE_SERVICE_NODE;
		q->fc.ty = (struct filter_nums){ ty, 1 };
	}
	if (!ty || filter_attr_add(&q->fc, &q->arena, S("csi"), f->next_form++ ? me->abs : me->cse_id) != RC_OK) {
		f->silent = true;
		over(f);
		return;
	}
	f->discovery = (struct outbound){ .target = where(f->core->cfg), .op = OP_RETRIEVE, .timeout = f->core->cfg->profile.timeout,
					  .with = q, .done = discovered, .owner = f };
	outbound_send(f->core, &f->discovery);
}

static struct profile_fetch *fetch_new(struct core *c)
{
	struct profile_fetch *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->core = c;
	if ((f->a = answer_new()) && (f->with = own_request(c)))
		return f;
	fetch_free(f);
	return NULL;
}

bool profile_ask(struct core *c, struct waiter *w)
{
	struct profile_far *t = c->profile_far;
	struct profile_fetch *f = t->fetch;
	bool fresh = !f;

	if (fresh && !(f = t->fetch = fetch_new(c)))
		return false;
	waiter_join(&f->waits, w);
	if (!fresh)
		return true;
	metrics_inc(&c->metrics, profile_fetches);
	f->starting = true; /* an end that comes at once is told in a later turn */
	discover(f);
	f->starting = false;
	if (f->over) {
		f->msg.fn = finish_later;
		loop_post(&c->loops[0], &f->msg);
	}
	return true;
}

void profile_far_free(struct core *c)
{
	struct profile_far *t = c->profile_far;

	if (!t)
		return;
	fetch_free(t->fetch);
	answer_free(t->answer);
	pthread_mutex_destroy(&t->lock);
	free(t);
	c->profile_far = NULL;
}
