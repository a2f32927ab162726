/* SPDX-License-Identifier: Apache-2.0 */
/* <role> resources by Role-ID and holder, so that what a claimed Role-ID costs does not grow with the number of roles.
 *
 * ST_ROLE: stable hash of Role-ID and canonical holder, key of the resource -> nothing. An entry comes and goes with its resource
 * (hooks of core/types/role.c); whoever finds one compares the resource itself, so a collision of hashes is never seen. */
#ifndef REEVE_CORE_RIGHTS_ROLE_INDEX_H
#define REEVE_CORE_RIGHTS_ROLE_INDEX_H

#include "resource/tree.h"

REEVE_MUST_CHECK enum reeve_rc role_index_add(struct st_tx *tx, struct slice role, struct slice holder, struct res_key key);
/* An entry that is not there is no error. */
REEVE_MUST_CHECK enum reeve_rc role_index_remove(struct st_tx *tx, struct slice role, struct slice holder, struct res_key key);

/* Candidates, in the order they were created under a parent. */
struct role_find {
	struct st_cursor c;
	char prefix[8];
	bool begun;
};
REEVE_MUST_CHECK enum reeve_rc role_find(struct st_tx *tx, struct slice role, struct slice holder, struct role_find *f);
enum reeve_rc role_find_next(struct role_find *f, struct res_key *key); /* RC_NOTFOUND at the end */
void role_find_end(struct role_find *f);

#endif
