/* SPDX-License-Identifier: Apache-2.0 */
/* CoAP messages between bytes and their parts. Pure.
 *
 * libcoap codes single options (coap_opt_parse, coap_opt_encode). Its message layer and sockets are not used: libcoap 4.3.1 knows at most
 * two critical options above 255 besides its own and answers 4.02 to every other one before an application sees the request, and oneM2M
 * has nineteen (docs/deviations.md). */
#include "binding/coap/message.h"

#include <coap3/coap.h>

/* One option at the start of s; 0: malformed. */
static size_t option_at(struct slice s, unsigned before, unsigned *number, struct slice *value)
{
	coap_option_t o;
	size_t n = coap_opt_parse((const uint8_t *)s.p, s.n, &o);

	if (!n || o.delta > UINT16_MAX - before)
		return 0;
	*number = before + o.delta;
	*value = slice_of((const char *)o.value, o.length);
	return n;
}

/* Options and payload. */
static bool parts(struct slice rest, struct coap_message *m)
{
	const char *start = rest.p;
	unsigned number = 0;
	struct slice value;

	m->options = m->payload = slice_of(rest.p, 0);
	while (rest.n && (unsigned char)rest.p[0] != 0xff) {
		size_t n = option_at(rest, number, &number, &value);

		if (!n)
			return false;
		rest = slice_skip(rest, n);
	}
	m->options = slice_of(start, (size_t)(rest.p - start));
	if (rest.n == 1) /* a marker and nothing behind it */
		return false;
	m->payload = slice_skip(rest, 1);
	return true;
}

enum coap_verdict coap_parse(struct slice d, struct coap_message *m)
{
	const unsigned char *p = (const unsigned char *)d.p;
	unsigned token;
	bool good;

	if (d.n < COAP_HEADER || p[0] >> 6 != 1)
		return COAP_SILENCE;
	m->type = p[0] >> 4 & 3;
	m->code = p[1];
	m->mid = (uint16_t)(p[2] << 8 | p[3]);
	token = p[0] & 15;
	d = slice_skip(d, COAP_HEADER);
	m->token = slice_of(d.p, token);
	if (m->code == COAP_EMPTY) {
		m->options = m->payload = m->token = slice_of(d.p, 0);
		good = !token && !d.n;
	} else {
		good = token <= COAP_TOKEN_MAX && token <= d.n && (coap_is_request(m->code) || coap_is_response(m->code)) &&
		       parts(slice_skip(d, token), m);
	}
	if (good && (m->type == COAP_CON || m->type == COAP_NON || m->code == COAP_EMPTY))
		return COAP_OK;
	if (good && m->type == COAP_ACK && coap_is_response(m->code))
		return COAP_OK;
	return m->type == COAP_CON || m->type == COAP_NON ? COAP_REJECT : COAP_SILENCE;
}

bool coap_walk(struct coap_walk *w)
{
	size_t n;

	if (!w->rest.n || !(n = option_at(w->rest, w->number, &w->number, &w->value)))
		return false;
	w->rest = slice_skip(w->rest, n);
	return true;
}

bool coap_find(const struct coap_message *m, unsigned number, struct slice *value)
{
	struct coap_walk w = { m->options, 0, { NULL, 0 } };

	while (coap_walk(&w) && w.number <= number)
		if (w.number == number) {
			*value = w.value;
			return true;
		}
	return false;
}

bool coap_uint(struct slice v, uint32_t *n)
{
	if (v.n > 4)
		return false;
	*n = 0;
	for (size_t i = 0; i < v.n; i++)
		*n = *n << 8 | (unsigned char)v.p[i];
	return true;
}

int coap_block_get(const struct coap_message *m, unsigned number, struct coap_block *out)
{
	struct slice v;
	uint32_t n;

	if (!coap_find(m, number, &v))
		return 0;
	if (v.n > 3 || !coap_uint(v, &n) || (n & 7) == 7)
		return -1;
	*out = (struct coap_block){ .num = n >> 4, .more = n & 8, .size = 16u << (n & 7) };
	return 1;
}

unsigned coap_block_fitting(unsigned size, size_t options)
{
	const size_t beside = COAP_HEADER + COAP_TOKEN_MAX + options + 12; /* two block options, the marker */

	while (size > 16 && beside + size > COAP_MESSAGE_MAX)
		size /= 2;
	return size;
}

/* --- writing --- */

void coap_write_begin(struct coap_writer *w, struct buf *b, enum coap_type type, uint8_t code, uint16_t mid, struct slice token)
{
	const unsigned char head[COAP_HEADER] = { (unsigned char)(1 << 6 | type << 4 | (int)token.n), code, (unsigned char)(mid >> 8),
						  (unsigned char)mid };

	buf_add(b, head, sizeof(head));
	buf_slice(b, token);
	coap_write_options(w, b);
}

void coap_write_options(struct coap_writer *w, struct buf *b) { *w = (struct coap_writer){ b, 0 }; }

void coap_write_option(struct coap_writer *w, unsigned number, struct slice v)
{
	size_t room = v.n + 5, n = 0;
	char *p = v.n <= UINT16_MAX ? buf_room(w->b, room) : NULL;

	if (p)
		n = coap_opt_encode((coap_opt_t *)p, room, (uint16_t)(number - w->last), (const uint8_t *)v.p, v.n);
	if (!n)
		w->b->failed = true;
	w->b->n += n;
	w->last = number;
}

void coap_write_uint(struct coap_writer *w, unsigned number, uint32_t n)
{
	char bytes[4] = { (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n };
	size_t skip = 0;

	while (skip < 4 && !bytes[skip])
		skip++;
	coap_write_option(w, number, slice_of(bytes + skip, 4 - skip));
}

void coap_write_block(struct coap_writer *w, unsigned number, const struct coap_block *block)
{
	uint32_t szx = 0;

	while (16u << szx < block->size)
		szx++;
	coap_write_uint(w, number, block->num << 4 | (block->more ? 8u : 0) | szx);
}

void coap_write_payload(struct coap_writer *w, struct slice payload)
{
	if (!payload.n)
		return;
	buf_char(w->b, (char)0xff);
	buf_slice(w->b, payload);
}

void coap_write_empty(struct buf *b, enum coap_type type, uint16_t mid)
{
	struct coap_writer w;

	coap_write_begin(&w, b, type, COAP_EMPTY, mid, slice_of(NULL, 0));
}

void coap_write_address(struct coap_writer *w, unsigned number, struct slice to)
{
	struct slice rest = to;

	if (slice_starts(to, S("//"))) {
		coap_write_option(w, number, S("_"));
		rest = slice_skip(to, 2);
	} else if (slice_starts(to, S("/"))) {
		coap_write_option(w, number, S("~"));
		rest = slice_skip(to, 1);
	}
	while (rest.p)
		coap_write_option(w, number, slice_cut(&rest, '/'));
}
