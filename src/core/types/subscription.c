/* SPDX-License-Identifier: Apache-2.0 */
/* <subscription> (TS-0004 7.4.8): checks of Create and Update on the outcome, and its bookkeeping. */
#include "core/draft.h"
#include "core/group/fanout.h"
#include "core/notify/notify_int.h"
#include "core/notify/outbox.h"
#include "core/work.h"

#define BIT(ev) (1u << (ev))

/* Content types permitted for each event, as bits, and the default (core.md 10.2). */
static const struct { uint8_t allowed, def; } content[] = {
	[NE_UPDATE] = { BIT(1) | BIT(2) | BIT(3), 1 },
	[NE_DELETE] = { BIT(1) | BIT(3), 1 },
	[NE_CHILD_CREATE] = { BIT(1) | BIT(3), 1 },
	[NE_CHILD_DELETE] = { BIT(1) | BIT(3), 1 },
	[NE_RETRIEVE_EMPTY] = { BIT(1) | BIT(3), 1 },
	[NE_TRIGGER] = { BIT(4), 4 },
	[NE_BLOCKING_UPDATE] = { BIT(2), 2 },
	[NE_MISSING_DATA] = { BIT(5), 5 },
};

/* --- eventNotificationCriteria --- */

/* A set of one event. */
static bool alone(uint32_t events, enum notify_event ev) { return events == BIT(ev); }

static enum reeve_rc check_events(struct req *r, const struct res *parent, const struct sub *s, bool net)
{
	if (net && s->n_om)
		return req_refuse(r, 4000, "enc: net and om exclude each other");
	if (s->events & BIT(NE_BLOCKING_UPDATE) && !alone(s->events, NE_BLOCKING_UPDATE))
		return req_refuse(r, 4000, "enc.net: 7 stands alone");
	if (s->events & BIT(NE_MISSING_DATA) && !alone(s->events, NE_MISSING_DATA))
		return req_refuse(r, 4000, "enc.net: 8 stands alone");
	if (s->events & BIT(NE_MISSING_DATA) && !s->missing_data)
		return req_refuse(r, 4000, "enc.net: 8 needs md");
	if (s->missing_data && parent->h.ty != TYPE_TIME_SERIES)
		return req_refuse(r, 4000, "enc.md: only for a timeSeries");
	if (s->events & BIT(NE_RETRIEVE_EMPTY) && parent->h.ty != TYPE_CONTAINER)
		return req_refuse(r, 4000, "enc.net: 5 is for a container");
	if (s->events & BIT(NE_TRIGGER) && parent->h.ty != TYPE_AE)
		return req_refuse(r, 4000, "enc.net: 6 is for an AE");
	for (size_t i = 0; i < s->n_chty; i++)
		if (!res_model(parent) || !model_child_allowed(res_model(parent), s->chty[i]))
			return req_refuse(r, 4000, "enc.chty: %lld is no child type of the subscribed-to resource", (long long)s->chty[i]);
	return RC_OK;
}

/* nct fits every event, or gets the default that does (CORE-174). */
static enum reeve_rc check_content_type(struct req *r, struct draft *d, const struct sub *s)
{
	unsigned allowed = BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5), def = 0;
	uint64_t nct;

	if (!s->events)
		allowed = BIT(1) | BIT(3), def = 1;
	for (unsigned ev = NE_UPDATE; ev <= NE_MISSING_DATA; ev++) {
		if (!(s->events & BIT(ev)))
			continue;
		allowed &= content[ev].allowed;
		if (!def)
			def = content[ev].def;
	}
	if (draft_u64(d, S("nct"), &nct))
		return nct <= 5 && allowed & BIT(nct) ? RC_OK : req_refuse(r, 4000, "nct: %llu is not allowed for the events of enc.net",
									   (unsigned long long)nct);
	if (!(allowed & BIT(def)))
		return req_refuse(r, 4000, "enc.net: no notificationContentType suits all of these events");
	return draft_set(d, S("nct"), arena_printf(d->arena, "%u", def)) ? RC_OK : RC_NOMEM;
}

/* --- blocking updates (CORE-171, CORE-172) --- */

