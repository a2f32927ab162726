/* SPDX-License-Identifier: Apache-2.0 */
/* libmosquitto closes its socket whenever it likes, so the loop watches a duplicate of the descriptor: a number that is closed and given to
 * somebody else is never polled. After every call into libmosquitto the link is settled: is there still a socket, and what is it waited
 * for? libmosquitto does not tell whether TCP is connected, nor that a handshake ended in silence; both are looked at here. */
#include "binding/mqtt/link.h"

#include <errno.h>
#include <mosquitto.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/log.h"

enum { ADDRESSES = 8, FILTERS = 64, MISC_MS = 1000 };

/* The descriptor that the loop watches for one connection. */
struct watch {
	uv_poll_t poll;          /* first */
	struct mqtt_link *link;
	int fd;
};

struct lookup {
	uv_getaddrinfo_t request; /* first */
	struct mqtt_link *link;   /* NULL: nobody waits any more */
};

struct unacknowledged { int number; size_t bytes; };

struct mqtt_link {
	struct loop *loop;
	struct mqtt_link_options o;
	struct mqtt_url url;
	struct mosquitto *mosq;
	SSL_CTX *tls;
	enum link_state state;
	struct watch *watch;
	struct lookup *lookup;
	char address[ADDRESSES][64]; /* numeric */
	unsigned n_addresses, at_address;
	struct slice filter[FILTERS];
	unsigned n_filters;
	struct unacknowledged *sent;
	unsigned n_sent;
	size_t sent_bytes;
	uint64_t due;            /* of the next attempt, or the end of this one */
	uint64_t pause;          /* before the next attempt, ms */
	uint64_t misc;           /* when libmosquitto looks at the time next */
	int refused;             /* CONNACK code */
	int just_published;      /* told while link_publish was at it */
	char trouble[128];       /* the last that libmosquitto complained of */
	bool deaf, secured;
	struct arena arena;
};

static void settle(struct mqtt_link *k, const char *why);

/* --- the end of a connection --- */

static void unwatched(uv_handle_t *h)
{
	struct watch *w = (struct watch *)h;

	close(w->fd);
	free(w);
}

static void unwatch(struct mqtt_link *k)
{
	struct watch *w = k->watch;

	k->watch = NULL;
	if (!w)
		return;
	w->link = NULL;
	uv_poll_stop(&w->poll);
	shutdown(w->fd, SHUT_RDWR); /* libmosquitto may have closed its own; the peer is not to wait for ours */
	uv_close((uv_handle_t *)&w->poll, unwatched);
}

static void lost(struct mqtt_link *k, const char *why)
{
	bool was_up = k->state == LINK_UP;

	unwatch(k);
	k->state = LINK_WAITING;
	k->secured = false;
	k->due = uv_now(&k->loop->uv) + k->pause;
	k->pause *= 2;
	if (k->pause > (uint64_t)k->o.retry_most / 1000)
		k->pause = (uint64_t)k->o.retry_most / 1000;
	if (!k->o.qos) { /* nobody keeps these */
		k->n_sent = 0;
		k->sent_bytes = 0;
	}
	if (was_up)
		log_warn("mqtt", "connection to %s:%u lost: %s", k->url.host, k->url.port, why);
	k->o.on->down(k->o.ctx, k, why);
}

/* --- events of libmosquitto --- */

static void on_connect(struct mosquitto *m, void *ctx, int rc, int flags)
{
	struct mqtt_link *k = ctx;

	k->refused = rc;
	if (rc)
		return; /* the connection ends, and settle sees it */
	k->state = LINK_UP;
	k->pause = k->o.retry_first / 1000;
	for (unsigned i = 0; i < k->n_filters; i++)
		if (mosquitto_subscribe(m, NULL, k->filter[i].p, 1) != MOSQ_ERR_SUCCESS)
			log_error("mqtt", "cannot subscribe to %s", k->filter[i].p);
	k->o.on->up(k->o.ctx, k, flags & 1);
}

static void on_subscribe(struct mosquitto *m, void *ctx, int mid, int n, const int *granted)
{
	struct mqtt_link *k = ctx;

	for (int i = 0; i < n; i++)
		if (granted[i] > 2)
			log_error("mqtt", "the broker %s:%u refuses a subscription: look at its access control", k->url.host, k->url.port);
}

