/* SPDX-License-Identifier: Apache-2.0 */
/* What one end shows and trusts. Everything that GnuTLS can share between sessions is made here once: credentials, priorities, chains;
 * it is not changed afterwards, so that sessions of all loops use it without a lock. A change of configuration is another setup. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "secenv/secret.h"
#include "tls/tls_int.h"

/* GnuTLS writes the secrets of sessions to a file when the environment says so. Not here. */
static void no_key_log(void) { unsetenv("SSLKEYLOGFILE"); }

static enum reeve_rc refuse(char *why, enum reeve_rc rc, const char *text)
{
	snprintf(why, TLS_WHY_MAX, "%s", text);
	return rc;
}

static enum reeve_rc read_own(struct tls_setup *s, const struct tls_options *o, char *why)
{
	s->own = calloc(o->n_own ? o->n_own : 1, sizeof(*s->own));
	if (!s->own)
		return refuse(why, RC_NOMEM, "out of memory");
	for (size_t i = 0; i < o->n_own; i++) {
		const enum reeve_rc rc = own_read(&o->own[i], &s->own[i], why);
		s->n_own++;
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum reeve_rc copy_names(struct tls_setup *s, const struct tls_options *o)
{
	s->server_names = calloc(o->n_server_names ? o->n_server_names : 1, sizeof(struct slice));
	if (!s->server_names)
		return RC_NOMEM;
	for (size_t i = 0; i < o->n_server_names; i++) {
		char *p = malloc(o->server_names[i].n + 1);
		if (!p)
			return RC_NOMEM;
		memcpy(p, o->server_names[i].p, o->server_names[i].n);
		s->server_names[s->n_server_names++] = slice_of(p, o->server_names[i].n);
	}
	return RC_OK;
}

/* --- what is negotiated --- */

static bool shows(const struct tls_setup *s, bool raw)
{
	for (size_t i = 0; i < s->n_own; i++)
		if (s->own[i].raw == raw)
			return true;
	return false;
}

static enum reeve_rc listener_priorities(struct tls_setup *s, const struct tls_options *o)
{
	struct suites w = {
		.datagram = o->datagram, .psk = o->psk, .cert = o->certificate || o->raw, .forward_secrecy = o->forward_secrecy,
		.ours = { shows(s, false), shows(s, true) }, .theirs = { o->certificate, o->raw },
	};
	enum reeve_rc rc = suites_priority(&w, &s->p12);

	if (rc == RC_OK && o->tls13 && !o->datagram) {
		w.v13 = true;
		rc = suites_priority(&w, &s->p13);
	}
	return rc;
}

static enum reeve_rc client_priorities(struct tls_setup *s, const struct tls_options *o)
{
	const struct suites psk = { .client = true, .datagram = o->datagram, .psk = true, .forward_secrecy = o->forward_secrecy };
	enum reeve_rc rc = o->psk ? suites_priority(&psk, &s->p_psk) : RC_OK;

	for (int own = 0; own < KINDS; own++)
		for (int their = 0; their < KINDS && rc == RC_OK; their++) {
			struct suites w = { .client = true, .datagram = o->datagram, .cert = true, .forward_secrecy = o->forward_secrecy };
			if (!(their == KIND_RAW ? o->raw : o->certificate) || !shows(s, own == KIND_RAW))
				continue;
			w.ours[own] = w.theirs[their] = true;
			rc = suites_priority(&w, &s->p_cert[own][their]);
		}
	return rc;
}

/* --- credentials --- */

static enum reeve_rc credentials(struct tls_setup *s, const struct tls_options *o)
{
	if (gnutls_certificate_allocate_credentials(&s->cert) != 0)
		return RC_NOMEM;
	gnutls_certificate_set_retrieve_function3(s->cert, prove_own);
	gnutls_certificate_set_verify_function(s->cert, prove_peer);
	if (o->client ? gnutls_psk_allocate_client_credentials(&s->psk_client) != 0 :
			gnutls_psk_allocate_server_credentials(&s->psk_server) != 0)
		return RC_NOMEM;
	if (o->client)
		gnutls_psk_set_client_credentials_function2(s->psk_client, prove_client_psk);
	else
		gnutls_psk_set_server_credentials_function2(s->psk_server, prove_server_psk);
	if (!o->client && o->datagram && gnutls_key_generate(&s->cookie, GNUTLS_COOKIE_KEY_SIZE) != 0)
		return RC_NOMEM;
	if (!o->client && o->resumption > 0) {
		s->resumable = resumable_new(RESUMABLE_MAX);
		if (!s->resumable)
			return RC_NOMEM;
	}
	return RC_OK;
}

static enum reeve_rc sensible(const struct tls_options *o, char *why)
{
	if (!o->psk && !o->certificate && !o->raw)
		return refuse(why, RC_INVALID, "every family of suites is off: psk, certificate or raw is needed (TS-0003 10.2.1)");
	if ((o->certificate || o->raw) && !o->psk && !o->n_own)
		return refuse(why, RC_INVALID, "certificates and raw public keys need a certificate or key of one's own");
	if (o->certificate && !o->n_anchors)
		return refuse(why, RC_INVALID, "certificates need a trust anchor for their flavour");
	if (!o->client && o->psk && !o->source.psk)
		return refuse(why, RC_INVALID, "pre-shared keys need a source of keys");
	return RC_OK;
}

static enum reeve_rc make(struct tls_setup *s, const struct tls_options *o, char *why)
{
	enum reeve_rc rc = read_own(s, o, why);

	if (rc == RC_OK && o->certificate)
		rc = cert_anchors_new(o, &s->anchors, why);
	if (rc != RC_OK)
		return rc;
	if (copy_names(s, o) != RC_OK || credentials(s, o) != RC_OK)
		return refuse(why, RC_NOMEM, "out of memory");
	/* who has nothing to show speaks of pre-shared keys alone */
	struct tls_options able = *o;
	able.certificate &= s->n_own > 0;
	able.raw &= s->n_own > 0;
	rc = o->client ? client_priorities(s, &able) : listener_priorities(s, &able);
	return rc == RC_OK ? rc : refuse(why, rc, "the library refuses these suites");
}

enum reeve_rc tls_setup_new(const struct tls_options *o, struct tls_setup **out, char why[TLS_WHY_MAX])
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct tls_setup *s;
	enum reeve_rc rc = sensible(o, why);

	if (rc != RC_OK)
		return rc;
	pthread_once(&once, no_key_log);
	s = calloc(1, sizeof(*s));
	if (!s)
		return refuse(why, RC_NOMEM, "out of memory");
	atomic_init(&s->refs, 1);
	s->o = *o;
	s->o.own = NULL;
	s->o.server_names = NULL;
	s->o.anchors = NULL;
	s->o.crls = NULL;
	rc = make(s, o, why);
	if (rc != RC_OK) {
		tls_setup_put(s);
		return rc;
	}
	*out = s;
	return RC_OK;
}

struct tls_setup *tls_setup_get(struct tls_setup *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

static void free_priorities(struct tls_setup *s)
{
	gnutls_priority_t all[] = { s->p12, s->p13, s->p_psk, s->p_cert[0][0], s->p_cert[0][1], s->p_cert[1][0], s->p_cert[1][1] };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i])
			gnutls_priority_deinit(all[i]);
}

