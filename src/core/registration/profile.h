/* SPDX-License-Identifier: Apache-2.0 */
/* What the service provider subscribed for this CSE (TS-0001 9.6.19, 9.6.20; authorization.md 8): the <serviceSubscribedNode> with its
 * CSE-ID in an <m2mServiceSubscriptionProfile>, and the application rules that this links.
 *
 * An IN-CSE has them itself, and reads them under the snapshot or transaction of the decision: a rule that changes counts at once. Other
 * CSEs ask the IN-CSE (profile_far.c) when the operator says so, and keep its answer for profile.cache_time. */
#ifndef REEVE_CORE_PROFILE_H
#define REEVE_CORE_PROFILE_H

#include "core/registration/app_rule.h"
#include "core/exec.h"
#include "core/waiters.h"

enum { PROFILE_RULES_MOST = 64, PROFILE_NODES_MOST = 8 }; /* of one CSE; further ones allow nothing */

enum profile_state {
	PROFILE_NONE,      /* there is no subscription, or nobody is to be asked for one */
	PROFILE_NO_NODE,   /* there is one, and this CSE is not in it */
	PROFILE_FOUND,
	PROFILE_NO_ANSWER, /* the IN-CSE did not say */
};

struct profile {
	enum profile_state state;
	struct app_rule *rules; size_t n;
};

/* For r, in its arena. RC_AGAIN: the IN-CSE has to be asked first (profile_ask). */
REEVE_MUST_CHECK enum reeve_rc profile_of(struct exec *x, struct req *r, struct profile *out);
/* At an IN-CSE: of the CSE `cse` (canonical id), from a. */
REEVE_MUST_CHECK enum reeve_rc profile_for(struct exec *x, struct arena *a, struct slice cse, struct profile *out);
/* What does it mean when nobody answered, or there is none? RC_OK: registration is open to whom the operator's lists let in, and *open is
 * true; or the rules decide. RC_REFUSED: 4128 is recorded. */
REEVE_MUST_CHECK enum reeve_rc profile_check(struct exec *x, struct req *r, const struct profile *p, bool *open);

/* The Role-IDs that r's Originator, an AE registered here, may use (allowedRole-IDs). */
enum profile_roles { ROLES_ANY, ROLES_LISTED, ROLES_ASK }; /* ASK: as for RC_AGAIN */
REEVE_MUST_CHECK enum reeve_rc profile_roles(struct exec *x, struct req *r, enum profile_roles *which, struct config_list *roles);

/* Is there a rule that names this credential? True as well when the IN-CSE would have to be asked first: the registration asks. Any
 * thread. */
bool profile_names_credential(struct core *c, struct st_tx *tx, struct arena *a, struct slice credential);

/* Does r, a registration, have to wait for the IN-CSE? Then it goes to profile_wait on the hub, which ends with core_submit. */
bool profile_asks(struct exec *x, struct req *r);
void profile_wait(struct core *c, struct req *r);

/* Hooks of <serviceSubscribedNode>: CSE-ID (canonical) -> resource. */
REEVE_MUST_CHECK enum reeve_rc profile_node_add(struct st_tx *tx, struct slice cse, struct res_key key);
REEVE_MUST_CHECK enum reeve_rc profile_node_remove(struct st_tx *tx, struct slice cse, struct res_key key);

/* --- asking the IN-CSE (profile_far.c) --- */

struct profile_far;
REEVE_MUST_CHECK enum reeve_rc profile_far_new(struct core *c);
/* When no loop runs any more; before own_end. */
void profile_far_free(struct core *c);

/* Is there somebody to be asked? */
bool profile_is_far(const struct config *cfg);
/* What was answered lately, copied to a. RC_AGAIN: nothing. Any thread. */
REEVE_MUST_CHECK enum reeve_rc profile_far_look(struct core *c, struct arena *a, struct profile *out);

/* Hub. w->done is called on the hub, never before this returns. False: it could not be asked, and w does not wait. */
bool profile_ask(struct core *c, struct waiter *w);

#endif
