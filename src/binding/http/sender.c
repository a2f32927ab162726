/* SPDX-License-Identifier: Apache-2.0 */
/* Sending side of the HTTP binding: a primitive as an HTTP request, its answer as rsc and content (TS-0009). Hub only. */
#include <stdlib.h>

#include "binding/http/http.h"
#include "binding/http/map.h"
#include "codec/cbor.h"
#include "codec/model.h"

struct sender {
	struct core *core;
	struct http_client *client;
};

struct sending {
	struct http_call call;
	struct send *send;
	struct sender *s;
	struct buf url, body, type, ec;
	struct http_header headers[8];
};

/* A target that is no CSE or AE (a plain web server) answers without X-M2M-RSC. */
static int rsc_of(int status)
{
	if (status >= 200 && status < 300)
		return 2000;
	return status >= 500 ? 5000 : status == 404 ? 4004 : status == 403 ? 4103 : 4000;
}

/* The answer's content as JSON text; p == NULL when there is none that can be read. */
static struct slice content_of(struct arena *a, struct buf *b, struct slice type, struct slice body)
{
	struct slice why, text = body;
	enum serial serial;
	struct json j;

	serial = http_map_serial(slice_cut(&type, ';'));
	if (serial == SERIAL_CBOR) {
		if (cbor_to_json(body, &json_default_limits, b, a, &why) != RC_OK)
			return (struct slice){ NULL, 0 };
		text = buf_view(b);
	}
	if (!text.n || text.p[0] != '{' || json_parse(a, text, &json_default_limits, &j, &why) != RC_OK)
		return (struct slice){ NULL, 0 };
	return text;
}

static void sent(struct http_call *call, int status, int rsc, struct slice type, struct slice body)
{
	struct sending *g = call->owner;
	struct send *s = g->send;
	struct arena a;
	struct buf json;

	buf_init(&json, 8 * g->s->core->cfg->limits.body + 4096);
	arena_init(&a, NULL, 0, g->s->core->cfg->limits.request_memory);
	s->done(s, status <= 1 ? status : rsc ? rsc : rsc_of(status), content_of(&a, &json, type, body));
	buf_free(&json);
	arena_reset(&a);
	buf_free(&g->url);
	buf_free(&g->body);
	buf_free(&g->type);
	buf_free(&g->ec);
	free(g);
}

/* Body and its media type; a Create names the type of what it creates there. */
static void body_of(struct sending *g, const struct send *s)
{
	static const struct json_limits any = { .depth = 64, .tokens = UINT32_MAX };
	const struct model_res *m = NULL;
	bool parsed, cbor = false;
	struct slice why;
	struct arena a;
	struct json j;

	arena_init(&a, NULL, 0, SIZE_MAX / 4);
	buf_init(&g->body, 2 * s->pc.n + 4096);
	buf_init(&g->type, 128);
	parsed = (s->serial == SERIAL_CBOR || s->op == OP_CREATE) && json_parse(&a, s->pc, &any, &j, &why) == RC_OK;
	if (parsed && s->op == OP_CREATE && json_kind(&j, 0) == J_OBJECT && j.n > 1)
		m = model_by_root(json_inner(&j, 1));
	if (parsed && s->serial == SERIAL_CBOR)
		cbor = json_to_cbor(&j, 0, &g->body) == RC_OK;
	if (!cbor) {
		buf_clear(&g->body);
		buf_slice(&g->body, s->pc);
	}
	buf_slice(&g->type, cbor ? S("application/cbor") : S("application/json"));
	if (m && m->ty > 0)
		buf_printf(&g->type, ";ty=%d", (int)m->ty);
	arena_reset(&a);
}

static void send_http(void *ctx, struct send *s)
{
	static const char *const methods[] = { "POST", "POST", "GET", "PUT", "DELETE", "POST" };
	struct sender *me = ctx;
	struct sending *g = calloc(1, sizeof(*g));
	size_t n = 0;

	if (!g)
		abort();
	g->send = s;
	g->s = me;
	body_of(g, s);
	buf_init(&g->url, 65536);
	buf_slice(&g->url, s->url);
	buf_init(&g->ec, 32);
	g->headers[n++] = (struct http_header){ "X-M2M-Origin", s->fr };
	g->headers[n++] = (struct http_header){ "X-M2M-RI", s->rqi };
	g->headers[n++] = (struct http_header){ "X-M2M-RVI", S("3") };
	g->headers[n++] = (struct http_header){ "Accept", s->serial == SERIAL_CBOR ? S("application/cbor, application/json;q=0.5")
										   : S("application/json, application/cbor;q=0.5") };
	if (s->pc.n)
		g->headers[n++] = (struct http_header){ "Content-Type", buf_view(&g->type) };
	if (s->ec) {
		buf_i64(&g->ec, s->ec);
		g->headers[n++] = (struct http_header){ "X-M2M-EC", buf_view(&g->ec) };
	}
	g->call = (struct http_call){ .method = methods[s->op], .url = buf_view(&g->url), .headers = g->headers, .n_headers = n,
				      .body = buf_view(&g->body), .timeout = s->timeout, .repeatable = s->op != OP_CREATE,
				      .done = sent, .owner = g };
	http_client_call(me->client, &g->call);
}

static void stop(void *ctx)
{
	http_client_stop(((struct sender *)ctx)->client);
}

static void end(void *ctx)
{
	struct sender *me = ctx;
	http_client_free(me->client);
	free(me);
}

void http_sender_register(struct core *c)
{
	struct sender *me = calloc(1, sizeof(*me));

	if (!me || !(me->client = http_client_new(&c->loops[0], c->cfg->notify.per_target, c->cfg->limits.body)))
		abort();
	me->core = c;
	core_add_transport(c, &(struct transport){ .scheme = "http", .ctx = me, .send = send_http, .stop = stop, .free = end });
}
