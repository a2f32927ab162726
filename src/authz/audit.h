/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log: what was decided and changed that somebody may have to answer for later, in a chain that shows tampering.
 *
 * One JSON object per line. Each line has a sequence number, the sum of the line before it ("prev") and its own sum ("hash":
 * SHA-256 over the bytes of the line before `,"hash":"`; or "mac" when there is a key). So a line that was changed, removed, added
 * or moved breaks the chain. What a chain cannot show by itself is a missing end: for that the last sum is written to a second
 * file (the head) and, at each checkpoint, to the log of the process, from where it may be carried away.
 *
 * What is written are identifiers, addresses and ids of decisions (decisions.h tells their story); never a payload, key or
 * token string. A line is in the file when audit_event returns, so a killed process loses none; what a power failure can lose is what
 * was written within the last second (audit_commit: nothing). An event that cannot be written is counted and told by the next
 * line ("lost"); it never refuses a request. All functions may be called from every thread. */
#ifndef REEVE_AUTHZ_AUDIT_H
#define REEVE_AUTHZ_AUDIT_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/rc.h"

enum audit_kind {
	AUDIT_DENIED,       /* 4103 */
	AUDIT_PERMITTED,    /* by other than a policy that names the Originator: role, token, consultation, remote decision */
	AUDIT_REGISTRATION, /* of an AE or CSE, and its end */
	AUDIT_POLICY,       /* <accessControlPolicy> */
	AUDIT_LINKS,        /* accessControlPolicyIDs of a resource */
	AUDIT_ROLE,         /* <role> */
	AUDIT_TOKEN,        /* <token>; issued or revoked by a DAS */
	AUDIT_CONSULTATION, /* <dynamicAuthorizationConsultation> */
	AUDIT_CREDENTIAL,   /* a key or certificate came, changed, went */
	AUDIT_ADMIN,        /* an operator acted on the running process */
	AUDIT_PROCESS,      /* start and stop */
	AUDIT_KINDS
};
enum { AUDIT_ALL = (1 << AUDIT_KINDS) - 1 };

/* One event. Empty slices are left out; long ones are cut. All of it is plain text that may be read by an auditor. */
struct audit_what {
	enum audit_kind kind;
	const char *action;     /* "create", "change", "delete", "issue", "revoke", "start", ...; NULL */
	usec when;
	struct slice who;       /* canonical Originator */
	struct slice target;    /* ri, or the name of what it is about */
	struct slice request;   /* request identifier */
	struct slice decision;  /* id in the log of decisions */
	struct slice ground;    /* why: "role R12", "token jti", "default policy" */
	struct slice detail;    /* short; an identifier, a reason */
	const uint8_t *ip;      /* source address, 16 bytes (IPv4 as ::ffff:a.b.c.d); NULL: not known */
};

/* With a key the chain cannot be made again by somebody who can only write the file. HMAC-SHA-256 of n bytes; false: not now. */
struct audit_key {
	bool (*mac)(void *ctx, const void *p, size_t n, uint8_t out[32]);
	void *ctx;
};

struct audit_options {
	const char *path;
	const char *head;       /* file of the last sum; NULL: path with ".head" */
	size_t rotate_bytes;    /* the full file K becomes path.K */
	unsigned keep;          /* full files kept; 0: all */
	unsigned events;        /* 1 << enum audit_kind; AUDIT_ALL */
	bool sync_commit;       /* audit_commit waits for the disk */
	usec checkpoint;        /* a line at least so often, also when nothing happens; 0: never */
	const struct audit_key *key; /* NULL: plain SHA-256; outlives the log */
};

struct audit;
/* Go on with the chain at path, or begin one. A torn last line (the process was killed) stays, followed by a line that says so. */
REEVE_MUST_CHECK enum reeve_rc audit_open(const struct audit_options *o, struct audit **out, char why[256]);
/* Everything on the disk, head included. NULL is fine. */
void audit_close(struct audit *a);

/* Is such an event written? For callers for whom gathering it costs something. False for NULL. */
bool audit_wants(const struct audit *a, enum audit_kind kind);
/* Write one event, if it is wanted; a may be NULL. The event has happened: call it after the commit (under core's exec use
 * core/audited.h, which waits for that). */
void audit_event(struct audit *a, const struct audit_what *what);

/* The same in two steps, for events that become true together later: one line for each event into b, then all of them at once. */
void audit_write(struct buf *b, const struct audit_what *what);
void audit_add(struct audit *a, struct slice lines);
/* After audit_add, before what it tells is acknowledged: on the disk with sync_commit, else within a second. */
void audit_commit(struct audit *a);

/* Where the chain stands: its last sequence number and sum as 64 hexadecimal digits and a NUL. */
void audit_head(struct audit *a, uint64_t *seq, char sum[65]);
/* Events that could not be written since the start. */
uint64_t audit_lost(const struct audit *a);

/* Names of the kinds, as in the file and in audit.events. */
const char *audit_kind_name(enum audit_kind kind);

#endif