static void on_message(struct mosquitto *m, void *ctx, const struct mosquitto_message *msg)
{
	struct mqtt_link *k = ctx;
	size_t n = msg->payloadlen > 0 ? (size_t)msg->payloadlen : 0;

	k->o.on->message(k->o.ctx, k, slice_str(msg->topic), slice_of(msg->payload, n), msg->qos, msg->retain);
}

static void on_log(struct mosquitto *m, void *ctx, int level, const char *text)
{
	struct mqtt_link *k = ctx;

	if (level == MOSQ_LOG_ERR)
		snprintf(k->trouble, sizeof(k->trouble), "%s", text);
}

static void on_publish(struct mosquitto *m, void *ctx, int mid)
{
	struct mqtt_link *k = ctx;

	k->just_published = mid;
	for (unsigned i = 0; i < k->n_sent; i++)
		if (k->sent[i].number == mid) {
			k->sent_bytes -= k->sent[i].bytes;
			k->sent[i] = k->sent[--k->n_sent];
			break;
		}
	k->o.on->published(k->o.ctx, k, mid);
}

/* --- the socket --- */

/* What libmosquitto takes for progress: an end, or a refusal, before the handshake is over. */
static const char *failed_silently(struct mqtt_link *k)
{
	int error = 0, fd = mosquitto_socket(k->mosq);
	socklen_t n = sizeof(error);
	char c;

	if (fd < 0)
		return NULL;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error)
		return strerror(error);
	if (recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		return "the broker closed the connection";
	return NULL;
}

static bool shaking_hands(struct mqtt_link *k)
{
	const SSL *ssl = k->url.tls ? mosquitto_ssl_get(k->mosq) : NULL;

	return k->url.tls && !k->secured && !(ssl && SSL_is_init_finished(ssl));
}

/* The handshake goes on. */
static void shake(struct mqtt_link *k)
{
	const char *why = failed_silently(k);
	SSL *ssl = mosquitto_ssl_get(k->mosq);
	char text[MQTT_WHY_MAX] = "";

	k->trouble[0] = '\0';
	if (!why) {
		if (ssl)
			SSL_up_ref(ssl); /* libmosquitto frees it before it tells */
		mosquitto_loop_read(k->mosq, 1);
		if (mosquitto_socket(k->mosq) < 0)
			why = *k->trouble ? k->trouble : "the handshake failed";
		if (ssl && *mqtt_secure_why(ssl))
			snprintf(text, sizeof(text), "%s", mqtt_secure_why(ssl));
		SSL_free(ssl);
	}
	if (why) {
		lost(k, *text ? text : why);
		return;
	}
	if (!shaking_hands(k)) {
		k->secured = true;
		mosquitto_loop_write(k->mosq, 1); /* CONNECT has waited for this */
	}
	settle(k, "the handshake failed");
}

static void ready(uv_poll_t *p, int status, int events)
{
	struct mqtt_link *k = ((struct watch *)p)->link;
	int rc = MOSQ_ERR_SUCCESS;

	if (!k)
		return;
	if (status < 0) {
		const char *why = failed_silently(k);
		lost(k, why ? why : uv_strerror(status));
		return;
	}
	if (shaking_hands(k)) {
		shake(k);
		return;
	}
	if (events & UV_WRITABLE)
		rc = mosquitto_loop_write(k->mosq, 1);
	if (rc == MOSQ_ERR_SUCCESS && events & UV_READABLE && !k->deaf)
		rc = mosquitto_loop_read(k->mosq, 1);
	settle(k, k->refused ? mosquitto_connack_string(k->refused) : mosquitto_strerror(rc));
}

static int wanted(struct mqtt_link *k)
{
	const SSL *ssl = k->url.tls ? mosquitto_ssl_get(k->mosq) : NULL;

	if (shaking_hands(k))
		return !ssl || SSL_want_write(ssl) ? UV_WRITABLE : UV_READABLE;
	return (k->deaf ? 0 : UV_READABLE) | (mosquitto_want_write(k->mosq) ? UV_WRITABLE : 0);
}

/* The descriptor of a new connection. */
static bool watched(struct mqtt_link *k)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return false;
	w->link = k;
	w->fd = fcntl(mosquitto_socket(k->mosq), F_DUPFD_CLOEXEC, 3);
	if (w->fd < 0 || uv_poll_init(&k->loop->uv, &w->poll, w->fd) != 0) {
		if (w->fd >= 0)
			close(w->fd);
		free(w);
		return false;
	}
	k->watch = w;
	return true;
}

