/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the consultation: whom to ask and what (consult_find.c), asking (consult_run.c), the method (consult.c). */
#ifndef REEVE_CORE_RIGHTS_CONSULT_INT_H
#define REEVE_CORE_RIGHTS_CONSULT_INT_H

#include "authz/issuers.h"
#include "core/alarm.h"
#include "core/rights/consult.h"
#include "core/rights/rights.h"

enum { DAS_MOST = 4, ADDRESSES_MOST = 8, ROLES_MOST = 64 };

/* One system to be asked. Its texts are of the arena they were made in. */
struct das {
	struct slice dac;        /* who named it: ri of the <dynamicAuthorizationConsultation>, or the issuer of the token */
	struct slice address[ADDRESSES_MOST]; size_t n_addresses; /* in order of preference */
	struct slice question;   /* dreq without the time, or the whole content about a relation: the same question is the same text */
};
struct das_list { size_t n; struct das das[DAS_MOST]; };

/* Can the question be put to a DAS at all? */
bool consult_askable(const struct req *r, const struct rights_question *q);
/* Who may be asked about it, in order, and how. False: nobody. */
bool consult_find(struct exec *x, struct req *r, const struct rights_question *q, struct das_list *out);

struct consultation;
struct waiter {
	struct waiter *next, **link;
	struct consult *k;
	struct consultation *of; /* NULL: of none, it only waits for its turn to go on */
	struct req *r;
	struct alarm alarm;      /* its own end */
};

/* What a request keeps; rights.state[RIGHTS_CONSULT]. */
struct consult_state {
	struct das_list list;
	struct res_key target;
	uint64_t ae;             /* rights_registration */
	struct waiter waiter;
	bool relation;           /* it is about the holder of a token (relation.h), which is */
	struct slice token;      /* this Token-ID */
	bool asri;               /* the AE's signature is wanted */
};
/* Made on first use; NULL when memory is out. */
struct consult_state *consult_state_of(struct req *r);
/* Has r waited for a DAS already? */
bool consult_waited(const struct req *r);

/* A token that the DAS at this address gave for `who`: verify it, and keep it for who's requests (AUTHZ-193). *what: its Token-ID, or why
 * it does not count; from a. */
bool consult_take_token(struct core *c, struct slice address, struct slice who, uint64_t ae, struct slice text, bool mapped,
			struct arena *a, struct slice *what);

/* Let r wait for the answer. Ends with rights_fetched, later. */
void consult_join(struct consult *k, struct req *r, struct consult_state *s);

#endif
