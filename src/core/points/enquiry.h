/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to authorization points at other CSEs (or at this one): an UPDATE of an <authorizationDecision>, <authorizationPolicy> or
 * <authorizationInformation>, and its answer (TS-0003 7.5; authorization.md 7).
 *
 * The addresses of a question are asked one after the other; the first that has an answer ends it. A request that waits for an answer
 * starts again from reception when it is there and finds it by the question's text, so an answer cannot serve another question.
 * Requests with the same question at the same time share the asking. Hub only, but for what looks at one request. */
#ifndef REEVE_CORE_ENQUIRY_H
#define REEVE_CORE_ENQUIRY_H

#include "authz/distributed.h"
#include "core/rights/rights.h"

enum { ENQUIRY_ADDRESSES = 16, ENQUIRY_TIMES = 8 /* that one request asks */ };

struct enquiry {
	enum point kind;
	const struct slice *at; size_t n; /* addresses; in the request's arena, as the rest */
	struct slice body;       /* content of the UPDATE */
	struct slice key;        /* what makes it this question: kind, addresses, content without the time */
	bool secret;             /* there are tokens in it: the answer is not kept */
};

/* What a request was told. */
struct enquiry_told {
	struct enquiry_told *next;
	struct slice key, by;    /* by whom */
	bool answered;           /* false: nobody had an answer; all said NOT_APPLICABLE or could not be asked */
	bool failed;             /* at least one could not be asked, or answered with an error */
	int64_t sus;
	struct slice content;    /* the whole answer; empty when nothing that can be read came */
};

/* A question of r. `same`: so much of the body is the same each time. False: memory is out, or there is no address. */
REEVE_MUST_CHECK bool enquiry_make(struct req *r, enum point kind, const struct slice *at, size_t n, const struct buf *body, size_t same,
				   struct enquiry *q);
/* The answer, or NULL: r did not ask yet. */
const struct enquiry_told *enquiry_told(const struct req *r, const struct enquiry *q);
/* r is to ask q: the next enquiry_fetch (of a rights_method) does. False: it asked too often. */
bool enquiry_next(struct req *r, const struct enquiry *q);
void enquiry_fetch(struct core *c, struct req *r);
/* How many points passed r on already, as far as they said so (Vendor Information "reeve-hops=N"). */
unsigned enquiry_hops(const struct req *r);

struct enquiries;
REEVE_MUST_CHECK enum reeve_rc enquiries_new(struct core *c, struct enquiries **out);
void enquiries_free(struct enquiries *e); /* when no loop runs any more; before own_end */

#endif
