/* SPDX-License-Identifier: Apache-2.0 */
/* What endpoint.c (sockets, peers, time) and reliable.c (acknowledgements, repetitions) share. */
#ifndef REEVE_BINDING_COAP_ENDPOINT_INT_H
#define REEVE_BINDING_COAP_ENDPOINT_INT_H

#include "binding/coap/endpoint.h"

void coap_send_empty(struct coap_peer *p, enum coap_type type, uint16_t mid);
/* An ACK or RST came: what it is about is not sent again. */
void coap_answered(struct coap_peer *p, const struct coap_message *m);
void coap_unack_all(struct coap_peer *p);
/* Nobody is there to acknowledge anything. */
void coap_lose_all(struct coap_peer *p);
void coap_forget_all(struct coap_peer *p);

#endif
