/* SPDX-License-Identifier: Apache-2.0 */
/* The notifier from within (notifier*.c, outbound.c). Hub only.
 *
 *   outbox --scan--> feed (one per subscription: rules) --units--> lanes (one per target: delivery) --done--> removal by the writer
 */
#ifndef REEVE_CORE_NOTIFIER_INT_H
#define REEVE_CORE_NOTIFIER_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/alarm.h"
#include "core/notify/notify_int.h"
#include "core/cse/outbound.h"
#include "core/notify/outbox.h"
#include "core/writer.h"

struct call;
struct gathering;
struct removal;

/* Targets of an entry as written (JSON array); shared by entries that name the same. */
struct targets {
	unsigned refs;
	size_t n;
	char text[];
};

/* One entry of the outbox. Its content stays in the store until it is sent. */
struct item {
	struct item *next;
	uint64_t seq;
	size_t size;         /* in the store */
	usec when;
	uint8_t kind, flags, ec;
	struct targets *to;
};

struct item_list { struct item *first, *last; size_t n; };

/* What is sent as one message to each of its targets: one notification, or a batch of them. */
struct unit {
	struct feed *feed;
	struct item_list items;
	usec released;       /* when it became due */
	unsigned pending;    /* targets that have neither taken it nor been given up */
	bool taken;          /* at least one took it */
	bool aggregated;     /* m2m:agn */
	bool event;          /* under the policies: counts for expirationCounter */
	bool survives;       /* is delivered after the subscription went */
	bool plain;
	bool doomed;         /* is not tried again */
	uint8_t ec;
};

struct delivery {
	struct delivery *next;
	struct unit *unit;
};

/* The way to one target of one subscription: one message at a time, in order. */
struct lane {
	struct lane *next, *next_ready;
	struct feed *feed;
	struct delivery *first, *last;
	bool busy;            /* the first is out */
	bool moved;           /* ... and meanwhile its target can be reached elsewhere: if it fails, it is tried again at once */
	bool ready;           /* in the list of those to be served */
	unsigned failures;    /* in a row */
	usec retry_at;        /* 0: now */
	struct alarm alarm;   /* end of the back-off, or of a closed schedule */
	struct outbound out;
	size_t target_n;
	char target[];
};

/* A subscription with something in the outbox. */
struct feed {
	struct feed *next, *next_dirty;
	struct notifier *n;
	struct res_key key;
	struct item_list waiting;     /* not released yet */
	size_t units;                 /* released and not finished */
	size_t held;                  /* entries of the outbox in either state */
	struct lane *lanes;
	struct alarm alarm;           /* end of a batch, of a rate window, of a closed schedule */
	struct sub *policy;           /* NULL: not read, or there is none */
	struct arena arena;           /* of policy */
	bool fresh;                   /* policy is what the last look at the store gave */
	bool dirty;                   /* in the list of those to be run */
	bool kept;                    /* a closed schedule has held back the newest one (pn 1) */
	usec window;                  /* rate limit: start of the window; 0: none began yet */
	uint64_t in_window;
	uint64_t events_out;          /* expirationCounter: event units released and not finished, */
	uint64_t uncommitted;         /* and finished, but not yet subtracted in the store */
};

enum { FEED_BUCKETS = 4096, MOVED_MOST = 32 };

struct moved { struct res_key key; uint64_t since; };

struct notifier {
	struct core *core;
	struct loop *hub;
	struct st_tx *reader;         /* its own: sends may be begun while the core has a snapshot open */
	uv_async_t wake;
	_Atomic bool begun;           /* there are transports */
	struct alarms alarms;
	struct alarm again;           /* something could not be done now */
	struct sub_cache *cache;
	struct polling *polling;
	struct holds *holds;
	struct call *calls;
	struct awaiting *awaiting;    /* Retrieves waiting for an instance (notify_await.c), */
	_Atomic unsigned awaited;     /* and how many they are, for the writer */
	struct gathering *gatherings; /* gather.c */
	struct feed *bucket[FEED_BUCKETS];
	struct feed *dirty;
	struct lane *ready;
	uint64_t seen;                /* highest sequence read */
	_Atomic size_t backlog, backlog_bytes; /* entries that are not done with, and their bytes in the store */
	struct removal *removal;      /* being gathered for the writer */
	bool removing;                /* one is with the writer */
	bool pumping, pump_again, stopped;
	pthread_mutex_t moved_lock;
	struct moved moved[MOVED_MOST]; /* AEs that can be reached elsewhere, and since which commit */
	size_t n_moved;
	uint64_t moved_more;          /* more than fit: any may have, since this commit; 0: none */
	char prefix[9];               /* of request identifiers */
	uint64_t requests;
};

/* notifier.c */
struct call **notifier_calls(struct notifier *n);
void notifier_request_id(struct notifier *n, char *out, size_t room);
/* Look at the outbox, run what is dirty, serve what is ready. Call after anything changed; may be called from within. */
void notifier_pump(struct notifier *n);
/* An entry of that size is done with; counted: expirationCounter goes down by one with it. */
void notifier_remove(struct feed *f, uint64_t seq, size_t size, bool counted);
/* It is not counted as waiting any more. */
void notifier_forget(struct notifier *n, size_t size);
struct feed *notifier_feed(struct notifier *n, struct res_key key, bool make);

/* notifier_feed.c */
void feed_accept(struct feed *f, const struct outbox_entry *e);
void feed_touch(struct feed *f); /* to be run by the next pump */
void feed_run(struct feed *f, struct exec *x);
bool feed_idle(const struct feed *f);
void feed_free(struct feed *f);
/* Is sending permitted by the schedule now? */
bool feed_open(const struct feed *f, usec now);
/* The items of l are done with, undelivered: by a rule, or given up. */
void feed_discard(struct feed *f, struct item_list *l);

/* notifier_lane.c */
void lane_submit(struct feed *f, struct unit *u);
void lane_serve(struct lane *l, struct exec *x);
/* The subscription is gone: forget undelivered units, except those that survive it. */
void lanes_prune(struct feed *f, bool keep_plain);
void lanes_free(struct feed *f);
/* Lanes of f to one of the AEs at v (or, with `all`, to any) are served now, whatever their back-off. */
void lanes_moved(struct feed *f, struct exec *x, const struct moved *v, size_t n, bool all);

/* notify_await.c: has what they wait for come? */
void await_check(struct notifier *n);

/* outbound.c: free what is still on its way, after the loop ended. */
void outbound_abandon(struct call *all);

#endif
