/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of the audit log. Every line is checked by itself (form, sum) and against the one before (number, sum). After a
 * problem the chain is taken up again at the next good line, so that one fault is told once and the rest is still checked.
 *
 * What is no good line is kept until a good one comes: when that is a "recovered" line that describes just these bytes, a crash tore
 * them, and nothing is wrong. */
#include "authz/audit_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "authz/audit_int.h"

enum { FRAGMENT_MAX = 64 << 10 };

struct audit_chain {
	struct audit_check *c;
	const char *name;
	uint64_t line, line_of_fragment; /* in the file, from 1 */
	bool fresh;               /* the next line is the first of its file */
	bool begun, broken;       /* broken: the next good line begins anew */
	bool torn_end;            /* the file ended without a newline */
	bool running;             /* a start without its stop */
	uint64_t file;
	struct buf fragment;
	bool fragment_waits;
};

struct audit_chain *audit_chain_new(struct audit_check *c)
{
	struct audit_chain *ch = calloc(1, sizeof(*ch));

	if (!ch)
		return NULL;
	ch->c = c;
	ch->name = "";
	buf_init(&ch->fragment, FRAGMENT_MAX);
	return ch;
}

void audit_chain_free(struct audit_chain *ch)
{
	if (!ch)
		return;
	buf_free(&ch->fragment);
	free(ch);
}

static void tell(struct audit_chain *ch, bool problem, uint64_t line, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void tell(struct audit_chain *ch, bool problem, uint64_t line, const char *fmt, ...)
{
	char text[600];
	size_t n = (size_t)snprintf(text, sizeof(text), "%.200s:%llu: ", ch->name, (unsigned long long)line);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - n, fmt, ap);
	va_end(ap);
	ch->c->problems += problem;
	if (problem)
		ch->broken = true;
	ch->c->tell(ch->c->ctx, problem, text);
}

#define U(n) ((unsigned long long)(n))

static bool same(const char a[AUDIT_HEX], const char b[AUDIT_HEX]) { return memcmp(a, b, AUDIT_HEX) == 0; }

/* --- lines that are none --- */

static void keep_fragment(struct audit_chain *ch, struct slice line)
{
	if (!ch->fragment_waits) {
		ch->line_of_fragment = ch->line;
		buf_clear(&ch->fragment);
	} else {
		buf_char(&ch->fragment, '\n');
	}
	ch->fragment_waits = true;
	buf_slice(&ch->fragment, line);
}

static void blame_fragment(struct audit_chain *ch)
{
	if (ch->fragment_waits)
		tell(ch, true, ch->line_of_fragment, "was changed, or is no line of this chain");
	ch->fragment_waits = false;
}

void audit_chain_file(struct audit_chain *ch, const char *name)
{
	blame_fragment(ch);
	if (ch->torn_end)
		tell(ch, true, ch->line, "ends in half a line, and another file follows");
	ch->torn_end = false;
	ch->name = name;
	ch->line = 0;
	ch->fresh = true;
	ch->c->files++;
}

/* A good line comes; what stood before it? */
static void settle_fragment(struct audit_chain *ch, const struct audit_line *l)
{
	bool recovered = slice_eq(l->event, S("recovered"));
	char sum[AUDIT_HEX];

	if (!recovered) {
		blame_fragment(ch);
		return;
	}
	audit_sha256(buf_view(&ch->fragment), sum);
	if (!ch->fragment_waits)
		tell(ch, true, ch->line, "tells of a torn line before it, and there is none");
	else if (ch->fragment.failed || l->torn != ch->fragment.n || !same(sum, l->fragment))
		blame_fragment(ch);
	else
		tell(ch, false, ch->line_of_fragment, "was torn by a crash, as the next line tells");
	ch->fragment_waits = false;
}

/* --- good lines --- */

static void check_place(struct audit_chain *ch, const struct audit_line *l)
{
	struct audit_check *c = ch->c;

	if (l->seq > c->last + 1)
		tell(ch, true, ch->line, "number %llu follows %llu: lines are missing in between", U(l->seq), U(c->last));
	else if (l->seq <= c->last)
		tell(ch, true, ch->line, "number %llu follows %llu: lines are out of order, or written twice", U(l->seq), U(c->last));
	else if (!same(l->prev, c->sum))
		tell(ch, true, ch->line, "does not follow the line before it: that one was exchanged");
}

static void check_beginning(struct audit_chain *ch, const struct audit_line *l)
{
	ch->c->first = l->seq;
	if (l->seq == 1 && !same(l->prev, audit_zero))
		tell(ch, true, ch->line, "is the first line, and tells of one before it");
	else if (l->seq > 1 && l->file == 1)
		tell(ch, true, ch->line, "the first file begins with number %llu: lines are missing before it", U(l->seq));
	else if (l->seq > 1)
		tell(ch, false, ch->line, "lines 1 to %llu are not here: they are in older files, or were removed with them",
		     U(l->seq - 1));
}

static void check_file(struct audit_chain *ch, const struct audit_line *l)
{
	bool header = slice_eq(l->event, S("file"));

	if (header && l->format != AUDIT_FORMAT)
		tell(ch, true, ch->line, "is of format %llu; this program reads %d", U(l->format), AUDIT_FORMAT);
	if (ch->fresh && !header)
		tell(ch, true, ch->line, "a file begins without its first line");
	else if (!ch->fresh && header)
		tell(ch, true, ch->line, "is the first line of a file, and stands within one");
	else if (header && ch->file && l->file != ch->file + 1)
		tell(ch, true, ch->line, "file %llu follows file %llu", U(l->file), U(ch->file));
	if (header)
		ch->file = l->file;
	ch->fresh = false;
}

