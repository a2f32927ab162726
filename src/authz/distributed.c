/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of distributed authorization: requests. Answers are in distributed_answer.c. */
#include "authz/distributed.h"

#include <arpa/inet.h>

struct slice point_root(enum point p)
{
	static const char *const roots[] = { "m2m:auds", "m2m:aupy", "m2m:auif" };
	return slice_str(roots[p]);
}

const char *sus_text(int64_t sus)
{
	static const char *const names[] = { "no status", "OK", "NOT_APPLICABLE", "MISSING_ATTRIBUTE", "SYNTAX_ERROR", "PROCESSING_ERROR" };
	return sus >= 0 && sus <= SUS_PROCESSING_ERROR ? names[sus] : "unknown status";
}

unsigned decision_request_bit(const struct decision_request *q)
{
	static const unsigned bits[] = { 0, ACOP_CREATE, ACOP_RETRIEVE, ACOP_UPDATE, ACOP_DELETE, ACOP_NOTIFY };
	return q->op == 2 && (q->fu == 1 || q->fu == 3) ? ACOP_DISCOVERY : bits[q->op];
}

/* --- reading --- */

static bool list_read(struct arena *a, const struct json *j, uint32_t obj, struct slice sn, struct slice_list *out)
{
	uint32_t i = json_member(j, obj, sn);
	struct slice *v;

	if (!i)
		return true;
	if (json_kind(j, i) != J_ARRAY || !(v = arena_array(a, j->tok[i].count + 1u, sizeof(*v))))
		return false;
	out->v = v;
	for (uint32_t k = i + 1; k < j->tok[i].next; k = j->tok[k].next)
		if (!(v[out->n++] = json_string(a, j, k)).p)
			return false;
	return true;
}

/* The data type is a whole filterCriteria, the meaning one of its members. */
bool filter_usage_read(const struct json *j, uint32_t i, int *out)
{
	int64_t fu;

	if (json_kind(j, i) == J_OBJECT && (j->tok[i].count != 1 || !(i = json_member(j, i, S("fu")))))
		return false;
	if (!json_i64(j, i, &fu) || fu < 1 || fu > 3)
		return false;
	*out = (int)fu;
	return true;
}

