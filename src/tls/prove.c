/* SPDX-License-Identifier: Apache-2.0 */
/* What GnuTLS asks in the middle of a handshake: the key of an identity, what we show, whether what the peer shows is good, and at the
 * end whether who was proven may have the association. All answers are here already when it asks (hold.c saw to the key).
 *
 * An identity that is not known gets a random key, so that the handshake ends as with a wrong one: where the client's Finished does not
 * decipher. A client cannot learn which identities there are (SEC-039). */
#include <gnutls/crypto.h>
#include <stdio.h>

#include "base/rand.h"
#include "secenv/secret.h"
#include "tls/tls_int.h"

static struct slice datum(gnutls_datum_t d) { return slice_of((const char *)d.data, d.size); }

static bool give(gnutls_datum_t *out, const void *p, size_t n)
{
	out->data = gnutls_malloc(n);
	if (!out->data)
		return false;
	memcpy(out->data, p, n);
	out->size = (unsigned)n;
	return true;
}

/* --- pre-shared keys --- */

/* The bytes exist outside of secret memory from here until GnuTLS has mixed and wiped them. */
static bool give_key(struct key_ref *psk, gnutls_datum_t *key)
{
	uint8_t bytes[KEY_LENT_MAX];
	size_t n;
	bool ok = key_lend(psk, bytes, &n) == RC_OK;

	ok = ok && give(key, bytes, n);
	secret_wipe(bytes, sizeof(bytes));
	return ok;
}

int prove_server_psk(gnutls_session_t g, const gnutls_datum_t *name, gnutls_datum_t *key)
{
	struct tls *t = gnutls_session_get_ptr(g);
	uint8_t bytes[32];

	if (!t->asked || !slice_eq(datum(*name), t->identity)) {
		tls_because(t, "the client named another identity than it was seen to");
		return -1;
	}
	if (t->psk && give_key(t->psk, key))
		return 0;
	rand_bytes(bytes, sizeof(bytes));
	return give(key, bytes, sizeof(bytes)) ? 0 : -1;
}

int prove_client_psk(gnutls_session_t g, gnutls_datum_t *name, gnutls_datum_t *key)
{
	struct tls *t = gnutls_session_get_ptr(g);

	if (!t->psk || !give(name, t->identity.p, t->identity.n))
		return -1;
	if (give_key(t->psk, key))
		return 0;
	gnutls_free(name->data);
	name->data = NULL;
	return -1;
}

/* --- what we show --- */

/* RFC 6066 3 lets no address stand in SNI. libcoap's client sends the one it connects to all the same: it has no name to ask for. */
static bool is_address(const char *name) { return strchr(name, ':') || !name[strspn(name, "0123456789.")]; }

static struct slice asked_name(gnutls_session_t g, char *room, size_t size)
{
	size_t n = size;
	unsigned type;

	if (gnutls_server_name_get(g, room, &n, &type, 0) != 0 || type != GNUTLS_NAME_DNS || is_address(room))
		return S("");
	return slice_of(room, n);
}

int prove_own(gnutls_session_t g, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **chain, unsigned *n,
	      gnutls_ocsp_data_st **ocsp, unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags)
{
	const struct tls *t = gnutls_session_get_ptr(g);
	const bool raw = gnutls_certificate_type_get2(g, GNUTLS_CTYPE_OURS) == GNUTLS_CRT_RAWPK;
	char name[256];
	const struct own *own = t->setup->o.client ? t->own : setup_own(t->setup, raw, asked_name(g, name, sizeof(name)));

	*n_ocsp = 0;
	*ocsp = NULL;
	*flags = 0;
	*n = 0;
	if (!own || own->raw != raw)
		return 0; /* nothing: whether that will do the other end says */
	*chain = own->chain;
	*n = own->n_chain;
	*key = own->private;
	return 0;
}

/* --- what the peer shows --- */

/* RFC 5480: the DER of a P-256 key with an uncompressed point (TS-0003 10.1.1.1). */
static bool on_p256(struct slice spki)
{
	static const char head[] = "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
				   "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";

	return spki.n == sizeof(head) - 1 + 64 && slice_starts(spki, slice_of(head, sizeof(head) - 1));
}

static bool raw_key(struct tls *t, struct slice spki)
{
	char id[PUBLIC_KEY_ID_MAX];
	struct slice name;

	if (!on_p256(spki)) {
		tls_because(t, "the raw public key is not one on P-256");
		t->alert = GNUTLS_A_UNSUPPORTED_CERTIFICATE;
		return false;
	}
	if (t->setup->o.client && !public_key_id_matches(t->want.public_key, spki)) {
		tls_because(t, "the server's raw public key is not the one that is trusted");
		t->alert = GNUTLS_A_BAD_CERTIFICATE;
		return false;
	}
	name = slice_of(id, public_key_id(spki, 256, id));
	t->peer.type = CREDENTIAL_RAW;
	t->peer.credential = arena_printf(&t->memory, "30-%.*s", SF(name));
	t->peer.name = slice_skip(t->peer.credential, 3);
	t->peer.spki = arena_dup(&t->memory, spki);
	return !t->memory.failed;
}

