/* SPDX-License-Identifier: Apache-2.0 */
/* The table of credentials: what a row may say, how it is kept, and which AE registered under which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core/association/credential.h"
#include "store_util.h"


#define ROWS(t) (sizeof(t) / sizeof((t)[0]))

static char why[TLS_WHY_MAX];

/* --- rows --- */

static enum reeve_rc read_row(struct arena *a, const char *text, struct credential *out)
{
	*out = (struct credential){ 0 };
	enum reeve_rc rc = credential_read(a, slice_str(text), out, why);
	return rc == RC_OK ? credential_check(out, why) : rc;
}

static void rows_that_may_be(void **state)
{
	/* each is written as it was read */
	static const char *const good[] = {
		"{\"id\":\"12-pump@issuer.example\"}",
		"{\"id\":\"12-pump@issuer.example\",\"ae\":[\"//sp.example/cse/Cpump\"],\"label\":\"d'eau \\u20ac\",\"admin\":true}",
		"{\"id\":\"12-mn.7_x-Y@issuer.example\",\"cse\":\"//sp.example/mn\",\"domain\":\"mn.example\"}",
		"{\"id\":\"30-ni:///sha-256;UyaQV-Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X_-Q\",\"ae\":[\"//sp.example/S1\"]}",
		"{\"id\":\"31-urn:dev:mac:0024befffe804ff1\",\"ae\":[\"//sp.example/cse/C1\",\"//sp.example/cse/C2\"]}", /* SEC-050 */
		"{\"id\":\"32-mn.in.example\",\"cse\":\"//sp.example/mn7\"}",
		"{\"id\":\"33-//sp.example/cse/Cx\",\"created\":\"20261124T150000\",\"expires\":\"20271124T150000\",\"revoked\":true}",
		"{\"id\":\"34-node.1\",\"ae\":[\"//sp.example/cse/C1\",\"//sp.example/cse/C2\"]}",
	};
	struct arena a;
	struct credential cr;
	struct buf b;

	(void)state;
	arena_init(&a, NULL, 0, 1 << 20);
	buf_init(&b, 4096);
	for (size_t i = 0; i < ROWS(good); i++) {
		const char *expected = i == 1 ? "{\"id\":\"12-pump@issuer.example\",\"ae\":[\"//sp.example/cse/Cpump\"],\"label\":\"d'eau "
						"\xe2\x82\xac\",\"admin\":true}" : good[i];

		if (read_row(&a, good[i], &cr) != RC_OK)
			fail_msg("%s: %s", good[i], why);
		buf_clear(&b);
		credential_write(&cr, &b);
		buf_char(&b, '\0');
		assert_string_equal(b.p, expected);
	}
	buf_free(&b);
	arena_reset(&a);
}

