/* SPDX-License-Identifier: Apache-2.0 */
/* Reading of one HTTP request message, byte by byte if need be, into a request primitive. No sockets, no clock: fuzzed as it is.
 *
 * http_parser finds the parts; what it lets pass (it is built lenient where Debian builds it) and what would let two readers see two
 * messages is refused here: blanks in header names, folded lines, more than one Host or Transfer-Encoding, codings other than "chunked",
 * chunks that do not end where they say. Parts that lie whole in the input are used where they lie; only what is cut by the end of
 * the input is copied. */
#ifndef REEVE_BINDING_HTTP_READER_H
#define REEVE_BINDING_HTTP_READER_H

#include <http_parser.h>

#include "binding/http/map.h"

enum http_verdict {
	HTTP_MORE, /* all input used, the message is not complete */
	HTTP_DONE, /* complete; input behind it is not used */
	HTTP_BAD,  /* no message: see status, rsc and why; the connection is of no more use */
};

struct http_in {
	struct req *req;
	size_t header_max, body_max;

	/* results */
	bool begun;            /* at least one byte of it was seen */
	bool headers_done;
	bool wants_continue;   /* waits for "100 Continue" before it sends its body; cleared by who sends that */
	bool keep_alive;
	bool over_header, over_body; /* BAD because of a limit */
	unsigned status;       /* BAD: HTTP status to answer */
	int rsc;
	const char *why;
	const char *method;
	struct slice target, body; /* valid until the next feed or reset */
	struct buf upgrade;    /* what concerns another protocol: Upgrade, Connection, Sec-WebSocket-*; "name:value\n" each */

	/* private */
	const char *from, *to; /* the input being looked at */
	struct slice name, value;
	struct buf kept_target, kept_name, kept_value, kept_body; /* what was cut */
	size_t header_bytes;
	uint64_t chunk_left;
	uint8_t line_state, chunk_state, chunk_digits, line_bytes, hosts, codings;
	bool line_bad, in_value, value_open, value_touched, chunked, expects, unmet;
};

void http_in_init(struct http_in *in, struct req *r, size_t header_max, size_t body_max);
/* For the next message; keeps memory up to a few kilobytes. req itself is not touched. */
void http_in_reset(struct http_in *in);
void http_in_free(struct http_in *in);

/* Feed n bytes; p is the connection's parser (http_parser_init(p, HTTP_REQUEST) once). *used tells how many belong to this message. */
enum http_verdict http_in_feed(struct http_in *in, http_parser *p, const char *data, size_t n, size_t *used);

/* After HTTP_DONE: target, method and body into the request. */
void http_in_finish(struct http_in *in, const struct json_limits *limits);

#endif
