/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the filter and by discovery. */
#ifndef REEVE_CORE_FILTER_INT_H
#define REEVE_CORE_FILTER_INT_H

#include "codec/json.h"
#include "core/discover/filter.h"

enum {
	FILTER_VALUES = 128,      /* values of one condition: each costs a comparison per resource looked at */
	FILTER_EXPR = 2048,       /* bytes of an expression */
	FILTER_PATH_STEPS = 32,   /* of a path in a contentFilterQuery */
	FILTER_TERMS = 32,        /* conditions in a contentFilterQuery, values of an IN list */
};

/* What it costs to look at a resource, in units of discovery_visits: one, and one more for each 4 KiB. */
#define FILTER_COST(r) (1u + (uint64_t)(r)->h.text_len / 4096)

/* Matching conditions, for callers that know already that one holds. */
enum filter_cond { FC_LBL = 1, FC_TY = 2, FC_CLBL = 4 };

/* As filter_match, without the conditions in `known` (they hold). */
bool filter_match_rest(const struct filter *f, struct arena *a, struct st_tx *tx, const struct res *r, bool discovery,
		       unsigned known);

/* Only the grammar. RC_SYNTAX. */
REEVE_MUST_CHECK enum reeve_rc filter_labels_syntax(struct slice expr);
REEVE_MUST_CHECK enum reeve_rc filter_content_syntax(struct slice expr);

/* Does `text` match `pattern`, in which '*' stands for any run of bytes? Linear in the text. */
bool filter_wildcard(struct slice pattern, struct slice text);

#endif
