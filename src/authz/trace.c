/* SPDX-License-Identifier: Apache-2.0 */
/* A decision told: each rule that was tried with the reason it did not match, as one JSON line or as text.
 *
 * The rules are walked again with the tests of the PDP itself, so the story cannot differ from the decision. What a
 * peer sent appears only as identifiers and addresses; positions appear as distances. The line ends early, and says so,
 * when there are too many rules. */
#include "authz/decisions.h"
#include "authz/policy_int.h"

#include <arpa/inet.h>
#include <math.h>

enum { TRACE_BYTES = 48 << 10, STORY_BYTES = 16 << 10, WORDS_BYTES = 4096, EXCERPT = 300, SENT = 512 };

/* What a peer sent: shortened, and with '?' for DEL and bytes above ASCII, since nobody has checked that they are UTF-8. */
static void add_ascii(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n && i < SENT; i++)
		buf_char(b, (unsigned char)s.p[i] < 0x7f ? s.p[i] : '?');
}

static void add_sent(struct buf *b, struct slice s)
{
	struct buf t;

	buf_init(&t, SENT);
	add_ascii(&t, s);
	buf_json(b, buf_view(&t));
	buf_free(&t);
}

static void add_ops(struct buf *b, unsigned ops)
{
	bool first = true;

	for (unsigned bit = ACOP_CREATE; bit <= ACOP_DISCOVERY; bit <<= 1) {
		if (!(ops & bit))
			continue;
		buf_printf(b, "%s%s", first ? "" : ", ", acop_name(bit));
		first = false;
	}
}

static void add_time(struct buf *b, const struct text_time *t)
{
	static const char *const days[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };

	buf_printf(b, "%04u-%02u-%02uT%02u:%02u:%02uZ (%s)", t->year, t->month, t->mday, t->hour, t->minute, t->second,
		   days[t->wday % 7]);
}

static void add_address(struct buf *b, const uint8_t ip[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool v4 = memcmp(ip, mapped, sizeof(mapped)) == 0;
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip + 12 : ip, text, sizeof(text)))
		buf_slice(b, slice_str(text));
}

/* The value of a member of the rule, cut short when it is long. */
static void add_member_text(struct buf *b, const struct json *j, uint32_t obj, struct slice key)
{
	uint32_t i = json_member(j, obj, key);
	struct slice s = i ? json_raw(j, i) : S("nothing");
	size_t n = s.n;

	if (n > EXCERPT)
		for (n = EXCERPT; n && ((unsigned char)s.p[n] & 0xc0) == 0x80; n--)
			;
	buf_add(b, s.p, n);
	if (n < s.n)
		buf_lit(b, "...");
}

static void originator_words(struct buf *b, const struct rule *r, const struct facts *f, const struct json *j)
{
	add_ascii(b, f->who);
	buf_lit(b, " is not among ");
	add_member_text(b, j, 0, S("acor"));
	if (r->n_nobody)
		buf_printf(b, "; entries that are no identifier and no group known here: %u", r->n_nobody);
	if (r->n_roles && !f->n_roles)
		buf_lit(b, "; no role of the Originator has been verified");
}

static void location_words(struct buf *b, const struct context *c, const struct facts *f, const struct json *j, uint32_t acco)
{
	double x, y, z, chord;

	if (!c->circle) {
		buf_printf(b, "country %s is not in ", f->country[0] ? f->country : "(not known)");
		add_member_text(b, j, json_member(j, acco, S("aclr")), S("accc"));
		return;
	}
	if (!f->position_known) {
		buf_lit(b, "the position of the Originator is not known");
		return;
	}
	policy_vector(f->latitude, f->longitude, &x, &y, &z);
	chord = sqrt((x - c->circle->x) * (x - c->circle->x) + (y - c->circle->y) * (y - c->circle->y) +
		     (z - c->circle->z) * (z - c->circle->z));
	buf_printf(b, "the Originator is %.0f m from the centre of the circle ", 2.0 * EARTH_RADIUS_M * asin(fmin(chord / 2, 1)));
	add_member_text(b, j, json_member(j, acco, S("aclr")), S("accr"));
}

