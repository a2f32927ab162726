/* SPDX-License-Identifier: Apache-2.0 */
/* <role> resources at other CSEs: asked for when a request could be permitted by one, and kept for a short while.
 *
 * What is asked is which roles somebody holds, not who has a role: a role has as many resources as holders, a holder has few roles. One
 * Discovery and a Retrieve of each, with this CSE's own CSE-ID (AUTHZ-151); requests that wait for the same answer share it. That
 * somebody has no role is kept, too, and that a repository did not answer: its roles are not usable then, and no request fails for it
 * (AUTHZ-152). What is kept is bounded (roles.cache), and so is what is asked at a time (roles.fetches). */
#ifndef REEVE_CORE_RIGHTS_ROLE_REPOSITORY_H
#define REEVE_CORE_RIGHTS_ROLE_REPOSITORY_H

#include "core/rights/role.h"
#include "core/waiters.h"

struct core;

/* A role and where it was found. */
struct role_seen { struct role role; struct slice address; };

enum role_answer { ROLE_NOT_ASKED, ROLE_ANSWERED, ROLE_NO_ANSWER };

REEVE_MUST_CHECK enum reeve_rc role_repository_new(struct core *c);
/* When no loop runs any more. */
void role_repository_free(struct core *c);

/* What is known of the roles `id` of a holder (canonical) in a repository: up to `most`, copied to a. Any thread. */
enum role_answer role_repository_look(struct core *c, struct slice repository, struct slice holder, struct slice id, struct arena *a,
				      struct role_seen *out, size_t most, size_t *n);

/* Hub. w->done is called on the hub, never before this returns. False: not now (roles.fetches, or no such address), and w does not wait. */
bool role_repository_ask(struct core *c, struct slice repository, struct slice holder, struct waiter *w);

#endif
