/* SPDX-License-Identifier: Apache-2.0 */
/* Filter Criteria: reading, each condition against resources of a real tree, and the two expression languages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core/discover/filter.h"
#include "core/discover/filter_int.h"
#include "tree_util.h"

static _Alignas(16) char first[65536];
static struct arena arena;

static int reset(void **state)
{
	(void)state;
	arena_init(&arena, first, sizeof(first), 4u << 20);
	return 0;
}

static int release(void **state)
{
	(void)state;
	arena_reset(&arena);
	return 0;
}

/* "name=value&name=value" as a binding would enter it: a name that is no condition is an attribute. */
static enum reeve_rc query(struct filter *f, const char *text)
{
	struct slice rest = slice_str(text), why;
	enum reeve_rc rc = RC_OK;

	filter_init(f);
	while (rest.p && rc == RC_OK) {
		struct slice value = slice_cut(&rest, '&'), name = slice_cut(&value, '=');

		rc = filter_add(f, &arena, name, value, &why);
		if (rc == RC_NOTFOUND)
			rc = filter_attr_add(f, &arena, name, value);
		else if (rc == RC_INVALID)
			assert_true(why.n > 0);
	}
	return rc;
}

static enum reeve_rc from_json(struct filter *f, const char *text)
{
	struct slice why;
	struct json j;

	assert_ok(json_parse(&arena, slice_str(text), &json_default_limits, &j, &why));
	return filter_from_json(f, &arena, &j, 0, &why);
}

/* --- reading --- */

static void queries_are_read(void **state)
{
	struct filter f;

	assert_ok(query(&f, "fu=1&lbl=a&lbl=b:c&ty=3&ty=4&crb=20240101T000000&lim=0&lvl=2&ofst=1&fo=2&sts=1&stb=0&rn=x&c.cr=y&p.mni=3"));
	assert_int_equal(f.fu, 1);
	assert_int_equal(f.lbl.n, 2);
	assert_slice(f.lbl.v[1], S("b:c"));
	assert_int_equal(f.ty.n, 2);
	assert_int_equal(f.ty.v[1], 4);
	assert_true(f.crb == INT64_C(1704067200) * USEC_S);
	assert_int_equal(f.lim, 0);
	assert_int_equal(f.lvl, 2);
	assert_int_equal(f.ofst, 1);
	assert_int_equal(f.fo, 2);
	assert_int_equal(f.sts, 1);
	assert_int_equal(f.stb, 0);
	assert_int_equal(f.n_atr, 1);
	assert_int_equal(f.n_catr, 1);
	assert_slice(f.catr[0].name, S("cr"));
	assert_int_equal(f.n_patr, 1);
	assert_true(f.any);
	assert_ok(query(&f, "fu=1&lim=3&lvl=1&ofst=2&arp=../x/la&fo=1"));
	assert_false(f.any);
}

static void values_are_copied(void **state)
{
	char text[] = "sensor";
	struct filter f;
	struct slice why;

	filter_init(&f);
	assert_ok(filter_add(&f, &arena, S("lbl"), slice_of(text, 6), &why));
	assert_ok(filter_attr_add(&f, &arena, slice_of(text, 6), slice_of(text, 6)));
	memset(text, 'x', 6);
	assert_slice(f.lbl.v[0], S("sensor"));
	assert_slice(f.atr[0].name, S("sensor"));
}

static void malformed_values_are_refused(void **state)
{
	static const char *const bad[] = {
		"crb=yesterday", "cra=20240230T000000", "ms=", "us=2024", "exb=x", "exa=1", "sts=0", "stb=-1", "sza=-1", "szb=0", "szb=x",
		"ty=999999", "ty=", "ty=three", "chty=-1", "pty=x", "fu=0", "fu=4", "fu=x", "fo=0", "fo=3", "lim=-1", "lvl=0", "ofst=0",
		"lim=99999999999999999999", "cfs=2", "lbl=", "arp=/abs", "arp=a//b", "arp=a/../~", "lbq=NT", "lbq=a EQ", "cfq=$.a",
		"crb=20240101T000000&crb=20240101T000000", "lim=1&lim=2", "cfq=$.a EQ 1&cfq=$.a EQ 2", "fu=1&fu=1",
		/* attributes with a condition of their own (TS-0004 7.3.3.17.9) */
		"ct=20240101T000000", "lt=1", "st=0", "et=1", "cs=3", "cnf=text/plain", "c.ty=3", "p.lbl=a", "c.ct=1",
		"=x", "1a=x", "a b=x", "c.=x",
	};
	struct filter f;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (query(&f, bad[i]) != RC_INVALID)
			fail_msg("accepted: %s", bad[i]);
}

