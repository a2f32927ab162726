/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log for its own files: lines (audit_line.c, pure functions), the writer (audit.c, audit_start.c), the reader
 * (audit_check.c).
 *
 *   {"seq":17,"when":"20260301T120000","event":"policy", ... ,"prev":"<64 hex>","hash":"<64 hex>"}
 *
 * The frame is read byte by byte, not as JSON: there is one way to write each of its parts. What stands between is covered by
 * the sum and is nobody's business here. */
#ifndef REEVE_AUTHZ_AUDIT_INT_H
#define REEVE_AUTHZ_AUDIT_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "authz/audit.h"

enum {
	AUDIT_LINE_MAX = 8192,    /* bytes of a line with its newline */
	AUDIT_SUM = 32,
	AUDIT_HEX = 64,
	AUDIT_FORMAT = 1,
};

struct audit_line {
	uint64_t seq;
	struct slice event;         /* name of the kind; or the writer's own: "file", "checkpoint", "recovered", "lost" */
	char prev[AUDIT_HEX], sum[AUDIT_HEX];
	bool keyed;
	struct slice body;          /* what the sum is over */
	/* event "file": its number, the format; "recovered": what lies before it */
	uint64_t file, format;
	uint64_t torn;
	char fragment[AUDIT_HEX];
	bool starts, stops;         /* event "process" with action start, stop */
	uint64_t lost;              /* event "lost": how many could not be written before this line */
};

/* A line without its newline. False when it is none. The sum is not compared. */
bool audit_line_read(struct slice line, struct audit_line *out);
/* Its sum is right; key NULL: SHA-256. A line with a sum of the other kind is not right. */
bool audit_line_right(const struct audit_line *l, const struct audit_key *key);
/* Append the line around `members` (`"when":...,"event":...`), with its newline; sum gets the new sum. False: no sum can be had. */
bool audit_line_write(struct buf *b, uint64_t seq, struct slice members, const char prev[AUDIT_HEX], const struct audit_key *key,
		      char sum[AUDIT_HEX]);

void audit_hex(const uint8_t in[AUDIT_SUM], char out[AUDIT_HEX]);
/* 64 lower-case hexadecimal digits. */
bool audit_hex_ok(struct slice s);
void audit_sha256(struct slice s, char out[AUDIT_HEX]);
extern const char audit_zero[AUDIT_HEX + 1]; /* what stands before the first line */

/* The head: {"seq":17,"sum":"<64 hex>"} and a newline. */
bool audit_head_read(struct slice text, uint64_t *seq, char sum[AUDIT_HEX]);
/* File `path` as head; false when there is none that can be read. *there: a file is there. */
bool audit_head_load(const char *path, uint64_t *seq, char sum[AUDIT_HEX], bool *there);

/* --- the writer --- */

struct audit {
	struct audit_options o;
	char *path, *head;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool stopping;
	/* under the lock */
	int fd;
	int old[8], n_old;            /* files that are no longer written to, while one is being brought to the disk without the lock */
	unsigned syncing;
	size_t size;
	uint64_t seq, file;           /* last sequence number; number of the current file */
	char sum[AUDIT_HEX];          /* of the last line */
	uint64_t untold;              /* lost since the last line */
	bool dirty, spoilt;           /* spoilt: half a line stands at the end of the file */
	bool complained, stuck;       /* told of already: cannot be written; cannot be rotated */
	usec next_checkpoint;         /* monotonic */
	struct buf out;
	_Atomic uint64_t lost;
};

/* With the lock: close fd, now or when nobody uses it any more. */
void audit_leave(struct audit *a, int fd);

/* The members of a line of the writer's own: the time, then what fmt says beginning with the name of the event. */
struct audit_own { char text[320]; };
struct slice audit_own(struct audit_own *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Append a line to a->out and advance the chain. */
bool audit_chain(struct audit *a, struct slice members);
/* What a->out holds into the file, at once. On failure the file is as it was, or a->spoilt. */
bool audit_put_out(struct audit *a);
bool audit_open_file(struct audit *a);
/* First line of file number a->file. */
bool audit_begin_file(struct audit *a);
void audit_full_name(const struct audit *a, uint64_t file, char *out, size_t n);

/* Open a->path and find the place where the chain goes on. Under the lock, or before there is a second thread. */
bool audit_reopen(struct audit *a, char why[256]);

#endif
