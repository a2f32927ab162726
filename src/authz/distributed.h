/* SPDX-License-Identifier: Apache-2.0 */
/* What PEP, PDP, PRP and PIP say to each other (TS-0003 7.5; authorization.md 7): the attributes of <authorizationDecision>,
 * <authorizationPolicy> and <authorizationInformation> as structures. Reading and writing only: no I/O, no decision.
 *
 * What comes from another CSE is hostile. A reader tells what it could read and marks the rest; whoever decides counts what is marked as
 * absent, so that a fault never widens access. */
#ifndef REEVE_AUTHZ_DISTRIBUTED_H
#define REEVE_AUTHZ_DISTRIBUTED_H

#include "authz/policy.h"
#include "base/buf.h"
#include "base/clock.h"

enum point { POINT_PDP, POINT_PRP, POINT_PIP, POINTS };
/* Root of the content, "m2m:auds". */
struct slice point_root(enum point p);

enum { DECISION_PERMIT = 1, DECISION_DENY = 2 }; /* m2m:authorizationDecision */
/* m2m:authorizationStatus */
enum sus { SUS_NONE, SUS_OK, SUS_NOT_APPLICABLE, SUS_MISSING_ATTRIBUTE, SUS_SYNTAX_ERROR, SUS_PROCESSING_ERROR };
const char *sus_text(int64_t sus);
enum { PERMIT_OVERRIDES = 1 }; /* m2m:acpCombiningAlgorithm */

struct slice_list { const struct slice *v; size_t n; };

/* --- requests --- */

struct decision_request {
	struct slice to, fr;
	int op;                  /* m2m:operation */
	int64_t rrt;             /* -1: not given */
	int fu;                  /* 0: not given */
	struct slice_list rids, tids, tkns;
	usec rtm;                /* 0: not given */
	bool ip_known;
	uint8_t ip[16];          /* IPv4 as ::ffff:a.b.c.d */
	bool olo_given;          /* maybe with a region that is no single place: nothing is known then */
	bool position_known;
	double latitude, longitude;
	char country[3];
};
/* The object at i, that the data model was checked for. RC_INVALID: *why says what to change. */
REEVE_MUST_CHECK enum reeve_rc decision_request_read(struct arena *a, const struct json *j, uint32_t i, struct decision_request *out,
						     struct slice *why);
/* filterUsage: a number, or an object with nothing but that number. */
bool filter_usage_read(const struct json *j, uint32_t i, int *out);
/* {"m2m:auds":{...}} appended to b. Behind *same follows what differs from one question to the next that is the same (the time). */
void decision_request_write(struct buf *b, const struct decision_request *q, size_t *same);
/* The ACOP_ bit that is asked about. */
unsigned decision_request_bit(const struct decision_request *q);
/* {"m2m:aupy":{"to":...}} and {"m2m:auif":{"fr":...,"rids":...,"tids":...}} */
void policy_request_write(struct buf *b, struct slice to);
void information_request_write(struct buf *b, struct slice fr, const struct slice_list *rids, const struct slice_list *tids);

/* --- answers --- */

/* The object in the content of an answer of p, and its status; SUS_NONE when there is none that is one. j must live on. */
int64_t point_answer_read(struct arena *a, struct slice content, enum point p, struct json *j, uint32_t *obj);
/* decision, only together with SUS_OK; 0 when it is not there or no decision. */
int64_t decision_answer_dec(const struct json *j, uint32_t obj);

/* Policies from a PRP, compiled: bound by count, refused where policy_check refuses. */
enum { POLICIES_ANSWERED_MOST = 64 };
struct answered_policies {
	struct policy *p[POLICIES_ANSWERED_MOST]; size_t n;
	bool broken;             /* something could not be read and is left out */
};
/* `o->home` is the CSE that identifiers without one belong to: the target's Hosting CSE. The policies are freed with
 * answered_policies_free. RC_NOMEM only. */
REEVE_MUST_CHECK enum reeve_rc policies_answer_read(const struct policy_options *o, policy_group group, void *ctx, struct arena *a,
						    const struct json *j, uint32_t obj, struct answered_policies *out);
void answered_policies_free(struct answered_policies *p);

/* What an acor entry stands for must not change because it is read elsewhere: entries become absolute, groups their members, and what
 * would stand for nobody here is left out. Appends the setOfAcrs at i. */
REEVE_MUST_CHECK enum reeve_rc policy_write_absolute(struct buf *b, const struct policy_options *o, policy_group group, void *ctx,
						     struct arena *a, const struct json *j, uint32_t i);

/* A <role> or <token> from a PIP: one object at *i of the list `sn` ("m2m:rol") in obj; begin with *i = 0. False at the end. A list that is
 * one object counts as a list of one. */
bool information_next(const struct json *j, uint32_t obj, struct slice sn, uint32_t *i);

#endif