static void a_condition_has_a_limited_number_of_values(void **state)
{
	struct filter f;
	struct slice why;

	filter_init(&f);
	for (int i = 0; i < FILTER_VALUES; i++) {
		assert_ok(filter_add(&f, &arena, S("lbl"), S("a"), &why));
		assert_ok(filter_add(&f, &arena, S("ty"), S("3"), &why));
		assert_ok(filter_attr_add(&f, &arena, S("rn"), S("a")));
	}
	assert_rc(filter_add(&f, &arena, S("lbl"), S("a"), &why), RC_INVALID);
	assert_rc(filter_add(&f, &arena, S("ty"), S("3"), &why), RC_INVALID);
	assert_rc(filter_attr_add(&f, &arena, S("rn"), S("a")), RC_INVALID);
	assert_int_equal(f.lbl.n, FILTER_VALUES);
}

static void json_is_read(void **state)
{
	struct filter f;

	assert_ok(from_json(&f, "{\"fu\":1,\"lbl\":[\"a\\u0062\"],\"ty\":[3,4],\"crb\":\"20240101T000000\",\"stb\":0,\"lbq\":\"x EQ y\","
				"\"atr\":[{\"nm\":\"mni\",\"val\":10},{\"nm\":\"rn\",\"val\":\"r\\\"1\"},{\"nm\":\"rr\",\"val\":true}],"
				"\"cfs\":1,\"cfq\":\"$.t GT 5\",\"cty\":[\"text/plain\"]}"));
	assert_slice(f.lbl.v[0], S("ab"));
	assert_int_equal(f.ty.n, 2);
	assert_int_equal(f.n_atr, 3);
	assert_slice(f.atr[0].value, S("10"));
	assert_slice(f.atr[1].value, S("r\"1"));
	assert_slice(f.atr[2].value, S("true"));
	assert_int_equal(f.cfs, 1);
	assert_int_equal(f.lbq.n, 1);
	/* eventNotificationCriteria: what is no filter condition is passed over */
	assert_ok(from_json(&f, "{\"net\":[1,3],\"om\":[],\"md\":{},\"atr\":[\"con\",\"lbl\"],\"exb\":\"20300101T000000\"}"));
	assert_int_equal(f.n_atr, 0);
	assert_true(f.any && f.exb != USEC_NEVER);
	assert_ok(from_json(&f, "{\"net\":[1]}"));
	assert_false(f.any);
}

static void malformed_json_is_refused(void **state)
{
	static const char *const bad[] = {
		"[]", "{\"ty\":3}", "{\"ty\":[\"3\"]}", "{\"ty\":[3.5]}", "{\"lbl\":\"a\"}", "{\"lbl\":[1]}",
		"{\"crb\":5}", "{\"fu\":\"1\"}",
		"{\"lim\":1.5}", "{\"atr\":{\"nm\":\"a\",\"val\":1}}", "{\"atr\":[{\"nm\":\"a\"}]}",
		"{\"atr\":[{\"nm\":\"a\",\"val\":[]}]}",
		"{\"atr\":[{\"nm\":\"a\",\"val\":null}]}", "{\"atr\":[{\"nm\":\"ct\",\"val\":\"x\"}]}", "{\"atr\":[{\"nm\":1,\"val\":1}]}",
		"{\"atr\":[{\"nm\":\"a\",\"val\":1,\"x\":2}]}", "{\"atr\":[3]}", "{\"catr\":[\"a\"]}", "{\"unknown\":1}", "{\"cfq\":\"$\"}",
	};
	struct filter f;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (from_json(&f, bad[i]) != RC_INVALID)
			fail_msg("accepted: %s", bad[i]);
}

