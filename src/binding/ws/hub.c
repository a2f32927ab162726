/* SPDX-License-Identifier: Apache-2.0 */
/* Who is connected, and what is under way to whom. Hub only, except where it says so.
 *
 * A registree is an <AE> or <remoteCSE>, named by its ordinal: who registers anew under a name is another one, and nothing of the former
 * one's connections is his. Its newest connection is used. A call is made here, lent to the loop of the connection, and comes back
 * with what became of it; in between the send it stands for is not touched. */
#include "binding/ws/ws_int.h"

#include <stdlib.h>

#include "core/cse/way.h"
#include "core/hub.h"
#include "core/notify/notify.h"

struct attached { struct attached *next; struct ws_link *link; };
struct ws_registree { struct ws_registree *next; uint64_t n; struct attached *first; /* newest first */ };

/* --- links --- */

struct ws_link *ws_link_get(struct ws_link *k)
{
	atomic_fetch_add(&k->refs, 1);
	return k;
}

void ws_link_put(struct ws_link *k)
{
	if (atomic_fetch_sub(&k->refs, 1) == 1)
		free(k);
}

struct link_msg {
	struct loop_msg msg;
	struct ws *ws;
	struct ws_link *link;
	uint64_t registree;
	size_t n;
	char id[];
};

/* Any loop. */
static void link_post(struct ws *w, struct loop *to, void (*fn)(struct loop *, struct loop_msg *), struct ws_link *k, uint64_t registree,
		      struct slice id)
{
	struct link_msg *m = malloc(sizeof(*m) + id.n);

	if (!m)
		abort(); /* a few hundred bytes: nothing can go on */
	*m = (struct link_msg){ .msg = { .fn = fn }, .ws = w, .link = ws_link_get(k), .registree = registree, .n = id.n };
	if (id.n)
		memcpy(m->id, id.p, id.n);
	loop_post(to, &m->msg);
}

static void link_msg_free(struct link_msg *m)
{
	ws_link_put(m->link);
	free(m);
}

/* --- registrees --- */

static struct ws_registree **place(struct ws *w, uint64_t n)
{
	struct ws_registree **at = &w->registrees[n % REGISTREE_BUCKETS];

	while (*at && (*at)->n != n)
		at = &(*at)->next;
	return at;
}

static void forget_registree(struct ws_link *k, uint64_t n)
{
	unsigned i = 0;

	while (i < k->n_registrees && k->registrees[i] != n)
		i++;
	if (i < k->n_registrees)
		k->registrees[i] = k->registrees[--k->n_registrees];
}

/* Take the link at *at away from the registree at *place_of. */
static void detach(struct ws_registree **place_of, struct attached **at)
{
	struct ws_registree *r = *place_of;
	struct attached *a = *at;

	*at = a->next;
	forget_registree(a->link, r->n);
	ws_link_put(a->link);
	free(a);
	if (!r->first) {
		*place_of = r->next;
		free(r);
	}
}

/* On the loop of the connection. */
static void replaced(struct loop *l, struct loop_msg *msg)
{
	struct link_msg *m = (struct link_msg *)msg;

	(void)l;
	if (m->link->conn)
		ws_conn_stop(m->link->conn, WS_POLICY, "there are newer connections (ws.connections_each)", false);
	link_msg_free(m);
}

static void keep_newest(struct ws *w, struct ws_registree **r, unsigned most)
{
	struct attached **at = &(*r)->first;
	struct ws_link *k;

	while (*at && most--)
		at = &(*at)->next;
	if (!*at)
		return;
	k = ws_link_get((*at)->link);
	detach(r, at);
	if (!k->n_registrees)
		link_post(w, k->loop, replaced, k, 0, S(""));
	ws_link_put(k);
}

