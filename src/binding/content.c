/* SPDX-License-Identifier: Apache-2.0 */
/* Content between its serialization on the wire and JSON text, in requests and answers, in both directions. Pure. */
#include "binding/content.h"

#include "binding/query.h"
#include "codec/cbor.h"
#include "codec/json_text.h"
#include "codec/model.h"

void content_read(struct req *r, struct slice body, const struct json_limits *limits)
{
	struct slice why = { NULL, 0 };
	struct buf b;
	enum reeve_rc rc;

	if (r->pc_serial == SERIAL_NONE)
		r->pc_bad_serial = true;
	if (r->pc_serial != SERIAL_CBOR) {
		r->pc = body;
		return;
	}
	buf_init(&b, r->arena.ceiling < SIZE_MAX / 2 ? r->arena.ceiling + sizeof(r->first) : SIZE_MAX / 2);
	rc = cbor_to_json(body, limits, &b, &r->arena, &why);
	r->over_json = rc == RC_LIMIT;
	if (rc == RC_OK && !b.failed)
		r->pc = arena_dup(&r->arena, buf_view(&b));
	buf_free(&b);
	if (!r->pc.p)
		map_bad(r, "the content is no CBOR that can be read", why.p ? why : S("too large"));
}

static bool to_cbor(struct buf *out, struct slice text)
{
	static const struct json_limits any = { .depth = 64, .tokens = UINT32_MAX };
	char mem[8192];
	struct slice why;
	struct arena a;
	struct json j;
	bool ok;

	arena_init(&a, mem, sizeof(mem), SIZE_MAX / 4);
	ok = json_parse(&a, text, &any, &j, &why) == RC_OK && json_to_cbor(&j, 0, out) == RC_OK;
	arena_reset(&a);
	return ok;
}

struct slice content_write(const struct req *r, struct buf *tmp, bool *cbor)
{
	struct slice text = buf_view(&r->out);

	*cbor = false;
	if (r->tqf.n && r->rsc >= 4000) { /* alone, and never as CBOR (TS-0009 6.5) */
		buf_lit(tmp, "{\"tqf\":");
		buf_slice(tmp, r->tqf);
		buf_char(tmp, '}');
		return buf_view(tmp);
	}
	if (!text.n && r->dbg.p && (r->rsc >= 4000 || r->rsc <= 0)) {
		buf_lit(tmp, "{\"m2m:dbg\":");
		buf_json(tmp, r->dbg);
		buf_char(tmp, '}');
		text = buf_view(tmp);
	}
	if (text.n && r->want == SERIAL_CBOR) {
		struct buf out;
		buf_init(&out, text.n * 2 + 64);
		if (to_cbor(&out, text)) {
			buf_free(tmp);
			*tmp = out;
			*cbor = true;
			return buf_view(tmp);
		}
		buf_free(&out); /* as JSON rather than not at all */
	}
	return text;
}

bool content_send(struct buf *b, const struct send *s, int64_t *ty)
{
	static const struct json_limits any = { .depth = 64, .tokens = UINT32_MAX };
	const struct model_res *m = NULL;
	bool parsed, cbor = false;
	struct slice why;
	struct arena a;
	struct json j;
	size_t start = b->n;

	*ty = s->op == OP_CREATE ? s->ty : 0;
	arena_init(&a, NULL, 0, SIZE_MAX / 4);
	parsed = s->pc.n && (s->serial == SERIAL_CBOR || (s->op == OP_CREATE && !*ty)) && json_parse(&a, s->pc, &any, &j, &why) == RC_OK;
	if (parsed && s->op == OP_CREATE && !*ty && json_kind(&j, 0) == J_OBJECT && j.n > 1)
		m = model_by_root(json_inner(&j, 1));
	if (m)
		*ty = m->ty;
	if (parsed && s->serial == SERIAL_CBOR)
		cbor = json_to_cbor(&j, 0, b) == RC_OK;
	if (!cbor) {
		b->n = start;
		b->failed = false;
		buf_slice(b, s->pc);
	}
	arena_reset(&a);
	return cbor;
}

struct slice content_received(struct arena *a, struct buf *b, enum serial serial, struct slice body)
{
	struct slice why, text = body;
	struct json j;

	if (serial == SERIAL_CBOR) {
		if (cbor_to_json(body, &json_default_limits, b, a, &why) != RC_OK)
			return (struct slice){ NULL, 0 };
		text = buf_view(b);
	}
	if (!text.n || text.p[0] != '{' || json_parse(a, text, &json_default_limits, &j, &why) != RC_OK)
		return (struct slice){ NULL, 0 };
	return text;
}
