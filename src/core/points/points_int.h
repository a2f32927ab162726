/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the procedures of authorization points: private to points*.c. */
#ifndef REEVE_CORE_POINTS_INT_H
#define REEVE_CORE_POINTS_INT_H

#include "core/access.h"
#include "core/points/enquiry.h"
#include "core/points/points.h"
#include "core/work.h"

/* The rules for an address. */
struct point_rules {
	bool here;               /* the target is a resource of this CSE: */
	struct target t;
	struct slice address;    /* SP-relative, or absolute when of another service provider; never CSE-relative */
	struct ident_home home;  /* of its Hosting CSE */
	struct governing g;      /* those that are here; policies that only delegate are left out */
	bool any;                /* there is one that applies */
};
/* RC_REFUSED: recorded, `to` is no address. */
REEVE_MUST_CHECK enum reeve_rc point_rules_find(struct exec *x, struct req *r, struct slice to, struct point_rules *out);

/* Who `fr` is, canonical. A C-type stem belongs to the CSE that asks. RC_REFUSED: recorded. */
struct point_who { struct slice id; enum ident_kind kind; enum ident_form form; };
REEVE_MUST_CHECK enum reeve_rc point_who_read(struct exec *x, struct req *r, struct slice fr, struct point_who *out);

/* Ask the points of this kind that are configured. RC_OK: *told is what they said (NULL: there are none, or it may not be passed on);
 * RC_AGAIN: r waits. */
REEVE_MUST_CHECK enum reeve_rc point_ask(struct exec *x, struct req *r, enum point kind, const struct buf *body, size_t same, bool secret,
					 const struct enquiry_told **told);

/* The procedures; the request's attributes are the object at r->work->obj. */
REEVE_MUST_CHECK enum reeve_rc point_decide(struct exec *x, struct req *r);
REEVE_MUST_CHECK enum reeve_rc point_policies(struct exec *x, struct req *r);
REEVE_MUST_CHECK enum reeve_rc point_information(struct exec *x, struct req *r);
/* The answer: {"m2m:auds":{ members }}, unless the sender wants none. */
enum reeve_rc point_answer(struct req *r, enum point kind, struct slice members);

#endif
