/* SPDX-License-Identifier: Apache-2.0 */
/* CoAP requests that are sent, one at a time to each peer until it is acknowledged (NSTART, RFC 7252 4.7), block by block when they are
 * large. On one loop. */
#ifndef REEVE_BINDING_COAP_CLIENT_H
#define REEVE_BINDING_COAP_CLIENT_H

#include "binding/coap/endpoint.h"

struct coap_answer {
	int status;                  /* 0: nobody there, or nothing that can be read; 1: no answer in time; 2: `message` and `body` */
	const struct coap_message *message;
	struct slice body;           /* whole */
};

struct coap_call {
	/* --- by the caller --- */
	uint8_t method;
	struct buf options, payload; /* the call's from now on; without block options */
	size_t body_max;             /* of the answer */
	usec timeout;
	/* Once, on the loop; never before coap_call returns. May start further calls. The caller frees the call. */
	void (*done)(struct coap_call *call, const struct coap_answer *a);
	void *owner;

	/* --- private --- */
	struct coap_due due;
	struct coap_peer *peer;
	struct coap_call *next;
	struct buf body;
	struct coap_block block1, block2;
	struct slice etag;           /* of the answer that is put together */
	char etag_room[8];
	bool active, unacked, acknowledged, receiving, has_etag;
	char token[COAP_TOKEN_MAX];
};

extern const struct coap_handler coap_client_handler;
void coap_call(struct coap_peer *peer, struct coap_call *call);
/* All calls of all peers end as nobody there. */
void coap_calls_stop(struct coap_endpoint *e);

#endif
