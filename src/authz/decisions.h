/* SPDX-License-Identifier: Apache-2.0 */
/* The log of denials: every 4103 gets a decision id; `reeve explain ID` tells its story later.
 *
 * One JSON object per line, appended with one write; rotated at a size, one older file kept. Threads may log at the same time. */
#ifndef REEVE_AUTHZ_DECISIONS_H
#define REEVE_AUTHZ_DECISIONS_H

#include "authz/pdp.h"
#include "authz/policy.h"
#include "base/buf.h"

struct decisions;
REEVE_MUST_CHECK enum reeve_rc decisions_open(const char *path, size_t rotate_bytes, struct decisions **out);
void decisions_close(struct decisions *d);

enum { DECISION_ID_LEN = 12 };

/* What was decided and on what grounds. */
struct decision {
	usec when;
	struct slice request, to;     /* request identifier; address as sent */
	struct slice target;          /* ri of the governing resource's target */
	const char *ground;           /* "policy", "default policy (creator only)", "no policy", ... */
	const struct policy *const *policies; size_t n_policies; enum policy_part part;
	const struct facts *facts;
	struct slice story;           /* JSON array: roles, tokens, consultations that were looked at; or empty */
};
/* Evaluate once more with a trace, write the line, and return the id (lower-case letters and digits, no NUL) in id. */
void decisions_log(struct decisions *d, const struct decision *what, char id[DECISION_ID_LEN]);

/* The trace as JSON object (same as the line) or as readable text. */
void decision_write_json(struct buf *b, const struct decision *what, struct slice id, bool permitted);
void decision_write_text(struct buf *b, struct slice json_line);
/* Find a line by id in the log at path (and its older file). RC_NOTFOUND. */
REEVE_MUST_CHECK enum reeve_rc decisions_find(const char *path, struct slice id, struct buf *line);

#endif
