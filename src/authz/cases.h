/* SPDX-License-Identifier: Apache-2.0 */
/* Cases for `reeve policy test`: who may do what, when and from where, as an operator writes them down (reeve-policy(1)).
 *
 *   {"policies": ["acp-plant.json"],
 *    "defaults": {"authenticated": true, "to": "cse/plant"},
 *    "cases": [{"name": "pumps report", "from": ["Cpump1", "Cpump2"], "op": "create", "type": "contentInstance", "expect": "permit"}]}
 *
 * A list for from or op stands for one case each. Members that are not known are refused: a test with a spelling mistake
 * would test something else. */
#ifndef REEVE_AUTHZ_CASES_H
#define REEVE_AUTHZ_CASES_H

#include "authz/pdp.h"
#include "base/arena.h"
#include "base/rc.h"

/* refuse: the request ends before access is decided (by a store only). */
enum case_outcome { CASE_PERMIT, CASE_DENY, CASE_REFUSE };

struct policy_case {
	struct slice name;
	struct slice from, to;      /* to: empty when judged by files */
	unsigned op;                /* one ACOP_ bit */
	int32_t child_ty, target_ty; /* types; target_ty for files */
	struct slice target_cnd;
	int64_t target_mgd;         /* -1: none */
	bool authenticated;
	bool time_given, ip_known, position_known;
	usec time;
	uint8_t ip[16];
	double latitude, longitude;
	char country[3];
	const struct slice *roles; size_t n_roles;
	const struct slice *policies; size_t n_policies; /* names of those that govern; none: all */
	enum case_outcome expect;
};

struct cases {
	const struct slice *policies; size_t n_policies; /* files, relative to the file of cases */
	struct policy_case *v; size_t n;
};
enum { CASES_MAX = 100000 };

/* Everything from a; text must outlive *out. RC_SYNTAX, RC_INVALID, RC_LIMIT: *why says where and what to change. */
REEVE_MUST_CHECK enum reeve_rc cases_read(struct arena *a, struct slice text, struct cases *out, struct slice *why);

const char *case_outcome_name(enum case_outcome o);
/* "create" ... "discovery" or C, R, U, D, N, disc; 0 when it is none. */
unsigned case_operation(struct slice s);
/* Number or name of a resource type; 0 when there is none. */
int32_t case_type(struct slice s);

#endif
