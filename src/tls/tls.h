/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.2, TLS 1.3 and DTLS 1.2 associations (TS-0003 8.2, 10.2) over GnuTLS, without I/O of their own.
 *
 * Bytes of the network go in (tls_input), bytes for the network come out (appended to a buffer), application bytes are read and written
 * between. So one implementation serves streams (stream.h), datagrams (dtls.h), listeners, clients, and tests without sockets.
 *
 * A listener always asks for and requires a credential of its peer: a PSK, a certificate of a flavour that is configured, or a raw public
 * key. What was proven is a struct tls_peer; who that is, the layer above decides (core/association).
 *
 * A handshake that waits for its key is held: its input is kept (bounded), nothing is answered, no thread waits. */
#ifndef REEVE_TLS_TLS_H
#define REEVE_TLS_TLS_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/rc.h"
#include "loop/loop.h"
#include "secenv/secenv.h"
#include "tls/credential_id.h"

enum { TLS_WHY_MAX = 256, TLS_RECORD_MAX = 16384 };

/* What a peer has proven. Texts live as long as the session. */
struct tls_peer {
	enum credential_type type;  /* PSK, RAW, DEVICE, CSE, AE, NODE; CREDENTIAL_NONE: a server with an FQDN certificate (MAF, MEF) */
	struct slice credential;    /* its Credential-ID, "12-pump-01@issuer.example.org"; of a CSE certificate the domain name stands
				     * for the CSE-ID ("32-mn-cse7.in-cse1.m2m.example.com"), the layer above knows the rest */
	/* the value alone: KpsaID, public key identifier (256 bits), hardware identifier, domain name, AE-ID, Node-ID */
	struct slice name;
	struct slice app_id;        /* App-ID in an AE-ID certificate, or empty */
	struct slice spki;          /* DER SubjectPublicKeyInfo; empty with a PSK */
	usec expires;               /* of the credential: the earliest end in the chain; 0: not known */
	/* What it was judged by, to see whether that still holds: the setup, and the key of a PSK (NULL when a session was resumed) */
	const struct tls_setup *setup;
	struct key_ref *key;
};

/* --- what one end shows and trusts: made once, then immutable and counted; any thread --- */

enum tls_flavour { TLS_FLAVOUR_DEVICE, TLS_FLAVOUR_CSE, TLS_FLAVOUR_AE, TLS_FLAVOUR_NODE, TLS_FLAVOUR_FQDN, TLS_FLAVOURS };
/* "device", "cse", "ae", "node", "fqdn" */
extern const char *const tls_flavour_names[TLS_FLAVOURS];

/* A certificate chain with its key, or a raw public key (chain NULL). The key stays behind its handle (ALG_TLS_ES256). */
struct tls_own {
	const char *chain;          /* PEM file, leaf first; NULL: a raw public key */
	struct key_ref *key;
	struct slice server_name;   /* a listener shows it when SNI asks for this name; empty: the names of the certificate */
};
/* Trust anchors are configured for a flavour: a chain that ends in another one's proves nothing. */
struct tls_anchor { enum tls_flavour flavour; const char *file; /* PEM, one or more */ };

struct tls_hold;
struct tls_source {
	void *ctx;
	/* The key of a PSK identity that a client named. RC_OK: *key, a handle that tls.c gives back, and *expires (0: none).
	 * RC_NOTFOUND. RC_AGAIN: it is being looked for, *ticket is kept by the source, and tls_hold_end is called once, later, from any
	 * thread. ticket == NULL: too many are held already; RC_AGAIN then ends the handshake, and nothing needs to be looked for. */
	enum reeve_rc (*psk)(void *ctx, struct slice identity, struct tls_hold *ticket, struct key_ref **key, usec *expires);
	/* The handshake proved p: may it be used? Asked before the peer is told that the handshake has succeeded; also on resumption. */
	bool (*permit)(void *ctx, const struct tls_peer *p);
};

struct tls_options {
	bool client, datagram;
	/* Listeners: TLS 1.3 for clients that do not offer TLS 1.2 (who offers both gets 1.2: SEC-008). Our clients offer 1.2 alone. */
	bool tls13;
	bool psk, certificate, raw; /* families of suites; at least one */
	bool forward_secrecy;       /* ECDHE_PSK is offered, and preferred */
	const struct tls_own *own; size_t n_own;         /* the first is the default */
	/* SNI that is served besides those of certificates; another one is refused (but by who has no names at all) */
	const struct slice *server_names; size_t n_server_names;
	const struct tls_anchor *anchors; size_t n_anchors;
	const char *const *crls; size_t n_crls;          /* PEM files of revocation lists */
	bool crl_required;          /* a chain whose CA has no current list is refused */
	unsigned depth;             /* certificates in a chain, at most */
	usec handshake_time;        /* from tls_new to the end, without what it was held */
	usec hold_time; unsigned held; /* how long, and how many handshakes of this setup may be held at a time */
	usec resumption;            /* how long a session may be resumed (TLS 1.2, DTLS 1.2); 0: never */
	size_t mtu;                 /* of the path of datagrams: theirs are 48 bytes (IPv6, UDP) smaller; 0: 1280 */
	struct tls_source source;   /* listeners */
};
struct tls_setup;
/* RC_INVALID, RC_IO: `why` says which file or combination. */
REEVE_MUST_CHECK enum reeve_rc tls_setup_new(const struct tls_options *o, struct tls_setup **out, char why[TLS_WHY_MAX]);
struct tls_setup *tls_setup_get(struct tls_setup *s);
void tls_setup_put(struct tls_setup *s); /* NULL is legal */

