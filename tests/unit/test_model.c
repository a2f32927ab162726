/* SPDX-License-Identifier: Apache-2.0 */
/* The generated data model and the check of values against it. */
#include "codec_util.h"

#include "codec/model_tables.h"

/* `value` checked against `type`; why is "" when it is right. */
static const char *why_not(const struct model_type *t, bool many, const char *value)
{
	static char text[1024];
	struct arena a;
	struct slice why;
	struct json j;
	enum reeve_rc rc;

	test_arena(&a);
	j = parsed(&a, arena_printf(&a, "{\"v\": %s}", value));
	rc = model_check(t, many, &j, 2, &a, &why);
	assert_true(rc == RC_OK || rc == RC_INVALID);
	assert_true((rc == RC_INVALID) == (why.n > 0));
	snprintf(text, sizeof(text), "%.*s", SF(why));
	arena_reset(&a);
	return text;
}

static void right(const char *type, const char *value)
{
	const struct model_type *t = model_type(type);

	assert_non_null(t);
	if (*why_not(t, false, value))
		fail_msg("%s %s: %s", type, value, why_not(t, false, value));
}

static void wrong(const char *type, const char *value)
{
	const struct model_type *t = model_type(type);

	assert_non_null(t);
	if (!*why_not(t, false, value))
		fail_msg("%s %s accepted", type, value);
}

struct row { const char *type, *good, *bad; };

/* One good and one bad value; NULL: none of the kind. */
static void run(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (rows[i].good)
			right(rows[i].type, rows[i].good);
		if (rows[i].bad)
			wrong(rows[i].type, rows[i].bad);
	}
}

/* CORE-269, CORE-270: JSON types. Nothing is converted. */
static void json_types(void **state)
{
	static const struct row rows[] = {
		{ "xs:string", "\"\"", "1" }, { "xs:string", "\"1\"", "true" },
		{ "xs:string", NULL, "[\"a\"]" }, { "xs:string", NULL, "null" },
		{ "xs:boolean", "true", "\"true\"" }, { "xs:boolean", "false", "0" },
		{ "xs:boolean", NULL, "1" }, { "xs:boolean", NULL, "null" },
		{ "xs:nonNegativeInteger", "0", "\"0\"" },
		{ "xs:nonNegativeInteger", "18446744073709551615", "-1" },
		{ "xs:nonNegativeInteger", NULL, "1.0" }, { "xs:nonNegativeInteger", NULL, "1e2" },
		{ "xs:nonNegativeInteger", NULL, "18446744073709551616" },
		{ "xs:positiveInteger", "1", "0" },
		{ "xs:long", "-9223372036854775808", "9223372036854775808" },
		{ "xs:unsignedInt", "4294967295", "4294967296" },
		{ "m2m:triggerRecipientID", "65535", "65536" },
		{ "xs:double", "-1.5e3", "\"1\"" }, { "xs:double", "1", "1e400" },
		{ "m2m:cseTypeID", "3", "4" }, { "m2m:cseTypeID", "1", "\"1\"" },
		{ "m2m:resourceType", "10002", "33" }, { "m2m:resourceType", NULL, "1.0" },
		{ "m2m:labels", "[\"a\"]", "\"a\"" }, { "m2m:labels", "[\"a\",\"k:v\"]", "[]" },
		{ "m2m:labels", NULL, "[1]" }, { "m2m:labels", NULL, "null" },
		{ "list of xs:anyURI", "[]", "\"a\"" }, { "list of xs:anyURI", "[\"a\"]", "[\"a\",null]" },
		{ "list of xs:anyURI", NULL, "{\"a\":1}" },
		{ "m2m:listOfMinMax", "[1,-1]", "[1]" }, { "m2m:listOfMinMax", NULL, "[1,2,3]" },
		{ "xs:anyType", "\"x\"", "null" }, { "xs:anyType", "{\"a\":[1]}", NULL },
		{ "xs:anyType", "0", NULL }, { "xs:anyType", "[]", NULL }, { "xs:anyType", "false", NULL },
		{ "xs:anySimpleType", "1.5", "[1]" }, { "xs:anySimpleType", "\"x\"", "{}" },
		{ "xs:anySimpleType", "true", "null" },
		{ "m2m:accessControlOperations", "63", "64" }, { "m2m:accessControlOperations", "1", "0" },
		{ "m2m:eventCat", "100", "99" }, { "m2m:eventCat", "2", "1" }, { "m2m:eventCat", "999", "0" },
		{ "m2m:eventCatWithDef", "0", "1" }, { "m2m:responseStatusCode", "4103", "4999" },
	};
	run(rows, ROWS(rows));
}

