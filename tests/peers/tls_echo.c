/* SPDX-License-Identifier: Apache-2.0 */
/* src/tls over a real socket of this machine, for independent peers: a listener that sends back what it gets, or a client that sends one
 * line and ends. What happens is told on standard output, one JSON object per line; standard input takes commands:
 *
 *   deny, permit   what source.permit answers from now on
 *   hold, release  keys are looked for from now on; all that are waited for arrive
 *   (end of input) ends the program
 *
 * usage: tls_echo [--udp] [--connect PORT] [options], see `options` below. */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "tls/tls.h"

enum { PSKS = 8, OWNS = 4, ANCHORS = 8, NAMES = 8, TICKETS = 64, ROOM = 65536, EXPORTED = 48 };

static struct {
	struct tls_options o;
	struct tls_own own[OWNS];
	struct tls_anchor anchor[ANCHORS];
	struct slice name[NAMES];
	const char *crl[ANCHORS];
	struct { struct slice identity; struct key_ref *key; } psk[PSKS];
	size_t n_psk;
	uint16_t connect, port;
	struct tls_want want;
	const char *label;
	bool deny, hold;
	struct { struct tls_hold *ticket; char identity[PSK_IDENTITY_MAX]; size_t n; } held[TICKETS];
	size_t n_held;
} me = { .label = "EXPORTER-oneM2M-Connection" };

static struct loop loop;
static struct tls_setup *setup;
static char why[TLS_WHY_MAX];

static void die(const char *what)
{
	fprintf(stderr, "tls_echo: %s: %s\n", what, why);
	exit(2);
}

/* --- what happens --- */

static void tell(const char *event, struct tls *t)
{
	uint8_t key[EXPORTED];
	struct buf b;

	buf_init(&b, 8192);
	buf_printf(&b, "{\"event\":\"%s\"", event);
	if (t && (tls_state(t) == TLS_OPEN || tls_state(t) == TLS_CLOSED)) {
		buf_printf(&b, ",\"version\":\"%s\",\"suite\":\"%s\",\"type\":%d,\"credential\":", tls_version(t), tls_suite(t), tls_peer(t)->type);
		buf_json(&b, tls_peer(t)->credential);
		buf_lit(&b, ",\"server_name\":");
		buf_json(&b, tls_server_name(t));
		buf_lit(&b, ",\"export\":\"");
		if (tls_export(t, slice_str(me.label), key, sizeof(key)) == RC_OK)
			for (size_t i = 0; i < sizeof(key); i++)
				buf_printf(&b, "%02X", key[i]);
		buf_lit(&b, "\"");
	}
	if (t) {
		const struct tls_counts *c = tls_setup_counts(setup);
		buf_lit(&b, ",\"why\":");
		buf_json(&b, slice_str(tls_why(t)));
		buf_printf(&b, ",\"resumed\":%llu,\"done\":%llu,\"failed\":%llu,\"holding\":%u", (unsigned long long)c->resumed,
			   (unsigned long long)c->done, (unsigned long long)c->failed, c->holding);
	}
	buf_lit(&b, "}\n");
	fwrite(b.p, 1, b.n, stdout);
	fflush(stdout);
	buf_free(&b);
}

/* --- the source of keys --- */

static enum reeve_rc find(struct slice identity, struct key_ref **key)
{
	for (size_t i = 0; i < me.n_psk; i++)
		if (slice_eq(me.psk[i].identity, identity)) {
			*key = key_get(me.psk[i].key);
			return RC_OK;
		}
	return RC_NOTFOUND;
}

static enum reeve_rc source_psk(void *ctx, struct slice identity, struct tls_hold *ticket, struct key_ref **key, usec *expires)
{
	if (!me.hold)
		return find(identity, key);
	if (ticket && me.n_held < TICKETS && identity.n <= PSK_IDENTITY_MAX) {
		me.held[me.n_held].ticket = ticket;
		memcpy(me.held[me.n_held].identity, identity.p, identity.n);
		me.held[me.n_held++].n = identity.n;
		tell("held", NULL);
	}
	return RC_AGAIN;
}

static bool source_permit(void *ctx, const struct tls_peer *p) { return !me.deny; }

static void release(void)
{
	for (size_t i = 0; i < me.n_held; i++) {
		struct key_ref *key = NULL;
		const enum reeve_rc rc = find(slice_of(me.held[i].identity, me.held[i].n), &key);
		tls_hold_end(me.held[i].ticket, rc, key, 0);
	}
	me.n_held = 0;
}