static void what_no_single_condition_tells(void **state)
{
	struct filter f;
	struct slice why;

	assert_ok(query(&f, "cfs=1"));
	assert_rc(filter_check(&f, &why), RC_INVALID);
	assert_ok(query(&f, "cfq=$.a EQ 1"));
	assert_rc(filter_check(&f, &why), RC_INVALID);
	assert_ok(query(&f, "cfq=$.a EQ 1&cfs=1"));
	assert_ok(filter_check(&f, &why));
	assert_ok(query(&f, "smf=SELECT"));
	assert_rc(filter_check(&f, &why), RC_UNSUPPORTED);
}

/* Written and read again, a filter is the same. */
static void a_filter_is_written(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"crb\":\"20240101T000000\",\"cra\":\"20230101T000000\",\"ms\":\"20230201T000000\",\"us\":\"20230301T000000\","
		"\"exb\":\"20300101T000000\",\"exa\":\"20290101T000000\",\"sts\":5,\"stb\":0,\"sza\":0,\"szb\":9,\"lbl\":[\"a\\\"b\",\"c\"],"
		"\"clbl\":[\"d\"],\"palb\":[\"e\"],\"lbq\":\"x EQ y\",\"cty\":[\"text/plain:0\"],\"ty\":[3,4],\"chty\":[4],\"pty\":[2],"
		"\"cfq\":\"$.a EQ 1\",\"cfs\":1,\"fu\":3,\"fo\":2,\"lim\":0,\"lvl\":2,\"ofst\":7,\"arp\":\"../x\","
		"\"atr\":[{\"nm\":\"rn\",\"val\":\"r\"},{\"nm\":\"mni\",\"val\":\"3\"}],\"catr\":[{\"nm\":\"cr\",\"val\":\"y\"}],"
		"\"patr\":[{\"nm\":\"mni\",\"val\":\"3\"}]}",
		"{\"lbq\":[\"x\",\"y\"]}",
		"{\"catr\":[{\"nm\":\"cr\",\"val\":\"y\"}]}",
	};
	struct filter f;
	struct buf b;

	buf_init(&b, 4096);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_ok(from_json(&f, texts[i]));
		buf_clear(&b);
		filter_to_json(&b, &f);
		assert_slice(buf_view(&b), slice_str(texts[i]));
	}
	buf_free(&b);
}

/* --- matching --- */

struct forest {
	struct test_tree t;
	struct res base, cnt, cin, sub, plain;
};

static struct res plant(struct test_tree *t, const struct res *parent, struct res_new nw, const char *attrs, const char *label)
{
	struct res p = test_get(t, parent->key), r;
	struct slice l = slice_str(label);

	nw.attrs = slice_str(attrs);
	if (label)
		nw.labels = &l, nw.n_labels = 1;
	assert_ok(tree_insert(t->tx, &t->seq, &p, &nw, &r));
	return r;
}

static void grow(struct forest *f, void **state)
{
	struct res_new nw = test_new(3, "room");

	test_tree_begin(&f->t, *state);
	test_base(&f->t, &f->base);
	nw.h.st = 7;
	nw.h.cni = 1;
	nw.h.lt = TEST_T0 + 5 * USEC_S;
	f->cnt = plant(&f->t, &f->base, nw,
		       "\"lbl\":[\"color:red\",\"big\"],\"cr\":\"Cadmin\",\"mni\":10,"
		       "\"acpi\":[\"a1\",\"b\\u0032\"],\"or\":\"x*y\",\"disr\":true",
		       "color:red");
	nw = test_new(4, "");
	nw.h.cs = 11;
	f->cin = plant(&f->t, &f->cnt, nw,
		       "\"lbl\":[\"hot\"],\"cs\":11,\"cnf\":\"application/json:0\","
		       "\"con\":\"{\\\"t\\\":[20,21.5],\\\"u\\\":\\\"C\\\"}\"", "hot");
	f->sub = plant(&f->t, &f->cnt, test_new(23, "sub"), "\"nu\":[\"Cx\"]", NULL);
	f->plain = plant(&f->t, &f->base, test_new(1, "acp"), "", NULL);
	f->base = test_get(&f->t, f->base.key);
	f->cnt = test_get(&f->t, f->cnt.key);
	f->cin = test_get(&f->t, f->cin.key);
	f->sub = test_get(&f->t, f->sub.key);
	f->plain = test_get(&f->t, f->plain.key);
}

