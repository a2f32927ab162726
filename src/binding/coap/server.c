/* SPDX-License-Identifier: Apache-2.0 */
/* CoAP listener: messages to requests of the core, answers to messages.
 *
 * What the core answers at once leaves in the acknowledgement; what takes longer is acknowledged without an answer, which follows in a
 * message of its own: confirmable when the request was (TS-0008 6.3.1). Everything but a Retrieve that is answered at once is remembered by
 * its message id and runs once (CORE-294). */
#include "binding/coap/coap.h"

#include <stdio.h>
#include <stdlib.h>

#include "binding/coap/endpoint.h"
#include "binding/coap/map.h"
#include "binding/coap/transfer.h"

enum { POOL_MOST = 256, OUT_BYTES = 65536 };

struct exchange {
	struct req req;              /* first: done finds us */
	struct coap_server *server;
	struct coap_peer *peer;
	struct association *association; /* what req.peer points into */
	struct exchange *next;       /* in the pool */
	struct exchange *all_next, **all_link;
	struct buf body;
	struct coap_block block1, block2;
	uint64_t key;
	uint16_t mid;
	uint8_t token_n;
	uint8_t code;                /* CoAP itself refused the request with this one; 0: as the primitive says */
	bool confirmable, remembered, has_block1;
	bool submitting, answered;   /* the core has it; it answered before it gave it back */
	char token[COAP_TOKEN_MAX];
};

struct coap_server {
	struct coap_endpoint endpoint; /* first */
	struct core *core;
	struct loop *loop;
	struct coap_transfers transfers;
	struct coap_due sweep;
	struct exchange *pool, *all;
	struct buf message;          /* being written */
	unsigned n_pool;
	bool secure;
	struct tls_setup *setup;
	const char *address;
	uint16_t port;
	struct loop_msg msg;
	uv_mutex_t mutex;
	uv_cond_t changed;
	bool waiting;
	int failed;
};

/* --- exchanges --- */

static void request_done(struct req *r);

static struct exchange *exchange_get(struct coap_server *s)
{
	const struct limits *lim = &s->core->cfg->limits;
	struct exchange *ex = s->pool;

	if (ex) {
		s->pool = ex->next;
		s->n_pool--;
	} else {
		ex = aligned_alloc(16, (sizeof(*ex) + 15) & ~(size_t)15);
		if (!ex)
			return NULL;
		req_init(&ex->req, s->loop, lim->request_memory, lim->response);
		ex->all_next = s->all;
		ex->all_link = &s->all;
		if (s->all)
			s->all->all_link = &ex->all_next;
		s->all = ex;
	}
	ex->server = s;
	ex->peer = NULL;
	ex->association = NULL;
	ex->code = 0;
	ex->req.owner = ex;
	ex->req.done = request_done;
	ex->submitting = ex->answered = ex->remembered = false;
	buf_init(&ex->body, lim->body);
	return ex;
}

static void exchange_free(struct exchange *ex)
{
	*ex->all_link = ex->all_next;
	if (ex->all_next)
		ex->all_next->all_link = ex->all_link;
	association_put(ex->association);
	req_free(&ex->req);
	buf_free(&ex->body);
	free(ex);
}

static void exchange_put(struct exchange *ex)
{
	struct coap_server *s = ex->server;

	if (ex->peer)
		coap_peer_put(ex->peer);
	ex->peer = NULL;
	association_put(ex->association);
	ex->association = NULL;
	buf_free(&ex->body);
	if (s->n_pool >= POOL_MOST) {
		exchange_free(ex);
		return;
	}
	req_reset(&ex->req);
	if (ex->req.out.cap > OUT_BYTES) /* one large answer must not cost memory for ever */
		buf_free(&ex->req.out);
	ex->next = s->pool;
	s->pool = ex;
	s->n_pool++;
}

/* --- answers --- */

static void sweep(struct coap_due *d)
{
	struct coap_server *s = (struct coap_server *)((char *)d - offsetof(struct coap_server, sweep));
	const uint64_t next = coap_transfers_expire(&s->transfers, uv_now(&s->loop->uv));

	if (next)
		coap_due_at(&s->endpoint, d, next);
}

static void watch_transfers(struct coap_server *s)
{
	if (!s->sweep.when && s->transfers.n)
		coap_due_at(&s->endpoint, &s->sweep, uv_now(&s->loop->uv) + s->transfers.span);
}

/* An answer that leaves in one message without a primitive: 2.31, 4.08 ... A Block1 of the request is told again. */
static void plain(struct coap_peer *p, const struct coap_message *m, uint8_t code, const struct coap_block *block1, struct slice why)
{
	struct coap_server *s = p->endpoint->ctx;
	struct coap_writer w;

	buf_clear(&s->message);
	coap_write_begin(&w, &s->message, m->type == COAP_CON ? COAP_ACK : COAP_NON, code, m->type == COAP_CON ? m->mid : coap_next_mid(p),
			 m->token);
	if (block1)
		coap_write_block(&w, OPT_BLOCK1, block1);
	coap_write_payload(&w, why);
	coap_send_once(p, buf_view(&s->message));
}

