/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of the audit log: one lock around sequence number, chain and file; lines leave with one write.
 *
 * A file K that is full is renamed to path.K, and its successor begins with a line "file" that carries the chain on. The names
 * never change afterwards. A thread of its own brings what was written to the disk once a second, then writes the
 * head - in this order, so that the head never tells of a line that a power failure took - and sees to checkpoints. */
#include "authz/audit_int.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "codec/text.h"

enum { BATCH_MAX = 16 << 20 };
static const usec sync_pause = USEC_S;

/* --- lines --- */

bool audit_chain(struct audit *a, struct slice members)
{
	char sum[AUDIT_HEX];

	if (!audit_line_write(&a->out, a->seq + 1, members, a->sum, a->o.key, sum)) {
		errno = 0;
		return false;
	}
	a->seq++;
	memcpy(a->sum, sum, AUDIT_HEX);
	return true;
}

/* The members of a line of the writer's own: the time, then what fmt says beginning with the name of the event. */
struct slice audit_own(struct audit_own *o, const char *fmt, ...)
{
	char when[TEXT_TIMESTAMP_MAX], rest[256];
	const int n = (int)text_timestamp_write(clock_wall() / USEC_S * USEC_S, when);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(rest, sizeof(rest), fmt, ap);
	va_end(ap);
	snprintf(o->text, sizeof(o->text), "\"when\":\"%.*s\",\"event\":%s", n, when, rest);
	return slice_str(o->text);
}

/* What a->out holds, at once. On failure the file is as it was, or a->spoilt. */
bool audit_put_out(struct audit *a)
{
	ssize_t n;

	if (a->out.n == 0)
		return true;
	n = write(a->fd, a->out.p, a->out.n);
	if (n == (ssize_t)a->out.n) {
		a->size += a->out.n;
		a->dirty = true;
		return true;
	}
	if (n > 0) {
		errno = ENOSPC;
		a->spoilt = ftruncate(a->fd, (off_t)a->size) < 0;
	}
	return false;
}

/* The state of the chain, to be put back when lines could not be written. */
struct mark { uint64_t seq; char sum[AUDIT_HEX]; };

static struct mark mark(const struct audit *a)
{
	struct mark m = { .seq = a->seq };

	memcpy(m.sum, a->sum, AUDIT_HEX);
	return m;
}

static void back_to(struct audit *a, const struct mark *m)
{
	a->seq = m->seq;
	memcpy(a->sum, m->sum, AUDIT_HEX);
	buf_clear(&a->out);
}

/* --- files --- */

