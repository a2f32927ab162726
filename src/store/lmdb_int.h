/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the LMDB engine share. Not for others.
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

struct store_journal;

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
	struct store_journal *journal; /* writer: what it changes is noted there; NULL: there is none, or it is not in use */
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
	struct store_journal *journal; /* NULL: none */
};

/* Record why something failed and tell what that means to the caller. */
enum reeve_rc st_fail(struct store *s, const char *what, int err);
/* The environment g of s is beyond use: replace it, unless that has been done already. */
enum reeve_rc st_revive(struct store *s, struct generation *g);
/* Open an environment and its tables. 0 or LMDB's code. */
int st_open_generation(struct store *s, struct generation **out);
/* No reader is active in a retired generation; idle ones are closed on the way. */
bool st_retired_quiet(struct store *s);
/* Nobody reads the store any more from here on, until there is a new generation. */
void st_retire(struct store *s);

/* --- the journal (lmdb_journal.c) --- */

/* Before data.mdb is opened: put it back to what the journal says, when the system went down under it. Lookers are told RC_BUSY instead. */
REEVE_MUST_CHECK enum reeve_rc st_journal_recover(struct store *s, char why[256]);
/* After: use it, or make one in the background. */
REEVE_MUST_CHECK enum reeve_rc st_journal_start(struct store *s, char why[256]);
/* All is in data.mdb, and the journal says nothing any more. */
void st_journal_stop(struct store *s);
/* Before a transaction of the writer: begin using the journal, a checkpoint when one is due, repair what failed. */
REEVE_MUST_CHECK enum reeve_rc st_journal_begin(struct store *s);
/* Room is short: what only the last checkpoint needs is set free. True: there may be more now. */
bool st_journal_yield(struct store *s);
/* The writer's transaction: begins, changes something, is to become durable (before LMDB's commit), is committed or not. */
void st_journal_clear(struct store_journal *j);
void st_journal_close_hole(struct store_journal *j);
void st_journal_put(struct st_tx *tx, enum st_table t, struct slice key, struct slice value);
void st_journal_reserve(struct st_tx *tx, enum st_table t, struct slice key, size_t n, void *room);
void st_journal_patch(struct st_tx *tx, enum st_table t, struct slice key, size_t at, const void *p, size_t n);
void st_journal_del(struct st_tx *tx, enum st_table t, struct slice key);
/* RC_LIMIT: it is too large for the journal; commit it, then st_journal_without. */
REEVE_MUST_CHECK enum reeve_rc st_journal_write(struct st_tx *tx);
/* LMDB did not commit what was written last. */
void st_journal_undone(struct store_journal *j);
REEVE_MUST_CHECK enum reeve_rc st_journal_without(struct store_journal *j);
/* Is g held open by the journal? */
bool st_journal_pins(struct store *s, const struct generation *g);

#endif
