/* SPDX-License-Identifier: Apache-2.0 */
/* <group> (TS-0004 7.4.13, requirements CORE-211 to 215, AUTHZ-129).
 *
 * mid is stored without duplicates; two spellings of one resource are duplicates. With a memberType other than 0 (mixed) the type
 * of each member is looked at, as far as the Originator may retrieve it. What is not there, or at another CSE (which cannot
 * be asked yet), has no type and counts as inconsistent. Requests to the members: core/group/fanout.c. */
#include "base/hash.h"
#include "core/core.h"
#include "core/draft.h"
#include "core/group/fanout.h"
#include "core/work.h"
#include "core/writer.h"

enum { MT_MIXED = 0, MT_OLDEST = 20001, MT_LATEST = 20002, MT_MASHUP_RESULT = 20003, NO_TYPE = -1 };
enum { CSY_ABANDON_MEMBER = 1, CSY_ABANDON_GROUP, CSY_SET_MIXED };

/* --- members --- */

void group_member_find(struct exec *x, struct arena *a, struct slice id, struct group_member *m)
{
	struct slice local, cse;
	char key[RES_KEY_LEN];
	struct buf b;

	*m = (struct group_member){ .id = id };
	m->elsewhere = ident_route(a, &x->core->home, id, &local, &cse) == WHERE_TRANSIT;
	m->found = !m->elsewhere && exec_lookup(x, id, &m->t) == RC_OK;
	buf_init(&b, id.n + RES_KEY_LEN + 8);
	if (m->found) {
		res_key_write(m->t.res.key, key);
		buf_char(&b, 'R');
		buf_add(&b, key, sizeof(key));
		buf_char(&b, (char)('0' + m->t.virt));
		buf_slice(&b, m->t.rest);
		buf_char(&b, '#');
		buf_slice(&b, m->t.attr);
	} else {
		buf_char(&b, 'T');
		buf_slice(&b, id);
	}
	if (!b.failed)
		m->ident = arena_dup(a, buf_view(&b));
	buf_free(&b);
}

bool group_hosted_by(struct exec *x, struct req *r, const struct res *group)
{
	struct slice raw = res_member(group, S("mid")), why, local, cse;
	struct json j;
	bool yes = false;

	if (!raw.p || !r->work->who.n || json_parse(&r->arena, raw, &json_default_limits, &j, &why) != RC_OK)
		return false;
	for (uint32_t i = 1; !yes && i < j.tok[0].next; i = j.tok[i].next)
		yes = ident_route(&r->arena, &x->core->home, json_string(&r->arena, &j, i), &local, &cse) == WHERE_TRANSIT &&
		      slice_eq(cse, r->work->who);
	return yes;
}

bool ident_set_init(struct ident_set *s, struct arena *a, size_t n)
{
	for (s->cap = 16; s->cap < 2 * n; s->cap *= 2)
		;
	s->slot = arena_array(a, s->cap, sizeof(*s->slot));
	return s->slot != NULL;
}

static struct slice *slot_of(const struct ident_set *s, struct slice ident)
{
	size_t i = (size_t)hash_slice(ident) & (s->cap - 1);

	while (s->slot[i].p && !slice_eq(s->slot[i], ident))
		i = (i + 1) & (s->cap - 1);
	return &s->slot[i];
}

bool ident_set_add(struct ident_set *s, struct slice ident)
{
	struct slice *at = slot_of(s, ident);

	if (at->p)
		return false;
	*at = ident;
	return true;
}

bool ident_set_has(const struct ident_set *s, struct slice ident) { return slot_of(s, ident)->p != NULL; }

/* --- types of members --- */

/* The type as a memberType has it; RC_REFUSED (5105) when the Originator may not know it. */
static enum reeve_rc member_type(struct exec *x, struct req *r, const struct group_member *m, int64_t *ty)
{
	struct slice mt;

	*ty = NO_TYPE;
	if (!m->found || m->t.attr.p || m->t.rest.p)
		return RC_OK;
	if (!exec_permitted(x, r, &m->t.res, ACOP_RETRIEVE, 0))
		return req_refuse(r, 5105, "mid: the type of \"%.*s\" cannot be read: no Retrieve privilege", SF(m->id));
	switch (m->t.virt) {
	case VIRT_NONE:
		*ty = m->t.res.h.ty;
		break;
	case VIRT_OLDEST:
		*ty = MT_OLDEST;
		break;
	case VIRT_LATEST:
		*ty = MT_LATEST;
		break;
	case VIRT_MSP:
		*ty = MT_MASHUP_RESULT;
		break;
	case VIRT_FOPT: /* a sub-group: the type of its members */
		mt = res_member(&m->t.res, S("mt"));
		if (!slice_i64(mt, ty) || *ty == MT_MIXED)
			*ty = NO_TYPE;
		break;
	default:
		break;
	}
	return RC_OK;
}

/* --- check --- */

struct members {
	struct group_member *v;
	size_t n, entries;  /* without duplicates; as sent */
};

static enum reeve_rc read_members(struct exec *x, struct req *r, struct draft *d, struct members *m)
{
	struct ident_set seen;
	struct json j;

