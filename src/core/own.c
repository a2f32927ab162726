/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that the core makes itself. All of them are in a list, for the end may come while they wait. */
#include "core/own.h"

#include <stdlib.h>

#include "core/work.h"

static struct slice keep(struct req *to, struct slice s)
{
	return s.p ? arena_dup(&to->arena, s) : s;
}

static const struct slice *dup_list(struct req *to, const struct slice *v, size_t n)
{
	struct slice *out = arena_array(&to->arena, n + 1, sizeof(*out));
	for (size_t i = 0; out && i < n; i++)
		out[i] = keep(to, v[i]);
	return out;
}

/* Values of filter conditions stay in the arena of the asking request, so they are copied as well. */
static void dup_filter(struct req *to, struct filter *f)
{
	struct filter_list *lists[] = { &f->lbl, &f->clbl, &f->palb, &f->lbq, &f->cty, &f->smf };
	struct filter_nums *nums[] = { &f->ty, &f->chty, &f->pty };
	struct { struct filter_attr **v; size_t n; } attrs[] = {
		{ &f->atr, f->n_atr }, { &f->catr, f->n_catr }, { &f->patr, f->n_patr },
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (lists[i]->n)
			lists[i]->v = (struct slice *)dup_list(to, lists[i]->v, lists[i]->n);
	for (size_t i = 0; i < sizeof(nums) / sizeof(nums[0]); i++)
		if (nums[i]->n)
			nums[i]->v = (int64_t *)arena_dup(&to->arena, slice_of((char *)nums[i]->v, nums[i]->n * sizeof(int64_t))).p;
	for (size_t i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++) {
		struct filter_attr *v = attrs[i].n ? arena_array(&to->arena, attrs[i].n, sizeof(*v)) : NULL;
		for (size_t k = 0; v && k < attrs[i].n; k++)
			v[k] = (struct filter_attr){ keep(to, (*attrs[i].v)[k].name), keep(to, (*attrs[i].v)[k].value) };
		*attrs[i].v = v;
	}
	f->cfq = keep(to, f->cfq);
	f->arp = keep(to, f->arp);
}

struct own {
	struct req req; /* first */
	struct own *next, **link;
};

struct req *own_request(struct core *c)
{
	struct own *b = aligned_alloc(16, (sizeof(*b) + 15) & ~(size_t)15);

	if (!b)
		return NULL;
	req_init(&b->req, &c->loops[0], c->cfg->limits.request_memory, c->cfg->limits.response);
	pthread_mutex_lock(&c->own_lock);
	b->next = c->own;
	b->link = &c->own;
	if (b->next)
		b->next->link = &b->next;
	c->own = b;
	pthread_mutex_unlock(&c->own_lock);
	return &b->req;
}

void own_drop(struct core *c, struct req *n)
{
	struct own *b = (struct own *)n;

	pthread_mutex_lock(&c->own_lock);
	*b->link = b->next;
	if (b->next)
		b->next->link = b->link;
	pthread_mutex_unlock(&c->own_lock);
	req_free(n);
	free(b);
}

void own_end(struct core *c)
{
	while (c->own)
		own_drop(c, &c->own->req);
}

struct req *own_copy(struct core *c, const struct req *r)
{
	struct req *n = own_request(c);

	if (!n)
		return NULL;
	memcpy(n, r, offsetof(struct req, out)); /* all parameters; then their text becomes the copy's own */
	struct slice *texts[] = { &n->to, &n->fr, &n->rqi, &n->rvi, &n->vsi, &n->gid, &n->ot, &n->rqet, &n->rset, &n->oet, &n->rp, &n->pc };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i] = keep(n, *texts[i]);
	n->rtu = dup_list(n, r->rtu, r->n_rtu);
	n->atrl = dup_list(n, r->atrl, r->n_atrl);
	n->grtm = dup_list(n, r->grtm, r->n_grtm);
	n->rids = dup_list(n, r->rids, r->n_rids);
	n->tkns = dup_list(n, r->tkns, r->n_tkns);
	n->tids = dup_list(n, r->tids, r->n_tids);
	n->ltids = dup_list(n, r->ltids, r->n_ltids);
	n->aus = dup_list(n, r->aus, r->n_aus);
	n->peer.cse_id = keep(n, r->peer.cse_id);
	n->peer.ae_ids = dup_list(n, r->peer.ae_ids, r->peer.n_ae_ids);
	dup_filter(n, &n->fc);
	if (n->arena.failed || !work_of(c, n)) {
		own_drop(c, n);
		return NULL;
	}
	return n;
}
