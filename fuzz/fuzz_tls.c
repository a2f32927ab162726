/* SPDX-License-Identifier: Apache-2.0 */
/* What a client sends before its keys change, from hostile hands (tls/look.h). Input: a byte of kinds, then units with their length (2
 * bytes) in front: records or datagrams. What is said to be whole lies inside what was given, and so does every slice of it. */
#include <stdlib.h>

#include "tls/look.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void inside(struct slice whole, struct slice part)
{
	require(!part.n || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct look l;
	struct slice left = slice_of((const char *)data, n);
	const bool datagram = n && (data[0] & 1);

	look_init(&l, datagram);
	l.resumed = n && (data[0] & 2);
	left = slice_skip(left, 1);
	while (left.n > 2) {
		const size_t size = (size_t)(unsigned char)left.p[0] << 8 | (unsigned char)left.p[1];
		struct look_hello hello;
		struct slice unit = slice_skip(left, 2), identity;
		unsigned signs;
		unit.n = size < unit.n ? size : unit.n;
		left = slice_skip(left, 2 + unit.n);
		require(datagram || look_record_size(unit) == SIZE_MAX || look_record_size(unit) <= LOOK_RECORD_MAX);
		signs = look_at(&l, unit);
		if (signs & (LOOK_BAD | LOOK_DROP))
			return 0;
		require((signs & (LOOK_HELLO | LOOK_KEY)) != (LOOK_HELLO | LOOK_KEY) && look_message(&l).n <= LOOK_MAX);
		if (signs & LOOK_HELLO && look_hello(look_message(&l), datagram, &hello))
			inside(look_message(&l), hello.identity);
		if (signs & LOOK_KEY && look_identity(look_message(&l), &identity))
			inside(look_message(&l), identity);
	}
	return 0;
}