static void settle(struct mqtt_link *k, const char *why)
{
	int events;

	if (k->state == LINK_WAITING || !k->watch)
		return;
	if (mosquitto_socket(k->mosq) < 0) {
		lost(k, why);
		return;
	}
	events = wanted(k);
	if (events)
		uv_poll_start(&k->watch->poll, events, ready);
	else
		uv_poll_stop(&k->watch->poll);
}

/* --- attempts --- */

static void connect_now(struct mqtt_link *k)
{
	char why[MQTT_WHY_MAX] = "";
	int rc;

	k->refused = 0;
	k->secured = false;
	if (k->tls && mqtt_secure_refresh(k->tls, why) != RC_OK) {
		lost(k, why);
		return;
	}
	rc = mosquitto_connect_async(k->mosq, k->address[k->at_address++ % k->n_addresses], k->url.port, (int)(k->o.keepalive / USEC_S));
	if (rc != MOSQ_ERR_SUCCESS || mosquitto_socket(k->mosq) < 0 || !watched(k)) {
		lost(k, rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc));
		return;
	}
	settle(k, "out of memory");
}

static void found(uv_getaddrinfo_t *q, int status, struct addrinfo *list)
{
	struct lookup *u = (struct lookup *)q;
	struct mqtt_link *k = u->link;

	if (k) {
		k->lookup = NULL;
		k->n_addresses = 0;
		for (struct addrinfo *a = list; status == 0 && a && k->n_addresses < ADDRESSES; a = a->ai_next)
			if (getnameinfo(a->ai_addr, a->ai_addrlen, k->address[k->n_addresses], sizeof(k->address[0]), NULL, 0,
					NI_NUMERICHOST) == 0)
				k->n_addresses++;
	}
	uv_freeaddrinfo(list);
	free(u);
	if (k && k->n_addresses)
		connect_now(k);
	else if (k)
		lost(k, status < 0 ? uv_strerror(status) : "its name has no address");
}

static void attempt(struct mqtt_link *k, uint64_t now)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	char number[16];
	struct lookup *u;

	k->state = LINK_CONNECTING;
	k->due = now + k->o.connect_time / 1000;
	if (uv_inet_pton(AF_INET, k->url.host, number) == 0 || uv_inet_pton(AF_INET6, k->url.host, number) == 0) {
		snprintf(k->address[0], sizeof(k->address[0]), "%s", k->url.host);
		k->n_addresses = 1;
		connect_now(k);
		return;
	}
	if (!(u = calloc(1, sizeof(*u))) || uv_getaddrinfo(&k->loop->uv, &u->request, found, k->url.host, NULL, &hints) != 0) {
		free(u);
		lost(k, "its name cannot be looked up");
		return;
	}
	u->link = k;
	k->lookup = u;
}

void link_tick(struct mqtt_link *k, uint64_t now)
{
	int rc;

	if (k->state != LINK_UP && now >= k->due) {
		if (k->state == LINK_WAITING) {
			attempt(k, now);
			return;
		}
		if (k->lookup)
			k->lookup->link = NULL;
		k->lookup = NULL;
		lost(k, "no answer in time");
		return;
	}
	if (!k->watch || now < k->misc)
		return;
	k->misc = now + MISC_MS;
	rc = mosquitto_loop_misc(k->mosq);
	settle(k, mosquitto_strerror(rc));
}

/* --- for its owner --- */

enum link_state link_state(const struct mqtt_link *k) { return k->state; }

bool link_is(const struct mqtt_link *k, const struct mqtt_url *url)
{
	return k->url.tls == url->tls && k->url.port == url->port && !strcmp(k->url.host, url->host);
}

bool link_holds(const struct mqtt_link *k, int number)
{
	for (unsigned i = 0; i < k->n_sent; i++)
		if (k->sent[i].number == number)
			return true;
	return false;
}

enum reeve_rc link_subscribe(struct mqtt_link *k, struct slice filter)
{
	for (unsigned i = 0; i < k->n_filters; i++)
		if (slice_eq(k->filter[i], filter))
			return RC_OK;
	if (k->n_filters == FILTERS || filter.n > MQTT_TOPIC_MAX || !(k->filter[k->n_filters] = arena_dup(&k->arena, filter)).p)
		return RC_LIMIT;
	if (k->state == LINK_UP && mosquitto_subscribe(k->mosq, NULL, k->filter[k->n_filters].p, 1) != MOSQ_ERR_SUCCESS)
		return RC_INVALID;
	k->n_filters++;
	settle(k, "it was lost while a subscription was written");
	return RC_OK;
}

