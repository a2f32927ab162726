/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log from under exec: what becomes true with a commit is written after it, and not at all when there is none. */
#ifndef REEVE_CORE_AUDITED_H
#define REEVE_CORE_AUDITED_H

#include "authz/audit.h"
#include "core/exec.h"

/* An event of the request that is being executed (x->by), or of the CSE itself. when, and who, request and ip where they are not
 * given, are filled in. From a reader it is written at once; the writer writes those of a transaction together, after its commit. */
void audited(struct exec *x, const struct audit_what *what);

#endif
