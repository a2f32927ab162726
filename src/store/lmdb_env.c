/* SPDX-License-Identifier: Apache-2.0 */
/* LMDB engine: opening, locking, the schema mark, and replacing an environment that failed (see lmdb_int.h).
 *
 * <path>/lock is ours: byte 0 is locked by the process that writes, byte 1 shared by those that look at the store beside
 * it. Locks belong to the open file, so a second open in the same process is refused too. LMDB's own files are
 * data.mdb and lock.mdb. A replaced environment keeps its lock.mdb, unlinked: LMDB must never open one lock file
 * twice in a process. */
#include "store/lmdb_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

enum { LOCK_WRITER = 0, LOCK_LOOKER = 1 };
static const size_t map_default = (size_t)64 << 30, map_least = (size_t)1 << 30;

struct mark {
	uint32_t order;  /* MARK_ORDER as this machine writes it */
	uint32_t schema;
};
static const uint32_t MARK_ORDER = 0x01020304;

static const char *const table_names[ST_TABLES] = {
	"meta", "res", "name", "type", "label", "due", "outbox", "trash", "pending", "grant", "map", "role", "node", "credential",
};

enum reeve_rc st_fail(struct store *s, const char *what, int err)
{
	pthread_mutex_lock(&s->lock);
	snprintf(s->why, sizeof(s->why), "%s: %s", what, err == MDB_MAP_FULL ? "the store has reached its largest size" :
		 mdb_strerror(err));
	pthread_mutex_unlock(&s->lock);
	switch (err) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
		return RC_FULL;
	case ENOMEM:
		return RC_NOMEM;
	case MDB_READERS_FULL:
		return RC_LIMIT;
	default:
		return RC_IO;
	}
}

const char *st_why(const struct store *s)
{
	static _Thread_local char copy[sizeof(s->why)];
	struct store *w = (struct store *)(uintptr_t)s; /* only its lock is used */

	pthread_mutex_lock(&w->lock);
	memcpy(copy, s->why, sizeof(copy));
	pthread_mutex_unlock(&w->lock);
	return copy;
}

static int lock_byte(int fd, int byte, short type)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
	return fcntl(fd, F_OFD_SETLK, &fl);
}

static void sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fsync(fd) < 0)
		log_warn("store", "%s: cannot make the folder durable: %s", path, strerror(errno));
	close(fd);
}

static enum reeve_rc take_lock(struct store *s, char why[256])
{
	char file[4096], pid[24] = "";
	ssize_t n;

	snprintf(file, sizeof(file), "%s/lock", s->path);
	s->lock_fd = open(file, O_RDWR | O_CLOEXEC | (s->o.read_only ? 0 : O_CREAT), 0600);
	if (s->lock_fd < 0) {
		snprintf(why, 256, "%.200s/lock: %s", s->path, strerror(errno));
		return errno == ENOSPC || errno == EDQUOT ? RC_FULL : RC_IO;
	}
	if (s->o.read_only) {
		if (lock_byte(s->lock_fd, LOCK_LOOKER, F_RDLCK) == 0)
			return RC_OK;
	} else if (lock_byte(s->lock_fd, LOCK_WRITER, F_WRLCK) == 0) {
		n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
		if (ftruncate(s->lock_fd, 0) < 0 || pwrite(s->lock_fd, pid, (size_t)n, 0) != n)
			log_debug("store", "%s: the process id is not noted", file); /* only for the message below */
		return RC_OK;
	}
	n = pread(s->lock_fd, pid, sizeof(pid) - 1, 0);
	pid[n > 0 ? n : 0] = '\0';
	pid[strcspn(pid, "\n")] = '\0';
	snprintf(why, 256, "%s is in use by process %s; stop it or choose another folder", s->path, pid[0] ? pid : "?");
	return RC_BUSY;
}

/* Create the folder (its parent must exist) and remember whether the entry is new. */
static enum reeve_rc make_folder(struct store *s, char why[256])
{
	char *slash;

	if (mkdir(s->path, 0700) < 0) {
		if (errno == EEXIST)
			return RC_OK;
		snprintf(why, 256, "%s: %s", s->path, strerror(errno));
		return errno == ENOSPC || errno == EDQUOT ? RC_FULL : RC_IO;
	}
	slash = strrchr(s->path, '/');
	if (slash && slash != s->path) {
		*slash = '\0';
		sync_folder(s->path);
		*slash = '/';
	} else {
		sync_folder(slash ? "/" : ".");
	}
	return RC_OK;
}

