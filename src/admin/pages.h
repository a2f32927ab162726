/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator's tools ask over HTTP beside oneM2M: /metrics and /healthz. */
#ifndef REEVE_ADMIN_PAGES_H
#define REEVE_ADMIN_PAGES_H

#include "core/core.h"

/* For http_server_pages. Any loop. */
bool admin_page(struct core *c, struct slice path, int *status, const char **type, struct buf *body);

#endif
