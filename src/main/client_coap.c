/* SPDX-License-Identifier: Apache-2.0 */
/* CoAP, in clear or over DTLS: one exchange at a time, each message confirmable and sent again until it is acknowledged (RFC 7252 4.2),
 * larger contents in blocks (RFC 7959). The session of DTLS lasts from the first request to the last.
 *
 * Notifications come as requests to a socket of its own, in clear, where they are answered at once; one transfer in blocks at a time. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rand.h"
#include "binding/coap/map.h"
#include "main/client_int.h"

enum { TRIES = 5 };
static const usec first_pause = 2 * USEC_S;

struct client_link {
	struct wire wire;
	uint16_t mid;
	char token[COAP_TOKEN_MAX];
	char room[COAP_DATAGRAM_MAX]; /* the message that came last */
	/* notifications */
	int listener;            /* -1: none */
	struct buf body;         /* as far as it came in blocks */
	struct sockaddr_storage last_from; /* of the request answered last, */
	uint16_t last_mid;
	struct buf last_reply;   /* and with what */
};

/* One request under way. */
struct call {
	struct buf options, payload, body;
	struct coap_block block1, block2;
	uint8_t method;
	bool receiving;          /* a part of the answer is here */
};

static void end(struct client *c)
{
	struct client_link *k = c->link;

	wire_close(&k->wire);
	if (k->listener >= 0)
		close(k->listener);
	buf_free(&k->body);
	buf_free(&k->last_reply);
	free(k);
	c->link = NULL;
}

static struct client_link *link_of(struct client *c, char why[CLIENT_WHY_MAX])
{
	if (c->link)
		return c->link;
	if (!(c->link = calloc(1, sizeof(*c->link)))) {
		snprintf(why, CLIENT_WHY_MAX, "out of memory");
		return NULL;
	}
	c->link->wire.fd = c->link->listener = -1;
	c->link->mid = (uint16_t)rand_u64();
	buf_init(&c->link->body, 16 << 20);
	buf_init(&c->link->last_reply, COAP_DATAGRAM_MAX);
	return c->link;
}

/* --- one message and its answer --- */

static void send_empty(struct client_link *k, enum coap_type type, uint16_t mid)
{
	char unsent[CLIENT_WHY_MAX];
	struct buf b;

	buf_init(&b, 64);
	coap_write_empty(&b, type, mid);
	if (wire_send(&k->wire, buf_view(&b), unsent) != RC_OK)
		k->wire.until = 0; /* it is sent again when its cause comes again */
	buf_free(&b);
}

/* What one datagram means for the message that waits. RC_AGAIN: go on waiting. */
static enum reeve_rc judge(struct client_link *k, size_t n, bool *acknowledged, struct coap_message *m, char why[CLIENT_WHY_MAX])
{
	if (n == 0 && k->wire.tls && tls_state(k->wire.tls) != TLS_OPEN) {
		snprintf(why, CLIENT_WHY_MAX, "the security association has ended");
		return RC_IO;
	}
	if (coap_parse(slice_of(k->room, n), m) != COAP_OK)
		return RC_AGAIN;
	if (m->mid == k->mid && m->type == COAP_RST) {
		snprintf(why, CLIENT_WHY_MAX, "the message was refused (reset): is this a CSE?");
		return RC_IO;
	}
	*acknowledged |= m->mid == k->mid && m->type == COAP_ACK;
	if (coap_is_response(m->code) && slice_eq(m->token, slice_of(k->token, sizeof(k->token)))) {
		if (m->type == COAP_CON)
			send_empty(k, COAP_ACK, m->mid);
		return RC_OK;
	}
	if (m->type == COAP_CON)
		send_empty(k, COAP_RST, m->mid);
	return RC_AGAIN;
}

/* Send until it is acknowledged, then wait for the answer. */
static enum reeve_rc exchange(struct client_link *k, struct slice message, usec deadline, struct coap_message *m, char why[CLIENT_WHY_MAX])
{
	usec pause = first_pause, again = 0;
	bool acknowledged = false;
	enum reeve_rc rc;
	size_t n;

	for (unsigned tries = 0; clock_mono() < deadline;) {
		if (!acknowledged && clock_mono() >= again) {
			if (tries++ == TRIES)
				break;
			k->wire.until = deadline;
			if ((rc = wire_send(&k->wire, message, why)) != RC_OK)
				return rc;
			again = clock_mono() + pause;
			pause *= 2;
		}
		k->wire.until = acknowledged || deadline < again ? deadline : again;
		rc = wire_receive(&k->wire, k->room, sizeof(k->room), &n, why);
		if (rc == RC_OK)
			rc = judge(k, n, &acknowledged, m, why);
		if (rc != RC_AGAIN)
			return rc;
	}
	snprintf(why, CLIENT_WHY_MAX, acknowledged ? "no answer in time" : "nobody answers there");
	return RC_IO;
}

/* --- a request in blocks, an answer in blocks --- */

