/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share: the associations of a CSE, and the setups they are made with. */
#ifndef REEVE_CORE_ASSOCIATION_INT_H
#define REEVE_CORE_ASSOCIATION_INT_H

#include <pthread.h>

#include "core/association/association.h"
#include "core/association/credential.h"

enum { SETUPS = 4 };
/* By client and datagram. */
struct setups { struct tls_setup *of[SETUPS]; };
static inline unsigned setup_index(bool client, bool datagram) { return (unsigned)client * 2 + (unsigned)datagram; }

struct associations {
	struct core *core;
	/* a snapshot for handshakes: one at a time, from any thread; each looks up a few keys */
	pthread_mutex_t read_lock;
	struct st_tx *reader;
	/* what follows is under this lock */
	pthread_mutex_t lock;
	struct association *first;
	unsigned n;
	usec next_expiry;          /* nobody expires before */
	struct setups setups;
	struct tls_setup *begun;   /* of the DTLS listener, which goes on with the one it began with; NULL: that is the one in setups */
	struct key_source *sources;
	uv_timer_t tick;           /* hub */
	bool ticking;
};

/* The snapshot; NULL: the store cannot be read. */
struct st_tx *snapshot_begin(struct associations *as);
void snapshot_end(struct associations *as);

/* Who a peer is (identity.c). Texts from the arena. */
struct identity {
	struct slice credential;   /* Credential-ID */
	struct slice cse_id;
	struct slice *ae_ids; size_t n_ae_ids;
	usec expires;              /* 0: not known */
};
/* False: nobody, `why`. */
bool identify(struct core *c, struct st_tx *tx, struct arena *a, const struct tls_peer *p, struct identity *out, char why[TLS_WHY_MAX]);
/* The public domain name of a CSE (canonical id) when nothing else is configured: its CSE-ID below the service provider's domain. */
struct slice domain_of(const struct core *c, struct arena *a, struct slice cse);
/* Our own. */
struct slice own_domain(const struct config *cfg, struct arena *a);
/* The canonical id of the Registrar CSE; empty: there is none. */
struct slice registrar_of(const struct core *c, struct arena *a);

/* setup.c. source.ctx is as. */
REEVE_MUST_CHECK enum reeve_rc setups_new(const struct config *cfg, struct secenv *keys, const struct tls_source *source,
					  struct setups *out, char why[TLS_WHY_MAX]);
void setups_free(struct setups *s);
/* Does the configuration name anything that needs them? */
bool setups_wanted(const struct config *cfg);

#endif
