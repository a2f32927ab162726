/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled form of an <accessControlPolicy>, for the files of this folder.
 *
 * A policy is one block of memory. The reader (policy_read.c) fills the same structures from JSON with pointers into an
 * arena, policy.c packs them. A list with n == 0 means "not constrained": the reader refuses lists that are present and
 * empty, so nothing that was meant as a restriction can turn into its absence. */
#ifndef REEVE_AUTHZ_POLICY_INT_H
#define REEVE_AUTHZ_POLICY_INT_H

#include "authz/policy.h"

/* Canonical entity ids, ascending by hash: the acor entries that name one entity, and the members of groups. */
struct id_set {
	const uint64_t *hash;
	const struct slice *id;
	uint32_t n;
};

/* An address range. IPv4 is ::ffff:0:0/96; an IPv6 range never matches an IPv4 source (AUTHZ-092). */
struct net {
	uint64_t hi, lo, mask_hi, mask_lo;
	bool v4;
};

/* A circle on the sphere: its centre as unit vector, its radius as squared chord, so that a test is three products. What
 * is farther away in latitude alone needs no trigonometry. */
struct circle {
	double latitude, degrees; /* of the centre; the radius as an arc, a little too long */
	double x, y, z, chord2;
};

/* A pattern. Most that do not fit differ just before the first '*', so these bytes are looked at first; and an identifier
 * with fewer bytes than the pattern has besides '*' cannot fit. */
struct glob {
	struct slice text;
	uint32_t literal, least; /* bytes before the first '*', bytes that are no '*' */
	uint64_t tail;           /* the last eight of the literal, when there are as many */
};

struct context {
	uint32_t n_windows, n_nets, n_countries;
	const struct text_schedule *window;
	const struct net *net;
	const char (*country)[2];
	const struct circle *circle; /* NULL: none */
};

struct detail {
	int32_t ty;       /* -1: any */
	bool has_cnd;
	int64_t mgd;      /* -1: none */
	struct slice cnd;
	uint32_t n_child;
	const int32_t *child;
};

/* In the order in which a decision reads it: a rule that stops at the Originator is one cache line. */
struct rule {
	uint8_t ops;
	bool acaf, all;
	bool unreadable;  /* malformed: never matches (AUTHZ-062) */
	uint32_t n_globs;
	struct id_set exact;
	const struct glob *glob;
	uint32_t n_domains, n_roles, n_contexts, n_details;
	const struct context *context;
	const struct slice *domain, *role;
	const uint64_t *role_hash; /* policy_role_hash of each role */
	uint64_t role_bits;        /* bit n: the low six bits of one of them are n */
	const struct detail *detail;
	struct slice text; /* JSON, as stored */
	uint32_t n_nobody; /* entries of unknown form, or groups that cannot be had: match nothing (AUTHZ-076, 079) */
};

struct rules {
	struct slice text; /* JSON of the setOfAcrs */
	uint32_t n;
	const struct rule *rule;
};

struct policy {
	struct slice name;
	struct rules part[2]; /* by enum policy_part */
};

/* Longest acor entry that can match anything; bounds the work of a wildcard. */
enum { ORIGINATOR_MAX = 1024 };

/* Read a setOfAcrs at i. With check: stop at the first fault, return RC_INVALID or RC_UNSUPPORTED and say *why. Without:
 * a malformed rule is marked unreadable and the others are kept; only RC_NOMEM, RC_INVALID when it is no setOfAcrs at
 * all, and what `group` reports beyond RC_NOTFOUND and RC_LIMIT come back. */
struct policy_reading {
	const struct policy_options *o;
	bool check;
	policy_group group; void *ctx; /* group == NULL: groups are not looked up */
};
REEVE_MUST_CHECK enum reeve_rc policy_read(const struct policy_reading *how, const struct json *j, uint32_t i, struct arena *a,
					   struct rules *out, struct slice *why);

/* One acor entry with wildcards in canonical form; p == NULL when it can match nothing. RC_NOMEM only. */
REEVE_MUST_CHECK enum reeve_rc policy_pattern(const struct ident_home *home, struct slice s, struct arena *a, struct slice *out);
/* '*' stands for any run of bytes without '/'. */
static inline bool policy_glob(struct slice pattern, struct slice s) { return slice_like(pattern, s, '/'); }
struct glob policy_glob_of(struct slice pattern);
/* Text of an address range, "a.b.c.d[/n]" or IPv6. */
bool policy_net(struct slice s, bool v4, struct net *out);
/* Two upper-case letters, assigned by ISO 3166-1 or left to users. */
bool policy_country(struct slice s);

/* Roles are told apart by a number each; that a role is none of the Originator's, mostly by two bits of it. No protection against
 * collisions: what looks equal is compared. */
static inline uint64_t policy_role_hash(struct slice role)
{
	uint64_t h = role.n, w = 0;
	size_t i = 0;

	for (; i + sizeof(w) <= role.n; i += sizeof(w)) {
		memcpy(&w, role.p + i, sizeof(w));
		h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	w = 0;
	if (i < role.n)
		memcpy(&w, role.p + i, role.n - i);
	h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

/* What the facts come down to, computed once per decision and only when a rule asks. */
enum { DERIVED_ROLES = 32 }; /* who has more has them compared as text */
struct derived {
	bool have_ip, have_place, v4;
	const uint64_t *role_hash; /* NULL: all are compared as text */
	uint64_t role_bits[2];     /* bit n: the low, the next six bits of some role's hash are n */
	uint64_t hi, lo;
	double x, y, z;
};
void policy_vector(double latitude, double longitude, double *x, double *y, double *z);
enum pdp_miss pdp_context(const struct context *c, const struct facts *f, struct derived *d);
enum pdp_miss pdp_rule(const struct rule *r, const struct facts *f, struct derived *d);

enum { EARTH_RADIUS_M = 6371009 };

#endif
