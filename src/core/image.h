/* SPDX-License-Identifier: Apache-2.0 */
/* A request as bytes: all that its binding filled in, and who was at the other end of the connection. For what has to outlive the
 * memory of the request: its copies, and the store, where an acknowledged request waits for its execution. */
#ifndef REEVE_CORE_IMAGE_H
#define REEVE_CORE_IMAGE_H

#include "core/request.h"

/* Append the image of r. */
void image_write(struct buf *b, const struct req *r);
/* Into r, as req_init left it; everything is copied into its arena. RC_INVALID: the bytes are no image, or one of another version.
 * RC_NOMEM. */
REEVE_MUST_CHECK enum reeve_rc image_read(struct req *r, struct slice bytes);

#endif
