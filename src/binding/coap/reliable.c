/* SPDX-License-Identifier: Apache-2.0 */
/* Confirmable messages that wait for their acknowledgement, and requests that may come again (RFC 7252 4.2, 4.5).
 *
 * A Retrieve that is answered at once is not remembered: doing it again is the same. Everything else runs once for each message id. */
#include <stdlib.h>

#include "base/rand.h"
#include "binding/coap/endpoint_int.h"

struct coap_unacked {
	struct coap_due due;         /* first */
	struct coap_unacked *next;
	struct coap_peer *peer;
	struct coap_call *call;      /* NULL: an answer */
	uint64_t span;
	unsigned sent;
	uint16_t mid;
	size_t n;
	char bytes[];
};

void coap_send_empty(struct coap_peer *p, enum coap_type type, uint16_t mid)
{
	struct buf b;

	buf_init(&b, 64);
	coap_write_empty(&b, type, mid);
	coap_send_once(p, buf_view(&b));
	buf_free(&b);
}

uint16_t coap_next_mid(struct coap_peer *p) { return ++p->mid; }

/* --- acknowledgements --- */

static void drop(struct coap_unacked *u)
{
	struct coap_peer *p = u->peer;
	struct coap_unacked **at = &p->unacked;

	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	p->n_unacked--;
	p->endpoint->n_unacked--;
	coap_due_cancel(&u->due);
	free(u);
	coap_peer_put(p);
}

static void give_up(struct coap_unacked *u)
{
	struct coap_endpoint *e = u->peer->endpoint;
	struct coap_call *call = u->call;

	metrics_inc(&e->core->metrics, coap_unacknowledged);
	drop(u);
	if (call && e->on->lost)
		e->on->lost(call);
}

static void again(struct coap_due *d)
{
	struct coap_unacked *u = (struct coap_unacked *)d;
	struct coap_endpoint *e = u->peer->endpoint;

	if (u->sent > COAP_RETRANSMIT) {
		give_up(u);
		return;
	}
	u->sent++;
	u->span *= 2;
	metrics_inc(&e->core->metrics, coap_retransmitted);
	coap_send_once(u->peer, slice_of(u->bytes, u->n));
	coap_due_at(e, d, uv_now(&e->loop->uv) + u->span);
}

bool coap_send_confirmed(struct coap_peer *p, struct slice message, uint16_t mid, struct coap_call *call)
{
	struct coap_endpoint *e = p->endpoint;
	struct coap_unacked *u;

	if (p->gone || e->closing || (!call && p->n_unacked >= COAP_UNACKED_EACH) || e->n_unacked >= COAP_UNACKED_MOST)
		return false;
	u = malloc(sizeof(*u) + message.n);
	if (!u)
		return false;
	*u = (struct coap_unacked){ .due.fn = again, .next = p->unacked, .peer = p, .call = call, .mid = mid, .n = message.n, .sent = 1,
				    .span = COAP_ACK_MS + rand_u64() % (COAP_ACK_MS / 2) };
	memcpy(u->bytes, message.p, message.n);
	p->unacked = u;
	p->n_unacked++;
	e->n_unacked++;
	coap_peer_get(p);
	coap_send_once(p, message);
	coap_due_at(e, &u->due, uv_now(&e->loop->uv) + u->span);
	return true;
}

void coap_answered(struct coap_peer *p, const struct coap_message *m)
{
	const struct coap_handler *on = p->endpoint->on;
	struct coap_unacked *u = p->unacked;
	struct coap_call *call;

	while (u && u->mid != m->mid)
		u = u->next;
	if (!u)
		return;
	call = u->call;
	drop(u);
	if (call && m->type == COAP_RST && on->lost)
		on->lost(call);
	else if (call && m->code == COAP_EMPTY && on->acknowledged)
		on->acknowledged(call);
}

void coap_unack_call(struct coap_peer *p, const struct coap_call *call)
{
	for (struct coap_unacked *u = p->unacked, *next; u; u = next) {
		next = u->next;
		if (u->call == call)
			drop(u);
	}
}

/* Without telling: who asks for it knows. */
void coap_unack_all(struct coap_peer *p)
{
	coap_peer_get(p);
	while (p->unacked)
		drop(p->unacked);
	p->refs--;
}

void coap_lose_all(struct coap_peer *p)
{
	coap_peer_get(p);
	for (unsigned n = p->n_unacked; n && p->unacked; n--) /* what is begun meanwhile has its own fate */
		give_up(p->unacked);
	coap_peer_put(p);
}

/* --- repetitions --- */

static struct coap_recent *recent_of(struct coap_peer *p, uint16_t mid)
{
	const uint64_t now = uv_now(&p->endpoint->loop->uv);

	for (unsigned i = 0; p->recent && i < COAP_RUNNING_MOST; i++) {
		struct coap_recent *r = &p->recent[i];
		if (r->when && r->mid == mid && (r->running || now - r->when < COAP_EXCHANGE_MS))
			return r;
	}
	return NULL;
}

static void forget(struct coap_peer *p, struct coap_recent *r)
{
	p->endpoint->remembered -= r->reply.n;
	free((char *)r->reply.p);
	*r = (struct coap_recent){ 0 };
}

void coap_forget_all(struct coap_peer *p)
{
	for (unsigned i = 0; p->recent && i < COAP_RUNNING_MOST; i++)
		forget(p, &p->recent[i]);
	free(p->recent);
	p->recent = NULL;
}

bool coap_repeated(struct coap_peer *p, const struct coap_message *m)
{
	const struct coap_recent *r = recent_of(p, m->mid);

	if (!r)
		return false;
	metrics_inc(&p->endpoint->core->metrics, coap_repeated);
	if (r->reply.n)
		coap_send_once(p, r->reply);
	else if (m->type == COAP_CON)
		coap_send_empty(p, COAP_ACK, m->mid);
	return true;
}

/* In place of the oldest that is through. */
struct coap_recent *coap_remember(struct coap_peer *p, uint16_t mid)
{
	const uint64_t now = uv_now(&p->endpoint->loop->uv);
	struct coap_recent *at = NULL;

	if (!p->recent && !(p->recent = calloc(COAP_RUNNING_MOST, sizeof(*p->recent))))
		return NULL;
	for (unsigned i = 0; i < COAP_RUNNING_MOST; i++)
		if (!p->recent[i].running && (!at || p->recent[i].when < at->when))
			at = &p->recent[i];
	if (!at)
		return NULL;
	forget(p, at);
	*at = (struct coap_recent){ .when = now ? now : 1, .mid = mid, .running = true };
	return at;
}

void coap_remember_reply(struct coap_peer *p, uint16_t mid, struct slice reply)
{
	struct coap_recent *r = recent_of(p, mid);
	char *copy;

	if (!r)
		return;
	r->running = false;
	if (reply.n && (copy = malloc(reply.n))) {
		memcpy(copy, reply.p, reply.n);
		r->reply = slice_of(copy, reply.n);
		p->endpoint->remembered += reply.n;
	}
}
