/* SPDX-License-Identifier: Apache-2.0 */
/* Is there a moment in a time window? All seven fields have to match, so a window may be empty by itself (30 February; 29 February of
 * years that have none; a weekday that a date is not). Days are tried one by one with the test of the decision; the calendar
 * repeats after 400 years. */
#include "authz/lint_int.h"

enum { YEARS_ROUND = 400, YEARS_MOST = 9999 };

static bool year_in(const struct text_schedule *w, unsigned year)
{
	for (unsigned i = 0; i < w->n_years && !w->any_year; i++)
		if (year >= w->year[i].from && year <= w->year[i].to && (year - w->year[i].from) % w->year[i].step == 0)
			return true;
	return w->any_year;
}

static bool date(unsigned year, unsigned month, unsigned day, usec *out)
{
	char text[] = "00000000T000000";

	for (int i = 3; i >= 0; i--, year /= 10)
		text[i] = (char)('0' + year % 10);
	text[4] = (char)('0' + month / 10);
	text[5] = (char)('0' + month % 10);
	text[6] = (char)('0' + day / 10);
	text[7] = (char)('0' + day % 10);
	return text_timestamp(slice_of(text, sizeof(text) - 1), out); /* real dates only */
}

/* A day of this year, not before that of `from`, on which the window is open at some time. */
static bool open_in(const struct text_schedule *w, unsigned year, usec from)
{
	struct text_time at;
	usec t;

	for (unsigned m = 1; m <= 12; m++)
		for (unsigned d = 1; w->month >> m & 1 && d <= 31; d++) {
			if (!(w->mday >> d & 1) || !date(year, m, d, &t) || t + 86400 * USEC_S <= from)
				continue;
			text_time_of(t, &at);
			/* any time of the day will do: today counts as a whole */
			at.hour = (uint8_t)__builtin_ctz(w->hour);
			at.minute = (uint8_t)__builtin_ctzll(w->minute);
			at.second = (uint8_t)__builtin_ctzll(w->second);
			if (text_schedule_match(w, &at))
				return true;
		}
	return false;
}

enum window_life lint_window(const struct text_schedule *w, usec now)
{
	struct text_time t;

	text_time_of(now, &t);
	if (!w->hour || !w->minute || !w->second)
		return WINDOW_NEVER;
	for (unsigned n = 0, y = t.year; n <= YEARS_ROUND && y <= YEARS_MOST; n++, y++)
		if (year_in(w, y) && open_in(w, y, now))
			return WINDOW_OPEN;
	for (unsigned n = 0, y = t.year; n <= YEARS_ROUND && y >= 1; n++, y--)
		if (year_in(w, y) && open_in(w, y, 0))
			return WINDOW_OVER;
	return WINDOW_NEVER;
}

enum window_life lint_context(const struct policy_options *o, const struct context *c, usec now, const char **why)
{
	enum window_life best = c->n_windows ? WINDOW_NEVER : WINDOW_OPEN;

	*why = NULL;
	for (uint32_t i = 0; i < c->n_windows; i++) {
		enum window_life one = lint_window(&c->window[i], now);
		if (one > best)
			best = one;
	}
	if (best == WINDOW_NEVER)
		*why = "its time windows have no moment in them";
	else if (best == WINDOW_OVER)
		*why = "its time windows are over";
	if (best == WINDOW_OPEN && c->circle && !o->positions) {
		best = WINDOW_NEVER;
		*why = "this CSE does not know the positions of Originators (access.positions)";
	}
	if (best == WINDOW_OPEN && c->n_countries && !o->countries) {
		best = WINDOW_NEVER;
		*why = "this CSE cannot tell the country of an address (access.countries)";
	}
	return best;
}
