/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of verified tokens: what it finds, what it forgets, and that threads may use it at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>

#include "token_util.h"

#include "core/rights/token_cache.h"

enum { MANY = 64 };
static const usec now = 500 * USEC_S;

struct world { struct maker m; struct arena a; struct token *t[MANY]; uint8_t hash[MANY][TOKEN_HASH]; };
static struct world w;

static int setup(void **state)
{
	(void)state;
	w.m = maker_new("");
	arena_init(&w.a, NULL, 0, 16 << 20);
	for (int i = 0; i < MANY; i++) {
		char id[16];
		snprintf(id, sizeof(id), "t%d", i);
		w.t[i] = right_token(&w.m, &w.a, id, i % 2 ? HOLDER : "//sp.example/gw7/C2", 1000 + i, "");
		token_hash(slice_str(id), w.hash[i]);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < MANY; i++)
		token_put(w.t[i]);
	arena_reset(&w.a);
	maker_free(&w.m);
	return 0;
}

static void put(struct token_cache *c, int i, bool direct)
{
	struct token_new n = { .token = w.t[i], .hash = w.hash[i], .direct = direct };
	token_entry_put(c, token_cache_put(c, &n, token_cache_generation(c), now));
}

static bool there(struct token_cache *c, int i, usec at)
{
	const struct token_entry *e = token_cache_by_hash(c, w.hash[i], at);
	bool yes = e && e->token == w.t[i];
	token_entry_put(c, e);
	return yes;
}

/* AUTHZ-178: by text, Token-ID and Local-Token-ID; direct ones by their holder (AUTHZ-175) */
static void found(void **state)
{
	struct token_cache *c = token_cache_new(100, 1 << 20);
	const struct token_entry *e, *f, *list[8];
	char local[TOKEN_LOCAL_ID_MAX];

	(void)state;
	put(c, 0, false);
	put(c, 1, true);
	e = token_cache_by_id(c, S("t1@das.example"), now);
	assert_non_null(e);
	memcpy(local, e->local_id, sizeof(local));
	f = token_cache_by_local_id(c, slice_str(local), now);
	assert_ptr_equal(e, f);
	assert_null(token_cache_by_local_id(c, S(""), now));
	assert_null(token_cache_by_id(c, S("t2@das.example"), now));
	assert_int_equal(token_cache_by_holder(c, S(HOLDER), now, list, 8), 1);
	assert_ptr_equal(list[0], e);
	assert_int_equal(token_cache_by_holder(c, S("//sp.example/gw7/C2"), now, list + 1, 7), 0);
	token_entry_put(c, list[0]);
	token_entry_put(c, f);
	put(c, 1, false); /* again: what it was it stays, and so does its short name */
	f = token_cache_by_id(c, S("t1@das.example"), now);
	assert_true(f->direct && !strcmp(f->local_id, local));
	token_entry_put(c, f);
	token_entry_put(c, e);
	assert_int_equal(token_cache_figures(c).entries, 2);
	token_cache_free(c);
}

/* AUTHZ-176, and bounds: what has expired is not found and goes first; then what was used longest ago */
static void bounds(void **state)
{
	struct token_cache *c = token_cache_new(8, 1 << 20);

	(void)state;
	for (int i = 0; i < 8; i++)
		put(c, i, false);
	assert_true(there(c, 0, now)); /* used: 1 is the oldest now */
	put(c, 8, false);
	assert_true(there(c, 0, now) && !there(c, 1, now) && there(c, 2, now) && there(c, 8, now));
	assert_int_equal(token_cache_figures(c).entries, 8);
	assert_int_equal(token_cache_figures(c).evicted, 1);
	assert_false(there(c, 3, 1003 * USEC_S));
	assert_true(there(c, 4, 1004 * USEC_S - 1));
	token_cache_free(c);
	c = token_cache_new(100, token_bytes(w.t[0]) * 4);
	for (int i = 0; i < MANY; i++)
		put(c, i, false);
	assert_true(token_cache_figures(c).bytes <= token_bytes(w.t[0]) * 4 && token_cache_figures(c).entries >= 1);
	token_cache_free(c);
	c = token_cache_new(0, 0);
	put(c, 0, false);
	assert_false(there(c, 0, now));
	token_cache_free(c);
}

/* AUTHZ-178: told with the first answer, and again after a minute */
static void told(void **state)
{
	struct token_cache *c = token_cache_new(100, 1 << 20);
	const struct token_entry *e;

	(void)state;
	put(c, 0, false);
	e = token_cache_by_hash(c, w.hash[0], now);
	assert_true(token_entry_tell(e, now) && !token_entry_tell(e, now) && !token_entry_tell(e, now + 59 * USEC_S));
	assert_true(token_entry_tell(e, now + 60 * USEC_S) && !token_entry_tell(e, now + 61 * USEC_S));
	token_entry_put(c, e);
	token_cache_free(c);
}

