/* SPDX-License-Identifier: Apache-2.0 */
/* Live associations. One list, under a lock that is held for steps of memory only: an association enters it before it looks at the table
 * of credentials, so whoever changes the table and then walks the list misses nobody.
 *
 * The loop of a connection is told of the end by a message. An association that has left its connection is in no list and knows neither
 * loop nor core; the requests that hold references to it may outlive both. */
#include "core/association/association_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "core/trust.h"
#include "secenv/secret.h"

enum { TICK_MS = 500, MEMORY_MAX = 1 << 20 };

struct association {
	struct loop_msg msg;       /* first: it travels to the loop to end */
	atomic_uint refs;
	struct associations *of;   /* NULL: it has left */
	struct association *next, **link;
	struct loop *loop;
	void (*end)(void *owner);
	void *owner;
	bool ending;               /* under the list's lock: the message is on its way */
	bool left;                 /* on the loop */
	struct core *core;
	enum credential_type type;
	struct identity who;
	struct slice app_id;
	struct arena memory;
	char room[1024];
};

/* --- snapshots --- */

struct st_tx *snapshot_begin(struct associations *as)
{
	pthread_mutex_lock(&as->read_lock);
	if (st_renew(as->reader) == RC_OK)
		return as->reader;
	pthread_mutex_unlock(&as->read_lock);
	return NULL;
}

void snapshot_end(struct associations *as)
{
	st_release(as->reader);
	pthread_mutex_unlock(&as->read_lock);
}

/* --- references --- */

struct association *association_get(struct association *a)
{
	atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
	return a;
}

void association_put(struct association *a)
{
	if (!a || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1)
		return;
	arena_reset(&a->memory);
	free(a);
}

void association_peer(const struct association *a, struct peer *peer)
{
	peer->association = a != NULL;
	peer->cse_id = a ? a->who.cse_id : S("");
	peer->ae_ids = a ? a->who.ae_ids : NULL;
	peer->n_ae_ids = a ? a->who.n_ae_ids : 0;
	peer->credential = a ? a->who.credential : S("");
	peer->app_id = a ? a->app_id : S("");
	if (a)
		peer->open = false; /* what was proven counts */
}

bool association_with(const struct association *a, struct slice entity)
{
	const struct identity *who = &a->who;

	for (size_t i = 0; i < who->n_ae_ids; i++)
		if (slice_eq(who->ae_ids[i], entity))
			return true;
	return who->cse_id.n ? slice_eq(who->cse_id, entity) : !who->n_ae_ids;
}

/* --- the list --- */

static void enter(struct associations *as, struct association *a)
{
	pthread_mutex_lock(&as->lock);
	a->next = as->first;
	a->link = &as->first;
	if (a->next)
		a->next->link = &a->next;
	as->first = a;
	as->n++;
	pthread_mutex_unlock(&as->lock);
}

static void leave(struct associations *as, struct association *a)
{
	pthread_mutex_lock(&as->lock);
	*a->link = a->next;
	if (a->next)
		a->next->link = a->link;
	as->n--;
	pthread_mutex_unlock(&as->lock);
}

static void ended(struct loop *l, struct loop_msg *m)
{
	struct association *a = (struct association *)m;

	(void)l;
	if (!a->left) {
		metrics_inc(&a->core->metrics, associations_ended);
		a->end(a->owner);
	}
	association_put(a);
}

/* With the lock. */
static void end_one(struct association *a)
{
	if (a->ending)
		return;
	a->ending = true;
	loop_post(a->loop, &association_get(a)->msg);
}

void associations_end(struct core *c, struct slice credential)
{
	struct associations *as = c->associations;

	if (!as)
		return;
	pthread_mutex_lock(&as->lock);
	for (unsigned i = 0; i < SETUPS; i++)
		if (as->setups.of[i])
			tls_setup_forget(as->setups.of[i]);
	if (as->begun)
		tls_setup_forget(as->begun);
	for (struct association *a = as->first; a; a = a->next)
		if (slice_eq(a->who.credential, credential))
			end_one(a);
	pthread_mutex_unlock(&as->lock);
}

unsigned associations_count(struct core *c)
{
	unsigned n = 0;

	if (c->associations) {
		pthread_mutex_lock(&c->associations->lock);
		n = c->associations->n;
		pthread_mutex_unlock(&c->associations->lock);
	}
	return n;
}

