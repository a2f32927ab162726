/* SPDX-License-Identifier: Apache-2.0 */
/* Setups and sessions from the inside: for the files of this folder. */
#ifndef REEVE_TLS_TLS_INT_H
#define REEVE_TLS_TLS_INT_H

#include <gnutls/abstract.h>
#include <gnutls/dtls.h>
#include <gnutls/gnutls.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "tls/look.h"
#include "tls/profile.h"
#include "tls/tls.h"

/* --- setup.c --- */

/* What this end can show: tls_own, read. */
struct own {
	bool raw;
	struct key_ref *key;
	gnutls_pcert_st *chain;
	unsigned n_chain;
	gnutls_privkey_t private;
	struct slice *names; /* that SNI may ask for; owned, in lower and upper case as they came */
	size_t n_names;
};

enum { KIND_X509, KIND_RAW, KINDS };

struct resumable;

struct tls_setup {
	atomic_uint refs;
	struct tls_options o; /* scalars and source alone: pointers of it are not kept */
	gnutls_certificate_credentials_t cert;
	gnutls_psk_server_credentials_t psk_server;
	gnutls_psk_client_credentials_t psk_client;
	/* A listener's priorities for clients that offer TLS 1.2 and for others; a client's for a PSK, and by [own kind][server's kind] */
	gnutls_priority_t p12, p13, p_psk, p_cert[KINDS][KINDS];
	gnutls_datum_t cookie;
	struct own *own;
	size_t n_own;
	struct slice *server_names;
	size_t n_server_names;
	struct cert_anchors *anchors;
	struct resumable *resumable;
	struct tls_counts counts;
};

/* Is this a name under which the setup serves? own: which of its own that belongs to (NULL: none in particular). */
bool setup_serves(const struct tls_setup *s, struct slice name);
/* What is shown of this kind when SNI asked for `name` (empty: it did not). NULL: nothing. */
const struct own *setup_own(const struct tls_setup *s, bool raw, struct slice name);

/* --- own.c: keys behind handles as GnuTLS wants them --- */

REEVE_MUST_CHECK enum reeve_rc own_read(const struct tls_own *o, struct own *out, char why[TLS_WHY_MAX]);
void own_free(struct own *o);

/* --- suites.c --- */

/* Priority strings, made by hand: nothing but what is in them is negotiated. */
struct suites { bool datagram, v13, psk, cert, forward_secrecy, ours[KINDS], theirs[KINDS], client; };
REEVE_MUST_CHECK enum reeve_rc suites_priority(const struct suites *s, gnutls_priority_t *out);
/* GnuTLS's name of a suite in OpenSSL's spelling. */
const char *suites_name(const char *gnutls_name);

/* --- resume.c: sessions that may be resumed, bounded in number and time; any thread --- */

enum { RESUMABLE_MAX = 4096, RESUMABLE_ID = 32, RESUMABLE_BYTES = 16384 };
struct resumable *resumable_new(unsigned max);
void resumable_free(struct resumable *r); /* NULL is legal */
void resumable_clear(struct resumable *r);
/* How often it was cleared. */
unsigned resumable_era(struct resumable *r);
/* Good until `until`, and never longer than the credential. Nothing happens when `era`, that of the beginning of the handshake, is over. */
void resumable_put(struct resumable *r, unsigned era, struct slice id, struct slice data, const struct tls_peer *peer, usec until,
		   usec now);
/* A copy by gnutls_malloc, and who had proven himself (in a); data == NULL: none. */
gnutls_datum_t resumable_get(struct resumable *r, struct slice id, usec now, struct arena *a, struct tls_peer *peer);
void resumable_remove(struct resumable *r, struct slice id);
/* The table of t's setup as GnuTLS calls it; and t's own session shall not be resumed again. */
void resumable_attach(struct tls *t);
void resumable_forget(struct tls *t);

/* --- session: tls.c --- */

struct watch; /* a timer that outlives its session until libuv lets it go */

struct tls {
	struct tls_setup *setup;
	struct loop *loop;
	gnutls_session_t session;
	enum tls_state state;
	void (*woken)(void *owner);
	void *owner;
	struct buf *out;           /* during a call: where what GnuTLS sends goes */
	struct buf in;             /* came, and was not read by GnuTLS; datagrams with their length in front */
	size_t in_read, in_good;   /* of it: read; may be read */
	struct buf plain;          /* deciphered, for tls_read; datagrams with their length in front */
	size_t plain_read;
	struct look *look;         /* listeners, until the keys change */
	struct watch *watch;       /* until the handshake ends */
	struct arena memory;       /* texts of the peer */
	struct tls_peer peer, before; /* before: of the session that the client wants to resume */
	unsigned era;              /* of the table of sessions, when it began */
	bool proven, judged, late, said_bye;
	bool starved;              /* GnuTLS asked for more than `in` has */
	/* the PSK of this handshake: named by the client, or of a client's own */
	struct slice identity;
	struct key_ref *psk;
	usec psk_expires;          /* 0: never */
	bool asked;                /* the source said something about identity; psk == NULL: it is not known */
	struct tls_hold *hold;
	size_t hold_unit;          /* bytes of `in` that wait for it */
	const struct own *own;     /* a client's */
	struct tls_want want;      /* a client's: texts in `memory` */
	int alert;                 /* to be sent instead of what GnuTLS would send; 0: none */
	char why[TLS_WHY_MAX];
	char texts[512];           /* of `memory`, before it needs more */
};

/* Set why, unless it is set. */
void tls_because(struct tls *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- prove.c: what GnuTLS asks in a handshake --- */

int prove_server_psk(gnutls_session_t g, const gnutls_datum_t *name, gnutls_datum_t *key);
int prove_client_psk(gnutls_session_t g, gnutls_datum_t *name, gnutls_datum_t *key);
int prove_own(gnutls_session_t g, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **chain, unsigned *n,
	      gnutls_ocsp_data_st **ocsp, unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags);
int prove_peer(gnutls_session_t g);
int prove_hello(gnutls_session_t g);
/* Fill in what the peer has proven. False: nothing. */
bool prove_whole(struct tls *t);
int prove_finished(gnutls_session_t g, unsigned type, unsigned when, unsigned incoming, const gnutls_datum_t *message);

/* --- hold.c --- */

/* Ask the source for t->identity. RC_OK: go on (known or not). RC_AGAIN: t->hold is set. RC_LIMIT, RC_NOMEM. */
REEVE_MUST_CHECK enum reeve_rc hold_ask(struct tls *t);
/* The session does not wait any more. */
void hold_leave(struct tls *t);

/* --- datagram.c --- */

/* Append a datagram with its length in front. */
void datagram_add(struct buf *b, const void *p, size_t n);

#endif
