/* SPDX-License-Identifier: Apache-2.0 */
/* Checking a value against its type.
 *
 * Nothing is written while a value is right. Where it is wrong, the chain of `struct place` on the stack says
 * where we are, and the text is made from it once. Types do not contain themselves (the generator sees to that),
 * so the depth is bounded by the tables and not by the input. */
#include <arpa/inet.h>
#include <stdio.h>

#include "codec/json_text.h"
#include "codec/model.h"
#include "codec/text.h"

struct place {
	const struct place *up;
	const char *member; /* of an object; NULL: an element */
	uint32_t element;
};

struct check {
	const struct json *j;
	struct arena *a;
	struct slice *why;
	uint32_t root;
};

/* ---- what is wrong ---- */

/* The key in front of the value at i, if it has one: it is the string before it, and a colon stands between. */
static struct slice key_of(const struct json *j, uint32_t i)
{
	if (i == 0 || j->tok[i - 1].kind != J_STRING)
		return S("");
	for (uint32_t at = j->tok[i - 1].end; at < j->tok[i].at; at++)
		if (j->text.p[at] == ':')
			return json_inner(j, i - 1);
	return S("");
}

static void put_path(struct buf *b, const struct check *c, const struct place *p)
{
	if (!p) {
		struct slice key = key_of(c->j, c->root);
		buf_add(b, key.p, key.n < 64 ? key.n : 64);
		return;
	}
	put_path(b, c, p->up);
	if (!p->member) {
		buf_printf(b, "[%u]", p->element);
		return;
	}
	if (b->n)
		buf_char(b, '.');
	buf_slice(b, slice_str(p->member));
}

/* What stands there, shortened at a character's boundary; long text may be a secret, so of strings only a little. */
static void put_got(struct buf *b, const struct json *j, uint32_t i)
{
	struct slice raw = json_raw(j, i);
	size_t n = raw.n <= 40 ? raw.n : 24;

	if (json_kind(j, i) == J_OBJECT) {
		buf_lit(b, "an object");
		return;
	}
	if (json_kind(j, i) == J_ARRAY) {
		buf_printf(b, "an array of %u", j->tok[i].count);
		return;
	}
	while (n < raw.n && n > 0 && ((unsigned char)raw.p[n] & 0xc0) == 0x80)
		n--;
	buf_add(b, raw.p, n);
	if (n < raw.n)
		buf_lit(b, "...");
}

static enum reeve_rc wrong(const struct check *c, const struct place *p, uint32_t i, const char *expected)
{
	struct buf b;

	buf_init(&b, 1024);
	put_path(&b, c, p);
	if (b.n)
		buf_lit(&b, ": ");
	buf_printf(&b, "expected %s, got ", expected);
	put_got(&b, c->j, i);
	*c->why = arena_dup(c->a, buf_view(&b));
	buf_free(&b);
	return RC_INVALID;
}

static enum reeve_rc wrong_count(const struct check *c, const struct place *p, uint32_t i, const char *how, unsigned n)
{
	char text[48];

	snprintf(text, sizeof(text), "%s %u %s", how, n, n == 1 ? "entry" : "entries");
	return wrong(c, p, i, text);
}

static enum reeve_rc wrong_member(const struct check *c, const struct place *p, struct slice name, const char *what)
{
	struct buf b;

	buf_init(&b, 1024);
	put_path(&b, c, p);
	buf_printf(&b, "%s%s \"%.*s\"", b.n ? ": " : "", what, (int)(name.n < 64 ? name.n : 64), name.p);
	*c->why = arena_dup(c->a, buf_view(&b));
	buf_free(&b);
	return RC_INVALID;
}

/* ---- simple types ---- */

static bool is_alpha(char c) { return (unsigned)((c | 0x20) - 'a') <= 25; }
static bool is_digit(char c) { return (unsigned)(c - '0') <= 9; }

static bool no_blanks(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool is_uri(struct slice s) { return s.n > 0 && no_blanks(s); }

static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
		if (s.p[i] == ' ' && (i == 0 || i == s.n - 1 || s.p[i - 1] == ' '))
			return false;
	}
	return true;
}

static bool is_label(struct slice s)
{
	return s.n > 0 && s.p[0] != ':' && is_token(s);
}

static bool is_ncname(struct slice s)
{
	if (!s.n || (!is_alpha(s.p[0]) && s.p[0] != '_' && (unsigned char)s.p[0] < 0x80))
		return false;
	for (size_t i = 1; i < s.n; i++)
		if (!is_alpha(s.p[i]) && !is_digit(s.p[i]) && !memchr("-._", s.p[i], 3) && (unsigned char)s.p[i] < 0x80)
			return false;
	return true;
}