static void context_words(struct buf *b, const struct rule *r, const struct facts *f, const struct json *j)
{
	uint32_t acco = json_member(j, 0, S("acco")), k = acco + 1;
	struct derived d = { 0 };

	for (uint32_t i = 0; acco && i < r->n_contexts && k < j->tok[acco].next; i++, k = j->tok[k].next) {
		const struct context *c = &r->context[i];
		enum pdp_miss m = pdp_context(c, f, &d);

		buf_printf(b, "%scontext %u: ", i ? "; " : "", i);
		if (m == PDP_TIME) {
			add_time(b, &f->time);
			buf_lit(b, " is outside ");
			add_member_text(b, j, k, S("actw"));
		} else if (m == PDP_ADDRESS) {
			buf_lit(b, "source address ");
			if (f->ip_known)
				add_address(b, f->ip);
			else
				buf_lit(b, "(not known)");
			buf_lit(b, " is not in ");
			add_member_text(b, j, k, S("acip"));
		} else {
			location_words(b, c, f, j, k);
		}
	}
}

static void object_words(struct buf *b, const struct facts *f, const struct json *j)
{
	buf_printf(b, "a child of type %d under a target of type %d", f->child_ty, f->target_ty);
	if (f->target_cnd.n)
		buf_printf(b, " (%.*s)", SF(f->target_cnd));
	else if (f->target_mgd >= 0)
		buf_printf(b, " (mgmtDefinition %lld)", (long long)f->target_mgd);
	buf_lit(b, " is not in ");
	add_member_text(b, j, 0, S("acod"));
}

static void words(struct buf *b, const struct rule *r, enum pdp_miss m, const struct facts *f, const struct json *j)
{
	switch (m) {
	case PDP_MATCH:
		buf_lit(b, "permits");
		break;
	case PDP_OP:
		buf_lit(b, "allows ");
		add_ops(b, r->ops);
		buf_lit(b, ", not ");
		add_ops(b, f->op);
		break;
	case PDP_AUTHN:
		buf_lit(b, "asks for an Originator authenticated by this CSE (acaf), and this one is not");
		break;
	case PDP_ORIGINATOR:
		originator_words(b, r, f, j);
		break;
	case PDP_OBJECT:
		object_words(b, f, j);
		break;
	case PDP_TIME: case PDP_ADDRESS: case PDP_LOCATION:
		context_words(b, r, f, j);
		break;
	case PDP_UNREADABLE:
		buf_lit(b, "is malformed and matches nothing");
		break;
	}
}

static void write_rule(struct buf *b, const struct rule *r, unsigned index, enum pdp_miss m, const struct facts *f)
{
	static const char *const tests[] = { "match", "operation", "authentication", "originator", "object", "time", "address",
					     "location", "malformed" };
	struct json_limits limits = { 64, 1u << 20 };
	_Alignas(16) char first[8192];
	struct arena a;
	struct slice why;
	struct json j;
	struct buf text;

	arena_init(&a, first, sizeof(first), 8 << 20);
	buf_init(&text, WORDS_BYTES);
	buf_printf(b, "{\"rule\":%u,\"test\":\"%s\",\"why\":", index, tests[m]);
	if (json_parse(&a, r->text, &limits, &j, &why)) {
		buf_lit(b, "\"the rule is too large to be shown\"}");
	} else {
		words(&text, r, m, f, &j);
		buf_json(b, buf_view(&text));
		buf_lit(b, ",\"acr\":");
		if (r->text.n <= TRACE_BYTES / 4)
			json_compact(b, &j, 0);
		else
			buf_lit(b, "\"too large to be shown\"");
		buf_char(b, '}');
	}
	buf_free(&text);
	arena_reset(&a);
}

