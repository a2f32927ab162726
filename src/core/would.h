/* SPDX-License-Identifier: Apache-2.0 */
/* What would the decision about a request be? Judged from the store as it is now, beside the process that serves it. */
#ifndef REEVE_CORE_WOULD_H
#define REEVE_CORE_WOULD_H

#include "core/exec.h"
#include "core/core.h"

struct would {
	struct slice from, to;
	enum op op;
	bool discovery;     /* Retrieve with fu 1 */
	int32_t ty;         /* of a Create */
	usec when;
	bool ip_known;
	uint8_t ip[16];
	bool authenticated;
	const struct slice *roles; size_t n_roles; /* that were verified; NULL: none */
	bool position_known;        /* else what the configuration knows */
	double latitude, longitude;
	char country[3];            /* "": what the configuration knows */
};

/* One snapshot of a store, for many questions. */
struct look {
	struct core *core;
	struct exec x;
};
REEVE_MUST_CHECK enum reeve_rc look_open(const struct config *cfg, size_t policies_cached, struct look *out, char why[256]);
void look_close(struct look *l);
/* As core_would. */
REEVE_MUST_CHECK enum reeve_rc look_would(struct look *l, const struct would *w, struct buf *json, bool *permitted, char why[256]);

/* The story as JSON (decision_write_json) into json. RC_REFUSED: the request ends before access is decided, `why` says with what
 * ("4004: no resource ..."). Other codes: the store cannot be read. */
REEVE_MUST_CHECK enum reeve_rc core_would(const struct config *cfg, const struct would *w, struct buf *json, bool *permitted,
					  char why[256]);

#endif
