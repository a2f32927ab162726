/* SPDX-License-Identifier: Apache-2.0 */
/* Asking authorization points, and who waits for which answer.
 *
 * Everything here lives on the hub. What is under way is bounded in number (distributed.waiting) and time; what was answered may be kept
 * for a while (distributed.cache), but nothing that came with tokens. Keys are compared as whole texts: a hash that somebody can steer
 * must not lead to the answer for somebody else. */
#include "core/points/enquiry.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "core/hub.h"
#include "core/cse/outbound.h"
#include "core/own.h"
#include "core/work.h"

enum { KEPT_MOST = 1024, KEPT_BYTES = 16384 /* of one answer */, SHARE = 4 /* one Originator has a fourth of what may be under way */ };

struct waiter {
	struct waiter *next;
	struct req *r;
};

struct asking {
	struct outbound out;
	struct enquiries *e;
	struct asking *next, *prev;
	struct waiter *waiters;
	struct req *with;        /* parameters of the request that is sent */
	uint64_t hash;
	usec deadline;
	struct slice who;        /* on whose behalf it was begun */
	struct enquiry q;
	size_t at;               /* addresses tried */
	bool failed;
	struct arena arena;
	char first[1024];
};

struct kept {
	struct kept *next;
	uint64_t hash;
	usec until;
	struct enquiry_told told; /* its texts lie behind it */
	char text[];
};

struct enquiries {
	struct core *core;
	struct asking *all;
	unsigned n;
	struct kept *kept;       /* newest first */
	unsigned n_kept;
};

/* --- questions --- */

bool enquiry_make(struct req *r, enum point kind, const struct slice *at, size_t n, const struct buf *body, size_t same, struct enquiry *q)
{
	struct buf key;

	if (n > ENQUIRY_ADDRESSES)
		n = ENQUIRY_ADDRESSES;
	*q = (struct enquiry){ .kind = kind, .at = at, .n = n };
	if (!n || body->failed)
		return false;
	buf_init(&key, body->n + 65536);
	buf_printf(&key, "%d %u", (int)kind, enquiry_hops(r));
	for (size_t i = 0; i < n; i++) {
		buf_char(&key, ' '); /* addresses are URIs: they have no blanks */
		buf_slice(&key, at[i]);
	}
	buf_char(&key, '\n');
	buf_add(&key, body->p, same);
	if (!key.failed) {
		q->key = arena_dup(&r->arena, buf_view(&key));
		q->body = arena_dup(&r->arena, buf_view(body));
	}
	buf_free(&key);
	return q->key.p && q->body.p;
}

const struct enquiry_told *enquiry_told(const struct req *r, const struct enquiry *q)
{
	for (const struct enquiry_told *t = r->work->told; t; t = t->next)
		if (slice_eq(t->key, q->key))
			return t;
	return NULL;
}

bool enquiry_next(struct req *r, const struct enquiry *q)
{
	unsigned asked = 0;
	struct enquiry *mine;

	for (const struct enquiry_told *t = r->work->told; t; t = t->next)
		asked++;
	if (asked >= ENQUIRY_TIMES || !(mine = arena_alloc(&r->arena, sizeof(*mine))))
		return false;
	*mine = *q;
	r->work->enquiry = mine;
	return true;
}

unsigned enquiry_hops(const struct req *r)
{
	struct slice prefix = S("reeve-hops=");
	uint64_t n;

	if (!r->vsi.p || !slice_starts(r->vsi, prefix) || !slice_u64(slice_skip(r->vsi, prefix.n), &n))
		return 0;
	return n > 255 ? 255 : (unsigned)n;
}

/* --- answers to those who wait --- */

/* t in r's own memory. Without memory r is told nothing: it counts as not answered and is refused for its arena's sake. */
static void tell(struct req *r, const struct enquiry_told *t)
{
	struct enquiry_told *mine = arena_zalloc(&r->arena, sizeof(*mine));

	if (!mine)
		return;
	*mine = *t;
	mine->key = r->work->enquiry->key;
	mine->by = arena_dup(&r->arena, t->by);
	mine->content = t->content.n ? arena_dup(&r->arena, t->content) : (struct slice){ NULL, 0 };
	if (t->content.n && !mine->content.p)
		*mine = (struct enquiry_told){ .key = mine->key, .failed = true };
	mine->next = r->work->told;
	r->work->told = mine;
}

