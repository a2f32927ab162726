/* SPDX-License-Identifier: Apache-2.0 */
/* Shares by name, in a table of chains. Only who has something is in it, so it is as large as what is shared out. */
#include "core/share.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"

enum { BUCKETS = 1024 };

struct share {
	struct share *next, **link;
	unsigned has;
	size_t n;
	char who[];
};

struct shares {
	pthread_mutex_t lock;
	struct share *bucket[BUCKETS];
};

struct shares *shares_new(void)
{
	struct shares *s = calloc(1, sizeof(*s));

	if (s)
		pthread_mutex_init(&s->lock, NULL);
	return s;
}

void shares_free(struct shares *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (s->bucket[i]) {
			struct share *one = s->bucket[i];

			s->bucket[i] = one->next;
			free(one);
		}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct share *share_new(struct share **head, struct slice who)
{
	struct share *one = calloc(1, sizeof(*one) + who.n);

	if (!one)
		return NULL;
	one->n = who.n;
	if (who.n)
		memcpy(one->who, who.p, who.n);
	one->next = *head;
	one->link = head;
	if (one->next)
		one->next->link = &one->next;
	*head = one;
	return one;
}

struct share *share_take(struct shares *s, struct slice who, unsigned most)
{
	struct share **head = &s->bucket[hash_slice(who) % BUCKETS], *one;

	pthread_mutex_lock(&s->lock);
	for (one = *head; one && !slice_eq(slice_of(one->who, one->n), who); one = one->next)
		;
	if (!one && most)
		one = share_new(head, who);
	if (one && one->has >= most)
		one = NULL;
	if (one)
		one->has++;
	pthread_mutex_unlock(&s->lock);
	return one;
}

void share_give(struct shares *s, struct share *one)
{
	pthread_mutex_lock(&s->lock);
	if (--one->has == 0) {
		*one->link = one->next;
		if (one->next)
			one->next->link = one->link;
		free(one);
	}
	pthread_mutex_unlock(&s->lock);
}
