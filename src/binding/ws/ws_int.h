/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the WebSocket binding share.
 *
 *   server.c  takes a connection over from HTTP        conn.c  a connection: requests in, answers out; calls out, answers in
 *   client.c  opens one and keeps it                   hub.c   who is connected; calls on their way; the transport
 */
#ifndef REEVE_BINDING_WS_WS_INT_H
#define REEVE_BINDING_WS_WS_INT_H

#include <stdatomic.h>

#include "binding/primitive/message.h"
#include "binding/ws/frames.h"
#include "binding/ws/ws.h"
#include "core/association/association.h"
#include "tls/stream.h"

enum {
	TICK_MS = 250,
	CLOSE_MS = 2000,           /* how long the peer may take to answer our close frame, or to end the connection */
	STOP_MS = 3000,            /* as HTTP: answers that are outstanding at the end may take so long */
	POOL_MOST = 64,            /* idle exchanges kept per loop */
	PENDING_BYTES = 65536,     /* requests beyond ws.requests that are kept before reading stops */
	UNSENT_BYTES = 262144,     /* for one peer, before nothing more is read from him */
	REGISTREES_MOST = 64,      /* of one connection */
	ORIGINATORS_SEEN = 8,
	LOOK_AGAIN_MS = 10000,     /* an Originator who was not registered may be now */
};

struct ws_lane;
struct ws_conn;
struct ws_call;

/* How the hub names a connection. Counted; `conn` is for the connection's loop alone. */
struct ws_link {
	atomic_uint refs;
	struct loop *loop;
	enum serial serial;
	struct ws_conn *conn;      /* NULL: it has ended */
	/* the hub's: */
	uint64_t registrees[REGISTREES_MOST]; unsigned n_registrees;
	bool gone;
};

struct ws_link *ws_link_get(struct ws_link *k);
void ws_link_put(struct ws_link *k);

/* A request to the peer of a connection: made on the hub, lent to the connection's loop, and back. */
struct ws_call {
	struct loop_msg msg;
	struct ws_call *next, *prev;         /* in a list of the connection or of the client */
	struct ws_call *all_next, **all_link; /* of the hub */
	struct ws *ws;
	struct send *send;         /* the hub's; touched there alone */
	struct ws_link *link;
	bool repeatable;           /* may be sent twice: when its connection ends before the answer, another one is tried */
	uint64_t registree;        /* whose connections may be used; 0: it is the client's */
	char *bytes; size_t n;     /* the primitive */
	struct slice rqi;          /* behind it */
	uint64_t deadline;         /* ms */
	char *answer; size_t answer_n; /* the response primitive, when rsc is 2000 */
	int rsc;                   /* 0 could not be sent, 1 no answer in time, else answered */
};

struct ws_calls { struct ws_call *first, *last; unsigned n; };
void ws_calls_push(struct ws_calls *l, struct ws_call *k);
void ws_calls_take(struct ws_calls *l, struct ws_call *k);

/* A request of the peer. */
struct ws_exchange {
	struct req req;            /* first */
	struct ws_lane *lane;
	struct ws_conn *conn;      /* NULL: it has ended */
	struct association *association;
	struct ws_exchange *next, *prev; /* of the connection; next also in the pool */
	struct ws_exchange *all_next, **all_link;
	bool submitting, answered;
};

/* A request beyond ws.requests. */
struct ws_pending { struct ws_pending *next; size_t n; char text[]; };

/* Who opened it and owns its stream. */
struct ws_owner {
	/* Close the stream; ws_conn_free when that is done. Called once. */
	void (*close)(struct ws_conn *c);
	bool client;
	bool takes_requests;       /* else every request is refused: we do not know whom we called */
	bool idle_ends;            /* nobody needs it while nothing is under way */
	bool attach;               /* what the core has for its registrees goes over it */
};

struct ws_conn {
	struct ws_lane *lane;
	struct ws_conn *next, *prev;
	struct stream *stream;
	struct ws_owner how;
	void *owner;
	struct ws_frames frames;
	struct ws_link *link;
	struct peer peer;          /* without what the association says */
	struct association *association; /* NULL: in clear */
	enum serial serial;
	struct ws_exchange *exchanges; unsigned n_exchanges;
	struct ws_pending *pending, **pending_end; size_t pending_bytes;
	struct ws_calls calls;     /* sent */
	struct ws_calls waiting;   /* not sent yet */
	size_t unsent;             /* as it counts for limits.unread */
	size_t left;               /* unsent when looked at last */
	uint64_t heard, moved, used, begun; /* ms: last byte; last progress of writing; last primitive; of the message that is coming */
	uint64_t deadline;         /* of the end; 0: none */
	struct { uint64_t hash, at; } seen[ORIGINATORS_SEEN]; unsigned n_seen;
	bool pinged, paused, busy, stopping, shut, dead;
};

/* What one loop has. */
struct ws_lane {
	struct ws *ws;
	struct loop *loop;
	uv_timer_t tick;
	struct ws_conn *conns;
	struct ws_exchange *pool, *all;
	unsigned n_pool;
	bool started;
};

struct ws_registree;
struct ws_target;
enum { REGISTREE_BUCKETS = 1024 };

struct ws {
	struct core *core;
	struct ws_lane *lanes;
	struct http_upgrade upgrade;
	/* the hub's: */
	struct ws_registree *registrees[REGISTREE_BUCKETS];
	struct ws_call *calls;
	struct ws_target *targets;
	uv_timer_t tick;           /* of targets */
	bool ticking, stopped;
};

uint64_t ws_now(void);             /* ms, the same clock on every loop */

/* conn.c */
/* RC_NOMEM. The stream is open; bytes are given by the owner. Reading is started. */
REEVE_MUST_CHECK enum reeve_rc ws_conn_new(struct ws *w, struct loop *l, struct stream *s, const struct ws_owner *how, void *owner,
					   enum serial serial, const struct peer *peer, struct association *a, struct ws_conn **out);
void ws_conn_read(struct ws_conn *c, const char *p, ssize_t n);
void ws_conn_drained(struct ws_conn *c, int status);
/* Say that we close, when what is under way is answered; `now`: at once. */
void ws_conn_stop(struct ws_conn *c, uint16_t code, const char *reason, bool now);
/* End it: what is under way is concluded, and the owner closes. */
void ws_conn_end(struct ws_conn *c);
void ws_conn_free(struct ws_conn *c);
void ws_lane_free(struct ws_lane *l);

/* server.c */
void ws_upgrade_init(struct ws *w);

/* hub.c */
/* On the loop of k's connection: k is the hub's again. */
void ws_call_done(struct ws_call *k, int rsc, struct slice answer);
/* On the hub: hand k over. Its bytes are made now, as the connection speaks. */
void ws_call_give(struct ws_call *k, struct ws_link *link);
/* On the loop of a connection: its peer is the registree with that ordinal; or whoever `id` says, when he is registered. */
void ws_attach(struct ws_conn *c, uint64_t registree, struct slice id);
void ws_link_end(struct ws_conn *c);
/* On the hub. */
void ws_reached(struct ws *w, struct slice id);

/* client.c, on the hub */
void ws_client_send(struct ws *w, struct ws_call *k);
void ws_client_stop(struct ws *w);
void ws_client_free(struct ws *w);

#endif
