/* SPDX-License-Identifier: Apache-2.0 */
/* Sending side of the HTTP binding: a primitive as an HTTP request, its answer as rsc and content (TS-0009). Hub only.
 *
 * https:// is for whom we have a credential: the one of its own association with us, with roles swapped (TS-0003 8.2.1, SA2). Without
 * one, or when nobody knows whose the address is, it is as good as unreachable. */
#include <stdlib.h>

#include "base/log.h"
#include "binding/claims.h"
#include "binding/content.h"
#include "binding/http/http.h"
#include "binding/http/map.h"
#include "binding/query.h"
#include "core/association/association.h"

struct sender {
	struct core *core;
	struct http_client *client;
};

struct sending {
	struct http_call call;
	struct send *send;
	struct sender *s;
	struct buf url, body, type, ec, rtu, tokens, signatures;
	struct http_header headers[16];
	size_t n_headers;
	struct arena arena; /* of want */
	struct tls_want want;
	bool wanted;
};

/* A target that is no CSE or AE (a plain web server) answers without X-M2M-RSC. */
static int rsc_of(int status)
{
	if (status >= 200 && status < 300)
		return 2000;
	return status >= 500 ? 5000 : status == 404 ? 4004 : status == 403 ? 4103 : 4000;
}

static void sent(struct http_call *call, const struct http_answer *answer)
{
	struct sending *g = call->owner;
	struct send *s = g->send;
	struct slice rest = answer->headers;
	struct rsp rsp = { .rsc = answer->status <= 1 ? answer->status : answer->rsc ? answer->rsc : rsc_of(answer->status) };
	struct slice type = answer->type;
	struct arena a;
	struct buf json;

	buf_init(&json, 8 * g->s->core->cfg->limits.response + 4096);
	arena_init(&a, NULL, 0, g->s->core->cfg->limits.request_memory);
	while (rest.n) {
		struct slice v = slice_cut(&rest, '\n'), name = slice_cut(&v, ':');
		http_map_answer(&rsp, &a, name, v);
	}
	rsp.pc = content_received(&a, &json, http_map_serial(slice_cut(&type, ';')), answer->body);
	if (rsp.rsc >= 4000 && rsp.pc.n && (rsp.tqf = claim_tqf_read(rsp.pc)).n)
		rsp.pc = (struct slice){ NULL, 0 };
	s->done(s, &rsp);
	buf_free(&json);
	arena_reset(&a);
	buf_free(&g->url);
	buf_free(&g->body);
	buf_free(&g->type);
	buf_free(&g->ec);
	buf_free(&g->rtu);
	buf_free(&g->tokens);
	buf_free(&g->signatures);
	if (g->wanted)
		association_want_done(&g->want);
	arena_reset(&g->arena);
	free(g);
}

/* Body and its media type. */
static void body_of(struct sending *g, const struct send *s)
{
	int64_t ty;
	bool cbor;

	buf_init(&g->body, 2 * s->pc.n + 4096);
	buf_init(&g->type, 128);
	cbor = content_send(&g->body, s, &ty);
	buf_slice(&g->type, cbor ? S("application/cbor") : S("application/json"));
	if (ty > 0)
		buf_printf(&g->type, ";ty=%lld", (long long)ty);
}

/* The point of access, To behind it, and parameters. */
static void url_of(struct sending *g, const struct send *s)
{
	struct slice url = s->url;

	buf_init(&g->url, 65536);
	while (s->to.n && url.n && url.p[url.n - 1] == '/')
		url.n--;
	buf_slice(&g->url, url);
	if (s->to.n)
		http_map_path(&g->url, s->to);
	if (s->with)
		query_write(&g->url, s->with, s->blocking, slice_find(buf_view(&g->url), '?') >= 0 ? '&' : '?');
}

static void header(struct sending *g, const char *name, struct slice v)
{
	if (v.p)
		g->headers[g->n_headers++] = (struct http_header){ name, v };
}

