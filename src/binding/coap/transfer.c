/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers in blocks, as the receiver of requests has them. */
#include "binding/coap/transfer.h"

#include <stdlib.h>

#include "base/hash.h"

void coap_transfers_init(struct coap_transfers *t, uint64_t span, size_t body_max, struct metrics *m)
{
	*t = (struct coap_transfers){ .span = span, .body_max = body_max, .metrics = m };
	t->ring.newer = t->ring.older = &t->ring;
}

static void drop(struct coap_transfers *t, struct coap_transfer *x)
{
	x->newer->older = x->older;
	x->older->newer = x->newer;
	t->n--;
	buf_free(&x->options);
	buf_free(&x->body);
	coap_peer_put(x->peer);
	free(x);
}

void coap_transfers_drop(struct coap_transfers *t, const struct coap_peer *p)
{
	for (struct coap_transfer *x = t->ring.newer, *next; x != &t->ring; x = next) {
		next = x->newer;
		if (!p || x->peer == p)
			drop(t, x);
	}
}

uint64_t coap_transfers_expire(struct coap_transfers *t, uint64_t now)
{
	while (t->n && now - t->ring.newer->used >= t->span) {
		if (!t->ring.newer->out) /* an answer may have been read to its end */
			metrics_inc(t->metrics, coap_abandoned);
		drop(t, t->ring.newer);
	}
	return t->n ? t->ring.newer->used + t->span : 0;
}

static void touch(struct coap_transfers *t, struct coap_transfer *x, uint64_t now)
{
	if (x->newer) {
		x->newer->older = x->older;
		x->older->newer = x->newer;
	}
	x->used = now;
	x->newer = &t->ring;
	x->older = t->ring.older;
	t->ring.older->newer = x;
	t->ring.older = x;
}

static struct coap_transfer *find(struct coap_transfers *t, const struct coap_peer *p, uint64_t key, bool out)
{
	struct coap_transfer *x = t->ring.older;

	while (x != &t->ring && (x->peer != p || x->key != key || x->out != out))
		x = x->older;
	return x == &t->ring ? NULL : x;
}

/* One more; others make room. */
static struct coap_transfer *begin(struct coap_transfers *t, struct coap_peer *p, uint64_t key, bool out, uint64_t now)
{
	struct coap_transfer *x = find(t, p, key, out), *oldest = NULL;
	unsigned of_peer = 0;

	if (x)
		drop(t, x);
	for (x = t->ring.older; x != &t->ring; x = x->older)
		if (x->peer == p) {
			of_peer++;
			oldest = x;
		}
	if (of_peer < COAP_TRANSFERS_EACH)
		oldest = t->n >= COAP_TRANSFERS_MOST ? t->ring.newer : NULL;
	if (oldest) {
		metrics_inc(t->metrics, limit_coap_transfers);
		drop(t, oldest);
	}
	x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	coap_peer_get(p);
	x->peer = p;
	x->key = key;
	x->out = out;
	buf_init(&x->options, 0);
	buf_init(&x->body, t->body_max);
	touch(t, x, now);
	t->n++;
	return x;
}

uint64_t coap_transfer_key(const struct coap_message *m)
{
	struct coap_walk w = { m->options, 0, { NULL, 0 } };
	struct { uint64_t before, value; uint32_t number, code; } link = { .code = m->code };

	while (coap_walk(&w)) {
		if (w.number == OPT_BLOCK1 || w.number == OPT_BLOCK2 || w.number == OPT_SIZE1 || w.number == OPT_SIZE2)
			continue;
		link.number = w.number;
		link.value = hash_slice(w.value);
		link.before = hash_mem(&link, sizeof(link));
	}
	return link.before;
}

uint8_t coap_transfer_in(struct coap_transfers *t, struct coap_peer *p, const struct coap_message *m, const struct coap_block *block,
			 uint64_t now, struct buf *body)
{
	const size_t offset = (size_t)block->num * block->size;
	const uint64_t key = coap_transfer_key(m);
	struct coap_transfer *x;

	if (block->more && m->payload.n != block->size)
		return COAP_CODE(4, 0);
	if (offset + m->payload.n > t->body_max) {
		if ((x = find(t, p, key, false)))
			drop(t, x);
		metrics_inc(t->metrics, limit_body);
		return COAP_CODE(4, 13);
	}
	x = block->num ? find(t, p, key, false) : begin(t, p, key, false, now);
	if (!x)
		return block->num ? COAP_CODE(4, 8) : COAP_CODE(5, 3);
	if (offset > x->body.n || (offset < x->body.n && offset + m->payload.n > x->body.n))
		return COAP_CODE(4, 8);
	if (offset == x->body.n) /* else it was there already */
		buf_slice(&x->body, m->payload);
	touch(t, x, now);
	if (x->body.failed) {
		drop(t, x);
		return COAP_CODE(5, 3);
	}
	if (block->more)
		return COAP_CONTINUE;
	*body = x->body;
	buf_init(&x->body, 0);
	drop(t, x);
	return 0;
}

void coap_transfer_keep(struct coap_transfers *t, struct coap_peer *p, uint64_t key, uint8_t code, struct buf *options, struct buf *body,
			uint64_t now)
{
	struct coap_transfer *x = begin(t, p, key, true, now);

	if (!x)
		return;
	x->code = code;
	x->options = *options;
	x->body = *body;
	buf_init(options, 0);
	buf_init(body, 0);
}

struct coap_transfer *coap_transfer_out(struct coap_transfers *t, struct coap_peer *p, const struct coap_message *m, uint64_t now)
{
	struct coap_transfer *x = find(t, p, coap_transfer_key(m), true);

	if (x)
		touch(t, x, now);
	return x;
}

bool coap_transfer_slice(struct slice body, struct coap_block *block, struct slice *part)
{
	const size_t offset = (size_t)block->num * block->size;

	if (offset >= body.n)
		return false;
	*part = slice_skip(body, offset);
	block->more = part->n > block->size;
	if (block->more)
		part->n = block->size;
	return true;
}
