/* SPDX-License-Identifier: Apache-2.0 */
/* LMDB engine: transactions, tables and cursors. Opening and recovery are in lmdb_env.c, the idea in lmdb_int.h.
 *
 * A reader keeps its LMDB transaction object and its slot in the table of readers; st_renew only notes the newest commit in it.
 * The writer's transaction remembers its first failure, so that nothing half done can be committed.
 *
 * A store that is full must still be able to remove things, and removing copies pages first. So a reserve is kept: when
 * what is left (of the map, of the disk, and in free pages) is less, the transaction is "tight" and the tree refuses
 * what would grow. */
#include "store/lmdb_int.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { QUIET_TRIES = 200 };                 /* times a millisecond for readers of a failed environment to finish */
enum { IN_PAGE_MAX = 1800 };                /* key and value surely not on an overflow page (nodes up to 2038 bytes) */
enum { NEARLY_NONE = 1 << 19 };              /* bytes free on a disk that is full to all intents */
enum { AHEAD_LEAST = 1 << 20, AHEAD_MOST = 4 << 20, AHEAD_PIECE = 1 << 18 };
static const uint64_t reserve_most = 16u << 20;

/* --- readers --- */

enum reeve_rc st_reader_new(struct store *s, struct st_tx **out)
{
	struct st_tx *tx = calloc(1, sizeof(*tx));

	if (!tx)
		return RC_NOMEM;
	tx->store = s;
	pthread_mutex_lock(&s->lock);
	tx->next = s->readers;
	s->readers = tx;
	pthread_mutex_unlock(&s->lock);
	*out = tx;
	return RC_OK;
}

static void drop_txns(struct st_tx *tx)
{
	if (tx->txn)
		mdb_txn_abort(tx->txn);
	if (tx->probe)
		mdb_txn_abort(tx->probe);
	tx->txn = tx->probe = NULL;
	tx->gen = NULL;
}

void st_reader_free(struct st_tx *tx)
{
	struct st_tx **p;

	if (!tx)
		return;
	pthread_mutex_lock(&tx->store->lock);
	drop_txns(tx);
	for (p = &tx->store->readers; *p != tx; p = &(*p)->next)
		;
	*p = tx->next;
	pthread_mutex_unlock(&tx->store->lock);
	free(tx);
}

/* Leave the generation tx was made in, enter g. */
static int move_reader(struct st_tx *tx, struct generation *g)
{
	int err;

	pthread_mutex_lock(&tx->store->lock);
	drop_txns(tx);
	err = mdb_txn_begin(g->env, NULL, MDB_RDONLY, &tx->txn);
	if (!err)
		tx->gen = g;
	else
		tx->txn = NULL;
	pthread_mutex_unlock(&tx->store->lock);
	return err;
}

/* LMDB reads the number of the last commit and then copies that commit's page of roots. A thread that is held up in between may find
 * the page written over by the next commit but one, which need not be durable yet, or may even fail. The page was the right one when
 * afterwards no later commit has begun to write its page (the usual case), or the number is still the last one, which a second
 * transaction, the probe, tells. */
static int settled(struct st_tx *tx, struct generation *g)
{
	MDB_envinfo info;
	int err;

	for (;;) {
		err = mdb_env_info(g->env, &info);
		if (err || info.me_last_txnid == mdb_txn_id(tx->txn))
			return err;
		err = tx->probe ? mdb_txn_renew(tx->probe) : mdb_txn_begin(g->env, NULL, MDB_RDONLY, &tx->probe);
		if (err)
			return err;
		if (mdb_txn_id(tx->probe) == mdb_txn_id(tx->txn)) {
			mdb_txn_reset(tx->probe);
			return 0;
		}
		mdb_txn_reset(tx->probe);
		mdb_txn_reset(tx->txn);
		err = mdb_txn_renew(tx->txn);
		if (err)
			return err;
	}
}

enum reeve_rc st_renew(struct st_tx *tx)
{
	struct store *s = tx->store;
	enum reeve_rc rc;

