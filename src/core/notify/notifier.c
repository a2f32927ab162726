/* SPDX-License-Identifier: Apache-2.0 */
/* The notifier: reads the outbox, keeps the books, and has the writer remove what is done with.
 *
 * All work happens in notifier_pump, with one snapshot: new entries are read, subscriptions with news are run, targets
 * that can take a message get one. Whatever happens later (an answer, an alarm) marks something and pumps again. An entry leaves the
 * store only after it was delivered or given up, so a crash repeats at most what was not yet removed. */
#include "core/notify/notifier_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/rand.h"
#include "core/notify/gather.h"
#include "core/notify/polling.h"
#include "core/cse/registrar.h"

enum { REMOVALS_MOST = 256 };

struct done_entry { struct res_key sub; uint64_t seq; bool counted; };

struct removal {
	struct write_job job;
	struct notifier *n;
	size_t count;
	struct removal *next;
	struct done_entry v[REMOVALS_MOST];
};

/* --- parts for others --- */

struct sub_cache *notifier_cache(struct notifier *n) { return n ? n->cache : NULL; }
struct alarms *notifier_alarms(struct notifier *n) { return &n->alarms; }
struct polling *notifier_polling(struct notifier *n) { return n->polling; }
struct holds *notifier_holds(struct notifier *n) { return n->holds; }
struct call **notifier_calls(struct notifier *n) { return &n->calls; }

bool notifier_full(const struct notifier *n)
{
	return n && (atomic_load_explicit(&n->backlog, memory_order_relaxed) >= n->core->cfg->limits.outbox ||
		     atomic_load_explicit(&n->backlog_bytes, memory_order_relaxed) >= n->core->cfg->limits.outbox_bytes);
}

void notifier_request_id(struct notifier *n, char *out, size_t room)
{
	snprintf(out, room, "%s%llu", n->prefix, (unsigned long long)++n->requests);
}

bool hub_snapshot_begin(struct core *c, struct exec *x)
{
	struct notifier *n = c->notifier;

	if (st_renew(n->reader) != RC_OK)
		return false;
	*x = (struct exec){ .core = c, .tx = n->reader, .policies = c->per_loop[0].policies, .now = clock_wall() };
	return true;
}

void hub_snapshot_end(struct exec *x) { st_release(x->tx); }

/* --- feeds --- */

struct feed *notifier_feed(struct notifier *n, struct res_key key, bool make)
{
	struct feed **at = &n->bucket[hash_mem(&key.n, sizeof(key.n)) % FEED_BUCKETS];

	while (*at && (*at)->key.n != key.n)
		at = &(*at)->next;
	if (!*at && make && (*at = calloc(1, sizeof(**at)))) {
		(*at)->n = n;
		(*at)->key = key;
	}
	return *at;
}

static void forget(struct notifier *n, struct feed *f)
{
	struct feed **at = &n->bucket[hash_mem(&f->key.n, sizeof(f->key.n)) % FEED_BUCKETS];

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	feed_free(f);
}

/* --- reading the outbox --- */

static void scan(struct notifier *n, struct exec *x)
{
	char key[OUTBOX_KEY_LEN];
	struct outbox_entry e;
	struct st_cursor c;
	struct feed *f;

	if (st_cursor_open(x->tx, ST_OUTBOX, &c) != RC_OK)
		return;
	outbox_key(n->seen + 1, (struct res_key){ 0, 0 }, key);
	for (enum reeve_rc rc = st_seek(&c, slice_of(key, sizeof(key))); rc == RC_OK; rc = st_next(&c)) {
		if (!outbox_view(c.key, c.value, &e)) {
			log_error("notify", "an entry of the outbox is damaged and is left alone");
			continue;
		}
		if (!(f = notifier_feed(n, e.sub, true))) {
			alarm_set(&n->alarms, &n->again, x->now + USEC_S);
			break;
		}
		n->seen = e.seq;
		atomic_fetch_add_explicit(&n->backlog, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&n->backlog_bytes, e.size, memory_order_relaxed);
		feed_accept(f, &e);
	}
	st_cursor_close(&c);
}

static void look_again(struct alarm *a, usec now)
{
	(void)now;
	notifier_pump((struct notifier *)((char *)a - offsetof(struct notifier, again)));
}

/* --- removal --- */

static enum reeve_rc count_down(struct exec *x, struct res_key key, uint64_t by)
{
	struct slice raw;
	struct arena a;
	struct res sub;
	uint64_t left;
	enum reeve_rc rc = tree_get(x->tx, key, &sub);

