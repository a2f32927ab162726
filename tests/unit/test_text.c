/* SPDX-License-Identifier: Apache-2.0 */
/* Timestamps, durations, names and schedules. */
#include "codec_util.h"

#include <time.h>

#include "codec/text.h"

static usec stamp(const char *s)
{
	usec t;

	if (!text_timestamp(slice_str(s), &t))
		fail_msg("%s refused", s);
	return t;
}

/* CORE-037: with and without fraction, UTC, a real date. */
static void timestamps(void **state)
{
	static const char *const bad[] = {
		"", "20260101", "20260101T", "20260101T00000", "20260101T000000Z", "20260101T000000+0100",
		"20260101T000000,",
		"20260101T000000.5", "20260101T000000,1234567", "20260101T000000,12a", "20260101 000000",
		"2026-01-01T00:00:00",
		"20260001T000000", "20261301T000000", "20260100T000000", "20260132T000000", "20260431T000000",
		"20260229T000000",
		"21000229T000000", "00000101T000000", "20260101T240000", "20260101T236000", "20260101T235960",
		"2026010aT000000",
		"-0260101T000000", "20260101t000000", " 20260101T000000", "20260101T000000 ",
		"120260101T000000",
	};
	usec t;

	assert_int_equal(stamp("19700101T000000"), 0);
	assert_int_equal(stamp("19700101T000001,5"), 1500000);
	assert_int_equal(stamp("19700101T000000,000001"), 1);
	assert_int_equal(stamp("20000229T235959"), INT64_C(951868799) * USEC_S);
	assert_int_equal(stamp("20240229T000000"), INT64_C(1709164800) * USEC_S);
	assert_int_equal(stamp("19691231T235959,9"), -100000);
	assert_int_equal(stamp("00010101T000000"), INT64_C(-62135596800) * USEC_S);
	assert_int_equal(stamp("99991231T235959,999999"), INT64_C(253402300800) * USEC_S - 1);
	for (size_t i = 0; i < ROWS(bad); i++)
		if (text_timestamp(slice_str(bad[i]), &t))
			fail_msg("%s accepted", bad[i]);
}

/* The C library agrees on every day of four centuries and more, and what is written reads back. */
static void calendar(void **state)
{
	for (time_t day = -150000; day < 400000; day++) {
		time_t sec = day * 86400 + (day & 0xffff);
		usec t = (usec)sec * USEC_S + (day % 7 == 0 ? (day & 1023) * 977 : 0), back;
		char out[TEXT_TIMESTAMP_MAX], want[32];
		size_t n = text_timestamp_write(t, out);
		struct text_time at;
		struct tm tm;

		gmtime_r(&sec, &tm);
		strftime(want, sizeof(want), "%Y%m%dT%H%M%S", &tm);
		assert_true(n >= 15 && memcmp(out, want, 15) == 0);
		assert_true(text_timestamp(slice_of(out, n), &back) && back == t);
		assert_true(n == 15 || (n > 16 && out[n - 1] != '0'));
		text_time_of(t, &at);
		assert_true(at.year == tm.tm_year + 1900 && at.month == tm.tm_mon + 1 && at.mday == tm.tm_mday);
		assert_true(at.wday == tm.tm_wday && at.hour == tm.tm_hour && at.minute == tm.tm_min && at.second == tm.tm_sec);
	}
}

static void written(void **state)
{
	char out[TEXT_TIMESTAMP_MAX];

	assert_slice(slice_of(out, text_timestamp_write(stamp("20260730T120000,5"), out)), "20260730T120000,5");
	assert_slice(slice_of(out, text_timestamp_write(stamp("20260730T120000,000100"), out)), "20260730T120000,0001");
	assert_slice(slice_of(out, text_timestamp_write(stamp("20260730T120000,0"), out)), "20260730T120000");
	assert_slice(slice_of(out, text_timestamp_write(stamp("00010101T000000"), out)), "00010101T000000");
	assert_int_equal(text_timestamp_write(stamp("00010101T000000") - 1, out), 0);
	assert_int_equal(text_timestamp_write(stamp("99991231T235959,999999") + 1, out), 0);
	assert_int_equal(text_timestamp_write(INT64_MAX, out), 0);
	assert_int_equal(text_timestamp_write(INT64_MIN, out), 0);
}