static void simple_types(void **state)
{
	static const struct row rows[] = {
		/* CORE-037 */
		{ "m2m:timestamp", "\"20260730T120000\"", "\"2026-07-30T12:00:00Z\"" },
		{ "m2m:timestamp", "\"20260730T120000,25\"", "\"\"" },
		{ "m2m:timestamp", NULL, "20260730" }, { "m2m:timestamp", NULL, "\"20260230T000000\"" },
		{ "m2m:absRelTimestamp", "\"20260730T120000\"", "\"soon\"" },
		{ "m2m:absRelTimestamp", "\"5000\"", "1.5" }, { "m2m:absRelTimestamp", "5000", "true" },
		{ "xs:duration", "\"PT15M\"", "\"15\"" }, { "xs:duration", NULL, "15" },
		{ "xs:anyURI", "\"/cse/a\"", "\"\"" }, { "xs:anyURI", "\"http://h:1/a?b=c\"", "\"a b\"" },
		{ "xs:anyURI", NULL, "\"a\\nb\"" },
		{ "m2m:nhURI", "\"\"", "\"a b\"" }, { "m2m:ID", "\"/in-cse/Cae1\"", "\"\"" },
		{ "xs:NCName", "\"lbl\"", "\"m2m:lbl\"" }, { "xs:NCName", "\"_x-1.y\"", "\"1x\"" },
		{ "xs:NCName", NULL, "\"\"" },
		{ "m2m:resourceName", "\"cnt-1_a.b\"", "\"-a\"" }, { "m2m:resourceName", "\"1\"", "\"a/b\"" },
		{ "m2m:resourceName", NULL, "\"\"" },
		{ "xs:token", "\"a b\"", "\" a\"" }, { "xs:token", "\"\"", "\"a  b\"" },
		{ "xs:token", NULL, "\"a\\tb\"" }, { "xs:token", NULL, "\"a \"" },
		{ "m2m:labels", "[\"a:b:c\"]", "[\":v\"]" }, { "m2m:labels", "[\"two words\"]", "[\"\"]" },
		{ "m2m:labels", NULL, "[\"a\",\" b\"]" },
		{ "m2m:poaList", "[\"http://10.0.0.1:80/x\",\"mqtt://a\"]", "[\"10.0.0.1\"]" },
		{ "m2m:poaList", NULL, "[\"http://a b\"]" }, { "m2m:poaList", NULL, "[]" },
		{ "m2m:roleID", "\"1234abcd@role-issuer.com\"", "\"1234\"" },
		{ "m2m:roleID", NULL, "\"a@B.com\"" }, { "m2m:tokenID", "\"x@y\"", "\"@y\"" },
		{ "m2m:tokenID", NULL, "\"a b@y\"" },
		{ "m2m:contentInfo", "\"text/plain:0\"", "\"text/plain\"" },
		{ "m2m:contentInfo", "\"application/xml:1:5\"", "\"application/xml:3\"" },
		{ "m2m:contentInfo", "\"application/json; charset=utf-8:0\"", "\"plain:0\"" },
		{ "m2m:contentInfo", NULL, "\"a/b:0:6\"" }, { "m2m:contentInfo", NULL, "\"a/b:0:\"" },
		{ "m2m:scheduleEntry", "\"* * * * * * *\"", "\"* * * * *\"" },
		{ "m2m:serializations", "[\"json\",\"cbor\"]", "[\"yaml\"]" },
		{ "m2m:serializations", "[\"application/json\"]", "\"json\"" },
		{ "m2m:supportedReleaseVersions", "[\"2a\",\"3\"]", "[\"9\"]" },
		{ "m2m:supportedReleaseVersions", NULL, "[3]" }, { "m2m:releaseVersion", "\"3\"", "\"4\"" },
		{ "xs:base64Binary", "\"YWJj\"", "\"YWJ\"" }, { "xs:base64Binary", "\"YQ==\"", "\"Y===\"" },
		{ "xs:base64Binary", "\"\"", "\"YW-j\"" },
		{ "m2m:e2eCompactJWS", "\"a.b.c\"", "\"a.b\"" },
		{ "m2m:e2eCompactJWS", "\"a..c\"", "\".b.c\"" }, { "m2m:e2eCompactJWS", NULL, "\"a.b.c.d\"" },
		{ "m2m:e2eCompactJWE", "\"a.b.c.d.e\"", "\"a.b.c\"" },
		{ "m2m:e2eCompactJWE", "\"a...d.\"", "\"a.b.c..e\"" },
		{ "m2m:dynAuthJWT", "\"a.b.c\"", "\"a.b.c.d\"" },
		{ "m2m:dynAuthJWT", "\"a.b.c.d.e\"", "\"a.b+.c\"" },
		{ "m2m:primitiveContent", "{\"m2m:cin\":{}}", "{}" },
		{ "m2m:primitiveContent", NULL, "{\"a\":1,\"b\":2}" },
		{ "m2m:primitiveContent", NULL, "\"x\"" },
	};
	run(rows, ROWS(rows));
}