	for (int tries = 0;; tries++) {
		struct generation *g = atomic_load(&s->gen);
		int err;

		atomic_store(&tx->active, g);
		if (atomic_load(&s->gen) != g)
			continue;
		if (!g) { /* it is being repaired */
			atomic_store(&tx->active, NULL);
			return st_fail(s, "read", EIO);
		}
		err = tx->gen == g ? mdb_txn_renew(tx->txn) : move_reader(tx, g);
		if (!err)
			err = settled(tx, g);
		if (!err)
			return RC_OK;
		if (tx->txn)
			mdb_txn_reset(tx->txn);
		atomic_store(&tx->active, NULL);
		if (err != MDB_PANIC || tries >= 3)
			return st_fail(s, "read", err);
		rc = st_revive(s, g);
		if (rc != RC_OK)
			return rc;
	}
}

void st_release(struct st_tx *tx)
{
	mdb_txn_reset(tx->txn);
	atomic_store_explicit(&tx->active, NULL, memory_order_release);
}

/* --- the writer --- */

/* Bytes in pages that are free for the next transaction. */
static uint64_t free_bytes(struct generation *g, size_t page)
{
	uint64_t pages = 0;
	MDB_val key, val;
	MDB_cursor *c;
	MDB_txn *txn;
	size_t n;

	if (mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn))
		return 0;
	if (mdb_cursor_open(txn, 0, &c) == 0) { /* table 0: lists of free pages, each beginning with its length */
		while (mdb_cursor_get(c, &key, &val, MDB_NEXT) == 0) {
			memcpy(&n, val.mv_data, sizeof(n));
			pages += n;
		}
		mdb_cursor_close(c);
	}
	mdb_txn_abort(txn);
	return pages * page;
}

/* A part of the whole, and not more than removals can need. */
static uint64_t reserve(uint64_t whole) { return whole / 8 < reserve_most ? whole / 8 : reserve_most; }

static bool little_room(struct store *s, struct generation *g)
{
	uint64_t used, map_left, disk_left = UINT64_MAX, map_reserve, disk_reserve = 0, again;
	struct statvfs fs;
	MDB_envinfo info;
	MDB_stat st;

	if (mdb_env_info(g->env, &info) || mdb_env_stat(g->env, &st))
		return false;
	used = ((uint64_t)info.me_last_pgno + 1) * st.ms_psize;
	map_left = used < info.me_mapsize ? info.me_mapsize - used : 0;
	map_reserve = reserve(info.me_mapsize);
	if (statvfs(s->path, &fs) == 0) {
		disk_left = (uint64_t)fs.f_bavail * fs.f_frsize;
		disk_reserve = reserve((uint64_t)fs.f_blocks * fs.f_frsize);
	}
	if (map_left >= map_reserve && disk_left >= disk_reserve)
		return false;
	again = free_bytes(g, st.ms_psize);
	return (map_left < map_reserve && map_left + again < map_reserve) ||
	       (disk_left < disk_reserve && disk_left + again < disk_reserve);
}

/* Keep the file a little longer than it is used, with zeros already on the disk. A commit then only overwrites, and its sync need not
 * wait for the file system to write down a new length: half the time on ext4. Pages beyond the last used one are read by nobody. */
static void stay_ahead(struct store *s, struct generation *g)
{
	static const char zeros[AHEAD_PIECE];
	uint64_t used, to;
	struct statvfs fs;
	MDB_envinfo info;
	struct stat file;
	MDB_stat st;
	int fd;

	if (s->o.no_sync || mdb_env_info(g->env, &info) || mdb_env_stat(g->env, &st) || mdb_env_get_fd(g->env, &fd) || fstat(fd, &file))
		return;
	used = ((uint64_t)info.me_last_pgno + 1) * st.ms_psize;
	if ((uint64_t)file.st_size >= used + AHEAD_LEAST)
		return;
	to = used + AHEAD_MOST < info.me_mapsize ? used + AHEAD_MOST : info.me_mapsize;
	if (statvfs(s->path, &fs) || (uint64_t)fs.f_bavail * fs.f_frsize < reserve_most + AHEAD_MOST)
		return;
	for (uint64_t at = (uint64_t)file.st_size > used ? (uint64_t)file.st_size : used; at < to; at += AHEAD_PIECE) {
		size_t n = to - at < AHEAD_PIECE ? (size_t)(to - at) : AHEAD_PIECE;
		if (pwrite(fd, zeros, n, (off_t)at) != (ssize_t)n)
			return; /* nothing is lost: the commit finds out for itself */
	}
}

