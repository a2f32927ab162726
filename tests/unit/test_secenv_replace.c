/* SPDX-License-Identifier: Apache-2.0 */
/* A stored key that another one replaces: at no moment there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "secenv/secenv.h"

/* A key takes the place of another one: that one's handles are refused, and what cannot be imported leaves it there. */
static void replaced(void **state)
{
	static const char hex[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
	struct key_spec spec = { .kid = S("again"), .alg = ALG_HS256 };
	struct key_ref *old, *now;
	uint8_t mac[2][KEY_SIGNATURE_MAX];
	char dir[] = "/tmp/reeve-test-XXXXXX", file[64], seal[64], lock[64], why[KEY_WHY_MAX];
	struct secenv *se;
	size_t n;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/keys", dir);
	snprintf(seal, sizeof(seal), "%s/keys.seal", dir);
	snprintf(lock, sizeof(lock), "%s/keys.lock", dir);
	assert_int_equal(secenv_open(&(struct secenv_options){ .file = file, .create = true }, &se, why), RC_OK);
	assert_int_equal(secenv_import(se, KEY_HEX, S(hex), &spec, &old, why), RC_OK);
	assert_int_equal(key_sign(old, ALG_HS256, S("data"), mac[0], &n), RC_OK);
	assert_int_equal(secenv_import(se, KEY_HEX, S(hex), &spec, NULL, why), RC_EXISTS);
	spec.replace = true;
	assert_int_equal(secenv_import(se, KEY_HEX, S("ff"), &spec, NULL, why), RC_INVALID);
	assert_int_equal(key_verify(old, ALG_HS256, S("data"), slice_of((char *)mac[0], n)), RC_OK);
	assert_int_equal(secenv_generate(se, &spec, &now, why), RC_OK);
	assert_int_equal(key_verify(old, ALG_HS256, S("data"), slice_of((char *)mac[0], n)), RC_DENIED);
	assert_int_equal(key_verify(now, ALG_HS256, S("data"), slice_of((char *)mac[0], n)), RC_FORGED);
	key_put(old);
	secenv_close(se);
	/* on the disk, too */
	assert_int_equal(key_sign(now, ALG_HS256, S("data"), mac[0], &n), RC_OK);
	key_put(now);
	assert_int_equal(secenv_open(&(struct secenv_options){ .file = file }, &se, why), RC_OK);
	now = secenv_find(se, S("again"));
	assert_non_null(now);
	assert_int_equal(key_verify(now, ALG_HS256, S("data"), slice_of((char *)mac[0], n)), RC_OK);
	key_put(now);
	assert_int_equal(secenv_delete(se, S("again"), why), RC_OK);
	assert_null(secenv_find(se, S("again")));
	secenv_close(se);
	unlink(file);
	unlink(seal);
	unlink(lock);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(replaced) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