static enum reeve_rc other_blocking(struct exec *x, struct req *r, const struct res *parent)
{
	struct sub_list *l;
	bool taken = false;
	enum reeve_rc rc = sub_list_get(x->write ? notifier_cache(x->core->notifier) : NULL, x, parent->key.n, &l);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < l->n; i++)
		taken |= l->v[i].events & BIT(NE_BLOCKING_UPDATE) && l->v[i].et > x->now;
	sub_list_put(l);
	return taken ? req_refuse(r, 4124, "a subscription that blocks updates exists already") : RC_OK;
}

static enum reeve_rc check_blocking_enc(struct req *r, const struct json *enc)
{
	for (uint32_t i = 1; i < enc->tok[0].next; i = enc->tok[i + 1].next)
		if (!json_string_is(enc, i, S("net")) && !json_string_is(enc, i, S("atr")))
			return req_refuse(r, 4000, "enc: with event 7 only atr is permitted besides net");
	return RC_OK;
}

static enum reeve_rc check_blocking(struct exec *x, struct req *r, const struct res *parent, const struct res *old,
				    struct draft *d, const struct json *enc)
{
	enum serial serial = SERIAL_NONE;
	struct json nu;
	enum reeve_rc rc;

	if (old && draft_given(d, S("enc")))
		return req_refuse(r, 4000, "enc.net: event 7 can be chosen at creation only");
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].given && d->v[i].a->kind == 's' && !slice_eq(slice_str(d->v[i].a->sn), S("enc")) &&
		    !slice_eq(slice_str(d->v[i].a->sn), S("nu")))
			return req_refuse(r, 4000, "%s: not permitted with event 7", d->v[i].a->sn);
	if ((rc = check_blocking_enc(r, enc)) != RC_OK)
		return rc;
	if (draft_json(d, S("nu"), &nu) != RC_OK || json_kind(&nu, 0) != J_ARRAY || nu.tok[0].count != 1)
		return req_refuse(r, 4000, "nu: event 7 has exactly one target");
	if (target_is_url(target_strip(json_string(d->arena, &nu, 1), &serial)))
		return req_refuse(r, 4000, "nu: the target of event 7 is a resource identifier, not a URL");
	return old ? RC_OK : other_blocking(x, r, parent);
}

/* --- completion --- */

static enum reeve_rc complete_batch(struct exec *x, struct req *r, struct draft *d)
{
	struct slice num;
	struct json bn;
	uint32_t at;
	usec dur;
	enum reeve_rc rc = draft_json(d, S("bn"), &bn);

	if (rc == RC_NOTFOUND)
		return RC_OK;
	if (rc != RC_OK)
		return rc;
	if ((at = json_member(&bn, 0, S("dur")))) {
		if (!text_duration(json_string(d->arena, &bn, at), &dur) || dur <= 0)
			return req_refuse(r, 4000, "bn.dur: a duration longer than zero");
		return RC_OK;
	}
	at = json_member(&bn, 0, S("num"));
	num = at ? json_raw(&bn, at) : S("0");
	dur = x->core->cfg->batch_duration;
	num = arena_printf(d->arena, "{\"num\":%.*s,\"dur\":\"PT%llu.%06lluS\"}", SF(num), (unsigned long long)(dur / USEC_S),
			   (unsigned long long)(dur % USEC_S));
	if (dur % USEC_S == 0) /* without a fraction of zeros */
		num = arena_printf(d->arena, "{\"num\":%.*s,\"dur\":\"PT%lluS\"}", SF(at ? json_raw(&bn, at) : S("0")),
				   (unsigned long long)(dur / USEC_S));
	return num.p && draft_set(d, S("bn"), num) ? RC_OK : RC_NOMEM;
}

static enum reeve_rc check_rate(struct req *r, struct draft *d)
{
	struct json rl;
	uint32_t at;
	usec window;
	enum reeve_rc rc = draft_json(d, S("rl"), &rl);

	if (rc != RC_OK)
		return rc == RC_NOTFOUND ? RC_OK : rc;
	at = json_member(&rl, 0, S("tww"));
	if (!at || !text_duration(json_string(d->arena, &rl, at), &window) || window <= 0)
		return req_refuse(r, 4000, "rl.tww: a duration longer than zero");
	return RC_OK;
}

