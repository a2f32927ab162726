/* SPDX-License-Identifier: Apache-2.0 */
/* Whole primitives from hostile hands, as JSON and as CBOR. What is accepted as a request and sent on says the same to the next reader; what
 * is accepted as a response can be answered with. */
#include <stdlib.h>

#include "binding/primitive/message.h"
#include "../tests/unit/http_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct limits limits = { .body = 65536, .header = 65536, .json = { 16, 4096 } };

static struct req *fresh(void)
{
	struct req *r = aligned_alloc(16, (sizeof(*r) + 15) & ~(size_t)15);

	if (!r)
		abort();
	req_init(r, NULL, 1 << 22, 1 << 20);
	return r;
}

static void drop(struct req *r)
{
	req_free(r);
	free(r);
}

/* What the core would refuse before it is sent on: see claims_check, check_permitted. */
static bool goes_on(const struct req *r)
{
	const struct { uint32_t has; size_t n; } lists[] = {
		{ HAS_ROLES, r->n_rids }, { HAS_TOKENS, r->n_tkns }, { HAS_TOKEN_IDS, r->n_tids }, { HAS_LOCAL_TOKENS, r->n_ltids },
		{ HAS_AUS, r->n_aus },
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (r->has & lists[i].has && !lists[i].n)
			return false;
	return !r->bad.p && !r->arena.failed && !(r->has & HAS_DA) && !(r->op == OP_CREATE && !(r->has & HAS_TY));
}

static void send_on(const struct req *r)
{
	struct send s = { .to = r->to, .fr = r->fr, .rqi = r->rqi, .rvi = r->rvi, .vsi = r->vsi, .op = r->op, .pc = r->pc, .with = r,
			  .ty = r->has & HAS_TY ? r->ty : 0, .ec = r->ec, .serial = SERIAL_JSON };
	const struct limits more = { .body = 1 << 20, .header = 1 << 20, .json = { 32, 1 << 16 } };
	struct req *again = fresh();
	struct buf b, one, two;
	struct message m;

	buf_init(&b, 1 << 24);
	buf_init(&one, 1 << 24);
	buf_init(&two, 1 << 24);
	if (message_send(&b, &s) != SERIAL_JSON || b.failed)
		abort();
	message_read(&m, &again->arena, SERIAL_JSON, buf_view(&b), &more);
	if (!message_request(again, &m, &more))
		abort();
	again->want = r->want;
	again->pc_serial = r->pc_serial;
	tell(&one, r);
	tell(&two, again);
	if (!slice_eq(buf_view(&one), buf_view(&two)))
		abort();
	buf_free(&b);
	buf_free(&one);
	buf_free(&two);
	drop(again);
}

static void one(enum serial serial, struct slice bytes)
{
	struct req *r = fresh();
	struct message m, back;
	struct slice rqi;
	struct rsp rsp;
	struct buf b;

	message_read(&m, &r->arena, serial, bytes, &limits);
	if (message_request(r, &m, &limits)) {
		if (goes_on(r))
			send_on(r);
		r->rsc = 2000;
	} else if (message_response(&r->arena, &m, &rsp, &rqi)) {
		r->rsc = rsp.rsc;
		r->dbg = (struct slice){ NULL, 0 };
		r->passed = &rsp;
		buf_slice(&r->out, rsp.pc);
	}
	buf_init(&b, 1 << 24);
	serial = message_answer(&b, r);
	message_read(&back, &r->arena, serial, buf_view(&b), &(struct limits){ 1 << 20, 1 << 20, .json = { 64, 1 << 16 } });
	if (!r->arena.failed && !message_response(&r->arena, &back, &rsp, &rqi))
		abort();
	buf_free(&b);
	drop(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	one(SERIAL_JSON, slice_of((const char *)data, n));
	one(SERIAL_CBOR, slice_of((const char *)data, n));
	return 0;
}
