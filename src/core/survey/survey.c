/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over a store: every resource that may have policies of its own, by the index of types, and the sets of policies they have. */
#include "core/survey/survey.h"

#include <stdlib.h>

#include "base/hash.h"
#include "core/survey/survey_int.h"
#include "core/types.h"

enum { KNOWN_TYPES = 100 };

static enum reeve_rc each_of_type(struct look *k, int32_t ty, survey_each each, void *ctx)
{
	struct tree_find f;
	struct res r;
	enum reeve_rc rc = tree_find_type(k->x.tx, ty, &f);

	if (rc != RC_OK)
		return rc;
	while ((rc = tree_find_next(&f, &r)) == RC_OK)
		if (tree_alive(k->x.tx, &r, k->x.now) && (rc = each(ctx, &r)) != RC_OK)
			break;
	tree_find_end(&f);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

enum reeve_rc survey_resources(struct look *k, survey_each each, void *ctx)
{
	for (int32_t ty = 1; ty < KNOWN_TYPES; ty++) {
		const struct model_res *m = model_by_ty(ty);
		const struct type_hooks *hooks = type_hooks(ty);
		enum reeve_rc rc;

		if (res_ty_is_instance(ty) || !hooks || !m || !(m->acpi || ty == TYPE_ACP || hooks->permitted))
			continue;
		if ((rc = each_of_type(k, ty, each, ctx)) != RC_OK)
			return rc;
	}
	return RC_OK;
}

struct slice survey_path(struct look *k, struct arena *a, const struct res *r)
{
	struct slice s = { NULL, 0 };
	struct buf b;

	buf_init(&b, 65536);
	if (tree_path(k->x.tx, r, &b) == RC_OK && !b.failed)
		s = arena_dup(a, buf_view(&b));
	buf_free(&b);
	return s;
}

/* --- who is registered --- */

struct roll { struct look *k; struct arena *a; struct slice *v; size_t n, cap; };

static enum reeve_rc enrol(struct roll *l, struct slice id)
{
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon;

	if (ident_parse(l->a, &l->k->core->home, arena_dup(l->a, id), &kind, &form, &canon) != RC_OK)
		return RC_NOMEM;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 256;
		struct slice *v = arena_array(l->a, cap, sizeof(*v));
		if (!v)
			return RC_NOMEM;
		if (l->n)
			memcpy(v, l->v, l->n * sizeof(*v));
		l->v = v;
		l->cap = cap;
	}
	if (kind != ID_NONE)
		l->v[l->n++] = canon;
	return RC_OK;
}

static enum reeve_rc enrol_ae(void *ctx, const struct res *r) { return enrol(ctx, res_ri(r)); }

static enum reeve_rc enrol_cse(void *ctx, const struct res *r)
{
	struct slice csi = res_member(r, S("csi")); /* with its quotes */

	return csi.n > 2 ? enrol(ctx, slice_of(csi.p + 1, csi.n - 2)) : RC_OK;
}

enum reeve_rc survey_registered(struct look *k, struct arena *a, struct lint_registered *out)
{
	struct roll l = { .k = k, .a = a };
	enum reeve_rc rc = enrol(&l, k->core->home.cse_id);

	if (rc == RC_OK)
		rc = each_of_type(k, 2, enrol_ae, &l);
	if (rc == RC_OK)
		rc = each_of_type(k, 16, enrol_cse, &l);
	if (rc != RC_OK)
		return rc;
	qsort(l.v, l.n, sizeof(*l.v), lint_compare);
	*out = (struct lint_registered){ l.v, l.n };
	return RC_OK;
}

/* --- sets --- */

void gather_begin(struct gathering_sets *g, struct look *k, struct arena *a, size_t examples)
{
	*g = (struct gathering_sets){ .a = a, .k = k, .examples = examples };
	g->last = &g->first;
}

static struct gathered_set *find(struct gathering_sets *g, struct slice key, uint64_t hash)
{
	for (struct gathered_set *s = g->bucket[hash % BUCKETS]; s; s = s->chain)
		if (s->hash == hash && slice_eq(s->key, key))
			return s;
	return NULL;
}

static struct gathered_set *set_of(struct gathering_sets *g, struct slice key)
{
	uint64_t hash = hash_slice(key);
	struct gathered_set *s = find(g, key, hash);

	if (s || g->n >= SETS_MOST || !(s = arena_zalloc(g->a, sizeof(*s))))
		return s;
	s->key = arena_dup(g->a, key);
	s->hash = hash;
	s->chain = g->bucket[hash % BUCKETS];
	g->bucket[hash % BUCKETS] = s;
	*g->last = s;
	g->last = &s->next;
	g->n++;
	return s->key.p ? s : NULL;
}

static enum reeve_rc count(struct gathering_sets *g, struct gathered_set *s, const struct res *r)
{
	s->resources++;
	if (g->examples && s->n_examples >= g->examples)
		return RC_OK;
	if (s->n_examples == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 4;
		struct slice *v = arena_array(g->a, cap, sizeof(*v));
		if (!v)
			return RC_LIMIT;
		if (s->n_examples)
			memcpy(v, s->example, s->n_examples * sizeof(*v));
		s->example = v;
		s->cap = cap;
	}
	s->example[s->n_examples] = survey_path(g->k, g->a, r);
	s->n_examples += s->example[s->n_examples].p != NULL;
	return g->a->failed ? RC_LIMIT : RC_OK;
}

enum reeve_rc gather_links(struct gathering_sets *g, const struct res *r)
{
	struct slice acpi = res_member(r, S("acpi"));
	struct gathered_set *s;
	struct res_key *keys;
	struct buf key;

	buf_init(&key, 4 << 20);
	buf_slice(&key, r->acps);
	buf_char(&key, '|');
	buf_slice(&key, acpi);
	s = key.failed ? NULL : set_of(g, buf_view(&key));
	buf_free(&key);
	if (!s)
		return RC_LIMIT;
	if (!s->resources) {
		if (!(keys = arena_array(g->a, r->h.n_acps + 1u, sizeof(*keys))))
			return RC_LIMIT;
		for (size_t i = 0; i < r->h.n_acps; i++)
			keys[i] = res_acp(r, i);
		s->acps = keys;
		s->n_acps = r->h.n_acps;
		s->acpi = arena_dup(g->a, acpi);
	}
	return count(g, s, r);
}

enum reeve_rc gather_self(struct gathering_sets *g, const struct res *r)
{
	struct gathered_set *s = set_of(g, slice_of((const char *)&r->key, sizeof(r->key)));
	struct res_key *key;

	if (!s || !(key = arena_alloc(g->a, sizeof(*key))))
		return RC_LIMIT;
	*key = r->key;
	s->acps = key;
	s->n_acps = 1;
	s->part = POLICY_PVS;
	return count(g, s, r);
}

enum reeve_rc gather_plain(struct gathering_sets *g, const struct res *r)
{
	struct gathered_set *s = set_of(g, S("plain"));

	return s ? count(g, s, r) : RC_LIMIT;
}

size_t gather_policies(struct look *k, const struct gathered_set *s, const struct policy *out[POLICIES_MOST])
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_acps && n < POLICIES_MOST; i++)
		if ((out[n] = access_policy(&k->x, s->acps[i])))
			n++;
	return n;
}
