/* SPDX-License-Identifier: Apache-2.0 */
/* The readable form of a decision's JSON line, for terminals.
 *
 * Strings in it come from peers: control characters (ESC first of all) are replaced, or a request could write to the
 * operator's terminal. */
#include "authz/decisions.h"

struct teller {
	struct buf *b;
	const struct json *j;
	struct arena *a;
};

static void add_safe(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool c1 = c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0; /* U+0080 to U+009F */
		if (c < 0x20 || c == 0x7f || c1)
			buf_char(b, '?');
		else
			buf_char(b, (char)c);
		i += c1;
	}
}

static struct slice get(struct teller *t, uint32_t obj, struct slice key)
{
	struct slice s = json_string(t->a, t->j, json_member(t->j, obj, key));
	return s.p ? s : S("");
}

/* "label value" when there is a value: strings as they are, other values as JSON. */
static void say(struct teller *t, const char *label, uint32_t obj, struct slice key)
{
	uint32_t i = json_member(t->j, obj, key);

	if (!i || (json_kind(t->j, i) == J_STRING && t->j->tok[i].end - t->j->tok[i].at == 2))
		return;
	buf_slice(t->b, slice_str(label));
	add_safe(t->b, json_kind(t->j, i) == J_STRING ? get(t, obj, key) : json_raw(t->j, i));
}

static bool is_true(struct teller *t, uint32_t obj, struct slice key)
{
	bool v = false;
	return json_bool(t->j, json_member(t->j, obj, key), &v) && v;
}

static void say_facts(struct teller *t, uint32_t f)
{
	uint32_t roles = json_member(t->j, f, S("roles"));

	say(t, "  originator   ", f, S("originator"));
	buf_slice(t->b, is_true(t, f, S("authenticated")) ? S(", authenticated") : S(", not authenticated by this CSE"));
	say(t, "\n  operation    ", f, S("operation"));
	say(t, " of a child of type ", f, S("child_type"));
	say(t, ", target of type ", f, S("target_type"));
	say(t, " ", f, S("target_cnd"));
	say(t, " ", f, S("target_mgd"));
	say(t, "\n  time         ", f, S("time"));
	say(t, "\n  address      ", f, S("address"));
	say(t, "\n  country      ", f, S("country"));
	if (roles && t->j->tok[roles].count)
		say(t, "\n  roles        ", f, S("roles"));
	buf_char(t->b, '\n');
}

static void say_policy(struct teller *t, uint32_t p)
{
	uint32_t rules = json_member(t->j, p, S("rules"));

	say(t, "  policy ", p, S("policy"));
	buf_char(t->b, '\n');
	if (rules && t->j->tok[rules].count == 0)
		buf_lit(t->b, "    has no rules\n");
	for (uint32_t i = rules + 1; rules && i < t->j->tok[rules].next; i = t->j->tok[i].next) {
		bool match = slice_eq(get(t, i, S("test")), S("match"));
		say(t, match ? "    + rule " : "    - rule ", i, S("rule"));
		say(t, " ", i, S("why"));
		say(t, "\n        ", i, S("acr"));
		buf_char(t->b, '\n');
	}
	say(t, "    rules not shown: ", p, S("not_shown"));
	if (json_member(t->j, p, S("not_shown")))
		buf_char(t->b, '\n');
}

/* What else was looked at: roles, tokens, consultations; one line each, members in the order they were told. */
static void say_rights(struct teller *t, uint32_t all)
{
	for (uint32_t i = all + 1; all && i < t->j->tok[all].next; i = t->j->tok[i].next) {
		buf_lit(t->b, "  *");
		for (uint32_t k = i + 1; json_kind(t->j, i) == J_OBJECT && k < t->j->tok[i].next; k = t->j->tok[k + 1].next) {
			buf_char(t->b, ' ');
			add_safe(t->b, json_inner(t->j, k));
			buf_char(t->b, ' ');
			add_safe(t->b, json_kind(t->j, k + 1) == J_STRING ? json_string(t->a, t->j, k + 1) : json_raw(t->j, k + 1));
		}
		buf_char(t->b, '\n');
	}
}

void decision_write_text(struct buf *b, struct slice json_line)
{
	struct json_limits limits = { 64, 1u << 20 };
	_Alignas(16) char first[8192];
	uint32_t policies;
	struct arena a;
	struct slice why;
	struct json j;
	struct teller t = { b, &j, &a };

	arena_init(&a, first, sizeof(first), 64 << 20);
	if (json_parse(&a, json_line, &limits, &j, &why) || json_kind(&j, 0) != J_OBJECT) {
		buf_lit(b, "This is no decision of this program.\n");
		arena_reset(&a);
		return;
	}
	buf_slice(b, is_true(&t, 0, S("permitted")) ? S("PERMITTED") : S("DENIED"));
	say(&t, "  decision ", 0, S("id"));
	say(&t, " at ", 0, S("when"));
	say(&t, "\n  request      ", 0, S("request"));
	say(&t, "\n  to           ", 0, S("to"));
	say(&t, "\n  target       ", 0, S("target"));
	say(&t, "\n  ground       ", 0, S("ground"));
	say(&t, ", attribute ", 0, S("part"));
	buf_char(b, '\n');
	say_facts(&t, json_member(&j, 0, S("facts")));
	say_rights(&t, json_member(&j, 0, S("rights")));
	policies = json_member(&j, 0, S("policies"));
	for (uint32_t i = policies + 1; policies && i < j.tok[policies].next; i = j.tok[i].next)
		say_policy(&t, i);
	say(&t, "  policies not shown: ", 0, S("policies_not_shown"));
	if (json_member(&j, 0, S("policies_not_shown")))
		buf_char(b, '\n');
	arena_reset(&a);
}
