/* SPDX-License-Identifier: Apache-2.0 */
/* Content of primitives as bindings with a media type carry it (HTTP, CoAP): JSON text inside, JSON or CBOR outside. Pure. */
#ifndef REEVE_BINDING_CONTENT_H
#define REEVE_BINDING_CONTENT_H

#include "core/core.h"

/* The body of a request whose r->pc_serial is known, into r->pc. JSON text is not copied: it has to live as long as the request. */
void content_read(struct req *r, struct slice body, const struct json_limits *limits);
/* The content of r's answer as it goes out, *cbor as it says; `tmp` (initialized) holds it when it is not r->out itself. */
struct slice content_write(const struct req *r, struct buf *tmp, bool *cbor);

/* The content of a request that is sent, appended to b; *ty (0: none) is the type that a Create names, as told or as the content says.
 * True: it is CBOR. */
bool content_send(struct buf *b, const struct send *s, int64_t *ty);
/* The content of an answer as JSON text, in b or a or where it lay; p == NULL: there is none that can be read. */
struct slice content_received(struct arena *a, struct buf *b, enum serial serial, struct slice body);

#endif
