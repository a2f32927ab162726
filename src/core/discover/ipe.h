/* SPDX-License-Identifier: Apache-2.0 */
/* On-demand discovery (fu 3): what the <AE> of an interworking proxy has not, it may find (TS-0004 7.3.3.14, 7.5.1.2.8). */
#ifndef REEVE_CORE_IPE_H
#define REEVE_CORE_IPE_H

#include "core/exec.h"

/* Discovery below `ae`. RC_AGAIN: nothing matches and somebody can be asked; the hub does (ipe_ask). */
enum reeve_rc ipe_discover(struct exec *x, struct req *r, const struct res *ae);
/* On the hub: look, ask, look again among what was named. Ends with core_resume. */
void ipe_ask(struct core *c, struct req *r);

#endif