static int open_env(struct store *s, size_t size, MDB_env **out)
{
	unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (s->o.read_only ? MDB_RDONLY : 0) | (s->o.no_sync ? MDB_NOSYNC : 0);
	MDB_env *env;
	int rc = mdb_env_create(&env);

	if (rc)
		return rc;
	if ((rc = mdb_env_set_maxdbs(env, ST_TABLES)) || (rc = mdb_env_set_maxreaders(env, 2 * s->o.readers + 16)) ||
	    (rc = mdb_env_set_mapsize(env, size)) || (rc = mdb_env_open(env, s->path, flags, 0600))) {
		mdb_env_close(env);
		return rc;
	}
	*out = env;
	return 0;
}

static int open_tables(struct store *s, struct generation *g)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(g->env, NULL, s->o.read_only ? MDB_RDONLY : 0, &txn);

	for (int t = 0; !rc && t < ST_TABLES; t++) {
		rc = mdb_dbi_open(txn, table_names[t], s->o.read_only ? 0 : MDB_CREATE, &g->dbi[t]);
		if (rc == MDB_NOTFOUND && t != ST_META)
			rc = MDB_INCOMPATIBLE; /* an older program did not have that table yet */
		if (rc) {
			mdb_txn_abort(txn);
			return rc;
		}
	}
	return rc ? rc : mdb_txn_commit(txn);
}

/* Open an environment and its tables. The address space asked for is halved until the machine grants it. */
int st_open_generation(struct store *s, struct generation **out)
{
	struct generation *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return ENOMEM;
	while ((rc = open_env(s, s->map_size, &g->env)) == ENOMEM && s->map_size / 2 >= map_least) {
		s->map_size /= 2;
		log_warn("store", "%s: no address space for so large a store; trying %zu MiB", s->path, s->map_size >> 20);
	}
	if (!rc && (rc = open_tables(s, g)))
		mdb_env_close(g->env);
	if (rc) {
		free(g);
		return rc;
	}
	*out = g;
	return 0;
}

/* The mark tells which program can read the file. */
static enum reeve_rc check_mark(struct store *s, struct generation *g, char why[256])
{
	MDB_val key = { 6, (void *)"schema" }, val;
	struct mark m = { MARK_ORDER, ST_SCHEMA };
	MDB_txn *txn;
	int rc = mdb_txn_begin(g->env, NULL, s->o.read_only ? MDB_RDONLY : 0, &txn);

	if (rc)
		goto io;
	rc = mdb_get(txn, g->dbi[ST_META], &key, &val);
	if (rc == MDB_NOTFOUND && !s->o.read_only) {
		val = (MDB_val){ sizeof(m), &m };
		if ((rc = mdb_put(txn, g->dbi[ST_META], &key, &val, 0))) {
			mdb_txn_abort(txn);
			goto io;
		}
		if ((rc = mdb_txn_commit(txn)))
			goto io;
		sync_folder(s->path);
		return RC_OK;
	}
	if (!rc && val.mv_size == sizeof(m))
		memcpy(&m, val.mv_data, sizeof(m));
	else if (!rc)
		rc = MDB_INVALID;
	mdb_txn_abort(txn);
	if (rc)
		goto io;
	if (m.order != MARK_ORDER) {
		snprintf(why, 256, "%s was written on a machine of another byte order", s->path);
		return RC_VERSION;
	}
	if (m.schema != ST_SCHEMA) {
		snprintf(why, 256, "%s has schema %u, this program reads schema %d: use the program that wrote it", s->path,
			 m.schema, ST_SCHEMA);
		return RC_VERSION;
	}
	return RC_OK;
io:
	snprintf(why, 256, "%s: %s", s->path, rc == MDB_NOTFOUND ? "there is no store yet" : mdb_strerror(rc));
	return st_fail(s, "open", rc);
}

static enum reeve_rc open_first(struct store *s, char why[256])
{
	struct generation *g = NULL;
	enum reeve_rc rc;
	int err;

	if ((rc = st_journal_recover(s, why)) != RC_OK)
		return rc;
	err = st_open_generation(s, &g);
	if (err) {
		snprintf(why, 256, "%s: %s", s->path,
			 err == MDB_NOTFOUND || (s->o.read_only && err == ENOENT) ? "there is no store yet" :
			 err == MDB_INVALID ? "data.mdb is no store" :
			 err == MDB_INCOMPATIBLE ? "an older program wrote the store; start the CSE on it once" : mdb_strerror(err));
		rc = st_fail(s, "open", err);
		return err == MDB_VERSION_MISMATCH || err == MDB_INCOMPATIBLE ? RC_VERSION : rc;
	}
	rc = check_mark(s, g, why);
	if (rc != RC_OK) {
		mdb_env_close(g->env);
		free(g);
		return rc;
	}
	atomic_store(&s->gen, g);
	return st_journal_start(s, why);
}