/* Readers of a failed environment finish soon: a snapshot is held for one batch of requests. */
static enum reeve_rc await_quiet(struct store *s)
{
	static const struct timespec pause = { 0, 1000000 };

	for (int i = 0; !st_retired_quiet(s); i++) {
		if (i == QUIET_TRIES)
			return st_fail(s, "write", EBUSY);
		nanosleep(&pause, NULL);
	}
	return RC_OK;
}

enum reeve_rc st_begin(struct store *s, struct st_tx **out)
{
	struct st_tx *tx = &s->writer;
	struct generation *g;
	enum reeve_rc rc;
	int err;

	for (int tries = 0;; tries++) {
		rc = st_journal_begin(s);
		if (rc == RC_OK)
			rc = await_quiet(s);
		if (rc != RC_OK)
			return rc;
		g = atomic_load(&s->gen);
		stay_ahead(s, g);
		err = mdb_txn_begin(g->env, NULL, 0, &tx->txn);
		if (!err)
			break;
		if (err != MDB_PANIC || tries >= 3)
			return st_fail(s, "write", err);
		rc = st_revive(s, g);
		if (rc != RC_OK)
			return rc;
	}
	tx->store = s;
	tx->gen = g;
	tx->write = true;
	tx->failed = RC_OK;
	tx->changes = 0;
	if (tx->journal)
		st_journal_clear(tx->journal);
	tx->tight = little_room(s, g) && (!st_journal_yield(s) || little_room(s, g));
	if (tx->tight)
		(void)st_fail(s, "little room is left, only removals are done", ENOSPC);
	*out = tx;
	return RC_OK;
}

bool st_tight(const struct st_tx *tx) { return tx->tight; }

/* LMDB tells that an environment is beyond use only when one begins a transaction: find out now, so that readers need not. */
static void revive_if_dead(struct store *s)
{
	struct generation *g = atomic_load(&s->gen);
	MDB_txn *probe;
	int err = g ? mdb_txn_begin(g->env, NULL, MDB_RDONLY, &probe) : EIO;

	if (!err)
		mdb_txn_abort(probe);
	else if (err == MDB_PANIC && st_revive(s, g) != RC_OK)
		return; /* logged; the next st_begin or st_renew tries again */
}

