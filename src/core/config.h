/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator can set. Read by main/config.c from one commented file and from flags; see packaging/reeve.conf. */
#ifndef REEVE_CORE_CONFIG_H
#define REEVE_CORE_CONFIG_H

#include "base/clock.h"
#include "base/slice.h"
#include "codec/json.h"

struct config_list { struct slice *v; size_t n; };

enum cse_type { CSE_IN = 1, CSE_MN = 2, CSE_ASN = 3 }; /* m2m:cseTypeID */

struct limits {
	size_t body;                /* bytes of a request body */
	size_t header;              /* bytes of request line and headers */
	size_t response;            /* bytes of a response body */
	size_t request_memory;      /* arena of one request */
	struct json_limits json;
	unsigned connections;       /* open at a time, all listeners */
	unsigned write_queue;       /* requests waiting for the writer */
	unsigned parked;            /* requests waiting for something else, */
	unsigned parked_per_originator;
	unsigned fanout_members;    /* of a group */
	unsigned fanout_depth;
	unsigned results;           /* resources in one answer */
	unsigned discovery_visits;  /* resources looked at for one discovery */
	unsigned name;              /* bytes of a resource name */
	unsigned policies_cached;   /* per thread */
	unsigned outbox;            /* notifications waiting, all subscriptions */
	unsigned outbox_per_sub;
	size_t outbox_bytes;        /* of all of them */
	size_t unread;              /* bytes of answers that clients have not read, all connections */
	unsigned polled;            /* requests waiting in one polling channel */
	size_t token;               /* bytes of one token */
	unsigned tokens_cached;     /* verified ones */
	size_t token_memory;        /* bytes, of all that are cached */
	unsigned token_fetches;     /* under way: Token-IDs a DAS is asked for */
	unsigned claims;            /* roles, tokens, their identifiers and signatures in one request */
	size_t claim_bytes;         /* the same, in bytes */
	unsigned depth;             /* levels of the tree, <CSEBase> being 0; instances below the last one do not count */
	unsigned subscriptions;     /* of one resource */
	unsigned targets;           /* of one subscription, and of what else names targets */
	usec idle;                  /* a connection without traffic is closed */
	usec header_time;           /* a request's header must be complete */
	usec body_time;
};