static void write_policy(struct buf *b, const struct policy *p, enum policy_part part, const struct facts *f, bool *matched)
{
	const struct rules *rules = &p->part[part];
	struct derived d = { 0 };

	buf_lit(b, "{\"policy\":");
	buf_json(b, p->name);
	buf_lit(b, ",\"rules\":[");
	for (uint32_t i = 0; i < rules->n && !*matched; i++) {
		enum pdp_miss m = pdp_rule(&rules->rule[i], f, &d);

		*matched = m == PDP_MATCH;
		if (b->n > TRACE_BYTES) {
			buf_printf(b, "],\"not_shown\":%u}", rules->n - i);
			return;
		}
		if (i)
			buf_char(b, ',');
		write_rule(b, &rules->rule[i], i, m, f);
	}
	buf_lit(b, "]}");
}

static void write_facts(struct buf *b, const struct facts *f)
{
	struct buf t;

	buf_init(&t, WORDS_BYTES);
	buf_lit(b, "{\"originator\":");
	add_sent(b, f->who);
	buf_printf(b, ",\"authenticated\":%s,\"operation\":\"", f->authenticated ? "true" : "false");
	add_ops(b, f->op);
	buf_printf(b, "\",\"target_type\":%d", f->target_ty);
	if (f->op == ACOP_CREATE)
		buf_printf(b, ",\"child_type\":%d", f->child_ty);
	if (f->target_cnd.n) {
		buf_lit(b, ",\"target_cnd\":");
		buf_json(b, f->target_cnd);
	}
	if (f->target_mgd >= 0)
		buf_printf(b, ",\"target_mgd\":%lld", (long long)f->target_mgd);
	add_time(&t, &f->time);
	buf_lit(b, ",\"time\":");
	buf_json(b, buf_view(&t));
	if (f->ip_known) {
		buf_lit(b, ",\"address\":\"");
		add_address(b, f->ip);
		buf_char(b, '"');
	}
	buf_printf(b, ",\"position_known\":%s", f->position_known ? "true" : "false");
	if (f->country[0])
		buf_printf(b, ",\"country\":\"%.2s\"", f->country);
	buf_lit(b, ",\"roles\":[");
	for (size_t i = 0; i < f->n_roles; i++) {
		if (i)
			buf_char(b, ',');
		buf_json(b, f->roles[i]);
	}
	buf_lit(b, "]}");
	buf_free(&t);
}

void decision_write_json(struct buf *b, const struct decision *what, struct slice id, bool permitted)
{
	char when[TEXT_TIMESTAMP_MAX];
	bool matched = false;

	buf_lit(b, "{\"id\":");
	buf_json(b, id);
	if (what->when) {
		buf_lit(b, ",\"when\":");
		buf_json(b, slice_of(when, text_timestamp_write(what->when, when)));
	}
	buf_printf(b, ",\"permitted\":%s,\"request\":", permitted ? "true" : "false");
	add_sent(b, what->request);
	buf_lit(b, ",\"to\":");
	add_sent(b, what->to);
	buf_lit(b, ",\"target\":");
	add_sent(b, what->target);
	buf_lit(b, ",\"ground\":");
	buf_json(b, slice_str(what->ground ? what->ground : ""));
	buf_printf(b, ",\"part\":\"%s\",\"facts\":", what->part == POLICY_PVS ? "pvs" : "pv");
	write_facts(b, what->facts);
	if (what->story.n && what->story.n < STORY_BYTES) {
		buf_lit(b, ",\"rights\":");
		buf_slice(b, what->story);
	}
	buf_lit(b, ",\"policies\":[");
	for (size_t i = 0, shown = 0; i < what->n_policies && !matched; i++) {
		if (!what->policies[i])
			continue;
		if (b->n > TRACE_BYTES) {
			buf_printf(b, "],\"policies_not_shown\":%zu}", what->n_policies - i);
			return;
		}
		if (shown++)
			buf_char(b, ',');
		write_policy(b, what->policies[i], what->part, what->facts, &matched);
	}
	buf_lit(b, "]}");
}
