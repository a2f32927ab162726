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
enum notify_event { NE_UPDATE = 1, NE_DELETE, NE_CHILD_CREATE, NE_CHILD_DELETE, NE_RETRIEVE_EMPTY, NE_TRIGGER, NE_BLOCKING_UPDATE, NE_MISSING_DATA };

/* Something happened to `about` (the child for events 3 and 4) whose subscriptions hang under `at`. `changed`: JSON members
 * (without braces) with the attributes an Update changed, for nct 2 and for `atr`. Writer only; does nothing when at has no subscriptions. */
REEVE_MUST_CHECK enum reeve_rc notify_happened(struct exec *x, enum notify_event ev, const struct res *at, const struct res *about, struct slice changed);
/* operationMonitor: r addressed `at` and was permitted or refused. Called from the writer after every request that addresses a resource with om subscriptions. */
REEVE_MUST_CHECK enum reeve_rc notify_operation(struct exec *x, const struct res *at, const struct req *r);

/* Hooks of <subscription> and <schedule> under it: core/types/sub.c registers them (types.h). */
extern const struct type_hooks type_subscription;
/* The same for its children: <schedule>, <notificationTargetMgmtPolicyRef>; and for <notificationTargetPolicy>, <policyDeletionRules>. */
extern const struct type_hooks type_schedule, type_notification_target_mgmt_policy_ref, type_notification_target_policy, type_policy_deletion_rules;

/* Before an Update or Delete of res is given to the writer, and before a Create <subscription>: does it have to wait for somebody (blocking update,
 * subscription verification)? RC_OK: go on. RC_AGAIN: r is parked; notify_ or outbound completion resumes it with core_resume. RC_REFUSED: recorded.
 * Runs on the hub, with a snapshot in x. */
enum reeve_rc notify_prelude(struct exec *x, struct req *r, const struct target *t);

/* A <subscription> is about to go: deletion notice (sud) to su and acrs, outbox entries dropped. */
REEVE_MUST_CHECK enum reeve_rc notify_sub_deleted(struct exec *x, const struct res *sub);
/* Its attributes changed (pn, ln, ...): kept notifications follow. */
REEVE_MUST_CHECK enum reeve_rc notify_sub_updated(struct exec *x, const struct res *sub);

/* The notifier on the hub. */
struct notifier;
REEVE_MUST_CHECK enum reeve_rc notifier_new(struct core *c, struct loop *hub, struct notifier **out);
/* New entries were committed. Any thread. */
void notifier_wake(struct notifier *n);
void notifier_stop(struct notifier *n); /* on the hub; no more sends are begun */
void notifier_free(struct notifier *n);

#endif
