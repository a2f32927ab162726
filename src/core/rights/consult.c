/* SPDX-License-Identifier: Apache-2.0 */
/* The method: when a consultation is worth waiting for, and what a refused Originator is told (AUTHZ-184, 196 to 199). What is granted is
 * judged by the methods for dynamic policies and tokens when the request starts again. */
#include "core/rights/consult_int.h"

#include "authz/seci.h"
#include "core/trust.h"
#include "core/work.h"

struct consult_state *consult_state_of(struct req *r)
{
	void **s = &r->work->rights.state[RIGHTS_CONSULT];

	if (!*s)
		*s = arena_zalloc(&r->arena, sizeof(struct consult_state));
	return *s;
}

bool consult_waited(const struct req *r) { return r->work->rights.waited[RIGHTS_CONSULT] > 0; }

static bool wants(struct exec *x, struct req *r, const struct rights_question *q)
{
	struct consult_state *s;

	if (!x->core->consult || !(s = consult_state_of(r)))
		return false;
	s->target = q->target->key;
	s->ae = rights_registration(x, r);
	return s->relation || (x->core->cfg->dynamic.direct && consult_askable(r, q) && consult_find(x, r, q, &s->list));
}

static void fetch(struct core *c, struct req *r)
{
	consult_join(c->consult, r, r->work->rights.state[RIGHTS_CONSULT]);
}

void consult_permitted(struct exec *x, struct req *r)
{
	const struct consult_state *s = r->work->rights.state[RIGHTS_CONSULT];

	if (s && s->asri && x->core->cfg->dynamic.asri_on_success)
		r->asri = true;
}

/* --- the refusal --- */

/* The question: as JWE where the DAS has a key for it, and then in no other way. Neither is mandatory. */
static void add_question(struct buf *b, const struct issuer *i, struct slice question)
{
	const struct jose_params params = { .typ = S("JWT") };
	struct key_ref *key = i ? i->das_key.key : NULL;
	const char *why;
	struct buf jwe;

	if (!key) {
		buf_lit(b, ",\"dreq\":");
		buf_slice(b, question);
		return;
	}
	buf_init(&jwe, 2 * SECI_BYTES_MOST);
	if (jose_encrypt(key, alg_in(key_info(key)->alg, ALGS_GCM) ? ALG_NONE : ALG_A256GCM, &params, question, &jwe, &why) == RC_OK &&
	    !jwe.failed) {
		buf_lit(b, ",\"sdr\":");
		buf_json(b, buf_view(&jwe));
	}
	buf_free(&jwe);
}

/* Token Request Information: whom the Originator may ask itself (TS-0004 6.3.5.45). */
static void tell_where(struct exec *x, struct req *r, const struct rights_question *q)
{
	struct das_list *l = arena_zalloc(&r->arena, sizeof(*l));
	struct issuers *issuers;
	struct buf b;

	if (!l || !consult_find(x, r, q, l))
		return;
	issuers = trust_issuers(x->core);
	buf_init(&b, x->core->cfg->limits.response);
	buf_lit(&b, "{\"dasi\":[");
	for (size_t i = 0; i < l->n; i++) {
		buf_slice(&b, i ? S(",{\"uri\":") : S("{\"uri\":"));
		buf_json(&b, l->das[i].address[0]);
		add_question(&b, issuers_by_das(issuers, l->das[i].address[0]), l->das[i].question);
		buf_char(&b, '}');
	}
	buf_lit(&b, "]}");
	if (!b.failed)
		r->tqf = arena_dup(&r->arena, buf_view(&b));
	buf_free(&b);
	issuers_put(issuers);
}

static void refused(struct exec *x, struct req *r, const struct rights_question *q)
{
	const struct consult_state *s = r->work->rights.state[RIGHTS_CONSULT];

	if (s && s->asri)
		r->asri = true;
	if (r->has & HAS_TQI && r->tqi && x->core->cfg->dynamic.indirect && consult_askable(r, q))
		tell_where(x, r, q);
}

const struct rights_method rights_consult = { .name = "consultation", .wants = wants, .fetch = fetch, .refused = refused };
