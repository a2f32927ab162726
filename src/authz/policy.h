/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled access control policies, their checks, and a per-thread cache of them. */
#ifndef REEVE_AUTHZ_POLICY_H
#define REEVE_AUTHZ_POLICY_H

#include "authz/ident.h"
#include "authz/pdp.h"
#include "base/arena.h"
#include "base/rc.h"
#include "codec/json.h"

struct policy_options {
	const struct ident_home *home;
	bool domain_wildcards;     /* a wildcard may stand in a domain entry (off: AUTHZ-072) */
	bool positions, countries; /* location facts can be had; otherwise aclr is refused (AUTHZ-097) */
};

/* Checks beyond the data model for pv or pvs at `i` (m2m:setOfAcrs), AUTHZ-037 to 048. RC_INVALID (-> 4000) or
 * RC_UNSUPPORTED (-> 5001); *why names the place below pv or pvs ("acr[0].acop must be ...") and what to change. Needs no
 * model_check before it. */
REEVE_MUST_CHECK enum reeve_rc policy_check(const struct policy_options *o, const struct json *j, uint32_t i, struct arena *a,
					    struct slice *why);

/* Canonical ids of the members of the group `id` (an acor entry that may be one): fills *ids from arena; RC_NOTFOUND when id
 * is no local group. */
typedef enum reeve_rc (*policy_group)(void *ctx, struct slice id, struct arena *a, struct slice **ids, size_t *n);

/* Compile pv and pvs ({"acr":[...]} as JSON text). `name` is what explain shows. The policy owns its memory. */
REEVE_MUST_CHECK enum reeve_rc policy_compile(const struct policy_options *o, struct slice name, struct slice pv, struct slice pvs,
					      policy_group group, void *ctx, struct policy **out);
void policy_free(struct policy *p);
struct slice policy_name(const struct policy *p);
size_t policy_rules(const struct policy *p, enum policy_part part);
/* Is there a rule that this program cannot read? It matches nothing (AUTHZ-062). */
bool policy_unreadable(const struct policy *p, enum policy_part part);
/* JSON text of rule `index`, as stored. */
struct slice policy_rule_text(const struct policy *p, enum policy_part part, unsigned index);

/* Cache: policies by ordinal, valid for the snapshot they were compiled from as long as no policy or group changed
 * after it. `changed` is the number of the last commit that changed one (kept by the core, published before that commit). */
struct policy_cache;
/* NULL when memory is out. One thread at a time. A writer whose transaction changes a policy or group clears its cache. */
struct policy_cache *policy_cache_new(size_t max_policies);
void policy_cache_free(struct policy_cache *c);
/* NULL when not there or stale for `snapshot`: valid iff both snapshots are not older than `changed`, or are the same. */
const struct policy *policy_cache_get(struct policy_cache *c, uint64_t n, uint64_t snapshot, uint64_t changed);
/* Takes p, which may be NULL (nothing happens). Evicts the least recently used. A pointer got from the cache stays valid
 * for at least the next POLICY_CACHE_GRACE calls of policy_cache_put, so that the policies of one decision may be
 * collected first; not after _clear. */
enum { POLICY_CACHE_GRACE = 256 };
void policy_cache_put(struct policy_cache *c, uint64_t n, uint64_t snapshot, struct policy *p);
void policy_cache_clear(struct policy_cache *c);

#endif
