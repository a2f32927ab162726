/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers: what is one, its canonical form, and where an address leads. */
#include "authz_support.h"

static void grammar(void **state)
{
	/* CORE-013: every kind against its grammar */
	static const char *const stems[] = { "CA", "S1", "C-._~x", "Sensor" };
	static const char *const no_stems[] = { "", "C", "S", "A1", "c1", "1C", "C/x", "C x", "C*", "C\xc3\xa9", "C%41", "/C1", "C1\n" };
	static const char *const cses[] = { "/a", "/cse01", "/-._~" };
	static const char *const no_cses[] = { "", "/", "cse", "//a", "/a/b", "/a/", "/a b", "/a#" };
	static const char *const sps[] = { "//sp.example", "//a", "//x-1.y" };
	static const char *const no_sps[] = { "", "//", "/sp.example", "//Sp.example", "//sp..example", "//sp.example/", "//-a.b", "//a_b" };
	static const char *const apps[] = { "Rco.example.app", "rco.example.app", "Nthing" };
	static const char *const no_apps[] = { "", "R", "N", "Xapp", "nthing", "R a", "N/a" };

	for (size_t i = 0; i < sizeof(stems) / sizeof(*stems); i++)
		assert_true(ident_stem(SLICE(stems[i])));
	for (size_t i = 0; i < sizeof(no_stems) / sizeof(*no_stems); i++)
		assert_false(ident_stem(SLICE(no_stems[i])));
	for (size_t i = 0; i < sizeof(cses) / sizeof(*cses); i++)
		assert_true(ident_cse(SLICE(cses[i])));
	for (size_t i = 0; i < sizeof(no_cses) / sizeof(*no_cses); i++)
		assert_false(ident_cse(SLICE(no_cses[i])));
	for (size_t i = 0; i < sizeof(sps) / sizeof(*sps); i++)
		assert_true(ident_sp(SLICE(sps[i])));
	for (size_t i = 0; i < sizeof(no_sps) / sizeof(*no_sps); i++)
		assert_false(ident_sp(SLICE(no_sps[i])));
	for (size_t i = 0; i < sizeof(apps) / sizeof(*apps); i++)
		assert_true(ident_app(SLICE(apps[i])));
	for (size_t i = 0; i < sizeof(no_apps) / sizeof(*no_apps); i++)
		assert_false(ident_app(SLICE(no_apps[i])));
}

static void canonical(void **state)
{
	static const struct { const char *in; enum ident_kind kind; enum ident_form form; const char *canon; } t[] = {
		{ "CAE1", ID_AE_C, ID_STEM, "//sp.example/gw7/CAE1" },
		{ "/gw7/CAE1", ID_AE_C, ID_SP_RELATIVE, "//sp.example/gw7/CAE1" },
		{ "//sp.example/gw7/CAE1", ID_AE_C, ID_ABSOLUTE, "//sp.example/gw7/CAE1" },
		{ "/in1/CAE1", ID_AE_C, ID_SP_RELATIVE, "//sp.example/in1/CAE1" },
		{ "S12", ID_AE_S, ID_STEM, "//sp.example/S12" },
		{ "/S12", ID_AE_S, ID_SP_RELATIVE, "//sp.example/S12" },
		{ "//sp.example/S12", ID_AE_S, ID_ABSOLUTE, "//sp.example/S12" },
		{ "//other.example/S12", ID_AE_S, ID_ABSOLUTE, "//other.example/S12" },
		{ "/gw7", ID_CSE, ID_SP_RELATIVE, "//sp.example/gw7" },
		{ "//SP.Example/gw7", ID_CSE, ID_ABSOLUTE, "//sp.example/gw7" },
		{ "//SP.Example/GW7", ID_CSE, ID_ABSOLUTE, "//sp.example/GW7" },
		{ "//Other.example", ID_SP, ID_ABSOLUTE, "//other.example" },
		{ "/S", ID_CSE, ID_SP_RELATIVE, "//sp.example/S" },
		/* a resource, a wildcard, malformed: no identifier of an entity */
		{ "/gw7/S12", ID_NONE, 0, NULL }, { "/gw7/base/CAE1", ID_NONE, 0, NULL }, { "base/x", ID_NONE, 0, NULL },
		{ "X1", ID_NONE, 0, NULL }, { "", ID_NONE, 0, NULL }, { "/", ID_NONE, 0, NULL }, { "//", ID_NONE, 0, NULL },
		{ "C*", ID_NONE, 0, NULL }, { "/gw7/", ID_NONE, 0, NULL }, { "//sp.example/", ID_NONE, 0, NULL },
		{ "//sp..example/gw7", ID_NONE, 0, NULL }, { "/gw7/C", ID_NONE, 0, NULL }, { "all", ID_NONE, 0, NULL },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		char memory[512];
		struct arena a;
		enum ident_kind kind;
		enum ident_form form;
		struct slice canon;

		arena_init(&a, memory, sizeof(memory), 0);
		assert_int_equal(ident_parse(&a, &home, SLICE(t[i].in), &kind, &form, &canon), RC_OK);
		if (kind != t[i].kind)
			fail_msg("%s: kind %d", t[i].in, kind);
		if (kind == ID_NONE) {
			assert_null(canon.p);
			continue;
		}
		assert_int_equal(form, t[i].form);
		if (!slice_eq(canon, SLICE(t[i].canon)))
			fail_msg("%s: %.*s", t[i].in, SF(canon));
	}
}

