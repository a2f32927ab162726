/* SPDX-License-Identifier: Apache-2.0 */
/* The file of decisions: lines appended under a lock, one older file kept, found again by reading in pieces.
 *
 * Losing a line never changes an answer: a full disk is reported to the log once and the request goes on. */
#include "authz/decisions.h"

#include "base/log.h"
#include "base/rand.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 256 << 10 };

struct decisions {
	pthread_mutex_t lock;
	char *path, *older;
	int fd;
	size_t size, rotate;
	bool complained;
};

static bool open_file(struct decisions *d)
{
	struct stat st;

	d->fd = open(d->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (d->fd < 0 || fstat(d->fd, &st) < 0)
		return false;
	d->size = st.st_size > 0 ? (size_t)st.st_size : 0;
	return true;
}

static char *older_path(const char *path)
{
	size_t n = strlen(path) + 3;
	char *p = malloc(n);

	if (p)
		snprintf(p, n, "%s.1", path);
	return p;
}

enum reeve_rc decisions_open(const char *path, size_t rotate_bytes, struct decisions **out)
{
	struct decisions *d = calloc(1, sizeof(*d));
	enum reeve_rc rc = RC_NOMEM;

	*out = NULL;
	if (!d)
		return RC_NOMEM;
	d->fd = -1;
	d->rotate = rotate_bytes;
	pthread_mutex_init(&d->lock, NULL);
	d->path = strdup(path);
	d->older = older_path(path);
	if (d->path && d->older) {
		rc = open_file(d) ? RC_OK : RC_IO;
		if (!rc) {
			*out = d;
			return RC_OK;
		}
	}
	decisions_close(d);
	return rc;
}

void decisions_close(struct decisions *d)
{
	if (!d)
		return;
	if (d->fd >= 0)
		close(d->fd);
	pthread_mutex_destroy(&d->lock);
	free(d->path);
	free(d->older);
	free(d);
}

static void make_id(char id[DECISION_ID_LEN])
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* 32, none alike: ids are read aloud */
	uint8_t r[DECISION_ID_LEN];

	rand_bytes(r, sizeof(r));
	for (int i = 0; i < DECISION_ID_LEN; i++)
		id[i] = letters[r[i] & 31];
}

static bool write_line(struct decisions *d, struct slice line)
{
	if (d->size && d->size + line.n > d->rotate) {
		if (d->fd >= 0)
			close(d->fd);
		d->fd = -1;
		if (rename(d->path, d->older) < 0 && errno != ENOENT)
			return open_file(d) && false;
	}
	if (d->fd < 0 && !open_file(d))
		return false;
	if (write(d->fd, line.p, line.n) != (ssize_t)line.n) {
		int e = errno;
		if (ftruncate(d->fd, (off_t)d->size) < 0) /* half a line would spoil the next one */
			log_warn("authz", "%s ends in half a line", d->path);
		errno = e;
		return false;
	}
	d->size += line.n;
	return true;
}

void decisions_log(struct decisions *d, const struct decision *what, char id[DECISION_ID_LEN])
{
	struct buf b;
	bool ok;

	make_id(id);
	if (!d)
		return;
	buf_init(&b, LINE_MAX_BYTES);
	decision_write_json(&b, what, slice_of(id, DECISION_ID_LEN), false);
	buf_char(&b, '\n');
	pthread_mutex_lock(&d->lock);
	ok = !b.failed && write_line(d, buf_view(&b));
	if (!ok && !d->complained)
		log_warn("authz", "decisions cannot be written to %s: %s", d->path, b.failed ? "too large" : strerror(errno));
	d->complained = !ok;
	pthread_mutex_unlock(&d->lock);
	buf_free(&b);
}

/* --- finding --- */

static bool id_ok(struct slice id)
{
	for (size_t i = 0; i < id.n; i++)
		if (!((id.p[i] >= 'a' && id.p[i] <= 'z') || (id.p[i] >= '0' && id.p[i] <= '9')))
			return false;
	return id.n == DECISION_ID_LEN;
}

/* Lines longer than the buffer, or without their newline yet, are passed over. */
static bool find_in(FILE *f, struct slice prefix, struct buf *line)
{
	char *p = malloc(LINE_MAX_BYTES + 2);
	bool found = false, start = true;

	while (p && !found && fgets(p, LINE_MAX_BYTES + 2, f)) {
		size_t n = strlen(p);
		bool whole = n && p[n - 1] == '\n';
		if (start && whole && slice_starts(slice_of(p, n), prefix)) {
			buf_add(line, p, n - 1);
			found = true;
		}
		start = whole;
	}
	free(p);
	return found;
}

enum reeve_rc decisions_find(const char *path, struct slice id, struct buf *line)
{
	char prefix[32], *older = older_path(path);
	const char *const files[] = { path, older };
	enum reeve_rc rc = RC_NOTFOUND;

	if (!older)
		return RC_NOMEM;
	if (!id_ok(id)) {
		free(older);
		return RC_NOTFOUND;
	}
	snprintf(prefix, sizeof(prefix), "{\"id\":\"%.*s\"", SF(id));
	for (int i = 0; i < 2 && rc == RC_NOTFOUND; i++) {
		FILE *f = fopen(files[i], "re");
		if (f && find_in(f, slice_str(prefix), line))
			rc = line->failed ? RC_NOMEM : RC_OK;
		else if (!f && errno != ENOENT)
			rc = RC_IO;
		if (f)
			fclose(f);
	}
	free(older);
	return rc;
}
