/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: verdicts of the vector file, limits, reading, comparison, and (where it is installed) the verdicts of another reader. */
#include "codec_util.h"

#include "jansson_peer.h"

static size_t percent(const char *s, char *out)
{
	size_t n = 0;
	char hex[3] = { 0 };

	for (; *s && *s != '\n'; s++) {
		if (*s == '%') {
			memcpy(hex, s + 1, 2);
			out[n++] = (char)strtol(hex, NULL, 16);
			s += 2;
		} else {
			out[n++] = *s;
		}
	}
	return n;
}

/* Accepted or refused, and refused at the right byte. The copy has no byte to spare, so that a sanitizer sees a read beyond the end. */
static void check_case(const char *line, unsigned number)
{
	const char *comment = strchr(line, '\t'), *text = comment ? strchr(comment + 1, '\t') : NULL;
	struct arena a;
	struct slice why;
	struct json j;
	enum reeve_rc rc;
	char *copy, tail[32];
	size_t n;

	assert_non_null(text);
	copy = malloc(strlen(text));
	n = percent(text + 1, copy);
	copy = realloc(copy, n ? n : 1);
	test_arena(&a);
	rc = json_parse(&a, slice_of(copy, n), NULL, &j, &why);
	if (*line == 'y' && rc)
		fail_msg("line %u: refused: %.*s", number, SF(why));
	if (*line == 'n') {
		snprintf(tail, sizeof(tail), " at byte %ld", strtol(line + 1, NULL, 10));
		if (rc != RC_SYNTAX || !slice_ends(why, slice_str(tail)))
			fail_msg("line %u: want refusal%s, got %s %.*s", number, tail, rc_name(rc), SF(why));
	}
	arena_reset(&a);
	free(copy);
}

/* CORE-268: member names are unique, escapes or not. */
static void vectors(void **state)
{
	FILE *f = fopen("tests/vectors/json/cases.txt", "r");
	char line[1024];
	unsigned number = 0, cases = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		number++;
		if (*line == '#' || *line == '\n')
			continue;
		check_case(line, number);
		cases++;
	}
	fclose(f);
	assert_true(cases > 220);
}

static enum reeve_rc verdict(struct slice text, const struct json_limits *limits)
{
	struct arena a;
	struct slice why;
	struct json j;
	enum reeve_rc rc;

	test_arena(&a);
	rc = json_parse(&a, text, limits, &j, &why);
	assert_true(rc == RC_OK || why.n > 0);
	arena_reset(&a);
	return rc;
}

static struct slice nested(char *out, size_t depth, char open, char close)
{
	memset(out, open, depth);
	memset(out + depth, close, depth);
	return slice_of(out, depth * 2);
}

static void limits(void **state)
{
	static char text[400000];
	const struct json_limits few = { .depth = 3, .tokens = 5 };

	assert_int_equal(verdict(nested(text, 32, '[', ']'), NULL), RC_OK);
	assert_int_equal(verdict(nested(text, 33, '[', ']'), NULL), RC_LIMIT);
	assert_int_equal(verdict(slice_of(text, 33), NULL), RC_LIMIT);
	assert_int_equal(verdict(nested(text, 200000, '[', ']'), NULL), RC_LIMIT);
	assert_int_equal(verdict(S("[[[]]]"), &few), RC_OK);
	assert_int_equal(verdict(S("[[[[]]]]"), &few), RC_LIMIT);
	assert_int_equal(verdict(S("{\"a\":{\"b\":{}}}"), &few), RC_OK);
	assert_int_equal(verdict(S("[[],[],[],[]]"), &few), RC_OK); /* depth is not a count */
	assert_int_equal(verdict(S("[1,2,3,4]"), &few), RC_OK);
	assert_int_equal(verdict(S("[1,2,3,4,5]"), &few), RC_LIMIT);
	assert_int_equal(verdict(S("{\"a\":1,\"b\":2}"), &few), RC_OK);
	assert_int_equal(verdict(S("{\"a\":1,\"b\":2,\"c\":3}"), &few), RC_LIMIT); /* names count */
}

