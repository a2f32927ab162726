/* SPDX-License-Identifier: Apache-2.0 */
/* Records: keys and their text, views that trust nothing, rendering. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/rand.h"
#include "resource/record.h"
#include "store_util.h"

static void ids_are_keys(void **state)
{
	static const struct { struct res_key key; const char *text; } known[] = {
		{ { 0, 1 }, "0-1" },
		{ { 1, 31 }, "1-v" },
		{ { 32, 1024 }, "10-100" },
		{ { 5, RES_INSTANCE | 33 }, "5_11" },
		{ { RES_INSTANCE | 3, 4 }, "8000000000003-4" },
		{ { UINT64_MAX, UINT64_MAX }, "fvvvvvvvvvvvv_7vvvvvvvvvvvv" },
	};
	struct res_key back, k;
	char id[RES_ID_MAX];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t n = res_id_write(known[i].key, id);
		assert_slice(slice_of(id, n), slice_str(known[i].text));
		assert_true(res_id_read(slice_of(id, n), &back));
		assert_memory_equal(&back, &known[i].key, sizeof(back));
	}
	for (int i = 0; i < 10000; i++) {
		k = (struct res_key){ rand_u64() >> (i % 64), (rand_u64() >> (i % 61)) | 1 };
		assert_true(res_id_read(slice_of(id, res_id_write(k, id)), &back));
		assert_memory_equal(&back, &k, sizeof(k));
		assert_true(id[0] < 'A' || id[0] > 'Z'); /* an AE-ID-Stem begins with C or S */
	}
}

static void what_is_no_id_is_not_read(void **state)
{
	static const char *const bad[] = {
		"", "-", "_", "1-", "-1", "1", "1-0", "1_0", "01-1", "1-01", "1-1-1", "1_1-", "w-1", "1-w", "A-1", "1-V", "1 -1",
		"1--1", "g000000000000-1", "1-8000000000000", "1-g000000000000", "10000000000000-1", "1-00000000000001",
	};
	struct res_key k;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(res_id_read(slice_str(bad[i]), &k));
}

static void keys_sort_as_numbers(void **state)
{
	char a[RES_KEY_LEN], b[RES_KEY_LEN];
	struct res_key low = { 1, 256 }, high = { 1, RES_INSTANCE | 2 }, next = { 2, 1 };

	res_key_write(low, a);
	res_key_write(high, b);
	assert_true(memcmp(a, b, sizeof(a)) < 0); /* instances follow the other children */
	res_key_write(next, a);
	assert_true(memcmp(b, a, sizeof(a)) < 0);
	assert_int_equal(res_key_read(a).parent, 2);
	assert_int_equal(res_key_read(a).n, 1);
}

/* A record as the tree puts it together. */
static struct slice make(char *out, struct rec_head h, const char *acps, const char *creator, const char *text)
{
	h.creator_len = (uint16_t)strlen(creator);
	h.n_acps = (uint16_t)(strlen(acps) / RES_KEY_LEN);
	h.text_len = (uint32_t)strlen(text);
	memcpy(out, &h, sizeof(h));
	return slice_of(out, sizeof(h) + (size_t)snprintf(out + sizeof(h), 1024, "%s%s%s", acps, creator, text));
}

static const char text1[] = "\"rn\":\"room\",\"ri\":\"1-5\",\"ty\":3,\"pi\":\"cb\",\"ct\":\"20240101T000000\",\"lbl\":[\"a,b\",\"c\\\"]}\"],"
			    "\"x\":{\"lbl\":1},\"mni\":10";
static const struct rec_head head1 = { .ty = 3, .rn_len = 4, .ri_len = 3, .lt = 1704067200500000, .et = 1735689600000000,
				       .st = 7, .cni = 2, .cbs = 18446744073709551615u };