static void headers_of(struct sending *g, const struct send *s)
{
	const struct req *r = s->with;

	buf_init(&g->ec, 32);
	buf_init(&g->rtu, 65536);
	buf_init(&g->tokens, 1 << 20);
	buf_init(&g->signatures, 1 << 20);
	header(g, "X-M2M-Origin", s->fr);
	header(g, "X-M2M-RI", s->rqi);
	header(g, "X-M2M-RVI", s->rvi);
	header(g, "X-M2M-VSI", s->vsi);
	header(g, "Accept", s->serial == SERIAL_CBOR ? S("application/cbor, application/json;q=0.5")
						     : S("application/json, application/cbor;q=0.5"));
	if (s->pc.n)
		header(g, "Content-Type", buf_view(&g->type));
	if (s->ec) {
		buf_i64(&g->ec, s->ec);
		header(g, "X-M2M-EC", buf_view(&g->ec));
	}
	if (!r)
		return;
	header(g, "X-M2M-GID", r->gid);
	header(g, "X-M2M-OT", r->ot);
	header(g, "X-M2M-RET", r->rqet);
	header(g, "X-M2M-RST", r->rset);
	header(g, "X-M2M-OET", r->oet);
	for (size_t i = 0; i < r->n_rtu; i++) {
		if (i)
			buf_char(&g->rtu, '&');
		buf_slice(&g->rtu, r->rtu[i]);
	}
	if (r->has & HAS_RTU && !s->blocking)
		header(g, "X-M2M-RTU", g->rtu.n ? buf_view(&g->rtu) : S(""));
	if (r->has & HAS_TOKENS)
		claim_join(&g->tokens, r->tkns, r->n_tkns);
	if (r->has & HAS_AUS)
		claim_join(&g->signatures, r->aus, r->n_aus);
	header(g, "Authorization", buf_view(&g->tokens));
	header(g, "X-M2M-AS", buf_view(&g->signatures));
}

/* Whom to expect behind https://, and as whom to speak. */
static void want(struct sending *g, const struct send *s)
{
	enum reeve_rc rc;

	if (!s->entity.n) {
		log_warn("http", "%.*s is not asked: nothing says whose it is, and https needs a security association", SF(s->url));
		return;
	}
	rc = association_want(g->s->core, s->entity, &g->arena, &g->want);
	g->wanted = rc == RC_OK;
	if (!g->wanted)
		log_warn("http", "%.*s is not asked: there is no credential for a security association with %.*s (%s)", SF(s->url),
			 SF(s->entity), rc_name(rc));
}

static void send_http(void *ctx, struct send *s)
{
	static const char *const methods[] = { "POST", "POST", "GET", "PUT", "DELETE", "POST" };
	struct sender *me = ctx;
	struct sending *g = calloc(1, sizeof(*g));

	if (!g)
		abort();
	g->send = s;
	g->s = me;
	arena_init(&g->arena, NULL, 0, 1 << 20);
	if (s->url.n > 8 && slice_ieq(slice_of(s->url.p, 8), S("https://")))
		want(g, s);
	body_of(g, s);
	url_of(g, s);
	headers_of(g, s);
	g->call = (struct http_call){ .method = methods[s->op], .url = g->url.failed ? S("") : buf_view(&g->url),
				      .headers = g->headers, .n_headers = g->n_headers,
				      .body = buf_view(&g->body), .timeout = s->timeout, .repeatable = s->op != OP_CREATE,
				      .want = g->wanted ? &g->want : NULL, .whom = s->entity, .done = sent, .owner = g };
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

	if (!me || !(me->client = http_client_new(&c->loops[0], c, c->cfg->notify.per_target, c->cfg->limits.response)))
		abort();
	me->core = c;
	core_add_transport(c, &(struct transport){ .scheme = "http", .ctx = me, .send = send_http, .stop = stop, .free = end });
	core_add_transport(c, &(struct transport){ .scheme = "https", .ctx = me, .send = send_http });
}
