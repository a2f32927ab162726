/* SPDX-License-Identifier: Apache-2.0 */
/* Structured log lines on stderr (or syslog's journal behind it), as text or as JSON, one write per line.
 * Never pass secrets or whole payloads. Safe from every thread. */
#ifndef REEVE_BASE_LOG_H
#define REEVE_BASE_LOG_H

#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Process-wide, set once before threads start. */
void log_setup(enum log_level min, bool json);
bool log_enabled(enum log_level level);
/* `area` is the module ("store", "http", ...); fmt as printf, without a newline; control characters are escaped. */
void log_line(enum log_level level, const char *area, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(area, ...) (log_enabled(LOG_DEBUG) ? log_line(LOG_DEBUG, (area), __VA_ARGS__) : (void)0)
#define log_info(area, ...) log_line(LOG_INFO, (area), __VA_ARGS__)
#define log_warn(area, ...) log_line(LOG_WARN, (area), __VA_ARGS__)
#define log_error(area, ...) log_line(LOG_ERROR, (area), __VA_ARGS__)

#endif
