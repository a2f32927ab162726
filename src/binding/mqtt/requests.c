/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that others publish to this CSE, and their answers (TS-0010 6.4.2 to 6.4.4, 7).
 *
 * Whom to believe: with mqtt.trusted the broker has authenticated whoever stands in a topic, so the originator's level is as good as an
 * association with him, and From is held against it as in any other; a Credential-ID in a registration topic likewise. Without it the
 * levels only say where the answer goes.
 *
 * QoS 1 delivers at least once. A change that comes with the same topic and the same bytes again within SEEN_MS is a repetition: it is not
 * executed, and answered as it was the first time. To read twice does no harm. */
#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "binding/mqtt/mqtt_int.h"
#include "core/association/association.h"

struct exchange {
	struct req req;            /* first: done finds us */
	struct mqtt *mqtt;
	struct exchange *next, **link;
	struct mqtt_topic topic;   /* in the arena of req, as the answer's */
	struct slice ae;           /* what req.peer.ae_ids points to */
	uint64_t hash;             /* of a change that may come again; 0: none */
	char *payload;
};

/* --- repetitions --- */

static struct mqtt_seen *find_seen(struct mqtt *m, uint64_t hash)
{
	const uint64_t now = uv_now(&m->loop->uv);

	for (unsigned i = 0; i < SEEN_MOST; i++)
		if (m->seen[i].hash == hash && m->seen[i].until > now)
			return &m->seen[i];
	return NULL;
}

static void remember(struct mqtt *m, uint64_t hash)
{
	struct mqtt_seen *s = &m->seen[m->at_seen];

	m->at_seen = (m->at_seen + 1) % SEEN_MOST;
	free(s->answer);
	*s = (struct mqtt_seen){ .hash = hash, .until = uv_now(&m->loop->uv) + SEEN_MS };
}

/* The answer that a repetition gets: topic and payload one behind the other, when they are not large. */
static void remember_answer(struct mqtt *m, uint64_t hash, struct slice topic, struct slice payload)
{
	struct mqtt_seen *s = hash ? find_seen(m, hash) : NULL;

	if (!s || s->answer || topic.n + payload.n > SEEN_BYTES || !(s->answer = malloc(topic.n + payload.n)))
		return;
	memcpy(s->answer, topic.p, topic.n);
	memcpy(s->answer + topic.n, payload.p, payload.n);
	s->n_topic = topic.n;
	s->n = topic.n + payload.n;
}

/* --- life --- */

static void release(struct exchange *ex)
{
	*ex->link = ex->next;
	if (ex->next)
		ex->next->link = ex->link;
	ex->mqtt->n_exchanges--;
	req_free(&ex->req);
	free(ex->payload);
	free(ex);
}

void mqtt_requests_free(struct mqtt *m)
{
	while (m->exchanges)
		release(m->exchanges);
	for (unsigned i = 0; i < SEEN_MOST; i++)
		free(m->seen[i].answer);
}

static void respond(struct req *r);

static struct exchange *exchange_new(struct mqtt *m, struct slice payload)
{
	const struct limits *most = &m->core->cfg->limits;
	struct exchange *ex = aligned_alloc(16, (sizeof(*ex) + 15) & ~(size_t)15);
	char *copy = malloc(payload.n + 1);

	if (!ex || !copy) {
		free(ex);
		free(copy);
		return NULL;
	}
	req_init(&ex->req, m->loop, most->request_memory, most->response);
	ex->req.done = respond;
	ex->req.owner = ex;
	if (payload.n)
		memcpy(copy, payload.p, payload.n);
	ex->payload = copy;
	ex->hash = 0;
	ex->mqtt = m;
	ex->next = m->exchanges;
	ex->link = &m->exchanges;
	if (ex->next)
		ex->next->link = &ex->next;
	m->exchanges = ex;
	m->n_exchanges++;
	return ex;
}

/* --- answers --- */

static void respond(struct req *r)
{
	struct exchange *ex = r->owner;
	struct mqtt *m = ex->mqtt;
	struct broker *b = m->brokers;
	enum reeve_rc rc = RC_LIMIT;
	struct buf out, topic;

	buf_init(&out, 4 * r->out.n + r->arena.used + 65536);
	buf_init(&topic, 2 * MQTT_TOPIC_MAX);
	ex->topic.type = slice_str(message_serial_name(message_answer(&out, r)));
	mqtt_topic_write(&topic, &ex->topic);
	remember_answer(m, ex->hash, buf_view(&topic), buf_view(&out));
	if (b && b->ours && !m->ended && !out.failed && !topic.failed)
		rc = link_publish(b->link, buf_view(&topic), buf_view(&out), NULL);
	if (rc == RC_LIMIT)
		metrics_inc(&m->core->metrics, limit_mqtt);
	if (rc != RC_OK)
		log_debug("mqtt", "an answer could not be published (%s)", rc_name(rc));
	buf_free(&out);
	buf_free(&topic);
	release(ex);
}

/* --- who it is --- */