static void write_message(struct client_link *k, struct call *x, struct buf *b)
{
	const bool blocks = !x->receiving && x->payload.n > x->block1.size;
	struct slice part = x->receiving ? S("") : buf_view(&x->payload);
	struct coap_writer w;

	if (blocks) {
		part = slice_skip(part, (size_t)x->block1.num * x->block1.size);
		x->block1.more = part.n > x->block1.size;
		if (x->block1.more)
			part.n = x->block1.size;
	}
	coap_write_begin(&w, b, COAP_CON, x->method, ++k->mid, slice_of(k->token, sizeof(k->token)));
	coap_map_with_blocks(b, buf_view(&x->options), x->receiving ? &x->block2 : NULL, blocks ? &x->block1 : NULL);
	coap_write_payload(&w, part);
}

/* What the peer says to a block of the request. True: the next one is to be sent. */
static bool next_of_request(struct call *x, const struct coap_message *m)
{
	size_t sent = ((size_t)x->block1.num + 1) * x->block1.size;
	struct coap_block told;
	bool smaller = coap_block_get(m, OPT_BLOCK1, &told) > 0 && told.size < x->block1.size;

	if (x->receiving || x->payload.n <= x->block1.size)
		return false;
	if (m->code == COAP_CODE(4, 13) && smaller) { /* from the start */
		x->block1 = (struct coap_block){ .size = told.size };
		return true;
	}
	if (m->code != COAP_CONTINUE || !x->block1.more)
		return false;
	if (smaller)
		x->block1.size = told.size;
	x->block1.num = (uint32_t)(sent / x->block1.size);
	return true;
}

/* Puts a block of the answer to its place. RC_AGAIN: the next one is to be asked for. */
static enum reeve_rc next_of_answer(struct call *x, const struct coap_message *m, char why[CLIENT_WHY_MAX])
{
	struct coap_block told = { .size = COAP_BLOCK_MAX };
	int has = coap_block_get(m, OPT_BLOCK2, &told);

	if (has < 0 || (size_t)told.num * told.size != x->body.n || (has && told.more && m->payload.n != told.size)) {
		snprintf(why, CLIENT_WHY_MAX, "the blocks of the answer do not fit together: it may have changed meanwhile");
		return RC_IO;
	}
	buf_slice(&x->body, m->payload);
	if (x->body.failed) {
		snprintf(why, CLIENT_WHY_MAX, "the answer is longer than this client takes");
		return RC_IO;
	}
	x->receiving = true;
	x->block2 = (struct coap_block){ .num = told.num + 1, .size = told.size };
	return has && told.more ? RC_AGAIN : RC_OK;
}

static enum reeve_rc transfer(struct client_link *k, struct call *x, usec deadline, struct coap_message *m, char why[CLIENT_WHY_MAX])
{
	enum reeve_rc rc = RC_AGAIN;
	struct buf b;

	x->block1 = (struct coap_block){ .size = coap_block_fitting(COAP_BLOCK_MAX, x->options.n) };
	rand_bytes(k->token, sizeof(k->token));
	buf_init(&b, COAP_DATAGRAM_MAX);
	while (rc == RC_AGAIN) {
		buf_clear(&b);
		write_message(k, x, &b);
		if (b.failed) {
			snprintf(why, CLIENT_WHY_MAX, "the parameters of the request are too long for CoAP");
			rc = RC_INVALID;
			break;
		}
		rc = exchange(k, buf_view(&b), deadline, m, why);
		if (rc == RC_OK)
			rc = next_of_request(x, m) ? RC_AGAIN : next_of_answer(x, m, why);
	}
	buf_free(&b);
	return rc;
}

static enum reeve_rc take_answer(const struct call *x, const struct coap_message *m, enum op op, struct client_answer *out,
				 char why[CLIENT_WHY_MAX])
{
	enum reeve_rc rc = RC_OK;
	struct arena a;
	struct buf json;
	struct rsp rsp;

	arena_init(&a, NULL, 0, out->body.max);
	buf_init(&json, out->body.max);
	if (coap_map_received(&rsp, m, buf_view(&x->body), op, &a, &json)) {
		client_take_answer(out, &rsp);
	} else {
		snprintf(why, CLIENT_WHY_MAX, "the answer has a critical option that is not known");
		rc = RC_IO;
	}
	buf_free(&json);
	arena_reset(&a);
	return rc;
}

static enum reeve_rc call(struct client *c, const struct client_request *q, struct client_answer *out, char why[CLIENT_WHY_MAX])
{
	const usec deadline = clock_mono() + c->timeout;
	struct client_link *k = link_of(c, why);
	struct call x = { .receiving = false };
	enum reeve_rc rc = k ? RC_OK : RC_NOMEM;
	struct req *r = NULL;
	struct coap_message m;
	struct send s;

