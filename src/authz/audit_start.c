/* SPDX-License-Identifier: Apache-2.0 */
/* The start of the audit log: where does the chain go on?
 *
 * The end of the file is looked at: the last line whose sum is right. What lies behind it was torn by a crash; it is left there
 * (the file may be append-only) and described by a line "recovered". When the head tells of a later line than the file has,
 * lines were removed: the chain goes on from the head, so that the gap stays visible for ever. */
#include "authz/audit_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

enum { TAIL = 4 * AUDIT_LINE_MAX };

struct tail {
	struct audit_line last;  /* the last right line */
	size_t behind;           /* offset in the text of what follows it */
	bool found;
};

static struct tail find_tail(const struct audit *a, struct slice text)
{
	struct tail t = { .found = false };

	/* the first piece may be half a line when the text is not the whole file: then its sum is wrong */
	for (size_t at = 0, end; at < text.n; at = end + 1) {
		struct slice rest = slice_skip(text, at);
		ptrdiff_t n = slice_find(rest, '\n');
		struct audit_line l;

		if (n < 0)
			break;
		end = at + (size_t)n;
		if (audit_line_read(slice_of(rest.p, (size_t)n), &l) && audit_line_right(&l, a->o.key)) {
			t.last = l;
			t.behind = end + 1;
			t.found = true;
		}
	}
	return t;
}

/* What was torn stays where it is and is told. */
static bool recover(struct audit *a, struct slice fragment)
{
	char sum[AUDIT_HEX];
	struct audit_own o;
	bool ended = fragment.p[fragment.n - 1] == '\n';

	fragment.n -= ended;
	audit_sha256(fragment, sum);
	buf_clear(&a->out);
	if (!ended)
		buf_char(&a->out, '\n');
	log_warn("audit", "%s ended in half a line (%zu bytes): the process was killed while it wrote", a->path, fragment.n);
	if (!audit_chain(a, audit_own(&o, "\"recovered\",\"torn\":%zu,\"fragment\":\"%.*s\"", fragment.n, AUDIT_HEX, sum)) ||
	    !audit_put_out(a))
		return false;
	buf_clear(&a->out);
	return true;
}

/* The largest number a full file has; 0: there is none. */
static uint64_t largest_number(const struct audit *a)
{
	const char *slash = strrchr(a->path, '/'), *base = slash ? slash + 1 : a->path;
	char folder[4096] = ".";
	uint64_t most = 0, n;
	struct dirent *e;
	DIR *d;

	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", slash == a->path ? 1 : (int)(slash - a->path), a->path);
	if (!(d = opendir(folder)))
		return 0;
	while ((e = readdir(d))) {
		struct slice name = slice_str(e->d_name), stem = slice_str(base);
		if (name.n > stem.n + 1 && slice_starts(name, stem) && name.p[stem.n] == '.' &&
		    slice_u64(slice_skip(name, stem.n + 1), &n) && n > most)
			most = n;
	}
	closedir(d);
	return most;
}

static bool fresh(struct audit *a)
{
	buf_clear(&a->out);
	if (!audit_begin_file(a) || !audit_put_out(a))
		return false;
	buf_clear(&a->out);
	return true;
}

/* Nothing in it is ours: kept under another name. */
static bool set_aside(struct audit *a)
{
	char name[4096];

	snprintf(name, sizeof(name), "%s.damaged-%lld", a->path, (long long)(clock_wall() / USEC_S));
	log_error("audit", "%s holds no line of this chain: kept as %s", a->path, name);
	audit_leave(a, a->fd);
	a->fd = -1;
	return rename(a->path, name) == 0 && audit_open_file(a);
}

/* The number of the file stands in its first line. */
static bool read_number(struct audit *a)
{
	char text[AUDIT_LINE_MAX];
	ssize_t n = pread(a->fd, text, sizeof(text), 0);
	struct slice rest = slice_of(text, n > 0 ? (size_t)n : 0), line = slice_cut(&rest, '\n');
	struct audit_line l;

	if (!audit_line_read(line, &l) || !l.file)
		return false;
	a->file = l.file;
	return true;
}

/* Where the chain stands by a file of this size; its end may be torn. *fragment views into text. */
static bool read_end(struct audit *a, int fd, size_t size, struct buf *text, struct slice *fragment)
{
	size_t n = size < TAIL ? size : TAIL;
	struct tail t;

	buf_clear(text);
	*fragment = (struct slice){ NULL, 0 };
	if (n && (!buf_room(text, n) || pread(fd, text->p, n, (off_t)(size - n)) != (ssize_t)n))
		return false;
	text->n = n;
	t = find_tail(a, buf_view(text));
	if (!t.found)
		return false;
	a->seq = t.last.seq;
	memcpy(a->sum, t.last.sum, AUDIT_HEX);
	*fragment = slice_skip(buf_view(text), t.behind);
	return true;
}

/* The file is new: the chain goes on from the last full one, when the process ended between two files. */
static void follow_full(struct audit *a, struct buf *text)
{
	const uint64_t n = largest_number(a);
	struct slice fragment;
	char name[4096];
	struct stat st;
	int fd;

	a->file = n + 1;
	audit_full_name(a, n, name, sizeof(name));
	if (!n || (fd = open(name, O_RDONLY | O_CLOEXEC)) < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size > 0 && !read_end(a, fd, (size_t)st.st_size, text, &fragment))
		log_error("audit", "%s holds no line of this chain at its end", name);
	close(fd);
}

/* The head knows of more, or of something else: the chain goes on from there, and the gap stays visible. */
static void heed_head(struct audit *a)
{
	char sum[AUDIT_HEX];
	uint64_t seq;
	bool there;

	if (!audit_head_load(a->head, &seq, sum, &there)) {
		if (there)
			log_error("audit", "%s cannot be read: whether lines are missing at the end of %s is not known", a->head, a->path);
		return;
	}
	if (seq < a->seq || (seq == a->seq && memcmp(sum, a->sum, AUDIT_HEX) == 0))
		return;
	log_error("audit", "%s ends with line %llu, but line %llu has been written: lines were removed or changed", a->path,
		  (unsigned long long)a->seq, (unsigned long long)seq);
	a->seq = seq;
	memcpy(a->sum, sum, AUDIT_HEX);
}

/* Open the file and find the place where the chain goes on. */
static bool go_on(struct audit *a, struct buf *text)
{
	struct slice fragment = { NULL, 0 };

	memcpy(a->sum, audit_zero, AUDIT_HEX);
	a->seq = a->file = 0;
	if (!audit_open_file(a))
		return false;
	if (a->size && (!read_end(a, a->fd, a->size, text, &fragment) || !read_number(a)) && !set_aside(a))
		return false;
	if (a->size == 0)
		follow_full(a, text);
	heed_head(a);
	if (a->size == 0)
		return fresh(a);
	return fragment.n == 0 || recover(a, fragment);
}

bool audit_reopen(struct audit *a, char why[256])
{
	struct buf text;
	bool ok;

	if (a->fd >= 0)
		audit_leave(a, a->fd);
	a->fd = -1;
	a->spoilt = false;
	errno = 0;
	buf_init(&text, TAIL);
	ok = go_on(a, &text);
	buf_free(&text);
	if (!ok)
		snprintf(why, 256, "the audit log %.150s cannot be written: %s", a->path,
			 errno ? strerror(errno) : "its key is not at hand");
	return ok;
}