	if (rc != RC_OK)
		return rc == RC_NOTFOUND ? RC_OK : rc;
	arena_init(&a, NULL, 0, 4 << 20);
	raw = res_attr(&a, &sub, S("exc"));
	if (!raw.p || !slice_u64(raw, &left)) /* removed by an Update meanwhile */
		rc = RC_OK;
	else if (left <= by)
		rc = exec_delete(x, &sub, false);
	else
		rc = notify_update_internal(x, &sub, arena_printf(&a, "{\"m2m:sub\":{\"exc\":%llu}}", (unsigned long long)(left - by)));
	arena_reset(&a);
	return rc;
}

static enum reeve_rc removal_run(struct write_job *j, struct exec *x)
{
	struct removal *r = (struct removal *)j;
	enum reeve_rc rc;

	for (size_t i = 0; i < r->count; i++) {
		char key[OUTBOX_KEY_LEN];

		outbox_key(r->v[i].seq, r->v[i].sub, key);
		rc = st_del(x->tx, ST_OUTBOX, slice_of(key, sizeof(key)));
		if (rc != RC_OK && rc != RC_NOTFOUND)
			return rc;
	}
	for (size_t i = 0; i < r->count; i++) {
		if (!r->v[i].counted)
			continue;
		rc = count_down(x, r->v[i].sub, 1);
		if (rc == RC_FULL || rc == RC_IO)
			return rc;
		if (rc != RC_OK)
			log_warn("notify", "expirationCounter could not be counted down (%s)", rc_name(rc));
	}
	return RC_OK;
}

static void removal_flush(struct notifier *n);

static void removal_done(struct write_job *j, enum reeve_rc rc)
{
	struct removal *r = (struct removal *)j, **at;
	struct notifier *n = r->n;

	n->removing = false;
	if (rc != RC_OK) { /* the store is full or broken: they stay, and are tried again */
		for (at = &n->removal; *at; at = &(*at)->next)
			;
		r->next = NULL;
		*at = r;
		alarm_set(&n->alarms, &n->again, clock_wall() + USEC_S);
		return;
	}
	for (size_t i = 0; i < r->count; i++) {
		struct feed *f = r->v[i].counted ? notifier_feed(n, r->v[i].sub, false) : NULL;

		if (!f)
			continue;
		if (f->uncommitted)
			f->uncommitted--;
		f->fresh = false;
		feed_touch(f);
	}
	free(r);
	notifier_pump(n);
}

static void removal_flush(struct notifier *n)
{
	struct removal *r = n->removal;

	if (!r || n->removing || n->stopped)
		return;
	r->job = (struct write_job){ .run = removal_run, .done = removal_done, .home = n->hub };
	if (writer_submit(n->core->writer, &r->job) != RC_OK) {
		alarm_set(&n->alarms, &n->again, clock_wall() + 50 * USEC_MS);
		return;
	}
	n->removal = r->next;
	n->removing = true;
}

void notifier_forget(struct notifier *n, size_t size)
{
	atomic_fetch_sub_explicit(&n->backlog, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&n->backlog_bytes, size, memory_order_relaxed);
}

void notifier_remove(struct feed *f, uint64_t seq, size_t size, bool counted)
{
	struct notifier *n = f->n;
	struct removal **at = &n->removal;

	notifier_forget(n, size);
	while (*at && (*at)->count == REMOVALS_MOST)
		at = &(*at)->next;
	if (!*at && !(*at = calloc(1, sizeof(**at))))
		return; /* it stays in the store and is sent again after a restart */
	(*at)->n = n;
	(*at)->v[(*at)->count++] = (struct done_entry){ f->key, seq, counted };
	if (counted)
		f->uncommitted++;
}

/* --- the pump --- */

/* Moves that this snapshot shows; later ones wait for the wake behind their commit. */
static void follow_moved(struct notifier *n, struct exec *x)
{
	struct moved v[MOVED_MOST];
	size_t count = 0, left = 0;
	bool all;

	pthread_mutex_lock(&n->moved_lock);
	all = n->moved_more && n->moved_more <= st_version(x->tx);
	for (size_t i = 0; i < n->n_moved; i++) {
		if (n->moved[i].since <= st_version(x->tx))
			v[count++] = n->moved[i];
		else
			n->moved[left++] = n->moved[i];
	}
	n->n_moved = left;
	if (all)
		n->moved_more = 0;
	pthread_mutex_unlock(&n->moved_lock);
	if (!count && !all)
		return;
	for (size_t i = 0; i < FEED_BUCKETS; i++)
		for (struct feed *f = n->bucket[i]; f; f = f->next)
			lanes_moved(f, x, v, count, all);
}

