/* SPDX-License-Identifier: Apache-2.0 */
/* Response messages (TS-0009 6.3, 6.4). On the way of every answer, so: one reservation, then plain copying. */
#include "binding/claims.h"
#include "binding/content.h"
#include "binding/http/map.h"

#include "codec/model.h"

/* Lines that begin the answers there are most of. */
static const struct { int rsc; struct slice text; } heads[] = {
#define LINES(status, rsc) "HTTP/1.1 " #status " \r\nX-M2M-RSC: " #rsc "\r\n"
#define HEAD(status, rsc) { rsc, { LINES(status, rsc), sizeof(LINES(status, rsc)) - 1 } }
	HEAD(200, 2000), HEAD(201, 2001), HEAD(200, 2004), HEAD(200, 2002), HEAD(404, 4004), HEAD(403, 4103),
#undef HEAD
#undef LINES
};

static char *put(char *p, struct slice s)
{
	if (s.n)
		memcpy(p, s.p, s.n);
	return p + s.n;
}
#define PUT(p, lit) (memcpy((p), (lit), sizeof(lit) - 1), (p) + sizeof(lit) - 1)

static char *put_number(char *p, uint64_t v)
{
	char tmp[20];
	size_t i = sizeof(tmp);

	do
		tmp[--i] = (char)('0' + v % 10);
	while (v /= 10);
	memcpy(p, tmp + i, sizeof(tmp) - i);
	return p + sizeof(tmp) - i;
}

static char *put_head(char *p, int rsc)
{
	const struct model_code *code;

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		if (heads[i].rsc == rsc)
			return put(p, heads[i].text);
	code = model_code(rsc);
	p = PUT(p, "HTTP/1.1 ");
	p = put_number(p, !code ? 500 : code->http ? code->http : 403); /* 4128 has no mapping: deviations X17 */
	p = PUT(p, " \r\nX-M2M-RSC: ");
	p = put_number(p, (uint64_t)(rsc > 0 ? rsc : 5000));
	return PUT(p, "\r\n");
}

static char *put_line(char *p, const char *name, size_t n, struct slice v)
{
	if (!v.p)
		return p;
	memcpy(p, name, n);
	p = put(p + n, v);
	return PUT(p, "\r\n");
}
#define LINE(p, name, v) put_line((p), (name), sizeof(name) - 1, (v))

static struct slice media(const struct req *r, bool cbor)
{
	if (r->want_vendor && !(r->tqf.n && r->rsc >= 4000))
		return cbor ? S("application/vnd.onem2m-res+cbor") : S("application/vnd.onem2m-res+json");
	return cbor ? S("application/cbor") : S("application/json");
}

/* What another CSE said beside (TS-0004 8.1.3): its own answers do without. */
static size_t passed_room(const struct rsp *s) { return 128 + s->fr.n + s->ot.n + s->vsi.n; }

static char *put_passed(char *p, const struct rsp *s)
{
	p = LINE(p, "X-M2M-Origin: ", s->fr);
	p = LINE(p, "X-M2M-OT: ", s->ot);
	p = LINE(p, "X-M2M-VSI: ", s->vsi);
	if (s->ec)
		p = PUT(put_number(PUT(p, "X-M2M-EC: "), (uint64_t)s->ec), "\r\n");
	return p;
}

void http_map_response(struct buf *b, const struct req *r, bool keep_alive)
{
	struct buf tmp, where, ati;
	struct slice body;
	size_t room;
	bool cbor;
	char *p;

	buf_init(&tmp, 1 << 20);
	buf_init(&where, 65536);
	buf_init(&ati, 65536);
	body = content_write(r, &tmp, &cbor);
	if (r->rsc == 2001 && r->location.n)
		http_map_path(&where, r->location);
	if (r->ati.n)
		claim_ati(&ati, r->ati);
	room = 512 + r->rqi.n + r->rvi.n + r->rset.n + where.n + ati.n + body.n + (r->passed ? passed_room(r->passed) : 0);
	p = buf_room(b, room);
	if (p) {
		char *start = p;
		p = put_head(p, r->rsc);
		p = LINE(p, "X-M2M-RI: ", r->rqi);
		p = LINE(p, "X-M2M-RVI: ", r->rvi);
		p = LINE(p, "X-M2M-RST: ", r->rset);
		if (r->cnst)
			p = PUT(put_number(PUT(p, "X-M2M-CTS: "), (uint64_t)r->cnst), "\r\n");
		if (r->cnot)
			p = PUT(put_number(PUT(p, "X-M2M-CTO: "), r->cnot), "\r\n");
		p = LINE(p, "Content-Location: ", buf_view(&where));
		p = LINE(p, "X-M2M-ATI: ", buf_view(&ati));
		if (r->asri)
			p = PUT(p, "X-M2M-ASRI: true\r\n");
		if (r->passed)
			p = put_passed(p, r->passed);
		if (r->op == OP_NONE)
			p = PUT(p, "Allow: GET, POST, PUT, DELETE\r\n");
		if (body.n)
			p = LINE(p, "Content-Type: ", media(r, cbor));
		if (!keep_alive)
			p = PUT(p, "Connection: close\r\n");
		p = PUT(put_number(PUT(p, "Content-Length: "), body.n), "\r\n\r\n");
		b->n += (size_t)(put(p, body) - start);
	}
	buf_free(&ati);
	buf_free(&where);
	buf_free(&tmp);
}

void http_map_refusal(struct buf *b, unsigned status, int rsc, struct slice rqi, struct slice text)
{
	struct buf body;

	buf_init(&body, 4096);
	buf_lit(&body, "{\"m2m:dbg\":");
	buf_json(&body, text);
	buf_char(&body, '}');
	buf_printf(b, "HTTP/1.1 %u \r\nX-M2M-RSC: %d\r\n", status, rsc);
	if (rqi.p)
		buf_printf(b, "X-M2M-RI: %.*s\r\n", SF(rqi));
	if (status == 405)
		buf_lit(b, "Allow: GET, POST, PUT, DELETE\r\n");
	buf_printf(b, "Content-Type: application/json\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", body.n);
	buf_slice(b, buf_view(&body));
	buf_free(&body);
}
