/* SPDX-License-Identifier: Apache-2.0 */
/* Small textual types: timestamps, durations, names and schedules.
 *
 * Every function reads a whole slice or refuses it; none allocates or keeps state. Dates are counted with the
 * proleptic Gregorian calendar in whole numbers, so no C library time zone is involved. */
#include "codec/text.h"

/* Days from 1970-01-01 to the given date. The year is taken to start in March, so that the leap day is last. */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = y / 400;
	yoe = y % 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_of(int64_t days, int64_t *y, int64_t *m, int64_t *d)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*d = doy - (153 * mp + 2) / 5 + 1;
	*m = mp < 10 ? mp + 3 : mp - 9;
	*y = yoe + era * 400 + (*m <= 2);
}

static int days_in_month(int y, int m)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	return days[m - 1] + (m == 2 && leap);
}

/* n digits at p as a number, -1 when one is no digit. */
static int digits(const char *p, int n)
{
	int v = 0;
	for (int i = 0; i < n; i++) {
		unsigned c = (unsigned)(p[i] - '0');
		if (c > 9)
			return -1;
		v = v * 10 + (int)c;
	}
	return v;
}

static bool fraction(struct slice s, int64_t *micro)
{
	int64_t v;

	if (s.n < 1 || s.n > 6 || (v = digits(s.p, (int)s.n)) < 0)
		return false;
	for (size_t i = s.n; i < 6; i++)
		v *= 10;
	*micro = v;
	return true;
}

bool text_timestamp(struct slice s, usec *out)
{
	int y, mo, d, h, mi, se;
	int64_t micro = 0;

	if (s.n < 15 || s.p[8] != 'T')
		return false;
	y = digits(s.p, 4), mo = digits(s.p + 4, 2), d = digits(s.p + 6, 2);
	h = digits(s.p + 9, 2), mi = digits(s.p + 11, 2), se = digits(s.p + 13, 2);
	if (y < 1 || mo < 1 || mo > 12 || d < 1 || d > days_in_month(y, mo))
		return false;
	if (h < 0 || h > 23 || mi < 0 || mi > 59 || se < 0 || se > 59)
		return false;
	if (s.n > 15 && (s.p[15] != ',' || !fraction(slice_skip(s, 16), &micro)))
		return false;
	*out = (((days_of(y, mo, d) * 24 + h) * 60 + mi) * 60 + se) * USEC_S + micro;
	return true;
}

