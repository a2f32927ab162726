/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of RIGHTS_TOKENS: judging (tokens.c), what a token permits of a target (token_use.c), asking a DAS for Token-IDs
 * (token_fetch.c). */
#ifndef REEVE_CORE_RIGHTS_TOKENS_INT_H
#define REEVE_CORE_RIGHTS_TOKENS_INT_H

#include "core/rights/tokens.h"
#include "core/trust.h"
#include "core/work.h"

enum { DIRECT_MOST = 32 };

/* A token that the request brings or names. */
enum named_kind { NAMED_TOKEN, NAMED_ID, NAMED_LOCAL };
enum named_way {
	WAY_LOOK,    /* not looked for yet */
	WAY_VERIFY,  /* here, but the writer does not verify: back to a loop */
	WAY_FETCH,   /* a DAS may have it */
	WAY_DONE     /* e and fault say all */
};
struct named {
	enum named_kind kind;
	enum named_way way;
	uint32_t index;          /* in its parameter */
	bool no_local;           /* no <token> here has this Token-ID */
	struct slice text;       /* a secret when it is a token */
	const struct token_entry *e;
	enum token_fault fault;
	struct slice why;        /* more than the fault says; or empty */
};

/* Where an element of ris leads, in the snapshot at hand. */
struct place { uint64_t n; enum virtual_res virt; };
struct usable {
	const struct token_permission *p;
	struct place *at;        /* [p->n_ris] */
};

/* What a request keeps; rights.state[RIGHTS_TOKENS]. */
struct tokens_state {
	struct named *v; size_t n;
	usec checked;
	bool relation;           /* a token is good but for its holder, and its DAS may know more (relation.h) */
	const struct token_entry *direct[DIRECT_MOST]; size_t n_direct;
	uint32_t direct_run;     /* of the request, when they were looked up, plus one */
	/* all that the tokens permit, and room for one decision */
	struct usable *use; size_t n_use;
	bool built, placed;
	uint64_t version;        /* of the snapshot the places were found in */
	enum virtual_res to;     /* what the request addresses */
	const struct policy **rules;
	struct slice *roles;
	unsigned looked;         /* at <token> resources, for all Token-IDs together */
	struct token *opened;    /* of the <token> that is created or updated */
	/* for a fetch */
	int32_t target_ty;
	struct slice target;     /* address as JSON */
	unsigned waiting;
};

struct tokens {
	struct token_cache *cache;
	struct fetches *fetches; /* of the hub */
	pthread_mutex_t lock;
	struct { uint64_t key; usec until; } missed[4096]; /* Token-IDs that led nowhere lately, under the lock */
};

/* Do the tokens of s permit q? */
bool tokens_permit(struct exec *x, struct req *r, const struct rights_question *q, struct tokens_state *s);

/* May a DAS be asked for this Token-ID of r? */
bool tokens_askable(struct core *c, const struct req *r, struct slice id);
/* On the hub: ask, then let r go on. */
void tokens_fetch(struct core *c, struct req *r);
struct fetches *fetches_new(void);
void fetches_free(struct fetches *f);

#endif
