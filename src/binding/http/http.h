/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP binding (TS-0009): listener side and client side. Knows headers and bytes, no resources. */
#ifndef REEVE_BINDING_HTTP_HTTP_H
#define REEVE_BINDING_HTTP_HTTP_H

#include "core/core.h"
#include "tls/tls.h"

/* --- listener --- */

struct http_server;
/* Listen on every loop of c (SO_REUSEPORT), in clear or for HTTPS. `port` 0 picks one; http_server_port tells. `why` explains a failure. */
REEVE_MUST_CHECK enum reeve_rc http_listen(struct core *c, const char *address, uint16_t port, bool tls, struct http_server **out,
					   char why[256]);
uint16_t http_server_port(const struct http_server *s);
/* No new connections; open ones end after their current answer, or after three seconds. Call before core_stop. */
void http_server_stop(struct http_server *s);
/* Call after core_stop: until then the core may still answer requests whose connection is gone. */
void http_server_free(struct http_server *s);

/* A request for a page that is not oneM2M (/metrics, /healthz, /credentials). */
struct http_page_call {
	struct core *core;
	struct loop *home;
	/* as sent; valid while the page is asked, not longer */
	const char *method;
	struct slice path, query, body;
	const struct peer *peer; /* who asks, as far as it was proven */
	/* the answer; 200 and "text/plain" unless the page says otherwise */
	int status;
	const char *type;
	struct buf out;
	/* When the page answers later: once, on `home`, in a turn of its own, and before http_server_free. */
	void (*done)(struct http_page_call *call);
};
enum http_page_result { PAGE_NONE /* path is none */, PAGE_DONE, PAGE_LATER };
typedef enum http_page_result (*http_page)(struct http_page_call *call);
void http_server_pages(struct http_server *s, http_page page);

/* --- another protocol on a listener's connection (RFC 7230 6.7) --- */

struct stream;
struct association;

/* A connection that is not HTTP any more. It stays the listener's, which passes on what happens to it; all on its loop. */
struct http_taken {
	/* filled in before `begin` */
	struct stream *stream;     /* to read and write; it is closed by http_taken_close */
	struct loop *loop;
	struct peer peer;          /* without what the association says */
	struct association *association; /* NULL: in clear */
	/* by who takes it: */
	void (*begin)(struct http_taken *t); /* our answer is sent; reading is stopped */
	void (*read)(struct http_taken *t, const char *p, ssize_t n);   /* as of struct stream_events */
	void (*drained)(struct http_taken *t, int status);
	void (*stop)(struct http_taken *t, bool now); /* the listener stops, or the association has ended: close soon, or at once */
	void (*closed)(struct http_taken *t); /* nothing refers to it any more */
};
void http_taken_close(struct http_taken *t);

enum http_upgraded { HTTP_NOT_UPGRADED, HTTP_UPGRADED, HTTP_UPGRADE_REFUSED };
struct http_upgrade {
	void *ctx;
	/* Somebody wants another protocol: `headers` are Upgrade, Connection and Sec-WebSocket-*, "name:value\n" each. What is
	 * answered is appended to out, unless the wish is not heard (HTTP_NOT_UPGRADED). After HTTP_UPGRADE_REFUSED the connection ends;
	 * HTTP_UPGRADED: *taken has it. Any loop. */
	enum http_upgraded (*ask)(void *ctx, const char *method, struct slice target, struct slice headers, struct buf *out,
				  struct http_taken **taken);
};
/* One for all listeners of s; it lives as long as they. */
void http_server_upgrade(struct http_server *s, const struct http_upgrade *u);

/* --- client: one per loop, keeps connections alive per authority --- */

struct http_client;
/* With the security associations of c for https:// (NULL: only http:// is reachable). */
struct http_client *http_client_new(struct loop *l, struct core *c, unsigned per_target, size_t max_body);
/* On the loop, before it ends: what is under way is concluded as unreachable. Then, after the loop ended, free. */
void http_client_stop(struct http_client *c);
void http_client_free(struct http_client *c);

struct http_header { const char *name; struct slice value; };

struct http_answer {
	int status;                     /* 0: could not connect, or no answer that can be read; 1: no answer in time */
	int rsc;                        /* of X-M2M-RSC, or 0 */
	struct slice type;              /* Content-Type */
	struct slice headers;           /* "name:value\n" of each other X-M2M- header and Content-Location */
	struct slice body;              /* one longer than max_body is told as empty */
};

struct http_call {
	const char *method;
	struct slice url;               /* http://host[:port]/path?query, or https:// */
	/* https:// whom to expect there, and as whom to speak; lives as long as the call. What is made for one is used for no other. */
	const struct tls_want *want;
	struct slice whom;              /* canonical id */
	const struct http_header *headers; size_t n_headers;
	struct slice body;
	usec timeout;
	bool repeatable;                /* may be sent twice: when a kept connection dies under it, another one is tried */
	/* Once, on the loop. May start further calls. */
	void (*done)(struct http_call *call, const struct http_answer *answer);
	void *owner;
};
/* Make c send over "http" and "https": a client on the hub. Before the first request; core_stop ends it. */
void http_sender_register(struct core *c);
/* Copies what it needs; *call lives until done. Never calls done before it returns. */
void http_client_call(struct http_client *c, struct http_call *call);

#endif
