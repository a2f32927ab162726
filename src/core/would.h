/* SPDX-License-Identifier: Apache-2.0 */
/* What would the decision about a request be? Judged from the store as it is now, beside the process that serves it. */
#ifndef REEVE_CORE_WOULD_H
#define REEVE_CORE_WOULD_H

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
};

/* The story as JSON (decision_write_json) into json. RC_REFUSED: the request ends before access is decided, `why` says with what
 * ("4004: no resource ..."). Other codes: the store cannot be read. */
REEVE_MUST_CHECK enum reeve_rc core_would(const struct config *cfg, const struct would *w, struct buf *json, bool *permitted,
					  char why[256]);

#endif
