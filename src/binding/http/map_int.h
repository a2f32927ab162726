/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by query.c and map.c. */
#ifndef REEVE_BINDING_HTTP_MAP_INT_H
#define REEVE_BINDING_HTTP_MAP_INT_H

#include "core/request.h"

/* Remember that the request is malformed (the first reason counts): the core answers 4000 with it. */
void map_bad(struct req *r, const char *text, struct slice what);

#endif
