/* SPDX-License-Identifier: Apache-2.0 */
/* Places from files: look-ups, nested ranges, and errors with their line. */
#include "authz_support.h"

#include <arpa/inet.h>

#include "authz/locate.h"

static char path[64];

static int make_file(void **state)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/reeve-locate-XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int drop_file(void **state) { return unlink(path); }

static enum reeve_rc load(bool countries, const char *text, struct locate **l, char why[256])
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return locate_open(countries ? path : NULL, countries ? NULL : path, &home, l, why);
}

static const char *country(const struct locate *l, const char *address)
{
	static char cc[3];
	uint8_t ip[16] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET, address, ip + 12) != 1)
		assert_int_equal(inet_pton(AF_INET6, address, ip), 1);
	return locate_country(l, ip, cc) ? cc : "--";
}

static void countries(void **state)
{
	/* the narrowest range counts, whatever the order of lines */
	static const char text[] = "# ranges\n"
				   "192.0.2.128/25, be  # lower case and blanks\r\n"
				   "192.0.2.0/24,FR\n"
				   "\n"
				   "192.0.2.200,DE\n"
				   "192.0.2.192/28,NL\n"
				   "198.51.100.0/24,FR\n"
				   "198.51.101.0/24,FR\n"
				   "255.255.255.255,JP\n"
				   "2001:db8::/32,US\n"
				   "2001:db8:7::/48,CA\n"
				   "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127,AQ\n"
				   "2001:db8::/32,US\n";
	static const struct { const char *address, *cc; } t[] = {
		{ "192.0.1.255", "--" }, { "192.0.2.0", "FR" }, { "192.0.2.127", "FR" }, { "192.0.2.128", "BE" }, { "192.0.2.191", "BE" },
		{ "192.0.2.192", "NL" }, { "192.0.2.199", "NL" }, { "192.0.2.200", "DE" }, { "192.0.2.201", "NL" }, { "192.0.2.207", "NL" },
		{ "192.0.2.208", "BE" }, { "192.0.2.255", "BE" }, { "192.0.3.0", "--" }, { "198.51.100.255", "FR" }, { "198.51.101.0", "FR" },
		{ "198.51.102.0", "--" }, { "255.255.255.255", "JP" }, { "0.0.0.0", "--" }, { "2001:db7:ffff::1", "--" }, { "2001:db8::", "US" },
		{ "2001:db8:6:ffff::1", "US" }, { "2001:db8:7::", "CA" }, { "2001:db8:7:ffff:ffff:ffff:ffff:ffff", "CA" },
		{ "2001:db8:8::", "US" }, { "2001:db9::", "--" }, { "::", "--" }, { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "AQ" },
	};
	struct locate *l = NULL;
	char why[256];

	assert_int_equal(load(true, text, &l, why), RC_OK);
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
		if (strcmp(country(l, t[i].address), t[i].cc) != 0)
			fail_msg("%s is in %s, not in %s", t[i].address, t[i].cc, country(l, t[i].address));
	locate_free(l);
}

