/* SPDX-License-Identifier: Apache-2.0 */
/* Whole primitives as bytes, for bindings whose messages are nothing else: MQTT and WebSocket (TS-0004 8.4, 8.5; core.md 15.3, 15.4). Pure.
 *
 * JSON or CBOR: an object with the parameters by their short names and nothing around it ("shall not be encapsulated"). A request has "op",
 * a response "rsc". XML is not read and not written. */
#ifndef REEVE_BINDING_PRIMITIVE_MESSAGE_H
#define REEVE_BINDING_PRIMITIVE_MESSAGE_H

#include "core/core.h"

enum message_kind { MESSAGE_BAD, MESSAGE_REQUEST, MESSAGE_RESPONSE };

struct message {
	enum message_kind kind;
	enum serial serial;
	struct json j;
	struct slice rqi;        /* p == NULL: none that can be read */
	struct slice why;        /* MESSAGE_BAD: what the sender has to change */
	bool over_size, over_json; /* because of limits.header and limits.body together, or of those of JSON (to be counted) */
};

/* Which one is it? `bytes` stay where they are as long as the message, the request and the response made of it; the rest comes from a. */
void message_read(struct message *m, struct arena *a, enum serial serial, struct slice bytes, const struct limits *limits);

/* A message of any kind into r, which is fresh, and whose arena m was read with. True: for core_submit, which answers what is wrong
 * (r->bad) with 4000. False: it is no request, the answer stands in r. */
bool message_request(struct req *r, const struct message *m, const struct limits *limits);
/* MESSAGE_RESPONSE. False when rsc or rqi is missing or out of range. */
bool message_response(struct arena *a, const struct message *m, struct rsp *rsp, struct slice *rqi);

/* The response that r has, appended to b in r->want, or in JSON what CBOR cannot say: returned is how. */
enum serial message_answer(struct buf *b, const struct req *r);
/* The request s, in s->serial or JSON; without s->to, To is the URL it goes to. */
enum serial message_send(struct buf *b, const struct send *s);

/* Name of a serialization as topics and subprotocols have it: "json", "cbor", "xml"; SERIAL_NONE for any other. */
enum serial message_serial(struct slice name);
const char *message_serial_name(enum serial s);

#endif
