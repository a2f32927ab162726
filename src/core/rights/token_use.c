/* SPDX-License-Identifier: Apache-2.0 */
/* What verified tokens permit of a target (authorization.md 4.5, Q-34).
 *
 * An element of ris is an address. It is looked up and compared as a resource, so that every spelling of one address is the same, and
 * one that leads nowhere permits nothing. It stands for the resource itself and for what below it is governed by its policies because it
 * cannot have its own (instances, latest, oldest). An address that ends in a virtual resource stands for that alone. */
#include "core/rights/tokens_int.h"

enum { CHAIN_MOST = 8 };

/* List what all the tokens permit. */
static bool build(struct req *r, struct tokens_state *s)
{
	size_t n_perms = 0, n_roles = r->work->facts.n_roles, n;

	for (size_t i = 0; i < s->n + s->n_direct; i++) {
		const struct token_entry *e = i < s->n ? s->v[i].e : s->direct[i - s->n];
		const struct token_permission *p = token_permissions(e->token, &n);
		n_perms += n;
		for (size_t k = 0; k < n; k++)
			n_roles += p[k].n_roles;
	}
	s->use = arena_array(&r->arena, n_perms + 1, sizeof(*s->use));
	s->rules = arena_array(&r->arena, n_perms + 1, sizeof(*s->rules));
	s->roles = arena_array(&r->arena, n_roles + 1, sizeof(*s->roles));
	if (r->arena.failed)
		return false;
	s->n_use = 0;
	for (size_t i = 0; i < s->n + s->n_direct; i++) {
		const struct token_entry *e = i < s->n ? s->v[i].e : s->direct[i - s->n];
		const struct token_permission *p = token_permissions(e->token, &n);

		for (size_t k = 0; k < n; k++) {
			struct place *at = p[k].n_ris ? arena_array(&r->arena, p[k].n_ris, sizeof(*at)) : NULL;
			if (p[k].n_ris && !at)
				return false;
			s->use[s->n_use++] = (struct usable){ .p = &p[k], .at = at };
		}
	}
	s->built = true;
	s->placed = false;
	return true;
}

static struct place look_up(struct exec *x, struct slice address)
{
	struct target t;

	if (exec_lookup(x, address, &t) != RC_OK || t.attr.p || t.rest.p)
		return (struct place){ .n = 0 };
	return (struct place){ .n = t.res.key.n, .virt = t.virt };
}

/* In this snapshot; the writer's transaction may have changed since the last time. */
static void place_all(struct exec *x, struct req *r, struct tokens_state *s)
{
	uint64_t version = st_version(x->tx);
	struct target t;

	if (s->placed && !x->write && s->version == version)
		return;
	for (size_t i = 0; i < s->n_use; i++)
		for (size_t k = 0; k < s->use[i].p->n_ris; k++)
			s->use[i].at[k] = look_up(x, s->use[i].p->ris[k]);
	s->to = exec_lookup(x, r->to, &t) == RC_OK ? t.virt : VIRT_NONE;
	s->version = version;
	s->placed = !x->write; /* the number of what is being written does not tell two states of it apart */
}

/* The target, and above it what it is governed by. */
static size_t chain_of(struct exec *x, const struct rights_question *q, uint64_t chain[CHAIN_MOST])
{
	struct res up = *q->target;
	size_t n = 0;

	while (n < CHAIN_MOST) {
		const struct model_res *m = res_model(&up);
		chain[n++] = up.key.n;
		if (!m || m->acpi || up.h.ty == 1 || up.key.parent == 0 || tree_parent(x->tx, &up, &up) != RC_OK)
			break;
	}
	return n;
}

static bool applies(const struct usable *u, const struct rights_question *q, const struct tokens_state *s, const uint64_t *chain, size_t n)
{
	if (!u->p->n_ris)
		return true;
	for (size_t i = 0; i < u->p->n_ris; i++) {
		const struct place *at = &u->at[i];

		if (at->virt && at->virt == s->to && at->n == chain[0] && q->final)
			return true;
		/* membersAccessControlPolicyIDs speak of the fan-out, not of the group (AUTHZ-126) */
		for (size_t k = 0; !at->virt && !q->by_list && k < n; k++)
			if (at->n == chain[k])
				return true;
	}
	return false;
}

bool tokens_permit(struct exec *x, struct req *r, const struct rights_question *q, struct tokens_state *s)
{
	const struct facts *f = &r->work->facts;
	uint64_t chain[CHAIN_MOST];
	size_t n_chain, n_rules = 0, n_roles = 0;

	if (!s->built && !build(r, s))
		return false;
	if (!s->n_use)
		return false;
	place_all(x, r, s);
	n_chain = chain_of(x, q, chain);
	for (; n_roles < f->n_roles; n_roles++)
		s->roles[n_roles] = f->roles[n_roles];
	for (size_t i = 0; i < s->n_use; i++) {
		const struct token_permission *p = s->use[i].p;

		if (!applies(&s->use[i], q, s, chain, n_chain))
			continue;
		if (p->rules)
			s->rules[n_rules++] = p->rules;
		for (size_t k = 0; k < p->n_roles; k++)
			s->roles[n_roles++] = p->roles[k];
	}
	return n_rules + n_roles && rights_by(r, q, s->rules, n_rules, s->roles, n_roles);
}