void tls_setup_put(struct tls_setup *s)
{
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	free_priorities(s);
	if (s->cert)
		gnutls_certificate_free_credentials(s->cert);
	if (s->psk_server)
		gnutls_psk_free_server_credentials(s->psk_server);
	if (s->psk_client)
		gnutls_psk_free_client_credentials(s->psk_client);
	if (s->cookie.data)
		secret_wipe(s->cookie.data, s->cookie.size);
	gnutls_free(s->cookie.data);
	for (size_t i = 0; i < s->n_own; i++)
		own_free(&s->own[i]);
	free(s->own);
	for (size_t i = 0; i < s->n_server_names; i++)
		free((char *)s->server_names[i].p);
	free(s->server_names);
	if (s->anchors)
		cert_anchors_free(s->anchors);
	resumable_free(s->resumable);
	free(s);
}

void tls_setup_forget(struct tls_setup *s)
{
	if (s->resumable)
		resumable_clear(s->resumable);
}

const struct tls_counts *tls_setup_counts(const struct tls_setup *s) { return &s->counts; }

/* --- names --- */

static bool has_name(const struct own *o, struct slice name)
{
	for (size_t i = 0; i < o->n_names; i++)
		if (fqdn_same(o->names[i], name))
			return true;
	return false;
}

bool setup_serves(const struct tls_setup *s, struct slice name)
{
	size_t names = s->n_server_names;

	for (size_t i = 0; i < s->n_server_names; i++)
		if (fqdn_same(s->server_names[i], name))
			return true;
	for (size_t i = 0; i < s->n_own; i++) {
		names += s->own[i].n_names;
		if (has_name(&s->own[i], name))
			return true;
	}
	return names == 0;
}

const struct own *setup_own(const struct tls_setup *s, bool raw, struct slice name)
{
	const struct own *first = NULL;

	for (size_t i = 0; i < s->n_own; i++) {
		if (s->own[i].raw != raw)
			continue;
		if (name.n && has_name(&s->own[i], name))
			return &s->own[i];
		if (!first)
			first = &s->own[i];
	}
	return first;
}
