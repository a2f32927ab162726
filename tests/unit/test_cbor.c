/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR to JSON and back: single items, what is refused, limits, round trips, and (where it is installed) another reader. */
#include "codec_util.h"

#include <math.h>

#include "codec/cbor.h"

#ifdef HAVE_LIBCBOR
#include <cbor.h>
#endif

static struct slice unhex(const char *hex, char *out)
{
	size_t n = 0;
	char pair[3] = { 0 };

	for (; hex[0]; hex += 2) {
		memcpy(pair, hex, 2);
		out[n++] = (char)strtol(pair, NULL, 16);
	}
	return slice_of(out, n);
}

static void hex_of(struct slice s, char *out)
{
	*out = '\0';
	for (size_t i = 0; i < s.n; i++)
		snprintf(out + 2 * i, 3, "%02x", (unsigned char)s.p[i]);
}

static const struct { const char *hex, *json; } reads[] = {
	{ "00", "0" }, { "17", "23" }, { "1818", "24" }, { "18ff", "255" }, { "190100", "256" },
	{ "1a000f4240", "1000000" },
	{ "1b000000e8d4a51000", "1000000000000" }, { "1bffffffffffffffff", "18446744073709551615" },
	{ "20", "-1" }, { "3863", "-100" },
	{ "3b7fffffffffffffff", "-9223372036854775808" }, { "3bffffffffffffffff", "-18446744073709551616" },
	{ "1800", "0" }, { "1b0000000000000001", "1" }, /* longer than need be */
	{ "f90000", "0.0" }, { "f98000", "-0.0" }, { "f93c00", "1.0" }, { "f93e00", "1.5" },
	{ "f97bff", "65504.0" }, { "f90001", "5.9604644775390625e-08" },
	{ "f90400", "6.103515625e-05" }, { "fa47c35000", "100000.0" },
	{ "fa7f7fffff", "3.4028234663852886e+38" }, { "fb3ff199999999999a", "1.1" },
	{ "fbc010666666666666", "-4.1" }, { "fb7e37e43c8800759c", "1e+300" },
	{ "fb3fd5555555555555", "0.3333333333333333" },
	{ "f4", "false" }, { "f5", "true" }, { "f6", "null" },
	{ "60", "\"\"" }, { "6161", "\"a\"" }, { "6449455446", "\"IETF\"" }, { "62225c", "\"\\\"\\\\\"" },
	{ "62c3bc", "\"\xc3\xbc\"" }, { "64f0908591", "\"\xf0\x90\x85\x91\"" },
	{ "610a", "\"\\n\"" }, { "6101", "\"\\u0001\"" },
	{ "4161", "\"a\"" }, { "43e282ac", "\"\xe2\x82\xac\"" }, /* text as bytes, X3 */
	{ "5f42e28241acff", "\"\xe2\x82\xac\"" }, { "7f657374726561646d696e67ff", "\"streaming\"" },
	{ "7fff", "\"\"" },
	{ "80", "[]" }, { "83010203", "[1,2,3]" }, { "8301820203820405", "[1,[2,3],[4,5]]" },
	{ "9fff", "[]" }, { "9f01820203ff", "[1,[2,3]]" }, { "82019f02ff", "[1,[2]]" },
	{ "a0", "{}" }, { "a26161016162820203", "{\"a\":1,\"b\":[2,3]}" }, { "bf6161016162ff", NULL },
	{ "bf616101ff", "{\"a\":1}" }, { "a1416101", "{\"a\":1}" },
	{ "a17f61616162ff01", "{\"ab\":1}" },
	{ "c074323031332d30332d32315432303a30343a30305a", "\"2013-03-21T20:04:00Z\"" },
	{ "c11a514b67b0", "1363896240" }, { "d9d9f7c0c001", "1" }, { "a1d9d9f7616101", "{\"a\":1}" },
	{ "a1676d326d3a63696ea163636f6e6432332e35", "{\"m2m:cin\":{\"con\":\"23.5\"}}" },
};