struct config {
	/* identity */
	struct slice cse_id;        /* "/reeve" */
	struct slice base_name;     /* "cse" */
	struct slice sp_id;         /* "//reeve.local" */
	enum cse_type type;
	struct config_list poa;     /* pointOfAccess of <CSEBase> */
	/* store */
	const char *data;           /* folder */
	uint64_t store_max;
	size_t journal;             /* bytes; 0: none */
	bool no_sync;
	/* the CSE this one is registered at */
	struct {
		struct slice cse_id;        /* empty: none */
		struct slice base_name;     /* empty: it is addressed by its CSE-ID */
		struct config_list poa;
		usec lifetime;              /* of the registration; renewed in time */
		struct slice credential;    /* Credential-ID of the PSK for it; empty: by certificate or raw key, or in clear */
		struct slice domain;        /* name its certificate must have; empty: made of its CSE-ID */
		struct slice public_key;    /* identifier of its raw public key; empty: none */
		usec retry_first, retry_most;
		bool deregister;            /* at the end */
	} registrar;
	/* its keys */
	struct { const char *file, *seal; } keys; /* sealed key file and its sealing key; NULL: <data>/keys; beside it */
	/* listeners */
	struct { const char *address; uint16_t port; bool open; } http; /* open: an Originator is believed without a security association */
	struct { const char *address; uint16_t port; } https;  /* address NULL: no such listener; so below */
	struct { const char *address; uint16_t port; bool open; } coap;
	struct { const char *address; uint16_t port; } coaps;
	/* on the listeners of HTTP and HTTPS; origins: of web pages that may connect */
	struct { bool serve; struct config_list origins; unsigned connections_each, requests; usec ping; } ws;
	/* the MQTT broker */
	struct {
		const char *broker;         /* mqtt://host[:1883][/prefix], mqtts://...; NULL: none */
		/* it binds topics to credentials: who is named in a topic is authenticated; else as over plain HTTP */
		bool trusted;
		bool open;                  /* as http.open */
		struct slice credential;    /* Credential-ID to show it; empty: by the own certificate, or none */
		const char *ca;             /* PEM: anchors for its certificate */
		unsigned qos;               /* 0 or 1, of what is sent */
		usec keepalive, retry_first, retry_most;
	} mqtt;
	/* security associations (docs/security-associations.md) */
	struct {
		struct slice domain;        /* public domain name of this CSE; empty: made of its CSE-ID and the M2M-SP-ID */
		/* "KEY:CHAINFILE": key identifier in the sealed file, PEM chain; the first is the default */
		struct config_list certificates;
		struct slice raw_key;       /* key identifier of the key to show as a raw public key; empty: none */
		struct config_list anchors; /* "FLAVOUR:FILE" */
		struct config_list crls;    /* PEM files */
		bool crl_required;
		bool psk, certificate, raw; /* families of suites */
		bool tls13, forward_secrecy;
		unsigned depth, handshakes, held, sessions; /* handshakes, sessions: of datagrams, at a time */
		usec handshake_time, hold_time, resumption;
	} tls;
	struct config_list administrators; /* Credential-IDs that may administer credentials besides those marked so */
	unsigned threads;           /* loop threads; 0: one per core */
	/* access */
	struct slice admin;         /* Originator with all rights on the base policy; empty: none */
	/* acop of registered AEs and of all on <CSEBase>; registrees may create under it */
	struct { unsigned registree, everyone; bool create_all; } base;
	struct config_list allow_ae, deny_ae, allow_app, deny_app, allow_cse, deny_cse; /* patterns with '*' */
	bool domain_wildcards;
	const char *countries;      /* file: CIDR,CC per line; NULL */
	const char *positions;      /* file: Originator,latitude,longitude per line; NULL */
	bool local_authenticated;   /* rq_authn of local AEs over open listeners (AUTHZ-028; default false) */
	/* whom this CSE trusts */
	struct {
		const char *issuers;        /* file; NULL: nobody's tokens and roles count */
		usec fetch;                 /* how long a DAS may take to answer for a Token-ID */
		usec unknown_kept;          /* a Token-ID that led nowhere is not asked for again for so long */
	} authz;
	/* asking a Dynamic Authorization System about what the local rules deny */
	struct {
		bool direct, indirect;      /* ask it; tell the Originator where to ask */
		bool inherit;               /* a resource without daci has its parent's */
		bool asri_on_success;
		struct config_list dac;     /* daci of <CSEBase> */
		struct config_list das;     /* patterns of addresses that may be asked, besides those of configured issuers */
		usec timeout;               /* of one consultation */
		usec refusal_kept;          /* the same question is not asked again for so long after it brought nothing */
		usec lifetime, lifetime_most; /* of what is granted */
		unsigned consultations, consultations_each; /* under way: in all, of one Originator */
		unsigned grants, grants_each; /* dynamic policies: in all, of one Originator */
	} dynamic;
	unsigned das_tokens;        /* most tokens that the DAS keeps at a time */
	const char *das_policy;     /* policy file of the Dynamic Authorization System in this CSE; NULL: there is none */
	/* the service subscription (core/registration/profile.h) */
	struct {
		bool required;              /* without one nobody registers */
		struct slice at;            /* other than at an IN-CSE: where it is; empty: it is not asked for, or at the registrar */
		bool open;                  /* when the IN-CSE does not answer, the lists decide alone */
		usec cache_time, refusal_time; /* how long an answer is kept: with rules; without */
		usec timeout;               /* of one request to the IN-CSE */
	} profile;
	/* claimed Role-IDs */
	struct {
		struct config_list allowed; /* "ORIGINATOR=ROLE" patterns: who may use which; empty: any */
		unsigned cache;             /* answers of role repositories kept */
		usec cache_time, refusal_time; /* how long: a role; that there is none, or no answer */
		usec timeout;               /* of one request to a repository */
		unsigned fetches;           /* under way */
	} roles;
	/* behaviour */
	usec expiry_scan;           /* longest pause between looks at what expires */
	bool nonblocking;           /* <request> is supported */
	usec request_lifetime;      /* of <request> */
	usec request_expiry;        /* of a request without rqet: how long it may wait */
	usec max_lifetime;          /* of a resource without et; 0: as long as its parent */
	uint64_t max_instances, max_container_bytes; /* default ceiling of mni, mbs; 0 none */
	bool verify_subscriptions;  /* CORE-177 */
	bool max_age_report;
	usec batch_duration;        /* bn without dur */
	struct { usec timeout, retry_first, retry_most, give_up; unsigned per_target; } notify;
	/* distributed authorization (docs/distributed-authorization.md) */
	struct {
		struct config_list point[3];   /* by enum point: names of resources below <CSEBase> that are bound */
		struct config_list ask[3];     /* addresses that a point asks in turn when it has no answer itself */
		struct config_list points;     /* patterns of addresses that policies may name as URLs, and that are told tokens */
		struct config_list policies;   /* "PATTERN POLICY": policies here for targets at other CSEs */
		struct config_list authenticated; /* requesters whose Originators count as authenticated; patterns */
		unsigned hops, waiting;
		usec timeout, cache;
	} distributed;
	/* log */
	int log_level;
	bool log_json;
	const char *decisions;      /* file of denials; NULL: <data>/decisions.log */
	struct {
		const char *file, *head; /* NULL: <data>/audit.log; that with ".head" */
		struct slice key;   /* kid of an HS256 key in the sealed file; empty: no key */
		unsigned events;    /* 1 << enum audit_kind */
		size_t rotate;      /* bytes */
		unsigned keep;      /* full files; 0 all */
		bool sync;          /* answers wait until the events of their commit are on the disk */
		usec checkpoint;    /* 0 none */
	} audit;
	struct limits limits;
};

/* The defaults, as documented in packaging/reeve.conf. */
void config_defaults(struct config *c);

#endif