static void compare_known(struct audit_chain *ch, const struct audit_line *l)
{
	struct audit_check *c = ch->c;

	for (unsigned i = 0; i < c->n_known; i++) {
		if (c->known[i].seq != l->seq)
			continue;
		c->known[i].seen = true;
		if (!same(c->known[i].sum, l->sum))
			tell(ch, true, ch->line, "is not the line %llu that %s knows: lines were written anew", U(l->seq),
			     c->known[i].where);
	}
}

static void note_process(struct audit_chain *ch, const struct audit_line *l)
{
	if (l->starts && ch->running)
		tell(ch, false, ch->line, "a start without the stop before it: the process was killed");
	if (l->starts || l->stops)
		ch->running = l->starts;
	if (l->lost)
		tell(ch, false, ch->line, "%llu events before it could not be written", U(l->lost));
}

void audit_chain_line(struct audit_chain *ch, struct slice line, bool ended)
{
	struct audit_check *c = ch->c;
	struct audit_line l;

	ch->line++;
	if (!ended) {
		ch->torn_end = line.n > 0;
		return;
	}
	if (!audit_line_read(line, &l) || !audit_line_right(&l, c->key)) {
		keep_fragment(ch, line);
		return;
	}
	settle_fragment(ch, &l);
	check_file(ch, &l);
	if (!ch->begun)
		check_beginning(ch, &l);
	else if (!ch->broken)
		check_place(ch, &l);
	ch->begun = true;
	ch->broken = false; /* taken up again */
	note_process(ch, &l);
	c->lines++;
	c->last = l.seq;
	memcpy(c->sum, l.sum, AUDIT_HEX);
	compare_known(ch, &l);
}

void audit_chain_end(struct audit_chain *ch)
{
	struct audit_check *c = ch->c;

	blame_fragment(ch);
	if (ch->torn_end)
		tell(ch, false, ch->line, "is torn: the process was killed while it wrote, or is writing");
	for (unsigned i = 0; i < c->n_known; i++) {
		if (c->known[i].seen)
			continue;
		if (c->known[i].seq > c->last)
			tell(ch, true, ch->line, "is the end, with number %llu, but %s knows number %llu: lines are missing at the end",
			     U(c->last), c->known[i].where, U(c->known[i].seq));
		else if (c->known[i].seq >= c->first)
			tell(ch, true, ch->line, "line %llu that %s knows is missing", U(c->known[i].seq), c->known[i].where);
	}
	if (!c->lines && !c->problems)
		tell(ch, true, ch->line, "there is no line");
}

/* --- files --- */

/* Lines longer than any of ours are cut: they are none anyway. */
static bool read_lines(struct audit_chain *ch, FILE *f)
{
	char text[AUDIT_LINE_MAX + 2];
	size_t n = 0;
	int byte;

	while ((byte = getc(f)) != EOF) {
		if (byte == '\n') {
			audit_chain_line(ch, slice_of(text, n), true);
			n = 0;
		} else if (n < sizeof(text)) {
			text[n++] = (char)byte;
		}
	}
	audit_chain_line(ch, slice_of(text, n), false);
	return !ferror(f);
}

static bool read_file(struct audit_chain *ch, const char *path)
{
	FILE *f = fopen(path, "re");
	bool ok;

	if (!f)
		return false;
	audit_chain_file(ch, path);
	ok = read_lines(ch, f);
	fclose(f);
	return ok;
}

/* The number in the first line of the file; 0 when it has none. */
static uint64_t number_of(const char *path)
{
	char text[AUDIT_LINE_MAX];
	FILE *f = fopen(path, "re");
	struct audit_line l;
	uint64_t n = 0;

	if (f && fgets(text, sizeof(text), f)) {
		struct slice rest = slice_str(text);
		if (audit_line_read(slice_cut(&rest, '\n'), &l))
			n = l.file;
	}
	if (f)
		fclose(f);
	return n;
}

enum reeve_rc audit_check_files(struct audit_check *c, const char *path, char why[256])
{
	struct audit_chain *ch = audit_chain_new(c);
	uint64_t here = number_of(path), first = here;
	char name[4096];
	bool ok = ch != NULL;

	for (; first > 1; first--) {
		snprintf(name, sizeof(name), "%s.%llu", path, U(first - 1));
		if (access(name, F_OK) != 0)
			break;
	}
	errno = 0;
	for (uint64_t n = first; ok && n < here; n++) {
		snprintf(name, sizeof(name), "%s.%llu", path, U(n));
		ok = read_file(ch, name);
	}
	if (ok && (ok = read_file(ch, path)))
		audit_chain_end(ch);
	audit_chain_free(ch);
	if (!ok)
		snprintf(why, 256, "%.200s: %s", path, errno ? strerror(errno) : "memory is out");
	return ok ? RC_OK : RC_IO;
}

enum reeve_rc audit_check_head(struct audit_check *c, const char *path)
{
	bool there;

	if (c->n_known == 2)
		return RC_LIMIT;
	if (!audit_head_load(path, &c->known[c->n_known].seq, c->known[c->n_known].sum, &there))
		return there ? RC_SYNTAX : RC_NOTFOUND;
	c->known[c->n_known++].where = "the head";
	return RC_OK;
}

bool audit_check_known(struct audit_check *c, struct slice text)
{
	struct slice seq = slice_cut(&text, ':');

	if (c->n_known == 2 || !slice_u64(seq, &c->known[c->n_known].seq) || !c->known[c->n_known].seq || !audit_hex_ok(text))
		return false;
	memcpy(c->known[c->n_known].sum, text.p, AUDIT_HEX);
	c->known[c->n_known++].where = "--known";
	return true;
}
