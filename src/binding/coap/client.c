/* SPDX-License-Identifier: Apache-2.0 */
/* A call goes through messages, each confirmable: blocks of its request, then requests for the blocks of its answer. A response is ours
 * when peer and token are; every message of a call has the same token, drawn anew for each call (RFC 7252 5.3.1). */
#include "binding/coap/client.h"

#include <string.h>

#include "base/rand.h"
#include "binding/coap/map.h"

static void pump(struct coap_peer *p);

/* --- the end of a call --- */

static void unlink_call(struct coap_call *c)
{
	struct coap_peer *p = c->peer;
	struct coap_call **at = &p->calls;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (p->calls_end == &c->next)
		p->calls_end = at;
	coap_unack_call(p, c);
	coap_due_cancel(&c->due);
}

static void conclude(struct coap_call *c, int status, const struct coap_message *m)
{
	struct coap_peer *p = c->peer;
	struct coap_answer a = { .status = status, .message = m, .body = buf_view(&c->body) };
	struct buf options = c->options, payload = c->payload, body = c->body;

	unlink_call(c);
	c->done(c, &a); /* frees the call */
	buf_free(&options);
	buf_free(&payload);
	buf_free(&body);
	pump(p);
	coap_peer_put(p);
}

static void timed_out(struct coap_due *d)
{
	struct coap_call *c = (struct coap_call *)((char *)d - offsetof(struct coap_call, due));

	/* never heard of: nobody is there; else it takes too long */
	conclude(c, c->acknowledged ? 1 : 0, NULL);
}

/* --- sending --- */

/* The next message of the call: a block of the request, or one that asks for a block of the answer. */
static void send_message(struct coap_call *c)
{
	const uint16_t mid = coap_next_mid(c->peer);
	const bool blocks = !c->receiving && c->payload.n > c->block1.size;
	struct slice part = c->receiving ? slice_of(NULL, 0) : buf_view(&c->payload);
	struct coap_writer w;
	struct buf b;

	buf_init(&b, c->options.n + 2 * COAP_DATAGRAM_MAX);
	if (blocks) {
		part = slice_skip(part, (size_t)c->block1.num * c->block1.size);
		c->block1.more = part.n > c->block1.size;
		if (c->block1.more)
			part.n = c->block1.size;
	}
	coap_write_begin(&w, &b, COAP_CON, c->method, mid, slice_of(c->token, sizeof(c->token)));
	coap_map_with_blocks(&b, buf_view(&c->options), c->receiving ? &c->block2 : NULL, blocks ? &c->block1 : NULL);
	coap_write_payload(&w, part);
	c->unacked = true;
	if (b.failed || b.n > COAP_DATAGRAM_MAX || !coap_send_confirmed(c->peer, buf_view(&b), mid, c))
		coap_due_at(c->peer->endpoint, &c->due, 1); /* nobody will be reached: concluded in a turn of its own */
	buf_free(&b);
}

/* The next call of this peer, unless one waits for its acknowledgement. */
static void pump(struct coap_peer *p)
{
	struct coap_call *c;

	if (p->gone || (p->endpoint->dtls && !p->opened))
		return;
	for (c = p->calls; c; c = c->next)
		if (c->unacked)
			return;
	for (c = p->calls; c && c->active; c = c->next)
		;
	if (!c)
		return;
	c->active = true;
	send_message(c);
}

void coap_call(struct coap_peer *p, struct coap_call *c)
{
	struct coap_endpoint *e = p->endpoint;
	const uint64_t ms = c->timeout > USEC_MS ? (uint64_t)(c->timeout / USEC_MS) : 1;

	c->peer = p;
	c->next = NULL;
	c->due = (struct coap_due){ .fn = timed_out };
	c->block1 = c->block2 = (struct coap_block){ .size = coap_block_fitting(COAP_BLOCK_MAX, c->options.n) };
	c->active = c->unacked = c->acknowledged = c->receiving = c->has_etag = false;
	rand_bytes(c->token, sizeof(c->token));
	buf_init(&c->body, c->body_max);
	coap_due_at(e, &c->due, uv_now(&e->loop->uv) + ms);
	coap_peer_get(p);
	*p->calls_end = c;
	p->calls_end = &c->next;
	pump(p);
}

/* --- answers --- */

static struct coap_call *call_of(struct coap_peer *p, struct slice token)
{
	struct coap_call *c = p->calls;