static void rows_that_may_not(void **state)
{
	static const struct { const char *text, *tells; } bad[] = {
		{ "[]", "object" }, { "{", "object" }, { "{\"id\":1}", "id" }, { "{\"id\":\"12-a@b\",\"admin\":\"yes\"}", "admin" },
		{ "{\"id\":\"12-a@b.c\",\"expires\":\"tomorrow\"}", "expires" }, { "{\"id\":\"12-a@b.c\",\"secret\":\"00\"}", "secret" },
		{ "{\"id\":\"12-a@b.c\",\"ae\":\"Cx\"}", "ae" }, { "{\"id\":\"12-a@b.c\",\"label\":\"a\\u0007\"}", "label" },
		/* SEC-125 */
		{ "{\"id\":\"\"}", "Credential-ID" }, { "{\"id\":\"pump\"}", "Credential-ID" }, { "{\"id\":\"99-a@b\"}", "Credential-ID" },
		{ "{\"id\":\"12-\"}", "Credential-ID" }, { "{\"id\":\"13-a@b.c\"}", "type 13" },
		/* SEC-032, SEC-033 */
		{ "{\"id\":\"12-pump\"}", "NAME@DOMAIN" }, { "{\"id\":\"12-@b.c\"}", "NAME@DOMAIN" }, { "{\"id\":\"12-a@\"}", "NAME@DOMAIN" },
		{ "{\"id\":\"12-a/b@c.d\"}", "NAME@DOMAIN" }, { "{\"id\":\"12-a@b@c.d\"}", "NAME@DOMAIN" }, { "{\"id\":\"12-a@c_d\"}", "NAME@DOMAIN" },
		/* SEC-051 */
		{ "{\"id\":\"12-a@b.c\",\"ae\":[\"//s/S1\",\"//s/S2\"]}", "several" },
		{ "{\"id\":\"30-ni:///sha-256;x\",\"ae\":[\"//s/S1\",\"//s/S2\"]}", "several" },
		{ "{\"id\":\"32-a.b\",\"ae\":[\"//s/S1\",\"//s/S2\"]}", "several" },
		{ "{\"id\":\"33-//s/S1\",\"ae\":[\"//s/S1\",\"//s/S2\"]}", "several" },
		/* SEC-052 */
		{ "{\"id\":\"32-a.b\",\"ae\":[\"//s/S1\"]}", "not stand for an AE" }, { "{\"id\":\"33-//s/S1\",\"cse\":\"//s/c\"}", "AE-ID in it" },
		{ "{\"id\":\"33-//s/S1\",\"ae\":[\"//s/S2\"]}", "AE-ID in it" },
		{ "{\"id\":\"12-a@b.c\",\"cse\":\"//s/c\",\"ae\":[\"//s/S1\"]}", "not for both" },
		{ "{\"id\":\"12-a@b.c\",\"domain\":\"c.s\"}", "domain" },
	};
	struct arena a;
	struct credential cr;

	(void)state;
	arena_init(&a, NULL, 0, 1 << 20);
	for (size_t i = 0; i < ROWS(bad); i++) {
		if (read_row(&a, bad[i].text, &cr) != RC_INVALID || !strstr(why, bad[i].tells))
			fail_msg("%s: \"%s\"", bad[i].text, why);
	}
	arena_reset(&a);
}

/* --- the store --- */

static void put(struct st_tx *tx, const char *text, enum reeve_rc expected)
{
	struct arena a;
	struct credential cr;

	arena_init(&a, NULL, 0, 1 << 20);
	assert_int_equal(read_row(&a, text, &cr), RC_OK);
	assert_int_equal(credential_put(tx, &cr), expected);
	arena_reset(&a);
}

struct seen { char text[512]; unsigned n; };

static bool each(void *ctx, const struct credential *cr)
{
	struct seen *s = ctx;

	snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text), "%.*s ", SF(cr->id));
	return ++s->n != 2;
}

static void kept(void **state)
{
	struct test_store *f = *state;
	struct seen s = { 0 };
	struct credential cr;
	struct st_tx *tx;
	struct arena a;

	arena_init(&a, NULL, 0, 1 << 20);
	assert_int_equal(st_begin(f->s, &tx), RC_OK);
	assert_int_equal(credential_get(tx, &a, S("12-a@b.c"), &cr), RC_NOTFOUND);
	put(tx, "{\"id\":\"12-a@b.c\",\"label\":\"one\"}", RC_OK);
	put(tx, "{\"id\":\"12-a@b.c\",\"label\":\"two\"}", RC_OK);
	put(tx, "{\"id\":\"12-A@b.c\"}", RC_OK);
	put(tx, "{\"id\":\"31-Serial.X\"}", RC_OK);
	put(tx, "{\"id\":\"31-Serial.x\"}", RC_OK);
	/* SEC-034: the same relative part of the same issuer */
	put(tx, "{\"id\":\"12-a@B.c\"}", RC_EXISTS);
	assert_int_equal(credential_get(tx, &a, S("12-a@B.c"), &cr), RC_NOTFOUND);
	assert_int_equal(st_commit(tx), RC_OK);
	assert_int_equal(st_begin(f->s, &tx), RC_OK);
	assert_int_equal(credential_get(tx, &a, S("12-a@b.c"), &cr), RC_OK);
	assert_true(slice_eq(cr.label, S("two")));
	credential_each(tx, S(""), &a, each, &s);
	credential_each(tx, S("12-a@b.c"), &a, each, &s);
	assert_string_equal(s.text, "12-A@b.c 12-a@b.c 31-Serial.X 31-Serial.x ");
	st_abort(tx);
	arena_reset(&a);
}

