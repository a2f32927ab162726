/* SPDX-License-Identifier: Apache-2.0 */
/* Randomness from the kernel. */
#ifndef REEVE_BASE_RAND_H
#define REEVE_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

/* Fill p with n random bytes; aborts when the kernel cannot give any (it never does after boot). */
void rand_bytes(void *p, size_t n);
uint64_t rand_u64(void);

#endif
