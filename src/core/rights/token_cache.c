/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of verified tokens: one lock, held for a few pointers at a time; never while something is verified or judged.
 *
 * A slot is in up to four chains (by hash of the text, Token-ID, Local-Token-ID, holder) and in the order of use while it is `linked`.
 * One that was taken out lives on as long as somebody refers to it. */
#include "core/rights/token_cache.h"

#include <openssl/sha.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/rand.h"

enum { BUCKETS = 4096, OVERHEAD = 256 };
static const usec tell_pause = 60 * USEC_S;
static const usec sweep_pause = USEC_S; /* between two looks for what has expired */

enum chain { BY_HASH, BY_ID, BY_LOCAL, BY_HOLDER, CHAINS };

struct slot {
	struct token_entry e;
	_Atomic unsigned refs;   /* the cache's own included */
	_Atomic usec told;       /* when its Local-Token-ID was told last */
	bool linked;
	atomic_bool withdrawn;
	size_t bytes;
	uint64_t key[CHAINS];
	struct slot *next[CHAINS];
	struct slot *newer, *older;       /* order of use; while linked */
	struct slot *all_next, *all_prev; /* every slot that lives */
	char holder[];
};

struct token_cache {
	pthread_mutex_t lock;
	size_t most_entries, most_bytes;
	struct slot *bucket[CHAINS][BUCKETS];
	struct slot *newest, *oldest, *all;
	_Atomic size_t direct;
	uint64_t generation;
	usec swept;
	struct token_cache_figures f;
};

struct token_cache *token_cache_new(size_t entries, size_t bytes)
{
	struct token_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	c->most_entries = entries;
	c->most_bytes = bytes;
	return c;
}

void token_hash(struct slice text, uint8_t out[TOKEN_HASH]) { SHA256((const unsigned char *)text.p, text.n, out); }

/* --- slots; all under the lock --- */

static void slot_free(struct token_cache *c, struct slot *s)
{
	if (s->all_prev)
		s->all_prev->all_next = s->all_next;
	else
		c->all = s->all_next;
	if (s->all_next)
		s->all_next->all_prev = s->all_prev;
	token_put(s->e.token);
	free(s);
}

static void chains_leave(struct token_cache *c, struct slot *s)
{
	for (int k = 0; k < CHAINS; k++) {
		struct slot **at = &c->bucket[k][s->key[k] % BUCKETS];

		while (*at && *at != s)
			at = &(*at)->next[k];
		if (*at)
			*at = s->next[k];
	}
}

static void order_leave(struct token_cache *c, struct slot *s)
{
	*(s->newer ? &s->newer->older : &c->newest) = s->older;
	*(s->older ? &s->older->newer : &c->oldest) = s->newer;
}

static void order_enter(struct token_cache *c, struct slot *s)
{
	s->newer = NULL;
	s->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = s;
	c->newest = s;
}

static void take_out(struct token_cache *c, struct slot *s)
{
	chains_leave(c, s);
	order_leave(c, s);
	s->linked = false;
	if (s->e.direct)
		atomic_fetch_sub_explicit(&c->direct, 1, memory_order_relaxed);
	c->f.entries--;
	c->f.bytes -= s->bytes;
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		slot_free(c, s);
}

static bool expired(const struct slot *s, usec now) { return now >= token_claims(s->e.token)->not_after; }

static void sweep(struct token_cache *c, usec now)
{
	if (now - c->swept < sweep_pause && now >= c->swept)
		return;
	c->swept = now;
	for (struct slot *s = c->oldest, *newer; s; s = newer) {
		newer = s->newer;
		if (expired(s, now))
			take_out(c, s);
	}
}

/* Room for one more of so many bytes; false when it alone is too large. */
static bool make_room(struct token_cache *c, size_t bytes, usec now)
{
	if (bytes > c->most_bytes || !c->most_entries)
		return false;
	if (c->f.entries >= c->most_entries || c->f.bytes + bytes > c->most_bytes)
		sweep(c, now);
	while (c->f.entries >= c->most_entries || c->f.bytes + bytes > c->most_bytes) {
		take_out(c, c->oldest);
		c->f.evicted++;
	}
	return true;
}

static bool is_it(const struct slot *s, enum chain k, struct slice name)
{
	switch (k) {
	case BY_HASH:
		return memcmp(s->e.hash, name.p, TOKEN_HASH) == 0;
	case BY_ID:
		return slice_eq(token_claims(s->e.token)->id, name);
	case BY_LOCAL:
		return slice_eq(slice_str(s->e.local_id), name);
	default:
		return s->e.direct && slice_eq(s->e.holder, name);
	}
}

static struct slot *look(struct token_cache *c, enum chain k, struct slice name, uint64_t key)
{
	for (struct slot *s = c->bucket[k][key % BUCKETS]; s; s = s->next[k])
		if (s->key[k] == key && is_it(s, k, name))
			return s;
	return NULL;
}

