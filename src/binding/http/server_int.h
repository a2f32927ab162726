/* SPDX-License-Identifier: Apache-2.0 */
/* What server.c (listening, time, start and stop) and conn.c (connections) share. */
#ifndef REEVE_BINDING_HTTP_SERVER_INT_H
#define REEVE_BINDING_HTTP_SERVER_INT_H

#include <stdatomic.h>

#include "binding/http/http.h"
#include "binding/http/reader.h"
#include "core/association/association.h"
#include "tls/stream.h"

enum {
	OUT_BYTES = 65536,         /* answers gathered before they are sent */
	POOL_MOST = 256,           /* idle exchanges kept per loop */
	DISCARD_BYTES = 1 << 20,   /* of a client that talks on after its last answer */
	LINGER_MS = 2000,          /* and how long it may */
	TICK_MS = 250,
	STOP_MS = 3000,            /* answers that are outstanding at the end may take this long */
};

/* A request from its first byte to its answer. Idle connections have none. */
struct exchange {
	struct req req;            /* first: done finds us */
	struct http_in in;
	struct lane *lane;
	struct conn *conn;         /* NULL: the client has gone */
	struct association *association; /* of that connection, which the request may outlive; NULL: in clear */
	struct exchange *next;     /* in the pool, or in the lane's list of late answers */
	struct exchange *all_next, **all_link;
	struct http_page_call page;
	bool submitting, answered;
	bool paging;               /* a page is being made: the core knows nothing of it */
};

/* What a connection is waiting for; each has a deadline of its own. */
enum wait { WAIT_HANDSHAKE, WAIT_IDLE, WAIT_HEADER, WAIT_BODY, WAIT_CORE, WAIT_WRITE, WAIT_LINGER, WAIT_TAKEN, WAITS };

/* All connections that wait for the same, longest waiting first: as the span is the same for all of a queue, only heads
 * need to be looked at. */
struct wait_queue { struct conn *first, *last; };

struct conn {
	struct stream stream;      /* first */
	struct lane *lane;
	struct conn *prev, *next;  /* in queue[wait] */
	uint64_t since;            /* ms of the loop's clock */
	struct exchange *ex;
	struct http_taken *taken;  /* who has taken it over; NULL: it is HTTP */
	struct association *association; /* NULL: in clear, or not yet */
	char *rest;                /* read and not parsed yet: [rest_at, rest_n) */
	uint32_t rest_n, rest_at;
	size_t unread;             /* bytes of answers that wait for the socket, as counted in core->shared */
	uint32_t pending;          /* WAIT_WRITE: bytes that were still to go when last looked at; WAIT_LINGER: bytes discarded */
	http_parser parser;
	uint8_t ip[16];
	uint8_t wait;              /* enum wait */
	bool ip_known;
	bool writing;              /* answers wait for the socket */
	bool shaking;              /* the handshake is under way */
	bool busy;                 /* the core has the request */
	bool reading;
	bool last;                 /* no further request is read from it */
	bool eof;                  /* the client sends no more */
	bool lingering;            /* our side is shut down */
	bool dead;
};

/* What one loop has. */
struct lane {
	struct http_server *server;
	struct loop *loop;
	uv_tcp_t listener;
	uv_timer_t tick;
	struct wait_queue queue[WAITS];
	uint64_t span[WAITS];      /* ms */
	unsigned n_conns, n_pool;
	struct exchange *pool, *all;
	struct conn *serving;      /* whose bytes are being worked on: `out` is its */
	struct exchange *late, **late_end; /* answers to others that came meanwhile */
	struct buf out;
	uint64_t told_at;          /* when a failed handshake was told last, in ms, and how many were not told since */
	unsigned untold;
	bool stopping, told, answering_late;
	struct loop_msg start_msg, stop_msg, force_msg;
	int fd;
};

struct http_server {
	struct core *core;
	_Atomic(http_page) page;   /* set while the loops run */
	_Atomic(const struct http_upgrade *) upgrade; /* so is this */
	struct lane *lanes;
	unsigned n_lanes;
	uint16_t port;
	bool tls;                  /* every connection is a security association */
	/* start and stop wait for the lanes */
	uv_mutex_t mutex;
	uv_cond_t changed;
	unsigned waiting_for;      /* lanes that have not reported yet */
	int failed;                /* libuv's code */
};

/* conn.c */
void conn_accept(struct lane *l);
void conn_close(struct conn *c);
/* Its time is up. */
void conn_expired(struct conn *c);
/* The server stops: end now, or after the answer that is outstanding. */
void conn_stop(struct conn *c, bool now);
/* Who is at the other end, without what the association says. */
struct peer conn_peer(const struct conn *c);
/* The stream's last event. */
void conn_closed(struct stream *s);
void exchange_free(struct exchange *ex);

/* upgrade.c */
/* Does somebody take c over? Then the answer to its request stands in lane->out, or a refusal does. */
bool upgrade_asked(struct conn *c);
/* After that answer was sent: what came behind the request, and all further, is his. */
void upgrade_begin(struct conn *c, const char *rest, size_t n);

/* server.c */
/* Put c where connections wait for w; the time runs anew unless it waited for that already (WAIT_HEADER, WAIT_BODY). */
void lane_wait(struct conn *c, enum wait w);
void lane_leave(struct conn *c);
/* A connection was closed; when it was the last of a stopping lane, http_server_stop is told. */
void lane_conn_gone(struct lane *l);
void lane_report(struct lane *l, int failed);

#endif
