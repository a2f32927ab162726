/* SPDX-License-Identifier: Apache-2.0 */
/* Consultations: asking, sharing the answer, and remembering for a while that there was none (AUTHZ-185, 189, 190, 194, 195).
 *
 *   ASKING   a Notify is on its way; addresses and systems are tried in order until one grants something or time is over
 *   MAKING   the writer creates the dynamic policy
 *   ENDING   those who wait go on, at the next turn of the loop
 *   REFUSED  kept so that the same question is answered at once
 *
 * Everything of a consultation is in its own arena: the request that began it may be gone before the answer comes, because each waits no
 * longer than its own expiration. Hub only, but for the job in the writer, which touches nothing else meanwhile. */
#include "core/rights/consult_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "authz/audit.h"
#include "authz/seci.h"
#include "base/hash.h"
#include "core/cse/outbound.h"
#include "core/rights/grants.h"
#include "core/rights/relation.h"
#include "core/work.h"

enum { BUCKETS = 1024, ARENA_MOST = 1 << 20, REFUSALS_PER_CONSULTATION = 4 };
static const usec attempt_least = 10 * USEC_MS;

enum phase { ASKING, MAKING, ENDING, REFUSED };

struct consultation {
	struct consultation *next;  /* of its bucket */
	struct consult *k;
	uint64_t hash;
	struct slice key;
	struct slice who;
	struct res_key target;
	uint64_t ae;                /* rights_registration of who */
	struct das_list list;
	struct slice relation;      /* Token-ID whose signature is asked for; empty: privileges are */
	enum phase phase;
	size_t das, address;        /* who is being asked */
	usec end, keep;             /* no longer than; a refusal is kept until */
	bool granted, asri;
	struct rights_told *told;   /* newest first */
	struct waiter *waiters;
	struct alarm alarm;
	struct outbound out;
	struct write_job job;
	struct grant grant;
	struct slice policy;        /* ri of what the job made */
	struct arena making;        /* of the job */
	struct arena arena;
};

struct consult {
	struct core *core;
	struct alarms alarms;
	struct consultation *bucket[BUCKETS];
	unsigned active, refusals;
	bool stopped;
};

/* --- life --- */

enum reeve_rc consult_new(struct core *c, struct consult **out)
{
	struct consult *k = calloc(1, sizeof(*k));
	enum reeve_rc rc;

	if (!k)
		return RC_NOMEM;
	k->core = c;
	if ((rc = alarms_init(&k->alarms, &c->loops[0].uv)) != RC_OK) {
		free(k);
		return rc;
	}
	*out = k;
	return RC_OK;
}

void consult_stop(struct consult *k)
{
	k->stopped = true;
	alarms_stop(&k->alarms);
}

static void drop(struct consultation *n)
{
	arena_reset(&n->making);
	arena_reset(&n->arena);
	free(n);
}

void consult_free(struct consult *k)
{
	for (size_t i = 0; k && i < BUCKETS; i++)
		while (k->bucket[i]) {
			struct consultation *n = k->bucket[i];

			k->bucket[i] = n->next;
			drop(n);
		}
	free(k);
}

static void forget(struct consultation *n)
{
	struct consultation **at = &n->k->bucket[n->hash % BUCKETS];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	drop(n);
}

/* --- the story --- */

/* What came of asking one address, in the words of `reeve explain`. */
static void tell(struct consultation *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct consultation *n, const char *fmt, ...)
{
	const struct das *d = &n->list.das[n->das];
	struct rights_told *t = arena_zalloc(&n->arena, sizeof(*t));
	char what[256];
	struct buf b;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	buf_init(&b, 4096);
	buf_lit(&b, "{\"das\":");
	buf_json(&b, d->address[n->address < d->n_addresses ? n->address : 0]);
	buf_lit(&b, ",\"named by\":");
	buf_json(&b, d->dac);
	buf_lit(&b, ",\"it\":");
	buf_json(&b, slice_str(what));
	buf_char(&b, '}');
	if (t && !b.failed && (t->text = arena_dup(&n->arena, buf_view(&b))).p) {
		t->next = n->told;
		n->told = t;
	}
	buf_free(&b);
}

