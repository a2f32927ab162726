/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP, in clear, behind TLS, or over a Unix domain socket: one connection per request. The answer is parsed by http_parser. */
#include <http_parser.h>
#include <stdio.h>

#include "base/rand.h"
#include "binding/claims.h"
#include "binding/http/map.h"
#include "main/client_int.h"

/* What the parser's callbacks need. */
struct parsing {
	struct client_answer *out;
	struct buf field, value;
	bool in_value, done;
};

static void take_header(struct parsing *p)
{
	const struct slice name = buf_view(&p->field), value = buf_view(&p->value);
	uint64_t u;
	if (slice_ieq(name, S("x-m2m-rsc")) && slice_u64(value, &u) && u < 10000)
		p->out->rsc = (int)u;
	else if (slice_ieq(name, S("x-m2m-cts")))
		p->out->partial = slice_eq(value, S("1"));
	else if (slice_ieq(name, S("x-m2m-cto")) && slice_u64(value, &u) && u < UINT32_MAX)
		p->out->offset = (unsigned)u;
	else if (slice_ieq(name, S("x-m2m-ati")))
		buf_slice(&p->out->tokens, value);
	else if (slice_ieq(name, S("x-m2m-asri")))
		p->out->sign = slice_eq(value, S("true")) || slice_eq(value, S("1"));
	buf_clear(&p->field);
	buf_clear(&p->value);
	p->in_value = false;
}

static int on_field(http_parser *hp, const char *at, size_t n)
{
	struct parsing *p = hp->data;
	if (p->in_value)
		take_header(p);
	buf_add(&p->field, at, n);
	return p->field.failed;
}

static int on_value(http_parser *hp, const char *at, size_t n)
{
	struct parsing *p = hp->data;
	p->in_value = true;
	buf_add(&p->value, at, n);
	return p->value.failed;
}

static int on_headers(http_parser *hp)
{
	struct parsing *p = hp->data;
	if (p->in_value)
		take_header(p);
	p->out->status = (int)hp->status_code;
	return 0;
}

static int on_body(http_parser *hp, const char *at, size_t n)
{
	struct parsing *p = hp->data;
	buf_add(&p->out->body, at, n);
	return p->out->body.failed;
}

static int on_complete(http_parser *hp)
{
	((struct parsing *)hp->data)->done = true;
	return 0;
}

static enum reeve_rc receive(struct wire *w, struct client_answer *out, char why[CLIENT_WHY_MAX])
{
	static const http_parser_settings settings = {
		.on_header_field = on_field, .on_header_value = on_value, .on_headers_complete = on_headers,
		.on_body = on_body, .on_message_complete = on_complete,
	};
	struct parsing p = { .out = out };
	http_parser hp;
	char room[16384];
	enum reeve_rc rc = RC_OK;

	buf_init(&p.field, 1024);
	buf_init(&p.value, 65536);
	http_parser_init(&hp, HTTP_RESPONSE);
	hp.data = &p;
	while (rc == RC_OK && !p.done) {
		size_t n = 0;
		rc = wire_receive(w, room, sizeof(room), &n, why);
		if (rc != RC_OK)
			break;
		if (http_parser_execute(&hp, &settings, room, n) != n && n) {
			snprintf(why, CLIENT_WHY_MAX, "%s",
				 out->body.failed ? "the answer is longer than this client takes" : "the answer is no HTTP");
			rc = RC_IO;
		} else if (n == 0 && !p.done) {
			snprintf(why, CLIENT_WHY_MAX, "the connection was closed before the answer was complete");
			rc = RC_IO;
		}
	}
	buf_free(&p.field);
	buf_free(&p.value);
	return rc;
}

struct http_message {
	const char *method;
	struct slice path;
	const char *type;        /* NULL: no body */
	struct slice body;
};

static void write_request(struct buf *b, const struct client *c, const struct http_message *m)
{
	const bool v6 = strchr(c->host, ':') != NULL;

	buf_printf(b, "%s %.*s HTTP/1.1\r\nHost: %s%s%s:%s\r\nConnection: close\r\nAccept: application/json\r\n", m->method,
		   SF(m->path), v6 ? "[" : "", c->host, v6 ? "]" : "", c->port);
	if (c->from.p)
		buf_printf(b, "X-M2M-Origin: %.*s\r\n", SF(c->from));
	buf_printf(b, "X-M2M-RI: %016llx\r\nX-M2M-RVI: %s\r\n", (unsigned long long)rand_u64(), c->release);
	if (c->tokens.n)
		buf_printf(b, "Authorization: %.*s\r\n", SF(c->tokens));
	if (c->signatures.n)
		buf_printf(b, "X-M2M-AS: %.*s\r\n", SF(c->signatures));
	if (m->type)
		buf_printf(b, "Content-Type: %s\r\nContent-Length: %zu\r\n", m->type, m->body.n);
	buf_lit(b, "\r\n");
	if (m->type)
		buf_slice(b, m->body);
}

static enum reeve_rc exchange(struct client *c, const struct http_message *m, struct client_answer *out, char why[CLIENT_WHY_MAX])
{
	enum reeve_rc rc;
	struct wire w;
	struct buf b;

	buf_init(&b, m->body.n + c->tokens.n + c->signatures.n + m->path.n + 65536);
	write_request(&b, c, m);
	rc = wire_open(&w, c, false, why);
	if (rc == RC_OK && b.failed) {
		snprintf(why, CLIENT_WHY_MAX, "the request is too long");
		rc = RC_IO;
	}
	if (rc == RC_OK)
		rc = wire_send(&w, buf_view(&b), why);
	if (rc == RC_OK)
		rc = receive(&w, out, why);
	buf_free(&b);
	wire_close(&w);
	return rc;
}

enum reeve_rc client_http(struct client *c, const char *method, struct slice path, const char *type, struct slice body,
			  struct client_answer *out, char why[CLIENT_WHY_MAX])
{
	const struct http_message m = { method, path, type, body };

	memset(out, 0, sizeof(*out));
	buf_init(&out->body, c->max_answer);
	buf_init(&out->tokens, 65536);
	buf_init(&out->systems, 65536);
	return exchange(c, &m, out, why);
}

static enum reeve_rc call(struct client *c, const struct client_request *q, struct client_answer *out, char why[CLIENT_WHY_MAX])
{
	static const char *const methods[] = { [OP_CREATE] = "POST", [OP_RETRIEVE] = "GET", [OP_UPDATE] = "PUT", [OP_DELETE] = "DELETE",
					       [OP_NOTIFY] = "POST" };
	char type[64] = "application/json";
	struct http_message m = { methods[q->op], S(""), q->content.p ? type : NULL, q->content };
	enum reeve_rc rc;
	struct buf path;

	if (q->op == OP_CREATE)
		snprintf(type, sizeof(type), "application/json;ty=%d", (int)q->ty);
	buf_init(&path, q->to.n + q->query.n + 65536);
	http_map_path(&path, q->to);
	buf_slice(&path, q->query);
	m.path = buf_view(&path);
	rc = exchange(c, &m, out, why);
	if (rc == RC_OK && out->rsc >= 4000)
		buf_slice(&out->systems, claim_tqf_read(buf_view(&out->body)));
	buf_free(&path);
	return rc;
}

static void close_nothing(struct client *c) { c->link = NULL; }

const struct client_protocol client_over_http = { .call = call, .close = close_nothing };