static void enter(struct token_cache *c, struct slot *s)
{
	s->key[BY_HASH] = hash_mem(s->e.hash, TOKEN_HASH);
	s->key[BY_ID] = hash_slice(token_claims(s->e.token)->id);
	s->key[BY_LOCAL] = hash_slice(slice_str(s->e.local_id));
	s->key[BY_HOLDER] = hash_slice(s->e.holder);
	for (int k = 0; k < CHAINS; k++) {
		struct slot **at = &c->bucket[k][s->key[k] % BUCKETS];
		s->next[k] = *at;
		*at = s;
	}
	order_enter(c, s);
	s->linked = true;
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	if (s->e.direct)
		atomic_fetch_add_explicit(&c->direct, 1, memory_order_relaxed);
	c->f.entries++;
	c->f.bytes += s->bytes;
}

/* An NCName that no live token has; random, so that one from before a restart does not come to mean another token. */
static void name_locally(struct token_cache *c, struct token_entry *e)
{
	static const char alphabet[] = "0123456789abcdefghijklmnopqrstuv";
	uint8_t random[10];

	do {
		rand_bytes(random, sizeof(random));
		e->local_id[0] = 'L';
		for (size_t i = 0; i < sizeof(random); i++)
			e->local_id[i + 1] = alphabet[random[i] & 31];
		e->local_id[sizeof(random) + 1] = '\0';
	} while (look(c, BY_LOCAL, slice_str(e->local_id), hash_slice(slice_str(e->local_id))));
}

static struct slot *slot_new(struct token_cache *c, const struct token_new *n, struct slice holder)
{
	struct slot *s = calloc(1, sizeof(*s) + holder.n + 1);

	if (!s)
		return NULL;
	memcpy(s->holder, holder.p, holder.n);
	s->e = (struct token_entry){ .token = token_get(n->token), .holder = slice_of(s->holder, holder.n), .direct = n->direct,
				     .ae = n->ae, .mapped = n->mapped };
	memcpy(s->e.hash, n->hash, TOKEN_HASH);
	s->bytes = sizeof(*s) + holder.n + OVERHEAD + token_bytes(n->token);
	atomic_init(&s->refs, 1);
	s->all_next = c->all;
	if (c->all)
		c->all->all_prev = s;
	c->all = s;
	return s;
}

/* --- finding --- */

static const struct token_entry *find(struct token_cache *c, enum chain k, struct slice name, usec now)
{
	uint64_t key = hash_slice(name);
	struct slot *s;

	pthread_mutex_lock(&c->lock);
	s = look(c, k, name, key);
	if (s && expired(s, now)) {
		take_out(c, s);
		s = NULL;
	}
	if (s) {
		order_leave(c, s);
		order_enter(c, s);
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
		c->f.hits++;
	} else {
		c->f.misses++;
	}
	pthread_mutex_unlock(&c->lock);
	return s ? &s->e : NULL;
}

const struct token_entry *token_cache_by_hash(struct token_cache *c, const uint8_t hash[TOKEN_HASH], usec now)
{
	return find(c, BY_HASH, slice_of((const char *)hash, TOKEN_HASH), now);
}

const struct token_entry *token_cache_by_id(struct token_cache *c, struct slice token_id, usec now)
{
	return find(c, BY_ID, token_id, now);
}

const struct token_entry *token_cache_by_local_id(struct token_cache *c, struct slice local_id, usec now)
{
	return local_id.n ? find(c, BY_LOCAL, local_id, now) : NULL;
}

size_t token_cache_by_holder(struct token_cache *c, struct slice holder, usec now, const struct token_entry **out, size_t most)
{
	uint64_t key = hash_slice(holder);
	size_t n = 0;

	pthread_mutex_lock(&c->lock);
	for (struct slot *s = c->bucket[BY_HOLDER][key % BUCKETS]; s && n < most; s = s->next[BY_HOLDER]) {
		if (s->key[BY_HOLDER] != key || !is_it(s, BY_HOLDER, holder) || expired(s, now))
			continue;
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
		out[n++] = &s->e;
	}
	pthread_mutex_unlock(&c->lock);
	return n;
}

bool token_entry_tell(const struct token_entry *e, usec now)
{
	struct slot *s = (struct slot *)e;
	usec told = atomic_load_explicit(&s->told, memory_order_relaxed);

	if (!e->local_id[0] || (told && now - told < tell_pause && now >= told))
		return false;
	atomic_store_explicit(&s->told, now, memory_order_relaxed);
	return true;
}

bool token_cache_any_direct(struct token_cache *c) { return atomic_load_explicit(&c->direct, memory_order_relaxed) != 0; }

