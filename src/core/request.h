/* SPDX-License-Identifier: Apache-2.0 */
/* A request primitive on its way through the CSE, and its response.
 *
 * A binding fills in the parameters, hands the request to core_submit and gets it back through `done`, once,
 * on the loop it came from. In between it is owned by the core. Everything it points to lives in its arena. */
#ifndef REEVE_CORE_REQUEST_H
#define REEVE_CORE_REQUEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/rc.h"
#include "codec/json.h"
#include "core/discover/filter.h"
#include "loop/loop.h"

/* m2m:operation */
enum op { OP_NONE, OP_CREATE, OP_RETRIEVE, OP_UPDATE, OP_DELETE, OP_NOTIFY };

/* Serializations a binding may meet. */
enum serial { SERIAL_NONE, SERIAL_JSON, SERIAL_CBOR, SERIAL_XML };

/* m2m:responseType; 0 = not given */
enum resp_type { RT_NONE, RT_NONBLOCK_SYNC, RT_NONBLOCK_ASYNC, RT_BLOCKING, RT_FLEX, RT_NO_RESPONSE };

/* Who is at the other end of the connection, as far as it was proven. */
struct peer {
	uint8_t ip[16];          /* source address, IPv4 as ::ffff:a.b.c.d */
	bool ip_known;
	bool local;              /* it came in clear, without an address, from this machine: through a broker on it */
	bool open;               /* the listener believes From without an association (http.open ...) */
	bool association;        /* a security association exists; then: */
	struct slice cse_id;     /* canonical id of the peer CSE, or empty */
	const struct slice *ae_ids; size_t n_ae_ids; /* canonical AE-IDs the credential stands for */
	struct slice credential; /* Credential-ID (TS-0003 10.4), or empty */
	struct slice app_id;     /* App-ID that the certificate of an AE carries beside its AE-ID, or empty */
};

/* Parameters that were present, for those whose absence means something. */
enum req_has {
	HAS_RCN = 1, HAS_TY = 2, HAS_FC = 4, HAS_ROLES = 8, HAS_TOKENS = 16, HAS_TOKEN_IDS = 32, HAS_LOCAL_TOKENS = 64,
	HAS_TQI = 128, HAS_ASI = 256, HAS_AUS = 512, HAS_AURI = 1024, HAS_DRT = 2048, HAS_RTU = 4096, HAS_SQI = 8192,
	HAS_GRTM = 16384, HAS_EC = 32768, HAS_DA = 65536, HAS_RP = 131072,
};

struct req {
	/* --- request parameters, filled in by the binding --- */
	enum op op;
	struct slice to;         /* oneM2M address, decoded; without the "#attr" part when the binding split it */
	struct slice fr;         /* p == NULL: not given */
	struct slice rqi;
	struct slice rvi;        /* p == NULL: not given */
	struct slice vsi, gid, ot;
	struct slice rqet, rset, oet, rp; /* as sent; p == NULL: not given */
	int64_t ty;              /* -1 when not given or not a number */
	int rcn;                 /* -1 when given and not a number; valid with HAS_RCN */
	int drt;                 /* 0 not given */
	int ec;
	enum resp_type rt;
	const struct slice *rtu; size_t n_rtu; /* with HAS_RTU, maybe empty */
	const struct slice *atrl; size_t n_atrl; /* attribute list of a partial Retrieve */
	const struct slice *grtm; size_t n_grtm;
	const struct slice *rids; size_t n_rids;   /* Role IDs */
	const struct slice *tkns; size_t n_tkns;   /* Tokens: secrets, never in logs */
	const struct slice *tids; size_t n_tids;   /* Token IDs */
	const struct slice *ltids; size_t n_ltids; /* Local Token IDs */
	const struct slice *aus; size_t n_aus;     /* Authorization Signatures: secrets */
	bool tqi, asi, auri;     /* Token Request, Authorization Signature, Authorization Relationship Indicator */
	struct filter fc;
	uint32_t has;            /* enum req_has */
	struct slice pc;         /* content as JSON text ({"m2m:cnt":{...}}); p == NULL: none */
	enum serial pc_serial;   /* how it was serialized on the wire; SERIAL_NONE: unknown media type */
	bool pc_bad_serial;      /* content came in a serialization that is not supported -> 4015 */
	bool wanted;             /* the sender said which serialization it wants */
	bool want_vendor;        /* ... by its media type of oneM2M (vnd.onem2m-res+json) */
	enum serial want;        /* serialization wanted for the answer; SERIAL_NONE: unsupported one asked for -> 5207 */
	bool over_json;          /* content was refused because of limits.json_depth or json_tokens (to be counted) */
	struct slice bad;        /* p != NULL: the binding found a parameter malformed; text for a 4000 answer */
	struct peer peer;
	usec received;           /* wall clock */

	/* --- response --- */
	int rsc;                 /* 0 while there is no answer */
	struct slice dbg;        /* debug text of an error */
	struct buf out;          /* content as JSON text ({"m2m:cnt":{...}}); empty: none. Kept between requests. */
	int cnst;                /* 0 not given, 1 partial, 2 full */
	uint32_t cnot;           /* 0 not given */
	struct slice ati;        /* Assigned Token Identifiers, JSON object ({"ltia":[...]}); empty: none */
	struct slice tqf;        /* Token Request Information, JSON object ({"dasi":[...]}), errors only; empty: none */
	bool asri;               /* Authorization Signature Request Information, errors only */
	struct slice location;   /* address of a created resource, for Content-Location; empty: none */
	uint64_t created;        /* ordinal of the resource that a Create made here; 0: none */
	const struct rsp *passed; /* the answer is another CSE's and passed on as it came; NULL: it is our own */

	/* --- plumbing --- */
	void (*done)(struct req *r); /* called on `home` when the answer stands */
	void *owner;             /* the binding's */
	_Atomic bool gone;       /* who asked will not hear the answer (core_abandon) */
	struct loop *home;
	struct loop_msg msg;     /* to travel between threads; of the core while it owns the request */
	struct req_work *work;   /* what the core keeps while it works */
	struct arena arena;
	_Alignas(16) char first[4096];
};

/* Make a request ready for a new message; the arena keeps at most `ceiling` bytes. `out` keeps its memory. */
void req_init(struct req *r, struct loop *home, size_t arena_ceiling, size_t out_ceiling);
void req_reset(struct req *r);
void req_free(struct req *r); /* gives arena and out back, not r itself */

/* A response primitive that came from somebody else. Its text is somebody else's memory. */
struct rsp {
	int rsc;
	bool ours;               /* nobody answered: rsc is what this CSE concludes */
	struct slice pc;         /* content as JSON text; empty: none */
	int cnst;                /* 0 not given */
	uint32_t cnot;           /* 0 not given */
	struct slice location;   /* address of a created resource as a oneM2M address; empty: none */
	struct slice fr, ot, rset, rvi, vsi; /* as sent; p == NULL: not given */
	int ec;                  /* 0 not given */
	struct slice ati, tqf;   /* JSON objects; empty: none */
	bool asri;
};

/* Record a refusal (first one wins) and return RC_REFUSED, for `return req_refuse(...)`. fmt tells the sender what to change. */
enum reeve_rc req_refuse(struct req *r, int rsc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* When memory ran out on the way, whatever was concluded is not to be trusted: what is missing may have been taken for absent.
 * The answer is 5000 then, and RC_REFUSED is returned; otherwise rc. */
enum reeve_rc req_starved(struct req *r, enum reeve_rc rc);

/* The response r has as members of m2m:rsp, without braces. */
void rsp_primitive(struct buf *b, const struct req *r);

#endif