/* CORE-037: relative times are milliseconds. */
static void absrel(void **state)
{
	usec t;

	assert_true(text_absrel(S("1500"), 7, &t) && t == 1500007);
	assert_true(text_absrel(S("-1"), 7, &t) && t == -993);
	assert_true(text_absrel(S("0"), 7, &t) && t == 7);
	assert_true(text_absrel(S("20260101T000000"), 7, &t) && t == stamp("20260101T000000"));
	assert_false(text_absrel(S("9223372036854775807"), 0, &t));
	assert_false(text_absrel(S("9223372036854775"), INT64_MAX, &t));
	assert_false(text_absrel(S("PT1S"), 0, &t));
	assert_false(text_absrel(S("1.5"), 0, &t));
	assert_false(text_absrel(S(""), 0, &t));
}

static void durations(void **state)
{
	static const struct { const char *s; int64_t ms; } good[] = {
		{ "PT0S", 0 }, { "PT1S", 1000 }, { "PT1.5S", 1500 }, { "PT0.000001S", 0 }, { "PT1M", 60000 },
		{ "P1D", 86400000 },
		{ "P1DT2H3M4.5S", 93784500 }, { "P1M", INT64_C(30) * 86400000 },
		{ "P1Y", INT64_C(365) * 86400000 }, { "-PT1S", -1000 },
		{ "P1Y2M3DT4H5M6S", ((INT64_C(365) + 60 + 3) * 86400 + 4 * 3600 + 5 * 60 + 6) * 1000 },
		{ "PT36H", 129600000 }, { "P0Y", 0 },
		{ "PT0.1234567S", 123 },
	};
	static const char *const bad[] = {
		"", "P", "PT", "P1", "1D", "P1DT", "P1H", "PT1D", "P1S", "PT1S1M", "P1D1M", "PT1M1M", "P-1D",
		"+P1D", "P1.5D", "PT1.S",
		"PT.5S", "P1D ", " P1D", "p1d", "P1W", "PT1HT1M", "P99999999999999999999D", "P999999999Y",
		"--P1D", "PT1,5S", "P1DT1",
	};
	usec t;

	for (size_t i = 0; i < ROWS(good); i++) {
		if (!text_duration(slice_str(good[i].s), &t))
			fail_msg("%s refused", good[i].s);
		if (t / 1000 != good[i].ms)
			fail_msg("%s is %lld", good[i].s, (long long)t);
	}
	for (size_t i = 0; i < ROWS(bad); i++)
		if (text_duration(slice_str(bad[i]), &t))
			fail_msg("%s accepted", bad[i]);
}

static void names(void **state)
{
	static const char *const good[] = { "a", "0", "A-b.c_d", "9Z" };
	static const char *const bad[] = { "", "-a", ".a", "_a", "a b", "a/b", "a:b", "a#", "\xc3\xa9", "a\n", "a*" };

	for (size_t i = 0; i < ROWS(good); i++)
		assert_true(text_name(slice_str(good[i]), 8));
	for (size_t i = 0; i < ROWS(bad); i++)
		if (text_name(slice_str(bad[i]), 8))
			fail_msg("%s accepted", bad[i]);
	assert_true(text_name(S("12345678"), 8));
	assert_false(text_name(S("123456789"), 8));
}