static void put_digits(char *p, int n, int64_t v)
{
	while (n-- > 0) {
		p[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

/* t = *days days and the rest, which is never negative. */
static usec split_day(usec t, int64_t *days)
{
	const usec day = 86400 * USEC_S;
	usec rest = t % day;

	*days = t / day;
	if (rest < 0) {
		rest += day;
		--*days;
	}
	return rest;
}

size_t text_timestamp_write(usec t, char out[TEXT_TIMESTAMP_MAX])
{
	int64_t days, y, m, d, sec, micro;
	usec rest = split_day(t, &days);
	size_t n = 15;

	date_of(days, &y, &m, &d);
	if (y < 1 || y > 9999)
		return 0;
	sec = rest / USEC_S, micro = rest % USEC_S;
	put_digits(out, 4, y);
	put_digits(out + 4, 2, m);
	put_digits(out + 6, 2, d);
	out[8] = 'T';
	put_digits(out + 9, 2, sec / 3600);
	put_digits(out + 11, 2, sec / 60 % 60);
	put_digits(out + 13, 2, sec % 60);
	if (micro) {
		out[15] = ',';
		put_digits(out + 16, 6, micro);
		for (n = 22; out[n - 1] == '0';)
			n--;
	}
	return n;
}

bool text_absrel(struct slice s, usec now, usec *out)
{
	int64_t ms;

	if (!slice_i64(s, &ms))
		return text_timestamp(s, out);
	return !__builtin_mul_overflow(ms, USEC_MS, &ms) && !__builtin_add_overflow(now, ms, out);
}

/* A component of a duration: digits, for seconds with a fraction, and the designator. */
static bool component(struct slice *s, uint64_t *whole, int64_t *micro, char *unit)
{
	size_t n = 0;

	while (n < s->n && (unsigned)(s->p[n] - '0') <= 9)
		n++;
	if (!slice_u64(slice_of(s->p, n), whole))
		return false;
	*s = slice_skip(*s, n);
	*micro = -1;
	if (s->n && s->p[0] == '.') {
		*s = slice_skip(*s, 1);
		for (n = 0; n < s->n && (unsigned)(s->p[n] - '0') <= 9;)
			n++;
		if (!fraction(slice_of(s->p, n > 6 ? 6 : n), micro))
			return false;
		*s = slice_skip(*s, n);
	}
	if (!s->n)
		return false;
	*unit = s->p[0];
	*s = slice_skip(*s, 1);
	return *micro < 0 || *unit == 'S';
}

bool text_duration(struct slice s, usec *out)
{
	static const struct { char unit; bool time; int64_t seconds; } units[] = {
		{ 'Y', false, 365 * 86400 }, { 'M', false, 30 * 86400 }, { 'D', false, 86400 },
		{ 'H', true, 3600 }, { 'M', true, 60 }, { 'S', true, 1 },
	};
	bool neg = s.n && s.p[0] == '-', time = false;
	size_t at = 0, n_units = sizeof(units) / sizeof(units[0]);
	int64_t sum = 0, part, micro;
	uint64_t whole;
	char unit;

	s = slice_skip(s, neg);
	if (s.n < 2 || s.p[0] != 'P')
		return false;
	for (s = slice_skip(s, 1); s.n; at++) {
		if (!time && s.p[0] == 'T') {
			time = true;
			s = slice_skip(s, 1);
		}
		if (!component(&s, &whole, &micro, &unit))
			return false;
		while (at < n_units && !(units[at].unit == unit && units[at].time == time))
			at++;
		if (at == n_units || whole > INT64_MAX / USEC_S ||
		    __builtin_mul_overflow((int64_t)whole, units[at].seconds * USEC_S, &part) ||
		    __builtin_add_overflow(sum, part, &sum) ||
		    __builtin_add_overflow(sum, micro > 0 ? micro : 0, &sum))
			return false;
	}
	*out = neg ? -sum : sum;
	return true;
}

static bool is_alnum(char c)
{
	return (unsigned)(c - '0') <= 9 || (unsigned)((c | 0x20) - 'a') <= 25;
}

bool text_name(struct slice s, size_t max)
{
	if (s.n < 1 || s.n > max || !is_alnum(s.p[0]))
		return false;
	for (size_t i = 1; i < s.n; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '.' && s.p[i] != '_')
			return false;
	return true;
}

bool text_fqdn(struct slice s)
{
	if (s.n < 1 || s.n > 253)
		return false;
	while (s.p) {
		struct slice label = slice_cut(&s, '.');
		if (label.n < 1 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!is_alnum(label.p[i]) && label.p[i] != '-')
				return false;
	}
	return true;
}

/* ---- schedules ---- */

struct range { uint16_t from, to, step; };

static bool number(struct slice s, unsigned lo, unsigned hi, uint16_t *out)
{
	uint64_t v;

	if (s.n > 4 || !slice_u64(s, &v) || v < lo || v > hi)
		return false;
	*out = (uint16_t)v;
	return true;
}

/* "*", "*" "/n", "a", "a-b" or "a-b/n" within lo..hi. */
static bool range_of(struct slice item, unsigned lo, unsigned hi, struct range *r)
{
	struct slice body, step = item;
	bool span;

	body = slice_cut(&step, '/');
	*r = (struct range){ (uint16_t)lo, (uint16_t)hi, 1 };
	if (step.p && !number(step, 1, hi, &r->step))
		return false;
	if (slice_eq(body, S("*")))
		return true;
	span = slice_find(body, '-') >= 0;
	if (step.p && !span)
		return false; /* a step needs something to step through */
	if (!number(slice_cut(&body, '-'), lo, hi, &r->from))
		return false;
	if (span)
		return number(body, lo, hi, &r->to) && r->from <= r->to;
	r->to = r->from;
	return true;
}

/* "*" stands alone. */
static bool star_in_list(struct slice field)
{
	return slice_find(field, '*') >= 0 && slice_find(field, ',') >= 0;
}

static bool field_bits(struct slice field, unsigned lo, unsigned hi, uint64_t *bits)
{
	struct range r;

	if (star_in_list(field))
		return false;
	*bits = 0;
	while (field.p) {
		if (!range_of(slice_cut(&field, ','), lo, hi, &r))
			return false;
		for (unsigned v = r.from; v <= r.to; v += r.step)
			*bits |= UINT64_C(1) << v;
	}
	return true;
}

static bool field_years(struct slice field, struct text_schedule *out)
{
	struct range r;

	if (star_in_list(field))
		return false;
	out->any_year = slice_eq(field, S("*"));
	while (field.p && !out->any_year) {
		if (!range_of(slice_cut(&field, ','), 2000, 9999, &r) ||
		    out->n_years == sizeof(out->year) / sizeof(out->year[0]))
			return false;
		out->year[out->n_years].from = r.from;
		out->year[out->n_years].to = r.to;
		out->year[out->n_years++].step = r.step;
	}
	return true;
}

/* The next field behind any blanks; empty when there is none. */
static struct slice next_field(struct slice *s)
{
	size_t n = 0;

	while (s->n && s->p[0] == ' ')
		*s = slice_skip(*s, 1);
	while (n < s->n && s->p[n] != ' ')
		n++;
	*s = slice_skip(*s, n);
	return slice_of(s->p - n, n);
}

bool text_schedule(struct slice s, struct text_schedule *out)
{
	static const uint8_t lo[] = { 0, 0, 0, 1, 1, 0 }, hi[] = { 59, 59, 23, 31, 12, 6 };
	uint64_t bits[6];

	if (!s.n || s.p[0] == ' ' || s.p[s.n - 1] == ' ')
		return false;
	memset(out, 0, sizeof(*out));
	for (int i = 0; i < 6; i++) {
		struct slice field = next_field(&s);
		if (!field.n || !field_bits(field, lo[i], hi[i], &bits[i]))
			return false;
	}
	out->second = bits[0], out->minute = bits[1], out->hour = (uint32_t)bits[2];
	out->mday = (uint32_t)bits[3], out->month = (uint16_t)bits[4], out->wday = (uint8_t)bits[5];
	return field_years(next_field(&s), out) && !s.n;
}

void text_time_of(usec t, struct text_time *out)
{
	int64_t days, y, m, d;
	int64_t sec = split_day(t, &days) / USEC_S;

	date_of(days, &y, &m, &d);
	*out = (struct text_time){
		.second = (uint8_t)(sec % 60),
		.minute = (uint8_t)(sec / 60 % 60),
		.hour = (uint8_t)(sec / 3600),
		.mday = (uint8_t)d,
		.month = (uint8_t)m,
		.wday = (uint8_t)(((days + 4) % 7 + 7) % 7), /* 1970-01-01 was a Thursday */
		.year = (uint16_t)(y < 0 ? 0 : y > UINT16_MAX ? UINT16_MAX : y),
	};
}

bool text_schedule_match(const struct text_schedule *s, const struct text_time *t)
{
	bool year = s->any_year;

	if (!(s->second >> t->second & 1) || !(s->minute >> t->minute & 1) || !(s->hour >> t->hour & 1) ||
	    !(s->mday >> t->mday & 1) || !(s->month >> t->month & 1) || !(s->wday >> t->wday & 1))
		return false;
	for (int i = 0; i < s->n_years && !year; i++)
		year = t->year >= s->year[i].from && t->year <= s->year[i].to &&
		       (t->year - s->year[i].from) % s->year[i].step == 0;
	return year;
}
