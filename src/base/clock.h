/* SPDX-License-Identifier: Apache-2.0 */
/* Time: microseconds since 1970-01-01T00:00:00Z, read once per loop turn and passed down.
 * Nothing below the loop calls these; tests pass the time they want. */
#ifndef REEVE_BASE_CLOCK_H
#define REEVE_BASE_CLOCK_H

#include <stdint.h>

typedef int64_t usec; /* absolute wall time or a span, in microseconds */

#define USEC_S INT64_C(1000000)
#define USEC_MS INT64_C(1000)
#define USEC_NEVER INT64_MAX

usec clock_wall(void);
/* Never goes back; only differences mean something. */
usec clock_mono(void);

#endif