/* Not here and now: rights_fetched must not come before fetch has returned. */
static void go_on(struct core *c, struct req *r, const struct enquiry_told *t)
{
	tell(r, t);
	hub_run(c, r, rights_fetched);
}

static void drop_kept(struct enquiries *e, struct kept **at)
{
	struct kept *k = *at;

	*at = k->next;
	free(k);
	e->n_kept--;
}

static const struct kept *kept_find(struct enquiries *e, uint64_t hash, struct slice key, usec now)
{
	struct kept **at = &e->kept;

	while (*at) {
		if ((*at)->until <= now) {
			drop_kept(e, at);
			continue;
		}
		if ((*at)->hash == hash && slice_eq((*at)->told.key, key))
			return *at;
		at = &(*at)->next;
	}
	return NULL;
}

static void keep(struct enquiries *e, const struct asking *k, const struct enquiry_told *t, usec now)
{
	usec span = e->core->cfg->distributed.cache;
	struct kept *n, **last = &e->kept;
	char *at;

	if (!span || k->q.secret || !t->answered || t->sus != SUS_OK || k->q.key.n + t->content.n > KEPT_BYTES)
		return;
	while (e->n_kept >= KEPT_MOST) {
		while ((*last)->next)
			last = &(*last)->next;
		drop_kept(e, last);
		last = &e->kept;
	}
	if (!(n = malloc(sizeof(*n) + k->q.key.n + t->by.n + t->content.n)))
		return;
	*n = (struct kept){ .next = e->kept, .hash = k->hash, .until = now + span, .told = *t };
	at = n->text;
	memcpy(at, k->q.key.p, k->q.key.n);
	n->told.key = slice_of(at, k->q.key.n);
	at += k->q.key.n;
	memcpy(at, t->by.p, t->by.n);
	n->told.by = slice_of(at, t->by.n);
	at += t->by.n;
	memcpy(at, t->content.p, t->content.n);
	n->told.content = slice_of(at, t->content.n);
	e->kept = n;
	e->n_kept++;
}

/* --- asking --- */

static void unlink_asking(struct asking *k)
{
	struct enquiries *e = k->e;

	if (k->prev)
		k->prev->next = k->next;
	else
		e->all = k->next;
	if (k->next)
		k->next->prev = k->prev;
	e->n--;
}

static void asking_free(struct asking *k)
{
	if (k->with)
		own_drop(k->e->core, k->with);
	arena_reset(&k->arena);
	free(k);
}

static void end(struct asking *k, const struct enquiry_told *t)
{
	struct core *c = k->e->core;
	struct waiter *w = k->waiters;

	unlink_asking(k);
	keep(k->e, k, t, clock_wall());
	while (w) {
		struct waiter *next = w->next; /* it lies in its request */

		go_on(c, w->r, t);
		w = next;
	}
	asking_free(k);
}

static void step(struct asking *k);

static void answered(struct outbound *o, const struct rsp *rsp)
{
	struct asking *k = o->owner;
	struct enquiry_told t = { .by = o->target, .answered = true };
	struct arena a;
	uint32_t obj;
	struct json j;

	if (rsp->rsc != 2004) {
		metrics_inc(&k->e->core->metrics, enquiries_failed);
		k->failed = true;
		step(k);
		return;
	}
	arena_init(&a, NULL, 0, k->e->core->cfg->limits.request_memory);
	t.sus = point_answer_read(&a, rsp->pc, k->q.kind, &j, &obj);
	arena_reset(&a);
	if (t.sus == SUS_NOT_APPLICABLE) {
		step(k);
		return;
	}
	t.failed = k->failed;
	if (t.sus != SUS_NONE)
		t.content = rsp->pc;
	end(k, &t);
}

/* Ask the next address. What time there is serves all that are left, and an eighth of it the way back. */
static void step(struct asking *k)
{
	const struct config *cfg = k->e->core->cfg;
	usec left = k->deadline - clock_wall();
	char text[32];

	left -= left / 8;
	if (k->at == k->q.n || left < USEC_MS) {
		end(k, &(struct enquiry_told){ .failed = k->failed || k->at < k->q.n });
		return;
	}
	left /= (usec)(k->q.n - k->at);
	if (left > cfg->distributed.timeout)
		left = cfg->distributed.timeout;
	if (left < USEC_MS)
		left = USEC_MS;
	snprintf(text, sizeof(text), "%lld", (long long)(left / USEC_MS));
	k->with->rqet = arena_dup(&k->arena, slice_str(text));
	k->out = (struct outbound){ .target = k->q.at[k->at++], .pc = k->q.body, .op = OP_UPDATE, .timeout = left, .with = k->with,
				    .done = answered, .owner = k };
	metrics_inc(&k->e->core->metrics, enquiries_sent);
	outbound_send(k->e->core, &k->out); /* may have freed k */
}

