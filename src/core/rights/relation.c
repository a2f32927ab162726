/* SPDX-License-Identifier: Apache-2.0 */
/* Who stands for the holder of a token. See relation.h. */
#include "core/rights/relation.h"

#include <pthread.h>
#include <stdlib.h>

#include "authz/seci.h"
#include "base/hash.h"
#include "core/rights/consult_int.h"
#include "core/trust.h"
#include "core/work.h"
#include "secenv/secret.h"

enum { SLOTS = 1024, SIGNS_MOST = 8, SIGN_LONGEST = 1024 };
static const usec kept = 300 * USEC_S;

struct known {
	usec until;
	struct slice id;
	struct slice sign[SIGNS_MOST]; size_t n;
	size_t bytes;            /* of all, this struct included */
	char text[];
};

struct relations {
	pthread_mutex_t lock;
	struct known *slot[SLOTS]; /* by hash of the Token-ID; the later one stays */
};

struct relations *relations_new(void)
{
	struct relations *s = calloc(1, sizeof(*s));

	if (s)
		pthread_mutex_init(&s->lock, NULL);
	return s;
}

static void drop(struct known *k)
{
	if (k)
		explicit_bzero(k, k->bytes);
	free(k);
}

void relations_free(struct relations *s)
{
	for (size_t i = 0; s && i < SLOTS; i++)
		drop(s->slot[i]);
	if (s)
		pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct known **slot_of(struct relations *s, struct slice id)
{
	return &s->slot[hash_slice(id) % SLOTS];
}

static struct slice place(char **at, struct slice s)
{
	struct slice out = slice_of(*at, s.n);

	memcpy(*at, s.p, s.n);
	*at += s.n;
	return out;
}

void relations_learn(struct relations *s, struct slice id, const struct slice *signs, size_t n, usec now)
{
	size_t bytes = sizeof(struct known) + id.n;
	struct known *k, **slot = slot_of(s, id);
	char *at;

	n = n < SIGNS_MOST ? n : SIGNS_MOST;
	for (size_t i = 0; i < n; i++)
		bytes += signs[i].n < SIGN_LONGEST ? signs[i].n : 0;
	if (!(k = calloc(1, bytes)))
		return;
	at = k->text;
	k->bytes = bytes;
	k->until = now + kept;
	k->id = place(&at, id);
	for (size_t i = 0; i < n; i++)
		if (signs[i].n < SIGN_LONGEST)
			k->sign[k->n++] = place(&at, signs[i]);
	pthread_mutex_lock(&s->lock);
	drop(*slot);
	*slot = k;
	pthread_mutex_unlock(&s->lock);
}

enum found { UNKNOWN, DIFFERENT, SAME };

/* Is one of r's signatures one that is kept for the token? What proved something is used up. */
static enum found compare(struct relations *s, struct slice id, const struct req *r, usec now)
{
	enum found f = UNKNOWN;
	struct known **slot = slot_of(s, id);

	pthread_mutex_lock(&s->lock);
	if (*slot && (*slot)->until > now && slice_eq((*slot)->id, id)) {
		f = DIFFERENT;
		for (size_t i = 0; i < r->n_aus; i++)
			for (size_t k = 0; k < (*slot)->n; k++)
				if (secret_same(r->aus[i], (*slot)->sign[k]))
					f = SAME;
		if (f == SAME) {
			drop(*slot);
			*slot = NULL;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return f;
}

/* The question for the DAS of the token's issuer into the state of r. False: there is no such DAS. */
static bool prepare(struct exec *x, struct req *r, const struct token_claims *claims, struct consult_state *s)
{
	struct issuers *issuers = trust_issuers(x->core);
	const struct issuer *i = issuers_by_id(issuers, claims->issuer);
	struct seci_relation q = { .ids = &claims->id, .n_ids = 1, .asri = true };
	struct das *d = &s->list.das[0];
	struct buf b;

	s->list.n = 0;
	d->n_addresses = 0;
	for (size_t k = 0; i && k < i->n_das && k < ADDRESSES_MOST; k++)
		d->address[d->n_addresses++] = arena_dup(&r->arena, i->das[k]);
	buf_init(&b, SECI_BYTES_MOST);
	seci_write_darq(&b, &q);
	d->question = b.failed ? (struct slice){ NULL, 0 } : arena_dup(&r->arena, buf_view(&b));
	buf_free(&b);
	d->dac = arena_dup(&r->arena, claims->issuer);
	s->token = arena_dup(&r->arena, claims->id);
	issuers_put(issuers);
	s->list.n = d->n_addresses && d->question.p && d->dac.p && s->token.p;
	return s->list.n;
}

enum relation relation_of(struct exec *x, struct req *r, const struct token_claims *claims)
{
	struct consult_state *s;

	if (!x->core->relations || r->work->member || (r->work->who_kind != ID_AE_C && r->work->who_kind != ID_AE_S) ||
	    !(s = consult_state_of(r)))
		return RELATION_REFUSED;
	s->relation = false;
	switch (compare(x->core->relations, claims->id, r, x->now)) {
	case SAME:
		return RELATION_PROVEN;
	case DIFFERENT:
		s->asri = r->n_aus == 0; /* a wrong one gets no second hint */
		return RELATION_REFUSED;
	default:
		s->relation = x->core->consult && !consult_waited(r) && prepare(x, r, claims, s);
		return s->relation ? RELATION_ASK : RELATION_REFUSED;
	}
}

bool relation_pending(const struct req *r)
{
	const struct consult_state *s = r->work->rights.state[RIGHTS_CONSULT];
	return s && s->relation;
}
