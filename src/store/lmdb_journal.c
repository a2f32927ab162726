/* SPDX-License-Identifier: Apache-2.0 */
/* LMDB behind a journal: a commit is durable by one flush of one small file (docs/internals/store.md tells what was measured).
 *
 * With the journal in use LMDB writes its pages and flushes nothing. What makes that safe:
 *
 * - A base: a state of data.mdb that is on the disk as a whole. A reader (the pin) holds its snapshot, so no page of it is written
 *   again. Its two meta pages are kept in the head of a journal file.
 * - Every batch is in the journal, durable, before LMDB commits it, so before anybody sees it.
 * - After the system went down, data.mdb may hold any mixture of later pages. So the meta pages of the base are put back, and the
 *   journal is played again. After a mere crash of the process nothing is missing: what was written is in the system's page cache.
 * - A checkpoint makes a new base: the snapshot of the last commit is pinned, the journal turns to its other file, a thread flushes
 *   data.mdb and writes the head, then the old pin and the old file are free. The writer waits only when it fills a file meanwhile.
 * - When flushing data.mdb fails, pages that later ones refer to may be lost without anybody being told again. Then the store goes
 *   back to its base in the running process, as if the system had gone down.
 *
 * The files are made in the background after the first start; until then, and without a journal, LMDB flushes for itself. */
#include "store/lmdb_int.h"
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"

enum { REPLAY_BATCH = 256, JOURNAL_LEAST = 1 << 20, PAGES_MOST = 16384 };
enum stage {
	STAGE_NONE,    /* there are no files */
	STAGE_MAKING,  /* the thread makes them */
	STAGE_READY,   /* they are there, and data.mdb is flushed by LMDB */
	STAGE_USED,
	STAGE_BROKEN,  /* data.mdb could not be flushed: back to the base */
	STAGE_UNSURE,  /* a head that does not hold may be on the disk: nothing is written until it is gone for certain */
};
enum change { CHANGE_PUT = 1, CHANGE_PATCH, CHANGE_DEL };
struct change_head { uint8_t what, table; uint16_t key; uint32_t n, at; };

struct store_journal {
	struct store *store;
	struct journal_files files;
	struct buf batch;
	struct { size_t at, n; const void *room; } hole; /* of st_reserve: filled in by its caller, copied at the next change */
	struct { unsigned cur; size_t at; } before; /* where the last record was written */
	bool unstruck;             /* a record that does not count may be there: it has to go before it could be played */
	uint64_t pages;            /* written since the base, about */
	_Atomic(struct generation *) gen, next_gen; /* in which the pins are */
	MDB_txn *pin;
	/* the thread's work; under lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread;
	bool threaded, ending;
	enum stage stage;
	bool flushing;             /* a checkpoint is under way: */
	MDB_txn *next_pin;
	struct journal_base next;
	unsigned next_file;
	int data_fd;
};

/* --- noting changes --- */

void st_journal_close_hole(struct store_journal *j)
{
	if (j->hole.n && !j->batch.failed)
		memcpy(j->batch.p + j->hole.at, j->hole.room, j->hole.n);
	j->hole.n = 0;
}

static void note(struct store_journal *j, enum change what, enum st_table t, struct slice key, size_t at, size_t n)
{
	struct change_head h = { (uint8_t)what, (uint8_t)t, (uint16_t)key.n, (uint32_t)n, (uint32_t)at };

	st_journal_close_hole(j);
	if (n > UINT32_MAX || at > UINT32_MAX)
		j->batch.failed = true;
	buf_add(&j->batch, &h, sizeof(h));
	buf_slice(&j->batch, key);
}

void st_journal_put(struct st_tx *tx, enum st_table t, struct slice key, struct slice value)
{
	note(tx->journal, CHANGE_PUT, t, key, 0, value.n);
	buf_slice(&tx->journal->batch, value);
}

void st_journal_reserve(struct st_tx *tx, enum st_table t, struct slice key, size_t n, void *room)
{
	struct store_journal *j = tx->journal;

	note(j, CHANGE_PUT, t, key, 0, n);
	j->hole.at = j->batch.n;
	j->hole.n = n;
	j->hole.room = room;
	if (buf_room(&j->batch, n))
		j->batch.n += n;
}

