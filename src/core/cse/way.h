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
	struct slice entity;     /* canonical id of whom it leads to: the <AE> or the next CSE; from the arena */
	uint64_t registree;      /* ordinal of the <AE> or <remoteCSE> of whom it leads to; 0: he is not registered here */
	uint64_t channel;        /* ordinal of the <pollingChannel> to be used instead; 0: none */
	enum serial serial;      /* SERIAL_NONE: not said */
	bool release1;           /* the next hop knows neither rvi nor vsi */
	bool registrar;          /* it is the Registrar CSE */
};

/* To the entity that r (an <AE> or <remoteCSE>) stands for. */
void way_of(struct exec *x, struct arena *a, const struct res *r, struct way *w);
/* The next hop on the way to `cse` (canonical id). RC_NOTFOUND: none leads there. */
REEVE_MUST_CHECK enum reeve_rc way_to(struct exec *x, struct arena *a, struct slice cse, bool from_registrar, struct way *w);
/* The CSE-ID of a <remoteCSE>, copied. */
struct slice way_cse_id(struct arena *a, const struct res *r);
/* The <remoteCSE> of the CSE `cse` (canonical id) itself: registered here, or the registrar. RC_NOTFOUND: there is none. */
REEVE_MUST_CHECK enum reeve_rc way_neighbour(struct exec *x, struct slice cse, struct res *out);
/* The <remoteCSE> on the way to an address at another CSE, among those registered here. RC_NOTFOUND: none. */
REEVE_MUST_CHECK enum reeve_rc way_hop(struct exec *x, struct slice address, struct res *out);
/* Is `cse` (canonical id) the Registrar CSE of this one? */
bool way_is_registrar(const struct core *c, struct slice cse);
/* Is `cse` registered here, or below a CSE that is? */
bool way_below(struct exec *x, struct slice cse);
/* The CSE-IDs of all that are registered here and below them, as a JSON array (descendantCSEs). */
void way_descendants(struct exec *x, struct buf *b);
/* Is `cse` (canonical id) of another service provider's domain? */
bool way_foreign(const struct core *c, struct slice cse);

#endif
