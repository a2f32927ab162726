/* SPDX-License-Identifier: Apache-2.0 */
/* Failing, counting and recording writes to a store, for tests. See failio.c. */
#ifndef REEVE_TESTS_FAILIO_H
#define REEVE_TESTS_FAILIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum failio_call { FAILIO_WRITE, FAILIO_SYNC, FAILIO_META, FAILIO_JOURNAL, FAILIO_JOURNAL_SYNC, FAILIO_CALLS };

/* From the skip-th call of this kind on, the next `count` fail with `err`; count 0: none. Negative: until changed. */
void failio_set(enum failio_call call, int err, int skip, int count);
void failio_clear(void);
/* How many calls were made to fail. */
unsigned failio_failed(void);

/* What was written since failio_record(true), in order. A sync makes what was written to its file before durable; a write with `durable` is so by itself. */
enum { FAILIO_FILES = 3 }; /* data.mdb, journal.0, journal.1 */
struct failio_op { int file; bool sync, durable; off_t at; size_t n; char *data; };
void failio_record(bool on); /* on: forget what was recorded before */
const struct failio_op *failio_recorded(size_t *n);

#endif