static void bound(void **state)
{
	const struct slice key = S("12-a@b.c"), node = S("34-n"), one = S("//s/c/C1"), two = S("//s/c/C2");
	struct test_store *f = *state;
	struct slice got, *aes;
	struct st_cursor c;
	struct st_tx *tx;
	struct arena a;
	size_t n;

	arena_init(&a, NULL, 0, 1 << 20);
	assert_int_equal(st_begin(f->s, &tx), RC_OK);
	assert_int_equal(credential_of(tx, &a, one, &got), RC_NOTFOUND);
	assert_int_equal(credential_unbind(tx, one), RC_OK);
	put(tx, "{\"id\":\"34-n\"}", RC_OK);
	assert_int_equal(credential_bind(tx, node, one), RC_OK);
	assert_int_equal(credential_bind(tx, node, two), RC_OK);
	assert_int_equal(credential_bind(tx, node, two), RC_OK);
	assert_int_equal(credential_bound(tx, &a, node, 10, &aes, &n), RC_OK);
	assert_int_equal(n, 2);
	assert_int_equal(credential_bound(tx, &a, node, 1, &aes, &n), RC_OK);
	assert_int_equal(n, 1);
	/* an AE registers anew under another credential: it is no longer the first one's */
	assert_int_equal(credential_bind(tx, key, one), RC_OK);
	assert_int_equal(credential_of(tx, &a, one, &got), RC_OK);
	assert_true(slice_eq(got, key));
	assert_int_equal(credential_bound(tx, &a, node, 10, &aes, &n), RC_OK);
	assert_int_equal(n, 1);
	assert_true(slice_eq(aes[0], two));
	assert_int_equal(st_cursor_open(tx, ST_CREDENTIAL, &c), RC_OK);
	for (enum reeve_rc rc = st_seek(&c, S("")); rc == RC_OK; rc = st_next(&c))
		assert_null(credential_entry_check(tx, &a, c.key, c.value));
	st_cursor_close(&c);
	/* what is deleted has nobody, also when it comes back */
	assert_int_equal(credential_delete(tx, &a, key), RC_NOTFOUND);
	assert_int_equal(credential_delete(tx, &a, node), RC_OK);
	assert_int_equal(credential_of(tx, &a, two, &got), RC_NOTFOUND);
	assert_int_equal(credential_unbind(tx, one), RC_OK);
	assert_int_equal(st_entries(tx, ST_CREDENTIAL), 0);
	/* damage is seen */
	assert_int_equal(st_put(tx, ST_CREDENTIAL, S("c12-a@b.c"), S("{\"id\":\"12-b@b.c\"}")), RC_OK);
	assert_int_equal(st_put(tx, ST_CREDENTIAL, S("a//s/c/C1"), S("12-a@b.c")), RC_OK);
	assert_non_null(credential_entry_check(tx, &a, S("c12-a@b.c"), S("{\"id\":\"12-b@b.c\"}")));
	assert_non_null(credential_entry_check(tx, &a, S("a//s/c/C1"), S("12-a@b.c")));
	assert_non_null(credential_entry_check(tx, &a, S("b1234567812345678"), S("//s/c/C1")));
	assert_non_null(credential_entry_check(tx, &a, S("x"), S("")));
	st_abort(tx);
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_that_may_be),
		cmocka_unit_test(rows_that_may_not),
		cmocka_unit_test_setup_teardown(kept, test_store_setup, test_store_teardown),
		cmocka_unit_test_setup_teardown(bound, test_store_setup, test_store_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
