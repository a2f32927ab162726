/* SPDX-License-Identifier: Apache-2.0 */
/* The listeners that the configuration asks for, of every binding. */
#ifndef REEVE_MAIN_LISTENERS_H
#define REEVE_MAIN_LISTENERS_H

#include "core/core.h"
#include "main/settings.h"

struct http_server;
struct coap_server;
struct ws;
/* NULL: not asked for. */
struct listeners {
	struct http_server *http, *https;
	struct coap_server *coap, *coaps;
};

/* Without cse.poa, <CSEBase> tells where they are: https before http. Before core_start. */
void listeners_poa(struct settings *s);
/* After core_begin; those of HTTP take WebSocket connections over, too. On failure what was opened is to be stopped and freed all the
 * same. */
REEVE_MUST_CHECK enum reeve_rc listeners_open(struct listeners *l, struct core *c, struct ws *ws, char why[256]);
/* Where they are, and what is not safe about it, in the log. */
void listeners_tell(const struct listeners *l, const struct config *c);
/* Before core_stop; after it. */
void listeners_stop(struct listeners *l);
void listeners_free(struct listeners *l);

#endif
