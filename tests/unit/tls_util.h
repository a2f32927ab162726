/* SPDX-License-Identifier: Apache-2.0 */
/* Two ends of our own in one thread, with the bytes between them in the test's hand; keys and a source for them. Include after cmocka.h. */
#ifndef REEVE_TESTS_TLS_UTIL_H
#define REEVE_TESTS_TLS_UTIL_H

#include <stdio.h>
#include <stdlib.h>

#include "tls/tls_int.h"

enum { PSKS = 8 };

struct known { struct slice identity; struct key_ref *key; usec expires; };

struct source {
	struct known known[PSKS];
	bool again;                 /* answer RC_AGAIN, and keep the tickets */
	struct tls_hold *ticket[64];
	unsigned tickets, asked, refused_tickets, permits;
	bool deny;
};

struct end {
	struct tls *t;
	struct buf out;
	unsigned woken;
};

struct pair { struct end client, server; };

static struct loop test_loop;
static char why[TLS_WHY_MAX];

static inline struct key_ref *key_of(enum key_alg alg, const void *p, size_t n)
{
	const struct key_spec spec = { .alg = alg };
	struct key_ref *key;

	if (secenv_import(NULL, KEY_BYTES, slice_of(p, n), &spec, &key, why) != RC_OK)
		fail_msg("%s", why);
	return key;
}

static inline struct key_ref *psk_of(char fill, size_t n)
{
	char bytes[80];

	memset(bytes, fill, sizeof(bytes));
	return key_of(ALG_TLS_PSK, bytes, n);
}

static inline struct key_ref *ec_key(void)
{
	const struct key_spec spec = { .alg = ALG_TLS_ES256 };
	struct key_ref *key;

	if (secenv_generate(NULL, &spec, &key, why) != RC_OK)
		fail_msg("%s", why);
	return key;
}

static inline enum reeve_rc source_psk(void *ctx, struct slice identity, struct tls_hold *ticket, struct key_ref **key, usec *expires)
{
	struct source *s = ctx;

	s->asked++;
	if (s->again && !ticket)
		s->refused_tickets++;
	if (s->again && ticket)
		s->ticket[s->tickets++ % 64] = ticket;
	if (s->again)
		return RC_AGAIN;
	for (int i = 0; i < PSKS; i++)
		if (s->known[i].key && slice_eq(s->known[i].identity, identity)) {
			*key = key_get(s->known[i].key);
			*expires = s->known[i].expires;
			return RC_OK;
		}
	return RC_NOTFOUND;
}

static inline bool source_permit(void *ctx, const struct tls_peer *p)
{
	struct source *s = ctx;

	s->permits++;
	return !s->deny;
}

static inline void woken(void *owner)
{
	((struct end *)owner)->woken++;
	uv_stop(&test_loop.uv);
}

static inline struct tls_options listener_options(struct source *s)
{
	return (struct tls_options){ .psk = true, .handshake_time = 10 * USEC_S, .hold_time = 10 * USEC_S, .held = 4,
				     .source = { s, source_psk, source_permit } };
}

static inline struct tls_setup *setup_of(const struct tls_options *o)
{
	struct tls_setup *s;

	if (tls_setup_new(o, &s, why) != RC_OK)
		fail_msg("%s", why);
	return s;
}

static inline void end_open(struct end *e, struct tls_setup *s, const struct tls_want *want)
{
	*e = (struct end){ 0 };
	buf_init(&e->out, 1 << 20);
	e->t = tls_new(s, &test_loop, want, woken, e);
	assert_non_null(e->t);
}

static inline void end_close(struct end *e)
{
	tls_free(e->t);
	e->t = NULL;
	buf_free(&e->out);
}

/* What `from` has to say goes to `to`. Returns whether there was something. */
static inline bool carry(struct end *from, struct end *to, bool datagram)
{
	struct slice left = buf_view(&from->out), one;
	const bool some = left.n > 0;

	if (!datagram)
		tls_input(to->t, left.p, left.n, &to->out);
	else
		while (tls_datagram(&left, &one))
			tls_input(to->t, one.p, one.n, &to->out);
	buf_clear(&from->out);
	return some;
}

static inline void pump(struct pair *p, bool datagram)
{
	bool some = true;

	while (some) {
		some = carry(&p->client, &p->server, datagram);
		some |= carry(&p->server, &p->client, datagram);
	}
}

static inline void pair_open(struct pair *p, struct tls_setup *client, struct tls_setup *server, const struct tls_want *want)
{
	end_open(&p->client, client, want);
	end_open(&p->server, server, NULL);
	tls_input(p->client.t, NULL, 0, &p->client.out);
}

static inline void pair_close(struct pair *p)
{
	end_close(&p->client);
	end_close(&p->server);
	uv_run(&test_loop.uv, UV_RUN_NOWAIT);
}

static inline void turn(void) { uv_run(&test_loop.uv, UV_RUN_NOWAIT); }

#endif
