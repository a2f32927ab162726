/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as a whole: bytes to an index over JSON text, and primitives to bytes. The parameters of a request are read in parameters.c. */
#include "binding/primitive/message.h"

#include "binding/primitive/message_int.h"
#include "codec/cbor.h"
#include "core/primitive.h"

/* Names and values that are no content: filter criteria, claims. */
enum { AROUND_TOKENS = 4096, AROUND_DEPTH = 2 };

static const char *const names[] = { [SERIAL_NONE] = "", [SERIAL_JSON] = "json", [SERIAL_CBOR] = "cbor", [SERIAL_XML] = "xml" };

enum serial message_serial(struct slice name)
{
	for (size_t i = SERIAL_JSON; i <= SERIAL_XML; i++)
		if (slice_eq(name, slice_str(names[i])))
			return (enum serial)i;
	return SERIAL_NONE;
}

const char *message_serial_name(enum serial s) { return names[s]; }

/* --- in --- */

/* CBOR as JSON text in a. p == NULL: it is none. */
static struct slice transcoded(struct message *m, struct arena *a, struct slice bytes, const struct json_limits *limits, size_t most)
{
	struct slice text = { NULL, 0 };
	enum reeve_rc rc;
	struct buf b;

	buf_init(&b, most);
	rc = cbor_to_json(bytes, limits, &b, a, &m->why);
	m->over_json = rc == RC_LIMIT;
	if (rc == RC_OK && !b.failed && !(text = arena_dup(a, buf_view(&b))).p)
		m->why = S("the request needs more memory than limits.request_memory");
	buf_free(&b);
	return text;
}

static enum message_kind kind_of(struct message *m)
{
	bool op = json_member(&m->j, 0, S("op")), rsc = json_member(&m->j, 0, S("rsc"));

	if (json_kind(&m->j, 0) != J_OBJECT)
		m->why = S("a primitive is an object");
	else if (json_member(&m->j, 0, S("m2m:rqp")) || json_member(&m->j, 0, S("m2m:rsp")))
		m->why = S("the parameters of a primitive stand in the object itself, without m2m:rqp or m2m:rsp around them");
	else if (op == rsc)
		m->why = op ? S("op and rsc: a primitive is a request or a response") : S("neither op nor rsc: this is no primitive");
	else
		return op ? MESSAGE_REQUEST : MESSAGE_RESPONSE;
	return MESSAGE_BAD;
}

void message_read(struct message *m, struct arena *a, enum serial serial, struct slice bytes, const struct limits *limits)
{
	const struct json_limits around = { limits->json.depth + AROUND_DEPTH, limits->json.tokens + AROUND_TOKENS };
	const size_t most = limits->header + limits->body;
	struct slice text = bytes;
	enum reeve_rc rc;

	*m = (struct message){ .serial = serial, .why = S("out of memory") };
	if (serial != SERIAL_JSON && serial != SERIAL_CBOR) {
		m->why = S("the serialization of the primitive is not supported: json and cbor are");
		return;
	}
	if (bytes.n > most) {
		m->over_size = true;
		m->why = S("the primitive is larger than limits.header and limits.body together");
		return;
	}
	if (serial == SERIAL_CBOR && !(text = transcoded(m, a, bytes, &around, 2 * most)).p)
		return;
	rc = json_parse(a, text, &around, &m->j, &m->why);
	m->over_json = rc == RC_LIMIT;
	if (rc == RC_NOMEM)
		m->why = S("the request needs more memory than limits.request_memory");
	if (rc != RC_OK)
		return;
	m->rqi = parameter_text(a, &m->j, json_member(&m->j, 0, S("rqi")));
	m->kind = kind_of(m);
}

bool message_response(struct arena *a, const struct message *m, struct rsp *rsp, struct slice *rqi)
{
	return m->kind == MESSAGE_RESPONSE && primitive_read(a, &m->j, 0, rsp, rqi);
}

/* --- out --- */

/* The JSON text that begins at `from` of b becomes CBOR, when it can. */
static enum serial finish(struct buf *b, size_t from, enum serial serial)
{
	static const struct json_limits any = { .depth = 128, .tokens = UINT32_MAX };
	struct slice text = slice_of(b->p + from, b->n - from), why;
	enum reeve_rc rc;
	char mem[4096];
	struct buf cbor;
	struct arena a;
	struct json j;

	if (b->failed || serial != SERIAL_CBOR)
		return SERIAL_JSON;
	arena_init(&a, mem, sizeof(mem), SIZE_MAX / 4);
	buf_init(&cbor, 2 * text.n + 64);
	rc = json_parse(&a, text, &any, &j, &why);
	if (rc == RC_OK)
		rc = json_to_cbor(&j, 0, &cbor);
	if (rc == RC_OK && !cbor.failed) {
		b->n = from;
		buf_slice(b, buf_view(&cbor));
	} else {
		serial = SERIAL_JSON;
	}
	buf_free(&cbor);
	arena_reset(&a);
	return serial;
}

static void text(struct buf *b, const char *sn, struct slice v)
{
	if (!v.p)
		return;
	buf_printf(b, ",\"%s\":", sn);
	buf_json(b, v);
}

enum serial message_answer(struct buf *b, const struct req *r)
{
	size_t from = b->n;

	buf_char(b, '{');
	rsp_primitive(b, r);
	if (r->passed) { /* what another CSE said beside */
		text(b, "fr", r->passed->fr);
		text(b, "ot", r->passed->ot);
		text(b, "vsi", r->passed->vsi);
		if (r->passed->ec)
			buf_printf(b, ",\"ec\":%d", r->passed->ec);
	}
	buf_char(b, '}');
	return finish(b, from, r->want);
}

enum serial message_send(struct buf *b, const struct send *s)
{
	struct send whole = *s;
	size_t from = b->n;

	if (!whole.to.n)
		whole.to = s->url;
	buf_char(b, '{');
	primitive_write(b, &whole);
	buf_char(b, '}');
	return finish(b, from, s->serial);
}