void st_journal_patch(struct st_tx *tx, enum st_table t, struct slice key, size_t at, const void *p, size_t n)
{
	note(tx->journal, CHANGE_PATCH, t, key, at, n);
	buf_add(&tx->journal->batch, p, n);
}

void st_journal_del(struct st_tx *tx, enum st_table t, struct slice key) { note(tx->journal, CHANGE_DEL, t, key, 0, 0); }

void st_journal_clear(struct store_journal *j)
{
	static const char head[JOURNAL_RECORD];

	buf_clear(&j->batch);
	j->hole.n = 0;
	buf_add(&j->batch, head, sizeof(head));
}

/* --- playing it again --- */

static bool take(struct slice *rest, size_t n, struct slice *out)
{
	if (rest->n < n)
		return false;
	*out = slice_of(rest->p, n);
	*rest = slice_skip(*rest, n);
	return true;
}

static int play_one(MDB_txn *txn, const struct generation *g, struct slice *rest)
{
	struct change_head h;
	struct slice raw, key, value;
	MDB_val k, v, old;
	int err;

	if (!take(rest, sizeof(h), &raw))
		return MDB_CORRUPTED;
	memcpy(&h, raw.p, sizeof(h));
	if (h.table >= ST_TABLES || !take(rest, h.key, &key) || !take(rest, h.n, &value))
		return MDB_CORRUPTED;
	k = (MDB_val){ key.n, (void *)(uintptr_t)key.p };
	v = (MDB_val){ value.n, (void *)(uintptr_t)value.p };
	if (h.what == CHANGE_PUT)
		return mdb_put(txn, g->dbi[h.table], &k, &v, 0);
	if (h.what == CHANGE_DEL) {
		err = mdb_del(txn, g->dbi[h.table], &k, NULL);
		return err == MDB_NOTFOUND ? 0 : err;
	}
	if (h.what != CHANGE_PATCH || (err = mdb_get(txn, g->dbi[h.table], &k, &old)) || h.at > old.mv_size || value.n > old.mv_size - h.at)
		return MDB_CORRUPTED;
	raw.p = malloc(old.mv_size);
	if (!raw.p)
		return ENOMEM;
	memcpy((char *)(uintptr_t)raw.p, old.mv_data, old.mv_size);
	memcpy((char *)(uintptr_t)raw.p + h.at, value.p, value.n);
	v = (MDB_val){ old.mv_size, (void *)(uintptr_t)raw.p };
	err = mdb_put(txn, g->dbi[h.table], &k, &v, 0);
	free((void *)(uintptr_t)raw.p);
	return err;
}

static int play(struct generation *g, struct journal_files *f, unsigned *n)
{
	char *room = malloc(f->size);
	enum reeve_rc rc = RC_OK;
	MDB_txn *txn = NULL;
	struct slice rest;
	int err = room ? 0 : ENOMEM;

	for (*n = 0; !err; (*n)++) {
		rc = journal_next(f, room, &rest);
		if (txn && (rc != RC_OK || *n % REPLAY_BATCH == 0)) {
			err = mdb_txn_commit(txn);
			txn = NULL;
		}
		if (err || rc != RC_OK)
			break;
		if (!txn)
			err = mdb_txn_begin(g->env, NULL, 0, &txn);
		while (!err && rest.n)
			err = play_one(txn, g, &rest);
	}
	if (txn)
		mdb_txn_abort(txn);
	free(room);
	return err;
}

/* --- bases --- */

static int data_file(const struct store *s, int flags)
{
	char name[4096];

	snprintf(name, sizeof(name), "%s/data.mdb", s->path);
	return open(name, flags | O_CLOEXEC);
}

/* The number of the newest transaction in two meta pages: behind LMDB's header of a page and what stands before it (mdb.c, MDB_meta). */
static uint64_t newest(const uint8_t *metas, size_t page)
{
	uint64_t txnid[2];

	for (int i = 0; i < 2; i++)
		memcpy(&txnid[i], metas + (size_t)i * page + 16 + 24 + 2 * 48 + 8, sizeof(txnid[i]));
	return txnid[0] > txnid[1] ? txnid[0] : txnid[1];
}

