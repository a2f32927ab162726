/* SPDX-License-Identifier: Apache-2.0 */
/* Header values are lists with commas, names and tokens are compared without regard to case, a header may stand more than once
 * (TS-0020 6.2.2.7 for the subprotocols). Extensions are not spoken: an offer is ignored, an acceptance we did not ask for is an error. */
#include "binding/ws/handshake.h"

#include <http_parser.h>
#include <openssl/evp.h>

#include "base/rand.h"

static const struct { const char *name; enum serial serial; } protocols[] = {
	{ "oneM2M.json", SERIAL_JSON }, { "oneM2M.cbor", SERIAL_CBOR },
};

void ws_accept_of(struct slice key, char out[WS_ACCEPT_LEN])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
	uint8_t digest[EVP_MAX_MD_SIZE], text[WS_ACCEPT_LEN + 1];
	char both[WS_KEY_LEN + sizeof(guid)];
	size_t n = key.n < WS_KEY_LEN ? key.n : WS_KEY_LEN;

	if (n)
		memcpy(both, key.p, n);
	memcpy(both + n, guid, sizeof(guid) - 1);
	if (EVP_Digest(both, n + sizeof(guid) - 1, digest, NULL, EVP_sha1(), NULL) != 1)
		memset(digest, 0, sizeof(digest)); /* nobody accepts that */
	EVP_EncodeBlock(text, digest, 20);
	memcpy(out, text, WS_ACCEPT_LEN);
}

/* --- header values --- */

/* The next element of a list; p == NULL at its end. */
static struct slice element(struct slice *rest)
{
	struct slice e = { NULL, 0 };

	while (rest->p && !e.n)
		e = slice_trim(slice_cut(rest, ','), S(" \t"));
	return e.n ? e : (struct slice){ NULL, 0 };
}

static bool has_token(struct slice list, struct slice token)
{
	struct slice e;

	while ((e = element(&list)).p)
		if (slice_ieq(e, token))
			return true;
	return false;
}

/* Each header `name` of the lines; *rest starts as all of them. */
static bool next_header(struct slice *rest, struct slice name, struct slice *value)
{
	while (rest->n) {
		struct slice v = slice_cut(rest, '\n'), n = slice_cut(&v, ':');

		if (slice_ieq(slice_trim(n, S(" \t")), name)) {
			*value = slice_trim(v, S(" \t"));
			return true;
		}
	}
	return false;
}

/* How often it stands there; *value is the last one. */
static unsigned count(struct slice headers, struct slice name, struct slice *value)
{
	unsigned n = 0;

	*value = (struct slice){ NULL, 0 };
	while (next_header(&headers, name, value))
		n++;
	return n;
}

static bool any_has_token(struct slice headers, struct slice name, struct slice token)
{
	struct slice v;

	while (next_header(&headers, name, &v))
		if (has_token(v, token))
			return true;
	return false;
}

/* --- listener --- */

