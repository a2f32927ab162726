/* SPDX-License-Identifier: Apache-2.0 */
/* Stands between LMDB and the C library: makes writes and syncs of a store fail on demand, and records them.
 *
 * Two ways to use it. Linked into a test: its definitions come before the C library's, and failio.h controls it. As a
 * module given in LD_PRELOAD to a whole program: the file named by FAILIO holds lines
 *     write|sync|meta|journal|journalsync ERRNO-NAME SKIP COUNT          (e.g. "sync EIO 0 -1", "write ENOSPC 3 1")
 * and is read again whenever it changes; an empty or missing file lets everything pass. "meta" are the writes through a descriptor
 * opened with O_DSYNC: how LMDB makes a commit valid, and what must not fail if it is to live on; the others are
 * of data.mdb or of the journal's files. */
#undef _FILE_OFFSET_BITS /* pwrite is to be called pwrite, as LMDB calls it */
#include "failio.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t write(int fd, const void *p, size_t n);
ssize_t writev(int fd, const struct iovec *v, int n);
int fdatasync(int fd);
int fsync(int fd);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { int err, skip, count; } rule[FAILIO_CALLS];
static unsigned failed;
static bool recording;
static struct failio_op *ops;
static size_t n_ops, cap_ops;
static struct timespec control_time;

void failio_set(enum failio_call call, int err, int skip, int count)
{
	pthread_mutex_lock(&lock);
	rule[call].err = err;
	rule[call].skip = skip;
	rule[call].count = count;
	pthread_mutex_unlock(&lock);
}

void failio_clear(void)
{
	for (int i = 0; i < FAILIO_CALLS; i++)
		failio_set((enum failio_call)i, 0, 0, 0);
}

unsigned failio_failed(void)
{
	unsigned n;
	pthread_mutex_lock(&lock);
	n = failed;
	pthread_mutex_unlock(&lock);
	return n;
}

void failio_record(bool on)
{
	pthread_mutex_lock(&lock);
	if (on) {
		for (size_t i = 0; i < n_ops; i++)
			free(ops[i].data);
		n_ops = 0;
	}
	recording = on;
	pthread_mutex_unlock(&lock);
}

const struct failio_op *failio_recorded(size_t *n)
{
	*n = n_ops;
	return ops;
}

/* With the lock: read the control file when it has changed. */
static void read_control(void)
{
	static const struct { const char *name; int err; } errs[] = { { "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EDQUOT", EDQUOT } };
	static const char *const calls[FAILIO_CALLS] = { "write", "sync", "meta", "journal", "journalsync" };
	const char *file = getenv("FAILIO");
	char call[16], err[16];
	struct stat st;
	int skip, count;
	FILE *f;

	if (!file)
		return;
	if (stat(file, &st) < 0)
		memset(&st, 0, sizeof(st));
	if (memcmp(&st.st_mtim, &control_time, sizeof(control_time)) == 0)
		return;
	control_time = st.st_mtim;
	memset(rule, 0, sizeof(rule));
	f = fopen(file, "re");
	while (f && fscanf(f, "%15s %15s %d %d", call, err, &skip, &count) == 4)
		for (int c = 0; c < FAILIO_CALLS; c++)
			for (size_t e = 0; e < sizeof(errs) / sizeof(errs[0]); e++)
				if (!strcmp(call, calls[c]) && !strcmp(err, errs[e].name)) {
					rule[c].err = errs[e].err;
					rule[c].skip = skip;
					rule[c].count = count;
				}
	if (f)
		fclose(f);
}

/* Which file of a store it is, or -1. */
static int store_file(int fd)
{
	static const char *const names[FAILIO_FILES] = { "/data.mdb", "/journal.0", "/journal.1" };
	char link[64], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	for (int i = 0; i < FAILIO_FILES; i++) {
		ssize_t len = (ssize_t)strlen(names[i]);
		if (n > len && memcmp(path + n - len, names[i], (size_t)len) == 0)
			return i;
	}
	return -1;
}

/* True when this call is to fail; errno is set. */
static bool fails(enum failio_call call)
{
	bool yes = false;

	pthread_mutex_lock(&lock);
	read_control();
	if (rule[call].count != 0) {
		if (rule[call].skip > 0) {
			rule[call].skip--;
		} else {
			if (rule[call].count > 0)
				rule[call].count--;
			yes = true;
			failed++;
			errno = rule[call].err;
		}
	}
	pthread_mutex_unlock(&lock);
	return yes;
}

static void record(int file, bool sync, bool durable, off_t at, const void *p, size_t n)
{
	pthread_mutex_lock(&lock);
	if (recording) {
		if (n_ops == cap_ops) {
			cap_ops = cap_ops ? cap_ops * 2 : 256;
			ops = realloc(ops, cap_ops * sizeof(*ops));
			if (!ops)
				abort();
		}
		ops[n_ops] = (struct failio_op){ file, sync, durable, at, n, n ? malloc(n) : NULL };
		if (n)
			memcpy(ops[n_ops].data, p, n);
		n_ops++;
	}
	pthread_mutex_unlock(&lock);
}

static bool durable_fd(int fd) { return fcntl(fd, F_GETFL) & O_DSYNC; }

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off_t);
	int file = store_file(fd);

	if (!real)
		real = REAL(pwrite);
	if (file >= 0) {
		if (fails(file > 0 ? FAILIO_JOURNAL : durable_fd(fd) ? FAILIO_META : FAILIO_WRITE))
			return -1;
		record(file, false, durable_fd(fd), at, p, n);
	}
	return real(fd, p, n, at);
}

/* What our own code calls. For data.mdb, to keep the file longer than it is used: recorded, but no failure of a commit. */
ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off_t);
	int file = store_file(fd);

	if (!real)
		real = REAL(pwrite64);
	if (file > 0 && fails(FAILIO_JOURNAL))
		return -1;
	if (file >= 0)
		record(file, false, durable_fd(fd), at, p, n);
	return real(fd, p, n, at);
}

ssize_t write(int fd, const void *p, size_t n)
{
	static ssize_t (*real)(int, const void *, size_t);
	int file = store_file(fd);

	if (!real)
		real = REAL(write);
	if (file >= 0) {
		if (fails(FAILIO_WRITE))
			return -1;
		record(file, false, false, lseek(fd, 0, SEEK_CUR), p, n);
	}
	return real(fd, p, n);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
	static ssize_t (*real)(int, const struct iovec *, int);
	int file = store_file(fd);

	if (!real)
		real = REAL(writev);
	if (file >= 0) {
		off_t at = lseek(fd, 0, SEEK_CUR);
		if (fails(FAILIO_WRITE))
			return -1;
		for (int i = 0; i < n; i++) {
			record(file, false, false, at, v[i].iov_base, v[i].iov_len);
			at += (off_t)v[i].iov_len;
		}
	}
	return real(fd, v, n);
}

static int sync_with(int (*real)(int), int fd)
{
	int file = store_file(fd);

	if (file >= 0) {
		if (fails(file > 0 ? FAILIO_JOURNAL_SYNC : FAILIO_SYNC))
			return -1;
		record(file, true, false, 0, NULL, 0);
	}
	return real(fd);
}

int fdatasync(int fd)
{
	static int (*real)(int);

	if (!real)
		real = REAL(fdatasync);
	return sync_with(real, fd);
}

int fsync(int fd)
{
	static int (*real)(int);

	if (!real)
		real = REAL(fsync);
	return sync_with(real, fd);
}
