/* SPDX-License-Identifier: Apache-2.0 */
/* The leak checker does not look into OpenSSL's secure heap, and takes what is held from there alone (the contexts of its random
 * generators) for lost. Tell it. */
#ifndef FUZZ_HEAP_ROOT_H
#define FUZZ_HEAP_ROOT_H

#include <sanitizer/lsan_interface.h>
#include <stdint.h>
#include <stdio.h>

#include "secenv/secret.h"

static inline void heap_is_root(void)
{
	void *p = secret_alloc(1);
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned long from, to;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &from, &to) == 2 && (uintptr_t)p >= from && (uintptr_t)p < to)
			__lsan_register_root_region((const void *)from, to - from);
	if (f)
		fclose(f);
	secret_free(p);
}

#endif