/* Code, options and payload of the answer as a message of the given type; a payload of more than a block is kept for later ones. */
static void compose(struct exchange *ex, enum coap_type type, uint16_t mid)
{
	struct coap_server *s = ex->server;
	struct coap_block block2 = ex->block2;
	struct slice payload, part;
	struct coap_writer w;
	struct buf options, tmp;
	uint8_t code;
	bool whole;

	buf_init(&options, 65536);
	buf_init(&tmp, 1 << 20);
	code = coap_map_answer(&ex->req, &options, &tmp, &payload);
	if (ex->code)
		code = ex->code;
	block2.size = coap_block_fitting(block2.size, options.n);
	whole = payload.n <= block2.size;
	part = payload;
	if (!whole)
		coap_transfer_slice(payload, &block2, &part);
	buf_clear(&s->message);
	coap_write_begin(&w, &s->message, type, code, mid, slice_of(ex->token, ex->token_n));
	if (whole && !ex->has_block1)
		buf_slice(&s->message, buf_view(&options));
	else
		coap_map_with_blocks(&s->message, buf_view(&options), whole ? NULL : &block2, ex->has_block1 ? &ex->block1 : NULL);
	coap_write_payload(&w, part);
	if (!whole) {
		if (payload.p != tmp.p) {
			buf_free(&tmp);
			buf_init(&tmp, payload.n);
			buf_slice(&tmp, payload);
		}
		coap_transfer_keep(&s->transfers, ex->peer, ex->key, code, &options, &tmp, uv_now(&s->loop->uv));
		watch_transfers(s);
	}
	buf_free(&options);
	buf_free(&tmp);
}

/* The answer as a message: with the acknowledgement while there was none, else apart. */
static void answer(struct exchange *ex, bool at_once)
{
	struct coap_server *s = ex->server;
	struct coap_peer *p = ex->peer;
	const enum coap_type type = !ex->confirmable ? COAP_NON : at_once ? COAP_ACK : COAP_CON;
	const uint16_t mid = type == COAP_ACK ? ex->mid : coap_next_mid(p);
	struct slice message;

	compose(ex, type, mid);
	message = buf_view(&s->message);
	if (s->message.failed || message.n > COAP_DATAGRAM_MAX) {
		struct coap_writer w;

		buf_clear(&s->message);
		coap_write_begin(&w, &s->message, type, COAP_CODE(5, 0), mid, slice_of(ex->token, ex->token_n));
		message = buf_view(&s->message);
	}
	if (ex->remembered)
		coap_remember_reply(p, ex->mid, type == COAP_ACK ? message : slice_of(NULL, 0));
	if (type == COAP_CON && !coap_send_confirmed(p, message, mid, NULL)) {
		metrics_inc(&s->core->metrics, limit_coap_unacked);
		s->message.p[0] = (char)((s->message.p[0] & 0xcf) | COAP_NON << 4);
		coap_send_once(p, buf_view(&s->message));
	} else if (type != COAP_CON) {
		coap_send_once(p, message);
	}
	exchange_put(ex);
}

static void request_done(struct req *r)
{
	struct exchange *ex = r->owner;
	struct coap_server *s = ex->server;

	if (ex->submitting) {
		ex->answered = true; /* submit goes on with it */
		return;
	}
	if (!ex->peer || s->endpoint.closing) {
		exchange_put(ex);
		return;
	}
	answer(ex, false);
	coap_flush(&s->endpoint);
}

/* --- requests --- */

static void about_peer(struct exchange *ex)
{
	struct peer *peer = &ex->req.peer;

	*peer = (struct peer){ 0 };
	coap_peer_ip(ex->peer, peer->ip);
	peer->ip_known = true;
	peer->open = !ex->server->secure && ex->server->core->cfg->coap.open;
	if (ex->peer->association) {
		ex->association = association_get(ex->peer->association);
		association_peer(ex->association, peer);
	}
}

static void submit(struct exchange *ex, const struct coap_message *m)
{
	struct coap_server *s = ex->server;
	struct core *core = s->core;

	metrics_inc(&core->metrics, coap_requests);
	ex->req.received = clock_wall();
	about_peer(ex);
	if (!coap_map_request(&ex->req, m, buf_view(&ex->body), &core->cfg->limits.json, &ex->code)) {
		ex->req.op = OP_NONE;
		answer(ex, true);
		return;
	}
	if (ex->req.over_json)
		metrics_inc(&core->metrics, limit_json);
	ex->submitting = true;
	core_submit(core, &ex->req);
	ex->submitting = false;
	if (ex->answered) {
		answer(ex, true);
		return;
	}
	if (!ex->confirmable)
		return;
	if (!ex->remembered) /* a Retrieve that waits: a polling channel gives a request out once */
		ex->remembered = coap_remember(ex->peer, ex->mid) != NULL;
	buf_clear(&s->message);
	coap_write_empty(&s->message, COAP_ACK, ex->mid);
	coap_send_once(ex->peer, buf_view(&s->message));
}