static bool matches(struct forest *t, const struct res *r, const char *text, bool discovery)
{
	struct filter f;

	assert_ok(query(&f, text));
	f.now = TEST_T0;
	return filter_match(&f, &arena, t->t.tx, r, discovery);
}

#define yes(r, q) do { if (!matches(&f, &f.r, q, true)) fail_msg(#r " should match %s", q); } while (0)
#define no(r, q) do { if (matches(&f, &f.r, q, true)) fail_msg(#r " should not match %s", q); } while (0)

static void times_and_numbers_have_their_bounds(void **state)
{
	struct forest f;

	grow(&f, state);
	/* CORE-087: TEST_T0 is 2023-11-14T22:13:20 */
	no(cnt, "crb=20231114T221320");
	yes(cnt, "crb=20231114T221321");
	yes(cnt, "cra=20231114T221320");
	no(cnt, "cra=20231114T221321");
	no(cnt, "us=20231114T221325");
	yes(cnt, "us=20231114T221326");
	yes(cnt, "ms=20231114T221325");
	no(cnt, "ms=20231114T221326");
	yes(cnt, "cra=20231114T221320&crb=20231114T221321");
	/* CORE-088 */
	no(cnt, "sts=7");
	yes(cnt, "sts=8");
	yes(cnt, "stb=7");
	no(cnt, "stb=8");
	no(plain, "stb=0"); /* <accessControlPolicy> has no stateTag */
	no(plain, "sts=5");
	no(cnt, "exb=20231126T120000"); /* et is T0 + 1000000 s */
	yes(cnt, "exb=20231126T120001");
	yes(cnt, "exa=20231126T120000");
	no(cnt, "exa=20231126T120001");
	no(base, "exa=20000101T000000"); /* <CSEBase> here does not expire */
	/* CORE-089 */
	no(cin, "szb=11");
	yes(cin, "szb=12");
	yes(cin, "sza=11");
	no(cin, "sza=12");
	no(cnt, "sza=0");
	no(cnt, "szb=100");
	test_tree_end(&f.t);
}

static void values_of_a_tag_are_alternatives_tags_are_not(void **state)
{
	struct forest f;

	grow(&f, state);
	/* CORE-090 */
	yes(cnt, "lbl=green&lbl=big");
	no(cnt, "lbl=green");
	no(cnt, "lbl=color");
	yes(cnt, "ty=4&ty=3");
	no(cnt, "ty=4");
	yes(cin, "cty=text/plain&cty=application/json");
	no(cin, "cty=text/plain");
	no(cnt, "cty=application/json");
	yes(cnt, "cr=nobody&mni=10");
	yes(cnt, "lbl=big&ty=3");
	no(cnt, "lbl=big&ty=4");
	no(cnt, "lbl=big&ty=4&fo=1");
	yes(cnt, "lbl=big&ty=4&fo=2");
	no(cnt, "lbl=green&ty=4&fo=2");
	yes(cnt, "fo=2&crb=20000101T000000&cr=Cadmin");
	yes(cnt, "fu=1");
	yes(cnt, "fo=2");
	test_tree_end(&f.t);
}

static void attributes_compare_as_text(void **state)
{
	struct forest f;

	grow(&f, state);
	/* CORE-091 */
	yes(cnt, "cr=Cadmin");
	no(cnt, "cr=Cadmi");
	yes(cnt, "cr=C*");
	yes(cnt, "cr=*min");
	yes(cnt, "cr=C*d*n");
	yes(cnt, "cr=*");
	no(cnt, "cr=*x*");
	no(cnt, "lnk=*");
	yes(cnt, "mni=10");
	yes(cnt, "mni=1*");
	no(cnt, "mni=1");
	yes(cnt, "disr=true");
	yes(cnt, "acpi=a1");
	yes(cnt, "acpi=b2"); /* any element, escapes resolved */
	no(cnt, "acpi=a");
	yes(cnt, "rn=room");
	yes(cnt, "cni=1"); /* kept in the head */
	assert_false(matches(&f, &f.cnt, "cr=C*", false));
	assert_true(matches(&f, &f.cnt, "or=x*y", false)); /* literal outside discovery */
	assert_false(matches(&f, &f.cnt, "or=x*", false));
	test_tree_end(&f.t);
}

