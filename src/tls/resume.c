/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions that may be resumed (RFC 5246 7.3, by session id), kept here rather than in tickets at the client: so a session can be
 * forgotten, ends with its credential, and no key of tickets opens recorded traffic. A fixed number of places; a full table forgets the
 * oldest. What was proven is kept beside GnuTLS's data, which it gives back only when it has answered already; who is named there is
 * asked about before. What is kept holds master secrets: wiped when it goes. */
#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "secenv/secret.h"
#include "tls/tls_int.h"

struct entry {
	struct entry *next;        /* in its bucket */
	struct entry *older, *newer;
	usec expires;
	struct tls_peer peer;      /* texts behind the data */
	size_t n_id, n, n_all;
	uint8_t id[RESUMABLE_ID];
	char data[];
};

struct resumable {
	pthread_mutex_t lock;
	unsigned n, max, era;
	struct entry *newest, *oldest;
	struct entry *bucket[1024];
};

struct resumable *resumable_new(unsigned max)
{
	struct resumable *r = calloc(1, sizeof(*r));

	if (r) {
		pthread_mutex_init(&r->lock, NULL);
		r->max = max;
	}
	return r;
}

/* Ids are random bytes of ours, or whatever a client says. */
static struct entry **find(struct resumable *r, struct slice id)
{
	struct entry **at = &r->bucket[hash_slice(id) % (sizeof(r->bucket) / sizeof(r->bucket[0]))];

	while (*at && ((*at)->n_id != id.n || memcmp((*at)->id, id.p, id.n) != 0))
		at = &(*at)->next;
	return at;
}

static void drop(struct resumable *r, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	*(e->older ? &e->older->newer : &r->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &r->newest) = e->older;
	r->n--;
	secret_wipe(e->data, e->n_all);
	free(e);
}

void resumable_free(struct resumable *r)
{
	if (!r)
		return;
	while (r->oldest)
		drop(r, find(r, slice_of((const char *)r->oldest->id, r->oldest->n_id)));
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void resumable_clear(struct resumable *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->oldest)
		drop(r, find(r, slice_of((const char *)r->oldest->id, r->oldest->n_id)));
	r->era++;
	pthread_mutex_unlock(&r->lock);
}

unsigned resumable_era(struct resumable *r)
{
	pthread_mutex_lock(&r->lock);
	const unsigned era = r->era;
	pthread_mutex_unlock(&r->lock);
	return era;
}

static struct slice copy(char **room, struct slice s)
{
	const struct slice to = slice_of(*room, s.n);

	if (s.n)
		memcpy(*room, s.p, s.n);
	*room += s.n;
	return to;
}

static struct entry *entry_new(struct slice id, struct slice data, const struct tls_peer *peer, usec expires)
{
	const size_t n = data.n + peer->credential.n + peer->name.n + peer->app_id.n + peer->spki.n;
	struct entry *e = malloc(sizeof(*e) + n);
	char *room;

	if (!e)
		return NULL;
	*e = (struct entry){ .expires = expires, .peer = *peer, .n_id = id.n, .n = data.n, .n_all = n };
	e->peer.key = NULL; /* lives no longer than its session */
	memcpy(e->id, id.p, id.n);
	room = e->data;
	(void)copy(&room, data);
	e->peer.credential = copy(&room, peer->credential);
	e->peer.name = copy(&room, peer->name);
	e->peer.app_id = copy(&room, peer->app_id);
	e->peer.spki = copy(&room, peer->spki);
	return e;
}

void resumable_put(struct resumable *r, unsigned era, struct slice id, struct slice data, const struct tls_peer *peer, usec until,
		   usec now)
{
	const usec expires = peer->expires && peer->expires < until ? peer->expires : until;
	struct entry *e, **at;

	if (!id.n || id.n > RESUMABLE_ID || data.n > RESUMABLE_BYTES || expires <= now)
		return;
	e = entry_new(id, data, peer, expires);
	if (!e)
		return; /* then it is not resumed */
	pthread_mutex_lock(&r->lock);
	if (era != r->era) { /* what it was proven by may be revoked, or another key by now */
		pthread_mutex_unlock(&r->lock);
		secret_wipe(e->data, e->n_all);
		free(e);
		return;
	}
	at = find(r, id);
	if (*at)
		drop(r, at);
	else if (r->n >= r->max)
		drop(r, find(r, slice_of((const char *)r->oldest->id, r->oldest->n_id)));
	at = find(r, id);
	*at = e;
	e->older = r->newest;
	*(r->newest ? &r->newest->newer : &r->oldest) = e;
	r->newest = e;
	r->n++;
	pthread_mutex_unlock(&r->lock);
}

static bool copy_peer(struct arena *a, const struct tls_peer *from, struct tls_peer *to)
{
	*to = *from;
	to->credential = arena_dup(a, from->credential);
	to->name = arena_dup(a, from->name);
	to->app_id = arena_dup(a, from->app_id);
	to->spki = arena_dup(a, from->spki);
	return !a->failed;
}

gnutls_datum_t resumable_get(struct resumable *r, struct slice id, usec now, struct arena *a, struct tls_peer *peer)
{
	gnutls_datum_t out = { NULL, 0 };
	struct entry **at;

	pthread_mutex_lock(&r->lock);
	at = find(r, id);
	if (*at && (*at)->expires <= now) {
		drop(r, at);
	} else if (*at && copy_peer(a, &(*at)->peer, peer)) {
		out.data = gnutls_malloc((*at)->n);
		if (out.data) {
			out.size = (unsigned)(*at)->n;
			memcpy(out.data, (*at)->data, (*at)->n);
		}
	}
	pthread_mutex_unlock(&r->lock);
	return out;
}

void resumable_remove(struct resumable *r, struct slice id)
{
	struct entry **at;

	pthread_mutex_lock(&r->lock);
	at = find(r, id);
	if (*at)
		drop(r, at);
	pthread_mutex_unlock(&r->lock);
}

/* --- as GnuTLS calls it --- */

static struct slice datum(gnutls_datum_t d) { return slice_of((const char *)d.data, d.size); }

static int store(void *ptr, gnutls_datum_t id, gnutls_datum_t data)
{
	const struct tls *t = ptr;
	const usec now = clock_wall(), span = t->setup->o.resumption;

	resumable_put(t->setup->resumable, t->era, datum(id), datum(data), &t->peer, now < USEC_NEVER - span ? now + span : USEC_NEVER,
		      now);
	return 0;
}

static gnutls_datum_t retrieve(void *ptr, gnutls_datum_t id)
{
	struct tls *t = ptr;

	return resumable_get(t->setup->resumable, datum(id), clock_wall(), &t->memory, &t->before);
}

static int forget(void *ptr, gnutls_datum_t id)
{
	resumable_remove(((struct tls *)ptr)->setup->resumable, datum(id));
	return 0;
}

void resumable_attach(struct tls *t)
{
	const usec seconds = t->setup->o.resumption / USEC_S + 1;

	t->era = resumable_era(t->setup->resumable);
	gnutls_db_set_ptr(t->session, t);
	gnutls_db_set_store_function(t->session, store);
	gnutls_db_set_retrieve_function(t->session, retrieve);
	gnutls_db_set_remove_function(t->session, forget);
	gnutls_db_set_cache_expiration(t->session, seconds > 604800 ? 604800 : (int)seconds);
}

void resumable_forget(struct tls *t)
{
	gnutls_datum_t id;

	if (t->setup->resumable && gnutls_session_get_id2(t->session, &id) == 0)
		resumable_remove(t->setup->resumable, datum(id));
}
