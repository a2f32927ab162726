/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and topics from hostile hands: what is read can be written again, and an id as a level comes back as the same id. */
#include <stdlib.h>

#include "binding/mqtt/topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void topic(struct slice text)
{
	struct mqtt_topic t, again;
	struct buf b;

	if (!mqtt_topic_read(text, &t))
		return;
	buf_init(&b, 1 << 20);
	mqtt_topic_write(&b, &t);
	if (!memchr(text.p, '\0', text.n)) {
		require(slice_eq(buf_view(&b), text));
		require(mqtt_topic_read(buf_view(&b), &again) && again.kind == t.kind && slice_eq(again.originator, t.originator));
	}
	buf_free(&b);
}

static void id(struct arena *a, struct slice level)
{
	struct slice id = mqtt_id_read(a, level);
	struct buf b;

	require(id.n == level.n + 1 && id.p[0] == '/' && slice_find(id, ':') < 0);
	buf_init(&b, 1 << 20);
	mqtt_id_write(&b, id, S(""), false); /* of a domain without a name, so that nothing is far */
	if (slice_find(level, '/') < 0)
		require(slice_eq(buf_view(&b), level) || level.n == 0);
	buf_free(&b);
	(void)mqtt_credential_read(a, level);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = slice_of((const char *)data, n);
	struct mqtt_url url;
	struct arena a;

	arena_init(&a, NULL, 0, 1 << 20);
	if (mqtt_url_read(&a, text, &url)) {
		require(url.port && url.host[0] && url.path.n < MQTT_TOPIC_MAX);
		for (size_t i = 0; i < url.path.n; i++)
			require((unsigned char)url.path.p[i] >= 0x20 && url.path.p[i] != '+' && url.path.p[i] != '#');
	}
	topic(text);
	if (n < 1024)
		id(&a, text);
	arena_reset(&a);
	return 0;
}
