/* SPDX-License-Identifier: Apache-2.0 */
/* Brokers, their links, and the time of all of them. One timer on the hub moves everything: attempts, deadlines, keep-alive, links that
 * nobody uses. It runs while there is a link.
 *
 * Our own broker keeps our session (clean session false), so what is published while we are away comes when we are back. Links to the
 * brokers of others are for sending alone: they begin anew each time, under a client identifier of their own, so that a second name of
 * our broker, which anybody may write into a point of access, does not throw us off it. */
#include "binding/mqtt/mqtt.h"

#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "binding/mqtt/mqtt_int.h"

/* --- events of links --- */

static void up(void *ctx, struct mqtt_link *l, bool resumed)
{
	struct broker *b = ctx;

	if (b->ours)
		log_info("mqtt", "connected to %s, %s", b->mqtt->core->cfg->mqtt.broker, resumed ? "session resumed" : "new session");
	mqtt_sendings_up(b);
}

static void down(void *ctx, struct mqtt_link *l, const char *why)
{
	struct broker *b = ctx;

	if (b->ours)
		log_warn("mqtt", "not connected to %s: %s", b->mqtt->core->cfg->mqtt.broker, why);
	else
		log_debug("mqtt", "a broker that is not ours cannot be reached: %s", why);
	mqtt_sendings_end(b, !b->ours);
	b->doomed = !b->ours;
}

static void message(void *ctx, struct mqtt_link *l, struct slice topic, struct slice payload, int qos, bool retained)
{
	struct broker *b = ctx;
	struct mqtt *m = b->mqtt;
	struct mqtt_topic t;

	if (!mqtt_topic_read(topic, &t))
		metrics_inc(&m->core->metrics, mqtt_ignored);
	else if (t.kind == MQTT_RESP && mqtt_is_me(m, t.originator))
		mqtt_response(b, &t, payload);
	else if ((t.kind == MQTT_REQ || t.kind == MQTT_REG_REQ) && b->ours && mqtt_is_me(m, t.receiver) &&
		 slice_eq(t.prefix, m->prefix) && !retained) /* a retained request would be executed anew with each connection */
		mqtt_request(b, &t, topic, payload, qos);
	else
		metrics_inc(&m->core->metrics, mqtt_ignored);
}

static void published(void *ctx, struct mqtt_link *l, int number)
{
	mqtt_sendings_published(ctx, number);
}

static const struct mqtt_link_events events = { up, down, message, published };

/* --- brokers --- */

static struct broker *broker_new(struct mqtt *m, const struct mqtt_url *url, bool ours)
{
	const struct config *cfg = m->core->cfg;
	struct broker *b = calloc(1, sizeof(*b));
	struct mqtt_link_options o = {
		.url = url, .clean = !ours, .qos = (int)cfg->mqtt.qos, .keepalive = cfg->mqtt.keepalive,
		.retry_first = cfg->mqtt.retry_first, .retry_most = cfg->mqtt.retry_most, .connect_time = CONNECT_SECONDS * USEC_S,
		.messages = MESSAGES_MOST, .bytes = cfg->limits.unread, .on = &events, .ctx = b,
	};
	char id[512];

	if (!b)
		return NULL;
	b->mqtt = m;
	b->ours = ours;
	b->secure = (struct mqtt_secure_options){ .core = m->core, .credential = ours ? cfg->mqtt.credential : S("") };
	b->idle_since = uv_now(&m->loop->uv);
	/* CORE-300 */
	if (ours)
		snprintf(id, sizeof(id), "C::%.*s", SF(m->near));
	else
		snprintf(id, sizeof(id), "C::%.*s:%08x", SF(m->near), (unsigned)(uintptr_t)b);
	o.client_id = id;
	o.secure = &b->secure;
	b->link = link_new(m->loop, &o);
	if (!b->link) {
		free(b);
		return NULL;
	}
	b->next = m->brokers;
	m->brokers = b;
	m->n_brokers++;
	return b;
}

static void broker_free(struct broker **at, bool politely)
{
	struct broker *b = *at;

	*at = b->next;
	b->mqtt->n_brokers--;
	mqtt_sendings_end(b, true);
	link_close(b->link, politely);
	free(b);
}

static void ticked(uv_timer_t *t);

static void start_ticking(struct mqtt *m)
{
	if (m->ticking)
		return;
	uv_timer_init(&m->loop->uv, &m->tick);
	m->tick.data = m;
	m->ticking = true;
	uv_timer_start(&m->tick, ticked, 0, TICK_MS);
}

struct broker *mqtt_broker(struct mqtt *m, const struct mqtt_url *url)
{
	struct broker *b, **last = &m->brokers;

	for (b = m->brokers; b; b = b->next) {
		if (!b->doomed && link_is(b->link, url))
			return b;
		last = &b->next;
	}
	if (m->n_brokers > LINKS_MOST) {
		metrics_inc(&m->core->metrics, limit_mqtt);
		return NULL;
	}
	start_ticking(m);
	b = broker_new(m, url, false);
	if (b && last != &m->brokers) { /* ours stays the first */
		m->brokers = b->next;
		*last = b;
		b->next = NULL;
	}
	if (b)
		link_tick(b->link, uv_now(&m->loop->uv));
	return b;
}

/* --- time --- */

static void stop_step(struct mqtt *m, uint64_t now);

