/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the table of credentials, as an administrator sends them: what may be a row is written and read again as the same. */
#include "core/association/credential.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_row(struct arena *a, struct slice text, struct credential *out)
{
	char why[TLS_WHY_MAX];

	*out = (struct credential){ 0 };
	return credential_read(a, text, out, why) == RC_OK && credential_check(out, why) == RC_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1); /* exact size: a read beyond the end is seen */
	struct credential one, two;
	struct arena a;
	struct buf b, again;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	arena_init(&a, NULL, 0, 4 << 20);
	buf_init(&b, 4 << 20);
	buf_init(&again, 4 << 20);
	if (read_row(&a, slice_of(copy, size), &one)) {
		credential_write(&one, &b);
		if (!read_row(&a, buf_view(&b), &two))
			abort();
		credential_write(&two, &again);
		if (!slice_eq(buf_view(&b), buf_view(&again)))
			abort();
	}
	buf_free(&again);
	buf_free(&b);
	arena_reset(&a);
	free(copy);
	return 0;
}