static void everything(void **state)
{
	struct locate *l = NULL;
	char why[256];

	assert_int_equal(load(true, "::/0,US\n0.0.0.0/0,FR\n10.0.0.0/8,DE\nffff::/16,BE\n", &l, why), RC_OK);
	assert_string_equal(country(l, "::"), "US");
	assert_string_equal(country(l, "9.255.255.255"), "FR");
	assert_string_equal(country(l, "10.0.0.0"), "DE");
	assert_string_equal(country(l, "11.0.0.0"), "FR");
	assert_string_equal(country(l, "1::"), "US");
	assert_string_equal(country(l, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "BE");
	locate_free(l);
	assert_int_equal(load(true, "", &l, why), RC_OK);
	assert_string_equal(country(l, "10.0.0.0"), "--");
	locate_free(l);
}

/* Random nested ranges against a walk over all of them. */
static void random_ranges(void **state)
{
	struct { uint32_t net; unsigned bits; const char *cc; } r[200];
	static const char *const codes[] = { "FR", "BE", "DE", "NL", "US" };
	struct locate *l = NULL;
	uint64_t x = 88172645463325252u;
	char why[256];
	FILE *f = fopen(path, "we");

	for (unsigned i = 0; i < 200; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		r[i].bits = 20 + (unsigned)(x >> 40) % 13;
		r[i].net = (0x0a000000u | ((uint32_t)x & 0xfff)) & (0xffffffffu << (32 - r[i].bits));
		r[i].cc = codes[(x >> 20) % 5];
		for (unsigned k = 0; k < i; k++)
			if (r[k].net == r[i].net && r[k].bits == r[i].bits)
				r[i].cc = r[k].cc;
		fprintf(f, "%u.%u.%u.%u/%u,%s\n", r[i].net >> 24, r[i].net >> 16 & 255, r[i].net >> 8 & 255, r[i].net & 255, r[i].bits, r[i].cc);
	}
	fclose(f);
	assert_int_equal(locate_open(path, NULL, &home, &l, why), RC_OK);
	for (uint32_t a = 0x09ffff00u; a < 0x0a001100u; a++) {
		const char *best = "--";
		unsigned bits = 0;
		char text[20];
		for (unsigned i = 0; i < 200; i++)
			if ((a & (0xffffffffu << (32 - r[i].bits))) == r[i].net && r[i].bits > bits)
				best = r[i].cc, bits = r[i].bits;
		snprintf(text, sizeof(text), "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
		if (strcmp(country(l, text), best) != 0)
			fail_msg("%s: %s instead of %s", text, country(l, text), best);
	}
	locate_free(l);
}

static void positions(void **state)
{
	struct locate *l = NULL;
	struct facts f = facts_of("//sp.example/gw7/CAE1", ACOP_RETRIEVE);
	double la, lo;
	char why[256];

	assert_int_equal(load(false, "CAE1, 48.8566, 2.3522 # Paris\n/in1,-33.9,151.2\nS12,0,-180\n//other.example/S12,+90,180\n", &l, why), RC_OK);
	assert_true(locate_position(l, S("//sp.example/gw7/CAE1"), &la, &lo));
	assert_float_equal(la, 48.8566, 1e-9);
	assert_float_equal(lo, 2.3522, 1e-9);
	assert_true(locate_position(l, S("//sp.example/in1"), &la, &lo));
	assert_float_equal(la, -33.9, 1e-9);
	assert_true(locate_position(l, S("//sp.example/S12"), &la, &lo));
	assert_true(locate_position(l, S("//other.example/S12"), &la, &lo));
	assert_float_equal(la, 90, 1e-9);
	assert_false(locate_position(l, S("CAE1"), &la, &lo)); /* canonical ids only */
	assert_false(locate_position(l, S("//sp.example/in1/CAE1"), &la, &lo));
	/* AUTHZ-094: what is not known stays unknown */
	locate_fill(l, &f);
	assert_true(f.position_known);
	assert_float_equal(f.longitude, 2.3522, 1e-9);
	assert_string_equal(f.country, "");
	set_who(&f, "//sp.example/gw7/CAE2");
	memcpy(f.country, "FR", 3);
	locate_fill(l, &f);
	assert_false(f.position_known);
	assert_string_equal(f.country, "");
	f.position_known = true;
	locate_fill(NULL, &f);
	assert_false(f.position_known);
	locate_free(l);
	locate_free(NULL);
}

static void faults(void **state)
{
	static const struct { bool countries; const char *text, *why; } t[] = {
		{ true, "10.0.0.0/8,FR\nx,FR\n", "line 2: must begin with an address range" },
		{ true, "10.0.0.0/33,FR\n", "line 1: must begin" },
		{ true, "#\n10.0.0.0/8\n", "line 2: must end with a country code" },
		{ true, "10.0.0.0/8,FRA\n", "line 1: must end" },
		{ true, "10.0.0.0/8,UK\n", "line 1: must end" },
		{ true, "10.0.0.0/8,FR,x\n", "line 1: must end" },
		{ true, "10.0.0.0/8,FR\n11.0.0.0/8,FR\n10.1.0.0/8,BE\n", "line 3: the same range has another country" },
		{ false, "CAE1,1,2\nbase/x,1,2\n", "line 2: must begin with an AE-ID" },
		{ false, "//sp.example,1,2\n", "line 1: must begin" },
		{ false, "CAE1,90.1,2\n", "line 1: must be Originator,latitude,longitude" },
		{ false, "CAE1,1,180.1\n", "line 1: must be" }, { false, "CAE1,1\n", "line 1: must be" }, { false, "CAE1,1,2,3\n", "line 1: must be" },
		{ false, "CAE1,nan,2\n", "line 1: must be" }, { false, "CAE1,0x10,2\n", "line 1: must be" }, { false, "CAE1,,2\n", "line 1: must be" },
		{ false, "CAE1,1,2\n\n/gw7/CAE1,1,2\n", "line 3: this Originator has a position on an earlier line" },
	};
	char why[256], text[2000];
	struct locate *l = NULL;

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		assert_int_equal(load(t[i].countries, t[i].text, &l, why), RC_INVALID);
		assert_null(l);
		if (!strstr(why, t[i].why) || !strstr(why, path))
			fail_msg("%s: %s", t[i].text, why);
	}
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(load(true, text, &l, why), RC_INVALID);
	assert_non_null(strstr(why, "line 1: too long"));
	assert_int_equal(locate_open("/tmp/reeve-no-such-file", NULL, &home, &l, why), RC_IO);
	assert_non_null(strstr(why, "reeve-no-such-file"));
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, make_file, drop_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILE(countries), WITH_FILE(everything), WITH_FILE(random_ranges), WITH_FILE(positions), WITH_FILE(faults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