static enum reeve_rc read_metas(struct store_journal *j, struct journal_base *b, size_t page)
{
	b->page = (uint32_t)page;
	if (page > JOURNAL_PAGE_MAX || pread(j->data_fd, b->metas, 2 * page, 0) != (ssize_t)(2 * page))
		return st_fail(j->store, "read", EIO);
	return RC_OK;
}

/* Put the meta pages of the base back, durably. */
static enum reeve_rc put_back(struct store *s, const struct journal_base *b, char why[256])
{
	size_t n = 2 * (size_t)b->page;
	uint8_t *now = malloc(n);
	int fd = data_file(s, O_RDWR), err = 0;

	if (!now || fd < 0 || pread(fd, now, n, 0) != (ssize_t)n) {
		err = EIO;
	} else if (newest(now, b->page) < newest(b->metas, b->page)) {
		snprintf(why, 256,
						"%.100s: data.mdb is older than the journal beside it. Was a copy put back? Then "
						"remove journal.0 and journal.1", s->path);
		free(now);
		close(fd);
		return RC_VERSION;
	} else if (pwrite(fd, b->metas, n, 0) != (ssize_t)n || fdatasync(fd) < 0) {
		err = errno ? errno : EIO;
	}
	free(now);
	if (fd >= 0)
		close(fd);
	if (!err)
		return RC_OK;
	snprintf(why, 256, "%.150s: data.mdb cannot be put back to the base of its journal: %s", s->path, strerror(err));
	return st_fail(s, "recover", err);
}

/* Of data.mdb as the base has it, the state as the journal has it, flushed. */
static enum reeve_rc replay(struct store *s, struct journal_files *f, char why[256])
{
	struct generation *g = NULL;
	MDB_txn *pin = NULL;
	unsigned n = 0;
	char lock[4096];
	int err;

	snprintf(lock, sizeof(lock), "%s/lock.mdb", s->path);
	unlink(lock);
	err = st_open_generation(s, &g);
	if (!err && !(err = mdb_env_set_flags(g->env, MDB_NOSYNC, 1)) && !(err = mdb_txn_begin(g->env, NULL, MDB_RDONLY, &pin)) &&
	    !(err = play(g, f, &n)))
		err = mdb_env_sync(g->env, 1);
	if (pin)
		mdb_txn_abort(pin);
	if (g)
		mdb_env_close(g->env);
	free(g);
	if (err) {
		snprintf(why, 256, "%.150s: the journal cannot be played again: %s", s->path, mdb_strerror(err));
		return st_fail(s, "recover", err);
	}
	log_info("store", "%s: the system went down under it; %u batches were taken from the journal", s->path, n);
	return RC_OK;
}

/* Nobody looks at the store from another process while its pages are put back. */
static bool alone(struct store *s)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1 };
	bool yes = fcntl(s->lock_fd, F_OFD_SETLK, &fl) == 0;

	fl.l_type = F_UNLCK;
	(void)fcntl(s->lock_fd, F_OFD_SETLK, &fl);
	return yes;
}

enum reeve_rc st_journal_recover(struct store *s, char why[256])
{
	struct journal_base *base = calloc(1, sizeof(*base));
	struct journal_files f = { .size = 0 };
	uint8_t boot[JOURNAL_BOOT];
	enum reeve_rc rc = base ? journal_open(s->path, !s->o.read_only, &f) : RC_NOMEM;

	if (rc == RC_OK)
		rc = journal_base(&f, base);
	if (rc == RC_OK && !s->o.power_lost && journal_boot(boot) && !memcmp(boot, base->boot, sizeof(boot)))
		rc = RC_NOTFOUND; /* the same run of the system: nothing is missing */
	if (rc == RC_OK && (s->o.read_only || !alone(s))) {
		snprintf(why, 256, s->o.read_only ? "%.200s: the system went down under it; start the CSE on it once" :
				   "%.200s: somebody looks at it; it cannot be repaired meanwhile", s->path);
		rc = RC_BUSY;
	}
	if (rc == RC_OK && (rc = put_back(s, base, why)) == RC_OK && (rc = replay(s, &f, why)) == RC_OK)
		rc = journal_clear(&f); /* all of it is in data.mdb */
	journal_close(&f);
	free(base);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

/* --- checkpoints --- */

/* With the lock. The base becomes what is committed now; the thread makes it durable. Writer only. */
static enum reeve_rc begin_checkpoint(struct store_journal *j)
{
	struct generation *g = atomic_load(&j->store->gen);
	enum reeve_rc rc;
	MDB_stat st;
	int err = mdb_txn_begin(g->env, NULL, MDB_RDONLY, &j->next_pin);

