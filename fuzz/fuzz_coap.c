/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams from hostile hands: message, mapping, answer. Beyond not crashing: whatever was asked, the answer is one message whose options
 * stand in order; blocks put among options change no other option; and a request that was accepted, sent on, is read as the same. */
#include <stdlib.h>

#include "binding/coap/map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static struct req *fresh(void)
{
	struct req *r = aligned_alloc(16, (sizeof(*r) + 15) & ~(size_t)15);

	require(r != NULL);
	memset(r, 0, sizeof(*r));
	req_init(r, NULL, 1 << 20, 1 << 20);
	return r;
}

static void drop(struct req *r)
{
	req_free(r);
	free(r);
}

static void same_texts(const struct slice *a, size_t n, const struct slice *b, size_t m)
{
	require(n == m);
	for (size_t i = 0; i < n; i++)
		require(slice_eq(a[i], b[i]));
}

/* As a message with this code, parsed again. */
static struct coap_message again(struct buf *b, uint8_t code, struct slice options, struct slice payload)
{
	struct coap_writer w;
	struct coap_message m;

	buf_clear(b);
	coap_write_begin(&w, b, COAP_CON, code, 7, S("token"));
	buf_slice(b, options);
	coap_write_payload(&w, payload);
	require(!b->failed && coap_parse(buf_view(b), &m) == COAP_OK);
	require(m.code == code && m.mid == 7 && slice_eq(m.token, S("token")) && slice_eq(m.payload, payload));
	return m;
}

static void check_order(const struct coap_message *m, bool single)
{
	struct coap_walk w = { m->options, 0, { NULL, 0 } };
	unsigned before = 0;

	while (coap_walk(&w)) {
		require(w.number > before || (w.number == before && (!single || w.number == OPT_LOCATION_PATH)));
		before = w.number;
	}
	require(w.rest.n == 0);
}

/* Blocks among the options of m: they are there, and all others as before. */
static void check_blocks(const struct coap_message *m)
{
	const struct coap_block one = { 3, true, 64 }, two = { 1000, false, 1024 };
	struct coap_walk w = { m->options, 0, { NULL, 0 } }, v;
	struct coap_block got;
	struct buf b, whole;
	struct coap_message n;

	while (coap_walk(&w))
		if (w.number == OPT_BLOCK1 || w.number == OPT_BLOCK2)
			return;
	buf_init(&b, 1 << 20);
	buf_init(&whole, 1 << 20);
	coap_map_with_blocks(&b, m->options, &two, &one);
	n = again(&whole, COAP_GET, buf_view(&b), S("p"));
	require(coap_block_get(&n, OPT_BLOCK1, &got) == 1 && got.num == 3 && got.more && got.size == 64);
	require(coap_block_get(&n, OPT_BLOCK2, &got) == 1 && got.num == 1000 && !got.more && got.size == 1024);
	v = (struct coap_walk){ n.options, 0, { NULL, 0 } };
	w = (struct coap_walk){ m->options, 0, { NULL, 0 } };
	while (coap_walk(&v))
		if (v.number != OPT_BLOCK1 && v.number != OPT_BLOCK2)
			require(coap_walk(&w) && w.number == v.number && slice_eq(w.value, v.value));
	require(!coap_walk(&w));
	buf_free(&whole);
	buf_free(&b);
}

static void check_answer(struct req *r, uint8_t code)
{
	struct buf options, tmp, whole;
	struct coap_message m;
	struct slice payload;
	uint8_t told;

	buf_init(&options, 1 << 20);
	buf_init(&tmp, 1 << 20);
	buf_init(&whole, 1 << 22);
	if (!r->rsc && r->bad.p)
		req_refuse(r, 4000, "%.*s", SF(r->bad));
	else if (!r->rsc)
		r->rsc = 2001, r->location = r->to;
	if (r->rsc < 4000 && r->rvi.n)
		buf_json(&r->out, r->rvi);
	told = coap_map_answer(r, &options, &tmp, &payload);
	require(!options.failed && coap_is_response(told) && (!code || coap_is_response(code)));
	m = again(&whole, told, buf_view(&options), payload);
	check_order(&m, true);
	check_blocks(&m);
	buf_free(&options);
	buf_free(&tmp);
	buf_free(&whole);
}

/* Sent on, as to another CSE, it is read as the same. */
static void check_sent_on(const struct req *r)
{
	const struct send s = { .to = r->to, .fr = r->fr, .rqi = r->rqi, .rvi = r->rvi, .vsi = r->vsi, .op = r->op, .ec = r->ec, .with = r,
				.ty = r->has & HAS_TY ? r->ty : 0, .serial = SERIAL_JSON };
	struct buf options, payload, whole;
	struct coap_message m;
	struct req *n = fresh();
	uint8_t method, code = 0;

	buf_init(&options, 1 << 20);
	buf_init(&payload, 1 << 20);
	buf_init(&whole, 1 << 22);
	method = coap_map_send(&s, S("host.example"), S("/"), &options, &payload);
	if (!options.failed) {
		m = again(&whole, method, buf_view(&options), buf_view(&payload));
		check_order(&m, false);
		require(coap_map_request(n, &m, m.payload, &json_default_limits, &code) && !n->bad.p);
		require((n->op == r->op || (r->op == OP_CREATE && !s.ty)) && slice_eq(n->to, r->to) && slice_eq(n->fr, r->fr));
		require(slice_eq(n->rqi, r->rqi) && n->rcn == r->rcn && n->rt == r->rt && n->drt == r->drt);
		same_texts(r->rids, r->n_rids, n->rids, n->n_rids);
		same_texts(r->tids, r->n_tids, n->tids, n->n_tids);
		same_texts(r->ltids, r->n_ltids, n->ltids, n->n_ltids);
		same_texts(r->tkns, r->n_tkns, n->tkns, n->n_tkns);
		same_texts(r->aus, r->n_aus, n->aus, n->n_aus);
		same_texts(r->grtm, r->n_grtm, n->grtm, n->n_grtm);
		same_texts(r->rtu, r->n_rtu, n->rtu, n->n_rtu);
	}
	buf_free(&options);
	buf_free(&payload);
	buf_free(&whole);
	drop(n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct coap_message m;
	struct coap_block block;

	if (coap_parse(slice_of((const char *)data, n), &m) != COAP_OK)
		return 0;
	check_order(&m, false);
	coap_block_get(&m, OPT_BLOCK1, &block);
	coap_block_get(&m, OPT_BLOCK2, &block);
	if (coap_is_request(m.code)) {
		struct req *r = fresh();
		uint8_t code = 0;
		bool ours = coap_map_request(r, &m, m.payload, &json_default_limits, &code);

		require(ours == !code && slice_utf8(r->to) && slice_utf8(r->rqi) && slice_utf8(r->fr));
		if (ours && !r->bad.p && r->rvi.n)
			check_sent_on(r);
		check_answer(r, code);
		drop(r);
	} else if (coap_is_response(m.code)) {
		struct rsp rsp;
		struct arena a;
		struct buf json;

		arena_init(&a, NULL, 0, 1 << 20);
		buf_init(&json, 1 << 20);
		if (coap_map_received(&rsp, &m, m.payload, OP_NOTIFY, &a, &json))
			require(rsp.rsc >= 1000 && slice_utf8(rsp.location) && slice_utf8(rsp.fr));
		buf_free(&json);
		arena_reset(&a);
	}
	return 0;
}