/* CORE-272: the structure of JSON. */
static void reading(void **state)
{
	for (size_t i = 0; i < ROWS(reads); i++) {
		char bin[128];
		struct slice in = unhex(reads[i].hex, bin), why;
		struct arena a;
		struct buf out;
		enum reeve_rc rc;

		test_arena(&a);
		buf_init(&out, 4096);
		rc = cbor_to_json(in, NULL, &out, &a, &why);
		if ((rc == RC_OK) != (reads[i].json != NULL))
			fail_msg("%s: %s %.*s", reads[i].hex, rc_name(rc), SF(why));
		if (!rc)
			assert_slice(buf_view(&out), reads[i].json);
		/* Cut anywhere, it is refused, and no byte beyond the end is read. */
		for (size_t n = 0; n < in.n && reads[i].json; n++) {
			char *cut = malloc(n ? n : 1);
			memcpy(cut, bin, n);
			buf_clear(&out);
			assert_int_equal(cbor_to_json(slice_of(cut, n), NULL, &out, &a, &why), RC_SYNTAX);
			assert_true(why.n > 0);
			free(cut);
		}
		buf_free(&out);
		arena_reset(&a);
	}
}

static void refused(void **state)
{
	static const char *const bad[] = {
		/* reserved */
		"", "ff", "1c", "1d", "1e", "1f", "3c", "3f", "5c", "7d", "9e", "bc", "dc", "df00", "fc",
		"fe",
		"e0", "f0", "f3", "f7", "f800", "f814", "f8ff", /* simple values, undefined */
		/* infinity, NaN */
		"f97c00", "f9fc00", "f97e00", "fa7f800000", "fa7fc00000", "fbfff0000000000000",
		"fb7ff8000000000000",
		"4180", "41ff", "43e28228", "5f4180ff", /* bytes that are no text */
		/* no UTF-8; characters do not span chunks */
		"6180", "62c328", "61c3", "7f61c361bcff", "62c080", "63eda080",
		"7f4161ff", "5f6161ff", "7f01ff", "7f7f6161ffff", "7fc06161ff", /* other things as chunks */
		"a10102", "a1f601", "a1806161", "a1a06161", "a120" "01", /* names that are no text */
		"a1616101" "00", "0000", "8000", "f6f6", /* something behind */
		"81", "8201", "9f01", "a16161", "a1", "bf6161ff", "bf61610161", "5bffffffffffffffff61",
		"7affffffff61", "9bffffffffffffffff", "bbffffffffffffffff", "9bffffffffffffffff01",
		"c0", "d8", "c0ff", "81ff", "a1ff", "a16161ff", "61", "19", "1900", "fb00000000000000",
	};

	for (size_t i = 0; i < ROWS(bad); i++) {
		char bin[128];
		struct slice why, in = unhex(bad[i], bin);
		struct arena a;
		struct buf out;

		test_arena(&a);
		buf_init(&out, 4096);
		if (cbor_to_json(in, NULL, &out, &a, &why) != RC_SYNTAX || !why.n)
			fail_msg("%s: %.*s", bad[i], SF(buf_view(&out)));
		buf_free(&out);
		arena_reset(&a);
	}
}

static enum reeve_rc convert(struct slice in, const struct json_limits *limits, size_t max)
{
	struct arena a;
	struct buf out;
	struct slice why;
	enum reeve_rc rc;

	test_arena(&a);
	buf_init(&out, max);
	rc = cbor_to_json(in, limits, &out, &a, &why);
	assert_true(rc == RC_OK || why.n > 0);
	buf_free(&out);
	arena_reset(&a);
	return rc;
}

