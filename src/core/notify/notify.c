/* SPDX-License-Identifier: Apache-2.0 */
/* Events meet subscriptions (TS-0004 7.5.1.2.2 steps 1.0 and 2.1), in the writer, inside the transaction of the change.
 *
 * First everything is matched and rendered, then the outbox is written: the first write may move what `about` and `at` point to. */
#include "core/notify/notify.h"

#include <stdlib.h>

#include "base/log.h"
#include "core/draft.h"
#include "core/notify/notify_int.h"
#include "core/notify/outbox.h"
#include "core/work.h"
#include "core/writer.h"

enum { SCRATCH = 16 << 20 };

struct happening {
	enum notify_event ev;        /* 0: operation monitor */
	const struct res *at, *about;
	struct slice changed;        /* members without braces */
	struct json members;         /* {changed}; n == 0: none */
	enum op op;                  /* operation monitor */
	bool last;                   /* the resource is about to go with its subscriptions */
	struct slice fr, who;
	struct buf rep[6];           /* by nct, rendered on demand */
	bool have[6];
	struct arena *a;
};

/* --- matching --- */

static bool attribute_changed(const struct happening *h, const struct sub *s)
{
	if (!s->n_atr)
		return true;
	for (size_t i = 0; h->members.n && i < s->n_atr; i++)
		if (json_member(&h->members, 0, s->atr[i]))
			return true;
	return false;
}

static bool child_type(const struct happening *h, const struct sub *s)
{
	if (!s->n_chty)
		return true;
	for (size_t i = 0; i < s->n_chty; i++)
		if (s->chty[i] == h->about->h.ty)
			return true;
	return false;
}

static bool event_matches(struct exec *x, const struct happening *h, const struct sub *s)
{
	if (!(s->events & 1u << h->ev) || s->key.n == h->about->key.n)
		return false; /* nobody is told of his own subscription */
	if (h->ev == NE_UPDATE && !attribute_changed(h, s))
		return false;
	if ((h->ev == NE_CHILD_CREATE || h->ev == NE_CHILD_DELETE) && !child_type(h, s))
		return false;
	return !s->filter.any || filter_match(&s->filter, h->a, x->tx, h->about, false);
}

/* When a resource expires, its subscriptions do so in the same moment and are still to tell of it (CORE-182). */
static bool alive(struct exec *x, const struct happening *h, const struct sub *s)
{
	return s->et > x->now || (h->ev == NE_DELETE && s->et >= h->at->h.et);
}

static unsigned acop_of(enum op op)
{
	static const unsigned bits[] = { 0, ACOP_CREATE, ACOP_RETRIEVE, ACOP_UPDATE, ACOP_DELETE, ACOP_NOTIFY };
	return bits[op];
}

static bool monitor_matches(struct exec *x, const struct happening *h, const struct sub *s)
{
	for (size_t i = 0; i < s->n_om; i++)
		if ((!s->om[i].ops || s->om[i].ops & acop_of(h->op)) && (!s->om[i].who.n || slice_eq(s->om[i].who, h->who)))
			return !s->filter.any || filter_match(&s->filter, h->a, x->tx, h->at, false);
	return false;
}

/* --- rendering --- */

static enum reeve_rc render_rep(struct exec *x, struct happening *h, uint64_t nct, struct buf *b)
{
	const struct model_res *m = res_model(h->about);
	struct buf uri;
	enum reeve_rc rc;

	switch (nct) {
	case 2:
		if (m && h->changed.p) {
			buf_printf(b, "{\"%s\":{", m->root);
			buf_slice(b, h->changed);
			buf_lit(b, "}}");
			return RC_OK;
		}
		break;
	case 3:
		buf_init(&uri, 65536);
		rc = tree_path(x->tx, h->about, &uri);
		buf_lit(b, "{\"m2m:uri\":");
		buf_json(b, buf_view(&uri));
		buf_char(b, '}');
		rc = rc == RC_OK && uri.failed ? RC_NOMEM : rc;
		buf_free(&uri);
		return rc;
	case 4:
	case 5:
		buf_printf(b, "{\"%s\":{", nct == 4 ? "m2m:tgp" : "m2m:tsn");
		buf_slice(b, h->changed);
		buf_lit(b, "}}");
		return RC_OK;
	default:
		break;
	}
	res_render_rooted(b, h->about);
	return RC_OK;
}