/* With every ceiling of memory the parser says so, or is right. */
static void memory(void **state)
{
	struct buf b;
	size_t failed = 0, worked = 0;

	buf_init(&b, 1 << 16);
	buf_char(&b, '[');
	for (int i = 0; i < 2000; i++)
		buf_printf(&b, "%d,", i);
	buf_lit(&b, "0]");
	for (size_t ceiling = 0; ceiling < 200000; ceiling += 997) {
		struct arena a;
		struct slice why;
		struct json j;
		enum reeve_rc rc;

		arena_init(&a, NULL, 0, ceiling);
		rc = json_parse(&a, buf_view(&b), NULL, &j, &why);
		assert_true(rc == RC_OK || rc == RC_NOMEM);
		*(rc ? &failed : &worked) += 1;
		if (!rc)
			assert_int_equal(j.tok[0].count, 2001);
		arena_reset(&a);
	}
	assert_true(failed > 0 && worked > 0);
	buf_free(&b);
}

/* A name repeated among many, at every distance, plain and escaped. */
static void many_names(void **state)
{
	struct buf b;

	for (int count = 2; count < 2000; count = count * 5 / 3 + 1) {
		for (int form = 0; form < 4; form++) {
			buf_init(&b, 1 << 20);
			buf_char(&b, '{');
			for (int i = 0; i < count; i++)
				buf_printf(&b, form & 1 ? "\"n\\u0061me%d\":%d," : "\"name%d\":%d,", i, i);
			buf_printf(&b, form & 2 ? "\"n\\u0061me%d\":0}" : "\"name%d\":0}", count / 2);
			assert_int_equal(verdict(buf_view(&b), NULL), RC_SYNTAX);
			buf_clear(&b);
			buf_char(&b, '{');
			for (int i = 0; i < count; i++)
				buf_printf(&b, i % 3 ? "\"n\\u0061me%d\":%d," : "\"name%d\":%d,", i, i);
			buf_printf(&b, "\"name%d\":0}", count);
			assert_int_equal(verdict(buf_view(&b), NULL), RC_OK);
			buf_free(&b);
		}
	}
}

static void tokens(void **state)
{
	struct arena a;
	struct json j;

	test_arena(&a);
	j = parsed(&a, S(" {\"a\": [1, 2.5], \"b\":\"x\\n\" , \"c\":{}}"));
	assert_int_equal(j.n, 9);
	assert_int_equal(j.tok[0].count, 3);
	assert_int_equal(j.tok[0].next, 9);
	assert_int_equal(j.tok[2].next, 5);
	assert_int_equal(j.tok[2].count, 2);
	assert_true(j.tok[3].integer && !j.tok[4].integer);
	assert_true(j.tok[6].escaped && !j.tok[5].escaped);
	assert_slice(json_raw(&j, 2), "[1, 2.5]");
	assert_slice(json_inner(&j, 5), "b");
	assert_int_equal(json_member(&j, 0, S("c")), 8);
	assert_int_equal(json_member(&j, 0, S("d")), 0);
	assert_int_equal(json_member(&j, 2, S("a")), 0);
	arena_reset(&a);
}

static void strings(void **state)
{
	static const struct { const char *json, *text; } rows[] = {
		{ "\"\"", "" },
		{ "\"abc\"", "abc" },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
		{ "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\"a\\u0062c\"", "abc" },
		{ "\"\\ud800\\udc00\\udbff\\udfff\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" },
	};
	struct arena a;

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct json j;
		struct slice s;

		test_arena(&a);
		j = parsed(&a, slice_str(rows[i].json));
		assert_true(json_string_is(&j, 0, slice_str(rows[i].text)));
		assert_false(json_string_is(&j, 0, S("something else")));
		/* A string parsed alone is at index 0, which is also "none": only a string counts there. */
		assert_slice(json_string(&a, &j, 0), rows[i].text);
		j = parsed(&a, arena_printf(&a, "[%s]", rows[i].json));
		s = json_string(&a, &j, 1);
		assert_non_null(s.p);
		assert_slice(s, rows[i].text);
		if (s.n)
			assert_false(json_string_is(&j, 1, slice_of(s.p, s.n - 1)));
		arena_reset(&a);
	}
}

static void numbers(void **state)
{
	struct arena a;
	struct json j;
	uint64_t u;
	int64_t i;
	double d;
	bool b;

	test_arena(&a);
	j = parsed(&a, S("[18446744073709551615,18446744073709551616,-9223372036854775808,-9223372036854775809,"
			 "1.0,1e2,\"1\",true,0.1,1e400,7]"));
	assert_true(json_u64(&j, 1, &u) && u == UINT64_MAX);
	assert_false(json_i64(&j, 1, &i));
	assert_false(json_u64(&j, 2, &u));
	assert_true(json_double(&j, 2, &d) && d == 18446744073709551616.0);
	assert_true(json_i64(&j, 3, &i) && i == INT64_MIN);
	assert_false(json_u64(&j, 3, &u));
	assert_false(json_i64(&j, 4, &i));
	assert_false(json_u64(&j, 5, &u)); /* CORE-269: an integer has no fraction */
	assert_false(json_u64(&j, 6, &u));
	assert_true(json_double(&j, 6, &d) && d == 100);
	assert_false(json_u64(&j, 7, &u));
	assert_false(json_double(&j, 7, &d));
	assert_true(json_bool(&j, 8, &b) && b);
	assert_false(json_bool(&j, 11, &b));
	assert_true(json_double(&j, 9, &d) && d == 0.1);
	assert_false(json_double(&j, 10, &d));
	assert_true(json_u64(&j, 11, &u) && u == 7);
	arena_reset(&a);
}

