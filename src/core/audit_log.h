/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log that the configuration describes, with its key when there is one. */
#ifndef REEVE_CORE_AUDIT_LOG_H
#define REEVE_CORE_AUDIT_LOG_H

#include "authz/audit.h"

struct config;
struct audit_secret;

/* The key named by audit.key, from the sealed file. *out is NULL when none is named. RC_NOTFOUND, RC_DENIED, ...: why says what to do. */
REEVE_MUST_CHECK enum reeve_rc audit_secret_open(const struct config *c, struct audit_secret **out, char why[256]);
void audit_secret_close(struct audit_secret *s); /* NULL is fine */
const struct audit_key *audit_secret_key(const struct audit_secret *s); /* NULL for NULL */

/* audit.file, or where it is by default. */
void audit_log_path(const struct config *c, char *out, size_t n);
/* *out is NULL when no events are wanted. secret outlives the log. */
REEVE_MUST_CHECK enum reeve_rc audit_log_open(const struct config *c, const struct audit_secret *secret, struct audit **out, char why[256]);

#endif