	if (err) {
		j->next_pin = NULL;
		return st_fail(j->store, "checkpoint", err);
	}
	if (mdb_env_stat(g->env, &st) || (rc = read_metas(j, &j->next, st.ms_psize)) != RC_OK) {
		mdb_txn_abort(j->next_pin);
		j->next_pin = NULL;
		return RC_IO;
	}
	j->next.seq = j->files.seq;
	if (!journal_boot(j->next.boot))
		memset(j->next.boot, 0, sizeof(j->next.boot)); /* then it is always played again */
	journal_turn(&j->files);
	j->next_file = j->files.cur;
	atomic_store(&j->next_gen, g);
	j->pages = 0;
	j->flushing = true;
	pthread_cond_broadcast(&j->changed);
	return RC_OK;
}

/* With the lock. The pins go, so that their environments can. */
static void drop_pin(struct store_journal *j, MDB_txn **pin, _Atomic(struct generation *) *gen)
{
	if (*pin)
		mdb_txn_abort(*pin);
	*pin = NULL;
	atomic_store(gen, NULL);
}

/* With the lock, which is given up meanwhile. The thread's part. When the head fails, either base may be the one that is on the disk;
 * the old pin keeps both whole until the store is repaired. */
static void finish_checkpoint(struct store_journal *j)
{
	enum reeve_rc rc = RC_OK;

	pthread_mutex_unlock(&j->lock);
	if (fdatasync(j->data_fd) < 0)
		rc = st_fail(j->store, "flush", errno);
	else if ((rc = journal_set_base(&j->files, j->next_file, &j->next)) != RC_OK)
		rc = st_fail(j->store, "journal", rc == RC_FULL ? ENOSPC : EIO);
	pthread_mutex_lock(&j->lock);
	if (rc != RC_OK) {
		log_error("store", "%s: %s. The store goes back to what is on the disk and plays its journal again",
			  j->store->path, st_why(j->store));
		drop_pin(j, &j->next_pin, &j->next_gen);
		j->stage = STAGE_BROKEN;
	} else {
		drop_pin(j, &j->pin, &j->gen);
		j->pin = j->next_pin;
		j->next_pin = NULL;
		atomic_store(&j->gen, atomic_exchange(&j->next_gen, NULL));
	}
	j->flushing = false;
	pthread_cond_broadcast(&j->changed);
}

static void make_files(struct store_journal *j)
{
	struct journal_files made = { .size = 0 };
	struct statvfs fs;
	size_t each = (j->store->o.journal < JOURNAL_LEAST ? JOURNAL_LEAST : j->store->o.journal) / JOURNAL_FILES;
	enum reeve_rc rc;

	pthread_mutex_unlock(&j->lock);
	rc = statvfs(j->store->path, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize / 8 > 2 * each ?
		journal_make(j->store->path, JOURNAL_FIRST + each, &made) : RC_FULL;
	pthread_mutex_lock(&j->lock);
	if (rc != RC_OK)
		log_warn("store", "%s: no journal: %s. Commits take two flushes instead of one", j->store->path, rc_name(rc));
	j->files = made;
	j->stage = rc == RC_OK ? STAGE_READY : STAGE_NONE;
	pthread_cond_broadcast(&j->changed);
}

static void *work(void *arg)
{
	struct store_journal *j = arg;

	pthread_mutex_lock(&j->lock);
	for (;;) {
		if (j->stage == STAGE_MAKING)
			make_files(j);
		else if (j->flushing)
			finish_checkpoint(j);
		else if (j->ending)
			break;
		else
			pthread_cond_wait(&j->changed, &j->lock);
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

/* With the lock: until no checkpoint is under way. */
static void await_checkpoint(struct store_journal *j)
{
	while (j->flushing)
		pthread_cond_wait(&j->changed, &j->lock);
}

/* With the lock: make what is committed now the base, and wait until it is. */
static enum reeve_rc checkpoint_now(struct store_journal *j)
{
	enum reeve_rc rc;

	await_checkpoint(j);
	rc = j->stage == STAGE_BROKEN ? RC_IO : begin_checkpoint(j);
	if (rc == RC_OK) {
		await_checkpoint(j);
		rc = j->stage == STAGE_BROKEN ? RC_IO : RC_OK;
	}
	return rc;
}

/* --- the writer's side --- */

/* With the lock: the heads say nothing any more, and LMDB flushes for itself. */
static enum reeve_rc stop_using(struct store_journal *j)
{
	enum reeve_rc rc = journal_clear(&j->files);

	j->stage = rc == RC_OK ? STAGE_READY : STAGE_UNSURE;
	return rc == RC_OK ? RC_OK : st_fail(j->store, "journal", EIO);
}

/* With the lock: from LMDB's own flushes to the journal. No head is valid, and what is committed is on the disk. When it fails the
 * store goes on as it was, and the next transaction tries again. */
static enum reeve_rc begin_using(struct store_journal *j)
{
	if (checkpoint_now(j) != RC_OK) {
		drop_pin(j, &j->pin, &j->gen);
		return stop_using(j);
	}
	mdb_env_set_flags(atomic_load(&j->gen)->env, MDB_NOSYNC, 1);
	j->stage = STAGE_USED;
	return RC_OK;
}

/* With the lock. An environment was replaced (lmdb_int.h), and the pin was in the old one: what is committed becomes the base before
 * anything is written. */
static enum reeve_rc begin_again(struct store_journal *j)
{
	enum reeve_rc rc = checkpoint_now(j);

	if (rc == RC_OK)
		mdb_env_set_flags(atomic_load(&j->gen)->env, MDB_NOSYNC, 1);
	return rc;
}

/* What data.mdb holds in the page cache is not to be trusted any more: whoever opens the store next plays the journal again. */
static void forget_boot(struct store_journal *j)
{
	if (journal_forget_boot(&j->files) != RC_OK)
		log_error("store", "%s: its journal cannot be marked; if the next start finds it damaged, restart the system first",
			  j->store->path);
}

/* With the lock. The store goes back to its base: nobody may read meanwhile. */
static enum reeve_rc repair(struct store_journal *j)
{
	struct store *s = j->store;
	struct journal_base *base = calloc(1, sizeof(*base));
	struct generation *g = NULL;
	char why[256] = "";
	enum reeve_rc rc = base ? RC_OK : RC_NOMEM;
	int err;

	drop_pin(j, &j->pin, &j->gen);
	forget_boot(j); /* also if we end before it is done */
	st_retire(s);
	if (rc == RC_OK && (!st_retired_quiet(s) || !alone(s)))
		rc = st_fail(s, "repair", EBUSY);
	if (rc == RC_OK && (rc = journal_base(&j->files, base)) == RC_OK && (rc = put_back(s, base, why)) == RC_OK &&
	    (rc = replay(s, &j->files, why)) == RC_OK && (err = st_open_generation(s, &g)))
		rc = st_fail(s, "repair", err);
	free(base);
	if (rc != RC_OK) {
		log_error("store", "%s: not repaired yet: %s", s->path, why[0] ? why : st_why(s));
		return rc == RC_FULL ? RC_FULL : RC_IO;
	}
	atomic_store(&s->gen, g);
	rc = stop_using(j);
	return rc == RC_OK ? begin_using(j) : rc;
}

static uint64_t pages_most(struct store *s)
{
	uint64_t part = s->map_size / 4096 / 16;
	return part < PAGES_MOST ? part : PAGES_MOST;
}

static bool is_due(const struct store_journal *j)
{
	return j->pages >= pages_most(j->store) || j->files.at - JOURNAL_FIRST > (j->files.size - JOURNAL_FIRST) / 2;
}

/* Is the newest pin in another environment than the current one? */
static bool replaced(const struct store_journal *j)
{
	const struct generation *g = atomic_load(j->flushing ? &j->next_gen : &j->gen);
	return g != atomic_load(&j->store->gen);
}

bool st_journal_pins(struct store *s, const struct generation *g)
{
	return s->journal && (atomic_load(&s->journal->gen) == g || atomic_load(&s->journal->next_gen) == g);
}

enum reeve_rc st_journal_begin(struct store *s)
{
	struct store_journal *j = s->journal;
	enum reeve_rc rc = RC_OK;

	if (!j)
		return RC_OK;
	pthread_mutex_lock(&j->lock);
	if (j->stage != STAGE_MAKING && j->stage != STAGE_USED)
		await_checkpoint(j);
	if (j->unstruck && (rc = journal_strike(&j->files)) != RC_OK) {
		pthread_mutex_unlock(&j->lock);
		return st_fail(s, "journal", rc == RC_FULL ? ENOSPC : EIO);
	}
	j->unstruck = false;
	if (j->stage == STAGE_UNSURE)
		rc = stop_using(j);
	if (j->stage == STAGE_BROKEN)
		rc = repair(j);
	else if (j->stage == STAGE_READY)
		rc = begin_using(j);
	else if (j->stage == STAGE_USED && replaced(j))
		rc = begin_again(j);
	else if (j->stage == STAGE_USED && !j->flushing && is_due(j))
		rc = begin_checkpoint(j);
	s->writer.journal = rc == RC_OK && j->stage == STAGE_USED ? j : NULL;
	pthread_mutex_unlock(&j->lock);
	return rc;
}

bool st_journal_yield(struct store *s)
{
	struct store_journal *j = s->journal;
	bool more = false;

	if (!j || !s->writer.journal)
		return false;
	pthread_mutex_lock(&j->lock);
	if (j->pages)
		more = checkpoint_now(j) == RC_OK;
	pthread_mutex_unlock(&j->lock);
	return more;
}

static enum reeve_rc append(struct store_journal *j)
{
	enum reeve_rc rc;

	j->before.cur = j->files.cur;
	j->before.at = j->files.at;
	rc = journal_append(&j->files, &j->batch);
	if (rc != RC_OK && rc != RC_LIMIT && rc != RC_NOMEM)
		j->unstruck = journal_strike(&j->files) != RC_OK;
	return rc;
}

enum reeve_rc st_journal_write(struct st_tx *tx)
{
	struct store_journal *j = tx->journal;
	enum reeve_rc rc;

	st_journal_close_hole(j);
	if (j->batch.n == JOURNAL_RECORD && !j->batch.failed)
		return RC_OK; /* nothing was changed */
	rc = append(j);
	if (rc == RC_LIMIT) { /* into the other file, when it is free: the base becomes what is committed, without this transaction */
		pthread_mutex_lock(&j->lock);
		await_checkpoint(j);
		rc = j->stage == STAGE_BROKEN ? RC_IO : begin_checkpoint(j);
		pthread_mutex_unlock(&j->lock);
		if (rc == RC_OK)
			rc = append(j);
	}
	if (rc == RC_OK)
		j->pages += 8 + tx->changes / 8 + j->batch.n / 4096;
	if (rc == RC_NOMEM || rc == RC_LIMIT) /* too large for the journal: see st_journal_without */
		return RC_LIMIT;
	return rc == RC_OK ? RC_OK : st_fail(tx->store, "journal", rc == RC_FULL ? ENOSPC : EIO);
}

void st_journal_undone(struct store_journal *j)
{
	if (j->batch.n == JOURNAL_RECORD)
		return;
	j->files.cur = j->before.cur;
	j->files.at = j->before.at;
	j->files.seq--;
	j->unstruck = journal_strike(&j->files) != RC_OK;
}

enum reeve_rc st_journal_without(struct store_journal *j)
{
	enum reeve_rc rc;

	pthread_mutex_lock(&j->lock);
	rc = checkpoint_now(j);
	if (rc != RC_OK)
		j->stage = STAGE_BROKEN; /* what follows would not stand on what is on the disk */
	pthread_mutex_unlock(&j->lock);
	return rc;
}

/* --- start and stop --- */

/* A journal of this run of the system, left by a process that did not end in order: all it says is in the page cache. Its base holds
 * until there is a
 * new one, in the other file. */
static enum reeve_rc go_on(struct store_journal *j)
{
	struct journal_base *base = calloc(1, sizeof(*base));
	char *room = malloc(j->files.size);
	enum reeve_rc rc = base && room ? journal_base(&j->files, base) : RC_NOMEM;
	unsigned holder = j->files.cur;
	struct slice changes;

	while (rc == RC_OK && journal_next(&j->files, room, &changes) == RC_OK)
		;
	free(room);
	free(base);
	j->files.cur = holder;
	if (rc == RC_NOTFOUND) {
		j->stage = STAGE_READY;
		return RC_OK;
	}
	if (rc == RC_OK && (rc = checkpoint_now(j)) == RC_OK) {
		mdb_env_set_flags(atomic_load(&j->gen)->env, MDB_NOSYNC, 1);
		j->stage = STAGE_USED;
	}
	return rc;
}

static bool start_thread(struct store_journal *j)
{
	sigset_t all, before;
	bool yes;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	yes = pthread_create(&j->thread, NULL, work, j) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return yes;
}

/* Without a journal from now on: what an earlier one says is flushed to data.mdb, then it goes. */
static enum reeve_rc do_without(struct store *s, char why[256])
{
	struct journal_files f;
	enum reeve_rc rc = journal_open(s->path, true, &f);
	int err;

	if (rc != RC_OK)
		return rc == RC_NOTFOUND ? RC_OK : rc;
	err = s->o.no_sync ? 0 : mdb_env_sync(atomic_load(&s->gen)->env, 1);
	rc = err ? st_fail(s, "flush", err) : journal_clear(&f);
	journal_close(&f);
	if (rc == RC_OK)
		journal_remove(s->path);
	else
		snprintf(why, 256, "%.200s: its journal cannot be given up: %s", s->path, rc_name(rc));
	return rc;
}

enum reeve_rc st_journal_start(struct store *s, char why[256])
{
	struct store_journal *j;
	enum reeve_rc rc;

	if (s->o.read_only)
		return RC_OK;
	if (!s->o.journal || s->o.no_sync)
		return do_without(s, why);
	j = calloc(1, sizeof(*j));
	if (!j) {
		snprintf(why, 256, "out of memory");
		return RC_NOMEM;
	}
	j->store = s;
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->changed, NULL);
	s->journal = j;
	j->data_fd = data_file(s, O_RDWR);
	rc = journal_open(s->path, true, &j->files);
	if (rc == RC_NOTFOUND)
		j->stage = STAGE_MAKING;
	buf_init(&j->batch, (s->o.journal < JOURNAL_LEAST ? JOURNAL_LEAST : s->o.journal) / JOURNAL_FILES);
	if (j->data_fd < 0 || (rc != RC_OK && rc != RC_NOTFOUND) || !(j->threaded = start_thread(j))) {
		snprintf(why, 256, "%.200s: its journal cannot be used: %s", s->path, strerror(errno));
		return RC_IO;
	}
	pthread_mutex_lock(&j->lock);
	rc = rc == RC_OK ? go_on(j) : RC_OK;
	pthread_mutex_unlock(&j->lock);
	if (rc != RC_OK)
		snprintf(why, 256, "%.100s: what its journal says cannot be made durable: %.80s", s->path, st_why(s));
	return rc;
}

void st_journal_stop(struct store *s)
{
	struct store_journal *j = s->journal;
	struct generation *g = atomic_load(&s->gen);

	if (!j)
		return;
	pthread_mutex_lock(&j->lock);
	j->ending = true;
	pthread_cond_broadcast(&j->changed);
	pthread_mutex_unlock(&j->lock);
	if (j->threaded)
		pthread_join(j->thread, NULL);
	if (j->unstruck && journal_strike(&j->files) != RC_OK)
		log_error("store", "%s: a change that was refused may come back after a power loss", s->path);
	if (j->stage == STAGE_USED && (!g || mdb_env_sync(g->env, 1) != 0 || journal_clear(&j->files) != RC_OK))
		j->stage = STAGE_BROKEN;
	if (j->stage == STAGE_BROKEN)
		forget_boot(j);
	drop_pin(j, &j->pin, &j->gen);
	drop_pin(j, &j->next_pin, &j->next_gen);
	journal_close(&j->files);
	if (j->data_fd >= 0)
		close(j->data_fd);
	buf_free(&j->batch);
	pthread_cond_destroy(&j->changed);
	pthread_mutex_destroy(&j->lock);
	free(j);
	s->journal = NULL;
}
