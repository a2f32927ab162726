/* SPDX-License-Identifier: Apache-2.0 */
/* Sending side of the CoAP binding: a primitive as a CoAP request, its answer as rsc and content (TS-0008). Hub only.
 *
 * One socket for all that is sent in clear, one for all DTLS sessions, each opened with its first use. */
#include <stdlib.h>

#include "base/log.h"
#include "binding/coap/client.h"
#include "binding/coap/coap.h"
#include "binding/coap/map.h"

struct side {
	struct coap_endpoint endpoint;
	struct tls_setup *setup;     /* NULL: in clear */
	struct sender *sender;
	bool tried, open;
};

struct sending {
	struct coap_call call;
	struct send *send;
	struct side *side;
	uv_getaddrinfo_t lookup;
	struct loop_msg msg;
	struct sending *prev, *next; /* while it is looked up */
	uint16_t port;
	char host[256];
};

struct sender {
	struct core *core;
	struct side clear, secure;
	struct sending *looking;
	bool stopped;
};

static void sent(struct coap_call *call, const struct coap_answer *a)
{
	struct sending *g = call->owner;
	struct send *s = g->send;
	const struct limits *lim = &g->side->sender->core->cfg->limits;
	struct rsp rsp = { .rsc = a->status };
	struct arena arena;
	struct buf json;

	arena_init(&arena, NULL, 0, lim->request_memory);
	buf_init(&json, 8 * lim->response + 4096);
	if (a->status == 2 && !coap_map_received(&rsp, a->message, a->body, s->op, &arena, &json))
		rsp = (struct rsp){ .rsc = 0 };
	free(g);
	s->done(s, &rsp);
	buf_free(&json);
	arena_reset(&arena);
}

static void concluded(struct loop *l, struct loop_msg *m)
{
	struct sending *g = (struct sending *)((char *)m - offsetof(struct sending, msg));
	const struct coap_answer none = { 0 };

	buf_free(&g->call.options);
	buf_free(&g->call.payload);
	sent(&g->call, &none);
}

/* Nobody is there, or it cannot be said: told in a turn of its own. */
static void nobody(struct sending *g)
{
	g->msg.fn = concluded;
	loop_post(&g->side->sender->core->loops[0], &g->msg);
}

/* The peer at this address; behind DTLS with who is expected there. */
static struct coap_peer *peer_of(struct sending *g, const struct sockaddr *a)
{
	struct side *side = g->side;
	struct core *core = side->sender->core;
	struct tls_want want = { 0 };
	struct coap_peer *p = NULL;
	struct arena arena;

	if (!side->setup)
		return coap_peer_at(&side->endpoint, a);
	arena_init(&arena, NULL, 0, 65536);
	if (association_want(core, g->send->entity, &arena, &want) == RC_OK) {
		p = coap_peer_secure(&side->endpoint, a, g->send->entity, &want);
		association_want_done(&want);
	}
	arena_reset(&arena);
	return p;
}

static bool open_side(struct side *side)
{
	struct core *core = side->sender->core;
	int rc;

	if (side->tried || side->sender->stopped)
		return side->open && !side->sender->stopped;
	side->tried = true;
	rc = coap_endpoint_open(&side->endpoint, core, &core->loops[0], NULL, 0, side->setup, &coap_client_handler, side);
	side->open = rc == 0;
	if (!side->open) {
		log_error("coap", "no socket to send from: %s", uv_strerror(rc));
		coap_endpoint_close(&side->endpoint, NULL);
	}
	return side->open;
}

