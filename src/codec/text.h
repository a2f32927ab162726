/* SPDX-License-Identifier: Apache-2.0 */
/* Small textual types of the standard: timestamps, durations, schedules, names. Pure functions. */
#ifndef REEVE_CODEC_TEXT_H
#define REEVE_CODEC_TEXT_H

#include "base/clock.h"
#include "base/slice.h"

/* m2m:timestamp (TS-0004 6.3.3): YYYYMMDDThhmmss[,f{1,6}] in UTC, a real calendar date. */
bool text_timestamp(struct slice s, usec *out);
enum { TEXT_TIMESTAMP_MAX = 22 };
/* 9999-12-31T23:59:59Z: the latest moment a timestamp can tell. */
#define TIMESTAMP_MOST (INT64_C(253402300799) * USEC_S)
/* Writes the shortest form (fraction only when there is one, without trailing zeros) for years 1..9999, returns its length. No NUL. */
size_t text_timestamp_write(usec t, char out[TEXT_TIMESTAMP_MAX]);
/* m2m:absRelTimestamp: a timestamp, or milliseconds relative to `now` (may be negative). */
bool text_absrel(struct slice s, usec now, usec *out);
/* xs:duration without years and months turned into a span ("P1DT2H3M4.5S"); years count 365 days, months 30. */
bool text_duration(struct slice s, usec *out);
/* Resource name, TS-0004 6.2.3: (ALPHA|DIGIT) *(ALPHA|DIGIT|"-"|"."|"_"), 1..max bytes. */
bool text_name(struct slice s, size_t max);
/* Lower-case or upper-case FQDN of RFC 1123 labels, at most 253 bytes. */
bool text_fqdn(struct slice s);

/* A schedule entry (TS-0004 7.4.9.1) as bit sets. */
struct text_schedule {
	uint64_t second, minute; /* bit n: value n */
	uint32_t hour, mday;     /* mday: bit 1..31 */
	uint16_t month;          /* bit 1..12 */
	uint8_t wday;            /* bit 0..6, 0 = Sunday */
	bool any_year;
	uint16_t n_years;
	struct { uint16_t from, to, step; } year[16];
};
bool text_schedule(struct slice s, struct text_schedule *out);

struct text_time { uint8_t second, minute, hour, mday, month, wday; uint16_t year; };
void text_time_of(usec t, struct text_time *out);
/* All seven fields match. */
bool text_schedule_match(const struct text_schedule *s, const struct text_time *t);

#endif
