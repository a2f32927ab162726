/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by announce.c (in the writer) and announce_send.c (on the hub). */
#ifndef REEVE_CORE_ANNOUNCE_INT_H
#define REEVE_CORE_ANNOUNCE_INT_H

#include "core/cse/announce.h"
#include "core/core.h"

struct names { struct slice *v; size_t n; };
void names_write(struct buf *b, const struct names *l);

/* A copy to be made. */
struct copy {
	struct slice target;  /* as wanted: a CSE-ID, or an address */
	struct slice cse;     /* canonical id of that CSE */
	struct slice parent;  /* where it is to be created; p == NULL: below our <CSEBaseAnnc> there */
};

/* What a request leaves to be announced; in its arena. */
struct plan {
	struct res_key key;   /* of the original */
	int32_t ty;           /* of the copies */
	struct slice content; /* {"m2m:cntA":{...}} */
	struct names kept;    /* addresses of copies that exist */
	struct copy *v; size_t n;
};

/* Canonical id of the CSE that an address is at; empty when it is here. */
struct slice announce_cse_of(struct core *c, struct arena *a, struct slice address);

#endif