/* No session made so far, nor of a handshake that has begun, is resumed: a credential was revoked or has another key. Any thread. */
void tls_setup_forget(struct tls_setup *s);

struct tls_counts { _Atomic uint64_t begun, done, resumed, failed, refused, held, hold_timeout, hold_limit; _Atomic unsigned holding; };
const struct tls_counts *tls_setup_counts(const struct tls_setup *s);

/* --- one association --- */

/* Whom a client wants to talk to, and as whom. */
struct tls_want {
	struct slice server_name;   /* SNI; empty: none is sent */
	struct slice psk_identity; struct key_ref *psk; /* a PSK; or: */
	enum tls_flavour flavour;   /* of the server's certificate, and */
	struct slice name;          /* the name it must have, exactly; or: */
	struct slice public_key;    /* the identifier of its raw public key */
	const struct tls_own *own;  /* NULL: the setup's first that fits */
};

struct tls;
/* On a loop; everything below too. `woken(owner)` is called, in a turn of its own, when a held handshake can go on or the handshake has
 * taken too long: then call tls_input with no bytes. Copies what it needs of *want (NULL for a listener's end). */
struct tls *tls_new(struct tls_setup *s, struct loop *l, const struct tls_want *want, void (*woken)(void *owner), void *owner);
void tls_free(struct tls *t); /* says nothing to the peer */

enum tls_state { TLS_HANDSHAKE, TLS_HELD, TLS_OPEN, TLS_CLOSED /* the peer ended it in order */, TLS_FAILED };
/* Bytes from the network (a datagram at a time under DTLS; none: start a client's handshake, or go on); what is to be sent is
 * appended to out, an alert that tells the peer why it failed, too. Under DTLS these are datagrams, see tls_datagram. All input is taken
 * and deciphered, so the owner bounds what tls_read has not fetched yet by reading no more from the network. Of a handshake that opens
 * may come application bytes at once. After TLS_CLOSED and TLS_FAILED there may still be bytes to read that came before. */
enum tls_state tls_input(struct tls *t, const char *p, size_t n, struct buf *out);
enum tls_state tls_state(const struct tls *t);
/* Why it failed, for a log; "" when it did not. Never a secret. */
const char *tls_why(const struct tls *t);

/* Application bytes (of one datagram; what does not fit is lost) that have arrived: how many were copied; 0: none now. After TLS_OPEN. */
size_t tls_read(struct tls *t, char *room, size_t n);
/* Append what carries these bytes to out. RC_LIMIT: more than a datagram can carry. RC_IO: the association has ended. */
REEVE_MUST_CHECK enum reeve_rc tls_write(struct tls *t, const char *p, size_t n, struct buf *out);
/* Append the notice that we end it. */
void tls_bye(struct tls *t, struct buf *out);

/* Valid from TLS_OPEN on. */
const struct tls_peer *tls_peer(const struct tls *t);
/* ALPN, SNI as the client sent it, name of the suite ("PSK-AES128-CBC-SHA256" in OpenSSL's spelling); empty: none. */
struct slice tls_server_name(struct tls *t);
const char *tls_suite(const struct tls *t);
const char *tls_version(const struct tls *t);
/* RFC 5705 without context. RC_IO before TLS_OPEN. */
REEVE_MUST_CHECK enum reeve_rc tls_export(struct tls *t, struct slice label, uint8_t *out, size_t n);
/* Datagrams: ms until tls_timeout has to be called; -1: not needed. */
int tls_timer(const struct tls *t);
/* Retransmit the flight that was not answered; or give up. */
enum tls_state tls_timeout(struct tls *t, struct buf *out);

/* --- datagrams --- */

/* Each datagram in `out` has its length in front (2 bytes, network order): take the first off *rest. False: none is left. */
bool tls_datagram(struct slice *rest, struct slice *one);

/* Cookies (RFC 6347 4.2.1): nothing is kept for an address that has not shown that it receives there. A datagram from an address (its bytes
 * and port, as the caller likes) that has no session:
 * TLS_HELLO_IGNORE: no ClientHello. TLS_HELLO_ASK: one datagram to be sent there is in `out`. TLS_HELLO_GOOD: tls_new, tls_accept, then
 * tls_input with this same datagram. Any thread. */
enum tls_hello { TLS_HELLO_IGNORE, TLS_HELLO_ASK, TLS_HELLO_GOOD };
struct tls_accept { unsigned record, read, written; }; /* numbers of the exchange that went before */
enum tls_hello tls_hello(struct tls_setup *s, struct slice address, const char *p, size_t n, struct tls_accept *accept, struct buf *out);
void tls_accept(struct tls *t, const struct tls_accept *accept);

/* --- holding --- */

/* The key that a handshake is held for, from any thread, once: rc as of tls_source.psk. The handle is taken. The session may be gone,
 * its loop may not: before a loop ends, all tickets of it are ended. */
void tls_hold_end(struct tls_hold *ticket, enum reeve_rc rc, struct key_ref *key, usec expires);

#endif
