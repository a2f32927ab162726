/* SPDX-License-Identifier: Apache-2.0 */
/* Verified tokens, kept for the next request that brings them (AUTHZ-176, 178; TS-0003 7.3.2.3).
 *
 * Found by the SHA-256 of their text, by Token-ID, by Local-Token-ID, and those a DAS delivered for a request (direct) by their holder.
 * An entry never changes; who uses it holds a reference, so nothing is locked while it is used or verified. Bounded in entries and
 * bytes; when it is full, what has expired goes first, then what was used longest ago. Any thread. */
#ifndef REEVE_CORE_RIGHTS_TOKEN_CACHE_H
#define REEVE_CORE_RIGHTS_TOKEN_CACHE_H

#include "authz/token.h"

enum { TOKEN_LOCAL_ID_MAX = 16, TOKEN_HASH = 32 };

struct token_entry {
	struct token *token;
	struct slice holder;     /* canonical: the claim's, or who was entered since */
	char local_id[TOKEN_LOCAL_ID_MAX]; /* NUL-terminated NCName */
	bool direct;             /* delivered by a DAS for a request: used for its holder without being named (AUTHZ-175) */
	uint64_t ae;             /* direct: the registration of its holder that it was delivered to; 0: that is not registered here */
	bool mapped;             /* the DAS holds a mapping record for it (auri, asri) */
	uint8_t hash[TOKEN_HASH]; /* of its text */
};

struct token_cache;
struct token_cache *token_cache_new(size_t entries, size_t bytes);
/* Every entry ends, also those still referred to. */
void token_cache_free(struct token_cache *c);

void token_hash(struct slice text, uint8_t out[TOKEN_HASH]);

/* Found entries are references, to be given back; NULL when there is none. Expired ones are not found. */
const struct token_entry *token_cache_by_hash(struct token_cache *c, const uint8_t hash[TOKEN_HASH], usec now);
const struct token_entry *token_cache_by_id(struct token_cache *c, struct slice token_id, usec now);
const struct token_entry *token_cache_by_local_id(struct token_cache *c, struct slice local_id, usec now);
/* Up to `most` direct ones of a holder; returns how many. */
size_t token_cache_by_holder(struct token_cache *c, struct slice holder, usec now, const struct token_entry **out, size_t most);
/* Are there direct ones at all? Cheap. */
bool token_cache_any_direct(struct token_cache *c);
const struct token_entry *token_entry_get(const struct token_entry *e);
/* Should its Local-Token-ID be told now? With the first answer, and in case that got lost, once a minute: it makes an answer longer, and
 * an Originator that sends the whole token each time does not look at it. */
bool token_entry_tell(const struct token_entry *e, usec now);
void token_entry_put(struct token_cache *c, const struct token_entry *e); /* NULL is legal */
/* Was it forgotten, or did it get another holder, since it was found? Then it does not count any more. */
bool token_entry_withdrawn(const struct token_entry *e);

/* How many times the cache was emptied: what was verified before does not belong in it. */
uint64_t token_cache_generation(struct token_cache *c);
/* Enter t, verified since `generation` was read; a former entry of the same text or Token-ID leaves. Returns a reference, also when the
 * entry could not be kept (an older generation, no room); NULL when memory is out. */
struct token_new {
	struct token *token;     /* the cache takes a reference of its own */
	const uint8_t *hash;
	struct slice holder;     /* empty: the claim's */
	bool direct, mapped;
	uint64_t ae;
	const struct issuer *from; /* tokens_verify: the DAS that delivers it; NULL: the Originator himself */
};
const struct token_entry *token_cache_put(struct token_cache *c, const struct token_new *n, uint64_t generation, usec now);

/* The AE that holds it has another AE-ID now (AUTHZ-205, 207). False: there is no such token of this issuer. */
bool token_cache_rehold(struct token_cache *c, struct slice token_id, struct slice issuer, struct slice holder, usec now);

/* Forget: all; those of a holder; one Token-ID. Whoever has a reference sees it. */
void token_cache_clear(struct token_cache *c);
void token_cache_forget_holder(struct token_cache *c, struct slice holder);
void token_cache_forget_id(struct token_cache *c, struct slice token_id);

struct token_cache_figures { uint64_t entries, bytes, hits, misses, evicted; };
struct token_cache_figures token_cache_figures(struct token_cache *c);

#endif
