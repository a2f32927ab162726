/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that can be made to fail while the server runs; loaded with LD_PRELOAD by tests/e2e/test_faults.py.
 *
 * REEVE_FAULT names a file; its first byte says what fails for files called data.mdb: '0' nothing, 'F' no space for writes, 'S' making
 * durable, 'W' writes with an I/O error. The file is mapped, so that a test changes the state by writing one byte and no call
 * has to read it. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static const volatile char *state;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("REEVE_FAULT");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		state = p;
	close(fd);
}

static int is_store(int fd)
{
	char link[64], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return 0;
	path[n] = '\0';
	return strstr(path, "data.mdb") != NULL;
}

static int write_fails(int fd)
{
	char s = state ? *state : '0';

	if ((s != 'F' && s != 'W') || !is_store(fd))
		return 0;
	errno = s == 'F' ? ENOSPC : EIO;
	return 1;
}

static int sync_fails(int fd)
{
	if (!state || *state != 'S' || (fd >= 0 && !is_store(fd)))
		return 0;
	errno = EIO;
	return 1;
}

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return write_fails(fd) ? -1 : REAL(pwrite)(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return write_fails(fd) ? -1 : REAL(pwrite64)(fd, p, n, at);
}

ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	return write_fails(fd) ? -1 : REAL(pwritev)(fd, v, n, at);
}

ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t at)
{
	return write_fails(fd) ? -1 : REAL(pwritev64)(fd, v, n, at);
}

ssize_t write(int fd, const void *p, size_t n)
{
	return write_fails(fd) ? -1 : REAL(write)(fd, p, n);
}

int ftruncate(int fd, off_t n)
{
	return write_fails(fd) ? -1 : REAL(ftruncate)(fd, n);
}

int fdatasync(int fd)
{
	return sync_fails(fd) ? -1 : REAL(fdatasync)(fd);
}

int fsync(int fd)
{
	return sync_fails(fd) ? -1 : REAL(fsync)(fd);
}

int msync(void *p, size_t n, int flags)
{
	return sync_fails(-1) ? -1 : REAL(msync)(p, n, flags);
}
