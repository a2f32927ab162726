/* SPDX-License-Identifier: Apache-2.0 */
/* The news goes through the outbox, so it reaches a CSE that is away later. A CSE answers when all is rewritten: if it ends before, it is
 * told again.
 *
 * References are acor of policies (pv, pvs), mid of groups, nu of subscriptions, lnk of <AEAnnc>: the four places that the standard
 * names. They are changed by Updates of the CSE's own, in portions, so that a large store keeps answering; an Update that is refused
 * is left out, and logged. */
#include "core/registration/moved.h"

#include "base/log.h"
#include "core/core.h"
#include "core/cse/way.h"
#include "core/notify/notify_int.h"
#include "core/notify/outbox.h"
#include "core/work.h"
#include "core/writer.h"

enum { PORTION = 256, CONTENT_MOST = 1 << 20 };

/* --- the IN-CSE --- */

enum reeve_rc moved_tell(struct exec *x, const struct res *annc, struct slice from, struct slice to)
{
	struct outbox_entry e = { .sub = { 0, annc->key.n }, .when = x->now, .kind = OB_AE_MOVED, .flags = OB_PLAIN | OB_SURVIVES };
	enum reeve_rc rc = RC_NOMEM;
	struct buf all, news;

	buf_init(&all, CONTENT_MOST);
	buf_init(&news, CONTENT_MOST);
	way_descendants(x, &all);
	if (!all.failed && all.n) {
		all.n--; /* the ] */
		if (all.n > 1)
			buf_char(&all, ',');
		buf_json(&all, x->core->home.cse_id);
		buf_char(&all, ']');
	}
	buf_lit(&news, "{\"m2m:sgn\":{\"aerp\":true,\"tid1\":");
	buf_json(&news, from);
	buf_lit(&news, ",\"tid2\":");
	buf_json(&news, to);
	buf_printf(&news, ",\"sur\":\"%.*s/%.*s\"}}", SF(x->core->home.cse_id), SF(res_ri(annc)));
	e.targets = buf_view(&all);
	e.sgn = buf_view(&news);
	if (!all.failed && !news.failed)
		rc = outbox_put(x, &e);
	buf_free(&all);
	buf_free(&news);
	return rc;
}

/* --- any CSE --- */

/* Attributes with references, by type. */
static const struct place {
	int32_t ty;
	const char *root, *sn[2];
	bool identities;         /* in acor: AE-IDs; else addresses */
} places[] = {
	{ TYPE_ACP, "m2m:acp", { "pv", "pvs" }, true },
	{ TYPE_GROUP, "m2m:grp", { "mid", NULL }, false },
	{ TYPE_SUBSCRIPTION, "m2m:sub", { "nu", NULL }, false },
	{ TYPE_AE_ANNC, "m2m:aeA", { "lnk", NULL }, false },
};
enum { PLACES = sizeof(places) / sizeof(places[0]) };

struct mover {
	struct write_job job;    /* first */
	struct core *core;
	struct req *r;
	struct slice from, to;   /* as notified */
	struct slice old;        /* `from`, absolute */
	size_t place, next_place; /* where to go on: now, and after this portion */
	struct res_key last, next_last; /* n == 0: at the beginning */
};

/* An address with the M2M-SP-ID, and without ct= behind it; empty: it is none. */
static struct slice absolute(struct arena *a, const struct ident_home *home, struct slice s)
{
	enum serial serial = SERIAL_NONE;

	s = target_strip(s, &serial);
	if (!s.n || target_is_url(s) || slice_starts(s, S("//")))
		return target_is_url(s) ? S("") : s;
	return s.p[0] == '/' ? arena_printf(a, "%.*s%.*s", SF(home->sp_id), SF(s)) : arena_printf(a, "%.*s/%.*s", SF(home->abs), SF(s));
}

static bool refers(const struct mover *m, struct arena *a, const struct place *p, struct slice s)
{
	const struct ident_home *home = &m->core->home;
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon;

	if (!p->identities)
		return slice_eq(absolute(a, home, s), m->old);
	if (ident_parse(a, home, s, &kind, &form, &canon) != RC_OK)
		return false;
	/* an AE-ID of S-type names the same AE wherever it is registered; the address of its <AE> is no AE-ID, but may stand there */
	if (kind == ID_NONE)
		return s.n && s.p[0] == '/' && slice_eq(absolute(a, home, s), m->old);
	return kind == ID_AE_C && slice_eq(canon, m->old);
}