#define RULE(inner) "{\"acr\":[{\"acor\":[\"all\"],\"acop\":63" inner "}]}"
#define CONTEXT(inner) RULE(",\"acco\":[{" inner "}]")

static void policies(void **state)
{
	static const struct row rows[] = {
		{ "m2m:setOfAcrs", "{}", "[]" }, { "m2m:setOfAcrs", "{\"acr\":[]}", "{\"acr\":{}}" },
		{ "m2m:setOfAcrs", RULE(""), "{\"acr\":[{\"acor\":[\"all\"]}]}" },
		{ "m2m:setOfAcrs", NULL, "{\"acr\":[{\"acop\":63}]}" },
		{ "m2m:setOfAcrs", RULE(",\"acaf\":true"), RULE(",\"acaf\":1") },
		/* AUTHZ-045 */
		{ "m2m:setOfAcrs",
		  CONTEXT("\"aclr\":{\"accc\":[\"DE\",\"XK\",\"AA\",\"ZZ\",\"QM\"]}"), CONTEXT("\"aclr\":{\"accc\":[\"DEU\"]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"aclr\":{\"accc\":[\"de\"]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"aclr\":{\"accc\":[\"JJ\"]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"aclr\":{\"accc\":[\"E \"]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"aclr\":{\"accc\":[\"QL\"]}") },
		/* AUTHZ-046 */
		{ "m2m:setOfAcrs",
		  CONTEXT("\"actw\":[\"* 0-5 2,6,10 * * * *\"]"), CONTEXT("\"actw\":[\"* * * * * *\"]") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"actw\":[\"* 60 * * * * *\"]") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"actw\":[\"* * * * * * *\",\"* * * * * * 1999\"]") },
		/* AUTHZ-047 */
		{ "m2m:setOfAcrs",
		  CONTEXT("\"acip\":{\"ipv4\":[\"10.0.0.0/8\",\"1.2.3.4\",\"0.0.0.0/0\",\"1.2.3.4/32\"]}"),
		  CONTEXT("\"acip\":{\"ipv4\":[\"10.0.0.0/33\"]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"acip\":{\"ipv4\":[\"10.0.0\"]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"acip\":{\"ipv4\":[\"10.0.0.256\"]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"acip\":{\"ipv4\":[\"10.0.0.1/\"]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"acip\":{\"ipv4\":[\"10.0.0.1/-1\"]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"acip\":{\"ipv4\":[\"::1\"]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"acip\":{\"ipv4\":[\"10.0.0.1/8/8\"]}") },
		{ "m2m:setOfAcrs",
		  CONTEXT("\"acip\":{\"ipv6\":[\"2001:db8::/32\",\"::1\",\"::/0\",\"fe80::1/128\"]}"),
		  CONTEXT("\"acip\":{\"ipv6\":[\"2001:db8::/129\"]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"acip\":{\"ipv6\":[\"1.2.3.4\"]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"acip\":{\"ipv6\":[\"fe80::1%eth0\"]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"acip\":{\"ipv6\":[\"1::2::3\"]}") },
		/* AUTHZ-048: members nobody knows, at every depth; a restriction that is not read must not be taken */
		{ "m2m:setOfAcrs", NULL, "{\"acr\":[],\"x\":1}" },
		{ "m2m:setOfAcrs", NULL, RULE(",\"acul\":[]") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"actw\":[\"* * * * * * *\"],\"x\":0") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"acip\":{\"ipv4\":[\"1.2.3.4\"],\"ip4\":[]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"aclr\":{\"acccx\":[]}") },
		{ "m2m:setOfAcrs", NULL, RULE(",\"acod\":[{\"chty\":[4],\"x\":1}]") },
		{ "m2m:setOfAcrs", NULL, RULE(",\"acod\":[{\"chty\":[4],\"spty\":{\"x\":1}}]") },
		{ "m2m:setOfAcrs", NULL, RULE(",\"accessControlAuthenticationFlag\":true") }, /* CORE-267 */
		/* a name is a name however it is spelt */
		{ "m2m:setOfAcrs", RULE(",\"ac\\u0061f\":true"), NULL },
		/* AUTHZ-049: one element is an array of one */
		{ "m2m:setOfAcrs", NULL, "{\"acr\":{\"acor\":[\"all\"],\"acop\":63}}" },
		{ "m2m:setOfAcrs", NULL, RULE(",\"acco\":{}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"actw\":\"* * * * * * *\"") },
		{ "m2m:setOfAcrs", NULL, RULE(",\"acod\":{\"chty\":[4]}") },
		{ "m2m:setOfAcrs", NULL, "{\"acr\":[{\"acor\":\"all\",\"acop\":63}]}" },
		/* AUTHZ-043 and the shape of AUTHZ-044 */
		{ "m2m:setOfAcrs",
		  CONTEXT("\"aclr\":{\"accr\":[1.5,2,3]}"), CONTEXT("\"aclr\":{\"accr\":[1,2,3],\"accc\":[\"DE\"]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"aclr\":{}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"aclr\":{\"accr\":[1,2]}") },
		{ "m2m:setOfAcrs", NULL, CONTEXT("\"aclr\":{\"accr\":[1,2,\"3\"]}") },
		{ "m2m:setOfAcrs",
		  RULE(",\"acod\":[{\"ty\":3,\"spty\":{\"mgd\":1001},\"chty\":[4]}]"), RULE(",\"acod\":[{\"ty\":3}]") },
		{ "m2m:setOfAcrs", NULL,
		  RULE(",\"acod\":[{\"chty\":[4],\"spty\":{\"mgd\":1001,\"cnd\":\"x\"}}]") },
	};
	run(rows, ROWS(rows));
}