/* scheme ":" something. */
static bool is_poa(struct slice s)
{
	ptrdiff_t colon = slice_find(s, ':');

	if (colon < 1 || (size_t)colon + 1 == s.n || !is_alpha(s.p[0]) || !no_blanks(s))
		return false;
	for (ptrdiff_t i = 1; i < colon; i++)
		if (!is_alpha(s.p[i]) && !is_digit(s.p[i]) && !memchr("+-.", s.p[i], 3))
			return false;
	return true;
}

static bool is_role_id(struct slice s)
{
	struct slice domain = s, name = slice_cut(&domain, '@');

	if (!name.n || !domain.p || !text_fqdn(domain))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!is_alpha(name.p[i]) && !is_digit(name.p[i]) && !memchr("._-", name.p[i], 3))
			return false;
	for (size_t i = 0; i < domain.n; i++)
		if (domain.p[i] >= 'A' && domain.p[i] <= 'Z')
			return false;
	return true;
}

/* media "/" type ":" encoding [":" security]; parameters of the media type hold no colon. */
static bool is_content_info(struct slice s)
{
	struct slice rest = s, media = slice_cut(&rest, ':'), encoding = slice_cut(&rest, ':');
	ptrdiff_t slash = slice_find(media, '/');

	if (slash < 1 || (size_t)slash + 1 == media.n || !is_token(media))
		return false;
	if (encoding.n != 1 || encoding.p[0] < '0' || encoding.p[0] > '2')
		return false;
	return !rest.p || (rest.n == 1 && rest.p[0] >= '0' && rest.p[0] <= '5');
}

static bool is_address(int family, struct slice s)
{
	struct slice prefix = s, address = slice_cut(&prefix, '/');
	char text[INET6_ADDRSTRLEN], bin[16];
	uint64_t bits;

	if (address.n == 0 || address.n >= sizeof(text) || memchr(address.p, 0, address.n))
		return false;
	memcpy(text, address.p, address.n);
	text[address.n] = '\0';
	if (inet_pton(family, text, bin) != 1)
		return false;
	return !prefix.p || (prefix.n <= 3 && slice_u64(prefix, &bits) && bits <= (family == AF_INET ? 32 : 128));
}

/* ISO 3166-1 alpha-2, assigned and (AA, QM-QZ, XA-XZ, ZZ) user-assigned. */
static bool is_country(struct slice s)
{
	static const char codes[] =
		"AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
		"CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO "
		"FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE "
		"JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO "
		"MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW "
		"PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM "
		"TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW ";

	if (s.n != 2)
		return false;
	if (s.p[0] == 'X' || (s.p[0] == 'Q' && s.p[1] >= 'M'))
		return s.p[1] >= 'A' && s.p[1] <= 'Z';
	if (s.p[0] == s.p[1] && (s.p[0] == 'A' || s.p[0] == 'Z'))
		return true;
	for (size_t i = 0; i + 2 < sizeof(codes); i += 3)
		if (memcmp(codes + i, s.p, 2) == 0)
			return true;
	return false;
}

