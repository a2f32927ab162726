/* SPDX-License-Identifier: Apache-2.0 */
/* What a Hosting CSE and a Dynamic Authorization System say to each other: m2m:seci of types 1, 2, 7 and 8 (TS-0004 6.3.5.46 to 48, 58, 59;
 * authorization.md 5.2). Pure functions from and to JSON text. What a DAS answers is read as an enemy's: bounded, every value of its type,
 * and a wish that cannot be read whole is no wish. */
#ifndef REEVE_AUTHZ_SECI_H
#define REEVE_AUTHZ_SECI_H

#include "base/arena.h"
#include "base/clock.h"
#include "codec/json.h"

enum { SECI_BYTES_MOST = 65536, SECI_TOKENS_MOST = 16 };

/* A question (dreq). Empty: left out. */
struct seci_dreq {
	struct slice originator;     /* canonical */
	int32_t target_ty;
	int op;                      /* m2m:operation, 1 to 5 */
	struct slice target;         /* SP-relative */
	const uint8_t *ip;           /* 16 bytes; NULL */
	const char *country;         /* two letters; NULL or "": none */
	const double *position;      /* latitude, longitude; NULL; not told beside a country */
	const struct slice *roles; size_t n_roles;       /* claimed by the Originator */
	const struct slice *rules_roles; size_t n_rules_roles; /* that would open the door */
	const struct slice *tokens; size_t n_tokens;     /* Token-IDs */
	struct slice lifetime;       /* proposed: a timestamp */
	struct slice received;       /* timestamp of the request */
	bool asi;
};
/* {"or":...} */
void seci_write_dreq(struct buf *b, const struct seci_dreq *d);

/* An answer (dres). */
struct seci_dres {
	struct slice privileges;     /* m2m:setOfAcrs as compact JSON, not yet checked; p == NULL: no dynamic policy */
	usec until;                  /* of that; 0: not said */
	const struct slice *tokens; size_t n_tokens;
	bool asri;
};
/* Content of the response to a consultation; borrows from it and a. RC_NOTFOUND: nothing is granted (no content, or an empty dres).
 * RC_INVALID, RC_SYNTAX, RC_LIMIT: it is no m2m:seci of type 2, or says something that cannot be; *why. */
REEVE_MUST_CHECK enum reeve_rc seci_read_dres(struct arena *a, struct slice text, usec now, struct seci_dres *out, struct slice *why);

/* Relationship mapping: a request (darq) or a response (dars). */
struct seci_relation {
	struct slice originator;     /* darq */
	const struct slice *ids; size_t n_ids;       /* Token-IDs */
	const struct slice *tokens; size_t n_tokens; /* secrets */
	const struct slice *signs; size_t n_signs;   /* AuthorSigns: aus of darq, signature of dars; secrets */
	bool asri;
};
/* {"m2m:seci":{"sit":7,"darq":{...}}} */
void seci_write_darq(struct buf *b, const struct seci_relation *d);
/* darq of the m2m:seci at `seci`. RC_INVALID: *why tells what to change; also when neither Token-IDs nor tokens are there (AUTHZ-210). */
REEVE_MUST_CHECK enum reeve_rc seci_read_darq(struct arena *a, const struct json *j, uint32_t seci, struct seci_relation *out,
					      struct slice *why);
/* Content of the response to a darq; as seci_read_dres. RC_NOTFOUND: no content, or no signature. */
REEVE_MUST_CHECK enum reeve_rc seci_read_dars(struct arena *a, struct slice text, struct seci_relation *out, struct slice *why);

#endif