static void command(const char *s)
{
	if (!strcmp(s, "deny") || !strcmp(s, "permit"))
		me.deny = *s == 'd';
	else if (!strcmp(s, "hold"))
		me.hold = true;
	else if (!strcmp(s, "release"))
		release();
	tell(s, NULL);
}

/* --- connections: what TCP and UDP share --- */

struct conn {
	union { uv_tcp_t tcp; uv_handle_t handle; };
	uv_connect_t connecting;
	uv_timer_t timer;      /* datagrams */
	struct tls *t;
	struct sockaddr_storage address;
	struct conn *next;
	bool opened, over;
	char room[ROOM];
};

static uv_tcp_t tcp_listener;
static uv_udp_t udp;
static struct conn *sessions;

static void send_out(struct conn *c, struct buf *out)
{
	struct slice rest = buf_view(out), one;

	if (me.o.datagram)
		while (tls_datagram(&rest, &one))
			(void)uv_udp_try_send(&udp, &(uv_buf_t){ (char *)one.p, one.n }, 1, (struct sockaddr *)&c->address);
	else if (rest.n)
		(void)uv_try_write((uv_stream_t *)&c->tcp, &(uv_buf_t){ (char *)rest.p, rest.n }, 1);
	buf_free(out);
}

static void freed(uv_handle_t *h) { free(h->data); }

static void finish(struct conn *c)
{
	if (c->over)
		return;
	c->over = true;
	for (struct conn **at = &sessions; *at; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			break;
		}
	tls_free(c->t);
	c->t = NULL;
	if (me.o.datagram)
		uv_close((uv_handle_t *)&c->timer, freed);
	else
		uv_close(&c->handle, freed);
	if (me.connect)
		uv_stop(&loop.uv);
}

static void rang(uv_timer_t *timer);

static void set_timer(struct conn *c)
{
	const int ms = me.o.datagram ? tls_timer(c->t) : -1;

	if (ms >= 0)
		uv_timer_start(&c->timer, rang, (uint64_t)ms + 1, 0);
	else if (me.o.datagram)
		uv_timer_stop(&c->timer);
}

static void got(struct conn *c, const char *p, size_t n)
{
	struct buf out;
	enum tls_state state;

	buf_init(&out, 1 << 24);
	state = tls_input(c->t, p, n, &out);
	if (state == TLS_OPEN && !c->opened) {
		c->opened = true;
		tell("open", c->t);
		if (me.connect && tls_write(c->t, "hello\n", 6, &out) != RC_OK)
			tell("unwritten", c->t);
	}
	for (size_t k; c->opened && (k = tls_read(c->t, c->room, sizeof(c->room))) > 0;) {
		if (me.connect) {
			tell("answer", c->t);
			tls_bye(c->t, &out);
			state = TLS_CLOSED;
		} else if (tls_write(c->t, c->room, k, &out) != RC_OK) {
			tell("unwritten", c->t);
		}
	}
	if (state == TLS_CLOSED)
		tls_bye(c->t, &out);
	send_out(c, &out);
	if (state == TLS_CLOSED || state == TLS_FAILED) {
		tell(state == TLS_CLOSED ? "closed" : "failed", c->t);
		finish(c);
	} else {
		set_timer(c);
	}
}

static void rang(uv_timer_t *timer) { got(timer->data, NULL, 0); }
static void woken(void *owner) { got(owner, NULL, 0); }

static struct conn *conn_new(void)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->handle.data = c;
	c->t = tls_new(setup, &loop, me.connect ? &me.want : NULL, woken, c);
	if (!c->t)
		die("no session (the setup has nothing for what is wanted)");
	if (me.o.datagram) {
		uv_timer_init(&loop.uv, &c->timer);
		c->timer.data = c;
		c->next = sessions;
		sessions = c;
	}
	return c;
}

/* --- TCP --- */

static char input[ROOM];
static void room(uv_handle_t *h, size_t hint, uv_buf_t *b) { *b = uv_buf_init(input, sizeof(input)); }

static void tcp_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct conn *c = s->data;

	if (n > 0) {
		got(c, b->base, (size_t)n);
	} else if (n < 0) {
		tell("gone", c->t);
		finish(c);
	}
}

static void accepted(uv_stream_t *s, int status)
{
	struct conn *c = conn_new();

	uv_tcp_init(&loop.uv, &c->tcp);
	if (uv_accept(s, (uv_stream_t *)&c->tcp) != 0 || uv_read_start((uv_stream_t *)&c->tcp, room, tcp_read) != 0)
		finish(c);
}