/* `raw` with the new address in place of the old. False: the old one is not in it. */
static bool rewrite(const struct mover *m, struct arena *a, const struct place *p, struct slice raw, struct buf *b)
{
	const char *at = raw.p;
	struct slice why, s, token;
	bool any = false;
	uint32_t end = 0;        /* of the list of Originators */
	struct json j;

	if (json_parse(a, raw, &json_default_limits, &j, &why) != RC_OK)
		return false;
	for (uint32_t i = 0; i < j.n; i++) {
		if (json_kind(&j, i) != J_STRING)
			continue;
		if (i + 1 < j.n && i >= end && json_kind(&j, i + 1) == J_ARRAY && slice_eq(json_inner(&j, i), S("acor")))
			end = j.tok[i + 1].next;
		s = json_string(a, &j, i);
		if ((p->identities && i >= end) || !refers(m, a, p, s))
			continue;
		token = json_raw(&j, i);
		buf_slice(b, slice_of(at, (size_t)(token.p - at)));
		if (slice_find(s, '?') >= 0)
			s = arena_printf(a, "%.*s%.*s", SF(m->to), SF(slice_skip(s, (size_t)slice_find(s, '?'))));
		else
			s = m->to;
		buf_json(b, s);
		at = token.p + token.n;
		any = true;
	}
	buf_slice(b, slice_of(at, (size_t)(raw.p + raw.n - at)));
	return any;
}

static enum reeve_rc update(struct exec *x, const struct res *res, struct slice content)
{
	enum reeve_rc rc = notify_update_internal(x, res, content);

	if (rc == RC_INVALID)
		log_warn("registration", "%.*s still refers to where an AE was registered before", SF(res_ri(res)));
	return rc == RC_INVALID ? RC_OK : rc;
}

static enum reeve_rc visit(struct exec *x, const struct mover *m, const struct place *p, const struct res *res)
{
	bool any = false, first = true;
	enum reeve_rc rc = RC_OK;
	struct slice raw;
	struct arena a;
	struct buf b, part;

	arena_init(&a, NULL, 0, 16 * CONTENT_MOST);
	buf_init(&b, CONTENT_MOST);
	buf_printf(&b, "{\"%s\":{", p->root);
	for (size_t i = 0; i < 2 && p->sn[i]; i++) {
		if (!(raw = res_attr(&a, res, slice_str(p->sn[i]))).p)
			continue;
		buf_init(&part, CONTENT_MOST);
		if (rewrite(m, &a, p, raw, &part)) {
			buf_printf(&b, "%s\"%s\":", first ? "" : ",", p->sn[i]);
			buf_slice(&b, buf_view(&part));
			any = true;
			first = false;
		}
		buf_free(&part);
	}
	buf_lit(&b, "}}");
	if (any)
		rc = b.failed ? RC_NOMEM : update(x, res, buf_view(&b));
	buf_free(&b);
	arena_reset(&a);
	return rc;
}

/* The registration here that is no more: of an AE that moved away. */
static enum reeve_rc deactivate(struct exec *x, const struct mover *m)
{
	struct slice stem = slice_skip(m->old, x->core->home.abs.n);
	struct res ae;

	if (!slice_starts(m->old, x->core->home.abs) || !stem.n || stem.p[0] != '/')
		return RC_OK;
	if (tree_stem(x->tx, slice_skip(stem, 1), &ae) != RC_OK || ae.h.ty != TYPE_AE)
		return RC_OK;
	return update(x, &ae, S("{\"m2m:ae\":{\"regs\":2}}"));
}

static enum reeve_rc run_portion(struct write_job *j, struct exec *x)
{
	struct mover *m = (struct mover *)j;
	enum reeve_rc rc = RC_OK;
	struct tree_find f;
	struct res res;

	m->next_place = m->place;
	m->next_last = m->last;
	if (!m->place && !m->last.n && (rc = deactivate(x, m)) != RC_OK)
		return rc;
	for (unsigned n = 0; n < PORTION && m->next_place < PLACES && rc == RC_OK;) {
		const struct place *p = &places[m->next_place];

		if ((rc = tree_find_type(x->tx, p->ty, &f)) != RC_OK)
			return rc;
		if (m->next_last.n)
			tree_find_after(&f, m->next_last);
		while (n < PORTION && rc == RC_OK && (rc = tree_find_next(&f, &res)) == RC_OK) {
			m->next_last = res.key;
			n++;
			rc = visit(x, m, p, &res);
		}
		tree_find_end(&f);
		if (rc == RC_NOTFOUND) {
			m->next_place++;
			m->next_last = (struct res_key){ 0, 0 };
			rc = RC_OK;
		}
	}
	return rc;
}

