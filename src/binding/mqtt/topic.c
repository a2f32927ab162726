/* SPDX-License-Identifier: Apache-2.0 */
/* Topics are read from their end: a prefix may have any number of levels, also one that is called oneM2M. */
#include "binding/mqtt/topic.h"

/* --- addresses --- */

/* Percent-decoded copy; p == NULL: malformed, or nothing a topic may contain. */
static struct slice decoded(struct arena *a, struct slice s)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; out && i < s.n; i++) {
		char c = s.p[i];
		if (c == '%') {
			int hi = i + 1 < s.n ? slice_hex(s.p[i + 1]) : -1, lo = i + 2 < s.n ? slice_hex(s.p[i + 2]) : -1;
			if (hi < 0 || lo < 0)
				return (struct slice){ NULL, 0 };
			c = (char)(hi << 4 | lo);
			i += 2;
		}
		if ((unsigned char)c < 0x20 || c == 0x7f || c == '+' || c == '#')
			return (struct slice){ NULL, 0 };
		out[n++] = c;
	}
	return out && slice_utf8(slice_of(out, n)) ? slice_of(out, n) : (struct slice){ NULL, 0 };
}

/* "host", "host:port", "[::1]:port"; p == NULL: no host. */
static struct slice cut_host(struct slice *authority)
{
	struct slice host = *authority, rest = slice_skip(host, 1);

	if (host.n && host.p[0] == '[') {
		if (slice_find(rest, ']') < 0)
			return (struct slice){ NULL, 0 };
		host = slice_cut(&rest, ']');
		*authority = rest;
		return host;
	}
	host.n = slice_find(host, ':') < 0 ? host.n : (size_t)slice_find(host, ':');
	*authority = slice_skip(*authority, host.n);
	return host;
}

static bool host_sign(char c, bool address)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || (address && c == ':');
}

static const char *host_copy(struct arena *a, struct slice host, bool address)
{
	char *out = host.n && host.n < 254 ? arena_alloc(a, host.n + 1) : NULL;

	for (size_t i = 0; out && i < host.n; i++) {
		out[i] = host.p[i] >= 'A' && host.p[i] <= 'Z' ? (char)(host.p[i] + 32) : host.p[i];
		if (!host_sign(out[i], address))
			return NULL;
	}
	if (out)
		out[host.n] = '\0';
	return out;
}

bool mqtt_url_read(struct arena *a, struct slice url, struct mqtt_url *out)
{
	struct slice rest = url, scheme = slice_cut(&rest, ':'), authority, host;
	uint64_t port;

	out->tls = slice_ieq(scheme, S("mqtts"));
	if ((!out->tls && !slice_ieq(scheme, S("mqtt"))) || !slice_starts(rest, S("//")))
		return false;
	rest = slice_skip(rest, 2);
	authority = slice_cut(&rest, '/');
	host = cut_host(&authority);
	out->host = host_copy(a, host, host.p && host.p[-1] == '[');
	out->path = rest.n ? decoded(a, rest) : S("");
	port = out->tls ? 8883 : 1883;
	if (authority.n && (authority.p[0] != ':' || !slice_u64(slice_skip(authority, 1), &port) || !port || port > 65535))
		return false;
	out->port = (uint16_t)port;
	return out->host && out->path.p && out->path.n < MQTT_TOPIC_MAX / 2;
}

/* --- topics --- */

static const char *const kinds[] = { [MQTT_REQ] = "req", [MQTT_RESP] = "resp", [MQTT_REG_REQ] = "reg_req", [MQTT_REG_RESP] = "reg_resp" };

/* The last level of *rest, which loses it and the "/" before it; p == NULL when there is no "/". */
static struct slice cut_last(struct slice *rest)
{
	struct slice last;
	size_t n = rest->n;

	while (n && rest->p[n - 1] != '/')
		n--;
	if (!n)
		return (struct slice){ NULL, 0 };
	last = slice_of(rest->p + n, rest->n - n);
	rest->n = n - 1;
	return last;
}

bool mqtt_topic_read(struct slice topic, struct mqtt_topic *out)
{
	struct slice rest = topic, kind;

	if (topic.n > MQTT_TOPIC_MAX)
		return false;
	out->type = cut_last(&rest);
	out->receiver = cut_last(&rest);
	out->originator = cut_last(&rest);
	kind = cut_last(&rest);
	if (!out->type.n || !out->receiver.n || !out->originator.n || !slice_eq(cut_last(&rest), S("oneM2M")))
		return false;
	out->prefix = rest;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (slice_eq(kind, slice_str(kinds[i]))) {
			out->kind = (enum mqtt_kind)i;
			return true;
		}
	return false;
}

void mqtt_topic_write(struct buf *b, const struct mqtt_topic *t)
{
	buf_printf(b, "%.*s/oneM2M/%s/%.*s/%.*s/%.*s", SF(t->prefix), kinds[t->kind], SF(t->originator), SF(t->receiver), SF(t->type));
}

/* --- ids --- */

void mqtt_id_write(struct buf *b, struct slice canon, struct slice sp_id, bool far)
{
	struct slice id = canon;

	if (!far && slice_starts(canon, sp_id) && canon.n > sp_id.n && canon.p[sp_id.n] == '/')
		id = slice_skip(canon, sp_id.n + 1);
	else if (slice_starts(canon, S("//"))) {
		buf_char(b, ':');
		id = slice_skip(canon, 2);
	}
	for (size_t i = 0; i < id.n; i++)
		buf_char(b, id.p[i] == '/' ? ':' : id.p[i]);
}

struct slice mqtt_id_read(struct arena *a, struct slice level)
{
	char *out = arena_alloc(a, level.n + 2);
	size_t n = 0;

	if (!out)
		return (struct slice){ NULL, 0 };
	out[n++] = '/';
	for (size_t i = 0; i < level.n; i++)
		out[n++] = level.p[i] == ':' ? '/' : level.p[i];
	out[n] = '\0';
	return slice_of(out, n);
}

struct slice mqtt_credential_read(struct arena *a, struct slice level)
{
	struct slice rest = level, type = slice_cut(&rest, '-'), id;

	if (rest.p && slice_starts(rest, S("ni::::"))) /* a public key identifier, RFC 6920 */
		return arena_printf(a, "%.*s-ni:///%.*s", SF(type), SF(slice_skip(rest, 6)));
	if (!rest.p || !slice_starts(rest, S("::"))) /* but an absolute AE-ID, which has no ":" of its own */
		return arena_dup(a, level);
	id = mqtt_id_read(a, slice_skip(rest, 1));
	return arena_printf(a, "%.*s-%.*s", SF(type), SF(id));
}