/* nu other than the Originator: cr tells who subscribed, asked for or not (CORE-175). */
static enum reeve_rc set_creator(struct exec *x, struct req *r, struct draft *d)
{
	struct slice me = originator_of(x, r), raw;
	struct json nu;
	struct buf b;
	bool other = false;

	if (draft_get(d, S("cr")).p || draft_json(d, S("nu"), &nu) != RC_OK || json_kind(&nu, 0) != J_ARRAY)
		return RC_OK;
	for (uint32_t i = 1; i < nu.tok[0].next; i = nu.tok[i].next) {
		struct slice who = target_entity(x, d->arena, json_string(d->arena, &nu, i));
		other |= !who.n || !slice_eq(who, me);
	}
	if (!other)
		return RC_OK;
	buf_init(&b, 4096);
	buf_json(&b, r->fr);
	raw = b.failed ? (struct slice){ NULL, 0 } : arena_dup(d->arena, buf_view(&b));
	buf_free(&b);
	return raw.p && draft_set(d, S("cr"), raw) ? RC_OK : RC_NOMEM;
}

/* --- hooks --- */

/* At least one target; only the CSE itself takes the last one off (a target that leaves). Each may cost a message per event. */
static enum reeve_rc check_targets(struct exec *x, struct req *r, struct draft *d)
{
	const struct limits *l = &x->core->cfg->limits;
	struct json nu;
	enum reeve_rc rc = draft_json(d, S("nu"), &nu);

	if (rc != RC_OK && rc != RC_NOTFOUND)
		return rc;
	if (x->internal)
		return RC_OK;
	if (rc == RC_NOTFOUND || json_kind(&nu, 0) != J_ARRAY || !nu.tok[0].count)
		return req_refuse(r, 4000, "nu: at least one target");
	if (nu.tok[0].count > l->targets && draft_given(d, S("nu"))) {
		metrics_inc(&x->core->metrics, limit_subscriptions);
		return req_refuse(r, 5000, "nu: at most %u targets (limits.targets)", l->targets);
	}
	return RC_OK;
}

static enum reeve_rc check_number(struct exec *x, struct req *r, const struct res *parent)
{
	if (x->internal || parent->h.n_subs < x->core->cfg->limits.subscriptions)
		return RC_OK;
	metrics_inc(&x->core->metrics, limit_subscriptions);
	return req_refuse(r, 5000, "the resource has %u subscriptions, and may have no more (limits.subscriptions)", parent->h.n_subs);
}

static enum reeve_rc check(struct exec *x, struct req *r, const struct res *parent, const struct res *old, struct draft *d)
{
	struct slice why = S("enc: malformed");
	struct json enc;
	struct sub s = { 0 };
	bool have;
	enum reeve_rc rc;

	if (!old && !x->internal && !exec_permitted(x, r, parent, ACOP_RETRIEVE, 0)) /* CORE-169, AUTHZ-124 */
		return exec_denied(x, r, parent, ACOP_RETRIEVE, 0);
	if ((!old && (rc = check_number(x, r, parent)) != RC_OK) || (rc = check_targets(x, r, d)) != RC_OK)
		return rc;
	rc = draft_json(d, S("enc"), &enc);
	have = rc == RC_OK;
	if (rc != RC_OK && rc != RC_NOTFOUND)
		return rc;
	if (have && json_kind(&enc, 0) != J_OBJECT)
		return req_refuse(r, 4000, "enc: an object");
	rc = sub_read_enc(d->arena, &x->core->home, &enc, have ? 0 : SUB_NO_ENC, &s, &why);
	if (rc == RC_INVALID || rc == RC_SYNTAX)
		return req_refuse(r, 4000, "%.*s", SF(why));
	if (rc != RC_OK)
		return rc;
	if ((rc = check_events(r, parent, &s, have && json_member(&enc, 0, S("net")))) != RC_OK)
		return rc;
	if (s.events & BIT(NE_BLOCKING_UPDATE) && !x->internal && (rc = check_blocking(x, r, parent, old, d, &enc)) != RC_OK)
		return rc;
	if ((rc = check_content_type(r, d, &s)) != RC_OK || (rc = complete_batch(x, r, d)) != RC_OK || (rc = check_rate(r, d)) != RC_OK)
		return rc;
	return old ? RC_OK : set_creator(x, r, d);
}

