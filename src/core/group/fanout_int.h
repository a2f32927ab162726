/* SPDX-License-Identifier: Apache-2.0 */
/* What the two ways through a <fanOutPoint> share: fanout.c (all members in one transaction) and fanout_notify.c (members answer
 * when they like). */
#ifndef REEVE_CORE_FANOUT_INT_H
#define REEVE_CORE_FANOUT_INT_H

#include "core/group/fanout.h"

/* A fan-out at work. */
struct fan {
	struct exec *x;
	struct req *r;
	const struct target *t;     /* the fanOutPoint */
	struct slice group_ri;
	struct group_member *v;
	size_t n;
	struct slice gid;           /* given or made; p == NULL: none */
	struct req *sub;            /* the member's request; one at a time */
	struct slice pc;            /* changed content; p == NULL: that of r */
};

/* May it fan out, and to whom? Fills in v, n and gid; memory of f->r. */
REEVE_MUST_CHECK enum reeve_rc fan_begin(struct fan *f);
/* Make s the original request again, addressed to a member. What was parsed and checked of that is taken over, not copied. */
REEVE_MUST_CHECK enum reeve_rc fan_compose(struct fan *f, struct req *s, const struct group_member *m);
/* A member at another CSE gets its request when those here are through (fanout_far.c). */
REEVE_MUST_CHECK enum reeve_rc fan_far_add(struct fan *f, const struct group_member *m);
/* The answer s has, as an entry of m2m:agr. */
void fan_response(struct buf *b, struct req *s, struct slice id, bool first);

#endif
