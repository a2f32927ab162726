/* SPDX-License-Identifier: Apache-2.0 */
/* CoAP messages (RFC 7252 section 3) between bytes and their parts. Pure; options are coded by libcoap.
 *
 * What has been parsed is checked as a whole, so walking through its options cannot fail. */
#ifndef REEVE_BINDING_COAP_MESSAGE_H
#define REEVE_BINDING_COAP_MESSAGE_H

#include "base/buf.h"

enum coap_type { COAP_CON, COAP_NON, COAP_ACK, COAP_RST };

/* "2.05" as the byte it is. */
#define COAP_CODE(class, detail) ((class) << 5 | (detail))
enum { COAP_EMPTY = 0, COAP_GET = 1, COAP_POST = 2, COAP_PUT = 3, COAP_DELETE = 4, COAP_CONTINUE = COAP_CODE(2, 31) };
static inline bool coap_is_request(uint8_t code) { return code && code < COAP_CODE(1, 0); }
static inline bool coap_is_response(uint8_t code) { return code >= COAP_CODE(2, 0) && code < COAP_CODE(6, 0); }

/* Option numbers: RFC 7252, 7959, 9175; then TS-0008 6.2.2.4. */
enum coap_number {
	OPT_IF_MATCH = 1, OPT_URI_HOST = 3, OPT_ETAG = 4, OPT_IF_NONE_MATCH = 5, OPT_URI_PORT = 7, OPT_LOCATION_PATH = 8, OPT_URI_PATH = 11,
	OPT_CONTENT_FORMAT = 12, OPT_MAX_AGE = 14, OPT_URI_QUERY = 15, OPT_ACCEPT = 17, OPT_LOCATION_QUERY = 20, OPT_BLOCK2 = 23,
	OPT_BLOCK1 = 27, OPT_SIZE2 = 28, OPT_PROXY_URI = 35, OPT_PROXY_SCHEME = 39, OPT_SIZE1 = 60, OPT_REQUEST_TAG = 292,
	OPT_OT = 259, OPT_RTURI = 263, OPT_TY = 267, OPT_RVI = 271, OPT_ASRI = 275, OPT_FR = 279, OPT_RQI = 283, OPT_RQET = 291,
	OPT_RSET = 295, OPT_OET = 299, OPT_EC = 303, OPT_RSC = 307, OPT_GID = 311, OPT_CTO = 319, OPT_CTS = 323, OPT_ATI = 327,
	OPT_VSI = 331, OPT_GTM = 335, OPT_AUS = 339,
};

enum {
	COAP_TOKEN_MAX = 8,
	COAP_HEADER = 4,
	COAP_BLOCK_MAX = 1024,       /* payload of one message that we send (RFC 7252 4.6) */
	COAP_MESSAGE_MAX = 1152,     /* of those we send, where options let it (RFC 7252 4.6) */
	COAP_DATAGRAM_MAX = 8192,    /* of those we take: tokens make options long */
};

struct coap_message {
	uint8_t type, code;
	uint16_t mid;
	struct slice token, options, payload; /* options as they are coded */
};

enum coap_verdict {
	COAP_OK,
	COAP_SILENCE, /* not ours to answer: too short, another version, an ACK or RST that is none */
	COAP_REJECT,  /* a format error: a CON gets a Reset (RFC 7252 4.2); type and mid are known */
};
enum coap_verdict coap_parse(struct slice datagram, struct coap_message *m);

/* Walk through options, in order. Begin with { m->options }. */
struct coap_walk { struct slice rest; unsigned number; struct slice value; };
bool coap_walk(struct coap_walk *w);
/* The first option with this number; false: there is none. */
bool coap_find(const struct coap_message *m, unsigned number, struct slice *value);
/* An option of the uint format; false: longer than 4 bytes. */
bool coap_uint(struct slice value, uint32_t *n);

/* Block options (RFC 7959 2.2). */
struct coap_block { uint32_t num; bool more; unsigned size; /* 16 to 1024 */ };
/* 0: not there; 1: there; -1: malformed. */
int coap_block_get(const struct coap_message *m, unsigned number, struct coap_block *out);

/* The largest block, at most `size`, with which a message with so many bytes of options keeps below what passes everywhere. */
unsigned coap_block_fitting(unsigned size, size_t options);

/* Writing: header and token, then options in ascending order, then the payload, each appended to b (sticky errors are b's). */
struct coap_writer { struct buf *b; unsigned last; };
void coap_write_begin(struct coap_writer *w, struct buf *b, enum coap_type type, uint8_t code, uint16_t mid, struct slice token);
/* Only options, for a message that is put together later. */
void coap_write_options(struct coap_writer *w, struct buf *b);
void coap_write_option(struct coap_writer *w, unsigned number, struct slice value);
void coap_write_uint(struct coap_writer *w, unsigned number, uint32_t n);
void coap_write_block(struct coap_writer *w, unsigned number, const struct coap_block *block);
void coap_write_payload(struct coap_writer *w, struct slice payload);
/* A message without token, options and payload: an acknowledgement, a reset. */
void coap_write_empty(struct buf *b, enum coap_type type, uint16_t mid);

/* "/x/y" parts of an address as Uri-Path or Location-Path; of "/cse/x" and "//sp/x" with "~" and "_" before (TS-0008 6.2.2.3). */
void coap_write_address(struct coap_writer *w, unsigned number, struct slice to);

#endif
