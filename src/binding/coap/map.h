/* SPDX-License-Identifier: Apache-2.0 */
/* Pure mapping between CoAP messages and primitives (TS-0008): no sockets and no clock, so that it can be fuzzed and tested byte by byte.
 *
 * Block options are not looked at: whoever puts transfers together hands over the whole body, and adds them to what is sent. */
#ifndef REEVE_BINDING_COAP_MAP_H
#define REEVE_BINDING_COAP_MAP_H

#include "binding/coap/message.h"
#include "core/core.h"

/* --- the receiving side --- */

/* A request message with its whole body into r. What r keeps is copied into its arena, but for a JSON body, which has to live as long as r.
 * Problems go to r->bad (4000). False: CoAP itself refuses it; the answer stands in r (rsc, dbg), and *code is its code: 4.02 for a
 * critical option that is unknown, of a length it cannot have, or there too often; 5.05 for a proxy's work; 4.05 for another method. */
bool coap_map_request(struct req *r, const struct coap_message *m, struct slice body, const struct json_limits *limits, uint8_t *code);

/* The answer that r has: its code, options appended to `options` (those below OPT_BLOCK2 first, as numbers go), and its payload, for which
 * tmp (initialized) may be used. */
uint8_t coap_map_answer(const struct req *r, struct buf *options, struct buf *tmp, struct slice *payload);

/* --- the sending side --- */

/* Host and port of coap://host[:port]/... or coaps://; `rest` is what follows (path, query), without a fragment. False: it is none. */
bool coap_map_url(struct slice url, struct slice *host, uint16_t *port, struct slice *rest);
/* The request message for s: returns the method, appends options and payload. options->failed: it cannot be said in CoAP. `host` is
 * told to the server when it is a name. */
uint8_t coap_map_send(const struct send *s, struct slice host, struct slice rest, struct buf *options, struct buf *payload);
/* A response message with its whole body into *rsp; memory from a and json. False: a critical option in it is not known. */
bool coap_map_received(struct rsp *rsp, const struct coap_message *m, struct slice body, enum op op, struct arena *a, struct buf *json);

/* --- both --- */

/* Options as coded in `from` with block options added (NULL: none) at their places. */
void coap_map_with_blocks(struct buf *b, struct slice from, const struct coap_block *block2, const struct coap_block *block1);
/* Serialization of a Content-Format; SERIAL_NONE: none of oneM2M's. */
enum serial coap_map_serial(uint32_t format);

#endif
