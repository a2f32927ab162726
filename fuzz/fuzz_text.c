/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a timestamp, a relative time, a duration, a name, a schedule; and bytes as a JSON value against types of
 * the model (the first byte chooses). */
#include <stdlib.h>

#include "codec/model_tables.h"
#include "codec/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void times(struct slice s)
{
	usec t, back;
	char out[TEXT_TIMESTAMP_MAX];
	struct text_time tt;
	size_t n;

	if (text_timestamp(s, &t)) {
		n = text_timestamp_write(t, out);
		check(n >= 15 && n <= TEXT_TIMESTAMP_MAX && text_timestamp(slice_of(out, n), &back) && back == t);
		text_time_of(t, &tt);
		check(tt.month >= 1 && tt.month <= 12 && tt.mday >= 1 && tt.mday <= 31 && tt.wday <= 6 && tt.hour <= 23);
	}
	(void)text_absrel(s, INT64_MAX - 5, &t);
	(void)text_absrel(s, INT64_MIN + 5, &t);
	if (text_duration(s, &t))
		check((t <= 0) == (s.p[0] == '-' || t == 0));
	if (s.n >= sizeof(t)) {
		memcpy(&t, s.p, sizeof(t));
		(void)text_timestamp_write(t, out);
		text_time_of(t, &tt);
		check(tt.month >= 1 && tt.month <= 12 && tt.mday >= 1 && tt.mday <= 31 && tt.wday <= 6 && tt.hour <= 23);
	}
}

static void schedule(struct slice s)
{
	struct text_schedule sch;
	struct text_time t = { .mday = 1, .month = 1, .year = 2000 };

	if (!text_schedule(s, &sch))
		return;
	/* Every field has at least one value, and none outside its range. */
	check(sch.second && !(sch.second >> 60) && sch.minute && !(sch.minute >> 60) && sch.hour && !(sch.hour >> 24));
	check(sch.mday && !(sch.mday & 1) && sch.month && !(sch.month & 1) && !(sch.month >> 13) && sch.wday && !(sch.wday >> 7));
	check(sch.any_year || (sch.n_years >= 1 && sch.year[0].from >= 2000 && sch.year[0].step >= 1));
	(void)text_schedule_match(&sch, &t);
}

static void against_model(unsigned choice, struct slice s)
{
	struct arena a;
	struct slice why;
	struct json j;
	enum reeve_rc rc;

	arena_init(&a, NULL, 0, 16u << 20);
	if (json_parse(&a, s, NULL, &j, &why) == RC_OK) {
		rc = model_check(&model_types[choice % model_n_types], choice & 1, &j, 0, &a, &why);
		check(rc == RC_OK || (rc == RC_INVALID && why.n > 0));
	}
	arena_reset(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice s = slice_of((const char *)data, size);

	if (size == 0)
		return 0;
	times(s);
	schedule(s);
	(void)text_name(s, 64);
	(void)text_fqdn(s);
	(void)model_attr(&model_resources[data[0] % model_n_resources], slice_skip(s, 1));
	(void)model_by_root(s);
	against_model(data[0], slice_skip(s, 1));
	return 0;
}