static void tell_all(struct req *r, const struct rights_told *t)
{
	if (!t)
		return;
	tell_all(r, t->next);
	rights_tell(r, t->text);
}

/* --- who waits --- */

static void go_on(struct waiter *w)
{
	struct consult *k = w->k;

	alarm_clear(&k->alarms, &w->alarm);
	if (w->link) {
		*w->link = w->next;
		if (w->next)
			w->next->link = w->link;
	}
	rights_fetched(k->core, w->r);
}

static void ran_out(struct alarm *a, usec now)
{
	struct waiter *w = (struct waiter *)((char *)a - offsetof(struct waiter, alarm));

	(void)now;
	if (w->of)
		rights_tell(w->r, S("{\"das\":\"did not answer before the request expired\"}"));
	go_on(w);
}

static void release(struct consultation *n)
{
	while (n->waiters) {
		struct waiter *w = n->waiters;
		struct consult_state *s = w->r->work->rights.state[RIGHTS_CONSULT];

		tell_all(w->r, n->told);
		s->asri |= n->asri;
		go_on(w);
	}
}

static void over(struct alarm *a, usec now)
{
	struct consultation *n = (struct consultation *)((char *)a - offsetof(struct consultation, alarm));
	struct consult *k = n->k;

	release(n);
	if (n->phase == ENDING && !n->granted && now < n->keep &&
	    k->refusals < k->core->cfg->dynamic.consultations * REFUSALS_PER_CONSULTATION) {
		n->phase = REFUSED;
		k->refusals++;
		alarm_set(&k->alarms, &n->alarm, n->keep);
	} else if (n->phase == REFUSED && now < n->keep) {
		alarm_set(&k->alarms, &n->alarm, n->keep); /* it was woken for somebody who asked again */
	} else {
		k->refusals -= n->phase == REFUSED;
		forget(n);
	}
}

static void conclude(struct consultation *n)
{
	usec now = clock_wall();

	n->k->active--;
	n->phase = ENDING;
	n->keep = now + n->k->core->cfg->dynamic.refusal_kept;
	n->alarm.fn = over;
	alarm_set(&n->k->alarms, &n->alarm, now);
}

/* --- what was granted --- */

static void ask(struct consultation *n);

static void next_das(struct consultation *n)
{
	n->das++;
	n->address = 0;
	ask(n);
}

static enum reeve_rc make(struct write_job *j, struct exec *x)
{
	struct consultation *n = (struct consultation *)((char *)j - offsetof(struct consultation, job));

	arena_reset(&n->making);
	return grant_make(x, &n->grant, &n->making, &n->policy);
}

static void made(struct write_job *j, enum reeve_rc rc)
{
	struct consultation *n = (struct consultation *)((char *)j - offsetof(struct consultation, job));
	struct metrics *m = &n->k->core->metrics;
	char until[TEXT_TIMESTAMP_MAX];
	int len = (int)text_timestamp_write(n->grant.until, until);

	n->phase = ASKING;
	if (rc == RC_OK) {
		metrics_inc(m, grants);
		tell(n, "granted dynamic policy %.*s until %.*s", SF(n->policy), len, until);
		n->granted = true;
	} else {
		if (rc == RC_LIMIT)
			metrics_inc(m, limit_grants);
		tell(n, "granted privileges that could not be kept: %s",
		     rc == RC_LIMIT ? "dynamic.grants or dynamic.grants_each is met"
		     : rc == RC_NOTFOUND ? "the target or the Originator's registration is gone" : rc_name(rc));
	}
	if (n->granted)
		conclude(n);
	else
		next_das(n);
}