static void complex_types(void **state)
{
	static const struct row rows[] = {
		{ "m2m:eventNotificationCriteria",
		  "{\"net\":[1,3],\"atr\":[\"lbl\"],\"om\":[{\"ops\":4,\"or\":\"C1\"}]}", "{\"net\":1}" },
		{ "m2m:eventNotificationCriteria", "{\"chty\":[3,4]}", "{\"net\":[9]}" },
		{ "m2m:batchNotify", "{\"num\":5,\"dur\":\"PT1S\"}", "{\"num\":-5}" },
		{ "m2m:filterCriteria", "{\"ty\":[3],\"atr\":[{\"nm\":\"a\",\"val\":1}],\"fu\":1}",
		  "{\"ty\":3}" }, { "m2m:filterCriteria", NULL, "{\"atr\":{\"nm\":\"a\",\"val\":1}}" },
		{ "m2m:scheduleEntries", "{\"sce\":[\"* * * * * * *\"]}", "{}" },
		{ "m2m:scheduleEntries", NULL, "[\"* * * * * * *\"]" },
		{ "m2m:notification", "{\"nev\":{\"rep\":{\"m2m:cin\":{}},\"net\":3},\"sur\":\"/a/b\"}",
		  "{\"vrq\":true}" },
		{ "m2m:notification", "{\"vrq\":true,\"sur\":\"/a\",\"cr\":\"C1\"}",
		  "{\"sur\":\"/a\",\"nev\":{\"rep\":{}}}" },
		{ "m2m:aggregatedRequest", "{\"req\":[{\"op\":1,\"to\":\"a\",\"fr\":\"b\",\"rqi\":\"1\"}]}",
		  "{\"req\":[{\"op\":1}]}" },
		{ "m2m:aggregatedResponse", "{\"m2m:rsp\":[{\"rsc\":2000,\"rqi\":\"1\",\"rvi\":\"3\"}]}",
		  "{\"m2m:rsp\":{}}" },
		{ "m2m:requestPrimitive",
		  "{\"op\":2,\"to\":\"a\",\"rqi\":\"1\",\"rvi\":\"3\",\"rt\":{\"rtv\":3}}",
		  "{\"op\":2,\"to\":\"a\",\"rqi\":\"1\",\"rvi\":\"3\",\"rt\":3}" },
		{ "m2m:mgmtLinkRef", "{\"val\":\"a\",\"nm\":\"x\",\"typ\":1001}", "{\"val\":\"a\"}" },
		{ "m2m:tokenPermissions", "{\"pm\":[{\"ris\":[\"a\"],\"pv\":{\"acr\":[]}}]}",
		  "{\"pm\":[{\"x\":1}]}" },
		{ "m2m:execReqArgsListType", "{\"rst\":[{}]}", "{\"rst\":[{}],\"rbo\":[{}]}" },
		{ "m2m:responseTypeInfo", "{\"rtv\":3,\"nu\":[]}", "{\"nu\":[]}" },
	};
	run(rows, ROWS(rows));
}

