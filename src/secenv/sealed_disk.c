/* SPDX-License-Identifier: Apache-2.0 */
/* Files with secrets: who may see them, and replaced so that a crash leaves the old one or the new one, whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secenv/sealed_int.h"

enum { PATH_LONGEST = 4096 };

static enum reeve_rc system_failed(char *why, const char *what, const char *path)
{
	const enum reeve_rc rc = errno == ENOENT ? RC_NOTFOUND : errno == ENOSPC || errno == EDQUOT ? RC_FULL
				 : errno == EEXIST ? RC_EXISTS : errno == EACCES || errno == EPERM || errno == ELOOP ? RC_DENIED : RC_IO;
	return key_why(why, rc, "%s: %s: %s", path, what, strerror(errno));
}

/* A file that others could read is no secret, one that others could change no truth. */
static enum reeve_rc private_file(const struct stat *st, size_t max, const char *path, char *why)
{
	if (!S_ISREG(st->st_mode))
		return key_why(why, RC_DENIED, "%s: not a regular file", path);
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return key_why(why, RC_DENIED, "%s: belongs to another user (%u)", path, (unsigned)st->st_uid);
	if (st->st_mode & 077)
		return key_why(why, RC_DENIED, "%s: mode %03o lets others in: chmod 600", path, (unsigned)st->st_mode & 0777);
	if ((uint64_t)st->st_size > max)
		return key_why(why, RC_LIMIT, "%s: longer than %zu bytes", path, max);
	return RC_OK;
}

static enum reeve_rc read_all(int fd, size_t n, const char *path, struct buf *out, char *why)
{
	char *p = n ? buf_room(out, n) : NULL;
	size_t got = 0;
	ssize_t r = 1;

	if (n && !p)
		return key_why(why, RC_NOMEM, "%s: out of memory", path);
	while (got < n && r > 0) {
		r = read(fd, p + got, n - got);
		if (r > 0)
			got += (size_t)r;
		else if (r < 0 && errno == EINTR)
			r = 1;
	}
	if (r < 0)
		return system_failed(why, "cannot be read", path);
	out->n += got;
	return RC_OK;
}

enum reeve_rc disk_read(const char *path, size_t max, struct buf *out, char *why)
{
	struct stat st;
	enum reeve_rc rc;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return system_failed(why, "cannot be opened", path);
	rc = fstat(fd, &st) ? system_failed(why, "cannot be looked at", path) : private_file(&st, max, path, why);
	if (rc == RC_OK)
		rc = read_all(fd, (size_t)st.st_size, path, out, why);
	close(fd);
	return rc;
}

static bool sync_folder(const char *path)
{
	char folder[PATH_LONGEST];
	const char *slash = strrchr(path, '/');
	int fd;
	bool ok;

	snprintf(folder, sizeof(folder), "%.*s", slash ? slash == path ? 1 : (int)(slash - path) : 1, slash ? path : ".");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool write_all(int fd, struct slice bytes)
{
	while (bytes.n) {
		const ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			bytes = slice_skip(bytes, (size_t)n);
	}
	return true;
}

/* Write path.new; its name goes to `name`. Nobody else does: the caller holds the lock. */
static enum reeve_rc write_new(const char *path, struct slice bytes, char name[PATH_LONGEST], char *why)
{
	int fd;
	bool ok;

	if (snprintf(name, PATH_LONGEST, "%s.new", path) >= PATH_LONGEST)
		return key_why(why, RC_LIMIT, "the path is too long");
	unlink(name); /* left by a crash */
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return system_failed(why, "cannot be created", name);
	ok = fchmod(fd, 0600) == 0 && write_all(fd, bytes) && fsync(fd) == 0;
	if (close(fd) == 0 && ok)
		return RC_OK;
	const enum reeve_rc rc = system_failed(why, "cannot be written", name);
	unlink(name);
	return rc == RC_FULL ? rc : RC_IO;
}

enum reeve_rc disk_replace(const char *path, struct slice bytes, char *why)
{
	char name[PATH_LONGEST];
	enum reeve_rc rc = write_new(path, bytes, name, why);

	if (rc != RC_OK)
		return rc;
	if (rename(name, path)) {
		rc = system_failed(why, "cannot be replaced", path);
		unlink(name);
		return rc;
	}
	return sync_folder(path) ? RC_OK : system_failed(why, "its folder cannot be written", path);
}

enum reeve_rc disk_create(const char *path, struct slice bytes, char *why)
{
	char name[PATH_LONGEST];
	enum reeve_rc rc = write_new(path, bytes, name, why);

	if (rc != RC_OK)
		return rc;
	if (link(name, path)) /* unlike rename, never over a file that is there */
		rc = system_failed(why, "cannot be created", path);
	unlink(name);
	if (rc == RC_OK && !sync_folder(path))
		rc = system_failed(why, "its folder cannot be written", path);
	return rc;
}

int disk_lock(const char *path, char *why)
{
	char name[PATH_LONGEST];
	int fd;

	if (snprintf(name, sizeof(name), "%s.lock", path) >= (int)sizeof(name)) {
		(void)key_why(why, RC_LIMIT, "the path is too long");
		return -1;
	}
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	while (fd >= 0 && flock(fd, LOCK_EX)) {
		if (errno == EINTR)
			continue;
		(void)system_failed(why, "cannot be locked", name);
		close(fd);
		return -1;
	}
	if (fd < 0)
		(void)system_failed(why, "cannot be opened", name);
	return fd;
}