static void portion_done(struct write_job *j, enum reeve_rc rc)
{
	struct mover *m = (struct mover *)j;
	struct req *r = m->r;

	m->place = m->next_place;
	m->last = m->next_last;
	if (rc == RC_OK && m->place < PLACES && writer_submit(m->core->writer, j) == RC_OK)
		return;
	if (rc == RC_OK && m->place == PLACES)
		r->rsc = 2000;
	else
		req_refuse(r, 5000, "not all references to the AE could be rewritten; try again");
	core_resume(m->core, r);
}

/* Is it the IN-CSE, inside its own association, or that of the registrar, which passes its word on? */
static bool from_in_cse(struct core *c, const struct req *r, struct arena *a)
{
	const struct config *cfg = c->cfg;
	const struct slice in = cfg->profile.at.n ? cfg->profile.at : cfg->registrar.cse_id;
	struct slice local, cse;

	return cfg->type != CSE_IN && r->peer.association && ident_route(a, &c->home, in, &local, &cse) == WHERE_TRANSIT &&
	       slice_eq(cse, r->work->who) && (slice_eq(r->peer.cse_id, cse) || way_is_registrar(c, r->peer.cse_id));
}

bool moved_believed(struct core *c, const struct req *r)
{
	struct slice why;
	bool moved = false;
	struct arena a;
	struct json j;

	arena_init(&a, NULL, 0, CONTENT_MOST);
	if (r->pc.n && from_in_cse(c, r, &a) && json_parse(&a, r->pc, &c->cfg->limits.json, &j, &why) == RC_OK) {
		const uint32_t sgn = json_member(&j, 0, S("m2m:sgn"));

		moved = sgn && json_bool(&j, json_member(&j, sgn, S("aerp")), &moved) && moved;
	}
	arena_reset(&a);
	return moved;
}

/* Only the IN-CSE's word counts, and only where an association proves whose it is (AUTHZ-239). */
static enum reeve_rc check_sender(struct core *c, struct req *r)
{
	if (r->work->internal || from_in_cse(c, r, &r->arena))
		return RC_OK;
	if (c->cfg->type == CSE_IN)
		return req_refuse(r, 5001, "the IN-CSE learns that an AE has moved from its <AEAnnc>, which is of S-type AE-IDs only");
	if (!r->peer.association)
		return req_refuse(r, 4107, "that an AE has moved is believed inside a security association only");
	return req_refuse(r, 4103, "that an AE has moved is believed of the IN-CSE only");
}

/* Two addresses of an <AE> by the same AE-ID-Stem. */
static bool same_stem(struct slice a, struct slice b)
{
	while (slice_find(a, '/') >= 0)
		a = slice_skip(a, (size_t)slice_find(a, '/') + 1);
	while (slice_find(b, '/') >= 0)
		b = slice_skip(b, (size_t)slice_find(b, '/') + 1);
	return ident_stem(a) && slice_eq(a, b);
}

bool moved_notified(struct core *c, struct req *r, const struct json *j, uint32_t sgn)
{
	struct mover *m;
	bool moved = false;

	if (!json_bool(j, json_member(j, sgn, S("aerp")), &moved) || !moved)
		return false;
	m = arena_zalloc(&r->arena, sizeof(*m));
	if (check_sender(c, r) != RC_OK || !m) {
		if (!r->rsc)
			req_refuse(r, 5000, "the request needs more memory than limits.request_memory");
		core_resume(c, r);
		return true;
	}
	*m = (struct mover){ .job = { .run = run_portion, .done = portion_done, .home = &c->loops[0] }, .core = c, .r = r,
			     .from = json_string(&r->arena, j, json_member(j, sgn, S("tid1"))),
			     .to = json_string(&r->arena, j, json_member(j, sgn, S("tid2"))) };
	m->old = absolute(&r->arena, &c->home, m->from);
	if (!m->from.n || m->from.p[0] != '/' || !m->to.n || m->to.p[0] != '/' || !same_stem(m->from, m->to))
		req_refuse(r, 4000, "tid1, tid2: addresses of an <AE> by the same AE-ID-Stem, with the CSE-IDs");
	else if (writer_submit(c->writer, &m->job) != RC_OK)
		req_refuse(r, 5000, "too many changes are waiting (limits.write_queue); try again later");
	if (r->rsc)
		core_resume(c, r);
	return true;
}