/* The text names the place and what was expected. */
static void places(void **state)
{
	const struct model_type *acrs = model_type("m2m:setOfAcrs");

	assert_string_equal(why_not(acrs, false, "{\"acr\":[{\"acor\":[\"all\"],\"acop\":64}]}"),
			    "v.acr[0].acop: expected a sum of 1..63, got 64");
	assert_string_equal(why_not(acrs, false, RULE(",\"x\":1")), "v.acr[0]: unknown member \"x\"");
	assert_string_equal(why_not(acrs, false, "{\"acr\":[{\"acor\":[\"all\"]}]}"), "v.acr[0]: missing member \"acop\"");
	assert_string_equal(why_not(acrs, false, CONTEXT("\"actw\":[\"* * * * * * *\",\"x\"]")),
			    "v.acr[0].acco[0].actw[1]: expected seven schedule fields "
			    "(second minute hour day month weekday year), got \"x\"");
	assert_string_equal(why_not(acrs, false, "3"), "v: expected an object, got 3");
	assert_string_equal(why_not(acrs, true, "{}"), "v: expected an array, got an object");
	assert_string_equal(why_not(model_type("xs:boolean"), true, "[true,\"a\"]"), "v[1]: expected true or false, got \"a\"");
	assert_string_equal(why_not(model_type("m2m:labels"), false, "[]"), "v: expected at least 1 entry, got an array of 0");
	assert_string_equal(why_not(model_type("xs:anyURI"), false, "\"012345678901234567890123456789 123456789\""),
			    "v: expected a URI (not empty, no blanks), got \"01234567890123456789012...");
}

/* A value parsed alone, as a stored attribute is, has no name. */
static void without_name(void **state)
{
	struct arena a;
	struct slice why;
	struct json j;

	test_arena(&a);
	j = parsed(&a, S("{\"acr\":[{\"acor\":[\"all\"],\"acop\":0}]}"));
	assert_int_equal(model_check(model_type("m2m:setOfAcrs"), false, &j, 0, &a, &why), RC_INVALID);
	assert_slice(why, "acr[0].acop: expected a sum of 1..63, got 0");
	j = parsed(&a, S("\"20260730T120000\""));
	assert_int_equal(model_check(model_type("m2m:timestamp"), false, &j, 0, &a, &why), RC_OK);
	j = parsed(&a, S("[\"x\" , 1]"));
	assert_int_equal(model_check(model_type("xs:boolean"), false, &j, 2, &a, &why), RC_INVALID);
	assert_slice(why, "expected true or false, got 1"); /* the string before it is no name */
	arena_reset(&a);
}