	*m = (struct members){ .v = NULL };
	if (draft_json(d, S("mid"), &j) || json_kind(&j, 0) != J_ARRAY)
		return req_refuse(r, 4000, "mid: expected a list of identifiers");
	m->entries = j.tok[0].count;
	m->v = arena_array(d->arena, m->entries + 1, sizeof(*m->v));
	if (!m->v || !ident_set_init(&seen, d->arena, m->entries))
		return RC_NOMEM;
	for (uint32_t i = 1; i < j.tok[0].next; i = j.tok[i].next) {
		struct slice id = json_string(d->arena, &j, i);

		if (!id.p)
			return RC_NOMEM;
		group_member_find(x, d->arena, id, &m->v[m->n]);
		if (!m->v[m->n].ident.p)
			return RC_NOMEM;
		if (ident_set_add(&seen, m->v[m->n].ident))
			m->n++;
	}
	return RC_OK;
}

/* Apply memberType and consistencyStrategy. */
static enum reeve_rc validate(struct exec *x, struct req *r, struct draft *d, struct members *m)
{
	uint64_t csy = CSY_ABANDON_MEMBER, mt = MT_MIXED;
	size_t kept = 0;
	int64_t ty;

	if (!draft_u64(d, S("mt"), &mt) || mt == MT_MIXED)
		return RC_OK;
	draft_u64(d, S("csy"), &csy);
	for (size_t i = 0; i < m->n; i++) {
		enum reeve_rc rc = member_type(x, r, &m->v[i], &ty);

		if (rc)
			return rc;
		if (ty == (int64_t)mt) {
			m->v[kept++] = m->v[i];
			continue;
		}
		if (csy == CSY_ABANDON_GROUP)
			return req_refuse(r, 4110, "mid: \"%.*s\" is not of type %d", SF(m->v[i].id), (int)mt);
		if (csy == CSY_SET_MIXED) {
			if (!draft_set(d, S("mt"), S("0")))
				return RC_NOMEM;
			kept = m->n;
			break;
		}
	}
	m->n = kept;
	return draft_set(d, S("mtv"), S("true")) ? RC_OK : RC_NOMEM;
}

static enum reeve_rc write_members(struct draft *d, const struct members *m)
{
	struct slice raw;
	struct buf b;

	buf_init(&b, SIZE_MAX / 2);
	buf_char(&b, '[');
	for (size_t i = 0; i < m->n; i++) {
		if (i)
			buf_char(&b, ',');
		buf_json(&b, m->v[i].id);
	}
	buf_char(&b, ']');
	raw = b.failed ? (struct slice){ NULL, 0 } : arena_dup(d->arena, buf_view(&b));
	buf_free(&b);
	return raw.p && draft_set(d, S("mid"), raw) ? RC_OK : RC_NOMEM;
}

static bool set_default(struct draft *d, struct slice sn, struct slice raw)
{
	return draft_get(d, sn).p || draft_set(d, sn, raw);
}

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct members m = { .v = NULL };
	uint64_t mnm = 0, cnm = 0;
	enum reeve_rc rc;

	if (draft_given(d, S("spty")))
		return req_refuse(r, 5001, "spty: groups of one specialization are not implemented");
	if (!set_default(d, S("mt"), S("0")) || !set_default(d, S("csy"), S("1")))
		return RC_NOMEM;
	if (!draft_u64(d, S("mnm"), &mnm) || !mnm)
		return req_refuse(r, 4000, "mnm: expected a positive number");
	if (!old || draft_given(d, S("mid"))) {
		rc = read_members(x, r, d, &m);
		if (rc)
			return rc;
		if (m.entries > mnm)
			return req_refuse(r, 6010, "mid: %zu entries, but maxNrOfMembers is %llu", m.entries, (unsigned long long)mnm);
		/* the CSE itself only takes members out (fanout.c): what is left was checked when it came in */
		if (!x->internal && (rc = validate(x, r, d, &m)) != RC_OK)
			return rc;
		rc = write_members(d, &m);
		if (rc)
			return rc;
		cnm = m.n;
		if (!draft_set(d, S("cnm"), arena_printf(d->arena, "%zu", m.n)))
			return RC_NOMEM;
	} else {
		draft_u64(d, S("cnm"), &cnm);
	}
	if (mnm < cnm)
		return req_refuse(r, 6010, "mnm: the group has %llu members", (unsigned long long)cnm);
	return d->arena->failed ? RC_NOMEM : RC_OK;
}

/* --- policies may name groups --- */

static enum reeve_rc created(struct exec *x, struct req *r, const struct res *parent, const struct res *nw)
{
	writer_policies_changed(x);
	return RC_OK;
}

static enum reeve_rc updated(struct exec *x, struct req *r, const struct res *old, const struct res *nw)
{
	if (!slice_eq(res_member(old, S("mid")), res_member(nw, S("mid"))))
		writer_policies_changed(x);
	return RC_OK;
}

static enum reeve_rc removing(struct exec *x, const struct res *res)
{
	writer_policies_changed(x);
	return RC_OK;
}

const struct type_hooks type_group = { .ty = TYPE_GROUP, .check = check, .created = created, .updated = updated, .removing = removing };
