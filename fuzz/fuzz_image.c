/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the image of a request. What is taken for one must give the same bytes again. */
#include <stdlib.h>

#include "core/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes behind what is read as a truth value may be any. */
static bool same(const struct req *a, const struct req *b)
{
	struct buf one, two;
	bool yes;

	buf_init(&one, 1 << 24);
	buf_init(&two, 1 << 24);
	image_write(&one, a);
	image_write(&two, b);
	yes = !one.failed && slice_eq(buf_view(&one), buf_view(&two));
	buf_free(&one);
	buf_free(&two);
	return yes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct req *r = aligned_alloc(16, sizeof(*r)), *n = aligned_alloc(16, sizeof(*n));
	struct buf b;

	if (!r || !n)
		abort();
	req_init(r, NULL, 1 << 22, 1 << 20);
	req_init(n, NULL, 1 << 24, 1 << 20);
	buf_init(&b, 1 << 24);
	if (image_read(r, slice_of((const char *)data, size)) == RC_OK) {
		image_write(&b, r);
		if (image_read(n, buf_view(&b)) != RC_OK || !same(r, n))
			abort();
	}
	buf_free(&b);
	req_free(r);
	req_free(n);
	free(r);
	free(n);
	return 0;
}
