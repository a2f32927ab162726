/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT binding (TS-0010): through its broker this CSE is asked and asks; to reach others it opens links to their brokers.
 * See docs/mqtt.md. */
#ifndef REEVE_BINDING_MQTT_MQTT_H
#define REEVE_BINDING_MQTT_MQTT_H

#include "core/core.h"

enum { MQTT_START_WHY = 256 };

struct mqtt;
/* Between core_start and core_begin: the transports "mqtt" and "mqtts". RC_INVALID: mqtt.broker is no address, `why` says so. The core
 * frees it all at its end. */
REEVE_MUST_CHECK enum reeve_rc mqtt_start(struct core *c, struct mqtt **out, char why[MQTT_START_WHY]);
/* After core_begin: connect to the broker of the configuration, if there is one, and answer requests. */
void mqtt_listen(struct mqtt *m);
/* Before core_stop: no more requests are taken, those under way are answered, or three seconds have passed. */
void mqtt_stop(struct mqtt *m);

#endif
