/* SPDX-License-Identifier: Apache-2.0 */
/* oneM2M tokens (TS-0003 7.3.2.4 to 7.3.2.6; authorization.md 4): claims, their checks, and what a token permits.
 *
 * The way of a token: token_open finds the keys that its `kid` may mean, lets jose verify and decrypt with an issuer's keys and
 * algorithms, reads the claims, and holds them against what that issuer may say at all. That
 * result depends on the token alone, so it can be kept (core/rights/token_cache.h). token_check then holds it against one request:
 * holder, time, audience. All of it is pure but for the cryptography behind key handles.
 *
 * Nothing here, and nothing in a reason, repeats the text of a token. */
#ifndef REEVE_AUTHZ_TOKEN_H
#define REEVE_AUTHZ_TOKEN_H

#include "authz/issuers.h"
#include "authz/policy.h"
#include "base/clock.h"

/* Why a token does not count. The first that fails, in this order. */
enum token_fault {
	TOKEN_GOOD,
	TOKEN_TOO_LONG,        /* limits */
	TOKEN_SHAPE,           /* neither JWS nor JWE in compact form, or the header breaks a rule (typ, cty, crit, zip, alg none) */
	TOKEN_NO_KEY,          /* no configured issuer has a key of this kid, or there is no kid */
	TOKEN_NOT_PERMITTED,   /* class or algorithm */
	TOKEN_FORGED,          /* signature, tag */
	TOKEN_CLAIMS,          /* missing, of a wrong type, not readable */
	TOKEN_ISSUER,          /* the issuer named is not the one whose key it is, or not the DAS that answered */
	TOKEN_NAME,            /* the Token-ID's domain is not one of the issuer's */
	TOKEN_HOLDER,          /* is not the Originator */
	TOKEN_EARLY, TOKEN_EXPIRED,
	TOKEN_AUDIENCE,        /* this CSE is not among it */
	TOKEN_UNKNOWN_ID,      /* a Token-ID or Local-Token-ID that leads to no token */
	TOKEN_TOO_MANY,        /* for one request */
	TOKEN_NO_MEMORY,
};
/* A sentence for the sender: what is wrong and what would be right. Never NULL. */
const char *token_fault_text(enum token_fault f);
/* One word for stories and metrics: "expired". */
const char *token_fault_name(enum token_fault f);

/* --- claims --- */

struct token_claims {
	struct slice version;                     /* tkvr, vr */
	struct slice id;                          /* jti, tkid */
	struct slice issuer, holder;              /* iss/tkis, azp/tkhd; canonical absolute */
	usec not_before, not_after;               /* nbf/tknb, exp/tkna */
	struct slice name, extension;             /* tknm, tkex; p == NULL: absent */
	const struct slice *audience; size_t n_audience; /* aud/tkau, as written; 0: absent or empty, not checked */
	struct slice permissions;                 /* tkps as JSON text; p == NULL: absent */
};

struct token_limits {
	struct jose_limits jose;
	struct json_limits json;
	size_t permissions;      /* elements of pm */
	size_t resources;        /* of ris, in all */
	size_t roles;            /* of rids, in all */
};
extern const struct token_limits token_default_limits;

/* Claims from the payload of a JWT (names of TS-0003 table 7.3.2.6.2-1; vr is read as tkvr). Slices from `a` or the text. RC_INVALID:
 * *why names the claim and what was expected. Unknown claims are skipped (RFC 7519 4). */
REEVE_MUST_CHECK enum reeve_rc token_claims_read(struct arena *a, const struct ident_home *home, struct slice json,
						 const struct token_limits *limits, struct token_claims *out, struct slice *why);
/* The same from oneM2M short names, as they stand in a <token> resource: the object at i. Members may be missing: p == NULL, times 0. */
REEVE_MUST_CHECK enum reeve_rc token_claims_from_resource(struct arena *a, const struct ident_home *home, const struct json *j, uint32_t i,
							  struct token_claims *out, struct slice *why);
/* Short name of the first attribute in which a plaintext copy says something else than the token; NULL: it agrees as far as it goes. */
const char *token_claims_differ(struct arena *a, const struct token_claims *copy, const struct token_claims *c);
/* As the payload of a JWT, and as members of a resource without braces (without tkid and tkob). */
void token_claims_write_jwt(struct buf *b, const struct token_claims *c);
void token_claims_write_resource(struct buf *b, const struct token_claims *c);

/* NumericDate: seconds since 1970, with a fraction at will; false outside of what a timestamp can tell. */
bool token_numeric_date(const struct json *j, uint32_t i, usec *out);
void token_numeric_date_write(struct buf *b, usec t);
/* '*' in an audience stands for any run of characters without '/'; both in absolute form. */
bool token_audience_fits(struct slice pattern, struct slice cse);

/* --- a verified token --- */

struct token_permission {
	const struct slice *ris; size_t n_ris;    /* as written; 0: every target */
	const struct policy *rules;               /* of pv; NULL: none */
	const struct slice *roles; size_t n_roles; /* those the issuer may give */
};

/* Immutable and counted: what remains of a token whose protection is right. Without the text. */
struct token;

struct token_open_options {
	const struct issuers *issuers;
	const struct policy_options *policies;    /* ->home names this CSE */
	const struct token_limits *limits;        /* NULL: the defaults */
	policy_group group; void *group_ctx;      /* for acor entries that are groups; NULL: groups match nobody */
};

/* Open and judge what depends on the token alone. *out is one reference. On a fault *why is a sentence about it, from `a`. */
enum token_fault token_open(const struct token_open_options *o, struct arena *a, struct slice text, struct token **out, struct slice *why);
struct token *token_get(struct token *t);
void token_put(struct token *t);                  /* NULL is legal */
const struct token_claims *token_claims(const struct token *t);
const struct token_permission *token_permissions(const struct token *t, size_t *n);
enum jwt_class token_class(const struct token *t);
size_t token_bytes(const struct token *t);        /* what it takes in memory */
/* Parts of it that do not count, as a sentence ("pm[1]: pv without ris"); empty when all do. */
struct slice token_unused(const struct token *t);

/* --- for one request --- */

struct token_facts {
	usec now;
	struct slice who;        /* the Originator, canonical */
	struct slice cse;        /* this CSE, canonical */
	const struct issuer *das; /* direct: the DAS that answered; NULL: indirect */
};
/* `holder` is who holds it now: the claim's, or who was entered since (authorization relationship update). */
enum token_fault token_check(const struct token *t, struct slice holder, const struct token_facts *f);

/* --- making --- */

/* Append a token with these claims. Signed: sign_with; encrypted: encrypt_to; nested: both (jwt_make). */
REEVE_MUST_CHECK enum reeve_rc token_protect(const struct token_claims *c, struct key_ref *sign_with, struct key_ref *encrypt_to,
					     enum key_alg enc, struct buf *out, const char **why);

#endif
