/* SPDX-License-Identifier: Apache-2.0 */
/* AE-IDs of the service provider (S-type) at an MN- or ASN-CSE: before it creates the <AE>, the IN-CSE creates or updates its <AEAnnc>, and
 * chooses the AE-ID-Stem if the AE has none yet (TS-0001 10.2.2.2, TS-0004 7.4.5.2.1; authorization.md 8.4). */
#ifndef REEVE_CORE_CONFIRM_H
#define REEVE_CORE_CONFIRM_H

#include "core/exec.h"

/* On a snapshot: r, a registration whose profile is known. RC_OK: it needs no word of the IN-CSE. RC_AGAIN: it does (confirm_wait).
 * RC_REFUSED: it would not be admitted here anyway. */
REEVE_MUST_CHECK enum reeve_rc confirm_asks(struct exec *x, struct req *r);
/* In the writer: may r not be carried out with this stem, for want of that word? A registration that its name (p == NULL: none) refuses
 * is not asked for. */
bool confirm_lacks(struct exec *x, struct req *r, struct slice stem, struct slice name);
/* Ask. On the hub; ends with core_submit, or with core_resume and a refusal. */
void confirm_wait(struct core *c, struct req *r);
/* r was confirmed, and is refused all the same: the IN-CSE is told that the AE is not registered. On the hub; ends with core_resume. */
void confirm_undo(struct core *c, struct req *r);

/* In the writer: the <AE> with that stem goes. If the IN-CSE has an <AEAnnc> of it, that will hear of it. */
REEVE_MUST_CHECK enum reeve_rc confirm_removing(struct exec *x, const struct res *ae);

#endif
