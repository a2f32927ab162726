/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve ae watch`: subscribe, print notifications until Ctrl-C, unsubscribe. `reeve ae listen` only prints.
 *
 * Over HTTP a listener of its own on a port the system chooses; its URL is the notification target. Every notification is answered with
 * 2000; a message that is none, or too long, closes its connection. Other bindings bring notifications by themselves (client_listen).
 * The subscription expires by itself after a day, so that a killed watcher leaves nothing for ever. */
#include <errno.h>
#include <http_parser.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/text.h"
#include "main/ae.h"
#include "main/commands.h"

enum { CONNECTIONS = 16, BODY_MAX = 16 << 20, HEADER_MAX = 65536, HEAR_MS = 1000 };

struct connection {
	int fd;
	http_parser hp;
	struct buf body, field, value, rqi;
	bool in_value, stop;
	const struct watch *watch;
};

struct watch {
	struct ae *ae;
	int listener, signals;
	struct connection c[CONNECTIONS];
	struct slice sub;         /* address of the subscription */
	bool ended;
	struct buf url;           /* notification target */
};

static void header_done(struct connection *c)
{
	if (slice_ieq(buf_view(&c->field), S("x-m2m-ri"))) {
		buf_clear(&c->rqi);
		buf_slice(&c->rqi, buf_view(&c->value));
	}
	buf_clear(&c->field);
	buf_clear(&c->value);
	c->in_value = false;
}

static int on_field(http_parser *hp, const char *at, size_t n)
{
	struct connection *c = hp->data;
	if (c->in_value)
		header_done(c);
	buf_add(&c->field, at, n);
	return c->field.failed;
}

static int on_value(http_parser *hp, const char *at, size_t n)
{
	struct connection *c = hp->data;
	c->in_value = true;
	buf_add(&c->value, at, n);
	return c->value.failed;
}

static int on_headers(http_parser *hp)
{
	struct connection *c = hp->data;
	if (c->in_value)
		header_done(c);
	return 0;
}

static int on_body(http_parser *hp, const char *at, size_t n)
{
	struct connection *c = hp->data;
	buf_add(&c->body, at, n);
	return c->body.failed;
}

static void print_event(const struct json *j, uint32_t sgn)
{
	static const char *const names[] = { "?", "updated", "deleted", "child created", "child deleted", "retrieved" };
	const uint32_t nev = json_member(j, sgn, S("nev"));
	const uint32_t rep = nev ? json_member(j, nev, S("rep")) : 0, net = nev ? json_member(j, nev, S("net")) : 0;
	uint64_t kind = 3;

	if (net && !json_u64(j, net, &kind))
		kind = 0;
	printf("--- %s\n", names[kind < sizeof(names) / sizeof(names[0]) ? kind : 0]);
	if (rep)
		ae_print(json_raw(j, rep));
}

static struct slice last_part(struct slice address)
{
	size_t n = address.n;

	while (n && address.p[n - 1] != '/')
		n--;
	return slice_skip(address, n);
}

/* Is the notification at sgn of the subscription `sub`? Of one that ended before us a binding may still have kept the news. */
static bool is_of(struct arena *a, const struct json *j, uint32_t sgn, struct slice sub)
{
	return slice_eq(last_part(json_string(a, j, json_member(j, sgn, S("sur")))), last_part(sub));
}

/* {"m2m:sgn":{...}} or {"m2m:agn":{"m2m:sgn":[...]}}: a verification says nothing to people. True: the subscription has ended,
 * which is `sub` where we watch one. */
static bool print_notification(const struct ae *ae, struct slice sub, struct slice content)
{
	struct arena a;
	struct json j;
	struct slice why;
	uint32_t sgn = 0;
	bool yes = false, ended = false;

	if (ae->json) {
		printf("%.*s\n", SF(content));
		fflush(stdout);
		return false;
	}
	arena_init(&a, NULL, 0, 64 << 20);
	if (json_parse(&a, content, &json_default_limits, &j, &why) == RC_OK) {
		const uint32_t agn = json_member(&j, 0, S("m2m:agn")), list = agn ? json_member(&j, agn, S("m2m:sgn")) : 0;
		if (list && json_kind(&j, list) == J_ARRAY)
			for (uint32_t k = list + 1; k < j.tok[list].next; k = j.tok[k].next)
				print_event(&j, k);
		sgn = json_member(&j, 0, S("m2m:sgn"));
	}
	if (sgn && json_bool(&j, json_member(&j, sgn, S("sud")), &yes) && yes) {
		ended = !ae->n_args || is_of(&a, &j, sgn, sub);
		if (ended)
			puts("--- the subscription ended");
	} else if (sgn && !json_member(&j, sgn, S("vrq")))
		print_event(&j, sgn);
	arena_reset(&a);
	fflush(stdout);
	return ended;
}

/* Watching, and the subscription is gone already: there is nothing to remove. */
static void ended(struct watch *w)
{
	w->sub = S("");
	w->ended = true;
}

static void told(void *ctx, struct slice content)
{
	struct watch *w = ctx;

	if (print_notification(w->ae, w->sub, content) && w->ae->n_args)
		ended(w);
}

static int on_complete(http_parser *hp)
{
	struct connection *c = hp->data;
	struct buf b;
	size_t sent = 0;

	c->stop |= print_notification(c->watch->ae, c->watch->sub, buf_view(&c->body));
	buf_init(&b, 4096 + c->rqi.n);
	buf_printf(&b, "HTTP/1.1 200 OK\r\nX-M2M-RSC: 2000\r\nX-M2M-RVI: 3\r\nX-M2M-RI: %.*s\r\nContent-Length: 0\r\n\r\n",
		   SF(buf_view(&c->rqi)));
	while (sent < b.n) {
		ssize_t n = send(c->fd, b.p + sent, b.n - sent, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	buf_free(&b);
	buf_clear(&c->body);
	buf_clear(&c->rqi);
	return 0;
}

static const http_parser_settings parser_settings = {
	.on_header_field = on_field, .on_header_value = on_value, .on_headers_complete = on_headers,
	.on_body = on_body, .on_message_complete = on_complete,
};

static void close_connection(struct connection *c)
{
	close(c->fd);
	c->fd = -1;
	buf_free(&c->body);
	buf_free(&c->field);
	buf_free(&c->value);
	buf_free(&c->rqi);
}

static void accept_one(struct watch *w)
{
	int fd = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
	for (int i = 0; fd >= 0 && i < CONNECTIONS; i++)
		if (w->c[i].fd < 0) {
			struct connection *c = &w->c[i];
			memset(c, 0, sizeof(*c));
			c->fd = fd;
			c->watch = w;
			buf_init(&c->body, BODY_MAX);
			buf_init(&c->field, 1024);
			buf_init(&c->value, HEADER_MAX);
			buf_init(&c->rqi, HEADER_MAX);
			http_parser_init(&c->hp, HTTP_REQUEST);
			c->hp.data = c;
			return;
		}
	if (fd >= 0)
		close(fd);
}

static void read_connection(struct connection *c)
{
	char room[16384];
	ssize_t n = recv(c->fd, room, sizeof(room), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || http_parser_execute(&c->hp, &parser_settings, room, (size_t)n) != (size_t)n || !http_should_keep_alive(&c->hp))
		close_connection(c);
}

/* Over HTTP a listener of our own, over any other binding what the client has. */
static enum reeve_rc open_listener(struct watch *w, char why[CLIENT_WHY_MAX])
{
	struct client *c = &w->ae->client;
	uint16_t port = c->listen_port;

	if (!client_is_http(c)) {
		c->told = told;
		c->told_ctx = w;
		return client_listen(c, &w->url, why);
	}
	w->listener = client_socket(c->listen, &port, false, why);
	if (w->listener < 0)
		return RC_INVALID;
	if (listen(w->listener, CONNECTIONS) < 0) {
		snprintf(why, CLIENT_WHY_MAX, "cannot listen on %.100s: %s", c->listen, strerror(errno));
		return RC_IO;
	}
	buf_printf(&w->url, strchr(c->listen, ':') ? "http://[%s]:%u/" : "http://%s:%u/", c->listen, port);
	return RC_OK;
}

/* The answer to the Create comes while verification may already knock at the listener: that one waits in the backlog, or is answered by
 * the client on the way. */
static int subscribe(struct watch *w)
{
	struct ae *ae = w->ae;
	struct client_answer a;
	struct buf body;
	char until[TEXT_TIMESTAMP_MAX];
	const size_t n = text_timestamp_write((clock_wall() / USEC_S + 86400) * USEC_S, until);
	int status = EXIT_OK;

	buf_init(&body, 65536);
	buf_lit(&body, "{\"m2m:sub\":{\"nu\":[");
	buf_json(&body, buf_view(&w->url));
	buf_lit(&body, "],\"su\":");
	buf_json(&body, buf_view(&w->url));
	buf_printf(&body, ",\"nct\":1,\"et\":\"%.*s\",\"enc\":{\"net\":[%s]}}}", (int)n, until, ae->events);
	if (!ae_call(ae, OP_CREATE, slice_str(ae->args[0]), 23, buf_view(&body), &a)) {
		status = EXIT_UNREACHABLE;
	} else if (a.rsc != 2001) {
		status = ae_answer(ae, &a);
		if (status == EXIT_OK)
			status = EXIT_REFUSED;
	} else {
		struct json j;
		struct slice reason, text = arena_dup(&ae->memory, buf_view(&a.body));
		uint32_t sub = 0;
		if (text.p && json_parse(&ae->memory, text, &json_default_limits, &j, &reason) == RC_OK)
			sub = json_member(&j, 0, S("m2m:sub"));
		w->sub = sub ? json_string(&ae->memory, &j, json_member(&j, sub, S("ri"))) : S("");
	}
	client_answer_free(&a);
	buf_free(&body);
	return status;
}

static void unsubscribe(struct watch *w)
{
	struct client_answer a;

	if (!w->sub.n)
		return;
	if (!ae_call(w->ae, OP_DELETE, w->sub, 0, (struct slice){ NULL, 0 }, &a))
		fprintf(stderr, "reeve: the subscription %.*s could not be removed; it expires in a day\n", SF(w->sub));
	client_answer_free(&a);
}

/* Until a signal. */
static void serve_http(struct watch *w)
{
	for (;;) {
		struct pollfd p[2 + CONNECTIONS] = { { .fd = w->signals, .events = POLLIN }, { .fd = w->listener, .events = POLLIN } };
		for (int i = 0; i < CONNECTIONS; i++)
			p[2 + i] = (struct pollfd){ .fd = w->c[i].fd, .events = POLLIN };
		if (poll(p, 2 + CONNECTIONS, -1) < 0)
			continue;
		if (p[0].revents)
			return;
		for (int i = 0; i < CONNECTIONS; i++) {
			if (p[2 + i].revents)
				read_connection(&w->c[i]);
			if (w->c[i].stop && w->ae->n_args)
				ended(w);
		}
		if (w->ended)
			return;
		if (p[1].revents)
			accept_one(w);
	}
}

/* The same for the bindings that bring notifications themselves. */
static int serve_binding(struct watch *w)
{
	struct client *c = &w->ae->client;
	char why[CLIENT_WHY_MAX];

	while (!w->ended) {
		struct pollfd p[2] = { { .fd = w->signals, .events = POLLIN }, { .fd = client_listening(c), .events = POLLIN } };

		if (client_hear(c, why) != RC_OK) {
			fprintf(stderr, "reeve: %s://%s:%s: %s\n", client_scheme(c), c->host, c->port, why);
			w->sub = S(""); /* there is no way left to remove it; it expires in a day */
			return EXIT_UNREACHABLE;
		}
		if (!w->ended && poll(p, 2, HEAR_MS) > 0 && p[0].revents)
			break;
	}
	return EXIT_OK;
}

static int serve(struct watch *w)
{
	if (!client_is_http(&w->ae->client))
		return serve_binding(w);
	serve_http(w);
	return EXIT_OK;
}

static void end(struct watch *w)
{
	for (int i = 0; i < CONNECTIONS; i++)
		if (w->c[i].fd >= 0)
			close_connection(&w->c[i]);
	if (w->listener >= 0)
		close(w->listener);
	close(w->signals);
	buf_free(&w->url);
}

/* What both begin with; an exit status. */
static int begin(struct watch *w)
{
	sigset_t set;
	char why[CLIENT_WHY_MAX];
	enum reeve_rc rc;

	buf_init(&w->url, 4096);
	for (int i = 0; i < CONNECTIONS; i++)
		w->c[i].fd = -1;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	w->signals = signalfd(-1, &set, SFD_CLOEXEC);
	rc = open_listener(w, why);
	if (rc == RC_OK)
		return EXIT_OK;
	end(w);
	if (rc == RC_INVALID)
		return usage_error("ae", "%s", why);
	fprintf(stderr, "reeve: %s://%s:%s: %s\n", client_scheme(&w->ae->client), w->ae->client.host, w->ae->client.port, why);
	return EXIT_UNREACHABLE;
}

int ae_watch(struct ae *ae)
{
	struct watch w = { .ae = ae, .listener = -1, .signals = -1 };
	int status;

	if (ae->n_args != 1)
		return usage_error("ae", "watch needs one address");
	if (strspn(ae->events, "0123456789,") != strlen(ae->events))
		return usage_error("ae", "--events %s: write numbers with commas between them", ae->events);
	if ((status = begin(&w)) != EXIT_OK)
		return status;
	if ((status = subscribe(&w)) == EXIT_OK) {
		fprintf(stderr, "watching %s; Ctrl-C ends it\n", ae->args[0]);
		status = serve(&w);
		unsubscribe(&w);
	}
	end(&w);
	return status;
}

int ae_listen(struct ae *ae)
{
	struct watch w = { .ae = ae, .listener = -1, .signals = -1 };
	int status;

	if (ae->n_args)
		return usage_error("ae", "listen takes no address: subscribe with this URL as notification target");
	if ((status = begin(&w)) != EXIT_OK)
		return status;
	fprintf(stderr, "notifications to %.*s are shown here; Ctrl-C ends it\n", SF(buf_view(&w.url)));
	status = serve(&w);
	end(&w);
	return status;
}