static void connected(uv_connect_t *q, int status)
{
	struct conn *c = q->data;

	if (status != 0)
		die("cannot connect");
	if (uv_read_start((uv_stream_t *)&c->tcp, room, tcp_read) != 0)
		die("cannot read");
	got(c, NULL, 0);
}

/* --- UDP --- */

static void udp_read(uv_udp_t *u, ssize_t n, const uv_buf_t *b, const struct sockaddr *from, unsigned flags)
{
	struct conn *c = sessions;
	struct tls_accept accept;
	struct conn reply = { 0 };
	struct buf out;

	if (n <= 0 || !from)
		return;
	while (c && memcmp(&c->address, from, sizeof(struct sockaddr_in)) != 0)
		c = c->next;
	if (!c && !me.connect) {
		buf_init(&out, 4096);
		memcpy(&reply.address, from, sizeof(struct sockaddr_in));
		const enum tls_hello hello = tls_hello(setup, slice_of((const char *)from, sizeof(struct sockaddr_in)), b->base, (size_t)n,
						       &accept, &out);
		send_out(&reply, &out);
		if (hello != TLS_HELLO_GOOD)
			return;
		c = conn_new();
		c->address = reply.address;
		tls_accept(c->t, &accept);
	}
	if (c)
		got(c, b->base, (size_t)n);
}

/* --- begin --- */

static void open_sockets(void)
{
	struct sockaddr_in a;
	int n = sizeof(a), rc = 0;

	uv_ip4_addr("127.0.0.1", me.connect ? me.connect : me.port, &a);
	if (me.o.datagram) {
		struct sockaddr_in any = a;
		if (me.connect)
			any.sin_port = 0;
		uv_udp_init(&loop.uv, &udp);
		rc = uv_udp_bind(&udp, (struct sockaddr *)&any, 0);
		rc = rc ? rc : uv_udp_recv_start(&udp, room, udp_read);
		uv_udp_getsockname(&udp, (struct sockaddr *)&any, &n);
		if (!me.connect)
			a = any;
	} else if (!me.connect) {
		uv_tcp_init(&loop.uv, &tcp_listener);
		rc = uv_tcp_bind(&tcp_listener, (struct sockaddr *)&a, 0);
		rc = rc ? rc : uv_listen((uv_stream_t *)&tcp_listener, 16, accepted);
		uv_tcp_getsockname(&tcp_listener, (struct sockaddr *)&a, &n);
	}
	if (rc != 0) {
		snprintf(why, sizeof(why), "%s", uv_strerror(rc));
		die("socket");
	}
	if (me.connect) {
		struct conn *c = conn_new();
		memcpy(&c->address, &a, sizeof(a));
		c->connecting.data = c;
		if (me.o.datagram) {
			got(c, NULL, 0);
		} else {
			uv_tcp_init(&loop.uv, &c->tcp);
			(void)uv_tcp_connect(&c->connecting, &c->tcp, (struct sockaddr *)&a, connected);
		}
	} else {
		printf("{\"event\":\"listening\",\"port\":%u}\n", ntohs(a.sin_port));
		fflush(stdout);
	}
}

static uv_pipe_t standard_input;
static char line_room[4096];
static void line_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b) { *b = uv_buf_init(line_room, sizeof(line_room) - 1); }

static void line_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	if (n < 0) {
		uv_stop(&loop.uv);
		return;
	}
	b->base[n] = '\0';
	for (char *save, *word = strtok_r(b->base, "\n", &save); word; word = strtok_r(NULL, "\n", &save))
		command(word);
}

static struct key_ref *read_key(const char *file)
{
	const struct key_spec spec = { .alg = ALG_TLS_ES256 };
	struct key_ref *key;
	struct buf pem;

	if (file_read(file, 65536, &pem, why) != RC_OK || secenv_import(NULL, KEY_PEM, buf_view(&pem), &spec, &key, why) != RC_OK)
		die(file);
	buf_free(&pem);
	return key;
}

/* --psk IDENTITY=HEX */
static void add_psk(char *value)
{
	char *equals = strrchr(value, '=');
	const struct key_spec spec = { .alg = ALG_TLS_PSK };

	if (!equals || me.n_psk >= PSKS)
		die("--psk");
	me.psk[me.n_psk].identity = slice_of(value, (size_t)(equals - value));
	if (secenv_import(NULL, KEY_HEX, slice_str(equals + 1), &spec, &me.psk[me.n_psk++].key, why) != RC_OK)
		die("--psk");
}

