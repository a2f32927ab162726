/* SPDX-License-Identifier: Apache-2.0 */
/* The store: a few ordered tables of bytes under transactions. It knows nothing of resources.
 *
 * One process opens a store (RC_BUSY for the second). Any number of threads read, each from a snapshot of its
 * own that sees one committed state; one thread writes. What st_commit acknowledged survives a crash. Keys
 * are compared as bytes, at most ST_KEY_MAX long; values may be large. Slices handed out point into the
 * store and live until the transaction ends or, in a write transaction, until the next change. */
#ifndef REEVE_STORE_STORE_H
#define REEVE_STORE_STORE_H

#include "base/rc.h"
#include "base/slice.h"

enum { ST_KEY_MAX = 500, ST_SCHEMA = 1 };

enum st_table {
	ST_META,    /* name -> value: schema version, counters */
	ST_RES,     /* parent ordinal, ordinal -> record (resource/record.h) */
	ST_NAME,    /* parent ordinal, name -> ordinal; parent 0: AE-ID-Stem -> key */
	ST_TYPE,    /* type, parent ordinal, ordinal -> nothing; not for instances */
	ST_LABEL,   /* hash of label, parent ordinal, ordinal -> nothing */
	ST_DUE,     /* time, ordinal -> key of the resource to look at */
	ST_OUTBOX,  /* sequence, key of the subscription -> notification to be sent (core/notify/outbox.h) */
	ST_TRASH,   /* ordinal -> what is still to be removed below it (resource/tree_int.h) */
	ST_PENDING, /* ordinal -> a request that was acknowledged and is not executed yet (core/pending.h) */
	ST_GRANT,   /* which dynamic policies apply to which resource (core/rights/grants.h) */
	ST_MAP,     /* Token-ID -> AuthorSign of its holder (das/map.c) */
	ST_ROLE,    /* hash of Role-ID and holder, key of the <role> -> nothing (core/hash_index.h) */
	ST_NODE,    /* hash of CSE-ID, key of the <serviceSubscribedNode> -> nothing (the same) */
	ST_CREDENTIAL, /* Credential-ID -> row; and which AE-ID registered under which (core/association/credential.h) */
	ST_TABLES
};

struct store;
struct st_tx;

struct store_options {
	const char *path;     /* folder, created when absent (mode 0700) */
	uint64_t max_bytes;   /* the store never grows beyond; address space only */
	unsigned readers;     /* most readers at a time */
	bool read_only;       /* for `reeve check store`: works beside a running process */
	bool no_sync;         /* benchmarks and tests only: commits are not durable */
	size_t journal;       /* bytes of the journal, about: a commit then takes one flush instead of two. 0: none */
	bool power_lost;      /* tests: take the journal for one that another run of the system left */
};

/* Open or create. On failure `why` (NUL-terminated) tells what to do: RC_BUSY, RC_VERSION (newer schema), RC_IO, RC_FULL. */
REEVE_MUST_CHECK enum reeve_rc store_open(const struct store_options *o, struct store **out, char why[256]);
void store_close(struct store *s); /* NULL is fine; no transaction may be open */

struct store_stat { uint64_t bytes_used, bytes_max, entries[ST_TABLES]; };
void store_stat(struct store *s, struct store_stat *out);

/* A reusable reader, one per thread. Between st_renew and st_release it sees one snapshot. */
REEVE_MUST_CHECK enum reeve_rc st_reader_new(struct store *s, struct st_tx **out);
REEVE_MUST_CHECK enum reeve_rc st_renew(struct st_tx *tx);
void st_release(struct st_tx *tx);
void st_reader_free(struct st_tx *tx);

/* The writer. One at a time. After RC_FULL or RC_IO from any call only st_abort is left. */
REEVE_MUST_CHECK enum reeve_rc st_begin(struct store *s, struct st_tx **out);
/* Durable when RC_OK. On failure nothing of it happened, the transaction is gone, and `st_why` says why. */
REEVE_MUST_CHECK enum reeve_rc st_commit(struct st_tx *tx);
void st_abort(struct st_tx *tx);
/* Text for the last failure of this store, e.g. "No space left on device". The text is the calling thread's own copy. */
const char *st_why(const struct store *s);

/* After a failed commit the engine may be beyond further use. Reading goes on, and st_begin works again as soon as the
 * cause has gone away and every reader has released the snapshot it held at the time of the failure; until then it
 * returns RC_IO. */

/* Little room is left: what would make the store grow is to be refused (RC_FULL), so that removals still find room. */
bool st_tight(const struct st_tx *tx);

/* Number of the snapshot (reader) or of the state being written (writer): grows with each commit. */
uint64_t st_version(const struct st_tx *tx);
/* Changes made so far through a writer; 0 for a reader. A cursor positioned before a change must seek again. */
uint64_t st_changes(const struct st_tx *tx);
/* Number of entries of a table; cheap. */
uint64_t st_entries(struct st_tx *tx, enum st_table t);

REEVE_MUST_CHECK enum reeve_rc st_get(struct st_tx *tx, enum st_table t, struct slice key, struct slice *value);
/* Insert or replace. */
REEVE_MUST_CHECK enum reeve_rc st_put(struct st_tx *tx, enum st_table t, struct slice key, struct slice value);
/* Insert or replace n bytes that the caller fills in at *room before its next call on tx. */
REEVE_MUST_CHECK enum reeve_rc st_reserve(struct st_tx *tx, enum st_table t, struct slice key, size_t n, void **room);
/* Overwrite n bytes at offset `at` of an existing value, which keeps its length. */
REEVE_MUST_CHECK enum reeve_rc st_patch(struct st_tx *tx, enum st_table t, struct slice key, size_t at, const void *p, size_t n);
/* RC_NOTFOUND when there is none. */
REEVE_MUST_CHECK enum reeve_rc st_del(struct st_tx *tx, enum st_table t, struct slice key);

/* Cursor over one table. Opened in a transaction and closed before it ends. */
struct st_cursor { void *impl; struct slice key, value; };
REEVE_MUST_CHECK enum reeve_rc st_cursor_open(struct st_tx *tx, enum st_table t, struct st_cursor *c);
void st_cursor_close(struct st_cursor *c);
/* Each sets c->key and c->value, or returns RC_NOTFOUND at the end. */
enum reeve_rc st_seek(struct st_cursor *c, struct slice key);   /* first entry >= key; of all when key is empty */
enum reeve_rc st_seek_before(struct st_cursor *c, struct slice key); /* last entry < key */
enum reeve_rc st_next(struct st_cursor *c);
enum reeve_rc st_prev(struct st_cursor *c);

#endif