/* SEC-029 */
static void tick(uv_timer_t *t)
{
	struct associations *as = t->data;
	const usec now = clock_wall();
	usec next = USEC_NEVER;

	pthread_mutex_lock(&as->lock);
	if (now >= as->next_expiry) {
		for (struct association *a = as->first; a; a = a->next) {
			if (!a->who.expires || a->ending)
				continue;
			if (a->who.expires <= now)
				end_one(a);
			else if (a->who.expires < next)
				next = a->who.expires;
		}
		as->next_expiry = next;
	}
	pthread_mutex_unlock(&as->lock);
}

/* --- a new one --- */

/* Has a key of this credential the same bytes? None is stored of those that come from elsewhere (key_source). */
static bool key_still(struct associations *as, struct slice credential, struct key_ref *key)
{
	uint8_t was[KEY_LENT_MAX], is[KEY_LENT_MAX];
	struct secenv *keys = trust_keys(as->core);
	struct key_ref *now = keys ? secenv_find(keys, credential) : NULL;
	size_t n_was, n_is;
	bool same = !now && credential_type_of(credential) != CREDENTIAL_PSK;

	if (now && key_lend(key, was, &n_was) == RC_OK && key_lend(now, is, &n_is) == RC_OK)
		same = n_was == n_is && secret_equal(was, is, n_is);
	secret_wipe(was, sizeof(was));
	secret_wipe(is, sizeof(is));
	key_put(now);
	return same;
}

/* A handshake takes as long as the peer likes. What it was judged by may be another one by now: the key after a rotation, anchors and
 * revocation lists after a SIGHUP. (A row is looked at anew anyway.) */
static bool overtaken(struct associations *as, struct slice credential, const struct tls_peer *p, char why[TLS_WHY_MAX])
{
	bool current = !p->setup || p->type < CREDENTIAL_DEVICE || p->type > CREDENTIAL_NODE;

	pthread_mutex_lock(&as->lock);
	for (unsigned i = 0; i < SETUPS && !current; i++)
		current = as->setups.of[i] == p->setup;
	pthread_mutex_unlock(&as->lock);
	if (current && (!p->key || key_still(as, credential, p->key)))
		return false;
	snprintf(why, TLS_WHY_MAX, "the credential %.*s, or what it is judged by, was replaced during the handshake", SF(credential));
	return true;
}

static bool find_out(struct associations *as, struct association *a, const struct tls_peer *p, char why[TLS_WHY_MAX])
{
	struct identity who;
	struct st_tx *tx = snapshot_begin(as);
	bool known = false;

	if (!tx) {
		snprintf(why, TLS_WHY_MAX, "the store cannot be read");
		return false;
	}
	known = identify(as->core, tx, &a->memory, p, &who, why);
	snapshot_end(as);
	a->app_id = p->app_id.n ? arena_dup(&a->memory, p->app_id) : S("");
	if (!known || a->memory.failed || overtaken(as, who.credential, p, why))
		return false;
	pthread_mutex_lock(&as->lock);
	a->who = who;
	if (who.expires && who.expires < as->next_expiry)
		as->next_expiry = who.expires;
	pthread_mutex_unlock(&as->lock);
	return true;
}

struct association *association_new(struct core *c, const struct tls_peer *p, struct loop *loop, void (*end)(void *owner), void *owner,
				    char why[TLS_WHY_MAX])
{
	struct associations *as = c->associations;
	struct association *a = as ? calloc(1, sizeof(*a)) : NULL;

	snprintf(why, TLS_WHY_MAX, "out of memory");
	if (!a)
		return NULL;
	atomic_init(&a->refs, 1);
	a->msg.fn = ended;
	a->of = as;
	a->core = c;
	a->loop = loop;
	a->end = end;
	a->owner = owner;
	a->type = p->type;
	arena_init(&a->memory, a->room, sizeof(a->room), MEMORY_MAX);
	a->who.credential = arena_dup(&a->memory, p->credential);
	enter(as, a); /* from here on a revocation finds it */
	if (find_out(as, a, p, why)) {
		why[0] = '\0';
		return a;
	}
	association_leave(a);
	association_put(a);
	return NULL;
}

