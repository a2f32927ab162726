/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions and notifications (TS-0004 7.4.8, 7.5.1; TS-0001 10.2.10).
 *
 * In the writer: an event is matched against the subscriptions of its resource and each due notification becomes an entry of the
 * outbox, in the same transaction as the change. On the hub loop: the notifier reads committed entries, applies
 * batching, rate limit, schedule and pending rules, sends them, and has delivered ones removed by the writer. */
#ifndef REEVE_CORE_NOTIFY_H
#define REEVE_CORE_NOTIFY_H

#include "core/exec.h"
#include "core/types.h"

/* m2m:notificationEventType */
enum notify_event {
	NE_UPDATE = 1, NE_DELETE, NE_CHILD_CREATE, NE_CHILD_DELETE, NE_RETRIEVE_EMPTY, NE_TRIGGER, NE_BLOCKING_UPDATE, NE_MISSING_DATA
};

/* Something happened to `about` (the child for events 3 and 4) whose subscriptions hang under `at`. `changed`: JSON members
 * (without braces) with the attributes an Update changed, for nct 2 and for `atr`; for events 6 and 8 the members of m2m:tgp and
 * m2m:tsn. Writer only; does nothing when at has no subscriptions. Views into the store (at, about too) are stale afterwards. */
REEVE_MUST_CHECK enum reeve_rc notify_happened(struct exec *x, enum notify_event ev, const struct res *at,
					       const struct res *about, struct slice changed);
/* operationMonitor: r addressed `at` and was permitted or refused. Called from the writer after every request that addresses a resource
 * with subscriptions; for a Delete that is permitted, right before it is done. */
REEVE_MUST_CHECK enum reeve_rc notify_operation(struct exec *x, const struct res *at, const struct req *r);
/* The same for a Retrieve or Notify, which are dealt with under a snapshot, on any loop; also event 5. Cheap when at has no
 * subscriptions. */
void notify_retrieved(struct exec *x, const struct res *at, const struct req *r);

/* Hooks of <subscription> and <schedule> under it: core/types/sub.c registers them (types.h). */
extern const struct type_hooks type_subscription;
/* The same for its children: <schedule>, <notificationTargetMgmtPolicyRef>; and for <notificationTargetPolicy>, <policyDeletionRules>. */
extern const struct type_hooks type_schedule, type_notification_target_mgmt_policy_ref, type_notification_target_policy,
	type_policy_deletion_rules;

/* Before an Update or Delete of res is given to the writer, and before a Create <subscription>: does it have to wait for
 * somebody (blocking update, subscription verification, Delete of ntsr under action 3)? RC_OK: go on. RC_AGAIN: r is parked;
 * core_resume follows. RC_REFUSED: recorded. Runs on the hub, with a snapshot in x. */
enum reeve_rc notify_prelude(struct exec *x, struct req *r, const struct target *t);

/* In the writer: does an Update of res that nobody was asked about touch what a blocking subscription guards? */
bool notify_blocks(struct exec *x, const struct req *r, const struct res *at);

/* Has a permitted Retrieve of res to wait for an instance (CORE-153)? Then it goes to the hub, to notify_await, which ends
 * with core_resume. Of t only the key is used. */
bool notify_awaits(struct exec *x, const struct req *r, const struct res *res);
void notify_await(struct core *c, struct req *r, const struct target *t);

/* Notify to an <AE> (re-targeted, CORE-203, 204) or to <CSEBase> (CORE-205), authorized before. On the hub; ends with
 * core_resume. t->res: only its key and head are used. */
void notify_retarget(struct core *c, struct req *r, const struct target *t);
/* The access decision for a Notify that is a subscription verification (vrq): 4101, 5205 or 2000, the answer stands in r then. RC_AGAIN:
 * r is something else, the usual decision applies. */
REEVE_MUST_CHECK enum reeve_rc notify_verification(struct exec *x, struct req *r, const struct res *target);

/* Delete of notificationTargetSelfReference: the Originator leaves the targets of `sub` (CORE-196). Writer only. */
REEVE_MUST_CHECK enum reeve_rc notify_target_leaves(struct exec *x, struct req *r, const struct res *sub);

/* A <subscription> is about to go: deletion notice (sud) to su and acrs, outbox entries dropped. */
REEVE_MUST_CHECK enum reeve_rc notify_sub_deleted(struct exec *x, const struct res *sub);
/* Its attributes or its schedule changed. flags: what that means for notifications that wait (OB_DROP_KEPT, OB_KEEP_ONE; 0). */
REEVE_MUST_CHECK enum reeve_rc notify_sub_updated(struct exec *x, const struct res *sub, unsigned flags);
/* Enter a notice about sub for `targets` (JSON array); members: of m2m:sgn besides sur. Writer only. */
REEVE_MUST_CHECK enum reeve_rc notify_notice(struct exec *x, const struct res *sub, struct slice targets, struct slice members);

/* The notifier on the hub. */
struct notifier;
REEVE_MUST_CHECK enum reeve_rc notifier_new(struct core *c, struct loop *hub, struct notifier **out);
/* The transports are there: what is in the outbox is read from now on. */
void notifier_begin(struct notifier *n);
/* New entries were committed. Any thread. */
void notifier_wake(struct notifier *n);
/* The AE `key` can be reached elsewhere from this transaction on: what could not be delivered to it is tried again then, without
 * waiting for the next attempt (CORE-126). Writer only. */
void notifier_moved(struct exec *x, struct res_key key);
/* The same without a change in the store: who is registered as the resource with this ordinal has opened a connection. Hub. */
void notifier_reachable(struct core *c, uint64_t registree);
void notifier_stop(struct notifier *n); /* on the hub; no more sends are begun */
void notifier_free(struct notifier *n);

#endif
