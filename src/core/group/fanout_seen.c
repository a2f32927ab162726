/* SPDX-License-Identifier: Apache-2.0 */
/* Group Request Identifiers seen lately. A bucket table of fixed size: entering costs the look at one bucket, a bucket that is
 * full gives up its oldest entry. The gid is kept as its hash under the process's key, the target as it is. */
#include "core/group/fanout.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"

enum { WAYS = 4 };

struct seen_entry {
	uint64_t gid, target;
	struct fanout_run run;
	usec until;            /* 0: free */
	unsigned virt;
};

struct fanout_seen {
	pthread_mutex_t lock;
	size_t mask;
	struct seen_entry v[][WAYS];
};

struct fanout_seen *fanout_seen_new(size_t most)
{
	struct fanout_seen *s;
	size_t buckets = 1;

	while (buckets * WAYS < most)
		buckets *= 2;
	s = calloc(1, sizeof(*s) + buckets * sizeof(s->v[0]));
	if (!s)
		return NULL;
	s->mask = buckets - 1;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void fanout_seen_free(struct fanout_seen *s)
{
	if (s)
		pthread_mutex_destroy(&s->lock);
	free(s);
}

/* An entry that an earlier run of the same request left does not count. */
static bool counts(const struct seen_entry *e, const struct fanout_run *run, usec now)
{
	return e->until > now && !(e->run.request == run->request && e->run.pass != run->pass);
}

bool fanout_seen_enter(struct fanout_seen *s, const struct fanout_run *run, struct slice gid, const struct target *target, usec now,
		       usec until)
{
	struct seen_entry nw = { hash_slice(gid), target->res.key.n, *run, until, target->virt }, *room, *bucket;
	bool fresh = true;

	pthread_mutex_lock(&s->lock);
	bucket = s->v[(nw.gid ^ nw.target * UINT64_C(0x9e3779b97f4a7c15)) & s->mask];
	room = &bucket[0];
	for (size_t i = 0; i < WAYS; i++) {
		struct seen_entry *e = &bucket[i];

		if (e->gid == nw.gid && e->target == nw.target && e->virt == nw.virt && e->until) {
			fresh = !counts(e, run, now);
			room = e;
			break;
		}
		if (e->until < room->until)
			room = e;
	}
	if (fresh)
		*room = nw;
	pthread_mutex_unlock(&s->lock);
	return fresh;
}