static bool check_privileges(struct consultation *n, struct arena *a, struct slice privileges)
{
	struct slice why = { NULL, 0 };
	struct json j;

	if (json_parse(a, privileges, &json_default_limits, &j, &why) == RC_OK &&
	    policy_check(&n->k->core->policy_options, &j, 0, a, &why) == RC_OK)
		return true;
	tell(n, "granted privileges that make no sense here: %.*s", SF(why));
	return false;
}

/* Hand the dynamic policy to the writer. False: there will be none. */
static bool grant_policy(struct consultation *n, struct arena *a, const struct seci_dres *d, usec now)
{
	const struct config *cfg = n->k->core->cfg;
	usec until = d->until ? d->until : now + cfg->dynamic.lifetime;

	if (!d->privileges.p || !check_privileges(n, a, d->privileges))
		return false;
	if (until > now + cfg->dynamic.lifetime_most)
		until = now + cfg->dynamic.lifetime_most;
	until -= until % USEC_S;
	if (until <= now) {
		tell(n, "granted privileges that have ended already");
		return false;
	}
	n->grant = (struct grant){ .target = n->target, .who = n->who, .ae = n->ae, .until = until,
				   .das = n->list.das[n->das].address[n->address],
				   .privileges = arena_dup(&n->arena, d->privileges) };
	n->job = (struct write_job){ .run = make, .done = made, .home = &n->k->core->loops[0] };
	if (!n->grant.privileges.p || writer_submit(n->k->core->writer, &n->job) != RC_OK) {
		tell(n, "granted privileges, but too many changes are waiting (limits.write_queue)");
		return false;
	}
	n->phase = MAKING;
	return true;
}

static void audit_token(const struct consultation *n, struct slice id)
{
	const struct das *das = &n->list.das[n->das];

	audit_event(n->k->core->audit, &(struct audit_what){ .kind = AUDIT_CONSULTATION, .action = "token", .when = clock_wall(),
							     .who = n->who, .ground = id, .detail = das->address[n->address] });
}

static void take_tokens(struct consultation *n, const struct seci_dres *d)
{
	const struct das *das = &n->list.das[n->das];

	for (size_t i = 0; i < d->n_tokens; i++) {
		struct slice what;

		if (consult_take_token(n->k->core, das->address[n->address], n->who, n->ae, d->tokens[i], n->asri, &n->arena, &what)) {
			n->granted = true;
			audit_token(n, what);
			tell(n, "gave token %.*s", SF(what));
		} else {
			tell(n, "gave a token that does not count: %.*s", SF(what));
		}
	}
}

/* Of the signatures those for the token that was asked about: of several tokens each has one, in their order. */
static void pick_signatures(const struct consultation *n, struct seci_relation *d)
{
	size_t i = 0;

	while (i < d->n_ids && !slice_eq(d->ids[i], n->relation))
		i++;
	if (i == d->n_ids ? d->n_ids + d->n_tokens != 1 || d->n_ids : d->n_ids > 1 && d->n_ids != d->n_signs) {
		d->n_signs = 0;
	} else if (d->n_ids > 1) {
		d->signs += i;
		d->n_signs = 1;
	}
}

/* What the DAS keeps for a token (m2m:seci 8). */
static void read_mapping(struct consultation *n, const struct rsp *rsp)
{
	struct seci_relation d;
	struct slice why;
	struct arena a;
	enum reeve_rc rc;

	arena_init(&a, NULL, 0, ARENA_MOST);
	rc = seci_read_dars(&a, rsp->pc, &d, &why);
	if (rc == RC_OK) {
		pick_signatures(n, &d);
		rc = d.n_signs ? RC_OK : RC_NOTFOUND;
	}
	if (rc == RC_OK) {
		relations_learn(n->k->core->relations, n->relation, d.signs, d.n_signs, clock_wall());
		n->granted = true;
		tell(n, "keeps a signature for token %.*s", SF(n->relation));
	} else if (rc == RC_NOTFOUND) {
		tell(n, "keeps no signature for token %.*s", SF(n->relation));
	} else {
		metrics_inc(&n->k->core->metrics, consultations_failed);
		tell(n, "answered something else than a relationship mapping response: %.*s", SF(why));
	}
	arena_reset(&a);
	if (n->granted)
		conclude(n);
	else
		next_das(n);
}

