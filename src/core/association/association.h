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
 * `end(owner)` is called at most once, on `loop`, in a turn of its own; never after association_leave. */
struct association *association_new(struct core *c, const struct tls_peer *p, struct loop *loop, void (*end)(void *owner), void *owner,
				char why[TLS_WHY_MAX]);
/* On `loop`: the connection has ended. Requests that still hold a reference may go on. */
void association_leave(struct association *a);
struct association *association_get(struct association *a); /* any thread */
void association_put(struct association *a);                /* any thread; NULL is legal */
/* Fill in the part of peer that it says; valid while a reference is held. a == NULL: nothing is proven. */
void association_peer(const struct association *a, struct peer *peer);
/* Of a client that connected to `entity` (canonical id): it is whoever holds the credential that was wanted, unless that is known as
 * somebody else's (SEC-037). False: say nothing to it. */
bool association_with(const struct association *a, struct slice entity);

/* Somebody who is trusted, a broker, says that the peer has this credential: fill in the part of peer that it says. One that is good here
 * but names nobody, or that only a rule could name, is nobody yet. False: he is nobody, `why`. Memory from a. */
bool association_claimed(struct core *c, struct st_tx *tx, struct arena *a, struct slice credential, struct peer *peer,
			 char why[TLS_WHY_MAX]);

/* Whom and as whom to connect to `entity` (canonical id of a CSE or AE: "//sp/cse", "//sp/cse/Cae"), which is the registrar, or is
 * registered here: the credentials of its own association with roles swapped (SA2). RC_NOTFOUND: there are none, only clear text is
 * possible. Memory from a; handles are given back by association_want_done. Hub. */
REEVE_MUST_CHECK enum reeve_rc association_want(struct core *c, struct slice entity, struct arena *a, struct tls_want *out);
void association_want_done(struct tls_want *w);

/* The setup of listeners and of clients as configured now (a reference), NULL when there is none. Any thread. */
struct tls_setup *association_setup(struct core *c, bool client, bool datagram);

/* Somebody who gets keys from elsewhere, of issuers whose identifiers end in "@" and a domain name of his (an M2M Authentication
 * Function). Registered before the first listener, for good. Both from any loop; `find` as tls_source.psk. */
struct key_source {
	struct key_source *next;
	enum credential_type type;  /* of the Credential-IDs of its keys */
	void *ctx;
	bool (*serves)(void *ctx, struct slice fqdn);
	enum reeve_rc (*find)(void *ctx, struct slice identity, struct tls_hold *ticket, struct key_ref **key, usec *expires);
};
void association_key_source(struct core *c, struct key_source *s);

/* The credential is revoked, has another key or stands for somebody else: its associations end, and its sessions are not resumed. After
 * the commit. Any thread. */
void associations_end(struct core *c, struct slice credential);
/* How many there are. */
unsigned associations_count(struct core *c);
/* Metrics of handshakes, of all setups; false: there is none. */
struct association_counts { uint64_t begun, done, resumed, failed, refused, held, hold_timeout, hold_limit, holding; };
bool associations_counts(struct core *c, bool client, struct association_counts *out);

/* By core_start, before the loops run, and core_stop, when they have ended. RC_INVALID: the configuration, `why` says what. */
REEVE_MUST_CHECK enum reeve_rc associations_open(struct core *c, char why[TLS_WHY_MAX]);
void associations_close(struct core *c);
/* On the hub, before it ends: nothing expires any more. */
void associations_stop(struct core *c);
/* SIGHUP: certificates, anchors, revocation lists anew; associations by certificate end, since what was good may be revoked now. On an
 * error everything stays as it was. */
REEVE_MUST_CHECK enum reeve_rc associations_reload(struct core *c, char why[TLS_WHY_MAX]);
/* Would they be opened? For `reeve check config`. */
REEVE_MUST_CHECK enum reeve_rc associations_check(const struct config *cfg, struct secenv *keys, char why[TLS_WHY_MAX]);

#endif
