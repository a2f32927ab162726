/* SPDX-License-Identifier: Apache-2.0 */
/* Retrieve or Delete that shows more than the target: rcn 4, 5, 6, 8 (TS-0001 8.1.2, requirements CORE-074 to 080, AUTHZ-140).
 *
 * One walk collects what is shown (text of each and its nearest shown ancestor); then it is put together, for 4 and 8 nested and
 * grouped by type. A direct child comes with all that is shown below it or not at all: when a limit is met
 * inside one, the collection falls back to where that child began, and its number is the offset to go on with. Numbered are the
 * direct children that show something, so that a number tells nothing about what the Originator may not see.
 *
 * What a child hides (no privilege, no match) does not hide what is below it: that then hangs under the nearest shown ancestor. */
#include "core/discover/children.h"

#include "core/core.h"
#include "core/discover/filter_int.h"
#include "core/discover/listing.h"

enum { LEVELS = 1026, NODE_EXTRA = 48, ENDING = 64, CONTAINER = 3 };

struct node {
	size_t at, n;                /* text in collection.text */
	uint32_t first, last, next;  /* shown children, next sibling; 0 none */
	int32_t ty;
	bool grouped;
};

struct collection {
	struct exec *x;
	struct req *r;
	const struct res *root;
	const struct filter *f;
	int rcn;
	struct places places;
	struct arena work, scratch;
	struct buf text;
	struct node *v;              /* v[0] stands for the root */
	uint32_t n, cap;
	uint64_t most, visits, looks;
	uint64_t skip;               /* branches to leave out */
	uint64_t branches;           /* direct children done that show something */
	size_t ceiling;
	bool partial;
	_Alignas(16) char work_first[4096], scratch_first[4096];
};

/* Where the walk is: shown ancestor per level, and whether the instances below are withheld. */
struct position {
	uint32_t up[LEVELS];
	bool withheld[LEVELS];
	bool contributed;            /* the branch we are in shows something */
	uint32_t mark_n;             /* the collection when the branch began */
	size_t mark_text;
};

static bool representations(const struct collection *c) { return c->rcn == 4 || c->rcn == 8; }

/* --- collecting --- */

static bool room(struct collection *c)
{
	struct node *v;

	if (c->n < c->cap)
		return true;
	v = arena_array(&c->work, c->cap ? c->cap * 2 : 32, sizeof(*v));
	if (!v)
		return false;
	if (c->n)
		memcpy(v, c->v, c->n * sizeof(*v));
	c->v = v;
	c->cap = c->cap ? c->cap * 2 : 32;
	return true;
}

/* False when a limit is met. */
static bool add(struct collection *c, const struct res *r)
{
	size_t at = c->text.n;

	if (c->n > c->most || !room(c))
		return false;
	if (representations(c))
		res_render(&c->text, r);
	else
		places_reference(&c->places, &c->text, r, c->r->drt != 2);
	if (c->text.failed || c->text.n + (size_t)c->n * NODE_EXTRA + ENDING > c->ceiling)
		return false;
	c->v[c->n++] = (struct node){ .at = at, .n = c->text.n - at, .ty = r->h.ty };
	return true;
}

static bool shown(struct collection *c, const struct res *r)
{
	bool match = filter_match(c->f, &c->scratch, c->x->tx, r, false);

	arena_reset(&c->scratch);
	return match && exec_permitted(c->x, c->r, r, ACOP_RETRIEVE, 0);
}

static void begin_branch(struct collection *c, struct position *p)
{
	c->branches += p->contributed;
	p->contributed = false;
	p->mark_n = c->n;
	p->mark_text = c->text.n;
}

static void fall_back(struct collection *c, const struct position *p, bool local)
{
	c->n = p->mark_n;
	c->text.n = p->mark_text;
	c->text.failed = false;
	c->partial = true;
	if (local || c->most == c->x->core->cfg->limits.results)
		metrics_inc(&c->x->core->metrics, limit_results);
}

/* One resource of the walk. False: a limit was met, the collection ends with the branch before. */
static bool visit(struct collection *c, struct position *p, struct walk *w, const struct res *r, unsigned level)
{
	if (level == 1)
		begin_branch(c, p);
	c->visits += FILTER_COST(r);
	if (c->visits > c->x->core->cfg->limits.discovery_visits || !c->looks) {
		fall_back(c, p, true);
		return false;
	}
	if (r->h.et <= c->x->now || (res_is_instance(r) && p->withheld[level - 1]))
		return true;
	p->up[level] = p->up[level - 1];
	if (shown(c, r)) {
		p->contributed = true;
		if (c->branches < c->skip) {
			walk_leave(w);
			return true;
		}
		if (!add(c, r)) {
			fall_back(c, p, c->n <= c->most);
			return false;
		}
		p->up[level] = c->n - 1;
	}
	p->withheld[level] = r->h.ty == CONTAINER && r->h.flags & REC_NO_RETRIEVE;
	if (c->f->lvl >= 0 && level >= c->f->lvl)
		return true;
	if (walk_below(w, r)) {
		fall_back(c, p, true);
		return false;
	}
	return true;
}

static enum reeve_rc collect(struct collection *c)
{
	struct position p = { .withheld = { c->root->h.ty == CONTAINER && c->root->h.flags & REC_NO_RETRIEVE } };
	enum reeve_rc rc;
	struct walk w;
	struct res r;
	unsigned level;
	bool more = true;

