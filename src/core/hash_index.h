/* SPDX-License-Identifier: Apache-2.0 */
/* Resources by what some of their attributes say, so that finding one does not cost more when there are many.
 *
 * A table of the store: stable hash, key of the resource -> nothing. An entry comes and goes with its resource (hooks of its type); whoever
 * finds one compares the resource itself, so a collision of hashes is never seen. */
#ifndef REEVE_CORE_HASH_INDEX_H
#define REEVE_CORE_HASH_INDEX_H

#include "resource/tree.h"

REEVE_MUST_CHECK enum reeve_rc hash_index_add(struct st_tx *tx, enum st_table t, uint64_t hash, struct res_key key);
/* An entry that is not there is no error. */
REEVE_MUST_CHECK enum reeve_rc hash_index_remove(struct st_tx *tx, enum st_table t, uint64_t hash, struct res_key key);

/* Candidates, in the order they were created under a parent. */
struct hash_find {
	struct st_cursor c;
	char prefix[8];
	bool begun;
};
REEVE_MUST_CHECK enum reeve_rc hash_find(struct st_tx *tx, enum st_table t, uint64_t hash, struct hash_find *f);
enum reeve_rc hash_find_next(struct hash_find *f, struct res_key *key); /* RC_NOTFOUND at the end */
void hash_find_end(struct hash_find *f);

#endif
