/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as CBOR. What becomes JSON that json_parse takes, goes back to CBOR and again to JSON: the same text. */
#include <stdlib.h>

#include "codec/cbor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void there_and_back(struct arena *a, struct slice json)
{
	struct buf cbor, text, cbor2;
	struct slice why;
	struct json j, again;

	buf_init(&cbor, 1 << 20);
	buf_init(&cbor2, 1 << 20);
	buf_init(&text, 1 << 20);
	if (json_parse(a, json, NULL, &j, &why) == RC_OK) { /* not with repeated names or NUL */
		check(json_to_cbor(&j, 0, &cbor) == RC_OK);
		check(cbor_to_json(buf_view(&cbor), NULL, &text, a, &why) == RC_OK);
		check(slice_eq(buf_view(&text), json));
		check(json_parse(a, buf_view(&text), NULL, &again, &why) == RC_OK && json_equal(&j, 0, &again, 0));
		check(json_to_cbor(&again, 0, &cbor2) == RC_OK && slice_eq(buf_view(&cbor), buf_view(&cbor2)));
	}
	buf_free(&cbor);
	buf_free(&cbor2);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice why;
	struct arena a;
	struct buf json;
	enum reeve_rc rc;

	arena_init(&a, NULL, 0, 64u << 20);
	buf_init(&json, 1 << 20);
	rc = cbor_to_json(slice_of((const char *)data, size), NULL, &json, &a, &why);
	check(rc == RC_OK || why.p);
	if (!rc)
		there_and_back(&a, buf_view(&json));
	buf_free(&json);
	arena_reset(&a);
	return 0;
}
