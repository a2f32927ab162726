/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of a request primitive into struct req (TS-0004 8.2.2, table 8.2.2-1).
 *
 * One row per parameter says its short name, what it looks like, and where it goes. A parameter that is not in the table is refused: to
 * pass over it would be to carry out another request than the one that was sent. What is wrong is recorded in r->bad, the first reason
 * counts, and no value of a token or signature gets into it. Values that another binding could not carry are checked there or here the
 * same way, so that a request means the same however it came. */
#include "binding/primitive/message_int.h"
#include "codec/text.h"

/* --- what a value looks like --- */

static void bad(struct req *r, const char *sn, const char *text)
{
	if (!r->bad.p)
		r->bad = arena_printf(&r->arena, "%s: %s", sn, text);
	if (!r->bad.p)
		r->bad = S("the request needs more memory than limits.request_memory");
}

struct slice parameter_text(struct arena *a, const struct json *j, uint32_t i)
{
	struct slice s = i ? json_string(a, j, i) : (struct slice){ NULL, 0 };

	for (size_t k = 0; k < s.n; k++)
		if ((unsigned char)s.p[k] < 0x20 || s.p[k] == 0x7f)
			return (struct slice){ NULL, 0 };
	return s;
}

/* One parameter on its way. */
struct scan {
	struct req *r;
	const struct json *j;
	const char *sn;
	uint32_t i;              /* its value */
};

static struct slice text_of(struct scan *s)
{
	struct slice v = parameter_text(&s->r->arena, s->j, s->i);

	if (!v.p)
		bad(s->r, s->sn, json_kind(s->j, s->i) == J_STRING ? "control characters are not possible here" : "expected a string");
	return v;
}

/* A number in least..most; least - 1 when it is none. */
static int number_of(struct scan *s, int least, int most)
{
	int64_t n;

	if (json_kind(s->j, s->i) == J_NUMBER && json_i64(s->j, s->i, &n) && n >= least && n <= most)
		return (int)n;
	if (!s->r->bad.p)
		s->r->bad = arena_printf(&s->r->arena, "%s: expected a number from %d to %d", s->sn, least, most);
	return least - 1;
}

static bool truth_of(struct scan *s)
{
	bool v = false;

	if (!json_bool(s->j, s->i, &v))
		bad(s->r, s->sn, "expected true or false");
	return v;
}

static const struct slice *texts_of(struct scan *s, uint32_t list, size_t *n)
{
	struct slice *v = NULL;

	*n = 0;
	if (json_kind(s->j, list) != J_ARRAY) {
		bad(s->r, s->sn, "expected a list of strings");
		return NULL;
	}
	if (!s->j->tok[list].count)
		return NULL;
	v = arena_array(&s->r->arena, s->j->tok[list].count, sizeof(*v));
	for (uint32_t i = list + 1; v && i < s->j->tok[list].next; i = s->j->tok[i].next) {
		v[*n] = parameter_text(&s->r->arena, s->j, i);
		if (!v[*n].n) {
			bad(s->r, s->sn, "expected strings with at least one character, without control characters");
			return v;
		}
		++*n;
	}
	if (!v)
		bad(s->r, s->sn, "more than limits.request_memory");
	return v;
}

/* --- parameters with rules of their own --- */

static void originator(struct scan *s)
{
	struct slice v = text_of(s);

	if (v.n) /* some clients send it empty for "not yet known" */
		s->r->fr = v;
}

static void created_type(struct scan *s)
{
	int64_t n;

	s->r->has |= HAS_TY;
	s->r->ty = json_kind(s->j, s->i) == J_NUMBER && json_i64(s->j, s->i, &n) && n >= 0 && n <= INT32_MAX ? n : -1;
	if (s->r->ty < 0)
		bad(s->r, s->sn, "expected the number of a resource type");
}

static void event_category(struct scan *s)
{
	int n = number_of(s, 2, 999);

	if (n > 4 && n < 100)
		bad(s->r, s->sn, "expected 2, 3, 4 or a number from 100 to 999");
	s->r->ec = n;
	s->r->has |= HAS_EC;
}

static void timestamp(struct scan *s)
{
	usec t;

	s->r->ot = text_of(s);
	if (s->r->ot.p && !text_timestamp(s->r->ot, &t))
		bad(s->r, s->sn, "expected a timestamp YYYYMMDDThhmmss");
}

/* m2m:responseTypeInfo */
static void response_type(struct scan *s)
{
	struct req *r = s->r;
	uint32_t object = s->i, rtv = json_member(s->j, object, S("rtv")), nu = json_member(s->j, object, S("nu"));

	if (json_kind(s->j, object) != J_OBJECT || !rtv || s->j->tok[object].count != (nu ? 2 : 1)) {
		bad(r, s->sn, "expected an object with rtv and, maybe, nu");
		return;
	}
	s->sn = "rt.rtv";
	s->i = rtv;
	r->rt = (enum resp_type)number_of(s, RT_NONBLOCK_SYNC, RT_NO_RESPONSE);
	s->sn = "rt.nu";
	if (nu) {
		r->rtu = texts_of(s, nu, &r->n_rtu);
		r->has |= HAS_RTU;
	}
}

