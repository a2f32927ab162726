/* SPDX-License-Identifier: Apache-2.0 */
/* Sending side of the HTTP binding: a primitive as an HTTP request, its answer as rsc and content (TS-0009). Hub only. */
#include <stdlib.h>

#include "binding/http/http.h"
#include "binding/http/map.h"
#include "codec/cbor.h"

struct sender {
	struct core *core;
	struct http_client *client;
};

struct sending {
	struct http_call call;
	struct send *send;
	struct buf url, body, ec;
	struct http_header headers[6];
	struct sender *s;
};

static int rsc_of(int status)
{
	/* a target that is no CSE or AE (a plain web server) answers without X-M2M-RSC */
	if (status >= 200 && status < 300)
		return 2000;
	return status >= 500 ? 5000 : status == 404 ? 4004 : status == 403 ? 4103 : 4000;
}

static void sent(struct http_call *call, int status, int rsc, struct slice type, struct slice body)
{
	struct sending *g = call->owner;
	struct send *s = g->send;
	struct slice why, content = body;
	struct arena a;
	struct buf json;

	buf_init(&json, body.n * 6 + 4096);
	arena_init(&a, NULL, 0, 1 << 20);
	if (slice_ends(type, S("cbor")) && body.n) {
		bool ok = cbor_to_json(body, &json_default_limits, &json, &a, &why) == RC_OK;
		content = ok ? buf_view(&json) : (struct slice){ NULL, 0 };
	} else if (body.n && body.p[0] != '{') {
		content = (struct slice){ NULL, 0 };
	}
	s->done(s, status <= 1 ? status : rsc ? rsc : rsc_of(status), content);
	buf_free(&json);
	arena_reset(&a);
	buf_free(&g->url);
	buf_free(&g->body);
	buf_free(&g->ec);
	free(g);
}

static void body_of(struct sending *g, const struct send *s)
{
	struct arena a;
	struct json j;
	struct slice why;
	struct json_limits any = { .depth = 64, .tokens = UINT32_MAX };

	arena_init(&a, NULL, 0, SIZE_MAX / 4);
	buf_init(&g->body, s->pc.n + 4096);
	if (s->serial != SERIAL_CBOR || json_parse(&a, s->pc, &any, &j, &why) != RC_OK || json_to_cbor(&j, 0, &g->body) != RC_OK) {
		buf_clear(&g->body);
		buf_slice(&g->body, s->pc);
	}
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
	if (s->pc.n)
		g->headers[n++] = (struct http_header){ "Content-Type", s->serial == SERIAL_CBOR ? S("application/cbor")
												 : S("application/json") };
	if (s->ec) {
		buf_i64(&g->ec, s->ec);
		g->headers[n++] = (struct http_header){ "X-M2M-EC", buf_view(&g->ec) };
	}
	g->call = (struct http_call){ .method = methods[s->op], .url = buf_view(&g->url), .headers = g->headers, .n_headers = n,
				      .body = buf_view(&g->body), .timeout = s->timeout, .done = sent, .owner = g };
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