static void lookups(void **state)
{
	const struct model_res *cnt = model_by_ty(3), *cin = model_by_root(S("m2m:cin"));

	assert_non_null(cnt);
	assert_non_null(cin);
	assert_string_equal(cnt->name, "container");
	assert_int_equal(cin->ty, 4);
	assert_string_equal(model_attr(cin, S("con"))->name, "content");
	assert_null(model_attr(cnt, S("con")));
	assert_null(model_attr(cin, S("content"))); /* CORE-267 */
	assert_null(model_attr(cin, S("contentInfo")));
	assert_null(model_attr(cin, S("")));
	assert_null(model_attr(cin, S("cin"))); /* a type's name, but no attribute's */
	assert_true(model_is_attr(S("con")));
	assert_false(model_is_attr(S("cin")));
	assert_false(model_is_attr(S("xyz")));
	assert_null(model_by_root(S("cin")));
	assert_null(model_by_root(S("m2m:")));
	assert_null(model_by_root(S("m2m:con")));
	assert_null(model_by_root(S("m2m:CIN")));
	assert_null(model_by_root(S("")));
	for (int64_t ty = -2; ty < 70000; ty++)
		if (model_by_ty(ty))
			assert_int_equal(model_by_ty(ty)->ty, ty);
	assert_null(model_by_ty(0));
	assert_null(model_by_ty(33));
	assert_null(model_by_ty(INT64_MAX));
	assert_true(model_is_type(51) && model_is_type(10046) && model_is_type(1));
	assert_false(model_is_type(0) || model_is_type(33) || model_is_type(52) || model_is_type(20002));
	assert_true(model_child_allowed(cnt, 4) && model_child_allowed(cnt, 3));
	assert_false(model_child_allowed(cnt, 2) || model_child_allowed(cnt, 0));
	assert_null(model_type("m2m:nothing"));
	assert_int_equal(model_code(4103)->http, 403);
	assert_int_equal(model_code(4128)->http, 403);
	assert_string_equal(model_code(4128)->coap, "4.03");
	assert_null(model_code(1));
}

/* Facts of some rows, read in the standard's tables. */
static void rows_of_types(void **state)
{
	const struct model_res *cin = model_by_ty(4), *cb = model_by_ty(5), *acp = model_by_ty(1), *sub = model_by_ty(23);
	const struct model_attr *a = model_attr(cin, S("con"));

	assert_true(a->create == MODEL_M && a->update == MODEL_NP && a->single && a->annc == 'O' && a->kind == 's');
	assert_int_equal(a->type->base, MB_ANY);
	assert_int_equal(model_attr(cin, S("rn"))->type->base, MB_NAME);
	assert_int_equal(model_attr(cin, S("rn"))->kind, 'u');
	assert_true(cin->state_tag && !cin->acpi && !acp->acpi && cb->acpi && sub->creator);
	assert_true(cin->refuse[3] == 4005 && cin->refuse[1] == 0 && cb->refuse[4] == 4005 && model_by_ty(17)->refuse[1] == 4005);
	assert_true(model_by_ty(10003)->announced && !model_by_ty(3)->announced);
	assert_true(model_by_ty(13)->custom && model_by_ty(28)->custom && !model_by_ty(3)->custom);
	assert_string_equal(model_by_ty(13)->root, "");
	assert_true(model_by_ty(20002)->virtual_);
	assert_true(model_by_ty(43)->in_cse_only && !model_by_ty(3)->in_cse_only);
	assert_string_equal(model_attr(model_by_ty(3), S("disr"))->def, "false");
	assert_null(model_attr(model_by_ty(3), S("lbl"))->def);
	assert_true(model_attr(sub, S("nu"))->type->list && !model_attr(sub, S("nu"))->many && !model_attr(sub, S("nfu"))->type->list);
	assert_true(model_attr(model_by_ty(2), S("lbl"))->type->min_items == 1);
}