/* The inside of m2m:sgn for s into b. */
static void compose(const struct happening *h, const struct sub *s, struct buf *b)
{
	const struct buf *rep = &h->rep[s->nct];

	buf_lit(b, "{\"nev\":{\"rep\":");
	buf_slice(b, buf_view(rep));
	if (h->ev) {
		buf_printf(b, ",\"net\":%d", (int)h->ev);
	} else {
		buf_printf(b, ",\"om\":{\"op\":%d,\"or\":", (int)h->op);
		buf_json(b, h->fr);
		buf_char(b, '}');
	}
	buf_lit(b, "},");
	buf_slice(b, s->tail);
	buf_char(b, '}');
}

static enum reeve_rc prepare(struct exec *x, struct happening *h, const struct sub *s)
{
	if (s->nct > 5)
		return RC_INVALID;
	if (h->have[s->nct])
		return RC_OK;
	h->have[s->nct] = true;
	return render_rep(x, h, s->nct, &h->rep[s->nct]);
}

static enum reeve_rc enter(struct exec *x, const struct happening *h, const struct sub *s, struct buf *b)
{
	struct outbox_entry e = { .sub = s->key, .when = x->now, .kind = OB_EVENT };
	struct core *c = x->core;

	if (notifier_full(c->notifier)) {
		metrics_inc(&c->metrics, limit_outbox);
		return RC_OK;
	}
	buf_clear(b);
	compose(h, s, b);
	if (b->failed)
		return RC_NOMEM;
	e.flags = (uint8_t)(h->last ? OB_PLAIN | OB_SURVIVES : sub_plain(s) ? OB_PLAIN : 0);
	e.targets = s->nu;
	e.sgn = buf_view(b);
	return outbox_put(x, &e);
}

static enum reeve_rc deliver(struct exec *x, struct happening *h)
{
	struct sub_list *l;
	bool *due;
	struct buf b;
	enum reeve_rc rc = sub_list_get(notifier_cache(x->core->notifier), x, h->at->key.n, &l);

	if (rc != RC_OK)
		return rc;
	buf_init(&b, SCRATCH);
	due = arena_array(h->a, l->n + 1, sizeof(*due));
	if (!due)
		rc = RC_NOMEM;
	for (size_t i = 0; rc == RC_OK && i < l->n; i++) {
		const struct sub *s = &l->v[i];

		due[i] = alive(x, h, s) && (h->ev ? event_matches(x, h, s) : monitor_matches(x, h, s));
		if (due[i])
			rc = prepare(x, h, s);
	}
	for (size_t i = 0; rc == RC_OK && i < l->n; i++)
		if (due[i])
			rc = enter(x, h, &l->v[i], &b);
	buf_free(&b);
	sub_list_put(l);
	return rc;
}

static enum reeve_rc happen(struct exec *x, struct happening *h)
{
	struct slice why, text;
	char mem[4096];
	struct arena a;
	struct buf b;
	enum reeve_rc rc = RC_OK;

	arena_init(&a, mem, sizeof(mem), SCRATCH);
	h->a = &a;
	for (size_t i = 0; i < 6; i++)
		buf_init(&h->rep[i], SCRATCH);
	if (h->ev == NE_UPDATE && h->changed.p) {
		buf_init(&b, SCRATCH);
		buf_char(&b, '{');
		buf_slice(&b, h->changed);
		buf_char(&b, '}');
		text = arena_dup(&a, buf_view(&b));
		buf_free(&b);
		rc = text.p ? json_parse(&a, text, &json_default_limits, &h->members, &why) : RC_NOMEM;
	}
	if (rc == RC_OK)
		rc = deliver(x, h);
	for (size_t i = 0; i < 6; i++)
		buf_free(&h->rep[i]);
	arena_reset(&a);
	if (rc == RC_OK || rc == RC_FULL || rc == RC_IO)
		return rc;
	/* a notification that cannot be made must not undo the change it tells of */
	log_warn("notify", "an event below %.*s could not be turned into a notification (%s)", SF(res_ri(h->at)), rc_name(rc));
	metrics_inc(&x->core->metrics, notifications_dropped);
	return RC_OK;
}