static void limits(void **state)
{
	static char text[100000];
	const struct json_limits few = { .depth = 3, .tokens = 5 };
	char bin[16];

	memset(text, 0x81, sizeof(text));
	text[32] = 0;
	assert_int_equal(convert(slice_of(text, 33), NULL, 1000), RC_OK);
	text[32] = (char)0x81;
	assert_int_equal(convert(slice_of(text, sizeof(text)), NULL, 1000), RC_LIMIT);
	memset(text, 0x9f, sizeof(text));
	assert_int_equal(convert(slice_of(text, sizeof(text)), NULL, 1000), RC_LIMIT);
	assert_int_equal(convert(unhex("8401020304", bin), &few, 1000), RC_OK);
	assert_int_equal(convert(unhex("850102030405", bin), &few, 1000), RC_LIMIT);
	assert_int_equal(convert(unhex("a3616101616202616303", bin), &few, 1000), RC_LIMIT);
	memset(text, 0xc1, sizeof(text)); /* tags are skipped, however many */
	text[sizeof(text) - 1] = 1;
	assert_int_equal(convert(slice_of(text, sizeof(text)), NULL, 1000), RC_OK);
	text[0] = (char)0x78; /* a string of 32 needs 34 bytes as JSON */
	text[1] = 32;
	memset(text + 2, 'x', 32);
	assert_int_equal(convert(slice_of(text, 34), NULL, 34), RC_OK);
	assert_int_equal(convert(slice_of(text, 34), NULL, 33), RC_LIMIT);
}