static void own_cse_beginning_with_s(void **state)
{
	const struct ident_home s = { S("//sp.example"), S("/Shed"), S("base"), S("//sp.example/Shed") };
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon;
	char memory[512];
	struct arena a;

	arena_init(&a, memory, sizeof(memory), 0);
	assert_int_equal(ident_parse(&a, &s, S("/Shed"), &kind, &form, &canon), RC_OK);
	assert_int_equal(kind, ID_CSE);
	assert_int_equal(ident_parse(&a, &s, S("//sp.example/Shed"), &kind, &form, &canon), RC_OK);
	assert_int_equal(kind, ID_CSE);
	assert_int_equal(ident_parse(&a, &s, S("//other.example/Shed"), &kind, &form, &canon), RC_OK);
	assert_int_equal(kind, ID_AE_S);
}

static void no_memory(void **state)
{
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon;
	char memory[16];
	struct arena a;

	arena_init(&a, memory, sizeof(memory), 0);
	assert_int_equal(ident_parse(&a, &home, S("CAE1"), &kind, &form, &canon), RC_NOMEM);
}

static void route(void **state)
{
	/* core.md 1.3: what is hosted here and what is passed on */
	static const struct { const char *to; enum ident_where where; const char *local, *cse; } t[] = {
		{ "base", WHERE_HERE, "base", NULL },
		{ "base/a/la", WHERE_HERE, "base/a/la", NULL },
		{ "-/a", WHERE_HERE, "-/a", NULL },
		{ "cnt12#lbl", WHERE_HERE, "cnt12#lbl", NULL },
		{ "/gw7", WHERE_HERE, "base", NULL },
		{ "/gw7/base/a", WHERE_HERE, "base/a", NULL },
		{ "/gw7/cnt12", WHERE_HERE, "cnt12", NULL },
		{ "//sp.example/gw7", WHERE_HERE, "base", NULL },
		{ "//SP.example/gw7/base/a", WHERE_HERE, "base/a", NULL },
		{ "/GW7/base", WHERE_TRANSIT, NULL, "//sp.example/GW7" },
		{ "/in1", WHERE_TRANSIT, NULL, "//sp.example/in1" },
		{ "/in1/base//x", WHERE_TRANSIT, NULL, "//sp.example/in1" },
		{ "/Sfoo", WHERE_TRANSIT, NULL, "//sp.example/Sfoo" },
		{ "//Other.example/gw7/base", WHERE_TRANSIT, NULL, "//other.example/gw7" },
		{ "", WHERE_BAD, NULL, NULL }, { "/", WHERE_BAD, NULL, NULL }, { "//", WHERE_BAD, NULL, NULL },
		{ "//sp.example", WHERE_BAD, NULL, NULL }, { "///gw7/base", WHERE_BAD, NULL, NULL },
		{ "/gw7/", WHERE_BAD, NULL, NULL }, { "base//a", WHERE_BAD, NULL, NULL }, { "base/", WHERE_BAD, NULL, NULL },
		{ "/gw 7/base", WHERE_BAD, NULL, NULL }, { "//s p/gw7", WHERE_BAD, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct slice local, cse;
		char memory[512];
		struct arena a;
		enum ident_where w;

		arena_init(&a, memory, sizeof(memory), 0);
		w = ident_route(&a, &home, SLICE(t[i].to), &local, &cse);
		if (w != t[i].where)
			fail_msg("%s: leads to %d", t[i].to, w);
		if (w == WHERE_HERE && !slice_eq(local, SLICE(t[i].local)))
			fail_msg("%s: local %.*s", t[i].to, SF(local));
		if (w == WHERE_TRANSIT && !slice_eq(cse, SLICE(t[i].cse)))
			fail_msg("%s: cse %.*s", t[i].to, SF(cse));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grammar), cmocka_unit_test(canonical), cmocka_unit_test(own_cse_beginning_with_s),
		cmocka_unit_test(no_memory), cmocka_unit_test(route),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