/* Sixteen bytes in base64 (RFC 6455 4.2.1). */
static bool is_key(struct slice k)
{
	if (k.n != WS_KEY_LEN || k.p[22] != '=' || k.p[23] != '=' || !memchr("AQgw", k.p[21], 4))
		return false;
	for (size_t i = 0; i < 22; i++) {
		char c = k.p[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/'))
			return false;
	}
	return true;
}

static enum serial choose(struct slice headers)
{
	struct slice v, e;

	while (next_header(&headers, S("Sec-WebSocket-Protocol"), &v))
		while ((e = element(&v)).p)
			for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
				if (slice_eq(e, slice_str(protocols[i].name)))
					return protocols[i].serial;
	return SERIAL_NONE;
}

static const char *protocol_of(enum serial serial) { return protocols[serial == SERIAL_CBOR].name; }

static const char closes[] = "Connection: close\r\n";

static enum ws_asked refuse(struct buf *out, const char *status, const char *more, const char *why)
{
	buf_printf(out, "HTTP/1.1 %s\r\nContent-Type: text/plain\r\n%sCache-Control: no-store\r\nContent-Length: %zu\r\n\r\n%s\n",
		   status, more, strlen(why) + 1, why);
	return WS_REFUSED;
}

/* A browser opens a connection for a page from anywhere, to this machine and with its user's certificate too, and leaves it to us (RFC 6455
 * 10.2). Who is no browser sends no Origin. */
static bool may_ask(const struct ws_ask *ask)
{
	struct slice origin;
	const unsigned n = count(ask->headers, S("Origin"), &origin);

	for (size_t i = 0; n == 1 && i < ask->n_origins; i++)
		if (slice_ieq(origin, ask->origins[i]))
			return true;
	return !n;
}

enum ws_asked ws_answer(const struct ws_ask *ask, struct buf *out, enum serial *serial)
{
	struct slice key, version;
	char accept[WS_ACCEPT_LEN];

	if (strcmp(ask->method, "GET") != 0 || !any_has_token(ask->headers, S("Upgrade"), S("websocket")) ||
	    !any_has_token(ask->headers, S("Connection"), S("upgrade")))
		return WS_NOT_ASKED;
	if (!slice_eq(ask->target, S("/")))
		return refuse(out, "404 Not Found", closes, "WebSocket: the request target is \"/\"");
	if (!may_ask(ask))
		return refuse(out, "403 Forbidden", closes, "Origin: web pages of ws.origins may connect, and this is none of them");
	if (count(ask->headers, S("Sec-WebSocket-Version"), &version) != 1 || !slice_eq(version, S("13")))
		return refuse(out, "426 Upgrade Required",
			      "Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n",
			      "Sec-WebSocket-Version: 13 is spoken here");
	if (count(ask->headers, S("Sec-WebSocket-Key"), &key) != 1 || !is_key(key))
		return refuse(out, "400 Bad Request", closes, "Sec-WebSocket-Key: one is needed, 16 bytes in base64");
	*serial = choose(ask->headers);
	if (*serial == SERIAL_NONE) /* CORE-305 */
		return refuse(out, "400 Bad Request", closes, "Sec-WebSocket-Protocol: oneM2M.json and oneM2M.cbor are spoken here");
	ws_accept_of(key, accept);
	buf_printf(out,
		   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n"
		   "Sec-WebSocket-Protocol: %s\r\n\r\n",
		   WS_ACCEPT_LEN, accept, protocol_of(*serial));
	return WS_ACCEPTED;
}

/* --- client --- */

void ws_request(struct buf *out, struct slice host, enum serial preferred, char key[WS_KEY_LEN])
{
	uint8_t raw[16], text[WS_KEY_LEN + 1];

	rand_bytes(raw, sizeof(raw));
	EVP_EncodeBlock(text, raw, sizeof(raw));
	memcpy(key, text, WS_KEY_LEN);
	buf_printf(out,
		   "GET / HTTP/1.1\r\nHost: %.*s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %.*s\r\n"
		   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %s, %s\r\n\r\n",
		   SF(host), WS_KEY_LEN, key, protocol_of(preferred), protocol_of(preferred == SERIAL_CBOR ? SERIAL_JSON : SERIAL_CBOR));
}

/* The answer as http_parser sees it. */
struct reading {
	struct buf lines;        /* "name:value\n" */
	bool in_value, complete;
};

static int on_field(http_parser *p, const char *at, size_t n)
{
	struct reading *r = p->data;

	if (r->in_value)
		buf_char(&r->lines, '\n');
	r->in_value = false;
	buf_add(&r->lines, at, n);
	return r->lines.failed;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
	struct reading *r = p->data;

	if (!r->in_value)
		buf_char(&r->lines, ':');
	r->in_value = true;
	buf_add(&r->lines, at, n);
	return r->lines.failed;
}

static int on_headers(http_parser *p)
{
	struct reading *r = p->data;

	if (p->status_code == 101 || p->status_code >= 200)
		r->complete = true;
	else
		buf_clear(&r->lines); /* an interim answer */
	r->in_value = false;
	return 2; /* no body: what follows is not HTTP any more */
}

static int on_complete(http_parser *p)
{
	if (((struct reading *)p->data)->complete)
		http_parser_pause(p, 1);
	return 0;
}

static const char *judge(const http_parser *p, struct slice headers, const char key[WS_KEY_LEN], enum serial *serial)
{
	char accept[WS_ACCEPT_LEN];
	struct slice v;

	ws_accept_of(slice_of(key, WS_KEY_LEN), accept);
	if (p->status_code != 101)
		return "the server does not open a WebSocket connection";
	if (!any_has_token(headers, S("Upgrade"), S("websocket")) || !any_has_token(headers, S("Connection"), S("upgrade")))
		return "the server switches to another protocol";
	if (count(headers, S("Sec-WebSocket-Accept"), &v) != 1 || !slice_eq(v, slice_of(accept, WS_ACCEPT_LEN)))
		return "Sec-WebSocket-Accept does not answer our key";
	if (count(headers, S("Sec-WebSocket-Extensions"), &v))
		return "the server speaks an extension that was not offered";
	if (count(headers, S("Sec-WebSocket-Protocol"), &v) != 1 || (*serial = choose(headers)) == SERIAL_NONE ||
	    !slice_eq(v, slice_str(protocol_of(*serial))))
		return "the server chose no subprotocol that was offered";
	return NULL;
}

struct ws_answer ws_answered(struct slice text, const char key[WS_KEY_LEN], size_t *used)
{
	static const http_parser_settings settings = {
		.on_header_field = on_field, .on_header_value = on_value, .on_headers_complete = on_headers,
		.on_message_complete = on_complete,
	};
	struct slice seen = slice_of(text.p, text.n < WS_ANSWER_MOST ? text.n : WS_ANSWER_MOST);
	struct ws_answer a = { .serial = SERIAL_NONE };
	struct reading r = { .complete = false };
	http_parser p;

	buf_init(&r.lines, WS_ANSWER_MOST);
	http_parser_init(&p, HTTP_RESPONSE);
	p.data = &r;
	*used = seen.n ? http_parser_execute(&p, &settings, seen.p, seen.n) : 0;
	if (r.complete) {
		a.why = judge(&p, buf_view(&r.lines), key, &a.serial);
		a.done = !a.why;
	} else if (seen.n && (HTTP_PARSER_ERRNO(&p) != HPE_OK || seen.n == WS_ANSWER_MOST)) {
		a.why = "the answer is not HTTP, or too long";
	}
	a.bad = a.why != NULL;
	buf_free(&r.lines);
	return a;
}
