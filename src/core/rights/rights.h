/* SPDX-License-Identifier: Apache-2.0 */
/* What a request may rely on beyond the name of its Originator: roles, temporary grants, tokens, a Dynamic Authorization System, the
 * decision of another CSE (TS-0001 10.2.3.1; authorization.md 1.3).
 *
 * Each is a method with a file of its own here. They are tried in the standard's order, only after the local rules said no, so that a
 * request which those permit pays nothing for them. A method judges with what is at hand, under the snapshot or transaction of the
 * decision; when all have said no, the first that could fetch something makes the request wait: the decision ends with RC_AGAIN, the hub
 * runs the method's fetch, and the request starts again with what came back in its state. A request waits for each method
 * once, or as often as that says (waits_most). */
#ifndef REEVE_CORE_RIGHTS_RIGHTS_H
#define REEVE_CORE_RIGHTS_RIGHTS_H

#include "core/exec.h"

/* In the order in which they are tried. */
enum rights_kind { RIGHTS_ROLES, RIGHTS_GRANTS, RIGHTS_TOKENS, RIGHTS_CONSULT, RIGHTS_REMOTE, RIGHTS_KINDS };

/* One decision. */
struct rights_question {
	const struct res *target;
	const struct policy *const *policies; size_t n_policies; /* that govern the target, without unreachable ones */
	const struct res_key *keys; /* where each of them is stored */
	enum policy_part part;
	bool by_creator;         /* the default policy governs: no rules, the creator only */
	bool own_only;           /* selfPrivileges decide: nothing but roles may change the outcome (AUTHZ-054) */
	bool by_list;            /* of a list, not those that govern the target: what is granted for that says nothing */
	unsigned bit;            /* ACOP_ */
	int32_t child_ty;
	bool final;              /* about the request itself, not one resource among others: may wait, and may refuse */
};

struct rights_method {
	const char *name;
	unsigned waits_most;     /* how often one request may wait for it; 0: once */
	bool prepares;           /* see rights_prepare */
	/* RC_OK: permitted. RC_NOTFOUND: not by this. RC_REFUSED: refused, the other methods are not asked (only when q->final);
	 * recorded, or rights.reason says why and 4103 will be. May run many times for one request. */
	enum reeve_rc (*judge)(struct exec *x, struct req *r, const struct rights_question *q);
	/* Would fetching something help? Prepares what fetch needs, in r's arena (views into the store end before it runs). q may be
	 * NULL when `prepares`: is there anything at all to be had? */
	bool (*wants)(struct exec *x, struct req *r, const struct rights_question *q);
	/* On the hub, without a snapshot. Ends with rights_fetched, once, also when nothing came. Not before it returns. */
	void (*fetch)(struct core *c, struct req *r);
	/* The request is refused with 4103: say what would help (tqf, asri). */
	void (*refused)(struct exec *x, struct req *r, const struct rights_question *q);
};

/* What a request keeps about its rights; in req_work. */
struct rights_told { struct rights_told *next; struct slice text; };
struct rights {
	const struct rights_method *waits; /* what the request waits for */
	uint8_t waited[RIGHTS_KINDS]; /* how often for each method */
	void *state[RIGHTS_KINDS]; /* of each method, from the request's arena */
	struct slice reason;     /* of RC_REFUSED, for the sender */
	uint32_t run;            /* counts the times the request begins: what a method concluded in one is not so in the next */
	struct rights_told *first, *last; /* story */
	uint32_t n_told;
};

/* Does any method permit? RC_OK, RC_NOTFOUND (no), RC_REFUSED (recorded), RC_AGAIN (r waits: let go of everything, then rights_wait). */
REEVE_MUST_CHECK enum reeve_rc rights_judge(struct exec *x, struct req *r, const struct rights_question *q);
/* Before a request that is about many resources, none of which may make it wait (Discovery, the members of a group): is there
 * something to be had that could matter for some? RC_OK, or RC_AGAIN as above. */
REEVE_MUST_CHECK enum reeve_rc rights_prepare(struct exec *x, struct req *r);
/* r is about to be refused by q: add to the answer what would help. */
void rights_refused(struct exec *x, struct req *r, const struct rights_question *q);
/* Was RC_AGAIN about waiting for a right? */
bool rights_waits(const struct req *r);
/* Run the fetch. On the hub, no snapshot held. */
void rights_wait(struct core *c, struct req *r);
/* A fetch ended; r goes on. On the hub, no snapshot held. */
void rights_fetched(struct core *c, struct req *r);

/* For methods: decide q by its own policies and `more` with `roles` instead of those in the facts of r. */
bool rights_by(struct req *r, const struct rights_question *q, const struct policy *const *more, size_t n_more, const struct slice *roles,
	       size_t n_roles);
/* For methods: add one JSON object to the story that `reeve explain` tells ({"role":"...","why":"..."}). No secrets, no token text. The
 * same text is told once. */
void rights_tell(struct req *r, struct slice json);
/* The story as JSON array from r's arena; empty when there is none. */
struct slice rights_story(struct req *r);
/* Which <AE> here the Originator of r is: the ordinal of its registration, which no later one under the same name has; 0: none. */
uint64_t rights_registration(struct exec *x, const struct req *r);
/* How long r may still wait: until its rqet, at most `most`; at least 1. */
usec rights_time_left(const struct req *r, usec most);

#endif
