/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery: which resources below a root match (TS-0004 7.3.3.14, requirements CORE-081 to 086, AUTHZ-136 to 141).
 *
 * Candidates come from the cheapest source that has all matches: the label index, the type index, the parents of what the
 * label index has (childLabels), or a walk. An index knows the whole tree, a root may be small: so when the root is not
 * <CSEBase>, subtree and index are tried in turn with growing budgets, and the total stays within a small
 * factor of the cheaper one. Every candidate then passes the same checks in `consider`. Candidates come in an order that
 * depends on the request alone (by key, or pre-order for a walk), so that an offset means the same in the next request.
 *
 * The offset counts results, not direct children: an answer cut by a limit can then always be continued. */
#include "core/discover/children.h"

#include <stdlib.h>

#include "core/core.h"
#include "core/discover/filter_int.h"
#include "core/discover/listing.h"

enum { BUDGET_FIRST = 64, BUDGET_GROWTH = 8, ARP_SEEN = 1 << 16, ENDING = 16 };

enum source { WALK, LABELS, CHILD_LABELS, TYPES, NAMED };

struct discovery {
	struct exec *x;
	struct req *r;
	const struct res *root;
	const struct filter *f;
	const struct slice *ids; /* NAMED: candidates, as addresses */
	size_t n_ids;
	struct places places;
	struct arena work;      /* lives as long as the attempt */
	struct arena scratch;   /* of one candidate */
	enum source source;
	bool structured, references;
	uint64_t first, most;   /* results to be left out; to be shown */
	uint64_t found, shown, visits, looks;
	bool partial, continued; /* cut; and there is something to continue with */
	struct res_key *seen;   /* results of applyRelativePath, to name each once */
	size_t n_seen, cap_seen;
	_Alignas(16) char work_first[4096], scratch_first[8192];
};

/* What came of an attempt or a step. */
enum step { GO_ON, STOP, OVER_BUDGET, FAILED };

/* --- results --- */

static enum step cut(struct discovery *d, bool continued)
{
	d->partial = true;
	d->continued = continued;
	if (!continued || d->most == d->x->core->cfg->limits.results)
		metrics_inc(&d->x->core->metrics, limit_results);
	return STOP;
}

static enum step emit(struct discovery *d, const struct res *c)
{
	struct buf *b = &d->r->out;
	size_t before = b->n, ceiling = d->x->core->cfg->limits.response;

	if (ceiling > b->max)
		ceiling = b->max;

	if (d->found++ < d->first)
		return GO_ON;
	if (d->shown == d->most)
		return cut(d, true);
	if (d->shown)
		buf_char(b, ',');
	if (d->references)
		places_reference(&d->places, b, c, d->structured);
	else
		places_address(&d->places, b, c, d->structured);
	if (b->failed || b->n + ENDING > ceiling) {
		b->n = before;
		b->failed = false;
		return cut(d, true);
	}
	d->shown++;
	return GO_ON;
}

/* --- applyRelativePath --- */

/* base + "/" + relative with "." and ".." resolved; false when it leads above the first segment. */
static bool join(struct buf *b, struct slice relative)
{
	while (relative.p) {
		struct slice part = slice_cut(&relative, '/');

		if (slice_eq(part, S(".")))
			continue;
		if (slice_eq(part, S(".."))) {
			while (b->n && b->p[b->n - 1] != '/')
				b->n--;
			if (!b->n)
				return false;
			b->n--;
			continue;
		}
		buf_char(b, '/');
		buf_slice(b, part);
	}
	return !b->failed;
}

static bool seen_before(struct discovery *d, struct res_key key)
{
	if (!d->seen) {
		d->cap_seen = ARP_SEEN;
		d->seen = arena_array(&d->work, d->cap_seen, sizeof(*d->seen));
	}
	for (size_t i = (size_t)(key.n * UINT64_C(0x9e3779b97f4a7c15) >> 40) % ARP_SEEN; d->seen; i = (i + 1) % ARP_SEEN) {
		if (d->seen[i].n == key.n)
			return true;
		if (d->seen[i].n)
			continue;
		d->seen[i] = key;
		return ++d->n_seen > ARP_SEEN / 2;
	}
	return true;
}