static void relatives_are_tested_for_the_candidate(void **state)
{
	struct forest f;
	struct filter late;

	grow(&f, state);
	/* CORE-092 */
	yes(cnt, "chty=4");
	yes(cnt, "chty=23");
	no(cnt, "chty=3");
	yes(base, "chty=3");
	no(cin, "chty=4");
	yes(cin, "pty=3");
	no(cnt, "pty=3");
	no(base, "pty=5");
	yes(cnt, "c.nu=Cx");
	no(base, "c.nu=Cx");
	yes(sub, "p.cr=Cadmin");
	no(cnt, "p.cr=Cadmin");
	assert_ok(from_json(&late, "{\"clbl\":[\"hot\"]}"));
	late.now = TEST_T0;
	assert_true(filter_match(&late, &arena, f.t.tx, &f.cnt, true));
	assert_false(filter_match(&late, &arena, f.t.tx, &f.cin, true));
	assert_false(filter_match(&late, &arena, f.t.tx, &f.base, true));
	late.now = f.cin.h.et; /* a child past its time is none */
	assert_false(filter_match(&late, &arena, f.t.tx, &f.cnt, true));
	assert_ok(from_json(&late, "{\"palb\":[\"big\"]}"));
	assert_true(filter_match(&late, &arena, f.t.tx, &f.cin, true));
	assert_false(filter_match(&late, &arena, f.t.tx, &f.cnt, true));
	test_tree_end(&f.t);
}

static void looking_at_children_has_an_end(void **state)
{
	struct forest f;
	struct filter fc;
	uint64_t looks = 1;

	grow(&f, state);
	assert_ok(query(&fc, "c.nu=nobody"));
	fc.looks = &looks;
	assert_false(filter_match(&fc, &arena, f.t.tx, &f.cnt, true)); /* two children, one look */
	assert_int_equal(looks, 0);
	test_tree_end(&f.t);
}

static void content_is_queried(void **state)
{
	struct forest f;
	struct res_new nw = test_new(4, "");
	struct res r;

	grow(&f, state);
	/* CORE-094 */
	yes(cin, "cfs=1&cfq=$.t[1] GT 21");
	no(cin, "cfs=1&cfq=$.t[0] GT 21");
	yes(cin, "cfs=1&cfq=$.u EQ C");
	no(cnt, "cfs=1&cfq=$.u NE D");
	r = plant(&f.t, &f.cnt, nw, "\"con\":{\"a\":1}", NULL); /* no contentInfo, an object */
	r = test_get(&f.t, r.key);
	assert_true(matches(&f, &r, "cfs=1&cfq=$.a EQ 1", true));
	r = plant(&f.t, &f.cnt, nw, "\"cnf\":\"text/plain:0\",\"con\":\"{\\\"a\\\":1}\"", NULL);
	r = test_get(&f.t, r.key);
	assert_false(matches(&f, &r, "cfs=1&cfq=$.a EQ 1", true)); /* does not call itself JSON */
	r = plant(&f.t, &f.cnt, nw, "\"con\":\"not json\"", NULL);
	r = test_get(&f.t, r.key);
	assert_false(matches(&f, &r, "cfs=1&cfq=$ EQ 1", true));
	test_tree_end(&f.t);
}

/* --- expressions --- */

static int labels_query(const char *expr, const char *labels)
{
	struct slice v[8], rest = slice_str(labels);
	size_t n = 0;
	bool match;

	while (rest.p && rest.n)
		v[n++] = slice_cut(&rest, ' ');
	if (filter_labels_query(slice_str(expr), v, n, &match))
		return -1;
	return match;
}