void association_leave(struct association *a)
{
	if (a->left)
		return;
	a->left = true;
	leave(a->of, a);
	a->of = NULL;
}

/* --- what handshakes ask --- */

static enum reeve_rc stored_key(struct associations *as, struct slice id, struct key_ref **key, usec *expires)
{
	struct core *c = as->core;
	struct secenv *keys = trust_keys(c);
	struct credential row;
	struct arena a;
	struct st_tx *tx = snapshot_begin(as);
	enum reeve_rc rc;

	if (!tx)
		return RC_IO;
	arena_init(&a, NULL, 0, MEMORY_MAX);
	rc = credential_get(tx, &a, id, &row);
	snapshot_end(as);
	*expires = rc == RC_OK ? row.expires : 0;
	if (rc == RC_OK && !credential_good(&row, clock_wall())) /* SEC-030 */
		rc = RC_DENIED;
	else if (rc == RC_NOTFOUND && c->cfg->registrar.credential.n && slice_eq(id, c->cfg->registrar.credential))
		rc = RC_OK; /* SEC-026: the registrar comes with what we go to it with */
	if (rc == RC_OK) {
		*key = keys ? secenv_find(keys, id) : NULL;
		rc = *key ? RC_OK : RC_NOTFOUND;
	}
	arena_reset(&a);
	return rc;
}

/* A row of the source's own type says that the key is not to be fetched any more. */
static enum reeve_rc fetched_key(struct associations *as, struct slice identity, struct tls_hold *ticket, struct key_ref **key,
				 usec *expires)
{
	struct slice relative, fqdn;
	char room[PSK_IDENTITY_MAX + 8];
	enum reeve_rc rc;

	if (!key_identifier_parse(identity, &relative, &fqdn))
		return RC_NOTFOUND;
	for (struct key_source *s = as->sources; s; s = s->next) {
		if (!s->serves(s->ctx, fqdn))
			continue;
		const int n = snprintf(room, sizeof(room), "%d-%.*s", (int)s->type, SF(identity));
		if (n <= 0 || (size_t)n >= sizeof(room))
			return RC_NOTFOUND;
		rc = stored_key(as, slice_of(room, (size_t)n), key, expires);
		return rc == RC_NOTFOUND ? s->find(s->ctx, identity, ticket, key, expires) : rc;
	}
	return RC_NOTFOUND;
}

static enum reeve_rc find_psk(void *ctx, struct slice identity, struct tls_hold *ticket, struct key_ref **key, usec *expires)
{
	struct associations *as = ctx;
	char room[PSK_IDENTITY_MAX + 8];
	const int n = identity.n <= PSK_IDENTITY_MAX ? snprintf(room, sizeof(room), "12-%.*s", SF(identity)) : 0;
	enum reeve_rc rc;

	if (n <= 0 || (size_t)n >= sizeof(room) || memchr(identity.p, '\0', identity.n))
		return RC_NOTFOUND;
	rc = stored_key(as, slice_of(room, (size_t)n), key, expires);
	if (rc == RC_NOTFOUND)
		rc = fetched_key(as, identity, ticket, key, expires);
	return rc == RC_DENIED ? RC_NOTFOUND : rc; /* SEC-039: nobody learns which */
}

static bool permit(void *ctx, const struct tls_peer *p)
{
	struct associations *as = ctx;
	char why[TLS_WHY_MAX] = "";
	struct identity who;
	struct arena a;
	struct st_tx *tx;
	bool good;

	if (p->type == CREDENTIAL_NONE || !(tx = snapshot_begin(as))) /* a server's certificate makes no client */
		return false;
	arena_init(&a, NULL, 0, MEMORY_MAX);
	good = identify(as->core, tx, &a, p, &who, why);
	snapshot_end(as);
	if (!good)
		log_info("association", "a handshake is refused: %s", why);
	arena_reset(&a);
	return good;
}

void association_key_source(struct core *c, struct key_source *s)
{
	pthread_mutex_lock(&c->associations->lock);
	s->next = c->associations->sources;
	c->associations->sources = s;
	pthread_mutex_unlock(&c->associations->lock);
}

/* --- setups --- */