void notifier_moved(struct exec *x, struct res_key key)
{
	struct notifier *n = x->core->notifier;

	if (!n)
		return;
	pthread_mutex_lock(&n->moved_lock);
	if (n->n_moved < MOVED_MOST)
		n->moved[n->n_moved++] = (struct moved){ key, st_version(x->tx) };
	else
		n->moved_more = st_version(x->tx);
	pthread_mutex_unlock(&n->moved_lock);
	writer_outbox_changed(x); /* wakes the notifier after the commit */
}

void notifier_reachable(struct core *c, uint64_t registree)
{
	struct notifier *n = c->notifier;

	pthread_mutex_lock(&n->moved_lock);
	if (n->n_moved < MOVED_MOST)
		n->moved[n->n_moved++] = (struct moved){ .key.n = registree };
	else
		n->moved_more = n->moved_more ? n->moved_more : 1;
	pthread_mutex_unlock(&n->moved_lock);
	notifier_pump(n);
}

static void run_once(struct notifier *n, struct exec *x)
{
	struct feed *f;
	struct lane *l;

	scan(n, x);
	follow_moved(n, x);
	while ((f = n->dirty)) {
		n->dirty = f->next_dirty;
		f->dirty = false;
		feed_run(f, x);
		if (feed_idle(f))
			forget(n, f);
	}
	while ((l = n->ready)) {
		n->ready = l->next_ready;
		l->ready = false;
		lane_serve(l, x);
	}
}

void notifier_pump(struct notifier *n)
{
	struct exec x;

	if (n->stopped || !atomic_load(&n->begun))
		return;
	n->pump_again = true;
	if (n->pumping)
		return;
	n->pumping = true;
	while (n->pump_again && !n->stopped) {
		n->pump_again = false;
		if (!hub_snapshot_begin(n->core, &x)) {
			alarm_set(&n->alarms, &n->again, clock_wall() + USEC_S);
			break;
		}
		run_once(n, &x);
		n->pump_again |= n->dirty || n->ready;
		hub_snapshot_end(&x);
	}
	n->pumping = false;
	await_check(n);
	removal_flush(n);
}

static void woken(uv_async_t *a)
{
	struct notifier *n = a->data;

	notifier_pump(n);
	registrar_wake(n->core);
}

void notifier_wake(struct notifier *n)
{
	if (n)
		uv_async_send(&n->wake);
}

void notifier_begin(struct notifier *n)
{
	atomic_store(&n->begun, true);
	notifier_wake(n);
}

/* --- life --- */

enum reeve_rc notifier_new(struct core *c, struct loop *hub, struct notifier **out)
{
	struct notifier *n = calloc(1, sizeof(*n));
	enum reeve_rc rc = RC_NOMEM;

	if (!n)
		return RC_NOMEM;
	n->core = c;
	n->hub = hub;
	pthread_mutex_init(&n->moved_lock, NULL);
	n->again.fn = look_again;
	snprintf(n->prefix, sizeof(n->prefix), "n%06x-", (unsigned)(rand_u64() & 0xffffff));
	n->cache = sub_cache_new();
	n->polling = polling_new();
	n->holds = holds_new();
	if (!n->cache || !n->polling || !n->holds || (rc = st_reader_new(c->store, &n->reader)) != RC_OK)
		goto fail;
	if ((rc = alarms_init(&n->alarms, &hub->uv)) != RC_OK)
		goto fail;
	if (uv_async_init(&hub->uv, &n->wake, woken) != 0) {
		rc = RC_NOMEM;
		goto fail;
	}
	n->wake.data = n;
	*out = n;
	return RC_OK;
fail:
	notifier_free(n);
	return rc;
}

void notifier_stop(struct notifier *n)
{
	if (!n || n->stopped)
		return;
	n->stopped = true;
	alarms_stop(&n->alarms);
	uv_close((uv_handle_t *)&n->wake, NULL);
}

void notifier_free(struct notifier *n)
{
	if (!n)
		return;
	n->stopped = true;
	for (size_t i = 0; i < FEED_BUCKETS; i++)
		while (n->bucket[i]) {
			struct feed *f = n->bucket[i];

			n->bucket[i] = f->next;
			feed_free(f);
		}
	while (n->removal) {
		struct removal *r = n->removal;

		n->removal = r->next;
		free(r);
	}
	outbound_abandon(n->calls);
	gather_free(n->gatherings);
	holds_free(n->holds);
	polling_free(n->polling);
	sub_cache_free(n->cache);
	if (n->reader)
		st_reader_free(n->reader);
	pthread_mutex_destroy(&n->moved_lock);
	free(n);
}
