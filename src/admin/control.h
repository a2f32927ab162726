/* SPDX-License-Identifier: Apache-2.0 */
/* Administration of the running process: a thread of its own that works on one request after the other, since each waits for the disk.
 *
 * Requests come from pages of the HTTPS listener, whose peers have proven a credential, and from a Unix domain socket, <data>/control,
 * for processes of our own user and of root: whoever they are, the kernel vouches for them, and they could change the store anyway. So the
 * operator on the machine adds the first credential. */
#ifndef REEVE_ADMIN_CONTROL_H
#define REEVE_ADMIN_CONTROL_H

#include "binding/http/http.h"

struct control;
/* c->control is set. RC_IO: the socket cannot be made, `why`. */
REEVE_MUST_CHECK enum reeve_rc control_start(struct core *c, char why[256]);
/* What is waiting is answered 503. While the loops still run. */
void control_stop(struct core *c);
/* A page /credentials...: it is answered later. False: answered. Any loop. */
bool control_page(struct http_page_call *call);

#endif
