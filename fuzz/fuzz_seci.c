/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a Dynamic Authorization System. What is read as granted is a whole JSON value inside what was said, bounded, with at most
 * so many tokens; a refusal always has a reason, and nothing else does. */
#include "authz/seci.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void dres(struct arena *a, struct slice s)
{
	struct seci_dres d;
	struct slice why, ignored;
	struct json j;
	enum reeve_rc rc = seci_read_dres(a, s, INT64_C(1772356500) * USEC_S, &d, &why);

	if (rc == RC_NOMEM)
		return;
	check((rc == RC_OK || rc == RC_NOTFOUND) == !why.p);
	if (rc != RC_OK)
		return;
	check(d.privileges.p || d.n_tokens);
	check(d.n_tokens <= SECI_TOKENS_MOST && d.until >= 0);
	check(!d.privileges.p || json_parse(a, d.privileges, &json_default_limits, &j, &ignored) == RC_OK);
	for (size_t i = 0; i < d.n_tokens; i++)
		check(d.tokens[i].n > 0);
}

static void relation(struct arena *a, struct slice s)
{
	struct seci_relation d;
	struct slice why;
	struct json j;
	struct buf b;

	if (seci_read_dars(a, s, &d, &why) == RC_OK)
		check(d.n_signs && (d.n_ids || d.n_tokens));
	if (json_parse(a, s, &json_default_limits, &j, &why) != RC_OK || seci_read_darq(a, &j, 0, &d, &why) != RC_OK)
		return;
	check(d.n_ids || d.n_tokens);
	buf_init(&b, 1 << 20); /* what is read can be said again, and means the same */
	seci_write_darq(&b, &d);
	check(!b.failed && json_parse(a, buf_view(&b), &json_default_limits, &j, &why) == RC_OK);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1); /* exact size: a read beyond the end is seen */
	struct arena a;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	arena_init(&a, NULL, 0, 1 << 20);
	dres(&a, slice_of(copy, size));
	relation(&a, slice_of(copy, size));
	arena_reset(&a);
	free(copy);
	return 0;
}
