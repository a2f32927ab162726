/* SPDX-License-Identifier: Apache-2.0 */
/* The opening handshake (RFC 6455 4; TS-0020 6.2), either end, as text: no sockets, fuzzed as it is. */
#ifndef REEVE_BINDING_WS_HANDSHAKE_H
#define REEVE_BINDING_WS_HANDSHAKE_H

#include "base/buf.h"
#include "core/request.h"

enum { WS_KEY_LEN = 24, WS_ACCEPT_LEN = 28 };

/* What answers a Sec-WebSocket-Key. */
void ws_accept_of(struct slice key, char out[WS_ACCEPT_LEN]);

/* --- listener --- */

enum ws_asked {
	WS_NOT_ASKED, /* another protocol, or none: the request is an ordinary one */
	WS_ACCEPTED,  /* the 101 answer is in out */
	WS_REFUSED,   /* an error is in out; and says that the connection ends */
};
struct ws_ask {
	const char *method;
	struct slice target;
	struct slice headers;    /* those of the upgrade and Origin, "name:value\n" each, as they came */
	const struct slice *origins; size_t n_origins; /* of web pages that may ask */
};
/* Judge a request; on WS_ACCEPTED *serial is that of the first subprotocol we have too, in the client's order. */
enum ws_asked ws_answer(const struct ws_ask *ask, struct buf *out, enum serial *serial);

/* --- client --- */

/* Append the request; key is made here. Offered are both serializations, the preferred one first. */
void ws_request(struct buf *out, struct slice host, enum serial preferred, char key[WS_KEY_LEN]);

struct ws_answer {
	bool done;               /* the answer is complete, and good: *used bytes were it */
	bool bad;                /* it is none that opens a connection: why */
	enum serial serial;
	const char *why;
};
/* Look at what came so far (from its first byte); at most WS_ANSWER_MOST bytes are looked at. */
enum { WS_ANSWER_MOST = 16384 };
struct ws_answer ws_answered(struct slice text, const char key[WS_KEY_LEN], size_t *used);

#endif
