/* SPDX-License-Identifier: Apache-2.0 */
/* <container> and <contentInstance> (TS-0004 7.4.6, 7.4.7). Limits and counters of a container live in the head of its record, so that a
 * new instance costs one append and one rewrite of a head. */
#include "core/group/fanout.h"
#include "core/types.h"
#include "core/work.h"

enum { AT_ONCE = 100 }; /* instances that one request removes itself */

/* --- container --- */

static enum reeve_rc limit(struct req *r, struct draft *d, struct slice sn, uint64_t ceiling, uint64_t *out)
{
	*out = UINT64_MAX;
	if (draft_get(d, sn).p && !draft_u64(d, sn, out))
		return req_refuse(r, 4000, "%.*s: not a number this CSE can count to", SF(sn));
	if (!ceiling || *out <= ceiling)
		return RC_OK;
	*out = ceiling; /* the operator's ceiling; reported back */
	return draft_set(d, sn, arena_printf(d->arena, "%llu", (unsigned long long)ceiling)) ? RC_OK : RC_NOMEM;
}

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	const struct config *cfg = x->core->cfg;
	bool disr = false;
	enum reeve_rc rc;

	(void)parent, (void)old;
	if ((rc = limit(r, d, S("mni"), cfg->max_instances, &d->nw.h.mni)) != RC_OK ||
	    (rc = limit(r, d, S("mbs"), cfg->max_container_bytes, &d->nw.h.mbs)) != RC_OK ||
	    (rc = limit(r, d, S("mia"), 0, &d->nw.h.mia)) != RC_OK)
		return rc;
	draft_bool(d, S("disr"), &disr);
	d->nw.h.flags = (uint8_t)(disr ? d->nw.h.flags | REC_NO_RETRIEVE : d->nw.h.flags & ~REC_NO_RETRIEVE);
	return RC_OK;
}

/* The newest that fit stay, the others are gone at once: those who ask do not find them any more, and the writer takes them away bit by
 * bit, so that a million of them do not hold up everybody. */
static enum reeve_rc keep_newest(struct exec *x, struct res_key container, uint64_t most, uint64_t most_bytes)
{
	struct tree_kept kept;
	struct res c;
	enum reeve_rc rc = tree_newest(x->tx, container.n, most, most_bytes, &kept);

	if (rc != RC_OK || kept.floor == UINT64_MAX || (rc = tree_get(x->tx, container, &c)) != RC_OK)
		return rc;
	c.h.cni = kept.n;
	c.h.cbs = kept.bytes;
	if ((rc = tree_touch(x->tx, &c)) != RC_OK)
		return rc;
	return tree_drop_before(x->tx, container, kept.floor);
}

/* Oldest instances go until the limits hold. No "delete of direct child" for these (TS-0004 7.4.7.2.1). */
static enum reeve_rc evict(struct exec *x, struct res_key container)
{
	struct res c, old;
	enum reeve_rc rc;

	for (int n = 0;; n++) {
		if ((rc = tree_get(x->tx, container, &c)) != RC_OK)
			return rc;
		if (c.h.cni <= c.h.mni && c.h.cbs <= c.h.mbs)
			return RC_OK;
		if (n == AT_ONCE)
			return keep_newest(x, container, c.h.mni, c.h.mbs);
		rc = tree_oldest(x->tx, container.n, INT64_MIN, &old);
		if (rc == RC_NOTFOUND)
			return RC_OK;
		if (rc != RC_OK || (rc = exec_delete(x, &old, true)) != RC_OK)
			return rc;
	}
}

static enum reeve_rc updated(struct exec *x, struct req *r, const struct res *old, const struct res *nw)
{
	(void)r;
	if (old->h.flags & REC_NO_RETRIEVE && !(nw->h.flags & REC_NO_RETRIEVE))
		return keep_newest(x, nw->key, 0, 0); /* TS-0001 9.6.6 */
	return evict(x, nw->key);
}

const struct type_hooks type_container = { .ty = TYPE_CONTAINER, .check = check, .updated = updated };

/* --- contentInstance --- */

