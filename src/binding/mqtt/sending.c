/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of this CSE over MQTT: notifications, what it asks of other CSEs and forwards (TS-0010 6.4, 6.6).
 *
 * To a point of access goes /oneM2M/req/{me}/{entity}/{type} behind the address' path, and the answer comes on /oneM2M/resp/{me}/..., known
 * by its Request Identifier and by who gives it. The path of a notification URI is a whole topic: when it is one of those, the answer is
 * waited for likewise; else there is none, and the notification is delivered when the broker has it.
 *
 * A notification URI is written by whoever may subscribe, and this CSE may be allowed more at the broker than he is. So it is never used to
 * publish in somebody else's name, nor to the broker's own topics ("$..."). */
#include <stdlib.h>

#include "base/log.h"
#include "binding/mqtt/mqtt_int.h"

struct sending {
	struct sending *next, **link;
	struct send *send;
	struct mqtt *mqtt;
	struct broker *broker;   /* NULL: it came to none */
	struct slice topic, prefix, receiver, rqi; /* receiver empty: nobody answers */
	struct buf payload;
	uint64_t deadline;       /* ms of the loop's clock */
	int number;              /* of the message; 0: not published yet */
	int rsc;                 /* for a deferred end */
	struct arena arena;
	_Alignas(16) char first[1024];
};

/* --- ends --- */

static void leave(struct sending *g)
{
	if (!g->link)
		return;
	*g->link = g->next;
	if (g->next)
		g->next->link = g->link;
	g->link = NULL;
	if (!--g->broker->n_sendings)
		g->broker->idle_since = uv_now(&g->broker->mqtt->loop->uv);
}

static void conclude(struct sending *g, const struct rsp *rsp)
{
	struct send *s = g->send;

	leave(g);
	s->done(s, rsp);
	buf_free(&g->payload);
	arena_reset(&g->arena);
	free(g);
}

void mqtt_sendings_conclude(struct mqtt *m)
{
	while (m->concluding) {
		struct sending *g = m->concluding;

		m->concluding = g->next;
		conclude(g, &(struct rsp){ .rsc = g->rsc, .ours = g->rsc < 1000 });
	}
}

static void deferred(struct loop *l, struct loop_msg *msg)
{
	struct mqtt *m = (struct mqtt *)((char *)msg - offsetof(struct mqtt, conclude_msg));

	m->conclude_posted = false;
	mqtt_sendings_conclude(m);
}

/* In a turn of the loop of its own, or at the end. */
static void conclude_later(struct sending *g, int rsc)
{
	struct mqtt *m = g->mqtt;

	leave(g);
	g->rsc = rsc;
	g->next = m->concluding;
	m->concluding = g;
	if (m->conclude_posted)
		return;
	m->conclude_posted = true;
	m->conclude_msg.fn = deferred;
	loop_post(m->loop, &m->conclude_msg);
}

/* --- topics --- */

/* A whole topic of a notification URI. False: this CSE does not publish there. */
static bool topic_given(struct mqtt *m, struct sending *g, struct slice path)
{
	struct slice slashed = arena_printf(&g->arena, "/%.*s", SF(path));
	struct mqtt_topic t;

	if (!path.n || !slashed.p || path.p[0] == '$')
		return false;
	g->topic = slice_skip(slashed, 1);
	if (!mqtt_topic_read(path.p[0] == '/' ? path : slashed, &t))
		return true;
	if (t.kind != MQTT_REQ || !mqtt_is_me(m, t.originator))
		return false;
	if (!mqtt_topic_read(g->topic, &t)) /* "oneM2M/..." without the slash before it: not a topic of the standard */
		return true;
	g->receiver = t.receiver;
	g->prefix = t.prefix;
	return true;
}

static bool topic_made(struct mqtt *m, struct sending *g, struct slice path, struct slice entity, enum serial serial)
{
	const struct slice sp = m->core->home.sp_id;
	bool far = !(slice_starts(entity, sp) && entity.n > sp.n && entity.p[sp.n] == '/');
	struct mqtt_topic t = { .prefix = path, .kind = MQTT_REQ, .originator = far ? m->far : m->near };
	struct buf b;

	buf_init(&b, MQTT_TOPIC_MAX);
	mqtt_id_write(&b, entity, sp, far);
	t.receiver = g->receiver = arena_dup(&g->arena, buf_view(&b));
	t.type = slice_str(message_serial_name(serial));
	g->prefix = arena_dup(&g->arena, path);
	buf_clear(&b);
	mqtt_topic_write(&b, &t);
	g->topic = arena_dup(&g->arena, buf_view(&b));
	buf_free(&b);
	return !b.failed && g->topic.p && g->receiver.n;
}