const struct token_entry *token_entry_get(const struct token_entry *e)
{
	atomic_fetch_add_explicit(&((struct slot *)e)->refs, 1, memory_order_relaxed);
	return e;
}

bool token_entry_withdrawn(const struct token_entry *e)
{
	return atomic_load_explicit(&((struct slot *)e)->withdrawn, memory_order_relaxed);
}

void token_entry_put(struct token_cache *c, const struct token_entry *e)
{
	struct slot *s = (struct slot *)e; /* its first member */

	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_lock(&c->lock);
	slot_free(c, s);
	pthread_mutex_unlock(&c->lock);
}

/* --- changing --- */

uint64_t token_cache_generation(struct token_cache *c)
{
	uint64_t g;

	pthread_mutex_lock(&c->lock);
	g = c->generation;
	pthread_mutex_unlock(&c->lock);
	return g;
}

const struct token_entry *token_cache_put(struct token_cache *c, const struct token_new *n, uint64_t generation, usec now)
{
	const struct token_claims *claims = token_claims(n->token);
	struct slice hash = slice_of((const char *)n->hash, TOKEN_HASH);
	struct slot *s, *old;

	pthread_mutex_lock(&c->lock);
	old = look(c, BY_HASH, hash, hash_slice(hash));
	s = slot_new(c, n, n->holder.n ? n->holder : old ? old->e.holder : claims->holder);
	if (s && generation == c->generation && !expired(s, now)) {
		if (old) { /* the same token: what was said of it goes on */
			memcpy(s->e.local_id, old->e.local_id, sizeof(s->e.local_id));
			if (old->e.direct && !s->e.direct)
				s->e.ae = old->e.ae;
			s->e.direct |= old->e.direct;
			if (!slice_eq(old->e.holder, s->e.holder))
				atomic_store_explicit(&old->withdrawn, true, memory_order_relaxed);
			s->e.mapped |= old->e.mapped;
			take_out(c, old);
		}
		if ((old = look(c, BY_ID, claims->id, hash_slice(claims->id))))
			take_out(c, old);
		if (!s->e.local_id[0])
			name_locally(c, &s->e);
		if (make_room(c, s->bytes, now))
			enter(c, s);
		else
			s->e.local_id[0] = '\0';
	}
	pthread_mutex_unlock(&c->lock);
	return s ? &s->e : NULL;
}

bool token_cache_rehold(struct token_cache *c, struct slice token_id, struct slice issuer, struct slice holder, usec now)
{
	struct slot *old, *s = NULL;

	pthread_mutex_lock(&c->lock);
	old = look(c, BY_ID, token_id, hash_slice(token_id));
	if (old && !expired(old, now) && slice_eq(token_claims(old->e.token)->issuer, issuer)) {
		struct token_new n = { .token = old->e.token, .hash = old->e.hash, .direct = old->e.direct, .ae = old->e.ae,
				       .mapped = old->e.mapped };

		if ((s = slot_new(c, &n, holder))) {
			memcpy(s->e.local_id, old->e.local_id, sizeof(s->e.local_id));
			atomic_store_explicit(&old->withdrawn, true, memory_order_relaxed);
			take_out(c, old);
			enter(c, s);
			atomic_fetch_sub_explicit(&s->refs, 1, memory_order_relaxed);
		}
	}
	pthread_mutex_unlock(&c->lock);
	return s != NULL;
}

enum what { ALL, OF_HOLDER, OF_ID };

/* Also those that are only referred to: their request may wait for long. What is being verified now does not enter. */
static void forget(struct token_cache *c, enum what what, struct slice name)
{
	pthread_mutex_lock(&c->lock);
	c->generation++;
	for (struct slot *s = c->all, *next; s; s = next) {
		next = s->all_next;
		if (what != ALL && !slice_eq(what == OF_HOLDER ? s->e.holder : token_claims(s->e.token)->id, name))
			continue;
		atomic_store_explicit(&s->withdrawn, true, memory_order_relaxed);
		if (s->linked)
			take_out(c, s);
	}
	pthread_mutex_unlock(&c->lock);
}

void token_cache_clear(struct token_cache *c) { forget(c, ALL, S("")); }
void token_cache_forget_holder(struct token_cache *c, struct slice holder) { forget(c, OF_HOLDER, holder); }
void token_cache_forget_id(struct token_cache *c, struct slice token_id) { forget(c, OF_ID, token_id); }

struct token_cache_figures token_cache_figures(struct token_cache *c)
{
	struct token_cache_figures f;

	pthread_mutex_lock(&c->lock);
	f = c->f;
	pthread_mutex_unlock(&c->lock);
	return f;
}

void token_cache_free(struct token_cache *c)
{
	if (!c)
		return;
	while (c->all)
		slot_free(c, c->all);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