static uint64_t content_size(const struct draft *d, struct slice con)
{
	if (con.n >= 2 && con.p[0] == '"' && !memchr(con.p, '\\', con.n))
		return con.n - 2;
	return con.n && con.p[0] == '"' ? draft_string(d, S("con")).n : con.n;
}

/* Names within contentRef are unique (TS-0004 6.3.5). */
static enum reeve_rc check_refs(struct req *r, const struct draft *d)
{
	struct ident_set seen;
	struct json j;

	if (draft_json(d, S("conr"), &j) != RC_OK)
		return RC_OK;
	if (!ident_set_init(&seen, d->arena, j.n))
		return RC_NOMEM;
	for (uint32_t i = 1; i < j.n; i++) {
		uint32_t nm = json_kind(&j, i) == J_OBJECT ? json_member(&j, i, S("nm")) : 0;
		struct slice name = nm ? json_string(d->arena, &j, nm) : (struct slice){ NULL, 0 };

		if (name.p && !ident_set_add(&seen, name))
			return req_refuse(r, 4000, "conr: a name stands twice");
	}
	return d->arena->failed ? RC_NOMEM : RC_OK;
}

static enum reeve_rc check_instance(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	uint64_t size = content_size(d, draft_get(d, S("con")));
	enum reeve_rc rc;

	(void)old;
	if (!parent->h.mni)
		return req_refuse(r, 5207, "the container holds no instances (mni)");
	if (size > parent->h.mbs)
		return req_refuse(r, 5207, "con has %llu bytes, the container holds at most %llu (mbs)", (unsigned long long)size,
				  (unsigned long long)parent->h.mbs);
	if ((rc = check_refs(r, d)) != RC_OK)
		return rc;
	if (parent->h.mia < (uint64_t)(INT64_MAX / USEC_S) / 2) {
		usec most = d->nw.h.ct + (usec)parent->h.mia * USEC_S;
		if (most < d->nw.h.et)
			d->nw.h.et = most > x->now ? most : x->now + 1;
	}
	d->nw.h.cs = size;
	d->nw.h.st = parent->h.st + 1;
	if (!draft_set(d, S("st"), arena_printf(d->arena, "%llu", (unsigned long long)d->nw.h.st)) ||
	    !draft_set(d, S("cs"), arena_printf(d->arena, "%llu", (unsigned long long)size)))
		return RC_NOMEM;
	return RC_OK;
}

static enum reeve_rc created_instance(struct exec *x, struct req *r, const struct res *parent, const struct res *nw)
{
	struct res c = *parent;
	enum reeve_rc rc;

	(void)r;
	c.h.st++;
	c.h.cni++;
	c.h.cbs += nw->h.cs;
	if ((rc = tree_touch(x->tx, &c)) != RC_OK)
		return rc;
	return c.h.cni > c.h.mni || c.h.cbs > c.h.mbs ? evict(x, c.key) : RC_OK;
}

static enum reeve_rc removing_instance(struct exec *x, const struct res *res)
{
	struct res c;
	enum reeve_rc rc = tree_parent(x->tx, res, &c);

	if (rc != RC_OK)
		return rc == RC_NOTFOUND ? RC_OK : rc; /* swept with its container */
	if (tree_dropped(x->tx, res->key))
		return RC_OK; /* not counted any more */
	if (c.h.cni)
		c.h.cni--;
	c.h.cbs -= c.h.cbs < res->h.cs ? c.h.cbs : res->h.cs;
	return tree_touch(x->tx, &c);
}

static enum reeve_rc access_instance(struct exec *x, struct req *r, const struct res *res)
{
	struct res c;

	if (tree_parent(x->tx, res, &c) == RC_OK && c.h.flags & REC_NO_RETRIEVE)
		return req_refuse(r, 4005, "disableRetrieval is true for this container");
	return RC_OK;
}

const struct type_hooks type_content_instance = { .ty = TYPE_CONTENT_INSTANCE, .check = check_instance, .created = created_instance,
						  .removing = removing_instance, .access = access_instance };
