/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the client as primitives, and the other way, for the bindings that are not HTTP. What a query says is read by what reads it
 * at the CSE, so a flag means the same over every binding; the difference is that a parameter that makes no sense is refused here. */
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "binding/claims.h"
#include "binding/primitive/message.h"
#include "main/client_int.h"

enum { MEMORY_MAX = 64 << 20 };

static void take_query(struct req *r, struct slice query)
{
	struct query_in in = { .r = r };
	struct slice rest = slice_skip(query, 1); /* without its '?' */

	while (rest.p && rest.n) {
		struct slice value = slice_cut(&rest, '&'), name = slice_cut(&value, '=');

		query_field(&in, name, value);
	}
}

enum reeve_rc client_primitive(const struct client *c, const struct client_request *q, struct req **out, struct send *s,
			       char why[CLIENT_WHY_MAX])
{
	struct req *r = *out = calloc(1, sizeof(*r));

	if (!r) {
		snprintf(why, CLIENT_WHY_MAX, "out of memory");
		return RC_NOMEM;
	}
	req_init(r, NULL, MEMORY_MAX, MEMORY_MAX);
	take_query(r, q->query);
	if (c->tokens.n)
		claim_tokens(r, S("--token"), c->tokens);
	if (c->signatures.n)
		claim_signatures(r, S("--signature"), c->signatures);
	if (r->bad.p) {
		snprintf(why, CLIENT_WHY_MAX, "%.*s", (int)(r->bad.n < 200 ? r->bad.n : 200), r->bad.p);
		return RC_INVALID;
	}
	*s = (struct send){ .to = q->to, .fr = c->from, .rvi = slice_str(c->release), .op = q->op, .ty = q->ty, .pc = q->content,
			    .serial = SERIAL_JSON, .timeout = c->timeout, .with = r };
	s->rqi = arena_printf(&r->arena, "%016llx", (unsigned long long)rand_u64());
	return RC_OK;
}

void client_primitive_free(struct req *r)
{
	if (r)
		req_free(r);
	free(r);
}

enum reeve_rc client_primitive_text(const struct client *c, const struct client_request *q, struct buf *out,
				    char rqi[CLIENT_RQI_LEN + 1], char why[CLIENT_WHY_MAX])
{
	struct send s;
	struct req *r;
	enum reeve_rc rc = client_primitive(c, q, &r, &s, why);

	if (rc == RC_OK) {
		snprintf(rqi, CLIENT_RQI_LEN + 1, "%.*s", SF(s.rqi));
		(void)message_send(out, &s);
		rc = out->failed ? RC_LIMIT : RC_OK;
		if (rc != RC_OK)
			snprintf(why, CLIENT_WHY_MAX, "the request is too long");
	}
	client_primitive_free(r);
	return rc;
}

void client_take_answer(struct client_answer *out, const struct rsp *rsp)
{
	out->rsc = rsp->rsc;
	buf_slice(&out->body, rsp->pc);
	out->offset = rsp->cnot;
	out->partial = rsp->cnst == 1;
	if (rsp->ati.n)
		claim_ati(&out->tokens, rsp->ati);
	buf_slice(&out->systems, rsp->tqf);
	out->sign = rsp->asri;
}

/* {"rsc":2000,...} for the request m, whose content is told. */
static void notified(struct client *c, const struct message *m, struct buf *reply)
{
	uint32_t pc = json_member(&m->j, 0, S("pc"));
	uint64_t op = 0;
	bool is = json_u64(&m->j, json_member(&m->j, 0, S("op")), &op) && op == OP_NOTIFY && pc;

	if (is && c->told)
		c->told(c->told_ctx, json_raw(&m->j, pc));
	buf_printf(reply, "{\"rsc\":%d,\"rqi\":", is ? 2000 : 4005);
	buf_json(reply, m->rqi);
	buf_printf(reply, ",\"rvi\":\"%s\"}", c->release);
}

bool client_primitive_came(struct client *c, struct slice text, const char *rqi, struct client_answer *out, struct buf *reply)
{
	const struct limits limits = { .header = 1 << 20, .body = c->max_answer, .json = json_default_limits };
	struct slice answered;
	bool ours = false;
	struct message m;
	struct arena a;
	struct rsp rsp;

	arena_init(&a, NULL, 0, 4 * c->max_answer);
	message_read(&m, &a, SERIAL_JSON, text, &limits);
	if (m.kind == MESSAGE_REQUEST && m.rqi.p)
		notified(c, &m, reply);
	else if (m.kind == MESSAGE_RESPONSE && rqi && message_response(&a, &m, &rsp, &answered) && slice_eq(answered, slice_str(rqi))) {
		client_take_answer(out, &rsp);
		ours = true;
	}
	arena_reset(&a);
	return ours;
}