static bool equal(const char *x, const char *y)
{
	struct arena a;
	struct json jx, jy;
	bool same;

	test_arena(&a);
	jx = parsed(&a, slice_str(x));
	jy = parsed(&a, slice_str(y));
	same = json_equal(&jx, 0, &jy, 0);
	assert_int_equal(json_equal(&jy, 0, &jx, 0), same);
	assert_true(json_equal(&jx, 0, &jx, 0));
	arena_reset(&a);
	return same;
}

static void equality(void **state)
{
	assert_true(equal("{\"a\":1,\"b\":[1,2]}", " { \"b\" : [1, 2], \"\\u0061\":1 }"));
	assert_false(equal("{\"a\":1}", "{\"b\":1}"));
	assert_false(equal("{\"a\":1}", "{\"a\":2}"));
	assert_false(equal("{\"a\":1}", "{\"a\":1,\"b\":1}"));
	assert_false(equal("{\"a\":1,\"c\":1}", "{\"a\":1,\"b\":1}"));
	assert_false(equal("[1,2]", "[2,1]"));
	assert_false(equal("[]", "{}"));
	assert_false(equal("null", "false"));
	assert_false(equal("\"1\"", "1"));
	assert_true(equal("\"\\u00e9\\n\"", "\"\xc3\xa9\\u000a\""));
	assert_true(equal("\"\\u0061b\"", "\"a\\u0062\""));
	assert_false(equal("\"\\u0061b\"", "\"a\\u0062c\""));
}

static void equal_numbers(void **state)
{
	static const char *const same[][2] = {
		{ "1", "1.0" }, { "100", "1e2" }, { "100", "1E+2" }, { "0.01", "1e-2" }, { "0", "-0" },
		{ "0", "0.0e9" },
		{ "-1.50", "-15e-1" },
		{ "123456789012345678901234567890", "1.2345678901234567890123456789e29" },
		{ "1000000", "1e6" }, { "0.000001", "0.1e-5" }, { "10.10", "1010e-2" },
	};
	static const char *const other[][2] = {
		{ "1", "2" }, { "1", "-1" }, { "1", "10" }, { "0.1", "0.01" }, { "1e1000000", "1e1000001" },
		{ "1", "0" },
		{ "9007199254740993", "9007199254740992" }, { "0.1", "0.1000000000000000000000000001" },
		{ "12", "12.1" }, { "1e5", "1e-5" },
	};

	for (size_t i = 0; i < ROWS(same); i++)
		if (!equal(same[i][0], same[i][1]))
			fail_msg("%s and %s", same[i][0], same[i][1]);
	for (size_t i = 0; i < ROWS(other); i++)
		if (equal(other[i][0], other[i][1]))
			fail_msg("%s and %s", other[i][0], other[i][1]);
}

/* Objects large enough for the hash: in reverse order, and with one value or name changed. */
static void equal_large(void **state)
{
	struct buf b[4];
	enum { N = 300 };

	for (int k = 0; k < 4; k++)
		buf_init(&b[k], 1 << 20);
	for (int i = 0; i < N; i++) {
		buf_printf(&b[0], "%c\"n%d\":%d", i ? ',' : '{', i, i);
		buf_printf(&b[1], "%c\"\\u006e%d\":%d", i ? ',' : '{', N - 1 - i, N - 1 - i);
		buf_printf(&b[2], "%c\"n%d\":%d", i ? ',' : '{', i, i == N / 2 ? -1 : i);
		buf_printf(&b[3], "%c\"n%d\":%d", i ? ',' : '{', i == N / 2 ? N : i, i);
	}
	for (int k = 0; k < 4; k++) {
		buf_lit(&b[k], "}");
		buf_char(&b[k], '\0');
	}
	assert_true(equal(b[0].p, b[1].p));
	assert_false(equal(b[0].p, b[2].p));
	assert_false(equal(b[0].p, b[3].p));
	for (int k = 0; k < 4; k++)
		buf_free(&b[k]);
}