static bool is_base64(struct slice s)
{
	size_t pad = 0;

	if (s.n % 4)
		return false;
	while (pad < 2 && pad < s.n && s.p[s.n - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < s.n - pad; i++)
		if (!is_alpha(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '+' && s.p[i] != '/')
			return false;
	return true;
}

/* `parts` base64url parts with dots between; those whose bit is set in `filled` are not empty. */
static bool is_compact(struct slice s, int parts, unsigned filled)
{
	int n = 0;

	for (; s.p; n++) {
		struct slice part = slice_cut(&s, '.');
		if (n == parts || (part.n == 0 && (filled >> n & 1)))
			return false;
		for (size_t i = 0; i < part.n; i++)
			if (!is_alpha(part.p[i]) && !is_digit(part.p[i]) && part.p[i] != '-' && part.p[i] != '_')
				return false;
	}
	return n == parts;
}

static bool is_jws(struct slice s) { return is_compact(s, 3, 1u | 1u << 2); }
static bool is_jwe(struct slice s) { return is_compact(s, 5, 1u | 1u << 3); }

static bool is_one_of(const struct model_type *t, struct slice s)
{
	for (unsigned i = 0; i < t->n; i++)
		if (slice_eq(s, slice_str(t->strings[i])))
			return true;
	return false;
}

const char *model_text_fault(const struct model_type *t, struct slice s)
{
	usec when;
	struct text_schedule schedule;

	switch (t->base) {
	case MB_TOKEN:
		return is_token(s) ? NULL : "a token (no control characters, no blanks at the ends or in a row)";
	case MB_URI:
		return is_uri(s) ? NULL : "a URI (not empty, no blanks)";
	case MB_ID:
		return is_uri(s) ? NULL : "an identifier (not empty, no blanks)";
	case MB_NHURI:
		return no_blanks(s) ? NULL : "a resource identifier (no blanks)";
	case MB_NCNAME:
		return is_ncname(s) ? NULL : "a name (a letter or '_', then letters, digits, '-', '.', '_')";
	case MB_NAME:
		return text_name(s, SIZE_MAX) ? NULL : "a resource name (letter or digit, then letters, digits, '-', '.', '_')";
	case MB_LABEL:
		return is_label(s) ? NULL : "a label \"key\" or \"key:value\"";
	case MB_POA:
		return is_poa(s) ? NULL : "a point of access (scheme:address)";
	case MB_ROLE_ID:
		return is_role_id(s) ? NULL : "name@fqdn in lower case";
	case MB_CONTENT_INFO:
		return is_content_info(s) ? NULL : "media-type:encoding[:security]";
	case MB_SCHEDULE:
		return text_schedule(s, &schedule) ? NULL : "seven schedule fields (second minute hour day month weekday year)";
	case MB_IPV4:
		return is_address(AF_INET, s) ? NULL : "an IPv4 address with optional /prefix";
	case MB_IPV6:
		return is_address(AF_INET6, s) ? NULL : "an IPv6 address with optional /prefix";
	case MB_COUNTRY:
		return is_country(s) ? NULL : "a country code of ISO 3166-1";
	case MB_TIMESTAMP:
		return text_timestamp(s, &when) ? NULL : "a timestamp YYYYMMDDThhmmss[,ffffff]";
	case MB_ABSREL:
		return text_absrel(s, 0, &when) ? NULL : "a timestamp or milliseconds";
	case MB_DURATION:
		return text_duration(s, &when) ? NULL : "a duration such as PT15M";
	case MB_BASE64:
		return is_base64(s) ? NULL : "base64";
	case MB_STRENUM:
		return is_one_of(t, s) ? NULL : "one of the strings of its type";
	case MB_JWS:
		return is_jws(s) ? NULL : "a compact JWS";
	case MB_JWE:
		return is_jwe(s) ? NULL : "a compact JWE";
	case MB_JWT:
		return is_jws(s) || is_jwe(s) ? NULL : "a compact JWS or JWE";
	default:
		return NULL;
	}
}

static bool is_enum(const struct model_type *t, int64_t v)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->enumeration[i] == v)
			return true;
	return false;
}

static const char *number_fault(const struct model_type *t, const struct json *j, uint32_t i)
{
	uint64_t u = 0;
	int64_t v = 0;
	double d;
	bool unsigned_ = json_u64(j, i, &u), signed_ = json_i64(j, i, &v);

	switch (t->base) {
	case MB_NONNEG:
		return unsigned_ || (signed_ && v == 0) ? NULL : "an integer of 0 or more";
	case MB_POSITIVE:
		return unsigned_ && u > 0 ? NULL : "an integer of 1 or more";
	case MB_UINT16:
		return unsigned_ && u <= UINT16_MAX ? NULL : "an integer of 0..65535";
	case MB_UINT32:
		return unsigned_ && u <= UINT32_MAX ? NULL : "an integer of 0..4294967295";
	case MB_BITS:
		return unsigned_ && u >= 1 && u <= 63 ? NULL : "a sum of 1..63";
	case MB_ENUM:
		return signed_ && is_enum(t, v) ? NULL : "a number of its enumeration";
	case MB_EVENTCAT:
		if (signed_ && ((v >= 2 && v <= 4) || (v >= 100 && v <= 999) || (t->zero && v == 0)))
			return NULL;
		return t->zero ? "an event category (0, 2..4 or 100..999)" : "an event category (2..4 or 100..999)";
	case MB_FLOAT:
		return json_double(j, i, &d) ? NULL : "a number within the range of a double";
	default: /* MB_INT, MB_LONG, MB_ABSREL */
		return signed_ ? NULL : "an integer of 64 bits";
	}
}

/* ---- the walk ---- */

static enum reeve_rc check_one(const struct check *c, const struct place *p, const struct model_type *t, uint32_t i);

static enum reeve_rc check_string(const struct check *c, const struct place *p, const struct model_type *t, uint32_t i)
{
	struct slice s;
	const char *fault;

	if (json_kind(c->j, i) != J_STRING)
		return wrong(c, p, i, "a string");
	if (t->base == MB_STRING)
		return RC_OK;
	s = json_string(c->a, c->j, i);
	if (!s.p)
		return RC_NOMEM;
	fault = model_text_fault(t, s);
	return fault ? wrong(c, p, i, fault) : RC_OK;
}

static enum reeve_rc check_number(const struct check *c, const struct place *p, const struct model_type *t, uint32_t i)
{
	const char *fault;

