/* SPDX-License-Identifier: Apache-2.0 */
/* What another CSE found: the answer to a Discovery is a list of addresses ({"m2m:uril":[...]}) or of references
 * ({"m2m:rrl":{"rrf":[{"val":...}]}}), as the Result Content and the CSE have it. */
#ifndef REEVE_CORE_REFERENCES_H
#define REEVE_CORE_REFERENCES_H

#include "codec/json.h"

/* The next address after *at (0: the first); p == NULL at the end. */
struct slice references_next(struct arena *a, const struct json *j, uint32_t *at);

#endif
