/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to a broker: libmosquitto on the hub's loop. Hub only.
 *
 * libmosquitto speaks MQTT and keeps what waits for its acknowledgement; the loop watches its socket, and time is told by link_tick. It is
 * given numeric addresses, so that it never waits for a name; connecting and the handshake go on step by step. A link that is lost is
 * made anew after a pause that doubles, until link_close. */
#ifndef REEVE_BINDING_MQTT_LINK_H
#define REEVE_BINDING_MQTT_LINK_H

#include "binding/mqtt/secure.h"
#include "binding/mqtt/topic.h"
#include "loop/loop.h"

struct mqtt_link;

struct mqtt_link_events {
	/* The broker has accepted us. `resumed`: it kept our session. */
	void (*up)(void *ctx, struct mqtt_link *l, bool resumed);
	/* It is lost, or could not be made; made anew later, unless closed in the meantime. */
	void (*down)(void *ctx, struct mqtt_link *l, const char *why);
	/* p and n stay the link's. */
	void (*message)(void *ctx, struct mqtt_link *l, struct slice topic, struct slice payload, int qos, bool retained);
	/* What link_publish gave this number is with the broker (QoS 1), or written (QoS 0). Maybe before link_publish returns. */
	void (*published)(void *ctx, struct mqtt_link *l, int number);
};

struct mqtt_link_options {
	const struct mqtt_url *url;
	const char *client_id;
	bool clean;              /* the broker forgets us when the connection ends */
	int qos;
	usec keepalive, retry_first, retry_most, connect_time;
	unsigned messages; size_t bytes; /* published and not acknowledged, at most */
	const struct mqtt_secure_options *secure; /* with url->tls; lives as long as the link */
	const struct mqtt_link_events *on;
	void *ctx;
};

enum link_state { LINK_WAITING /* for the next attempt */, LINK_CONNECTING, LINK_UP };

/* NULL: no memory. It begins to connect with the next tick. */
struct mqtt_link *link_new(struct loop *l, const struct mqtt_link_options *o);
/* Not in an event of the link. No event comes any more. `politely`: with DISCONNECT. */
void link_close(struct mqtt_link *k, bool politely);
/* The time is `now` (uv_now): attempts, deadlines, keep-alive. */
void link_tick(struct mqtt_link *k, uint64_t now);

enum link_state link_state(const struct mqtt_link *k);
bool link_is(const struct mqtt_link *k, const struct mqtt_url *url);
/* Kept and subscribed again whenever the link is up. RC_LIMIT: too many. */
REEVE_MUST_CHECK enum reeve_rc link_subscribe(struct mqtt_link *k, struct slice filter);
/* RC_OK: on its way, or kept until the link is up again (QoS 1). RC_LIMIT: options' messages or bytes. RC_IO: the link is not up (QoS 0).
 * RC_INVALID: no topic. number may be NULL. */
REEVE_MUST_CHECK enum reeve_rc link_publish(struct mqtt_link *k, struct slice topic, struct slice payload, int *number);
/* No more messages are taken from the broker, which keeps them. */
void link_deafen(struct mqtt_link *k);
/* Is a message that was published not acknowledged yet (QoS 1), or not written (QoS 0)? */
bool link_holds(const struct mqtt_link *k, int number);

#endif
