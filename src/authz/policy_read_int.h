/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of rules, for its two files: policy_read.c and policy_who.c.
 *
 * Every function returns false when the rule at hand is not to be read further; r->rc says why. */
#ifndef REEVE_AUTHZ_POLICY_READ_INT_H
#define REEVE_AUTHZ_POLICY_READ_INT_H

#include "authz/policy_int.h"

struct reader {
	const struct policy_reading *how;
	const struct json *j;
	struct arena *a;
	uint32_t rule;           /* index of the one being read */
	enum reeve_rc rc;        /* of the first fault in it */
	struct slice why;
	struct slice unsupported; /* first thing that is right and cannot be served */
};

/* "acr[rule].text" as the reason. */
bool policy_fault(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool policy_no_memory(struct reader *r);
/* Array with at least one element (may_be_empty: or none). */
bool policy_array(struct reader *r, uint32_t i, const char *place, bool may_be_empty);
bool policy_string(struct reader *r, uint32_t i, const char *place, struct slice *out);

/* acor at i (0: missing). */
bool policy_read_originators(struct reader *r, uint32_t i, struct rule *out);

#endif
