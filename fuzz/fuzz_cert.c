/* SPDX-License-Identifier: Apache-2.0 */
/* Chains of certificates from hostile hands: a byte of options, then certificates, each behind its length in two bytes. The anchors trust
 * one CA for every flavour. What is taken has a name and a Credential-ID of the flavour that was wanted; a refusal has a sentence; a
 * report says the same as a check without one. */
#include <stdlib.h>
#include <unistd.h>

#include "tls/profile.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The CA of fuzz/corpus/cert: P-256, valid until 2126, name constraints for hosts of URIs. Its key is kept nowhere. */
static const char ca[] =
#include "fuzz_cert_ca.h"
;

static struct cert_anchors *anchors;

static void require(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char path[] = "/tmp/reeve-fuzz-ca-XXXXXX", why[TLS_WHY_MAX];
	struct tls_anchor a[TLS_FLAVOURS];
	const int fd = mkstemp(path);

	require(fd >= 0 && write(fd, ca, sizeof(ca) - 1) == (ssize_t)sizeof(ca) - 1 && close(fd) == 0);
	for (int f = 0; f < TLS_FLAVOURS; f++)
		a[f] = (struct tls_anchor){ (enum tls_flavour)f, path };
	require(cert_anchors_new(&(struct tls_options){ .anchors = a, .n_anchors = TLS_FLAVOURS, .depth = 6 }, &anchors, why) == RC_OK);
	unlink(path);
	return 0;
}

static void check_peer(const struct cert_want *want, const struct tls_peer *p)
{
	enum credential_type type;
	struct slice value;

	require(p->name.n && p->spki.n == 91 && p->expires > 0);
	if (p->type == CREDENTIAL_NONE) {
		require(!want->any_flavour && want->flavour == TLS_FLAVOUR_FQDN && fqdn_valid(p->name) && !p->credential.n);
		return;
	}
	require(credential_id_parse(p->credential, &type, &value) && type == p->type && slice_eq(value, p->name));
	require(slice_find(p->name, '*') < 0 && (p->type != CREDENTIAL_CSE || fqdn_valid(p->name)));
	require(p->type != CREDENTIAL_AE || slice_starts(p->name, S("//")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const usec now = INT64_C(1800000000) * USEC_S;
	static struct cert_report report;
	struct slice chain[8];
	struct tls_peer peer, again;
	char why[TLS_WHY_MAX], why2[TLS_WHY_MAX];
	struct arena a, b;
	size_t count = 0;

	if (n < 1)
		return 0;
	const struct cert_want want = { .any_flavour = data[0] & 8, .flavour = (enum tls_flavour)((data[0] & 7) % TLS_FLAVOURS),
					.name = data[0] & 16 ? S("//m2m.example.com/Smeter9") : S("") };
	for (size_t at = 1; at + 2 <= n && count < 8; count++) {
		size_t len = (size_t)data[at] << 8 | data[at + 1];
		at += 2;
		len = len < n - at ? len : n - at;
		chain[count] = slice_of((const char *)data + at, len);
		at += len;
	}
	arena_init(&a, NULL, 0, 1 << 20);
	arena_init(&b, NULL, 0, 1 << 20);
	const enum reeve_rc rc = cert_check(anchors, chain, count, &want, now, &a, &peer, why, NULL);
	require((rc == RC_OK || rc == RC_DENIED) && (rc == RC_OK) == !*why);
	require(cert_check(anchors, chain, count, &want, now, &b, &again, why2, &report) == rc && report.n > 0);
	if (rc == RC_OK) {
		check_peer(&want, &peer);
		require(slice_eq(peer.credential, again.credential));
	} else {
		require(!peer.name.n && !again.name.n);
	}
	arena_reset(&a);
	arena_reset(&b);
	return 0;
}
