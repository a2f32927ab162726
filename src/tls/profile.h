/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates as oneM2M profiles them (TS-0003 8.1.2, 10.1.1): is this chain one of a flavour, and what does it name?
 *
 * Pure over its input; used by the handshake and by `reeve check cert`, which prints every step. */
#ifndef REEVE_TLS_PROFILE_H
#define REEVE_TLS_PROFILE_H

#include "base/arena.h"
#include "tls/tls.h"

struct cert_anchors;
/* Read the anchors and revocation lists of a setup. */
REEVE_MUST_CHECK enum reeve_rc cert_anchors_new(const struct tls_options *o, struct cert_anchors **out, char why[TLS_WHY_MAX]);
void cert_anchors_free(struct cert_anchors *a);

struct cert_want {
	bool any_flavour;           /* a listener's: whatever the anchor says; else: */
	enum tls_flavour flavour;
	struct slice name;          /* must be this, exactly; empty: any */
};
/* Each step of the check in order, with "ok" or what is wrong; the first that failed decides. */
struct cert_step { const char *what; bool ok; char text[TLS_WHY_MAX]; };
enum { CERT_STEPS = 32 };
struct cert_report { struct cert_step step[CERT_STEPS]; unsigned n; };

/* The chain (DER, leaf first) at the time `now`. RC_OK: *peer is filled in from `a`. RC_DENIED: `why`. `report` may be NULL; with
 * one, checks go on
 * after the first failure where they can. */
REEVE_MUST_CHECK enum reeve_rc cert_check(const struct cert_anchors *anchors, const struct slice *chain, size_t n,
				const struct cert_want *want,
					  usec now, struct arena *a, struct tls_peer *peer, char why[TLS_WHY_MAX],
					  				struct cert_report *report);

#endif