	while (c && !(c->active && slice_eq(slice_of(c->token, sizeof(c->token)), token)))
		c = c->next;
	return c;
}

/* The answer to a block of the request that is not the last one. True: the call goes on. */
static bool request_goes_on(struct coap_call *c, const struct coap_message *m)
{
	struct coap_block told;
	const int has = coap_block_get(m, OPT_BLOCK1, &told);
	size_t sent = ((size_t)c->block1.num + 1) * c->block1.size;

	if (c->receiving || c->payload.n <= c->block1.size)
		return false;
	if (m->code == COAP_CODE(4, 13) && has > 0 && told.size < c->block1.size) { /* smaller ones, from the start (RFC 7959 2.9.3) */
		c->block1 = (struct coap_block){ .size = told.size };
		return true;
	}
	if (m->code != COAP_CONTINUE || !c->block1.more)
		return false;
	if (has > 0 && told.size < c->block1.size)
		c->block1.size = told.size;
	c->block1.num = (uint32_t)(sent / c->block1.size);
	return true;
}

/* Puts a block of the answer to its place. 1: there are more; 0: that was all; -1: it makes no sense. */
static int answer_goes_on(struct coap_call *c, const struct coap_message *m)
{
	struct coap_block told;
	const int has = coap_block_get(m, OPT_BLOCK2, &told);
	struct slice etag = { NULL, 0 };
	const bool tagged = coap_find(m, OPT_ETAG, &etag);

	if (has < 0 || etag.n > sizeof(c->etag_room))
		return -1;
	if (!has)
		told = (struct coap_block){ .size = COAP_BLOCK_MAX };
	if ((size_t)told.num * told.size != c->body.n || (told.more && m->payload.n != told.size))
		return -1;
	if (c->receiving && (tagged != c->has_etag || !slice_eq(etag, c->etag)))
		return -1; /* it is another one by now */
	buf_slice(&c->body, m->payload);
	if (c->body.failed)
		return -1;
	c->has_etag = tagged;
	if (etag.n)
		memcpy(c->etag_room, etag.p, etag.n);
	c->etag = slice_of(c->etag_room, etag.n);
	c->receiving = true;
	c->block2 = (struct coap_block){ .num = told.num + 1, .size = told.size };
	return told.more;
}

static void on_response(struct coap_endpoint *e, struct coap_peer *p, const struct coap_message *m)
{
	struct coap_call *c = call_of(p, m->token);
	struct buf b;
	int more;

	if (m->type == COAP_CON) {
		buf_init(&b, 64);
		coap_write_empty(&b, c ? COAP_ACK : COAP_RST, m->mid);
		coap_send_once(p, buf_view(&b));
		buf_free(&b);
	}
	if (!c)
		return;
	coap_unack_call(p, c); /* its acknowledgement may have been lost */
	c->unacked = false;
	c->acknowledged = true;
	if (request_goes_on(c, m)) {
		send_message(c);
		return;
	}
	more = m->code == COAP_CONTINUE ? -1 : answer_goes_on(c, m);
	if (more > 0)
		send_message(c);
	else
		conclude(c, more < 0 ? 0 : 2, m);
}

static void on_request(struct coap_endpoint *e, struct coap_peer *p, const struct coap_message *m)
{
	struct buf b;

	if (m->type != COAP_CON)
		return;
	buf_init(&b, 64);
	coap_write_empty(&b, COAP_RST, m->mid); /* requests go to the listener */
	coap_send_once(p, buf_view(&b));
	buf_free(&b);
}

static void on_acknowledged(struct coap_call *c)
{
	c->unacked = false;
	c->acknowledged = true;
	pump(c->peer);
}

static void on_lost(struct coap_call *c) { conclude(c, 0, NULL); }

static void on_ended(struct coap_peer *p)
{
	coap_peer_get(p);
	while (p->calls)
		conclude(p->calls, 0, NULL);
	coap_peer_put(p);
}

const struct coap_handler coap_client_handler = { .request = on_request, .response = on_response, .acknowledged = on_acknowledged,
						  .lost = on_lost, .opened = pump, .ended = on_ended };

void coap_calls_stop(struct coap_endpoint *e)
{
	for (struct coap_peer *p = e->ring.newer, *next; p != &e->ring; p = next) {
		coap_peer_get(p);
		while (p->calls)
			conclude(p->calls, 0, NULL);
		next = p->newer;
		coap_peer_put(p);
	}
}
