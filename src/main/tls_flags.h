/* SPDX-License-Identifier: Apache-2.0 */
/* Flags of the commands that act as an entity and may need a security association: what to show, and whom to expect.
 *
 *   --psk ID:FILE         a symmetric key: its key identifier, and a file with its hexadecimal digits
 *   --cert FILE --key FILE   a certificate chain (PEM, leaf first) and its private key
 *   --raw-key FILE        a raw public key: its private key
 *   --anchor FILE         trust anchors for the server's certificate; FLAVOUR:FILE for another one than that of a CSE
 *   --server-name NAME    the domain name the server's certificate must have, also told it as the name that is meant (SNI)
 *   --server-public-key ni:///sha-256;...   the server shows a raw public key, and it is this one
 *
 * Secrets come from files that nobody else can read, never from the command line. */
#ifndef REEVE_MAIN_TLS_FLAGS_H
#define REEVE_MAIN_TLS_FLAGS_H

#include "tls/tls.h"

/* For a help text. */
#define TLS_FLAGS_HELP                                                                                     \
	"  --psk ID:FILE      prove who asks by a symmetric key: its identifier, and a file with its hexadecimal digits\n" \
	"  --cert FILE --key FILE   the same by a certificate (PEM, leaf first) and its private key\n"    \
	"  --raw-key FILE     the same by a raw public key\n"                                              \
	"  --anchor FILE      trust anchors (PEM) for the certificate of the CSE\n"                        \
	"  --server-name NAME the domain name it must have [the host of the URL]\n"                       \
	"  --server-public-key ni:///sha-256;...   the CSE shows a raw public key, and it is this one\n"

struct tls_flags {
	const char *psk, *cert, *key, *raw_key, *anchor, *server_name, *server_public_key;
	/* made of them by tls_flags_read, and by tls_flags_use: */
	struct tls_setup *setup;
	struct tls_want want;
	struct tls_own own;
	struct tls_anchor anchors;
	struct key_ref *own_key, *psk_key;
};

/* Is flag ("--psk") one of these? Then its value is taken. */
bool tls_flag(struct tls_flags *f, const char *flag, const char *value);
/* Read the files, for a server at `host`: credential, name and anchor, for a TLS library that is not ours. RC_INVALID, RC_IO, RC_DENIED:
 * why tells what to change. */
REEVE_MUST_CHECK enum reeve_rc tls_flags_read(struct tls_flags *f, const char *host, char why[TLS_WHY_MAX]);
/* The same, and make a setup of them, for a server at `host` over TLS or, with datagram, DTLS. */
REEVE_MUST_CHECK enum reeve_rc tls_flags_use(struct tls_flags *f, const char *host, bool datagram, char why[TLS_WHY_MAX]);
void tls_flags_free(struct tls_flags *f);

#endif
