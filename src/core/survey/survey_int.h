/* SPDX-License-Identifier: Apache-2.0 */
/* Resources gathered by what governs them; for the files of the survey. */
#ifndef REEVE_CORE_SURVEY_INT_H
#define REEVE_CORE_SURVEY_INT_H

#include "core/survey/survey.h"

/* Resources with the same links (SET_POLICIES of pv), one <accessControlPolicy> (of pvs), or without links and by one creator. */
struct gathered_set {
	struct gathered_set *next;    /* in the order of appearance */
	struct gathered_set *chain;   /* of the bucket */
	uint64_t hash;
	struct slice key;             /* what makes them the same */
	const struct res_key *acps; size_t n_acps;
	struct slice acpi;            /* JSON text of the first one's */
	enum policy_part part;
	uint64_t resources;
	struct slice *example; size_t n_examples, cap;
};

enum { BUCKETS = 4096, SETS_MOST = 1000000 };
struct gathering_sets {
	struct arena *a;
	struct look *k;
	size_t examples;              /* kept for each; 0: all */
	struct gathered_set *first, **last;
	struct gathered_set *bucket[BUCKETS];
	size_t n;
};

void gather_begin(struct gathering_sets *g, struct look *k, struct arena *a, size_t examples);
/* Count r to the set of its links. RC_LIMIT: too many sets, or no memory for examples. */
REEVE_MUST_CHECK enum reeve_rc gather_links(struct gathering_sets *g, const struct res *r);
/* Count the <accessControlPolicy> r as governed by itself. */
REEVE_MUST_CHECK enum reeve_rc gather_self(struct gathering_sets *g, const struct res *r);
/* Count r to the one set of g that has no policies. */
REEVE_MUST_CHECK enum reeve_rc gather_plain(struct gathering_sets *g, const struct res *r);
/* The policies of a set that can be had; returns how many. */
size_t gather_policies(struct look *k, const struct gathered_set *s, const struct policy *out[POLICIES_MOST]);

#endif
