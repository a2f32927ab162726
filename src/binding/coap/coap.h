/* SPDX-License-Identifier: Apache-2.0 */
/* CoAP binding (TS-0008): listener side and client side, in clear and behind DTLS. Knows options and bytes, no resources. */
#ifndef REEVE_BINDING_COAP_COAP_H
#define REEVE_BINDING_COAP_COAP_H

#include "core/core.h"

/* --- listener --- */

struct coap_server;
/* Listen on one loop of c. secure: behind DTLS, with the setup of c's associations. `port` 0 picks one; coap_server_port tells. `why`
 * explains a failure. */
REEVE_MUST_CHECK enum reeve_rc coap_listen(struct core *c, const char *address, uint16_t port, bool secure, struct coap_server **out,
					   char why[256]);
uint16_t coap_server_port(const struct coap_server *s);
/* Certificates and keys were read again: new sessions have them. NULL is legal. */
void coap_server_renew(struct coap_server *s);
/* No new requests. Call before core_stop. NULL is legal. */
void coap_server_stop(struct coap_server *s);
/* Call after core_stop: until then the core may still answer requests. NULL is legal. */
void coap_server_free(struct coap_server *s);

/* --- client --- */

/* Make c send over "coap", and "coaps" when it has a setup for it: sockets on the hub. Before the first request; core_stop ends it. */
void coap_sender_register(struct core *c);

#endif
