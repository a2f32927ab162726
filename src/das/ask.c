/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a Dynamic Authorization Request. What is malformed is refused with its name; what is missing is no fact. */
#include "das/das_int.h"

#include <arpa/inet.h>

#include "base/hash.h"
#include "codec/text.h"
#include "core/work.h"

enum { LIST_MAX = 64, TEXT_MAX = 1024 };

struct slice das_address(struct arena *a, const struct ident_home *home, struct slice cse, struct slice id)
{
	const struct slice none = { NULL, 0 };

	if (!id.n || id.n > TEXT_MAX)
		return none;
	if (slice_starts(id, S("//")))
		return id;
	if (id.p[0] == '/')
		return arena_printf(a, "%.*s%.*s", SF(home->sp_id), SF(id));
	return arena_printf(a, "%.*s/%.*s", SF(cse), SF(id));
}

static enum reeve_rc list(struct das_ask *a, const struct json *j, uint32_t dreq, const char *name, const struct slice **v, size_t *n)
{
	uint32_t i = json_member(j, dreq, slice_str(name));
	struct slice *out;

	*v = NULL;
	*n = 0;
	if (!i)
		return RC_OK;
	if (json_kind(j, i) != J_ARRAY || j->tok[i].count > LIST_MAX)
		return req_refuse(a->r, 4000, "dreq.%s: a list of at most %d texts", name, LIST_MAX);
	if (!(out = arena_array(&a->r->arena, j->tok[i].count + 1u, sizeof(*out))))
		return req_refuse(a->r, 5000, "the request needs more memory than limits.request_memory");
	for (uint32_t k = i + 1; k < j->tok[i].next; k = j->tok[k].next) {
		out[*n] = json_string(&a->r->arena, j, k);
		if (!out[*n].n || out[(*n)++].n > TEXT_MAX)
			return req_refuse(a->r, 4000, "dreq.%s: a list of texts", name);
	}
	*v = out;
	return RC_OK;
}

static enum reeve_rc read_originator(struct das_ask *a, const struct json *j, uint32_t dreq)
{
	struct slice id = json_string(&a->r->arena, j, json_member(j, dreq, S("or"))), canon;
	enum ident_kind kind;
	enum ident_form form;

	if (!id.n || id.n > TEXT_MAX || ident_parse(&a->r->arena, &a->das->core->home, id, &kind, &form, &canon) != RC_OK ||
	    kind == ID_NONE || kind == ID_SP)
		return req_refuse(a->r, 4000, "dreq.or: the AE-ID or CSE-ID of the Originator");
	a->facts.who = canon;
	a->facts.who_hash = hash_slice(canon);
	return RC_OK;
}

static enum reeve_rc read_target(struct das_ask *a, const struct json *j, uint32_t dreq)
{
	static const unsigned bits[] = { [OP_CREATE] = ACOP_CREATE, [OP_RETRIEVE] = ACOP_RETRIEVE, [OP_UPDATE] = ACOP_UPDATE,
					 [OP_DELETE] = ACOP_DELETE, [OP_NOTIFY] = ACOP_NOTIFY };
	uint32_t trt = json_member(j, dreq, S("trt")), trid = json_member(j, dreq, S("trid"));
	int64_t op, ty = -1;

	if (!json_i64(j, json_member(j, dreq, S("op")), &op) || op < OP_CREATE || op > OP_NOTIFY)
		return req_refuse(a->r, 4000, "dreq.op: 1 to 5");
	if (trt && (!json_i64(j, trt, &ty) || ty < 0 || ty > 20000))
		return req_refuse(a->r, 4000, "dreq.trt: a resource type");
	a->op = (enum op)op;
	a->facts.op = bits[op];
	a->facts.target_ty = (int32_t)ty;
	a->facts.target_mgd = -1;
	a->trid = json_string(&a->r->arena, j, trid);
	if (trid && (!a->trid.n || a->trid.n > TEXT_MAX))
		return req_refuse(a->r, 4000, "dreq.trid: the address of the resource");
	return RC_OK;
}

/* Where the request came from: as the Hosting CSE saw it. */
static enum reeve_rc read_place(struct das_ask *a, const struct json *j, uint32_t dreq)
{
	uint32_t oip = json_member(j, dreq, S("oip")), v4 = oip ? json_member(j, oip, S("ip4")) : 0,
		 v6 = oip ? json_member(j, oip, S("ip6")) : 0, olo = json_member(j, dreq, S("olo")),
		 accc = olo ? json_member(j, olo, S("accc")) : 0;
	struct slice text = json_string(&a->r->arena, j, v4 ? v4 : v6);
	char ip[INET6_ADDRSTRLEN];

	if (oip && (!v4 == !v6 || !text.n || text.n >= sizeof(ip)))
		return req_refuse(a->r, 4000, "dreq.oip: exactly one of ip4 and ip6");
	if (oip) {
		memcpy(ip, text.p, text.n);
		ip[text.n] = '\0';
		memset(a->facts.ip, 0, sizeof(a->facts.ip));
		if (v4)
			a->facts.ip[10] = a->facts.ip[11] = 0xff;
		if (inet_pton(v4 ? AF_INET : AF_INET6, ip, v4 ? a->facts.ip + 12 : a->facts.ip) != 1)
			return req_refuse(a->r, 4000, "dreq.oip: no address");
		a->facts.ip_known = true;
	}
	if (accc && json_kind(j, accc) == J_ARRAY && j->tok[accc].count == 1) {
		struct slice cc = json_string(&a->r->arena, j, accc + 1);
		if (cc.n == 2)
			memcpy(a->facts.country, cc.p, 2);
	}
	return RC_OK;
}

enum reeve_rc das_ask_read(struct das_ask *a, const struct json *j, uint32_t i)
{
	struct slice ppl;
	uint32_t ppl_at, asi;
	usec until;

	if (json_kind(j, i) != J_OBJECT)
		return req_refuse(a->r, 4000, "dreq: must be an object");
	if (read_originator(a, j, i) != RC_OK || read_target(a, j, i) != RC_OK || read_place(a, j, i) != RC_OK ||
	    list(a, j, i, "tids", &a->tids, &a->n_tids) != RC_OK || list(a, j, i, "rfa", &a->rfa, &a->n_rfa) != RC_OK)
		return RC_REFUSED;
	a->has_rfa = json_member(j, i, S("rfa")) != 0;
	text_time_of(a->r->received, &a->facts.time);
	ppl_at = json_member(j, i, S("ppl"));
	ppl = json_string(&a->r->arena, j, ppl_at);
	if (ppl_at && !ppl.p)
		ppl = json_raw(j, ppl_at);
	if (ppl.n && (!text_absrel(ppl, a->r->received, &until) || until <= a->r->received))
		return req_refuse(a->r, 4000, "dreq.ppl: a timestamp to come or a number of milliseconds");
	a->most = ppl.n ? until - a->r->received : 0;
	asi = json_member(j, i, S("asi"));
	if (asi && !json_bool(j, asi, &a->asi))
		return req_refuse(a->r, 4000, "dreq.asi: true or false");
	return req_starved(a->r, RC_OK);
}