enum reeve_rc notify_happened(struct exec *x, enum notify_event ev, const struct res *at, const struct res *about,
			      struct slice changed)
{
	struct happening h = { .ev = ev, .at = at, .about = about, .changed = changed, .last = ev == NE_DELETE };

	if (!at->h.n_subs)
		return RC_OK;
	if (ev == NE_CHILD_CREATE && notifier_awaited(x->core->notifier))
		writer_outbox_changed(x);
	return happen(x, &h);
}

/* --- operation monitor --- */

static enum reeve_rc monitored(struct exec *x, struct res_key key, enum op op, struct slice fr, struct slice who, bool last)
{
	struct res at;
	struct happening h = { .at = &at, .about = &at, .op = op, .fr = fr, .who = who, .last = last };
	enum reeve_rc rc = tree_get(x->tx, key, &at);

	if (rc != RC_OK) /* the operation was its Delete, and told of before it was done */
		return rc == RC_NOTFOUND ? RC_OK : rc;
	return at.h.n_subs ? happen(x, &h) : RC_OK;
}

enum reeve_rc notify_operation(struct exec *x, const struct res *at, const struct req *r)
{
	if (!at->h.n_subs || r->op < OP_CREATE || r->op > OP_NOTIFY || x->internal)
		return RC_OK;
	return monitored(x, at->key, r->op, r->fr, r->work ? r->work->who : (struct slice){ NULL, 0 },
			 r->op == OP_DELETE && !r->rsc);
}

/* A Retrieve (or Notify) that an operation monitor or an event 5 has to hear of, on its way to the writer. */
struct seen {
	struct write_job job;
	struct res_key key;
	enum op op;
	bool monitor, empty;
	size_t fr_n, who_n;
	char text[];
};

static enum reeve_rc seen_run(struct write_job *j, struct exec *x)
{
	struct seen *s = (struct seen *)j;
	struct res at;
	enum reeve_rc rc = RC_OK;

	if (s->monitor)
		rc = monitored(x, s->key, s->op, slice_of(s->text, s->fr_n), slice_of(s->text + s->fr_n, s->who_n), false);
	if (rc == RC_OK && s->empty && (rc = tree_get(x->tx, s->key, &at)) == RC_OK)
		rc = notify_happened(x, NE_RETRIEVE_EMPTY, &at, &at, (struct slice){ NULL, 0 });
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

static void seen_done(struct write_job *j, enum reeve_rc rc)
{
	(void)rc;
	free(j);
}

static bool contains(struct slice text, const char *what)
{
	return text.n && memmem(text.p, text.n, what, strlen(what)) != NULL;
}

/* Does any subscription of `at` want to hear? The text is looked through before anything is parsed: this stands in the
 * way of every Retrieve of a resource with subscriptions. A string that only looks like the attribute costs a job and no more. */
static void interested(struct exec *x, const struct res *at, bool *monitor, bool *empty)
{
	struct tree_iter it;
	struct res sub;

	*monitor = *empty = false;
	if (tree_children_of_type(x->tx, at->key.n, 23, &it) != RC_OK)
		return;
	while (tree_next(&it, &sub) == RC_OK) {
		*monitor |= contains(sub.text, "\"om\":");
		*empty |= contains(sub.text, "\"net\":");
	}
	tree_end(&it);
}

void notify_retrieved(struct exec *x, const struct res *at, const struct req *r)
{
	struct slice who = r->work ? r->work->who : (struct slice){ NULL, 0 };
	bool monitor, empty;
	struct res newest;
	struct seen *s;

	if (!at->h.n_subs || x->internal || (r->work && r->work->awaited))
		return;
	interested(x, at, &monitor, &empty);
	empty = empty && r->op == OP_RETRIEVE && at->h.ty == TYPE_CONTAINER && r->rsc < 4000 && r->has & HAS_RCN &&
		(r->rcn == 4 || r->rcn == 8) && tree_latest(x->tx, at->key.n, x->now, &newest) == RC_NOTFOUND;
	if (!monitor && !empty)
		return;
	if (!(s = calloc(1, sizeof(*s) + r->fr.n + who.n)))
		return;
	*s = (struct seen){ .job = { .run = seen_run, .done = seen_done, .home = r->home }, .key = at->key, .op = r->op, .monitor = monitor,
			    .empty = empty, .fr_n = r->fr.n, .who_n = who.n };
	if (r->fr.n)
		memcpy(s->text, r->fr.p, r->fr.n);
	if (who.n)
		memcpy(s->text + r->fr.n, who.p, who.n);
	if (writer_submit(x->core->writer, &s->job) != RC_OK) {
		metrics_inc(&x->core->metrics, notifications_dropped);
		free(s);
	}
}

/* --- changes of a subscription --- */

static enum reeve_rc control(struct exec *x, struct res_key sub, enum outbox_kind kind, unsigned flags)
{
	struct outbox_entry e = { .sub = sub, .when = x->now, .kind = (uint8_t)kind, .flags = (uint8_t)flags };
	return outbox_put(x, &e);
}

enum reeve_rc notify_sub_updated(struct exec *x, const struct res *sub, unsigned flags)
{
	sub_cache_changed(notifier_cache(x->core->notifier), x, sub->key.parent);
	return control(x, sub->key, OB_UPDATED, flags);
}

enum reeve_rc notify_notice(struct exec *x, const struct res *sub, struct slice targets, struct slice members)
{
	struct outbox_entry e = { .sub = sub->key, .when = x->now, .kind = OB_NOTICE, .flags = OB_PLAIN | OB_SURVIVES,
				  .targets = targets };
	struct slice sur;
	struct arena a;
	struct buf b;
	enum reeve_rc rc;