/* filter_from_json passes over what an eventNotificationCriteria has besides conditions; a request has none of that. */
static void filter_criteria(struct scan *s)
{
	static const struct slice others[] = { { "om", 2 }, { "net", 3 }, { "md", 2 } };
	struct slice why = { NULL, 0 };
	uint32_t atr = json_member(s->j, s->i, S("atr"));

	for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++)
		if (json_member(s->j, s->i, others[k]))
			bad(s->r, others[k].p, "no filter condition");
	if (atr && json_kind(s->j, atr) == J_ARRAY && s->j->tok[atr].count && json_kind(s->j, atr + 1) == J_STRING)
		bad(s->r, "atr", "expected a list of {\"nm\":name,\"val\":value}");
	if (filter_from_json(&s->r->fc, &s->r->arena, s->j, s->i, &why) != RC_OK && !s->r->bad.p)
		s->r->bad = why.n ? why : S("fc: too much for limits.request_memory");
	if (s->j->tok[s->i].count)
		s->r->has |= HAS_FC;
}

/* Content is looked at later, but for that of a partial Retrieve, which is a parameter. */
static void content(struct scan *s)
{
	s->r->pc = json_raw(s->j, s->i);
}

static void attribute_list(struct req *r, const struct json *j)
{
	uint32_t pc = json_member(j, 0, S("pc")), list = json_member(j, pc, S("m2m:atrl"));
	struct scan s = { r, j, "pc", list };

	r->pc = (struct slice){ NULL, 0 };
	if (!list || j->tok[pc].count != 1)
		bad(r, "pc", "the content of a Retrieve is {\"m2m:atrl\":[attribute names]}");
	else
		r->atrl = texts_of(&s, list, &r->n_atrl);
	if (!r->n_atrl)
		bad(r, "m2m:atrl", "a list of attribute short names is expected");
}

/* --- the table --- */

enum kind { OP, TEXT, FILLED, TIME, NUMBER, LIST, FLAG, OWN };

struct parameter {
	const char *sn;
	enum kind kind;
	size_t at, at_n;         /* offsets in struct req: the value; of a list, its length */
	uint32_t has;
	int least, most;
	void (*own)(struct scan *s);
};

#define AT(member) offsetof(struct req, member)
static const struct parameter parameters[] = {
	{ "op", OP, AT(op), 0, 0, OP_CREATE, OP_NOTIFY, NULL },
	{ "to", FILLED, AT(to), 0, 0, 0, 0, NULL },
	{ "fr", OWN, 0, 0, 0, 0, 0, originator },
	{ "rqi", FILLED, AT(rqi), 0, 0, 0, 0, NULL },
	{ "ty", OWN, 0, 0, 0, 0, 0, created_type },
	{ "pc", OWN, 0, 0, 0, 0, 0, content },
	{ "rids", LIST, AT(rids), AT(n_rids), HAS_ROLES, 0, 0, NULL },
	{ "ot", OWN, 0, 0, 0, 0, 0, timestamp },
	{ "rqet", TIME, AT(rqet), 0, 0, 0, 0, NULL },
	{ "rset", TIME, AT(rset), 0, 0, 0, 0, NULL },
	{ "oet", TIME, AT(oet), 0, 0, 0, 0, NULL },
	{ "rt", OWN, 0, 0, 0, 0, 0, response_type },
	{ "rp", TIME, AT(rp), 0, HAS_RP, 0, 0, NULL },
	{ "rcn", NUMBER, AT(rcn), 0, HAS_RCN, 0, 1000, NULL },
	{ "ec", OWN, 0, 0, 0, 0, 0, event_category },
	{ "da", FLAG, 0, 0, HAS_DA, 0, 0, NULL },
	{ "gid", FILLED, AT(gid), 0, 0, 0, 0, NULL },
	{ "fc", OWN, 0, 0, 0, 0, 0, filter_criteria },
	{ "drt", NUMBER, AT(drt), 0, HAS_DRT, 1, 2, NULL },
	{ "tkns", LIST, AT(tkns), AT(n_tkns), HAS_TOKENS, 0, 0, NULL },
	{ "tids", LIST, AT(tids), AT(n_tids), HAS_TOKEN_IDS, 0, 0, NULL },
	{ "ltids", LIST, AT(ltids), AT(n_ltids), HAS_LOCAL_TOKENS, 0, 0, NULL },
	{ "tqi", FLAG, AT(tqi), 0, HAS_TQI, 0, 0, NULL },
	{ "grtm", LIST, AT(grtm), AT(n_grtm), HAS_GRTM, 0, 0, NULL },
	{ "asi", FLAG, AT(asi), 0, HAS_ASI, 0, 0, NULL },
	{ "aus", LIST, AT(aus), AT(n_aus), HAS_AUS, 0, 0, NULL },
	{ "auri", FLAG, AT(auri), 0, HAS_AURI, 0, 0, NULL },
	{ "sqi", FLAG, 0, 0, 0, 0, 0, NULL },
	{ "rvi", FILLED, AT(rvi), 0, 0, 0, 0, NULL },
	{ "vsi", TEXT, AT(vsi), 0, 0, 0, 0, NULL },
};