struct tls_setup *association_setup(struct core *c, bool client, bool datagram)
{
	struct associations *as = c->associations;
	struct tls_setup *s = NULL;

	if (!as)
		return NULL;
	pthread_mutex_lock(&as->lock);
	if (as->setups.of[setup_index(client, datagram)])
		s = tls_setup_get(as->setups.of[setup_index(client, datagram)]);
	pthread_mutex_unlock(&as->lock);
	return s;
}

bool associations_counts(struct core *c, bool client, struct association_counts *out)
{
	bool any = false;

	*out = (struct association_counts){ 0 };
	for (int datagram = 0; datagram < 2; datagram++) {
		struct tls_setup *s = association_setup(c, client, datagram != 0);
		if (!s)
			continue;
		const struct tls_counts *n = tls_setup_counts(s);
		out->begun += n->begun, out->done += n->done, out->resumed += n->resumed, out->failed += n->failed;
		out->refused += n->refused, out->held += n->held, out->hold_timeout += n->hold_timeout;
		out->hold_limit += n->hold_limit, out->holding += n->holding;
		tls_setup_put(s);
		any = true;
	}
	return any;
}

static enum reeve_rc new_setups(struct associations *as, struct setups *out, char why[TLS_WHY_MAX])
{
	const struct tls_source source = { .ctx = as, .psk = find_psk, .permit = permit };

	*out = (struct setups){ 0 };
	return setups_wanted(as->core->cfg) ? setups_new(as->core->cfg, trust_keys(as->core), &source, out, why) : RC_OK;
}

enum reeve_rc associations_check(const struct config *cfg, struct secenv *keys, char why[TLS_WHY_MAX])
{
	const struct tls_source source = { .psk = find_psk, .permit = permit };
	struct setups s = { 0 };
	enum reeve_rc rc = setups_wanted(cfg) ? setups_new(cfg, keys, &source, &s, why) : RC_OK;

	setups_free(&s);
	return rc;
}

/* --- life --- */

enum reeve_rc associations_open(struct core *c, char why[TLS_WHY_MAX])
{
	struct associations *as = calloc(1, sizeof(*as));
	enum reeve_rc rc;

	if (!as)
		return RC_NOMEM;
	as->core = c;
	as->next_expiry = USEC_NEVER;
	pthread_mutex_init(&as->read_lock, NULL);
	pthread_mutex_init(&as->lock, NULL);
	c->associations = as;
	if ((rc = st_reader_new(c->store, &as->reader)) != RC_OK || (rc = new_setups(as, &as->setups, why)) != RC_OK)
		return rc;
	if (uv_timer_init(&c->loops[0].uv, &as->tick) != 0)
		return RC_IO;
	as->tick.data = as;
	as->ticking = uv_timer_start(&as->tick, tick, TICK_MS, TICK_MS) == 0;
	return as->ticking ? RC_OK : RC_IO;
}

void associations_stop(struct core *c)
{
	if (!c->associations || !c->associations->ticking)
		return;
	c->associations->ticking = false;
	uv_close((uv_handle_t *)&c->associations->tick, NULL);
}

void associations_close(struct core *c)
{
	struct associations *as = c->associations;

	if (!as)
		return;
	setups_free(&as->setups);
	tls_setup_put(as->begun);
	if (as->reader)
		st_reader_free(as->reader);
	pthread_mutex_destroy(&as->read_lock);
	pthread_mutex_destroy(&as->lock);
	free(as);
	c->associations = NULL;
}

enum reeve_rc associations_reload(struct core *c, char why[TLS_WHY_MAX])
{
	struct associations *as = c->associations;
	struct setups fresh, old;
	enum reeve_rc rc = as ? new_setups(as, &fresh, why) : RC_OK;

	if (rc != RC_OK || !as)
		return rc;
	pthread_mutex_lock(&as->lock);
	old = as->setups;
	as->setups = fresh;
	if (!as->begun) {
		as->begun = old.of[setup_index(false, true)];
		old.of[setup_index(false, true)] = NULL;
	}
	for (struct association *a = as->first; a; a = a->next)
		if (a->type >= CREDENTIAL_DEVICE && a->type <= CREDENTIAL_NODE)
			end_one(a);
	pthread_mutex_unlock(&as->lock);
	setups_free(&old);
	return RC_OK;
}
