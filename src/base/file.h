/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files that an operator named: configuration, policies, tokens. Not for secrets, which have a reader of their own (secenv/). */
#ifndef REEVE_BASE_FILE_H
#define REEVE_BASE_FILE_H

#include "base/buf.h"

enum { FILE_WHY_MAX = 128 };

/* All bytes of a file, or of standard input where path is NULL, into out, which is initialised here with the ceiling `max` and is the
 * caller's to free in every case. RC_IO (also when it is longer than max), RC_NOMEM: why says so, without the path: "cannot be read: Is a
 * directory". */
REEVE_MUST_CHECK enum reeve_rc file_read(const char *path, size_t max, struct buf *out, char why[FILE_WHY_MAX]);

#endif
