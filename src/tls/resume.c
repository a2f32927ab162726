/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions that may be resumed (RFC 5246 7.3, by session id), kept here rather than in tickets at the client: so a session can be
 * forgotten, ends with its credential, and no key of tickets opens recorded traffic. A fixed number of places; a full table forgets the
 * oldest. What is kept holds master secrets: wiped when it goes. */
#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "secenv/secret.h"
#include "tls/tls_int.h"

struct entry {
	struct entry *next;        /* in its bucket */
	struct entry *older, *newer;
	usec expires, credential;
	size_t n_id, n;
	uint8_t id[RESUMABLE_ID];
	uint8_t data[];
};

struct resumable {
	pthread_mutex_t lock;
	unsigned n, max;
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
	secret_wipe(e->data, e->n);
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
	pthread_mutex_unlock(&r->lock);
}

void resumable_put(struct resumable *r, struct slice id, struct slice data, usec until, usec credential, usec now)
{
	const usec expires = credential && credential < until ? credential : until;
	struct entry *e, **at;

	if (!id.n || id.n > RESUMABLE_ID || data.n > RESUMABLE_BYTES || expires <= now)
		return;
	e = malloc(sizeof(*e) + data.n);
	if (!e)
		return; /* then it is not resumed */
	*e = (struct entry){ .expires = expires, .credential = credential, .n_id = id.n, .n = data.n };
	memcpy(e->id, id.p, id.n);
	memcpy(e->data, data.p, data.n);
	pthread_mutex_lock(&r->lock);
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

gnutls_datum_t resumable_get(struct resumable *r, struct slice id, usec now, usec *credential)
{
	gnutls_datum_t out = { NULL, 0 };
	struct entry **at;

	pthread_mutex_lock(&r->lock);
	at = find(r, id);
	if (*at && (*at)->expires <= now) {
		drop(r, at);
	} else if (*at) {
		out.data = gnutls_malloc((*at)->n);
		if (out.data) {
			out.size = (unsigned)(*at)->n;
			memcpy(out.data, (*at)->data, (*at)->n);
			*credential = (*at)->credential;
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

	resumable_put(t->setup->resumable, datum(id), datum(data), now < USEC_NEVER - span ? now + span : USEC_NEVER, t->peer.expires, now);
	return 0;
}

static gnutls_datum_t retrieve(void *ptr, gnutls_datum_t id)
{
	struct tls *t = ptr;

	return resumable_get(t->setup->resumable, datum(id), clock_wall(), &t->psk_expires);
}

static int forget(void *ptr, gnutls_datum_t id)
{
	resumable_remove(((struct tls *)ptr)->setup->resumable, datum(id));
	return 0;
}

void resumable_attach(struct tls *t)
{
	const usec seconds = t->setup->o.resumption / USEC_S + 1;

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
