/* SPDX-License-Identifier: Apache-2.0 */
/* What all announced types have in common (announced.c), for those that need more than that. */
#ifndef REEVE_CORE_ANNOUNCED_H
#define REEVE_CORE_ANNOUNCED_H

#include "core/types.h"

/* The CSE (canonical id) that hosts the original; empty when lnk is no address of another CSE ("INACTIVE"). */
struct slice announced_cse(struct exec *x, struct arena *a, struct slice lnk);
/* Is the Originator of r that CSE; or, of what is linked to nothing, its creator? */
bool announced_owner(struct exec *x, struct req *r, const struct res *res);

/* Hooks. */
enum reeve_rc announced_check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d);
enum reeve_rc announced_decide(struct exec *x, struct req *r, const struct res *res, unsigned bit);
bool announced_permits(struct exec *x, struct req *r, const struct res *res, unsigned bit);

#endif