static void a_view_shows_the_parts(void **state)
{
	_Alignas(8) char bytes[2048];
	struct slice v = make(bytes, head1, "0000000100000002000000030000000B", "/cse/Cadmin", text1);
	struct res r;

	assert_ok(res_view((struct res_key){ 1, 5 }, v, &r));
	assert_slice(res_rn(&r), S("room"));
	assert_slice(res_ri(&r), S("1-5"));
	assert_slice(r.creator, S("/cse/Cadmin"));
	assert_int_equal(r.h.n_acps, 2);
	assert_int_equal(res_acp(&r, 1).n & 0xff, 'B');
	assert_slice(r.text, S(text1));
	assert_slice(res_member(&r, S("mni")), S("10"));
	assert_slice(res_member(&r, S("lbl")), S("[\"a,b\",\"c\\\"]}\"]"));
	assert_slice(res_member(&r, S("rn")), S("\"room\""));
	assert_slice(res_member(&r, S("x")), S("{\"lbl\":1}"));
	assert_null(res_member(&r, S("mn")).p);
	assert_null(res_member(&r, S("st")).p);
	assert_null(res_member(&r, S("")).p);
}

/* Every shortened and every altered record is refused or stays within its bytes (the sanitizers watch). */
static void damage_is_noticed(void **state)
{
	_Alignas(8) char bytes[2048];
	struct slice whole = make(bytes, head1, "0000000100000002", "/cse/Cadmin", text1);
	struct buf b;
	struct res r;

	for (size_t n = 0; n < whole.n; n++) {
		char *cut = malloc(n ? n : 1);
		memcpy(cut, whole.p, n);
		assert_rc(res_view((struct res_key){ 1, 5 }, slice_of(cut, n), &r), RC_INVALID);
		free(cut);
	}
	buf_init(&b, 65536);
	for (size_t at = 0; at < whole.n; at++)
		for (int bit = 0; bit < 8; bit++) {
			char *copy = malloc(whole.n);
			memcpy(copy, whole.p, whole.n);
			copy[at] ^= (char)(1 << bit);
			if (res_view((struct res_key){ 1, 5 }, slice_of(copy, whole.n), &r) == RC_OK) {
				assert_true(res_rn(&r).n + res_ri(&r).n < whole.n);
				(void)res_member(&r, S("none"));
				r.h.lt = head1.lt;
				r.h.et = head1.et;
				buf_clear(&b);
				res_render(&b, &r);
			}
			free(copy);
		}
	buf_free(&b);
	memcpy(&r.h, bytes, sizeof(r.h));
	r.h.rn_len = 3; /* the parts of the text do not fit the lengths */
	memcpy(bytes, &r.h, sizeof(r.h));
	assert_rc(res_view((struct res_key){ 1, 5 }, whole, &r), RC_INVALID);
}

/* CORE: what changes by itself is rendered behind the text, by type. */
static void rendering_adds_what_changes(void **state)
{
	char bytes[2048];
	struct rec_head h = head1;
	struct buf b;
	struct res r;

	buf_init(&b, 4096);
	assert_ok(res_view((struct res_key){ 1, 5 }, make(bytes, h, "", "", text1), &r));
	res_render_rooted(&b, &r);
	assert_slice(slice_of(b.p, 10), S("{\"m2m:cnt\""));
	assert_slice(slice_of(b.p + 12, r.text.n), r.text);
	assert_slice(slice_skip(buf_view(&b), 12 + r.text.n),
		     S(",\"lt\":\"20240101T000000,5\",\"et\":\"20250101T000000\",\"st\":7,\"cni\":2,\"cbs\":18446744073709551615}}"));
	/* an instance has its st in the text */
	h.ty = 4;
	buf_clear(&b);
	assert_ok(res_view((struct res_key){ 1, RES_INSTANCE | 5 }, make(bytes, h, "", "", text1), &r));
	res_render(&b, &r);
	assert_slice(slice_skip(buf_view(&b), r.text.n), S(",\"lt\":\"20240101T000000,5\",\"et\":\"20250101T000000\""));
	/* <CSEBase> has no et */
	h.ty = 5;
	h.et = USEC_NEVER;
	buf_clear(&b);
	assert_ok(res_view((struct res_key){ 0, 1 }, make(bytes, h, "", "", text1), &r));
	res_render(&b, &r);
	assert_slice(slice_skip(buf_view(&b), r.text.n), S(",\"lt\":\"20240101T000000,5\""));
	buf_free(&b);
	buf_init(&b, 100); /* no room: noticed, nothing written beyond */
	res_render(&b, &r);
	assert_true(b.failed);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_keys),
		cmocka_unit_test(what_is_no_id_is_not_read),
		cmocka_unit_test(keys_sort_as_numbers),
		cmocka_unit_test(a_view_shows_the_parts),
		cmocka_unit_test(damage_is_noticed),
		cmocka_unit_test(rendering_adds_what_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
