/* SPDX-License-Identifier: Apache-2.0 */
/* Ways to others: where an <AE> or a CSE can be reached, and which CSE is next on the way to another one (TS-0004 7.3.2.6,
 * TS-0001 8.2.1). Reads the tree only. */
#ifndef REEVE_CORE_WAY_H
#define REEVE_CORE_WAY_H

#include "core/core.h"
#include "core/exec.h"

enum { WAY_POA_MOST = 8 };

struct way {
	struct slice poa[WAY_POA_MOST]; size_t n_poa; /* in order; from the arena */
	uint64_t channel;        /* ordinal of the <pollingChannel> to be used instead; 0: none */
	enum serial serial;      /* SERIAL_NONE: not said */
	bool release1;           /* the next hop knows neither rvi nor vsi */
	bool registrar;          /* it is the Registrar CSE */
};

/* To the entity that r (an <AE> or <remoteCSE>) stands for. */
void way_of(struct exec *x, struct arena *a, const struct res *r, struct way *w);
/* The next hop on the way to `cse` (canonical id). RC_NOTFOUND: none leads there. */
REEVE_MUST_CHECK enum reeve_rc way_to(struct exec *x, struct arena *a, struct slice cse, bool from_registrar, struct way *w);
/* Is `cse` (canonical id) of another service provider's domain? */
bool way_foreign(const struct core *c, struct slice cse);

#endif