/* Answers come below here. */
static bool listen_for(struct sending *g)
{
	struct mqtt *m = g->broker->mqtt;
	const struct slice names[] = { m->near, m->far };
	bool ok = true;
	struct buf b;

	buf_init(&b, MQTT_TOPIC_MAX);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		buf_clear(&b);
		buf_printf(&b, "%.*s/oneM2M/resp/%.*s/#", SF(g->prefix), SF(names[i]));
		ok = ok && !b.failed && link_subscribe(g->broker->link, buf_view(&b)) == RC_OK;
	}
	buf_free(&b);
	return ok;
}

/* --- out --- */

static void publish(struct sending *g)
{
	struct mqtt_link *k = g->broker->link;
	enum reeve_rc rc = link_publish(k, g->topic, buf_view(&g->payload), &g->number);

	if (rc == RC_LIMIT)
		metrics_inc(&g->mqtt->core->metrics, limit_mqtt);
	if (rc != RC_OK)
		conclude_later(g, 0);
	else if (!g->receiver.n && !link_holds(k, g->number)) /* told before it returned */
		conclude_later(g, 2000);
}

static struct sending *sending_new(struct mqtt *m, struct send *s)
{
	struct sending *g = calloc(1, sizeof(*g));

	if (!g)
		abort(); /* as everywhere where nobody could be told */
	arena_init(&g->arena, g->first, sizeof(g->first), 65536);
	buf_init(&g->payload, 4 * s->pc.n + (4 << 20));
	g->mqtt = m;
	g->send = s;
	return g;
}

static struct broker *prepare(struct mqtt *m, struct sending *g)
{
	struct send *s = g->send;
	struct mqtt_url url;
	struct broker *b;
	enum serial serial;

	if (!mqtt_url_read(&g->arena, s->url, &url))
		return NULL;
	serial = message_send(&g->payload, s);
	g->rqi = arena_dup(&g->arena, s->rqi);
	if (!(s->entity.n ? topic_made(m, g, url.path, s->entity, serial) : topic_given(m, g, url.path)))
		return NULL;
	if (g->payload.failed || g->arena.failed || !(b = mqtt_broker(m, &url)) || b->n_sendings >= SENDINGS_MOST)
		return NULL;
	return b;
}

void mqtt_send(void *ctx, struct send *s)
{
	struct mqtt *m = ctx;
	struct sending *g = sending_new(m, s);
	struct broker *b = m->stopping ? NULL : prepare(m, g);

	if (!b) {
		conclude_later(g, 0);
		return;
	}
	g->broker = b;
	g->next = b->sendings;
	g->link = &b->sendings;
	if (g->next)
		g->next->link = &g->next;
	b->sendings = g;
	b->n_sendings++;
	g->deadline = uv_now(&m->loop->uv) + (uint64_t)s->timeout / 1000;
	if ((g->receiver.n && !listen_for(g)) || link_state(b->link) == LINK_WAITING)
		conclude_later(g, 0);
	else if (link_state(b->link) == LINK_UP)
		publish(g);
}

void mqtt_sendings_up(struct broker *b)
{
	for (struct sending *g = b->sendings, *next; g; g = next) {
		next = g->next;
		if (!g->number)
			publish(g);
	}
}

void mqtt_sendings_published(struct broker *b, int number)
{
	for (struct sending *g = b->sendings; g; g = g->next)
		if (g->number == number && !g->receiver.n) {
			conclude_later(g, 2000);
			return;
		}
}

void mqtt_sendings_tick(struct broker *b, uint64_t now)
{
	for (struct sending *g = b->sendings, *next; g; g = next) {
		next = g->next;
		if (g->deadline <= now)
			conclude_later(g, g->number > 0); /* 1: no answer in time; 0: it was never sent */
	}
}

void mqtt_sendings_end(struct broker *b, bool all)
{
	for (struct sending *g = b->sendings, *next; g; g = next) {
		next = g->next;
		if (all || !g->number)
			conclude_later(g, g->number > 0);
	}
}

/* --- in --- */

void mqtt_response(struct broker *b, const struct mqtt_topic *t, struct slice payload)
{
	struct core *c = b->mqtt->core;
	struct sending *g = NULL;
	struct message msg;
	struct slice rqi;
	struct arena a;
	struct rsp rsp;

	arena_init(&a, NULL, 0, c->cfg->limits.request_memory);
	message_read(&msg, &a, message_serial(t->type), payload, &c->cfg->limits);
	if (message_response(&a, &msg, &rsp, &rqi))
		for (g = b->sendings; g; g = g->next)
			if (slice_eq(g->rqi, rqi) && slice_eq(g->receiver, t->receiver) && slice_eq(g->prefix, t->prefix))
				break;
	if (g)
		conclude(g, &rsp);
	else
		metrics_inc(&c->metrics, mqtt_ignored);
	arena_reset(&a);
}
