/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the subscription machinery (notify*.c, notifier*.c, types/subscription.c). */
#ifndef REEVE_CORE_NOTIFY_INT_H
#define REEVE_CORE_NOTIFY_INT_H

#include "codec/text.h"
#include "core/hub.h"
#include "core/core.h"
#include "core/notify/notify.h"

enum { EC_IMMEDIATE = 2, EC_LATEST = 4 }; /* of m2m:eventCat */

/* One member of operationMonitor. */
struct sub_monitor {
	unsigned ops;           /* sum of ACOP_ bits; 0: any */
	struct slice who;       /* canonical id; empty: anybody */
};

/* A <subscription> read into what matching and sending need. Everything lies in the arena it was read with. */
struct sub {
	struct res_key key;
	usec et;
	/* eventNotificationCriteria */
	uint32_t events;        /* bit n: enum notify_event n */
	struct filter filter;   /* the remaining conditions */
	struct slice *atr; size_t n_atr;
	int64_t *chty; size_t n_chty;
	struct sub_monitor *om; size_t n_om;
	bool missing_data;
	/* what goes into a notification */
	uint64_t nct;
	struct slice nu;        /* JSON array of targets */
	struct slice sur;       /* SP-relative structured address, a JSON string */
	struct slice tail;      /* members of m2m:sgn behind nev: "sur":"...","cr":"..." */
	struct slice creator;   /* cr as JSON string; empty */
	/* policies of sending */
	bool batch, rate, latest, counted;
	uint64_t batch_num;     /* 0: only the duration counts */
	usec batch_dur;
	uint64_t rate_num;
	usec rate_window;
	uint64_t pending;       /* pn; 0 absent */
	uint64_t category;      /* nec; 0 absent */
	uint64_t exc;
	struct text_schedule *schedule; size_t n_schedule;
	bool has_schedule;
};

/* No policy could hold a notification back: it is due the moment the event happens. */
static inline bool sub_plain(const struct sub *s) { return !s->batch && !s->rate && !s->has_schedule; }

/* Read eventNotificationCriteria at `enc` of j (SUB_NO_ENC: absent) into s. RC_INVALID with *why. */
enum { SUB_NO_ENC = INT32_MAX };
REEVE_MUST_CHECK enum reeve_rc sub_read_enc(struct arena *a, const struct ident_home *home, const struct json *j, uint32_t enc,
					    struct sub *s, struct slice *why);
/* Read a stored <subscription> with its schedule. RC_INVALID: the record makes no sense (it is skipped then). */
REEVE_MUST_CHECK enum reeve_rc sub_read(struct exec *x, struct arena *a, const struct res *r, struct sub *s);
/* SP-relative structured address of r as a JSON string. */
REEVE_MUST_CHECK enum reeve_rc notify_address(struct exec *x, struct arena *a, const struct res *r, struct slice *out);
/* Does the schedule (any of its entries) permit this moment? No schedule: yes. */
bool sub_open(const struct sub *s, usec now);
/* The next moment after now at which that may change; never further than a minute away. */
usec sub_next_change(const struct sub *s, usec now);

/* The subscriptions of one resource. */
struct sub_list {
	uint64_t parent;
	size_t n;
	struct sub *v;
	bool cached;
	struct arena arena;
};

/* Lists by parent, of the writer's thread only. A list read in a transaction that changed subscriptions is not kept,
 * because that transaction may still fail. */
struct sub_cache;
struct sub_cache *sub_cache_new(void);
void sub_cache_free(struct sub_cache *c);
/* A subscription (or its schedule) below `parent` is about to change in x. c may be NULL. */
void sub_cache_changed(struct sub_cache *c, struct exec *x, uint64_t parent);
/* Give the list back with sub_list_put. c may be NULL. */
REEVE_MUST_CHECK enum reeve_rc sub_list_get(struct sub_cache *c, struct exec *x, uint64_t parent, struct sub_list **out);
void sub_list_put(struct sub_list *l);

/* --- who is a target --- */

/* Is `target` (an entry of nu) an address in the form of a URL? Otherwise it is a resource identifier. */
static inline bool target_is_url(struct slice target)
{
	for (size_t i = 0; i + 2 < target.n; i++)
		if (target.p[i] == ':')
			return target.p[i + 1] == '/' && target.p[i + 2] == '/';
		else if (target.p[i] == '/')
			return false;
	return false;
}
/* Cut "?ct=json" (or "&ct=json" at the end) off; *serial is set when it was there and known. */
struct slice target_strip(struct slice target, enum serial *serial);
/* Canonical id of the entity a target names: an AE-ID, a CSE-ID, or the address of a local <AE> or of <CSEBase>. Empty when it is none. */
struct slice target_entity(struct exec *x, struct arena *a, struct slice target);
/* The same for the Originator of a request. */
struct slice originator_of(struct exec *x, struct req *r);

/* Has `who` (canonical) the Notify privilege on target? */
REEVE_MUST_CHECK enum reeve_rc notify_may(struct exec *x, struct req *r, const struct res *target, struct slice who, bool *yes);
/* r is Delete of ntsr below sub: does the policy want the creator asked first? RC_REFUSED: recorded (r is no target). */
REEVE_MUST_CHECK enum reeve_rc notify_leave_asks(struct exec *x, struct req *r, const struct res *sub, bool *ask, struct slice *creator);

/* --- the notifier as others see it --- */

struct sub_cache *notifier_cache(struct notifier *n); /* NULL when n is */
/* Too many notifications wait already (limits.outbox). */
bool notifier_full(const struct notifier *n);
/* Somebody waits for an instance: the notifier is to be woken when one comes. */
bool notifier_awaited(struct notifier *n);
struct alarms *notifier_alarms(struct notifier *n);
struct polling *notifier_polling(struct notifier *n);
struct holds *notifier_holds(struct notifier *n);

/* Updates waiting for a decision of the target of a blocking subscription (notify_wait.c). */
struct holds;
struct holds *holds_new(void);
void holds_free(struct holds *h);

/* In the writer: Update attributes of a local resource as the CSE itself. `content`: {"m2m:sub":{...}}. */
REEVE_MUST_CHECK enum reeve_rc notify_update_internal(struct exec *x, const struct res *target, struct slice content);

#endif