/* Replace *c by the resource at its relative path. False when there is none, or it was named already. */
static bool apply_path(struct discovery *d, struct res *c)
{
	struct target t;
	struct buf b;
	bool ok;

	buf_init(&b, 64u << 10);
	ok = tree_path(d->x->tx, c, &b) == RC_OK && join(&b, d->f->arp) && exec_lookup(d->x, buf_view(&b), &t) == RC_OK;
	buf_free(&b);
	if (!ok)
		return false;
	*c = t.res;
	if (t.virt == VIRT_LATEST)
		ok = tree_latest(d->x->tx, t.res.key.n, d->x->now, c) == RC_OK;
	else if (t.virt == VIRT_OLDEST)
		ok = tree_oldest(d->x->tx, t.res.key.n, d->x->now, c) == RC_OK;
	else
		ok = t.virt == VIRT_NONE;
	return ok && !seen_before(d, c->key);
}

/* --- one candidate --- */

/* Is c where it has to be: below the root, not deeper than lvl, alive, not below an inactive <AE>? */
static bool in_place(struct discovery *d, const struct res *c, bool anywhere)
{
	const struct place *up;

	if (!c->key.parent)
		return anywhere && c->h.et > d->x->now;
	if (c->key.n == d->root->key.n && !anywhere)
		return false;
	up = places_get(&d->places, res_parent_key(c));
	if (!up || up->dead || up->inactive || c->h.et <= d->x->now || place_inactive(c))
		return false;
	return anywhere || (up->depth != PLACE_OUTSIDE && (d->f->lvl < 0 || up->depth < d->f->lvl));
}

static enum step consider(struct discovery *d, const struct res *candidate, unsigned known)
{
	struct res c = *candidate;
	bool match;

	d->visits += FILTER_COST(candidate);
	if (d->visits > d->x->core->cfg->limits.discovery_visits || !d->looks)
		return cut(d, false);
	if (!in_place(d, &c, false))
		return GO_ON;
	match = filter_match_rest(d->f, &d->scratch, d->x->tx, &c, true, known);
	arena_reset(&d->scratch);
	if (!match || !exec_permitted(d->x, d->r, &c, ACOP_DISCOVERY, 0))
		return GO_ON;
	if (d->f->arp.p &&
	    (!apply_path(d, &c) || !in_place(d, &c, true) || !exec_permitted(d->x, d->r, &c, ACOP_DISCOVERY, 0)))
		return GO_ON;
	return emit(d, &c);
}

/* --- sources --- */

/* Several index searches as one, in key order, each resource once. */
struct merge {
	struct tree_find *find;
	struct res *head;
	bool *live;
	size_t n;
	struct res_key last;
};

static int key_order(struct res_key a, struct res_key b)
{
	if (a.parent != b.parent)
		return a.parent < b.parent ? -1 : 1;
	return a.n < b.n ? -1 : a.n > b.n;
}

static bool merge_room(struct merge *m, struct arena *a, size_t n)
{
	*m = (struct merge){ .find = arena_array(a, n, sizeof(*m->find)), .head = arena_array(a, n, sizeof(*m->head)),
			     .live = arena_array(a, n, sizeof(*m->live)) };
	return m->find && m->head && m->live;
}

static bool merge_add(struct merge *m, struct st_tx *tx, const struct slice *label, int32_t ty)
{
	struct tree_find *f = &m->find[m->n];

	if (label ? tree_find_label(tx, *label, f) : tree_find_type(tx, ty, f))
		return false;
	m->live[m->n] = tree_find_next(f, &m->head[m->n]) == RC_OK;
	m->n++;
	return true;
}

static bool merge_next(struct merge *m, struct res *out)
{
	for (;;) {
		size_t best = m->n;

		for (size_t i = 0; i < m->n; i++)
			if (m->live[i] && (best == m->n || key_order(m->head[i].key, m->head[best].key) < 0))
				best = i;
		if (best == m->n)
			return false;
		*out = m->head[best];
		m->live[best] = tree_find_next(&m->find[best], &m->head[best]) == RC_OK;
		if (key_order(out->key, m->last) == 0)
			continue;
		m->last = out->key;
		return true;
	}
}

static void merge_end(struct merge *m)
{
	while (m->n)
		tree_find_end(&m->find[--m->n]);
}

/* Instances are in no index of types: those of the asked types below c, which can hold them. */
static enum step consider_instances(struct discovery *d, const struct res *c)
{
	struct tree_iter it;
	struct res child;
	enum step step = GO_ON;
	const struct place *at = places_get(&d->places, c->key);