static void fqdns(void **state)
{
	static const char *const good[] = { "a", "example.com", "Example.COM", "a-b.c1", "1.2", "xn--bcher-kva.example" };
	static const char *const bad[] = { "", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b", "a_b", "a b", "a/b", "b\xc3\xbc.de", "a:1" };
	char label[64], name[260] = "";

	for (size_t i = 0; i < ROWS(good); i++)
		assert_true(text_fqdn(slice_str(good[i])));
	for (size_t i = 0; i < ROWS(bad); i++)
		if (text_fqdn(slice_str(bad[i])))
			fail_msg("%s accepted", bad[i]);
	memset(label, 'a', sizeof(label));
	assert_true(text_fqdn(slice_of(label, 63)));
	assert_false(text_fqdn(slice_of(label, 64)));
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 50 == 49 ? '.' : 'x';
	assert_true(text_fqdn(slice_of(name, 253)));
	assert_false(text_fqdn(slice_of(name, 254)));
}

/* AUTHZ-046: seven fields, their grammar and ranges. */
static void schedule_grammar(void **state)
{
	static const char *const good[] = {
		"* * * * * * *", "0 0 0 1 1 0 2000", "59 59 23 31 12 6 9999", "* 0-5 2,6,10 * * * *",
		"*/5 * * * * * *",
		"0-30/10,45 * * * * 1-5 2024-2030,2040", "*  *   * * * * *", "* * * * * * */4",
		"* * * * * * 2000-9999/10", "00 05 * * * * *",
	};
	static const char *const bad[] = {
		"", " ", "*", "* * * * * *", "* * * * * * * *", " * * * * * * *", "* * * * * * * ",
		"60 * * * * * *", "* 60 * * * * *",
		"* * 24 * * * *", "* * * 0 * * *", "* * * 32 * * *", "* * * * 0 * *", "* * * * 13 * *",
		"* * * * * 7 *", "* * * * * * 1999",
		"* * * * * * 10000", "-1 * * * * * *", "5-1 * * * * * *", "*/0 * * * * * *",
		"*/60 * * * * * *", "5/2 * * * * * *", "1- * * * * * *",
		"-5 * * * * * *", "1,,2 * * * * * *", ",1 * * * * * *", "1, * * * * * *", "*,1 * * * * * *",
		"1,* * * * * * *", "*-5 * * * * * *",
		"1-2-3 * * * * * *", "1-5/ * * * * * *", "1-5/2/2 * * * * * *", "a * * * * * *",
		"* * * * * MON *", "* * * * JAN * *", "? * * * * * *",
		"L * * * * * *", "** * * * * * *", "*\t* * * * * *", "+1 * * * * * *", "1.5 * * * * * *",
		"*/ * * * * * *", "/2 * * * * * *",
		"* * * * * * 2000,2001,2002,2003,2004,2005,2006,2007,2008,2009,2010,2011,2012,2013,2014,2015,2016",
	};
	struct text_schedule s;

	for (size_t i = 0; i < ROWS(good); i++)
		if (!text_schedule(slice_str(good[i]), &s))
			fail_msg("%s refused", good[i]);
	for (size_t i = 0; i < ROWS(bad); i++)
		if (text_schedule(slice_str(bad[i]), &s))
			fail_msg("%s accepted", bad[i]);
}

static bool matches(const char *schedule, const char *time)
{
	struct text_schedule s;
	struct text_time t;

	assert_true(text_schedule(slice_str(schedule), &s));
	text_time_of(stamp(time), &t);
	return text_schedule_match(&s, &t);
}

/* AUTHZ-090: steps, ranges and lists; all seven fields must match. */
static void schedule_match(void **state)
{
	assert_true(matches("* * * * * * *", "20260730T123456"));
	assert_true(matches("* 0-5 2,6,10 * * * *", "20260730T060500"));
	assert_false(matches("* 0-5 2,6,10 * * * *", "20260730T060600"));
	assert_false(matches("* 0-5 2,6,10 * * * *", "20260730T070000"));
	assert_true(matches("*/20 * * * * * *", "20260730T000040"));
	assert_false(matches("*/20 * * * * * *", "20260730T000041"));
	assert_true(matches("10-30/10 * * * * * *", "20260730T000030"));
	assert_false(matches("10-30/10 * * * * * *", "20260730T000000"));
	assert_false(matches("10-30/10 * * * * * *", "20260730T000040"));
	assert_true(matches("* * * */10 * * *", "20260711T000000")); /* steps count from the lowest value: 1, 11, 21, 31 */
	assert_false(matches("* * * */10 * * *", "20260710T000000"));
	assert_true(matches("* * * * * 4 *", "20260730T000000")); /* a Thursday */
	assert_false(matches("* * * 30 * 5 *", "20260730T000000")); /* day and weekday, not cron's "or" */
	assert_true(matches("* * * 30 7 4 2026", "20260730T000000"));
	assert_false(matches("* * * 30 8 4 2026", "20260730T000000"));
	assert_true(matches("* * * * * 0 *", "20260802T000000"));
	assert_true(matches("* * * * * * 2024-2030/2", "20260101T000000"));
	assert_false(matches("* * * * * * 2024-2030/2", "20270101T000000"));
	assert_true(matches("* * * * * * 2020,2027", "20270101T000000"));
	assert_false(matches("* * * * * * 2020,2027", "20260101T000000"));
	assert_true(matches("* * * * * * */4", "20280101T000000"));
	assert_false(matches("* * * * * * */4", "20260101T000000"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timestamps),
		cmocka_unit_test(calendar),
		cmocka_unit_test(written),
		cmocka_unit_test(absrel),
		cmocka_unit_test(durations),
		cmocka_unit_test(names),
		cmocka_unit_test(fqdns),
		cmocka_unit_test(schedule_grammar),
		cmocka_unit_test(schedule_match),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
