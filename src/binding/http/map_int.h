/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by query.c and map.c. */
#ifndef REEVE_BINDING_HTTP_MAP_INT_H
#define REEVE_BINDING_HTTP_MAP_INT_H

#include "core/request.h"

/* Remember that the request is malformed (the first reason counts): the core answers 4000 with it. */
void map_bad(struct req *r, const char *text, struct slice what);

/* Headers with claims (claims.c). A value of Authorization that is no Tokens parameter is ignored. */
void map_authorization(struct req *r, struct slice name, struct slice v);
void map_signatures(struct req *r, struct slice name, struct slice v);

/* Blanks around header values and their parts. */
static inline struct slice map_trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_skip(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

#endif
