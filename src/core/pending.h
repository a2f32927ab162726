/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that were acknowledged before they are executed (non-blocking, nonblocking.c). They outlive the process.
 *
 * The transaction that makes an acknowledgement true puts the image of the request into ST_PENDING; the one that has the result takes
 * it out again, and does three things at once: the operation, the result in the <request>, and, for rt 2, the result in the outbox. What a
 * crash left there is begun again at the next start. So a Create, Update, Delete or Retrieve happens once; what goes
 * out on the way (a Notify to somebody else, the question to an interworking proxy) may go out again. */
#ifndef REEVE_CORE_PENDING_H
#define REEVE_CORE_PENDING_H

#include "core/exec.h"

/* Keys of ST_PENDING. */
enum { PENDING_KEY_LEN = 8 };
struct slice pending_key(uint64_t n, char room[PENDING_KEY_LEN]);
uint64_t pending_key_read(struct slice key);

/* Until the next attempt, when the queue of the writer is full. */
#define QUEUE_PAUSE (50 * USEC_MS)

/* Writer: r is about to be acknowledged. key: the ordinal of its <request>, or one of its own. */
REEVE_MUST_CHECK enum reeve_rc pending_put(struct exec *x, uint64_t key, const struct req *r);
/* Writer: is the work still wanted? Its <request> may have been deleted to cancel it, or have expired. */
bool pending_wanted(struct exec *x, struct req *r);
/* Writer: the answer r has becomes the result. */
REEVE_MUST_CHECK enum reeve_rc pending_finish(struct exec *x, struct req *r);
/* Writer: the <request> with this ordinal goes. */
REEVE_MUST_CHECK enum reeve_rc pending_drop(struct exec *x, uint64_t key);

/* The answer stands in r, in no transaction: enter it, however long that takes, and then give r back. On the hub. */
void pending_answer(struct core *c, struct req *r);
/* Once, at the start: begin what is there. Before the first request comes in. */
REEVE_MUST_CHECK enum reeve_rc pending_resume(struct core *c);

#endif
