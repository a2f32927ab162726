/* SPDX-License-Identifier: Apache-2.0 */
/* The small languages inside a policy: wildcards, address ranges, country codes, circles. Pure functions. */
#include "authz/policy_int.h"

#include <arpa/inet.h>
#include <math.h>

static bool segment_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == '~' || c == '*';
}

/* One or two segments of identifier characters and '*', none of them empty. */
static bool segments_ok(struct slice s)
{
	unsigned n = 0;

	while (s.p) {
		struct slice seg = slice_cut(&s, '/');
		if (seg.n == 0 || ++n > 2)
			return false;
		for (size_t i = 0; i < seg.n; i++)
			if (!segment_char(seg.p[i]))
				return false;
	}
	return true;
}

static bool domain_ok(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!segment_char(s.p[i]) || s.p[i] == '_' || s.p[i] == '~')
			return false;
	return s.n > 0;
}

enum reeve_rc policy_pattern(const struct ident_home *home, struct slice s, struct arena *a, struct slice *out)
{
	struct slice domain = home->sp_id, rest = s;
	bool stem = s.n && s.p[0] != '/';
	char *p;

	*out = (struct slice){ NULL, 0 };
	if (slice_starts(s, S("//"))) {
		ptrdiff_t at = slice_find(slice_skip(s, 2), '/');
		if (at < 0)
			return RC_OK; /* a domain entry: policy_read knows whether it may have a wildcard */
		domain = slice_of(s.p, (size_t)at + 2);
		rest = slice_skip(s, (size_t)at + 2);
		if (!domain_ok(slice_skip(domain, 2)))
			return RC_OK;
	} else if (stem) { /* a stem is one of this CSE's (AUTHZ-068) */
		if ((s.p[0] != 'C' && s.p[0] != 'S') || slice_find(s, '/') >= 0)
			return RC_OK;
		if (s.p[0] == 'C')
			domain = home->abs;
	}
	if (s.n > ORIGINATOR_MAX || !segments_ok(stem ? s : slice_skip(rest, 1)))
		return RC_OK;
	*out = arena_printf(a, "%.*s%s%.*s", SF(domain), stem ? "/" : "", SF(rest));
	if (!out->p)
		return RC_NOMEM;
	p = (char *)out->p;
	for (size_t i = 0; !stem && i < domain.n; i++) /* hosts compare without case */
		if (p[i] >= 'A' && p[i] <= 'Z')
			p[i] = (char)(p[i] + ('a' - 'A'));
	return RC_OK;
}

struct glob policy_glob_of(struct slice pattern)
{
	ptrdiff_t at = slice_find(pattern, '*');
	struct glob g = { .text = pattern, .literal = (uint32_t)(at < 0 ? (ptrdiff_t)pattern.n : at) };

	for (size_t i = 0; i < pattern.n; i++)
		g.least += pattern.p[i] != '*';
	if (g.literal >= sizeof(g.tail))
		memcpy(&g.tail, pattern.p + g.literal - sizeof(g.tail), sizeof(g.tail));
	return g;
}

static uint64_t big_endian(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

static uint64_t mask_of(unsigned bits)
{
	return bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : UINT64_MAX << (64 - bits);
}

bool policy_net(struct slice s, bool v4, struct net *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	ptrdiff_t at = slice_find(s, '/');
	struct slice host = at < 0 ? s : slice_of(s.p, (size_t)at), digits = slice_skip(s, host.n + 1);
	uint64_t prefix = v4 ? 32 : 128;
	char text[INET6_ADDRSTRLEN];
	uint8_t addr[16] = { 0 };

	if (host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (strlen(text) != host.n || inet_pton(v4 ? AF_INET : AF_INET6, text, v4 ? addr + 12 : addr) != 1)
		return false;
	if (at >= 0 && (digits.n > 3 || (digits.n > 1 && digits.p[0] == '0') || !slice_u64(digits, &prefix) ||
			prefix > (v4 ? 32u : 128u)))
		return false;
	if (v4) {
		memcpy(addr, mapped, sizeof(mapped));
		prefix += 96;
	}
	out->v4 = prefix >= 96 && memcmp(addr, mapped, sizeof(mapped)) == 0;
	out->mask_hi = mask_of((unsigned)prefix);
	out->mask_lo = prefix <= 64 ? 0 : mask_of((unsigned)prefix - 64);
	out->hi = big_endian(addr) & out->mask_hi;
	out->lo = big_endian(addr + 8) & out->mask_lo;
	return true;
}

bool policy_country(struct slice s)
{
	/* by first letter: the second letters that ISO 3166-1 has assigned (2024), and those left to users */
	static const char *const assigned[26] = {
		"DEFGILMOQRSTUWXZ" "A", "ABDEFGHIJLMNOQRSTVWYZ", "ACDFGHIKLMNORUVWXYZ", "EJKMOZ", "CEGHRST", "IJKMOR",
		"ABDEFGHILMNPQRSTUWY", "KMNRTU", "DELMNOQRST", "EMOP", "EGHIMNPRWYZ", "ABCIKRSTUVY",
		"ACDEFGHKLMNOPQRSTUVWXYZ", "ACEFGILOPRUZ", "M", "AEFGHKLMNRSTWY", "A" "MNOPQRSTUVWXYZ", "EOSUW",
		"ABCDEGHIJKLMNORSTVXYZ", "CDFGHJKLMNORTVWZ", "AGMSYZ", "ACEGINU", "FS", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "ET",
		"AMW" "Z",
	};

	return s.n == 2 && s.p[0] >= 'A' && s.p[0] <= 'Z' && s.p[1] != '\0' && strchr(assigned[s.p[0] - 'A'], s.p[1]);
}

void policy_vector(double latitude, double longitude, double *x, double *y, double *z)
{
	double lat = latitude * M_PI / 180, lon = longitude * M_PI / 180;

	*x = cos(lat) * cos(lon);
	*y = cos(lat) * sin(lon);
	*z = sin(lat);
}
