/* SPDX-License-Identifier: Apache-2.0 */
/* The Policy Decision Point: decide(policies, facts) -> permit or deny, and why.
 *
 * A pure function: no I/O, no clock, no allocation. Policies are compiled once (policy.h) into a form in which a rule is a
 * mask test, a few integer compares and bit tests. Permit overrides; whatever cannot be determined is false
 * (TS-0003 7.1.4, 7.1.5; requirements AUTHZ-059 to 106). */
#ifndef REEVE_AUTHZ_PDP_H
#define REEVE_AUTHZ_PDP_H

#include "base/slice.h"
#include "codec/text.h"

enum { ACOP_CREATE = 1, ACOP_RETRIEVE = 2, ACOP_UPDATE = 4, ACOP_DELETE = 8, ACOP_NOTIFY = 16, ACOP_DISCOVERY = 32 };

/* "create" ... "discovery"; "" when bit is none of them. */
const char *acop_name(unsigned bit);

/* What is known about a request. */
struct facts {
	struct slice who;          /* Originator, canonical absolute: //sp/Sae, //sp/cse/Cae, //sp/cse */
	uint64_t who_hash;         /* hash_slice(who) */
	bool authenticated;        /* rq_authn */
	unsigned op;               /* one ACOP_ bit */
	int32_t target_ty, child_ty; /* child_ty for Create, else 0 */
	struct slice target_cnd;   /* containerDefinition of a flexContainer target; else empty */
	int64_t target_mgd;        /* mgmtDefinition of a mgmtObj target; else -1 */
	struct text_time time;     /* UTC, of receipt */
	bool ip_known;
	uint8_t ip[16];            /* IPv4 as ::ffff:a.b.c.d */
	bool position_known;
	double latitude, longitude;
	char country[3];           /* "" when unknown */
	const struct slice *roles; size_t n_roles; /* verified Role-IDs */
};

struct policy;   /* compiled <accessControlPolicy>; see policy.h */

/* Which half of a policy decides. */
enum policy_part { POLICY_PV, POLICY_PVS };

/* Why a rule did not match; the first failing test in this order. */
enum pdp_miss { PDP_MATCH, PDP_OP, PDP_AUTHN, PDP_ORIGINATOR, PDP_OBJECT, PDP_TIME, PDP_ADDRESS, PDP_LOCATION,
		PDP_UNREADABLE /* the rule is malformed; only stored data of another version can be */ };

/* Told about each rule that is tried, in order; for `reeve explain`. */
struct pdp_trace {
	void (*rule)(void *ctx, const struct policy *p, unsigned index, enum pdp_miss miss);
	void *ctx;
};

/* True: permitted by rule *index of policies[*which] (either may be NULL). trace may be NULL. */
bool pdp_decide(const struct policy *const *policies, size_t n, enum policy_part part, const struct facts *f,
		const struct pdp_trace *trace, size_t *which, unsigned *index);

/* Facts that could not be had, besides an address, position or country that the facts themselves say is not known. */
struct pdp_unknown {
	bool child, target;
	const struct slice *roles; size_t n_roles; /* that the Originator may have */
};
/* After a denial: is there a rule that would permit if what is unknown were as the rule wants it? */
bool pdp_undecided(const struct policy *const *policies, size_t n, enum policy_part part, const struct facts *f,
		   const struct pdp_unknown *u);

/* Role-IDs that would open the door: of the rules that match f in everything but the Originator (AUTHZ-186). Each once, in the order of
 * the rules, at most `most`; they live as long as the policies. Returns how many. */
size_t pdp_roles(const struct policy *const *policies, size_t n, enum policy_part part, const struct facts *f, struct slice *out,
		 size_t most);

#endif
