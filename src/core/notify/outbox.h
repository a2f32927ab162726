/* SPDX-License-Identifier: Apache-2.0 */
/* The outbox: notifications that are due and not yet delivered, and what happened to their subscriptions, in one order.
 *
 * Key: sequence, key of the subscription (each 8 bytes, big-endian). Sequences come from the counter of ordinals, so an entry written later
 * sorts later, and the notifier reads what is new as the end of the table. An entry is complete in itself: it
 * names its targets and holds the content, so that it can be delivered after its subscription changed or went. */
#ifndef REEVE_CORE_OUTBOX_H
#define REEVE_CORE_OUTBOX_H

#include "core/exec.h"

enum outbox_kind {
	OB_EVENT = 1, /* a notification under the policies of its subscription */
	OB_NOTICE,    /* to be sent at once: deletion notices, requests for removal of a target */
	OB_UPDATED,   /* no message: the subscription or its schedule changed */
	OB_DELETED,   /* no message: the subscription is gone */
	OB_RESULT,    /* the answer to a non-blocking request, to be sent at once; `sub` is { 0, its ordinal } (pending.h) */
	OB_ANNC_UPDATE, OB_ANNC_DELETE, /* to copies of the resource `sub` (announce.c), to be sent at once; sgn is the whole content */
	OB_AE_LEFT,   /* to the <AEAnnc> of an S-type AE that is registered here no more (types/ae.c); likewise */
	OB_AE_MOVED,  /* to all CSEs, this one included (registration/moved.c); likewise */
};
enum outbox_flags {
	OB_PLAIN = 1,      /* no policy of the subscription could have held it back */
	OB_SURVIVES = 2,   /* delivered even when the subscription was deleted: event 2, notices */
	OB_KEEP_PLAIN = 4, /* OB_DELETED: went with its parent, so plain entries are still delivered */
	OB_DROP_KEPT = 8,  /* OB_UPDATED: pendingNotification was taken away while the schedule was closed */
	OB_KEEP_ONE = 16,  /* OB_UPDATED: only the newest of those that wait is still wanted */
};
enum { OUTBOX_KEY_LEN = 24 };

struct outbox_entry {
	uint64_t seq;
	size_t size;           /* bytes in the store; set by outbox_view */
	struct res_key sub;
	usec when;
	uint8_t kind, flags;
	uint8_t ec;            /* m2m:eventCat of OB_NOTICE; 0 none */
	struct slice targets;  /* JSON array of strings */
	struct slice sgn;      /* JSON object: the inside of m2m:sgn; of OB_RESULT and OB_ANNC_* the whole content */
};

/* Writer only: append e (its seq is set) and have the notifier woken. */
REEVE_MUST_CHECK enum reeve_rc outbox_put(struct exec *x, struct outbox_entry *e);
/* False when the bytes are no entry (a damaged store). Slices point into value. */
bool outbox_view(struct slice key, struct slice value, struct outbox_entry *out);
void outbox_key(uint64_t seq, struct res_key sub, char out[OUTBOX_KEY_LEN]);

#endif