static void labels_are_queried(void **state)
{
	/* CORE-093 */
	assert_int_equal(labels_query("color", "color"), 1);
	assert_int_equal(labels_query("color", "x color:red"), 1);
	assert_int_equal(labels_query("color", "colors x:color"), 0);
	assert_int_equal(labels_query("NT color", "color:red"), 0);
	assert_int_equal(labels_query("NT color", "colors"), 1);
	assert_int_equal(labels_query("NT color", ""), 1);
	assert_int_equal(labels_query("color EQ red", "color:red"), 1);
	assert_int_equal(labels_query("color EQ red", "color:redder color"), 0);
	assert_int_equal(labels_query("color:red", "color:red"), 1);
	assert_int_equal(labels_query("color:red", "color"), 0);
	assert_int_equal(labels_query("color NE red", "color:blue"), 1);
	assert_int_equal(labels_query("color NE red", "color:blue color:red"), 0); /* never with that value */
	assert_int_equal(labels_query("color NE red", "color"), 0);                /* no pair at all */
	assert_int_equal(labels_query("color NE red", "x"), 0);
	assert_int_equal(labels_query("color IN (red, green)", "color:green"), 1);
	assert_int_equal(labels_query("color IN (red,green)", "color:blue"), 0);
	assert_int_equal(labels_query("color NI (red, green)", "color:blue"), 1);
	assert_int_equal(labels_query("color NI (red, green)", "color:blue color:red"), 0);
	assert_int_equal(labels_query("  color   EQ   red  ", "color:red"), 1);
	assert_int_equal(labels_query("color EQ dark red", "color:red"), 0);
}

static void malformed_label_queries_are_refused(void **state)
{
	static const char *const bad[] = {
		"", " ", "NT", "EQ", "color EQ", "EQ red", "color EQ red EQ blue", "color NT red", "color IN red", "color IN ()",
		"color IN (red", "color IN (red,)", "color IN red)", "color:x EQ red", ":red", "color:", "NT a EQ b", "a(b", "color NI",
		"color EQ (red)", "color LIKE red", "NT a b", "a b EQ c", "a b:c",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (labels_query(bad[i], "color:red") != -1)
			fail_msg("accepted: %s", bad[i]);
}

static const char *const doc =
	"{\"name\":\"Main hall\",\"n\":5,\"f\":2.5,\"neg\":-3,\"big\":9007199254740993,\"on\":true,"
	"\"s\":\"5\",\"list\":[1,{\"x\":\"y\"},[7]],"
	"\"odd.name\":{\"a b\":1},\"q\\\"q\":2,\"nil\":null}";

static int content_query(const char *expr)
{
	struct slice why;
	struct json j;
	bool match;

	assert_ok(json_parse(&arena, slice_str(doc), &json_default_limits, &j, &why));
	if (filter_content_query(&arena, slice_str(expr), &j, &match))
		return -1;
	return match;
}

static void content_expressions_hold_or_not(void **state)
{
	static const struct { const char *expr; int want; } cases[] = {
		{ "$.n EQ 5", 1 }, { "$.n EQ 5.0", 1 }, { "$.n EQ 6", 0 }, { "$.n NE 5", 0 }, { "$.n NE 6", 1 }, { "$.n GT 4.9", 1 },
		{ "$.n GT 5", 0 }, { "$.n GE 5", 1 }, { "$.n LT 5", 0 }, { "$.n LE 5", 1 }, { "$.neg LT -2", 1 }, { "$.f GT 2", 1 },
		{ "$.big GT 9007199254740992", 1 }, { "$.big EQ 9007199254740992", 0 }, /* integers keep their last digits */
		{ "$.name EQ \"Main hall\"", 1 }, { "$.name MATCH hall", 1 }, { "$.name MATCH \"n h\"", 1 }, { "$.name MATCH door", 0 },
		{ "$.n MATCH 5", 0 }, { "$.name GT 1", 0 }, { "$.s EQ 5", 1 }, { "$.s EQ \"5\"", 1 },
		{ "$.n EQ \"5\"", 0 }, { "$.on EQ true", 1 },
		{ "$.on EQ \"true\"", 0 }, { "$.list[0] EQ 1", 1 }, { "$.list[1].x EQ y", 1 },
		{ "$.list[2][0] EQ 7", 1 }, { "$.list[3] EQ 7", 0 },
		{ "$.list[3] NE 7", 0 }, { "$.nothing EQ 1", 0 }, { "$.nothing NE 1", 0 },
		{ "$.n.x EQ 1", 0 }, { "$.\"odd.name\".\"a b\" EQ 1", 1 },
		{ "$.\"q\\\"q\" EQ 2", 1 }, { "$.list NE 1", 1 }, { "$.nil EQ null", 1 },
		{ "$.n EQ 5 AND $.f EQ 2.5", 1 }, { "$.n EQ 5 AND $.f EQ 3", 0 }, { "$.n EQ 6 OR $.f EQ 2.5", 1 },
		{ "$.n EQ 5 OR $.n EQ 6 AND $.n EQ 7", 1 }, { "$.n EQ 7 AND $.n EQ 6 OR $.n EQ 5", 1 }, { "  $.n   EQ   5  ", 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (content_query(cases[i].expr) != cases[i].want)
			fail_msg("%s: not %d", cases[i].expr, cases[i].want);
}

static void malformed_content_expressions_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "$", "$.n", "$.n EQ", "n EQ 5", "$.n 5", "$.n == 5", "$.n eq 5", "$.n EQ 5 AND",
		"$.n EQ 5 $.f EQ 1", "$.n EQ 5 XOR $.f EQ 1",
		"AND $.n EQ 5", "$. EQ 5", "$.list[ EQ 5", "$.list[x] EQ 5", "$.list[] EQ 5",
		"$.list[-1] EQ 5", "$.\"n EQ 5", "$.\"\" EQ 5",
		"$.n GT five", "$.n GT \"5\"", "$.n EQ \"5", "$.n EQ \"5\"x", "$x EQ 5", "$.a{b EQ 5", "$.n GT 1e999", "$.n EQ a\"b",
	};
	char deep[400], many[2000] = "";
	int at = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (content_query(bad[i]) != -1)
			fail_msg("accepted: %s", bad[i]);
	deep[at++] = '$';
	for (int i = 0; i < FILTER_PATH_STEPS + 1; i++)
		at += snprintf(deep + at, sizeof(deep) - (size_t)at, ".a");
	snprintf(deep + at, sizeof(deep) - (size_t)at, " EQ 1");
	assert_int_equal(content_query(deep), -1);
	for (int i = 0; i < FILTER_TERMS + 1; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many), "%s$.n EQ 1", i ? " OR " : "");
	assert_int_equal(content_query(many), -1);
}