	arena_init(&a, NULL, 0, 1 << 20);
	buf_init(&b, SCRATCH);
	rc = notify_address(x, &a, sub, &sur);
	if (rc == RC_NOTFOUND) { /* an ancestor is gone already: the unstructured identifier is left */
		buf_slice(&b, x->core->cfg->cse_id);
		buf_char(&b, '/');
		buf_slice(&b, res_ri(sub));
		sur = arena_printf(&a, "\"%.*s\"", SF(buf_view(&b)));
		buf_clear(&b);
		rc = sur.p ? RC_OK : RC_NOMEM;
	}
	if (rc == RC_OK) {
		buf_char(&b, '{');
		buf_slice(&b, members);
		buf_lit(&b, ",\"sur\":");
		buf_slice(&b, sur);
		buf_char(&b, '}');
		e.sgn = buf_view(&b);
		rc = b.failed ? RC_NOMEM : outbox_put(x, &e);
	}
	buf_free(&b);
	arena_reset(&a);
	return rc;
}

/* su and every acrs as one JSON array; empty when there is none. */
static struct slice notice_targets(struct arena *a, const struct res *sub)
{
	struct slice out = { NULL, 0 };
	struct json j;
	struct buf b;
	uint32_t su, acrs;

	if (res_json(a, sub, &j) != RC_OK)
		return out;
	buf_init(&b, j.text.n + 16);
	su = json_member(&j, 0, S("su"));
	acrs = json_member(&j, 0, S("acrs"));
	if (su)
		buf_slice(&b, json_raw(&j, su));
	for (uint32_t i = acrs + 1; acrs && json_kind(&j, acrs) == J_ARRAY && i < j.tok[acrs].next; i = j.tok[i].next) {
		if (b.n)
			buf_char(&b, ',');
		buf_slice(&b, json_raw(&j, i));
	}
	if (b.n && !b.failed)
		out = arena_printf(a, "[%.*s]", SF(buf_view(&b)));
	buf_free(&b);
	return out;
}

enum reeve_rc notify_sub_deleted(struct exec *x, const struct res *sub)
{
	struct slice targets;
	struct res parent;
	struct arena a;
	bool orphan;
	enum reeve_rc rc;

	arena_init(&a, NULL, 0, SCRATCH);
	targets = notice_targets(&a, sub);
	sub_cache_changed(notifier_cache(x->core->notifier), x, sub->key.parent);
	/* when the parent is gone (or past its time), this is not somebody's wish to be left alone */
	rc = tree_parent(x->tx, sub, &parent);
	orphan = rc == RC_NOTFOUND || (rc == RC_OK && parent.h.et <= x->now);
	rc = rc == RC_NOTFOUND ? RC_OK : rc;
	if (rc == RC_OK)
		rc = control(x, sub->key, OB_DELETED, orphan ? OB_KEEP_PLAIN : 0);
	if (rc == RC_OK && targets.p)
		rc = notify_notice(x, sub, targets, S("\"sud\":true"));
	arena_reset(&a);
	return rc;
}