/* The count of subscriptions at the parent, which lets everybody else skip all this. */
static enum reeve_rc count(struct exec *x, const struct res *sub, bool more)
{
	struct res parent;
	enum reeve_rc rc = tree_parent(x->tx, sub, &parent);

	if (rc != RC_OK)
		return rc == RC_NOTFOUND ? RC_OK : rc;
	if (more)
		parent.h.n_subs++;
	else if (parent.h.n_subs)
		parent.h.n_subs--;
	return tree_touch(x->tx, &parent);
}

static enum reeve_rc created(struct exec *x, struct req *r, const struct res *parent, const struct res *nw)
{
	(void)r;
	sub_cache_changed(notifier_cache(x->core->notifier), x, parent->key.n);
	return count(x, nw, true);
}

/* An acrs entry that was taken out is told (CORE-194; TS-0004 7.5.1.2.4). */
static enum reeve_rc tell_removed(struct exec *x, struct arena *a, const struct res *old, const struct res *nw)
{
	struct json was, is = { 0 };
	struct ident_set stay;
	struct slice old_raw = res_attr(a, old, S("acrs")), new_raw = res_attr(a, nw, S("acrs")), why;
	enum reeve_rc rc = RC_OK;

	if (!old_raw.p || slice_eq(old_raw, new_raw) || json_parse(a, old_raw, &json_default_limits, &was, &why) != RC_OK)
		return RC_OK;
	if (new_raw.p && json_parse(a, new_raw, &json_default_limits, &is, &why) != RC_OK)
		return RC_OK;
	if (!ident_set_init(&stay, a, is.n ? is.tok[0].count : 0))
		return RC_NOMEM;
	for (uint32_t k = 1; is.n && k < is.tok[0].next; k = is.tok[k].next) {
		struct slice s = json_string(a, &is, k);
		if (s.p)
			ident_set_add(&stay, s);
	}
	for (uint32_t i = 1; rc == RC_OK && json_kind(&was, 0) == J_ARRAY && i < was.tok[0].next; i = was.tok[i].next) {
		struct slice s = json_string(a, &was, i);
		if (s.p && !ident_set_has(&stay, s))
			rc = notify_notice(x, nw, arena_printf(a, "[%.*s]", SF(json_raw(&was, i))), S("\"sud\":true"));
	}
	return rc;
}

/* What the change of pn and ln means for notifications that wait (TS-0004 7.4.8.2.3, TS-0001 10.2.10.4). Judged here, in order with the
 * events, because the notifier may see several changes at once. */
static unsigned fate_of_kept(struct exec *x, struct arena *a, const struct res *old, const struct res *nw)
{
	struct sub was, is;
	bool closed;

	if (sub_read(x, a, old, &was) != RC_OK || sub_read(x, a, nw, &is) != RC_OK)
		return 0;
	closed = !sub_open(&is, x->now);
	if (closed && was.pending && !is.pending)
		return OB_DROP_KEPT;
	if ((closed && was.pending == 2 && is.pending == 1) || (is.latest && !was.latest))
		return OB_KEEP_ONE;
	return 0;
}

static enum reeve_rc updated(struct exec *x, struct req *r, const struct res *old, const struct res *nw)
{
	unsigned flags = fate_of_kept(x, &r->arena, old, nw);
	struct res mine = *nw; /* the first notice may move the record */
	enum reeve_rc rc;

	if (!(mine.text = arena_dup(&r->arena, nw->text)).p)
		return RC_NOMEM;
	rc = tell_removed(x, &r->arena, old, &mine);
	return rc == RC_OK ? notify_sub_updated(x, old, flags) : rc;
}

static enum reeve_rc removing(struct exec *x, const struct res *sub)
{
	enum reeve_rc rc = notify_sub_deleted(x, sub);
	return rc == RC_OK ? count(x, sub, false) : rc;
}

const struct type_hooks type_subscription = {
	.ty = TYPE_SUBSCRIPTION, .check = check, .created = created, .updated = updated, .removing = removing,
};
