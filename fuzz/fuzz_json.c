/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as JSON. What is accepted: tokens lie inside each other as they should, the compact form reads back as an
 * equal value and is a fixed point, strings and numbers can be read. Where jansson is installed, it has the same verdict. */
#include <stdlib.h>

#include "../tests/unit/jansson_peer.h"
#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_tokens(const struct json *j, struct arena *a)
{
	for (uint32_t i = 0; i < j->n; i++) {
		const struct json_tok *t = &j->tok[i];
		uint64_t u;
		int64_t v;
		double d;

		check(t->at < t->end && t->end <= j->text.n && t->next > i && t->next <= j->n);
		check(i + 1 == j->n || t->at < j->tok[i + 1].at);
		if (t->kind == J_STRING && i) {
			struct slice s = json_string(a, j, i);
			check(a->failed || (s.p && json_string_is(j, i, s) && s.n <= t->end - t->at - 2));
		}
		if (t->kind < J_ARRAY)
			check(t->next == i + 1 && t->count == 0);
		if (json_u64(j, i, &u) && u <= INT64_MAX)
			check(json_i64(j, i, &v) && v == (int64_t)u);
		(void)json_double(j, i, &d);
	}
}

static void check_compact(struct arena *a, const struct json *j)
{
	struct buf once, twice;
	struct slice why;
	struct json again;

	buf_init(&once, j->text.n + 1);
	buf_init(&twice, j->text.n + 1);
	json_compact(&once, j, 0);
	check(!once.failed && once.n <= j->text.n);
	check(json_parse(a, buf_view(&once), NULL, &again, &why) == RC_OK);
	check(again.n == j->n && json_equal(j, 0, &again, 0) && json_equal(&again, 0, j, 0));
	json_compact(&twice, &again, 0);
	check(slice_eq(buf_view(&once), buf_view(&twice)));
	buf_free(&once);
	buf_free(&twice);
}

static void check_peer(struct slice text, enum reeve_rc rc)
{
	static const struct jansson *peer;
	static bool opened;

	if (!opened)
		peer = jansson_open();
	opened = true;
	if (!peer || memchr(text.p, 0, text.n) || rc == RC_LIMIT || rc == RC_NOMEM)
		return; /* jansson skips a NUL behind a number; its limits are other ones */
	switch (jansson_verdict(peer, text)) {
	case JANSSON_YES:
		check(rc == RC_OK);
		break;
	case JANSSON_NO:
		check(rc != RC_OK);
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of((const char *)data, size), why;
	struct arena a;
	struct json j;
	enum reeve_rc rc;

	arena_init(&a, NULL, 0, 64u << 20);
	rc = json_parse(&a, text, NULL, &j, &why);
	check(rc == RC_OK || why.p);
	if (!rc) {
		check_tokens(&j, &a);
		check_compact(&a, &j);
	}
	if (size)
		check_peer(text, rc);
	arena_reset(&a);
	return 0;
}