static bool ip_read(struct arena *a, const struct json *j, uint32_t i, struct decision_request *out)
{
	struct slice v4 = json_string(a, j, json_member(j, i, S("ip4"))), v6 = json_string(a, j, json_member(j, i, S("ip6")));
	struct slice s = v4.p ? v4 : v6;
	char text[INET6_ADDRSTRLEN];

	if (!v4.p == !v6.p || s.n >= sizeof(text) || memchr(s.p, 0, s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (v4.p) {
		memset(out->ip, 0, 10);
		out->ip[10] = out->ip[11] = 0xff;
	}
	out->ip_known = inet_pton(v4.p ? AF_INET : AF_INET6, text, v4.p ? out->ip + 12 : out->ip) == 1;
	return out->ip_known;
}

/* A place is a circle without extent, or one country. A region says only that the Originator is somewhere in it: nothing is known then. */
static bool place_read(struct arena *a, const struct json *j, uint32_t i, struct decision_request *out)
{
	uint32_t circle = json_member(j, i, S("accr")), countries = json_member(j, i, S("accc"));
	double v[3];

	out->olo_given = true;
	if (!circle == !countries)
		return false;
	if (countries) {
		struct slice s;

		if (json_kind(j, countries) != J_ARRAY)
			return false;
		if (j->tok[countries].count != 1)
			return true;
		s = json_string(a, j, countries + 1);
		if (s.n != 2)
			return false;
		memcpy(out->country, s.p, 2);
		return true;
	}
	if (json_kind(j, circle) != J_ARRAY || j->tok[circle].count != 3)
		return false;
	for (uint32_t k = 0; k < 3; k++)
		if (!json_double(j, circle + 1 + k, &v[k]))
			return false;
	if (!(v[0] >= -90 && v[0] <= 90 && v[1] >= -180 && v[1] <= 180 && v[2] >= 0))
		return false;
	out->position_known = v[2] == 0;
	out->latitude = v[0];
	out->longitude = v[1];
	return true;
}

static enum reeve_rc fault(struct slice *why, struct slice text)
{
	*why = text;
	return RC_INVALID;
}

static enum reeve_rc mandatory_read(struct arena *a, const struct json *j, uint32_t i, struct decision_request *out, struct slice *why)
{
	int64_t op;

	out->to = json_string(a, j, json_member(j, i, S("to")));
	out->fr = json_string(a, j, json_member(j, i, S("fr")));
	if (!out->to.n)
		return fault(why, S("to: the address that the Originator wants to access is mandatory"));
	if (!out->fr.n)
		return fault(why, S("fr: the Originator is mandatory"));
	if (!json_i64(j, json_member(j, i, S("op")), &op) || op < 1 || op > 5)
		return fault(why, S("op: the operation (1 to 5) is mandatory"));
	out->op = (int)op;
	return RC_OK;
}

enum reeve_rc decision_request_read(struct arena *a, const struct json *j, uint32_t i, struct decision_request *out, struct slice *why)
{
	uint32_t k;
	enum reeve_rc rc;

	*out = (struct decision_request){ .rrt = -1 };
	if ((rc = mandatory_read(a, j, i, out, why)) != RC_OK)
		return rc;
	if ((k = json_member(j, i, S("rrt"))) && (!json_i64(j, k, &out->rrt) || out->rrt < 0 || out->rrt > INT32_MAX))
		return fault(why, S("rrt: a resource type is expected"));
	if ((k = json_member(j, i, S("fu"))) && !filter_usage_read(j, k, &out->fu))
		return fault(why, S("fu: 1, 2 or 3 is expected, or {\"fu\":1}"));
	if (!list_read(a, j, i, S("rids"), &out->rids) || !list_read(a, j, i, S("tids"), &out->tids) ||
	    !list_read(a, j, i, S("tkns"), &out->tkns))
		return fault(why, S("rids, tids, tkns: lists of strings are expected"));
	if ((k = json_member(j, i, S("rtm"))) && !text_timestamp(json_string(a, j, k), &out->rtm))
		return fault(why, S("rtm: a timestamp is expected"));
	if ((k = json_member(j, i, S("oip"))) && !ip_read(a, j, k, out))
		return fault(why, S("oip: one address is expected, as ip4 or ip6"));
	if ((k = json_member(j, i, S("olo"))) && !place_read(a, j, k, out))
		return fault(why, S("olo: a circle (accr) or countries (accc) are expected"));
	return RC_OK;
}

/* --- writing --- */

static void list_write(struct buf *b, const char *sn, const struct slice_list *l)
{
	if (!l->n)
		return;
	buf_printf(b, ",\"%s\":[", sn);
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			buf_char(b, ',');
		buf_json(b, l->v[i]);
	}
	buf_char(b, ']');
}

static void ip_write(struct buf *b, const uint8_t ip[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool v4 = memcmp(ip, mapped, sizeof(mapped)) == 0;
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip + 12 : ip, text, sizeof(text)))
		buf_printf(b, ",\"oip\":{\"%s\":\"%s\"}", v4 ? "ip4" : "ip6", text);
}

void decision_request_write(struct buf *b, const struct decision_request *q, size_t *same)
{
	char time[TEXT_TIMESTAMP_MAX];

	buf_lit(b, "{\"m2m:auds\":{\"to\":");
	buf_json(b, q->to);
	buf_lit(b, ",\"fr\":");
	buf_json(b, q->fr);
	buf_printf(b, ",\"op\":%d", q->op);
	if (q->rrt >= 0)
		buf_printf(b, ",\"rrt\":%d", (int)q->rrt);
	if (q->fu)
		buf_printf(b, ",\"fu\":%d", q->fu);
	list_write(b, "rids", &q->rids);
	list_write(b, "tids", &q->tids);
	list_write(b, "tkns", &q->tkns);
	if (q->position_known)
		buf_printf(b, ",\"olo\":{\"accr\":[%.9g,%.9g,0]}", q->latitude, q->longitude);
	else if (q->country[0])
		buf_printf(b, ",\"olo\":{\"accc\":[\"%.2s\"]}", q->country);
	if (q->ip_known)
		ip_write(b, q->ip);
	*same = b->n;
	if (q->rtm) {
		buf_lit(b, ",\"rtm\":");
		buf_json(b, slice_of(time, text_timestamp_write(q->rtm, time)));
	}
	buf_lit(b, "}}");
}

void policy_request_write(struct buf *b, struct slice to)
{
	buf_lit(b, "{\"m2m:aupy\":{\"to\":");
	buf_json(b, to);
	buf_lit(b, "}}");
}

void information_request_write(struct buf *b, struct slice fr, const struct slice_list *rids, const struct slice_list *tids)
{
	buf_lit(b, "{\"m2m:auif\":{\"fr\":");
	buf_json(b, fr);
	list_write(b, "rids", rids);
	list_write(b, "tids", tids);
	buf_lit(b, "}}");
}
