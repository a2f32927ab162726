/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a query, "rcn=4", as HTTP has them in the request target and CoAP in Uri-Query options: the same names and values in both.
 * Pure. */
#ifndef REEVE_BINDING_QUERY_H
#define REEVE_BINDING_QUERY_H

#include "core/request.h"

enum { QUERY_CLAIMS = 3 }; /* rids, tids, ltids */

/* Begin with { .r = r }, one per request. */
struct query_in {
	struct req *r;
	/* private */
	struct slice *claim[QUERY_CLAIMS]; /* what r->rids and so on point to */
	size_t room[QUERY_CLAIMS];
	uint32_t seen; /* bit per parameter that has one value */
};

/* One field into the request; value as it was sent, with its percent escapes. Problems go to r->bad. What r keeps is in its arena. */
void query_field(struct query_in *q, struct slice name, struct slice value);

/* Remember that the request is malformed (the first reason counts): the core answers 4000 with it. */
void map_bad(struct req *r, const char *text, struct slice what);

/* Percent-decoded copy in a, of UTF-8 without NUL. p == NULL: none, and *why tells. */
struct slice query_unescape(struct arena *a, struct slice s, const char **why);
/* The same for r: p == NULL: refused, the reason is recorded. */
struct slice query_decode(struct req *r, struct slice s);

/* The address that a path stands for: "/x" -> x, "/~/cse/x" -> /cse/x, "/_/sp/cse/x" -> //sp/cse/x; empty when it is none. The path's
 * memory is changed. */
struct slice query_address(struct slice path);

/* Printable UTF-8: values of parameters end up in resources, notifications and answers. */
bool query_printable(struct slice v);

/* Blanks around values and their parts. */
static inline struct slice query_trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_skip(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* The parameters of r that stand in a query, "rcn=4&ty=3"; `first` ('?' or '&') before the first of them. blocking: without rt. Claims that
 * are signed or secret (tkns, aus) are not among them. */
void query_write(struct buf *b, const struct req *r, bool blocking, char first);

#endif