static void ticked(uv_timer_t *t)
{
	struct mqtt *m = t->data;
	uint64_t now = uv_now(&m->loop->uv);

	for (struct broker **at = &m->brokers; *at;) {
		struct broker *b = *at;

		link_tick(b->link, now);
		mqtt_sendings_tick(b, now);
		if (!b->ours && !b->n_sendings && now - b->idle_since > LINK_IDLE_MS)
			b->doomed = true;
		if (b->doomed)
			broker_free(at, true);
		else
			at = &b->next;
	}
	if (m->stopping)
		stop_step(m, now);
}

/* --- start --- */

static void listen_now(struct loop *l, struct loop_msg *msg)
{
	struct mqtt *m = (struct mqtt *)((char *)msg - offsetof(struct mqtt, listen_msg));
	const struct slice names[] = { m->near, m->far };
	static const char *const ways[] = { "req/+", "reg_req/+" };
	struct broker *b;
	struct buf f;

	start_ticking(m);
	if (!(b = broker_new(m, &m->url, true))) {
		log_error("mqtt", "out of memory: the broker is not connected to");
		return;
	}
	buf_init(&f, MQTT_TOPIC_MAX);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (size_t k = 0; k < sizeof(ways) / sizeof(ways[0]); k++) {
			buf_clear(&f);
			buf_printf(&f, "%.*s/oneM2M/%s/%.*s/#", SF(m->prefix), ways[k], SF(names[i]));
			if (f.failed || link_subscribe(b->link, buf_view(&f)) != RC_OK)
				log_error("mqtt", "out of memory: not all topics are subscribed to");
		}
		buf_clear(&f);
		buf_printf(&f, "%.*s/oneM2M/resp/%.*s/#", SF(m->prefix), SF(names[i]));
		if (f.failed || link_subscribe(b->link, buf_view(&f)) != RC_OK)
			log_error("mqtt", "out of memory: not all topics are subscribed to");
	}
	buf_free(&f);
}

void mqtt_listen(struct mqtt *m)
{
	if (!m->url.host)
		return;
	m->listen_msg.fn = listen_now;
	loop_post(m->loop, &m->listen_msg);
}

/* --- end --- */

static void stop_step(struct mqtt *m, uint64_t now)
{
	if (m->told || (m->n_exchanges && now < m->stop_by))
		return;
	m->told = true;
	uv_sem_post(&m->stopped);
}

static void stop_now(struct loop *l, struct loop_msg *msg)
{
	struct mqtt *m = (struct mqtt *)((char *)msg - offsetof(struct mqtt, stop_msg));
	uint64_t now = uv_now(&m->loop->uv);

	m->stopping = true;
	m->stop_by = now + STOP_MS;
	for (struct broker *b = m->brokers; b; b = b->next)
		if (b->ours) /* what comes now the broker keeps for the next time */
			link_deafen(b->link);
	start_ticking(m);
}

void mqtt_stop(struct mqtt *m)
{
	m->stop_msg.fn = stop_now;
	loop_post(m->loop, &m->stop_msg);
	uv_sem_wait(&m->stopped);
}

/* The transport's end, on the hub: once for each scheme. */
static void transport_stop(void *ctx)
{
	struct mqtt *m = ctx;

	m->stopping = m->ended = true;
	while (m->brokers)
		broker_free(&m->brokers, true);
	mqtt_sendings_conclude(m);
	if (m->ticking)
		uv_close((uv_handle_t *)&m->tick, NULL);
	m->ticking = false;
}

static void transport_free(void *ctx)
{
	struct mqtt *m = ctx;

	mqtt_requests_free(m);
	uv_sem_destroy(&m->stopped);
	arena_reset(&m->arena);
	free(m);
	mosquitto_lib_cleanup();
}

static bool names_of(struct mqtt *m)
{
	struct buf b;

	buf_init(&b, 1024);
	mqtt_id_write(&b, m->core->home.abs, m->core->home.sp_id, false);
	m->near = arena_dup(&m->arena, buf_view(&b));
	buf_clear(&b);
	mqtt_id_write(&b, m->core->home.abs, m->core->home.sp_id, true);
	m->far = arena_dup(&m->arena, buf_view(&b));
	buf_free(&b);
	return m->near.p && m->far.p;
}

enum reeve_rc mqtt_start(struct core *c, struct mqtt **out, char why[MQTT_START_WHY])
{
	const char *broker = c->cfg->mqtt.broker;
	struct mqtt *m = calloc(1, sizeof(*m));

	if (!m || uv_sem_init(&m->stopped, 0) != 0 || mosquitto_lib_init() != MOSQ_ERR_SUCCESS) {
		free(m);
		snprintf(why, MQTT_START_WHY, "out of memory");
		return RC_NOMEM;
	}
	arena_init(&m->arena, NULL, 0, 65536);
	m->core = c;
	m->loop = &c->loops[0];
	if (!names_of(m) || (broker && !mqtt_url_read(&m->arena, slice_str(broker), &m->url))) {
		snprintf(why, MQTT_START_WHY, "mqtt.broker is no address: write it like mqtt://host:1883 or mqtts://host:8883/prefix");
		transport_free(m);
		return RC_INVALID;
	}
	m->prefix = m->url.path.p ? m->url.path : S("");
	core_add_transport(c, &(struct transport){ .scheme = "mqtt", .ctx = m, .send = mqtt_send, .stop = transport_stop,
						   .free = transport_free });
	core_add_transport(c, &(struct transport){ .scheme = "mqtts", .ctx = m, .send = mqtt_send });
	*out = m;
	return RC_OK;
}
