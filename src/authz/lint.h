/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with access control policies that are valid: rules that are too wide, can never match, say what others say
 * already, and policies nobody can use or change. The catalogue of findings is in reeve-policy(1). */
#ifndef REEVE_AUTHZ_LINT_H
#define REEVE_AUTHZ_LINT_H

#include "authz/survey.h"

enum lint_severity { LINT_NOTE, LINT_WARNING, LINT_ERROR };

struct lint_finding {
	enum lint_severity severity;
	const char *code;           /* "wide", "never", ... */
	struct slice policy;        /* name; empty: none */
	const char *part;           /* "pv", "pvs"; NULL */
	int rule;                   /* -1: none */
	struct slice resource;      /* address; empty */
	struct slice why, remedy;
};
const char *lint_severity_name(enum lint_severity s);

/* Who is there? Sorted canonical ids of registered entities. */
int lint_compare(const void *a, const void *b); /* their order, for qsort of struct slice */
struct lint_registered { const struct slice *v; size_t n; };

struct lint {
	struct survey_reading reading;
	const struct lint_registered *registered; /* NULL: not known (files) */
	usec now;
	void (*tell)(void *ctx, const struct lint_finding *f);
	void *ctx;
};

/* A policy by itself. provisioned: the CSE's own, whose Originators need not have registered. RC_NOMEM. */
REEVE_MUST_CHECK enum reeve_rc lint_policy(const struct lint *l, const struct policy *p, bool provisioned, struct arena *a);
/* Does any rule of this part stand for somebody, at some time, and permit one of `ops`? */
REEVE_MUST_CHECK enum reeve_rc lint_alive(const struct lint *l, const struct policy *p, enum policy_part part, unsigned ops,
					  struct arena *a, bool *alive);
/* Tell a finding about a resource (or none, empty). */
void lint_tell(const struct lint *l, enum lint_severity s, const char *code, struct slice policy, struct slice resource,
	       struct slice why, struct slice remedy);

#endif
