/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's files: what was changed since a base, in the order in which it was, each batch durable by one flush.
 *
 * Two files of a fixed length, filled with zeros when they are made, so that a record only ever overwrites: flushing it needs no
 * journal of the file system. Each has a head (the base: both meta pages of data.mdb as they were, and the number of the last record in
 * it) and records.
 *
 *   0      head: "REEVEJNL", version u32, bytes of a page u32, seq u64, boot 16 bytes, sum u64     one sector: written whole or not
 *   4096   the two meta pages
 *   FIRST  records: mark u32, bytes u32, seq u64, sum u64, changes; padded to 8 bytes
 *
 * Numbers are in the machine's order, as in data.mdb. Records that count follow the newest valid head: seq + 1, seq + 2 ... in one
 * file, then in the other; the first that does not fit into this ends them. A file is overwritten from its beginning only when the other
 * one's head is durable. Knows bytes and files, not LMDB; not thread-safe. */
#ifndef REEVE_STORE_JOURNAL_H
#define REEVE_STORE_JOURNAL_H

#include "base/buf.h"

enum { JOURNAL_FILES = 2, JOURNAL_BOOT = 16, JOURNAL_RECORD = 24 };
enum { JOURNAL_PAGES = 4096, JOURNAL_PAGE_MAX = 65536, JOURNAL_FIRST = JOURNAL_PAGES + 2 * JOURNAL_PAGE_MAX }; /* offsets */

struct journal_base {
	uint64_t seq;
	uint32_t page;              /* bytes of a meta page; 0: there is no base */
	uint8_t boot[JOURNAL_BOOT]; /* of the system that wrote it */
	uint8_t metas[2 * JOURNAL_PAGE_MAX];
};

struct journal_files {
	int fd[JOURNAL_FILES];
	size_t size;                /* of each; 0: there are none */
	unsigned cur;               /* the one that is written to */
	size_t at;                  /* where */
	uint64_t seq;               /* of the last record */
};

/* Open both files of a folder. RC_NOTFOUND: they are not there, or not whole. */
REEVE_MUST_CHECK enum reeve_rc journal_open(const char *path, bool write, struct journal_files *f);
/* Make them, zeros on the disk; those of another size are replaced. RC_FULL, RC_IO: nothing is left. */
REEVE_MUST_CHECK enum reeve_rc journal_make(const char *path, size_t size, struct journal_files *f);
void journal_close(struct journal_files *f);
/* Take them away; as long as they have no valid head, nothing is lost. */
void journal_remove(const char *path);

/* The newest valid head; f->cur becomes the file that has it. RC_NOTFOUND: none is. */
REEVE_MUST_CHECK enum reeve_rc journal_base(struct journal_files *f, struct journal_base *out);
/* Make `base` the head of file i, durably. */
REEVE_MUST_CHECK enum reeve_rc journal_set_base(struct journal_files *f, unsigned i, const struct journal_base *base);
/* Durably: no head is valid any more; or what they say of the system's run does not count. */
REEVE_MUST_CHECK enum reeve_rc journal_clear(struct journal_files *f);
REEVE_MUST_CHECK enum reeve_rc journal_forget_boot(struct journal_files *f);
/* The identity of this run of the system: while it lasts, what was written is in its page cache. False: not to be had. */
bool journal_boot(uint8_t boot[JOURNAL_BOOT]);

/* Write a record behind the last one, durably. It is made in b, with JOURNAL_RECORD bytes of room before the changes. RC_LIMIT: no room in
 * this file. After another failure, and when what was written is not to count after all, its place has to be struck before anything
 * else is done. */
REEVE_MUST_CHECK enum reeve_rc journal_append(struct journal_files *f, struct buf *b);
/* Durably: there is no record at the place where the next one goes. */
REEVE_MUST_CHECK enum reeve_rc journal_strike(struct journal_files *f);
/* Begin anew in the other file. */
void journal_turn(struct journal_files *f);

/* Read the record after f->seq, starting where f stands behind journal_base: its changes in room, which has been given f->size bytes.
 * RC_NOTFOUND: there is none. f moves on. */
REEVE_MUST_CHECK enum reeve_rc journal_next(struct journal_files *f, char *room, struct slice *changes);

#endif
