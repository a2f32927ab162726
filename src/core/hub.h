/* SPDX-License-Identifier: Apache-2.0 */
/* The hub: requests that have to wait are moved to loop 0 and live there until they are answered. */
#ifndef REEVE_CORE_HUB_H
#define REEVE_CORE_HUB_H

#include "core/core.h"
#include "core/exec.h"

REEVE_MUST_CHECK enum reeve_rc hub_new(struct core *c, struct hub **out);
/* On the hub, before it ends. */
void hub_stop(struct hub *h);
void hub_free(struct hub *h);
/* How many requests wait. Any thread. */
unsigned hub_parked(const struct hub *h);

/* Run `then` for r on the hub, as soon as it gets there or at a time. Refuses r (5000) over limits.parked or parked_per_originator. */
void hub_run(struct core *c, struct req *r, void (*then)(struct core *c, struct req *r));
void hub_run_at(struct core *c, struct req *r, usec when, void (*then)(struct core *c, struct req *r));
/* r counts as waiting from now on. Any thread. False: refused (5000), over limits.parked or parked_per_originator. */
bool hub_enter(struct core *c, struct req *r);
/* On the loop of r, before r goes to the hub: it is to be found there when its requester goes. */
void hub_ticket(struct core *c, struct req *r);
/* The same for what was acknowledged before, and cannot be refused any more. */
void hub_keep(struct core *c, struct req *r);
/* As hub_run_at, for r that is on the hub and counts as waiting. */
void hub_again(struct core *c, struct req *r, usec when, void (*then)(struct core *c, struct req *r));

/* On the hub: r waits, and nothing was begun for it. When its requester goes (core_abandon), `release` is called, which ends the
 * waiting and refuses r. False: he has gone already. hub_run_at does this for r by itself. */
bool hub_wait(struct core *c, struct req *r, void (*release)(struct core *c, struct req *r, void *owner), void *owner);
/* The waiting is over. */
void hub_waited(struct req *r);
/* Refuse r, whose requester has gone. */
void hub_refuse_gone(struct req *r);

/* r is answered: it does not count as waiting any more. Any thread. */
void hub_leave(struct core *c, struct req *r);

/* An exec over the hub's own snapshot: hub_snapshot_begin ... hub_snapshot_end, never nested, nothing kept beyond. False: the
 * store cannot be read. */
bool hub_snapshot_begin(struct core *c, struct exec *x);
void hub_snapshot_end(struct exec *x);

#endif
