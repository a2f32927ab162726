/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for secrets: OpenSSL's secure heap (locked, between guard pages, left out of core dumps, zeroed when given back). The
 * private numbers of OpenSSL's own keys live there too. One heap per process, 4 MiB, made on first use. */
#ifndef REEVE_SECENV_SECRET_H
#define REEVE_SECENV_SECRET_H

#include "base/slice.h"

/* Zeroed; NULL when the heap is full or cannot hold so much in one piece. */
void *secret_alloc(size_t n) __attribute__((alloc_size(1)));
/* Zeroes and gives back; NULL is legal. */
void secret_free(void *p);
/* For secrets on the stack. */
void secret_wipe(void *p, size_t n);
/* In time that depends on n alone. */
bool secret_equal(const void *a, const void *b, size_t n);
/* The same for two texts; that their lengths differ is no secret, and an empty one equals nothing. */
static inline bool secret_same(struct slice a, struct slice b) { return a.n && a.n == b.n && secret_equal(a.p, b.p, a.n); }

#endif
