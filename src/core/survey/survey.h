/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about all the policies of a store at once: what is wrong, who may, what may somebody.
 *
 * Rights are worked out once for each set of policies that governs something, not for each resource: a million containers under
 * three policies cost three decisions and one look at each record. */
#ifndef REEVE_CORE_SURVEY_H
#define REEVE_CORE_SURVEY_H

#include "authz/lint.h"
#include "core/access.h"
#include "core/would.h"

/* --- what is wrong (authz/lint.h), with what only a store can tell --- */

/* Resources told for one kind of finding at most; the rest is counted. */
enum { SURVEY_EXAMPLES = 20 };
REEVE_MUST_CHECK enum reeve_rc survey_lint(struct look *k, const struct lint *l);

/* --- who may --- */

struct survey_grant {
	struct slice who;               /* canonical, or the entry when it is not one entity */
	bool registered;
	const struct survey_entry *entry; /* NULL: by the default policy, or a rule of the resource type (`ground`) */
	const struct survey_rule *rule;
	const char *ground;
};
struct survey_who {
	unsigned op;                    /* one ACOP_ bit */
	struct slice to;
	int32_t child_ty;               /* for Create; 0: any type, what acod says is told as a condition */
	/* out */
	char path[512];                 /* structured address of the target */
	int32_t target_ty;
	const char *ground;
	struct slice policies[POLICIES_MOST]; size_t n_policies;
	void (*grant)(void *ctx, const struct survey_grant *g); /* after the others are set; slices live as long as the call */
	void *ctx;
};
/* RC_NOTFOUND: there is no such resource. */
REEVE_MUST_CHECK enum reeve_rc survey_who_can(struct look *k, struct survey_who *w);

/* --- what may somebody --- */

/* One way in which the rights of a number of resources come about. */
struct survey_set {
	enum { SET_POLICIES, SET_CREATOR, SET_TYPE } kind;
	const struct policy *policy[POLICIES_MOST]; size_t n_policies; /* SET_POLICIES */
	enum policy_part part;
	int32_t ty;                     /* SET_TYPE */
	unsigned always, maybe;         /* ACOP_ bits: without conditions; under conditions of the grants */
	const struct survey_rule *rule; size_t n_rules; /* that permit something */
	const struct survey_entry **by; /* for each of them */
	uint64_t resources;
	struct slice *example; size_t n_examples; /* structured addresses */
};
struct survey_what {
	struct slice who;               /* as given */
	const struct slice *roles; size_t n_roles;
	size_t examples;                /* for each set; 0: all */
	/* out */
	struct slice canon;
	uint64_t looked_at;             /* resources with policies of their own */
	void (*set)(void *ctx, const struct survey_set *s);
	void *ctx;
};
/* RC_INVALID: who is no identifier. RC_LIMIT: too many sets or addresses for memory. */
REEVE_MUST_CHECK enum reeve_rc survey_what_can(struct look *k, struct survey_what *w);

/* --- shared by the files of the survey --- */

/* Every resource that has accessControlPolicyIDs, or could have, and is alive; instances cannot. Until each returns another than RC_OK. */
typedef enum reeve_rc (*survey_each)(void *ctx, const struct res *r);
REEVE_MUST_CHECK enum reeve_rc survey_resources(struct look *k, survey_each each, void *ctx);
/* Canonical ids of the registered AEs and CSEs, and of the CSE itself, sorted, from a. */
REEVE_MUST_CHECK enum reeve_rc survey_registered(struct look *k, struct arena *a, struct lint_registered *out);
/* May `who` do op on target, whose type has a rule of its own (type_hooks.permitted)? */
REEVE_MUST_CHECK enum reeve_rc survey_type_permits(struct look *k, struct slice who, const struct res *target, unsigned op, bool *yes);
/* Structured address from a; empty when it cannot be had. */
struct slice survey_path(struct look *k, struct arena *a, const struct res *r);

#endif