	if (json_kind(c->j, i) != J_NUMBER)
		return wrong(c, p, i, "a number");
	fault = number_fault(t, c->j, i);
	return fault ? wrong(c, p, i, fault) : RC_OK;
}

static enum reeve_rc check_list(const struct check *c, const struct place *p, const struct model_type *t, bool element_list,
				uint32_t i)
{
	uint32_t n = c->j->tok[i].count, k = 0;
	struct place here = { .up = p };

	if (json_kind(c->j, i) != J_ARRAY)
		return wrong(c, p, i, "an array");
	if (element_list && n < t->min_items)
		return wrong_count(c, p, i, t->max_items == t->min_items ? "exactly" : "at least", t->min_items);
	if (element_list && t->max_items && n > t->max_items)
		return wrong_count(c, p, i, t->max_items == t->min_items ? "exactly" : "at most", t->max_items);
	for (uint32_t e = i + 1; e < c->j->tok[i].next; e = c->j->tok[e].next) {
		enum reeve_rc rc;
		here.element = k++;
		rc = check_one(c, &here, t, e);
		if (rc)
			return rc;
	}
	return RC_OK;
}

/* A value of t, or of the array that `many` or the type itself makes of it. */
static enum reeve_rc check_any(const struct check *c, const struct place *p, const struct model_type *t, bool many,
			       uint32_t i)
{
	if (t->list || many)
		return check_list(c, p, t, t->list, i);
	return check_one(c, p, t, i);
}

static const struct model_member *find_member(const struct model_type *t, const struct json *j, uint32_t key)
{
	struct slice name = json_inner(j, key);

	for (unsigned m = 0; m < t->n; m++) {
		const char *sn = t->members[m].sn;
		if (!j->tok[key].escaped && (!name.n || *sn != *name.p))
			continue; /* most are told apart by the first letter */
		if (json_string_is(j, key, slice_str(sn)))
			return &t->members[m];
	}
	return NULL;
}

static enum reeve_rc check_complex(const struct check *c, const struct place *p, const struct model_type *t, uint32_t i)
{
	struct place here = { .up = p };
	uint64_t seen = 0;

	if (json_kind(c->j, i) != J_OBJECT)
		return wrong(c, p, i, "an object");
	for (uint32_t k = i + 1; k < c->j->tok[i].next; k = c->j->tok[k + 1].next) {
		const struct model_member *m = find_member(t, c->j, k);
		enum reeve_rc rc;

		if (!m)
			return wrong_member(c, p, json_inner(c->j, k), "unknown member");
		seen |= UINT64_C(1) << (m - t->members);
		here.member = m->sn;
		rc = check_any(c, &here, m->type, m->many, k + 1);
		if (rc)
			return rc;
	}
	if (t->choice && c->j->tok[i].count != 1)
		return wrong(c, p, i, "an object with exactly one member");
	for (unsigned m = 0; m < t->n; m++)
		if (t->members[m].required && !(seen >> m & 1))
			return wrong_member(c, p, slice_str(t->members[m].sn), "missing member");
	return RC_OK;
}

static enum reeve_rc check_one(const struct check *c, const struct place *p, const struct model_type *t, uint32_t i)
{
	enum json_kind kind = json_kind(c->j, i);

	switch (t->base) {
	case MB_COMPLEX:
		return check_complex(c, p, t, i);
	case MB_CONTENT:
		if (kind != J_OBJECT || c->j->tok[i].count != 1)
			return wrong(c, p, i, "an object with exactly one member");
		return RC_OK;
	case MB_ANY:
		return kind != J_NULL ? RC_OK : wrong(c, p, i, "a value");
	case MB_SIMPLE:
		return kind != J_NULL && kind < J_ARRAY ? RC_OK : wrong(c, p, i, "a string, number or boolean");
	case MB_BOOL:
		return kind == J_TRUE || kind == J_FALSE ? RC_OK : wrong(c, p, i, "true or false");
	case MB_ABSREL:
		return kind == J_NUMBER ? check_number(c, p, t, i) : check_string(c, p, t, i);
	case MB_NONNEG: case MB_POSITIVE: case MB_INT: case MB_UINT16: case MB_UINT32: case MB_LONG:
	case MB_FLOAT: case MB_ENUM: case MB_BITS: case MB_EVENTCAT:
		return check_number(c, p, t, i);
	default:
		return check_string(c, p, t, i);
	}
}

enum reeve_rc model_check(const struct model_type *t, bool many, const struct json *j, uint32_t i, struct arena *a,
			  struct slice *why)
{
	struct check c = { j, a, why, i };

	*why = slice_of(NULL, 0);
	return check_any(&c, NULL, t, many, i);
}
