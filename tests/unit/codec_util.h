/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the codec share: cmocka, an arena, parsing a literal, a generator of numbers with a fixed start. */
#ifndef TESTS_CODEC_UTIL_H
#define TESTS_CODEC_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "codec/json.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static inline void test_arena(struct arena *a) { arena_init(a, NULL, 0, (size_t)64 << 20); }

/* Parse text that must be JSON. */
static inline struct json parsed(struct arena *a, struct slice text)
{
	struct slice why;
	struct json j;

	if (json_parse(a, text, NULL, &j, &why))
		fail_msg("%.*s: %.*s", SF(text), SF(why));
	return j;
}

static inline void assert_slice(struct slice got, const char *want)
{
	if (!slice_eq(got, slice_str(want)))
		fail_msg("got \"%.*s\", want \"%s\"", SF(got), want);
}

/* splitmix64: the same numbers in every run. */
static inline uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

#endif