/* Every attribute of every type can be found and is checked by something; null never passes. */
static void whole_model(void **state)
{
	unsigned attrs = 0;

	for (unsigned i = 0; i < model_n_resources; i++) {
		const struct model_res *m = &model_resources[i];
		if (*m->root)
			assert_ptr_equal(model_by_root(slice_str(m->root)), m);
		if (m->ty)
			assert_ptr_equal(model_by_ty(m->ty), m);
		for (unsigned k = 0; k < m->n_attrs; k++, attrs++) {
			const struct model_attr *a = &m->attrs[k];
			assert_ptr_equal(model_attr(m, slice_str(a->sn)), a);
			assert_ptr_equal(model_type(a->type->name), a->type);
			assert_true(*why_not(a->type, a->many, "null") != 0);
			assert_true(*why_not(a->type, a->many, "[null]") != 0 || a->type->base == MB_ANY);
		}
	}
	assert_true(model_n_resources == 80 && attrs > 1200);
}

/* The numbers that code knows are those of the model. */
static void type_numbers(void **state)
{
	static const struct { int32_t ty; const char *name; } rows[] = {
		{ TYPE_ACP, "accessControlPolicy" }, { TYPE_AE, "AE" }, { TYPE_CONTAINER, "container" },
		{ TYPE_CONTENT_INSTANCE, "contentInstance" }, { TYPE_CSEBASE, "CSEBase" }, { TYPE_GROUP, "group" },
		{ TYPE_SERVICE_PROFILE, "m2mServiceSubscriptionProfile" }, { TYPE_MGMT_OBJ, "mgmtObj" }, { TYPE_NODE, "node" },
		{ TYPE_POLLING_CHANNEL, "pollingChannel" }, { TYPE_REMOTE_CSE, "remoteCSE" }, { TYPE_REQUEST, "request" },
		{ TYPE_SCHEDULE, "schedule" }, { TYPE_SERVICE_RULE, "serviceSubscribedAppRule" },
		{ TYPE_SERVICE_NODE, "serviceSubscribedNode" }, { TYPE_SUBSCRIPTION, "subscription" },
		{ TYPE_SEMANTIC_DESCRIPTOR, "semanticDescriptor" }, { TYPE_TARGET_POLICY_REF, "notificationTargetMgmtPolicyRef" },
		{ TYPE_TARGET_POLICY, "notificationTargetPolicy" }, { TYPE_DELETION_RULES, "policyDeletionRules" },
		{ TYPE_FLEX_CONTAINER, "flexContainer" }, { TYPE_TIME_SERIES, "timeSeries" },
		{ TYPE_TIME_SERIES_INSTANCE, "timeSeriesInstance" }, { TYPE_ROLE, "role" }, { TYPE_TOKEN, "token" },
		{ TYPE_DAC, "dynamicAuthorizationConsultation" }, { TYPE_AUTHORIZATION_DECISION, "authorizationDecision" },
		{ TYPE_AUTHORIZATION_POLICY, "authorizationPolicy" }, { TYPE_AUTHORIZATION_INFORMATION, "authorizationInformation" },
		{ TYPE_AE_ANNC, "AEAnnc" }, { TYPE_CSEBASE_ANNC, "CSEBaseAnnc" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct model_res *m = model_by_ty(rows[i].ty);

		if (!m || strcmp(m->name, rows[i].name))
			fail_msg("%d is %s, not %s", rows[i].ty, m ? m->name : "no type", rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_types),
		cmocka_unit_test(simple_types),
		cmocka_unit_test(policies),
		cmocka_unit_test(complex_types),
		cmocka_unit_test(places),
		cmocka_unit_test(without_name),
		cmocka_unit_test(lookups),
		cmocka_unit_test(rows_of_types),
		cmocka_unit_test(whole_model),
		cmocka_unit_test(type_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
