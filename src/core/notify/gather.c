/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering of notifications by group and forwarding address. Nothing is kept here alone: a member's notification stays in the
 * outbox until the subscriber has answered for all that went with it, so a crash only makes it come again. An aggregate that comes
 * in is taken apart: m2m:agn is never nested. */
#include "core/notify/gather.h"

#include <stdlib.h>

#include "codec/text.h"
#include "core/core.h"
#include "core/notify/notifier_int.h"

enum { GATHER_BYTES = 1 << 20, BYTES_MOST = 64 << 20, GATHER_MOST = 1000 };

struct gathering {
	struct gathering *next;
	struct core *core;
	struct gather_rule rule;
	struct buf sgns;          /* objects with commas between them */
	uint64_t n;
	struct gathered *waiting;
	struct alarm alarm;
	struct outbound out;
	bool away;                /* sent; takes no more */
	size_t nfu_n;
	char nfu[];
};

void gather_rule_read(struct exec *x, struct arena *a, const struct res *group, struct gather_rule *rule)
{
	struct slice nar = res_member(group, S("nar")), why, dur;
	struct json j;
	uint64_t n = 1;

	(void)slice_u64(res_member(group, S("cnm")), &n);
	*rule = (struct gather_rule){ group->key.n, n, x->core->cfg->batch_duration };
	if (nar.p && json_parse(a, nar, &json_default_limits, &j, &why) == RC_OK && json_kind(&j, 0) == J_OBJECT) {
		uint32_t num = json_member(&j, 0, S("num"));

		rule->number = num && json_u64(&j, num, &n) ? n : GATHER_MOST;
		dur = json_string(a, &j, json_member(&j, 0, S("dur")));
		if (dur.p)
			(void)text_duration(dur, &rule->duration);
	}
	if (rule->number < 1)
		rule->number = 1;
	if (rule->number > GATHER_MOST)
		rule->number = GATHER_MOST;
	if (rule->duration < 0)
		rule->duration = 0;
}

static void destroy(struct gathering *g)
{
	buf_free(&g->sgns);
	free(g);
}

void gather_free(struct gathering *all)
{
	while (all) {
		struct gathering *g = all;

		all = g->next;
		destroy(g);
	}
}

static void unlink_gathering(struct gathering *g)
{
	struct gathering **at = &g->core->notifier->gatherings;

	while (*at && *at != g)
		at = &(*at)->next;
	if (*at)
		*at = g->next;
}

/* The subscriber's answer is everybody's. Telling somebody may begin a new gathering, never touch this one. */
static void answered(struct outbound *o, const struct rsp *rsp)
{
	struct gathering *g = o->owner;
	struct gathered *w = g->waiting;

	unlink_gathering(g);
	while (w) {
		struct gathered *next = w->next;

		w->done(w, rsp);
		w = next;
	}
	destroy(g);
}

static void send_on(struct gathering *g)
{
	struct buf b;

	g->away = true;
	alarm_clear(&g->core->notifier->alarms, &g->alarm);
	buf_init(&b, g->sgns.n + 64);
	buf_lit(&b, "{\"m2m:agn\":{\"m2m:sgn\":[");
	buf_slice(&b, buf_view(&g->sgns));
	buf_lit(&b, "]}}");
	g->out = (struct outbound){
		.target = slice_of(g->nfu, g->nfu_n),
		.pc = buf_view(&b),
		.op = OP_NOTIFY,
		.done = answered,
		.owner = g,
	};
	if (b.failed || g->sgns.failed)
		answered(&g->out, &(struct rsp){ .rsc = 5103 });
	else
		outbound_send(g->core, &g->out);
	buf_free(&b);
}

static void time_is_up(struct alarm *a, usec now)
{
	(void)now;
	send_on((struct gathering *)((char *)a - offsetof(struct gathering, alarm)));
}

static struct gathering *find(struct core *c, const struct gather_rule *rule, struct slice nfu)
{
	struct notifier *n = c->notifier;
	struct gathering *g;

	for (g = n->gatherings; g; g = g->next)
		if (!g->away && g->rule.group == rule->group && slice_eq(slice_of(g->nfu, g->nfu_n), nfu))
			return g;
	g = calloc(1, sizeof(*g) + nfu.n);
	if (!g)
		return NULL;
	g->core = c;
	g->rule = *rule;
	buf_init(&g->sgns, BYTES_MOST);
	g->nfu_n = nfu.n;
	memcpy(g->nfu, nfu.p, nfu.n);
	g->next = n->gatherings;
	n->gatherings = g;
	g->alarm.fn = time_is_up;
	alarm_set(&n->alarms, &g->alarm, clock_wall() + rule->duration);
	return g;
}

static void take(struct gathering *g, const struct json *j, uint32_t sgn)
{
	if (g->n++)
		buf_char(&g->sgns, ',');
	buf_slice(&g->sgns, json_raw(j, sgn));
}

bool gather_add(struct core *c, const struct gather_rule *rule, struct slice pc, struct gathered *w)
{
	_Alignas(16) char first[4096];
	uint32_t sgn, e, end;
	struct slice why, nfu;
	struct gathering *g;
	struct arena a;
	struct json j;
	bool ok = false;

	arena_init(&a, first, sizeof(first), 16u << 20);
	if (json_parse(&a, pc, &json_default_limits, &j, &why))
		goto out;
	sgn = json_member(&j, 0, S("m2m:sgn"));
	if (!sgn)
		sgn = json_member(&j, json_member(&j, 0, S("m2m:agn")), S("m2m:sgn"));
	if (!sgn)
		goto out;
	e = json_kind(&j, sgn) == J_ARRAY ? sgn + 1 : sgn;
	end = j.tok[sgn].next;
	nfu = e < end ? json_string(&a, &j, json_member(&j, e, S("nfu"))) : (struct slice){ NULL, 0 };
	if (!nfu.n || !(g = find(c, rule, nfu)))
		goto out;
	for (; e < end; e = j.tok[e].next)
		take(g, &j, e);
	w->next = g->waiting;
	g->waiting = w;
	ok = true;
	if (g->n >= rule->number || g->sgns.failed || g->sgns.n > GATHER_BYTES)
		send_on(g);
out:
	arena_reset(&a);
	return ok;
}