static const struct parameter *find(const struct json *j, uint32_t key)
{
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
		if (json_string_is(j, key, slice_str(parameters[i].sn)))
			return &parameters[i];
	return NULL;
}

/* m2m:absRelTimestamp is a union of a timestamp and xs:long: a string, or the number of milliseconds. Read when it is used. */
static struct slice time_of(struct scan *s)
{
	int64_t ms;

	if (json_kind(s->j, s->i) != J_NUMBER)
		return text_of(s);
	if (!json_i64(s->j, s->i, &ms))
		bad(s->r, s->sn, "expected a timestamp, or a whole number of milliseconds");
	return json_raw(s->j, s->i);
}

static void texts(struct scan *s, const struct parameter *p)
{
	void *at = (char *)s->r + p->at;
	const struct slice *v = texts_of(s, s->i, (size_t *)(void *)((char *)s->r + p->at_n));

	memcpy(at, &v, sizeof(v)); /* const struct slice *: a member of struct req */
}

static void parameter(struct scan *s, const struct parameter *p)
{
	void *at = (char *)s->r + p->at;

	s->sn = p->sn;
	s->r->has |= p->has;
	switch (p->kind) {
	case OP: s->r->op = (enum op)number_of(s, p->least, p->most); break;
	case TEXT: *(struct slice *)at = text_of(s); break;
	case TIME: *(struct slice *)at = time_of(s); break;
	case NUMBER: *(int *)at = number_of(s, p->least, p->most); break;
	case LIST: texts(s, p); break;
	case OWN: p->own(s); break;
	case FILLED:
		*(struct slice *)at = text_of(s);
		if (!((struct slice *)at)->n)
			bad(s->r, p->sn, "a value is missing");
		break;
	case FLAG:
		if (p->at)
			*(bool *)at = truth_of(s);
		else if (truth_of(s) && !p->has) /* of sqi, only true says something */
			s->r->has |= HAS_SQI;
		break;
	}
}

static void check_whole(struct req *r, const struct message *m, const struct limits *limits)
{
	if (!r->rqi.p)
		bad(r, "rqi", "the request identifier is missing");
	if (!r->to.p)
		bad(r, "to", "the address of the resource is missing");
	if (m->j.text.n - r->pc.n > limits->header)
		bad(r, "primitive", "the parameters besides pc are larger than limits.header");
	if (r->pc.n > limits->body)
		bad(r, "pc", "the content is larger than limits.body");
	if (r->has & HAS_TY && r->op != OP_CREATE)
		bad(r, "ty", "permitted in Create only");
}

bool message_request(struct req *r, const struct message *m, const struct limits *limits)
{
	const struct json *j = &m->j;
	struct scan s = { .r = r, .j = j };

	r->want = m->serial == SERIAL_CBOR ? SERIAL_CBOR : SERIAL_JSON;
	r->over_json = m->over_json;
	r->rqi = m->rqi;
	if (m->serial != SERIAL_JSON && m->serial != SERIAL_CBOR) {
		req_refuse(r, 4015, "%.*s", SF(m->why));
		return false;
	}
	if (m->kind != MESSAGE_REQUEST) {
		req_refuse(r, 4000, "%.*s", SF(m->kind == MESSAGE_BAD ? m->why : S("op is missing: this is no request primitive")));
		return false;
	}
	for (uint32_t i = 1; i < j->tok[0].next; i = j->tok[i + 1].next) {
		const struct parameter *p = find(j, i);
		struct slice name = json_inner(j, i);

		s.i = i + 1;
		if (p)
			parameter(&s, p);
		else if (!r->bad.p)
			r->bad = arena_printf(&r->arena, "\"%.*s\": no parameter of a request has this short name",
					      (int)(name.n < 80 ? name.n : 80), name.p);
	}
	if (r->op == OP_RETRIEVE && r->pc.p)
		attribute_list(r, j);
	check_whole(r, m, limits);
	if (r->op == OP_DELETE) /* content makes no difference there */
		r->pc = (struct slice){ NULL, 0 };
	r->pc_serial = r->pc.p ? m->serial : SERIAL_NONE;
	return true;
}