	if (!at || at->dead || at->inactive || at->depth == PLACE_OUTSIDE)
		return GO_ON;
	if (tree_children(d->x->tx, c->key.n, TREE_INSTANCES, &it))
		return FAILED;
	while (step == GO_ON && tree_next(&it, &child) == RC_OK)
		step = consider(d, &child, 0);
	tree_end(&it);
	return step;
}

static bool holds_instances(const struct filter *f, int32_t holder)
{
	const struct model_res *m = model_by_ty(holder);

	for (size_t i = 0; i < f->ty.n; i++)
		if (res_ty_is_instance((int32_t)f->ty.v[i]) && m && model_child_allowed(m, f->ty.v[i]))
			return true;
	return false;
}

static bool any_instances(const struct filter *f)
{
	for (size_t i = 0; i < f->ty.n; i++)
		if (res_ty_is_instance((int32_t)f->ty.v[i]))
			return true;
	return false;
}

/* The types that can hold instances of the asked types. */
enum { HOLDERS = 2 };
static const int32_t holders[HOLDERS] = { 3, 29 };

/* All candidates that the label index has; the parents of them for childLabels. */
static enum step from_labels(struct discovery *d, uint64_t budget)
{
	const struct filter_list *l = d->source == LABELS ? &d->f->lbl : &d->f->clbl;
	enum step step = GO_ON;
	struct merge m;
	struct res c;
	uint64_t last = 0;

	if (!merge_room(&m, &d->work, l->n))
		return FAILED;
	for (size_t i = 0; i < l->n && step == GO_ON; i++)
		step = merge_add(&m, d->x->tx, &l->v[i], 0) ? GO_ON : FAILED;
	while (step == GO_ON && merge_next(&m, &c)) {
		if (!budget--) {
			step = OVER_BUDGET;
		} else if (d->source == LABELS) {
			step = consider(d, &c, FC_LBL);
		} else if (c.key.parent != last && c.h.et > d->x->now) { /* siblings follow each other */
			last = c.key.parent;
			if (tree_parent(d->x->tx, &c, &c) == RC_OK && !tree_dropped(d->x->tx, c.key))
				step = consider(d, &c, FC_CLBL);
		}
	}
	merge_end(&m);
	return step;
}

/* All of the asked types that are no instances, then the instances, holder by holder. */
static enum step from_types(struct discovery *d, uint64_t budget, bool instances)
{
	enum step step = GO_ON;
	struct merge m;
	struct res c;

	if (!merge_room(&m, &d->work, instances ? HOLDERS : d->f->ty.n))
		return FAILED;
	for (size_t i = 0; i < (instances ? HOLDERS : d->f->ty.n) && step == GO_ON; i++) {
		int32_t ty = instances ? holders[i] : (int32_t)d->f->ty.v[i];

		if (instances ? holds_instances(d->f, ty) : !res_ty_is_instance(ty))
			step = merge_add(&m, d->x->tx, NULL, ty) ? GO_ON : FAILED;
	}
	while (step == GO_ON && merge_next(&m, &c)) {
		if (!budget--)
			step = OVER_BUDGET;
		else
			step = instances ? consider_instances(d, &c) : consider(d, &c, FC_TY);
	}
	merge_end(&m);
	if (step == GO_ON && !instances && any_instances(d->f))
		return from_types(d, budget, true);
	return step;
}

static enum step from_walk(struct discovery *d)
{
	enum step step = GO_ON;
	struct walk w;
	struct res c;
	unsigned level;

	if (walk_begin(&w, d->x->tx, &d->work, d->root->key.n, TREE_ALL))
		return FAILED;
	while (step == GO_ON && walk_next(&w, &c, &level) == RC_OK) {
		step = consider(d, &c, 0);
		if (step != GO_ON || c.h.et <= d->x->now || place_inactive(&c) || (d->f->lvl >= 0 && level >= d->f->lvl))
			continue;
		switch (walk_below(&w, &c)) {
		case RC_OK:
			break;
		case RC_LIMIT: case RC_NOMEM:
			step = cut(d, false);
			break;
		default:
			step = FAILED;
			break;
		}
	}
	walk_end(&w);
	return step;
}

static int by_key(const void *a, const void *b) { return key_order(*(const struct res_key *)a, *(const struct res_key *)b); }

/* Candidates that somebody told. What is not here, or is told twice, is passed over. */
static enum step from_named(struct discovery *d)
{
	struct res_key *keys = arena_array(&d->work, d->n_ids, sizeof(*keys));
	enum step step = GO_ON;
	struct target t;
	struct res c;
	size_t n = 0;