static void read_answer(struct consultation *n, const struct rsp *rsp)
{
	struct seci_dres d;
	struct slice why;
	struct arena a;
	usec now = clock_wall();
	enum reeve_rc rc;

	arena_init(&a, NULL, 0, ARENA_MOST);
	rc = seci_read_dres(&a, rsp->pc, now, &d, &why);
	if (rc != RC_OK) {
		if (rc != RC_NOTFOUND)
			metrics_inc(&n->k->core->metrics, consultations_failed);
		if (rc == RC_NOTFOUND)
			tell(n, "granted nothing");
		else
			tell(n, "answered something else than a dynamic authorization response: %.*s", SF(why));
		arena_reset(&a);
		next_das(n);
		return;
	}
	n->asri |= d.asri || rsp->asri;
	take_tokens(n, &d);
	if (grant_policy(n, &a, &d, now))
		; /* made() goes on */
	else if (n->granted)
		conclude(n);
	else
		next_das(n);
	arena_reset(&a);
}

/* --- asking --- */

static void answered(struct outbound *o, const struct rsp *rsp)
{
	struct consultation *n = o->owner;

	if (rsp->rsc >= 2000 && rsp->rsc < 3000) {
		(n->relation.n ? read_mapping : read_answer)(n, rsp);
		return;
	}
	metrics_inc(&n->k->core->metrics, consultations_failed);
	tell(n, rsp->rsc == 4008 ? "did not answer in time" : rsp->rsc == 5103 ? "cannot be reached" : "answered with error %d", rsp->rsc);
	if (rsp->rsc == 4008 || rsp->rsc >= 5000) { /* it itself is in trouble: it may have another address */
		n->address++;
		ask(n);
	} else {
		next_das(n);
	}
}

static size_t addresses_left(const struct consultation *n)
{
	size_t left = 0;

	for (size_t i = n->das; i < n->list.n; i++)
		left += n->list.das[i].n_addresses - (i == n->das ? n->address : 0);
	return left;
}

static struct slice content(struct consultation *n, usec now)
{
	struct slice q = n->list.das[n->das].question;
	char at[TEXT_TIMESTAMP_MAX];
	int len = (int)text_timestamp_write(now - now % USEC_S, at);

	if (n->relation.n)
		return q;
	return arena_printf(&n->arena, "{\"m2m:seci\":{\"sit\":1,\"dreq\":%.*s,\"rts\":\"%.*s\"}}}", (int)q.n - 1, q.p, len, at);
}

/* The address at which n stands, or the next one. */
static void ask(struct consultation *n)
{
	usec now = clock_wall(), left = n->end - now;

	while (n->das < n->list.n && n->address >= n->list.das[n->das].n_addresses) {
		n->das++;
		n->address = 0;
	}
	if (n->das == n->list.n || left <= 0 || n->k->stopped) {
		if (n->das < n->list.n)
			tell(n, "was not asked: no time was left");
		conclude(n);
		return;
	}
	left /= (usec)addresses_left(n); /* a silent address must not use up the time of the others */
	n->out = (struct outbound){
		.op = OP_NOTIFY,
		.target = n->list.das[n->das].address[n->address],
		.pc = content(n, now),
		.timeout = left < attempt_least ? attempt_least : left,
		.done = answered,
		.owner = n,
	};
	metrics_inc(&n->k->core->metrics, consultations);
	outbound_send(n->k->core, &n->out);
}

/* --- beginning --- */

