/* SPDX-License-Identifier: Apache-2.0 */
/* Filter Criteria from hostile hands. The first byte chooses the way in: a query, JSON, a labelsQuery, a contentFilterQuery (the
 * document behind a NUL byte), a wildcard. Beyond not crashing: what is accepted as well formed must be evaluated without complaint,
 * and the answer must not depend on how often it is asked. */
#include <stdlib.h>

#include "codec/json.h"
#include "core/discover/filter.h"
#include "core/discover/filter_int.h"
#include "resource/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_expressions(struct arena *a, const struct filter *f)
{
	static const struct slice labels[] = { { "color:red", 9 }, { "big", 3 }, { "a:b:c", 5 } };
	struct slice why;
	struct json doc;
	bool yes;

	require(json_parse(a, S("{\"a\":[1,{\"b\":\"x\"}],\"n\":2.5}"), &json_default_limits, &doc, &why) == RC_OK || a->failed);
	if (a->failed)
		return;
	for (size_t i = 0; i < f->lbq.n; i++)
		require(filter_labels_query(f->lbq.v[i], labels, 3, &yes) == RC_OK);
	if (f->cfq.p)
		require(filter_content_query(a, f->cfq, &doc, &yes) == RC_OK);
}

/* A resource without a tree: conditions on relatives have nothing to look at, so they are taken out. */
static void check_match(struct arena *a, struct filter *f)
{
	static const char text[] = "\"rn\":\"r\",\"ri\":\"i\",\"ty\":4,\"pi\":\"p\",\"lbl\":[\"color:red\",\"b\\u0069g\"],"
				   "\"cnf\":\"application/json:0\","
				   "\"con\":\"{\\\"a\\\":[1,{\\\"b\\\":\\\"x\\\"}]}\",\"cr\":\"Cx\"";
	struct res r = { .h = { .ty = 4, .rn_len = 1, .ri_len = 1, .cs = 20, .et = USEC_NEVER } };
	bool first;

	r.text = slice_of(text, sizeof(text) - 1);
	r.h.text_len = (uint32_t)r.text.n;
	f->clbl.n = f->palb.n = f->chty.n = f->pty.n = f->n_catr = f->n_patr = 0;
	first = filter_match(f, a, NULL, &r, true);
	if (!a->failed)
		require(filter_match(f, a, NULL, &r, true) == first || a->failed);
}

static void fuzz_query(struct arena *a, struct slice text)
{
	struct filter f;
	struct slice why;

	filter_init(&f);
	while (text.p) {
		struct slice value = slice_cut(&text, '&'), name = slice_cut(&value, '=');
		enum reeve_rc rc = filter_add(&f, a, name, value.p ? value : S(""), &why);

		if (rc == RC_NOTFOUND)
			rc = filter_attr_add(&f, a, name, value.p ? value : S(""));
		else
			require(rc == RC_OK || rc == RC_NOMEM || why.n);
	}
	(void)!filter_check(&f, &why);
	check_expressions(a, &f);
	check_match(a, &f);
}

static void fuzz_json(struct arena *a, struct slice text)
{
	struct filter f;
	struct slice why;
	struct json j;

	if (json_parse(a, text, &json_default_limits, &j, &why) || filter_from_json(&f, a, &j, 0, &why))
		return;
	check_expressions(a, &f);
	check_match(a, &f);
}

static void fuzz_labels(struct slice expr)
{
	static const struct slice labels[] = { { "color:red", 9 }, { "big", 3 } };
	bool yes;
	enum reeve_rc rc = filter_labels_query(expr, labels, 2, &yes);

	require((rc == RC_OK) == (filter_labels_syntax(expr) == RC_OK));
	require(rc == RC_OK || !yes);
}

static void fuzz_content(struct arena *a, struct slice text)
{
	struct slice expr = slice_cut(&text, '\0'), why;
	struct json doc;
	bool yes;
	enum reeve_rc rc;

	if (json_parse(a, text.p ? text : S("{}"), &json_default_limits, &doc, &why))
		return;
	rc = filter_content_query(a, expr, &doc, &yes);
	require((rc == RC_OK) == (filter_content_syntax(expr) == RC_OK)); /* well formed or not, whatever the data */
	require(rc == RC_OK || !yes);
}

/* The same by the obvious, slow way. */
static bool wildcard(struct slice p, struct slice t)
{
	if (!p.n)
		return !t.n;
	if (p.p[0] != '*')
		return t.n && t.p[0] == p.p[0] && wildcard(slice_skip(p, 1), slice_skip(t, 1));
	return wildcard(slice_skip(p, 1), t) || (t.n && wildcard(p, slice_skip(t, 1)));
}

static void fuzz_wildcard(struct slice text)
{
	struct slice pattern = slice_cut(&text, '\0');

	if (!text.p)
		text = S("");
	if (pattern.n <= 10 && text.n <= 20)
		require(filter_wildcard(pattern, text) == wildcard(pattern, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static _Alignas(16) char first[16384];
	struct arena a;
	struct slice text;
	char *copy;

	if (!n)
		return 0;
	copy = malloc(n); /* its exact size, so that reading beyond is seen */
	require(copy != NULL);
	memcpy(copy, data, n);
	text = slice_of(copy + 1, n - 1);
	arena_init(&a, first, sizeof(first), 1u << 20);
	switch (data[0] % 5) {
	case 0:
		fuzz_query(&a, text);
		break;
	case 1:
		fuzz_json(&a, text);
		break;
	case 2:
		fuzz_labels(text);
		break;
	case 3:
		fuzz_content(&a, text);
		break;
	default:
		fuzz_wildcard(text);
		break;
	}
	arena_reset(&a);
	free(copy);
	return 0;
}