	buf_init(&x.options, COAP_DATAGRAM_MAX);
	buf_init(&x.payload, 64 << 20);
	buf_init(&x.body, c->max_answer);
	if (k)
		rc = client_primitive(c, q, &r, &s, why);
	if (rc == RC_OK) {
		x.method = coap_map_send(&s, slice_str(c->host), S(""), &x.options, &x.payload);
		if (x.options.failed) {
			snprintf(why, CLIENT_WHY_MAX, "a parameter is longer than CoAP can carry (255 bytes)");
			rc = RC_INVALID;
		}
	}
	if (rc == RC_OK && k->wire.fd < 0 && (rc = wire_open(&k->wire, c, true, why)) != RC_OK)
		wire_close(&k->wire);
	if (rc == RC_OK)
		rc = transfer(k, &x, deadline, &m, why);
	if (rc == RC_OK)
		rc = take_answer(&x, &m, q->op, out, why);
	client_primitive_free(r);
	buf_free(&x.options);
	buf_free(&x.payload);
	buf_free(&x.body);
	return rc;
}

/* --- notifications --- */

static enum reeve_rc listen_here(struct client *c, struct buf *target, char why[CLIENT_WHY_MAX])
{
	struct client_link *k = link_of(c, why);
	uint16_t port = c->listen_port;

	if (!k || (k->listener = client_socket(c->listen, &port, true, why)) < 0)
		return k ? RC_IO : RC_NOMEM;
	buf_printf(target, strchr(c->listen, ':') ? "coap://[%s]:%u/" : "coap://%s:%u/", c->listen, port);
	return RC_OK;
}

static int listening(const struct client *c) { return c->link->listener; }

/* The whole request: what it says is told, the answer's options and code go into the message. */
static uint8_t notified(struct client *c, const struct coap_message *m, struct buf *options)
{
	struct client_link *k = c->link;
	struct req *r = calloc(1, sizeof(*r));
	uint8_t code = COAP_CODE(5, 0);
	struct slice payload;
	struct buf tmp;

	if (!r)
		return code;
	buf_init(&tmp, 1 << 20);
	req_init(r, NULL, 16 << 20, 16 << 20);
	if (coap_map_request(r, m, buf_view(&k->body), &json_default_limits, &code)) {
		r->rsc = r->op != OP_NOTIFY ? 4005 : r->pc.p ? 2000 : 4000; /* without a path, To is missing, as it may be here */
		if (r->rsc == 2000 && c->told)
			c->told(c->told_ctx, r->pc);
		code = coap_map_answer(r, options, &tmp, &payload);
	}
	req_free(r);
	free(r);
	buf_free(&tmp);
	return code;
}

/* A message of a request, maybe with a block of it: the code to answer with. */
static uint8_t take_block(struct client *c, const struct coap_message *m, struct buf *options)
{
	struct client_link *k = c->link;
	struct coap_block block = { .size = COAP_BLOCK_MAX };
	struct coap_writer w;
	int has = coap_block_get(m, OPT_BLOCK1, &block);
	uint8_t code;

	if (!block.num)
		buf_clear(&k->body);
	if (has < 0 || (size_t)block.num * block.size != k->body.n)
		return COAP_CODE(4, 8);
	buf_slice(&k->body, m->payload);
	if (k->body.failed)
		return COAP_CODE(4, 13);
	if (has && block.more) {
		coap_write_options(&w, options);
		coap_write_block(&w, OPT_BLOCK1, &block);
		return COAP_CONTINUE;
	}
	code = notified(c, m, options);
	return code;
}

static void answer(struct client *c, const struct coap_message *m, const struct sockaddr_storage *from, socklen_t len)
{
	struct client_link *k = c->link;
	struct coap_block block1;
	bool blocks = coap_block_get(m, OPT_BLOCK1, &block1) > 0;
	struct coap_writer w;
	struct buf options;
	uint8_t code;

	if (!k->last_reply.n || k->last_mid != m->mid || memcmp(&k->last_from, from, len) != 0) {
		buf_init(&options, COAP_DATAGRAM_MAX);
		code = take_block(c, m, &options);
		buf_clear(&k->last_reply);
		coap_write_begin(&w, &k->last_reply, m->type == COAP_CON ? COAP_ACK : COAP_NON, code, m->mid, m->token);
		coap_map_with_blocks(&k->last_reply, buf_view(&options), NULL, blocks && code != COAP_CONTINUE ? &block1 : NULL);
		buf_free(&options);
		k->last_mid = m->mid;
		k->last_from = *from;
	}
	if (sendto(k->listener, k->last_reply.p, k->last_reply.n, MSG_DONTWAIT, (const struct sockaddr *)from, len) < 0)
		return; /* the peer asks again */
}

static enum reeve_rc hear(struct client *c, char why[CLIENT_WHY_MAX])
{
	struct client_link *k = c->link;

	for (;;) {
		struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
		socklen_t len = sizeof(from);
		struct coap_message m;
		ssize_t n = recvfrom(k->listener, k->room, sizeof(k->room), MSG_DONTWAIT, (struct sockaddr *)&from, &len);

		if (n < 0)
			return RC_OK; /* nothing is there now */
		if (coap_parse(slice_of(k->room, (size_t)n), &m) == COAP_OK && coap_is_request(m.code))
			answer(c, &m, &from, len);
	}
}

const struct client_protocol client_over_coap = { .call = call, .close = end, .listen = listen_here, .listening = listening, .hear = hear };
