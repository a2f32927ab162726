/* SPDX-License-Identifier: Apache-2.0 */
/* The methods in their order, and waiting for what they fetch. */
#include "core/rights/rights.h"

#include "core/audited.h"
#include "core/hub.h"
#include "core/rights/consult.h"
#include "core/rights/roles.h"
#include "core/rights/tokens.h"
#include "core/work.h"

extern const struct rights_method rights_grants, rights_consult, rights_remote;

/* Methods that are built; a kind without a row says no. */
static const struct rights_method *const methods[RIGHTS_KINDS] = {
	[RIGHTS_ROLES] = &rights_roles,
	[RIGHTS_GRANTS] = &rights_grants,
	[RIGHTS_TOKENS] = &rights_tokens,
	[RIGHTS_CONSULT] = &rights_consult,
	[RIGHTS_REMOTE] = &rights_remote,
};

enum reeve_rc rights_judge(struct exec *x, struct req *r, const struct rights_question *q)
{
	struct rights *g = &r->work->rights;
	unsigned last = q->own_only ? RIGHTS_ROLES : RIGHTS_KINDS - 1;
	enum reeve_rc rc = RC_NOTFOUND;

	g->waits = NULL;
	g->reason = (struct slice){ NULL, 0 };
	for (unsigned k = 0; k <= last; k++) {
		const struct rights_method *m = methods[k];

		if (!m)
			continue;
		if (m->judge && (rc = m->judge(x, r, q)) != RC_NOTFOUND) {
			if (rc == RC_OK && q->final) {
				audited(x, &(struct audit_what){ .kind = AUDIT_PERMITTED, .action = acop_name(q->bit),
								 .target = res_ri(q->target),
								 .ground = slice_str(m->name) });
				consult_permitted(x, r);
			}
			return rc;
		}
		/* what an earlier method could fetch comes before what a later one has at hand: the standard's order */
		if (!m->wants || !q->final || g->waited[k] >= (m->waits_most ? m->waits_most : 1) || r->work->member || x->depth ||
		    !m->wants(x, r, q))
			continue;
		g->waits = m;
		return RC_AGAIN;
	}
	return RC_NOTFOUND;
}

enum reeve_rc rights_prepare(struct exec *x, struct req *r)
{
	struct rights *g = &r->work->rights;

	g->waits = NULL;
	if (x->depth || r->work->member || x->internal || r->work->internal)
		return RC_OK;
	for (unsigned k = 0; k < RIGHTS_KINDS; k++)
		if (methods[k] && methods[k]->prepares && !g->waited[k] && methods[k]->wants(x, r, NULL)) {
			g->waits = methods[k];
			return RC_AGAIN;
		}
	return RC_OK;
}

void rights_refused(struct exec *x, struct req *r, const struct rights_question *q)
{
	for (unsigned k = 0; q->final && !q->own_only && k < RIGHTS_KINDS; k++)
		if (methods[k] && methods[k]->refused)
			methods[k]->refused(x, r, q);
}

bool rights_waits(const struct req *r)
{
	return r->work->rights.waits != NULL;
}

void rights_wait(struct core *c, struct req *r)
{
	struct rights *g = &r->work->rights;
	const struct rights_method *m = g->waits;

	g->waits = NULL;
	for (unsigned k = 0; k < RIGHTS_KINDS; k++)
		if (methods[k] == m)
			g->waited[k]++;
	m->fetch(c, r);
}

void rights_fetched(struct core *c, struct req *r)
{
	r->work->resumed = true;
	r->work->preluded = false; /* whoever has to be asked about a change was not asked about one that looked denied */
	core_submit(c, r);
}

bool rights_by(struct req *r, const struct rights_question *q, const struct policy *const *more, size_t n_more, const struct slice *roles,
	       size_t n_roles)
{
	struct facts f = r->work->facts;

	f.roles = roles;
	f.n_roles = n_roles;
	return (!q->by_creator && pdp_decide(q->policies, q->n_policies, q->part, &f, NULL, NULL, NULL)) ||
	       (n_more && pdp_decide(more, n_more, POLICY_PV, &f, NULL, NULL, NULL));
}

void rights_tell(struct req *r, struct slice json)
{
	struct rights *g = &r->work->rights;
	struct rights_told *t;

	for (t = g->first; t; t = t->next)
		if (slice_eq(t->text, json))
			return;
	if (!(t = arena_zalloc(&r->arena, sizeof(*t))))
		return;
	t->text = arena_dup(&r->arena, json);
	if (g->last)
		g->last->next = t;
	else
		g->first = t;
	g->last = t;
	g->n_told++;
}

struct slice rights_story(struct req *r)
{
	struct slice out = { NULL, 0 };
	struct buf b;

	if (!r->work->rights.first)
		return out;
	buf_init(&b, 16384);
	for (const struct rights_told *t = r->work->rights.first; t; t = t->next) {
		buf_char(&b, t == r->work->rights.first ? '[' : ',');
		buf_slice(&b, t->text);
	}
	buf_char(&b, ']');
	if (!b.failed)
		out = arena_dup(&r->arena, buf_view(&b));
	buf_free(&b);
	return out;
}

uint64_t rights_registration(struct exec *x, const struct req *r)
{
	struct slice stem = r->work->who;
	struct res ae;

	while (slice_find(stem, '/') >= 0)
		stem = slice_skip(stem, (size_t)slice_find(stem, '/') + 1);
	if (!stem.n || tree_stem(x->tx, stem, &ae) != RC_OK || ae.h.ty != TYPE_AE || ae.h.et <= x->now ||
	    !slice_eq(ae.creator, r->work->who))
		return 0;
	return ae.key.n;
}

usec rights_time_left(const struct req *r, usec most)
{
	usec left = r->work->rqet ? r->work->rqet - clock_wall() : most;

	return left < 1 ? 1 : left < most ? left : most;
}
