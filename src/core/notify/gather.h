/* SPDX-License-Identifier: Apache-2.0 */
/* Notifications for a group: those of subscriptions that were made through its <fanOutPoint> with notificationForwardingURI come
 * to the group and go on together (TS-0004 7.4.14.2.5, CORE-226). Hub only. */
#ifndef REEVE_CORE_GATHER_H
#define REEVE_CORE_GATHER_H

#include "core/exec.h"

struct gathering;

/* Somebody who waits for the answer of the subscriber. */
struct gathered {
	struct gathered *next;
	/* once: the rsc and content the subscriber answered with */
	void (*done)(struct gathered *g, const struct rsp *rsp);
};

/* When what was gathered for a group is sent. */
struct gather_rule {
	uint64_t group;   /* ordinal */
	uint64_t number;  /* of notifications */
	usec duration;    /* since the first */
};
/* From notifyAggregation, else the number of members and the configured duration. Scratch from a. */
void gather_rule_read(struct exec *x, struct arena *a, const struct res *group, struct gather_rule *rule);

/* Take pc ({"m2m:sgn":{...}} or {"m2m:agn":{...}}) in, for g. False when it says not where to go (no nfu): nothing happens then. */
bool gather_add(struct core *c, const struct gather_rule *rule, struct slice pc, struct gathered *g);
/* At the end: forget everything; nobody is told. */
void gather_free(struct gathering *all);

#endif
