/* SPDX-License-Identifier: Apache-2.0 */
/* <role> resources by Role-ID and holder (ST_ROLE, hash_index.h), so that what a claimed Role-ID costs does not grow with the number of
 * roles. Entries come and go with their resource (hooks of core/types/role.c). */
#ifndef REEVE_CORE_RIGHTS_ROLE_INDEX_H
#define REEVE_CORE_RIGHTS_ROLE_INDEX_H

#include "base/hash.h"
#include "core/hash_index.h"

static inline uint64_t role_hash(struct slice role, struct slice holder)
{
	uint64_t part[2] = { hash_stable(role.p, role.n), hash_stable(holder.p, holder.n) };
	return hash_stable(part, sizeof(part));
}

REEVE_MUST_CHECK static inline enum reeve_rc role_index_add(struct st_tx *tx, struct slice role, struct slice holder, struct res_key key)
{
	return hash_index_add(tx, ST_ROLE, role_hash(role, holder), key);
}

REEVE_MUST_CHECK static inline enum reeve_rc role_index_remove(struct st_tx *tx, struct slice role, struct slice holder, struct res_key key)
{
	return hash_index_remove(tx, ST_ROLE, role_hash(role, holder), key);
}

REEVE_MUST_CHECK static inline enum reeve_rc role_find(struct st_tx *tx, struct slice role, struct slice holder, struct hash_find *f)
{
	return hash_find(tx, ST_ROLE, role_hash(role, holder), f);
}

#endif