static void attach(struct ws *w, struct ws_link *k, uint64_t n)
{
	struct ws_registree **r = place(w, n);
	struct attached *a;

	if (*r && (*r)->first->link == k)
		return;
	if (!*r && (*r = calloc(1, sizeof(**r))))
		(*r)->n = n;
	a = *r ? calloc(1, sizeof(*a)) : NULL;
	if (!a)
		abort();
	for (struct attached **at = &(*r)->first; *at; at = &(*at)->next)
		if ((*at)->link == k) { /* it becomes the newest */
			free(a);
			a = *at;
			*at = a->next;
			a->next = (*r)->first;
			(*r)->first = a;
			return;
		}
	a->link = ws_link_get(k);
	a->next = (*r)->first;
	(*r)->first = a;
	if (k->n_registrees == REGISTREES_MOST) { /* the first of them is let go */
		struct ws_registree **old = place(w, k->registrees[0]);
		struct attached **at = &(*old)->first;

		while ((*at)->link != k)
			at = &(*at)->next;
		detach(old, at);
	}
	k->registrees[k->n_registrees++] = n;
	keep_newest(w, place(w, n), w->core->cfg->ws.connections_each);
	notifier_reachable(w->core, n);
}

/* --- from identities to registrees --- */

static uint64_t look_up(struct exec *x, struct arena *a, struct slice id)
{
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon, stem;
	struct res r;

	if (ident_parse(a, &x->core->home, id, &kind, &form, &canon) != RC_OK)
		return 0;
	if (kind == ID_CSE)
		return way_neighbour(x, canon, &r) == RC_OK ? r.key.n : 0;
	if (kind != ID_AE_C && kind != ID_AE_S)
		return 0;
	for (stem = canon; slice_find(stem, '/') >= 0;)
		stem = slice_skip(stem, (size_t)slice_find(stem, '/') + 1);
	/* a C-type AE-ID belongs to its registrar: elsewhere there may be one with the same stem */
	if (kind == ID_AE_C && !(canon.n == x->core->home.abs.n + 1 + stem.n && slice_starts(canon, x->core->home.abs)))
		return 0;
	return tree_stem(x->tx, stem, &r) == RC_OK && r.h.et > x->now ? r.key.n : 0;
}

/* The ordinal of the registree that id names; 0: nobody of that name is registered. */
static uint64_t registree_of(struct ws *w, struct slice id)
{
	uint64_t n = 0;
	char mem[1024];
	struct arena a;
	struct exec x;

	if (!hub_snapshot_begin(w->core, &x))
		return 0;
	arena_init(&a, mem, sizeof(mem), 65536);
	n = look_up(&x, &a, id);
	arena_reset(&a);
	hub_snapshot_end(&x);
	return n;
}

static void attach_here(struct loop *l, struct loop_msg *msg)
{
	struct link_msg *m = (struct link_msg *)msg;

	(void)l;
	if (!m->link->gone && !m->ws->stopped) {
		uint64_t n = m->registree ? m->registree : registree_of(m->ws, slice_of(m->id, m->n));
		if (n)
			attach(m->ws, m->link, n);
	}
	link_msg_free(m);
}

void ws_attach(struct ws_conn *c, uint64_t registree, struct slice id)
{
	struct ws *w = c->lane->ws;
	link_post(w, &w->core->loops[0], attach_here, c->link, registree, id);
}

static void link_ended(struct loop *l, struct loop_msg *msg)
{
	struct link_msg *m = (struct link_msg *)msg;
	struct ws_link *k = m->link;

	(void)l;
	k->gone = true;
	while (k->n_registrees) {
		struct ws_registree **r = place(m->ws, k->registrees[0]);
		struct attached **at = &(*r)->first;

		while ((*at)->link != k)
			at = &(*at)->next;
		detach(r, at);
	}
	link_msg_free(m);
}

/* On the connection's loop; once, further calls do nothing. */
void ws_link_end(struct ws_conn *c)
{
	struct ws *w = c->lane->ws;

	if (!c->link->conn)
		return;
	c->link->conn = NULL;
	link_post(w, &w->core->loops[0], link_ended, c->link, 0, S(""));
}

void ws_reached(struct ws *w, struct slice id)
{
	uint64_t n = registree_of(w, id);

	if (n)
		notifier_reachable(w->core, n);
}

/* --- calls --- */

static struct ws_call *call_new(struct ws *w, struct send *s)
{
	struct ws_call *k = calloc(1, sizeof(*k));

	if (!k)
		abort();
	k->ws = w;
	k->send = s;
	k->deadline = ws_now() + (s->timeout > USEC_MS ? (uint64_t)(s->timeout / USEC_MS) : 1);
	k->all_next = w->calls;
	k->all_link = &w->calls;
	if (w->calls)
		w->calls->all_link = &k->all_next;
	w->calls = k;
	return k;
}