/* A request goes to one host: what is for many has no security association, and no single answer (TS-0008 annex B; SEC-022). */
static bool is_one(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) < 0xe0000000;
	return !IN6_IS_ADDR_MULTICAST(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static void begin(struct sending *g, struct sockaddr *a)
{
	struct side *side = g->side;
	struct coap_peer *p;

	if (a->sa_family == AF_INET)
		((struct sockaddr_in *)(void *)a)->sin_port = htons(g->port);
	else
		((struct sockaddr_in6 *)(void *)a)->sin6_port = htons(g->port);
	p = side->sender->stopped || !is_one(a) || g->call.options.failed || g->call.payload.failed ? NULL : peer_of(g, a);
	if (!p) {
		nobody(g);
		return;
	}
	coap_call(p, &g->call);
	coap_flush(&side->endpoint);
}

static void found(uv_getaddrinfo_t *q, int status, struct addrinfo *list)
{
	struct sending *g = q->data;
	struct sender *me = g->side->sender;
	struct addrinfo *i = status == 0 ? list : NULL;

	*(g->prev ? &g->prev->next : &me->looking) = g->next;
	if (g->next)
		g->next->prev = g->prev;
	while (i && i->ai_family != AF_INET && i->ai_family != AF_INET6)
		i = i->ai_next;
	if (i && !me->stopped)
		begin(g, i->ai_addr);
	else
		concluded(NULL, &g->msg);
	uv_freeaddrinfo(list);
}

static void look_up(struct sending *g)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM };
	struct sender *me = g->side->sender;

	g->lookup.data = g;
	if (uv_getaddrinfo(&me->core->loops[0].uv, &g->lookup, found, g->host, NULL, &hints) != 0) {
		nobody(g);
		return;
	}
	g->prev = NULL;
	g->next = me->looking;
	if (me->looking)
		me->looking->prev = g;
	me->looking = g;
}

static void send_over(struct side *side, struct send *s)
{
	struct core *core = side->sender->core;
	struct sending *g = calloc(1, sizeof(*g));
	union coap_address a;
	struct slice host, rest;

	if (!g)
		abort();
	memset(&a, 0, sizeof(a));
	g->send = s;
	g->side = side;
	g->call = (struct coap_call){ .body_max = core->cfg->limits.response, .timeout = s->timeout, .done = sent, .owner = g };
	buf_init(&g->call.options, 65536);
	buf_init(&g->call.payload, 2 * s->pc.n + 4096);
	if (!open_side(side) || !coap_map_url(s->url, &host, &g->port, &rest) || host.n >= sizeof(g->host)) {
		nobody(g);
		return;
	}
	memcpy(g->host, host.p, host.n);
	g->call.method = coap_map_send(s, host, rest, &g->call.options, &g->call.payload);
	if (uv_ip4_addr(g->host, 0, &a.v4) == 0 || uv_ip6_addr(g->host, 0, &a.v6) == 0)
		begin(g, &a.any);
	else
		look_up(g);
}

static void send_clear(void *ctx, struct send *s) { send_over(&((struct sender *)ctx)->clear, s); }
static void send_secure(void *ctx, struct send *s) { send_over(&((struct sender *)ctx)->secure, s); }

static void stop_side(struct side *side)
{
	if (!side->open)
		return;
	coap_calls_stop(&side->endpoint);
	coap_endpoint_close(&side->endpoint, NULL);
}

static void stop(void *ctx)
{
	struct sender *me = ctx;

	me->stopped = true;
	for (struct sending *g = me->looking; g; g = g->next)
		uv_cancel((uv_req_t *)&g->lookup);
	stop_side(&me->clear);
	stop_side(&me->secure);
}

static void end(void *ctx)
{
	struct sender *me = ctx;

	tls_setup_put(me->secure.setup);
	free(me);
}

void coap_sender_register(struct core *c)
{
	struct sender *me = calloc(1, sizeof(*me));

	if (!me)
		abort();
	me->core = c;
	me->clear.sender = me->secure.sender = me;
	core_add_transport(c, &(struct transport){ .scheme = "coap", .ctx = me, .send = send_clear, .stop = stop, .free = end });
	if ((me->secure.setup = association_setup(c, true, true)))
		core_add_transport(c, &(struct transport){ .scheme = "coaps", .ctx = me, .send = send_secure });
}