/* A reference outlives the entry; what was verified before a clearing does not come in after it; holders and Token-IDs are forgotten */
static void forgotten(void **state)
{
	struct token_cache *c = token_cache_new(100, 1 << 20);
	struct token_new n = { .token = w.t[0], .hash = w.hash[0] };
	uint64_t before = token_cache_generation(c);
	const struct token_entry *e = token_cache_put(c, &n, before, now);

	(void)state;
	assert_true(e->local_id[0]);
	token_cache_clear(c);
	assert_false(there(c, 0, now));
	assert_ptr_equal(e->token, w.t[0]);
	assert_true(token_entry_withdrawn(e));
	token_entry_put(c, e);
	e = token_cache_put(c, &n, before, now);
	assert_true(e && !e->local_id[0] && !there(c, 0, now));
	token_entry_put(c, e);
	put(c, 0, true);
	put(c, 1, true);
	put(c, 3, false);
	assert_true(token_cache_any_direct(c));
	e = token_cache_by_id(c, S("t1@das.example"), now);
	before = token_cache_generation(c);
	assert_false(token_entry_withdrawn(e));
	token_cache_forget_holder(c, S(HOLDER));
	assert_true(token_entry_withdrawn(e) && token_cache_generation(c) != before);
	token_entry_put(c, e);
	assert_true(there(c, 0, now) && !there(c, 1, now) && !there(c, 3, now));
	e = token_cache_by_id(c, S("t0@das.example"), now);
	token_cache_forget_id(c, S("t0@das.example"));
	assert_true(token_entry_withdrawn(e));
	token_entry_put(c, e);
	assert_false(there(c, 0, now) || token_cache_any_direct(c));
	token_cache_free(c);
}

/* AUTHZ-205, AUTHZ-207: another holder, for its issuer only; the short name stays, and who holds the old entry sees the old one */
static void reheld(void **state)
{
	struct token_cache *c = token_cache_new(100, 1 << 20);
	const struct token_entry *old, *nw;

	(void)state;
	put(c, 1, false);
	old = token_cache_by_id(c, S("t1@das.example"), now);
	assert_false(token_cache_rehold(c, S("t1@das.example"), S("//sp.example/Sother"), S("//sp.example/gw7/C9"), now));
	assert_false(token_cache_rehold(c, S("t2@das.example"), S(DAS), S("//sp.example/gw7/C9"), now));
	assert_true(token_cache_rehold(c, S("t1@das.example"), S(DAS), S("//sp.example/gw7/C9"), now));
	nw = token_cache_by_hash(c, w.hash[1], now);
	assert_true(slice_eq(nw->holder, S("//sp.example/gw7/C9")) && slice_eq(old->holder, S(HOLDER)));
	assert_true(token_entry_withdrawn(old) && !token_entry_withdrawn(nw)); /* AUTHZ-174 */
	assert_string_equal(nw->local_id, old->local_id);
	token_entry_put(c, nw);
	put(c, 1, false); /* the same text once more does not undo it */
	nw = token_cache_by_hash(c, w.hash[1], now);
	assert_true(slice_eq(nw->holder, S("//sp.example/gw7/C9")));
	token_entry_put(c, nw);
	token_entry_put(c, old);
	token_cache_free(c);
}

struct user { struct token_cache *c; unsigned seed, wrong; pthread_t thread; };

static void *use(void *arg)
{
	struct user *u = arg;

	for (unsigned k = 0; k < 20000; k++) {
		int i = (int)((u->seed = u->seed * 1103515245u + 12345u) >> 16) % MANY;
		const struct token_entry *e = token_cache_by_hash(u->c, w.hash[i], now), *list[4];

		if (e && (e->token != w.t[i] || token_claims(e->token)->not_after != (1000 + i) * USEC_S))
			u->wrong++;
		if (!e)
			put(u->c, i, k % 3 == 0);
		if (k % 101 == 0)
			token_cache_rehold(u->c, token_claims(w.t[i])->id, S(DAS), S("//sp.example/gw7/C3"), now);
		if (k % 997 == 0)
			token_cache_clear(u->c);
		for (size_t n = token_cache_by_holder(u->c, S(HOLDER), now, list, 4); n; n--)
			token_entry_put(u->c, list[n - 1]);
		token_entry_put(u->c, e);
	}
	return NULL;
}

static void threads(void **state)
{
	struct token_cache *c = token_cache_new(MANY / 2, 1 << 20);
	struct user u[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		u[i] = (struct user){ .c = c, .seed = i + 1 };
		assert_int_equal(pthread_create(&u[i].thread, NULL, use, &u[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(u[i].thread, NULL);
		assert_int_equal(u[i].wrong, 0);
	}
	assert_true(token_cache_figures(c).entries <= MANY / 2);
	token_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found), cmocka_unit_test(bounds), cmocka_unit_test(told), cmocka_unit_test(forgotten), cmocka_unit_test(reheld), cmocka_unit_test(threads),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
