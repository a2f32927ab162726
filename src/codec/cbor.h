/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR at the edge (RFC 8949, TS-0004 8.5): transcoded to and from JSON text, nothing inside Reeve sees it.
 *
 * Input: definite and indefinite lengths; integers, floats (no NaN or infinity), text strings, arrays, maps
 * with text keys, true/false/null. A float keeps a fraction in JSON ("1.0"), so that it is no integer to the
 * model. Byte strings are accepted where they hold valid UTF-8, because the worked examples of the standard
 * use them (deviations.md X3); tags are skipped. Everything else is refused. Output: shortest forms, definite
 * lengths, text as major type 3. */
#ifndef REEVE_CODEC_CBOR_H
#define REEVE_CODEC_CBOR_H

#include "codec/json.h"

/* Append the JSON form of the one CBOR item in `in` to `out`. RC_SYNTAX, RC_LIMIT (depth, out->max), *why as
 * in json_parse. The result still goes through json_parse, which refuses duplicates. */
REEVE_MUST_CHECK enum reeve_rc cbor_to_json(struct slice in, const struct json_limits *limits, struct buf *out,
					    struct arena *a, struct slice *why);
/* Append the CBOR form of the value at i of j. Integers of -2^64..2^64-1 stay exact, other numbers become single or
 * double floats. RC_LIMIT when out is full, RC_INVALID for a number beyond the range of a double. */
REEVE_MUST_CHECK enum reeve_rc json_to_cbor(const struct json *j, uint32_t i, struct buf *out);

#endif
