/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a WebSocket connection (RFC 6455, 5 to 7), either end: bytes in, whole messages out, and the other way. No sockets, no
 * clock: fuzzed as it is.
 *
 * libwslay finds frames and checks masks, lengths, opcodes and UTF-8. Here a message is put together, so that it costs its own size and
 * no more however it is cut; and every failure ends with a close frame that names the code. */
#ifndef REEVE_BINDING_WS_FRAMES_H
#define REEVE_BINDING_WS_FRAMES_H

#include <wslay/wslay.h>

#include "base/buf.h"

/* RFC 6455 7.4.1 */
enum { WS_NORMAL = 1000, WS_AWAY = 1001, WS_PROTOCOL = 1002, WS_UNSUPPORTED = 1003, WS_INVALID = 1007, WS_POLICY = 1008,
	WS_TOO_BIG = 1009, WS_INTERNAL = 1011 };

enum ws_state {
	WS_OPEN,
	WS_CLOSING, /* we have said that we close, and wait for the peer's answer; what he sends is read, nothing is written */
	WS_CLOSED,  /* both have said so, or it failed: once `out` is sent, the connection is to be closed */
};

struct ws_frames {
	struct buf out;          /* for the peer; taken away by the owner */
	enum ws_state state;
	uint16_t code;           /* why it ended: as the peer said, or as it failed; 0 before */
	bool refused;            /* it failed here, by what the peer sent */
	bool over;               /* ... because a message was longer than max */

	/* private */
	wslay_event_context_ptr ws;
	void (*message)(void *owner, struct slice text);
	void *owner;
	struct slice input;      /* not read by wslay yet */
	struct buf in;           /* the message that is coming */
	size_t max;
	uint8_t opcode;          /* of messages: text or binary */
	uint8_t current;         /* of the frame that is coming */
	bool client, begun;
};

/* `message` is called from ws_frames_read with each whole one; it may send and close. The text ends with the call. Messages are text,
 * or binary ones, of at most `max` bytes. RC_NOMEM. */
REEVE_MUST_CHECK enum reeve_rc ws_frames_init(struct ws_frames *f, bool client, bool binary, size_t max,
					      void (*message)(void *owner, struct slice text), void *owner);
void ws_frames_free(struct ws_frames *f);

/* All input is used, unless the state becomes WS_CLOSED. */
void ws_frames_read(struct ws_frames *f, const char *p, size_t n);
/* Is a part of a message here? */
bool ws_frames_partial(const struct ws_frames *f);

/* Append a message to out. RC_IO: we have said that we close. */
REEVE_MUST_CHECK enum reeve_rc ws_frames_send(struct ws_frames *f, struct slice text);
void ws_frames_ping(struct ws_frames *f);
/* Say that we close; code 1000 to 4999, the reason at most 123 bytes of UTF-8. */
void ws_frames_close(struct ws_frames *f, uint16_t code, const char *reason);

#endif