/* Codes that tell that a message was not taken. With any other one it is kept, if QoS is 1, until the broker has it. */
static bool refuses(int rc)
{
	return rc == MOSQ_ERR_INVAL || rc == MOSQ_ERR_NOMEM || rc == MOSQ_ERR_PAYLOAD_SIZE || rc == MOSQ_ERR_MALFORMED_UTF8 ||
	       rc == MOSQ_ERR_QOS_NOT_SUPPORTED || rc == MOSQ_ERR_OVERSIZE_PACKET;
}

enum reeve_rc link_publish(struct mqtt_link *k, struct slice topic, struct slice payload, int *number)
{
	char text[MQTT_TOPIC_MAX + 1];
	int mid = 0, rc;

	if (topic.n > MQTT_TOPIC_MAX || memchr(topic.p, '\0', topic.n) || payload.n > INT32_MAX / 2)
		return RC_INVALID;
	if (k->n_sent >= k->o.messages || payload.n > k->o.bytes || k->sent_bytes > k->o.bytes - payload.n)
		return RC_LIMIT;
	if (!k->o.qos && k->state != LINK_UP)
		return RC_IO;
	memcpy(text, topic.p, topic.n);
	text[topic.n] = '\0';
	k->just_published = 0;
	rc = mosquitto_publish(k->mosq, &mid, text, (int)payload.n, payload.p, k->o.qos, false);
	if (refuses(rc))
		return RC_INVALID;
	if (rc != MOSQ_ERR_SUCCESS && !k->o.qos)
		return RC_IO;
	if (number)
		*number = mid;
	if (k->just_published != mid) {
		k->sent[k->n_sent++] = (struct unacknowledged){ mid, payload.n };
		k->sent_bytes += payload.n;
	}
	settle(k, "it was lost while a message was written");
	return RC_OK;
}

void link_deafen(struct mqtt_link *k)
{
	k->deaf = true;
	settle(k, "lost at the end");
}

struct mqtt_link *link_new(struct loop *l, const struct mqtt_link_options *o)
{
	struct mqtt_link *k = calloc(1, sizeof(*k));
	struct slice host;

	if (!k)
		return NULL;
	arena_init(&k->arena, NULL, 0, (FILTERS + 4) * (MQTT_TOPIC_MAX + 64));
	k->loop = l;
	k->o = *o;
	k->url = *o->url;
	host = arena_dup(&k->arena, slice_str(o->url->host));
	k->url.host = host.p;
	k->url.path = S("");
	k->pause = o->retry_first / 1000;
	k->sent = calloc(o->messages, sizeof(*k->sent));
	k->mosq = mosquitto_new(o->client_id, o->clean, k);
	k->tls = k->url.tls && host.p ? mqtt_secure_new(o->secure, k->url.host) : NULL;
	if (!host.p || !k->sent || !k->mosq || (k->url.tls && !k->tls)) {
		link_close(k, false);
		return NULL;
	}
	mosquitto_int_option(k->mosq, MOSQ_OPT_TCP_NODELAY, 1);
	if (k->tls) {
		mosquitto_void_option(k->mosq, MOSQ_OPT_SSL_CTX, k->tls);
		mosquitto_int_option(k->mosq, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0); /* they would add to it */
	}
	mosquitto_connect_with_flags_callback_set(k->mosq, on_connect);
	mosquitto_subscribe_callback_set(k->mosq, on_subscribe);
	mosquitto_message_callback_set(k->mosq, on_message);
	mosquitto_publish_callback_set(k->mosq, on_publish);
	mosquitto_log_callback_set(k->mosq, on_log);
	return k;
}

void link_close(struct mqtt_link *k, bool politely)
{
	if (k->lookup)
		k->lookup->link = NULL;
	if (politely && k->state == LINK_UP)
		mosquitto_disconnect(k->mosq);
	unwatch(k);
	if (k->mosq)
		mosquitto_destroy(k->mosq);
	mqtt_secure_free(k->tls);
	free(k->sent);
	arena_reset(&k->arena);
	free(k);
}
