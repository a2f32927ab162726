/* SPDX-License-Identifier: Apache-2.0 */
/* An AE has moved its registration to another CSE (TS-0001 10.2.16, TS-0004 7.5.1.2.16): what refers to its old <AE> is to refer to the
 * new one, at every CSE, and the old registration is INACTIVE.
 *
 * The IN-CSE sees it when the <AEAnnc> of an S-type AE that tracks its registration points (trps) is linked to another registrar, whose
 * word it has checked (types/ae_annc.c), and tells all CSEs and itself. Nobody else is believed: whoever says that one AE is now
 * another gives that other all the rights of the first. */
#ifndef REEVE_CORE_MOVED_H
#define REEVE_CORE_MOVED_H

#include "core/exec.h"

/* In the writer, at the IN-CSE: the AE at the address `from` ("/mn1/S1") is now at `to`; annc is its <AEAnnc>. */
REEVE_MUST_CHECK enum reeve_rc moved_tell(struct exec *x, const struct res *annc, struct slice from, struct slice to);
/* When access to <CSEBase> is decided: a Notify with such news, by one whose word counts. It needs no privilege: to update the
 * references is what the standard demands of its receiver, not what a policy allows (TS-0001 10.2.16.2). Any thread. */
bool moved_believed(struct core *c, const struct req *r);
/* A Notify to <CSEBase> with m2m:sgn (at sgn in j) says so. False: it says something else. On the hub; ends with core_resume. */
bool moved_notified(struct core *c, struct req *r, const struct json *j, uint32_t sgn);

#endif
