/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and topics of the MQTT binding (TS-0010 6.4, 6.6). Pure. */
#ifndef REEVE_BINDING_MQTT_TOPIC_H
#define REEVE_BINDING_MQTT_TOPIC_H

#include "base/arena.h"
#include "base/buf.h"
#include "core/request.h"

enum { MQTT_TOPIC_MAX = 1024 }; /* bytes of a topic that is sent or read */

/* mqtt://host[:1883][/path], mqtts://host[:8883][/path] */
struct mqtt_url {
	bool tls;
	const char *host;        /* a name, or an address without brackets, in lower case */
	uint16_t port;
	struct slice path;       /* behind the first "/", percent-decoded */
};
/* What is kept is copied to a. False: it is none, or its path can be no topic (wildcards, control characters). */
bool mqtt_url_read(struct arena *a, struct slice url, struct mqtt_url *out);

enum mqtt_kind { MQTT_REQ, MQTT_RESP, MQTT_REG_REQ, MQTT_REG_RESP };

/* {prefix}/oneM2M/{kind}/{originator}/{receiver}/{type}. The originator is that of the request, in topics of responses as well. */
struct mqtt_topic {
	struct slice prefix;
	enum mqtt_kind kind;
	struct slice originator, receiver; /* as they stand there */
	struct slice type;
};
bool mqtt_topic_read(struct slice topic, struct mqtt_topic *out);
/* The type is left out when there is none: a filter goes on behind it. */
void mqtt_topic_write(struct buf *b, const struct mqtt_topic *t);

/* Canonical id as a level: "//sp/cse/C1" is "cse:C1" inside its domain and ":sp:cse:C1" in another one, "far". */
void mqtt_id_write(struct buf *b, struct slice canon, struct slice sp_id, bool far);
/* A level as an id: SP-relative ("/cse/C1") or absolute; p == NULL: memory is out. Whether it is one, the grammar of ids says. */
struct slice mqtt_id_read(struct arena *a, struct slice level);
/* A level of a registration topic as Credential-ID. Which ":" was a "/" cannot be seen but in "ni:///" and "//...". */
struct slice mqtt_credential_read(struct arena *a, struct slice level);

#endif