static struct asking *asking_new(struct enquiries *e, const struct enquiry *q, uint64_t hash, const struct req *r)
{
	struct asking *k = calloc(1, sizeof(*k));
	struct slice *at;

	if (!k)
		return NULL;
	arena_init(&k->arena, k->first, sizeof(k->first), e->core->cfg->limits.request_memory);
	k->e = e;
	k->hash = hash;
	k->q = *q;
	k->who = arena_dup(&k->arena, r->work->who);
	k->q.key = arena_dup(&k->arena, q->key);
	k->q.body = arena_dup(&k->arena, q->body);
	k->q.at = at = arena_array(&k->arena, q->n, sizeof(*at));
	for (size_t i = 0; at && i < q->n; i++)
		at[i] = arena_dup(&k->arena, q->at[i]);
	if ((k->with = own_request(e->core))) {
		k->with->op = OP_UPDATE;
		k->with->rvi = S("3");
		k->with->vsi = arena_printf(&k->arena, "reeve-hops=%u", enquiry_hops(r) + 1);
	}
	if (!k->with || k->arena.failed) {
		asking_free(k);
		return NULL;
	}
	k->next = e->all;
	if (k->next)
		k->next->prev = k;
	e->all = k;
	e->n++;
	return k;
}

static struct asking *under_way(struct enquiries *e, uint64_t hash, struct slice key, usec deadline)
{
	for (struct asking *k = e->all; k; k = k->next)
		if (k->hash == hash && slice_eq(k->q.key, key) && k->deadline <= deadline)
			return k;
	return NULL;
}

/* Whoever asks slow points must not keep others from asking. */
static bool may_begin(const struct enquiries *e, struct slice who)
{
	unsigned most = e->core->cfg->distributed.waiting, share = most / SHARE + (most % SHARE != 0), mine = 0;

	for (const struct asking *k = e->all; k; k = k->next)
		mine += slice_eq(k->who, who);
	return e->n < most && mine < share;
}

static void wait_for(struct asking *k, struct waiter *w, struct req *r)
{
	*w = (struct waiter){ .next = k->waiters, .r = r };
	k->waiters = w;
}

void enquiry_fetch(struct core *c, struct req *r)
{
	struct enquiries *e = c->enquiries;
	const struct enquiry *q = r->work->enquiry;
	uint64_t hash = hash_slice(q->key);
	usec now = clock_wall(), deadline = now + rights_time_left(r, c->cfg->request_expiry);
	const struct kept *kept = kept_find(e, hash, q->key, now);
	struct waiter *w = arena_alloc(&r->arena, sizeof(*w));
	struct asking *k = NULL;
	bool begin;

	if (kept || !w) {
		go_on(c, r, kept ? &kept->told : &(struct enquiry_told){ .failed = true });
		return;
	}
	if ((k = under_way(e, hash, q->key, deadline))) {
		metrics_inc(&c->metrics, enquiries_shared);
		wait_for(k, w, r);
		return;
	}
	if (!(begin = may_begin(e, r->work->who)))
		metrics_inc(&c->metrics, limit_enquiries);
	if (!begin || !(k = asking_new(e, q, hash, r))) {
		go_on(c, r, &(struct enquiry_told){ .failed = true });
		return;
	}
	k->deadline = deadline;
	wait_for(k, w, r);
	step(k);
}

/* --- life --- */

enum reeve_rc enquiries_new(struct core *c, struct enquiries **out)
{
	if (!(*out = calloc(1, sizeof(**out))))
		return RC_NOMEM;
	(*out)->core = c;
	return RC_OK;
}

void enquiries_free(struct enquiries *e)
{
	if (!e)
		return;
	while (e->all) {
		struct asking *k = e->all;

		unlink_asking(k);
		asking_free(k);
	}
	while (e->kept)
		drop_kept(e, &e->kept);
	free(e);
}
