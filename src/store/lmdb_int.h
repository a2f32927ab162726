/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of the LMDB engine share. Not for others.
 *
 * An environment of LMDB that failed to write its meta page is beyond use ("panic"), for readers too. A store
 * therefore holds a current environment, called a generation, and replaces it by a new one on the same file when that
 * happens. A generation that was replaced is closed when its last reader has moved on; until no reader is
 * active in it, here or in a process that looks at the store, nothing is written, because the new environment's table of
 * readers does not know them.
 *
 * Who is active is told by one atomic per reader (`active`), set before the current generation is looked at a second time:
 * either the reader sees the replacement, or the replacer sees the reader. */
#ifndef REEVE_STORE_LMDB_INT_H
#define REEVE_STORE_LMDB_INT_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "store/store.h"

struct generation {
	MDB_env *env;
	MDB_dbi dbi[ST_TABLES];
	struct generation *older; /* in store.retired */
};

struct st_tx {
	struct store *store;
	struct generation *gen;   /* whose txn it is; changed under store.lock */
	MDB_txn *txn;
	MDB_txn *probe;           /* readers: to see that a snapshot is what it says */
	_Atomic(struct generation *) active; /* readers: between st_renew and st_release */
	struct st_tx *next;       /* readers: in store.readers */
	bool write, tight;
	enum reeve_rc failed;     /* writer: why only st_abort is left */
	uint64_t changes;
};

struct store {
	char *path;
	struct store_options o;
	int lock_fd;
	size_t map_size;
	_Atomic(struct generation *) gen;
	pthread_mutex_t lock;     /* readers, retired, why, replacing gen */
	struct st_tx *readers;
	struct generation *retired;
	bool lookers_count;       /* other processes may look at a retired generation */
	char why[256];
	struct st_tx writer;
};

/* Record why something failed and tell what that means to the caller. */
enum reeve_rc st_fail(struct store *s, const char *what, int err);
/* The environment g of s is beyond use: replace it, unless that has been done already. */
enum reeve_rc st_revive(struct store *s, struct generation *g);
/* No reader is active in a retired generation; idle ones are closed on the way. */
bool st_retired_quiet(struct store *s);

#endif
