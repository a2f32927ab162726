/* SPDX-License-Identifier: Apache-2.0 */
/* Security associations: from what a peer has proven (tls/tls.h) to who it is, for as long as its credential is good (TS-0003 8.2.1).
 *
 * Every binding has one of these per connection that is protected, and hands it to each request as struct peer. When the credential is
 * revoked, replaced or expires, `end` is called on the connection's loop, and it closes.
 *
 * What a certificate or the table of credentials (credential.h) says of identities is fixed when the association is made; AE-IDs that
 * registered under the credential are looked up where From is checked, under the request's own snapshot. */
#ifndef REEVE_CORE_ASSOCIATION_H
#define REEVE_CORE_ASSOCIATION_H

#include "core/core.h"
#include "tls/tls.h"

struct association;

/* After the handshake, on `loop`. NULL: the peer is nobody here (`why`), or no memory: close the connection. One reference.
 * `end(owner)` is called
 * at most once, on `loop`, in a turn of its own; never after association_leave. */
struct association *association_new(struct core *c, const struct tls_peer *p, struct loop *loop, void (*end)(void *owner), void *owner,
				char why[TLS_WHY_MAX]);
/* On `loop`: the connection has ended. Requests that still hold a reference may go on. */
void association_leave(struct association *a);
struct association *association_get(struct association *a); /* any thread */
void association_put(struct association *a);                /* any thread; NULL is legal */
/* Fill in the part of peer that it says; valid while a reference is held. a == NULL: nothing is proven. */
void association_peer(const struct association *a, struct peer *peer);

/* Whom and as whom to connect to `entity` (canonical id of a CSE or AE: "//sp/cse", "//sp/cse/Cae"), which is the registrar, or is
 * registered here:
 * the credentials of its own association with roles swapped (SA2). RC_NOTFOUND: there are none, only clear text is possible. Memory
 * from a; handles are
 * given back by association_want_done. Hub. */
REEVE_MUST_CHECK enum reeve_rc association_want(struct core *c, struct slice entity, struct arena *a, struct tls_want *out);
void association_want_done(struct tls_want *w);

/* The setup of listeners and of clients as configured now (a reference), NULL when there is none. */
struct tls_setup *association_setup(struct core *c, bool client, bool datagram);

/* Opened by core_start when the configuration names anything of it; closed by core_stop. */
REEVE_MUST_CHECK enum reeve_rc associations_open(struct core *c, char why[TLS_WHY_MAX]);
void associations_close(struct core *c);
/* SIGHUP: certificates, anchors, revocation lists anew; associations of what is revoked end. */
REEVE_MUST_CHECK enum reeve_rc associations_reload(struct core *c, char why[TLS_WHY_MAX]);

#endif
