/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's files; see journal.h. */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

static const char head_mark[8] = "REEVEJNL";
enum { JOURNAL_VERSION = 1, RECORD_MARK = 0x52454356, PIECE = 1 << 18, SECTOR = 512 };

struct head {
	char mark[8];
	uint32_t version, page;
	uint64_t seq;
	uint8_t boot[JOURNAL_BOOT];
	uint64_t metas_sum, sum; /* sum: of all before it */
};
struct record { uint32_t mark, bytes; uint64_t seq, sum; };
_Static_assert(sizeof(struct record) == JOURNAL_RECORD && sizeof(struct head) <= SECTOR, "on the disk");

static enum reeve_rc failure(int err) { return err == ENOSPC || err == EDQUOT || err == EFBIG ? RC_FULL : RC_IO; }

static void file_name(const char *path, unsigned i, char out[4096]) { snprintf(out, 4096, "%s/journal.%u", path, i); }

static enum reeve_rc write_at(int fd, const void *p, size_t n, size_t at)
{
	const char *from = p;

	while (n) {
		ssize_t k = pwrite(fd, from, n, (off_t)at);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k == 0 ? RC_IO : failure(errno);
		from += k;
		at += (size_t)k;
		n -= (size_t)k;
	}
	return RC_OK;
}

static bool read_at(int fd, void *p, size_t n, size_t at)
{
	char *to = p;

	while (n) {
		ssize_t k = pread(fd, to, n, (off_t)at);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		to += k;
		at += (size_t)k;
		n -= (size_t)k;
	}
	return true;
}

static enum reeve_rc flush(int fd) { return fdatasync(fd) == 0 ? RC_OK : failure(errno); }

/* --- files --- */

void journal_close(struct journal_files *f)
{
	for (unsigned i = 0; f->size && i < JOURNAL_FILES; i++)
		if (f->fd[i] >= 0)
			close(f->fd[i]);
	f->size = 0;
}

void journal_remove(const char *path)
{
	char name[4096];

	for (unsigned i = 0; i < JOURNAL_FILES; i++) {
		file_name(path, i, name);
		unlink(name);
	}
}

enum reeve_rc journal_open(const char *path, bool write, struct journal_files *f)
{
	struct stat st[JOURNAL_FILES];
	char name[4096];

	*f = (struct journal_files){ .fd = { -1, -1 }, .size = 1, .at = JOURNAL_FIRST };
	for (unsigned i = 0; i < JOURNAL_FILES; i++) {
		file_name(path, i, name);
		f->fd[i] = open(name, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
		if (f->fd[i] < 0 || fstat(f->fd[i], &st[i]) < 0) {
			enum reeve_rc rc = errno == ENOENT ? RC_NOTFOUND : RC_IO;
			journal_close(f);
			return rc;
		}
	}
	if (st[0].st_size != st[1].st_size || st[0].st_size < JOURNAL_FIRST + JOURNAL_RECORD) {
		journal_close(f);
		return RC_NOTFOUND;
	}
	f->size = (size_t)st[0].st_size;
	return RC_OK;
}

static enum reeve_rc fill(int fd, size_t size)
{
	char *zeros = calloc(1, PIECE);
	enum reeve_rc rc = zeros ? RC_OK : RC_NOMEM;

	for (size_t at = 0; rc == RC_OK && at < size; at += PIECE)
		rc = write_at(fd, zeros, size - at < PIECE ? size - at : PIECE, at);
	free(zeros);
	return rc == RC_OK && fsync(fd) < 0 ? failure(errno) : rc;
}

enum reeve_rc journal_make(const char *path, size_t size, struct journal_files *f)
{
	enum reeve_rc rc = RC_OK;
	char name[4096];
	int folder;

	*f = (struct journal_files){ .fd = { -1, -1 }, .size = size, .at = JOURNAL_FIRST };
	journal_remove(path);
	for (unsigned i = 0; rc == RC_OK && i < JOURNAL_FILES; i++) {
		file_name(path, i, name);
		f->fd[i] = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		rc = f->fd[i] < 0 ? failure(errno) : fill(f->fd[i], size);
	}
	folder = rc == RC_OK ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (folder >= 0 && fsync(folder) < 0)
		rc = failure(errno);
	if (folder >= 0)
		close(folder);
	if (rc != RC_OK) {
		journal_close(f);
		journal_remove(path);
	}
	return rc;
}

bool journal_boot(uint8_t boot[JOURNAL_BOOT])
{
	char text[64] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	uint64_t halves[2];

	if (fd >= 0)
		close(fd);
	if (n < 32)
		return false;
	halves[0] = hash_stable(text, 18);
	halves[1] = hash_stable(text + 18, (size_t)n - 18);
	memcpy(boot, halves, sizeof(halves));
	return true;
}

/* --- heads --- */

static bool read_head(const struct journal_files *f, unsigned i, struct journal_base *out)
{
	struct head h;

	if (!read_at(f->fd[i], &h, sizeof(h), 0) || memcmp(h.mark, head_mark, sizeof(h.mark)) || h.version != JOURNAL_VERSION ||
	    h.sum != hash_stable(&h, offsetof(struct head, sum)) || h.page == 0 || h.page > JOURNAL_PAGE_MAX)
		return false;
	out->seq = h.seq;
	out->page = h.page;
	memcpy(out->boot, h.boot, sizeof(h.boot));
	return read_at(f->fd[i], out->metas, 2 * (size_t)h.page, JOURNAL_PAGES) && hash_stable(out->metas,
					2 * (size_t)h.page) == h.metas_sum;
}

enum reeve_rc journal_base(struct journal_files *f, struct journal_base *out)
{
	struct journal_base *two = calloc(JOURNAL_FILES, sizeof(*two));
	enum reeve_rc rc = RC_NOTFOUND;

