/* SPDX-License-Identifier: Apache-2.0 */
/* What mqtt.c (life, links), requests.c (requests to this CSE) and sending.c (its own) share. Hub only. */
#ifndef REEVE_BINDING_MQTT_MQTT_INT_H
#define REEVE_BINDING_MQTT_MQTT_INT_H

#include "binding/mqtt/link.h"
#include "binding/mqtt/mqtt.h"
#include "binding/primitive/message.h"

enum {
	TICK_MS = 50,
	STOP_MS = 3000,            /* requests that are under way at the end may take this long */
	LINKS_MOST = 8,            /* to brokers that are not ours */
	LINK_IDLE_MS = 60000,
	CONNECT_SECONDS = 10,
	MESSAGES_MOST = 1024,      /* published and not acknowledged, per link */
	REQUESTS_MOST = 1024,      /* of others, under way */
	SENDINGS_MOST = 1024,      /* of ours, under way, per link */
	SEEN_MOST = 1024,          /* requests that are remembered to know a repetition, */
	SEEN_MS = 60000,           /* for so long, */
	SEEN_BYTES = 4096,         /* with answers up to this size */
};

struct mqtt_seen {
	uint64_t hash, until;      /* of topic and payload; ms of the loop's clock */
	char *answer; size_t n_topic, n; /* its topic, its payload; NULL: none yet */
};

struct exchange;
struct sending;

/* A link and what waits at it. */
struct broker {
	struct broker *next;
	struct mqtt *mqtt;
	struct mqtt_link *link;
	struct mqtt_secure_options secure;
	struct sending *sendings;
	unsigned n_sendings;
	uint64_t idle_since;
	bool ours;                 /* that of the configuration: requests come here too */
	bool doomed;               /* closed with the next tick */
};

struct mqtt {
	struct core *core;
	struct loop *loop;
	uv_timer_t tick;
	struct broker *brokers;    /* ours first */
	unsigned n_brokers;
	struct mqtt_url url;       /* of the configuration; host NULL: none */
	struct slice prefix;       /* before the topics of our broker */
	struct slice near, far;    /* this CSE in topics: "reeve", ":sp:reeve" */
	struct exchange *exchanges;
	unsigned n_exchanges;
	struct mqtt_seen seen[SEEN_MOST];
	unsigned at_seen;
	struct sending *concluding; /* those that end with the next turn of the loop */
	struct loop_msg listen_msg, stop_msg, conclude_msg;
	uint64_t stop_by;
	uv_sem_t stopped;
	struct arena arena;
	bool ticking, stopping, told, ended, conclude_posted;
};

/* Is this level a name of this CSE? */
static inline bool mqtt_is_me(const struct mqtt *m, struct slice level)
{
	return slice_eq(level, m->near) || slice_eq(level, m->far);
}
/* The broker at url, connected to if it has to be; NULL: too many, or no memory. */
struct broker *mqtt_broker(struct mqtt *m, const struct mqtt_url *url);

/* requests.c */
void mqtt_request(struct broker *b, const struct mqtt_topic *t, struct slice topic, struct slice payload, int qos);
void mqtt_requests_free(struct mqtt *m); /* those that the core never answered */

/* sending.c */
void mqtt_send(void *ctx, struct send *s);
void mqtt_response(struct broker *b, const struct mqtt_topic *t, struct slice payload);
void mqtt_sendings_up(struct broker *b);
void mqtt_sendings_published(struct broker *b, int number);
void mqtt_sendings_tick(struct broker *b, uint64_t now);
/* The broker cannot be reached: all of them, or those that were not published. */
void mqtt_sendings_end(struct broker *b, bool all);
void mqtt_sendings_conclude(struct mqtt *m); /* what was to end later ends now */

#endif
