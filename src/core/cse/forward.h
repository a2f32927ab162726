/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to other CSEs that pass through here: this CSE is the transit CSE (TS-0004 7.3.2.6, 7.3.2.8). */
#ifndef REEVE_CORE_FORWARD_H
#define REEVE_CORE_FORWARD_H

#include "core/exec.h"

/* To is elsewhere: may the request be forwarded at all? Needs no store. */
REEVE_MUST_CHECK enum reeve_rc forward_check(struct exec *x, struct req *r);
/* Forward it. On the hub; ends with core_resume, when the answer is there. */
void forward(struct core *c, struct req *r);

/* Requests that are under way to other CSEs; hub only. */
struct forwards;
struct forwards *forwards_new(void);
void forwards_free(struct forwards *f);

#endif
