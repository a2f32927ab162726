/* SPDX-License-Identifier: Apache-2.0 */
/* The bindings, and which one a URL means; see client.h. */
#include <http_parser.h>
#include <stdio.h>

#include "main/client_int.h"

static const struct client_binding bindings[] = {
	{ "http", 80, false, &client_over_http },   { "https", 443, true, &client_over_http },
	{ "coap", 5683, false, &client_over_coap }, { "coaps", 5684, true, &client_over_coap },
	{ "mqtt", 1883, false, &client_over_mqtt }, { "mqtts", 8883, true, &client_over_mqtt },
	{ "ws", 80, false, &client_over_ws },       { "wss", 443, true, &client_over_ws },
};

static const struct client_binding *binding_of(struct slice scheme)
{
	for (size_t i = 0; i < sizeof(bindings) / sizeof(bindings[0]); i++)
		if (slice_eq(scheme, slice_str(bindings[i].scheme)))
			return &bindings[i];
	return NULL;
}

/* The path of a broker's URL stands before the topics: "/a/b" is "a/b". */
static bool take_prefix(struct client *c, struct slice path)
{
	path = slice_skip(path, 1);
	while (path.n && path.p[path.n - 1] == '/')
		path.n--;
	for (size_t i = 0; i < path.n; i++)
		if ((unsigned char)path.p[i] <= 0x20 || strchr("+#%", path.p[i]))
			return false;
	return snprintf(c->prefix, sizeof(c->prefix), "%.*s", SF(path)) < (int)sizeof(c->prefix);
}

enum reeve_rc client_url(struct client *c, const char *url, char why[CLIENT_WHY_MAX])
{
	struct slice s = slice_str(url), path;
	const struct client_binding *b = NULL;
	struct http_parser_url u;

	if (slice_find(s, ':') > 0)
		b = binding_of(slice_of(s.p, (size_t)slice_find(s, ':')));
	http_parser_url_init(&u);
	if (!b || s.n > 1000 || http_parser_parse_url(s.p, s.n, 0, &u) != 0 || !(u.field_set & (1 << UF_HOST)) ||
	    u.field_data[UF_HOST].len >= sizeof(c->host)) {
		snprintf(why, CLIENT_WHY_MAX, "\"%.100s\" is no address of a CSE: write http://HOST:PORT, or https, coap, coaps, "
			 "ws, wss; mqtt or mqtts with the broker's", url);
		return RC_SYNTAX;
	}
	path = slice_of(s.p + u.field_data[UF_PATH].off, u.field_set & (1 << UF_PATH) ? u.field_data[UF_PATH].len : 0);
	if (!take_prefix(c, path)) {
		snprintf(why, CLIENT_WHY_MAX, "\"%.100s\": no topic of MQTT can begin with this path", url);
		return RC_SYNTAX;
	}
	c->binding = b;
	snprintf(c->host, sizeof(c->host), "%.*s", (int)u.field_data[UF_HOST].len, url + u.field_data[UF_HOST].off);
	snprintf(c->port, sizeof(c->port), "%u", u.field_set & (1 << UF_PORT) ? u.port : b->port);
	return RC_OK;
}

const char *client_scheme(const struct client *c) { return c->binding->scheme; }

bool client_is_http(const struct client *c) { return c->binding->protocol == &client_over_http; }

enum reeve_rc client_call(struct client *c, const struct client_request *q, struct client_answer *out, char why[CLIENT_WHY_MAX])
{
	memset(out, 0, sizeof(*out));
	buf_init(&out->body, c->max_answer);
	buf_init(&out->tokens, 65536);
	buf_init(&out->systems, 65536);
	return c->binding->protocol->call(c, q, out, why);
}

void client_answer_free(struct client_answer *a)
{
	buf_free(&a->body);
	buf_free(&a->tokens);
	buf_free(&a->systems);
}

enum reeve_rc client_listen(struct client *c, struct buf *target, char why[CLIENT_WHY_MAX])
{
	if (c->binding->protocol->listen)
		return c->binding->protocol->listen(c, target, why);
	snprintf(why, CLIENT_WHY_MAX, "no notifications come over %s", c->binding->scheme);
	return RC_UNSUPPORTED;
}

int client_listening(const struct client *c) { return c->binding->protocol->listening(c); }

enum reeve_rc client_hear(struct client *c, char why[CLIENT_WHY_MAX]) { return c->binding->protocol->hear(c, why); }

void client_free(struct client *c)
{
	if (c->link)
		c->binding->protocol->close(c);
	c->link = NULL;
	tls_flags_free(&c->tls);
}