static void copy_list(struct arena *a, struct das_list *to, const struct das_list *from)
{
	*to = *from;
	for (size_t i = 0; i < to->n; i++) {
		struct das *d = &to->das[i];

		d->dac = arena_dup(a, d->dac);
		d->question = arena_dup(a, d->question);
		for (size_t k = 0; k < d->n_addresses; k++)
			d->address[k] = arena_dup(a, d->address[k]);
	}
}

static struct slice key_of(struct arena *a, const struct das_list *l)
{
	struct slice key = S("");

	for (size_t i = 0; i < l->n; i++)
		key = arena_printf(a, "%.*s%.*s %.*s\n", SF(key), SF(l->das[i].address[0]), SF(l->das[i].question));
	return key;
}

/* May one more begin for this Originator? */
static bool room_for(struct consult *k, struct slice who)
{
	const struct config *cfg = k->core->cfg;
	unsigned own = 0;

	if (k->active >= cfg->dynamic.consultations)
		return false;
	for (size_t i = 0; i < BUCKETS; i++)
		for (const struct consultation *n = k->bucket[i]; n; n = n->next)
			own += n->phase <= MAKING && slice_eq(n->who, who);
	return own < cfg->dynamic.consultations_each;
}

static struct consultation *begin(struct consult *k, struct req *r, const struct consult_state *s, struct slice key, uint64_t hash)
{
	struct consultation *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	arena_init(&n->arena, NULL, 0, ARENA_MOST);
	arena_init(&n->making, NULL, 0, ARENA_MOST);
	n->k = k;
	n->hash = hash;
	n->key = arena_dup(&n->arena, key);
	n->who = arena_dup(&n->arena, r->work->who);
	n->target = s->target;
	n->ae = s->ae;
	n->relation = s->relation ? arena_dup(&n->arena, s->token) : S("");
	copy_list(&n->arena, &n->list, &s->list);
	n->end = clock_wall() + k->core->cfg->dynamic.timeout;
	if (n->arena.failed) {
		drop(n);
		return NULL;
	}
	n->next = k->bucket[hash % BUCKETS];
	k->bucket[hash % BUCKETS] = n;
	k->active++;
	return n;
}

static void wait_for(struct consultation *n, struct waiter *w)
{
	w->of = n;
	w->next = n->waiters;
	w->link = &n->waiters;
	if (w->next)
		w->next->link = &w->next;
	n->waiters = w;
}

/* r waits until its own expiration; else until n must have come to an end. */
static usec until(const struct req *r, const struct consultation *n, usec now)
{
	usec end = (n->end > now ? n->end : now) + USEC_S;

	return r->work->rqet && r->work->rqet < end ? r->work->rqet : end;
}

void consult_join(struct consult *k, struct req *r, struct consult_state *s)
{
	struct waiter *w = &s->waiter;
	usec now = clock_wall();
	struct slice key = key_of(&r->arena, &s->list);
	uint64_t hash = hash_slice(key);
	struct consultation *n = k->bucket[hash % BUCKETS];
	bool begun = false;

	*w = (struct waiter){ .k = k, .r = r, .alarm = { .fn = ran_out } };
	while (n && !(n->hash == hash && slice_eq(n->key, key)))
		n = n->next;
	if (n) {
		metrics_inc(&k->core->metrics, consultations_shared);
	} else if (!key.n || !room_for(k, r->work->who)) {
		metrics_inc(&k->core->metrics, limit_consultations);
		rights_tell(r, S("{\"das\":\"was not asked: dynamic.consultations or consultations_each is met\"}"));
	} else {
		n = begin(k, r, s, key, hash);
		begun = n != NULL;
	}
	if (n)
		wait_for(n, w);
	alarm_set(&k->alarms, &w->alarm, n ? until(r, n, now) : now);
	if (begun)
		ask(n);
	else if (n && n->phase == REFUSED)
		alarm_set(&k->alarms, &n->alarm, now);
}
