/* SPDX-License-Identifier: Apache-2.0 */
/* Counters in the text format of Prometheus. */
#include "core/metrics.h"

void metrics_write(const struct metrics *m, struct buf *b)
{
#define METRICS_LINE(name, help)                                                                       \
	buf_lit(b, "# HELP reeve_" #name " " help "\n# TYPE reeve_" #name " counter\nreeve_" #name " "); \
	buf_u64(b, atomic_load_explicit(&((struct metrics *)m)->name, memory_order_relaxed));           \
	buf_char(b, '\n');
	METRICS_COUNTERS(METRICS_LINE)
#undef METRICS_LINE
}
