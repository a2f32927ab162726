/* SPDX-License-Identifier: Apache-2.0 */
/* The CSE: what holds its parts together, and the entrance for requests. */
#ifndef REEVE_CORE_CORE_H
#define REEVE_CORE_CORE_H

#include "authz/ident.h"
#include "authz/policy.h"
#include "core/config.h"
#include "core/metrics.h"
#include "core/request.h"
#include "resource/tree.h"
#include "store/store.h"

struct writer;
struct notifier;
struct hub;
struct decisions;
struct enquiries;
struct audit;
struct audit_secret;
struct fanout_seen;
struct forwards;
struct registrar;
struct consult;
struct relations;
struct profile_far;
struct role_repository;
struct das_server;
struct associations;
struct control;
struct core;

/* Sending side of a binding, by scheme of a point of access ("http"). */
struct send {
	struct slice url;         /* http://host:port/path */
	struct slice entity;      /* who is at the other end (canonical id), so that the association is made with him; empty: not known */
	uint64_t registree;       /* url empty: over a connection of his (struct transport, connected) */
	struct slice to;          /* To, a oneM2M address at the point of access that url is; empty: url is the whole address */
	struct slice fr, rqi;
	struct slice rvi, vsi;    /* p == NULL: none */
	enum op op;
	int64_t ty;               /* of Create; 0: as the content says */
	int ec;                   /* 0 none */
	struct slice pc;          /* JSON text; transcoded by the transport */
	enum serial serial;
	usec timeout;
	const struct req *with;   /* NULL; the parameters not named here are as in this one, which lives until done */
	bool blocking;            /* but not its Response Type: this is a blocking request */
	/* once, on the hub: rsc 0 could not connect, 1 no answer in time. The text of rsp ends with the call. */
	void (*done)(struct send *s, const struct rsp *rsp);
	void *owner;
};
struct transport {
	const char *scheme;
	void *ctx;
	/* Copies what it needs; *s lives until done; never calls done before it returns. Hub only. */
	void (*send)(void *ctx, struct send *s);
	/* May be NULL. Has the registree (ordinal of his <AE> or <remoteCSE>) opened a connection over which he takes requests? Hub. */
	bool (*connected)(void *ctx, uint64_t registree);
	void (*stop)(void *ctx); /* may be NULL; on the hub: nothing is sent any more, what is under way ends now */
	void (*free)(void *ctx); /* may be NULL; the hub has ended */
};
enum { CORE_TRANSPORTS = 8 };

/* Deals with security information (m2m:seci, at `seci` in j) that was notified to <CSEBase>. On the hub; r is authorized, and j lives as
 * long as r. Ends with core_resume, now or later, with the answer or a refusal in r. */
typedef void (*seci_handler)(struct core *c, struct req *r, const struct json *j, uint32_t seci);
enum { SECI_DAS_REQUEST = 1, SECI_DAS_RESPONSE, SECI_ESPRIM_RAND, SECI_ESPRIM_RAND_ANSWER, SECI_ESPRIM, SECI_ESCERTKE, SECI_MAP_REQUEST,
	SECI_MAP_RESPONSE, SECI_TYPES }; /* sec:securityInfoType */

/* Per-loop state (loop->data). */
struct core_loop {
	struct core *core;
	struct loop *loop;
	struct st_tx *reader;
	struct policy_cache *policies;
};

struct core {
	const struct config *cfg;
	struct ident_home home;
	struct policy_options policy_options;
	struct store *store;
	struct loop *loops;       /* [n_loops]; loops[0] is the hub */
	unsigned n_loops;
	struct core_loop *per_loop;
	struct writer *writer;
	struct notifier *notifier;
	struct hub *hub;          /* polling channels, waiting requests */
	struct enquiries *enquiries; /* questions to authorization points; hub only */
	struct consult *consult;  /* questions to Dynamic Authorization Systems (rights/consult.h); NULL: none are asked */
	struct relations *relations; /* signatures for tokens (rights/relation.h); the same */
	pthread_mutex_t own_lock;
	struct own *own;          /* requests of the core itself (own.h) */
	struct decisions *decisions; /* log of denials */
	struct audit *audit;      /* NULL beside a running process */
	struct audit_secret *audit_secret;
	struct fanout_seen *fanout_seen; /* group request identifiers; NULL: not checked */
	struct forwards *forwards; /* requests under way to other CSEs; hub only */
	struct registrar *_Atomic registrar; /* registration at the Registrar CSE; NULL: there is none */
	struct role_repository *role_repository; /* what repositories said of roles; NULL beside a running process */
	struct profile_far *profile_far; /* what the IN-CSE said of the service subscription; the same */
	struct locate *locate;    /* places of Originators; NULL */
	struct associations *associations; /* live security associations and their setups (association/association.h); the same */
	struct control *control;  /* administration of the running process (admin/control.h); NULL: none */
	struct trust *trust;      /* keys and issuers; the same */
	struct tokens *tokens;    /* verified ones, and what is asked of DASs; the same */
	struct metrics metrics;
	/* What all listeners together have, each bounded by an option; unread: bytes of answers that wait for their clients. */
	struct { _Atomic unsigned connections, handshakes; _Atomic size_t unread; } shared;
	_Atomic uint64_t policies_changed; /* commit number of the last change of a policy or group */
	_Atomic bool ready;
	struct transport transports[CORE_TRANSPORTS];
	_Atomic unsigned n_transports;
	seci_handler seci[SECI_TYPES]; /* by securityInfoType; NULL: not processed here. Set before the first request */
	struct das_server *das;          /* Dynamic Authorization System that lives in this CSE (das/das.h); NULL: none */
	_Atomic bool store_failed; /* the last commit failed; cleared by the next good one */
};

/* Open the store, create or refresh <CSEBase> and its policy, start loops and writer. `why` tells what to change. */
REEVE_MUST_CHECK enum reeve_rc core_start(const struct config *cfg, struct core **out, char why[256]);
/* Once, when the transports are there and before the first listener is: what a former run left is taken up (notifications that were not
 * delivered, requests that were acknowledged), and the CSE is ready. */
REEVE_MUST_CHECK enum reeve_rc core_begin(struct core *c, char why[256]);
/* Finish what is acknowledged, then stop everything. */
void core_stop(struct core *c);

/* Open the store of a CSE to look at it, beside the process that serves it: names, policies and store, nothing that runs. */
REEVE_MUST_CHECK enum reeve_rc core_look(const struct config *cfg, struct core **out, char why[256]);
void core_look_end(struct core *c);

/* Fill in what is known of the Originator's whereabouts. */
void core_locate(struct core *c, struct facts *f);

/* Hand a request over. r->done is called on r->home, maybe before this returns. */
void core_submit(struct core *c, struct req *r);

/* On r->home, before r->done: who asked went away. What only waits for him is ended now; what was begun is finished. Either way r->done
 * is called. */
void core_abandon(struct core *c, struct req *r);

/* A parked request may go on with its next step (hub only): to the writer, or, when r->rsc is set, back to its binding. */
void core_resume(struct core *c, struct req *r);

/* Run one request of the CSE itself (From = CSE-ID, no access decision), e.g. to update a <request>. done on `home` as for any request. */
void core_submit_internal(struct core *c, struct req *r);

/* Between core_start and core_begin. */
void core_add_transport(struct core *c, const struct transport *t);
const struct transport *core_transport(const struct core *c, struct slice url);

/* Ready to serve? Otherwise why not. */
bool core_healthy(const struct core *c, char why[256]);

#endif
