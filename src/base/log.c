/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines. The line is formatted on the stack and leaves in one write, so lines of threads never mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

static enum log_level log_min = LOG_INFO;
static bool log_json;

void log_setup(enum log_level min, bool json)
{
	log_min = min;
	log_json = json;
}

bool log_enabled(enum log_level level) { return level >= log_min; }

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	static const char *const names[] = { "debug", "info", "warning", "error" };
	char text[2048], when[32];
	struct timespec ts;
	struct tm tm;
	struct buf b;
	va_list ap;
	int n;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(text))
		n = (int)sizeof(text) - 1;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_init(&b, 16384);
	if (log_json) {
		buf_printf(&b, "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"area\":\"%s\",\"text\":", when,
			   ts.tv_nsec / 1000000, names[level], area);
		buf_json(&b, slice_of(text, (size_t)n));
		buf_lit(&b, "}\n");
	} else {
		for (int i = 0; i < n; i++)
			if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
				text[i] = '?';
		buf_printf(&b, "%s.%03ldZ %-7s %s: %s\n", when, ts.tv_nsec / 1000000, names[level], area, text);
	}
	if (!b.failed && write(STDERR_FILENO, b.p, b.n) < 0)
		b.failed = true; /* nobody is left to tell */
	buf_free(&b);
}
