/* SPDX-License-Identifier: Apache-2.0 */
/* Pure mapping between HTTP messages and primitives: no sockets, so that it can be fuzzed and tested byte by byte. */
#ifndef REEVE_BINDING_HTTP_MAP_H
#define REEVE_BINDING_HTTP_MAP_H

#include "core/request.h"

/* "/cse/a", "/~/cse/x", "/_/sp/cse/x" and the query into r (to, rt, rcn, fc, atrl, ...). Problems go to r->bad.
 * What r keeps is copied into its arena, here and in http_map_header. */
void http_map_target(struct req *r, struct slice target);
/* One header into r. Unknown ones are ignored. Call for each, any order. */
void http_map_header(struct req *r, struct slice name, struct slice value);
/* When all is read: method, body (as received); decides Create or Notify for POST; transcodes CBOR. A JSON body is not copied: it has to
 * live as long as the request. A method that is no operation: r->op is OP_NONE and r->rsc 4005. */
void http_map_finish(struct req *r, struct slice method, struct slice body, const struct json_limits *limits);

/* The whole response message for r (status line, headers, body) appended to b. */
void http_map_response(struct buf *b, const struct req *r, bool keep_alive);
/* An answer to what is no readable request: `status` and rsc as given, `text` as m2m:dbg. The connection ends with it. */
void http_map_refusal(struct buf *b, unsigned status, int rsc, struct slice rqi, struct slice text);
/* To of a primitive as the path of a request line; and back (empty: it is none). */
void http_map_path(struct buf *b, struct slice to);
struct slice http_map_address(struct arena *a, struct slice path);

/* --- requests that are sent (outgoing.c) --- */

/* One header of an answer ("name", "value") into *rsp. What is kept is copied to a; what cannot be read is left out. */
void http_map_answer(struct rsp *rsp, struct arena *a, struct slice name, struct slice value);

/* Serialization of a media type (without parameters); SERIAL_NONE when it is none of oneM2M's. */
enum serial http_map_serial(struct slice type);

#endif
