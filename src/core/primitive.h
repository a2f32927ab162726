/* SPDX-License-Identifier: Apache-2.0 */
/* Whole primitives as JSON, for where no protocol has headers for their parameters: polling channels. */
#ifndef REEVE_CORE_PRIMITIVE_H
#define REEVE_CORE_PRIMITIVE_H

#include "core/core.h"

/* The request s as members of m2m:rqp, without braces. */
void primitive_write(struct buf *b, const struct send *s);
/* The object m2m:rsp at i. False when rsc or rqi is missing or out of range. What *rsp points to lies in j's text and in a. */
bool primitive_read(struct arena *a, const struct json *j, uint32_t i, struct rsp *rsp, struct slice *rqi);

#endif