static void wildcards(void **state)
{
	assert_true(filter_wildcard(S("*"), S("")));
	assert_true(filter_wildcard(S("a*b*c"), S("aXXbYYc")));
	assert_true(filter_wildcard(S("a**c"), S("ac")));
	assert_false(filter_wildcard(S("a*a"), S("a")));
	assert_false(filter_wildcard(S("ab*ba"), S("aba")));
	assert_true(filter_wildcard(S("*ab*"), S("aab")));
	assert_true(filter_wildcard(S("*aab"), S("aaab")));
	assert_false(filter_wildcard(S("a*b"), S("abc")));
	assert_true(filter_wildcard(S("abc"), S("abc")));
	assert_false(filter_wildcard(S("abc"), S("abcd")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(queries_are_read, reset, release),
		cmocka_unit_test_setup_teardown(values_are_copied, reset, release),
		cmocka_unit_test_setup_teardown(malformed_values_are_refused, reset, release),
		cmocka_unit_test_setup_teardown(a_condition_has_a_limited_number_of_values, reset, release),
		cmocka_unit_test_setup_teardown(json_is_read, reset, release),
		cmocka_unit_test_setup_teardown(malformed_json_is_refused, reset, release),
		cmocka_unit_test_setup_teardown(what_no_single_condition_tells, reset, release),
		cmocka_unit_test_setup_teardown(a_filter_is_written, reset, release),
		cmocka_unit_test_setup_teardown(labels_are_queried, reset, release),
		cmocka_unit_test_setup_teardown(malformed_label_queries_are_refused, reset, release),
		cmocka_unit_test_setup_teardown(content_expressions_hold_or_not, reset, release),
		cmocka_unit_test_setup_teardown(malformed_content_expressions_are_refused, reset, release),
		cmocka_unit_test_setup_teardown(wildcards, reset, release),
	};
	const struct CMUnitTest with_store[] = {
		store_test(times_and_numbers_have_their_bounds),
		store_test(values_of_a_tag_are_alternatives_tags_are_not),
		store_test(attributes_compare_as_text),
		store_test(relatives_are_tested_for_the_candidate),
		store_test(looking_at_children_has_an_end),
		store_test(content_is_queried),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	reset(NULL);
	failed += cmocka_run_group_tests(with_store, NULL, NULL);
	release(NULL);
	return failed;
}