static bool certificate(struct tls *t, const gnutls_datum_t *list, unsigned n)
{
	enum { CHAIN_MAX = 16 };
	const bool client = t->setup->o.client;
	const struct cert_want want = { .any_flavour = !client, .flavour = t->want.flavour, .name = client ? t->want.name : S("") };
	struct slice chain[CHAIN_MAX];
	char why[TLS_WHY_MAX] = "";

	if (n > CHAIN_MAX || !t->setup->anchors) {
		tls_because(t, t->setup->anchors ? "the chain is too long" : "no trust anchor is configured");
		return false;
	}
	for (unsigned i = 0; i < n; i++)
		chain[i] = datum(list[i]);
	if (cert_check(t->setup->anchors, chain, n, &want, clock_wall(), &t->memory, &t->peer, why, NULL) == RC_OK)
		return true;
	tls_because(t, "%s", why);
	t->peer = (struct tls_peer){ 0 };
	t->alert = GNUTLS_A_BAD_CERTIFICATE;
	return false;
}

int prove_peer(gnutls_session_t g)
{
	struct tls *t = gnutls_session_get_ptr(g);
	const bool raw = gnutls_certificate_type_get2(g, GNUTLS_CTYPE_PEERS) == GNUTLS_CRT_RAWPK;
	unsigned n = 0;
	const gnutls_datum_t *list = gnutls_certificate_get_peers(g, &n);

	if (t->proven)
		return 0; /* of a session that is resumed */
	if (!list || !n) {
		tls_because(t, "the peer showed no certificate");
		return GNUTLS_E_CERTIFICATE_ERROR;
	}
	/* who is known by a raw public key is not known by a certificate, nor the other way (SEC-085) */
	if (t->setup->o.client && raw != (t->want.public_key.n > 0)) {
		tls_because(t, "the server showed %s", raw ? "a raw public key, not a certificate" : "a certificate, not a raw public key");
		t->alert = GNUTLS_A_UNSUPPORTED_CERTIFICATE;
		return GNUTLS_E_CERTIFICATE_ERROR;
	}
	if (!raw && !(t->setup->o.certificate)) {
		tls_because(t, "certificates are not accepted here");
		return GNUTLS_E_CERTIFICATE_ERROR;
	}
	t->proven = raw ? raw_key(t, datum(list[0])) : certificate(t, list, n);
	return t->proven ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

/* --- the end --- */

static bool psk_peer(struct tls *t)
{
	gnutls_datum_t name = { NULL, 0 };
	struct slice identity = t->identity;

	if (!t->setup->o.client) {
		if (gnutls_psk_server_get_username2(t->session, &name) != 0)
			return false;
		identity = datum(name);
	}
	t->peer.type = CREDENTIAL_PSK;
	t->peer.credential = arena_printf(&t->memory, "12-%.*s", SF(identity));
	t->peer.name = slice_skip(t->peer.credential, 3);
	t->peer.expires = t->psk_expires;
	t->peer.key = t->psk;
	return !t->memory.failed;
}

bool prove_whole(struct tls *t)
{
	const gnutls_credentials_type_t by = gnutls_auth_get_type(t->session);

	if (by == GNUTLS_CRD_PSK && !t->proven)
		t->proven = psk_peer(t);
	t->peer.setup = t->setup;
	if (!t->proven)
		tls_because(t, "the peer has proven nothing");
	return t->proven;
}

/* Whether who was proven may have the association. */
static int judge(struct tls *t)
{
	const struct tls_source *source = &t->setup->o.source;

	t->judged = true;
	if (!prove_whole(t)) {
		t->alert = GNUTLS_A_HANDSHAKE_FAILURE;
	} else if (source->permit && !source->permit(source->ctx, &t->peer)) {
		tls_because(t, "the credential %.*s is not good here", SF(t->peer.credential));
		t->alert = GNUTLS_A_ACCESS_DENIED;
		resumable_forget(t);
	} else {
		return 0;
	}
	atomic_fetch_add_explicit(&t->setup->counts.refused, 1, memory_order_relaxed);
	return GNUTLS_E_USER_ERROR;
}

/* When the client's Finished is here, so before ours. */
int prove_finished(gnutls_session_t g, unsigned type, unsigned when, unsigned incoming, const gnutls_datum_t *message)
{
	struct tls *t = gnutls_session_get_ptr(g);

	return incoming && when == GNUTLS_HOOK_POST && !t->judged ? judge(t) : 0;
}

/* A session that is resumed proves what it proved before; whether that is still good is asked before anything is answered. The anchors
 * and lists of a certificate cannot have changed: they are the setup's, and so is the table of sessions. */
static int resumed(struct tls *t)
{
	t->peer = t->before;
	t->proven = true;
	return judge(t);
}

/* A name that we do not serve ends it at once (RFC 6066 3; SEC-018). */
static int asked_for(struct tls *t)
{
	char name[256];
	size_t n = sizeof(name);
	unsigned type;
	const int rc = gnutls_server_name_get(t->session, name, &n, &type, 0);

	if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return 0;
	if (rc == 0 && type == GNUTLS_NAME_DNS && (is_address(name) || setup_serves(t->setup, slice_of(name, n))))
		return 0;
	tls_because(t, "the client asked for a server name (SNI) that is not served here");
	return GNUTLS_E_UNRECOGNIZED_NAME;
}

int prove_hello(gnutls_session_t g)
{
	struct tls *t = gnutls_session_get_ptr(g);
	const int rc = asked_for(t);

	return rc == 0 && gnutls_session_is_resumed(g) ? resumed(t) : rc;
}
