/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a whole store and telling what does not fit together. */
#ifndef REEVE_MAIN_STORE_CHECK_H
#define REEVE_MAIN_STORE_CHECK_H

#include <stdio.h>

#include "core/config.h"
#include "base/rc.h"

struct store_findings {
	uint64_t resources, swept, wrong; /* looked at; waiting to be removed with an ancestor; faults */
};

/* Read the store of cfg from one snapshot, beside a process that may be serving it. Faults (the first 100) and a summary go to
 * `out`. Other codes than RC_OK: it cannot be read, `why` says it. */
REEVE_MUST_CHECK enum reeve_rc store_check(const struct config *cfg, struct store_findings *f, FILE *out, char why[256]);

#endif
