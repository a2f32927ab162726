/* SPDX-License-Identifier: Apache-2.0 */
/* A handshake that waits for its key. A ticket is all that the source keeps: it belongs to the source until tls_hold_end, then travels to
 * the session's loop as a message. The session may end meanwhile; then the ticket finds nobody. */
#include <stdlib.h>

#include "tls/tls_int.h"

struct tls_hold {
	struct loop_msg msg;
	struct loop *loop;
	struct tls *t;           /* on the loop only; NULL: gone */
	enum reeve_rc rc;
	struct key_ref *key;
	usec expires;
};

/* One more may be held. */
static bool reserve(struct tls_setup *s)
{
	if (atomic_fetch_add_explicit(&s->counts.holding, 1, memory_order_relaxed) < s->o.held)
		return true;
	atomic_fetch_sub_explicit(&s->counts.holding, 1, memory_order_relaxed);
	return false;
}

static void release(struct tls_setup *s) { atomic_fetch_sub_explicit(&s->counts.holding, 1, memory_order_relaxed); }

/* The source's answer about t->identity. */
static void answer(struct tls *t, enum reeve_rc rc, struct key_ref *key, usec expires)
{
	t->asked = true;
	if (rc == RC_OK && key && key_info(key)->alg == ALG_TLS_PSK && (!expires || expires > clock_wall())) {
		t->psk = key;
		t->psk_expires = expires;
	} else {
		key_put(key);
	}
}

enum reeve_rc hold_ask(struct tls *t)
{
	struct tls_setup *s = t->setup;
	const bool may = reserve(s);
	struct tls_hold *ticket = may ? calloc(1, sizeof(*ticket)) : NULL;
	struct key_ref *key = NULL;
	usec expires = 0;
	enum reeve_rc rc;

	if (ticket)
		*ticket = (struct tls_hold){ .loop = t->loop, .t = t };
	rc = s->o.source.psk(s->o.source.ctx, t->identity, ticket, &key, &expires);
	if (rc == RC_AGAIN && ticket) {
		t->hold = ticket;
		atomic_fetch_add_explicit(&s->counts.held, 1, memory_order_relaxed);
		return RC_AGAIN;
	}
	if (may)
		release(s);
	free(ticket);
	if (rc == RC_AGAIN) {
		atomic_fetch_add_explicit(&s->counts.hold_limit, 1, memory_order_relaxed);
		return RC_LIMIT;
	}
	answer(t, rc, rc == RC_OK ? key : NULL, expires);
	return RC_OK;
}

void hold_leave(struct tls *t)
{
	if (!t->hold)
		return;
	t->hold->t = NULL;
	t->hold = NULL;
	release(t->setup);
}

static void arrived(struct loop *to, struct loop_msg *m)
{
	struct tls_hold *ticket = (struct tls_hold *)m;
	struct tls *t = ticket->t;
	const struct tls_hold got = *ticket;

	free(ticket);
	if (!t) {
		key_put(got.key);
		return;
	}
	t->hold = NULL;
	release(t->setup);
	answer(t, got.rc, got.key, got.expires);
	t->woken(t->owner);
}

void tls_hold_end(struct tls_hold *ticket, enum reeve_rc rc, struct key_ref *key, usec expires)
{
	if (!ticket) {
		key_put(key);
		return;
	}
	ticket->rc = rc;
	ticket->key = rc == RC_OK ? key : NULL;
	if (rc != RC_OK)
		key_put(key);
	ticket->expires = expires;
	ticket->msg.fn = arrived;
	loop_post(ticket->loop, &ticket->msg);
}
