/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket (TS-0020): one connection for all requests of the command, and for the notifications, which come over it as requests. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "binding/ws/frames.h"
#include "binding/ws/handshake.h"
#include "main/client_int.h"

struct client_link {
	struct wire wire;
	struct ws_frames frames;
	struct client *client;
	/* the request under way */
	const char *rqi;         /* NULL: none, or it is answered */
	struct client_answer *out;
};

static void on_message(void *owner, struct slice text)
{
	struct client_link *k = owner;
	struct buf reply;

	buf_init(&reply, 1 << 20);
	if (client_primitive_came(k->client, text, k->rqi, k->out, &reply))
		k->rqi = NULL;
	if (reply.n && (reply.failed || ws_frames_send(&k->frames, buf_view(&reply)) != RC_OK))
		ws_frames_close(&k->frames, WS_INTERNAL, "");
	buf_free(&reply);
}

static enum reeve_rc flush(struct client_link *k, char why[CLIENT_WHY_MAX])
{
	enum reeve_rc rc = k->frames.out.failed ? RC_NOMEM : wire_send(&k->wire, buf_view(&k->frames.out), why);

	buf_clear(&k->frames.out);
	return rc;
}

/* Bytes of the peer into frames. */
static enum reeve_rc take(struct client_link *k, struct slice s, char why[CLIENT_WHY_MAX])
{
	enum reeve_rc rc;

	if (!k->wire.until) /* that was for what comes */
		k->wire.until = clock_mono() + k->client->timeout;
	ws_frames_read(&k->frames, s.p, s.n);
	rc = flush(k, why);
	if (k->frames.state == WS_OPEN || rc != RC_OK)
		return rc;
	snprintf(why, CLIENT_WHY_MAX, "the WebSocket connection was closed (%u)%s", k->frames.code,
		 k->frames.over ? ": the answer is longer than this client takes" : "");
	return RC_IO;
}

static enum reeve_rc receive(struct client_link *k, char why[CLIENT_WHY_MAX])
{
	char room[16384];
	size_t n;
	enum reeve_rc rc = wire_receive(&k->wire, room, sizeof(room), &n, why);

	if (rc == RC_OK && n == 0) {
		snprintf(why, CLIENT_WHY_MAX, "the connection was closed");
		return RC_IO;
	}
	return rc == RC_OK ? take(k, slice_of(room, n), why) : rc;
}

/* The opening handshake; what comes behind it is frames already. */
static enum reeve_rc upgrade(struct client_link *k, struct client *c, char why[CLIENT_WHY_MAX])
{
	const bool v6 = strchr(c->host, ':') != NULL;
	struct ws_answer a = { .done = false };
	char key[WS_KEY_LEN], host[300], room[4096];
	size_t n = 0, used = 0;
	struct buf b, seen;
	enum reeve_rc rc;

	snprintf(host, sizeof(host), "%s%s%s:%s", v6 ? "[" : "", c->host, v6 ? "]" : "", c->port);
	buf_init(&b, 4096);
	buf_init(&seen, 2 * WS_ANSWER_MOST);
	ws_request(&b, slice_str(host), SERIAL_JSON, key);
	rc = wire_send(&k->wire, buf_view(&b), why);
	while (rc == RC_OK && !a.done) {
		rc = wire_receive(&k->wire, room, sizeof(room), &n, why);
		buf_add(&seen, room, n);
		a = ws_answered(buf_view(&seen), key, &used);
		if (rc == RC_OK && (a.bad || n == 0 || (a.done && a.serial != SERIAL_JSON))) {
			snprintf(why, CLIENT_WHY_MAX, "no WebSocket connection: %s",
				 a.bad ? a.why : n ? "JSON is not spoken" : "it was closed");
			rc = RC_IO;
		}
	}
	if (rc == RC_OK)
		rc = take(k, slice_skip(buf_view(&seen), used), why);
	buf_free(&b);
	buf_free(&seen);
	return rc;
}

static void end(struct client *c)
{
	struct client_link *k = c->link;
	char unheard[CLIENT_WHY_MAX];

	if (k->frames.state == WS_OPEN && k->frames.ws && k->wire.fd >= 0) {
		ws_frames_close(&k->frames, WS_NORMAL, "");
		if (flush(k, unheard) != RC_OK)
			k->wire.until = 0; /* it was a courtesy */
	}
	ws_frames_free(&k->frames);
	wire_close(&k->wire);
	free(k);
	c->link = NULL;
}

static enum reeve_rc begin(struct client *c, char why[CLIENT_WHY_MAX])
{
	struct client_link *k;
	enum reeve_rc rc;

	if (c->link)
		return RC_OK;
	if (!(k = c->link = calloc(1, sizeof(*k)))) {
		snprintf(why, CLIENT_WHY_MAX, "out of memory");
		return RC_NOMEM;
	}
	k->client = c;
	rc = wire_open(&k->wire, c, false, why);
	if (rc == RC_OK && (rc = ws_frames_init(&k->frames, true, false, c->max_answer, on_message, k)) == RC_OK)
		rc = upgrade(k, c, why);
	if (rc != RC_OK)
		end(c);
	return rc;
}

static enum reeve_rc call(struct client *c, const struct client_request *q, struct client_answer *out, char why[CLIENT_WHY_MAX])
{
	char rqi[CLIENT_RQI_LEN + 1];
	enum reeve_rc rc;
	struct buf b;

	buf_init(&b, 64 << 20);
	rc = client_primitive_text(c, q, &b, rqi, why);
	if (rc == RC_OK)
		rc = begin(c, why);
	if (rc == RC_OK) {
		c->link->wire.until = clock_mono() + c->timeout;
		c->link->rqi = rqi;
		c->link->out = out;
		rc = ws_frames_send(&c->link->frames, buf_view(&b));
		if (rc != RC_OK)
			snprintf(why, CLIENT_WHY_MAX, "the connection is closed");
		if (rc == RC_OK)
			rc = flush(c->link, why);
		while (rc == RC_OK && c->link->rqi)
			rc = receive(c->link, why);
		c->link->rqi = NULL;
	}
	buf_free(&b);
	return rc;
}

static enum reeve_rc listen_here(struct client *c, struct buf *target, char why[CLIENT_WHY_MAX])
{
	if (!c->from.n) {
		snprintf(why, CLIENT_WHY_MAX, "--from is needed: notifications come over the connection of who asks");
		return RC_INVALID;
	}
	buf_slice(target, c->from);
	return begin(c, why);
}

static int listening(const struct client *c) { return c->link->wire.fd; }

static enum reeve_rc hear(struct client *c, char why[CLIENT_WHY_MAX])
{
	enum reeve_rc rc;

	do {
		c->link->wire.until = 0;
		rc = receive(c->link, why);
	} while (rc == RC_OK);
	return rc == RC_AGAIN ? RC_OK : rc;
}

const struct client_protocol client_over_ws = { .call = call, .close = end, .listen = listen_here, .listening = listening, .hear = hear };