/* A write that is cut short because the disk is full looks like any failure to LMDB. */
static int cause(const struct store *s, int err)
{
	struct statvfs fs;
	return err == EIO && statvfs(s->path, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < NEARLY_NONE ? ENOSPC : err;
}

enum reeve_rc st_commit(struct st_tx *tx)
{
	enum reeve_rc rc = tx->failed;
	char why[sizeof(tx->store->why)];
	int err;

	if (rc == RC_OK && tx->journal)
		rc = st_journal_write(tx);
	if (rc != RC_OK && rc != RC_LIMIT) {
		st_abort(tx);
		return rc;
	}
	err = mdb_txn_commit(tx->txn);
	tx->txn = NULL;
	if (!err)
		return rc == RC_LIMIT ? st_journal_without(tx->journal) : RC_OK;
	if (tx->journal && rc == RC_OK)
		st_journal_undone(tx->journal);
	rc = st_fail(tx->store, "commit", cause(tx->store, err));
	memcpy(why, st_why(tx->store), sizeof(why));
	revive_if_dead(tx->store);
	pthread_mutex_lock(&tx->store->lock);
	memcpy(tx->store->why, why, sizeof(why)); /* the cause, not what followed from it */
	pthread_mutex_unlock(&tx->store->lock);
	return rc == RC_FULL ? RC_FULL : RC_IO;
}

void st_abort(struct st_tx *tx)
{
	if (tx->txn)
		mdb_txn_abort(tx->txn);
	tx->txn = NULL;
}

uint64_t st_version(const struct st_tx *tx) { return mdb_txn_id(tx->txn); }
uint64_t st_changes(const struct st_tx *tx) { return tx->changes; }

uint64_t st_entries(struct st_tx *tx, enum st_table t)
{
	MDB_stat st;
	return mdb_stat(tx->txn, tx->gen->dbi[t], &st) ? 0 : st.ms_entries;
}

void store_stat(struct store *s, struct store_stat *out)
{
	struct st_tx *tx;
	MDB_envinfo info;
	MDB_stat st;

	*out = (struct store_stat){ 0 };
	if (st_reader_new(s, &tx) != RC_OK)
		return;
	if (st_renew(tx) == RC_OK) {
		if (mdb_env_info(tx->gen->env, &info) == 0 && mdb_env_stat(tx->gen->env, &st) == 0) {
			out->bytes_used = ((uint64_t)info.me_last_pgno + 1) * st.ms_psize;
			out->bytes_max = info.me_mapsize;
		}
		for (int t = 0; t < ST_TABLES; t++)
			out->entries[t] = st_entries(tx, (enum st_table)t);
		st_release(tx);
	}
	st_reader_free(tx);
}

/* --- tables --- */

static MDB_val val_of(struct slice s) { return (MDB_val){ s.n, (void *)(uintptr_t)s.p }; }
static struct slice slice_val(MDB_val v) { return slice_of(v.mv_data, v.mv_size); }

/* The outcome of a call of LMDB; what goes wrong in a writer spoils its transaction. */
static enum reeve_rc outcome(struct st_tx *tx, const char *what, int err)
{
	enum reeve_rc rc;

	if (!err)
		return RC_OK;
	if (err == MDB_NOTFOUND)
		return RC_NOTFOUND;
	rc = st_fail(tx->store, what, err);
	if (tx->write) {
		rc = rc == RC_FULL ? RC_FULL : RC_IO;
		if (tx->failed == RC_OK)
			tx->failed = rc;
	}
	return rc;
}

/* A key that cannot be in a table is not found; it is a mistake to put one. */
static bool key_fits(struct slice key) { return key.n > 0 && key.n <= ST_KEY_MAX; }

enum reeve_rc st_get(struct st_tx *tx, enum st_table t, struct slice key, struct slice *value)
{
	MDB_val k = val_of(key), v;
	int err;

	if (!key_fits(key))
		return RC_NOTFOUND;
	err = mdb_get(tx->txn, tx->gen->dbi[t], &k, &v);
	if (!err)
		*value = slice_val(v);
	return outcome(tx, "read", err);
}

static enum reeve_rc put(struct st_tx *tx, enum st_table t, struct slice key, MDB_val *v, unsigned flags)
{
	MDB_val k = val_of(key);

	if (tx->failed != RC_OK)
		return tx->failed;
	if (!tx->write || !key_fits(key))
		return RC_INVALID;
	tx->changes++;
	return outcome(tx, "write", mdb_put(tx->txn, tx->gen->dbi[t], &k, v, flags));
}

enum reeve_rc st_put(struct st_tx *tx, enum st_table t, struct slice key, struct slice value)
{
	MDB_val v = val_of(value);

	if (tx->journal && key_fits(key))
		st_journal_put(tx, t, key, value);
	return put(tx, t, key, &v, 0);
}

static enum reeve_rc reserve_room(struct st_tx *tx, enum st_table t, struct slice key, size_t n, void **room)
{
	MDB_val v = { n, NULL };
	enum reeve_rc rc;

	if (tx->journal)
		st_journal_close_hole(tx->journal); /* the room of the last one may move */
	rc = put(tx, t, key, &v, MDB_RESERVE);
	if (rc == RC_OK)
		*room = v.mv_data;
	return rc;
}

enum reeve_rc st_reserve(struct st_tx *tx, enum st_table t, struct slice key, size_t n, void **room)
{
	enum reeve_rc rc = reserve_room(tx, t, key, n, room);

	if (rc == RC_OK && tx->journal)
		st_journal_reserve(tx, t, key, n, *room);
	return rc;
}

/* A value inside a page keeps its place when it is replaced by one of the same length. One on pages of its own may
 * move, and what was there may be gone by then: it goes through a copy. */
enum reeve_rc st_patch(struct st_tx *tx, enum st_table t, struct slice key, size_t at, const void *p, size_t n)
{
	struct slice old;
	char *copy = NULL;
	void *room;
	enum reeve_rc rc = st_get(tx, t, key, &old);

	if (rc != RC_OK)
		return rc;
	if (at > old.n || n > old.n - at)
		return RC_INVALID;
	if (key.n + old.n > IN_PAGE_MAX) {
		copy = malloc(old.n);
		if (!copy)
			return RC_NOMEM;
		memcpy(copy, old.p, old.n);
	}
	rc = reserve_room(tx, t, key, old.n, &room);
	if (rc == RC_OK && tx->journal)
		st_journal_patch(tx, t, key, at, p, n);
	if (rc == RC_OK) {
		if (copy)
			memcpy(room, copy, old.n);
		memcpy((char *)room + at, p, n);
	}
	free(copy);
	return rc;
}

enum reeve_rc st_del(struct st_tx *tx, enum st_table t, struct slice key)
{
	MDB_val k = val_of(key);

	if (tx->failed != RC_OK)
		return tx->failed;
	if (!key_fits(key))
		return RC_NOTFOUND;
	if (tx->journal)
		st_journal_del(tx, t, key);
	tx->changes++;
	return outcome(tx, "write", mdb_del(tx->txn, tx->gen->dbi[t], &k, NULL));
}

/* --- cursors --- */

struct cursor {
	MDB_cursor *c;
	struct st_tx *tx;
};

enum reeve_rc st_cursor_open(struct st_tx *tx, enum st_table t, struct st_cursor *c)
{
	struct cursor *impl = malloc(sizeof(*impl));
	enum reeve_rc rc;

	*c = (struct st_cursor){ 0 };
	if (!impl)
		return RC_NOMEM;
	rc = outcome(tx, "read", mdb_cursor_open(tx->txn, tx->gen->dbi[t], &impl->c));
	if (rc != RC_OK) {
		free(impl);
		return rc;
	}
	impl->tx = tx;
	c->impl = impl;
	return RC_OK;
}

void st_cursor_close(struct st_cursor *c)
{
	struct cursor *impl = c->impl;

	if (impl)
		mdb_cursor_close(impl->c);
	free(impl);
	*c = (struct st_cursor){ 0 };
}

static enum reeve_rc move(struct st_cursor *c, MDB_val k, MDB_cursor_op op)
{
	struct cursor *impl = c->impl;
	MDB_val v = { 0, NULL };
	int err = mdb_cursor_get(impl->c, &k, &v, op);

	if (!err) {
		c->key = slice_val(k);
		c->value = slice_val(v);
	}
	return outcome(impl->tx, "read", err);
}

enum reeve_rc st_seek(struct st_cursor *c, struct slice key)
{
	MDB_val none = { 0, NULL };
	return key.n ? move(c, val_of(key), MDB_SET_RANGE) : move(c, none, MDB_FIRST);
}

enum reeve_rc st_seek_before(struct st_cursor *c, struct slice key)
{
	MDB_val none = { 0, NULL };
	enum reeve_rc rc = st_seek(c, key);

	if (rc == RC_NOTFOUND)
		return move(c, none, MDB_LAST);
	return rc == RC_OK ? move(c, none, MDB_PREV) : rc;
}

enum reeve_rc st_next(struct st_cursor *c)
{
	MDB_val none = { 0, NULL };
	return move(c, none, MDB_NEXT);
}

enum reeve_rc st_prev(struct st_cursor *c)
{
	MDB_val none = { 0, NULL };
	return move(c, none, MDB_PREV);
}