/* Of a registration topic, the credential is all that is known; of any other, an id. False: the answer stands in r. */
static bool believe_registration(struct exchange *ex)
{
	struct core *c = ex->mqtt->core;
	struct st_tx *reader = c->per_loop[0].reader;
	struct req *r = &ex->req;
	char why[TLS_WHY_MAX] = "the store cannot be read";
	bool known = false;

	if (st_renew(reader) == RC_OK) {
		known = association_claimed(c, reader, &r->arena, mqtt_credential_read(&r->arena, ex->topic.originator), &r->peer, why);
		st_release(reader);
	}
	if (!known) {
		req_refuse(r, 4107, "the originator of the registration topic: %s", why);
		return false;
	}
	if (r->op == OP_CREATE && (r->ty == 2 || r->ty == 16))
		return true;
	req_refuse(r, 4106, "registration topics are for registrations: who is registered uses topics with his id (TS-0010 6.4.2)");
	return false;
}

static bool believe_originator(struct exchange *ex)
{
	const struct ident_home *home = &ex->mqtt->core->home;
	struct slice id = mqtt_id_read(&ex->req.arena, ex->topic.originator), canon;
	struct peer *peer = &ex->req.peer;
	enum ident_kind kind = ID_NONE;
	enum ident_form form;

	if (!id.p || ident_parse(&ex->req.arena, home, id, &kind, &form, &canon) != RC_OK) {
		req_refuse(&ex->req, 5000, "out of memory");
		return false;
	}
	if ((kind != ID_CSE && kind != ID_AE_C && kind != ID_AE_S) || slice_eq(canon, home->abs)) {
		req_refuse(&ex->req, 4106, "the originator in the topic is no id of another CSE or of an AE (TS-0010 6.4.2)");
		return false;
	}
	peer->association = true;
	if (kind == ID_CSE) {
		peer->cse_id = canon;
	} else {
		ex->ae = canon;
		peer->ae_ids = &ex->ae;
		peer->n_ae_ids = 1;
	}
	return true;
}

/* Is the broker on this machine? A name that only begins like an address is none. */
static bool is_this_machine(const char *host)
{
	uint8_t v4[4], v6[16];

	return (uv_inet_pton(AF_INET, host, v4) == 0 && v4[0] == 127) ||
	       (uv_inet_pton(AF_INET6, host, v6) == 0 && IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)(const void *)v6));
}

static bool believe(struct exchange *ex, enum mqtt_kind kind)
{
	const struct config *cfg = ex->mqtt->core->cfg;

	ex->req.peer.open = cfg->mqtt.open;
	ex->req.peer.local = is_this_machine(ex->mqtt->url.host); /* as docs/deviations.md says */
	if (!cfg->mqtt.trusted)
		return true;
	return kind == MQTT_REG_REQ ? believe_registration(ex) : believe_originator(ex);
}

/* --- in --- */

static bool topic_kept(struct exchange *ex, const struct mqtt_topic *t)
{
	struct arena *a = &ex->req.arena;

	ex->topic = (struct mqtt_topic){
		.prefix = arena_dup(a, t->prefix), .kind = t->kind == MQTT_REQ ? MQTT_RESP : MQTT_REG_RESP,
		.originator = arena_dup(a, t->originator), .receiver = arena_dup(a, t->receiver),
	};
	return !a->failed;
}

static bool ready(struct exchange *ex, enum mqtt_kind kind, enum serial serial, size_t n)
{
	struct core *c = ex->mqtt->core;
	struct req *r = &ex->req;
	struct message msg;
	bool is_request;

	r->received = clock_wall();
	message_read(&msg, &r->arena, serial, slice_of(ex->payload, n), &c->cfg->limits);
	is_request = message_request(r, &msg, &c->cfg->limits);
	if (msg.over_size)
		metrics_inc(&c->metrics, limit_body);
	if (msg.over_json)
		metrics_inc(&c->metrics, limit_json);
	if (ex->mqtt->n_exchanges > REQUESTS_MOST) {
		metrics_inc(&c->metrics, limit_mqtt);
		r->rsc = 0;
		req_refuse(r, 5000, "too many requests from the broker are under way; try again later");
		return false;
	}
	return is_request && believe(ex, kind);
}

/* A change that is or was under way already: what it was answered, or will be, is its answer. */
static bool repeated(struct broker *b, struct exchange *ex, struct slice topic, size_t n)
{
	const uint64_t part[] = { hash_slice(topic), hash_mem(ex->payload, n) }, hash = hash_mem(part, sizeof(part));
	struct mqtt *m = ex->mqtt;
	struct mqtt_seen *s = find_seen(m, hash);

	if (!s) {
		ex->hash = hash;
		remember(m, hash);
		return false;
	}
	metrics_inc(&m->core->metrics, mqtt_repeated);
	if (s->answer && link_publish(b->link, slice_of(s->answer, s->n_topic), slice_of(s->answer + s->n_topic, s->n - s->n_topic), NULL))
		metrics_inc(&m->core->metrics, limit_mqtt);
	return true;
}

void mqtt_request(struct broker *b, const struct mqtt_topic *t, struct slice topic, struct slice payload, int qos)
{
	struct mqtt *m = b->mqtt;
	struct exchange *ex;
	bool goes_on;

	if (m->n_exchanges > 2 * REQUESTS_MOST || !(ex = exchange_new(m, payload))) {
		metrics_inc(&m->core->metrics, limit_mqtt);
		return;
	}
	if (!topic_kept(ex, t)) {
		release(ex);
		return;
	}
	goes_on = ready(ex, t->kind, message_serial(t->type), payload.n);
	if (goes_on && qos > 0 && ex->req.op != OP_RETRIEVE && repeated(b, ex, topic, payload.n))
		release(ex);
	else if (goes_on)
		core_submit(m->core, &ex->req);
	else
		respond(&ex->req);
}