bool audit_open_file(struct audit *a)
{
	struct stat st;

	a->fd = open(a->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (a->fd < 0 || fstat(a->fd, &st) < 0)
		return false;
	a->size = st.st_size > 0 ? (size_t)st.st_size : 0;
	return true;
}

void audit_full_name(const struct audit *a, uint64_t file, char *out, size_t n)
{
	snprintf(out, n, "%s.%llu", a->path, (unsigned long long)file);
}

/* First line of file number a->file. */
bool audit_begin_file(struct audit *a)
{
	struct audit_own o;
	return audit_chain(a, audit_own(&o, "\"file\",\"file\":%llu,\"format\":%d", (unsigned long long)a->file, AUDIT_FORMAT));
}

static void drop_old(const struct audit *a)
{
	char name[4096];

	if (!a->o.keep || a->file <= a->o.keep + 1)
		return;
	audit_full_name(a, a->file - a->o.keep - 1, name, sizeof(name));
	if (unlink(name) == 0)
		log_info("audit", "removed %s: audit.keep is %u", name, a->o.keep);
}

void audit_leave(struct audit *a, int fd)
{
	if (a->syncing && a->n_old < (int)(sizeof(a->old) / sizeof(a->old[0])))
		a->old[a->n_old++] = fd;
	else
		close(fd);
}

/* The full file gets its number as name, and a new one begins. When it cannot be, the old one grows on. */
static bool rotate(struct audit *a)
{
	char name[4096];
	int old = a->fd;
	size_t size = a->size;
	struct mark m = mark(a);

	audit_full_name(a, a->file, name, sizeof(name));
	if (access(name, F_OK) == 0) { /* never over another file */
		errno = EEXIST;
		return false;
	}
	if (fdatasync(old) < 0 || rename(a->path, name) < 0)
		return false;
	a->file++;
	buf_clear(&a->out);
	if (audit_open_file(a) && audit_begin_file(a) && audit_put_out(a)) {
		audit_leave(a, old);
		buf_clear(&a->out);
		drop_old(a);
		return true;
	}
	if (a->fd >= 0)
		close(a->fd);
	a->file--;
	a->fd = old;
	a->size = size;
	a->spoilt = false;
	back_to(a, &m);
	if (rename(name, a->path) < 0)
		log_error("audit", "goes on in %s: %s", name, strerror(errno));
	return false;
}

static void full(struct audit *a)
{
	bool ok = rotate(a);

	if (!ok && !a->stuck)
		log_warn("audit", "%s cannot be rotated, and grows on: %s", a->path, strerror(errno));
	a->stuck = !ok;
}

/* --- adding --- */

/* Under the lock. The number of events in `lines` that are in the file afterwards is all or none. */
static bool put(struct audit *a, struct slice lines)
{
	struct mark m = mark(a);
	struct audit_own o;
	bool ok = true;

	buf_clear(&a->out);
	if (a->untold)
		ok = audit_chain(a, audit_own(&o, "\"lost\",\"lost\":%llu", (unsigned long long)a->untold));
	while (ok && lines.n)
		ok = audit_chain(a, slice_cut(&lines, '\n'));
	if (!ok || !audit_put_out(a)) {
		back_to(a, &m);
		return false;
	}
	buf_clear(&a->out);
	a->untold = 0;
	return true;
}

/* Under the lock. */
static void add(struct audit *a, struct slice lines, uint64_t n)
{
	char why[256];
	bool ok = true;

	if (a->spoilt)
		ok = audit_reopen(a, why);
	if (ok && a->size && a->size + lines.n + n * 256 > a->o.rotate_bytes)
		full(a);
	ok = ok && put(a, lines);
	if (!ok) {
		a->untold += n;
		atomic_fetch_add(&a->lost, n);
		if (!a->complained)
			log_error("audit", "events cannot be written to %s: %s", a->path, errno ? strerror(errno) : "no sum");
	}
	a->complained = !ok;
}

static uint64_t count_lines(struct slice s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

void audit_add(struct audit *a, struct slice lines)
{
	if (!a || !lines.n)
		return;
	pthread_mutex_lock(&a->lock);
	add(a, lines, count_lines(lines));
	pthread_mutex_unlock(&a->lock);
}

void audit_event(struct audit *a, const struct audit_what *what)
{
	struct buf b;

	if (!audit_wants(a, what->kind))
		return;
	buf_init(&b, AUDIT_LINE_MAX);
	audit_write(&b, what);
	audit_add(a, buf_view(&b));
	buf_free(&b);
}

bool audit_wants(const struct audit *a, enum audit_kind kind) { return a && a->o.events >> kind & 1; }

/* --- the disk --- */

/* Write the head to a new file that replaces the old one. */
static bool write_head(const char *path, uint64_t seq, const char sum[AUDIT_HEX])
{
	char fresh[4096], text[160];
	int n = snprintf(text, sizeof(text), "{\"seq\":%llu,\"sum\":\"%.*s\"}\n", (unsigned long long)seq, AUDIT_HEX, sum), fd;
	bool ok;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return false;
	ok = write(fd, text, (size_t)n) == n && fdatasync(fd) == 0;
	close(fd);
	return ok && rename(fresh, path) == 0;
}

/* With the lock, which is let go meanwhile. */
static void sync_now(struct audit *a, bool head)
{
	struct mark m = mark(a);
	int fd = a->fd;
	bool ok;

	if (!a->dirty || fd < 0)
		return;
	a->dirty = !head; /* the head is still to be written */
	a->syncing++;
	pthread_mutex_unlock(&a->lock);
	ok = fdatasync(fd) == 0 && (!head || write_head(a->head, m.seq, m.sum));
	pthread_mutex_lock(&a->lock);
	if (!--a->syncing)
		while (a->n_old)
			close(a->old[--a->n_old]);
	if (!ok) {
		a->dirty = true;
		if (!a->complained)
			log_error("audit", "%s or its head cannot be brought to the disk: %s", a->path, strerror(errno));
		a->complained = true;
	}
}

void audit_commit(struct audit *a)
{
	if (!a || !a->o.sync_commit)
		return;
	pthread_mutex_lock(&a->lock);
	sync_now(a, false);
	pthread_mutex_unlock(&a->lock);
}

/* With the lock. A line that says the log was alive; the log of the process carries the sum away. */
static void checkpoint(struct audit *a)
{
	struct audit_own o;

	a->next_checkpoint = clock_mono() + a->o.checkpoint;
	add(a, audit_own(&o, "\"checkpoint\""), 1);
	log_info("audit", "checkpoint: line %llu, sum %.*s", (unsigned long long)a->seq, AUDIT_HEX, a->sum);
}

static void *keeper(void *arg)
{
	struct audit *a = arg;

	pthread_mutex_lock(&a->lock);
	do {
		usec t = clock_mono() + sync_pause;
		struct timespec until = { .tv_sec = t / USEC_S, .tv_nsec = (long)(t % USEC_S) * 1000 };

		if (!a->stopping)
			pthread_cond_timedwait(&a->wake, &a->lock, &until);
		if (a->o.checkpoint && clock_mono() >= a->next_checkpoint)
			checkpoint(a);
		sync_now(a, true);
	} while (!a->stopping);
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* --- life --- */

static char *join(const char *path, const char *end)
{
	size_t n = strlen(path) + strlen(end) + 1;
	char *p = malloc(n);

	if (p)
		snprintf(p, n, "%s%s", path, end);
	return p;
}

static void destroy(struct audit *a)
{
	if (a->fd >= 0)
		close(a->fd);
	buf_free(&a->out);
	pthread_cond_destroy(&a->wake);
	pthread_mutex_destroy(&a->lock);
	free(a->path);
	free(a->head);
	free(a);
}

/* The head is there from the first line on. */
static enum reeve_rc begin(struct audit *a, char why[256])
{
	if (!audit_reopen(a, why))
		return RC_IO;
	a->dirty = true;
	pthread_mutex_lock(&a->lock);
	sync_now(a, true);
	pthread_mutex_unlock(&a->lock);
	return RC_OK;
}

enum reeve_rc audit_open(const struct audit_options *o, struct audit **out, char why[256])
{
	struct audit *a = calloc(1, sizeof(*a));
	pthread_condattr_t attr;
	enum reeve_rc rc = RC_NOMEM;

	*out = NULL;
	snprintf(why, 256, "the audit log needs more memory");
	if (!a)
		return RC_NOMEM;
	a->o = *o;
	a->fd = -1;
	buf_init(&a->out, BATCH_MAX);
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->wake, &attr);
	pthread_condattr_destroy(&attr);
	a->path = strdup(o->path);
	a->head = o->head ? strdup(o->head) : join(o->path, ".head");
	a->next_checkpoint = clock_mono() + o->checkpoint;
	if (a->path && a->head && !(rc = begin(a, why)) && !pthread_create(&a->thread, NULL, keeper, a)) {
		*out = a;
		return RC_OK;
	}
	destroy(a);
	return rc ? rc : RC_NOMEM;
}

void audit_close(struct audit *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stopping = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	pthread_mutex_lock(&a->lock);
	a->dirty = true; /* the head may be behind although the lines are on the disk */
	sync_now(a, true);
	pthread_mutex_unlock(&a->lock);
	log_info("audit", "closed: line %llu, sum %.*s", (unsigned long long)a->seq, AUDIT_HEX, a->sum);
	destroy(a);
}

void audit_head(struct audit *a, uint64_t *seq, char sum[65])
{
	pthread_mutex_lock(&a->lock);
	*seq = a->seq;
	memcpy(sum, a->sum, AUDIT_HEX);
	sum[AUDIT_HEX] = '\0';
	pthread_mutex_unlock(&a->lock);
}

uint64_t audit_lost(const struct audit *a) { return a ? atomic_load(&((struct audit *)a)->lost) : 0; }