/* CORE-272: text leaves as major type 3, numbers in their shortest form. */
static void writing(void **state)
{
	static const struct { const char *json, *hex; } rows[] = {
		{ "0", "00" }, { "-0", "00" }, { "23", "17" }, { "24", "1818" }, { "255", "18ff" },
		{ "256", "190100" }, { "65536", "1a00010000" },
		{ "4294967296", "1b0000000100000000" }, { "18446744073709551615", "1bffffffffffffffff" },
		{ "-1", "20" }, { "-256", "38ff" },
		{ "-9223372036854775808", "3b7fffffffffffffff" },
		{ "-18446744073709551616", "3bffffffffffffffff" },
		{ "18446744073709551616", "fa5f800000" }, { "1.5", "fa3fc00000" },
		{ "1.1", "fb3ff199999999999a" }, { "1e2", "fa42c80000" }, { "1e300", "fb7e37e43c8800759c" },
		{ "\"\"", "60" }, { "\"a\\u00fc\\n\"", "6461c3bc0a" }, { "\"\\ud83d\\ude00\"", "64f09f9880" },
		{ "\"\xc3\xbc\"", "62c3bc" },
		{ "\"\\u0061\\u0061\\u0061\\u0061\\u0061\\u0061\\u0061\\u0061\"", "686161616161616161" },
		{ "[]", "80" }, { "{}", "a0" }, { "[true,false,null]", "83f5f4f6" },
		{ "{\"m2m:cin\":{\"con\":\"23.5\"}}", "a1676d326d3a63696ea163636f6e6432332e35" },
		{ "{ \"a\" : [ 1, { \"b\" : [ ] } ], \"c\" : 2 }", "a2616182" "01a1616280" "616302" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct arena a;
		struct buf out;
		struct json j;
		char hex[128];

		test_arena(&a);
		buf_init(&out, 64);
		j = parsed(&a, slice_str(rows[i].json));
		assert_int_equal(json_to_cbor(&j, 0, &out), RC_OK);
		hex_of(buf_view(&out), hex);
		if (strcmp(hex, rows[i].hex) != 0)
			fail_msg("%s became %s, not %s", rows[i].json, hex, rows[i].hex);
		for (size_t max = 0; max + 1 < strlen(hex) / 2; max++) {
			struct buf small;
			buf_init(&small, max);
			assert_int_equal(json_to_cbor(&j, 0, &small), RC_LIMIT);
			buf_free(&small);
		}
		buf_free(&out);
		arena_reset(&a);
	}
}

static void writing_more(void **state)
{
	struct arena a;
	struct buf out;
	struct json j;
	char hex[32];

	test_arena(&a);
	buf_init(&out, 64);
	j = parsed(&a, S("{\"a\":1e999}"));
	assert_int_equal(json_to_cbor(&j, 0, &out), RC_INVALID);
	buf_clear(&out);
	j = parsed(&a, S("{\"a\":[1,2],\"b\":3}")); /* a part of a document */
	assert_int_equal(json_to_cbor(&j, 2, &out), RC_OK);
	hex_of(buf_view(&out), hex);
	assert_string_equal(hex, "820102");
	buf_free(&out);
	arena_reset(&a);
}

/* There and back: the same value, and for floats the same bits. */
static void floats(void **state)
{
	uint64_t rnd = 7;

	for (int round = 0; round < 100000; round++) {
		uint64_t bits = next_random(&rnd);
		char bin[9];
		struct arena a;
		struct buf out;
		struct slice why;
		struct json j;
		double d, back;

		memcpy(&d, &bits, sizeof(d));
		if (!isfinite(d))
			continue;
		bin[0] = (char)0xfb;
		for (int i = 8; i > 0; i--, bits >>= 8)
			bin[i] = (char)bits;
		test_arena(&a);
		buf_init(&out, 64);
		assert_int_equal(cbor_to_json(slice_of(bin, 9), NULL, &out, &a, &why), RC_OK);
		j = parsed(&a, buf_view(&out));
		assert_true(!j.tok[0].integer && json_double(&j, 0, &back));
		assert_memory_equal(&d, &back, sizeof(d));
		buf_free(&out);
		arena_reset(&a);
	}
}

#ifdef HAVE_LIBCBOR
/* What libcbor made of it, as JSON; false when it holds something that JSON, or Reeve, does not have. */
static bool theirs_to_json(const cbor_item_t *item, struct buf *out);

static bool their_string(const cbor_item_t *item, struct buf *out)
{
	bool text = cbor_isa_string(item);
	bool whole = text ? cbor_string_is_definite(item) : cbor_bytestring_is_definite(item);
	size_t n = whole ? 1 : text ? cbor_string_chunk_count(item) : cbor_bytestring_chunk_count(item);
	cbor_item_t **chunks = whole ? NULL : text ? cbor_string_chunks_handle(item) : cbor_bytestring_chunks_handle(item);
	struct buf all;

	buf_init(&all, 1 << 16);
	for (size_t i = 0; i < n; i++) {
		const cbor_item_t *c = whole ? item : chunks[i];
		if (text)
			buf_add(&all, cbor_string_handle(c), cbor_string_length(c));
		else
			buf_add(&all, cbor_bytestring_handle(c), cbor_bytestring_length(c));
	}
	bool utf8 = slice_utf8(buf_view(&all)); /* buf_json would mend it */
	buf_json(out, buf_view(&all));
	buf_free(&all);
	return utf8;
}

static bool their_float(const cbor_item_t *item, struct buf *out)
{
	char text[40];
	double d;

	if (cbor_float_ctrl_is_ctrl(item)) {
		buf_slice(out, cbor_is_null(item) ? S("null") : cbor_is_bool(item) && cbor_get_bool(item) ? S("true") : S("false"));
		return cbor_is_null(item) || cbor_is_bool(item);
	}
	d = cbor_float_get_float(item);
	for (int digits = 15; digits <= 17; digits++) { /* as ours, so that the decimals can be compared exactly */
		snprintf(text, sizeof(text), "%.*e", digits - 1, d);
		if (strtod(text, NULL) == d)
			break;
	}
	buf_slice(out, slice_str(text));
	return isfinite(d);
}

static bool their_map(const cbor_item_t *item, struct buf *out)
{
	struct cbor_pair *pairs = cbor_map_handle(item);

	buf_char(out, '{');
	for (size_t i = 0; i < cbor_map_size(item); i++) {
		const cbor_item_t *key = pairs[i].key;
		if (i)
			buf_char(out, ',');
		while (cbor_isa_tag(key))
			key = cbor_move(cbor_tag_item(key));
		if ((!cbor_isa_string(key) && !cbor_isa_bytestring(key)) || !their_string(key, out))
			return false;
		buf_char(out, ':');
		if (!theirs_to_json(pairs[i].value, out))
			return false;
	}
	buf_char(out, '}');
	return true;
}

static bool their_array(const cbor_item_t *item, struct buf *out)
{
	buf_char(out, '[');
	for (size_t i = 0; i < cbor_array_size(item); i++) {
		if (i)
			buf_char(out, ',');
		if (!theirs_to_json(cbor_array_handle(item)[i], out))
			return false;
	}
	buf_char(out, ']');
	return true;
}

static bool theirs_to_json(const cbor_item_t *item, struct buf *out)
{
	switch (cbor_typeof(item)) {
	case CBOR_TYPE_UINT:
		buf_u64(out, cbor_get_int(item));
		return true;
	case CBOR_TYPE_NEGINT:
		if (cbor_get_int(item) == UINT64_MAX)
			buf_lit(out, "-18446744073709551616");
		else
			buf_printf(out, "-%llu", (unsigned long long)cbor_get_int(item) + 1);
		return true;
	case CBOR_TYPE_BYTESTRING:
	case CBOR_TYPE_STRING:
		return their_string(item, out);
	case CBOR_TYPE_ARRAY:
		return their_array(item, out);
	case CBOR_TYPE_MAP:
		return their_map(item, out);
	case CBOR_TYPE_TAG:
		return theirs_to_json(cbor_move(cbor_tag_item(item)), out);
	default:
		return their_float(item, out);
	}
}

/* libcbor refuses tags 6..20 as unassigned; a byte that may be one ends the comparison. */
static bool maybe_odd_tag(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0xc6 && (unsigned char)s.p[i] <= 0xd4)
			return true;
	return false;
}