enum reeve_rc store_open(const struct store_options *o, struct store **out, char why[256])
{
	struct store *s = calloc(1, sizeof(*s));
	enum reeve_rc rc;

	why[0] = '\0';
	if (!s || !(s->path = strdup(o->path))) {
		free(s);
		snprintf(why, 256, "out of memory");
		return RC_NOMEM;
	}
	s->o = *o;
	s->o.path = s->path;
	s->lock_fd = -1;
	s->map_size = o->max_bytes ? (size_t)o->max_bytes & ~(size_t)0xffff : map_default;
	pthread_mutex_init(&s->lock, NULL);
	rc = o->read_only ? RC_OK : make_folder(s, why);
	if (rc == RC_OK)
		rc = take_lock(s, why);
	if (rc == RC_OK)
		rc = open_first(s, why);
	if (rc != RC_OK) {
		store_close(s);
		return rc;
	}
	*out = s;
	return RC_OK;
}

void store_close(struct store *s)
{
	struct generation *g;

	if (!s)
		return;
	st_journal_stop(s);
	st_retired_quiet(s);
	g = atomic_load(&s->gen);
	if (g)
		mdb_env_close(g->env);
	free(g);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	pthread_mutex_destroy(&s->lock);
	free(s->path);
	free(s);
}

/* --- a failed environment --- */

/* With s->lock held: does a reader hold g open, or even look at it? */
static bool reader_in(const struct store *s, const struct generation *g, bool active_only)
{
	for (const struct st_tx *r = s->readers; r; r = r->next)
		if (atomic_load(&r->active) == g || (!active_only && r->gen == g))
			return true;
	return false;
}

/* With s->lock held: nobody looks at the store from another process, or nobody who could have come before the failure. */
static bool lookers_gone(struct store *s)
{
	if (!s->lookers_count)
		return true;
	if (lock_byte(s->lock_fd, LOCK_LOOKER, F_WRLCK) < 0)
		return false;
	(void)lock_byte(s->lock_fd, LOCK_LOOKER, F_UNLCK);
	s->lookers_count = false;
	return true;
}

bool st_retired_quiet(struct store *s)
{
	bool quiet;

	pthread_mutex_lock(&s->lock);
	quiet = lookers_gone(s);
	for (struct generation **p = &s->retired, *g; (g = *p) != NULL;) {
		quiet = quiet && !reader_in(s, g, true);
		if (reader_in(s, g, false) || st_journal_pins(s, g)) {
			p = &g->older;
			continue;
		}
		*p = g->older;
		mdb_env_close(g->env);
		free(g);
	}
	pthread_mutex_unlock(&s->lock);
	return quiet;
}

/* With s->lock held: a new environment on the same file, with a lock file of its own. */
static int replace(struct store *s, struct generation *g)
{
	struct generation *fresh = NULL;
	char file[4096];
	int err;

	snprintf(file, sizeof(file), "%s/lock.mdb", s->path);
	if (!s->o.read_only && unlink(file) < 0 && errno != ENOENT)
		return errno;
	err = st_open_generation(s, &fresh);
	if (err)
		return err;
	g->older = s->retired;
	s->retired = g;
	s->lookers_count = true;
	atomic_store(&s->gen, fresh);
	return 0;
}

void st_retire(struct store *s)
{
	struct generation *g;

	pthread_mutex_lock(&s->lock);
	g = atomic_exchange(&s->gen, NULL);
	if (g) {
		g->older = s->retired;
		s->retired = g;
		s->lookers_count = true;
	}
	pthread_mutex_unlock(&s->lock);
}

enum reeve_rc st_revive(struct store *s, struct generation *g)
{
	int err = 0;

	pthread_mutex_lock(&s->lock);
	if (atomic_load(&s->gen) == g)
		err = replace(s, g);
	pthread_mutex_unlock(&s->lock);
	if (!err)
		return RC_OK;
	log_error("store", "%s: cannot be opened again after a failure: %s", s->path, mdb_strerror(err));
	return st_fail(s, "open again", err) == RC_FULL ? RC_FULL : RC_IO;
}
