/* SPDX-License-Identifier: Apache-2.0 */
/* Keyed 64-bit hash for tables whose keys come from outside (SipHash-1-3), and a fixed-key variant whose
 * values may be stored. */
#ifndef REEVE_BASE_HASH_H
#define REEVE_BASE_HASH_H

#include "base/slice.h"

/* Depends on a per-process random key: never store it. */
uint64_t hash_mem(const void *p, size_t n);
/* Same value in every process and version: used in store keys. */
uint64_t hash_stable(const void *p, size_t n);

static inline uint64_t hash_slice(struct slice s) { return hash_mem(s.p, s.n); }

#endif