static enum tls_flavour flavour_of(const char *s)
{
	for (int i = 0; i < TLS_FLAVOURS; i++)
		if (!strncmp(s, tls_flavour_names[i], strlen(tls_flavour_names[i])))
			return (enum tls_flavour)i;
	die("no such flavour");
	return TLS_FLAVOURS;
}

/* --own CHAIN:KEY, --raw KEY */
static void add_own(char *value, bool raw)
{
	char *colon = raw ? NULL : strchr(value, ':');

	if (me.o.n_own >= OWNS || (!raw && !colon))
		die("--own");
	if (colon)
		*colon++ = '\0';
	me.own[me.o.n_own++] = (struct tls_own){ .chain = raw ? NULL : value, .key = read_key(raw ? value : colon) };
}

static bool flag(const char *s)
{
	if (!strcmp(s, "--udp"))
		return me.o.datagram = true;
	if (!strcmp(s, "--tls13"))
		return me.o.tls13 = true;
	if (!strcmp(s, "--forward-secrecy"))
		return me.o.forward_secrecy = true;
	if (!strcmp(s, "--accept-raw"))
		return me.o.raw = true;
	return false;
}

static bool option(const char *s, char *value)
{
	if (!strcmp(s, "--port"))
		me.port = (uint16_t)strtoul(value, NULL, 10);
	else if (!strcmp(s, "--connect"))
		me.connect = (uint16_t)strtoul(value, NULL, 10);
	else if (!strcmp(s, "--psk"))
		add_psk(value);
	else if (!strcmp(s, "--own") || !strcmp(s, "--raw"))
		add_own(value, s[2] == 'r');
	else if (!strcmp(s, "--anchor") && me.o.n_anchors < ANCHORS) /* FLAVOUR:FILE */
		me.anchor[me.o.n_anchors++] = (struct tls_anchor){ flavour_of(value), strchr(value, ':') + 1 };
	else if (!strcmp(s, "--serve-name") && me.o.n_server_names < NAMES)
		me.name[me.o.n_server_names++] = slice_str(value);
	else if (!strcmp(s, "--resumption"))
		me.o.resumption = (usec)strtoul(value, NULL, 10) * USEC_S;
	else if (!strcmp(s, "--hold-time"))
		me.o.hold_time = (usec)strtoul(value, NULL, 10) * USEC_MS;
	else if (!strcmp(s, "--label"))
		me.label = value;
	else if (!strcmp(s, "--server-name"))
		me.want.server_name = slice_str(value);
	else if (!strcmp(s, "--flavour"))
		me.want.flavour = flavour_of(value);
	else if (!strcmp(s, "--expect"))
		me.want.name = slice_str(value);
	else if (!strcmp(s, "--public-key"))
		me.want.public_key = slice_str(value);
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	me.o = (struct tls_options){ .handshake_time = 20 * USEC_S, .hold_time = 20 * USEC_S, .held = 8, .depth = 4 };
	for (int i = 1; i < argc; i++) {
		if (flag(argv[i]))
			continue;
		if (i + 1 >= argc || !option(argv[i], argv[i + 1])) {
			fprintf(stderr, "tls_echo: %s\n", argv[i]);
			return 2;
		}
		i++;
	}
	me.o.client = me.connect != 0;
	me.o.psk = me.n_psk > 0;
	me.o.certificate = me.o.n_anchors > 0;
	me.o.own = me.own;
	me.o.anchors = me.anchor;
	me.o.server_names = me.name;
	me.o.source = (struct tls_source){ NULL, source_psk, source_permit };
	if (me.connect && me.n_psk) {
		me.want.psk_identity = me.psk[0].identity;
		me.want.psk = me.psk[0].key;
	}
	if (tls_setup_new(&me.o, &setup, why) != RC_OK)
		die("setup");
	if (loop_init(&loop, 0) != RC_OK)
		die("loop");
	open_sockets();
	if (!me.connect) {
		uv_pipe_init(&loop.uv, &standard_input, 0);
		if (uv_pipe_open(&standard_input, 0) != 0 || uv_read_start((uv_stream_t *)&standard_input, line_alloc, line_read) != 0)
			die("standard input");
	}
	uv_run(&loop.uv, UV_RUN_DEFAULT);
	return 0;
}