static void compact(void **state)
{
	struct arena a;
	struct json j;
	struct buf b;

	test_arena(&a);
	buf_init(&b, 1000);
	j = parsed(&a, S(" { \"a b\" : [ 1 , \" , \" , { } ] ,\r\n\t\"c\" : null } "));
	json_compact(&b, &j, 0);
	assert_slice(buf_view(&b), "{\"a b\":[1,\" , \",{}],\"c\":null}");
	buf_clear(&b);
	json_compact(&b, &j, 2);
	assert_slice(buf_view(&b), "[1,\" , \",{}]");
	buf_clear(&b);
	json_compact(&b, &j, json_member(&j, 0, S("c")));
	assert_slice(buf_view(&b), "null");
	buf_free(&b);
	arena_reset(&a);
}

/* ---- another reader ---- */

static const char *const seeds[] = {
	"{\"m2m:cin\":{\"con\":\"23.5\",\"cnf\":\"text/plain:0\",\"lbl\":[\"a\",\"b:c\"],\"x\":{\"y\":[1,-2,0,true,null]}}}",
	"{\"a\\u0062\":\"\\ud83d\\ude00\",\"ab\":\"\xf0\x9f\x98\x80\",\"c\":[[],{},[{}],\"\\n\\\"\"]}",
	"[1,2.5,-1e3,0,\"x\",\"\xc3\xa9\",{\"k\":1,\"l\":2,\"\\u006b\":3,\"m\":false}]",
	"{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1}",
};

static size_t mutate(uint64_t *rnd, char *text, size_t n, size_t max)
{
	/* No NUL: jansson skips it behind a number. */
	static const char pieces[] = "{}[],:\"\\u0123456789abcdefDd8eE+-. \t\ntruefalsn"
				     "\xc3\xa9\xed\xa0\x80\xf0\x9f\x98\x80\x1f\x01";
	unsigned times = 1 + (unsigned)(next_random(rnd) % 3);

	while (times--) {
		size_t at = next_random(rnd) % n;
		char c = pieces[next_random(rnd) % (sizeof(pieces) - 1)];
		switch (next_random(rnd) % 4) {
		case 0:
			text[at] = c;
			break;
		case 1:
			memmove(text + at, text + at + 1, --n - at);
			break;
		case 2:
			if (n < max) {
				memmove(text + at + 1, text + at, n++ - at);
				text[at] = c;
			}
			break;
		default:
			text[at] = text[next_random(rnd) % n];
		}
		if (n == 0)
			return 0;
	}
	return n;
}

/* Bytes that print, the rest as %HH. */
static const char *shown(struct slice s)
{
	static char out[1024];
	size_t n = 0;

	for (size_t i = 0; i < s.n && n + 4 < sizeof(out); i++) {
		unsigned char c = (unsigned char)s.p[i];
		n += (size_t)snprintf(out + n, 4, c < 0x7f && c >= 0x20 ? "%c" : "%%%02x", c);
	}
	return out;
}

static void against_another(void **state)
{
	const struct jansson *peer = jansson_open();
	uint64_t rnd = 1;
	unsigned accepted = 0;
	char text[256];

	if (!peer)
		fail_msg("libjansson4 is not installed: tools/deps.sh test");
	for (int round = 0; round < 200000; round++) {
		const char *seed = seeds[(unsigned)round % ROWS(seeds)];
		size_t n = strlen(seed);
		struct slice s;

		memcpy(text, seed, n);
		n = mutate(&rnd, text, n, sizeof(text));
		s = slice_of(text, n);
		switch (jansson_verdict(peer, s)) {
		case JANSSON_RANGE: /* a smaller range of numbers, which is not ours to copy */
			break;
		case JANSSON_YES:
			if (verdict(s, NULL) != RC_OK)
				fail_msg("only we refuse %s", shown(s));
			accepted++;
			break;
		case JANSSON_NO:
			if (verdict(s, NULL) == RC_OK)
				fail_msg("only we accept %s", shown(s));
		}
	}
	assert_true(accepted > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(limits),
		cmocka_unit_test(memory),
		cmocka_unit_test(many_names),
		cmocka_unit_test(tokens),
		cmocka_unit_test(strings),
		cmocka_unit_test(numbers),
		cmocka_unit_test(equality),
		cmocka_unit_test(equal_numbers),
		cmocka_unit_test(equal_large),
		cmocka_unit_test(compact),
		cmocka_unit_test(against_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
