/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator's tools ask over HTTP beside oneM2M: /metrics and /healthz. */
#ifndef REEVE_ADMIN_PAGES_H
#define REEVE_ADMIN_PAGES_H

#include "binding/http/http.h"

/* For http_server_pages. Any loop. */
enum http_page_result admin_page(struct http_page_call *call);

#endif
