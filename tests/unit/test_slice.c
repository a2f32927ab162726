/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns, digits and blanks in runs of bytes; whole files. */
#include "codec_util.h"

#include <stdio.h>
#include <unistd.h>

#include "base/file.h"

/* In acor no '*' crosses a '/'; in the operator's lists it does. */
static void patterns(void **state)
{
	static const struct { const char *pattern, *text; bool within, any; } rows[] = {
		{ "", "", true, true }, { "", "/", false, false }, { "*", "", true, true }, { "*", "a/b", false, true },
		{ "/gw7/*", "/gw7/base/x", false, true }, { "/gw7/*", "/gw7/base", true, true }, { "/gw7/*", "/gw7", false, false },
		{ "*/x*", "/gw7/base/xyz", false, true }, { "*/*/x*", "/base/xyz", true, true }, { "a*b*c", "a-b-b-c", true, true },
		{ "a*b*c", "a-b-b-c-", false, false }, { "C*n", "Con/n", false, true }, { "a", "A", false, false }, { "**a", "ba", true, true },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct slice p = slice_str(rows[i].pattern), s = slice_str(rows[i].text);

		if (slice_like(p, s, '/') != rows[i].within || slice_like(p, s, -1) != rows[i].any)
			fail_msg("%s, %s", rows[i].pattern, rows[i].text);
	}
}

static void digits(void **state)
{
	(void)state;
	for (int c = -128; c < 128; c++) {
		const char *const all = "0123456789abcdefABCDEF", *at = c > 0 ? strchr(all, c) : NULL;
		assert_int_equal(slice_hex((char)c), !at ? -1 : at - all < 16 ? at - all : at - all - 6);
	}
}

static void blanks(void **state)
{
	(void)state;
	assert_true(slice_eq(slice_trim(S(" \ta b\t "), S(" \t")), S("a b")));
	assert_true(slice_eq(slice_trim(S("\0a\0"), S(" ")), S("\0a\0"))); /* NUL is no blank */
	assert_int_equal(slice_trim(S("   "), S(" ")).n, 0);
	assert_int_equal(slice_trim((struct slice){ NULL, 0 }, S(" ")).n, 0);
}

static void files(void **state)
{
	char path[] = "/tmp/reeve-file-XXXXXX", why[FILE_WHY_MAX];
	const int fd = mkstemp(path);
	struct buf b;

	(void)state;
	assert_true(fd >= 0 && write(fd, "a\0b", 3) == 3 && close(fd) == 0);
	assert_int_equal(file_read(path, 3, &b, why), RC_OK);
	assert_true(slice_eq(buf_view(&b), S("a\0b")));
	buf_free(&b);
	assert_int_equal(file_read(path, 2, &b, why), RC_IO);
	assert_string_equal(why, "is longer than 2 bytes");
	buf_free(&b);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(file_read(path, 3, &b, why), RC_IO);
	assert_string_equal(why, "cannot be read: No such file or directory");
	buf_free(&b);
	assert_int_equal(file_read("/", 3, &b, why), RC_IO);
	assert_string_equal(why, "cannot be read: Is a directory");
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns), cmocka_unit_test(digits), cmocka_unit_test(blanks), cmocka_unit_test(files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