/* A whole request with this body. */
static void begin(struct coap_peer *p, const struct coap_message *m, struct buf *body, const struct coap_block *block1,
		  const struct coap_block *block2)
{
	struct coap_server *s = p->endpoint->ctx;
	struct exchange *ex = exchange_get(s);

	if (!ex) {
		plain(p, m, COAP_CODE(5, 3), block1, S("out of memory"));
		return;
	}
	coap_peer_get(p);
	ex->peer = p;
	if (m->code != COAP_GET) {
		if (!coap_remember(p, m->mid)) {
			metrics_inc(&s->core->metrics, limit_coap_running);
			exchange_put(ex);
			plain(p, m, COAP_CODE(5, 3), block1, S("too many requests of one peer are under way"));
			return;
		}
		ex->remembered = true;
	}
	if (body) {
		ex->body = *body;
		buf_init(body, 0);
	} else {
		buf_slice(&ex->body, m->payload);
	}
	ex->mid = m->mid;
	ex->confirmable = m->type == COAP_CON;
	ex->token_n = (uint8_t)m->token.n;
	if (m->token.n)
		memcpy(ex->token, m->token.p, m->token.n);
	ex->has_block1 = block1 != NULL;
	if (block1)
		ex->block1 = *block1;
	ex->block2 = block2 ? *block2 : (struct coap_block){ .size = COAP_BLOCK_MAX };
	ex->key = coap_transfer_key(m);
	submit(ex, m);
}

/* A later block of an answer. */
static void go_on(struct coap_peer *p, const struct coap_message *m, struct coap_block *block2)
{
	struct coap_server *s = p->endpoint->ctx;
	struct coap_transfer *x = coap_transfer_out(&s->transfers, p, m, uv_now(&s->loop->uv));
	struct coap_writer w;
	struct slice part;

	if (!x) {
		plain(p, m, COAP_CODE(4, 8), NULL, S("this answer is not here any more: begin with the first block"));
		return;
	}
	if (!coap_transfer_slice(buf_view(&x->body), block2, &part)) {
		plain(p, m, COAP_CODE(4, 0), NULL, S("there is no such block"));
		return;
	}
	buf_clear(&s->message);
	coap_write_begin(&w, &s->message, m->type == COAP_CON ? COAP_ACK : COAP_NON, x->code,
			 m->type == COAP_CON ? m->mid : coap_next_mid(p), m->token);
	coap_map_with_blocks(&s->message, buf_view(&x->options), block2, NULL);
	coap_write_payload(&w, part);
	coap_send_once(p, buf_view(&s->message));
}

static void on_request(struct coap_endpoint *e, struct coap_peer *p, const struct coap_message *m)
{
	static const struct slice whys[] = { { "a block that is not the last one has the size it says", 47 },
					     { "a block is missing: begin with the first one", 44 },
					     { "the content is larger than limits.body", 38 } };
	struct coap_server *s = e->ctx;
	struct coap_block block1, block2;
	const int has1 = coap_block_get(m, OPT_BLOCK1, &block1), has2 = coap_block_get(m, OPT_BLOCK2, &block2);
	struct buf body;
	uint8_t code;

	if (coap_repeated(p, m))
		return;
	if (has1 < 0 || has2 < 0) {
		plain(p, m, COAP_CODE(4, 2), NULL, S("a Block option is malformed"));
		return;
	}
	if (has2 && block2.num) {
		go_on(p, m, &block2);
		return;
	}
	if (!has1) {
		if (m->payload.n > s->core->cfg->limits.body) {
			metrics_inc(&s->core->metrics, limit_body);
			plain(p, m, COAP_CODE(4, 13), NULL, whys[2]);
		} else {
			begin(p, m, NULL, NULL, has2 ? &block2 : NULL);
		}
		return;
	}
	code = coap_transfer_in(&s->transfers, p, m, &block1, uv_now(&s->loop->uv), &body);
	watch_transfers(s);
	if (code) {
		plain(p, m, code, &block1, code == COAP_CODE(4, 0) ? whys[0] : code == COAP_CODE(4, 8) ? whys[1] :
				   code == COAP_CODE(4, 13) ? whys[2] : S(""));
		return;
	}
	begin(p, m, &body, &block1, has2 ? &block2 : NULL);
	buf_free(&body);
}

