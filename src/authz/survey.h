/* SPDX-License-Identifier: Apache-2.0 */
/* Rules taken apart for those who ask about all requests at once: lint, who-can, what-can.
 *
 * A decision asks whether one request passes; here the question is for whom, and under which conditions. So a rule is split
 * into its acor entries, each compiled alone by the reader of policies, and matching is still the PDP's: it judges an entry, or a rule
 * without its conditions. */
#ifndef REEVE_AUTHZ_SURVEY_H
#define REEVE_AUTHZ_SURVEY_H

#include "authz/policy.h"

/* How an entry of accessControlOriginators names somebody. */
enum survey_form { SURVEY_NOBODY, SURVEY_NAMED, SURVEY_GROUP, SURVEY_PATTERN, SURVEY_DOMAIN, SURVEY_ROLE, SURVEY_ALL };
const char *survey_form_name(enum survey_form f);

struct rule; /* policy_int.h */

struct survey_entry {
	struct slice text;          /* as written */
	enum survey_form form;
	const struct rule *rule;    /* this entry alone, all operations, no conditions */
	const struct slice *ids; size_t n_ids; /* whom it names one by one (NAMED, GROUP), canonical */
};

struct survey_rule {
	const struct policy *policy;
	enum policy_part part;
	unsigned index;
	unsigned ops;               /* 0: malformed */
	bool acaf;
	const struct rule *rule;
	struct survey_entry *entry; size_t n;
	struct slice acco, acod;    /* JSON text; p == NULL: not there */
};

struct survey_reading {
	const struct policy_options *o;
	policy_group group; void *ctx; /* group NULL: groups are not looked up */
};

/* Take rule `index` of p apart; everything from a, p must outlive it. RC_NOMEM, and what `group` reports. */
REEVE_MUST_CHECK enum reeve_rc survey_rule(const struct survey_reading *how, const struct policy *p, enum policy_part part,
					   unsigned index, struct arena *a, struct survey_rule *out);

/* Does the entry stand for `who` (canonical), or for a holder of one of the roles? */
bool survey_is(const struct survey_entry *e, struct slice who, const struct slice *roles, size_t n_roles);

/* Would the rule permit f, whoever asks, if acaf and acco held? */
bool survey_permits_object(const struct survey_rule *r, const struct facts *f);
/* It has none that could fail for f's operation. */
bool survey_unconditional(const struct survey_rule *r, unsigned op);

/* Conditions as JSON members without braces ("acaf":true,"acco":[...],"acod":[...]), and in words. */
void survey_conditions_json(struct buf *b, const struct survey_rule *r);
void survey_conditions_text(struct buf *b, const struct survey_rule *r);

#endif