static void call_free(struct ws_call *k)
{
	*k->all_link = k->all_next;
	if (k->all_next)
		k->all_next->all_link = k->all_link;
	if (k->link)
		ws_link_put(k->link);
	free(k->bytes);
	free(k->answer);
	free(k);
}

/* False: he has no connection, or it is too late. */
static bool give_to_registree(struct ws_call *k)
{
	struct ws_registree *r = k->registree ? *place(k->ws, k->registree) : NULL;

	if (!r || k->ws->stopped || ws_now() >= k->deadline)
		return false;
	if (k->link)
		ws_link_put(k->link);
	free(k->bytes);
	k->bytes = NULL;
	ws_call_give(k, r->first->link);
	return true;
}

static void call_back(struct loop *l, struct loop_msg *msg)
{
	struct ws_call *k = (struct ws_call *)((char *)msg - offsetof(struct ws_call, msg));
	const struct limits *lim = &k->ws->core->cfg->limits;
	struct rsp rsp = { .rsc = k->rsc };
	struct send *s = k->send;
	struct message m;
	struct slice rqi;
	struct arena a;

	(void)l;
	if (k->rsc == 0 && give_to_registree(k)) /* that connection has ended before it was sent, another one is there */
		return;
	arena_init(&a, NULL, 0, lim->request_memory);
	if (k->answer) {
		message_read(&m, &a, k->link->serial, slice_of(k->answer, k->answer_n), lim);
		if (!message_response(&a, &m, &rsp, &rqi))
			rsp = (struct rsp){ .rsc = 0 };
	}
	s->done(s, &rsp);
	arena_reset(&a);
	call_free(k);
}

void ws_call_done(struct ws_call *k, int rsc, struct slice answer)
{
	k->rsc = rsc;
	if (rsc >= 1000) {
		k->answer = malloc(answer.n + 1);
		k->rsc = k->answer ? rsc : 0;
		k->answer_n = answer.n;
		if (k->answer)
			memcpy(k->answer, answer.p, answer.n);
	}
	k->msg.fn = call_back;
	loop_post(&k->ws->core->loops[0], &k->msg);
}

/* --- the transport --- */

static bool connected(void *ctx, uint64_t registree) { return *place(ctx, registree) != NULL; }

static void send_ws(void *ctx, struct send *s)
{
	struct ws *w = ctx;
	struct ws_call *k = call_new(w, s);

	k->registree = s->url.n ? 0 : s->registree;
	k->repeatable = s->op != OP_CREATE;
	if (s->url.n && !w->stopped)
		ws_client_send(w, k);
	else if (!give_to_registree(k))
		ws_call_done(k, 0, S(""));
}

static void stop(void *ctx)
{
	struct ws *w = ctx;

	w->stopped = true;
	ws_client_stop(w);
}

/* The loops have ended; what was on its way is nobody's. */
static void end(void *ctx)
{
	struct ws *w = ctx;

	ws_client_free(w);
	for (size_t i = 0; i < REGISTREE_BUCKETS; i++)
		while (w->registrees[i])
			detach(&w->registrees[i], &w->registrees[i]->first);
	while (w->calls)
		call_free(w->calls);
	for (unsigned i = 0; i < w->core->n_loops; i++)
		ws_lane_free(&w->lanes[i]);
	free(w->lanes);
	free(w);
}

enum reeve_rc ws_register(struct core *c, struct ws **out)
{
	struct ws *w = calloc(1, sizeof(*w));
	struct transport t;

	if (!w || !(w->lanes = calloc(c->n_loops, sizeof(*w->lanes)))) {
		free(w);
		return RC_NOMEM;
	}
	w->core = c;
	ws_upgrade_init(w);
	for (unsigned i = 0; i < c->n_loops; i++) {
		w->lanes[i].ws = w;
		w->lanes[i].loop = &c->loops[i];
	}
	t = (struct transport){ .scheme = "ws", .ctx = w, .send = send_ws, .connected = connected, .stop = stop, .free = end };
	core_add_transport(c, &t);
	t = (struct transport){ .scheme = "wss", .ctx = w, .send = send_ws, .connected = connected };
	core_add_transport(c, &t);
	*out = w;
	return RC_OK;
}