/* We ask nothing here, so nothing is an answer: who sends one is told once. */
static void on_response(struct coap_endpoint *e, struct coap_peer *p, const struct coap_message *m)
{
	struct coap_server *s = e->ctx;

	if (m->type != COAP_CON)
		return;
	buf_clear(&s->message);
	coap_write_empty(&s->message, COAP_RST, m->mid);
	coap_send_once(p, buf_view(&s->message));
}

static void on_ended(struct coap_peer *p)
{
	struct coap_server *s = p->endpoint->ctx;

	coap_transfers_drop(&s->transfers, p);
}

static const struct coap_handler handler = { .request = on_request, .response = on_response, .ended = on_ended };

/* --- start and stop --- */

static void report(struct coap_server *s, int failed)
{
	uv_mutex_lock(&s->mutex);
	s->waiting = false;
	s->failed = failed;
	uv_cond_broadcast(&s->changed);
	uv_mutex_unlock(&s->mutex);
}

static void on_loop(struct coap_server *s, void (*fn)(struct loop *, struct loop_msg *))
{
	s->waiting = true;
	s->msg.fn = fn;
	loop_post(s->loop, &s->msg);
	uv_mutex_lock(&s->mutex);
	while (s->waiting)
		uv_cond_wait(&s->changed, &s->mutex);
	uv_mutex_unlock(&s->mutex);
}

static void closed(struct coap_endpoint *e) { report(e->ctx, 0); }

static void stop_on_loop(struct loop *l, struct loop_msg *m)
{
	struct coap_server *s = (struct coap_server *)((char *)m - offsetof(struct coap_server, msg));

	coap_due_cancel(&s->sweep);
	coap_transfers_drop(&s->transfers, NULL);
	coap_endpoint_close(&s->endpoint, closed);
}

static void start_on_loop(struct loop *l, struct loop_msg *m)
{
	struct coap_server *s = (struct coap_server *)((char *)m - offsetof(struct coap_server, msg));

	report(s, coap_endpoint_open(&s->endpoint, s->core, l, s->address, s->port, s->setup, &handler, s));
}

enum reeve_rc coap_listen(struct core *c, const char *address, uint16_t port, bool secure, struct coap_server **out, char why[256])
{
	struct coap_server *s = calloc(1, sizeof(*s));
	const usec span = c->cfg->limits.body_time;

	if (!s || uv_mutex_init(&s->mutex) != 0 || uv_cond_init(&s->changed) != 0)
		abort(); /* at the start, a few hundred bytes */
	s->core = c;
	s->loop = &c->loops[c->n_loops - 1]; /* not the hub, if there is another one */
	s->address = address;
	s->port = port;
	s->secure = secure;
	s->sweep.fn = sweep;
	buf_init(&s->message, 2 * COAP_DATAGRAM_MAX + c->cfg->limits.response);
	coap_transfers_init(&s->transfers, span > USEC_S ? (uint64_t)(span / USEC_MS) : 1000, c->cfg->limits.body, &c->metrics);
	if (secure && !(s->setup = association_setup(c, false, true))) {
		snprintf(why, 256, "coaps.address is set, but there is nothing that proves who this CSE is (tls.psk, tls.certificates)");
		coap_server_free(s);
		return RC_INVALID;
	}
	on_loop(s, start_on_loop);
	if (s->failed) {
		snprintf(why, 256, "%s:%u cannot be listened on: %s", address, port, uv_strerror(s->failed));
		coap_server_stop(s);
		coap_server_free(s);
		return RC_IO;
	}
	*out = s;
	return RC_OK;
}

static void renew_on_loop(struct loop *l, struct loop_msg *m)
{
	struct coap_server *s = (struct coap_server *)((char *)m - offsetof(struct coap_server, msg));
	struct tls_setup *setup = association_setup(s->core, false, true);

	if (setup) {
		dtls_set_setup(s->endpoint.dtls, setup);
		tls_setup_put(s->setup);
		s->setup = setup;
	}
	report(s, 0);
}

void coap_server_renew(struct coap_server *s)
{
	if (s && s->secure)
		on_loop(s, renew_on_loop);
}

uint16_t coap_server_port(const struct coap_server *s) { return s->endpoint.port; }

void coap_server_stop(struct coap_server *s)
{
	if (s && s->endpoint.table)
		on_loop(s, stop_on_loop);
}

void coap_server_free(struct coap_server *s)
{
	if (!s)
		return;
	while (s->all) {
		if (s->all->peer)
			coap_peer_put(s->all->peer);
		exchange_free(s->all);
	}
	tls_setup_put(s->setup);
	buf_free(&s->message);
	uv_cond_destroy(&s->changed);
	uv_mutex_destroy(&s->mutex);
	free(s);
}
