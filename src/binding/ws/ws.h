/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket binding (TS-0020): on the listeners of HTTP and as a client. Knows frames and primitives, no resources.
 *
 * A connection carries requests and answers both ways. On which loop it lives depends on who opened it; what the core sends over it comes
 * from the hub, as a message, and the answer goes back as one. Design: docs/websocket.md. */
#ifndef REEVE_BINDING_WS_WS_H
#define REEVE_BINDING_WS_WS_H

#include "binding/http/http.h"
#include "core/core.h"

struct ws;
/* Between core_start and core_begin: makes c send over "ws" and "wss". core_stop ends it and gives it back. RC_NOMEM. */
REEVE_MUST_CHECK enum reeve_rc ws_register(struct core *c, struct ws **out);
/* Take over connections of s that ask for it. At once after http_listen. */
void ws_serve(struct ws *w, struct http_server *s);

#endif