	if (!room(c))
		return RC_NOMEM;
	c->v[c->n++] = (struct node){ .at = 0 };
	rc = walk_begin(&w, c->x->tx, &c->work, c->root->key.n, TREE_ALL);
	while (!rc && more && (rc = walk_next(&w, &r, &level)) == RC_OK) {
		uint32_t before = c->n;

		more = visit(c, &p, &w, &r, level);
		if (more && c->n > before) { /* hang it under its nearest shown ancestor */
			struct node *up = &c->v[p.up[level - 1]];

			if (up->last)
				c->v[up->last].next = c->n - 1;
			else
				up->first = c->n - 1;
			up->last = c->n - 1;
		}
	}
	walk_end(&w);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

/* --- putting together --- */

static void write_references(const struct collection *c, struct buf *b)
{
	for (uint32_t i = 1; i < c->n; i++) {
		if (i > 1)
			buf_char(b, ',');
		buf_add(b, c->text.p + c->v[i].at, c->v[i].n);
	}
}

/* Children of node `up`, grouped by type in the order in which the types come first; `some`: members stand before them. Nodes
 * that were fallen back from are still linked, and are recognized by their number. */
static void write_children(struct collection *c, struct buf *b, uint32_t up, bool some)
{
	for (uint32_t i = c->v[up].first; i && i < c->n; i = c->v[i].next) {
		const struct model_res *m = model_by_ty(c->v[i].ty);
		bool first = true;

		if (c->v[i].grouped || !m)
			continue;
		if (some)
			buf_char(b, ',');
		some = true;
		buf_char(b, '"');
		buf_slice(b, slice_str(m->root));
		buf_lit(b, "\":[");
		for (uint32_t k = i; k && k < c->n; k = c->v[k].next) {
			if (c->v[k].ty != c->v[i].ty)
				continue;
			c->v[k].grouped = true;
			buf_slice(b, first ? S("{") : S(",{"));
			first = false;
			buf_add(b, c->text.p + c->v[k].at, c->v[k].n);
			write_children(c, b, k, true);
			buf_char(b, '}');
		}
		buf_char(b, ']');
	}
}

static void write_answer(struct collection *c)
{
	struct buf *b = &c->r->out;
	const struct model_res *m = res_model(c->root);

	if (c->rcn == 6) {
		buf_lit(b, "{\"m2m:rrl\":{\"rrf\":[");
		write_references(c, b);
		buf_lit(b, "]}}");
		return;
	}
	buf_lit(b, "{\"");
	buf_slice(b, slice_str(m ? m->root : "m2m:unknown"));
	buf_lit(b, "\":{");
	if (c->rcn != 8)
		res_render(b, c->root);
	if (c->rcn == 5) {
		buf_lit(b, ",\"ch\":[");
		write_references(c, b);
		buf_char(b, ']');
	} else {
		write_children(c, b, 0, c->rcn == 4);
	}
	buf_lit(b, "}}");
}

static enum reeve_rc check(struct req *r, int rcn)
{
	struct slice why;

	if (rcn != 4 && rcn != 5 && rcn != 6 && rcn != 8)
		return req_refuse(r, 4000, "rcn: this value is not possible for this operation");
	switch (filter_check(&r->fc, &why)) {
	case RC_OK:
		return RC_OK;
	case RC_UNSUPPORTED:
		return req_refuse(r, 5001, "%.*s", SF(why));
	default:
		return req_refuse(r, 4000, "%.*s", SF(why));
	}
}

static enum reeve_rc render(struct collection *c)
{
	struct req *r = c->r;
	enum reeve_rc rc = collect(c);

	if (rc == RC_NOMEM || rc == RC_LIMIT)
		return rc;
	if (rc)
		return req_refuse(r, 5000, "the store could not be read");
	write_answer(c);
	r->rsc = 2000;
	if (c->partial) {
		r->cnst = 1;
		r->cnot = c->branches < UINT32_MAX ? (uint32_t)c->branches + 1 : 0;
	}
	return RC_OK;
}

enum reeve_rc children_render(struct exec *x, struct req *r, const struct res *root, int rcn)
{
	const struct limits *limits = &x->core->cfg->limits;
	struct collection c = { .x = x, .r = r, .root = root, .f = &r->fc, .rcn = rcn };
	size_t most = limits->response < r->out.max ? limits->response : r->out.max;
	enum reeve_rc rc = check(r, rcn);

	if (rc)
		return rc;
	r->fc.now = x->now;
	r->fc.looks = &c.looks;
	c.looks = limits->discovery_visits;
	c.most = r->fc.lim >= 0 && r->fc.lim < limits->results ? (uint64_t)r->fc.lim : limits->results;
	c.skip = r->fc.ofst > 1 ? (uint64_t)r->fc.ofst - 1 : 0;
	c.ceiling = root->text.n + 512 < most ? most - root->text.n - 512 : 0;
	arena_init(&c.work, c.work_first, sizeof(c.work_first), limits->request_memory);
	arena_init(&c.scratch, c.scratch_first, sizeof(c.scratch_first), limits->request_memory);
	buf_init(&c.text, c.ceiling);
	rc = places_init(&c.places, x, root);
	if (!rc)
		rc = render(&c);
	places_free(&c.places);
	buf_free(&c.text);
	arena_reset(&c.scratch);
	arena_reset(&c.work);
	r->fc.looks = NULL;
	return rc;
}