/* libcbor takes memory for as many items as a definite array or map claims: 32 or 64 bits of claim are not shown to it. */
static bool claims_much(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c == 0x9a || c == 0x9b || c == 0xba || c == 0xbb)
			return true;
	}
	return false;
}

/* The same value, or both refuse. Whether bytes are UTF-8, NUL and repeated names is left to json_parse on both sides. */
static bool same(struct slice in)
{
	struct cbor_load_result result;
	cbor_item_t *item = cbor_load((cbor_data)in.p, in.n, &result);
	bool take = item && result.read == in.n, accepted = false;
	char hex[512];
	struct arena a;
	struct buf ours, theirs;
	struct slice why;
	struct json jo, jt;
	enum reeve_rc rc;

	hex_of(in, hex);
	test_arena(&a);
	buf_init(&ours, 1 << 20);
	buf_init(&theirs, 1 << 20);
	rc = cbor_to_json(in, NULL, &ours, &a, &why);
	take = take && theirs_to_json(item, &theirs) && json_parse(&a, buf_view(&theirs), NULL, &jt, &why) == RC_OK;
	if (!rc)
		rc = json_parse(&a, buf_view(&ours), NULL, &jo, &why);
	/* libcbor joins chunks whose characters are cut; RFC 8949 3.2.3 does not allow that, so there only we refuse. */
	if (take && rc && !slice_starts(why, S("CBOR: no UTF-8")))
		fail_msg("%s: only we refuse: %.*s, %.*s", hex, SF(buf_view(&theirs)), SF(why));
	if (!take && !rc && !maybe_odd_tag(in))
		fail_msg("%s: only we accept: %.*s, theirs %.*s", hex, SF(buf_view(&ours)), SF(buf_view(&theirs)));
	if (take && !rc) {
		if (!json_equal(&jo, 0, &jt, 0))
			fail_msg("ours %.*s theirs %.*s", SF(buf_view(&ours)), SF(buf_view(&theirs)));
		accepted = true;
	}
	if (item)
		cbor_decref(&item);
	buf_free(&ours);
	buf_free(&theirs);
	arena_reset(&a);
	return accepted;
}

static void against_another(void **state)
{
	uint64_t rnd = 3;
	unsigned accepted = 0;

	for (int round = 0; round < 200000; round++) {
		char bin[160];
		struct slice s = unhex(reads[(unsigned)round % ROWS(reads)].hex, bin);
		unsigned times = (unsigned)(next_random(&rnd) % 3);

		while (times--) {
			size_t at = next_random(&rnd) % s.n;
			if (next_random(&rnd) % 3 || s.n == sizeof(bin)) {
				bin[at] = (char)next_random(&rnd);
			} else {
				memmove(bin + at + 1, bin + at, s.n++ - at);
				bin[at] = (char)next_random(&rnd);
			}
		}
		if (!claims_much(s))
			accepted += same(s);
	}
	assert_true(accepted > 50000);
}
#else
static void against_another(void **state) { fail_msg("built without libcbor-dev: tools/deps.sh test"); }
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading),
		cmocka_unit_test(refused),
		cmocka_unit_test(limits),
		cmocka_unit_test(writing),
		cmocka_unit_test(writing_more),
		cmocka_unit_test(floats),
		cmocka_unit_test(against_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