	if (!keys)
		return FAILED;
	for (size_t i = 0; i < d->n_ids; i++)
		if (exec_lookup(d->x, d->ids[i], &t) == RC_OK && !t.virt && !t.attr.p)
			keys[n++] = t.res.key;
	qsort(keys, n, sizeof(*keys), by_key);
	for (size_t i = 0; i < n && step == GO_ON; i++)
		if ((!i || by_key(&keys[i - 1], &keys[i]) != 0) && tree_get(d->x->tx, keys[i], &c) == RC_OK)
			step = consider(d, &c, 0);
	return step;
}

/* --- a small subtree instead of an index --- */

static int by_own(const void *a, const void *b)
{
	const struct res_key *ka = a, *kb = b;
	return ka->n < kb->n ? -1 : ka->n > kb->n;
}

/* May a resource of an asked type be a child of an instance (a <semanticDescriptor> of a <contentInstance>)? */
static bool below_instances(const struct filter *f)
{
	const struct model_res *cin = model_by_ty(4), *tsi = model_by_ty(30);

	for (size_t i = 0; i < f->ty.n; i++)
		if ((cin && model_child_allowed(cin, f->ty.v[i])) || (tsi && model_child_allowed(tsi, f->ty.v[i])))
			return true;
	return false;
}

/* The keys below the root, the root's first; OVER_BUDGET when there are more than that. */
static enum step gather(struct discovery *d, uint64_t budget, struct res_key *keys, size_t *n)
{
	enum tree_walk what = d->source == TYPES && !below_instances(d->f) ? TREE_NO_INSTANCES : TREE_ALL;
	enum step step = GO_ON;
	struct walk w;
	struct res c;
	unsigned level;

	keys[0] = d->root->key;
	*n = 1;
	if (walk_begin(&w, d->x->tx, &d->work, d->root->key.n, what))
		return FAILED;
	while (step == GO_ON && walk_next(&w, &c, &level) == RC_OK) {
		if (*n > budget)
			step = OVER_BUDGET;
		else
			keys[(*n)++] = c.key;
		if (step == GO_ON && (d->f->lvl < 0 || level < d->f->lvl) && walk_below(&w, &c))
			step = OVER_BUDGET;
	}
	walk_end(&w);
	return step;
}

/* In the order in which the index would have brought them. */
static enum step from_subtree(struct discovery *d, uint64_t budget)
{
	struct res_key *keys = arena_array(&d->work, (size_t)budget + 2, sizeof(*keys));
	bool instances = d->source == TYPES && any_instances(d->f);
	enum step step;
	struct res c;
	size_t n;

	if (!keys)
		return OVER_BUDGET;
	step = gather(d, budget, keys, &n);
	if (step != GO_ON)
		return step;
	qsort(keys, n, sizeof(*keys), d->source == CHILD_LABELS ? by_own : by_key);
	for (size_t i = 0; i < n && step == GO_ON; i++) {
		if (d->source == TYPES && keys[i].n & RES_INSTANCE) /* after the others */
			continue;
		if (tree_get(d->x->tx, keys[i], &c) == RC_OK)
			step = consider(d, &c, 0);
	}
	for (size_t i = 0; i < n && step == GO_ON && instances; i++)
		if (tree_get(d->x->tx, keys[i], &c) == RC_OK && holds_instances(d->f, c.h.ty))
			step = consider_instances(d, &c);
	return step;
}

/* --- the whole --- */

/* With OR, an index has all matches only when its condition is the only one. */
static enum source choose(const struct filter *f)
{
	unsigned others = (f->crb != USEC_NEVER) + (f->cra != USEC_NEVER) + (f->ms != USEC_NEVER) + (f->us != USEC_NEVER) +
		(f->exb != USEC_NEVER) + (f->exa != USEC_NEVER) + (f->sts >= 0) + (f->stb >= 0) + (f->sza >= 0) + (f->szb >= 0) +
		(f->palb.n > 0) + (f->lbq.n > 0) + (f->cty.n > 0) + (f->chty.n > 0) + (f->pty.n > 0) + (f->n_atr > 0) +
		(f->n_catr > 0) + (f->n_patr > 0) + (f->cfq.p != NULL);