	if (!two)
		return RC_NOMEM;
	for (unsigned i = 0; i < JOURNAL_FILES; i++)
		if (read_head(f, i, &two[i]) && (rc == RC_NOTFOUND || two[i].seq > out->seq)) {
			memcpy(out, &two[i], sizeof(*out));
			f->cur = i;
			rc = RC_OK;
		}
	free(two);
	f->at = JOURNAL_FIRST;
	f->seq = rc == RC_OK ? out->seq : 0;
	return rc;
}

static void seal(struct head *h) { h->sum = hash_stable(h, offsetof(struct head, sum)); }

/* One flush for both: a head before pages that are not all there is told by their sum, and the other file's head still holds then. */
enum reeve_rc journal_set_base(struct journal_files *f, unsigned i, const struct journal_base *base)
{
	struct head h = { .version = JOURNAL_VERSION, .page = base->page, .seq = base->seq };
	enum reeve_rc rc;

	memcpy(h.mark, head_mark, sizeof(h.mark));
	memcpy(h.boot, base->boot, sizeof(h.boot));
	h.metas_sum = hash_stable(base->metas, 2 * (size_t)base->page);
	seal(&h);
	if ((rc = write_at(f->fd[i], base->metas, 2 * (size_t)base->page, JOURNAL_PAGES)) != RC_OK ||
	    (rc = write_at(f->fd[i], &h, sizeof(h), 0)) != RC_OK)
		return rc;
	return flush(f->fd[i]);
}

enum reeve_rc journal_clear(struct journal_files *f)
{
	static const char none[sizeof(struct head)];
	enum reeve_rc rc = RC_OK;

	for (unsigned i = 0; rc == RC_OK && i < JOURNAL_FILES; i++)
		if ((rc = write_at(f->fd[i], none, sizeof(none), 0)) == RC_OK)
			rc = flush(f->fd[i]);
	return rc;
}

enum reeve_rc journal_forget_boot(struct journal_files *f)
{
	enum reeve_rc rc = RC_OK;
	struct head h;

	for (unsigned i = 0; i < JOURNAL_FILES; i++) {
		if (!read_at(f->fd[i], &h, sizeof(h), 0) || memcmp(h.mark, head_mark, sizeof(h.mark)) || h.sum != hash_stable(&h,
						offsetof(struct head, sum)))
			continue;
		memset(h.boot, 0, sizeof(h.boot));
		seal(&h);
		if ((rc = write_at(f->fd[i], &h, sizeof(h), 0)) != RC_OK || (rc = flush(f->fd[i])) != RC_OK)
			return rc;
	}
	return rc;
}

/* --- records --- */

static size_t padded(size_t n) { return (n + 7) & ~(size_t)7; }

enum reeve_rc journal_append(struct journal_files *f, struct buf *b)
{
	static const char pad[8];
	struct record r = { .mark = RECORD_MARK, .seq = f->seq + 1 };
	size_t whole = padded(b->n);
	enum reeve_rc rc;

	if (b->failed)
		return RC_NOMEM;
	if (whole > f->size - f->at)
		return RC_LIMIT;
	r.bytes = (uint32_t)(b->n - JOURNAL_RECORD);
	buf_add(b, pad, whole - b->n);
	if (b->failed)
		return RC_NOMEM;
	r.sum = hash_stable(b->p + JOURNAL_RECORD, r.bytes) ^ hash_stable(&r, offsetof(struct record, sum));
	memcpy(b->p, &r, sizeof(r));
	if ((rc = write_at(f->fd[f->cur], b->p, whole, f->at)) != RC_OK || (rc = flush(f->fd[f->cur])) != RC_OK)
		return rc;
	f->at += whole;
	f->seq++;
	return RC_OK;
}

enum reeve_rc journal_strike(struct journal_files *f)
{
	static const struct record none;
	enum reeve_rc rc = f->size - f->at < sizeof(none) ? RC_OK : write_at(f->fd[f->cur], &none, sizeof(none), f->at);

	return rc == RC_OK ? flush(f->fd[f->cur]) : rc;
}

void journal_turn(struct journal_files *f)
{
	f->cur = (f->cur + 1) % JOURNAL_FILES;
	f->at = JOURNAL_FIRST;
}

/* The record at `at` of file i, if it is number seq. */
static bool record_at(const struct journal_files *f, unsigned i, size_t at, uint64_t seq, char *room, struct slice *changes)
{
	struct record r;

	if (f->size - at < sizeof(r) || !read_at(f->fd[i], &r, sizeof(r), at) || r.mark != RECORD_MARK || r.seq != seq ||
	    r.bytes > f->size - at - sizeof(r) || !read_at(f->fd[i], room, r.bytes, at + sizeof(r)) ||
	    r.sum != (hash_stable(room, r.bytes) ^ hash_stable(&r, offsetof(struct record, sum))))
		return false;
	*changes = slice_of(room, r.bytes);
	return true;
}

enum reeve_rc journal_next(struct journal_files *f, char *room, struct slice *changes)
{
	if (!record_at(f, f->cur, f->at, f->seq + 1, room, changes)) {
		unsigned other = (f->cur + 1) % JOURNAL_FILES;
		if (!record_at(f, other, JOURNAL_FIRST, f->seq + 1, room, changes))
			return RC_NOTFOUND;
		f->cur = other;
		f->at = JOURNAL_FIRST;
	}
	f->at += JOURNAL_RECORD + padded(changes->n);
	if (f->at > f->size)
		f->at = f->size;
	f->seq++;
	return RC_OK;
}
