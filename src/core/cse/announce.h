/* SPDX-License-Identifier: Apache-2.0 */
/* Announcing resources at other CSEs: announceTo (at) and announcedAttribute (aa) (TS-0004 7.3.3.10, 7.3.3.11). */
#ifndef REEVE_CORE_ANNOUNCE_H
#define REEVE_CORE_ANNOUNCE_H

#include "core/exec.h"
#include "core/draft.h"

/* In the writer, on the outcome of a Create (old == NULL) or Update before it is stored: what is to be announced, and where? at keeps
 * what is announced already. */
REEVE_MUST_CHECK enum reeve_rc announce_check(struct exec *x, struct req *r, const struct res *parent, const struct res *old,
					      struct draft *d);
/* It is stored: changes of announced attributes go to the copies, copies that are not wanted any more are to be deleted; copies to be
 * made are left for announce(). */
REEVE_MUST_CHECK enum reeve_rc announce_stored(struct exec *x, struct req *r, const struct res *parent, const struct res *old,
					       const struct res *nw);
/* It is about to go: so are its copies, as far as they can be reached (CORE-070). */
REEVE_MUST_CHECK enum reeve_rc announce_removing(struct exec *x, const struct res *res);

/* The change of r is committed, and copies are to be made (work.announced). On the hub; ends with core_resume. */
void announce(struct core *c, struct req *r);

/* Retrieve of an announced resource with rcn 7: the original (work.original), from where it is. On the hub; ends with core_resume. */
void announce_fetch(struct core *c, struct req *r);

#endif