	if (f->fo == 2 && others + (f->lbl.n > 0) + (f->clbl.n > 0) + (f->ty.n > 0) > 1)
		return WALK;
	return f->lbl.n ? LABELS : f->clbl.n ? CHILD_LABELS : f->ty.n ? TYPES : WALK;
}

static void begin_attempt(struct discovery *d)
{
	arena_reset(&d->work);
	buf_clear(&d->r->out);
	d->found = d->shown = d->visits = 0;
	d->looks = d->x->core->cfg->limits.discovery_visits;
	d->partial = d->continued = false;
	d->seen = NULL;
	d->n_seen = 0;
	if (d->references)
		buf_lit(&d->r->out, "{\"m2m:rrl\":{\"rrf\":[");
	else
		buf_lit(&d->r->out, "{\"m2m:uril\":[");
}

static enum step attempt_index(struct discovery *d, uint64_t budget)
{
	begin_attempt(d);
	return d->source == TYPES ? from_types(d, budget, false) : from_labels(d, budget);
}

static enum step search(struct discovery *d)
{
	uint64_t most = d->x->core->cfg->limits.discovery_visits;
	enum step step;

	if (d->source == WALK || d->source == NAMED) {
		begin_attempt(d);
		return d->source == WALK ? from_walk(d) : from_named(d);
	}
	for (uint64_t budget = BUDGET_FIRST; d->root->key.parent && budget < most; budget *= BUDGET_GROWTH) {
		begin_attempt(d);
		step = from_subtree(d, budget);
		if (step == OVER_BUDGET)
			step = attempt_index(d, budget);
		if (step != OVER_BUDGET)
			return step;
	}
	step = attempt_index(d, most);
	return step == OVER_BUDGET ? cut(d, false) : step;
}

static enum reeve_rc check(struct req *r, const struct filter *f)
{
	struct slice why;

	switch (filter_check(f, &why)) {
	case RC_OK:
		break;
	case RC_UNSUPPORTED:
		return req_refuse(r, 5001, "%.*s", SF(why));
	default:
		return req_refuse(r, 4000, "%.*s", SF(why));
	}
	if (r->has & HAS_RCN && r->rcn != 6)
		return req_refuse(r, 4000, "rcn: discovery takes none or 6");
	return RC_OK;
}

static enum reeve_rc discover(struct discovery *d)
{
	struct req *r = d->r;
	enum step step;

	if (places_get(&d->places, d->root->key)->inactive)
		begin_attempt(d), step = GO_ON;
	else
		step = search(d);
	if (step == FAILED)
		return req_refuse(r, 5000, "the store could not be read");
	buf_slice(&r->out, d->references ? S("]}}") : S("]}"));
	r->rsc = 2000;
	if (d->partial) {
		r->cnst = 1;
		r->cnot = d->continued && d->first + d->shown < UINT32_MAX ? (uint32_t)(d->first + d->shown + 1) : 0;
	}
	return RC_OK;
}

enum reeve_rc children_discover_among(struct exec *x, struct req *r, const struct res *root, const struct slice *ids, size_t n,
				      bool *any)
{
	const struct limits *limits = &x->core->cfg->limits;
	struct discovery d = { .x = x, .r = r, .root = root, .f = &r->fc, .ids = ids, .n_ids = n };
	enum reeve_rc rc = check(r, &r->fc);

	if (rc)
		return rc;
	r->fc.now = x->now;
	r->fc.looks = &d.looks;
	d.source = n ? NAMED : choose(&r->fc);
	d.structured = r->drt != 2;
	d.references = r->has & HAS_RCN;
	d.first = r->fc.ofst > 1 ? (uint64_t)r->fc.ofst - 1 : 0;
	d.most = r->fc.lim >= 0 && r->fc.lim < limits->results ? (uint64_t)r->fc.lim : limits->results;
	arena_init(&d.work, d.work_first, sizeof(d.work_first), limits->request_memory);
	arena_init(&d.scratch, d.scratch_first, sizeof(d.scratch_first), limits->request_memory);
	rc = places_init(&d.places, x, root);
	if (!rc)
		rc = discover(&d);
	places_free(&d.places);
	arena_reset(&d.scratch);
	arena_reset(&d.work);
	r->fc.looks = NULL;
	*any = d.found > 0;
	return rc;
}

enum reeve_rc children_discover(struct exec *x, struct req *r, const struct res *root)
{
	bool any;
	return children_discover_among(x, r, root, NULL, 0, &any);
}
