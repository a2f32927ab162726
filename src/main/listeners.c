/* SPDX-License-Identifier: Apache-2.0 */
/* See listeners.h. A port of 0 is the system's choice, so that only who is opened can be told. */
#include "main/listeners.h"

#include <stdio.h>
#include <string.h>

#include "admin/pages.h"
#include "base/log.h"
#include "binding/coap/coap.h"
#include "binding/http/http.h"
#include "binding/ws/ws.h"

static const char *url_of(char out[128], const char *scheme, const char *address, uint16_t port)
{
	const bool v6 = strchr(address, ':') != NULL;

	snprintf(out, 128, "%s://%s%s%s:%u", scheme, v6 ? "[" : "", address, v6 ? "]" : "", port);
	return out;
}

/* The address of a listener, unless there is none or it is no address others can use. */
static void add_poa(struct settings *s, const char *scheme, const char *address, uint16_t port)
{
	struct config_list *poa = &s->c.poa;
	char url[128];

	if (address && strcmp(address, "0.0.0.0") != 0 && strcmp(address, "::") != 0 && port && poa->v)
		poa->v[poa->n++] = arena_dup(&s->memory, slice_str(url_of(url, scheme, address, port)));
}

void listeners_poa(struct settings *s)
{
	struct config *c = &s->c;

	if (c->poa.n)
		return;
	c->poa.v = arena_array(&s->memory, 6, sizeof(*c->poa.v));
	add_poa(s, "https", c->https.address, c->https.port);
	add_poa(s, "http", c->http.address, c->http.port);
	add_poa(s, "coaps", c->coaps.address, c->coaps.port);
	add_poa(s, "coap", c->coap.address, c->coap.port);
	add_poa(s, "wss", c->ws.serve ? c->https.address : NULL, c->https.port);
	add_poa(s, "ws", c->ws.serve ? c->http.address : NULL, c->http.port);
}

static void furnish(struct http_server *s, const struct config *c, struct ws *ws)
{
	if (!s)
		return;
	http_server_pages(s, admin_page);
	if (c->ws.serve)
		ws_serve(ws, s);
}

enum reeve_rc listeners_open(struct listeners *l, struct core *core, struct ws *ws, char why[256])
{
	const struct config *c = core->cfg;
	enum reeve_rc rc = RC_OK;

	if (c->http.address)
		rc = http_listen(core, c->http.address, c->http.port, false, &l->http, why);
	if (rc == RC_OK && c->https.address)
		rc = http_listen(core, c->https.address, c->https.port, true, &l->https, why);
	if (rc == RC_OK && c->coap.address)
		rc = coap_listen(core, c->coap.address, c->coap.port, false, &l->coap, why);
	if (rc == RC_OK && c->coaps.address)
		rc = coap_listen(core, c->coaps.address, c->coaps.port, true, &l->coaps, why);
	furnish(l->http, c, ws);
	furnish(l->https, c, ws);
	return rc;
}

/* One in clear. */
static void tell_open(const char *scheme, const char *address, uint16_t port, bool open, const char *instead)
{
	char url[128];

	url_of(url, scheme, address, port);
	if (open && !address_is_loopback(address))
		log_warn("main", "OPEN TO THE NETWORK: everybody who reaches %s is believed to be whoever he says he is", url);
	else if (open)
		log_warn("main", "open: at %s an Originator is believed without a security association", url);
	else if (!address_is_loopback(address))
		log_warn("main", "in clear at %s: requests from other machines are refused (4107), they need [%s]", url, instead);
	log_info("main", "listening at %s", url);
}

void listeners_tell(const struct listeners *l, const struct config *c)
{
	char url[128];

	if (l->http)
		tell_open("http", c->http.address, http_server_port(l->http), c->http.open, "https");
	if (l->https)
		log_info("main", "listening at %s", url_of(url, "https", c->https.address, http_server_port(l->https)));
	if (l->coap)
		tell_open("coap", c->coap.address, coap_server_port(l->coap), c->coap.open, "coaps");
	if (l->coaps)
		log_info("main", "listening at %s", url_of(url, "coaps", c->coaps.address, coap_server_port(l->coaps)));
}

void listeners_stop(struct listeners *l)
{
	coap_server_stop(l->coap);
	coap_server_stop(l->coaps);
	http_server_stop(l->http);
	http_server_stop(l->https);
}

void listeners_free(struct listeners *l)
{
	coap_server_free(l->coap);
	coap_server_free(l->coaps);
	http_server_free(l->http);
	http_server_free(l->https);
}
