/* SPDX-License-Identifier: Apache-2.0 */
/* A thread's compiled policies: slots chained by bucket, and one list in the order of use.
 *
 * A snapshot number says which commits are seen. Between two snapshots no policy and no group changed when the last
 * such change is in both, so what was compiled from one serves the other. What leaves the table waits in a ring before
 * it is freed: a decision over many policies may put while it holds pointers. */
#include "authz/policy.h"

#include "base/hash.h"

#include <stdlib.h>

enum { NONE = -1 };

struct slot {
	uint64_t n, snapshot;
	struct policy *p;
	int32_t next;          /* of the bucket */
	int32_t newer, older;  /* in the order of use */
};

struct policy_cache {
	struct slot *slot;
	int32_t *bucket;
	size_t max, used, mask;
	int32_t newest, oldest;
	struct policy *leaving[POLICY_CACHE_GRACE];
	size_t at;
};

struct policy_cache *policy_cache_new(size_t max_policies)
{
	struct policy_cache *c = calloc(1, sizeof(*c));
	size_t buckets = 16;

	if (!c)
		return NULL;
	c->max = max_policies < 1 ? 1 : max_policies > 1 << 24 ? 1 << 24 : max_policies;
	while (buckets < c->max)
		buckets *= 2;
	c->mask = buckets - 1;
	c->slot = calloc(c->max, sizeof(*c->slot));
	c->bucket = calloc(buckets, sizeof(*c->bucket));
	if (!c->slot || !c->bucket) {
		free(c->slot);
		free(c->bucket);
		free(c);
		return NULL;
	}
	c->newest = c->oldest = NONE;
	for (size_t i = 0; i < buckets; i++)
		c->bucket[i] = NONE;
	return c;
}

void policy_cache_clear(struct policy_cache *c)
{
	for (size_t i = 0; i < c->used; i++)
		policy_free(c->slot[i].p);
	for (size_t i = 0; i < POLICY_CACHE_GRACE; i++) {
		policy_free(c->leaving[i]);
		c->leaving[i] = NULL;
	}
	for (size_t i = 0; i <= c->mask; i++)
		c->bucket[i] = NONE;
	c->used = 0;
	c->newest = c->oldest = NONE;
}

void policy_cache_free(struct policy_cache *c)
{
	if (!c)
		return;
	policy_cache_clear(c);
	free(c->slot);
	free(c->bucket);
	free(c);
}

static int32_t *bucket_of(struct policy_cache *c, uint64_t n) { return &c->bucket[hash_mem(&n, sizeof(n)) & c->mask]; }

static int32_t find(struct policy_cache *c, uint64_t n)
{
	int32_t i = *bucket_of(c, n);

	while (i != NONE && c->slot[i].n != n)
		i = c->slot[i].next;
	return i;
}

static void leave_order(struct policy_cache *c, int32_t i)
{
	struct slot *s = &c->slot[i];

	*(s->newer == NONE ? &c->newest : &c->slot[s->newer].older) = s->older;
	*(s->older == NONE ? &c->oldest : &c->slot[s->older].newer) = s->newer;
}

static void to_front(struct policy_cache *c, int32_t i)
{
	struct slot *s = &c->slot[i];

	s->newer = NONE;
	s->older = c->newest;
	*(c->newest == NONE ? &c->oldest : &c->slot[c->newest].newer) = i;
	c->newest = i;
}

static void let_go(struct policy_cache *c, struct policy *p)
{
	policy_free(c->leaving[c->at]);
	c->leaving[c->at] = p;
	c->at = (c->at + 1) % POLICY_CACHE_GRACE;
}

const struct policy *policy_cache_get(struct policy_cache *c, uint64_t n, uint64_t snapshot, uint64_t changed)
{
	int32_t i = find(c, n);
	const struct slot *s;

	if (i == NONE)
		return NULL;
	s = &c->slot[i];
	if (s->snapshot != snapshot && (changed > s->snapshot || changed > snapshot))
		return NULL;
	if (c->newest != i) {
		leave_order(c, i);
		to_front(c, i);
	}
	return s->p;
}

/* A slot that is in no chain and no order: a fresh one, or the least recently used. */
static int32_t free_slot(struct policy_cache *c)
{
	int32_t i, *link;

	if (c->used < c->max)
		return (int32_t)c->used++;
	i = c->oldest;
	leave_order(c, i);
	for (link = bucket_of(c, c->slot[i].n); *link != i; link = &c->slot[*link].next)
		;
	*link = c->slot[i].next;
	let_go(c, c->slot[i].p);
	return i;
}

void policy_cache_put(struct policy_cache *c, uint64_t n, uint64_t snapshot, struct policy *p)
{
	int32_t i, *bucket;

	if (!p)
		return;
	i = find(c, n);
	if (i != NONE) {
		leave_order(c, i);
		let_go(c, c->slot[i].p);
	} else {
		i = free_slot(c);
		bucket = bucket_of(c, n);
		c->slot[i].n = n;
		c->slot[i].next = *bucket;
		*bucket = i;
	}
	c->slot[i].snapshot = snapshot;
	c->slot[i].p = p;
	to_front(c, i);
}
